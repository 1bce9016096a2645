#include "head.h"

#include "url.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

/* A piece of the head; not ended by a NUL. */
typedef struct span {
    const char *at;
    size_t bytes;
} span;

/* What is written so far. There is room for all that peer_head_settle writes. */
typedef struct output {
    size_t bytes;
    char data[sizeof((peer_head *)NULL)->data];
} output;

static void put(output *to, const char *data, size_t bytes)
{
    memcpy(to->data + to->bytes, data, bytes);
    to->bytes += bytes;
}

static bool begins(span s, const char *word)
{
    size_t bytes = strlen(word);
    return s.bytes >= bytes && strncasecmp(s.at, word, bytes) == 0;
}

/* The next line, with its end, from `*at` on; what has none is one too. */
static span next_line(const char **at, const char *end)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    span line = {*at, (size_t)((newline != NULL ? newline + 1 : end) - *at)};
    *at += line.bytes;
    return line;
}

static bool is_empty(span line)
{
    return line.bytes > 0 && line.at[line.bytes - 1] == '\n' &&
           (line.bytes == 1 || (line.bytes == 2 && line.at[0] == '\r'));
}

size_t peer_head_length(const peer_head *head)
{
    const char *at = head->data, *end = head->data + head->bytes;
    (void)next_line(&at, end); /* an empty one there ends nothing */
    while (at < end) {
        if (is_empty(next_line(&at, end))) {
            return (size_t)(at - head->data);
        }
    }
    return 0;
}

peer_head_state peer_head_look(const peer_head *head)
{
    const char *at = head->data;
    span line = next_line(&at, head->data + head->bytes);
    bool ended = line.bytes > 0 && line.at[line.bytes - 1] == '\n';
    if (line.bytes > PEER_REQUEST_BYTES_MAX || (!ended && line.bytes == PEER_REQUEST_BYTES_MAX)) {
        return PEER_HEAD_BAD;
    }
    return peer_head_length(head) > 0          ? PEER_HEAD_WHOLE
           : head->bytes < PEER_HEAD_BYTES_MAX ? PEER_HEAD_PART
                                               : PEER_HEAD_BAD;
}

/* ---- the first line */

bool peer_head_is_token(const char *part)
{
    static const char *const names[] = {"token", "access_token", "bearer", "jwt", "authorization"};
    const size_t bytes = strcspn(part, "=");
    bool is = strncmp(part + bytes, "=eyJ", 4) == 0; /* how the base64url of a JSON object begins */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        is = is || (strlen(names[i]) == bytes && strncasecmp(part, names[i], bytes) == 0);
    }
    return is;
}

static bool has_token(span target)
{
    char part[PEER_REQUEST_BYTES_MAX + 1];
    const char *at = memchr(target.at, '?', target.bytes), *end = target.at + target.bytes;
    bool has = false;
    while (!has && at != NULL) {
        const char *next = memchr(at + 1, '&', (size_t)(end - at - 1));
        size_t bytes = (size_t)((next != NULL ? next : end) - at - 1);
        memcpy(part, at + 1, bytes);
        part[bytes] = 0;
        has = peer_head_is_token(part);
        at = next;
    }
    OPENSSL_cleanse(part, sizeof part);
    return has;
}

/* Is it a room, or one's list of users? */
static bool is_served(span path)
{
    static const char users[] = "/users";
    const size_t tail = sizeof users - 1;
    if (path.bytes > tail && memcmp(path.at + path.bytes - tail, users, tail) == 0) {
        path.bytes -= tail;
    }
    return path.at[0] == '/' && peer_room_name_ok(path.at + 1, path.bytes - 1);
}

