/* One websocket: messages in and out, the session's verdicts carried out, the end. */
#include "net_internal.h"

#include "json.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { YEAR_S = 365 * 86400 }; /* no link lasts so long */

static void on_tick(lws_sorted_usec_list_t *sul);

/* An id for the link that is its place in the table of links too, and is not given again soon. */
static void register_link(net *n, net_link *l)
{
    while (n->free_slot < n->slot_count && n->slots[n->free_slot] != NULL) {
        n->free_slot++;
    }
    if (n->free_slot == n->slot_count) {
        size_t count = n->slot_count == 0 ? 64 : 2 * n->slot_count;
        net_link **slots = peer_new(count * sizeof(net_link *));
        if (n->slot_count > 0) {
            memcpy(slots, n->slots, n->slot_count * sizeof(net_link *));
        }
        free(n->slots);
        n->slots = slots;
        n->slot_count = count;
    }
    n->slots[n->free_slot] = l;
    l->id = (uint64_t)++n->last_id << 32 | n->free_slot;
}

static void unregister_link(net *n, const net_link *l)
{
    size_t slot = (size_t)(l->id & UINT32_MAX);
    n->slots[slot] = NULL;
    n->free_slot = slot < n->free_slot ? slot : n->free_slot;
}

static net_link *find_link(const net *n, uint64_t id)
{
    size_t slot = (size_t)(id & UINT32_MAX);
    net_link *l = slot < n->slot_count ? n->slots[slot] : NULL;
    return l != NULL && l->id == id ? l : NULL;
}

net_link *net_link_new(net *n, net_follow *follow, const char *name)
{
    net_link *l = peer_new(sizeof *l);
    l->kind = NET_LINK;
    l->net = n;
    l->follow = follow;
    l->accepted = follow == NULL;
    l->room = follow != NULL ? follow->room : NULL;
    l->grants = SYNC_RIGHT_READ | SYNC_RIGHT_WRITE;
    register_link(n, l);
    l->name = peer_strdup(name);
    l->debt = peer_debt_new();
    l->lag = peer_lag_new();
    l->out_end = &l->out;
    l->next = n->links;
    l->from = &n->links;
    if (l->next != NULL) {
        l->next->from = &l->next;
    }
    n->links = l;
    n->member_count += l->accepted;
    return l;
}

static void leave_room(net_link *l, const char *why)
{
    if (l->told_room) {
        l->told_room = false;
        net_room_post(l->room, peer_message_new(PEER_LINK_DOWN, l->id));
        peer_event("disconnected",
                   (peer_field[]){PEER_TEXT("link", l->name), PEER_TEXT("reason", why), PEER_END});
    }
}

static size_t cost_of(const peer_message *m)
{
    return m->bytes->buf.len + sizeof *m;
}

static void queue_out(net_link *l, peer_message *m)
{
    if (l->out == NULL) {
        l->out_ms = peer_now_ms();
    }
    m->next = NULL;
    *l->out_end = m;
    l->out_end = &m->next;
    l->out_bytes += cost_of(m);
    lws_callback_on_writable(l->wsi);
}

static void drop_out(net_link *l)
{
    for (peer_message *m = l->out, *next; m != NULL; m = next) {
        next = m->next;
        peer_message_free(m);
    }
    l->out = NULL;
    l->out_end = &l->out;
    l->out_bytes = 0;
}

void net_link_send(net_link *l, const sync_frame *frame)
{
    sync_buf buf = {0};
    if (peer_session_may_send(&l->session, frame->type) && sync_frame_put(&buf, frame) == SYNC_OK) {
        peer_message *m = peer_message_new(PEER_FRAME_OUT, l->id);
        m->bytes = peer_bytes_take(&buf);
        queue_out(l, m);
    }
    sync_buf_free(&buf);
}

/* May a room's rules for rows bind the other side? */
static bool is_bound(const net_link *l)
{
    return l->follow == NULL && !l->admin;
}

