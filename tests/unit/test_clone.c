/* A schema that comes from another side: what is made of it, what is left out, and that nothing is made of bytes that are no schema. */
#include "clone.h"
#include "sync_ext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct object {
    uint8_t kind;
    const char *name, *table, *sql;
} object;

enum { TABLE, INDEX, VIEW, TRIGGER, VIRTUAL, KINDS };

static const object table = {TABLE, "t", "t", "CREATE TABLE t(id TEXT PRIMARY KEY, v)"};

static void put_text(sync_buf *to, const char *text)
{
    sync_buf_put_blob(to, text, strlen(text));
}

/* clone.h's layout: the table t, one object more if there is one, and t is tracked. */
static void put_schema(sync_buf *to, uint8_t version, uint8_t encoding, const object *more)
{
    const object *all[] = {&table, more};
    size_t count = more ? 2 : 1;
    sync_buf_put_u8(to, version);
    sync_buf_put_u8(to, encoding);
    sync_buf_put_zigzag(to, -7);
    sync_buf_put_zigzag(to, 77);
    sync_buf_put_varint(to, count);
    for (size_t i = 0; i < count; i++) {
        sync_buf_put_u8(to, all[i]->kind);
        put_text(to, all[i]->name);
        put_text(to, all[i]->table);
        put_text(to, all[i]->sql);
    }
    sync_buf_put_varint(to, 1);
    put_text(to, "t");
    put_text(to, "{}");
    if (version > 1) {
        sync_buf_put_varint(to, 1);
        put_text(to, "t");
        put_text(to, "7");
    }
}

static sqlite3 *open_empty(void)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_syncext_init(db, &error, NULL), SQLITE_OK);
    return db;
}

static void assert_answer(sqlite3 *db, const char *sql, const char *expected)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(stmt, 0), expected);
    sqlite3_finalize(stmt);
}

typedef struct told {
    int count;
    char text[300];
} told;

static void left_out(void *context, const char *kind, const char *name, const char *why, const char *sql)
{
    told *to = context;
    (void)sql;
    to->count++;
    snprintf(to->text, sizeof to->text, "%s %s: %s", kind, name, why);
}

/* Exactly these bytes, so that a read beyond them is seen. */
static int load(sqlite3 *db, const void *data, size_t bytes, told *out, sync_error *error)
{
    void *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    int rc = sync_clone_load(db, copy, bytes, left_out, out, error);
    free(copy);
    return rc;
}

