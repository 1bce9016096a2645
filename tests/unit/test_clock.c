/* Stamps, row states, and row clocks: every state survives packing, nothing malformed does harm. */
#include "leaf_rows.h"

#include "leaf_fault.h"

#define SITES 5

static const uint8_t ids[SITES][SYNC_SITE_BYTES] = {{0}, {9}, {3}, {3, 1}, {0, 0, 7}};
static const sync_sites sites = {SITES, ids};
static const sync_bounds bounds = {SITES, SYNC_COLUMNS_MAX, SYNC_KEY_COLUMNS_MAX};
static const uint64_t epochs[] = {0, UINT64_C(1763000000000) << 16, UINT64_MAX};

static void test_stamp_order(void **state)
{
    (void)state;
    /* none < genesis < written; then time; then the bytes of the site, not its number */
    const sync_stamp order[] = {SYNC_STAMP_NONE, {1, 1, 0}, {900, 2, 0}, {0, 4, 1}, {1, 4, 1},
                                {1, 2, 1},       {1, 3, 1}, {1, 1, 1},   {2, 4, 1}};
    int count = (int)(sizeof order / sizeof order[0]);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            int got = sync_stamp_compare(&sites, order[i], order[j]);
            assert_int_equal((got > 0) - (got < 0), (i > j) - (i < j));
            assert_int_equal(sync_stamp_equal(order[i], order[j]), i == j);
        }
        assert_int_equal(sync_stamp_is_none(order[i]), i == 0);
    }
}

static void test_hlc_follows_the_wall_clock(void **state)
{
    (void)state;
    assert_true(sync_hlc_next(0, 5, 9) == 5 << 16);
    assert_true(sync_hlc_next(0, 9, 5) == 5 << 16);                   /* never from the future */
    assert_true(sync_hlc_next(5 << 16, 5, 9) == (5 << 16) + 1);       /* strictly increasing */
    assert_true(sync_hlc_next((7 << 16) + 3, 5, 9) == (7 << 16) + 4); /* above what was seen */
    assert_true(sync_hlc_next((5 << 16) + 0xffff, 5, 9) == 6 << 16);  /* the counter runs over */
    assert_true(sync_hlc_next(7, -1, 9) == 8);                        /* a clock before 1970 */
    assert_true(sync_hlc_next(0, INT64_MAX, INT64_MAX) == UINT64_MAX >> 16 << 16);
}

static void test_cells_keep_their_order(void **state)
{
    (void)state;
    leaf_seed(3);
    sync_row row = {0};
    uint64_t written[40] = {0};
    for (int i = 0; i < 200; i++) {
        uint32_t col = leaf_below(40);
        written[col] = (uint64_t)i + 1;
        sync_cell *cell = sync_row_set(&row, col, (sync_stamp){(uint64_t)i + 1, 1, 1});
        assert_non_null(cell);
        assert_false(cell->carried);
        cell->carried = true;
    }
    for (uint32_t i = 1; i < row.count; i++) {
        assert_true(row.cells[i - 1].col < row.cells[i].col);
    }
    for (uint32_t col = 0; col < 40; col++) {
        const sync_cell *cell = sync_row_find(&row, col);
        assert_int_equal(cell != NULL ? cell->stamp.hlc : 0, written[col]);
    }
    sync_row copy = {0};
    assert_int_equal(sync_row_add_ref(&row, (sync_ref){SYNC_REF_KEY, 5, {1, 1, 1}}), SYNC_OK);
    assert_int_equal(sync_row_copy(&copy, &row), SYNC_OK);
    leaf_assert_row(&copy, &row);
    sync_row_reset(&row);
    assert_int_equal(row.count, 0);
    assert_int_equal(row.ref_count, 0);
    fault_arm(0);
    sync_row other = {0};
    assert_null(sync_row_set(&other, 0, SYNC_STAMP_NONE));
    assert_int_equal(sync_row_add_ref(&other, (sync_ref){0}), SYNC_NOMEM);
    assert_int_equal(sync_row_copy(&other, &copy), SYNC_NOMEM);
    assert_true(fault_disarm());
    assert_int_equal(other.count, 0);
    sync_row_free(&other);
    sync_row_free(&copy);
    sync_row_free(&row);
    assert_null(row.cells);
}