/* What the other side may do here. A copy of the file has all rows, and so is not for who may see some. */
static unsigned rights_of(const net_link *l)
{
    const peer_options *o = &l->room->options;
    const unsigned rights = l->follow != NULL ? l->follow->rights : l->grants & o->rights;
    const bool copies = (rights & SYNC_RIGHT_READ) != 0 && (o->rules.count == 0 || !is_bound(l));
    const bool primary =
        l->follow == NULL && (rights & SYNC_RIGHT_WRITE) != 0 && peer_options_primary(o) == NULL;
    return rights | (copies ? SYNC_RIGHT_SNAPSHOT : 0) | (primary ? SYNC_RIGHT_FORWARD : 0);
}

void net_link_greet(net_link *l)
{
    if (!l->open || l->greeted || l->ending) {
        return;
    }
    const char *room = l->follow != NULL ? l->follow->url.room : l->room->name;
    l->greeted = true;
    peer_session_open(&l->session, room, &l->room->site, peer_now_ms());
    sync_frame hello = {.type = SYNC_FRAME_ANNOUNCE};
    hello.announce.protocol = SYNC_PROTOCOL_VERSION;
    hello.announce.site = l->room->site;
    hello.announce.room = sync_frame_text_of(room);
    hello.announce.software = sync_frame_text_of("sync-peer " SYNC_PROGRAM_VERSION);
    hello.announce.rights = rights_of(l) | net_presence_offer(l, rights_of(l));
    net_link_send(l, &hello);
    lws_rx_flow_control(l->wsi, 1);
    on_tick(&l->tick);
}

void net_link_open(net_link *l, struct lws *wsi)
{
    l->wsi = wsi;
    l->open = true;
    if (l->accepted) {
        net_presence_changed(l->room);
    }
    if (l->room->ready || (l->follow != NULL && l->room->absent)) {
        net_link_greet(l);
    } else {
        lws_rx_flow_control(wsi, 0);
    }
}

static void on_expiry(lws_sorted_usec_list_t *sul)
{
    net_link *l = lws_container_of(sul, net_link, expiry);
    net_link_end(l, SYNC_PEER_ERROR_FORBIDDEN, 4000 + SYNC_PEER_ERROR_FORBIDDEN,
                 "the token or the certificate has expired");
}

void net_link_expire(net_link *l, int64_t until_s)
{
    int64_t left_s = until_s - (int64_t)time(NULL);
    if (until_s != 0) {
        lws_sul_schedule(l->net->context, 0, &l->expiry, on_expiry,
                         (left_s < 1        ? 1
                          : left_s > YEAR_S ? YEAR_S
                                            : left_s) *
                             LWS_US_PER_SEC);
    }
}

void net_link_end(net_link *l, int code, int status, const char *text)
{
    if (l->ending) {
        return;
    }
    if (code != 0 && l->open) {
        sync_frame frame = {.type = SYNC_FRAME_ERROR};
        frame.error.code = (uint64_t)code;
        frame.error.text = sync_frame_text_of(text);
        frame.error.text.bytes =
            frame.error.text.bytes < SYNC_FRAME_TEXT_MAX ? frame.error.text.bytes : SYNC_FRAME_TEXT_MAX;
        net_link_send(l, &frame);
    }
    l->session.state = PEER_ENDED;
    l->ending = true;
    net_presence_leave(l);
    l->status = status;
    lws_strncpy(l->text, text, sizeof l->text);
    leave_room(l, text);
    lws_sul_cancel(&l->tick);
    lws_sul_cancel(&l->expiry);
    if (l->open) {
        lws_callback_on_writable(l->wsi);
        lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_OK, PEER_READ_MS / 1000); /* it may not take the end */
    } else if (l->wsi != NULL) {
        lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
}

void net_link_gone(net_link *l)
{
    net *n = l->net;
    net_follow *follow = l->follow;
    bool was_up = l->up_ms != 0 && peer_now_ms() - l->up_ms >= PEER_PING_MS;
    *l->from = l->next;
    if (l->next != NULL) {
        l->next->from = l->from;
    }
    if (!l->ending) {
        net_presence_leave(l);
    }
    unregister_link(n, l);
    n->member_count -= l->accepted;
    leave_room(l, l->text[0] != 0 ? l->text : l->closed != NULL ? l->closed : "the connection was lost");
    lws_sul_cancel(&l->tick);
    lws_sul_cancel(&l->expiry);
    drop_out(l);
    sync_buf_free(&l->incoming);
    peer_debt_drop(l->debt);
    peer_lag_drop(l->lag);
    if (l->accepted && l->room != NULL) {
        peer_visitors_leave(n->visitors, l->name);
        net_room_leave(l->room);
    }
    free(l->name);
    free(l->closed);
    free(l);
    if (follow != NULL) {
        follow->link = NULL;
        net_follow_lost(follow, was_up);
    }
}

