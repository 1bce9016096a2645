/* Tables and keys that a program renamed: SQLite has taken our triggers along, so they tell what became of them. */
#ifndef SYNC_FOLLOW_H
#define SYNC_FOLLOW_H

#include "schema.h"

/* Where do the triggers of a table hang that is not there as it was tracked, or that has none? Sets t->moved_to: the table is there under
** that name, which is its own where only columns of the key were renamed. Sets t->missing where its triggers hang on another table although
** one of its name is there: who of both it is, nobody knows. `base`: what has its name. Called when the table is loaded. */
int sync_follow_look(sync_db *s, sync_table *t, const sync_base_table *base, sync_error *error);

/* Writes down what tables are called now, and reloads the metadata if any has moved (write operation): only then is it known what else became of
** them. The rows that others have under a new name need not be those that they had under the old one: all of them are asked for again. */
int sync_follow_all(sync_db *s, sync_error *error);

#endif
