#include "gone.h"

#include "meant.h"

#include <string.h>

/* One pass over the rows of a table. */
typedef struct pass {
    sync_db *s;
    sync_error *error;
    sync_table *t;
    sync_gone_from from;
    const uint32_t *cids;
    const uint32_t *parents;
    uint32_t count;
    sqlite3_stmt *entry; /* a journal entry for a row that gets a clock */
    sync_row row;
    sync_buf clock;
    int64_t lost;
    bool carries; /* some values are in clocks now */
    bool entries; /* some rows got one */
} pass;

enum { COLUMN_SEQ, COLUMN_CLOCK, COLUMN_KEY };

/* Sorted by what no index gives: rows are all read before the first clock is written. */
static int prepare_rows(pass *p, sqlite3_stmt **stmt)
{
    const sync_table *t = p->t;
    sqlite3_str *sql = sqlite3_str_new(p->s->db);
    sqlite3_str_appendall(sql, "SELECT c.seq, c.clock, ");
    sync_str_keys(sql, t, "b.\"%w\"", ", ");
    for (uint32_t i = 0; p->from != SYNC_GONE_NOWHERE && i < p->count; i++) {
        if (p->from == SYNC_GONE_TABLE) {
            sqlite3_str_appendf(sql, ", b.\"%w\"", t->cols[p->cids[i]].name);
        } else {
            sqlite3_str_appendf(sql, ", v.c%u", p->cids[i]);
        }
    }
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS b", t->name);
    if (p->from == SYNC_GONE_BEFORE) {
        sqlite3_str_appendf(sql, " JOIN temp.sync_before_%u AS v ON ", t->tid);
        sync_str_match_base(sql, t, "b", "v");
    }
    sqlite3_str_appendf(sql, " LEFT JOIN main.sync_row_%u AS c ON ", t->tid);
    sync_str_match_base(sql, t, "b", "c");
    sqlite3_str_appendall(sql, " WHERE ");
    sync_str_keys(sql, t, "b.\"%w\" IS NOT NULL", " AND ");
    sqlite3_str_appendf(sql, " ORDER BY +b.\"%w\"", t->key_names[0]);
    return sync_prepare_text(p->s, stmt, p->error, sqlite3_str_finish(sql));
}

static int prepare_entry(pass *p)
{
    const sync_env *env = sync_env_get();
    sqlite3_str *sql = sqlite3_str_new(p->s->db);
    sqlite3_str_appendall(sql, "INSERT INTO main.sync_journal(tid, op, at, ");
    sync_str_numbers(sql, p->t, "k%d", ", ");
    sqlite3_str_appendf(sql, ") VALUES(%u, %d, %lld", p->t->tid, SYNC_OP_LOOK,
                        (long long)env->now_ms(env->context));
    for (uint32_t i = 0; i < p->t->key_count; i++) {
        sqlite3_str_appendf(sql, ", ?%d", (int)i + 4);
    }
    sqlite3_str_appendall(sql, ")");
    return sync_prepare_text(p->s, &p->entry, p->error, sqlite3_str_finish(sql));
}

static bool goes(const pass *p, uint32_t cid)
{
    bool found = false;
    for (uint32_t i = 0; !found && i < p->count; i++) {
        found = p->cids[i] == cid;
    }
    return found;
}

/* A row without a clock: its cells are those of the tracking. */
static int genesis_state(pass *p)
{
    const sync_table *t = p->t;
    sync_stamp stamp = {t->epoch, t->genesis_site, 0};
    sync_row_reset(&p->row);
    p->row.cl = 1;
    p->row.born = sync_engine_genesis_born(t);
    p->row.stamp = stamp;
    for (uint32_t c = 0; c < t->genesis_covers; c++) {
        if ((t->cols[c].present || goes(p, c)) && sync_row_set(&p->row, c, stamp) == NULL) {
            return sync_fail_nomem(p->error);
        }
    }
    return SYNC_OK;
}

static int read_state(pass *p, sqlite3_stmt *stmt)
{
    if (sqlite3_column_type(stmt, COLUMN_CLOCK) == SQLITE_NULL) {
        return genesis_state(p);
    }
    sync_value clock = sync_column_value(stmt, COLUMN_CLOCK);
    int rc = sync_clocks_unpack(p->s, p->t, &clock, &p->row);
    if (rc == SYNC_OK && p->row.moved) { /* it lies under the number that the row shows */
        sync_row_lies(&p->row, sqlite3_column_int64(stmt, COLUMN_KEY));
    }
    return rc == SYNC_OK ? rc : sync_fail(p->error, rc, "sync_row_%u: a clock is damaged", p->t->tid);
}

uint32_t sync_gone_parent(const sync_db *s, const sync_table *t, uint32_t cid)
{
    for (uint32_t i = 0; i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        if (fk->child_tid == t->tid && fk->to_row && fk->from_col == cid) {
            return fk->parent_tid;
        }
    }
    return 0;
}

/* A foreign key's value as rows that are held or sent have it: the number at birth, and whose it is. */
static int take_meaning(pass *p, sync_cell *cell, uint32_t parent_tid)
{
    sync_table *parent = parent_tid ? sync_engine_tid(p->s, parent_tid) : NULL;
    sync_stamp born = SYNC_STAMP_NONE;
    int64_t birth = 0;
    if (parent == NULL || parent->identity != SYNC_BY_ROW || cell->value.type != SYNC_INTEGER) {
        return SYNC_OK;
    }
    int rc = sync_meant_number(p->s, parent, SYNC_IN_FILE, cell->value.i, &born, &birth, p->error);
    cell->value.i = rc == SYNC_OK ? birth : cell->value.i;
    if (rc != SYNC_OK || sync_stamp_is_none(born)) {
        return rc;
    }
    return sync_row_add_ref(&p->row, (sync_ref){cell->col, birth, born}) == SYNC_OK
               ? SYNC_OK
               : sync_fail_nomem(p->error);
}

