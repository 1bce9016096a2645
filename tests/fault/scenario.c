#include "scenario.h"

#include "clone.h"
#include "prepare.h"
#include "sync_ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- helpers ---- */

_Noreturn void scenario_give_up(const char *what, const char *why)
{
    printf("# while preparing: %s: %s\n", what, why);
    exit(3);
}

sqlite3 *scenario_open(const char *name, bool plain)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    if (sqlite3_open(name, &db) != SQLITE_OK) {
        scenario_give_up(name, sqlite3_errmsg(db));
    }
    if (!plain && sqlite3_syncext_init(db, &error, NULL) != SQLITE_OK) {
        scenario_give_up(name, error ? error : "no memory");
    }
    return db;
}

void scenario_exec(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        scenario_give_up(sql, error ? error : "no memory");
    }
}

uint64_t scenario_digest(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* ---- running ---- */

static void fails(ending *e, sqlite3 *db, int code, const char *text)
{
    e->code = code != SQLITE_ERROR ? code : sqlite3_extended_errcode(db);
    snprintf(e->text, sizeof e->text, "%s", text ? text : "");
}

/* Without a conversion, which would need memory of its own after the operation is done. */
static uint64_t digest_value(uint64_t hash, sqlite3_stmt *stmt, int column)
{
    int type = sqlite3_column_type(stmt, column);
    hash = scenario_digest(hash, &type, sizeof type);
    if (type == SQLITE_INTEGER) {
        sqlite3_int64 v = sqlite3_column_int64(stmt, column);
        return scenario_digest(hash, &v, sizeof v);
    }
    if (type == SQLITE_FLOAT) {
        double v = sqlite3_column_double(stmt, column);
        return scenario_digest(hash, &v, sizeof v);
    }
    const void *data = type == SQLITE_NULL ? NULL : sqlite3_column_blob(stmt, column);
    return scenario_digest(hash, data, data ? (size_t)sqlite3_column_bytes(stmt, column) : 0);
}

/* All statements of `sql`; the gift is bound to ?1 where there is one. False after an error. */
static bool perform(sqlite3 *db, const char *sql, const gift *g, ending *e)
{
    while (*sql) {
        sqlite3_stmt *stmt = NULL;
        int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &sql);
        if (rc == SQLITE_OK && stmt && sqlite3_bind_parameter_count(stmt) == 1) {
            rc = sqlite3_bind_blob(stmt, 1, g->data, g->bytes, SQLITE_STATIC);
        }
        while (rc == SQLITE_OK && stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            rc = SQLITE_OK;
            for (int i = 0; i < sqlite3_column_count(stmt); i++) {
                e->result = digest_value(e->result, stmt, i);
            }
        }
        if (rc != SQLITE_OK && rc != SQLITE_DONE) {
            fails(e, db, rc == SQLITE_NOMEM ? rc : sqlite3_extended_errcode(db),
                  rc == SQLITE_NOMEM ? "out of memory" : sqlite3_errmsg(db));
            sqlite3_finalize(stmt);
            return false;
        }
        sqlite3_finalize(stmt);
    }
    return true;
}

static void roll_back(sqlite3 *db)
{
    if (!sqlite3_get_autocommit(db)) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
}

/* One of the operations that are nothing but SQL; a transaction that it left open is rolled back. */
#define SQL_OPERATION(name, sql)                                                                             \
    static void run_##name(sqlite3 *db, const gift *g, ending *e)                                            \
    {                                                                                                        \
        if (!perform(db, sql, g, e)) {                                                                       \
            roll_back(db);                                                                                   \
        }                                                                                                    \
    }

SQL_OPERATION(track, "SELECT sync_track_all()")
SQL_OPERATION(wide, "SELECT sync_track('wide')")
SQL_OPERATION(untrack, "SELECT sync_untrack_all()")
SQL_OPERATION(alter,
              "SELECT sync_alter('ALTER TABLE note ADD COLUMN w DEFAULT 1; ALTER TABLE note DROP COLUMN w;"
              " ALTER TABLE person RENAME name TO called; ALTER TABLE person RENAME called TO name;"
              " CREATE TABLE fresh(id TEXT COLLATE NOCASE PRIMARY KEY, title, n CHECK(n < 100));"
              " INSERT INTO fresh SELECT id, upper(title), n FROM note WHERE id <> ''old''; DROP TABLE note;"
              " ALTER TABLE fresh RENAME TO note')")
