#include "clocks.h"

/* Statements are one text in four places: the shown clocks or, for identity row, the hidden ones; in the file or in the overlay. */
static void build_insert_into(const sync_table *t, sqlite3_str *sql, const char *verb, const char *table,
                              bool with_j)
{
    sqlite3_str_appendf(sql, "%s INTO %s_%u(seq, clock, %s", verb, table, t->tid, with_j ? "j, " : "");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, ") VALUES(?1, ?2, %s", with_j ? "?3, " : "");
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s?%d", i ? ", " : "", (int)i + 4);
    }
    sqlite3_str_appendall(sql, ")");
}

static void where_key(const sync_table *t, sqlite3_str *sql)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sk%d = ?%d", i ? " AND " : " WHERE ", (int)i + 1, (int)i + 4);
    }
}

static void build_insert(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_insert_into(t, sql, "INSERT", "main.sync_row", false);
}

static void build_insert_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_insert_into(t, sql, "INSERT OR REPLACE", "temp.sync_row", false);
}

static void build_insert_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_insert_into(t, sql, "INSERT OR REPLACE", "main.sync_hidden", true);
}

static void build_insert_hidden_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_insert_into(t, sql, "INSERT OR REPLACE", "temp.sync_hidden", true);
}

static void build_update(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "UPDATE main.sync_row_%u SET seq = ?1, clock = ?2", t->tid);
    where_key(t, sql);
}

static void build_delete(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "DELETE FROM main.sync_row_%u", t->tid);
    where_key(t, sql);
}

static void build_delete_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "DELETE FROM temp.sync_row_%u", t->tid);
    where_key(t, sql);
}

static void build_delete_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "DELETE FROM main.sync_hidden_%u", t->tid);
    where_key(t, sql);
    sqlite3_str_appendall(sql, " AND j = ?3");
}

static void build_highest(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT max(j) FROM main.sync_hidden_%u", t->tid);
    where_key(t, sql);
}

static void build_highest_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT max(j) FROM temp.sync_hidden_%u", t->tid);
    where_key(t, sql);
}

static void build_overlay_knows(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT EXISTS (SELECT 1 FROM temp.sync_row_%u", t->tid);
    where_key(t, sql);
    sqlite3_str_appendf(sql, ") OR EXISTS (SELECT 1 FROM temp.sync_hidden_%u", t->tid);
    where_key(t, sql);
    sqlite3_str_appendall(sql, ")");
}

static void build_overlay_shown(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "INSERT INTO temp.sync_row_%u SELECT * FROM main.sync_row_%u", t->tid, t->tid);
    where_key(t, sql);
}

static void build_overlay_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "INSERT INTO temp.sync_hidden_%u SELECT * FROM main.sync_hidden_%u", t->tid,
                        t->tid);
    where_key(t, sql);
}

