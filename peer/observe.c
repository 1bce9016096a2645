/* What the network thread sees, and what the workers have counted, in Prometheus' words. */
#include "net_internal.h"

#include <inttypes.h>
#include <stdio.h>

void net_count_frame(uint64_t *frames, const void *data, size_t bytes)
{
    unsigned type = bytes > 0 ? *(const uint8_t *)data : 0;
    frames[*sync_frame_name((sync_frame_type)type) != '?' ? type : 0]++;
}

/* ---- the process */

static void put_one(sync_buf *to, const char *name, const char *type, const char *help, uint64_t value)
{
    peer_exposition_family(to, name, type, help);
    peer_exposition_count(to, name, NULL, value);
}

static void put_process(const net *n, sync_buf *to)
{
    char protocol[12];
    snprintf(protocol, sizeof protocol, "%d", SYNC_PROTOCOL_VERSION);
    peer_exposition_family(to, "sync_peer_build_info", "gauge", "Always 1; what runs here is in the labels.");
    peer_exposition_count(to, "sync_peer_build_info",
                          PEER_LABELS({"version", SYNC_PROGRAM_VERSION}, {"protocol", protocol},
                                      {"libwebsockets", lws_get_library_version()}),
                          1);
    put_one(to, "process_start_time_seconds", "gauge", "When the process was started, in Unix time.",
            (uint64_t)n->counts.began_s);
    put_one(to, "sync_peer_connections", "gauge", "Connections that are open now, upgraded ones.",
            n->member_count);
    put_one(to, "sync_peer_connections_accepted_total", "counter", "Connections that were upgraded.",
            n->counts.accepted);
    put_one(to, "sync_peer_connections_turned_away_total", "counter",
            "Connections that were closed at once, since their address had as many as it may have.",
            n->counts.turned_away);
    put_one(to, "sync_peer_received_bytes_total", "counter", "Bytes of messages that came.",
            n->counts.bytes_in);
    put_one(to, "sync_peer_sent_bytes_total", "counter", "Bytes of messages that were sent.",
            n->counts.bytes_out);
}

static void put_refusals(const net *n, sync_buf *to)
{
    static const char name[] = "sync_peer_upgrades_refused_total";
    static const struct {
        const char *status, *reason;
    } kinds[NET_REFUSALS_END] = {
#define NET_X(NAME, status, reason) {#status, reason},
        NET_REFUSALS(NET_X)
#undef NET_X
    };
    peer_exposition_family(to, name, "counter",
                           "Requests that got no websocket, and the HTTP status they got.");
    for (size_t i = 0; i < NET_REFUSALS_END; i++) {
        peer_exposition_count(to, name, PEER_LABELS({"status", kinds[i].status}, {"reason", kinds[i].reason}),
                              n->counts.refused[i]);
    }
}

static void put_logins(const net *n, sync_buf *to)
{
    static const char name[] = "sync_peer_logins_total";
    static const char *const results[NET_LOGIN_RESULTS] = {
#define NET_X(NAME, reason) reason,
        NET_LOGIN_KINDS(NET_X)
#undef NET_X
    };
    peer_exposition_family(to, name, "counter", "Requests to log in, by what came of them.");
    for (size_t i = 0; i < NET_LOGIN_RESULTS; i++) {
        peer_exposition_count(to, name, PEER_LABELS({"result", results[i]}), n->counts.logins[i]);
    }
}

static void put_frames(sync_buf *to, const char *name, const char *help, const uint64_t *frames)
{
    peer_exposition_family(to, name, "counter", help);
    for (unsigned i = 0; i < SYNC_FRAME_TYPES; i++) {
        const char *type = i == 0 ? "other" : sync_frame_name((sync_frame_type)i);
        if (*type != '?') { /* numbers are left out between types */
            peer_exposition_count(to, name, PEER_LABELS({"type", type}), frames[i]);
        }
    }
}

/* ---- what workers have counted, all rooms together */

static void put_reasons(sync_buf *to, const char *name, const char *help, uint64_t behind, uint64_t early,
                        uint64_t away)
{
    peer_exposition_family(to, name, "counter", help);
    peer_exposition_count(to, name, PEER_LABELS({"reason", "behind"}), behind);
    peer_exposition_count(to, name, PEER_LABELS({"reason", "early"}), early);
    peer_exposition_count(to, name, PEER_LABELS({"reason", "away"}), away);
}

