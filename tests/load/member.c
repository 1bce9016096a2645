#include "member.h"

#include "codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 10, /* of a websocket frame without a mask, at most */
    CHANGES_WEIGHT = 256,
    READ_BYTES = 65536,
    WS_BINARY = 0x82,
    WS_CLOSE = 0x88,
    WS_MASKED = 0x80,
    WS_SHORT_MAX = 125,
    WS_TWO_BYTES = 126,
    WS_EIGHT_BYTES = 127
};

void load_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* All of it: answers are small, and the peer reads them. */
static void write_all(load_member *m, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = send(m->fd, data, bytes, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            load_fail("a member cannot send: %s", strerror(errno));
        }
        if (n > 0) {
            data += n;
            bytes -= (size_t)n;
        }
    }
}

/* As a client must: masked, with a mask of zeros, so that the bytes stay as they are. */
static void send_frame(load_member *m, const sync_frame *frame)
{
    sync_buf body = {0}, out = {0};
    if (sync_frame_put(&body, frame) != SYNC_OK || body.len > UINT16_MAX) {
        load_fail("a message cannot be made: out of memory, or longer than 64 KiB");
    }
    sync_buf_put_u8(&out, WS_BINARY);
    if (body.len <= WS_SHORT_MAX) {
        sync_buf_put_u8(&out, (uint8_t)(WS_MASKED | body.len));
    } else {
        sync_buf_put_u8(&out, WS_MASKED | WS_TWO_BYTES);
        sync_buf_put_u8(&out, (uint8_t)(body.len >> 8));
        sync_buf_put_u8(&out, (uint8_t)body.len);
    }
    sync_buf_put(&out, (uint8_t[4]){0}, 4);
    sync_buf_put(&out, body.data, body.len);
    if (out.oom) {
        load_fail("out of memory");
    }
    write_all(m, out.data, out.len);
    sync_buf_free(&out);
    sync_buf_free(&body);
}

static void upgrade(load_member *m, int port, const char *room_name)
{
    char text[512];
    size_t bytes = 0;
    int length = snprintf(text, sizeof text,
                          "GET /%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: bG9hZCBnZW5lcmF0b3IhIQ==\r\n"
                          "Sec-WebSocket-Protocol: sync.v1\r\n\r\n",
                          room_name, port);
    write_all(m, (const uint8_t *)text, (size_t)length);
    do { /* byte by byte: what follows the answer is a frame */
        ssize_t n = recv(m->fd, text + bytes, 1, 0);
        if (n != 1) {
            load_fail("room %s: no answer to the upgrade", room_name);
        }
        bytes++;
    } while (bytes < sizeof text - 1 && (bytes < 4 || memcmp(text + bytes - 4, "\r\n\r\n", 4) != 0));
    text[bytes] = 0;
    if (strncmp(text, "HTTP/1.1 101", 12) != 0) {
        load_fail("room %s is refused: %.*s", room_name, (int)strcspn(text, "\r"), text);
    }
}

static void ask(load_member *m, const char *room_name, const load_seen *seen)
{
    sync_frame hello = {.type = SYNC_FRAME_ANNOUNCE};
    sync_head head = {0};
    sync_buf holds = {0};
    sync_error error = {0};
    if (sync_seen_get(seen->blob, seen->bytes, &head, &error) != SYNC_OK) {
        load_fail("what members hold: %s", error.text);
    }
    if (getrandom(hello.announce.site.id, sizeof hello.announce.site.id, 0) !=
        sizeof hello.announce.site.id) {
        load_fail("no random numbers: %s", strerror(errno));
    }
    memcpy(head.site, hello.announce.site.id, sizeof head.site);
    memcpy(head.sites[0], hello.announce.site.id, sizeof head.sites[0]);
    hello.announce.protocol = SYNC_PROTOCOL_VERSION;
    hello.announce.room = sync_frame_text_of(room_name);
    hello.announce.software = sync_frame_text_of("load");
    hello.announce.rights = SYNC_RIGHT_READ | SYNC_RIGHT_WRITE;
    send_frame(m, &hello);
    if (sync_seen_put(&holds, &head) != SYNC_OK) {
        load_fail("out of memory");
    }
    send_frame(m, &(sync_frame){.type = SYNC_FRAME_START, .payload = holds.data, .payload_bytes = holds.len});
    sync_buf_free(&holds);
    sync_head_free(&head);
}

