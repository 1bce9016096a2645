#include "lane.h"

#include "base.h"
#include "orphans.h"

#include <string.h>

enum { LANE_CHUNK = 4096, LANE_LEAVES_MAX = 4 };

int sync_lane_begin(sync_lane *lane, sync_merging *m, size_t changeset_bytes)
{
    sync_db *s = m->s;
    int64_t temporary = 0;
    int triggers = 0;
    if (changeset_bytes < SYNC_LONG_BYTES) {
        return SYNC_OK;
    }
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &triggers); /* asks; cannot fail */
    int rc = sync_query_int(s, &temporary, 0, m->error,
                            "SELECT EXISTS (SELECT 1 FROM temp.sqlite_schema WHERE type = 'trigger')");
    lane->top = sync_alloc((s->table_count + 1) * sizeof *lane->top);
    lane->asked = sync_alloc(s->table_count + 1);
    if (!lane->top || !lane->asked) {
        return rc == SYNC_OK ? sync_fail_nomem(m->error) : rc;
    }
    memset(lane->asked, 0, s->table_count + 1);
    lane->able = rc == SYNC_OK && triggers && !temporary;
    return rc;
}

/* Is the lane for this table, and from which number on? */
static int ask(sync_lane *lane, sync_merging *m, const sync_table *t)
{
    sync_db *s = m->s;
    uint32_t at = (uint32_t)(t - s->tables);
    bool fit = t->identity == SYNC_BY_ROW && !t->user_triggers &&
               !(m->foreign_keys && t->linked); /* see sync_write_base */
    for (uint32_t i = 0; fit && i < s->fk_count; i++) {
        fit = s->fks[i].child_tid != t->tid; /* a child's parents are looked at one by one */
    }
    lane->asked[at] = true;
    lane->top[at] = INT64_MAX;
    if (!fit) {
        return SYNC_OK;
    }
    int rc =
        sync_query_int(s, &lane->top[at], 0, m->error,
                       "SELECT max(coalesce((SELECT max(k1) FROM main.sync_row_%u), 0), coalesce((SELECT "
                       "max(k1) FROM main.sync_hidden_%u), 0),"
                       " coalesce((SELECT max(rowid) FROM main.\"%w\"), 0))",
                       t->tid, t->tid, t->name);
    return rc == SYNC_OK ? sync_orphans_highest(m, t, &lane->top[at]) : rc;
}

/* Clocks and journal entries of the chunk. */
static int flush(sync_lane *lane, sync_merging *m)
{
    sync_db *s = m->s;
    sqlite3_stmt *stmt = NULL;
    if (lane->chunk.count == 0) {
        return SYNC_OK;
    }
    s->chunk = &lane->chunk;
    s->chunk_keys = 1;
    int rc = sync_prepare(
        s, &stmt, m->error,
        "INSERT INTO main.sync_journal(seq, tid, op, at, k1) SELECT seq, %u, 0, %lld, k1 FROM sync_chunk",
        lane->t->tid, (long long)m->now_ms);
    rc = rc == SYNC_OK ? sync_run(s, stmt, m->error) : rc;
    sqlite3_finalize(stmt);
    rc = rc == SYNC_OK ? sync_chunk_write(s, lane->t, &lane->chunk, m->error) : rc;
    s->chunk = NULL;
    sync_arena_reset(&lane->keys);
    return rc;
}

/* Back to the ordinary way. */
static int leave(sync_lane *lane, sync_merging *m)
{
    int rc = flush(lane, m);
    if (lane->open) {
        lane->open = false;
        lane->able = ++lane->leaves < LANE_LEAVES_MAX;
        (void)sqlite3_db_config(m->s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1,
                                NULL); /* sets a flag; cannot fail */
    }
    return rc;
}

static bool is_whole(const sync_table *t, const sync_row *row)
{
    bool whole = row->cl == 1 && !row->moved && !sync_stamp_is_none(row->stamp);
    for (uint32_t i = 0; whole && i < row->count; i++) {
        whole = row->cells[i].carried && t->cols[row->cells[i].col].present;
    }
    return whole;
}

/* The clock of the row just written, into the chunk. */
static int add_clock(sync_lane *lane, sync_merging *m, sync_table *t, const sync_value *key, sync_row *row)
{
    sync_value *kept = sync_arena_alloc(&lane->keys, sizeof *kept);
    if (kept == NULL) {
        return sync_fail_nomem(m->error);
    }
    *kept = *key; /* an integer */
    int rc = sync_keep_written(m, t, row);
    if (rc != SYNC_OK) {
        return rc;
    }
    size_t before = lane->chunk.clocks.len;
    sync_clock_put(&lane->chunk.clocks, row, t->identity, t->epoch);
    return sync_chunk_add(&lane->chunk, kept, ++m->newest, lane->chunk.clocks.len - before, m->error);
}

int sync_lane_take(sync_lane *lane, sync_merging *m, sync_table *t, const sync_value *key, sync_row *row,
                   bool *taken)
{
    uint32_t at = (uint32_t)(t - m->s->tables);
    int rc = SYNC_OK;
    *taken = false;
    if (!lane->able) {
        return SYNC_OK;
    }
    if (!lane->asked[at]) {
        rc = ask(lane, m, t);
    }
    if (rc != SYNC_OK || key->type != SYNC_INTEGER || key->i <= lane->top[at] || !is_whole(t, row)) {
        return rc == SYNC_OK ? leave(lane, m) : rc;
    }
    if (lane->t != t || lane->chunk.count == LANE_CHUNK) {
        rc = flush(lane, m);
        lane->t = t;
    }
    if (rc == SYNC_OK && !lane->open) {
        lane->open = sqlite3_db_config(m->s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) == SQLITE_OK;
    }
    rc = rc == SYNC_OK ? sync_base_insert(m->s, t, key, row, m->error) : rc;
    if (sync_base_refused(rc)) {
        return leave(lane, m);
    }
    if (rc == SYNC_OK) {
        m->touched[at] = true;
        lane->top[at] = key->i;
        *taken = true;
        rc = add_clock(lane, m, t, key, row);
    }
    return rc;
}

int sync_lane_pause(sync_lane *lane, sync_merging *m)
{
    return leave(lane, m);
}

int sync_lane_end(sync_lane *lane, sync_merging *m, int result)
{
    if (result != SYNC_OK) {
        lane->chunk.count = 0;
    }
    int rc = leave(lane, m);
    sync_chunk_free(&lane->chunk);
    sync_arena_free(&lane->keys);
    sync_free(lane->top);
    sync_free(lane->asked);
    return result == SYNC_OK ? rc : result;
}
