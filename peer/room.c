/* A room's worker: one thread, one file. It waits for messages, for hints of the file system and for its own deadlines, and lets
** the two directions do their work. */
#include "room_internal.h"

#include "beneath.h"
#include "codec.h"
#include "copying.h"
#include "founding.h"
#include "log.h"
#include "seen.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- to the network */

void peer_room_send(peer_room *r, peer_link *l, const sync_frame *frame)
{
    sync_frame piece = *frame;
    size_t at = 0;
    if (l->closing) {
        return;
    }
    do {
        size_t left = frame->payload_bytes - at;
        piece.payload_bytes = left < SYNC_FRAME_PAYLOAD_MAX ? left : SYNC_FRAME_PAYLOAD_MAX;
        piece.payload = piece.payload_bytes > 0 ? frame->payload + at : NULL;
        piece.more = frame->more || piece.payload_bytes < left;
        sync_buf buf = {0};
        if (sync_frame_put(&buf, &piece) != SYNC_OK) {
            sync_buf_free(&buf);
            peer_room_close_link(r, l, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_ERROR, "%s cannot be sent",
                                 sync_frame_name(frame->type));
            return;
        }
        if (frame->type == SYNC_FRAME_CHANGES || frame->type == SYNC_FRAME_APPLY ||
            frame->type == SYNC_FRAME_SNAPSHOT) {
            l->out_weight += piece.payload_bytes + PEER_CHANGES_WEIGHT;
        }
        peer_message *m = peer_message_new(PEER_FRAME_OUT, l->id);
        m->bytes = peer_bytes_take(&buf);
        peer_queue_put(r->network, m);
        at += piece.payload_bytes;
    } while (at < frame->payload_bytes);
}

void peer_room_close_link(peer_room *r, peer_link *l, int code, int exit, const char *format, ...)
{
    char text[SYNC_FRAME_TEXT_MAX];
    va_list arguments;
    if (l->closing) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    peer_message *m = peer_message_new(PEER_LINK_CLOSE, l->id);
    m->code = code;
    m->exit = exit;
    m->text = peer_strdup(text);
    peer_queue_put(r->network, m);
    l->closing = true;
    peer_outgoing_end(l);
}

const sync_buf *peer_room_told(peer_room *r, peer_link *l)
{
    const sync_buf *seen = peer_forwarding_seen(r, l);
    if (l->tables == NULL) {
        return seen;
    }
    if (peer_seen_only(seen, l->tables, &l->concerns) != SYNC_OK) {
        peer_out_of_memory();
    }
    return &l->concerns;
}

void peer_room_ask(peer_room *r, peer_link *l)
{
    if (l->takes && peer_room_seen(r)) {
        const sync_buf *seen = peer_room_told(r, l);
        sync_frame frame = {.type = SYNC_FRAME_START, .payload = seen->data, .payload_bytes = seen->len};
        l->told_seen = true;
        l->caught_up = false; /* what the other side had said was about what was here before */
        peer_room_send(r, l, &frame);
    }
}

/* The file has another id, or tracks nothing any more: links that are made from now on bear that. */
static void announce_site(peer_room *r, const sync_buf *before)
{
    uint8_t earlier[SYNC_SITE_BYTES];
    peer_message *m = peer_message_new(PEER_ROOM_SITE, 0);
    m->about = r->about;
    (void)peer_seen_site(before, earlier); /* none: zeros */
    (void)peer_seen_site(&r->seen, m->site.id);
    if (memcmp(earlier, m->site.id, SYNC_SITE_BYTES) != 0) {
        peer_queue_put(r->network, m);
    } else {
        peer_message_free(m);
    }
}

/* Somebody untracked all tables, or put a file that tracks none in place of this one. As when it is opened: who offers it may track tables later,
** who asks to have it kept in step asks for nothing any more. */
static void nothing_tracked(peer_room *r)
{
    if (r->options->command == PEER_SERVE) {
        peer_notice("%s tracks no table any more: nothing is exchanged until it does", r->database.path);
    } else {
        peer_fail(&r->failure, PEER_EXIT_SCHEMA,
                  "%s tracks no table any more, so there is nothing to keep in step", r->database.path);
    }
}