/* Codes of the protocol as websocket close codes: 1002 has its meaning, ours are in the private range. */
static int status_of(int code)
{
    return code == SYNC_PEER_ERROR_PROTOCOL   ? LWS_CLOSE_STATUS_PROTOCOL_ERR
           : code == SYNC_PEER_ERROR_STOPPING ? LWS_CLOSE_STATUS_GOINGAWAY
                                              : 4000 + code;
}

static int exit_of(int code)
{
    switch (code) {
    case SYNC_PEER_ERROR_VERSION:
        return PEER_EXIT_VERSION;
    case SYNC_PEER_ERROR_ROOM:
    case SYNC_PEER_ERROR_SAME:
        return PEER_EXIT_REFUSED;
    case SYNC_PEER_ERROR_FORBIDDEN: /* with another token it is let in again */
        return PEER_EXIT_NETWORK;
    case SYNC_PEER_ERROR_SCHEMA:
        return PEER_EXIT_SCHEMA;
    default:
        return PEER_EXIT_ERROR;
    }
}

static bool is_permanent(int exit)
{
    return exit == PEER_EXIT_VERSION || exit == PEER_EXIT_REFUSED || exit == PEER_EXIT_SCHEMA;
}

/* Tells the follower, or for an accepted link the people, why it ends. */
static void blame(net_link *l, int exit, const char *text)
{
    if (l->follow != NULL) {
        net_follow_blame(l->follow, exit, is_permanent(exit), text);
    } else if (!l->net->stopping) {
        peer_notice("%s: %s", l->name, text);
    }
}

/* UTF-8, in which NUL is a character like any other? */
static bool is_utf8(const unsigned char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes; at++) {
        const unsigned char *nul = memchr(text + at, 0, bytes - at);
        const size_t end = nul != NULL ? (size_t)(nul - text) : bytes;
        if (!sync_is_text(text + at, end - at)) {
            return false;
        }
        at = end;
    }
    return true;
}

int net_link_closed(net_link *l, const unsigned char *data, size_t bytes)
{
    const unsigned status = bytes >= 2 ? (unsigned)data[0] << 8 | data[1] : 0;
    free(l->closed);
    l->closed = status == 0 ? peer_strdup("it closed the connection, and did not say why")
                : bytes > 2 ? peer_format("it closed the connection: %.*s (%u)", (int)(bytes - 2),
                                          (const char *)data + 2, status)
                            : peer_format("it closed the connection (%u)", status);
    if (l->follow != NULL) {
        net_follow_blame(l->follow, PEER_EXIT_NETWORK, false, l->closed);
    }
    enum lws_close_status wrong = bytes == 1 ? LWS_CLOSE_STATUS_PROTOCOL_ERR
                                  : bytes > 2 && !is_utf8(data + 2, bytes - 2)
                                      ? LWS_CLOSE_STATUS_INVALID_PAYLOAD
                                      : LWS_CLOSE_STATUS_NOSTATUS;
    if (wrong == LWS_CLOSE_STATUS_NOSTATUS) {
        return 0;
    }
    lws_close_reason(l->wsi, wrong, NULL, 0); /* libwebsockets would send it back as it came */
    return -1;
}

/* It does not read what it is sent, so it will not read why either. */
static void let_go(net_link *l)
{
    static const char text[] = "it does not read what it is sent";
    blame(l, PEER_EXIT_NETWORK, text);
    net_link_end(l, 0, LWS_CLOSE_STATUS_POLICY_VIOLATION, text);
    drop_out(l);
    lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_OK, 1);
}

