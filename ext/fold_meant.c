/* Folding rows whose key is made of references. The journal names them by the numbers that they show; while they are not shown, they lie under what these mean (meant.h). */
#include "base.h"
#include "fold_internal.h"
#include "meant.h"

static void build_find(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT seq, clock FROM main.sync_row_%u WHERE ", t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sk%d = ?%d", i ? " AND " : "", (int)i + 1, (int)i + 4);
    }
}

/* The clock that lies under what a row is known by. *seq 0: there is none. Values of f->row are borrowed from the arena. */
static int find_hidden(sync_fold *f, sync_table *t, const sync_value *known, int64_t *seq, sync_row *row)
{
    sqlite3_stmt *stmt;
    *seq = 0;
    int rc = sync_table_stmt(f->s, t, SYNC_STMT_MEANT_HIDDEN, build_find, &stmt, f->error);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(f->s, stmt, t, known, f->error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(f->s, stmt, f->error);
    if (rc == SQLITE_ROW) {
        sync_value blob = sync_column_value(stmt, 1), kept;
        *seq = sqlite3_column_int64(stmt, 0);
        rc = sync_arena_value(&f->arena, &blob, &kept) ? sync_clocks_unpack(f->s, t, &kept, row) : SYNC_NOMEM;
        rc = rc == SYNC_OK ? rc : sync_fail(f->error, rc, "sync_row_%u: a clock is damaged", t->tid);
    }
    return sync_reset_read(stmt, rc == SQLITE_DONE ? SYNC_OK : rc, f->error);
}

/* Does a number mean a row that was there before this tail? One that is born in it (a child may be journaled before its parent) has no clock yet, or another row has its number
** still, and a row known by it is new. A number that nobody has means the same as before; but nothing may be told of a row with
** such a one before a real fold has listed it: it will be known otherwise when somebody has it. */
static int is_settled(sync_fold *f, sync_table *parent, const sync_entry *e, const sync_value *number,
                      bool *settled)
{
    sync_stamp born;
    int64_t birth;
    bool gone = true;
    bool exists = true, passes = false;
    int rc = sync_fold_passes(f, parent->tid, number->i, e, &passes);
    if (rc != SYNC_OK || passes) {
        *settled = false;
        return rc;
    }
    rc = sync_clocks_shown(f->s, parent, f->place, number->i, &born, &birth, settled, f->error);
    if (rc == SYNC_OK && !*settled) {
        rc = sync_base_exists(f->s, parent, number, &exists, f->error);
        f->need_real = f->need_real || (!exists && f->place == SYNC_IN_OVERLAY);
        *settled = !exists;
    }
    if (rc == SYNC_OK && !*settled && number->i <= parent->genesis_max) {
        rc = sync_clocks_genesis_gone(f->s, parent, f->place, number, &gone, f->error);
        *settled = !gone;
    }
    return rc;
}

int sync_fold_meant_revive(sync_fold *f, sync_table *t, const sync_entry *e, bool *found)
{
    sync_value known[SYNC_KEY_COLUMNS_MAX];
    sync_row row = {0};
    int64_t seq = 0;
    bool settled = true;
    int rc = SYNC_OK;
    *found = false;
    for (uint32_t i = 0; rc == SYNC_OK && settled && i < t->key_count; i++) {
        sync_table *parent = t->key_parents[i] ? sync_engine_tid(f->s, t->key_parents[i]) : NULL;
        if (parent && !parent->missing && e->key[i].type == SYNC_INTEGER) {
            rc = is_settled(f, parent, e, &e->key[i], &settled);
        }
    }
    if (rc != SYNC_OK || !settled) {
        return rc;
    }
    rc = sync_meant_known(f->s, t, f->place, e->key, known, &f->arena, f->error);
    rc = rc == SYNC_OK ? find_hidden(f, t, known, &seq, &row) : rc;
    if (rc == SYNC_OK && seq && f->place == SYNC_IN_OVERLAY) {
        f->need_real = true;
    } else if (rc == SYNC_OK && seq) {
        *found = true;
        rc = sync_row_copy(&f->row, &row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(f->error);
        rc = rc == SYNC_OK ? sync_clocks_delete(f->s, t, f->place, known, 0, f->error) : rc;
        rc = rc == SYNC_OK ? sync_fold_drop_entry(f, seq) : rc;
    }
    sync_row_free(&row);
    return rc;
}

/* The entry is of that key from now on. */
static int rename_entry(sync_fold *f, const sync_table *t, const sync_value *known, int64_t seq)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *sql = sqlite3_str_new(f->s->db);
    sqlite3_str_appendall(sql, "UPDATE main.sync_journal SET ");
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sk%d = ?%d", i ? ", " : "", (int)i + 1, (int)i + 4);
    }
    sqlite3_str_appendall(sql, " WHERE seq = ?1");
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sync_borrow(f->s, &stmt, f->error, "%s", text) : sync_fail_nomem(f->error);
    sqlite3_free(text);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(f->s, stmt, t, known, f->error) : rc;
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, seq)) {
        rc = sync_fail_db(f->s, f->error, NULL);
    }
    rc = rc == SYNC_OK ? sync_run(f->s, stmt, f->error) : rc;
    sync_return(f->s, stmt);
    return rc;
}

