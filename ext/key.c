#include "key.h"

#include <math.h>
#include <string.h>

/* How many bytes of a text its collation looks at. */
static size_t normal_bytes(const char *collation, const sync_value *v)
{
    const uint8_t *text = v->data;
    size_t bytes = v->bytes;
    if (sqlite3_stricmp(collation, "RTRIM") == 0) {
        while (bytes && text[bytes - 1] == ' ') {
            bytes--;
        }
    }
    return bytes;
}

static bool equal_text(const char *collation, const sync_value *a, const sync_value *b)
{
    size_t bytes = normal_bytes(collation, a);
    if (bytes != normal_bytes(collation, b)) {
        return false;
    }
    return sqlite3_stricmp(collation, "NOCASE") == 0 ? sqlite3_strnicmp(a->data, b->data, (int)bytes) == 0
                                                     : memcmp(a->data, b->data, bytes) == 0;
}

static void normal_text(sync_buf *buf, const char *collation, const sync_value *v)
{
    const uint8_t *text = v->data;
    size_t bytes = normal_bytes(collation, v);
    bool nocase = sqlite3_stricmp(collation, "NOCASE") == 0;
    sync_buf_put_u8(buf, SYNC_TEXT);
    sync_buf_put_varint(buf, bytes);
    if (!nocase) {
        sync_buf_put(buf, text, bytes);
    }
    bool on = nocase; /* SQLite looks no further than a NUL, but at the length */
    for (size_t i = 0; on && i < bytes; i++) {
        sync_buf_put_u8(buf, text[i] >= 'A' && text[i] <= 'Z' ? (uint8_t)(text[i] + 32) : text[i]);
        on = text[i] != 0;
    }
}

/* SQLite compares 1 and 1.0 as equal: a real that is an integer counts as one. */
static sync_value normal_number(sync_value v)
{
    if (v.type == SYNC_REAL && v.r >= -9223372036854775808.0 && v.r < 9223372036854775808.0) {
        int64_t i = (int64_t)v.r;
        if ((double)i == v.r) {
            return (sync_value){.type = SYNC_INTEGER, .i = i};
        }
    }
    return v;
}

bool sync_key_normal(sync_buf *buf, const sync_table *t, const sync_value *key)
{
    if (!t->normal_keys) {
        return false;
    }
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (key[i].type == SYNC_TEXT) {
            normal_text(buf, t->key_collations[i], &key[i]);
        } else {
            sync_value v = normal_number(key[i]);
            sync_value_put(buf, &v);
        }
    }
    return true;
}

bool sync_key_same(const sync_table *t, const sync_value *a, const sync_value *b)
{
    bool same = true;
    for (uint32_t i = 0; same && i < t->key_count; i++) {
        same = sync_value_same(&a[i], &b[i]);
    }
    return same;
}

bool sync_key_equal(const sync_table *t, const sync_value *a, const sync_value *b)
{
    bool equal = true;
    for (uint32_t i = 0; equal && i < t->key_count; i++) {
        if (!t->normal_keys) {
            equal = sync_value_same(&a[i], &b[i]);
        } else if (a[i].type == SYNC_TEXT && b[i].type == SYNC_TEXT) {
            equal = equal_text(t->key_collations[i], &a[i], &b[i]);
        } else {
            sync_value x = normal_number(a[i]), y = normal_number(b[i]);
            equal = sync_value_same(&x, &y);
        }
    }
    return equal;
}

/* Whether SQLite would read this text as a number; true in doubt. */
static bool may_be_number(const sync_value *v)
{
    const char *text = v->data;
    for (size_t i = 0; i < v->bytes; i++) {
        bool sign = text[i] == '-' || text[i] == '+';
        if (text[i] == 0 || strchr("0123456789.eE+- \t\n\v\f\r", text[i]) == NULL ||
            (sign && i && text[i - 1] >= '0' && text[i - 1] <= '9')) { /* a date has such */
            return false;
        }
    }
    return v->bytes > 0;
}

