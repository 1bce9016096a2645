/* Changesets and seen blobs: what goes in comes out, and nothing malformed does harm. */
#include "leaf_rows.h"

#include <stdio.h>
#include <zstd.h>

#include "codec.h"
#include "leaf_fault.h"

#define SITES    4
#define TABLES   3
#define PREAMBLE 5

/* A changeset to be: rows of tables in order. */
typedef struct changes {
    sync_head head;
    sync_closing closing;
    bool last;
    uint32_t count;
    uint32_t *table;
    sync_value (*key)[SYNC_KEY_COLUMNS_MAX];
    sync_row *rows;
} changes;

static const uint32_t key_counts[TABLES] = {1, 2, SYNC_KEY_COLUMNS_MAX};
static const uint32_t col_counts[TABLES] = {4, 0, 20};

static void fill_matrix(sync_matrix *m, uint32_t tables, uint32_t sites)
{
    assert_int_equal(sync_matrix_init(m, tables, sites), SYNC_OK);
    for (uint32_t c = 0; c < tables * sites; c++) {
        m->cell[c] = leaf_chance(70) ? 5 : leaf_number();
    }
}

static void make_head(sync_head *head, bool seen)
{
    memset(head, 0, sizeof *head);
    assert_int_equal(sync_head_set_sites(head, SITES), SYNC_OK);
    for (uint32_t s = 0; s < SITES; s++) {
        head->sites[s][0] = (uint8_t)(7 - s);
    }
    memcpy(head->site, head->sites[0], SYNC_SITE_BYTES);
    assert_int_equal(sync_head_set_tables(head, TABLES), SYNC_OK);
    for (uint32_t t = 0; t < TABLES; t++) {
        char name[32];
        snprintf(name, sizeof name, "t\"%u \xc3\xa9", t);
        sync_table_head *table = &head->tables[t];
        assert_int_equal(sync_table_head_init(table, name, t == 1 ? SYNC_BY_KEY : SYNC_BY_ROW, key_counts[t],
                                              seen ? 0 : col_counts[t]),
                         SYNC_OK);
        for (uint32_t i = 0; i < table->key_count; i++) {
            snprintf(name, sizeof name, "k%u", i);
            assert_int_equal(sync_table_head_key(table, i, name), SYNC_OK);
        }
        for (uint32_t i = 0; i < table->col_count; i++) {
            snprintf(name, sizeof name, "c%u", i);
            assert_int_equal(sync_table_head_col(table, i, name), SYNC_OK);
        }
    }
    fill_matrix(&head->base, TABLES, SITES);
    fill_matrix(&head->start, TABLES, seen ? SITES : 1);
    head->part = seen ? 0 : leaf_below(1000);
}

static void make_row(sync_row *row, uint32_t table)
{
    static const uint8_t ids[SITES][SYNC_SITE_BYTES] = {{7}, {6}, {5}, {4}};
    static const sync_sites sites = {SITES, ids};
    sync_identity identity = table == 1 ? SYNC_BY_KEY : SYNC_BY_ROW;
    leaf_life(row, identity, SITES);
    if (sync_row_alive(row)) {
        bool exists = leaf_chance(70);
        row->stamp = exists ? row->stamp : SYNC_STAMP_NONE;
        leaf_add_cells(row, col_counts[table], SITES, true);
        if (exists && leaf_chance(40)) {
            for (uint32_t c = 0; c < col_counts[table]; c++) {
                sync_cell *cell = sync_row_set(row, c, row->stamp);
                assert_non_null(cell);
                cell->carried = true;
                cell->value = leaf_value();
            }
        }
    }
    if (identity == SYNC_BY_ROW && leaf_chance(20)) {
        row->moved = true;
        row->number = (int64_t)leaf_next();
        sync_stamp since = leaf_stamp_or_none(SITES);
        row->since = sync_stamp_compare(&sites, since, row->stamp) > 0 ? SYNC_STAMP_NONE : since;
    }
    if (leaf_chance(20)) {
        leaf_add_refs(row, SITES);
    }
}

