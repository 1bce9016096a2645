/* Matrices of tables by sites. */
#include "leaf_rows.h"

#include "leaf_fault.h"
#include "vector.h"

static void test_cells(void **state)
{
    (void)state;
    sync_matrix m;
    assert_int_equal(sync_matrix_init(&m, 2, 3), SYNC_OK);
    assert_int_equal(sync_matrix_at(&m, 1, 2), 0);
    sync_matrix_set(&m, 1, 2, 7);
    sync_matrix_raise(&m, 1, 2, 5);
    assert_int_equal(sync_matrix_at(&m, 1, 2), 7);
    sync_matrix_raise(&m, 1, 2, 9);
    assert_int_equal(sync_matrix_at(&m, 1, 2), 9);
    sync_matrix_set(&m, 1, 2, 1);
    assert_int_equal(sync_matrix_at(&m, 1, 2), 1);
    assert_int_equal(sync_matrix_at(&m, 0, 2), 0);
    assert_int_equal(sync_matrix_at(&m, 1, 1), 0);
    sync_matrix_free(&m);
    assert_null(m.cell);
}

static void test_bounds(void **state)
{
    (void)state;
    sync_matrix m;
    assert_int_equal(sync_matrix_init(&m, SYNC_TABLES_MAX, SYNC_SITES_MAX), SYNC_TOOBIG);
    assert_null(m.cell);
    assert_int_equal(m.tables, 0);
    assert_int_equal(sync_matrix_init(&m, 0, 5), SYNC_OK);
    sync_matrix_free(&m);
    fault_arm(0);
    assert_int_equal(sync_matrix_init(&m, 1, 1), SYNC_NOMEM);
    assert_true(fault_disarm());
    assert_int_equal(m.tables, 0);
}

static void make(sync_matrix *m, uint32_t tables, uint32_t sites)
{
    assert_int_equal(sync_matrix_init(m, tables, sites), SYNC_OK);
    for (uint32_t s = 0; s < sites; s++) {
        uint64_t common = leaf_number();
        uint32_t exceptional = leaf_below(101);
        for (uint32_t t = 0; t < tables; t++) {
            sync_matrix_set(m, t, s, leaf_chance(exceptional) ? leaf_number() : common);
        }
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    leaf_seed(2);
    for (int i = 0; i < 300; i++) {
        uint32_t tables = leaf_below(12);
        uint32_t sites = leaf_below(12);
        sync_matrix m;
        sync_matrix got;
        make(&m, tables, sites);
        sync_buf buf = {0};
        sync_matrix_put(&buf, &m);
        sync_span span = sync_span_of(buf.data, buf.len);
        assert_int_equal(sync_matrix_get(&span, &got, tables, sites), SYNC_OK);
        assert_int_equal(sync_span_left(&span), 0);
        assert_int_equal(got.tables, tables);
        assert_int_equal(got.sites, sites);
        for (uint32_t c = 0; c < tables * sites; c++) {
            assert_true(got.cell[c] == m.cell[c]);
        }
        sync_matrix_free(&got);
        for (size_t cut = 0; cut < buf.len; cut++) {
            span = sync_span_of(buf.data, cut);
            assert_int_equal(sync_matrix_get(&span, &got, tables, sites), SYNC_CORRUPT);
            assert_null(got.cell);
            assert_true(span.bad && span.want > 0);
        }
        sync_buf_free(&buf);
        sync_matrix_free(&m);
    }
}

static void test_equal_tables_take_one_row(void **state)
{
    (void)state;
    sync_matrix m;
    assert_int_equal(sync_matrix_init(&m, 1000, 2), SYNC_OK);
    for (uint32_t t = 0; t < 1000; t++) {
        sync_matrix_set(&m, t, 0, 100);
        sync_matrix_set(&m, t, 1, t == 0 ? 5 : 101);
    }
    sync_buf buf = {0};
    sync_matrix_put(&buf, &m);
    assert_int_equal(buf.len, 2 + 2 + 2); /* the first table is no reason to list the others */
    sync_buf_free(&buf);
    sync_matrix_free(&m);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[8];
    } cases[] = {
        {"more exceptions than tables", {0, 3, 0, 1, 1, 1}},
        {"a table that is not there", {0, 1, 2, 1}},
        {"the same table twice", {0, 2, 1, 1, 0, 1}},
        {"beyond the last table", {0, 2, 1, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sync_span span = sync_span_of(cases[i].bytes, sizeof cases[i].bytes);
        sync_matrix got;
        assert_int_equal(sync_matrix_get(&span, &got, 2, 1), SYNC_CORRUPT);
        assert_null(got.cell);
        assert_int_equal(span.want, 0);
    }
    sync_span span = sync_span_of("", 0);
    sync_matrix got;
    fault_arm(0); /* nothing may be allocated for sites that were not sent */
    assert_int_equal(sync_matrix_get(&span, &got, 16, SYNC_SITES_MAX), SYNC_CORRUPT);
    (void)fault_disarm();
    static const uint8_t one[2];
    span = sync_span_of(one, sizeof one);
    fault_arm(0);
    assert_int_equal(sync_matrix_get(&span, &got, 1, 1), SYNC_NOMEM);
    assert_true(fault_disarm());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),      cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_equal_tables_take_one_row),
        cmocka_unit_test(test_malformed),
    };
    return fault_install() != 0 ? 1 : cmocka_run_group_tests_name("vector", tests, NULL, NULL);
}