/* Takes the cells of the row in hand out of the base table. */
static int take_cells(pass *p, sqlite3_stmt *stmt, bool *changed)
{
    sync_row *row = &p->row;
    int rc = SYNC_OK;
    *changed = false;
    for (uint32_t i = 0; rc == SYNC_OK && i < p->count; i++) {
        sync_cell *cell = sync_row_find(row, p->cids[i]);
        p->carries = p->carries || (cell && cell->carried); /* a cell that was refused */
        if (cell == NULL || cell->carried) {
            continue;
        }
        *changed = true;
        if (p->from == SYNC_GONE_NOWHERE) {
            p->lost++;
            row->count--;
            memmove(cell, cell + 1, (size_t)(row->cells + row->count - cell) * sizeof *cell);
        } else {
            cell->carried = p->carries = true;
            cell->value = sync_column_value(stmt, COLUMN_KEY + (int)(p->t->key_count + i));
            rc = take_meaning(p, cell, p->parents ? p->parents[i] : sync_gone_parent(p->s, p->t, p->cids[i]));
        }
    }
    return rc;
}

static int put_state(pass *p, sqlite3_stmt *stmt)
{
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    bool fresh = sqlite3_column_type(stmt, COLUMN_CLOCK) == SQLITE_NULL;
    int64_t seq = sqlite3_column_int64(stmt, COLUMN_SEQ);
    int rc = SYNC_OK;
    for (uint32_t i = 0; i < p->t->key_count; i++) {
        key[i] = sync_column_value(stmt, COLUMN_KEY + (int)i);
    }
    if (fresh) {
        rc = p->entry ? SYNC_OK : prepare_entry(p);
        rc = rc == SYNC_OK ? sync_clocks_bind_key(p->s, p->entry, p->t, key, p->error) : rc;
        rc = rc == SYNC_OK ? sync_run(p->s, p->entry, p->error) : rc;
        seq = sqlite3_last_insert_rowid(p->s->db);
        p->entries = true;
    }
    sync_buf_reset(&p->clock);
    sync_clock_put(&p->clock, &p->row, p->t->identity, p->t->epoch);
    return rc == SYNC_OK ? sync_clocks_put(p->s, p->t, SYNC_IN_FILE, key, 0, seq, &p->clock, fresh, p->error)
                         : rc;
}

/* The journal goes on, and is folded up to there. */
static int end_pass(pass *p)
{
    int rc = p->carries ? sync_engine_set_pending(p->s, p->t, p->error) : SYNC_OK;
    if (rc == SYNC_OK && p->entries) {
        rc = sync_clocks_drop_stale(p->s, p->error);
        rc = rc == SYNC_OK
                 ? sync_query_int(p->s, &p->s->folded, 0, p->error, "SELECT max(seq) FROM main.sync_journal")
                 : rc;
        rc = rc == SYNC_OK ? sync_engine_save(p->s, p->error) : rc;
    }
    return rc;
}

int sync_gone_cells(sync_db *s, sync_table *t, sync_gone_from from, const uint32_t *cids,
                    const uint32_t *parents, uint32_t count, int64_t *lost, sync_error *error)
{
    pass p = {.s = s, .error = error, .t = t, .from = from, .cids = cids, .parents = parents, .count = count};
    bool changed = false;
    sqlite3_stmt *stmt = NULL;
    int rc = prepare_rows(&p, &stmt);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = read_state(&p, stmt);
        if (rc == SYNC_OK && sync_row_alive(&p.row) && !p.row.held) {
            rc = take_cells(&p, stmt, &changed);
            rc = rc == SYNC_OK && changed ? put_state(&p, stmt) : rc;
        }
    }
    sqlite3_finalize(stmt);
    sqlite3_finalize(p.entry);
    rc = rc == SQLITE_DONE ? end_pass(&p) : rc;
    sync_row_free(&p.row);
    sync_buf_free(&p.clock);
    *lost = p.lost;
    return rc;
}

/* ---- what the local half of an operation does about them ---- */

bool sync_gone_stirs(const sync_table *t)
{
    bool stirs = t->late || t->untriggered;
    for (uint32_t i = 0; !stirs && i < t->col_count; i++) {
        stirs = t->cols[i].learned || t->cols[i].lost || t->cols[i].left;
    }
    return t->moved_to || (stirs && !t->missing);
}

static int settle_table(sync_db *s, sync_table *t, bool *any, sync_error *error)
{
    uint32_t count = 0, *cids = sync_alloc((t->col_count + 1) * sizeof *cids);
    int64_t lost = 0;
    if (cids == NULL) {
        return sync_fail_nomem(error);
    }
    for (uint32_t c = 0; c < t->col_count; c++) {
        *any = *any || t->cols[c].lost || t->cols[c].left;
        if (t->cols[c].lost) {
            cids[count++] = c;
        }
    }
    int rc = count ? sync_gone_cells(s, t, SYNC_GONE_NOWHERE, cids, NULL, count, &lost, error) : SYNC_OK;
    sync_free(cids);
    return rc == SYNC_OK && lost && s->sites.count > 2 ? sync_engine_ask_anew(s, t->tid, false, error) : rc;
}

int sync_gone_settle(sync_db *s, bool *touched, bool *any, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        bool here = false;
        rc = s->tables[i].missing ? SYNC_OK : settle_table(s, &s->tables[i], &here, error);
        touched[i] = touched[i] || here;
        *any = *any || here;
    }
    return rc;
}
