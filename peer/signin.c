/* POST /login and POST /logout: a cookie for a password, and an end to it. */
#include "net_internal.h"

#include "log.h"
#include "login.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

enum { HEADER_BYTES = PEER_TOKEN_BYTES_MAX + 1024, ANSWER_BYTES = 256 };

static bool add(struct lws *wsi, const char *name, const char *value, uint8_t **at, uint8_t *end)
{
    return lws_add_http_header_by_name(wsi, (const uint8_t *)name, (const uint8_t *)value, (int)strlen(value),
                                       at, end) == 0;
}

/* The whole answer, behind which the connection is closed: -1. `more`: one more header, with its value; NULL: none. */
static int answer(struct lws *wsi, unsigned status, const char *text, const char *more, const char *value)
{
    uint8_t headers[LWS_PRE + HEADER_BYTES], *at = headers + LWS_PRE, *end = headers + sizeof headers;
    uint8_t body[LWS_PRE + ANSWER_BYTES];
    const size_t bytes = strnlen(text, ANSWER_BYTES);
    if (lws_add_http_common_headers(wsi, status, "text/plain", bytes, &at, end) == 0 &&
        add(wsi, "connection:", "close", &at, end) && add(wsi, "cache-control:", "no-store", &at, end) &&
        (more == NULL || add(wsi, more, value, &at, end)) &&
        lws_finalize_write_http_header(wsi, headers + LWS_PRE, &at, end) == 0 && bytes > 0) {
        memcpy(body + LWS_PRE, text, bytes);
        (void)lws_write(wsi, body + LWS_PRE, bytes, LWS_WRITE_HTTP_FINAL); /* it is closed in any case */
    }
    OPENSSL_cleanse(headers, sizeof headers);
    return -1;
}

static int refuse(net *n, struct lws *wsi, net_login_result result, unsigned status, const char *text)
{
    n->counts.logins[result]++;
    return answer(wsi, status, text, NULL, NULL);
}

static int slow_down(net *n, struct lws *wsi, net_login_result result, unsigned status, int64_t wait_ms,
                     const char *text)
{
    char seconds[24];
    lws_snprintf(seconds, sizeof seconds, "%lld", (long long)(wait_ms + 999) / 1000);
    n->counts.logins[result]++;
    return answer(wsi, status, text, "retry-after:", seconds);
}

/* ---- the request */

/* The length of the body that comes; -1: it is not said, or is no number. */
static long length_of(struct lws *wsi)
{
    char text[16], *end = text;
    if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 || *text < '0' ||
        *text > '9') {
        return -1;
    }
    long length = strtol(text, &end, 10);
    return *end == 0 ? length : -1;
}

static peer_form_kind kind_of(struct lws *wsi)
{
    char type[128];
    return lws_hdr_copy(wsi, type, sizeof type, WSI_TOKEN_HTTP_CONTENT_TYPE) > 0 ? peer_form_kind_of(type)
                                                                                 : PEER_FORM_UNKNOWN;
}

static int begin_login(net *n, struct lws *wsi, net_login *login)
{
    const long length = length_of(wsi);
    login->kind = kind_of(wsi);
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) > 0) {
        return refuse(n, wsi, NET_LOGIN_MALFORMED, HTTP_STATUS_BAD_REQUEST,
                      "nothing is read from the URL, since URLs are kept in logs and histories");
    }
    if (length < 0) {
        return refuse(n, wsi, NET_LOGIN_MALFORMED, HTTP_STATUS_LENGTH_REQUIRED,
                      "the length of the body is not said");
    }
    if (length == 0 || length > PEER_LOGIN_BODY_BYTES_MAX) {
        return refuse(n, wsi, NET_LOGIN_MALFORMED, HTTP_STATUS_REQ_ENTITY_TOO_LARGE,
                      "the body is empty, or longer than 2048 bytes");
    }
    if (login->kind == PEER_FORM_UNKNOWN) {
        return refuse(n, wsi, NET_LOGIN_MALFORMED, HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE,
                      "the body is neither application/x-www-form-urlencoded nor application/json");
    }
    login->expected = (size_t)length;
    login->began_ms = peer_now_ms();
    return 0;
}

int net_login_begin(net *n, struct lws *wsi, const char *path, net_login *login)
{
    const peer_auth *auth = n->config != NULL ? n->config->auth : NULL;
    const char *why = NULL;
    if (auth == NULL || auth->users_file == NULL || n->throttle == NULL) {
        return refuse(n, wsi, NET_LOGIN_MALFORMED, HTTP_STATUS_NOT_FOUND, "nobody can log in here");
    }
    if (!net_admit_page(n, wsi, &why)) {
        return refuse(n, wsi, NET_LOGIN_FORBIDDEN, HTTP_STATUS_FORBIDDEN, why);
    }
    if (strcmp(path, "/logout") == 0) {
        return answer(wsi, HTTP_STATUS_NO_CONTENT, "", "set-cookie:", peer_cookie_gone(&auth->cookie));
    }
    return strcmp(path, "/login") == 0
               ? begin_login(n, wsi, login)
               : refuse(n, wsi, NET_LOGIN_MALFORMED, HTTP_STATUS_NOT_FOUND, "this is not here");
}

