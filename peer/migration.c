#include "migration.h"

#include "ddl.h"
#include "ddl_items.h"
#include "message.h"
#include "peer_limits.h"
#include "script.h"
#include "sync_ext.h"
#include "tokens.h"

#include <stdlib.h>
#include <string.h>

typedef struct step {
    char *sql;   /* sqlite3_malloc'd */
    bool alters; /* through sync_alter(), which tells the metadata what becomes of columns and tables */
} step;

typedef struct plan {
    sqlite3 *db, *model;
    const char *path; /* of the script */
    bool destructive;
    step *steps;
    size_t count, room;
    sqlite3_str *names, *left, *created; /* of tables: each with a NUL behind it */
    sqlite3_str *rebuilt;                /* tables and views, without what hung on them */
    sqlite3_str *dropped;                /* of the others */
    peer_failure *f;
} plan;

/* ---- what there is */

/* What SQL or rows do not allow is a matter of the schema. */
static bool fail_sqlite(plan *p, sqlite3 *db, const char *what)
{
    int rc = sqlite3_errcode(db), code = peer_exit_of(sqlite3_extended_errcode(db));
    return peer_fail(p->f, rc == SQLITE_ERROR || rc == SQLITE_CONSTRAINT ? PEER_EXIT_SCHEMA : code,
                     "%s: %s: %s", p->path, what, sqlite3_errmsg(db));
}

/* The text of an object; *text: NULL if there is none, else for sqlite3_free. */
static bool find_sql(plan *p, const char *type, const char *name, char **text)
{
    sqlite3_stmt *stmt = NULL;
    *text = NULL;
    int rc = sqlite3_prepare_v2(
        p->db, "SELECT sql FROM main.sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE", -1, &stmt,
        NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, type, -1, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(stmt, 0);
        *text = sqlite3_mprintf("%s", sql != NULL ? sql : "");
        rc = *text != NULL ? SQLITE_DONE : SQLITE_NOMEM;
    }
    bool good = rc == SQLITE_DONE || fail_sqlite(p, p->db, name);
    sqlite3_finalize(stmt);
    return good;
}

/* Takes over the text. */
static bool add(plan *p, char *sql, bool alters, const char *name)
{
    if (sql == NULL) {
        return peer_fail(p->f, PEER_EXIT_ERROR, "out of memory");
    }
    if (p->count == p->room) {
        size_t room = 2 * p->room + 16;
        step *wider = realloc(p->steps, room * sizeof *wider);
        if (wider == NULL) {
            sqlite3_free(sql);
            return peer_fail(p->f, PEER_EXIT_ERROR, "out of memory");
        }
        p->steps = wider;
        p->room = room;
    }
    p->steps[p->count++] = (step){sql, alters};
    sqlite3_str_appendf(p->names, "%s%s", sqlite3_str_length(p->names) > 0 ? ", " : "", name);
    return true;
}

/* ---- one table */

static bool has_same(const peer_ddl_table *in, const peer_ddl_item *item)
{
    for (size_t i = 0; i < in->count; i++) {
        if (in->items[i].column == NULL && peer_ddl_same(in->items[i].piece, item->piece)) {
            return true;
        }
    }
    return false;
}

static bool has_word(peer_ddl_piece piece, const char *word)
{
    const char *at = piece.text, *end = at + piece.bytes;
    bool found = false;
    while (!found && (at += sync_tokens_skip(at)) < end) {
        size_t bytes = sync_tokens_next(at);
        found = sync_tokens_is(at, bytes, word);
        at += bytes;
    }
    return found;
}

/* STRICT and WITHOUT ROWID, in any order. */
static bool same_options(const peer_ddl_table *a, const peer_ddl_table *b)
{
    return has_word(a->options, "STRICT") == has_word(b->options, "STRICT") &&
           has_word(a->options, "ROWID") == has_word(b->options, "ROWID");
}

