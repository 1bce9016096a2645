#include "fold.h"

#include "capture.h"
#include "chunk.h"
#include "clocks.h"
#include "key.h"

#include <string.h>

enum { HASH_SLOTS = 2 * SYNC_FOLD_CHUNK };

/* One journal entry of the chunk in hand. */
typedef struct entry {
    int64_t seq;
    int64_t op;
    uint64_t hlc;
    uint32_t tid; /* with its group */
    int32_t next; /* later entry of the same key in this run, or -1 */
    bool first;   /* first entry of its key in this run */
    bool exists;  /* the base table has the row */
    bool null_key;
    bool kept; /* a tombstone names it */
    bool has_clock;
    int64_t live; /* journal entry that the clock names */
    sync_value clock;
    sync_value *key;
} entry;

typedef struct fold {
    sync_db *s;
    sync_error *error;
    sync_place place;
    bool need_real;
    bool mends; /* entries were added that this fold has still to read */
    int64_t now_ms;
    int64_t newest; /* never deleted: seq must not go backwards */
    const sync_learned *learned;
    uint32_t learned_count;
    sync_arena arena;
    sync_row row;
    sync_buf buf;
    sync_buf keys;
    sync_chunk chunk; /* fresh clocks of the run in hand */
    bool full;        /* there may be more after it */
    uint32_t count;
    entry entries[SYNC_FOLD_CHUNK];
    int32_t slots[HASH_SLOTS];
    sync_value slot_key[HASH_SLOTS];
    int32_t slot_last[HASH_SLOTS];
} fold;

/* ---- statements ---- */

static void build_read(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT j.seq, c.seq, c.clock, b.\"%w\" IS NOT NULL, ", t->key_names[0]);
    sync_str_numbers(sql, t, "j.k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.sync_journal AS j LEFT JOIN main.sync_row_%u AS c ON ", t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "j");
    sqlite3_str_appendall(sql, " WHERE j.seq BETWEEN ?1 AND ?2 ORDER BY j.seq");
}

/* The same where the overlay, if it knows the key, stands before the file's clocks. */
static void build_read_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(
        sql,
        "SELECT j.seq, iif(j.known, o.seq, c.seq), iif(j.known, o.clock, c.clock), b.\"%w\" IS NOT NULL, ",
        t->key_names[0]);
    sync_str_numbers(sql, t, "j.k%d", ", ");
    sqlite3_str_appendall(sql, " FROM (SELECT *, ");
    sync_clocks_known(sql, t, "h");
    sqlite3_str_appendf(sql,
                        " AS known FROM main.sync_journal AS h WHERE h.seq BETWEEN ?1 AND ?2) AS j LEFT JOIN "
                        "main.sync_row_%u AS c ON ",
                        t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN temp.sync_row_%u AS o ON ", t->tid);
    sync_str_match(sql, t, "o", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "j");
    sqlite3_str_appendall(sql, " ORDER BY j.seq");
}

/* ---- writing clocks ---- */

static int put_clock(fold *f, sync_table *t, const entry *e, int64_t j, int64_t seq, bool fresh)
{
    return sync_clocks_put(f->s, t, f->place, e->key, j, seq, &f->buf, fresh, f->error);
}

static int pack_and_put(fold *f, sync_table *t, const entry *e, int64_t j, int64_t seq, bool fresh)
{
    sync_buf_reset(&f->buf);
    sync_clock_put(&f->buf, &f->row, t->identity, t->epoch);
    return put_clock(f, t, e, j, seq, fresh);
}

/* Deletes a journal entry that no clock names any more; never the newest, so that seq does not go backwards. */
static int drop_entry(fold *f, int64_t seq)
{
    return f->place == SYNC_IN_FILE && seq != f->newest ? sync_clocks_drop_entry(f->s, seq, f->error)
                                                        : SYNC_OK;
}

/* ---- replaying one key ---- */

