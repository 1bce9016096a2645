/* The newest state of every cell, row by row in the order of versions: what sync_changes shows. */
#ifndef SYNC_CELLS_H
#define SYNC_CELLS_H

#include "engine.h"

typedef struct sync_cells sync_cells;

typedef struct sync_cells_range {
    int64_t lo, hi;    /* versions, both inclusive */
    const char *table; /* only this one, by name, case folded; NULL: all */
    bool descending;   /* by version */
} sync_cells_range;

/* Starts reading inside an operation, after a virtual fold. What follows goes on after the operation has ended, as long as a statement of
** the caller holds the snapshot: nothing of `s` but its connection is used then, and of TEMP nothing at all. What this very connection
** writes meanwhile may or may not be seen. On success *out must be closed. */
int sync_cells_open(sync_db *s, const sync_cells_range *range, sync_cells **out, sync_error *error);
void sync_cells_close(sync_cells *c); /* NULL is fine */

/* The next cell: SYNC_ROW, SYNC_DONE, or an error. */
int sync_cells_next(sync_cells *c, sync_error *error);

/* Of the current cell; borrowed until the next one. */
typedef struct sync_cells_cell {
    int64_t id; /* the same for the same cell of a snapshot, whatever the range */
    int64_t version;
    const char *table;
    const char *column; /* NULL: the existence of the row, or its delete */
    uint64_t cl;
    bool deleted;
    bool inserted; /* the cell is as old as the row */
    sync_stamp stamp;
} sync_cells_cell;

sync_cells_cell sync_cells_now(const sync_cells *c);

/* The row's key as JSON text, *bytes long; NULL when out of memory. */
const char *sync_cells_key(sync_cells *c, size_t *bytes);

/* Gives the cell's value as the result of `context`. */
void sync_cells_value(const sync_cells *c, sqlite3_context *context);

/* The 16 bytes of the site of the cell's stamp. */
const uint8_t *sync_cells_site(const sync_cells *c);

#endif