/* Rows of the first `tables` tables. */
static void make_changes(changes *c, uint32_t count, uint32_t tables, bool last)
{
    make_head(&c->head, false);
    c->last = last;
    c->count = count;
    c->table = calloc(count + 1, sizeof c->table[0]);
    c->key = calloc(count + 1, sizeof c->key[0]);
    c->rows = calloc(count + 1, sizeof c->rows[0]);
    assert_true(c->table != NULL && c->key != NULL && c->rows != NULL);
    for (uint32_t i = 0; i < count; i++) {
        c->table[i] = i > 0 && leaf_chance(80) ? c->table[i - 1] : leaf_below(tables);
        for (uint32_t k = 0; k < key_counts[c->table[i]]; k++) {
            c->key[i][k] = leaf_value();
        }
        make_row(&c->rows[i], c->table[i]);
    }
    fill_matrix(&c->closing.seen, TABLES, SITES);
    c->closing.end = leaf_number();
}

static void free_changes(changes *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        sync_row_free(&c->rows[i]);
    }
    free(c->table);
    free(c->key);
    free(c->rows);
    sync_head_free(&c->head);
    sync_matrix_free(&c->closing.seen);
}

static int encode(sync_encoder *e, const changes *c, const void **out, size_t *bytes, sync_error *error)
{
    int rc = sync_encoder_begin(e, &c->head, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < c->count; i++) {
        rc = sync_encoder_row(e, c->table[i], c->key[i], &c->rows[i], error);
    }
    return rc == SYNC_OK ? sync_encoder_finish(e, c->last ? &c->closing : NULL, out, bytes, error) : rc;
}

static void assert_matrix(const sync_matrix *a, const sync_matrix *b)
{
    assert_int_equal(a->tables, b->tables);
    assert_int_equal(a->sites, b->sites);
    for (uint32_t i = 0; i < a->tables * a->sites; i++) {
        assert_true(a->cell[i] == b->cell[i]);
    }
}

static void assert_head(const sync_head *a, const sync_head *b)
{
    assert_memory_equal(a->site, b->site, SYNC_SITE_BYTES);
    assert_int_equal(a->site_count, b->site_count);
    assert_memory_equal(a->sites, b->sites, (size_t)a->site_count * SYNC_SITE_BYTES);
    assert_int_equal(a->table_count, b->table_count);
    for (uint32_t t = 0; t < a->table_count; t++) {
        const sync_table_head *x = &a->tables[t];
        const sync_table_head *y = &b->tables[t];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->identity, y->identity);
        assert_int_equal(x->key_count, y->key_count);
        assert_int_equal(x->col_count, y->col_count);
        for (uint32_t i = 0; i < x->key_count; i++) {
            assert_string_equal(x->key_names[i], y->key_names[i]);
        }
        for (uint32_t i = 0; i < x->col_count; i++) {
            assert_string_equal(x->col_names[i], y->col_names[i]);
        }
    }
    assert_matrix(&a->base, &b->base);
    assert_matrix(&a->start, &b->start);
    assert_int_equal(a->part, b->part);
}

static void assert_decodes(const changes *c, const void *blob, size_t bytes)
{
    sync_error error = {0};
    sync_decoder *d = NULL;
    assert_int_equal(sync_decoder_open(blob, bytes, SYNC_VALUE_BYTES_MAX, &d, &error), SYNC_OK);
    assert_head(sync_decoder_head(d), &c->head);
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *row = NULL;
    for (uint32_t i = 0; i < c->count; i++) {
        assert_int_equal(sync_decoder_next(d, &table, &key, &row, &error), SYNC_ROW);
        assert_int_equal(table, c->table[i]);
        for (uint32_t k = 0; k < key_counts[table]; k++) {
            assert_true(sync_value_same(&key[k], &c->key[i][k]));
        }
        leaf_assert_row(row, &c->rows[i]);
        assert_null(sync_decoder_closing(d));
    }
    assert_int_equal(sync_decoder_next(d, &table, &key, &row, &error), SYNC_DONE);
    assert_int_equal(sync_decoder_next(d, &table, &key, &row, &error), SYNC_DONE);
    const sync_closing *closing = sync_decoder_closing(d);
    assert_int_equal(closing != NULL, c->last);
    if (closing != NULL) {
        assert_matrix(&closing->seen, &c->closing.seen);
        assert_true(closing->end == c->closing.end);
        assert_int_equal(closing->rows, c->count);
    }
    sync_decoder_close(d);
}

