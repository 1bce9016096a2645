/* sync_status: one row per tracked table, for people and their tools. An eponymous virtual table. */
#ifndef SYNC_VTAB_STATUS_H
#define SYNC_VTAB_STATUS_H

#include "engine.h"

int sync_vtab_status_register(sync_db *s);

#endif
