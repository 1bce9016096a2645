/* A room's outgoing side: deltas are cut for each link and sent in parts, as far as the other side keeps up. */
#include "room_internal.h"

#include "codec.h"
#include "log.h"
#include "seen.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

void peer_outgoing_end(peer_link *l)
{
    sync_stream_close(l->stream);
    l->stream = NULL;
    l->part = NULL;
    if (l->reader != NULL) {
        peer_database_return(l->reader);
        l->reader = NULL;
    }
}

/* Forgets the delta that is out; the next cut starts from l->theirs. */
static void begin_anew(peer_link *l)
{
    peer_outgoing_end(l);
    if (l->ruling != NULL) {
        sync_selection_reset(l->ruling->selection);
    }
    l->out_delta = false;
    l->dirty = true;
    l->told = false;
    l->caught_up = false;
}

void peer_outgoing_dirty(peer_room *r)
{
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        l->dirty = true;
    }
}

/* Is it a sync_seen()? An empty one is: a file that tracks nothing. */
static bool is_seen(const sync_buf *blob)
{
    sync_head head = {0};
    sync_error error = {0};
    bool good = blob->len == 0 || sync_seen_get(blob->data, blob->len, &head, &error) == SYNC_OK;
    sync_head_free(&head);
    return good;
}

/* What the other side holds is known anew. */
static void heard(peer_room *r, peer_link *l)
{
    l->unheard = true;
    r->told_fresh = r->told_fresh && !l->leads;
}

/* Takes a sync_seen() that the other side sent. */
static bool take_seen(peer_room *r, peer_link *l, const sync_buf *theirs)
{
    if (!is_seen(theirs)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "what it says it holds cannot be read");
        return false;
    }
    const bool kept = l->tables != NULL ? peer_seen_only(theirs, l->tables, &l->theirs) == SYNC_OK
                                        : peer_buf_set(&l->theirs, theirs->data, theirs->len);
    if (!kept) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_ERROR, "out of memory");
        return false;
    }
    heard(r, l);
    return true;
}

/* Tables that have the same name on both sides and another key or identity are not exchanged, which must be said. */
static void name_misfits(peer_room *r, peer_link *l)
{
    char *name, *why;
    l->misfits = 0;
    if (!r->open || !peer_room_seen(r)) {
        return;
    }
    while ((name = peer_seen_misfit(&r->seen, &l->theirs, l->misfits, &why)) != NULL) {
        peer_notice("table %s is not exchanged with %s: %s", name, l->name, why);
        l->misfits++;
        free(name);
        free(why);
    }
}

/* Tables that only one side tracks, in one line; not again as long as it would say the same. */
static void name_strangers(peer_room *r, const peer_link *l)
{
    uint32_t common;
    if (!r->open || l->tables != NULL || !peer_room_seen(r)) {
        return;
    }
    char *here = peer_seen_alone(&r->seen, &l->theirs, &common);
    char *there = peer_seen_alone(&l->theirs, &r->seen, &common);
    if (here != NULL || there != NULL) {
        char *line = peer_format("%s%s%s%s%s", here != NULL ? "tracked only here: " : "",
                                 here != NULL ? here : "", here != NULL && there != NULL ? "; " : "",
                                 there != NULL ? "tracked only there: " : "", there != NULL ? there : "");
        if (r->strangers == NULL || strcmp(r->strangers, line) != 0) {
            peer_notice("not exchanged with %s: %s", l->name, line);
        }
        free(r->strangers);
        r->strangers = line;
    }
    free(here);
    free(there);
}

/* Are these the holdings of this very file? What was announced may be older than its id. */
static bool is_own(peer_room *r, const sync_buf *theirs)
{
    uint8_t own[SYNC_SITE_BYTES], site[SYNC_SITE_BYTES];
    return r->open && peer_room_seen(r) && peer_seen_site(&r->seen, own) && peer_seen_site(theirs, site) &&
           memcmp(own, site, sizeof own) == 0;
}

void peer_outgoing_refuse(peer_room *r, peer_link *l)
{
    peer_room_close_link(r, l, SYNC_PEER_ERROR_FORBIDDEN, PEER_EXIT_REFUSED,
                         "nothing may be read from this room over this link");
}