static sync_stamp stamp_of(const fold *f, const entry *e)
{
    return (sync_stamp){e->hlc, f->s->own_site, 1};
}

/* Every column that the triggers knew gets the stamp; values are in the base table. What was told of an entry holds for it still when
** columns have come since. */
static int cover(fold *f, const sync_table *t, sync_stamp stamp)
{
    for (uint32_t c = 0; c < t->col_count; c++) {
        if (t->cols[c].present && !t->cols[c].learned) {
            sync_cell *cell = sync_row_set(&f->row, c, stamp);
            if (cell == NULL) {
                return sync_fail_nomem(f->error);
            }
            cell->carried = false;
        }
    }
    return SYNC_OK;
}

static int begin_life(fold *f, const sync_table *t, sync_stamp stamp)
{
    sync_row *row = &f->row;
    row->cl = t->identity == SYNC_BY_ROW ? 1 : row->cl + 1;
    row->born = t->identity == SYNC_BY_ROW ? stamp : SYNC_STAMP_NONE;
    row->stamp = stamp;
    row->held = row->moved = false;
    row->count = row->ref_count = 0;
    return cover(f, t, stamp);
}

static void end_life(fold *f, const sync_table *t, sync_stamp stamp)
{
    sync_row *row = &f->row;
    row->cl = t->identity == SYNC_BY_ROW ? 2 : row->cl + 1;
    row->stamp = stamp;
    row->held = row->moved = false;
    row->count = row->ref_count = 0;
}

static int stamp_columns(fold *f, const sync_table *t, const entry *e)
{
    uint32_t base = (e->tid >> SYNC_GROUP_SHIFT) * SYNC_MASK_COLUMNS;
    for (uint32_t bit = 0; bit < SYNC_MASK_COLUMNS; bit++) {
        if (((uint64_t)e->op >> bit) & 1 && base + bit < t->col_count) {
            sync_cell *cell = sync_row_set(&f->row, base + bit, stamp_of(f, e));
            if (cell == NULL) {
                return sync_fail_nomem(f->error);
            }
            cell->carried = false;
        }
    }
    return SYNC_OK;
}

/* A genesis row has no clock: its stamps are the table's. */
static int genesis_state(fold *f, const sync_table *t)
{
    sync_stamp stamp = {t->epoch, t->genesis_site, 0};
    f->row.cl = 1;
    f->row.born = sync_engine_genesis_born(t);
    f->row.stamp = stamp;
    for (uint32_t c = 0; c < t->genesis_covers && c < t->col_count; c++) {
        if (sync_row_set(&f->row, c, stamp) == NULL) {
            return sync_fail_nomem(f->error);
        }
    }
    return SYNC_OK;
}

/* Columns that the triggers did not know when the tail was written: what is not the default was written there. */
static int stamp_learned(fold *f, const sync_table *t, const entry *e, sync_stamp stamp, bool *changed)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < f->learned_count; i++) {
        if (f->learned[i].tid != t->tid) {
            continue;
        }
        uint32_t cid = f->learned[i].cid;
        const sync_cell *have = sync_row_find(&f->row, cid);
        if (have && have->stamp.hlc == stamp.hlc && have->stamp.site == stamp.site) {
            continue;
        }
        sqlite3_str *sql = sqlite3_str_new(f->s->db);
        sqlite3_str_appendf(sql, "SELECT 1 FROM main.\"%w\" WHERE \"%w\" IS NOT (%s)", t->name,
                            t->cols[cid].name, t->cols[cid].preset ? t->cols[cid].preset : "NULL");
        for (uint32_t k = 0; k < t->key_count; k++) {
            sqlite3_str_appendf(sql, " AND \"%w\" = ?%d", t->key_names[k], (int)k + 4);
        }
        sqlite3_stmt *stmt;
        rc = sync_prepare_text(f->s, &stmt, f->error, sqlite3_str_finish(sql));
        rc = rc == SYNC_OK ? sync_clocks_bind_key(f->s, stmt, t, e->key, f->error) : rc;
        int step = rc == SYNC_OK ? sync_step(f->s, stmt, f->error) : rc;
        sqlite3_finalize(stmt);
        if (step == SQLITE_ROW) {
            sync_cell *cell = sync_row_set(&f->row, cid, stamp);
            rc = cell ? SYNC_OK : sync_fail_nomem(f->error);
            *changed = true;
        } else if (step != SQLITE_DONE) {
            rc = step;
        }
    }
    return rc;
}

