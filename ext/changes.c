#include "changes.h"

#include "base.h"
#include "clocks.h"
#include "request.h"

#include <string.h>

enum { RUN_ENTRIES_MAX = 4096 };

/* Entries of one table that are adjacent in the journal. */
typedef struct run {
    uint32_t tid;
    int64_t lo, hi;
    bool hidden_done;
} run;

typedef enum stage { STAGE_TABLES, STAGE_JOURNAL, STAGE_DONE } stage;

struct sync_changes {
    sync_db *s;
    bool overlay; /* a virtual fold's clocks stand before the file's */
    sync_head head;
    sync_head receiver; /* as the request gave it; empty without one */
    uint32_t *wire;     /* local site -> place on the wire */
    uint32_t *local;    /* head table -> index in s->tables */
    uint32_t *place;    /* index in s->tables -> head table, or UINT32_MAX */
    sync_matrix base;   /* tables of the head x local sites */
    int64_t newest;     /* journal position of the snapshot */
    uint64_t hlc;       /* this file's clock in it */
    stage stage;
    uint32_t tables_at; /* TABLES: next head table, and what of it is next: genesis, clocks, hidden clocks */
    int scan;
    bool genesis;         /* stmt gives genesis rows */
    sqlite3_stmt *stmt;   /* active, between rows */
    sqlite3_stmt *values; /* where the columns of its row are: stmt, or for a wide table another one */
    uint32_t table;       /* head table of stmt */
    bool scans;           /* some table is sent by its clocks */
    int64_t position;     /* journal entries up to here are in runs */
    uint32_t run_count, run_at;
    run runs[RUN_ENTRIES_MAX];
    uint32_t part;
    uint64_t rows, scanned;
    sync_row row; /* as stored */
    sync_row out; /* as sent */
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sqlite3_stmt *runs_stmt;
    int64_t cache; /* page cache to be restored */
};

/* Too many columns for one result set with ours beside them: the values are read by a statement of their own. */
static bool is_wide(const sync_table *t)
{
    return t->col_count + 2 * t->key_count + 3 > SYNC_RESULT_COLUMNS_MAX;
}

/* ---- statements: seq, clock, j, then the key from the journal, the key from the base table, the columns present ---- */

static void select_base(const sync_table *t, sqlite3_str *sql)
{
    sync_str_keys(sql, t, "b.\"%w\"", ", ");
    if (is_wide(t)) {
        return;
    }
    for (uint32_t c = 0; c < t->col_count; c++) {
        if (t->cols[c].present) {
            sqlite3_str_appendf(sql, ", b.\"%w\"", t->cols[c].name);
        }
    }
}

/* By journal entry: the shown clocks or, for identity row, the hidden ones, that a run of the journal names. */
static void build_read_from(const sync_table *t, sqlite3_str *sql, const char *kind)
{
    sqlite3_str_appendall(sql, "SELECT j.seq, c.clock, 0, ");
    sync_str_numbers(sql, t, "j.k%d", ", ");
    sqlite3_str_appendall(sql, ", ");
    select_base(t, sql);
    sqlite3_str_appendf(sql,
                        " FROM main.sync_journal AS j CROSS JOIN main.sync_%s_%u AS c ON c.seq = j.seq AND ",
                        kind, t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "j");
    sqlite3_str_appendf(sql, "%s WHERE j.seq BETWEEN ?1 AND ?2 ORDER BY j.seq",
                        kind[0] == 'h' ? " AND 0" : "");
}

static void build_read(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_read_from(t, sql, "row");
}

static void build_read_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_read_from(t, sql, "hidden");
}

/* The same, the overlay standing before the file's clocks for the keys that it knows. */
static void build_read_overlay(const sync_table *t, sqlite3_str *sql, const char *kind)
{
    sqlite3_str_appendall(sql, "SELECT j.seq, iif(j.known, o.clock, c.clock), 0, ");
    sync_str_numbers(sql, t, "j.k%d", ", ");
    sqlite3_str_appendall(sql, ", ");
    select_base(t, sql);
    sqlite3_str_appendall(sql, " FROM (SELECT *, ");
    sync_clocks_known(sql, t, "x");
    sqlite3_str_appendf(sql,
                        " AS known FROM main.sync_journal AS x WHERE x.seq BETWEEN ?1 AND ?2) AS j LEFT JOIN "
                        "main.sync_%s_%u AS c ON"
                        " c.seq = j.seq AND ",
                        kind, t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN temp.sync_%s_%u AS o ON o.seq = j.seq AND ", kind, t->tid);
    sync_str_match(sql, t, "o", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "j");
    sqlite3_str_appendf(sql, "%s WHERE iif(j.known, o.seq, c.seq) IS NOT NULL ORDER BY j.seq",
                        kind[0] == 'h' ? " AND 0" : "");
}

static void build_read_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_read_overlay(t, sql, "row");
}

