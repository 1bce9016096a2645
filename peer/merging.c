/* A room's incoming side, second half: what has come is merged in few short transactions, and acknowledged. */
#include "room_internal.h"

#include "codec.h"
#include "log.h"
#include "quota.h"

#include <stdlib.h>

const void *peer_part_data(const peer_part *p, size_t *bytes)
{
    *bytes = p->message != NULL ? p->message->frame.payload_bytes : p->whole.len;
    return p->message != NULL ? (const void *)p->message->frame.payload : p->whole.data;
}

void peer_part_queue(peer_room *r, peer_part *p)
{
    p->next = NULL;
    *r->parts_end = p;
    r->parts_end = &p->next;
}

void peer_part_free(peer_part *p)
{
    peer_message_free(p->message);
    sync_buf_free(&p->whole);
    sqlite3_free(p->error);
    free(p);
}

void peer_merging_drop_aside(peer_link *l)
{
    for (peer_part *p = l->aside, *next; p != NULL; p = next) {
        next = p->next;
        peer_part_free(p);
    }
    l->aside = NULL;
    l->asides = 0;
}

void peer_merging_ack(peer_room *r, peer_link *l)
{
    sync_frame frame = {.type = SYNC_FRAME_ACK};
    frame.ack.stream = l->in_stream;
    frame.ack.parts = l->in_merged;
    frame.ack.bytes = l->in_weight;
    l->ack_due = false;
    peer_room_send(r, l, &frame);
}

static bool is_busy(int rc)
{
    return rc == SQLITE_BUSY || rc == SQLITE_LOCKED;
}

static bool is_full(int rc)
{
    return (rc & 0xff) == SQLITE_FULL;
}

/* A statement took too long: again it would take as long. */
static bool is_ended(int rc)
{
    return (rc & 0xff) == SQLITE_INTERRUPT;
}

/* What came before it in the batch may have made a part unwanted. */
bool peer_part_wanted(const peer_part *p)
{
    return !p->link->closing && !p->dropped && (p->applied || p->stream > p->link->refused);
}

/* A trigger rolled the whole transaction back. Done again, the engine holds that row. */
static bool is_rolled_back(int rc)
{
    return rc == SQLITE_ABORT_ROLLBACK;
}

static int merge_part(sqlite3 *db, peer_part *p)
{
    sync_incoming *in = &p->incoming;
    sqlite3_free(p->error);
    p->error = NULL;
    in->changeset = peer_part_data(p, &in->bytes);
    p->left_out = 0;
    p->blind = false;
    p->result = p->link->ruling != NULL
                    ? sync_merge_ruled(db, &p->link->ruling->rules, in->changeset, in->bytes, &in->changed,
                                       &p->left_out, &p->blind, &p->error)
                    : sync_merge_changeset(db, in->changeset, in->bytes, &in->changed, &p->error);
    return is_busy(p->result) || is_full(p->result) || is_ended(p->result) || is_rolled_back(p->result)
               ? p->result
               : SQLITE_OK;
}

/* What was set aside presumes what came before it, and what comes now presumes it. If it does not fit, the next one will not either, and
** says so. */
static int merge_aside(sqlite3 *db, peer_link *l)
{
    int rc = SQLITE_OK;
    for (peer_part *p = l->aside; p != NULL && rc == SQLITE_OK; p = p->next) {
        rc = merge_part(db, p);
    }
    return rc;
}

static bool has_aside(const peer_room *r)
{
    const peer_link *l = r->links;
    while (l != NULL && l->aside == NULL) {
        l = l->next;
    }
    return l != NULL;
}

/* Commits if all is well, and leaves no transaction open. */
static int finish(sqlite3 *db, int rc)
{
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK && sqlite3_get_autocommit(db) == 0) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

