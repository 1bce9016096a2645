/* The text of a CREATE TABLE statement that SQLite has accepted, taken apart: its columns and constraints. Pure: no file, no database. */
#ifndef PEER_DDL_ITEMS_H
#define PEER_DDL_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

/* Part of a longer text, from its first token to its last. */
typedef struct peer_ddl_piece {
    const char *text;
    size_t bytes;
} peer_ddl_piece;

typedef struct peer_ddl_item {
    peer_ddl_piece piece;
    char *column; /* its name; NULL: a constraint of the table */
} peer_ddl_item;

/* Points into the statement; names are its own. */
typedef struct peer_ddl_table {
    peer_ddl_item *items; /* columns first, as SQLite wants them */
    size_t count;
    peer_ddl_piece options; /* behind the parenthesis: STRICT, WITHOUT ROWID */
} peer_ddl_table;

/* False: there are no columns in it, as in CREATE VIRTUAL TABLE; nothing is to be freed then. */
bool peer_ddl_table_read(const char *sql, peer_ddl_table *out);
void peer_ddl_table_free(peer_ddl_table *table);

/* Do two pieces say the same, but for white space, comments, the case of words, and quotes around names? (Of two
** in double quotes the case counts: they may be texts.) */
bool peer_ddl_same(peer_ddl_piece a, peer_ddl_piece b);

/* A whole text as a piece. */
peer_ddl_piece peer_ddl_piece_of(const char *text);

/* The item of a column, by its name in any case; NULL: there is none. */
const peer_ddl_item *peer_ddl_find(const peer_ddl_table *table, const char *column);

#endif
