#include "apply.h"
#include "base.h"
#include "json.h"
#include "verdict_internal.h"

#include <string.h>

/* ---- frames ---- */

int sync_verdict_look(sync_verdict_state *v, sync_verdict_work *work)
{
    sync_merging m = {0};
    int rc = sync_merging_begin(&m, v->s, v->error);
    rc = rc == SYNC_OK ? work(v, &m) : rc;
    return sync_merging_end(&m, rc);
}

static bool is_violated(sync_db *s)
{
    int now = 0, highest = 0;
    (void)sqlite3_db_status(s->db, SQLITE_DBSTATUS_DEFERRED_FKS, &now, &highest,
                            0); /* reads two counters; cannot fail */
    return now != 0;
}

int sync_verdict_write(sync_verdict_state *v, sync_verdict_sql *work)
{
    sqlite3 *db = v->s->db;
    int64_t deferred = 0, entries = 0;
    int on = 0;
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &on); /* asks; cannot fail */
    if (is_violated(v->s)) { /* what is not deferred any more is not counted any more either */
        return sync_verdict_refused(v, v->t, v->key, "it cannot be settled now",
                                    "this transaction has left rows without the row that they refer to");
    }
    int rc = sync_query_int(v->s, &deferred, 0, v->error, "PRAGMA defer_foreign_keys");
    rc = rc == SYNC_OK ? sync_exec(v->s, v->error, "PRAGMA defer_foreign_keys = 0") : rc;
    if (rc == SYNC_OK && sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL) != SQLITE_OK) {
        rc = sync_fail_db(v->s, v->error, "foreign keys");
    }
    rc = rc == SYNC_OK ? work(v) : rc;
    if (rc == SYNC_OK && is_violated(v->s)) { /* a deferred one would fail the COMMIT */
        rc = sync_verdict_refused(v, v->t, v->key, "it cannot be settled so",
                                  "rows of other tables would be left without the row that they refer to");
    }
    (void)(!on && sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0,
                                    NULL)); /* sets a flag; cannot fail where switching it on did not */
    rc = rc == SYNC_OK && deferred ? sync_exec(v->s, v->error, "PRAGMA defer_foreign_keys = 1") : rc;
    return rc == SYNC_OK ? sync_local(v->s, INT64_MAX, &entries, v->error) : rc;
}

