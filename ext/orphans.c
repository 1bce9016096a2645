#include "orphans.h"

#include "base.h"
#include "key.h"
#include "meant.h"
#include "parents.h"

#include <string.h>

/* The folded entries of one table, as j; borrow_over binds which they are. */
static void append_entries(const sync_table *t, sqlite3_str *sql)
{
    sqlite3_str_appendf(sql, "j.seq > ?1 AND j.seq <= ?2 AND j.tid & %d = %u", SYNC_TID_MASK, t->tid);
}

/* A statement over the entries above `after`; every fold asks the same again. Takes the text. *stmt: for sync_return, also on error. */
static int borrow_over(sync_db *s, int64_t after, char *owned_sql, sqlite3_stmt **stmt, sync_error *error)
{
    *stmt = NULL;
    int rc = owned_sql ? sync_borrow(s, stmt, error, "%s", owned_sql) : sync_fail_nomem(error);
    sqlite3_free(owned_sql);
    if (rc == SYNC_OK && (sqlite3_bind_int64(*stmt, 1, after) || sqlite3_bind_int64(*stmt, 2, s->folded))) {
        rc = sync_fail_db(s, error, NULL);
    }
    return rc;
}

/* The row c has a value in each column of the foreign key, and no parent. */
static void append_lacks(const sync_table *parent, const sync_fk *fk, sqlite3_str *sql)
{
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "c.\"%w\" IS NOT NULL AND ", fk->from[i]);
    }
    sqlite3_str_appendf(sql, "NOT EXISTS (SELECT 1 FROM main.\"%w\" AS p WHERE ", parent->name);
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "%sp.\"%w\" = c.\"%w\"", i ? " AND " : "", fk->to[i], fk->from[i]);
    }
    sqlite3_str_appendall(sql, ")");
}

/* Children that were written, and have no parent. */
static void append_written(const sync_table *child, const sync_table *parent, const sync_fk *fk,
                           sqlite3_str *sql)
{
    sqlite3_str_appendf(sql, " FROM main.sync_journal AS j CROSS JOIN main.\"%w\" AS c ON ", child->name);
    sync_str_match_base(sql, child, "c", "j");
    sqlite3_str_appendall(sql, " WHERE ");
    append_entries(child, sql);
    sqlite3_str_appendall(sql, " AND ");
    append_lacks(parent, fk, sql);
}

/* Children that were there when one of the two tables was adopted; of many the first, since adopting takes no longer where there are more. */
static void append_there(const sync_table *child, const sync_table *parent, const sync_fk *fk,
                         sqlite3_str *sql)
{
    sqlite3_str_appendall(sql,
                          " FROM (SELECT "); /* each by its name: what * calls them is the host's to say */
    for (uint32_t i = 0; i < child->key_count; i++) {
        sqlite3_str_appendf(sql, "\"%w\" AS \"%w\", ", child->key_names[i], child->key_names[i]);
    }
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\" AS \"%w\"", i ? ", " : "", fk->from[i], fk->from[i]);
    }
    sqlite3_str_appendf(sql, " FROM main.\"%w\" LIMIT %d) AS c WHERE ?1 = ?1 AND ?2 = ?2 AND ", child->name,
                        SYNC_ADOPTED_ROWS_MAX);
    append_lacks(parent, fk, sql);
}

/* Children of parents that are gone, by a foreign key to their key. */
static void append_left(const sync_table *child, const sync_table *parent, const sync_fk *fk,
                        sqlite3_str *sql)
{
    sqlite3_str_appendf(sql, " FROM main.sync_journal AS j CROSS JOIN main.\"%w\" AS c WHERE ", child->name);
    append_entries(parent, sql);
    sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM main.\"%w\" AS p WHERE ", parent->name);
    sync_str_match_base(sql, parent, "p", "j");
    sqlite3_str_appendall(sql, ")");
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, " AND c.\"%w\" = j.k%d", fk->from[i], (int)i + 1);
    }
}

