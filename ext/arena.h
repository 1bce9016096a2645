/* Memory that is given out piece by piece and taken back at once. */
#ifndef SYNC_ARENA_H
#define SYNC_ARENA_H

#include "value.h"

typedef struct sync_arena_block sync_arena_block;

/* Zero-initialise before use, sync_arena_free at the end. Pieces never move and live until the next reset or free. */
typedef struct sync_arena {
    sync_arena_block *block; /* newest first */
    size_t used;             /* of the newest block */
} sync_arena;

/* `bytes` of memory aligned for any type; NULL when out of memory. */
void *sync_arena_alloc(sync_arena *arena, size_t bytes);

/* A copy of a value with its bytes in the arena. False when out of memory. */
bool sync_arena_value(sync_arena *arena, const sync_value *from, sync_value *to);

void sync_arena_reset(sync_arena *arena); /* keeps one block of ordinary size */
void sync_arena_free(sync_arena *arena);

#endif
