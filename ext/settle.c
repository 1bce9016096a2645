/* What is held gets another chance; and the local half of every writing operation. */
#include "apply.h"
#include "base.h"
#include "capture.h"
#include "clocks.h"
#include "contest.h"
#include "orphans.h"

#include <string.h>

enum { SETTLE_ROUNDS_MAX = 64 };

int sync_merging_begin(sync_merging *m, sync_db *s, sync_error *error)
{
    const sync_env *env = sync_env_get();
    int64_t on = 0;
    *m = (sync_merging){.s = s, .error = error, .now_ms = env->now_ms(env->context), .hlc = s->hlc};
    m->touched = sync_alloc(s->table_count + 1);
    if (m->touched == NULL) {
        return sync_fail_nomem(error);
    }
    memset(m->touched, 0, s->table_count + 1);
    int rc = sync_query_int(s, &on, 0, error, "PRAGMA foreign_keys");
    m->foreign_keys = on != 0;
    if (rc == SYNC_OK && on) {
        rc = sync_exec(s, error, "PRAGMA defer_foreign_keys = 1");
    }
    rc = rc == SYNC_OK ? sync_query_int(s, &m->newest, 0, error, "SELECT max(seq) FROM main.sync_journal")
                       : rc;
    return rc == SYNC_OK ? sync_exec(s, error, "INSERT INTO main.sync_applying(x) VALUES(1)") : rc;
}

int sync_merging_end(sync_merging *m, int result)
{
    int64_t newest = 0;
    int rc = result;
    rc = rc == SYNC_OK ? sync_exec(m->s, m->error, "DELETE FROM main.sync_applying") : rc;
    rc = rc == SYNC_OK ? sync_query_int(m->s, &newest, 0, m->error, "SELECT max(seq) FROM main.sync_journal")
                       : rc;
    if (rc == SYNC_OK && newest != m->newest) {
        rc = sync_fail(
            m->error, SYNC_ERROR,
            "the merge wrote journal entry %lld where %lld was expected: a trigger wrote to sync_journal",
            (long long)newest, (long long)m->newest);
    }
    if (rc == SYNC_OK && newest > m->s->folded) {
        rc = sync_clocks_drop_stale(m->s, m->error);
    }
    sync_arena_free(&m->arena);
    sync_row_free(&m->other);
    sync_buf_free(&m->clock);
    sqlite3_finalize(m->enter);
    m->enter = NULL;
    sync_free(m->touched);
    m->touched = NULL;
    return rc;
}

/* Could what happened in this merge have made room for a row held for this reason? */
static bool may_show(const sync_merging *m, const sync_table *t, const char *reason)
{
    const sync_db *s = m->s;
    bool may = m->touched[t - s->tables];
    for (uint32_t i = 0; !may && strcmp(reason, "foreign key") == 0 && i < s->fk_count; i++) {
        const sync_table *parent =
            s->fks[i].child_tid == t->tid ? sync_engine_tid(m->s, s->fks[i].parent_tid) : NULL;
        may = parent && m->touched[parent - s->tables];
    }
    return may;
}

/* Key and birth of the entry that stmt stands on: tid, reason, raw_key, clock_key. */
static int read_held(sync_merging *m, sync_arena *arena, sqlite3_stmt *stmt, sync_candidate *to)
{
    sync_span raw = sync_span_of(sqlite3_column_blob(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2));
    to->key = sync_arena_alloc(arena, to->t->key_count * sizeof *to->key);
    for (uint32_t i = 0; to->key && i < to->t->key_count; i++) {
        sync_value v = sync_value_get(&raw);
        to->key = sync_arena_value(arena, &v, &to->key[i]) ? to->key : NULL;
    }
    if (to->key == NULL) {
        return sync_fail_nomem(m->error);
    }
    size_t bytes = (size_t)sqlite3_column_bytes(stmt, 3);
    const uint8_t *id = sqlite3_column_blob(stmt, 3);
    to->born = SYNC_STAMP_NONE;
    const size_t born_bytes = 8 + SYNC_SITE_BYTES + 1;
    if (to->t->identity == SYNC_BY_ROW && bytes > born_bytes) {
        sync_span tail = sync_span_of(id + bytes - born_bytes, born_bytes);
        to->born.hlc = sync_span_u64(&tail);
        const uint8_t *site = sync_span_bytes(&tail, SYNC_SITE_BYTES);
        to->born.written = sync_span_u8(&tail);
        to->born.site = sync_engine_find_site(m->s, site);
    }
    return raw.bad ? sync_fail(m->error, SYNC_CORRUPT, "sync_conflict: an entry of table %s is damaged",
                               to->t->name)
                   : SYNC_OK;
}

