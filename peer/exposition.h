/* Prometheus' text format, version 0.0.4. Pure. Each appends lines to `to`, whose `oom` the owner asks for at the end. Names are of a-z, 0-9 and _, and are
** given by the caller as constants; values of labels may be any text. */
#ifndef PEER_EXPOSITION_H
#define PEER_EXPOSITION_H

#include "mem.h"
#include "metrics.h"

#define PEER_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct peer_label {
    const char *name; /* NULL: the end of a list */
    const char *value;
} peer_label;

/* Labels of a sample, as an argument: PEER_LABELS({"room", name}, {"link", number}). None: NULL. */
#define PEER_LABELS(...) ((const peer_label[]){__VA_ARGS__, {NULL, NULL}})

/* # HELP and # TYPE, before the samples of that name. `type`: counter, gauge or histogram. `help` is one line without a backslash. */
void peer_exposition_family(sync_buf *to, const char *name, const char *type, const char *help);

/* One sample, a whole number. */
void peer_exposition_count(sync_buf *to, const char *name, const peer_label *labels, uint64_t value);

/* One sample in seconds, of microseconds. */
void peer_exposition_seconds(sync_buf *to, const char *name, const peer_label *labels, uint64_t us);

/* The samples of a histogram of seconds: NAME_bucket, cumulative, up to +Inf, NAME_sum, and NAME_count, which is the last bucket's. */
void peer_exposition_histogram(sync_buf *to, const char *name, const uint64_t buckets[PEER_BUCKETS + 1],
                               uint64_t sum_us);

#endif
