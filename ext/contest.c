#include "contest.h"

#include "base.h"
#include "clash.h"
#include "parents.h"

#include <string.h>

/* On trial a row stands under a number of its own where others claim its number: only UNIQUE values are to be in each other's way. */
static const int64_t trial_numbers = (int64_t)1 << 62;

/* What the contest knows of a claim. */
typedef struct standing {
    sync_stamp rank;  /* among those with one UNIQUE value */
    sync_value stand; /* identity row: the number that it stands under */
    uint32_t run;     /* where those that claim its number begin in `by_number` */
    bool in;          /* it stands in the base table of the trial */
} standing;

typedef struct contest {
    sync_merging *m;
    sync_claims *c;
    const sync_order *order;
    standing *of;
    uint32_t *by_rank;   /* the highest first */
    uint32_t *by_number; /* claims of one number stand together, the oldest first */
    uint32_t *some;
    bool enforced, fired; /* foreign keys and triggers were switched on before the trial */
} contest;

/* ---- orders ---- */

static bool ranks_above(const contest *k, uint32_t x, uint32_t y)
{
    const sync_claim *a = &k->c->list[x], *b = &k->c->list[y];
    int order = sync_stamp_compare(&k->m->s->sites, k->of[x].rank, k->of[y].rank);
    order = order ? order : sqlite3_stricmp(a->t->name, b->t->name);
    order = order || a->t != b->t
                ? order
                : sync_clash_compare_keys(a->t, a->at ? a->at : a->key, b->at ? b->at : b->key);
    return (order ? order : sync_stamp_compare(&k->m->s->sites, a->born, b->born)) > 0;
}

static bool same_number(const sync_claim *a, const sync_claim *b)
{
    return a->t == b->t && a->numbered && b->numbered && a->number.i == b->number.i;
}

static bool is_numbered_before(const contest *k, uint32_t x, uint32_t y)
{
    const sync_claim *a = &k->c->list[x], *b = &k->c->list[y];
    if (a->t != b->t || !a->numbered || !b->numbered) {
        return a->t != b->t ? a->t < b->t : a->numbered < b->numbered;
    }
    int order = sync_stamp_compare(&k->m->s->sites, a->since, b->since);
    /* of claims that are equally old the last one knew the others (sync_fold_claims_oldest) */
    order = order ? order : sync_stamp_compare(&k->m->s->sites, b->given, a->given);
    order = order ? order : sync_stamp_compare(&k->m->s->sites, a->born, b->born);
    return a->number.i != b->number.i ? a->number.i < b->number.i
           : order                    ? order < 0
                                      : a->key[0].i < b->key[0].i;
}

/* By heaps: qsort has no place for the sites that stamps are compared by. */
static void sort(const contest *k, uint32_t *list, bool (*before)(const contest *, uint32_t, uint32_t))
{
    uint32_t left = k->c->count;
    for (uint32_t i = 0; i < left; i++) {
        list[i] = i;
    }
    for (uint32_t built = left / 2; left > 1;) {
        uint32_t at = 0, moved;
        if (built > 0) {
            at = --built;
        } else {
            moved = list[--left];
            list[left] = list[0];
            list[0] = moved;
        }
        for (uint32_t child; (child = 2 * at + 1) < left; at = child) {
            if (child + 1 < left && before(k, list[child], list[child + 1])) {
                child++;
            }
            if (!before(k, list[at], list[child])) {
                break;
            }
            moved = list[at];
            list[at] = list[child];
            list[child] = moved;
        }
    }
}

/* ---- who takes part ---- */

/* Triggers off, and on again if they were. */
static int fire(contest *k, bool on)
{
    int rc = k->fired ? sqlite3_db_config(k->m->s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, on, NULL) : SQLITE_OK;
    return rc == SQLITE_OK ? SYNC_OK : sync_fail_db(k->m->s, k->m->error, "triggers");
}

/* The row that is shown under a key, if one is. */
static int add_shown(contest *k, sync_table *t, const sync_value *key)
{
    sync_row row = {0};
    sync_slot slot;
    sync_value room;
    uint32_t at;
    int rc = sync_find_shown(k->m, t, key, &row, &slot);
    if (rc == SYNC_OK && slot.shown) {
        rc = sync_claims_add(k->c, t, sync_known_by(&row, &slot, key, &room), row.born, &at);
        rc = rc == SYNC_OK ? sync_claims_note(k->c, at, &row, &slot) : rc;
    }
    sync_row_free(&row);
    return rc;
}

/* Where a row can be tried beside those that are shown: under a number that nobody has. */
static const sync_value *apart(const sync_claim *one, sync_value *number)
{
    *number = (sync_value){.type = SYNC_INTEGER, .i = trial_numbers};
    return one->numbered ? number : sync_claim_at(one);
}

