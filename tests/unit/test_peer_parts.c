/* Small parts of the peer: URLs and room names, delays, what two seen blobs say together, queues, the watch on a file. */
#include "backoff.h"
#include "codec.h"
#include "message.h"
#include "options.h"
#include "pace.h"
#include "peer_limits.h"
#include "seen.h"
#include "watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void check_url(const char *text, const char *host, int port, const char *room)
{
    peer_url url = {0};
    assert_null(peer_url_read(text, &url));
    assert_string_equal(url.text, text);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_string_equal(url.room, room);
    peer_url_free(&url);
}

/* At the bound, and one byte beyond it; without TLS there is none here. */
static void check_long_hosts(void)
{
    char text[200];
    for (int bytes = PEER_TLS_HOST_BYTES_MAX; bytes <= PEER_TLS_HOST_BYTES_MAX + 1; bytes++) {
        for (int tls = 0; tls < 2; tls++) {
            peer_url url = {0};
            snprintf(text, sizeof text, "%s://%0*d.x/r", tls ? "wss" : "ws", bytes - 2, 1);
            assert_int_equal(peer_url_read(text, &url) == NULL, !tls || bytes == PEER_TLS_HOST_BYTES_MAX);
            peer_url_free(&url);
        }
    }
}

static void test_urls(void **state)
{
    (void)state;
    check_url("ws://localhost:7420/room", "localhost", 7420, "room");
    check_url("ws://example.org/r", "example.org", 80, "r");
    check_url("ws://[::1]:1/a-b_c9", "::1", 1, "a-b_c9");
    check_url("ws://[fe80::1]/x", "fe80::1", 80, "x");
    check_url("wss://example.org/r", "example.org", 443, "r");
    check_url("wss://example.org:8443/r", "example.org", 8443, "r");
    static const char *const bad[] = {"",
                                      "ws:/",
                                      "ws://",
                                      "ws:///room",
                                      "ws://h",
                                      "ws://h/",
                                      "ws://h/A",
                                      "ws://h/a/",
                                      "ws://h/a?b",
                                      "ws://h:/a",
                                      "ws://h:0/a",
                                      "ws://h:65536/a",
                                      "ws://h:12x/a",
                                      "ws://u@h/a",
                                      "ws://[::1/a",
                                      "ws://[::1]x/a",
                                      "ws://[]/a",
                                      "wss://h:0/a",
                                      "wsss://h/a",
                                      "http://h/a"};
    check_long_hosts();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        peer_url url = {0};
        assert_non_null(peer_url_read(bad[i], &url));
        assert_null(url.text);
        assert_null(url.host);
    }
}

static void check_room(const char *path, const char *room)
{
    char *name = peer_room_name_of(path);
    if (room == NULL) {
        assert_null(name);
    } else {
        assert_non_null(name);
        assert_string_equal(name, room);
    }
    free(name);
}

