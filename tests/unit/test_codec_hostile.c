/* Bytes that are no changeset, or not any more. */
#include "codec_samples.h"

/* ---- malformed ---- */

/* A changeset's frame, decompressed; malloc'd. */
static uint8_t *unpack(const void *blob, size_t bytes, size_t *raw_bytes)
{
    size_t cap = 1 << 20;
    uint8_t *raw = malloc(cap);
    assert_non_null(raw);
    *raw_bytes = ZSTD_decompress(raw, cap, (const uint8_t *)blob + PREAMBLE, bytes - PREAMBLE);
    assert_false(ZSTD_isError(*raw_bytes));
    return raw;
}

typedef struct packer {
    ZSTD_CCtx *zstd;
    uint8_t blob[1 << 16];
} packer;

static void start_packing(packer *p, int checksum)
{
    p->zstd = ZSTD_createCCtx();
    assert_non_null(p->zstd);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, checksum)));
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, 1)));
    memcpy(p->blob, "SYNC\x01", PREAMBLE);
}

static int read_packed(packer *p, const void *raw, size_t bytes)
{
    size_t size = ZSTD_compress2(p->zstd, p->blob + PREAMBLE, sizeof p->blob - PREAMBLE, raw, bytes);
    assert_false(ZSTD_isError(size));
    uint32_t rows = 0;
    return read_all(p->blob, size + PREAMBLE, 1 << 20, &rows);
}

