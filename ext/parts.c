#include "parts.h"

/* Which part of which delta comes next from a site. In a table, so that a rollback, also of the caller's transaction, takes it back. */
static const char make_part_table[] =
    "CREATE TABLE IF NOT EXISTS temp.sync_part(site BLOB PRIMARY KEY, delta INTEGER, next INTEGER)";

int sync_parts_ready(sync_db *s, sync_error *error)
{
    return sync_exec(s, error, make_part_table);
}

/* Runs a statement on that table: ?1 site, ?2 delta, ?3 next. *out is its first column, if it has rows. */
static int on_parts(sync_db *s, const sync_head *head, const char *sql, uint32_t next, int64_t *out,
                    sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_parts_ready(s, error);
    rc = rc == SYNC_OK ? sync_borrow(s, &stmt, error, "%s", sql) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    int count = sqlite3_bind_parameter_count(stmt);
    if (sqlite3_bind_blob(stmt, 1, head->site, SYNC_SITE_BYTES, SQLITE_STATIC) ||
        (count > 1 && sqlite3_bind_int64(stmt, 2, head->delta)) ||
        (count > 2 && sqlite3_bind_int64(stmt, 3, next))) {
        rc = sync_fail_nomem(error);
    } else if ((rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
    }
    sync_return(s, stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_parts_check(sync_db *s, const sync_head *head, sync_error *error)
{
    if (head->part == 0) {
        return SYNC_OK;
    }
    int64_t next = 0;
    int rc =
        on_parts(s, head, "SELECT next FROM temp.sync_part WHERE site = ?1 AND delta = ?2", 0, &next, error);
    if (rc == SYNC_OK && next != (int64_t)head->part) {
        rc = sync_fail(
            error, SYNC_BEHIND,
            "part %u of a delta without the parts before it: ask for changes with this file's sync_seen()",
            head->part);
    }
    return rc;
}

int sync_parts_note(sync_db *s, const sync_head *head, bool last, sync_error *error)
{
    int64_t none = 0;
    if (last && head->part == 0) {
        return SYNC_OK;
    }
    if (last) {
        return on_parts(s, head, "DELETE FROM temp.sync_part WHERE site = ?1", 0, &none, error);
    }
    int rc = on_parts(s, head, "INSERT OR REPLACE INTO temp.sync_part VALUES(?1, ?2, ?3)", head->part + 1,
                      &none, error);
    return rc == SYNC_OK ? sync_exec(s, error,
                                     "DELETE FROM temp.sync_part WHERE rowid <= (SELECT max(rowid) FROM "
                                     "temp.sync_part) - %d",
                                     SYNC_PARTS_OPEN_MAX)
                         : rc;
}
