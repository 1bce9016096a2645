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
        lws_adopt_socket_vhost_readbuf(lws_get_vhost(wsi), fd, r->data, r->bytes); /* closes it if it fails */
    }
}

static int receive(struct lws *wsi, peer_head *r)
{
    for (;;) {
        ssize_t got = recv(lws_get_socket_fd(wsi), r->data + r->bytes, PEER_HEAD_BYTES_MAX - r->bytes, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
        }
        r->bytes += (size_t)got;
        switch (peer_head_look(r)) {
        case PEER_HEAD_PART:
            continue;
        case PEER_HEAD_WHOLE:
            if (peer_head_settle(r)) {
                hand_over(wsi, r);
            }
            return -1; /* it has been handed over, or is none */
        default:
            return -1;
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
    return reason == LWS_CALLBACK_RAW_RX_FILE ? receive(wsi, user) : 0;
}
