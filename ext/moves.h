/* Rows that the rows of a changeset are about to push from their numbers move out of the way first, many at once: otherwise each of them would be taken out, listed,
** given a number and put back by itself. Which number they get, and that this file writes it, is as in renumber.h. */
#ifndef SYNC_MOVES_H
#define SYNC_MOVES_H

#include "chunk.h"
#include "merging.h"

typedef struct sync_moving sync_moving;

typedef struct sync_moves {
    sync_merging *m;
    sync_moving *tables; /* as s->tables */
} sync_moves;

/* `m` set and the rest zero to begin with; sync_moves_free in any case. */
void sync_moves_free(sync_moves *moves);

/* A row that arrives (translated), known by `key`. */
int sync_moves_note(sync_moves *moves, sync_table *t, const sync_value *key, const sync_row *row);

/* Moves the rows noted: those shown here, whose number this file wrote, and than whose claims arriving ones are older. Does nothing for a table of which there are few, or
** whose rows cannot be moved without their triggers, or if a constraint refuses it. */
int sync_moves_make(sync_moves *moves);

#endif
