#include "scenario.h"

#include "clone.h"
#include "fault.h"
#include "sync_ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char schema[] =
    "CREATE TABLE person(id INTEGER PRIMARY KEY, name, email UNIQUE,"
    "  boss REFERENCES person DEFERRABLE INITIALLY DEFERRED);"
    "CREATE TABLE note(id TEXT COLLATE NOCASE PRIMARY KEY, title, body, n CHECK(n < 100));"
    "CREATE TABLE tag(note TEXT COLLATE NOCASE REFERENCES note ON DELETE CASCADE, tag TEXT, PRIMARY "
    "KEY(note, tag))"
    "  WITHOUT ROWID;"
    "CREATE TABLE log(what);"
    "CREATE TRIGGER note_log AFTER UPDATE ON note BEGIN INSERT INTO log VALUES(new.id); END;"
    "INSERT INTO person VALUES(1, 'genesis', 'g@x', NULL);"
    "INSERT INTO note VALUES('old', 'from before', '', 1), ('gone', '', '', 1);"
    "INSERT INTO tag VALUES('old', 'a'), ('gone', 'b');";

static const char ours[] =
    "INSERT INTO person VALUES(2, 'Ada', 'ada@x', 1), (3, 'Eve', 'eve@x', 2);"
    "INSERT INTO note VALUES('n1', 'ours', 'ours', 1), ('n2', 'ours', 'ours', 2);"
    "INSERT INTO tag VALUES('n1', 'a'), ('n2', 'b');"
    "UPDATE note SET body = 'ours, later' WHERE id = 'n1'; UPDATE note SET id = 'N3' WHERE id = 'n2';"
    "DELETE FROM tag WHERE note = 'gone'; DELETE FROM note WHERE id = 'gone';"
    "INSERT OR REPLACE INTO person VALUES(4, 'again', 'eve@x', NULL);";

static const char theirs[] =
    "ALTER TABLE note ADD COLUMN extra;"
    "INSERT INTO person VALUES(2, 'Bob', 'bob@x', 1), (3, 'Ada', 'ada@x', 2), (5, 'Dan', 'dan@x', 3);"
    "INSERT INTO note(id, title, body, n, extra) VALUES('N1', 'theirs', 'theirs', 3, 'kept'), ('n9', '', '', "
    "9, 'kept');"
    "UPDATE note SET title = 'theirs' WHERE id = 'old'; INSERT INTO tag VALUES('gone', 'c'), ('n9', 'd');"
    "UPDATE person SET name = 'renamed' WHERE id = 1;";

static const char later[] =
    "UPDATE person SET email = 'free@x' WHERE id = 3; DELETE FROM person WHERE id = 5;"
    "DELETE FROM tag WHERE note = 'gone'; DELETE FROM note WHERE id = 'gone';"
    "INSERT INTO note(id, title, n, extra) VALUES('gone', 'again', 4, 'kept');"
    "DELETE FROM tag WHERE note = 'n9'; DELETE FROM note WHERE id = 'n9'; UPDATE note SET extra = 'newer' "
    "WHERE id = 'n1';";

/* ---- helpers ---- */

static _Noreturn void give_up(const char *what, const char *why)
{
    printf("# while preparing: %s: %s\n", what, why);
    exit(3);
}

sqlite3 *scenario_open(const char *name, bool plain)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    if (sqlite3_open(name, &db) != SQLITE_OK) {
        give_up(name, sqlite3_errmsg(db));
    }
    if (!plain && sqlite3_syncext_init(db, &error, NULL) != SQLITE_OK) {
        give_up(name, error ? error : "no memory");
    }
    return db;
}

