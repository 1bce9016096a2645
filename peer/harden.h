/* What SQLite may do with a file that a stranger has made: its schema is program text, which runs when rows are merged. Worker's thread only. */
#ifndef PEER_HARDEN_H
#define PEER_HARDEN_H

#include "peer_limits.h"

#include <sqlite3.h>
#include <stdint.h>

/* A statement that was running when the progress handler was last called, on which run of it, and since when. */
typedef struct peer_guarded {
    sqlite3_stmt *stmt;
    int run;
    int64_t since_us; /* processor time of the thread */
} peer_guarded;

/* The bound on what a statement of one connection takes. */
typedef struct peer_guard {
    sqlite3 *db;
    int64_t statement_us; /* processor time that one run of a statement that writes may take */
    char over[80];        /* the beginning of the statement that took longer; empty: none has */
    peer_guarded running[PEER_GUARD_STATEMENTS];
} peer_guard;

/* For every connection, behind sqlite3_open: defensive, no extensions, an untrusted schema, pages checked as they are read, and SQLite's limits. A
** SQLite code. */
int peer_harden(sqlite3 *db);

/* For the connection that fires the file's triggers, when the file can be read, and again when its schema has changed: where the file has virtual
** tables, triggers may use them (older versions of SQLite, 3.40 among them, take FTS and R-tree for unsafe where the schema is untrusted). A SQLite
** code: then they may not. */
int peer_harden_trust(sqlite3 *db);

/* For the connection that merges: the same, and for a stranger's file an authorizer that bounds what triggers and views do, shorter patterns of LIKE,
** and an end, by SQLITE_INTERRUPT, for statements that write and take longer than `statement_s` of processor time; 0: it is the user's own file. `g` must
** outlive db. A SQLite code. */
int peer_harden_writer(peer_guard *g, sqlite3 *db, int64_t statement_s);

#endif
