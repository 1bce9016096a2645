/* The head of a request, read before libwebsockets reads it. */
#include "net_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* libwebsockets takes a socket over with what was read from it, as long as nobody else has it: so it gets a copy. */
static void hand_over(struct lws *wsi, const peer_head *r)
{
    int fd = fcntl(lws_get_socket_fd(wsi), F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) {
        net_visit_hand(wsi);
        lws_adopt_socket_vhost_readbuf(lws_get_vhost(wsi), fd, r->data, r->bytes); /* closes it if it fails */
        net_visit_take(wsi);                                                       /* if it did */
    }
}

/* Takes from the socket what has been looked at, but not what follows the head, nor the head's last byte: of a head that it was handed whole
** libwebsockets 4.1 would read the body from the beginning of that head. */
static bool take(struct lws *wsi, peer_head *r, size_t before, peer_head_state state)
{
    size_t bytes = state == PEER_HEAD_WHOLE ? peer_head_length(r) - 1 : r->bytes;
    ssize_t got = bytes > before ? recv(lws_get_socket_fd(wsi), r->data + before, bytes - before, 0) : 0;
    r->bytes = bytes + (state == PEER_HEAD_WHOLE); /* which settling needs to see */
    return got == (ssize_t)(bytes - before);
}

static int receive(struct lws *wsi, peer_head *r)
{
    for (;;) {
        const size_t before = r->bytes;
        ssize_t got = recv(lws_get_socket_fd(wsi), r->data + before, PEER_HEAD_BYTES_MAX - before, MSG_PEEK);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
        }
        r->bytes += (size_t)got;
        const peer_head_state state = peer_head_look(r);
        if (state == PEER_HEAD_BAD || !take(wsi, r, before, state)) {
            return -1;
        }
        if (state == PEER_HEAD_WHOLE) {
            if (peer_head_settle(r)) {
                r->bytes--;
                hand_over(wsi, r);
            }
            return -1; /* it has been handed over, or is none */
        }
    }
}

bool net_begin_request(struct lws_vhost *vhost, int fd)
{
    lws_sock_file_fd_type file = {.filefd = fd};
    struct lws *wsi = lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, file, "request", NULL);
    if (wsi != NULL) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, PEER_HELLO_MS / 1000);
    }
    return wsi != NULL;
}

int net_on_request(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)in;
    (void)len;
    if (reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION) {
        return -1; /* a websocket that asks for this by its name */
    }
    if (reason == LWS_CALLBACK_RAW_ADOPT_FILE) {
        net_visit_take(wsi);
    }
    return reason == LWS_CALLBACK_RAW_RX_FILE ? receive(wsi, user) : 0;
}
