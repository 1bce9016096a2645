/* Rows that a program of this file wrote without their parents, or left without: with foreign keys off. They stay, and are listed. */
#ifndef SYNC_ORPHANS_H
#define SYNC_ORPHANS_H

#include "merging.h"

typedef struct sync_orphan {
    sync_table *t;
    const sync_fk *fk;
    sync_value *key;
    bool reborn; /* a number in its key has passed to a row that has been born since, and may be gone again */
} sync_orphan;

typedef struct sync_orphans {
    uint32_t count, cap;
    sync_orphan *list;
    uint64_t since; /* the clock before what was folded */
    sync_arena arena;
} sync_orphans;

/* Collects those among the rows that have just been folded (live journal entries above `after`, stamps above `hlc`), and rows whose key has got another meaning, since a
** number in it has passed to a row that was born there, and perhaps deleted again. Zero-initialise; sync_orphans_free in any case. */
int sync_orphans_find(sync_db *s, int64_t after, uint64_t hlc, sync_orphans *o, sync_error *error);
void sync_orphans_free(sync_orphans *o);

/* The same of rows that were there when a table from this number on was adopted, at either end of a foreign key. Reads SYNC_ADOPTED_ROWS_MAX rows of the children at most. */
int sync_orphans_there(sync_db *s, uint32_t first, sync_orphans *o, sync_error *error);

/* Where a number has passed to a row that was born in what has just been folded (stamps above `hlc`), its children mean that row from now on, since the program
** sees them so, or would if it had not deleted that one, too: they are journaled as written. *count: how many entries that are still to be folded. */
int sync_orphans_follow(sync_db *s, int64_t after, uint64_t hlc, int64_t *count, sync_error *error);

/* Lists what was found, as rows that are not held. Rows whose key has got another meaning are written as new rows of that, and end as what they were. */
int sync_orphans_note(sync_merging *m, const sync_orphans *o);

/* A row has come to be shown under a number of a row table: what is listed and refers to that number means it from now on, as written by this file. So at no moment of a merge
** does the number under which such a row refers to another say anything else than what it is known by. */
int sync_orphans_meet(sync_merging *m, const sync_table *parent, int64_t number);

/* Raises *highest to the highest number of the table that rows are listed for. */
int sync_orphans_highest(sync_merging *m, const sync_table *parent, int64_t *highest);

/* Forgets which numbers these are: before the end of a merge, and where rows got other numbers in place. */
void sync_orphans_forget(sync_merging *m);

/* What is listed means the row that is shown under the number now (awaited.c). key: by which it is listed; fk: that refers to the number. */
int sync_orphans_adopt(sync_merging *m, sync_table *t, const sync_fk *fk, const sync_value *key,
                       sync_stamp born);

/* One that is listed: not any more, if it has its parents now (which it means from now on, in all files), or is gone. */
int sync_orphans_review(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born);

#endif
