/* Writing and reading rows of base tables for a merge: INSERT, UPDATE of the changed columns, DELETE; never REPLACE. */
#ifndef SYNC_BASE_H
#define SYNC_BASE_H

#include "engine.h"

/* True for results that say "a constraint refused this row": no error of the merge. */
bool sync_base_refused(int rc);

/* Does text come out of this file as it went in? UTF-16 has no place for bytes that are no UTF-8, and SQLite none for U+FFFE and U+FFFF: they
** would become other text, and keys would fall together. A write of such a cell is refused with SQLITE_MISMATCH. */
bool sync_base_fits(const sync_db *s, const sync_value *v);

/* What the last refusal says. Valid until the next call on the connection. */
const char *sync_base_said(const sync_db *s);

/* What sync_conflict calls such a refusal. */
const char *sync_base_reason(int rc);

/* All writes: if what refused the row has rolled the whole transaction back, SQLITE_ABORT_ROLLBACK, with SQLite's message in `error`. */

/* Inserts a row with the cells of `row` that are carried and whose columns are present; other columns get their default.
** SYNC_OK, a refusal (see above; `error` is untouched, the reason is the connection's message), or an error. */
int sync_base_insert(sync_db *s, sync_table *t, const sync_value *key, const sync_row *row,
                     sync_error *error);

/* Sets the carried cells of present columns; with `respell` the key's spelling too; with `reset` columns that `row` does not have go
** back to their default. Results as above. */
int sync_base_update(sync_db *s, sync_table *t, const sync_value *key, const sync_row *row, bool respell,
                     bool reset, sync_error *error);

int sync_base_delete(sync_db *s, sync_table *t, const sync_value *key, sync_error *error);

typedef enum sync_write {
    SYNC_WRITE_INSERT,
    SYNC_WRITE_UPDATE,
    SYNC_WRITE_RESET, /* an UPDATE that sets absent columns to their default */
    SYNC_WRITE_DELETE,
    SYNC_WRITE_AWAY /* a DELETE that no trigger sees */
} sync_write;

/* Do triggers fire on this connection? */
bool sync_base_fires(sync_db *s);

/* One of these writes with no trigger firing, ours neither: nothing is journaled. Results as above. */
int sync_base_alone(sync_db *s, sync_table *t, sync_write how, const sync_value *key, const sync_row *row,
                    bool respell, sync_error *error);

/* Inserts or updates a row where statements of triggers that meet a conflict are passed over. SQLITE_CONSTRAINT_TRIGGER too if the row itself is
** not written. Results as above. */
int sync_base_ignoring(sync_db *s, const sync_table *t, sync_write how, const sync_value *key,
                       const sync_row *row, bool respell, sync_error *error);

/* Inserts or updates a row with OR REPLACE, which holds for statements of triggers too: a trial, to see whom it displaces. row: every cell carried;
** recursive: delete triggers fire for those who are displaced. Results as above. */
int sync_base_displace(sync_db *s, sync_table *t, sync_write how, const sync_value *key, const sync_row *row,
                       bool recursive, sync_error *error);

/* Stands *stmt on the row of a key: columns are the key, then the present columns in order of id. To be reset by the caller. */
int sync_base_seek(sync_db *s, sync_table *t, const sync_value *key, sqlite3_stmt **stmt, bool *exists,
                   sync_error *error);

int sync_base_exists(sync_db *s, sync_table *t, const sync_value *key, bool *exists, sync_error *error);

/* Makes every cell of `row` that is not carried so, its value read from the base table into the arena, and gives the key as the
** base table spells it (`spelled`, key_count values, may be NULL). *exists: the row is there; otherwise nothing is changed. */
int sync_base_load(sync_db *s, sync_table *t, const sync_value *key, sync_row *row, sync_value *spelled,
                   sync_arena *arena, bool *exists, sync_error *error);

#endif
