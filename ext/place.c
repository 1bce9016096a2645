/* Showing a merged state in the base table, or holding it where a constraint is in the way. Source: docs/MERGE.md, "Constraints". */
#include "base.h"
#include "clocks.h"
#include "key.h"
#include "merging.h"

#include <string.h>

enum { HOLD_DEPTH_MAX = 1000 };

static const char *reason_of(int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
        return "unique";
    case SQLITE_CONSTRAINT_CHECK:
        return "check";
    case SQLITE_CONSTRAINT_NOTNULL:
        return "not null";
    case SQLITE_CONSTRAINT_TRIGGER:
        return "trigger";
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return "foreign key";
    default:
        return "datatype";
    }
}

/* ---- holding ---- */

/* What the row's references mean now, before it leaves the base table. */
static int keep_refs(sync_merging *m, const sync_table *t, const sync_value *key, sync_row *row)
{
    int rc = SYNC_OK;
    row->ref_count = 0;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        if (fk->child_tid != t->tid || !fk->to_row) {
            continue;
        }
        const sync_cell *cell = fk->from_col < SYNC_REF_KEY ? sync_row_find(row, fk->from_col) : NULL;
        const sync_value *v = fk->from_col >= SYNC_REF_KEY ? &key[fk->from_col - SYNC_REF_KEY]
                              : cell                       ? &cell->value
                                                           : NULL;
        sync_table *parent = sync_engine_tid(m->s, fk->parent_tid);
        sync_stamp born = SYNC_STAMP_NONE;
        if (parent && v && v->type == SYNC_INTEGER) {
            rc = sync_clocks_born(m->s, parent, SYNC_IN_FILE, v->i, &born, m->error);
        }
        if (rc == SYNC_OK && !sync_stamp_is_none(born)) {
            sync_ref ref = {fk->from_col, v->i, born};
            rc = sync_row_add_ref(row, ref) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
        }
    }
    return rc;
}

