#include "codec_internal.h"

#include <zstd.h>
#include <zstd_errors.h>

/* Room for decompressed bytes: what zstd likes to give out at once. Grows for larger rows only. */
#define CHUNK_BYTES ((size_t)128 << 10)

/* A frame's descriptor follows its magic number, and has a bit that promises a checksum. */
#define FRAME_DESCRIPTOR_AT 4
#define FRAME_CHECKSUM_BIT  0x04

struct sync_decoder {
    ZSTD_DCtx *zstd;
    ZSTD_inBuffer in;
    bool ended;    /* the frame is complete, its checksum was right */
    uint8_t *data; /* decompressed; data[at..len) is not yet decoded */
    size_t at;
    size_t len;
    size_t cap;
    size_t value_max; /* bytes of one value */
    size_t item_max;  /* bytes of one item */
    uint64_t all_max; /* bytes of all together */
    uint64_t all;     /* ... that have come out */
    sync_head_kind kind;
    sync_head head;
    sync_row row;
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_closing closing;
    int status;     /* SYNC_OK; SYNC_DONE or an error once and for all */
    uint32_t table; /* of the rows that follow; table_count: none yet */
    bool last;      /* the closing was there */
    uint64_t hlc;   /* of the last row's stamp */
    uint32_t site;
    uint64_t rows;
};

static int fail(int code, const char *text, sync_error *error)
{
    return sync_fail(error, code, "changeset: %s", text);
}

static int fail_zstd(size_t result, sync_error *error)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return fail(SYNC_NOMEM, "out of memory", error);
    case ZSTD_error_frameParameter_windowTooLarge:
        return fail(SYNC_TOOBIG, "the compression window is too large", error);
    default:
        return fail(SYNC_CORRUPT, ZSTD_getErrorName(result), error);
    }
}

/* Makes the buffer larger, towards `target` bytes but never to more than twice what has arrived. */
static int grow(sync_decoder *d, size_t target, sync_error *error)
{
    size_t cap = d->cap * 2;
    if (cap < CHUNK_BYTES) {
        cap = CHUNK_BYTES;
    } else if (cap > target && target > d->cap) {
        cap = target;
    }
    uint8_t *data = sync_realloc(d->data, cap);
    if (data == NULL) {
        return fail(SYNC_NOMEM, "out of memory", error);
    }
    d->data = data;
    d->cap = cap;
    return SYNC_OK;
}

/* A buffer that a large row left behind is given back once a small one does. */
static void shrink(sync_decoder *d, size_t target)
{
    if (d->cap > 4 * CHUNK_BYTES && target <= CHUNK_BYTES && d->len <= CHUNK_BYTES) {
        uint8_t *data = sync_realloc(d->data, CHUNK_BYTES);
        if (data != NULL) {
            d->data = data;
            d->cap = CHUNK_BYTES;
        }
    }
}

