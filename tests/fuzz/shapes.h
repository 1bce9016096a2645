/* Tracked files of several shapes on a real file system, made in the same way every time: what tests/fuzz/mutate damages. */
#ifndef FUZZ_SHAPES_H
#define FUZZ_SHAPES_H

#include "mem.h"

#include <sqlite3.h>

enum { SHAPE_PAGES_MAX = 1024 };

/* Whose a page is. */
typedef enum page_owner { PAGE_OF_NOBODY, PAGE_OF_OURS, PAGE_OF_SCHEMA, PAGE_OF_ROWS } page_owner;

typedef struct shape {
    const char *name;
    int page_bytes;
    bool wal;     /* in WAL mode; everything is checkpointed */
    bool tail;    /* part of the journal is not folded */
    bool vacuum;  /* auto_vacuum, so that the file has pages of pointers */
    bool forgets; /* deletes are forgotten, here and elsewhere */
    int rows;     /* so many more in each table */
    /* What shapes_make fills in. */
    uint8_t *bytes;
    size_t size;
    uint32_t page_count;
    uint8_t owner[SHAPE_PAGES_MAX + 1]; /* of page number n, a page_owner */
    sync_buf seen;                      /* of a file that it has exchanged changes with */
    sync_buf delta, full;               /* what that file has and this one lacks; all that it has */
    uint8_t *other;                     /* that file */
    size_t other_size;
} shape;

/* Replaces the process's environment, clock and random numbers, and makes the shapes in `directory`: the one of that number, or all if it
** is below 0. Call once, first. */
void shapes_make(const char *directory, int only);
size_t shapes_count(void);
const shape *shapes_at(size_t i);

/* The same moment, the same random numbers and no witness, for every damaged file. */
void shapes_reset_world(uint64_t seed);

/* A connection to the file, with the extension. What was damaged may make either fail: *db is to be closed all the same. */
int shapes_open(const char *path, sqlite3 **db);

#endif
