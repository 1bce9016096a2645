/* What the journal says of one key, replayed on its row state. Source: docs/MERGE.md, "Fold". */
#include "fold_internal.h"
#include "site.h"

#include <string.h>

static int put_clock(sync_fold *f, sync_table *t, const sync_entry *e, int64_t j, int64_t seq, bool fresh)
{
    return sync_clocks_put(f->s, t, f->place, e->key, j, seq, &f->buf, fresh, f->error);
}

static int pack_and_put(sync_fold *f, sync_table *t, const sync_entry *e, int64_t j, int64_t seq, bool fresh)
{
    sync_buf_reset(&f->buf);
    sync_clock_put(&f->buf, &f->row, t->identity, t->epoch);
    return put_clock(f, t, e, j, seq, fresh);
}

int sync_fold_drop_entry(sync_fold *f, int64_t seq)
{
    if (f->place == SYNC_IN_OVERLAY) {
        sync_buf_put_u64(&f->s->superseded, (uint64_t)seq); /* whoever owns the buffer checks it */
        return SYNC_OK;
    }
    return seq != f->newest ? sync_clocks_drop_entry(f->s, seq, f->error) : SYNC_OK;
}

/* ---- notes that wait for their move ---- */

static int close_note(sync_fold *f, uint32_t at)
{
    int rc = f->open[at].named ? SYNC_OK : sync_fold_drop_entry(f, f->open[at].seq);
    f->open_count--;
    memmove(&f->open[at], &f->open[at + 1], (f->open_count - at) * sizeof *f->open);
    return rc;
}

int sync_fold_close_notes(sync_fold *f)
{
    int rc = SYNC_OK;
    while (rc == SYNC_OK && f->open_count > 0) {
        rc = close_note(f, f->open_count - 1);
    }
    return rc;
}

/* Has the run no move yet that the note was written for? A cascade may write to the row that moves before. */
static bool is_waiting(const sync_fold *f, const sync_entry *note)
{
    bool waits = note->op == SYNC_OP_HINT && note->key[0].type == SYNC_INTEGER;
    for (const sync_entry *e = note; waits && e->next >= 0;) {
        e = &f->entries[e->next];
        waits = e->op >= 0;
    }
    return waits;
}

int sync_fold_keep_notes(sync_fold *f, const sync_table *t)
{
    int rc = SYNC_OK;
    uint32_t first = f->count, waiting = 0;
    /* what the statement's cascades wrote, to other rows of this table too, may stand behind them */
    while (t->identity == SYNC_BY_ROW && first > 0 && waiting < SYNC_FOLD_NOTES_MAX &&
           f->entries[first - 1].at == f->entries[f->count - 1].at) {
        waiting += is_waiting(f, &f->entries[--first]);
    }
    for (uint32_t i = first; rc == SYNC_OK && i < f->count; i++) {
        sync_entry *e = &f->entries[i];
        if (is_waiting(f, e)) {
            rc = f->open_count == SYNC_FOLD_NOTES_MAX ? close_note(f, 0) : SYNC_OK;
            f->open[f->open_count++] =
                (sync_open_note){.tid = t->tid, .number = e->key[0].i, .seq = e->seq, .at = e->at};
            e->kept = true;
        }
    }
    return rc;
}

int sync_fold_within_move(const sync_fold *f, int64_t end, bool *within)
{
    int64_t at = 0;
    *within = false;
    int rc = f->open_count
                 ? sync_query_int(f->s, &at, -1, f->error,
                                  "SELECT at FROM main.sync_journal WHERE seq > %lld ORDER BY seq LIMIT 1",
                                  (long long)end)
                 : SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < f->open_count; i++) {
        *within = *within || (f->open[i].tid && f->open[i].at == at);
    }
    return rc;
}

int sync_fold_passes(sync_fold *f, uint32_t tid, int64_t number, const sync_entry *e, bool *passes)
{
    sync_open_note *note = NULL;
    *passes = false;
    for (uint32_t i = 0; i < f->open_count; i++) {
        bool its = f->open[i].tid == tid && f->open[i].number == number && f->open[i].seq < e->seq;
        note = its && f->open[i].at == e->at ? &f->open[i] : note;
    }
    int rc = note == NULL || note->move
                 ? SYNC_OK
                 : sync_query_int(f->s, &note->move, -1, f->error,
                                  "SELECT iif(op = %d, seq, -1) FROM main.sync_journal WHERE seq > %lld AND "
                                  "tid & %d = %u AND k1 = %lld AND at = %lld ORDER BY seq LIMIT 1",
                                  SYNC_OP_MOVE_TO, (long long)note->seq, SYNC_TID_MASK, tid,
                                  (long long)number, (long long)note->at);
    *passes = rc == SYNC_OK && note && note->move > e->seq;
    return rc;
}