/* What one of two tables declares that the other does not, but for columns that only one has; NULL: nothing. */
static const peer_ddl_piece *find_change(const peer_ddl_table *a, const peer_ddl_table *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const peer_ddl_item *mine = &a->items[i],
                            *other = mine->column != NULL ? peer_ddl_find(b, mine->column) : NULL;
        bool changed = mine->column != NULL ? other != NULL && !peer_ddl_same(mine->piece, other->piece)
                                            : !has_same(b, mine);
        if (changed) {
            return &mine->piece;
        }
    }
    return same_options(a, b) ? NULL : a->options.bytes > 0 ? &a->options : &b->options;
}

/* Columns of a table that hold values: generated ones do not. *stmt: for sqlite3_finalize in any case. */
static int list_columns(sqlite3 *db, const char *name, sqlite3_stmt **stmt)
{
    int rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0", -1,
                                stmt, NULL);
    return rc == SQLITE_OK ? sqlite3_bind_text(*stmt, 1, name, -1, SQLITE_STATIC) : rc;
}

/* Is the text in the first column of one of the rows? Starts it over. A SQLite code. */
static int is_listed(sqlite3_stmt *stmt, const char *text, bool *listed)
{
    int rc = sqlite3_reset(stmt);
    *listed = false;
    while (rc == SQLITE_OK && !*listed && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *one = (const char *)sqlite3_column_text(stmt, 0);
        *listed = one != NULL && sqlite3_stricmp(one, text) == 0;
        rc = one != NULL ? SQLITE_OK : SQLITE_NOMEM;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Names of the columns whose values can be copied, as SQL has them; NULL: *p->f says why not. */
static char *common_columns(plan *p, const char *name)
{
    sqlite3_str *list = sqlite3_str_new(p->db);
    sqlite3_stmt *is = NULL, *wanted = NULL;
    int rc = list_columns(p->db, name, &is);
    rc = rc == SQLITE_OK ? list_columns(p->model, name, &wanted) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(is)) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(is, 0);
        bool common = false;
        rc = column != NULL ? is_listed(wanted, column, &common) : SQLITE_NOMEM;
        if (rc == SQLITE_OK && common) {
            sqlite3_str_appendf(list, "%s\"%w\"", sqlite3_str_length(list) > 0 ? ", " : "", column);
        }
    }
    if (rc != SQLITE_DONE) {
        (void)fail_sqlite(p, p->db, name);
    }
    sqlite3_finalize(is);
    sqlite3_finalize(wanted);
    char *text = sqlite3_str_finish(list);
    if (text == NULL || rc != SQLITE_DONE) {
        (void)peer_fail(p->f, PEER_EXIT_ERROR, "out of memory"); /* unless more has been said */
        sqlite3_free(text);
        return NULL;
    }
    return text;
}

/* What hangs on a table in the file and is not in the script goes with the old table, and is made again. */
static bool keep_others(plan *p, const char *name)
{
    static const char hanging[] =
        "SELECT name, sql FROM main.sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND type"
        " IN ('index', 'trigger') AND sql IS NOT NULL AND name NOT LIKE 'sync\\_%' ESCAPE '\\'";
    sqlite3_stmt *stmt = NULL, *known = NULL;
    bool good = true, listed = false;
    int rc = sqlite3_prepare_v2(p->db, hanging, -1, &stmt, NULL);
    rc = rc == SQLITE_OK
             ? sqlite3_prepare_v2(p->model, "SELECT name FROM main.sqlite_schema", -1, &known, NULL)
             : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) : rc;
    while (good && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *one = (const char *)sqlite3_column_text(stmt, 0),
                   *sql = (const char *)sqlite3_column_text(stmt, 1);
        rc = one != NULL && sql != NULL ? is_listed(known, one, &listed) : SQLITE_NOMEM;
        good = rc != SQLITE_OK || listed || add(p, sqlite3_mprintf("%s", sql), false, one);
    }
    good = good && (rc == SQLITE_DONE || fail_sqlite(p, p->db, name));
    sqlite3_finalize(stmt);
    sqlite3_finalize(known);
    return good;
}

