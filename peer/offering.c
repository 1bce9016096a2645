/* A room's outgoing side for those who have no file yet: one copy of the file, sent in chunks to all that ask for it. */
#include "room_internal.h"

#include "copying.h"
#include "log.h"

#include <zstd.h>

#include <stdlib.h>
#include <string.h>

struct peer_offer {
    peer_copy *copy;
    int64_t begun_ms; /* when its making was */
    int64_t read_ms;  /* when somebody wanted something of it last */
    ZSTD_CCtx *zstd;
    uint8_t chunk[PEER_SNAPSHOT_CHUNK_BYTES], packed[PEER_SNAPSHOT_CHUNK_BYTES];
};

static bool is_wanted(const peer_link *l, const peer_copy *copy)
{
    return memcmp(l->offer_id, peer_copy_id(copy), sizeof l->offer_id) == 0;
}

static bool is_made(const peer_offer *o)
{
    peer_copy_state state = o != NULL ? peer_copy_look(o->copy) : PEER_COPY_MAKING;
    return state == PEER_COPY_READY || state == PEER_COPY_SEALED;
}

static bool is_read(const peer_room *r)
{
    const peer_link *l = r->links;
    while (l != NULL && (!l->offered || l->closing)) {
        l = l->next;
    }
    return l != NULL;
}

/* Lets go of a copy that somebody who begins should not be given any more; who reads it is sent all of it. */
static void drop_stale(peer_room *r, const peer_link *l, int64_t now_ms)
{
    const peer_offer *o = r->offer;
    if (is_made(o) && !is_wanted(l, o->copy) && now_ms - o->begun_ms >= PEER_SNAPSHOT_FRESH_MS &&
        !is_read(r)) {
        peer_offer_end(r);
    }
}

static void give_none(peer_room *r, peer_link *l)
{
    l->offered = false;
    peer_room_send(r, l, &(sync_frame){.type = SYNC_FRAME_SNAPSHOT});
}

/* Begins to make a copy. False: that is not possible now. */
static bool open_offer(peer_room *r, int64_t now_ms)
{
    peer_copy *copy = peer_copy_begin(r->database.path, r->options->folder, r->event_fd);
    if (copy == NULL) {
        return false;
    }
    r->offer = peer_new(sizeof *r->offer);
    r->offer->copy = copy;
    r->offer->begun_ms = now_ms;
    r->offer->zstd = ZSTD_createCCtx();
    if (r->offer->zstd == NULL) {
        peer_out_of_memory();
    }
    return true;
}

void peer_offer_begin(peer_room *r, peer_link *l, const sync_frame_snapshot_request *request)
{
    const int64_t now_ms = peer_now_ms();
    if (l->told_snapshot) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "it asked for a snapshot again");
        return;
    }
    l->told_snapshot = true;
    memcpy(l->offer_id, request->id.id, sizeof l->offer_id);
    l->offer_at = request->offset;
    if (l->ruling != NULL) { /* it has all rows; theirs come by selections */
        give_none(r, l);
        return;
    }
    drop_stale(r, l, now_ms);
    if (r->offer == NULL && !open_offer(r, now_ms)) {
        give_none(r, l);
        return;
    }
    l->offered = true;
    r->offer->read_ms = now_ms;
}

/* The copy is there: goes on where the other side is, if that is about this one. */
static void begin(peer_link *l, const peer_copy *copy)
{
    l->offer_begun = true;
    if (!is_wanted(l, copy) || l->offer_at > peer_copy_bytes(copy)) {
        l->offer_at = 0;
    }
}

/* The payload for the fields, compressed where that pays. False: the disk fails. */
static bool load_chunk(peer_offer *o, sync_frame *frame)
{
    const size_t bytes = (size_t)frame->snapshot.bytes;
    if (!peer_copy_read(o->copy, frame->snapshot.offset, o->chunk, bytes)) {
        return false;
    }
    size_t got =
        ZSTD_compressCCtx(o->zstd, o->packed, sizeof o->packed, o->chunk, bytes, PEER_SNAPSHOT_ZSTD_LEVEL);
    bool pays = !ZSTD_isError(got) && got + bytes / PEER_SNAPSHOT_SPARES < bytes;
    frame->payload = pays ? o->packed : o->chunk;
    frame->payload_bytes = pays ? got : bytes;
    return true;
}

