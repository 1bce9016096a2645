/* Merge: a join. Its laws hold on every triple of a small domain, and its answers say what it did. */
#include "leaf_rows.h"

#include "leaf_fault.h"
#include "merge.h"

static const uint8_t ids[][SYNC_SITE_BYTES] = {{0}, {2}, {1}};
static const sync_sites sites = {3, ids};

/* none, genesis, two writes of one time (site 2 has the lower bytes). */
static const sync_stamp stamps[] = {{0, 0, 0}, {50, 1, 0}, {10, 2, 1}, {10, 1, 1}};
#define STAMPS 4

static uint64_t number_of(sync_stamp stamp)
{
    return stamp.hlc * 4 + stamp.site;
}

/* One stamp, one write: the value and the reference of a cell follow from its stamp. */
static void add_cell(sync_row *row, uint32_t col, sync_stamp stamp)
{
    if (sync_stamp_is_none(stamp)) {
        return;
    }
    sync_cell *cell = sync_row_set(row, col, stamp);
    assert_non_null(cell);
    cell->carried = true;
    cell->value = (sync_value){.type = SYNC_INTEGER, .i = (int64_t)number_of(stamp) + col};
    if (stamp.site == 1) {
        assert_int_equal(sync_row_add_ref(row, (sync_ref){col, cell->value.i, stamp}), SYNC_OK);
    }
}

static void set_existence(sync_row *row, sync_identity identity, sync_stamp stamp)
{
    row->stamp = stamp;
    if (identity == SYNC_BY_ROW && stamp.site == 2) {
        row->moved = true;
        row->number = (int64_t)number_of(stamp);
        row->since = stamp;
    }
    if (stamp.site == 1) {
        assert_int_equal(sync_row_add_ref(row, (sync_ref){SYNC_REF_KEY + 1, 7, stamp}), SYNC_OK);
    }
}

#define DOMAIN_MAX 400

typedef struct domain {
    sync_identity identity;
    uint32_t count;
    sync_row rows[DOMAIN_MAX];
} domain;

static sync_row *add_life(domain *d, uint64_t cl, sync_stamp born)
{
    assert_true(d->count < DOMAIN_MAX);
    sync_row *row = &d->rows[d->count++];
    row->cl = cl;
    row->born = born;
    return row;
}

static void add_lives(domain *d, uint64_t cl, sync_stamp born, int existences)
{
    for (int e = 0; e < STAMPS; e++) {
        if ((cl & 1) == 0) {
            if (e > 0) {
                add_life(d, cl, born)->stamp = stamps[e];
            }
            continue;
        }
        for (int cells = 0; e < existences && cells < STAMPS * STAMPS; cells++) {
            sync_row *row = add_life(d, cl, born);
            set_existence(row, d->identity, stamps[e]);
            add_cell(row, 0, stamps[cells % STAMPS]);
            add_cell(row, 3, stamps[cells / STAMPS]);
        }
    }
}

static void make_domain(domain *d, sync_identity identity)
{
    memset(d, 0, sizeof *d);
    d->identity = identity;
    add_life(d, 0, SYNC_STAMP_NONE);
    for (uint64_t cl = 1; cl <= 2; cl++) {
        add_lives(d, cl, SYNC_STAMP_NONE, STAMPS);
    }
    if (identity == SYNC_BY_KEY) {
        add_lives(d, 3, SYNC_STAMP_NONE, 1);
        add_lives(d, 4, SYNC_STAMP_NONE, 1);
    } else {
        add_lives(d, 1, stamps[2], 1);
        add_lives(d, 2, stamps[2], 1);
        add_lives(d, 1, stamps[3], 1);
    }
}

static void free_domain(domain *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        sync_row_free(&d->rows[i]);
    }
}

static int compare_refs(const void *a, const void *b)
{
    const sync_ref *x = a;
    const sync_ref *y = b;
    return (x->col > y->col) - (x->col < y->col);
}

/* Equal in all but which cells are fresh, and the order of the references. */
static void assert_same(sync_row *a, sync_row *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        a->cells[i].fresh = false;
    }
    for (uint32_t i = 0; i < b->count; i++) {
        b->cells[i].fresh = false;
    }
    if (a->ref_count > 1) {
        qsort(a->refs, a->ref_count, sizeof a->refs[0], compare_refs);
    }
    if (b->ref_count > 1) {
        qsort(b->refs, b->ref_count, sizeof b->refs[0], compare_refs);
    }
    leaf_assert_row(a, b);
}

static void copy(sync_row *to, const sync_row *from)
{
    assert_int_equal(sync_row_copy(to, from), SYNC_OK);
}

