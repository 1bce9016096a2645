/* Foreign keys during a merge: parents that are not shown, children of rows that go. */
#include "parents.h"

#include "clocks.h"

enum { HOLD_DEPTH_MAX = 1000 };

/* What the row's references mean now, before it leaves the base table. */
int sync_parents_keep(sync_merging *m, const sync_table *t, const sync_value *key, sync_row *row)
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

/* Rows may refer to each other in a circle. */
static bool is_being_held(const sync_merging *m, const sync_table *t, const sync_value *key)
{
    for (const sync_holding *h = m->holding; h; h = h->outer) {
        bool same = h->t == t;
        for (uint32_t i = 0; same && i < t->key_count; i++) {
            same = sync_value_same(&h->key[i], &key[i]);
        }
        if (same) {
            return true;
        }
    }
    return false;
}

/* Does the row carry a new value for a column that this foreign key refers to? */
static bool is_changing(const sync_table *parent, const sync_fk *fk, const sync_row *row)
{
    for (uint32_t i = 0; !fk->to_key && i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        for (uint32_t c = 0; cell->carried && c < fk->count; c++) {
            if (sqlite3_stricmp(parent->cols[cell->col].name, fk->to[c]) == 0) {
                return true;
            }
        }
    }
    return false;
}

int sync_hold_children(sync_merging *m, sync_table *parent, const sync_value *key, const sync_row *changing)
{
    int rc = SYNC_OK;
    if (m->depth >= HOLD_DEPTH_MAX) {
        return sync_fail(m->error, SYNC_TOOBIG, "rows of %s hang on each other more than %d deep",
                         parent->name, HOLD_DEPTH_MAX);
    }
    sync_holding here = {parent, key, m->holding};
    m->holding = &here;
    m->depth++;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        sync_table *child = fk->parent_tid == parent->tid ? sync_engine_tid(m->s, fk->child_tid) : NULL;
        if (child == NULL || (changing && !is_changing(parent, fk, changing))) {
            continue;
        }
        sync_value **keys = NULL;
        uint32_t count = 0;
        rc = find_children(m, fk, parent, child, key, &keys, &count);
        for (uint32_t c = 0; rc == SYNC_OK && c < count; c++) {
            sync_row row = {0};
            sync_slot slot;
            if (is_being_held(m, child, keys[c])) {
                continue;
            }
            rc = sync_find_shown(m, child, keys[c], &row, &slot);
            if (rc == SYNC_OK && slot.shown) {
                rc = sync_hold(m, child, keys[c], &row, &slot, "foreign key",
                               "the row that it refers to went away", NULL);
            }
            sync_row_free(&row);
        }
        sync_free(keys);
    }
    m->depth--;
    m->holding = here.outer;
    return rc;
}

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

int sync_parents_missing(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                         const sync_slot *slot, sync_missing *missing)
{
    *missing = (sync_missing){.why = ""};
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
            missing->parent = parent;
            missing->has_key = fk->to_key;
            for (uint32_t c = 0; fk->to_key && c < fk->count; c++) {
                missing->key[c] = *values[c];
            }
            for (uint32_t r = 0; r < row->ref_count; r++) {
                missing->born = row->refs[r].col == fk->from_col ? row->refs[r].born : missing->born;
            }
            sqlite3_snprintf(SYNC_ERROR_BYTES, missing->why,
                             "%s(%s) refers to a row of %s that is not shown here", t->name, fk->from[0],
                             parent->name);
            return SYNC_OK;
        }
    }
    return SYNC_OK;
}