/* Where a state that is not shown belongs: identity row: any j above 0. */
static int hidden_j(sync_merging *m, sync_table *t, const sync_value *key, const sync_slot *slot, int64_t *j)
{
    *j = 0;
    if (t->identity == SYNC_BY_KEY) {
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

int sync_hold(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
              const char *reason, const char *detail)
{
    int64_t seq = 0, j = 0;
    bool exists = false;
    int rc = SYNC_OK;
    if (m->retry && !slot->shown && slot->was_held) {
        return SYNC_OK;
    }
    if (slot->shown) {
        rc = sync_hold_children(m, t, key);
        rc = rc == SYNC_OK ? sync_base_load(m->s, t, key, row, NULL, &m->arena, &exists, m->error) : rc;
        rc = rc == SYNC_OK ? keep_refs(m, t, key, row) : rc;
        rc = rc == SYNC_OK ? sync_write_base(m, t, SYNC_WRITE_DELETE, key, NULL, false, &seq, NULL) : rc;
        if (sync_base_refused(rc)) {
            return sync_conflict_add(m, t, key, row, NULL, false, reason,
                                     "it could not be taken out of the table");
        }
    } else {
        rc = sync_enter(m, t, key, &seq);
    }
    rc = rc == SYNC_OK ? hidden_j(m, t, key, slot, &j) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    row->held = true;
    rc = sync_put(m, t, key, row, slot, j, seq);
    slot->shown = false;
    slot->was_held = true;
    return rc == SYNC_OK ? sync_conflict_add(m, t, key, row, NULL, true, reason, detail) : rc;
}

/* Keys of the child rows that refer to a parent row through one foreign key, into the arena. */
static int find_children(sync_merging *m, const sync_fk *fk, const sync_table *parent,
                         const sync_table *child, const sync_value *key, sync_value ***list, uint32_t *count)
{
    sqlite3_str *sql = sqlite3_str_new(m->s->db);
    sqlite3_str_appendall(sql, "SELECT 0, ");
    sync_str_keys(sql, child, "c.\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS p JOIN main.\"%w\" AS c ON ", parent->name, child->name);
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "%sp.\"%w\" = c.\"%w\"", i ? " AND " : "", fk->to[i], fk->from[i]);
    }
    sqlite3_str_appendall(sql, " WHERE ");
    for (uint32_t i = 0; i < parent->key_count; i++) {
        sqlite3_str_appendf(sql, "%sp.\"%w\" = ?%d", i ? " AND " : "", parent->key_names[i], (int)i + 4);
    }
    sqlite3_stmt *stmt;
    uint32_t cap = 0;
    *list = NULL;
    *count = 0;
    int rc = sync_prepare_text(m->s, &stmt, m->error, sqlite3_str_finish(sql));
    rc = rc == SYNC_OK ? sync_clocks_bind_key(m->s, stmt, parent, key, m->error) : rc;
    while (rc == SYNC_OK && (rc = sync_step(m->s, stmt, m->error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        if (*count == cap) {
            cap = cap ? cap * 2 : 8;
            sync_value **wider = sync_realloc(*list, cap * sizeof *wider);
            if (wider == NULL) {
                rc = sync_fail_nomem(m->error);
                break;
            }
            *list = wider;
        }
        sync_value *one = sync_arena_alloc(&m->arena, child->key_count * sizeof *one);
        for (uint32_t i = 0; one && i < child->key_count; i++) {
            sync_value v = sync_column_value(stmt, (int)i + 1);
            one = sync_arena_value(&m->arena, &v, &one[i]) ? one : NULL;
        }
        (*list)[(*count)++] = one;
        rc = one ? SYNC_OK : sync_fail_nomem(m->error);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static bool same_row(const sync_table *a, const sync_value *a_key, const sync_table *b,
                     const sync_value *b_key)
{
    bool same = a == b;
    for (uint32_t i = 0; same && i < a->key_count; i++) {
        same = sync_value_same(&a_key[i], &b_key[i]);
    }
    return same;
}

int sync_hold_children(sync_merging *m, sync_table *parent, const sync_value *key)
{
    int rc = SYNC_OK;
    if (m->depth >= HOLD_DEPTH_MAX) {
        return sync_fail(m->error, SYNC_TOOBIG, "rows of %s hang on each other more than %d deep",
                         parent->name, HOLD_DEPTH_MAX);
    }
    m->depth++;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        sync_table *child = fk->parent_tid == parent->tid ? sync_engine_tid(m->s, fk->child_tid) : NULL;
        if (child == NULL) {
            continue;
        }
        sync_value **keys = NULL;
        uint32_t count = 0;
        rc = find_children(m, fk, parent, child, key, &keys, &count);
        for (uint32_t c = 0; rc == SYNC_OK && c < count; c++) {
            sync_row row = {0};
            sync_slot slot;
            if (same_row(parent, key, child, keys[c])) {
                continue;
            }
            rc = sync_find_shown(m, child, keys[c], &row, &slot);
            if (rc == SYNC_OK && slot.shown) {
                rc = sync_hold(m, child, keys[c], &row, &slot, "foreign key",
                               "the row that it refers to went away");
            }
            sync_row_free(&row);
        }
        sync_free(keys);
    }
    m->depth--;
    return rc;
}

/* ---- obstacles ---- */

static const sync_value *value_of(const sync_table *t, const sync_value *key, const sync_row *row,
                                  const char *name, bool *fresh)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (sqlite3_stricmp(t->key_names[i], name) == 0) {
            return &key[i];
        }
    }
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        if (cell->col < t->col_count && sqlite3_stricmp(t->cols[cell->col].name, name) == 0) {
            *fresh = *fresh || cell->carried;
            return cell->carried ? &cell->value : NULL;
        }
    }
    return NULL;
}

/* Does the base table of the parent have the row that these values mean? */
static int parent_shown(sync_merging *m, sync_fk *fk, sync_table *parent, const sync_value *const *values,
                        const sync_row *row, bool *shown)
{
    int rc = SYNC_OK;
    if (fk->parent_stmt == NULL) {
        sqlite3_str *sql = sqlite3_str_new(m->s->db);
        sqlite3_str_appendf(sql, "SELECT 1 FROM main.\"%w\" WHERE ", parent->name);
        for (uint32_t i = 0; i < fk->count; i++) {
            sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", i ? " AND " : "", fk->to[i], (int)i + 1);
        }
        rc = sync_prepare_text(m->s, &fk->parent_stmt, m->error, sqlite3_str_finish(sql));
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < fk->count; i++) {
        rc = sync_bind_value(fk->parent_stmt, (int)i + 1, values[i]) == SQLITE_OK
                 ? SYNC_OK
                 : sync_fail_db(m->s, m->error, NULL);
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(m->s, fk->parent_stmt, m->error);
    sqlite3_reset(fk->parent_stmt);
    *shown = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW || !fk->to_row || values[0]->type != SYNC_INTEGER) {
        return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
    }
    sync_stamp meant = SYNC_STAMP_NONE, there = SYNC_STAMP_NONE;
    for (uint32_t i = 0; i < row->ref_count; i++) {
        if (row->refs[i].col == fk->from_col) {
            meant = row->refs[i].born;
        }
    }
    rc = sync_clocks_born(m->s, parent, SYNC_IN_FILE, values[0]->i, &there, m->error);
    *shown = sync_stamp_equal(meant, there);
    return rc;
}

