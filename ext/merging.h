/* One merge under way: what the modules that write its rows share. */
#ifndef SYNC_MERGING_H
#define SYNC_MERGING_H

#include "base.h"
#include "chunk.h"
#include "merge.h"

/* Where a row state is kept now. */
typedef struct sync_slot {
    bool in_clock;  /* a clock of it is in sync_row_N */
    bool shown;     /* its row is in the base table */
    int64_t j;      /* identity row: of that clock */
    bool away;      /* identity row: it lies under `number`, not under the number at birth */
    int64_t number; /* away: the number */
    int64_t stub;   /* away: j of the entry at the number at birth that says so; 0: none */
    int64_t seq;    /* live journal entry */
    int64_t
        free_j; /* nothing is known of it: j for a hidden clock, as long as no other is written under its number; 0: not looked for */
    bool was_held; /* the clock says held, or some cells are refused, or may be: see sync_keep_written */
    bool respell;  /* the existence cell moved on: the key may be spelled anew */
    const sync_value *spelled; /* of a held row: its key as the existence cell spells it, in the arena */
    const sync_value *at;      /* t->meant: the key that it shows, or would show now, in the arena */
    const sync_value *known;   /* t->meant, set by sync_find_shown: what it is known by, in the arena */
    bool
        plain; /* t->meant: its clock lies under `at` although it is not shown: from before a parent was tracked */
} sync_slot;

/* A row that is being held, on the stack of those that hold it. */
typedef struct sync_holding {
    const sync_table *t;
    const sync_value *key;
    const struct sync_holding *outer;
} sync_holding;

/* Rows that are being shown together (claims.h): each may rely on the others. */
typedef struct sync_claims sync_claims;
/* Is the row one of those, or about to be? *number (may be NULL): then that under which it will be, if it has one. */
bool sync_claims_trusts(sync_claims *c, const sync_table *t, const sync_value *key, sync_stamp born,
                        int64_t *number);

/* What those who refer to a row of a row table ask of it. */
typedef struct sync_whereabouts {
    bool known, alive; /* nothing is known of it here: neither */
    bool shown;
    int64_t number; /* under which it is shown */
} sync_whereabouts;

typedef struct sync_merging {
    sync_db *s;
    sync_error *error;
    int64_t newest; /* newest journal entry: all above the start are this merge's */
    int64_t now_ms;
    uint64_t hlc;                 /* highest stamp met */
    bool foreign_keys;            /* PRAGMA foreign_keys is on */
    bool orphans;                 /* rows are listed that were written without their parents */
    struct sync_awaited *awaited; /* the numbers that they refer to (orphans.h); NULL: not asked for yet */
    bool *
        touched; /* per table: rows went, came or changed in this merge, and with them perhaps who is to be shown */
    bool *listed;              /* per table: rows have become held, and their entries are to be completed */
    bool stirred;              /* set at the end: any was touched */
    const sync_table *weighed; /* the table last asked about: */
    bool plain;                /* it has neither UNIQUE indexes nor a part in a circle of references */
    bool
        met; /* the write in hand met a conflict that rolled everything back: not again without room for it */
    bool pushed;    /* a row of this file has lost its number to an older claim */
    bool retry;     /* settling: what is held already and cannot be shown stays as it is */
    sync_row other; /* see sync_find */
    sync_slot other_slot;
    int depth; /* of rows held because of rows */
    const sync_holding *holding;
    sync_claims *claims; /* being shown; NULL at other times */
    struct {             /* what was asked last: lines come with their invoice */
        const sync_table *t;
        int64_t birth;
        sync_stamp born;
        sync_whereabouts is;
        int64_t
            changes; /* it holds until SQLite counts more of them (sqlite3_total_changes64), or takes any back */
        uint64_t undone;
    } asked;
    sync_arena arena; /* values of rows in hand; reset between rows of the changeset */
    sync_buf clock;
    uint32_t author;      /* the site last asked about: */
    uint64_t wrote;       /* see sync_site_own */
    sqlite3_stmt *lister; /* writes an entry of sync_conflict */
    int64_t last_listed;  /* id of the newest one */
    sync_chunk
        cleared; /* rows whose entries are to go from sync_conflict: tid and clock_key, as seq and clock */
    sqlite3_stmt *enter; /* journal entry of a row of this table: see sync_enter */
    const sync_table *entered;
} sync_merging;

/* `key`, where nothing else is said, is what a row is known by: its key, with identity row its number at birth, where references are part of the key what these mean
** (meant.h). Under which it claims to be shown, and under which its clock lies (it is shown there, or was until it died): the same, or numbers. room: where one may be
** put. slot: as sync_find gave it; NULL for rows of row tables. */
static inline const sync_value *sync_claimed(const sync_row *row, const sync_slot *slot,
                                             const sync_value *key, sync_value *room)
{
    *room = (sync_value){.type = SYNC_INTEGER, .i = row->number};
    return slot && slot->at ? slot->at : row->moved ? room : key;
}

