/* What orphans.c found, listed; and what is listed, looked at again. */
#include "base.h"
#include "key.h"
#include "meant.h"
#include "orphans.h"
#include "parents.h"

/* What a row was that is known by something else now ends. */
static int end_life(sync_merging *m, sync_table *t, const sync_value *was, uint64_t cl, sync_stamp stamp)
{
    sync_row row = {0};
    sync_slot slot;
    int64_t seq = 0;
    int rc = sync_find(m, t, was, SYNC_STAMP_NONE, &row, &slot);
    if (rc == SYNC_OK && slot.was_held) {
        rc = sync_conflict_clear(m, t, was, &row);
    }
    sync_row end = {.cl = row.cl > cl ? row.cl : cl, .stamp = stamp};
    end.cl += end.cl & 1;
    rc = rc == SYNC_OK ? sync_enter(m, t, was, &seq) : rc;
    rc = rc == SYNC_OK ? sync_put(m, t, was, &end, &slot, 0, seq) : rc;
    sync_row_free(&row);
    return rc;
}

/* What it is now may be known here as a row that is held, or has ended (*found): these are one row then, in its next life, or in the same, as it is shown. */
static int take_over(sync_merging *m, sync_table *t, const sync_value *known, sync_row *row, bool *found)
{
    sync_row aside = {0};
    sync_slot slot = {0};
    *found = false;
    int rc = sync_find_aside(m, t, known, found, &aside, &slot);
    uint64_t cl = rc == SYNC_OK && *found ? aside.cl : 0;
    cl = cl & 1 ? cl : sync_next_life(t, cl);
    row->cl = row->cl > cl ? row->cl : cl;
    row->origin = SYNC_STAMP_NONE;
    if (rc == SYNC_OK && *found) {
        rc = sync_conflict_clear(m, t, known, &aside);
        rc = rc == SYNC_OK ? sync_clocks_delete(m->s, t, SYNC_IN_FILE, known, 0, m->error) : rc;
        rc = rc == SYNC_OK && slot.seq != m->newest ? sync_clocks_drop_entry(m->s, slot.seq, m->error) : rc;
    }
    sync_row_free(&aside);
    return rc;
}

/* The key of a shown row means other rows than when it was written: as what it was it ends, and what it is now is new. meant: a program wrote it as what it is now; otherwise it
** is below whatever others have written of that, unless it stands here in place of just that. */
static int begin_anew(sync_merging *m, sync_table *t, const sync_value *shown, const sync_value *was,
                      bool meant, sync_row *row, sync_slot *slot)
{
    sync_stamp stamp = sync_merging_stamp(m);
    int64_t seq = 0;
    bool replaces = false;
    int rc = end_life(m, t, was, row->cl, stamp);
    rc = rc == SYNC_OK ? take_over(m, t, slot->known, row, &replaces) : rc;
    stamp.written = meant || replaces;
    row->stamp = stamp;
    for (uint32_t i = 0; i < row->count; i++) {
        row->cells[i].stamp = stamp;
    }
    rc = rc == SYNC_OK ? sync_enter(m, t, shown, &seq) : rc;
    return rc == SYNC_OK ? sync_put(m, t, slot->known, row, slot, 0, seq) : rc;
}

/* A row from before what was folded is known by what its numbers meant then; one that was written in it, by what they meant at that moment. What meant nobody is listed. */
static int mean_anew(sync_merging *m, const sync_orphans *o, const sync_orphan *one)
{
    const sync_table *t = one->t;
    sync_value was[SYNC_KEY_COLUMNS_MAX];
    sync_row row = {0};
    sync_slot slot;
    bool changed = false;
    sync_arena_reset(&m->arena);
    int rc = sync_find_shown(m, one->t, one->key, &row, &slot);
    uint64_t at = row.stamp.hlc > o->since ? row.stamp.hlc : o->since;
    for (uint32_t k = 0; rc == SYNC_OK && slot.shown && k < t->key_count; k++) {
        sync_table *parent = t->key_parents[k] ? sync_engine_tid(m->s, t->key_parents[k]) : NULL;
        bool passed = false, anybody = false;
        sync_value before = {.type = SYNC_NULL};
        was[k] = slot.known[k];
        if (parent && !parent->missing && one->key[k].type == SYNC_INTEGER) {
            rc = sync_meant_before(m->s, parent, SYNC_IN_FILE, one->key[k].i, &slot.known[k], at, &passed,
                                   &anybody, &before, &m->arena, m->error);
        }
        if (rc == SYNC_OK && passed && anybody) {
            was[k] = before;
            changed = true;
        }
    }
    if (rc == SYNC_OK && changed) {
        rc = begin_anew(m, one->t, one->key, was, true, &row, &slot);
    }
    sync_row_free(&row);
    return rc;
}

/* Lists a row that is shown without the parent that one of its foreign keys refers to. key: as it is shown. */
static int list_one(sync_merging *m, sync_table *t, const sync_fk *fk, const sync_value *key)
{
    const sync_table *parent = sync_engine_tid(m->s, fk->parent_tid);
    char why[SYNC_ERROR_BYTES];
    sync_row row = {0};
    sync_slot slot;
    sync_value room;
    bool exists = false;
    int rc = sync_find_shown(m, t, key, &row, &slot);
    if (rc == SYNC_OK && slot.shown) {
        rc = sync_base_load(m->s, t, key, &row, NULL, &m->arena, &exists, m->error);
    }
    if (rc == SYNC_OK && exists) {
        sqlite3_snprintf(sizeof why, why, "%s(%s) refers to a row of %s that is not there: written here",
                         t->name, fk->from[0], parent->name);
        const sync_value *known = sync_known_by(&row, &slot, key, &room);
        rc = sync_conflict_unlist(m, t, known, &row, "foreign key");
        rc = rc == SYNC_OK ? sync_conflict_note(m, t, known, &row, NULL, "foreign key", why) : rc;
    }
    sync_row_free(&row);
    return rc;
}