static void build_read_hidden_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_read_overlay(t, sql, "hidden");
}

/* All clocks in the order of their keys: what a receiver gets that has nothing yet. */
static void build_scan_from(const sync_table *t, sqlite3_str *sql, bool hidden)
{
    sqlite3_str_appendall(sql, "SELECT c.seq, c.clock, 0, ");
    sync_str_numbers(sql, t, "c.k%d", ", ");
    sqlite3_str_appendall(sql, ", ");
    select_base(t, sql);
    sqlite3_str_appendf(sql, " FROM main.sync_%s_%u AS c LEFT JOIN main.\"%w\" AS b ON ",
                        hidden ? "hidden" : "row", t->tid, t->name);
    sync_str_match_base(sql, t, "b", "c");
    sqlite3_str_appendall(sql, hidden ? " AND 0" : "");
}

static void build_scan(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_scan_from(t, sql, false);
}

static void build_scan_hidden(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_scan_from(t, sql, true);
}

static void not_in_clocks(const sync_table *t, sqlite3_str *sql, const char *schema)
{
    sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM %s.sync_row_%u AS c WHERE ", schema, t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sc.k%d = b.\"%w\"", i ? " AND " : "", (int)i + 1, t->key_names[i]);
    }
    sqlite3_str_appendall(sql, ")");
}

/* Rows that have no clock: they are as they were when the table was tracked. */
static void build_genesis_from(const sync_table *t, sqlite3_str *sql, bool overlay)
{
    sqlite3_str_appendall(sql, "SELECT 0, NULL, 0, ");
    sync_str_keys(sql, t, "b.\"%w\"", ", ");
    sqlite3_str_appendall(sql, ", ");
    select_base(t, sql);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS b WHERE ", t->name);
    sync_str_keys(sql, t, "b.\"%w\" IS NOT NULL", " AND ");
    not_in_clocks(t, sql, "main");
    if (overlay) {
        not_in_clocks(t, sql, "temp");
    }
}

static void build_genesis(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_genesis_from(t, sql, false);
}

static void build_genesis_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    build_genesis_from(t, sql, true);
}

/* ---- opening ---- */

/* Sorts c->local so that tables come after those they refer to (cycles stay as they are), and numbers them. A row is shown only where
** its parents are: this way most are at once. */
static void order_parents_first(sync_changes *c, uint32_t count)
{
    const sync_db *s = c->s;
    for (uint32_t done = 0; done < count; done++) {
        uint32_t pick = done;
        for (uint32_t i = done; i < count; i++) {
            bool waits = false;
            for (uint32_t f = 0; !waits && f < s->fk_count; f++) {
                const sync_fk *fk = &s->fks[f];
                for (uint32_t p = done; !waits && fk->child_tid == s->tables[c->local[i]].tid && p < count;
                     p++) {
                    waits = p != i && s->tables[c->local[p]].tid == fk->parent_tid;
                }
            }
            if (!waits) {
                pick = i;
                break;
            }
        }
        uint32_t table = c->local[pick];
        memmove(&c->local[done + 1], &c->local[done], (pick - done) * sizeof *c->local);
        c->local[done] = table;
        c->place[table] = done;
    }
}

