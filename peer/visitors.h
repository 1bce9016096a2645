/* Who connects, by address: how many links each has, how many connections that are none yet, and how often it asks for one. Of IPv6 a network of 64 bits counts as one address, since whoever has
** one address has that. Pure: no socket. One thread. */
#ifndef PEER_VISITORS_H
#define PEER_VISITORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peer_visitors peer_visitors;

enum { PEER_VISITOR_KEY_BYTES = 9 };

/* What counts as one address: the family, and four bytes or eight. IPv4 inside IPv6 is IPv4. Whatever is not numeric: zeros. */
void peer_visitor_key(const char *address, uint8_t key[PEER_VISITOR_KEY_BYTES]);

/* 0: as many as come. */
typedef struct peer_visitor_limits {
    size_t links; /* that one address may have at a time, with the connections that are none yet */
    size_t upgrades_per_minute; /* that it may ask for, the first so many at once */
} peer_visitor_limits;

typedef enum peer_visit { PEER_VISIT_WELCOME, PEER_VISIT_TOO_MANY, PEER_VISIT_TOO_OFTEN } peer_visit;

peer_visitors *peer_visitors_new(void);
void peer_visitors_free(peer_visitors *v); /* NULL is fine */

/* May the address have one more link? Counts as asking. `address` is numeric; whatever is not counts as one address. Where PEER_VISITORS_MAX addresses are
** remembered that all count just now, a new one is welcome without being counted. */
peer_visit peer_visitors_judge(peer_visitors *v, const peer_visitor_limits *limits, const char *address,
                               int64_t now_ms);

/* Has opened a connection, which may become a link or ask something else. False: it has as many as it may, and this one is not counted. Where it has as many links as it may one at a
** time is let in, to be told so. */
bool peer_visitors_open(peer_visitors *v, const peer_visitor_limits *limits, const char *address,
                        int64_t now_ms);

/* One that was let in so is no more, or a link now. */
void peer_visitors_close(peer_visitors *v, const char *address);

/* It has one link more; it has one less. */
void peer_visitors_join(peer_visitors *v, const char *address, int64_t now_ms);
void peer_visitors_leave(peer_visitors *v, const char *address);

#endif
