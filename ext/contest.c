/* Tables where numbers and UNIQUE values are contested at once. Source: docs/MERGE.md, "Numbers and UNIQUE". All is tried first, on base rows alone, then taken
** back; only the outcome is written with clocks. */
#include "contest.h"

#include "base.h"
#include "clash.h"
#include "clocks.h"
#include "parents.h"

/* Rows on trial stand under numbers that nobody uses, so that only UNIQUE values are in each other's way. */
static const int64_t trial_numbers = (int64_t)1 << 62;

/* A row that may be shown or held, whole. */
typedef struct claim {
    sync_value number; /* that it claims */
    sync_value trial;  /* that it stands under */
    sync_row row;
    sync_stamp rank;
    bool shown;   /* it is, before this */
    bool in;      /* it stands in the base table of the trial */
    bool refused; /* by something that is no contest */
    bool taken;   /* its number is somebody else's */
    bool younger; /* who was born before it */
} claim;

typedef struct contest {
    sync_merging *m;
    sync_table *t;
    claim *claims;
    uint32_t count, cap;
    uint32_t *order; /* indexes of claims, as last sorted */
} contest;

static claim *add_claim(contest *c, int64_t number, const sync_row *row, bool shown)
{
    if (c->count == c->cap) {
        uint32_t cap = c->cap ? c->cap * 2 : 16;
        claim *claims = sync_realloc(c->claims, cap * sizeof *claims);
        c->claims = claims ? claims : c->claims;
        uint32_t *order = claims ? sync_realloc(c->order, cap * sizeof *order) : NULL;
        if (order == NULL) {
            sync_fail_nomem(c->m->error);
            return NULL;
        }
        c->order = order;
        c->cap = cap;
    }
    claim *one = &c->claims[c->count];
    *one = (claim){.shown = shown,
                   .rank = sync_clash_rank(c->m, c->t, row),
                   .number = {.type = SYNC_INTEGER, .i = number},
                   .trial = {.type = SYNC_INTEGER, .i = trial_numbers + c->count}};
    if (sync_row_copy(&one->row, row) != SYNC_OK) {
        sync_row_free(&one->row);
        sync_fail_nomem(c->m->error);
        return NULL;
    }
    c->count++;
    return one;
}

static int older(const contest *c, const claim *a, const claim *b)
{
    return sync_stamp_compare(&c->m->s->sites, a->row.born, b->row.born);
}

static bool ranks_above(const contest *c, const claim *a, const claim *b)
{
    int order = sync_stamp_compare(&c->m->s->sites, a->rank, b->rank);
    order = order ? order : sync_clash_compare_keys(c->t, &a->number, &b->number);
    return (order ? order : older(c, a, b)) > 0;
}

/* Sorts the order by heaps: qsort has no place for the sites that stamps are compared by. */
static void sort_claims(contest *c, bool (*before)(const contest *, const claim *, const claim *))
{
    for (uint32_t i = 0; i < c->count; i++) {
        c->order[i] = i;
    }
    for (uint32_t built = c->count / 2, left = c->count; left > 1;) {
        uint32_t at = 0;
        if (built > 0) {
            at = --built;
        } else {
            left--;
            uint32_t last = c->order[left];
            c->order[left] = c->order[0];
            c->order[0] = last;
        }
        for (uint32_t child; (child = 2 * at + 1) < left; at = child) {
            if (child + 1 < left && before(c, &c->claims[c->order[child]], &c->claims[c->order[child + 1]])) {
                child++;
            }
            if (!before(c, &c->claims[c->order[at]], &c->claims[c->order[child]])) {
                break;
            }
            uint32_t moved = c->order[at];
            c->order[at] = c->order[child];
            c->order[child] = moved;
        }
    }
}

static bool by_number(const contest *c, const claim *a, const claim *b)
{
    if (a->number.i != b->number.i) {
        return a->number.i < b->number.i;
    }
    return older(c, a, b) < 0;
}

/* A row that is shown, as one more claim. */
static int add_shown(contest *c, const sync_value *number, bool *present)
{
    sync_row row = {0};
    sync_slot slot;
    bool exists = false;
    *present = false;
    int rc = sync_find_shown(c->m, c->t, number, &row, &slot);
    if (rc == SYNC_OK && slot.shown) {
        rc = sync_parents_load(c->m, c->t, number, &row, NULL, &exists);
    }
    if (rc == SYNC_OK && exists) {
        rc = add_claim(c, number->i, &row, true) ? SYNC_OK : c->m->error->code;
        *present = true;
    }
    sync_row_free(&row);
    return rc;
}

