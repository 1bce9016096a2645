/* The engine's state on one connection: loading metadata, and the frame of one operation. */
#include "engine.h"

#include "catalog.h"
#include "follow.h"
#include "hints.h"
#include "keeper.h"
#include "references.h"
#include "rollbacks.h"
#include "schema.h"
#include "sql_text.h"

#include <string.h>

sync_db *sync_engine_new(sqlite3 *db)
{
    sync_db *s = sync_alloc(sizeof *s);
    if (s) {
        memset(s, 0, sizeof *s);
        s->db = db;
        s->schema_version = -1;
    }
    return s;
}

static void finalize_tables(sync_db *s)
{
    for (uint32_t i = 0; i < s->table_count; i++) {
        for (int slot = 0; slot < SYNC_STMT_COUNT; slot++) {
            sqlite3_finalize(s->tables[i].stmts[slot]);
        }
    }
    for (uint32_t i = 0; i < s->fk_count; i++) {
        sqlite3_finalize(s->fks[i].parent_stmt);
    }
    s->table_count = 0;
    s->tables = NULL;
    s->fk_count = 0;
}

static void finalize_own(sync_db *s)
{
    sqlite3_stmt **own[] = {&s->meta_stmt, &s->schema_stmt, &s->save_stmt, &s->journal_delete_stmt,
                            &s->journal_runs_stmt};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        sqlite3_finalize(*own[i]);
        *own[i] = NULL;
    }
    sync_finalize_kept(s);
}

void sync_engine_forget(sync_db *s)
{
    finalize_tables(s);
    finalize_own(s);
    sync_arena_reset(&s->metadata);
    s->sites = (sync_sites){0, NULL};
    s->site_ids = NULL;
    s->site_room = 0;
    s->has_meta = false;
    s->schema_version = -1;
    s->overlay.valid = false;
    s->overlay_made = false;
    s->unsettled = s->stale = false;
}

void sync_engine_free(void *engine)
{
    sync_db *s = engine;
    if (s == NULL) {
        return;
    }
    sync_engine_forget(s);
    sync_arena_free(&s->metadata);
    sync_encoder_free(s->encoder);
    sync_buf_free(&s->superseded);
    sync_buf_free(&s->anew);
    sync_rollbacks_clear(s);
    sync_free(s->catalog);
    sync_free(s->path);
    sync_free(s);
}

/* ---- loading ---- */

