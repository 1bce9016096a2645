/* Room names, hosts and URLs. */
#include "url.h"

#include "message.h"
#include "peer_limits.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool peer_room_name_ok(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > PEER_ROOM_NAME_MAX || name[0] == '_' || name[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

char *peer_room_name_of(const char *path)
{
    const char *base = strrchr(path, '/');
    base = base != NULL ? base + 1 : path;
    base += strspn(base, "."); /* of a hidden file: no extension begins there */
    const char *dot = strrchr(base, '.');
    const char *end = dot != NULL ? dot : base + strlen(base);
    while (base < end && !isalnum((unsigned char)*base)) {
        base++;
    }
    size_t bytes = (size_t)(end - base);
    if (bytes > PEER_ROOM_NAME_MAX) {
        bytes = PEER_ROOM_NAME_MAX;
    }
    char *name = peer_new(bytes + 1);
    for (size_t i = 0; i < bytes; i++) {
        const char c = (char)tolower((unsigned char)base[i]);
        name[i] = '-';
        if (peer_room_name_ok(&c, 1) || c == '_') {
            name[i] = c;
        }
    }
    if (!peer_room_name_ok(name, bytes)) {
        free(name);
        return NULL;
    }
    return name;
}

/* A decimal port, the whole text of it. -1: it is none. */
static int read_port(const char *text, size_t bytes)
{
    int port = 0;
    if (bytes == 0 || bytes > 5) {
        return -1;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        port = port * 10 + (text[i] - '0');
    }
    return port <= 65535 ? port : -1;
}

char *peer_host_read(const char *text, size_t bytes, int *port)
{
    const char *host = text, *end = text + bytes, *colon;
    size_t host_bytes;
    if (bytes > 0 && *text == '[') {
        const char *close = memchr(text, ']', bytes);
        if (close == NULL) {
            return NULL;
        }
        host = text + 1;
        host_bytes = (size_t)(close - host);
        colon = close + 1;
        if (colon != end && *colon != ':') {
            return NULL;
        }
    } else {
        colon = memchr(text, ':', bytes);
        colon = colon != NULL ? colon : end;
        host_bytes = (size_t)(colon - text);
    }
    if (colon != end) {
        *port = read_port(colon + 1, (size_t)(end - colon - 1));
    }
    if (host_bytes == 0 || *port < 0 || memchr(host, '@', host_bytes) != NULL) {
        return NULL;
    }
    char *copy = peer_new(host_bytes + 1);
    memcpy(copy, host, host_bytes);
    return copy;
}

static const char *read_url(const char *text, bool room, peer_url *url)
{
    const bool tls = strncmp(text, "wss://", 6) == 0;
    if (!tls && strncmp(text, "ws://", 5) != 0) {
        return "it does not begin with ws:// or wss://";
    }
    const char *authority = text + (tls ? 6 : 5);
    const char *slash = authority + strcspn(authority, "/");
    const bool named = *slash != 0 && slash[1] != 0;
    if (room && !named) {
        return "it names no room (ws://HOST[:PORT]/ROOM)";
    }
    if (named && !peer_room_name_ok(slash + 1, strlen(slash + 1))) {
        return "what follows the host is no room name (a-z 0-9 _ -, at most 64)";
    }
    url->tls = tls;
    url->port = tls ? 443 : 80;
    url->host = peer_host_read(authority, (size_t)(slash - authority), &url->port);
    if (url->host == NULL || url->port == 0) {
        peer_url_free(url);
        return "its host or port is malformed";
    }
    if (tls && strlen(url->host) > PEER_TLS_HOST_BYTES_MAX) {
        peer_url_free(url);
        return "its host name is too long to be compared with a certificate";
    }
    url->text = peer_strdup(text);
    url->room = named ? peer_strdup(slash + 1) : NULL;
    return NULL;
}

const char *peer_url_read(const char *text, peer_url *url)
{
    return read_url(text, true, url);
}

const char *peer_url_read_peer(const char *text, peer_url *url)
{
    return read_url(text, false, url);
}

bool peer_pin_ok(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

void peer_url_free(peer_url *url)
{
    free(url->text);
    free(url->host);
    free(url->room);
    *url = (peer_url){0};
}
