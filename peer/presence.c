/* Who is in a room, here and at other peers: told over the links between peers, and passed on (docs/PROTOCOL.md, "Who is there"). */
#include "net_internal.h"

#include "log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MS = 1000, NS_PER_MS = 1000000, DIGITS = 4 /* bytes of an id that stand for a name */ };

static void on_due(lws_sorted_usec_list_t *sul);

/* Has the room's file an id: is it open, and tracks it anything? */
static bool has_site(const net_room *r)
{
    static const sync_frame_site nobody = {{0}};
    return r->ready && memcmp(r->site.id, nobody.id, sizeof nobody.id) != 0;
}

static bool may_tell(const net_room *r)
{
    return r->worker != NULL && has_site(r) && !r->ending;
}

/* Tells what there is to tell at that time, or as soon after it as may be. */
static void schedule(net_room *r, int64_t at_ms)
{
    net_presence *p = &r->presence;
    if (r->net->stopping) {
        return;
    }
    const int64_t now = peer_now_ms(), free_ms = p->told_ms + PEER_PRESENCE_GAP_MS;
    at_ms = at_ms < free_ms ? free_ms : at_ms;
    if (p->due_ms == 0 || at_ms < p->due_ms) {
        p->due_ms = at_ms;
        lws_sul_schedule(r->net->context, 0, &p->due, on_due,
                         (at_ms > now ? at_ms - now : 1) * LWS_US_PER_MS);
    }
}

/* ---- who may tell what to whom */

unsigned net_presence_offer(net_link *l, unsigned rights)
{
    const peer_options *o = l->net->options;
    const bool needed =
        o->command == PEER_SERVE || (o->url_count > 1 && !o->once); /* it lists, or passes on */
    l->hears = needed && (rights & SYNC_RIGHT_WRITE) != 0 &&
               (l->follow != NULL || (l->grants & SYNC_RIGHT_PRESENCE) != 0);
    return l->hears ? SYNC_RIGHT_PRESENCE : 0;
}

void net_presence_meet(net_link *l, unsigned rights)
{
    net_room *r = l->room;
    if ((l->session.granted & SYNC_RIGHT_PRESENCE) == 0) {
        return;
    }
    if ((rights & SYNC_RIGHT_READ) != 0) {
        l->tells = l->untold = true;
        r->presence.tellers++;
        schedule(r, peer_now_ms());
    }
    if (l->accepted) {
        net_presence_changed(r); /* it is a peer */
    }
}

void net_presence_changed(net_room *r)
{
    r->presence.changed = true;
    if (r->presence.tellers > 0) {
        schedule(r, peer_now_ms());
    }
}

void net_presence_leave(net_link *l)
{
    if (l->tells) {
        l->tells = false;
        l->room->presence.tellers--;
    }
    if (l->accepted && l->room != NULL) {
        net_presence_changed(l->room);
    }
}

/* ---- telling */

void net_presence_name(const net_room *r, char name[PEER_NAME_BYTES_MAX + 1])
{
    const peer_config *config = r->net->config;
    if (config != NULL && config->name != NULL) {
        snprintf(name, PEER_NAME_BYTES_MAX + 1, "%s", config->name);
        return;
    }
    name[0] = 0;
    for (size_t i = 0; has_site(r) && i < DIGITS; i++) {
        snprintf(name + 2 * i, 3, "%02x", r->site.id[i]);
    }
}

void net_presence_member(const net_link *l, peer_member *member)
{
    *member = (peer_member){
        .by = l->by, .relays = (l->session.granted & SYNC_RIGHT_PRESENCE) != 0, .since_s = l->since_s};
    snprintf(member->user, sizeof member->user, "%s", l->user);
}

/* Who is here. How many. */
static size_t put_members(const net_room *r, sync_buf *to)
{
    size_t count = 0;
    peer_member member;
    for (const net_link *l = r->net->links; l != NULL; l = l->next) {
        if (l->room == r && l->accepted && !l->ending && count++ < PEER_PRESENCE_MEMBERS_MAX) {
            net_presence_member(l, &member);
            peer_members_put(to, &member);
        }
    }
    return count;
}

/* The next of this peer's own messages: newer than all it has said, and than what it said before it was started again. */
static void count_on(net_presence *p, size_t members, int64_t now_ms)
{
    struct timespec now = {0};
    (void)timespec_get(&now, TIME_UTC);
    const uint64_t clock = (uint64_t)now.tv_sec * MS + (uint64_t)now.tv_nsec / NS_PER_MS;
    p->counter += p->counter < INT64_MAX;
    p->counter = p->counter < clock ? clock : p->counter;
    p->members = members;
    p->said_ms = now_ms;
    p->changed = false;
}

/* What this peer says of itself; it borrows `name` and `members`. */
static sync_frame own_frame(const net_room *r, const char *name, const sync_buf *members, int64_t now_ms)
{
    const net_presence *p = &r->presence;
    sync_frame frame = {.type = SYNC_FRAME_PRESENCE};
    frame.presence.peer = r->site;
    frame.presence.counter = p->counter;
    frame.presence.age = (uint64_t)(now_ms - p->said_ms);
    frame.presence.members = p->members;
    frame.presence.name = sync_frame_text_of(name);
    frame.payload = members->data;
    frame.payload_bytes = members->len;
    return frame;
}