/* The file holds less than the other sides were told, or tracks other tables: they hear it at once, for nobody may write for long. */
static void compare_seen(peer_room *r, const sync_buf *before)
{
    announce_site(r, before);
    if (r->seen.len == 0) {
        nothing_tracked(r);
    }
    if (peer_seen_went_back(&r->seen, before) || !peer_seen_same_tables(before, &r->seen)) {
        for (peer_link *l = r->links; l != NULL; l = l->next) {
            if (l->told_seen) {
                peer_room_ask(r, l);
            }
        }
    }
}

bool peer_room_seen(peer_room *r)
{
    void *seen = NULL;
    size_t bytes = 0;
    if (r->seen_fresh) {
        return true;
    }
    if (!peer_database_seen(&r->database, &seen, &bytes, &r->failure)) {
        return false;
    }
    sync_buf before = r->seen;
    r->seen = (sync_buf){0};
    r->seen_fresh = peer_buf_set(&r->seen, seen, bytes);
    r->told_fresh = false;
    sqlite3_free(seen);
    if (r->seen_fresh &&
        (before.len != bytes || (bytes > 0 && memcmp(before.data, r->seen.data, bytes) != 0))) {
        compare_seen(r, &before);
    }
    sync_buf_free(&before);
    if (!r->seen_fresh) {
        peer_fail(&r->failure, PEER_EXIT_ERROR, "out of memory");
    }
    return r->failure.code == PEER_EXIT_OK;
}

/* What the other side holds is noted in the file, for compaction. */
static void note_heard(peer_room *r, peer_link *l)
{
    if (r->open && l->unheard && l->theirs.len > 0 && l->ruling == NULL) {
        l->unheard = peer_database_heard(&r->database, l->theirs.data, l->theirs.len) != SQLITE_OK;
    }
}

/* ---- messages */

static peer_link *find_link(const peer_room *r, uint64_t id)
{
    size_t slot = (size_t)(id & UINT32_MAX);
    peer_link *l = slot < r->slot_count ? r->slots[slot] : NULL;
    return l != NULL && l->id == id ? l : NULL;
}

static void register_link(peer_room *r, peer_link *l)
{
    size_t slot = (size_t)(l->id & UINT32_MAX);
    if (slot >= r->slot_count) {
        size_t count = 2 * (slot + 8);
        peer_link **slots = peer_new(count * sizeof(peer_link *));
        if (r->slot_count > 0) {
            memcpy(slots, r->slots, r->slot_count * sizeof(peer_link *));
        }
        free(r->slots);
        r->slots = slots;
        r->slot_count = count;
    }
    r->slots[slot] = l;
    l->next = r->links;
    l->from = &r->links;
    if (l->next != NULL) {
        l->next->from = &l->next;
    }
    r->links = l;
}

static void link_up(peer_room *r, const peer_message *m)
{
    peer_link *l = peer_new(sizeof *l);
    l->id = m->link;
    l->name = peer_strdup(m->text);
    l->tables = peer_strdup(m->tables);
    l->lag = peer_lag_share(m->lag);
    register_link(r, l);
    l->takes = (m->grants & SYNC_RIGHT_WRITE) != 0 && (m->granted & SYNC_RIGHT_READ) != 0;
    l->snapshots = (m->granted & SYNC_RIGHT_SNAPSHOT) != 0 && m->tables == NULL; /* it has all tables */
    l->gives = (m->grants & SYNC_RIGHT_READ) != 0 && (m->granted & SYNC_RIGHT_WRITE) != 0;
    if (m->bound && r->options->rules.count > 0) {
        l->ruling = peer_ruling_new(&r->options->rules, m->user);
    }
    l->follows = l->takes && (m->grants & SYNC_RIGHT_FORWARD) != 0;
    if (m->primary) {
        peer_forwarding_up(r, l, l->gives && (m->granted & SYNC_RIGHT_FORWARD) != 0);
    }
    if (!l->takes && (!l->gives || !r->open)) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_FORBIDDEN, PEER_EXIT_REFUSED, "%s",
                             r->open ? "neither side may send anything to the other"
                                     : "nothing may be read from this room");
        return;
    }
    if (r->open) {
        peer_room_ask(r, l);
    } else if (r->taking != NULL) {
        peer_taking_link(r, l);
    }
}

