/* The protocol's state on one link. */
#include "session.h"

#include "peer_limits.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Where a message that comes in a state leads; absent (0) means it may not come. States are written + 1. */
#define TO(state) ((state) + 1)
static const unsigned char receive_table[PEER_SESSION_STATES][SYNC_FRAME_TYPES] = {
    [PEER_GREETING] =
        {
            [SYNC_FRAME_ANNOUNCE] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_ERROR] = TO(PEER_ENDED),
        },
    [PEER_ANNOUNCED] =
        {
            [SYNC_FRAME_START] = TO(PEER_STREAMING),
            [SYNC_FRAME_CHANGES] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_REJECT] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_PING] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_PONG] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_ERROR] = TO(PEER_ENDED),
            [SYNC_FRAME_ACK] = TO(PEER_ANNOUNCED), /* of Snapshot, which comes before StartStreaming */
            [SYNC_FRAME_SCHEMA_REQUEST] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_SCHEMA] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_SNAPSHOT_REQUEST] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_SNAPSHOT] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_CREATE_DB] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_APPLY] = TO(PEER_ANNOUNCED),
            [SYNC_FRAME_PRESENCE] = TO(PEER_ANNOUNCED),
        },
    [PEER_STREAMING] =
        {
            [SYNC_FRAME_START] = TO(PEER_STREAMING),
            [SYNC_FRAME_CHANGES] = TO(PEER_STREAMING),
            [SYNC_FRAME_REJECT] = TO(PEER_STREAMING),
            [SYNC_FRAME_ACK] = TO(PEER_STREAMING),
            [SYNC_FRAME_PING] = TO(PEER_STREAMING),
            [SYNC_FRAME_PONG] = TO(PEER_STREAMING),
            [SYNC_FRAME_ERROR] = TO(PEER_ENDED),
            [SYNC_FRAME_SCHEMA_REQUEST] = TO(PEER_STREAMING),
            [SYNC_FRAME_SCHEMA] = TO(PEER_STREAMING),
            [SYNC_FRAME_SNAPSHOT_REQUEST] = TO(PEER_STREAMING),
            [SYNC_FRAME_SNAPSHOT] = TO(PEER_STREAMING),
            [SYNC_FRAME_CREATE_DB] = TO(PEER_STREAMING),
            [SYNC_FRAME_APPLY] = TO(PEER_STREAMING),
            [SYNC_FRAME_PRESENCE] = TO(PEER_STREAMING),
        },
};

static const char *const state_names[PEER_SESSION_STATES] = {
    "before AnnouncePresence", "before StartStreaming", "while streaming", "after the end"};

void peer_session_open(peer_session *s, const char *room, const sync_frame_site *own, int64_t now_ms)
{
    *s = (peer_session){.state = PEER_GREETING,
                        .own = *own,
                        .room = room,
                        .opened_ms = now_ms,
                        .heard_ms = now_ms,
                        .pinged_ms = now_ms};
}

