/* Journal entries of what a merge does. */
#include "clocks.h"
#include "merging.h"

/* The statement of the table last entered: rows come table by table. */
static int prepare_enter(sync_merging *m, const sync_table *t)
{
    if (m->enter && m->entered == t) {
        return SYNC_OK;
    }
    sqlite3_finalize(m->enter);
    m->enter = NULL;
    m->entered = t;
    sqlite3_str *sql = sqlite3_str_new(m->s->db);
    sqlite3_str_appendf(sql, "INSERT INTO main.sync_journal(tid, op, at, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, ") VALUES(%u, 0, %lld", t->tid, (long long)m->now_ms);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, ", ?%d", (int)i + 4);
    }
    sqlite3_str_appendall(sql, ")");
    return sync_prepare_text(m->s, &m->enter, m->error, sqlite3_str_finish(sql));
}

int sync_enter(sync_merging *m, const sync_table *t, const sync_value *key, int64_t *seq)
{
    int rc = prepare_enter(m, t);
    rc = rc == SYNC_OK ? sync_clocks_bind_key(m->s, m->enter, t, key, m->error) : rc;
    int64_t before = sqlite3_total_changes64(m->s->db);
    rc = rc == SYNC_OK ? sync_run(m->s, m->enter, m->error) : rc;
    sync_find_apart(m, NULL, before);
    if (rc == SYNC_OK) {
        m->newest = *seq = sqlite3_last_insert_rowid(m->s->db);
    }
    return rc;
}