/* By what a row that others have heard of was known to them, of whose key numbers have passed since to rows that were born then. known: what it is known by now, and becomes that. */
static int was_known(sync_fold *f, sync_table *t, const sync_entry *e, sync_stamp existed, bool *passed,
                     sync_value *known)
{
    int rc = sync_meant_known(f->s, t, f->place, e->key, known, &f->arena, f->error);
    *passed = false;
    for (uint32_t i = 0; rc == SYNC_OK && existed.hlc <= f->since && i < t->key_count; i++) {
        sync_table *parent = t->key_parents[i] ? sync_engine_tid(f->s, t->key_parents[i]) : NULL;
        bool its = false, anybody;
        if (parent && !parent->missing && e->key[i].type == SYNC_INTEGER) {
            rc = sync_meant_before(f->s, parent, f->place, e->key[i].i, &known[i], f->since, &its, &anybody,
                                   &known[i], &f->arena, f->error);
        }
        *passed = *passed || its;
    }
    return rc;
}

int sync_fold_meant_passed(sync_fold *f, sync_table *t, const sync_entry *e, sync_stamp existed, bool *passed)
{
    sync_value known[SYNC_KEY_COLUMNS_MAX];
    return was_known(f, t, e, existed, passed, known);
}

int sync_fold_meant_bury(sync_fold *f, sync_table *t, sync_entry *e, sync_entry *named, sync_stamp existed)
{
    bool passed = false;
    sync_value known[SYNC_KEY_COLUMNS_MAX];
    sync_row row = {0};
    int64_t seq = 0;
    if (f->place == SYNC_IN_OVERLAY) { /* the entry would have to be renamed */
        f->need_real = true;
        return SYNC_OK;
    }
    int rc = was_known(f, t, e, existed, &passed, known);
    rc = rc == SYNC_OK ? find_hidden(f, t, known, &seq, &row) : rc;
    if (rc == SYNC_OK && seq) { /* only if a row came behind the triggers' back */
        f->row.cl = row.cl > f->row.cl ? row.cl + (row.cl & 1) : f->row.cl;
        rc = sync_clocks_delete(f->s, t, f->place, known, 0, f->error);
        rc = rc == SYNC_OK ? sync_fold_drop_entry(f, seq) : rc;
    }
    sync_row_free(&row);
    sync_buf_reset(&f->buf);
    sync_clock_put(&f->buf, &f->row, t->identity, t->epoch);
    rc = rc == SYNC_OK ? sync_clocks_put(f->s, t, f->place, known, 0, named->seq, &f->buf, true, f->error)
                       : rc;
    named->kept = true;
    return rc == SYNC_OK ? rename_entry(f, t, known, named->seq) : rc;
}

/* Do rows refer to a number that are older than `born`? A row without a clock in the overlay is older than the tail. */
static int any_older(sync_db *s, const sync_table *child, const sync_fk *fk, int64_t number, uint64_t born,
                     bool *any, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    sync_row row = {0};
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql, "SELECT o.clock FROM main.\"%w\" AS c LEFT JOIN temp.sync_row_%u AS o ON ",
                        child->name, child->tid);
    sync_str_match_base(sql, child, "c", "o");
    sqlite3_str_appendf(sql, " WHERE c.\"%w\" = ?1", fk->from[0]);
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sync_borrow(s, &stmt, error, "%s", text) : sync_fail_nomem(error);
    sqlite3_free(text);
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, number)) {
        rc = sync_fail_db(s, error, NULL);
    }
    while (rc == SYNC_OK && !*any && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 0);
        rc = clock.type == SYNC_NULL ? SYNC_OK : sync_clocks_unpack(s, child, &clock, &row);
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "sync_row_%u: a clock is damaged", child->tid);
        *any = rc == SYNC_OK && (clock.type == SYNC_NULL || row.stamp.hlc < born);
    }
    sync_return(s, stmt);
    sync_row_free(&row);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Numbers of the parent that somebody has, or had last, who came in the tail; where nobody had one before, only rows that are listed can refer to it. */
static int any_passed(sync_db *s, const sync_fk *fk, const sync_table *child, const sync_table *parent,
                      int64_t after, bool *passed, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    sync_row row = {0};
    int rc = sync_borrow(
        s, &stmt, error,
        "SELECT c.k1, c.clock FROM temp.sync_row_%u AS c WHERE c.seq > ?1 AND (EXISTS (SELECT 1 FROM "
        "temp.sync_hidden_%u AS h WHERE h.k1 = c.k1) OR EXISTS (SELECT 1 FROM main.sync_conflict WHERE tid = "
        "%u AND NOT held AND reason = 'foreign key')) UNION ALL SELECT h.k1, h.clock FROM "
        "temp.sync_hidden_%u "
        "AS h WHERE h.seq > ?1 AND NOT EXISTS (SELECT 1 FROM temp.sync_row_%u AS c WHERE c.k1 = h.k1)",
        parent->tid, parent->tid, child->tid, parent->tid, parent->tid);
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, after)) {
        rc = sync_fail_db(s, error, NULL);
    }
    while (rc == SYNC_OK && !*passed && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 1);
        rc = sync_clocks_unpack(s, parent, &clock, &row);
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "a clock of %s is damaged", parent->name);
        if (rc == SYNC_OK && row.born.hlc > s->hlc) {
            rc = any_older(s, child, fk, sqlite3_column_int64(stmt, 0), row.born.hlc, passed, error);
        }
    }
    sync_return(s, stmt);
    sync_row_free(&row);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_fold_meant_passing(sync_db *s, int64_t after, bool *passed, sync_error *error)
{
    int rc = SYNC_OK;
    *passed = false;
    for (uint32_t i = 0; rc == SYNC_OK && !*passed && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        const sync_table *child = sync_engine_tid(s, fk->child_tid),
                         *parent = sync_engine_tid(s, fk->parent_tid);
        if (fk->to_row && fk->from_col >= SYNC_REF_KEY && child && parent && child->meant &&
            !child->missing && !parent->missing && parent->in_overlay) {
            rc = any_passed(s, fk, child, parent, after, passed, error);
        }
    }
    return rc;
}
