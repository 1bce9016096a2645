#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void sync_hex(sync_buf *buf, const void *data, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++) {
        sync_buf_put_u8(buf, (uint8_t)digits[at[i] >> 4]);
        sync_buf_put_u8(buf, (uint8_t)digits[at[i] & 15]);
    }
}

static int digit_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool sync_unhex(sync_buf *buf, const char *digits)
{
    size_t count = strlen(digits);
    bool good = count % 2 == 0;
    for (size_t i = 0; good && i < count; i += 2) {
        int high = digit_value(digits[i]), low = digit_value(digits[i + 1]);
        good = high >= 0 && low >= 0;
        sync_buf_put_u8(buf, (uint8_t)(good ? high << 4 | low : 0));
    }
    return good;
}

static void put_text(sync_buf *buf, const char *text)
{
    sync_buf_put(buf, text, strlen(text));
}

/* Length of the UTF-8 sequence at `at`, or 0 if it is not a valid one. */
static size_t sequence(const uint8_t *at, size_t left)
{
    if (at[0] < 0x80) {
        return at[0] != 0;
    }
    size_t n = at[0] >= 0xc2 && at[0] < 0xe0   ? 2
               : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
               : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                               : 0;
    if (n == 0 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xed && at[1] >= 0xa0;
    bool beyond = at[0] == 0xf4 && at[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : n;
}

bool sync_is_text(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (size_t i = 0, n; i < bytes; i += n) {
        n = sequence(at + i, bytes - i);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

void sync_json_string(sync_buf *buf, const char *text, size_t bytes)
{
    sync_buf_put_u8(buf, '"');
    for (size_t i = 0; i < bytes; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c == '"' || c == '\\') {
            sync_buf_put_u8(buf, '\\');
            sync_buf_put_u8(buf, c);
        } else if (c < 0x20) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", c);
            put_text(buf, escape);
        } else {
            sync_buf_put_u8(buf, c);
        }
    }
    sync_buf_put_u8(buf, '"');
}

static void put_tagged(sync_buf *buf, const char *tag, const sync_value *value)
{
    put_text(buf, tag);
    sync_hex(buf, value->data, value->bytes);
    put_text(buf, "\"}");
}

/* printf writes the decimal point of the program's locale, which may be a comma, or several bytes; JSON knows one. */
static void plain_point(char *number)
{
    static const char plain[] = "+-0123456789e";
    char *at = number + strspn(number, plain);
    char *rest = at + strcspn(at, plain);
    if (rest > at) {
        *at = '.';
        memmove(at + 1, rest, strlen(rest) + 1);
    }
}

static void put_real(sync_buf *buf, double r)
{
    char text[40];
    if (isnan(r) || isinf(r)) {
        put_text(buf, isnan(r) ? "{\"$real\":\"nan\"}"
                      : r > 0  ? "{\"$real\":\"inf\"}"
                               : "{\"$real\":\"-inf\"}");
        return;
    }
    bool same = false;
    for (int precision = 15; !same && precision <= 17;
         precision++) { /* the shortest that reads back the same */
        snprintf(text, sizeof text, "%.*g", precision, r);
        same = precision == 17 || strtod(text, NULL) == r;
    }
    plain_point(text);
    put_text(buf, text);
    if (strpbrk(text, ".e") == NULL) {
        put_text(buf, ".0");
    }
}

void sync_json_value(sync_buf *buf, const sync_value *value)
{
    char text[32];
    switch (value->type) {
    case SYNC_INTEGER:
        snprintf(text, sizeof text, "%lld", (long long)value->i);
        put_text(buf, text);
        break;
    case SYNC_REAL:
        put_real(buf, value->r);
        break;
    case SYNC_TEXT:
        if (sync_is_text(value->data, value->bytes)) {
            sync_json_string(buf, value->data, value->bytes);
        } else {
            put_tagged(buf, "{\"$text\":\"", value);
        }
        break;
    case SYNC_BLOB:
        put_tagged(buf, "{\"$blob\":\"", value);
        break;
    default:
        put_text(buf, "null");
        break;
    }
}

void sync_json_key(sync_buf *buf, const sync_value *key, uint32_t count)
{
    sync_buf_put_u8(buf, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i) {
            sync_buf_put_u8(buf, ',');
        }
        sync_json_value(buf, &key[i]);
    }
    sync_buf_put_u8(buf, ']');
}

void sync_stamp_text(sync_buf *buf, sync_stamp stamp)
{
    if (sync_stamp_is_none(stamp)) {
        return;
    }
    uint64_t ms = stamp.hlc >> 16;
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char day[32], text[80];
    if (gmtime_r(&seconds, &tm) == NULL || strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        snprintf(day, sizeof day, "%lld", (long long)seconds);
    }
    snprintf(text, sizeof text, "%s%s.%03uZ/%05u", stamp.written ? "" : "(genesis) ", day,
             (unsigned)(ms % 1000), (unsigned)(stamp.hlc & 0xffff));
    put_text(buf, text);
}