void member_open(load_member *m, int port, int room, const char *room_name, const load_seen *seen)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    *m = (load_member){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .room = room};
    if (m->fd < 0 || connect(m->fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        load_fail("room %s: cannot connect to port %d: %s", room_name, port, strerror(errno));
    }
    upgrade(m, port, room_name);
    ask(m, room_name, seen);
    if (fcntl(m->fd, F_SETFL, O_NONBLOCK) != 0) {
        load_fail("fcntl: %s", strerror(errno));
    }
}

static void take_changes(load_member *m, const sync_frame *frame, load_on_changes *on_changes, void *context)
{
    const sync_frame_changes *c = &frame->changes;
    if (frame->more) {
        load_fail("a change is larger than one message: that is more than a load writes");
    }
    if (c->kind == SYNC_CHANGES_CAUGHT_UP || c->kind == SYNC_CHANGES_HOLDS) {
        m->caught_up = c->kind == SYNC_CHANGES_CAUGHT_UP;
    } else {
        m->deltas += c->kind != SYNC_CHANGES_PART;
        on_changes(context, m, frame->payload, frame->payload_bytes);
    }
    m->weight += frame->payload_bytes + CHANGES_WEIGHT;
    if (c->kind == SYNC_CHANGES_LAST || c->kind == SYNC_CHANGES_HOLLOW || c->kind == SYNC_CHANGES_PART) {
        sync_frame ack = {.type = SYNC_FRAME_ACK};
        ack.ack.stream = c->stream;
        ack.ack.parts = c->part + 1;
        ack.ack.bytes = m->weight;
        send_frame(m, &ack);
    }
}

static void take_message(load_member *m, const uint8_t *data, size_t bytes, load_on_changes *on_changes,
                         void *context)
{
    sync_frame frame;
    sync_error error = {0};
    if (sync_frame_get(data, bytes, &frame, &error) != SYNC_OK) {
        load_fail("a message that cannot be read: %s", error.text);
    }
    m->frames++;
    if (frame.type == SYNC_FRAME_CHANGES) {
        take_changes(m, &frame, on_changes, context);
    } else if (frame.type == SYNC_FRAME_PING) {
        sync_frame pong = {.type = SYNC_FRAME_PONG};
        pong.pong.token = frame.ping.token;
        send_frame(m, &pong);
    } else if (frame.type == SYNC_FRAME_ERROR) {
        load_fail("the peer ends a link: %.*s", (int)frame.error.text.bytes, frame.error.text.at);
    }
}

/* Length of the websocket frame at the beginning of `data`, header included; 0: it is not whole. */
static size_t whole(const uint8_t *data, size_t bytes, size_t *header)
{
    uint64_t length = bytes >= 2 ? data[1] : 0;
    *header = length == WS_EIGHT_BYTES ? HEADER_BYTES : length == WS_TWO_BYTES ? 4 : 2;
    if (bytes < *header) {
        return 0;
    }
    if (*header > 2) {
        length = 0;
        for (size_t i = 2; i < *header; i++) {
            length = length << 8 | data[i];
        }
    }
    return bytes - *header >= length ? *header + (size_t)length : 0;
}

void member_read(load_member *m, load_on_changes *on_changes, void *context)
{
    if (m->in_cap - m->in_bytes < READ_BYTES) {
        m->in_cap = m->in_bytes + READ_BYTES;
        m->in = realloc(m->in, m->in_cap);
        if (m->in == NULL) {
            load_fail("out of memory");
        }
    }
    ssize_t n = recv(m->fd, m->in + m->in_bytes, m->in_cap - m->in_bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        load_fail("the peer closed a link: %s", n < 0 ? strerror(errno) : "without a word");
    }
    m->in_bytes += (size_t)n;
    size_t at = 0, bytes, header;
    while ((bytes = whole(m->in + at, m->in_bytes - at, &header)) > 0) {
        if (m->in[at] == WS_CLOSE) {
            load_fail("the peer closed a link");
        }
        if (m->in[at] != WS_BINARY) {
            load_fail("a websocket frame of kind %02x", m->in[at]);
        }
        take_message(m, m->in + at + header, bytes - header, on_changes, context);
        at += bytes;
    }
    memmove(m->in, m->in + at, m->in_bytes - at);
    m->in_bytes -= at;
    if (m->in_bytes == 0) { /* thousands of members wait with nothing */
        free(m->in);
        m->in = NULL;
        m->in_cap = 0;
    }
}

void member_close(load_member *m)
{
    close(m->fd);
    free(m->in);
}
