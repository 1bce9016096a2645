#include "gate.h"

#include <stdlib.h>
#include <string.h>

int sync_gate_begin(sync_gate *g, sync_db *s, sync_error *error)
{
    sync_buf_reset(&g->passed);
    sync_encoder_free(g->report);
    g->report = NULL;
    g->refused = 0;
    g->again = false;
    g->passes++;
    return sync_query_int(s, &g->listed, 0, error, "SELECT max(id) FROM main.sync_conflict");
}

void sync_gate_free(sync_gate *g)
{
    sync_encoder_free(g->report);
    sync_buf_free(&g->passed);
    sync_buf_free(&g->row);
    sync_free(g->barred);
    *g = (sync_gate){0};
}

/* FNV-1a 64. Two rows with one hash are barred together: both are of the same author. */
static uint64_t hash_of(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* What a row is known by in this file. */
static void put_row(sync_buf *buf, const sync_table *t, const sync_value *key, sync_stamp born)
{
    sync_buf_put_varint(buf, t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(buf, &key[i]);
    }
    sync_stamp_put(buf, born, 0);
}

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_barred(const sync_gate *g, uint64_t hash)
{
    return g->barred_count > 0 &&
           bsearch(&hash, g->barred, g->barred_count, sizeof hash, compare_hashes) != NULL;
}

bool sync_gate_bars(const sync_gate *g, const sync_table *t, const sync_value *key, sync_stamp born)
{
    sync_buf id = {0};
    put_row(&id, t, key, born);
    bool bars = id.oom || is_barred(g, hash_of(id.data, id.len));
    sync_buf_free(&id);
    return bars;
}

static int bar(sync_gate *g, uint64_t hash, sync_error *error)
{
    if (g->barred_count == g->barred_room) {
        uint32_t room = g->barred_room ? 2 * g->barred_room : 64;
        uint64_t *more = sync_realloc(g->barred, room * sizeof *more);
        if (more == NULL) {
            return sync_fail_nomem(error);
        }
        g->barred = more;
        g->barred_room = room;
    }
    g->barred[g->barred_count++] = hash;
    return SYNC_OK;
}

int sync_gate_admit(sync_gate *g, sync_merging *m, sync_table *t, const sync_value *key, const sync_row *row,
                    const sync_slot *slot, bool known, sync_admission *may)
{
    sync_value room;
    bool good = true;
    int rc = SYNC_OK;
    *may = SYNC_REFUSED;
    sync_buf_reset(&g->row);
    put_row(&g->row, t, key, row->born);
    if (g->row.oom) {
        return sync_fail_nomem(m->error);
    }
    if (!known && !sync_row_alive(row)) {
        *may = SYNC_IGNORED;
        return SYNC_OK;
    }
    if (is_barred(g, hash_of(g->row.data, g->row.len))) {
        return SYNC_OK;
    }
    if (slot->shown) {
        rc = sync_rules_judge(m->s, g->rules, t, sync_lies(slot, key, &room), true, &good, m->error);
    } else if (known) {
        good = !slot->was_held; /* what is not shown cannot be judged */
    } else {
        good = !sync_stamp_is_none(row->stamp); /* else its beginning was left out */
    }
    *may = good ? SYNC_ADMITTED : SYNC_REFUSED;
    return rc;
}

int sync_gate_merged(sync_gate *g, int64_t from, int64_t to, sync_error *error)
{
    sync_buf_put(&g->passed, g->row.data, g->row.len);
    sync_buf_put_varint(&g->passed, (uint64_t)from);
    sync_buf_put_varint(&g->passed, (uint64_t)to);
    return g->passed.oom ? sync_fail_nomem(error) : SYNC_OK;
}

/* Does something of what was sent not stand, or was it written to a row that its author had been given? */
static bool may_be_blind(const sync_row *sent, const sync_row *row)
{
    bool blind =
        sent->cl != row->cl || sync_stamp_is_none(sent->stamp) || !sync_stamp_equal(sent->stamp, row->stamp);
    for (uint32_t i = 0; !blind && i < sent->count; i++) {
        const sync_cell *now = sync_row_find(row, sent->cells[i].col);
        blind = now && !sync_stamp_equal(now->stamp, sent->cells[i].stamp);
    }
    return blind;
}

int sync_gate_compare(sync_gate *g, sync_merging *m, sync_table *t, const sync_value *key,
                      const sync_row *sent, const sync_row *row, const sync_slot *slot)
{
    sync_value room;
    bool alive = sync_row_alive(row), sees = false;
    if (g->blind || !sync_row_alive(sent) || (alive && !slot->shown) || !may_be_blind(sent, row)) {
        return SYNC_OK;
    }
    int rc = alive ? sync_rules_judge(m->s, g->rules, t, sync_lies(slot, key, &room), false, &sees, m->error)
                   : SYNC_OK;
    g->blind = rc == SYNC_OK && !sees;
    return rc;
}

/* A row that was merged, read back. */
typedef struct merged {
    sync_table *t;
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_stamp born;
    uint64_t hash;
    int64_t from, to;
} merged;

static int read_merged(const sync_merging *m, sync_span *span, merged *one)
{
    const uint8_t *at = span->at;
    one->t = sync_engine_tid(m->s, (uint32_t)sync_span_varint(span));
    for (uint32_t i = 0; one->t && i < one->t->key_count; i++) {
        one->key[i] = sync_value_get(span);
    }
    one->born = sync_stamp_get(span, 0, m->s->sites.count);
    one->hash = hash_of(at, (size_t)(span->at - at));
    one->from = (int64_t)sync_span_varint(span);
    one->to = (int64_t)sync_span_varint(span);
    return one->t && !span->bad ? SYNC_OK
                                : sync_fail(m->error, SYNC_ERROR, "a table went while it was merged");
}

/* Rows that were put aside in this pass, and are none that it has merged. */
typedef struct aside {
    uint64_t *merged; /* hashes of those, ascending */
    uint32_t count;
    int64_t *entries; /* of sync_conflict, ascending */
    uint32_t entry_count, entry_room;
    bool *tables; /* per table: something of it, and no row is known to have done it */
} aside;

static void aside_free(aside *a)
{
    sync_free(a->merged);
    sync_free(a->entries);
    sync_free(a->tables);
}

/* Those that were merged. *last: the last entry of sync_conflict that came with one of them. */
static int note_merged(const sync_gate *g, const sync_merging *m, aside *a, int64_t *last)
{
    sync_span span = sync_span_of(g->passed.data, g->passed.len);
    uint32_t room = 0;
    int rc = SYNC_OK;
    while (rc == SYNC_OK && sync_span_left(&span) > 0) {
        merged one;
        rc = read_merged(m, &span, &one);
        if (rc == SYNC_OK && a->count == room) {
            room = room ? 2 * room : 256;
            uint64_t *more = sync_realloc(a->merged, room * sizeof *more);
            a->merged = more ? more : a->merged;
            rc = more ? SYNC_OK : sync_fail_nomem(m->error);
        }
        if (rc == SYNC_OK) {
            a->merged[a->count++] = one.hash;
            *last = one.to > *last ? one.to : *last;
        }
    }
    if (a->count > 0) {
        qsort(a->merged, a->count, sizeof *a->merged, compare_hashes);
    }
    return rc;
}

static int add_entry(aside *a, int64_t id, sync_error *error)
{
    if (a->entry_count == a->entry_room) {
        a->entry_room = a->entry_room ? 2 * a->entry_room : 16;
        int64_t *more = sync_realloc(a->entries, a->entry_room * sizeof *more);
        if (more == NULL) {
            return sync_fail_nomem(error);
        }
        a->entries = more;
    }
    a->entries[a->entry_count++] = id;
    return SYNC_OK;
}

/* One entry of sync_conflict that is new: its number, table, row. */
static int note_aside(sync_merging *m, sqlite3_stmt *stmt, int64_t last, aside *a)
{
    sync_value key[SYNC_KEY_COLUMNS_MAX];
    sync_stamp born;
    sync_buf id = {0};
    const int64_t entry = sqlite3_column_int64(stmt, 0);
    const sync_table *t = sync_engine_tid(m->s, (uint32_t)sqlite3_column_int64(stmt, 1));
    if (t == NULL) {
        return SYNC_OK;
    }
    int rc = sync_conflict_key(m, t, sync_column_value(stmt, 2), sync_column_value(stmt, 3), key, &born);
    if (rc == SYNC_OK) {
        put_row(&id, t, key, born);
        rc = id.oom ? sync_fail_nomem(m->error) : SYNC_OK;
    }
    uint64_t hash = hash_of(id.data, id.len);
    bool theirs = a->count > 0 && bsearch(&hash, a->merged, a->count, sizeof hash, compare_hashes) != NULL;
    if (rc == SYNC_OK && !theirs && entry > last) {
        a->tables[t - m->s->tables] = true;
    } else if (rc == SYNC_OK && !theirs) {
        rc = add_entry(a, entry, m->error);
    }
    sync_buf_free(&id);
    return rc;
}

static int look_aside(const sync_gate *g, sync_merging *m, aside *a)
{
    sqlite3_stmt *stmt = NULL;
    int64_t last = 0;
    a->tables = sync_alloc(m->s->table_count + 1);
    if (a->tables == NULL) {
        return sync_fail_nomem(m->error);
    }
    memset(a->tables, 0, m->s->table_count + 1);
    int rc = note_merged(g, m, a, &last);
    rc = rc == SYNC_OK ? sync_borrow(m->s, &stmt, m->error,
                                     "SELECT id, tid, raw_key, clock_key FROM main.sync_conflict WHERE held "
                                     "AND id > ?1 ORDER BY id")
                       : rc;
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, g->listed)) {
        rc = sync_fail_db(m->s, m->error, NULL);
    }
    while (rc == SYNC_OK && (rc = sync_step(m->s, stmt, m->error)) == SQLITE_ROW) {
        rc = note_aside(m, stmt, last, a);
    }
    sync_return(m->s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Has the merging of this row put another one aside? Where no row is known to have done it, all of its table may have. */
static bool has_pushed(const sync_merging *m, const aside *a, const merged *one)
{
    bool pushed = a->tables[one->t - m->s->tables];
    for (uint32_t i = 0; !pushed && one->to > one->from && i < a->entry_count; i++) {
        pushed = a->entries[i] > one->from && a->entries[i] <= one->to;
    }
    return pushed;
}

/* What the row has become. */
static int judge(sync_gate *g, sync_merging *m, const merged *one, const aside *a, bool *may)
{
    sync_row row = {0};
    sync_slot slot;
    sync_value room;
    sync_arena_reset(&m->arena);
    int rc = sync_find(m, one->t, one->key, one->born, &row, &slot);
    *may = rc == SYNC_OK && !has_pushed(m, a, one);
    if (*may && slot.shown) {
        rc = sync_rules_judge(m->s, g->rules, one->t, sync_lies(&slot, one->key, &room), true, may, m->error);
    } else if (*may) {
        *may = !sync_row_alive(&row); /* what cannot be shown cannot be judged */
    }
    sync_row_free(&row);
    return rc;
}

int sync_gate_look_back(sync_gate *g, sync_merging *m)
{
    sync_span span = sync_span_of(g->passed.data, g->passed.len);
    const uint32_t before = g->barred_count;
    aside a = {0};
    int rc = look_aside(g, m, &a);
    while (rc == SYNC_OK && sync_span_left(&span) > 0) {
        merged one;
        bool may = false;
        rc = read_merged(m, &span, &one);
        rc = rc == SYNC_OK ? judge(g, m, &one, &a, &may) : rc;
        if (rc == SYNC_OK && (!may || g->passes > SYNC_GATE_PASSES_MAX)) {
            rc = bar(g, one.hash, m->error);
        }
    }
    g->again = g->barred_count > before;
    if (g->again) {
        qsort(g->barred, g->barred_count, sizeof *g->barred, compare_hashes);
    }
    aside_free(&a);
    return rc;
}

/* The head of the report: that of the changeset, which presumes nothing and has no columns. */
static int begin_report(sync_gate *g, const sync_head *head, sync_error *error)
{
    sync_head to = *head;
    to.purpose = SYNC_FOR_AUTHOR;
    to.forgets = false;
    to.wholes = to.part = to.delta = 0;
    to.base = to.start = to.floor = to.held = (sync_matrix){0};
    to.tables = sync_alloc((head->table_count + 1) * sizeof *to.tables);
    g->report = sync_encoder_new(SYNC_ZSTD_LEVEL);
    int rc = to.tables && g->report ? SYNC_OK : sync_fail_nomem(error);
    for (uint32_t t = 0; rc == SYNC_OK && t < head->table_count; t++) {
        to.tables[t] = head->tables[t]; /* its names are lent */
        to.tables[t].whole = false;
        to.tables[t].known = 0;
        to.tables[t].col_count = 0;
    }
    if (rc == SYNC_OK && ((rc = sync_matrix_init(&to.base, to.table_count, to.site_count)) != SYNC_OK ||
                          (rc = sync_matrix_init(&to.start, to.table_count, 1)) != SYNC_OK)) {
        rc = sync_fail(error, rc, "too many tables and sites for one changeset");
    }
    rc = rc == SYNC_OK ? sync_encoder_begin(g->report, &to, error) : rc;
    sync_matrix_free(&to.base);
    sync_matrix_free(&to.start);
    sync_free(to.tables);
    return rc;
}

int sync_gate_report(sync_gate *g, const sync_head *head, uint32_t table, const sync_value *key,
                     const sync_row *wire, sync_error *error)
{
    sync_row named = {.cl = head->tables[table].identity == SYNC_BY_ROW ? 1 : wire->cl | 1,
                      .born = wire->born};
    int rc = g->report ? SYNC_OK : begin_report(g, head, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < wire->ref_count; i++) {
        if (wire->refs[i].col >= SYNC_REF_KEY && sync_row_add_ref(&named, wire->refs[i]) != SYNC_OK) {
            rc = sync_fail_nomem(error);
        }
    }
    rc = rc == SYNC_OK ? sync_encoder_row(g->report, table, key, &named, error) : rc;
    g->refused += rc == SYNC_OK;
    sync_row_free(&named);
    return rc;
}

int sync_gate_finish(sync_gate *g, const void **report, size_t *bytes, sync_error *error)
{
    *report = NULL;
    *bytes = 0;
    return g->report ? sync_encoder_finish(g->report, NULL, report, bytes, error) : SYNC_OK;
}
