/* Which file it is that a room has open, and whether its path still leads to it. Worker's thread only. */
#ifndef PEER_IDENTITY_H
#define PEER_IDENTITY_H

#include "database.h"

/* Sets d->path, which leads to a regular file and has no link in it, and what the file is told by. False, with a failure, where there is none that may
** be written; d->path may be set then, and is freed by peer_database_close. */
bool peer_identity_take(peer_database *d, const char *file, peer_failure *f);

/* Once the file has been read: its WAL and index, which stay these ones as long as we are connected. */
void peer_identity_journals(peer_database *d);

/* At the end: true if the path leads elsewhere by now. SQLite leaves WAL and index alone then; those of the file are moved into it and removed, another
** file's are not touched. */
bool peer_identity_left(peer_database *d);

#endif
