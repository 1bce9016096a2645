/* The schema of a file's tracked tables as bytes, and back into a new file, or beside a copy of their pages: all the DDL that ever travels, on a person's request.
**
**   u8 version (2) | u8 encoding (0: UTF-8, 1: UTF-16le, 2: UTF-16be) | zigzag user_version | zigzag application_id
**   varint objects | per object: u8 kind, blob name, blob table, blob sql
**   varint tables  | per tracked table: blob name, blob options (JSON)
**   varint numbers | per tracked table with AUTOINCREMENT: blob name, blob highest number given out (decimal); not in version 1
**
** kind: 0 table, 1 index, 2 view, 3 trigger, in this order; before them 4 virtual table, which load leaves out. A blob is a varint length and bytes.
*/
#ifndef SYNC_CLONE_H
#define SYNC_CLONE_H

#include "mem.h"
#include "status.h"

#include <sqlite3.h>

/* Appends the schema: tracked tables with their indexes and triggers, and all views and virtual tables; nothing of ours. SYNC_OK or an error. */
int sync_clone_dump(sqlite3 *db, sync_buf *out, sync_error *error);

/* Called for each virtual table, and each view or trigger that had to be left out. `why`: SQLite's message; `sql`: its statement. */
typedef void sync_clone_left_out(void *context, const char *kind, const char *name, const char *why,
                                 const char *sql);

/* Makes the schema in the main database of `db`, which must be empty and have sync_ext, and tracks its tables; all or nothing. Statements other than
** CREATE TABLE, INDEX, VIEW and TRIGGER do not run, whatever the bytes say. Views and triggers that cannot work here (they name a
** table or a function that is not there) are left out. SYNC_OK; SYNC_CORRUPT: the bytes are no schema; SYNC_FORMAT: of a newer version;
** SYNC_SCHEMA: SQLite refuses it, error names the object; or a SQLite code. The authorizer of `db` is unset afterwards. */
int sync_clone_load(sqlite3 *db, const void *schema, size_t bytes, sync_clone_left_out *left_out,
                    void *context, sync_error *error);

/* SQL: is `s`, a row of main.sqlite_schema, of a tracked table, or of one that the engine keeps? Those are not known by their prefix. */
#define SYNC_CLONE_OURS                                                                                      \
    "SELECT column1 FROM (VALUES('sync_meta'), ('sync_site'), ('sync_peer'), ('sync_table'), "               \
    "('sync_column'), ('sync_journal'), ('sync_applying'), ('sync_conflict')) UNION ALL SELECT 'sync_row_' " \
    "|| tid FROM main.sync_table UNION ALL SELECT 'sync_hidden_' || tid FROM main.sync_table"
#define SYNC_CLONE_KEPT                                                                                      \
    "(s.tbl_name IN (" SYNC_CLONE_OURS ") OR s.tbl_name COLLATE NOCASE IN (SELECT name FROM "                \
    "main.sync_table))"

/* Makes a copy of another file's tables that are kept (SYNC_CLONE_KEPT), without any trigger and with all of its journal folded, a file of its own: it takes a new
** id, gets the engine's triggers, and then views and triggers of `schema` as in sync_clone_load. Holds at what the other file had in its journal, so that it
** gets what has been written since and no more. Whatever else is in the copy: SYNC_CORRUPT. SYNC_FORMAT: its metadata are of another version. Other results as of
** sync_clone_load; after an error the copy is to be thrown away. */
int sync_clone_adopt(sqlite3 *db, const void *schema, size_t bytes, sync_clone_left_out *left_out,
                     void *context, sync_error *error);

#endif