static inline const sync_value *sync_lies(const sync_slot *slot, const sync_value *key, sync_value *room)
{
    *room = (sync_value){.type = SYNC_INTEGER, .i = slot->number};
    return slot->at && (slot->shown || slot->plain) ? slot->at : slot->away ? room : key;
}

/* The reverse: what a row that is shown under `shown` is known by, after sync_find_shown. */
static inline const sync_value *sync_known_by(const sync_row *row, const sync_slot *slot,
                                              const sync_value *shown, sync_value *room)
{
    *room = (sync_value){.type = SYNC_INTEGER, .i = row->birth};
    return slot->known ? slot->known : row->moved ? room : shown;
}

/* Starts writing inside a SYNC_WRITE operation; sync_merging_end must follow, whatever the result. */
int sync_merging_begin(sync_merging *m, sync_db *s, sync_error *error);
int sync_merging_end(sync_merging *m, int result);

/* The end of a merging of no frame, only of what the file already held: also notes how far it wrote, if it wrote. */
int sync_merging_end_local(sync_merging *m, int result);

/* A stamp for what this file itself writes while it merges: above all that it has met. */
sync_stamp sync_merging_stamp(sync_merging *m);

/* *ours: did this file write what bears the stamp, under whatever id? */
int sync_merging_wrote(sync_merging *m, sync_stamp stamp, bool *ours);

/* Writes a merged state to the base table and its clock, or puts it aside where a constraint is in the way (with what hangs on it).
** `row`: carried cells are to be written, others are in the base table already; changed by this call. what: how it came about. */
int sync_show(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
              sync_merged what);

/* Deletes a row that has ended and is still there, since a trigger refused that, unless one still does. */
int sync_bury_again(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born);

/* A row has been written to the base table: its carried cells are there, and no more in its clock; but for those of which the column's type made another
** value, which stay carried: what was written is what is given on. Pending cells stay as they are. */
int sync_keep_written(sync_merging *m, const sync_table *t, sync_row *row);

/* Takes a shown or new row out of sight: state kept whole, row gone from the base table, listed in sync_conflict. */
int sync_hold(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
              const char *reason, const char *detail);

/* Finds the state of a key (identity row: the incarnation `born`; genesis: none) into row and slot. No state: row->cl is 0.
** Identity row: if another incarnation shows the number, m->other and m->other_slot are that; otherwise m->other_slot.shown is false. */
int sync_find(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, sync_row *row,
              sync_slot *slot);

/* The same of a row that is listed as held, and which is likely to be so: then m->other is not looked for, and m->other_slot says nobody. */
int sync_find_listed(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, sync_row *row,
                     sync_slot *slot);

/* sync_find of a row that has come as `remote`. Who has its number at birth is not looked for if it waits, and comes under another one now: nobody asks. */
int sync_find_arrived(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *remote,
                      sync_row *row, sync_slot *slot);

/* t->meant: the key that a row shows, or would show if its parents were shown under the numbers that they claim. *there: it may be shown now; also where its parent is gone,
** and a program has left it behind. at: room for a key, its values borrowed from `key`. Overwrites m->other. */
int sync_find_key(sync_merging *m, sync_table *t, const sync_value *key, sync_value *at, bool *there);

/* t->meant: the state of a row that is not shown, although another one that is shown may be known by the same now. */
int sync_find_aside(sync_merging *m, sync_table *t, const sync_value *known, bool *found, sync_row *row,
                    sync_slot *slot);

/* Where the row of a row table is now that was born at `born` under the number `birth`. May overwrite m->other. */
int sync_find_number(sync_merging *m, sync_table *t, int64_t birth, sync_stamp born, sync_whereabouts *is);

/* What SQLite has counted since `before` concerned rows of t at most (NULL: of no table), so what was asked of rows of another one still holds. */
void sync_find_apart(sync_merging *m, const sync_table *t, int64_t before);

/* After sync_find of `row`: who is shown under the number that it claims (another row than itself; where the row itself is shown, not asked). */
int sync_occupant(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row, sync_row *other,
                  sync_slot *slot);

/* The state that the base row with that key (identity row: with that number) shows; slot->shown is false if there is none. sync_known_by says what
** it is known by. */
int sync_find_shown(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot);

/* The keys of t that stmt (not finalised) gives, into the arena; the list is to be freed by sync_free, whatever the result. */
int sync_read_keys(sync_merging *m, sqlite3_stmt *stmt, const sync_table *t, sync_value ***list,
                   uint32_t *count);

/* Packs row and writes it as the clock; seq is its new live journal entry, of the key under which the clock lies then; the old one is deleted. j: 0 where it is shown. */
int sync_put(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot, int64_t j,
             int64_t seq);

