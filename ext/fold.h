/* Fold: the journal's tail becomes row clocks. Source: docs/MERGE.md, "Fold". */
#ifndef SYNC_FOLD_H
#define SYNC_FOLD_H

#include "engine.h"

/* A column that the triggers have just come to know: rows that the tail names may have been written in it unseen. */
typedef struct sync_learned {
    uint32_t tid;
    uint32_t cid;
} sync_learned;

/* Folds the tail into the file (inside a SYNC_WRITE operation), or some of it once `enough` entries are folded (at least 2), and saves the clock. `learned` (count may be 0) as
** sync_capture_learn gave it. *entries: how many journal entries were folded. On error the caller rolls back. */
int sync_fold_real(sync_db *s, const sync_learned *learned, uint32_t learned_count, int64_t enough,
                   int64_t *entries, sync_error *error);

/* Makes the overlay in the TEMP schema hold the clocks that a real fold would write, continuing an overlay that is still good.
** *need_real: this tail cannot be folded virtually (a time ahead of the clock, an existence to be mended, columns or triggers to be
** made anew): what must be durable before it is told. Then the overlay must not be used. s->overlay.hlc is the clock after it. */
int sync_fold_virtual(sync_db *s, bool *need_real, sync_error *error);

/* Clears away what an earlier schema left in TEMP under the name sync_KIND_TID. SQLite drops no table while a SELECT of the caller runs: then it
** is renamed. */
int sync_overlay_clear(sync_db *s, const char *kind, uint32_t tid, sync_error *error);

/* Journal entries above sync_meta.folded. */
int sync_fold_tail(sync_db *s, int64_t *entries, sync_error *error);

#endif
