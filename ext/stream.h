/* The C interface of sync_ext.h, inside. */
#ifndef SYNC_STREAM_H
#define SYNC_STREAM_H

#include "engine.h"
#include "sync_ext.h"

/* Type name of the pointer that the SQL function sync_engine() fills. */
#define SYNC_ENGINE_POINTER "sync_engine"

/* The engine of a connection: *s is NULL if sqlite3_syncext_init was not called on it, or after SQLITE_NOMEM. Returns a SQLite code. */
int sync_stream_engine(sqlite3 *db, sync_db **s);

#endif
