/* What went wrong with a file, as exit codes and words. */
#include "beneath.h"
#include "database.h"
#include "log.h"
#include "message.h"
#include "quota.h"
#include "sync_ext.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool peer_fail(peer_failure *f, int code, const char *format, ...)
{
    if (f->code == PEER_EXIT_OK) {
        va_list arguments;
        f->code = code;
        va_start(arguments, format);
        vsnprintf(f->text, sizeof f->text, format, arguments);
        va_end(arguments);
    }
    return false;
}

int peer_exit_of(int rc)
{
    switch (rc) {
    case SYNC_EXT_FORMAT:
        return PEER_EXIT_VERSION;
    case SYNC_EXT_SCHEMA:
        return PEER_EXIT_SCHEMA;
    default:
        break;
    }
    switch (rc & 0xff) {
    case SQLITE_OK:
        return PEER_EXIT_OK;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return PEER_EXIT_NOTADB;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return PEER_EXIT_READONLY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return PEER_EXIT_BUSY;
    case SQLITE_FULL:
        return PEER_EXIT_FULL;
    case SQLITE_CANTOPEN:
        return PEER_EXIT_MISSING;
    default:
        return PEER_EXIT_ERROR;
    }
}

/* What the system said to SQLite when that failed; 0: not known. SQLite forgets it where it takes something back, but its files do not. */
static int system_error(sqlite3 *db)
{
    int error = sqlite3_system_errno(db);
    sqlite3_file *journal = NULL;
    if (error == 0) {
        sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
    }
    if (error == 0 && sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &journal) == SQLITE_OK &&
        journal != NULL && journal->pMethods != NULL) {
        journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &error);
    }
    return error;
}

/* Trouble that SQLite has one word for, and the system several. False: it is none of those. */
static bool fail_by_system(const char *path, sqlite3 *db, peer_failure *f, int rc)
{
    int error = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN ? system_error(db) : 0;
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        peer_fail(f, PEER_EXIT_FULL, "the disk of %s is full; make room and start again, nothing is lost",
                  path);
        return true;
    case EFBIG:
        peer_fail(
            f, PEER_EXIT_FULL,
            "%s, or a file beside it, may not grow any more; allow this process larger files (ulimit -f)"
            " and start again, nothing is lost",
            path);
        return true;
    case EMFILE:
    case ENFILE:
        peer_fail(f, PEER_EXIT_ERROR, "%s cannot be opened: %s%s", path, strerror(error), peer_remedy(error));
        return true;
    default:
        return false;
    }
}

/* Has the file all of these tables? An error counts as no. */
static bool has_tables(sqlite3 *db, const char *list, int count)
{
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf(
        "SELECT count(*) = %d FROM main.sqlite_schema WHERE type = 'table' AND name IN (%s)", count, list);
    bool all = sql != NULL && sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
               sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 1;
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return all;
}

bool peer_connection_tracks(sqlite3 *db)
{
    return has_tables(db, "'sync_meta'", 1);
}

/* Does a tracked file lack tables of its metadata? */
static bool lacks_metadata(sqlite3 *db)
{
    return peer_connection_tracks(db) &&
           !has_tables(db, "'sync_meta', 'sync_site', 'sync_table', 'sync_column', 'sync_journal'", 5);
}

bool peer_engine_fail(const peer_database *d, sqlite3 *db, peer_failure *f, const char *what, int rc)
{
    if ((rc & 0xff) != SQLITE_ERROR) {
        return peer_connection_fail(d, db, f, what, rc);
    }
    char *text = peer_strdup(sqlite3_errmsg(db));
    int why = sync_failed_with(db);
    int code = (why & 0xff) == SQLITE_CORRUPT || lacks_metadata(db) ? PEER_EXIT_NOTADB
               : why == SYNC_EXT_FORMAT                             ? PEER_EXIT_VERSION
                                                                    : PEER_EXIT_SCHEMA;
    if (code == PEER_EXIT_NOTADB) {
        peer_fail(f, code,
                  "%s is damaged (%s); PRAGMA integrity_check says whether it is the file, or what sync_ext "
                  "keeps in it",
                  d->path, text);
    } else {
        peer_fail(f, code, "%s: %s", d->path, text);
    }
    free(text);
    return false;
}

bool peer_database_fail(const peer_database *d, peer_failure *f, const char *what, int rc)
{
    return peer_connection_fail(d, d->db, f, what, rc);
}

bool peer_connection_fail(const peer_database *d, sqlite3 *db, peer_failure *f, const char *what, int rc)
{
    const char *refused = (rc & 0xff) == SQLITE_CANTOPEN ? peer_beneath_refused() : NULL;
    if (refused != NULL) {
        return peer_fail(f, PEER_EXIT_NOTADB, "%s", refused);
    }
    const char *path = d->path, *why = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    if (db != NULL && fail_by_system(path, db, f, rc)) {
        return false;
    }
    if ((rc & 0xff) == SQLITE_INTERRUPT && d->guard.over[0] != 0) {
        return peer_fail(f, PEER_EXIT_ERROR,
                         "%s: a statement took more than %lld s of processor time and was ended "
                         "(statementSeconds of limits);"
                         " a trigger of the file may be without an end: %s ...",
                         path, (long long)d->guard.statement_us / 1000000, d->guard.over);
    }
    if (peer_exit_of(rc) == PEER_EXIT_FULL && peer_quota_reached(d)) {
        return peer_fail(f, PEER_EXIT_FULL, "%s may not grow beyond %lld bytes (maxBytes of limits)", path,
                         (long long)d->bytes_max);
    }
    switch (peer_exit_of(rc)) {
    case PEER_EXIT_NOTADB:
        return peer_fail(f, PEER_EXIT_NOTADB,
                         (rc & 0xff) == SQLITE_NOTADB ? "%s is not a SQLite database"
                                                      : "%s is damaged, or was overwritten while it was in "
                                                        "use; see what PRAGMA integrity_check says",
                         path);
    case PEER_EXIT_READONLY:
        return peer_fail(f, PEER_EXIT_READONLY,
                         "%s cannot be written; give this user the right to write it and its directory",
                         path);
    case PEER_EXIT_BUSY:
        return peer_fail(f, PEER_EXIT_BUSY,
                         "%s is locked by another program; end its transaction and try again", path);
    case PEER_EXIT_FULL:
        return peer_fail(f, PEER_EXIT_FULL,
                         "the disk of %s is full; make room and start again, nothing is lost", path);
    default:
        return strcmp(what, why) == 0 ? peer_fail(f, peer_exit_of(rc), "%s: %s", path, why)
                                      : peer_fail(f, peer_exit_of(rc), "%s: %s: %s", path, what, why);
    }
}
