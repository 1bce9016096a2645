/* URLs that are followed: names looked up, connections made, and made again. */
#include "net_internal.h"

#include "log.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

enum { STATUS_UPGRADED = 101, STATUS_REDIRECT_MIN = 300, STATUS_REDIRECT_MAX = 399, STATUS_TOO_OFTEN = 429 };

static void on_retry(lws_sorted_usec_list_t *sul)
{
    net_follow_begin(lws_container_of(sul, net_follow, retry));
}

void net_follow_blame(net_follow *f, int exit, bool permanent, const char *why)
{
    if (f->exit == PEER_EXIT_OK) {
        f->exit = exit;
        f->permanent = permanent;
        lws_strncpy(f->why, why, sizeof f->why);
    }
}

static bool all_finished(const net *n)
{
    const net_follow *f = n->follows;
    while (f != NULL && f->finished) {
        f = f->next;
    }
    return f == NULL;
}

static void free_follow(net_follow *f)
{
    net_follow **at = &f->net->follows;
    while (*at != f) {
        at = &(*at)->next;
    }
    *at = f->next;
    lws_sul_cancel(&f->retry);
    peer_url_free(&f->url);
    free(f->token_file);
    free(f->pin);
    free(f->tables);
    free(f);
}

net_follow *net_follow_add(net_room *room, const char *url, const char *token_file, const char *pin,
                           const char *tables, unsigned rights, bool patient)
{
    net *n = room->net;
    net_follow *f = peer_new(sizeof *f), **at = &n->follows;
    f->net = n;
    f->id = ++n->last_follow_id;
    f->room = room;
    f->token_file = peer_strdup(token_file);
    f->pin = peer_strdup(pin);
    f->tables = peer_strdup(tables);
    f->rights = rights;
    f->patient = patient;
    (void)peer_url_read(url, &f->url); /* it is one */
    while (*at != NULL) {              /* in the order in which they were given */
        at = &(*at)->next;
    }
    *at = f;
    return f;
}

void net_follows_begin(net_room *room)
{
    for (net_follow *f = room->net->follows; f != NULL; f = f->next) {
        if (f->room == room) {
            net_follow_begin(f);
        }
    }
}

void net_follows_end(net_room *room)
{
    for (net_follow *f = room->net->follows, *next; f != NULL; f = next) {
        next = f->next;
        if (f->room != room) {
            continue;
        }
        f->finished = true;
        lws_sul_cancel(&f->retry);
        if (f->link == NULL) {
            free_follow(f);
        } else {
            net_link_end(f->link, SYNC_PEER_ERROR_STOPPING, LWS_CLOSE_STATUS_GOINGAWAY,
                         "the room is closed here");
            f->link->room = f->room = NULL;
        }
    }
}

void net_follows_free(net *n)
{
    while (n->follows != NULL) {
        free_follow(n->follows);
    }
}

/* Members are told so. */
static void say_away(net_follow *f)
{
    peer_message *m = peer_message_new(PEER_PRIMARY_AWAY, 0);
    m->text = peer_format("%s: %s", f->url.text, f->why);
    net_room_post(f->room, m);
}

static void finish(net_follow *f, int exit)
{
    net *n = f->net;
    f->finished = true;
    n->exit = n->exit == PEER_EXIT_OK ? exit : n->exit;
    if (n->options->command != PEER_SERVE && all_finished(n)) {
        if (n->held > 0) {
            peer_notice("%s: %lld %s held and not in the tables, at least not whole: SELECT * FROM "
                        "sync_conflict WHERE held",
                        n->options->file, (long long)n->held, n->held == 1 ? "row is" : "rows are");
        }
        net_stop(n, n->exit);
    }
}

void net_follow_done(net_follow *f, const peer_message *m)
{
    f->net->held = m->held;
    peer_event("done",
               (peer_field[]){PEER_TEXT("link", f->url.text), PEER_NUMBER("held", m->held), PEER_END});
    if (m->exit != PEER_EXIT_OK) {
        peer_error(m->exit, "%s: %s", f->url.text, m->text);
    }
    finish(f, m->exit);
}