/* The highest number that AUTOINCREMENT has given out is not given out again. */
static bool keep_sequence(plan *p, const char *name)
{
    char *sequence;
    sqlite3_stmt *stmt = NULL;
    if (!find_sql(p, "table", "sqlite_sequence", &sequence) || sequence == NULL) {
        return p->f->code == PEER_EXIT_OK;
    }
    sqlite3_free(sequence);
    int rc = sqlite3_prepare_v2(p->db, "SELECT seq FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE",
                                -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    bool good = rc == SQLITE_ROW || rc == SQLITE_DONE || fail_sqlite(p, p->db, name);
    if (rc == SQLITE_ROW) {
        good = add(p,
                   sqlite3_mprintf(
                       "UPDATE main.sqlite_sequence SET seq = max(seq, %lld) WHERE name = %Q COLLATE NOCASE",
                       (long long)sqlite3_column_int64(stmt, 0), name),
                   false, name);
    }
    sqlite3_finalize(stmt);
    return good;
}

/* The twelve steps of SQLite's documentation of ALTER TABLE. What the script hangs on it follows, since that is gone with the old table. */
static bool rebuild(plan *p, const char *name, const char *sql)
{
    sync_ddl ddl;
    sync_ddl_read(sql, &ddl);
    char *columns = common_columns(p, name);
    if (columns == NULL) {
        return false;
    }
    char *text = sqlite3_mprintf(
        "%.*s\"%w_rebuilt\"%s; INSERT INTO \"%w_rebuilt\"(%s) SELECT %s FROM \"%w\"; DROP TABLE \"%w\";"
        " ALTER TABLE \"%w_rebuilt\" RENAME TO \"%w\"",
        (int)(ddl.name.text - sql), sql, name, ddl.name.text + ddl.name.bytes, name, columns, columns, name,
        name, name, name);
    sqlite3_free(columns);
    sqlite3_str_append(p->rebuilt, name, (int)strlen(name) + 1);
    return add(p, text, true, name) && keep_sequence(p, name) && keep_others(p, name);
}

/* Indexes on a column that is dropped, and that the script does not have any more. */
static bool drop_indexes(plan *p, const char *table, const char *column)
{
    static const char on[] =
        "SELECT l.name FROM pragma_index_list(?1, 'main') AS l, pragma_index_info(l.name, 'main') AS i"
        " WHERE l.origin = 'c' AND i.name = ?2 COLLATE NOCASE";
    sqlite3_stmt *stmt = NULL, *known = NULL;
    bool good = true, listed = false;
    int rc = sqlite3_prepare_v2(p->db, on, -1, &stmt, NULL);
    rc = rc == SQLITE_OK
             ? sqlite3_prepare_v2(p->model, "SELECT name FROM main.sqlite_schema", -1, &known, NULL)
             : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 2, column, -1, SQLITE_STATIC) : rc;
    while (good && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *one = (const char *)sqlite3_column_text(stmt, 0);
        rc = one != NULL ? is_listed(known, one, &listed) : SQLITE_NOMEM;
        good = rc != SQLITE_OK || listed ||
               add(p, sqlite3_mprintf("DROP INDEX IF EXISTS main.\"%w\"", one), false, one);
    }
    good = good && (rc == SQLITE_DONE || fail_sqlite(p, p->db, table));
    sqlite3_finalize(stmt);
    sqlite3_finalize(known);
    return good;
}

