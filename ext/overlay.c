/* A virtual fold: the clocks of the tail in the TEMP schema, for readers, and for the real fold that takes them over. */
#include "fold_internal.h"

#include "capture.h"

/* What is in the TEMP schema: fewer when a host drops our tables there, as PRAGMA temp_store does with all. */
static int temp_count(sync_db *s, int64_t *count, sync_error *error)
{
    return sync_query_int(s, count, 0, error, "SELECT count(*) FROM temp.sqlite_schema");
}

/* Gives up an overlay that is not a beginning of this tail: somebody has folded, or dropped its tables. */
static int overlay_check(sync_db *s, int64_t newest, sync_error *error)
{
    sync_overlay *o = &s->overlay;
    int64_t count = 0;
    if (!s->overlay_made) {
        o->valid = false;
        return SYNC_OK;
    }
    int rc = temp_count(s, &count, error);
    s->overlay_made = rc == SYNC_OK && count == s->overlay_objects;
    o->valid =
        o->valid && s->overlay_made && o->base == s->folded && o->count == s->count && o->folded <= newest;
    return rc;
}

/* Are the overlay's tables of this name still as this schema has them? */
static int overlay_fits(sync_db *s, const sync_table *t, bool *fits, sync_error *error)
{
    int64_t found = 0;
    bool by_row = t->identity == SYNC_BY_ROW;
    int rc = sync_query_int(
        s, &found, 0, error,
        "SELECT count(*) FROM temp.sqlite_schema AS o JOIN main.sqlite_schema AS m USING (name, sql)"
        " WHERE o.name = 'sync_row_%u' OR (%d AND o.name = 'sync_hidden_%u')",
        t->tid, by_row, t->tid);
    *fits = found == (by_row ? 2 : 1);
    return rc;
}

int sync_overlay_clear(sync_db *s, const char *kind, uint32_t tid, sync_error *error)
{
    uint32_t number;
    sync_error locked = {0};
    int rc = sync_exec(s, &locked, "DROP TABLE IF EXISTS temp.sync_%s_%u", kind, tid);
    if (rc == SYNC_OK || (rc & 0xff) != SQLITE_LOCKED) {
        return rc == SYNC_OK ? rc : sync_fail(error, rc, "%s", locked.text);
    }
    sqlite3_randomness(sizeof number, &number);
    return sync_exec(s, error,
                     "DELETE FROM temp.sync_%s_%u; ALTER TABLE temp.sync_%s_%u RENAME TO sync_gone_%u", kind,
                     tid, kind, tid, number);
}

/* An empty overlay for one table. */
static int overlay_table(sync_db *s, const sync_table *t, sync_error *error)
{
    bool fits = s->overlay_made;
    int rc = fits ? SYNC_OK : overlay_fits(s, t, &fits, error);
    if (rc == SYNC_OK && fits) {
        rc = sync_exec(s, error, "DELETE FROM temp.sync_row_%u", t->tid);
        return rc == SYNC_OK && t->identity == SYNC_BY_ROW
                   ? sync_exec(s, error, "DELETE FROM temp.sync_hidden_%u", t->tid)
                   : rc;
    }
    rc = rc == SYNC_OK ? sync_overlay_clear(s, "row", t->tid, error) : rc;
    rc = rc == SYNC_OK ? sync_overlay_clear(s, "hidden", t->tid, error) : rc;
    sync_error why = {0};
    rc = rc == SYNC_OK ? sync_capture_overlay_table(s, t, &why) : rc;
    return why.code == SYNC_OK ? rc : sync_fail_table(t, &why, error);
}

/* Empties the overlay and makes its tables. */
static int overlay_begin(sync_db *s, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        s->tables[i].in_overlay = false;
        if (!s->tables[i].missing) {
            rc = overlay_table(s, &s->tables[i], error);
        }
    }
    rc = rc == SYNC_OK ? temp_count(s, &s->overlay_objects, error) : rc;
    sync_buf_reset(&s->superseded);
    s->overlay_made = rc == SYNC_OK;
    s->overlay = (sync_overlay){
        .valid = rc == SYNC_OK, .folded = s->folded, .base = s->folded, .count = s->count, .hlc = s->hlc};
    return rc;
}

/* ---- folding ---- */

static void build_doubts(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(
        sql, "SELECT o.clock, b.\"%w\" IS NOT NULL FROM temp.sync_row_%u AS o LEFT JOIN main.\"%w\" AS b ON ",
        t->key_names[0], t->tid, t->name);
    sync_str_match_base(sql, t, "b", "o");
}

/* With the whole tail folded: do the journal and the table still differ about a row's existence, so that a real fold is to mend it? */
static int remains_in_doubt(sync_db *s, sync_table *t, bool *doubt, sync_error *error)
{
    sqlite3_stmt *stmt;
    sync_row row = {0};
    int rc = sync_table_stmt(s, t, SYNC_STMT_DOUBTS, build_doubts, &stmt, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    while (!*doubt && rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 0);
        sync_row_reset(&row);
        rc = sync_clocks_unpack(s, t, &clock, &row);
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "sync_row_%u: a clock is damaged", t->tid);
        *doubt = rc == SYNC_OK && sync_row_alive(&row) != (sqlite3_column_int(stmt, 1) != 0) && !row.held;
    }
    sqlite3_reset(stmt);
    sync_row_free(&row);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int review_doubts(sync_db *s, bool *doubt, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && !*doubt && i < s->table_count; i++) {
        rc = s->tables[i].doubted ? remains_in_doubt(s, &s->tables[i], doubt, error) : SYNC_OK;
    }
    return rc;
}

