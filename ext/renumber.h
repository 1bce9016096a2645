/* Rows that lost their number to an older claim get another one, from the file that gave them theirs; or, if that is silent, from any. Source: docs/MERGE.md, "Numbers". */
#ifndef SYNC_RENUMBER_H
#define SYNC_RENUMBER_H

#include "merging.h"

/* After a whole delta was merged (write operation; s->hlc and s->folded are those of the file now, and are raised): every row that is held for its number, and whose
** number this file wrote (or that has been held here for SYNC_AUTHOR_SILENT_MS), claims the first number above all that are known, as a write of this file; then what can be shown is shown. A table takes no part
** whose own number is a reference, or that of rows which refer to it (identity "row" although their key is a foreign key), or to which a column refers that refers to
** another table's number as well: those cannot follow. stirred false: what was merged has touched nothing (m->stirred), so only time can have made a row due. */
int sync_renumber(sync_db *s, bool stirred, sync_error *error);

/* The same, inside a merge that goes on: of every row that is held for its number, whoever gave it that. Where who did may not be told of the other row, nobody else will. */
int sync_renumber_whoever(sync_merging *m);

/* The highest number of a table that is in use, or was handed out, or is claimed by a row that is held. */
int sync_renumber_highest(sync_merging *m, sync_table *t, int64_t *highest);

/* May rows of the table get other numbers? */
bool sync_renumber_may(const sync_db *s, const sync_table *t);

/* Gives one row that is held such a number, whoever made it; sync_settle shows it under that. *done false: no number is left. */
int sync_renumber_one(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, bool *done);

#endif
