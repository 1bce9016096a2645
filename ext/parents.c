/* Foreign keys during a merge: parents that are not shown, children of rows that go. */
#include "parents.h"

#include "base.h"
#include "clocks.h"
#include "key.h"
#include "meant.h"

#include <string.h>

enum { HOLD_DEPTH_MAX = 1000 };

/* What the foreign keys mean now, into the row's references. arrived: the row before its values were loaded; what its carried cells mean came with them and stays. */
static int keep_meanings(sync_merging *m, const sync_table *t, const sync_value *key, sync_row *row,
                         const sync_row *arrived)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        if (fk->child_tid != t->tid || !fk->to_row) {
            continue;
        }
        bool by_key = fk->from_col >= SYNC_REF_KEY, arrived_so = false;
        for (uint32_t r = 0; by_key && r < arrived->ref_count; r++) {
            arrived_so = arrived_so || arrived->refs[r].col == fk->from_col;
        }
        const sync_cell *cell = by_key ? NULL : sync_row_find(row, fk->from_col),
                        *came = by_key ? NULL : sync_row_find(arrived, fk->from_col);
        if (arrived_so || (came && came->carried)) {
            continue; /* what it means came with it */
        }
        const sync_value *v = by_key ? &key[fk->from_col - SYNC_REF_KEY] : cell ? &cell->value : NULL;
        sync_row_drop_ref(row, fk->from_col);
        if (v == NULL || v->type != SYNC_INTEGER) {
            continue;
        }
        sync_table *parent = sync_engine_tid(m->s, fk->parent_tid);
        sync_stamp born = SYNC_STAMP_NONE;
        int64_t birth = v->i;
        if (parent) {
            rc = sync_meant_number(m->s, parent, SYNC_IN_FILE, v->i, &born, &birth, m->error);
        }
        if (rc == SYNC_OK && (!sync_stamp_is_none(born) || birth != v->i)) {
            sync_ref ref = {fk->from_col, birth, born};
            rc = sync_row_add_ref(row, ref) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
        }
    }
    return rc;
}

int sync_parents_load(sync_merging *m, sync_table *t, const sync_value *key, sync_row *row,
                      sync_value *spelled, bool *exists)
{
    sync_row arrived = {0};
    int rc = sync_row_copy(&arrived, row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    rc = rc == SYNC_OK ? sync_base_load(m->s, t, key, row, spelled, &m->arena, exists, m->error) : rc;
    rc = rc == SYNC_OK ? keep_meanings(m, t, key, row, &arrived) : rc;
    sync_row_free(&arrived);
    return rc;
}

int sync_parents_children(sync_merging *m, const sync_fk *fk, const sync_table *parent,
                          const sync_table *child, const sync_value *key, sync_value ***list, uint32_t *count)
{
    sqlite3_str *sql = sqlite3_str_new(m->s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, child, "c.\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS p JOIN main.\"%w\" AS c ON ", parent->name, child->name);
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "%sp.\"%w\" = c.\"%w\"", i ? " AND " : "", fk->to[i], fk->from[i]);
    }
    sqlite3_str_appendall(sql, " WHERE ");
    for (uint32_t i = 0; i < parent->key_count; i++) {
        sqlite3_str_appendf(sql, "%sp.\"%w\" = ?%d", i ? " AND " : "", parent->key_names[i], (int)i + 4);
    }
    sqlite3_stmt *stmt = NULL;
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sync_borrow(m->s, &stmt, m->error, "%s", text) : sync_fail_nomem(m->error);
    sqlite3_free(text);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(m->s, stmt, parent, key, m->error) : rc;
    rc = rc == SYNC_OK ? sync_read_keys(m, stmt, child, list, count) : rc;
    sync_return(m->s, stmt);
    return rc;
}

