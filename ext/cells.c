#include "cells.h"

#include "json.h"
#include "meant.h"
#include "schema.h"
#include "tail.h"

#include <stdlib.h>
#include <string.h>

/* Bits of a cell's id: the column, with one for a delete, and for genesis rows the place in the scan of their table. */
enum { COLUMN_BITS = 16, DELETED_BIT = 1 << 15, GENESIS_BITS = 39 };

/* One table, and the statements that read it. */
typedef struct source {
    sync_table t; /* a copy of what is needed */
    int *at;      /* column id -> column of `shown` and `genesis`, or -1 */
    sqlite3_stmt *clock;
    sqlite3_stmt *shown;
    sqlite3_stmt *genesis;
} source;

struct sync_cells {
    sync_db *s;
    sync_arena arena;
    sync_tail *tail;
    uint32_t count;
    source *sources;  /* by tid */
    source **geneses; /* in the order in which they are due */
    uint32_t genesis_count, genesis_next;
    uint32_t site_count;
    uint8_t (*sites)[SYNC_SITE_BYTES];
    uint32_t key_max;
    int64_t folded;
    bool descending;
    int64_t lo, hi; /* not yet read */
    sqlite3_stmt *journal;
    bool walking;  /* journal stands between rows */
    size_t clocks; /* met of the entry it stands on; another may follow where a number changed hands */
    bool more, in_file;
    /* the row in hand */
    source *from;
    sqlite3_stmt *values; /* its base row; NULL if it has none */
    bool genesis;
    int64_t ordinal; /* of the genesis row in the scan */
    int64_t version;
    int32_t cell; /* -1: existence */
    sync_row row;
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_buf json;
    sync_buf scratch;
};

/* ---- what is kept of the engine's state ---- */

static bool copy_strings(sync_arena *arena, char **const *from, char ***to, uint32_t count)
{
    *to = sync_arena_alloc(arena, (count + 1) * sizeof **to);
    for (uint32_t i = 0; *to && i < count; i++) {
        if (((*to)[i] = sync_schema_string(arena, (*from)[i])) == NULL) {
            return false;
        }
    }
    return *to != NULL;
}

static bool copy_table(sync_arena *arena, const sync_table *t, source *to)
{
    *to = (source){.t = {.tid = t->tid,
                         .identity = t->identity,
                         .epoch = t->epoch,
                         .genesis_site = t->genesis_site,
                         .genesis_covers = t->genesis_covers,
                         .genesis_seq = t->genesis_seq,
                         .key_count = t->key_count,
                         .meant = t->meant,
                         .col_count = t->col_count}};
    if (t->meant) {
        to->t.key_parents = sync_arena_alloc(arena, t->key_count * sizeof *to->t.key_parents);
        if (to->t.key_parents == NULL) {
            return false;
        }
        memcpy(to->t.key_parents, t->key_parents, t->key_count * sizeof *to->t.key_parents);
    }
    to->t.name = sync_schema_string(arena, t->name);
    to->t.cols = sync_arena_alloc(arena, (t->col_count + 1) * sizeof *to->t.cols);
    to->at = sync_arena_alloc(arena, (t->col_count + 1) * sizeof *to->at);
    if (!to->t.name || !to->t.cols || !to->at ||
        !copy_strings(arena, &t->key_names, &to->t.key_names, t->key_count)) {
        return false;
    }
    int column = (int)t->key_count;
    for (uint32_t i = 0; i < t->col_count; i++) {
        char *name = sync_schema_string(arena, t->cols[i].name);
        if (name == NULL) {
            return false;
        }
        to->t.cols[i] = (sync_column){.name = name, .present = t->cols[i].present};
        to->at[i] = t->cols[i].present ? column++ : -1;
    }
    return true;
}

