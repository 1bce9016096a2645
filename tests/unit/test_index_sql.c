/* CREATE INDEX statements taken apart. */
#include "leaf_rows.h"

#include "index_sql.h"

#include <stdio.h>

enum { TERMS_MAX = 4 };

/* What comes out, as "term|term ? condition"; "no" where it is refused. */
static const char *taken_apart(const char *sql)
{
    static char text[400];
    sync_piece terms[TERMS_MAX], where;
    uint32_t count;
    int at = 0;
    if (!sync_index_sql(sql, terms, TERMS_MAX, &count, &where)) {
        return "no";
    }
    for (uint32_t i = 0; i < count; i++) {
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%.*s", i ? "|" : "", (int)terms[i].bytes,
                       terms[i].text);
    }
    snprintf(text + at, sizeof text - (size_t)at, "%s%.*s", where.bytes ? " ? " : "", (int)where.bytes,
             where.text);
    return text;
}

static void test_terms(void **state)
{
    (void)state;
    assert_string_equal(taken_apart("CREATE UNIQUE INDEX i ON t(a)"), "a");
    assert_string_equal(taken_apart("CREATE INDEX i ON t(a, \"b,c\" COLLATE nocase DESC,[d)] asc)"),
                        "a|\"b,c\" COLLATE nocase|[d)]");
    assert_string_equal(taken_apart("CREATE INDEX \"i(\" ON [t(](lower(a), coalesce(b, (c)) DESC)"),
                        "lower(a)|coalesce(b, (c))");
    assert_string_equal(taken_apart("CREATE INDEX i ON t('it''s, (' || a)"), "'it''s, (' || a");
    assert_string_equal(taken_apart("CREATE INDEX i ON t(`desc`, \"asc\")"), "`desc`|\"asc\"");
    /* what may stand in a name: DESC is none behind them */
    assert_string_equal(taken_apart("CREATE INDEX i ON t(x$DESC, x_DESC, xzAZ09DESC, \xc3\xa9"
                                    "DESC)"),
                        "x$DESC|x_DESC|xzAZ09DESC|\xc3\xa9"
                        "DESC");
    assert_string_equal(taken_apart("CREATE INDEX i ON t(x@DESC, x[DESC] DESC, {DESC, x`a`DESC)"),
                        "x@|x[DESC]|{|x`a`");
}

static void test_conditions(void **state)
{
    (void)state;
    assert_string_equal(taken_apart("CREATE INDEX i ON t(a)where b"), "a ? b");
    assert_string_equal(taken_apart("CREATE INDEX i ON t(a) WHERE b > ')' AND (c OR d) "),
                        "a ? b > ')' AND (c OR d)");
}

static void test_comments(void **state)
{
    (void)state;
    assert_string_equal(
        taken_apart("CREATE INDEX i /* ( */ ON t -- (x)\n(a -- ,\n, b /*)*/ ASC) WHERE/**/c -- end"),
        "a|b ? c");
    assert_string_equal(taken_apart("CREATE INDEX i ON t(a - -b)"), "a - -b");
    assert_string_equal(taken_apart("CREATE INDEX i ON t(a) /* never ended"), "a");
}

static void test_refused(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         "CREATE INDEX i ON t",
                         "CREATE INDEX i ON t(",
                         "CREATE INDEX i ON t()",
                         "CREATE INDEX i ON t(a,)",
                         "CREATE INDEX i ON t(a",
                         "CREATE INDEX i ON t('a",
                         "CREATE INDEX i ON t(a, b, c, d, e)",
                         "CREATE INDEX i ON t(a) WHERE",
                         "CREATE INDEX i ON t(a) WITH b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_string_equal(taken_apart(bad[i]), "no");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("index_sql", tests, NULL, NULL);
}
