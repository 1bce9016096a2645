/* What is held gets another chance; and the local half of every writing operation. */
#include "apply.h"
#include "base.h"
#include "capture.h"
#include "clocks.h"
#include "contest.h"
#include "gone.h"
#include "kept.h"
#include "meant.h"
#include "orphans.h"
#include "parents.h"

#include <string.h>

/* Of a group of tables that refer to each other by other columns than keys: a chain of such references is shown one row deeper in each. */
enum { SETTLE_PASSES_MAX = 64 };

/* ---- rows on the list ---- */

/* A row on the list. Where it is held, it becomes a claim. Where it is shown, it was settled meanwhile, or some cells wait, which are tried again: then *tried. */
static int retry(sync_claims *c, const sync_claim *one, bool *tried)
{
    sync_merging *m = c->m;
    sync_row row = {0};
    sync_slot slot = {0};
    uint32_t at = 0;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
    if (rc == SYNC_OK && !slot.was_held) {
        rc = sync_conflict_clear(m, one->t, one->key, &(sync_row){.born = one->born});
    } else if (rc == SYNC_OK && !row.held) {
        rc = sync_show(m, one->t, one->key, &row, &slot, SYNC_MERGE_CELLS);
        *tried = true;
    }
    if (rc == SYNC_OK && row.held) {
        rc = sync_claims_add(c, one->t, one->key, one->born, &at);
        rc = rc == SYNC_OK ? sync_claims_note(c, at, &row, &slot) : rc;
        if (rc == SYNC_OK) {
            c->list[at].listed_parent = one->listed_parent;
        }
    }
    sync_row_free(&row);
    return rc;
}

/* ---- the outcome ---- */

static const char number_taken[] = "another row was given this number earlier";
static const char unique_taken[] = "another row has the same value under a UNIQUE index";

static int hold_losers(sync_claims *c)
{
    sync_merging *m = c->m;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < c->count; i++) {
        sync_claim *one = &c->list[i];
        sync_row row = {0};
        sync_slot slot = {0};
        if (!one->shown || one->wins) {
            continue;
        }
        sync_arena_reset(&m->arena);
        rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
        if (rc == SYNC_OK && slot.shown) { /* not held as a child of another one yet */
            rc = one->outdated ? sync_hold(m, one->t, one->key, &row, &slot, "number", number_taken)
                               : sync_hold(m, one->t, one->key, &row, &slot, "unique", unique_taken);
        }
        one->shown = slot.shown;
        sync_row_free(&row);
    }
    return rc;
}

/* Shows those that win. One may be refused (CHECK, RAISE): then *again: those who rely on it, and who lost to them, are to be decided anew. */
static int show_winners(sync_claims *c, bool *again)
{
    sync_merging *m = c->m;
    uint32_t count = 0, *order = sync_alloc((c->count + 1) * sizeof *order);
    int rc = order ? SYNC_OK : sync_fail_nomem(m->error);
    if (rc == SYNC_OK) {
        sync_claims_order(c, order, &count);
    }
    m->claims = c;
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        sync_claim *one = &c->list[order[i]];
        sync_row row = {0};
        sync_slot slot = {0};
        if (one->shown || !one->wins) {
            continue;
        }
        sync_arena_reset(&m->arena);
        rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
        if (rc == SYNC_OK && row.held) {
            rc = sync_show(m, one->t, one->key, &row, &slot, SYNC_MERGE_CELLS);
        }
        one->shown = slot.shown;
        if (rc == SYNC_OK && !slot.shown) {
            one->refused = true; /* and listed with the reason */
            sync_claims_lose(c, order[i]);
            *again = true;
        }
        sync_row_free(&row);
    }
    m->claims = NULL;
    sync_free(order);
    return rc;
}

