/* The extension is given to a connection: what it asks of SQLite, and how it says no. */
#include "leaf_rows.h"

#include "sync_ext.h"

#include <string.h>

static int version;

int __wrap_sqlite3_libversion_number(void);

int __wrap_sqlite3_libversion_number(void)
{
    return version;
}

static int set_up(void **state)
{
    sqlite3 *db = NULL;
    version = SQLITE_VERSION_NUMBER;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) {
        return -1;
    }
    *state = db;
    return 0;
}

static int tear_down(void **state)
{
    return sqlite3_close(*state);
}

static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return value;
}

static void test_an_sqlite_that_is_too_old(void **state)
{
    char *error = NULL;
    version = 3039004;
    assert_int_equal(sqlite3_syncext_init(*state, &error, NULL), SQLITE_ERROR);
    assert_non_null(error);
    assert_non_null(strstr(error, "needs SQLite 3.40 or newer"));
    sqlite3_free(error);
    assert_int_equal(sqlite3_syncext_init(*state, NULL, NULL), SQLITE_ERROR);
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(*state, "SELECT sync_version()", -1, &stmt, NULL), SQLITE_ERROR);
    version = SQLITE_VERSION_NUMBER;
    assert_int_equal(sqlite3_syncext_init(*state, NULL, NULL), SQLITE_OK);
    assert_int_equal(ask(*state, "SELECT count(*) FROM sync_status"), 0);
}

static int deny_the_list(void *context, int action, const char *first, const char *second, const char *third,
                         const char *fourth)
{
    (void)context;
    (void)second;
    (void)third;
    (void)fourth;
    return action == SQLITE_PRAGMA && strcmp(first, "function_list") == 0 ? SQLITE_DENY : SQLITE_OK;
}

/* A host may forbid PRAGMAs: the engine of an earlier call is found all the same, and not made anew. */
static void test_where_functions_are_not_listed(void **state)
{
    sqlite3 *db = *state;
    assert_int_equal(sqlite3_set_authorizer(db, deny_the_list, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_syncext_init(db, NULL, NULL), SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM sync_status"), 0);
    assert_int_equal(sqlite3_syncext_init(db, NULL, NULL), SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM sync_status"), 0);
}

/* Of those who have no pointer for it, it takes nothing. */
static void test_sync_engine_in_plain_sql(void **state)
{
    assert_int_equal(sqlite3_syncext_init(*state, NULL, NULL), SQLITE_OK);
    assert_int_equal(ask(*state, "SELECT sync_engine(1) IS NULL AND sync_engine(NULL) IS NULL AND"
                                 " sync_engine(x'00') IS NULL"),
                     1);
}

static void theirs(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int(context, 42);
}

/* Functions that exist already under these names, and which may be running, are not replaced; whoever asks for no message gets none. */
static void test_names_that_are_in_use(void **state)
{
    sqlite3 *db = *state;
    sqlite3_stmt *busy = NULL;
    char *error = NULL;
    assert_int_equal(
        sqlite3_create_function_v2(db, "sync_fold", 0, SQLITE_UTF8, NULL, theirs, NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "WITH n(i) AS (VALUES(1), (2)) SELECT i FROM n", -1, &busy, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(busy), SQLITE_ROW);
    assert_int_equal(sqlite3_syncext_init(db, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(sqlite3_syncext_init(db, &error, NULL), SQLITE_BUSY);
    assert_non_null(error);
    assert_non_null(strstr(error, "sync_ext: "));
    sqlite3_free(error);
    assert_int_equal(sqlite3_finalize(busy), SQLITE_OK);
    assert_int_equal(sqlite3_syncext_init(db, NULL, NULL), SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM sync_status"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_sqlite_that_is_too_old, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_where_functions_are_not_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sync_engine_in_plain_sql, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_that_are_in_use, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
