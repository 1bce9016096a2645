#include "apply.h"

#include "apply_internal.h"
#include "base.h"
#include "capture.h"
#include "meant.h"
#include "moves.h"
#include "parts.h"
#include "renumber.h"
#include "request.h"
#include "site.h"
#include "withdraw.h"

#include <string.h>

/* ---- the head ---- */

/* Does the key refer to a table whose rows are known by more than their number there, and here are not tracked yet? The table waits until they are. */
static bool lacks_parents(const sync_table *t, const sync_head *head)
{
    bool lacks = false;
    for (const sync_outer *outer = t->outer; !lacks && outer; outer = outer->next) {
        for (uint32_t h = 0; !lacks && h < head->table_count; h++) {
            lacks = head->tables[h].identity == SYNC_BY_ROW &&
                    sqlite3_stricmp(head->tables[h].name, outer->name) == 0;
        }
    }
    return lacks;
}

static int map_tables(sync_applying *a, sync_error *error)
{
    sync_db *s = a->m.s;
    a->tables = sync_alloc((a->head->table_count + 1) * sizeof *a->tables);
    if (a->tables == NULL) {
        return sync_fail_nomem(error);
    }
    memset(a->tables, 0, (a->head->table_count + 1) * sizeof *a->tables);
    for (uint32_t h = 0; h < a->head->table_count; h++) {
        const sync_table_head *theirs = &a->head->tables[h];
        sync_table *t = sync_engine_table(s, theirs->name);
        if (t == NULL || t->missing || lacks_parents(t, a->head)) {
            continue;
        }
        int rc = sync_head_match(t, theirs, error);
        if (rc != SYNC_OK) {
            return rc;
        }
        a->tables[h].t = t;
        a->tables[h].cid = sync_alloc((theirs->col_count + 1) * sizeof(uint32_t));
        if (a->tables[h].cid == NULL) {
            return sync_fail_nomem(error);
        }
        for (uint32_t c = 0; c < theirs->col_count; c++) {
            uint32_t cid = 0;
            while (cid < t->col_count && sqlite3_stricmp(t->cols[cid].name, theirs->col_names[c]) != 0) {
                cid++;
            }
            if (cid < t->col_count && t->cols[cid].same) {
                cid = t->cols[cid].same - 1;
                a->tables[h].twice = true;
            }
            a->tables[h].cid[c] = cid < t->col_count ? cid : UINT32_MAX;
        }
    }
    return SYNC_OK;
}

/* The delta presumes a vector and a journal position: a file that holds less must not raise its own by it. */
static int check_base(sync_applying *a, sync_error *error)
{
    sync_db *s = a->m.s;
    sync_matrix seen = {0}, cursors = {0};
    uint32_t sender = sync_engine_find_site(s, a->head->site);
    int rc = sync_engine_seen(s, &seen, error);
    rc = rc == SYNC_OK ? sync_engine_cursors(s, &cursors, error) : rc;
    for (uint32_t h = 0; rc == SYNC_OK && h < a->head->table_count; h++) {
        const sync_table *t = a->tables[h].t;
        if (t == NULL) {
            continue;
        }
        uint32_t at = (uint32_t)(t - s->tables);
        uint64_t start = sync_matrix_at(&a->head->start, h, 0);
        uint64_t read = sender == s->own_site
                            ? (uint64_t)s->folded /* all of its own, unless it was restored */
                        : sender ? sync_matrix_at(&cursors, at, sender)
                                 : 0;
        if (start > read) {
            rc = sync_fail(error, SYNC_BEHIND,
                           "this changeset continues one that this file does not have (table %s, from "
                           "version %llu of the other file): ask"
                           " for changes with this file's sync_seen()",
                           t->name, (unsigned long long)start);
        }
        for (uint32_t w = 0; rc == SYNC_OK && w < a->head->site_count; w++) {
            uint64_t presumed = sync_matrix_at(&a->head->base, h, w);
            uint32_t sid = presumed ? sync_engine_find_site(s, a->head->sites[w]) : 0;
            if (presumed > (sid ? sync_matrix_at(&seen, at, sid) : 0)) {
                rc = sync_fail(error, SYNC_BEHIND,
                               "this changeset was cut for a file that holds more than this one (table %s): "
                               "ask for changes with this file's"
                               " sync_seen()",
                               t->name);
            }
        }
    }
    sync_matrix_free(&seen);
    sync_matrix_free(&cursors);
    return rc;
}

