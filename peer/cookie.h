/* The cookie that a login gives: a token (JWT, HS256) that this peer signs for itself, and checks as it checks others. Pure: asks no clock and no file. */
#ifndef PEER_COOKIE_H
#define PEER_COOKIE_H

#include "token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The audience of these tokens, so that no other token passes for one, whatever the key. */
#define PEER_COOKIE_AUDIENCE "sync-peer cookie"

typedef struct peer_cookie_rules {
    peer_token_rules tokens; /* what peer_token_check is to check it with; one key, a secret */
    int64_t seconds;         /* how long it is good */
    bool secure;             /* over TLS alone */
} peer_cookie_rules;

/* Who has logged in. `rooms` and `rights`: several, by commas. */
typedef struct peer_cookie_holder {
    const char *user, *rooms, *rights;
} peer_cookie_holder;

/* The value of the header Set-Cookie, which the caller frees after OPENSSL_cleanse. NULL: it cannot be signed, or would be longer than a token may be. */
char *peer_cookie_make(const peer_cookie_rules *rules, const peer_cookie_holder *holder, int64_t now_s);

/* That value for a cookie that is to go. Static. */
const char *peer_cookie_gone(const peer_cookie_rules *rules);

/* The token in a header Cookie, into `token`. False: there is none, or there are several, or it is too long. */
bool peer_cookie_find(const peer_cookie_rules *rules, const char *header, char *token, size_t bytes);

#endif
