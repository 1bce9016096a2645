#include "key.h"

#include <string.h>

static void normal_text(sync_buf *buf, const char *collation, const sync_value *v)
{
    const uint8_t *text = v->data;
    size_t bytes = v->bytes;
    bool nocase = sqlite3_stricmp(collation, "NOCASE") == 0;
    if (sqlite3_stricmp(collation, "RTRIM") == 0) {
        while (bytes && text[bytes - 1] == ' ') {
            bytes--;
        }
    }
    sync_buf_put_u8(buf, SYNC_TEXT);
    sync_buf_put_varint(buf, bytes);
    if (!nocase) {
        sync_buf_put(buf, text, bytes);
    }
    for (size_t i = 0; nocase && i < bytes; i++) {
        sync_buf_put_u8(buf, text[i] >= 'A' && text[i] <= 'Z' ? (uint8_t)(text[i] + 32) : text[i]);
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
    sync_buf x = {0}, y = {0};
    bool known = sync_key_normal(&x, t, a) && sync_key_normal(&y, t, b);
    bool same = known ? x.len == y.len && memcmp(x.data, y.data, x.len) == 0 : sync_key_same(t, a, b);
    sync_buf_free(&x);
    sync_buf_free(&y);
    return same;
}
