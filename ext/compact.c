#include "compact.h"

#include "clocks.h"
#include "peers.h"

#include <string.h>

/* One pass over the clocks of a table. */
typedef struct pass {
    sync_db *s;
    sync_table *t;
    sync_error *error;
    uint32_t at;     /* of the table */
    int64_t old_ms;  /* what is older goes in any case */
    int64_t calm_ms; /* what is older goes once everybody has it */
    const sync_matrix *lowest, *seen;
    bool known;
    sync_matrix *floor;
    uint64_t lives;
    sync_row row;
    sqlite3_stmt *doom;
    sqlite3_stmt *stubs, *doom_stub; /* identity row */
    int64_t gone;
} pass;

static int64_t before(int64_t now_ms, int64_t seconds)
{
    return seconds < 0 || seconds > now_ms / 1000 ? INT64_MIN : now_ms - seconds * 1000;
}

/* May this tombstone be forgotten? Of identity row: not those of rows that are known by their number alone, which any copy of the
** file may bring along, nor those under numbers by which the fold tells what was there before tracking. */
static bool may_go(const pass *p, int64_t number)
{
    const sync_stamp stamp = p->row.stamp;
    int64_t at_ms = (int64_t)(stamp.hlc >> 16);
    if (p->t->identity == SYNC_BY_ROW && (sync_stamp_equal(p->row.born, sync_engine_genesis_born(p->t)) ||
                                          sync_stamp_is_none(p->row.born) || number <= p->t->genesis_max)) {
        return false;
    }
    if (stamp.hlc > sync_matrix_at(p->seen, p->at, stamp.site)) {
        return false; /* of an id that the file gave up before all under it was folded: nobody can say to have seen it */
    }
    if (p->t->identity == SYNC_BY_ROW && p->row.born.hlc > sync_matrix_at(p->seen, p->at, p->row.born.site)) {
        return false; /* the row has come ahead of `seen`, and will come once more */
    }
    return at_ms <= p->old_ms ||
           (at_ms <= p->calm_ms && p->known && stamp.hlc <= sync_matrix_at(p->lowest, p->at, stamp.site));
}

