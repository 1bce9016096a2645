/* Deltas in parts, and merging, for programs that link the engine. */
#include "sqlite.h"

#include "stream.h"

#include "apply.h"
#include "changes.h"
#include "operation.h"
#include "rollbacks.h"
#include "stream_internal.h"

struct sync_stream {
    sync_db *s;
    sync_operation operation;
    sync_changes *changes;
    size_t part_bytes_max;
    uint32_t part_rows_max;
};

char *sync_stream_text(const sync_error *error)
{
    return sqlite3_mprintf("%s", error->text);
}

int sync_stream_engine(sqlite3 *db, sync_db **s, sync_error *error)
{
    int rc = sync_engine_of(db, s);
    if (*s) {
        return SYNC_OK;
    }
    if ((rc & 0xff) == SQLITE_NOMEM) {
        return sync_fail_nomem(error);
    }
    (void)sync_fail(error, SYNC_MISUSE, "sqlite3_syncext_init() was not called on this connection");
    return SYNC_MISUSE;
}

int sync_failed_with(sqlite3 *db)
{
    sync_error why = {0};
    sync_db *s = NULL;
    int rc = sync_stream_engine(db, &s, &why);
    return rc == SYNC_OK ? s->failed : rc;
}

/* Begins reading for a receiver. One who holds more of our writes than we do knows that this file was restored: a new site id, before
** anything is told. */
static int begin_reading(sync_stream *stream, const void *seen, size_t bytes, sync_error *error)
{
    sync_db *s = stream->s;
    sync_operation w = {0};
    bool behind = false;
    int rc = sync_operation_read(s, &stream->operation, true, error);
    if (rc != SYNC_OK || seen == NULL) {
        return rc;
    }
    rc = sync_changes_behind(s, seen, bytes, &behind, error);
    if (rc == SYNC_OK && !behind) {
        return SYNC_OK;
    }
    rc = sync_operation_end(s, &stream->operation, rc, error);
    rc = rc == SYNC_OK ? sync_operation_write(s, &w, NULL, error) : rc;
    if (rc == SYNC_OK) {
        rc = sync_site_renew(s, &w.outside, error);
        rc = sync_operation_end(s, &w, rc, error);
    }
    stream->operation = (sync_operation){0};
    return rc == SYNC_OK ? sync_operation_read(s, &stream->operation, true, error) : rc;
}

static int open_stream(sqlite3 *db, const sync_request *request, size_t part_bytes_max,
                       uint32_t part_rows_max, sync_stream **out, char **error)
{
    sync_error why = {0};
    sync_db *s = NULL;
    *out = NULL;
    *error = NULL;
    int rc = sync_stream_engine(db, &s, &why);
    sync_stream *stream = rc == SYNC_OK ? sync_alloc(sizeof *stream) : NULL;
    if (rc == SYNC_OK && stream == NULL) {
        rc = sync_fail_nomem(&why);
    }
    if (rc == SYNC_OK) {
        *stream = (sync_stream){.s = s, .part_bytes_max = part_bytes_max, .part_rows_max = part_rows_max};
        rc = begin_reading(stream, request->seen, request->seen_bytes, &why);
    }
    if (rc == SYNC_OK) {
        rc = sync_changes_open(s, request, &stream->changes, &why);
        if (rc != SYNC_OK) {
            rc = sync_operation_end(s, &stream->operation, rc, &why);
        }
    }
    if (rc != SYNC_OK) {
        sync_free(stream);
        *error = sync_stream_text(&why);
        return rc;
    }
    *out = stream;
    return SQLITE_OK;
}

int sync_stream_open(sqlite3 *db, const void *seen, size_t seen_bytes, size_t part_bytes_max,
                     uint32_t part_rows_max, sync_stream **out, char **error)
{
    const sync_request request = {
        .seen = seen, .seen_bytes = seen_bytes, .skip_refused = true, .parts = true};
    return open_stream(db, &request, part_bytes_max, part_rows_max, out, error);
}

int sync_stream_select(sqlite3 *db, const sync_rules *rules, sync_selection *had, const void *seen,
                       size_t seen_bytes, size_t part_bytes_max, uint32_t part_rows_max, sync_stream **out,
                       char **error)
{
    const sync_request request = {.seen = seen,
                                  .seen_bytes = seen_bytes,
                                  .skip_refused = true,
                                  .parts = true,
                                  .rules = rules,
                                  .selection = had};
    return open_stream(db, &request, part_bytes_max, part_rows_max, out, error);
}

int sync_stream_next(sync_stream *stream, const void **part, size_t *bytes, int *last, char **error)
{
    sync_error why = {0};
    bool is_last = false;
    *error = NULL;
    int rc = sync_changes_part(stream->changes, stream->part_bytes_max, stream->part_rows_max, part, bytes,
                               &is_last, &why);
    *last = is_last;
    if (rc != SYNC_ROW && rc != SYNC_DONE) {
        *error = sync_stream_text(&why);
    }
    return rc;
}

