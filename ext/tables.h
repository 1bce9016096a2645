/* The virtual tables sync_changes, sync_status and sync_renumbered: registration, and what they share. */
#ifndef SYNC_TABLES_H
#define SYNC_TABLES_H

#include "operation.h"

/* Registers them on the connection. SQLITE_OK or SQLite's error. */
int sync_tables_register(sync_db *s);

/* Opens a snapshot to look at, with the tail folded into the overlay. Nothing leaves the file, so that this works wherever it can: inside a
** transaction that has written, on read-only connections, in a copy that could not take a new site id yet. A file that is not tracked
** gives s->has_meta false and no error. On success sync_operation_end must follow. */
int sync_tables_look(sync_db *s, sync_operation *o, sync_error *error);

/* Hands an error to SQLite: returns the code for a method of the virtual table, the message is set. */
int sync_tables_fail(sqlite3_vtab *vtab, const sync_error *error);

#endif