/* What one key's chain of entries has come to. */
typedef struct outcome {
    bool changed;
    bool in_table; /* a clock at j = 0 (identity key: at the key) is in the table */
    bool known;    /* f->row is a state, not "never existed" */
} outcome;

/* Identity row: the life that ends leaves a tombstone of its own, named by an entry that no other clock names. */
static int bury(fold *f, sync_table *t, entry *e, entry *named, outcome *o)
{
    int64_t j = 0;
    end_life(f, t, stamp_of(f, e));
    o->changed = true;
    if (t->identity == SYNC_BY_KEY) {
        return SYNC_OK;
    }
    int rc = sync_clocks_highest(f->s, t, f->place, e->key, &j, f->error);
    rc = rc == SYNC_OK ? pack_and_put(f, t, e, j + 1, named->seq, true) : rc;
    named->kept = true;
    if (rc == SYNC_OK && o->in_table) {
        rc = sync_clocks_delete(f->s, t, f->place, e->key, 0, f->error);
    }
    o->in_table = false;
    o->known = false;
    sync_row_reset(&f->row);
    return rc;
}

static int replay_entry(fold *f, sync_table *t, entry *e, entry *hint, outcome *o)
{
    sync_row *row = &f->row;
    bool alive = o->known && sync_row_alive(row);
    bool insert = e->op == SYNC_OP_INSERT || e->op == SYNC_OP_MOVE_TO;
    int rc = SYNC_OK;
    if ((e->op == SYNC_OP_DELETE || e->op == SYNC_OP_MOVE_FROM || e->op == SYNC_OP_MOVE_TO) && alive) {
        rc = bury(f, t, e, e->op == SYNC_OP_MOVE_TO && hint ? hint : e, o);
        alive = false;
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    if (insert && alive) { /* INSERT OR REPLACE over a live row keeps the incarnation */
        row->stamp = stamp_of(f, e);
        row->held = false;
        row->ref_count = 0;
        rc = cover(f, t, row->stamp);
    } else if (insert) {
        rc = begin_life(f, t, stamp_of(f, e));
        o->known = true;
    } else if (e->op > 0 && alive) {
        rc = stamp_columns(f, t, e);
    }
    o->changed = o->changed || insert || (e->op > 0 && alive);
    return rc;
}

static int append_mend(fold *f, const sync_table *t, const entry *e)
{
    sqlite3_str *sql = sqlite3_str_new(f->s->db);
    sqlite3_str_appendall(sql, "INSERT INTO main.sync_journal(tid, op, at, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, ") VALUES(%u, %d, %lld", t->tid, SYNC_OP_MEND, (long long)f->now_ms);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, ", ?%d", (int)i + 4);
    }
    sqlite3_str_appendall(sql, ")");
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(f->s, &stmt, f->error, sqlite3_str_finish(sql));
    rc = rc == SYNC_OK ? sync_clocks_bind_key(f->s, stmt, t, e->key, f->error) : rc;
    rc = rc == SYNC_OK ? sync_run(f->s, stmt, f->error) : rc;
    sqlite3_finalize(stmt);
    if (rc == SYNC_OK) {
        f->newest = sqlite3_last_insert_rowid(f->s->db);
    }
    return rc;
}

/* The base table is the truth: where the journal says otherwise about existence, a real fold mends it. */
static int mend(fold *f, sync_table *t, entry *last, outcome *o)
{
    bool alive = o->known && sync_row_alive(&f->row);
    if (alive == last->exists || (alive && f->row.held)) {
        return SYNC_OK;
    }
    if (f->place == SYNC_IN_OVERLAY) {
        f->need_real = true;
        return SYNC_OK;
    }
    if (last->op !=
        SYNC_OP_MEND) { /* stamps of the tail may have been told: the mend gets an entry, and so a stamp, of its own */
        f->mends = true;
        return append_mend(f, t, last);
    }
    o->changed = true;
    if (last->exists) {
        o->known = true;
        return begin_life(f, t, stamp_of(f, last));
    }
    return bury(f, t, last, last, o);
}

/* INSERT OR REPLACE over a row from before tracking keeps its identity. Whether there was one is not journaled (asking would cost every
** insert a look-up): its number was in use, or free below the highest, when the table was tracked. */
static bool may_be_genesis(const sync_table *t, const entry *e)
{
    return t->identity == SYNC_BY_ROW && e->key[0].type == SYNC_INTEGER && e->key[0].i <= t->genesis_max;
}

/* The state that the chain starts from. */
static int first_state(fold *f, sync_table *t, const entry *e, bool only_looks, outcome *o)
{
    sync_row_reset(&f->row);
    *o = (outcome){.in_table = e->has_clock, .known = e->has_clock};
    if (e->has_clock) {
        int rc =
            sync_clock_get(&f->row, e->clock.data, e->clock.bytes, t->identity, t->epoch, f->s->sites.count);
        return rc == SYNC_OK ? rc : sync_fail(f->error, rc, "sync_row_%u: a clock is damaged", t->tid);
    }
    const entry *does = e; /* a note says nothing of whether the row was there */
    while (does->op == SYNC_OP_HINT && does->next >= 0) {
        does = &f->entries[does->next];
    }
    bool insert = does->op == SYNC_OP_INSERT || does->op == SYNC_OP_MOVE_TO;
    bool taken =
        does->op == SYNC_OP_MOVE_TO && does != e; /* the number had a row: a genesis row, having no clock */
    if (insert && !taken && (does->op == SYNC_OP_MOVE_TO || !may_be_genesis(t, e))) {
        return SYNC_OK;
    }
    if (t->identity == SYNC_BY_ROW && (insert || (only_looks && !e->exists))) {
        bool gone = false;
        int rc = sync_clocks_hides(f->s, t, f->place, e->key, sync_engine_genesis_born(t), &gone, f->error);
        if (rc != SYNC_OK || gone) {
            return rc;
        }
    }
    o->known = true;
    return genesis_state(f, t);
}

/* Deletes the entries of a chain that nothing names; `keep` is the live one (0: none). Tombstones keep theirs. */
static int drop_chain(fold *f, const entry *e, int64_t keep)
{
    int rc = SYNC_OK;
    for (; rc == SYNC_OK; e = &f->entries[e->next]) {
        if (e->seq != keep && !e->kept) {
            rc = drop_entry(f, e->seq);
        }
        if (e->next < 0) {
            break;
        }
    }
    return rc;
}

/* The commonest key: inserted, and that is all that the tail says of it. */
static int fold_insert(fold *f, sync_table *t, const entry *e)
{
    if (f->place == SYNC_IN_FILE) {
        size_t before = f->chunk.clocks.len;
        sync_clock_put_insert(&f->chunk.clocks, stamp_of(f, e), t->col_count, t->epoch);
        return sync_chunk_add(&f->chunk, e->key, e->seq, f->chunk.clocks.len - before, f->error);
    }
    sync_buf_reset(&f->buf);
    sync_clock_put_insert(&f->buf, stamp_of(f, e), t->col_count, t->epoch);
    int rc = t->identity == SYNC_BY_ROW ? sync_clocks_overlay(f->s, t, e->key, f->error) : SYNC_OK;
    return rc == SYNC_OK ? put_clock(f, t, e, 0, e->seq, true) : rc;
}

static bool is_look(int64_t op)
{
    return op == SYNC_OP_LOOK || op == SYNC_OP_HINT || op == SYNC_OP_MEND;
}

static int fold_key(fold *f, sync_table *t, entry *first)
{
    bool only_looks = true;
    entry *last = first;
    for (entry *e = first;; e = &f->entries[e->next]) {
        only_looks = only_looks && is_look(e->op);
        last = e;
        if (e->next < 0) {
            break;
        }
    }
    if (first == last && first->op == SYNC_OP_INSERT && first->exists && !first->has_clock &&
        t->all_present && !may_be_genesis(t, first)) {
        return fold_insert(f, t, first);
    }
    outcome o;
    int rc = f->place == SYNC_IN_OVERLAY && t->identity == SYNC_BY_ROW
                 ? sync_clocks_overlay(f->s, t, first->key, f->error)
                 : SYNC_OK;
    rc = rc == SYNC_OK ? first_state(f, t, first, only_looks, &o) : rc;
    if (rc != SYNC_OK || (only_looks && f->row.held)) {
        return rc == SYNC_OK ? drop_chain(f, first, 0) : rc;
    }
    entry *hint = NULL;
    for (entry *e = first; rc == SYNC_OK; e = &f->entries[e->next]) {
        rc = replay_entry(f, t, e, hint, &o);
        hint = e->op == SYNC_OP_HINT ? e : NULL;
        if (e->next < 0) {
            break;
        }
    }
    rc = rc == SYNC_OK ? mend(f, t, last, &o) : rc;
    if (rc == SYNC_OK && last->exists && f->learned_count) {
        rc = stamp_learned(f, t, last, stamp_of(f, last), &o.changed);
    }
    if (rc != SYNC_OK || f->need_real || !o.changed) {
        return rc == SYNC_OK && !f->need_real ? drop_chain(f, first, 0) : rc;
    }
    if (o.known) {
        rc = pack_and_put(f, t, last, 0, last->seq, !o.in_table);
    }
    if (rc == SYNC_OK && first->has_clock) {
        rc = drop_entry(f, first->live);
    }
    return rc == SYNC_OK ? drop_chain(f, first, last->seq) : rc;
}

/* ---- chunks ---- */

/* Chains the entries of a run by key. Without a normal form of the key each entry must be a run of its own. */
static int chain_keys(fold *f, const sync_table *t, uint32_t lo, uint32_t hi)
{
    uint32_t slots = 16; /* a power of two, twice the entries */
    while (slots < 2 * (hi - lo)) {
        slots *= 2;
    }
    memset(f->slots, 0xff, slots * sizeof *f->slots);
    for (uint32_t i = lo; i < hi; i++) {
        entry *e = &f->entries[i];
        e->next = -1;
        e->first = !e->null_key;
        if (e->null_key || hi - lo == 1) {
            continue;
        }
        sync_buf_reset(&f->keys);
        (void)sync_key_normal(&f->keys, t, e->key);
        if (f->keys.oom) {
            return sync_fail_nomem(f->error);
        }
        uint32_t hash = 2166136261u;
        for (size_t b = 0; b < f->keys.len; b++) {
            hash = (hash ^ f->keys.data[b]) * 16777619u;
        }
        uint32_t at = (hash ^ hash >> 15) & (slots - 1);
        while (f->slots[at] >= 0 && (f->slot_key[at].bytes != f->keys.len ||
                                     memcmp(f->slot_key[at].data, f->keys.data, f->keys.len) != 0)) {
            at = (at + 1) & (slots - 1);
        }
        if (f->slots[at] >= 0) {
            f->entries[f->slot_last[at]].next = (int32_t)i;
            e->first = false;
        } else {
            sync_value key = {.type = SYNC_BLOB, .bytes = f->keys.len, .data = f->keys.data};
            f->slots[at] = (int32_t)i;
            if (!sync_arena_value(&f->arena, &key, &f->slot_key[at])) {
                return sync_fail_nomem(f->error);
            }
        }
        f->slot_last[at] = (int32_t)i;
    }
    return SYNC_OK;
}

static int read_entry(fold *f, const sync_table *t, sqlite3_stmt *stmt, entry *e)
{
    e->key = sync_arena_alloc(&f->arena, t->key_count * sizeof *e->key);
    if (e->key == NULL) {
        return sync_fail_nomem(f->error);
    }
    e->has_clock = sqlite3_column_type(stmt, 2) != SQLITE_NULL;
    e->live = sqlite3_column_int64(stmt, 1);
    e->exists = sqlite3_column_int(stmt, 3) != 0;
    e->null_key = false;
    if (e->has_clock) {
        sync_value clock = sync_column_value(stmt, 2);
        if (clock.type != SYNC_BLOB) {
            return sync_fail(f->error, SYNC_CORRUPT, "sync_row_%u: a clock is damaged", t->tid);
        }
        if (!sync_arena_value(&f->arena, &clock, &e->clock)) {
            return sync_fail_nomem(f->error);
        }
    }
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value v = sync_column_value(stmt, (int)i + 4);
        e->null_key = e->null_key || v.type == SYNC_NULL;
        if (!sync_arena_value(&f->arena, &v, &e->key[i])) {
            return sync_fail_nomem(f->error);
        }
    }
    return SYNC_OK;
}

