/* What the parts of the network thread share. Network thread only. */
#ifndef PEER_NET_INTERNAL_H
#define PEER_NET_INTERNAL_H

#include "backoff.h"
#include "bearer.h"
#include "config.h"
#include "exposition.h"
#include "form.h"
#include "head.h"
#include "message.h"
#include "net.h"
#include "resolve.h"
#include "rooms.h"
#include "session.h"
#include "throttle.h"
#include "tls.h"
#include "visitors.h"

#include <libwebsockets.h>
#include <signal.h>

#define PEER_PROTOCOL_NAME "sync.v1"

typedef struct net net;
typedef struct net_link net_link;

/* What a connection of libwebsockets has as its opaque data begins with what it is. */
typedef enum net_kind { NET_LINK, NET_VISIT } net_kind;

/* One that was accepted and is no link yet, as counted by its address: see visits.c. */
typedef struct net_visit {
    net_kind kind; /* NET_VISIT */
    char address[64];
} net_visit;

/* A URL that is followed: it has a link, or waits for the next attempt, or is finished. */
typedef struct net_follow {
    struct net_follow *next;
    uint64_t id;
    net *net;
    net_room *room; /* that is kept in step with it; NULL: closed, and this goes with its link */
    peer_url url;
    char *token_file, *pin; /* NULL: none */
    char *tables;           /* the only ones that are exchanged; NULL: all */
    unsigned rights;        /* what the other side may do here: sync_peer_right */
    bool primary;           /* of the room */
    bool patient;           /* it never gives up */
    peer_backoff backoff;
    lws_sorted_usec_list_t retry;
    net_link *link;                /* NULL: none now */
    char token[PEER_BEARER_BYTES]; /* between the attempt's beginning and its request */
    peer_addresses addresses;
    size_t next_address;
    bool ever_up;
    bool complained; /* about the present trouble */
    bool finished;   /* nothing more is attempted */
    int http_status; /* of the last attempt's answer; 0: none */
    int exit;        /* why the link ended, as far as known: exit code, permanent or not, words */
    bool permanent;
    char why[SYNC_ERROR_BYTES];
} net_follow;

/* One websocket. Lives from the connection's opening (ours: from the attempt) to lws's last callback about it. */
struct net_link {
    net_kind kind;          /* NET_LINK */
    net_link *next, **from; /* what points to it */
    net *net;
    net_follow *follow; /* NULL: accepted */
    net_room *room;     /* NULL: not yet known */
    bool admin;         /* it was admitted with that right: the room's rules for rows do not bind it */
    unsigned grants;    /* what it was admitted to do, as far as the room lets anybody: sync_peer_right */
    bool hears;         /* it may tell us who is in the room elsewhere */
    bool tells;         /* it is told that; ... */
    bool untold;        /* ... and has not been yet */
    peer_proof by;      /* and by what ... */
    char user[64];      /* ... as whom; "": anybody */
    int64_t since_s;    /* Unix time */
    uint64_t id;
    struct lws *wsi;
    bool accepted; /* it came here, in place of going out */
    bool open;     /* the websocket is: before that, nothing can be sent */
    bool greeted;  /* we have announced ourselves: the room is open */
    char *name;
    peer_session session;
    int64_t up_ms;     /* when the other side had announced itself; 0: not yet */
    bool told_room;    /* PEER_LINK_UP was posted, PEER_LINK_DOWN not yet */
    sync_buf incoming; /* a message that is coming in */
    peer_debt *debt;
    peer_lag *lag;     /* what the worker says of how far they are behind */
    peer_message *out; /* frames to be sent */
    peer_message **out_end;
    size_t out_bytes;
    int64_t out_ms; /* when the last of them was taken, or the first one came */
    bool ending;    /* after `out`: close with status and text */
    int status;
    char text[124]; /* RFC 6455: at most 123 bytes */
    char *closed;   /* how the other side closed, in words; NULL: it did not */
    lws_sorted_usec_list_t tick;
    lws_sorted_usec_list_t expiry; /* of what it was admitted by */
};

/* An address that is listened on. */
typedef struct net_listener {
    int fd; /* until it is libwebsockets'; -1: it is, or was never there */
    struct lws *wsi;
    char *address;
    int port;
    bool scrape; /* for who watches over the process alone: see scrape.c */
} net_listener;

