#include "tail.h"

#include <stdlib.h>
#include <string.h>

/* Of one journal entry. No clock: the file's clock is superseded. */
typedef struct entry {
    int64_t seq;
    sync_value clock;
} entry;

/* A base row that has a clock in the overlay. */
typedef struct known {
    uint32_t tid;
    sync_value key; /* encoded */
} known;

struct sync_tail {
    sync_arena arena;
    entry *entries; /* by seq, clocks first */
    size_t entry_count, entry_room;
    known *keys; /* by table and bytes */
    size_t key_count, key_room;
};

static bool make_room(void **array, size_t *room, size_t count, size_t size)
{
    if (count < *room) {
        return true;
    }
    size_t more = *room ? *room * 2 : 64;
    void *grown = sync_realloc(*array, more * size);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *room = more;
    return true;
}

/* A row of (seq, clock) or (seq, NULL). */
static int add_entry(sync_tail *tail, sqlite3_stmt *stmt, sync_error *error)
{
    sync_value clock = sync_column_value(stmt, 1);
    if (!make_room((void **)&tail->entries, &tail->entry_room, tail->entry_count, sizeof *tail->entries)) {
        return sync_fail_nomem(error);
    }
    entry *e = &tail->entries[tail->entry_count];
    *e = (entry){.seq = sqlite3_column_int64(stmt, 0)};
    if (clock.type == SYNC_BLOB && !sync_arena_value(&tail->arena, &clock, &e->clock)) {
        return sync_fail_nomem(error);
    }
    tail->entry_count++;
    return SYNC_OK;
}

static int add_key(sync_tail *tail, const sync_table *t, sqlite3_stmt *stmt, sync_buf *buf, sync_error *error)
{
    sync_buf_reset(buf);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value v = sync_column_value(stmt, (int)i);
        sync_value_put(buf, &v);
    }
    sync_value encoded = {.type = SYNC_BLOB, .bytes = buf->len, .data = buf->data};
    if (buf->oom || !make_room((void **)&tail->keys, &tail->key_room, tail->key_count, sizeof *tail->keys)) {
        return sync_fail_nomem(error);
    }
    known *k = &tail->keys[tail->key_count];
    k->tid = t->tid;
    if (!sync_arena_value(&tail->arena, &encoded, &k->key)) {
        return sync_fail_nomem(error);
    }
    tail->key_count++;
    return SYNC_OK;
}

/* Takes the rows of a statement: keys if `buf` is given, entries otherwise. */
static int take(sync_db *s, sync_tail *tail, const sync_table *t, sqlite3_str *sql, sync_buf *buf,
                sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, error, sqlite3_str_finish(sql));
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = buf ? add_key(tail, t, stmt, buf, error) : add_entry(tail, stmt, error);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int take_clocks(sync_db *s, sync_tail *tail, const sync_table *t, sync_error *error)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql, "SELECT seq, clock FROM temp.sync_row_%u", t->tid);
    if (t->identity == SYNC_BY_ROW) {
        sqlite3_str_appendf(sql, " UNION ALL SELECT seq, clock FROM temp.sync_hidden_%u", t->tid);
    }
    return take(s, tail, t, sql, NULL, error);
}

/* Of the keys that the overlay knows, all clocks in the file. */
static int take_superseded(sync_db *s, sync_tail *tail, const sync_table *t, sync_error *error)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    if (t->identity == SYNC_BY_ROW) {
        static const char *const places[] = {"row", "hidden"};
        for (size_t i = 0; i < 2; i++) {
            sqlite3_str_appendf(
                sql,
                "%sSELECT c.seq, NULL FROM (SELECT k1 AS k1 FROM temp.sync_row_%u UNION SELECT k1 "
                "FROM temp.sync_hidden_%u) AS o"
                " CROSS JOIN main.sync_%s_%u AS c ON c.k1 = o.k1",
                i ? " UNION ALL " : "", t->tid, t->tid, places[i], t->tid);
        }
    } else {
        sqlite3_str_appendf(
            sql, "SELECT c.seq, NULL FROM temp.sync_row_%u AS o CROSS JOIN main.sync_row_%u AS c ON ", t->tid,
            t->tid);
        sync_str_match(sql, t, "c", "o");
    }
    return take(s, tail, t, sql, NULL, error);
}