int net_login_body(net_login *login, const void *data, size_t bytes)
{
    if (login->expected == 0 || bytes > login->expected - login->bytes ||
        peer_now_ms() - login->began_ms > PEER_HELLO_MS) {
        return -1;
    }
    memcpy(login->body + login->bytes, data, bytes);
    login->bytes += bytes;
    return 0;
}

/* ---- the answer */

static void wait_for(net *n, struct lws *wsi, net_login *login)
{
    login->id = ++n->last_login_id;
    login->wsi = wsi;
    login->next = n->logins;
    n->logins = login;
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, PEER_LOGIN_MS / 1000);
}

int net_login_complete(net *n, struct lws *wsi, net_login *login)
{
    char address[64] = "?";
    peer_form form;
    const peer_auth *auth =
        n->config != NULL ? n->config->auth : NULL; /* it may have been changed meanwhile */
    if (login->id != 0 || login->expected == 0 || auth == NULL || auth->users_file == NULL) {
        return -1;
    }
    lws_get_peer_simple(wsi, address, sizeof address);
    bool good =
        login->bytes == login->expected && peer_form_read(&form, login->kind, login->body, login->bytes);
    OPENSSL_cleanse(login->body, sizeof login->body);
    if (!good) {
        return refuse(n, wsi, NET_LOGIN_MALFORMED, HTTP_STATUS_BAD_REQUEST,
                      "the body has no user and password, or they are too long");
    }
    if (n->login_threads >= PEER_LOGINS_MAX) {
        OPENSSL_cleanse(&form, sizeof form);
        return slow_down(n, wsi, NET_LOGIN_BUSY, HTTP_STATUS_SERVICE_UNAVAILABLE, PEER_LOGIN_MS_FIRST,
                         "too many log in at once");
    }
    int64_t wait_ms = peer_throttle_try(n->throttle, address, form.user, peer_now_ms());
    if (wait_ms > 0) {
        OPENSSL_cleanse(&form, sizeof form);
        return slow_down(n, wsi, NET_LOGIN_SLOWED, 429, wait_ms, "too many logins have failed: wait a while");
    }
    wait_for(n, wsi, login);
    good = peer_login_start(auth->users_file, auth->users_table, &form, login->id, n->inbox);
    n->login_threads += good;
    OPENSSL_cleanse(&form, sizeof form);
    return good ? 0
                : refuse(n, wsi, NET_LOGIN_BROKEN, HTTP_STATUS_SERVICE_UNAVAILABLE,
                         "no thread can be started");
}

/* What came of it is kept until the socket takes it. */
static void decide(net *n, net_login *login, const peer_login *done)
{
    const peer_auth *auth = n->config != NULL ? n->config->auth : NULL;
    const peer_cookie_holder holder = {done->form.user, done->rooms, done->rights};
    char address[64] = "?";
    lws_get_peer_simple(login->wsi, address, sizeof address);
    login->result = done->end == PEER_LOGIN_GOOD    ? NET_LOGIN_GOOD
                    : done->end == PEER_LOGIN_WRONG ? NET_LOGIN_WRONG
                                                    : NET_LOGIN_BROKEN;
    if (login->result == NET_LOGIN_GOOD) {
        peer_throttle_forgive(n->throttle, address, done->form.user);
        login->cookie = auth != NULL && auth->users_file != NULL
                            ? peer_cookie_make(&auth->cookie, &holder, (int64_t)time(NULL))
                            : NULL;
    }
    if (login->result == NET_LOGIN_GOOD && login->cookie == NULL) {
        login->result = NET_LOGIN_BROKEN;
        peer_notice("a login has no cookie: the rooms or the name of the user are no UTF-8, or too long");
    }
    if (login->result == NET_LOGIN_WRONG) {
        peer_notice("%s: a login failed: the user or the password is wrong", address);
    }
    login->decided = true;
    lws_callback_on_writable(login->wsi);
}

void net_login_deliver(net *n, peer_message *m)
{
    peer_login *done = m->about;
    net_login *login = n->logins;
    n->login_threads--;
    while (login != NULL && login->id != done->asker) {
        login = login->next;
    }
    if (done->why != NULL) {
        peer_notice("nobody can log in: %s", done->why);
    }
    if (login != NULL) { /* else he has gone */
        decide(n, login, done);
    }
    peer_login_free(done);
}

int net_login_write(net *n, struct lws *wsi, net_login *login)
{
    if (!login->decided) {
        return 0;
    }
    if (login->result == NET_LOGIN_WRONG) {
        return refuse(n, wsi, NET_LOGIN_WRONG, HTTP_STATUS_UNAUTHORIZED, "the user or the password is wrong");
    }
    if (login->result != NET_LOGIN_GOOD) {
        return refuse(n, wsi, login->result, HTTP_STATUS_SERVICE_UNAVAILABLE, "nobody can log in now");
    }
    n->counts.logins[NET_LOGIN_GOOD]++;
    return answer(wsi, HTTP_STATUS_NO_CONTENT, "", "set-cookie:", login->cookie);
}

void net_login_end(net *n, net_login *login)
{
    net_login **at = &n->logins;
    if (login == NULL) {
        return;
    }
    while (*at != NULL && *at != login) {
        at = &(*at)->next;
    }
    if (*at == login) {
        *at = login->next;
    }
    if (login->cookie != NULL) {
        OPENSSL_cleanse(login->cookie, strlen(login->cookie));
        free(login->cookie);
    }
    OPENSSL_cleanse(login, sizeof *login);
}