/* The newest note on this number with which an earlier run ended, or NULL. */
static sync_open_note *note_for(sync_fold *f, const sync_table *t, const sync_entry *e)
{
    for (uint32_t i = f->open_count; e->key[0].type == SYNC_INTEGER && i-- > 0;) {
        if (f->open[i].tid == t->tid && f->open[i].number == e->key[0].i && f->open[i].seq < e->seq) {
            return &f->open[i];
        }
    }
    return NULL;
}

/* A clock is about to name the entry: if it is a note, it stays. */
static void claim(sync_fold *f, int64_t seq)
{
    for (uint32_t i = 0; i < f->open_count; i++) {
        f->open[i].named = f->open[i].named || f->open[i].seq == seq;
    }
}

/* ---- states ---- */

static sync_stamp stamp_of(const sync_fold *f, const sync_entry *e)
{
    return (sync_stamp){e->hlc, sync_site_of(f->s, e->seq), 1};
}

/* Every column that the triggers knew gets the stamp; values are in the base table. What was told of an entry holds for it still when
** columns have come since. */
static int cover(sync_fold *f, const sync_table *t, sync_stamp stamp)
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

static int begin_life(sync_fold *f, sync_table *t, const sync_value *key, sync_stamp stamp)
{
    sync_row *row = &f->row;
    sync_stamp oldest;
    bool claimed;
    int rc = sync_fold_claims_oldest(f, t, key, &claimed, &oldest);
    row->cl = t->identity == SYNC_BY_ROW ? 1 : sync_next_life(t, row->cl);
    row->born = t->identity == SYNC_BY_ROW ? stamp : SYNC_STAMP_NONE;
    row->stamp = stamp;
    row->origin = SYNC_STAMP_NONE;
    row->held = row->moved = false;
    row->count = row->ref_count = 0;
    if (rc == SYNC_OK && claimed) { /* it is as old as they are, or they would take its number from it */
        row->moved = true;
        row->birth = row->number = key->i;
        row->since = oldest;
    }
    return rc == SYNC_OK ? cover(f, t, stamp) : rc;
}

static void end_life(sync_fold *f, const sync_table *t, sync_stamp stamp)
{
    sync_row *row = &f->row;
    row->cl = t->identity == SYNC_BY_ROW ? 2 : row->cl + 1;
    row->stamp = stamp;
    row->origin = SYNC_STAMP_NONE;
    row->held = false;
    row->since =
        SYNC_STAMP_NONE; /* `moved` and `birth` stay: the tombstone lies under the number that it had */
    row->count = row->ref_count = 0;
}

static int stamp_columns(sync_fold *f, const sync_table *t, const sync_entry *e)
{
    uint32_t base = (e->tid >> SYNC_GROUP_SHIFT) * SYNC_MASK_COLUMNS;
    for (uint32_t bit = 0; bit < SYNC_MASK_COLUMNS; bit++) {
        if (((uint64_t)e->op >> bit) & 1 && base + bit < t->col_count) {
            sync_cell *cell = sync_row_set(&f->row, base + bit, stamp_of(f, e));
            if (cell == NULL) {
                return sync_fail_nomem(f->error);
            }
            cell->carried = false;
            sync_row_drop_ref(&f->row, base + bit);
        }
    }
    return SYNC_OK;
}

/* A genesis row has no clock: its stamps are the table's. */
static int genesis_state(sync_fold *f, const sync_table *t)
{
    sync_stamp stamp = {t->epoch, t->genesis_site, 0};
    f->row.cl = 1;
    f->row.born = sync_engine_genesis_born(t);
    f->row.stamp = stamp;
    for (uint32_t c = 0; c < t->genesis_covers; c++) {
        if ((t->cols[c].present || t->cols[c].lost) && sync_row_set(&f->row, c, stamp) == NULL) {
            return sync_fail_nomem(f->error);
        }
    }
    return SYNC_OK;
}

/* Columns that the triggers did not know when the tail was written: what is not the default was written there. */
static int stamp_learned(sync_fold *f, const sync_table *t, const sync_entry *e, sync_stamp stamp,
                         bool *changed)
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
    int64_t noted; /* entry of an earlier run that names the tombstone, or 0 */
} outcome;

