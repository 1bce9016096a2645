#include "members.h"

#include "message.h"

#include <stdlib.h>
#include <string.h>

/* The end of year 9999: later ones no calendar shows. */
static const uint64_t since_max = 253402300799;

/* ---- one member: varint kind, varint since, text user */

enum { PROOF = 3, RELAYS = 4 }; /* bits of kind */

void peer_members_put(sync_buf *to, const peer_member *member)
{
    const size_t bytes = member->by != PEER_BY_NOTHING ? strlen(member->user) : 0;
    const uint64_t by = bytes > 0 ? member->by : PEER_BY_NOTHING;
    sync_buf_put_varint(to, by | (member->relays ? RELAYS : 0));
    sync_buf_put_varint(to, member->since_s > 0 ? (uint64_t)member->since_s : 0);
    sync_buf_put_blob(to, member->user, bytes);
}

bool peer_members_get(sync_span *from, peer_member *member)
{
    size_t bytes = 0;
    *member = (peer_member){.since_s = 0};
    if (sync_span_left(from) == 0) {
        return false;
    }
    const uint64_t kind = sync_span_varint(from), since = sync_span_varint(from), by = kind & PROOF;
    const uint8_t *user = sync_span_blob(from, sizeof member->user - 1, &bytes);
    if (from->bad || kind > (PROOF | RELAYS) || by > PEER_BY_CERTIFICATE || since > since_max ||
        (bytes > 0) != (by != PEER_BY_NOTHING) || (bytes > 0 && memchr(user, 0, bytes) != NULL)) {
        sync_span_fail(from, 0);
        return false;
    }
    member->by = (peer_proof)by;
    member->relays = (kind & RELAYS) != 0;
    member->since_s = (int64_t)since;
    memcpy(member->user, user, bytes);
    return true;
}

bool peer_name_ok(const char *name, size_t bytes)
{
    bool good = bytes > 0 && bytes <= PEER_NAME_BYTES_MAX;
    for (size_t i = 0; good && i < bytes; i++) {
        const char c = name[i];
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        good = plain || (i > 0 && (c == '.' || c == '_' || c == '-'));
    }
    return good;
}

/* ---- what peers tell */

/* What is wrong with it; NULL: nothing. */
static const char *misfit(const sync_frame *frame)
{
    static const sync_frame_site nobody = {{0}};
    const sync_frame_presence *p = &frame->presence;
    peer_member member;
    sync_span span = sync_span_of(frame->payload, frame->payload_bytes);
    size_t count = 0;
    if (frame->more) {
        return "Presence in pieces";
    }
    if (memcmp(p->peer.id, nobody.id, sizeof nobody.id) == 0) {
        return "Presence of no peer";
    }
    if (p->counter > INT64_MAX || p->members > UINT32_MAX) {
        return "Presence with a number that is too large";
    }
    if (!peer_name_ok(p->name.at, p->name.bytes)) {
        return "Presence of a peer whose name is none";
    }
    while (peer_members_get(&span, &member)) {
        count++;
    }
    return span.bad                            ? "Presence with a member that is malformed"
           : count > PEER_PRESENCE_MEMBERS_MAX ? "Presence with too many members"
           : count > p->members                ? "Presence with more members than it counts"
                                               : NULL;
}

static peer_origin *find(const peer_origins *o, const sync_frame_site *site)
{
    peer_origin *one = o->first;
    while (one != NULL && memcmp(one->site.id, site->id, sizeof site->id) != 0) {
        one = one->next;
    }
    return one;
}

static void keep(peer_origins *o, peer_origin *one, const sync_frame *frame)
{
    const sync_frame_presence *p = &frame->presence;
    o->bytes = o->bytes - one->bytes + frame->payload_bytes;
    free(one->packed);
    one->packed = NULL;
    if (frame->payload_bytes > 0) {
        one->packed = peer_new(frame->payload_bytes);
        memcpy(one->packed, frame->payload, frame->payload_bytes);
    }
    one->bytes = frame->payload_bytes;
    one->members = p->members;
    one->counter = p->counter;
    memcpy(one->name, p->name.at, p->name.bytes);
    one->name[p->name.bytes] = 0;
}

peer_told peer_origins_take(peer_origins *o, const sync_frame *frame, uint64_t from, int64_t now_ms,
                            const char **why)
{
    const sync_frame_presence *p = &frame->presence;
    *why = misfit(frame);
    if (*why != NULL) {
        return PEER_TOLD_WRONG;
    }
    peer_origins_expire(o, now_ms);
    peer_origin *one = find(o, &p->peer);
    if (p->age >= PEER_PRESENCE_EXPIRE_MS || (one != NULL && p->counter <= one->counter)) {
        return PEER_TOLD_OLD;
    }
    if ((one == NULL && o->count == PEER_PRESENCE_PEERS_MAX) ||
        o->bytes - (one != NULL ? one->bytes : 0) + frame->payload_bytes > PEER_PRESENCE_BYTES_MAX) {
        return PEER_TOLD_TOO_MUCH;
    }
    if (one == NULL) {
        one = peer_new(sizeof *one);
        one->site = p->peer;
        one->next = o->first;
        o->first = one;
        o->count++;
    }
    keep(o, one, frame);
    one->from = from;
    one->expires_ms = now_ms + PEER_PRESENCE_EXPIRE_MS - (int64_t)p->age;
    one->news = true;
    return PEER_TOLD_NEWS;
}

static void forget(peer_origins *o, peer_origin **at)
{
    peer_origin *one = *at;
    *at = one->next;
    o->count--;
    o->bytes -= one->bytes;
    free(one->packed);
    free(one);
}

int64_t peer_origins_expire(peer_origins *o, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (peer_origin **at = &o->first; *at != NULL;) {
        if ((*at)->expires_ms <= now_ms) {
            forget(o, at);
        } else {
            next = (*at)->expires_ms < next ? (*at)->expires_ms : next;
            at = &(*at)->next;
        }
    }
    return next;
}

uint64_t peer_origins_members(const peer_origins *o, int64_t now_ms)
{
    uint64_t count = 0;
    for (const peer_origin *one = o->first; one != NULL; one = one->next) {
        count += one->expires_ms > now_ms ? one->members : 0;
    }
    return count;
}

sync_frame peer_origin_frame(const peer_origin *origin, int64_t now_ms)
{
    sync_frame frame = {.type = SYNC_FRAME_PRESENCE};
    const int64_t left = origin->expires_ms - now_ms;
    frame.presence.peer = origin->site;
    frame.presence.counter = origin->counter;
    frame.presence.age = (uint64_t)(left < PEER_PRESENCE_EXPIRE_MS ? PEER_PRESENCE_EXPIRE_MS - left : 0);
    frame.presence.members = origin->members;
    frame.presence.name = sync_frame_text_of(origin->name);
    frame.payload = origin->packed;
    frame.payload_bytes = origin->bytes;
    return frame;
}

void peer_origins_free(peer_origins *o)
{
    while (o->first != NULL) {
        forget(o, &o->first);
    }
}
