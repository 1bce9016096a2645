#include "rooms.h"

#include "config_change.h"
#include "log.h"
#include "net_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char text_gone[] = "this room is not served any more";
static const char text_full[] = "too many rooms are open just now";

static void on_idle(lws_sorted_usec_list_t *sul);

static net_room *find(const net *n, const char *name)
{
    net_room *r = n->rooms;
    while (r != NULL && strcmp(r->name, name) != 0) {
        r = r->next;
    }
    return r;
}

static net_room *add(net *n, const char *name)
{
    net_room *r = peer_new(sizeof *r);
    r->net = n;
    r->name = peer_strdup(name);
    r->next = n->rooms;
    n->rooms = r;
    return r;
}

static void drop(net_room *r)
{
    net_room **at = &r->net->rooms;
    while (*at != r) {
        at = &(*at)->next;
    }
    *at = r->next;
    lws_sul_cancel(&r->idle);
    net_presence_free(r);
    peer_metrics_add(&r->metrics, &r->net->counts.gone);
    if (!r->pinned) {
        peer_options_free(&r->options);
    }
    free(r->name);
    free(r);
}

static bool start(net_room *r)
{
    r->ready = r->absent = r->ending = false;
    r->worker = peer_room_start(&r->options, r->net->inbox, r, &r->metrics);
    r->net->workers += r->worker != NULL;
    return r->worker != NULL;
}

static void stop(net_room *r)
{
    if (r->worker != NULL && !r->ending) {
        net_presence_close(r);
        r->ending = true;
        r->ready = false;
        if (!r->pinned) {
            net_follows_end(r);
        }
        peer_room_post(r->worker, peer_message_new(PEER_STOP, 0));
        peer_room_hurry(r->worker);
    }
}

net_room *net_room_pin(net *n, const peer_options *options)
{
    net_room *r = add(n, options->room != NULL ? options->room : "");
    r->options = *options;
    r->pinned = true;
    if (!start(r)) {
        drop(r);
        return NULL;
    }
    return r;
}

/* ---- rooms of a folder */

/* The one that nobody has been in for the longest time, of those that could be closed. */
static net_room *find_idle(const net *n)
{
    net_room *best = NULL;
    for (net_room *r = n->rooms; r != NULL; r = r->next) {
        bool idle = r->worker != NULL && !r->ending && !r->pinned && !r->kept && r->links == 0;
        best = idle && (best == NULL || r->left_ms < best->left_ms) ? r : best;
    }
    return best;
}

static bool is_full(const net *n)
{
    return n->workers >= n->config->open_rooms && find_idle(n) == NULL;
}

const net_room *net_room_find(const net *n, const char *name)
{
    return find(n, name);
}

unsigned net_room_rights(const net *n, const char *name)
{
    const net_room *r = find(n, name);
    return r != NULL && r->pinned ? r->options.rights
           : n->config != NULL    ? peer_config_rights(n->config, name)
                                  : 0;
}

/* Opens one; where as many are open as may be, one that nobody uses makes way. */
static bool open_room(net_room *r)
{
    net *n = r->net;
    if (!r->pinned) { /* the configuration may have been read again */
        peer_options_free(&r->options);
        peer_config_room(n->config, r->name, &r->options);
        r->kept = peer_config_keeps(n->config, r->name);
        for (size_t i = 0; i < r->options.upstream_count; i++) {
            const peer_upstream *u = &r->options.upstreams[i];
            net_follow_add(r, u->url, u->token_file, u->pin, u->tables, u->rights, true)->primary =
                u->primary;
        }
    }
    net_room *idle = n->workers >= n->config->open_rooms ? find_idle(n) : NULL;
    if (idle != NULL) {
        stop(idle);
    }
    if (!start(r)) {
        net_follows_end(r);
        return false;
    }
    return true;
}