void peer_outgoing_start(peer_room *r, peer_link *l, const sync_buf *theirs)
{
    if (is_own(r, theirs)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_SAME, PEER_EXIT_REFUSED, PEER_SAME_FILE);
        return;
    }
    if (!l->gives) {
        peer_outgoing_refuse(r, l);
        return;
    }
    if (take_seen(r, l, theirs)) {
        name_misfits(r, l);
        name_strangers(r, l);
        if (l->put_off) {
            peer_notice("%s takes changes again", l->name);
        }
        l->asked = true;
        l->put_off = false;
        begin_anew(l);
        if (l->leads && r->open) {
            peer_forwarding_met(r);
        }
    }
}

void peer_outgoing_learn(peer_room *r, peer_link *l, const sync_buf *theirs)
{
    sync_buf joined = {0};
    if (!l->gives && l->theirs.len == 0) { /* it does not ask: this is how it says what it holds */
        (void)take_seen(r, l, theirs);
        return;
    }
    if (theirs->len == 0 || l->theirs.len == 0) {
        return;
    }
    sync_buf some = {0}; /* tables that do not concern the link are those that `newer` does not name */
    int rc = l->tables != NULL ? peer_seen_only(theirs, l->tables, &some) : SYNC_OK;
    const sync_buf *newer = l->tables != NULL ? &some : theirs;
    rc = rc == SYNC_OK && newer->len > 0 ? peer_seen_join(newer, &l->theirs, &joined) : rc;
    if (rc == SYNC_OK && newer->len == 0) {
        sync_buf_free(&some);
        return;
    }
    if (rc != SYNC_OK) {
        sync_buf_free(&some);
        sync_buf_free(&joined);
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "what it says it holds cannot be read");
        return;
    }
    sync_buf_free(&l->theirs);
    l->theirs = joined;
    heard(r, l);
    joined = (sync_buf){0};
    if (l->implied.len > 0 && peer_seen_join(newer, &l->implied, &joined) == SYNC_OK) {
        sync_buf_free(&l->implied);
        l->implied = joined;
    } else {
        sync_buf_free(&joined);
    }
    sync_buf_free(&some);
}

/* The other side follows a primary, which takes nothing just now. It says so once, and then when that is over, by StartStreaming. */
static void wait_for_primary(peer_room *r, peer_link *l, const sync_frame_text *why)
{
    peer_metrics_count(r->metrics, PEER_GOT_REFUSED_AWAY, 1);
    if (r->options->once) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_STOPPING, PEER_EXIT_NETWORK,
                             "it takes no changes just now: %.*s", (int)why->bytes, why->at);
        return;
    }
    l->asked = false;
    l->put_off = true;
    char *text = peer_format("%.*s", (int)why->bytes, why->at);
    peer_notice("%s takes no changes just now; they are kept here, and sent when it does: %s", l->name, text);
    peer_event("refused", (peer_field[]){PEER_TEXT("link", l->name), PEER_TEXT("reason", text), PEER_END});
    free(text);
}

void peer_outgoing_reject(peer_room *r, peer_link *l, const sync_frame *frame, const sync_buf *theirs)
{
    if (frame->reject.reason == SYNC_REJECT_RULED) {
        peer_refusals_take(l, frame->reject.stream, frame->reject.text.at, frame->reject.text.bytes, theirs);
        return;
    }
    if (frame->reject.reason == SYNC_REJECT_KNOWN) {
        peer_refusals_known(r, l, frame->reject.stream);
        return;
    }
    if (l->leads && peer_forwarding_rejected(r, frame, theirs)) {
        return;
    }
    if (frame->reject.reason > SYNC_REJECT_ERROR && !l->leads) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "it refuses what was not forwarded to it");
        return;
    }
    if (frame->reject.stream != l->out_stream || !l->out_delta || !take_seen(r, l, theirs)) {
        return;
    }
    begin_anew(l);
    if (frame->reject.reason == SYNC_REJECT_AWAY) {
        wait_for_primary(r, l, &frame->reject.text);
        return;
    }
    const bool early = frame->reject.reason == SYNC_REJECT_EARLY;
    peer_metrics_count(r->metrics, early ? PEER_GOT_REFUSED_EARLY : PEER_GOT_REFUSED_BEHIND, 1);
    if (early) {
        l->retry_ms = peer_now_ms() + PEER_EARLY_RETRY_MS;
        if (r->options->once) {
            peer_room_close_link(r, l, SYNC_PEER_ERROR_STOPPING, PEER_EXIT_ERROR,
                                 "it refuses changes from the future; set this machine's clock: %.*s",
                                 (int)frame->reject.text.bytes, frame->reject.text.at);
            return;
        }
        peer_notice("%s refuses changes for now, they are ahead of its clock: %.*s", l->name,
                    (int)frame->reject.text.bytes, frame->reject.text.at);
    } else if (++l->rejects > PEER_REJECTS_MAX) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_ERROR,
                             "changes were refused %d times in a row: %.*s", l->rejects,
                             (int)frame->reject.text.bytes, frame->reject.text.at);
    }
}