/* What may stand behind the frame: see SYNC_ITEM_RATIO. */
static bool is_padding(const uint8_t *at, size_t bytes)
{
    return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

/* Decompresses into what room there is. */
static int decompress(sync_decoder *d, sync_error *error)
{
    ZSTD_outBuffer out = {d->data, d->cap, d->len};
    size_t left = ZSTD_decompressStream(d->zstd, &out, &d->in);
    if (ZSTD_isError(left)) {
        return fail_zstd(left, error);
    }
    bool idle = out.pos == d->len;
    d->all += out.pos - d->len;
    d->len = out.pos;
    if (d->all > d->all_max) {
        return fail(SYNC_TOOBIG, "it is compressed too well to be what it says", error);
    }
    if (left == 0) {
        d->ended = true;
        if (!is_padding((const uint8_t *)d->in.src + d->in.pos, d->in.size - d->in.pos)) {
            return fail(SYNC_CORRUPT, "there are bytes after its end", error);
        }
    } else if (idle && d->in.pos == d->in.size) {
        return fail(SYNC_CORRUPT, "it is cut short", error);
    }
    return SYNC_OK;
}

/* Moves what is left to the front and adds at least `want` bytes, or what there is until the frame ends. */
static int fill(sync_decoder *d, size_t want, sync_error *error)
{
    if (d->at > 0) {
        memmove(d->data, d->data + d->at, d->len - d->at);
        d->len -= d->at;
        d->at = 0;
    }
    /* Twice as much at least, so that a long row is not begun again too often. */
    want = want < d->len ? d->len : want;
    if (want > d->item_max - d->len) {
        want = d->item_max - d->len;
        if (want == 0) {
            return fail(SYNC_TOOBIG, "a row or the head is too large", error);
        }
    }
    size_t target = d->len + want;
    size_t before = d->len;
    shrink(d, target);
    int rc = SYNC_OK;
    while (rc == SYNC_OK && !d->ended && d->len < target) {
        if (d->len == d->cap) {
            rc = grow(d, target, error);
        }
        if (rc == SYNC_OK) {
            rc = decompress(d, error);
        }
    }
    return rc == SYNC_OK && d->len == before ? fail(SYNC_CORRUPT, "it ends too early", error) : rc;
}

/* After an item could not be decoded from what the buffer holds: SYNC_OK if it is worth another try. */
static int more(sync_decoder *d, const sync_span *span, int rc, sync_error *error)
{
    if (rc == SYNC_NOMEM) {
        return fail(rc, "out of memory", error);
    }
    if (rc == SYNC_TOOBIG || span->want == SIZE_MAX) {
        return fail(SYNC_TOOBIG, "a value, a name or a count is too large", error);
    }
    if (!span->bad || span->want == 0) {
        return fail(SYNC_CORRUPT, "the contents are malformed", error);
    }
    return fill(d, span->want, error);
}

static sync_span unread(const sync_decoder *d)
{
    return sync_span_of(d->data + d->at, d->len - d->at);
}

/* ---- opening ---- */

static int read_head(sync_decoder *d, sync_error *error)
{
    int rc = fill(d, 1, error);
    while (rc == SYNC_OK) {
        sync_span span = unread(d);
        int got = sync_head_get(&span, &d->head, d->kind);
        if (got == SYNC_OK) {
            d->at = (size_t)(span.at - d->data);
            return SYNC_OK;
        }
        rc = more(d, &span, got, error);
    }
    return rc;
}

static int open_frame(sync_decoder *d, sync_error *error)
{
    const uint8_t *frame = d->in.src;
    if (d->in.size <= FRAME_DESCRIPTOR_AT || (frame[FRAME_DESCRIPTOR_AT] & FRAME_CHECKSUM_BIT) == 0) {
        return fail(SYNC_CORRUPT, "its frame has no checksum", error);
    }
    d->zstd = ZSTD_createDCtx();
    if (d->zstd == NULL) {
        return fail(SYNC_NOMEM, "out of memory", error);
    }
    size_t set = ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, SYNC_ZSTD_WINDOW_LOG_MAX);
    return ZSTD_isError(set) ? fail_zstd(set, error) : SYNC_OK;
}