static void put_work(const net *n, sync_buf *to)
{
    peer_totals all = n->counts.gone;
    size_t open = 0;
    for (const net_room *r = n->rooms; r != NULL; r = r->next) {
        peer_metrics_add(&r->metrics, &all);
        open += r->worker != NULL;
    }
    put_one(to, "sync_peer_rooms_open", "gauge", "Rooms whose file is open.", open);
    put_one(to, "sync_peer_rows_merged_total", "counter", "Rows that what came has changed here.",
            all.counts[PEER_ROWS_MERGED]);
    put_one(to, "sync_peer_rows_sent_total", "counter",
            "Rows that were sent, counted for each connection they were sent over.",
            all.counts[PEER_ROWS_SENT]);
    put_one(to, "sync_peer_rows_refused_total", "counter",
            "Rows that came, and that the rules of their room did not let their authors write.",
            all.counts[PEER_ROWS_LEFT_OUT]);
    put_reasons(
        to, "sync_peer_deltas_refused_total",
        "Deltas that were refused here: they presume what is not here, are ahead of this clock, or came "
        "while the primary was away.",
        all.counts[PEER_REFUSED_BEHIND], all.counts[PEER_REFUSED_EARLY], all.counts[PEER_REFUSED_AWAY]);
    put_reasons(to, "sync_peer_deltas_refused_by_others_total",
                "Deltas of this side that the other one refused.", all.counts[PEER_GOT_REFUSED_BEHIND],
                all.counts[PEER_GOT_REFUSED_EARLY], all.counts[PEER_GOT_REFUSED_AWAY]);
    put_one(to, "sync_peer_parts_forwarded_total", "counter",
            "Parts of members' deltas that the primary has acknowledged.", all.counts[PEER_FORWARDED]);
    peer_exposition_family(to, "sync_peer_merge_seconds", "histogram",
                           "Transactions that merged what came, from their beginning to their commit.");
    peer_exposition_histogram(to, "sync_peer_merge_seconds", all.buckets[PEER_MERGES],
                              all.sums_us[PEER_MERGES]);
    peer_exposition_family(to, "sync_peer_fold_seconds", "histogram",
                           "Transactions of their own that folded a part of a journal.");
    peer_exposition_histogram(to, "sync_peer_fold_seconds", all.buckets[PEER_FOLDS], all.sums_us[PEER_FOLDS]);
}

/* ---- rooms and links */

static int64_t lag_ms(const net_link *l, int64_t now_ms)
{
    int64_t since = atomic_load_explicit(&l->lag->since_ms, memory_order_relaxed);
    return since != 0 && now_ms > since ? now_ms - since : 0;
}

static uint64_t parts(const net_link *l)
{
    return atomic_load_explicit(&l->lag->parts, memory_order_relaxed);
}

void net_observe_rooms(const net *n, int64_t now_ms)
{
    for (net_room *r = n->rooms; r != NULL; r = r->next) {
        r->lag_ms = 0;
        r->parts = 0;
        r->upstreams = 0;
    }
    for (const net_link *l = n->links; l != NULL; l = l->next) {
        if (l->room != NULL) {
            int64_t lag = lag_ms(l, now_ms);
            l->room->lag_ms = lag > l->room->lag_ms ? lag : l->room->lag_ms;
            l->room->parts += parts(l);
            l->room->upstreams += l->follow != NULL && l->up_ms != 0;
        }
    }
}

/* The queues of the links together. */
static void put_links(const net *n, sync_buf *to)
{
    uint64_t sum = 0, most = 0;
    for (const net_link *l = n->links; l != NULL; l = l->next) {
        sum += l->out_bytes;
        most = l->out_bytes > most ? l->out_bytes : most;
    }
    put_one(to, "sync_peer_out_queue_bytes", "gauge", "Bytes that wait to be sent, of all connections.", sum);
    put_one(to, "sync_peer_out_queue_max_bytes", "gauge", "Of the connection that has most of them.", most);
}

typedef enum room_value { CONNECTIONS, WAL, MERGED, SENT, LAG, PARTS, ROOM_VALUES } room_value;

