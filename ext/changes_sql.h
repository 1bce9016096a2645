/* The statements that changes are read with. */
#ifndef SYNC_CHANGES_SQL_H
#define SYNC_CHANGES_SQL_H

#include "engine.h"

typedef enum sync_read {
    SYNC_READ_GENESIS, /* rows without a clock */
    SYNC_READ_ROWS,    /* identity row: all rows, those without a clock too, by number; not with an overlay */
    SYNC_READ_CLOCKS,  /* all shown clocks, by key; not with an overlay */
    SYNC_READ_HIDDEN_CLOCKS,  /* identity row: all hidden ones */
    SYNC_READ_ENTRIES,        /* shown clocks that journal entries ?1 .. ?2 name */
    SYNC_READ_HIDDEN_ENTRIES, /* identity row: hidden ones */
    SYNC_READ_CHOSEN          /* the rows that temp.sync_chosen_<tid> names, and that are shown */
} sync_read;

/* The table's statement for one way of reading. Columns: 0 the live journal entry, 1 the clock (NULL for genesis rows), 2 nothing, then the
** key as clock or journal have it, then the key as the base table has it (NULL if the row is not shown), then, unless the table is
** wide, its present columns in order of id. overlay: the clocks of a virtual fold stand before the file's. */
int sync_changes_stmt(sync_db *s, sync_table *t, sync_read read, bool overlay, sqlite3_stmt **stmt,
                      sync_error *error);

/* Too many columns for one result set with ours beside them: the values are read by sync_base_seek. */
bool sync_changes_wide(const sync_table *t);

#endif
