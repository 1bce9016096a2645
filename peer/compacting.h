/* `sync-peer compact`: forgets deletes of a file. */
#ifndef PEER_COMPACTING_H
#define PEER_COMPACTING_H

#include "commands.h"

/* Compacts file[0], as sync_compact() says, and says what came of it on stdout. PEER_EXIT_OK, or the code of a failure, which has been said. The main
** thread. */
int peer_compacting_run(const peer_words *w);

#endif