static void link_down(peer_room *r, peer_link *l)
{
    *l->from = l->next;
    if (l->next != NULL) {
        l->next->from = l->from;
    }
    r->slots[l->id & UINT32_MAX] = NULL;
    peer_outgoing_end(l);
    peer_incoming_forget(r, l);
    peer_forwarding_down(r, l);
    note_heard(r, l);
    if (r->taking != NULL) {
        peer_taking_lost(r, l);
    }
    sync_buf_free(&l->theirs);
    sync_buf_free(&l->implied);
    sync_buf_free(&l->concerns);
    free(l->tables);
    peer_ruling_free(l->ruling);
    for (peer_report *report = l->reports, *next; report != NULL; report = next) {
        next = report->next;
        peer_report_free(report);
    }
    peer_lag_drop(l->lag);
    free(l->name);
    free(l);
}

static void take_message(peer_room *r, peer_message *m)
{
    peer_link *l = m->link != 0 ? find_link(r, m->link) : NULL;
    switch (m->kind) {
    case PEER_LINK_UP:
        link_up(r, m);
        break;
    case PEER_LINK_DOWN:
        if (l != NULL) {
            link_down(r, l);
        }
        break;
    case PEER_FRAME_IN:
        if (l != NULL) {
            peer_incoming_frame(r, l, m);
            return;
        }
        break;
    case PEER_UNREACHABLE:
        peer_taking_unreachable(r);
        break;
    case PEER_PRIMARY_AWAY:
        peer_forwarding_away(r, m->text);
        break;
    case PEER_STOP:
        r->ended = true;
        break;
    default:
        break;
    }
    peer_message_free(m);
}

static void take_messages(peer_room *r)
{
    uint64_t count;
    ssize_t got = read(r->event_fd, &count, sizeof count);
    (void)got; /* nothing there is fine */
    for (peer_message *m = peer_queue_take_all(r->inbox), *next; m != NULL; m = next) {
        next = m->next;
        take_message(r, m);
    }
}

/* ---- quiet moments */

static void use_quiet(peer_room *r, int64_t now_ms)
{
    if (r->unfolded && now_ms - r->foreign_ms >= PEER_QUIET_MS) {
        (void)peer_counting_fold(r, &r->unfolded); /* what fails is folded by the next merge */
        r->seen_fresh = false;
        for (peer_link *l = r->links; l != NULL; l = l->next) {
            note_heard(r, l);
        }
        if (!r->unfolded) {
            peer_merging_aside(r);
        }
    }
    peer_counting_checkpoint(r);
}

/* ---- the thread */

/* The database is open and tracked: from now on it is watched. */
static bool begin(peer_room *r)
{
    r->open = true;
    peer_copy_sweep(r->database.path);
    peer_taking_sweep(r->options->file);
    r->watch = peer_watch_new(r->database.path);
    if (r->watch == NULL) {
        peer_notice("%s cannot be watched (%s); other programs' changes are looked for every %d s",
                    r->database.path, strerror(errno), PEER_SLOW_POLL_MS / 1000);
    }
    if (r->options->schema != NULL) {
        peer_watch_folder_of(r->watch, r->options->schema);
    }
    bool more = true;
    while (more && !atomic_load(&r->stopping)) {
        (void)peer_counting_fold(r, &more); /* what fails is folded by the next merge */
    }
    r->schema_version = peer_database_schema_version(&r->database);
    r->data_version = peer_database_data_version(&r->database);
    r->foreign_ms = r->steady_ms = -PEER_NEIGHBOUR_MS;
    for (int i = 0; i < PEER_STEADY_COMMITS - 1; i++) {
        r->foreign_before_ms[i] = -PEER_NEIGHBOUR_MS;
    }
    r->check_us =
        peer_now_us() + (peer_room_follow_script(r) ? PEER_SLOW_POLL_MS : PEER_SCRIPT_SETTLE_MS) * 1000;
    return r->failure.code == PEER_EXIT_OK && peer_room_seen(r);
}

