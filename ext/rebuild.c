#include "rebuild.h"

int sync_rebuild_keep(sync_db *s, const sync_table *t, sync_error *error)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql, "CREATE TABLE temp.sync_before_%u AS SELECT ", t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\" AS k%d", i ? ", " : "", t->key_names[i], (int)i + 1);
    }
    for (uint32_t c = 0; c < t->col_count; c++) {
        if (t->cols[c].present) {
            sqlite3_str_appendf(sql, ", \"%w\" AS c%u", t->cols[c].name, c);
        }
    }
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", t->name);
    sync_str_keys(sql, t, "\"%w\" IS NOT NULL", " AND ");
    sqlite3_str_appendf(sql, "; CREATE UNIQUE INDEX temp.sync_before_%u_key ON sync_before_%u(", t->tid,
                        t->tid);
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sk%d COLLATE \"%w\"", i ? ", " : "", (int)i + 1, t->key_collations[i]);
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sync_exec(s, error, "%s", text) : sync_fail_nomem(error);
    sqlite3_free(text);
    return rc;
}

int sync_rebuild_drop(sync_db *s, uint32_t tid, sync_error *error)
{
    return sync_exec(s, error, "DROP TABLE IF EXISTS temp.sync_before_%u", tid);
}

/* ---- what became of them ---- */

/* Begins a statement that writes entries of the keys of `row`: the b of the table, or the v of the copy. */
static void put_entry(sync_db *s, sqlite3_str *sql, const sync_table *t, bool before, const char *op)
{
    const sync_env *env = sync_env_get();
    (void)s;
    sqlite3_str_appendall(sql, "INSERT INTO main.sync_journal(tid, op, at, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, ") SELECT %u, %s, %lld, ", t->tid, op, (long long)env->now_ms(env->context));
    if (before) {
        sync_str_numbers(sql, t, "v.k%d", ", ");
    } else {
        sync_str_keys(sql, t, "b.\"%w\"", ", ");
    }
}

/* Rows of one of both that the other lacks. */
static void put_alone(sync_db *s, sqlite3_str *sql, const sync_table *t, bool before)
{
    put_entry(s, sql, t, before, before ? "-2" : "-1");
    if (before) {
        sqlite3_str_appendf(sql,
                            " FROM temp.sync_before_%u AS v WHERE NOT EXISTS (SELECT 1 FROM main.\"%w\" AS b"
                            " WHERE ",
                            t->tid, t->name);
    } else {
        sqlite3_str_appendf(sql, " FROM main.\"%w\" AS b WHERE ", t->name);
        sync_str_keys(sql, t, "b.\"%w\" IS NOT NULL", " AND ");
        sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM temp.sync_before_%u AS v WHERE ", t->tid);
    }
    sync_str_match_base(sql, t, "b", "v");
    sqlite3_str_appendall(sql, ");");
}

static void put_both(sqlite3_str *sql, const sync_table *t)
{
    sqlite3_str_appendf(sql, " FROM main.\"%w\" AS b JOIN temp.sync_before_%u AS v ON ", t->name, t->tid);
    sync_str_match_base(sql, t, "b", "v");
}

/* Is the key of both spelled the same? */
static void put_same_key(sqlite3_str *sql, const sync_table *t)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%sb.\"%w\" IS v.k%d COLLATE BINARY AND typeof(b.\"%w\") = typeof(v.k%d)",
                            i ? " AND " : "", t->key_names[i], (int)i + 1, t->key_names[i], (int)i + 1);
    }
}

/* The bits of a group's columns that changed; false if it has none that could. */
static bool put_mask(sqlite3_str *sql, const sync_table *t, uint32_t group, const uint32_t *cids,
                     uint32_t count)
{
    bool any = false;
    for (uint32_t bit = 0; bit < SYNC_MASK_COLUMNS; bit++) {
        uint32_t cid = group * SYNC_MASK_COLUMNS + bit;
        if (cid >= t->col_count || !t->cols[cid].present) {
            continue;
        }
        const sync_column *c = &t->cols[cid];
        bool was = false;
        for (uint32_t i = 0; !was && i < count; i++) {
            was = cids[i] == cid;
        }
        sqlite3_str_appendf(sql, "%sCASE WHEN b.\"%w\" IS ", any ? " + " : "", c->name);
        if (was) {
            sqlite3_str_appendf(sql, "v.c%u COLLATE BINARY AND typeof(b.\"%w\") = typeof(v.c%u)", cid,
                                c->name, cid);
        } else {
            sqlite3_str_appendf(sql, "(%s)", c->preset ? c->preset : "NULL");
        }
        sqlite3_str_appendf(sql, " THEN 0 ELSE %lld END", (long long)1 << bit);
        any = true;
    }
    return any;
}

static int put_changed(sync_db *s, const sync_table *t, uint32_t group, const uint32_t *cids, uint32_t count,
                       sync_error *error)
{
    sqlite3_str *mask = sqlite3_str_new(s->db), *sql = sqlite3_str_new(s->db);
    bool any = put_mask(mask, t, group, cids, count);
    char *bits = sqlite3_str_finish(mask);
    sqlite3_str_appendall(sql, "INSERT INTO main.sync_journal(tid, op, at, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    const sync_env *env = sync_env_get();
    sqlite3_str_appendf(sql, ") SELECT %u, m, %lld, ", t->tid | group << SYNC_GROUP_SHIFT,
                        (long long)env->now_ms(env->context));
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, " FROM (SELECT %s AS m", bits ? bits : "0");
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, ", b.\"%w\" AS k%d", t->key_names[i], (int)i + 1);
    }
    put_both(sql, t);
    sqlite3_str_appendall(sql, " WHERE ");
    put_same_key(sql, t);
    sqlite3_str_appendall(sql, ") WHERE m");
    char *text = sqlite3_str_finish(sql);
    int rc = text && (bits || !any) ? SYNC_OK : sync_fail_nomem(error);
    rc = rc == SYNC_OK && any ? sync_exec(s, error, "%s", text) : rc;
    sqlite3_free(bits);
    sqlite3_free(text);
    return rc;
}

int sync_rebuild_compare(sync_db *s, const sync_table *t, const uint32_t *cids, uint32_t count,
                         sync_error *error)
{
    sqlite3_str *sql = sqlite3_str_new(s->db);
    put_alone(s, sql, t, true);
    put_alone(s, sql, t, false);
    put_entry(s, sql, t, false, "-1"); /* a key that is spelled anew is part of the row's existence */
    put_both(sql, t);
    sqlite3_str_appendall(sql, " WHERE NOT (");
    put_same_key(sql, t);
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sync_exec(s, error, "%s", text) : sync_fail_nomem(error);
    sqlite3_free(text);
    for (uint32_t group = 0; rc == SYNC_OK && group * SYNC_MASK_COLUMNS < t->col_count; group++) {
        rc = put_changed(s, t, group, cids, count, error);
    }
    return rc;
}
