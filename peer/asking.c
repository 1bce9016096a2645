#include "asking.h"

#include "bearer.h"
#include "log.h"
#include "message.h"
#include "resolve.h"
#include "stop.h"
#include "tls.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static const char protocol_name[] = "ask";

enum { STATUS_TOO_OFTEN = 429, STATUS_UPGRADE = 426, PIECE_BYTES = 4096 };

typedef struct asking {
    const peer_options *o;
    const peer_url *url;
    const char *path;
    sync_buf *body;
    char *why;
    int exit;
    bool over; /* exit and why are what came of it */
    struct lws_context *context;
    lws_sorted_usec_list_t tick;
    int64_t until_ms;
    peer_queue *inbox; /* where the addresses of a name come */
    bool resolving;
    peer_addresses addresses;
    size_t next_address;
    struct lws *wsi;
    char token[PEER_BEARER_BYTES];
    unsigned status; /* 0: no answer yet */
} asking;

/* The first outcome stays. Takes over `why`. */
static void end(asking *a, int exit, char *why)
{
    if (a->over) {
        free(why);
        return;
    }
    a->over = true;
    a->exit = exit;
    a->why = why;
}

static void connect_next(asking *a, const char *why);

/* ---- what is answered */

static void judge(asking *a)
{
    switch (a->status) {
    case HTTP_STATUS_OK:
        end(a, PEER_EXIT_OK, NULL);
        break;
    case HTTP_STATUS_UNAUTHORIZED:
        end(a, PEER_EXIT_REFUSED,
            peer_strdup(a->o->token_file != NULL
                            ? "it does not accept the token"
                            : "it refused with HTTP status 401; does it want a token (--token-file)?"));
        break;
    case HTTP_STATUS_FORBIDDEN:
        end(a, PEER_EXIT_REFUSED, peer_strdup("it does not admit this connection"));
        break;
    case STATUS_TOO_OFTEN:
        end(a, PEER_EXIT_REFUSED, peer_strdup("it takes no more connections from here just now"));
        break;
    case HTTP_STATUS_SERVICE_UNAVAILABLE:
        end(a, PEER_EXIT_REFUSED, peer_strdup("it takes no more connections just now"));
        break;
    case HTTP_STATUS_NOT_FOUND:
    case STATUS_UPGRADE:
        end(a, PEER_EXIT_REFUSED,
            peer_format("it has no %s (HTTP status %u); is it a sync-peer, and not an older one?", a->path,
                        a->status));
        break;
    default:
        end(a, PEER_EXIT_REFUSED,
            peer_format("it answers with HTTP status %u; is it a sync-peer?", a->status));
    }
}

/* The request is being written. For lws: -1 ends it. */
static int put_headers(asking *a, struct lws *wsi, unsigned char **at, size_t bytes)
{
    char value[PEER_BEARER_BYTES + 8];
    if (a->url->tls && !net_tls_pinned(a->o->pin, wsi)) {
        end(a, PEER_EXIT_REFUSED, peer_strdup("its certificate has another key than was asked for (--pin)"));
        return -1;
    }
    if (a->token[0] == 0) {
        return 0;
    }
    int length = lws_snprintf(value, sizeof value, "Bearer %s", a->token);
    int rc = lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (unsigned char *)value, length,
                                          at, *at + bytes);
    OPENSSL_cleanse(value, sizeof value);
    return rc;
}

/* A connection that was there, and ended in the middle of what TLS, or who expects none, says first. */
static bool is_other_protocol(const char *why)
{
    return strstr(why, "SSL") != NULL || strstr(why, "HS: ") != NULL || strstr(why, "read failed") != NULL ||
           strstr(why, "closed before") != NULL;
}

static void failed(asking *a, struct lws *wsi, const char *why)
{
    const char *distrust = a->url->tls && a->status == 0 ? net_tls_distrust(wsi) : NULL;
    a->wsi = NULL;
    if (distrust != NULL) {
        end(a, PEER_EXIT_REFUSED, peer_format("its certificate is not trusted: %s", distrust));
    } else if (is_other_protocol(why)) {
        end(a, PEER_EXIT_NETWORK,
            a->url->tls ? peer_strdup("no TLS connection comes about; does it speak TLS, or plain ws://?")
                        : peer_format("it gives no answer (%s); does it speak TLS (wss://)?", why));
    } else if (!a->over) {
        connect_next(a, why);
    }
}

static int read_piece(struct lws *wsi)
{
    char piece[LWS_PRE + PIECE_BYTES], *at = piece + LWS_PRE;
    int bytes = PIECE_BYTES;
    return lws_http_client_read(wsi, &at, &bytes) < 0 ? -1 : 0;
}

static int take_piece(asking *a, const void *data, size_t bytes)
{
    if (a->body->len + bytes > PEER_ANSWER_BYTES_MAX) {
        end(a, PEER_EXIT_REFUSED, peer_strdup("its answer is too long; is it a sync-peer?"));
        return -1;
    }
    sync_buf_put(a->body, data, bytes);
    if (a->body->oom) {
        peer_out_of_memory();
    }
    return 0;
}