/* Reads all of it, checking what a decoder promises of every row, from a block of exactly that size.
** SYNC_DONE or the error. */
static int read_all(const void *blob, size_t bytes, uint64_t value_bytes_max, uint32_t *rows)
{
    static const sync_value first;
    uint8_t *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, blob, bytes);
    sync_error error = {0};
    sync_decoder *d = NULL;
    int rc = sync_decoder_open(copy, bytes, value_bytes_max, &d, &error);
    assert_int_equal(d != NULL, rc == SYNC_OK);
    const sync_head *head = d != NULL ? sync_decoder_head(d) : NULL;
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *row = NULL;
    *rows = 0;
    while (d != NULL && (rc = sync_decoder_next(d, &table, &key, &row, &error)) == SYNC_ROW) {
        assert_true(table < head->table_count);
        (*rows)++;
        for (uint32_t k = 0; k < head->tables[table].key_count; k++) {
            assert_true(key[k].type == SYNC_NULL ||
                        !sync_value_same(&key[k], &first)); /* touches its bytes */
        }
        assert_true(row->cl >= 1 && !row->held && row->stamp.site < head->site_count);
        assert_true(head->tables[table].identity == SYNC_BY_KEY || row->cl <= 2);
        for (uint32_t i = 0; i < row->count; i++) {
            const sync_cell *cell = &row->cells[i];
            assert_true(cell->col < head->tables[table].col_count && (i == 0 || cell[-1].col < cell->col));
            assert_true(cell->carried && !cell->fresh && cell->stamp.site < head->site_count);
            assert_false(sync_stamp_is_none(cell->stamp));
            assert_true(sync_value_same(&cell->value, &cell->value));
        }
    }
    assert_int_equal(error.code != SYNC_OK, rc != SYNC_DONE);
    if (d != NULL) {
        assert_int_equal(sync_decoder_next(d, &table, &key, &row, &error), rc); /* for good */
    }
    sync_decoder_close(d);
    free(copy);
    return rc;
}

static void test_round_trip(void **state)
{
    (void)state;
    leaf_seed(10);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    for (int i = 0; i < 200; i++) {
        changes c = {0};
        make_changes(&c, leaf_below(40), TABLES, leaf_chance(50));
        const void *out = NULL;
        size_t bytes = 0;
        assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
        assert_int_equal(sync_encoder_rows(e), c.count);
        assert_decodes(&c, out, bytes);
        free_changes(&c);
    }
    sync_encoder_free(e);
}

/* Many times the buffers on both sides. */
static void test_long_changeset(void **state)
{
    (void)state;
    leaf_seed(11);
    sync_encoder *e = sync_encoder_new(1);
    assert_non_null(e);
    changes c = {0};
    make_changes(&c, 6000, TABLES, true);
    const void *out = NULL;
    size_t bytes = 0;
    assert_int_equal(sync_encoder_begin(e, &c.head, NULL), SYNC_OK);
    size_t before = sync_encoder_size(e);
    for (uint32_t i = 0; i < c.count; i++) {
        assert_int_equal(sync_encoder_row(e, c.table[i], c.key[i], &c.rows[i], NULL), SYNC_OK);
        assert_true(i > 0 || sync_encoder_size(e) > before);
        before = sync_encoder_size(e) > before ? sync_encoder_size(e) : before;
    }
    assert_int_equal(sync_encoder_finish(e, &c.closing, &out, &bytes, NULL), SYNC_OK);
    assert_true(before > bytes / 2 && before < bytes + (300 << 10));
    assert_true(bytes > 256 << 10);
    assert_decodes(&c, out, bytes);
    free_changes(&c);
    sync_encoder_free(e);
}

static void one_table(sync_head *head, uint32_t columns)
{
    memset(head, 0, sizeof *head);
    assert_int_equal(sync_head_set_sites(head, 1), SYNC_OK);
    assert_int_equal(sync_head_set_tables(head, 1), SYNC_OK);
    assert_int_equal(sync_table_head_init(head->tables, "t", SYNC_BY_KEY, 1, columns), SYNC_OK);
    assert_int_equal(sync_table_head_key(head->tables, 0, "k"), SYNC_OK);
    for (uint32_t i = 0; i < columns; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        assert_int_equal(sync_table_head_col(head->tables, i, name), SYNC_OK);
    }
    assert_int_equal(sync_matrix_init(&head->base, 1, 1), SYNC_OK);
    assert_int_equal(sync_matrix_init(&head->start, 1, 1), SYNC_OK);
}