/* The tables of the delta: those that both have, by name; rows are sent of those with news only, so others need no columns. */
static int choose_tables(sync_changes *c, const sync_request *request, sync_error *error)
{
    sync_db *s = c->s;
    uint32_t count = 0;
    c->local = sync_alloc((s->table_count + 1) * sizeof *c->local);
    c->place = sync_alloc((s->table_count + 1) * sizeof *c->place);
    if (!c->local || !c->place) {
        return sync_fail_nomem(error);
    }
    for (uint32_t t = 0; t < s->table_count; t++) {
        bool wanted = !s->tables[t].missing && request->seen == NULL;
        for (uint32_t r = 0; !s->tables[t].missing && r < c->receiver.table_count; r++) {
            if (sqlite3_stricmp(c->receiver.tables[r].name, s->tables[t].name) != 0) {
                continue;
            }
            sync_error why = {0};
            int rc = sync_head_match(&s->tables[t], &c->receiver.tables[r], &why);
            if (rc != SYNC_OK && !request->skip_refused) {
                return sync_fail(error, rc, "%s", why.text);
            }
            wanted = rc == SYNC_OK;
        }
        c->place[t] = UINT32_MAX;
        if (wanted) {
            c->local[count++] = t;
        }
    }
    order_parents_first(c, count);
    int rc = sync_head_set_tables(&c->head, count);
    return rc == SYNC_OK ? SYNC_OK : sync_fail(error, rc, "too many tables for one changeset");
}

/* The receiver's vector and cursor for one table of the head. */
static void take_vector(sync_changes *c, uint32_t h, uint32_t own)
{
    const sync_db *s = c->s;
    const sync_head *r = &c->receiver;
    for (uint32_t t = 0; t < r->table_count; t++) {
        if (sqlite3_stricmp(r->tables[t].name, s->tables[c->local[h]].name) != 0) {
            continue;
        }
        for (uint32_t sid = 1; sid < s->sites.count; sid++) {
            uint32_t at = sync_head_site(r, s->site_ids[sid]);
            uint64_t hlc = at == UINT32_MAX ? 0 : sync_matrix_at(&r->base, t, at);
            sync_matrix_set(&c->base, h, sid, hlc);
            sync_matrix_set(&c->head.base, h, c->wire[sid], hlc);
        }
        uint64_t start = own == UINT32_MAX ? 0 : sync_matrix_at(&r->start, t, own);
        sync_matrix_set(&c->head.start, h, 0, start <= (uint64_t)c->newest ? start : 0);
    }
}

static bool genesis_due(const sync_changes *c, uint32_t h)
{
    const sync_table *t = &c->s->tables[c->local[h]];
    return t->epoch > sync_matrix_at(&c->base, h, t->genesis_site) &&
           (c->receiver.table_count > 0 || (uint64_t)t->genesis_seq > sync_matrix_at(&c->head.start, h, 0));
}

/* Is this table sent by its clocks rather than by the journal? */
static bool is_scanned(const sync_changes *c, uint32_t h)
{
    return !c->overlay && c->newest > 0 && sync_matrix_at(&c->head.start, h, 0) == 0;
}

/* Columns are named for tables that may send rows. */
static int name_tables(sync_changes *c, sync_error *error)
{
    sync_db *s = c->s;
    bool *news = sync_alloc(s->table_count + 1);
    if (news == NULL) {
        return sync_fail_nomem(error);
    }
    memset(news, 0, s->table_count + 1);
    uint64_t lowest = (uint64_t)c->newest;
    for (uint32_t h = 0; h < c->head.table_count; h++) {
        uint64_t start = sync_matrix_at(&c->head.start, h, 0);
        news[c->local[h]] = start == 0 || genesis_due(c, h);
        c->scans = c->scans || is_scanned(c, h);
        if (!is_scanned(c, h) && start < lowest) {
            lowest = start;
        }
    }
    c->position = (int64_t)lowest;
    sqlite3_stmt *stmt = NULL;
    int rc = sync_prepare(s, &stmt, error, "SELECT DISTINCT tid & %d FROM main.sync_journal WHERE seq > %lld",
                          SYNC_TID_MASK, (long long)c->position);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        const sync_table *t = sync_engine_tid(s, (uint32_t)sqlite3_column_int64(stmt, 0));
        if (t) {
            news[t - s->tables] = true;
        }
    }
    sqlite3_finalize(stmt);
    rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    for (uint32_t h = 0; rc == SYNC_OK && h < c->head.table_count; h++) {
        rc = sync_head_own_table(&s->tables[c->local[h]], &c->head.tables[h], news[c->local[h]], error);
    }
    sync_free(news);
    return rc;
}