void peer_outgoing_ack(peer_room *r, peer_link *l, const sync_frame *frame)
{
    const sync_frame_ack *ack = &frame->ack;
    bool current = l->out_delta && ack->stream == l->out_stream;
    if (ack->bytes > l->out_weight || ack->bytes < l->out_weight_acked || ack->stream > l->out_number ||
        (current && ack->parts > l->out_parts)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "an Ack for what was never sent");
        return;
    }
    l->out_weight_acked = ack->bytes;
    l->heard_ms = peer_now_ms();
    l->out_acked = current ? ack->parts : l->out_acked;
    if (current && ack->parts == l->out_parts && l->stream == NULL) {
        sync_buf swap = l->theirs;
        l->theirs = l->implied;
        l->implied = swap;
        heard(r, l);
        sync_buf_reset(&l->implied);
        l->out_delta = false;
        l->out_began_ms = 0;
        l->rejects = 0;
    }
    if (l->leads && !current) {
        peer_forwarding_acked(r, ack);
    }
}

/* ---- cutting and sending */

/* An error of a stream. Busy: again later. Damage of the file or anything else: the room ends. */
static void stream_failed(peer_room *r, peer_link *l, const char *what, int rc, char *error)
{
    if ((rc & 0xff) == SQLITE_BUSY && rc < SYNC_EXT_BEHIND) {
        begin_anew(l);
        l->retry_ms = peer_now_ms() + PEER_BUSY_RETRY_MS;
    } else if (l->ruling != NULL && (rc == SQLITE_ERROR || rc == SQLITE_TOOBIG)) { /* others may be served */
        peer_notice("%s: what %s may see of room %s cannot be told: %s", r->database.path, l->name,
                    r->options->room, error != NULL ? error : sqlite3_errstr(rc));
        peer_outgoing_end(l);
        peer_room_close_link(
            r, l, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_ERROR,
            "the rules of room %s cannot be applied; the log of the peer that serves it says why",
            r->options->room);
    } else if ((rc & 0xff) == SQLITE_IOERR && rc < SYNC_EXT_BEHIND && l->reader != NULL) {
        peer_connection_fail(&r->database, l->reader->db, &r->failure, what, rc);
        peer_outgoing_end(l);
    } else {
        peer_fail(&r->failure, peer_exit_of(rc), "%s: %s: %s", r->database.path, what,
                  error != NULL ? error : sqlite3_errstr(rc));
        peer_outgoing_end(l);
    }
    sqlite3_free(error);
}

/* What the other side will hold once it has merged the delta whose last part is at hand. */
static int imply(peer_link *l)
{
    void *seen = NULL;
    size_t bytes = 0;
    int rc = sync_stream_seen(l->stream, &seen, &bytes);
    if (rc == SQLITE_OK && !peer_buf_set(&l->implied, seen, bytes)) {
        rc = SQLITE_NOMEM;
    }
    sqlite3_free(seen);
    return rc;
}

/* Fetches the next part of the open stream. False: there is none (l->stream is closed then) or it failed. */
static bool next_part(peer_room *r, peer_link *l)
{
    const void *part = NULL;
    char *error = NULL;
    int rc = sync_stream_next(l->stream, &part, &l->part_bytes, &l->part_last, &error);
    if (rc == SQLITE_DONE) {
        peer_outgoing_end(l);
        return false;
    }
    rc = rc == SQLITE_ROW && l->part_last ? imply(l) : rc;
    if (rc != SQLITE_ROW && rc != SQLITE_OK) {
        stream_failed(r, l, "changes cannot be read", rc, error);
        return false;
    }
    l->out_left = 0;
    rc = l->part_last ? SQLITE_OK : sync_stream_left(l->stream, &l->out_left, &error);
    if (rc != SQLITE_OK) {
        stream_failed(r, l, "changes cannot be counted", rc, error);
        return false;
    }
    l->part = part;
    l->part_at = 0;
    return true;
}

