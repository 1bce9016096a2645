/* Metrics for who watches over the process, and a listener that has nothing else; answers that are sent piece by piece. */
#include "net_internal.h"

#include <string.h>

enum { PIECE_BYTES = 32768, HEADER_BYTES = 512 };

static int refuse(struct lws *wsi, unsigned status, const char *text)
{
    lws_return_http_status(wsi, status, text);
    return -1;
}

bool net_scrape_take(net_scrape *scrape, size_t *among, size_t max)
{
    net_scrape_end(scrape);
    if (*among >= max) {
        return false;
    }
    ++*among;
    *scrape = (net_scrape){.among = among};
    return true;
}

int net_scrape_begin(net *n, struct lws *wsi, net_scrape *scrape)
{
    if (!net_scrape_take(scrape, &n->scrapes, PEER_SCRAPES_MAX)) {
        return refuse(wsi, HTTP_STATUS_SERVICE_UNAVAILABLE, "too many ask at once");
    }
    net_observe(n, &scrape->body);
    return net_scrape_send(wsi, scrape, PEER_EXPOSITION_TYPE);
}

int net_scrape_send(struct lws *wsi, net_scrape *scrape, const char *type)
{
    uint8_t headers[LWS_PRE + HEADER_BYTES], *at = headers + LWS_PRE, *end = headers + sizeof headers;
    static const char close[] = "close", no_store[] = "no-store";
    if (scrape->body.oom) {
        return refuse(wsi, HTTP_STATUS_INTERNAL_SERVER_ERROR, "out of memory");
    }
    if (lws_add_http_common_headers(wsi, HTTP_STATUS_OK, type, scrape->body.len, &at, end) != 0 ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CACHE_CONTROL, (const uint8_t *)no_store,
                                     sizeof no_store - 1, &at, end) != 0 ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_CONNECTION, (const uint8_t *)close, sizeof close - 1, &at,
                                     end) != 0 ||
        lws_finalize_write_http_header(wsi, headers + LWS_PRE, &at, end) != 0) {
        return -1;
    }
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, PEER_READ_MS / 1000); /* for all of it */
    lws_callback_on_writable(wsi);
    return 0;
}

int net_scrape_write(net *n, struct lws *wsi, net_scrape *scrape)
{
    size_t left = scrape->body.len - scrape->sent;
    size_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;
    uint8_t *to = n->scratch + LWS_PRE;
    if (piece == 0) {
        return -1;
    }
    memcpy(to, scrape->body.data + scrape->sent, piece);
    if (lws_write(wsi, to, piece, piece == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)piece) {
        return -1;
    }
    scrape->sent += piece;
    lws_callback_on_writable(
        wsi); /* behind the last one, to close: what libwebsockets holds back goes out before */
    return 0;
}

void net_scrape_end(net_scrape *scrape)
{
    if (scrape != NULL && scrape->among != NULL) {
        --*scrape->among;
        sync_buf_free(&scrape->body);
        *scrape = (net_scrape){.among = NULL};
    }
}

/* ---- the listener */

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    net *n = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return lws_return_http_status(wsi, HTTP_STATUS_NOT_FOUND, "there are no rooms here") != 0 ? -1 : 1;
    case LWS_CALLBACK_HTTP:
        return strcmp(in, "/metrics") == 0     ? net_scrape_begin(n, wsi, user)
               : net_answer_health(n, wsi, in) ? -1
                                               : refuse(wsi, HTTP_STATUS_NOT_FOUND, "this is not here");
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return net_scrape_write(n, wsi, user);
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        net_scrape_end(user);
        return 0;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return -1; /* there are no websockets here */
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = on_http, .per_session_data_size = sizeof(net_scrape)},
    {.name = "listen", .callback = net_on_listener},
    {.name = "request", .callback = net_on_request, .per_session_data_size = sizeof(peer_head)},
    {0}};

bool net_scrape_open(net *n)
{
    const peer_config *config = n->config;
    struct lws_context_creation_info info = {.vhost_name = "metrics"};
    if (config == NULL || config->metrics_listen.host == NULL) {
        return true;
    }
    /* Of the vhosts with one "port" the Host of a request chooses, so this one has not that of the other: net_tls_prepare takes the second where there is TLS */
    info.port = n->options->cert_file != NULL ? CONTEXT_PORT_NO_LISTEN : CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = protocols;
    info.timeout_secs = PEER_HELLO_MS / 1000 + 1; /* as for the others */
    n->scrape_vhost = lws_create_vhost(n->context, &info);
    return n->scrape_vhost != NULL;
}
