/* Keys under their collations, outside SQLite. */
#ifndef SYNC_KEY_H
#define SYNC_KEY_H

#include "engine.h"

/* Bytes that are equal exactly for keys that the table's collations hold equal; false where a collation is unknown to us (then
** nothing is appended). */
bool sync_key_normal(sync_buf *buf, const sync_table *t, const sync_value *key);

/* Bit for bit; and under the table's collations, as far as we know them. */
bool sync_key_same(const sync_table *t, const sync_value *a, const sync_value *b);
bool sync_key_equal(const sync_table *t, const sync_value *a, const sync_value *b);

/* Do the key's columns store these values as they are? Where the answer is false it may still be true: sync_str_key_stored tells. */
bool sync_key_fits(const sync_table *t, const sync_value *key);

/* Appends an expression: what key column `i` of the table stores of `value`, an expression without numeric or text affinity. NULL
** where it stores nothing of the kind: of other than an integer in an INTEGER PRIMARY KEY. */
void sync_str_key_stored(sqlite3_str *str, const sync_table *t, uint32_t i, const char *value);

#endif
