/* The listening socket, and what is refused before a websocket is opened. */
#include "net_internal.h"

#include "log.h"
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 128, URL_BYTES = 192 };

static int bind_one(const struct addrinfo *a)
{
    const int one = 1;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, a->ai_addr, a->ai_addrlen) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Where its socket is bound, in numbers. */
static bool find_address(net_listener *l)
{
    struct sockaddr_storage name;
    socklen_t name_bytes = sizeof name;
    char port[8], host[64];
    if (getsockname(l->fd, (struct sockaddr *)&name, &name_bytes) != 0 ||
        getnameinfo((struct sockaddr *)&name, name_bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return false;
    }
    l->address = peer_strdup(host);
    l->port = (int)strtol(port, NULL, 10);
    return true;
}

static bool bind_address(net *n, const peer_address *to, net_listener *l)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    char port[8];
    lws_snprintf(port, sizeof port, "%d", to->port);
    int rc = getaddrinfo(to->host, port, &hints, &list);
    const char *why = rc != 0 ? gai_strerror(rc) : "no address";
    for (const struct addrinfo *a = list; l->fd < 0 && a != NULL; a = a->ai_next) {
        l->fd = bind_one(a);
        why = strerror(errno);
    }
    if (list != NULL) {
        freeaddrinfo(list);
    }
    if (l->fd < 0 || !find_address(l)) {
        n->exit = PEER_EXIT_NETWORK;
        peer_error(n->exit, "cannot listen on %s:%d: %s; choose another with --listen", to->host, to->port,
                   why);
        return false;
    }
    return true;
}

/* Where what listens is said. */
static bool bind_addresses(net *n)
{
    bool good = true;
    for (size_t i = 0; good && i < n->options->listen_count; i++) {
        n->listeners[i].fd = -1;
        n->listener_count++;
        good = bind_address(n, &n->options->listen[i], &n->listeners[i]);
    }
    return good;
}

/* By whoever started the process. None: 0, and -1 if they cannot be used, which has been said. */
static int take_sockets(net *n)
{
    int fds[PEER_LISTEN_MAX];
    char *why = NULL;
    const int count = peer_supervisor_sockets(fds, PEER_LISTEN_MAX, &why);
    bool good = count >= 0;
    for (int i = 0; i < count; i++) {
        net_listener *l = &n->listeners[n->listener_count++];
        l->fd = fds[i];
        good = find_address(l) && good;
    }
    if (!good) {
        n->exit = PEER_EXIT_NETWORK;
        peer_error(n->exit, "%s", why != NULL ? why : "a socket of LISTEN_FDS has no address");
        free(why);
    } else if (count > 0) {
        peer_notice("it listens on what it was handed at its start (LISTEN_FDS: %d), and not where the "
                    "command line or the configuration says",
                    count);
    }
    return good ? count : -1;
}

bool net_listen(net *n)
{
    const int handed = take_sockets(n);
    bool good = handed > 0 || (handed == 0 && bind_addresses(n));
    const peer_config *config = n->config;
    if (good && config != NULL && config->metrics_listen.host != NULL) {
        net_listener *l = &n->listeners[n->listener_count++];
        *l = (net_listener){.fd = -1, .scrape = true};
        good = bind_address(n, &config->metrics_listen, l);
    }
    n->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return good;
}

/* Where l is reached; an address of IPv6 stands in brackets. */
static void make_url(char url[URL_BYTES], const char *scheme, const net_listener *l, const char *path)
{
    const bool v6 = strchr(l->address, ':') != NULL;
    lws_snprintf(url, URL_BYTES, "%s://%s%s%s:%d/%s", scheme, v6 ? "[" : "", l->address, v6 ? "]" : "",
                 l->port, path);
}

static void say_scraped(const net_listener *l)
{
    char url[URL_BYTES];
    make_url(url, "http", l, "metrics");
    peer_notice("metrics are at %s", url);
    peer_event("metrics", (peer_field[]){PEER_TEXT("host", l->address), PEER_NUMBER("port", l->port),
                                         PEER_TEXT("url", url), PEER_END});
}

static void say_listening(const net *n, const net_listener *l)
{
    const peer_options *o = n->options;
    const char *scheme = o->cert_file != NULL ? "wss" : "ws", *room = o->room != NULL ? o->room : "";
    char url[URL_BYTES];
    make_url(url, scheme, l, room);
    if (o->config != NULL) {
        peer_notice("serving the rooms of %s below %s", o->config->db_folder, url);
    } else {
        peer_notice("serving %s as %s", o->file, url);
    }
    peer_event("listening", (peer_field[]){PEER_TEXT("host", l->address), PEER_NUMBER("port", l->port),
                                           PEER_TEXT("room", room), PEER_TEXT("url", url), PEER_END});
}

