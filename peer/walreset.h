/* A bug of SQLite's log (WAL) that can damage a file: docs/LIMITS.md#sqlites-wal-reset-bug. Any thread. */
#ifndef PEER_WALRESET_H
#define PEER_WALRESET_H

#include <stdbool.h>

/* Does the SQLite library that is loaded have it, going by its version? Where somebody has patched an older one that cannot be known. */
bool peer_walreset_is_there(void);

#endif