static void end(peer_session *s, peer_move *move, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void end(peer_session *s, peer_move *move, int code, const char *format, ...)
{
    va_list arguments;
    s->state = PEER_ENDED;
    move->verdict = PEER_END_LINK;
    move->code = code;
    va_start(arguments, format);
    vsnprintf(move->text, sizeof move->text, format, arguments);
    va_end(arguments);
}

static bool is_zero(const sync_frame_site *site)
{
    static const sync_frame_site zero = {{0}};
    return memcmp(site->id, zero.id, sizeof zero.id) == 0;
}

static void meet(peer_session *s, const sync_frame *frame, peer_move *move)
{
    const sync_frame_announce *a = &frame->announce;
    if (a->room.bytes != strlen(s->room) || memcmp(a->room.at, s->room, a->room.bytes) != 0) {
        end(s, move, SYNC_PEER_ERROR_ROOM, "this link is about room %s, and it announced room %.*s", s->room,
            (int)a->room.bytes, a->room.at);
        return;
    }
    if (!is_zero(&s->own) && memcmp(s->own.id, a->site.id, sizeof s->own.id) == 0) {
        end(s, move, SYNC_PEER_ERROR_SAME, PEER_SAME_FILE);
        return;
    }
    s->their = a->site;
    s->granted = (unsigned)(a->rights & (SYNC_RIGHT_READ | SYNC_RIGHT_WRITE | SYNC_RIGHT_SNAPSHOT |
                                         SYNC_RIGHT_FORWARD | SYNC_RIGHT_PRESENCE));
    move->verdict = PEER_MEET;
}

/* A message that may come now. */
static void judge(peer_session *s, const sync_frame *frame, peer_move *move)
{
    switch (frame->type) {
    case SYNC_FRAME_ANNOUNCE:
        meet(s, frame, move);
        break;
    case SYNC_FRAME_PING:
        move->verdict = PEER_ANSWER;
        move->reply.type = SYNC_FRAME_PONG;
        move->reply.pong.token = frame->ping.token;
        break;
    case SYNC_FRAME_PONG:
        move->verdict = PEER_IGNORE;
        break;
    case SYNC_FRAME_ERROR:
        end(s, move, (int)frame->error.code, "%.*s", (int)frame->error.text.bytes, frame->error.text.at);
        move->verdict = PEER_DELIVER;
        break;
    default:
        move->verdict = PEER_DELIVER;
    }
}

void peer_session_receive(peer_session *s, const void *data, size_t bytes, int64_t now_ms, sync_frame *frame,
                          peer_move *move)
{
    sync_error error = {0};
    *move = (peer_move){.verdict = PEER_IGNORE};
    if (s->state == PEER_ENDED) {
        return;
    }
    s->heard_ms = now_ms;
    int rc = sync_frame_get(data, bytes, frame, &error);
    if (rc != SYNC_OK) {
        end(s, move, rc == SYNC_FORMAT ? SYNC_PEER_ERROR_VERSION : SYNC_PEER_ERROR_PROTOCOL, "%s",
            error.text);
        return;
    }
    unsigned char to = receive_table[s->state][frame->type];
    if (to == 0) {
        end(s, move, SYNC_PEER_ERROR_PROTOCOL, "%s may not come %s", sync_frame_name(frame->type),
            state_names[s->state]);
        return;
    }
    assert(to - 1 >= (int)s->state); /* no message leads back */
    s->state = (peer_session_state)(to - 1);
    judge(s, frame, move);
}

bool peer_session_may_send(const peer_session *s, sync_frame_type type)
{
    switch (type) {
    case SYNC_FRAME_ANNOUNCE:
        return s->state == PEER_GREETING;
    case SYNC_FRAME_ERROR:
        return true; /* the last word */
    case SYNC_FRAME_CHANGES:
    case SYNC_FRAME_APPLY:
        return s->state == PEER_STREAMING;
    default:
        return s->state == PEER_ANNOUNCED || s->state == PEER_STREAMING;
    }
}

void peer_session_tick(peer_session *s, int64_t now_ms, int64_t *next_ms, peer_move *move)
{
    *move = (peer_move){.verdict = PEER_IGNORE};
    *next_ms = now_ms + PEER_PING_MS;
    if (s->state == PEER_ENDED) {
        return;
    }
    if (s->state == PEER_GREETING) {
        *next_ms = s->opened_ms + PEER_HELLO_MS;
        if (now_ms >= *next_ms) {
            end(s, move, SYNC_PEER_ERROR_PROTOCOL, "no AnnouncePresence within %d s", PEER_HELLO_MS / 1000);
        }
        return;
    }
    if (now_ms - s->heard_ms >= PEER_DEAD_MS) {
        end(s, move, SYNC_PEER_ERROR_PROTOCOL, "nothing heard for %d s", PEER_DEAD_MS / 1000);
        return;
    }
    int64_t quiet_since = s->heard_ms > s->pinged_ms ? s->heard_ms : s->pinged_ms;
    if (now_ms - quiet_since >= PEER_PING_MS) {
        move->verdict = PEER_ANSWER;
        move->reply.type = SYNC_FRAME_PING;
        move->reply.ping.token = ++s->pings;
        s->pinged_ms = now_ms;
        quiet_since = now_ms;
    }
    *next_ms = quiet_since + PEER_PING_MS;
}
