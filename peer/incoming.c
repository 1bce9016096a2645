/* A room's incoming side: messages are put together, deltas queued for merging. */
#include "room_internal.h"

#include "log.h"
#include "seen.h"

#include <stdlib.h>
#include <string.h>

/* ---- putting together */

static size_t payload_max(sync_frame_type type)
{
    switch (type) {
    case SYNC_FRAME_CHANGES:
    case SYNC_FRAME_APPLY:
        return PEER_PART_BYTES_MAX;
    case SYNC_FRAME_SCHEMA:
    case SYNC_FRAME_CREATE_DB:
        return PEER_SCHEMA_BYTES_MAX;
    default:
        return PEER_SEEN_BYTES_MAX;
    }
}

static bool same_message(const sync_frame *a, const sync_frame *b)
{
    if (a->type == SYNC_FRAME_APPLY && b->type == SYNC_FRAME_APPLY) {
        return a->apply.stream == b->apply.stream && a->apply.part == b->apply.part &&
               a->apply.kind == b->apply.kind;
    }
    return a->type == b->type && (a->type != SYNC_FRAME_CHANGES ||
                                  (a->changes.stream == b->changes.stream &&
                                   a->changes.part == b->changes.part && a->changes.kind == b->changes.kind));
}

/* Adds a piece. True: the message is complete. */
static bool assemble(peer_room *r, peer_link *l, peer_assembly *to, const sync_frame *frame)
{
    if (to->fields.type != 0 && !same_message(&to->fields, frame)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR, "%s in the middle of %s",
                             sync_frame_name(frame->type), sync_frame_name(to->fields.type));
        return false;
    }
    if (to->payload.len + frame->payload_bytes > payload_max(frame->type)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR, "%s is too large",
                             sync_frame_name(frame->type));
        return false;
    }
    to->fields = *frame;
    sync_buf_put(&to->payload, frame->payload, frame->payload_bytes);
    if (to->payload.oom) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_ERROR, "out of memory for %s",
                             sync_frame_name(frame->type));
        return false;
    }
    return !frame->more;
}

/* Where the pieces of this message are put together; NULL: it never has any. */
static peer_assembly *assembly_of(peer_link *l, sync_frame_type type)
{
    switch (type) {
    case SYNC_FRAME_CHANGES:
        return &l->changes;
    case SYNC_FRAME_APPLY:
        return &l->applied;
    case SYNC_FRAME_START:
    case SYNC_FRAME_REJECT:
    case SYNC_FRAME_SCHEMA:
    case SYNC_FRAME_CREATE_DB:
        return &l->other;
    default:
        return NULL;
    }
}

/* ---- deltas */

/* Deltas come one after the other, their parts in order, and each ends with what the sender holds. */
static bool in_order(const peer_link *l, const sync_frame_changes *c)
{
    if (c->kind >= SYNC_CHANGES_HOLDS) {
        return c->stream == l->in_stream;
    }
    if (c->stream == l->in_stream) {
        return c->stream > 0 && c->part == l->in_parts && !l->in_ended;
    }
    return c->stream > l->in_stream && c->part == 0;
}

/* Notes that a complete Changes came. False: it is not wanted. */
static bool note_part(peer_room *r, peer_link *l, const sync_frame_changes *c)
{
    if (c->stream > 0 && c->stream <= l->refused && c->kind < SYNC_CHANGES_HOLDS) {
        l->void_word = c->kind != SYNC_CHANGES_PART;
        return false; /* the sender did not know yet when it sent this */
    }
    if (!in_order(l, c)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "part %llu of delta %llu out of order", (unsigned long long)c->part,
                             (unsigned long long)c->stream);
        return false;
    }
    if (c->kind >= SYNC_CHANGES_HOLDS) {
        return true;
    }
    if (c->stream != l->in_stream) {
        l->in_stream = c->stream;
        l->in_parts = 0;
        l->in_merged = 0;
    }
    l->in_parts++;
    l->in_ended = c->kind != SYNC_CHANGES_PART;
    l->in_delta = true;
    return true;
}

static uint64_t weight_of(const sync_frame *frame)
{
    return frame->payload_bytes + PEER_CHANGES_WEIGHT;
}

/* Takes the payload of a complete Changes or ApplyChangesOnPrimary: all in m, or in `whole`. */
static void queue_part(peer_room *r, peer_link *l, peer_message *m, sync_buf *whole)
{
    const sync_frame_changes *c = &m->frame.changes;
    const sync_frame_apply *a = &m->frame.apply;
    peer_part *p = peer_new(sizeof *p);
    p->link = l;
    p->applied = m->frame.type == SYNC_FRAME_APPLY;
    p->kind = (sync_changes_kind)(p->applied ? a->kind : c->kind);
    p->stream = p->applied ? a->stream : c->stream;
    p->part = p->applied ? a->part : c->part;
    p->left = p->applied ? a->left : c->left;
    p->weight = weight_of(&m->frame);
    p->rows = -1;
    p->early = l->out_delta;
    p->answers = l->out_stream;
    if (whole->data != NULL) {
        p->whole = *whole;
        *whole = (sync_buf){0};
        peer_message_free(m);
    } else {
        p->message = m;
    }
    if (!peer_forwarding_take(r, p)) {
        peer_part_queue(r, p);
    }
}

