/* A room that follows a primary: what members send goes there first, part by part as it came, and is merged here when the primary has it.
** Members hear of it by the Ack of that merge, so that what is acknowledged to them is in both files.
**
**   member ── Changes ──▶ WAITS ── ApplyChangesOnPrimary ──▶ LEAVES, SENT ── Ack ──▶ merged here ── Ack ──▶ member
**                           ▲                                   │ RejectChanges
**                           └── the primary lacks something ────┤
**                               of this file: it gets it first  └── anything else: told to the member
*/
#include "room_internal.h"

#include "log.h"
#include "seen.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list */

static peer_part **find(peer_room *r, const peer_part *p)
{
    peer_part **at = &r->forward;
    while (*at != p) {
        at = &(*at)->next;
    }
    return at;
}

static void take_out(peer_room *r, peer_part **at)
{
    peer_part *p = *at;
    *at = p->next;
    if (r->forward_end == &p->next) {
        r->forward_end = at;
    }
    if (r->leaving == p) {
        r->leaving = NULL;
    }
    p->next = NULL;
}

/* It is not merged, and counts as consumed. */
static void drop(peer_room *r, peer_part **at)
{
    peer_part *p = *at;
    take_out(r, at);
    if (p->link != NULL) {
        p->link->in_weight += p->weight;
        p->link->ack_due = true;
    }
    peer_part_free(p);
}

/* NULL is fine. */
static void acknowledge(peer_room *r, peer_link *l)
{
    if (l != NULL && l->ack_due && !l->closing) {
        peer_merging_ack(r, l);
    }
}

/* Those of deltas that have been refused; what is being sent is sent to its end. */
static void drop_unwanted(peer_room *r)
{
    for (peer_part **at = &r->forward; *at != NULL;) {
        peer_part *p = *at;
        if (p->link != NULL && !peer_part_wanted(p) && p->forward != PEER_FORWARD_LEAVES) {
            drop(r, at);
        } else {
            at = &p->next;
        }
    }
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        acknowledge(r, l);
    }
}

/* ---- the primary is away */

static void refuse_away(peer_room *r, const peer_part *p)
{
    char *text = peer_format("the primary is away: %s", r->away);
    peer_refusing_delta(r, p, SYNC_REJECT_AWAY, text, NULL);
    free(text);
}

/* Nothing waits for who takes nothing. What has no rows only moves a cursor, and is merged here: who has nothing to say need not hear of it. */
static void refuse_all(peer_room *r)
{
    for (peer_part **at = &r->forward; *at != NULL;) {
        peer_part *p = *at;
        if (p->kind == SYNC_CHANGES_HOLLOW && p->link != NULL && peer_part_wanted(p)) {
            take_out(r, at);
            peer_part_queue(r, p);
            continue;
        }
        if (p->link != NULL && peer_part_wanted(p)) {
            refuse_away(r, p);
        }
        drop(r, at);
    }
    drop_unwanted(r);
}

void peer_forwarding_away(peer_room *r, const char *why)
{
    free(r->away);
    r->away = peer_strdup(why);
    refuse_all(r);
}

void peer_forwarding_up(peer_room *r, peer_link *l, bool takes)
{
    l->leads = takes;
    r->primary = l;
    if (!takes) {
        char *why = peer_format("%s: it takes nothing from here: it may only be read with this token, or "
                                "has a primary itself, which should be the one",
                                l->name);
        peer_notice("%s", why);
        peer_forwarding_away(r, why);
        free(why);
    }
}

/* Nothing that was sent to it is answered any more; the network says next that it is away. */
static void lose_primary(peer_room *r)
{
    r->primary = NULL;
    r->told_fresh = false;
    for (peer_part **at = &r->forward; *at != NULL;) {
        (*at)->forward = PEER_FORWARD_WAITS;
        if ((*at)->link == NULL) {
            drop(r, at);
        } else {
            at = &(*at)->next;
        }
    }
    r->leaving = NULL;
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        l->held = false;
        l->forward_stream = l->forward_number = 0;
    }
}