/* Other methods end here: some libwebsockets leaves open without an answer. */
static bool put_first(output *to, span line)
{
    static const char get[] = "GET ", login[] = "POST /login ", logout[] = "POST /logout ",
                      ends[] = {' ', '\t', '\r', '\n'};
    if ((line.bytes >= sizeof login && memcmp(line.at, login, sizeof login - 1) == 0) ||
        (line.bytes >= sizeof logout && memcmp(line.at, logout, sizeof logout - 1) == 0)) {
        put(to, line.at, line.bytes);
        return true;
    }
    span target = {line.at + sizeof get - 1, 0};
    if (line.bytes < sizeof get || memcmp(line.at, get, sizeof get - 1) != 0) {
        return false;
    }
    while (memchr(ends, target.at[target.bytes], sizeof ends) == NULL) { /* the line's end is one of them */
        target.bytes++;
    }
    if (target.bytes == 0) {
        return false;
    }
    put(to, get, sizeof get - 1);
    char *from = to->data + to->bytes;
    if (has_token(target)) {
        put(to, PEER_HEAD_URL_TOKEN, sizeof PEER_HEAD_URL_TOKEN - 1);
    } else {
        put(to, target.at, target.bytes);
        if (!is_served(target)) {
            memset(from, 'X', target.bytes); /* a room has no capital letters */
            *from = '/';
        }
    }
    const char *rest = target.at + target.bytes;
    put(to, rest, (size_t)(line.at + line.bytes - rest));
    return true;
}

/* ---- the others */

/* Subprotocols, as they come, in one or several headers: tokens apart from the others, both with commas between them. */
typedef struct offer {
    output tokens, others;
} offer;

static void add(output *to, const char *data, size_t bytes)
{
    put(to, ",", to->bytes > 0);
    put(to, data, bytes);
}

/* What stands behind the name of such a header. */
static void take_protocols(offer *to, const char *at, const char *end)
{
    static const char bearer[] = "bearer.", blank[] = " \t\r\n";
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        span one = {at, (size_t)((comma != NULL ? comma : end) - at)};
        at = comma != NULL ? comma + 1 : end;
        while (one.bytes > 0 && memchr(blank, one.at[0], sizeof blank - 1) != NULL) {
            one.at++;
            one.bytes--;
        }
        while (one.bytes > 0 && memchr(blank, one.at[one.bytes - 1], sizeof blank - 1) != NULL) {
            one.bytes--;
        }
        if (begins(one, bearer)) {
            add(&to->tokens, one.at + sizeof bearer - 1, one.bytes - (sizeof bearer - 1));
        } else if (one.bytes > 0) {
            add(&to->others, one.at, one.bytes);
        }
    }
}

/* Does anybody read it? Libwebsockets takes the line behind a header for a part of it where that header's name is only the beginning of one that it knows, so it gets
** no other than these. */
static bool is_read(span line)
{
    static const char *const names[] = {"Authorization:",
                                        "Connection:",
                                        "Content-Length:",
                                        "Content-Type:",
                                        "Cookie:",
                                        "Host:",
                                        "Origin:",
                                        "Sec-WebSocket-Key:",
                                        "Sec-WebSocket-Origin:",
                                        "Sec-WebSocket-Version:",
                                        "Transfer-Encoding:",
                                        "Upgrade:"};
    bool is = false;
    for (size_t i = 0; !is && i < sizeof names / sizeof *names; i++) {
        is = begins(line, names[i]);
    }
    return is;
}

static void put_header(output *to, const char *name, const output *value)
{
    if (value->bytes > 0) {
        put(to, name, strlen(name));
        put(to, value->data, value->bytes);
        put(to, "\r\n", 2);
    }
}

bool peer_head_settle(peer_head *head)
{
    static const char protocols[] = "Sec-WebSocket-Protocol:";
    const char *at = head->data, *end = head->data + head->bytes;
    output out = {.bytes = 0};
    offer offered = {.tokens = {.bytes = 0}};
    bool good = put_first(&out, next_line(&at, end)), shown = false;
    for (bool more = true; good && more;) {
        span line = next_line(&at, end);
        more = !is_empty(line);
        shown = shown || begins(line, "Authorization:");
        if (begins(line, protocols)) {
            take_protocols(&offered, line.at + sizeof protocols - 1, line.at + line.bytes);
            continue;
        }
        if (!more) {
            put_header(&out, protocols, &offered.others);
            offered.tokens.bytes = shown ? 0 : offered.tokens.bytes;
            put_header(&out, "Authorization: Bearer ", &offered.tokens);
        }
        if (!more || is_read(line)) {
            put(&out, line.at, line.bytes);
        }
    }
    if (good) {
        put(&out, at, (size_t)(end - at));
        memcpy(head->data, out.data, out.bytes);
        head->bytes = out.bytes;
    }
    OPENSSL_cleanse(&out, sizeof out);
    OPENSSL_cleanse(&offered, sizeof offered);
    return good;
}
