#include "form.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

peer_form_kind peer_form_kind_of(const char *type)
{
    static const struct {
        const char *type;
        peer_form_kind kind;
    } kinds[] = {{"application/x-www-form-urlencoded", PEER_FORM_URLENCODED},
                 {"application/json", PEER_FORM_JSON}};
    const size_t bytes = strcspn(type, "; \t");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].type) == bytes && strncasecmp(kinds[i].type, type, bytes) == 0) {
            return kinds[i].kind;
        }
    }
    return PEER_FORM_UNKNOWN;
}

/* Takes over a text that is there for the first time, not empty, without a NUL, and short enough. */
static bool keep(char *to, size_t bytes_max, const char *text, size_t bytes)
{
    if (*to != 0 || bytes == 0 || bytes >= bytes_max || memchr(text, 0, bytes) != NULL) {
        return false;
    }
    memcpy(to, text, bytes);
    to[bytes] = 0;
    return true;
}

static bool keep_named(peer_form *form, const char *name, size_t name_bytes, const char *text, size_t bytes)
{
    if (name_bytes == 4 && memcmp(name, "user", 4) == 0) {
        return keep(form->user, sizeof form->user, text, bytes);
    }
    if (name_bytes == 8 && memcmp(name, "password", 8) == 0) {
        return keep(form->password, sizeof form->password, text, bytes);
    }
    return true; /* a page may have more in its form */
}

static int digit(char c)
{
    const char *all = "0123456789abcdef",
               *at = c != 0 ? strchr(all, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at != NULL ? (int)(at - all) : -1;
}

/* Percent-encoding taken away; false: it is malformed. `text` has room for as many bytes as there are. */
static bool decode(const char *from, size_t length, char *text, size_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < length; i++) {
        char c = from[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < length ? digit(from[i + 1]) : -1, low = high >= 0 ? digit(from[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        text[(*bytes)++] = c;
    }
    return true;
}

static bool read_urlencoded(peer_form *form, const char *body, size_t bytes)
{
    char text[PEER_LOGIN_BODY_BYTES_MAX];
    const char *at = body, *end = body + bytes;
    bool good = bytes <= sizeof text;
    while (good && at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const char *stop = next != NULL ? next : end, *equals = memchr(at, '=', (size_t)(stop - at));
        size_t length = 0;
        good = equals == NULL || (decode(equals + 1, (size_t)(stop - equals - 1), text, &length) &&
                                  keep_named(form, at, (size_t)(equals - at), text, length));
        at = next != NULL ? next + 1 : end;
    }
    OPENSSL_cleanse(text, sizeof text);
    return good;
}

static bool read_json(peer_form *form, const char *body, size_t bytes)
{
    json_error_t error;
    json_t *root = json_loadb(body, bytes, JSON_REJECT_DUPLICATES, &error);
    bool good = json_is_object(root);
    for (void *at = json_object_iter(root); good && at != NULL; at = json_object_iter_next(root, at)) {
        const json_t *value = json_object_iter_value(at);
        const char *name = json_object_iter_key(at);
        good = keep_named(form, name, strlen(name), json_is_string(value) ? json_string_value(value) : "",
                          json_string_length(value));
    }
    json_decref(root);
    return good;
}

bool peer_form_read(peer_form *form, peer_form_kind kind, const char *body, size_t bytes)
{
    OPENSSL_cleanse(form, sizeof *form);
    bool good = kind == PEER_FORM_URLENCODED ? read_urlencoded(form, body, bytes)
                : kind == PEER_FORM_JSON     ? read_json(form, body, bytes)
                                             : false;
    good = good && form->user[0] != 0 && form->password[0] != 0;
    if (!good) {
        OPENSSL_cleanse(form, sizeof *form);
    }
    return good;
}
