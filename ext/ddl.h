/* What a statement of a change of schema is about, as far as its first words tell. Source: SQLite's grammar. */
#ifndef SYNC_DDL_H
#define SYNC_DDL_H

#include <stdbool.h>
#include <stddef.h>

typedef enum sync_ddl_kind {
    SYNC_DDL_OTHER, /* nothing of what follows */
    SYNC_DDL_NOTHING,
    SYNC_DDL_CREATE_TABLE,
    SYNC_DDL_CREATE_INDEX,
    SYNC_DDL_CREATE_TRIGGER,
    SYNC_DDL_CREATE_VIEW,
    SYNC_DDL_DROP_TABLE,
    SYNC_DDL_DROP_OTHER, /* an index, a trigger, a view */
    SYNC_DDL_ALTER_TABLE,
    SYNC_DDL_INSERT
} sync_ddl_kind;

/* A name as the statement spells it, quotes included; of no bytes where there is none. */
typedef struct sync_ddl_name {
    const char *text;
    size_t bytes;
} sync_ddl_name;

/* Points into the statement. */
typedef struct sync_ddl {
    sync_ddl_kind kind;
    bool temporary;       /* CREATE TEMP ... */
    sync_ddl_name first;  /* its first word */
    sync_ddl_name schema; /* before a point */
    sync_ddl_name name;   /* what is made, dropped, altered or inserted into */
    sync_ddl_name on;     /* of an index or a trigger: its table */
    sync_ddl_name column; /* ALTER TABLE ... DROP COLUMN: which */
    sync_ddl_name to;     /* ALTER TABLE ... RENAME TO: what */
} sync_ddl;

/* Reads the first statement of `sql`. What SQLite would not accept comes out as anything. */
void sync_ddl_read(const char *sql, sync_ddl *out);

#endif