/* What is listed beside a row that stays held. */
static int restate(sync_merging *m, const sync_claim *one)
{
    sync_row row = {0}, other = {0};
    sync_slot slot = {0}, other_slot = {0};
    sync_missing missing = {.from = 0};
    const char *reason = "unique", *detail = unique_taken;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
    rc = rc == SYNC_OK ? sync_occupant(m, one->t, one->key, &row, &other, &other_slot) : rc;
    sync_stamp since = other.moved ? other.since : other.born;
    bool number = rc == SYNC_OK && other_slot.shown &&
                  sync_stamp_compare(&m->s->sites, since, row.moved ? row.since : row.born) <= 0;
    rc = rc == SYNC_OK && row.held
             ? sync_parents_missing(m, one->t, sync_claim_at(one), &row, &slot, &missing)
             : rc;
    if (one->refused) {
        reason = one->reason;
        detail = one->detail;
    } else if (missing.why[0]) {
        reason = "foreign key";
        detail = missing.why;
    } else if (number) {
        reason = "number";
        detail = number_taken;
    }
    rc = rc == SYNC_OK && row.held ? sync_conflict_restate(m, one->t, one->key, &row, reason, detail) : rc;
    sync_row_free(&row);
    sync_row_free(&other);
    return rc;
}

static int write_outcome(sync_claims *c, bool *again)
{
    *again = false;
    int rc = hold_losers(c);
    rc = rc == SYNC_OK ? show_winners(c, again) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && !*again && i < c->count; i++) {
        const sync_claim *one = &c->list[i];
        bool known = one->refused ? one->reason == NULL : one->lacks_parent && one->listed_parent;
        rc = one->shown || known ? SYNC_OK : restate(c->m, one);
    }
    return rc;
}

/* ---- settling ---- */

/* Could what happened in this merge have made room for held rows of a table? */
static bool is_touched(const sync_merging *m, const sync_table *t)
{
    const sync_db *s = m->s;
    bool touched = m->touched[t - s->tables];
    for (uint32_t i = 0; !touched && i < s->fk_count; i++) {
        const sync_table *parent =
            s->fks[i].child_tid == t->tid ? sync_engine_tid(m->s, s->fks[i].parent_tid) : NULL;
        touched = parent && m->touched[parent - s->tables];
    }
    return touched;
}

static bool is_group_touched(const sync_merging *m, const sync_order *order, uint32_t group)
{
    bool touched = false;
    for (uint32_t i = 0; !touched && i < order->count; i++) {
        touched = order->group[i] == group && is_touched(m, &m->s->tables[i]);
    }
    return touched;
}

/* The held rows of a group of tables; what is shown of the list is tried again. */
static int list_group(sync_claims *c, sync_table *const *tables, uint32_t count)
{
    bool tried = true;
    int rc = SYNC_OK;
    for (int turn = 0; rc == SYNC_OK && tried && turn < 2; turn++) { /* what is tried may hold others */
        sync_claims listed = {.m = c->m};
        tried = false;
        for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
            rc = tables[i]->missing ? SYNC_OK : sync_claims_listed(&listed, tables[i], true, NULL);
        }
        for (uint32_t i = 0; rc == SYNC_OK && i < listed.count; i++) {
            rc = retry(c, &listed.list[i], &tried);
        }
        sync_claims_free(&listed);
    }
    return rc;
}

/* Decides over the held rows of a group. *fewer: some are not held any more. */
static int settle_group(sync_merging *m, const sync_order *order, sync_table *const *tables, uint32_t count,
                        bool *fewer)
{
    sync_claims c = {.m = m};
    bool again = true;
    uint32_t held = 0;
    int rc = list_group(&c, tables, count);
    uint32_t held_before = c.count;
    while (rc == SYNC_OK && c.count && again) {
        rc = sync_contest_decide(&c, order);
        rc = rc == SYNC_OK ? write_outcome(&c, &again) : rc;
    }
    for (uint32_t i = 0; i < c.count; i++) {
        held += !c.list[i].shown;
    }
    *fewer = held < held_before;
    sync_claims_free(&c);
    return rc;
}

