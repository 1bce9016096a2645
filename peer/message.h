/* What the network thread and the rooms' workers say to each other: messages in bounded, woken queues. */
#ifndef PEER_MESSAGE_H
#define PEER_MESSAGE_H

#include "frame.h"
#include "metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that several links may be sending at once. Made with one reference; the last peer_bytes_drop frees. Any thread. */
typedef struct peer_bytes {
    atomic_uint references;
    sync_buf buf; /* not changed once it is shared */
} peer_bytes;

/* Takes over what `buf` holds and leaves it empty. */
peer_bytes *peer_bytes_take(sync_buf *buf);
peer_bytes *peer_bytes_share(peer_bytes *bytes);
void peer_bytes_drop(peer_bytes *bytes); /* NULL is fine */

/* What one link has waiting for a worker, so that the network thread can refuse more than PEER_LINK_QUEUE_BYTES_MAX. Shared by the
** link and its messages; the last peer_debt_drop frees. */
typedef struct peer_debt {
    atomic_uint references;
    atomic_size_t bytes;
} peer_debt;

peer_debt *peer_debt_new(void);
void peer_debt_drop(peer_debt *debt); /* NULL is fine */

typedef enum peer_kind {
    /* network to worker */
    PEER_LINK_UP,     /* both sides have announced themselves; text: who it is; site: theirs */
    PEER_LINK_DOWN,   /* the link is gone: last message about it */
    PEER_FRAME_IN,    /* frame, which borrows from bytes */
    PEER_UNREACHABLE, /* no link could be made to one of those that are followed, while the file is not there */
    PEER_PRIMARY_AWAY, /* text: the primary's URL, and why there is no link to it now */
    PEER_STOP,         /* finish the current batch and end */
    /* worker to network */
    PEER_ROOM_ABSENT, /* the file is not there: URLs are to be followed before it is ready */
    PEER_ROOM_READY,  /* the file is open: site is its id */
    PEER_ROOM_SITE,   /* it has another one now: site; zeros: it tracks nothing */
    PEER_FRAME_OUT,   /* bytes: one encoded frame */
    PEER_LINK_CLOSE, /* code: sync_peer_error, exit: for a follower, text: why; what was sent before still goes out */
    PEER_LINK_DONE, /* both sides hold the same, and --once asked for no more; exit, text: what does not; held */
    PEER_ROOM_ENDED, /* last message of a worker; exit, text */
    /* name resolution to network */
    PEER_RESOLVED, /* about: the request */
    /* logins to network */
    PEER_LOGGED_IN /* about: the login */
} peer_kind;

typedef struct peer_message {
    struct peer_message *next;
    peer_kind kind;
    uint64_t link; /* 0: none */
    peer_bytes *bytes;
    peer_debt *debt; /* FRAME_IN: owes bytes->buf.len until the message is freed */
    sync_frame frame;
    sync_frame_site site;
    int code;
    int exit;
    int64_t held; /* what this file holds, in rows */
    peer_lag
        *lag; /* LINK_UP: where the worker says how far they are behind; a reference of the message's own */
    unsigned grants, granted; /* LINK_UP: what they may do here, and we there: sync_peer_right */
    bool primary;             /* LINK_UP: it leads to the primary */
    char *text;               /* owned; NULL: none */
    char *tables; /* LINK_UP: the only tables that are exchanged over it, as --track has them; NULL: all */
    char *user;   /* LINK_UP: whom it was admitted as, owned; NULL: nobody in particular */
    bool bound;   /* LINK_UP: by the room's rules for rows */
    void *about; /* RESOLVED: the request; LOGGED_IN: the login; ROOM_...: what the worker was started with */
} peer_message;

/* Zeroed but for kind and link. */
peer_message *peer_message_new(peer_kind kind, uint64_t link);
void peer_message_free(peer_message *m); /* drops bytes, frees text; NULL is fine */

/* Makes the message count as a debt of its link. */
void peer_message_owe(peer_message *m, peer_debt *debt);

/* Unbounded by itself: what bounds it is written at each sender (windows, PEER_LINK_QUEUE_BYTES_MAX). */
typedef struct peer_queue peer_queue;

/* `wake` is called after each put that found the queue empty, on the putting thread. */
peer_queue *peer_queue_new(void (*wake)(void *context), void *context);
void peer_queue_free(peer_queue *q); /* with everything in it */
void peer_queue_put(peer_queue *q, peer_message *m);
peer_message *peer_queue_take_all(peer_queue *q); /* a list in order, or NULL; the caller owns it */

/* Says that there is no memory, and ends the process at once. Any thread. */
_Noreturn void peer_out_of_memory(void);

/* Zeroed memory; says so and ends the process when there is none. For small things of fixed size only: what the other side
** sizes is allocated with checks. */
void *peer_new(size_t bytes);
char *peer_strdup(const char *text); /* NULL gives NULL */
char *peer_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Monotonic time. */
int64_t peer_now_us(void);
int64_t peer_now_ms(void);

#endif
