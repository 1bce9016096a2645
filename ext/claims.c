#include "claims.h"

#include "key.h"
#include "parents.h"

#include <string.h>

/* `child` relies on `parent`. */
typedef struct sync_edge {
    uint32_t child, next_child;   /* next edge of this parent: index + 1 */
    uint32_t parent, next_parent; /* next edge of this child */
} edge;

void sync_claims_free(sync_claims *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        sync_row_free(&c->list[i].row);
    }
    sync_free(c->list);
    sync_free(c->slots);
    sync_free(c->edges);
    sync_free(c->stack);
    sync_buf_free(&c->buf);
    sync_arena_free(&c->arena);
}

/* ---- the set ---- */

static uint32_t hash_of(sync_claims *c, const sync_table *t, const sync_value *key, sync_stamp born)
{
    sync_buf_reset(&c->buf);
    sync_buf_put_varint(&c->buf, t->tid);
    bool normal = sync_key_normal(&c->buf, t, key);
    for (uint32_t i = 0; !normal && i < t->key_count; i++) {
        sync_value_put(&c->buf, &key[i]);
    }
    sync_buf_put_u64(&c->buf, born.hlc);
    return sync_hash(c->buf.data, c->buf.len) & (c->slot_count - 1);
}

uint32_t sync_claims_find(sync_claims *c, const sync_table *t, const sync_value *key, sync_stamp born)
{
    for (uint32_t at = c->count ? c->slots[hash_of(c, t, key, born)] : 0; at; at = c->list[at - 1].next) {
        const sync_claim *one = &c->list[at - 1];
        if (one->t == t && sync_stamp_equal(one->born, born) && sync_key_equal(t, one->key, key)) {
            return at - 1;
        }
    }
    return SYNC_NO_CLAIM;
}

bool sync_claims_trusts(sync_claims *c, const sync_table *t, const sync_value *key, sync_stamp born,
                        int64_t *number)
{
    uint32_t at = sync_claims_find(c, t, key, born);
    bool trusted = at != SYNC_NO_CLAIM && c->list[at].wins;
    if (trusted && number && c->list[at].numbered) {
        *number = c->list[at].number.i;
    }
    return trusted;
}

static void chain(sync_claims *c, uint32_t at)
{
    sync_claim *one = &c->list[at];
    uint32_t hash = hash_of(c, one->t, one->key, one->born);
    one->next = c->slots[hash];
    c->slots[hash] = at + 1;
}

static int grow(sync_claims *c)
{
    uint32_t cap = c->cap ? c->cap * 2 : 16, slot_count = 2 * cap;
    sync_claim *list = sync_realloc(c->list, cap * sizeof *list);
    c->list = list ? list : c->list;
    uint32_t *stack = sync_realloc(c->stack, cap * sizeof *stack);
    c->stack = stack ? stack : c->stack;
    uint32_t *slots = sync_alloc(slot_count * sizeof *slots);
    if (!list || !stack || !slots) {
        sync_free(slots);
        return sync_fail_nomem(c->m->error);
    }
    sync_free(c->slots);
    c->slots = slots;
    c->slot_count = slot_count;
    c->cap = cap;
    memset(slots, 0, c->slot_count * sizeof *slots);
    for (uint32_t i = 0; i < c->count; i++) {
        chain(c, i);
    }
    return SYNC_OK;
}

static sync_value *keep_key(sync_claims *c, const sync_table *t, const sync_value *key)
{
    sync_value *kept = sync_arena_alloc(&c->arena, t->key_count * sizeof *kept);
    for (uint32_t i = 0; kept && i < t->key_count; i++) {
        kept = sync_arena_value(&c->arena, &key[i], &kept[i]) ? kept : NULL;
    }
    return kept;
}

int sync_claims_add(sync_claims *c, sync_table *t, const sync_value *key, sync_stamp born, uint32_t *at)
{
    *at = sync_claims_find(c, t, key, born);
    if (*at != SYNC_NO_CLAIM) {
        return SYNC_OK;
    }
    int rc = c->count == c->cap ? grow(c) : SYNC_OK;
    sync_value *kept = rc == SYNC_OK ? keep_key(c, t, key) : NULL;
    if (kept == NULL) {
        return sync_fail_nomem(c->m->error);
    }
    *at = c->count++;
    c->list[*at] = (sync_claim){.t = t,
                                .key = kept,
                                .born = born,
                                .numbered = t->identity == SYNC_BY_ROW && kept->type == SYNC_INTEGER,
                                .number = *kept,
                                .since = born};
    chain(c, *at);
    return c->buf.oom ? sync_fail_nomem(c->m->error) : SYNC_OK;
}