/* Rows shown without their parents: have they got them? */
static int review_orphans(sync_merging *m)
{
    sync_claims list = {.m = m};
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->table_count; i++) {
        sync_table *t = &m->s->tables[i];
        rc = !t->missing && is_touched(m, t) ? sync_claims_listed(&list, t, false, "foreign key") : SYNC_OK;
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < list.count; i++) {
        rc = sync_orphans_review(m, list.list[i].t, list.list[i].key, list.list[i].born);
    }
    sync_claims_free(&list);
    return rc;
}

int sync_settle(sync_merging *m)
{
    sync_order order = {0};
    bool any = false;
    int rc = sync_conflict_flush(m);
    rc = rc == SYNC_OK ? sync_conflict_any(m->s, &any, m->error) : rc;
    if (rc != SYNC_OK || !any) {
        return rc;
    }
    rc = sync_order_init(&order, m->s, m->error);
    m->retry = true;
    for (uint32_t first = 0, end; rc == SYNC_OK && first < order.count; first = end) {
        uint32_t group = order.group[order.tables[first] - m->s->tables];
        bool touched = is_group_touched(m, &order, group);
        end = sync_order_end(&order, m->s, first);
        for (int pass = 0; rc == SYNC_OK && touched && pass < SETTLE_PASSES_MAX; pass++) {
            rc = settle_group(m, &order, &order.tables[first], end - first, &touched);
            touched = touched && sync_order_refers_by_value(&order, m->s, group);
        }
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < order.count; i++) {
        uint32_t at = (uint32_t)(order.tables[i] - m->s->tables);
        bool all = is_group_touched(m, &order, order.group[at]);
        rc = all || m->listed[at] ? sync_against_complete(m, order.tables[i], all) : SYNC_OK;
    }
    m->retry = false;
    sync_order_free(&order);
    rc = rc == SYNC_OK ? review_orphans(m) : rc;
    return rc == SYNC_OK ? sync_conflict_flush(m) : rc;
}

/* ---- the local half ---- */

/* Does the state hold values whose column is there now, or is known under another name now? */
static bool has_waiting(const sync_table *t, const sync_row *row)
{
    bool waits = false;
    for (uint32_t i = 0; !waits && i < row->count && row->cells[i].col < t->col_count; i++) {
        const sync_column *c = &t->cols[row->cells[i].col];
        waits = row->cells[i].carried && (c->absorb || (!row->held && c->present));
    }
    return waits;
}

/* Shows what has waited; first the values that came under another name of a column become that column's, where they are later. */
static int release_row(sync_merging *m, const sync_claim *h)
{
    sync_row row = {0}, brought = {0};
    sync_slot slot = {0};
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, h->t, h->key, h->born, &row, &slot);
    brought.cl = row.cl;
    brought.born = row.born;
    for (uint32_t i = 0; rc == SYNC_OK && i < row.count;) {
        sync_cell from = row.cells[i];
        if (from.col >= h->t->col_count || !h->t->cols[from.col].absorb) {
            i++;
            continue;
        }
        uint32_t to = h->t->cols[from.col].same - 1;
        sync_cell *cell = sync_row_find(&brought, to);
        if (cell == NULL || sync_stamp_compare(&m->s->sites, cell->stamp, from.stamp) < 0) {
            cell = sync_row_set(&brought, to, from.stamp);
            rc = cell ? SYNC_OK : sync_fail_nomem(m->error);
            if (cell) {
                cell->carried = true;
                cell->value = from.value;
            }
        }
        memmove(&row.cells[i], &row.cells[i + 1], (--row.count - i) * sizeof row.cells[0]);
    }
    m->retry = brought.count == 0; /* otherwise its clock is to be written, whatever comes of it */
    if (rc == SYNC_OK && brought.count &&
        sync_row_merge(&m->s->sites, h->t->identity, &row, &brought) == SYNC_MERGE_NOMEM) {
        rc = sync_fail_nomem(m->error);
    }
    rc = rc == SYNC_OK && row.cl ? sync_show(m, h->t, h->key, &row, &slot, SYNC_MERGE_CELLS) : rc;
    m->retry = true;
    sync_row_free(&row);
    sync_row_free(&brought);
    return rc;
}