int sync_verdict_listed(sync_verdict_state *v, bool *listed, char why[SYNC_ERROR_BYTES])
{
    sqlite3_stmt *stmt;
    *listed = false;
    int rc = sync_borrow(
        v->s, &stmt, v->error,
        "SELECT reason, detail FROM main.sync_conflict WHERE id = ?1 OR (tid = ?2 AND clock_key = ?3"
        " AND held) LIMIT 1");
    if (rc == SYNC_OK && (sqlite3_bind_int64(stmt, 1, v->id) || sqlite3_bind_int64(stmt, 2, v->t->tid) ||
                          sync_bind_value(stmt, 3, &v->clock_key))) {
        rc = sync_fail_db(v->s, v->error, NULL);
    }
    rc = rc == SYNC_OK ? sync_step(v->s, stmt, v->error) : rc;
    if (rc == SQLITE_ROW) {
        const char *reason = NULL, *detail = NULL;
        *listed = true;
        rc = sync_column_text(stmt, 0, &reason, v->error);
        rc = rc == SYNC_OK ? sync_column_text(stmt, 1, &detail, v->error) : rc;
        if (why) {
            sqlite3_snprintf(SYNC_ERROR_BYTES, why, "%s%s%s", reason ? reason : "", detail ? ": " : "",
                             detail ? detail : "");
        }
    }
    sync_return(v->s, stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_verdict_merge(sync_verdict_state *v, sync_verdict_work *work)
{
    sync_merging m = {0};
    char why[SYNC_ERROR_BYTES];
    bool listed = false;
    int rc = sync_merging_begin(&m, v->s, v->error);
    rc = rc == SYNC_OK && work ? work(v, &m) : rc;
    if (rc == SYNC_OK) {
        m.touched[v->t - v->s->tables] = true;
        rc = sync_settle(&m);
    }
    rc = rc == SYNC_OK ? sync_verdict_listed(v, &listed, why) : rc;
    if (rc == SYNC_OK && listed) {
        rc = sync_verdict_refused(v, v->t, v->key, "it cannot be settled so", why);
    }
    int64_t newest = m.newest;
    rc = sync_merging_end(&m, rc);
    if (rc == SYNC_OK) {
        v->s->hlc = m.hlc > v->s->hlc ? m.hlc : v->s->hlc;
        v->s->folded = newest;
        rc = sync_engine_save(v->s, v->error);
    }
    return rc;
}

int sync_verdict_refused(sync_verdict_state *v, const sync_table *t, const sync_value *key, const char *what,
                         const char *why)
{
    sync_buf json = {0};
    char said[SYNC_ERROR_BYTES]; /* `why` may be the message of the connection, or in the error itself */
    sqlite3_snprintf(sizeof said, said, "%s", why);
    sync_json_key(&json, t->meant && key == v->key ? v->at : key, t->key_count);
    sync_buf_put_u8(&json, 0);
    int rc = json.oom ? sync_fail_nomem(v->error)
                      : sync_fail(v->error, SYNC_ERROR, "sync_resolve: entry %lld (table %s, row %s): %s: %s",
                                  (long long)v->id, t->name, (const char *)json.data, what, said);
    sync_buf_free(&json);
    return rc;
}

/* ---- states ---- */

int sync_verdict_put(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, sync_row *change)
{
    sync_row row = {0};
    sync_slot slot;
    int rc = sync_find(m, t, key, born, &row, &slot);
    if (rc == SYNC_OK && sync_row_alive(&row)) {
        change->cl = row.cl;
        change->born = row.born;
        change->moved = row.moved;
        change->birth = row.birth;
        change->number = row.number;
        change->since = row.since;
        sync_merged what = sync_row_merge(&m->s->sites, t->identity, &row, change);
        key = slot.spelled ? slot.spelled : key;
        rc = what == SYNC_MERGE_NOMEM ? sync_fail_nomem(m->error) : sync_show(m, t, key, &row, &slot, what);
    }
    sync_row_free(&row);
    return rc;
}

int sync_verdict_drop(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born)
{
    sync_row row = {0}, end = {0};
    sync_slot slot;
    int rc = sync_find(m, t, key, born, &row, &slot);
    if (rc == SYNC_OK && sync_row_alive(&row)) {
        end.cl = t->identity == SYNC_BY_ROW ? 2 : row.cl + 1;
        end.born = row.born;
        end.stamp = sync_merging_stamp(m);
        sync_merged what = sync_row_merge(&m->s->sites, t->identity, &row, &end);
        if (t->identity == SYNC_BY_ROW && !slot.shown && !row.moved) { /* see sync_clocks_genesis_gone */
            row.moved = true;
            row.birth = row.number = key->i;
        }
        rc = what == SYNC_MERGE_NOMEM ? sync_fail_nomem(m->error) : sync_show(m, t, key, &row, &slot, what);
    }
    sync_row_free(&row);
    return rc;
}

/* ---- columns that become NULL ---- */

int sync_verdict_nullable(sync_verdict_state *v, const sync_table *t, const char *name, uint32_t *col)
{
    int64_t may = 0;
    uint32_t found = 0;
    while (found < t->col_count &&
           !(t->cols[found].present && sqlite3_stricmp(t->cols[found].name, name) == 0)) {
        found++;
    }
    *col = UINT32_MAX;
    if (found == t->col_count) {
        return SYNC_OK;
    }
    int rc = sync_query_int(
        v->s, &may, 0, v->error,
        "SELECT NOT \"notnull\" FROM pragma_table_xinfo(%Q, 'main') WHERE name = %Q COLLATE NOCASE", t->name,
        name);
    *col = may ? found : UINT32_MAX;
    return rc;
}

int sync_verdict_nulls(sync_verdict_state *v, sync_stamp stamp, sync_row *row)
{
    for (uint32_t c = 0; c < v->t->col_count; c++) {
        sync_cell *cell = v->columns[c] ? sync_row_set(row, c, stamp) : NULL;
        if (v->columns[c] && cell == NULL) {
            return sync_fail_nomem(v->error);
        }
        if (cell) {
            cell->carried = true;
            cell->value = (sync_value){.type = SYNC_NULL};
        }
    }
    return SYNC_OK;
}
