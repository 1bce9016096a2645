#include "founding.h"

#include "beneath.h"
#include "log.h"
#include "message.h"
#include "script.h"
#include "sync_ext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UNFINISHED ".new"

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
static bool fill(const peer_options *o, const char *file, atomic_bool *stopping, peer_failure *f)
{
    sqlite3 *db = NULL;
    const char *path = peer_script_path(o);
    char *error = NULL, *script = path != NULL ? peer_script_read(path, f) : NULL;
    if (path != NULL && script == NULL) {
        return false;
    }
    int rc =
        sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK ? sqlite3_syncext_init(db, &error, NULL) : rc;
    bool good = rc == SQLITE_OK || fail(f, rc, o->file, error != NULL ? error : sqlite3_errmsg(db));
    if (good) {
        peer_script_confine(db, stopping);
    }
    good = good && step(db, o->file, "PRAGMA journal_mode=DELETE; BEGIN IMMEDIATE", f) &&
           (script == NULL || peer_script_run(db, path, script, f)) && step(db, o->file, "COMMIT", f);
    sqlite3_free(error);
    if (sqlite3_close(db) != SQLITE_OK && good) {
        good = peer_fail(f, PEER_EXIT_ERROR, "%s: a statement is still open", o->file);
    }
    free(script);
    return good;
}

bool peer_founding_make(const peer_options *o, atomic_bool *stopping, peer_failure *f)
{
    if (!o->create || access(o->file, F_OK) == 0) {
        return true;
    }
    char *unfinished = peer_format("%s" UNFINISHED, o->file), *witness = peer_format("%s-sync", unfinished);
    (void)unlink(unfinished); /* left by a process that was killed */
    bool good = fill(o, unfinished, stopping, f);
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
