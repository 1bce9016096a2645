#include "founding.h"

#include "beneath.h"
#include "log.h"
#include "message.h"
#include "peer_limits.h"
#include "sync_ext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNFINISHED ".new"

/* The script's text; NULL, with a failure. */
static char *read_script(const char *path, peer_failure *f)
{
    FILE *from = peer_beneath_read(path, f);
    char *text = NULL;
    if (from == NULL) {
        return NULL;
    }
    text = peer_new(PEER_SCRIPT_BYTES_MAX + 1);
    size_t bytes = fread(text, 1, PEER_SCRIPT_BYTES_MAX + 1, from);
    if (ferror(from) != 0) {
        peer_fail(f, PEER_EXIT_ERROR, "%s: %s", path, strerror(errno));
    } else if (bytes > PEER_SCRIPT_BYTES_MAX) {
        peer_fail(f, PEER_EXIT_ERROR, "%s is larger than %u KiB", path, PEER_SCRIPT_BYTES_MAX >> 10);
    } else if (memchr(text, 0, bytes) != NULL) {
        peer_fail(f, PEER_EXIT_ERROR, "%s has a NUL byte in it: it is no SQL", path);
    } else {
        text[bytes] = 0;
        fclose(from);
        return text;
    }
    fclose(from);
    free(text);
    return NULL;
}

static int line_of(const char *script, const char *at)
{
    int line = 1;
    for (; script < at; script++) {
        line += *script == '\n';
    }
    return line;
}

/* Every statement of the script, until one fails: that is named by its line. */
static bool run_script(sqlite3 *db, const char *path, const char *script, peer_failure *f)
{
    const char *at = script;
    int rc = SQLITE_OK, offset = 0;
    while (rc == SQLITE_OK && *at != 0) {
        sqlite3_stmt *stmt = NULL;
        const char *next = at;
        rc = sqlite3_prepare_v2(db, at, -1, &stmt, &next);
        offset = rc == SQLITE_OK ? 0 : sqlite3_error_offset(db);
        while (rc == SQLITE_OK && stmt != NULL && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            rc = SQLITE_OK;
        }
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        if (rc != SQLITE_OK) {
            at += strspn(at, " \t\r\n") + (size_t)(offset > 0 ? offset : 0);
            peer_fail(f, PEER_EXIT_SCHEMA, "%s:%d: %s", path, line_of(script, at), sqlite3_errmsg(db));
        }
        sqlite3_finalize(stmt);
        at = next;
    }
    return rc == SQLITE_OK;
}

static bool fail(peer_failure *f, int rc, const char *file, const char *text)
{
    const char *refused = (rc & 0xff) == SQLITE_CANTOPEN ? peer_beneath_refused() : NULL;
    return refused != NULL ? peer_fail(f, PEER_EXIT_NOTADB, "%s", refused)
                           : peer_fail(f, peer_exit_of(rc), "%s cannot be made: %s", file, text);
}

static bool step(sqlite3 *db, const char *file, const char *sql, peer_failure *f)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           fail(f, sqlite3_extended_errcode(db), file, sqlite3_errmsg(db));
}

/* In rollback mode, so that it is one file when it is closed. */
static bool fill(const peer_options *o, const char *file, peer_failure *f)
{
    sqlite3 *db = NULL;
    char *error = NULL, *script = o->schema != NULL ? read_script(o->schema, f) : NULL;
    if (o->schema != NULL && script == NULL) {
        return false;
    }
    int rc =
        sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK ? sqlite3_syncext_init(db, &error, NULL) : rc;
    bool good = rc == SQLITE_OK || fail(f, rc, o->file, error != NULL ? error : sqlite3_errmsg(db));
    good = good && step(db, o->file, "PRAGMA journal_mode=DELETE; BEGIN IMMEDIATE", f) &&
           (script == NULL || run_script(db, o->schema, script, f)) && step(db, o->file, "COMMIT", f);
    sqlite3_free(error);
    if (sqlite3_close(db) != SQLITE_OK && good) {
        good = peer_fail(f, PEER_EXIT_ERROR, "%s: a statement is still open", o->file);
    }
    free(script);
    return good;
}

bool peer_founding_make(const peer_options *o, peer_failure *f)
{
    if (!o->create || access(o->file, F_OK) == 0) {
        return true;
    }
    char *unfinished = peer_format("%s" UNFINISHED, o->file), *witness = peer_format("%s-sync", unfinished);
    (void)unlink(unfinished); /* left by a process that was killed */
    bool good = fill(o, unfinished, f);
    if (good && link(unfinished, o->file) != 0 && errno != EEXIST) { /* another process has been faster */
        good = peer_fail(f, errno == ENOSPC || errno == EDQUOT ? PEER_EXIT_FULL : PEER_EXIT_READONLY,
                         "%s cannot be made: %s%s", o->file, strerror(errno), peer_remedy(errno));
    }
    (void)unlink(unfinished);
    (void)unlink(witness);
    free(unfinished);
    free(witness);
    return good;
}
