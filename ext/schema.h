/* What a base table looks like, read from SQLite: key, columns, collations, triggers, foreign keys. */
#ifndef SYNC_SCHEMA_H
#define SYNC_SCHEMA_H

#include "engine.h"

/* A column of the base table that can be replicated: not part of the key, not generated. */
typedef struct sync_base_column {
    char *name;
    char affinity;
    char *preset; /* the DEFAULT as an expression, or NULL */
    bool filled;  /* NOT NULL */
} sync_base_column;

typedef struct sync_base_table {
    uint32_t unique_count; /* secondary UNIQUE indexes */
    sync_unique *uniques;
    char *name; /* as the schema spells it */
    bool exists;
    bool ordinary; /* not a view, virtual table or, as far as SQLite knows, an inner table of one */
    bool inner;    /* of FTS or R-tree, whose module may not be there */
    bool without_rowid;
    bool rowid_alias;   /* INTEGER PRIMARY KEY */
    bool clauses;       /* ON CONFLICT may be among its constraints: the words are in its declaration */
    uint32_t key_count; /* 0: no primary key */
    char **key_names;
    char **key_collations;
    char *key_affinity;
    uint32_t col_count;
    sync_base_column *cols;
} sync_base_table;

/* Reads `name` of the main database into memory of `arena`. A table that is not there gives exists = false and no error. */
int sync_schema_read(sync_db *s, sync_arena *arena, const char *name, sync_base_table *out,
                     sync_error *error);

/* Copies what the base table says of itself (owned by the arena it was read into) into `t`, whose other members are left alone; and what it says of one
** column, which is present. */
void sync_schema_describe(const sync_base_table *base, sync_table *t);
void sync_schema_column(const sync_base_column *from, sync_column *to);

/* Notices columns that a program renamed: SQLite has rewritten our trigger, which names the known columns in order of id. `known`: which
** these are. Renames t->cols, sets `former`, `same` and `absorb` there, and t->late. The catalog is open. */
int sync_schema_renames(sync_db *s, sync_table *t, const sync_base_table *base, const bool *known,
                        sync_error *error);

/* Is the number of a row (INTEGER PRIMARY KEY) that of a row of another table? Then nobody hands it out here, and two files that have it have one row. */
int sync_schema_detail(sync_db *s, const sync_base_table *base, bool *detail, sync_error *error);

/* The affinity letter of a declared type by SQLite's rules: 'i' 't' 'b' 'r' 'n'. */
char sync_schema_affinity(const char *declared);

/* A copy of a zero-terminated string in the arena; NULL when out of memory or if `text` is NULL. */
char *sync_schema_string(sync_arena *arena, const char *text);

/* A text of the metadata, in their arena. Where there is none they are damaged, as `what` says. */
int sync_schema_text(sync_db *s, sqlite3_stmt *stmt, int column, char **to, const char *what,
                     sync_error *error);

#endif
