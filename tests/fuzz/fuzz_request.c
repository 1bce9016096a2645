/* What comes over a new connection, up to the websocket, through libwebsockets: the first line, Host, Origin, Authorization and the rest. The first byte says who may join, the second where
** the bytes behind them are cut into two arrivals; <TOKEN> in them is a token that is good for every room. Whoever gets a websocket has asked for exactly that room, in the
** first line of all, and has said in headers of his what the configuration asks for; read here from the bytes, line by line. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "log.h"
#include "net_internal.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { HOSTS_BIT = 1, ORIGINS_BIT = 2, TOKENS_BIT = 4, AUTH_BIT = 8, PASSES_MAX = 40, ANSWER_BYTES = 4096 };

static net server;
static peer_options options;
static peer_config config;
static peer_auth auth;
static char token[600];
static char *hosts[] = {"sync.test", "127.0.0.1:7420"}, *origins[] = {"https://app.test"};
static char secret[] = "a secret of at least thirty-two bytes";
static peer_key key = {.text = secret, .bytes = sizeof secret - 1};

/* Who got a websocket with the present input. */
static size_t established;
static char joined[PEER_ROOM_NAME_MAX + 2];

static int on_sync(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    peer_grant grant;
    const char *why;
    (void)user;
    (void)in;
    (void)len;
    if (reason != LWS_CALLBACK_ESTABLISHED) {
        return 0;
    }
    established++;
    FUZZ_CHECK(lws_hdr_copy(wsi, joined, sizeof joined, WSI_TOKEN_GET_URI) > 1 && joined[0] == '/');
    FUZZ_CHECK(net_admit(&server, wsi, joined + 1, &grant, &why) == 0);
    FUZZ_CHECK((grant.rights & (SYNC_RIGHT_READ | SYNC_RIGHT_WRITE)) != 0);
    return -1;
}

static size_t put_base64(char *to, const void *data, size_t bytes)
{
    int length = EVP_EncodeBlock((unsigned char *)to, data, (int)bytes);
    while (length > 0 && to[length - 1] == '=') {
        length--;
    }
    for (int i = 0; i < length; i++) {
        to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
    }
    to[length] = 0;
    return (size_t)length;
}

static void make_token(void)
{
    static const char
        header[] = "{\"alg\":\"HS256\"}",
        claims[] =
            "{\"sub\":\"ann\",\"aud\":\"sync\",\"room\":\"*\",\"rights\":[\"read\",\"write\"],\"nbf\":0,"
            "\"exp\":253402300799}";
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    size_t length = put_base64(token, header, sizeof header - 1);
    token[length++] = '.';
    length += put_base64(token + length, claims, sizeof claims - 1);
    FUZZ_CHECK(HMAC(EVP_sha256(), secret, sizeof secret - 1, (unsigned char *)token, length, signature,
                    &bytes) != NULL);
    token[length++] = '.';
    put_base64(token + length, signature, bytes);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct lws_protocols protocols[] = {
        {.name = "http", .callback = net_on_http, .per_session_data_size = sizeof(net_http)},
        {.name = PEER_PROTOCOL_NAME, .callback = on_sync, .rx_buffer_size = 65536},
        {.name = "listen", .callback = net_on_listener},
        {.name = "request", .callback = net_on_request, .per_session_data_size = sizeof(peer_head)},
        {0}};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
                                             .protocols = protocols,
                                             .user = &server,
                                             .gid = -1,
                                             .uid = -1,
                                             .pt_serv_buf_size = 65536,
                                             .fd_limit_per_thread = 64};
    (void)argc;
    (void)argv;
    make_token();
    signal(SIGPIPE, SIG_IGN);
    lws_set_log_level(0, NULL);
    config = (peer_config){.db_folder = "/nonexistent", .create = true, .links = 20, .open_rooms = 20};
    server.options = &options;
    server.config = &config;
    server.visitors = peer_visitors_new();
    server.context = lws_create_context(&info);
    server.vhost = server.context != NULL ? lws_create_vhost(server.context, &info) : NULL;
    FUZZ_CHECK(server.vhost != NULL);
    return 0;
}

