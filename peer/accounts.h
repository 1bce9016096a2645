/* `sync-peer user`: makes and changes the table of users who may log in. */
#ifndef PEER_ACCOUNTS_H
#define PEER_ACCOUNTS_H

#include "commands.h"

/* Adds, changes or removes the user of --sub in a file, or lists all of them as JSON, one per line. A password is read from stdin: the first line, which is asked for and
** not shown where stdin is a terminal. PEER_EXIT_OK, or the code of a failure, which has been said. The main thread. */
int peer_accounts_run(const peer_words *w);

#endif