/* Each column is named: what a host's PRAGMAs make of a column's name (full_column_names) holds for subqueries too. */
void sync_clocks_journal(sqlite3_str *sql, const sync_table *t)
{
    sqlite3_str_appendall(sql, "SELECT h.seq AS seq, h.tid AS tid, h.op AS op, h.at AS at, ");
    for (uint32_t i = 1; i <= t->key_count; i++) {
        sqlite3_str_appendf(sql, "h.k%u AS k%u, ", i, i);
    }
    sqlite3_str_appendf(sql, "(EXISTS (SELECT 1 FROM temp.sync_row_%u AS e WHERE ", t->tid);
    sync_str_match(sql, t, "e", "h");
    sqlite3_str_appendall(sql, ")");
    if (t->identity == SYNC_BY_ROW) {
        sqlite3_str_appendf(sql, " OR EXISTS (SELECT 1 FROM temp.sync_hidden_%u AS e WHERE e.k1 = h.k1)",
                            t->tid);
    }
    sqlite3_str_appendall(sql, ") AS known FROM main.sync_journal AS h");
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

/* The statement that writes a clock at that place. */
static int put_statement(sync_db *s, sync_table *t, sync_place place, int64_t j, bool fresh,
                         sqlite3_stmt **stmt, sync_error *error)
{
    if (place == SYNC_IN_OVERLAY) {
        return j ? sync_table_stmt(s, t, SYNC_STMT_HIDDEN_INSERT_TEMP, build_insert_hidden_temp, stmt, error)
                 : sync_table_stmt(s, t, SYNC_STMT_CLOCK_INSERT_TEMP, build_insert_temp, stmt, error);
    }
    if (j) {
        return sync_table_stmt(s, t, SYNC_STMT_HIDDEN_INSERT, build_insert_hidden, stmt, error);
    }
    return fresh ? sync_table_stmt(s, t, SYNC_STMT_CLOCK_INSERT, build_insert, stmt, error)
                 : sync_table_stmt(s, t, SYNC_STMT_CLOCK_UPDATE, build_update, stmt, error);
}

int sync_clocks_put(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t j,
                    int64_t seq, const sync_buf *clock, bool fresh, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = clock->oom ? sync_fail_nomem(error) : put_statement(s, t, place, j, fresh, &stmt, error);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    if (sqlite3_bind_int64(stmt, 1, seq) ||
        sqlite3_bind_blob64(stmt, 2, clock->data, clock->len, SQLITE_STATIC) ||
        (j && sqlite3_bind_int64(stmt, 3, j))) {
        return sync_fail_db(s, error, NULL);
    }
    return sync_run(s, stmt, error);
}

int sync_clocks_delete(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t j,
                       sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc;
    if (j) { /* only a merge moves a hidden clock */
        rc = sync_table_stmt(s, t, SYNC_STMT_HIDDEN_DELETE, build_delete_hidden, &stmt, error);
    } else {
        rc = place == SYNC_IN_FILE
                 ? sync_table_stmt(s, t, SYNC_STMT_CLOCK_DELETE, build_delete, &stmt, error)
                 : sync_table_stmt(s, t, SYNC_STMT_CLOCK_DELETE_TEMP, build_delete_temp, &stmt, error);
    }
    rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
    if (rc == SYNC_OK && j && sqlite3_bind_int64(stmt, 3, j)) {
        rc = sync_fail_db(s, error, NULL);
    }
    return rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
}

int sync_clocks_highest(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t *j,
                        sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = place == SYNC_IN_FILE
                 ? sync_table_stmt(s, t, SYNC_STMT_HIDDEN_HIGHEST, build_highest, &stmt, error)
                 : sync_table_stmt(s, t, SYNC_STMT_HIDDEN_HIGHEST_TEMP, build_highest_temp, &stmt, error);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(s, stmt, error);
    *j = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    rc = rc == SQLITE_ROW ? SYNC_OK : rc;
    sqlite3_reset(stmt);
    if (rc == SYNC_OK && (*j < 0 || *j == INT64_MAX)) { /* callers go one above it */
        rc = sync_fail(error, SYNC_CORRUPT, "sync_hidden_%u: a row of number %lld", t->tid, (long long)*j);
        *j = 0;
    }
    return rc;
}

int sync_clocks_overlay(sync_db *s, sync_table *t, const sync_value *key, sync_error *error)
{
    static const struct {
        sync_stmt_slot slot;
        sync_build *build;
    } steps[] = {{SYNC_STMT_OVERLAY_KNOWS, build_overlay_knows},
                 {SYNC_STMT_OVERLAY_HIDDEN, build_overlay_hidden},
                 {SYNC_STMT_OVERLAY_SHOWN, build_overlay_shown}};
    int rc = SYNC_OK;
    for (size_t i = 0; rc == SYNC_OK && i < sizeof steps / sizeof *steps; i++) {
        sqlite3_stmt *stmt;
        rc = sync_table_stmt(s, t, steps[i].slot, steps[i].build, &stmt, error);
        rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
        int step = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
        bool known = step == SQLITE_ROW && sqlite3_column_int(stmt, 0) != 0;
        sqlite3_reset(stmt);
        rc = step == SQLITE_ROW || step == SQLITE_DONE ? SYNC_OK : step;
        if (known) {
            break;
        }
    }
    return rc;
}

int sync_clocks_unpack(const sync_db *s, const sync_table *t, const sync_value *clock, sync_row *row)
{
    const sync_bounds bounds = {s->sites.count, t->col_count, t->key_count};
    return sync_clock_get(row, clock->data, clock->type == SYNC_BLOB ? clock->bytes : 0, t->identity,
                          t->epoch, &bounds);
}

static void build_parent(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT clock FROM main.sync_row_%u WHERE k1 = ?1", t->tid);
}

static void build_parent_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql,
                        "SELECT iif(EXISTS (SELECT 1 FROM temp.sync_row_%u WHERE k1 = ?1) OR EXISTS (SELECT "
                        "1 FROM temp.sync_hidden_%u WHERE"
                        " k1 = ?1), (SELECT clock FROM temp.sync_row_%u WHERE k1 = ?1), (SELECT clock FROM "
                        "main.sync_row_%u WHERE k1 = ?1))",
                        t->tid, t->tid, t->tid, t->tid);
}