/* Gives values that waited for a column their place in it. `kind` of clocks: row or hidden. */
static int release_pending(sync_merging *m, sync_table *t, const char *kind)
{
    sync_db *s = m->s;
    sync_claims list = {.m = m};
    sqlite3_stmt *stmt;
    sync_value room;
    uint32_t at;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT clock, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.sync_%s_%u", kind, t->tid);
    sync_row row = {0};
    int rc = sync_prepare_text(s, &stmt, m->error, sqlite3_str_finish(sql));
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, m->error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 0);
        rc = sync_clocks_unpack(s, t, &clock, &row);
        if (rc != SYNC_OK) {
            rc = sync_fail(m->error, rc, "sync_%s_%u: a clock is damaged", kind, t->tid);
            break;
        }
        if (!has_waiting(t, &row)) {
            continue;
        }
        sync_value key[SYNC_KEY_COLUMNS_MAX], known[SYNC_KEY_COLUMNS_MAX];
        key[0] = sync_column_value(stmt, 1); /* there is always one */
        for (uint32_t i = 1; i < t->key_count; i++) {
            key[i] = sync_column_value(stmt, (int)i + 1);
        }
        if (row.moved) {
            sync_row_lies(&row, key[0].i);
        }
        sync_slot slot = {0};
        if (t->meant && sync_row_alive(&row) && !row.held) {
            rc = sync_meant_known(s, t, SYNC_IN_FILE, key, known, &list.arena, m->error);
            slot.known = known;
        }
        rc = rc == SYNC_OK ? sync_claims_add(&list, t, sync_known_by(&row, &slot, key, &room), row.born, &at)
                           : rc;
    }
    sqlite3_finalize(stmt);
    rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < list.count; i++) {
        rc = release_row(m, &list.list[i]);
    }
    sync_row_free(&row);
    sync_claims_free(&list);
    return rc;
}

