#include "renumber.h"

#include "claims.h"
#include "site.h"

#include <stdlib.h>
#include <string.h>

/* Rows that come under a new number may bring others whose number is taken: lines with their invoice. One pass a level. */
enum { PASSES_MAX = 64, GAP_MAX = 16 };

bool sync_renumber_may(const sync_db *s, const sync_table *t)
{
    bool may = t->identity == SYNC_BY_ROW && !t->missing;
    for (uint32_t i = 0; may && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        bool about = fk->parent_tid == t->tid || (fk->child_tid == t->tid && fk->from_col >= SYNC_REF_KEY);
        may = !(about && fk->rigid);
    }
    return may;
}

/* The highest number that is in use, or was handed out, or is claimed by a row that is held. */
static int highest_number(sync_claims *held, sync_table *t, int64_t *highest)
{
    sync_merging *m = held->m;
    int64_t handed_out = 0, counts = 0;
    int rc = sync_query_int(m->s, highest, 0, m->error, "SELECT max(rowid) FROM main.\"%w\"", t->name);
    rc = rc == SYNC_OK
             ? sync_query_int(m->s, &counts, 0, m->error,
                              "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sqlite_sequence'")
             : rc;
    if (rc == SYNC_OK && counts) {
        rc = sync_query_int(m->s, &handed_out, 0, m->error,
                            "SELECT max(seq) FROM main.sqlite_sequence WHERE name = %Q", t->name);
    }
    *highest = handed_out > *highest ? handed_out : *highest;
    for (uint32_t i = 0; rc == SYNC_OK && i < held->count; i++) {
        sync_row row = {0};
        sync_slot slot;
        sync_arena_reset(&m->arena);
        rc = sync_find(m, t, held->list[i].key, held->list[i].born, &row, &slot);
        if (rc == SYNC_OK) {
            rc = sync_claims_note(held, i, &row, &slot);
            *highest = held->list[i].number.i > *highest ? held->list[i].number.i : *highest;
        }
        sync_row_free(&row);
    }
    return rc;
}

/* Files that renumber at the same time may choose the same number; who loses it again leaves a gap, so that they soon miss each other. */
static int64_t gap_of(const sync_row *row)
{
    uint64_t mixed = (row->born.hlc ^ (uint64_t)row->birth) * UINT64_C(0x9e3779b97f4a7c15);
    return row->moved ? (int64_t)(mixed >> 32) % GAP_MAX : 0;
}

/* May this file give the row another number? It wrote the last one, or whoever did has been silent for long. */
static int is_due(sync_merging *m, sync_table *t, const sync_listed *one, sync_row *row, bool whoever,
                  bool *due)
{
    sync_slot slot;
    *due = false;
    if (one->key->type != SYNC_INTEGER) {
        return SYNC_OK;
    }
    int rc = sync_find_listed(m, t, one->key, one->born, row, &slot);
    if (rc == SYNC_OK && row->held) {
        *due = whoever || one->at < m->now_ms - SYNC_AUTHOR_SILENT_MS;
        rc = *due ? SYNC_OK : sync_merging_wrote(m, row->stamp, due);
    }
    return rc;
}

static int renumber_row(sync_merging *m, const sync_claim *one, int64_t *highest, bool *any)
{
    sync_row row = {0};
    sync_slot slot;
    int64_t seq = 0;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
    int64_t gap = rc == SYNC_OK ? gap_of(&row) : 0;
    if (rc == SYNC_OK && row.held &&
        *highest < INT64_MAX - 1 - gap) { /* else no number is left: it stays held */
        *highest = (*highest > 0 ? *highest : 0) + 1 + gap;
        row.stamp = row.since = sync_merging_stamp(m);
        row.birth = one->key->i;
        row.number = *highest;
        row.moved = *any = true;
        m->touched[one->t - m->s->tables] = true;
        rc = sync_enter(m, one->t, one->key, &seq);
        rc = rc == SYNC_OK ? sync_put(m, one->t, one->key, &row, &slot, slot.j, seq) : rc;
        rc = rc == SYNC_OK ? sync_conflict_restate(m, one->t, one->key, &row, "number", NULL) : rc;
    }
    sync_row_free(&row);
    return rc;
}

/* Was the number of a row that is held for another reason given to an older row that is shown? */
static int has_lost(sync_merging *m, sync_table *t, const sync_listed *one, bool *lost)
{
    sync_row row = {0}, other = {0};
    sync_slot slot, other_slot = {0};
    int rc = sync_find(m, t, one->key, one->born, &row, &slot);
    rc = rc == SYNC_OK ? sync_occupant(m, t, one->key, &row, &other, &other_slot) : rc;
    *lost = rc == SYNC_OK && other_slot.shown &&
            sync_stamp_compare(&m->s->sites, other.moved ? other.since : other.born,
                               row.moved ? row.since : row.born) <= 0;
    sync_row_free(&row);
    sync_row_free(&other);
    return rc;
}

