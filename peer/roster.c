/* Which rooms there are and who is in them, as JSON, for who may know. */
#include "net_internal.h"

#include "escape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char rooms_path[] = "/rooms", users_end[] = "/users";

enum { MS = 1000, NUMBER_BYTES = 160 };

/* The rooms that are listed; those that are open were found first. */
typedef struct listing {
    const net *n;
    const net_caller *caller;
    size_t count;
    bool more; /* than PEER_ROSTER_ROOMS_MAX */
    char names[PEER_ROSTER_ROOMS_MAX][PEER_ROOM_NAME_MAX + 1];
} listing;

/* The name of the room in /ROOM/users; false: it is no such path. */
static bool read_users_path(const char *path, char name[PEER_ROOM_NAME_MAX + 1])
{
    const char *end = path[0] == '/' ? strchr(path + 1, '/') : NULL;
    if (end == NULL || strcmp(end, users_end) != 0 ||
        !peer_room_name_ok(path + 1, (size_t)(end - path - 1))) {
        return false;
    }
    memcpy(name, path + 1, (size_t)(end - path - 1));
    name[end - path - 1] = 0;
    return true;
}

bool net_roster_path(const char *path)
{
    char name[PEER_ROOM_NAME_MAX + 1];
    return strcmp(path, rooms_path) == 0 || read_users_path(path, name);
}

/* May he know of the room? NULL, and *grant has what he may do there; or why not. */
static const char *hides(const net *n, const net_caller *caller, const char *room, peer_grant *grant)
{
    const char *why = net_caller_ask(caller, room, grant);
    grant->rights &= net_room_rights(n, room) | PEER_RIGHT_ADMIN;
    return why != NULL ? why
           : (grant->rights & (SYNC_RIGHT_READ | PEER_RIGHT_ADMIN)) == 0
               ? "to read is not allowed in this room"
               : NULL;
}