/* Any state that a file can be in, and some that it cannot. */
static void make_state(sync_row *row, sync_identity identity)
{
    leaf_life(row, identity, SITES);
    if (leaf_chance(30)) {
        row->stamp.site = 1;
    }
    if (sync_row_alive(row)) {
        row->held = leaf_chance(10);
        if (leaf_chance(5)) {
            row->stamp = SYNC_STAMP_NONE;
        } else if (identity == SYNC_BY_KEY && leaf_chance(10)) {
            row->origin = leaf_stamp(SITES);
        }
        leaf_add_cells(row, leaf_chance(5) ? 300 : leaf_below(12), SITES, row->held);
        if (leaf_chance(5)) {
            assert_non_null(sync_row_set(row, SYNC_COLUMNS_MAX - 1,
                                         row->stamp.hlc != 0 ? row->stamp : leaf_stamp(SITES)));
        }
    }
    if (leaf_chance(10)) {
        row->moved = true;
        row->number = (int64_t)leaf_next();
        row->birth = (int64_t)leaf_next();
        row->since = leaf_stamp_or_none(SITES);
    }
    if (leaf_chance(10)) {
        leaf_add_refs(row, &bounds);
    }
}

/* As sync_clock_get, from a block of exactly that size, so that a read past the end is seen. */
static int get(sync_row *row, const void *blob, size_t bytes, sync_identity identity, uint64_t epoch,
               const sync_bounds *in)
{
    static sync_value first;
    uint8_t *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, blob, bytes);
    int rc = sync_clock_get(row, copy, bytes, identity, epoch, in);
    for (uint32_t i = 0; i < row->count; i++) {
        sync_cell *cell = &row->cells[i];
        assert_true(cell->col < in->cols && (i == 0 || row->cells[i - 1].col < cell->col));
        assert_true(cell->stamp.site < in->sites && !sync_stamp_is_none(cell->stamp) && !cell->fresh);
        if (cell->carried) {
            assert_true(sync_value_same(&cell->value, &cell->value)); /* touches its bytes */
        }
        cell->value = first; /* what it borrows is gone below */
    }
    free(copy);
    return rc;
}

static void test_every_state_survives(void **state)
{
    (void)state;
    leaf_seed(4);
    sync_row row = {0};
    sync_row got = {0};
    sync_buf buf = {0};
    for (int i = 0; i < 10000; i++) {
        sync_identity identity = leaf_chance(50) ? SYNC_BY_ROW : SYNC_BY_KEY;
        uint64_t epoch = epochs[leaf_below(3)];
        make_state(&row, identity);
        sync_buf_reset(&buf);
        sync_clock_put(&buf, &row, identity, epoch);
        assert_false(buf.oom);
        assert_int_equal(sync_clock_get(&got, buf.data, buf.len, identity, epoch, &bounds), SYNC_OK);
        sync_row_lies(&got, row.held ? row.birth : row.number);
        leaf_assert_row(&row, &got);
    }
    sync_buf_free(&buf);
    sync_row_free(&row);
    sync_row_free(&got);
}

static void test_cut_short(void **state)
{
    (void)state;
    leaf_seed(5);
    sync_row row = {0};
    sync_row got = {0};
    sync_buf buf = {0};
    for (int i = 0; i < 200; i++) {
        sync_identity identity = leaf_chance(50) ? SYNC_BY_ROW : SYNC_BY_KEY;
        make_state(&row, identity);
        sync_buf_reset(&buf);
        sync_clock_put(&buf, &row, identity, epochs[1]);
        for (size_t cut = 0; cut < buf.len; cut++) {
            assert_int_equal(get(&got, buf.data, cut, identity, epochs[1], &bounds), SYNC_CORRUPT);
            assert_int_equal(got.count, 0);
            assert_int_equal(got.cl, 0);
        }
        sync_buf_put_u8(&buf, 0);
        assert_int_equal(get(&got, buf.data, buf.len, identity, epochs[1], &bounds), SYNC_CORRUPT);
    }
    sync_buf_free(&buf);
    sync_row_free(&row);
    sync_row_free(&got);
}

