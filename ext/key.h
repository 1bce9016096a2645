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

#endif
