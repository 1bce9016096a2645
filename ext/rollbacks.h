/* Writes of a merge that rolled the whole transaction back: RAISE(ROLLBACK) in a trigger, or a conflict under OR ROLLBACK in its body. The merge
** is done again, and what is noted here is refused then without being tried, as if the trigger had said RAISE(ABORT), unless it met rows that can be taken out of its way. Notes belong to the
** connection, since the transaction that they are about is gone; they go with the next COMMIT that the engine took part in. */
#ifndef SYNC_ROLLBACKS_H
#define SYNC_ROLLBACKS_H

#include "engine.h"

/* Notes that a write of a row rolled the transaction back. `error` holds what SQLite said, and gets the text for the caller. `how`: the kind
** of write. SQLITE_ABORT_ROLLBACK or SYNC_NOMEM. */
int sync_rollbacks_note(sync_db *s, const sync_table *t, const sync_value *key, int how, sync_error *error);

/* What the trigger said when this was written, or NULL. *met: it met a conflict, and that but once: room may be made for it. The text is valid until the next
** note. */
const char *sync_rollbacks_find(const sync_db *s, const sync_table *t, const sync_value *key, int how,
                                bool *met);

/* Did a conflict do it when a row of the table was written in this way? Then others may meet one, too. */
bool sync_rollbacks_met(const sync_db *s, const sync_table *t, int how);

/* There are so many notes of this table that what need not be tried is not: each one costs a merge. */
bool sync_rollbacks_many(const sync_db *s, const sync_table *t);

/* An operation that began with `before` notes ended with `result`: is it worth doing again? It is, if it was in a transaction of its own. */
bool sync_rollbacks_again(const sync_db *s, uint32_t before, bool transaction, int result);

void sync_rollbacks_clear(sync_db *s);

#endif
