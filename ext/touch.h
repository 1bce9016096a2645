/* Rows that were changed behind the triggers' back. */
#ifndef SYNC_TOUCH_H
#define SYNC_TOUCH_H

#include "engine.h"

/* Journals a row as it is now, as a new local write: all its cells if it is there, a delete if it is not. key: the value of a single key
** column, or a JSON array for a composite key. Inside a writing operation. */
int sync_touch(sync_db *s, const char *table, sqlite3_value *key, sync_error *error);

#endif