static int collect(sync_db *s, sync_table *child, const sync_fk *fk, int64_t after, char *owned_sql,
                   sync_orphans *o, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = borrow_over(s, after, owned_sql, &stmt, error);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        if (o->count == o->cap) {
            uint32_t cap = o->cap ? o->cap * 2 : 16;
            sync_orphan *wider = sync_realloc(o->list, cap * sizeof *wider);
            if (wider == NULL) {
                rc = sync_fail_nomem(error);
                break;
            }
            o->list = wider;
            o->cap = cap;
        }
        sync_value *key = sync_arena_alloc(&o->arena, child->key_count * sizeof *key);
        for (uint32_t i = 0; key && i < child->key_count; i++) {
            sync_value v = sync_column_value(stmt, (int)i);
            key = sync_arena_value(&o->arena, &v, &key[i]) ? key : NULL;
        }
        if (key == NULL) {
            rc = sync_fail_nomem(error);
            break;
        }
        o->list[o->count++] = (sync_orphan){.t = child, .fk = fk, .key = key};
    }
    sync_return(s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Without an index, looking for the children of one parent reads them all. */
static int is_indexed(sync_db *s, const sync_table *child, const sync_fk *fk, int64_t *indexed,
                      sync_error *error)
{
    *indexed = child->rowid_alias && sqlite3_stricmp(child->key_names[0], fk->from[0]) == 0;
    return *indexed ? SYNC_OK
                    : sync_query_int(s, indexed, 0, error,
                                     "SELECT EXISTS (SELECT 1 FROM pragma_index_list(%Q, 'main') AS l,"
                                     " pragma_index_info(l.name, 'main') AS i WHERE NOT l.partial AND "
                                     "i.seqno = 0 AND i.name = %Q COLLATE NOCASE)",
                                     child->name, fk->from[0]);
}

typedef void append_which(const sync_table *child, const sync_table *parent, const sync_fk *fk,
                          sqlite3_str *sql);

static int find_by(sync_db *s, const sync_fk *fk, append_which *which, int64_t after, sync_orphans *o,
                   sync_error *error)
{
    sync_table *child = sync_engine_tid(s, fk->child_tid), *parent = sync_engine_tid(s, fk->parent_tid);
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, child, "c.\"%w\"", ", ");
    which(child, parent, fk, sql);
    sqlite3_str_appendf(sql, " LIMIT %d", SYNC_ORPHANS_NOTED_MAX);
    return collect(s, child, fk, after, sqlite3_str_finish(sql), o, error);
}

/* Which tables do the folded entries name? *named: by index, for sync_free, NULL on error. */
static int name_tables(sync_db *s, int64_t after, bool **named, sync_error *error)
{
    *named = sync_alloc(s->table_count + 1);
    if (*named == NULL) {
        return sync_fail_nomem(error);
    }
    memset(*named, 0, s->table_count + 1);
    int rc = sync_clocks_named(s, after, s->folded, *named, error);
    if (rc != SYNC_OK) {
        sync_free(*named);
        *named = NULL;
    }
    return rc;
}

/* Adds a number if it means a row now that was born since; clock: that row's, or of one that had the number in between. */
static int add_reborn(sync_db *s, sync_table *parent, int64_t number, const sync_value *clock, uint64_t hlc,
                      sync_buf *numbers, sync_error *error)
{
    sync_row row = {0};
    sync_stamp means = SYNC_STAMP_NONE;
    int64_t birth;
    int rc = sync_clocks_unpack(s, parent, clock, &row);
    rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "a clock of %s is damaged", parent->name);
    if (rc == SYNC_OK && row.born.hlc > hlc) {
        rc = sync_meant_number(s, parent, SYNC_IN_FILE, number, &means, &birth, error);
    }
    if (rc == SYNC_OK && means.hlc > hlc && sync_stamp_equal(means, row.born)) {
        sync_buf_put(numbers, &number, sizeof number);
        rc = numbers->oom ? sync_fail_nomem(error) : rc;
    }
    sync_row_free(&row);
    return rc;
}

