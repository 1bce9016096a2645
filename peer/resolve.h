/* Host names to addresses, off the network thread. */
#ifndef PEER_RESOLVE_H
#define PEER_RESOLVE_H

#include "message.h"

#define PEER_ADDRESSES_MAX 8

typedef struct peer_addresses {
    size_t count;
    char text[PEER_ADDRESSES_MAX][64]; /* numeric */
} peer_addresses;

/* Answers at once where `host` is numeric. False: it is not. */
bool peer_resolve_numeric(const char *host, peer_addresses *to);

typedef struct peer_resolution {
    uint64_t asker;
    char *host;
    peer_queue *queue;
    peer_addresses addresses;
    char why[128]; /* if there are no addresses */
} peer_resolution;

/* Looks `host` up on a thread of its own, which ends with a PEER_RESOLVED message on `queue`, its `about` being a peer_resolution that the
** receiver frees. False: no thread. */
bool peer_resolve_start(const char *host, uint64_t asker, peer_queue *queue);
void peer_resolution_free(peer_resolution *resolution);

#endif
