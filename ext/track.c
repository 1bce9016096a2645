/* Adopting tables and letting them go: the metadata side of capture. */
#include "capture.h"

#include "clocks.h"
#include "follow.h"
#include "schema.h"
#include "sql_text.h"

#include <string.h>

static const char *const own_tables[] = {"sync_meta",    "sync_site",     "sync_table",    "sync_column",
                                         "sync_journal", "sync_applying", "sync_conflict", "sync_peer"};

bool sync_capture_owns_table(const sync_db *s, const char *name)
{
    if (!s->has_meta) {
        return false;
    }
    for (size_t i = 0; i < sizeof own_tables / sizeof *own_tables; i++) {
        if (sqlite3_stricmp(name, own_tables[i]) == 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < s->table_count; i++) {
        char clock[32], hidden[32];
        bool by_row = s->tables[i].identity == SYNC_BY_ROW;
        sqlite3_snprintf(sizeof clock, clock, "sync_row_%u", s->tables[i].tid);
        sqlite3_snprintf(sizeof hidden, hidden, "sync_hidden_%u", s->tables[i].tid);
        if (sqlite3_stricmp(name, clock) == 0 || (by_row && sqlite3_stricmp(name, hidden) == 0)) {
            return true;
        }
    }
    return false;
}

/* The inner tables of FTS and R-tree, also where their module is not loaded and SQLite takes them for ordinary ones. */
static const char inner_tables[] =
    "SELECT v.name || suffix.column1 FROM main.sqlite_schema AS v,"
    " (VALUES('_data'),('_idx'),('_content'),('_docsize'),('_config'),('_segments'),('_segdir'),('_stat'),"
    "('_node'),('_rowid'),('_parent')) AS suffix"
    " WHERE v.type = 'table' AND v.sql LIKE 'CREATE VIRTUAL TABLE%'";

static int is_inner_table(sync_db *s, const char *name, bool *inner, sync_error *error)
{
    int64_t found = 0;
    int rc = sync_query_int(s, &found, 0, error, "SELECT %Q COLLATE NOCASE IN (%s)", name, inner_tables);
    *inner = found != 0;
    return rc;
}

int sync_capture_candidates(sync_db *s, char **names, sync_error *error)
{
    *names = NULL;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(
        sql,
        "SELECT json_group_array(name) FROM pragma_table_list AS l WHERE schema = 'main' AND type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%%' ESCAPE '\\' AND name COLLATE NOCASE NOT IN (%s)"
        " AND EXISTS (SELECT 1 FROM pragma_table_xinfo(l.name, 'main') WHERE pk)",
        inner_tables);
    if (s->has_meta) {
        for (size_t i = 0; i < sizeof own_tables / sizeof *own_tables; i++) {
            sqlite3_str_appendf(sql, " AND name <> %Q", own_tables[i]);
        }
        for (uint32_t i = 0; i < s->table_count; i++) {
            sqlite3_str_appendf(sql, " AND name <> 'sync_row_%u' AND name <> %Q COLLATE NOCASE",
                                s->tables[i].tid, s->tables[i].name);
            if (s->tables[i].identity == SYNC_BY_ROW) {
                sqlite3_str_appendf(sql, " AND name <> 'sync_hidden_%u'", s->tables[i].tid);
            }
        }
    }
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, error, sqlite3_str_finish(sql));
    if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *list;
        rc = sync_column_text(stmt, 0, &list, error);
        *names = rc == SYNC_OK ? sqlite3_mprintf("%s", list) : NULL;
        rc = *names ? SYNC_OK : sync_fail_nomem(error);
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* ---- track ---- */

/* Has the application something called like what is to be made? `names`: a list of SQL texts. */
static int check_names(sync_db *s, const char *what, const char *names, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(
        s, &stmt, error,
        "SELECT type, name FROM main.sqlite_schema WHERE name COLLATE NOCASE IN (%s) ORDER BY 2 LIMIT 1",
        names);
    if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(stmt, 0),
                   *name = (const char *)sqlite3_column_text(stmt, 1);
        rc = sync_fail(
            error, SYNC_ERROR,
            "%s cannot be tracked: this file has a%s %s called %s, as our metadata would be: rename it", what,
            type && type[0] == 'i' ? "n" : "", type ? type : "", name ? name : "");
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* The same for the tables and triggers of one tracked table. */
static int check_own_names(sync_db *s, const char *name, uint32_t tid, bool by_row, sync_error *error)
{
    static const char *const triggers[] = {"insert",        "delete", "update",    "before_insert",
                                           "before_update", "key",    "key_before"};
    char *what = sqlite3_mprintf("table %s", name);
    sqlite3_str *names = sqlite3_str_new(s->db);
    sqlite3_str_appendf(names, "'sync_row_%u'", tid);
    if (by_row) {
        sqlite3_str_appendf(names, ", 'sync_hidden_%u'", tid);
    }
    for (size_t i = 0; i < sizeof triggers / sizeof *triggers; i++) {
        sqlite3_str_appendf(names, ", 'sync_%u_%s'", tid, triggers[i]);
    }
    char *list = sqlite3_str_finish(names);
    int rc = what && list ? check_names(s, what, list, error) : sync_fail_nomem(error);
    sqlite3_free(what);
    sqlite3_free(list);
    return rc;
}

static int make_metadata(sync_db *s, sync_error *error)
{
    const sync_env *env = sync_env_get();
    uint8_t site[SYNC_SITE_BYTES];
    uint64_t device = 0, inode = 0;
    const char *path = sqlite3_db_filename(s->db, "main");
    int rc = check_names(s, "this file",
                         "'sync_meta', 'sync_site', 'sync_table', 'sync_column', 'sync_journal', "
                         "'sync_applying', 'sync_conflict', 'sync_peer', 'sync_conflict_row', "
                         "'sync_conflict_held'",
                         error);
    if (rc == SYNC_OK && env->random(env->context, site, sizeof site) != 0) {
        rc = sync_fail(error, SYNC_IOERR, "no random numbers for a site id");
    }
    if (rc == SYNC_OK && path && *path) {
        (void)env->identity(env->context, path, &device,
                            &inode); /* a file without identity is bound to 0, 0 */
    }
    rc = rc == SYNC_OK ? sync_exec(s, error, "%s", sql_meta) : rc;
    sqlite3_stmt *stmt = NULL;
    rc = rc == SYNC_OK ? sync_prepare(s, &stmt, error, "INSERT INTO main.sync_site(sid, site) VALUES(1, ?1)")
                       : rc;
    if (rc == SYNC_OK) {
        rc = sqlite3_bind_blob(stmt, 1, site, sizeof site, SQLITE_STATIC) == SQLITE_OK
                 ? sync_run(s, stmt, error)
                 : sync_fail_nomem(error);
    }
    sqlite3_finalize(stmt);
    if (rc == SYNC_OK) {
        rc = sync_exec(
            s, error,
            "INSERT INTO main.sync_meta(format, site, hlc, folded, count, device, inode, generation)"
            " VALUES(%d, 1, 0, 0, 0, %lld, %lld, 1)",
            SYNC_META_FORMAT, (long long)device, (long long)inode);
    }
    sync_engine_forget(s);
    return rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
}

/* A key may compare otherwise than its column does: "k = ?" would then find other rows than the key tells apart. */
static int check_collations(sync_db *s, const sync_base_table *base, sync_error *error)
{
    for (uint32_t i = 0; i < base->key_count; i++) {
        const char *column = NULL;
        if (base->rowid_alias) {
            continue;
        }
        if (sqlite3_table_column_metadata(s->db, "main", base->name, base->key_names[i], NULL, &column, NULL,
                                          NULL, NULL) != SQLITE_OK) {
            return sync_fail_db(s, error, NULL);
        }
        if (column != NULL && sqlite3_stricmp(column, base->key_collations[i]) != 0) {
            return sync_fail(error, SYNC_ERROR,
                             "table %s: column %s compares as %s, but in the primary key as %s: rebuild the "
                             "table with one collation for both",
                             base->name, base->key_names[i], column, base->key_collations[i]);
        }
    }
    return SYNC_OK;
}

/* Everything that makes a table impossible to adopt, said by name. */
static int check_table(sync_db *s, const char *name, const sync_base_table *base, int identity,
                       sync_error *error)
{
    bool inner = false;
    if (!base->exists) {
        return sync_fail(error, SYNC_ERROR, "no such table in the main database: %s", name);
    }
    int rc = is_inner_table(s, base->name, &inner, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    if (sync_capture_owns_table(s, base->name) || sqlite3_strnicmp(base->name, "sqlite_", 7) == 0) {
        return sync_fail(error, SYNC_ERROR, "%s is an internal table and cannot be tracked", base->name);
    }
    if (!base->ordinary || inner) {
        return sync_fail(error, SYNC_ERROR,
                         "%s is not an ordinary table (a view, a virtual table or part of one): track the "
                         "tables behind it",
                         base->name);
    }
    if (base->key_count == 0) {
        return sync_fail(
            error, SYNC_ERROR,
            "table %s has no primary key, so its rows cannot be told apart: rebuild it with one, for example"
            " CREATE TABLE new(id INTEGER PRIMARY KEY, ...); INSERT INTO new SELECT rowid, * FROM \"%s\";"
            " DROP TABLE \"%s\"; ALTER TABLE new RENAME TO \"%s\"",
            base->name, base->name, base->name, base->name);
    }
    if (strlen(base->name) > SYNC_NAME_BYTES_MAX) {
        return sync_fail(error, SYNC_TOOBIG, "a table name of more than %d bytes", SYNC_NAME_BYTES_MAX);
    }
    for (uint32_t i = 0; i < base->key_count + base->col_count; i++) {
        const char *column = i < base->key_count ? base->key_names[i] : base->cols[i - base->key_count].name;
        if (strlen(column) > SYNC_NAME_BYTES_MAX) {
            return sync_fail(error, SYNC_TOOBIG, "table %s: a column name of more than %d bytes", base->name,
                             SYNC_NAME_BYTES_MAX);
        }
    }
    if (identity == SYNC_BY_ROW && !base->rowid_alias) {
        return sync_fail(error, SYNC_ERROR, "table %s: identity \"row\" needs an INTEGER PRIMARY KEY",
                         base->name);
    }
    return check_collations(s, base, error);
}

int sync_capture_writable(sync_db *s, const sync_base_table *base, sync_error *error)
{
    static const char *const probes[] = {"DELETE FROM main.\"%w\"", "INSERT INTO main.\"%w\" DEFAULT VALUES",
                                         "SELECT * FROM main.\"%w\""};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        sqlite3_stmt *stmt;
        sync_error why = {0};
        int rc = sync_prepare(s, &stmt, &why, probes[i], base->name);
        sqlite3_finalize(stmt);
        if (rc != SYNC_OK) {
            return sync_fail(error, rc, "table %s cannot be written here: %s", base->name, why.text);
        }
    }
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET ", base->name);
    for (uint32_t i = 0; i < base->key_count + base->col_count; i++) {
        const char *name = i < base->key_count ? base->key_names[i] : base->cols[i - base->key_count].name;
        sqlite3_str_appendf(sql, "%s\"%w\" = NULL", i ? ", " : "", name);
    }
    sqlite3_stmt *stmt;
    sync_error why = {0};
    int rc = sync_prepare_text(s, &stmt, &why, sqlite3_str_finish(sql));
    sqlite3_finalize(stmt);
    return rc == SYNC_OK ? SYNC_OK
                         : sync_fail(error, rc, "table %s cannot be written here: %s", base->name, why.text);
}

static const char *affinity_name(char affinity)
{
    switch (affinity) {
    case 'i':
        return "INT";
    case 't':
        return "TEXT";
    case 'r':
        return "REAL";
    case 'n':
        return "NUMERIC";
    default:
        return "BLOB";
    }
}

/* The clock table of a tracked table, key types and collations copied. Identity row: by number, with the clocks of rows that do not show
** their number (tombstones, held rows) in a table of their own. */
static char *clock_table_sql(sync_db *s, const char *create, uint32_t tid, uint32_t key_count,
                             const char *affinity, char *const *collations, bool by_row)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    if (by_row) {
        sqlite3_str_appendf(
            sql,
            "%s.sync_row_%u(k1 INTEGER PRIMARY KEY, seq INT, clock BLOB);"
            "%s.sync_hidden_%u(k1 INT, j INT, seq INT, clock BLOB, PRIMARY KEY(k1, j)) WITHOUT ROWID",
            create, tid, create, tid);
        return sqlite3_str_finish(sql);
    }
    sqlite3_str_appendf(sql, "%s.sync_row_%u(", create, tid);
    for (uint32_t i = 0; i < key_count; i++) {
        sqlite3_str_appendf(sql, "k%d %s COLLATE \"%w\", ", (int)i + 1, affinity_name(affinity[i]),
                            collations[i]);
    }
    sqlite3_str_appendall(sql, "seq INT, clock BLOB, PRIMARY KEY(");
    for (uint32_t i = 0; i < key_count; i++) {
        sqlite3_str_appendf(sql, "%sk%d", i ? ", " : "", (int)i + 1);
    }
    sqlite3_str_appendall(sql, ")) WITHOUT ROWID");
    return sqlite3_str_finish(sql);
}

int sync_capture_overlay_table(sync_db *s, const sync_table *t, sync_error *error)
{
    char *sql = clock_table_sql(s, "CREATE TABLE IF NOT EXISTS temp", t->tid, t->key_count, t->key_affinity,
                                t->key_collations, t->identity == SYNC_BY_ROW);
    int rc = sql ? sync_exec(s, error, "%s", sql) : sync_fail_nomem(error);
    sqlite3_free(sql);
    return rc;
}

/* Widens the journal to as many key columns as the widest tracked key needs. */
static int widen_journal(sync_db *s, uint32_t key_count, sync_error *error)
{
    int64_t have = 0;
    int rc = sync_query_int(s, &have, 0, error,
                            "SELECT count(*) - 4 FROM pragma_table_info('sync_journal', 'main')");
    for (int64_t i = have + 1; rc == SYNC_OK && i <= key_count; i++) {
        rc = sync_exec(s, error, "ALTER TABLE main.sync_journal ADD COLUMN k%lld", (long long)i);
    }
    return rc;
}

/* A journal entry that names no row: it moves the version on. Everything before it has been folded. */
static int mark_journal(sync_db *s, uint32_t tid, int64_t now_ms, sync_error *error)
{
    int rc = sync_exec(s, error, "INSERT INTO main.sync_journal(tid, op, at) VALUES(%u, 0, %lld)", tid,
                       (long long)now_ms);
    rc = rc == SYNC_OK ? sync_clocks_drop_stale(s, error) : rc;
    return rc == SYNC_OK ? sync_query_int(s, &s->folded, 0, error, "SELECT max(seq) FROM main.sync_journal")
                         : rc;
}

static int write_table(sync_db *s, const sync_base_table *base, sync_identity identity, const char *options,
                       uint32_t *tid, sync_error *error)
{
    const sync_env *env = sync_env_get();
    int64_t now = env->now_ms(env->context), next = 0;
    int rc = sync_query_int(s, &next, 1, error, "SELECT max(tid) + 1 FROM main.sync_table");
    if (rc == SYNC_OK && (s->table_count >= SYNC_TABLES_MAX || next > SYNC_TID_MASK)) {
        rc = sync_fail(error, SYNC_TOOBIG, "more than %d tracked tables", SYNC_TABLES_MAX);
    }
    int64_t highest = INT64_MIN;
    if (rc == SYNC_OK && identity == SYNC_BY_ROW) {
        rc = sync_query_int(s, &highest, INT64_MIN, error, "SELECT max(rowid) FROM main.\"%w\"", base->name);
    }
    *tid = (uint32_t)next;
    rc = rc == SYNC_OK ? check_own_names(s, base->name, *tid, identity == SYNC_BY_ROW, error) : rc;
    s->hlc = sync_hlc_next(s->hlc, now, now);
    rc = rc == SYNC_OK ? widen_journal(s, base->key_count, error) : rc;
    rc = rc == SYNC_OK ? mark_journal(s, *tid, now, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_save(s, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql,
                        "INSERT INTO main.sync_table(tid, name, identity, options, genesis_hlc, "
                        "genesis_site, genesis_covers, genesis_seq, genesis_max, key)"
                        " VALUES(%u, %Q, %Q, json(%Q), %lld, %u, %u, %lld, %lld, json_array(",
                        *tid, base->name, identity == SYNC_BY_ROW ? "row" : "key", options, (long long)s->hlc,
                        s->own_site, base->col_count, (long long)s->folded, (long long)highest);
    for (uint32_t i = 0; i < base->key_count; i++) {
        sqlite3_str_appendf(sql, "%s%Q", i ? ", " : "", base->key_names[i]);
    }
    sqlite3_str_appendall(sql, "));");
    for (uint32_t i = 0; i < base->col_count; i++) {
        sqlite3_str_appendf(sql,
                            "INSERT INTO main.sync_column(tid, cid, name, present) VALUES(%u, %u, %Q, 1);",
                            *tid, i, base->cols[i].name);
    }
    char *text = sqlite3_str_finish(sql);
    rc = text ? sync_exec(s, error, "%s", text) : sync_fail_nomem(error);
    sqlite3_free(text);
    if (rc == SYNC_OK) {
        text = clock_table_sql(s, "CREATE TABLE main", *tid, base->key_count, base->key_affinity,
                               base->key_collations, identity == SYNC_BY_ROW);
        rc = text ? sync_exec(s, error, "%s", text) : sync_fail_nomem(error);
        sqlite3_free(text);
    }
    return rc == SYNC_OK ? sync_exec(s, error, "UPDATE main.sync_meta SET generation = generation + 1") : rc;
}

/* A renamed table takes the triggers of its old name along: they would journal each of its writes for a table that is gone. */
static int drop_leftover_triggers(sync_db *s, const char *name, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        int64_t hang = 0;
        if (s->tables[i].missing) {
            rc = sync_query_int(s, &hang, 0, error,
                                "SELECT count(*) FROM main.sqlite_schema WHERE type = 'trigger' AND name = "
                                "'sync_%u_insert' AND"
                                " tbl_name = %Q COLLATE NOCASE",
                                s->tables[i].tid, name);
        }
        if (rc == SYNC_OK && hang) {
            rc = sync_capture_drop_triggers(s, s->tables[i].tid, error);
        }
    }
    return rc;
}

int sync_capture_track(sync_db *s, const char *name, int identity, int own, const char *options,
                       sync_error *error)
{
    sync_arena arena = {0};
    sync_base_table base;
    uint32_t tid = 0;
    int rc = sync_schema_read(s, &arena, name, &base, error);
    rc = rc == SYNC_OK ? check_table(s, name, &base, identity, error) : rc;
    if (rc != SYNC_OK) {
        sync_arena_free(&arena);
        return rc;
    }
    bool detail = false;
    rc = identity < 0 && base.rowid_alias ? sync_schema_detail(s, &base, &detail, error) : SYNC_OK;
    sync_identity wanted = identity >= 0                 ? (sync_identity)identity
                           : base.rowid_alias && !detail ? SYNC_BY_ROW
                                                         : SYNC_BY_KEY;
    if (rc != SYNC_OK) {
        sync_arena_free(&arena);
        return rc;
    }
    if (wanted != SYNC_BY_ROW && strstr(options, "\"genesis\"")) {
        rc = sync_fail(error, SYNC_ERROR, "table %s: option genesis is for identity \"row\"", base.name);
        sync_arena_free(&arena);
        return rc;
    }
    const sync_table *known = s->has_meta ? sync_engine_table(s, base.name) : NULL;
    if (known) {
        if (identity >= 0 && known->identity != wanted) {
            rc = sync_fail(error, SYNC_ERROR,
                           "table %s is tracked with identity \"%s\"; untrack it first to change that",
                           base.name, known->identity == SYNC_BY_ROW ? "row" : "key");
        } else if (own >= 0 && known->genesis_own != own) {
            rc = sync_fail(error, SYNC_ERROR,
                           "table %s is tracked with genesis \"%s\"; untrack it first to change that",
                           base.name, known->genesis_own ? "own" : "shared");
        } else if (known->missing) {
            rc = sync_fail(error, SYNC_ERROR,
                           "table %s was rebuilt with another key; SELECT sync_untrack('%s') first",
                           base.name, base.name);
        }
        sync_arena_free(&arena);
        return rc;
    }
    rc = sync_capture_writable(s, &base, error);
    rc = rc == SYNC_OK ? drop_leftover_triggers(s, base.name, error) : rc;
    if (rc == SYNC_OK && !s->has_meta) {
        rc = make_metadata(s, error);
    }
    rc = rc == SYNC_OK ? write_table(s, &base, wanted, options, &tid, error) : rc;
    sync_arena_free(&arena);
    if (rc == SYNC_OK) {
        rc = sync_engine_refresh(s, error);
    }
    const sync_table *t = rc == SYNC_OK ? sync_engine_tid(s, tid) : NULL;
    return t ? sync_capture_triggers(s, t, error) : rc;
}

/* ---- untrack ---- */

int sync_capture_untrack(sync_db *s, const char *name, sync_error *error)
{
    sync_table *t = s->has_meta ? sync_engine_table(s, name) : NULL;
    if (t == NULL) {
        return sync_fail(error, SYNC_ERROR, "table %s is not tracked", name);
    }
    const sync_env *env = sync_env_get();
    uint32_t tid = t->tid;
    bool last = s->table_count == 1, by_row = t->identity == SYNC_BY_ROW;
    int rc = sync_capture_drop_triggers(s, tid, error);
    if (rc == SYNC_OK && !last) {
        rc = mark_journal(s, 0, env->now_ms(env->context), error);
        rc = rc == SYNC_OK ? sync_engine_save(s, error) : rc;
        rc = rc == SYNC_OK ? sync_engine_ask_anew(s, 0, true, error) : rc;
        rc = rc == SYNC_OK ? sync_exec(s, error,
                                       "DELETE FROM main.sync_journal WHERE tid & %d = %u;"
                                       "INSERT INTO main.sync_applying(x) VALUES(1);"
                                       "DELETE FROM main.sync_conflict WHERE tid = %u;"
                                       "DELETE FROM main.sync_applying;"
                                       "DELETE FROM main.sync_column WHERE tid = %u; DELETE FROM "
                                       "main.sync_table WHERE tid = %u;"
                                       "DELETE FROM main.sync_peer;"
                                       "UPDATE main.sync_meta SET generation = generation + 1",
                                       SYNC_TID_MASK, tid, tid, tid, tid)
                           : rc;
    }
    sync_engine_forget(s); /* its statements would keep the tables locked */
    rc = rc == SYNC_OK ? sync_exec(s, error, "DROP TABLE main.sync_row_%u", tid) : rc;
    rc = rc == SYNC_OK && by_row ? sync_exec(s, error, "DROP TABLE main.sync_hidden_%u", tid) : rc;
    for (size_t i = 0; rc == SYNC_OK && last && i < sizeof own_tables / sizeof *own_tables; i++) {
        rc = sync_exec(s, error, "DROP TABLE main.%s", own_tables[i]);
    }
    return rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
}

/* ---- late columns, lost triggers ---- */

static bool has_name(const sync_table *t, const char *name)
{
    for (uint32_t c = 0; c < t->col_count; c++) {
        if (sqlite3_stricmp(t->cols[c].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Writes down the new names of columns that a program renamed. Their old names, which other files may still use, go on to mean them. */
static int learn_names(sync_db *s, const sync_table *t, uint32_t *next, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t c = 0; rc == SYNC_OK && c < t->col_count; c++) { /* names may go round in a circle */
        rc = t->cols[c].former ? sync_exec(s, error,
                                           "UPDATE main.sync_column SET name = char(1) || cid WHERE tid = %u "
                                           "AND cid = %u",
                                           t->tid, c)
                               : SYNC_OK;
    }
    for (uint32_t c = 0; rc == SYNC_OK && c < t->col_count; c++) {
        const sync_column *col = &t->cols[c];
        if (col->former == NULL) {
            continue;
        }
        int64_t same = (int64_t)col->same - 1 + SYNC_SAME_COLUMN;
        rc = sync_exec(s, error, "UPDATE main.sync_column SET name = %Q WHERE tid = %u AND cid = %u",
                       col->name, t->tid, c);
        if (rc == SYNC_OK && col->same) {
            rc = sync_exec(s, error, "UPDATE main.sync_column SET present = %lld WHERE tid = %u AND cid = %u",
                           (long long)(col->absorb ? -same : same), t->tid, c);
        } else if (rc == SYNC_OK && !has_name(t, col->former) && *next < SYNC_COLUMNS_MAX) {
            rc = sync_exec(s, error,
                           "INSERT INTO main.sync_column(tid, cid, name, present) VALUES(%u, %u, %Q, %u)",
                           t->tid, *next, col->former, c + SYNC_SAME_COLUMN);
            *next += 1;
        }
    }
    return rc;
}

static int learn_table(sync_db *s, const sync_table *t, sync_error *error)
{
    sync_arena arena = {0};
    sync_base_table base;
    uint32_t next = t->col_count;
    int rc = sync_schema_read(s, &arena, t->name, &base, error);
    rc = rc == SYNC_OK ? learn_names(s, t, &next, error) : rc;
    for (uint32_t c = 0; rc == SYNC_OK && c < t->col_count; c++) {
        rc = t->cols[c].lost
                 ? sync_exec(s, error, "UPDATE main.sync_column SET present = %d WHERE tid = %u AND cid = %u",
                             SYNC_COLUMN_LOST, t->tid, c)
                 : SYNC_OK;
    }
    for (uint32_t b = 0; rc == SYNC_OK && b < base.col_count; b++) {
        uint32_t cid = 0;
        while (cid < t->col_count && sqlite3_stricmp(t->cols[cid].name, base.cols[b].name) != 0) {
            cid++;
        }
        if (cid == t->col_count) {
            rc = sync_exec(s, error,
                           "INSERT INTO main.sync_column(tid, cid, name, present) VALUES(%u, %u, %Q, 2)",
                           t->tid, next++, base.cols[b].name);
        } else if (!t->cols[cid].present) {
            rc = sync_exec(s, error, "UPDATE main.sync_column SET present = 2 WHERE tid = %u AND cid = %u",
                           t->tid, cid);
        }
    }
    sync_arena_free(&arena);
    return rc;
}

int sync_capture_learn(sync_db *s, sync_error *error)
{
    uint32_t count = 0;
    uint32_t *tids = sync_alloc((s->table_count + 1) * sizeof *tids);
    int rc = tids ? sync_follow_all(s, error) : sync_fail_nomem(error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        const sync_table *t = &s->tables[i];
        if (!t->missing && (t->late || t->untriggered)) {
            tids[count++] = t->tid;
            rc = t->late ? learn_table(s, t, error) : SYNC_OK;
        }
    }
    rc = rc == SYNC_OK ? sync_exec(s, error, "UPDATE main.sync_meta SET generation = generation + 1") : rc;
    rc = rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        const sync_table *t = sync_engine_tid(s, tids[i]);
        rc = t ? sync_capture_triggers(s, t, error) : SYNC_OK;
    }
    sync_free(tids);
    return rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
}