/* The entry at the number at birth of the row in hand, which says that its tombstone lies elsewhere, goes with it. */
static int doom_stub(pass *p)
{
    sync_row stub = {0};
    int64_t birth = p->row.birth;
    int rc = sqlite3_bind_int64(p->stubs, 1, birth) ? sync_fail_db(p->s, p->error, NULL) : SYNC_OK;
    while (rc == SYNC_OK && (rc = sync_step(p->s, p->stubs, p->error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(p->stubs, 1);
        rc = sync_clocks_unpack(p->s, p->t, &clock, &stub);
        if (rc != SYNC_OK) {
            sync_fail(p->error, rc, "sync_hidden_%u: a clock is damaged", p->t->tid);
        } else if (sync_stamp_equal(stub.born, p->row.born)) {
            rc = sqlite3_bind_int64(p->doom_stub, 1, birth) ||
                         sqlite3_bind_int64(p->doom_stub, 2, sqlite3_column_int64(p->stubs, 0))
                     ? sync_fail_db(p->s, p->error, NULL)
                     : sync_run(p->s, p->doom_stub, p->error);
        }
    }
    sqlite3_reset(p->stubs);
    sync_row_free(&stub);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int consider(pass *p, sqlite3_stmt *stmt)
{
    sync_value clock = sync_column_value(stmt, 1);
    int rc = sync_clocks_unpack(p->s, p->t, &clock, &p->row);
    if (rc != SYNC_OK) {
        return sync_fail(p->error, rc, "sync_row_%u: a clock is damaged", p->t->tid);
    }
    if (sync_row_alive(&p->row) || !may_go(p, sqlite3_column_int64(stmt, 2))) {
        return SYNC_OK;
    }
    sync_matrix_raise(p->floor, p->at, p->row.stamp.site, p->row.stamp.hlc);
    if (p->t->identity == SYNC_BY_KEY && p->row.cl > p->lives) {
        p->lives = p->row.cl;
    }
    p->gone++;
    if (p->t->identity == SYNC_BY_ROW && p->row.moved && (rc = doom_stub(p)) != SYNC_OK) {
        return rc;
    }
    return sqlite3_bind_int64(p->doom, 1, sqlite3_column_int64(stmt, 0)) ? sync_fail_db(p->s, p->error, NULL)
                                                                         : sync_run(p->s, p->doom, p->error);
}

static int prepare(pass *p)
{
    sync_db *s = p->s;
    int rc = sync_exec(s, p->error,
                       "CREATE TABLE IF NOT EXISTS temp.sync_doomed(seq INTEGER PRIMARY KEY);"
                       "CREATE TABLE IF NOT EXISTS temp.sync_doomed_stub(k1, j);"
                       "DELETE FROM temp.sync_doomed; DELETE FROM temp.sync_doomed_stub");
    rc = rc == SYNC_OK
             ? sync_prepare(s, &p->doom, p->error, "INSERT OR IGNORE INTO temp.sync_doomed VALUES(?1)")
             : rc;
    if (rc == SYNC_OK && p->t->identity == SYNC_BY_ROW) {
        rc = sync_prepare(s, &p->stubs, p->error,
                          "SELECT j, clock FROM main.sync_hidden_%u WHERE k1 = ?1 AND seq = 0", p->t->tid);
        rc = rc == SYNC_OK ? sync_prepare(s, &p->doom_stub, p->error,
                                          "INSERT INTO temp.sync_doomed_stub VALUES(?1, ?2)")
                           : rc;
    }
    return rc;
}

/* Tombstones are known by their journal entries, each of which belongs to one clock. */
static int look_through(pass *p, const char *kind)
{
    sync_db *s = p->s;
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(p);
    rc = rc == SYNC_OK
             ? sync_prepare(s, &stmt, p->error, "SELECT seq, clock, k1 FROM main.sync_%s_%u", kind, p->t->tid)
             : rc;
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, p->error)) == SQLITE_ROW) {
        rc = consider(p, stmt);
    }
    sqlite3_finalize(stmt);
    sqlite3_finalize(p->doom);
    sqlite3_finalize(p->stubs);
    sqlite3_finalize(p->doom_stub);
    rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    if (rc == SYNC_OK && p->gone) {
        rc = sync_exec(s, p->error,
                       "DELETE FROM main.sync_%s_%u WHERE seq IN (SELECT seq FROM temp.sync_doomed);"
                       "DELETE FROM main.sync_journal WHERE seq IN (SELECT seq FROM temp.sync_doomed) AND"
                       " seq < (SELECT max(seq) FROM main.sync_journal)",
                       kind, p->t->tid);
    }
    if (rc == SYNC_OK && p->gone && p->t->identity == SYNC_BY_ROW) {
        rc = sync_exec(
            s, p->error,
            "DELETE FROM main.sync_hidden_%u WHERE (k1, j) IN (SELECT k1, j FROM temp.sync_doomed_stub)",
            p->t->tid);
    }
    return rc;
}

/* Where a row has come ahead of `seen`, its delete may have to outlast the rest of what it came with. A tombstone of identity row knows whether its row did. */
static bool is_ahead(const pass *p, const sync_matrix *seen, const sync_matrix *met)
{
    bool ahead = false;
    for (uint32_t i = 1; p->t->identity == SYNC_BY_KEY && i < met->sites; i++) {
        ahead = ahead || sync_matrix_at(met, p->at, i) > sync_matrix_at(seen, p->at, i);
    }
    return ahead;
}

/* Rows that refer to rows which are gone mean the last one that had the number: its tombstone tells which that was. */
static int is_meant(pass *p, bool *meant)
{
    sync_db *s = p->s;
    int64_t found = 0;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && !found && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        const sync_table *child = sync_engine_tid(s, fk->child_tid);
        if (fk->parent_tid == p->t->tid && fk->to_row && child && !child->missing) {
            rc = sync_query_int(
                s, &found, 0, p->error,
                "SELECT EXISTS (SELECT 1 FROM main.\"%w\" AS c WHERE c.\"%w\" IS NOT NULL AND NOT EXISTS"
                " (SELECT 1 FROM main.\"%w\" AS p WHERE p.\"%w\" = c.\"%w\"))",
                child->name, fk->from[0], p->t->name, p->t->key_names[0], fk->from[0]);
        }
    }
    *meant = found != 0;
    return rc;
}

