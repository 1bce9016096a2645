/* The receiver of a selection: rows that it may not have any more leave its file, without having been deleted, and what was refused of its own changes is listed.
** Source: docs/MERGE.md, "Selections". */
#ifndef SYNC_WITHDRAW_H
#define SYNC_WITHDRAW_H

#include "whole.h"

/* Takes a row out of the file with all that is known of it, in a merge. It stays where this file has written to it what the sender does not hold (its hlc is above `known`), or
** what the sender has refused. *gone is raised where it went. */
int sync_withdraw(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, uint64_t known,
                  int64_t *gone);

/* The same for the rows of a table that a whole selection does not name. */
int sync_withdraw_rest(sync_merging *m, sync_table *t, const sync_whole *w, uint64_t known, int64_t *gone);

/* After a selection has been merged: a row of it that is held for its number gets it from one that was refused, which takes another. */
int sync_refused_yield(sync_merging *m);

/* Lists what another file refused (the report of a gate), in a writing operation. *rows: how many of those are here. */
int sync_refused_note(sync_db *s, const void *report, size_t bytes, const char *why, int64_t *rows,
                      sync_error *error);

#endif
