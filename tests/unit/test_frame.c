/* Messages of sync.v1 survive the way through bytes, and nothing else is taken for one. */
#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "leaf_fault.h"

static const uint8_t payload[] = "some bytes of a changeset";

/* One frame of each type, every field with a value of its own. */
static sync_frame example(sync_frame_type type)
{
    sync_frame f = {.type = type};
    switch (type) {
    case SYNC_FRAME_ANNOUNCE:
        f.announce.protocol = SYNC_PROTOCOL_VERSION;
        memset(f.announce.site.id, 0xa5, sizeof f.announce.site.id);
        f.announce.room = sync_frame_text_of("room-1");
        f.announce.software = sync_frame_text_of("sync-peer 9");
        f.announce.rights = SYNC_RIGHT_WRITE;
        break;
    case SYNC_FRAME_CHANGES:
        f.changes.stream = 300;
        f.changes.part = 7;
        f.changes.kind = SYNC_CHANGES_LAST;
        f.changes.left = 1000000;
        break;
    case SYNC_FRAME_REJECT:
        f.reject.stream = 3;
        f.reject.reason = SYNC_REJECT_EARLY;
        f.reject.text = sync_frame_text_of("tomorrow");
        break;
    case SYNC_FRAME_ACK:
        f.ack.stream = 1;
        f.ack.parts = 2;
        f.ack.bytes = UINT64_MAX;
        break;
    case SYNC_FRAME_APPLY:
        f.apply.stream = 300;
        f.apply.part = 2;
        f.apply.kind = SYNC_CHANGES_HOLLOW;
        f.apply.left = 1;
        break;
    case SYNC_FRAME_PING:
        f.ping.token = 0x1234567890;
        break;
    case SYNC_FRAME_PONG:
        f.pong.token = 1;
        break;
    case SYNC_FRAME_ERROR:
        f.error.code = SYNC_PEER_ERROR_SCHEMA;
        f.error.text = sync_frame_text_of("table t: key differs");
        break;
    case SYNC_FRAME_SNAPSHOT_REQUEST:
        memset(f.snapshot_request.id.id, 0x5a, sizeof f.snapshot_request.id.id);
        f.snapshot_request.offset = 300000;
        break;
    case SYNC_FRAME_SNAPSHOT:
        memset(f.snapshot.id.id, 0xc3, sizeof f.snapshot.id.id);
        f.snapshot.size = 5000000000;
        f.snapshot.file = 4999999488;
        f.snapshot.offset = 1 << 20;
        f.snapshot.bytes = 253952;
        f.snapshot.hash =
            (sync_frame_text){.at = "thirty-two bytes, as SHA-256 has", .bytes = SYNC_SNAPSHOT_HASH_BYTES};
        break;
    case SYNC_FRAME_PRESENCE:
        memset(f.presence.peer.id, 0x5a, sizeof f.presence.peer.id);
        f.presence.counter = 1800000000000;
        f.presence.age = 29999;
        f.presence.members = 1000;
        f.presence.name = sync_frame_text_of("north.example");
        break;
    default:
        break;
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

static bool has_payload(sync_frame_type type)
{
    switch (type) {
    case SYNC_FRAME_START:
    case SYNC_FRAME_CHANGES:
    case SYNC_FRAME_REJECT:
    case SYNC_FRAME_SCHEMA:
    case SYNC_FRAME_SNAPSHOT:
    case SYNC_FRAME_CREATE_DB:
    case SYNC_FRAME_APPLY:
    case SYNC_FRAME_PRESENCE:
        return true;
    default:
        return false;
    }
}

static sync_frame full_example(sync_frame_type type)
{
    sync_frame f = example(type);
    if (has_payload(type)) {
        f.payload = payload;
        f.payload_bytes = sizeof payload;
        f.more = true;
    }
    return f;
}

static bool same_text(sync_frame_text a, sync_frame_text b)
{
    return a.bytes == b.bytes && memcmp(a.at, b.at, a.bytes) == 0;
}

static void assert_same(const sync_frame *a, const sync_frame *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->more, b->more);
    assert_int_equal(a->payload_bytes, b->payload_bytes);
    if (a->payload_bytes > 0) {
        assert_memory_equal(a->payload, b->payload, a->payload_bytes);
    }
    switch (a->type) {
    case SYNC_FRAME_ANNOUNCE:
        assert_int_equal(a->announce.protocol, b->announce.protocol);
        assert_memory_equal(a->announce.site.id, b->announce.site.id, 16);
        assert_true(same_text(a->announce.room, b->announce.room));
        assert_true(same_text(a->announce.software, b->announce.software));
        assert_int_equal(a->announce.rights, b->announce.rights);
        break;
    case SYNC_FRAME_CHANGES:
        assert_int_equal(a->changes.stream, b->changes.stream);
        assert_int_equal(a->changes.part, b->changes.part);
        assert_int_equal(a->changes.kind, b->changes.kind);
        assert_int_equal(a->changes.left, b->changes.left);
        break;
    case SYNC_FRAME_APPLY:
        assert_int_equal(a->apply.stream, b->apply.stream);
        assert_int_equal(a->apply.part, b->apply.part);
        assert_int_equal(a->apply.kind, b->apply.kind);
        assert_int_equal(a->apply.left, b->apply.left);
        break;
    case SYNC_FRAME_REJECT:
        assert_int_equal(a->reject.stream, b->reject.stream);
        assert_int_equal(a->reject.reason, b->reject.reason);
        assert_true(same_text(a->reject.text, b->reject.text));
        break;
    case SYNC_FRAME_ACK:
        assert_int_equal(a->ack.stream, b->ack.stream);
        assert_int_equal(a->ack.parts, b->ack.parts);
        assert_true(a->ack.bytes == b->ack.bytes);
        break;
    case SYNC_FRAME_PING:
        assert_true(a->ping.token == b->ping.token);
        break;
    case SYNC_FRAME_PONG:
        assert_true(a->pong.token == b->pong.token);
        break;
    case SYNC_FRAME_ERROR:
        assert_int_equal(a->error.code, b->error.code);
        assert_true(same_text(a->error.text, b->error.text));
        break;
    case SYNC_FRAME_SNAPSHOT_REQUEST:
        assert_memory_equal(a->snapshot_request.id.id, b->snapshot_request.id.id, 16);
        assert_true(a->snapshot_request.offset == b->snapshot_request.offset);
        break;
    case SYNC_FRAME_SNAPSHOT:
        assert_memory_equal(a->snapshot.id.id, b->snapshot.id.id, 16);
        assert_true(a->snapshot.size == b->snapshot.size && a->snapshot.file == b->snapshot.file);
        assert_true(a->snapshot.offset == b->snapshot.offset && a->snapshot.bytes == b->snapshot.bytes);
        assert_true(same_text(a->snapshot.hash, b->snapshot.hash));
        break;
    case SYNC_FRAME_PRESENCE:
        assert_memory_equal(a->presence.peer.id, b->presence.peer.id, 16);
        assert_true(a->presence.counter == b->presence.counter);
        assert_int_equal(a->presence.age, b->presence.age);
        assert_int_equal(a->presence.members, b->presence.members);
        assert_true(same_text(a->presence.name, b->presence.name));
        break;
    default:
        break;
    }
}

/* Decodes a copy of exactly these bytes, so that a read beyond them is seen. */
static int get(const uint8_t *data, size_t bytes, sync_frame *frame, uint8_t **copy)
{
    sync_error error = {0};
    *copy = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(*copy);
    memcpy(*copy, data, bytes);
    int rc = sync_frame_get(*copy, bytes, frame, &error);
    assert_true((rc == SYNC_OK) == (error.text[0] == 0));
    return rc;
}

static int get_only(const uint8_t *data, size_t bytes)
{
    sync_frame frame;
    uint8_t *copy;
    int rc = get(data, bytes, &frame, &copy);
    free(copy);
    return rc;
}

static void test_every_type_survives(void **state)
{
    (void)state;
    for (sync_frame_type type = next_type(0); type < SYNC_FRAME_TYPES; type = next_type(type)) {
        for (int full = 0; full < 2; full++) {
            sync_frame f = full ? full_example(type) : example(type), got;
            sync_buf buf = {0};
            uint8_t *copy;
            assert_int_equal(sync_frame_put(&buf, &f), SYNC_OK);
            assert_int_equal(get(buf.data, buf.len, &got, &copy), SYNC_OK);
            assert_same(&f, &got);
            free(copy);
            sync_buf_free(&buf);
        }
        assert_string_not_equal(sync_frame_name(type), "?");
    }
    assert_string_equal(sync_frame_name(SYNC_FRAME_CHANGES), "Changes");
    assert_string_equal(sync_frame_name(SYNC_FRAME_TYPES), "?");
    assert_string_equal(sync_frame_name(SYNC_FRAME_PRESENCE), "Presence");
    assert_int_equal(sync_frame_text_of(NULL).bytes, 0);
}

/* The bytes that docs/PROTOCOL.md states for one message. */
static void test_layout(void **state)
{
    (void)state;
    sync_frame f = {.type = SYNC_FRAME_ACK};
    f.ack.stream = 1;
    f.ack.parts = 2;
    f.ack.bytes = 300;
    static const uint8_t body[] = {5, 0, 1, 2, 0xac, 0x02};
    sync_buf buf = {0};
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_OK);
    assert_int_equal(buf.len, sizeof body + 8);
    assert_memory_equal(buf.data, body, sizeof body);
    uint64_t check = 0;
    for (size_t i = 0; i < 8; i++) {
        check = check << 8 | buf.data[sizeof body + i];
    }
    assert_true(check == sync_frame_check(body, sizeof body));
    sync_buf_free(&buf);
}

