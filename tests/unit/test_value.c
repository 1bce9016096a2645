/* Values survive bit for bit, in the bytes that docs/FORMAT.md says. */
#include "leaf_rows.h"

#include <math.h>

static void round_trip(const sync_value *v, size_t bytes)
{
    sync_buf buf = {0};
    sync_value_put(&buf, v);
    if (bytes > 0) {
        assert_int_equal(buf.len, bytes);
    }
    sync_span span = sync_span_of(buf.data, buf.len);
    sync_value got = sync_value_get(&span);
    assert_false(span.bad);
    assert_int_equal(sync_span_left(&span), 0);
    assert_true(sync_value_same(v, &got));
    for (size_t cut = 0; cut < buf.len; cut++) {
        uint8_t *copy = malloc(cut + 1); /* of its own, so that a read past the end is seen */
        assert_non_null(copy);
        memcpy(copy, buf.data, cut);
        span = sync_span_of(copy, cut);
        got = sync_value_get(&span);
        assert_true(span.bad);
        assert_int_equal(got.type, SYNC_NULL);
        assert_int_not_equal(span.want, 0);
        free(copy);
    }
    sync_buf_free(&buf);
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        int64_t v;
        size_t bytes;
    } cases[] = {
        {0, 1},
        {111, 1},
        {112, 2},
        {127, 2},
        {128, 3},
        {255, 3},
        {256, 3},
        {32767, 3},
        {32768, 4},
        {-1, 2},
        {-128, 2},
        {-129, 3},
        {INT32_MAX, 5},
        {INT32_MIN, 5},
        {INT64_C(1) << 31, 6},
        {-(INT64_C(1) << 31) - 1, 6},
        {(INT64_C(1) << 55) - 1, 8},
        {INT64_C(1) << 55, 9},
        {INT64_MAX, 9},
        {INT64_MIN, 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        round_trip(&(sync_value){.type = SYNC_INTEGER, .i = cases[i].v}, cases[i].bytes);
    }
}

static double real_of(uint64_t bits)
{
    double r;
    memcpy(&r, &bits, sizeof r);
    return r;
}

static void test_reals(void **state)
{
    (void)state;
    const double cases[] = {0.0,
                            -0.0,
                            1.0,
                            INFINITY,
                            -INFINITY,
                            5e-324,
                            real_of(UINT64_C(0x7ff8000000000001)),
                            real_of(UINT64_C(0xfff0000000000001))};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        round_trip(&(sync_value){.type = SYNC_REAL, .r = cases[i]}, 9);
    }
}

static void test_texts_and_blobs(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 127, 128, 129, 255, 256, 16383, 16384};
    static char bytes[16384] = "a\0b\xff";
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t n = lengths[i];
        size_t head = n < 128 ? 1 : n < 16384 ? 3 : 4;
        round_trip(&(sync_value){.type = SYNC_TEXT, .bytes = n, .data = bytes}, n + head);
        head = n < 128 ? 2 : head;
        round_trip(&(sync_value){.type = SYNC_BLOB, .bytes = n, .data = bytes}, n + head);
    }
    round_trip(&(sync_value){.type = SYNC_TEXT}, 1);
    round_trip(&(sync_value){.type = SYNC_BLOB}, 2);
    round_trip(&(sync_value){.type = SYNC_NULL}, 1);
}

static void test_random(void **state)
{
    (void)state;
    leaf_seed(1);
    for (int i = 0; i < 5000; i++) {
        sync_value v = leaf_value();
        round_trip(&v, 0);
    }
}

static void test_same_is_bitwise(void **state)
{
    (void)state;
    const sync_value all[] = {
        {.type = SYNC_NULL},
        {.type = SYNC_INTEGER, .i = 1},
        {.type = SYNC_INTEGER, .i = 0},
        {.type = SYNC_REAL, .r = 1.0},
        {.type = SYNC_REAL, .r = 0.0},
        {.type = SYNC_REAL, .r = -0.0},
        {.type = SYNC_REAL, .r = NAN},
        {.type = SYNC_TEXT, .bytes = 0},
        {.type = SYNC_TEXT, .bytes = 1, .data = "a"},
        {.type = SYNC_TEXT, .bytes = 1, .data = "A"},
        {.type = SYNC_TEXT, .bytes = 2, .data = "a\0"},
        {.type = SYNC_BLOB, .bytes = 0},
        {.type = SYNC_BLOB, .bytes = 1, .data = "a"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
            assert_int_equal(sync_value_same(&all[i], &all[j]), i == j);
        }
    }
}

static void test_longer_integers_are_accepted(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x04, 0xff, 0xff, 0xff, 0xfe, 0x02, 0x00, 0x01};
    sync_span span = sync_span_of(bytes, sizeof bytes);
    assert_true(sync_value_get(&span).i == -2);
    assert_true(sync_value_get(&span).i == 1);
    assert_false(span.bad);
}

static void test_malformed(void **state)
{
    (void)state;
    for (unsigned tag = 0x0c; tag <= 0x0f; tag++) {
        uint8_t bytes[16] = {(uint8_t)tag};
        sync_span span = sync_span_of(bytes, sizeof bytes);
        assert_int_equal(sync_value_get(&span).type, SYNC_NULL);
        assert_true(span.bad);
        assert_int_equal(span.want, 0);
    }
    static const uint8_t two[] = {0x82, 'a', 'b', 0x0b, 0x02, 'a', 'b'};
    for (size_t at = 0; at <= 3; at += 3) {
        sync_span span = sync_span_of(two + at, sizeof two - at);
        sync_value_get_max(&span, 2);
        assert_false(span.bad);
        span = sync_span_of(two + at, sizeof two - at);
        assert_int_equal(sync_value_get_max(&span, 1).type, SYNC_NULL);
        assert_true(span.bad && span.want == SIZE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),        cmocka_unit_test(test_reals),
        cmocka_unit_test(test_texts_and_blobs), cmocka_unit_test(test_random),
        cmocka_unit_test(test_same_is_bitwise), cmocka_unit_test(test_longer_integers_are_accepted),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