/* Why a request got no websocket. */
#define NET_REFUSALS(X)                                                                                      \
    X(NO_UPGRADE, 426, "no_upgrade")     /* and asked for nothing else that is here */                       \
    X(NO_WEBSOCKET, 400, "no_websocket") /* another upgrade */                                               \
    X(SUBPROTOCOL, 400, "subprotocol")                                                                       \
    X(PATH, 404, "path")           /* it is no room's name */                                                \
    X(URL, 400, "url")             /* a token is in it */                                                    \
    X(FORBIDDEN, 403, "forbidden") /* Host, Origin, or no right */                                           \
    X(TOKEN, 401, "token")                                                                                   \
    X(ROOM, 404, "room")                                                                                     \
    X(OFTEN, 429, "address") /* too often, or too many from there */                                         \
    X(FULL, 503, "full")     /* or stopping */

typedef enum net_refusal {
#define NET_X(NAME, status, reason) NET_REFUSED_##NAME,
    NET_REFUSALS(NET_X)
#undef NET_X
        NET_REFUSALS_END
} net_refusal;

/* What comes of a POST of /login. */
#define NET_LOGIN_KINDS(X)                                                                                   \
    X(GOOD, "good")                                                                                          \
    X(WRONG, "wrong")   /* the password, or the user */                                                      \
    X(SLOWED, "slowed") /* after too many that were wrong */                                                 \
    X(BUSY, "busy")                                                                                          \
    X(BROKEN, "broken")       /* the table of users, or the system */                                        \
    X(FORBIDDEN, "forbidden") /* Host or Origin */                                                           \
    X(MALFORMED, "malformed")

typedef enum net_login_result {
#define NET_X(NAME, reason) NET_LOGIN_##NAME,
    NET_LOGIN_KINDS(NET_X)
#undef NET_X
        NET_LOGIN_RESULTS
} net_login_result;

/* What the network thread counts, see observe.c. Frames by their type, those that are of none at 0. */
typedef struct net_counts {
    int64_t began_s; /* Unix time */
    uint64_t accepted;
    uint64_t turned_away; /* at once: their address had as many connections as it may have */
    uint64_t refused[NET_REFUSALS_END];
    uint64_t logins[NET_LOGIN_RESULTS];
    uint64_t bytes_in, bytes_out;
    uint64_t frames_in[SYNC_FRAME_TYPES], frames_out[SYNC_FRAME_TYPES];
    peer_totals gone; /* of rooms that are no more */
} net_counts;

struct net {
    const peer_options *options;
    peer_config *config; /* as it was read last; NULL: none */
    size_t links_max;    /* of accepted ones: what was allowed at the start */
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_vhost *scrape_vhost; /* of the listener for metrics; NULL: there is none */
    size_t scrapes, rosters;        /* answers with metrics, with lists, that are not sent whole */
    peer_queue *inbox;
    net_room *rooms;
    size_t workers; /* that run */
    bool stopping;  /* they have been told to end */
    bool finished;
    int64_t held; /* in rows, when the last link was done */
    int exit;
    net_link *links;
    size_t member_count; /* of those that were accepted */
    peer_visitors *visitors;
    peer_throttle *throttle;  /* of logins; NULL: nobody can log in */
    struct net_login *logins; /* that wait for their answer */
    uint64_t last_login_id;
    int login_threads;
    net_visit *handed; /* to the connection that libwebsockets is making just now; NULL: none */
    net_link **slots;  /* where they are found by their ids: the low half of an id is its place here */
    size_t slot_count;
    size_t free_slot; /* none below is free */
    uint32_t last_id; /* the high half */
    int resolving;    /* names being looked up */
    net_follow *follows;
    uint64_t last_follow_id;
    lws_sorted_usec_list_t deadline;
    lws_sorted_usec_list_t minute;               /* from time to time the log is settled */
    net_listener listeners[PEER_LISTEN_MAX + 1]; /* and the one for metrics */
    size_t listener_count;
    net_counts counts;
    int spare_fd; /* given up for a moment when there are no others, to refuse a connection */
    uint8_t scratch[LWS_PRE + SYNC_FRAME_BYTES_MAX]; /* lws masks what it sends in place */
};

/* ---- net.c */

void net_stop(net *n, int exit);    /* the process is to end; the first exit code other than 0 stays */
void net_check_stopped(net *n);     /* ... when the last worker has ended */
void net_pinned_ready(net_room *r); /* the file of the command line is open */
void net_pinned_ended(net_room *r, const peer_message *m);

/* ---- link.c */

net_link *net_link_new(net *n, net_follow *follow, const char *name);
void net_link_open(net_link *l, struct lws *wsi);   /* the websocket is open; its room is known */
void net_link_expire(net_link *l, int64_t until_s); /* at that second the link ends; 0: never */
void net_link_greet(net_link *l); /* the room is open too: announces us, unless that is done */
void net_link_end(net_link *l, int code, int status,
                  const char *text); /* sends Error (code 0: none), then closes */
