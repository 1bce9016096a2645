/* A configuration against its schema: every keyword, at its bound and beyond; places named; defaults put in. */
#include "config.h"
#include "json_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
    assert_non_null(value);
    return value;
}

/* What is wrong with a value under a schema: NULL expects that nothing is. */
static void expect(const char *schema_text, const char *text, const char *says)
{
    json_t *schema = parse(schema_text), *value = parse(text);
    char *why = peer_json_check(schema, value);
    if (says == NULL) {
        assert_null(why);
    } else {
        assert_non_null(why);
        assert_string_equal(why, says);
    }
    free(why);
    json_decref(schema);
    json_decref(value);
}

static void types(void **state)
{
    (void)state;
    expect("{\"type\":\"integer\"}", "1", NULL);
    expect("{\"type\":\"integer\"}", "1.0", "/: it is of type number, and must be integer");
    expect("{\"type\":\"number\"}", "1", NULL);
    expect("{\"type\":\"number\"}", "1.5", NULL);
    expect("{\"type\":\"string\"}", "true", "/: it is of type boolean, and must be string");
    expect("{\"type\":\"boolean\"}", "null", "/: it is of type null, and must be boolean");
    expect("{\"type\":[\"string\",\"array\"]}", "{}", "/: it is of type object, and must be string or array");
    expect("{\"type\":[\"string\",\"array\"]}", "[]", NULL);
    expect("{}", "[1]", NULL);
}

static void numbers(void **state)
{
    static const char bounded[] = "{\"type\":\"integer\",\"minimum\":2,\"maximum\":4}";
    (void)state;
    expect(bounded, "2", NULL);
    expect(bounded, "4", NULL);
    expect(bounded, "1", "/: 1 is below 2");
    expect(bounded, "5", "/: 5 is above 4");
}

static void strings(void **state)
{
    static const char bounded[] = "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}";
    (void)state;
    expect(bounded, "\"ab\"", NULL);
    expect(bounded, "\"abc\"", NULL);
    expect(bounded, "\"a\"", "/: it is too short");
    expect(bounded, "\"\"", "/: it is empty");
    expect(bounded, "\"abcd\"", "/: it is longer than 3 bytes");
    expect("{\"type\":\"string\",\"pattern\":\"^[a-c]+$\"}", "\"abc\"", NULL);
    expect("{\"type\":\"string\",\"pattern\":\"^[a-c]+$\"}", "\"abd\"", "/: \"abd\" does not match ^[a-c]+$");
    expect("{\"type\":\"string\",\"pattern\":\"[\"}", "\"a\"", "/: the schema's pattern [ is no expression");
    expect("{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "\"b\"", NULL);
    expect("{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "\"c\"", "/: \"c\" is none of \"a\", \"b\"");
}

static void arrays(void **state)
{
    static const char list[] = "{\"type\":\"array\",\"minItems\":1,\"maxItems\":2,\"items\":{\"type\":"
                               "\"array\",\"items\":{\"type\":\"string\"}}}";
    (void)state;
    expect(list, "[[\"a\"],[]]", NULL);
    expect(list, "[]", "/: it has fewer than 1 elements");
    expect(list, "[[],[],[]]", "/: it has more than 2 elements");
    expect(list, "[[\"a\"],[\"a\",7]]", "/1/1: it is of type integer, and must be string");
}

static void objects(void **state)
{
    static const char schema[] =
        "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\"},"
        "\"b\":{\"type\":\"object\",\"default\":{},\"properties\":{\"c\":{\"type\":\"integer\",\"default\":7}"
        "}}}}";
    (void)state;
    expect(schema, "{}", "/: \"a\" is missing");
    expect(schema, "{\"a\":\"x\",\"d\":1}", "/: \"d\" is no key here; known are a, b");
    expect(schema, "{\"a\":\"x\",\"b\":{\"d\":1}}", "/b: \"d\" is no key here; known are c");
    expect(schema, "{\"a\":\"x\",\"b\":{\"c\":\"y\"}}", "/b/c: it is of type string, and must be integer");
    json_t *parsed = parse(schema), *value = parse("{\"a\":\"x\"}");
    assert_null(peer_json_check(parsed, value));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(value, "b"), "c")), 7);
    json_decref(value);
    value = parse("{\"a\":\"x\",\"b\":{\"c\":8}}");
    assert_null(peer_json_check(parsed, value));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(value, "b"), "c")), 8);
    json_decref(value);
    json_decref(parsed);
}

static void the_published_schema(void **state)
{
    (void)state;
    json_t *schema = parse(peer_config_schema());
    assert_null(peer_json_schema_unknown(schema));
    json_decref(schema);
    schema = parse("{\"properties\":{\"a\":{\"items\":{\"oneOf\":[]}}}}");
    assert_string_equal(peer_json_schema_unknown(schema), "oneOf");
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(types),   cmocka_unit_test(numbers),
                                       cmocka_unit_test(strings), cmocka_unit_test(arrays),
                                       cmocka_unit_test(objects), cmocka_unit_test(the_published_schema)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
