#include "world.h"

#include <stdlib.h>
#include <string.h>

static void drop(int i)
{
    free(world.message[i].bytes);
    world.message[i] = world.message[--world.messages];
}

void traffic_drop_all(void)
{
    while (world.messages > 0) {
        drop(world.messages - 1);
    }
}

static void post(sim_letter letter, int from, int to, const void *bytes, size_t size, bool first, bool last,
                 const sim_vector *knew)
{
    bool faults = world.plan.net_faults;
    if (world.messages == SIM_MESSAGES || (faults && dice_percent(world.dice, 10))) {
        return; /* lost */
    }
    uint8_t *copy = malloc(size ? size : 1);
    if (copy == NULL) {
        world_fail("out of memory");
    }
    memcpy(copy, bytes, size);
    int64_t delay = dice_below(world.dice, faults ? 300 : 20);
    delay += faults && dice_percent(world.dice, 5) ? dice_below(world.dice, 20000) : 0;
    sim_message *m = &world.message[world.messages++];
    *m = (sim_message){.letter = letter,
                       .from = from,
                       .to = to,
                       .due_ms = sim_now_ms + delay,
                       .bytes = copy,
                       .size = size,
                       .first = first,
                       .last = last,
                       .delta = world.deltas};
    m->saved = faults && dice_percent(world.dice, 10);
    if (knew) {
        m->knew = *knew;
    }
}

/* The blob of sync_seen(), malloc'd; NULL: not now. */
static void *seen_of(sim_member *m, size_t *size)
{
    void *copy = NULL;
    sqlite3_stmt *stmt = NULL;
    sim_here = m->machine;
    int rc = sqlite3_prepare_v2(m->engine, "SELECT sync_seen()", -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc == SQLITE_ROW) {
        *size = (size_t)sqlite3_column_bytes(stmt, 0);
        copy = malloc(*size ? *size : 1);
        if (copy) {
            memcpy(copy, sqlite3_column_blob(stmt, 0), *size);
        }
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_OK) {
        (void)world_may_fail(m, rc, "sync_seen", sqlite3_errmsg(m->engine));
    }
    return copy;
}

bool traffic_away(int who)
{
    return world.step < world.away_until[who];
}

void traffic_tell(int who, int to)
{
    size_t size = 0;
    sim_member *m = &world.member[who], *r = &world.member[to];
    void *seen = traffic_away(who) || m->machine->dead ? NULL : seen_of(m, &size);
    sqlite3_stmt *stmt = NULL;
    sim_here = r->machine;
    int rc = seen ? sqlite3_prepare_v2(r->engine, "SELECT sync_heard(?1)", -1, &stmt, NULL) : SQLITE_DONE;
    rc = rc == SQLITE_OK ? sqlite3_bind_blob(stmt, 1, seen, (int)size, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        (void)world_may_fail(r, rc, "sync_heard", sqlite3_errmsg(r->engine));
    }
    sqlite3_finalize(stmt);
    free(seen);
}

typedef struct parts { /* where the parts of a delta go */
    int receiver;      /* merged at once; -1: posted */
    int from, to;
    int64_t rows;
    int count;
    bool failed;
} parts;

/* Tables that only one of two files tracks do not travel. */
static bool is_whole(const sim_member *a, const sim_member *b)
{
    for (int t = 0; t < world.schema.count; t++) {
        if (!a->tracked[t] || !b->tracked[t]) {
            return false;
        }
    }
    return true;
}

