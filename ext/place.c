/* Showing a merged state in the base table, or holding it where a constraint is in the way. Source: docs/MERGE.md, "Constraints". */
#include "base.h"
#include "clash.h"
#include "clocks.h"
#include "key.h"
#include "order.h"
#include "orphans.h"
#include "parents.h"
#include "references.h"

#include <string.h>

/* ---- holding ---- */

/* Where a state that is not shown belongs: identity row: any j above 0. */
static int hidden_j(sync_merging *m, sync_table *t, const sync_value *key, const sync_slot *slot, int64_t *j)
{
    *j = slot->stub;
    if (t->identity == SYNC_BY_KEY || (slot->shown && slot->stub)) {
        return SYNC_OK;
    }
    if (slot->in_clock && slot->j > 0) {
        *j = slot->j;
        return SYNC_OK;
    }
    int rc = sync_clocks_highest(m->s, t, SYNC_IN_FILE, key, j, m->error);
    *j += 1;
    return rc;
}

/* As sync_hold. idle: it makes no difference to who is shown. told: see sync_conflict_hold. */
static int hold(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
                const char *reason, const char *detail, bool idle, bool told)
{
    sync_value spelled[SYNC_KEY_COLUMNS_MAX], room;
    const sync_value *lies = sync_lies(slot, key, &room);
    int64_t seq = 0, j = 0;
    bool exists = false, by_key = t->identity == SYNC_BY_KEY, meant = t->meant;
    bool fresh = !slot->in_clock && !slot->shown;
    int rc = SYNC_OK;
    if (m->retry && !slot->shown && slot->was_held) {
        return sync_conflict_restate(m, t, key, row, reason, detail);
    }
    if (slot->shown) {
        rc = sync_parents_load(m, t, lies, row, spelled, &exists); /* its parents may be its children too */
        rc = rc == SYNC_OK ? sync_hold_children(m, t, lies, NULL, false) : rc;
        rc = rc == SYNC_OK && m->orphans ? sync_conflict_unlist(m, t, key, row, "foreign key") : rc;
        bool renamed =
            slot->away || meant || (by_key && exists && slot->respell && !sync_key_same(t, key, spelled));
        if (by_key && exists && !slot->respell) { /* from now on the clock spells the key */
            for (uint32_t i = 0; meant && i < t->key_count; i++) {
                spelled[i] = t->key_parents[i] ? key[i] : spelled[i];
            }
            key = spelled;
            lies = meant ? lies : spelled;
            slot->respell = true;
        }
        rc = rc == SYNC_OK ? sync_write_away(m, t, lies, &seq) : rc;
        if (rc == SYNC_OK && renamed) { /* the delete's entry has the old spelling, or the number shown */
            int64_t deleted = seq;
            rc = sync_enter(m, t, key, &seq);
            rc = rc == SYNC_OK ? sync_clocks_drop_entry(m->s, deleted, m->error) : rc;
        }
        if (sync_base_refused(rc)) {
            return sync_conflict_note(m, t, key, row, NULL, reason, "it could not be taken out of the table");
        }
    } else {
        rc = sync_enter(m, t, key, &seq);
        m->touched[t - m->s->tables] = m->touched[t - m->s->tables] || !idle;
    }
    if (rc == SYNC_OK && idle && slot->free_j) {
        j = slot->free_j;
    } else {
        rc = rc == SYNC_OK ? hidden_j(m, t, key, slot, &j) : rc;
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    row->held = true;
    sync_parents_at_birth(row);
    rc = sync_put(m, t, key, row, slot, j, seq);
    slot->shown = false;
    slot->was_held = true;
    return rc == SYNC_OK ? sync_conflict_hold(m, t, key, row, fresh, told, reason, detail) : rc;
}

int sync_hold(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
              const char *reason, const char *detail)
{
    return hold(m, t, key, row, slot, reason, detail, false, false);
}

/* Does it change nothing for the others that a row is held which nobody knew here? It lost its number to an older claim that is shown, or lacks a parent, and nothing else decides in
** its table: no UNIQUE value, for which it may rank higher than those it stands back behind, and no circle, in which others wait for it (contest.h). Nor is it
** for this file to give it another number. */
static int is_idle(sync_merging *m, const sync_table *t, const sync_row *row, const sync_slot *slot,
                   bool *idle)
{
    int rc = SYNC_OK;
    bool ours = false;
    if (m->weighed != t) {
        bool circular = true;
        rc = sync_order_circular(m->s, t, &circular, m->error);
        m->weighed = t;
        m->plain = !circular && t->unique_count == 0;
    }
    *idle = rc == SYNC_OK && m->plain && !m->retry && !slot->in_clock && !slot->shown;
    if (*idle) {
        rc = sync_merging_wrote(m, row->stamp, &ours);
        *idle = !ours;
    }
    return rc;
}

/* ---- showing ---- */

/* Of a row that is shown only values that wait in its clock know what they mean; and those of columns of which this file does not: the table that they refer to is not tracked. */
static void keep_waiting_refs(const sync_db *s, const sync_table *t, sync_row *row)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < row->ref_count; i++) {
        const sync_cell *cell = row->refs[i].col < SYNC_REF_KEY ? sync_row_find(row, row->refs[i].col) : NULL;
        if (cell && (cell->carried || !sync_is_reference(s, t, cell->col))) {
            row->refs[kept++] = row->refs[i];
        }
    }
    row->ref_count = kept;
}