void net_link_gone(net_link *l);     /* lws is done with it; frees */
int net_link_receive(net_link *l, struct lws *wsi, const void *data, size_t bytes); /* for lws: -1 closes */
int net_link_write(net_link *l);
void net_link_send(net_link *l,
                   const sync_frame *frame); /* one of the small messages, if it may be sent now */
int net_link_closed(net_link *l, const unsigned char *data,
                    size_t bytes); /* by the other side: what it says; for lws: -1 is no answer in kind */
void net_link_deliver(net *n, peer_message *m); /* a worker's message about a link; takes it */

/* ---- serve.c */

bool net_listen(net *n); /* binds; false: it has been said why, and n->exit is set */
bool net_begin_listening(net *n);
/* Whether the process is there (/healthz), and takes connections (/readyz). False: the path is neither. */
bool net_answer_health(const net *n, struct lws *wsi, const char *path);
int net_on_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
int net_on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

/* ---- admission.c */

/* May who asks for this upgrade join the room, as far as Host, Origin and token say? 0, and *grant says what it may do there; or the HTTP status and *why, a constant. Does not ask
** whether there is such a room: who may not enter learns nothing of that. */
unsigned net_admit(const net *n, struct lws *wsi, const char *room, peer_grant *grant, const char **why);

/* Who asks about several rooms: what he shows is judged once. */
typedef struct net_caller {
    const peer_auth *auth; /* NULL: anybody may what there is; borrowed: not for longer than the callback */
    peer_grant grant;      /* wherever he may anything */
    peer_claims *claims;   /* of his token; NULL: he has none */
} net_caller;

/* The part of net_admit that is not about a room, likewise. net_caller_end is due in any case. */
unsigned net_caller_begin(const net *n, struct lws *wsi, net_caller *caller, const char **why);
void net_caller_end(net_caller *caller);

/* What he may do in that room: NULL, and *grant says it (it may be nothing); or why he may do nothing there, a constant. */
const char *net_caller_ask(const net_caller *caller, const char *room, peer_grant *grant);

/* Are Host and Origin those of a page that may ask for anything here? There is `auth`. False: *why, a constant. */
bool net_admit_page(const net *n, struct lws *wsi, const char **why);

/* ---- reload.c */

void net_reload(net *n); /* SIGHUP: reads the configuration, the keys and the certificate again */

/* ---- visits.c: accepted connections that are no links yet */

/* One from that socket address was accepted, and n->handed is its visit. False: the address has as many as it may have. */
bool net_visit_begin(net *n, const struct sockaddr *from);

/* libwebsockets has made a connection: it gets what is handed to it, if anything is. */
void net_visit_take(struct lws *wsi);

/* Hands on what a connection has, to the one that is made in its place. Where nobody has taken it net_visit_take gives it back. */
void net_visit_hand(struct lws *wsi);

/* Nobody has taken what was handed on: it is over. */
void net_visit_drop(net *n);

/* The connection is no more, or a link now. Nothing happens where it has no visit. */
void net_visit_end(struct lws *wsi);

/* ---- request.c */

