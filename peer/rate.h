/* How often the same notice may be said: so many times in a minute, from the first one on; then it is counted what was left out. Pure: asks no clock. */
#ifndef PEER_RATE_H
#define PEER_RATE_H

#include "peer_limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One that is the same: of one format. */
typedef struct peer_rate_kind {
    const char *format; /* known by where it stands: a constant of the program, borrowed */
    int64_t since_ms;   /* its minute began */
    unsigned said, left_out;
    char sample[PEER_LOG_SAMPLE_BYTES]; /* the last one that was left out, cut off */
} peer_rate_kind;

/* Zeroed: nothing was said yet. */
typedef struct peer_rate {
    peer_rate_kind kinds[PEER_LOG_KINDS_MAX];
    size_t count;
} peer_rate;

/* May this one be said? False: it counts as left out. now_ms: of any clock that does not go back. A format for which there is no room may always. */
bool peer_rate_admits(peer_rate *r, const char *format, const char *text, int64_t now_ms);

/* Of some kind whose minute is over: how many were left out, which is then forgotten; 0: there is none (any more). *sample: one of them, borrowed until
** the next call of either; untouched for 0. */
unsigned peer_rate_left_out(peer_rate *r, int64_t now_ms, const char **sample);

#endif
