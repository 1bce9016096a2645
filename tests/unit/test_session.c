/* The state of one link: every message in every state, heartbeats, and who is met. */
#include "peer_limits.h"
#include "session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const sync_frame_site own = {{1}};
static const sync_frame_site their = {{2}};

static sync_frame message(sync_frame_type type)
{
    sync_frame f = {.type = type};
    if (type == SYNC_FRAME_ANNOUNCE) {
        f.announce.protocol = SYNC_PROTOCOL_VERSION;
        f.announce.site = their;
        f.announce.room = sync_frame_text_of("room");
    } else if (type == SYNC_FRAME_REJECT) {
        f.reject.reason = SYNC_REJECT_BEHIND;
    } else if (type == SYNC_FRAME_PING) {
        f.ping.token = 77;
    }
    return f;
}

/* The next number that is a type; from 0 the first one. */
static sync_frame_type next_type(sync_frame_type type)
{
    do {
        type++;
    } while (type < SYNC_FRAME_TYPES && strcmp(sync_frame_name(type), "?") == 0);
    return type;
}

static peer_move receive(peer_session *s, const sync_frame *f, int64_t now_ms)
{
    sync_buf buf = {0};
    sync_frame got;
    peer_move move;
    assert_int_equal(sync_frame_put(&buf, f), SYNC_OK);
    peer_session_receive(s, buf.data, buf.len, now_ms, &got, &move);
    sync_buf_free(&buf);
    return move;
}

static peer_move receive_type(peer_session *s, sync_frame_type type)
{
    sync_frame f = message(type);
    return receive(s, &f, 0);
}

static peer_session in_state(peer_session_state state)
{
    peer_session s;
    peer_session_open(&s, "room", &own, 0);
    if (state >= PEER_ANNOUNCED) {
        assert_int_equal(receive_type(&s, SYNC_FRAME_ANNOUNCE).verdict, PEER_MEET);
    }
    if (state >= PEER_STREAMING) {
        assert_int_equal(receive_type(&s, SYNC_FRAME_START).verdict, PEER_DELIVER);
    }
    if (state == PEER_ENDED) {
        receive_type(&s, SYNC_FRAME_ERROR);
    }
    assert_int_equal(s.state, state);
    return s;
}

/* The table of docs/PROTOCOL.md, written once more: which types may come in which state. */
static void test_what_may_come(void **state)
{
    (void)state;
    static const char *const may[] = {
        [PEER_GREETING] = " AnnouncePresence Error ",
        [PEER_ANNOUNCED] = " StartStreaming Changes RejectChanges SchemaRequest Schema SnapshotRequest "
                           "Snapshot Ack Presence Ping Pong Error CreateDbOnPrimary ApplyChangesOnPrimary ",
        [PEER_STREAMING] =
            " StartStreaming Changes SchemaRequest Schema SnapshotRequest Snapshot Presence Ping Pong "
            "RejectChanges Ack Error CreateDbOnPrimary ApplyChangesOnPrimary "};
    for (peer_session_state from = PEER_GREETING; from <= PEER_STREAMING; from++) {
        for (sync_frame_type type = next_type(0); type < SYNC_FRAME_TYPES; type = next_type(type)) {
            char name[40];
            snprintf(name, sizeof name, " %s ", sync_frame_name(type));
            peer_session s = in_state(from);
            peer_move move = receive_type(&s, type);
            bool allowed = strstr(may[from], name) != NULL;
            assert_int_equal(move.verdict != PEER_END_LINK, allowed);
            assert_int_equal(s.state == PEER_ENDED, !allowed || type == SYNC_FRAME_ERROR);
            if (!allowed) {
                assert_int_equal(move.code, SYNC_PEER_ERROR_PROTOCOL);
                assert_non_null(strstr(move.text, sync_frame_name(type)));
            }
        }
    }
}

static void test_nothing_comes_after_the_end(void **state)
{
    (void)state;
    peer_session s = in_state(PEER_ENDED);
    for (sync_frame_type type = next_type(0); type < SYNC_FRAME_TYPES; type = next_type(type)) {
        assert_int_equal(receive_type(&s, type).verdict, PEER_IGNORE);
        assert_int_equal(s.state, PEER_ENDED);
    }
}

static void test_what_may_be_sent(void **state)
{
    (void)state;
    peer_session s = in_state(PEER_GREETING);
    assert_true(peer_session_may_send(&s, SYNC_FRAME_ANNOUNCE));
    assert_false(peer_session_may_send(&s, SYNC_FRAME_START));
    s = in_state(PEER_ANNOUNCED);
    assert_false(peer_session_may_send(&s, SYNC_FRAME_ANNOUNCE));
    assert_true(peer_session_may_send(&s, SYNC_FRAME_START));
    assert_false(peer_session_may_send(&s, SYNC_FRAME_CHANGES));
    assert_false(peer_session_may_send(&s, SYNC_FRAME_APPLY));
    s = in_state(PEER_STREAMING);
    assert_true(peer_session_may_send(&s, SYNC_FRAME_CHANGES));
    assert_true(peer_session_may_send(&s, SYNC_FRAME_APPLY));
    s = in_state(PEER_ENDED);
    assert_false(peer_session_may_send(&s, SYNC_FRAME_CHANGES));
    assert_true(peer_session_may_send(&s, SYNC_FRAME_ERROR));
}

static peer_move announce(const char *room, const sync_frame_site *site, const sync_frame_site *ours)
{
    peer_session s;
    sync_frame f = message(SYNC_FRAME_ANNOUNCE);
    peer_session_open(&s, "room", ours, 0);
    f.announce.room = sync_frame_text_of(room);
    f.announce.site = *site;
    return receive(&s, &f, 0);
}