/* Contents that are wrong under a right checksum. */
static void test_malformed_contents(void **state)
{
    (void)state;
    leaf_seed(13);
    sync_encoder *e = sync_encoder_new(1);
    static packer p;
    start_packing(&p, 1);
    assert_non_null(e);
    int accepted = 0;
    for (int i = 0; i < 2; i++) {
        changes c = {0};
        make_changes(&c, 5, TABLES - 1, i % 2 == 0);
        const void *out = NULL;
        size_t bytes = 0;
        size_t raw_bytes = 0;
        assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
        uint8_t *raw = unpack(out, bytes, &raw_bytes);
        assert_int_equal(read_packed(&p, raw, raw_bytes), SYNC_DONE);
        for (size_t cut = 0; cut < raw_bytes; cut++) {
            assert_int_equal(read_packed(&p, raw, cut), SYNC_CORRUPT);
        }
        raw[raw_bytes] = 0;
        assert_int_equal(read_packed(&p, raw, raw_bytes + 1), SYNC_CORRUPT);
        for (size_t bit = 0; bit < raw_bytes * 8; bit++) {
            raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
            int rc = read_packed(&p, raw, raw_bytes);
            assert_true(rc == SYNC_DONE || rc == SYNC_CORRUPT || rc == SYNC_TOOBIG);
            accepted += rc == SYNC_DONE;
            raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(raw);
        free_changes(&c);
    }
    assert_int_not_equal(accepted, 0);
    ZSTD_freeCCtx(p.zstd);
    sync_encoder_free(e);
}

static void test_damaged_on_the_way(void **state)
{
    (void)state;
    leaf_seed(14);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    changes c = {0};
    make_changes(&c, 6, TABLES - 1, true);
    const void *out = NULL;
    size_t bytes = 0;
    uint32_t rows = 0;
    assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
    uint8_t *blob = malloc(bytes + 1);
    assert_non_null(blob);
    memcpy(blob, out, bytes);
    assert_int_equal(read_all(blob, bytes, 1 << 20, &rows), SYNC_DONE);
    for (size_t cut = 0; cut < bytes; cut++) {
        assert_int_equal(read_all(blob, cut, 1 << 20, &rows), SYNC_CORRUPT);
    }
    blob[bytes] = 1;
    assert_int_equal(read_all(blob, bytes + 1, 1 << 20, &rows), SYNC_CORRUPT);
    blob[bytes] = 0;
    assert_int_equal(read_all(blob, bytes + 1, 1 << 20, &rows), SYNC_DONE); /* padding */
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int rc = read_all(blob, bytes, 1 << 20, &rows);
        assert_int_not_equal(rc, SYNC_ROW);
        if (bit / 8 == 4) {
            assert_int_equal(rc, bit % 8 < 2 ? SYNC_CORRUPT : SYNC_FORMAT); /* 0, and 3 */
        } else if (rc == SYNC_DONE) {
            /* Only what zstd itself ignores (an unused bit of its header, a hint) leaves the contents whole. */
            assert_decodes(&c, blob, bytes);
        }
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(blob);
    free_changes(&c);
    sync_encoder_free(e);
}

static void test_frames_that_are_refused(void **state)
{
    (void)state;
    leaf_seed(15);
    sync_encoder *e = sync_encoder_new(SYNC_ZSTD_LEVEL);
    assert_non_null(e);
    changes c = {0};
    make_changes(&c, 3, TABLES, true);
    const void *out = NULL;
    size_t bytes = 0;
    size_t raw_bytes = 0;
    assert_int_equal(encode(e, &c, &out, &bytes, NULL), SYNC_OK);
    uint8_t *raw = unpack(out, bytes, &raw_bytes);
    static packer p;
    start_packing(&p, 0);
    assert_int_equal(read_packed(&p, raw, raw_bytes), SYNC_CORRUPT); /* no checksum */
    ZSTD_freeCCtx(p.zstd);
    start_packing(&p, 1);
    assert_false(
        ZSTD_isError(ZSTD_CCtx_setParameter(p.zstd, ZSTD_c_windowLog, SYNC_ZSTD_WINDOW_LOG_MAX + 1)));
    ZSTD_inBuffer in = {raw, raw_bytes, 0};
    ZSTD_outBuffer frame = {p.blob + PREAMBLE, sizeof p.blob - PREAMBLE, 0};
    assert_false(ZSTD_isError(ZSTD_compressStream2(p.zstd, &frame, &in, ZSTD_e_continue)));
    assert_int_equal(ZSTD_compressStream2(p.zstd, &frame, &in, ZSTD_e_end), 0);
    uint32_t rows = 0;
    assert_int_equal(read_all(p.blob, frame.pos + PREAMBLE, 1 << 20, &rows), SYNC_TOOBIG);
    ZSTD_freeCCtx(p.zstd);
    free(raw);
    free_changes(&c);
    sync_encoder_free(e);
}

/* Contents made by hand: sites, tables, base, start, part, delta, items. */
#define SITE_A  "aaaaaaaaaaaaaaaa"
#define SITE_B  "bbbbbbbbbbbbbbbb"
#define SITES_1 "\x01" SITE_A
#define TABLE_T "\x01t\x00\x01\x01k\x00\x00\x02\x01x\x01y"
#define REST    "\x00\x00\x00\x00\x00\x00"
#define END     "\x00\x00"
#define CASE(s, code)                                                                                        \
    {                                                                                                        \
        s, sizeof s - 1, code                                                                                \
    }
static const struct {
    const char *raw;
    size_t bytes;
    int code;
} head_cases[] = {
    CASE(SITES_1 "\x01" TABLE_T REST END, SYNC_DONE),
    CASE("\x00\x00\x00" END, SYNC_CORRUPT),                                 /* nobody's */
    CASE("\x02" SITE_A SITE_A "\x00\x00" END, SYNC_CORRUPT),                /* one site twice */
    CASE("\x02" SITE_A SITE_B "\x00\x00\x00" END, SYNC_DONE),               /* no tables */
    CASE(SITES_1 "\x02" TABLE_T TABLE_T REST "\x00\x00" END, SYNC_CORRUPT), /* one table twice */
    CASE(SITES_1 "\x01\x01t\x00\x01\x01k\x00\x00\x02\x01x\x01x" REST END,
         SYNC_CORRUPT), /* one column twice */
    CASE(SITES_1 "\x01\x01t\x00\x02\x01k\x01k\x00\x00\x00\x00\x00" REST END,
         SYNC_CORRUPT),                                                     /* one key part twice */
    CASE(SITES_1 "\x01\x01t\x00\x00\x02\x01x\x01y" REST END, SYNC_CORRUPT), /* no key */
    CASE(SITES_1 "\x01\x01t\x02\x01\x01k\x00\x00\x02\x01x\x01y" REST END,
         SYNC_CORRUPT), /* no such identity */
    CASE(SITES_1 "\x01\x01t\x00\x01\x01k\x03\x06NOCASE\x02\x01x\x01y" REST END, SYNC_DONE),
    CASE(SITES_1 "\x01\x01t\x00\x01\x01k\x04\x00\x02\x01x\x01y" REST END,
         SYNC_CORRUPT), /* no such affinity */
    CASE(SITES_1 "\x01\x01t\x00\x01\x01k\x00\x01\x00\x02\x01x\x01y" REST END,
         SYNC_CORRUPT),                                                     /* a collation with a zero */
    CASE(SITES_1 "\x01\x01t\x00\x01\x01k\x00\x81\x08" SITE_A, SYNC_TOOBIG), /* a collation of 1025 bytes */
    CASE(SITES_1 "\x01\x01\x00\x00\x01\x01k\x00\x00\x02\x01x\x01y" REST END,
         SYNC_CORRUPT),                               /* a name with a zero */
    CASE("\x81\x80\x04", SYNC_TOOBIG),                /* 65537 sites */
    CASE(SITES_1 "\x81\x20", SYNC_TOOBIG),            /* 4097 tables */
    CASE(SITES_1 "\x01\x81\x08" SITE_A, SYNC_TOOBIG), /* a name of 1025 bytes */
    CASE(SITES_1 "\x01" TABLE_T "\x00\x00\x00\x00\x80\x80\x80\x80\x10\x00" END, SYNC_CORRUPT), /* part 2^32 */
    CASE(SITES_1 "\x01" TABLE_T "\x00\x00\x00\x00\x00\x80\x80\x80\x80\x10" END,
         SYNC_CORRUPT),                                                     /* delta 2^32 */
    CASE(SITES_1 "\x01" TABLE_T REST "\x00\x01", SYNC_CORRUPT),             /* not as many rows */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x01" END, SYNC_CORRUPT),         /* no such table */
    CASE(SITES_1 "\x01" TABLE_T REST "\x7f" END, SYNC_CORRUPT),             /* no such item */
    CASE(SITES_1 "\x01" TABLE_T REST "\xc4\x10\x02\x00\x01", SYNC_CORRUPT), /* a row of no table */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xc4\x10\x02\x00\x01", SYNC_DONE),
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xe4\x10\x02\x00\x01", SYNC_CORRUPT),     /* dead and full */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xc0\x10\x01\x02\x00\x01", SYNC_CORRUPT), /* no such site */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xc6\x10\x02\x03\x00\x01", SYNC_CORRUPT), /* dead, but odd */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xcc\x10\x00\x00\x01", SYNC_CORRUPT),     /* no stamp at all */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\xc5\x01\x10\x02\x00\x00\x01", SYNC_CORRUPT), /* born by key */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x94\x10\x02\x01\x08\x10\x00\x01", SYNC_CORRUPT), /* column 2 */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x94\x10\x02\x01\x04\x10\x00\x01", SYNC_DONE),
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x94\x10\x02\x01\x02\x10\x00\x01",
         SYNC_CORRUPT), /* repeats none */
    /* what a column or a key part that is not there refers to */
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x95\x04\x10\x02\x01\x02\x06\x00\x00\x00\x01", SYNC_DONE),
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x95\x04\x10\x02\x01\x04\x06\x00\x00\x00\x01", SYNC_CORRUPT),
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x95\x04\x10\x02\x01\x01\x06\x00\x00\x00\x01", SYNC_DONE),
    CASE(SITES_1 "\x01" TABLE_T REST "\x01\x00\x95\x04\x10\x02\x01\x03\x06\x00\x00\x00\x01", SYNC_CORRUPT),
    /* identity row: since above the stamp, and cl 3 */
    CASE(SITES_1 "\x01\x01t\x01\x01\x01k\x00\x00\x00" REST "\x01\x00\x95\x02\x10\x0a\x02\x02\x02\x00\x00\x01",
         SYNC_CORRUPT),
    CASE(SITES_1 "\x01\x01t\x01\x01\x01k\x00\x00\x00" REST "\x01\x00\x95\x02\x10\x0a\x02\x02\x00\x00\x00\x01",
         SYNC_DONE),
    CASE(SITES_1 "\x01\x01t\x01\x01\x01k\x00\x00\x00" REST "\x01\x00\x96\x10\x0a\x03\x00\x00\x01",
         SYNC_CORRUPT),
};

