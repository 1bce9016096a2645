/* One database file as a room's worker uses it: connections hardened and with the engine in them, SQLite's errors as exit
** codes, and the question whether the path still leads to the same file. Used on the worker's thread only. */
#ifndef PEER_DATABASE_H
#define PEER_DATABASE_H

#include "exits.h"
#include "harden.h"
#include "options.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What went wrong, for the last line of the process. Empty: code 0. */
typedef struct peer_failure {
    int code; /* peer_exit */
    char text[512];
} peer_failure;

/* Sets it unless it is set, and returns false. */
bool peer_fail(peer_failure *f, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

typedef struct peer_reader {
    sqlite3 *db;
    sqlite3_stmt *seen;
    bool used;
} peer_reader;

typedef struct peer_database {
    char *path;  /* absolute, no symbolic link */
    sqlite3 *db; /* merges, folds, asks */
    sqlite3_stmt *data_version;
    sqlite3_stmt *schema_version;
    sqlite3_stmt *tracks;                      /* whether it has our metadata */
    peer_reader readers[PEER_READERS_MAX + 1]; /* opened when first needed; the last one is not for streams */
    dev_t device;
    ino_t inode;
    bool filled;           /* it was not empty at some time */
    ino_t wal_inode;       /* of the WAL file; 0: none */
    ino_t shm_inode;       /* of its index */
    unsigned waits;        /* for a lock, of all connections together */
    int wal_pages_done;    /* of those below, moved into the file */
    int wal_pages;         /* after the last commit of ours */
    int64_t checkpoint_ms; /* none before this: one was not completed */
    int64_t bytes_max;     /* of the file; 0: any */
    peer_guard guard;      /* of db; see harden.h */
    atomic_bool *stopping; /* busy handlers give up when it is set; borrowed */
} peer_database;

/* Opens the file (which must exist), checks that it can be written, adopts tables as --track says, and switches it to WAL unless told not
** to. On failure false, with nothing open. `o` is not kept. */
bool peer_database_open(peer_database *d, const peer_options *o, atomic_bool *stopping, peer_failure *f);

/* Makes an empty file and opens it; there must be none, or one without a byte. */
bool peer_database_create(peer_database *d, const peer_options *o, atomic_bool *stopping, peer_failure *f);

/* Opens a file that has just been made and tracks what it is to track. */
bool peer_database_adopted(peer_database *d, const peer_options *o, atomic_bool *stopping, peer_failure *f);

/* Closes everything. If the path leads to another file by now, that one is not touched. */
void peer_database_close(peer_database *d);

/* Adopts tables as --track says. */
bool peer_database_track(peer_database *d, peer_track track, const char *list, peer_failure *f);

/* A reader for a stream, or NULL: all are in use, or it could not be opened (*f says so). */
peer_reader *peer_database_reader(peer_database *d, peer_failure *f);
void peer_database_return(peer_reader *reader);

/* A connection beside db that has no statement open between two calls of this interface, or NULL: it could not be opened. The database's. */
sqlite3 *peer_database_spare(peer_database *d);

/* Does db wait for locks, or fail at once? When it is opened it waits. */
void peer_database_wait(peer_database *d, bool wait);

/* False, with a failure, if the path no longer leads to the file that was opened, it was emptied, or its WAL is gone. */
bool peer_database_same(peer_database *d, peer_failure *f);

/* PRAGMA data_version and schema_version; -1 on error. */
int64_t peer_database_data_version(peer_database *d);
int64_t peer_database_schema_version(peer_database *d);

/* This file's id: 16 bytes, zeros if it tracks nothing. */
bool peer_database_site(peer_database *d, uint8_t site[16], peer_failure *f);

/* sync_seen(); sqlite3_malloc'd, NULL if the file tracks nothing. */
bool peer_database_seen(peer_database *d, void **seen, size_t *bytes, peer_failure *f);

/* Folds some of the journal for real; waits for no lock. SQLITE_OK, or a code; *more: call again. */
int peer_database_fold(peer_database *d, bool *more);

/* Notes what another file holds, for compaction; waits for no lock. SQLITE_OK, or a code: then it is not noted. */
int peer_database_heard(peer_database *d, const void *seen, size_t bytes);

/* From now on it is known how long the WAL is after commits of ours. */
void peer_database_count_wal(peer_database *d);

/* Moves the WAL into the file as far as nobody is disturbed, if that is worth it by now. */
void peer_database_checkpoint(peer_database *d);

/* The same at the end, of a file that is no more at its path, however little there is. Nothing is read any more. */
void peer_checkpoint_last(peer_database *d);

/* A failed statement of the main connection, in words that say what to do where that is known. Returns false. */
bool peer_database_fail(const peer_database *d, peer_failure *f, const char *what, int rc);

/* The same of any connection to the file; NULL: there is none. */
bool peer_connection_fail(const peer_database *d, sqlite3 *db, peer_failure *f, const char *what, int rc);

/* The same where it called one of the engine's functions or tables. SQL errors carry no code of sync_ext.h, nor that of damage: the C
** interface is asked. `db` may be another connection than that of `d`, of which nothing but the path is used. */
bool peer_engine_fail(const peer_database *d, sqlite3 *db, peer_failure *f, const char *what, int rc);

/* Opens a connection to a file that exists, whose path has no symbolic link at its end, hardened, with the engine in it. `busy` and `context`: its busy handler. A SQLite code; *db is to be
** closed in any case; *error, where that knows more than *db, is sqlite3_malloc'd. */
int peer_connection_open(const char *path, int (*busy)(void *, int), void *context, sqlite3 **db,
                         char **error);

/* Has any table of the file been adopted? An error counts as no. */
bool peer_connection_tracks(sqlite3 *db);

/* The exit code that a SQLite result (or one of sync_ext.h) deserves. */
int peer_exit_of(int rc);

#endif
