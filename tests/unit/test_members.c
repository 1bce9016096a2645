/* Who is in a room at other peers: what is taken, what is kept and for how long, and what is malformed. */
#include "leaf_rows.h"

#include "members.h"

#include <stdio.h>
#include <string.h>

static const char *why;

/* A message of the peer with that number. */
static sync_frame message(uint8_t peer, uint64_t counter, const sync_buf *payload, uint64_t members)
{
    sync_frame f = {.type = SYNC_FRAME_PRESENCE};
    f.presence.peer.id[0] = peer;
    f.presence.counter = counter;
    f.presence.members = members;
    f.presence.name = sync_frame_text_of("north");
    if (payload != NULL) {
        f.payload = payload->data;
        f.payload_bytes = payload->len;
    }
    return f;
}

static peer_told take(peer_origins *o, const sync_frame *f, int64_t now_ms)
{
    return peer_origins_take(o, f, 1, now_ms, &why);
}

/* A payload of `count` members with names of `bytes` bytes; its owner frees it. */
static sync_buf members(size_t count, size_t bytes)
{
    sync_buf payload = {0};
    peer_member one = {.by = PEER_BY_TOKEN, .since_s = 1800000000};
    memset(one.user, 'u', bytes);
    for (size_t i = 0; i < count; i++) {
        peer_members_put(&payload, &one);
    }
    assert_false(payload.oom);
    return payload;
}

static void test_members_survive(void **state)
{
    (void)state;
    static const peer_member all[] = {{PEER_BY_TOKEN, false, 1800000000, "ann"},
                                      {PEER_BY_CERTIFICATE, true, 253402300799, "b\xff\n"},
                                      {PEER_BY_NOTHING, true, 0, ""}};
    sync_buf payload = {0};
    peer_member got;
    for (size_t i = 0; i < 3; i++) {
        peer_members_put(&payload, &all[i]);
    }
    sync_span span = sync_span_of(payload.data, payload.len);
    for (size_t i = 0; i < 3; i++) {
        assert_true(peer_members_get(&span, &got));
        assert_int_equal(got.by, all[i].by);
        assert_int_equal(got.relays, all[i].relays);
        assert_true(got.since_s == all[i].since_s);
        assert_string_equal(got.user, all[i].user);
    }
    assert_false(peer_members_get(&span, &got));
    assert_false(span.bad);
    for (size_t cut = 1; cut < payload.len; cut++) { /* a member that ends nowhere is none */
        size_t count = 0;
        span = sync_span_of(payload.data, cut);
        while (peer_members_get(&span, &got)) {
            count++;
        }
        assert_true(count < 3);
    }
    sync_buf_free(&payload);
}

static void test_malformed_members(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t count;
    } cases[] = {
        {{3, 0, 1, 'a'}, 4},                                     /* by something that is not known */
        {{8, 0, 0}, 3},                                          /* a bit that is not known */
        {{1, 0, 0}, 3},                                          /* by a token, and nobody */
        {{0, 0, 1, 'a'}, 4},                                     /* somebody, by nothing */
        {{1, 0, 2, 'a', 0}, 5},                                  /* a NUL in the name */
        {{1, 0, 64}, 3},                                         /* a name that is too long, or not there */
        {{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 1, 'a'}, 10} /* since a year that has five digits */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sync_buf payload = {.data = (uint8_t *)cases[i].bytes, .len = cases[i].count};
        peer_origins o = {0};
        const sync_frame f = message(1, 1, &payload, 1);
        assert_int_equal(take(&o, &f, 0), PEER_TOLD_WRONG);
        assert_non_null(strstr(why, "malformed"));
        assert_int_equal(o.count, 0);
    }
}

static void test_malformed_messages(void **state)
{
    (void)state;
    sync_buf payload = members(2, 3);
    peer_origins o = {0};
    const sync_frame good = message(1, INT64_MAX, &payload, UINT32_MAX);
    sync_frame f = good;
    f.more = true;
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_WRONG);
    f = message(0, 1, &payload, 2);
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_WRONG);
    f = good;
    f.presence.counter = (uint64_t)INT64_MAX + 1;
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_WRONG);
    f = good;
    f.presence.members = (uint64_t)UINT32_MAX + 1;
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_WRONG);
    f = message(1, 1, &payload, 1); /* two, and it counts one */
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_WRONG);
    static const char *const names[] = {"", "-a", ".a", "a b", "a/b", "a\n", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        f = good;
        f.presence.name = sync_frame_text_of(names[i]);
        assert_int_equal(take(&o, &f, 0), PEER_TOLD_WRONG);
        assert_non_null(strstr(why, "name"));
    }
    assert_int_equal(o.count, 0);
    assert_int_equal(take(&o, &good, 0), PEER_TOLD_NEWS);
    assert_null(why);
    peer_origins_free(&o);
    sync_buf_free(&payload);
}