static void test_who_is_met(void **state)
{
    (void)state;
    static const sync_frame_site nobody = {{0}};
    assert_int_equal(announce("room", &their, &own).verdict, PEER_MEET);
    assert_int_equal(announce("roo", &their, &own).code, SYNC_PEER_ERROR_ROOM);
    assert_int_equal(announce("rooms", &their, &own).code, SYNC_PEER_ERROR_ROOM);
    assert_int_equal(announce("room", &own, &own).code, SYNC_PEER_ERROR_SAME);
    assert_int_equal(announce("room", &nobody, &own).verdict, PEER_MEET);    /* a clone comes */
    assert_int_equal(announce("room", &nobody, &nobody).verdict, PEER_MEET); /* two files without an id */
    peer_session s;
    sync_frame f = message(SYNC_FRAME_ANNOUNCE);
    peer_session_open(&s, "room", &own, 0);
    f.announce.protocol = SYNC_PROTOCOL_VERSION + 1;
    assert_int_equal(receive(&s, &f, 0).code, SYNC_PEER_ERROR_VERSION);
}

/* Bits of rights that nobody knows are none; to tell of members is one. */
static void test_what_is_granted(void **state)
{
    (void)state;
    peer_session s;
    sync_frame f = message(SYNC_FRAME_ANNOUNCE);
    peer_session_open(&s, "room", &own, 0);
    f.announce.rights = UINT64_MAX;
    assert_int_equal(receive(&s, &f, 0).verdict, PEER_MEET);
    assert_int_equal(s.granted, SYNC_RIGHT_READ | SYNC_RIGHT_WRITE | SYNC_RIGHT_SNAPSHOT |
                                    SYNC_RIGHT_FORWARD | SYNC_RIGHT_PRESENCE);
    peer_session_open(&s, "room", &own, 0);
    f.announce.rights = SYNC_RIGHT_WRITE;
    assert_int_equal(receive(&s, &f, 0).verdict, PEER_MEET);
    assert_int_equal(s.granted, SYNC_RIGHT_WRITE);
}

static void test_damage(void **state)
{
    (void)state;
    peer_session s = in_state(PEER_STREAMING);
    sync_frame got;
    peer_move move;
    peer_session_receive(&s, "nonsense nonsense", 17, 0, &got, &move);
    assert_int_equal(move.verdict, PEER_END_LINK);
    assert_int_equal(move.code, SYNC_PEER_ERROR_PROTOCOL);
    assert_int_equal(s.state, PEER_ENDED);
}

static void test_ping_is_answered(void **state)
{
    (void)state;
    peer_session s = in_state(PEER_ANNOUNCED);
    peer_move move = receive_type(&s, SYNC_FRAME_PING);
    assert_int_equal(move.verdict, PEER_ANSWER);
    assert_int_equal(move.reply.type, SYNC_FRAME_PONG);
    assert_int_equal(move.reply.pong.token, 77);
}

static void test_error_ends_with_its_text(void **state)
{
    (void)state;
    peer_session s = in_state(PEER_STREAMING);
    sync_frame f = {.type = SYNC_FRAME_ERROR};
    f.error.code = SYNC_PEER_ERROR_SCHEMA;
    f.error.text = sync_frame_text_of("table t");
    peer_move move = receive(&s, &f, 0);
    assert_int_equal(move.verdict, PEER_DELIVER);
    assert_int_equal(move.code, SYNC_PEER_ERROR_SCHEMA);
    assert_string_equal(move.text, "table t");
}

static peer_verdict tick(peer_session *s, int64_t now_ms, int64_t *next_ms)
{
    peer_move move;
    peer_session_tick(s, now_ms, next_ms, &move);
    return move.verdict;
}

static void test_no_announcement(void **state)
{
    (void)state;
    int64_t next;
    peer_session s = in_state(PEER_GREETING);
    assert_int_equal(tick(&s, PEER_HELLO_MS - 1, &next), PEER_IGNORE);
    assert_int_equal(next, PEER_HELLO_MS);
    assert_int_equal(tick(&s, PEER_HELLO_MS, &next), PEER_END_LINK);
    assert_int_equal(s.state, PEER_ENDED);
}

static void test_heartbeat(void **state)
{
    (void)state;
    int64_t next;
    peer_session s = in_state(PEER_STREAMING);
    assert_int_equal(tick(&s, 0, &next), PEER_IGNORE);
    assert_int_equal(next, PEER_PING_MS);
    assert_int_equal(tick(&s, next, &next), PEER_ANSWER); /* a Ping */
    assert_int_equal(next, 2 * PEER_PING_MS);
    sync_frame pong = message(SYNC_FRAME_PONG);
    assert_int_equal(receive(&s, &pong, PEER_PING_MS + 5).verdict, PEER_IGNORE);
    assert_int_equal(tick(&s, 2 * PEER_PING_MS, &next), PEER_IGNORE); /* heard since */
    assert_int_equal(next, 2 * PEER_PING_MS + 5);
    assert_int_equal(tick(&s, PEER_PING_MS + 5 + PEER_DEAD_MS - 1, &next), PEER_ANSWER);
    assert_int_equal(tick(&s, PEER_PING_MS + 5 + PEER_DEAD_MS, &next), PEER_END_LINK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_come),    cmocka_unit_test(test_nothing_comes_after_the_end),
        cmocka_unit_test(test_what_may_be_sent), cmocka_unit_test(test_who_is_met),
        cmocka_unit_test(test_what_is_granted),  cmocka_unit_test(test_damage),
        cmocka_unit_test(test_ping_is_answered), cmocka_unit_test(test_error_ends_with_its_text),
        cmocka_unit_test(test_no_announcement),  cmocka_unit_test(test_heartbeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
