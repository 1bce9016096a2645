/* What the functions for programs that link the engine share. */
#ifndef SYNC_STREAM_INTERNAL_H
#define SYNC_STREAM_INTERNAL_H

#include "engine.h"

/* The engine of a connection on which sqlite3_syncext_init() was called. */
int sync_stream_engine(sqlite3 *db, sync_db **s, sync_error *error);

/* Its text, sqlite3_malloc'd; NULL: no memory. */
char *sync_stream_text(const sync_error *error);

#endif
