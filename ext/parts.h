/* Parts of deltas must come in order: only then does the last one close its delta. */
#ifndef SYNC_PARTS_H
#define SYNC_PARTS_H

#include "engine.h"

/* Makes temp.sync_part if it is not there: the deltas of which a part has come and the last one has not (site, delta, next). */
int sync_parts_ready(sync_db *s, sync_error *error);

/* Is this the part that must come next? SYNC_OK, or SYNC_BEHIND. */
int sync_parts_check(sync_db *s, const sync_head *head, sync_error *error);

/* A part is merged (write operation): which comes next is kept for this connection. */
int sync_parts_note(sync_db *s, const sync_head *head, bool last, sync_error *error);

#endif