int sync_claims_note(sync_claims *c, uint32_t at, const sync_row *row, const sync_slot *slot)
{
    sync_claim *one = &c->list[at];
    one->shown = slot->shown;
    one->given = row->stamp;
    if (row->moved && one->numbered) {
        one->number.i = row->number;
        one->since = row->since;
    }
    one->at = slot->at ? keep_key(c, one->t, slot->at) : NULL;
    return slot->at && !one->at ? sync_fail_nomem(c->m->error) : SYNC_OK;
}

const sync_value *sync_claim_at(const sync_claim *one)
{
    return one->at ? one->at : one->numbered ? &one->number : one->key;
}

/* ---- those that sync_conflict lists ---- */

/* Key and birth of the entry that stmt stands on: raw_key, clock_key. */
static int read_listed(sync_claims *list, sync_table *t, sqlite3_stmt *stmt, uint32_t *at)
{
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_stamp born;
    int rc =
        sync_conflict_key(list->m, t, sync_column_value(stmt, 0), sync_column_value(stmt, 1), key, &born);
    return rc == SYNC_OK ? sync_claims_add(list, t, key, born, at) : rc;
}

int sync_claims_listed(sync_claims *list, sync_table *t, bool held, const char *reason)
{
    sync_merging *m = list->m;
    sqlite3_stmt *stmt;
    uint32_t at;
    int rc = sync_conflict_flush(m);
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_borrow(m->s, &stmt, m->error,
                     "SELECT raw_key, clock_key, reason = 'foreign key', at FROM main.sync_conflict WHERE "
                     "tid = ?1 AND held = ?2 AND (?3 IS NULL OR reason = ?3) ORDER BY id");
    if (rc == SYNC_OK && (sqlite3_bind_int64(stmt, 1, t->tid) || sqlite3_bind_int(stmt, 2, held) ||
                          sqlite3_bind_text(stmt, 3, reason, -1, SQLITE_STATIC))) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    while (rc == SYNC_OK && (rc = sync_step(m->s, stmt, m->error)) == SQLITE_ROW) {
        rc = read_listed(list, t, stmt, &at);
        if (rc == SYNC_OK) {
            list->list[at].listed_parent = sqlite3_column_int(stmt, 2) != 0;
            list->list[at].listed_at = sqlite3_column_int64(stmt, 3);
        }
    }
    sync_return(m->s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* ---- contents ---- */

int sync_claims_load(sync_claims *c, uint32_t at)
{
    sync_claim *one = &c->list[at];
    sync_slot slot;
    bool exists = false, memory = true;
    sync_arena_reset(&c->m->arena);
    int rc = sync_find(c->m, one->t, one->key, one->born, &one->row, &slot);
    rc = rc == SYNC_OK ? sync_parents_load(c->m, one->t, sync_claim_at(one), &one->row, NULL, &exists) : rc;
    rc = rc == SYNC_OK ? sync_parents_renumber(c->m, one->t, one->key, &one->row) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < one->row.count; i++) {
        sync_value value = one->row.cells[i].value;
        memory = memory && (!one->row.cells[i].carried ||
                            sync_arena_value(&c->arena, &value, &one->row.cells[i].value));
    }
    one->loaded = rc == SYNC_OK;
    return rc == SYNC_OK && !memory ? sync_fail_nomem(c->m->error) : rc;
}

int sync_claims_read(sync_claims *c, uint32_t at, sync_row *row)
{
    const sync_claim *one = &c->list[at];
    sync_slot slot;
    sync_arena_reset(&c->m->arena);
    if (one->shown) {
        return sync_row_copy(row, &one->row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(c->m->error);
    }
    int rc = sync_find(c->m, one->t, one->key, one->born, row, &slot);
    return rc == SYNC_OK ? sync_parents_renumber(c->m, one->t, one->key, row) : rc;
}

/* ---- who relies on whom ---- */

static int add_edge(sync_claims *c, uint32_t child, uint32_t parent)
{
    if (c->edge_count == c->edge_cap) {
        uint32_t cap = c->edge_cap ? c->edge_cap * 2 : 64;
        edge *wider = sync_realloc(c->edges, cap * sizeof *wider);
        if (wider == NULL) {
            return sync_fail_nomem(c->m->error);
        }
        c->edges = wider;
        c->edge_cap = cap;
    }
    c->edges[c->edge_count++] = (edge){child, c->list[parent].waiting, parent, c->list[child].needs};
    c->list[parent].waiting = c->list[child].needs = c->edge_count;
    return SYNC_OK;
}

static bool has_parents(const sync_merging *m, const sync_table *t)
{
    bool any = false;
    for (uint32_t i = 0; !any && i < m->s->fk_count; i++) {
        any = m->s->fks[i].child_tid == t->tid;
    }
    return any;
}

static int look_at(sync_claims *c, uint32_t at)
{
    sync_claim *one = &c->list[at];
    sync_row row = {0};
    sync_slot away = {0};
    sync_missing missing = {.from = 0};
    int rc = sync_claims_read(c, at, &row);
    while (rc == SYNC_OK && one->stays) {
        rc = sync_parents_missing(c->m, one->t, sync_claim_at(one), &row, &away, &missing);
        if (rc != SYNC_OK || !missing.why[0]) {
            break;
        }
        uint32_t parent =
            missing.has_key ? sync_claims_find(c, missing.parent, missing.key, missing.born) : SYNC_NO_CLAIM;
        if (parent != SYNC_NO_CLAIM) {
            rc = add_edge(c, at, parent);
        } else {
            one->stays = one->shown;
        }
        missing.from = missing.at + 1;
    }
    sync_row_free(&row);
    return rc;
}

int sync_claims_look(sync_claims *c)
{
    int rc = SYNC_OK;
    c->edge_count = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        c->list[i].waiting = c->list[i].needs = 0;
        c->list[i].stays = c->list[i].left;
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < c->count; i++) {
        bool there = c->list[i].shown && !c->list[i].loaded; /* with its parents, then */
        rc = c->list[i].stays && !there && has_parents(c->m, c->list[i].t) ? look_at(c, i) : SYNC_OK;
    }
    sync_claims_support(c);
    for (uint32_t i = 0; i < c->count; i++) {
        c->list[i].lacks_parent = c->list[i].lacks_parent || (c->list[i].left && !c->list[i].stays);
        c->list[i].left = c->list[i].stays;
    }
    return rc;
}

void sync_claims_support(sync_claims *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (!c->list[i].stays && !c->list[i].wins) {
            c->stack[c->depth++] = i;
        }
    }
    while (c->depth) {
        const sync_claim *gone = &c->list[c->stack[--c->depth]];
        for (uint32_t e = gone->waiting; e; e = c->edges[e - 1].next_child) {
            uint32_t child = c->edges[e - 1].child;
            if (c->list[child].stays) {
                c->list[child].stays = false;
                c->stack[c->depth++] = child;
            }
        }
    }
}

