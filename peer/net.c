/* The network thread: lws's callbacks, the workers' messages, the process's end. */
#include "net_internal.h"

#include "log.h"
#include "precautions.h"
#include "supervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { CLOSE_STEP_MS = 10 };

static struct lws_context *volatile signal_context;
static volatile sig_atomic_t stop_came, reload_came; /* one must not hide the other */

static void on_signal(int number)
{
    *(number == SIGHUP ? &reload_came : &stop_came) = 1;
    if (signal_context != NULL) {
        lws_cancel_service(signal_context);
    }
}

static void close_links(net *n, int code, int status, const char *text);

static void on_deadline(lws_sorted_usec_list_t *sul)
{
    net *n = lws_container_of(sul, net, deadline);
    n->finished = true;
    lws_cancel_service(n->context); /* which runs timers, and then sleeps */
}

static void check_finished(net *n)
{
    if (n->stopping && n->workers == 0 && n->links == NULL) {
        n->finished = true;
    }
}

static void close_links(net *n, int code, int status, const char *text)
{
    for (net_link *l = n->links, *next; l != NULL; l = next) {
        next = l->next;
        net_link_end(l, code, status, text);
    }
    lws_sul_schedule(n->context, 0, &n->deadline, on_deadline, PEER_CLOSE_MS * LWS_US_PER_MS);
    check_finished(n);
}

void net_stop(net *n, int exit)
{
    n->exit = n->exit == PEER_EXIT_OK ? exit : n->exit;
    if (n->stopping) {
        return;
    }
    n->stopping = true;
    peer_supervisor_stopping();
    for (net_follow *f = n->follows; f != NULL; f = f->next) {
        lws_sul_cancel(&f->retry);
    }
    for (size_t i = 0; i < n->listener_count; i++) {
        if (n->listeners[i].wsi != NULL) {
            lws_set_timeout(n->listeners[i].wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
            n->listeners[i].wsi = NULL;
        }
    }
    net_rooms_stop(n);
    net_check_stopped(n);
}

void net_check_stopped(net *n)
{
    if (n->stopping && n->workers == 0) {
        close_links(n, SYNC_PEER_ERROR_STOPPING, LWS_CLOSE_STATUS_GOINGAWAY, "sync-peer is stopping");
    }
}

/* What the command line asks for is being done. */
static void tell_ready(const net *n)
{
    const peer_options *o = n->options;
    char *status = n->config != NULL          ? peer_format("serving the rooms of %s", n->config->db_folder)
                   : o->command == PEER_SERVE ? peer_format("serving %s as room %s", o->file, o->room)
                                              : peer_format("keeping %s in step", o->file);
    peer_supervisor_ready(status);
    free(status);
}

void net_pinned_ready(net_room *r)
{
    net *n = r->net;
    if (n->options->command == PEER_SERVE && !net_begin_listening(n)) {
        net_stop(n, PEER_EXIT_NETWORK);
        return;
    }
    if (n->options->command != PEER_SERVE) {
        peer_event("ready", (peer_field[]){PEER_TEXT("file", n->options->file), PEER_END});
    }
    tell_ready(n);
}

void net_pinned_ended(net_room *r, const peer_message *m)
{
    net *n = r->net;
    if (m->exit != PEER_EXIT_OK) {
        peer_error(m->exit, "%s", m->text);
        n->exit = m->exit;
    }
    net_stop(n, m->exit);
}

/* SIGTERM or SIGINT. Who asked for an end that both sides hold the same at must not take this for it. */
static void take_signal(net *n)
{
    if (reload_came != 0) {
        reload_came = 0;
        net_reload(n);
    }
    if (stop_came == 0) {
        return;
    }
    stop_came = 0;
    if (n->options->once && !n->stopping) {
        peer_error(PEER_EXIT_STOPPED, "%s: stopped before both sides held the same", n->options->file);
        net_stop(n, PEER_EXIT_STOPPED);
    } else {
        net_stop(n, PEER_EXIT_OK);
    }
}

static void take_messages(net *n)
{
    const bool came = stop_came != 0 || reload_came != 0;
    for (peer_message *m = peer_queue_take_all(n->inbox), *next; m != NULL; m = next) {
        next = m->next;
        switch (m->kind) {
        case PEER_ROOM_ABSENT:
        case PEER_ROOM_READY:
        case PEER_ROOM_SITE:
        case PEER_ROOM_ENDED:
            net_room_deliver(n, m);
            break;
        case PEER_RESOLVED:
            net_follow_resolved(n, m);
            break;
        case PEER_LOGGED_IN:
            net_login_deliver(n, m);
            break;
        default:
            net_link_deliver(n, m);
            continue;
        }
        peer_message_free(m);
    }
    if (came) { /* after what has come already: it may be all that was left */
        take_signal(n);
    }
}

/* For lws: -1 closes it. */
static int accepted(net *n, struct lws *wsi)
{
    char peer[64] = "?", path[PEER_ROOM_NAME_MAX + 2];
    net_room *room = NULL;
    peer_grant grant;
    const char *why;
    net_visit_end(wsi);
    lws_get_peer_simple(wsi, peer, sizeof peer);
    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) > 1 &&
        net_admit(n, wsi, path + 1, &grant, &why) == 0) { /* as judged before the upgrade */
        room = net_room_join(n, path + 1);
    }
    if (room == NULL) {
        return -1;
    }
    net_link *l = net_link_new(n, NULL, peer);
    n->counts.accepted++;
    l->room = room;
    peer_visitors_join(n->visitors, peer, peer_now_ms());
    l->grants = grant.rights & (SYNC_RIGHT_READ | SYNC_RIGHT_WRITE | SYNC_RIGHT_PRESENCE);
    l->admin = (grant.rights & PEER_RIGHT_ADMIN) != 0;
    l->by = grant.by;
    lws_strncpy(l->user, grant.user, sizeof l->user);
    l->since_s = (int64_t)time(NULL);
    lws_set_opaque_user_data(wsi, l);
    net_link_expire(l, grant.until_s);
    net_link_open(l, wsi);
    return 0;
}

