/* sync_changes: the newest state of every cell, by version. An eponymous virtual table. */
#ifndef SYNC_VTAB_CHANGES_H
#define SYNC_VTAB_CHANGES_H

#include "engine.h"

int sync_vtab_changes_register(sync_db *s);

#endif
