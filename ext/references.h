/* Which columns of tracked tables refer to rows of tracked tables. */
#ifndef SYNC_REFERENCES_H
#define SYNC_REFERENCES_H

#include "engine.h"

/* Loads s->fks: every foreign key between two tracked tables that is declared, by the schema or by the option `references`, and what follows from several of them: a column that refers to one which itself
** means the number of a row means that row too. Sets `meant` and `key_parents` of tables. Called by the reload, when s->tables is complete. */
int sync_references_load(sync_db *s, sync_error *error);

/* Does a column refer to rows by their numbers, as far as this file knows? Under which number each is shown is for each file to say. */
bool sync_is_reference(const sync_db *s, const sync_table *t, uint32_t col);

#endif
