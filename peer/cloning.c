/* A room's schema, for the other side and from it: what clone needs before the first delta. */
#include "room_internal.h"

#include "clone.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEFT_OUT ".left-out.sql"

void peer_schema_send(peer_room *r, peer_link *l)
{
    sync_buf schema = {0};
    sync_error error = {0};
    int rc = sync_clone_dump(r->database.db, &schema, &error);
    if (rc != SYNC_OK) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_SCHEMA, PEER_EXIT_SCHEMA, "%s", error.text);
    } else if (schema.len > PEER_SCHEMA_BYTES_MAX) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_SCHEMA, PEER_EXIT_SCHEMA,
                             "the schema is larger than %u MiB and cannot be cloned",
                             PEER_SCHEMA_BYTES_MAX >> 20);
    } else {
        peer_room_send(
            r, l,
            &(sync_frame){.type = SYNC_FRAME_SCHEMA, .payload = schema.data, .payload_bytes = schema.len});
    }
    sync_buf_free(&schema);
}

typedef struct leftover {
    const peer_room *room;
    sync_buf sql;
} leftover;

static void left_out(void *context, const char *kind, const char *name, const char *why, const char *sql)
{
    leftover *l = context;
    peer_notice("%s: %s %s is left out: %s", l->room->options->file, kind, name, why);
    sync_buf_put(&l->sql, sql, strlen(sql));
    sync_buf_put(&l->sql, "\n;\n", 3); /* its last line may be a comment */
}

/* Their statements, for a person to read and run: FILE.left-out.sql. */
static void write_leftover(peer_room *r, const sync_buf *sql)
{
    if (sql->len == 0) {
        return;
    }
    char *path = peer_format("%s" LEFT_OUT, r->options->file);
    FILE *to = fopen(path, "wxe");
    if (to == NULL) {
        peer_notice("%s cannot be made (%s): what was left out is to be made by hand", path, strerror(errno));
    } else {
        r->leftover = true;
        bool good = fwrite(sql->data, 1, sql->len, to) == sql->len;
        good = fclose(to) == 0 && good && !sql->oom;
        peer_notice(good ? "%s has the statements of what was left out: read and run them"
                         : "%s cannot be written: what was left out is to be made by hand",
                    path);
    }
    free(path);
}

void peer_schema_receive(peer_room *r, peer_link *l, const sync_buf *schema)
{
    sync_error error = {0};
    peer_taking_end(r, true);
    if (!peer_database_create(&r->database, r->options, &r->stopping, &r->failure)) {
        return;
    }
    r->created = r->options->command == PEER_CLONE;
    leftover rest = {.room = r};
    int rc = sync_clone_load(r->database.db, schema->data, schema->len, left_out, &rest, &error);
    if (rc == SYNC_OK) {
        write_leftover(r, &rest.sql);
    }
    sync_buf_free(&rest.sql);
    if (rc == SYNC_CORRUPT) {
        peer_fail(&r->failure, PEER_EXIT_ERROR, "%s", error.text);
    } else if (rc != SYNC_OK) {
        peer_fail(&r->failure, peer_exit_of(rc), "%s cannot be cloned: %s", l->name, error.text);
    } else {
        peer_room_adopt(r);
    }
}

/* A stranger's pages, before anything of them is used but what SQLite reads to open them. */
static bool is_whole(sqlite3 *db, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    /* CHECK clauses are not run: they may call what is not there, and take any time */
    int rc = sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
    rc = rc == SQLITE_OK ? sqlite3_prepare_v2(db, "PRAGMA main.quick_check(1)", -1, &stmt, NULL) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : sqlite3_errmsg(db);
    bool whole = rc == SQLITE_ROW && text != NULL && strncmp(text, "*** in database", 15) != 0;
    if (!whole) {
        sync_fail(error, rc == SQLITE_ROW ? SYNC_CORRUPT : rc, "PRAGMA quick_check says %.200s",
                  text != NULL ? text : "nothing");
    }
    sqlite3_finalize(stmt);
    return whole &&
           (sqlite3_exec(db, "PRAGMA ignore_check_constraints = OFF", NULL, NULL, NULL) == SQLITE_OK ||
            sync_fail(error, sqlite3_errcode(db), "%s", sqlite3_errmsg(db)) == SYNC_OK);
}

static int on_progress(void *context)
{
    const peer_room *r = context;
    return atomic_load(&r->stopping);
}

