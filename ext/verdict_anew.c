/* Two rows of one number, and both are to be kept, where no row can take its number along (sync_renumber_may): the held one is inserted anew under another, and the rows
** that are held for it follow. */
#include "base.h"
#include "key.h"
#include "meant.h"
#include "parents.h"
#include "verdict_internal.h"

/* ---- the row ---- */

typedef struct anew {
    int64_t number;
    sync_stamp born;
} anew;

/* What is held may have a number too. */
static int choose_number(sync_verdict_state *v, sync_merging *m)
{
    anew *to = v->found;
    sync_missing missing = {.from = 0};
    sync_slot unseen = {0};
    int64_t highest = 0;
    int rc = sync_parents_missing(m, v->t, v->at, &v->whole, &unseen, &missing);
    if (rc == SYNC_OK && missing.why[0]) {
        return sync_verdict_refused(v, v->t, v->key, "settle first what it refers to", missing.why);
    }
    rc = rc == SYNC_OK ? sync_query_int(v->s, &highest, 0, v->error,
                                        "SELECT max(coalesce((SELECT max(\"%w\") FROM main.\"%w\"), 0),"
                                        " coalesce((SELECT max(k1) FROM main.sync_row_%u), 0),"
                                        " coalesce((SELECT max(k1) FROM main.sync_hidden_%u), 0))",
                                        v->t->key_names[0], v->t->name, v->t->tid, v->t->tid)
                       : rc;
    if (rc == SYNC_OK && highest == INT64_MAX) {
        rc = sync_verdict_refused(v, v->t, v->key, "both cannot be kept", "there is no higher number");
    }
    to->number = highest + (highest < INT64_MAX);
    return rc;
}

/* Does this foreign key of a held row mean the one that moves? */
static bool means(const sync_verdict_state *v, const sync_fk *fk, const sync_row *row)
{
    bool meant = false;
    for (uint32_t i = 0; i < row->ref_count; i++) {
        meant = meant || (row->refs[i].col == fk->from_col && sync_stamp_equal(row->refs[i].born, v->born) &&
                          row->refs[i].number == v->key[0].i);
    }
    return meant;
}

/* Where it refers to itself, it goes on doing so. */
static void refer_to_itself(sync_verdict_state *v)
{
    const anew *to = v->found;
    for (uint32_t f = 0; f < v->s->fk_count; f++) {
        const sync_fk *fk = &v->s->fks[f];
        bool own = fk->child_tid == v->t->tid && fk->parent_tid == v->t->tid && fk->to_row;
        sync_cell *cell = own && means(v, fk, &v->whole) ? sync_row_find(&v->whole, fk->from_col) : NULL;
        if (cell) {
            cell->value.i = to->number;
        }
    }
}

static int insert(sync_verdict_state *v)
{
    const anew *to = v->found;
    sync_value key = {.type = SYNC_INTEGER, .i = to->number};
    refer_to_itself(v);
    int rc = sync_base_insert(v->s, v->t, &key, &v->whole, v->error);
    return sync_base_refused(rc)
               ? sync_verdict_refused(v, v->t, v->key, "it cannot be inserted under another number",
                                      sync_base_said(v->s))
               : rc;
}

/* Values of columns that are not here stay with the row. */
static int bring_along(sync_verdict_state *v, sync_merging *m)
{
    const anew *to = v->found;
    sync_value key = {.type = SYNC_INTEGER, .i = to->number};
    sync_row change = {0};
    sync_stamp stamp = sync_merging_stamp(m);
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < v->row.count; i++) {
        const sync_cell *cell = &v->row.cells[i];
        sync_cell *kept = v->t->cols[cell->col].present ? NULL : sync_row_set(&change, cell->col, stamp);
        rc = kept || v->t->cols[cell->col].present ? SYNC_OK : sync_fail_nomem(v->error);
        if (kept) {
            kept->carried = true;
            kept->value = cell->value;
        }
    }
    rc = rc == SYNC_OK && change.count ? sync_verdict_put(m, v->t, &key, to->born, &change) : rc;
    sync_row_free(&change);
    return rc;
}

/* ---- those that refer to it ---- */

/* A row whose key changes begins a life under the new one, with all that it had. */
static int move(sync_verdict_state *v, sync_merging *m, sync_table *t, const sync_listed *one,
                const sync_value *key, sync_row *row)
{
    sync_row there = {0};
    sync_slot slot;
    sync_stamp stamp = sync_merging_stamp(m);
    bool by_row = t->identity == SYNC_BY_ROW;
    int rc = sync_find(m, t, key, by_row ? stamp : SYNC_STAMP_NONE, &there, &slot);
    if (rc == SYNC_OK && (sync_row_alive(&there) || (by_row && m->other_slot.shown))) {
        rc = sync_verdict_refused(v, t, one->key, "it cannot follow",
                                  "there is a row of the key that it would have");
    }
    row->cl = by_row ? 1 : sync_next_life(t, there.cl);
    row->born = by_row ? stamp : SYNC_STAMP_NONE;
    row->stamp = stamp;
    row->held = row->moved = false;
    for (uint32_t i = 0; i < row->count; i++) {
        row->cells[i].stamp = stamp;
    }
    if (rc == SYNC_OK) {
        sync_merged what = sync_row_merge(&m->s->sites, t->identity, &there, row);
        slot.respell = slot.in_clock && !by_row;
        rc = what == SYNC_MERGE_NOMEM ? sync_fail_nomem(m->error) : sync_show(m, t, key, &there, &slot, what);
    }
    sync_row_free(&there);
    return rc == SYNC_OK ? sync_verdict_drop(m, t, one->key, one->born) : rc;
}