/* The numbers of one table that passed from a row that is gone (or held) to one born since, which may be gone as well. *count int64_t in `numbers`, for sync_buf_free in any case. */
static int list_reborn(sync_db *s, sync_table *parent, int64_t after, uint64_t hlc, sync_buf *numbers,
                       uint32_t *count, sync_error *error)
{
    sqlite3_stmt *stmt;
    *count = 0;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(
        sql,
        "SELECT j.k1, c.clock FROM main.sync_journal AS j CROSS JOIN main.sync_row_%u AS c ON "
        "c.k1 = j.k1 AND c.seq = j.seq WHERE EXISTS (SELECT 1 FROM main.sync_hidden_%u AS h "
        "WHERE h.k1 = j.k1) AND ",
        parent->tid, parent->tid);
    append_entries(parent, sql);
    sqlite3_str_appendf(
        sql,
        " UNION ALL SELECT j.k1, h.clock FROM main.sync_journal AS j CROSS JOIN "
        "main.sync_hidden_%u AS h ON h.k1 = j.k1 AND h.seq = j.seq WHERE NOT EXISTS (SELECT 1 "
        "FROM main.sync_row_%u AS c WHERE c.k1 = j.k1) AND ",
        parent->tid, parent->tid);
    append_entries(parent, sql);
    int rc = borrow_over(s, after, sqlite3_str_finish(sql), &stmt, error);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 1);
        rc = add_reborn(s, parent, sqlite3_column_int64(stmt, 0), &clock, hlc, numbers, error);
    }
    sync_return(s, stmt);
    *count = (uint32_t)(numbers->len / sizeof(int64_t));
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Rows whose key refers to one of these numbers. */
static int find_reborn(sync_db *s, const sync_fk *fk, int64_t after, sync_orphans *o, sync_error *error)
{
    sync_table *child = sync_engine_tid(s, fk->child_tid), *parent = sync_engine_tid(s, fk->parent_tid);
    sync_buf numbers = {0};
    uint32_t count = 0, first = o->count;
    int rc = list_reborn(s, parent, after, o->since, &numbers, &count, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        int64_t number;
        memcpy(&number, numbers.data + i * sizeof number, sizeof number);
        sqlite3_str *sql = sqlite3_str_new(s->db);
        sqlite3_str_appendall(sql, "SELECT ");
        sync_str_keys(sql, child, "\"%w\"", ", ");
        sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE \"%w\" = ?1 AND ?2 = ?2", child->name, fk->from[0]);
        rc = collect(s, child, fk, number, sqlite3_str_finish(sql), o, error);
    }
    for (uint32_t c = first; c < o->count; c++) {
        o->list[c].reborn = true;
    }
    sync_buf_free(&numbers);
    return rc;
}

int sync_orphans_find(sync_db *s, int64_t after, uint64_t hlc, sync_orphans *o, sync_error *error)
{
    bool *named;
    if (s->fk_count == 0 || s->folded <= after) {
        return SYNC_OK;
    }
    o->since = hlc;
    int rc = name_tables(s, after, &named, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        const sync_table *child = sync_engine_tid(s, fk->child_tid),
                         *parent = sync_engine_tid(s, fk->parent_tid);
        int64_t indexed = 0;
        if (!child || !parent || child->missing || parent->missing) {
            continue;
        }
        if (fk->to_row && child->meant && fk->from_col >= SYNC_REF_KEY && named[parent - s->tables]) {
            rc = find_reborn(s, fk, after, o, error);
        }
        if (rc != SYNC_OK || fk->derived || fk->soft) {
            continue;
        }
        if (named[child - s->tables]) {
            rc = find_by(s, fk, append_written, after, o, error);
        }
        if (rc == SYNC_OK && fk->to_key && named[parent - s->tables]) {
            rc = is_indexed(s, child, fk, &indexed, error);
            rc = rc == SYNC_OK && indexed ? find_by(s, fk, append_left, after, o, error) : rc;
        }
    }
    sync_free(named);
    return rc;
}

int sync_orphans_there(sync_db *s, uint32_t first, sync_orphans *o, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        const sync_table *child = sync_engine_tid(s, fk->child_tid),
                         *parent = sync_engine_tid(s, fk->parent_tid);
        if (!fk->derived && !fk->soft && !child->missing && !parent->missing &&
            (child->tid >= first || parent->tid >= first)) {
            rc = find_by(s, fk, append_there, 0, o, error);
        }
    }
    return rc;
}

void sync_orphans_free(sync_orphans *o)
{
    sync_free(o->list);
    sync_arena_free(&o->arena);
}

