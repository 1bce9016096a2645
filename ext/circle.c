#include "circle.h"

#include "key.h"
#include "parents.h"

#include <string.h>

/* `child` waits for the candidate whose `waiting` leads here. */
typedef struct edge {
    uint32_t child;
    uint32_t next; /* index + 1 */
} edge;

struct sync_circle {
    sync_candidate *list;
    uint32_t count;
    uint32_t slot_count;
    uint32_t *slots; /* index into list + 1 */
    edge *edges;
    uint32_t edge_count, edge_cap;
    uint32_t *stack; /* dropped ones whose children are still to be dropped */
    uint32_t depth;
    sync_buf buf;
};

static uint32_t hash_of(sync_circle *c, const sync_table *t, const sync_value *key, sync_stamp born)
{
    uint32_t hash = 2166136261u;
    sync_buf_reset(&c->buf);
    sync_buf_put_varint(&c->buf, t->tid);
    bool normal = sync_key_normal(&c->buf, t, key);
    for (uint32_t i = 0; !normal && i < t->key_count; i++) {
        sync_value_put(&c->buf, &key[i]);
    }
    sync_buf_put_u64(&c->buf, born.hlc);
    for (size_t i = 0; i < c->buf.len; i++) {
        hash = (hash ^ c->buf.data[i]) * 16777619u;
    }
    return hash & (c->slot_count - 1);
}

static uint32_t find(sync_circle *c, const sync_table *t, const sync_value *key, sync_stamp born)
{
    for (uint32_t at = c->slots[hash_of(c, t, key, born)]; at; at = c->list[at - 1].next) {
        const sync_candidate *one = &c->list[at - 1];
        if (one->t == t && sync_stamp_equal(one->born, born) && sync_key_equal(t, one->key, key)) {
            return at - 1;
        }
    }
    return UINT32_MAX;
}

bool sync_circle_trusts(sync_circle *c, const sync_table *t, const sync_value *key, sync_stamp born)
{
    uint32_t at = find(c, t, key, born);
    return at != UINT32_MAX && !c->list[at].dropped;
}

static void drop(sync_circle *c, uint32_t at)
{
    if (!c->list[at].dropped) {
        c->list[at].dropped = true;
        c->stack[c->depth++] = at;
    }
}

static int wait_for(sync_merging *m, sync_circle *c, uint32_t child, uint32_t parent)
{
    if (c->edge_count == c->edge_cap) {
        uint32_t cap = c->edge_cap ? c->edge_cap * 2 : 64;
        edge *wider = sync_realloc(c->edges, cap * sizeof *wider);
        if (wider == NULL) {
            return sync_fail_nomem(m->error);
        }
        c->edges = wider;
        c->edge_cap = cap;
    }
    c->edges[c->edge_count] = (edge){child, c->list[parent].waiting};
    c->list[parent].waiting = ++c->edge_count;
    c->list[child].lacks++;
    return SYNC_OK;
}

/* Looks at all parents of one candidate. */
static int look(sync_merging *m, sync_circle *c, uint32_t at)
{
    sync_candidate *one = &c->list[at];
    sync_row row = {0};
    sync_slot slot;
    sync_missing missing = {.from = 0};
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
    bool held = rc == SYNC_OK && row.held;
    if (!held) {
        drop(c, at);
    }
    if (rc == SYNC_OK && !slot.was_held) { /* settled meanwhile, by a write of this file or a delete */
        rc = sync_conflict_clear(m, one->t, one->key, &(sync_row){.born = one->born});
    }
    while (rc == SYNC_OK && held && !one->dropped) {
        rc = sync_parents_missing(m, one->t, one->key, &row, &slot, &missing);
        if (rc != SYNC_OK || !missing.why[0]) {
            break;
        }
        uint32_t parent = missing.has_key ? find(c, missing.parent, missing.key, missing.born) : UINT32_MAX;
        if (parent == UINT32_MAX || c->list[parent].dropped) {
            drop(c, at);
        } else {
            rc = wait_for(m, c, at, parent);
        }
        missing.from = missing.at + 1;
    }
    sync_row_free(&row);
    return rc;
}

static void spread_drops(sync_circle *c)
{
    while (c->depth) {
        const sync_candidate *one = &c->list[c->stack[--c->depth]];
        for (uint32_t e = one->waiting; e; e = c->edges[e - 1].next) {
            drop(c, c->edges[e - 1].child);
        }
    }
}

/* Tries to show one of those that stay. */
static int show_one(sync_merging *m, sync_candidate *one)
{
    sync_row row = {0};
    sync_slot slot;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
    if (rc == SYNC_OK && row.held) {
        rc = sync_show(m, one->t, one->key, &row, &slot, SYNC_MERGE_CELLS);
        one->shown = rc == SYNC_OK && slot.shown;
    }
    sync_row_free(&row);
    return rc;
}

