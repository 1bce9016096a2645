#include "pool.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES     48 /* 16 bytes, 32, 48, ... up to 256, then by quarters of powers of two */
#define BLOCK_BYTES (1024 * 1024)
#define LARGE       (64 * 1024)

typedef union header {
    struct {
        uint32_t bytes; /* usable */
        uint32_t class; /* CLASSES: malloc's own */
    } of;
    union header *next; /* of a free piece */
    _Alignas(16) char align[16];
} header;

static header *spare[CLASSES];
static char *block;
static size_t left;

/* Class and size of a request. */
static uint32_t class_of(size_t bytes, size_t *rounded)
{
    if (bytes <= 256) {
        *rounded = bytes == 0 ? 16 : (bytes + 15) & ~(size_t)15;
        return (uint32_t)(*rounded / 16 - 1);
    }
    unsigned power = 31u - (unsigned)__builtin_clz((unsigned)bytes - 1); /* 256 is the first: power 8 */
    size_t base = (size_t)1 << power;
    size_t quarter = (bytes - 1 - base) / (base / 4);
    *rounded = base + base / 4 * (quarter + 1);
    return 16 + (power - 8) * 4 + (uint32_t)quarter;
}

static void *pool_malloc(int bytes)
{
    size_t rounded = (size_t)bytes;
    uint32_t class = bytes > LARGE ? CLASSES : class_of((size_t)bytes, &rounded);
    header *h = NULL;
    if (class == CLASSES) {
        h = malloc(sizeof *h + rounded);
    } else if (spare[class]) {
        h = spare[class];
        spare[class] = h->next;
    } else {
        size_t needed = sizeof *h + rounded;
        if (left < needed) {
            block = malloc(BLOCK_BYTES);
            left = block ? BLOCK_BYTES : 0;
        }
        if (left >= needed) {
            h = (header *)(void *)block;
            block += needed;
            left -= needed;
        }
    }
    if (h == NULL) {
        return NULL;
    }
    h->of.bytes = (uint32_t)rounded;
    h->of.class = class;
    return h + 1;
}

static void pool_free(void *memory)
{
    if (memory) {
        header *h = (header *)memory - 1;
        uint32_t class = h->of.class;
        if (class == CLASSES) {
            free(h);
        } else {
            h->next = spare[class];
            spare[class] = h;
        }
    }
}

static int pool_size(void *memory)
{
    return memory ? (int)((header *)memory - 1)->of.bytes : 0;
}

static void *pool_realloc(void *memory, int bytes)
{
    if (bytes <= pool_size(memory)) {
        return memory;
    }
    void *grown = pool_malloc(bytes);
    if (grown && memory) {
        memcpy(grown, memory, (size_t)pool_size(memory));
        pool_free(memory);
    }
    return grown;
}

static int pool_round(int bytes)
{
    size_t rounded = (size_t)bytes;
    if (bytes <= LARGE) {
        (void)class_of((size_t)bytes, &rounded);
    }
    return (int)rounded;
}

static int pool_init(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void pool_shutdown(void *context)
{
    (void)context;
}

void pool_install(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    static const sqlite3_mem_methods methods = {pool_malloc, pool_free, pool_realloc,  pool_size,
                                                pool_round,  pool_init, pool_shutdown, NULL};
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
#else
    (void)pool_malloc;
    (void)pool_free;
    (void)pool_realloc;
    (void)pool_round;
    (void)pool_init;
    (void)pool_shutdown;
#endif
}