static void check_out(net_link *l)
{
    if (l->out_bytes > PEER_LINK_OUT_BYTES_MAX) {
        let_go(l);
    }
}

static void deliver(net_link *l, const sync_frame *frame, peer_bytes *bytes)
{
    peer_message *m = peer_message_new(PEER_FRAME_IN, l->id);
    m->bytes = bytes;
    m->frame = *frame;
    peer_message_owe(m, l->debt);
    if (atomic_load(&l->debt->bytes) > PEER_LINK_QUEUE_BYTES_MAX) {
        static const char text[] = "more was sent than Ack allows";
        peer_message_free(m);
        blame(l, PEER_EXIT_ERROR, text);
        net_link_end(l, SYNC_PEER_ERROR_PROTOCOL, LWS_CLOSE_STATUS_POLICY_VIOLATION, text);
        return;
    }
    net_room_post(l->room, m);
}

static void link_up(net_link *l)
{
    peer_message *m = peer_message_new(PEER_LINK_UP, l->id);
    m->text = peer_strdup(l->name);
    m->grants = rights_of(l);
    m->granted = l->session.granted;
    m->site = l->session.their;
    m->tables = l->follow != NULL ? peer_strdup(l->follow->tables) : NULL;
    m->user = l->user[0] != 0 ? peer_strdup(l->user) : NULL;
    m->bound = is_bound(l);
    m->primary = l->follow != NULL && l->follow->primary;
    m->lag = peer_lag_share(l->lag);
    l->up_ms = peer_now_ms();
    l->told_room = true;
    if (l->follow != NULL) {
        l->follow->ever_up = true;
        l->follow->complained = false;
        l->follow->exit = PEER_EXIT_OK;
        l->follow->why[0] = 0;
    }
    peer_event("connected", (peer_field[]){PEER_TEXT("link", l->name), PEER_END});
    net_room_post(l->room, m);
    net_presence_meet(l, rights_of(l));
}

/* A message that is for the room, or for the link itself. */
static void take_delivered(net_link *l, const sync_frame *frame, const peer_move *move)
{
    const char *why;
    if (frame->type == SYNC_FRAME_ERROR) {
        blame(l, exit_of((int)frame->error.code), move->text);
        net_link_end(l, 0, LWS_CLOSE_STATUS_NORMAL, move->text);
    } else if (frame->type == SYNC_FRAME_PRESENCE) {
        const int code = net_presence_take(l, frame, &why);
        if (code != 0) {
            blame(l, exit_of(code), why);
            net_link_end(l, code, status_of(code), why);
        }
    } else {
        deliver(l, frame, peer_bytes_take(&l->incoming));
    }
}

/* A whole message is in l->incoming. */
static void take_incoming(net_link *l)
{
    sync_frame frame;
    peer_move move;
    net_count_frame(l->net->counts.frames_in, l->incoming.data, l->incoming.len);
    peer_session_receive(&l->session, l->incoming.data, l->incoming.len, peer_now_ms(), &frame, &move);
    switch (move.verdict) {
    case PEER_MEET:
        link_up(l);
        break;
    case PEER_ANSWER:
        net_link_send(l, &move.reply);
        check_out(l);
        break;
    case PEER_DELIVER:
        take_delivered(l, &frame, &move);
        break;
    case PEER_END_LINK:
        blame(l, exit_of(move.code), move.text);
        net_link_end(l, move.code, status_of(move.code), move.text);
        break;
    case PEER_IGNORE:
        break;
    }
    sync_buf_reset(&l->incoming);
}

/* A message that no peer sends: from who has not yet shown to be one, it is none. */
static void end_stranger(net_link *l, int status, const char *what)
{
    char text[SYNC_ERROR_BYTES];
    bool unknown = l->follow != NULL && l->up_ms == 0;
    lws_snprintf(text, sizeof text, "it sent %s%s", what, unknown ? "; is it a sync-peer?" : "");
    blame(l, unknown ? PEER_EXIT_REFUSED : PEER_EXIT_ERROR, text);
    net_link_end(l, SYNC_PEER_ERROR_PROTOCOL, status, what);
}