/* Journals the children of one number as written in the column that refers to it. */
static int follow(sync_db *s, const sync_table *child, const sync_fk *fk, int64_t number, int64_t *count,
                  sync_error *error)
{
    const sync_env *env = sync_env_get();
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "INSERT INTO main.sync_journal(tid, op, at, ");
    sync_str_numbers(sql, child, "k%d", ", ");
    sqlite3_str_appendf(
        sql, ") SELECT %u, %lld, %lld, ", child->tid | (fk->from_col / SYNC_MASK_COLUMNS) << SYNC_GROUP_SHIFT,
        (long long)1 << (fk->from_col % SYNC_MASK_COLUMNS), (long long)env->now_ms(env->context));
    sync_str_keys(sql, child, "\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE \"%w\" = ?1", child->name, fk->from[0]);
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, error, sqlite3_str_finish(sql));
    if (rc == SYNC_OK) {
        rc = sqlite3_bind_int64(stmt, 1, number) == SQLITE_OK ? sync_run(s, stmt, error)
                                                              : sync_fail_db(s, error, NULL);
        *count += rc == SYNC_OK ? sqlite3_changes(s->db) : 0;
    }
    sqlite3_finalize(stmt);
    return rc;
}

int sync_orphans_follow(sync_db *s, int64_t after, uint64_t hlc, int64_t *count, sync_error *error)
{
    bool *named;
    *count = 0;
    if (s->fk_count == 0 || s->folded <= after) {
        return SYNC_OK;
    }
    int rc = name_tables(s, after, &named, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        sync_table *child = sync_engine_tid(s, fk->child_tid), *parent = sync_engine_tid(s, fk->parent_tid);
        sync_buf reborn = {0};
        uint32_t reborn_count = 0;
        if (!fk->to_row || fk->from_col >= SYNC_REF_KEY || !child || !parent || child->missing ||
            parent->missing || !named[parent - s->tables]) {
            continue;
        }
        rc = list_reborn(s, parent, after, hlc, &reborn, &reborn_count, error);
        for (uint32_t r = 0; rc == SYNC_OK && r < reborn_count; r++) {
            int64_t number;
            memcpy(&number, reborn.data + r * sizeof number, sizeof number);
            rc = follow(s, child, fk, number, count, error);
        }
        sync_buf_free(&reborn);
    }
    sync_free(named);
    return rc;
}

/* What a row was that is known by something else now ends. */
static int end_life(sync_merging *m, sync_table *t, const sync_value *was, uint64_t cl, sync_stamp stamp)
{
    sync_row row = {0};
    sync_slot slot;
    int64_t seq = 0;
    int rc = sync_find(m, t, was, SYNC_STAMP_NONE, &row, &slot);
    if (rc == SYNC_OK && slot.was_held) {
        rc = sync_conflict_clear(m, t, was, &row);
    }
    sync_row end = {.cl = row.cl > cl ? row.cl : cl, .stamp = stamp};
    end.cl += end.cl & 1;
    rc = rc == SYNC_OK ? sync_enter(m, t, was, &seq) : rc;
    rc = rc == SYNC_OK ? sync_put(m, t, was, &end, &slot, 0, seq) : rc;
    sync_row_free(&row);
    return rc;
}

/* What it is now may be known here as a row that is held, or has ended: these are one row then, in its next life, or in the same, as it is shown. */
static int take_over(sync_merging *m, sync_table *t, const sync_value *known, sync_row *row)
{
    sync_row aside = {0};
    sync_slot slot = {0};
    bool found = false;
    int rc = sync_find_aside(m, t, known, &found, &aside, &slot);
    uint64_t cl = rc == SYNC_OK && found ? aside.cl : 0;
    cl = cl & 1 ? cl : sync_next_life(t, cl);
    row->cl = row->cl > cl ? row->cl : cl;
    row->origin = SYNC_STAMP_NONE;
    if (rc == SYNC_OK && found) {
        rc = sync_conflict_clear(m, t, known, &aside);
        rc = rc == SYNC_OK ? sync_clocks_delete(m->s, t, SYNC_IN_FILE, known, 0, m->error) : rc;
        rc = rc == SYNC_OK && slot.seq != m->newest ? sync_clocks_drop_entry(m->s, slot.seq, m->error) : rc;
    }
    sync_row_free(&aside);
    return rc;
}

