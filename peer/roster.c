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
    put(to, ",\"open\":%s,\"members\":%zu,\"links\":%zu", open ? "true" : "false", open ? r->links : 0,
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

static void put_user(sync_buf *to, const net_link *l, bool with_address)
{
    static const char *const proofs[] = {
        [PEER_BY_NOTHING] = "anonymous", [PEER_BY_TOKEN] = "token", [PEER_BY_CERTIFICATE] = "certificate"};
    peer_escape_nothing(to, "{\"user\":");
    if (l->user[0] != 0) {
        peer_escape_json(to, l->user);
    } else {
        peer_escape_nothing(to, "null");
    }
    put(to, ",\"by\":\"%s\",\"since\":%" PRId64, proofs[l->by], l->since_s);
    if (with_address) {
        peer_escape_nothing(to, ",\"address\":");
        peer_escape_json(to, l->name);
    }
    peer_escape_nothing(to, "}");
}

/* Who has come; connections that this process made itself are none. */
static void put_users(const net *n, const char *room, bool with_addresses, sync_buf *to)
{
    const net_room *r = net_room_find(n, room);
    size_t count = 0;
    peer_escape_nothing(to, "{\"room\":");
    peer_escape_json(to, room);
    peer_escape_nothing(to, ",\"users\":[");
    for (const net_link *l = r != NULL ? n->links : NULL; l != NULL; l = l->next) {
        if (l->room != r || !l->accepted || l->ending) {
            continue;
        }
        if (count++ < PEER_ROSTER_USERS_MAX) {
            peer_escape_nothing(to, count > 1 ? "," : "");
            put_user(to, l, with_addresses);
        }
    }
    put(to, "],\"more\":%s}\n", count > PEER_ROSTER_USERS_MAX ? "true" : "false");
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
