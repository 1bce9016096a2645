#include "whole.h"

#include "clocks.h"
#include "fold.h"
#include "meant.h"
#include "parts.h"

/* Rows are named in a table of TEMP, since the parts of a delta come in several transactions; what rolls back takes its names along. */
static int make_names(sync_db *s, const sync_table *t, sync_error *error)
{
    int64_t fits = 0;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql, "sync_named_%u(delta INT, ", t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "k%d COLLATE \"%w\", ", (int)i + 1, t->key_collations[i]);
    }
    sqlite3_str_appendall(sql, "born INT, site INT, PRIMARY KEY(delta, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendall(sql, ", born, site)) WITHOUT ROWID");
    char *text = sqlite3_str_finish(sql);
    int rc = text
                 ? sync_query_int(s, &fits, 0, error,
                                  "SELECT count(*) FROM temp.sqlite_schema WHERE sql = 'CREATE TABLE ' || %Q",
                                  text)
                 : sync_fail_nomem(error);
    if (rc == SYNC_OK && !fits) {
        rc = sync_overlay_clear(s, "named", t->tid, error);
        rc = rc == SYNC_OK ? sync_exec(s, error, "CREATE TABLE temp.%s", text) : rc;
    }
    sqlite3_free(text);
    return rc;
}

/* Deltas of several files may come at once, each with names of its own. Those of deltas that did not come to their end go when another one begins. */
int sync_whole_begin(sync_db *s, const sync_table *t, sync_error *error)
{
    int rc = make_names(s, t, error);
    rc = rc == SYNC_OK ? sync_parts_ready(s, error) : rc;
    return rc == SYNC_OK
               ? sync_exec(
                     s, error,
                     "DELETE FROM temp.sync_named_%u WHERE delta NOT IN (SELECT s.sid << 32 | p.delta FROM"
                     " temp.sync_part AS p JOIN main.sync_site AS s ON s.site = p.site)",
                     t->tid)
               : rc;
}

int sync_whole_end(sync_db *s, const sync_table *t, const sync_whole *w, sync_error *error)
{
    return sync_exec(s, error, "DELETE FROM temp.sync_named_%u WHERE delta = %lld", t->tid,
                     (long long)w->delta);
}

static void build_name(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "INSERT OR IGNORE INTO temp.sync_named_%u VALUES(?3, ", t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "?%d, ", (int)i + 4);
    }
    sqlite3_str_appendall(sql, "?1, ?2)");
}

static void build_named(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT 1 FROM temp.sync_named_%u WHERE delta = ?3 AND ", t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "k%d = ?%d AND ", (int)i + 1, (int)i + 4);
    }
    sqlite3_str_appendall(sql, "born = ?1 AND site = ?2");
}

static int bind_name(sync_db *s, const sync_table *t, const sync_whole *w, sqlite3_stmt *stmt,
                     const sync_value *key, sync_stamp born, sync_error *error)
{
    int rc = sync_clocks_bind_key(s, stmt, t, key, error);
    return rc == SYNC_OK && (sqlite3_bind_int64(stmt, 1, (int64_t)born.hlc) ||
                             sqlite3_bind_int64(stmt, 2, born.site) || sqlite3_bind_int64(stmt, 3, w->delta))
               ? sync_fail_db(s, error, NULL)
               : rc;
}

int sync_whole_name(sync_db *s, sync_table *t, const sync_whole *w, const sync_value *key, sync_stamp born,
                    sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_table_stmt(s, t, SYNC_STMT_NAME, build_name, &stmt, error);
    rc = rc == SYNC_OK ? bind_name(s, t, w, stmt, key, born, error) : rc;
    return rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
}

/* ---- the sweep ---- */

typedef struct sweep {
    sync_merging *m;
    sync_table *t;
    const sync_whole *w;
    sync_row row;
    sync_buf
        found; /* per row that is not named: its key's values, hlc and site of its birth, whether the maker has seen it */
} sweep;

/* Puts the row on the list, if it is not named. `origin`: when it began to exist. */
static int consider(sweep *w, const sync_value *key, bool shown, sync_stamp born, sync_stamp origin)
{
    sync_db *s = w->m->s;
    sqlite3_stmt *stmt;
    sync_value known[SYNC_KEY_COLUMNS_MAX];
    const bool selects = w->w->held == NULL, seen = !selects && origin.hlc <= w->w->held[origin.site];
    if (!selects && (sync_stamp_is_none(origin) || (!seen && w->t->identity == SYNC_BY_ROW))) {
        return SYNC_OK; /* it never was there */
    }
    int rc = SYNC_OK;
    if (w->t->meant && shown) {
        sync_arena_reset(&w->m->arena);
        rc = sync_meant_known(s, w->t, SYNC_IN_FILE, key, known, &w->m->arena, w->m->error);
        key = known;
    }
    rc = rc == SYNC_OK ? sync_table_stmt(s, w->t, SYNC_STMT_NAMED, build_named, &stmt, w->m->error) : rc;
    rc = rc == SYNC_OK ? bind_name(s, w->t, w->w, stmt, key, born, w->m->error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(s, stmt, w->m->error);
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE) {
        for (uint32_t i = 0; i < w->t->key_count; i++) {
            sync_value_put(&w->found, &key[i]);
        }
        sync_buf_put_u64(&w->found, born.hlc);
        sync_buf_put_varint(&w->found, (uint64_t)born.site << 1 | born.written);
        sync_buf_put_u8(&w->found, seen);
        return w->found.oom ? sync_fail_nomem(w->m->error) : SYNC_OK;
    }
    return rc == SQLITE_ROW ? SYNC_OK : rc;
}

