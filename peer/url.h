/* Room names, hosts and URLs. Pure. */
#ifndef PEER_URL_H
#define PEER_URL_H

#include <stdbool.h>
#include <stddef.h>

/* ws://host[:port]/room, wss://... Owned strings. */
typedef struct peer_url {
    char *text;
    bool tls;
    char *host; /* without the brackets of an IPv6 address */
    int port;
    char *room; /* NULL: none, see peer_url_read_peer */
} peer_url;

/* Parses a URL into an empty `url`. NULL, or what is wrong with it (a constant). */
const char *peer_url_read(const char *text, peer_url *url);

/* The same for a peer, of which a room may be named, or not: then `room` is NULL. */
const char *peer_url_read_peer(const char *text, peer_url *url);
void peer_url_free(peer_url *url);

/* Where to listen. */
typedef struct peer_address {
    char *host; /* owned */
    int port;
} peer_address;

/* "host", "host:port", "[v6]", "[v6]:port" in bytes of text: the host, the caller's; *port stays as it was where none is given. NULL: it is malformed. */
char *peer_host_read(const char *text, size_t bytes, int *port);

/* Is it a SHA-256 as --pin has it: 64 hexadecimal digits? */
bool peer_pin_ok(const char *text);

/* [a-z0-9][a-z0-9_-]{0,63} */
bool peer_room_name_ok(const char *name, size_t bytes);

/* A room name out of a file name: without directory and extension, in lower case, other characters as '-'. NULL if nothing
** is left; owned by the caller. */
char *peer_room_name_of(const char *path);

#endif
