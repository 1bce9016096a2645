#include "backoff.h"

#include "peer_limits.h"

int64_t peer_backoff_next(peer_backoff *b, uint32_t random)
{
    int64_t delay = PEER_BACKOFF_MS_MIN;
    for (int i = 0; i < b->failures && delay < PEER_BACKOFF_MS_MAX; i++) {
        delay *= 2;
    }
    if (delay > PEER_BACKOFF_MS_MAX) {
        delay = PEER_BACKOFF_MS_MAX;
    }
    b->failures++;
    return delay / 2 + (int64_t)((uint64_t)(delay - delay / 2) * random >> 32);
}

void peer_backoff_reset(peer_backoff *b)
{
    b->failures = 0;
}
