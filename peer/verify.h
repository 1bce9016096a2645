/* `sync-peer verify`: do two files hold the same? */
#ifndef PEER_VERIFY_H
#define PEER_VERIFY_H

#include "commands.h"

/* Compares file[0] with file[1], prints what differs on stdout, and with --repair sets right what no exchange would, as file[0] has it. PEER_EXIT_OK: they hold the same,
** PEER_EXIT_DIFFER, or the code of a failure, which has been said. The main thread. */
int peer_verify_run(const peer_words *w);

#endif
