/* Who is shown of rows that stand in each other's way: a function of the rows alone, whatever came first. Source: docs/MERGE.md, "Who is shown". */
#ifndef SYNC_CONTEST_H
#define SYNC_CONTEST_H

#include "claims.h"
#include "order.h"

/* Decides over claims, to begin with all rows of one group of tables that are held. Adds the shown rows that stand in their way, and what relies on those in the
** group. `wins` of each claim is the outcome; nothing is written. Rows with `refused` set do not take part, and others get it here. */
int sync_contest_decide(sync_claims *c, const sync_order *order);

#endif
