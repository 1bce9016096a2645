/* The first line of a request, read before libwebsockets reads it: that takes //room, /%72oom and /x/../room for /room, and tells nobody. */
#include "net_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Is it a room, or one's list of users? */
static bool is_served(const char *path, size_t bytes)
{
    static const char users[] = "/users";
    const size_t tail = sizeof users - 1;
    if (bytes > tail && memcmp(path + bytes - tail, users, tail) == 0) {
        bytes -= tail;
    }
    return path[0] == '/' && peer_room_name_ok(path + 1, bytes - 1);
}

/* Where the first line, which is there whole, asks for something but a room, what it asks for is written over with what will not be one. False:
** it asks for nothing. (Other methods end here, too: some libwebsockets leaves open without an answer.) */
static bool settle_target(net_request *r)
{
    static const char get[] = "GET ";
    char *target = r->data + sizeof get - 1;
    if (r->bytes < sizeof get || memcmp(r->data, get, sizeof get - 1) != 0) {
        return false;
    }
    size_t bytes = 0;
    while (memchr(" \t\r\n", target[bytes], 4) == NULL) { /* the line's end is one of them */
        bytes++;
    }
    if (bytes == 0) {
        return false;
    }
    if (!is_served(target, bytes)) {
        memset(target, 'X', bytes); /* a room has no capital letters */
        target[0] = '/';
    }
    return true;
}

/* libwebsockets takes a socket over with what was read from it, as long as nobody else has it: so it gets a copy. */
static void hand_over(struct lws *wsi, const net_request *r)
{
    int fd = fcntl(lws_get_socket_fd(wsi), F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) {
        net_visit_hand(wsi);
        lws_adopt_socket_vhost_readbuf(lws_get_vhost(wsi), fd, r->data, r->bytes); /* closes it if it fails */
        net_visit_take(wsi);                                                       /* if it did */
    }
}

static int receive(struct lws *wsi, net_request *r)
{
    for (;;) {
        ssize_t got = recv(lws_get_socket_fd(wsi), r->data + r->bytes, sizeof r->data - r->bytes, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
        }
        bool whole = memchr(r->data + r->bytes, '\n', (size_t)got) != NULL;
        r->bytes += (size_t)got;
        if (whole && settle_target(r)) {
            hand_over(wsi, r);
        }
        if (whole || r->bytes == sizeof r->data) {
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