/* The key of a shown row means other rows than when it was written: as what it was it ends, and what it is now is new. */
static int begin_anew(sync_merging *m, sync_table *t, const sync_value *shown, const sync_value *was,
                      sync_row *row, sync_slot *slot)
{
    sync_stamp stamp = sync_merging_stamp(m);
    int64_t seq = 0;
    int rc = end_life(m, t, was, row->cl, stamp);
    rc = rc == SYNC_OK ? take_over(m, t, slot->known, row) : rc;
    row->stamp = stamp;
    for (uint32_t i = 0; i < row->count; i++) {
        row->cells[i].stamp = stamp;
    }
    rc = rc == SYNC_OK ? sync_enter(m, t, shown, &seq) : rc;
    return rc == SYNC_OK ? sync_put(m, t, slot->known, row, slot, 0, seq) : rc;
}

/* A row from before what was folded is known by what its numbers meant then; one that was written in it, by what they meant at that moment. What meant nobody is listed. */
static int mean_anew(sync_merging *m, const sync_orphans *o, const sync_orphan *one)
{
    const sync_table *t = one->t;
    sync_value was[SYNC_KEY_COLUMNS_MAX];
    sync_row row = {0};
    sync_slot slot;
    bool changed = false;
    sync_arena_reset(&m->arena);
    int rc = sync_find_shown(m, one->t, one->key, &row, &slot);
    uint64_t at = row.stamp.hlc > o->since ? row.stamp.hlc : o->since;
    for (uint32_t k = 0; rc == SYNC_OK && slot.shown && k < t->key_count; k++) {
        sync_table *parent = t->key_parents[k] ? sync_engine_tid(m->s, t->key_parents[k]) : NULL;
        bool passed = false, anybody = false;
        sync_value before = {.type = SYNC_NULL};
        was[k] = slot.known[k];
        if (parent && !parent->missing && one->key[k].type == SYNC_INTEGER) {
            rc = sync_meant_before(m->s, parent, SYNC_IN_FILE, one->key[k].i, &slot.known[k], at, &passed,
                                   &anybody, &before, &m->arena, m->error);
        }
        if (rc == SYNC_OK && passed && anybody) {
            was[k] = before;
            changed = true;
        }
    }
    if (rc == SYNC_OK && changed) {
        rc = begin_anew(m, one->t, one->key, was, &row, &slot);
    }
    sync_row_free(&row);
    return rc;
}

/* Lists a row that is shown without the parent that one of its foreign keys refers to. key: as it is shown. */
static int list_one(sync_merging *m, sync_table *t, const sync_fk *fk, const sync_value *key)
{
    const sync_table *parent = sync_engine_tid(m->s, fk->parent_tid);
    char why[SYNC_ERROR_BYTES];
    sync_row row = {0};
    sync_slot slot;
    sync_value room;
    bool exists = false;
    int rc = sync_find_shown(m, t, key, &row, &slot);
    if (rc == SYNC_OK && slot.shown) {
        rc = sync_base_load(m->s, t, key, &row, NULL, &m->arena, &exists, m->error);
    }
    if (rc == SYNC_OK && exists) {
        sqlite3_snprintf(sizeof why, why, "%s(%s) refers to a row of %s that is not there: written here",
                         t->name, fk->from[0], parent->name);
        const sync_value *known = sync_known_by(&row, &slot, key, &room);
        rc = sync_conflict_unlist(m, t, known, &row, "foreign key");
        rc = rc == SYNC_OK ? sync_conflict_note(m, t, known, &row, NULL, "foreign key", why) : rc;
    }
    sync_row_free(&row);
    return rc;
}

int sync_orphans_note(sync_merging *m, const sync_orphans *o)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < o->count; i++) {
        const sync_orphan *one = &o->list[i];
        sync_arena_reset(&m->arena);
        rc = one->reborn ? mean_anew(m, o, one) : list_one(m, one->t, one->fk, one->key);
    }
    return rc;
}