/* Rows may refer to each other in a circle. */
static bool is_being_held(const sync_merging *m, const sync_table *t, const sync_value *key)
{
    for (const sync_holding *h = m->holding; h; h = h->outer) {
        if (h->t == t && sync_key_equal(t, h->key, key)) { /* it may be arriving under a new spelling */
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

/* Rows that hang on one that goes, each once. */
typedef struct closure {
    uint32_t count, cap, slot_count;
    struct {
        sync_table *t;
        sync_value *key;
        bool by_number; /* it refers to a row that goes by its number */
    } * rows;
    uint32_t *slots; /* hash table of indexes into rows, plus one */
    sync_buf buf;
} closure;

static uint32_t closure_hash(closure *c, const sync_table *t, const sync_value *key)
{
    sync_buf_reset(&c->buf);
    sync_buf_put_varint(&c->buf, t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(&c->buf, &key[i]); /* as the base table spells it */
    }
    return sync_hash(c->buf.data, c->buf.len);
}

static bool closure_is(const closure *c, uint32_t row, const sync_table *t, const sync_value *key)
{
    return c->rows[row].t == t && sync_key_same(t, c->rows[row].key, key);
}

static int closure_grow(closure *c)
{
    uint32_t cap = c->cap ? c->cap * 2 : 16, slot_count = 2 * cap;
    void *rows = sync_realloc(c->rows, cap * sizeof *c->rows);
    uint32_t *slots = sync_alloc(slot_count * sizeof *slots);
    c->rows = rows ? rows : c->rows;
    if (!rows || !slots) {
        sync_free(slots);
        return SYNC_NOMEM;
    }
    sync_free(c->slots);
    c->cap = cap;
    c->slot_count = slot_count;
    c->slots = slots;
    memset(slots, 0, slot_count * sizeof *slots);
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t at = closure_hash(c, c->rows[i].t, c->rows[i].key) % c->slot_count;
        while (c->slots[at]) {
            at = (at + 1) % c->slot_count;
        }
        c->slots[at] = i + 1;
    }
    return c->buf.oom ? SYNC_NOMEM : SYNC_OK;
}

static int closure_add(closure *c, sync_table *t, sync_value *key, bool by_number)
{
    if (c->count == c->cap && closure_grow(c) != SYNC_OK) {
        return SYNC_NOMEM;
    }
    uint32_t at = closure_hash(c, t, key) % c->slot_count;
    while (c->slots[at] && !closure_is(c, c->slots[at] - 1, t, key)) {
        at = (at + 1) % c->slot_count;
    }
    if (!c->slots[at]) {
        c->rows[c->count].t = t;
        c->rows[c->count].key = key;
        c->rows[c->count].by_number = false;
        c->slots[at] = ++c->count;
    }
    c->rows[c->slots[at] - 1].by_number |= by_number;
    return c->buf.oom ? SYNC_NOMEM : SYNC_OK;
}

/* Adds the children of one row that are in the base table. */
static int add_children(sync_merging *m, closure *c, sync_table *parent, const sync_value *key,
                        const sync_row *changing, bool for_ever)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        sync_table *child = fk->parent_tid == parent->tid ? sync_engine_tid(m->s, fk->child_tid) : NULL;
        sync_value **keys = NULL;
        uint32_t count = 0;
        if (child == NULL || fk->derived || (fk->soft && for_ever) ||
            (changing && !is_changing(parent, fk, changing))) {
            continue;
        }
        rc = sync_parents_children(m, fk, parent, child, key, &keys, &count);
        for (uint32_t k = 0; rc == SYNC_OK && k < count; k++) {
            if (!is_being_held(m, child, keys[k]) && closure_add(c, child, keys[k], fk->to_row) != SYNC_OK) {
                rc = sync_fail_nomem(m->error);
            }
        }
        sync_free(keys);
    }
    return rc;
}