void peer_forwarding_down(peer_room *r, peer_link *l)
{
    if (l == r->primary) {
        lose_primary(r);
    }
    for (peer_part **at = &r->forward; *at != NULL;) {
        peer_part *p = *at;
        if (p->link != l) {
            at = &p->next;
        } else if (p->forward == PEER_FORWARD_LEAVES) {
            p->link = NULL;
        } else {
            p->link = NULL;
            drop(r, at);
        }
    }
}

void peer_forwarding_end(peer_room *r)
{
    while (r->forward != NULL) {
        drop(r, &r->forward);
    }
    free(r->away);
    sync_buf_free(&r->told);
}

/* ---- the primary is there */

const sync_buf *peer_forwarding_seen(peer_room *r, const peer_link *l)
{
    const peer_link *to = r->primary;
    if (to == NULL || l == to || !to->leads || to->theirs.len == 0 || r->seen.len == 0 || r->owes) {
        return &r->seen;
    }
    if (!r->told_fresh) {
        r->told_fresh = peer_seen_meet(&r->seen, &to->theirs, true, &r->told) == SYNC_OK;
    }
    return r->told_fresh ? &r->told : &r->seen;
}

void peer_forwarding_met(peer_room *r)
{
    if (r->primary->theirs.len == 0) {
        if (!peer_schema_ask(r, r->primary)) { /* else it says next that they are there, or why not */
            char *why = peer_format("%s: no table of the room is tracked there", r->primary->name);
            peer_forwarding_away(r, why);
            free(why);
        }
        return;
    }
    if (r->away != NULL) {
        peer_notice("%s takes changes again", r->primary->name);
        free(r->away);
        r->away = NULL;
    }
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        if (l != r->primary && l->told_seen) {
            peer_room_ask(r, l);
        }
    }
}

/* ---- parts */

bool peer_forwarding_take(peer_room *r, peer_part *p)
{
    if (!r->forwards || p->link == r->primary || p->kind >= SYNC_CHANGES_HOLDS ||
        (r->away != NULL && p->kind == SYNC_CHANGES_HOLLOW)) {
        return false;
    }
    *r->forward_end = p;
    r->forward_end = &p->next;
    if (r->away != NULL) {
        refuse_all(r);
    }
    return true;
}

/* Has the primary what it lacked when it refused? */
static bool is_held(peer_room *r, peer_link *l)
{
    const peer_link *to = r->primary;
    uint64_t merged = to->out_delta ? to->out_stream - 1 : to->out_stream;
    l->held = l->held && merged < l->held_until && (to->dirty || to->out_delta);
    return l->held;
}

static void choose_next(peer_room *r)
{
    peer_part *p = r->forward;
    while (p != NULL && (p->forward != PEER_FORWARD_WAITS || !peer_part_wanted(p) || is_held(r, p->link))) {
        p = p->next;
    }
    if (p == NULL) {
        return;
    }
    peer_link *l = p->link;
    if (l->forward_stream != p->stream) {
        l->forward_stream = p->stream;
        l->forward_number = ++r->primary->out_number;
    }
    p->number = l->forward_number;
    p->forward = PEER_FORWARD_LEAVES;
    r->leaving = p;
    r->leaving_at = 0;
}

/* It has left: its answer is waited for, unless it has been overtaken by one. */
static void left(peer_room *r)
{
    peer_part *p = r->leaving;
    peer_link *l = p->link;
    r->leaving = NULL;
    if (l == NULL || !peer_part_wanted(p)) {
        drop(r, find(r, p));
        acknowledge(r, l);
    } else {
        p->forward = p->number == l->forward_number ? PEER_FORWARD_SENT : PEER_FORWARD_WAITS;
    }
}

