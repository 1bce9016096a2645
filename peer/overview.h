/* The commands rooms and status: what a peer says of its rooms (GET /rooms), as a table or as events. The main thread. */
#ifndef PEER_OVERVIEW_H
#define PEER_OVERVIEW_H

#include "commands.h"

/* Exit codes; what had to be said has been said. */
int peer_overview_rooms(const peer_words *w);
int peer_overview_status(const peer_words *w);

#endif
