/* A changeset that is being merged: what its parts share (apply.c, closing.c). */
#ifndef SYNC_APPLY_INTERNAL_H
#define SYNC_APPLY_INTERNAL_H

#include "floor.h"
#include "gate.h"
#include "lane.h"
#include "merging.h"
#include "whole.h"

/* A table of the changeset, and what it is here. */
typedef struct sync_arriving {
    sync_table *t; /* NULL: not tracked here, its rows are passed over */
    uint32_t *cid; /* wire column -> stable column id; UINT32_MAX until its name is first needed */
    bool twice;    /* a column may come under two names */
    sync_whole whole;
} sync_arriving;

typedef struct sync_applying {
    sync_merging m;
    sync_decoder *decoder;
    const sync_head *head;
    uint32_t *site; /* wire site -> local number */
    sync_arriving *tables;
    sync_row local, remote, before;
    sync_lane lane;
    sync_floors floors;
    int64_t changed;
    const void *changeset;
    size_t bytes;
    uint64_t value_max;
    bool made_way;   /* rows of this file have moved out of the way */
    sync_gate *gate; /* NULL: its author may write everything */
    bool refused;    /* the row in hand was left out */
    uint64_t
        *known; /* of a selection, per table of this file: up to where its maker holds what this file wrote */
} sync_applying;

/* What the sender held when it cut this, as the end says, tells which deletes it may not have seen; and not what it has said since, by another way. Only
** where deletes have been forgotten here, and only of the last part: of others it is not known. */
int sync_closing_judge(sync_applying *a, sync_error *error);

/* How many lives its tables had there, once all of it has been merged. */
int sync_closing_lives(sync_applying *a, sync_error *error);

/* A whole delta is merged: this file now holds what its maker held. */
int sync_closing_take(sync_applying *a, const sync_closing *closing, sync_error *error);

#endif