unsigned net_room_refuses(net *n, const char *name, char *why, size_t why_bytes)
{
    const net_room *r = find(n, name);
    const peer_config *config = n->config;
    if (n->stopping || n->member_count >= (config != NULL ? config->links : n->links_max)) {
        lws_snprintf(why, why_bytes, "no more connections are taken just now");
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    }
    size_t members_max = config != NULL ? peer_config_members_max(config, name) : 0;
    if (r != NULL && members_max > 0 && r->links >= members_max) {
        lws_snprintf(why, why_bytes, "room %s takes no more than %zu members (maxMembers of limits)", name,
                     members_max);
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    }
    if (r != NULL && r->worker != NULL) {
        return 0;
    }
    if (config == NULL || !peer_config_has_room(config, name)) {
        lws_snprintf(why, why_bytes, "there is no room %s here", name);
        return HTTP_STATUS_NOT_FOUND;
    }
    if (is_full(n)) {
        lws_strncpy(why, text_full, why_bytes);
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    }
    return 0;
}

net_room *net_room_join(net *n, const char *name)
{
    net_room *r = find(n, name);
    r = r != NULL ? r : add(n, name);
    if (r->worker == NULL && !open_room(r)) {
        if (r->links == 0) {
            drop(r);
        }
        return NULL;
    }
    lws_sul_cancel(&r->idle);
    r->links++;
    return r;
}

void net_room_leave(net_room *r)
{
    r->links--;
    if (r->links == 0 && !r->pinned && !r->kept && !r->net->stopping) {
        r->left_ms = peer_now_ms();
        lws_sul_schedule(r->net->context, 0, &r->idle, on_idle, r->net->config->idle_us);
    }
}

/* One that is kept, and has been closed. */
static bool is_wanted(const net *n, const net_room *r)
{
    return r->kept && !n->stopping && peer_config_keeps(n->config, r->name) &&
           peer_config_has_room(n->config, r->name);
}

static void try_again_later(net_room *r)
{
    uint32_t random = 0;
    lws_get_random(r->net->context, &random, sizeof random);
    lws_sul_schedule(r->net->context, 0, &r->idle, on_idle,
                     peer_backoff_next(&r->backoff, random) * LWS_US_PER_MS);
}

static void on_idle(lws_sorted_usec_list_t *sul)
{
    net_room *r = lws_container_of(sul, net_room, idle);
    if (r->worker != NULL) {
        stop(r);
    } else if (!is_wanted(r->net, r)) { /* it had failed */
        drop(r);
    } else if (is_full(r->net) || !open_room(r)) {
        try_again_later(r);
    }
}

void net_room_post(net_room *r, peer_message *m)
{
    if (r->worker != NULL) {
        peer_room_post(r->worker, m);
    } else {
        peer_message_free(m);
    }
}

/* ---- what workers say about themselves */

static void ready(net *n, net_room *r, const peer_message *m)
{
    r->site = m->site;
    r->ready = !r->ending;
    if (!r->ready || n->stopping) {
        return;
    }
    for (net_link *l = n->links; l != NULL; l = l->next) {
        if (l->room == r) {
            net_link_greet(l);
        }
    }
    if (r->pinned) {
        net_pinned_ready(r);
    } else {
        peer_event("opened",
                   (peer_field[]){PEER_TEXT("room", r->name), PEER_TEXT("file", r->options.file), PEER_END});
        peer_backoff_reset(&r->backoff);
    }
    if (r->absent) {
        net_presence_changed(r); /* links that are there already have not been told of anybody */
    } else {
        net_follows_begin(r);
    }
}

/* Its file is not there, and may come from who is followed. */
static void absent(net *n, net_room *r)
{
    memset(&r->site, 0, sizeof r->site);
    r->absent = !r->ending;
    if (r->absent && !n->stopping) {
        net_follows_begin(r);
    }
}

/* The worker has sent its last message, so it does not keep anybody waiting. */
static void reap(net_room *r)
{
    peer_room_join(r->worker);
    r->worker = NULL;
    r->ready = r->ending = false;
    r->net->workers--;
}

/* Who is in a room that will not be opened again for them. */
static void turn_away(net *n, const net_room *r, const char *why)
{
    for (net_link *l = n->links, *next; l != NULL; l = next) {
        next = l->next;
        if (l->room == r) {
            net_link_end(l, SYNC_PEER_ERROR_INTERNAL, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, why);
        }
    }
}

