/* Reading and writing row clocks: sync_row_N in the file, and its twin in the overlay of a virtual fold. */
#ifndef SYNC_CLOCKS_H
#define SYNC_CLOCKS_H

#include "engine.h"

typedef enum sync_place { SYNC_IN_FILE, SYNC_IN_OVERLAY } sync_place;

/* Unpacks a clock of the table as a statement or the arena has it; one that is no blob, or names what this file does not know, is damaged. Codes
** of sync_clock_get; the caller says which clock it was. */
int sync_clocks_unpack(const sync_db *s, const sync_table *t, const sync_value *clock, sync_row *row);

/* Binds a key from parameter 4 on, where all statements on clocks have it. */
int sync_clocks_bind_key(sync_db *s, sqlite3_stmt *stmt, const sync_table *t, const sync_value *key,
                         sync_error *error);

/* Writes `clock` (packed) at the key (identity row: at its j). fresh: there is none yet. */
int sync_clocks_put(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t j,
                    int64_t seq, const sync_buf *clock, bool fresh, sync_error *error);

int sync_clocks_delete(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t j,
                       sync_error *error);

/* Identity row: the largest j in use for a number; 0 if none above. */
int sync_clocks_highest(sync_db *s, sync_table *t, sync_place place, const sync_value *key, int64_t *j,
                        sync_error *error);

/* Appends `SELECT ... FROM main.sync_journal AS h`, a subquery to be gone on with: the entries under their names, and `known`, whether the overlay
** knows their key. */
void sync_clocks_journal(sqlite3_str *sql, const sync_table *t);

/* Identity row: brings all clocks of a number into the overlay, unless it has some already. */
int sync_clocks_overlay(sync_db *s, sync_table *t, const sync_value *key, sync_error *error);

/* Which row is shown under a number of a row table: its birth stamp (none for a genesis row, or if nobody is known there) and its number at birth. *known: it
** has a clock. */
int sync_clocks_shown(sync_db *s, sync_table *parent, sync_place place, int64_t number, sync_stamp *born,
                      int64_t *birth, bool *known, sync_error *error);

/* Identity row: do the hidden clocks of a number show that no row from before tracking has it? Either it is among them, or another row
** had the number, which was deleted in this file. */
int sync_clocks_genesis_gone(sync_db *s, sync_table *t, sync_place place, const sync_value *key, bool *gone,
                             sync_error *error);

/* Sets named[i] for each table i that a journal entry above `after`, up to `upto`, is about; leaves the others as they are. */
int sync_clocks_named(sync_db *s, int64_t after, int64_t upto, bool *named, sync_error *error);

/* Deletes a journal entry. The caller sees to it that the newest stays. */
int sync_clocks_drop_entry(sync_db *s, int64_t seq, sync_error *error);

/* The newest entry is never deleted, so an earlier fold may have left one that no clock names, at s->folded. Now that there are newer ones it
** goes (write operation). */
int sync_clocks_drop_stale(sync_db *s, sync_error *error);

#endif
