#include "cookie.h"

#include "message.h"
#include "peer_limits.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* What begins with __Host- a browser takes over TLS alone, from this host alone, and sends to no other. */
#define SECURE_NAME "__Host-sync"
#define PLAIN_NAME  "sync"
#define ATTRIBUTES  "; Path=/; HttpOnly; SameSite=Strict"

static const char *name_of(const peer_cookie_rules *rules)
{
    return rules->secure ? SECURE_NAME : PLAIN_NAME;
}

/* The parts of a list by commas, as an array of texts; blanks around them do not count. */
static json_t *array_of(const char *list)
{
    json_t *array = json_array();
    while (array != NULL && *list != 0) {
        size_t bytes = strcspn(list, ","), trimmed;
        const char *from = list + strspn(list, " ");
        trimmed = from < list + bytes ? (size_t)(list + bytes - from) : 0;
        while (trimmed > 0 && from[trimmed - 1] == ' ') {
            trimmed--;
        }
        if (trimmed > 0 && json_array_append_new(array, json_stringn(from, trimmed)) != 0) {
            json_decref(array);
            return NULL;
        }
        list += bytes;
        list += *list == ',';
    }
    return array;
}

static char *sign(const peer_cookie_rules *rules, const peer_cookie_holder *holder, int64_t now_s)
{
    json_t *rooms = array_of(holder->rooms), *rights = array_of(holder->rights);
    json_t *claims = rooms != NULL && rights != NULL
                         ? json_pack("{s:s, s:s, s:O, s:O, s:I, s:I}", "aud", rules->tokens.audience, "sub",
                                     holder->user, "room", rooms, "rights", rights, "nbf", (json_int_t)now_s,
                                     "exp", (json_int_t)now_s + rules->seconds)
                         : NULL;
    char *token = claims != NULL ? peer_token_sign(&rules->tokens.keys.list[0], PEER_HS256, claims) : NULL;
    json_decref(claims);
    json_decref(rooms);
    json_decref(rights);
    return token;
}

char *peer_cookie_make(const peer_cookie_rules *rules, const peer_cookie_holder *holder, int64_t now_s)
{
    char *token = sign(rules, holder, now_s), *cookie = NULL;
    if (token == NULL) {
        return NULL;
    }
    if (strlen(token) <= PEER_TOKEN_BYTES_MAX) {
        cookie = peer_format("%s=%s; Max-Age=%lld" ATTRIBUTES "%s", name_of(rules), token,
                             (long long)rules->seconds, rules->secure ? "; Secure" : "");
    }
    OPENSSL_cleanse(token, strlen(token));
    free(token);
    return cookie;
}

const char *peer_cookie_gone(const peer_cookie_rules *rules)
{
    return rules->secure ? SECURE_NAME "=; Max-Age=0" ATTRIBUTES "; Secure"
                         : PLAIN_NAME "=; Max-Age=0" ATTRIBUTES;
}

bool peer_cookie_find(const peer_cookie_rules *rules, const char *header, char *token, size_t bytes)
{
    const char *name = name_of(rules);
    const size_t name_bytes = strlen(name);
    size_t found = 0;
    while (*header != 0) {
        header += strspn(header, " \t;");
        size_t length = strcspn(header, ";");
        if (length > name_bytes && memcmp(header, name, name_bytes) == 0 && header[name_bytes] == '=') {
            size_t value = length - name_bytes - 1;
            if (++found > 1 || value >= bytes) {
                return false;
            }
            memcpy(token, header + name_bytes + 1, value);
            token[value] = 0;
        }
        header += length;
    }
    return found == 1;
}
