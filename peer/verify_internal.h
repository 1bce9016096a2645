/* What the parts of `sync-peer verify` share. Everything of it is used on one thread.
**
** A table is read twice at most. The first reading makes sums: each row of the table, and each clock of sync_changes, is hashed and added to the block
** that its key falls into, so the order of reading says nothing and nothing has to be sorted. Blocks of equal sums are equal. The second reading takes
** up only keys of blocks that are not, in the order of their keys, and walks both files side by side.
*/
#ifndef PEER_VERIFY_INTERNAL_H
#define PEER_VERIFY_INTERNAL_H

#include "arena.h"
#include "file.h"

enum { PEER_A, PEER_B, PEER_BOTH };

/* ---- verify_tables: what there is to be compared */

typedef struct peer_pair {
    char *table[PEER_BOTH]; /* its name in each file; NULL: not tracked there */
    size_t keys;
    char **key[PEER_BOTH]; /* columns of the key, in the key's order */
    size_t columns;
    char **column[PEER_BOTH]; /* the others that both have, alike; in the order of A */
    char *differs;            /* in what the two declarations differ, for people; NULL: in nothing */
    bool comparable;          /* their keys are the same */
    int64_t row_tid;          /* its number in B's sync_table, where its identity is `row`; else 0 */
} peer_pair;

typedef struct peer_pairs {
    sync_arena arena; /* has all of it */
    peer_pair *list;
    size_t count;
} peer_pairs;

/* Matches the tables tracked in both files, which have their read transactions open. On success and on failure peer_pairs_free must follow. */
bool peer_pairs_read(const peer_file files[PEER_BOTH], peer_pairs *pairs, peer_failure *f);
void peer_pairs_free(peer_pairs *pairs);

/* ---- verify_sums: the first reading */

typedef struct peer_sums {
    uint64_t (*block)[2]; /* PEER_VERIFY_BLOCKS of them */
    int64_t rows;
} peer_sums;

/* Sums of one table in one file. On success sums->block must be freed with sync_free; on failure it is NULL. */
bool peer_sums_read(const peer_file *file, const peer_pair *pair, int side, peer_sums *sums, peer_failure *f);

/* The block that a key, as JSON, falls into. */
size_t peer_block_of(const void *key, size_t bytes);

/* Where a column of sync_changes stands in the pair's columns, looked for from `hint` on: they come in an order. [columns] for a row's existence (NULL), more for
** a column that is not compared. */
size_t peer_column_place(const peer_pair *pair, int side, const char *name, size_t hint);

/* Appends the columns of an SQL statement, `format` for each (with one %w for its name), and `between` between them. */
void peer_put_columns(sqlite3_str *sql, char *const *names, size_t count, const char *format,
                      const char *between);

/* Reads the first `count` columns of a row that is in hand as the JSON of a key into `json`, which is emptied first. False: out of memory. */
bool peer_row_key(sqlite3_stmt *stmt, size_t count, sync_buf *json);

/* ---- verify_walk: the second reading */

typedef enum peer_difference_kind {
    PEER_ONLY_A,
    PEER_ONLY_B,
    PEER_VALUES, /* both have the row, with other values */
    PEER_CLOCKS, /* the rows are equal, or shown nowhere, and their clocks are not */
    PEER_KINDS
} peer_difference_kind;

/* One key in whose row or clocks the files differ. Borrowed while the function that gets it runs. */
typedef struct peer_difference {
    const peer_pair *pair;
    peer_difference_kind kind;
    const char *key; /* JSON, not ended by a zero */
    size_t key_bytes;
    sqlite3_stmt
        *row[PEER_BOTH]; /* stands on the row: its key from column 1 on, then pair->columns; NULL: no row */
    const bool *value_differs; /* by column; of PEER_VALUES */
    const bool *clock_differs; /* by column, and at [columns] that of the row's existence */
    bool clocks_agree;         /* none of these */
    bool held[PEER_BOTH]; /* the row, or some cells of it, are merged there and not shown (sync_conflict) */
} peer_difference;

/* False ends the walk; then *f is to say why. */
typedef bool peer_difference_found(void *context, const peer_difference *d, peer_failure *f);

/* Walks the blocks in which the sums differ. */
bool peer_walk(const peer_file files[PEER_BOTH], const peer_pair *pair, const peer_sums sums[PEER_BOTH],
               peer_difference_found *found, void *context, peer_failure *f);

/* ---- verify_report: what is said on stdout */

typedef struct peer_report {
    const peer_file *files; /* two */
    bool json;
    int64_t limit; /* differences that are listed of each table */
} peer_report;

/* Something about a table as a whole. */
void peer_report_table(const peer_report *r, const char *table, const char *text);
void peer_report_difference(const peer_report *r, const peer_difference *d);

/* The sum of one table: its rows in each file, and how many differences of each kind there are. */
void peer_report_sum(const peer_report *r, const peer_pair *pair, const int64_t rows[PEER_BOTH],
                     const int64_t counts[PEER_KINDS]);

/* A row that was touched in A and, if `restored`, put back into B: key as JSON. */
void peer_report_repaired(const peer_report *r, const char *table, const char *key, size_t bytes,
                          bool restored);

/* ---- verify_repair: rows that differ without a clock that says so */

typedef struct peer_repair peer_repair;

/* Looks whether the files have nothing to give each other, in their read transactions. Borrows `files`. NULL, with a failure. */
peer_repair *peer_repair_new(const peer_file files[PEER_BOTH], peer_failure *f);
void peer_repair_free(peer_repair *r); /* NULL is fine */

/* Notes the row, if no exchange would settle it. *left: it was not noted since the files have to meet first. */
bool peer_repair_note(peer_repair *r, const peer_difference *d, bool *left, peer_failure *f);

/* Numbers of rows. */
typedef struct peer_repaired {
    int64_t touched;  /* in A */
    int64_t restored; /* put back into B */
    int64_t refused;  /* not put back: a constraint of B is in the way */
} peer_repaired;

/* Does what was noted, each file all or nothing, after the read transactions have ended, and says each row. */
bool peer_repair_do(peer_repair *r, const peer_report *report, peer_repaired *done, peer_failure *f);

#endif
