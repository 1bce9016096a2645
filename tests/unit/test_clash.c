/* Which of two keys is the higher one: what decides between rows that clash and were written at once must be the same in all files. */
#include "leaf_rows.h"

#include "clash.h"

#include <string.h>

static const sync_value some[] = {
    {.type = SYNC_INTEGER, .i = 0},
    {.type = SYNC_INTEGER, .i = 1},
    {.type = SYNC_INTEGER, .i = 63},
    {.type = SYNC_INTEGER, .i = 200},
    {.type = SYNC_INTEGER, .i = -1},
    {.type = SYNC_INTEGER, .i = -300},
    {.type = SYNC_INTEGER, .i = INT64_MAX},
    {.type = SYNC_INTEGER, .i = INT64_MIN},
    {.type = SYNC_REAL, .r = 0.5},
    {.type = SYNC_REAL, .r = -1e300},
    {.type = SYNC_TEXT, .bytes = 0, .data = ""},
    {.type = SYNC_TEXT, .bytes = 1, .data = "a"},
    {.type = SYNC_TEXT, .bytes = 1, .data = "b"},
    {.type = SYNC_TEXT, .bytes = 2, .data = "a\0"},
    {.type = SYNC_TEXT, .bytes = 3, .data = "abc"},
    {.type = SYNC_TEXT,
     .bytes = 150,
     .data =
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {.type = SYNC_BLOB, .bytes = 0, .data = ""},
    {.type = SYNC_BLOB, .bytes = 1, .data = "a"},
    {.type = SYNC_BLOB, .bytes = 3, .data = "abd"},
    {.type = SYNC_NULL},
};
enum { SOME = sizeof some / sizeof *some };

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

/* The bytes as docs/FORMAT.md has them. */
static int by_bytes(const sync_value *a, const sync_value *b, uint32_t count)
{
    sync_buf x = {0}, y = {0};
    for (uint32_t i = 0; i < count; i++) {
        sync_value_put(&x, &a[i]);
        sync_value_put(&y, &b[i]);
    }
    assert_false(x.oom || y.oom);
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
    order = order ? order : (x.len > y.len) - (x.len < y.len);
    sync_buf_free(&x);
    sync_buf_free(&y);
    return sign(order);
}

static void test_keys_of_one_column(void **state)
{
    (void)state;
    const sync_table t = {.key_count = 1};
    for (int i = 0; i < SOME; i++) {
        for (int k = 0; k < SOME; k++) {
            assert_int_equal(sign(sync_clash_compare_keys(&t, &some[i], &some[k])),
                             by_bytes(&some[i], &some[k], 1));
        }
    }
}

static void test_keys_of_two_columns(void **state)
{
    (void)state;
    const sync_table t = {.key_count = 2};
    for (int i = 0; i < SOME * SOME; i++) {
        for (int k = 0; k < SOME * SOME; k++) {
            const sync_value a[] = {some[i / SOME], some[i % SOME]}, b[] = {some[k / SOME], some[k % SOME]};
            assert_int_equal(sign(sync_clash_compare_keys(&t, a, b)), by_bytes(a, b, 2));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_one_column),
        cmocka_unit_test(test_keys_of_two_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