static void join(const domain *d, sync_row *into, const sync_row *remote)
{
    assert_int_not_equal(sync_row_merge(&sites, d->identity, into, remote), SYNC_MERGE_NOMEM);
}

/* The answer must be what a comparison of before and after says. */
static void check_answer(const domain *d, const sync_row *before, const sync_row *remote)
{
    sync_row after = {0};
    copy(&after, before);
    sync_merged answer = sync_row_merge(&sites, d->identity, &after, remote);
    int order = sync_incarnation_compare(&sites, d->identity, remote, before);
    bool cells = false;
    for (uint32_t i = 0; i < after.count; i++) {
        const sync_cell *old = sync_row_find(before, after.cells[i].col);
        bool changed = order > 0 || old == NULL || !sync_stamp_equal(old->stamp, after.cells[i].stamp);
        assert_int_equal(after.cells[i].fresh, changed);
        cells = cells || changed;
    }
    bool stamp = !sync_stamp_equal(after.stamp, before->stamp);
    if (order > 0) {
        assert_int_equal(answer, SYNC_MERGE_LIFE);
        sync_row theirs = {0};
        copy(&theirs, remote);
        assert_same(&after, &theirs);
        sync_row_free(&theirs);
    } else if (cells) {
        assert_int_equal(answer, SYNC_MERGE_CELLS);
    } else {
        assert_int_equal(answer, stamp ? SYNC_MERGE_STAMP : SYNC_MERGE_NOTHING);
    }
    if (answer == SYNC_MERGE_NOTHING) {
        leaf_assert_row(&after, before);
    }
    sync_row_free(&after);
}

static void check_laws(sync_identity identity)
{
    static domain d;
    make_domain(&d, identity);
    sync_row ab = {0};
    sync_row ba = {0};
    sync_row left = {0};
    sync_row right = {0};
    sync_row bc = {0};
    leaf_seed(9);
    for (uint32_t a = 0; a < d.count; a++) {
        for (uint32_t b = 0; b < d.count; b++) {
            check_answer(&d, &d.rows[a], &d.rows[b]);
            copy(&ab, &d.rows[a]);
            join(&d, &ab, &d.rows[b]);
            copy(&ba, &d.rows[b]);
            join(&d, &ba, &d.rows[a]);
            assert_same(&ab, &ba);
            copy(&left, &ab);
            assert_int_equal(sync_row_merge(&sites, identity, &left, &d.rows[b]), SYNC_MERGE_NOTHING);
            /* Of the third every one in turn would take long: a few for each pair, all in all pairs. */
            for (int n = 0; n < 8; n++) {
                const sync_row *c = &d.rows[leaf_below(d.count)];
                copy(&left, &ab);
                join(&d, &left, c);
                copy(&bc, &d.rows[b]);
                join(&d, &bc, c);
                copy(&right, &d.rows[a]);
                join(&d, &right, &bc);
                assert_same(&left, &right);
            }
        }
    }
    sync_row_free(&ab);
    sync_row_free(&ba);
    sync_row_free(&left);
    sync_row_free(&right);
    sync_row_free(&bc);
    free_domain(&d);
}

static void test_laws_by_key(void **state)
{
    (void)state;
    check_laws(SYNC_BY_KEY);
}

static void test_laws_by_row(void **state)
{
    (void)state;
    check_laws(SYNC_BY_ROW);
}

static void test_incarnations(void **state)
{
    (void)state;
    const sync_row by_key[] = {{.cl = 0}, {.cl = 1}, {.cl = 2}, {.cl = 3}};
    const sync_row by_row[] = {{.cl = 0},
                               {.cl = 1},
                               {.cl = 2},
                               {.cl = 1, .born = stamps[1]},
                               {.cl = 2, .born = stamps[1]},
                               {.cl = 1, .born = stamps[2]},
                               {.cl = 1, .born = stamps[3]},
                               {.cl = 2, .born = stamps[3]}};
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 8; j++) {
            int expected = (i > j) - (i < j);
            int got = sync_incarnation_compare(&sites, SYNC_BY_ROW, &by_row[i], &by_row[j]);
            assert_int_equal((got > 0) - (got < 0), expected);
            if (i < 4 && j < 4) {
                got = sync_incarnation_compare(&sites, SYNC_BY_KEY, &by_key[i], &by_key[j]);
                assert_int_equal((got > 0) - (got < 0), expected);
            }
        }
    }
}

