/* Compaction: deletes are forgotten, and what is kept for files that never come back. Source: docs/MERGE.md, "Compaction". */
#ifndef SYNC_COMPACT_H
#define SYNC_COMPACT_H

#include "engine.h"

/* In seconds. */
typedef struct sync_compaction {
    int64_t
        age; /* what is older goes, whoever has it; a file not heard of for so long is not waited for. Negative: never */
    int64_t acknowledged; /* what every file that is heard of holds goes when it is older than this */
} sync_compaction;

/* With the journal folded to its end (write operation). *gone: tombstones that went. */
int sync_compact(sync_db *s, const sync_compaction *how, int64_t *gone, sync_error *error);

/* Forgets one tombstone, as sync_find gave it: its clock lies at journal entry `seq`. */
int sync_compact_one(sync_db *s, sync_table *t, int64_t seq, const sync_row *row, sync_error *error);

#endif