static int prepare_head(sync_changes *c, const sync_request *request, sync_error *error)
{
    sync_db *s = c->s;
    uint32_t tables = c->head.table_count;
    int rc = sync_head_own_sites(s, &c->head, c->wire, error);
    if (rc == SYNC_OK) {
        rc = sync_matrix_init(&c->head.base, tables, c->head.site_count);
        rc = rc == SYNC_OK ? sync_matrix_init(&c->head.start, tables, 1) : rc;
        rc = rc == SYNC_OK ? sync_matrix_init(&c->base, tables, s->sites.count) : rc;
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "too many tables and sites for one changeset");
    }
    uint32_t own = sync_head_site(&c->receiver, s->site_ids[s->own_site]);
    for (uint32_t h = 0; rc == SYNC_OK && h < tables; h++) {
        take_vector(c, h, own);
        if (request->seen == NULL && request->version > 0) {
            sync_matrix_set(&c->head.start, h, 0, (uint64_t)request->version);
        }
    }
    return rc == SYNC_OK ? name_tables(c, error) : rc;
}

int sync_changes_open(sync_db *s, const sync_request *request, sync_changes **out, sync_error *error)
{
    *out = NULL;
    sync_changes *c = sync_alloc(sizeof *c);
    if (c == NULL) {
        return sync_fail_nomem(error);
    }
    memset(c, 0, sizeof *c);
    c->s = s;
    c->overlay = s->overlay.valid && s->overlay.entries > 0;
    c->hlc = s->overlay.valid ? s->overlay.hlc : s->hlc;
    c->wire = sync_alloc(s->sites.count * sizeof *c->wire);
    int rc = c->wire ? SYNC_OK : sync_fail_nomem(error);
    if (rc == SYNC_OK && s->encoder == NULL) {
        s->encoder = sync_encoder_new(SYNC_ZSTD_LEVEL);
        rc = s->encoder ? SYNC_OK : sync_fail_nomem(error);
    }
    if (rc == SYNC_OK && request->seen) {
        rc = sync_seen_get(request->seen, request->seen_bytes, &c->receiver, error);
    }
    rc = rc == SYNC_OK ? sync_query_int(s, &c->newest, 0, error, "SELECT max(seq) FROM main.sync_journal")
                       : rc;
    rc = rc == SYNC_OK ? choose_tables(c, request, error) : rc;
    rc = rc == SYNC_OK ? prepare_head(c, request, error) : rc;
    rc =
        rc == SYNC_OK
            ? sync_prepare(s, &c->runs_stmt, error,
                           "SELECT seq, tid & %d FROM main.sync_journal WHERE seq > ?1 ORDER BY seq LIMIT %d",
                           SYNC_TID_MASK, RUN_ENTRIES_MAX)
            : rc;
    if (rc == SYNC_OK && c->newest - c->position + (c->scans ? c->newest : 0) > SYNC_LONG_ENTRIES) {
        rc = sync_engine_cache_widen(s, &c->cache, error);
    }
    if (rc != SYNC_OK) {
        sync_changes_close(c);
        return rc;
    }
    *out = c;
    return SYNC_OK;
}

void sync_changes_close(sync_changes *c)
{
    if (c == NULL) {
        return;
    }
    sync_error ignored = {0};
    sqlite3_reset(c->stmt);                                    /* belongs to its table */
    (void)sync_engine_cache_restore(c->s, c->cache, &ignored); /* a larger cache harms nobody */
    sqlite3_finalize(c->runs_stmt);
    sync_head_free(&c->head);
    sync_head_free(&c->receiver);
    sync_matrix_free(&c->base);
    sync_row_free(&c->row);
    sync_row_free(&c->out);
    sync_free(c->wire);
    sync_free(c->local);
    sync_free(c->place);
    sync_free(c);
}

/* ---- rows ---- */

static bool is_news(const sync_changes *c, sync_stamp stamp)
{
    return !sync_stamp_is_none(stamp) && stamp.hlc > sync_matrix_at(&c->base, c->table, stamp.site);
}

static sync_stamp on_wire(const sync_changes *c, sync_stamp stamp)
{
    if (!sync_stamp_is_none(stamp)) {
        stamp.site = c->wire[stamp.site];
    }
    return stamp;
}