bool peer_forwarding_pump(peer_room *r)
{
    peer_link *to = r->primary;
    if (to == NULL || to->closing || !to->asked || to->theirs.len == 0 || r->away != NULL) {
        return false;
    }
    if (r->leaving == NULL) {
        choose_next(r);
    }
    peer_part *p = r->leaving;
    if (p == NULL) {
        return false;
    }
    size_t bytes;
    const uint8_t *data = peer_part_data(p, &bytes);
    size_t rest = bytes - r->leaving_at;
    size_t piece = rest < SYNC_FRAME_PAYLOAD_MAX ? rest : SYNC_FRAME_PAYLOAD_MAX;
    if (!peer_outgoing_room(to, piece)) {
        return false;
    }
    sync_frame frame = {.type = SYNC_FRAME_APPLY,
                        .more = piece < rest,
                        .payload = data + r->leaving_at,
                        .payload_bytes = piece};
    frame.apply.stream = p->number;
    frame.apply.part = p->part;
    frame.apply.kind = p->kind;
    frame.apply.left = p->left;
    peer_room_send(r, to, &frame);
    r->leaving_at += piece;
    if (r->leaving_at == bytes) {
        left(r);
    }
    return true;
}

/* ---- answers */

void peer_forwarding_acked(peer_room *r, const sync_frame_ack *ack)
{
    peer_part **at = &r->forward;
    while (*at != NULL && ((*at)->forward != PEER_FORWARD_SENT || (*at)->number != ack->stream ||
                           (*at)->part + 1 != ack->parts)) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return; /* its member is gone, or the Ack tells of a window alone */
    }
    peer_part *p = *at;
    take_out(r, at);
    peer_metrics_count(r->metrics, PEER_FORWARDED, 1);
    /* word of what the primary holds now follows: it would get back what it has */
    r->primary->in_delta = r->primary->in_delta || (p->kind != SYNC_CHANGES_PART && r->primary->takes);
    peer_part_queue(r, p);
}

/* What the primary refuses was cut for who holds more than it does. If this file has something for it, it gets that first, and then the same again. Else it is cut anew, for who holds
** what both have: the primary may know less of a file than this one, and need nothing of it. */
static void presume_less(peer_room *r, const peer_part *refused, const char *text, const sync_buf *theirs)
{
    peer_link *l = refused->link, *to = r->primary;
    sync_buf both = {0};
    bool wait = !refused->again && (to->dirty || to->out_delta);
    for (peer_part *p = r->forward; p != NULL; p = p->next) {
        if (p->link == l && p->number == refused->number) {
            p->again = true;
            p->forward = p->forward == PEER_FORWARD_SENT ? PEER_FORWARD_WAITS : p->forward;
        }
    }
    l->forward_stream = l->forward_number = 0;
    peer_outgoing_learn(r, to, theirs);
    if (wait) {
        l->held = true;
        l->held_until = to->out_stream + 1;
    } else if (peer_room_seen(r) && peer_seen_meet(&r->seen, theirs, false, &both) == SYNC_OK) {
        peer_refusing_delta(r, refused, SYNC_REJECT_BEHIND, text, &both);
    } else {
        peer_refusing_delta(r, refused, SYNC_REJECT_BEHIND, text, NULL);
    }
    sync_buf_free(&both);
}

bool peer_forwarding_rejected(peer_room *r, const sync_frame *frame, const sync_buf *theirs)
{
    const sync_frame_reject *reject = &frame->reject;
    if (r->primary->out_delta && reject->stream == r->primary->out_stream) {
        return false;
    }
    char *text = peer_format("the primary refuses it: %.*s", (int)reject->text.bytes, reject->text.at);
    const peer_part *p = r->forward;
    while (p != NULL &&
           (p->number != reject->stream || p->link == NULL || p->link->forward_number != reject->stream)) {
        p = p->next;
    }
    if (p == NULL || !peer_part_wanted(p)) {
        ; /* its member is gone, or knows already */
    } else if (reject->reason == SYNC_REJECT_BEHIND) {
        presume_less(r, p, text, theirs);
    } else if (reject->reason < SYNC_REJECT_ERROR) {
        peer_refusing_delta(r, p, (sync_reject_reason)reject->reason, text, NULL);
    } else {
        peer_room_close_link(r, p->link, (int)(reject->reason - SYNC_REJECT_ERROR), PEER_EXIT_ERROR, "%s",
                             text);
    }
    free(text);
    drop_unwanted(r);
    return true;
}
