/* Tracked files in memory, made in the same way every time: a world without disk, with a clock and random numbers of its own. */
#ifndef FUZZ_FILE_H
#define FUZZ_FILE_H

#include "sql.h"

#include <sqlite3.h>

/* The files that fuzz_files makes, as history.h has them: both have forgotten deletes. Theirs also as it was before anybody had, and so gives out
** changesets of the first format. Each tail is folded. */
typedef enum fuzz_file { FUZZ_OURS, FUZZ_THEIRS, FUZZ_EARLY, FUZZ_FILES } fuzz_file;

/* Replaces the process's environment, and makes the files. Call first. */
void fuzz_files(void);

/* A connection to a copy of one of the files, without the extension. */
sqlite3 *fuzz_open(fuzz_file which);
void fuzz_extend(sqlite3 *db); /* loads it */

/* The same moment and the same dice for every input, as fuzz_open leaves them. */
void fuzz_reset_world(void);

/* Does the connection still see the file as fuzz_open gave it, bit for bit? */
bool fuzz_is_untouched(sqlite3 *db, fuzz_file which);
void fuzz_close(sqlite3 *db); /* all statements must have been finalized */

/* Runs statements that cannot fail. */
void fuzz_exec(sqlite3 *db, const char *sql);

/* Runs one statement to its end, reading every column of every row, with `blob` (may be NULL) as its first parameter. The result code. Its first
** column of the first row, if that is a number, comes to *number (may be NULL). A statement that takes longer than any here may is a finding. */
int fuzz_run(sqlite3 *db, const char *sql, const void *blob, size_t bytes, int64_t *number);

/* All columns of our own tables, in an order that is the same every time; their number. */
typedef struct fuzz_column {
    const char *table;
    const char *name;
} fuzz_column;
size_t fuzz_columns(const fuzz_column **to);

#endif