static net_link *link_of(struct lws *wsi)
{
    const net_kind *kind = lws_get_opaque_user_data(wsi);
    return kind != NULL && *kind == NET_LINK ? lws_get_opaque_user_data(wsi) : NULL;
}

static void gone(net *n, struct lws *wsi)
{
    net_link *l = link_of(wsi);
    if (l != NULL) {
        lws_set_opaque_user_data(wsi, NULL);
        net_link_gone(l);
        check_finished(n);
    }
}

static int on_sync(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    net *n = lws_context_user(lws_get_context(wsi));
    net_link *l = NULL;
    (void)user;
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
        take_messages(n);
        return 0;
    }
    if (reason == LWS_CALLBACK_ESTABLISHED) {
        return accepted(n, wsi);
    }
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
        l = link_of(wsi);
        break;
    default:
        break;
    }
    if (l == NULL) {
        return 0;
    }
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: {
        unsigned char **at = in;
        return net_follow_headers(l->follow, wsi, at, *at + len);
    }
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return net_follow_answered(l->follow, wsi);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        if (l->ending) { /* the room has been closed meanwhile */
            return -1;
        }
        net_link_open(l, wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP: /* in place of the other while an answer is waited for */
        lws_set_opaque_user_data(wsi, NULL);
        net_follow_distrusted(l->follow, wsi);
        net_follow_failed(l->follow, in != NULL ? (const char *)in : "no answer");
        check_finished(n);
        return 0;
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return net_link_receive(l, wsi, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return net_link_write(l);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return net_link_closed(l, in, len);
    default:
        gone(n, wsi);
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = net_on_http, .per_session_data_size = sizeof(net_http)},
    {.name = PEER_PROTOCOL_NAME, .callback = on_sync, .rx_buffer_size = 65536},
    {.name = "listen", .callback = net_on_listener},
    {.name = "request", .callback = net_on_request, .per_session_data_size = sizeof(peer_head)},
    {0}};

static void wake(void *context)
{
    const net *n = context;
    lws_cancel_service(n->context);
}

/* Of links that this process makes itself. */
static size_t upstreams_max(const net *n)
{
    size_t count = n->config != NULL ? n->config->open_rooms * n->config->upstream_count : PEER_FOLLOW_MAX;
    return count < PEER_UPSTREAMS_MAX ? count : PEER_UPSTREAMS_MAX;
}

/* As many open files as the configuration may need, if that is allowed. */
static void allow_files(const net *n)
{
    const peer_options *o = n->options;
    struct rlimit limit;
    size_t rooms = o->config != NULL ? o->config->open_rooms : 1;
    rlim_t wanted = n->links_max + upstreams_max(n) + PEER_STRANGERS_MAX + rooms * PEER_ROOM_FILES_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (o->config != NULL && limit.rlim_cur < wanted) {
        peer_notice("the limits of %s may need %llu open files, and %llu are allowed (ulimit -n)",
                    o->config->path, (unsigned long long)wanted, (unsigned long long)limit.rlim_cur);
    }
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* then connections are refused one by one */
}

