/* The statements of the BEFORE triggers: INSERT and UPDATE OR REPLACE may displace rows through a UNIQUE index, and SQLite fires no delete
** trigger for them. So each row that could go is noted first. */
#ifndef SYNC_HINTS_H
#define SYNC_HINTS_H

#include "engine.h"

/* Milliseconds since 1970, in a trigger: julianday() is the same throughout a statement, and | makes it an integer. */
#define SYNC_AT_SQL "julianday() * 86400000 - 210866759999999.5 | 0"

/* One INSERT for each UNIQUE index; `*text` belongs to the caller (sqlite3_free). */
int sync_hints_text(sync_db *s, const sync_table *t, bool update, char **text, sync_error *error);

/* Sets t->unseen (see there) and t->untriggered: a trigger of ours is gone, or lacks such a statement, because an index has come or changed since it was made; and
** t->user_triggers: there are others. */
int sync_hints_look(sync_db *s, sync_table *t, sync_error *error);

#endif