/* The row means the parents that it has found now (only: by that foreign key; NULL: by any), under their numbers: a write of this file, since the row had been told as meaning
** nobody. */
static int adopt(sync_merging *m, sync_table *t, const sync_fk *only, const sync_value *key, sync_stamp born)
{
    sync_row row = {0};
    sync_slot slot;
    bool means = false;
    int64_t seq = 0;
    sync_value room;
    sync_stamp stamp = SYNC_STAMP_NONE;
    int rc = sync_find(m, t, key, born, &row, &slot);
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        bool its = fk->child_tid == t->tid && fk->to_row && (!only || fk->from_col == only->from_col);
        sync_cell *cell = its && fk->from_col < SYNC_REF_KEY ? sync_row_find(&row, fk->from_col) : NULL;
        if (cell) {
            stamp = means ? stamp : sync_merging_stamp(m); /* one for all of them */
            cell->stamp = stamp;
            means = true;
        }
    }
    if (rc == SYNC_OK && means) {
        rc = sync_enter(m, t, sync_lies(&slot, key, &room), &seq);
        rc = rc == SYNC_OK ? sync_put(m, t, key, &row, &slot, 0, seq) : rc;
    }
    sync_row_free(&row);
    return rc;
}

/* The same of a row whose key refers to the parent: it is a new one, since it was told under a key that meant nobody. So it is as soon as any part of the key means another row,
** also while another parent is missing; then it stays listed, as what it is now. key: by which it is listed. */
static int review_meant(sync_merging *m, sync_table *t, const sync_value *key)
{
    sync_value at[SYNC_KEY_COLUMNS_MAX];
    sync_row row = {0};
    sync_slot slot;
    sync_missing missing = {.from = 0};
    bool exists = false, there, same = true;
    int rc = sync_find_key(m, t, key, at, &there);
    rc = rc == SYNC_OK ? sync_find_shown(m, t, at, &row, &slot) : rc;
    if (rc == SYNC_OK && slot.shown) {
        sync_slot unseen = {0};
        rc = sync_parents_load(m, t, at, &row, NULL, &exists);
        rc = rc == SYNC_OK && exists ? sync_parents_missing(m, t, at, &row, &unseen, &missing) : rc;
        same = sync_key_same(t, key, slot.known);
    }
    if (rc == SYNC_OK && exists && same && !missing.why[0]) {
        rc = adopt(m, t, NULL, key, SYNC_STAMP_NONE);
    } else if (rc == SYNC_OK && exists && !same) {
        for (uint32_t i = 0; i < row.count; i++) {
            row.cells[i].carried = row.cells[i].carried && !t->cols[row.cells[i].col].present;
        }
        rc = begin_anew(m, t, at, key, &row, &slot);
    }
    if (rc == SYNC_OK && (!same || !missing.why[0])) {
        rc = sync_conflict_unlist(m, t, key, &(sync_row){0}, "foreign key");
    }
    if (rc == SYNC_OK && !same && missing.why[0]) {
        rc = list_one(m, t, &m->s->fks[missing.at], at);
    }
    sync_row_free(&row);
    return rc;
}

int sync_orphans_adopt(sync_merging *m, sync_table *t, const sync_fk *fk, const sync_value *key,
                       sync_stamp born)
{
    return fk->from_col >= SYNC_REF_KEY ? review_meant(m, t, key) : adopt(m, t, fk, key, born);
}

int sync_orphans_review(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born)
{
    sync_row row = {0};
    sync_slot slot;
    sync_missing missing = {.from = 0};
    sync_value room;
    bool exists = false;
    sync_arena_reset(&m->arena);
    if (t->meant) {
        return review_meant(m, t, key);
    }
    int rc = sync_find(m, t, key, born, &row, &slot);
    if (rc == SYNC_OK && slot.shown) {
        const sync_value *lies = sync_lies(&slot, key, &room);
        rc = sync_parents_load(m, t, lies, &row, NULL, &exists);
        slot.shown = false; /* look at every foreign key */
        rc = rc == SYNC_OK && exists ? sync_parents_missing(m, t, lies, &row, &slot, &missing) : rc;
    }
    if (rc == SYNC_OK && exists && !missing.why[0]) {
        rc = adopt(m, t, NULL, key, born);
    }
    if (rc == SYNC_OK && !missing.why[0]) {
        rc = sync_conflict_unlist(m, t, key, &(sync_row){.born = born}, "foreign key");
    }
    sync_row_free(&row);
    return rc;
}
