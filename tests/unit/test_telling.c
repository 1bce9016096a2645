/* What has left a file binds it: across a clock that is set back, a power cut, a rollback, and parts of deltas that arrive mixed. The engine
** on real files, in an environment made here. */
#include "env.h"
#include "sync_ext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    const sync_env *real;
    int64_t now_ms;
    const char *boot;
    int durable_writes;
} world;

static int64_t now_ms(void *context)
{
    (void)context;
    return world.now_ms;
}

static int boot(void *context, char to[40])
{
    (void)context;
    snprintf(to, 40, "%s", world.boot);
    return 0;
}

static int witness_write(void *context, const char *path, const sync_witness *w, bool durable)
{
    world.durable_writes += durable;
    return world.real->witness_write(context, path, w, durable);
}

static char folder[] = "/tmp/telling.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static sqlite3 *open_file(const char *name)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    assert_int_equal(sqlite3_open(path_of(name), &db), SQLITE_OK);
    assert_int_equal(sqlite3_syncext_init(db, &error, NULL), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s: %s", sql, error);
    }
}

/* The value of an expression as a copied blob. */
static void *blob_of(sqlite3 *db, const char *sql, size_t *bytes)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    *bytes = (size_t)sqlite3_column_bytes(stmt, 0);
    void *copy = malloc(*bytes + 1);
    assert_non_null(copy);
    if (*bytes > 0) { /* an empty one, or NULL, has no bytes at all */
        memcpy(copy, sqlite3_column_blob(stmt, 0), *bytes);
    }
    ((char *)copy)[*bytes] = 0;
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return copy;
}

static void assert_text(sqlite3 *db, const char *sql, const char *expected)
{
    size_t bytes = 0;
    char *text = blob_of(db, sql, &bytes);
    assert_string_equal(text, expected);
    free(text);
}

static int merge(sqlite3 *to, const void *changes, size_t bytes)
{
    int64_t changed = 0;
    char *error = NULL;
    int rc = sync_merge_changeset(to, changes, bytes, &changed, &error);
    sqlite3_free(error);
    return rc;
}

static void pull(sqlite3 *to, sqlite3 *from)
{
    size_t seen_bytes = 0;
    void *seen = blob_of(to, "SELECT sync_seen()", &seen_bytes);
    sync_stream *stream = NULL;
    char *error = NULL;
    const void *part;
    size_t bytes;
    int last = 0;
    assert_int_equal(sync_stream_open(from, seen, seen_bytes, 0, 0, &stream, &error), SQLITE_OK);
    if (sync_stream_next(stream, &part, &bytes, &last, &error) == SQLITE_ROW) {
        assert_true(last);
        assert_int_equal(merge(to, part, bytes), SQLITE_OK);
    }
    sync_stream_close(stream);
    free(seen);
}

static const char schema[] = "CREATE TABLE t(k INTEGER PRIMARY KEY, v); SELECT sync_track_all();";

static int begin(void **state)
{
    static sync_env env;
    (void)state;
    world.real = sync_env_get();
    world.now_ms = 1700000000000;
    world.boot = "first";
    world.durable_writes = 0;
    env = *world.real;
    env.now_ms = now_ms;
    env.boot = boot;
    env.witness_write = witness_write;
    sync_env_set(&env);
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    return mkdtemp(folder) == NULL;
}