static void test_room_names(void **state)
{
    (void)state;
    check_room("chinook.sqlite", "chinook");
    check_room("/x.y/My File.db", "my-file");
    check_room("a", "a");
    check_room("a_b-c.tar.gz", "a_b-c-tar");
    check_room(".hidden", "hidden");
    check_room("..x.db", "x");
    check_room(".db", "db");
    check_room("_-a_.db", "a_");
    check_room("\xc3\xbc"
               "b.db",
               "b");
    check_room("\xc3\xbc.db", NULL);
    check_room("__.db", NULL);
    check_room("/", NULL);
    check_room("...", NULL);
    char long_name[PEER_ROOM_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_false(peer_room_name_ok(long_name, sizeof long_name - 1));
    assert_true(peer_room_name_ok(long_name, PEER_ROOM_NAME_MAX));
    assert_false(peer_room_name_ok("", 0));
    assert_false(peer_room_name_ok("-a", 2));
    assert_false(peer_room_name_ok("_a", 2));
    assert_false(peer_room_name_ok("a.b", 3));
}

static void test_backoff(void **state)
{
    (void)state;
    peer_backoff b = {0};
    int64_t expected = PEER_BACKOFF_MS_MIN;
    for (int i = 0; i < 40; i++) {
        peer_backoff low = b, high = b;
        assert_int_equal(peer_backoff_next(&low, 0), expected / 2);
        int64_t most = peer_backoff_next(&high, UINT32_MAX);
        assert_true(most <= expected && most >= expected - 1);
        b = high;
        expected = expected * 2 < PEER_BACKOFF_MS_MAX ? expected * 2 : PEER_BACKOFF_MS_MAX;
    }
    peer_backoff_reset(&b);
    assert_int_equal(peer_backoff_next(&b, 0), PEER_BACKOFF_MS_MIN / 2);
}

/* A seen blob of site `maker` with the named tables; cell (t, s) of its matrix is base + 10 t + s, its cursor one more. */
static sync_buf seen(const char *const *tables, uint32_t table_count, const char *sites, uint64_t base)
{
    sync_head head = {0};
    sync_buf buf = {0};
    uint32_t site_count = (uint32_t)strlen(sites);
    assert_int_equal(sync_head_set_sites(&head, site_count), SYNC_OK);
    for (uint32_t s = 0; s < site_count; s++) {
        memset(head.sites[s], sites[s], SYNC_SITE_BYTES);
    }
    memset(head.site, sites[0], sizeof head.site);
    assert_int_equal(sync_head_set_tables(&head, table_count), SYNC_OK);
    assert_int_equal(sync_matrix_init(&head.base, table_count, site_count), SYNC_OK);
    assert_int_equal(sync_matrix_init(&head.start, table_count, site_count), SYNC_OK);
    for (uint32_t t = 0; t < table_count; t++) {
        assert_int_equal(sync_table_head_init(&head.tables[t], tables[t], SYNC_BY_KEY, 1, 0), SYNC_OK);
        assert_int_equal(sync_table_head_key(&head.tables[t], 0, "id", SYNC_STORES_TEXT, ""), SYNC_OK);
        for (uint32_t s = 0; s < site_count; s++) {
            sync_matrix_set(&head.base, t, s, base + 10 * t + s);
            sync_matrix_set(&head.start, t, s, base + 10 * t + s + 1);
        }
    }
    assert_int_equal(sync_seen_put(&buf, &head), SYNC_OK);
    sync_head_free(&head);
    return buf;
}

/* The numbers of (table, site) in a blob, or 0 and 0. */
static void numbers(const sync_buf *blob, const char *table, char site, uint64_t *base, uint64_t *start)
{
    sync_head head = {0};
    sync_error error = {0};
    *base = *start = 0;
    assert_int_equal(sync_seen_get(blob->data, blob->len, &head, &error), SYNC_OK);
    for (uint32_t t = 0; t < head.table_count; t++) {
        for (uint32_t s = 0; s < head.site_count; s++) {
            if (strcmp(head.tables[t].name, table) == 0 && head.sites[s][0] == (uint8_t)site) {
                *base = sync_matrix_at(&head.base, t, s);
                *start = sync_matrix_at(&head.start, t, s);
            }
        }
    }
    sync_head_free(&head);
}

static void check_numbers(const sync_buf *blob, const char *table, char site, uint64_t base)
{
    uint64_t got, start;
    numbers(blob, table, site, &got, &start);
    assert_int_equal(got, base);
    assert_int_equal(start, base > 0 ? base + 1 : 0);
}

/* As many rows as fit into PEER_MERGE_US, within bounds; one merge that was interrupted is not yet believed. */
static void test_pace(void **state)
{
    (void)state;
    peer_pace p = {0};
    assert_int_equal(peer_pace_rows(&p), PEER_PART_ROWS);
    peer_pace_learn(&p, PEER_MERGE_ROWS_MIN - 1, PEER_MERGE_US * 100);
    peer_pace_learn(&p, 0, PEER_MERGE_US);
    assert_int_equal(peer_pace_rows(&p), PEER_PART_ROWS);
    peer_pace_learn(&p, 100, PEER_MERGE_US);
    assert_int_equal(peer_pace_rows(&p), 100);
    peer_pace_learn(&p, 100, PEER_MERGE_US * 5);
    assert_in_range(peer_pace_rows(&p), 50, 99);
    for (int i = 0; i < 20; i++) {
        peer_pace_learn(&p, 50, PEER_MERGE_US);
    }
    assert_in_range(peer_pace_rows(&p), 49, 50);
    for (int i = 0; i < 20; i++) {
        peer_pace_learn(&p, 20, INT32_MAX);
    }
    assert_int_equal(peer_pace_rows(&p), PEER_MERGE_ROWS_MIN);
    for (int i = 0; i < 100; i++) {
        peer_pace_learn(&p, 20, 1);
    }
    assert_int_equal(peer_pace_rows(&p), PEER_MERGE_ROWS);
}

static void test_seen_join(void **state)
{
    (void)state;
    static const char *const new_tables[] = {"a", "b"};
    static const char *const old_tables[] = {"b", "c"};
    sync_buf newer = seen(new_tables, 2, "RSX", 100);  /* a: 100 101 102; b: 110 111 112 */
    sync_buf older = seen(old_tables, 2, "YXRZ", 111); /* b: Y 111, X 112, R 113, Z 114 */
    sync_buf joined = {0};
    assert_int_equal(peer_seen_join(&newer, &older, &joined), SYNC_OK);
    check_numbers(&joined, "a", 'R', 100); /* the older one does not know the table */
    check_numbers(&joined, "b", 'R', 113); /* the higher one of both */
    check_numbers(&joined, "b", 'S', 111);
    check_numbers(&joined, "b", 'X', 112);
    check_numbers(&joined, "b", 'Y', 111); /* a site that only the older one knows */
    check_numbers(&joined, "b", 'Z', 114);
    check_numbers(&joined, "c", 'X', 0); /* no longer tracked */
    assert_true(peer_seen_same_tables(&newer, &joined));
    assert_false(peer_seen_same_tables(&older, &joined));
    sync_buf again = {0};
    assert_int_equal(peer_seen_join(&joined, &joined, &again), SYNC_OK);
    assert_int_equal(again.len, joined.len);
    assert_memory_equal(again.data, joined.data, joined.len);
    sync_buf_free(&again);
    sync_buf_free(&newer);
    sync_buf_free(&older);
    sync_buf_free(&joined);
}

static void check_both(const sync_buf *blob, const char *table, char site, uint64_t base, uint64_t start)
{
    uint64_t got_base, got_start;
    numbers(blob, table, site, &got_base, &got_start);
    assert_int_equal(got_base, base);
    assert_int_equal(got_start, start);
}

static void test_seen_only(void **state)
{
    (void)state;
    static const char *const tables[] = {"a", "b", "c, d"};
    sync_buf all = seen(tables, 3, "RSX", 100),
             some = {0}; /* a: 100 101 102; b: 110 111 112; c, d: 120 ... */
    const sync_buf empty = {0}, bad = {.data = (uint8_t *)"nonsense", .len = 8};
    assert_int_equal(peer_seen_only(&all, "B,\"c, d\",nobody", &some), SYNC_OK);
    check_numbers(&some, "a", 'R', 0);
    check_numbers(&some, "b", 'R', 110);
    check_numbers(&some, "b", 'X', 112);
    check_numbers(&some, "c, d", 'S', 121);
    assert_int_equal(peer_seen_only(&all, "c", &some), SYNC_OK); /* none of them */
    assert_int_equal(some.len, 0);
    assert_int_equal(peer_seen_only(&empty, "a", &some), SYNC_OK);
    assert_int_equal(some.len, 0);
    assert_int_not_equal(peer_seen_only(&bad, "a", &some), SYNC_OK);
    assert_int_equal(some.len, 0);
    sync_buf_free(&all);
    sync_buf_free(&some);
}

/* What a follower and its primary both hold. */
static void test_seen_meet(void **state)
{
    (void)state;
    static const char *const own_tables[] = {"a", "b"};
    static const char *const other_tables[] = {"b", "c"};
    sync_buf own = seen(own_tables, 2, "RSX", 100);      /* a: 100 101 102; b: 110 111 112 */
    sync_buf other = seen(other_tables, 2, "YXRZ", 110); /* b: Y 110, X 111, R 112, Z 113 */
    sync_buf both = {0}, bad = {0};
    assert_int_equal(peer_seen_meet(&own, &other, false, &both), SYNC_OK);
    check_both(&both, "a", 'R', 100, 101); /* the other has not that table */
    check_both(&both, "b", 'R', 110, 111); /* the lower one of both */
    check_both(&both, "b", 'X', 111, 112);
    check_both(&both, "b", 'S', 0, 0); /* a site that the other does not know */
    check_both(&both, "b", 'Y', 0, 0); /* ... and the own one not */
    check_both(&both, "c", 'X', 0, 0);
    assert_true(peer_seen_same_tables(&own, &both));
    assert_int_equal(peer_seen_meet(&other, &own, true, &both), SYNC_OK); /* only what Y has written itself */
    check_both(&both, "b", 'Y', 0, 0);
    check_both(&both, "b", 'R', 112, 113);
    check_both(&both, "c", 'Y', 120, 121);
    assert_true(peer_buf_set(&bad, "nonsense", 8));
    assert_int_not_equal(peer_seen_meet(&own, &bad, false, &both), SYNC_OK);
    assert_int_equal(both.len, 0);
    assert_int_not_equal(peer_seen_meet(&bad, &own, false, &both), SYNC_OK);
    assert_int_equal(both.len, 0);
    sync_buf_free(&own);
    sync_buf_free(&other);
    sync_buf_free(&both);
    sync_buf_free(&bad);
}

/* One delta suits whoever holds the same but for himself; A, B, C: files that follow, R: the sender, W: one that has written. */
static void test_twins(void **state)
{
    (void)state;
    static const char *const tables[] = {"a"}, *const others[] = {"b"};
    sync_buf own = seen(tables, 1, "RW", 500), knows_b = seen(tables, 1, "RB", 500);
    sync_buf a = seen(tables, 1, "AR", 100), implied = seen(tables, 1, "ARW", 100), out = {0};
    sync_buf b = seen(tables, 1, "BR", 100), behind = seen(tables, 1, "BR", 99);
    sync_buf other = seen(others, 1, "BR", 100), more = seen(tables, 1, "BRW", 100);
    sync_buf writer = seen(tables, 1, "WR", 100), bad = {0};
    peer_twins *twins = peer_twins_open(&a, &implied, &own);
    assert_non_null(twins);
    assert_true(peer_twins_suit(twins, &b, &out));
    check_numbers(&out, "a", 'B', 100);
    check_numbers(&out, "a", 'R', 101);
    check_numbers(&out, "a", 'W', 102);
    check_numbers(&out, "a", 'A', 0); /* what A wrote is nothing that B got */
    assert_false(peer_twins_suit(twins, &behind, &out));
    assert_false(peer_twins_suit(twins, &other, &out));
    assert_false(peer_twins_suit(twins, &more, &out));
    assert_false(peer_twins_suit(twins, &writer, &out)); /* the sender has writes of it */
    assert_false(peer_twins_suit(twins, &bad, &out));
    assert_int_equal(out.len, 0);
    peer_twins_close(twins);
    assert_null(peer_twins_open(&b, &implied, &knows_b)); /* and here of the first */
    assert_null(peer_twins_open(&bad, &implied, &own));
    twins = peer_twins_open(&a, &implied, &knows_b);
    assert_non_null(twins);
    assert_false(peer_twins_suit(twins, &b, &out));
    peer_twins_close(twins);
    sync_buf *all[] = {&own, &knows_b, &a, &implied, &out, &b, &behind, &other, &more, &writer};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        sync_buf_free(all[i]);
    }
}

