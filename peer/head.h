/* The head of an HTTP request, brought into a shape that libwebsockets understands before it reads it: that takes //room, /%72oom and /x/../room for /room,
** has no room for subprotocols of more than 126 bytes, among which a token may be, and misreads what stands behind some headers. Pure: no socket. Any thread. */
#ifndef PEER_HEAD_H
#define PEER_HEAD_H

#include "peer_limits.h"

#include <stdbool.h>
#include <stddef.h>

/* A request as far as it has come: its head, and perhaps what follows. Zeroed: nothing has. */
typedef struct peer_head {
    size_t bytes;
    char data[PEER_HEAD_BYTES_MAX + PEER_HEAD_SPARE_BYTES]; /* the spare is for peer_head_settle alone */
} peer_head;

typedef enum peer_head_state {
    PEER_HEAD_PART,  /* more has to come */
    PEER_HEAD_WHOLE, /* it ends with an empty line */
    PEER_HEAD_BAD    /* its first line, or the whole of it, is too long */
} peer_head_state;

/* How much of it is there? */
peer_head_state peer_head_look(const peer_head *head);

/* How many bytes are the head, with the empty line that ends it; 0: that has not come. */
size_t peer_head_length(const peer_head *head);

/* Of one that is whole. Where the first line asks for something but a room or its list of users, that is written over with what will not be one: "/X…", or, where a token is in it,
** PEER_HEAD_URL_TOKEN. Tokens among the subprotocols (bearer.TOKEN) are taken out of them and become the header Authorization, unless there is one; several
** become one that is not good. Headers that nobody reads are left out. False: it asks for nothing, or by another method than GET; but POST of /login and /logout stays as it is. */
bool peer_head_settle(peer_head *head);

/* What a target becomes that has a token in it. */
#define PEER_HEAD_URL_TOKEN "/?token"

/* Is a part of a query (between ?, & and &), without a NUL in it, a token, by its name or by its looks? */
bool peer_head_is_token(const char *part);

#endif
