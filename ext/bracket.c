/* How a merge begins and ends. */
#include "merging.h"

#include "clocks.h"
#include "orphans.h"

#include <string.h>

/* Notes (-5) of what a REPLACE may displace are folded by now, and the statement that left them is over. Where the triggers of a merge's own
** writes still find them, they would take rows that the merge has taken away for displaced. */
static int close_notes(sync_db *s, sync_error *error)
{
    uint32_t window = 0; /* the widest that a trigger looks at, see sync_capture_triggers */
    for (uint32_t i = 0; i < s->table_count; i++) {
        const sync_table *t = &s->tables[i];
        uint32_t its = t->hints ? 2 * t->unique_count + 4 + t->col_count / SYNC_MASK_COLUMNS : 0;
        window = its > window ? its : window;
    }
    return window ? sync_exec(
                        s, error,
                        "UPDATE main.sync_journal SET op = 0 WHERE op = %d AND seq > (SELECT max(seq) FROM "
                        "main.sync_journal) - %u AND seq <= %lld",
                        SYNC_OP_HINT, window, (long long)s->folded)
                  : SYNC_OK;
}

int sync_merging_begin(sync_merging *m, sync_db *s, sync_error *error)
{
    const sync_env *env = sync_env_get();
    int64_t on = 0, orphans = 0;
    *m = (sync_merging){.s = s, .error = error, .now_ms = env->now_ms(env->context), .hlc = s->hlc};
    m->touched = sync_alloc(2 * ((size_t)s->table_count + 1));
    if (m->touched == NULL) {
        return sync_fail_nomem(error);
    }
    memset(m->touched, 0, 2 * ((size_t)s->table_count + 1));
    m->listed = m->touched + s->table_count + 1;
    int rc = close_notes(s, error);
    rc = rc == SYNC_OK ? sync_query_int(s, &on, 0, error, "PRAGMA foreign_keys") : rc;
    m->foreign_keys = on != 0;
    if (rc == SYNC_OK && s->fk_count) {
        rc = sync_query_int(s, &orphans, 0, error,
                            "SELECT EXISTS (SELECT 1 FROM main.sync_conflict WHERE NOT held AND reason = "
                            "'foreign key')");
    }
    m->orphans = orphans != 0;
    if (rc == SYNC_OK && on) {
        rc = sync_exec(s, error, "PRAGMA defer_foreign_keys = 1");
    }
    rc = rc == SYNC_OK ? sync_query_int(s, &m->newest, 0, error, "SELECT max(seq) FROM main.sync_journal")
                       : rc;
    if (rc == SYNC_OK && m->newest == INT64_MAX) {
        rc = sync_fail(error, SYNC_CORRUPT, "sync_journal: no number is left above its newest entry");
    }
    return rc == SYNC_OK ? sync_exec(s, error, "INSERT INTO main.sync_applying(x) VALUES(1)") : rc;
}

sync_stamp sync_merging_stamp(sync_merging *m)
{
    m->hlc = sync_hlc_next(m->hlc, m->now_ms, m->now_ms);
    m->s->stamped = true;
    return (sync_stamp){m->hlc, m->s->own_site, 1};
}

int sync_merging_end(sync_merging *m, int result)
{
    int64_t newest = 0;
    int rc = result == SYNC_OK ? sync_conflict_flush(m) : result;
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
    sync_orphans_forget(m);
    sync_arena_free(&m->arena);
    sync_row_free(&m->other);
    for (uint32_t i = 0; m->touched && i < m->s->table_count; i++) {
        m->stirred = m->stirred || m->touched[i];
    }
    sync_return(m->s, m->lister);
    m->lister = NULL;
    sync_buf_free(&m->clock);
    sync_chunk_free(&m->cleared);
    sqlite3_finalize(m->enter);
    m->enter = NULL;
    sync_free(m->touched);
    m->touched = NULL;
    return rc;
}

int sync_merging_end_local(sync_merging *m, int result)
{
    int rc = sync_merging_end(m, result);
    if (rc == SYNC_OK && m->newest != m->s->folded) {
        m->s->hlc = m->hlc > m->s->hlc ? m->hlc : m->s->hlc;
        m->s->folded = m->newest;
        rc = sync_engine_save(m->s, m->error);
    }
    return rc;
}