bool net_begin_listening(net *n)
{
    for (size_t i = 0; i < n->listener_count; i++) {
        net_listener *l = &n->listeners[i];
        lws_sock_file_fd_type fd = {.filefd = l->fd};
        if (listen(l->fd, BACKLOG) == 0) {
            struct lws_vhost *vhost = l->scrape ? n->scrape_vhost : n->vhost;
            l->wsi = lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "listen", NULL);
        }
        if (l->wsi == NULL) {
            peer_error(PEER_EXIT_NETWORK, "cannot listen on %s:%d: %s", l->address, l->port, strerror(errno));
            return false;
        }
        l->fd = -1; /* it is libwebsockets' now */
        if (l->scrape) {
            say_scraped(l);
        } else {
            say_listening(n, l);
        }
    }
    return true;
}

/* Takes one connection. False: there is none (for now). */
static bool accept_one(net *n, struct lws_vhost *vhost, int listen_fd)
{
    const int one = 1;
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t from_bytes = sizeof from;
    int fd = accept4(listen_fd, (struct sockaddr *)&from, &from_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && n->spare_fd >= 0) {
        /* nothing is left to take it with: it is taken with the spare one, and closed, or poll() would never rest */
        close(n->spare_fd);
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
        }
        n->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd >= 0;
    }
    if (fd < 0) {
        return errno == EINTR || errno == ECONNABORTED;
    }
    if (vhost == n->vhost && !net_visit_begin(n, (const struct sockaddr *)&from)) {
        close(fd);
        return true;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (n->options->cert_file != NULL && vhost == n->vhost) {
        /* closes it if it fails; what the first line asks for is seen by libwebsockets alone */
        lws_sock_file_fd_type file = {.sockfd = fd};
        lws_adopt_descriptor_vhost(n->vhost, LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL, file,
                                   NULL, NULL);
    } else if (!net_begin_request(vhost, fd)) {
        close(fd);
    }
    net_visit_drop(n);
    return true;
}

int net_on_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user;
    (void)in;
    (void)len;
    if (reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION) {
        return -1; /* a websocket that asks for this by its name */
    }
    if (reason == LWS_CALLBACK_RAW_RX_FILE) {
        net *n = lws_context_user(lws_get_context(wsi));
        while (accept_one(n, lws_get_vhost(wsi), lws_get_socket_fd(wsi))) {
        }
    }
    return 0;
}

/* ---- before the upgrade */

/* With the status that belongs to the kind of refusal. */
static int refuse(net *n, struct lws *wsi, net_refusal kind, const char *text)
{
    static const unsigned statuses[NET_REFUSALS_END] = {
#define NET_X(NAME, status, reason) status,
        NET_REFUSALS(NET_X)
#undef NET_X
    };
    const unsigned status = statuses[kind];
    n->counts.refused[kind]++;
    return lws_return_http_status(wsi, status, text) != 0 ? -1 : 1;
}

/* Is `name` one of the comma-separated names of the header? */
static bool offers(const char *header, const char *name)
{
    size_t bytes = strlen(name);
    while (*header != 0) {
        header += strspn(header, " \t,");
        size_t token = strcspn(header, " \t,");
        if (token == bytes && memcmp(header, name, bytes) == 0) {
            return true;
        }
        header += token;
    }
    return false;
}

/* Before anything is looked at that costs something: is this more than one address may ask for? `link`: for one more link, too. */
static bool asks_too_much(net *n, struct lws *wsi, bool link, const char **why)
{
    char peer[64] = "?";
    const peer_visitor_limits none = {0};
    lws_get_peer_simple(wsi, peer, sizeof peer);
    switch (peer_visitors_judge(n->visitors, n->config != NULL ? &n->config->visitors : &none, peer,
                                peer_now_ms())) {
    case PEER_VISIT_TOO_MANY:
        *why = "this address has as many connections as it may have";
        return link;
    case PEER_VISIT_TOO_OFTEN:
        *why = "this address connects too often: try again in a minute";
        return true;
    default:
        return false;
    }
}

/* Is a token in the query of the URL? URLs end up in logs, histories and bookmarks: who shows one there is to learn it at once. */
static bool shows_token(struct lws *wsi)
{
    char part[64];
    bool shows = false;
    for (int i = 0, bytes; !shows && (bytes = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i)) > 0;
         i++) {
        shows = lws_hdr_copy_fragment(wsi, part, sizeof part, WSI_TOKEN_HTTP_URI_ARGS, i) < 0
                    ? bytes >= (int)sizeof part
                    : peer_head_is_token(part);
    }
    return shows;
}