/* The newest counter of a peer counts, whichever way it came. */
static void test_the_newest_counts(void **state)
{
    (void)state;
    sync_buf one = members(1, 3), two = members(2, 3);
    peer_origins o = {0};
    sync_frame f = message(1, 5, &one, 1);
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_NEWS);
    o.first->news = false;
    assert_int_equal(peer_origins_take(&o, &f, 2, 10, &why), PEER_TOLD_OLD);
    f = message(1, 4, &two, 2);
    assert_int_equal(take(&o, &f, 10), PEER_TOLD_OLD);
    assert_true(o.first->members == 1 && o.first->from == 1 && !o.first->news);
    f = message(1, 6, &two, 2);
    assert_int_equal(peer_origins_take(&o, &f, 2, 20, &why), PEER_TOLD_NEWS);
    assert_true(o.first->members == 2 && o.first->from == 2 && o.first->news && o.count == 1 &&
                o.bytes == two.len);
    f = message(1, 7, NULL, 0); /* they have gone: what is older and comes later changes nothing */
    assert_int_equal(take(&o, &f, 30), PEER_TOLD_NEWS);
    f = message(1, 6, &two, 2);
    assert_int_equal(take(&o, &f, 40), PEER_TOLD_OLD);
    assert_true(o.first->members == 0 && o.bytes == 0);
    f = message(2, 1, &one, 1);
    assert_int_equal(take(&o, &f, 40), PEER_TOLD_NEWS);
    assert_int_equal(o.count, 2);
    f = message(3, 1, &two, UINT32_MAX); /* more than it tells of */
    assert_int_equal(take(&o, &f, 50), PEER_TOLD_NEWS);
    assert_true(peer_origins_members(&o, 50) == (uint64_t)UINT32_MAX + 1);
    assert_true(peer_origins_members(&o, 40 + PEER_PRESENCE_EXPIRE_MS) == UINT32_MAX);
    assert_true(peer_origins_members(&o, 50 + PEER_PRESENCE_EXPIRE_MS) == 0);
    peer_origins_free(&o);
    peer_origins_free(&o);
    assert_true(o.count == 0 && o.bytes == 0);
    sync_buf_free(&one);
    sync_buf_free(&two);
}

/* What is passed on keeps its age, so that no two peers keep each other believing. */
static void test_it_expires(void **state)
{
    (void)state;
    sync_buf one = members(1, 3);
    peer_origins o = {0}, other = {0};
    sync_frame f = message(1, 5, &one, 1);
    assert_int_equal(take(&o, &f, 100), PEER_TOLD_NEWS);
    assert_true(peer_origins_expire(&o, 100 + PEER_PRESENCE_EXPIRE_MS - 1) == 100 + PEER_PRESENCE_EXPIRE_MS);
    f = peer_origin_frame(o.first, 100 + PEER_PRESENCE_EXPIRE_MS - 1);
    assert_int_equal(f.presence.age, PEER_PRESENCE_EXPIRE_MS - 1);
    assert_int_equal(take(&other, &f, 7), PEER_TOLD_NEWS);
    assert_true(peer_origins_expire(&other, 7) == 8);
    assert_true(peer_origins_expire(&other, 8) == INT64_MAX);
    assert_int_equal(other.count, 0);
    f.presence.age = PEER_PRESENCE_EXPIRE_MS;
    assert_int_equal(take(&other, &f, 7), PEER_TOLD_OLD);
    f.presence.age = UINT64_MAX;
    assert_int_equal(take(&other, &f, 7), PEER_TOLD_OLD);
    assert_int_equal(other.count, 0);
    assert_true(peer_origins_expire(&o, 100 + PEER_PRESENCE_EXPIRE_MS) == INT64_MAX);
    assert_true(o.count == 0 && o.bytes == 0);
    sync_buf_free(&one);
}

