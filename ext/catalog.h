/* The schema of the main database in memory, as sqlite_schema and PRAGMA table_list say it: read at once for whoever asks about many tables, since each look into
** sqlite_schema goes through all of it. */
#ifndef SYNC_CATALOG_H
#define SYNC_CATALOG_H

#include "engine.h"

typedef enum sync_object_kind { SYNC_OBJECT_TABLE, SYNC_OBJECT_INDEX, SYNC_OBJECT_TRIGGER } sync_object_kind;

/* A table, view or virtual table; an index; a trigger. */
typedef struct sync_object {
    sync_object_kind kind;
    const char *name;
    const char *table; /* of an index or trigger: as the schema spells it */
    const char *
        sql; /* of an index (NULL if it has none), and of a trigger that may be one of ours that are read; else NULL */
    int64_t place; /* of an index or trigger: greater if it was made later */
    bool ordinary; /* a table that is no view, no virtual table and no shadow of one */
    bool is_virtual;
    bool inner; /* of FTS or R-tree */
    bool without_rowid;
    bool strict;
    bool clauses;                   /* the word CONFLICT is in its declaration */
    const struct sync_object *next; /* of a table: its first trigger; of a trigger: the table's next one */
} sync_object;

/* Reads it, unless an outer call has: until the last sync_catalog_close the schema must not change. SYNC_OK or an error, after which nothing is
** open. */
int sync_catalog_open(sync_db *s, sync_error *error);
void sync_catalog_close(sync_db *s);

/* By name, case folded; NULL if there is none. Tables and indexes share their names, triggers have their own. */
const sync_object *sync_catalog_find(const sync_db *s, sync_object_kind kind, const char *name);

/* All objects: the first, and how many follow one another; by name, triggers last. */
const sync_object *sync_catalog_all(const sync_db *s, uint32_t *count);

#endif