/* Those that stay have a UNIQUE value of somebody shown. */
static int find_clashing(contest *k)
{
    sync_row row = {0};
    sync_value number;
    int rc = fire(k, false);
    for (uint32_t i = 0; rc == SYNC_OK && i < k->c->count; i++) {
        sync_claim *one = &k->c->list[i];
        one->stays = false;
        if (!one->left || one->shown || one->t->unique_count == 0) {
            continue;
        }
        rc = sync_claims_read(k->c, i, &row);
        rc = rc == SYNC_OK ? sync_base_insert(k->m->s, one->t, apart(one, &number), &row, k->m->error) : rc;
        one->stays = rc == SQLITE_CONSTRAINT_UNIQUE;
        if (rc == SYNC_OK) {
            rc = sync_base_delete(k->m->s, one->t, apart(one, &number), k->m->error);
        }
        rc = sync_base_refused(rc) ? SYNC_OK : rc;
    }
    sync_row_free(&row);
    return rc == SYNC_OK ? fire(k, true) : rc;
}

/* The shown rows that have a UNIQUE value of a held row. */
static int find_values(contest *k, uint32_t at)
{
    sync_claim one = k->c->list[at];
    sync_value number, **list = NULL;
    sync_row row = {0};
    uint32_t count = 0;
    int rc = sync_claims_read(k->c, at, &row);
    rc = rc == SYNC_OK ? sync_clash_displaced(k->m, one.t, apart(&one, &number), &row, false, &list, &count)
                       : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        rc = add_shown(k, one.t, list[i]);
    }
    sync_free(list);
    sync_row_free(&row);
    return rc;
}

/* The shown rows of the group that rely on a shown row. */
static int find_children(contest *k, uint32_t at)
{
    sync_db *s = k->m->s;
    sync_claim one = k->c->list[at];
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        sync_table *child =
            s->fks[i].parent_tid == one.t->tid ? sync_engine_tid(s, s->fks[i].child_tid) : NULL;
        sync_value **list = NULL;
        uint32_t count = 0;
        if (child && !s->fks[i].derived &&
            k->order->group[child - s->tables] == k->order->group[one.t - s->tables]) {
            rc = sync_parents_children(k->m, &s->fks[i], one.t, child, sync_claim_at(&one), &list, &count);
        }
        for (uint32_t j = 0; rc == SYNC_OK && j < count; j++) {
            rc = add_shown(k, child, list[j]);
        }
        sync_free(list);
    }
    return rc;
}

static int collect(contest *k)
{
    int rc = find_clashing(k);
    for (uint32_t i = 0; rc == SYNC_OK && i < k->c->count; i++) {
        sync_claim one = k->c->list[i];
        sync_arena_reset(&k->m->arena);
        if (one.shown) {
            rc = find_children(k, i);
        } else if (one.left) {
            rc = one.numbered ? add_shown(k, one.t, &one.number) : SYNC_OK;
            rc = rc == SYNC_OK && one.stays ? find_values(k, i) : rc;
        }
    }
    for (uint32_t i = 0; i < k->c->count; i++) {
        k->c->list[i].left = k->c->list[i].left || (k->c->list[i].shown && !k->c->list[i].refused);
    }
    return rc;
}

static int rank_all(contest *k)
{
    sync_row row = {0};
    uint32_t count = k->c->count;
    int rc = SYNC_OK;
    k->of = sync_alloc(count * sizeof *k->of);
    k->by_rank = sync_alloc(count * sizeof *k->by_rank);
    k->by_number = sync_alloc(count * sizeof *k->by_number);
    k->some = sync_alloc(count * sizeof *k->some);
    if (!k->of || !k->by_rank || !k->by_number || !k->some) {
        return sync_fail_nomem(k->m->error);
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        const sync_claim *one = &k->c->list[i];
        k->of[i] = (standing){.stand = *sync_claim_at(one)};
        if (one->left && one->t->unique_count) {
            rc = sync_claims_read(k->c, i, &row);
            k->of[i].rank = rc == SYNC_OK ? sync_clash_rank(k->m, one->t, &row) : SYNC_STAMP_NONE;
        }
    }
    sync_row_free(&row);
    if (rc != SYNC_OK) {
        return rc;
    }
    sort(k, k->by_rank, ranks_above);
    sort(k, k->by_number, is_numbered_before);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = k->by_number[i], before = i ? k->by_number[i - 1] : at;
        k->of[at].run = i && same_number(&k->c->list[before], &k->c->list[at]) ? k->of[before].run : i;
    }
    return SYNC_OK;
}

/* ---- the trial ---- */