/* Numbers, names of members and what stands between them: nothing that has to be escaped. */
static void put(sync_buf *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(sync_buf *to, const char *format, ...)
{
    char text[NUMBER_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    peer_escape_nothing(to, text);
}

/* ---- /rooms */

static bool is_open(const net_room *r)
{
    return r != NULL && r->worker != NULL;
}

static bool take(listing *l, const char *name)
{
    peer_grant grant;
    if (hides(l->n, l->caller, name, &grant) != NULL) {
        return true;
    }
    if (l->count == PEER_ROSTER_ROOMS_MAX) {
        l->more = true;
        return false;
    }
    memcpy(l->names[l->count++], name, strlen(name) + 1);
    return true;
}

static bool take_closed(const char *name, void *context)
{
    listing *l = context;
    return is_open(net_room_find(l->n, name)) || take(l, name);
}

static void find_rooms(listing *l)
{
    bool more = true;
    for (const net_room *r = l->n->rooms; more && r != NULL; r = r->next) {
        more = !is_open(r) || take(l, r->name);
    }
    if (more && l->n->config != NULL &&
        !peer_config_each_file(l->n->config, PEER_ROSTER_ENTRIES_MAX, take_closed, l)) {
        l->more = true;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void put_room(sync_buf *to, const char *name, const net_room *r)
{
    const bool open = is_open(r);
    peer_escape_nothing(to, "{\"room\":");
    peer_escape_json(to, name);
    put(to, ",\"open\":%s,\"members\":%zu,\"elsewhere\":%" PRIu64 ",\"links\":%zu", open ? "true" : "false",
        open ? r->links : 0, open ? peer_origins_members(&r->origins, peer_now_ms()) : 0,
        open ? r->upstreams : 0);
    put(to, ",\"lagSeconds\":%" PRId64 ".%03d,\"partsOutstanding\":%" PRIu64 "}", open ? r->lag_ms / MS : 0,
        open ? (int)(r->lag_ms % MS) : 0, open ? r->parts : 0);
}

static void put_rooms(net *n, const net_caller *caller, sync_buf *to)
{
    listing *l = peer_new(sizeof *l);
    l->n = n;
    l->caller = caller;
    find_rooms(l);
    qsort(l->names, l->count, sizeof *l->names, by_name);
    net_observe_rooms(n, peer_now_ms());
    peer_escape_nothing(to, "{\"software\":\"sync-peer " SYNC_PROGRAM_VERSION "\"");
    put(to, ",\"since\":%" PRId64 ",\"more\":%s,\"rooms\":[", n->counts.began_s, l->more ? "true" : "false");
    for (size_t i = 0; i < l->count; i++) {
        peer_escape_nothing(to, i > 0 ? "," : "");
        put_room(to, l->names[i], net_room_find(n, l->names[i]));
    }
    peer_escape_nothing(to, "]}\n");
    free(l);
}

/* ---- /ROOM/users */

/* An empty one is null. */
static void put_text(sync_buf *to, const char *text)
{
    if (*text != 0) {
        peer_escape_json(to, text);
    } else {
        peer_escape_nothing(to, "null");
    }
}

/* `address`: NULL if it is not told. */
static void put_user(sync_buf *to, const peer_member *member, const char *peer, const char *address)
{
    static const char *const proofs[] = {
        [PEER_BY_NOTHING] = "anonymous", [PEER_BY_TOKEN] = "token", [PEER_BY_CERTIFICATE] = "certificate"};
    peer_escape_nothing(to, "{\"user\":");
    put_text(to, member->user);
    put(to, ",\"by\":\"%s\",\"since\":%" PRId64 ",\"peer\":", proofs[member->by], member->since_s);
    put_text(to, peer);
    peer_escape_nothing(to, member->relays ? ",\"relays\":true" : "");
    if (address != NULL) {
        peer_escape_nothing(to, ",\"address\":");
        peer_escape_json(to, address);
    }
    peer_escape_nothing(to, "}");
}

/* How many stand in the list, and how many there are. */
typedef struct tally {
    size_t listed;
    uint64_t all;
} tally;

/* One more stands in the list, if there is room. False: there is none. */
static bool take_place(tally *t, sync_buf *to)
{
    if (t->listed == PEER_ROSTER_USERS_MAX) {
        return false;
    }
    peer_escape_nothing(to, t->listed++ > 0 ? "," : "");
    return true;
}

/* Who has come here; connections that this process made itself are none. */
static void put_ours(const net *n, const net_room *r, bool with_addresses, tally *t, sync_buf *to)
{
    char name[PEER_NAME_BYTES_MAX + 1];
    peer_member member;
    net_presence_name(r, name);
    for (const net_link *l = n->links; l != NULL; l = l->next) {
        if (l->room == r && l->accepted && !l->ending) {
            t->all++;
            if (take_place(t, to)) {
                net_presence_member(l, &member);
                put_user(to, &member, name, with_addresses ? l->name : NULL);
            }
        }
    }
}

/* Who is there at other peers, as far as they have told it. */
static void put_theirs(const net_room *r, tally *t, sync_buf *to)
{
    const int64_t now = peer_now_ms();
    peer_member member;
    for (const peer_origin *o = r->origins.first; o != NULL; o = o->next) {
        sync_span span = sync_span_of(o->packed, o->bytes);
        if (o->expires_ms <= now) {
            continue;
        }
        t->all += o->members;
        while (peer_members_get(&span, &member) && take_place(t, to)) {
            put_user(to, &member, o->name, NULL);
        }
    }
}

static void put_users(const net *n, const char *room, bool with_addresses, sync_buf *to)
{
    const net_room *r = net_room_find(n, room);
    tally t = {0};
    peer_escape_nothing(to, "{\"room\":");
    peer_escape_json(to, room);
    peer_escape_nothing(to, ",\"users\":[");
    if (r != NULL) {
        put_ours(n, r, with_addresses, &t, to);
        put_theirs(r, &t, to);
    }
    put(to, "],\"more\":%s}\n", t.all > t.listed ? "true" : "false");
}

static unsigned begin_users(const net *n, const net_caller *caller, const char *room, sync_buf *to,
                            const char **why)
{
    peer_grant grant;
    *why = net_caller_ask(caller, room, &grant);
    if (*why != NULL) {
        return HTTP_STATUS_UNAUTHORIZED;
    }
    *why = hides(n, caller, room, &grant);
    if (*why != NULL) {
        return HTTP_STATUS_FORBIDDEN;
    }
    if (!is_open(net_room_find(n, room)) && (n->config == NULL || !peer_config_has_room(n->config, room))) {
        *why = "there is no such room here";
        return HTTP_STATUS_NOT_FOUND;
    }
    put_users(n, room, (grant.rights & PEER_RIGHT_ADMIN) != 0, to);
    return 0;
}

unsigned net_roster_begin(net *n, struct lws *wsi, const char *path, net_scrape *scrape, const char **why)
{
    char room[PEER_ROOM_NAME_MAX + 1];
    net_caller caller;
    unsigned status = net_caller_begin(n, wsi, &caller, why);
    if (status == 0 && !net_scrape_take(scrape, &n->rosters, PEER_ROSTERS_MAX)) {
        *why = "too many ask at once";
        status = HTTP_STATUS_SERVICE_UNAVAILABLE;
    } else if (status == 0 && read_users_path(path, room)) {
        status = begin_users(n, &caller, room, &scrape->body, why);
    } else if (status == 0) {
        put_rooms(n, &caller, &scrape->body);
    }
    net_caller_end(&caller);
    return status;
}