static int fold_virtual(sync_db *s, bool *need_real, sync_error *error)
{
    int64_t newest = 0, end = 0, entries = 0;
    sync_overlay *o = &s->overlay;
    *need_real = false;
    for (uint32_t i = 0; i < s->table_count; i++) {
        *need_real = *need_real || s->tables[i].moved_to ||
                     (!s->tables[i].missing && (s->tables[i].late || s->tables[i].untriggered));
        s->tables[i].doubted = false;
    }
    int rc = sync_query_int(s, &newest, 0, error, "SELECT max(seq) FROM main.sync_journal");
    if (rc != SYNC_OK || *need_real) {
        return rc;
    }
    rc = overlay_check(s, newest, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    if (newest <= s->folded) {
        *o = (sync_overlay){.hlc = s->hlc, .folded = s->folded};
        return SYNC_OK;
    }
    if (!o->valid) {
        rc = overlay_begin(s, error);
    }
    sync_fold *f = rc == SYNC_OK ? sync_fold_new(s, SYNC_IN_OVERLAY, error) : NULL;
    if (f == NULL) {
        o->valid = false;
        return rc == SYNC_OK ? SYNC_NOMEM : rc;
    }
    int64_t after = o->folded;
    f->since = o->hlc;
    rc = sync_fold_entries(f, after, INT64_MAX, &o->hlc, &end, &entries);
    *need_real = f->need_real;
    sync_fold_free(f);
    rc = rc == SYNC_OK ? review_doubts(s, need_real, error) : rc;
    if (rc == SYNC_OK && !*need_real) {
        rc = sync_fold_meant_passing(s, after, need_real, error);
    }
    o->folded = end;
    o->entries += entries;
    o->valid = rc == SYNC_OK && !*need_real;
    if (rc == SYNC_OK && s->superseded.oom) {
        o->valid = false;
        rc = sync_fail_nomem(error);
    }
    return rc;
}

int sync_fold_virtual(sync_db *s, bool *need_real, sync_error *error)
{
    int64_t query_only = 0;
    int rc = sync_query_int(s, &query_only, 0, error, "PRAGMA query_only");
    if (rc == SYNC_OK && query_only) { /* it forbids writing to TEMP too, which is all that this does */
        rc = sync_exec(s, error, "PRAGMA query_only = 0");
    }
    rc = rc == SYNC_OK ? fold_virtual(s, need_real, error) : rc;
    if (query_only) {
        int again = sync_exec(s, error, "PRAGMA query_only = 1");
        rc = rc == SYNC_OK ? again : rc;
    }
    return rc;
}

/* ---- taking over ---- */

/* OR FAIL needs no statement journal, which would hold every page that is written. What fails is rolled back with the whole fold. */
static void build_adopt(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "INSERT OR FAIL INTO main.sync_row_%u(seq, clock, ", t->tid);
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendall(sql, ") SELECT seq, clock, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM temp.sync_row_%u WHERE true ON CONFLICT(", t->tid);
    sync_str_numbers(sql, t, "k%d", ", ");
    /* the key of a clock stays as it is spelled */
    sqlite3_str_appendall(sql, ") DO UPDATE SET seq = excluded.seq, clock = excluded.clock");
}

static void build_adopt_gone(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql,
                        "DELETE FROM main.sync_row_%u WHERE k1 IN (SELECT k1 FROM temp.sync_hidden_%u EXCEPT "
                        "SELECT k1 FROM temp.sync_row_%u)",
                        t->tid, t->tid, t->tid);
}

static void build_adopt_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql,
                        "INSERT OR REPLACE INTO main.sync_hidden_%u(seq, clock, j, k1) SELECT seq, clock, j, "
                        "k1 FROM temp.sync_hidden_%u",
                        t->tid, t->tid);
}

static int adopt_table(sync_fold *f, sync_table *t)
{
    static const struct {
        sync_stmt_slot slot;
        sync_build *build;
    } steps[] = {{SYNC_STMT_ADOPT, build_adopt},
                 {SYNC_STMT_ADOPT_GONE, build_adopt_gone},
                 {SYNC_STMT_ADOPT_HIDDEN, build_adopt_hidden}};
    size_t count = t->identity == SYNC_BY_ROW ? sizeof steps / sizeof *steps : 1;
    int rc = SYNC_OK;
    for (size_t i = 0; rc == SYNC_OK && i < count; i++) {
        sqlite3_stmt *stmt;
        rc = sync_table_stmt(f->s, t, steps[i].slot, steps[i].build, &stmt, f->error);
        rc = rc == SYNC_OK ? sync_run(f->s, stmt, f->error) : rc;
    }
    return rc;
}

int sync_fold_adopt(sync_fold *f, int64_t *after, uint64_t *hlc, int64_t *entries)
{
    sync_db *s = f->s;
    sync_span superseded = sync_span_of(s->superseded.data, s->superseded.len);
    int rc = overlay_check(s, f->newest, f->error);
    *entries = 0;
    if (rc != SYNC_OK || !s->overlay.valid || s->overlay.nulls) {
        return rc;
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        rc = s->tables[i].in_overlay ? adopt_table(f, &s->tables[i]) : SYNC_OK;
    }
    while (rc == SYNC_OK && sync_span_left(&superseded) > 0) {
        rc = sync_fold_drop_entry(f, (int64_t)sync_span_u64(&superseded));
    }
    f->since = s->overlay.hlc;
    *after = s->overlay.folded;
    *hlc = s->overlay.hlc;
    *entries = s->overlay.entries;
    return rc;
}