static void test_flipped_bits(void **state)
{
    (void)state;
    leaf_seed(6);
    sync_row row = {0};
    sync_row got = {0};
    sync_buf buf = {0};
    int accepted = 0;
    for (int i = 0; i < 100; i++) {
        sync_identity identity = leaf_chance(50) ? SYNC_BY_ROW : SYNC_BY_KEY;
        make_state(&row, identity);
        sync_buf_reset(&buf);
        sync_clock_put(&buf, &row, identity, epochs[1]);
        for (size_t bit = 0; bit < buf.len * 8; bit++) {
            buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            accepted += get(&got, buf.data, buf.len, identity, epochs[1], &bounds) == SYNC_OK;
            buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_int_not_equal(accepted, 0);
    sync_buf_free(&buf);
    sync_row_free(&row);
    sync_row_free(&got);
}

static void test_noise(void **state)
{
    (void)state;
    leaf_seed(7);
    sync_row got = {0};
    for (int i = 0; i < 30000; i++) {
        uint8_t noise[24];
        size_t bytes = leaf_below(sizeof noise + 1);
        for (size_t k = 0; k < sizeof noise; k++) {
            noise[k] = leaf_chance(50) ? (uint8_t)leaf_below(8) : (uint8_t)leaf_next();
        }
        (void)get(&got, noise, bytes, leaf_chance(50) ? SYNC_BY_ROW : SYNC_BY_KEY, epochs[1], &bounds);
    }
    sync_row_free(&got);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        sync_identity identity;
        uint8_t bytes[8];
        size_t count;
        int rc;
    } cases[] = {
        {"well formed: two columns", SYNC_BY_KEY, {0x00, 2, 2}, 3, SYNC_OK},
        {"an unused flag", SYNC_BY_KEY, {0x80, 2, 2}, 3, SYNC_CORRUPT},
        {"an unused extra flag", SYNC_BY_KEY, {0x40, 0x10, 2, 2}, 4, SYNC_CORRUPT},
        {"well formed: column 1 unset", SYNC_BY_KEY, {0x20, 2, 2, 1, 0x0a}, 5, SYNC_OK},
        {"unset, yet carried", SYNC_BY_KEY, {0x20, 2, 2, 1, 0x0e}, 5, SYNC_CORRUPT},
        {"repeats no stamp", SYNC_BY_KEY, {0x20, 2, 2, 1, 0x0b}, 5, SYNC_CORRUPT},
        {"a column beyond all", SYNC_BY_KEY, {0x20, 2, 2, 1, 0xf8, 0xff, 0x0f}, 7, SYNC_CORRUPT},
        {"covers more than there can be", SYNC_BY_KEY, {0x00, 2, 0x80, 0x80, 0x02}, 5, SYNC_CORRUPT},
        {"well formed: dead", SYNC_BY_KEY, {0x01, 2}, 2, SYNC_OK},
        {"dead, with cells", SYNC_BY_KEY, {0x21, 2}, 2, SYNC_CORRUPT},
        {"dead, but odd", SYNC_BY_KEY, {0x09, 2, 3}, 3, SYNC_CORRUPT},
        {"alive, but even", SYNC_BY_KEY, {0x08, 2, 2, 0}, 4, SYNC_CORRUPT},
        {"well formed: a second life", SYNC_BY_KEY, {0x08, 2, 3, 0}, 4, SYNC_OK},
        {"a second life by row", SYNC_BY_ROW, {0x08, 2, 3, 0}, 4, SYNC_CORRUPT},
        {"well formed: born by row", SYNC_BY_ROW, {0x10, 2, 0, 0}, 4, SYNC_OK},
        {"well formed: an origin, of none", SYNC_BY_KEY, {0x10, 2, 0, 0}, 4, SYNC_OK},
        {"dead, with an origin", SYNC_BY_KEY, {0x11, 2, 0}, 3, SYNC_CORRUPT},
        {"an origin of no existence", SYNC_BY_KEY, {0x50, 0x08, 0}, 3, SYNC_CORRUPT},
        {"no stamp, but a site", SYNC_BY_KEY, {0x42, 0x08, 1}, 3, SYNC_CORRUPT},
    };
    sync_row got = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rc = sync_clock_get(&got, cases[i].bytes, cases[i].count, cases[i].identity, epochs[1], &bounds);
        if (rc != cases[i].rc) {
            fail_msg("%s: %d", cases[i].what, rc);
        }
    }
    sync_row_free(&got);
}

