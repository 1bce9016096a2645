/* Numbers that held rows claim: an application that is given one of them keeps it. Source: docs/MERGE.md, "Numbers". */
#include "fold_internal.h"

#include <stdlib.h>

typedef struct sync_number_claim {
    uint32_t tid;
    int64_t number;
    sync_stamp since;
} sync_number_claim;

struct sync_number_claims {
    uint32_t count, cap;
    sync_number_claim *list; /* by table and number once they are all there */
    uint32_t table_count;
    bool *loaded; /* by table */
    bool none;    /* no row is held at all */
};

void sync_fold_claims_free(sync_number_claims *c)
{
    if (c) {
        sync_free(c->list);
        sync_free(c->loaded);
        sync_free(c);
    }
}

static int begin(sync_fold *f)
{
    int64_t held = 0;
    sync_number_claims *c = sync_alloc(sizeof *c);
    f->claims = c;
    if (c == NULL) {
        return sync_fail_nomem(f->error);
    }
    *c = (sync_number_claims){.table_count = f->s->table_count, .loaded = sync_alloc(f->s->table_count + 1)};
    if (c->loaded == NULL) {
        return sync_fail_nomem(f->error);
    }
    for (uint32_t i = 0; i < c->table_count; i++) {
        c->loaded[i] = false;
    }
    int rc = sync_query_int(f->s, &held, 0, f->error,
                            "SELECT EXISTS (SELECT 1 FROM main.sync_conflict WHERE held)");
    c->none = held == 0;
    return rc;
}

static int add(sync_fold *f, const sync_table *t, int64_t number, sync_stamp since)
{
    sync_number_claims *c = f->claims;
    if (c->count == c->cap) {
        uint32_t cap = c->cap ? c->cap * 2 : 64;
        sync_number_claim *wider = sync_realloc(c->list, cap * sizeof *wider);
        if (wider == NULL) {
            return sync_fail_nomem(f->error);
        }
        c->list = wider;
        c->cap = cap;
    }
    c->list[c->count++] = (sync_number_claim){t->tid, number, since};
    return SYNC_OK;
}

/* The held rows among those that were born under one number. */
static int add_born_under(sync_fold *f, sync_table *t, sqlite3_stmt *hidden, int64_t birth)
{
    sync_row row = {0};
    int rc = sqlite3_bind_int64(hidden, 1, birth) ? sync_fail_db(f->s, f->error, NULL) : SYNC_OK;
    while (rc == SYNC_OK && (rc = sync_step(f->s, hidden, f->error)) == SQLITE_ROW) {
        sync_value clock = sync_column_value(hidden, 0);
        rc = sync_clocks_unpack(f->s, t, &clock, &row);
        rc = rc == SYNC_OK ? rc : sync_fail(f->error, rc, "sync_hidden_%u: a clock is damaged", t->tid);
        if (rc == SYNC_OK && row.held) {
            rc = add(f, t, row.moved ? row.number : birth, row.moved ? row.since : row.born);
        }
    }
    sqlite3_reset(hidden);
    sync_row_free(&row);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int compare(const void *a, const void *b)
{
    const sync_number_claim *x = a, *y = b;
    return x->tid != y->tid ? (x->tid > y->tid) - (x->tid < y->tid)
                            : (x->number > y->number) - (x->number < y->number);
}

static int load(sync_fold *f, sync_table *t)
{
    sqlite3_stmt *listed = NULL, *hidden = NULL;
    int rc = sync_prepare(f->s, &listed, f->error,
                          "SELECT raw_key FROM main.sync_conflict WHERE tid = %u AND held", t->tid);
    rc = rc == SYNC_OK ? sync_prepare(f->s, &hidden, f->error,
                                      "SELECT clock FROM main.sync_hidden_%u WHERE k1 = ?1", t->tid)
                       : rc;
    while (rc == SYNC_OK && (rc = sync_step(f->s, listed, f->error)) == SQLITE_ROW) {
        sync_value raw = sync_column_value(listed, 0);
        sync_span span = sync_span_of(raw.data, raw.type == SYNC_BLOB ? raw.bytes : 0);
        sync_value birth = sync_value_get(&span);
        rc = !span.bad && birth.type == SYNC_INTEGER ? add_born_under(f, t, hidden, birth.i) : SYNC_OK;
    }
    sqlite3_finalize(listed);
    sqlite3_finalize(hidden);
    if (f->claims->count) {
        qsort(f->claims->list, f->claims->count, sizeof *f->claims->list, compare);
    }
    f->claims->loaded[t - f->s->tables] = true;
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_fold_claims_oldest(sync_fold *f, sync_table *t, const sync_value *key, bool *claimed,
                            sync_stamp *since)
{
    *claimed = false;
    int rc = f->claims ? SYNC_OK : begin(f);
    sync_number_claims *c = f->claims;
    if (rc != SYNC_OK || c->none || t->identity != SYNC_BY_ROW || key->type != SYNC_INTEGER) {
        return rc;
    }
    rc = c->loaded[t - f->s->tables] ? SYNC_OK : load(f, t);
    const sync_number_claim sought = {.tid = t->tid, .number = key->i};
    uint32_t low = 0;
    for (uint32_t high = c->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(&c->list[middle], &sought) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; rc == SYNC_OK && low < c->count && compare(&c->list[low], &sought) == 0; low++) {
        if (!*claimed || sync_stamp_compare(&f->s->sites, c->list[low].since, *since) < 0) {
            *since = c->list[low].since;
        }
        *claimed = true;
    }
    return rc;
}
