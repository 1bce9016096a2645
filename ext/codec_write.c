#include "codec_internal.h"

#include <zstd.h>

/* Uncompressed bytes gathered before zstd sees them: its own block size. */
#define RAW_BYTES ((size_t)128 << 10)

/* A text or blob from this size on goes to zstd from where it lies. */
#define DIRECT_BYTES ((size_t)32 << 10)

/* Higher levels take windows that a decoder does not accept. */
#define LEVEL_MAX 3

struct sync_encoder {
    ZSTD_CCtx *zstd;
    sync_buf raw;      /* not yet given to zstd */
    sync_buf out;      /* preamble and the frame so far */
    size_t inside;     /* bytes that zstd has taken in and, working by the block, not yet given out */
    uint64_t all;      /* bytes that zstd has taken in */
    uint64_t item;     /* where the item began that is being written, in all */
    uint64_t largest;  /* item */
    uint32_t *columns; /* of each table of the head */
    uint8_t *key_counts;
    sync_identity *identities;
    uint32_t table_cap;
    uint32_t table_count;
    uint32_t site_count;
    bool open;
    uint32_t table; /* of the last row; table_count: none yet */
    uint64_t hlc;   /* of the last row's stamp */
    uint32_t site;
    uint64_t rows;
};

sync_encoder *sync_encoder_new(int zstd_level)
{
    sync_encoder *e = sync_alloc(sizeof *e);
    if (e == NULL) {
        return NULL;
    }
    *e = (sync_encoder){.zstd = ZSTD_createCCtx()};
    int level = zstd_level > LEVEL_MAX ? LEVEL_MAX : zstd_level;
    if (e->zstd == NULL || ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_minMatch, SYNC_ZSTD_MATCH_MIN)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_hashLog, SYNC_ZSTD_HASH_LOG)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_checksumFlag, 1))) {
        sync_encoder_free(e);
        return NULL;
    }
    return e;
}

void sync_encoder_free(sync_encoder *e)
{
    if (e != NULL) {
        ZSTD_freeCCtx(e->zstd);
        sync_buf_free(&e->raw);
        sync_buf_free(&e->out);
        sync_free(e->columns);
        sync_free(e->key_counts);
        sync_free(e->identities);
        sync_free(e);
    }
}

static int fail(sync_encoder *e, int code, const char *text, sync_error *error)
{
    e->open = false;
    return sync_fail(error, code, "changeset: %s", text);
}

static int fail_memory(sync_encoder *e, sync_error *error)
{
    return fail(e, SYNC_NOMEM, "out of memory", error);
}

/* Gives `bytes` bytes to zstd, and takes what it gives out. */
static int compress(sync_encoder *e, const void *data, size_t bytes, ZSTD_EndDirective end, sync_error *error)
{
    ZSTD_inBuffer in = {data, bytes, 0};
    size_t left = 1;
    size_t least = ZSTD_compressBound(bytes < RAW_BYTES ? bytes : RAW_BYTES);
    while (in.pos < in.size || (end == ZSTD_e_end && left > 0)) {
        if (!sync_buf_room(&e->out, least)) {
            return fail_memory(e, error);
        }
        ZSTD_outBuffer out = {e->out.data + e->out.len, e->out.cap - e->out.len, 0};
        left = ZSTD_compressStream2(e->zstd, &out, &in, end);
        if (ZSTD_isError(left)) {
            return fail(e, SYNC_NOMEM, ZSTD_getErrorName(left), error);
        }
        e->out.len += out.pos;
    }
    e->inside = (e->inside + bytes) % RAW_BYTES;
    e->all += bytes;
    return SYNC_OK;
}

static int flush(sync_encoder *e, sync_error *error)
{
    if (e->raw.oom) {
        return fail_memory(e, error);
    }
    int rc = compress(e, e->raw.data, e->raw.len, ZSTD_e_continue, error);
    e->raw.len = 0;
    return rc;
}

