/* Tables where numbers and UNIQUE values are contested at once: who is shown, as a function of the rows alone. */
#ifndef SYNC_CONTEST_H
#define SYNC_CONTEST_H

#include "circle.h"

/* Decides over all rows of one table that are held, but not for their parents, and those in their way. UNIQUE comes first, among all of them; of the winners
** that claim one number the oldest is shown; then the same among those that nothing shown so far stands in the way of, until nobody is left.
** list: held rows of t. *changed: a row was shown or held. */
int sync_contest_settle(sync_merging *m, sync_table *t, const sync_candidate *list, uint32_t count,
                        bool *changed);

#endif
