#include "escape.h"

#include "json.h"

#include <stdio.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void peer_escape_nothing(sync_buf *to, const char *text)
{
    sync_buf_put(to, text, strlen(text));
}

/* Bytes of the UTF-8 character that `text` begins with; 0: it begins with none. */
static size_t character(const char *text)
{
    for (size_t bytes = 1; bytes <= 4 && text[bytes - 1] != 0; bytes++) {
        if (sync_is_text(text, bytes)) {
            return bytes;
        }
    }
    return 0;
}

/* The code of a character that ends a line for some readers, or that terminals take for a command; 0: it is another. */
static unsigned control(const char *text, size_t bytes)
{
    const unsigned char *c = (const unsigned char *)text;
    unsigned code = bytes == 1 ? c[0] : bytes == 2 ? (c[0] & 0x1fu) << 6 | (c[1] & 0x3fu) : 0;
    if (bytes == 3) {
        code = (c[0] & 0xfu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu);
    }
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ? code : 0;
}

void peer_escape_json(sync_buf *to, const char *text)
{
    char code[16];
    sync_buf_put_u8(to, '"');
    for (size_t bytes; *text != 0; text += bytes > 0 ? bytes : 1) {
        bytes = character(text);
        const unsigned special = control(text, bytes);
        if (bytes == 0) {
            peer_escape_nothing(to, "\\ufffd");
        } else if (special != 0) {
            snprintf(code, sizeof code, "\\u%04x", special);
            peer_escape_nothing(to, code);
        } else {
            if (*text == '"' || *text == '\\') {
                sync_buf_put_u8(to, '\\');
            }
            sync_buf_put(to, text, bytes);
        }
    }
    sync_buf_put_u8(to, '"');
}

void peer_escape_logfmt(sync_buf *to, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@+-";
    if (*text != 0 && text[strspn(text, plain)] == 0) {
        peer_escape_nothing(to, text);
    } else {
        peer_escape_json(to, text);
    }
}

void peer_escape_label(sync_buf *to, const char *text)
{
    for (size_t bytes; *text != 0; text += bytes > 0 ? bytes : 1) {
        bytes = character(text);
        if (*text == '"' || *text == '\\') {
            sync_buf_put_u8(to, '\\');
            sync_buf_put_u8(to, (uint8_t)*text);
        } else if (*text == '\n') {
            peer_escape_nothing(to, "\\n");
        } else if (bytes == 0 || control(text, bytes) != 0) {
            peer_escape_nothing(to, replacement);
        } else {
            sync_buf_put(to, text, bytes);
        }
    }
}
