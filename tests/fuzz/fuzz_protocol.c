/* A link's whole conversation: messages one after the other, time passing between them. Input is a row of
**
**   u8 what | u16 length | that many bytes
**
** what: bits 0-1: 0 a message as it is, 1 with its check set right, 2 seconds pass, 3 a pair of holdings that are joined. */
#include "fuzz.h"
#include "pack.h"

#include "members.h"
#include "peer_limits.h"
#include "seen.h"
#include "session.h"

#include <string.h>

enum { RAW, CHECKED, TIME, SEEN, WHATS };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_move(const peer_session *s, peer_session_state before, const sync_frame *frame,
                       const peer_move *move)
{
    FUZZ_CHECK(s->state >= before && s->state < PEER_SESSION_STATES);
    FUZZ_CHECK(memchr(move->text, 0, sizeof move->text) != NULL);
    switch (move->verdict) {
    case PEER_DELIVER:
        FUZZ_CHECK(before != PEER_ENDED && strcmp(sync_frame_name(frame->type), "?") != 0);
        break;
    case PEER_MEET:
        FUZZ_CHECK(before == PEER_GREETING && s->state == PEER_ANNOUNCED);
        break;
    case PEER_ANSWER:
        FUZZ_CHECK(peer_session_may_send(s, move->reply.type));
        break;
    case PEER_END_LINK:
        FUZZ_CHECK(s->state == PEER_ENDED && move->text[0] != 0);
        break;
    case PEER_IGNORE:
        break;
    }
}

/* What is told of who is in the room: what is kept of it is within its bounds, and good to be passed on. */
static void take_presence(peer_origins *known, const sync_frame *frame, int64_t now)
{
    const char *why;
    peer_origins again = {0};
    const peer_told told = peer_origins_take(known, frame, 1, now, &why);
    FUZZ_CHECK((told == PEER_TOLD_WRONG) == (why != NULL));
    FUZZ_CHECK(known->count <= PEER_PRESENCE_PEERS_MAX && known->bytes <= PEER_PRESENCE_BYTES_MAX);
    if (told == PEER_TOLD_NEWS) {
        const peer_origin *one = known->first;
        while (memcmp(one->site.id, frame->presence.peer.id, sizeof one->site.id) != 0) {
            one = one->next;
        }
        const sync_frame on = peer_origin_frame(one, now);
        FUZZ_CHECK(peer_origins_take(&again, &on, 2, now, &why) == PEER_TOLD_NEWS);
        FUZZ_CHECK(again.first->expires_ms == one->expires_ms);
    }
    peer_origins_free(&again);
}

static void receive(peer_session *s, peer_origins *known, const uint8_t *data, size_t bytes, bool checked,
                    int64_t now)
{
    static sync_buf message;
    sync_frame frame;
    peer_move move;
    peer_session_state before = s->state;
    sync_buf_reset(&message);
    sync_buf_put(&message, data, bytes);
    if (checked) {
        sync_buf_put_u64(&message, sync_frame_check(data, bytes));
    }
    FUZZ_CHECK(!message.oom);
    peer_session_receive(s, message.data, message.len, now, &frame, &move);
    check_move(s, before, &frame, &move);
    if (move.verdict == PEER_DELIVER && frame.type == SYNC_FRAME_PRESENCE) {
        take_presence(known, &frame, now);
    }
}

static int64_t pass_time(peer_session *s, int64_t now, int64_t seconds)
{
    peer_move move;
    peer_session_state before = s->state;
    int64_t next = 0;
    now += seconds * 1000;
    peer_session_tick(s, now, &next, &move);
    FUZZ_CHECK(s->state == PEER_ENDED || next > now);
    check_move(s, before, NULL, &move);
    return now;
}

/* Half of it is what the other side says that it holds, half what it said before. */
static void join(const uint8_t *data, size_t bytes)
{
    static sync_buf newer, older, both;
    const sync_buf *packed = fuzz_pack(data, bytes / 2);
    uint32_t common = 0;
    FUZZ_CHECK(peer_buf_set(&newer, packed->data, packed->len));
    packed = fuzz_pack(data + bytes / 2, bytes - bytes / 2);
    FUZZ_CHECK(peer_buf_set(&older, packed->data, packed->len));
    bool joined = peer_seen_join(&newer, &older, &both) == SYNC_OK;
    FUZZ_CHECK(joined || both.len == 0);
    FUZZ_CHECK(!joined || peer_seen_same_tables(&newer, &both));
    bool met = peer_seen_meet(&newer, &older, bytes % 2 == 0, &both) == SYNC_OK;
    FUZZ_CHECK(met == joined || both.len == 0);
    FUZZ_CHECK(!met || (peer_seen_same_tables(&newer, &both) && !peer_seen_went_back(&newer, &both)));
    char *why;
    free(peer_seen_misfit(&newer, &older, 0, &why));
    free(why);
    free(peer_seen_alone(&newer, &older, &common));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const sync_frame_site own = {{1}};
    sync_span span = sync_span_of(data, bytes);
    peer_session session;
    peer_origins known = {0};
    int64_t now = 1000;
    peer_session_open(&session, "room", &own, now);
    while (sync_span_left(&span) > 0 && !span.bad) {
        unsigned what = sync_span_u8(&span) % WHATS;
        size_t high = sync_span_u8(&span), length = high << 8 | sync_span_u8(&span);
        length = length < sync_span_left(&span) ? length : sync_span_left(&span);
        const uint8_t *at = sync_span_bytes(&span, length);
        if (span.bad) {
            break;
        }
        if (what == TIME) {
            now = pass_time(&session, now, (int64_t)length);
        } else if (what == SEEN) {
            join(at, length);
        } else {
            receive(&session, &known, at, length, what == CHECKED, now);
        }
    }
    peer_origins_free(&known);
    return 0;
}