static int note_tables(sync_encoder *e, const sync_head *head)
{
    uint32_t count = head->table_count;
    if (count > e->table_cap) {
        uint32_t *columns = sync_realloc(e->columns, count * sizeof columns[0]);
        e->columns = columns != NULL ? columns : e->columns;
        uint8_t *key_counts = sync_realloc(e->key_counts, count * sizeof key_counts[0]);
        e->key_counts = key_counts != NULL ? key_counts : e->key_counts;
        sync_identity *identities = sync_realloc(e->identities, count * sizeof identities[0]);
        e->identities = identities != NULL ? identities : e->identities;
        if (columns == NULL || key_counts == NULL || identities == NULL) {
            return SYNC_NOMEM;
        }
        e->table_cap = count;
    }
    for (uint32_t t = 0; t < count; t++) {
        e->columns[t] = head->tables[t].col_count;
        e->key_counts[t] = (uint8_t)head->tables[t].key_count;
        e->identities[t] = head->tables[t].identity;
    }
    e->table_count = count;
    return SYNC_OK;
}

int sync_encoder_begin(sync_encoder *e, const sync_head *head, sync_error *error)
{
    e->open = false;
    e->rows = 0;
    e->inside = 0;
    e->all = e->item = e->largest = 0;
    sync_buf_reset(&e->raw);
    sync_buf_reset(&e->out);
    int rc = sync_head_put(&e->raw, head, sync_head_kind_of(head), error);
    if (rc != SYNC_OK) {
        return rc;
    }
    (void)ZSTD_CCtx_reset(e->zstd, ZSTD_reset_session_only); /* of the session: cannot fail */
    sync_buf_put(&e->out, SYNC_MAGIC_CHANGES, SYNC_MAGIC_BYTES);
    sync_buf_put_u8(&e->out, sync_head_format(head));
    if (e->out.oom || e->raw.oom || note_tables(e, head) != SYNC_OK) {
        return fail_memory(e, error);
    }
    if (e->raw.len > SYNC_HEAD_BYTES_MAX) {
        return fail(e, SYNC_TOOBIG, "too many sites, tables and columns in all", error);
    }
    e->site_count = head->site_count;
    e->table = e->table_count;
    e->hlc = 0;
    e->site = 0;
    e->open = true;
    return SYNC_OK;
}

static int put_value(sync_encoder *e, const sync_value *value, sync_error *error)
{
    if ((value->type != SYNC_TEXT && value->type != SYNC_BLOB) || value->bytes < DIRECT_BYTES) {
        sync_value_put(&e->raw, value);
        return SYNC_OK;
    }
    sync_value_put_head(&e->raw, value);
    int rc = flush(e, error);
    return rc == SYNC_OK ? compress(e, value->data, value->bytes, ZSTD_e_continue, error) : rc;
}

static const char *misuse(const sync_encoder *e, uint32_t table, const sync_row *row)
{
    if (!e->open || table >= e->table_count) {
        return "no changeset is begun, or it has no such table";
    }
    if (row->cl == 0 || (e->identities[table] == SYNC_BY_ROW && row->cl > 2)) {
        return "a row without a valid causal length";
    }
    if (row->stamp.site >= e->site_count || (!sync_row_alive(row) && sync_stamp_is_none(row->stamp))) {
        return "a row without a valid stamp";
    }
    uint32_t next = 0;
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        if (cell->col < next || cell->col >= e->columns[table] || cell->stamp.site >= e->site_count ||
            (cell->stamp.written == 0 && cell->stamp.hlc == 0)) {
            return "a cell whose column or stamp is not of this changeset";
        }
        next = cell->col + 1;
    }
    return NULL;
}

static bool is_full(const sync_row *row, uint32_t columns)
{
    if (row->count != columns) {
        return false;
    }
    for (uint32_t i = 0; i < row->count; i++) {
        if (!sync_stamp_equal(row->cells[i].stamp, row->stamp)) {
            return false;
        }
    }
    return true;
}

/* The cells of an alive row that is not full; `base` is the stamp written with the row. */
static int put_cells(sync_encoder *e, const sync_row *row, sync_stamp base, sync_error *error)
{
    sync_stamp repeated = base;
    uint32_t next = 0;
    int rc = SYNC_OK;
    sync_buf_put_varint(&e->raw, row->count);
    for (uint32_t i = 0; rc == SYNC_OK && i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        unsigned kind = SYNC_CELL_OWN;
        if (sync_stamp_equal(cell->stamp, base)) {
            kind = SYNC_CELL_ROW;
        } else if (sync_stamp_equal(cell->stamp, repeated)) {
            kind = SYNC_CELL_REPEATED;
        }
        sync_buf_put_varint(&e->raw, (uint64_t)(cell->col - next) << SYNC_CELL_SHIFT | kind);
        next = cell->col + 1;
        if (kind == SYNC_CELL_OWN) {
            sync_stamp_put(&e->raw, cell->stamp, base.hlc);
            repeated = cell->stamp;
        }
        rc = put_value(e, &cell->value, error);
    }
    return rc;
}