/* All that hang on the row, at any depth, are collected first and then held, the last found first: so no cascade finds anything to do. */
int sync_hold_children(sync_merging *m, sync_table *parent, const sync_value *key, const sync_row *changing,
                       bool for_ever)
{
    closure c = {0};
    bool referred = false;
    for (uint32_t i = 0; !referred && i < m->s->fk_count; i++) {
        referred = m->s->fks[i].parent_tid == parent->tid;
    }
    if (!referred) {
        return SYNC_OK;
    }
    if (m->depth >= HOLD_DEPTH_MAX) {
        return sync_fail(m->error, SYNC_TOOBIG, "more than %d rows of %s refer to each other in a circle",
                         HOLD_DEPTH_MAX, parent->name);
    }
    sync_holding here = {parent, key, m->holding};
    m->holding = &here;
    m->depth++;
    int rc = add_children(m, &c, parent, key, changing, for_ever);
    for (uint32_t i = 0; rc == SYNC_OK && i < c.count; i++) {
        rc = add_children(m, &c, c.rows[i].t, c.rows[i].key, NULL, false);
    }
    for (uint32_t i = c.count; rc == SYNC_OK && i-- > 0;) {
        sync_row row = {0};
        sync_slot slot;
        sync_value room;
        rc = sync_find_shown(m, c.rows[i].t, c.rows[i].key, &row, &slot);
        if (rc == SYNC_OK && slot.shown) {
            const sync_value *known = sync_known_by(&row, &slot, c.rows[i].key, &room);
            bool orphan = false; /* it means nobody who was ever here; by a number: sync_orphans_meet */
            rc = m->orphans && !c.rows[i].by_number
                     ? sync_conflict_noted(m, c.rows[i].t, known, &row, "foreign key", &orphan)
                     : SYNC_OK;
            rc = rc == SYNC_OK && !orphan ? sync_hold(m, c.rows[i].t, known, &row, &slot, "foreign key",
                                                      "the row that it refers to went away")
                                          : rc;
        }
        sync_row_free(&row);
    }
    m->depth--;
    m->holding = here.outer;
    sync_free(c.rows);
    sync_free(c.slots);
    sync_buf_free(&c.buf);
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

/* What a foreign key to a row table means where its number alone does not say it; or NULL. */
static const sync_ref *meaning(const sync_row *row, const sync_fk *fk)
{
    const sync_ref *found = NULL;
    for (uint32_t i = 0; fk->to_row && i < row->ref_count; i++) {
        found = row->refs[i].col == fk->from_col ? &row->refs[i] : found;
    }
    return found;
}

/* Does the base table of the parent have a row with these values? */
static int parent_there(sync_merging *m, sync_fk *fk, const sync_table *parent,
                        const sync_value *const *values, bool *there)
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
    *there = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Is the row shown that these values mean? A key part cannot follow a parent to another number, so there it must have this one; without a reference it has the number
** under which the parent is shown, a cell then has that at birth. */
static int parent_shown(sync_merging *m, sync_fk *fk, sync_table *parent, const sync_value *const *values,
                        const sync_row *row, bool *shown)
{
    const sync_ref *meant = meaning(row, fk);
    sync_stamp born = SYNC_STAMP_NONE;
    int64_t number = 0;
    bool known;
    sync_whereabouts is;
    if (meant && values[0]->type == SYNC_INTEGER) {
        int rc = sync_find_number(m, parent, meant->number, meant->born, &is);
        *shown = is.shown && (fk->from_col < SYNC_REF_KEY || is.number == values[0]->i);
        const sync_value there = {.type = SYNC_INTEGER, .i = is.number}, *only = &there;
        return rc == SYNC_OK && *shown ? parent_there(m, fk, parent, &only, shown) : rc;
    }
    int rc = parent_there(m, fk, parent, values, shown);
    if (rc == SYNC_OK && *shown && fk->to_row && values[0]->type == SYNC_INTEGER) {
        rc = sync_clocks_shown(m->s, parent, SYNC_IN_FILE, values[0]->i, &born, &number, &known, m->error);
        *shown = sync_stamp_is_none(born) && (fk->from_col >= SYNC_REF_KEY || number == values[0]->i);
    }
    return rc;
}

void sync_parents_at_birth(sync_row *row)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < row->ref_count; i++) {
        const sync_ref ref = row->refs[i];
        sync_cell *cell = ref.col < SYNC_REF_KEY ? sync_row_find(row, ref.col) : NULL;
        bool carried = cell && cell->carried && cell->value.type == SYNC_INTEGER;
        if (carried) {
            cell->value.i = ref.number;
        }
        if (!carried || !sync_stamp_is_none(ref.born)) { /* else the number says it */
            row->refs[kept++] = ref;
        }
    }
    row->ref_count = kept;
}

/* Where is the row shown that a number without a reference means, one from before the tracking? Mostly under that number. */
static int find_old(sync_merging *m, sync_table *parent, int64_t birth, sync_whereabouts *is)
{
    const sync_value key = {.type = SYNC_INTEGER, .i = birth};
    sync_stamp born;
    bool known;
    *is = (sync_whereabouts){.number = birth};
    int rc = sync_clocks_shown(m->s, parent, SYNC_IN_FILE, birth, &born, &is->number, &known, m->error);
    is->shown = known && is->number == birth && sync_stamp_is_none(born);
    if (rc == SYNC_OK && !known && sync_stamp_is_none(born)) {
        rc = sync_base_exists(m->s, parent, &key, &is->shown, m->error);
    }
    return rc == SYNC_OK && !is->shown ? sync_find_number(m, parent, birth, SYNC_STAMP_NONE, is) : rc;
}

