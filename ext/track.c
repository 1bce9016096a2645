/* Adopting tables and letting them go: the metadata side of capture. */
#include "capture.h"

#include "catalog.h"
#include "clocks.h"
#include "refusals.h"
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
    if (sqlite3_stricmp(name, "sync_refused") == 0) {
        bool owned = false;
        sync_error ignored = {0};
        return sync_refusals_owned((sync_db *)s, &owned, &ignored) != SYNC_OK || owned;
    }
    static const char *const clocks[] = {"sync_row_", "sync_hidden_"};
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        size_t bytes = strlen(clocks[i]);
        bool digit =
            sqlite3_strnicmp(name, clocks[i], (int)bytes) == 0 && name[bytes] >= '1' && name[bytes] <= '9';
        uint32_t tid = 0;
        for (const char *at = name + bytes; digit && *at && tid <= SYNC_TID_MASK; at++) {
            digit = *at >= '0' && *at <= '9';
            tid = tid * 10 + (uint32_t)(*at - '0');
        }
        const sync_table *t = digit && tid <= SYNC_TID_MASK ? sync_engine_tid((sync_db *)s, tid) : NULL;
        if (t && (i == 0 || t->identity == SYNC_BY_ROW)) {
            return true;
        }
    }
    return false;
}

/* ---- track ---- */