/* The same in format 2: behind the delta whole tables, floor, held. */
#define WHOLE(lives, floor) "\x00\x00\x00\x00\x00\x00" lives floor "\x07\x00"
static const struct {
    const char *raw;
    size_t bytes;
    int code;
} whole_cases[] = {
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x03", "\x05\x00") END, SYNC_DONE),
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x02", "\x00\x00") END, SYNC_DONE),
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x03", "\x00\x00") END,
         SYNC_CORRUPT), /* whole, and nothing forgotten */
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x02", "\x05\x00") END, SYNC_CORRUPT), /* forgotten, and not whole */
    CASE(SITES_1 "\x01" TABLE_T REST "\x02" END, SYNC_CORRUPT),               /* cut short */
    CASE("\x02" SITE_A SITE_B "\x00\x00\x00" END, SYNC_DONE),                 /* no tables */
    /* a row that is merely named; an origin; one of a row that is dead, or does not say that it exists */
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x03", "\x05\x00") "\x01\x00\x84\x10\x02\x00\x00\x01", SYNC_DONE),
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x02", "\x00\x00") "\x01\x00\x95\x01\x10\x02\x02\x01\x00\x00\x01",
         SYNC_DONE),
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x02", "\x00\x00") "\x01\x00\xc5\x01\x10\x02\x02\x01\x00\x01",
         SYNC_CORRUPT),
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x02", "\x00\x00") "\x01\x00\x85\x01\x10\x02\x02\x01\x00\x00\x01",
         SYNC_CORRUPT),
    CASE(SITES_1 "\x01" TABLE_T WHOLE("\x02", "\x00\x00") "\x01\x00\x95\x01\x10\x02\x04\x01\x00\x00\x01",
         SYNC_CORRUPT),
};

