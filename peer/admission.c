/* Who is let in, before the upgrade: by Host, Origin, and token, cookie or certificate. */
#include "net_internal.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/crypto.h>

enum {
    HEADER_BYTES_MAX = PEER_TOKEN_BYTES_MAX + 256,
    COOKIES_BYTES_MAX = 4096 /* all headers that libwebsockets keeps */
};

/* Also one without a value, whose length does not tell it from none. */
static bool has_header(struct lws *wsi, enum lws_token_indexes header)
{
    char empty[1];
    return lws_hdr_total_length(wsi, header) > 0 ||
           lws_hdr_copy_fragment(wsi, empty, sizeof empty, header, 0) == 0;
}

/* A header as text. False: there is none, or it is empty, too long, or has a NUL in it, behind which it would say something else to others. */
static bool read_header(struct lws *wsi, enum lws_token_indexes header, char *text, size_t bytes)
{
    int got = lws_hdr_copy(wsi, text, (int)bytes, header);
    return got > 0 && strlen(text) == (size_t)got;
}

static bool is_among(const peer_texts *texts, const char *text)
{
    bool found = false;
    for (size_t i = 0; i < texts->count; i++) {
        found = found || strcasecmp(texts->list[i], text) == 0;
    }
    return found;
}

/* Is the Host one of those that are served here? Of one that is given without a port any port will do. */
static bool is_served(const peer_texts *hosts, const char *host)
{
    bool found = false;
    for (size_t i = 0; i < hosts->count; i++) {
        size_t bytes = strlen(hosts->list[i]);
        const char *port = strncasecmp(hosts->list[i], host, bytes) == 0 ? host + bytes : NULL;
        found =
            found || (port != NULL &&
                      (*port == 0 || (*port == ':' && strspn(port + 1, "0123456789") == strlen(port + 1))));
    }
    return found;
}

static const char *judge_host(const peer_auth *auth, struct lws *wsi, char *host, size_t host_bytes)
{
    if (!read_header(wsi, WSI_TOKEN_HOST, host, host_bytes)) {
        return "the request has no Host";
    }
    if (lws_hdr_fragment_length(wsi, WSI_TOKEN_HOST, 1) > 0) { /* they would be read as one text */
        return "the request has several Hosts";
    }
    return auth->hosts.count == 0 || is_served(&auth->hosts, host) ? NULL : "this host is not served here";
}

/* A browser sends the Origin of the page with every upgrade: nobody else's page may use what it knows of the user. */
static const char *judge_origin(const peer_auth *auth, struct lws *wsi, const char *host)
{
    char origin[300];
    if (!has_header(wsi, WSI_TOKEN_ORIGIN) && !has_header(wsi, WSI_TOKEN_SWORIGIN)) {
        return NULL; /* no browser: the token has to do */
    }
    if (!read_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof origin) ||
        lws_hdr_fragment_length(wsi, WSI_TOKEN_ORIGIN, 1) > 0) { /* several would be read as one text */
        return "the page's Origin is malformed";
    }
    const char *slashes = strstr(origin, "://");
    bool own = auth->origins.count == 0 && slashes != NULL && strcasecmp(slashes + 3, host) == 0;
    return own || is_among(&auth->origins, origin) ? NULL : "connections from this page are not admitted";
}

/* Behind a word, which the text begins with, in whichever case; NULL: it does not. */
static char *behind(char *text, const char *word)
{
    size_t bytes = strlen(word);
    return strncasecmp(text, word, bytes) == 0 ? text + bytes + strspn(text + bytes, " ") : NULL;
}

/* The token, in `text`; NULL: there is none. */
static const char *find_token(struct lws *wsi, char *text, size_t bytes)
{
    return read_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, bytes) ? behind(text, "Bearer ") : NULL;
}

/* The token of a cookie, in `text`; NULL: there is none. */
static const char *find_cookie(const peer_auth *auth, struct lws *wsi, char *text, size_t bytes)
{
    char all[COOKIES_BYTES_MAX];
    bool has = auth->users_file != NULL && read_header(wsi, WSI_TOKEN_HTTP_COOKIE, all, sizeof all) &&
               peer_cookie_find(&auth->cookie, all, text, bytes);
    OPENSSL_cleanse(all, sizeof all);
    return has ? text : NULL;
}

/* Shows the caller a certificate that is trusted, and not expired? */
static bool has_certificate(struct lws *wsi, peer_grant *grant, const char **why)
{
    if (!net_tls_member(wsi, grant->user, sizeof grant->user, &grant->until_s)) {
        return false;
    }
    grant->by = PEER_BY_CERTIFICATE;
    if (grant->until_s <=
        (int64_t)time(NULL)) { /* a session that is resumed keeps the result of its first handshake */
        *why = "the certificate has expired";
        return false;
    }
    return true;
}

