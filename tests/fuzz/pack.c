/* Changesets out of bytes, and back. */
#include "pack.h"

#include "fuzz.h"

#include "codec_internal.h"

#include <zstd.h>

/* The smallest tables that zstd has: what counts here is how fast a context is made ready, not how small the frame gets. */
enum { WINDOW_LOG = 10, TABLE_LOG = 6, CHECK_BYTES = 4, SECOND_FORMAT = 0 };

static ZSTD_CCtx *compressor(void)
{
    static ZSTD_CCtx *zstd;
    if (zstd == NULL) {
        zstd = ZSTD_createCCtx();
        FUZZ_CHECK(zstd != NULL);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, WINDOW_LOG);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_hashLog, TABLE_LOG);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_chainLog, TABLE_LOG);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_strategy, ZSTD_fast);
    }
    return zstd;
}

static void put_frame(sync_buf *to, const uint8_t *contents, size_t bytes)
{
    bool second = bytes > 0 && contents[0] == SECOND_FORMAT;
    bool third = second && bytes > 1 && contents[1] == SECOND_FORMAT;
    contents += second + third;
    bytes -= second + third;
    size_t room = ZSTD_compressBound(bytes);
    sync_buf_put(to, SYNC_MAGIC_CHANGES, SYNC_MAGIC_BYTES);
    sync_buf_put_u8(to, third    ? SYNC_FORMAT_VERSION_SELECTION
                        : second ? SYNC_FORMAT_VERSION_WHOLE
                                 : SYNC_FORMAT_VERSION);
    FUZZ_CHECK(sync_buf_room(to, room));
    size_t size = ZSTD_compress2(compressor(), to->data + to->len, room, contents, bytes);
    FUZZ_CHECK(!ZSTD_isError(size));
    to->len += size;
}

/* The low half of FNV-1a 64 over what is there, as docs/FORMAT.md has it. */
static void put_check(sync_buf *to)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < to->len; i++) {
        hash = (hash ^ to->data[i]) * UINT64_C(0x100000001b3);
    }
    for (int shift = 24; shift >= 0; shift -= 8) {
        sync_buf_put_u8(to, (uint8_t)(hash >> shift));
    }
}

static bool begins(const void *data, size_t bytes, const char *magic)
{
    return bytes >= SYNC_PREAMBLE_BYTES && memcmp(data, magic, SYNC_MAGIC_BYTES) == 0;
}

const sync_buf *fuzz_pack(const void *data, size_t bytes)
{
    static sync_buf packed;
    sync_buf_reset(&packed);
    if (begins(data, bytes, SYNC_MAGIC_CHANGES)) {
        sync_buf_put(&packed, data, bytes);
    } else if (begins(data, bytes, SYNC_MAGIC_SEEN) && bytes >= SYNC_PREAMBLE_BYTES + CHECK_BYTES) {
        sync_buf_put(&packed, data, bytes - CHECK_BYTES);
        put_check(&packed);
    } else {
        put_frame(&packed, data, bytes);
    }
    FUZZ_CHECK(!packed.oom);
    return &packed;
}

bool fuzz_unpack(const void *blob, size_t bytes, sync_buf *contents)
{
    if (!begins(blob, bytes, SYNC_MAGIC_CHANGES)) {
        return false;
    }
    for (int format = SYNC_FORMAT_VERSION; format < ((const uint8_t *)blob)[SYNC_MAGIC_BYTES]; format++) {
        sync_buf_put_u8(contents, SECOND_FORMAT);
    }
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    ZSTD_inBuffer in = {(const uint8_t *)blob + SYNC_PREAMBLE_BYTES, bytes - SYNC_PREAMBLE_BYTES, 0};
    size_t left = 1;
    while (left > 0 && !ZSTD_isError(left) && sync_buf_room(contents, ZSTD_DStreamOutSize())) {
        ZSTD_outBuffer out = {contents->data, contents->cap, contents->len};
        left = ZSTD_decompressStream(zstd, &out, &in);
        if (out.pos == contents->len && in.pos == in.size) {
            break;
        }
        contents->len = out.pos;
    }
    ZSTD_freeDCtx(zstd);
    return left == 0 && !contents->oom;
}