/* The number under which the row is shown that a cell means. */
static int renumber_cell(sync_merging *m, const sync_table *t, const sync_fk *fk, sync_table *parent,
                         const sync_value *key, sync_row *row, sync_cell *cell)
{
    const sync_ref *told = meaning(row, fk);
    const sync_ref meant = told ? *told : (sync_ref){fk->from_col, cell->value.i, SYNC_STAMP_NONE};
    const sync_value birth = {.type = SYNC_INTEGER, .i = meant.number};
    sync_whereabouts is = {0};
    sync_value room;
    int rc = SYNC_OK;
    if (parent == t && meant.number == key->i && sync_stamp_equal(meant.born, row->born)) {
        is = (sync_whereabouts){.shown = true, .number = sync_claimed(row, NULL, key, &room)->i};
    } else {
        rc = told ? sync_find_number(m, parent, meant.number, meant.born, &is)
                  : find_old(m, parent, meant.number, &is);
    }
    bool shown = is.shown || (rc == SYNC_OK && m->claims && /* shown next, both in a circle */
                              sync_claims_trusts(m->claims, parent, &birth, meant.born, &is.number));
    if (rc != SYNC_OK || !shown) {
        return rc;
    }
    if (!told && is.number != meant.number && sync_row_add_ref(row, meant) != SYNC_OK) {
        return sync_fail_nomem(m->error);
    }
    cell->value.i = is.number;
    return SYNC_OK;
}

int sync_parents_renumber(sync_merging *m, const sync_table *t, const sync_value *key, sync_row *row)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        bool about = fk->child_tid == t->tid && fk->to_row && fk->from_col < SYNC_REF_KEY;
        sync_table *parent = about ? sync_engine_tid(m->s, fk->parent_tid) : NULL;
        sync_cell *cell = parent ? sync_row_find(row, fk->from_col) : NULL;
        if (cell && cell->carried && cell->value.type == SYNC_INTEGER) {
            rc = renumber_cell(m, t, fk, parent, key, row, cell);
        }
    }
    return rc;
}

/* A reference that the schema does not declare: a row waits for one that is not known yet, or is not shown, because it would show the wrong number. One that is gone, or that was
** never anybody, it shows as it is. */
static int may_be_without(sync_merging *m, const sync_fk *fk, sync_table *parent, const sync_row *row,
                          bool *may)
{
    const sync_ref *meant = meaning(row, fk);
    sync_whereabouts is;
    int rc = SYNC_OK;
    *may = true;
    if (meant) {
        rc = sync_find_number(m, parent, meant->number, meant->born, &is);
        *may = is.shown || (is.known && !is.alive);
    }
    return rc;
}

/* Does a foreign key whose values are the row's own key mean the row itself? Another row may have had its number. */
static bool means_itself(const sync_fk *fk, const sync_value *key, const sync_row *row)
{
    const sync_ref *meant = meaning(row, fk);
    return !fk->to_row || (meant == NULL ? sync_stamp_is_none(row->born)
                                         : sync_stamp_equal(meant->born, row->born) &&
                                               (row->moved || meant->number == key->i));
}

/* What a parent is known by whose key is made of references, by what the columns mean that refer to it. */
static bool known_by(sync_merging *m, const sync_table *t, const sync_fk *fk, const sync_table *parent,
                     const sync_row *row, sync_value *key)
{
    bool memory = true;
    for (uint32_t c = 0; memory && c < fk->count; c++) {
        sync_ref is = {.number = key[c].i, .born = SYNC_STAMP_NONE};
        if (!parent->key_parents[c] || key[c].type != SYNC_INTEGER) {
            continue;
        }
        if (t->identity == SYNC_BY_ROW && sqlite3_stricmp(t->key_names[0], fk->from[c]) == 0) {
            is = (sync_ref){.number = row->moved ? row->birth : key[c].i, .born = row->born};
        }
        for (uint32_t i = 0; i < m->s->fk_count; i++) {
            const sync_fk *other = &m->s->fks[i];
            bool same = other->child_tid == t->tid && sqlite3_stricmp(other->from[0], fk->from[c]) == 0;
            const sync_ref *meant = same ? meaning(row, other) : NULL;
            is = meant ? *meant : is;
        }
        memory = sync_meant_part(&m->arena, is.number, is.born, &key[c]);
    }
    return memory;
}

