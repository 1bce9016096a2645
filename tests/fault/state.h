/* A file's whole content as text, and the file put back as it was. */
#ifndef STATE_H
#define STATE_H

#include <sqlite3.h>
#include <stdbool.h>

/* Schema and rows of all tables, ours included, in an order that does not depend on how they lie; sqlite3_malloc'd. NULL: an error, in *why. */
char *state_dump(sqlite3 *db, const char **why);

/* Equal; without `ours`, but for our metadata. */
bool state_same(const char *a, const char *b, bool ours);

/* The first line in which two texts differ, of each; up to `bytes` of it. */
void state_difference(const char *a, const char *b, char *to, int bytes);

/* a.db and its witness as they are now are what state_restore puts back. */
void state_keep(void);
void state_restore(void);

#endif
