/* What the codec refuses to write: heads and rows that no reader would take, and more than there is memory for. */
#include "codec_samples.h"

static char long_name[SYNC_NAME_BYTES_MAX + 2];

/* One site, one table "t" with key "k" and `columns` columns. */
static void small_head(sync_head *head, sync_identity identity, uint32_t columns)
{
    memset(head, 0, sizeof *head);
    assert_int_equal(sync_head_set_sites(head, 1), SYNC_OK);
    assert_int_equal(sync_head_set_tables(head, 1), SYNC_OK);
    assert_int_equal(sync_table_head_init(head->tables, "t", identity, 1, columns), SYNC_OK);
    assert_int_equal(sync_table_head_key(head->tables, 0, "k", SYNC_STORES_ANY, ""), SYNC_OK);
    for (uint32_t i = 0; i < columns; i++) {
        assert_int_equal(sync_table_head_col(head->tables, i, "c"), SYNC_OK);
    }
    assert_int_equal(sync_matrix_init(&head->base, 1, 1), SYNC_OK);
    assert_int_equal(sync_matrix_init(&head->start, 1, 1), SYNC_OK);
}

static void test_heads_that_are_too_large(void **state)
{
    (void)state;
    sync_head head = {0};
    sync_table_head t = {0};
    memset(long_name, 'n', SYNC_NAME_BYTES_MAX + 1);
    assert_int_equal(sync_head_set_sites(&head, SYNC_SITES_MAX + 1), SYNC_TOOBIG);
    assert_int_equal(sync_head_set_tables(&head, SYNC_TABLES_MAX + 1), SYNC_TOOBIG);
    assert_int_equal(sync_table_head_init(&t, long_name, SYNC_BY_KEY, 1, 1), SYNC_TOOBIG);
    assert_int_equal(sync_table_head_init(&t, "t", SYNC_BY_KEY, SYNC_KEY_COLUMNS_MAX + 1, 1), SYNC_TOOBIG);
    assert_int_equal(sync_table_head_init(&t, "t", SYNC_BY_KEY, 1, SYNC_COLUMNS_MAX + 1), SYNC_TOOBIG);
    assert_null(t.name);

    small_head(&head, SYNC_BY_KEY, 1);
    sync_table_head *table = head.tables;
    assert_int_equal(sync_table_head_key(table, 0, long_name, SYNC_STORES_ANY, ""), SYNC_TOOBIG);
    assert_int_equal(sync_table_head_key(table, 0, "k", SYNC_STORES_ANY, long_name), SYNC_TOOBIG);
    assert_int_equal(sync_table_head_key(table, 1, "k", SYNC_STORES_ANY, ""), SYNC_MISUSE);
    assert_int_equal(sync_table_head_col(table, 0, long_name), SYNC_TOOBIG);
    assert_int_equal(sync_table_head_col(table, 1, "c"), SYNC_MISUSE);
    assert_string_equal(table->col_names[0], "c");
    assert_int_equal(sync_head_set_tables(&head, 2), SYNC_OK); /* what was there is given back */
    sync_head_free(&head);
}

/* Each name by itself is no longer than it may be, but all together are. */
static void test_names_that_are_too_long_together(void **state)
{
    (void)state;
    enum { MANY = (SYNC_HEAD_BYTES_MAX >> 10) + 8 };
    sync_head head = {0};
    sync_error error = {0};
    char name[1025];
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    memset(name, 'n', 1024);
    name[1024] = 0;
    assert_int_equal(sync_head_set_sites(&head, 1), SYNC_OK);
    assert_int_equal(sync_head_set_tables(&head, MANY), SYNC_OK);
    for (uint32_t i = 0; i < MANY; i++) {
        name[0] = (char)('a' + i % 26); /* all different */
        name[1] = (char)('a' + i / 26 % 26);
        name[2] = (char)('a' + i / 676);
        assert_int_equal(sync_table_head_init(&head.tables[i], name, SYNC_BY_KEY, 1, 0), SYNC_OK);
        assert_int_equal(sync_table_head_key(&head.tables[i], 0, "k", SYNC_STORES_ANY, ""), SYNC_OK);
    }
    assert_int_equal(sync_matrix_init(&head.base, MANY, 1), SYNC_OK);
    assert_int_equal(sync_matrix_init(&head.start, MANY, 1), SYNC_OK);
    assert_int_equal(sync_encoder_begin(e, &head, &error), SYNC_TOOBIG);
    assert_non_null(strstr(error.text, "too many sites, tables and columns in all"));
    sync_head_free(&head);
    sync_encoder_free(e);
}

static void assert_refused(const sync_head *head, sync_encoder *e)
{
    sync_error error = {0};
    sync_buf buf = {0};
    assert_int_equal(sync_encoder_begin(e, head, &error), SYNC_MISUSE);
    assert_int_equal(error.code, SYNC_MISUSE);
    assert_int_equal(sync_seen_put(&buf, head), SYNC_MISUSE);
    sync_buf_free(&buf);
}

