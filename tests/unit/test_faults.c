/* Allocations of a merge fail, one of them or all from some point on: whatever the host does next, no half of a merge stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leaf_fault.h"
#include "sync_ext.h"

enum { ROWS = 12 };

static char directory[] = "/tmp/sync-faults-XXXXXX";

typedef enum host {
    HOST_ALONE,     /* no transaction of its own: then a BEGIN */
    HOST_COMMITS,   /* BEGIN, a row, the merge, COMMIT */
    HOST_RELEASES,  /* SAVEPOINT, a row, the merge, RELEASE */
    HOST_GOES_BACK, /* BEGIN, a row, SAVEPOINT, the merge, ROLLBACK TO, COMMIT */
    HOSTS
} host;

static sqlite3 *open_file(const char *name)
{
    char path[200];
    sqlite3 *db = NULL;
    char *error = NULL;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_syncext_init(db, &error, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA synchronous = off; PRAGMA journal_mode = memory", NULL, NULL, NULL),
        SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s: %s", sql, error);
    }
}

static int number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int value = sqlite3_column_int(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return value;
}

static void fresh(const char *name)
{
    char path[200];
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-sync"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(path, sizeof path, "%s/%s%s", directory, name, suffixes[i]);
        (void)unlink(path);
    }
    sqlite3 *db = open_file(name);
    run(db, "CREATE TABLE t(id TEXT PRIMARY KEY, v UNIQUE); CREATE TABLE host(x); SELECT sync_track('t')");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A changeset of ROWS rows, one of which clashes with a row of the receiver. */
static void *make_changeset(int *bytes)
{
    sqlite3_stmt *stmt = NULL;
    fresh("from.db");
    sqlite3 *db = open_file("from.db");
    run(db, "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12) INSERT INTO t SELECT 'k' || "
            "i, i FROM n");
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT sync_changeset()", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    *bytes = sqlite3_column_bytes(stmt, 0);
    void *copy = malloc((size_t)*bytes);
    assert_non_null(copy);
    memcpy(copy, sqlite3_column_blob(stmt, 0), (size_t)*bytes);
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return copy;
}

static sqlite3_stmt *prepare_merge(sqlite3 *db, const void *changeset, int bytes)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT sync_apply(?1)", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_bind_blob(stmt, 1, changeset, bytes, SQLITE_STATIC), SQLITE_OK);
    return stmt;
}

/* What the host does after the merge; true if its transaction was committed. */
static bool end_host(sqlite3 *db, host h)
{
    switch (h) {
    case HOST_ALONE:
        if (sqlite3_get_autocommit(db)) {
            return false;
        }
        (void)sqlite3_exec(db, "INSERT INTO t VALUES('host', -1)", NULL, NULL, NULL);
        return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    case HOST_RELEASES:
        return sqlite3_exec(db, "RELEASE host", NULL, NULL, NULL) == SQLITE_OK;
    case HOST_GOES_BACK:
        if (sqlite3_exec(db, "ROLLBACK TO host", NULL, NULL, NULL) != SQLITE_OK) {
            assert_true(sqlite3_get_autocommit(db)); /* SQLite rolled everything back */
            return false;
        }
        run(db, "COMMIT");
        return true;
    default:
        return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    }
}

/* One merge during which allocation `good` + 1 fails. False when there was no such allocation. */
static bool try_merge(host h, long good, bool once, const void *changeset, int bytes)
{
    static const char *const begin[HOSTS] = {"", "BEGIN; INSERT INTO host VALUES(1)",
                                             "SAVEPOINT host; INSERT INTO host VALUES(1)",
                                             "BEGIN; INSERT INTO host VALUES(1); SAVEPOINT host"};
    fresh("to.db");
    sqlite3 *db = open_file("to.db");
    run(db, "INSERT INTO t VALUES('mine', 7)");
    run(db, begin[h]);
    sqlite3_stmt *stmt = prepare_merge(db, changeset, bytes);
    if (once) {
        fault_arm_once(good);
    } else {
        fault_arm(good);
    }
    bool merged = sqlite3_step(stmt) == SQLITE_ROW;
    bool struck = fault_disarm();
    assert_true(struck || merged);
    sqlite3_finalize(stmt);
    bool committed = end_host(db, h);
    bool kept = merged && (h == HOST_ALONE || (committed && h != HOST_GOES_BACK));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);

    db = open_file("to.db");
    int rows = number(db, "SELECT count(*) FROM t WHERE id LIKE 'k%'");
    assert_int_equal(rows, kept ? ROWS - (number(db, "SELECT count(*) FROM t WHERE id = 'mine'") == 1) : 0);
    assert_int_equal(number(db, "SELECT count(*) FROM sync_applying"), 0);
    assert_int_equal(number(db, "SELECT count(*) FROM host"), h != HOST_ALONE && committed ? 1 : 0);
    stmt = prepare_merge(db, changeset, bytes);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), kept ? 0 : ROWS);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return struck;
}

