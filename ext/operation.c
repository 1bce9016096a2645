#include "operation.h"

#include "apply.h"
#include "fold.h"
#include "rollbacks.h"

int sync_not_tracked(sync_error *error)
{
    return sync_fail(
        error, SYNC_ERROR,
        "no table of this file is tracked: SELECT sync_track('table') or sync_track_all() first");
}

int sync_operation_end(sync_db *s, sync_operation *o, int result, sync_error *error)
{
    bool ours = o->op.transaction;
    int rc = sync_op_end(s, &o->op, result, error);
    if (rc == SYNC_OK && s->stamped && s->has_meta && ours && !o->renewed && o->op.mode == SYNC_WRITE) {
        sync_site_stamped(s);
    }
    if (rc == SYNC_OK && o->renewed && ours &&
        s->has_meta) { /* until the witness says so too, others would take yet another id */
        sync_operation again = {0};
        rc = sync_operation_read(s, &again, true, error);
        rc = rc == SYNC_OK ? sync_op_end(s, &again.op, rc, error) : rc;
    }
    return rc;
}

int sync_operation_write(sync_db *s, sync_operation *o, int64_t *entries, sync_error *error)
{
    return sync_operation_fold(s, o, INT64_MAX, entries, error);
}

/* One attempt to open an operation and to do the local half of it. */
static int try_fold(sync_db *s, sync_operation *o, int64_t enough, int64_t *entries, sync_error *error)
{
    int64_t folded = 0;
    sync_site_look(s, &o->outside);
    sync_buf_reset(&s->anew);
    int rc = sync_op_begin(s, &o->op, SYNC_WRITE, error);
    if (rc == SYNC_OK && s->has_meta) {
        bool stale = false;
        rc = sync_site_stale(s, &o->outside, &stale, error);
        if (rc == SYNC_OK && stale) {
            rc = sync_site_renew(s, &o->outside, error);
            o->renewed = true;
            enough = INT64_MAX; /* who stamps which part of the tail is known in this transaction alone */
        }
        rc = rc == SYNC_OK ? sync_local(s, enough, &folded, error) : rc;
        if (rc == SYNC_OK && folded > 0 && !o->renewed) {
            sync_site_stamps(s, &o->outside);
        }
        rc = rc == SYNC_OK ? sync_site_anew(s, &o->outside, &o->renewed, error) : rc;
        s->told_before_sid = 0;
        rc = rc == SYNC_OK ? SYNC_OK : sync_operation_end(s, o, rc, error);
    }
    if (entries) {
        *entries = folded;
    }
    return rc;
}

int sync_operation_fold(sync_db *s, sync_operation *o, int64_t enough, int64_t *entries, sync_error *error)
{
    uint32_t before;
    int rc;
    do {
        before = s->rollback_count;
        *o = (sync_operation){.renewed = false};
        sync_error_clear(error);
        rc = try_fold(s, o, enough, entries, error);
    } while (sync_rollbacks_again(s, before, o->op.transaction, rc));
    return rc;
}

int sync_operation_ahead(sync_db *s, int64_t most, int64_t *entries, sync_error *error)
{
    sync_operation o = {0};
    bool stale = false, need_real = false;
    *entries = 0;
    sync_site_look(s, &o.outside);
    int rc = sync_op_begin(s, &o.op, SYNC_READ, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    if (s->has_meta) {
        rc = sync_fold_tail(s, entries, error);
        rc = rc == SYNC_OK ? sync_site_stale(s, &o.outside, &stale, error) : rc;
        rc = rc == SYNC_OK && !stale && *entries <= most ? sync_fold_virtual(s, &need_real, error) : rc;
    }
    return sync_operation_end(s, &o, rc, error);
}

/* Writes what must be durable before it may be told. A long tail is folded in several transactions, each of which others wait for. */
static int settle_first(sync_db *s, sync_error *error)
{
    int64_t entries = 0;
    int rc = SYNC_OK;
    if (!sqlite3_get_autocommit(s->db)) {
        return sync_fail(
            error, SYNC_BUSY,
            "something must be written before this file can be told of: end the transaction first");
    }
    if (sqlite3_db_readonly(s->db, "main") == 1) {
        return sync_fail(error, SYNC_READONLY,
                         "this file must be opened for writing once before it can be told of (it is a copy, "
                         "or its schema changed)");
    }
    do {
        sync_operation w = {0};
        rc = sync_operation_fold(s, &w, SYNC_FOLD_STEP, &entries, error);
        rc = rc == SYNC_OK ? sync_operation_end(s, &w, SYNC_OK, error) : rc;
    } while (rc == SYNC_OK && entries >= SYNC_FOLD_STEP);
    return rc;
}

/* One attempt: *must_write if the snapshot cannot be told of as it is. */
static int try_read(sync_db *s, sync_operation *o, bool *must_write, sync_error *error)
{
    int64_t tail = 0;
    *must_write = false;
    sync_site_look(s, &o->outside);
    int rc = sync_op_begin(s, &o->op, SYNC_READ, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    if (!s->has_meta) {
        rc = sync_not_tracked(error);
    } else if ((rc = sync_site_stale(s, &o->outside, must_write, error)) == SYNC_OK && !*must_write) {
        bool may_write = sqlite3_get_autocommit(s->db) == 0 ? o->op.transaction : true;
        may_write = may_write && sqlite3_db_readonly(s->db, "main") == 0;
        rc = may_write ? sync_fold_tail(s, &tail, error) : SYNC_OK;
        if (rc == SYNC_OK && tail > SYNC_VIRTUAL_TAIL_MAX) {
            *must_write = true;
        } else if (rc == SYNC_OK) {
            rc = sync_fold_virtual(s, must_write, error);
        }
    }
    if (rc != SYNC_OK || *must_write) {
        return sync_operation_end(s, o, rc, error);
    }
    return SYNC_OK;
}

int sync_operation_read(sync_db *s, sync_operation *o, bool telling, sync_error *error)
{
    bool must_write = false;
    bool left = s->left != SYNC_LEFT_NOTHING; /* by us: that is ended first */
    if (telling && !left && sqlite3_txn_state(s->db, "main") == SQLITE_TXN_WRITE) {
        return sync_fail(error, SYNC_MISUSE,
                         "this transaction has written and may still be rolled back: COMMIT before changes "
                         "leave the file");
    }
    int rc = try_read(s, o, &must_write, error);
    if (rc == SYNC_OK && must_write) {
        rc = settle_first(s, error);
        rc = rc == SYNC_OK ? try_read(s, o, &must_write, error) : rc;
        if (rc == SYNC_OK &&
            must_write) { /* somebody wrote in between what must be settled again: the caller tries later */
            rc = sync_fail(error, SYNC_BUSY, "the file changes faster than it can be read: try again");
        }
    }
    if (rc == SYNC_OK && telling) {
        rc = sync_site_testify(s, &o->outside, error);
        rc = rc == SYNC_OK ? rc : sync_operation_end(s, o, rc, error);
    }
    return rc;
}
