/* A delta for a receiver that may see some rows only. */
#include "changes_internal.h"

#include "merging.h"
#include "request.h"

/* Up to where this file holds what the receiver has written. */
static uint64_t known_of(const sync_changes *c, const sync_matrix *seen, uint32_t h)
{
    uint32_t sid = sync_engine_find_site(c->s, c->receiver.site);
    return sid ? sync_matrix_at(seen, c->local[h], sid) : 0;
}

int sync_changes_select(sync_changes *c, sync_error *error)
{
    sync_db *s = c->s;
    sync_matrix seen = {0};
    const bool whole = sync_selection_whole(c->selection);
    int rc = sync_selection_begin(c->selection, error);
    rc = rc == SYNC_OK ? sync_engine_seen(s, &seen, error) : rc;
    for (uint32_t h = 0; rc == SYNC_OK && h < c->head.table_count; h++) {
        uint64_t chosen = 0;
        sync_table *t = &s->tables[c->local[h]];
        rc = sync_head_own_table(t, &c->head.tables[h], true, error);
        c->head.tables[h].whole = whole;
        c->head.tables[h].known = known_of(c, &seen, h);
        c->head.wholes += whole;
        rc = rc == SYNC_OK
                 ? sync_selection_choose(s, c->selection, c->rules, t, c->overlay, c->newest, &chosen, error)
                 : rc;
        c->to_scan += chosen;
    }
    sync_matrix_free(&seen);
    c->head.purpose = SYNC_FOR_LEAF;
    c->position = c->newest;
    c->counted = true;
    return rc;
}

/* Site numbers of this file become those on the wire. */
static void to_wire(const sync_changes *c, sync_row *row)
{
    if (!sync_stamp_is_none(row->born)) {
        row->born.site = c->wire[row->born.site];
    }
    for (uint32_t i = 0; i < row->ref_count; i++) {
        if (!sync_stamp_is_none(row->refs[i].born)) {
            row->refs[i].born.site = c->wire[row->refs[i].born.site];
        }
    }
}

static int name(sync_changes *c, uint32_t h, sync_selected *one, sync_error *error)
{
    to_wire(c, &one->row);
    int rc = sync_encoder_row(c->s->encoder, h, one->key, &one->row, error);
    c->rows += rc == SYNC_OK;
    sync_row_free(&one->row);
    return rc;
}

/* Is the row alive here, and merely put aside? Then it is to stay where it is known. mine: only if the receiver has written it. */
static int is_aside(sync_changes *c, sync_table *t, const sync_value *key, sync_stamp born, bool mine,
                    bool *aside, sync_error *error)
{
    sync_merging m = {.s = c->s, .error = error};
    sync_row row = {0};
    sync_slot slot;
    uint32_t author = sync_engine_find_site(c->s, c->receiver.site);
    int rc = sync_find(&m, t, key, born, &row, &slot);
    *aside = rc == SYNC_OK && sync_row_alive(&row) && row.held &&
             (!mine || (author != 0 && row.stamp.site == author));
    sync_row_free(&row);
    sync_row_free(&m.other);
    sync_arena_free(&m.arena);
    return rc;
}

/* The next row that was sent and may not be seen any more. */
static int withdraw_one(sync_changes *c, uint32_t h, bool *done, sync_error *error)
{
    sync_table *t = &c->s->tables[c->local[h]];
    sync_selected one;
    bool aside = false;
    *done = !sync_selection_unseen(c->selection, t, &c->withdrawn_at, &one);
    if (*done) {
        return SYNC_OK;
    }
    int rc = t->meant ? SYNC_OK : is_aside(c, t, one.key, one.row.born, false, &aside, error);
    if (rc == SYNC_OK && aside) {
        c->withdrawn_at++;
        sync_row_free(&one.row);
        return SYNC_OK;
    }
    sync_selection_forget(c->selection, c->withdrawn_at);
    return rc == SYNC_OK ? name(c, h, &one, error) : rc;
}