/* Merges the first `count` changesets that wait, in one transaction if they are several, each in a savepoint of its own. SQLITE_OK, or what is
** wrong with the transaction as a whole: then nothing is merged. Results of single parts stand in them. */
static int try_each(peer_room *r, int count)
{
    sqlite3 *db = r->database.db;
    bool several = count > 1 || has_aside(r);
    int rc = several ? sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) : SQLITE_OK;
    peer_part *p = r->parts;
    for (int left = count; left > 0 && rc == SQLITE_OK; p = p->next) {
        if (p->kind >= SYNC_CHANGES_HOLDS) {
            continue;
        }
        left--;
        p->result = SQLITE_OK;
        if (peer_part_wanted(p)) {
            rc = merge_aside(db, p->link);
            rc = rc == SQLITE_OK ? merge_part(db, p) : rc;
        }
    }
    return several ? finish(db, rc) : rc;
}

static int merge_each(peer_room *r, int count)
{
    int rc;
    do {
        rc = try_each(r, count);
    } while (is_rolled_back(rc));
    return rc;
}

static peer_part *next_changes(peer_part *p)
{
    while (p != NULL && p->kind >= SYNC_CHANGES_HOLDS) {
        p = p->next;
    }
    return p;
}

/* Has its link no part before it in the queue? */
static bool leads(const peer_room *r, const peer_part *p)
{
    const peer_part *q = next_changes(r->parts);
    while (q != p && q->link != p->link) {
        q = next_changes(q->next);
    }
    return q == p;
}

static void add(sync_incoming **list, size_t *n, peer_part *p)
{
    if (list != NULL) {
        p->incoming.changeset = peer_part_data(p, &p->incoming.bytes);
        list[*n] = &p->incoming;
    }
    (*n)++;
}

/* Those of the first `count` parts that are wanted, and before them what was set aside on their links; list may be NULL. */
static size_t list_batch(const peer_room *r, int count, sync_incoming **list)
{
    size_t n = 0;
    for (peer_part *p = next_changes(r->parts); count > 0; p = next_changes(p->next), count--) {
        if (!peer_part_wanted(p)) {
            continue;
        }
        for (peer_part *a = leads(r, p) ? p->link->aside : NULL; a != NULL; a = a->next) {
            add(list, &n, a);
        }
        add(list, &n, p);
        p->result = SQLITE_OK;
    }
    return n;
}

/* Is one of the first `count` changesets of somebody who may not write everything? */
static bool has_bound(const peer_room *r, int count)
{
    bool bound = false;
    for (const peer_part *p = next_changes(r->parts); p != NULL && count > 0 && !bound;
         p = next_changes(p->next), count--) {
        bound = p->link->ruling != NULL;
    }
    return bound;
}

/* As merge_each, but all at once, which holds the lock for less: as nearly always nothing is wrong with any. */
static int merge_batch(peer_room *r, int count)
{
    char *error = NULL;
    if (has_bound(r, count)) {
        return merge_each(r, count);
    }
    size_t n = list_batch(r, count, NULL);
    sync_incoming **list = peer_new((n + 1) * sizeof *list);
    int rc = sync_merge_changesets(r->database.db, list, list_batch(r, count, list), &error);
    sqlite3_free(error);
    free(list);
    return rc == SQLITE_OK || is_busy(rc) || is_ended(rc) ? rc : merge_each(r, count);
}

static int try_aside(peer_room *r)
{
    sqlite3 *db = r->database.db;
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (peer_link *l = r->links; l != NULL && rc == SQLITE_OK; l = l->next) {
        rc = merge_aside(db, l);
    }
    return finish(db, rc);
}

void peer_merging_aside(peer_room *r)
{
    int rc;
    if (!has_aside(r)) {
        return;
    }
    do {
        rc = try_aside(r);
    } while (is_rolled_back(rc));
    if (is_busy(rc) || (is_full(rc) && peer_quota_reached(&r->database))) {
        return; /* the next merge takes it along */
    }
    if (rc != SQLITE_OK) {
        peer_database_fail(&r->database, &r->failure, "changes cannot be written", rc);
        return;
    }
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        peer_merging_drop_aside(l);
    }
}

