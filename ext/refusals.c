#include "refusals.h"

/* As SQLite keeps the text of its declaration. */
#define COLUMNS "(id INTEGER PRIMARY KEY, site BLOB NOT NULL, at INTEGER NOT NULL, report BLOB NOT NULL)"

int sync_refusals_owned(sync_db *s, bool *owned, sync_error *error)
{
    int64_t found = 0;
    int rc = sync_query_int(
        s, &found, 0, error,
        "SELECT count(*) FROM main.sqlite_schema WHERE sql = 'CREATE TABLE sync_refused" COLUMNS "'");
    *owned = found != 0;
    return rc;
}

static int make(sync_db *s, sync_error *error)
{
    bool owned = false;
    int64_t taken = 0;
    int rc = sync_refusals_owned(s, &owned, error);
    if (rc != SYNC_OK || owned) {
        return rc;
    }
    rc = sync_query_int(s, &taken, 0, error,
                        "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sync_refused' COLLATE NOCASE");
    if (rc == SYNC_OK && taken) {
        return sync_fail(error, SYNC_ERROR,
                         "this file has a table of its own named sync_refused: rename it, the rules of this "
                         "room need the name");
    }
    return rc == SYNC_OK ? sync_exec(s, error, "CREATE TABLE main.sync_refused" COLUMNS) : rc;
}

int sync_refusals_keep(sync_db *s, const uint8_t author[SYNC_SITE_BYTES], const void *report, size_t bytes,
                       sync_error *error)
{
    const sync_env *env = sync_env_get();
    sqlite3_stmt *stmt = NULL;
    int64_t id = 0;
    int rc = make(s, error);
    if (rc == SYNC_OK && env->random(env->context, &id, sizeof id) != 0) {
        rc = sync_fail(error, SYNC_IOERR, "no random numbers for what is refused");
    }
    id =
        (id & INT64_MAX) | 1; /* a number is not used twice, so that no late answer is about another report */
    rc = rc == SYNC_OK ? sync_borrow(s, &stmt, error, "INSERT INTO main.sync_refused VALUES(?1, ?2, ?3, ?4)")
                       : rc;
    if (rc == SYNC_OK && (sqlite3_bind_int64(stmt, 1, id) ||
                          sqlite3_bind_blob(stmt, 2, author, SYNC_SITE_BYTES, SQLITE_STATIC) ||
                          sqlite3_bind_int64(stmt, 3, env->now_ms(env->context)) ||
                          sqlite3_bind_blob64(stmt, 4, report, bytes, SQLITE_STATIC))) {
        rc = sync_fail_db(s, error, NULL);
    }
    rc = rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
    sync_return(s, stmt);
    return rc;
}

int sync_refusals_next(sync_db *s, const uint8_t author[SYNC_SITE_BYTES], int64_t after_at, int64_t after_id,
                       int64_t *at, int64_t *id, sync_buf *report, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    bool owned = false;
    *id = *at = 0;
    int rc = sync_refusals_owned(s, &owned, error);
    if (rc != SYNC_OK || !owned) {
        return rc;
    }
    rc = sync_borrow(s, &stmt, error,
                     "SELECT at, id, report FROM main.sync_refused WHERE site = ?1 AND (at, id) > (?2, ?3)"
                     " ORDER BY at, id LIMIT 1");
    if (rc == SYNC_OK && (sqlite3_bind_blob(stmt, 1, author, SYNC_SITE_BYTES, SQLITE_STATIC) ||
                          sqlite3_bind_int64(stmt, 2, after_at) || sqlite3_bind_int64(stmt, 3, after_id))) {
        rc = sync_fail_db(s, error, NULL);
    }
    rc = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
    if (rc == SQLITE_ROW) {
        *at = sqlite3_column_int64(stmt, 0);
        *id = sqlite3_column_int64(stmt, 1);
        sync_value blob = sync_column_value(stmt, 2);
        sync_buf_put(report, blob.data, blob.type == SYNC_BLOB ? blob.bytes : 0);
        rc = report->oom ? sync_fail_nomem(error) : SYNC_OK;
    }
    sync_return(s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_refusals_drop(sync_db *s, const uint8_t author[SYNC_SITE_BYTES], int64_t id, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    bool owned = false;
    int rc = sync_refusals_owned(s, &owned, error);
    if (rc != SYNC_OK || !owned) {
        return rc;
    }
    rc = sync_borrow(s, &stmt, error, "DELETE FROM main.sync_refused WHERE id = ?1 AND site = ?2");
    if (rc == SYNC_OK && (sqlite3_bind_int64(stmt, 1, id) ||
                          sqlite3_bind_blob(stmt, 2, author, SYNC_SITE_BYTES, SQLITE_STATIC))) {
        rc = sync_fail_db(s, error, NULL);
    }
    rc = rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
    sync_return(s, stmt);
    return rc;
}
