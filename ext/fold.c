#include "fold_internal.h"

#include "capture.h"
#include "key.h"
#include "site.h"

#include <string.h>

/* ---- statements ---- */

static void build_read(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "SELECT j.seq, j.tid, j.op, j.at, c.seq, c.clock, b.\"%w\" IS NOT NULL, ",
                        t->key_names[0]);
    sync_str_numbers(sql, t, "j.k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.sync_journal AS j LEFT JOIN main.sync_row_%u AS c ON ", t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "j");
    sqlite3_str_appendall(sql, " WHERE j.seq > ?1 ORDER BY j.seq");
}

/* Keys without what is known of them, for runs that are looked up in their order. */
static void build_keys(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendall(sql, "SELECT seq, tid, op, at, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendall(sql, " FROM main.sync_journal WHERE seq > ?1 ORDER BY seq");
}

static void build_look(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql,
                        "SELECT j.seq, c.seq, c.clock, b.\"%w\" IS NOT NULL FROM sync_chunk AS j LEFT JOIN "
                        "main.sync_row_%u AS c ON ",
                        t->key_names[0], t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "j");
}

/* As build_read, where the overlay, if it knows the key, stands before the file's clocks. */
static void build_read_temp(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql,
                        "SELECT j.seq, j.tid, j.op, j.at, iif(j.known, o.seq, c.seq), iif(j.known, o.clock, "
                        "c.clock), b.\"%w\" IS NOT NULL, ",
                        t->key_names[0]);
    sync_str_numbers(sql, t, "j.k%d", ", ");
    sqlite3_str_appendall(sql, " FROM (");
    sync_clocks_journal(sql, t);
    sqlite3_str_appendf(sql, " WHERE h.seq > ?1) AS j LEFT JOIN main.sync_row_%u AS c ON ", t->tid);
    sync_str_match(sql, t, "c", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN temp.sync_row_%u AS o ON ", t->tid);
    sync_str_match(sql, t, "o", "j");
    sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "j");
    sqlite3_str_appendall(sql, " ORDER BY j.seq");
}

/* ---- runs ---- */

/* Numbers in ascending order, as they come when they are handed out: no key twice. */
static bool keys_ascend(const sync_fold *f, const sync_table *t)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const sync_value *key = f->entries[i].key;
        if (t->key_count > 1 || key->type != SYNC_INTEGER || (i && key->i <= f->entries[i - 1].key->i)) {
            return false;
        }
    }
    return true;
}

