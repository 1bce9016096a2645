/* Seen blobs: what a file holds, as bytes. */
#include "codec_internal.h"

#define CHECK_BYTES 4

/* Low half of FNV-1a 64. */
static uint32_t check_of(const uint8_t *bytes, size_t count)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return (uint32_t)hash;
}

int sync_seen_put(sync_buf *buf, const sync_head *head)
{
    size_t from = buf->len;
    sync_buf_put(buf, SYNC_MAGIC_SEEN, SYNC_MAGIC_BYTES);
    sync_buf_put_u8(buf, SYNC_FORMAT_VERSION);
    int rc = sync_head_put(buf, head, SYNC_HEAD_SEEN, NULL);
    if (rc == SYNC_OK && !buf->oom) {
        uint32_t check = check_of(buf->data + from, buf->len - from);
        for (int shift = 24; shift >= 0; shift -= 8) {
            sync_buf_put_u8(buf, (uint8_t)(check >> shift));
        }
    }
    if (rc == SYNC_OK && buf->oom) {
        rc = SYNC_NOMEM;
    }
    if (rc != SYNC_OK) {
        buf->len = from;
    }
    return rc;
}

int sync_seen_get(const void *blob, size_t bytes, sync_head *head, sync_error *error)
{
    sync_head_kind kind;
    *head = (sync_head){0};
    int rc = sync_preamble_check(blob, bytes, SYNC_MAGIC_SEEN, &kind, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    if (bytes < SYNC_PREAMBLE_BYTES + CHECK_BYTES) {
        return sync_fail(error, SYNC_CORRUPT, "sync_seen blob: it is cut short");
    }
    const uint8_t *at = blob;
    size_t body = bytes - CHECK_BYTES;
    uint32_t check = 0;
    for (size_t i = body; i < bytes; i++) {
        check = check << 8 | at[i];
    }
    if (check != check_of(at, body)) {
        return sync_fail(error, SYNC_CORRUPT, "sync_seen blob: the checksum does not match");
    }
    sync_span span = sync_span_of(at + SYNC_PREAMBLE_BYTES, body - SYNC_PREAMBLE_BYTES);
    rc = sync_head_get(&span, head, kind);
    if (rc == SYNC_OK && sync_span_left(&span) > 0) {
        sync_head_free(head);
        rc = SYNC_CORRUPT;
    }
    if (rc == SYNC_OK) {
        return SYNC_OK;
    }
    return sync_fail(error, rc, "sync_seen blob: %s",
                     rc == SYNC_NOMEM ? "out of memory" : "the contents are malformed");
}
