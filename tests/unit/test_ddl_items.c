/* CREATE TABLE statements, taken apart. */
#include "leaf_rows.h"

#include "ddl_items.h"

#include <stdio.h>
#include <string.h>

/* Columns as name=piece, constraints as piece, one a line; then the options. "none": no table with columns. */
static const char *read(const char *sql)
{
    static char text[600];
    peer_ddl_table table;
    if (!peer_ddl_table_read(sql, &table)) {
        return "none";
    }
    size_t at = 0;
    for (size_t i = 0; i < table.count; i++) {
        const peer_ddl_item *item = &table.items[i];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s%.*s\n", item->column ? item->column : "",
                               item->column ? "=" : "", (int)item->piece.bytes, item->piece.text);
    }
    snprintf(text + at, sizeof text - at, "%.*s", (int)table.options.bytes, table.options.text);
    peer_ddl_table_free(&table);
    return text;
}

static void test_items(void **state)
{
    (void)state;
    assert_string_equal(read("CREATE TABLE t(a)"), "a=a\n");
    assert_string_equal(read("CREATE TABLE t ( a , b INT DEFAULT (1,2) ) STRICT , WITHOUT ROWID"),
                        "a=a\nb=b INT DEFAULT (1,2)\nSTRICT , WITHOUT ROWID");
    assert_string_equal(
        read("CREATE TABLE \"t(\"(\"a,\"\"b\" TEXT, [c)] , `d` CHECK(d <> '),(') -- no, b\n)"),
        "a,\"b=\"a,\"\"b\" TEXT\nc)=[c)]\nd=`d` CHECK(d <> '),(')\n");
    assert_string_equal(
        read("CREATE TABLE t(a, primary key(a), CONSTRAINT x UNIQUE(a), check(a > (1)), FOREIGN KEY(a) "
             "REFERENCES t(a))"),
        "a=a\nprimary key(a)\nCONSTRAINT x UNIQUE(a)\ncheck(a > (1))\nFOREIGN KEY(a) REFERENCES t(a)\n");
    assert_string_equal(read("CREATE TABLE t(\"check\" , a /* , */ INT)"),
                        "check=\"check\"\na=a /* , */ INT\n");
    assert_string_equal(read("CREATE TABLE virtual(a)"), "a=a\n");
    assert_string_equal(read("CREATE VIRTUAL TABLE t USING fts5(a)"), "none");
    assert_string_equal(read("CREATE TABLE t AS SELECT 1"), "none");
    assert_string_equal(read(""), "none");
    assert_string_equal(read("CREATE TABLE t("), "\n"); /* SQLite accepts none of these: they end somehow */
    assert_string_equal(read("CREATE TABLE t(a"), "a=a\n");
    assert_string_equal(read("CREATE TABLE t(a,"), "a=a\n\n");
    assert_string_equal(read("CREATE TABLE t(a, 'b"), "a=a\nb='b\n");
}

static bool same(const char *a, const char *b)
{
    return peer_ddl_same(peer_ddl_piece_of(a), peer_ddl_piece_of(b));
}

static void test_same(void **state)
{
    (void)state;
    assert_true(same("a INT", "A\t/* x */ int -- y"));
    assert_true(same("\"a\" INT", "[a] `INT`"));
    assert_true(same("", " "));
    assert_false(same("a DEFAULT \"New\"", "a DEFAULT \"new\""));
    assert_false(same("a INT", "a"));
    assert_false(same("a", "a INT"));
    assert_false(same("a DEFAULT 'X'", "a DEFAULT 'x'"));
    assert_false(same("a DEFAULT 'x'", "a DEFAULT x"));
    assert_false(same("ab", "a b"));
    assert_false(same("CHECK(a > 1)", "CHECK(a >= 1)"));
}

static void test_find(void **state)
{
    (void)state;
    peer_ddl_table table;
    assert_true(peer_ddl_table_read("CREATE TABLE t(\"A b\", c, UNIQUE(c))", &table));
    assert_ptr_equal(peer_ddl_find(&table, "a B"), &table.items[0]);
    assert_ptr_equal(peer_ddl_find(&table, "C"), &table.items[1]);
    assert_null(peer_ddl_find(&table, "UNIQUE"));
    peer_ddl_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_items), cmocka_unit_test(test_same),
                                       cmocka_unit_test(test_find)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