/* Is a parent of the row not shown? Foreign keys whose columns did not change keep what they have. */
static int find_missing_parent(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                               const sync_slot *slot, char why[SYNC_ERROR_BYTES])
{
    why[0] = 0;
    for (uint32_t i = 0; i < m->s->fk_count; i++) {
        sync_fk *fk = &m->s->fks[i];
        sync_table *parent = fk->child_tid == t->tid ? sync_engine_tid(m->s, fk->parent_tid) : NULL;
        const sync_value *values[SYNC_KEY_COLUMNS_MAX];
        bool fresh = !slot->shown, complete = true, own = parent == t && fk->to_key, shown = true;
        for (uint32_t c = 0; parent && c < fk->count; c++) {
            values[c] = value_of(t, key, row, fk->from[c], &fresh);
            complete = complete && values[c] && values[c]->type != SYNC_NULL;
            own = own && complete && sync_value_same(values[c], &key[c]);
        }
        if (!parent || !fresh || !complete || own) {
            continue; /* part of a key that is only partly carried is checked when the row is next shown */
        }
        int rc = parent_shown(m, fk, parent, values, row, &shown);
        if (rc != SYNC_OK) {
            return rc;
        }
        if (!shown) {
            sqlite3_snprintf(SYNC_ERROR_BYTES, why, "%s(%s) refers to a row of %s that is not shown here",
                             t->name, fk->from[0], parent->name);
            return SYNC_OK;
        }
    }
    return SYNC_OK;
}

/* Rank of a row among those that clash: the highest stamp of its indexed cells. */
static sync_stamp rank(const sync_merging *m, const sync_table *t, const sync_row *row)
{
    sync_stamp best = SYNC_STAMP_NONE;
    for (uint32_t u = 0; u < t->unique_count; u++) {
        for (uint32_t c = 0; c < t->uniques[u].count; c++) {
            sync_stamp stamp = row->stamp; /* of a key column */
            for (uint32_t i = 0; i < t->col_count; i++) {
                if (sqlite3_stricmp(t->cols[i].name, t->uniques[u].cols[c]) == 0) {
                    const sync_cell *cell = sync_row_find(row, i);
                    stamp = cell ? cell->stamp : SYNC_STAMP_NONE;
                }
            }
            best = sync_stamp_compare(&m->s->sites, stamp, best) > 0 ? stamp : best;
        }
    }
    return best;
}

static int compare_keys(const sync_table *t, const sync_value *a, const sync_value *b)
{
    sync_buf x = {0}, y = {0};
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(&x, &a[i]);
        sync_value_put(&y, &b[i]);
    }
    size_t least = x.len < y.len ? x.len : y.len;
    int order = least ? memcmp(x.data, y.data, least) : 0;
    order = order ? order : (x.len > y.len) - (x.len < y.len);
    sync_buf_free(&x);
    sync_buf_free(&y);
    return order;
}