/* Puts a row into the base table of the trial, unless a UNIQUE value of it is taken. */
static int enter(contest *k, uint32_t at)
{
    sync_claim *one = &k->c->list[at];
    standing *of = &k->of[at];
    sync_row row = {0};
    if (one->t->unique_count == 0) {
        of->in = true;
        return SYNC_OK;
    }
    of->stand = *sync_claim_at(one);
    int rc = sync_claims_read(k->c, at, &row);
    const sync_value *key = one->numbered ? &of->stand : sync_claim_at(one);
    rc = rc == SYNC_OK ? sync_base_insert(k->m->s, one->t, key, &row, k->m->error) : rc;
    if (one->numbered && (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID)) {
        of->stand.i = trial_numbers + at;
        rc = sync_base_insert(k->m->s, one->t, key, &row, k->m->error);
    }
    of->in = rc == SYNC_OK;
    if (sync_base_refused(rc) && rc != SQLITE_CONSTRAINT_UNIQUE) {
        sync_value why = {.type = SYNC_TEXT, .data = sync_base_said(k->m->s)}, kept;
        why.bytes = strlen(why.data) + 1;
        one->refused = true;
        one->left = false;
        one->reason = sync_base_reason(rc);
        if (!sync_arena_value(&k->c->arena, &why, &kept)) {
            rc = sync_fail_nomem(k->m->error);
        }
        one->detail = sync_base_refused(rc) ? kept.data : NULL;
    }
    sync_row_free(&row);
    return sync_base_refused(rc) ? SYNC_OK : rc;
}

static int leave(contest *k, uint32_t at)
{
    sync_claim *one = &k->c->list[at];
    bool in = k->of[at].in;
    k->of[at].in = false;
    return in && one->t->unique_count
               ? sync_base_delete(k->m->s, one->t, one->numbered ? &k->of[at].stand : sync_claim_at(one),
                                  k->m->error)
               : SYNC_OK;
}

/* Of those that claim one number, from `first` of `by_number` on. */
static uint32_t end_of_run(const contest *k, uint32_t first)
{
    uint32_t end = first + 1;
    while (end < k->c->count && k->of[k->by_number[end]].run == first) {
        end++;
    }
    return end;
}

/* Those that a winner stands in the way of are not left. */
static int leave_to_winners(contest *k)
{
    int rc = SYNC_OK;
    for (uint32_t first = 0, end; first < k->c->count; first = end) {
        bool taken = false;
        end = end_of_run(k, first);
        for (uint32_t i = first; i < end; i++) {
            taken = taken || k->c->list[k->by_number[i]].wins;
        }
        for (uint32_t i = first; taken && i < end; i++) {
            sync_claim *one = &k->c->list[k->by_number[i]];
            one->left = false;
            one->outdated = !one->wins;
        }
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < k->c->count; i++) {
        if (k->c->list[i].left && k->c->list[i].t->unique_count) {
            rc = enter(k, i);
            k->c->list[i].left = k->of[i].in;
            rc = rc == SYNC_OK ? leave(k, i) : rc;
        }
    }
    return rc;
}

/* UNIQUE alone, the highest first; then of those that claim one number the oldest. These stay. */
static int choose(contest *k)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < k->c->count; i++) {
        sync_claim *one = &k->c->list[k->by_rank[i]];
        rc = one->left ? enter(k, k->by_rank[i]) : SYNC_OK;
        one->stays = false;
    }
    for (uint32_t first = 0, end; first < k->c->count; first = end) {
        uint32_t oldest = first;
        end = end_of_run(k, first);
        while (oldest < end && !(k->c->list[k->by_number[oldest]].left && k->of[k->by_number[oldest]].in)) {
            oldest++;
        }
        if (oldest < end) {
            k->c->list[k->by_number[oldest]].stays = true;
        }
    }
    return rc;
}

/* Those that stay have won; others make room again. */
static int settle_round(contest *k, bool *any)
{
    int rc = SYNC_OK;
    *any = false;
    for (uint32_t i = 0; rc == SYNC_OK && i < k->c->count; i++) {
        sync_claim *one = &k->c->list[i];
        if (one->stays) {
            one->wins = *any = true;
            one->left = false;
        } else if (!one->wins) {
            rc = leave(k, i);
        }
    }
    return rc;
}

/* Can a row be shown together with all that it relies on? If so they stay. */
static int try_with_ancestors(contest *k, uint32_t at, bool *can)
{
    int rc = SYNC_OK;
    uint32_t count;
    *can = true;
    sync_claims_ancestors(k->c, at, k->some, &count);
    for (uint32_t i = 0; *can && i < count; i++) {
        uint32_t claimants = 0, first = k->of[k->some[i]].run, end = end_of_run(k, first);
        for (uint32_t j = first; j < end; j++) {
            claimants += k->c->list[k->by_number[j]].stays;
        }
        *can = claimants == 1;
    }
    for (uint32_t i = 0; rc == SYNC_OK && *can && i < count; i++) {
        rc = enter(k, k->some[i]);
        *can = k->of[k->some[i]].in;
    }
    for (uint32_t i = 0; rc == SYNC_OK && !*can && i < count; i++) {
        k->c->list[k->some[i]].stays = false;
        rc = leave(k, k->some[i]);
    }
    return rc;
}

