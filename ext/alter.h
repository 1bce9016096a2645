/* sync_alter(): a change of schema that tracked tables go along with. */
#ifndef SYNC_ALTER_H
#define SYNC_ALTER_H

#include "engine.h"

/* Runs statements that change the schema of the main database, in a write operation with the journal folded, and brings the metadata along: renamed
** tables and columns, columns that came and went, tables that were rebuilt or dropped. *adjusted: how many tracked tables that concerned.
** `enforced`: foreign keys are, if only this operation has switched that off; then nothing may come to refer to rows that are not there.
** On error, which names the statement, the caller rolls back. sync_site_anew() is to follow. */
int sync_alter(sync_db *s, const char *sql, bool enforced, int64_t *adjusted, sync_error *error);

#endif
