/* One damaged file: everything that the extension can do is done with it. */
#ifndef FUZZ_PROBE_H
#define FUZZ_PROBE_H

#include "shapes.h"

#include <stdio.h>

/* What one file came to. It may lie in memory that is shared with the process that waits for this one: it says what was being done if there is
** no end. */
typedef struct probe {
    uint64_t results, errors; /* calls that gave one */
    uint64_t refused; /* errors that are SQLite's "out of memory": it refuses a length that a cell claims */
    char damage[600];
    char doing[80];
    char why[400]; /* what is wrong with us; "" if nothing is */
    bool
        endless; /* a call took too many steps, and so does plain SQL on the same file: SQLite goes round in it */
    bool trace;       /* print each call */
    const char *keep; /* write the damaged file there (may be NULL) */
} probe;

/* The file that follows from `seed`, at `path`, which is replaced. */
void probe_run(uint64_t seed, const char *path, probe *p);

/* Does plain SQL, without the extension, come to no end on the file at `path`? */
bool probe_is_endless(const char *path);

/* Once, before SQLite is used. */
void probe_prepare(void);

#endif