/* Nobody else opens it, and what is half done is thrown away: it needs no journal. */
static int open_copy(peer_room *r, const char *copy, sqlite3 **db, sync_error *error)
{
    char *text = NULL;
    int rc = peer_connection_open(copy, NULL, NULL, db, &text);
    rc = rc == SQLITE_OK
             ? sqlite3_exec(*db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF", NULL, NULL, NULL)
             : rc;
    if (rc == SQLITE_OK) {
        sqlite3_progress_handler(*db, PEER_SCRIPT_STEPS, on_progress, r);
    } else {
        sync_fail(error, rc, "%s", text != NULL ? text : *db != NULL ? sqlite3_errmsg(*db) : "out of memory");
    }
    sqlite3_free(text);
    return rc;
}

int peer_schema_adopt(peer_room *r, const char *copy, const sync_buf *schema, sync_error *error)
{
    sqlite3 *db = NULL;
    leftover rest = {.room = r};
    int rc = open_copy(r, copy, &db, error);
    rc = rc == SQLITE_OK && !is_whole(db, error) ? error->code : rc;
    rc = rc == SQLITE_OK ? sync_clone_adopt(db, schema->data, schema->len, left_out, &rest, error) : rc;
    if (sqlite3_close(db) != SQLITE_OK && rc == SQLITE_OK) {
        rc = sync_fail(error, SYNC_ERROR, "a statement is still open");
    }
    if (rc == SYNC_OK) {
        write_leftover(r, &rest.sql);
    }
    sync_buf_free(&rest.sql);
    return rc;
}

/* NULL, or why no tables are made here for a follower; the caller frees it. */
static char *why_not(peer_room *r)
{
    sqlite3_stmt *stmt = NULL;
    if (!r->options->create) {
        return peer_format("room %s has no tables, and none are made here (create)", r->options->room);
    }
    int rc = sqlite3_prepare_v2(r->database.db, "SELECT count(*) FROM main.sqlite_schema", -1, &stmt, NULL);
    bool empty = rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int64(stmt, 0) == 0;
    sqlite3_finalize(stmt);
    return empty ? NULL : peer_format("room %s has tables, of which none is tracked", r->options->room);
}

/* On a connection of its own, as another program would: its authorizer is not the room's. *error says what is wrong. */
static int make_tables(peer_room *r, const sync_buf *schema, sync_error *error)
{
    sqlite3 *db = NULL;
    char *text = NULL;
    leftover rest = {.room = r};
    int rc = peer_connection_open(r->database.path, NULL, NULL, &db, &text);
    if (rc != SQLITE_OK) {
        rc = sync_fail(error, SYNC_ERROR, "%s", text != NULL ? text : sqlite3_errstr(rc));
    } else {
        sqlite3_busy_timeout(db, PEER_BUSY_MS);
        rc = sync_clone_load(db, schema->data, schema->len, left_out, &rest, error);
    }
    sync_buf_free(&rest.sql);
    sqlite3_free(text);
    sqlite3_close(db);
    return rc;
}

bool peer_schema_ask(peer_room *r, peer_link *l)
{
    sync_buf schema = {0};
    sync_error error = {0};
    if (l->told_tables || !peer_room_seen(r) || r->seen.len == 0) {
        return false;
    }
    if (sync_clone_dump(r->database.db, &schema, &error) != SYNC_OK || schema.len > PEER_SCHEMA_BYTES_MAX) {
        peer_notice("%s: the tables of this room cannot be made there: %s", l->name,
                    error.text[0] != 0 ? error.text : "the schema is too large");
    } else {
        l->told_tables = true;
        peer_room_send(
            r, l,
            &(sync_frame){.type = SYNC_FRAME_CREATE_DB, .payload = schema.data, .payload_bytes = schema.len});
    }
    sync_buf_free(&schema);
    return l->told_tables;
}

void peer_schema_found(peer_room *r, peer_link *l, const sync_buf *schema)
{
    sync_error error = {0};
    if (!peer_room_seen(r) || r->seen.len > 0) { /* somebody was faster, and it has been told so */
        return;
    }
    char *why = why_not(r);
    if (why != NULL) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_FORBIDDEN, PEER_EXIT_REFUSED, "%s", why);
    } else if (make_tables(r, schema, &error) != SYNC_OK) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_SCHEMA, PEER_EXIT_SCHEMA,
                             "room %s: its tables cannot be made: %s", r->options->room, error.text);
    } else {
        peer_notice("room %s: its tables were made as %s has them", r->options->room, l->name);
        peer_foreign_hint(r, peer_now_us());
    }
    free(why);
}

bool peer_schema_may_clone(const peer_options *o, peer_failure *f)
{
    return access(o->file, F_OK) != 0 ||
           peer_fail(
               f, PEER_EXIT_MISSING,
               "%s exists already; if it is a clone that was broken off, sync-peer sync %s %s completes it",
               o->file, o->file, o->urls[0].text);
}

void peer_schema_undo(peer_room *r)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-sync"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = peer_format("%s%s", r->options->file, suffixes[i]);
        unlink(path);
        free(path);
    }
    if (r->leftover) {
        char *path = peer_format("%s" LEFT_OUT, r->options->file);
        unlink(path);
        free(path);
    }
}