/* One part with rows of one blob each. */
static void encode_blobs(sync_encoder *e, const sync_value *blobs, uint32_t count, const void **out,
                         size_t *bytes)
{
    sync_head head;
    one_table(&head, 1);
    assert_int_equal(sync_encoder_begin(e, &head, NULL), SYNC_OK);
    sync_row row = {.cl = 1, .stamp = {9, 0, 1}};
    for (uint32_t i = 0; i < count; i++) {
        sync_cell *cell = sync_row_set(&row, 0, row.stamp);
        assert_non_null(cell);
        cell->carried = true;
        cell->value = blobs[i];
        sync_value key = {.type = SYNC_INTEGER, .i = i};
        assert_int_equal(sync_encoder_row(e, 0, &key, &row, NULL), SYNC_OK);
    }
    assert_int_equal(sync_encoder_finish(e, NULL, out, bytes, NULL), SYNC_OK);
    sync_row_free(&row);
    sync_head_free(&head);
}

static void test_large_values(void **state)
{
    (void)state;
    size_t large = 9 << 20;
    uint8_t *noise = malloc(large);
    assert_non_null(noise);
    leaf_seed(12);
    for (size_t i = 0; i < large; i += 8) {
        uint64_t v = leaf_next();
        memcpy(noise + i, &v, 8);
    }
    const sync_value blobs[] = {{.type = SYNC_BLOB, .bytes = 10, .data = noise},
                                {.type = SYNC_BLOB, .bytes = large, .data = noise},
                                {.type = SYNC_TEXT, .bytes = 40000, .data = noise + 7},
                                {.type = SYNC_TEXT, .bytes = 131072, .data = noise + 9},
                                {.type = SYNC_BLOB, .bytes = 5, .data = noise + 1}};
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    const void *out = NULL;
    size_t bytes = 0;
    encode_blobs(e, blobs, 5, &out, &bytes);
    sync_decoder *d = NULL;
    assert_int_equal(sync_decoder_open(out, bytes, large, &d, NULL), SYNC_OK);
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *row = NULL;
    (void)sqlite3_memory_highwater(1);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(sync_decoder_next(d, &table, &key, &row, NULL), SYNC_ROW);
        assert_int_equal(key[0].i, i);
        assert_true(sync_value_same(&row->cells[0].value, &blobs[i]));
    }
    assert_int_equal(sync_decoder_next(d, &table, &key, &row, NULL), SYNC_DONE);
    sync_decoder_close(d);
    assert_true((size_t)sqlite3_memory_highwater(0) < bytes + 2 * large + (1 << 20));
    uint32_t rows = 0;
    assert_int_equal(read_all(out, bytes, large - 1, &rows), SYNC_TOOBIG);
    assert_int_equal(rows, 1);
    sync_encoder_free(e);
    free(noise);
}

/* A buffer that one large row needed is not kept for the small ones after it. */
static void test_memory_is_given_back(void **state)
{
    (void)state;
    enum { ROWS = 40 };
    size_t large = 4 << 20;
    size_t small = 100000;
    uint8_t *zeros = calloc(1, large);
    assert_non_null(zeros);
    sync_value blobs[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) {
        blobs[i] = (sync_value){.type = SYNC_BLOB, .bytes = i == 0 ? large : small, .data = zeros};
    }
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    const void *out = NULL;
    size_t bytes = 0;
    encode_blobs(e, blobs, ROWS, &out, &bytes);
    free(zeros);
    sync_decoder *d = NULL;
    sqlite3_int64 before = sqlite3_memory_used();
    assert_int_equal(sync_decoder_open(out, bytes, large, &d, NULL), SYNC_OK);
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *row = NULL;
    assert_int_equal(sync_decoder_next(d, &table, &key, &row, NULL), SYNC_ROW);
    assert_true(sqlite3_memory_used() - before > (sqlite3_int64)large);
    for (uint32_t i = 1; i < ROWS; i++) {
        assert_int_equal(sync_decoder_next(d, &table, &key, &row, NULL), SYNC_ROW);
    }
    assert_true(sqlite3_memory_used() - before < 1 << 20);
    sync_decoder_close(d);
    sync_encoder_free(e);
}

