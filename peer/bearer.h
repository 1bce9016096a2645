/* The token that is shown to another peer. Any thread. */
#ifndef PEER_BEARER_H
#define PEER_BEARER_H

#include "peer_limits.h"

#include <stdbool.h>
#include <stddef.h>

enum { PEER_BEARER_BYTES = PEER_TOKEN_BYTES_MAX + 2 };

/* The first word of the file: whoever renews a token writes it there. False: *why says why it cannot be read, with the file's name; `text` is empty then, and where `path` is
** NULL, which is no error. */
bool peer_bearer_read(const char *path, char text[PEER_BEARER_BYTES], char *why, size_t why_bytes);

#endif
