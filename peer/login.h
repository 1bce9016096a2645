/* One login: a name and a password looked up and compared on a thread of their own, since the table is on a disk and the comparison is slow on purpose. */
#ifndef PEER_LOGIN_H
#define PEER_LOGIN_H

#include "form.h"
#include "message.h"

typedef enum peer_login_end {
    PEER_LOGIN_GOOD,
    PEER_LOGIN_WRONG, /* the password, or there is no such user: which is not told */
    PEER_LOGIN_BROKEN /* the table cannot be read; `why` */
} peer_login_end;

typedef struct peer_login {
    uint64_t asker;
    char *file, *table; /* copies */
    peer_form form;     /* the password is gone when it has been looked at */
    peer_queue *queue;
    peer_login_end end;
    char rooms[PEER_USER_ROOMS_BYTES_MAX + 1], rights[PEER_USER_RIGHTS_BYTES_MAX + 1]; /* where it is good */
    char *why; /* NULL: nothing to say */
} peer_login;

/* Begins one. Ends with a PEER_LOGGED_IN message on `queue`, its `about` being the login, which the receiver frees. False: no thread; the form is the caller's in
** any case. The network thread. */
bool peer_login_start(const char *file, const char *table, const peer_form *form, uint64_t asker,
                      peer_queue *queue);
void peer_login_free(peer_login *login); /* NULL is fine */

#endif