static int map_sites(sync_applying *a, sync_error *error)
{
    a->site = sync_alloc((a->head->site_count + 1) * sizeof *a->site);
    if (a->site == NULL) {
        return sync_fail_nomem(error);
    }
    for (uint32_t w = 0; w < a->head->site_count; w++) {
        a->site[w] = sync_engine_site(a->m.s, a->head->sites[w], error);
        if (a->site[w] == 0) {
            return error->code;
        }
    }
    return SYNC_OK;
}

/* ---- rows ---- */

static bool take_stamp(sync_applying *a, sync_stamp *stamp)
{
    if (sync_stamp_is_none(*stamp)) {
        return true;
    }
    stamp->site = a->site[stamp->site];
    a->m.hlc = stamp->hlc > a->m.hlc ? stamp->hlc : a->m.hlc;
    return (int64_t)(stamp->hlc >> 16) <= a->m.now_ms + SYNC_DRIFT_MS_MAX;
}

/* Each life and each death of a row took a stamp, so there are not more of them than the clock has ticked. Without this bound a row could
** come whose next delete cannot be counted. */
static bool is_countable(const sync_applying *a, const sync_row *wire)
{
    uint64_t latest = a->m.hlc;
    for (uint32_t i = 0; i < wire->count; i++) {
        latest = wire->cells[i].stamp.hlc > latest ? wire->cells[i].stamp.hlc : latest;
    }
    return wire->cl <= latest;
}

/* The wire row with this file's site numbers and column ids, into a->remote. */
static int translate(sync_applying *a, sync_arriving *at, const sync_table_head *theirs,
                     const sync_value *key, const sync_row *wire, sync_error *error)
{
    sync_row *row = &a->remote;
    bool timely = true;
    sync_row_reset(row);
    row->cl = wire->cl;
    row->born = wire->born;
    row->origin = wire->origin;
    row->stamp = wire->stamp;
    row->moved = wire->moved;
    row->birth = key->i;
    row->number = wire->number;
    row->since = wire->since;
    timely = take_stamp(a, &row->born) && take_stamp(a, &row->origin) && take_stamp(a, &row->stamp) &&
             take_stamp(a, &row->since);
    if (wire->moved && key->type != SYNC_INTEGER) {
        return sync_fail(error, SYNC_CORRUPT,
                         "the changeset is damaged: a row of table %s has a number and a key that is none",
                         at->t->name);
    }
    if (!is_countable(a, wire)) {
        return sync_fail(error, SYNC_CORRUPT,
                         "the changeset is damaged: a row of table %s has more lives than there were moments",
                         at->t->name);
    }
    for (uint32_t i = 0; i < wire->count; i++) {
        uint32_t *cid = &at->cid[wire->cells[i].col];
        if (*cid == UINT32_MAX) {
            int rc = sync_engine_add_column(a->m.s, at->t, theirs->col_names[wire->cells[i].col], cid, error);
            if (rc != SYNC_OK) {
                return rc;
            }
        }
        sync_stamp stamp = wire->cells[i].stamp;
        timely = take_stamp(a, &stamp) && timely;
        const sync_cell *have = at->twice ? sync_row_find(row, *cid) : NULL;
        if (have && sync_stamp_compare(&a->m.s->sites, have->stamp, stamp) >= 0) {
            continue;
        }
        sync_cell *cell = sync_row_set(row, *cid, stamp);
        if (cell == NULL) {
            return sync_fail_nomem(error);
        }
        cell->carried = true;
        cell->fresh = false;
        cell->value = wire->cells[i].value;
    }
    for (uint32_t i = 0; i < wire->ref_count; i++) {
        sync_ref ref = wire->refs[i];
        timely = take_stamp(a, &ref.born) && timely;
        if (ref.col < SYNC_REF_KEY) {
            ref.col = at->cid[ref.col];
        }
        if (ref.col != UINT32_MAX && sync_row_add_ref(row, ref) != SYNC_OK) {
            return sync_fail_nomem(error);
        }
    }
    return timely ? SYNC_OK
                  : sync_fail(error, SYNC_EARLY,
                              "table %s has a change stamped more than %d minutes ahead of this machine's "
                              "clock: nothing was merged; check"
                              " both clocks, then try again",
                              at->t->name, SYNC_DRIFT_MS_MAX / 60000);
}

