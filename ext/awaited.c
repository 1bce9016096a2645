/* Rows that are listed as written without their parents, by the numbers that they refer to. */
#include "base.h"
#include "claims.h"
#include "key.h"
#include "meant.h"
#include "orphans.h"

#include <string.h>

typedef struct waiting {
    sync_table *t;
    sync_value *key; /* by which it is listed */
    sync_stamp born;
    sync_value *shown; /* and as it is shown */
} waiting;

typedef struct awaited_number {
    const sync_fk *fk;
    int64_t number;
    uint32_t row;
} awaited_number;

typedef struct sync_awaited {
    uint32_t row_count, count, cap;
    waiting *rows;
    awaited_number *list;
    sync_arena arena;
} sync_awaited;

void sync_orphans_forget(sync_merging *m)
{
    sync_awaited *a = m->awaited;
    if (a) {
        sync_free(a->rows);
        sync_free(a->list);
        sync_arena_free(&a->arena);
        sync_free(a);
    }
    m->awaited = NULL;
}

static sync_value *keep_key(sync_awaited *a, const sync_table *t, const sync_value *key)
{
    sync_value *kept = sync_arena_alloc(&a->arena, t->key_count * sizeof *kept);
    for (uint32_t i = 0; kept && i < t->key_count; i++) {
        kept = sync_arena_value(&a->arena, &key[i], &kept[i]) ? kept : NULL;
    }
    return kept;
}

static bool add_number(sync_awaited *a, const sync_fk *fk, const sync_value *v)
{
    if (v == NULL || v->type != SYNC_INTEGER) {
        return true;
    }
    if (a->count == a->cap) {
        uint32_t cap = a->cap ? a->cap * 2 : 16;
        awaited_number *wider = sync_realloc(a->list, cap * sizeof *wider);
        if (wider == NULL) {
            return false;
        }
        a->list = wider;
        a->cap = cap;
    }
    a->list[a->count++] = (awaited_number){fk, v->i, a->row_count};
    return true;
}

/* The numbers of one listed row, if it is shown. */
static int add_row(sync_merging *m, sync_awaited *a, const sync_claim *one)
{
    sync_row row = {0};
    sync_slot slot = {0};
    sync_value room, at[SYNC_KEY_COLUMNS_MAX];
    const sync_value *lies = at;
    bool exists = false, memory = true, there;
    int rc = SYNC_OK;
    if (one->t->meant) { /* one of its numbers may mean the row already that it is about to meet */
        rc = sync_find_key(m, one->t, one->key, at, &there);
        rc = rc == SYNC_OK ? sync_find_shown(m, one->t, at, &row, &slot) : rc;
    } else {
        rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
        lies = sync_lies(&slot, one->key, &room);
    }
    if (rc == SYNC_OK && slot.shown) {
        rc = sync_base_load(m->s, one->t, lies, &row, NULL, &m->arena, &exists, m->error);
    }
    for (uint32_t i = 0; rc == SYNC_OK && exists && memory && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        if (fk->child_tid == one->t->tid && fk->to_row) {
            const sync_cell *cell = fk->from_col < SYNC_REF_KEY ? sync_row_find(&row, fk->from_col) : NULL;
            memory = add_number(a, fk,
                                fk->from_col >= SYNC_REF_KEY ? &lies[fk->from_col - SYNC_REF_KEY]
                                : cell && cell->carried      ? &cell->value
                                                             : NULL);
        }
    }
    if (rc == SYNC_OK && exists && memory) {
        waiting *of = &a->rows[a->row_count++];
        *of = (waiting){one->t, keep_key(a, one->t, one->key), one->born, keep_key(a, one->t, lies)};
        memory = of->key && of->shown;
    }
    sync_row_free(&row);
    return rc == SYNC_OK && !memory ? sync_fail_nomem(m->error) : rc;
}

static bool refers_to_numbers(const sync_db *s, const sync_table *t)
{
    bool refers = false;
    for (uint32_t i = 0; !refers && i < s->fk_count; i++) {
        refers = s->fks[i].child_tid == t->tid && s->fks[i].to_row;
    }
    return refers;
}

static int load(sync_merging *m)
{
    sync_db *s = m->s;
    sync_claims list = {.m = m};
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        sync_table *t = &s->tables[i];
        rc = !t->missing && refers_to_numbers(s, t) ? sync_claims_listed(&list, t, false, "foreign key")
                                                    : SYNC_OK;
    }
    sync_awaited *a = rc == SYNC_OK ? sync_alloc(sizeof *a) : NULL;
    if (a) {
        *a = (sync_awaited){.rows = sync_alloc((list.count + 1) * sizeof *a->rows)};
        m->awaited = a;
    }
    rc = rc == SYNC_OK && (!a || !a->rows) ? sync_fail_nomem(m->error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < list.count; i++) {
        rc = add_row(m, a, &list.list[i]);
    }
    sync_claims_free(&list);
    return rc;
}

/* One of them is met. A row whose key refers to the number is known by another one from now on. */
static int meet(sync_merging *m, sync_awaited *a, const awaited_number *number)
{
    waiting *of = &a->rows[number->row];
    sync_row row = {0};
    sync_slot slot = {0};
    bool listed = false; /* it may be held by now, and another row shown so */
    int rc = sync_conflict_noted(m, of->t, of->key, &(sync_row){.born = of->born}, "foreign key", &listed);
    rc = rc == SYNC_OK && listed ? sync_find_shown(m, of->t, of->shown, &row, &slot) : rc;
    if (rc == SYNC_OK && slot.shown) {
        rc = sync_orphans_adopt(m, of->t, number->fk, of->key, of->born);
        of->key = slot.known ? keep_key(a, of->t, slot.known) : of->key;
        rc = rc == SYNC_OK && !of->key ? sync_fail_nomem(m->error) : rc;
    }
    sync_row_free(&row);
    return rc;
}

int sync_orphans_meet(sync_merging *m, const sync_table *parent, int64_t number)
{
    int rc = m->orphans && !m->awaited ? load(m) : SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && m->awaited && i < m->awaited->count; i++) {
        const awaited_number *one = &m->awaited->list[i];
        bool met = one->number == number && one->fk->parent_tid == parent->tid;
        rc = met ? meet(m, m->awaited, one) : SYNC_OK;
    }
    return rc;
}

int sync_orphans_highest(sync_merging *m, const sync_table *parent, int64_t *highest)
{
    int rc = m->orphans && !m->awaited ? load(m) : SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && m->awaited && i < m->awaited->count; i++) {
        const awaited_number *one = &m->awaited->list[i];
        bool higher = one->number > *highest && one->fk->parent_tid == parent->tid;
        *highest = higher ? one->number : *highest;
    }
    return rc;
}