int sync_keep_written(sync_merging *m, const sync_table *t, sync_row *row)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < row->count; i++) {
        sync_cell *cell = &row->cells[i];
        const sync_column *col = &t->cols[cell->col];
        if (!cell->carried || !col->present) {
            continue;
        }
        bool keeps = sync_column_fits(col->affinity, &cell->value) || sync_is_reference(m->s, t, cell->col);
        rc = keeps ? SYNC_OK : sync_column_keeps(m->s, col->affinity, &cell->value, &keeps, m->error);
        cell->carried = !keeps;
    }
    keep_waiting_refs(m->s, t, row);
    return rc;
}

/* The row is in the base table as `row` says: its clock says so too. */
static int shown_now(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
                     int64_t seq)
{
    bool was_held = slot->was_held, was_shown = slot->shown;
    sync_value room;
    int rc = sync_keep_written(m, t, row);
    row->held = false;
    rc = rc == SYNC_OK ? sync_put(m, t, key, row, slot, 0, seq) : rc;
    slot->shown = true;
    slot->was_held = false;
    rc = rc == SYNC_OK && was_held ? sync_conflict_clear(m, t, key, row) : rc;
    return rc == SYNC_OK && !was_shown && t->identity == SYNC_BY_ROW
               ? sync_orphans_meet(m, t, sync_claimed(row, NULL, key, &room)->i)
               : rc;
}

/* The spelling of a key is no cell, and does not wait in a clock: it is written by itself where the cells are refused, if it may be. */
static int respell_alone(sync_merging *m, sync_table *t, const sync_value *key, const sync_slot *slot,
                         int64_t *seq, bool *done)
{
    const sync_row none = {0};
    char why[SYNC_ERROR_BYTES];
    *done = false;
    if (!slot->respell || t->identity != SYNC_BY_KEY) {
        return SYNC_OK;
    }
    int rc = sync_write_base(m, t, SYNC_WRITE_UPDATE, key, &none, true, seq, why);
    *done = rc == SYNC_OK;
    return sync_base_refused(rc) ? SYNC_OK : rc;
}

/* Some cells cannot be written: they wait in the clock, the row stays as it was. */
static int refuse_cells(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
                        const char *reason, const char *why)
{
    int64_t seq = 0;
    sync_value room;
    if (m->retry) {
        return SYNC_OK;
    }
    bool respelled = false;
    int rc = respell_alone(m, t, key, slot, &seq, &respelled);
    rc = rc == SYNC_OK && !respelled ? sync_enter(m, t, sync_lies(slot, key, &room), &seq) : rc;
    sync_parents_at_birth(row);
    keep_waiting_refs(m->s, t, row);
    rc = rc == SYNC_OK ? sync_put(m, t, key, row, slot, 0, seq) : rc;
    return rc == SYNC_OK ? sync_conflict_hold(m, t, key, row, false, false, reason, why) : rc;
}