static bool may_respell(const sync_table *t)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (t->key_affinity[i] == 'b' || sqlite3_stricmp(t->key_collations[i], "BINARY") != 0) {
            return true;
        }
    }
    return false;
}

static bool fits(const sync_db *s, const sync_table *t, const sync_value *key)
{
    uint32_t i = 0;
    for (; i < t->key_count && sync_base_fits(s, &key[i]); i++) {
    }
    return i == t->key_count;
}

static int fail_unfit(const sync_table *t, sync_error *error)
{
    return sync_fail(
        error, SYNC_ERROR,
        "table %s: a key is text that is not valid UTF-8, which does not fit into this UTF-16 file: "
        "change it where it comes from",
        t->name);
}

/* An author who may not see all rows does not know what was deleted. A row that was written after its key's was deleted begins a life after that. */
static void revive(sync_applying *a, const sync_table *t)
{
    const sync_row *local = &a->local;
    if (a->gate && t->identity == SYNC_BY_KEY && local->cl > a->remote.cl && !sync_row_alive(local) &&
        sync_row_alive(&a->remote) && !sync_stamp_is_none(a->remote.stamp) &&
        sync_stamp_compare(&a->m.s->sites, a->remote.stamp, local->stamp) > 0) {
        a->remote.cl = local->cl + 1;
    }
}

static int show_merged(sync_applying *a, sync_table *t, const sync_value *key, sync_slot *slot,
                       sync_merged what)
{
    sync_merging *m = &a->m;
    int64_t listed = m->last_listed;
    int rc = sync_show(m, t, key, &a->local, slot, what);
    if (rc == SYNC_OK && a->gate) {
        rc = sync_gate_merged(a->gate, listed, m->last_listed, m->error);
        rc = rc == SYNC_OK ? sync_gate_compare(a->gate, m, t, key, &a->remote, &a->local, slot) : rc;
    }
    return rc;
}

