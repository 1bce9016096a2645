/* Who connects, by address: how many links each has, and how often it asks for one. Of IPv6 a network of 64 bits counts as one address, since whoever has
** one address has that. Pure: no socket. One thread. */
#ifndef PEER_VISITORS_H
#define PEER_VISITORS_H

#include <stddef.h>
#include <stdint.h>

typedef struct peer_visitors peer_visitors;

enum { PEER_VISITOR_KEY_BYTES = 9 };

/* What counts as one address: the family, and four bytes or eight. IPv4 inside IPv6 is IPv4. Whatever is not numeric: zeros. */
void peer_visitor_key(const char *address, uint8_t key[PEER_VISITOR_KEY_BYTES]);

/* 0: as many as come. */
typedef struct peer_visitor_limits {
    size_t links;               /* that one address may have at a time */
    size_t upgrades_per_minute; /* that it may ask for, the first so many at once */
} peer_visitor_limits;

typedef enum peer_visit { PEER_VISIT_WELCOME, PEER_VISIT_TOO_MANY, PEER_VISIT_TOO_OFTEN } peer_visit;

peer_visitors *peer_visitors_new(void);
void peer_visitors_free(peer_visitors *v); /* NULL is fine */

/* May the address have one more link? Counts as asking. `address` is numeric; whatever is not counts as one address. Where PEER_VISITORS_MAX addresses are
** remembered that all count just now, a new one is welcome without being counted. */
peer_visit peer_visitors_judge(peer_visitors *v, const peer_visitor_limits *limits, const char *address,
                               int64_t now_ms);

/* It has one; it has one less. */
void peer_visitors_join(peer_visitors *v, const char *address, int64_t now_ms);
void peer_visitors_leave(peer_visitors *v, const char *address);

#endif