/* A room of a folder is closed: as it was told, or since something is wrong with it. Who came meanwhile finds it opened again, if it may be. */
static void closed(net *n, net_room *r, const peer_message *m)
{
    static const char broken[] =
        "the room cannot be used just now; the log of the peer that serves it says why";
    bool failed = m->exit != PEER_EXIT_OK;
    if (failed) {
        peer_notice("room %s: %s", r->name, m->text);
    }
    peer_event("closed", (peer_field[]){PEER_TEXT("room", r->name), PEER_NUMBER("code", m->exit), PEER_END});
    if (failed) {
        net_follows_end(r);
    }
    if (failed && is_wanted(n, r)) {
        turn_away(n, r, broken);
        try_again_later(r);
    } else if (r->links == 0 && (failed || !is_wanted(n, r))) {
        drop(r);
    } else if (!failed && n->stopping) {
        ; /* its links end with all others */
    } else if (!failed && !peer_config_has_room(n->config, r->name)) {
        turn_away(n, r, text_gone);
    } else if (!failed && is_full(n)) {
        turn_away(n, r, text_full);
    } else if (failed || !open_room(r)) {
        turn_away(n, r, broken);
    }
}

void net_room_deliver(net *n, const peer_message *m)
{
    net_room *r = m->about;
    switch (m->kind) {
    case PEER_ROOM_ABSENT:
        absent(n, r);
        break;
    case PEER_ROOM_READY:
        ready(n, r, m);
        break;
    case PEER_ROOM_SITE:
        net_presence_close(r); /* who is here is told by another name from now on */
        r->site = m->site;
        net_presence_changed(r);
        break;
    default:
        reap(r);
        if (r->pinned) {
            net_pinned_ended(r, m);
        } else {
            closed(n, r, m);
        }
        net_check_stopped(n);
        break;
    }
}

/* Those who are in it come back, if it is still there, and find it as it is to be. */
static void change(net *n, net_room *r, bool stays)
{
    for (net_link *l = n->links, *next; l != NULL; l = next) {
        next = l->next;
        if (l->room == r) {
            net_link_end(l, SYNC_PEER_ERROR_STOPPING, LWS_CLOSE_STATUS_GOINGAWAY,
                         stays ? "the room has been configured anew: connect again" : text_gone);
        }
    }
    stop(r);
}

static bool keep(const char *name, void *context)
{
    net *n = context;
    net_room *r = find(n, name);
    if (r != NULL) {
        r->kept = true;
        lws_sul_cancel(&r->idle);
        if (r->worker == NULL && (is_full(n) || !open_room(r))) {
            try_again_later(r);
        }
    } else if (!is_full(n)) {
        r = add(n, name);
        if (!open_room(r)) {
            drop(r);
        }
    } else {
        peer_notice("room %s is to be kept open, and as many rooms are open as limits.openRooms allows",
                    name);
    }
    return true;
}

void net_rooms_keep(net *n)
{
    peer_config_each_kept(n->config, keep, n);
}

size_t net_rooms_follow(net *n)
{
    size_t count = 0;
    for (net_room *r = n->rooms; r != NULL; r = r->next) {
        peer_options fresh = {0};
        bool stays = peer_config_has_room(n->config, r->name);
        peer_config_room(n->config, r->name, &fresh);
        if (r->worker != NULL && !r->ending && !(stays && peer_options_same_room(&r->options, &fresh))) {
            change(n, r, stays);
            count++;
        }
        peer_options_free(&fresh);
        if (r->kept && !peer_config_keeps(n->config, r->name)) {
            r->kept = false;
            r->links++; /* as if somebody left */
            net_room_leave(r);
        }
    }
    net_rooms_keep(n);
    return count;
}

void net_rooms_stop(net *n)
{
    for (net_room *r = n->rooms; r != NULL; r = r->next) {
        stop(r);
    }
}

void net_rooms_join(net *n)
{
    net_rooms_stop(n);
    for (net_room *r = n->rooms; r != NULL; r = r->next) {
        lws_sul_cancel(&r->idle);
        lws_sul_cancel(&r->presence.due);
        if (r->worker != NULL) {
            reap(r);
        }
    }
}

void net_rooms_free(net *n)
{
    while (n->rooms != NULL) {
        drop(n->rooms);
    }
}
