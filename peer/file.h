/* One file as a command works on it: a connection with the engine in it, nothing changed by opening it, SQLite's errors as exit codes. Unlike a room's
** database it need not be writable, keeps its journal mode, and adopts no tables. One thread. */
#ifndef PEER_FILE_H
#define PEER_FILE_H

#include "database.h"
#include "value.h"

typedef struct peer_file {
    const char *name; /* as it was given; borrowed */
    char *path;       /* absolute, no symbolic link */
    sqlite3 *db;
    dev_t device;
    ino_t inode;
} peer_file;

/* Opens a file that exists and tracks tables. What must be written before anything may be told of it is written: a copy takes its new id, a journal
** tail that is very long is folded. On failure false, *f says why, and nothing is open. `name` must outlive the file. A signal (see stop.h) ends
** whatever runs on the connection. */
bool peer_file_open(peer_file *file, const char *name, peer_failure *f);

/* NULL-safe for what peer_file_open left empty. */
void peer_file_close(peer_file *file);

/* Does its path still lead to it? False, with a failure: it was replaced, moved or deleted. */
bool peer_file_same(const peer_file *file, peer_failure *f);

/* What `rc` of a statement on the file means. Returns false. `what`: what was done, for people. */
bool peer_file_fail(const peer_file *file, peer_failure *f, const char *what, int rc);

/* Prepares a statement, whose text is SQLite's own printf format; NULL, with a failure. The caller finalizes it. */
sqlite3_stmt *peer_file_prepare(const peer_file *file, peer_failure *f, const char *format, ...);

/* Steps: SQLITE_ROW or SQLITE_DONE; anything else is an error, with a failure. */
int peer_file_step(const peer_file *file, sqlite3_stmt *stmt, peer_failure *f);

/* Runs statements that give nothing. */
bool peer_file_run(const peer_file *file, const char *sql, peer_failure *f);

/* The integer that a query of one row gives; 0 where it gives none. */
bool peer_file_ask(const peer_file *file, const char *sql, int64_t *value, peer_failure *f);

/* A column of the row that a statement stands on, text as UTF-8; borrowed until the statement goes on. False: out of memory. */
bool peer_column_value(sqlite3_stmt *stmt, int column, sync_value *value);

#endif