/* Names the receiver's own rows that are put aside here, for one who takes what is not named for gone. */
static int name_aside(sync_changes *c, uint32_t h, sync_error *error)
{
    sync_table *t = &c->s->tables[c->local[h]];
    sync_merging m = {.s = c->s, .error = error};
    sqlite3_stmt *stmt = NULL;
    int rc = sync_borrow(c->s, &stmt, error,
                         "SELECT raw_key, clock_key FROM main.sync_conflict WHERE held AND tid = ?1");
    rc = rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, t->tid) ? sync_fail_db(c->s, error, NULL) : rc;
    while (rc == SYNC_OK && (rc = sync_step(c->s, stmt, error)) == SQLITE_ROW) {
        sync_selected one = {.row = {.cl = 1}};
        bool aside = false;
        rc = sync_conflict_key(&m, t, sync_column_value(stmt, 0), sync_column_value(stmt, 1), one.key,
                               &one.row.born);
        rc = rc == SYNC_OK && !t->meant ? is_aside(c, t, one.key, one.row.born, true, &aside, error) : rc;
        rc = rc == SYNC_OK && aside ? name(c, h, &one, error) : rc;
    }
    sync_return(c->s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_changes_withdraw(sync_changes *c, bool *done, sync_error *error)
{
    *done = false;
    while (c->withdrawn < c->head.table_count) { /* children before those they refer to */
        uint32_t h = c->head.table_count - 1 - c->withdrawn;
        bool all = true;
        int rc = c->head.tables[h].whole ? name_aside(c, h, error) : withdraw_one(c, h, &all, error);
        if (rc != SYNC_OK || !all) {
            return rc;
        }
        c->withdrawn++;
        c->withdrawn_at = 0;
    }
    *done = true;
    return SYNC_OK;
}

/* The same row as this file numbers sites: birth, and what its key means. */
static int as_known(const sync_changes *c, sync_row *to, sync_error *error)
{
    to->born = c->row.born;
    for (uint32_t i = 0; i < c->out.ref_count; i++) {
        sync_ref ref = c->out.refs[i];
        for (uint32_t sid = 1; !sync_stamp_is_none(ref.born) && sid < c->s->sites.count; sid++) {
            if (c->wire[sid] == c->out.refs[i].born.site) {
                ref.born.site = sid;
                break;
            }
        }
        if (ref.col >= SYNC_REF_KEY && sync_row_add_ref(to, ref) != SYNC_OK) {
            return sync_fail_nomem(error);
        }
    }
    return SYNC_OK;
}

/* Withdraws the row that was sent under the key which the one in hand shows. */
static int make_way(sync_changes *c, const sync_value *shown, const sync_row *known, sync_error *error)
{
    sync_table *t = &c->s->tables[c->local[c->table]];
    sync_selected other;
    bool aside = false;
    if (!sync_selection_displaces(c->selection, t, shown, c->key, known, &other)) {
        return SYNC_OK;
    }
    int rc = t->meant ? SYNC_OK : is_aside(c, t, other.key, other.row.born, false, &aside, error);
    if (rc == SYNC_OK && !aside) {
        return name(c, c->table, &other, error);
    }
    sync_row_free(&other.row);
    return rc;
}

int sync_changes_send_selected(sync_changes *c, const sync_table *t, const sync_value *shown,
                               sync_error *error)
{
    sync_row known = {.cl = 1};
    const int64_t seq = sqlite3_column_int64(c->stmt, 0);
    int rc = as_known(c, &known, error);
    rc = rc == SYNC_OK ? make_way(c, shown, &known, error) : rc;
    rc = rc == SYNC_OK ? sync_encoder_row(c->s->encoder, c->table, c->key, &c->out, error) : rc;
    rc = rc == SYNC_OK ? sync_selection_note(c->selection, t, shown, seq, c->key, &known, error) : rc;
    c->rows += rc == SYNC_OK;
    sync_row_free(&known);
    return rc;
}