int sync_clocks_shown(sync_db *s, sync_table *parent, sync_place place, int64_t number, sync_stamp *born,
                      int64_t *birth, bool *known, sync_error *error)
{
    sqlite3_stmt *stmt;
    *known = false;
    *born = sync_engine_genesis_born(parent);
    *birth = number;
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
        sync_value clock = sync_column_value(stmt, 0);
        rc = sync_clocks_unpack(s, parent, &clock, &row);
        *known = true;
        *born = row.born;
        *birth = row.moved ? row.birth : number;
        sync_row_free(&row);
        rc = rc == SYNC_OK ? SQLITE_DONE
                           : sync_fail(error, rc, "sync_row_%u: the clock of number %lld is damaged",
                                       parent->tid, (long long)number);
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

static void build_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT clock FROM main.sync_hidden_%u", t->tid);
    where_key(t, sql);
}

static void build_hidden_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT clock FROM temp.sync_hidden_%u", t->tid);
    where_key(t, sql);
}

/* A row that this file deleted where it was shown; not one that it took away without its ever having had the number here. */
static bool shows_genesis_gone(const sync_db *s, const sync_table *t, const sync_value *key,
                               const sync_row *row)
{
    bool ours = row->stamp.site == s->own_site || row->stamp.site == s->told_before_sid;
    ours = ours && !(row->moved && row->birth == key->i);
    return sync_stamp_equal(row->born, sync_engine_genesis_born(t)) || (!sync_row_alive(row) && ours);
}

int sync_clocks_genesis_gone(sync_db *s, sync_table *t, sync_place place, const sync_value *key, bool *gone,
                             sync_error *error)
{
    sqlite3_stmt *stmt;
    sync_row row = {0};
    *gone = false;
    int rc = place == SYNC_IN_FILE
                 ? sync_table_stmt(s, t, SYNC_STMT_HIDDEN_CLOCKS, build_hidden, &stmt, error)
                 : sync_table_stmt(s, t, SYNC_STMT_HIDDEN_CLOCKS_TEMP, build_hidden_temp, &stmt, error);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(s, stmt, t, key, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    while (!*gone && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 0);
        rc = sync_clocks_unpack(s, t, &clock, &row);
        if (rc != SYNC_OK) {
            sync_fail(error, rc, "sync_hidden_%u: a clock is damaged", t->tid);
            break;
        }
        *gone = shows_genesis_gone(s, t, key, &row);
        rc = SQLITE_DONE;
    }
    sqlite3_reset(stmt);
    sync_row_free(&row);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
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

int sync_clocks_drop_stale(sync_db *s, sync_error *error)
{
    int64_t tid = 0, named = 0;
    int rc =
        sync_query_bound(s, &tid, 0, s->folded, error, "SELECT tid FROM main.sync_journal WHERE seq = ?1");
    const sync_table *t = rc == SYNC_OK && tid ? sync_engine_tid(s, (uint32_t)tid & SYNC_TID_MASK) : NULL;
    if (t == NULL || t->missing) {
        return rc;
    }
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql,
                        "SELECT EXISTS (SELECT 1 FROM main.sync_journal AS j JOIN main.sync_row_%u AS c ON "
                        "c.seq = j.seq AND ",
                        t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendall(sql, " WHERE j.seq = ?1)");
    if (t->identity == SYNC_BY_ROW) {
        sqlite3_str_appendf(sql,
                            " OR EXISTS (SELECT 1 FROM main.sync_journal AS j JOIN main.sync_hidden_%u AS c "
                            "ON c.seq = j.seq AND c.k1 = j.k1"
                            " WHERE j.seq = ?1)",
                            t->tid);
    }
    char *text = sqlite3_str_finish(sql);
    rc = text ? sync_query_bound(s, &named, 1, s->folded, error, text) : sync_fail_nomem(error);
    sqlite3_free(text);
    return rc == SYNC_OK && !named ? sync_clocks_drop_entry(s, s->folded, error) : rc;
}

int sync_clocks_named(sync_db *s, int64_t after, int64_t upto, bool *named, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sync_borrow(s, &stmt, error,
                         "SELECT DISTINCT tid & %d FROM main.sync_journal WHERE seq > ?1 AND seq <= ?2",
                         SYNC_TID_MASK);
    if (rc == SYNC_OK && (sqlite3_bind_int64(stmt, 1, after) || sqlite3_bind_int64(stmt, 2, upto))) {
        rc = sync_fail_nomem(error);
    }
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        const sync_table *t = sync_engine_tid(s, (uint32_t)sqlite3_column_int64(stmt, 0));
        if (t) {
            named[t - s->tables] = true;
        }
    }
    sync_return(s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}