/* All that were chosen rely on others that were not: the highest is shown that can be, with all that it relies on. Who relies on rows that are in each other's
** way can never be. */
static int break_tie(contest *k)
{
    bool can = false;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && !can && i < k->c->count; i++) {
        if (k->c->list[k->by_rank[i]].left) {
            rc = try_with_ancestors(k, k->by_rank[i], &can);
            if (rc == SYNC_OK && !can) {
                sync_claims_give_up(k->c, k->by_rank[i]);
            }
        }
    }
    return rc == SYNC_OK && can ? settle_round(k, &can) : rc;
}

static int run_rounds(contest *k)
{
    int rc = SYNC_OK;
    for (bool any = true, first = true; rc == SYNC_OK && any; first = false) {
        rc = first ? SYNC_OK : leave_to_winners(k);
        any = false;
        for (uint32_t i = 0; i < k->c->count; i++) {
            k->c->list[i].stays = k->c->list[i].left;
        }
        sync_claims_support(k->c);
        for (uint32_t i = 0; i < k->c->count; i++) {
            k->c->list[i].left = k->c->list[i].stays;
            any = any || k->c->list[i].left;
        }
        bool some = false;
        rc = rc == SYNC_OK && any ? choose(k) : rc;
        sync_claims_support(k->c);
        rc = rc == SYNC_OK ? settle_round(k, &some) : rc;
        rc = rc == SYNC_OK && any && !some ? break_tie(k) : rc;
    }
    return rc;
}

static int begin_trial(contest *k)
{
    sqlite3 *db = k->m->s->db;
    int on = 0;
    int rc = sync_exec(k->m->s, k->m->error, "SAVEPOINT sync_contest");
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &on); /* asks; cannot fail */
    k->fired = on;
    k->enforced = k->m->foreign_keys;
    if (rc == SYNC_OK && k->enforced && sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL)) {
        rc = sync_fail_db(k->m->s, k->m->error, "foreign keys");
    }
    return rc;
}

/* What is shown among the claims goes out of the way. From here on no trigger fires. */
static int take_out(contest *k)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < k->c->count; i++) {
        rc = k->c->list[i].shown ? sync_claims_load(k->c, i) : SYNC_OK;
    }
    rc = rc == SYNC_OK ? fire(k, false) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < k->c->count; i++) {
        const sync_claim *one = &k->c->list[i];
        rc = one->shown ? sync_base_delete(k->m->s, one->t, sync_claim_at(one), k->m->error) : SYNC_OK;
    }
    return rc;
}

static int end_trial(contest *k, int result)
{
    sqlite3 *db = k->m->s->db;
    int rc = result;
    if (rc == SYNC_OK) {
        rc = sync_exec(k->m->s, k->m->error, "ROLLBACK TO sync_contest; RELEASE sync_contest");
    }
    /* these set flags; they cannot fail where switching them off did not */
    (void)(k->fired && sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL));
    (void)(k->enforced && sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL));
    for (uint32_t i = 0; i < k->c->count; i++) {
        k->c->list[i].loaded = false;
    }
    return rc;
}

/* Can any of those that are left be in the way of another row at all? */
static bool is_contested(const sync_claims *c)
{
    bool contested = false;
    for (uint32_t i = 0; !contested && i < c->count; i++) {
        contested = c->list[i].left && (c->list[i].t->unique_count || c->list[i].numbered);
    }
    return contested;
}

int sync_contest_decide(sync_claims *c, const sync_order *order)
{
    contest k = {.m = c->m, .c = c, .order = order};
    for (uint32_t i = 0; i < c->count; i++) {
        c->list[i].left = !c->list[i].refused;
        c->list[i].wins = c->list[i].lacks_parent = false;
        c->list[i].outdated = false;
    }
    int rc = sync_claims_look(c);
    if (rc != SYNC_OK || !is_contested(c)) {
        for (uint32_t i = 0; i < c->count; i++) {
            c->list[i].wins = c->list[i].left;
        }
        return rc;
    }
    rc = begin_trial(&k);
    rc = rc == SYNC_OK ? collect(&k) : rc;
    rc = rc == SYNC_OK ? take_out(&k) : rc;
    rc = rc == SYNC_OK ? sync_claims_look(c) : rc;
    rc = rc == SYNC_OK ? rank_all(&k) : rc;
    rc = rc == SYNC_OK ? run_rounds(&k) : rc;
    rc = end_trial(&k, rc);
    sync_free(k.of);
    sync_free(k.by_rank);
    sync_free(k.by_number);
    sync_free(k.some);
    return rc;
}
