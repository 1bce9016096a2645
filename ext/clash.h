/* Rows that cannot be shown together, because a UNIQUE index forbids it: the one of highest rank is. */
#ifndef SYNC_CLASH_H
#define SYNC_CLASH_H

#include "merging.h"

/* Called when a UNIQUE index refused `row` (every cell carried). *wins: all that were in its way ranked lower (highest stamp of the indexed
** cells, then key) and are held now: the row can be written. Otherwise `winner` is the content of one that ranks higher (or empty).
** shown: the row is in the base table already, with other values. */
int sync_clash_settle(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row, bool shown,
                      bool *wins, sync_row *winner);

#endif