static void fail_each(host h, bool once, long step)
{
    int bytes = 0;
    void *changeset = make_changeset(&bytes);
    long good = 0;
    while (try_merge(h, good, once, changeset, bytes)) {
        good += step;
    }
    assert_true(good > 100);
    free(changeset);
}

static void test_alone(void **state)
{
    (void)state;
    fail_each(HOST_ALONE, true, 13);
    fail_each(HOST_ALONE, false, 97);
}

static void test_in_a_transaction(void **state)
{
    (void)state;
    fail_each(HOST_COMMITS, true, 13);
    fail_each(HOST_COMMITS, false, 97);
}

static void test_in_a_savepoint(void **state)
{
    (void)state;
    fail_each(HOST_RELEASES, true, 53);
}

static void test_a_host_that_goes_back(void **state)
{
    (void)state;
    fail_each(HOST_GOES_BACK, true, 53);
}

/* What an operation left undone for want of memory is forgotten with the transaction, whatever was the first thing that failed. */
static void test_a_host_that_starts_over(void **state)
{
    (void)state;
    fresh("to.db");
    for (long good = 0; good < 400; good++) { /* until it has begun */
        sqlite3 *db = open_file("to.db");
        run(db, "BEGIN");
        fault_arm_once(good);
        (void)sqlite3_exec(db, "SELECT sync_fold()", NULL, NULL, NULL);
        (void)fault_disarm();
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* where SQLite has not done it */
        run(db, "BEGIN; SELECT sync_fold(); COMMIT");
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
}

/* With no memory left not even the ROLLBACK can be done. Whatever the host calls next, that comes first: nothing of the attempt stays, and no lock. */
static void test_a_host_that_does_nothing(void **state)
{
    (void)state;
    static const char *const calls[] = {"SELECT sync_fold()", "SELECT length(sync_seen())",
                                        "SELECT length(sync_changeset())",
                                        "SELECT count(*) FROM sync_changes"};
    int bytes = 0, left_open = 0;
    void *changeset = make_changeset(&bytes);
    fresh("to.db");
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        bool struck = true;
        for (long good = 0; struck; good += 13) {
            sqlite3 *db = open_file("to.db"), *other = open_file("to.db");
            run(db, "INSERT INTO t VALUES('mine', NULL) ON CONFLICT(id) DO UPDATE SET v = NULL");
            fault_arm(good);
            (void)sqlite3_exec(db, calls[c], NULL, NULL, NULL);
            struck = fault_disarm();
            left_open += !sqlite3_get_autocommit(db);
            run(db, calls[(c + (size_t)good) % 4]);
            assert_true(sqlite3_get_autocommit(db));
            run(other, "BEGIN IMMEDIATE; ROLLBACK");
            assert_int_equal(sqlite3_close(other), SQLITE_OK);
            assert_int_equal(sqlite3_close(db), SQLITE_OK);
        }
    }
    assert_true(left_open > 0);
    sqlite3 *db = open_file("to.db");
    sqlite3_stmt *stmt = prepare_merge(db, changeset, bytes);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), ROWS + 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    free(changeset);
}

int main(void)
{
    if (fault_install() != 0 || mkdtemp(directory) == NULL) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_in_a_transaction),
        cmocka_unit_test(test_in_a_savepoint),
        cmocka_unit_test(test_a_host_that_goes_back),
        cmocka_unit_test(test_a_host_that_starts_over),
        cmocka_unit_test(test_a_host_that_does_nothing),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    char command[200];
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command) == 0 ? rc : 1;
}
