#include "moves.h"

#include "clocks.h"
#include "orphans.h"
#include "renumber.h"

#include <stdlib.h>
#include <string.h>

enum { MOVES_MIN = 2, MOVES_CHUNK = 4096 };

struct sync_moving {
    bool asked, able;
    int64_t highest; /* of the numbers that arrive */
    uint32_t count, cap;
    int64_t *numbers; /* that rows are to leave */
};

/* Of one table, part by part. */
typedef struct batch {
    sync_merging *m;
    sync_table *t;
    sync_chunk clocks,
        stubs; /* under the new numbers (and the old ones beside them), and what is left at the old ones */
    sync_arena keys;
    sync_row row;
} batch;

void sync_moves_free(sync_moves *moves)
{
    for (uint32_t i = 0; moves->tables && i < moves->m->s->table_count; i++) {
        sync_free(moves->tables[i].numbers);
    }
    sync_free(moves->tables);
}

/* ---- who is to move ---- */

/* No trigger of the application's is passed over, and every column that means such a row is one that we know. */
static bool is_able(const sync_db *s, const sync_table *t)
{
    bool able = sync_renumber_may(s, t) && !t->user_triggers && !s->outer_children;
    for (uint32_t i = 0; able && i < s->fk_count; i++) {
        for (uint32_t c = 0; able && s->fks[i].parent_tid == t->tid && c < s->table_count; c++) {
            able = s->tables[c].tid != s->fks[i].child_tid || !s->tables[c].user_triggers;
        }
    }
    return able;
}

static int add(sync_merging *m, sync_moving *of, int64_t number)
{
    if (of->count == of->cap) {
        uint32_t cap = of->cap ? of->cap * 2 : 64;
        int64_t *wider = sync_realloc(of->numbers, cap * sizeof *wider);
        if (wider == NULL) {
            return sync_fail_nomem(m->error);
        }
        of->numbers = wider;
        of->cap = cap;
    }
    of->numbers[of->count++] = number;
    return SYNC_OK;
}

static void build_at(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT clock FROM main.sync_row_%u WHERE k1 = ?1", t->tid);
}

/* Is a row of this file shown under the number, which it has had from birth, and whose claim is younger? */
static int look(sync_merging *m, sync_table *t, int64_t number, sync_stamp since, bool *moves, sync_row *row)
{
    sqlite3_stmt *stmt;
    *moves = false;
    int rc = sync_table_stmt(m->s, t, SYNC_STMT_MOVES_AT, build_at, &stmt, m->error);
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, number)) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = sync_step(m->s, stmt, m->error);
    if (rc == SQLITE_ROW) {
        sync_value blob = sync_column_value(stmt, 0), kept;
        rc = sync_arena_value(&m->arena, &blob, &kept) ? sync_clocks_unpack(m->s, t, &kept, row) : SYNC_NOMEM;
        rc = rc == SYNC_OK ? rc : sync_fail(m->error, rc, "sync_row_%u: a clock is damaged", t->tid);
        bool own = row->stamp.site == m->s->own_site && row->stamp.written && !row->held &&
                   sync_row_alive(row) && (!row->moved || row->birth == number);
        *moves = rc == SYNC_OK && own &&
                 sync_stamp_compare(&m->s->sites, since, row->moved ? row->since : row->born) < 0;
    }
    return sync_reset_read(stmt, rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc, m->error);
}

/* Is it known here that the row that comes is gone? Most are not known at all. */
static int is_gone(sync_merging *m, sync_table *t, const sync_value *key, sync_stamp born, bool *gone)
{
    int64_t others = 0;
    sync_row row = {0};
    sync_slot slot;
    *gone = false;
    int rc = sync_clocks_highest(m->s, t, SYNC_IN_FILE, key, &others, m->error);
    if (rc == SYNC_OK && others) {
        rc = sync_find(m, t, key, born, &row, &slot);
        *gone = row.cl && !sync_row_alive(&row);
    }
    sync_row_free(&row);
    return rc;
}

