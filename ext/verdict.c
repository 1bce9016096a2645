#include "verdict.h"

#include "base.h"
#include "key.h"
#include "parents.h"
#include "renumber.h"
#include "verdict_internal.h"

#include <string.h>

/* ---- the entry ---- */

static int read_choice(const char *choice, sync_choice *to, sync_error *error)
{
    static const char *const names[] = {"ours", "theirs", "keep both"};
    for (int i = 0; i < 3; i++) {
        if (choice && strcmp(choice, names[i]) == 0) {
            *to = (sync_choice)i;
            return SYNC_OK;
        }
    }
    return sync_fail(error, SYNC_ERROR,
                     "sync_resolve: the choice is 'ours', 'theirs' or 'keep both', not %s%s%s",
                     choice ? "'" : "", choice ? choice : "NULL", choice ? "'" : "");
}

static int gone(const sync_verdict_state *v)
{
    return sync_fail(
        v->error, SYNC_ERROR,
        "sync_resolve: there is no entry %lld in sync_conflict; it may have been settled meanwhile",
        (long long)v->id);
}

enum {
    ENTRY_TID,
    ENTRY_HELD,
    ENTRY_REASON,
    ENTRY_RAW_KEY,
    ENTRY_CLOCK_KEY,
    ENTRY_OURS,
    ENTRY_THEIRS,
    ENTRY_STAMPS
};

static int keep_values(sync_verdict_state *v, sync_value *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sync_value value = values[i];
        if (!sync_arena_value(&v->arena, &value, &values[i])) {
            return sync_fail_nomem(v->error);
        }
    }
    return SYNC_OK;
}

static int keep_entry(sync_verdict_state *v, sync_merging *m, sqlite3_stmt *stmt)
{
    const char *reason = NULL;
    v->t = sync_engine_tid(v->s, (uint32_t)sqlite3_column_int64(stmt, ENTRY_TID));
    if (v->t == NULL || v->t->missing) {
        return sync_fail(v->error, SYNC_ERROR,
                         "sync_resolve: entry %lld is of a table that is not tracked any more",
                         (long long)v->id);
    }
    v->held = sqlite3_column_int(stmt, ENTRY_HELD) != 0;
    v->key = sync_arena_alloc(&v->arena, v->t->key_count * sizeof *v->key);
    v->at = sync_arena_alloc(&v->arena, v->t->key_count * sizeof *v->at);
    int rc = sync_column_text(stmt, ENTRY_REASON, &reason, v->error);
    sqlite3_snprintf(sizeof v->reason, v->reason, "%s", reason ? reason : "");
    rc = rc != SYNC_OK     ? rc
         : v->key && v->at ? sync_conflict_key(m, v->t, sync_column_value(stmt, ENTRY_RAW_KEY),
                                               sync_column_value(stmt, ENTRY_CLOCK_KEY), v->key, &v->born)
                           : sync_fail_nomem(v->error);
    rc = rc == SYNC_OK ? keep_values(v, v->key, v->t->key_count) : rc;
    v->clock_key = sync_column_value(stmt, ENTRY_CLOCK_KEY);
    v->ours = sync_column_value(stmt, ENTRY_OURS);
    v->theirs = sync_column_value(stmt, ENTRY_THEIRS);
    rc = rc == SYNC_OK ? keep_values(v, &v->clock_key, 1) : rc;
    rc = rc == SYNC_OK ? keep_values(v, &v->ours, 1) : rc;
    return rc == SYNC_OK ? keep_values(v, &v->theirs, 1) : rc;
}

/* The row that it is about, and on which side it stands. */
static int keep_row(sync_verdict_state *v, sync_merging *m, sqlite3_stmt *stmt)
{
    sync_slot slot;
    int rc = sync_find(m, v->t, v->key, v->born, &v->row, &slot);
    if (rc != SYNC_OK) {
        return rc;
    }
    bool one_sided = v->ours.type == SYNC_NULL || v->theirs.type == SYNC_NULL;
    bool ours = v->ours.type != SYNC_NULL;
    rc = one_sided ? SYNC_OK : sync_conflict_is_ours(m, v->t, &v->row, stmt, ENTRY_STAMPS, &ours);
    if (rc != SYNC_OK) {
        return rc;
    }
    v->wanted = v->choice != SYNC_KEEP_BOTH && ours == (v->choice == SYNC_CHOOSE_OURS);
    if (v->held ? !slot.was_held : !slot.shown && strcmp(v->reason, "genesis") != 0) {
        return gone(v);
    }
    for (uint32_t i = 0; rc == SYNC_OK && slot.spelled && i < v->t->key_count; i++) {
        v->key[i] = slot.spelled[i];
    }
    rc = slot.spelled ? keep_values(v, v->key, v->t->key_count) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < v->row.count; i++) {
        rc = v->row.cells[i].carried ? keep_values(v, &v->row.cells[i].value, 1) : rc;
    }
    sync_value room;
    const sync_value *at =
        v->row.held ? sync_claimed(&v->row, &slot, v->key, &room) : sync_lies(&slot, v->key, &room);
    for (uint32_t i = 0; rc == SYNC_OK && i < v->t->key_count; i++) {
        rc = sync_arena_value(&v->arena, &at[i], &v->at[i]) ? SYNC_OK : sync_fail_nomem(v->error);
    }
    if (rc == SYNC_OK && sync_row_copy(&v->whole, &v->row) != SYNC_OK) {
        rc = sync_fail_nomem(v->error);
    }
    return rc == SYNC_OK ? sync_parents_renumber(m, v->t, v->key, &v->whole) : rc;
}

