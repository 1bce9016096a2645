/* Tables that have just been adopted, and what refers to them or from them. */
#ifndef SYNC_ADOPTED_H
#define SYNC_ADOPTED_H

#include "engine.h"

/* Lists rows that lack their parents, since they may be told as meaning nobody from now on. And holds those that came with a reference which this file did not know for one, as long as
** it did not track what that refers to: they mean rows of other files. count: so many tables, the last ones, are new; inside the write operation that adopted them, behind its
** fold. Reads the clocks of tables that refer to one of these, and SYNC_ADOPTED_ROWS_MAX rows of each child at most. */
int sync_adopted(sync_db *s, uint32_t count, sync_error *error);

#endif
