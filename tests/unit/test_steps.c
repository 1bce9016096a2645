/* The C interface for programs that go on in steps: what it does with little at a time, and what it refuses. */
#include "leaf_rows.h"

#include "sync_ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/sync-steps-XXXXXX";

static const char schema[] = "CREATE TABLE n(id INTEGER PRIMARY KEY, v UNIQUE); CREATE TABLE k(id TEXT "
                             "COLLATE NOCASE PRIMARY KEY, v);";

static sqlite3 *open_file(const char *name, bool extended)
{
    char path[200];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_true(!extended || sqlite3_syncext_init(db, NULL, NULL) == SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s: %s", sql, error);
    }
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return value;
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int clear_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"a.db", "b.db"}, *const ends[] = {"", "-sync", "-wal", "-shm",
                                                                          "-journal"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
            char path[200];
            snprintf(path, sizeof path, "%s/%s%s", directory, names[i], ends[k]);
            (void)unlink(path);
        }
    }
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* Folds to the end, `enough` entries at a time. */
static void fold_all(sqlite3 *db, int64_t enough)
{
    char *error = NULL;
    int64_t entries = enough;
    while (entries >= enough) {
        assert_int_equal(sync_fold_some(db, enough, &entries, &error), SQLITE_OK);
    }
}

/* All parts of what `from` has, of a few rows each, into `to`. The number of parts. */
static int carry(sqlite3 *from, sqlite3 *to)
{
    sync_stream *stream = NULL;
    char *error = NULL;
    const void *part;
    size_t bytes;
    int64_t changed;
    uint64_t left = 0;
    int last = 0, rc, parts = 0;
    assert_int_equal(sync_stream_open(from, NULL, 0, 100, 2, &stream, &error), SQLITE_OK);
    assert_int_equal(sync_stream_left(stream, &left, &error), SQLITE_OK);
    assert_true(left > 0);
    while ((rc = sync_stream_next(stream, &part, &bytes, &last, &error)) == SQLITE_ROW) {
        assert_int_equal(sync_merge_changeset(to, part, bytes, &changed, &error), SQLITE_OK);
        parts += last ? 100 : 1;
    }
    assert_int_equal(rc, SQLITE_DONE);
    assert_true(parts > 100); /* the last one said so */
    assert_true(sync_stream_rows(stream) > 0);
    sync_stream_close(stream);
    return parts - 99;
}

/* A move is two entries, and the note of whom it pushes out one more: wherever a step ends, they come to the same as in one go. */
static void test_moves_across_steps(void **state)
{
    (void)state;
    for (int64_t enough = 2; enough <= 7; enough++) {
        sqlite3 *a = open_file("a.db", true), *b = open_file("b.db", true);
        run(a, schema);
        run(b, schema);
        run(a, "SELECT sync_track_all()");
        run(b, "SELECT sync_track_all()");
        run(a,
            "INSERT INTO n VALUES(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'); UPDATE n SET id = 10 WHERE id = 1;"
            "UPDATE OR REPLACE n SET id = 3 WHERE id = 2; UPDATE n SET id = id + 20 WHERE id IN (3, 10);"
            "INSERT OR REPLACE INTO n VALUES(50, 'd'), (51, 'e'); INSERT INTO k VALUES('k', 1), ('l', 2);"
            "UPDATE k SET id = 'm' WHERE id = 'K'; DELETE FROM k WHERE id = 'L'");
        fold_all(a, enough);
        assert_int_equal(
            number(a, "SELECT count(*) FROM sync_journal WHERE seq > (SELECT folded FROM sync_meta)"), 0);
        assert_true(carry(a, b) > 2);
        assert_int_equal(number(b, "SELECT sum(id) FROM n"), 23 + 30 + 50 + 51);
        assert_int_equal(number(b,
                                "SELECT count(*) FROM n WHERE (id, v) IN (VALUES(30, 'a'), (23, 'b'), (50, "
                                "'d'), (51, 'e'))"),
                         4);
        assert_int_equal(number(b, "SELECT count(*) FROM k WHERE id = 'm'"), 1);
        assert_int_equal(number(b, "SELECT count(*) FROM sync_conflict"), 0);
        assert_int_equal(sqlite3_close(a), SQLITE_OK);
        assert_int_equal(sqlite3_close(b), SQLITE_OK);
        (void)clear_directory(state);
    }
}