static bool open_context(net *n)
{
    struct lws_context_creation_info info = {0};
    allow_files(n);
    char *why = net_tls_wrong(n->options);
    if (why != NULL) {
        n->exit = PEER_EXIT_USAGE;
        peer_error(n->exit, "%s", why);
        free(why);
        return false;
    }
    lws_set_log_level(0, NULL);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.protocols = protocols;
    info.user = n;
    info.gid = -1;
    info.uid = -1;
    info.pt_serv_buf_size = 65536;
    info.timeout_secs = PEER_HELLO_MS / 1000 + 1; /* ours come first: they know what to say */
    info.connect_timeout_secs = info.timeout_secs;
    /* links, and connections that are not yet links or wait for their end */
    info.fd_limit_per_thread = (unsigned)(n->links_max + upstreams_max(n) + PEER_STRANGERS_MAX);
    net_tls_prepare(n->options, &info);
    n->context = lws_create_context(&info);
    n->vhost = n->context != NULL ? lws_create_vhost(n->context, &info) : NULL;
    if (n->vhost == NULL || !net_scrape_open(n)) {
        n->exit = PEER_EXIT_ERROR;
        peer_error(n->exit, "the network cannot be set up: %s%s", strerror(errno), peer_remedy(errno));
        return false;
    }
    return true;
}

static void watch_signals(net *n)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    signal_context = n->context;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* a write beyond a file size limit is an error like a full disk */
}

static void on_minute(lws_sorted_usec_list_t *sul)
{
    net *n = lws_container_of(sul, net, minute);
    peer_log_settle();
    lws_sul_schedule(n->context, 0, &n->minute, on_minute, PEER_LOG_SAME_MS * LWS_US_PER_MS);
}

/* The file of the command line, or a folder of them. */
static bool begin(net *n)
{
    if (n->config != NULL) {
        char *why = NULL;
        if (n->config->log.given) {
            on_minute(&n->minute);
        }
        peer_precautions_say(n->config->db_folder);
        bool good = peer_config_begin(n->config, &why);
        if (!good) {
            peer_error(PEER_EXIT_ERROR, "%s", why);
            free(why);
        }
        good = good && net_begin_listening(n);
        if (good) {
            net_rooms_keep(n);
            tell_ready(n);
        }
        return good;
    }
    const peer_options *o = n->options;
    net_room *room = net_room_pin(n, o);
    for (size_t i = 0; room != NULL && i < o->url_count; i++) {
        net_follow_add(room, o->urls[i].text, o->token_file, o->pin, o->tables, o->rights, false);
    }
    return room != NULL;
}

static void run(net *n)
{
    if (!begin(n)) {
        n->exit = n->exit == PEER_EXIT_OK ? PEER_EXIT_ERROR : n->exit;
        return;
    }
    while (!n->finished && lws_service(n->context, 0) >= 0) {
        if (stop_came != 0 || reload_came != 0) {
            take_messages(n);
        }
    }
    n->stopping = true;
    net_rooms_join(n);
}

/* Their threads write to the inbox, and wake what is going to be destroyed. */
static void finish_logins(net *n)
{
    for (int waited = 0; n->login_threads > 0 && waited < PEER_CLOSE_MS; waited += CLOSE_STEP_MS) {
        usleep(CLOSE_STEP_MS * 1000);
        for (peer_message *m = peer_queue_take_all(n->inbox), *next; m != NULL; m = next) {
            next = m->next;
            if (m->kind == PEER_LOGGED_IN) {
                net_login_deliver(n, m);
            }
            peer_message_free(m);
        }
    }
}

int peer_net_run(peer_options *options)
{
    net *n = peer_new(sizeof *n);
    n->options = options;
    n->config = options->config;
    n->visitors = peer_visitors_new();
    n->throttle = n->config != NULL ? peer_throttle_new() : NULL;
    n->links_max = n->config != NULL ? n->config->links : PEER_LINKS_MAX;
    n->spare_fd = -1;
    n->counts.began_s = (int64_t)time(NULL);
    n->inbox = peer_queue_new(wake, n);
    if ((options->command != PEER_SERVE || net_listen(n)) && open_context(n)) {
        watch_signals(n);
        run(n);
        finish_logins(n);
    }
    n->stopping = true;
    signal_context = NULL;
    if (n->context != NULL) {
        lws_context_destroy(n->context);
    }
    while (n->links != NULL) { /* libwebsockets says nothing of a connection that it was still making */
        net_link_gone(n->links);
    }
    peer_visitors_free(n->visitors);
    peer_throttle_free(n->throttle);
    net_follows_free(n);
    net_rooms_free(n);
    for (size_t i = 0; i < n->listener_count; i++) {
        if (n->listeners[i].fd >= 0) {
            close(n->listeners[i].fd);
        }
        free(n->listeners[i].address);
    }
    if (n->spare_fd >= 0) {
        close(n->spare_fd);
    }
    int exit = n->exit;
    options->config = n->config;
    if (n->resolving == 0 &&
        n->login_threads == 0) { /* otherwise a thread that looks something up will write there */
        peer_queue_free(n->inbox);
        free(n->slots);
        free(n);
    }
    return exit;
}
