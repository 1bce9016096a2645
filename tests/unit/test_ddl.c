/* What statements that change a schema are about. */
#include "leaf_rows.h"

#include "ddl.h"

#include <stdio.h>

static const char *const kinds[] = {"other",          "nothing",     "create table", "create index",
                                    "create trigger", "create view", "drop table",   "drop other",
                                    "alter table",    "insert"};

static int put(char *to, int at, size_t room, const char *what, sync_ddl_name name)
{
    return name.bytes
               ? at + snprintf(to + at, room - (size_t)at, " %s=%.*s", what, (int)name.bytes, name.text)
               : at;
}

/* The kind, and the names that were found. */
static const char *read(const char *sql)
{
    static char text[400];
    sync_ddl ddl;
    sync_ddl_read(sql, &ddl);
    int at = snprintf(text, sizeof text, "%s%s", kinds[ddl.kind], ddl.temporary ? " temp" : "");
    at = put(text, at, sizeof text, "schema", ddl.schema);
    at = put(text, at, sizeof text, "name", ddl.name);
    at = put(text, at, sizeof text, "on", ddl.on);
    at = put(text, at, sizeof text, "column", ddl.column);
    (void)put(text, at, sizeof text, "to", ddl.to);
    return text;
}

static void test_create(void **state)
{
    (void)state;
    assert_string_equal(read("CREATE TABLE t(a)"), "create table name=t");
    assert_string_equal(read("create temp table main . t(a)"), "create table temp schema=main name=t");
    assert_string_equal(read("CREATE TEMPORARY VIEW IF NOT EXISTS v AS SELECT 1"), "create view temp name=v");
    assert_string_equal(read("CREATE TABLE IF NOT EXISTS \"a b\".[t] (x)"),
                        "create table schema=\"a b\" name=[t]");
    assert_string_equal(read("CREATE INDEX i ON t(a)"), "create index name=i on=t");
    assert_string_equal(read("CREATE UNIQUE INDEX main.i ON t(a)"), "create index schema=main name=i on=t");
    assert_string_equal(read("CREATE TRIGGER r AFTER UPDATE OF \"on\" ON t BEGIN SELECT 1; END"),
                        "create trigger name=r on=t");
    assert_string_equal(read("CREATE VIRTUAL TABLE v USING m"), "other name=TABLE");
}

static void test_create_without_its_table(void **state)
{
    (void)state;
    assert_string_equal(read("CREATE INDEX i"), "create index name=i");
    assert_string_equal(read("CREATE INDEX i; SELECT 1 ON t"), "create index name=i");
}

static void test_drop(void **state)
{
    (void)state;
    assert_string_equal(read("DROP TABLE IF EXISTS main.t"), "drop table schema=main name=t");
    assert_string_equal(read("DROP INDEX i"), "drop other name=i");
    assert_string_equal(read("DROP TRIGGER r"), "drop other name=r");
    assert_string_equal(read("DROP VIEW v"), "drop other name=v");
    assert_string_equal(read("DROP DATABASE d"), "other name=d");
}

static void test_alter(void **state)
{
    (void)state;
    assert_string_equal(read("ALTER TABLE t RENAME TO u"), "alter table name=t to=u");
    assert_string_equal(read("ALTER TABLE t RENAME COLUMN a TO b"), "alter table name=t");
    assert_string_equal(read("ALTER TABLE t RENAME a TO b"), "alter table name=t");
    assert_string_equal(read("ALTER TABLE t DROP COLUMN a"), "alter table name=t column=a");
    assert_string_equal(read("ALTER TABLE t DROP a;"), "alter table name=t column=a");
    /* such a column may be called so */
    assert_string_equal(read("ALTER TABLE t DROP COLUMN"), "alter table name=t column=COLUMN");
    assert_string_equal(read("ALTER TABLE t DROP column;"), "alter table name=t column=column");
    assert_string_equal(read("ALTER TABLE t ADD COLUMN a"), "alter table name=t");
    assert_string_equal(read("ALTER DATABASE d"), "other name=d");
}

static void test_insert(void **state)
{
    (void)state;
    assert_string_equal(read("INSERT INTO t SELECT 1"), "insert name=t");
    assert_string_equal(read("INSERT OR IGNORE INTO main.t VALUES(1)"), "insert schema=main name=t");
    assert_string_equal(read("REPLACE INTO t VALUES(1)"), "insert name=t");
    assert_string_equal(read("INSERT t"), "other");
}

static void test_others(void **state)
{
    (void)state;
    assert_string_equal(read(""), "nothing");
    assert_string_equal(read(" -- a comment"), "nothing");
    assert_string_equal(read("; DROP TABLE t"), "nothing");
    assert_string_equal(read("UPDATE t SET a = 1"), "other");
    assert_string_equal(read("WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c"), "other");
    assert_string_equal(read("/* first */ DROP -- that\n TABLE/**/t"), "drop table name=t");
    assert_string_equal(read("DROP TABLE a / b"), "drop table name=a");
    assert_string_equal(read("DROP / TABLE"), "other name=TABLE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create), cmocka_unit_test(test_create_without_its_table),
        cmocka_unit_test(test_drop),   cmocka_unit_test(test_alter),
        cmocka_unit_test(test_insert), cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