/* A frame of a few bytes that says it is a large value, and one that is. */
static void test_memory_follows_what_arrives(void **state)
{
    (void)state;
    size_t large = 64 << 20;
    uint8_t *zeros = calloc(1, large);
    assert_non_null(zeros);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    const void *out = NULL;
    size_t bytes = 0;
    encode_blobs(e, &(sync_value){.type = SYNC_BLOB, .bytes = large, .data = zeros}, 1, &out, &bytes);
    assert_true(bytes < 100000);
    free(zeros);
    uint32_t rows = 0;
    (void)sqlite3_memory_highwater(1);
    sqlite3_int64 before = sqlite3_memory_used();
    assert_int_equal(read_all(out, bytes, 1 << 20, &rows), SYNC_TOOBIG);
    assert_true(sqlite3_memory_highwater(1) - before < 1 << 20);
    assert_int_equal(read_all(out, bytes / 100, SYNC_VALUE_BYTES_MAX, &rows), SYNC_CORRUPT);
    assert_true(sqlite3_memory_highwater(1) - before < 4 << 20);
    assert_int_equal(read_all(out, bytes, SYNC_VALUE_BYTES_MAX, &rows), SYNC_DONE);
    sync_encoder_free(e);
}

/* ---- malformed ---- */

/* A changeset's frame, decompressed; malloc'd. */
static uint8_t *unpack(const void *blob, size_t bytes, size_t *raw_bytes)
{
    size_t cap = 1 << 20;
    uint8_t *raw = malloc(cap);
    assert_non_null(raw);
    *raw_bytes = ZSTD_decompress(raw, cap, (const uint8_t *)blob + PREAMBLE, bytes - PREAMBLE);
    assert_false(ZSTD_isError(*raw_bytes));
    return raw;
}

typedef struct packer {
    ZSTD_CCtx *zstd;
    uint8_t blob[1 << 16];
} packer;

static void start_packing(packer *p, int checksum)
{
    p->zstd = ZSTD_createCCtx();
    assert_non_null(p->zstd);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, checksum)));
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, 1)));
    memcpy(p->blob, "SYNC\x01", PREAMBLE);
}

static int read_packed(packer *p, const void *raw, size_t bytes)
{
    size_t size = ZSTD_compress2(p->zstd, p->blob + PREAMBLE, sizeof p->blob - PREAMBLE, raw, bytes);
    assert_false(ZSTD_isError(size));
    uint32_t rows = 0;
    return read_all(p->blob, size + PREAMBLE, 1 << 20, &rows);
}