static void test_a_genesis_cell_loses_to_any_write(void **state)
{
    (void)state;
    sync_row into = {.cl = 1, .stamp = {50, 1, 0}};
    sync_row remote = {.cl = 1};
    add_cell(&into, 0, (sync_stamp){UINT64_MAX, 1, 0});
    add_cell(&remote, 0, (sync_stamp){1, 2, 1});
    assert_int_equal(sync_row_merge(&sites, SYNC_BY_KEY, &into, &remote), SYNC_MERGE_CELLS);
    assert_int_equal(into.cells[0].stamp.hlc, 1);
    assert_int_equal(into.ref_count, 0); /* the reference went with the cell that it explained */
    leaf_assert_stamp(into.stamp, (sync_stamp){50, 1, 0});
    sync_row_free(&into);
    sync_row_free(&remote);
}

/* The local row's values are in the base table; only what came is carried. */
static void test_kept_cells_stay_in_the_base_table(void **state)
{
    (void)state;
    sync_row into = {.cl = 1, .stamp = stamps[1]};
    sync_row remote = {.cl = 1};
    for (uint32_t c = 0; c < 6; c += 2) {
        assert_non_null(sync_row_set(&into, c, stamps[2]));
    }
    for (uint32_t c = 1; c < 6; c++) {
        add_cell(&remote, c, stamps[c == 4 ? 3 : 2]);
    }
    assert_int_equal(sync_row_merge(&sites, SYNC_BY_KEY, &into, &remote), SYNC_MERGE_CELLS);
    assert_int_equal(into.count, 6);
    for (uint32_t c = 0; c < 6; c++) {
        bool came = c % 2 == 1 || c == 4;
        assert_int_equal(into.cells[c].col, c);
        assert_int_equal(into.cells[c].fresh, came);
        assert_int_equal(into.cells[c].carried, came);
        assert_int_equal(into.cells[c].value.type, came ? SYNC_INTEGER : SYNC_NULL);
    }
    sync_row_free(&into);
    sync_row_free(&remote);
}

/* A life that was kept stays one, whichever existence wins, and from whichever side it is looked at. */
static void test_origins_are_kept(void **state)
{
    (void)state;
    static const struct {
        sync_stamp stamp, origin, other_stamp, other_origin, result;
    } cases[] = {
        {{20, 1, 1}, {0, 0, 0}, {30, 1, 1}, {0, 0, 0}, {0, 0, 0}},
        {{20, 1, 1}, {5, 2, 1}, {30, 1, 1}, {0, 0, 0}, {30, 1, 1}}, /* a plain one wins: since then */
        {{20, 1, 1}, {0, 0, 0}, {30, 1, 1}, {5, 2, 1}, {5, 2, 1}},
        {{20, 1, 1}, {5, 2, 1}, {30, 1, 1}, {7, 2, 1}, {7, 2, 1}},
        {{20, 1, 1},
         {0, 0, 0},
         {20, 1, 1},
         {5, 2, 1},
         {5, 2, 1}}, /* one write, of which one side knows more */
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
        sync_row a = {.cl = 1, .stamp = cases[i / 2].stamp, .origin = cases[i / 2].origin};
        sync_row b = {.cl = 1, .stamp = cases[i / 2].other_stamp, .origin = cases[i / 2].other_origin};
        sync_row *into = i % 2 ? &a : &b;
        (void)sync_row_merge(&sites, SYNC_BY_KEY, into, i % 2 ? &b : &a);
        leaf_assert_stamp(into->origin, cases[i / 2].result);
        sync_row_free(&a);
        sync_row_free(&b);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sync_row remote = {.cl = 1, .stamp = stamps[3]};
    for (uint32_t c = 0; c < 20; c++) {
        add_cell(&remote, c, stamps[3]);
    }
    for (int life = 0; life < 2; life++) {
        int struck = 0;
        for (long good = 0;; good++) {
            sync_row into = {.cl = life == 0, .stamp = SYNC_STAMP_NONE};
            fault_arm(good);
            sync_merged answer = sync_row_merge(&sites, SYNC_BY_KEY, &into, &remote);
            (void)fault_disarm();
            sync_row_free(&into);
            if (answer != SYNC_MERGE_NOMEM) {
                assert_int_equal(answer, life == 0 ? SYNC_MERGE_CELLS : SYNC_MERGE_LIFE);
                break;
            }
            struck++;
        }
        assert_true(struck >= 2);
    }
    sync_row_free(&remote);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laws_by_key),
        cmocka_unit_test(test_laws_by_row),
        cmocka_unit_test(test_incarnations),
        cmocka_unit_test(test_a_genesis_cell_loses_to_any_write),
        cmocka_unit_test(test_kept_cells_stay_in_the_base_table),
        cmocka_unit_test(test_origins_are_kept),
        cmocka_unit_test(test_out_of_memory),
    };
    return fault_install() != 0 ? 1 : cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