void scenario_exec(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        give_up(sql, error ? error : "no memory");
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

static void close_file(sqlite3 *db)
{
    if (sqlite3_close(db) != SQLITE_OK) {
        give_up("close", sqlite3_errmsg(db));
    }
}

static sqlite3 *make(const char *name, bool wal, const char *sql)
{
    sqlite3 *db = scenario_open(name, false);
    scenario_exec(db, wal ? "PRAGMA journal_mode = wal" : "PRAGMA journal_mode = delete");
    scenario_exec(db, schema);
    scenario_exec(db, sql);
    return db;
}

/* What the statement gives, with a gift bound to its first parameter. */
static gift ask(sqlite3 *db, const char *sql, const gift *with)
{
    sqlite3_stmt *stmt = NULL;
    gift g = {0};
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK ||
        (with && sqlite3_bind_blob(stmt, 1, with->data, with->bytes, SQLITE_STATIC) != SQLITE_OK) ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        give_up(sql, sqlite3_errmsg(db));
    }
    g.bytes = sqlite3_column_bytes(stmt, 0);
    g.data = malloc((size_t)g.bytes + 1);
    if (g.data == NULL) {
        give_up(sql, "no memory");
    }
    if (g.bytes) {
        memcpy(g.data, sqlite3_column_blob(stmt, 0), (size_t)g.bytes);
    }
    sqlite3_finalize(stmt);
    return g;
}

/* ---- running ---- */

