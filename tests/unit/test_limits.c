/* Bounds of the engine at n and at n + 1. */
#include "leaf_rows.h"

#include "codec.h"
#include "limits.h"
#include "vector.h"

#include <stdio.h>
#include <string.h>

static void test_sites_and_tables(void **state)
{
    (void)state;
    sync_head head = {0};
    assert_int_equal(sync_head_set_sites(&head, SYNC_SITES_MAX), SYNC_OK);
    assert_int_equal(sync_head_set_sites(&head, SYNC_SITES_MAX + 1), SYNC_TOOBIG);
    assert_int_equal(sync_head_set_tables(&head, SYNC_TABLES_MAX), SYNC_OK);
    assert_int_equal(sync_head_set_tables(&head, SYNC_TABLES_MAX + 1), SYNC_TOOBIG);
    sync_head_free(&head);
}

/* Into the only table of a head. */
static int begin_table(sync_head *head, const char *name, uint32_t keys, uint32_t columns)
{
    assert_int_equal(sync_head_set_tables(head, 1), SYNC_OK);
    return sync_table_head_init(head->tables, name, SYNC_BY_KEY, keys, columns);
}

static void test_columns(void **state)
{
    (void)state;
    sync_head head = {0};
    assert_int_equal(begin_table(&head, "t", SYNC_KEY_COLUMNS_MAX, 1), SYNC_OK);
    assert_int_equal(begin_table(&head, "t", SYNC_KEY_COLUMNS_MAX + 1, 1), SYNC_TOOBIG);
    assert_int_equal(begin_table(&head, "t", 1, SYNC_COLUMNS_MAX), SYNC_OK);
    assert_int_equal(begin_table(&head, "t", 1, SYNC_COLUMNS_MAX + 1), SYNC_TOOBIG);
    sync_head_free(&head);
}

static void test_names(void **state)
{
    (void)state;
    static char name[SYNC_NAME_BYTES_MAX + 2];
    sync_head head = {0};
    for (size_t bytes = SYNC_NAME_BYTES_MAX; bytes <= SYNC_NAME_BYTES_MAX + 1; bytes++) {
        const int expected = bytes == SYNC_NAME_BYTES_MAX ? SYNC_OK : SYNC_TOOBIG;
        memset(name, 'n', bytes);
        assert_int_equal(begin_table(&head, name, 1, 1), expected);
        assert_int_equal(begin_table(&head, "t", 1, 1), SYNC_OK);
        assert_int_equal(sync_table_head_key(head.tables, 0, name, SYNC_STORES_ANY, ""), expected);
        assert_int_equal(sync_table_head_key(head.tables, 0, "k", SYNC_STORES_ANY, name), expected);
        assert_int_equal(sync_table_head_col(head.tables, 0, name), expected);
    }
    sync_head_free(&head);
}

static void test_matrices(void **state)
{
    (void)state;
    sync_matrix m;
    assert_int_equal(sync_matrix_init(&m, 1, SYNC_MATRIX_CELLS_MAX), SYNC_OK);
    sync_matrix_free(&m);
    assert_int_equal(sync_matrix_init(&m, 1, SYNC_MATRIX_CELLS_MAX + 1), SYNC_TOOBIG);
    assert_null(m.cell);
}

/* What is written with so many names in its head; a key column counts twice. */
static int write_names(uint32_t names, sync_error *error)
{
    enum { TABLES = 3 };
    sync_head head = {0};
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    assert_int_equal(sync_head_set_sites(&head, 1), SYNC_OK);
    assert_int_equal(sync_head_set_tables(&head, TABLES), SYNC_OK);
    uint32_t left = names - 2 * TABLES;
    for (uint32_t t = 0; t < TABLES; t++) {
        const uint32_t columns = left < SYNC_COLUMNS_MAX ? left : SYNC_COLUMNS_MAX;
        char name[16];
        snprintf(name, sizeof name, "t%u", t);
        assert_int_equal(sync_table_head_init(&head.tables[t], name, SYNC_BY_KEY, 1, columns), SYNC_OK);
        assert_int_equal(sync_table_head_key(&head.tables[t], 0, "k", SYNC_STORES_ANY, ""), SYNC_OK);
        for (uint32_t c = 0; c < columns; c++) {
            snprintf(name, sizeof name, "c%u", c);
            assert_int_equal(sync_table_head_col(&head.tables[t], c, name), SYNC_OK);
        }
        left -= columns;
    }
    assert_int_equal(left, 0);
    assert_int_equal(sync_matrix_init(&head.base, TABLES, 1), SYNC_OK);
    assert_int_equal(sync_matrix_init(&head.start, TABLES, 1), SYNC_OK);
    int rc = sync_encoder_begin(e, &head, error);
    sync_head_free(&head);
    sync_encoder_free(e);
    return rc;
}

static void test_names_in_one_head(void **state)
{
    (void)state;
    sync_error error = {0};
    assert_int_equal(write_names(SYNC_HEAD_NAMES_MAX, &error), SYNC_OK);
    assert_int_not_equal(write_names(SYNC_HEAD_NAMES_MAX + 1, &error), SYNC_OK);
    assert_non_null(strstr(error.text, "too many columns in all tables together"));
}

static void test_error_texts(void **state)
{
    (void)state;
    char text[SYNC_ERROR_BYTES + 1];
    for (size_t bytes = SYNC_ERROR_BYTES - 1; bytes <= SYNC_ERROR_BYTES; bytes++) {
        sync_error error = {0};
        memset(text, 'x', bytes);
        text[bytes] = 0;
        assert_int_equal(sync_fail(&error, SYNC_ERROR, "%s", text), SYNC_ERROR);
        assert_int_equal(strlen(error.text), SYNC_ERROR_BYTES - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sites_and_tables),
                                       cmocka_unit_test(test_columns),
                                       cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_matrices),
                                       cmocka_unit_test(test_names_in_one_head),
                                       cmocka_unit_test(test_error_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