static int read_entry(sync_verdict_state *v, sync_merging *m)
{
    sqlite3_stmt *stmt;
    int rc = sync_borrow(
        v->s, &stmt, v->error,
        "SELECT tid, held, reason, raw_key, clock_key, ours, theirs, our_stamp, our_site, their_stamp,"
        " their_site FROM main.sync_conflict WHERE id = ?1");
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, v->id)) {
        rc = sync_fail_db(v->s, v->error, NULL);
    }
    rc = rc == SYNC_OK ? sync_step(v->s, stmt, v->error) : rc;
    if (rc == SQLITE_ROW) {
        rc = keep_entry(v, m, stmt);
        rc = rc == SYNC_OK ? keep_row(v, m, stmt) : rc;
        rc = sync_reset_read(stmt, rc, v->error);
    } else if (rc == SQLITE_DONE) {
        rc = gone(v);
    }
    sync_return(v->s, stmt);
    return rc;
}

/* ---- what most reasons need ---- */

static int drop(sync_verdict_state *v, sync_merging *m)
{
    return sync_verdict_drop(m, v->t, v->key, v->born);
}

static int delete_shown(sync_verdict_state *v)
{
    int rc = sync_base_delete(v->s, v->t, v->at, v->error);
    return sync_base_refused(rc)
               ? sync_verdict_refused(v, v->t, v->at, "the row of that key that is shown cannot be deleted",
                                      sync_base_said(v->s))
               : rc;
}

static int renumber(sync_verdict_state *v, sync_merging *m)
{
    bool done = false;
    int rc = sync_renumber_one(m, v->t, v->key, v->born, &done);
    return rc == SYNC_OK && !done
               ? sync_verdict_refused(v, v->t, v->at, "both cannot be kept", "there is no higher number")
               : rc;
}

/* Two rows of one number. */
static int number(sync_verdict_state *v)
{
    int rc = SYNC_OK;
    if (v->choice == SYNC_KEEP_BOTH) {
        return sync_renumber_may(v->s, v->t) ? sync_verdict_merge(v, renumber) : sync_verdict_anew(v);
    }
    if (!v->wanted) {
        return sync_verdict_merge(v, drop);
    }
    rc = sync_verdict_write(v, delete_shown);
    return rc == SYNC_OK ? sync_verdict_merge(v, NULL) : rc;
}

/* ---- a missing parent ---- */

/* Of each foreign key without a parent: the last of its columns that may be NULL. */
static int choose_references(sync_verdict_state *v, sync_merging *m)
{
    sync_missing missing = {.from = 0};
    sync_slot unseen = {0}; /* all foreign keys */
    bool exists = false;
    v->columns = sync_arena_alloc(&v->arena, v->t->col_count + 1);
    if (v->columns == NULL) {
        return sync_fail_nomem(v->error);
    }
    memset(v->columns, 0, v->t->col_count + 1);
    int rc = v->held ? SYNC_OK : sync_parents_load(m, v->t, v->at, &v->whole, NULL, &exists);
    while (rc == SYNC_OK) {
        rc = sync_parents_missing(m, v->t, v->at, &v->whole, &unseen, &missing);
        if (rc != SYNC_OK || !missing.why[0]) {
            return rc;
        }
        const sync_fk *fk = &v->s->fks[missing.at];
        uint32_t col = UINT32_MAX;
        for (uint32_t i = fk->count; rc == SYNC_OK && col == UINT32_MAX && i-- > 0;) {
            rc = sync_verdict_nullable(v, v->t, fk->from[i], &col);
        }
        if (rc == SYNC_OK && col == UINT32_MAX) {
            rc = sync_verdict_refused(
                v, v->t, v->key,
                "its reference may not be NULL, so the row that it refers to must come back first",
                missing.why);
        } else if (rc == SYNC_OK) {
            v->columns[col] = true;
        }
        missing.from = missing.at + 1;
    }
    return rc;
}

