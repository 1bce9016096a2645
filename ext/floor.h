/* What a merge does about deletes that have been forgotten, here or where the changeset comes from (docs/MERGE.md, "Compaction"). */
#ifndef SYNC_FLOOR_H
#define SYNC_FLOOR_H

#include "merging.h"

/* One table of a changeset that comes whole. */
typedef struct sync_whole {
    bool comes;
    int64_t delta; /* which one it is: local number of its maker << 32 | its own number */
    uint64_t *
        held; /* per site of this file: what its maker holds; NULL in a selection, which says nothing of that */
    bool news;         /* its maker has forgotten what this file neither holds nor has forgotten */
    sync_stamp latest; /* the highest of the stamps of deletes that it has forgotten */
} sync_whole;

typedef struct sync_floors {
    sync_db *s;
    sync_matrix seen;  /* as the merge began */
    sync_matrix floor; /* the same */
    sync_matrix met;   /* what is noted in the file, and what this merge has met */
    bool *forgets;     /* per table: floor is not all zero */
    bool *
        behind; /* per table: the sender is not known to have seen all deletes that have been forgotten here */
    bool noted; /* the file has something of met */
} sync_floors;

/* When all sites of the changeset are known to the file. Zero-initialised before; sync_floors_free must follow, whatever the result. */
int sync_floors_begin(sync_floors *f, sync_db *s, const uint8_t sender[SYNC_SITE_BYTES], sync_error *error);
void sync_floors_free(sync_floors *f);

/* Have deletes of any table been forgotten here? */
bool sync_floors_any(const sync_floors *f);

/* Says anew which tables the sender is behind in, by what it holds, or held (as the vectors of the file). To begin with it is what it has said last. */
void sync_floors_judge(sync_floors *f, const sync_matrix *held);

/* Nothing follows from what the sender lacks. all: nor from what has been forgotten here. */
void sync_floors_disregard(sync_floors *f, bool all);

/* Notes the stamps of a row (with this file's site numbers) that has come. */
void sync_floors_meet(sync_floors *f, const sync_table *t, const sync_row *row);

/* Has the file held what this site wrote up to `hlc`, or what supersedes it? */
bool sync_floors_holds(const sync_floors *f, const sync_table *t, uint32_t site, uint64_t hlc);

/* Is this row, if nothing is known of it here, one that was deleted and forgotten? */
bool sync_floors_forgot(const sync_floors *f, const sync_table *t, const sync_row *row);

/* Then it is passed over; who has kept it hears that it has ended. slot: as sync_find gave it. */
int sync_floors_pass(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *remote,
                     sync_slot *slot);

/* By which stamp the life of a row of identity key began to exist here: its origin, if it has been written anew. */
sync_stamp sync_origin(const sync_row *row);

/* Writes the existence of a life (identity key) anew, since others may know of its end: those answer. */
void sync_insist(sync_merging *m, sync_row *row);

/* Of a merge under identity key: what was here, what came, and `row`, which they became, changed where its outcome must be told to others that
** have `seen` both; whole: of its table, or NULL. True: changed. */
bool sync_floors_tell(const sync_floors *f, sync_merging *m, const sync_table *t, const sync_row *before,
                      const sync_row *remote, const sync_whole *whole, sync_row *row);

/* After the merge. seen: as it is now. */
int sync_floors_end(sync_floors *f, const sync_matrix *seen, sync_error *error);

#endif
