/* Rows that lost their number to an older claim get another one, from the file that gave them theirs. Source: docs/MERGE.md, "Numbers". */
#ifndef SYNC_RENUMBER_H
#define SYNC_RENUMBER_H

#include "engine.h"

/* After a whole delta was merged (write operation; s->hlc and s->folded are those of the file now, and are raised): every row that is held for its number, and whose
** number this file wrote, claims the first number above all that are known, as a write of this file; then what can be shown is shown. A table takes no part
** if part of somebody's key is a reference to it, or its own number is a reference: those numbers cannot follow. */
int sync_renumber(sync_db *s, sync_error *error);

#endif
