/* SQLite as the extension sees it: through the host's function table when loaded, directly when linked (SQLITE_CORE). */
#ifndef SYNC_SQLITE_H
#define SYNC_SQLITE_H

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

#endif