void sync_claims_lose(sync_claims *c, uint32_t at)
{
    c->list[at].wins = false;
    c->stack[c->depth++] = at;
    while (c->depth) {
        const sync_claim *gone = &c->list[c->stack[--c->depth]];
        for (uint32_t e = gone->waiting; e; e = c->edges[e - 1].next_child) {
            uint32_t child = c->edges[e - 1].child;
            if (c->list[child].wins) {
                c->list[child].wins = false;
                c->stack[c->depth++] = child;
            }
        }
    }
}

void sync_claims_give_up(sync_claims *c, uint32_t at)
{
    c->list[at].left = false;
    c->stack[c->depth++] = at;
    while (c->depth) {
        const sync_claim *gone = &c->list[c->stack[--c->depth]];
        for (uint32_t e = gone->waiting; e; e = c->edges[e - 1].next_child) {
            uint32_t child = c->edges[e - 1].child;
            if (c->list[child].left) {
                c->list[child].left = false;
                c->stack[c->depth++] = child;
            }
        }
    }
}

void sync_claims_ancestors(sync_claims *c, uint32_t at, uint32_t *list, uint32_t *count)
{
    for (uint32_t i = 0; i < c->count; i++) {
        c->list[i].stays = false;
    }
    c->list[at].stays = true;
    list[0] = at;
    *count = 1;
    for (uint32_t i = 0; i < *count; i++) {
        for (uint32_t e = c->list[list[i]].needs; e; e = c->edges[e - 1].next_parent) {
            uint32_t parent = c->edges[e - 1].parent;
            if (c->list[parent].left && !c->list[parent].stays) {
                c->list[parent].stays = true;
                list[(*count)++] = parent;
            }
        }
    }
}

void sync_claims_order(sync_claims *c, uint32_t *list, uint32_t *count)
{
    *count = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        sync_claim *one = &c->list[i];
        one->unmet = 0;
        for (uint32_t e = one->needs; e; e = c->edges[e - 1].next_parent) {
            one->unmet++;
        }
        if (one->wins && one->unmet == 0) {
            list[(*count)++] = i;
        }
    }
    for (uint32_t i = 0; i < *count; i++) {
        for (uint32_t e = c->list[list[i]].waiting; e; e = c->edges[e - 1].next_child) {
            sync_claim *child = &c->list[c->edges[e - 1].child];
            if (child->wins && --child->unmet == 0) {
                list[(*count)++] = c->edges[e - 1].child;
            }
        }
    }
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->list[i].wins && c->list[i].unmet) {
            list[(*count)++] = i;
        }
    }
}
