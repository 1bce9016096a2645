/* What a rule looks at, and whether any of that has been written since it was last asked: most commits concern few tables. */
#ifndef SYNC_WATCHED_H
#define SYNC_WATCHED_H

#include "rules.h"

typedef struct sync_watched {
    uint32_t tid;           /* of the table that the rule is for */
    int64_t schema_version; /* of what is said below; 0: nothing is known yet */
    bool elsewhere;         /* it reads what is not tracked: nobody can say when that was written */
    bool alone;             /* it reads its own table only */
    uint32_t count;
    uint32_t *reads; /* tids, its own among them */
    int64_t upto;    /* journal entries up to here have been looked at; 0: none */
} sync_watched;

void sync_watched_free(sync_watched *w);

/* Finds out what the statement `choice` reads, in which the rule stands, if that is not known for this schema; then nothing counts as looked at. */
int sync_watched_learn(sync_db *s, sync_watched *w, const char *choice, sync_error *error);

/* *quiet: nothing that it reads has a journal entry above w->upto. */
int sync_watched_quiet(sync_db *s, const sync_watched *w, bool *quiet, sync_error *error);

#endif