/* Contents that are wrong under a right checksum. */
static void test_malformed_contents(void **state)
{
    (void)state;
    leaf_seed(13);
    sync_encoder *e = sync_encoder_new(1);
    static packer p;
    start_packing(&p, 1);
    assert_non_null(e);
    int accepted = 0;
    for (int i = 0; i < 2; i++) {
        changes c = {0};
        make_changes(&c, 5, TABLES - 1, i % 2 == 0);
        const void *out = NULL;
        size_t bytes = 0;
        size_t raw_bytes = 0;
        assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
        uint8_t *raw = unpack(out, bytes, &raw_bytes);
        assert_int_equal(read_packed(&p, raw, raw_bytes), SYNC_DONE);
        for (size_t cut = 0; cut < raw_bytes; cut++) {
            assert_int_equal(read_packed(&p, raw, cut), SYNC_CORRUPT);
        }
        raw[raw_bytes] = 0;
        assert_int_equal(read_packed(&p, raw, raw_bytes + 1), SYNC_CORRUPT);
        for (size_t bit = 0; bit < raw_bytes * 8; bit++) {
            raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
            int rc = read_packed(&p, raw, raw_bytes);
            assert_true(rc == SYNC_DONE || rc == SYNC_CORRUPT || rc == SYNC_TOOBIG);
            accepted += rc == SYNC_DONE;
            raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(raw);
        free_changes(&c);
    }
    assert_int_not_equal(accepted, 0);
    ZSTD_freeCCtx(p.zstd);
    sync_encoder_free(e);
}

static void test_damaged_on_the_way(void **state)
{
    (void)state;
    leaf_seed(14);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    changes c = {0};
    make_changes(&c, 6, TABLES - 1, true);
    const void *out = NULL;
    size_t bytes = 0;
    uint32_t rows = 0;
    assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
    uint8_t *blob = malloc(bytes + 1);
    assert_non_null(blob);
    memcpy(blob, out, bytes);
    assert_int_equal(read_all(blob, bytes, 1 << 20, &rows), SYNC_DONE);
    for (size_t cut = 0; cut < bytes; cut++) {
        assert_int_equal(read_all(blob, cut, 1 << 20, &rows), SYNC_CORRUPT);
    }
    blob[bytes] = 0;
    assert_int_equal(read_all(blob, bytes + 1, 1 << 20, &rows), SYNC_CORRUPT);
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int rc = read_all(blob, bytes, 1 << 20, &rows);
        assert_int_not_equal(rc, SYNC_ROW);
        if (bit / 8 == 4) {
            assert_int_equal(rc, bit % 8 == 0 ? SYNC_CORRUPT : SYNC_FORMAT);
        } else if (rc == SYNC_DONE) {
            /* Only what zstd itself ignores (an unused bit of its header, a hint) leaves the contents whole. */
            assert_decodes(&c, blob, bytes);
        }
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(blob);
    free_changes(&c);
    sync_encoder_free(e);
}

static void test_frames_that_are_refused(void **state)
{
    (void)state;
    leaf_seed(15);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    changes c = {0};
    make_changes(&c, 3, TABLES, true);
    const void *out = NULL;
    size_t bytes = 0;
    size_t raw_bytes = 0;
    assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
    uint8_t *raw = unpack(out, bytes, &raw_bytes);
    static packer p;
    start_packing(&p, 0);
    assert_int_equal(read_packed(&p, raw, raw_bytes), SYNC_CORRUPT); /* no checksum */
    ZSTD_freeCCtx(p.zstd);
    start_packing(&p, 1);
    assert_false(
        ZSTD_isError(ZSTD_CCtx_setParameter(p.zstd, ZSTD_c_windowLog, SYNC_ZSTD_WINDOW_LOG_MAX + 1)));
    ZSTD_inBuffer in = {raw, raw_bytes, 0};
    ZSTD_outBuffer frame = {p.blob + PREAMBLE, sizeof p.blob - PREAMBLE, 0};
    assert_false(ZSTD_isError(ZSTD_compressStream2(p.zstd, &frame, &in, ZSTD_e_continue)));
    assert_int_equal(ZSTD_compressStream2(p.zstd, &frame, &in, ZSTD_e_end), 0);
    uint32_t rows = 0;
    assert_int_equal(read_all(p.blob, frame.pos + PREAMBLE, 1 << 20, &rows), SYNC_TOOBIG);
    ZSTD_freeCCtx(p.zstd);
    free(raw);
    free_changes(&c);
    sync_encoder_free(e);
}

/* Contents made by hand: sites, tables, base, start, part, items. */
static void test_heads_that_are_refused(void **state)
{
    (void)state;
#define SITE_A  "aaaaaaaaaaaaaaaa"
#define SITE_B  "bbbbbbbbbbbbbbbb"
#define SITES_1 "\x01" SITE_A
#define TABLE_T "\x01t\x00\x01\x01k\x02\x01x\x01y"
#define REST    "\x00\x00\x00\x00\x00"
#define END     "\x00\x00"
#define CASE(s, code)                                                                                        \
    {                                                                                                        \
        s, sizeof s - 1, code                                                                                \
    }
    static const struct {
        const char *raw;
        size_t bytes;
        int code;
    } cases[] = {
        CASE(SITES_1 "\x01" TABLE_T REST END, SYNC_DONE),
        CASE("\x00\x00\x00" END, SYNC_CORRUPT),                                      /* nobody's */
        CASE("\x02" SITE_A SITE_A "\x00\x00" END, SYNC_CORRUPT),                     /* one site twice */
        CASE("\x02" SITE_A SITE_B "\x00\x00" END, SYNC_DONE),                        /* no tables */
        CASE(SITES_1 "\x02" TABLE_T TABLE_T REST "\x00\x00" END, SYNC_CORRUPT),      /* one table twice */
        CASE(SITES_1 "\x01\x01t\x00\x01\x01k\x02\x01x\x01x" REST END, SYNC_CORRUPT), /* one column twice */
        CASE(SITES_1 "\x01\x01t\x00\x02\x01k\x01k\x00" REST END, SYNC_CORRUPT),      /* one key part twice */
        CASE(SITES_1 "\x01\x01t\x00\x00\x02\x01x\x01y" REST END, SYNC_CORRUPT),      /* no key */
        CASE(SITES_1 "\x01\x01t\x02\x01\x01k\x02\x01x\x01y" REST END, SYNC_CORRUPT), /* no such identity */
        CASE(SITES_1 "\x01\x01\x00\x00\x01\x01k\x02\x01x\x01y" REST END,
             SYNC_CORRUPT),                               /* a name with a zero */
        CASE("\x81\x80\x04", SYNC_TOOBIG),                /* 65537 sites */
        CASE(SITES_1 "\x81\x20", SYNC_TOOBIG),            /* 4097 tables */
        CASE(SITES_1 "\x01\x81\x08" SITE_A, SYNC_TOOBIG), /* a name of 1025 bytes */
        CASE(SITES_1 "\x01" TABLE_T "\x00\x00\x00\x00\x80\x80\x80\x80\x10" END, SYNC_CORRUPT), /* part 2^32 */
        CASE(SITES_1 "\x01" TABLE_T REST "\x00\x01", SYNC_CORRUPT),             /* not as many rows */
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x01" END, SYNC_CORRUPT),         /* no such table */
        CASE(SITES_1 "\x01" TABLE_T REST "\x7f" END, SYNC_CORRUPT),             /* no such item */
        CASE(SITES_1 "\x01" TABLE_T REST "\xc4\x10\x02\x00\x01", SYNC_CORRUPT), /* a row of no table */
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xc4\x10\x02\x00\x01", SYNC_DONE),
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xe4\x10\x02\x00\x01", SYNC_CORRUPT), /* dead and full */
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xc0\x10\x01\x02\x00\x01", SYNC_CORRUPT), /* no such site */
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xc6\x10\x02\x03\x00\x01",
             SYNC_CORRUPT),                                                             /* dead, but odd */
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xcc\x10\x00\x00\x01", SYNC_CORRUPT), /* no stamp at all */
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xc5\x01\x10\x02\x00\x00\x01",
             SYNC_CORRUPT), /* born by key */
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x94\x10\x02\x01\x08\x10\x00\x01",
             SYNC_CORRUPT), /* column 2 */
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x94\x10\x02\x01\x04\x10\x00\x01", SYNC_DONE),
        CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x94\x10\x02\x01\x02\x10\x00\x01",
             SYNC_CORRUPT), /* repeats none */
        /* identity row: since above the stamp, and cl 3 */
        CASE(SITES_1 "\x01\x01t\x01\x01\x01k\x00" REST "\x01\x00\x95\x02\x10\x0a\x02\x02\x02\x00\x00\x01",
             SYNC_CORRUPT),
        CASE(SITES_1 "\x01\x01t\x01\x01\x01k\x00" REST "\x01\x00\x95\x02\x10\x0a\x02\x02\x00\x00\x00\x01",
             SYNC_DONE),
        CASE(SITES_1 "\x01\x01t\x01\x01\x01k\x00" REST "\x01\x00\x96\x10\x0a\x03\x00\x00\x01", SYNC_CORRUPT),
    };
    static packer p;
    start_packing(&p, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rc = read_packed(&p, cases[i].raw, cases[i].bytes);
        if (rc != cases[i].code) {
            fail_msg("case %zu: %d, not %d", i, rc, cases[i].code);
        }
    }
    ZSTD_freeCCtx(p.zstd);
}

