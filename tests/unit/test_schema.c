/* A table's schema is read in full, or there is an error: what there is no memory for is not taken for absent. */
#define SQLITE_CORE 1 /* linked, not loaded */

#include "leaf_rows.h"

#include "leaf_fault.h"
#include "schema.h"
#include "stream.h"
#include "sync_ext.h"

#include <stdlib.h>
#include <string.h>

enum { LONG = 70000 }; /* larger than a block of an arena, so that its copy is an allocation */

static void test_a_default_for_which_there_is_no_memory(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    sync_db *s = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_syncext_init(db, NULL, NULL), SQLITE_OK);
    assert_int_equal(sync_engine_of(db, &s), SQLITE_OK);
    char *text = malloc(LONG + 1), *sql;
    assert_non_null(text);
    memset(text, 'x', LONG);
    text[LONG] = 0;
    sql = sqlite3_mprintf("CREATE TABLE t(id TEXT PRIMARY KEY, a DEFAULT '%s', b)", text);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(sql);
    bool hit = true;
    for (long good = 0; hit; good++) {
        sync_arena arena = {0};
        sync_base_table base;
        sync_error error = {0};
        fault_arm_once(good);
        int rc = sync_schema_read(s, &arena, "t", &base, &error);
        hit = fault_disarm();
        if (rc == SYNC_OK) {
            assert_int_equal(base.col_count, 2);
            assert_non_null(base.cols[0].preset);
            assert_int_equal(strlen(base.cols[0].preset), LONG + 2); /* and the quotes */
            assert_null(base.cols[1].preset);
        } else {
            assert_int_equal(rc & 0xff, SQLITE_NOMEM);
        }
        sync_arena_free(&arena);
    }
    free(text);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_default_for_which_there_is_no_memory)};
    return fault_install() != 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
