/* sync_conflict: what merges put aside, for people to read. */
#include "json.h"
#include "key.h"
#include "merging.h"

#include <string.h>

/* One row state, found again whatever its number shows: the key under its collations, and the birth of an identity row. */
static void state_key(sync_buf *buf, const sync_merging *m, const sync_table *t, const sync_value *key,
                      const sync_row *row)
{
    if (!sync_key_normal(buf, t, key)) {
        for (uint32_t i = 0; i < t->key_count; i++) {
            sync_value_put(buf, &key[i]);
        }
    }
    if (t->identity == SYNC_BY_ROW) {
        sync_buf_put_u64(buf, row->born.hlc);
        sync_buf_put(buf, m->s->site_ids[row->born.site], SYNC_SITE_BYTES);
        sync_buf_put_u8(buf, (uint8_t)row->born.written);
    }
}

/* The carried cells of a row as a JSON object. */
static void row_json(sync_buf *buf, const sync_table *t, const sync_row *row)
{
    sync_buf_put_u8(buf, '{');
    bool first = true;
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        if (cell->carried) {
            if (!first) {
                sync_buf_put_u8(buf, ',');
            }
            first = false;
            sync_json_string(buf, t->cols[cell->col].name, strlen(t->cols[cell->col].name));
            sync_buf_put_u8(buf, ':');
            sync_json_value(buf, &cell->value);
        }
    }
    sync_buf_put_u8(buf, '}');
}

static sync_stamp newest_stamp(const sync_merging *m, const sync_row *row)
{
    sync_stamp newest = row->stamp;
    for (uint32_t i = 0; i < row->count; i++) {
        if (sync_stamp_compare(&m->s->sites, row->cells[i].stamp, newest) > 0) {
            newest = row->cells[i].stamp;
        }
    }
    return newest;
}

static int bind_buf(sqlite3_stmt *stmt, int index, const sync_buf *buf)
{
    return buf->len ? sqlite3_bind_text64(stmt, index, (const char *)buf->data, buf->len, SQLITE_TRANSIENT,
                                          SQLITE_UTF8)
                    : sqlite3_bind_null(stmt, index);
}

/* content, stamp and site of one side at parameters first, first + 2, first + 4 */
static int bind_side(sync_merging *m, sqlite3_stmt *stmt, int first, const sync_table *t, const sync_row *row)
{
    sync_buf text = {0};
    int rc = SQLITE_OK;
    if (row) {
        sync_stamp stamp = newest_stamp(m, row);
        row_json(&text, t, row);
        rc = bind_buf(stmt, first, &text);
        sync_buf_reset(&text);
        sync_stamp_text(&text, stamp);
        rc = rc == SQLITE_OK ? bind_buf(stmt, first + 2, &text) : rc;
        sync_buf_reset(&text);
        sync_hex(&text, m->s->site_ids[stamp.site], SYNC_SITE_BYTES);
        rc = rc == SQLITE_OK ? bind_buf(stmt, first + 4, &text) : rc;
    }
    bool oom = text.oom;
    sync_buf_free(&text);
    return rc == SQLITE_OK && !oom ? SYNC_OK : sync_fail_nomem(m->error);
}

/* Takes entries of a row off the list: the one that is held (reason: NULL), or notes of one reason. */
static int take_off(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                    const char *reason)
{
    sync_buf id = {0};
    sqlite3_stmt *stmt = NULL;
    state_key(&id, m, t, key, row);
    int rc = id.oom ? sync_fail_nomem(m->error)
                    : sync_prepare(m->s, &stmt, m->error,
                                   "DELETE FROM main.sync_conflict WHERE tid = %u AND clock_key = ?1 AND "
                                   "iif(?2 IS NULL, held, NOT held AND reason = ?2)",
                                   t->tid);
    if (rc == SYNC_OK) {
        rc = sqlite3_bind_blob64(stmt, 1, id.data, id.len, SQLITE_STATIC) ||
                     sqlite3_bind_text(stmt, 2, reason, -1, SQLITE_STATIC)
                 ? sync_fail_db(m->s, m->error, NULL)
                 : sync_run(m->s, stmt, m->error);
    }
    sqlite3_finalize(stmt);
    sync_buf_free(&id);
    return rc;
}

int sync_conflict_clear(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row)
{
    return take_off(m, t, key, row, NULL);
}

int sync_conflict_unlist(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                         const char *reason)
{
    return take_off(m, t, key, row, reason);
}