static int merge_row(sync_applying *a, sync_table *t, const sync_value *key, const sync_whole *whole)
{
    sync_merging *m = &a->m;
    sync_slot slot;
    sync_arena_reset(&m->arena);
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (key[i].type == SYNC_NULL) {
            return sync_fail(m->error, SYNC_CORRUPT, "the changeset is damaged: a key of table %s is NULL",
                             t->name);
        }
    }
    if (!fits(m->s, t, key)) { /* it never was here, so its delete is passed over */
        return sync_row_alive(&a->remote) ? fail_unfit(t, m->error) : SYNC_OK;
    }
    sync_value known[SYNC_KEY_COLUMNS_MAX];
    bool taken = false, forgot = sync_floors_forgot(&a->floors, t, &a->remote);
    int rc = t->meant ? sync_meant_arrived(t, key, &a->remote, known, &m->arena, m->error) : SYNC_OK;
    key = t->meant ? known : key;
    bool named = sync_row_alive(&a->remote) && a->remote.count == 0 && sync_stamp_is_none(a->remote.stamp);
    rc = rc == SYNC_OK && whole ? sync_whole_name(m->s, t, whole, key, a->remote.born, m->error) : rc;
    if (rc == SYNC_OK && named && !whole && a->head->purpose == SYNC_FOR_LEAF) {
        return sync_withdraw(m, t, key, a->remote.born, a->known[t - m->s->tables], &a->changed);
    }
    if (rc == SYNC_OK && named && (whole || a->gate)) {
        return rc;
    }
    rc = rc == SYNC_OK && !forgot && !a->gate ? sync_lane_take(&a->lane, m, t, key, &a->remote, &taken) : rc;
    if (rc != SYNC_OK || taken) {
        a->changed += taken;
        return rc;
    }
    rc = sync_find_arrived(m, t, key, &a->remote, &a->local, &slot);
    if (rc == SYNC_OK && forgot && a->local.cl == 0) {
        return sync_floors_pass(m, t, key, &a->remote, &slot);
    }
    rc = rc == SYNC_OK ? sync_conflict_genesis(m, t, key, &slot, &a->local, &a->remote) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    whole = a->head->purpose == SYNC_FOR_ALL ? whole : NULL; /* that of a selection ends no life */
    bool tells = t->identity == SYNC_BY_KEY &&
                 (whole || a->floors.behind[t - m->s->tables] || !sync_stamp_is_none(a->local.origin) ||
                  !sync_stamp_is_none(a->remote.origin));
    if (tells && sync_row_copy(&a->before, &a->local) != SYNC_OK) {
        return sync_fail_nomem(m->error);
    }
    revive(a, t);
    sync_stamp existed = a->local.stamp;
    bool had = a->local.cl > 0;
    bool was_alive = sync_row_alive(&a->local);
    sync_merged what = sync_row_merge(&m->s->sites, t->identity, &a->local, &a->remote);
    if (what == SYNC_MERGE_NOMEM) {
        return sync_fail_nomem(m->error);
    }
    bool begins = was_alive ? !sync_stamp_equal(existed, a->local.stamp) : slot.in_clock;
    if (tells && sync_floors_tell(&a->floors, m, t, &a->before, &a->remote, whole, &a->local)) {
        what = was_alive && !sync_row_alive(&a->local) ? SYNC_MERGE_LIFE
               : what == SYNC_MERGE_NOTHING            ? SYNC_MERGE_STAMP
                                                       : what;
    }
    if (what == SYNC_MERGE_NOTHING) {
        return a->gate ? sync_gate_compare(a->gate, m, t, key, &a->remote, &a->local, &slot) : SYNC_OK;
    }
    sync_admission may = SYNC_ADMITTED;
    rc = a->gate ? sync_gate_admit(a->gate, m, t, key, &a->local, &slot, had, &may) : SYNC_OK;
    a->refused = may == SYNC_REFUSED;
    if (rc != SYNC_OK || may != SYNC_ADMITTED) {
        return rc;
    }
    slot.respell = begins && sync_row_alive(&a->local) && may_respell(t);
    if (slot.spelled && !slot.respell && sync_row_alive(&a->local)) {
        key = slot.spelled; /* the sender may know an older spelling */
    }
    a->changed++;
    if (was_alive && slot.shown && !existed.written &&
        a->local.stamp.written) { /* somebody has settled it: verdict_genesis.c */
        rc = sync_conflict_unlist(m, t, key, &a->local, "genesis");
    }
    return rc == SYNC_OK ? show_merged(a, t, key, &slot, what) : rc;
}