static void begin_delta(peer_link *l, int64_t now_ms)
{
    l->dirty = false;
    l->told = false;
    l->caught_up = false;
    l->out_delta = true;
    l->out_stream = ++l->out_number;
    l->out_parts = 0;
    l->out_acked = 0;
    l->out_rows = 0;
    l->out_began_ms = l->out_began_ms != 0 ? l->out_began_ms : now_ms;
    l->out_most = l->out_left;
    l->heard_ms = now_ms;
}

/* Opens a stream for the link, up to its first part. False: there is nothing to send, or not now. */
static bool cut(peer_room *r, peer_link *l, int64_t now_ms)
{
    /* What was tracked a moment ago is good enough to begin with; what is held is asked for behind the delta. */
    if (l->theirs.len == 0 || (r->seen.len == 0 && (!peer_room_seen(r) || r->seen.len == 0))) {
        l->dirty = false; /* one of the two tracks nothing */
        return false;
    }
    if (!peer_database_same(&r->database, &r->failure)) {
        return false;
    }
    l->reader = peer_database_reader(&r->database, &r->failure);
    if (l->reader == NULL) {
        return false;
    }
    char *error = NULL;
    if (l->ruling != NULL && l->ruling->anew) {
        sync_selection_reset(l->ruling->selection);
        l->ruling->anew = false;
    }
    l->dirty = false; /* before the snapshot is taken: what comes later counts again */
    r->seen_fresh =
        false; /* the snapshot may hold what nobody has noticed yet; `tell` must cover it, or it comes back */
    int rc = l->ruling != NULL
                 ? sync_stream_select(l->reader->db, &l->ruling->rules, l->ruling->selection, l->theirs.data,
                                      l->theirs.len, PEER_PART_BYTES, PEER_PART_ROWS, &l->stream, &error)
                 : sync_stream_open(l->reader->db, l->theirs.data, l->theirs.len, PEER_PART_BYTES,
                                    PEER_PART_ROWS, &l->stream, &error);
    if (rc != SQLITE_OK && peer_room_seen(r) && r->seen.len == 0) { /* nothing is tracked any more */
        sqlite3_free(error);
        peer_outgoing_end(l);
        return false;
    }
    if (rc != SQLITE_OK) {
        stream_failed(r, l, "changes cannot be read", rc, error);
        return false;
    }
    if (!next_part(r, l)) {
        return false;
    }
    begin_delta(l, now_ms);
    return true;
}

/* After a delta, and when there was nothing to send: what we hold, and whether that was all. */
static void tell(peer_room *r, peer_link *l)
{
    if (!peer_room_seen(r)) {
        return;
    }
    const sync_buf *seen = peer_room_told(r, l);
    sync_frame frame = {.type = SYNC_FRAME_CHANGES, .payload = seen->data, .payload_bytes = seen->len};
    frame.changes.stream = l->out_stream;
    frame.changes.part = l->out_parts;
    frame.changes.kind = l->dirty ? SYNC_CHANGES_HOLDS : SYNC_CHANGES_CAUGHT_UP;
    peer_room_send(r, l, &frame);
    l->told = !l->dirty;
}

/* Of the part at hand. */
static sync_changes_kind kind_of(const peer_link *l)
{
    return !l->part_last                      ? SYNC_CHANGES_PART
           : sync_stream_rows(l->stream) == 0 ? SYNC_CHANGES_HOLLOW
                                              : SYNC_CHANGES_LAST;
}

bool peer_outgoing_room(const peer_link *l, size_t bytes)
{
    uint64_t in_flight = l->out_weight - l->out_weight_acked;
    return in_flight == 0 || in_flight + bytes + PEER_CHANGES_WEIGHT <= PEER_WINDOW_BYTES;
}