SQL_OPERATION(fold, "SELECT sync_fold()")
SQL_OPERATION(seen, "SELECT sync_seen()")
SQL_OPERATION(whole, "SELECT sync_changeset()")
SQL_OPERATION(delta, "SELECT sync_changeset(?1)")
SQL_OPERATION(apply, "SELECT sync_apply(?1)")
SQL_OPERATION(preview, "SELECT sync_apply(?1, '{\"dry_run\": true}')")
SQL_OPERATION(look, "SELECT * FROM sync_changes; SELECT tbl, identity, note FROM sync_status")
SQL_OPERATION(touch, "SELECT sync_touch('note', '[\"n1\"]')")
SQL_OPERATION(touch_pair, "SELECT iif(sync_touch('pair', '[\"p\", 1]'), 'done', 'not')")
SQL_OPERATION(touch_bytes, "SELECT iif(sync_touch('pair', '[{\"$text\": \"7fC3a9\"}, 1]'), 'done', 'not')")
SQL_OPERATION(enforced, "PRAGMA foreign_keys = on; SELECT sync_apply(?1)")
SQL_OPERATION(status, "SELECT * FROM sync_status")
SQL_OPERATION(some, "SELECT * FROM sync_changes WHERE tbl = 'note' AND version > 2 ORDER BY version")
SQL_OPERATION(number, "SELECT sync_resolve(id, 'keep both') FROM sync_conflict WHERE reason = 'number'")
SQL_OPERATION(unique, "SELECT sync_resolve(id, 'ours') FROM sync_conflict WHERE reason = 'unique'")
SQL_OPERATION(compact, "SELECT sync_compact('{\"age\": 0}')")
SQL_OPERATION(heard, "SELECT sync_heard(?1)")
/* Entries are chosen first: sync_resolve may switch foreign keys on, after which SQLite lets the statement that called it open no more tables. */
#define SETTLE(choice, which)                                                                                \
    "SELECT sync_resolve(e.value ->> 0, e.value ->> 1) FROM json_each((SELECT json_group_array(json_array("  \
    "id, " choice ")) FROM sync_conflict WHERE " which ")) AS e;"
SQL_OPERATION(genesis,
              "BEGIN;" SETTLE("CASE key WHEN '[3]' THEN 'theirs' WHEN '[4]' THEN 'keep both' ELSE 'ours' END",
                              "reason = 'genesis'") "COMMIT")
SQL_OPERATION(keeping, SETTLE("'keep both'", "reason = 'number' AND tbl = 'p'"))
SQL_OPERATION(parentless,
              "BEGIN;" SETTLE("iif(key LIKE '%1%', 'keep both', iif(ours IS NULL, 'ours', 'theirs'))",
                              "reason = 'foreign key'") "COMMIT")
SQL_OPERATION(values, "BEGIN;" SETTLE("iif(key = '[8]', 'keep both', iif(key LIKE '%1%', 'theirs', 'ours'))",
                                      "reason = 'unique'") "COMMIT")
SQL_OPERATION(unfit, "BEGIN;" SETTLE("'ours'", "held") "COMMIT")
SQL_OPERATION(formerly, "SELECT sync_fold(); SELECT * FROM sync_status")
SQL_OPERATION(describe, "SELECT sync_describe(?1)")
SQL_OPERATION(drop,
              "SELECT sync_alter('DROP INDEX c_p; ALTER TABLE c DROP COLUMN p; ALTER TABLE q DROP COLUMN v;"
              " CREATE TABLE f(k INTEGER PRIMARY KEY, a, b, more, UNIQUE(a, b));"
              " INSERT INTO f SELECT k, a, b || ''!'', k FROM p WHERE k <> 2; DROP TABLE p; ALTER "
              "TABLE f RENAME TO p')")
SQL_OPERATION(options, "SELECT sync_apply(NULL, '{\"dry_run\": true}')")

static void run_write(sqlite3 *db, const gift *g, ending *e)
{
    if (!perform(db, "BEGIN IMMEDIATE", g, e) || !perform(db, prepare_ours, g, e) ||
        !perform(db, "COMMIT", g, e)) {
        roll_back(db);
    }
}