static int by_genesis(const void *a, const void *b)
{
    const source *x = *(source *const *)a, *y = *(source *const *)b;
    if (x->t.genesis_seq != y->t.genesis_seq) {
        return x->t.genesis_seq < y->t.genesis_seq ? -1 : 1;
    }
    return (x->t.tid > y->t.tid) - (x->t.tid < y->t.tid);
}

static int copy_tables(sync_cells *c, const sync_cells_range *range, sync_error *error)
{
    const sync_db *s = c->s;
    c->sources = sync_arena_alloc(&c->arena, (s->table_count + 1) * sizeof *c->sources);
    c->geneses = sync_arena_alloc(&c->arena, (s->table_count + 1) * sizeof *c->geneses);
    if (!c->sources || !c->geneses) {
        return sync_fail_nomem(error);
    }
    for (uint32_t i = 0; i < s->table_count; i++) {
        const sync_table *t = &s->tables[i];
        if (t->missing || (range->table && sqlite3_stricmp(range->table, t->name) != 0)) {
            continue;
        }
        source *to = &c->sources[c->count++];
        if (!copy_table(&c->arena, t, to)) {
            return sync_fail_nomem(error);
        }
        if (t->genesis_seq >= c->lo && t->genesis_seq <= c->hi) {
            c->geneses[c->genesis_count++] = to;
        }
        c->key_max = t->key_count > c->key_max ? t->key_count : c->key_max;
    }
    qsort(c->geneses, c->genesis_count, sizeof(source *), by_genesis);
    for (uint32_t i = 0; c->descending && i < c->genesis_count / 2; i++) {
        source *swap = c->geneses[i];
        c->geneses[i] = c->geneses[c->genesis_count - 1 - i];
        c->geneses[c->genesis_count - 1 - i] = swap;
    }
    return SYNC_OK;
}

static int copy_sites(sync_cells *c, sync_error *error)
{
    const sync_db *s = c->s;
    c->sites = sync_arena_alloc(&c->arena, (size_t)s->sites.count * SYNC_SITE_BYTES);
    if (c->sites == NULL) {
        return sync_fail_nomem(error);
    }
    memcpy(c->sites, s->site_ids, (size_t)s->sites.count * SYNC_SITE_BYTES);
    c->site_count = s->sites.count;
    return SYNC_OK;
}

static int prepare_journal(sync_cells *c, sync_error *error)
{
    sqlite3_str *sql = sqlite3_str_new(c->s->db);
    sqlite3_str_appendf(sql, "SELECT seq, tid & %d", SYNC_TID_MASK);
    for (uint32_t i = 1; i <= c->key_max; i++) {
        sqlite3_str_appendf(sql, ", k%u", i);
    }
    sqlite3_str_appendall(sql, " FROM main.sync_journal WHERE seq BETWEEN ?1 AND ?2");
    sqlite3_str_appendf(sql, " ORDER BY seq%s", c->descending ? " DESC" : "");
    return sync_prepare_text(c->s, &c->journal, error, sqlite3_str_finish(sql));
}

int sync_cells_open(sync_db *s, const sync_cells_range *range, sync_cells **out, sync_error *error)
{
    int64_t newest = 0;
    *out = NULL;
    sync_cells *c = sync_alloc(sizeof *c);
    if (c == NULL) {
        return sync_fail_nomem(error);
    }
    memset(c, 0, sizeof *c);
    c->s = s;
    c->folded = s->folded;
    c->descending = range->descending;
    int rc = sync_query_int(s, &newest, 0, error, "SELECT max(seq) FROM main.sync_journal");
    c->lo = range->lo > 0 ? range->lo : 1;
    c->hi = range->hi < newest ? range->hi : newest;
    c->hi -= c->hi == INT64_MAX; /* no trigger gets that far, and the walk looks one further */
    rc = rc == SYNC_OK ? copy_tables(c, range, error) : rc;
    if (c->count == 0) {
        c->hi = 0;
    }
    if (rc == SYNC_OK && c->count > 0 && c->lo <= c->hi) {
        rc = copy_sites(c, error);
        rc = rc == SYNC_OK ? sync_tail_copy(s, &c->tail, error) : rc;
        rc = rc == SYNC_OK ? prepare_journal(c, error) : rc;
    }
    if (rc != SYNC_OK) {
        sync_cells_close(c);
        return rc;
    }
    *out = c;
    return SYNC_OK;
}

