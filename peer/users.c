#include "users.h"

#include "harden.h"
#include "message.h"

#include <stdlib.h>
#include <string.h>

sqlite3 *peer_users_open(const char *file, int flags, char **why)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(file, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, PEER_USERS_BUSY_MS);
        rc = peer_harden(db);
    }
    if (rc == SQLITE_OK) {
        return db;
    }
    *why = peer_format("%s: %s", file, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    sqlite3_close(db);
    return NULL;
}

/* A column, which has to be a text that fits. */
static bool take(sqlite3_stmt *stmt, int column, char *to, size_t bytes)
{
    const unsigned char *text =
        sqlite3_column_type(stmt, column) == SQLITE_TEXT ? sqlite3_column_text(stmt, column) : NULL;
    size_t length = text != NULL ? (size_t)sqlite3_column_bytes(stmt, column) : 0;
    if (text == NULL || length >= bytes || strlen((const char *)text) != length) {
        return false;
    }
    memcpy(to, text, length + 1);
    return true;
}

/* Byte for byte, however the column compares: failures are counted under the name as it was sent. */
static peer_users_found look(sqlite3 *db, const char *file, const char *table, const char *name,
                             peer_user *user, char **why)
{
    peer_users_found found = PEER_USERS_BROKEN;
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf(
        "SELECT password, room, rights FROM \"%w\" WHERE name = ?1 COLLATE BINARY AND typeof(name) = 'text'",
        table);
    int rc = sql != NULL ? sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc == SQLITE_DONE) {
        found = PEER_USERS_NOBODY;
    } else if (rc != SQLITE_ROW) {
        *why = peer_format("%s: %s", file, sqlite3_errmsg(db));
    } else if (take(stmt, 0, user->hash, sizeof user->hash) &&
               take(stmt, 1, user->rooms, sizeof user->rooms) &&
               take(stmt, 2, user->rights, sizeof user->rights)) {
        found = PEER_USERS_FOUND;
    } else {
        *why = peer_format(
            "%s: password, room or rights of a user in %s is no text, or too long; sync-peer user "
            "set writes them anew",
            file, table);
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return found;
}

peer_users_found peer_users_find(const char *file, const char *table, const char *name, peer_user *user,
                                 char **why)
{
    *user = (peer_user){.hash = ""};
    sqlite3 *db = peer_users_open(file, SQLITE_OPEN_READONLY, why);
    peer_users_found found = db != NULL ? look(db, file, table, name, user, why) : PEER_USERS_BROKEN;
    if (found != PEER_USERS_FOUND) {
        *user = (peer_user){.hash = ""};
    }
    sqlite3_close(db);
    return found;
}
