/* SQLite values outside SQLite: compared and encoded bit for bit. */
#ifndef SYNC_VALUE_H
#define SYNC_VALUE_H

#include "mem.h"

typedef enum sync_type {
    SYNC_NULL = 0,
    SYNC_INTEGER = 1,
    SYNC_REAL = 2,
    SYNC_TEXT = 3,
    SYNC_BLOB = 4
} sync_type;

/* One value. `data` is borrowed: it lives as long as what it was read from says. TEXT is any bytes (NUL,
 * invalid UTF-8 included). */
typedef struct sync_value {
    sync_type type;
    union {
        int64_t i;
        double r;
        size_t bytes; /* length of TEXT and BLOB */
    };
    const void *data; /* of TEXT and BLOB; may be NULL if bytes is 0 */
} sync_value;

/* Same type and same bits: 1 and 1.0 differ, 0.0 and -0.0 differ, text is compared bytewise. */
bool sync_value_same(const sync_value *a, const sync_value *b);

/* Appends one value. Encoding, by the first byte:
**   0x00        NULL
**   0x01..0x08  INTEGER in that many bytes, big endian, two's complement, the fewest that hold it
**   0x09        REAL, 8 bytes IEEE 754 big endian
**   0x0a        TEXT, varint length, bytes        (length >= 128)
**   0x0b        BLOB, varint length, bytes
**   0x10..0x7f  INTEGER 0..111
**   0x80..0xff  TEXT of 0..127 bytes, bytes
** Other first bytes are invalid. A decoder accepts integers in more bytes than needed. */
void sync_value_put(sync_buf *buf, const sync_value *value);

/* The same for a TEXT or BLOB without its bytes, for who brings these along otherwise. */
void sync_value_put_head(sync_buf *buf, const sync_value *value);

/* Reads one value; text and blobs are borrowed from the span. On bad input sets span->bad and gives NULL. */
sync_value sync_value_get(sync_span *span);

/* The same with a bound on the length of a text or blob, checked before its bytes are asked for. */
sync_value sync_value_get_max(sync_span *span, size_t bytes_max);

#endif
