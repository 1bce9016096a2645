/* sync_renumbered: rows that are shown under another number than the one they were inserted with. An eponymous virtual table. */
#ifndef SYNC_VTAB_RENUMBERED_H
#define SYNC_VTAB_RENUMBERED_H

#include "engine.h"

int sync_vtab_renumbered_register(sync_db *s);

#endif
