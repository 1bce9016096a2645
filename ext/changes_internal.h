/* A delta being read: what opening it and reading it share. */
#ifndef SYNC_CHANGES_INTERNAL_H
#define SYNC_CHANGES_INTERNAL_H

#include "changes.h"

enum { SYNC_RUN_ENTRIES_MAX = 4096, SYNC_FULL_VALUES_MAX = 256 };

/* Entries of one table that are adjacent in the journal. */
typedef struct run {
    uint32_t tid;
    int64_t lo, hi;
    bool hidden_done;
} run;

typedef enum stage { STAGE_TABLES, STAGE_JOURNAL, STAGE_DONE } stage;

struct sync_changes {
    sync_db *s;
    bool overlay; /* a virtual fold's clocks stand before the file's */
    sync_head head;
    sync_head receiver; /* as the request gave it; empty without one */
    uint32_t *wire;     /* local site -> place on the wire */
    uint32_t *local;    /* head table -> index in s->tables */
    uint32_t *place;    /* index in s->tables -> head table, or UINT32_MAX */
    sync_matrix base;   /* tables of the head x local sites */
    int64_t newest;     /* journal position of the snapshot */
    uint64_t hlc;       /* this file's clock in it */
    stage stage;
    uint32_t tables_at; /* TABLES: next head table, and what of it is next: genesis, clocks, hidden clocks */
    int scan;
    uint64_t shown;          /* rows of the table's scan that are in the base table */
    sqlite3_stmt *stmt;      /* active, between rows */
    sqlite3_stmt *values;    /* where the columns of its row are: stmt, or for a wide table another one */
    uint32_t table;          /* head table of stmt */
    bool narrow;             /* a row of it that was just inserted is its columns and nothing else */
    bool scans;              /* some table is sent by its clocks */
    const sync_rules *rules; /* of a selection; otherwise NULL */
    sync_selection *selection;
    uint32_t
        withdrawn; /* head tables, from the last one on, whose rows that may not be seen any more have been named */
    uint32_t withdrawn_at; /* within the next one */
    int64_t position;      /* journal entries up to here are in runs */
    uint32_t run_count, run_at;
    run runs[SYNC_RUN_ENTRIES_MAX];
    uint32_t part;
    uint64_t rows, scanned;
    bool counted;
    uint64_t to_scan; /* if counted: rows of the tables that are scanned, about */
    sync_row row;     /* as stored */
    sync_row out;     /* as sent */
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_value full[SYNC_FULL_VALUES_MAX]; /* a row that is sent without being taken apart */
    sqlite3_stmt *runs_stmt;
    int64_t cache; /* page cache to be restored */
};

/* Are the rows without a clock of head table h to be sent? */
bool sync_changes_genesis_due(const sync_changes *c, uint32_t h);

/* A selection: chooses its rows, and says of each table what its head is to say of it. */
int sync_changes_select(sync_changes *c, sync_error *error);

/* Names the next row of a selection that is withdrawn. *done: there is none any more. */
int sync_changes_withdraw(sync_changes *c, bool *done, sync_error *error);

/* Encodes the row in hand, c->out, which is shown under `shown`, and notes that it is sent. What was sent under that key before, if it is another row, is withdrawn. */
int sync_changes_send_selected(sync_changes *c, const sync_table *t, const sync_value *shown,
                               sync_error *error);

/* Is head table h sent by its clocks, since the receiver has nothing of it, rather than by the journal? */
bool sync_changes_scans(const sync_changes *c, uint32_t h);

#endif
