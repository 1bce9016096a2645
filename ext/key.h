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

/* The same of any column and its affinity. Then what is sure: does the column store the value as it is? And is `shown` what it stores of `written`? */
bool sync_column_fits(char affinity, const sync_value *v);
int sync_column_keeps(sync_db *s, char affinity, const sync_value *v, bool *keeps, sync_error *error);
int sync_column_shows(sync_db *s, char affinity, const sync_value *written, const sync_value *shown,
                      bool *same, sync_error *error);

/* Appends an expression: what key column `i` of the table stores of `value`, an expression without numeric or text affinity. NULL
** where it stores nothing of the kind: of other than an integer in an INTEGER PRIMARY KEY. */
void sync_str_key_stored(sqlite3_str *str, const sync_table *t, uint32_t i, const char *value);

#endif