static int drop_references(sync_verdict_state *v, sync_merging *m)
{
    sync_row change = {0};
    int rc = sync_verdict_nulls(v, sync_merging_stamp(m), &change);
    rc = rc == SYNC_OK && change.count ? sync_verdict_put(m, v->t, v->key, v->born, &change) : rc;
    sync_row_free(&change);
    return rc;
}

static int drop_shown_references(sync_verdict_state *v)
{
    sync_row nulls = {0};
    int rc = sync_verdict_nulls(v, SYNC_STAMP_NONE, &nulls);
    rc = rc == SYNC_OK && nulls.count ? sync_base_update(v->s, v->t, v->at, &nulls, false, false, v->error)
                                      : rc;
    sync_row_free(&nulls);
    return sync_base_refused(rc) ? sync_verdict_refused(v, v->t, v->key, "its reference cannot be set NULL",
                                                        sync_base_said(v->s))
                                 : rc;
}

/* A row whose parent is missing: held, or (a note) shown here and held in other files. */
static int foreign_key(sync_verdict_state *v)
{
    int rc = SYNC_OK;
    if (v->choice == SYNC_KEEP_BOTH) {
        rc = sync_verdict_look(v, choose_references);
        if (rc == SYNC_OK && v->held) {
            return sync_verdict_merge(v, drop_references);
        }
        rc = rc == SYNC_OK ? sync_verdict_write(v, drop_shown_references) : rc;
    } else if (!v->wanted && v->held) {
        return sync_verdict_merge(v, drop);
    } else if (!v->wanted) {
        rc = sync_verdict_write(v, delete_shown);
    }
    return rc == SYNC_OK ? sync_verdict_merge(v, NULL) : rc;
}

/* ---- what the schema of this file refuses ---- */

/* The cells in question are written again as the table shows them, so that they win. */
static int confirm_shown(sync_verdict_state *v, sync_merging *m)
{
    sync_row change = {0};
    bool exists = false;
    sync_stamp stamp = sync_merging_stamp(m);
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < v->row.count; i++) {
        const sync_cell *cell = &v->row.cells[i];
        bool waits = cell->carried && v->t->cols[cell->col].present;
        rc = !waits || sync_row_set(&change, cell->col, stamp) ? SYNC_OK : sync_fail_nomem(v->error);
    }
    rc = rc == SYNC_OK ? sync_parents_load(m, v->t, v->at, &change, NULL, &exists) : rc;
    rc = rc == SYNC_OK ? sync_verdict_put(m, v->t, v->key, v->born, &change) : rc;
    sync_row_free(&change);
    return rc;
}

static int refused(sync_verdict_state *v)
{
    if (!v->row.held && v->choice == SYNC_KEEP_BOTH) {
        return sync_verdict_refused(v, v->t, v->key, "both cannot be kept",
                                    "a cell has one value: choose ours or theirs");
    }
    return sync_verdict_merge(v, v->wanted || v->choice == SYNC_KEEP_BOTH ? NULL
                                 : v->row.held                            ? drop
                                                                          : confirm_shown);
}

/* ---- all together ---- */

static int settle(sync_verdict_state *v)
{
    if (strcmp(v->reason, "foreign key") == 0) {
        return foreign_key(v);
    }
    if (!v->held && strcmp(v->reason, "genesis") == 0) {
        return sync_verdict_genesis(v);
    }
    if (!v->held) {
        return sync_verdict_refused(v, v->t, v->key, "there is nothing to choose",
                                    "it is a note; delete it when you have read it");
    }
    return strcmp(v->reason, "unique") == 0   ? sync_verdict_unique(v)
           : strcmp(v->reason, "number") == 0 ? number(v)
                                              : refused(v);
}

int sync_verdict(sync_db *s, int64_t id, const char *choice, sync_error *error)
{
    sync_verdict_state v = {.s = s, .error = error, .id = id};
    int rc = read_choice(choice, &v.choice, error);
    rc = rc == SYNC_OK ? sync_verdict_look(&v, read_entry) : rc;
    rc = rc == SYNC_OK ? settle(&v) : rc;
    sync_row_free(&v.row);
    sync_row_free(&v.whole);
    sync_arena_free(&v.arena);
    return rc;
}
