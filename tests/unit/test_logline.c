/* Lines of the log: no text breaks out of its field or its line; and how often the same notice is said. */
#include "escape.h"
#include "logline.h"
#include "rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What `buf` holds, which is emptied. */
static void expect(sync_buf *buf, const char *text)
{
    sync_buf_put_u8(buf, 0);
    assert_false(buf->oom);
    assert_string_equal((const char *)buf->data, text);
    sync_buf_reset(buf);
}

static const struct {
    const char *text, *json, *logfmt; /* logfmt NULL: the same */
} texts[] = {
    {"", "\"\"", NULL},
    {"red-1", "\"red-1\"", "red-1"},
    {"ws://h:1/r_+@", "\"ws://h:1/r_+@\"", "ws://h:1/r_+@"},
    {"two words", "\"two words\"", NULL},
    {"a=b", "\"a=b\"", NULL},
    {"\"", "\"\\\"\"", NULL},
    {"\\", "\"\\\\\"", NULL},
    {"red\nlevel=error event=error", "\"red\\u000alevel=error event=error\"", NULL},
    {"a\r\t\x1b[2J\x7f", "\"a\\u000d\\u0009\\u001b[2J\\u007f\"", NULL},
    {"\xc2\x85\xc2\x9b\xe2\x80\xa8\xe2\x80\xa9", "\"\\u0085\\u009b\\u2028\\u2029\"", NULL},
    {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"", NULL},
    {"\xff\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", NULL}, /* no characters: a lone surrogate, too */
    {"\xc0\x8a", "\"\\ufffd\\ufffd\"", NULL},                       /* a line feed in too many bytes */
};

static void escapes(void **state)
{
    sync_buf buf = {0};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        peer_escape_json(&buf, texts[i].text);
        expect(&buf, texts[i].json);
        peer_escape_logfmt(&buf, texts[i].text);
        expect(&buf, texts[i].logfmt != NULL ? texts[i].logfmt : texts[i].json);
    }
    sync_buf_free(&buf);
}

/* Every byte, in every place of a text: one line, and it has its end. */
static void one_line(void **state)
{
    sync_buf buf = {0};
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        const char text[] = {'a', (char)byte, '\n', (char)byte, 0};
        const peer_field fields[] = {PEER_TEXT("link", text), PEER_NUMBER("rows", -3), PEER_END};
        for (int format = PEER_LOG_LOGFMT; format <= PEER_LOG_JSON; format++) {
            peer_logline(&buf, (peer_log_format)format, 0, PEER_LOG_EVENT, "merged", fields);
            assert_ptr_equal(memchr(buf.data, '\n', buf.len), buf.data + buf.len - 1);
            assert_null(memchr(buf.data, '\r', buf.len));
            sync_buf_reset(&buf);
        }
    }
    sync_buf_free(&buf);
}

static void lines(void **state)
{
    const peer_field fields[] = {PEER_TEXT("link", "ws://h/r"), PEER_TEXT("none", NULL),
                                 PEER_NUMBER("rows", INT64_MIN), PEER_END};
    const peer_field none[] = {PEER_END};
    sync_buf buf = {0};
    (void)state;
    peer_logline(&buf, PEER_LOG_LOGFMT, 1764583200007, PEER_LOG_EVENT, "merged", fields);
    expect(&buf, "time=2025-12-01T10:00:00.007Z level=event event=merged link=ws://h/r none=\"\" "
                 "rows=-9223372036854775808\n");
    peer_logline(&buf, PEER_LOG_JSON, 0, PEER_LOG_ERROR, "error", fields);
    expect(&buf, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"error\",\"event\":\"error\",\"link\":"
                 "\"ws://h/r\","
                 "\"none\":\"\",\"rows\":-9223372036854775808}\n");
    peer_logline(&buf, PEER_LOG_LOGFMT, 999, PEER_LOG_NOTICE, "notice", none);
    expect(&buf, "time=1970-01-01T00:00:00.999Z level=notice event=notice\n");
    peer_logline_event(&buf, "merged", fields);
    expect(&buf,
           "{\"event\":\"merged\",\"link\":\"ws://h/r\",\"none\":\"\",\"rows\":-9223372036854775808}\n");
    peer_logline_event(&buf, "ready", none);
    expect(&buf, "{\"event\":\"ready\"}\n");
    peer_logline_words(&buf, "merged", fields);
    expect(&buf, "merged link=ws://h/r none=\"\" rows=-9223372036854775808");
    sync_buf_free(&buf);
}