static int enter(contest *c, claim *one)
{
    int rc = sync_base_insert(c->m->s, c->t, &one->trial, &one->row, c->m->error);
    one->in = rc == SYNC_OK;
    one->refused = sync_base_refused(rc) && rc != SQLITE_CONSTRAINT_UNIQUE;
    return sync_base_refused(rc) ? SYNC_OK : rc;
}

/* A UNIQUE value is taken: `at` comes in if all that have it are rows shown so far that rank lower; those go. */
static int displace(contest *c, uint32_t at)
{
    sync_merging *m = c->m;
    sync_value **list = NULL;
    uint32_t count = 0, before = c->count;
    bool wins = true;
    int rc = sync_clash_displaced(m, c->t, &c->claims[at].trial, &c->claims[at].row, false, &list, &count);
    wins = rc == SYNC_OK && count > 0;
    for (uint32_t i = 0; rc == SYNC_OK && wins && i < count; i++) {
        bool present = false;
        wins = list[i]->type == SYNC_INTEGER && list[i]->i < trial_numbers;
        rc = wins ? add_shown(c, list[i], &present) : SYNC_OK;
        wins = rc == SYNC_OK && wins && present && ranks_above(c, &c->claims[at], &c->claims[c->count - 1]);
    }
    for (uint32_t i = before; rc == SYNC_OK && wins && i < c->count; i++) {
        rc = sync_base_delete(m->s, c->t, &c->claims[i].number, m->error);
        wins = rc == SYNC_OK;
        rc = sync_base_refused(rc) ? SYNC_OK : rc;
    }
    while (!wins && c->count > before) {
        sync_row_free(&c->claims[--c->count].row);
    }
    sync_free(list);
    return rc == SYNC_OK && wins ? enter(c, &c->claims[at]) : rc;
}

/* UNIQUE alone, the highest first. Rows that are shown stand there already. */
static int contest_values(contest *c)
{
    int rc = SYNC_OK;
    uint32_t count = c->count; /* displaced ones rank lower than whoever displaced them */
    sort_claims(c, ranks_above);
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        uint32_t at = c->order[i];
        rc = enter(c, &c->claims[at]);
        if (rc == SYNC_OK && !c->claims[at].in && !c->claims[at].refused) {
            rc = displace(c, at);
        }
    }
    return rc;
}

/* One number: `first` to `end` of the order claim it. The oldest of those that are in, and of the row that has it, stays in. */
static int contest_number(contest *c, uint32_t first, uint32_t end)
{
    sync_merging *m = c->m;
    sync_stamp born = SYNC_STAMP_NONE;
    sync_value number = c->claims[c->order[first]].number;
    claim *winner = NULL;
    bool held_by_shown = false;
    int rc = sync_base_exists(m->s, c->t, &number, &held_by_shown, m->error);
    rc = rc == SYNC_OK && held_by_shown
             ? sync_clocks_born(m->s, c->t, SYNC_IN_FILE, number.i, &born, m->error)
             : rc;
    for (uint32_t i = first; i < end && !winner; i++) {
        winner = c->claims[c->order[i]].in ? &c->claims[c->order[i]] : NULL;
    }
    if (rc == SYNC_OK && winner && held_by_shown) {
        if (sync_stamp_compare(&m->s->sites, born, winner->row.born) < 0) {
            winner = NULL;
        } else {
            uint32_t at = (uint32_t)(winner - c->claims);
            bool present = false;
            rc = add_shown(c, &number, &present);
            rc = rc == SYNC_OK ? sync_base_delete(m->s, c->t, &number, m->error) : rc;
            rc = sync_base_refused(rc) ? SYNC_OK : rc;
            winner = &c->claims[at];
            held_by_shown = false;
            if (present) {
                c->claims[c->count - 1].taken = c->claims[c->count - 1].younger = true;
            }
        }
    }
    for (uint32_t i = first; rc == SYNC_OK && i < end; i++) {
        claim *one = &c->claims[c->order[i]];
        sync_stamp first_born = winner ? winner->row.born : born;
        one->taken = (winner || held_by_shown) && one != winner;
        one->younger = one->taken && sync_stamp_compare(&m->s->sites, first_born, one->row.born) < 0;
        if (one->in && one != winner) {
            one->in = false;
            rc = sync_base_delete(m->s, c->t, &one->trial, m->error);
            rc = sync_base_refused(rc) ? SYNC_OK : rc;
        }
    }
    return rc;
}

static int contest_numbers(contest *c)
{
    int rc = SYNC_OK;
    uint32_t count = c->count;
    sort_claims(c, by_number);
    for (uint32_t first = 0, end; rc == SYNC_OK && first < count; first = end) {
        int64_t number = c->claims[c->order[first]].number.i;
        for (end = first + 1; end < count && c->claims[c->order[end]].number.i == number; end++) {
        }
        rc = contest_number(c, first, end);
    }
    return rc;
}

