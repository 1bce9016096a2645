/* What becomes of a part that is not merged, and what its sender is told. */
#include "room_internal.h"

#include "log.h"

static void send_refusal(peer_room *r, const peer_part *p, uint64_t reason, const char *text,
                         const sync_buf *seen)
{
    peer_link *l = p->link;
    sync_frame frame = {.type = SYNC_FRAME_REJECT, .payload = seen->data, .payload_bytes = seen->len};
    frame.reject.stream = p->stream;
    frame.reject.reason = reason;
    frame.reject.text = sync_frame_text_of(text);
    frame.reject.text.bytes =
        frame.reject.text.bytes < SYNC_FRAME_TEXT_MAX ? frame.reject.text.bytes : SYNC_FRAME_TEXT_MAX;
    peer_room_send(r, l, &frame);
    l->ack_due = true;
}

void peer_refusing_delta(peer_room *r, const peer_part *p, sync_reject_reason reason, const char *text,
                         const sync_buf *seen)
{
    static const peer_counter counters[SYNC_REJECT_REASONS] = {[SYNC_REJECT_BEHIND] = PEER_REFUSED_BEHIND,
                                                               [SYNC_REJECT_EARLY] = PEER_REFUSED_EARLY,
                                                               [SYNC_REJECT_AWAY] = PEER_REFUSED_AWAY};
    if (!peer_room_seen(r)) {
        return;
    }
    if (!p->applied) { /* a follower sends the next part when it knows of this one */
        p->link->refused = p->stream;
        p->link->in_delta = false;
        p->link->caught_up = false;
    }
    peer_metrics_count(r->metrics, counters[reason], 1);
    send_refusal(r, p, reason, text, seen != NULL ? seen : peer_room_told(r, p->link));
}

void peer_refusing_part(peer_room *r, const peer_part *p, sync_peer_error code, int exit, const char *text)
{
    if (!p->applied) {
        peer_room_close_link(r, p->link, (int)code, exit, "%s", text);
    } else if (peer_room_seen(r)) {
        peer_notice("%s forwarded what cannot be merged: %s", p->link->name, text);
        send_refusal(r, p, (uint64_t)SYNC_REJECT_ERROR + code, text, &r->seen);
    }
}

void peer_refusing_failed(peer_room *r, const peer_part *p)
{
    peer_link *l = p->link;
    const char *text = p->error != NULL ? p->error : sqlite3_errstr(p->result);
    int file_rc = sqlite3_errcode(r->database.db) & 0xff;
    switch (p->result) {
    case SYNC_EXT_BEHIND:
        peer_refusing_delta(r, p, SYNC_REJECT_BEHIND, text, NULL);
        return;
    case SYNC_EXT_EARLY:
        if (r->options->once) {
            peer_room_close_link(
                r, l, SYNC_PEER_ERROR_STOPPING, PEER_EXIT_ERROR,
                "it sends changes from the future; set its machine's clock, or this one's: %s", text);
            return;
        }
        peer_notice("changes of %s are ahead of this machine's clock and wait: %s", l->name, text);
        peer_refusing_delta(r, p, SYNC_REJECT_EARLY, text, NULL);
        return;
    case SYNC_EXT_FORMAT:
        peer_refusing_part(r, p, SYNC_PEER_ERROR_VERSION, PEER_EXIT_VERSION, text);
        return;
    case SYNC_EXT_SCHEMA:
        peer_refusing_part(r, p, SYNC_PEER_ERROR_SCHEMA, PEER_EXIT_SCHEMA, text);
        return;
    default:
        break;
    }
    switch (p->result & 0xff) {
    case SQLITE_CORRUPT:
        if (file_rc != SQLITE_CORRUPT) {
            peer_refusing_part(r, p, SYNC_PEER_ERROR_CHANGES, PEER_EXIT_ERROR, text);
            return;
        }
        break;
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM:
    case SQLITE_ERROR:
    case SQLITE_AUTH: /* a trigger of the file may not do what it does */
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
        peer_refusing_part(r, p, SYNC_PEER_ERROR_CHANGES, PEER_EXIT_ERROR, text);
        return;
    default:
        break;
    }
    peer_database_fail(&r->database, &r->failure, text, p->result);
}