void net_follow_lost(net_follow *f, bool was_up)
{
    net *n = f->net;
    uint32_t random = 0;
    if (f->room == NULL) {
        free_follow(f);
        return;
    }
    if (n->stopping || f->finished) {
        return;
    }
    if (f->room->absent && !f->room->ready) {
        net_room_post(f->room, peer_message_new(PEER_UNREACHABLE, 0));
    }
    if (was_up) {
        peer_backoff_reset(&f->backoff);
    }
    net_follow_blame(f, PEER_EXIT_NETWORK, false, "the connection was lost");
    if (f->primary) {
        say_away(f);
    }
    bool serves = n->options->command == PEER_SERVE;
    if ((f->permanent && !f->patient) ||
        (n->options->once && (!f->ever_up || f->backoff.failures >= PEER_ONCE_FAILURES_MAX))) {
        peer_error(f->exit, "%s: %s%s", f->url.text, f->why, serves ? "; serving goes on without it" : "");
        finish(f, serves ? PEER_EXIT_OK : f->exit);
        return;
    }
    if (!f->complained) {
        f->complained = true;
        peer_notice("%s: %s; trying again", f->url.text, f->why);
    }
    lws_get_random(n->context, &random, sizeof random);
    lws_sul_schedule(n->context, 0, &f->retry, on_retry,
                     peer_backoff_next(&f->backoff, random) * LWS_US_PER_MS);
}

/* The token for the next attempt. False: it cannot be read. */
static bool read_token(net_follow *f)
{
    char text[SYNC_ERROR_BYTES];
    if (peer_bearer_read(f->token_file, f->token, text, sizeof text)) {
        return true;
    }
    net_follow_blame(f, PEER_EXIT_MISSING, !f->ever_up, text);
    return false;
}

int net_follow_headers(net_follow *f, struct lws *wsi, unsigned char **at, unsigned char *end)
{
    char value[PEER_TOKEN_BYTES_MAX + 8];
    if (f->url.tls && !net_tls_pinned(f->pin, wsi)) {
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up,
                         "its certificate has another key than was asked for (--pin)");
        return -1;
    }
    if (f->token[0] == 0) {
        return 0;
    }
    int bytes = lws_snprintf(value, sizeof value, "Bearer %s", f->token);
    int rc = lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (unsigned char *)value, bytes,
                                          at, end);
    OPENSSL_cleanse(value, sizeof value);
    OPENSSL_cleanse(f->token, sizeof f->token);
    return rc;
}

/* Neither a connection nor an answer to the upgrade for so long. */
static void on_mute(lws_sorted_usec_list_t *sul)
{
    net_link *l = lws_container_of(sul, net_link, tick);
    lws_snprintf(l->text, sizeof l->text, "no answer within %d s", PEER_HELLO_MS / 1000);
    if (l->wsi != NULL) {
        lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
}

/* One attempt at the next address. */
static void connect_next(net_follow *f)
{
    net *n = f->net;
    const peer_url *url = &f->url;
    struct lws_client_connect_info info = {0};
    char path[PEER_ROOM_NAME_MAX + 2], host[280];
    const char *address = f->addresses.text[f->next_address++];
    if (!read_token(f)) {
        net_follow_lost(f, false);
        return;
    }
    lws_snprintf(path, sizeof path, "/%s", url->room);
    lws_snprintf(host, sizeof host, strchr(url->host, ':') != NULL ? "[%s]:%d" : "%s:%d", url->host,
                 url->port);
    f->http_status = 0;
    f->link = net_link_new(n, f, url->text);
    info.context = n->context;
    info.vhost = n->vhost;
    info.address = address;
    info.port = url->port;
    info.path = path;
    info.host = host;
    info.protocol = PEER_PROTOCOL_NAME;
    info.local_protocol_name = PEER_PROTOCOL_NAME;
    info.opaque_user_data = f->link;
    info.pwsi = &f->link->wsi;
    info.ietf_version_or_minus_one = -1;
    /* nowhere but where we were told to go */
    info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (url->tls ? net_tls_client_flags() : 0);
    net_link *link = f->link;
    lws_sul_schedule(n->context, 0, &link->tick, on_mute, PEER_HELLO_MS * LWS_US_PER_MS);
    /* where it fails at once, lws may have said so through the callback (which frees the link), or not */
    if (lws_client_connect_via_info(&info) == NULL && f->link == link) {
        net_follow_blame(f, PEER_EXIT_NETWORK, false, "no connection could be made");
        net_link_gone(link);
    }
}

void net_follow_begin(net_follow *f)
{
    net *n = f->net;
    if (n->stopping || f->finished || f->link != NULL) {
        return;
    }
    f->exit = PEER_EXIT_OK;
    f->permanent = false;
    f->why[0] = 0;
    f->next_address = 0;
    if (peer_resolve_numeric(f->url.host, &f->addresses)) {
        connect_next(f);
    } else if (!peer_resolve_start(f->url.host, f->id, n->inbox)) {
        net_follow_blame(f, PEER_EXIT_ERROR, false, "no thread to look the name up");
        net_follow_lost(f, false);
    } else {
        n->resolving++;
    }
}

void net_follow_resolved(net *n, peer_message *m)
{
    peer_resolution *resolution = m->about;
    net_follow *f = n->follows;
    while (f != NULL && f->id != resolution->asker) {
        f = f->next;
    }
    n->resolving--;
    if (f != NULL) {
        f->addresses = resolution->addresses;
    }
    if (f == NULL || n->stopping || f->finished) {
        ;
    } else if (f->addresses.count > 0) {
        connect_next(f);
    } else {
        net_follow_blame(f, PEER_EXIT_NETWORK, false, resolution->why);
        net_follow_lost(f, false);
    }
    peer_resolution_free(resolution);
}

/* 101: the websocket is there, if it is one for us. */
static bool judge_upgrade(net_follow *f, struct lws *wsi)
{
    static const char version[] = "sync.v";
    char protocol[64] = "", text[SYNC_ERROR_BYTES];
    if (lws_hdr_copy(wsi, protocol, sizeof protocol, WSI_TOKEN_PROTOCOL) < 0) {
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up,
                         "it speaks a subprotocol of a very long name; is it a sync-peer?");
        return false;
    }
    if (protocol[0] == 0) {
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up,
                         "it opens websockets, but does not speak " PEER_PROTOCOL_NAME
                         "; is it a sync-peer?");
        return false;
    }
    if (strcmp(protocol, PEER_PROTOCOL_NAME) != 0) {
        bool other = strncmp(protocol, version, sizeof version - 1) == 0;
        lws_snprintf(text, sizeof text,
                     other ? "it speaks %s, and this peer " PEER_PROTOCOL_NAME
                           : "it speaks %s, not " PEER_PROTOCOL_NAME "; is it a sync-peer?",
                     protocol);
        net_follow_blame(f, other ? PEER_EXIT_VERSION : PEER_EXIT_REFUSED, !f->ever_up, text);
        return false;
    }
    return true;
}