/* What is new, and to who has not been told yet all that is known; but for what came from there. */
static void tell_link(net_link *l, const sync_frame *own, bool own_is_new, int64_t now_ms)
{
    if (l->out_bytes > PEER_WINDOW_BYTES) { /* it is slow: what is then, later */
        l->untold = l->room->presence.owes = true;
        return;
    }
    if (own != NULL && (own_is_new || l->untold)) {
        net_link_send(l, own);
    }
    for (const peer_origin *o = l->room->origins.first; o != NULL; o = o->next) {
        if (o->from != l->id && (o->news || l->untold)) {
            const sync_frame frame = peer_origin_frame(o, now_ms);
            net_link_send(l, &frame);
        }
    }
    l->untold = false;
}

/* `own`: NULL if there is nothing to say of this peer itself. */
static void tell_all(net_room *r, const sync_frame *own, bool own_is_new, int64_t now_ms)
{
    r->presence.owes = false;
    for (net_link *l = r->net->links; l != NULL; l = l->next) {
        if (l->room == r && l->tells) {
            tell_link(l, own, own_is_new, now_ms);
        }
    }
    for (peer_origin *o = r->origins.first; o != NULL; o = o->next) {
        o->news = false;
    }
}

static void tell(net_room *r, int64_t now_ms)
{
    net_presence *p = &r->presence;
    char name[PEER_NAME_BYTES_MAX + 1];
    sync_buf members = {0};
    const size_t before = p->members, count = put_members(r, &members);
    const bool due = p->changed || (before > 0 && now_ms - p->said_ms >= PEER_PRESENCE_RENEW_MS);
    const bool is_new = due && !members.oom && (count > 0 || before > 0); /* of none it is told once */
    if (is_new) {
        count_on(p, count, now_ms);
    }
    net_presence_name(r, name);
    const sync_frame own = own_frame(r, name, &members, now_ms);
    tell_all(r, !members.oom && (count > 0 || is_new) ? &own : NULL, is_new, now_ms);
    sync_buf_free(&members);
}

/* When there is something to tell again, as far as is known now; INT64_MAX: never. */
static int64_t next_telling(const net_presence *p, int64_t now_ms)
{
    return p->owes ? now_ms : p->members > 0 ? p->said_ms + PEER_PRESENCE_RENEW_MS : INT64_MAX;
}

static void on_due(lws_sorted_usec_list_t *sul)
{
    net_room *r = lws_container_of(sul, net_room, presence.due);
    net_presence *p = &r->presence;
    const int64_t now = peer_now_ms();
    int64_t next = peer_origins_expire(&r->origins, now);
    p->due_ms = 0;
    p->told_ms = now;
    if (p->tellers > 0 && may_tell(r)) {
        tell(r, now);
        const int64_t again = next_telling(p, now);
        next = next < again ? next : again;
    }
    if (next != INT64_MAX) {
        schedule(r, next);
    }
}

void net_presence_close(net_room *r)
{
    net_presence *p = &r->presence;
    const sync_buf nobody = {0};
    const int64_t now = peer_now_ms();
    char name[PEER_NAME_BYTES_MAX + 1];
    if (p->tellers > 0 && p->members > 0 && may_tell(r)) {
        net_presence_name(r, name);
        count_on(p, 0, now);
        const sync_frame own = own_frame(r, name, &nobody, now);
        tell_all(r, &own, true, now);
    }
    p->members = 0;
}

void net_presence_free(net_room *r)
{
    lws_sul_cancel(&r->presence.due);
    peer_origins_free(&r->origins);
}

/* ---- hearing */

int net_presence_take(net_link *l, const sync_frame *frame, const char **why)
{
    net_room *r = l->room;
    if (!l->hears) {
        *why = "to tell who is in the room is not allowed here: it takes the rights write and peer";
        return SYNC_PEER_ERROR_FORBIDDEN;
    }
    const bool own = memcmp(frame->presence.peer.id, r->site.id, sizeof r->site.id) == 0;
    peer_origins none = {0}; /* what is told of ourselves is old, or a lie */
    switch (peer_origins_take(own ? &none : &r->origins, frame, l->id, peer_now_ms(), why)) {
    case PEER_TOLD_WRONG:
        return SYNC_PEER_ERROR_PROTOCOL;
    case PEER_TOLD_NEWS:
        if (!own) {
            schedule(r, peer_now_ms());
        }
        break;
    case PEER_TOLD_TOO_MUCH:
        if (!r->presence.complained) {
            peer_notice("room %s: members of no more than %d peers are kept, in %u KiB; others are not in "
                        "GET /%s/users",
                        r->name, PEER_PRESENCE_PEERS_MAX, PEER_PRESENCE_BYTES_MAX / 1024, r->name);
            r->presence.complained = true;
        }
        break;
    case PEER_TOLD_OLD:
        break;
    }
    peer_origins_free(&none);
    return 0;
}