/* Chains the entries of the run in hand by key. */
static int chain_keys(sync_fold *f, const sync_table *t)
{
    bool alone = f->count == 1 || keys_ascend(f, t);
    uint32_t slots = 16; /* a power of two, twice the entries */
    while (!alone && slots < 2 * f->count) {
        slots *= 2;
    }
    memset(f->slots, 0xff, alone ? 0 : slots * sizeof *f->slots);
    for (uint32_t i = 0; i < f->count; i++) {
        sync_entry *e = &f->entries[i];
        e->first = !e->null_key;
        if (e->null_key || alone) {
            continue;
        }
        sync_buf_reset(&f->keys);
        (void)sync_key_normal(&f->keys, t, e->key);
        if (f->keys.oom) {
            return sync_fail_nomem(f->error);
        }
        uint32_t hash = sync_hash(f->keys.data, f->keys.len);
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

static const char ambiguous[] = "%s: a journal entry names more than one row or clock";
static const char disordered[] = "sync_journal: its entries are not in order";

enum { READ_SEQ, READ_TID, READ_OP, READ_AT, READ_LIVE, READ_CLOCK, READ_EXISTS, READ_KEY };
enum { KEYS_KEY = READ_LIVE };
enum { LOOK_ENTRY, LOOK_LIVE, LOOK_CLOCK, LOOK_EXISTS };

static int read_key(sync_fold *f, const sync_table *t, sqlite3_stmt *stmt, int column, sync_entry *e)
{
    e->key = sync_arena_alloc(&f->arena, t->key_count * sizeof *e->key);
    if (e->key == NULL) {
        return sync_fail_nomem(f->error);
    }
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value v = sync_column_value(stmt, (int)i + column);
        e->null_key = e->null_key || v.type == SYNC_NULL;
        if (!sync_arena_value(&f->arena, &v, &e->key[i])) {
            return sync_fail_nomem(f->error);
        }
    }
    return SYNC_OK;
}

/* What the base table and the clocks have of the entry's key, from columns live, clock, exists. */
static int read_state(sync_fold *f, const sync_table *t, sqlite3_stmt *stmt, int column, sync_entry *e)
{
    e->exists = sqlite3_column_int(stmt, column + 2) != 0;
    e->has_clock = sqlite3_column_type(stmt, column + 1) != SQLITE_NULL;
    if (!e->has_clock) {
        return SYNC_OK;
    }
    sync_value clock = sync_column_value(stmt, column + 1);
    if (clock.type != SYNC_BLOB) {
        return sync_fail(f->error, SYNC_CORRUPT, "sync_row_%u: a clock is damaged", t->tid);
    }
    e->live = sqlite3_column_int64(stmt, column);
    return sync_arena_value(&f->arena, &clock, &e->clock) ? SYNC_OK : sync_fail_nomem(f->error);
}

/* Looks up the whole run in the order of its keys, which is the order to fold it in as well: neighbours are on the same pages. */
static int look_up_sorted(sync_fold *f, sync_table *t)
{
    sqlite3_stmt *stmt;
    uint32_t n = 0;
    int rc = sync_table_stmt(f->s, t, SYNC_STMT_FOLD_LOOK, build_look, &stmt, f->error);
    for (uint32_t i = 0; rc == SYNC_OK && i < f->count; i++) {
        rc = sync_chunk_add(&f->chunk, f->entries[i].key, i, 0, f->error);
    }
    sync_chunk_show(f->s, t, &f->chunk);
    bool looks = rc == SYNC_OK;
    while (rc == SYNC_OK && (rc = sync_step(f->s, stmt, f->error)) == SQLITE_ROW) {
        if (n == f->count) {
            rc = sync_fail(f->error, SYNC_CORRUPT, ambiguous, t->name);
            break;
        }
        f->order[n] = (uint32_t)sqlite3_column_int64(stmt, LOOK_ENTRY);
        rc = read_state(f, t, stmt, LOOK_LIVE, &f->entries[f->order[n++]]);
    }
    if (looks) {
        sqlite3_reset(stmt);
    }
    sync_chunk_hide(f->s, &f->chunk);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Folds the run in hand: entries of one table, adjacent in the journal. */
static int fold_run(sync_fold *f, sync_table *t)
{
    int64_t nulls = 0;
    int rc = chain_keys(f, t);
    rc = rc == SYNC_OK ? sync_fold_keep_notes(f, t) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && !f->need_real && i < f->count; i++) {
        sync_entry *e = &f->entries[f->order[i]];
        if (e->null_key) {
            nulls += e->op != SYNC_OP_LOOK;
            rc = sync_fold_drop_entry(f, e->seq);
        } else if (e->first) {
            rc = sync_fold_key(f, t, e);
        }
    }
    rc = rc == SYNC_OK ? sync_chunk_write(f->s, t, &f->chunk, f->error) : rc;
    t->in_overlay = t->in_overlay || f->place == SYNC_IN_OVERLAY;
    f->s->overlay.nulls = f->s->overlay.nulls || nulls;
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

/* Takes entries of the table `tid` above `after` from a statement that stands on the first, with their stamps, until one of another table or
** `most` are there. `key`: where the statement has their keys, or 0; READ_KEY: it has what is known of them as well. */
static int take_run(sync_fold *f, const sync_table *t, sqlite3_stmt *stmt, int key, int64_t after,
                    uint32_t tid, uint32_t most, uint64_t *hlc)
{
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW && f->count < most) {
        uint32_t group = (uint32_t)sqlite3_column_int64(stmt, READ_TID);
        if ((group & SYNC_TID_MASK) != tid) {
            break;
        }
        int64_t at = sqlite3_column_int64(stmt, READ_AT), seq = sqlite3_column_int64(stmt, READ_SEQ);
        int64_t before = f->count ? f->entries[f->count - 1].seq : after;
        if (seq <= before) { /* lower: only in a damaged file. It would be folded for ever. */
            return f->count && seq == before
                       ? sync_fail(f->error, SYNC_CORRUPT, ambiguous, t ? t->name : "sync_journal")
                       : sync_fail(f->error, SYNC_CORRUPT, disordered);
        }
        /* What was told keeps its stamp, also where the wall clock has been set back since. */
        bool ahead = at > f->now_ms && !sync_site_told(f->s, seq);
        if (ahead && f->place == SYNC_IN_OVERLAY) {
            f->need_real = true; /* the stamp will depend on when it is folded */
        }
        *hlc = sync_hlc_next(*hlc, at, ahead ? f->now_ms : at);
        f->told_hlc = sync_site_of(f->s, seq) != f->s->own_site ? *hlc : f->told_hlc;
        f->since = sync_site_told(f->s, seq) ? *hlc : f->since;
        sync_entry *e = &f->entries[f->count++];
        *e = (sync_entry){.seq = seq,
                          .tid = group,
                          .op = sqlite3_column_int64(stmt, READ_OP),
                          .at = at,
                          .hlc = *hlc,
                          .next = -1};
        f->order[f->count - 1] = f->count - 1;
        rc = key ? read_key(f, t, stmt, key, e) : SYNC_OK;
        rc = rc == SYNC_OK && key == READ_KEY ? read_state(f, t, stmt, READ_LIVE, e) : rc;
        rc = rc == SYNC_OK ? sync_step(f->s, stmt, f->error) : rc;
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* What belongs together is folded in one piece: the first half of a move waits for the second. */
static void keep_moves_whole(sync_fold *f, uint64_t *hlc)
{
    bool full = f->count == f->run_max;
    while (full && f->count > 1 && is_first_half(f->entries[f->count - 1].op)) {
        f->count--;
        *hlc = f->entries[f->count - 1].hlc;
    }
}

static int first_row(sync_fold *f, sqlite3_stmt *stmt, int64_t after)
{
    return sqlite3_bind_int64(stmt, 1, after) ? sync_fail_db(f->s, f->error, NULL)
                                              : sync_step(f->s, stmt, f->error);
}

/* The run of a table that can be folded; entries of a long one come with their keys alone first. */
static int read_table_run(sync_fold *f, int64_t after, sync_table *t, uint64_t *hlc)
{
    sync_db *s = f->s;
    bool real = f->place == SYNC_IN_FILE, sorted = real && t->identity == SYNC_BY_KEY && t->normal_keys;
    /* without a normal form of the key each entry is a run of its own */
    uint32_t most = !t->normal_keys                               ? 1
                    : sorted && f->run_max > SYNC_FOLD_SORTED_MIN ? SYNC_FOLD_SORTED_MIN
                                                                  : f->run_max;
    sqlite3_stmt *stmt;
    int rc = real ? sync_table_stmt(s, t, SYNC_STMT_FOLD_READ, build_read, &stmt, f->error)
                  : sync_table_stmt(s, t, SYNC_STMT_FOLD_READ_TEMP, build_read_temp, &stmt, f->error);
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = first_row(f, stmt, after);
    rc = rc == SQLITE_ROW ? take_run(f, t, stmt, READ_KEY, after, t->tid, most, hlc) : rc;
    rc = sync_reset_read(stmt, rc, f->error);
    if (rc != SYNC_OK || !sorted || f->count < SYNC_FOLD_SORTED_MIN) {
        keep_moves_whole(f, hlc);
        return rc;
    }
    rc = sync_table_stmt(s, t, SYNC_STMT_FOLD_KEYS, build_keys, &stmt, f->error);
    if (rc != SYNC_OK) {
        return rc;
    }
    rc = first_row(f, stmt, f->entries[f->count - 1].seq);
    rc = rc == SQLITE_ROW ? take_run(f, t, stmt, KEYS_KEY, after, t->tid, f->run_max, hlc) : rc;
    rc = sync_reset_read(stmt, rc, f->error);
    keep_moves_whole(f, hlc);
    return rc == SYNC_OK || rc == SQLITE_DONE ? look_up_sorted(f, t) : rc;
}

/* The next run of the journal above `after`, none at its end; *t is NULL if nothing can be folded of it. *hlc is the clock before and after
** it. */
static int read_run(sync_fold *f, int64_t after, uint64_t *hlc, sync_table **t)
{
    sync_db *s = f->s;
    int rc = SYNC_OK;
    *t = NULL;
    f->count = 0;
    sync_arena_reset(&f->arena);
    if (s->journal_runs_stmt == NULL) {
        rc = sync_prepare(s, &s->journal_runs_stmt, f->error,
                          "SELECT seq, tid, op, at FROM main.sync_journal WHERE seq > ?1 ORDER BY seq");
    }
    if (rc != SYNC_OK || (rc = first_row(f, s->journal_runs_stmt, after)) != SQLITE_ROW) {
        sqlite3_reset(s->journal_runs_stmt);
        return rc == SQLITE_DONE ? SYNC_OK : rc;
    }
    uint32_t tid = (uint32_t)sqlite3_column_int64(s->journal_runs_stmt, READ_TID) & SYNC_TID_MASK;
    *t = sync_engine_tid(s, tid);
    if (*t && !(*t)->missing) {
        sqlite3_reset(s->journal_runs_stmt);
        rc = read_table_run(f, after, *t, hlc);
    } else {
        *t = NULL;
        rc = take_run(f, NULL, s->journal_runs_stmt, 0, after, tid, f->run_max, hlc);
        sqlite3_reset(s->journal_runs_stmt);
    }
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Keys in the journal that are not as their columns store them would miss their clocks. No trigger writes such, but they would make every
** fold fail: those of the run in hand are stored anew. *anew: some were, the run is to be read again. */
static int mend_keys(sync_fold *f, const sync_table *t, bool *anew)
{
    bool fit = true;
    for (uint32_t i = 0; fit && i < f->count; i++) {
        fit = sync_key_fits(t, f->entries[i].key);
    }
    if (fit) {
        return SYNC_OK;
    }
    sqlite3_str *set = sqlite3_str_new(f->s->db), *where = sqlite3_str_new(f->s->db);
    for (uint32_t i = 0; i < t->key_count; i++) {
        char k[16];
        sqlite3_snprintf(sizeof k, k, "k%d", (int)i + 1);
        sqlite3_str_appendf(set, "%s%s = ", i ? ", " : "", k);
        sync_str_key_stored(set, t, i, k);
        sqlite3_str_appendf(where, "%stypeof(%s) <> typeof(", i ? " OR " : "", k);
        sync_str_key_stored(where, t, i, k);
        sqlite3_str_appendall(where, ")");
    }
    if (t->rowid_alias) { /* what names no row at all becomes an entry without a key */
        sqlite3_str_appendall(set, ", op = iif(");
        sync_str_key_stored(set, t, 0, "k1");
        sqlite3_str_appendall(set, " IS NULL, 0, op)");
    }
    char *sets = sqlite3_str_finish(set), *wheres = sqlite3_str_finish(where);
    int64_t wrong = 0, first = f->entries[0].seq, last = f->entries[f->count - 1].seq;
    int rc = sets && wheres ? SYNC_OK : sync_fail_nomem(f->error);
    rc = rc == SYNC_OK ? sync_query_int(f->s, &wrong, 0, f->error,
                                        "SELECT count(*) FROM main.sync_journal WHERE seq BETWEEN %lld AND"
                                        " %lld AND tid & %d = %u AND (%s)",
                                        (long long)first, (long long)last, SYNC_TID_MASK, t->tid, wheres)
                       : rc;
    if (rc == SYNC_OK && wrong && f->place == SYNC_IN_OVERLAY) {
        f->need_real = true;
    } else if (rc == SYNC_OK && wrong) {
        *anew = true;
        rc = sync_exec(f->s, f->error,
                       "UPDATE main.sync_journal SET %s WHERE seq BETWEEN %lld AND %lld AND tid & %d = %u AND"
                       " (%s)",
                       sets, (long long)first, (long long)last, SYNC_TID_MASK, t->tid, wheres);
    }
    sqlite3_free(sets);
    sqlite3_free(wheres);
    return rc;
}

int sync_fold_entries(sync_fold *f, int64_t after, int64_t enough, uint64_t *hlc, int64_t *end,
                      int64_t *entries)
{
    const sync_env *env = sync_env_get();
    int rc = SYNC_OK;
    *end = after;
    *entries = 0;
    f->now_ms = env->now_ms(env->context);
    f->run_max = enough < SYNC_FOLD_CHUNK ? (uint32_t)enough : SYNC_FOLD_CHUNK;
    bool more = true;
    do {
        sync_table *t;
        bool anew = false;
        uint64_t before = *hlc;
        rc = read_run(f, *end, hlc, &t);
        rc = rc == SYNC_OK && !f->need_real && t ? mend_keys(f, t, &anew) : rc;
        if (rc == SYNC_OK && anew) {
            *hlc = before;
            rc = read_run(f, *end, hlc, &t);
        }
        rc = rc == SYNC_OK && !f->need_real && t ? fold_run(f, t) : rc;
        if (f->count) {
            *end = f->entries[f->count - 1].seq;
            *entries += f->count;
        }
        more = f->count > 0 && *entries < enough;
        if (rc == SYNC_OK && f->count > 0 && !more) {
            rc = sync_fold_within_move(f, *end, &more);
        }
    } while (rc == SYNC_OK && !f->need_real && more);
    return rc == SYNC_OK ? sync_fold_close_notes(f) : rc;
}

sync_fold *sync_fold_new(sync_db *s, sync_place place, sync_error *error)
{
    sync_fold *f = sync_alloc(sizeof *f);
    if (f == NULL) {
        sync_fail_nomem(error);
        return NULL;
    }
    f->s = s;
    f->error = error;
    f->place = place;
    f->need_real = false;
    f->since = s->hlc;
    f->learned = NULL;
    f->learned_count = 0;
    f->open_count = 0;
    f->told_hlc = 0;
    f->arena = (sync_arena){0};
    f->row = (sync_row){0};
    f->buf = f->keys = (sync_buf){0};
    f->chunk = (sync_chunk){0};
    f->claims = NULL;
    return f;
}

void sync_fold_free(sync_fold *f)
{
    sync_arena_free(&f->arena);
    sync_row_free(&f->row);
    sync_buf_free(&f->buf);
    sync_buf_free(&f->keys);
    sync_chunk_free(&f->chunk);
    sync_fold_claims_free(f->claims);
    sync_free(f);
}

int sync_fold_tail(sync_db *s, int64_t *entries, sync_error *error)
{
    return sync_query_bound(s, entries, 0, s->folded, error,
                            "SELECT count(*) FROM main.sync_journal WHERE seq > ?1");
}

int sync_fold_real(sync_db *s, const sync_learned *learned, uint32_t learned_count, int64_t enough,
                   int64_t *entries, sync_error *error)
{
    int64_t end = 0;
    uint64_t hlc = s->hlc;
    sync_fold *f = sync_fold_new(s, SYNC_IN_FILE, error);
    *entries = 0;
    if (f == NULL) {
        return SYNC_NOMEM;
    }
    f->learned = learned;
    f->learned_count = learned_count;
    int rc = sync_query_int(s, &f->newest, 0, error, "SELECT max(seq) FROM main.sync_journal");
    int64_t cache = 0, taken = 0, after = s->folded;
    if (rc == SYNC_OK && f->newest > s->folded) {
        rc = sync_clocks_drop_stale(s, error);
    }
    if (rc == SYNC_OK && f->newest - s->folded > SYNC_LONG_ENTRIES) {
        rc = sync_engine_cache_widen(s, &cache, error);
    }
    if (rc == SYNC_OK && enough == INT64_MAX && learned_count == 0) {
        rc = sync_fold_adopt(f, &after, &hlc, &taken);
    }
    s->overlay.valid = false;
    rc = rc == SYNC_OK ? sync_fold_entries(f, after, enough, &hlc, &end, entries) : rc;
    rc = rc == SYNC_OK && f->told_hlc ? sync_site_kept(s, f->told_hlc, error) : rc;
    *entries += taken;
    int restored = sync_engine_cache_restore(s, cache, error);
    rc = rc == SYNC_OK ? restored : rc;
    if (rc == SYNC_OK && *entries > 0) {
        s->hlc = hlc;
        s->folded = end;
        s->stamped = true;
        rc = sync_engine_save(s, error);
    }
    sync_fold_free(f);
    return rc;
}
