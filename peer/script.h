/* The scripts of a schema folder, which make a room's tables. Worker's thread only. */
#ifndef PEER_SCRIPT_H
#define PEER_SCRIPT_H

#include "database.h"

/* The text of a script, which the caller frees. NULL: there is none, it is no text, or it is larger than PEER_SCRIPT_BYTES_MAX; *f says which. */
char *peer_script_read(const char *path, peer_failure *f);

/* Runs every statement of a script that was read from `path`, until one fails: that is named by its line. */
bool peer_script_run(sqlite3 *db, const char *path, const char *script, peer_failure *f);

/* Before scripts are run on a database that is being made: they have that one alone, and end when *stopping is set. */
void peer_script_confine(sqlite3 *db, atomic_bool *stopping);

/* The script that a room goes by: its own, or the common one; NULL: there is none. Borrowed from o. Looks at the folder. */
const char *peer_script_path(const peer_options *o);

#endif
