/* Changesets there and back, their memory, and what the encoder refuses. */
#include "codec_samples.h"

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

/* As a selection: it presumes nothing. */
static void select_all(changes *c, sync_purpose purpose)
{
    memset(c->head.base.cell, 0, (size_t)TABLES * SITES * sizeof *c->head.base.cell);
    memset(c->head.start.cell, 0, TABLES * sizeof *c->head.start.cell);
    c->head.purpose = purpose;
    for (uint32_t t = 0; t < TABLES; t++) {
        c->head.tables[t].whole = purpose == SYNC_FOR_LEAF && leaf_chance(50);
        c->head.tables[t].known = leaf_number();
    }
}

static void test_selections(void **state)
{
    (void)state;
    leaf_seed(11);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    for (int i = 0; i < 100; i++) {
        changes c = {0};
        sync_decoder *d = NULL;
        sync_error error = {0};
        const void *out = NULL;
        size_t bytes = 0;
        sync_purpose purpose = i % 2 ? SYNC_FOR_LEAF : SYNC_FOR_AUTHOR;
        make_changes(&c, leaf_below(40), TABLES, leaf_chance(50));
        select_all(&c, purpose);
        assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
        assert_int_equal(((const uint8_t *)out)[4], SYNC_FORMAT_VERSION_SELECTION);
        assert_decodes(&c, out, bytes);
        assert_int_equal(sync_decoder_open(out, bytes, SYNC_VALUE_BYTES_MAX, &d, &error), SYNC_OK);
        const sync_head *head = sync_decoder_head(d);
        assert_int_equal(head->purpose, purpose);
        for (uint32_t t = 0; t < TABLES; t++) {
            assert_int_equal(head->tables[t].whole, c.head.tables[t].whole);
            assert_true(head->tables[t].known == c.head.tables[t].known);
        }
        sync_decoder_close(d);
        free_changes(&c);
    }
    sync_encoder_free(e);
}

/* What no sender of selections says. */
static void test_selections_that_are_none(void **state)
{
    (void)state;
    leaf_seed(12);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    for (int wrong = 0; wrong < 5; wrong++) {
        changes c = {0};
        sync_decoder *d = NULL;
        sync_error error = {0};
        const void *out = NULL;
        size_t bytes = 0;
        make_changes(&c, 3, TABLES, true);
        select_all(&c, SYNC_FOR_LEAF);
        if (wrong == 0) {
            sync_matrix_set(&c.head.base, 1, 2, 1); /* it presumes something */
        } else if (wrong == 1) {
            sync_matrix_set(&c.head.start, 2, 0, 1);
        } else if (wrong == 2) {
            c.head.purpose = (sync_purpose)3;
        } else if (wrong == 3) {
            c.head.purpose = SYNC_FOR_AUTHOR;
            c.head.tables[0].whole = true;
        }
        assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
        assert_int_equal(sync_decoder_open(out, bytes, SYNC_VALUE_BYTES_MAX, &d, &error),
                         wrong == 4 ? SYNC_OK : SYNC_CORRUPT);
        sync_decoder_close(d);
        free_changes(&c);
    }
    sync_encoder_free(e);
}

/* Many times the buffers on both sides. */
static bool is_full(const changes *c, uint32_t i)
{
    const sync_row *row = &c->rows[i];
    bool born = c->head.tables[c->table[i]].identity == SYNC_BY_ROW && row->stamp.written;
    bool full = row->cl == 1 && !sync_stamp_is_none(row->stamp) && !row->moved && row->ref_count == 0 &&
                sync_stamp_equal(row->born, born ? row->stamp : SYNC_STAMP_NONE) &&
                row->count == col_counts[c->table[i]];
    for (uint32_t n = 0; full && n < row->count; n++) {
        full = sync_stamp_equal(row->cells[n].stamp, row->stamp);
    }
    return full;
}

