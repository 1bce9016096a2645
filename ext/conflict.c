/* sync_conflict: what merges put aside, for people to read. */
#include "base.h"
#include "json.h"
#include "key.h"
#include "meant.h"
#include "merging.h"

#include <string.h>

/* Entries are cleared by few: a statement that changes more than 64 KiB of pages, and that a trigger may abort, makes SQLite write its statement journal to a file, also for all that follow. */
enum { LISTED_AHEAD = 256, CLEARED_MAX = 16 };

/* A write to the list, which nothing else depends on. */
static int run(sync_merging *m, sqlite3_stmt *stmt)
{
    int64_t before = sqlite3_total_changes64(m->s->db);
    int rc = sync_run(m->s, stmt, m->error);
    sync_find_apart(m, NULL, before);
    return rc;
}

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

/* Are two keys equal in the eyes of SQLite, whose collations may be the application's? */
static int equal_keys(sync_merging *m, const sync_table *t, const sync_value *a, const sync_value *b,
                      bool *equal)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *sql = sqlite3_str_new(m->s->db);
    sqlite3_str_appendall(sql, "SELECT 1 WHERE ");
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s?%u = ?%u COLLATE \"%w\"", i ? " AND " : "", 2 * i + 1, 2 * i + 2,
                            t->key_collations[i]);
    }
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sync_borrow(m->s, &stmt, m->error, "%s", text) : sync_fail_nomem(m->error);
    sqlite3_free(text);
    for (uint32_t i = 0; rc == SYNC_OK && i < t->key_count; i++) {
        if (sync_bind_value(stmt, (int)(2 * i + 1), &a[i]) ||
            sync_bind_value(stmt, (int)(2 * i + 2), &b[i])) {
            rc = sync_fail_db(m->s, m->error, NULL);
        }
    }
    rc = rc == SYNC_OK ? sync_step(m->s, stmt, m->error) : rc;
    *equal = rc == SQLITE_ROW;
    sync_return(m->s, stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Puts the entries of a row under this spelling of its key, whatever they were listed under. */
static int respell(sync_merging *m, const sync_table *t, const sync_value *key, const sync_buf *id)
{
    sqlite3_stmt *each = NULL;
    sync_value listed[SYNC_KEY_COLUMNS_MAX];
    sync_stamp born;
    int rc = sync_prepare(
        m->s, &each, m->error,
        "SELECT raw_key, clock_key, id FROM main.sync_conflict WHERE tid = %u AND clock_key <> ?1", t->tid);
    if (rc == SYNC_OK && sqlite3_bind_blob64(each, 1, id->data, id->len, SQLITE_STATIC)) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    while (rc == SYNC_OK && (rc = sync_step(m->s, each, m->error)) == SQLITE_ROW) {
        bool equal = false;
        rc = sync_conflict_key(m, t, sync_column_value(each, 0), sync_column_value(each, 1), listed, &born);
        rc = rc == SYNC_OK ? equal_keys(m, t, listed, key, &equal) : rc;
        if (rc == SYNC_OK && equal) {
            sqlite3_stmt *stmt;
            rc = sync_borrow(m->s, &stmt, m->error,
                             "UPDATE main.sync_conflict SET clock_key = ?1 WHERE id = ?2");
            if (rc == SYNC_OK && (sqlite3_bind_blob64(stmt, 1, id->data, id->len, SQLITE_STATIC) ||
                                  sqlite3_bind_int64(stmt, 2, sqlite3_column_int64(each, 2)))) {
                rc = sync_fail_db(m->s, m->error, NULL);
            }
            rc = rc == SYNC_OK ? run(m, stmt) : rc;
            sync_return(m->s, stmt);
        }
    }
    sqlite3_finalize(each);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* What the entries of a row bear as clock_key. */
static int entry_key(sync_buf *id, sync_merging *m, const sync_table *t, const sync_value *key,
                     const sync_row *row)
{
    state_key(id, m, t, key, row);
    if (id->oom) {
        return sync_fail_nomem(m->error);
    }
    return t->normal_keys ? SYNC_OK : respell(m, t, key, id);
}

/* Of a row that is shown, and of which some cells wait: those are what an entry is about. */
static bool waits(const sync_table *t, const sync_row *row)
{
    bool all = true, any = false;
    for (uint32_t i = 0; i < row->count; i++) {
        bool present = t->cols[row->cells[i].col].present;
        all = all && row->cells[i].carried;
        any = any || (row->cells[i].carried && present);
    }
    return any && !all && !row->held;
}

/* The carried cells of a row as a JSON object. */
static void row_json(sync_buf *buf, const sync_table *t, const sync_row *row)
{
    sync_buf_put_u8(buf, '{');
    bool first = true, some = waits(t, row);
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        if (cell->carried && (!some || t->cols[cell->col].present)) {
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

static sync_stamp newest_stamp(const sync_merging *m, const sync_table *t, const sync_row *row)
{
    bool some = waits(t, row);
    sync_stamp newest = some ? SYNC_STAMP_NONE : row->stamp;
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        if ((!some || (cell->carried && t->cols[cell->col].present)) &&
            sync_stamp_compare(&m->s->sites, cell->stamp, newest) > 0) {
            newest = cell->stamp;
        }
    }
    return newest;
}

/* The key under which the row is shown, or would be. Numbers of other rows in it change without it: those are told as they were at birth, which is the same everywhere. */
static int put_key(sync_buf *json, const sync_merging *m, const sync_table *t, const sync_value *key,
                   const sync_row *row)
{
    sync_value birth[SYNC_KEY_COLUMNS_MAX], room;
    int rc = t->meant ? sync_meant_birth(m->s, t, key, birth, NULL, m->error) : SYNC_OK;
    sync_json_key(json, t->meant ? birth : sync_claimed(row, NULL, key, &room), t->key_count);
    return rc;
}

static int bind_buf(sqlite3_stmt *stmt, int index, const sync_buf *buf)
{
    return buf->len ? sqlite3_bind_text64(stmt, index, (const char *)buf->data, buf->len, SQLITE_TRANSIENT,
                                          SQLITE_UTF8)
                    : sqlite3_bind_null(stmt, index);
}

static void site_text(sync_buf *buf, const sync_merging *m, sync_stamp stamp)
{
    if (!sync_stamp_is_none(stamp)) {
        sync_hex(buf, m->s->site_ids[stamp.site], SYNC_SITE_BYTES);
    }
}

/* Content, stamp and site of one side at parameters first, first + 2, first + 4. A row that is dead has no content, but was deleted by somebody. */
static int bind_side(sync_merging *m, sqlite3_stmt *stmt, int first, const sync_table *t, const sync_row *row)
{
    sync_buf text = {0};
    int rc = SQLITE_OK;
    if (row) {
        sync_stamp stamp = newest_stamp(m, t, row);
        if (sync_row_alive(row)) {
            row_json(&text, t, row);
        }
        rc = bind_buf(stmt, first, &text);
        sync_buf_reset(&text);
        sync_stamp_text(&text, stamp);
        rc = rc == SQLITE_OK ? bind_buf(stmt, first + 2, &text) : rc;
        sync_buf_reset(&text);
        site_text(&text, m, stamp);
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
    int rc = entry_key(&id, m, t, key, row);
    rc = rc != SYNC_OK ? rc
                       : sync_borrow(m->s, &stmt, m->error,
                                     "DELETE FROM main.sync_conflict WHERE tid = %u AND clock_key = ?1 AND "
                                     "iif(?2 IS NULL, held, NOT held AND reason = ?2)",
                                     t->tid);
    if (rc == SYNC_OK) {
        rc = sqlite3_bind_blob64(stmt, 1, id.data, id.len, SQLITE_STATIC) ||
                     sqlite3_bind_text(stmt, 2, reason, -1, SQLITE_STATIC)
                 ? sync_fail_db(m->s, m->error, NULL)
                 : run(m, stmt);
    }
    sync_return(m->s, stmt);
    sync_buf_free(&id);
    return rc;
}

int sync_conflict_flush(sync_merging *m)
{
    sync_db *s = m->s;
    sqlite3_stmt *stmt;
    if (m->cleared.count == 0) {
        return SYNC_OK;
    }
    int rc =
        sync_borrow(s, &stmt, m->error,
                    "DELETE FROM main.sync_conflict WHERE id IN (SELECT c.id FROM sync_chunk AS x CROSS "
                    "JOIN main.sync_conflict AS c ON c.tid = x.seq AND c.clock_key = x.clock WHERE c.held)");
    s->chunk = &m->cleared;
    rc = rc == SYNC_OK ? run(m, stmt) : rc;
    sync_return(s, stmt);
    sync_chunk_hide(s, &m->cleared);
    return rc;
}

int sync_conflict_clear(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row)
{
    static const sync_value none = {.type = SYNC_NULL};
    sync_chunk *chunk = &m->cleared;
    if (!t->normal_keys) { /* other rows' entries may come under other spellings meanwhile */
        return take_off(m, t, key, row, NULL);
    }
    int rc = chunk->count == CLEARED_MAX ? sync_conflict_flush(m) : SYNC_OK;
    size_t before = chunk->clocks.len;
    state_key(&chunk->clocks, m, t, key, row);
    return rc == SYNC_OK ? sync_chunk_add(chunk, &none, t->tid, chunk->clocks.len - before, m->error) : rc;
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
    int rc = entry_key(&id, m, t, key, row);
    rc = rc != SYNC_OK
             ? rc
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

/* Whoever has read of an entry and settles it later is not to meet another one under its number. This sum rises from transaction to transaction. */
static int64_t new_id(const sync_merging *m)
{
    return m->newest + (int64_t)m->s->count;
}

/* Bindings of the last time are gone then. */
static int begin_list(sync_merging *m)
{
    int rc = SYNC_OK;
    if (m->lister == NULL) {
        rc = sync_borrow(m->s, &m->lister, m->error,
                         "INSERT INTO main.sync_conflict(tbl, key, reason, detail, held, ours, theirs, "
                         "our_stamp, their_stamp, our_site, their_site, at, tid, clock_key, raw_key, id)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)");
        rc = rc == SYNC_OK ? sync_query_int(m->s, &m->last_listed, 0, m->error,
                                            "SELECT max(id) FROM main.sync_conflict")
                           : rc;
    }
    if (rc == SYNC_OK && sqlite3_clear_bindings(m->lister) != SQLITE_OK) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    return rc;
}

/* Both sides may be left to sync_against_complete: told false. */
static int list(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                const sync_row *against, bool held, bool told, const char *reason, const char *detail)
{
    sync_buf id = {0}, json = {0}, raw = {0};
    bool own = newest_stamp(m, t, row).site == m->s->own_site;
    int rc = sync_conflict_flush(m);
    rc = rc == SYNC_OK ? entry_key(&id, m, t, key, row) : rc;
    rc = rc == SYNC_OK ? put_key(&json, m, t, key, row) : rc;
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(&raw, &key[i]);
    }
    if (rc == SYNC_OK && (json.oom || raw.oom)) {
        rc = sync_fail_nomem(m->error);
    }
    rc = rc == SYNC_OK ? begin_list(m) : rc;
    sqlite3_stmt *stmt = m->lister;
    int64_t next = new_id(m);
    next = next > m->last_listed ? next : m->last_listed + 1;
    if (rc == SYNC_OK &&
        (sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC) || bind_buf(stmt, 2, &json) ||
         sqlite3_bind_text(stmt, 3, reason, -1, SQLITE_STATIC) ||
         sqlite3_bind_text(stmt, 4, detail, -1, SQLITE_STATIC) || sqlite3_bind_int(stmt, 5, held) ||
         sqlite3_bind_int64(stmt, 12, m->now_ms) || sqlite3_bind_int64(stmt, 13, t->tid) ||
         sqlite3_bind_blob64(stmt, 14, id.data, id.len, SQLITE_STATIC) ||
         sqlite3_bind_blob64(stmt, 15, raw.data, raw.len, SQLITE_STATIC) ||
         sqlite3_bind_int64(stmt, 16, next))) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    rc = rc == SYNC_OK && told ? bind_side(m, stmt, 6, t, own ? row : against) : rc;
    rc = rc == SYNC_OK && told ? bind_side(m, stmt, 7, t, own ? against : row) : rc;
    rc = rc == SYNC_OK ? run(m, stmt) : rc;
    m->last_listed = rc == SYNC_OK ? next : m->last_listed;
    sync_buf_free(&id);
    sync_buf_free(&json);
    sync_buf_free(&raw);
    return rc;
}

int sync_conflict_hold(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                       bool fresh, bool told, const char *reason, const char *detail)
{
    m->listed[t - m->s->tables] = m->listed[t - m->s->tables] || !told;
    int rc = fresh ? SYNC_OK : take_off(m, t, key, row, NULL);
    rc = rc == SYNC_OK ? list(m, t, key, row, NULL, true, told, reason, detail) : rc;
    return rc;
}

int sync_conflict_note(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                       const sync_row *against, const char *reason, const char *detail)
{
    return list(m, t, key, row, against, false, true, reason, detail);
}

int sync_conflict_restate(sync_merging *m, const sync_table *t, const sync_value *key, const sync_row *row,
                          const char *reason, const char *detail)
{
    sync_buf id = {0}, json = {0};
    sqlite3_stmt *stmt = NULL;
    int rc = put_key(&json, m, t, key, row);
    rc = rc == SYNC_OK && json.oom ? sync_fail_nomem(m->error) : rc;
    rc = rc == SYNC_OK ? entry_key(&id, m, t, key, row) : rc;
    rc =
        rc != SYNC_OK
            ? rc
            : sync_borrow(
                  m->s, &stmt, m->error,
                  "UPDATE main.sync_conflict SET ours = iif(reason = ?2, ours, NULL), theirs = "
                  "iif(reason = ?2, theirs, NULL), reason = ?2, key = ?4," /* sync_against_complete fills in the rest */
                  " detail = iif(reason = ?2, detail, ?3) WHERE tid = %u AND clock_key = ?1 AND held",
                  t->tid);
    if (rc == SYNC_OK && (sqlite3_bind_blob64(stmt, 1, id.data, id.len, SQLITE_STATIC) ||
                          bind_buf(stmt, 4, &json) || sqlite3_bind_text(stmt, 2, reason, -1, SQLITE_STATIC) ||
                          sqlite3_bind_text(stmt, 3, detail, -1, SQLITE_STATIC))) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    rc = rc == SYNC_OK ? run(m, stmt) : rc;
    sync_return(m->s, stmt);
    sync_buf_free(&id);
    sync_buf_free(&json);
    return rc;
}

int sync_conflict_any(sync_db *s, bool *any, sync_error *error)
{
    int64_t found = 0;
    int rc = sync_query_int(s, &found, 0, error,
                            "SELECT EXISTS (SELECT 1 FROM main.sync_conflict WHERE held OR reason IN "
                            "('foreign key', 'trigger'))");
    *any = found != 0;
    return rc;
}

int sync_conflict_key(sync_merging *m, const sync_table *t, sync_value raw, sync_value clock_key,
                      sync_value *key, sync_stamp *born)
{
    enum { BORN_BYTES = 8 + SYNC_SITE_BYTES + 1 };
    sync_span span = sync_span_of(raw.data, raw.bytes);
    bool blobs = raw.type == SYNC_BLOB && clock_key.type == SYNC_BLOB;
    *born = SYNC_STAMP_NONE;
    for (uint32_t i = 0; blobs && i < t->key_count; i++) {
        key[i] = sync_value_get(&span);
    }
    if (blobs && t->identity == SYNC_BY_ROW && clock_key.bytes > BORN_BYTES) {
        sync_span tail =
            sync_span_of((const uint8_t *)clock_key.data + clock_key.bytes - BORN_BYTES, BORN_BYTES);
        born->hlc = sync_span_u64(&tail);
        const uint8_t *site = sync_span_bytes(&tail, SYNC_SITE_BYTES);
        born->written = sync_span_u8(&tail);
        born->site = sync_engine_find_site(m->s, site);
    }
    return !blobs || span.bad
               ? sync_fail(m->error, SYNC_CORRUPT, "sync_conflict: an entry of table %s is damaged", t->name)
               : SYNC_OK;
}

/* The entry that stmt stands on. */
static int take_listed(sync_merging *m, const sync_table *t, sync_listing *listing, sqlite3_stmt *stmt)
{
    sync_listed *one = &listing->list[listing->count];
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    const char *reason = NULL;
    int rc = sync_column_text(stmt, 1, &reason, m->error);
    *one = (sync_listed){.id = sqlite3_column_int64(stmt, 0), .at = sqlite3_column_int64(stmt, 4)};
    sqlite3_snprintf(sizeof one->reason, one->reason, "%s", reason ? reason : "");
    rc = rc == SYNC_OK ? sync_conflict_key(m, t, sync_column_value(stmt, 2), sync_column_value(stmt, 3), key,
                                           &one->born)
                       : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    one->key = sync_arena_alloc(&listing->arena, t->key_count * sizeof *one->key);
    for (uint32_t i = 0; one->key && i < t->key_count; i++) {
        one->key = sync_arena_value(&listing->arena, &key[i], &one->key[i]) ? one->key : NULL;
    }
    listing->read = one->id;
    listing->count++;
    return one->key ? SYNC_OK : sync_fail_nomem(m->error);
}

static int read_listed(sync_merging *m, const sync_table *t, sync_listing *listing)
{
    sqlite3_stmt *stmt;
    uint32_t room = listing->one_by_one ? 1 : LISTED_AHEAD;
    if (listing->list == NULL && (listing->list = sync_alloc(room * sizeof *listing->list)) == NULL) {
        return sync_fail_nomem(m->error);
    }
    sync_arena_reset(&listing->arena);
    listing->count = listing->at = 0;
    int rc = sync_conflict_flush(m);
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_borrow(
        m->s, &stmt, m->error,
        "SELECT id, reason, raw_key, clock_key, at FROM main.sync_conflict WHERE +tid = ?1 AND id > ?2 AND "
        "id "
        "<= ?3 AND held AND CASE ?4 WHEN %d THEN 1 WHEN %d THEN reason IN ('number', 'foreign key') WHEN %d "
        "THEN coalesce(ours, theirs) IS NULL ELSE reason IN ('number', 'unique')"
        " OR coalesce(ours, theirs) IS NULL"
        " OR ((ours IS NULL OR theirs IS NULL) AND (our_stamp IS NULL OR their_stamp IS NULL)) END"
        " ORDER BY id LIMIT ?5",
        SYNC_LISTED_ALL, SYNC_LISTED_NUMBERS, SYNC_LISTED_UNTOLD);
    if (rc == SYNC_OK &&
        (sqlite3_bind_int64(stmt, 1, t->tid) || sqlite3_bind_int64(stmt, 2, listing->read) ||
         sqlite3_bind_int64(stmt, 3, listing->upto) || sqlite3_bind_int(stmt, 4, (int)listing->of) ||
         sqlite3_bind_int(stmt, 5, (int)room))) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    while (rc == SYNC_OK && (rc = sync_step(m->s, stmt, m->error)) == SQLITE_ROW) {
        rc = take_listed(m, t, listing, stmt);
    }
    sync_return(m->s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_conflict_next(sync_merging *m, const sync_table *t, sync_listing *listing, const sync_listed **one)
{
    int rc = SYNC_OK;
    sync_arena_reset(&m->arena);
    if (listing->at == listing->count) {
        rc = read_listed(m, t, listing);
    }
    if (rc == SYNC_OK && listing->count == 0) {
        return SQLITE_DONE;
    }
    *one = &listing->list[listing->at++];
    return rc == SYNC_OK ? SQLITE_ROW : rc;
}

void sync_conflict_end(sync_listing *listing)
{
    sync_free(listing->list);
    sync_arena_free(&listing->arena);
}

int sync_conflict_sides(sync_merging *m, int64_t id, const sync_table *t, const sync_row *row,
                        const sync_row *against)
{
    sqlite3_stmt *stmt;
    bool own = newest_stamp(m, t, row).site == m->s->own_site;
    int rc = sync_borrow(
        m->s, &stmt, m->error,
        "UPDATE main.sync_conflict SET ours = ?2, theirs = ?3, our_stamp = ?4, their_stamp = ?5,"
        " our_site = ?6, their_site = ?7 WHERE id = ?1 AND"
        " (ours, theirs, our_stamp, their_stamp, our_site, their_site) IS NOT (?2, ?3, ?4, ?5, ?6, ?7)");
    if (rc == SYNC_OK && (sqlite3_clear_bindings(stmt) || sqlite3_bind_int64(stmt, 1, id))) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    rc = rc == SYNC_OK ? bind_side(m, stmt, 2, t, own ? row : against) : rc;
    rc = rc == SYNC_OK ? bind_side(m, stmt, 3, t, own ? against : row) : rc;
    rc = rc == SYNC_OK ? run(m, stmt) : rc;
    sync_return(m->s, stmt);
    return rc;
}

/* *same stays only if the column has that text. */
static int is_text_of(sqlite3_stmt *stmt, int column, const sync_buf *buf, bool *same, sync_error *error)
{
    const char *text = NULL;
    int rc = sync_column_text(stmt, column, &text, error);
    *same =
        *same && text && buf->len > 0 && strlen(text) == buf->len && memcmp(text, buf->data, buf->len) == 0;
    return rc;
}

int sync_conflict_is_ours(const sync_merging *m, const sync_table *t, const sync_row *row,
                          sqlite3_stmt *listed, int first, bool *ours)
{
    sync_stamp newest = newest_stamp(m, t, row);
    sync_buf stamp = {0}, site = {0};
    sync_stamp_text(&stamp, newest);
    site_text(&site, m, newest);
    bool is_ours = true, is_theirs = true;
    int rc = stamp.oom || site.oom ? sync_fail_nomem(m->error) : SYNC_OK;
    rc = rc == SYNC_OK ? is_text_of(listed, first, &stamp, &is_ours, m->error) : rc;
    rc = rc == SYNC_OK ? is_text_of(listed, first + 1, &site, &is_ours, m->error) : rc;
    rc = rc == SYNC_OK ? is_text_of(listed, first + 2, &stamp, &is_theirs, m->error) : rc;
    rc = rc == SYNC_OK ? is_text_of(listed, first + 3, &site, &is_theirs, m->error) : rc;
    *ours = is_ours != is_theirs ? is_ours : newest.site == m->s->own_site;
    sync_buf_free(&stamp);
    sync_buf_free(&site);
    return rc;
}

int sync_conflict_genesis(sync_merging *m, sync_table *t, const sync_value *key, const sync_slot *slot,
                          const sync_row *local, const sync_row *remote)
{
    bool differs = false, exists = false;
    if (t->identity != SYNC_BY_ROW || slot->in_clock || !slot->shown || remote->stamp.written ||
        sync_stamp_is_none(remote->stamp)) {
        return SYNC_OK;
    }
    sync_row mine = {0};
    int rc = sync_row_copy(&mine, local) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    rc = rc == SYNC_OK ? sync_base_load(m->s, t, key, &mine, NULL, &m->arena, &exists, m->error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && exists && i < remote->count; i++) {
        const sync_cell *theirs = &remote->cells[i], *ours = sync_row_find(&mine, theirs->col);
        differs = differs || (ours && ours->carried && !theirs->stamp.written &&
                              !sync_value_same(&ours->value, &theirs->value));
    }
    if (rc == SYNC_OK && differs) {
        bool lost = sync_stamp_compare(&m->s->sites, local->stamp, remote->stamp) < 0;
        rc = sync_conflict_note(m, t, key, lost ? &mine : remote, lost ? remote : &mine, "genesis",
                                "both files had this row before they were tracked, with different content");
    }
    sync_row_free(&mine);
    return rc;
}
