/* Messages of sync.v1 as bytes. */
#include "frame.h"

#include <endian.h>
#include <string.h>

enum { CHECK_BYTES = 8, FLAG_MORE = 1 };

typedef struct kind {
    const char *name;
    bool payload; /* may it have one? */
} kind;

static const kind kinds[SYNC_FRAME_TYPES] = {{"?", false}, /* no type */
#define SYNC_X(NAME, member, number, name, payload) [number] = {name, payload},
                                             SYNC_FRAMES(SYNC_X)
#undef SYNC_X
};

static const kind *kind_of(sync_frame_type type)
{
    return &kinds[type < SYNC_FRAME_TYPES && kinds[type].name != NULL ? type : 0];
}

const char *sync_frame_name(sync_frame_type type)
{
    return kind_of(type)->name;
}

sync_frame_text sync_frame_text_of(const char *string)
{
    return (sync_frame_text){string != NULL ? string : "", string != NULL ? strlen(string) : 0};
}

/* each step is a bijection of h, so that two inputs that differ in one word never meet again */
static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

uint64_t sync_frame_check(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint64_t h = 0x9e3779b97f4a7c15u ^ bytes;
    size_t left = bytes;
    uint64_t word;
    for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        h = mix(h, le64toh(word));
    }
    word = 0;
    for (size_t i = 0; i < left; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    return mix(h, word);
}

/* ---- writing */

static bool put_varint(sync_buf *buf, const sync_frame_varint *v)
{
    sync_buf_put_varint(buf, *v);
    return true;
}

static bool put_site(sync_buf *buf, const sync_frame_site *site)
{
    sync_buf_put(buf, site->id, sizeof site->id);
    return true;
}

static bool put_text(sync_buf *buf, const sync_frame_text *text)
{
    if (text->bytes > SYNC_FRAME_TEXT_MAX) {
        return false;
    }
    sync_buf_put_blob(buf, text->at, text->bytes);
    return true;
}

/* Type, flags and fields. False if a text is too long. */
static bool put_head(sync_buf *buf, const sync_frame *frame)
{
    bool fits = true;
    sync_buf_put_u8(buf, (uint8_t)frame->type);
    sync_buf_put_u8(buf, frame->more ? FLAG_MORE : 0);
    switch (frame->type) {
#define SYNC_FIELD(kind, name) fits &= put_##kind(buf, &fields->name);
#define SYNC_X(NAME, member, number, name, payload)                                                          \
    case SYNC_FRAME_##NAME: {                                                                                \
        const sync_frame_##member *fields = &frame->member;                                                  \
        (void)fields;                                                                                        \
        SYNC_FIELDS_##NAME(SYNC_FIELD) break;                                                                \
    }
        SYNC_FRAMES(SYNC_X)
#undef SYNC_X
#undef SYNC_FIELD
    default:
        fits = false;
    }
    return fits;
}

int sync_frame_put(sync_buf *buf, const sync_frame *frame)
{
    size_t before = buf->len;
    if (frame->payload_bytes > 0 && !kind_of(frame->type)->payload) {
        return SYNC_MISUSE;
    }
    bool fits = put_head(buf, frame);
    sync_buf_put(buf, frame->payload, frame->payload_bytes);
    if (!buf->oom) {
        sync_buf_put_u64(buf, sync_frame_check(buf->data + before, buf->len - before));
    }
    if (buf->oom) {
        buf->len = before;
        return SYNC_NOMEM;
    }
    if (!fits || buf->len - before > SYNC_FRAME_BYTES_MAX) {
        buf->len = before;
        return SYNC_TOOBIG;
    }
    return SYNC_OK;
}

/* ---- reading */

static bool get_varint(sync_span *span, sync_frame_varint *v)
{
    *v = sync_span_varint(span);
    return !span->bad;
}

static bool get_site(sync_span *span, sync_frame_site *site)
{
    const uint8_t *id = sync_span_bytes(span, sizeof site->id);
    if (id == NULL) {
        return false;
    }
    memcpy(site->id, id, sizeof site->id);
    return true;
}

static bool get_text(sync_span *span, sync_frame_text *text)
{
    const uint8_t *at = sync_span_blob(span, SYNC_FRAME_TEXT_MAX, &text->bytes);
    text->at = (const char *)at;
    return !span->bad;
}