/* Adds what a foreign-key value of the row means, where its number alone does not say it. */
static int add_refs(sync_changes *c, const sync_table *t, sync_error *error)
{
    sync_db *s = c->s;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        if (fk->child_tid != t->tid || !fk->to_row) {
            continue;
        }
        const sync_value *v = NULL;
        if (fk->from_col >= SYNC_REF_KEY) {
            v = &c->key[fk->from_col - SYNC_REF_KEY];
        } else {
            const sync_cell *cell = sync_row_find(&c->out, fk->from_col);
            v = cell ? &cell->value : NULL;
        }
        sync_table *parent = v && v->type == SYNC_INTEGER ? sync_engine_tid(s, fk->parent_tid) : NULL;
        sync_stamp born = SYNC_STAMP_NONE;
        if (parent) {
            rc = sync_clocks_born(s, parent, c->overlay ? SYNC_IN_OVERLAY : SYNC_IN_FILE, v->i, &born, error);
        }
        if (rc == SYNC_OK && !sync_stamp_is_none(born)) {
            sync_ref ref = {fk->from_col, v->i, on_wire(c, born)};
            rc = sync_row_add_ref(&c->out, ref) == SYNC_OK ? SYNC_OK : sync_fail_nomem(error);
        }
    }
    return rc;
}

/* A held row knows what its references meant. */
static int copy_refs(sync_changes *c, sync_error *error)
{
    for (uint32_t i = 0; i < c->row.ref_count; i++) {
        sync_ref ref = c->row.refs[i];
        ref.born = on_wire(c, ref.born);
        if ((ref.col >= SYNC_REF_KEY || sync_row_find(&c->out, ref.col)) &&
            sync_row_add_ref(&c->out, ref) != SYNC_OK) {
            return sync_fail_nomem(error);
        }
    }
    return SYNC_OK;
}

/* Fills c->out with the cells that the receiver may lack; *any says whether there are some. */
static int reduce(sync_changes *c, const sync_table *t, bool genesis, bool *any, sync_error *error)
{
    sync_row *out = &c->out;
    const sync_row *row = &c->row;
    sync_row_reset(out);
    out->cl = row->cl;
    out->born = on_wire(c, row->born);
    if (!sync_row_alive(row)) {
        out->stamp = on_wire(c, row->stamp);
        *any = is_news(c, row->stamp);
        return SYNC_OK;
    }
    if (is_news(c, row->stamp)) {
        out->stamp = on_wire(c, row->stamp);
        out->moved = row->moved;
        out->number = row->number;
        out->since = on_wire(c, row->since);
    }
    int column =
        is_wide(t) ? (int)t->key_count : 3 + 2 * (int)t->key_count; /* the present columns in order of id */
    uint32_t passed = 0;                                            /* ids below it are counted in column */
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        for (; passed < cell->col; passed++) {
            column += t->cols[passed].present;
        }
        if (!genesis && !is_news(c, cell->stamp)) {
            continue;
        }
        if (sync_stamp_is_none(cell->stamp) || (!cell->carried && !t->cols[cell->col].present)) {
            continue;
        }
        sync_cell *copy = sync_row_set(out, cell->col, on_wire(c, cell->stamp));
        if (copy == NULL) {
            return sync_fail_nomem(error);
        }
        copy->carried = true;
        copy->value = cell->carried ? cell->value : sync_column_value(c->values, column);
    }
    *any = out->count > 0 || !sync_stamp_is_none(out->stamp);
    return SYNC_OK;
}

static int genesis_row(sync_changes *c, const sync_table *t, sync_error *error)
{
    sync_stamp stamp = {t->epoch, t->genesis_site, 0};
    sync_row_reset(&c->row);
    c->row.cl = 1;
    c->row.born = sync_engine_genesis_born(t);
    c->row.stamp = stamp;
    for (uint32_t i = 0; i < t->genesis_covers && i < t->col_count; i++) {
        if (t->cols[i].present && sync_row_set(&c->row, i, stamp) == NULL) {
            return sync_fail_nomem(error);
        }
    }
    return SYNC_OK;
}

static int encode_row(sync_changes *c, const sync_table *t, sync_error *error)
{
    int rc = SYNC_OK;
    if (sync_row_alive(&c->row)) {
        rc = c->row.held ? copy_refs(c, error) : add_refs(c, t, error);
    }
    rc = rc == SYNC_OK ? sync_encoder_row(c->s->encoder, c->table, c->key, &c->out, error) : rc;
    c->rows += rc == SYNC_OK;
    return rc;
}

