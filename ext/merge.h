/* Merge of two row states: a join of semilattice elements (docs/MERGE.md). Pure. */
#ifndef SYNC_MERGE_H
#define SYNC_MERGE_H

#include "clock.h"

typedef enum sync_merged {
    SYNC_MERGE_NOTHING, /* the remote state added nothing: `into` is unchanged */
    SYNC_MERGE_CELLS,   /* same incarnation, alive: some cells came from remote, marked fresh */
    SYNC_MERGE_STAMP,   /* same incarnation: only the existence cell, or the stamp of the delete, moved up */
    SYNC_MERGE_LIFE,    /* remote's incarnation replaced the local one entirely; all its cells are fresh */
    SYNC_MERGE_NOMEM    /* `into` is in no usable state; reset it */
} sync_merged;

/* <0, 0, >0: which incarnation is higher. Identity key: by cl. Identity row: by born, then dead over alive.
 */
int sync_incarnation_compare(const sync_sites *sites, sync_identity identity, const sync_row *a,
                             const sync_row *b);

/* Joins `remote` into `into`. `into` with cl 0 is "never existed". Values of cells taken from remote are
** borrowed from it.
** Under identity row the caller has already matched the two by (number at birth, born).
** Commutative, associative and idempotent in the stamps; equal stamps are the same write and change nothing.
** References of remote replace those of `into` for every cell taken. */
sync_merged sync_row_merge(const sync_sites *sites, sync_identity identity, sync_row *into,
                           const sync_row *remote);

#endif