void sync_cells_close(sync_cells *c)
{
    if (c == NULL) {
        return;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        sqlite3_finalize(c->sources[i].clock);
        sqlite3_finalize(c->sources[i].shown);
        sqlite3_finalize(c->sources[i].genesis);
    }
    sqlite3_finalize(c->journal);
    sync_tail_free(c->tail);
    sync_arena_free(&c->arena);
    sync_row_free(&c->row);
    sync_buf_free(&c->json);
    sync_buf_free(&c->scratch);
    sync_free(c);
}

/* ---- statements of one table; parameters: the key from 4 on ---- */

static void where_key(const sync_table *t, sqlite3_str *sql, const char *alias, bool base)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (base) {
            sqlite3_str_appendf(sql, " AND %s.\"%w\" = ?%d", alias, t->key_names[i], (int)i + 4);
        } else {
            sqlite3_str_appendf(sql, " AND %s.k%d = ?%d", alias, (int)i + 1, (int)i + 4);
        }
    }
}

static void select_base(const sync_table *t, sqlite3_str *sql)
{
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, t, "b.\"%w\"", ", ");
    for (uint32_t i = 0; i < t->col_count; i++) {
        if (t->cols[i].present) {
            sqlite3_str_appendf(sql, ", b.\"%w\"", t->cols[i].name);
        }
    }
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS b WHERE ", t->name);
}

/* The file's clock that names journal entry ?1. */
static int prepare_clock(sync_cells *c, source *from, sync_error *error)
{
    const sync_table *t = &from->t;
    sqlite3_str *sql = sqlite3_str_new(c->s->db);
    sqlite3_str_appendf(sql, "SELECT c.clock FROM main.sync_row_%u AS c WHERE c.seq = ?1", t->tid);
    where_key(t, sql, "c", false);
    if (t->identity == SYNC_BY_ROW) {
        sqlite3_str_appendf(sql, " UNION ALL SELECT h.clock FROM main.sync_hidden_%u AS h WHERE h.seq = ?1",
                            t->tid);
        where_key(t, sql, "h", false);
    }
    return sync_prepare_text(c->s, &from->clock, error, sqlite3_str_finish(sql));
}

static int prepare_shown(sync_cells *c, source *from, sync_error *error)
{
    sqlite3_str *sql = sqlite3_str_new(c->s->db);
    select_base(&from->t, sql);
    sqlite3_str_appendall(sql, "1");
    where_key(&from->t, sql, "b", true);
    return sync_prepare_text(c->s, &from->shown, error, sqlite3_str_finish(sql));
}

/* Rows that have no clock in the file. */
static int prepare_genesis(sync_cells *c, source *from, sync_error *error)
{
    const sync_table *t = &from->t;
    sqlite3_str *sql = sqlite3_str_new(c->s->db);
    select_base(t, sql);
    sync_str_keys(sql, t, "b.\"%w\" IS NOT NULL", " AND ");
    sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM main.sync_row_%u AS c WHERE ", t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sc.k%d = b.\"%w\"", i ? " AND " : "", (int)i + 1, t->key_names[i]);
    }
    sqlite3_str_appendall(sql, ")");
    return sync_prepare_text(c->s, &from->genesis, error, sqlite3_str_finish(sql));
}

/* ---- rows ---- */

static void take_row(sync_cells *c, source *from, sqlite3_stmt *values, int64_t version)
{
    c->from = from;
    c->values = values;
    c->version = version;
    c->cell = -2; /* before the first */
    sync_buf_reset(&c->json);
    for (uint32_t i = 0; values && i < from->t.key_count; i++) {
        c->key[i] = sync_column_value(values, (int)i);
    }
}

