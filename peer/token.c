#include "token.h"

#include "message.h"
#include "peer_limits.h"

#include <jansson.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

static const jwt_alg_t algorithms[] = {
    [PEER_HS256] = JWT_ALG_HS256, [PEER_RS256] = JWT_ALG_RS256, [PEER_ES256] = JWT_ALG_ES256};

bool peer_room_fits(const char *pattern, const char *room)
{
    const char *star = NULL, *resume = NULL;
    while (*room) {
        if (*pattern == '*') {
            star = pattern++;
            resume = room;
        } else if (*pattern == *room) {
            pattern++;
            room++;
        } else if (star != NULL) {
            pattern = star + 1;
            room = ++resume;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == 0;
}

/* ---- the signature */

/* One of the three parts of a token, as JSON. */
static json_t *part_of(const char *from, size_t length)
{
    json_error_t error;
    size_t bytes = 0;
    unsigned char *data = peer_base64url(from, length, &bytes);
    json_t *value = data != NULL ? json_loadb((char *)data, bytes, JSON_REJECT_DUPLICATES, &error) : NULL;
    free(data);
    return value;
}

/* The claims of a token with a good signature; NULL: it is malformed, of another algorithm, or signed by somebody else. */
static json_t *verify(const peer_keys *keys, const char *token)
{
    const char *first = strchr(token, '.'), *second = first != NULL ? strchr(first + 1, '.') : NULL;
    json_t *header = second != NULL ? part_of(token, (size_t)(first - token)) : NULL, *claims = NULL;
    const char *id = json_string_value(json_object_get(header, "kid")),
               *name = json_string_value(json_object_get(header, "alg"));
    /* RFC 7515: names are compared letter by letter, which libjwt does not; of "crit" we know none */
    const bool known = name != NULL && strcmp(name, peer_algorithm_name(keys->algorithm)) == 0 &&
                       json_object_get(header, "crit") == NULL;
    for (size_t i = 0; known && claims == NULL && i < keys->count; i++) {
        const peer_key *key = &keys->list[i];
        jwt_t *jwt = NULL;
        if (id != NULL && key->id != NULL && strcmp(id, key->id) != 0) {
            continue;
        }
        bool good = jwt_decode(&jwt, token, (const unsigned char *)key->text, (int)key->bytes) == 0 &&
                    jwt_get_alg(jwt) == algorithms[keys->algorithm];
        claims = good ? part_of(first + 1, (size_t)(second - first - 1)) : NULL;
        jwt_free(jwt);
    }
    json_decref(header);
    return claims;
}

/* ---- what it says */

/* A text, or one of several: does any of them fit? */
static bool any_fits(const json_t *value, bool (*fits)(const char *, const char *), const char *wanted)
{
    bool found = json_is_string(value) && fits(json_string_value(value), wanted);
    size_t i;
    const json_t *one;
    json_array_foreach(value, i, one)
    {
        found = found || (json_is_string(one) && fits(json_string_value(one), wanted));
    }
    return found;
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static unsigned rights_of(const json_t *value)
{
    return (any_fits(value, is_same, "read") ? SYNC_RIGHT_READ : 0) |
           (any_fits(value, is_same, "write") ? SYNC_RIGHT_WRITE : 0) |
           (any_fits(value, is_same, "admin") ? PEER_RIGHT_ADMIN : 0) |
           (any_fits(value, is_same, "peer") ? SYNC_RIGHT_PRESENCE : 0);
}

static const char *judge_time(const peer_token_rules *rules, const json_t *claims, int64_t now_s,
                              peer_grant *grant)
{
    const json_t *from = json_object_get(claims, "nbf"), *until = json_object_get(claims, "exp");
    if (!json_is_integer(until)) {
        return "the token has no exp";
    }
    if (!json_is_integer(from)) {
        return "the token has no nbf";
    }
    if (json_integer_value(from) > now_s + rules->leeway_s) {
        return "the token is not good yet (nbf)";
    }
    if (json_integer_value(until) > INT64_MAX - rules->leeway_s ||
        json_integer_value(until) + rules->leeway_s <= now_s) {
        return "the token has expired";
    }
    grant->until_s = json_integer_value(until) + rules->leeway_s;
    return NULL;
}

/* All but the room. */
static const char *judge(const peer_token_rules *rules, const json_t *claims, int64_t now_s,
                         peer_grant *grant)
{
    const char *user = json_string_value(json_object_get(claims, "sub")),
               *issuer = json_string_value(json_object_get(claims, "iss"));
    const char *wrong = judge_time(rules, claims, now_s, grant);
    if (wrong != NULL) {
        return wrong;
    }
    if (!any_fits(json_object_get(claims, "aud"), is_same, rules->audience)) {
        return "the token is for another audience (aud)";
    }
    if (rules->issuer != NULL && (issuer == NULL || strcmp(issuer, rules->issuer) != 0)) {
        return "the token is of another issuer (iss)";
    }
    if (user == NULL || *user == 0 || strlen(user) >= sizeof grant->user) {
        return "the token says not who it is for (sub)";
    }
    grant->rights = rights_of(json_object_get(claims, "rights"));
    if (grant->rights == 0) {
        return "the token gives no rights";
    }
    memcpy(grant->user, user, strlen(user) + 1);
    grant->by = PEER_BY_TOKEN;
    return NULL;
}

peer_claims *peer_token_open(const peer_token_rules *rules, const char *token, int64_t now_s,
                             peer_grant *grant, const char **why)
{
    *grant = (peer_grant){.rights = 0};
    json_t *claims = strlen(token) <= PEER_TOKEN_BYTES_MAX ? verify(&rules->keys, token) : NULL;
    *why = claims != NULL ? judge(rules, claims, now_s, grant) : "the token's signature is not good";
    if (*why != NULL) {
        *grant = (peer_grant){.rights = 0};
        json_decref(claims);
        claims = NULL;
    }
    return claims;
}

bool peer_claims_fit(const peer_claims *claims, const char *room)
{
    return any_fits(json_object_get(claims, "room"), peer_room_fits, room);
}

void peer_claims_free(peer_claims *claims)
{
    json_decref(claims);
}

bool peer_token_check(const peer_token_rules *rules, const char *token, const char *room, int64_t now_s,
                      peer_grant *grant, const char **why)
{
    peer_claims *claims = peer_token_open(rules, token, now_s, grant, why);
    if (claims != NULL && !peer_claims_fit(claims, room)) {
        *why = "the token is not for this room";
        *grant = (peer_grant){.rights = 0};
    }
    peer_claims_free(claims);
    return *why == NULL;
}

char *peer_token_sign(const peer_key *key, peer_algorithm algorithm, const json_t *claims)
{
    jwt_t *jwt = NULL;
    char *json = json_dumps(claims, JSON_COMPACT), *token = NULL;
    if (json != NULL && jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, json) == 0 &&
        jwt_set_alg(jwt, algorithms[algorithm], (const unsigned char *)key->text, (int)key->bytes) == 0) {
        token = jwt_encode_str(jwt);
    }
    jwt_free(jwt);
    free(json);
    return token;
}

void peer_token_rules_free(peer_token_rules *rules)
{
    peer_keys_free(&rules->keys);
    free(rules->audience);
    free(rules->issuer);
    *rules = (peer_token_rules){.leeway_s = 0};
}
