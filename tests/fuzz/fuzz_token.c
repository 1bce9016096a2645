/* Tokens. The first byte says which algorithm is asked for, and what becomes of the rest: it is a token as it came, which nobody has signed who could, so it is refused; or
** it is a header and, behind a NUL, claims, which the target signs, with the key that is asked for or with one that is not, a public key taken for a secret among them. What is let in is judged a second time, here,
** by the words of token.h; and no longer let in when a letter of what was signed is another one. */
#include "fuzz.h"

#include "keys.h"
#include "message.h"
#include "peer_limits.h"
#include "token.h"

#include <jansson.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum {
    NOW = 1700000000,
    LEEWAY = 30,
    ALGORITHMS = 3,
    RAW_BIT = 4,
    WRONG_BIT = 8,
    CONFUSED_BIT = 16,
    P256_BYTES = 32,
    SIGNATURE_BYTES_MAX = 600
};

static char secret[] = "a secret of at least thirty-two bytes";
static peer_token_rules rules[ALGORITHMS];
static EVP_PKEY *pairs[ALGORITHMS];

static void take_public(peer_algorithm algorithm, EVP_PKEY *pair)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *pem = NULL;
    FUZZ_CHECK(pair != NULL && memory != NULL && PEM_write_bio_PUBKEY(memory, pair) == 1);
    long bytes = BIO_get_mem_data(memory, &pem);
    peer_key *key = peer_new(sizeof *key);
    key->id = peer_strdup("first");
    key->text = peer_new((size_t)bytes + 1);
    key->bytes = (size_t)bytes;
    memcpy(key->text, pem, key->bytes);
    rules[algorithm].keys.list = key;
    pairs[algorithm] = pair;
    BIO_free(memory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    take_public(PEER_RS256, EVP_RSA_gen(2048));
    take_public(PEER_ES256, EVP_EC_gen("P-256"));
    peer_key *key = peer_new(sizeof *key);
    *key = (peer_key){.text = peer_strdup(secret), .bytes = strlen(secret)};
    rules[PEER_HS256].keys.list = key;
    for (int i = 0; i < ALGORITHMS; i++) {
        rules[i].keys.algorithm = (peer_algorithm)i;
        rules[i].keys.count = 1;
        rules[i].audience = peer_strdup("sync");
        rules[i].issuer = i == PEER_ES256 ? peer_strdup("us") : NULL;
        rules[i].leeway_s = LEEWAY;
    }
    return 0;
}

/* ---- made here, without what checks them */

static size_t put_base64(char *to, const void *data, size_t bytes)
{
    int length = EVP_EncodeBlock((unsigned char *)to, data, (int)bytes);
    FUZZ_CHECK(length >= 0);
    while (length > 0 && to[length - 1] == '=') {
        length--;
    }
    to[length] = 0;
    for (char *c = to; *c != 0; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    return (size_t)length;
}

/* r and s of a signature in DER, 32 bytes each. */
static size_t take_apart(unsigned char *signature, size_t bytes)
{
    const unsigned char *at = signature;
    ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &at, (long)bytes);
    FUZZ_CHECK(both != NULL);
    const BIGNUM *r = ECDSA_SIG_get0_r(both), *s = ECDSA_SIG_get0_s(both);
    unsigned char flat[2 * P256_BYTES];
    FUZZ_CHECK(BN_bn2binpad(r, flat, P256_BYTES) == P256_BYTES &&
               BN_bn2binpad(s, flat + P256_BYTES, P256_BYTES) == P256_BYTES);
    memcpy(signature, flat, sizeof flat);
    ECDSA_SIG_free(both);
    return sizeof flat;
}

static size_t sign_with_secret(const peer_key *key, const char *text, size_t text_bytes,
                               unsigned char *signature)
{
    unsigned bytes = 0;
    FUZZ_CHECK(HMAC(EVP_sha256(), key->text, (int)key->bytes, (const unsigned char *)text, text_bytes,
                    signature, &bytes) != NULL);
    return bytes;
}

static size_t sign(peer_algorithm how, const char *text, size_t text_bytes,
                   unsigned char signature[SIGNATURE_BYTES_MAX])
{
    size_t bytes = SIGNATURE_BYTES_MAX;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    FUZZ_CHECK(context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pairs[how]) == 1);
    FUZZ_CHECK(EVP_DigestSign(context, signature, &bytes, (const unsigned char *)text, text_bytes) == 1);
    EVP_MD_CTX_free(context);
    return how == PEER_ES256 ? take_apart(signature, bytes) : bytes;
}

/* Header, NUL, claims: as a token, the caller's. `how`: with which key, whatever the header says; `confused`: its text as a secret. */
static char *make_token(peer_algorithm how, bool confused, const uint8_t *data, size_t bytes)
{
    const uint8_t *zero = memchr(data, 0, bytes);
    size_t header = zero != NULL ? (size_t)(zero - data) : bytes;
    const uint8_t *claims = zero != NULL ? zero + 1 : data + bytes;
    unsigned char signature[SIGNATURE_BYTES_MAX];
    char *token = peer_new(bytes * 4 / 3 + 1200);
    size_t length = put_base64(token, data, header);
    token[length++] = '.';
    length += put_base64(token + length, claims, (size_t)(data + bytes - claims));
    size_t signed_bytes = how == PEER_HS256 || confused
                              ? sign_with_secret(rules[how].keys.list, token, length, signature)
                              : sign(how, token, length, signature);
    token[length++] = '.';
    put_base64(token + length, signature, signed_bytes);
    return token;
}

