/* What one receiver may see of this file, and has been sent. Source: docs/MERGE.md, "Selections". */
#ifndef SYNC_SELECT_H
#define SYNC_SELECT_H

#include "rules.h"

/* A row as it is known over there, for as long as it is remembered. */
typedef struct sync_selected {
    sync_value key[SYNC_KEY_COLUMNS_MAX]; /* as on the wire; borrowed from the selection */
    sync_row row;                         /* birth, and what key parts mean, with this file's site numbers */
} sync_selected;

/* Is nothing sent yet? Then everything comes. */
bool sync_selection_whole(const sync_selection *had);

/* A delta begins. */
int sync_selection_begin(sync_selection *had, sync_error *error);

/* Fills temp.sync_chosen_<tid> with the keys of rows to send, those that may be seen and are new or have changed, and notes which of those that were sent may not be seen any
** more. newest: the last entry of the journal. Looks only at what has been written since the last time, as far as the rule allows that. In a reading operation, before sync_selection_withdrawn. *chosen: how many are to send. */
int sync_selection_choose(sync_db *s, sync_selection *had, const sync_rules *rules, sync_table *t,
                          bool overlay, int64_t newest, uint64_t *chosen, sync_error *error);

/* The next row of the table that was sent and may not be seen now; *at: 0 to begin with, and raised behind it by the caller who keeps it. False: there is none. one->row is to be freed. */
bool sync_selection_unseen(sync_selection *had, const sync_table *t, uint32_t *at, sync_selected *one);

/* That row is withdrawn: forgets it. */
void sync_selection_forget(sync_selection *had, uint32_t at);

/* A row that is about to be sent: was another one sent under the key that it shows? Then *other is that, which is to be withdrawn; forgets it. */
bool sync_selection_displaces(sync_selection *had, const sync_table *t, const sync_value *shown,
                              const sync_value *wire, const sync_row *row, sync_selected *other);

/* Notes a row that was sent: the key that it shows, its journal entry (0: none), the key on the wire, and of `row` birth and references, with this file's site numbers. */
int sync_selection_note(sync_selection *had, const sync_table *t, const sync_value *shown, int64_t seq,
                        const sync_value *wire, const sync_row *row, sync_error *error);

/* All of a delta has been read: from now on only what changes is sent. */
void sync_selection_sent(sync_selection *had);

#endif