/* Sends the next chunk, if the window has room; the last one when the hash is known, too. */
static bool send_chunk(peer_room *r, peer_link *l)
{
    const peer_copy *copy = r->offer->copy;
    const uint64_t all = peer_copy_bytes(copy), left = all - l->offer_at;
    const size_t bytes = left < PEER_SNAPSHOT_CHUNK_BYTES ? (size_t)left : PEER_SNAPSHOT_CHUNK_BYTES;
    const uint64_t in_flight = l->out_weight - l->out_weight_acked;
    const bool last = bytes == left;
    if ((in_flight > 0 && in_flight + bytes + PEER_CHANGES_WEIGHT > PEER_WINDOW_BYTES) ||
        (last && peer_copy_look(copy) != PEER_COPY_SEALED)) {
        return false;
    }
    sync_frame frame = {.type = SYNC_FRAME_SNAPSHOT};
    memcpy(frame.snapshot.id.id, peer_copy_id(copy), sizeof frame.snapshot.id.id);
    frame.snapshot.size = all;
    frame.snapshot.file = peer_copy_file_bytes(copy);
    frame.snapshot.offset = l->offer_at;
    frame.snapshot.bytes = bytes;
    if (last) {
        frame.snapshot.hash = (sync_frame_text){(const char *)peer_copy_hash(copy), SYNC_SNAPSHOT_HASH_BYTES};
    }
    if (!load_chunk(r->offer, &frame)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_ERROR, "the snapshot cannot be read");
        l->offered = false;
        return false;
    }
    peer_room_send(r, l, &frame);
    r->sent_bytes += (int64_t)frame.payload_bytes;
    l->offer_at += bytes;
    l->offered = !last;
    return !last;
}

/* Nobody is told why: what is wrong with the file's disk is not for them, and they get everything by deltas. */
static void fail(peer_room *r)
{
    peer_notice("no snapshot of %s can be made (%s): who asked for one gets everything by deltas",
                r->database.path, peer_copy_why(r->offer->copy));
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        if (l->offered && !l->offer_begun) {
            give_none(r, l);
        } else if (l->offered) {
            l->offered = false;
            peer_room_close_link(r, l, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_ERROR,
                                 "the snapshot cannot be read");
        }
    }
    peer_offer_end(r);
}

/* When a copy goes by itself; it is looked at again then. */
static int64_t ends_ms(const peer_room *r)
{
    int64_t old_ms = r->offer->begun_ms + PEER_SNAPSHOT_OLD_MS,
            kept_ms = r->offer->read_ms + PEER_SNAPSHOT_KEEP_MS;
    return is_read(r) || old_ms < kept_ms ? old_ms : kept_ms;
}

static void expire(peer_room *r, int64_t now_ms)
{
    if (!is_made(r->offer) || now_ms < ends_ms(r)) {
        return;
    }
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        if (l->offered) {
            l->offered = false;
            peer_room_close_link(r, l, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_ERROR,
                                 "the snapshot was not read within %d minutes", PEER_SNAPSHOT_OLD_MS / 60000);
        }
    }
    peer_offer_end(r);
}

bool peer_offer_pump(peer_room *r, int64_t now_ms)
{
    peer_offer *o = r->offer;
    bool more = false;
    if (o != NULL && peer_copy_look(o->copy) == PEER_COPY_FAILED) {
        fail(r);
        return false;
    }
    for (peer_link *l = r->links; l != NULL && is_made(o); l = l->next) {
        if (l->offered && !l->closing) {
            o->read_ms = now_ms;
            if (!l->offer_begun) {
                begin(l, o->copy);
            }
            more = send_chunk(r, l) || more;
        }
    }
    expire(r, now_ms);
    return more;
}

int64_t peer_offer_due_ms(const peer_room *r)
{
    return is_made(r->offer) ? ends_ms(r) : INT64_MAX;
}

void peer_offer_end(peer_room *r)
{
    if (r->offer != NULL) {
        peer_copy_end(r->offer->copy);
        ZSTD_freeCCtx(r->offer->zstd);
        free(r->offer);
        r->offer = NULL;
    }
}
