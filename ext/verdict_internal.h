/* One sync_resolve under way: what its modules share. */
#ifndef SYNC_VERDICT_INTERNAL_H
#define SYNC_VERDICT_INTERNAL_H

#include "merging.h"

typedef enum sync_choice { SYNC_CHOOSE_OURS, SYNC_CHOOSE_THEIRS, SYNC_KEEP_BOTH } sync_choice;

typedef struct sync_verdict_state {
    sync_db *s;
    sync_error *error;
    int64_t id;
    sync_choice choice;
    /* the entry */
    sync_table *t;
    sync_value *key; /* of the row that it is about: by which it is known */
    sync_value *at;  /* and under which it is shown, or claims to be */
    sync_stamp born;
    bool held;
    char reason[16];
    sync_value clock_key, ours, theirs;
    /* that row, as it was at the beginning */
    sync_row row;   /* values in the arena; of a held one all are carried */
    sync_row whole; /* of a held one: the same, with the numbers that its parents have here */
    bool wanted;    /* it is what was chosen (not both) */
    bool *columns;  /* by column id: to become NULL */
    void *found;    /* what the reason's module found out */
    sync_arena arena;
} sync_verdict_state;

/* ---- verdict_row.c: writing rows ---- */

typedef int sync_verdict_sql(sync_verdict_state *v);
typedef int sync_verdict_work(sync_verdict_state *v, sync_merging *m);

/* Looks at states, and writes nothing. */
int sync_verdict_look(sync_verdict_state *v, sync_verdict_work *work);

/* Writes rows that are shown, as a program would, with foreign keys enforced whatever the connection says; then folds that. */
int sync_verdict_write(sync_verdict_state *v, sync_verdict_sql *work);

/* Writes states of rows as a merge does, but with stamps of this file (sync_verdict_put and the like), and settles what is held. It is an error if the entry's row is
** still listed then: it says why. */
int sync_verdict_merge(sync_verdict_state *v, sync_verdict_work *work);

/* Is the entry's row still held, or the entry still there? why: its reason and detail; may be NULL. */
int sync_verdict_listed(sync_verdict_state *v, bool *listed, char why[SYNC_ERROR_BYTES]);

/* Writes cells (carried, stamped) and references of `change` to a state that lives; its existence too if change->stamp is one. */
int sync_verdict_put(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born,
                     sync_row *change);

/* Ends the life of a state. */
int sync_verdict_drop(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born);

/* What `why` says of a row, as the error of this call. */
int sync_verdict_refused(sync_verdict_state *v, const sync_table *t, const sync_value *key, const char *what,
                         const char *why);

/* The column of the table that has this name and may be NULL as far as the table's declaration goes; UINT32_MAX: there is none, or it is of the key. */
int sync_verdict_nullable(sync_verdict_state *v, const sync_table *t, const char *name, uint32_t *col);

/* A row with a cell of NULL for each of v->columns. */
int sync_verdict_nulls(sync_verdict_state *v, sync_stamp stamp, sync_row *row);

/* ---- the reasons ---- */

int sync_verdict_unique(sync_verdict_state *v); /* verdict_unique.c */
int sync_verdict_anew(
    sync_verdict_state *v); /* verdict_anew.c: "number", both are to be kept, and it cannot be renumbered */
int sync_verdict_genesis(sync_verdict_state *v); /* verdict_genesis.c */

#endif
