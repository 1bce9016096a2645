/* Stamps, row states and the packed row clock (docs/FORMAT.md, "Row clock"). Pure. */
#ifndef SYNC_CLOCK_H
#define SYNC_CLOCK_H

#include "value.h"

#define SYNC_SITE_BYTES 16

/* Site ids of one file, indexed by its small local number; 0 is nobody. Borrowed. */
typedef struct sync_sites {
    uint32_t count; /* valid indexes are 0 .. count-1 */
    const uint8_t (*id)[SYNC_SITE_BYTES];
} sync_sites;

/* When and by whom. hlc: 48 bits of milliseconds since 1970, 16 bits of counter. `written` is 0 for a genesis
** stamp, which so
** sorts below every write, and 1 otherwise. All zero: no stamp at all ("unset"), below everything. */
typedef struct sync_stamp {
    uint64_t hlc;
    uint32_t site;
    uint32_t written;
} sync_stamp;

#define SYNC_STAMP_NONE ((sync_stamp){0, 0, 0})

/* <0, 0, >0: by written, then hlc, then the 16 site bytes. */
int sync_stamp_compare(const sync_sites *sites, sync_stamp a, sync_stamp b);
bool sync_stamp_is_none(sync_stamp a);
bool sync_stamp_equal(sync_stamp a, sync_stamp b);

/* The next stamp of this file for something that happened at `at_ms`: above `last`, not above `now_ms` by
 * more than that needs. */
uint64_t sync_hlc_next(uint64_t last, int64_t at_ms, int64_t now_ms);

typedef enum sync_identity { SYNC_BY_KEY = 0, SYNC_BY_ROW = 1 } sync_identity;

/* One cell of a row state. `carried`: `value` holds it; otherwise the value is in the base table. */
typedef struct sync_cell {
    uint32_t col; /* stable column id of the table */
    bool carried;
    bool fresh; /* set by sync_row_merge on cells that came from the other side */
    sync_stamp stamp;
    sync_value value;
} sync_cell;

/* What a foreign-key cell means: the row of the parent table born at `born` under `number`. Only where that
** is not implied
** (a genesis parent shown under its own number). */
typedef struct sync_ref {
    uint32_t col;   /* column id, or SYNC_REF_KEY + index for a key part */
    int64_t number; /* the parent's number at birth */
    sync_stamp born;
} sync_ref;
#define SYNC_REF_KEY 0x80000000u

/* State of one row: everything a file knows of one incarnation, or the part of it that travels.
** Zero-initialise before first use; sync_row_free at the end. Values are borrowed. */
typedef struct sync_row {
    uint64_t cl;      /* causal length: odd alive, even dead; identity row: 1 or 2 */
    sync_stamp born;  /* identity row: the insert's stamp, none for a genesis row; identity key: none */
    sync_stamp stamp; /* alive: the existence cell (none: not carried); dead: the delete */
    sync_stamp
        origin; /* identity key, alive, and kept where its delete may have been forgotten: its existence's stamp before that; otherwise none */
    bool held;  /* alive, but not in the base table: every cell is carried */
    bool moved; /* identity row: its number is not, or not simply, that at birth: these three count */
    int64_t birth;    /* the number at birth, by which it is known */
    int64_t number;   /* the number cell's value */
    sync_stamp since; /* its claim's seniority */
    uint32_t
        count; /* cells, ascending by col; a column that is absent is unset (or not carried by a delta) */
    uint32_t cap;
    sync_cell *cells;
    uint32_t ref_count;
    uint32_t ref_cap;
    sync_ref *refs;
} sync_row;

static inline bool sync_row_alive(const sync_row *row)
{
    return (row->cl & 1) != 0;
}

/* A held row's clock lies under its number at birth and holds the other; that of a shown or dead one lies under the number that it shows, or showed, and
** holds the one at birth. The number under which the clock lay completes what was unpacked. */
static inline void sync_row_lies(sync_row *row, int64_t number)
{
    *(row->held ? &row->birth : &row->number) = number;
}

void sync_row_free(sync_row *row);
void sync_row_reset(sync_row *row); /* empty, memory kept */

/* Adds or replaces a cell, keeping the order; appending in order is O(1). NULL when out of memory. */
sync_cell *sync_row_set(sync_row *row, uint32_t col, sync_stamp stamp);
sync_cell *sync_row_find(const sync_row *row, uint32_t col); /* NULL if absent */
int sync_row_add_ref(sync_row *row, sync_ref ref);           /* SYNC_OK or SYNC_NOMEM */
void sync_row_drop_ref(sync_row *row, uint32_t col);
int sync_row_copy(sync_row *to,
                  const sync_row *from); /* values stay borrowed; SYNC_NOMEM leaves `to` reset */

/* A stamp, or none, near another one: varint 0 for none, else 1 + (site << 1 | written), then the zigzag
** difference of hlc to `near`. Get checks the site against `sites_max`, and that what is not none has a time. */
void sync_stamp_put(sync_buf *buf, sync_stamp stamp, uint64_t near);
sync_stamp sync_stamp_get(sync_span *span, uint64_t near, uint32_t sites_max);

/* What a row that is read may name: numbers of sites, columns and key parts are below these. */
typedef struct sync_bounds {
    uint32_t sites;
    uint32_t cols;
    uint32_t keys;
} sync_bounds;

/* The (number, since) cell and the references, as clocks and changesets share them; a clock may have the number at birth in its place, see
** sync_row_lies. Get appends the references to `row`. SYNC_OK or SYNC_NOMEM; bad input sets span->bad. */
void sync_moved_put(sync_buf *buf, const sync_row *row, int64_t number);
void sync_moved_get(sync_span *span, sync_row *row, uint32_t sites_max, int64_t *number);
void sync_refs_put(sync_buf *buf, const sync_row *row);
int sync_refs_get(sync_span *span, sync_row *row, const sync_bounds *bounds);

/* Makes room for `count` cells in all. SYNC_OK or SYNC_NOMEM (then nothing changed). */
int sync_row_room(sync_row *row, uint32_t count);

/* Packs a state as the clock of a table whose genesis hlc is `epoch`. Cells that are `carried` keep their
** value in the clock
** (a held row, a pending column, a refused cell). Appends to buf. */
void sync_clock_put(sync_buf *buf, const sync_row *row, sync_identity identity, uint64_t epoch);

/* The same for the commonest state, a row just inserted: existence and columns 0..covers-1 at `stamp`. */
void sync_clock_put_insert(sync_buf *buf, sync_stamp stamp, uint32_t covers, uint64_t epoch);

/* The reverse: the stamp and the columns of a clock that says just that of a live row. False for any other clock, damaged ones included. */
bool sync_clock_get_insert(const void *blob, size_t bytes, uint64_t epoch, uint32_t sites_max,
                           sync_stamp *stamp, uint32_t *covers);

/* Unpacks into `row` (reset first, values borrowed from the blob). A number out of bounds is corrupt.
** Returns SYNC_OK, SYNC_CORRUPT or SYNC_NOMEM; after an error `row` is reset. Every byte is treated as
** hostile. */
int sync_clock_get(sync_row *row, const void *blob, size_t bytes, sync_identity identity, uint64_t epoch,
                   const sync_bounds *bounds);

#endif
