#include "clock.h"
#include "status.h"

#ifdef SYNC_SMALL_BLOCKS /* see arena.c */
#define CELLS_MIN 1
#else
#define CELLS_MIN 8
#endif

void sync_row_free(sync_row *row)
{
    sync_free(row->cells);
    sync_free(row->refs);
    *row = (sync_row){0};
}

void sync_row_reset(sync_row *row)
{
    *row = (sync_row){.cells = row->cells, .cap = row->cap, .refs = row->refs, .ref_cap = row->ref_cap};
}

int sync_row_room(sync_row *row, uint32_t count)
{
    if (count > row->cap) {
        uint32_t cap = row->cap * 2 < CELLS_MIN ? CELLS_MIN : row->cap * 2;
        cap = cap < count ? count : cap;
        sync_cell *cells = sync_realloc(row->cells, (size_t)cap * sizeof cells[0]);
        if (cells == NULL) {
            return SYNC_NOMEM;
        }
        row->cells = cells;
        row->cap = cap;
    }
    return SYNC_OK;
}

/* Index of the first cell whose column is not below `col`. */
static uint32_t lower_bound(const sync_row *row, uint32_t col)
{
    uint32_t low = 0;
    uint32_t high = row->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (row->cells[middle].col < col) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

sync_cell *sync_row_set(sync_row *row, uint32_t col, sync_stamp stamp)
{
    bool last = row->count == 0 || row->cells[row->count - 1].col < col;
    uint32_t at = last ? row->count : lower_bound(row, col);
    if (at == row->count || row->cells[at].col != col) {
        if (sync_row_room(row, row->count + 1) != SYNC_OK) {
            return NULL;
        }
        memmove(&row->cells[at + 1], &row->cells[at], (row->count - at) * sizeof row->cells[0]);
        row->count++;
    }
    row->cells[at] = (sync_cell){.col = col, .stamp = stamp};
    return &row->cells[at];
}

sync_cell *sync_row_find(const sync_row *row, uint32_t col)
{
    uint32_t at = lower_bound(row, col);
    return at < row->count && row->cells[at].col == col ? &row->cells[at] : NULL;
}

static int refs_room(sync_row *row, uint32_t count)
{
    if (count > row->ref_cap) {
        uint32_t cap = row->ref_cap * 2 < count ? count : row->ref_cap * 2;
        sync_ref *refs = sync_realloc(row->refs, (size_t)cap * sizeof refs[0]);
        if (refs == NULL) {
            return SYNC_NOMEM;
        }
        row->refs = refs;
        row->ref_cap = cap;
    }
    return SYNC_OK;
}

int sync_row_add_ref(sync_row *row, sync_ref ref)
{
    int rc = refs_room(row, row->ref_count + 1);
    if (rc == SYNC_OK) {
        row->refs[row->ref_count++] = ref;
    }
    return rc;
}

void sync_row_drop_ref(sync_row *row, uint32_t col)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < row->ref_count; i++) {
        if (row->refs[i].col != col) {
            row->refs[kept++] = row->refs[i];
        }
    }
    row->ref_count = kept;
}

int sync_row_copy(sync_row *to, const sync_row *from)
{
    sync_row_reset(to);
    if (sync_row_room(to, from->count) != SYNC_OK || refs_room(to, from->ref_count) != SYNC_OK) {
        return SYNC_NOMEM;
    }
    sync_row kept = *to;
    *to = *from;
    to->cells = kept.cells;
    to->cap = kept.cap;
    to->refs = kept.refs;
    to->ref_cap = kept.ref_cap;
    if (from->count > 0) {
        memcpy(to->cells, from->cells, from->count * sizeof to->cells[0]);
    }
    if (from->ref_count > 0) {
        memcpy(to->refs, from->refs, from->ref_count * sizeof to->refs[0]);
    }
    return SYNC_OK;
}