/* What to show, for who has shown nothing. */
static const char *wanted(const peer_auth *auth)
{
    return auth->jwt && auth->members != NULL
               ? "a certificate or a token is needed: Authorization: Bearer TOKEN"
           : auth->jwt                ? "a token is needed: Authorization: Bearer TOKEN"
           : auth->users_file != NULL ? "a cookie is needed: POST /login"
                                      : "a certificate is needed";
}

/* By what is shown: a token, else a cookie, else a certificate. What it is good for is not judged yet. */
static bool is_known(struct lws *wsi, net_caller *caller, const char **why)
{
    char text[HEADER_BYTES_MAX];
    const peer_auth *auth = caller->auth;
    const peer_token_rules *rules = &auth->tokens;
    const char *token = auth->jwt ? find_token(wsi, text, sizeof text) : NULL;
    if (token == NULL && (token = find_cookie(auth, wsi, text, sizeof text)) != NULL) {
        rules = &auth->cookie.tokens;
    }
    *why = wanted(auth);
    if (token != NULL) {
        caller->claims = peer_token_open(rules, token, (int64_t)time(NULL), &caller->grant, why);
    }
    OPENSSL_cleanse(text, sizeof text); /* a compiler leaves memset() out where nobody reads it */
    return token != NULL ? caller->claims != NULL
                         : auth->members != NULL && has_certificate(wsi, &caller->grant, why);
}

bool net_admit_page(const net *n, struct lws *wsi, const char **why)
{
    const peer_auth *auth = n->config->auth;
    char host[300];
    return (*why = judge_host(auth, wsi, host, sizeof host)) == NULL &&
           (*why = judge_origin(auth, wsi, host)) == NULL;
}

unsigned net_caller_begin(const net *n, struct lws *wsi, net_caller *caller, const char **why)
{
    const peer_auth *auth = n->config != NULL ? n->config->auth : NULL;
    *caller = (net_caller){.auth = auth,
                           .grant = {.rights = SYNC_RIGHT_READ | SYNC_RIGHT_WRITE | SYNC_RIGHT_PRESENCE}};
    if (auth == NULL) { /* as long as nobody says which pages are welcome, none is */
        *why = "connections from web pages are not admitted";
        return has_header(wsi, WSI_TOKEN_ORIGIN) || has_header(wsi, WSI_TOKEN_SWORIGIN)
                   ? HTTP_STATUS_FORBIDDEN
                   : 0;
    }
    if (!net_admit_page(n, wsi, why)) {
        return HTTP_STATUS_FORBIDDEN;
    }
    return is_known(wsi, caller, why) ? 0 : HTTP_STATUS_UNAUTHORIZED;
}

/* Who shows a certificate may what the first entry says that fits him and the room. */
static const peer_cert_member *find_member(const peer_auth *auth, const char *user, const char *room)
{
    for (size_t i = 0; i < auth->member_count; i++) {
        const peer_cert_member *member = &auth->members[i];
        if (peer_room_fits(member->name, user) && peer_room_fits(member->rooms, room)) {
            return member;
        }
    }
    return NULL;
}

const char *net_caller_ask(const net_caller *caller, const char *room, peer_grant *grant)
{
    *grant = caller->grant;
    if (caller->claims != NULL) {
        return peer_claims_fit(caller->claims, room) ? NULL : "the token is not for this room";
    }
    if (caller->auth != NULL) {
        const peer_cert_member *member = find_member(caller->auth, grant->user, room);
        grant->rights = member != NULL ? member->rights : 0;
        return member != NULL ? NULL : "the certificate is not for this room";
    }
    return NULL;
}

void net_caller_end(net_caller *caller)
{
    peer_claims_free(caller->claims);
    caller->claims = NULL;
}

unsigned net_admit(const net *n, struct lws *wsi, const char *room, peer_grant *grant, const char **why)
{
    net_caller caller;
    unsigned status = net_caller_begin(n, wsi, &caller, why);
    if (status == 0 && (*why = net_caller_ask(&caller, room, grant)) != NULL) {
        status = HTTP_STATUS_UNAUTHORIZED;
    }
    net_caller_end(&caller);
    if (status != 0) {
        return status;
    }
    *why = "neither to read nor to write is allowed here";
    return (grant->rights & (SYNC_RIGHT_READ | SYNC_RIGHT_WRITE)) != 0 ? 0 : HTTP_STATUS_FORBIDDEN;
}
