/* Rows that cannot be shown together, because a UNIQUE index forbids it: the one of highest rank is. */
#include "clash.h"

#include "base.h"
#include "key.h"
#include "parents.h"
#include "rollbacks.h"

#include <string.h>

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

/* In the order of their encodings, without making them: that may not fail. */
static int compare_values(const sync_value *a, const sync_value *b)
{
    enum {
        HEAD_BYTES = 16
    }; /* room for whatever stands before the bytes of a text or blob, or for a number */
    uint8_t rooms[2][HEAD_BYTES];
    const sync_value *values[] = {a, b};
    sync_buf heads[2];
    for (int i = 0; i < 2; i++) {
        heads[i] = (sync_buf){.data = rooms[i], .cap = HEAD_BYTES};
        bool bytes = values[i]->type == SYNC_TEXT || values[i]->type == SYNC_BLOB;
        (bytes ? sync_value_put_head : sync_value_put)(&heads[i], values[i]);
    }
    int order = memcmp(rooms[0], rooms[1], heads[0].len < heads[1].len ? heads[0].len : heads[1].len);
    bool same = order == 0 && a->type == b->type && (a->type == SYNC_TEXT || a->type == SYNC_BLOB);
    return same && a->bytes ? memcmp(a->data, b->data, a->bytes)
                            : order; /* of one length, as the heads say */
}

int sync_clash_compare_keys(const sync_table *t, const sync_value *a, const sync_value *b)
{
    int order = 0;
    for (uint32_t i = 0; order == 0 && i < t->key_count; i++) {
        order = compare_values(&a[i], &b[i]);
    }
    return order;
}

/* A UNIQUE index on something computed: any column may count. */
static sync_stamp rank_all(const sync_merging *m, const sync_row *row)
{
    sync_stamp best = row->stamp;
    for (uint32_t i = 0; i < row->count; i++) {
        best = sync_stamp_compare(&m->s->sites, row->cells[i].stamp, best) > 0 ? row->cells[i].stamp : best;
    }
    return best;
}

sync_stamp sync_clash_rank(const sync_merging *m, const sync_table *t, const sync_row *row)
{
    for (uint32_t u = 0; u < t->unique_count; u++) {
        if (t->uniques[u].computed) {
            return rank_all(m, row);
        }
    }
    return rank(m, t, row);
}

/* Keys that the trial displaced: noted before, or deleted, and gone now. Or only those that are noted. */
static int read_displaced(sync_merging *m, const sync_table *t, int64_t after, bool gone, sync_value ***list,
                          uint32_t *count)
{
    sqlite3_stmt *stmt;
    sqlite3_str *sql = sqlite3_str_new(m->s->db);
    sqlite3_str_appendall(sql, "SELECT DISTINCT ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.sync_journal AS j WHERE seq > %lld AND tid = %u AND op IN (%d, %d)",
                        (long long)after, t->tid, gone ? SYNC_OP_DELETE : SYNC_OP_HINT, SYNC_OP_HINT);
    if (gone) {
        sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM main.\"%w\" AS b WHERE ", t->name);
        sync_str_match_base(sql, t, "b", "j");
        sqlite3_str_appendall(sql, ")");
    }
    int rc = sync_prepare_text(m->s, &stmt, m->error, sqlite3_str_finish(sql));
    rc = rc == SYNC_OK ? sync_read_keys(m, stmt, t, list, count) : rc;
    sqlite3_finalize(stmt);
    return rc;
}

/* Is there a UNIQUE index for which no trigger can note whom REPLACE displaces? */
static bool is_beyond_notes(const sync_table *t)
{
    bool beyond = false;
    for (uint32_t u = 0; !beyond && u < t->unique_count; u++) {
        beyond = t->uniques[u].count == 0;
    }
    return beyond;
}

int sync_clash_displaced(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                         bool shown, sync_value ***list, uint32_t *count)
{
    enum { DISPLACE = -1 }; /* none of sync_write */
    int64_t newest = 0;
    bool met = false;
    if (sync_rollbacks_find(m->s, t, key, DISPLACE, &met)) {
        return SYNC_OK; /* nobody can be named, as below */
    }
    int rc = sync_query_int(m->s, &newest, 0, m->error, "SELECT max(seq) FROM main.sync_journal");
    rc = rc == SYNC_OK ? sync_exec(m->s, m->error, "SAVEPOINT sync_trial") : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    sync_write how = shown ? SYNC_WRITE_UPDATE : SYNC_WRITE_INSERT;
    rc = sync_base_displace(m->s, t, how, key, row, is_beyond_notes(t), m->error);
    if (rc == SYNC_OK) {
        rc = read_displaced(m, t, newest, true, list, count);
    } else if (sync_base_refused(rc) &&
               rc != SQLITE_CONSTRAINT_TRIGGER) { /* by a statement of a trigger: notes are written before */
        rc = sync_base_ignoring(m->s, t, how, key, row, false, m->error);
        rc = rc == SYNC_OK || sync_base_refused(rc) ? read_displaced(m, t, newest, false, list, count) : rc;
    } else if (sync_base_refused(rc)) {
        rc = SYNC_OK; /* nobody can be named: the row that came later waits */
    }
    if (rc == SQLITE_ABORT_ROLLBACK) {
        return sync_rollbacks_note(m->s, t, key, DISPLACE, m->error); /* the trial is undone */
    }
    sync_error ignored = {0};
    int undo =
        sync_exec(m->s, rc == SYNC_OK ? m->error : &ignored, "ROLLBACK TO sync_trial; RELEASE sync_trial");
    return rc == SYNC_OK ? undo : rc;
}

/* Does the row rank above the shown row of that key, which is `other`? */
static int outranks(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                    const sync_value *clash, sync_row *other, sync_slot *slot, bool *above)
{
    int rc = sync_find_shown(m, t, clash, other, slot);
    if (rc == SYNC_OK) {
        int order =
            sync_stamp_compare(&m->s->sites, sync_clash_rank(m, t, row), sync_clash_rank(m, t, other));
        *above = (order ? order : sync_clash_compare_keys(t, key, clash)) > 0;
    }
    return rc;
}

int sync_clash_settle(sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row, bool shown,
                      bool *wins)
{
    sync_value **list = NULL;
    uint32_t count = 0, others = 0;
    *wins = true;
    int rc = sync_clash_displaced(m, t, key, row, shown, &list, &count);
    sync_value room;
    for (int holding = 0; rc == SYNC_OK && *wins && holding < 2; holding++) {
        for (uint32_t i = 0; rc == SYNC_OK && *wins && i < count; i++) {
            sync_row other = {0};
            sync_slot slot;
            if (sync_key_same(t, list[i], key)) {
                continue;
            }
            rc = outranks(m, t, key, row, list[i], &other, &slot, wins);
            if (rc == SYNC_OK && *wins && holding && slot.shown) {
                rc = sync_hold(m, t, sync_known_by(&other, &slot, list[i], &room), &other, &slot, "unique",
                               "another row has the same value under a UNIQUE index");
                others++;
            }
            sync_row_free(&other);
        }
    }
    *wins = *wins && others > 0;
    sync_free(list);
    return rc;
}