enum kind { HELD_FOR_PARENTS, HELD_OTHERWISE, SHOWN_WITHOUT_PARENTS };

/* Rows of one kind on the list that this merge may have settled. */
static int list_rows(sync_merging *m, sync_arena *arena, enum kind kind, sync_candidate **list,
                     uint32_t *count)
{
    sqlite3_stmt *stmt;
    uint32_t cap = 0;
    *list = NULL;
    *count = 0;
    int rc = sync_prepare(
        m->s, &stmt, m->error,
        "SELECT tid, reason, raw_key, clock_key FROM main.sync_conflict WHERE held = %d ORDER BY tid, id",
        kind != SHOWN_WITHOUT_PARENTS);
    while (rc == SYNC_OK && (rc = sync_step(m->s, stmt, m->error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        sync_table *t = sync_engine_tid(m->s, (uint32_t)sqlite3_column_int64(stmt, 0));
        const char *reason = (const char *)sqlite3_column_text(stmt, 1);
        if (t == NULL || t->missing || reason == NULL ||
            (strcmp(reason, "foreign key") == 0) != (kind != HELD_OTHERWISE) || !may_show(m, t, reason)) {
            continue;
        }
        if (*count == cap) {
            cap = cap ? cap * 2 : 16;
            sync_candidate *wider = sync_realloc(*list, cap * sizeof *wider);
            if (wider == NULL) {
                rc = sync_fail_nomem(m->error);
                break;
            }
            *list = wider;
        }
        (*list)[*count] = (sync_candidate){.t = t};
        rc = read_held(m, arena, stmt, &(*list)[(*count)++]);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int retry(sync_merging *m, const sync_candidate *h, bool *shown)
{
    sync_row row = {0};
    sync_slot slot;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, h->t, h->key, h->born, &row, &slot);
    if (rc == SYNC_OK && !slot.was_held) {
        rc = sync_conflict_clear(m, h->t, h->key, &(sync_row){.born = h->born}); /* settled meanwhile */
    } else if (rc == SYNC_OK) {
        rc = sync_show(m, h->t, h->key, &row, &slot, SYNC_MERGE_CELLS);
        *shown = *shown || (rc == SYNC_OK && !slot.was_held);
    }
    sync_row_free(&row);
    return rc;
}

/* Rows held for other reasons than their parents; list: sorted by table. */
static int retry_others(sync_merging *m, const sync_candidate *list, uint32_t count, bool *shown)
{
    int rc = SYNC_OK;
    for (uint32_t first = 0, end; rc == SYNC_OK && first < count; first = end) {
        sync_table *t = list[first].t;
        for (end = first + 1; end < count && list[end].t == t; end++) {
        }
        if (t->identity == SYNC_BY_ROW && t->unique_count) {
            rc = sync_contest_settle(m, t, &list[first], end - first, shown);
            continue;
        }
        for (uint32_t i = first; rc == SYNC_OK && i < end; i++) {
            rc = retry(m, &list[i], shown);
        }
    }
    return rc;
}

/* One round over the rows of one kind. */
static int settle_round(sync_merging *m, enum kind kind, bool *shown)
{
    sync_arena arena = {0};
    sync_candidate *list = NULL;
    uint32_t count = 0;
    int rc = list_rows(m, &arena, kind, &list, &count);
    if (rc == SYNC_OK && kind == HELD_FOR_PARENTS && count) {
        rc = sync_circle_show(m, list, count, shown);
    } else if (rc == SYNC_OK && kind == HELD_OTHERWISE) {
        rc = retry_others(m, list, count, shown);
    }
    for (uint32_t i = 0; rc == SYNC_OK && kind == SHOWN_WITHOUT_PARENTS && i < count; i++) {
        rc = sync_orphans_review(m, list[i].t, list[i].key, list[i].born);
    }
    sync_free(list);
    sync_arena_free(&arena);
    return rc;
}

int sync_settle(sync_merging *m)
{
    bool any = false, shown = true;
    int rc = sync_conflict_any(m->s, &any, m->error);
    m->retry = true;
    for (int round = 0; rc == SYNC_OK && any && shown && round < SETTLE_ROUNDS_MAX; round++) {
        m->restated = shown = false;
        rc = settle_round(m, HELD_FOR_PARENTS, &shown);
        rc = rc == SYNC_OK ? settle_round(m, HELD_OTHERWISE, &shown) : rc;
        shown = shown || m->restated;
    }
    m->retry = false;
    rc = rc == SYNC_OK && any ? settle_round(m, SHOWN_WITHOUT_PARENTS, &shown) : rc;
    return rc;
}

/* ---- the local half ---- */

/* Does the state hold values whose column is there now, or is known under another name now? */
static bool has_waiting(const sync_table *t, const sync_row *row)
{
    bool waits = false;
    for (uint32_t i = 0; !waits && i < row->count && row->cells[i].col < t->col_count; i++) {
        const sync_column *c = &t->cols[row->cells[i].col];
        waits = row->cells[i].carried && (c->absorb || (!row->held && c->present));
    }
    return waits;
}

/* As retry(); first the values that came under another name of a column become that column's, where they are later. */
static int release_row(sync_merging *m, const sync_candidate *h)
{
    sync_row row = {0}, brought = {0};
    sync_slot slot;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, h->t, h->key, h->born, &row, &slot);
    brought.cl = row.cl;
    brought.born = row.born;
    for (uint32_t i = 0; rc == SYNC_OK && i < row.count;) {
        sync_cell from = row.cells[i];
        if (from.col >= h->t->col_count || !h->t->cols[from.col].absorb) {
            i++;
            continue;
        }
        uint32_t to = h->t->cols[from.col].same - 1;
        sync_cell *cell = sync_row_find(&brought, to);
        if (cell == NULL || sync_stamp_compare(&m->s->sites, cell->stamp, from.stamp) < 0) {
            cell = sync_row_set(&brought, to, from.stamp);
            rc = cell ? SYNC_OK : sync_fail_nomem(m->error);
            if (cell) {
                cell->carried = true;
                cell->value = from.value;
            }
        }
        memmove(&row.cells[i], &row.cells[i + 1], (--row.count - i) * sizeof row.cells[0]);
    }
    m->retry = brought.count == 0; /* otherwise its clock is to be written, whatever comes of it */
    if (rc == SYNC_OK && brought.count &&
        sync_row_merge(&m->s->sites, h->t->identity, &row, &brought) == SYNC_MERGE_NOMEM) {
        rc = sync_fail_nomem(m->error);
    }
    rc = rc == SYNC_OK && row.cl ? sync_show(m, h->t, h->key, &row, &slot, SYNC_MERGE_CELLS) : rc;
    m->retry = true;
    sync_row_free(&row);
    sync_row_free(&brought);
    return rc;
}

/* Gives values that waited for a column their place in it. `kind` of clocks: row or hidden. */
static int release_pending(sync_merging *m, sync_table *t, const char *kind)
{
    sync_db *s = m->s;
    sync_arena arena = {0};
    sync_candidate *list = NULL;
    uint32_t count = 0, cap = 0;
    sqlite3_stmt *stmt;
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT clock, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM main.sync_%s_%u", kind, t->tid);
    sync_row row = {0};
    int rc = sync_prepare_text(s, &stmt, m->error, sqlite3_str_finish(sql));
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, m->error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(stmt, 0);
        rc = sync_clocks_unpack(s, t, &clock, &row);
        if (rc != SYNC_OK) {
            rc = sync_fail(m->error, rc, "sync_%s_%u: a clock is damaged", kind, t->tid);
            break;
        }
        if (!has_waiting(t, &row)) {
            continue;
        }
        if (count == cap) {
            cap = cap ? cap * 2 : 64;
            sync_candidate *wider = sync_realloc(list, cap * sizeof *wider);
            if (wider == NULL) {
                rc = sync_fail_nomem(m->error);
                break;
            }
            list = wider;
        }
        list[count] = (sync_candidate){
            .t = t, .born = row.born, .key = sync_arena_alloc(&arena, t->key_count * sizeof(sync_value))};
        for (uint32_t i = 0; list[count].key && i < t->key_count; i++) {
            sync_value v = sync_column_value(stmt, (int)i + 1);
            list[count].key = sync_arena_value(&arena, &v, &list[count].key[i]) ? list[count].key : NULL;
        }
        rc = list[count++].key ? SYNC_OK : sync_fail_nomem(m->error);
    }
    sqlite3_finalize(stmt);
    rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        rc = release_row(m, &list[i]);
    }
    sync_row_free(&row);
    sync_free(list);
    sync_arena_free(&arena);
    return rc;
}