int sync_moves_note(sync_moves *moves, sync_table *t, const sync_value *key, const sync_row *row)
{
    sync_merging *m = moves->m;
    if (moves->tables == NULL) {
        moves->tables = sync_alloc((m->s->table_count + 1) * sizeof *moves->tables);
        if (moves->tables == NULL) {
            return sync_fail_nomem(m->error);
        }
        memset(moves->tables, 0, (m->s->table_count + 1) * sizeof *moves->tables);
    }
    sync_moving *of = &moves->tables[t - m->s->tables];
    if (!of->asked) {
        of->asked = true;
        of->able = is_able(m->s, t);
    }
    if (!of->able || key->type != SYNC_INTEGER || !sync_row_alive(row)) {
        return SYNC_OK;
    }
    int64_t number = row->moved ? row->number : key->i;
    of->highest = number > of->highest ? number : of->highest;
    if (sync_stamp_is_none(row->stamp)) {
        return SYNC_OK; /* not a new one */
    }
    sync_row here = {0};
    bool pushed = false;
    sync_arena_reset(&m->arena);
    int rc = look(m, t, number, row->moved ? row->since : row->born, &pushed, &here);
    pushed = pushed && !sync_stamp_equal(here.born, row->born);
    if (rc == SYNC_OK && pushed) {
        bool gone = false;
        rc = is_gone(m, t, key, row->born, &gone);
        rc = rc == SYNC_OK && !gone ? add(m, of, number) : rc;
    }
    sync_row_free(&here);
    return rc;
}

/* ---- moving ---- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The clock of one row under its new number, and the stub at the old one. */
static int take(batch *b, int64_t old, int64_t number)
{
    sync_merging *m = b->m;
    sync_value *keys = sync_arena_alloc(&b->keys, 2 * sizeof *keys);
    bool moves = false;
    sync_arena_reset(&m->arena);
    int rc = keys ? look(m, b->t, old, SYNC_STAMP_NONE, &moves, &b->row) : sync_fail_nomem(m->error);
    if (rc != SYNC_OK) {
        return rc;
    }
    keys[0] = (sync_value){.type = SYNC_INTEGER, .i = number};
    keys[1] = (sync_value){.type = SYNC_INTEGER, .i = old};
    b->row.stamp = b->row.since = sync_merging_stamp(m);
    b->row.birth = old;
    b->row.number = number;
    b->row.moved = true;
    size_t before = b->clocks.clocks.len;
    sync_clock_put(&b->clocks.clocks, &b->row, b->t->identity, b->t->epoch);
    rc = sync_chunk_add(&b->clocks, keys, ++m->newest, b->clocks.clocks.len - before, m->error);
    sync_row stub = {.cl = 1, .born = b->row.born, .stamp = b->row.born, .moved = true, .birth = number};
    before = b->stubs.clocks.len;
    sync_clock_put(&b->stubs.clocks, &stub, b->t->identity, b->t->epoch);
    return rc == SYNC_OK ? sync_chunk_add(&b->stubs, &keys[1], 0, b->stubs.clocks.len - before, m->error)
                         : rc;
}

/* A column of a child: what says a number that is left says the new one. */
static int move_column(batch *b, const sync_table *t, const char *name)
{
    return sync_exec(
        b->m->s, b->m->error,
        "UPDATE OR FAIL main.\"%w\" SET \"%w\" = (SELECT new FROM temp.sync_moves WHERE old = \"%w\") WHERE "
        "\"%w\" IN (SELECT old FROM temp.sync_moves)",
        t->name, name, name, name);
}

/* The same of a part of its key: its clocks and their entries go along, which lie under what it shows. */
static int move_key(batch *b, const sync_table *t, uint32_t part)
{
    sync_db *s = b->m->s;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(
        sql,
        "UPDATE main.sync_journal SET k%u = (SELECT new FROM temp.sync_moves WHERE old = k%u) "
        "WHERE seq IN (SELECT r.seq FROM main.\"%w\" AS b JOIN main.sync_row_%u AS r ON ",
        part + 1, part + 1, t->name, t->tid);
    sync_str_match_base(sql, t, "b", "r");
    sqlite3_str_appendf(
        sql,
        " WHERE b.\"%w\" IN (SELECT old FROM temp.sync_moves)); UPDATE OR FAIL main.sync_row_%u SET "
        "k%u = (SELECT new FROM temp.sync_moves WHERE old = k%u) WHERE (",
        t->key_names[part], t->tid, part + 1, part + 1);
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendall(sql, ") IN (SELECT ");
    sync_str_keys(sql, t, "\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE \"%w\" IN (SELECT old FROM temp.sync_moves))", t->name,
                        t->key_names[part]);
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sync_exec(s, b->m->error, "%s", text) : sync_fail_nomem(b->m->error);
    sqlite3_free(text);
    return rc == SYNC_OK ? move_column(b, t, t->key_names[part]) : rc;
}

static int move_base(batch *b)
{
    sync_db *s = b->m->s;
    int rc = move_column(b, b->t, b->t->key_names[0]);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        sync_table *child =
            fk->parent_tid == b->t->tid && fk->to_row ? sync_engine_tid(s, fk->child_tid) : NULL;
        if (child) {
            rc = fk->from_col < SYNC_REF_KEY ? move_column(b, child, fk->from[0])
                                             : move_key(b, child, fk->from_col - SYNC_REF_KEY);
            b->m->touched[child - s->tables] = true;
        }
    }
    b->m->touched[b->t - s->tables] = true;
    return rc;
}

