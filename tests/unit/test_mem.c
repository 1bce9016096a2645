/* The allocator, growing byte strings, and ranges that are read. */
#include "leaf_rows.h"

#include "arena.h"
#include "leaf_fault.h"

static void test_size_zero_is_null(void **state)
{
    (void)state;
    assert_null(sync_alloc(0));
    char *block = sync_alloc(1);
    assert_non_null(block);
    *block = 'x';
    assert_null(sync_realloc(block, 0));
    assert_int_equal(*block, 'x');
    sync_free(block);
    sync_free(NULL);
}

static void test_varint_round_trip(void **state)
{
    (void)state;
    static const struct {
        uint64_t v;
        size_t bytes;
    } cases[] = {{0, 1},          {127, 1},
                 {128, 2},        {16383, 2},
                 {16384, 3},      {UINT64_C(1) << 31, 5},
                 {INT64_MAX, 9},  {UINT64_C(1) << 63, 10},
                 {UINT64_MAX, 10}};
    sync_buf buf = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sync_buf_reset(&buf);
        sync_buf_put_varint(&buf, cases[i].v);
        assert_int_equal(buf.len, cases[i].bytes);
        sync_span span = sync_span_of(buf.data, buf.len);
        assert_true(sync_span_varint(&span) == cases[i].v);
        assert_false(span.bad);
        assert_int_equal(sync_span_left(&span), 0);
        for (size_t cut = 0; cut < buf.len; cut++) {
            span = sync_span_of(buf.data, cut);
            assert_int_equal(sync_span_varint(&span), 0);
            assert_true(span.bad);
            assert_int_equal(span.want, 1);
        }
    }
    sync_buf_free(&buf);
}

static void test_varint_malformed(void **state)
{
    (void)state;
    static const uint8_t cases[][11] = {
        {0x80, 0x00},
        {0xff, 0x80, 0x00},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sync_span span = sync_span_of(cases[i], sizeof cases[i]);
        assert_int_equal(sync_span_varint(&span), 0);
        assert_true(span.bad);
        assert_int_equal(span.want, 0);
    }
}

static void test_zigzag_round_trip(void **state)
{
    (void)state;
    static const int64_t cases[] = {0, -1, 1, 63, -64, 64, INT32_MIN, INT64_MAX, INT64_MIN};
    sync_buf buf = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sync_buf_put_zigzag(&buf, cases[i]);
    }
    assert_int_equal(buf.data[1], 1);
    sync_span span = sync_span_of(buf.data, buf.len);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(sync_span_zigzag(&span) == cases[i]);
    }
    assert_false(span.bad);
    assert_int_equal(sync_span_left(&span), 0);
    sync_buf_free(&buf);
}

static void test_pieces_in_order(void **state)
{
    (void)state;
    sync_buf buf = {0};
    sync_buf_put_u8(&buf, 7);
    sync_buf_put_u64(&buf, UINT64_C(0x0102030405060708));
    sync_buf_put_blob(&buf, "abc", 3);
    sync_buf_put_blob(&buf, NULL, 0);
    sync_buf_put(&buf, "z", 1);
    assert_int_equal(buf.len, 1 + 8 + 4 + 1 + 1);
    assert_int_equal(buf.data[1], 1);
    assert_int_equal(buf.data[8], 8);
    sync_span span = sync_span_of(buf.data, buf.len);
    size_t bytes = 9;
    assert_int_equal(sync_span_u8(&span), 7);
    assert_true(sync_span_u64(&span) == UINT64_C(0x0102030405060708));
    assert_memory_equal(sync_span_blob(&span, 3, &bytes), "abc", 3);
    assert_int_equal(bytes, 3);
    assert_non_null(sync_span_blob(&span, 0, &bytes));
    assert_int_equal(bytes, 0);
    assert_memory_equal(sync_span_bytes(&span, 1), "z", 1);
    assert_false(span.bad);
    assert_int_equal(sync_span_u8(&span), 0);
    assert_true(span.bad);
    sync_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.cap, 0);
}

