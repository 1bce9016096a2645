/* A file's whole content as text, and the file put back as it was. */
#ifndef STATE_H
#define STATE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* Schema and rows of all tables, ours included, in an order that does not depend on how they lie; sqlite3_malloc'd. NULL: an error, in *why. */
char *state_dump(sqlite3 *db, const char **why);

/* Equal; without `ours`, but for our metadata. */
bool state_same(const char *a, const char *b, bool ours);

/* The first line in which two texts differ, of each; up to `bytes` of it. */
void state_difference(const char *a, const char *b, char *to, int bytes);

/* A digest of all that lies on the disk of a.db, and of what its readers know of its log: where it is the same, so is the content. */
uint64_t state_digest(void);

/* The dump of a state that was found good before; a copy, sqlite3_malloc'd. NULL: it was not seen yet. */
char *state_recall(uint64_t digest);
void state_remember(uint64_t digest, const char *dump);

/* a.db and its witness as they are now are what state_restore puts back. */
void state_keep(void);
void state_restore(void);

#endif