/* Sends the next piece of the current part, if the window has room. */
static bool send_piece(peer_room *r, peer_link *l)
{
    size_t left = l->part_bytes - l->part_at;
    size_t piece = left < SYNC_FRAME_PAYLOAD_MAX ? left : SYNC_FRAME_PAYLOAD_MAX;
    if (!peer_outgoing_room(l, piece)) {
        return false;
    }
    sync_frame frame = {.type = SYNC_FRAME_CHANGES,
                        .more = piece < left,
                        .payload = l->part + l->part_at,
                        .payload_bytes = piece};
    frame.changes.stream = l->out_stream;
    frame.changes.part = l->out_parts;
    frame.changes.kind = kind_of(l);
    frame.changes.left = l->out_left;
    peer_room_send(r, l, &frame);
    r->sent_bytes += (int64_t)piece;
    l->part_at += piece;
    if (l->part_at == l->part_bytes) {
        l->part = NULL;
        l->out_parts++;
        peer_counting_rows_sent(r, l);
        peer_counting_progress(r, false);
        if (l->part_last) {
            peer_outgoing_end(l);
            tell(r, l);
        }
    }
    return true;
}

static bool may_cut(const peer_link *l, int64_t now_ms)
{
    return l->dirty && l->asked && !l->closing && !l->done && !l->out_delta && !l->in_delta &&
           now_ms >= l->retry_ms;
}

/* A delta that is one message serves every link that is known to hold the same: it is cut and compressed once. */
static void share_part(peer_room *r, peer_link *from, int64_t now_ms)
{
    if (from->ruling != NULL || !from->part_last || from->part_bytes > SYNC_FRAME_PAYLOAD_MAX ||
        from->next == NULL || !peer_room_seen(r)) {
        return;
    }
    peer_twins *twins = peer_twins_open(&from->theirs, &from->implied, &r->seen);
    for (peer_link *l = twins != NULL ? from->next : NULL; l != NULL; l = l->next) {
        if (l->ruling != NULL || !may_cut(l, now_ms) || !peer_twins_suit(twins, &l->theirs, &l->implied)) {
            continue;
        }
        begin_delta(l, now_ms);
        sync_frame frame = {
            .type = SYNC_FRAME_CHANGES, .payload = from->part, .payload_bytes = from->part_bytes};
        frame.changes.stream = l->out_stream;
        frame.changes.kind = kind_of(from);
        l->out_parts = 1;
        peer_metrics_count(r->metrics, PEER_ROWS_SENT, sync_stream_rows(from->stream));
        peer_room_send(r, l, &frame);
        tell(r, l);
    }
    peer_twins_close(twins);
}

/* The other side has not answered for long: the snapshot is let go, and cut again once it does. */
static void check_stall(peer_link *l, int64_t now_ms)
{
    if (l->stream != NULL && now_ms - l->heard_ms > PEER_STALL_MS) {
        peer_notice("%s has not merged anything for %d s; what it lacks is sent again when it does", l->name,
                    PEER_STALL_MS / 1000);
        begin_anew(l);
        l->retry_ms = now_ms + PEER_STALL_MS;
    }
}

/* One step for one link. True: another may follow at once. */
static bool pump_link(peer_room *r, peer_link *l, int64_t now_ms)
{
    peer_refusals_tell(r, l);
    if (may_cut(l, now_ms) && cut(r, l, now_ms)) {
        share_part(r, l, now_ms);
    }
    check_stall(l, now_ms);
    if (l->stream != NULL && (l->part != NULL || next_part(r, l)) && send_piece(r, l)) {
        return r->failure.code == PEER_EXIT_OK;
    }
    if (l->leads && l->asked && !l->dirty && !l->out_delta) {
        r->owes = false;
    }
    if (r->failure.code == PEER_EXIT_OK && l->asked && !l->closing && !l->dirty && l->stream == NULL &&
        !l->told) {
        tell(r, l);
    }
    peer_finishing_check(r, l);
    return false;
}

bool peer_outgoing_pump(peer_room *r, int64_t now_ms)
{
    bool more = false;
    for (peer_link *l = r->links; l != NULL && r->failure.code == PEER_EXIT_OK; l = l->next) {
        if (!l->closing) {
            more = pump_link(r, l, now_ms) || more;
        }
        peer_counting_lag(l);
    }
    return more;
}