/* Takes a row that is shown, and has ended, out of its table. SYNC_OK with its journal entry, or a refusal. */
static int bury_shown(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                      const sync_slot *slot, int64_t *seq, char why[SYNC_ERROR_BYTES])
{
    sync_value room;
    const sync_value *lies = sync_lies(slot, key, &room);
    int rc = sync_hold_children(m, t, lies, NULL, true);
    rc = rc == SYNC_OK && m->orphans ? sync_conflict_unlist(m, t, key, row, "foreign key") : rc;
    rc = rc == SYNC_OK ? sync_write_base(m, t, SYNC_WRITE_DELETE, lies, NULL, false, seq, why) : rc;
    if (rc == SYNC_OK && (slot->away || t->meant)) { /* the tombstone lies elsewhere */
        int64_t deleted = *seq;
        rc = sync_enter(m, t, key, seq);
        rc = rc == SYNC_OK ? sync_clocks_drop_entry(m->s, deleted, m->error) : rc;
    }
    return rc;
}

static int bury(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot)
{
    char why[SYNC_ERROR_BYTES];
    int64_t seq = 0, j = 0;
    bool was_held = slot->was_held;
    sync_value room;
    int rc = SYNC_OK;
    if (slot->shown) {
        rc = bury_shown(m, t, key, row, slot, &seq, why);
        if (sync_base_refused(rc)) {
            rc = sync_conflict_note(m, t, key, row, NULL, sync_base_reason(rc), why);
            rc = rc == SYNC_OK ? sync_enter(m, t, key, &seq) : rc;
        }
    } else {
        rc = sync_enter(m, t, t->meant ? key : sync_lies(slot, key, &room), &seq);
        m->touched[t - m->s->tables] = true;
    }
    rc = rc == SYNC_OK ? hidden_j(m, t, key, slot, &j) : rc;
    rc = rc == SYNC_OK ? sync_put(m, t, key, row, slot, j, seq) : rc;
    return rc == SYNC_OK && was_held ? sync_conflict_clear(m, t, key, row) : rc;
}

int sync_bury_again(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born)
{
    sync_row row = {0}, other = {0};
    sync_slot slot, other_slot = {0};
    sync_value room;
    int64_t seq = 0, j = 0;
    bool there = false;
    char why[SYNC_ERROR_BYTES];
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, t, key, born, &row, &slot);
    bool ended = rc == SYNC_OK && row.cl > 0 && !sync_row_alive(&row);
    const sync_value *lies = sync_lies(&slot, key, &room);
    rc = ended ? sync_base_exists(m->s, t, lies, &there, m->error) : rc;
    if (rc == SYNC_OK && there && t->identity == SYNC_BY_ROW) {
        rc = sync_find_shown(m, t, lies, &other, &other_slot); /* its number may be another row's by now */
        there = !other_slot.in_clock;
    }
    if (rc == SYNC_OK && there) {
        rc = bury_shown(m, t, key, &row, &slot, &seq, why);
        there = sync_base_refused(rc);
        rc = there ? SYNC_OK : rc;
        if (rc == SYNC_OK && !there) {
            rc = hidden_j(m, t, key, &slot, &j);
            rc = rc == SYNC_OK ? sync_put(m, t, key, &row, &slot, j, seq) : rc;
        }
    }
    rc = rc == SYNC_OK && ended && !there ? sync_conflict_unlist(m, t, key, &row, "trigger") : rc;
    sync_row_free(&row);
    sync_row_free(&other);
    return rc;
}

static bool sets_anything(const sync_table *t, const sync_row *row)
{
    for (uint32_t i = 0; i < row->count; i++) {
        if (row->cells[i].carried && t->cols[row->cells[i].col].present) {
            return true;
        }
    }
    return false;
}

