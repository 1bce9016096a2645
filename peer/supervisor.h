/* Who started the process and watches over it: systemd, or what speaks as it does (LISTEN_FDS, NOTIFY_SOCKET). Where there is nobody, nothing is
** handed over, and what is told is told to nobody. Network thread only. */
#ifndef PEER_SUPERVISOR_H
#define PEER_SUPERVISOR_H

#include <stddef.h>

/* The listening sockets that were handed over, into `fds`, which has room for `max`. They do not block, and are the caller's to close. Returns how many, 0
** if there are none; or -1: one is no listening TCP socket, or there are more than `max`, and *why, which the caller frees, says so. Takes them out of the
** environment: before other threads are started, and once. */
int peer_supervisor_sockets(int *fds, size_t max, char **why);

/* What is asked for is being done: after the start, and when what peer_supervisor_reloading announced is over. `status` is a line for people; control characters in
** it are replaced. */
void peer_supervisor_ready(const char *status);

/* What can be read again is about to be; peer_supervisor_ready follows. */
void peer_supervisor_reloading(void);

/* The process is about to end. */
void peer_supervisor_stopping(void);

#endif
