/* SIGINT and SIGTERM for the commands that work on files: they end what they are doing and leave nothing half done. One process, one command; before
** it, peer_stop_begin(). Any thread. */
#ifndef PEER_STOP_H
#define PEER_STOP_H

#include <stdbool.h>

/* From now on these signals only note that they came, and a write that nobody reads, or beyond a limit of size, is an error and no signal. */
void peer_stop_begin(void);

/* Has one come? */
bool peer_stop_asked(void);

/* Waits until `fd` is readable, a signal has come, or `ms` milliseconds have passed. fd -1: there is none. */
void peer_stop_wait(int fd, int ms);

#endif