/* A row of this file is in the way of one that has come: there may be many such. Looks through the whole changeset for them. */
static int make_way(sync_applying *a, sync_error *error)
{
    sync_decoder *again = NULL;
    sync_moves moves = {.m = &a->m};
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *wire = NULL;
    a->made_way = true;
    int rc = sync_lane_pause(&a->lane, &a->m);
    rc = rc == SYNC_OK ? sync_decoder_open(a->changeset, a->bytes, a->value_max, &again, error) : rc;
    while (rc == SYNC_OK && (rc = sync_decoder_next(again, &table, &key, &wire, error)) == SYNC_ROW) {
        sync_arriving *at = &a->tables[table];
        rc = SYNC_OK;
        if (at->t && at->t->identity == SYNC_BY_ROW) {
            rc = translate(a, at, &a->head->tables[table], key, wire, error);
            bool barred = rc == SYNC_OK && a->gate && sync_gate_bars(a->gate, at->t, key, a->remote.born);
            rc = rc == SYNC_OK && !barred ? sync_moves_note(&moves, at->t, key, &a->remote) : rc;
        }
    }
    rc = rc == SYNC_DONE ? sync_moves_make(&moves) : rc;
    sync_decoder_close(again);
    sync_moves_free(&moves);
    return rc;
}

static int merge_rows(sync_applying *a, sync_error *error)
{
    int rc;
    uint32_t table = 0;
    const sync_value *key = NULL;
    const sync_row *wire = NULL;
    while ((rc = sync_decoder_next(a->decoder, &table, &key, &wire, error)) == SYNC_ROW) {
        sync_arriving *at = &a->tables[table];
        if (at->t == NULL) {
            continue;
        }
        rc = translate(a, at, &a->head->tables[table], key, wire, error);
        if (rc == SYNC_OK) {
            sync_floors_meet(&a->floors, at->t, &a->remote);
        }
        a->refused = false;
        rc = rc == SYNC_OK ? merge_row(a, at->t, key, at->whole.comes ? &at->whole : NULL) : rc;
        if (rc == SYNC_OK && a->refused) {
            rc = sync_gate_report(a->gate, a->head, table, key, wire, error);
        }
        rc = rc == SYNC_OK && a->m.pushed && !a->made_way ? make_way(a, error) : rc;
        if ((rc & 0xff) == SQLITE_ERROR) {
            sync_capture_explain(a->m.s, at->t, error);
        }
        if (rc != SYNC_OK) {
            return rc;
        }
    }
    return rc == SYNC_DONE ? SYNC_OK : rc;
}

/* ---- tables that come whole ---- */

/* What the maker holds of a table that comes whole, and the highest stamp of a delete that it has forgotten: the clock goes above it. */
static int begin_whole(sync_applying *a, uint32_t h, sync_error *error)
{
    sync_whole *w = &a->tables[h].whole;
    w->delta = (int64_t)a->site[0] << 32 | a->head->delta;
    w->comes = true;
    if (a->head->purpose == SYNC_FOR_LEAF) {
        return a->head->part == 0 ? sync_whole_begin(a->m.s, a->tables[h].t, error) : SYNC_OK;
    }
    w->held = sync_alloc(a->m.s->sites.count * sizeof *w->held);
    if (w->held == NULL) {
        return sync_fail_nomem(error);
    }
    memset(w->held, 0, a->m.s->sites.count * sizeof *w->held);
    for (uint32_t i = 0; i < a->head->site_count; i++) {
        uint64_t hlc = sync_matrix_at(&a->head->floor, h, i);
        w->held[a->site[i]] = sync_matrix_at(&a->head->held, h, i);
        w->news = w->news || !sync_floors_holds(&a->floors, a->tables[h].t, a->site[i], hlc);
        w->latest = hlc > w->latest.hlc ? (sync_stamp){hlc, i, 1} : w->latest;
    }
    if (!take_stamp(a, &w->latest)) {
        return sync_fail(error, SYNC_EARLY,
                         "table %s had a delete stamped more than %d minutes ahead of this machine's clock: "
                         "nothing was merged",
                         a->head->tables[h].name, SYNC_DRIFT_MS_MAX / 60000);
    }
    return a->head->part == 0 ? sync_whole_begin(a->m.s, a->tables[h].t, error) : SYNC_OK;
}

