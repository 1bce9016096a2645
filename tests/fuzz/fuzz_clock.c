/* A packed row clock, as it lies in a file that somebody may have written to: what can be read is packed and read again, and is the same.
** The first byte says which identity and epoch the table has. */
#include "fuzz.h"

#include "clock.h"
#include "status.h"

enum { SITES = 5, COLUMNS = 40, KEYS = 3 };

static const sync_bounds bounds = {SITES, COLUMNS, KEYS};
static sync_row first, second;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_same(const sync_row *a, const sync_row *b)
{
    FUZZ_CHECK(a->cl == b->cl && a->held == b->held && a->moved == b->moved);
    FUZZ_CHECK(sync_stamp_equal(a->stamp, b->stamp) && sync_stamp_equal(a->born, b->born));
    FUZZ_CHECK(!a->moved ||
               (a->number == b->number && a->birth == b->birth && sync_stamp_equal(a->since, b->since)));
    FUZZ_CHECK(a->count == b->count && a->ref_count == b->ref_count);
    for (uint32_t i = 0; i < a->count; i++) {
        const sync_cell *x = &a->cells[i], *y = &b->cells[i];
        FUZZ_CHECK(x->col == y->col && x->carried == y->carried && sync_stamp_equal(x->stamp, y->stamp));
        FUZZ_CHECK(!x->carried || sync_value_same(&x->value, &y->value));
        FUZZ_CHECK((i == 0 || x[-1].col < x->col) && x->col < COLUMNS && x->stamp.site < SITES);
    }
    for (uint32_t i = 0; i < a->ref_count; i++) {
        FUZZ_CHECK(a->refs[i].col == b->refs[i].col && a->refs[i].number == b->refs[i].number);
        FUZZ_CHECK(a->refs[i].col < COLUMNS || a->refs[i].col - SYNC_REF_KEY < KEYS);
        FUZZ_CHECK(sync_stamp_equal(a->refs[i].born, b->refs[i].born));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static sync_buf packed;
    if (bytes < 1) {
        return 0;
    }
    sync_identity identity = (data[0] & 1) != 0 ? SYNC_BY_ROW : SYNC_BY_KEY;
    uint64_t epoch = (data[0] & 2) != 0 ? UINT64_C(0x19c0ffee00000000) : 0;
    uint8_t *copy = malloc(bytes); /* a byte past its end is past the block's */
    FUZZ_CHECK(copy != NULL);
    for (size_t i = 1; i < bytes; i++) {
        copy[i] = data[i];
    }
    sync_stamp stamp;
    uint32_t covers;
    bool plain = sync_clock_get_insert(copy + 1, bytes - 1, epoch, SITES, &stamp, &covers);
    int rc = sync_clock_get(&first, copy + 1, bytes - 1, identity, epoch, &bounds);
    FUZZ_CHECK(rc == SYNC_OK || (rc == SYNC_CORRUPT && first.count == 0 && first.ref_count == 0));
    if (rc == SYNC_OK) {
        sync_buf_reset(&packed);
        sync_clock_put(&packed, &first, identity, epoch);
        FUZZ_CHECK(!packed.oom);
        FUZZ_CHECK(sync_clock_get(&second, packed.data, packed.len, identity, epoch, &bounds) == SYNC_OK);
        check_same(&first, &second);
    }
    if (plain) {
        FUZZ_CHECK(rc == (covers > COLUMNS ? SYNC_CORRUPT : SYNC_OK));
        FUZZ_CHECK(rc != SYNC_OK || (first.count == covers && sync_stamp_equal(first.stamp, stamp)));
    }
    free(copy);
    return 0;
}