/* Of the first byte. */
static void configure(uint8_t byte)
{
    auth = (peer_auth){.jwt = (byte & TOKENS_BIT) != 0};
    auth.tokens = (peer_token_rules){.keys = {PEER_HS256, &key, 1}, .audience = "sync"};
    if ((byte & HOSTS_BIT) != 0) {
        auth.hosts = (peer_texts){hosts, sizeof hosts / sizeof *hosts};
    }
    if ((byte & ORIGINS_BIT) != 0) {
        auth.origins = (peer_texts){origins, sizeof origins / sizeof *origins};
    }
    config.auth = (byte & AUTH_BIT) != 0 ? &auth : NULL;
}

/* ---- the bytes, read again */

/* The bytes with <TOKEN> replaced; the caller's, with a NUL behind them. */
static char *fill_in(const uint8_t *data, size_t *bytes)
{
    static const char word[] = "<TOKEN>";
    char *text = peer_new(*bytes + sizeof token + 1);
    const uint8_t *at = memmem(data, *bytes, word, sizeof word - 1);
    size_t before = at != NULL ? (size_t)(at - data) : *bytes, length = 0;
    memcpy(text, data, before);
    if (at != NULL) {
        const uint8_t *behind = at + sizeof word - 1;
        length = strlen(token);
        memcpy(text + before, token, length);
        memcpy(text + before + length, behind, (size_t)(data + *bytes - behind));
        *bytes = *bytes - (sizeof word - 1) + length;
    }
    return text;
}

typedef struct header {
    const char *value; /* without what is white around it */
    size_t bytes;
} header;

/* The line at `at`, its end to *stop, and where the next one begins. NULL: there is none, or the empty one. */
static const char *line_at(const char *at, const char *end, const char **stop)
{
    const char *cr = at < end ? memmem(at, (size_t)(end - at), "\r\n", 2) : NULL;
    *stop = cr;
    return cr == NULL || cr == at ? NULL : cr + 2;
}

/* Up to the empty line: are all lines behind the first NAME: VALUE, without control characters? Libwebsockets is lenient with others, each in a way of its own (what
** follows a line without a colon counts as its name, what follows a lone CR not at all), and no browser sends any. */
static bool is_well_formed(const char *text, size_t bytes)
{
    const char *stop, *at = line_at(text, text + bytes, &stop);
    for (const char *c = text; at != NULL && c < stop; c++) {
        if (iscntrl((unsigned char)*c)) {
            return false;
        }
    }
    for (const char *next; at != NULL && (next = line_at(at, text + bytes, &stop)) != NULL; at = next) {
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        bool good = colon != NULL && colon > at;
        for (const char *c = at; good && c < stop; c++) {
            good =
                c < colon ? isalnum((unsigned char)*c) || *c == '-' : (unsigned char)*c >= ' ' && *c != 127;
        }
        if (!good) {
            return false;
        }
    }
    return at != NULL && stop != NULL;
}

/* The headers of this name, in a text that is well-formed; how many have a value. The first of those comes to *first, else one without. */
static size_t find(const char *text, size_t bytes, const char *name, header *first)
{
    const size_t name_bytes = strlen(name);
    size_t count = 0;
    const char *stop, *at = line_at(text, text + bytes, &stop);
    for (const char *next; at != NULL && (next = line_at(at, text + bytes, &stop)) != NULL; at = next) {
        if ((size_t)(stop - at) <= name_bytes || strncasecmp(at, name, name_bytes) != 0 ||
            at[name_bytes] != ':') {
            continue;
        }
        const char *value = at + name_bytes + 1;
        while (value < stop && *value == ' ') {
            value++;
        }
        while (stop > value && stop[-1] == ' ') {
            stop--;
        }
        if (count == 0) {
            *first = (header){value, (size_t)(stop - value)};
        }
        count += stop > value;
    }
    return count;
}

static bool is_text(const header *h, const char *text)
{
    return h->bytes == strlen(text) && strncasecmp(h->value, text, h->bytes) == 0;
}

static void check_host(const header *host)
{
    bool served = is_text(host, hosts[1]);
    const size_t bytes = strlen(hosts[0]);
    if (host->bytes >= bytes && strncasecmp(host->value, hosts[0], bytes) == 0) {
        bool port = host->bytes == bytes || host->value[bytes] == ':';
        for (size_t i = bytes + 1; i < host->bytes; i++) {
            port = port && isdigit((unsigned char)host->value[i]);
        }
        served = served || port;
    }
    FUZZ_CHECK(served);
}