static int genesis_state(sync_cells *c, const sync_table *t, sync_error *error)
{
    sync_stamp stamp = {t->epoch, t->genesis_site, 0};
    sync_row_reset(&c->row);
    c->row.cl = 1;
    c->row.stamp = stamp;
    for (uint32_t i = 0; i < t->genesis_covers; i++) {
        if (sync_row_set(&c->row, i, stamp) == NULL) {
            return sync_fail_nomem(error);
        }
    }
    return SYNC_OK;
}

/* The next row of the genesis scan in hand: *got false at its end. */
static int next_genesis(sync_cells *c, bool *got, sync_error *error)
{
    source *from = c->geneses[c->genesis_next];
    bool knows = true;
    int rc = from->genesis ? SYNC_OK : prepare_genesis(c, from, error);
    while (rc == SYNC_OK && knows) {
        rc = sync_step(c->s, from->genesis, error);
        if (rc != SQLITE_ROW) {
            break;
        }
        c->ordinal++;
        take_row(c, from, from->genesis, from->t.genesis_seq);
        rc = sync_tail_knows(c->tail, &from->t, c->key, &c->scratch, &knows, error);
    }
    *got = rc == SYNC_OK;
    if (rc == SQLITE_DONE) {
        sqlite3_reset(from->genesis);
        return SYNC_OK;
    }
    return rc == SYNC_OK ? genesis_state(c, &from->t, error) : rc;
}

/* Steps a statement with the journal's key bound. */
static int look_up(sync_cells *c, sqlite3_stmt *stmt, const sync_table *t, sync_error *error)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (sync_bind_value(stmt, (int)i + 4, &c->key[i]) != SQLITE_OK) {
            return sync_fail_db(c->s, error, NULL);
        }
    }
    return sync_step(c->s, stmt, error);
}