static void test_seen_join_of_nonsense(void **state)
{
    (void)state;
    static const char *const tables[] = {"a"};
    sync_buf good = seen(tables, 1, "R", 1), bad = {0}, joined = {0};
    assert_true(peer_buf_set(&bad, "nonsense", 8));
    assert_int_not_equal(peer_seen_join(&good, &bad, &joined), SYNC_OK);
    assert_int_equal(joined.len, 0);
    assert_int_not_equal(peer_seen_join(&bad, &good, &joined), SYNC_OK);
    assert_int_equal(joined.len, 0);
    assert_false(peer_seen_same_tables(&bad, &bad));
    sync_buf_free(&good);
    sync_buf_free(&bad);
    sync_buf_free(&joined);
}

static void check_went_back(const char *const *tables, uint32_t count, const char *sites, uint64_t base,
                            bool back)
{
    static const char *const were_tables[] = {"a", "b"};
    sync_buf earlier = seen(were_tables, 2, "RS", 100), later = seen(tables, count, sites, base);
    assert_int_equal(peer_seen_went_back(&later, &earlier), back);
    sync_buf_free(&earlier);
    sync_buf_free(&later);
}

static void test_seen_went_back(void **state)
{
    (void)state;
    static const char *const same[] = {"a", "b"}, *const more[] = {"a", "b", "c"};
    check_went_back(same, 2, "RS", 100, false);
    check_went_back(same, 2, "RS", 101, false);
    check_went_back(more, 3, "RS", 100, false);
    check_went_back(same, 2, "NSR", 101, false); /* another id, and all that was there: R 103, S 102 */
    check_went_back(same, 2, "RS", 99, true);
    check_went_back(same, 2, "SR", 100, true); /* S 100, which was 101 */
    check_went_back(same, 2, "NR", 200, true); /* nothing of S */
    check_went_back(same, 1, "RS", 100, true); /* b is not tracked any more */
    sync_buf seen_once = seen(same, 2, "RS", 1), none = {0};
    uint8_t site[SYNC_SITE_BYTES];
    assert_true(peer_seen_went_back(&none, &seen_once));
    assert_false(peer_seen_went_back(&seen_once, &none));
    assert_false(peer_seen_went_back(&none, &none));
    assert_true(peer_seen_site(&seen_once, site));
    assert_int_equal(site[15], 'R');
    assert_false(peer_seen_site(&none, site));
    assert_int_equal(site[15], 0);
    sync_buf_free(&seen_once);
}