/* Two copies of a file were tracked apart: what comes from before tracking is mostly there already. */
static int is_there(sync_merging *m, sync_table *t, const sync_value *at, const sync_row *row, bool *there)
{
    sync_row have = {0};
    *there = true;
    for (uint32_t i = 0; *there && i < row->count; i++) {
        *there = !row->cells[i].carried || !row->cells[i].stamp.written;
    }
    if (!*there) {
        return SYNC_OK;
    }
    int rc = sync_row_copy(&have, row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    for (uint32_t i = 0; rc == SYNC_OK && i < have.count; i++) {
        have.cells[i].carried = false;
    }
    rc = rc == SYNC_OK ? sync_base_load(m->s, t, at, &have, NULL, &m->arena, there, m->error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && *there && i < row->count; i++) {
        *there = !row->cells[i].carried ||
                 (have.cells[i].carried && sync_value_same(&have.cells[i].value, &row->cells[i].value));
    }
    sync_row_free(&have);
    return rc;
}

/* Writes the row to the base table; a refusal is in *refused (0: written). */
static int write_shown(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
                       sync_merged what, int64_t *seq, int *refused, char why[SYNC_ERROR_BYTES])
{
    *refused = 0;
    sync_value room;
    const sync_value *at = sync_claimed(row, slot, key, &room);
    bool reset = what == SYNC_MERGE_LIFE && slot->shown;
    bool there = slot->shown && !reset && !slot->respell;
    int rc = there && sets_anything(t, row) ? is_there(m, t, at, row, &there) : SYNC_OK;
    if (rc != SYNC_OK || there) {
        return rc == SYNC_OK ? sync_enter(m, t, at, seq) : rc;
    }
    sync_write how = !slot->shown ? SYNC_WRITE_INSERT : reset ? SYNC_WRITE_RESET : SYNC_WRITE_UPDATE;
    rc = sync_write_base(m, t, how, at, row, slot->respell && slot->shown, seq, why);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
        rc == SQLITE_CONSTRAINT_ROWID) { /* it came behind the triggers' back: taken over */
        slot->shown = true;
        rc = sync_write_base(m, t, SYNC_WRITE_RESET, at, row, false, seq, why);
    }
    if (sync_base_refused(rc)) {
        *refused = rc;
        rc = SYNC_OK;
    }
    return rc;
}