/* The next clock that names the entry, if that is what holds now. It stays valid until the next one of the table. */
static int find_clock(sync_cells *c, source *from, int64_t seq, sync_value *clock, sync_error *error)
{
    int rc = SYNC_OK;
    size_t n = c->clocks++;
    sync_tail_says says = sync_tail_find(c->tail, seq, n, clock);
    if (n == 0) {
        c->in_file = says == SYNC_TAIL_NOTHING && seq <= c->folded;
    }
    if (!c->in_file && says == SYNC_TAIL_CLOCK) {
        return SYNC_OK;
    }
    *clock = (sync_value){.type = SYNC_NULL};
    if (!c->in_file) {
        return SYNC_OK;
    }
    if (from->clock == NULL) {
        rc = prepare_clock(c, from, error);
    }
    if (n == 0) {
        sqlite3_reset(from->clock);
        if (rc == SYNC_OK && sqlite3_bind_int64(from->clock, 1, seq)) {
            rc = sync_fail_db(c->s, error, NULL);
        }
        rc = rc == SYNC_OK ? look_up(c, from->clock, &from->t, error) : rc;
    } else {
        rc = sync_step(c->s, from->clock, error);
    }
    if (rc == SQLITE_ROW) {
        *clock = sync_column_value(from->clock, 0);
        if (clock->type != SYNC_BLOB) {
            *clock = (sync_value){.type = SYNC_BLOB}; /* found out below */
        }
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* The next row that the journal's entry is the live one of; *got false if there is none. */
static int take_entry(sync_cells *c, bool *got, sync_error *error)
{
    int64_t seq = sqlite3_column_int64(c->journal, 0);
    uint32_t tid = (uint32_t)sqlite3_column_int64(c->journal, 1);
    source *from = NULL;
    *got = c->more = false;
    for (uint32_t low = 0, high = c->count; from == NULL && low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (c->sources[middle].t.tid == tid) {
            from = &c->sources[middle];
        } else if (c->sources[middle].t.tid < tid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (uint32_t i = 0; from && i < from->t.key_count; i++) {
        c->key[i] = sync_column_value(c->journal, (int)i + 2);
        if (c->key[i].type == SYNC_NULL) {
            return SYNC_OK;
        }
    }
    sync_value clock = {.type = SYNC_NULL};
    int rc = from ? find_clock(c, from, seq, &clock, error) : SYNC_OK;
    if (rc != SYNC_OK || clock.type == SYNC_NULL) {
        return rc;
    }
    c->more = from->t.identity == SYNC_BY_ROW;
    const sync_bounds bounds = {c->site_count, from->t.col_count, from->t.key_count};
    rc = sync_clock_get(&c->row, clock.data, clock.type == SYNC_BLOB ? clock.bytes : 0, from->t.identity,
                        from->t.epoch, &bounds);
    if (rc != SYNC_OK) {
        return sync_fail(error, rc, "sync_row_%u: the clock of journal entry %lld is damaged", tid,
                         (long long)seq);
    }
    if (sync_row_alive(&c->row) && !c->row.held) {
        if (from->shown == NULL) {
            rc = prepare_shown(c, from, error);
        }
        sqlite3_reset(from->shown);
        rc = rc == SYNC_OK ? look_up(c, from->shown, &from->t, error) : rc;
        if (rc !=
            SQLITE_ROW) { /* gone behind the triggers' back: nothing can be said of it until sync_touch() */
            return rc == SQLITE_DONE ? SYNC_OK : rc;
        }
        take_row(c, from, from->shown, seq);
    } else {
        take_row(c, from, NULL, seq);
    }
    /* Elsewhere than it is shown: a row that is held claims a number, one that is gone is known by that at birth. */
    bool alive = sync_row_alive(&c->row);
    if (c->row.moved && (c->row.held || !alive)) {
        c->key[0] = (sync_value){.type = SYNC_INTEGER, .i = alive ? c->row.number : c->row.birth};
    }
    if (from->t.meant && c->values == NULL) { /* the same of the rows that its key means */
        sync_value birth[SYNC_KEY_COLUMNS_MAX];
        (void)sync_meant_birth(c->s, &from->t, c->key, birth, NULL,
                               error); /* nothing to fail without a row */
        memcpy(c->key, birth, from->t.key_count * sizeof *birth);
    }
    c->genesis = false;
    *got = true;
    return SYNC_OK;
}

/* Starts on the journal up to the next genesis, or to the end. */
static int begin_walk(sync_cells *c, sync_error *error)
{
    int64_t lo = c->lo, hi = c->hi;
    if (c->genesis_next < c->genesis_count) {
        int64_t seq = c->geneses[c->genesis_next]->t.genesis_seq;
        *(c->descending ? &lo : &hi) = seq;
    }
    if (sqlite3_bind_int64(c->journal, 1, lo) || sqlite3_bind_int64(c->journal, 2, hi)) {
        return sync_fail_db(c->s, error, NULL);
    }
    *(c->descending ? &c->hi : &c->lo) = c->descending ? lo - 1 : hi + 1;
    c->walking = true;
    return SYNC_OK;
}

/* Journal up to a genesis, that genesis, journal up to the next one, ..., the rest of the journal. */
static int next_row(sync_cells *c, sync_error *error)
{
    for (;;) {
        bool got = false;
        int rc = SYNC_OK;
        if (c->walking && c->more) {
            rc = take_entry(c, &got, error);
        } else if (c->walking) {
            rc = sync_step(c->s, c->journal, error);
            c->clocks = 0;
            if (rc == SQLITE_ROW) {
                rc = take_entry(c, &got, error);
            } else if (rc == SQLITE_DONE) {
                sqlite3_reset(c->journal);
                c->walking = false;
                c->genesis = true; /* if any is left */
                c->ordinal = -1;
                rc = SYNC_OK;
            }
        } else if (c->genesis && c->genesis_next < c->genesis_count) {
            rc = next_genesis(c, &got, error);
            if (rc == SYNC_OK && !got) {
                c->genesis_next++;
                c->genesis = false;
            }
        } else if (c->lo > c->hi && c->genesis_next == c->genesis_count) {
            return SYNC_DONE;
        } else {
            rc = begin_walk(c, error);
        }
        if (rc != SYNC_OK || got) {
            return rc == SYNC_OK ? SYNC_ROW : rc;
        }
    }
}

/* Is the current cell there to be shown? */
static bool is_cell(const sync_cells *c)
{
    if (c->cell < 0) {
        return true;
    }
    const sync_cell *cell = &c->row.cells[c->cell];
    return !sync_stamp_is_none(cell->stamp) && cell->col < c->from->t.col_count &&
           (cell->carried || (c->values && c->from->at[cell->col] >= 0));
}

int sync_cells_next(sync_cells *c, sync_error *error)
{
    for (;;) {
        if (c->from) {
            uint32_t cells = sync_row_alive(&c->row) ? c->row.count : 0;
            while (++c->cell < (int32_t)cells) {
                if (is_cell(c)) {
                    return SYNC_ROW;
                }
            }
            c->from = NULL;
        }
        int rc = next_row(c, error);
        if (rc != SYNC_ROW) {
            return rc;
        }
    }
}

/* ---- the current cell ---- */

static const sync_cell *cell_of(const sync_cells *c)
{
    return c->cell < 0 ? NULL : &c->row.cells[c->cell];
}

sync_cells_cell sync_cells_now(const sync_cells *c)
{
    const sync_cell *cell = cell_of(c);
    const sync_table *t = &c->from->t;
    uint64_t column = cell ? cell->col + 1 : sync_row_alive(&c->row) ? 0 : DELETED_BIT;
    uint64_t place = c->genesis ? (uint64_t)c->ordinal * (t->genesis_covers + 1) + column : column;
    sync_stamp stamp = cell ? cell->stamp : c->row.stamp;
    return (sync_cells_cell){
        .id = c->genesis ? -1 - (int64_t)(place | (uint64_t)t->tid << GENESIS_BITS)
                         : (int64_t)(place | (uint64_t)c->version << COLUMN_BITS),
        .version = c->version,
        .table = t->name,
        .column = cell ? t->cols[cell->col].name : NULL,
        .cl = c->row.cl,
        .deleted = !sync_row_alive(&c->row),
        .inserted = sync_stamp_equal(stamp, c->row.stamp),
        .stamp = stamp,
    };
}

const char *sync_cells_key(sync_cells *c, size_t *bytes)
{
    if (c->json.len == 0) {
        sync_json_key(&c->json, c->key, c->from->t.key_count);
    }
    *bytes = c->json.len;
    return c->json.oom ? NULL : (const char *)c->json.data;
}

void sync_cells_value(const sync_cells *c, sqlite3_context *context)
{
    const sync_cell *cell = cell_of(c);
    if (cell && !cell->carried) {
        sqlite3_result_value(context, sqlite3_column_value(c->values, c->from->at[cell->col]));
        return;
    }
    sync_value v = cell ? cell->value : (sync_value){.type = SYNC_NULL};
    switch (v.type) {
    case SYNC_INTEGER:
        sqlite3_result_int64(context, v.i);
        break;
    case SYNC_REAL:
        sqlite3_result_double(context, v.r);
        break;
    case SYNC_TEXT:
        sqlite3_result_text64(context, v.bytes ? v.data : "", v.bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case SYNC_BLOB:
        sqlite3_result_blob64(context, v.bytes ? v.data : "", v.bytes, SQLITE_TRANSIENT);
        break;
    default:
        break;
    }
}

const uint8_t *sync_cells_site(const sync_cells *c)
{
    return c->sites[sync_cells_now(c).stamp.site];
}
