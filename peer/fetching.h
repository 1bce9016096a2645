/* A room's file, fetched to be looked at: cloned into a folder of its own by another process of this program. Main thread. */
#ifndef PEER_FETCHING_H
#define PEER_FETCHING_H

#include "commands.h"
#include "database.h"

typedef struct peer_fetched {
    char *folder; /* of its own; NULL: nothing is fetched */
    char *path;   /* of the file in it */
} peer_fetched;

/* Is this one of the URLs that peers have, rather than a file? */
bool peer_fetching_is_url(const char *text);

/* Clones the room at `url`, shown what the words say of tokens and certificates. False: *f; the other process has said what is wrong. In any case peer_fetching_drop
** must follow, which removes the file. */
bool peer_fetching_run(const char *url, const peer_words *w, peer_fetched *fetched, peer_failure *f);
void peer_fetching_drop(peer_fetched *fetched);

#endif