/* Encodes the row that c->stmt stands on, if the receiver may lack something of it. */
static int send_row(sync_changes *c, bool genesis, sync_error *error)
{
    sync_db *s = c->s;
    sync_table *t = &s->tables[c->local[c->table]];
    bool any = false;
    int rc;
    c->scanned++;
    if (genesis) {
        rc = genesis_row(c, t, error);
    } else {
        sync_value clock = sync_column_value(c->stmt, 1);
        rc = sync_clock_get(&c->row, clock.data, clock.type == SYNC_BLOB ? clock.bytes : 0, t->identity,
                            t->epoch, s->sites.count);
        if (rc != SYNC_OK) {
            return sync_fail(error, rc, "sync_row_%u: the clock of journal entry %lld is damaged", t->tid,
                             (long long)sqlite3_column_int64(c->stmt, 0));
        }
    }
    int key = 3 + (int)t->key_count;
    bool shown = sqlite3_column_type(c->stmt, key) != SQLITE_NULL;
    if (sync_row_alive(&c->row) && !c->row.held && !shown) {
        return SYNC_OK; /* gone behind the triggers' back: nothing can be said of it until sync_touch() */
    }
    for (uint32_t i = 0; i < t->key_count; i++) {
        c->key[i] = sync_column_value(c->stmt, (shown ? key : 3) + (int)i);
    }
    c->values = c->stmt;
    if (rc == SYNC_OK && shown && is_wide(t)) {
        rc = sync_base_seek(s, t, c->key, &c->values, &shown, error);
    }
    rc = rc == SYNC_OK ? reduce(c, t, genesis, &any, error) : rc;
    if (rc == SYNC_OK && any) {
        rc = encode_row(c, t, error);
    }
    if (c->values != c->stmt) {
        sqlite3_reset(c->values);
    }
    return rc;
}

/* ---- the order of rows: tables that the receiver has nothing of, and genesis rows; then the journal ---- */

enum { SCAN_HIDDEN, SCAN_GENESIS, SCAN_CLOCKS, SCAN_END };

/* Opens the next scan of whole tables; leaves stmt NULL, and the stage at the journal, when there is none. */
static int open_scan(sync_changes *c, sync_error *error)
{
    while (c->tables_at < c->head.table_count) {
        uint32_t h = c->tables_at;
        sync_table *t = &c->s->tables[c->local[h]];
        int scan = c->scan++;
        if (scan == SCAN_END) {
            c->tables_at++;
            c->scan = SCAN_HIDDEN;
            continue;
        }
        c->table = h;
        c->genesis = scan == SCAN_GENESIS;
        if (scan == SCAN_GENESIS && genesis_due(c, h)) {
            return c->overlay
                       ? sync_table_stmt(c->s, t, SYNC_STMT_GENESIS_READ_TEMP, build_genesis_temp, &c->stmt,
                                         error)
                       : sync_table_stmt(c->s, t, SYNC_STMT_GENESIS_READ, build_genesis, &c->stmt, error);
        }
        if (scan == SCAN_CLOCKS && is_scanned(c, h)) {
            return sync_table_stmt(c->s, t, SYNC_STMT_CHANGES_SCAN, build_scan, &c->stmt, error);
        }
        if (scan == SCAN_HIDDEN && is_scanned(c, h) && t->identity == SYNC_BY_ROW) {
            return sync_table_stmt(c->s, t, SYNC_STMT_CHANGES_SCAN_HIDDEN, build_scan_hidden, &c->stmt,
                                   error);
        }
    }
    c->genesis = false;
    c->stage = STAGE_JOURNAL;
    return SYNC_OK;
}

