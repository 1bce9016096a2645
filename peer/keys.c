#include "keys.h"

#include "log.h"
#include "message.h"
#include "peer_limits.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { SECRET_BYTES_MIN = 32, RSA_BITS_MIN = 2048, P256_BYTES = 32 };

const char *peer_algorithm_name(peer_algorithm algorithm)
{
    static const char *const names[] = {"HS256", "RS256", "ES256"};
    return names[algorithm];
}

/* EVP_DecodeBlock takes more: plain base64, spaces before and behind it, and padding anywhere. */
static bool is_base64url(const char *text, size_t length)
{
    bool good = length > 0 && length % 4 != 1;
    for (size_t i = 0; good && i < length; i++) {
        const char c = text[i];
        good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    }
    return good;
}

unsigned char *peer_base64url(const char *text, size_t length, size_t *bytes)
{
    if (!is_base64url(text, length)) {
        return NULL;
    }
    char *plain = peer_new(length + 4);
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        plain[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    size_t padding = (4 - length % 4) % 4;
    memset(plain + length, '=', padding);
    unsigned char *data = peer_new(length + 4);
    int got = EVP_DecodeBlock(data, (unsigned char *)plain, (int)(length + padding));
    free(plain);
    if (got < (int)padding) {
        free(data);
        return NULL;
    }
    *bytes = (size_t)got - padding;
    return data;
}

/* ---- files */

static char *read_file(const char *path, size_t *bytes, char **why)
{
    FILE *from = fopen(path, "re");
    if (from == NULL) {
        *why = peer_format("%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = peer_new(PEER_KEY_FILE_BYTES_MAX + 1);
    *bytes = fread(text, 1, PEER_KEY_FILE_BYTES_MAX + 1, from);
    bool bad = ferror(from) != 0, large = *bytes > PEER_KEY_FILE_BYTES_MAX;
    (void)fclose(from); /* it was only read */
    if (!bad && !large) {
        text[*bytes] = 0;
        return text;
    }
    *why = bad ? peer_format("%s cannot be read", path)
               : peer_format("%s is larger than %u KiB: it is no key", path, PEER_KEY_FILE_BYTES_MAX >> 10);
    OPENSSL_cleanse(text, PEER_KEY_FILE_BYTES_MAX);
    free(text);
    return NULL;
}

static void keep(peer_keys *keys, const char *id, char *text, size_t bytes)
{
    peer_key *list = peer_new((keys->count + 1) * sizeof *list);
    if (keys->count > 0) {
        memcpy(list, keys->list, keys->count * sizeof *list);
    }
    peer_key *added = &list[keys->count++];
    added->id = peer_strdup(id);
    added->text = text;
    added->bytes = bytes;
    free(keys->list);
    keys->list = list;
}

/* ---- public keys */

static const char *kind_of(peer_algorithm algorithm)
{
    return algorithm == PEER_RS256 ? "RSA" : "EC";
}

/* NULL: it may sign such tokens. */
static const char *unfit(const EVP_PKEY *key, peer_algorithm algorithm)
{
    char group[32] = "";
    if (EVP_PKEY_get_base_id(key) != (algorithm == PEER_RS256 ? EVP_PKEY_RSA : EVP_PKEY_EC)) {
        return algorithm == PEER_RS256 ? "is no RSA key" : "is no elliptic-curve key";
    }
    if (algorithm == PEER_RS256) {
        return EVP_PKEY_get_bits(key) < RSA_BITS_MIN ? "has fewer than 2048 bits" : NULL;
    }
    return EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 || strcmp(group, "prime256v1") != 0
               ? "is not of the curve P-256"
               : NULL;
}

static char *pem_of(EVP_PKEY *key, size_t *bytes)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *data = NULL, *text = NULL;
    if (memory != NULL && PEM_write_bio_PUBKEY(memory, key) == 1) {
        long size = BIO_get_mem_data(memory, &data);
        text = peer_new((size_t)size + 1);
        memcpy(text, data, (size_t)size);
        *bytes = (size_t)size;
    }
    BIO_free(memory);
    return text;
}

static bool take_key(peer_keys *keys, const char *path, const char *id, EVP_PKEY *key, char **why)
{
    const char *wrong = unfit(key, keys->algorithm);
    size_t bytes = 0;
    char *text = wrong == NULL ? pem_of(key, &bytes) : NULL;
    if (text != NULL) {
        keep(keys, id, text, bytes);
    } else {
        *why = peer_format("%s: the key%s%s %s", path, id != NULL ? " " : "", id != NULL ? id : "",
                           wrong != NULL ? wrong : "cannot be taken over");
    }
    return text != NULL;
}

static bool read_pem(peer_keys *keys, const char *path, const char *text, size_t bytes, char **why)
{
    static char none[] = ""; /* no passphrase is asked for */
    BIO *memory = BIO_new_mem_buf(text, (int)bytes);
    EVP_PKEY *key = memory != NULL ? PEM_read_bio_PUBKEY(memory, NULL, NULL, none) : NULL;
    bool good = key != NULL && take_key(keys, path, NULL, key, why);
    if (key == NULL) {
        *why = peer_format("%s is neither a public key (PEM) nor JWKS", path);
    }
    EVP_PKEY_free(key);
    BIO_free(memory);
    return good;
}

/* ---- JWKS */

/* A member in base64url; its bytes, the caller's, or NULL. */
static unsigned char *decode(const json_t *jwk, const char *member, size_t *bytes)
{
    const char *text = json_string_value(json_object_get(jwk, member));
    size_t length = text != NULL ? strlen(text) : 0;
    return length <= PEER_KEY_FILE_BYTES_MAX ? peer_base64url(text, length, bytes) : NULL;
}

static bool push_rsa(OSSL_PARAM_BLD *to, const json_t *jwk, BIGNUM *numbers[2])
{
    static const char *const members[] = {"n", "e"};
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E};
    bool good = true;
    for (int i = 0; good && i < 2; i++) {
        size_t bytes = 0;
        unsigned char *data = decode(jwk, members[i], &bytes);
        numbers[i] = data != NULL ? BN_bin2bn(data, (int)bytes, NULL) : NULL;
        good = numbers[i] != NULL && OSSL_PARAM_BLD_push_BN(to, names[i], numbers[i]) == 1;
        free(data);
    }
    return good;
}

static bool push_ec(OSSL_PARAM_BLD *to, const json_t *jwk, unsigned char point[2 * P256_BYTES + 1])
{
    const char *curve = json_string_value(json_object_get(jwk, "crv"));
    size_t x_bytes = 0, y_bytes = 0;
    unsigned char *x = decode(jwk, "x", &x_bytes), *y = decode(jwk, "y", &y_bytes);
    bool good = curve != NULL && strcmp(curve, "P-256") == 0 && x != NULL && y != NULL &&
                x_bytes == P256_BYTES && y_bytes == P256_BYTES;
    if (good) {
        point[0] = POINT_CONVERSION_UNCOMPRESSED;
        memcpy(point + 1, x, P256_BYTES);
        memcpy(point + 1 + P256_BYTES, y, P256_BYTES);
        good = OSSL_PARAM_BLD_push_utf8_string(to, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
               OSSL_PARAM_BLD_push_octet_string(to, OSSL_PKEY_PARAM_PUB_KEY, point, 2 * P256_BYTES + 1) == 1;
    }
    free(x);
    free(y);
    return good;
}

static EVP_PKEY *build(const json_t *jwk, peer_algorithm algorithm)
{
    unsigned char point[2 * P256_BYTES + 1];
    BIGNUM *numbers[2] = {NULL, NULL};
    EVP_PKEY *key = NULL;
    OSSL_PARAM *parameters = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind_of(algorithm), NULL);
    bool good = builder != NULL && context != NULL &&
                (algorithm == PEER_RS256 ? push_rsa(builder, jwk, numbers) : push_ec(builder, jwk, point));
    parameters = good ? OSSL_PARAM_BLD_to_param(builder) : NULL;
    if (parameters == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        key = NULL;
    }
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    BN_free(numbers[0]);
    BN_free(numbers[1]);
    return key;
}

/* Is it meant for signing such tokens? */
static bool is_ours(const json_t *jwk, peer_algorithm algorithm)
{
    const char *kind = json_string_value(json_object_get(jwk, "kty")),
               *use = json_string_value(json_object_get(jwk, "use")),
               *name = json_string_value(json_object_get(jwk, "alg"));
    return kind != NULL && strcmp(kind, kind_of(algorithm)) == 0 &&
           (use == NULL || strcmp(use, "sig") == 0) &&
           (name == NULL || strcmp(name, peer_algorithm_name(algorithm)) == 0);
}

static bool read_jwks(peer_keys *keys, const char *path, const json_t *root, char **why)
{
    size_t i;
    const json_t *jwk;
    json_array_foreach(json_object_get(root, "keys"), i, jwk)
    {
        if (!is_ours(jwk, keys->algorithm)) {
            continue;
        }
        EVP_PKEY *key = build(jwk, keys->algorithm);
        const char *id = json_string_value(json_object_get(jwk, "kid"));
        bool good = key != NULL && take_key(keys, path, id, key, why);
        if (key == NULL) {
            *why = peer_format("%s: key %zu is malformed", path, i);
        }
        EVP_PKEY_free(key);
        if (!good) {
            return false;
        }
    }
    if (keys->count == 0) {
        *why = peer_format("%s has no %s key for signatures", path, kind_of(keys->algorithm));
    }
    return keys->count > 0;
}

static bool read_secret(peer_keys *keys, const char *path, const char *text, size_t bytes, char **why)
{
    bytes -= bytes > 0 && text[bytes - 1] == '\n';
    if (bytes < SECRET_BYTES_MIN) {
        *why = peer_format("%s: the secret is shorter than %d bytes", path, SECRET_BYTES_MIN);
        return false;
    }
    char *copy = peer_new(bytes + 1);
    memcpy(copy, text, bytes);
    keep(keys, NULL, copy, bytes);
    return true;
}

bool peer_keys_read(peer_keys *keys, peer_algorithm algorithm, const char *path, char **why)
{
    size_t bytes = 0;
    json_error_t error;
    *keys = (peer_keys){.algorithm = algorithm};
    char *text = read_file(path, &bytes, why);
    if (text == NULL) {
        return false;
    }
    json_t *root = algorithm != PEER_HS256 ? json_loadb(text, bytes, 0, &error) : NULL;
    bool good = algorithm == PEER_HS256 ? read_secret(keys, path, text, bytes, why)
                : root != NULL          ? read_jwks(keys, path, root, why)
                                        : read_pem(keys, path, text, bytes, why);
    json_decref(root);
    OPENSSL_cleanse(text, bytes);
    free(text);
    if (!good) {
        peer_keys_free(keys);
    }
    return good;
}

/* A private key as PEM is kept as it was written. */
static bool read_private(peer_keys *keys, const char *path, const char *text, size_t bytes, char **why)
{
    static char none[] = "";
    BIO *memory = BIO_new_mem_buf(text, (int)bytes);
    EVP_PKEY *key = memory != NULL ? PEM_read_bio_PrivateKey(memory, NULL, NULL, none) : NULL;
    const char *wrong = "is no private key (PEM) without a passphrase, which signing takes";
    if (key != NULL) {
        keys->algorithm = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? PEER_RS256 : PEER_ES256;
        wrong = unfit(key, keys->algorithm);
    }
    if (wrong == NULL) {
        char *copy = peer_new(bytes + 1);
        memcpy(copy, text, bytes);
        keep(keys, NULL, copy, bytes);
    } else {
        *why = key != NULL ? peer_format("%s: the key %s", path, wrong) : peer_format("%s %s", path, wrong);
    }
    EVP_PKEY_free(key);
    BIO_free(memory);
    return wrong == NULL;
}

bool peer_keys_read_signing(peer_keys *keys, const char *path, char **why)
{
    size_t bytes = 0;
    *keys = (peer_keys){.algorithm = PEER_HS256};
    char *text = read_file(path, &bytes, why);
    if (text == NULL) {
        return false;
    }
    bool good = strstr(text, "-----BEGIN ") != NULL ? read_private(keys, path, text, bytes, why)
                                                    : read_secret(keys, path, text, bytes, why);
    OPENSSL_cleanse(text, bytes);
    free(text);
    if (!good) {
        peer_keys_free(keys);
    }
    return good;
}

void peer_keys_free(peer_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        OPENSSL_cleanse(keys->list[i].text, keys->list[i].bytes);
        free(keys->list[i].text);
        free(keys->list[i].id);
    }
    free(keys->list);
    *keys = (peer_keys){0};
}
