#include "rate.h"

#include <stdio.h>

static bool is_over(const peer_rate_kind *k, int64_t now_ms)
{
    return now_ms - k->since_ms >= PEER_LOG_SAME_MS;
}

/* NULL: there is no room for it. */
static peer_rate_kind *find(peer_rate *r, const char *format, int64_t now_ms)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->kinds[i].format == format) {
            return &r->kinds[i];
        }
    }
    if (r->count == PEER_LOG_KINDS_MAX) {
        return NULL;
    }
    peer_rate_kind *k = &r->kinds[r->count++];
    *k = (peer_rate_kind){.format = format, .since_ms = now_ms};
    return k;
}

bool peer_rate_admits(peer_rate *r, const char *format, const char *text, int64_t now_ms)
{
    peer_rate_kind *k = find(r, format, now_ms);
    if (k == NULL) {
        return true;
    }
    if (is_over(k, now_ms) && k->left_out == 0) {
        k->since_ms = now_ms;
        k->said = 0;
    }
    if (k->said < PEER_LOG_SAME_MAX) {
        k->said++;
        return true;
    }
    k->left_out++;
    snprintf(k->sample, sizeof k->sample, "%s", text);
    return false;
}

unsigned peer_rate_left_out(peer_rate *r, int64_t now_ms, const char **sample)
{
    for (size_t i = 0; i < r->count; i++) {
        peer_rate_kind *k = &r->kinds[i];
        if (k->left_out > 0 && is_over(k, now_ms)) {
            unsigned count = k->left_out;
            k->left_out = 0;
            k->said = 0;
            k->since_ms = now_ms;
            *sample = k->sample;
            return count;
        }
    }
    return 0;
}
