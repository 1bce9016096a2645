/* Which columns of tracked tables refer to rows of tracked tables. */
#ifndef SYNC_REFERENCES_H
#define SYNC_REFERENCES_H

#include "engine.h"

/* Loads s->fks: every foreign key between two tracked tables that is declared, by the schema or by the option `references`, and what follows from several of them: a column that refers to one which itself
** means the number of a row means that row too. Sets `meant` and `key_parents` of tables. Called by the reload, when s->tables is complete. */
int sync_references_load(sync_db *s, sync_error *error);

#endif
