/* Files of keys: a secret, PEM or JWKS, public ones and those that sign. The first byte says how the rest is read, which is the file. What is taken can be used; what is
** refused is said without a word of a secret, and nothing of it is kept. The base64url in it is compared with the alphabet. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "keys.h"
#include "message.h"
#include "peer_limits.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum { SECRET_BYTES_MIN = 32, SIGNING = 3, BASE64 = 4, WAYS = 5 };

static int file = -1;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memfd_create("keys", MFD_CLOEXEC);
    FUZZ_CHECK(file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return 0;
}

/* RFC 4648, 5: the alphabet, and what may be left of a group of four. */
static void check_base64(const char *text, size_t bytes)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    bool well_formed = bytes > 0 && bytes % 4 != 1;
    for (size_t i = 0; i < bytes; i++) {
        well_formed = well_formed && text[i] != 0 && strchr(letters, text[i]) != NULL;
    }
    size_t got = SIZE_MAX;
    unsigned char *data = peer_base64url(text, bytes, &got);
    FUZZ_CHECK((data != NULL) == well_formed);
    FUZZ_CHECK(data != NULL ? got == bytes * 3 / 4 : got == SIZE_MAX);
    for (size_t i = 0; data != NULL && i < bytes / 4 * 4; i++) {
        const size_t at = i / 4 * 3;
        const unsigned group =
            (unsigned)data[at] << 16 | (unsigned)data[at + 1] << 8 | (unsigned)data[at + 2];
        FUZZ_CHECK(letters[group >> (18 - 6 * (i % 4)) & 63] == text[i]);
    }
    free(data);
}

/* One key that was taken: of the kind that was asked for, and large enough. */
static void check_key(const peer_key *key, peer_algorithm algorithm, bool private)
{
    FUZZ_CHECK(key->text != NULL && key->bytes > 0 && key->text[key->bytes] == 0);
    if (algorithm == PEER_HS256) {
        FUZZ_CHECK(key->bytes >= SECRET_BYTES_MIN && key->id == NULL);
        return;
    }
    static char none[] = "";
    BIO *memory = BIO_new_mem_buf(key->text, (int)key->bytes);
    EVP_PKEY *again = private ? PEM_read_bio_PrivateKey(memory, NULL, NULL, none)
                              : PEM_read_bio_PUBKEY(memory, NULL, NULL, none);
    FUZZ_CHECK(again != NULL);
    FUZZ_CHECK(EVP_PKEY_get_base_id(again) == (algorithm == PEER_RS256 ? EVP_PKEY_RSA : EVP_PKEY_EC));
    FUZZ_CHECK(EVP_PKEY_get_bits(again) >= (algorithm == PEER_RS256 ? 2048 : 256));
    EVP_PKEY_free(again);
    BIO_free(memory);
}

static void check_taken(const peer_keys *keys, int way, const uint8_t *data, size_t bytes)
{
    FUZZ_CHECK(keys->count > 0 && bytes <= PEER_KEY_FILE_BYTES_MAX);
    FUZZ_CHECK(way == SIGNING ? keys->count == 1 : keys->algorithm == (peer_algorithm)way);
    for (size_t i = 0; i < keys->count; i++) {
        check_key(&keys->list[i], keys->algorithm, way == SIGNING);
    }
    if (keys->algorithm == PEER_HS256) {
        FUZZ_CHECK(keys->count == 1 && keys->list[0].bytes <= bytes);
        FUZZ_CHECK(memcmp(keys->list[0].text, data, keys->list[0].bytes) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0) {
        return 0;
    }
    const int way = data[0] % WAYS;
    peer_keys keys = {0};
    char *why = NULL;
    data++;
    bytes--;
    if (way == BASE64) {
        check_base64((const char *)data, bytes);
        return 0;
    }
    FUZZ_CHECK(ftruncate(file, 0) == 0 && pwrite(file, data, bytes, 0) == (ssize_t)bytes);
    bool good = way == SIGNING ? peer_keys_read_signing(&keys, path, &why)
                               : peer_keys_read(&keys, (peer_algorithm)way, path, &why);
    if (good) {
        FUZZ_CHECK(why == NULL);
        check_taken(&keys, way, data, bytes);
    } else {
        FUZZ_CHECK(why != NULL && strstr(why, path) == why);
        FUZZ_CHECK(keys.count == 0 && keys.list == NULL);
    }
    free(why);
    peer_keys_free(&keys);
    FUZZ_CHECK(keys.list == NULL);
    ERR_clear_error();
    return 0;
}
