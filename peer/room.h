/* A room: one SQLite file and the worker thread that alone touches it. Talks with the network thread by messages. */
#ifndef PEER_ROOM_H
#define PEER_ROOM_H

#include "message.h"
#include "options.h"

typedef struct peer_room peer_room;

/* Starts the worker. It opens the file and sends PEER_ROOM_READY, or PEER_ROOM_ENDED; the latter comes once in any case, last.
** `options` and `metrics`, into which it counts, must outlive the room; messages to the network go to `network`, those about the room itself with `about` in
** them. NULL: no thread can be started, which has been said. */
peer_room *peer_room_start(const peer_options *options, peer_queue *network, void *about,
                           peer_metrics *metrics);

/* Hands a message over. Any thread. */
void peer_room_post(peer_room *room, peer_message *m);

/* After a PEER_STOP was posted (or PEER_ROOM_ENDED came): breaks off waiting for locks. Any thread. */
void peer_room_hurry(peer_room *room);

/* Waits for the worker's end and frees the room. */
void peer_room_join(peer_room *room);

#endif