static int end(void **state)
{
    char command[160];
    (void)state;
    sync_env_set(NULL);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* The journal's times are SQLite's, of the machine's own clock: what is written now was written before this. */
static void set_clock(sqlite3 *db, int64_t at, int64_t now)
{
    char sql[100];
    snprintf(sql, sizeof sql, "UPDATE sync_journal SET at = %lld WHERE seq > (SELECT folded FROM sync_meta)",
             (long long)at);
    run(db, sql);
    world.now_ms = now;
}

static void test_a_told_stamp_stays_when_the_clock_is_set_back(void **state)
{
    (void)state;
    sqlite3 *a = open_file("a.db"), *b = open_file("b.db");
    run(a, schema);
    run(b, schema);
    run(a, "INSERT INTO t VALUES(1, 'x')");
    set_clock(a, 1700000005000, 1700000009000);
    pull(b, a);
    size_t bytes = 0;
    char *told = blob_of(b, "SELECT DISTINCT stamp FROM sync_changes WHERE tbl = 't'", &bytes);
    world.now_ms = 1700000002000;
    assert_int_equal(sqlite3_close(a), SQLITE_OK);
    a = open_file("a.db"); /* only the witness knows now */
    run(a, "SELECT sync_fold()");
    assert_text(a, "SELECT DISTINCT stamp FROM sync_changes WHERE tbl = 't'", told);
    pull(b, a);
    pull(a, b);
    assert_text(b, "SELECT count(*) || (SELECT count(*) FROM sync_conflict) FROM t", "10");
    free(told);
    sqlite3_close(a);
    sqlite3_close(b);
}

static void test_a_renewal_that_is_rolled_back_is_made_again(void **state)
{
    (void)state;
    size_t bytes = 0, seen_bytes = 0;
    sqlite3 *a = open_file("a.db"), *b = open_file("b.db");
    run(a, schema);
    run(b, schema);
    run(b, "INSERT INTO t VALUES(2, 'y')");
    pull(b, a);
    void *seen = blob_of(b, "SELECT sync_seen()", &seen_bytes); /* more than a will hold */
    char *old = blob_of(a, "SELECT hex(sync_site())", &bytes);
    free(blob_of(a, "SELECT sync_changeset()", &bytes)); /* the witness is there, and unclean */
    world.boot = "second";                               /* the machine went down */
    sqlite3 *c = open_file("a.db");
    sync_stream *stream = NULL;
    char *error = NULL;
    const void *part;
    int last = 0;
    run(b, "INSERT INTO t VALUES(3, 'z')");
    assert_int_equal(sync_stream_open(b, seen, seen_bytes, 0, 0, &stream, &error), SQLITE_OK);
    assert_int_equal(sync_stream_next(stream, &part, &bytes, &last, &error), SQLITE_ROW);
    assert_int_equal(merge(c, part, bytes), SYNC_EXT_BEHIND); /* takes a new id, and rolls it back */
    sync_stream_close(stream);
    run(c, "SELECT sync_fold()");
    char *renewed = blob_of(c, "SELECT hex(sync_site())", &bytes);
    assert_string_not_equal(old, renewed);
    free(old);
    free(renewed);
    free(seen);
    sqlite3_close(a);
    sqlite3_close(b);
    sqlite3_close(c);
}

static void test_what_was_told_is_not_born_again_under_a_new_id(void **state)
{
    (void)state;
    sqlite3 *a = open_file("a.db"), *b = open_file("b.db");
    run(a, schema);
    run(b, schema);
    run(a, "INSERT INTO t VALUES(1, 'x')");
    set_clock(a, world.now_ms, world.now_ms);
    pull(b, a); /* from a virtual fold */
    run(b, "UPDATE t SET k = 7");
    world.boot = "second";
    sqlite3 *c = open_file("a.db");
    run(c, "INSERT INTO t VALUES(2, 'y')");
    pull(c, b);
    pull(b, c);
    assert_text(c, "SELECT group_concat(k || v) FROM (SELECT * FROM t ORDER BY k)", "2y,7x");
    assert_text(b, "SELECT group_concat(k || v) FROM (SELECT * FROM t ORDER BY k)", "2y,7x");
    sqlite3_close(a);
    sqlite3_close(b);
    sqlite3_close(c);
}

static void copy_file(const char *from, const char *to)
{
    char command[400];
    char source[128];
    snprintf(source, sizeof source, "%s", path_of(from));
    snprintf(command, sizeof command, "cat %s > %s", source, path_of(to)); /* into the same inode */
    assert_int_equal(system(command), 0);
}

/* A file is restored from a backup with nothing beside it that says so. Whoever has seen more of it than it holds knows: before anything is told, it takes
** another id. */
static void test_a_reader_who_knows_more_shows_that_the_file_was_restored(void **state)
{
    (void)state;
    static const char last_is_of_now[] =
        "UPDATE sync_journal SET at = 1700000001000 WHERE seq = (SELECT max(seq) FROM sync_journal)";
    size_t bytes = 0, seen_bytes = 0;
    sqlite3 *a = open_file("a.db"), *b = open_file("b.db");
    run(a, schema);
    run(b, schema);
    run(a, "INSERT INTO t VALUES(1, 'kept')");
    set_clock(a, world.now_ms, world.now_ms);
    pull(b, a);
    char *old = blob_of(a, "SELECT hex(sync_site())", &bytes);
    assert_int_equal(sqlite3_close(a), SQLITE_OK);
    copy_file("a.db", "backup");
    copy_file("a.db-sync", "backup-sync");
    a = open_file("a.db");
    world.now_ms += 1000;
    run(a, "INSERT INTO t VALUES(2, 'lost')");
    run(a, last_is_of_now);
    pull(b, a);
    assert_int_equal(sqlite3_close(a), SQLITE_OK);
    copy_file("backup", "a.db");
    copy_file("backup-sync", "a.db-sync");

    a = open_file("a.db");
    assert_text(a, "SELECT hex(sync_site())", old); /* it cannot know by itself */
    void *seen = blob_of(b, "SELECT sync_seen()", &seen_bytes);
    sync_stream *stream = NULL;
    char *error = NULL;
    assert_int_equal(sync_stream_open(a, seen, seen_bytes, 0, 0, &stream, &error), SQLITE_OK);
    sync_stream_close(stream);
    char *renewed = blob_of(a, "SELECT hex(sync_site())", &bytes);
    assert_string_not_equal(renewed, old);
    run(a, "INSERT INTO t VALUES(3, 'new')");
    run(a, last_is_of_now);
    pull(b, a);
    pull(a, b);
    assert_text(a, "SELECT group_concat(k || v) FROM (SELECT * FROM t ORDER BY k)", "1kept,2lost,3new");
    assert_text(b, "SELECT group_concat(k || v) FROM (SELECT * FROM t ORDER BY k)", "1kept,2lost,3new");
    assert_text(a, "SELECT hex(sync_site())", renewed); /* once is enough */
    free(seen);
    free(old);
    free(renewed);
    sqlite3_close(a);
    sqlite3_close(b);
}

/* The C functions say which of their callers' mistakes it is. */
static void test_connections_that_cannot(void **state)
{
    (void)state;
    sync_stream *stream = NULL;
    char *error = NULL;
    int64_t number = 0;
    sqlite3 *plain = NULL, *untracked = open_file("untracked.db");
    assert_int_equal(sqlite3_open(path_of("plain.db"), &plain), SQLITE_OK);
    assert_int_equal(sync_stream_open(plain, NULL, 0, 0, 0, &stream, &error), SQLITE_MISUSE);
    assert_non_null(strstr(error, "sqlite3_syncext_init"));
    sqlite3_free(error);
    assert_int_equal(sync_merge_changeset(plain, "", 0, &number, &error), SQLITE_MISUSE);
    sqlite3_free(error);
    assert_int_equal(sync_stream_open(untracked, NULL, 0, 0, 0, &stream, &error), SQLITE_ERROR);
    assert_non_null(strstr(error, "no table of this file is tracked"));
    assert_null(stream);
    sqlite3_free(error);
    assert_int_equal(sync_fold_some(untracked, 10, &number, &error), SQLITE_OK);
    assert_int_equal(number, 0);
    assert_int_equal(sync_fold_ahead(untracked, 10, &number, &error), SQLITE_OK);
    assert_int_equal(number, 0);
    sqlite3_close(plain);
    sqlite3_close(untracked);
}

static void test_the_disk_has_a_witness_before_anything_leaves(void **state)
{
    (void)state;
    size_t bytes = 0;
    sqlite3 *a = open_file("a.db");
    run(a, schema);
    int before = world.durable_writes;
    run(a, "INSERT INTO t VALUES(1, 'x')");
    free(blob_of(a, "SELECT sync_changeset()", &bytes));
    assert_true(world.durable_writes > before);
    before = world.durable_writes;
    run(a, "INSERT INTO t VALUES(2, 'x')");
    free(blob_of(a, "SELECT sync_changeset()", &bytes));
    assert_int_equal(world.durable_writes, before); /* one for a session is enough */
    assert_int_equal(sqlite3_close(a), SQLITE_OK);
    a = open_file("a.db"); /* closed cleanly: what says so must not be what a power cut leaves */
    before = world.durable_writes;
    free(blob_of(a, "SELECT sync_changeset()", &bytes));
    assert_true(world.durable_writes > before);
    sqlite3_close(a);
}

/* Takes one delta in parts of two rows. */
static int take_parts(sqlite3 *from, sqlite3 *to, void *parts[8], size_t bytes[8])
{
    size_t seen_bytes = 0;
    void *seen = blob_of(to, "SELECT sync_seen()", &seen_bytes);
    sync_stream *stream = NULL;
    char *error = NULL;
    const void *part;
    int last = 0, count = 0;
    assert_int_equal(sync_stream_open(from, seen, seen_bytes, 0, 2, &stream, &error), SQLITE_OK);
    while (!last) {
        assert_int_equal(sync_stream_next(stream, &part, &bytes[count], &last, &error), SQLITE_ROW);
        parts[count] = malloc(bytes[count]);
        assert_non_null(parts[count]);
        memcpy(parts[count], part, bytes[count]);
        count++;
    }
    sync_stream_close(stream);
    free(seen);
    return count;
}

static void test_parts_of_two_deltas_are_not_mixed(void **state)
{
    (void)state;
    void *first[8], *second[8];
    size_t first_bytes[8], second_bytes[8];
    sqlite3 *a = open_file("a.db"), *b = open_file("b.db");
    run(a, schema);
    run(b, schema);
    run(a, "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3), (4, 4)");
    int count = take_parts(a, b, first, first_bytes);
    assert_true(count >= 2);
    run(a, "INSERT INTO t VALUES(5, 5); UPDATE t SET v = 'later' WHERE k < 4");
    int more = take_parts(a, b, second, second_bytes);
    assert_true(more >= 2);
    assert_int_equal(merge(b, second[0], second_bytes[0]), SQLITE_OK);
    assert_int_equal(merge(b, first[1], first_bytes[1]), SYNC_EXT_BEHIND);
    for (int i = 0; i < more; i++) {
        assert_int_equal(merge(b, second[i], second_bytes[i]), SQLITE_OK);
    }
    assert_text(b, "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY k)", "later,later,later,4,5");
    for (int i = 0; i < count || i < more; i++) {
        free(i < count ? first[i] : NULL);
        free(i < more ? second[i] : NULL);
    }
    sqlite3_close(a);
    sqlite3_close(b);
}

static void test_several_are_merged_all_or_none(void **state)
{
    (void)state;
    void *parts[8];
    size_t bytes[8];
    char *error = NULL;
    sqlite3 *a = open_file("a.db"), *b = open_file("b.db");
    run(a, schema);
    run(b, schema);
    run(a, "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3), (4, 4)");
    int count = take_parts(a, b, parts, bytes);
    assert_true(count >= 2);
    sync_incoming in[8], *list[8];
    int64_t changed = 0;
    for (int i = 0; i < count; i++) {
        in[i] = (sync_incoming){parts[i], bytes[i], 0};
        list[i] = &in[i];
    }
    uint8_t *within = (uint8_t *)parts[count - 1] + bytes[count - 1] / 2;
    *within ^= 1;
    assert_int_not_equal(sync_merge_changesets(b, list, (size_t)count, &error), SQLITE_OK);
    assert_non_null(error);
    sqlite3_free(error);
    assert_text(b, "SELECT count(*) FROM t", "0");
    *within ^= 1;
    assert_int_equal(sync_merge_changesets(b, list, (size_t)count, &error), SQLITE_OK);
    assert_text(b, "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY k)", "1,2,3,4");
    for (int i = 0; i < count; i++) {
        changed += in[i].changed;
        free(parts[i]);
    }
    assert_int_equal(changed, 4);
    sqlite3_close(a);
    sqlite3_close(b);
}

/* What came in a part whose delta has not ended is above what this file says to hold: nobody could tell that it was seen, and deleted. */
static void test_deletes_outlast_parts(void **state)
{
    (void)state;
    void *parts[8];
    size_t bytes[8];
    sqlite3 *a = open_file("a.db"), *b = open_file("b.db");
    run(a, schema);
    run(b, schema);
    run(a, "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3), (4, 4)");
    int count = take_parts(a, b, parts, bytes);
    assert_true(count >= 2);
    assert_int_equal(merge(b, parts[0], bytes[0]), SQLITE_OK);
    run(b, "DELETE FROM t");
    assert_text(b, "SELECT sync_compact('{\"age\": 0}')", "0");
    for (int i = 0; i < count; i++) { /* from the beginning, as after a lost connection */
        assert_int_equal(merge(b, parts[i], bytes[i]), SQLITE_OK);
    }
    assert_text(b, "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY k)", "3,4");
    assert_text(b, "SELECT sync_compact('{\"age\": 0}')", "2");
    assert_int_equal(merge(b, parts[0], bytes[0]), SQLITE_OK);
    assert_text(b, "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY k)", "3,4");
    pull(a, b);
    assert_text(a, "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY k)", "3,4");
    for (int i = 0; i < count; i++) {
        free(parts[i]);
    }
    sqlite3_close(a);
    sqlite3_close(b);
}

/* A table that comes whole comes in parts as well; the parts of another table's rows lie between. */
static void test_whole_tables_in_parts(void **state)
{
    (void)state;
    void *parts[8];
    size_t bytes[8];
    sqlite3 *a = open_file("a.db"), *b = open_file("b.db");
    run(a, schema);
    run(b, schema);
    run(a, "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)");
    pull(b, a);
    run(a, "DELETE FROM t WHERE k IN (2, 5); SELECT sync_compact('{\"age\": 0}')");
    int count = take_parts(a, b, parts, bytes);
    assert_true(count >= 2);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < (round ? count : 1); i++) {
            assert_text(b, "SELECT count(*) FROM t", "6");
            assert_int_equal(merge(b, parts[i], bytes[i]), SQLITE_OK);
        }
    }
    assert_text(b, "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY k)", "1,3,4,6");
    for (int i = 0; i < count; i++) {
        free(parts[i]);
    }
    sqlite3_close(a);
    sqlite3_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_told_stamp_stays_when_the_clock_is_set_back, begin, end),
        cmocka_unit_test_setup_teardown(test_a_renewal_that_is_rolled_back_is_made_again, begin, end),
        cmocka_unit_test_setup_teardown(test_what_was_told_is_not_born_again_under_a_new_id, begin, end),
        cmocka_unit_test_setup_teardown(test_a_reader_who_knows_more_shows_that_the_file_was_restored, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_connections_that_cannot, begin, end),
        cmocka_unit_test_setup_teardown(test_the_disk_has_a_witness_before_anything_leaves, begin, end),
        cmocka_unit_test_setup_teardown(test_parts_of_two_deltas_are_not_mixed, begin, end),
        cmocka_unit_test_setup_teardown(test_several_are_merged_all_or_none, begin, end),
        cmocka_unit_test_setup_teardown(test_deletes_outlast_parts, begin, end),
        cmocka_unit_test_setup_teardown(test_whole_tables_in_parts, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
