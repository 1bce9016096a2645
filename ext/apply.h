/* Merging a changeset into the file. Source: docs/MERGE.md. */
#ifndef SYNC_APPLY_H
#define SYNC_APPLY_H

#include "engine.h"
#include "fold.h"

/* Merges inside a SYNC_WRITE operation whose tail has been folded (sync_local). On error the caller rolls back and nothing of it remains.
** *changed: rows whose state changed. SYNC_BEHIND, SYNC_EARLY, SYNC_SCHEMA, SYNC_FORMAT, SYNC_CORRUPT as in status.h. */
int sync_apply(sync_db *s, const void *changeset, size_t bytes, int64_t *changed, sync_error *error);

/* The local half of every writing operation: learns late columns and lost triggers, folds the tail for real, and shows what
** local writes made room for. *entries: journal entries folded. It may leave a part of the tail once `enough` (INT64_MAX: all) are. */
int sync_local(sync_db *s, int64_t enough, int64_t *entries, sync_error *error);

#endif