static uint64_t value_of(const net_room *r, room_value which)
{
    switch (which) {
    case CONNECTIONS:
        return r->links;
    case WAL:
        return atomic_load_explicit(&r->metrics.wal_bytes, memory_order_relaxed);
    case MERGED:
        return atomic_load_explicit(&r->metrics.counts[PEER_ROWS_MERGED], memory_order_relaxed);
    case SENT:
        return atomic_load_explicit(&r->metrics.counts[PEER_ROWS_SENT], memory_order_relaxed);
    case LAG:
        return (uint64_t)r->lag_ms;
    default:
        return r->parts;
    }
}

/* Of open rooms alone, which are few; one that is closed has no series, and begins anew when it is opened again. */
static void put_rooms(const net *n, sync_buf *to)
{
    static const struct {
        const char *name, *type, *help;
    } kinds[ROOM_VALUES] = {
        [CONNECTIONS] = {"sync_peer_room_connections", "gauge", "Connections in the room."},
        [WAL] = {"sync_peer_room_wal_bytes", "gauge", "Length of the log (-wal) of the room's file."},
        [MERGED] = {"sync_peer_room_rows_merged_total", "counter",
                    "Rows that what came has changed in the room, since it was opened."},
        [SENT] = {"sync_peer_room_rows_sent_total", "counter",
                  "Rows that were sent from the room, since it was opened."},
        [LAG] = {"sync_peer_room_lag_seconds", "gauge",
                 "The largest lag of a connection in the room: since when something is sent and not "
                 "acknowledged."},
        [PARTS] = {"sync_peer_room_parts_outstanding", "gauge",
                   "Parts of deltas that were sent in the room and are not acknowledged."},
    };
    for (int i = 0; i < ROOM_VALUES; i++) {
        peer_exposition_family(to, kinds[i].name, kinds[i].type, kinds[i].help);
        for (const net_room *r = n->rooms; r != NULL; r = r->next) {
            uint64_t value = value_of(r, (room_value)i);
            if (r->worker == NULL) {
                continue;
            }
            if (i == LAG) {
                peer_exposition_seconds(to, kinds[i].name, PEER_LABELS({"room", r->name}), value * 1000);
            } else {
                peer_exposition_count(to, kinds[i].name, PEER_LABELS({"room", r->name}), value);
            }
        }
    }
}

typedef enum link_value { LINK_LAG, LINK_PARTS, LINK_OUT, LINK_VALUES } link_value;

/* One by one as long as they are few. */
static void put_each_link(const net *n, sync_buf *to, int64_t now_ms)
{
    static const struct {
        const char *name, *help;
    } kinds[LINK_VALUES] = {
        [LINK_LAG] = {"sync_peer_connection_lag_seconds",
                      "Since when something is sent over the connection and not acknowledged."},
        [LINK_PARTS] = {"sync_peer_connection_parts_outstanding",
                        "Parts of a delta that were sent over the connection and are not acknowledged."},
        [LINK_OUT] = {"sync_peer_connection_out_queue_bytes",
                      "Bytes that wait to be sent over the connection."},
    };
    char number[24];
    for (int i = 0; i < LINK_VALUES && n->member_count <= PEER_METRICS_LINKS_MAX; i++) {
        peer_exposition_family(to, kinds[i].name, "gauge", kinds[i].help);
        for (const net_link *l = n->links; l != NULL; l = l->next) {
            const char *room = l->room != NULL ? l->room->name : "";
            snprintf(number, sizeof number, "%" PRIu64, l->id >> 32);
            const peer_label *labels =
                PEER_LABELS({"room", room}, {"connection", number}, {"address", l->name});
            if (i == LINK_LAG) {
                peer_exposition_seconds(to, kinds[i].name, labels, (uint64_t)lag_ms(l, now_ms) * 1000);
            } else {
                peer_exposition_count(to, kinds[i].name, labels, i == LINK_PARTS ? parts(l) : l->out_bytes);
            }
        }
    }
}

void net_observe(const net *n, sync_buf *to)
{
    const int64_t now_ms = peer_now_ms();
    put_process(n, to);
    put_refusals(n, to);
    put_logins(n, to);
    put_frames(to, "sync_peer_frames_received_total", "Messages that came, by their type.",
               n->counts.frames_in);
    put_frames(to, "sync_peer_frames_sent_total", "Messages that were sent, by their type.",
               n->counts.frames_out);
    put_work(n, to);
    put_links(n, to);
    net_observe_rooms(n, now_ms);
    put_rooms(n, to);
    put_each_link(n, to, now_ms);
}