/* The caller's own row stays, also if the merge fails; unless SQLite itself gave up the transaction. */
static void run_inside(sqlite3 *db, const gift *g, ending *e)
{
    ending after = {0};
    if (perform(db, "BEGIN; DELETE FROM log WHERE what = 'host'; INSERT INTO log VALUES('host')", g, e)) {
        (void)perform(db, "SELECT sync_apply(?1)", g, e);
    }
    if (!sqlite3_get_autocommit(db) && !perform(db, "COMMIT", g, &after)) {
        *e = e->code == SQLITE_OK ? after : *e;
        roll_back(db);
    }
}

static void run_stream(sqlite3 *db, const gift *g, ending *e)
{
    sync_stream *stream = NULL;
    char *error = NULL;
    const void *part;
    size_t bytes = 0;
    int last = 0;
    int rc = sync_stream_open(db, g->data, (size_t)g->bytes, 200, 3, &stream, &error);
    while (rc == SQLITE_OK && (rc = sync_stream_next(stream, &part, &bytes, &last, &error)) == SQLITE_ROW) {
        e->result = scenario_digest(e->result, part, bytes);
        rc = SQLITE_OK;
    }
    void *seen = NULL;
    if (rc == SQLITE_DONE && (rc = sync_stream_seen(stream, &seen, &bytes)) == SQLITE_OK) {
        e->result = scenario_digest(e->result, seen, bytes);
    } else if (rc != SQLITE_OK && error == NULL && rc == SQLITE_NOMEM) {
        error = sqlite3_mprintf("out of memory");
    }
    if (rc != SQLITE_OK) {
        fails(e, db, rc, rc == SQLITE_NOMEM ? "out of memory" : error);
    }
    sqlite3_free(seen);
    sqlite3_free(error);
    sync_stream_close(stream);
}

static void run_fold_some(sqlite3 *db, const gift *g, ending *e)
{
    char *error = NULL;
    int64_t entries = 2;
    (void)g;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && entries >= 2) {
        rc = sync_fold_some(db, 2, &entries, &error);
    }
    if (rc != SQLITE_OK) {
        fails(e, db, rc, rc == SQLITE_NOMEM ? "out of memory" : error);
    }
    sqlite3_free(error);
}

static void run_ahead(sqlite3 *db, const gift *g, ending *e)
{
    char *error = NULL;
    int64_t entries = 0;
    int rc = sync_fold_ahead(db, 1000, &entries, &error);
    if (rc != SQLITE_OK) {
        fails(e, db, rc, rc == SQLITE_NOMEM ? "out of memory" : error);
    } else {
        run_fold(db, g, e);
    }
    sqlite3_free(error);
}

static void run_merge(sqlite3 *db, const gift *g, ending *e)
{
    char *error = NULL;
    int64_t changed = 0;
    int rc = sync_merge_changeset(db, g->data, (size_t)g->bytes, &changed, &error);
    e->result = scenario_digest(e->result, &changed, sizeof changed);
    if (rc != SQLITE_OK) {
        fails(e, db, rc, rc == SQLITE_NOMEM ? "out of memory" : error);
    }
    sqlite3_free(error);
}

static void run_parts(sqlite3 *db, const gift *g, ending *e)
{
    const uint8_t *at = g->data, *end = at + g->bytes;
    uint32_t length;
    bool good = perform(db, "BEGIN IMMEDIATE", g, e);
    for (; good && at < end; at += sizeof length + length) {
        memcpy(&length, at, sizeof length);
        gift part = {(void *)(at + sizeof length), (int)length};
        good = perform(db, "SELECT sync_apply(?1)", &part, e);
    }
    if (!good || !perform(db, "COMMIT", g, e)) {
        roll_back(db);
    }
}

/* A program is told why not, and nothing has happened. */
static void run_refused(sqlite3 *db, const gift *g, ending *e)
{
    static const char *const refused[] = {
        "SELECT sync_resolve(id, 'ours') FROM sync_conflict WHERE key = '[\"c1\"]'",
        "SELECT sync_resolve(id, 'keep both') FROM sync_conflict WHERE reason = 'check'",
        "SELECT sync_touch('note', NULL)",
        "SELECT sync_alter('DROP TABLE sync_meta')",
        "SELECT sync_alter('ALTER TABLE c DROP COLUMN nothing')",
        "SELECT sync_track('nothing')",
        "SELECT sync_apply(x'00')",
        "SELECT sync_changeset(x'00')"};
    for (size_t i = 0; e->code == SQLITE_OK && i < sizeof refused / sizeof *refused; i++) {
        ending one = {.result = e->result};
        (void)perform(db, refused[i], g, &one);
        bool told = one.code == SQLITE_ERROR && strstr(one.text, "out of memory") == NULL;
        *e = told ? (ending){.result = scenario_digest(one.result, one.text, strlen(one.text))} : one;
    }
}

