/* sync_resolve: a person settles what sync_conflict lists. Source: docs/MERGE.md, "Settling by hand". */
#ifndef SYNC_VERDICT_H
#define SYNC_VERDICT_H

#include "engine.h"

/* Settles entry `id` by 'ours', 'theirs' or 'keep both', as writes of this file: rows that are shown are written by INSERT, UPDATE and DELETE under our triggers
** and yours, with foreign keys enforced; rows that are held have no place in the table, so their clocks are. Inside a SYNC_WRITE operation whose tail has been folded.
** On error, which names the entry and what is in the way, the caller rolls back and nothing of it remains. */
int sync_verdict(sync_db *s, int64_t id, const char *choice, sync_error *error);

#endif