/* The first missing parent among foreign keys of which the row carries a column (all, if it is not shown); `whole` has the other columns. */
static int look_for_parents(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                            const sync_row *whole, const sync_slot *slot, sync_missing *missing)
{
    for (uint32_t i = missing->from; i < m->s->fk_count; i++) {
        sync_fk *fk = &m->s->fks[i];
        sync_table *parent = fk->child_tid == t->tid ? sync_engine_tid(m->s, fk->parent_tid) : NULL;
        const sync_value *values[SYNC_KEY_COLUMNS_MAX] = {NULL};
        const uint32_t count = parent ? fk->count : 0;
        bool fresh = !slot->shown, complete = true, own = parent == t && fk->to_key, shown = true,
             ignored = false;
        for (uint32_t c = 0; c < count; c++) {
            (void)value_of(t, key, row, fk->from[c], &fresh);
            values[c] = value_of(t, key, whole, fk->from[c], &ignored);
            complete = complete && values[c] && values[c]->type != SYNC_NULL;
            own = own && complete && sync_value_same(values[c], &key[c]);
        }
        if (count == 0 || !fresh || !complete || (own && means_itself(fk, key, row))) {
            continue;
        }
        int rc = fk->soft ? may_be_without(m, fk, parent, row, &shown)
                          : parent_shown(m, fk, parent, values, row, &shown);
        if (rc != SYNC_OK) {
            return rc;
        }
        if (shown) {
            continue;
        }
        missing->parent = parent;
        missing->has_key = fk->to_key;
        missing->born = SYNC_STAMP_NONE;
        missing->at = i;
        for (uint32_t c = 0; fk->to_key && c < count && values[c]; c++) {
            missing->key[c] = *values[c];
        }
        const sync_ref *meant = meaning(row, fk);
        if (meant) {
            missing->born = meant->born;
            missing->key[0].i = meant->number;
        }
        if (parent->meant && fk->to_key && !known_by(m, t, fk, parent, row, missing->key)) {
            return sync_fail_nomem(m->error);
        }
        if (m->claims && fk->to_key &&
            sync_claims_trusts(m->claims, parent, missing->key, missing->born, NULL)) {
            continue;
        }
        sqlite3_snprintf(SYNC_ERROR_BYTES, missing->why,
                         "%s(%s) refers to a row of %s that is not shown here", t->name, fk->from[0],
                         parent->name);
        return SYNC_OK;
    }
    return SYNC_OK;
}

int sync_parents_missing(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                         const sync_slot *slot, sync_missing *missing)
{
    uint32_t columns = 0;
    missing->why[0] = 0;
    missing->parent = NULL;
    missing->has_key = false;
    missing->born = SYNC_STAMP_NONE;
    for (uint32_t i = missing->from; i < m->s->fk_count; i++) {
        if (m->s->fks[i].child_tid == t->tid && m->s->fks[i].count > columns) {
            columns = m->s->fks[i].count;
        }
    }
    if (columns == 0) {
        return SYNC_OK;
    }
    if (columns == 1 || !slot->shown) {
        return look_for_parents(m, t, key, row, row, slot, missing);
    }
    sync_row whole = {0}; /* some columns of a composite foreign key may have come, and others be here */
    bool exists = false;
    int rc = sync_row_copy(&whole, row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    rc = rc == SYNC_OK ? sync_base_load(m->s, t, key, &whole, NULL, &m->arena, &exists, m->error) : rc;
    rc = rc == SYNC_OK ? look_for_parents(m, t, key, row, &whole, slot, missing) : rc;
    sync_row_free(&whole);
    return rc;
}

int sync_parents_gone(sync_merging *m, const sync_missing *missing, bool *gone)
{
    sync_whereabouts is = {.known = true};
    int rc = SYNC_OK;
    *gone = missing->parent && missing->has_key;
    if (*gone && missing->parent->identity == SYNC_BY_ROW && missing->key[0].type == SYNC_INTEGER) {
        rc = sync_find_number(m, missing->parent, missing->key[0].i, missing->born, &is);
        *gone = is.known && !is.alive;
    }
    return rc;
}