static int begin_wholes(sync_applying *a, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t h = 0; rc == SYNC_OK && h < a->head->table_count; h++) {
        bool comes = a->head->tables[h].whole && !a->gate; /* nothing is gone since he does not have it */
        rc = a->tables[h].t && comes ? begin_whole(a, h, error) : SYNC_OK;
    }
    return rc;
}

/* What this file has of a whole table beyond it, and its maker has seen, is gone; or, of a selection, withdrawn. */
static int sweep_wholes(sync_applying *a, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t h = 0; rc == SYNC_OK && h < a->head->table_count; h++) {
        int64_t gone = 0;
        if (a->tables[h].whole.comes) {
            rc = a->head->purpose == SYNC_FOR_LEAF
                     ? sync_withdraw_rest(&a->m, a->tables[h].t, &a->tables[h].whole,
                                          a->head->tables[h].known, &gone)
                     : sync_whole_sweep(&a->m, a->tables[h].t, &a->tables[h].whole, &gone);
            a->changed += gone;
            rc = rc == SYNC_OK ? sync_whole_end(a->m.s, a->tables[h].t, &a->tables[h].whole, error) : rc;
        }
    }
    return rc;
}

static void apply_free(sync_applying *a)
{
    for (uint32_t h = 0; a->tables && a->head && h < a->head->table_count; h++) {
        sync_free(a->tables[h].cid);
        sync_free(a->tables[h].whole.held);
    }
    sync_free(a->tables);
    sync_free(a->site);
    sync_free(a->known);
    sync_row_free(&a->local);
    sync_row_free(&a->remote);
    sync_row_free(&a->before);
    sync_floors_free(&a->floors);
    sync_decoder_close(a->decoder);
}

/* A selection comes from somebody who may have seen of this file what nobody else did, and what it lacks says nothing: whatever this file has forgotten, it is not the reason. */
static int begin_selection(sync_applying *a, sync_error *error)
{
    sync_db *s = a->m.s;
    if (a->head->purpose == SYNC_FOR_AUTHOR) {
        return sync_fail(error, SYNC_MISUSE, "this says what was refused of a changeset: it is none itself");
    }
    if (a->gate) {
        return sync_fail(error, SYNC_MISUSE, "a selection is not taken from who may not write everything");
    }
    sync_floors_disregard(&a->floors, true);
    a->known = sync_alloc((s->table_count + 1) * sizeof *a->known);
    if (a->known == NULL) {
        return sync_fail_nomem(error);
    }
    memset(a->known, 0, (s->table_count + 1) * sizeof *a->known);
    for (uint32_t h = 0; h < a->head->table_count; h++) {
        if (a->tables[h].t) {
            a->known[a->tables[h].t - s->tables] = a->head->tables[h].known;
        }
    }
    return SYNC_OK;
}

static int judge_floors(sync_applying *a, sync_error *error)
{
    int rc = sync_floors_begin(&a->floors, a->m.s, a->head->site, error);
    if (rc == SYNC_OK && a->head->purpose != SYNC_FOR_ALL) {
        return begin_selection(a, error);
    }
    if (rc == SYNC_OK && a->gate) {
        sync_floors_disregard(&a->floors, false);
        return a->site[0] != a->m.s->own_site
                   ? SYNC_OK
                   : sync_fail(error, SYNC_CORRUPT, "the changeset says that this file has made it");
    }
    return rc == SYNC_OK ? sync_closing_judge(a, error) : rc;
}

