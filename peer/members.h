/* Who is in a room at other peers, as they tell it by Presence (docs/PROTOCOL.md, "Who is there"): read, checked, kept for a time. What they say is
** bounded, and hostile until it is read to its end. Pure: no socket, no file, no clock. Of one thread at a time. */
#ifndef PEER_MEMBERS_H
#define PEER_MEMBERS_H

#include "frame.h"
#include "peer_limits.h"
#include "token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peer_member {
    peer_proof by;
    bool relays;     /* it is a peer, which is told of members and may have some */
    int64_t since_s; /* Unix time, from 0 to the end of year 9999 */
    char user[64];   /* "": by nothing */
} peer_member;

/* Appends one to a payload; its owner asks for to->oom. One that has no user is told as by nothing. */
void peer_members_put(sync_buf *to, const peer_member *member);

/* Takes the next one of a payload. False: there is none, or, where from->bad is set, it is malformed. */
bool peer_members_get(sync_span *from, peer_member *member);

/* Is this a peer's name: 1 to PEER_NAME_BYTES_MAX of A-Z a-z 0-9 . _ -, the first a letter or digit? */
bool peer_name_ok(const char *name, size_t bytes);

/* What one peer has told, or others in its place. */
typedef struct peer_origin {
    struct peer_origin *next;
    sync_frame_site site;
    uint64_t counter;
    uint64_t from;      /* the link that it came over */
    int64_t expires_ms; /* then it is not believed any more */
    bool news;          /* the keeper's: it has not been passed on yet */
    char name[PEER_NAME_BYTES_MAX + 1];
    uint64_t members; /* how many there are; ... */
    uint8_t *packed;  /* ... a payload with those that are known, good to its end */
    size_t bytes;
} peer_origin;

/* All that is known of one room. Zeroed: nothing. peer_origins_free is due in the end. */
typedef struct peer_origins {
    peer_origin *first;
    size_t count;
    size_t bytes; /* of all payloads */
} peer_origins;

typedef enum peer_told {
    PEER_TOLD_NEWS,     /* taken: newer than what was known of that peer */
    PEER_TOLD_OLD,      /* as new is known, or it is too old to be believed: nothing has changed */
    PEER_TOLD_TOO_MUCH, /* beyond PEER_PRESENCE_PEERS_MAX or PEER_PRESENCE_BYTES_MAX: nothing has changed */
    PEER_TOLD_WRONG     /* malformed, as *why (a constant) says: nothing has changed */
} peer_told;

/* A Presence has come over the link `from`. Copies what it keeps. */
peer_told peer_origins_take(peer_origins *o, const sync_frame *frame, uint64_t from, int64_t now_ms,
                            const char **why);

/* Forgets what is not believed any more. When the next one is due; INT64_MAX: nothing is left. */
int64_t peer_origins_expire(peer_origins *o, int64_t now_ms);

/* How many members the peers that are believed count together. */
uint64_t peer_origins_members(const peer_origins *o, int64_t now_ms);

/* The message that passes it on. Borrows from `origin`, which is believed still. */
sync_frame peer_origin_frame(const peer_origin *origin, int64_t now_ms);

/* Forgets everything; any number of times. */
void peer_origins_free(peer_origins *o);

#endif
