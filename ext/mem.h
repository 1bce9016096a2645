/* Memory of the engine: SQLite's allocator behind four functions, and two kinds of byte ranges. */
#ifndef SYNC_MEM_H
#define SYNC_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As malloc, realloc, free, over sqlite3_malloc64 so that a host's memory limits and faults apply. NULL when
** out of memory;
** sync_realloc then leaves the old block alone. Size 0 gives NULL. */
void *sync_alloc(size_t bytes);
void *sync_realloc(void *block, size_t bytes);
void sync_free(void *block);

/* A growing byte string. Zero-initialise before use, sync_buf_free after. Once an append fails for lack of
** memory `oom` stays set,
** later appends do nothing, and the owner checks once at the end. */
typedef struct sync_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool oom;
} sync_buf;

void sync_buf_free(sync_buf *buf);                                /* frees and zeroes; NULL data is fine */
void sync_buf_reset(sync_buf *buf);                               /* empties, keeps the block, clears oom */
void sync_buf_put(sync_buf *buf, const void *data, size_t bytes); /* data may be NULL if bytes is 0 */
void sync_buf_put_u8(sync_buf *buf, uint8_t byte);
void sync_buf_put_u64(sync_buf *buf, uint64_t v);    /* 8 bytes, big endian */
void sync_buf_put_varint(sync_buf *buf, uint64_t v); /* LEB128: 7 bits a byte, low first, 1..10 bytes */
void sync_buf_put_zigzag(sync_buf *buf, int64_t v);  /* (v << 1) ^ (v >> 63) as a varint */
void sync_buf_put_blob(sync_buf *buf, const void *data, size_t bytes); /* varint length, then the bytes */

/* A borrowed range of bytes that is being read. Every get checks the bound; a failed get sets `bad`, returns
** zero (or NULL),
** and all later gets do the same, so that a decoder may check once. */
typedef struct sync_span {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
} sync_span;

sync_span sync_span_of(const void *data, size_t bytes);
size_t sync_span_left(const sync_span *span);
uint8_t sync_span_u8(sync_span *span);
uint64_t sync_span_u64(sync_span *span);
uint64_t sync_span_varint(sync_span *span); /* over-long or overflowing encodings set bad */
int64_t sync_span_zigzag(sync_span *span);
const uint8_t *sync_span_bytes(sync_span *span, size_t bytes); /* borrowed */
const uint8_t *sync_span_blob(sync_span *span, size_t max,
                              size_t *bytes); /* varint length <= max, then the bytes */

#endif