/* The rows that have come are merged, and what follows from them. */
static int merge(sync_applying *a, sync_error *error)
{
    int64_t cache = 0;
    int rc = sync_merging_begin(&a->m, a->m.s, error);
    rc = rc == SYNC_OK ? begin_wholes(a, error) : rc;
    if (rc == SYNC_OK && a->bytes >= SYNC_LONG_BYTES) {
        rc = sync_engine_cache_widen(a->m.s, &cache, error);
    }
    rc = rc == SYNC_OK ? sync_lane_begin(&a->lane, &a->m, a->bytes) : rc;
    rc = rc == SYNC_OK ? merge_rows(a, error) : rc;
    rc = sync_lane_end(&a->lane, &a->m, rc);
    rc = rc == SYNC_OK && sync_decoder_closing(a->decoder) ? sweep_wholes(a, error) : rc;
    rc = rc == SYNC_OK ? sync_settle(&a->m) : rc;
    rc = rc == SYNC_OK && a->head->purpose == SYNC_FOR_LEAF ? sync_refused_yield(&a->m) : rc;
    if (rc == SYNC_OK && a->gate) {
        rc = sync_renumber_whoever(&a->m);
        rc = rc == SYNC_OK ? sync_gate_look_back(a->gate, &a->m) : rc;
        rc = rc == SYNC_OK && a->gate->again
                 ? sync_fail(error, SYNC_BARRED, "rows have become what their author may not make of them")
                 : rc;
    }
    rc = sync_merging_end(&a->m, rc);
    int restored = sync_engine_cache_restore(a->m.s, cache, error);
    return rc == SYNC_OK ? restored : rc;
}

/* What the end of the changeset says, if it has one. A selection says nothing of what its receiver holds now. */
static int take_closing(sync_applying *a, const sync_closing *closing, sync_error *error)
{
    int rc = a->gate ? SYNC_OK : sync_closing_lives(a, error);
    return rc != SYNC_OK ? rc
           : closing && a->head->purpose == SYNC_FOR_ALL
               ? sync_closing_take(a, closing, error)
               : sync_floors_end(&a->floors, &a->floors.seen, error);
}

int sync_apply(sync_db *s, const void *changeset, size_t bytes, int64_t *changed, sync_error *error)
{
    return sync_apply_gated(s, changeset, bytes, NULL, changed, error);
}

int sync_apply_gated(sync_db *s, const void *changeset, size_t bytes, sync_gate *gate, int64_t *changed,
                     sync_error *error)
{
    sync_applying a = {.m = {.s = s}, .changeset = changeset, .bytes = bytes, .gate = gate};
    *changed = 0;
    a.value_max = (uint64_t)sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, -1);
    int rc = sync_decoder_open(changeset, bytes, a.value_max, &a.decoder, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    a.head = sync_decoder_head(a.decoder);
    rc = map_tables(&a, error);
    rc = rc == SYNC_OK ? check_base(&a, error) : rc;
    rc = rc == SYNC_OK ? sync_parts_check(s, a.head, error) : rc;
    rc = rc == SYNC_OK ? map_sites(&a, error) : rc;
    rc = rc == SYNC_OK && gate ? sync_gate_begin(gate, s, error) : rc;
    rc = rc == SYNC_OK ? judge_floors(&a, error) : rc;
    rc = rc == SYNC_OK ? merge(&a, error) : rc;
    const sync_closing *closing = rc == SYNC_OK ? sync_decoder_closing(a.decoder) : NULL;
    rc = rc == SYNC_OK ? take_closing(&a, closing, error) : rc;
    if (rc == SYNC_OK) {
        s->hlc = a.m.hlc > s->hlc ? a.m.hlc : s->hlc;
        s->folded = a.m.newest;
        rc = closing ? sync_renumber(s, a.m.stirred || a.head->part > 0, error) : SYNC_OK;
    }
    if (rc == SYNC_OK) {
        rc = sync_parts_note(s, a.head, closing != NULL, error);
        rc = rc == SYNC_OK ? sync_engine_save(s, error) : rc;
    }
    *changed = rc == SYNC_OK ? a.changed : 0;
    apply_free(&a);
    return rc;
}