void peer_incoming_forget(peer_room *r, peer_link *l)
{
    r->parts_end = &r->parts;
    for (peer_part *p = r->parts, *next; p != NULL; p = next) {
        next = p->next;
        if (p->link == l) {
            peer_part_free(p);
        } else {
            *r->parts_end = p;
            r->parts_end = &p->next;
        }
    }
    *r->parts_end = NULL;
    peer_merging_drop_aside(l);
    sync_buf_free(&l->changes.payload);
    sync_buf_free(&l->applied.payload);
    sync_buf_free(&l->other.payload);
}

/* ---- messages */

/* Once: it takes work and may be large, and nobody needs it again. */
static void give_schema(peer_room *r, peer_link *l)
{
    if (!l->gives) {
        peer_outgoing_refuse(r, l);
    } else if (l->told_schema) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "it asked for the schema again");
    } else {
        l->told_schema = true;
        peer_schema_send(r, l);
    }
}

/* A complete message; `whole` holds its payload unless it is all in m. Takes both. */
static void complete(peer_room *r, peer_link *l, peer_message *m, sync_buf *whole)
{
    const sync_frame *frame = &m->frame;
    sync_buf one = {.data = (uint8_t *)frame->payload, .len = frame->payload_bytes};
    const sync_buf *payload = whole->data != NULL ? whole : &one;
    switch (frame->type) {
    case SYNC_FRAME_START:
        peer_outgoing_start(r, l, payload);
        break;
    case SYNC_FRAME_REJECT:
        peer_outgoing_reject(r, l, frame, payload);
        break;
    case SYNC_FRAME_ACK:
        peer_outgoing_ack(r, l, frame);
        break;
    case SYNC_FRAME_SCHEMA_REQUEST:
        give_schema(r, l);
        break;
    case SYNC_FRAME_SCHEMA:
        peer_schema_receive(r, l, payload);
        break;
    case SYNC_FRAME_SNAPSHOT_REQUEST:
        if (l->gives) {
            peer_offer_begin(r, l, &frame->snapshot_request);
        } else {
            peer_outgoing_refuse(r, l);
        }
        break;
    case SYNC_FRAME_SNAPSHOT:
        peer_taking_frame(r, l, frame);
        break;
    case SYNC_FRAME_CREATE_DB:
        peer_schema_found(r, l, payload);
        break;
    case SYNC_FRAME_APPLY:
        queue_part(r, l, m, whole);
        return;
    case SYNC_FRAME_CHANGES:
        if (note_part(r, l, &frame->changes)) {
            queue_part(r, l, m, whole);
            return;
        }
        l->in_weight += weight_of(frame);
        if (!l->closing) {
            peer_merging_ack(r, l);
        }
        break;
    default:
        break; /* answered by the session */
    }
    sync_buf_free(whole);
    peer_message_free(m);
}

/* What is for a primary, from who may not send it, or to a side that is none. */
static void refuse_follower(peer_room *r, peer_link *l, sync_frame_type type)
{
    if (!l->takes) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_FORBIDDEN, PEER_EXIT_REFUSED,
                             "%s: nothing may be written to this room over this link", sync_frame_name(type));
    } else {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_UNSUPPORTED, PEER_EXIT_ERROR,
                             "%s: this side is no primary for who sends it", sync_frame_name(type));
    }
}

/* May it not come at all? Then the link ends, before anything of it is kept. */
static bool refuse(peer_room *r, peer_link *l, sync_frame_type type)
{
    if (type == SYNC_FRAME_CHANGES && !l->takes) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_FORBIDDEN, PEER_EXIT_REFUSED,
                             "nothing may be written to this room over this link");
    } else if ((type == SYNC_FRAME_APPLY || type == SYNC_FRAME_CREATE_DB) && !l->follows) {
        refuse_follower(r, l, type);
    } else if (type == SYNC_FRAME_SCHEMA && (r->taking == NULL || !l->barren)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "a Schema that nobody asked for");
    }
    return l->closing;
}

void peer_incoming_frame(peer_room *r, peer_link *l, peer_message *m)
{
    const sync_frame *frame = &m->frame;
    bool early = frame->type == SYNC_FRAME_START || frame->type == SYNC_FRAME_SCHEMA ||
                 frame->type == SYNC_FRAME_SNAPSHOT;
    if (l->closing || (!r->open && !early) || /* there is no file yet */
        refuse(r, l, frame->type)) {
        peer_message_free(m);
        return;
    }
    if (frame->type == SYNC_FRAME_CHANGES || frame->type == SYNC_FRAME_APPLY) {
        r->received_bytes += (int64_t)frame->payload_bytes;
    }
    sync_buf whole = {0};
    peer_assembly *assembly = assembly_of(l, frame->type);
    if (assembly != NULL && (frame->more || assembly->fields.type != 0)) {
        if (!assemble(r, l, assembly, frame)) {
            if (!l->closing && (frame->type == SYNC_FRAME_CHANGES || frame->type == SYNC_FRAME_APPLY)) {
                l->in_weight += weight_of(frame);
                peer_merging_ack(r, l); /* room for the next piece */
            }
            peer_message_free(m);
            return;
        }
        whole = assembly->payload;
        *assembly = (peer_assembly){0};
    }
    complete(r, l, m, &whole);
}