static void test_encoder_misuse(void **state)
{
    (void)state;
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    sync_head head;
    one_table(&head, 2);
    const void *out = NULL;
    size_t bytes = 0;
    sync_value key = {.type = SYNC_INTEGER, .i = 1};
    sync_row good = {.cl = 1, .stamp = {9, 0, 1}};
    assert_int_equal(sync_encoder_row(e, 0, &key, &good, NULL), SYNC_MISUSE);
    assert_int_equal(sync_encoder_finish(e, NULL, &out, &bytes, NULL), SYNC_MISUSE);
    const sync_row bad[] = {{.cl = 0, .stamp = {9, 0, 1}}, {.cl = 1, .stamp = {9, 1, 1}}, {.cl = 2}};
    for (size_t i = 0; i < 3; i++) {
        sync_error error = {0};
        assert_int_equal(sync_encoder_begin(e, &head, &error), SYNC_OK);
        assert_int_equal(sync_encoder_row(e, 0, &key, &bad[i], &error), SYNC_MISUSE);
        assert_int_equal(error.code, SYNC_MISUSE);
        assert_int_equal(sync_encoder_finish(e, NULL, &out, &bytes, NULL), SYNC_MISUSE);
    }
    assert_int_equal(sync_encoder_begin(e, &head, NULL), SYNC_OK);
    assert_int_equal(sync_encoder_row(e, 1, &key, &good, NULL), SYNC_MISUSE);
    assert_non_null(sync_row_set(&good, 2, good.stamp));
    assert_int_equal(sync_encoder_begin(e, &head, NULL), SYNC_OK);
    assert_int_equal(sync_encoder_row(e, 0, &key, &good, NULL), SYNC_MISUSE);
    assert_int_equal(sync_encoder_begin(e, &head, NULL), SYNC_OK);
    sync_closing closing = {0};
    assert_int_equal(sync_encoder_finish(e, &closing, &out, &bytes, NULL), SYNC_MISUSE);
    head.site[3] = 1;
    assert_int_equal(sync_encoder_begin(e, &head, NULL), SYNC_MISUSE);
    sync_row_free(&good);
    sync_head_free(&head);
    sync_encoder_free(e);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    leaf_seed(16);
    changes c = {0};
    make_changes(&c, 6, TABLES, true);
    int struck = 0;
    for (long good = 0;; good++) {
        fault_arm(good);
        sync_error error = {0};
        const void *out = NULL;
        size_t bytes = 0;
        uint32_t rows = 0;
        sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
        int rc = e != NULL ? encode(e, &c, &out, &bytes, &error) : SYNC_NOMEM;
        if (rc == SYNC_OK) {
            rc = read_all(out, bytes, 1 << 20, &rows);
        }
        sync_encoder_free(e);
        bool hit = fault_disarm();
        if (rc == SYNC_DONE) {
            assert_int_equal(rows, 6);
            break;
        }
        assert_true(hit);
        assert_int_equal(rc, SYNC_NOMEM);
        struck++;
    }
    assert_true(struck > 50);
    free_changes(&c);
}

