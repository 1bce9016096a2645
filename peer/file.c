#include "file.h"

#include "log.h"
#include "message.h"
#include "stop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROGRESS_STEPS = 10000 }; /* of SQLite's machine between two looks for a signal: about a millisecond */

static int on_busy(void *context, int count)
{
    (void)context;
    if (count >= PEER_BUSY_MS || peer_stop_asked()) {
        return 0;
    }
    usleep(1000);
    return 1;
}

static int on_progress(void *context)
{
    (void)context;
    return peer_stop_asked();
}

static bool find(peer_file *file, peer_failure *f)
{
    struct stat st;
    file->path = realpath(file->name, NULL);
    if (file->path == NULL || stat(file->path, &st) != 0) {
        return peer_fail(f, errno == EACCES ? PEER_EXIT_READONLY : PEER_EXIT_MISSING,
                         "%s cannot be opened: %s", file->name, strerror(errno));
    }
    file->device = st.st_dev;
    file->inode = st.st_ino;
    if (!S_ISREG(st.st_mode)) {
        return peer_fail(f, PEER_EXIT_NOTADB, "%s is %s, not a SQLite database", file->name,
                         S_ISDIR(st.st_mode) ? "a directory" : "no ordinary file");
    }
    return access(file->path, R_OK) == 0 ||
           peer_fail(f, PEER_EXIT_READONLY, "%s cannot be read: %s", file->name, strerror(errno));
}

static bool connect_to(peer_file *file, peer_failure *f)
{
    char *error = NULL;
    int64_t objects = 0;
    int rc = peer_connection_open(file->path, on_busy, NULL, &file->db, &error);
    if (rc != SQLITE_OK) {
        peer_file_fail(file, f, error != NULL ? error : "cannot be opened", rc);
        sqlite3_free(error);
        return false;
    }
    sqlite3_progress_handler(file->db, PROGRESS_STEPS, on_progress, NULL);
    if (!peer_file_ask(file, "SELECT count(*) FROM main.sqlite_schema", &objects, f)) {
        return false; /* it is no database, or a damaged one */
    }
    return peer_connection_tracks(file->db) ||
           peer_fail(
               f, PEER_EXIT_SCHEMA,
               "%s tracks no table; SELECT sync_track_all() adopts those that it has, and so does sync-peer "
               "serve",
               file->name);
}

bool peer_file_open(peer_file *file, const char *name, peer_failure *f)
{
    *file = (peer_file){.name = name};
    if (find(file, f) && connect_to(file, f) && peer_file_run(file, "SELECT sync_seen()", f)) {
        return true;
    }
    peer_file_close(file);
    return false;
}

void peer_file_close(peer_file *file)
{
    sqlite3_close(file->db);
    free(file->path);
    *file = (peer_file){.name = NULL};
}

bool peer_file_same(const peer_file *file, peer_failure *f)
{
    struct stat st;
    if (stat(file->path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode) {
        return true;
    }
    return peer_fail(f, PEER_EXIT_REPLACED, "%s was replaced, moved or deleted while it was in use",
                     file->name);
}

bool peer_file_fail(const peer_file *file, peer_failure *f, const char *what, int rc)
{
    if (peer_stop_asked() && ((rc & 0xff) == SQLITE_INTERRUPT || (rc & 0xff) == SQLITE_BUSY)) {
        return peer_fail(f, PEER_EXIT_STOPPED, "%s: stopped before it was done", file->name);
    }
    const peer_database named = {.path = file->path};
    return peer_engine_fail(&named, file->db, f, what, rc);
}

sqlite3_stmt *peer_file_prepare(const peer_file *file, peer_failure *f, const char *format, ...)
{
    va_list arguments;
    sqlite3_stmt *stmt = NULL;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    int rc = sql != NULL ? sqlite3_prepare_v2(file->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    if (rc != SQLITE_OK) {
        peer_file_fail(file, f, "cannot be read", rc);
    }
    sqlite3_free(sql);
    return stmt;
}

int peer_file_step(const peer_file *file, sqlite3_stmt *stmt, peer_failure *f)
{
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        peer_file_fail(file, f, "cannot be read", rc);
    }
    return rc;
}

bool peer_file_run(const peer_file *file, const char *sql, peer_failure *f)
{
    int rc = sqlite3_exec(file->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || peer_file_fail(file, f, sql, rc);
}

bool peer_file_ask(const peer_file *file, const char *sql, int64_t *value, peer_failure *f)
{
    sqlite3_stmt *stmt = peer_file_prepare(file, f, "%s", sql);
    int rc = stmt != NULL ? peer_file_step(file, stmt, f) : SQLITE_ERROR;
    *value = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

bool peer_column_value(sqlite3_stmt *stmt, int column, sync_value *value)
{
    *value = (sync_value){.type = SYNC_NULL};
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        value->type = SYNC_INTEGER;
        value->i = sqlite3_column_int64(stmt, column);
        return true;
    case SQLITE_FLOAT:
        value->type = SYNC_REAL;
        value->r = sqlite3_column_double(stmt, column);
        return true;
    case SQLITE_TEXT:
        value->type = SYNC_TEXT;
        value->data = sqlite3_column_text(stmt, column);
        break;
    case SQLITE_BLOB:
        value->type = SYNC_BLOB;
        value->data = sqlite3_column_blob(stmt, column);
        break;
    default:
        return true;
    }
    value->bytes = (size_t)sqlite3_column_bytes(stmt, column);
    return value->data != NULL || (value->type == SYNC_BLOB && value->bytes == 0);
}
