/* How large the file of a room may become. SQLite itself refuses what would make it larger. Worker's thread only. */
#ifndef PEER_QUOTA_H
#define PEER_QUOTA_H

#include "database.h"

/* Bounds what the main connection, which is open, makes of the file to `bytes`; 0: nothing is bounded. A file that is larger already may not grow.
** False, with a failure: the file cannot be read. */
bool peer_quota_set(peer_database *d, int64_t bytes, peer_failure *f);

/* After SQLITE_FULL: was it this bound, and not the disk? */
bool peer_quota_reached(const peer_database *d);

#endif