int sync_conflict_noted(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                        const char *reason, bool *noted)
{
    sync_buf id = {0};
    sqlite3_stmt *stmt = NULL;
    *noted = false;
    state_key(&id, m, t, key, row);
    int rc = id.oom
                 ? sync_fail_nomem(m->error)
                 : sync_borrow(m->s, &stmt, m->error,
                               "SELECT 1 FROM main.sync_conflict WHERE tid = ?1 AND clock_key = ?2 AND NOT "
                               "held AND reason = ?3");
    if (rc == SYNC_OK && (sqlite3_bind_int64(stmt, 1, t->tid) ||
                          sqlite3_bind_blob64(stmt, 2, id.data, id.len, SQLITE_STATIC) ||
                          sqlite3_bind_text(stmt, 3, reason, -1, SQLITE_STATIC))) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    rc = rc == SYNC_OK ? sync_step(m->s, stmt, m->error) : rc;
    *noted = rc == SQLITE_ROW;
    sync_return(m->s, stmt);
    sync_buf_free(&id);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_conflict_add(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                      const sync_row *against, bool held, const char *reason, const char *detail)
{
    sync_buf id = {0}, json = {0}, raw = {0};
    sqlite3_stmt *stmt = NULL;
    bool own = newest_stamp(m, row).site == m->s->own_site;
    int rc = held ? sync_conflict_clear(m, t, key, row) : SYNC_OK;
    state_key(&id, m, t, key, row);
    sync_value room;
    sync_json_key(&json, sync_claimed(row, key, &room), t->key_count);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(&raw, &key[i]);
    }
    if (rc == SYNC_OK && (id.oom || json.oom || raw.oom)) {
        rc = sync_fail_nomem(m->error);
    }
    rc = rc == SYNC_OK
             ? sync_prepare(m->s, &stmt, m->error,
                            "INSERT INTO main.sync_conflict(tbl, key, reason, detail, held, ours, "
                            "theirs, our_stamp, their_stamp,"
                            " our_site, their_site, at, tid, clock_key, raw_key)"
                            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)")
             : rc;
    if (rc == SYNC_OK &&
        (sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC) || bind_buf(stmt, 2, &json) ||
         sqlite3_bind_text(stmt, 3, reason, -1, SQLITE_STATIC) ||
         sqlite3_bind_text(stmt, 4, detail, -1, SQLITE_STATIC) || sqlite3_bind_int(stmt, 5, held) ||
         sqlite3_bind_int64(stmt, 12, m->now_ms) || sqlite3_bind_int64(stmt, 13, t->tid) ||
         sqlite3_bind_blob64(stmt, 14, id.data, id.len, SQLITE_STATIC) ||
         sqlite3_bind_blob64(stmt, 15, raw.data, raw.len, SQLITE_STATIC))) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    rc = rc == SYNC_OK ? bind_side(m, stmt, 6, t, own ? row : against) : rc;
    rc = rc == SYNC_OK ? bind_side(m, stmt, 7, t, own ? against : row) : rc;
    rc = rc == SYNC_OK ? sync_run(m->s, stmt, m->error) : rc;
    sqlite3_finalize(stmt);
    sync_buf_free(&id);
    sync_buf_free(&json);
    sync_buf_free(&raw);
    return rc;
}

int sync_conflict_restate(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                          const char *reason, const char *detail)
{
    sync_buf id = {0}, json = {0};
    sqlite3_stmt *stmt = NULL;
    sync_value room;
    state_key(&id, m, t, key, row);
    sync_json_key(&json, sync_claimed(row, key, &room), t->key_count);
    int rc = id.oom || json.oom
                 ? sync_fail_nomem(m->error)
                 : sync_prepare(m->s, &stmt, m->error,
                                "UPDATE main.sync_conflict SET reason = ?2, key = ?4, detail = iif(reason = "
                                "?2, detail, ?3) WHERE tid = %u AND clock_key = ?1 AND held",
                                t->tid);
    if (rc == SYNC_OK && (sqlite3_bind_blob64(stmt, 1, id.data, id.len, SQLITE_STATIC) ||
                          bind_buf(stmt, 4, &json) || sqlite3_bind_text(stmt, 2, reason, -1, SQLITE_STATIC) ||
                          sqlite3_bind_text(stmt, 3, detail, -1, SQLITE_STATIC))) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    rc = rc == SYNC_OK ? sync_run(m->s, stmt, m->error) : rc;
    sqlite3_finalize(stmt);
    sync_buf_free(&id);
    sync_buf_free(&json);
    return rc;
}

int sync_conflict_any(sync_db *s, bool *any, sync_error *error)
{
    int64_t found = 0;
    int rc = sync_query_int(
        s, &found, 0, error,
        "SELECT EXISTS (SELECT 1 FROM main.sync_conflict WHERE held OR reason = 'foreign key')");
    *any = found != 0;
    return rc;
}
