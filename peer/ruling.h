/* A link whose other side may see and change some rows only: by which rules, what it has been sent, and what it has to be told was refused. Worker's thread only. */
#ifndef PEER_RULING_H
#define PEER_RULING_H

#include "options.h"
#include "sync_ext.h"

typedef struct peer_ruling {
    sync_rules rules;
    sync_rule *list;
    char *user;
    sync_selection *selection;
    bool anew;                 /* the next selection comes whole */
    bool report_due;           /* there may be reports that it has not been sent on this link */
    int64_t report_at, report; /* the last one that it was sent */
} peer_ruling;

/* For somebody whom a room's rules bind; user: NULL: nobody in particular. The rules are borrowed. */
peer_ruling *peer_ruling_new(const peer_row_rules *rules, const char *user);
void peer_ruling_free(peer_ruling *ruling); /* NULL is fine */

#endif