static void count_wake(void *context)
{
    ++*(int *)context;
}

static void test_queue(void **state)
{
    (void)state;
    int wakes = 0;
    peer_queue *q = peer_queue_new(count_wake, &wakes);
    assert_null(peer_queue_take_all(q));
    for (uint64_t i = 1; i <= 3; i++) {
        peer_queue_put(q, peer_message_new(PEER_LINK_UP, i));
    }
    assert_int_equal(wakes, 1); /* it was empty only once */
    peer_message *m = peer_queue_take_all(q);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(m->link, i);
        peer_message *next = m->next;
        peer_message_free(m);
        m = next;
    }
    assert_null(m);
    peer_queue_put(q, peer_message_new(PEER_STOP, 0));
    assert_int_equal(wakes, 2);
    peer_queue_free(q); /* with the message in it */
}

static void test_debt(void **state)
{
    (void)state;
    peer_debt *debt = peer_debt_new();
    sync_buf buf = {0};
    sync_buf_put(&buf, "12345", 5);
    peer_message *m = peer_message_new(PEER_FRAME_IN, 1);
    m->bytes = peer_bytes_take(&buf);
    assert_null(buf.data);
    peer_message_owe(m, debt);
    assert_int_equal(atomic_load(&debt->bytes), 5 + sizeof *m);
    peer_message_free(m);
    assert_int_equal(atomic_load(&debt->bytes), 0);
    peer_debt_drop(debt);
}

