/* What every function of the extension does before its own work: identity of the file, a snapshot, the tail folded. */
#ifndef SYNC_OPERATION_H
#define SYNC_OPERATION_H

#include "engine.h"
#include "site.h"

typedef struct sync_operation {
    sync_op op;
    sync_outside outside;
    bool renewed; /* the file took a new site id in it */
} sync_operation;

/* Opens a snapshot to tell of: nothing of the file is written, unless something must be durable before it may be told (then that is
** written in a transaction of its own first). On success s->overlay.hlc is the clock that may be told, and sync_operation_end must follow.
** telling: what is read leaves the file: refused inside a transaction that has written. A file that is not tracked gives an error. */
int sync_operation_read(sync_db *s, sync_operation *o, bool telling, sync_error *error);

/* Opens a writing operation: identity checked, tail folded for real if the file is tracked (s->has_meta). *entries: folded; may be NULL. */
int sync_operation_write(sync_db *s, sync_operation *o, int64_t *entries, sync_error *error);

/* The same, but the folding may stop once `enough` (2 or more) entries are folded. */
int sync_operation_fold(sync_db *s, sync_operation *o, int64_t enough, int64_t *entries, sync_error *error);

/* Works the tail, if it has at most `most` entries, into the overlay, in a read transaction of its own: a writing operation that follows takes
** that over, and writes only. *entries: in the tail. Where it cannot be done it is not, which is no error. */
int sync_operation_ahead(sync_db *s, int64_t most, int64_t *entries, sync_error *error);

/* The error of a file that has nothing of ours. */
int sync_not_tracked(sync_error *error);

/* Commits or rolls back; returns `result` or the commit's failure. */
int sync_operation_end(sync_db *s, sync_operation *o, int result, sync_error *error);

#endif
