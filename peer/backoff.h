/* Delays between attempts to connect: doubling, capped, jittered. Pure. */
#ifndef PEER_BACKOFF_H
#define PEER_BACKOFF_H

#include <stdint.h>

typedef struct peer_backoff {
    int failures; /* in a row */
} peer_backoff;

/* Notes a failure and gives the delay before the next attempt in ms: between half and all of MIN * 2^failures, at most MAX.
** `random`: any 32 bits. */
int64_t peer_backoff_next(peer_backoff *b, uint32_t random);
void peer_backoff_reset(peer_backoff *b);

#endif