static int make_metadata(sync_db *s, sync_error *error)
{
    const sync_env *env = sync_env_get();
    uint8_t site[SYNC_SITE_BYTES];
    uint64_t device = 0, inode = 0;
    const char *path = sqlite3_db_filename(s->db, "main");
    int rc =
        sync_capture_check_names(s, "this file",
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

/* A table that is about to be tracked. */
typedef struct newcomer {
    sync_base_table base;
    sync_table t; /* as far as its triggers need it */
    bool told;    /* the identity is said in its options */
    const char *references;
} newcomer;

/* Several tables are adopted at once: each statement that changes the schema makes SQLite and us read it again, so all is asked before the first, and what
** was made is loaded after the last. */
typedef struct adoption {
    sync_db *s;
    sync_error *error;
    sync_arena arena;
    uint32_t count, cap;
    newcomer *list;
} adoption;

/* Room for one more, in the arena; NULL when out of memory. */
static newcomer *add_newcomer(adoption *a)
{
    if (a->count == a->cap) {
        uint32_t cap = a->cap ? a->cap * 2 : 4;
        newcomer *wider = sync_arena_alloc(&a->arena, cap * sizeof *wider);
        if (wider == NULL) {
            sync_fail_nomem(a->error);
            return NULL;
        }
        if (a->count) {
            memcpy(wider, a->list, a->count * sizeof *wider);
        }
        a->list = wider;
        a->cap = cap;
    }
    return &a->list[a->count];
}

/* The table is tracked already: is that what is wished? */
static int compare_known(const sync_table *known, const sync_wish *wish, const sync_base_table *base,
                         sync_error *error)
{
    sync_identity wanted = wish->identity >= 0 ? (sync_identity)wish->identity : known->identity;
    if (known->identity != wanted) {
        return sync_fail(error, SYNC_ERROR,
                         "table %s is tracked with identity \"%s\"; untrack it first to change that",
                         base->name, known->identity == SYNC_BY_ROW ? "row" : "key");
    }
    if (wish->own >= 0 && known->genesis_own != wish->own) {
        return sync_fail(error, SYNC_ERROR,
                         "table %s is tracked with genesis \"%s\"; untrack it first to change that",
                         base->name, known->genesis_own ? "own" : "shared");
    }
    return known->missing
               ? sync_fail(error, SYNC_ERROR,
                           "table %s was rebuilt with another key; SELECT sync_untrack('%s') first",
                           base->name, base->name)
               : SYNC_OK;
}

/* What the table's triggers are made of. */
static int describe(adoption *a, newcomer *n, const sync_wish *wish, sync_identity wanted)
{
    sync_table *t = &n->t;
    sync_db *s = a->s;
    *t = (sync_table){.tid = (s->table_count ? s->tables[s->table_count - 1].tid : 0) + 1 + a->count,
                      .genesis_own = wish->own == 1,
                      .col_count = n->base.col_count};
    sync_schema_describe(&n->base, t);
    n->told = wish->identity >= 0;
    t->identity = wanted;
    n->references = wish->references;
    t->cols = sync_arena_alloc(&a->arena, (t->col_count + 1) * sizeof *t->cols);
    if (t->cols == NULL) {
        return sync_fail_nomem(a->error);
    }
    for (uint32_t i = 0; i < t->col_count; i++) {
        t->cols[i] = (sync_column){.name = n->base.cols[i].name};
        sync_schema_column(&n->base.cols[i], &t->cols[i]);
    }
    if (s->table_count + a->count >= SYNC_TABLES_MAX || t->tid > SYNC_TID_MASK) {
        return sync_fail(a->error, SYNC_TOOBIG, "more than %d tracked tables", SYNC_TABLES_MAX);
    }
    return sync_capture_check_own_names(s, t->name, t->tid, t->identity == SYNC_BY_ROW, a->error);
}

/* Takes a table on the list, unless it is there, or tracked already as is wished, or (all) has no key. The catalog is open. */
static int consider(adoption *a, const sync_wish *wish, bool all)
{
    newcomer *n = add_newcomer(a);
    int rc = n ? sync_schema_read(a->s, &a->arena, wish->name, &n->base, a->error) : SYNC_NOMEM;
    if (rc != SYNC_OK || (all && n->base.key_count == 0)) {
        return rc;
    }
    rc = sync_capture_check(a->s, wish->name, &n->base, wish->identity, a->error);
    bool detail = false, by_number = wish->identity < 0 && n->base.rowid_alias;
    rc = rc == SYNC_OK && by_number ? sync_schema_detail(a->s, &n->base, &detail, a->error) : rc;
    sync_identity wanted = wish->identity >= 0    ? (sync_identity)wish->identity
                           : by_number && !detail ? SYNC_BY_ROW
                                                  : SYNC_BY_KEY;
    if (rc == SYNC_OK && wish->own == 1 && wanted != SYNC_BY_ROW) {
        rc =
            sync_fail(a->error, SYNC_ERROR, "table %s: option genesis is for identity \"row\"", n->base.name);
    }
    const sync_table *known = rc == SYNC_OK && a->s->has_meta ? sync_engine_table(a->s, n->base.name) : NULL;
    bool twice = false;
    for (uint32_t i = 0; rc == SYNC_OK && !all && i < a->count; i++) {
        twice = twice || sqlite3_stricmp(a->list[i].base.name, n->base.name) == 0;
    }
    if (rc != SYNC_OK || known || twice) {
        return known ? compare_known(known, wish, &n->base, a->error) : rc;
    }
    rc = describe(a, n, wish, wanted);
    a->count += rc == SYNC_OK;
    return rc;
}

/* The options of a table as they are kept. */
static char *options_text(sync_db *s, const newcomer *n)
{
    const char *identity = n->t.identity == SYNC_BY_ROW ? "row" : "key", *comma = "";
    sqlite3_str *str = sqlite3_str_new(s->db);
    sqlite3_str_appendall(str, "{");
    if (n->told) {
        sqlite3_str_appendf(str, "\"identity\":\"%s\"", identity);
        comma = ",";
    }
    if (n->t.genesis_own) {
        sqlite3_str_appendf(str, "%s\"genesis\":\"own\"", comma);
        comma = ",";
    }
    if (n->references) {
        sqlite3_str_appendf(str, "%s\"references\":%s", comma, n->references);
    }
    sqlite3_str_appendall(str, "}");
    return sqlite3_str_finish(str);
}

/* The metadata of one table. */
static int write_table(sync_db *s, const newcomer *n, int64_t now, sync_error *error)
{
    const sync_table *t = &n->t;
    bool by_row = t->identity == SYNC_BY_ROW;
    int64_t highest = INT64_MIN;
    int rc =
        by_row ? sync_query_int(s, &highest, INT64_MIN, error, "SELECT max(rowid) FROM main.\"%w\"", t->name)
               : SYNC_OK;
    s->hlc = sync_hlc_next(s->hlc, now, now);
    char *options = options_text(s, n);
    rc = rc == SYNC_OK && options == NULL ? sync_fail_nomem(error) : rc;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql,
                        "INSERT INTO main.sync_table(tid, name, identity, options, genesis_hlc, "
                        "genesis_site, genesis_covers, genesis_seq, genesis_max, key)"
                        " VALUES(%u, %Q, %Q, json(%Q), %lld, %u, %u, %lld, %lld, json_array(",
                        t->tid, t->name, by_row ? "row" : "key", options ? options : "", (long long)s->hlc,
                        s->own_site, t->col_count, (long long)s->folded, (long long)highest);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s%Q", i ? ", " : "", t->key_names[i]);
    }
    sqlite3_str_appendall(sql, "));");
    sqlite3_free(options);
    for (uint32_t i = 0; i < t->col_count; i++) {
        sqlite3_str_appendf(sql, "%s(%u, %u, %Q, 1)",
                            i ? ", " : "INSERT INTO main.sync_column(tid, cid, name, present) VALUES", t->tid,
                            i, t->cols[i].name);
    }
    char *text = sqlite3_str_finish(sql);
    rc = rc == SYNC_OK ? (text ? sync_exec(s, error, "%s", text) : sync_fail_nomem(error)) : rc;
    sqlite3_free(text);
    if (rc == SYNC_OK) {
        text = clock_table_sql(s, "CREATE TABLE main", t->tid, t->key_count, t->key_affinity,
                               t->key_collations, by_row);
        rc = text ? sync_exec(s, error, "%s", text) : sync_fail_nomem(error);
        sqlite3_free(text);
    }
    return rc;
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

/* Adopts the tables on the list. */
static int adopt(adoption *a)
{
    sync_db *s = a->s;
    const sync_env *env = sync_env_get();
    int64_t now = env->now_ms(env->context);
    uint32_t widest = 0;
    /* First, since triggers of the application may ask sync_applying. */
    int rc = s->has_meta ? SYNC_OK : make_metadata(s, a->error);
    for (uint32_t i = 0; rc == SYNC_OK && i < a->count; i++) {
        rc = sync_capture_writable(s, &a->list[i].base, a->error);
        rc = rc == SYNC_OK ? drop_leftover_triggers(s, a->list[i].base.name, a->error) : rc;
        widest = a->list[i].base.key_count > widest ? a->list[i].base.key_count : widest;
    }
    rc = rc == SYNC_OK ? widen_journal(s, widest, a->error) : rc;
    rc = rc == SYNC_OK ? mark_journal(s, a->list[0].t.tid, now, a->error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < a->count; i++) {
        rc = write_table(s, &a->list[i], now, a->error);
    }
    rc = rc == SYNC_OK ? sync_engine_save(s, a->error) : rc;
    rc = rc == SYNC_OK ? sync_engine_changed(s, false, a->error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < a->count; i++) {
        rc = sync_capture_triggers(s, &a->list[i].t, a->error);
    }
    return rc == SYNC_OK ? sync_engine_refresh(s, a->error) : rc;
}

/* Adopts what has been considered; *adopted: how many. */
static int end_adoption(adoption *a, int rc, uint32_t *adopted)
{
    rc = rc == SYNC_OK && a->count ? adopt(a) : rc;
    *adopted = a->count;
    sync_arena_free(&a->arena);
    return rc;
}

int sync_capture_track(sync_db *s, const sync_wish *wishes, uint32_t count, uint32_t *adopted,
                       sync_error *error)
{
    adoption a = {.s = s, .error = error};
    *adopted = 0;
    int rc = sync_catalog_open(s, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        rc = consider(&a, &wishes[i], false);
    }
    sync_catalog_close(s);
    return end_adoption(&a, rc, adopted);
}

int sync_capture_track_all(sync_db *s, uint32_t *adopted, sync_error *error)
{
    adoption a = {.s = s, .error = error};
    uint32_t count = 0;
    *adopted = 0;
    int rc = sync_catalog_open(s, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    const sync_object *all = sync_catalog_all(s, &count);
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        const sync_object *o = &all[i];
        if (o->kind == SYNC_OBJECT_TABLE && o->ordinary && !o->inner &&
            sqlite3_strnicmp(o->name, "sqlite_", 7) != 0 && !sync_capture_owns_table(s, o->name) &&
            !(s->has_meta && sync_engine_table(s, o->name))) {
            rc = consider(&a, &(sync_wish){.name = o->name, .identity = -1, .own = -1}, true);
        }
    }
    sync_catalog_close(s);
    return end_adoption(&a, rc, adopted);
}

/* ---- untrack ---- */

static int drop_clocks(sync_db *s, uint32_t tid, bool by_row, sync_error *error)
{
    int rc = sync_exec(s, error, "DROP TABLE main.sync_row_%u", tid);
    return rc == SYNC_OK && by_row ? sync_exec(s, error, "DROP TABLE main.sync_hidden_%u", tid) : rc;
}

int sync_capture_untrack(sync_db *s, const char *name, sync_error *error)
{
    sync_table *t = s->has_meta ? sync_engine_table(s, name) : NULL;
    uint32_t ignored;
    if (t == NULL) {
        return sync_fail(error, SYNC_ERROR, "table %s is not tracked", name);
    }
    if (s->table_count == 1) {
        return sync_capture_untrack_all(s, &ignored, error);
    }
    const sync_env *env = sync_env_get();
    uint32_t tid = t->tid;
    bool by_row = t->identity == SYNC_BY_ROW;
    int rc = sync_capture_drop_triggers(s, tid, error);
    rc = rc == SYNC_OK ? mark_journal(s, 0, env->now_ms(env->context), error) : rc;
    rc = rc == SYNC_OK ? sync_engine_save(s, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_ask_anew(s, 0, true, error) : rc;
    rc = rc == SYNC_OK
             ? sync_exec(
                   s, error,
                   "DELETE FROM main.sync_journal WHERE tid & %d = %u;"
                   "INSERT INTO main.sync_applying(x) VALUES(1);"
                   "DELETE FROM main.sync_conflict WHERE tid = %u;"
                   "DELETE FROM main.sync_applying;"
                   "DELETE FROM main.sync_column WHERE tid = %u; DELETE FROM main.sync_table WHERE tid = %u;"
                   "DELETE FROM main.sync_peer",
                   SYNC_TID_MASK, tid, tid, tid, tid)
             : rc;
    rc = rc == SYNC_OK ? sync_engine_changed(s, false, error) : rc;
    sync_engine_forget(s); /* its statements would keep the tables locked */
    rc = rc == SYNC_OK ? drop_clocks(s, tid, by_row, error) : rc;
    return rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
}

int sync_capture_untrack_all(sync_db *s, uint32_t *count, sync_error *error)
{
    *count = s->has_meta ? s->table_count : 0;
    if (*count == 0) {
        return SYNC_OK;
    }
    uint64_t *gone = sync_alloc(*count * sizeof *gone); /* tid << 1 | by row */
    bool refusals = false;
    int rc = gone ? sync_refusals_owned(s, &refusals, error) : sync_fail_nomem(error);
    for (uint32_t i = 0; rc == SYNC_OK && i < *count; i++) {
        gone[i] = (uint64_t)s->tables[i].tid << 1 | (s->tables[i].identity == SYNC_BY_ROW);
        rc = sync_capture_drop_triggers(s, s->tables[i].tid, error);
    }
    sync_engine_forget(s); /* its statements would keep the tables locked */
    for (uint32_t i = 0; rc == SYNC_OK && i < *count; i++) {
        rc = drop_clocks(s, (uint32_t)(gone[i] >> 1), gone[i] & 1, error);
    }
    for (size_t i = 0; rc == SYNC_OK && i < sizeof own_tables / sizeof *own_tables; i++) {
        rc = sync_exec(s, error, "DROP TABLE main.%s", own_tables[i]);
    }
    rc = rc == SYNC_OK && refusals ? sync_exec(s, error, "DROP TABLE main.sync_refused") : rc;
    sync_free(gone);
    return rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
}