static int put_key(sync_encoder *e, uint32_t table, const sync_value *key, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < e->key_counts[table]; i++) {
        rc = put_value(e, &key[i], error);
    }
    return rc;
}

/* The stamp that is written with the row: that of its life or death, else of its first cell, else the last
** row's: a row that carries nothing needs none. */
static sync_stamp base_stamp(const sync_encoder *e, const sync_row *row)
{
    if (!sync_stamp_is_none(row->stamp)) {
        return row->stamp;
    }
    return row->count > 0 ? row->cells[0].stamp : (sync_stamp){e->hlc, e->site, 1};
}

static void put_stamp(sync_encoder *e, unsigned flags, sync_stamp stamp)
{
    if ((flags & SYNC_ROW_SAME) == 0) {
        sync_buf_put_varint(&e->raw, stamp.site);
    }
    sync_buf_put_zigzag(&e->raw, (int64_t)(stamp.hlc - e->hlc));
    e->site = stamp.site;
    e->hlc = stamp.hlc;
}

static void put_details(sync_encoder *e, const sync_row *row, unsigned flags, unsigned more, sync_stamp base)
{
    put_stamp(e, flags, base);
    if ((flags & SYNC_ROW_CL) != 0) {
        sync_buf_put_varint(&e->raw, row->cl);
    }
    if ((more & SYNC_MORE_BORN) != 0) {
        sync_stamp_put(&e->raw, sync_stamp_is_none(row->origin) ? row->born : row->origin, base.hlc);
    }
    if ((more & SYNC_MORE_MOVED) != 0) {
        sync_moved_put(&e->raw, row, row->number);
    }
    if ((more & SYNC_MORE_REFS) != 0) {
        sync_refs_put(&e->raw, row);
    }
}

static int put_row(sync_encoder *e, uint32_t table, const sync_value *key, const sync_row *row,
                   sync_error *error)
{
    bool dead = !sync_row_alive(row);
    bool exists = !dead && !sync_stamp_is_none(row->stamp);
    bool full = exists && is_full(row, e->columns[table]);
    sync_identity identity = e->identities[table];
    sync_stamp base = base_stamp(e, row);
    bool born = identity == SYNC_BY_ROW
                    ? !sync_stamp_equal(row->born, sync_wire_born(identity, dead, row->stamp))
                    : exists && !sync_stamp_is_none(row->origin);
    unsigned more = (born ? SYNC_MORE_BORN : 0u) | (row->moved ? SYNC_MORE_MOVED : 0u) |
                    (row->ref_count > 0 ? SYNC_MORE_REFS : 0u);
    unsigned flags = SYNC_ITEM_ROW | (dead ? SYNC_ROW_DEAD : 0u) | (full ? SYNC_ROW_FULL : 0u) |
                     (exists && !full ? SYNC_ROW_EXISTS : 0u) | (base.written == 0 ? SYNC_ROW_GENESIS : 0u) |
                     (base.site == e->site ? SYNC_ROW_SAME : 0u) |
                     (row->cl != sync_wire_cl(dead) ? SYNC_ROW_CL : 0u) | (more != 0 ? SYNC_ROW_MORE : 0u);
    sync_buf_put_u8(&e->raw, (uint8_t)flags);
    if (more != 0) {
        sync_buf_put_u8(&e->raw, (uint8_t)more);
    }
    int rc = put_key(e, table, key, error);
    put_details(e, row, flags, more, base);
    if (rc == SYNC_OK && full) {
        for (uint32_t i = 0; rc == SYNC_OK && i < row->count; i++) {
            rc = put_value(e, &row->cells[i].value, error);
        }
    } else if (rc == SYNC_OK && !dead) {
        rc = put_cells(e, row, base, error);
    }
    return rc;
}

static void begin_row(sync_encoder *e, uint32_t table)
{
    if (table != e->table) {
        sync_buf_put_u8(&e->raw, SYNC_ITEM_TABLE);
        sync_buf_put_varint(&e->raw, table);
        e->table = table;
    }
    e->rows++;
    e->item = e->all + e->raw.len;
}

/* The item that began at e->item is complete. */
static void note_item(sync_encoder *e)
{
    uint64_t item = e->all + e->raw.len - e->item;
    e->largest = item > e->largest ? item : e->largest;
}

