#include "adopted.h"

#include "claims.h"
#include "meant.h"
#include "orphans.h"

/* A foreign key by which rows may have come while it was none here: from a table that was tracked, to a new one or by way of one. */
static bool is_learnt(const sync_fk *fk, uint32_t first)
{
    return fk->to_row && fk->from_col < SYNC_REF_KEY && fk->child_tid < first &&
           (fk->parent_tid >= first || fk->derived);
}

/* What a shown row keeps in its clock of what a column means, or NULL. */
static const sync_ref *kept_ref(const sync_row *row, uint32_t col)
{
    const sync_cell *cell = sync_row_find(row, col);
    const sync_ref *found = NULL;
    for (uint32_t i = 0; cell && !cell->carried && i < row->ref_count; i++) {
        found = row->refs[i].col == col ? &row->refs[i] : found;
    }
    return found;
}

/* Lists the row whose clock the statement stands on. */
static int list_one(sync_claims *list, sync_table *t, sqlite3_stmt *stmt, const sync_row *row)
{
    sync_value shown[SYNC_KEY_COLUMNS_MAX], known[SYNC_KEY_COLUMNS_MAX];
    sync_arena arena = {0};
    uint32_t at;
    int rc = SYNC_OK;
    for (uint32_t i = 0; i < t->key_count; i++) {
        known[i] = shown[i] = sync_column_value(stmt, 1 + (int)i);
    }
    if (t->meant) {
        rc = sync_meant_known(list->m->s, t, SYNC_IN_FILE, shown, known, &arena, list->m->error);
    } else if (row->moved) { /* it lies under the number that it shows */
        known[0].i = row->number;
    }
    rc = rc == SYNC_OK ? sync_claims_add(list, t, known, row->born, &at) : rc;
    sync_arena_free(&arena);
    return rc;
}

static int list_keepers(sync_claims *list, sync_table *t, uint32_t col)
{
    sync_db *s = list->m->s;
    sqlite3_stmt *stmt;
    sync_row row = {0};
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT clock, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.sync_row_%u", t->tid);
    int rc = sync_prepare_text(s, &stmt, list->m->error, sqlite3_str_finish(sql));
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, list->m->error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 0);
        rc = sync_clocks_unpack(s, t, &clock, &row);
        rc = rc == SYNC_OK ? rc : sync_fail(list->m->error, rc, "sync_row_%u: a clock is damaged", t->tid);
        if (rc == SYNC_OK && !row.held && kept_ref(&row, col)) {
            rc = list_one(list, t, stmt, &row);
        }
    }
    sqlite3_finalize(stmt);
    sync_row_free(&row);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Takes a row out of sight as what it means. */
static int hold_one(sync_merging *m, const sync_claim *one, const sync_fk *fk)
{
    char why[SYNC_ERROR_BYTES];
    sync_row row = {0};
    sync_slot slot;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
    for (uint32_t i = 0; i < row.ref_count; i++) { /* also of other columns that have become references */
        if (kept_ref(&row, row.refs[i].col)) {
            sync_cell *cell = sync_row_find(&row, row.refs[i].col);
            cell->value = (sync_value){.type = SYNC_INTEGER, .i = row.refs[i].number};
            cell->carried = true;
        }
    }
    if (rc == SYNC_OK && slot.shown) {
        sqlite3_snprintf(sizeof why, why, "%s(%s) refers to a row of %s that is not shown here", one->t->name,
                         fk->from[0], sync_engine_tid(m->s, fk->parent_tid)->name);
        rc = sync_hold(m, one->t, one->key, &row, &slot, "foreign key", why);
    }
    sync_row_free(&row);
    return rc;
}

/* *any: there are such rows. Each has what it refers to under whatever number that is shown here, or waits for it. */
static int hold_keepers(sync_merging *m, uint32_t first, bool *any)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < m->s->fk_count; i++) {
        const sync_fk *fk = &m->s->fks[i];
        sync_table *t = is_learnt(fk, first) ? sync_engine_tid(m->s, fk->child_tid) : NULL;
        sync_claims list = {.m = m};
        rc = t && !t->missing ? list_keepers(&list, t, fk->from_col) : SYNC_OK;
        for (uint32_t k = 0; rc == SYNC_OK && k < list.count; k++) {
            rc = hold_one(m, &list.list[k], fk);
            *any = true;
        }
        sync_claims_free(&list);
    }
    return rc;
}

int sync_adopted(sync_db *s, uint32_t count, sync_error *error)
{
    sync_merging m = {0};
    sync_orphans orphans = {0};
    bool any = false;
    if (count == 0 || s->fk_count == 0) {
        return SYNC_OK;
    }
    uint32_t first = s->tables[s->table_count - count].tid;
    int rc = sync_merging_begin(&m, s, error);
    rc = rc == SYNC_OK ? hold_keepers(&m, first, &any) : rc;
    rc = rc == SYNC_OK && any ? sync_settle(&m) : rc;
    rc = rc == SYNC_OK ? sync_orphans_there(s, first, &orphans, error) : rc;
    rc = rc == SYNC_OK ? sync_orphans_note(&m, &orphans) : rc;
    rc = sync_merging_end_local(&m, rc);
    sync_orphans_free(&orphans);
    return rc;
}
