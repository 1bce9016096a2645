/* Keys that tokens are signed with: a secret, a public key as PEM, or several as JWKS (RFC 7517), of one algorithm that the configuration names. */
#ifndef PEER_KEYS_H
#define PEER_KEYS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum peer_algorithm { PEER_HS256, PEER_RS256, PEER_ES256 } peer_algorithm;

typedef struct peer_key {
    char *id;   /* `kid` of JWKS; NULL: it has none */
    char *text; /* the secret, or the public key as PEM */
    size_t bytes;
} peer_key;

typedef struct peer_keys {
    peer_algorithm algorithm;
    peer_key *list;
    size_t count;
} peer_keys;

/* The name of an algorithm in tokens and keys (RFC 7518, 3.1). */
const char *peer_algorithm_name(peer_algorithm algorithm);

/* The bytes behind base64url without padding (RFC 7515, appendix C), the caller's to free; NULL, with *bytes untouched: it is empty or malformed. */
unsigned char *peer_base64url(const char *text, size_t length, size_t *bytes);

/* Reads a file: for HS256 the secret, without a line end behind it, of at least 32 bytes; else PEM, or JWKS, of which keys of other kinds and uses are passed over.
** False: *why, which the caller frees, says what is wrong, without a word of the key, and nothing is kept. */
bool peer_keys_read(peer_keys *keys, peer_algorithm algorithm, const char *path, char **why);

/* Reads the one key that tokens are to be signed with: a private key as PEM without a passphrase (RSA: RS256, on P-256: ES256), else the file is a secret
** (HS256), as above. keys->algorithm says which. False: as above. */
bool peer_keys_read_signing(peer_keys *keys, const char *path, char **why);

void peer_keys_free(peer_keys *keys);

#endif