/* Shows those whose parents are shown, then those who waited for them. */
static int show_chains(sync_merging *m, sync_circle *c, bool *shown)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < c->count; i++) {
        if (!c->list[i].dropped && c->list[i].lacks == 0) {
            c->stack[c->depth++] = i;
        }
    }
    while (rc == SYNC_OK && c->depth) {
        uint32_t at = c->stack[--c->depth];
        sync_candidate *one = &c->list[at];
        rc = show_one(m, one);
        *shown = *shown || one->shown;
        for (uint32_t e = one->shown ? one->waiting : 0; e; e = c->edges[e - 1].next) {
            sync_candidate *child = &c->list[c->edges[e - 1].child];
            if (--child->lacks == 0 && !child->dropped) {
                c->stack[c->depth++] = c->edges[e - 1].child;
            }
        }
        one->dropped = true; /* done with */
    }
    c->depth = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->list[i].dropped && !c->list[i].shown) {
            c->stack[c->depth++] = i;
        }
        spread_drops(c);
    }
    return rc;
}

/* One trial of all that is left; *failed: one of them was refused or pushed out, and is dropped with those who rely on it. */
static int show_circles(sync_merging *m, sync_circle *c, bool *tried, bool *failed)
{
    int rc = SYNC_OK;
    *tried = *failed = false;
    m->circle = c;
    for (uint32_t i = 0; rc == SYNC_OK && i < c->count; i++) {
        if (!c->list[i].dropped) {
            rc = show_one(m, &c->list[i]);
            *tried = true;
        }
    }
    m->circle = NULL;
    for (uint32_t i = 0; rc == SYNC_OK && i < c->count; i++) {
        sync_candidate *one = &c->list[i];
        sync_row row = {0};
        sync_slot slot;
        if (one->dropped) {
            continue;
        }
        sync_arena_reset(&m->arena);
        rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
        if (rc == SYNC_OK && !slot.shown) {
            drop(c, i);
            *failed = true;
        }
        sync_row_free(&row);
    }
    return rc;
}

/* Those that wait for each other: all are shown, or what happened is taken back and those that failed are left out. */
static int show_rest(sync_merging *m, sync_circle *c, bool *shown)
{
    bool tried = true, failed = true;
    int rc = SYNC_OK;
    while (rc == SYNC_OK && failed) {
        int64_t newest = m->newest;
        rc = sync_exec(m->s, m->error, "SAVEPOINT sync_circle");
        rc = rc == SYNC_OK ? show_circles(m, c, &tried, &failed) : rc;
        if (rc == SYNC_OK && failed) {
            rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_circle");
            m->newest = newest;
            spread_drops(c);
        }
        rc = rc == SYNC_OK ? sync_exec(m->s, m->error, "RELEASE sync_circle") : rc;
    }
    *shown = *shown || tried;
    return rc;
}

static int circle_init(sync_circle *c, sync_candidate *list, uint32_t count)
{
    *c = (sync_circle){.list = list, .count = count, .slot_count = 16};
    while (c->slot_count < 2 * count) {
        c->slot_count *= 2;
    }
    c->slots = sync_alloc(c->slot_count * sizeof *c->slots);
    c->stack = sync_alloc((count + 1) * sizeof *c->stack);
    if (!c->slots || !c->stack) {
        return SYNC_NOMEM;
    }
    memset(c->slots, 0, c->slot_count * sizeof *c->slots);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = hash_of(c, list[i].t, list[i].key, list[i].born);
        list[i].next = c->slots[at];
        list[i].waiting = list[i].lacks = 0;
        list[i].dropped = list[i].shown = false;
        c->slots[at] = i + 1;
    }
    return c->buf.oom ? SYNC_NOMEM : SYNC_OK;
}

int sync_circle_show(sync_merging *m, sync_candidate *list, uint32_t count, bool *shown)
{
    sync_circle c;
    int rc = circle_init(&c, list, count) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        rc = look(m, &c, i);
    }
    spread_drops(&c);
    rc = rc == SYNC_OK ? show_chains(m, &c, shown) : rc;
    bool left = false;
    for (uint32_t i = 0; i < count; i++) {
        left = left || !list[i].dropped;
    }
    rc = rc == SYNC_OK && left ? show_rest(m, &c, shown) : rc;
    sync_free(c.slots);
    sync_free(c.stack);
    sync_free(c.edges);
    sync_buf_free(&c.buf);
    return rc;
}