static void test_whole_tables(void **state)
{
    (void)state;
    static packer p;
    start_packing(&p, 1);
    p.blob[PREAMBLE - 1] = SYNC_FORMAT_VERSION_WHOLE;
    for (size_t i = 0; i < sizeof whole_cases / sizeof whole_cases[0]; i++) {
        int rc = read_packed(&p, whole_cases[i].raw, whole_cases[i].bytes);
        if (rc != whole_cases[i].code) {
            fail_msg("case %zu: %d, not %d", i, rc, whole_cases[i].code);
        }
    }
    ZSTD_freeCCtx(p.zstd);
}

static void test_heads_that_are_refused(void **state)
{
    (void)state;
    static packer p;
    start_packing(&p, 1);
    for (size_t i = 0; i < sizeof head_cases / sizeof head_cases[0]; i++) {
        int rc = read_packed(&p, head_cases[i].raw, head_cases[i].bytes);
        if (rc != head_cases[i].code) {
            fail_msg("case %zu: %d, not %d", i, rc, head_cases[i].code);
        }
    }
    ZSTD_freeCCtx(p.zstd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_contents),
        cmocka_unit_test(test_damaged_on_the_way),
        cmocka_unit_test(test_frames_that_are_refused),
        cmocka_unit_test(test_heads_that_are_refused),
        cmocka_unit_test(test_whole_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
