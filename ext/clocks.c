#include "clocks.h"

static void build_insert_in(const sync_table *t, sqlite3_str *sql, const char *verb, const char *schema)
{
    sqlite3_str_appendf(sql, "%s INTO %s.sync_row_%u(seq, clock, %s", verb, schema, t->tid,
                        t->identity == SYNC_BY_ROW ? "j, " : "");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, ") VALUES(?1, ?2, %s", t->identity == SYNC_BY_ROW ? "?3, " : "");
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s?%d", i ? ", " : "", (int)i + 4);
    }
    sqlite3_str_appendall(sql, ")");
}

static void build_insert(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_insert_in(t, sql, "INSERT", "main");
}

static void build_insert_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_insert_in(t, sql, "INSERT OR REPLACE", "temp");
}

static void where_key(const sync_table *t, sqlite3_str *sql)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sk%d = ?%d", i ? " AND " : "", (int)i + 1, (int)i + 4);
    }
}

static void build_update(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "UPDATE main.sync_row_%u SET seq = ?1, clock = ?2 WHERE ", t->tid);
    where_key(t, sql);
    sqlite3_str_appendall(sql, t->identity == SYNC_BY_ROW ? " AND j = ?3" : "");
}

static void build_delete_in(const sync_table *t, sqlite3_str *sql, const char *schema)
{
    sqlite3_str_appendf(sql, "DELETE FROM %s.sync_row_%u WHERE ", schema, t->tid);
    where_key(t, sql);
    sqlite3_str_appendall(sql, t->identity == SYNC_BY_ROW ? " AND j = ?3" : "");
}

static void build_delete(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_delete_in(t, sql, "main");
}

static void build_delete_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_delete_in(t, sql, "temp");
}

static void build_next_j_in(const sync_table *t, sqlite3_str *sql, const char *schema)
{
    sqlite3_str_appendf(sql, "SELECT max(j) FROM %s.sync_row_%u WHERE ", schema, t->tid);
    where_key(t, sql);
}

static void build_next_j(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_next_j_in(t, sql, "main");
}

static void build_next_j_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_next_j_in(t, sql, "temp");
}

/* Brings all rows of a number into the overlay, unless it has some already. */
static void build_overlay_copy(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "INSERT INTO temp.sync_row_%u SELECT * FROM main.sync_row_%u WHERE ", t->tid,
                        t->tid);
    where_key(t, sql);
    sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM temp.sync_row_%u WHERE ", t->tid);
    where_key(t, sql);
    sqlite3_str_appendall(sql, ")");
}

int sync_clocks_bind_key(sync_db *s, sqlite3_stmt *stmt, const sync_table *t, const sync_value *key,
                         sync_error *error)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (sync_bind_value(stmt, (int)i + 4, &key[i]) != SQLITE_OK) {
            return sync_fail_db(s, error, NULL);
        }
    }
    return SYNC_OK;
}

int sync_clocks_put(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t j,
                    int64_t seq, const sync_buf *clock, bool fresh, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc;
    if (place == SYNC_IN_OVERLAY) {
        rc = sync_table_stmt(s, t, SYNC_STMT_CLOCK_INSERT_TEMP, build_insert_temp, &stmt, error);
    } else if (fresh) {
        rc = sync_table_stmt(s, t, SYNC_STMT_CLOCK_INSERT, build_insert, &stmt, error);
    } else {
        rc = sync_table_stmt(s, t, SYNC_STMT_CLOCK_UPDATE, build_update, &stmt, error);
    }
    rc = rc == SYNC_OK && clock->oom ? sync_fail_nomem(error) : rc;
    rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    if (sqlite3_bind_int64(stmt, 1, seq) ||
        sqlite3_bind_blob64(stmt, 2, clock->data, clock->len, SQLITE_STATIC) ||
        (t->identity == SYNC_BY_ROW && sqlite3_bind_int64(stmt, 3, j))) {
        return sync_fail_db(s, error, NULL);
    }
    return sync_run(s, stmt, error);
}

int sync_clocks_delete(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t j,
                       sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = place == SYNC_IN_FILE
                 ? sync_table_stmt(s, t, SYNC_STMT_CLOCK_DELETE, build_delete, &stmt, error)
                 : sync_table_stmt(s, t, SYNC_STMT_CLOCK_DELETE_TEMP, build_delete_temp, &stmt, error);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
    if (rc == SYNC_OK && t->identity == SYNC_BY_ROW && sqlite3_bind_int64(stmt, 3, j)) {
        rc = sync_fail_db(s, error, NULL);
    }
    return rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
}

int sync_clocks_highest(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t *j,
                        sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = place == SYNC_IN_FILE
                 ? sync_table_stmt(s, t, SYNC_STMT_CLOCK_NEXT_J, build_next_j, &stmt, error)
                 : sync_table_stmt(s, t, SYNC_STMT_CLOCK_NEXT_J_TEMP, build_next_j_temp, &stmt, error);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(s, stmt, error);
    *j = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? SYNC_OK : rc;
}

int sync_clocks_overlay(sync_db *s, sync_table *t, const sync_value *key, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_table_stmt(s, t, SYNC_STMT_OVERLAY_COPY, build_overlay_copy, &stmt, error);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
    return rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
}

static void build_parent(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT clock FROM main.sync_row_%u WHERE k1 = ?1 AND j = 0", t->tid);
}

static void build_parent_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql,
                        "SELECT iif(EXISTS (SELECT 1 FROM temp.sync_row_%u WHERE k1 = ?1),"
                        " (SELECT clock FROM temp.sync_row_%u WHERE k1 = ?1 AND j = 0),"
                        " (SELECT clock FROM main.sync_row_%u WHERE k1 = ?1 AND j = 0))",
                        t->tid, t->tid, t->tid);
}

int sync_clocks_born(sync_db *s, sync_table *parent, sync_place place, int64_t number, sync_stamp *born,
                     sync_error *error)
{
    sqlite3_stmt *stmt;
    *born = SYNC_STAMP_NONE;
    int rc = place == SYNC_IN_FILE
                 ? sync_table_stmt(s, parent, SYNC_STMT_PARENT_FIND, build_parent, &stmt, error)
                 : sync_table_stmt(s, parent, SYNC_STMT_PARENT_FIND_TEMP, build_parent_temp, &stmt, error);
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, number)) {
        rc = sync_fail_db(s, error, NULL);
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(s, stmt, error);
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_BLOB) {
        sync_row row = {0};
        rc = sync_clock_get(&row, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                            parent->identity, parent->epoch, s->sites.count);
        *born = row.born;
        sync_row_free(&row);
        rc = rc == SYNC_OK ? SQLITE_DONE
                           : sync_fail(error, rc, "sync_row_%u: the clock of number %lld is damaged",
                                       parent->tid, (long long)number);
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_clocks_drop_entry(sync_db *s, int64_t seq, sync_error *error)
{
    int rc = SYNC_OK;
    if (s->journal_delete_stmt == NULL) {
        rc = sync_prepare(s, &s->journal_delete_stmt, error, "DELETE FROM main.sync_journal WHERE seq = ?1");
    }
    if (rc == SYNC_OK && sqlite3_bind_int64(s->journal_delete_stmt, 1, seq)) {
        rc = sync_fail_db(s, error, NULL);
    }
    return rc == SYNC_OK ? sync_run(s, s->journal_delete_stmt, error) : rc;
}