/* Columns that only one of the two has. */
static bool plan_columns(plan *p, const char *name, const peer_ddl_table *is, const peer_ddl_table *wanted)
{
    bool good = true;
    for (size_t i = 0; good && i < wanted->count; i++) {
        const peer_ddl_item *item = &wanted->items[i];
        if (item->column != NULL && peer_ddl_find(is, item->column) == NULL) {
            char *text = sqlite3_mprintf("ALTER TABLE main.\"%w\" ADD COLUMN %.*s", name,
                                         (int)item->piece.bytes, item->piece.text);
            char *what = peer_format("%s.%s", name, item->column);
            good = add(p, text, false, what);
            free(what);
        }
    }
    for (size_t i = 0; good && i < is->count; i++) {
        const char *column = is->items[i].column;
        if (column == NULL || peer_ddl_find(wanted, column) != NULL) {
            continue;
        }
        if (p->destructive) {
            char *what = peer_format("%s.%s", name, column);
            good = drop_indexes(p, name, column) &&
                   add(p, sqlite3_mprintf("ALTER TABLE \"%w\" DROP COLUMN \"%w\"", name, column), true, what);
            free(what);
        } else {
            sqlite3_str_appendf(p->left, "%s%s.%s", sqlite3_str_length(p->left) > 0 ? ", " : "", name,
                                column);
        }
    }
    return good;
}

static bool refuse_change(plan *p, const char *name, const peer_ddl_piece *piece)
{
    return peer_fail(
        p->f, PEER_EXIT_SCHEMA,
        "%s: table %s is declared otherwise in the file (%.*s), and its rows would have to be written"
        " anew: \"migrate\": \"destructive\" allows that",
        p->path, name, (int)(piece->bytes < 120 ? piece->bytes : 120), piece->text);
}

static bool plan_table(plan *p, const char *name, const char *sql)
{
    char *was;
    peer_ddl_table is, wanted;
    if (!find_sql(p, "table", name, &was)) {
        return false;
    }
    if (was == NULL) {
        sqlite3_str_append(p->created, name, (int)strlen(name) + 1);
        return add(p, sqlite3_mprintf("%s", sql), false, name);
    }
    bool good = true, plain = peer_ddl_table_read(was, &is), wants_plain = peer_ddl_table_read(sql, &wanted);
    if (!plain || !wants_plain) {
        good =
            peer_ddl_same(peer_ddl_piece_of(was), peer_ddl_piece_of(sql)) ||
            peer_fail(p->f, PEER_EXIT_SCHEMA,
                      "%s: %s is a virtual table that is declared otherwise in the file: drop it there first",
                      p->path, name);
    } else {
        const peer_ddl_piece *change = find_change(&is, &wanted);
        change = change != NULL ? change : find_change(&wanted, &is);
        good = change == NULL   ? plan_columns(p, name, &is, &wanted)
               : p->destructive ? rebuild(p, name, sql)
                                : refuse_change(p, name, change);
    }
    if (plain) {
        peer_ddl_table_free(&is);
    }
    if (wants_plain) {
        peer_ddl_table_free(&wanted);
    }
    sqlite3_free(was);
    return good;
}

/* ---- the rest */

/* Is it one of the names in the list, each with a NUL behind it? */
static bool is_among(sqlite3_str *list, const char *name)
{
    const char *at = sqlite3_str_value(list), *end = at + sqlite3_str_length(list);
    for (; at < end; at += strlen(at) + 1) {
        if (sqlite3_stricmp(at, name) == 0) {
            return true;
        }
    }
    return false;
}

/* An index, a view or a trigger that the script has otherwise goes first: it may stand in the way of what becomes of its table, and no row is lost. */
static bool plan_drop(plan *p, const char *type, const char *name, const char *sql)
{
    char *was = NULL;
    bool good = find_sql(p, type, name, &was);
    if (good && was != NULL && !peer_ddl_same(peer_ddl_piece_of(was), peer_ddl_piece_of(sql))) {
        sqlite3_str_append(p->dropped, name, (int)strlen(name) + 1);
        if (strcmp(type, "view") == 0) { /* its triggers go with it */
            sqlite3_str_append(p->rebuilt, name, (int)strlen(name) + 1);
        }
        good = add(p, sqlite3_mprintf("DROP %s IF EXISTS main.\"%w\"", type, name), false, name);
    }
    sqlite3_free(was);
    return good;
}

