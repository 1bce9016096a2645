/* Random schemas, and random statements on them. */
#ifndef SIM_SCHEMA_H
#define SIM_SCHEMA_H

#include "dice.h"

#include <sqlite3.h>

#define SIM_TABLES  3
#define SIM_COLUMNS 8

typedef enum sim_kind {
    KIND_TEXT,
    KIND_NUMBER,
    KIND_AUTOINCREMENT,
    KIND_NUMBER_BY_KEY,
    KIND_NOCASE,
    KIND_PAIR,
    KIND_PAIR_WITHOUT_ROWID,
    KIND_BLOB_WITHOUT_ROWID,
    KIND_TAG,    /* its key is two references */
    KIND_LINE,   /* a reference, and a number under it */
    KIND_DETAIL, /* its key is a reference: one to one */
    KINDS
} sim_kind;

typedef struct sim_column {
    char name[8];
    const char *affinity;
    bool unique;
    bool filled;       /* NOT NULL, with a default */
    bool few;          /* part of another unique index */
    bool typed;        /* of a STRICT table */
    const char *check; /* a CHECK of %s; NULL: none */
    const char *other; /* its type in uneven files; NULL: the same */
    bool lone;         /* its UNIQUE, NOT NULL and CHECK are in uneven files only */
    bool late;         /* not made with the table; comes by ALTER TABLE */
    int parent;        /* the table it refers to, or -1 */
    const char *deflt; /* of a late column: what ADD COLUMN fills in */
} sim_column;

typedef struct sim_table {
    char name[8];
    sim_kind kind;
    int keys;      /* columns k, l */
    int refers[2]; /* the tables that these refer to, or -1 */
    const char *key_action;
    bool key_deferred;
    int count;
    sim_column column[SIM_COLUMNS];
    const char *on_delete;
    const char *on_update;
    bool deferred;
    bool strict;
    bool apart; /* a CHECK of its first two columns, which writes to one each may break together */
    bool lone_strict, lone_indexes, lone_apart; /* STRICT, these indexes, this CHECK: in uneven files only */
    const char *generated;                      /* a generated column; NULL: none */
    bool together;                              /* UNIQUE of its first two columns */
    const char *expression; /* a UNIQUE index on one of its first column, %s; NULL: none */
    const char *clause;     /* of its UNIQUE and NOT NULL columns: ON CONFLICT ..., or nothing */
    bool partial;           /* a partial UNIQUE index on the first column */
    int pushes;             /* a trigger writes into this table, or -1 */
    const char
        *raises; /* in some files a trigger refuses a value of the first column, so: ABORT, ...; or NULL */
    int pushing; /* how: 0 if there is none, else plainly */
    bool viewed; /* a view v_NAME with INSTEAD OF triggers */
} sim_table;

typedef struct sim_schema {
    int count;
    sim_table table[SIM_TABLES];
    bool itself; /* a table refers to itself */
    bool uneven; /* half of the files have other types and more constraints */
    bool
        local; /* that, or a CHECK which all have may refuse what has been merged: each file decides for itself */
} sim_schema;

/* What a statement does beyond what comparing before and after shows. */
typedef struct sim_statement {
    char *sql; /* sqlite3_malloc'd */
    int table;
    bool rewrites; /* cells may have been written with what they were */
    bool moves;    /* a row may have got the key of another one, in its place */
} sim_statement;

/* Of each file: how many transactions it has committed, and what triggers write to. Neither is tracked. */
#define SIM_OWN_TABLES                                                                                       \
    "CREATE TABLE sim_mark(n, attempt); INSERT INTO sim_mark VALUES(0, 0);\n"                                \
    "CREATE TABLE seen_by_trigger(x);\n"

void schema_make(sim_schema *schema, sim_dice *dice, bool references);
/* uneven: of a file that is so. sqlite3_malloc'd. */
char *schema_sql(const sim_schema *schema, bool triggers, bool uneven);
bool schema_converts(const sim_table *t, int col); /* files may show a value of it as different types do */
char *schema_refusals(const sim_schema *schema);   /* those triggers; NULL: none. sqlite3_malloc'd */
/* SQLite (3.40) itself damages the indexes of one that has no triggers, where REPLACE meets a value of the wrong type. */
bool schema_is_strict_number(const sim_table *t);
char *schema_add(const sim_schema *schema, int table, int col); /* ALTER TABLE */
bool schema_by_row(const sim_table *t);
bool schema_is_number(const sim_table *t); /* its key is the rowid */

/* Rows of the table may come under another key: their number, or one that their key refers to, is another one. */
bool schema_by_birth(const sim_schema *schema, int table);
bool schema_fills_key(const sim_table *t);      /* INSERT DEFAULT VALUES makes one */
const char *schema_options(const sim_table *t); /* of sync_track; NULL: none */

/* Statements on the schema after which all is as it was, or nearly so. sqlite3_malloc'd. */
char *schema_upkeep(const sim_schema *schema, sim_dice *dice);

/* late[table][column]: this file has it; tracked[table]: and tracks it. *token is raised with every value that no other statement writes. */
sim_statement schema_statement(const sim_schema *schema, bool late[SIM_TABLES][SIM_COLUMNS],
                               const bool *tracked, sim_dice *dice, unsigned *token);

#endif