int sync_orphans_note(sync_merging *m, const sync_orphans *o)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < o->count; i++) {
        const sync_orphan *one = &o->list[i];
        sync_arena_reset(&m->arena);
        rc = one->reborn ? mean_anew(m, o, one) : list_one(m, one->t, one->fk, one->key);
    }
    return rc;
}

/* The row means the parents that it has found now (only: by that foreign key; NULL: by any), under their numbers: a write of this file, since the row had been told as meaning
** nobody. */
static int adopt(sync_merging *m, sync_table *t, const sync_fk *only, const sync_value *key, sync_stamp born)
{
    sync_row row = {0};
    sync_slot slot;
    bool means = false;
    int64_t seq = 0;
    sync_value room;
    sync_stamp stamp = SYNC_STAMP_NONE;
    int rc = sync_find(m, t, key, born, &row, &slot);
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        bool its = fk->child_tid == t->tid && fk->to_row && (!only || fk->from_col == only->from_col);
        sync_cell *cell = its && fk->from_col < SYNC_REF_KEY ? sync_row_find(&row, fk->from_col) : NULL;
        if (cell) {
            stamp = means ? stamp : sync_merging_stamp(m); /* one for all of them */
            stamp.written = cell->stamp.written;
            cell->stamp = stamp;
            means = true;
        }
    }
    if (rc == SYNC_OK && means) {
        rc = sync_enter(m, t, sync_lies(&slot, key, &room), &seq);
        rc = rc == SYNC_OK ? sync_put(m, t, key, &row, &slot, 0, seq) : rc;
    }
    sync_row_free(&row);
    return rc;
}

/* The same of a row whose key refers to the parent: it is a new one, since it was told under a key that meant nobody. So it is as soon as any part of the key means another row,
** also while another parent is missing; then it stays listed, as what it is now. key: by which it is listed. */
static int review_meant(sync_merging *m, sync_table *t, const sync_value *key)
{
    sync_value at[SYNC_KEY_COLUMNS_MAX];
    sync_row row = {0};
    sync_slot slot;
    sync_missing missing = {.from = 0};
    bool exists = false, there, same = true;
    int rc = sync_find_key(m, t, key, at, &there);
    rc = rc == SYNC_OK ? sync_find_shown(m, t, at, &row, &slot) : rc;
    if (rc == SYNC_OK && slot.shown) {
        sync_slot unseen = {0};
        rc = sync_parents_load(m, t, at, &row, NULL, &exists);
        rc = rc == SYNC_OK && exists ? sync_parents_missing(m, t, at, &row, &unseen, &missing) : rc;
        same = sync_key_same(t, key, slot.known);
    }
    if (rc == SYNC_OK && exists && same && !missing.why[0]) {
        rc = adopt(m, t, NULL, key, SYNC_STAMP_NONE);
    } else if (rc == SYNC_OK && exists && !same) {
        for (uint32_t i = 0; i < row.count; i++) {
            row.cells[i].carried = row.cells[i].carried && !t->cols[row.cells[i].col].present;
        }
        rc = begin_anew(m, t, at, key, false, &row, &slot);
    }
    if (rc == SYNC_OK && (!same || !missing.why[0])) {
        rc = sync_conflict_unlist(m, t, key, &(sync_row){0}, "foreign key");
    }
    if (rc == SYNC_OK && !same && missing.why[0]) {
        rc = list_one(m, t, &m->s->fks[missing.at], at);
    }
    sync_row_free(&row);
    return rc;
}

int sync_orphans_adopt(sync_merging *m, sync_table *t, const sync_fk *fk, const sync_value *key,
                       sync_stamp born)
{
    return fk->from_col >= SYNC_REF_KEY ? review_meant(m, t, key) : adopt(m, t, fk, key, born);
}

int sync_orphans_review(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born)
{
    sync_row row = {0};
    sync_slot slot;
    sync_missing missing = {.from = 0};
    sync_value room;
    bool exists = false;
    sync_arena_reset(&m->arena);
    if (t->meant) {
        return review_meant(m, t, key);
    }
    int rc = sync_find(m, t, key, born, &row, &slot);
    if (rc == SYNC_OK && slot.shown) {
        const sync_value *lies = sync_lies(&slot, key, &room);
        rc = sync_parents_load(m, t, lies, &row, NULL, &exists);
        slot.shown = false; /* look at every foreign key */
        rc = rc == SYNC_OK && exists ? sync_parents_missing(m, t, lies, &row, &slot, &missing) : rc;
    }
    if (rc == SYNC_OK && exists && !missing.why[0]) {
        rc = adopt(m, t, NULL, key, born);
    }
    if (rc == SYNC_OK && !missing.why[0]) {
        rc = sync_conflict_unlist(m, t, key, &(sync_row){.born = born}, "foreign key");
    }
    sync_row_free(&row);
    return rc;
}