/* ... and is made, as is what is missing. */
static bool plan_other(plan *p, const char *type, const char *name, const char *table, const char *sql)
{
    char *was = NULL;
    bool gone = is_among(p->rebuilt, table) || is_among(p->dropped, name),
         good = gone || find_sql(p, type, name, &was);
    if (good && (gone || was == NULL)) {
        good = add(p, sqlite3_mprintf("%s", sql), false, name);
    }
    sqlite3_free(was);
    return good;
}

/* Everything that the script has made, in its order; *drops: only what goes first. */
static bool plan_objects(plan *p, bool drops)
{
    static const char objects[] = "SELECT type, name, tbl_name, sql FROM main.sqlite_schema AS s WHERE sql "
                                  "IS NOT NULL AND name NOT LIKE"
                                  " 'sqlite\\_%' ESCAPE '\\' AND NOT EXISTS (SELECT 1 FROM pragma_table_list "
                                  "AS l WHERE l.schema = 'main' AND"
                                  " l.name = s.tbl_name AND l.type = 'shadow') ORDER BY rowid";
    sqlite3_stmt *stmt = NULL;
    bool good = true;
    int rc = sqlite3_prepare_v2(p->model, objects, -1, &stmt, NULL);
    while (rc == SQLITE_OK && good && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text[4];
        for (int i = 0; i < 4; i++) {
            text[i] = (const char *)sqlite3_column_text(stmt, i);
        }
        rc = text[0] && text[1] && text[2] && text[3] ? SQLITE_OK : SQLITE_NOMEM;
        bool table = rc == SQLITE_OK && strcmp(text[0], "table") == 0;
        if (rc == SQLITE_OK && drops) {
            good = table || plan_drop(p, text[0], text[1], text[3]);
        } else if (rc == SQLITE_OK) {
            good =
                table ? plan_table(p, text[1], text[3]) : plan_other(p, text[0], text[1], text[2], text[3]);
        }
    }
    good = good && (rc == SQLITE_DONE || fail_sqlite(p, p->model, "its tables"));
    sqlite3_finalize(stmt);
    return good;
}

static bool plan_all(plan *p)
{
    return plan_objects(p, true) && plan_objects(p, false);
}

