#include "mem.h"

#include "sqlite.h"

#define BUF_BYTES_MIN 64

void *sync_alloc(size_t bytes)
{
    return bytes > 0 ? sqlite3_malloc64(bytes) : NULL;
}

void *sync_realloc(void *block, size_t bytes)
{
    return bytes > 0 ? sqlite3_realloc64(block, bytes) : NULL;
}

void sync_free(void *block)
{
    sqlite3_free(block);
}

void sync_buf_free(sync_buf *buf)
{
    sync_free(buf->data);
    *buf = (sync_buf){0};
}

void sync_buf_reset(sync_buf *buf)
{
    buf->len = 0;
    buf->oom = false;
}

bool sync_buf_grow(sync_buf *buf, size_t bytes)
{
    if (buf->oom) {
        return false;
    }
    if (bytes > SIZE_MAX / 2 - buf->len) {
        buf->oom = true;
        return false;
    }
    size_t need = buf->len + bytes;
    size_t cap = buf->cap > BUF_BYTES_MIN / 2 ? buf->cap * 2 : BUF_BYTES_MIN;
    if (cap < need) {
        cap = need;
    }
    uint8_t *data = sync_realloc(buf->data, cap);
    if (data == NULL && cap > need) {
        cap = need;
        data = sync_realloc(buf->data, cap);
    }
    if (data == NULL) {
        buf->oom = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void sync_buf_put_u64(sync_buf *buf, uint64_t v)
{
    if (sync_buf_room(buf, 8)) {
        for (int shift = 56; shift >= 0; shift -= 8) {
            buf->data[buf->len++] = (uint8_t)(v >> shift);
        }
    }
}

void sync_buf_put_blob(sync_buf *buf, const void *data, size_t bytes)
{
    sync_buf_put_varint(buf, bytes);
    sync_buf_put(buf, data, bytes);
}

void sync_span_fail(sync_span *span, size_t want)
{
    if (!span->bad) {
        span->bad = true;
        span->want = want;
        span->at = span->end;
    }
}

uint64_t sync_span_u64(sync_span *span)
{
    const uint8_t *at = sync_span_bytes(span, 8);
    uint64_t v = 0;
    for (int i = 0; at != NULL && i < 8; i++) {
        v = v << 8 | at[i];
    }
    return v;
}

uint64_t sync_span_varint_long(sync_span *span)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (span->at == span->end) {
            sync_span_fail(span, 1);
            return 0;
        }
        uint8_t byte = *span->at++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            bool over = (shift == 63 && byte > 1) || (shift > 0 && byte == 0);
            if (over) {
                sync_span_fail(span, 0);
            }
            return over ? 0 : v;
        }
    }
    sync_span_fail(span, 0);
    return 0;
}

const uint8_t *sync_span_blob(sync_span *span, size_t max, size_t *bytes)
{
    uint64_t length = sync_span_varint(span);
    *bytes = 0;
    if (length > max) {
        sync_span_fail(span, SIZE_MAX);
        return NULL;
    }
    const uint8_t *at = sync_span_bytes(span, (size_t)length);
    if (at != NULL) {
        *bytes = (size_t)length;
    }
    return at;
}