/* Key of a base row that has the row's values under one UNIQUE index; *found false if none. */
static int find_clash(sync_merging *m, sync_table *t, const sync_unique *u, const sync_value *key,
                      const sync_row *row, sync_value *clash, bool *found)
{
    sqlite3_str *sql = sqlite3_str_new(m->s->db);
    sqlite3_stmt *stmt;
    const sync_value *values[SYNC_KEY_COLUMNS_MAX];
    bool complete = u->plain && u->count > 0, ignored = false;
    *found = false;
    sqlite3_str_appendall(sql, "SELECT 0, ");
    sync_str_keys(sql, t, "\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE NOT (", t->name);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\" IS ?%d", i ? " AND " : "", t->key_names[i], (int)i + 4);
    }
    sqlite3_str_appendall(sql, ")");
    for (uint32_t c = 0; c < u->count; c++) {
        values[c] = value_of(t, key, row, u->cols[c], &ignored);
        complete = complete && values[c] && values[c]->type != SYNC_NULL;
        sqlite3_str_appendf(sql, " AND \"%w\" = ?%d COLLATE \"%w\"", u->cols[c], (int)(t->key_count + c) + 4,
                            u->collations[c]);
    }
    char *text = sqlite3_str_finish(sql);
    if (!complete) {
        sqlite3_free(text);
        return SYNC_OK;
    }
    int rc = sync_prepare_text(m->s, &stmt, m->error, text);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(m->s, stmt, t, key, m->error) : rc;
    for (uint32_t c = 0; rc == SYNC_OK && c < u->count; c++) {
        rc = sync_bind_value(stmt, (int)(t->key_count + c) + 4, values[c]) == SQLITE_OK
                 ? SYNC_OK
                 : sync_fail_db(m->s, m->error, NULL);
    }
    rc = rc == SYNC_OK ? sync_step(m->s, stmt, m->error) : rc;
    *found = rc == SQLITE_ROW;
    for (uint32_t i = 0; *found && i < t->key_count; i++) {
        sync_value v = sync_column_value(stmt, (int)i + 1);
        if (!sync_arena_value(&m->arena, &v, &clash[i])) {
            rc = sync_fail_nomem(m->error);
            break;
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Who has to give way for this row? Holds those of lower rank; *wins is false if one of higher rank is in the way. */
static int settle_clash(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                        bool *wins)
{
    bool progress = false;
    *wins = true;
    int rc = SYNC_OK;
    for (uint32_t u = 0; rc == SYNC_OK && *wins && u < t->unique_count; u++) {
        sync_value clash[SYNC_KEY_COLUMNS_MAX];
        bool found = false;
        rc = find_clash(m, t, &t->uniques[u], key, row, clash, &found);
        if (rc != SYNC_OK || !found) {
            continue;
        }
        sync_row other = {0};
        sync_slot slot;
        rc = sync_find_shown(m, t, clash, &other, &slot);
        if (rc == SYNC_OK) {
            int order = sync_stamp_compare(&m->s->sites, rank(m, t, row), rank(m, t, &other));
            *wins = (order ? order : compare_keys(t, key, clash)) > 0 && slot.shown;
        }
        if (rc == SYNC_OK && *wins) {
            rc = sync_hold(m, t, clash, &other, &slot, "unique", t->uniques[u].name);
            progress = true;
        }
        sync_row_free(&other);
    }
    *wins =
        *wins &&
        progress; /* a clash that nobody was found for (an index on expressions): first come, first shown */
    return rc;
}

/* ---- showing ---- */

/* The row is in the base table as `row` says: its clock says so too. */
static int shown_now(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
                     int64_t seq)
{
    for (uint32_t i = 0; i < row->count; i++) {
        if (t->cols[row->cells[i].col].present) {
            row->cells[i].carried = false;
        }
    }
    bool was_held = slot->was_held;
    row->held = false;
    row->ref_count = 0;
    int rc = sync_put(m, t, key, row, slot, 0, seq);
    slot->shown = true;
    slot->was_held = false;
    return rc == SYNC_OK && was_held ? sync_conflict_clear(m, t, key, row) : rc;
}

/* Some cells cannot be written: they wait in the clock, the row stays as it was. */
static int refuse_cells(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
                        const char *reason, const char *why)
{
    int64_t seq = 0;
    if (m->retry) {
        return SYNC_OK;
    }
    int rc = sync_enter(m, t, key, &seq);
    rc = rc == SYNC_OK ? sync_put(m, t, key, row, slot, 0, seq) : rc;
    return rc == SYNC_OK ? sync_conflict_add(m, t, key, row, NULL, true, reason, why) : rc;
}

static int bury(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot)
{
    char why[SYNC_ERROR_BYTES];
    int64_t seq = 0, j = 0;
    bool was_held = slot->was_held;
    int rc = SYNC_OK;
    if (slot->shown) {
        rc = sync_hold_children(m, t, key);
        rc = rc == SYNC_OK ? sync_write_base(m, t, SYNC_WRITE_DELETE, key, NULL, false, &seq, why) : rc;
        if (sync_base_refused(rc)) {
            rc = sync_conflict_add(m, t, key, row, NULL, false, reason_of(rc), why);
            rc = rc == SYNC_OK ? sync_enter(m, t, key, &seq) : rc;
        }
    } else {
        rc = sync_enter(m, t, key, &seq);
        m->touched[t - m->s->tables] = true;
    }
    rc = rc == SYNC_OK ? hidden_j(m, t, key, slot, &j) : rc;
    rc = rc == SYNC_OK ? sync_put(m, t, key, row, slot, j, seq) : rc;
    return rc == SYNC_OK && was_held ? sync_conflict_clear(m, t, key, row) : rc;
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

/* Two incarnations claim one number: the older claim keeps it. *held: the row lost, and is put aside. */
static int contest_number(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row,
                          sync_slot *slot, bool *held)
{
    *held = false;
    if (t->identity == SYNC_BY_KEY || slot->shown || !m->other_slot.shown) {
        return SYNC_OK;
    }
    sync_row other = {0};
    sync_slot other_slot = m->other_slot;
    int rc = sync_row_copy(&other, &m->other) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    if (rc == SYNC_OK && sync_stamp_compare(&m->s->sites, row->born, other.born) > 0) {
        *held = true;
        rc = sync_hold(m, t, key, row, slot, "number", "another row was given this number earlier");
    } else if (rc == SYNC_OK) {
        rc = sync_hold(m, t, key, &other, &other_slot, "number", "another row was given this number earlier");
    }
    sync_row_free(&other);
    return rc;
}

/* Writes the row to the base table; a refusal is in *refused (0: written). */
static int write_shown(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
                       sync_merged what, int64_t *seq, int *refused, char why[SYNC_ERROR_BYTES])
{
    *refused = 0;
    bool reset = what == SYNC_MERGE_LIFE && slot->shown;
    if (slot->shown && !reset && !slot->respell && !sets_anything(t, row)) {
        return sync_enter(m, t, key, seq);
    }
    sync_write how = !slot->shown ? SYNC_WRITE_INSERT : reset ? SYNC_WRITE_RESET : SYNC_WRITE_UPDATE;
    int rc = sync_write_base(m, t, how, key, row, slot->respell && slot->shown, seq, why);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
        rc == SQLITE_CONSTRAINT_ROWID) { /* it came behind the triggers' back: taken over */
        slot->shown = true;
        rc = sync_write_base(m, t, SYNC_WRITE_RESET, key, row, false, seq, why);
    }
    if (sync_base_refused(rc)) {
        *refused = rc;
        rc = SYNC_OK;
    }
    return rc;
}

int sync_show(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row, sync_slot *slot,
              sync_merged what)
{
    char why[SYNC_ERROR_BYTES];
    int64_t seq = 0;
    int refused = 0;
    bool held = false, exists = false, wins = false;
    if (!sync_row_alive(row)) {
        return bury(m, t, key, row, slot);
    }
    int rc = contest_number(m, t, key, row, slot, &held);
    if (rc != SYNC_OK || held) {
        return rc;
    }
    rc = find_missing_parent(m, t, key, row, slot, why);
    if (rc != SYNC_OK || why[0]) {
        return rc == SYNC_OK ? sync_hold(m, t, key, row, slot, "foreign key", why) : rc;
    }
    rc = write_shown(m, t, key, row, slot, what, &seq, &refused, why);
    if (rc == SYNC_OK && refused == SQLITE_CONSTRAINT_UNIQUE) {
        sync_row whole = {0};
        rc = sync_row_copy(&whole, row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
        rc = rc == SYNC_OK && slot->shown
                 ? sync_base_load(m->s, t, key, &whole, NULL, &m->arena, &exists, m->error)
                 : rc;
        rc = rc == SYNC_OK ? settle_clash(m, t, key, &whole, &wins) : rc;
        sync_row_free(&whole);
        if (rc == SYNC_OK && wins) {
            rc = write_shown(m, t, key, row, slot, what, &seq, &refused, why);
        }
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    if (!refused) {
        return shown_now(m, t, key, row, slot, seq);
    }
    if (!slot->shown || refused == SQLITE_CONSTRAINT_UNIQUE) {
        return sync_hold(m, t, key, row, slot, reason_of(refused), why);
    }
    return refuse_cells(m, t, key, row, slot, reason_of(refused), why);
}
