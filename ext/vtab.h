/* What our eponymous virtual tables share. */
#ifndef SYNC_VTAB_H
#define SYNC_VTAB_H

#include "engine.h"

typedef struct sync_vtab {
    sqlite3_vtab base;
    sync_db *s;
} sync_vtab;

/* For xConnect: a table that no schema from elsewhere may use. */
int sync_vtab_connect(sqlite3 *db, sync_db *s, const char *declaration, sqlite3_vtab **out);
int sync_vtab_disconnect(sqlite3_vtab *vtab);

/* For xOpen: a zeroed cursor of `bytes` bytes, which begins with its sqlite3_vtab_cursor. sync_vtab_close suits one that owns nothing. */
int sync_vtab_open(size_t bytes, sqlite3_vtab_cursor **out);
int sync_vtab_close(sqlite3_vtab_cursor *cursor);

/* The engine that a table, or a cursor's table, belongs to. */
sync_db *sync_vtab_engine(sqlite3_vtab *vtab);

#endif