static void check_origin(const header *host, const header *origin)
{
    if (auth.origins.count > 0) {
        FUZZ_CHECK(is_text(origin, origins[0]));
        return;
    }
    const char *slashes = memmem(origin->value, origin->bytes, "://", 3);
    FUZZ_CHECK(slashes != NULL && (size_t)(slashes - origin->value) + 3 + host->bytes == origin->bytes &&
               strncasecmp(slashes + 3, host->value, host->bytes) == 0);
}

/* He has a websocket: was that right? */
static void check_joined(const char *text, size_t bytes)
{
    const char *name = joined + 1;
    const size_t name_bytes = strlen(name);
    header host = {0}, origin = {0}, other = {0};
    FUZZ_CHECK(established == 1 && peer_room_name_ok(name, name_bytes));
    FUZZ_CHECK(bytes > name_bytes + 6 && memcmp(text, "GET /", 5) == 0 &&
               memcmp(text + 5, name, name_bytes) == 0 && isspace((unsigned char)text[5 + name_bytes]));
    FUZZ_CHECK(config.auth == NULL || auth.jwt);
    FUZZ_CHECK(config.auth == NULL || memmem(text, bytes, token, strlen(token)) != NULL);
    if (!is_well_formed(text, bytes)) {
        return;
    }
    const size_t pages = find(text, bytes, "origin", &origin);
    if (config.auth == NULL) {
        FUZZ_CHECK(origin.value == NULL && find(text, bytes, "sec-websocket-origin", &other) == 0);
        return;
    }
    FUZZ_CHECK(find(text, bytes, "host", &host) == 1 && host.bytes > 0 && pages <= 1);
    if (auth.hosts.count > 0) {
        check_host(&host);
    }
    if (origin.value != NULL) {
        check_origin(&host, &origin);
    }
    other = (header){0};
    if (find(text, bytes, "authorization", &other) == 0 && other.value == NULL) {
        FUZZ_CHECK(find(text, bytes, "sec-websocket-protocol", &other) > 0);
        const char *shown = memmem(text, bytes, token, strlen(token));
        FUZZ_CHECK(shown - text >= 7 && strncasecmp(shown - 7, "bearer.", 7) == 0);
        return;
    }
    FUZZ_CHECK(find(text, bytes, "authorization", &other) == 1);
    FUZZ_CHECK(other.bytes > 7 + strlen(token) - 1 &&
               memcmp(other.value + other.bytes - strlen(token), token, strlen(token)) == 0);
}

/* ---- the connection */

static void serve(int passes)
{
    for (int i = 0; i < passes; i++) {
        FUZZ_CHECK(lws_service(server.context, -1) >= 0);
    }
}

/* Serves until there is an answer and its end, or nothing more comes. The bytes of the answer. */
static size_t take_answer(int fd, char answer[ANSWER_BYTES])
{
    size_t length = 0;
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        serve(1);
        ssize_t got = recv(fd, answer + length, ANSWER_BYTES - 1 - length, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN) || length + 1 == ANSWER_BYTES) {
            break;
        }
        length += got > 0 ? (size_t)got : 0;
    }
    answer[length] = 0;
    return length;
}

/* Writes as much as the socket takes: a request that is longer than that is none. */
static void write_some(int fd, const char *text, size_t bytes)
{
    ssize_t put = bytes > 0 ? send(fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    FUZZ_CHECK(put >= 0 || errno == EAGAIN || errno == EPIPE || errno == ECONNRESET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    int ends[2];
    char answer[ANSWER_BYTES];
    if (bytes < 2) {
        return 0;
    }
    configure(data[0]);
    size_t length = bytes - 2, cut = data[1];
    char *text = fill_in(data + 2, &length);
    cut = cut < length ? cut : length;
    established = 0;
    joined[0] = 0;
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    FUZZ_CHECK(net_begin_request(server.vhost, ends[1]));
    write_some(ends[0], text, cut);
    serve(2);
    write_some(ends[0], text + cut, length - cut);
    take_answer(ends[0], answer);
    if (established > 0) {
        check_joined(text, length);
    }
    FUZZ_CHECK((strncmp(answer, "HTTP/1.1 101", 12) == 0) == (established > 0));
    close(ends[0]);
    serve(4);
    ERR_clear_error();
    free(text);
    return 0;
}