/* The script, run on a database in memory. What it tracks is let go: the metadata is not its. */
static bool make_model(plan *p, const char *script, atomic_bool *stopping)
{
    char *error = NULL;
    int rc = sqlite3_open_v2(":memory:", &p->model,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK ? sqlite3_syncext_init(p->model, &error, NULL) : rc;
    bool good = rc == SQLITE_OK || peer_fail(p->f, peer_exit_of(rc), "%s cannot be tried: %s", p->path,
                                             error != NULL ? error : sqlite3_errmsg(p->model));
    sqlite3_free(error);
    if (good) {
        peer_script_confine(p->model, stopping);
    }
    return good && peer_script_run(p->model, p->path, script, p->f) &&
           (sqlite3_exec(p->model, "SELECT sync_untrack_all()", NULL, NULL, NULL) == SQLITE_OK ||
            fail_sqlite(p, p->model, "sync_untrack_all()"));
}

/* ---- carrying it out */

static bool call(plan *p, const char *sql, const char *argument)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(p->db, sql, -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, argument, -1, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    bool good = rc == SQLITE_ROW || rc == SQLITE_DONE || fail_sqlite(p, p->db, argument);
    sqlite3_finalize(stmt);
    return good;
}

static bool has_key(plan *p, const char *name, bool *has)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(p->db,
                                "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1, 'main') WHERE pk > 0) AND"
                                " EXISTS (SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND"
                                " name = ?1 COLLATE NOCASE AND type = 'table')",
                                -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    bool good = rc == SQLITE_ROW || fail_sqlite(p, p->db, name);
    *has = good && sqlite3_column_int(stmt, 0) != 0;
    sqlite3_finalize(stmt);
    return good;
}

/* Those of the new tables that have a key. */
static bool track_created(plan *p)
{
    const char *at = sqlite3_str_value(p->created), *end = at + sqlite3_str_length(p->created);
    bool good = true, has;
    for (; good && at < end; at += strlen(at) + 1) {
        good = has_key(p, at, &has) && (!has || call(p, "SELECT sync_track(?1)", at));
    }
    return good;
}

/* Has the file metadata? Then what is dropped and rebuilt is told to it. */
static bool ask_tracked(plan *p, bool *tracked)
{
    char *meta;
    bool good = find_sql(p, "table", "sync_meta", &meta);
    *tracked = meta != NULL;
    sqlite3_free(meta);
    return good;
}

/* While a table is rebuilt, views that read it find none: SQLite is told not to ask. */
static bool let_views_wait(plan *p, int whether)
{
    return sqlite3_db_config(p->db, SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, whether, NULL) == SQLITE_OK ||
           fail_sqlite(p, p->db, "legacy_alter_table");
}

static bool run_steps(plan *p, bool track)
{
    bool tracked, good = ask_tracked(p, &tracked);
    for (size_t i = 0; good && i < p->count; i++) {
        const step *one = &p->steps[i];
        good = one->alters && tracked ? call(p, "SELECT sync_alter(?1)", one->sql)
                                      : sqlite3_exec(p->db, one->sql, NULL, NULL, NULL) == SQLITE_OK ||
                                            fail_sqlite(p, p->db, one->sql);
    }
    return good && (!tracked || !track || track_created(p));
}

static bool carry_out(plan *p, bool track)
{
    if (sqlite3_exec(p->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        return fail_sqlite(p, p->db, "the file");
    }
    bool rebuilds = sqlite3_str_length(p->rebuilt) > 0, good = !rebuilds || let_views_wait(p, 1);
    good = good && run_steps(p, track) &&
           (sqlite3_exec(p->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK || fail_sqlite(p, p->db, "COMMIT"));
    if (!good && !sqlite3_get_autocommit(p->db) &&
        sqlite3_exec(p->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK) {
        (void)fail_sqlite(p, p->db, "ROLLBACK"); /* the first failure is the one that is told */
    }
    return (!rebuilds || let_views_wait(p, 0)) && good;
}

/* Takes the text out; NULL: out of memory. */
static char *finish(sqlite3_str *str)
{
    char *text = sqlite3_str_finish(str), *copy = peer_strdup(text != NULL ? text : "");
    sqlite3_free(text);
    return copy;
}

bool peer_migration_run(sqlite3 *db, const peer_options *o, const char *path, const char *script,
                        atomic_bool *stopping, peer_migrated *done, peer_failure *f)
{
    plan p = {.db = db,
              .path = path,
              .destructive = o->migrate == PEER_MIGRATE_DESTRUCTIVE,
              .names = sqlite3_str_new(db),
              .left = sqlite3_str_new(db),
              .created = sqlite3_str_new(db),
              .rebuilt = sqlite3_str_new(db),
              .dropped = sqlite3_str_new(db),
              .f = f};
    const bool track = o->track == PEER_TRACK_UNSAID || o->track == PEER_TRACK_ALL;
    bool good = make_model(&p, script, stopping) && plan_all(&p);
    if (good &&
        (sqlite3_str_errcode(p.names) || sqlite3_str_errcode(p.left) || sqlite3_str_errcode(p.created) ||
         sqlite3_str_errcode(p.rebuilt) || sqlite3_str_errcode(p.dropped))) {
        good = peer_fail(f, PEER_EXIT_ERROR, "out of memory");
    }
    good = good && (p.count == 0 || carry_out(&p, track));
    sqlite3_close(p.model);
    for (size_t i = 0; i < p.count; i++) {
        sqlite3_free(p.steps[i].sql);
    }
    free(p.steps);
    sqlite3_free(sqlite3_str_finish(p.created));
    sqlite3_free(sqlite3_str_finish(p.rebuilt));
    sqlite3_free(sqlite3_str_finish(p.dropped));
    *done = (peer_migrated){.statements = p.count, .names = finish(p.names), .left = finish(p.left)};
    if (!good) {
        free(done->names);
        free(done->left);
        *done = (peer_migrated){.statements = 0};
    }
    return good;
}
