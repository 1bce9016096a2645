#include "json_check.h"

#include "message.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where in the value the check has come to: from the top down. */
typedef struct place {
    const struct place *above;
    const char *key; /* NULL: an element of an array */
    size_t index;
} place;

static char *check(const json_t *schema, json_t *value, const place *at);

static char *pointer_of(const place *at)
{
    if (at == NULL || at->above == NULL) {
        return peer_strdup("");
    }
    char *above = pointer_of(at->above);
    char *pointer =
        at->key != NULL ? peer_format("%s/%s", above, at->key) : peer_format("%s/%zu", above, at->index);
    free(above);
    return pointer;
}

static char *wrong(const place *at, const char *format, ...) __attribute__((format(printf, 2, 3)));
static char *wrong(const place *at, const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *pointer = pointer_of(at), *why = peer_format("%s: %s", *pointer ? pointer : "/", text);
    free(pointer);
    return why;
}

/* ---- types */

static const char *type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_NULL:
        return "null";
    default:
        return "boolean";
    }
}

static bool is_type(const json_t *type, const json_t *value)
{
    const char *name = json_string_value(type), *own = type_of(value);
    return strcmp(name, own) == 0 || (strcmp(name, "number") == 0 && strcmp(own, "integer") == 0);
}

static char *check_type(const json_t *schema, const json_t *value, const place *at)
{
    const json_t *type = json_object_get(schema, "type");
    char words[128] = "";
    if (json_is_array(type)) {
        size_t i;
        const json_t *one;
        json_array_foreach(type, i, one)
        {
            if (is_type(one, value)) {
                return NULL;
            }
            snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", i ? " or " : "",
                     json_string_value(one));
        }
    } else if (type == NULL || is_type(type, value)) {
        return NULL;
    } else {
        snprintf(words, sizeof words, "%s", json_string_value(type));
    }
    return wrong(at, "it is of type %s, and must be %s", type_of(value), words);
}

/* ---- strings, numbers, arrays */

static char *check_enum(const json_t *schema, const json_t *value, const place *at)
{
    const json_t *list = json_object_get(schema, "enum"), *one;
    char words[256] = "";
    size_t i;
    if (list == NULL) {
        return NULL;
    }
    json_array_foreach(list, i, one)
    {
        if (json_equal(one, value)) {
            return NULL;
        }
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s\"%s\"", i ? ", " : "",
                 json_string_value(one));
    }
    return wrong(at, "\"%s\" is none of %s", json_string_value(value), words);
}

static char *check_pattern(const json_t *schema, const json_t *value, const place *at)
{
    const char *pattern = json_string_value(json_object_get(schema, "pattern"));
    regex_t regex;
    if (pattern == NULL) {
        return NULL;
    }
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return wrong(at, "the schema's pattern %s is no expression", pattern);
    }
    bool fits = regexec(&regex, json_string_value(value), 0, NULL, 0) == 0 &&
                strlen(json_string_value(value)) == json_string_length(value);
    regfree(&regex);
    return fits ? NULL : wrong(at, "\"%s\" does not match %s", json_string_value(value), pattern);
}

static char *check_string(const json_t *schema, const json_t *value, const place *at)
{
    const json_t *least = json_object_get(schema, "minLength"), *most = json_object_get(schema, "maxLength");
    size_t bytes = json_string_length(value);
    if (strlen(json_string_value(value)) != bytes) {
        return wrong(at, "it has a NUL character in it");
    }
    if (least != NULL && bytes < (size_t)json_integer_value(least)) {
        return wrong(at, "it is %s", bytes == 0 ? "empty" : "too short");
    }
    if (most != NULL && bytes > (size_t)json_integer_value(most)) {
        return wrong(at, "it is longer than %lld bytes", (long long)json_integer_value(most));
    }
    char *why = check_enum(schema, value, at);
    return why != NULL ? why : check_pattern(schema, value, at);
}

static char *check_number(const json_t *schema, const json_t *value, const place *at)
{
    const json_t *least = json_object_get(schema, "minimum"), *most = json_object_get(schema, "maximum");
    double number = json_number_value(value);
    if (least != NULL && number < json_number_value(least)) {
        return wrong(at, "%g is below %g", number, json_number_value(least));
    }
    if (most != NULL && number > json_number_value(most)) {
        return wrong(at, "%g is above %g", number, json_number_value(most));
    }
    return NULL;
}