/* Rows of a part, counted up to one more than fit in a transaction. What cannot be read has none: its merge says why. */
static int count_rows(const peer_part *p)
{
    size_t bytes;
    int count = 0;
    uint32_t table;
    const sync_value *key;
    const sync_row *row;
    sync_decoder *decoder = NULL;
    sync_error ignored = {0};
    const void *data = peer_part_data(p, &bytes);
    if (sync_decoder_open(data, bytes, SYNC_VALUE_BYTES_MAX, &decoder, &ignored) == SYNC_OK) {
        while (count <= PEER_MERGE_ROWS &&
               sync_decoder_next(decoder, &table, &key, &row, &ignored) == SYNC_ROW) {
            count++;
        }
    }
    sync_decoder_close(decoder);
    return count;
}

/* How many of the parts that wait make one transaction: the first one, and those that fit in beside it. Nobody else uses the file of a
** clone yet, so there rows do not count. *rows: how many those have; 0: not known. */
static int batch_size(const peer_room *r, int *rows)
{
    const int rows_max = peer_pace_rows(&r->pace);
    size_t sum = 0, bytes;
    int count = 0;
    *rows = 0;
    for (peer_part *p = next_changes(r->parts), *next; p != NULL && count < PEER_GATHER_PARTS; p = next) {
        peer_part_data(p, &bytes);
        next = next_changes(p->next);
        sum += bytes;
        if (sum <= PEER_GATHER_BYTES && (count > 0 || next != NULL) && p->rows < 0) {
            p->rows = r->created ? 0 : count_rows(p);
        }
        const int more = p->rows > 0 ? p->rows : 0;
        if (count > 0 && (sum > PEER_GATHER_BYTES || *rows + more > rows_max)) {
            break;
        }
        *rows += more;
        count++;
    }
    return count;
}

/* Word of what the sender holds. */
static void conclude_word(peer_room *r, peer_part *p)
{
    peer_link *l = p->link;
    size_t bytes;
    sync_buf theirs = {.data = (uint8_t *)peer_part_data(p, &bytes)};
    theirs.len = bytes;
    l->in_delta = l->in_delta && p->stream != l->in_stream; /* the next delta may have begun to arrive */
    peer_outgoing_learn(r, l, &theirs);
    l->caught_up = p->kind == SYNC_CHANGES_CAUGHT_UP && !p->early && p->answers == l->out_stream &&
                   !l->out_delta && !l->void_word;
    l->void_word = false;
}

/* It is acknowledged: those of a link all together, when the batch is done; what a follower has forwarded one by one. */
static void count_merged(peer_room *r, const peer_part *p)
{
    peer_link *l = p->link;
    if (p->applied) {
        sync_frame frame = {.type = SYNC_FRAME_ACK};
        frame.ack.stream = p->stream;
        frame.ack.parts = p->part + 1;
        frame.ack.bytes = l->in_weight;
        peer_room_send(r, l, &frame);
    } else {
        l->in_merged += p->stream == l->in_stream;
    }
}