/* An accepted connection, whose request goes to that vhost; false: it is still the caller's. */
bool net_begin_request(struct lws_vhost *vhost, int fd);
int net_on_request(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

/* ---- scrape.c: metrics over HTTP */

/* An answer that is on its way, with metrics or lists: the session data of protocol "http". Zeroed: there is none. */
typedef struct net_scrape {
    size_t *among; /* counted there, in net; NULL: there is none */
    sync_buf body;
    size_t sent;
} net_scrape;

/* Begins an answer, of which as many may be under way as `max`, counted in *among. False: there are as many. net_scrape_end is due in any case. */
bool net_scrape_take(net_scrape *scrape, size_t *among, size_t max);

/* Begins to send what is in its body by now, as that type. For lws: 0, or -1 closes. */
int net_scrape_send(struct lws *wsi, net_scrape *scrape, const char *type);

/* Makes the vhost of the listener for metrics, if the configuration has one. False: it cannot be made (errno). */
bool net_scrape_open(net *n);

/* Begins to answer a GET of /metrics; net_scrape_end is due in any case. For lws: 0, or -1 closes. */
int net_scrape_begin(net *n, struct lws *wsi, net_scrape *scrape);

/* Sends the next piece. For lws: 0, or -1 closes. */
int net_scrape_write(net *n, struct lws *wsi, net_scrape *scrape);

/* The connection is done with it; any number of times, and with NULL. */
void net_scrape_end(net_scrape *scrape);

/* ---- roster.c: which rooms there are, and who is in them, over HTTP */

/* Is this path one of them: /rooms, or /ROOM/users? */
bool net_roster_path(const char *path);

/* Begins to answer a GET of it; net_scrape_end is due in any case. 0; or the HTTP status to refuse it with, and *why, a constant. */
unsigned net_roster_begin(net *n, struct lws *wsi, const char *path, net_scrape *scrape, const char **why);

/* ---- presence.c: the same, between peers */

/* Before the link announces itself, to who may do that here: is it to tell us who is in the room elsewhere? SYNC_RIGHT_PRESENCE, or 0. */
unsigned net_presence_offer(net_link *l, unsigned rights);

/* It has announced itself, and is told what it may know. */
void net_presence_meet(net_link *l, unsigned rights);

/* It is ending, or (where it never was) gone: once. */
void net_presence_leave(net_link *l);

/* Somebody has come or gone, or is called otherwise. */
void net_presence_changed(net_room *r);

/* The room is going to close: that nobody is here any more is said while there are links. */
void net_presence_close(net_room *r);
void net_presence_free(net_room *r);

/* A Presence came. 0, or the sync_peer_error that the link has to end with, and *why, a constant. */
int net_presence_take(net_link *l, const sync_frame *frame, const char **why);

/* What this peer is called in that room; "": nobody has said, and the room's file is not open yet, or tracks nothing. */
void net_presence_name(const net_room *r, char name[PEER_NAME_BYTES_MAX + 1]);

/* Who that link is; it was accepted. */
void net_presence_member(const net_link *l, peer_member *member);

/* ---- signin.c: POST /login and /logout */

/* A login from its request to its answer: the session data of protocol "http". Zeroed: there is none. */
typedef struct net_login {
    struct net_login *next; /* of those that wait */
    uint64_t id;            /* 0: it does not wait yet */
    struct lws *wsi;
    peer_form_kind kind;
    size_t expected, bytes; /* of the body; 0: none is */
    int64_t began_ms;
    char body[PEER_LOGIN_BODY_BYTES_MAX];
    bool decided;
    net_login_result result;
    char *cookie;
} net_login;

/* What a POST, a piece of its body, the end of that, and a socket that takes the answer lead to. For lws: 0, or -1 closes. net_login_end is due in any case. */
int net_login_begin(net *n, struct lws *wsi, const char *path, net_login *login);
int net_login_body(net_login *login, const void *data, size_t bytes);
int net_login_complete(net *n, struct lws *wsi, net_login *login);
int net_login_write(net *n, struct lws *wsi, net_login *login);

/* A thread has looked at one. The message stays the caller's, what it is about does not. */
void net_login_deliver(net *n, peer_message *m);

/* The connection is done with it; any number of times, and with NULL. */
void net_login_end(net *n, net_login *login);

/* The session data of protocol "http": one of these. */
typedef struct net_http {
    net_scrape scrape;
    net_login login;
} net_http;

/* ---- observe.c */

/* A whole message of the protocol came or went; `frames` is frames_in or frames_out of net_counts. */
void net_count_frame(uint64_t *frames, const void *data, size_t bytes);

/* Appends all that is counted, as Prometheus reads it; the caller asks for to->oom. */
void net_observe(const net *n, sync_buf *to);

/* Sums up in each room what its connections say of themselves just now: lag_ms, parts, upstreams. */
void net_observe_rooms(const net *n, int64_t now_ms);

/* ---- follow.c */

/* Adds a URL (which is one) that a room is to be kept in step with. Texts are copied; NULL: none. The caller says in what it gets whether that is the primary. */
net_follow *net_follow_add(net_room *room, const char *url, const char *token_file, const char *pin,
                           const char *tables, unsigned rights, bool patient);
void net_follow_begin(net_follow *f);
void net_follows_begin(net_room *room); /* all of the room's */
void net_follows_end(net_room *room);   /* the room is closed: its links end, nothing is attempted any more */
void net_follows_free(net *n);          /* when no link is left */
void net_follow_resolved(net *n, peer_message *m);
void net_follow_blame(net_follow *f, int exit, bool permanent, const char *why); /* the first reason stays */
void net_follow_lost(net_follow *f, bool was_up);                                /* its link is gone */
/* The request is being written, up to `end`: adds what it has to say. For lws: -1 ends it. */
int net_follow_headers(net_follow *f, struct lws *wsi, unsigned char **at, unsigned char *end);
void net_follow_distrusted(net_follow *f, struct lws *wsi); /* it failed: was it for the certificate? */
int net_follow_answered(net_follow *f, struct lws *wsi); /* an answer to the upgrade; for lws: -1 ends it */
void net_follow_failed(net_follow *f, const char *why);  /* no websocket came about; frees the link */
void net_follow_done(net_follow *f,
                     const peer_message *m); /* --once: it has done all it could, as PEER_LINK_DONE says */

#endif