/* The extension is loaded, and answers. */
static void run_load(sqlite3 *db, const gift *g, ending *e)
{
    char *error = NULL;
    int rc = sqlite3_syncext_init(db, &error, NULL);
    if (rc == SQLITE_OK) {
        (void)perform(db, "SELECT length(sync_site())", g, e);
    } else {
        fails(e, db, rc, rc == SQLITE_NOMEM ? "out of memory" : error);
    }
    sqlite3_free(error);
}

static void run_dump(sqlite3 *db, const gift *g, ending *e)
{
    sync_buf out = {0};
    sync_error error = {0};
    (void)g;
    int rc = sync_clone_dump(db, &out, &error);
    rc = rc == SYNC_OK && out.oom ? SQLITE_NOMEM : rc;
    e->result = scenario_digest(e->result, out.data, out.len);
    if (rc != SYNC_OK) {
        fails(e, db, rc, rc == SQLITE_NOMEM ? "out of memory" : error.text);
    }
    sync_buf_free(&out);
}

static void left_out(void *context, const char *kind, const char *name, const char *why, const char *sql)
{
    ending *e = context;
    (void)sql;
    snprintf(e->text, sizeof e->text, "%s %s was left out: %s", kind, name, why);
    e->code = SQLITE_INTERNAL; /* everything can be made here */
}

static void run_clone(sqlite3 *db, const gift *g, ending *e)
{
    sync_error error = {0};
    ending lost = {0};
    int rc = sync_clone_load(db, g->data, (size_t)g->bytes, left_out, &lost, &error);
    if (rc != SYNC_OK) {
        fails(e, db, rc, error.text);
    } else if (lost.code != SQLITE_OK) {
        *e = lost;
    }
}