static void assert_refused(const sync_buf *schema, size_t bytes, int code, const char *says)
{
    told out = {0};
    sync_error error = {0};
    sqlite3 *db = open_empty();
    assert_int_equal(load(db, schema->data, bytes, &out, &error), code);
    if (strstr(error.text, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, says);
    }
    assert_int_equal(sqlite3_get_autocommit(db), 1);
    assert_answer(db, "SELECT count(*) FROM sqlite_schema", "0");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_what_is_no_schema(void **state)
{
    (void)state;
    sync_buf good = {0}, bad = {0};
    put_schema(&good, 2, 0, NULL);
    for (size_t cut = 0; cut < good.len; cut++) {
        assert_refused(&good, cut, SYNC_CORRUPT, "cannot be read");
    }
    sync_buf_put_u8(&good, 0);
    assert_refused(&good, good.len, SYNC_CORRUPT, "cannot be read"); /* something behind it */
    good.len--;
    for (size_t at = 6; at < good.len; at++) { /* a NUL in a text: SQLite would see less than was sent */
        if (good.data[at] >= 'A') {            /* no length is so large */
            uint8_t kept = good.data[at];
            good.data[at] = 0;
            assert_refused(&good, good.len, SYNC_CORRUPT, "cannot be read");
            good.data[at] = kept;
        }
    }
    static const struct {
        uint8_t version, encoding, kind;
        int code;
        const char *says;
    } cases[] = {
        {3, 0, TABLE, SYNC_FORMAT, "newer version (3)"}, {0, 0, TABLE, SYNC_CORRUPT, "cannot be read"},
        {1, 3, TABLE, SYNC_CORRUPT, "cannot be read"},   {1, 0, KINDS, SYNC_CORRUPT, "cannot be read"},
        {2, 0, KINDS, SYNC_CORRUPT, "cannot be read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        object more = {cases[i].kind, "u", "u", "CREATE TABLE u(x)"};
        bad.len = 0;
        put_schema(&bad, cases[i].version, cases[i].encoding, &more);
        assert_refused(&bad, bad.len, cases[i].code, cases[i].says);
    }
    sync_buf_free(&good);
    sync_buf_free(&bad);
}

/* Whatever calls itself a table: CREATE alone runs, and a whole statement of it. */
static void test_statements_that_do_not_run(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "",
        " ; ",
        "-- nothing",
        "CREATE TABLE",
        "CREATE TABLE x(y); DROP TABLE t",
        "DROP TABLE t",
        "INSERT INTO t VALUES('k', 1)",
        "UPDATE t SET v = 1",
        "DELETE FROM t",
        "SELECT 1",
        "EXPLAIN CREATE TABLE x(y)",
        "PRAGMA writable_schema = on",
        "ATTACH 'x' AS x",
        "BEGIN",
        "COMMIT",
        "VACUUM",
        "ANALYZE",
        "ALTER TABLE t ADD COLUMN w",
        "CREATE TEMP TABLE x(y)",
        "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE x USING fts5(y)",
        "CREATE TABLE x AS SELECT 1",
        "CREATE TABLE t(again)",
        "CREATE TABLE sqlite_x(y)",
        "CREATE INDEX x ON t(load_extension('x'))",
        "CREATE TABLE x(y, z AS (LOAD_EXTENSION(y)))",
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        object more = {TABLE, "x", "x", statements[i]};
        sync_buf schema = {0};
        put_schema(&schema, 1, 0, &more);
        assert_refused(&schema, schema.len, SYNC_SCHEMA, "table x cannot be made here: ");
        sync_buf_free(&schema);
    }
}

/* What another file can do without is left out, with the reason; the rest is made and tracked. */
static void test_what_is_left_out(void **state)
{
    (void)state;
    static const struct {
        object more;
        const char *says; /* NULL: it is made */
    } cases[] = {
        {{INDEX, "i", "t", "CREATE INDEX i ON t(v) WHERE lower(v) > 'a' ;\n"}, NULL},
        {{VIEW, "w", "w", "CREATE VIEW w AS SELECT id FROM t"}, NULL},
        {{VIEW, "w", "w", "CREATE VIEW w AS SELECT id FROM elsewhere"},
         "view w: no such table: main.elsewhere"},
        {{VIEW, "w", "w", "CREATE VIEW w AS SELECT nobody_knows(id) FROM t"},
         "view w: no such function: nobody_knows"},
        {{VIEW, "w", "w", "CREATE VIEW w AS"}, "view w: incomplete input"},
        {{TRIGGER, "g", "t", "CREATE TRIGGER g AFTER UPDATE OF v ON t BEGIN SELECT old.v; END"}, NULL},
        {{TRIGGER, "g", "t", "CREATE TRIGGER g AFTER UPDATE OF v ON t BEGIN SELECT old.w; END"},
         "trigger g: no such column: old.w"},
        {{TRIGGER, "g", "t", "CREATE TRIGGER g AFTER DELETE ON t BEGIN INSERT INTO elsewhere VALUES(1); END"},
         "trigger g: no such table: main.elsewhere"},
        {{TRIGGER, "g", "t", "CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT nobody_knows(new.id); END"},
         "trigger g: no such function: nobody_knows"},
        {{TRIGGER, "g", "t",
          "CREATE TRIGGER g AFTER INSERT ON t WHEN NOT EXISTS (SELECT 1 FROM sync_applying) BEGIN SELECT 1; "
          "END"},
         NULL},
        {{TRIGGER, "g", "sync_meta", "CREATE TRIGGER g AFTER UPDATE ON sync_meta BEGIN SELECT 1; END"},
         "trigger g: not authorized"},
        {{VIRTUAL, "f", "f", "CREATE VIRTUAL TABLE f USING fts5(x)"},
         "virtual table f: clone makes no virtual tables"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        told out = {0};
        sync_error error = {0};
        sync_buf schema = {0};
        sqlite3 *db = open_empty();
        put_schema(&schema, 1, 0, &cases[i].more);
        assert_int_equal(load(db, schema.data, schema.len, &out, &error), SYNC_OK);
        assert_string_equal(out.text, cases[i].says ? cases[i].says : "");
        assert_int_equal(out.count, cases[i].says ? 1 : 0);
        char *sql = sqlite3_mprintf("SELECT count(*) FROM sqlite_schema WHERE name = %Q", cases[i].more.name);
        assert_answer(db, sql, cases[i].says ? "0" : "1");
        sqlite3_free(sql);
        assert_answer(db, "SELECT tbl FROM sync_status", "t");
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        sync_buf_free(&schema);
    }
}

/* A view with an INSTEAD OF trigger for one kind of writes only works as well here as there. */
static void test_a_file_comes_through_whole(void **state)
{
    (void)state;
    static const char *const encodings[] = {"UTF-8", "UTF-16le", "UTF-16be"};
    for (size_t i = 0; i < 3; i++) {
        sync_buf schema = {0}, again = {0};
        sync_error error = {0};
        told out = {0};
        sqlite3 *from = open_empty(), *to = open_empty();
        char *sql = sqlite3_mprintf(
            "PRAGMA encoding = '%s'; PRAGMA user_version = -3; PRAGMA application_id = 300;"
            "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE UNIQUE INDEX \"i \xc3\xa9\" ON t(v);"
            "CREATE VIEW w AS SELECT id FROM t;"
            "CREATE TRIGGER g INSTEAD OF DELETE ON w BEGIN DELETE FROM t WHERE id = old.id; END;"
            "CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, v); CREATE TABLE left(x);"
            "INSERT INTO n(id) VALUES(41); DELETE FROM n;"
            "SELECT sync_track('t'), sync_track('n', '{\"identity\": \"key\"}')",
            encodings[i]);
        assert_int_equal(sqlite3_exec(from, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_free(sql);
        assert_int_equal(sync_clone_dump(from, &schema, &error), SYNC_OK);
        assert_int_equal(load(to, schema.data, schema.len, &out, &error), SYNC_OK);
        assert_string_equal(out.text, "");
        assert_answer(to, "PRAGMA encoding", encodings[i]);
        assert_answer(to, "PRAGMA user_version", "-3");
        assert_answer(to,
                      "SELECT group_concat(tbl || identity) FROM (SELECT * FROM sync_status ORDER BY tbl)",
                      "nkey,tkey");
        assert_answer(to, "INSERT INTO n(v) VALUES(1) RETURNING id", "42");
        assert_int_equal(sqlite3_exec(from, "INSERT INTO n(v) VALUES(1)", NULL, NULL, NULL), SQLITE_OK);
        schema.len = 0;
        assert_int_equal(sync_clone_dump(from, &schema, &error), SYNC_OK);
        assert_int_equal(sync_clone_dump(to, &again, &error), SYNC_OK);
        assert_int_equal(again.len, schema.len);
        assert_memory_equal(again.data, schema.data, schema.len);
        sync_buf_free(&schema);
        sync_buf_free(&again);
        assert_int_equal(sqlite3_close(from), SQLITE_OK);
        assert_int_equal(sqlite3_close(to), SQLITE_OK);
    }
}

/* A copy of a file's tables, as a snapshot has it. */
static sqlite3 *make_copy(sync_buf *schema, const char *change)
{
    static const char sql[] =
        "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE audit(id INTEGER PRIMARY KEY, what);"
        "SELECT sync_track_all(); INSERT INTO t VALUES('a', 1), ('b', 2); SELECT sync_fold();"
        "CREATE VIEW w AS SELECT id FROM t; CREATE TRIGGER mine AFTER DELETE ON t BEGIN INSERT INTO "
        "audit(what)"
        " VALUES(OLD.id); END";
    sync_error error = {0};
    sqlite3 *db = open_empty();
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sync_clone_dump(db, schema, &error), SYNC_OK);
    sqlite3_stmt *stmt = NULL;
    sync_buf drops = {0};
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT group_concat(printf('DROP %s \"%w\"', type, name), ';') FROM"
                                        " sqlite_schema WHERE type IN ('trigger', 'view')",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    sync_buf_put(&drops, sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0) + 1);
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_exec(db, (const char *)drops.data, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, change, NULL, NULL, NULL), SQLITE_OK);
    sync_buf_free(&drops);
    return db;
}

static void remember(void *context, const char *kind, const char *name, const char *why, const char *sql)
{
    (void)kind;
    (void)why;
    (void)sql;
    snprintf(context, 20, "%s", name);
}

static void test_a_copy_becomes_another_file(void **state)
{
    (void)state;
    char out[20] = "";
    sync_buf schema = {0};
    sync_error error = {0};
    sqlite3 *db = make_copy(&schema, "");
    assert_int_equal(sync_clone_adopt(db, schema.data, schema.len, remember, out, &error), SYNC_OK);
    assert_string_equal(out, "");
    assert_answer(db, "SELECT count(*) FROM sync_site", "2");
    assert_answer(
        db, "SELECT s.sid <> 1 AND s.own = 0 FROM sync_meta AS m JOIN sync_site AS s ON s.sid = m.site", "1");
    assert_answer(db, "SELECT sum(own) FROM sync_site", "0");
    assert_answer(db,
                  "SELECT count(*) FROM sqlite_schema WHERE name IN ('w', 'mine', 'sync_1_insert', "
                  "'sync_conflict_held')",
                  "4");
    assert_answer(db, "DELETE FROM t WHERE id = 'a' RETURNING id", "a");
    assert_answer(db, "SELECT what FROM audit", "a");
    assert_answer(db, "SELECT count(*) > 0 FROM sync_changes WHERE site = sync_site()", "1");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sync_buf_free(&schema);
}

static void test_what_is_no_copy(void **state)
{
    (void)state;
    static const struct {
        const char *change;
        int rc;
    } cases[] = {{"CREATE VIEW w AS SELECT 1", SYNC_CORRUPT},
                 {"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", SYNC_CORRUPT},
                 {"CREATE TABLE x(y)", SYNC_CORRUPT},
                 {"CREATE TABLE sync_row_77(y)", SYNC_CORRUPT},
                 {"INSERT INTO sync_journal(tid, op, k1) VALUES(1, -1, 'z')", SYNC_CORRUPT},
                 {"UPDATE sync_meta SET format = 1", SYNC_FORMAT},
                 {"DELETE FROM sync_meta", SYNC_FORMAT},
                 {"UPDATE sync_meta SET site = 77", SYNC_CORRUPT},
                 {"SELECT sync_untrack('t'), sync_untrack('audit')", SYNC_CORRUPT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[20] = "";
        sync_buf schema = {0};
        sync_error error = {0};
        sqlite3 *db = make_copy(&schema, cases[i].change);
        int rc = sync_clone_adopt(db, schema.data, schema.len, remember, out, &error);
        assert_int_equal(rc, cases[i].rc);
        assert_string_not_equal(error.text, "");
        assert_int_equal(sqlite3_get_autocommit(db), 1);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        sync_buf_free(&schema);
    }
}

static void test_a_copy_with_half_a_schema(void **state)
{
    (void)state;
    char out[20] = "";
    sync_buf schema = {0};
    sqlite3 *db = make_copy(&schema, "");
    for (size_t cut = 0; cut < schema.len / 2; cut += 3) {
        sync_error error = {0};
        assert_int_equal(sync_clone_adopt(db, schema.data, cut, remember, out, &error), SYNC_CORRUPT);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sync_buf_free(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_schema),
        cmocka_unit_test(test_statements_that_do_not_run),
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_a_file_comes_through_whole),
        cmocka_unit_test(test_a_copy_becomes_another_file),
        cmocka_unit_test(test_what_is_no_copy),
        cmocka_unit_test(test_a_copy_with_half_a_schema),
    };
    return cmocka_run_group_tests_name("clone", tests, NULL, NULL);
}