/* A part whose transaction is committed, or that was refused alone. */
static void conclude_part(peer_room *r, peer_part *p)
{
    peer_link *l = p->link;
    peer_merging_drop_aside(l); /* merged before it */
    if (!peer_part_wanted(p)) {
        return;
    }
    if (p->result != SQLITE_OK) {
        peer_refusing_failed(r, p);
        return;
    }
    count_merged(r, p);
    l->in_left = p->left;
    l->in_most = p->part == 0 || p->left > l->in_most ? p->left : l->in_most;
    l->told = l->told && p->kind == SYNC_CHANGES_PART;
    if (p->left_out > 0) {
        l->ruling->report_due = true;
        peer_metrics_count(r->metrics, PEER_ROWS_LEFT_OUT, (uint64_t)p->left_out);
        peer_event("ruled",
                   (peer_field[]){PEER_TEXT("link", l->name), PEER_NUMBER("rows", p->left_out), PEER_END});
    }
    if (p->blind) {
        l->ruling->anew = true;
        l->dirty = true;
    }
    r->received_rows += p->incoming.changed;
    peer_metrics_count(r->metrics, PEER_ROWS_MERGED, (uint64_t)p->incoming.changed);
    r->seen_fresh = false;
    if (p->kind != SYNC_CHANGES_HOLLOW) {
        peer_event("merged", (peer_field[]){PEER_TEXT("link", l->name),
                                            PEER_NUMBER("rows", p->incoming.changed), PEER_END});
    }
}

/* Instead of a merge: the part is acknowledged and kept. */
static void set_aside(peer_room *r, peer_part *p)
{
    peer_link *l = p->link;
    peer_part **end = &l->aside;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = p;
    p->next = NULL;
    l->asides++;
    count_merged(r, p);
    l->told = false;
}

/* Takes the first `count` parts off the queue, and word of what senders hold that stands between and behind them. `aside`: they were not
** merged. */
static void conclude_batch(peer_room *r, int count, bool aside)
{
    while (r->parts != NULL && (count > 0 || r->parts->kind >= SYNC_CHANGES_HOLDS)) {
        peer_part *p = r->parts;
        bool word = p->kind >= SYNC_CHANGES_HOLDS;
        count -= !word;
        r->parts = p->next;
        r->parts_end = r->parts != NULL ? r->parts_end : &r->parts;
        p->link->in_weight += p->weight;
        p->link->ack_due = true;
        if (!word && aside && peer_part_wanted(p)) {
            set_aside(r, p);
            continue;
        }
        if (word) {
            conclude_word(r, p);
        } else if (!aside) {
            conclude_part(r, p);
            p->link->void_word = !peer_part_wanted(p) && p->kind != SYNC_CHANGES_PART;
        }
        peer_part_free(p);
    }
    for (peer_link *l = r->links; l != NULL; l = l->next) {
        if (l->ack_due && !l->closing) {
            peer_merging_ack(r, l);
        }
    }
}

/* Deltas without rows are not worth a commit while another program writes, which would make that program's transaction fail if it has
** read before. */
static bool can_wait(const peer_room *r, int64_t now_ms)
{
    if (now_ms - r->foreign_ms >= PEER_NEIGHBOUR_MS) {
        return false;
    }
    for (const peer_part *p = r->parts; p != NULL; p = p->next) {
        if (p->kind < SYNC_CHANGES_HOLLOW || p->link->asides >= PEER_ASIDE_MAX) {
            return false;
        }
    }
    return true;
}

/* The file is locked by somebody else: nothing is lost, the parts wait. */
static void wait_for_lock(peer_room *r, int64_t now_ms)
{
    int64_t now = peer_now_ms();
    if (r->busy_ms == 0) {
        r->busy_ms = now_ms;
    }
    if (now - r->busy_ms >= PEER_BUSY_MS && !atomic_load(&r->stopping)) {
        peer_notice("%s is locked by another program; changes for it wait", r->database.path);
        r->busy_ms = now;
    }
    r->merge_ms = now + PEER_BUSY_RETRY_MS;
}

/* After a merge that took so long: when the next one may be. */
static int64_t next_merge_ms(const peer_room *r, int64_t took_us)
{
    int64_t now = peer_now_ms();
    int64_t gather = took_us * PEER_GATHER_SHARE / 1000;
    bool more = next_changes(r->parts) != NULL;
    for (const peer_link *l = r->links; l != NULL; l = l->next) {
        more = more || (l->in_delta && !l->in_ended);
    }
    if (now - r->steady_ms >= PEER_NEIGHBOUR_MS) {
        return now;
    }
    gather = gather < PEER_GATHER_MS ? PEER_GATHER_MS : gather;
    gather = gather > PEER_GATHER_MS_MAX ? PEER_GATHER_MS_MAX : gather;
    return now + (more ? PEER_MERGE_GAP_MS : gather);
}