int sync_decoder_open(const void *blob, size_t bytes, uint64_t value_bytes_max, sync_decoder **out,
                      sync_error *error)
{
    *out = NULL;
    sync_head_kind kind;
    int rc = sync_preamble_check(blob, bytes, SYNC_MAGIC_CHANGES, &kind, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    sync_decoder *d = sync_alloc(sizeof *d);
    if (d == NULL) {
        return fail(SYNC_NOMEM, "out of memory", error);
    }
    *d = (sync_decoder){.in = {(const uint8_t *)blob + SYNC_PREAMBLE_BYTES, bytes - SYNC_PREAMBLE_BYTES, 0}};
    d->kind = kind;
    d->value_max = value_bytes_max < SYNC_VALUE_BYTES_MAX ? (size_t)value_bytes_max : SYNC_VALUE_BYTES_MAX;
    d->item_max = SYNC_HEAD_BYTES_MAX;
    d->all_max = SYNC_ALL_FREE + (uint64_t)SYNC_ALL_RATIO * bytes;
    rc = open_frame(d, error);
    if (rc == SYNC_OK) {
        rc = read_head(d, error);
    }
    if (rc != SYNC_OK) {
        sync_decoder_close(d);
        return rc;
    }
    d->item_max = sync_item_max(bytes, d->item_max + d->value_max);
    d->table = d->head.table_count;
    *out = d;
    return SYNC_OK;
}

void sync_decoder_close(sync_decoder *d)
{
    if (d != NULL) {
        ZSTD_freeDCtx(d->zstd);
        sync_free(d->data);
        sync_head_free(&d->head);
        sync_row_free(&d->row);
        sync_matrix_free(&d->closing.seen);
        sync_free(d);
    }
}

const sync_head *sync_decoder_head(const sync_decoder *d)
{
    return &d->head;
}

const sync_closing *sync_decoder_closing(const sync_decoder *d)
{
    return d->status == SYNC_DONE && d->last ? &d->closing : NULL;
}

/* ---- rows ---- */

static sync_cell *append(sync_row *row, uint32_t col, sync_stamp stamp)
{
    if (row->count == row->cap && sync_row_room(row, row->count + 1) != SYNC_OK) {
        return NULL;
    }
    sync_cell *cell = &row->cells[row->count++];
    *cell = (sync_cell){.col = col, .carried = true, .stamp = stamp};
    return cell;
}

static int get_all_cells(sync_decoder *d, sync_span *span, uint32_t columns)
{
    for (uint32_t c = 0; c < columns && !span->bad; c++) {
        sync_cell *cell = append(&d->row, c, d->row.stamp);
        if (cell == NULL) {
            return SYNC_NOMEM;
        }
        cell->value = sync_value_get_max(span, d->value_max);
    }
    return SYNC_OK;
}

static int get_cells(sync_decoder *d, sync_span *span, uint32_t columns, sync_stamp base)
{
    uint64_t count = sync_span_varint(span);
    sync_stamp repeated = SYNC_STAMP_NONE;
    uint64_t next = 0;
    for (uint64_t i = 0; i < count && !span->bad; i++) {
        uint64_t header = sync_span_varint(span);
        unsigned kind = header & SYNC_CELL_KIND;
        uint64_t col = next + (header >> SYNC_CELL_SHIFT);
        next = col + 1;
        if (kind == SYNC_CELL_OWN) {
            repeated = sync_stamp_get(span, base.hlc, d->head.site_count);
        }
        sync_stamp stamp = kind == SYNC_CELL_ROW ? base : repeated;
        if (col >= columns || kind > SYNC_CELL_REPEATED || sync_stamp_is_none(stamp)) {
            sync_span_fail(span, 0);
            break;
        }
        sync_cell *cell = append(&d->row, (uint32_t)col, stamp);
        if (cell == NULL) {
            return SYNC_NOMEM;
        }
        cell->value = sync_value_get_max(span, d->value_max);
    }
    return SYNC_OK;
}

/* The number of a row is checked against its existence: no claim is older than it says. */
static void check_moved(sync_decoder *d, sync_span *span, sync_identity identity)
{
    sync_sites sites = {d->head.site_count, (const uint8_t(*)[SYNC_SITE_BYTES])d->head.sites};
    if (identity != SYNC_BY_ROW || sync_stamp_compare(&sites, d->row.since, d->row.stamp) > 0) {
        sync_span_fail(span, 0);
    }
}

static sync_stamp get_base(sync_decoder *d, sync_span *span, unsigned flags)
{
    uint64_t site = (flags & SYNC_ROW_SAME) != 0 ? d->site : sync_span_varint(span);
    uint64_t hlc = d->hlc + (uint64_t)sync_span_zigzag(span);
    bool written = (flags & SYNC_ROW_GENESIS) == 0;
    if (site >= d->head.site_count || (hlc == 0 && !written)) {
        sync_span_fail(span, 0);
    }
    return (sync_stamp){hlc, (uint32_t)site, written};
}

/* Everything of a row between its stamp and its cells. */
static int get_details(sync_decoder *d, sync_span *span, unsigned flags, unsigned extra,
                       const sync_table_head *table, sync_stamp base)
{
    sync_row *row = &d->row;
    sync_identity identity = table->identity;
    bool dead = (flags & SYNC_ROW_DEAD) != 0;
    row->stamp = (flags & (SYNC_ROW_DEAD | SYNC_ROW_FULL | SYNC_ROW_EXISTS)) != 0 ? base : SYNC_STAMP_NONE;
    row->cl = (flags & SYNC_ROW_CL) != 0 ? sync_span_varint(span) : sync_wire_cl(dead);
    if (row->cl == 0 || sync_row_alive(row) == dead || (identity == SYNC_BY_ROW && row->cl > 2)) {
        sync_span_fail(span, 0);
    }
    *(identity == SYNC_BY_ROW ? &row->born : &row->origin) =
        (extra & SYNC_MORE_BORN) != 0 ? sync_stamp_get(span, base.hlc, d->head.site_count)
                                      : sync_wire_born(identity, dead, row->stamp);
    if ((extra & SYNC_MORE_MOVED) != 0) {
        sync_moved_get(span, row, d->head.site_count, &row->number);
        check_moved(d, span, identity);
    }
    const sync_bounds bounds = {d->head.site_count, table->col_count, table->key_count};
    return (extra & SYNC_MORE_REFS) != 0 ? sync_refs_get(span, row, &bounds) : SYNC_OK;
}

static bool are_flags_valid(const sync_decoder *d, unsigned flags, unsigned extra, sync_identity identity)
{
    unsigned shape = flags & (SYNC_ROW_DEAD | SYNC_ROW_FULL | SYNC_ROW_EXISTS);
    return (shape & (shape - 1)) == 0 && (extra & SYNC_MORE_UNUSED) == 0 &&
           (identity == SYNC_BY_ROW || (extra & SYNC_MORE_BORN) == 0 ||
            (d->kind != SYNC_HEAD_CHANGES && (shape & (SYNC_ROW_FULL | SYNC_ROW_EXISTS)) != 0));
}

static int get_row(sync_decoder *d, sync_span *span, unsigned flags)
{
    if (d->table >= d->head.table_count) {
        sync_span_fail(span, 0);
        return SYNC_CORRUPT;
    }
    const sync_table_head *table = &d->head.tables[d->table];
    unsigned extra = (flags & SYNC_ROW_MORE) != 0 ? sync_span_u8(span) : 0;
    sync_row_reset(&d->row);
    if (!are_flags_valid(d, flags, extra, table->identity)) {
        sync_span_fail(span, 0);
    }
    for (uint32_t i = 0; i < table->key_count && !span->bad; i++) {
        d->key[i] = sync_value_get_max(span, d->value_max);
    }
    sync_stamp base = get_base(d, span, flags);
    int rc = get_details(d, span, flags, extra, table, base);
    if (rc == SYNC_OK && (flags & SYNC_ROW_FULL) != 0) {
        rc = get_all_cells(d, span, table->col_count);
    } else if (rc == SYNC_OK && (flags & SYNC_ROW_DEAD) == 0) {
        rc = get_cells(d, span, table->col_count, base);
    }
    if (rc == SYNC_OK && span->bad) {
        rc = SYNC_CORRUPT;
    }
    if (rc == SYNC_OK) {
        d->hlc = base.hlc;
        d->site = base.site;
        d->rows++;
    }
    return rc == SYNC_OK ? SYNC_ROW : rc;
}

static int get_end(sync_decoder *d, sync_span *span, bool last)
{
    uint64_t rows = sync_span_varint(span);
    if (!span->bad && rows != d->rows) {
        sync_span_fail(span, 0);
    }
    d->closing.rows = rows;
    d->last = last;
    if (last) {
        uint32_t sites = d->head.table_count > 0 ? d->head.site_count : 0;
        int rc = sync_matrix_get(span, &d->closing.seen, d->head.table_count, sites);
        if (rc != SYNC_OK) {
            return rc;
        }
        d->closing.end = sync_span_varint(span);
    }
    if (span->bad) {
        sync_matrix_free(&d->closing.seen);
        return SYNC_CORRUPT;
    }
    return SYNC_DONE;
}

/* SYNC_ROW, SYNC_DONE, SYNC_OK (a table switch), or why not. */
static int get_item(sync_decoder *d, sync_span *span)
{
    unsigned item = sync_span_u8(span);
    if (span->bad) {
        return SYNC_CORRUPT;
    }
    if ((item & SYNC_ITEM_ROW) != 0) {
        return get_row(d, span, item);
    }
    if (item == SYNC_ITEM_TABLE) {
        uint64_t table = sync_span_varint(span);
        if (table >= d->head.table_count) {
            sync_span_fail(span, 0);
        }
        if (span->bad) {
            return SYNC_CORRUPT;
        }
        d->table = (uint32_t)table;
        return SYNC_OK;
    }
    if (item == SYNC_ITEM_END || item == SYNC_ITEM_CLOSE) {
        return get_end(d, span, item == SYNC_ITEM_CLOSE);
    }
    sync_span_fail(span, 0);
    return SYNC_CORRUPT;
}

/* After the closing there is nothing but the end of the frame. */
static int finish(sync_decoder *d, sync_error *error)
{
    int rc = SYNC_OK;
    while (rc == SYNC_OK && d->at == d->len && !d->ended) {
        d->at = 0;
        d->len = 0;
        rc = decompress(d, error);
    }
    if (rc == SYNC_OK && d->at < d->len) {
        rc = fail(SYNC_CORRUPT, "it goes on after its closing", error);
    }
    return rc;
}

static int next(sync_decoder *d, sync_error *error)
{
    for (;;) {
        sync_span span = unread(d);
        int got = get_item(d, &span);
        if (got == SYNC_OK || got == SYNC_ROW || got == SYNC_DONE) {
            d->at = (size_t)(span.at - d->data);
        }
        if (got == SYNC_ROW) {
            return SYNC_ROW;
        }
        int rc = SYNC_OK;
        if (got == SYNC_DONE) {
            rc = finish(d, error);
            return rc == SYNC_OK ? SYNC_DONE : rc;
        }
        if (got != SYNC_OK) {
            rc = more(d, &span, got, error);
        }
        if (rc != SYNC_OK) {
            return rc;
        }
    }
}

int sync_decoder_next(sync_decoder *d, uint32_t *table, const sync_value **key, const sync_row **row,
                      sync_error *error)
{
    if (d->status == SYNC_DONE) {
        return SYNC_DONE;
    }
    if (d->status != SYNC_OK) {
        return fail(d->status, "it was found unusable before", error);
    }
    int rc = next(d, error);
    if (rc != SYNC_ROW) {
        d->status = rc;
        return rc;
    }
    *table = d->table;
    *key = d->key;
    *row = &d->row;
    return SYNC_ROW;
}