static int judge_upgrade(net *n, struct lws *wsi, const char *to)
{
    char path[PEER_ROOM_NAME_MAX + 2], protocols[PEER_PROTOCOLS_BYTES_MAX + 1], text[PEER_ROOM_NAME_MAX + 80];
    const char *why;
    peer_grant grant;
    if (strcasecmp(to, "websocket") != 0) {
        return refuse(n, wsi, NET_REFUSED_NO_WEBSOCKET, "only websockets are served here");
    }
    if (shows_token(wsi)) {
        return refuse(n, wsi, NET_REFUSED_URL,
                      "a token in a URL is not read, since URLs are kept in logs and histories: "
                      "Authorization: Bearer TOKEN, or the subprotocol bearer.TOKEN");
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) > PEER_PROTOCOLS_BYTES_MAX) {
        return refuse(n, wsi, NET_REFUSED_SUBPROTOCOL, "the subprotocols are longer than 126 bytes");
    }
    if (lws_hdr_copy(wsi, protocols, sizeof protocols, WSI_TOKEN_PROTOCOL) <= 0 ||
        !offers(protocols, PEER_PROTOCOL_NAME)) {
        return refuse(n, wsi, NET_REFUSED_SUBPROTOCOL, "this peer speaks " PEER_PROTOCOL_NAME);
    }
    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 1 || path[0] != '/' ||
        !peer_room_name_ok(path + 1, strlen(path + 1))) {
        return refuse(n, wsi, NET_REFUSED_PATH, "the path is not the name of a room");
    }
    if (asks_too_much(n, wsi, true, &why)) {
        return refuse(n, wsi, NET_REFUSED_OFTEN, why);
    }
    unsigned status = net_admit(n, wsi, path + 1, &grant, &why);
    if (status != 0) {
        return refuse(n, wsi, status == HTTP_STATUS_UNAUTHORIZED ? NET_REFUSED_TOKEN : NET_REFUSED_FORBIDDEN,
                      why);
    }
    status = net_room_refuses(n, path + 1, text, sizeof text);
    return status == 0
               ? 0
               : refuse(n, wsi, status == HTTP_STATUS_NOT_FOUND ? NET_REFUSED_ROOM : NET_REFUSED_FULL, text);
}

bool net_answer_health(const net *n, struct lws *wsi, const char *path)
{
    bool health = strcmp(path, "/healthz") == 0, ready = strcmp(path, "/readyz") == 0;
    if (ready && n->stopping) {
        lws_return_http_status(wsi, HTTP_STATUS_SERVICE_UNAVAILABLE, "it is stopping");
    } else if (health || ready) {
        lws_return_http_status(wsi, HTTP_STATUS_OK, "good");
    }
    return health || ready;
}

/* GET /rooms and GET /ROOM/users. For lws: 0, or -1 closes. */
static int answer_roster(net *n, struct lws *wsi, const char *path, net_scrape *scrape)
{
    const char *why;
    if (asks_too_much(n, wsi, false, &why)) {
        (void)refuse(n, wsi, NET_REFUSED_OFTEN, why);
        return -1;
    }
    unsigned status = net_roster_begin(n, wsi, path, scrape, &why);
    if (status != 0) {
        (void)refuse(n, wsi,
                     status == HTTP_STATUS_UNAUTHORIZED ? NET_REFUSED_TOKEN
                     : status == HTTP_STATUS_FORBIDDEN  ? NET_REFUSED_FORBIDDEN
                     : status == HTTP_STATUS_NOT_FOUND  ? NET_REFUSED_ROOM
                                                        : NET_REFUSED_FULL,
                     why);
        return -1;
    }
    return net_scrape_send(wsi, scrape, "application/json");
}

/* A request without an upgrade. For lws: 0, or -1 closes. */
static int answer(net *n, struct lws *wsi, const char *path, net_http *http)
{
    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0) {
        return net_login_begin(n, wsi, path, &http->login);
    }
    const peer_config *config = n->config;
    if (config != NULL && config->metrics && config->metrics_listen.host == NULL &&
        strcmp(path, "/metrics") == 0) {
        return net_scrape_begin(n, wsi, &http->scrape);
    }
    if (net_roster_path(path) && lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0) {
        return answer_roster(n, wsi, path, &http->scrape);
    }
    if (!net_answer_health(n, wsi, path)) {
        (void)refuse(n, wsi, NET_REFUSED_NO_UPGRADE, "only websockets are served here");
    }
    return -1;
}

int net_on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    net *n = lws_context_user(lws_get_context(wsi));
    net_http *http = user;
    switch (reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        net_visit_take(wsi);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY: /* of all, whatever they have become */
        net_visit_end(wsi);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return judge_upgrade(n, wsi, in);
    case LWS_CALLBACK_HTTP:
        return answer(n, wsi, in, http);
    case LWS_CALLBACK_HTTP_BODY:
        return net_login_body(&http->login, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return net_login_complete(n, wsi, &http->login);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return http->login.id != 0 ? net_login_write(n, wsi, &http->login)
                                   : net_scrape_write(n, wsi, &http->scrape);
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        net_login_end(n, http != NULL ? &http->login : NULL);
        net_scrape_end(http != NULL ? &http->scrape : NULL);
        return 0;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return -1; /* an upgrade to no protocol of ours */
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}