/* Entries lo..hi-1 of the chunk: one table, adjacent in the journal. */
static int fold_run(fold *f, sync_table *t, uint32_t lo, uint32_t hi)
{
    sqlite3_stmt *stmt;
    int64_t nulls = 0;
    int rc = f->place == SYNC_IN_FILE
                 ? sync_table_stmt(f->s, t, SYNC_STMT_FOLD_READ, build_read, &stmt, f->error)
                 : sync_table_stmt(f->s, t, SYNC_STMT_FOLD_READ_TEMP, build_read_temp, &stmt, f->error);
    if (rc != SYNC_OK) {
        return rc;
    }
    if (sqlite3_bind_int64(stmt, 1, f->entries[lo].seq) ||
        sqlite3_bind_int64(stmt, 2, f->entries[hi - 1].seq)) {
        return sync_fail_db(f->s, f->error, NULL);
    }
    uint32_t at = lo;
    while (rc == SYNC_OK && at < hi && (rc = sync_step(f->s, stmt, f->error)) == SQLITE_ROW) {
        if (sqlite3_column_int64(stmt, 0) != f->entries[at].seq) {
            rc = sync_fail(f->error, SYNC_CORRUPT, "sync_journal: entry %lld is damaged",
                           (long long)f->entries[at].seq);
            break;
        }
        rc = read_entry(f, t, stmt, &f->entries[at++]);
    }
    sqlite3_reset(stmt);
    rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    rc = rc == SYNC_OK ? chain_keys(f, t, lo, at) : rc;
    for (uint32_t i = lo; rc == SYNC_OK && !f->need_real && i < at; i++) {
        entry *e = &f->entries[i];
        if (e->null_key) {
            nulls += e->op != SYNC_OP_LOOK;
            rc = drop_entry(f, e->seq);
        } else if (e->first) {
            rc = fold_key(f, t, e);
        }
    }
    rc = rc == SYNC_OK ? sync_chunk_write(f->s, t, &f->chunk, f->error) : rc;
    if (rc == SYNC_OK && nulls && f->place == SYNC_IN_FILE) {
        rc = sync_exec(f->s, f->error,
                       "UPDATE main.sync_table SET null_keys = null_keys + %lld WHERE tid = %u",
                       (long long)nulls, t->tid);
    }
    return rc;
}