uint64_t sync_stream_rows(const sync_stream *stream)
{
    return sync_changes_rows(stream->changes);
}

int sync_stream_left(sync_stream *stream, uint64_t *left, char **error)
{
    sync_error why = {0};
    *error = NULL;
    int rc = sync_changes_left(stream->changes, left, &why);
    if (rc != SYNC_OK) {
        *error = sync_stream_text(&why);
    }
    return rc;
}

int sync_stream_seen(sync_stream *stream, void **seen, size_t *bytes)
{
    sync_error why = {0};
    sync_buf buf = {0};
    *seen = NULL;
    *bytes = 0;
    int rc = sync_changes_receiver(stream->changes, &buf, &why);
    if (rc != SYNC_OK) {
        sync_buf_free(&buf);
        return rc;
    }
    *seen = buf.data; /* sync_alloc is sqlite3_malloc64 */
    *bytes = buf.len;
    return SQLITE_OK;
}

void sync_stream_close(sync_stream *stream)
{
    if (stream) {
        sync_error ignored = {0};
        sync_changes_close(stream->changes);
        (void)sync_operation_end(stream->s, &stream->operation, SYNC_OK,
                                 &ignored); /* ends a read transaction */
        sync_free(stream);
    }
}

int sync_fold_some(sqlite3 *db, int64_t enough, int64_t *entries, char **error)
{
    sync_error why = {0};
    sync_operation o = {0};
    sync_op look = {0};
    sync_db *s = NULL;
    int64_t tail = 0;
    *entries = 0;
    *error = NULL;
    int rc = sync_stream_engine(db, &s, &why);
    if (rc == SYNC_OK && enough < 2) {
        rc = sync_fail(&why, SYNC_MISUSE, "sync_fold_some() folds two entries or more");
    }
    rc = rc == SYNC_OK ? sync_op_begin(s, &look, SYNC_READ, &why) : rc;
    if (rc == SYNC_OK) {
        rc = s->has_meta ? sync_fold_tail(s, &tail, &why) : SYNC_OK;
        rc = sync_op_end(s, &look, rc, &why);
    }
    if (rc == SYNC_OK && tail > 0) {
        rc = sync_operation_fold(s, &o, enough, entries, &why);
        rc = rc == SYNC_OK ? sync_operation_end(s, &o, rc, &why) : rc;
    }
    if (rc != SYNC_OK) {
        *entries = 0;
        *error = sync_stream_text(&why);
    }
    return rc;
}

int sync_fold_ahead(sqlite3 *db, int64_t most, int64_t *entries, char **error)
{
    sync_error why = {0};
    sync_db *s = NULL;
    *entries = 0;
    *error = NULL;
    int rc = sync_stream_engine(db, &s, &why);
    if (rc == SYNC_OK && !sqlite3_get_autocommit(db)) {
        rc = sync_fail(&why, SYNC_MISUSE, "sync_fold_ahead() inside a transaction");
    }
    rc = rc == SYNC_OK ? sync_operation_ahead(s, most, entries, &why) : rc;
    if (rc != SYNC_OK) {
        *error = sync_stream_text(&why);
    }
    return rc;
}

static int try_merge(sync_db *s, sync_incoming *const *list, size_t count, bool *transaction,
                     sync_error *error)
{
    sync_operation o = {0};
    int rc = sync_operation_write(s, &o, NULL, error);
    *transaction = o.op.transaction;
    if (rc == SYNC_OK) {
        rc = s->has_meta ? SYNC_OK : sync_not_tracked(error);
        for (size_t i = 0; rc == SYNC_OK && i < count; i++) {
            rc = sync_apply(s, list[i]->changeset, list[i]->bytes, &list[i]->changed, error);
        }
        rc = sync_operation_end(s, &o, rc, error);
    }
    return rc;
}

int sync_merge_changesets(sqlite3 *db, sync_incoming *const *list, size_t count, char **error)
{
    sync_error why = {0};
    sync_db *s = NULL;
    uint32_t before;
    bool transaction = false, again = true;
    *error = NULL;
    int rc = sync_stream_engine(db, &s, &why);
    while (rc == SYNC_OK && again) {
        before = s->rollback_count;
        rc = try_merge(s, list, count, &transaction, &why);
        again = sync_rollbacks_again(s, before, transaction, rc);
        if (again) {
            sync_error_clear(&why);
            rc = SYNC_OK;
        }
    }
    if (rc != SYNC_OK) {
        *error = sync_stream_text(&why);
    }
    return rc;
}

int sync_merge_changeset(sqlite3 *db, const void *changeset, size_t bytes, int64_t *changed, char **error)
{
    sync_incoming one = {changeset, bytes, 0};
    int rc = sync_merge_changesets(db, (sync_incoming *[]){&one}, 1, error);
    *changed = rc == SYNC_OK ? one.changed : 0;
    return rc;
}
