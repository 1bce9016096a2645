/* A tracked table that a change of schema drops and makes anew: its rows from before, and what became of them. */
#ifndef SYNC_REBUILD_H
#define SYNC_REBUILD_H

#include "engine.h"

/* Copies the rows of a table, but for those with a NULL in the key, to temp.sync_before_N: k1, k2, ..., and each column that is present under
** its id, c0, c1, ... */
int sync_rebuild_keep(sync_db *s, const sync_table *t, sync_error *error);

/* Journals the differences between these rows and those that the table has now: rows that are gone as deletes, that came as inserts, and of
** the others the columns that changed. `cids`: the columns that the copy has; a column that it lacks counts where it is not the default.
** (Write operation; the table's columns known, its triggers in place.) */
int sync_rebuild_compare(sync_db *s, const sync_table *t, const uint32_t *cids, uint32_t count,
                         sync_error *error);

int sync_rebuild_drop(sync_db *s, uint32_t tid, sync_error *error);

#endif