int net_link_receive(net_link *l, struct lws *wsi, const void *data, size_t bytes)
{
    l->net->counts.bytes_in += bytes;
    if (l->ending) {
        return 0;
    }
    if (!lws_frame_is_binary(wsi)) {
        end_stranger(l, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "a text message");
        return 0;
    }
    if (l->incoming.len + bytes > SYNC_FRAME_BYTES_MAX) {
        end_stranger(l, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "a message above 256 KiB");
        return 0;
    }
    sync_buf_put(&l->incoming, data, bytes);
    if (l->incoming.oom) {
        net_link_end(l, SYNC_PEER_ERROR_INTERNAL, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, "out of memory");
    } else if (lws_is_final_fragment(wsi) != 0 && lws_remaining_packet_payload(wsi) == 0) {
        take_incoming(l);
    }
    return 0;
}

/* Sends the oldest frame that waits; false: the connection is lost. */
static bool write_one(net_link *l)
{
    peer_message *m = l->out;
    const sync_buf *buf = &m->bytes->buf;
    uint8_t *to = l->net->scratch + LWS_PRE;
    memcpy(to, buf->data, buf->len);
    int written = lws_write(l->wsi, to, buf->len, LWS_WRITE_BINARY);
    bool good = written >= (int)buf->len;
    if (good) {
        l->net->counts.bytes_out += buf->len;
        net_count_frame(l->net->counts.frames_out, buf->data, buf->len);
    }
    l->out_bytes -= cost_of(m);
    l->out_ms = peer_now_ms();
    l->out = m->next;
    l->out_end = l->out != NULL ? l->out_end : &l->out;
    peer_message_free(m);
    return good;
}

int net_link_write(net_link *l)
{
    if (l->out == NULL && l->ending) {
        lws_close_reason(l->wsi, (enum lws_close_status)l->status, (unsigned char *)l->text, strlen(l->text));
        return -1;
    }
    /* Where thousands are written to, asking the system again who can be costs more than the writing. */
    size_t sent = 0;
    while (l->out != NULL && (sent == 0 || (sent < PEER_TURN_BYTES && !lws_send_pipe_choked(l->wsi)))) {
        sent += l->out->bytes->buf.len;
        if (!write_one(l)) {
            return -1;
        }
    }
    if (l->out != NULL || l->ending) {
        lws_callback_on_writable(l->wsi);
    }
    return 0;
}

static void on_tick(lws_sorted_usec_list_t *sul)
{
    net_link *l = lws_container_of(sul, net_link, tick);
    int64_t now = peer_now_ms(), next = now;
    peer_move move;
    peer_session_tick(&l->session, now, &next, &move);
    if (move.verdict == PEER_END_LINK) {
        blame(l, PEER_EXIT_NETWORK, move.text);
        net_link_end(l, 0, LWS_CLOSE_STATUS_PROTOCOL_ERR, move.text);
        lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_OK, 1); /* nobody may be there to answer the close */
        return;
    }
    if (l->out != NULL && now - l->out_ms >= PEER_READ_MS) {
        let_go(l);
        return;
    }
    if (move.verdict == PEER_ANSWER) {
        net_link_send(l, &move.reply);
    }
    lws_sul_schedule(l->net->context, 0, &l->tick, on_tick,
                     (next - now > 0 ? next - now : 1) * LWS_US_PER_MS);
}

void net_link_deliver(net *n, peer_message *m)
{
    net_link *l = find_link(n, m->link);
    if (l == NULL || l->ending) {
        peer_message_free(m);
        return;
    }
    switch (m->kind) {
    case PEER_FRAME_OUT:
        if (peer_session_may_send(&l->session, (sync_frame_type)m->bytes->buf.data[0])) {
            queue_out(l, m);
            check_out(l);
            return;
        }
        break;
    case PEER_LINK_CLOSE:
        blame(l, m->exit, m->text);
        net_link_end(l, m->code, status_of(m->code), m->text);
        break;
    case PEER_LINK_DONE:
        if (l->follow != NULL) {
            net_follow_done(l->follow, m);
        }
        net_link_end(l, 0, LWS_CLOSE_STATUS_NORMAL, "both sides hold the same");
        break;
    default:
        break;
    }
    peer_message_free(m);
}