/* ---- judged again */

static bool says(const json_t *value, const char *word)
{
    bool found = json_is_string(value) && strcmp(json_string_value(value), word) == 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        found = found || (json_is_string(one) && strcmp(json_string_value(one), word) == 0);
    }
    return found;
}

/* Is there a pattern at all that fits? Which ones do is what fuzz_url asks. */
static bool names_room(const json_t *value, const char *room)
{
    bool found = json_is_string(value) && peer_room_fits(json_string_value(value), room);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        found = found || (json_is_string(one) && peer_room_fits(json_string_value(one), room));
    }
    return found;
}

static bool may_enter(peer_algorithm algorithm, const json_t *header, const json_t *claims,
                      const peer_grant *grant)
{
    const char *name = json_string_value(json_object_get(header, "alg")),
               *user = json_string_value(json_object_get(claims, "sub"));
    const json_t *from = json_object_get(claims, "nbf"), *until = json_object_get(claims, "exp"),
                 *rights = json_object_get(claims, "rights");
    const unsigned said =
        (says(rights, "read") ? SYNC_RIGHT_READ : 0) | (says(rights, "write") ? SYNC_RIGHT_WRITE : 0) |
        (says(rights, "admin") ? PEER_RIGHT_ADMIN : 0) | (says(rights, "peer") ? SYNC_RIGHT_PRESENCE : 0);
    return name != NULL && strcmp(name, peer_algorithm_name(algorithm)) == 0 &&
           json_object_get(header, "crit") == NULL && says(json_object_get(claims, "aud"), "sync") &&
           (algorithm != PEER_ES256 || says(json_object_get(claims, "iss"), "us")) && json_is_integer(from) &&
           json_integer_value(from) <= NOW + LEEWAY && json_is_integer(until) &&
           json_integer_value(until) > NOW - LEEWAY && grant->until_s - LEEWAY == json_integer_value(until) &&
           user != NULL && strcmp(user, grant->user) == 0 && user[0] != 0 &&
           names_room(json_object_get(claims, "room"), "garden") && said != 0 && said == grant->rights;
}

static void check_admitted(peer_algorithm algorithm, const char *token, const peer_grant *grant)
{
    json_error_t error;
    const char *first = strchr(token, '.'), *second = first != NULL ? strchr(first + 1, '.') : NULL;
    FUZZ_CHECK(second != NULL && strlen(token) <= PEER_TOKEN_BYTES_MAX);
    const char *ends[] = {token, first, second};
    json_t *parts[2];
    for (int i = 0; i < 2; i++) {
        const char *from = ends[i] + i;
        size_t bytes = 0;
        unsigned char *data = peer_base64url(from, (size_t)(ends[i + 1] - from), &bytes);
        FUZZ_CHECK(data != NULL);
        parts[i] = json_loadb((char *)data, bytes, JSON_REJECT_DUPLICATES, &error);
        free(data);
    }
    FUZZ_CHECK(may_enter(algorithm, parts[0], parts[1], grant));
    json_decref(parts[0]);
    json_decref(parts[1]);
}

static bool enters(peer_algorithm algorithm, const char *token, peer_grant *grant)
{
    const char *why = "untouched";
    bool good = peer_token_check(&rules[algorithm], token, "garden", NOW, grant, &why);
    FUZZ_CHECK(good == (why == NULL));
    FUZZ_CHECK(good || (grant->rights == 0 && grant->user[0] == 0 && grant->until_s == 0));
    ERR_clear_error();
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    peer_grant grant, other;
    if (bytes == 0) {
        return 0;
    }
    const peer_algorithm algorithm = (peer_algorithm)((data[0] & 3) % ALGORITHMS);
    if ((data[0] & RAW_BIT) != 0) {
        char *token = peer_new(bytes);
        memcpy(token, data + 1, bytes - 1);
        FUZZ_CHECK(!enters(algorithm, token, &grant));
        free(token);
        return 0;
    }
    const bool wrong = (data[0] & WRONG_BIT) != 0;
    const peer_algorithm how = wrong ? (peer_algorithm)((algorithm + 1) % ALGORITHMS) : algorithm;
    const bool confused = algorithm != PEER_HS256 && (data[0] & CONFUSED_BIT) != 0;
    char *token = make_token(how, confused, data + 1, bytes - 1);
    if (enters(algorithm, token, &grant)) {
        FUZZ_CHECK(!wrong && !confused);
        check_admitted(algorithm, token, &grant);
        char *letter = &token[bytes % (size_t)(strrchr(token, '.') - token)];
        *letter = *letter == 'A' ? 'B' : 'A';
        FUZZ_CHECK(!enters(algorithm, token, &other));
    }
    free(token);
    return 0;
}
