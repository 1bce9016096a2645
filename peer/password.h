/* Passwords, hashed by crypt(3) with yescrypt. Takes time and memory on purpose: never on the network thread. Any other thread. */
#ifndef PEER_PASSWORD_H
#define PEER_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

enum { PEER_HASH_BYTES_MAX = 128 }; /* of yescrypt, with its settings and its salt: 73 by default */

/* A new hash of a password, with a new salt and the system's usual cost. False: the system cannot. */
bool peer_password_hash(const char *password, char hash[PEER_HASH_BYTES_MAX]);

/* Is it the password that this is the hash of? hash NULL, or no yescrypt: no, and finding that out takes as long as for a hash that peer_password_hash has
** made. */
bool peer_password_fits(const char *password, const char *hash);

#endif
