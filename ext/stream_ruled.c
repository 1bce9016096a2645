/* Selections and merges by rules, for programs that link the engine. */
#include "sqlite.h"

#include "apply.h"
#include "operation.h"
#include "refusals.h"
#include "renumber.h"
#include "rollbacks.h"
#include "stream_internal.h"
#include "withdraw.h"

/* Keeps what the gate has left out for the author. */
static int keep_report(sync_db *s, sync_gate *gate, const void *changeset, size_t bytes, sync_error *error)
{
    sync_decoder *decoder = NULL;
    const void *report = NULL;
    size_t report_bytes = 0;
    int rc = sync_gate_finish(gate, &report, &report_bytes, error);
    if (rc == SYNC_OK && report) {
        rc = sync_decoder_open(changeset, bytes, SYNC_VALUE_BYTES_MAX, &decoder, error);
        rc = rc == SYNC_OK
                 ? sync_refusals_keep(s, sync_decoder_head(decoder)->site, report, report_bytes, error)
                 : rc;
        sync_decoder_close(decoder);
    }
    return rc;
}

/* One pass. */
static int try_ruled(sync_db *s, sync_gate *gate, const void *changeset, size_t bytes, int64_t *changed,
                     bool *transaction, sync_error *error)
{
    sync_operation o = {0};
    int rc = sync_operation_write(s, &o, NULL, error);
    *transaction = o.op.transaction;
    if (rc == SYNC_OK) {
        rc = s->has_meta ? sync_apply_gated(s, changeset, bytes, gate, changed, error)
                         : sync_not_tracked(error);
        rc = rc == SYNC_OK ? keep_report(s, gate, changeset, bytes, error) : rc;
        rc = sync_operation_end(s, &o, rc, error);
    }
    return rc;
}

int sync_merge_ruled(sqlite3 *db, const sync_rules *rules, const void *changeset, size_t bytes,
                     int64_t *changed, int64_t *refused, bool *blind, char **error)
{
    sync_error why = {0};
    sync_gate gate = {.rules = rules};
    sync_db *s = NULL;
    bool transaction = false, again = true;
    *error = NULL;
    int rc = sync_stream_engine(db, &s, &why);
    while (rc == SYNC_OK && again) {
        uint32_t before = s->rollback_count;
        rc = try_ruled(s, &gate, changeset, bytes, changed, &transaction, &why);
        again = rc == SYNC_BARRED || sync_rollbacks_again(s, before, transaction, rc);
        if (again) {
            sync_error_clear(&why);
            rc = SYNC_OK;
        }
    }
    *refused = rc == SYNC_OK ? gate.refused : 0;
    *blind = rc == SYNC_OK && gate.blind;
    sync_gate_free(&gate);
    if (rc != SYNC_OK) {
        *changed = 0;
        *error = sync_stream_text(&why);
    }
    return rc;
}

int sync_renumber_held(sqlite3 *db, int64_t *entries, char **error)
{
    sync_error why = {0};
    sync_operation o = {0};
    sync_op look = {0};
    sync_db *s = NULL;
    int64_t held = 0;
    *error = NULL;
    *entries = 0;
    int rc = sync_stream_engine(db, &s, &why);
    rc = rc == SYNC_OK ? sync_op_begin(s, &look, SYNC_READ, &why) : rc;
    if (rc == SYNC_OK) {
        rc = s->has_meta ? sync_query_int(s, &held, 0, &why,
                                          "SELECT EXISTS (SELECT 1 FROM main.sync_conflict WHERE held AND "
                                          "reason IN ('number', 'foreign key'))")
                         : SYNC_OK;
        rc = sync_op_end(s, &look, rc, &why);
    }
    rc = rc == SYNC_OK && held ? sync_operation_write(s, &o, NULL, &why) : rc;
    if (rc == SYNC_OK && held) {
        sync_merging m = {0};
        int64_t before = s->folded;
        rc = sync_merging_begin(&m, s, &why);
        rc = rc == SYNC_OK ? sync_renumber_whoever(&m) : rc;
        *entries = m.newest - before;
        rc = sync_merging_end_local(&m, rc);
        rc = sync_operation_end(s, &o, rc, &why);
    }
    if (rc != SYNC_OK) {
        *entries = 0;
        *error = sync_stream_text(&why);
    }
    return rc;
}

/* A short writing operation of its own. */
static int begin(sqlite3 *db, sync_db **s, sync_operation *o, sync_error *error)
{
    int rc = sync_stream_engine(db, s, error);
    rc = rc == SYNC_OK ? sync_operation_write(*s, o, NULL, error) : rc;
    return rc == SYNC_OK && !(*s)->has_meta ? sync_operation_end(*s, o, sync_not_tracked(error), error) : rc;
}

int sync_note_refused(sqlite3 *db, const void *report, size_t bytes, const char *why, int64_t *rows,
                      char **error)
{
    sync_error failed = {0};
    sync_operation o = {0};
    sync_db *s = NULL;
    *error = NULL;
    *rows = 0;
    int rc = begin(db, &s, &o, &failed);
    if (rc == SYNC_OK) {
        rc = sync_operation_end(s, &o, sync_refused_note(s, report, bytes, why, rows, &failed), &failed);
    }
    if (rc != SYNC_OK) {
        *error = sync_stream_text(&failed);
    }
    return rc;
}

int sync_refused_next(sqlite3 *db, const void *author, int64_t *at, int64_t *id, void **report, size_t *bytes,
                      char **error)
{
    sync_error why = {0};
    sync_op o = {0};
    sync_db *s = NULL;
    sync_buf buf = {0};
    int64_t after_at = *at, after_id = *id;
    *error = NULL;
    *report = NULL;
    *bytes = 0;
    int rc = sync_stream_engine(db, &s, &why);
    rc = rc == SYNC_OK ? sync_op_begin(s, &o, SYNC_READ, &why) : rc;
    if (rc == SYNC_OK) {
        rc = sync_refusals_next(s, author, after_at, after_id, at, id, &buf, &why);
        rc = sync_op_end(s, &o, rc, &why);
    }
    if (rc != SYNC_OK) {
        sync_buf_free(&buf);
        *error = sync_stream_text(&why);
        return rc;
    }
    *report = buf.data; /* sync_alloc is sqlite3_malloc64 */
    *bytes = buf.len;
    return SQLITE_OK;
}

int sync_refused_known(sqlite3 *db, const void *author, int64_t id, char **error)
{
    sync_error why = {0};
    sync_operation o = {0};
    sync_db *s = NULL;
    *error = NULL;
    int rc = begin(db, &s, &o, &why);
    if (rc == SYNC_OK) {
        rc = sync_operation_end(s, &o, sync_refusals_drop(s, author, id, &why), &why);
    }
    if (rc != SYNC_OK) {
        *error = sync_stream_text(&why);
    }
    return rc;
}
