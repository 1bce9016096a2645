/* Bounds of the peer at n and at n + 1: those that no process is needed for. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harden.h"
#include "keys.h"
#include "message.h"
#include "url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A secret of so many bytes, read from a file. */
static bool takes_secret(size_t bytes)
{
    char path[64], *why = NULL, *text = malloc(bytes);
    peer_keys keys = {0};
    int file = memfd_create("secret", MFD_CLOEXEC);
    assert_true(file >= 0 && text != NULL);
    memset(text, 'x', bytes);
    assert_int_equal(write(file, text, bytes), bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    bool good = peer_keys_read(&keys, PEER_HS256, path, &why);
    assert_true(good == (why == NULL));
    assert_true(!good || keys.list[0].bytes == bytes);
    peer_keys_free(&keys);
    close(file);
    free(why);
    free(text);
    return good;
}

static void test_key_files(void **state)
{
    (void)state;
    assert_true(takes_secret(PEER_KEY_FILE_BYTES_MAX));
    assert_false(takes_secret(PEER_KEY_FILE_BYTES_MAX + 1));
}

static void test_hosts(void **state)
{
    (void)state;
    char text[PEER_TLS_HOST_BYTES_MAX + 20];
    for (int bytes = PEER_TLS_HOST_BYTES_MAX; bytes <= PEER_TLS_HOST_BYTES_MAX + 1; bytes++) {
        peer_url url = {0};
        snprintf(text, sizeof text, "wss://%0*d/r", bytes, 1);
        assert_int_equal(peer_url_read(text, &url) == NULL, bytes == PEER_TLS_HOST_BYTES_MAX);
        peer_url_free(&url);
    }
}

static void test_room_names(void **state)
{
    (void)state;
    char name[PEER_ROOM_NAME_MAX + 1];
    memset(name, 'r', sizeof name);
    assert_true(peer_room_name_ok(name, PEER_ROOM_NAME_MAX));
    assert_false(peer_room_name_ok(name, PEER_ROOM_NAME_MAX + 1));
}

static sqlite3 *open_hardened(peer_guard *guard)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(peer_harden(db), SQLITE_OK);
    assert_int_equal(peer_harden_writer(guard, db, 30), SQLITE_OK);
    return db;
}

/* Does SQLite take before, `piece` so many times, and after? */
static bool takes(sqlite3 *db, const char *before, const char *piece, int times, const char *after)
{
    sync_buf sql = {0};
    sync_buf_put(&sql, before, strlen(before));
    for (int i = 0; i < times; i++) {
        sync_buf_put(&sql, piece, strlen(piece));
    }
    sync_buf_put(&sql, after, strlen(after) + 1);
    assert_false(sql.oom);
    int rc = sqlite3_exec(db, (const char *)sql.data, NULL, NULL, NULL);
    sync_buf_free(&sql);
    return rc == SQLITE_OK;
}

static void test_sql(void **state)
{
    (void)state;
    peer_guard guard;
    sqlite3 *db = open_hardened(&guard);
    assert_true(takes(db, "SELECT max(1", ", 1", PEER_SQL_FUNCTION_ARGS_MAX - 1, ")"));
    assert_false(takes(db, "SELECT max(1, 1", ", 1", PEER_SQL_FUNCTION_ARGS_MAX - 1, ")"));
    assert_true(takes(db, "SELECT 'x' LIKE '", "%", PEER_SQL_LIKE_BYTES_MAX, "'"));
    assert_false(takes(db, "SELECT 'x' LIKE '", "%", PEER_SQL_LIKE_BYTES_MAX + 1, "'"));
    assert_true(takes(db, "SELECT 1", " + 1", PEER_SQL_EXPR_DEPTH_MAX - 1, ""));
    assert_false(takes(db, "SELECT 1", " + 1", PEER_SQL_EXPR_DEPTH_MAX, ""));
    for (int i = 0; i <= PEER_SQL_ATTACHED_MAX; i++) {
        char name[40];
        snprintf(name, sizeof name, "ATTACH ':memory:' AS a%d", i);
        assert_true(takes(db, name, "", 0, "") == (i < PEER_SQL_ATTACHED_MAX));
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A row fires the trigger that makes the next one. */
static void test_triggers_in_triggers(void **state)
{
    (void)state;
    peer_guard guard;
    sqlite3 *db = open_hardened(&guard);
    assert_true(takes(db,
                      "PRAGMA recursive_triggers = on; CREATE TABLE t(n); CREATE TRIGGER r AFTER INSERT ON t "
                      "WHEN NEW.n > 1 BEGIN INSERT INTO t VALUES(NEW.n - 1); END",
                      "", 0, ""));
    for (int deep = PEER_SQL_TRIGGER_DEPTH_MAX; deep <= PEER_SQL_TRIGGER_DEPTH_MAX + 1; deep++) {
        char insert[60];
        snprintf(insert, sizeof insert, "INSERT INTO t VALUES(%d)", deep);
        assert_true(takes(db, insert, "", 0, "") == (deep == PEER_SQL_TRIGGER_DEPTH_MAX));
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_key_files), cmocka_unit_test(test_hosts),
                                       cmocka_unit_test(test_room_names), cmocka_unit_test(test_sql),
                                       cmocka_unit_test(test_triggers_in_triggers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