/* A journal entry for a row whose base row is not written. */
int sync_enter(sync_merging *m, const sync_table *t, const sync_value *key, int64_t *seq);

/* Writes one base row (key: as it is shown) and takes back what triggers and cascades did to other tracked rows. *seq: the row's new journal entry.
** Refusals of constraints are returned with the message in `why` (may be NULL). */
int sync_write_base(sync_merging *m, sync_table *t, sync_write how, const sync_value *key,
                    const sync_row *row, bool respell, int64_t *seq, char why[SYNC_ERROR_BYTES]);

/* Takes a shown row out of its table, to be held or to stand elsewhere: since nobody deletes it, a trigger that refuses deletes is not asked twice, and no trigger fires then. Results
** as above. */
int sync_write_away(sync_merging *m, sync_table *t, const sync_value *key, int64_t *seq);

/* Tries to show what is held, as far as this merge (or fold) may have removed the obstacle. */
int sync_settle(sync_merging *m);

/* ---- sync_conflict ---- */

/* Lists a row as held, in whole or in some cells, in place of an entry that says so already (fresh: it has none). told: nothing stands against it, and nothing of it will change in this
** merge. Otherwise what it is, and what stands against it, is told when all is settled: sync_against_complete. */
int sync_conflict_hold(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                       bool fresh, bool told, const char *reason, const char *detail);

/* Lists content that lost, of a row that is not held. against: what won; may be NULL. */
int sync_conflict_note(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                       const sync_row *against, const char *reason, const char *detail);

/* A row is not held any more: its entry goes, with others, when the list is read or written next, and at the latest by sync_conflict_flush. */
int sync_conflict_clear(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row);
int sync_conflict_flush(sync_merging *m);

/* Takes notes of a row (not held) that give this reason off the list. */
int sync_conflict_unlist(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                         const char *reason);

/* Genesis rows of one number are taken for the same row; where they differ, what loses is listed. local and slot: as sync_find gave them. */
int sync_conflict_genesis(sync_merging *m, sync_table *t, const sync_value *key, const sync_slot *slot,
                          const sync_row *local, const sync_row *remote);

/* Is there such a note of the row? */
int sync_conflict_noted(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                        const char *reason, bool *noted);

/* A row that stays held has another reason for it now, perhaps. */
int sync_conflict_restate(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                          const char *reason, const char *detail);

/* The row that an entry is about: from its columns raw_key and clock_key. The key's values are borrowed from `raw`; born is none under identity key. */
int sync_conflict_key(sync_merging *m, const sync_table *t, sync_value raw, sync_value clock_key,
                      sync_value *key, sync_stamp *born);

/* An entry of a row that is held. */
typedef struct sync_listed {
    int64_t id;
    int64_t at; /* when it was put on the list */
    char reason[16];
    sync_value *key; /* in the listing's arena */
    sync_stamp born;
} sync_listed;

typedef enum sync_listing_of {
    SYNC_LISTED_ALL,
    SYNC_LISTED_LACKING, /* those that miss something of a side, or beside which another row may stand by now */
    SYNC_LISTED_UNTOLD,  /* those that miss both sides */
    SYNC_LISTED_NUMBERS, /* those that lack their number or a parent */
} sync_listing_of;

/* The held rows of a table as sync_conflict has them; sync_conflict_end after the last. */
typedef struct sync_listing {
    sync_listing_of of;
    int64_t upto;    /* the highest id */
    bool one_by_one; /* the list may change from one to the next; otherwise it is read some entries ahead */
    int64_t read;
    uint32_t count, at;
    sync_listed *list;
    sync_arena arena;
} sync_listing;

/* The next one. SQLITE_ROW, SQLITE_DONE or an error. *one: valid until the next call. It resets the arena of the merge first. */
int sync_conflict_next(sync_merging *m, const sync_table *t, sync_listing *listing, const sync_listed **one);
void sync_conflict_end(sync_listing *listing);

/* Writes both contents of an entry anew, if they have changed. `ours`: what was written here; the other is from elsewhere. against: may be NULL; its cells need not have stamps. */
int sync_conflict_sides(sync_merging *m, int64_t id, const sync_table *t, const sync_row *row,
                        const sync_row *against);

/* *ours: is `ours` of an entry the row itself (or `theirs`)? listed: its our_stamp, our_site, their_stamp, their_site, in the order of a statement's columns
** from `first` on. */
int sync_conflict_is_ours(const sync_merging *m, const sync_table *t, const sync_row *row,
                          sqlite3_stmt *listed, int first, bool *ours);

/* Makes the entries of a table say, of rows that are held, what stands against them now, by whom and when (against.c). all: not only of those of which nothing is told yet. */
int sync_against_complete(sync_merging *m, sync_table *t, bool all);

/* Is anything listed that may settle itself: held rows, rows without parents? */
int sync_conflict_any(sync_db *s, bool *any, sync_error *error);

#endif
