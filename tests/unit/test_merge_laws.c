/* The laws of merge, exhaustively: on every triple of a domain that merge maps into itself, and in every order of six
** changes, each of them twice. */
#include "leaf_rows.h"

#include "merge.h"

static const uint8_t ids[][SYNC_SITE_BYTES] = {{0}, {2}, {1}};
static const sync_sites sites = {3, ids};

/* A genesis, two writes of one time (the second has the lower site), and a later one. */
static const sync_stamp stamps[] = {{50, 1, 0}, {10, 2, 1}, {10, 1, 1}, {11, 2, 1}};
#define STAMPS    4
#define CELLS     2
#define STATE_MAX 400
#define NOWHERE   UINT16_MAX

typedef struct domain {
    sync_identity identity;
    uint32_t count;
    sync_row row[STATE_MAX];
    uint16_t join[STATE_MAX][STATE_MAX];
} domain;

static domain d;

static sync_row *add(uint64_t cl, sync_stamp born)
{
    assert_true(d.count < STATE_MAX);
    sync_row *row = &d.row[d.count++];
    row->cl = cl;
    row->born = born;
    return row;
}

/* The value of a cell follows from its stamp: one stamp, one write. */
static void set_cell(sync_row *row, uint32_t col, sync_stamp stamp)
{
    sync_cell *cell = sync_row_set(row, col, stamp);
    assert_non_null(cell);
    cell->carried = true;
    cell->value = (sync_value){.type = SYNC_INTEGER, .i = (int64_t)(stamp.hlc * 8 + stamp.site * 2 + col)};
}

static void add_life(uint64_t cl, sync_stamp born, int existences)
{
    for (int e = 0; e < existences; e++) {
        if ((cl & 1) == 0) {
            add(cl, born)->stamp = stamps[e + 1];
            continue;
        }
        for (int cells = 0; cells < (STAMPS + 1) * (STAMPS + 1); cells++) {
            sync_row *row = add(cl, born);
            row->stamp = stamps[e];
            int which[CELLS] = {cells % (STAMPS + 1), cells / (STAMPS + 1)};
            for (uint32_t c = 0; c < CELLS; c++) {
                if (which[c] > 0) {
                    set_cell(row, c, stamps[which[c] - 1]);
                }
            }
        }
    }
}

static void make_domain(sync_identity identity)
{
    memset(&d, 0, sizeof d);
    d.identity = identity;
    add(0, SYNC_STAMP_NONE);
    if (identity == SYNC_BY_KEY) {
        add_life(1, SYNC_STAMP_NONE, STAMPS);
        add_life(2, SYNC_STAMP_NONE, STAMPS - 1);
        add_life(3, SYNC_STAMP_NONE, STAMPS - 1);
        add_life(4, SYNC_STAMP_NONE, STAMPS - 1);
    } else {
        add_life(1, SYNC_STAMP_NONE, STAMPS);
        add_life(2, SYNC_STAMP_NONE, STAMPS - 1);
        add_life(1, stamps[1], STAMPS - 1);
        add_life(2, stamps[1], STAMPS - 1);
        add_life(1, stamps[3], STAMPS - 1);
        add_life(2, stamps[3], STAMPS - 1);
    }
}

static void free_domain(void)
{
    for (uint32_t i = 0; i < d.count; i++) {
        sync_row_free(&d.row[i]);
    }
}

static bool same(const sync_row *a, const sync_row *b)
{
    if (a->cl != b->cl || a->count != b->count || !sync_stamp_equal(a->born, b->born) ||
        !sync_stamp_equal(a->stamp, b->stamp)) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const sync_cell *x = &a->cells[i], *y = &b->cells[i];
        if (x->col != y->col || !sync_stamp_equal(x->stamp, y->stamp) || x->value.i != y->value.i) {
            return false;
        }
    }
    return true;
}

static uint16_t index_of(const sync_row *row)
{
    for (uint32_t i = 0; i < d.count; i++) {
        if (same(&d.row[i], row)) {
            return (uint16_t)i;
        }
    }
    return NOWHERE;
}

static void join_all(void)
{
    sync_row row = {0};
    for (uint32_t a = 0; a < d.count; a++) {
        for (uint32_t b = 0; b < d.count; b++) {
            assert_int_equal(sync_row_copy(&row, &d.row[a]), SYNC_OK);
            assert_int_not_equal(sync_row_merge(&sites, d.identity, &row, &d.row[b]), SYNC_MERGE_NOMEM);
            d.join[a][b] = index_of(&row);
            assert_int_not_equal(d.join[a][b], NOWHERE);
        }
    }
    sync_row_free(&row);
}

static void check_triples(void)
{
    uint64_t triples = 0;
    for (uint32_t a = 0; a < d.count; a++) {
        assert_int_equal(d.join[a][a], a);
        assert_int_equal(d.join[0][a], a); /* never existed */
        for (uint32_t b = 0; b < d.count; b++) {
            uint16_t ab = d.join[a][b];
            assert_int_equal(ab, d.join[b][a]);
            assert_int_equal(d.join[ab][b], ab);
            for (uint32_t c = 0; c < d.count; c++) {
                if (d.join[ab][c] != d.join[a][d.join[b][c]]) {
                    fail_msg("(%u, %u), %u is not %u, (%u, %u)", a, b, c, a, b, c);
                }
                triples++;
            }
        }
    }
    assert_true(triples >= 1000000);
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t kept = *a;
    *a = *b;
    *b = kept;
}

/* Six changes one after the other, each but the first followed by an earlier one once more. */
static void merge_six(sync_row *row, const uint32_t order[6])
{
    sync_row_reset(row);
    for (int i = 0; i < 6; i++) {
        (void)sync_row_merge(&sites, d.identity, row, &d.row[order[i]]);
        if (i > 0) {
            assert_int_equal(sync_row_merge(&sites, d.identity, row, &d.row[order[i / 2]]),
                             SYNC_MERGE_NOTHING);
        }
    }
}

/* Heap's algorithm: all 720 orders. */
static void check_orders(uint32_t change[6])
{
    sync_row first = {0}, row = {0};
    int turn[6] = {0};
    merge_six(&first, change);
    for (int i = 0; i < 6;) {
        if (turn[i] < i) {
            swap(&change[i % 2 ? turn[i] : 0], &change[i]);
            merge_six(&row, change);
            assert_true(same(&first, &row));
            turn[i]++;
            i = 0;
        } else {
            turn[i++] = 0;
        }
    }
    sync_row_free(&first);
    sync_row_free(&row);
}

static void check_laws(sync_identity identity)
{
    make_domain(identity);
    join_all();
    check_triples();
    leaf_seed(3);
    for (int set = 0; set < 100; set++) {
        uint32_t change[6];
        for (int i = 0; i < 6; i++) {
            change[i] = leaf_below(d.count);
        }
        check_orders(change);
    }
    free_domain();
}

static void test_by_key(void **state)
{
    (void)state;
    check_laws(SYNC_BY_KEY);
}

static void test_by_row(void **state)
{
    (void)state;
    check_laws(SYNC_BY_ROW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_key),
        cmocka_unit_test(test_by_row),
    };
    return cmocka_run_group_tests_name("merge laws", tests, NULL, NULL);
}
