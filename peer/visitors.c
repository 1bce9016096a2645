#include "visitors.h"

#include "message.h"
#include "peer_limits.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, KEY_BYTES = PEER_VISITOR_KEY_BYTES, MINUTE_MS = 60000 };

typedef struct visitor {
    struct visitor *next;
    uint8_t key[KEY_BYTES];
    size_t links, strangers; /* connections that are links; that are none yet */
    double asked;            /* upgrades that still count: they wear off evenly */
    int64_t at_ms;
} visitor;

struct peer_visitors {
    visitor *buckets[BUCKETS];
    size_t count;
};

peer_visitors *peer_visitors_new(void)
{
    return peer_new(sizeof(peer_visitors));
}

void peer_visitors_free(peer_visitors *v)
{
    for (size_t i = 0; v != NULL && i < BUCKETS; i++) {
        for (visitor *one = v->buckets[i], *next; one != NULL; one = next) {
            next = one->next;
            free(one);
        }
    }
    free(v);
}

void peer_visitor_key(const char *address, uint8_t key[KEY_BYTES])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct in6_addr six;
    struct in_addr four;
    memset(key, 0, KEY_BYTES);
    if (inet_pton(AF_INET, address, &four) == 1) {
        key[0] = 4;
        memcpy(key + 1, &four, 4);
    } else if (inet_pton(AF_INET6, address, &six) == 1) {
        bool is_four = memcmp(six.s6_addr, mapped, sizeof mapped) == 0;
        key[0] = is_four ? 4 : 6;
        memcpy(key + 1, six.s6_addr + (is_four ? 12 : 0), is_four ? 4 : 8);
    }
}

/* FNV-1a. Source: the reference by Fowler, Noll and Vo. Who makes keys collide slows his own search down: there are PEER_VISITORS_MAX at most. */
static size_t bucket_of(const uint8_t key[KEY_BYTES])
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < KEY_BYTES; i++) {
        hash = (hash ^ key[i]) * 16777619U;
    }
    return hash % BUCKETS;
}

static double wear_off(const visitor *one, const peer_visitor_limits *limits, int64_t now_ms)
{
    const double most = (double)limits->upgrades_per_minute;
    double left = one->asked - (double)(now_ms - one->at_ms) * most / MINUTE_MS;
    return left < 0 ? 0 : left < most ? left : most; /* it may have been more under another limit */
}

/* Forgets who has no connection, and has not asked for a minute. */
static void sweep(peer_visitors *v, int64_t now_ms)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (visitor **at = &v->buckets[i]; *at != NULL;) {
            visitor *one = *at;
            if (one->links == 0 && one->strangers == 0 && now_ms - one->at_ms >= MINUTE_MS) {
                *at = one->next;
                free(one);
                v->count--;
            } else {
                at = &one->next;
            }
        }
    }
}

static visitor *find(const peer_visitors *v, const uint8_t key[KEY_BYTES])
{
    visitor *one = v->buckets[bucket_of(key)];
    while (one != NULL && memcmp(one->key, key, KEY_BYTES) != 0) {
        one = one->next;
    }
    return one;
}

/* NULL: there is no room for a new one. */
static visitor *find_or_add(peer_visitors *v, const char *address, int64_t now_ms)
{
    uint8_t key[KEY_BYTES];
    peer_visitor_key(address, key);
    visitor *one = find(v, key);
    if (one == NULL && v->count == PEER_VISITORS_MAX) {
        sweep(v, now_ms);
    }
    if (one == NULL && v->count < PEER_VISITORS_MAX) {
        visitor **bucket = &v->buckets[bucket_of(key)];
        one = peer_new(sizeof *one);
        memcpy(one->key, key, KEY_BYTES);
        one->at_ms = now_ms;
        one->next = *bucket;
        *bucket = one;
        v->count++;
    }
    return one;
}

peer_visit peer_visitors_judge(peer_visitors *v, const peer_visitor_limits *limits, const char *address,
                               int64_t now_ms)
{
    if (limits->links == 0 && limits->upgrades_per_minute == 0) {
        return PEER_VISIT_WELCOME;
    }
    visitor *one = find_or_add(v, address, now_ms);
    if (one == NULL) {
        return PEER_VISIT_WELCOME;
    }
    one->asked = wear_off(one, limits, now_ms);
    one->at_ms = now_ms;
    if (limits->upgrades_per_minute > 0 && one->asked + 1 > (double)limits->upgrades_per_minute) {
        return PEER_VISIT_TOO_OFTEN;
    }
    one->asked += limits->upgrades_per_minute > 0;
    return limits->links > 0 && one->links >= limits->links ? PEER_VISIT_TOO_MANY : PEER_VISIT_WELCOME;
}

bool peer_visitors_open(peer_visitors *v, const peer_visitor_limits *limits, const char *address,
                        int64_t now_ms)
{
    visitor *one = find_or_add(v, address, now_ms);
    if (one == NULL) {
        return true;
    }
    const size_t left = one->links < limits->links ? limits->links - one->links : 1;
    if (limits->links > 0 && one->strangers >= left) {
        return false;
    }
    one->strangers++;
    return true;
}

void peer_visitors_close(peer_visitors *v, const char *address)
{
    uint8_t key[KEY_BYTES];
    peer_visitor_key(address, key);
    visitor *one = find(v, key);
    if (one != NULL && one->strangers > 0) { /* else it came when there was no room for it */
        one->strangers--;
    }
}

void peer_visitors_join(peer_visitors *v, const char *address, int64_t now_ms)
{
    visitor *one = find_or_add(v, address, now_ms);
    if (one != NULL) {
        one->links++;
    }
}

void peer_visitors_leave(peer_visitors *v, const char *address)
{
    uint8_t key[KEY_BYTES];
    peer_visitor_key(address, key);
    visitor *one = find(v, key);
    if (one != NULL && one->links > 0) { /* else it came when there was no room for it */
        one->links--;
    }
}
