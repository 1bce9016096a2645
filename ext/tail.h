/* A copy of what the overlay of a virtual fold says, for readers that go on after the operation has ended. */
#ifndef SYNC_TAIL_H
#define SYNC_TAIL_H

#include "engine.h"

typedef struct sync_tail sync_tail;

/* Inside an operation, after sync_fold_virtual. On success *out (NULL where nothing is in the overlay) must be freed. */
int sync_tail_copy(sync_db *s, sync_tail **out, sync_error *error);
void sync_tail_free(sync_tail *tail); /* NULL is fine */

typedef enum sync_tail_says { SYNC_TAIL_NOTHING, SYNC_TAIL_CLOCK, SYNC_TAIL_SUPERSEDED } sync_tail_says;

/* About a journal entry: the n-th clock that names it in the overlay (borrowed from the tail), or that the file's clocks which name it are
** superseded by the overlay, or nothing. tail may be NULL. */
sync_tail_says sync_tail_find(const sync_tail *tail, int64_t seq, size_t n, sync_value *clock);

/* Has the overlay a clock for this row of a base table? `key` as the base table spells it, `scratch` is overwritten. SYNC_OK or an error. */
int sync_tail_knows(const sync_tail *tail, const sync_table *t, const sync_value *key, sync_buf *scratch,
                    bool *knows, sync_error *error);

#endif