static void describe(sim_member *m, const void *bytes, size_t size)
{
    sqlite3_stmt *stmt = NULL;
    if (world.trace &&
        sqlite3_prepare_v2(m->engine, "SELECT sync_describe(?1)", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_bind_blob(stmt, 1, bytes, (int)size, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        world_say("%s", sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
}

static int merge(sim_member *m, const void *bytes, size_t size, bool last, const sim_vector *knew)
{
    int64_t changed = 0;
    char *error = NULL;
    sim_here = m->machine;
    describe(m, bytes, size);
    if (world.merges % 2 == 0) { /* as the peer does; what it cannot do is left to the merge */
        (void)sync_fold_ahead(m->engine, INT64_MAX, &changed, &error);
        sqlite3_free(error);
    }
    int rc = sync_merge_changeset(m->engine, bytes, size, &changed, &error);
    world_say("%d merges %zu bytes%s: %d, %lld rows%s%s", m->index, size, last ? " (last)" : "", rc,
              (long long)changed, error ? " -- " : "", error ? error : "");
    if (rc != SQLITE_OK) {
        (void)world_may_fail(m, rc, "a merge", error);
    } else {
        world.merges++;
        if (last && knew) {
            vector_raise(&m->knows, knew);
        }
    }
    sqlite3_free(error);
    return rc;
}

static void hand_on(parts *p, const void *bytes, size_t size, bool last, const sim_vector *knew)
{
    if (world.member[p->from].machine->dead) {
        return; /* killed before this left */
    }
    if (p->receiver < 0) {
        post(LETTER_PART, p->from, p->to, bytes, size, p->count++ == 0, last, knew);
    } else if (!p->failed) {
        sim_member *m = &world.member[p->receiver];
        world.newest[p->from][p->receiver] = world.deltas;
        bool whole = is_whole(m, &world.member[p->from]);
        p->failed = merge(m, bytes, size, last, whole ? knew : NULL) != SQLITE_OK;
    }
}

static void send(sim_member *s, const void *seen, size_t size, parts *p, bool small)
{
    sync_stream *stream = NULL;
    char *error = NULL;
    world.deltas++;
    sim_vector knew = s->knows;
    sim_here = s->machine;
    size_t bytes_max = small ? 100 + (size_t)dice_below(world.dice, 500) : 1u << 20;
    uint32_t rows_max = small ? 1 + (uint32_t)dice_below(world.dice, 6) : 1u << 20;
    int rc = sync_stream_open(s->engine, seen, size, bytes_max, rows_max, &stream, &error);
    int last = 0;
    while (rc == SQLITE_OK) {
        const void *part = NULL;
        size_t part_bytes = 0;
        sim_here = s->machine;
        rc = sync_stream_next(stream, &part, &part_bytes, &last, &error);
        if (rc == SQLITE_ROW) {
            hand_on(p, part, part_bytes, last != 0, &knew);
            rc = last ? SQLITE_DONE : SQLITE_OK;
        }
    }
    p->rows = stream ? (int64_t)sync_stream_rows(stream) : 0;
    sim_here = s->machine;
    sync_stream_close(stream);
    world_say("%d sends %lld rows to %d: %d%s%s", s->index, (long long)p->rows, p->to, rc,
              error ? " -- " : "", error ? error : "");
    if (rc != SQLITE_DONE) {
        p->failed = true;
        (void)world_may_fail(s, rc, "a delta", error);
    }
    sqlite3_free(error);
}

void traffic_ask(int receiver, int sender)
{
    size_t size = 0;
    sim_member *m = &world.member[receiver];
    if (receiver == sender || m->machine->dead || traffic_away(receiver)) {
        return;
    }
    void *seen = seen_of(m, &size);
    if (seen) {
        world_say("%d asks %d", receiver, sender);
        post(LETTER_SEEN, receiver, sender, seen, size, true, true, NULL);
        free(seen);
    }
}

static void receive(const sim_message *letter)
{
    sim_member *m = &world.member[letter->to];
    if (m->machine->dead || world.cut[letter->from][letter->to] || traffic_away(letter->to) ||
        traffic_away(letter->from)) {
        return;
    }
    if (letter->letter == LETTER_PART) {
        unsigned *newest = &world.newest[letter->from][letter->to];
        bool older = letter->delta < *newest || (letter->delta > *newest && !letter->first);
        if (older && !world.plan.stray) {
            return;
        }
        *newest = letter->delta;
        world_say("from %d to %d, delta %u:", letter->from, letter->to, letter->delta);
        bool whole = is_whole(m, &world.member[letter->from]);
        (void)merge(m, letter->bytes, letter->size, letter->last, whole ? &letter->knew : NULL);
    } else {
        parts p = {.receiver = -1, .from = letter->to, .to = letter->from};
        send(m, letter->bytes, letter->size, &p, dice_percent(world.dice, 50));
    }
}

void traffic_deliver(void)
{
    for (int n = 0; n < SIM_MESSAGES; n++) {
        int due = -1;
        for (int i = 0; i < world.messages; i++) {
            if (world.message[i].due_ms <= sim_now_ms &&
                (due < 0 || world.message[i].due_ms < world.message[due].due_ms)) {
                due = i;
            }
        }
        if (due < 0) {
            return;
        }
        sim_message letter = world.message[due];
        if (letter.saved) { /* comes once more, later */
            world.message[due].saved = false;
            world.message[due].due_ms = sim_now_ms + 1 + dice_below(world.dice, 5000);
            receive(&letter);
        } else {
            world.message[due].bytes = NULL;
            drop(due);
            receive(&letter);
            free(letter.bytes);
        }
    }
}

int64_t traffic_pull(int receiver, int sender, bool must)
{
    size_t size = 0;
    sim_member *r = &world.member[receiver], *s = &world.member[sender];
    if (receiver == sender || r->machine->dead || s->machine->dead || traffic_away(receiver) ||
        traffic_away(sender)) {
        return 0;
    }
    void *seen = seen_of(r, &size);
    if (seen == NULL) {
        return -1;
    }
    parts p = {.receiver = receiver, .from = sender, .to = receiver};
    send(s, seen, size, &p, dice_percent(world.dice, 30));
    free(seen);
    if (must && p.failed) {
        world_fail("%d could not get from %d what it lacks", receiver, sender);
    }
    return p.failed ? -1 : p.rows;
}

/* sync_changeset() and sync_apply() as a program would call them, in a transaction of its own that may be rolled back. */
void traffic_by_sql(int receiver, int sender)
{
    size_t size = 0;
    sim_member *r = &world.member[receiver], *s = &world.member[sender];
    if (receiver == sender || r->machine->dead || s->machine->dead || traffic_away(receiver) ||
        traffic_away(sender)) {
        return;
    }
    sqlite3 *to = member_either(r, world.dice), *from = member_either(s, world.dice);
    if (to == NULL || from == NULL) {
        return; /* as where files cannot be opened: whoever asked comes back */
    }
    sim_vector knew = s->knows;
    void *seen = seen_of(r, &size);
    sqlite3_stmt *cut = NULL, *apply = NULL;
    bool back = false;
    sim_here = s->machine;
    int rc = seen ? sqlite3_prepare_v2(from, "SELECT sync_changeset(?1)", -1, &cut, NULL) : SQLITE_BUSY;
    rc = rc == SQLITE_OK ? sqlite3_bind_blob(cut, 1, seen, (int)size, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(cut) : rc;
    if (rc != SQLITE_ROW) {
        (void)world_may_fail(s, rc, "sync_changeset", sqlite3_errmsg(from));
    } else if (sqlite3_column_type(cut, 0) == SQLITE_BLOB) {
        bool inside = dice_percent(world.dice, 50);
        back = inside && dice_percent(world.dice, 40);
        sim_here = r->machine;
        rc = inside ? member_sql(to, "BEGIN") : SQLITE_OK;
        rc = rc == SQLITE_OK ? sqlite3_prepare_v2(to, "SELECT sync_apply(?1)", -1, &apply, NULL) : rc;
        rc = rc == SQLITE_OK ? sqlite3_bind_value(apply, 1, sqlite3_column_value(cut, 0)) : rc;
        rc = rc == SQLITE_OK ? sqlite3_step(apply) : rc;
        world_say("%d%s merges by SQL from %d%s: %d%s%s", receiver, to == r->second ? " (second)" : "",
                  sender, back ? ", and rolls back" : "", rc, rc == SQLITE_ROW ? "" : " -- ",
                  rc == SQLITE_ROW ? "" : sqlite3_errmsg(to));
        bool good = rc == SQLITE_ROW;
        /* the extension's own codes come as SQLITE_ERROR here */
        const char *text = sqlite3_errmsg(to);
        if (!good && rc != SQLITE_ERROR) {
            (void)world_may_fail(r, rc, "sync_apply", text);
        } else if (!good && !r->machine->dead && !world.plan.errors && !strstr(text, "sync_seen") &&
                   !strstr(text, "ahead of this machine")) {
            world_fail("sync_apply on %d: %s", receiver, text);
        }
        sqlite3_finalize(apply);
        if (inside && !sqlite3_get_autocommit(to)) {
            rc = member_sql(to, good && !back ? "COMMIT" : "ROLLBACK");
            if (rc != SQLITE_OK) {
                (void)world_may_fail(r, rc, "COMMIT of a merge", sqlite3_errmsg(to));
                (void)member_sql(to, "ROLLBACK");
            }
            good = good && rc == SQLITE_OK;
        }
        if (good && !back) {
            world.merges++;
            if (is_whole(r, s)) {
                vector_raise(&r->knows, &knew);
            }
        }
    }
    sqlite3_finalize(cut);
    free(seen);
    if (back && dice_percent(world.dice, 50)) {
        traffic_by_sql(receiver,
                       dice_below(world.dice, world.count)); /* what was loaded is not what is there */
    }
}