static void take_addresses(asking *a)
{
    for (peer_message *m = peer_queue_take_all(a->inbox), *next; m != NULL; m = next) {
        peer_resolution *found = m->about;
        next = m->next;
        a->resolving = false;
        a->addresses = found->addresses;
        if (!a->over) {
            connect_next(a, found->why);
        }
        peer_resolution_free(found);
        peer_message_free(m);
    }
}

static int on_answer(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    asking *a = lws_context_user(lws_get_context(wsi));
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        take_addresses(a);
        return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return put_headers(a, wsi, in, len);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        a->status = lws_http_client_http_response(wsi);
        if (a->status != HTTP_STATUS_OK) {
            judge(a);
            return -1;
        }
        return 0;
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return read_piece(wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return take_piece(a, in, len);
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        judge(a);
        return -1;
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        end(a, PEER_EXIT_NETWORK, peer_strdup("the connection ended before its answer did"));
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        failed(a, wsi, in != NULL ? (const char *)in : "no answer");
        return 0;
    default:
        return 0;
    }
}

/* ---- the question */

/* `why`: how the attempt before failed. */
static void connect_next(asking *a, const char *why)
{
    struct lws_client_connect_info info = {0};
    char host[280];
    if (a->next_address == a->addresses.count) {
        end(a, PEER_EXIT_NETWORK, peer_format("not reachable (%s)", why));
        return;
    }
    lws_snprintf(host, sizeof host, strchr(a->url->host, ':') != NULL ? "[%s]:%d" : "%s:%d", a->url->host,
                 a->url->port);
    info.context = a->context;
    info.address = a->addresses.text[a->next_address++];
    info.port = a->url->port;
    info.path = a->path;
    info.host = host;
    info.method = "GET";
    info.local_protocol_name = protocol_name;
    info.pwsi = &a->wsi;
    /* nowhere but where we were told to go */
    info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (a->url->tls ? net_tls_client_flags() : 0);
    const size_t attempt = a->next_address;
    /* where it fails at once, lws may have said so through the callback, or not */
    if (lws_client_connect_via_info(&info) == NULL && !a->over && a->next_address == attempt) {
        connect_next(a, "no connection could be made");
    }
}

static void on_tick(lws_sorted_usec_list_t *sul)
{
    asking *a = lws_container_of(sul, asking, tick);
    if (peer_stop_asked()) {
        end(a, PEER_EXIT_STOPPED, peer_strdup("stopped before it had answered"));
    } else if (peer_now_ms() >= a->until_ms) {
        end(a, PEER_EXIT_NETWORK, peer_format("no answer within %d s", PEER_ANSWER_MS / 1000));
    }
    lws_sul_schedule(a->context, 0, &a->tick, on_tick, PEER_ANSWER_TICK_MS * LWS_US_PER_MS);
}

static void wake(void *context)
{
    const asking *a = context;
    lws_cancel_service(a->context);
}

static void begin(asking *a)
{
    on_tick(&a->tick);
    if (peer_resolve_numeric(a->url->host, &a->addresses)) {
        connect_next(a, "");
        return;
    }
    a->resolving = peer_resolve_start(a->url->host, 0, a->inbox);
    if (!a->resolving) {
        end(a, PEER_EXIT_ERROR, peer_strdup("no thread to look the name up"));
    }
}

static bool open_context(asking *a)
{
    static const struct lws_protocols protocols[] = {
        {.name = protocol_name, .callback = on_answer, .rx_buffer_size = PIECE_BYTES}, {0}};
    struct lws_context_creation_info info = {0};
    char *wrong = net_tls_wrong(a->o);
    if (wrong != NULL) {
        end(a, PEER_EXIT_USAGE, wrong);
        return false;
    }
    lws_set_log_level(0, NULL);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols;
    info.user = a;
    info.gid = -1;
    info.uid = -1;
    info.timeout_secs = PEER_ANSWER_MS / 1000 + 1; /* ours come first: they know what to say */
    info.connect_timeout_secs = info.timeout_secs;
    net_tls_prepare(a->o, &info);
    a->context = lws_create_context(&info);
    if (a->context == NULL) {
        end(a, PEER_EXIT_ERROR,
            peer_format("the network cannot be set up: %s%s", strerror(errno), peer_remedy(errno)));
    }
    return a->context != NULL;
}

int peer_asking_get(const peer_options *o, const char *path, sync_buf *body, char **why)
{
    char text[SYNC_ERROR_BYTES];
    asking *a = peer_new(sizeof *a);
    *a = (asking){.o = o,
                  .url = &o->urls[0],
                  .path = path,
                  .body = body,
                  .until_ms = peer_now_ms() + PEER_ANSWER_MS,
                  .inbox = peer_queue_new(wake, a)};
    if (!peer_bearer_read(o->token_file, a->token, text, sizeof text)) {
        end(a, PEER_EXIT_MISSING, peer_strdup(text));
    } else if (open_context(a)) {
        begin(a);
        while (!a->over && lws_service(a->context, 0) >= 0) {
        }
    }
    end(a, PEER_EXIT_ERROR, peer_strdup("the network failed"));
    OPENSSL_cleanse(a->token, sizeof a->token);
    const int exit = a->exit;
    *why = a->why;
    if (a->resolving) {
        return exit; /* its thread will still write to the queue, and wake the context */
    }
    if (a->context != NULL) {
        lws_context_destroy(a->context);
    }
    peer_queue_free(a->inbox);
    free(a);
    return exit;
}
