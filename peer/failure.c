/* What went wrong with a file, as exit codes and words. */
#include "database.h"
#include "sync_ext.h"

#include <stdarg.h>
#include <stdio.h>

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

/* A failed statement of the main connection, in words that say what to do where that is known. */
bool peer_database_fail(const peer_database *d, peer_failure *f, const char *what, int rc)
{
    const char *path = d->path;
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
        return peer_fail(f, peer_exit_of(rc), "%s: %s: %s", path, what,
                         d->db != NULL ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc));
    }
}
