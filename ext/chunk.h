/* Many fresh clocks written by one statement: a row costs a third of what a statement of its own does. */
#ifndef SYNC_CHUNK_H
#define SYNC_CHUNK_H

#include "engine.h"

typedef struct sync_chunk_row {
    const sync_value *key; /* key_count values */
    int64_t seq;
    uint64_t order;        /* roughly where its key belongs */
    uint32_t clock, bytes; /* offset and size of the packed clock in the chunk's bytes */
} sync_chunk_row;

/* Zero-initialise; sync_chunk_free at the end. */
typedef struct sync_chunk {
    uint32_t count, cap;
    sync_chunk_row *rows;
    sync_buf clocks;
} sync_chunk;

/* Registers the eponymous virtual table that the statement reads the chunk from. SQLITE_OK or an error. */
int sync_chunk_register(sync_db *s);

/* Adds a clock (the last `bytes` appended to chunk->clocks). The key is borrowed until the chunk is written. */
int sync_chunk_add(sync_chunk *chunk, const sync_value *key, int64_t seq, size_t bytes, sync_error *error);

/* Inserts all as shown clocks of the table, in the order of their keys, and empties the chunk. None of the keys may have a clock. */
int sync_chunk_write(sync_db *s, sync_table *t, sync_chunk *chunk, sync_error *error);

/* Sorts the rows by their keys, roughly, and lets statements of this connection read them as table sync_chunk (seq, clock, k1, ...),
** until sync_chunk_hide, which empties the chunk. */
void sync_chunk_show(sync_db *s, const sync_table *t, sync_chunk *chunk);
void sync_chunk_hide(sync_db *s, sync_chunk *chunk);

void sync_chunk_free(sync_chunk *chunk);

#endif