/* Who asks is let in from now on. */
static bool tell_ready(peer_room *r)
{
    peer_message *ready = peer_message_new(PEER_ROOM_READY, 0);
    ready->about = r->about;
    if (r->open && !peer_database_site(&r->database, ready->site.id, &r->failure)) {
        peer_message_free(ready);
        return false;
    }
    peer_queue_put(r->network, ready);
    return true;
}

bool peer_room_adopt(peer_room *r)
{
    if (!begin(r) || (r->awaited && !tell_ready(r))) {
        return false;
    }
    r->awaited = false;
    if (r->primary != NULL && r->primary->leads &&
        r->primary->asked) { /* it said so before the file was there */
        peer_forwarding_met(r);
    }
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        peer_room_ask(r, l);
    }
    return true;
}

bool peer_room_found(peer_room *r)
{
    return peer_founding_make(r->options, &r->stopping, &r->failure) &&
           peer_database_open(&r->database, r->options, &r->stopping, &r->failure) && peer_room_adopt(r);
}

/* The file is not there yet: URLs are followed, of whom one may have it. Who serves it lets nobody in before. */
static bool await(peer_room *r)
{
    if (!peer_taking_begin(r)) {
        return false;
    }
    if (r->options->command != PEER_CLONE) {
        peer_notice("%s is not there: waiting for a snapshot of it", r->options->file);
    }
    if (r->options->command != PEER_SERVE) {
        return tell_ready(r);
    }
    peer_message *absent = peer_message_new(PEER_ROOM_ABSENT, 0);
    absent->about = r->about;
    peer_queue_put(r->network, absent);
    r->awaited = true;
    return true;
}

/* The file is there, or can be made from nothing. */
static bool open_file(peer_room *r)
{
    return peer_founding_make(r->options, &r->stopping, &r->failure) &&
           peer_database_open(&r->database, r->options, &r->stopping, &r->failure) && begin(r) &&
           tell_ready(r);
}

/* Microseconds until something is due by itself; -1: nothing. */
static int64_t wait_us(const peer_room *r, int64_t now_us)
{
    int64_t due = r->open ? r->check_us : INT64_MAX;
    const int64_t other_ms = r->open ? peer_offer_due_ms(r) : peer_taking_due_ms(r);
    if (other_ms != INT64_MAX && other_ms * 1000 < due) {
        due = other_ms * 1000;
    }
    if (r->parts != NULL && r->merge_ms * 1000 < due) {
        due = r->merge_ms * 1000;
    }
    if (r->unfolded && (r->foreign_ms + PEER_QUIET_MS) * 1000 < due) {
        due = (r->foreign_ms + PEER_QUIET_MS) * 1000;
    }
    for (const peer_link *l = r->links; l != NULL; l = l->next) {
        if (l->dirty && l->retry_ms * 1000 > now_us && l->retry_ms * 1000 < due) {
            due = l->retry_ms * 1000;
        }
    }
    return due == INT64_MAX ? -1 : due > now_us ? due - now_us : 0;
}

static void wait_for_work(peer_room *r, bool at_once)
{
    struct pollfd fds[2] = {{.fd = r->event_fd, .events = POLLIN},
                            {.fd = peer_watch_fd(r->watch), .events = POLLIN}};
    int64_t us = at_once ? 0 : wait_us(r, peer_now_us());
    struct timespec timeout = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    if (ppoll(fds, 2, us >= 0 ? &timeout : NULL, NULL) < 0) {
        return; /* interrupted */
    }
    if ((fds[0].revents & POLLIN) != 0) {
        take_messages(r);
    }
    if ((fds[1].revents & POLLIN) != 0 && peer_watch_read(r->watch)) {
        peer_foreign_hint(r, peer_now_us());
    }
}

