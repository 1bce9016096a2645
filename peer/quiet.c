/* What is written to a file in quiet moments, when nobody else wants to. */
#include "database.h"
#include "sync_ext.h"

int peer_database_fold(peer_database *d, bool *more)
{
    int64_t entries = 0;
    char *error = NULL;
    peer_database_wait(d, false);
    int rc = sync_fold_some(d->db, PEER_FOLD_ENTRIES, &entries, &error);
    peer_database_wait(d, true);
    sqlite3_free(error);
    *more = rc == SQLITE_OK && entries >= PEER_FOLD_ENTRIES;
    return rc;
}

int peer_database_heard(peer_database *d, const void *seen, size_t bytes)
{
    sqlite3_stmt *stmt = NULL;
    peer_database_wait(d, false);
    int rc = sqlite3_prepare_v2(d->db, "SELECT sync_heard(?1)", -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_blob64(stmt, 1, seen, bytes, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    sqlite3_finalize(stmt);
    peer_database_wait(d, true);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}
