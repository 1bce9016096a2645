/* The fast lane of a large merge: rows that nobody here can know, because their number is above every number in use. They need no look-up,
** their base rows are written without our own triggers, their clocks and journal entries many at a time. */
#ifndef SYNC_LANE_H
#define SYNC_LANE_H

#include "chunk.h"
#include "merging.h"

typedef struct sync_lane {
    bool able;       /* the changeset is large, and nobody's TEMP triggers would be passed over */
    bool open;       /* triggers are off */
    uint32_t leaves; /* how often it was left: rows of another kind in between make it useless */
    sync_table *t;   /* of the chunk */
    sync_chunk chunk;
    sync_arena keys;
    int64_t *top; /* per table: the highest number in use; INT64_MAX: the lane is not for this table */
    bool *asked;
} sync_lane;

/* Zero-initialise before. sync_lane_end must follow in any case. */
int sync_lane_begin(sync_lane *lane, sync_merging *m, size_t changeset_bytes);

/* Takes the row if it can (*taken): then it is in the base table, and its clock will be. Otherwise nothing happened to it, and the lane is
** closed, so that the row may be merged as any other. */
int sync_lane_take(sync_lane *lane, sync_merging *m, sync_table *t, const sync_value *key, sync_row *row,
                   bool *taken);

/* Writes what is waiting, and closes the lane for now. */
int sync_lane_pause(sync_lane *lane, sync_merging *m);

/* Writes what is waiting, unless `result` is an error, and puts everything back. Returns `result` or what went wrong. */
int sync_lane_end(sync_lane *lane, sync_merging *m, int result);

#endif
