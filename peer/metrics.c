#include "metrics.h"

#include "message.h"

#include <stdlib.h>

static const int64_t bounds_us[PEER_BUCKETS] = PEER_BUCKETS_US;

void peer_metrics_count(peer_metrics *m, peer_counter counter, uint64_t by)
{
    atomic_fetch_add_explicit(&m->counts[counter], by, memory_order_relaxed);
}

void peer_metrics_time(peer_metrics *m, peer_timer timer, int64_t took_us)
{
    int i = 0;
    took_us = took_us > 0 ? took_us : 0;
    while (i < PEER_BUCKETS && took_us > bounds_us[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&m->buckets[timer][i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->sums_us[timer], (uint64_t)took_us, memory_order_relaxed);
}

void peer_metrics_add(const peer_metrics *m, peer_totals *totals)
{
    for (int i = 0; i < PEER_COUNTERS; i++) {
        totals->counts[i] += atomic_load_explicit(&m->counts[i], memory_order_relaxed);
    }
    for (int t = 0; t < PEER_TIMERS; t++) {
        for (int i = 0; i <= PEER_BUCKETS; i++) {
            totals->buckets[t][i] += atomic_load_explicit(&m->buckets[t][i], memory_order_relaxed);
        }
        totals->sums_us[t] += atomic_load_explicit(&m->sums_us[t], memory_order_relaxed);
    }
}

peer_lag *peer_lag_new(void)
{
    peer_lag *lag = peer_new(sizeof *lag);
    atomic_init(&lag->references, 1);
    return lag;
}

peer_lag *peer_lag_share(peer_lag *lag)
{
    atomic_fetch_add_explicit(&lag->references, 1, memory_order_relaxed);
    return lag;
}

void peer_lag_drop(peer_lag *lag)
{
    if (lag != NULL && atomic_fetch_sub_explicit(&lag->references, 1, memory_order_acq_rel) == 1) {
        free(lag);
    }
}
