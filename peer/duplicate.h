/* The tables of a file that are tracked, their indexes and what the engine knows of them, written into another file as they stand in one read transaction with all of the journal
** folded: no other table, no view, no trigger, nothing of what other files hold, and nothing that was deleted. Any worker's thread. */
#ifndef PEER_DUPLICATE_H
#define PEER_DUPLICATE_H

#include "database.h"
#include "mem.h"

typedef struct peer_duplicate {
    const char *path; /* of the file that is copied, absolute, no symbolic link */
    const char *
        name; /* of the one that is written, which is empty; it is taken away as soon as SQLite has it open */
    int fd;   /* of that one */
    const atomic_bool *stopping;
    sync_buf schema; /* filled: the tables' schema, views and triggers included (clone.h). The caller frees */
    peer_failure failure;
} peer_duplicate;

/* False, with a failure, if it cannot be done, or `stopping` is set. */
bool peer_duplicate_make(peer_duplicate *d);

#endif
