/* The rooms of a process as the network thread knows them: which there are, whose worker runs, who has joined. A room named on the command line is open
** as long as the process; one of a folder is opened when somebody joins it, and closed when nobody has been there for a while. Network thread only. */
#ifndef PEER_ROOMS_H
#define PEER_ROOMS_H

#include "backoff.h"
#include "members.h"
#include "message.h"
#include "options.h"
#include "room.h"

#include <libwebsockets.h>

struct net;
struct net_link;

/* What a room tells other peers of who is in it, see presence.c. Zeroed: nothing yet. */
typedef struct net_presence {
    lws_sorted_usec_list_t due;
    int64_t due_ms;   /* 0: it is not scheduled */
    int64_t told_ms;  /* when anything was told last, ... */
    int64_t said_ms;  /* ... and when of this peer itself, ... */
    uint64_t counter; /* ... by this number, ... */
    size_t members;   /* ... and how many: they are renewed */
    size_t tellers;   /* links that are told */
    bool changed;     /* who is here, since then */
    bool owes;        /* there are links that were too slow to be told */
    bool complained;
} net_presence;

typedef struct net_room {
    struct net_room *next;
    struct net *net;
    char *name;
    peer_options options; /* its worker's: that of a folder's room owns its strings */
    bool pinned;          /* named on the command line: the process ends with it */
    peer_room *worker;    /* NULL: closed */
    sync_frame_site site; /* while ready */
    bool ready;           /* the file is open */
    bool absent;          /* ... or it was not there when the worker began: URLs are followed all the same */
    bool ending;          /* the worker has been told to end */
    bool kept;            /* open also while nobody has joined */
    peer_backoff backoff; /* of such a one, where it fails */
    size_t links;         /* that have joined */
    peer_metrics metrics; /* its worker's */
    int64_t lag_ms;       /* the largest of its links, and ... */
    uint64_t parts;       /* ... the sum of what is outstanding there, ... */
    size_t
        upstreams; /* ... and how many this process made itself, and are up: as net_observe_rooms left them */
    net_presence presence;
    peer_origins origins; /* who is in it at other peers; net_presence_free gives it back */
    int64_t left_ms;      /* since when there are none */
    lws_sorted_usec_list_t idle;
} net_room;

/* Adds a room that is named on the command line and starts its worker; NULL: it could not be, which has been said. `options` must outlive it. */
net_room *net_room_pin(struct net *n, const peer_options *options);

/* May somebody join a room of this name (which is one)? 0, or the HTTP status and why not. Nothing is opened by that. */
unsigned net_room_refuses(struct net *n, const char *name, char *why, size_t why_bytes);

/* The room of this name, if the process has anything to do with it just now; or NULL. */
const net_room *net_room_find(const struct net *n, const char *name);

/* What anybody may do at most in a room of this name (which is one): sync_peer_right. */
unsigned net_room_rights(const struct net *n, const char *name);

/* Joins a room that may be joined, and opens it if need be; NULL: no thread can be started. */
net_room *net_room_join(struct net *n, const char *name);
void net_room_leave(net_room *r);

/* Hands a message over to the worker; dropped where none runs. */
void net_room_post(net_room *r, peer_message *m);

/* PEER_ROOM_READY, PEER_ROOM_SITE and PEER_ROOM_ENDED, whose `about` is the room. */
void net_room_deliver(struct net *n, const peer_message *m);

/* The configuration has been read again: rooms that it has otherwise now, or has no more, are closed, with everybody in them. How many. */
size_t net_rooms_follow(struct net *n);

/* Opens the rooms of the configuration that are to be open also while nobody has joined, as far as they have files and may be open. */
void net_rooms_keep(struct net *n);

/* The process is to end: every worker finishes its batch and ends. */
void net_rooms_stop(struct net *n);

/* Before the context goes: waits for all workers. */
void net_rooms_join(struct net *n);
void net_rooms_free(struct net *n); /* behind net_rooms_join, when no link is left */

#endif
