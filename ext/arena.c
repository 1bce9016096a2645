#include "arena.h"

#include <string.h>

enum { ARENA_ALIGN = 8 }; /* what sqlite3_malloc gives */

#ifdef SYNC_SMALL_BLOCKS /* for tests in which allocations fail: nearly every piece is one */
enum { ARENA_BLOCK_BYTES = 64 };
#else
enum { ARENA_BLOCK_BYTES = 64 * 1024 };
#endif

struct sync_arena_block {
    sync_arena_block *older;
    size_t size;
    _Alignas(8) unsigned char data[];
};

void *sync_arena_alloc(sync_arena *arena, size_t bytes)
{
    size_t need = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (need < bytes) {
        return NULL;
    }
    if (arena->block == NULL || arena->block->size - arena->used < need) {
        size_t size = need > ARENA_BLOCK_BYTES ? need : ARENA_BLOCK_BYTES;
        sync_arena_block *block = sync_alloc(sizeof *block + size);
        if (block == NULL) {
            return NULL;
        }
        block->older = arena->block;
        block->size = size;
        arena->block = block;
        arena->used = 0;
    }
    void *piece = arena->block->data + arena->used;
    arena->used += need;
    return piece;
}

bool sync_arena_value(sync_arena *arena, const sync_value *from, sync_value *to)
{
    *to = *from;
    if (from->type != SYNC_TEXT && from->type != SYNC_BLOB) {
        return true;
    }
    char *copy = sync_arena_alloc(arena, from->bytes ? from->bytes : 1);
    if (copy == NULL) {
        return false;
    }
    if (from->bytes) {
        memcpy(copy, from->data, from->bytes);
    }
    to->data = copy;
    return true;
}

void sync_arena_reset(sync_arena *arena)
{
    while (arena->block && (arena->block->older || arena->block->size > ARENA_BLOCK_BYTES)) {
        sync_arena_block *older = arena->block->older;
        sync_free(arena->block);
        arena->block = older;
    }
    arena->used = 0;
}

void sync_arena_free(sync_arena *arena)
{
    while (arena->block) {
        sync_arena_block *older = arena->block->older;
        sync_free(arena->block);
        arena->block = older;
    }
    arena->used = 0;
}
