/* Values and stamps as text for people: what is no text, no finite number or no year is said in another way, never wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static void assert_text(sync_buf *buf, const char *expected)
{
    sync_buf_put_u8(buf, 0);
    assert_false(buf->oom);
    assert_string_equal((const char *)buf->data, expected);
    sync_buf_free(buf);
}

static void assert_value(sync_value value, const char *expected)
{
    sync_buf buf = {0};
    sync_json_value(&buf, &value);
    assert_text(&buf, expected);
}

static sync_value real(double r)
{
    return (sync_value){.type = SYNC_REAL, .r = r};
}

static sync_value text(const char *bytes, size_t count)
{
    return (sync_value){.type = SYNC_TEXT, .data = bytes, .bytes = count};
}

static void test_numbers(void **state)
{
    (void)state;
    assert_value((sync_value){.type = SYNC_NULL}, "null");
    assert_value((sync_value){.type = SYNC_INTEGER, .i = INT64_MIN}, "-9223372036854775808");
    assert_value(real(1), "1.0");
    assert_value(real(-0.0), "-0.0");
    assert_value(real(0.1), "0.1");
    assert_value(real(0.1 + 0.2), "0.30000000000000004");
    assert_value(real(1.0 / 3), "0.3333333333333333");
    assert_value(real(1e300), "1e+300");
    assert_value(real((double)INFINITY), "{\"$real\":\"inf\"}");
    assert_value(real(-(double)INFINITY), "{\"$real\":\"-inf\"}");
    assert_value(real((double)NAN), "{\"$real\":\"nan\"}");
}

/* The first and the last sequence of each length, and one beside each of them. */
static void test_what_is_text(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xec\xbf\xbf",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf3\xbf\xbf\xbf",
        "\xf4\x8f\xbf\xbf",
    };
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x9f\xbf",
        "\xe1\x80",
        "\xe1\x80\x41",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf1\x80\x80\x41",
        "\xf1\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(sync_is_text(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char behind[8];
        (void)snprintf(behind, sizeof behind, "a%s", bad[i]);
        assert_false(sync_is_text(bad[i], strlen(bad[i])));
        assert_false(sync_is_text(behind, strlen(behind)));
    }
    assert_true(sync_is_text("", 0));
    assert_false(sync_is_text("a\0b", 3));
}

static void test_texts(void **state)
{
    (void)state;
    assert_value(text("a \"b\" \\ \n\x1f \xc3\xa9", 13), "\"a \\\"b\\\" \\\\ \\u000a\\u001f \xc3\xa9\"");
    assert_value(text("a\0", 2), "{\"$text\":\"6100\"}");
    assert_value(text("\xff", 1), "{\"$text\":\"ff\"}");
    assert_value((sync_value){.type = SYNC_BLOB, .data = "\x01\xab", .bytes = 2}, "{\"$blob\":\"01ab\"}");
    sync_value key[] = {real(2.5), text("x", 1)};
    sync_buf buf = {0};
    sync_json_key(&buf, key, 2);
    assert_text(&buf, "[2.5,\"x\"]");
    sync_json_key(&buf, key, 0);
    assert_text(&buf, "[]");
}

static void assert_stamp(sync_stamp stamp, const char *expected)
{
    sync_buf buf = {0};
    sync_stamp_text(&buf, stamp);
    assert_text(&buf, expected);
}

static void test_stamps(void **state)
{
    (void)state;
    uint64_t ms = UINT64_C(1763697600007);
    assert_stamp(SYNC_STAMP_NONE, "");
    assert_stamp((sync_stamp){ms << 16 | 9, 3, 1}, "2025-11-21T04:00:00.007Z/00009");
    assert_stamp((sync_stamp){ms << 16, 3, 0}, "(genesis) 2025-11-21T04:00:00.007Z/00000");
    assert_stamp((sync_stamp){UINT64_MAX, 0, 1}, "10889-08-02T05:31:50.655Z/65535");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_what_is_text),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_stamps),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