/* The row whose clock and key stmt gives. */
static int consider_clock(sweep *w, sqlite3_stmt *stmt)
{
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_value clock = sync_column_value(stmt, 0);
    sync_row *row = &w->row;
    int rc = sync_clocks_unpack(w->m->s, w->t, &clock, row);
    if (rc != SYNC_OK) {
        return sync_fail(w->m->error, rc, "sync_row_%u: a clock is damaged", w->t->tid);
    }
    for (uint32_t i = 0; i < w->t->key_count; i++) {
        key[i] = sync_column_value(stmt, (int)i + 1);
    }
    if (row->moved) {
        sync_row_lies(row, key[0].i);
        key[0].i = row->birth;
    }
    if (!sync_row_alive(row)) {
        return SYNC_OK;
    }
    /* rows that are known by their number alone: their deletes are never forgotten */
    return consider(w, key, !row->held, row->born,
                    w->t->identity == SYNC_BY_ROW ? row->born : sync_origin(row));
}

static int consider_genesis(sweep *w, sqlite3_stmt *stmt)
{
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_stamp born = sync_engine_genesis_born(w->t);
    for (uint32_t i = 0; i < w->t->key_count; i++) {
        key[i] = sync_column_value(stmt, (int)i + 1);
    }
    return consider(w, key, true, born, (sync_stamp){w->t->epoch, w->t->genesis_site, 0});
}

/* Rows that have clocks (of this kind), or for NULL those that have none. */
static char *rows_sql(const sync_db *s, const sync_table *t, const char *kind)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    if (kind) {
        sqlite3_str_appendall(sql, "SELECT clock, ");
        sync_str_numbers(sql, t, "k%d", ", ");
        sqlite3_str_appendf(sql, " FROM main.sync_%s_%u WHERE seq <> 0", kind, t->tid);
        return sqlite3_str_finish(sql);
    }
    sqlite3_str_appendall(sql, "SELECT NULL, ");
    sync_str_keys(sql, t, "b.\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS b WHERE ", t->name);
    sync_str_keys(sql, t, "b.\"%w\" IS NOT NULL", " AND ");
    sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM main.sync_row_%u AS c WHERE ", t->tid);
    sync_str_match_base(sql, t, "b", "c");
    sqlite3_str_appendall(sql, ")");
    return sqlite3_str_finish(sql);
}

static int look_through(sweep *w, const char *kind)
{
    sync_db *s = w->m->s;
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, w->m->error, rows_sql(s, w->t, kind));
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, w->m->error)) == SQLITE_ROW) {
        rc = kind ? consider_clock(w, stmt) : consider_genesis(w, stmt);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Ends the life of one row of the list, or tells of it anew. */
static int end_one(sweep *w, const sync_value *key, sync_stamp born, bool seen, int64_t *gone)
{
    sync_merging *m = w->m;
    sync_slot slot;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, w->t, key, born, &w->row, &slot);
    if (rc != SYNC_OK || !sync_row_alive(&w->row)) {
        return rc;
    }
    if (!seen && !w->w->news) {
        return SYNC_OK; /* when that was news it was told of */
    }
    if (!seen) {
        sync_insist(m, &w->row);
        return sync_show(m, w->t, key, &w->row, &slot, SYNC_MERGE_STAMP);
    }
    sync_row end = {.cl = w->t->identity == SYNC_BY_ROW ? 2 : w->row.cl + 1, .born = born};
    end.stamp = sync_stamp_is_none(w->row.origin) ? w->w->latest : sync_merging_stamp(m);
    sync_merged what = sync_row_merge(&m->s->sites, w->t->identity, &w->row, &end);
    ++*gone;
    return what == SYNC_MERGE_NOMEM ? sync_fail_nomem(m->error)
                                    : sync_show(m, w->t, key, &w->row, &slot, what);
}

/* Makes the list of rows that are not named, and deals with each of it: by `each`, or as a whole table asks for. */
static int sweep_rows(sweep *w, sync_unnamed *each, void *context, int64_t *gone)
{
    sync_table *t = w->t;
    bool by_row = t->identity == SYNC_BY_ROW, selects = w->w->held == NULL;
    int rc = look_through(w, "row");
    rc = rc == SYNC_OK && by_row ? look_through(w, "hidden") : rc;
    rc = rc == SYNC_OK && (!by_row || selects || t->genesis_own) ? look_through(w, NULL) : rc;
    sync_span list = sync_span_of(w->found.data, w->found.len);
    while (rc == SYNC_OK && sync_span_left(&list) > 0) {
        sync_value key[SYNC_KEY_COLUMNS_MAX];
        for (uint32_t i = 0; i < t->key_count; i++) {
            key[i] = sync_value_get(&list);
        }
        sync_stamp born = {.hlc = sync_span_u64(&list)};
        uint64_t site = sync_span_varint(&list);
        born.site = (uint32_t)(site >> 1);
        born.written = site & 1;
        bool seen = sync_span_u8(&list) != 0;
        rc = each ? each(context, w->m, t, key, born) : end_one(w, key, born, seen, gone);
    }
    sync_row_free(&w->row);
    sync_buf_free(&w->found);
    return rc;
}

int sync_whole_sweep(sync_merging *m, sync_table *t, const sync_whole *whole, int64_t *gone)
{
    sweep w = {.m = m, .t = t, .w = whole};
    *gone = 0;
    return sweep_rows(&w, NULL, NULL, gone);
}

int sync_whole_rest(sync_merging *m, sync_table *t, const sync_whole *whole, sync_unnamed *each,
                    void *context)
{
    sweep w = {.m = m, .t = t, .w = whole};
    return sweep_rows(&w, each, context, NULL);
}