static void test_heads_that_are_wrong(void **state)
{
    (void)state;
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    sync_head head;
    small_head(&head, SYNC_BY_KEY, 1);

    sync_head wrong = head;
    wrong.site_count = 0;
    assert_refused(&wrong, e);
    wrong.site_count = SYNC_SITES_MAX + 1;
    assert_refused(&wrong, e);
    wrong = head;
    wrong.table_count = SYNC_TABLES_MAX + 1;
    assert_refused(&wrong, e);

    wrong = head;
    wrong.base.sites = 2;
    assert_refused(&wrong, e);
    wrong.base.sites = 1;
    wrong.base.tables = 2;
    assert_refused(&wrong, e);
    wrong = head;
    wrong.start.sites = 2;
    assert_refused(&wrong, e);

    sync_table_head table = head.tables[0], good = table;
    wrong = head;
    wrong.tables = &table;
    table.name = NULL;
    assert_refused(&wrong, e);
    table = good;
    table.key_count = 0;
    assert_refused(&wrong, e);
    table = good;
    table.key_names = table.key_collations = (char *[]){NULL};
    assert_refused(&wrong, e);
    table.key_names = good.key_names;
    assert_refused(&wrong, e);
    table = good;
    table.col_names = (char *[]){NULL};
    assert_int_equal(sync_encoder_begin(e, &wrong, NULL), SYNC_MISUSE);
    sync_buf buf = {0};
    assert_int_equal(sync_seen_put(&buf, &wrong), SYNC_OK); /* says nothing of columns */
    sync_buf_free(&buf);
    sync_head_free(&head);
    sync_encoder_free(e);
}

static void assert_no_row(sync_encoder *e, const sync_head *head, uint32_t table, const sync_row *row)
{
    static const sync_value key = {.type = SYNC_INTEGER, .i = 1};
    sync_error error = {0};
    assert_int_equal(sync_encoder_begin(e, head, NULL), SYNC_OK);
    assert_int_equal(sync_encoder_row(e, table, &key, row, &error), SYNC_MISUSE);
    assert_int_equal(error.code, SYNC_MISUSE);
}

static void test_rows_that_are_wrong(void **state)
{
    (void)state;
    sync_encoder *e = sync_encoder_new(100); /* a level above all there are: the highest */
    assert_non_null(e);
    sync_head head;
    small_head(&head, SYNC_BY_ROW, 2);
    assert_no_row(e, &head, 0, &(sync_row){.cl = 3, .stamp = {9, 0, 1}});
    assert_no_row(e, &head, 1, &(sync_row){.cl = 1, .stamp = {9, 0, 1}});
    sync_cell cells[2] = {{.col = 1, .stamp = {9, 0, 1}, .carried = true}, {.col = 1, .stamp = {9, 0, 1}}};
    sync_row row = {.cl = 1, .stamp = {9, 0, 1}, .count = 2, .cells = cells};
    assert_no_row(e, &head, 0, &row); /* a column twice */
    cells[1].col = 2;
    assert_no_row(e, &head, 0, &row);
    row.count = 1;
    cells[0].stamp.site = 1;
    assert_no_row(e, &head, 0, &row);
    cells[0].stamp = SYNC_STAMP_NONE;
    assert_no_row(e, &head, 0, &row);

    static const sync_value values[3];
    static const struct {
        uint32_t table;
        sync_stamp stamp;
    } full[] = {{1, {9, 0, 1}}, {0, {9, 1, 1}}, {0, {0, 0, 0}}};
    for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
        assert_int_equal(sync_encoder_begin(e, &head, NULL), SYNC_OK);
        assert_int_equal(sync_encoder_full_row(e, full[i].table, full[i].stamp, values, NULL), SYNC_MISUSE);
        assert_int_equal(sync_encoder_full_row(e, 0, (sync_stamp){9, 0, 1}, values, NULL), SYNC_MISUSE);
    }
    assert_int_equal(sync_encoder_begin(e, &head, NULL), SYNC_OK);
    sync_closing closing = {0};
    const void *out = NULL;
    size_t bytes = 0;
    assert_int_equal(sync_matrix_init(&closing.seen, 1, 2), SYNC_OK);
    assert_int_equal(sync_encoder_finish(e, &closing, &out, &bytes, NULL), SYNC_MISUSE);
    sync_matrix_free(&closing.seen);
    sync_head_free(&head);
    sync_encoder_free(e);
}

/* A file that tracks nothing has something to say too: that it has nothing. */
static void test_no_tables(void **state)
{
    (void)state;
    sync_head head = {0}, got;
    sync_closing closing = {.end = 7};
    const void *out = NULL;
    size_t bytes = 0;
    uint32_t rows = 0;
    assert_int_equal(sync_head_set_sites(&head, 1), SYNC_OK);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    assert_int_equal(sync_encoder_begin(e, &head, NULL), SYNC_OK);
    assert_int_equal(sync_encoder_finish(e, &closing, &out, &bytes, NULL), SYNC_OK);
    assert_int_equal(read_all(out, bytes, 1 << 20, &rows), SYNC_DONE);
    assert_int_equal(rows, 0);
    sync_buf buf = {0};
    assert_int_equal(sync_seen_put(&buf, &head), SYNC_OK);
    assert_int_equal(sync_seen_get(buf.data, buf.len, &got, NULL), SYNC_OK);
    assert_int_equal(got.table_count, 0);
    sync_head_free(&got);
    sync_buf_free(&buf);
    sync_head_free(&head);
    sync_encoder_free(e);
}