static int take_keys(sync_db *s, sync_tail *tail, const sync_table *t, sync_error *error)
{
    sync_buf buf = {0};
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, t, "b.\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM temp.sync_row_%u AS o CROSS JOIN main.\"%w\" AS b ON ", t->tid, t->name);
    sync_str_match_base(sql, t, "b", "o");
    int rc = take(s, tail, t, sql, &buf, error);
    sync_buf_free(&buf);
    return rc;
}

static int by_entry(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->seq != y->seq) {
        return x->seq < y->seq ? -1 : 1;
    }
    return (x->clock.type == SYNC_NULL) - (y->clock.type == SYNC_NULL);
}

static int by_key(const void *a, const void *b)
{
    const known *x = a, *y = b;
    if (x->tid != y->tid) {
        return x->tid < y->tid ? -1 : 1;
    }
    if (x->key.bytes != y->key.bytes) {
        return x->key.bytes < y->key.bytes ? -1 : 1;
    }
    return memcmp(x->key.data, y->key.data, x->key.bytes);
}

int sync_tail_copy(sync_db *s, sync_tail **out, sync_error *error)
{
    *out = NULL;
    if (!s->overlay.valid || s->overlay.entries == 0) {
        return SYNC_OK;
    }
    sync_tail *tail = sync_alloc(sizeof *tail);
    if (tail == NULL) {
        return sync_fail_nomem(error);
    }
    memset(tail, 0, sizeof *tail);
    sqlite3_stmt *stmt;
    int rc = sync_prepare(s, &stmt, error, "SELECT DISTINCT tid & %d FROM main.sync_journal WHERE seq > %lld",
                          SYNC_TID_MASK, (long long)s->overlay.base);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const sync_table *t = sync_engine_tid(s, (uint32_t)sqlite3_column_int64(stmt, 0));
        rc = SYNC_OK;
        if (t && !t->missing) {
            rc = take_clocks(s, tail, t, error);
            rc = rc == SYNC_OK ? take_superseded(s, tail, t, error) : rc;
            rc = rc == SYNC_OK ? take_keys(s, tail, t, error) : rc;
        }
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE) {
        sync_tail_free(tail);
        return rc;
    }
    if (tail->entry_count) {
        qsort(tail->entries, tail->entry_count, sizeof *tail->entries, by_entry);
    }
    if (tail->key_count) {
        qsort(tail->keys, tail->key_count, sizeof *tail->keys, by_key);
    }
    *out = tail;
    return SYNC_OK;
}

void sync_tail_free(sync_tail *tail)
{
    if (tail) {
        sync_arena_free(&tail->arena);
        sync_free(tail->entries);
        sync_free(tail->keys);
        sync_free(tail);
    }
}

sync_tail_says sync_tail_find(const sync_tail *tail, int64_t seq, size_t n, sync_value *clock)
{
    size_t low = 0, high = tail ? tail->entry_count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tail->entries[middle].seq < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (tail == NULL || tail->entry_count - low <= n || tail->entries[low + n].seq != seq) {
        return SYNC_TAIL_NOTHING;
    }
    *clock = tail->entries[low + n].clock;
    return clock->type == SYNC_BLOB ? SYNC_TAIL_CLOCK : SYNC_TAIL_SUPERSEDED;
}

int sync_tail_knows(const sync_tail *tail, const sync_table *t, const sync_value *key, sync_buf *scratch,
                    bool *knows, sync_error *error)
{
    *knows = false;
    if (tail == NULL || tail->key_count == 0) {
        return SYNC_OK;
    }
    sync_buf_reset(scratch);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(scratch, &key[i]);
    }
    if (scratch->oom) {
        return sync_fail_nomem(error);
    }
    known wanted = {t->tid, {.type = SYNC_BLOB, .bytes = scratch->len, .data = scratch->data}};
    *knows = bsearch(&wanted, tail->keys, tail->key_count, sizeof *tail->keys, by_key) != NULL;
    return SYNC_OK;
}