bool sync_column_fits(char affinity, const sync_value *v)
{
    bool number = v->type == SYNC_INTEGER || v->type == SYNC_REAL;
    if (affinity == 'b' || v->type == SYNC_NULL || v->type == SYNC_BLOB) {
        return true;
    }
    if (affinity == 't') {
        return !number;
    }
    if (v->type == SYNC_TEXT) {
        return !may_be_number(v);
    }
    if (affinity == 'r') { /* -0.0 is stored as 0 */
        return v->type == SYNC_REAL && (v->r != 0 || !signbit(v->r));
    }
    return normal_number(*v).type == v->type;
}

bool sync_key_fits(const sync_table *t, const sync_value *key)
{
    bool fits = true;
    for (uint32_t i = 0; fits && i < t->key_count; i++) {
        const sync_value *v = &key[i];
        fits = t->rowid_alias ? v->type == SYNC_INTEGER || v->type == SYNC_NULL
                              : sync_column_fits(t->key_affinity[i], v);
    }
    return fits;
}

/* What a column of that affinity stores of an expression. */
static void put_stored(sqlite3_str *str, char affinity, const char *v)
{
    static const char text_of[] = "iif(typeof(%s) IN ('integer', 'real'), CAST(%s AS TEXT), %s)";
    /* CAST makes a number of any text; only what is one throughout is equal to it. */
    static const char number_of[] =
        "CASE typeof(%s) WHEN 'text' THEN iif(CAST(%s AS NUMERIC) = %s, CAST(%s AS NUMERIC), %s) WHEN 'real'"
        " THEN iif(CAST(%s AS INTEGER) = %s AND %s BETWEEN -9223372036854775807 AND 9223372036854775806,"
        " CAST(%s AS INTEGER), %s) ELSE %s END";
    static const char real_of[] = "CASE typeof(%s) WHEN 'text' THEN iif(CAST(%s AS NUMERIC) = %s, "
                                  "CAST(CAST(%s AS NUMERIC) AS REAL), %s)"
                                  " WHEN 'integer' THEN CAST(%s AS REAL) WHEN 'real' THEN %s + 0.0 ELSE %s "
                                  "END"; /* -0.0 is stored as 0 */
    if (affinity == 'b') {
        sqlite3_str_appendall(str, v);
    } else if (affinity == 't') {
        sqlite3_str_appendf(str, text_of, v, v, v);
    } else if (affinity == 'r') {
        sqlite3_str_appendf(str, real_of, v, v, v, v, v, v, v, v);
    } else {
        sqlite3_str_appendf(str, number_of, v, v, v, v, v, v, v, v, v, v, v);
    }
}

void sync_str_key_stored(sqlite3_str *str, const sync_table *t, uint32_t i, const char *value)
{
    if (t->rowid_alias) {
        sqlite3_str_appendall(str, "(SELECT iif(typeof(v) = 'integer', v, NULL) FROM (SELECT ");
    }
    put_stored(str, t->key_affinity[i], value);
    sqlite3_str_appendall(str, t->rowid_alias ? " AS v))" : "");
}

/* Is `shown` what a column of that affinity stores of `written`? */
static int is_stored_as(sync_db *s, char affinity, const sync_value *written, const sync_value *shown,
                        bool *same, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *str = sqlite3_str_new(s->db);
    put_stored(str, affinity, "?1");
    char *text = sqlite3_str_finish(str);
    int rc = text ? sync_borrow(s, &stmt, error, "SELECT %s", text) : sync_fail_nomem(error);
    sqlite3_free(text);
    if (rc == SYNC_OK && sync_bind_value(stmt, 1, written) != SQLITE_OK) {
        rc = sync_fail_db(s, error, NULL);
    }
    if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_value stored = sync_column_value(stmt, 0);
        *same = sync_value_same(&stored, shown);
        rc = sync_reset_read(stmt, SYNC_OK, error);
    }
    sync_return(s, stmt);
    return rc;
}

int sync_column_keeps(sync_db *s, char affinity, const sync_value *v, bool *keeps, sync_error *error)
{
    *keeps = sync_column_fits(affinity, v);
    return *keeps ? SYNC_OK : is_stored_as(s, affinity, v, v, keeps, error);
}

int sync_column_shows(sync_db *s, char affinity, const sync_value *written, const sync_value *shown,
                      bool *same, sync_error *error)
{
    *same = sync_value_same(written, shown);
    return *same || sync_column_fits(affinity, written)
               ? SYNC_OK
               : is_stored_as(s, affinity, written, shown, same, error);
}
