/* Accepted connections by their addresses, from the first moment on: also those that never say a word. The visit of one is its opaque data until it is a link, and
** goes from the connection that reads the first line to the one that libwebsockets makes of it. */
#include "net_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

static void put_address(const struct sockaddr *from, char *text, size_t bytes)
{
    const void *address = from->sa_family == AF_INET6
                              ? (const void *)&((const struct sockaddr_in6 *)(const void *)from)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)(const void *)from)->sin_addr;
    const bool known = from->sa_family == AF_INET || from->sa_family == AF_INET6;
    if (!known || inet_ntop(from->sa_family, address, text, (socklen_t)bytes) == NULL) {
        lws_strncpy(text, "?", bytes);
    }
}

bool net_visit_begin(net *n, const struct sockaddr *from)
{
    const peer_visitor_limits none = {0};
    net_visit *visit = peer_new(sizeof *visit);
    visit->kind = NET_VISIT;
    put_address(from, visit->address, sizeof visit->address);
    if (!peer_visitors_open(n->visitors, n->config != NULL ? &n->config->visitors : &none, visit->address,
                            peer_now_ms())) {
        n->counts.turned_away++;
        free(visit);
        return false;
    }
    n->handed = visit;
    return true;
}

void net_visit_take(struct lws *wsi)
{
    net *n = lws_context_user(lws_get_context(wsi));
    if (n->handed != NULL) {
        lws_set_opaque_user_data(wsi, n->handed);
        n->handed = NULL;
    }
}

static net_visit *visit_of(struct lws *wsi)
{
    const net_kind *kind = lws_get_opaque_user_data(wsi);
    return kind != NULL && *kind == NET_VISIT ? lws_get_opaque_user_data(wsi) : NULL;
}

void net_visit_hand(struct lws *wsi)
{
    net *n = lws_context_user(lws_get_context(wsi));
    n->handed = visit_of(wsi);
    if (n->handed != NULL) {
        lws_set_opaque_user_data(wsi, NULL);
    }
}

static void end(net *n, net_visit *visit)
{
    peer_visitors_close(n->visitors, visit->address);
    free(visit);
}

void net_visit_drop(net *n)
{
    if (n->handed != NULL) {
        end(n, n->handed);
        n->handed = NULL;
    }
}

void net_visit_end(struct lws *wsi)
{
    net_visit *visit = visit_of(wsi);
    if (visit != NULL) {
        lws_set_opaque_user_data(wsi, NULL);
        end(lws_context_user(lws_get_context(wsi)), visit);
    }
}