/* Stable columns of one table from sync_column, then matched against the base table. */
static int load_columns(sync_db *s, sync_table *t, const sync_base_table *base, sync_error *error)
{
    int64_t top;
    int rc =
        sync_query_int(s, &top, -1, error, "SELECT max(cid) FROM main.sync_column WHERE tid = %u", t->tid);
    if (rc == SYNC_OK && (top < -1 || top >= SYNC_COLUMNS_MAX)) {
        rc = sync_fail(error, SYNC_CORRUPT, "sync_column: column %lld of table %s", (long long)top, t->name);
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    t->col_count = (uint32_t)(top + 1);
    t->cols = sync_arena_alloc(&s->metadata, (t->col_count + 1) * sizeof *t->cols);
    if (t->cols == NULL) {
        return sync_fail_nomem(error);
    }
    t->col_room = t->col_count + 1;
    for (uint32_t i = 0; i < t->col_count; i++) {
        t->cols[i] = (sync_column){.name = "", .affinity = 'b'};
    }
    bool *known = sync_arena_alloc(&s->metadata, t->col_count + 1);
    sqlite3_stmt *stmt;
    rc = known ? sync_prepare(s, &stmt, error,
                              "SELECT cid, name, present FROM main.sync_column WHERE tid = %u", t->tid)
               : sync_fail_nomem(error);
    if (rc != SYNC_OK) {
        return rc;
    }
    memset(known, 0, t->col_count + 1);
    while ((rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        int64_t cid = sqlite3_column_int64(stmt, 0);
        if (sqlite3_column_type(stmt, 0) != SQLITE_INTEGER || cid < 0 || cid > top) {
            rc = sync_fail(error, SYNC_CORRUPT, "sync_column: a column of table %s has no number", t->name);
            break;
        }
        sync_column *c = &t->cols[cid];
        char *name = NULL;
        rc = sync_schema_text(s, stmt, 1, &name, "sync_column: the name of a column", error);
        if (rc != SYNC_OK) {
            break;
        }
        c->name = name;
        int64_t present = sqlite3_column_int64(stmt, 2);
        uint64_t same = present < 0 ? 0 - (uint64_t)present : (uint64_t)present;
        known[c - t->cols] = present == 1 || present == 2;
        c->learned = present == 2;
        c->lost = present == SYNC_COLUMN_LOST;
        c->left = present == SYNC_COLUMN_LEFT;
        c->same = same >= SYNC_SAME_COLUMN && same - SYNC_SAME_COLUMN < t->col_count
                      ? (uint32_t)(same - SYNC_SAME_COLUMN) + 1
                      : 0;
        c->absorb = c->same && present < 0;
    }
    sqlite3_finalize(stmt);
    rc = rc == SQLITE_DONE ? sync_schema_renames(s, t, base, known, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    for (uint32_t b = 0; b < base->col_count; b++) {
        uint32_t i = 0;
        while (i < t->col_count && sqlite3_stricmp(t->cols[i].name, base->cols[b].name) != 0) {
            i++;
        }
        if (i == t->col_count || !known[i]) {
            t->late = true;
        } else {
            sync_schema_column(&base->cols[b], &t->cols[i]);
        }
    }
    for (uint32_t i = 0; i < t->col_count; i++) {
        t->cols[i].lost = t->cols[i].lost || (known[i] && !t->cols[i].present);
        t->late = t->late || (known[i] && !t->cols[i].present);
    }
    return SYNC_OK;
}

/* The key as sync_table.key stores it: a JSON array of names. */
static int key_json(sync_db *s, const sync_base_table *base, char **json, sync_error *error)
{
    sqlite3_str *str = sqlite3_str_new(s->db);
    sqlite3_str_appendall(str, "SELECT json_array(");
    for (uint32_t i = 0; i < base->key_count; i++) {
        sqlite3_str_appendf(str, "%s%Q", i ? "," : "", base->key_names[i]);
    }
    sqlite3_str_appendall(str, ")");
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, error, sqlite3_str_finish(str));
    if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        *json = sync_schema_string(&s->metadata, (const char *)sqlite3_column_text(stmt, 0));
        rc = *json ? SYNC_OK : sync_fail_nomem(error);
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* The clocks were made for the key as it was when the table was tracked: one that stores or compares otherwise now is another key. */
static int check_key_kind(sync_db *s, sync_table *t, sync_error *error)
{
    sqlite3_stmt *stmt;
    if (t->identity == SYNC_BY_ROW) {
        t->missing = t->missing || !t->rowid_alias;
        return SYNC_OK;
    }
    int rc = sync_prepare(
        s, &stmt, error,
        "SELECT c.type, i.coll FROM pragma_table_info('sync_row_%u', 'main') AS c JOIN"
        " pragma_index_xinfo('sqlite_autoindex_sync_row_%u_1', 'main') AS i ON i.name = c.name AND"
        " i.key WHERE c.pk ORDER BY c.pk",
        t->tid, t->tid);
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count && (rc = sync_step(s, stmt, error)) == SQLITE_ROW;
         i++) {
        const char *type, *collation;
        rc = sync_column_text(stmt, 0, &type, error);
        rc = rc == SYNC_OK ? sync_column_text(stmt, 1, &collation, error) : rc;
        if (rc != SYNC_OK) {
            break;
        }
        char was = sync_schema_affinity(type);
        bool numbers = (was == 'i' || was == 'n') && (t->key_affinity[i] == 'i' || t->key_affinity[i] == 'n');
        t->missing = t->missing || (was != t->key_affinity[i] && !numbers) ||
                     sqlite3_stricmp(collation ? collation : "BINARY", t->key_collations[i]) != 0;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int load_base(sync_db *s, sync_table *t, const char *stored_key, sync_error *error)
{
    sync_base_table base;
    int rc = sync_schema_read(s, &s->metadata, t->name, &base, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    t->missing = !base.exists || !base.ordinary || base.key_count == 0;
    if (!t->missing) {
        char *json = NULL;
        rc = key_json(s, &base, &json, error);
        if (rc != SYNC_OK) {
            return rc;
        }
        t->missing = sqlite3_stricmp(json, stored_key) != 0;
        sync_schema_describe(&base, t);
        rc = t->missing ? rc : check_key_kind(s, t, error);
    }
    rc = rc == SYNC_OK ? load_columns(s, t, &base, error) : rc;
    if (rc != SYNC_OK) {
        return rc; /* the columns may be half there */
    }
    t->all_present = true;
    for (uint32_t i = 0; i < t->col_count; i++) {
        t->all_present = t->all_present && t->cols[i].present && !t->cols[i].learned;
    }
    t->normal_keys = true;
    for (uint32_t i = 0; i < t->key_count; i++) {
        const char *c = t->key_collations[i];
        t->normal_keys = t->normal_keys && (!sqlite3_stricmp(c, "BINARY") || !sqlite3_stricmp(c, "NOCASE") ||
                                            !sqlite3_stricmp(c, "RTRIM"));
    }
    t->untriggered = t->missing;
    rc = t->missing ? SYNC_OK : sync_hints_look(s, t, error);
    return rc == SYNC_OK ? sync_follow_look(s, t, &base, error) : rc;
}

static int load_tables(sync_db *s, sync_error *error)
{
    int64_t count;
    int rc = sync_query_int(s, &count, 0, error, "SELECT count(*) FROM main.sync_table");
    if (rc == SYNC_OK && count > SYNC_TABLES_MAX) {
        rc = sync_fail(error, SYNC_TOOBIG, "%lld tracked tables; the limit is %d", (long long)count,
                       SYNC_TABLES_MAX);
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    s->tables = sync_arena_alloc(&s->metadata, (size_t)(count + 1) * sizeof *s->tables);
    sqlite3_stmt *stmt;
    rc = s->tables ? sync_prepare(s, &stmt, error,
                                  "SELECT tid, name, identity, options, genesis_hlc, genesis_site, "
                                  "genesis_covers, genesis_seq, pending, key, genesis_max, %s FROM "
                                  "main.sync_table ORDER BY tid",
                                  s->format < 2 ? "0" : "lives")
                   : sync_fail_nomem(error);
    if (rc != SYNC_OK) {
        return rc;
    }
    while (s->table_count < (uint32_t)count && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_table *t = &s->tables[s->table_count];
        const char *identity = (const char *)sqlite3_column_text(stmt, 2);
        char *name = NULL, *options = NULL, *key = NULL;
        rc = sync_schema_text(s, stmt, 1, &name, "sync_table: the name of a table", error);
        rc = rc == SYNC_OK ? sync_schema_text(s, stmt, 3, &options, "sync_table: an entry", error) : rc;
        rc = rc == SYNC_OK ? sync_schema_text(s, stmt, 9, &key, "sync_table: an entry", error) : rc;
        if (rc != SYNC_OK) {
            break;
        }
        int64_t tid = sqlite3_column_int64(stmt, 0);
        *t = (sync_table){
            .tid = (uint32_t)tid,
            .name = name,
            .identity = identity && strcmp(identity, "row") == 0 ? SYNC_BY_ROW : SYNC_BY_KEY,
            .options = options,
            .epoch = (uint64_t)sqlite3_column_int64(stmt, 4),
            .genesis_site = (uint32_t)sqlite3_column_int64(stmt, 5),
            .genesis_covers = (uint32_t)sqlite3_column_int64(stmt, 6),
            .genesis_seq = sqlite3_column_int64(stmt, 7),
            .pending = sqlite3_column_int64(stmt, 8),
            .genesis_max = sqlite3_column_int64(stmt, 10),
            .lives = (uint64_t)sqlite3_column_int64(stmt, 11),
        };
        t->genesis_own = strstr(t->options, "\"genesis\":\"own\"") != NULL;
        int64_t before = s->table_count ? (int64_t)s->tables[s->table_count - 1].tid : -1;
        bool good = tid > before && tid <= SYNC_TID_MASK && t->genesis_site < s->sites.count &&
                    t->lives <= INT64_MAX && !(t->lives & 1);
        s->table_count += good;
        rc = good ? load_base(s, t, key, error) : SYNC_OK;
        if (rc == SYNC_OK && (!good || t->genesis_covers > t->col_count)) {
            rc = sync_fail(error, SYNC_CORRUPT, "sync_table: the entry of table %s is damaged", t->name);
        }
        if (rc != SYNC_OK) {
            break;
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* The one row of sync_meta into s. */
static int read_meta(sync_db *s, int64_t *generation, sync_error *error)
{
    int rc = SYNC_OK;
    if (s->meta_stmt == NULL) {
        rc = sync_prepare(
            s, &s->meta_stmt, error,
            "SELECT format, site, hlc, folded, count, device, inode, generation FROM main.sync_meta");
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(s, s->meta_stmt, error);
    if (rc == SQLITE_DONE) {
        rc = sync_fail(error, SYNC_CORRUPT, "sync_meta has no row: this file's metadata is damaged");
    } else if (rc == SQLITE_ROW) {
        int format = s->format = sqlite3_column_int(s->meta_stmt, 0);
        s->own_site = (uint32_t)sqlite3_column_int64(s->meta_stmt, 1);
        s->hlc = (uint64_t)sqlite3_column_int64(s->meta_stmt, 2);
        s->folded = sqlite3_column_int64(s->meta_stmt, 3);
        s->count = (uint64_t)sqlite3_column_int64(s->meta_stmt, 4);
        s->device = (uint64_t)sqlite3_column_int64(s->meta_stmt, 5);
        s->inode = (uint64_t)sqlite3_column_int64(s->meta_stmt, 6);
        *generation = sqlite3_column_int64(s->meta_stmt, 7);
        rc = SYNC_OK;
        if (format > SYNC_META_FORMAT) {
            rc = sync_fail(error, SYNC_FORMAT,
                           "this file's metadata has format %d; this version knows %d: use a newer sync_ext",
                           format, SYNC_META_FORMAT);
        } else if (format < 1) {
            rc = sync_fail(error, SYNC_CORRUPT,
                           "sync_meta: there is no format %d: this file's metadata is damaged", format);
        } else if (s->folded < 0) {
            rc = sync_fail(error, SYNC_CORRUPT, "sync_meta: there is no journal entry %lld",
                           (long long)s->folded);
        }
    }
    sqlite3_reset(s->meta_stmt);
    return rc;
}

static int read_schema_version(sync_db *s, int64_t *version, sync_error *error)
{
    int rc = SYNC_OK;
    if (s->schema_stmt == NULL) {
        rc = sync_prepare(s, &s->schema_stmt, error, "PRAGMA main.schema_version");
    }
    if (rc == SYNC_OK) {
        rc = sync_step(s, s->schema_stmt, error);
        *version = rc == SQLITE_ROW ? sqlite3_column_int64(s->schema_stmt, 0) : -1;
        rc = rc == SQLITE_ROW ? SYNC_OK : rc;
        sqlite3_reset(s->schema_stmt);
    }
    return rc;
}

/* Whenever it was read: it stands in for an index from then on. */
static int check_own_site(sync_db *s, sync_error *error)
{
    return s->own_site == 0 || s->own_site >= s->sites.count
               ? sync_fail(error, SYNC_CORRUPT, "sync_meta: site %u is not in sync_site", s->own_site)
               : SYNC_OK;
}

int sync_engine_refresh(sync_db *s, sync_error *error)
{
    int64_t version = 0, generation = 0, found = 0;
    int rc = read_schema_version(s, &version, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    bool same = version == s->schema_version && !s->stale;
    if (same && !s->has_meta) {
        return SYNC_OK;
    }
    if (same) {
        rc = read_meta(s, &generation, error);
        if (rc != SYNC_OK || generation == s->generation) {
            return rc == SYNC_OK ? check_own_site(s, error) : rc;
        }
    }
    sync_engine_forget(s);
    rc = sync_query_int(s, &found, 0, error,
                        "SELECT count(*) = 2 FROM pragma_table_info('sync_meta', 'main') WHERE name IN "
                        "('format', 'generation')");
    if (rc == SYNC_OK && found) {
        int64_t wide = 0;
        rc = sync_query_int(s, &wide, 0, error, "SELECT encoding <> 'UTF-8' FROM pragma_encoding");
        s->wide = wide != 0;
        s->has_meta = true;
        rc = rc == SYNC_OK ? read_meta(s, &generation, error) : rc;
        rc = rc == SYNC_OK ? sync_engine_load_sites(s, error) : rc;
        rc = rc == SYNC_OK ? sync_catalog_open(s, error) : rc;
        if (rc == SYNC_OK) {
            rc = load_tables(s, error);
            sync_catalog_close(s);
        }
        rc = rc == SYNC_OK ? sync_references_load(s, error) : rc;
        rc = rc == SYNC_OK ? check_own_site(s, error) : rc;
    }
    if (rc == SYNC_OK && sqlite3_txn_state(s->db, "main") == SQLITE_TXN_WRITE) {
        rc = sync_keeper_join(s, error);
        s->unsettled = true;
    }
    if (rc != SYNC_OK) {
        sync_engine_forget(s);
        return rc;
    }
    s->schema_version = version;
    s->generation = generation;
    return SYNC_OK;
}

/* ---- the operation frame ---- */

/* A statement of the host that writes is running: inside it SQLite allows no savepoint of ours. */
static bool writing_statement(sync_db *s)
{
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(s->db, NULL); stmt; stmt = sqlite3_next_stmt(s->db, stmt)) {
        if (sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt)) {
            return true;
        }
    }
    return false;
}

/* In a transaction of our own SQLite need not enforce foreign keys: the engine looks at references itself, and a violation that
** it left to be would fail the COMMIT, and so every merge. (Inside the caller's transaction the pragma does nothing.) */
static int stop_enforcing(sync_db *s, sync_op *op, sync_error *error)
{
    int on = 0;
    int rc = s->schema_version < 0 ? sync_engine_refresh(s, error) : SYNC_OK;
    if (rc == SYNC_OK && !s->outer_children) {
        (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &on); /* asks; cannot fail */
        op->unenforced = on != 0;
    }
    if (op->unenforced && sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL) != SQLITE_OK) {
        op->unenforced = false;
        rc = sync_fail_db(s, error, "foreign keys");
    }
    return rc;
}

static void enforce_again(sync_db *s, sync_op *op)
{
    if (op->unenforced) {
        (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1,
                                NULL); /* sets a flag; cannot fail where switching it off did not */
        op->unenforced = false;
    }
}

/* Ends what an earlier operation left open. */
static int make_up(sync_db *s, sync_error *error)
{
    int rc = SYNC_OK;
    if (sqlite3_get_autocommit(s->db)) {
        s->left = SYNC_LEFT_NOTHING;
    } else if (s->left == SYNC_LEFT_INSIDE) {
        return sync_fail(error, SQLITE_ABORT, "%s", SYNC_SPOILED_TEXT);
    } else if (s->left != SYNC_LEFT_NOTHING) {
        rc = sync_exec(s, error, s->left == SYNC_LEFT_READING ? "COMMIT" : "ROLLBACK");
        s->left = rc == SYNC_OK ? SYNC_LEFT_NOTHING : s->left;
    }
    return rc;
}

/* Metadata that an earlier version made, brought to this one's format. */
static int upgrade(sync_db *s, sync_error *error)
{
    int64_t taken = 0;
    int rc =
        sync_query_int(s, &taken, 0, error,
                       "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sync_peer' COLLATE NOCASE");
    if (rc == SYNC_OK && taken) {
        return sync_fail(
            error, SYNC_ERROR,
            "this file has a table of its own named sync_peer: rename it, this version needs the name");
    }
    rc = rc == SYNC_OK ? sync_exec(s, error, "%s", sql_upgrade_2) : rc;
    return rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
}

static int open_operation(sync_db *s, sync_op *op, sync_error *error)
{
    op->transaction = sqlite3_get_autocommit(s->db) != 0;
    int rc = op->mode == SYNC_WRITE && op->transaction ? stop_enforcing(s, op, error) : SYNC_OK;
    const char *begin = !op->transaction         ? "SAVEPOINT sync_operation"
                        : op->mode == SYNC_WRITE ? "BEGIN IMMEDIATE"
                                                 : "BEGIN";
    rc = rc == SYNC_OK ? sync_exec(s, error, "%s", begin) : rc;
    op->open = rc == SYNC_OK;
    if (rc != SYNC_OK) {
        enforce_again(s, op);
        return rc;
    }
    op->joined = op->mode == SYNC_WRITE && (rc = sync_keeper_join(s, error)) == SYNC_OK;
    op->depth = s->depth;
    rc = rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
    rc = rc == SYNC_OK && op->mode == SYNC_WRITE && s->has_meta && s->format < SYNC_META_FORMAT
             ? upgrade(s, error)
             : rc;
    return rc == SYNC_OK ? SYNC_OK : sync_op_end(s, op, rc, error);
}

int sync_op_begin(sync_db *s, sync_op *op, sync_mode mode, sync_error *error)
{
    *op = (sync_op){.mode = mode, .rowid = sqlite3_last_insert_rowid(s->db)};
    bool writing = writing_statement(s);
    if (mode == SYNC_WRITE && writing) {
        return sync_fail(
            error, SYNC_MISUSE,
            "this function writes: call it in a plain SELECT, not inside a statement that writes");
    }
    if (mode == SYNC_WRITE && sqlite3_db_readonly(s->db, "main") == 1) {
        return sync_fail(error, SYNC_READONLY, "the database is open read-only");
    }
    int rc = mode == SYNC_WRITE ? sync_keeper_check(s, error) : SYNC_OK;
    rc = rc == SYNC_OK ? sync_keeper_watch(s, error) : rc;
    rc = rc == SYNC_OK ? make_up(s, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    return writing ? sync_engine_refresh(s, error) : open_operation(s, op, error);
}

static void roll_back(sync_db *s, const sync_op *op)
{
    sync_error ignored = {0};
    int rc = sqlite3_get_autocommit(s->db)
                 ? SYNC_OK /* SQLite has done it, for want of memory, with all that was open */
                 : sync_exec(s, &ignored, op->transaction ? "ROLLBACK" : "ROLLBACK TO sync_operation");
    if (rc == SYNC_OK) {
        if (!op->transaction && !sqlite3_get_autocommit(s->db)) {
            (void)sync_exec(s, &ignored, "RELEASE sync_operation"); /* an empty savepoint harms nobody */
        }
    } else if (op->mode == SYNC_READ) {
        s->left = op->transaction ? SYNC_LEFT_READING : SYNC_LEFT_NOTHING; /* it wrote to TEMP only */
    } else if (op->joined || op->transaction) {                            /* else nothing was written */
        s->left = op->transaction ? SYNC_LEFT_WRITING : SYNC_LEFT_INSIDE;
        s->left_depth = op->depth;
    }
}

int sync_op_end(sync_db *s, sync_op *op, int result, sync_error *error)
{
    if (!op->open) {
        s->overlay.valid = s->overlay_made = false;
        return result;
    }
    op->open = false;
    int rc = SYNC_OK;
    sqlite3_set_last_insert_rowid(s->db, op->rowid);
    if (result == SYNC_OK) {
        rc = sync_exec(s, error, "%s", op->transaction ? "COMMIT" : "RELEASE sync_operation");
        if (rc == SYNC_OK) {
            if (!op->transaction) { /* the caller may yet roll the overlay back */
                s->overlay.valid = s->overlay_made = false;
            }
            enforce_again(s, op);
            return SYNC_OK;
        }
        result = rc;
    }
    s->overlay.valid = s->overlay_made = false;
    roll_back(s, op);
    if (op->mode == SYNC_WRITE) {
        sync_engine_forget(s); /* what was loaded inside may have been rolled back */
    }
    enforce_again(s, op);
    return result;
}