/* ---- seen blobs ---- */

static void test_seen(void **state)
{
    (void)state;
    leaf_seed(17);
    sync_head head;
    sync_head got;
    make_head(&head, true);
    sync_buf buf = {0};
    sync_buf_put_u8(&buf, 'x'); /* appends */
    assert_int_equal(sync_seen_put(&buf, &head), SYNC_OK);
    uint8_t *blob = buf.data + 1;
    size_t bytes = buf.len - 1;
    assert_int_equal(sync_seen_get(blob, bytes, &got, NULL), SYNC_OK);
    assert_head(&got, &head);
    sync_head_free(&got);
    for (size_t cut = 0; cut < bytes; cut++) {
        sync_error error = {0};
        assert_int_equal(sync_seen_get(blob, cut, &got, &error), SYNC_CORRUPT);
        assert_int_equal(error.code, SYNC_CORRUPT);
        assert_int_equal(got.table_count, 0);
    }
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int rc = sync_seen_get(blob, bytes, &got, NULL);
        assert_int_equal(rc, bit / 8 == 4 && bit % 8 != 0 ? SYNC_FORMAT : SYNC_CORRUPT);
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    head.site[0] ^= 1;
    size_t len = buf.len;
    assert_int_equal(sync_seen_put(&buf, &head), SYNC_MISUSE);
    assert_int_equal(buf.len, len);
    head.site[0] ^= 1;
    for (long good = 0;; good++) {
        fault_arm(good);
        int rc = sync_seen_get(blob, bytes, &got, NULL);
        bool hit = fault_disarm();
        if (rc == SYNC_OK) {
            assert_true(good > 70);
            break;
        }
        assert_true(hit && rc == SYNC_NOMEM && got.sites == NULL);
    }
    sync_head_free(&got);
    sync_buf_free(&buf);
    sync_head_free(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_long_changeset),
        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test(test_memory_follows_what_arrives),
        cmocka_unit_test(test_malformed_contents),
        cmocka_unit_test(test_damaged_on_the_way),
        cmocka_unit_test(test_frames_that_are_refused),
        cmocka_unit_test(test_heads_that_are_refused),
        cmocka_unit_test(test_encoder_misuse),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_seen),
    };
    return fault_install() != 0 ? 1 : cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
