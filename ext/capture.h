/* Adopting tables: metadata, and the triggers that write the journal in plain SQL. */
#ifndef SYNC_CAPTURE_H
#define SYNC_CAPTURE_H

#include "schema.h"

/* A table to be tracked. identity and own (genesis): as the options say, or -1 for the default; references: the option of that name as JSON, or NULL. */
typedef struct sync_wish {
    const char *name;
    int identity;
    int own;
    const char *references;
} sync_wish;

/* Starts tracking tables (write operation; makes the metadata on the first call). Touches no row. A table that is tracked already in the same way is left
** alone; *adopted: how many were not. Reloads the metadata, once for all. */
int sync_capture_track(sync_db *s, const sync_wish *wishes, uint32_t count, uint32_t *adopted,
                       sync_error *error);

/* The same for all ordinary tables with a key that are not ours. */
int sync_capture_track_all(sync_db *s, uint32_t *adopted, sync_error *error);

/* May a table be adopted? identity: as wished, or -1. The catalog is open. */
int sync_capture_check(sync_db *s, const char *name, const sync_base_table *base, int identity,
                       sync_error *error);

/* Has the application something called like what is to be made? `names`: a list of SQL texts; what: for whom. */
int sync_capture_check_names(sync_db *s, const char *what, const char *names, sync_error *error);

/* The same for the tables and triggers of one tracked table. The catalog is open. */
int sync_capture_check_own_names(sync_db *s, const char *name, uint32_t tid, bool by_row, sync_error *error);

/* Can this table be written in this program? A CHECK, an index, a trigger or a collation may need a function that is not there: the error
** names the table. */
int sync_capture_writable(sync_db *s, const sync_base_table *base, sync_error *error);

/* A row of the table could not be written: if that is because the table cannot, the error says so by name. */
void sync_capture_explain(sync_db *s, const sync_table *t, sync_error *error);

/* Removes triggers and metadata of a table; with the last one all metadata, as if this program had never been here. What this file wrote to the table it
** does not hold any more, so it needs a new site id: sync_site_anew() is to follow. */
int sync_capture_untrack(sync_db *s, const char *name, sync_error *error);

/* The same for all tables. *count: how many there were. */
int sync_capture_untrack_all(sync_db *s, uint32_t *count, sync_error *error);

/* Is this table or trigger ours? By metadata, not by prefix. */
bool sync_capture_owns_table(const sync_db *s, const char *name);

/* Makes the triggers of a table anew, for the columns that are present (write operation). */
int sync_capture_triggers(sync_db *s, const sync_table *t, sync_error *error);

int sync_capture_drop_triggers(sync_db *s, uint32_t tid, sync_error *error);

/* Makes the table's twin in the TEMP schema, where a virtual fold puts its clocks. */
int sync_capture_overlay_table(sync_db *s, const sync_table *t, sync_error *error);

/* Writes down tables and columns under their new names, gives late columns their ids, marks those that are lost, and makes the triggers anew, also where they are gone (write operation). Reloads the metadata. noted: a table whose triggers
** were gone says so until sync_touch(), since nobody knows what was written meanwhile. */
int sync_capture_learn(sync_db *s, bool noted, sync_error *error);

#endif
