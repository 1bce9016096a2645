/* The network thread: it owns every socket, knows no file, and decides when the process ends. */
#ifndef PEER_NET_H
#define PEER_NET_H

#include "options.h"

/* Serves and follows as the options say, on the calling thread, until a signal, the end of --once, or a failure. What had to be said has
** been said. Returns the exit code. The configuration
** is in `options` as it was read last. */
int peer_net_run(peer_options *options);

#endif
