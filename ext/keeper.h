/* Statements kept between calls would make sqlite3_close() fail. */
#ifndef SYNC_KEEPER_H
#define SYNC_KEEPER_H

#include "engine.h"

/* Registers the module whose only instance lets go of all kept statements when the connection closes. SQLITE_OK or an error. */
int sync_keeper_register(sync_db *s);

/* Makes that instance exist; called before the first statement is kept. */
int sync_keeper_watch(sync_db *s, sync_error *error);

#endif