/* A statement over one of the chunks. */
static int over(batch *b, sync_chunk *chunk, const char *sql)
{
    sync_db *s = b->m->s;
    sqlite3_stmt *stmt = NULL;
    sync_chunk_show(s, b->t, chunk);
    s->chunk_keys = chunk == &b->clocks ? 2 : 1;
    int rc = sync_prepare(s, &stmt, b->m->error, sql, b->t->tid, b->t->tid, (long long)b->m->now_ms);
    rc = rc == SYNC_OK ? sync_run(s, stmt, b->m->error) : rc;
    sqlite3_finalize(stmt);
    s->chunk = NULL;
    return rc;
}

static int move_part(batch *b)
{
    sync_db *s = b->m->s;
    int rc = sync_exec(s, b->m->error,
                       "CREATE TEMP TABLE IF NOT EXISTS sync_moves(old INTEGER PRIMARY KEY, new); "
                       "DELETE FROM temp.sync_moves");
    rc =
        rc == SYNC_OK ? over(b, &b->clocks, "INSERT INTO temp.sync_moves SELECT k2, k1 FROM sync_chunk") : rc;
    rc = rc == SYNC_OK ? move_base(b) : rc;
    rc = rc == SYNC_OK
             ? over(b, &b->clocks,
                    "INSERT OR FAIL INTO main.sync_journal(seq, tid, op, at, k1) SELECT seq, %u, %u * 0, "
                    "%lld, k1 FROM sync_chunk")
             : rc;
    rc = rc == SYNC_OK ? sync_exec(s, b->m->error,
                                   "DELETE FROM main.sync_journal WHERE seq IN (SELECT seq FROM "
                                   "main.sync_row_%u WHERE k1 IN (SELECT old FROM temp.sync_moves)); DELETE "
                                   "FROM main.sync_row_%u WHERE k1 IN (SELECT old FROM temp.sync_moves)",
                                   b->t->tid, b->t->tid)
                       : rc;
    rc = rc == SYNC_OK
             ? over(b, &b->stubs,
                    "INSERT OR FAIL INTO main.sync_hidden_%u(seq, clock, j, k1) SELECT 0, clock, 1 + "
                    "coalesce((SELECT max(j) FROM main.sync_hidden_%u AS h WHERE h.k1 = c.k1), 0), "
                    "k1 FROM sync_chunk AS c")
             : rc;
    s->chunk_keys = 1;
    rc = rc == SYNC_OK ? sync_chunk_write(s, b->t, &b->clocks, b->m->error) : rc;
    b->clocks.count = b->stubs.count = 0;
    sync_buf_reset(&b->clocks.clocks);
    sync_buf_reset(&b->stubs.clocks);
    sync_arena_reset(&b->keys);
    return rc;
}

/* AUTOINCREMENT gives no number twice; an UPDATE does not tell it. */
static int hand_out(sync_merging *m, const sync_table *t, int64_t highest)
{
    int64_t counts = 0;
    int rc = sync_query_int(m->s, &counts, 0, m->error,
                            "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sqlite_sequence'");
    return rc == SYNC_OK && counts
               ? sync_exec(m->s, m->error,
                           "UPDATE main.sqlite_sequence SET seq = %lld WHERE name = %Q AND seq < %lld",
                           (long long)highest, t->name, (long long)highest)
               : rc;
}

static int move_table(sync_merging *m, sync_table *t, sync_moving *of, int64_t highest)
{
    batch b = {.m = m, .t = t};
    int rc = SYNC_OK;
    qsort(of->numbers, of->count, sizeof *of->numbers, compare);
    for (uint32_t i = 0; rc == SYNC_OK && i < of->count; i++) {
        if (i == 0 || of->numbers[i] != of->numbers[i - 1]) {
            rc = take(&b, of->numbers[i], ++highest);
        }
        if (rc == SYNC_OK && b.clocks.count && (b.clocks.count == MOVES_CHUNK || i + 1 == of->count)) {
            rc = move_part(&b);
        }
    }
    rc = rc == SYNC_OK ? hand_out(m, t, highest) : rc;
    sync_chunk_free(&b.clocks);
    sync_chunk_free(&b.stubs);
    sync_arena_free(&b.keys);
    sync_row_free(&b.row);
    return rc;
}

