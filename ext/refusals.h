/* What was refused of other files' changes and they may not know yet: kept until they say that they do, since otherwise they would take rows for theirs that nobody else has.
** Source: docs/MERGE.md, "Selections". */
#ifndef SYNC_REFUSALS_H
#define SYNC_REFUSALS_H

#include "engine.h"

/* Is this table, main.sync_refused, ours? It is made when it is first needed, and an application may have one of that name. */
int sync_refusals_owned(sync_db *s, bool *owned, sync_error *error);

/* Keeps a report for its author, in a writing operation. */
int sync_refusals_keep(sync_db *s, const uint8_t author[SYNC_SITE_BYTES], const void *report, size_t bytes,
                       sync_error *error);

/* The oldest report for this author that is younger than `after_at`, `after_id`, or 0, 0: *id is its number, *at its time; 0: there is none. Appends it to `report`. */
int sync_refusals_next(sync_db *s, const uint8_t author[SYNC_SITE_BYTES], int64_t after_at, int64_t after_id,
                       int64_t *at, int64_t *id, sync_buf *report, sync_error *error);

/* The author knows of it. */
int sync_refusals_drop(sync_db *s, const uint8_t author[SYNC_SITE_BYTES], int64_t id, sync_error *error);

#endif