/* Reads the next entries of the journal as runs of one table each. */
static int read_runs(sync_changes *c, sync_error *error)
{
    uint32_t entries = 0;
    c->run_count = c->run_at = 0;
    int rc = sqlite3_bind_int64(c->runs_stmt, 1, c->position) ? sync_fail_db(c->s, error, NULL) : SYNC_OK;
    while (rc == SYNC_OK && (rc = sync_step(c->s, c->runs_stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        int64_t seq = sqlite3_column_int64(c->runs_stmt, 0);
        uint32_t tid = (uint32_t)sqlite3_column_int64(c->runs_stmt, 1);
        if (c->run_count && c->runs[c->run_count - 1].tid == tid) {
            c->runs[c->run_count - 1].hi = seq;
        } else {
            c->runs[c->run_count++] = (run){tid, seq, seq, false};
        }
        c->position = seq;
        entries++;
    }
    sqlite3_reset(c->runs_stmt);
    if (rc == SQLITE_DONE && entries == 0) {
        c->stage = STAGE_DONE;
    }
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Opens the next run; identity row: first what it says of rows that went, then of those that are shown. */
static int open_run(sync_changes *c, sync_error *error)
{
    while (c->run_at < c->run_count) {
        run *r = &c->runs[c->run_at];
        sync_table *t = sync_engine_tid(c->s, r->tid);
        uint32_t h = t ? c->place[t - c->s->tables] : UINT32_MAX;
        int64_t start =
            h == UINT32_MAX || is_scanned(c, h) ? INT64_MAX : (int64_t)sync_matrix_at(&c->head.start, h, 0);
        if (start >= r->hi) {
            c->run_at++;
            continue;
        }
        bool hidden = t->identity == SYNC_BY_ROW && !r->hidden_done;
        r->hidden_done = true;
        c->run_at += !hidden;
        c->table = h;
        int rc;
        if (hidden) {
            rc = c->overlay ? sync_table_stmt(c->s, t, SYNC_STMT_CHANGES_READ_HIDDEN_TEMP,
                                              build_read_hidden_temp, &c->stmt, error)
                            : sync_table_stmt(c->s, t, SYNC_STMT_CHANGES_READ_HIDDEN, build_read_hidden,
                                              &c->stmt, error);
        } else {
            rc = c->overlay
                     ? sync_table_stmt(c->s, t, SYNC_STMT_CHANGES_READ_TEMP, build_read_temp, &c->stmt, error)
                     : sync_table_stmt(c->s, t, SYNC_STMT_CHANGES_READ, build_read, &c->stmt, error);
        }
        if (rc == SYNC_OK && (sqlite3_bind_int64(c->stmt, 1, r->lo > start ? r->lo : start + 1) ||
                              sqlite3_bind_int64(c->stmt, 2, r->hi))) {
            rc = sync_fail_db(c->s, error, NULL);
        }
        return rc;
    }
    return read_runs(c, error);
}

/* Goes on until a part is full or all is sent (stage DONE). */
static int send_rows(sync_changes *c, size_t bytes_max, uint64_t rows_max, sync_error *error)
{
    int rc = SYNC_OK;
    while (rc == SYNC_OK && c->stage != STAGE_DONE) {
        if (c->stmt == NULL) {
            rc = c->stage == STAGE_TABLES ? open_scan(c, error) : open_run(c, error);
            continue;
        }
        rc = sync_step(c->s, c->stmt, error);
        if (rc == SQLITE_ROW) {
            rc = send_row(c, c->genesis, error);
            bool full = (rows_max && sync_encoder_rows(c->s->encoder) >= rows_max) ||
                        (bytes_max && sync_encoder_size(c->s->encoder) >= bytes_max);
            if (rc == SYNC_OK && full) {
                return SYNC_OK;
            }
        } else if (rc == SQLITE_DONE) {
            sqlite3_reset(c->stmt);
            c->stmt = NULL;
            rc = SYNC_OK;
        }
    }
    return rc;
}

static int closing(sync_changes *c, sync_closing *to, sync_error *error)
{
    sync_db *s = c->s;
    sync_matrix seen = {0};
    *to = (sync_closing){.end = (uint64_t)c->newest};
    int rc = sync_engine_seen(s, &seen, error);
    if (rc == SYNC_OK &&
        (rc = sync_matrix_init(&to->seen, c->head.table_count, c->head.site_count)) != SYNC_OK) {
        rc = sync_fail(error, rc, "too many tables and sites for one changeset");
    }
    for (uint32_t h = 0; rc == SYNC_OK && h < c->head.table_count; h++) {
        for (uint32_t sid = 1; sid < s->sites.count; sid++) {
            sync_matrix_set(&to->seen, h, c->wire[sid],
                            sid == s->own_site ? c->hlc : sync_matrix_at(&seen, c->local[h], sid));
        }
    }
    sync_matrix_free(&seen);
    return rc;
}

int sync_changes_part(sync_changes *c, size_t bytes_max, uint64_t rows_max, const void **part, size_t *bytes,
                      bool *last, sync_error *error)
{
    *part = NULL;
    *bytes = 0;
    *last = false;
    if (c->stage == STAGE_DONE || c->head.table_count == 0) {
        return SYNC_DONE;
    }
    c->head.part = c->part;
    int rc = sync_encoder_begin(c->s->encoder, &c->head, error);
    rc = rc == SYNC_OK ? send_rows(c, bytes_max, rows_max, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    if (c->stage != STAGE_DONE) {
        rc = sync_encoder_finish(c->s->encoder, NULL, part, bytes, error);
        c->part++;
        return rc == SYNC_OK ? SYNC_ROW : rc;
    }
    if (c->rows == 0 && (c->receiver.table_count == 0 || c->scanned < SYNC_SCAN_QUIET_MAX)) {
        return SYNC_DONE;
    }
    sync_closing end = {0};
    rc = closing(c, &end, error);
    rc = rc == SYNC_OK ? sync_encoder_finish(c->s->encoder, &end, part, bytes, error) : rc;
    sync_matrix_free(&end.seen);
    *last = rc == SYNC_OK;
    return rc == SYNC_OK ? SYNC_ROW : rc;
}

uint64_t sync_changes_rows(const sync_changes *c)
{
    return c->rows;
}

int sync_changes_receiver(sync_changes *c, sync_buf *seen, sync_error *error)
{
    sync_closing end = {0};
    sync_head *r = &c->receiver;
    int rc = closing(c, &end, error);
    /* the receiver's blob may lack sites that it will now know: rebuild it over the union of both */
    uint32_t count = r->site_count, *at = NULL;
    sync_head joined = {0};
    if (rc == SYNC_OK && (at = sync_alloc((c->head.site_count + 1) * sizeof *at)) == NULL) {
        rc = sync_fail_nomem(error);
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < c->head.site_count; i++) {
        at[i] = sync_head_site(r, c->head.sites[i]);
        at[i] = at[i] == UINT32_MAX ? count++ : at[i];
    }
    if (rc == SYNC_OK) {
        rc = sync_head_set_sites(&joined, count);
        rc = rc == SYNC_OK ? sync_matrix_init(&joined.base, r->table_count, count) : rc;
        rc = rc == SYNC_OK ? sync_matrix_init(&joined.start, r->table_count, count) : rc;
        rc = rc == SYNC_OK ? rc : sync_fail(error, rc, "too many tables and sites for one seen blob");
    }
    if (rc == SYNC_OK) {
        memcpy(joined.site, r->site, SYNC_SITE_BYTES);
        memcpy(joined.sites, r->sites, (size_t)r->site_count * SYNC_SITE_BYTES);
        for (uint32_t i = 0; i < c->head.site_count; i++) {
            memcpy(joined.sites[at[i]], c->head.sites[i], SYNC_SITE_BYTES);
        }
        joined.table_count = r->table_count;
        joined.tables = r->tables; /* lent for the encoding */
    }
    for (uint32_t t = 0; rc == SYNC_OK && t < r->table_count; t++) {
        for (uint32_t i = 0; i < r->site_count; i++) {
            sync_matrix_set(&joined.base, t, i, sync_matrix_at(&r->base, t, i));
            sync_matrix_set(&joined.start, t, i, sync_matrix_at(&r->start, t, i));
        }
        const sync_table *mine = sync_engine_table(c->s, r->tables[t].name);
        uint32_t h = mine ? c->place[mine - c->s->tables] : UINT32_MAX;
        for (uint32_t i = 0; h != UINT32_MAX && i < c->head.site_count; i++) {
            sync_matrix_raise(&joined.base, t, at[i], sync_matrix_at(&end.seen, h, i));
        }
        if (h != UINT32_MAX) {
            sync_matrix_raise(&joined.start, t, at[0], end.end);
        }
    }
    if (rc == SYNC_OK) {
        rc = sync_seen_put(seen, &joined);
        rc = rc == SYNC_OK && !seen->oom ? SYNC_OK
                                         : sync_fail(error, rc == SYNC_OK ? SYNC_NOMEM : rc, "no seen blob");
    }
    joined.table_count = 0;
    joined.tables = NULL;
    sync_head_free(&joined);
    sync_matrix_free(&end.seen);
    sync_free(at);
    return rc;
}