static int end_row(sync_encoder *e, int rc, sync_error *error)
{
    note_item(e);
    if (rc == SYNC_OK && e->raw.len >= RAW_BYTES) {
        rc = flush(e, error);
    }
    return rc == SYNC_OK && e->raw.oom ? fail_memory(e, error) : rc;
}

int sync_encoder_row(sync_encoder *e, uint32_t table, const sync_value *key, const sync_row *row,
                     sync_error *error)
{
    const char *wrong = misuse(e, table, row);
    if (wrong != NULL) {
        return fail(e, SYNC_MISUSE, wrong, error);
    }
    begin_row(e, table);
    return end_row(e, put_row(e, table, key, row, error), error);
}

int sync_encoder_full_row(sync_encoder *e, uint32_t table, sync_stamp stamp, const sync_value *values,
                          sync_error *error)
{
    if (!e->open || table >= e->table_count || stamp.site >= e->site_count || sync_stamp_is_none(stamp)) {
        return fail(e, SYNC_MISUSE, "a full row without a table or a stamp of this changeset", error);
    }
    begin_row(e, table);
    unsigned flags = SYNC_ITEM_ROW | SYNC_ROW_FULL | (stamp.written == 0 ? SYNC_ROW_GENESIS : 0u) |
                     (stamp.site == e->site ? SYNC_ROW_SAME : 0u);
    sync_buf_put_u8(&e->raw, (uint8_t)flags);
    int rc = put_key(e, table, values, error);
    put_stamp(e, flags, stamp);
    const sync_value *cell = values + e->key_counts[table];
    for (const sync_value *end = cell + e->columns[table]; rc == SYNC_OK && cell < end; cell++) {
        rc = put_value(e, cell, error);
    }
    return end_row(e, rc, error);
}

size_t sync_encoder_size(const sync_encoder *e)
{
    return e->out.len + e->inside + e->raw.len;
}

uint64_t sync_encoder_rows(const sync_encoder *e)
{
    return e->rows;
}

/* The bytes for which a receiver takes so much: `free` come for nothing, `ratio` with each. */
static uint64_t price(uint64_t bytes, uint64_t free, uint64_t ratio)
{
    return bytes > free ? (bytes - free + ratio - 1) / ratio : 0;
}

static int pad(sync_encoder *e, sync_error *error)
{
    uint64_t item = price(e->largest, SYNC_ITEM_FREE, SYNC_ITEM_RATIO);
    uint64_t all = price(e->all, SYNC_ALL_FREE, SYNC_ALL_RATIO);
    uint64_t least = item > all ? item : all;
    if (least > e->out.len) {
        size_t missing = (size_t)least - e->out.len;
        if (!sync_buf_room(&e->out, missing)) {
            return fail_memory(e, error);
        }
        memset(e->out.data + e->out.len, 0, missing);
        e->out.len += missing;
    }
    return SYNC_OK;
}

int sync_encoder_finish(sync_encoder *e, const sync_closing *closing, const void **out, size_t *bytes,
                        sync_error *error)
{
    *out = NULL;
    *bytes = 0;
    if (!e->open) {
        return fail(e, SYNC_MISUSE, "no changeset is begun", error);
    }
    e->item = e->all + e->raw.len;
    sync_buf_put_u8(&e->raw, closing != NULL ? SYNC_ITEM_CLOSE : SYNC_ITEM_END);
    sync_buf_put_varint(&e->raw, e->rows);
    if (closing != NULL) {
        const sync_matrix *seen = &closing->seen;
        if (e->table_count > 0 && (seen->tables != e->table_count || seen->sites != e->site_count)) {
            return fail(e, SYNC_MISUSE, "the closing vector has the wrong size", error);
        }
        if (e->table_count > 0) {
            sync_matrix_put(&e->raw, seen);
        }
        sync_buf_put_varint(&e->raw, closing->end);
    }
    if (e->raw.oom) {
        return fail_memory(e, error);
    }
    note_item(e);
    int rc = compress(e, e->raw.data, e->raw.len, ZSTD_e_end, error);
    rc = rc == SYNC_OK ? pad(e, error) : rc;
    if (rc == SYNC_OK) {
        e->raw.len = 0;
        e->open = false;
        *out = e->out.data;
        *bytes = e->out.len;
    }
    return rc;
}