/* The short way of encoding a row gives the same bytes as the general one. */
static void test_full_rows_are_the_same(void **state)
{
    (void)state;
    uint32_t full = 0;
    sync_encoder *general = sync_encoder_new(SYNC_ZSTD_LEVEL), *quick = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_true(general != NULL && quick != NULL);
    for (int round = 0; round < 50; round++) {
        changes c;
        const void *out = NULL, *same = NULL;
        size_t bytes = 0, same_bytes = 0;
        make_changes(&c, 100, TABLES, true);
        assert_int_equal(encode(general, &c, &out, &bytes, NULL), SYNC_OK);
        assert_int_equal(sync_encoder_begin(quick, &c.head, NULL), SYNC_OK);
        for (uint32_t i = 0; i < c.count; i++) {
            if (!is_full(&c, i)) {
                assert_int_equal(sync_encoder_row(quick, c.table[i], c.key[i], &c.rows[i], NULL), SYNC_OK);
                continue;
            }
            sync_value values[SYNC_KEY_COLUMNS_MAX + 20];
            uint32_t keys = key_counts[c.table[i]];
            memcpy(values, c.key[i], keys * sizeof values[0]);
            for (uint32_t n = 0; n < c.rows[i].count; n++) {
                values[keys + n] = c.rows[i].cells[n].value;
            }
            assert_int_equal(sync_encoder_full_row(quick, c.table[i], c.rows[i].stamp, values, NULL),
                             SYNC_OK);
            full++;
        }
        assert_int_equal(sync_encoder_finish(quick, &c.closing, &same, &same_bytes, NULL), SYNC_OK);
        assert_int_equal(same_bytes, bytes);
        assert_memory_equal(same, out, bytes);
        free_changes(&c);
    }
    assert_true(full > 100);
    sync_value value = {.type = SYNC_NULL};
    assert_int_equal(sync_encoder_full_row(quick, 0, (sync_stamp){9, 0, 1}, &value, NULL), SYNC_MISUSE);
    sync_encoder_free(general);
    sync_encoder_free(quick);
}

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
    assert_int_equal(sync_table_head_key(head->tables, 0, "k", SYNC_STORES_ANY, ""), SYNC_OK);
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
    assert_in_range(bytes, (large - SYNC_ITEM_FREE) / SYNC_ITEM_RATIO,
                    (large - SYNC_ITEM_FREE) / SYNC_ITEM_RATIO + 1000);
    free(zeros);
    size_t frame = bytes; /* without what makes it long enough */
    while (((const uint8_t *)out)[frame - 1] == 0) {
        frame--;
    }
    uint32_t rows = 0;
    (void)sqlite3_memory_highwater(1);
    sqlite3_int64 before = sqlite3_memory_used();
    assert_int_equal(read_all(out, bytes, 1 << 20, &rows), SYNC_TOOBIG);
    assert_true(sqlite3_memory_highwater(1) - before < 1 << 20);
    assert_int_equal(read_all(out, frame / 100, SYNC_VALUE_BYTES_MAX, &rows), SYNC_CORRUPT);
    assert_true(sqlite3_memory_highwater(1) - before < 4 << 20);
    assert_int_equal(read_all(out, frame, SYNC_VALUE_BYTES_MAX, &rows), SYNC_TOOBIG);
    assert_true(sqlite3_memory_highwater(1) - before < 8 << 20);
    assert_int_equal(read_all(out, bytes, SYNC_VALUE_BYTES_MAX, &rows), SYNC_DONE);
    sync_encoder_free(e);
}

/* Many rows that are nearly nothing: as much comes out of a changeset as its bytes are worth. */
static void test_rows_that_compress_too_well(void **state)
{
    (void)state;
    enum { ROWS = 600 };
    size_t size = 100000;
    uint8_t *zeros = calloc(1, size);
    assert_non_null(zeros);
    sync_value *blobs = calloc(ROWS, sizeof blobs[0]);
    assert_non_null(blobs);
    for (uint32_t i = 0; i < ROWS; i++) {
        blobs[i] = (sync_value){.type = SYNC_BLOB, .bytes = size, .data = zeros};
    }
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    const void *out = NULL;
    size_t bytes = 0;
    uint32_t rows = 0;
    encode_blobs(e, blobs, ROWS, &out, &bytes);
    assert_true(bytes >= (ROWS * size - SYNC_ALL_FREE) / SYNC_ALL_RATIO);
    assert_int_equal(read_all(out, bytes, size, &rows), SYNC_DONE);
    assert_int_equal(rows, ROWS);
    assert_int_equal(read_all(out, bytes - 10000, size, &rows), SYNC_TOOBIG);
    encode_blobs(e, blobs, SYNC_ALL_FREE / (uint32_t)size, &out, &bytes);
    assert_true(bytes < 10000);
    assert_int_equal(read_all(out, bytes, size, &rows), SYNC_DONE);
    sync_encoder_free(e);
    free(blobs);
    free(zeros);
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
        cmocka_unit_test(test_selections),
        cmocka_unit_test(test_selections_that_are_none),
        cmocka_unit_test(test_full_rows_are_the_same),
        cmocka_unit_test(test_long_changeset),
        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test(test_memory_follows_what_arrives),
        cmocka_unit_test(test_rows_that_compress_too_well),
        cmocka_unit_test(test_encoder_misuse),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_seen),
    };
    return fault_install() != 0 ? 1 : cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
