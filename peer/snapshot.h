/* `sync-peer snapshot`: a copy of a file as it is at one moment. */
#ifndef PEER_SNAPSHOT_H
#define PEER_SNAPSHOT_H

#include "commands.h"

/* Copies file[0] to file[1], which must not be there. It is whole and on disk when it has its name; on failure nothing is left. What was written before is folded
** first, so that it bears the same stamps in both; the copy takes an id of its own when it is first used. PEER_EXIT_OK, or the code of a failure, which has been
** said. The main thread. */
int peer_snapshot_run(const peer_words *w);

#endif
