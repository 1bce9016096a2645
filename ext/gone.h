/* Columns that are no longer in their base table: what becomes of the cells of rows. */
#ifndef SYNC_GONE_H
#define SYNC_GONE_H

#include "engine.h"

/* Where the values of a column are that goes. */
typedef enum sync_gone_from {
    SYNC_GONE_TABLE,  /* still in the base table */
    SYNC_GONE_BEFORE, /* in temp.sync_before_N (rebuild.h) under their ids: c0, c1, ... */
    SYNC_GONE_NOWHERE
} sync_gone_from;

/* Sets each cell of columns `cids` of rows that are shown apart from the base table: into the clock with its value, or, where there is
** none, away. Rows without a clock get one; nothing that other files have changes, nothing is sent. (Write operation with the journal
** folded to its end; only what is in the base table, and in sync_before_N if that is where values are.) What a foreign key means goes along: parents has
** what sync_gone_parent() said of each column while it was there; NULL: they are still. *lost: cells without a value. */
int sync_gone_cells(sync_db *s, sync_table *t, sync_gone_from from, const uint32_t *cids,
                    const uint32_t *parents, uint32_t count, int64_t *lost, sync_error *error);

/* The tid of the row table whose rows the column refers to by number; 0: none. */
uint32_t sync_gone_parent(const sync_db *s, const sync_table *t, uint32_t cid);

/* Has the schema of a table moved, so that the operation must do more than fold? */
bool sync_gone_stirs(const sync_table *t);

/* The part of sync_local() about columns that are SYNC_COLUMN_LOST or SYNC_COLUMN_LEFT: *any; their tables are `touched`. Of tables
** that lost values the other files are to be asked anew. */
int sync_gone_settle(sync_db *s, bool *touched, bool *any, sync_error *error);

#endif
