#include "password.h"

#include "message.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static const char yescrypt[] = "$y$";

/* Of nobody: the system's usual cost, and a salt. What comes out of it is compared with nothing. */
static const char nobody[] = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1";

/* The hash, with the settings of `settings`; false: the system cannot. `hash` is whole where true. */
static bool hash_with(const char *password, const char *settings, char hash[PEER_HASH_BYTES_MAX])
{
    struct crypt_data *data = peer_new(sizeof *data); /* 32 KiB */
    const char *made = crypt_r(password, settings, data);
    bool good = made != NULL && made[0] != '*' && strlen(made) < PEER_HASH_BYTES_MAX;
    memset(hash, 0, PEER_HASH_BYTES_MAX);
    if (good) {
        memcpy(hash, made, strlen(made) + 1);
    }
    OPENSSL_cleanse(data, sizeof *data);
    free(data);
    return good;
}

bool peer_password_hash(const char *password, char hash[PEER_HASH_BYTES_MAX])
{
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    return crypt_gensalt_rn(yescrypt, 0, NULL, 0, salt, sizeof salt) != NULL &&
           hash_with(password, salt, hash);
}

bool peer_password_fits(const char *password, const char *hash)
{
    char made[PEER_HASH_BYTES_MAX], wanted[PEER_HASH_BYTES_MAX] = "";
    bool known =
        hash != NULL && strncmp(hash, yescrypt, sizeof yescrypt - 1) == 0 && strlen(hash) < sizeof wanted;
    if (known) {
        memcpy(wanted, hash, strlen(hash));
    }
    bool good = hash_with(password, known ? wanted : nobody, made);
    good = CRYPTO_memcmp(made, wanted, sizeof made) == 0 && good && known;
    OPENSSL_cleanse(made, sizeof made);
    return good;
}