static void rate(void **state)
{
    static peer_rate r;
    static const char first[] = "%s: %s", second[] = "%s: %s!";
    const char *sample = "untouched";
    (void)state;
    for (int i = 0; i < PEER_LOG_SAME_MAX; i++) {
        assert_true(peer_rate_admits(&r, first, "said", 1000 + i));
    }
    assert_false(peer_rate_admits(&r, first, "one", 2000));
    assert_false(peer_rate_admits(&r, first, "two", 3000));
    assert_true(peer_rate_admits(&r, second, "another", 3000));
    assert_int_equal(peer_rate_left_out(&r, 1000 + PEER_LOG_SAME_MS - 1, &sample), 0);
    assert_string_equal(sample, "untouched");
    assert_int_equal(peer_rate_left_out(&r, 1000 + PEER_LOG_SAME_MS, &sample), 2);
    assert_string_equal(sample, "two");
    assert_int_equal(peer_rate_left_out(&r, 1000 + PEER_LOG_SAME_MS, &sample), 0);
    for (int i = 0; i < PEER_LOG_SAME_MAX; i++) { /* a new minute */
        assert_true(peer_rate_admits(&r, first, "said", 1000 + PEER_LOG_SAME_MS));
    }
    assert_false(peer_rate_admits(&r, first, "three", 1001 + PEER_LOG_SAME_MS));
    assert_int_equal(peer_rate_left_out(&r, INT64_MAX, &sample), 1); /* the end of the process */
}

/* A minute in which nothing was left out passes without a word. */
static void rate_begins_anew(void **state)
{
    static peer_rate r;
    const char *sample;
    (void)state;
    for (int minute = 0; minute < 3; minute++) {
        for (int i = 0; i < PEER_LOG_SAME_MAX; i++) {
            assert_true(peer_rate_admits(&r, "x", "said", minute * PEER_LOG_SAME_MS));
        }
        assert_int_equal(peer_rate_left_out(&r, (minute + 1) * PEER_LOG_SAME_MS, &sample), 0);
    }
}

/* More formats than there is room for, and samples that are long. */
static void rate_bounds(void **state)
{
    static peer_rate r;
    static char formats[PEER_LOG_KINDS_MAX + 1], text[2 * PEER_LOG_SAMPLE_BYTES];
    const char *sample;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    for (int round = 0; round <= PEER_LOG_SAME_MAX; round++) {
        for (int i = 0; i <= PEER_LOG_KINDS_MAX; i++) {
            bool admitted = peer_rate_admits(&r, &formats[i], text, 0);
            assert_int_equal(admitted, i == PEER_LOG_KINDS_MAX || round < PEER_LOG_SAME_MAX);
        }
    }
    for (int i = 0; i < PEER_LOG_KINDS_MAX; i++) {
        assert_int_equal(peer_rate_left_out(&r, PEER_LOG_SAME_MS, &sample), 1);
        assert_int_equal(strlen(sample), PEER_LOG_SAMPLE_BYTES - 1);
    }
    assert_int_equal(peer_rate_left_out(&r, PEER_LOG_SAME_MS, &sample), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes), cmocka_unit_test(one_line),         cmocka_unit_test(lines),
        cmocka_unit_test(rate),    cmocka_unit_test(rate_begins_anew), cmocka_unit_test(rate_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