static void test_unknown_site_is_corrupt(void **state)
{
    (void)state;
    sync_row row = {.cl = 1, .stamp = {epochs[1] + 5, 4, 1}};
    sync_row got = {0};
    sync_buf buf = {0};
    sync_clock_put(&buf, &row, SYNC_BY_KEY, epochs[1]);
    assert_int_equal(sync_clock_get(&got, buf.data, buf.len, SYNC_BY_KEY, epochs[1], &(sync_bounds){5, 0, 0}),
                     SYNC_OK);
    assert_int_equal(sync_clock_get(&got, buf.data, buf.len, SYNC_BY_KEY, epochs[1], &(sync_bounds){4, 0, 0}),
                     SYNC_CORRUPT);
    row.stamp.site = 1;
    sync_buf_reset(&buf);
    sync_clock_put(&buf, &row, SYNC_BY_KEY, epochs[1]);
    assert_int_equal(sync_clock_get(&got, buf.data, buf.len, SYNC_BY_KEY, epochs[1], &(sync_bounds){1, 0, 0}),
                     SYNC_CORRUPT);
    sync_buf_free(&buf);
    sync_row_free(&got);
}

/* A clock lies in a file that anybody may have written to. */
static void test_numbers_out_of_bounds_are_corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t count;
        sync_bounds lowest; /* with which it can be read */
    } cases[] = {
        {"three covered columns", {0x00, 2, 3}, 3, {2, 3, 0}},
        {"a cell of column 6", {0x20, 2, 0, 1, 6 << 3}, 5, {2, 7, 0}},
        {"what column 2 refers to", {0x40, 0x04, 2, 0, 1, 2 << 1, 2, 3, 0}, 9, {2, 3, 0}},
        {"what key part 1 refers to", {0x40, 0x04, 2, 0, 1, 1 << 1 | 1, 2, 3, 0}, 9, {2, 0, 2}},
        {"born at site 3", {0x10, 2, 8, 2, 0}, 5, {4, 0, 0}},
    };
    sync_row got = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sync_bounds in = cases[i].lowest;
        if (get(&got, cases[i].bytes, cases[i].count, SYNC_BY_ROW, epochs[1], &in) != SYNC_OK) {
            fail_msg("%s", cases[i].what);
        }
        for (uint32_t *one = &in.sites; one <= &in.keys; one++) {
            if (*one > 0 && !(one == &in.sites && *one == 2)) {
                --*one;
                assert_int_equal(get(&got, cases[i].bytes, cases[i].count, SYNC_BY_ROW, epochs[1], &in),
                                 SYNC_CORRUPT);
                ++*one;
            }
        }
    }
    sync_row_free(&got);
}

static void test_insert_is_the_same_and_small(void **state)
{
    (void)state;
    for (uint32_t covers = 0; covers <= 100; covers += 20) {
        for (uint32_t site = 0; site < SITES; site++) {
            sync_stamp stamp = {epochs[1] + (UINT64_C(3600000) << 16) + 77, site, 1};
            sync_row row = {.cl = 1, .stamp = stamp, .born = stamp};
            for (uint32_t c = 0; c < covers; c++) {
                assert_non_null(sync_row_set(&row, c, stamp));
            }
            sync_buf general = {0};
            sync_buf quick = {0};
            sync_clock_put(&general, &row, SYNC_BY_ROW, epochs[1]);
            sync_clock_put_insert(&quick, stamp, covers, epochs[1]);
            assert_int_equal(quick.len, general.len);
            assert_memory_equal(quick.data, general.data, quick.len);
            assert_true(quick.len <= (site == 1 ? 8 : 9));
            sync_buf_free(&general);
            sync_buf_free(&quick);
            sync_row_free(&row);
        }
    }
}

