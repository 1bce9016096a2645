/* `sync-peer log`: the changes of a file as JSON lines. */
#ifndef PEER_CHANGELOG_H
#define PEER_CHANGELOG_H

#include "commands.h"

/* Prints what sync_changes has of file[0], oldest version first, and with --follow what comes, until a signal. PEER_EXIT_OK, or the code of a failure, which
** has been said. The main thread. */
int peer_changelog_run(const peer_words *w);

#endif
