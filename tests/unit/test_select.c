/* What a receiver of selections is remembered to have been sent. */
#include "leaf_rows.h"

#include "select.h"

static const sync_table notes = {.tid = 3, .identity = SYNC_BY_ROW, .key_count = 1};

static sync_value number(int64_t i)
{
    return (sync_value){.type = SYNC_INTEGER, .i = i};
}

static int note(sync_selection *had, int64_t shown, int64_t seq, int64_t wire, uint64_t born)
{
    sync_error error = {0};
    sync_value key = number(shown), over_there = number(wire);
    sync_row row = {.cl = 1, .born = {.hlc = born, .site = 1, .written = 1}};
    return sync_selection_note(had, &notes, &key, seq, &over_there, &row, &error);
}

/* The numbers over there of those that no choice has seen since. */
static int count_unseen(sync_selection *had, int64_t *first)
{
    sync_selected one;
    int count = 0;
    for (uint32_t at = 0; sync_selection_unseen(had, &notes, &at, &one); at++) {
        *first = count++ == 0 ? one.key[0].i : *first;
        sync_row_free(&one.row);
    }
    return count;
}

static void test_what_is_remembered(void **state)
{
    (void)state;
    sync_error error = {0};
    sync_selection *had = sync_selection_new();
    int64_t first = 0;
    assert_non_null(had);
    assert_true(sync_selection_whole(had));
    assert_int_equal(sync_selection_begin(had, &error), SYNC_OK);
    for (int64_t i = 1; i <= 1000; i++) {
        assert_int_equal(note(had, i, i, 10000 + i, 5), SYNC_OK);
    }
    sync_selection_sent(had);
    assert_false(sync_selection_whole(had));
    assert_int_equal(count_unseen(had, &first), 0);
    assert_int_equal(sync_selection_begin(had, &error), SYNC_OK);
    assert_int_equal(note(had, 7, 2000, 10007, 5), SYNC_OK);
    assert_int_equal(count_unseen(had, &first), 999);
    assert_int_equal(first, 10001);
    sync_selection_reset(had);
    assert_true(sync_selection_whole(had));
    assert_int_equal(count_unseen(had, &first), 0);
    sync_selection_free(had);
}

/* Another row stands under the key that one had: that one is told apart, and forgotten. */
static void test_another_row_under_the_same_key(void **state)
{
    (void)state;
    sync_error error = {0};
    sync_selected other;
    sync_selection *had = sync_selection_new();
    sync_value shown = number(1), wire = number(1);
    sync_row row = {.cl = 1, .born = {.hlc = 9, .site = 1, .written = 1}};
    int64_t first = 0;
    assert_non_null(had);
    assert_int_equal(sync_selection_begin(had, &error), SYNC_OK);
    assert_false(sync_selection_displaces(had, &notes, &shown, &wire, &row, &other));
    assert_int_equal(note(had, 1, 4, 1, 9), SYNC_OK);
    assert_false(sync_selection_displaces(had, &notes, &shown, &wire, &row, &other));
    row.born.hlc = 10;
    assert_true(sync_selection_displaces(had, &notes, &shown, &wire, &row, &other));
    assert_int_equal(other.key[0].i, 1);
    assert_true(other.row.born.hlc == 9);
    sync_row_free(&other.row);
    assert_int_equal(note(had, 1, 5, 1, 10), SYNC_OK);
    assert_int_equal(sync_selection_begin(had, &error), SYNC_OK);
    assert_int_equal(count_unseen(had, &first), 1);
    sync_selection_free(had);
}

/* Rows that come and go for long take no more room than those that are there. */
static void test_what_is_forgotten_takes_no_room(void **state)
{
    (void)state;
    sync_error error = {0};
    sync_selected one;
    sync_selection *had = sync_selection_new();
    assert_non_null(had);
    for (int64_t i = 0; i < 2000000; i++) {
        uint32_t at = 0;
        if (i % 100 == 0) {
            assert_int_equal(sync_selection_begin(had, &error), SYNC_OK);
            while (sync_selection_unseen(had, &notes, &at, &one)) {
                sync_row_free(&one.row);
                sync_selection_forget(had, at);
            }
        }
        assert_int_equal(note(had, i, i + 1, i, (uint64_t)i + 1), SYNC_OK);
    }
    sync_selection_free(had);
}

/* SYNC_SELECTION_BYTES_MAX: up to it, and no further. */
static void test_bound(void **state)
{
    (void)state;
    sync_error error = {0};
    sync_selection *had = sync_selection_new();
    int64_t i = 0;
    int rc = SYNC_OK;
    assert_non_null(had);
    assert_int_equal(sync_selection_begin(had, &error), SYNC_OK);
    while ((rc = note(had, i, i + 1, i, 5)) == SYNC_OK) {
        i++;
    }
    assert_int_equal(rc, SYNC_TOOBIG);
    assert_in_range(i, SYNC_SELECTION_BYTES_MAX / 200, SYNC_SELECTION_BYTES_MAX / 40);
    sync_selection_reset(had);
    assert_int_equal(sync_selection_begin(had, &error), SYNC_OK);
    assert_int_equal(note(had, 1, 1, 1, 5), SYNC_OK);
    sync_selection_free(had);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_remembered),
        cmocka_unit_test(test_another_row_under_the_same_key),
        cmocka_unit_test(test_what_is_forgotten_takes_no_room),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
