/* What is counted while the process runs, so that somebody who watches over it can ask. Workers count into atomics of their room, the network thread reads
** them: neither waits for the other. Knows neither files nor sockets. */
#ifndef PEER_METRICS_H
#define PEER_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

/* What only ever grows. */
typedef enum peer_counter {
    PEER_ROWS_MERGED, /* rows that merges changed here */
    PEER_ROWS_SENT, /* rows in parts that were handed to the network; one that goes over two links counts twice */
    PEER_REFUSED_BEHIND,     /* deltas refused here: they presume what is not here */
    PEER_REFUSED_EARLY,      /* ... since they are ahead of this machine's clock */
    PEER_REFUSED_AWAY,       /* ... since the primary takes nothing just now */
    PEER_GOT_REFUSED_BEHIND, /* the same, said by others of deltas of ours */
    PEER_GOT_REFUSED_EARLY,
    PEER_ROWS_LEFT_OUT, /* rows that rules did not let their authors write */
    PEER_GOT_REFUSED_AWAY,
    PEER_FORWARDED, /* parts of members' deltas that the primary has acknowledged */
    PEER_COUNTERS
} peer_counter;

/* What is timed. */
typedef enum peer_timer {
    PEER_MERGES, /* transactions that merged something, from their beginning to their commit */
    PEER_FOLDS,  /* transactions that folded a part of the journal, outside merges */
    PEER_TIMERS
} peer_timer;

/* Durations are sorted by these bounds, in microseconds; what is longer than the last one has a bucket of its own behind it. They stand close where merges
** and folds are meant to be (2 ms, see PEER_MERGE_US), and reach to what people notice. */
#define PEER_BUCKETS_US                                                                                      \
    {                                                                                                        \
        500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000        \
    }
enum { PEER_BUCKETS = 13 };

/* Of one room. Zeroed is its beginning. Written by the room's worker, read by the network thread; who owns it frees it when the worker has ended. */
typedef struct peer_metrics {
    atomic_uint_least64_t counts[PEER_COUNTERS];
    atomic_uint_least64_t buckets[PEER_TIMERS][PEER_BUCKETS + 1];
    atomic_uint_least64_t sums_us[PEER_TIMERS];
    atomic_uint_least64_t wal_bytes; /* the log beside the file, as last looked at */
} peer_metrics;

/* The same of several rooms together, as one thread has read them. Zeroed is none. Of a timer the buckets are not cumulative. */
typedef struct peer_totals {
    uint64_t counts[PEER_COUNTERS];
    uint64_t buckets[PEER_TIMERS][PEER_BUCKETS + 1];
    uint64_t sums_us[PEER_TIMERS];
} peer_totals;

/* Counts `by` more. Any thread. */
void peer_metrics_count(peer_metrics *m, peer_counter counter, uint64_t by);

/* Notes that something took so long, in microseconds; less than nothing counts as nothing. Any thread. */
void peer_metrics_time(peer_metrics *m, peer_timer timer, int64_t took_us);

/* Adds what a room has counted so far to `totals`. Any thread; `totals` is the caller's alone. */
void peer_metrics_add(const peer_metrics *m, peer_totals *totals);

/* How far the other side of one link is behind. Written by the room's worker, read by the network thread; each has a reference, and so has a message that
** carries it. */
typedef struct peer_lag {
    atomic_uint references;
    atomic_int_least64_t
        since_ms; /* monotonic: when the delta began that is not acknowledged yet; 0: there is none */
    atomic_uint_least64_t parts; /* of it that were sent and are not acknowledged */
} peer_lag;

peer_lag *peer_lag_new(void);            /* with one reference */
peer_lag *peer_lag_share(peer_lag *lag); /* one more; any thread */
void peer_lag_drop(peer_lag *lag);       /* one less, the last one frees; NULL is fine; any thread */

#endif