/* Does what it can of the folding that a merge begins with before the merge, without the write lock. *is_long: the tail is too long for
** that, and for a merge; peer_counting_fold is to be called first. */
static void fold_ahead(peer_database *d, bool *is_long)
{
    int64_t entries = 0;
    char *error = NULL;
    (void)sync_fold_ahead(d->db, PEER_FOLD_ENTRIES - 1, &entries, &error);
    sqlite3_free(error);
    *is_long = entries >= PEER_FOLD_ENTRIES;
}

/* What other programs have written is folded by the merge. All but the writing of it is done before, and a long tail is folded in
** transactions of its own: then *folding is set as long as there is more. */
static int fold_before(peer_room *r, bool *folding)
{
    bool is_long = false;
    *folding = false;
    if (r->unfolded) {
        fold_ahead(&r->database, &is_long);
    }
    return is_long ? peer_counting_fold(r, folding) : SQLITE_OK;
}

/* The first part, merged alone, would make the file larger than it may become. Its sender keeps what it has, and may come again; the others go on. */
static bool refuse_growth(peer_room *r)
{
    peer_part *p = next_changes(r->parts);
    char *text =
        peer_format("room %s may not grow beyond %lld bytes (maxBytes of limits): nothing was merged",
                    r->options->room, (long long)r->database.bytes_max);
    peer_refusing_part(r, p, SYNC_PEER_ERROR_INTERNAL, PEER_EXIT_FULL, text);
    free(text);
    p->dropped = true;
    conclude_batch(r, 1, false);
    return true;
}

/* Merges the first `count` parts, which have so many rows. False: not now, or it failed. */
static bool merge(peer_room *r, int count, int rows, int64_t now_ms)
{
    const unsigned waits = r->database.waits;
    int64_t began_us = 0;
    bool folding;
    int rc = fold_before(r, &folding);
    if (folding) {
        return true;
    }
    if (!is_busy(rc)) { /* the merge says itself what else is wrong */
        began_us = peer_now_us();
        rc = merge_batch(r, count);
    }
    if (is_busy(rc)) {
        wait_for_lock(r, now_ms);
        return false;
    }
    if (is_full(rc) && peer_quota_reached(&r->database)) {
        return count > 1 ? merge(r, 1, 0, now_ms) : refuse_growth(r);
    }
    if (rc != SQLITE_OK) {
        return peer_database_fail(&r->database, &r->failure, "changes cannot be written", rc);
    }
    int64_t took_us = peer_now_us() - began_us;
    peer_metrics_time(r->metrics, PEER_MERGES, took_us);
    if (waits == r->database.waits) {
        peer_pace_learn(&r->pace, rows, took_us);
    }
    r->busy_ms = 0;
    peer_refusals_renumber(r);
    peer_outgoing_dirty(r);
    conclude_batch(r, count, false);
    r->merge_ms = next_merge_ms(r, took_us);
    return true;
}

bool peer_merging_step(peer_room *r, int64_t now_ms)
{
    int rows;
    int count = batch_size(r, &rows);
    bool aside = count > 0 && can_wait(r, now_ms);
    if (now_ms >= r->merge_ms && !peer_refusals_note(r)) {
        wait_for_lock(r, now_ms);
        return false;
    }
    if (r->parts == NULL) {
        return false;
    }
    if (count > 0 && !aside) {
        if (now_ms < r->merge_ms || !peer_database_same(&r->database, &r->failure) ||
            !merge(r, count, rows, now_ms)) {
            return false;
        }
    } else {
        conclude_batch(r, count, aside);
    }
    peer_counting_progress(r, false);
    return r->parts != NULL;
}
