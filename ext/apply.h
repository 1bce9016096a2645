/* Merging a changeset into the file. Source: docs/MERGE.md. */
#ifndef SYNC_APPLY_H
#define SYNC_APPLY_H

#include "engine.h"
#include "fold.h"
#include "gate.h"

/* Merges inside a SYNC_WRITE operation whose tail has been folded (sync_local). On error the caller rolls back and nothing of it remains.
** *changed: rows whose state changed. SYNC_BEHIND, SYNC_EARLY, SYNC_SCHEMA, SYNC_FORMAT, SYNC_CORRUPT as in status.h. */
int sync_apply(sync_db *s, const void *changeset, size_t bytes, int64_t *changed, sync_error *error);

/* The same for an author who may not write everything. SYNC_BARRED: the caller rolls back and calls again with this gate. After success *report is what was left out, borrowed
** from the gate (sync_gate_finish). */
int sync_apply_gated(sync_db *s, const void *changeset, size_t bytes, sync_gate *gate, int64_t *changed,
                     sync_error *error);

/* The local half of every writing operation: learns late columns and lost triggers, folds the tail for real, and shows what
** local writes made room for. *entries: journal entries folded. It may leave a part of the tail once `enough` (INT64_MAX: all) are. */
int sync_local(sync_db *s, int64_t enough, int64_t *entries, sync_error *error);

#endif