/* A row whose key, and one whose cells are given to the compressor by themselves, as a row and as a full row. */
static int encode_large(sync_encoder *e, const sync_head *head, const sync_value *values, bool full)
{
    sync_cell cells[2] = {{.col = 0, .stamp = {9, 0, 1}, .carried = true, .value = values[1]},
                          {.col = 1, .stamp = {8, 0, 1}, .carried = true, .value = values[2]}};
    sync_row row = {.cl = 1, .stamp = {9, 0, 1}, .count = 2, .cells = cells};
    const void *out = NULL;
    size_t bytes = 0;
    sync_error error = {0};
    int rc = sync_encoder_begin(e, head, &error);
    for (int i = 0; rc == SYNC_OK && i < 3; i++) {
        cells[1].stamp.hlc = 8u + (uint64_t)i; /* as the row's in the second: full in another way */
        rc = full ? sync_encoder_full_row(e, 0, row.stamp, values, &error)
                  : sync_encoder_row(e, 0, values, &row, &error);
    }
    rc = rc == SYNC_OK ? sync_encoder_finish(e, NULL, &out, &bytes, &error) : rc;
    assert_int_equal(error.code, rc);
    return rc;
}

static void test_out_of_memory_with_large_values(void **state)
{
    (void)state;
    enum {
        BYTES = 200 << 10,
        PADDED = 5 << 20
    }; /* and some that compress to nothing, so that there is padding */
    uint8_t *noise = malloc(BYTES), *zeros = calloc(1, PADDED);
    assert_non_null(noise);
    assert_non_null(zeros);
    leaf_seed(21);
    for (size_t i = 0; i < BYTES; i++) {
        noise[i] = (uint8_t)leaf_next();
    }
    sync_head head;
    small_head(&head, SYNC_BY_KEY, 2);
    sync_value large = {.type = SYNC_BLOB, .data = noise, .bytes = BYTES}, small = {.type = SYNC_NULL},
               padded = {.type = SYNC_BLOB, .data = zeros, .bytes = PADDED};
    const sync_value shapes[][3] = {{large, small, small},
                                    {small, large, small},
                                    {small, small, large},
                                    {large, large, large},
                                    {small, small, padded}};
    for (size_t shape = 0; shape < 2 * sizeof shapes / sizeof *shapes; shape++) {
        int rc = SYNC_NOMEM;
        for (long good = 0; rc != SYNC_OK; good++) {
            fault_arm(good);
            sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
            rc = e ? encode_large(e, &head, shapes[shape / 2], shape % 2) : SYNC_NOMEM;
            sync_encoder_free(e);
            bool hit = fault_disarm();
            assert_int_equal(rc, hit ? SYNC_NOMEM : SYNC_OK);
        }
    }
    sync_head_free(&head);
    free(noise);
    free(zeros);
}

static void test_heads_without_memory(void **state)
{
    (void)state;
    int rc = SYNC_NOMEM;
    for (long good = 0; rc != SYNC_OK; good++) {
        sync_head head = {0};
        sync_buf buf = {0};
        fault_arm(good);
        rc = sync_head_set_sites(&head, 1);
        rc = rc == SYNC_OK ? sync_head_set_tables(&head, 1) : rc;
        rc = rc == SYNC_OK ? sync_table_head_init(head.tables, "t", SYNC_BY_KEY, 1, 1) : rc;
        rc = rc == SYNC_OK ? sync_table_head_key(head.tables, 0, "k", SYNC_STORES_ANY, "NOCASE") : rc;
        rc = rc == SYNC_OK ? sync_table_head_col(head.tables, 0, "c") : rc;
        rc = rc == SYNC_OK ? sync_matrix_init(&head.base, 1, 1) : rc;
        rc = rc == SYNC_OK ? sync_matrix_init(&head.start, 1, 1) : rc;
        rc = rc == SYNC_OK ? sync_seen_put(&buf, &head) : rc;
        bool hit = fault_disarm();
        assert_int_equal(rc, hit ? SYNC_NOMEM : SYNC_OK);
        sync_buf_free(&buf);
        sync_head_free(&head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads_that_are_too_large),
        cmocka_unit_test(test_names_that_are_too_long_together),
        cmocka_unit_test(test_heads_that_are_wrong),
        cmocka_unit_test(test_rows_that_are_wrong),
        cmocka_unit_test(test_no_tables),
        cmocka_unit_test(test_out_of_memory_with_large_values),
        cmocka_unit_test(test_heads_without_memory),
    };
    return fault_install() != 0 ? 1 : cmocka_run_group_tests_name("codec limits", tests, NULL, NULL);
}