/* Names what learning will make known: present in the base table, unknown to the triggers. */
static int list_late(sync_db *s, sync_learned **list, uint32_t *count, sync_error *error)
{
    sqlite3_stmt *stmt;
    *list = NULL;
    *count = 0;
    int rc =
        sync_prepare(s, &stmt, error, "SELECT c.tid, c.cid FROM main.sync_column AS c WHERE c.present = 2");
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        sync_learned *wider = sync_realloc(*list, (*count + 1) * sizeof *wider);
        rc = wider ? SYNC_OK : sync_fail_nomem(error);
        if (wider) {
            *list = wider;
            wider[(*count)++] = (sync_learned){(uint32_t)sqlite3_column_int64(stmt, 0),
                                               (uint32_t)sqlite3_column_int64(stmt, 1)};
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Have values waited under what is now another name of a column? */
static bool absorbs(const sync_table *t)
{
    bool any = false;
    for (uint32_t c = 0; !any && c < t->col_count; c++) {
        any = t->cols[c].absorb;
    }
    return any && !t->missing;
}

static int show_held(sync_db *s, const bool *touched, const sync_learned *learned, uint32_t learned_count,
                     const sync_orphans *orphans, sync_error *error)
{
    sync_merging m = {0};
    int rc = sync_merging_begin(&m, s, error);
    m.retry = true;
    memcpy(m.touched, touched, rc == SYNC_OK ? s->table_count * sizeof *touched : 0);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        sync_table *t = &s->tables[i];
        bool released = absorbs(t);
        for (uint32_t l = 0; l < learned_count; l++) {
            released = released || learned[l].tid == t->tid;
        }
        m.touched[i] = m.touched[i] || released;
        rc = released && t->pending ? release_pending(&m, t, "row") : SYNC_OK;
        if (rc == SYNC_OK && released && t->pending && t->identity == SYNC_BY_ROW) {
            rc = release_pending(&m, t, "hidden");
        }
    }
    rc = rc == SYNC_OK ? sync_settle(&m) : rc;
    rc = rc == SYNC_OK ? sync_orphans_note(&m, orphans) : rc;
    int64_t newest = m.newest;
    rc = sync_merging_end(&m, rc);
    if (rc == SYNC_OK && newest != s->folded) {
        s->hlc = m.hlc > s->hlc ? m.hlc : s->hlc;
        s->folded = newest;
        rc = sync_engine_save(s, error);
    }
    return rc;
}

int sync_local(sync_db *s, int64_t enough, int64_t *entries, sync_error *error)
{
    sync_learned *learned = NULL;
    sync_orphans orphans = {0};
    int64_t before = s->folded, followed = 0;
    uint64_t hlc = s->hlc;
    uint32_t count = 0;
    bool late = false, any = false, absorb = false, *touched = sync_alloc(s->table_count + 1);
    if (touched == NULL) {
        return sync_fail_nomem(error);
    }
    memset(touched, 0, s->table_count + 1);
    for (uint32_t i = 0; i < s->table_count; i++) {
        late = late || (!s->tables[i].missing && (s->tables[i].late || s->tables[i].untriggered));
    }
    int rc = SYNC_OK;
    if (late) {
        rc = sync_capture_learn(s, error);
        rc = rc == SYNC_OK ? list_late(s, &learned, &count, error) : rc;
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        absorb = absorb || absorbs(&s->tables[i]);
    }
    rc = rc == SYNC_OK ? sync_conflict_any(s, &any, error) : rc;
    if (rc == SYNC_OK && any) { /* only there, and in their children, may local writes have made room */
        rc = sync_clocks_named(s, s->folded, INT64_MAX, touched, error);
    }
    if (late || any) { /* the tail says what to do beside folding */
        enough = INT64_MAX;
    }
    rc = rc == SYNC_OK ? sync_fold_real(s, learned, count, enough, entries, error) : rc;
    rc = rc == SYNC_OK && *entries ? sync_orphans_follow(s, before, hlc, &followed, error) : rc;
    if (rc == SYNC_OK && followed && enough == INT64_MAX) {
        rc = sync_fold_real(s, NULL, 0, enough, &followed, error);
        *entries += followed;
    }
    rc = rc == SYNC_OK && *entries ? sync_orphans_find(s, before, &orphans, error) : rc;
    if (rc == SYNC_OK && orphans.count && enough < INT64_MAX) {
        /* listing them is journaled: behind what was folded, so nothing may be left */
        int64_t rest = 0;
        rc = sync_fold_real(s, learned, count, INT64_MAX, &rest, error);
        *entries += rest;
        sync_orphans_free(&orphans);
        orphans = (sync_orphans){0};
        rc = rc == SYNC_OK ? sync_orphans_find(s, before, &orphans, error) : rc;
    }
    if (rc == SYNC_OK && (count || absorb || (any && *entries) || orphans.count)) {
        rc = show_held(s, touched, learned, count, &orphans, error);
    }
    sync_orphans_free(&orphans);
    if (rc == SYNC_OK && (count || absorb)) {
        rc = sync_exec(s, error,
                       "UPDATE main.sync_column SET present = 1 WHERE present = 2;"
                       "UPDATE main.sync_column SET present = -present WHERE present < 0;"
                       "UPDATE main.sync_meta SET generation = generation + 1");
    }
    sync_free(learned);
    sync_free(touched);
    return rc;
}
