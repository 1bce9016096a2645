/* Memory of the engine: SQLite's allocator behind four functions, and two kinds of byte ranges. */
#ifndef SYNC_MEM_H
#define SYNC_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

void sync_buf_free(sync_buf *buf);  /* frees and zeroes; NULL data is fine */
void sync_buf_reset(sync_buf *buf); /* empties, keeps the block, clears oom */

/* Makes room for `bytes` more; false (and oom) if there is no memory. Use sync_buf_room, which is inline. */
bool sync_buf_grow(sync_buf *buf, size_t bytes);

static inline bool sync_buf_room(sync_buf *buf, size_t bytes)
{
    return (buf->cap - buf->len >= bytes && !buf->oom) || sync_buf_grow(buf, bytes);
}

/* data may be NULL if bytes is 0 */
static inline void sync_buf_put(sync_buf *buf, const void *data, size_t bytes)
{
    if (bytes > 0 && sync_buf_room(buf, bytes)) {
        memcpy(buf->data + buf->len, data, bytes);
        buf->len += bytes;
    }
}

static inline void sync_buf_put_u8(sync_buf *buf, uint8_t byte)
{
    if (sync_buf_room(buf, 1)) {
        buf->data[buf->len++] = byte;
    }
}

#define SYNC_VARINT_BYTES_MAX 10

/* Writes a varint at `to`, which has room for SYNC_VARINT_BYTES_MAX; returns its end. */
static inline uint8_t *sync_varint_write(uint8_t *to, uint64_t v)
{
    while (v >= 0x80) {
        *to++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *to++ = (uint8_t)v;
    return to;
}

/* LEB128: 7 bits a byte, low first, 1..10 bytes */
static inline void sync_buf_put_varint(sync_buf *buf, uint64_t v)
{
    if (sync_buf_room(buf, SYNC_VARINT_BYTES_MAX)) {
        buf->len = (size_t)(sync_varint_write(buf->data + buf->len, v) - buf->data);
    }
}

/* (v << 1) ^ (v >> 63) as a varint */
static inline void sync_buf_put_zigzag(sync_buf *buf, int64_t v)
{
    sync_buf_put_varint(buf, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

void sync_buf_put_u64(sync_buf *buf, uint64_t v);                      /* 8 bytes, big endian */
void sync_buf_put_blob(sync_buf *buf, const void *data, size_t bytes); /* varint length, then the bytes */

/* A borrowed range of bytes that is being read. Every get checks the bound; a failed get sets `bad`, returns
** zero (or NULL), and all later gets do the same, so that a decoder may check once.
** `want` tells why it is bad: 0: malformed, no further bytes can help; SIZE_MAX: a length above its maximum;
** otherwise the range ended at least that many bytes too early. */
typedef struct sync_span {
    const uint8_t *at;
    const uint8_t *end; /* once bad: equal to `at` */
    bool bad;
    size_t want;
} sync_span;

static inline sync_span sync_span_of(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    return (sync_span){at, bytes > 0 ? at + bytes : at, false, 0};
}

static inline size_t sync_span_left(const sync_span *span)
{
    return (size_t)(span->end - span->at);
}

/* Makes the span bad, unless it is already, for the given reason. */
void sync_span_fail(sync_span *span, size_t want);

static inline uint8_t sync_span_u8(sync_span *span)
{
    if (span->at == span->end) {
        sync_span_fail(span, 1);
        return 0;
    }
    return *span->at++;
}

uint64_t sync_span_u64(sync_span *span);
uint64_t sync_span_varint_long(sync_span *span); /* the general case of sync_span_varint */

/* over-long or overflowing encodings set bad */
static inline uint64_t sync_span_varint(sync_span *span)
{
    if (span->at < span->end && *span->at < 0x80) {
        return *span->at++;
    }
    return sync_span_varint_long(span);
}

static inline int64_t sync_span_zigzag(sync_span *span)
{
    uint64_t v = sync_span_varint(span);
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

/* borrowed; also for 0 bytes not NULL, unless the span is bad (or of NULL) */
static inline const uint8_t *sync_span_bytes(sync_span *span, size_t bytes)
{
    if (span->bad || sync_span_left(span) < bytes) {
        sync_span_fail(span, bytes - sync_span_left(span));
        return NULL;
    }
    const uint8_t *at = span->at;
    span->at += bytes;
    return at;
}

/* FNV-1a 32, for hash tables: nothing that is stored depends on it. */
static inline uint32_t sync_hash(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ at[i]) * 16777619u;
    }
    return hash;
}

/* varint length <= max, then the bytes; *bytes is 0 if it fails */
const uint8_t *sync_span_blob(sync_span *span, size_t max, size_t *bytes);

#endif
