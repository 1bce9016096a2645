/* `sync-peer token`: makes a token that a peer with `auth` lets in. */
#ifndef PEER_MINTING_H
#define PEER_MINTING_H

#include "commands.h"

/* Signs a token with the key in --key-file, and prints it, alone, on stdout. PEER_EXIT_OK, PEER_EXIT_USAGE, or the code of a failure, which has been said.
** The main thread. */
int peer_minting_run(const peer_words *w);

#endif