static void serve(peer_room *r)
{
    for (bool more = false; !r->ended && r->failure.code == PEER_EXIT_OK;) {
        wait_for_work(r, more);
        more = false;
        int64_t now_us = peer_now_us();
        if (!r->open && !r->ended && now_us / 1000 >= peer_taking_due_ms(r)) {
            peer_taking_end(r, true);
            peer_room_found(r);
        }
        if (!r->open || r->ended || r->failure.code != PEER_EXIT_OK) {
            continue;
        }
        if (now_us >= r->check_us) {
            peer_foreign_check(r, now_us);
        }
        more = peer_merging_step(r, now_us / 1000);
        more = peer_outgoing_pump(r, now_us / 1000) || more;
        more = peer_offer_pump(r, now_us / 1000) || more;
        more = peer_forwarding_pump(r) || more;
        if (!more && r->failure.code == PEER_EXIT_OK) {
            use_quiet(r, now_us / 1000);
        }
    }
}

static void *run(void *context)
{
    peer_room *r = context;
    bool may_be_made = r->options->command != PEER_CLONE || peer_schema_may_clone(r->options, &r->failure);
    if (may_be_made && peer_beneath_enter(r->options->folder, &r->failure) &&
        (peer_taking_may(r->options) ? await(r) : open_file(r))) {
        serve(r);
    }
    peer_taking_end(r, false);
    peer_offer_end(r);
    while (r->links != NULL) {
        link_down(r, r->links);
    }
    peer_forwarding_end(r);
    peer_watch_free(r->watch);
    peer_database_close(&r->database);
    peer_beneath_leave();
    if (r->created && !r->finished) {
        peer_schema_undo(r);
    }
    if (r->open && r->finished) {
        peer_counting_progress(r, true);
    }
    peer_message *ended = peer_message_new(PEER_ROOM_ENDED, 0);
    ended->about = r->about;
    ended->exit = r->failure.code;
    ended->text = r->failure.code != PEER_EXIT_OK ? peer_strdup(r->failure.text) : NULL;
    peer_queue_put(r->network, ended);
    return NULL;
}

static void wake(void *context)
{
    const uint64_t one = 1;
    const peer_room *r = context;
    ssize_t written = write(r->event_fd, &one, sizeof one);
    (void)written; /* full means that it is awake */
}

peer_room *peer_room_start(const peer_options *options, peer_queue *network, void *about,
                           peer_metrics *metrics)
{
    peer_room *r = peer_new(sizeof *r);
    sigset_t all, before;
    r->options = options;
    r->network = network;
    r->about = about;
    r->metrics = metrics;
    r->parts_end = &r->parts;
    r->forward_end = &r->forward;
    r->forwards = r->owes = peer_options_primary(options) != NULL;
    atomic_init(&r->stopping, false);
    r->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->inbox = peer_queue_new(wake, r);
    sigfillset(&all); /* signals belong to the network thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = r->event_fd >= 0 ? pthread_create(&r->thread, NULL, run, r) : errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        peer_error(PEER_EXIT_ERROR, "no thread for %s can be started: %s%s", options->file, strerror(rc),
                   peer_remedy(rc));
        peer_queue_free(r->inbox);
        if (r->event_fd >= 0) {
            close(r->event_fd);
        }
        free(r);
        return NULL;
    }
    return r;
}

void peer_room_post(peer_room *room, peer_message *m)
{
    peer_queue_put(room->inbox, m);
}

void peer_room_hurry(peer_room *room)
{
    atomic_store(&room->stopping, true);
}

void peer_room_join(peer_room *room)
{
    pthread_join(room->thread, NULL);
    peer_queue_free(room->inbox);
    sync_buf_free(&room->seen);
    free(room->strangers);
    free(room->slots);
    close(room->event_fd);
    free(room);
}
