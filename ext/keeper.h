/* A virtual table for what SQLite tells only virtual tables: that the connection closes, and what becomes of a transaction. Statements kept
** between calls would make sqlite3_close() fail; half a thing that could not be rolled back must not be committed. */
#ifndef SYNC_KEEPER_H
#define SYNC_KEEPER_H

#include "engine.h"

#define SYNC_SPOILED_TEXT                                                                                    \
    "memory ran out in the middle of an operation: this transaction can only be rolled back"

/* Registers the module whose only instance lets go of all kept statements when the connection closes. SQLITE_OK or an error. */
int sync_keeper_register(sync_db *s);

/* Makes that instance exist; called before the first statement is kept. */
int sync_keeper_watch(sync_db *s, sync_error *error);

/* Makes it take part in the open transaction: from now on s->depth is right, and while s->left says WRITING or INSIDE the transaction cannot be
** committed, nor gone on with by statements that could fail. s->left is cleared as soon as the host has rolled back far enough. */
int sync_keeper_join(sync_db *s, sync_error *error);

/* Refuses a connection without a rollback journal, where SQLite takes nothing back and says nothing of it. */
int sync_keeper_check(sync_db *s, sync_error *error);

#endif
