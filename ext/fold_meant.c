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

/* By what a row from before this tail was known, of whose key numbers have passed in it to rows that were born there. known: what it is known by now, and becomes that. */
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