/* A hash is there whole or not at all. */
static void test_hashes(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= SYNC_SNAPSHOT_HASH_BYTES + 1; bytes++) {
        sync_frame f = example(SYNC_FRAME_SNAPSHOT);
        sync_buf buf = {0};
        f.snapshot.hash = (sync_frame_text){.at = "thirty-two bytes, as SHA-256 has.", .bytes = bytes};
        assert_int_equal(sync_frame_put(&buf, &f), SYNC_OK);
        assert_int_equal(get_only(buf.data, buf.len),
                         bytes == 0 || bytes == SYNC_SNAPSHOT_HASH_BYTES ? SYNC_OK : SYNC_CORRUPT);
        sync_buf_free(&buf);
    }
}

static void test_truncated_and_flipped(void **state)
{
    (void)state;
    for (sync_frame_type type = next_type(0); type < SYNC_FRAME_TYPES; type = next_type(type)) {
        sync_frame f = full_example(type);
        sync_buf buf = {0};
        assert_int_equal(sync_frame_put(&buf, &f), SYNC_OK);
        for (size_t cut = 0; cut < buf.len; cut++) {
            assert_int_equal(get_only(buf.data, cut), SYNC_CORRUPT);
        }
        for (size_t bit = 0; bit < buf.len * 8; bit++) {
            buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(get_only(buf.data, buf.len), SYNC_CORRUPT);
            buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        sync_buf_free(&buf);
    }
}

/* Appends the right check to a body and decodes. */
static int get_body(const uint8_t *body, size_t bytes)
{
    sync_buf buf = {0};
    sync_buf_put(&buf, body, bytes);
    sync_buf_put_u64(&buf, sync_frame_check(body, bytes));
    int rc = get_only(buf.data, buf.len);
    sync_buf_free(&buf);
    return rc;
}

static void test_nonsense_with_a_good_check(void **state)
{
    (void)state;
    static const struct {
        uint8_t body[8];
        size_t bytes;
    } cases[] = {
        {{0, 0}, 2},                              /* no type */
        {{SYNC_FRAME_PRESENCE - 1, 0}, 2},        /* a number between types */
        {{SYNC_FRAME_TYPES, 0}, 2},               /* a type that is not there yet */
        {{255, 0}, 2},                            /* ... */
        {{SYNC_FRAME_PING, 0}, 2},                /* a field is missing */
        {{SYNC_FRAME_PING, 0, 0x80}, 3},          /* a varint is cut short */
        {{SYNC_FRAME_PING, 0, 0x80, 0x00}, 4},    /* an over-long varint */
        {{SYNC_FRAME_PING, 0, 1, 1}, 4},          /* bytes behind the fields */
        {{SYNC_FRAME_PING, 1, 1}, 3},             /* "more" where there is no payload */
        {{SYNC_FRAME_PING, 2, 1}, 3},             /* an unknown flag */
        {{SYNC_FRAME_START, 1}, 2},               /* "more" of nothing */
        {{SYNC_FRAME_CHANGES, 0, 1, 0, 5, 0}, 6}, /* an unknown kind */
        {{SYNC_FRAME_REJECT, 0, 1, 0, 0}, 5},     /* an unknown reason */
        {{SYNC_FRAME_REJECT, 0, 1, 6, 0}, 5},     /* ... */
        {{SYNC_FRAME_REJECT, 0, 1, 16, 0}, 5},    /* an Error of no code */
        {{SYNC_FRAME_REJECT, 0, 1, 27, 0}, 5},    /* ... of an unknown one */
        {{SYNC_FRAME_APPLY, 0, 1, 0, 3, 0}, 6},   /* word of what is held is not forwarded */
        {{SYNC_FRAME_ERROR, 0, 1, 5, 'a'}, 5},    /* a text longer than the message */
        {{SYNC_FRAME_ANNOUNCE, 0, 1, 0, 0}, 5},   /* half a site */
        {{SYNC_FRAME_SCHEMA_REQUEST, 0, 1}, 3},   /* a payload where none may be */
        {{SYNC_FRAME_SNAPSHOT_REQUEST, 0, 1}, 3}, /* half an id */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(get_body(cases[i].body, cases[i].bytes), SYNC_CORRUPT);
    }
}

/* Every reason that there is. */
static void test_reasons(void **state)
{
    (void)state;
    for (uint8_t reason = 0; reason < 40; reason++) {
        const uint8_t body[] = {SYNC_FRAME_REJECT, 0, 1, reason, 0};
        bool good = (reason >= SYNC_REJECT_BEHIND && reason <= SYNC_REJECT_KNOWN) ||
                    (reason > SYNC_REJECT_ERROR && reason <= SYNC_REJECT_ERROR + SYNC_PEER_ERROR_FORBIDDEN);
        assert_int_equal(get_body(body, sizeof body), good ? SYNC_OK : SYNC_CORRUPT);
    }
}

/* Fields that end anywhere, in a message whose check is right. */
static void test_fields_cut_short(void **state)
{
    (void)state;
    for (sync_frame_type type = next_type(0); type < SYNC_FRAME_TYPES; type = next_type(type)) {
        sync_frame f = example(type);
        sync_buf buf = {0};
        assert_int_equal(sync_frame_put(&buf, &f), SYNC_OK);
        size_t body = buf.len - 8;
        assert_int_equal(get_body(buf.data, body), SYNC_OK);
        for (size_t cut = 2; cut < body; cut++) {
            assert_int_equal(get_body(buf.data, cut), SYNC_CORRUPT);
        }
        sync_buf_free(&buf);
    }
    static const uint8_t announce[] = {SYNC_FRAME_ANNOUNCE, 0};
    assert_int_equal(get_body(announce, sizeof announce), SYNC_CORRUPT);
}

static void test_a_later_protocol(void **state)
{
    (void)state;
    /* what comes behind the number may have any shape */
    static const uint8_t body[] = {SYNC_FRAME_ANNOUNCE, 0, SYNC_PROTOCOL_VERSION + 1, 0xff, 0xff};
    assert_int_equal(get_body(body, sizeof body), SYNC_FORMAT);
    static const uint8_t other[] = {SYNC_FRAME_PING, 0, SYNC_PROTOCOL_VERSION + 1};
    assert_int_equal(get_body(other, sizeof other), SYNC_OK);
}

static void test_limits(void **state)
{
    (void)state;
    static char text[SYNC_FRAME_TEXT_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    sync_frame f = {.type = SYNC_FRAME_ERROR};
    f.error.text = (sync_frame_text){text, SYNC_FRAME_TEXT_MAX};
    sync_buf buf = {0};
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_OK);
    assert_int_equal(get_only(buf.data, buf.len), SYNC_OK);
    size_t before = buf.len;
    f.error.text.bytes++;
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_TOOBIG);
    assert_int_equal(buf.len, before);

    uint8_t *big = calloc(1, SYNC_FRAME_BYTES_MAX + 1);
    assert_non_null(big);
    f = (sync_frame){.type = SYNC_FRAME_REJECT, .payload = big, .payload_bytes = SYNC_FRAME_PAYLOAD_MAX};
    f.reject.stream = f.reject.reason = UINT64_MAX;
    f.reject.text = (sync_frame_text){text, SYNC_FRAME_TEXT_MAX};
    assert_int_equal(sync_frame_put(&buf, &f),
                     SYNC_OK); /* the largest payload fits beside the largest fields */
    f.payload_bytes = SYNC_FRAME_BYTES_MAX;
    before = buf.len;
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_TOOBIG);
    assert_int_equal(buf.len, before);

    static const sync_frame_type types[] = {SYNC_FRAME_ANNOUNCE, SYNC_FRAME_REJECT, SYNC_FRAME_ERROR};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        f = example(types[i]);
        sync_frame_text *longest = types[i] == SYNC_FRAME_ANNOUNCE ? &f.announce.room
                                   : types[i] == SYNC_FRAME_REJECT ? &f.reject.text
                                                                   : &f.error.text;
        *longest = (sync_frame_text){text, SYNC_FRAME_TEXT_MAX + 1};
        assert_int_equal(sync_frame_put(&buf, &f), SYNC_TOOBIG);
    }
    f = example(SYNC_FRAME_ANNOUNCE);
    f.announce.software = (sync_frame_text){text, SYNC_FRAME_TEXT_MAX + 1};
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_TOOBIG);
    f = example(SYNC_FRAME_PRESENCE);
    f.presence.name = (sync_frame_text){text, SYNC_FRAME_TEXT_MAX + 1};
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_TOOBIG);
    f = (sync_frame){.type = SYNC_FRAME_TYPES};
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_TOOBIG);
    assert_int_equal(buf.len, before);

    f = (sync_frame){.type = SYNC_FRAME_PING, .payload = big, .payload_bytes = 1};
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_MISUSE);
    assert_int_equal(buf.len, before);
    assert_int_equal(get_only(big, SYNC_FRAME_BYTES_MAX + 1), SYNC_TOOBIG);
    free(big);
    sync_buf_free(&buf);
}

/* Two inputs that differ in one 8-byte word never share a check; nor does a longer run of zeros. */
static void test_check(void **state)
{
    (void)state;
    uint8_t data[64] = {0};
    uint64_t zero = sync_frame_check(data, sizeof data);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = 0xff;
        assert_true(sync_frame_check(data, sizeof data) != zero);
        data[i] = 0;
        assert_true(sync_frame_check(data, i) != zero);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sync_frame f = full_example(SYNC_FRAME_CHANGES);
    sync_buf buf = {0};
    fault_arm(0);
    assert_int_equal(sync_frame_put(&buf, &f), SYNC_NOMEM);
    assert_true(fault_disarm());
    assert_int_equal(buf.len, 0);
    sync_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_survives),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_truncated_and_flipped),
        cmocka_unit_test(test_nonsense_with_a_good_check),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_fields_cut_short),
        cmocka_unit_test(test_a_later_protocol),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_out_of_memory),
    };
    return fault_install() != 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