static void append(const char *directory, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_int_equal(fputs("x", file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

/* Who writes to the file or its log is heard of at once, also through a log that is made anew; what lies beside them does not matter. */
static void test_watch(void **state)
{
    (void)state;
    static const char *const names[] = {"a.db", "a.db-wal", "other.db", "a.db-sync"};
    char directory[] = "/tmp/peer-watch-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    append(directory, "a.db");
    snprintf(path, sizeof path, "%s/a.db", directory);
    peer_watch *w = peer_watch_new(path);
    assert_non_null(w);
    assert_false(peer_watch_read(w));
    append(directory, "a.db");
    assert_true(peer_watch_read(w));
    append(directory, "a.db-wal"); /* its name is new */
    assert_true(peer_watch_read(w));
    append(directory, "a.db-wal");
    assert_true(peer_watch_read(w));
    assert_false(peer_watch_read(w));
    append(directory, "other.db");
    append(directory, "a.db-sync");
    assert_false(peer_watch_read(w));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(peer_watch_read(w), i < 2);
    }
    peer_watch_free(w);
    assert_int_equal(rmdir(directory), 0);
}

/* What reaches beyond this machine must have been asked for. */
static void test_serve_is_for_this_machine(void **state)
{
    (void)state;
    char *argv[] = {"sync-peer", "serve", "/somewhere/a.db", NULL};
    peer_options o = {0};
    int code = -1;
    assert_true(peer_options_read(3, argv, &o, &code));
    assert_int_equal(o.listen_count, 1);
    assert_string_equal(o.listen[0].host, "127.0.0.1");
    assert_int_equal(o.listen[0].port, 7420);
    assert_string_equal(o.room, "a");
    peer_options_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),           cmocka_unit_test(test_room_names),
        cmocka_unit_test(test_backoff),        cmocka_unit_test(test_seen_join),
        cmocka_unit_test(test_seen_meet),      cmocka_unit_test(test_seen_only),
        cmocka_unit_test(test_queue),          cmocka_unit_test(test_seen_join_of_nonsense),
        cmocka_unit_test(test_debt),           cmocka_unit_test(test_serve_is_for_this_machine),
        cmocka_unit_test(test_watch),          cmocka_unit_test(test_pace),
        cmocka_unit_test(test_seen_went_back), cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