static int follow(sync_verdict_state *v, sync_merging *m, sync_table *t, const sync_listed *one)
{
    const anew *to = v->found;
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_row row = {0}, change = {0};
    sync_slot slot;
    bool moves = false, any = false;
    sync_stamp stamp = sync_merging_stamp(m);
    int rc = sync_find(m, t, one->key, one->born, &row, &slot);
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        key[i] = slot.spelled ? slot.spelled[i] : one->key[i];
    }
    for (uint32_t f = 0; rc == SYNC_OK && row.held && f < v->s->fk_count; f++) {
        const sync_fk *fk = &v->s->fks[f];
        if (fk->child_tid != t->tid || fk->parent_tid != v->t->tid || !fk->to_row || !means(v, fk, &row)) {
            continue;
        }
        sync_value number = {.type = SYNC_INTEGER, .i = to->number};
        any = true;
        if (fk->from_col >= SYNC_REF_KEY) {
            sync_value *part = &key[fk->from_col - SYNC_REF_KEY];
            bool kept = !t->meant || sync_meant_part(&m->arena, to->number, to->born, part);
            *part = t->meant ? *part : number;
            rc = kept ? SYNC_OK : sync_fail_nomem(v->error);
            moves = true;
        } else {
            sync_cell *cell = sync_row_set(&change, fk->from_col, stamp);
            rc = cell ? SYNC_OK : sync_fail_nomem(v->error);
            if (cell) {
                cell->carried = true;
                cell->value = number;
            }
        }
        sync_ref ref = {fk->from_col, to->number, to->born};
        rc = rc == SYNC_OK && sync_row_add_ref(&change, ref) != SYNC_OK ? sync_fail_nomem(v->error) : rc;
    }
    if (rc == SYNC_OK && moves) { /* the whole row goes, with what has changed in it */
        change.cl = row.cl;
        change.born = row.born;
        change.stamp = stamp;
        for (uint32_t i = 0; rc == SYNC_OK && i < row.ref_count; i++) {
            bool replaced = false;
            for (uint32_t r = 0; r < change.ref_count; r++) {
                replaced = replaced || change.refs[r].col == row.refs[i].col;
            }
            rc = replaced || sync_row_add_ref(&change, row.refs[i]) == SYNC_OK ? SYNC_OK
                                                                               : sync_fail_nomem(v->error);
        }
        if (rc == SYNC_OK && sync_row_merge(&m->s->sites, t->identity, &row, &change) == SYNC_MERGE_NOMEM) {
            rc = sync_fail_nomem(v->error);
        }
        row.ref_count = 0;
        for (uint32_t i = 0; rc == SYNC_OK && i < change.ref_count; i++) {
            rc = sync_row_add_ref(&row, change.refs[i]) == SYNC_OK ? SYNC_OK : sync_fail_nomem(v->error);
        }
        rc = rc == SYNC_OK ? move(v, m, t, one, key, &row) : rc;
    } else if (rc == SYNC_OK && any) {
        rc = sync_verdict_put(m, t, one->key, one->born, &change);
    }
    sync_row_free(&row);
    sync_row_free(&change);
    return rc;
}

static int follow_all(sync_verdict_state *v, sync_merging *m)
{
    anew *to = v->found;
    int64_t upto = 0;
    int64_t birth = 0;
    bool known;
    int rc = sync_clocks_shown(v->s, v->t, SYNC_IN_FILE, to->number, &to->born, &birth, &known, v->error);
    rc = rc == SYNC_OK ? bring_along(v, m) : rc;
    rc = rc == SYNC_OK ? sync_query_int(v->s, &upto, 0, v->error, "SELECT max(id) FROM main.sync_conflict")
                       : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < v->s->table_count; i++) {
        sync_table *t = &v->s->tables[i];
        sync_listing listing = {.of = SYNC_LISTED_ALL, .upto = upto, .one_by_one = true};
        const sync_listed *one;
        bool refers = false;
        for (uint32_t f = 0; f < v->s->fk_count; f++) {
            refers = refers || (v->s->fks[f].child_tid == t->tid && v->s->fks[f].parent_tid == v->t->tid);
        }
        while (rc == SYNC_OK && refers && !t->missing &&
               (rc = sync_conflict_next(m, t, &listing, &one)) == SQLITE_ROW) {
            rc = follow(v, m, t, one);
        }
        sync_conflict_end(&listing);
        rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    }
    return rc == SYNC_OK ? sync_verdict_drop(m, v->t, v->key, v->born) : rc;
}

int sync_verdict_anew(sync_verdict_state *v)
{
    anew to = {0};
    v->found = &to;
    int rc = sync_verdict_look(v, choose_number);
    rc = rc == SYNC_OK ? sync_verdict_write(v, insert) : rc;
    rc = rc == SYNC_OK ? sync_verdict_merge(v, follow_all) : rc;
    v->found = NULL;
    return rc;
}
