#include "tables.h"

#include "fold.h"
#include "vtab_changes.h"
#include "vtab_renumbered.h"
#include "vtab_status.h"

int sync_tables_register(sync_db *s)
{
    int rc = sync_vtab_changes_register(s);
    rc = rc == SQLITE_OK ? sync_vtab_status_register(s) : rc;
    return rc == SQLITE_OK ? sync_vtab_renumbered_register(s) : rc;
}

int sync_tables_fail(sqlite3_vtab *vtab, const sync_error *error)
{
    if (error->code == SYNC_NOMEM) {
        return SQLITE_NOMEM;
    }
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf("%s", error->text);
    return sync_host_code(error->code);
}

/* What a look may meet. */
typedef enum look { LOOK_FINE, LOOK_SHOULD_WRITE, LOOK_MUST_WRITE } look;

/* One attempt; the operation is open after LOOK_FINE only. */
static int try_look(sync_db *s, sync_operation *o, bool may_write, look *found, sync_error *error)
{
    bool need_real = false;
    int64_t tail = 0;
    *found = LOOK_FINE;
    sync_site_look(s, &o->outside);
    int rc = sync_op_begin(s, &o->op, SYNC_READ, error);
    if (rc != SYNC_OK || !s->has_meta) {
        return rc;
    }
    if (may_write) {
        bool stale = false;
        rc = sync_fold_tail(s, &tail, error);
        rc = rc == SYNC_OK ? sync_site_stale(s, &o->outside, &stale, error) : rc;
        if (rc == SYNC_OK && (tail > SYNC_VIRTUAL_TAIL_MAX || stale)) {
            *found = LOOK_SHOULD_WRITE;
        }
    }
    if (rc == SYNC_OK && *found == LOOK_FINE) {
        rc = sync_fold_virtual(s, &need_real, error);
        *found = need_real ? LOOK_MUST_WRITE : LOOK_FINE;
    }
    return rc == SYNC_OK && *found == LOOK_FINE ? SYNC_OK : sync_operation_end(s, o, rc, error);
}

static int settle(sync_db *s, sync_error *error)
{
    sync_operation w = {0};
    if (!sqlite3_get_autocommit(s->db)) {
        return sync_fail(error, SYNC_BUSY,
                         "something must be written before this file can be read: end the transaction first");
    }
    if (sqlite3_db_readonly(s->db, "main") == 1) {
        return sync_fail(
            error, SYNC_READONLY,
            "this file must be opened for writing once before it can be read (its schema changed)");
    }
    int rc = sync_operation_write(s, &w, NULL, error);
    return rc == SYNC_OK ? sync_operation_end(s, &w, SYNC_OK, error) : rc;
}

int sync_tables_look(sync_db *s, sync_operation *o, sync_error *error)
{
    look found;
    int rc = try_look(s, o, true, &found, error);
    if (rc != SYNC_OK || found == LOOK_FINE) {
        return rc;
    }
    sync_error why = {0};
    rc = settle(s, &why);
    if (rc != SYNC_OK && found == LOOK_MUST_WRITE) {
        return sync_fail(error, rc, "%s", why.text);
    }
    rc = try_look(s, o, false, &found, error);
    if (rc == SYNC_OK && found != LOOK_FINE) {
        rc = sync_fail(error, SYNC_BUSY, "the file changes faster than it can be read: try again");
    }
    return rc;
}
