#include "value.h"

#include "limits.h"

enum {
    TAG_NULL = 0x00,
    TAG_INTEGER_MAX = 0x08,
    TAG_REAL = 0x09,
    TAG_TEXT = 0x0a,
    TAG_BLOB = 0x0b,
    TAG_SMALL = 0x10,
    TAG_SHORT_TEXT = 0x80
};

#define SMALL_MAX        (TAG_SHORT_TEXT - TAG_SMALL - 1)
#define SHORT_TEXT_BYTES 128
#define NUMBER_BYTES_MAX 9

static uint64_t real_bits(double r)
{
    uint64_t bits;
    memcpy(&bits, &r, sizeof bits);
    return bits;
}

bool sync_value_same(const sync_value *a, const sync_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case SYNC_NULL:
        return true;
    case SYNC_INTEGER:
        return a->i == b->i;
    case SYNC_REAL:
        return real_bits(a->r) == real_bits(b->r);
    case SYNC_TEXT:
    case SYNC_BLOB:
        return a->bytes == b->bytes && (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
    }
    return false;
}

/* Bytes that hold v in two's complement, 1..8. */
static unsigned integer_bytes(int64_t v)
{
    uint64_t folded = (uint64_t)v ^ (v < 0 ? UINT64_MAX : 0); /* the sign bit must fit as well */
    return folded < 0x80 ? 1 : (unsigned)(64 - __builtin_clzll(folded)) / 8 + 1;
}

static void put_number(sync_buf *buf, uint8_t tag, uint64_t bits, unsigned bytes)
{
    if (sync_buf_room(buf, NUMBER_BYTES_MAX)) {
        uint8_t *to = buf->data + buf->len;
        *to++ = tag;
        for (unsigned shift = bytes * 8; shift > 0;) {
            shift -= 8;
            *to++ = (uint8_t)(bits >> shift);
        }
        buf->len = (size_t)(to - buf->data);
    }
}

static void put_integer(sync_buf *buf, int64_t v)
{
    if (v >= 0 && v <= SMALL_MAX) {
        sync_buf_put_u8(buf, (uint8_t)(TAG_SMALL + v));
    } else {
        unsigned bytes = integer_bytes(v);
        put_number(buf, (uint8_t)bytes, (uint64_t)v, bytes);
    }
}

void sync_value_put_head(sync_buf *buf, const sync_value *value)
{
    if (value->type == SYNC_TEXT && value->bytes < SHORT_TEXT_BYTES) {
        sync_buf_put_u8(buf, (uint8_t)(TAG_SHORT_TEXT + value->bytes));
    } else {
        sync_buf_put_u8(buf, value->type == SYNC_TEXT ? TAG_TEXT : TAG_BLOB);
        sync_buf_put_varint(buf, value->bytes);
    }
}

void sync_value_put(sync_buf *buf, const sync_value *value)
{
    switch (value->type) {
    case SYNC_INTEGER:
        put_integer(buf, value->i);
        return;
    case SYNC_REAL:
        put_number(buf, TAG_REAL, real_bits(value->r), 8);
        return;
    case SYNC_TEXT:
    case SYNC_BLOB:
        sync_value_put_head(buf, value);
        sync_buf_put(buf, value->data, value->bytes);
        return;
    case SYNC_NULL:
        break;
    }
    sync_buf_put_u8(buf, TAG_NULL);
}

static uint64_t get_bits(sync_span *span, unsigned bytes, bool extend)
{
    const uint8_t *at = sync_span_bytes(span, bytes);
    if (at == NULL) {
        return 0;
    }
    uint64_t bits = extend && at[0] >= 0x80 ? UINT64_MAX : 0;
    for (unsigned i = 0; i < bytes; i++) {
        bits = bits << 8 | at[i];
    }
    return bits;
}

static sync_value get_bytes(sync_span *span, sync_type type, size_t bytes_max)
{
    sync_value value = {.type = type}, none = {.type = SYNC_NULL};
    value.data = sync_span_blob(span, bytes_max, &value.bytes);
    return span->bad ? none : value;
}

sync_value sync_value_get_max(sync_span *span, size_t bytes_max)
{
    sync_value value = {.type = SYNC_NULL};
    uint8_t tag = sync_span_u8(span);
    if (tag >= TAG_SHORT_TEXT) {
        size_t bytes = tag - (size_t)TAG_SHORT_TEXT;
        if (bytes > bytes_max) {
            sync_span_fail(span, SIZE_MAX);
        }
        const uint8_t *data = sync_span_bytes(span, bytes);
        if (!span->bad) {
            value = (sync_value){.type = SYNC_TEXT, .bytes = bytes, .data = data};
        }
    } else if (tag >= TAG_SMALL) {
        value = (sync_value){.type = SYNC_INTEGER, .i = tag - TAG_SMALL};
    } else if (tag == TAG_REAL) {
        uint64_t bits = get_bits(span, 8, false);
        if (!span->bad) {
            value.type = SYNC_REAL;
            memcpy(&value.r, &bits, sizeof bits);
        }
    } else if (tag == TAG_TEXT) {
        value = get_bytes(span, SYNC_TEXT, bytes_max);
    } else if (tag == TAG_BLOB) {
        value = get_bytes(span, SYNC_BLOB, bytes_max);
    } else if (tag > TAG_INTEGER_MAX) {
        sync_span_fail(span, 0);
    } else if (tag != TAG_NULL) {
        uint64_t bits = get_bits(span, tag, true);
        if (!span->bad) {
            value = (sync_value){.type = SYNC_INTEGER, .i = (int64_t)bits};
        }
    }
    return value;
}

sync_value sync_value_get(sync_span *span)
{
    return sync_value_get_max(span, SYNC_VALUE_BYTES_MAX);
}