static void assert_says(int rc, int expected, char **text, const char *words)
{
    char *error = *text; /* set by the call that gave rc */
    assert_int_equal(rc, expected);
    assert_non_null(error);
    if (strstr(error, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error, words);
    }
    sqlite3_free(error);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    char *error = NULL;
    int64_t entries = -1;
    sqlite3 *db = open_file("a.db", true);
    run(db, schema);
    assert_says(sync_fold_some(db, 1, &entries, &error), SQLITE_MISUSE, &error, "two entries");
    assert_int_equal(entries, 0);
    assert_int_equal(sync_fold_some(db, 2, &entries, &error),
                     SQLITE_OK); /* nothing is tracked: nothing to fold */
    assert_int_equal(entries, 0);
    assert_int_equal(sync_fold_ahead(db, 100, &entries, &error), SQLITE_OK);
    sync_stream *stream = NULL;
    assert_says(sync_stream_open(db, NULL, 0, 100, 2, &stream, &error), SQLITE_ERROR, &error, "track");
    assert_null(stream);
    run(db, "SELECT sync_track_all(); INSERT INTO n VALUES(1, 1)");
    assert_says(sync_stream_open(db, "x", 1, 100, 2, &stream, &error), SQLITE_CORRUPT, &error, "seen");
    assert_null(stream);
    run(db, "BEGIN");
    assert_says(sync_fold_ahead(db, 100, &entries, &error), SQLITE_MISUSE, &error, "inside a transaction");
    run(db, "COMMIT");
    assert_int_equal(sync_fold_ahead(db, 100, &entries, &error), SQLITE_OK);
    assert_int_equal(entries, 1);
    sync_stream_close(NULL);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_a_connection_that_was_not_given_the_extension(void **state)
{
    (void)state;
    char *error = NULL;
    int64_t entries = 0;
    sync_stream *stream = NULL;
    sync_incoming one = {"x", 1, 0};
    sqlite3 *db = open_file("a.db", false);
    assert_says(sync_fold_some(db, 2, &entries, &error), SQLITE_MISUSE, &error, "sqlite3_syncext_init");
    assert_says(sync_fold_ahead(db, 2, &entries, &error), SQLITE_MISUSE, &error, "sqlite3_syncext_init");
    assert_says(sync_stream_open(db, NULL, 0, 1, 1, &stream, &error), SQLITE_MISUSE, &error,
                "sqlite3_syncext_init");
    assert_says(sync_merge_changesets(db, (sync_incoming *[]){&one}, 1, &error), SQLITE_MISUSE, &error,
                "sqlite3_syncext_init");
    assert_int_equal(sync_failed_with(db), SQLITE_MISUSE);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Several changesets are merged all or none. */
static void test_changesets_together(void **state)
{
    (void)state;
    char *error = NULL;
    sync_stream *stream = NULL;
    const void *part;
    size_t bytes;
    int last;
    sqlite3 *a = open_file("a.db", true), *b = open_file("b.db", true);
    run(a, schema);
    run(b, schema);
    run(a, "SELECT sync_track_all(); INSERT INTO n VALUES(1, 1), (2, 2)");
    assert_int_equal(sync_stream_open(a, NULL, 0, 1000, 1000, &stream, &error), SQLITE_OK);
    assert_int_equal(sync_stream_next(stream, &part, &bytes, &last, &error), SQLITE_ROW);
    sync_incoming good = {part, bytes, 7}, bad = {"SYNC", 4, 7};
    assert_says(sync_merge_changesets(b, (sync_incoming *[]){&good}, 1, &error), SQLITE_ERROR, &error,
                "track");
    run(b, "SELECT sync_track_all()");
    assert_says(sync_merge_changesets(b, (sync_incoming *[]){&good, &bad}, 2, &error), SQLITE_CORRUPT, &error,
                "changeset");
    assert_int_equal(number(b, "SELECT count(*) FROM n"), 0);
    assert_int_equal(sync_merge_changesets(b, (sync_incoming *[]){&good, &good}, 2, &error), SQLITE_OK);
    assert_int_equal(good.changed, 0); /* the second time */
    assert_int_equal(number(b, "SELECT count(*) FROM n"), 2);
    sync_stream_close(stream);
    assert_int_equal(sqlite3_close(a), SQLITE_OK);
    assert_int_equal(sqlite3_close(b), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_moves_across_steps, clear_directory),
        cmocka_unit_test_setup(test_what_is_refused, clear_directory),
        cmocka_unit_test_setup(test_a_connection_that_was_not_given_the_extension, clear_directory),
        cmocka_unit_test_setup_teardown(test_changesets_together, clear_directory, clear_directory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
