/* The table of users who may log in, in a SQLite file of its own:
**
**   CREATE TABLE peer_user(name TEXT PRIMARY KEY, password TEXT NOT NULL, room TEXT NOT NULL, rights TEXT NOT NULL)
**
** password: a hash of crypt(3), yescrypt. room: names with * for any number of characters, by commas. rights: read, write, admin, by commas. Another table with these
** columns does as well. Any thread, but not the network's: it waits for the disk, and for locks. */
#ifndef PEER_USERS_H
#define PEER_USERS_H

#include "password.h"
#include "peer_limits.h"

#include <sqlite3.h>
#include <stdbool.h>

#define PEER_USERS_TABLE "peer_user"

typedef struct peer_user {
    char hash[PEER_HASH_BYTES_MAX];
    char rooms[PEER_USER_ROOMS_BYTES_MAX + 1];
    char rights[PEER_USER_RIGHTS_BYTES_MAX + 1];
} peer_user;

typedef enum peer_users_found { PEER_USERS_FOUND, PEER_USERS_NOBODY, PEER_USERS_BROKEN } peer_users_found;

/* Opens such a file; `flags` are those of sqlite3_open_v2. NULL: *why, which the caller frees; else sqlite3_close is the caller's. */
sqlite3 *peer_users_open(const char *file, int flags, char **why);

/* Looks a user up. The user is zeroed unless found; BROKEN: the table cannot be read, or what is there of him does not fit: *why, which the caller frees. */
peer_users_found peer_users_find(const char *file, const char *table, const char *name, peer_user *user,
                                 char **why);

#endif