/* Those that nobody who is in stands in the way of, the highest first. */
static int fill(contest *c, bool *entered)
{
    int rc = SYNC_OK;
    *entered = false;
    sort_claims(c, ranks_above);
    for (uint32_t i = 0; rc == SYNC_OK && i < c->count; i++) {
        claim *one = &c->claims[c->order[i]];
        if (!one->in && !one->refused && !one->taken) {
            rc = enter(c, one);
            *entered = *entered || one->in;
        }
    }
    return rc;
}

static int try_all(contest *c)
{
    bool entered = true;
    int rc = contest_values(c);
    while (rc == SYNC_OK && entered) {
        rc = contest_numbers(c);
        rc = rc == SYNC_OK ? fill(c, &entered) : rc;
    }
    return rc;
}

/* The held rows whose parents are shown. What is shown and waits for some cells contests nothing: it is tried as it is. */
static int read_claims(contest *c, const sync_candidate *list, uint32_t count, bool *changed)
{
    sync_merging *m = c->m;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        sync_row row = {0};
        sync_slot slot;
        sync_missing missing = {.from = 0};
        const char *why = missing.why;
        rc = sync_find(m, c->t, list[i].key, list[i].born, &row, &slot);
        if (rc == SYNC_OK && !slot.was_held) {
            rc = sync_conflict_clear(m, c->t, list[i].key, &(sync_row){.born = list[i].born});
        } else if (rc == SYNC_OK && !row.held) {
            rc = sync_show(m, c->t, list[i].key, &row, &slot, SYNC_MERGE_CELLS);
            *changed = *changed || (rc == SYNC_OK && !slot.was_held);
        } else if (rc == SYNC_OK && list[i].key->type == SYNC_INTEGER) {
            rc = sync_parents_missing(m, c->t, list[i].key, &row, &slot, &missing);
            if (rc == SYNC_OK && why[0]) {
                rc = sync_conflict_restate(m, c->t, list[i].key, &row, "foreign key", why, &m->restated);
            } else if (rc == SYNC_OK) {
                rc = add_claim(c, list[i].key->i, &row, false) ? SYNC_OK : m->error->code;
            }
        }
        sync_row_free(&row);
    }
    return rc;
}

/* Writes what the trial came to for one row. */
static int write_outcome(contest *c, claim *one, bool *changed)
{
    sync_merging *m = c->m;
    sync_row row = {0};
    sync_slot slot;
    const char *reason = one->younger ? "number" : "unique";
    const char *detail = one->younger ? "another row was given this number earlier"
                                      : "another row has the same value under a UNIQUE index";
    int rc = sync_find(m, c->t, &one->number, one->row.born, &row, &slot);
    if (rc == SYNC_OK && one->shown && !one->in && slot.shown) {
        rc = sync_hold(m, c->t, &one->number, &row, &slot, reason, detail, NULL);
        *changed = true;
    } else if (rc == SYNC_OK && !one->shown && one->in && row.held) {
        rc = sync_show(m, c->t, &one->number, &row, &slot, SYNC_MERGE_CELLS);
        *changed = *changed || (rc == SYNC_OK && slot.shown);
    } else if (rc == SYNC_OK && !one->shown && !one->in && !one->refused && row.held) {
        rc = sync_conflict_restate(m, c->t, &one->number, &row, reason, detail, &m->restated);
    }
    sync_row_free(&row);
    return rc;
}

int sync_contest_settle(sync_merging *m, sync_table *t, const sync_candidate *list, uint32_t count,
                        bool *changed)
{
    contest c = {.m = m, .t = t};
    sync_arena_reset(&m->arena);
    int rc = read_claims(&c, list, count, changed);
    if (rc == SYNC_OK && c.count) {
        rc = sync_exec(m->s, m->error, "SAVEPOINT sync_tried");
        rc = rc == SYNC_OK ? try_all(&c) : rc;
        rc = rc == SYNC_OK ? sync_exec(m->s, m->error, "ROLLBACK TO sync_tried; RELEASE sync_tried") : rc;
    }
    for (int showing = 0; rc == SYNC_OK && showing < 2; showing++) {
        for (uint32_t i = 0; rc == SYNC_OK && i < c.count; i++) {
            rc = c.claims[i].in == (showing == 1) ? write_outcome(&c, &c.claims[i], changed) : SYNC_OK;
        }
    }
    for (uint32_t i = 0; i < c.count; i++) {
        sync_row_free(&c.claims[i].row);
    }
    sync_free(c.claims);
    sync_free(c.order);
    return rc;
}