static char *check_array(const json_t *schema, json_t *value, const place *at)
{
    const json_t *least = json_object_get(schema, "minItems"), *most = json_object_get(schema, "maxItems"),
                 *items = json_object_get(schema, "items");
    char *why = NULL;
    size_t i;
    json_t *one;
    if (least != NULL && json_array_size(value) < (size_t)json_integer_value(least)) {
        return wrong(at, "it has fewer than %lld elements", (long long)json_integer_value(least));
    }
    if (most != NULL && json_array_size(value) > (size_t)json_integer_value(most)) {
        return wrong(at, "it has more than %lld elements", (long long)json_integer_value(most));
    }
    json_array_foreach(value, i, one)
    {
        if (why == NULL && items != NULL) {
            why = check(items, one, &(place){at, NULL, i});
        }
    }
    return why;
}

/* ---- objects */

static char *name_unknown(const json_t *properties, const char *key, const place *at)
{
    char words[400] = "";
    const char *known;
    const json_t *one;
    json_object_foreach((json_t *)properties, known, one)
    {
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", *words ? ", " : "", known);
    }
    return wrong(at, "\"%s\" is no key here; known are %s", key, words);
}

static char *fill_in(const json_t *properties, json_t *value, const place *at)
{
    const char *key;
    json_t *property;
    char *why = NULL;
    json_object_foreach((json_t *)properties, key, property)
    {
        json_t *given = json_object_get(property, "default");
        if (why == NULL && given != NULL && json_object_get(value, key) == NULL) {
            json_t *copy = json_deep_copy(given);
            why = json_object_set_new(value, key, copy) != 0 ? wrong(at, "out of memory") : NULL;
        }
    }
    return why;
}

static char *check_object(const json_t *schema, json_t *value, const place *at)
{
    const json_t *properties = json_object_get(schema, "properties"),
                 *required = json_object_get(schema, "required"), *one;
    char *why = NULL;
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach(value, key, member)
    {
        if (why == NULL && json_object_get(properties, key) == NULL) {
            why = name_unknown(properties, key, at);
        }
    }
    json_array_foreach(required, i, one)
    {
        if (why == NULL && json_object_get(value, json_string_value(one)) == NULL) {
            why = wrong(at, "\"%s\" is missing", json_string_value(one));
        }
    }
    why = why == NULL ? fill_in(properties, value, at) : why;
    json_object_foreach(value, key, member)
    {
        if (why == NULL) {
            why = check(json_object_get(properties, key), member, &(place){at, key, 0});
        }
    }
    return why;
}

static char *check(const json_t *schema, json_t *value, const place *at)
{
    char *why = check_type(schema, value, at);
    if (why != NULL) {
        return why;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return check_object(schema, value, at);
    case JSON_ARRAY:
        return check_array(schema, value, at);
    case JSON_STRING:
        return check_string(schema, value, at);
    case JSON_INTEGER:
    case JSON_REAL:
        return check_number(schema, value, at);
    default:
        return NULL;
    }
}

char *peer_json_check(const json_t *schema, json_t *value)
{
    return check(schema, value, &(place){NULL, NULL, 0});
}

const char *peer_json_schema_unknown(const json_t *schema)
{
    static const char *const known[] = {"type",      "properties", "additionalProperties",
                                        "required",  "items",      "minItems",
                                        "maxItems",  "minimum",    "maximum",
                                        "minLength", "maxLength",  "pattern",
                                        "enum",      "default",    "description",
                                        "title",     "$schema"};
    const char *key, *unknown = NULL;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(key, known[i]) != 0) {
            i++;
        }
        unknown = unknown == NULL && i == sizeof known / sizeof *known ? key : unknown;
    }
    json_object_foreach(json_object_get(schema, "properties"), key, value)
    {
        unknown = unknown == NULL ? peer_json_schema_unknown(value) : unknown;
    }
    const json_t *items = json_object_get(schema, "items");
    return unknown == NULL && items != NULL ? peer_json_schema_unknown(items) : unknown;
}
