/* The file's own metadata row: clock, sites, columns, vectors. */
#include "engine.h"

#include "schema.h"

#include <string.h>

sync_stamp sync_engine_genesis_born(const sync_table *t)
{
    return t->genesis_own ? (sync_stamp){t->epoch, t->genesis_site, 0} : SYNC_STAMP_NONE;
}

sync_table *sync_engine_table(sync_db *s, const char *name)
{
    for (uint32_t i = 0; i < s->table_count; i++) {
        if (sqlite3_stricmp(s->tables[i].name, name) == 0) {
            return &s->tables[i];
        }
    }
    return NULL;
}

sync_table *sync_engine_tid(sync_db *s, uint32_t tid)
{
    for (uint32_t i = 0; i < s->table_count; i++) {
        if (s->tables[i].tid == tid) {
            return &s->tables[i];
        }
    }
    return NULL;
}

int sync_engine_load_sites(sync_db *s, sync_error *error)
{
    int64_t top;
    int rc = sync_query_int(s, &top, 0, error, "SELECT max(sid) FROM main.sync_site");
    if (rc != SYNC_OK) {
        return rc;
    }
    if (top < 1 || top >= SYNC_SITES_MAX) {
        return sync_fail(error, SYNC_CORRUPT, "sync_site: %lld is no valid local number", (long long)top);
    }
    s->site_ids = sync_arena_alloc(&s->metadata, (size_t)(top + 1) * SYNC_SITE_BYTES);
    if (s->site_ids == NULL) {
        return sync_fail_nomem(error);
    }
    memset(s->site_ids, 0, (size_t)(top + 1) * SYNC_SITE_BYTES);
    s->site_room = (uint32_t)top + 1;
    sqlite3_stmt *stmt;
    rc = sync_prepare(s, &stmt, error, "SELECT sid, site FROM main.sync_site WHERE sid BETWEEN 1 AND %lld",
                      (long long)top);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        int64_t sid = sqlite3_column_int64(stmt, 0);
        rc = SYNC_OK;
        if (sid < 1 || sid > top) { /* in a damaged file SQLite gives rows that were not asked for */
            rc = sync_fail(error, SYNC_CORRUPT, "sync_site: its rows are not in order");
        } else if (sqlite3_column_bytes(stmt, 1) != SYNC_SITE_BYTES) {
            rc = sync_fail(error, SYNC_CORRUPT, "sync_site: site %lld has no 16-byte id", (long long)sid);
        } else {
            memcpy(s->site_ids[sid], sqlite3_column_blob(stmt, 1), SYNC_SITE_BYTES);
        }
    }
    sqlite3_finalize(stmt);
    s->sites = (sync_sites){(uint32_t)top + 1, (const uint8_t(*)[SYNC_SITE_BYTES])s->site_ids};
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_engine_save(sync_db *s, sync_error *error)
{
    int rc = SYNC_OK;
    if (s->save_stmt == NULL) {
        rc = sync_prepare(s, &s->save_stmt, error,
                          "UPDATE main.sync_meta SET hlc = ?1, folded = ?2, count = ?3");
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    s->count++;
    if (sqlite3_bind_int64(s->save_stmt, 1, (int64_t)s->hlc) ||
        sqlite3_bind_int64(s->save_stmt, 2, s->folded) ||
        sqlite3_bind_int64(s->save_stmt, 3, (int64_t)s->count)) {
        return sync_fail_nomem(error);
    }
    return sync_run(s, s->save_stmt, error);
}

int sync_engine_changed(sync_db *s, bool followed, sync_error *error)
{
    s->unsettled = true;
    s->generation += followed; /* not the same number: what this connection has not read yet stays unread */
    return sync_exec(s, error, "UPDATE main.sync_meta SET generation = generation + 1");
}

int sync_engine_set_pending(sync_db *s, sync_table *t, sync_error *error)
{
    int rc = SYNC_OK;
    if (!t->pending) {
        rc = sync_exec(s, error, "UPDATE main.sync_table SET pending = 1 WHERE tid = %u", t->tid);
        rc = rc == SYNC_OK ? sync_engine_changed(s, true, error) : rc;
        t->pending = rc == SYNC_OK;
    }
    return rc;
}

uint32_t sync_engine_find_site(const sync_db *s, const uint8_t id[SYNC_SITE_BYTES])
{
    for (uint32_t i = 1; i < s->sites.count; i++) {
        if (memcmp(s->site_ids[i], id, SYNC_SITE_BYTES) == 0) {
            return i;
        }
    }
    return 0;
}

/* Makes room for one more. The arena keeps what was outgrown: doubling, that is no more than what is in use. */
static bool make_site_room(sync_db *s)
{
    if (s->sites.count < s->site_room) {
        return true;
    }
    uint32_t room = s->site_room * 2;
    uint8_t(*wider)[SYNC_SITE_BYTES] = sync_arena_alloc(&s->metadata, (size_t)room * SYNC_SITE_BYTES);
    if (wider == NULL) {
        return false;
    }
    memcpy(wider, s->site_ids, (size_t)s->sites.count * SYNC_SITE_BYTES);
    s->site_ids = wider;
    s->sites.id = (const uint8_t(*)[SYNC_SITE_BYTES])wider;
    s->site_room = room;
    return true;
}

static bool make_column_room(sync_db *s, sync_table *t)
{
    if (t->col_count < t->col_room) {
        return true;
    }
    uint32_t room = t->col_room * 2;
    sync_column *wider = sync_arena_alloc(&s->metadata, room * sizeof *wider);
    if (wider == NULL) {
        return false;
    }
    memcpy(wider, t->cols, t->col_count * sizeof *wider);
    t->cols = wider;
    t->col_room = room;
    return true;
}

uint32_t sync_engine_site(sync_db *s, const uint8_t id[SYNC_SITE_BYTES], sync_error *error)
{
    uint32_t sid = sync_engine_find_site(s, id);
    if (sid != 0) {
        return sid;
    }
    sid = s->sites.count;
    if (sid >= SYNC_SITES_MAX) {
        sync_fail(error, SYNC_TOOBIG, "more than %d sites ever wrote to this file", SYNC_SITES_MAX);
        return 0;
    }
    sqlite3_stmt *stmt = NULL;
    if (!make_site_room(s)) {
        sync_fail_nomem(error);
        return 0;
    }
    int rc = sync_prepare(s, &stmt, error, "INSERT INTO main.sync_site(sid, site) VALUES(%u, ?1)", sid);
    if (rc == SYNC_OK) {
        if (sqlite3_bind_blob(stmt, 1, id, SYNC_SITE_BYTES, SQLITE_STATIC) != SQLITE_OK) {
            rc = sync_fail_nomem(error);
        } else {
            rc = sync_run(s, stmt, error);
        }
    }
    sqlite3_finalize(stmt);
    rc = rc == SYNC_OK ? sync_engine_changed(s, true, error) : rc;
    if (rc != SYNC_OK) {
        return 0;
    }
    memcpy(s->site_ids[sid], id, SYNC_SITE_BYTES);
    s->sites.count = sid + 1;
    return sid;
}

int sync_engine_add_column(sync_db *s, sync_table *t, const char *name, uint32_t *cid, sync_error *error)
{
    if (t->col_count >= SYNC_COLUMNS_MAX) {
        return sync_fail(error, SYNC_TOOBIG, "table %s: more than %d column names in all files together",
                         t->name, SYNC_COLUMNS_MAX);
    }
    char *copy = sync_schema_string(&s->metadata, name);
    if (!copy || !make_column_room(s, t)) {
        return sync_fail_nomem(error);
    }
    int rc =
        sync_exec(s, error, "INSERT INTO main.sync_column(tid, cid, name, present) VALUES(%u, %u, %Q, 0)",
                  t->tid, t->col_count, name);
    rc = rc == SYNC_OK ? sync_engine_changed(s, true, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    t->cols[t->col_count] = (sync_column){.name = copy, .affinity = 'b'};
    t->all_present = false;
    *cid = t->col_count++;
    return SYNC_OK;
}

/* ---- vectors: as a blob, varint count of tables, their ids, varint count of sites, their local numbers, the matrix ---- */

int sync_engine_pack(const sync_db *s, const sync_matrix *m, sync_buf *to, sync_error *error)
{
    sync_buf_put_varint(to, s->table_count);
    for (uint32_t t = 0; t < s->table_count; t++) {
        sync_buf_put_varint(to, s->tables[t].tid);
    }
    sync_buf_put_varint(to, m->sites);
    sync_matrix_put(to, m);
    return to->oom ? sync_fail_nomem(error) : SYNC_OK;
}

/* Where nothing but zeros is said, nothing is stored. */
static int put_vectors(sync_db *s, const char *column, const sync_matrix *m, sync_error *error)
{
    sync_buf buf = {0};
    sqlite3_stmt *stmt = NULL;
    bool some = false;
    for (size_t i = 0; !some && i < (size_t)m->tables * m->sites; i++) {
        some = m->cell[i] != 0;
    }
    int rc = some ? sync_engine_pack(s, m, &buf, error) : SYNC_OK;
    rc = rc == SYNC_OK ? sync_borrow(s, &stmt, error, "UPDATE main.sync_meta SET \"%w\" = ?1", column) : rc;
    if (rc == SYNC_OK) {
        rc = (some ? sqlite3_bind_blob64(stmt, 1, buf.data, buf.len, SQLITE_STATIC)
                   : sqlite3_bind_null(stmt, 1)) == SQLITE_OK
                 ? sync_run(s, stmt, error)
                 : sync_fail_nomem(error);
    }
    sync_return(s, stmt);
    sync_buf_free(&buf);
    return rc;
}

/* Spreads a stored matrix over today's tables; tables and sites that came later stay zero. */
static int spread_vectors(sync_db *s, const void *blob, size_t bytes, sync_matrix *m, sync_error *error)
{
    sync_span span = sync_span_of(blob, bytes);
    uint64_t tables = sync_span_varint(&span);
    if (span.bad || tables > SYNC_TABLES_MAX) {
        return sync_fail(error, SYNC_CORRUPT, "sync_meta: a vector is damaged");
    }
    uint32_t *tids = sync_alloc((size_t)(tables + 1) * sizeof *tids);
    if (tids == NULL) {
        return sync_fail_nomem(error);
    }
    for (uint64_t t = 0; t < tables; t++) {
        tids[t] = (uint32_t)sync_span_varint(&span);
    }
    uint64_t sites = sync_span_varint(&span);
    sync_matrix stored = {0};
    int rc = span.bad || sites > s->sites.count
                 ? SYNC_CORRUPT
                 : sync_matrix_get(&span, &stored, (uint32_t)tables, (uint32_t)sites);
    if (rc != SYNC_OK) {
        rc = sync_fail(error, rc, "sync_meta: a vector is damaged");
    }
    for (uint32_t t = 0; rc == SYNC_OK && t < tables; t++) {
        const sync_table *table = sync_engine_tid(s, tids[t]);
        for (uint32_t i = 0; table && i < sites; i++) {
            sync_matrix_set(m, (uint32_t)(table - s->tables), i, sync_matrix_at(&stored, t, i));
        }
    }
    sync_matrix_free(&stored);
    sync_free(tids);
    return rc;
}

static int make_matrix(const sync_db *s, sync_matrix *m, sync_error *error)
{
    int rc = sync_matrix_init(m, s->table_count, s->sites.count);
    return rc == SYNC_OK ? rc : sync_fail(error, rc, "too many tables and sites for one vector");
}

int sync_engine_unpack(sync_db *s, const void *blob, size_t bytes, sync_matrix *m, sync_error *error)
{
    int rc = make_matrix(s, m, error);
    rc = rc == SYNC_OK ? spread_vectors(s, blob, bytes, m, error) : rc;
    if (rc != SYNC_OK) {
        sync_matrix_free(m);
    }
    return rc;
}

static int get_vectors(sync_db *s, const char *column, sync_matrix *m, sync_error *error)
{
    int rc = make_matrix(s, m, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    sqlite3_stmt *stmt;
    rc = sync_borrow(s, &stmt, error, "SELECT \"%w\" FROM main.sync_meta", column);
    if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        if (sqlite3_column_bytes(stmt, 0) > 0) {
            const void *blob = sqlite3_column_blob(stmt, 0);
            rc = blob ? spread_vectors(s, blob, (size_t)sqlite3_column_bytes(stmt, 0), m, error)
                      : sync_fail_nomem(error);
        }
    }
    sync_return(s, stmt);
    if (rc != SYNC_OK) {
        sync_matrix_free(m);
    }
    return rc;
}

int sync_engine_seen(sync_db *s, sync_matrix *seen, sync_error *error)
{
    int rc = get_vectors(s, "seen", seen, error);
    for (uint32_t t = 0; rc == SYNC_OK && t < s->table_count; t++) {
        sync_matrix_raise(seen, t, s->own_site, s->hlc); /* a file holds all its own writes */
    }
    return rc;
}

int sync_engine_save_seen(sync_db *s, const sync_matrix *seen, sync_error *error)
{
    return put_vectors(s, "seen", seen, error);
}

int sync_engine_cursors(sync_db *s, sync_matrix *cursors, sync_error *error)
{
    return get_vectors(s, "cursors", cursors, error);
}

int sync_engine_save_cursors(sync_db *s, const sync_matrix *cursors, sync_error *error)
{
    return put_vectors(s, "cursors", cursors, error);
}

int sync_engine_floor(sync_db *s, sync_matrix *floor, sync_error *error)
{
    return s->format < 2 ? make_matrix(s, floor, error) : get_vectors(s, "floor", floor, error);
}

int sync_engine_save_floor(sync_db *s, const sync_matrix *floor, sync_error *error)
{
    return put_vectors(s, "floor", floor, error);
}

int sync_engine_met(sync_db *s, sync_matrix *met, sync_error *error)
{
    return s->format < 2 ? make_matrix(s, met, error) : get_vectors(s, "met", met, error);
}

int sync_engine_save_met(sync_db *s, const sync_matrix *met, sync_error *error)
{
    return put_vectors(s, "met", met, error);
}

int sync_engine_set_lives(sync_db *s, sync_table *t, uint64_t lives, sync_error *error)
{
    int rc = sync_exec(s, error, "UPDATE main.sync_table SET lives = %lld WHERE tid = %u", (long long)lives,
                       t->tid);
    rc = rc == SYNC_OK ? sync_engine_changed(s, true, error) : rc;
    t->lives = rc == SYNC_OK ? lives : t->lives;
    return rc;
}

int sync_engine_ask_anew(sync_db *s, uint32_t tid, bool elsewhere, sync_error *error)
{
    sync_buf_put_u64(&s->anew, (uint64_t)tid << 1 | elsewhere);
    return s->anew.oom ? sync_fail_nomem(error) : SYNC_OK;
}

int sync_engine_ask_no_more(sync_db *s, uint32_t tid, size_t since, sync_error *error)
{
    sync_buf rest = {0};
    sync_span noted = sync_span_of(s->anew.data, s->anew.len);
    while (sync_span_left(&noted) > 0) {
        bool late = s->anew.len - sync_span_left(&noted) >= since;
        uint64_t note = sync_span_u64(&noted);
        if (!late || note != ((uint64_t)tid << 1 | 1)) {
            sync_buf_put_u64(&rest, note);
        }
    }
    if (rest.oom) {
        sync_buf_free(&rest);
        return sync_fail_nomem(error);
    }
    sync_buf_free(&s->anew);
    s->anew = rest;
    return SYNC_OK;
}
