/* Errors: the first one wins, and the text is cut at its size. */
#include "leaf_rows.h"

#include <string.h>

static void test_first_error_wins(void **state)
{
    (void)state;
    sync_error error = {0};
    assert_int_equal(sync_fail(&error, SYNC_BEHIND, "%s is %d behind", "a", 3), SYNC_BEHIND);
    assert_int_equal(sync_fail(&error, SYNC_NOMEM, "later"), SYNC_NOMEM);
    assert_int_equal(error.code, SYNC_BEHIND);
    assert_string_equal(error.text, "a is 3 behind");
    sync_error_clear(&error);
    assert_int_equal(error.code, SYNC_OK);
    assert_string_equal(error.text, "");
    assert_int_equal(sync_fail(&error, SYNC_NOMEM, "now"), SYNC_NOMEM);
    assert_string_equal(error.text, "now");
}

static void test_long_text_is_cut(void **state)
{
    (void)state;
    char text[2 * SYNC_ERROR_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    sync_error error = {0};
    assert_int_equal(sync_fail(&error, SYNC_ERROR, "%s", text), SYNC_ERROR);
    assert_int_equal(strlen(error.text), SYNC_ERROR_BYTES - 1);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    assert_int_equal(sync_fail(NULL, SYNC_FULL, "x"), SYNC_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_error_wins),
        cmocka_unit_test(test_long_text_is_cut),
        cmocka_unit_test(test_nobody_listens),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
