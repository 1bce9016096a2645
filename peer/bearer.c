#include "bearer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

bool peer_bearer_read(const char *path, char text[PEER_BEARER_BYTES], char *why, size_t why_bytes)
{
    text[0] = 0;
    if (path == NULL) {
        return true;
    }
    FILE *from = fopen(path, "re");
    const int error = errno;
    size_t bytes = from != NULL ? fread(text, 1, PEER_BEARER_BYTES - 1, from) : 0;
    if (from != NULL) {
        (void)fclose(from); /* it was only read */
    }
    text[bytes] = 0;
    text[strcspn(text, " \t\r\n")] = 0;
    if (text[0] != 0 && bytes < PEER_BEARER_BYTES - 1) {
        return true;
    }
    OPENSSL_cleanse(text, PEER_BEARER_BYTES);
    snprintf(why, why_bytes, "the token cannot be read from %s: %s", path,
             from == NULL ? strerror(error)
             : bytes > 0  ? "it is too large for one"
                          : "it is empty");
    return false;
}