static int compact_table(pass *p)
{
    bool meant = false;
    int rc = p->t->identity == SYNC_BY_ROW ? is_meant(p, &meant) : SYNC_OK;
    if (rc != SYNC_OK || meant) {
        return rc;
    }
    rc = look_through(p, p->t->identity == SYNC_BY_ROW ? "hidden" : "row");
    return rc == SYNC_OK && p->lives > p->t->lives ? sync_engine_set_lives(p->s, p->t, p->lives, p->error)
                                                   : rc;
}

int sync_compact(sync_db *s, const sync_compaction *how, int64_t *gone, sync_error *error)
{
    const sync_env *env = sync_env_get();
    int64_t now_ms = env->now_ms(env->context), peers = 0;
    sync_matrix lowest = {0}, floor = {0}, seen = {0}, met = {0};
    bool *known = sync_alloc(s->table_count + 1);
    int rc = known ? SYNC_OK : sync_fail_nomem(error);
    *gone = 0;
    rc = rc == SYNC_OK ? sync_peers_forget(s, before(now_ms, how->age), &peers, error) : rc;
    rc = rc == SYNC_OK ? sync_peers_lowest(s, &lowest, known, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_floor(s, &floor, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_seen(s, &seen, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_met(s, &met, error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        pass p = {.s = s,
                  .t = &s->tables[i],
                  .error = error,
                  .at = i,
                  .lowest = &lowest,
                  .seen = &seen,
                  .known = known[i],
                  .floor = &floor};
        p.old_ms = before(now_ms, how->age);
        p.calm_ms = before(now_ms, how->acknowledged);
        rc = p.t->missing || is_ahead(&p, &seen, &met) ? SYNC_OK : compact_table(&p);
        *gone += p.gone;
        sync_row_free(&p.row);
    }
    rc = rc == SYNC_OK && *gone ? sync_engine_save_floor(s, &floor, error) : rc;
    rc = rc == SYNC_OK && (*gone || peers) ? sync_engine_save(s, error) : rc;
    sync_matrix_free(&lowest);
    sync_matrix_free(&floor);
    sync_matrix_free(&seen);
    sync_matrix_free(&met);
    sync_free(known);
    return rc;
}

/* The entry at the number at birth of a row whose tombstone lies elsewhere. */
static int drop_stub(sync_db *s, sync_table *t, const sync_row *row, sync_error *error)
{
    pass p = {.s = s, .t = t, .error = error, .row = *row};
    int rc = prepare(&p);
    rc = rc == SYNC_OK ? doom_stub(&p) : rc;
    sqlite3_finalize(p.doom);
    sqlite3_finalize(p.stubs);
    sqlite3_finalize(p.doom_stub);
    return rc == SYNC_OK ? sync_exec(s, error,
                                     "DELETE FROM main.sync_hidden_%u WHERE (k1, j) IN (SELECT k1, j FROM "
                                     "temp.sync_doomed_stub)",
                                     t->tid)
                         : rc;
}

int sync_compact_one(sync_db *s, sync_table *t, int64_t seq, const sync_row *row, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int64_t newest = 0;
    bool by_row = t->identity == SYNC_BY_ROW;
    int rc = by_row && row->moved ? drop_stub(s, t, row, error) : SYNC_OK;
    rc = rc == SYNC_OK ? sync_borrow(s, &stmt, error, "DELETE FROM main.sync_%s_%u WHERE seq = ?1",
                                     by_row ? "hidden" : "row", t->tid)
                       : rc;
    rc = rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, seq) ? sync_fail_db(s, error, NULL) : rc;
    rc = rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
    sync_return(s, stmt);
    rc = rc == SYNC_OK ? sync_query_int(s, &newest, 0, error, "SELECT max(seq) FROM main.sync_journal") : rc;
    return rc == SYNC_OK && seq < newest ? sync_clocks_drop_entry(s, seq, error) : rc;
}
