/* A fold under way: what its chunks and the replay of one key share. */
#ifndef SYNC_FOLD_INTERNAL_H
#define SYNC_FOLD_INTERNAL_H

#include "chunk.h"
#include "clocks.h"
#include "fold.h"

enum { SYNC_FOLD_SLOTS = 2 * SYNC_FOLD_CHUNK };

/* One journal entry of the run in hand: entries of one table that stand together in the journal, SYNC_FOLD_CHUNK at most. */
typedef struct sync_entry {
    int64_t seq;
    int64_t op;
    int64_t at;
    uint64_t hlc;
    uint32_t tid; /* with its group */
    int32_t next; /* later entry of the same key in this run, or -1 */
    bool first;   /* first entry of its key in this run */
    bool exists;  /* the base table has the row */
    bool null_key;
    bool kept; /* a tombstone names it */
    bool has_clock;
    int64_t live; /* journal entry that the clock names */
    sync_value clock;
    sync_value *key;
} sync_entry;

/* A note (-5) with which a run ends: the move that it was written for may come in a later run, after what a cascade writes in between. */
typedef struct sync_open_note {
    uint32_t tid; /* 0: the move has come */
    int64_t number;
    int64_t seq;
    int64_t at;
    int64_t move; /* which entry that is; 0: not looked for yet, -1: it does not come */
    bool named;   /* a clock or a tombstone names the entry */
} sync_open_note;

/* What held rows claim, looked up when it is first asked for. */
typedef struct sync_number_claims sync_number_claims;

typedef struct sync_fold {
    sync_db *s;
    sync_error *error;
    sync_place place;
    bool need_real;
    /* the clock where the file was last folded, if only virtually, or told of: what numbers in keys meant then is what others may have heard */
    uint64_t since;
    int64_t now_ms;
    uint32_t run_max;
    int64_t newest; /* never deleted: seq must not go backwards */
    const sync_learned *learned;
    uint32_t learned_count;
    sync_arena arena;
    sync_row row;
    sync_buf buf;
    sync_buf keys;
    sync_number_claims *claims;
    sync_chunk chunk; /* fresh clocks of the run in hand */
    sync_open_note open[SYNC_FOLD_NOTES_MAX];
    uint64_t told_hlc; /* the last stamp given under the id that the file gave up, or 0 */
    uint32_t open_count;
    uint32_t count;
    uint32_t order[SYNC_FOLD_CHUNK]; /* in which the entries are folded */
    sync_entry entries[SYNC_FOLD_CHUNK];
    int32_t slots[SYNC_FOLD_SLOTS];
    sync_value slot_key[SYNC_FOLD_SLOTS];
    int32_t slot_last[SYNC_FOLD_SLOTS];
} sync_fold;

/* NULL: no memory. To be freed by sync_fold_free. */
sync_fold *sync_fold_new(sync_db *s, sync_place place, sync_error *error);
void sync_fold_free(sync_fold *f);

/* Folds what is above `after`, what it adds itself included, until `enough` entries are folded. *hlc: the clock before and after it; *end: the
** last entry folded, or `after`; *entries: how many. */
int sync_fold_entries(sync_fold *f, int64_t after, int64_t enough, uint64_t *hlc, int64_t *end,
                      int64_t *entries);

/* Takes over what a virtual fold on this connection has made of the beginning of the tail, if that still holds: then *after and *hlc move to
** its end, *entries are in it. */
int sync_fold_adopt(sync_fold *f, int64_t *after, uint64_t *hlc, int64_t *entries);

/* Folds all entries of one key that the run in hand has, `first` and its chain: clock and tombstones written, superseded entries gone. */
int sync_fold_key(sync_fold *f, sync_table *t, sync_entry *first);

/* Deletes a journal entry that no clock names any more; never the newest, so that seq does not go backwards. A virtual fold only notes it. */
int sync_fold_drop_entry(sync_fold *f, int64_t seq);

/* Is a number of a row table claimed by rows that are held here? *since: the oldest of these claims (fold_claims.c). */
int sync_fold_claims_oldest(sync_fold *f, sync_table *t, const sync_value *key, bool *claimed,
                            sync_stamp *since);
void sync_fold_claims_free(sync_number_claims *c);

/* Tables whose key is made of references (t->meant; fold_meant.c). Is there a state of the row that an entry inserts, which is not shown? *found: it is in f->row then,
** and its clock and entry are gone. A virtual fold cannot take it away: then f->need_real. */
int sync_fold_meant_revive(sync_fold *f, sync_table *t, const sync_entry *e, bool *found);

/* *passed: a number in the key of a row that others have heard of has passed since to another row (f->since). existed: the stamp of its existence. */
int sync_fold_meant_passed(sync_fold *f, sync_table *t, const sync_entry *e, sync_stamp existed,
                           bool *passed);

/* Has a number passed in what the overlay has got above `after`, while a row refers to it in its key that was there before? *passed: then that row would be told of as meaning two rows, one
** after the other, and a real fold has to write first which it means. */
int sync_fold_meant_passing(sync_db *s, int64_t after, bool *passed, sync_error *error);

/* The state in f->row, which has ended, becomes the tombstone of what the row was known by that the entry is about; `named` is its journal entry from now on. */
int sync_fold_meant_bury(sync_fold *f, sync_table *t, sync_entry *e, sync_entry *named, sync_stamp existed);

/* The notes with which the run in hand ends are kept, until the move comes that they were written for or the fold ends. */
int sync_fold_keep_notes(sync_fold *f, const sync_table *t);
int sync_fold_close_notes(sync_fold *f);

/* *within: the statement that wrote one of those notes goes on above `end`, and its move may come there. All entries of a statement have one
** time: 'now' stands still in it. */
int sync_fold_within_move(const sync_fold *f, int64_t end, bool *within);

/* *passes: the number of a row of table `tid` is about to pass to a row that moves there, and the entry was written meanwhile: by a cascade of that move. */
int sync_fold_passes(sync_fold *f, uint32_t tid, int64_t number, const sync_entry *e, bool *passes);

#endif