static void test_names(void **state)
{
    (void)state;
    char name[PEER_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    assert_true(peer_name_ok(name, PEER_NAME_BYTES_MAX));
    assert_false(peer_name_ok(name, PEER_NAME_BYTES_MAX + 1));
    assert_true(peer_name_ok("North-1.example_x", 17));
}

static void test_many_members(void **state)
{
    (void)state;
    sync_buf most = members(PEER_PRESENCE_MEMBERS_MAX, 3), more = members(PEER_PRESENCE_MEMBERS_MAX + 1, 3),
             longest = members(PEER_PRESENCE_MEMBERS_MAX, 63), message_bytes = {0};
    peer_origins o = {0};
    sync_frame f = message(1, 1, &most, 5000);
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_NEWS);
    f = message(1, 2, &more, 5000);
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_WRONG);
    assert_non_null(strstr(why, "too many"));
    f = message(1, 3, &longest, 5000);
    assert_int_equal(sync_frame_put(&message_bytes, &f), SYNC_OK); /* the largest is one message */
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_NEWS);
    peer_origins_free(&o);
    sync_buf_free(&most);
    sync_buf_free(&more);
    sync_buf_free(&longest);
    sync_buf_free(&message_bytes);
}

static void test_many_peers(void **state)
{
    (void)state;
    peer_origins o = {0};
    sync_frame f;
    for (uint8_t i = 1; i <= PEER_PRESENCE_PEERS_MAX; i++) {
        f = message(i, 1, NULL, 0);
        assert_int_equal(take(&o, &f, i), PEER_TOLD_NEWS);
    }
    f = message(PEER_PRESENCE_PEERS_MAX + 1, 1, NULL, 0);
    assert_int_equal(take(&o, &f, 100), PEER_TOLD_TOO_MUCH);
    assert_null(why);
    f.presence.peer.id[0] = 1;
    f.presence.counter = 2;
    assert_int_equal(take(&o, &f, 100), PEER_TOLD_NEWS); /* who is known may go on */
    f = message(PEER_PRESENCE_PEERS_MAX + 1, 1, NULL, 0);
    assert_int_equal(take(&o, &f, 2 + PEER_PRESENCE_EXPIRE_MS), PEER_TOLD_NEWS); /* the second has expired */
    assert_int_equal(o.count, PEER_PRESENCE_PEERS_MAX);
    peer_origins_free(&o);
}

static void test_many_bytes(void **state)
{
    (void)state;
    peer_origins o = {0};
    sync_buf longest = members(PEER_PRESENCE_MEMBERS_MAX, 63);
    uint8_t peer = 1;
    while (o.bytes + longest.len <= PEER_PRESENCE_BYTES_MAX) {
        const sync_frame f = message(peer++, 1, &longest, PEER_PRESENCE_MEMBERS_MAX);
        assert_int_equal(take(&o, &f, 0), PEER_TOLD_NEWS);
    }
    sync_buf rest = {0};
    const peer_member nobody = {.since_s = 1}; /* 3 bytes */
    while (o.bytes + rest.len + 3 <= PEER_PRESENCE_BYTES_MAX) {
        peer_members_put(&rest, rest.len == 0 ? &(peer_member){.by = PEER_BY_TOKEN, .user = "uu"} : &nobody);
        if (rest.len / 3 == PEER_PRESENCE_MEMBERS_MAX) {
            const sync_frame f = message(peer++, 1, &rest, PEER_PRESENCE_MEMBERS_MAX);
            assert_int_equal(take(&o, &f, 0), PEER_TOLD_NEWS);
            sync_buf_reset(&rest);
        }
    }
    while (o.bytes + rest.len < PEER_PRESENCE_BYTES_MAX) { /* a name of one byte more, to fill it exactly */
        sync_buf longer = {0};
        peer_member first = {.by = PEER_BY_TOKEN, .user = "uu"};
        memset(first.user, 'u', PEER_PRESENCE_BYTES_MAX - o.bytes - rest.len + 2);
        peer_members_put(&longer, &first);
        sync_buf_put(&longer, rest.data + 5, rest.len - 5);
        sync_buf_free(&rest);
        rest = longer;
    }
    sync_frame f = message(peer, 1, &rest, PEER_PRESENCE_MEMBERS_MAX);
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_NEWS);
    assert_int_equal(o.bytes, PEER_PRESENCE_BYTES_MAX);
    sync_buf_put(&rest, "\0\0\0", 3); /* PEER_PRESENCE_BYTES_MAX + 1, and two more: one member has three */
    f = message(peer, 2, &rest, PEER_PRESENCE_MEMBERS_MAX);
    assert_int_equal(take(&o, &f, 0), PEER_TOLD_TOO_MUCH);
    assert_int_equal(o.bytes, PEER_PRESENCE_BYTES_MAX);
    peer_origins_free(&o);
    sync_buf_free(&rest);
    sync_buf_free(&longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_survive),    cmocka_unit_test(test_malformed_members),
        cmocka_unit_test(test_malformed_messages), cmocka_unit_test(test_the_newest_counts),
        cmocka_unit_test(test_it_expires),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_many_members),       cmocka_unit_test(test_many_peers),
        cmocka_unit_test(test_many_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
