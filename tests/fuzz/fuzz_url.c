/* Texts that name hosts and rooms: a URL, HOST[:PORT], the file of a room. What is taken says the same again when it is put together from its parts. Whether a room's name
** fits a pattern is compared with a matcher that takes its time. The input is a text; behind a NUL stands another one, the pattern's room. */
#include "fuzz.h"

#include "peer_limits.h"
#include "token.h"
#include "url.h"

#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* A room's name as url.h has it, by its grammar. */
static bool is_room(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t bytes = strlen(name);
    return bytes >= 1 && bytes <= PEER_ROOM_NAME_MAX && strspn(name, letters) == bytes && name[0] != '_' &&
           name[0] != '-';
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void check_url(const char *text)
{
    peer_url url = {0}, again = {0};
    char put[8192];
    const char *wrong = peer_url_read(text, &url);
    if (wrong != NULL) {
        FUZZ_CHECK(url.text == NULL && url.host == NULL && url.room == NULL);
        return;
    }
    FUZZ_CHECK(same_text(url.text, text) && is_room(url.room) && url.host[0] != 0);
    FUZZ_CHECK(url.port >= 1 && url.port <= 65535 && strchr(url.host, '/') == NULL &&
               strchr(url.host, '@') == NULL);
    FUZZ_CHECK(!url.tls || strlen(url.host) <= PEER_TLS_HOST_BYTES_MAX);
    const bool brackets = url.host[0] == '[' || strchr(url.host, ':') != NULL;
    int bytes = snprintf(put, sizeof put, "%s://%s%s%s:%d/%s", url.tls ? "wss" : "ws", brackets ? "[" : "",
                         url.host, brackets ? "]" : "", url.port, url.room);
    if (bytes > 0 && (size_t)bytes < sizeof put) {
        FUZZ_CHECK(peer_url_read(put, &again) == NULL);
        FUZZ_CHECK(same_text(again.host, url.host) && same_text(again.room, url.room) &&
                   again.port == url.port && again.tls == url.tls);
        peer_url_free(&again);
    }
    peer_url_free(&url);
    FUZZ_CHECK(url.text == NULL);
}

static void check_host(const char *text)
{
    int port = -1, other = 7420;
    char *strict = peer_host_read(text, strlen(text), &port);
    char *host = peer_host_read(text, strlen(text), &other);
    FUZZ_CHECK(strict == NULL || (host != NULL && port >= 0 && port <= 65535 && port == other));
    FUZZ_CHECK(host == NULL || (host[0] != 0 && other >= 0 && other <= 65535 && strchr(host, '@') == NULL));
    free(strict);
    free(host);
}

static void check_file(const char *path)
{
    char *name = peer_room_name_of(path);
    FUZZ_CHECK(name == NULL || is_room(name));
    free(name);
    FUZZ_CHECK(peer_room_name_ok(path, strlen(path)) == is_room(path));
}

/* By the definition, in a table: does the pattern up to i fit the room up to j? */
static bool fits(const char *pattern, const char *room)
{
    enum { MOST = 200 };
    static bool table[MOST + 1][MOST + 1];
    size_t rows = strlen(pattern), columns = strlen(room);
    FUZZ_CHECK(rows <= MOST && columns <= MOST);
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            const bool star = i > 0 && pattern[i - 1] == '*';
            table[i][j] = i == 0   ? j == 0
                          : star   ? table[i - 1][j] || (j > 0 && table[i][j - 1])
                          : j == 0 ? false
                                   : table[i - 1][j - 1] && pattern[i - 1] == room[j - 1];
        }
    }
    return table[rows][columns];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    FUZZ_CHECK(text != NULL);
    if (bytes > 0) {
        memcpy(text, data, bytes);
    }
    text[bytes] = 0;
    check_url(text);
    check_host(text);
    check_file(text);
    FUZZ_CHECK(peer_room_name_ok(text, bytes) == (is_room(text) && strlen(text) == bytes));
    size_t first = strlen(text);
    if (first < bytes && first <= 200 && strlen(text + first + 1) <= 200) {
        FUZZ_CHECK(peer_room_fits(text, text + first + 1) == fits(text, text + first + 1));
    }
    free(text);
    return 0;
}