static bool is_first_half(int64_t op)
{
    return op == SYNC_OP_HINT || op == SYNC_OP_MOVE_FROM;
}

/* The next chunk of the journal above `after`, with its stamps; *hlc is the clock before and after it. */
static int read_chunk(fold *f, int64_t after, int64_t now_ms, uint64_t *hlc)
{
    sync_db *s = f->s;
    int rc = SYNC_OK;
    f->count = 0;
    sync_arena_reset(&f->arena);
    if (s->journal_runs_stmt == NULL) {
        rc = sync_prepare(
            s, &s->journal_runs_stmt, f->error,
            "SELECT seq, tid, op, at FROM main.sync_journal WHERE seq > ?1 ORDER BY seq LIMIT %d",
            SYNC_FOLD_CHUNK);
    }
    if (rc == SYNC_OK && sqlite3_bind_int64(s->journal_runs_stmt, 1, after)) {
        rc = sync_fail_db(s, f->error, NULL);
    }
    while (rc == SYNC_OK && f->count < SYNC_FOLD_CHUNK &&
           (rc = sync_step(s, s->journal_runs_stmt, f->error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        int64_t at = sqlite3_column_int64(s->journal_runs_stmt, 3);
        if (at > now_ms && f->place == SYNC_IN_OVERLAY) {
            f->need_real = true; /* the stamp will depend on when it is folded */
        }
        *hlc = sync_hlc_next(*hlc, at, now_ms);
        f->entries[f->count++] = (entry){
            .seq = sqlite3_column_int64(s->journal_runs_stmt, 0),
            .tid = (uint32_t)sqlite3_column_int64(s->journal_runs_stmt, 1),
            .op = sqlite3_column_int64(s->journal_runs_stmt, 2),
            .hlc = *hlc,
            .next = -1,
        };
    }
    sqlite3_reset(s->journal_runs_stmt);
    f->full = f->count == SYNC_FOLD_CHUNK;
    while (f->full && f->count > 1 && is_first_half(f->entries[f->count - 1].op)) {
        f->count--; /* a move of a key is folded in one piece */
        *hlc = f->entries[f->count - 1].hlc;
    }
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int fold_chunk(fold *f)
{
    int rc = SYNC_OK;
    for (uint32_t lo = 0, hi; rc == SYNC_OK && !f->need_real && lo < f->count; lo = hi) {
        uint32_t tid = f->entries[lo].tid & SYNC_TID_MASK;
        sync_table *t = sync_engine_tid(f->s, tid);
        bool single = t && !t->normal_keys;
        for (hi = lo + 1; hi < f->count && !single && (f->entries[hi].tid & SYNC_TID_MASK) == tid; hi++) {
        }
        if (t && !t->missing) {
            rc = fold_run(f, t, lo, hi);
        }
    }
    return rc;
}

/* Folds everything above `after`. */
static int fold_tail(fold *f, int64_t after, uint64_t *hlc, int64_t *end, int64_t *entries)
{
    const sync_env *env = sync_env_get();
    int64_t now = env->now_ms(env->context);
    int rc = SYNC_OK;
    *end = after;
    *entries = 0;
    f->now_ms = now;
    do {
        f->mends = false;
        rc = read_chunk(f, *end, now, hlc);
        rc = rc == SYNC_OK && !f->need_real ? fold_chunk(f) : rc;
        if (f->count) {
            *end = f->entries[f->count - 1].seq;
            *entries += f->count;
        }
    } while (rc == SYNC_OK && !f->need_real && (f->full || f->mends));
    return rc;
}

static fold *fold_new(sync_db *s, sync_place place, sync_error *error)
{
    fold *f = sync_alloc(sizeof *f);
    if (f == NULL) {
        sync_fail_nomem(error);
        return NULL;
    }
    f->s = s;
    f->error = error;
    f->place = place;
    f->need_real = false;
    f->mends = false;
    f->learned = NULL;
    f->learned_count = 0;
    f->arena = (sync_arena){0};
    f->row = (sync_row){0};
    f->buf = f->keys = (sync_buf){0};
    f->chunk = (sync_chunk){0};
    return f;
}

static void fold_free(fold *f)
{
    sync_arena_free(&f->arena);
    sync_row_free(&f->row);
    sync_buf_free(&f->buf);
    sync_buf_free(&f->keys);
    sync_chunk_free(&f->chunk);
    sync_free(f);
}

int sync_fold_tail(sync_db *s, int64_t *entries, sync_error *error)
{
    return sync_query_int(s, entries, 0, error, "SELECT count(*) FROM main.sync_journal WHERE seq > %lld",
                          (long long)s->folded);
}

int sync_fold_real(sync_db *s, const sync_learned *learned, uint32_t learned_count, int64_t *entries,
                   sync_error *error)
{
    int64_t end = 0;
    uint64_t hlc = s->hlc;
    fold *f = fold_new(s, SYNC_IN_FILE, error);
    if (f == NULL) {
        return SYNC_NOMEM;
    }
    f->learned = learned;
    f->learned_count = learned_count;
    s->overlay.valid = false;
    int rc = sync_query_int(s, &f->newest, 0, error, "SELECT max(seq) FROM main.sync_journal");
    int64_t cache = 0;
    if (rc == SYNC_OK && f->newest - s->folded > SYNC_LONG_ENTRIES) {
        rc = sync_engine_cache_widen(s, &cache, error);
    }
    rc = rc == SYNC_OK ? fold_tail(f, s->folded, &hlc, &end, entries) : rc;
    int restored = sync_engine_cache_restore(s, cache, error);
    rc = rc == SYNC_OK ? restored : rc;
    if (rc == SYNC_OK && *entries > 0) {
        s->hlc = hlc;
        s->folded = end;
        rc = sync_engine_save(s, error);
    }
    fold_free(f);
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

/* Clears away what an earlier schema left under a name. SQLite drops no table while a SELECT of the caller runs: then it is renamed. */
static int overlay_clear(sync_db *s, const char *kind, uint32_t tid, sync_error *error)
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
    rc = rc == SYNC_OK ? overlay_clear(s, "row", t->tid, error) : rc;
    rc = rc == SYNC_OK ? overlay_clear(s, "hidden", t->tid, error) : rc;
    return rc == SYNC_OK ? sync_capture_overlay_table(s, t, error) : rc;
}

/* Empties the overlay and makes its tables. */
static int overlay_begin(sync_db *s, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        if (!s->tables[i].missing) {
            rc = overlay_table(s, &s->tables[i], error);
        }
    }
    s->overlay = (sync_overlay){
        .valid = rc == SYNC_OK, .folded = s->folded, .base = s->folded, .count = s->count, .hlc = s->hlc};
    return rc;
}

static int fold_virtual(sync_db *s, bool *need_real, sync_error *error)
{
    int64_t newest = 0, end = 0, entries = 0;
    sync_overlay *o = &s->overlay;
    *need_real = false;
    for (uint32_t i = 0; i < s->table_count; i++) {
        *need_real = *need_real || (!s->tables[i].missing && (s->tables[i].late || s->tables[i].untriggered));
    }
    int rc = sync_query_int(s, &newest, 0, error, "SELECT max(seq) FROM main.sync_journal");
    if (rc != SYNC_OK || *need_real) {
        return rc;
    }
    if (o->valid && (o->base != s->folded || o->count != s->count || o->folded > newest)) {
        o->valid = false;
    }
    if (newest <= s->folded) {
        *o = (sync_overlay){.hlc = s->hlc, .folded = s->folded};
        return SYNC_OK;
    }
    if (!o->valid) {
        rc = overlay_begin(s, error);
    }
    fold *f = rc == SYNC_OK ? fold_new(s, SYNC_IN_OVERLAY, error) : NULL;
    if (f == NULL) {
        o->valid = false;
        return rc == SYNC_OK ? SYNC_NOMEM : rc;
    }
    rc = fold_tail(f, o->folded, &o->hlc, &end, &entries);
    *need_real = f->need_real;
    fold_free(f);
    o->folded = end;
    o->entries += entries;
    o->valid = rc == SYNC_OK && !*need_real;
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