/* Can the declaration of a table refuse a number that nobody has had: by CHECK, or by a UNIQUE index on what is made of it? */
static int is_strict(sync_merging *m, const sync_table *t, int64_t *strict)
{
    for (uint32_t u = 0; u < t->unique_count; u++) {
        *strict = *strict || !t->uniques[u].plain;
    }
    return *strict ? SYNC_OK
                   : sync_query_int(m->s, strict, 1, m->error,
                                    "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = %Q COLLATE "
                                    "NOCASE AND sql LIKE '%%CHECK%%') OR EXISTS (SELECT 1 FROM "
                                    "pragma_table_xinfo(%Q, 'main') WHERE hidden > 1)",
                                    t->name, t->name);
}

/* May a constraint refuse that rows of a table get numbers above that one? Not where nothing mentions those numbers yet, since different rows keep different ones. */
static int may_be_refused(sync_merging *m, const sync_table *t, int64_t highest, bool *may)
{
    sync_db *s = m->s;
    int64_t strict = 0;
    int rc = is_strict(m, t, &strict);
    rc = rc == SYNC_OK && !strict
             ? sync_query_int(s, &strict, 1, m->error,
                              "SELECT EXISTS (SELECT 1 FROM main.sync_row_%u WHERE k1 > %lld)", t->tid,
                              (long long)highest)
             : rc;
    for (uint32_t i = 0; rc == SYNC_OK && !strict && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        const sync_table *child =
            fk->parent_tid == t->tid && fk->to_row ? sync_engine_tid(s, fk->child_tid) : NULL;
        rc = child ? is_strict(m, child, &strict) : SYNC_OK;
        if (rc == SYNC_OK && child && !strict) {
            rc = sync_query_int(s, &strict, 1, m->error,
                                "SELECT EXISTS (SELECT 1 FROM main.\"%w\" WHERE \"%w\" > %lld)", child->name,
                                fk->from[0], (long long)highest);
        }
    }
    *may = strict != 0;
    return rc;
}

/* With nobody's triggers and actions, since all that they would do is done here. */
static int move_quietly(sync_merging *m, sync_table *t, sync_moving *of, int64_t highest)
{
    sqlite3 *db = m->s->db;
    int fired = 0;
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &fired); /* asks; cannot fail */
    bool quiet =
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) == SQLITE_OK &&
        (!m->foreign_keys || sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL) == SQLITE_OK);
    int rc = quiet ? move_table(m, t, of, highest) : sync_fail_db(m->s, m->error, "triggers");
    /* these set flags; they cannot fail where switching them off did not */
    (void)(fired && sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL));
    (void)(m->foreign_keys && sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL));
    return rc;
}

/* One table, all or nothing. A savepoint that sees so many pages change makes SQLite keep what it was in a file, and every statement of the transaction after it does too, for
** each page that it changes: so there is one only where a constraint may refuse the numbers. Then they are given one by one: renumber.h. */
static int move_all(sync_merging *m, sync_table *t, sync_moving *of)
{
    int64_t highest = 0, newest = m->newest;
    bool may = true;
    int rc = sync_renumber_highest(m, t, &highest);
    rc = rc == SYNC_OK ? sync_orphans_highest(m, t, &highest) : rc;
    highest = of->highest > highest ? of->highest : highest;
    if (rc != SYNC_OK || highest >= INT64_MAX - (int64_t)of->count) {
        return rc;
    }
    rc = may_be_refused(m, t, highest, &may);
    rc = rc == SYNC_OK && may ? sync_exec(m->s, m->error, "SAVEPOINT sync_moves") : rc;
    rc = rc == SYNC_OK ? move_quietly(m, t, of, highest) : rc;
    bool refused = (rc & 0xff) == SQLITE_CONSTRAINT;
    if (refused && may) {
        sync_error_clear(m->error);
        m->newest = newest;
        rc = sync_exec(m->s, m->error, "ROLLBACK TO sync_moves");
    }
    m->s->moves_refused = m->s->moves_refused || (refused && !may); /* the file is damaged: not again */
    return rc == SYNC_OK && may ? sync_exec(m->s, m->error, "RELEASE sync_moves") : rc;
}

int sync_moves_make(sync_moves *moves)
{
    sync_merging *m = moves->m;
    int64_t temporary = 0;
    int rc = sync_query_int(m->s, &temporary, 0, m->error,
                            "SELECT EXISTS (SELECT 1 FROM temp.sqlite_schema WHERE type = 'trigger')");
    bool able = !temporary && moves->tables && !m->s->moves_refused;
    for (uint32_t i = 0; rc == SYNC_OK && able && i < m->s->table_count; i++) {
        rc = moves->tables[i].count >= MOVES_MIN ? move_all(m, &m->s->tables[i], &moves->tables[i]) : SYNC_OK;
    }
    sync_orphans_forget(m); /* what is listed may be shown under other numbers */
    return rc;
}
