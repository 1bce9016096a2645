/* SQL that must work, and rows that must be readable. */
#ifndef SYNC_FUZZ_SQL_H
#define SYNC_FUZZ_SQL_H

#include "mem.h"

#include <sqlite3.h>

/* The first column of the first row, as bytes; what was there before goes. parameter: bound as ?1, may be NULL. Aborts where that fails. */
void fuzz_blob(sqlite3 *db, const char *sql, const sync_buf *parameter, sync_buf *out);

/* A number that follows from all that the statement gives, types included. Aborts where it fails. */
uint64_t fuzz_digest(sqlite3 *db, const char *sql);

/* Reads every byte of the row on which a statement stands, so that a sanitizer sees what may not be read. */
void fuzz_read_row(sqlite3_stmt *stmt);

#endif
