/* The protocol's state on one link: which message may come and go when, heartbeats, the end. Pure: no socket, no file.
**
**              AnnouncePresence           StartStreaming (theirs)
**   GREETING ─────────────────▶ ANNOUNCED ─────────────────▶ STREAMING ─┐ everything but
**      │                            │  └─ SchemaRequest, Schema, Changes, │ AnnouncePresence
**      │ anything else              │     SnapshotRequest, Snapshot, Ack, │
**      │                            │     RejectChanges, Presence, Ping,  │
**      │                            │     Pong ...                        │
**      ▼                            ▼ AnnouncePresence                    ▼ Error, silence
**    ENDED ◀────────────────────── ENDED ◀──────────────────────────── ENDED
*/
#ifndef PEER_SESSION_H
#define PEER_SESSION_H

#include "frame.h"

/* What SYNC_PEER_ERROR_SAME says. */
#define PEER_SAME_FILE "both ends of the link are the same file"

typedef enum peer_session_state {
    PEER_GREETING,  /* open; the other side has not said who it is */
    PEER_ANNOUNCED, /* it has; it has not asked for changes: none may be sent */
    PEER_STREAMING, /* it has asked */
    PEER_ENDED,     /* nothing more is read or written */
    PEER_SESSION_STATES
} peer_session_state;

typedef struct peer_session {
    peer_session_state state;
    sync_frame_site own;   /* zeros: a file that is still to be made */
    sync_frame_site their; /* valid from ANNOUNCED on */
    unsigned granted;      /* the same: what we may do over there */
    const char *room;      /* what the link is about; borrowed for the session's life */
    int64_t opened_ms;
    int64_t heard_ms;  /* when anything came last */
    int64_t pinged_ms; /* when a Ping went out last */
    uint64_t pings;
} peer_session;

/* What is to be done about a message that came. */
typedef enum peer_verdict {
    PEER_DELIVER, /* hand it to the room */
    PEER_MEET,    /* the announcement: the link is up */
    PEER_ANSWER,  /* send `reply` */
    PEER_IGNORE,
    PEER_END_LINK /* close: code and text say why; a sync_peer_error goes to the other side first, unless code is 0 */
} peer_verdict;

typedef struct peer_move {
    peer_verdict verdict;
    sync_frame reply;
    int code; /* sync_peer_error */
    char text[SYNC_ERROR_BYTES];
} peer_move;

void peer_session_open(peer_session *s, const char *room, const sync_frame_site *own, int64_t now_ms);

/* A whole message came. `move` is filled in. On PEER_DELIVER and PEER_MEET `frame` holds it, borrowing from data. */
void peer_session_receive(peer_session *s, const void *data, size_t bytes, int64_t now_ms, sync_frame *frame,
                          peer_move *move);

/* May a message of this type be sent now? */
bool peer_session_may_send(const peer_session *s, sync_frame_type type);

/* Time has passed. PEER_IGNORE, PEER_ANSWER (a Ping), or PEER_END_LINK; *next_ms: when to ask again. */
void peer_session_tick(peer_session *s, int64_t now_ms, int64_t *next_ms, peer_move *move);

#endif
