/* The text of a CREATE INDEX statement, taken apart: what SQLite's pragmas do not tell of an index. */
#ifndef SYNC_INDEX_SQL_H
#define SYNC_INDEX_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Part of a longer text. No comment stands at its end, so that anything may be put behind it. */
typedef struct sync_piece {
    const char *text;
    size_t bytes;
} sync_piece;

/* The terms of the index in order, each without ASC and DESC, and the condition behind WHERE (of no bytes if there is none). They point
** into `sql`, as sqlite_schema has it. False if that is no such statement, or has more than `max` terms. */
bool sync_index_sql(const char *sql, sync_piece *terms, uint32_t max, uint32_t *count, sync_piece *where);

#endif
