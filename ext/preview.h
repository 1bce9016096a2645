/* What a merge would do, in JSON, for people who ask before they let it. */
#ifndef SYNC_PREVIEW_H
#define SYNC_PREVIEW_H

#include "engine.h"

/* Merges inside a SYNC_WRITE operation whose tail has been folded (sync_local), takes it all back, and appends to `json` an array of what
** differed: rows of base tables before and after, and what was put aside (docs/SQL.md, sync_apply). Errors are those of sync_apply, and
** SYNC_TOOBIG where the text would be longer than the connection allows. Whatever the result, the caller rolls the operation back. */
int sync_preview(sync_db *s, const void *changeset, size_t bytes, sync_buf *json, sync_error *error);

#endif
