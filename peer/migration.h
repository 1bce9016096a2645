/* A room's tables, brought to what its script says. What the script says is seen by running it on a database in memory; the difference is
** carried out in one transaction, or not at all. Tables, views, triggers and indexes that the script does not name are let alone, and rows that it
** inserts belong to files that are made. Worker's thread only. */
#ifndef PEER_MIGRATION_H
#define PEER_MIGRATION_H

#include "database.h"

/* What was done, for people. */
typedef struct peer_migrated {
    size_t statements; /* 0: the file was as the script says */
    char *names;       /* what they were about, "" if nothing; the caller's */
    char *left; /* columns that the script does not name any more, and that stay; "" if none; the caller's */
} peer_migrated;

/* Columns are added, and tables, indexes, views and triggers; those last three are made anew where the script has them otherwise. Tables that are
** new are tracked (unless o->track says which are). With o->migrate PEER_MIGRATE_DESTRUCTIVE columns that are gone from the script are dropped,
** and tables that it declares otherwise are rebuilt; else that is refused. False: nothing has changed, *f says why; `done` is empty then, and
** need not be freed. */
bool peer_migration_run(sqlite3 *db, const peer_options *o, const char *path, const char *script,
                        atomic_bool *stopping, peer_migrated *done, peer_failure *f);

#endif