static void test_bad_span_stays_bad(void **state)
{
    (void)state;
    static const uint8_t bytes[20] = {5, 1, 2, 3};
    sync_span span = sync_span_of(bytes, 4);
    size_t length = 1;
    assert_null(sync_span_blob(&span, 100, &length));
    assert_int_equal(length, 0);
    assert_int_equal(span.want, 2); /* the blob lacks two of its five bytes */
    assert_int_equal(sync_span_u8(&span), 0);
    assert_int_equal(sync_span_varint(&span), 0);
    assert_int_equal(sync_span_u64(&span), 0);
    assert_null(sync_span_bytes(&span, 0));
    assert_true(span.bad);
    assert_int_equal(span.want, 2);
    span = sync_span_of(bytes, sizeof bytes);
    assert_null(sync_span_blob(&span, 4, &length));
    assert_true(span.want == SIZE_MAX);
    span = sync_span_of(NULL, 0);
    assert_int_equal(sync_span_left(&span), 0);
    assert_int_equal(sync_span_u8(&span), 0);
    assert_true(span.bad);
}

/* What was given stays until the reset, is aligned, and overlaps nothing else; one block stays for the next time. */
static void test_arena(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 8, 9, 0, 4000, 64 * 1024 - 8, 64 * 1024, 64 * 1024 + 1, 200000, 3};
    enum { PIECES = sizeof sizes / sizeof *sizes };
    sync_arena arena = {0};
    uint8_t *pieces[PIECES];
    sync_arena_reset(&arena); /* of nothing */
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < PIECES; i++) {
            pieces[i] = sync_arena_alloc(&arena, sizes[i]);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 8, 0);
            memset(pieces[i], (int)i, sizes[i]);
        }
        for (size_t i = 0; i < PIECES; i++) {
            assert_true(sizes[i] == 0 || (pieces[i][0] == i && pieces[i][sizes[i] - 1] == i));
        }
        assert_null(sync_arena_alloc(&arena, SIZE_MAX));
        sync_arena_reset(&arena);
    }
    sync_value from = {.type = SYNC_TEXT, .data = "text", .bytes = 4}, to;
    fault_arm(0);
    assert_true(sync_arena_value(&arena, &from, &to)); /* in the block that stayed */
    assert_true(to.data != from.data);
    assert_memory_equal(to.data, "text", 4);
    sync_arena_free(&arena);
    assert_false(sync_arena_value(&arena, &from, &to));
    assert_true(fault_disarm());
    assert_true(sync_arena_value(&arena, &(sync_value){.type = SYNC_INTEGER, .i = 5}, &to));
    assert_null(arena.block); /* a number takes no room */
}

static void test_oom_is_sticky(void **state)
{
    (void)state;
    sync_buf buf = {0};
    for (int i = 0; i < 64; i++) {
        sync_buf_put_u8(&buf, (uint8_t)i);
    }
    size_t cap = buf.cap;
    fault_arm(0);
    while (!buf.oom) {
        sync_buf_put_u8(&buf, 1);
    }
    assert_true(fault_disarm());
    assert_int_equal(buf.cap, cap);
    size_t len = buf.len;
    sync_buf_put_u8(&buf, 2);
    sync_buf_put_varint(&buf, 3);
    sync_buf_put_u64(&buf, 4);
    sync_buf_put(&buf, "abc", 3);
    assert_int_equal(buf.len, len);
    assert_int_equal(buf.data[63], 63);
    sync_buf_reset(&buf);
    assert_false(buf.oom);
    sync_buf_put_u8(&buf, 5);
    assert_int_equal(buf.len, 1);
    assert_false(sync_buf_room(&buf, SIZE_MAX - 1));
    assert_true(buf.oom);
    sync_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_zero_is_null),
        cmocka_unit_test(test_varint_round_trip),
        cmocka_unit_test(test_varint_malformed),
        cmocka_unit_test(test_zigzag_round_trip),
        cmocka_unit_test(test_pieces_in_order),
        cmocka_unit_test(test_bad_span_stays_bad),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_oom_is_sticky),
    };
    return fault_install() != 0 ? 1 : cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
