/* SQLite values as JSON text for people: keys, rows, stamps. */
#ifndef SYNC_JSON_H
#define SYNC_JSON_H

#include "clock.h"

/* Appends one value. Numbers as they are (an infinite or not-a-number REAL as {"$real": "..."}), text that is valid UTF-8 without NUL as
** a string, other text as {"$text": hex}, blobs as {"$blob": hex}. */
void sync_json_value(sync_buf *buf, const sync_value *value);
void sync_json_string(sync_buf *buf, const char *text, size_t bytes);     /* must be valid UTF-8 */
void sync_json_key(sync_buf *buf, const sync_value *key, uint32_t count); /* a JSON array */

/* Appends a stamp as "2026-11-21T04:00:00.000Z/00000" (time, counter); nothing for no stamp. Genesis stamps get a leading "(genesis) ".
** The texts sort as stamps do, but for equal ones of several sites. */
void sync_stamp_text(sync_buf *buf, sync_stamp stamp);

/* Valid UTF-8 without NUL? */
bool sync_is_text(const void *data, size_t bytes);

void sync_hex(sync_buf *buf, const void *data, size_t bytes);

/* What such digits spell, appended; false (and nothing of use in buf) if they are no hexadecimal digits, two for each byte. */
bool sync_unhex(sync_buf *buf, const char *digits);

#endif