/* Those that are listed for their number; and of those that lack a parent who lost theirs: in a circle each may lack the next. */
static int list_losers(sync_claims *losers, sync_table *t, bool whoever)
{
    sync_merging *m = losers->m;
    sync_listing listing = {.of = SYNC_LISTED_NUMBERS, .upto = INT64_MAX};
    const sync_listed *one;
    sync_row row = {0};
    uint32_t at;
    int rc = SYNC_OK;
    while (rc == SYNC_OK && (rc = sync_conflict_next(m, t, &listing, &one)) == SQLITE_ROW) {
        bool due = false;
        rc = is_due(m, t, one, &row, whoever, &due);
        if (rc == SYNC_OK && due && strcmp(one->reason, "number") != 0) {
            rc = has_lost(m, t, one, &due);
        }
        rc = rc == SYNC_OK && due ? sync_claims_add(losers, t, one->key, one->born, &at) : rc;
    }
    sync_conflict_end(&listing);
    sync_row_free(&row);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int by_number(const void *a, const void *b)
{
    const sync_claim *x = *(sync_claim *const *)a, *y = *(sync_claim *const *)b;
    return (x->key[0].i > y->key[0].i) - (x->key[0].i < y->key[0].i);
}

/* The losers in the order in which they were numbered, so that their new numbers stand in that order too. */
static const sync_claim **in_order(const sync_claims *losers)
{
    const sync_claim **list = sync_alloc((losers->count + 1) * sizeof *list);
    uint32_t count = 0;
    for (uint32_t i = 0; list && i < losers->count; i++) {
        list[count++] = &losers->list[i];
    }
    if (list) {
        qsort(list, count, sizeof *list, by_number);
    }
    return list;
}

static int renumber_table(sync_merging *m, sync_table *t, bool whoever, bool *any)
{
    sync_claims held = {.m = m}, losers = {.m = m};
    const sync_claim **list = NULL;
    int64_t highest = 0;
    int rc = list_losers(&losers, t, whoever);
    if (rc == SYNC_OK && losers.count) {
        rc = sync_claims_listed(&held, t, true, NULL);
        rc = rc == SYNC_OK ? highest_number(&held, t, &highest) : rc;
    }
    if (rc == SYNC_OK && losers.count && (list = in_order(&losers)) == NULL) {
        rc = sync_fail_nomem(m->error);
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < losers.count; i++) {
        rc = renumber_row(m, list[i], &highest, any);
    }
    sync_free(list);
    sync_claims_free(&held);
    sync_claims_free(&losers);
    return rc;
}

int sync_renumber_highest(sync_merging *m, sync_table *t, int64_t *highest)
{
    sync_claims held = {.m = m};
    int rc = sync_claims_listed(&held, t, true, NULL);
    rc = rc == SYNC_OK ? highest_number(&held, t, highest) : rc;
    sync_claims_free(&held);
    return rc;
}

int sync_renumber_one(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, bool *done)
{
    sync_claims held = {.m = m};
    int64_t highest = 0;
    uint32_t at = 0;
    *done = false;
    int rc = sync_claims_listed(&held, t, true, NULL);
    rc = rc == SYNC_OK ? highest_number(&held, t, &highest) : rc;
    rc = rc == SYNC_OK ? sync_claims_add(&held, t, key, born, &at) : rc;
    if (rc == SYNC_OK && held.list[at].numbered) {
        rc = renumber_row(m, &held.list[at], &highest, done);
    }
    sync_claims_free(&held);
    return rc;
}

static int renumber_tables(sync_merging *m, bool whoever, bool *any)
{
    sync_db *s = m->s;
    int rc = SYNC_OK;
    *any = false;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        rc = sync_renumber_may(s, &s->tables[i]) ? renumber_table(m, &s->tables[i], whoever, any) : SYNC_OK;
    }
    return rc == SYNC_OK && *any ? sync_settle(m) : rc;
}

static int is_listed(sync_db *s, int64_t before_ms, bool *listed, sync_error *error)
{
    int64_t found = 0;
    int rc = sync_query_bound(s, &found, 0, before_ms, error,
                              "SELECT EXISTS (SELECT 1 FROM main.sync_conflict WHERE held AND reason IN "
                              "('number', 'foreign key') AND at < ?1)");
    *listed = found != 0;
    return rc;
}

int sync_renumber_whoever(sync_merging *m)
{
    bool any = false;
    int rc = is_listed(m->s, INT64_MAX, &any, m->error);
    for (int pass = 0; rc == SYNC_OK && any && pass < PASSES_MAX; pass++) {
        rc = renumber_tables(m, true, &any);
    }
    return rc;
}

int sync_renumber(sync_db *s, bool stirred, sync_error *error)
{
    const sync_env *env = sync_env_get();
    int64_t silent = env->now_ms(env->context) - SYNC_AUTHOR_SILENT_MS;
    bool any = false;
    int rc = is_listed(s, stirred ? INT64_MAX : silent, &any, error);
    for (int pass = 0; rc == SYNC_OK && any && pass < PASSES_MAX; pass++) {
        sync_merging m = {0};
        rc = sync_merging_begin(&m, s, error);
        rc = rc == SYNC_OK ? renumber_tables(&m, false, &any) : rc;
        int64_t newest = m.newest;
        uint64_t hlc = m.hlc;
        rc = sync_merging_end(&m, rc);
        if (rc == SYNC_OK && any) {
            s->hlc = hlc;
            s->folded = newest;
        }
    }
    return rc;
}
