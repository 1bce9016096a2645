/* Rows that cannot be shown together, because a UNIQUE index forbids it: the one of highest rank is. */
#ifndef SYNC_CLASH_H
#define SYNC_CLASH_H

#include "merging.h"

/* Called when a UNIQUE index refused `row` (every cell carried; key: as it is shown, or claims to be). *wins: all that were in its way ranked lower (highest stamp of the indexed
** cells, then key) and are held now: the row can be written.
** shown: the row is in the base table already, with other values. */
int sync_clash_settle(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row, bool shown,
                      bool *wins);

/* What clashing rows are compared by, the highest being shown: stamps of indexed cells, then keys. */
sync_stamp sync_clash_rank(const sync_merging *m, const sync_table *t, const sync_row *row);
/* Keys by the bytes of their encodings (docs/FORMAT.md, "Value"): below 0, 0, above 0. All files agree on it. */
int sync_clash_compare_keys(const sync_table *t, const sync_value *a, const sync_value *b);

/* Who is in the way? Tries to write with OR REPLACE, looks at what was displaced, and takes everything back: this finds them under indexes of any kind. The
** list (sync_free) has keys in the arena; it is empty where the row is refused for another reason. */
int sync_clash_displaced(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                         bool shown, sync_value ***list, uint32_t *count);

#endif
