/* What is counted, and how it reads: sums and histograms, Prometheus' text format, and texts that would break out of it. */
#include "escape.h"
#include "exposition.h"

#include <setjmp.h>
#include <stdarg.h>
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

static void labels(void **state)
{
    static const struct {
        const char *text, *escaped;
    } cases[] = {{"", ""},
                 {"room-1_a", "room-1_a"},
                 {"a\"b", "a\\\"b"},
                 {"a\\", "a\\\\"},
                 {"a\nb", "a\\nb"},
                 {"\\n", "\\\\n"},
                 {"\"} 1\n# TYPE x", "\\\"} 1\\n# TYPE x"},
                 {"a\rb\tc\x7f", "a\xef\xbf\xbd"
                                 "b\xef\xbf\xbd"
                                 "c\xef\xbf\xbd"},
                 {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
                 {"\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd"}, /* bytes that are no character */
                 {"\xe2\x80\xa8", "\xef\xbf\xbd"}};        /* a line end for some */
    sync_buf buf = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        peer_escape_label(&buf, cases[i].text);
        expect(&buf, cases[i].escaped);
    }
    sync_buf_free(&buf);
}

static void samples(void **state)
{
    sync_buf buf = {0};
    (void)state;
    peer_exposition_family(&buf, "x_total", "counter", "What it is.");
    expect(&buf, "# HELP x_total What it is.\n# TYPE x_total counter\n");
    peer_exposition_count(&buf, "x_total", NULL, UINT64_MAX);
    expect(&buf, "x_total 18446744073709551615\n");
    peer_exposition_count(&buf, "x", PEER_LABELS({"room", "a\"b"}, {"type", "Ack"}), 0);
    expect(&buf, "x{room=\"a\\\"b\",type=\"Ack\"} 0\n");
    peer_exposition_seconds(&buf, "x", NULL, 0);
    expect(&buf, "x 0.000000\n");
    peer_exposition_seconds(&buf, "x", PEER_LABELS({"room", "a"}), 61000001);
    expect(&buf, "x{room=\"a\"} 61.000001\n");
    sync_buf_free(&buf);
}

static void histograms(void **state)
{
    static const char text[] =
        "x_bucket{le=\"0.0005\"} 2\nx_bucket{le=\"0.0010\"} 3\nx_bucket{le=\"0.0020\"} 3\n"
        "x_bucket{le=\"0.0050\"} 3\nx_bucket{le=\"0.0100\"} 3\nx_bucket{le=\"0.0200\"} 3\n"
        "x_bucket{le=\"0.0500\"} 3\nx_bucket{le=\"0.1000\"} 3\nx_bucket{le=\"0.2500\"} 3\n"
        "x_bucket{le=\"0.5000\"} 3\nx_bucket{le=\"1.0000\"} 3\nx_bucket{le=\"2.5000\"} 3\n"
        "x_bucket{le=\"5.0000\"} 4\nx_bucket{le=\"+Inf\"} 5\nx_sum 10.001002\nx_count 5\n";
    static peer_metrics metrics;
    peer_totals totals = {0};
    sync_buf buf = {0};
    (void)state;
    peer_metrics_time(&metrics, PEER_MERGES, -5); /* a clock that was set back */
    peer_metrics_time(&metrics, PEER_MERGES, 500);
    peer_metrics_time(&metrics, PEER_MERGES, 501);
    peer_metrics_time(&metrics, PEER_MERGES, 5000000);
    peer_metrics_time(&metrics, PEER_MERGES, 5000001);
    peer_metrics_add(&metrics, &totals);
    peer_exposition_histogram(&buf, "x", totals.buckets[PEER_MERGES], totals.sums_us[PEER_MERGES]);
    expect(&buf, text);
    assert_int_equal(totals.sums_us[PEER_FOLDS], 0);
    sync_buf_free(&buf);
}

static void sums(void **state)
{
    static peer_metrics one, two;
    peer_totals totals = {0};
    (void)state;
    for (int i = 0; i < PEER_COUNTERS; i++) {
        peer_metrics_count(&one, (peer_counter)i, (uint64_t)i);
        peer_metrics_count(&one, (peer_counter)i, 1);
        peer_metrics_count(&two, (peer_counter)i, 100);
    }
    peer_metrics_add(&one, &totals);
    peer_metrics_add(&two, &totals);
    for (int i = 0; i < PEER_COUNTERS; i++) {
        assert_int_equal(totals.counts[i], i + 101);
    }
}

static void shared_lag(void **state)
{
    (void)state;
    peer_lag *lag = peer_lag_new();
    assert_ptr_equal(peer_lag_share(lag), lag);
    peer_lag_drop(lag);
    assert_int_equal(atomic_load(&lag->since_ms), 0); /* it is still there */
    peer_lag_drop(lag);
    peer_lag_drop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(labels), cmocka_unit_test(samples),
                                       cmocka_unit_test(histograms), cmocka_unit_test(sums),
                                       cmocka_unit_test(shared_lag)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