void net_follow_distrusted(net_follow *f, struct lws *wsi)
{
    const char *why = f->url.tls && f->http_status == 0 ? net_tls_distrust(wsi) : NULL;
    char text[SYNC_ERROR_BYTES];
    if (why != NULL) {
        lws_snprintf(text, sizeof text, "its certificate is not trusted: %s", why);
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up, text);
    }
}

int net_follow_answered(net_follow *f, struct lws *wsi)
{
    char target[256] = "", text[SYNC_ERROR_BYTES];
    f->http_status = (int)lws_http_client_http_response(wsi);
    if (f->http_status == STATUS_UPGRADED) {
        return judge_upgrade(f, wsi) ? 0 : -1;
    }
    if (f->http_status >= STATUS_REDIRECT_MIN && f->http_status <= STATUS_REDIRECT_MAX &&
        lws_hdr_copy(wsi, target, sizeof target, WSI_TOKEN_HTTP_LOCATION) > 0) {
        lws_snprintf(text, sizeof text, "it redirects to %s, which is not followed; is it a sync-peer?",
                     target);
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up, text);
    }
    return 0;
}

void net_follow_failed(net_follow *f, const char *why)
{
    net_link *link = f->link;
    why = link->text[0] != 0 ? link->text : why;
    if (f->http_status == 0 && f->next_address < f->addresses.count && !f->net->stopping && !f->finished) {
        f->link = NULL;
        link->follow = NULL; /* it goes alone, and was in no room */
        link->room = NULL;
        net_link_gone(link);
        connect_next(f);
        return;
    }
    char text[SYNC_ERROR_BYTES];
    switch (f->http_status) {
    case 0:
        lws_snprintf(text, sizeof text, "not reachable (%s)", why);
        net_follow_blame(f, PEER_EXIT_NETWORK, false, text);
        break;
    case HTTP_STATUS_UNAUTHORIZED:
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up,
                         f->token_file != NULL
                             ? "it does not accept the token"
                             : "it refused with HTTP status 401; does it want a token (--token-file)?");
        break;
    case HTTP_STATUS_FORBIDDEN:
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up, "it does not admit this connection");
        break;
    case HTTP_STATUS_NOT_FOUND:
        lws_snprintf(text, sizeof text, "there is no room %s", f->url.room);
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up, text);
        break;
    case STATUS_TOO_OFTEN:
        net_follow_blame(f, PEER_EXIT_REFUSED, false, "it takes no more connections from here just now");
        break;
    case HTTP_STATUS_SERVICE_UNAVAILABLE:
        net_follow_blame(f, PEER_EXIT_REFUSED, false, "it takes no more connections just now");
        break;
    case STATUS_UPGRADED:
        lws_snprintf(text, sizeof text, "its answer opens no websocket (%s); is it a sync-peer?", why);
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up, text);
        break;
    default:
        lws_snprintf(text, sizeof text, "it refused with HTTP status %d; is it a sync-peer?", f->http_status);
        net_follow_blame(f, PEER_EXIT_REFUSED, !f->ever_up, text);
    }
    net_link_gone(link);
}
