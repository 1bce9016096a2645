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

enum { PEER_RIGHT_ADMIN = 4 }; /* beside sync_peer_right, whose SYNC_RIGHT_PRESENCE is called "peer" */

/* What somebody has shown. */
typedef enum peer_proof { PEER_BY_NOTHING, PEER_BY_TOKEN, PEER_BY_CERTIFICATE } peer_proof;

typedef struct peer_grant {
    peer_proof by;
    char user[64];   /* `sub`, or a certificate's common name; longer ones are refused; "": anybody */
    unsigned rights; /* sync_peer_right, PEER_RIGHT_ADMIN */
    int64_t until_s; /* `exp`: good before that second, leeway included */
} peer_grant;

/* Is the token good for a room at this time? It must have exp, nbf, aud, sub, room (a name, or several, where * stands for any number of characters) and rights
** ("read", "write", "admin", "peer"; several in an array). False: why, in words that have nothing of the token in them but names of members. Any thread. */
bool peer_token_check(const peer_token_rules *rules, const char *token, const char *room, int64_t now_s,
                      peer_grant *grant, const char **why);

/* A token with these claims, the caller's to free; NULL: it cannot be signed with that key. Any thread. */
char *peer_token_sign(const peer_key *key, peer_algorithm algorithm, const json_t *claims);
/* What a token says that has been verified. */
typedef struct json_t peer_claims;

/* The same for who asks about several rooms: the token is verified once, and all but the room is judged; *grant is good for rooms that peer_claims_fit. NULL: why,
** as above. The caller frees it. Any thread. */
peer_claims *peer_token_open(const peer_token_rules *rules, const char *token, int64_t now_s,
                             peer_grant *grant, const char **why);
bool peer_claims_fit(const peer_claims *claims, const char *room);
void peer_claims_free(peer_claims *claims); /* NULL is fine */

void peer_token_rules_free(peer_token_rules *rules);

/* Does a room's name fit, where * stands for any number of characters? */
bool peer_room_fits(const char *pattern, const char *room);

#endif