/* Identity row, and keys made of references: the life that ends leaves a tombstone of its own, named by an entry that no other clock names. */
static int bury(sync_fold *f, sync_table *t, sync_entry *e, sync_entry *named, outcome *o)
{
    int64_t j = 0;
    sync_stamp existed = f->row.stamp;
    end_life(f, t, stamp_of(f, e));
    o->changed = true;
    if (t->identity == SYNC_BY_KEY && !t->meant) {
        return SYNC_OK;
    }
    int rc = t->meant ? sync_fold_meant_bury(f, t, e, named, existed)
                      : sync_clocks_highest(f->s, t, f->place, e->key, &j, f->error);
    rc = rc == SYNC_OK && !t->meant ? pack_and_put(f, t, e, j + 1, named->seq, true) : rc;
    named->kept = true;
    if (rc == SYNC_OK && o->in_table) {
        rc = sync_clocks_delete(f->s, t, f->place, e->key, 0, f->error);
    }
    o->in_table = false;
    o->known = false;
    sync_row_reset(&f->row);
    return rc;
}

/* Who had the number that a row moves to goes, too. The move's own entry names the row that came. */
static int bury_displaced(sync_fold *f, sync_table *t, sync_entry *e, sync_entry *hint, outcome *o)
{
    sync_open_note *note = hint ? NULL : note_for(f, t, e);
    if (note == NULL) {
        return bury(f, t, e, hint ? hint : e, o);
    }
    sync_entry named = {.seq = note->seq};
    note->named = true;
    note->tid = 0; /* of no use to another */
    o->noted = note->seq;
    return bury(f, t, e, &named, o);
}

static int replay_entry(sync_fold *f, sync_table *t, sync_entry *e, sync_entry *hint, outcome *o)
{
    sync_row *row = &f->row;
    bool alive = o->known && sync_row_alive(row);
    bool insert = e->op == SYNC_OP_INSERT || e->op == SYNC_OP_MOVE_TO;
    int rc = SYNC_OK;
    if ((e->op == SYNC_OP_DELETE || e->op == SYNC_OP_MOVE_FROM || e->op == SYNC_OP_MOVE_TO) && alive) {
        rc = e->op == SYNC_OP_MOVE_TO ? bury_displaced(f, t, e, hint, o) : bury(f, t, e, e, o);
        alive = false;
    }
    if (rc == SYNC_OK && insert && !alive && t->meant) {
        bool hidden = false;
        rc = sync_fold_meant_revive(f, t, e, &hidden);
        alive = hidden && sync_row_alive(row);
        o->known = o->known || hidden;
    }
    if (rc != SYNC_OK) {
        return rc;
    }
    if (insert && alive) {   /* INSERT OR REPLACE over a live row keeps the incarnation */
        bool passed = false; /* then it is another row by now: sync_orphans_note sees it by the stamp */
        rc = t->meant ? sync_fold_meant_passed(f, t, e, row->stamp, &passed) : SYNC_OK;
        if (t->identity == SYNC_BY_KEY && !row->stamp.written && t->lives >= row->cl) {
            row->cl = sync_next_life(
                t,
                0); /* it was there before the tracking, or it is new, and was written to before this entry */
        }
        row->stamp = passed ? row->stamp : stamp_of(f, e);
        row->origin = sync_stamp_is_none(row->origin) ? SYNC_STAMP_NONE : row->stamp;
        row->held = false;
        row->ref_count = 0;
        rc = rc == SYNC_OK ? cover(f, t, stamp_of(f, e)) : rc;
    } else if (insert) {
        rc = begin_life(f, t, e->key, stamp_of(f, e));
        o->known = true;
    } else if (e->op > 0 && alive) {
        rc = stamp_columns(f, t, e);
    }
    o->changed = o->changed || insert || (e->op > 0 && alive);
    return rc;
}

static int append_mend(sync_fold *f, const sync_table *t, const sync_entry *e)
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
static int mend(sync_fold *f, sync_table *t, sync_entry *last, outcome *o)
{
    bool alive = o->known && sync_row_alive(&f->row);
    if (alive == last->exists || (alive && f->row.held)) {
        return SYNC_OK;
    }
    if (f->place ==
        SYNC_IN_OVERLAY) { /* what comes behind this run may explain it: a clock in the overlay is looked at again then */
        bool again = o->known && o->changed;
        t->doubted = t->doubted || again;
        f->need_real = f->need_real || !again;
        return SYNC_OK;
    }
    if (last->op !=
        SYNC_OP_MEND) { /* stamps of the tail may have been told: the mend gets an entry, and so a stamp, of its own */
        return append_mend(f, t, last);
    }
    o->changed = true;
    if (last->exists) {
        o->known = true;
        return begin_life(f, t, last->key, stamp_of(f, last));
    }
    return bury(f, t, last, last, o);
}

/* INSERT OR REPLACE over a row from before tracking keeps its identity. Whether there was one is not journaled (asking would cost every
** insert a look-up): its number was in use, or free below the highest, when the table was tracked. */
static bool may_be_genesis(const sync_table *t, const sync_entry *e)
{
    return t->identity == SYNC_BY_ROW && e->key[0].type == SYNC_INTEGER && e->key[0].i <= t->genesis_max;
}