static void fails(ending *e, sqlite3 *db, int code, const char *text)
{
    e->code = code != SQLITE_ERROR ? code : sqlite3_extended_errcode(db);
    snprintf(e->text, sizeof e->text, "%s", text ? text : "");
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
            for (int i = 0; rc == SQLITE_OK && i < sqlite3_column_count(stmt); i++) {
                int type = sqlite3_column_type(stmt, i), bytes = 0;
                const void *data = type == SQLITE_NULL ? "" : sqlite3_column_blob(stmt, i);
                bytes = type == SQLITE_NULL ? 0 : sqlite3_column_bytes(stmt, i);
                /* a number turned into a text for want of whose memory nothing comes */
                rc = data == NULL && type != SQLITE_BLOB && type != SQLITE_TEXT ? SQLITE_NOMEM : SQLITE_OK;
                e->result = scenario_digest(e->result, data, (size_t)bytes);
                e->result = scenario_digest(e->result, &type, sizeof type);
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
SQL_OPERATION(fold, "SELECT sync_fold()")
SQL_OPERATION(seen, "SELECT sync_seen()")
SQL_OPERATION(whole, "SELECT sync_changeset()")
SQL_OPERATION(delta, "SELECT sync_changeset(?1)")
SQL_OPERATION(apply, "SELECT sync_apply(?1)")
SQL_OPERATION(preview, "SELECT sync_apply(?1, '{\"dry_run\": true}')")
SQL_OPERATION(look, "SELECT * FROM sync_changes; SELECT tbl, identity, note FROM sync_status")
SQL_OPERATION(touch, "SELECT sync_touch('note', '[\"n1\"]')")
SQL_OPERATION(touch_pair, "SELECT iif(sync_touch('pair', '[\"p\", 1]'), 'done', 'not')")
SQL_OPERATION(options, "SELECT sync_apply(NULL, '{\"dry_run\": true}')")

static void run_write(sqlite3 *db, const gift *g, ending *e)
{
    if (!perform(db, "BEGIN IMMEDIATE", g, e) || !perform(db, ours, g, e) || !perform(db, "COMMIT", g, e)) {
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

/* ---- preparing ---- */

static void prepare_untracked(gift *g, bool wal)
{
    (void)g;
    close_file(make("a.db", wal, ""));
}

/* A key of several columns is given as JSON. */
static void prepare_pair(gift *g, bool wal)
{
    (void)g;
    sqlite3 *db = make("a.db", wal, "CREATE TABLE pair(a TEXT, b INTEGER, v, PRIMARY KEY(a, b))");
    scenario_exec(
        db, "INSERT INTO pair VALUES('p', 1, 'v'); SELECT sync_track('pair'); SELECT sync_touch('pair', "
            "'[\"p\", 1]')");
    close_file(db);
}

/* More columns than one journal entry has bits for. */
static void prepare_wide(gift *g, bool wal)
{
    (void)g;
    sqlite3 *db = make("a.db", wal, "");
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendall(sql, "CREATE TABLE wide(k INTEGER PRIMARY KEY");
    for (int i = 0; i < 130; i++) {
        sqlite3_str_appendf(sql, ", c%d", i);
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    scenario_exec(db, text);
    sqlite3_free(text);
    close_file(db);
}

static void prepare_tracked(gift *g, bool wal)
{
    (void)g;
    close_file(make("a.db", wal, "SELECT sync_track_all()"));
}

static void prepare_written(gift *g, bool wal)
{
    (void)g;
    sqlite3 *db = make("a.db", wal, "SELECT sync_track_all()");
    scenario_exec(db, ours);
    close_file(db);
}

/* a.db has written since b.db was made, which says what it holds. */
static void prepare_sender(gift *g, bool wal)
{
    sqlite3 *other = make("b.db", wal, "SELECT sync_track_all()");
    *g = ask(other, "SELECT sync_seen()", NULL);
    close_file(other);
    prepare_written(g, wal); /* needs no gift */
}

/* A copy of a file that has been told of: another id is due, and what it lacks of the other is asked. */
static void prepare_copied(gift *g, bool wal)
{
    prepare_sender(g, wal);
    sqlite3 *db = scenario_open("a.db", false);
    scenario_exec(db,
                  "SELECT sync_fold(); SELECT sync_seen(); INSERT INTO note VALUES('n7', 'unfolded', '', 7)");
    close_file(db);
    fault_set_inode(2);
}

/* a.db has written and lacks what b.db has. */
static void prepare_receiver(gift *g, bool wal)
{
    sqlite3 *other = make("b.db", wal, "SELECT sync_track_all()");
    scenario_exec(other, theirs);
    prepare_written(g, wal);
    *g = ask(other, "SELECT sync_changeset()", NULL);
    close_file(other);
}

/* a.db has merged that, and held some of it; now come the missing column and what removes the obstacles. */
static void prepare_settling(gift *g, bool wal)
{
    prepare_receiver(g, wal);
    sqlite3 *db = scenario_open("a.db", false), *other = scenario_open("b.db", false);
    free(ask(db, "SELECT sync_apply(?1)", g).data);
    free(g->data);
    scenario_exec(other, later);
    scenario_exec(db, "ALTER TABLE note ADD COLUMN extra; INSERT INTO note(id, title, n, extra) VALUES('n8', "
                      "'tail', 8, 8)");
    gift seen = ask(db, "SELECT sync_seen()", NULL);
    *g = ask(other, "SELECT sync_changeset(?1)", &seen);
    free(seen.data);
    close_file(db);
    close_file(other);
}

static void prepare_empty(gift *g, bool wal)
{
    sqlite3 *other = make("b.db", wal,
                          "DROP TRIGGER note_log; CREATE VIEW titles AS SELECT title FROM note;"
                          "CREATE TRIGGER note_n AFTER INSERT ON note WHEN new.n < 0"
                          "  BEGIN UPDATE note SET n = 0 WHERE id = new.id; END;"
                          "SELECT sync_track_all()");
    sync_buf out = {0};
    sync_error error = {0};
    if (sync_clone_dump(other, &out, &error) != SYNC_OK) {
        give_up("dump", error.text);
    }
    *g = (gift){malloc(out.len), (int)out.len};
    if (g->data == NULL) {
        give_up("dump", "no memory");
    }
    memcpy(g->data, out.data, out.len);
    sync_buf_free(&out);
    close_file(other);
    sqlite3 *db = scenario_open("a.db", true);
    scenario_exec(db, wal ? "PRAGMA journal_mode = wal" : "PRAGMA journal_mode = delete");
    close_file(db);
}

const scenario scenarios[] = {
    {"track", .prepare = prepare_untracked, .run = run_track},
    {"wide", .prepare = prepare_wide, .run = run_wide},
    {"untrack", .prepare = prepare_settling, .run = run_untrack},
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
    {"touch", .prepare = prepare_written, .run = run_touch},
    {"touch-pair", .warm = true, .prepare = prepare_pair, .run = run_touch_pair},
    {"options", .warm = true, .prepare = prepare_tracked, .run = run_options},
    {"dump", .prepare = prepare_settling, .run = run_dump},
    {"clone", .prepare = prepare_empty, .run = run_clone},
};
const int scenario_count = (int)(sizeof scenarios / sizeof *scenarios);