/* Names what learning will make known: present in the base table, unknown to the triggers. */
static int list_late(sync_db *s, sync_learned **list, uint32_t *count, sync_error *error)
{
    sqlite3_stmt *stmt;
    *list = NULL;
    *count = 0;
    int rc =
        sync_prepare(s, &stmt, error, "SELECT c.tid, c.cid FROM main.sync_column AS c WHERE c.present = 2");
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        int64_t tid = sqlite3_column_int64(stmt, 0), cid = sqlite3_column_int64(stmt, 1);
        const sync_table *t = tid >= 0 && tid <= SYNC_TID_MASK ? sync_engine_tid(s, (uint32_t)tid) : NULL;
        rc = SYNC_OK;
        if (t == NULL || cid < 0 || cid >= t->col_count) {
            continue; /* of no table that is tracked */
        }
        sync_learned *wider = sync_realloc(*list, (*count + 1) * sizeof *wider);
        rc = wider ? SYNC_OK : sync_fail_nomem(error);
        if (wider) {
            *list = wider;
            wider[(*count)++] = (sync_learned){(uint32_t)tid, (uint32_t)cid};
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Have values waited under what is now another name of a column? */
static bool absorbs(const sync_table *t)
{
    bool any = false;
    for (uint32_t c = 0; !any && c < t->col_count; c++) {
        any = t->cols[c].absorb;
    }
    return any && !t->missing;
}

/* again: also what the schema of before may have been in the way of. */
static int show_held(sync_db *s, const bool *touched, const sync_learned *learned, uint32_t learned_count,
                     const sync_orphans *orphans, bool again, sync_error *error)
{
    sync_merging m = {0};
    int rc = sync_merging_begin(&m, s, error);
    m.retry = true;
    if (rc == SYNC_OK) {
        memcpy(m.touched, touched, s->table_count * sizeof *touched);
        m.orphans = m.orphans || orphans->count;
        rc = sync_orphans_note(&m, orphans); /* before others come under the numbers */
    }
    rc = rc == SYNC_OK && again ? sync_kept_retry(&m) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        sync_table *t = &s->tables[i];
        bool released = absorbs(t);
        for (uint32_t l = 0; l < learned_count; l++) {
            released = released || learned[l].tid == t->tid;
        }
        m.touched[i] = m.touched[i] || released;
        rc = released && t->pending ? release_pending(&m, t, "row") : SYNC_OK;
        if (rc == SYNC_OK && released && t->pending && t->identity == SYNC_BY_ROW) {
            rc = release_pending(&m, t, "hidden");
        }
    }
    rc = rc == SYNC_OK ? sync_settle(&m) : rc;
    return sync_merging_end_local(&m, rc);
}

int sync_local(sync_db *s, int64_t enough, int64_t *entries, sync_error *error)
{
    sync_learned *learned = NULL;
    sync_orphans orphans = {0};
    int64_t before = s->folded, followed = 0;
    uint64_t hlc = s->hlc;
    uint32_t count = 0;
    bool late = false, any = false, absorb = false, gone = false, *touched = sync_alloc(s->table_count + 1);
    if (touched == NULL) {
        return sync_fail_nomem(error);
    }
    memset(touched, 0, s->table_count + 1);
    for (uint32_t i = 0; i < s->table_count; i++) {
        late = late || sync_gone_stirs(&s->tables[i]);
    }
    int rc = SYNC_OK;
    if (late) {
        rc = sync_capture_learn(s, true, error);
        rc = rc == SYNC_OK ? list_late(s, &learned, &count, error) : rc;
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        absorb = absorb || absorbs(&s->tables[i]);
    }
    rc = rc == SYNC_OK ? sync_conflict_any(s, &any, error) : rc;
    if (rc == SYNC_OK && any) { /* only there, and in their children, may local writes have made room */
        rc = sync_clocks_named(s, s->folded, INT64_MAX, touched, error);
    }
    bool again =
        any && !s->deciding && (s->try_held || (s->tried_version && s->tried_version != s->schema_version));
    for (uint32_t i = 0; rc == SYNC_OK && again && i < s->table_count; i++) {
        touched[i] = true; /* a constraint or a trigger may be gone */
    }
    if (late || any) { /* the tail says what to do beside folding */
        enough = INT64_MAX;
    }
    rc = rc == SYNC_OK ? sync_fold_real(s, learned, count, enough, entries, error) : rc;
    rc = rc == SYNC_OK && *entries ? sync_orphans_follow(s, before, hlc, &followed, error) : rc;
    if (rc == SYNC_OK && followed && enough == INT64_MAX) {
        rc = sync_fold_real(s, NULL, 0, enough, &followed, error);
        *entries += followed;
    }
    rc = rc == SYNC_OK && *entries ? sync_orphans_find(s, before, hlc, &orphans, error) : rc;
    if (rc == SYNC_OK && orphans.count && enough < INT64_MAX) {
        /* listing them is journaled: behind what was folded, so nothing may be left */
        int64_t rest = 0;
        rc = sync_fold_real(s, learned, count, INT64_MAX, &rest, error);
        *entries += rest;
        sync_orphans_free(&orphans);
        orphans = (sync_orphans){0};
        rc = rc == SYNC_OK ? sync_orphans_find(s, before, hlc, &orphans, error) : rc;
    }
    rc = rc == SYNC_OK && late ? sync_gone_settle(s, touched, &gone, error) : rc;
    if (rc == SYNC_OK && (count || absorb || gone || again || (any && *entries) || orphans.count)) {
        rc = show_held(s, touched, learned, count, &orphans, again, error);
    }
    if (rc == SYNC_OK && !s->deciding) {
        s->tried_version = s->schema_version;
        s->try_held = false;
    }
    sync_orphans_free(&orphans);
    if (rc == SYNC_OK && (count || absorb || gone)) {
        rc = sync_exec(
            s, error,
            "UPDATE main.sync_column SET present = 1 WHERE present = 2;"
            "UPDATE main.sync_column SET present = iif(present > -%d, 0, -present) WHERE present < 0",
            SYNC_SAME_COLUMN);
        rc = rc == SYNC_OK ? sync_engine_changed(s, false, error) : rc;
    }
    sync_free(learned);
    sync_free(touched);
    return rc;
}