/* The state that the chain starts from. */
static int first_state(sync_fold *f, sync_table *t, const sync_entry *e, bool only_looks, outcome *o)
{
    sync_row_reset(&f->row);
    *o = (outcome){.in_table = e->has_clock, .known = e->has_clock};
    if (e->has_clock) {
        int rc = sync_clocks_unpack(f->s, t, &e->clock, &f->row);
        if (f->row.moved) {
            sync_row_lies(&f->row, e->key[0].i);
        }
        return rc == SYNC_OK ? rc : sync_fail(f->error, rc, "sync_row_%u: a clock is damaged", t->tid);
    }
    /* Where nothing was, an UPDATE may stand before the move that brought its row: a cascade onto the row itself is journaled first. */
    const sync_entry *does = e;
    bool noted = false;
    for (; does->next >= 0 && (does->op >= 0 || does->op == SYNC_OP_HINT); does = &f->entries[does->next]) {
        noted = noted || does->op == SYNC_OP_HINT;
    }
    if (does->op != SYNC_OP_MOVE_TO) {
        does = e;
        while (does->op == SYNC_OP_HINT && does->next >= 0) {
            does = &f->entries[does->next]; /* a note says nothing of whether the row was there */
        }
    }
    bool insert = does->op == SYNC_OP_INSERT || does->op == SYNC_OP_MOVE_TO;
    bool taken = does->op == SYNC_OP_MOVE_TO &&
                 (noted || note_for(f, t, does)); /* the number had a row: a genesis row, having no clock */
    if (insert && !taken && (does->op == SYNC_OP_MOVE_TO || !may_be_genesis(t, e))) {
        return SYNC_OK;
    }
    if (t->identity == SYNC_BY_ROW && (insert || (only_looks && !e->exists))) {
        bool gone = false;
        int rc = sync_clocks_genesis_gone(f->s, t, f->place, e->key, &gone, f->error);
        if (rc != SYNC_OK || gone) {
            return rc;
        }
    }
    o->known = true;
    return genesis_state(f, t);
}

/* Deletes the entries of a chain that nothing names; `keep` is the live one (0: none). Tombstones keep theirs. */
static int drop_chain(sync_fold *f, const sync_entry *e, int64_t keep)
{
    int rc = SYNC_OK;
    for (; rc == SYNC_OK; e = &f->entries[e->next]) {
        if (e->seq != keep && !e->kept) {
            rc = sync_fold_drop_entry(f, e->seq);
        }
        if (e->next < 0) {
            break;
        }
    }
    return rc;
}

/* The commonest key: inserted, and that is all that the tail says of it. */
static int fold_insert(sync_fold *f, sync_table *t, const sync_entry *e)
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

int sync_fold_key(sync_fold *f, sync_table *t, sync_entry *first)
{
    bool only_looks = true;
    sync_entry *last = first;
    for (sync_entry *e = first;; e = &f->entries[e->next]) {
        only_looks = only_looks && is_look(e->op);
        last = e;
        if (e->next < 0) {
            break;
        }
    }
    if (first == last && first->op == SYNC_OP_INSERT && first->exists && !first->has_clock &&
        t->all_present && t->lives == 0 && !t->meant && !may_be_genesis(t, first)) {
        sync_stamp oldest;
        bool claimed;
        int failed = sync_fold_claims_oldest(f, t, first->key, &claimed, &oldest);
        if (failed != SYNC_OK || !claimed) {
            return failed == SYNC_OK ? fold_insert(f, t, first) : failed;
        }
    }
    outcome o;
    int rc = f->place == SYNC_IN_OVERLAY && t->identity == SYNC_BY_ROW
                 ? sync_clocks_overlay(f->s, t, first->key, f->error)
                 : SYNC_OK;
    rc = rc == SYNC_OK ? first_state(f, t, first, only_looks, &o) : rc;
    if (rc != SYNC_OK || (only_looks && f->row.held)) {
        return rc == SYNC_OK ? drop_chain(f, first, 0) : rc;
    }
    sync_entry *hint = NULL;
    for (sync_entry *e = first; rc == SYNC_OK; e = &f->entries[e->next]) {
        rc = replay_entry(f, t, e, hint, &o);
        hint = e->op == SYNC_OP_HINT      ? e
               : e->op == SYNC_OP_MOVE_TO ? NULL
                                          : hint; /* a cascade may write in between */
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
        claim(f, last->seq);
        rc = pack_and_put(f, t, last, 0, last->seq, !o.in_table);
    }
    if (rc == SYNC_OK && first->has_clock && first->live != o.noted) {
        rc = sync_fold_drop_entry(f, first->live);
    }
    return rc == SYNC_OK ? drop_chain(f, first, o.known ? last->seq : 0) : rc;
}
