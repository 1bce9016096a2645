/* The option `references` of sync_track: references that the schema does not declare. Kept as the person wrote it, by names; so it goes along where these change. */
#ifndef SYNC_DECLARED_H
#define SYNC_DECLARED_H

#include "engine.h"

typedef struct sync_renaming {
    const char *before, *after;
} sync_renaming;

/* Columns of the table `tid`, or (tid 0) tracked tables, have these new names, all at once: in a circle too (write operation; the caller bumps the generation). */
int sync_declared_follow(sync_db *s, uint32_t tid, const sync_renaming *renamed, uint32_t count,
                         sync_error *error);

/* The option of a table as JSON; *json is NULL where it has none, or on error. To be freed by sqlite3_free. */
int sync_declared_of(sync_db *s, const sync_table *t, char **json, sync_error *error);

#endif
