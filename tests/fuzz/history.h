/* What two files go through before they are fuzzed: the same for those in memory (file.c) and those on disk (shapes.c). */
#ifndef FUZZ_HISTORY_H
#define FUZZ_HISTORY_H

#include "chance.h"
#include "mem.h"

#include <sqlite3.h>

enum { HISTORY_OURS, HISTORY_THEIRS, HISTORY_FILES };

typedef struct history {
    sqlite3 *db[HISTORY_FILES]; /* with the extension, and empty */
    fuzz_chance *chance;        /* set to the beginning */
    void (*turn)(void);         /* before another file is looked at (may be NULL) */
    void (*early)(sqlite3 *db); /* with theirs as it is before anybody has forgotten a delete (may be NULL) */
    bool forgets;               /* deletes are forgotten, tables come whole */
    bool tail;                  /* the last writes to ours are not folded */
    int rows;                   /* so many more in each table */
} history;

/* Makes both files: tables of every kind, keys made of references among them; rows from before tracking, rows that clash, that are held, that
** got other numbers; tombstones; columns that only one file has. Each then has what the other lacks. Where deletes are forgotten, ours has
** forgotten some that theirs knows of and some that it does not, and so has theirs; either has rows that were told of anew. A delta of theirs has
** come to ours in part. */
void history_run(history *h);

#endif