/* The short way in reads the clocks of rows that were just inserted as the general one does, and no others. */
static void test_insert_is_recognised(void **state)
{
    (void)state;
    uint32_t recognised = 0;
    for (int i = 0; i < 20000; i++) {
        sync_identity identity = leaf_chance(50) ? SYNC_BY_ROW : SYNC_BY_KEY;
        uint64_t epoch = epochs[leaf_below(2)];
        sync_row row = {0}, back = {0};
        make_state(&row, identity);
        if (leaf_chance(50) && sync_row_alive(&row) && !sync_stamp_is_none(row.stamp)) {
            sync_row_free(&row);
            row = (sync_row){.cl = 1,
                             .stamp = {epoch + leaf_below(1000) + 1, leaf_below(SITES), leaf_chance(80)}};
            row.born = identity == SYNC_BY_ROW && row.stamp.written ? row.stamp : SYNC_STAMP_NONE;
            for (uint32_t c = 0; c < 5; c++) {
                assert_non_null(sync_row_set(&row, c, row.stamp));
            }
        }
        sync_buf buf = {0};
        sync_stamp stamp;
        uint32_t covers = 0;
        sync_clock_put(&buf, &row, identity, epoch);
        if (leaf_chance(20)) {
            buf.data[leaf_below((uint32_t)buf.len)] ^= (uint8_t)(1 << leaf_below(8));
        }
        if (sync_clock_get_insert(buf.data, buf.len, epoch, SITES, &stamp, &covers)) {
            recognised++;
            assert_int_equal(sync_clock_get(&back, buf.data, buf.len, identity, epoch, &bounds), SYNC_OK);
            assert_true(back.cl == 1 && !back.held && !back.moved && back.ref_count == 0);
            assert_true(sync_stamp_equal(back.stamp, stamp) && back.count == covers);
            assert_true(sync_stamp_equal(back.born,
                                         identity == SYNC_BY_ROW && stamp.written ? stamp : SYNC_STAMP_NONE));
            for (uint32_t c = 0; c < covers; c++) {
                assert_true(back.cells[c].col == c && !back.cells[c].carried &&
                            sync_stamp_equal(back.cells[c].stamp, stamp));
            }
        }
        sync_buf_free(&buf);
        sync_row_free(&row);
        sync_row_free(&back);
    }
    assert_true(recognised > 2000);
}

/* A column written later costs its own stamp; more columns of the same write one byte each. */
static void test_overrides_are_small(void **state)
{
    (void)state;
    sync_stamp stamp = {epochs[1], 1, 0};
    sync_stamp later = {epochs[1] + (UINT64_C(1000) << 16), 1, 1};
    sync_row row = {.cl = 1, .stamp = stamp};
    for (uint32_t c = 0; c < 10; c++) {
        assert_non_null(sync_row_set(&row, c, c >= 2 && c < 6 ? later : stamp));
    }
    sync_buf buf = {0};
    sync_clock_put(&buf, &row, SYNC_BY_ROW, epochs[1]);
    size_t four = buf.len;
    for (uint32_t c = 3; c < 6; c++) {
        assert_non_null(sync_row_set(&row, c, stamp));
    }
    sync_buf_reset(&buf);
    sync_clock_put(&buf, &row, SYNC_BY_ROW, epochs[1]);
    assert_int_equal(four, buf.len + 3);
    assert_true(buf.len <= 3 + 1 + 1 + 1 + 4);
    sync_buf_free(&buf);
    sync_row_free(&row);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    leaf_seed(8);
    sync_row row = {0};
    int struck = 0;
    for (int i = 0; i < 500; i++) {
        make_state(&row, SYNC_BY_ROW);
        sync_buf buf = {0};
        sync_clock_put(&buf, &row, SYNC_BY_ROW, epochs[1]);
        sync_row got = {0};
        for (long good = 0;; good++) {
            fault_arm(good);
            int rc = sync_clock_get(&got, buf.data, buf.len, SYNC_BY_ROW, epochs[1], &bounds);
            bool late = !fault_disarm() || rc == SYNC_OK;
            assert_int_equal(rc, late ? SYNC_OK : SYNC_NOMEM);
            assert_int_equal(got.cl != 0, late);
            struck += !late;
            sync_row_free(&got);
            if (late) {
                break;
            }
        }
        sync_buf_free(&buf);
    }
    assert_true(struck > 100);
    sync_row_free(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stamp_order),
        cmocka_unit_test(test_hlc_follows_the_wall_clock),
        cmocka_unit_test(test_cells_keep_their_order),
        cmocka_unit_test(test_every_state_survives),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_unknown_site_is_corrupt),
        cmocka_unit_test(test_numbers_out_of_bounds_are_corrupt),
        cmocka_unit_test(test_insert_is_the_same_and_small),
        cmocka_unit_test(test_insert_is_recognised),
        cmocka_unit_test(test_overrides_are_small),
        cmocka_unit_test(test_out_of_memory),
    };
    return fault_install() != 0 ? 1 : cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