/* A UNIQUE index refused the row: may it push out what is in its way? `missing`: it may, but one of those was its parent. */
static int make_room(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                     const sync_slot *slot, bool *wins, sync_missing *missing)
{
    sync_row whole = {0};
    sync_slot asked = *slot;
    sync_value room;
    const sync_value *at = sync_claimed(row, slot, key, &room);
    sync_holding here = {t, at, m->holding};
    bool exists = false;
    int rc = sync_row_copy(&whole, row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    if (rc == SYNC_OK && slot->shown) {
        rc = sync_parents_load(m, t, at, &whole, NULL, &exists);
    }
    rc = rc == SYNC_OK ? sync_parents_renumber(m, t, key, &whole) : rc;
    m->holding = &here; /* the row itself is not to be held as a child of what it pushes out */
    rc = rc == SYNC_OK ? sync_clash_settle(m, t, at, &whole, slot->shown, wins) : rc;
    m->holding = here.outer;
    asked.shown = false; /* look at every foreign key */
    if (rc == SYNC_OK && *wins) {
        rc = sync_parents_missing(m, t, at, &whole, &asked, missing);
    }
    sync_row_free(&whole);
    return rc;
}

/* Nothing but UNIQUE indexes and the row itself stand in the way now. */
static int show_or_hold(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
                        sync_merged what)
{
    char why[SYNC_ERROR_BYTES];
    const char *reason = NULL;
    sync_missing missing = {.from = 0};
    int64_t seq = 0;
    int refused = 0;
    bool wins = false;
    sync_value room;
    int rc = slot->shown ? sync_hold_children(m, t, sync_lies(slot, key, &room), row, false) : SYNC_OK;
    rc = rc == SYNC_OK ? write_shown(m, t, key, row, slot, what, &seq, &refused, why) : rc;
    if (rc == SYNC_OK && refused == SQLITE_CONSTRAINT_UNIQUE) {
        rc = make_room(m, t, key, row, slot, &wins, &missing);
        if (rc == SYNC_OK && wins && !missing.why[0]) {
            rc = write_shown(m, t, key, row, slot, what, &seq, &refused, why);
        }
    }
    reason = refused ? sync_base_reason(refused) : NULL;
    if (missing.why[0]) {
        reason = "foreign key";
        sqlite3_snprintf(sizeof why, why, "%s", missing.why);
    }
    if (rc == SYNC_OK && !refused) {
        rc = shown_now(m, t, key, row, slot, seq);
    } else if (rc == SYNC_OK && (!slot->shown || refused == SQLITE_CONSTRAINT_UNIQUE)) {
        rc = sync_hold(m, t, key, row, slot, reason, why);
    } else if (rc == SYNC_OK) {
        rc = refuse_cells(m, t, key, row, slot, reason, why);
    }
    return rc;
}

int sync_occupant(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row, sync_row *other,
                  sync_slot *slot)
{
    sync_value room;
    if (row->moved && (key->type != SYNC_INTEGER || row->number != key->i)) {
        return sync_find_shown(m, t, sync_claimed(row, NULL, key, &room), other, slot);
    }
    *slot = m->other_slot;
    return sync_row_copy(other, &m->other) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
}

/* sync_show for a live row all of whose parents are shown. Where its number is taken it waits: who has it is decided when all have come (contest.h). */
static int show_numbered(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row,
                         sync_slot *slot, sync_merged what, const sync_row *other,
                         const sync_slot *other_slot)
{
    if (t->identity == SYNC_BY_KEY || slot->shown || !other_slot->shown) {
        return show_or_hold(m, t, key, row, slot, what);
    }
    bool idle = false, older = sync_stamp_compare(&m->s->sites, other->moved ? other->since : other->born,
                                                  row->moved ? row->since : row->born) < 0;
    m->pushed = m->pushed || (!older && other->stamp.site == m->s->own_site && other->stamp.written);
    int rc = is_idle(m, t, row, slot, &idle);
    idle = idle && older;
    return rc == SYNC_OK ? hold(m, t, key, row, slot, "number", "another row was given this number earlier",
                                idle, false)
                         : rc;
}

/* Is the row shown under another number than it claims now? */
static bool is_renumbered(const sync_row *row, const sync_slot *slot, const sync_value *key)
{
    sync_value claimed, lies;
    return slot->shown && (row->moved || slot->away) &&
           !sync_value_same(sync_claimed(row, NULL, key, &claimed), sync_lies(slot, key, &lies));
}

int sync_show(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
              sync_merged what)
{
    sync_missing missing = {.from = 0};
    sync_value room;
    if (!sync_row_alive(row)) {
        return bury(m, t, key, row, slot);
    }
    if (is_renumbered(row, slot, key)) { /* it comes back under its number, and what refers to it with it */
        return sync_hold(m, t, key, row, slot, "number", "its number changed");
    }
    sync_row other = {0};
    sync_slot other_slot = {0};
    int rc = slot->shown ? SYNC_OK : sync_occupant(m, t, key, row, &other, &other_slot);
    rc = rc == SYNC_OK ? sync_parents_renumber(m, t, key, row) : rc;
    rc = rc == SYNC_OK ? sync_parents_missing(m, t, sync_claimed(row, slot, key, &room), row, slot, &missing)
                       : rc;
    if (rc == SYNC_OK && missing.why[0]) {
        bool idle = false, gone = true;
        rc = is_idle(m, t, row, slot, &idle);
        rc = rc == SYNC_OK && idle ? sync_parents_gone(m, &missing, &gone) : rc;
        rc = rc == SYNC_OK ? hold(m, t, key, row, slot, "foreign key", missing.why, idle, !gone) : rc;
    } else if (rc == SYNC_OK) {
        rc = show_numbered(m, t, key, row, slot, what, &other, &other_slot);
    }
    sync_row_free(&other);
    return rc;
}
