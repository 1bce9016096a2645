/* Tokens (JWT, RFC 7519) that say who somebody is, which rooms that is about, and what may be done there. Pure: asks no clock and no file. */
#ifndef PEER_TOKEN_H
#define PEER_TOKEN_H

#include "frame.h"
#include "keys.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What tokens have to say beside a good signature. */
typedef struct peer_token_rules {
    peer_keys keys;
    char *audience;
    char *issuer; /* NULL: any */
    int64_t leeway_s;
} peer_token_rules;

enum { PEER_RIGHT_ADMIN = 4 }; /* beside sync_peer_right */

typedef struct peer_grant {
    char user[64];   /* `sub`; longer ones are refused */
    unsigned rights; /* sync_peer_right, PEER_RIGHT_ADMIN */
    int64_t until_s; /* `exp`: good before that second, leeway included */
} peer_grant;

/* Is the token good for a room at this time? It must have exp, nbf, aud, sub, room (a name, or several, where * stands for any number of characters) and rights
** ("read", "write", "admin"; several in an array). False: why, in words that have nothing of the token in them but names of members. Any thread. */
bool peer_token_check(const peer_token_rules *rules, const char *token, const char *room, int64_t now_s,
                      peer_grant *grant, const char **why);

/* A token with these claims, the caller's to free; NULL: it cannot be signed with that key. Any thread. */
char *peer_token_sign(const peer_key *key, peer_algorithm algorithm, const json_t *claims);

void peer_token_rules_free(peer_token_rules *rules);

/* Does a room's name fit, where * stands for any number of characters? */
bool peer_room_fits(const char *pattern, const char *room);

#endif