static bool get_fields(sync_span *span, sync_frame *frame)
{
    switch (frame->type) {
#define SYNC_FIELD(kind, name) good &= get_##kind(span, &fields->name);
#define SYNC_X(NAME, member, number, name, payload)                                                          \
    case SYNC_FRAME_##NAME: {                                                                                \
        bool good = true;                                                                                    \
        sync_frame_##member *fields = &frame->member;                                                        \
        (void)fields;                                                                                        \
        SYNC_FIELDS_##NAME(SYNC_FIELD) return good;                                                          \
    }
        SYNC_FRAMES(SYNC_X)
#undef SYNC_X
#undef SYNC_FIELD
    default:
        return false;
    }
}

/* A later protocol may have changed everything behind the first field. */
static bool from_the_future(sync_span span, const sync_frame *frame, sync_frame_varint *protocol)
{
    return frame->type == SYNC_FRAME_ANNOUNCE && get_varint(&span, protocol) &&
           *protocol > SYNC_PROTOCOL_VERSION;
}

static bool is_reason(uint64_t reason)
{
    return (reason > 0 && reason < SYNC_REJECT_REASONS) ||
           (reason > SYNC_REJECT_ERROR && reason <= SYNC_REJECT_ERROR + SYNC_PEER_ERROR_FORBIDDEN);
}

static int check_values(const sync_frame *frame, sync_error *error)
{
    if (frame->type == SYNC_FRAME_CHANGES && frame->changes.kind >= SYNC_CHANGES_KINDS) {
        return sync_fail(error, SYNC_CORRUPT, "Changes of an unknown kind");
    }
    if (frame->type == SYNC_FRAME_APPLY && frame->apply.kind >= SYNC_CHANGES_HOLDS) {
        return sync_fail(error, SYNC_CORRUPT, "ApplyChangesOnPrimary of an unknown kind");
    }
    if (frame->type == SYNC_FRAME_REJECT && !is_reason(frame->reject.reason)) {
        return sync_fail(error, SYNC_CORRUPT, "RejectChanges with an unknown reason");
    }
    if (frame->type == SYNC_FRAME_SNAPSHOT && frame->snapshot.hash.bytes != 0 &&
        frame->snapshot.hash.bytes != SYNC_SNAPSHOT_HASH_BYTES) {
        return sync_fail(error, SYNC_CORRUPT, "Snapshot with a hash of %zu bytes",
                         frame->snapshot.hash.bytes);
    }
    if (frame->more && frame->payload_bytes == 0) {
        return sync_fail(error, SYNC_CORRUPT, "an empty piece of %s", sync_frame_name(frame->type));
    }
    return SYNC_OK;
}

int sync_frame_get(const void *data, size_t bytes, sync_frame *frame, sync_error *error)
{
    memset(frame, 0, sizeof *frame);
    if (bytes > SYNC_FRAME_BYTES_MAX) {
        return sync_fail(error, SYNC_TOOBIG, "a message of %zu bytes", bytes);
    }
    if (bytes < 2 + CHECK_BYTES) {
        return sync_fail(error, SYNC_CORRUPT, "a truncated message");
    }
    size_t body = bytes - CHECK_BYTES;
    sync_span tail = sync_span_of((const uint8_t *)data + body, CHECK_BYTES);
    if (sync_span_u64(&tail) != sync_frame_check(data, body)) {
        return sync_fail(error, SYNC_CORRUPT, "a damaged message (its check does not match)");
    }
    sync_span span = sync_span_of(data, body);
    frame->type = (sync_frame_type)sync_span_u8(&span);
    uint8_t flags = sync_span_u8(&span);
    sync_frame_varint protocol = 0;
    if (from_the_future(span, frame, &protocol)) {
        frame->announce.protocol = protocol;
        return sync_fail(error, SYNC_FORMAT,
                         "the other side speaks version %llu of the protocol, this is version %d",
                         (unsigned long long)protocol, SYNC_PROTOCOL_VERSION);
    }
    if (frame->type == 0 || kind_of(frame->type) == &kinds[0]) {
        return sync_fail(error, SYNC_CORRUPT, "a message of unknown type %d", (int)frame->type);
    }
    if (!get_fields(&span, frame)) {
        return sync_fail(error, SYNC_CORRUPT, "%s with fields cut short", sync_frame_name(frame->type));
    }
    frame->more = (flags & FLAG_MORE) != 0;
    frame->payload_bytes = sync_span_left(&span);
    frame->payload = span.at;
    bool payload = frame->payload_bytes > 0 || frame->more;
    if ((flags & ~FLAG_MORE) != 0 || (payload && !kind_of(frame->type)->payload)) {
        return sync_fail(error, SYNC_CORRUPT, "%s with something behind its fields",
                         sync_frame_name(frame->type));
    }
    return check_values(frame, error);
}