const scenario scenarios[] = {
    {"load", .plain = true, .prepare = prepare_written, .run = run_load},
    {"track", .prepare = prepare_untracked, .run = run_track},
    {"wide", .prepare = prepare_wide, .run = run_wide},
    {"untrack", .prepare = prepare_settling, .run = run_untrack},
    {"alter", .prepare = prepare_settling, .run = run_alter},
    {"write", .plain = true, .prepare = prepare_tracked, .run = run_write},
    {"fold", .prepare = prepare_written, .run = run_fold},
    {"fold-some", .steps = true, .prepare = prepare_written, .run = run_fold_some},
    {"ahead", .prepare = prepare_written, .run = run_ahead},
    {"seen", .prepare = prepare_written, .run = run_seen},
    {"whole", .prepare = prepare_settling, .run = run_whole},
    {"delta", .prepare = prepare_sender, .run = run_delta},
    {"copied", .steps = true, .renews = true, .prepare = prepare_copied, .run = run_delta},
    {"stream", .steps = true, .renews = true, .prepare = prepare_copied, .run = run_stream},
    {"apply", .prepare = prepare_receiver, .run = run_apply},
    {"settle", .prepare = prepare_settling, .run = run_apply},
    {"merge", .prepare = prepare_settling, .run = run_merge},
    {"inside", .host = true, .prepare = prepare_receiver, .run = run_inside},
    {"preview", .prepare = prepare_settling, .run = run_preview},
    {"look", .prepare = prepare_settling, .run = run_look},
    {"triggers", .prepare = prepare_triggers, .run = run_apply},
    {"long", .prepare = prepare_long, .run = run_apply},
    {"children", .prepare = prepare_children, .run = run_enforced},
    {"uncounted", .prepare = prepare_uncounted, .run = run_enforced},
    {"waiting", .prepare = prepare_waiting, .run = run_fold},
    {"orphans", .prepare = prepare_orphans, .run = run_fold},
    {"adopted", .prepare = prepare_adopted, .run = run_apply},
    {"contest", .prepare = prepare_contest, .run = run_apply},
    {"tags", .prepare = prepare_tags, .run = run_apply},
    {"tags-fold", .prepare = prepare_tags, .run = run_fold},
    {"foretold", .prepare = prepare_triggers, .run = run_preview},
    {"many", .prepare = prepare_many, .run = run_fold},
    {"abrupt", .prepare = prepare_abrupt, .run = run_apply},
    {"unique", .prepare = prepare_expressions, .run = run_track},
    {"tail", .prepare = prepare_written, .run = run_look},
    {"status", .prepare = prepare_lost, .run = run_status},
    {"some", .prepare = prepare_settling, .run = run_some},
    {"touch", .prepare = prepare_written, .run = run_touch},
    {"touch-pair", .warm = true, .prepare = prepare_pair, .run = run_touch_pair},
    {"touch-hex", .prepare = prepare_pair, .run = run_touch_bytes},
    {"resolve-number", .prepare = prepare_held, .run = run_number},
    {"resolve-unique", .prepare = prepare_held, .run = run_unique},
    {"resolve-genesis", .prepare = prepare_genesis, .run = run_genesis},
    {"resolve-keep", .prepare = prepare_keeping, .run = run_keeping},
    {"resolve-parentless", .prepare = prepare_parentless, .run = run_parentless},
    {"resolve-values", .prepare = prepare_values, .run = run_values},
    {"resolve-unfit", .prepare = prepare_unfit, .run = run_unfit},
    {"drop", .prepare = prepare_dropping, .run = run_drop},
    {"renamed", .prepare = prepare_renamed, .run = run_fold},
    {"columns", .prepare = prepare_columns, .run = run_fold},
    {"numbers", .prepare = prepare_numbers, .run = run_apply},
    {"types", .prepare = prepare_types, .run = run_apply},
    {"parts", .prepare = prepare_parts, .run = run_parts},
    {"refused", .prepare = prepare_parentless, .run = run_refused},
    {"noted", .prepare = prepare_noted, .run = run_apply},
    {"formerly", .steps = true, .prepare = prepare_renamed, .run = run_formerly},
    {"misfit", .prepare = prepare_misfit, .run = run_fold},
    {"describe", .prepare = prepare_numbers, .run = run_describe},
    {"contested", .prepare = prepare_contest, .run = run_preview},
    {"options", .warm = true, .prepare = prepare_tracked, .run = run_options},
    {"compact", .prepare = prepare_followed, .run = run_compact},
    {"heard", .prepare = prepare_followed, .run = run_heard},
    {"stale", .prepare = prepare_stale, .run = run_apply},
    {"upgrade", .prepare = prepare_format_1, .run = run_fold},
    {"dump", .prepare = prepare_settling, .run = run_dump},
    {"clone", .prepare = prepare_empty, .run = run_clone},
    {"track-16", .utf16 = true, .prepare = prepare_untracked, .run = run_track},
    {"untrack-16", .utf16 = true, .prepare = prepare_settling, .run = run_untrack},
    {"copied-16", .utf16 = true, .steps = true, .renews = true, .prepare = prepare_copied, .run = run_delta},
    {"apply-16", .utf16 = true, .prepare = prepare_receiver, .run = run_apply},
    {"settle-16", .utf16 = true, .prepare = prepare_settling, .run = run_apply},
    {"preview-16", .utf16 = true, .prepare = prepare_settling, .run = run_preview},
    {"trigger-16", .utf16 = true, .prepare = prepare_triggers, .run = run_apply},
    {"child-16", .utf16 = true, .prepare = prepare_children, .run = run_enforced},
    {"waiting-16", .utf16 = true, .prepare = prepare_waiting, .run = run_fold},
    {"orphan-16", .utf16 = true, .prepare = prepare_orphans, .run = run_fold},
    {"contest-16", .utf16 = true, .prepare = prepare_contest, .run = run_apply},
    {"status-16", .utf16 = true, .prepare = prepare_lost, .run = run_status},
    {"look-16", .utf16 = true, .prepare = prepare_settling, .run = run_look},
    {"touch-16", .utf16 = true, .prepare = prepare_pair, .run = run_touch_pair},
    {"dump-16", .utf16 = true, .prepare = prepare_settling, .run = run_dump},
};
const int scenario_count = (int)(sizeof scenarios / sizeof *scenarios);
