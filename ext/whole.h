/* A table that comes whole: every row that its maker has is named, and what this file has beyond them and its maker has seen is gone
** (docs/MERGE.md, "Compaction"). */
#ifndef SYNC_WHOLE_H
#define SYNC_WHOLE_H

#include "floor.h"

/* Before the first part of such a delta: it has named no row of the table. */
int sync_whole_begin(sync_db *s, const sync_table *t, sync_error *error);

/* Notes a row as it is known: its key, or number at birth, and its birth (identity row). */
int sync_whole_name(sync_db *s, sync_table *t, const sync_whole *w, const sync_value *key, sync_stamp born,
                    sync_error *error);

/* After the last part, in the merge: of rows that live here and are not named, those end that the maker has seen; the others are told anew, since
** somebody may know of their end. *gone: how many ended. */
int sync_whole_sweep(sync_merging *m, sync_table *t, const sync_whole *w, int64_t *gone);

/* After the last part of a selection: calls `each` for the rows that live here, shown or held, and are not named; key and birth are as in sync_find. */
typedef int sync_unnamed(void *context, sync_merging *m, sync_table *t, const sync_value *key,
                         sync_stamp born);
int sync_whole_rest(sync_merging *m, sync_table *t, const sync_whole *w, sync_unnamed *each, void *context);

/* At the end: the names are of no more use. */
int sync_whole_end(sync_db *s, const sync_table *t, const sync_whole *w, sync_error *error);

#endif
