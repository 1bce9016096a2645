#include "touch.h"

int sync_touch(sync_db *s, const char *table, sqlite3_value *key, sync_error *error)
{
    const sync_env *env = sync_env_get();
    const sync_table *t = s->has_meta ? sync_engine_table(s, table) : NULL;
    if (t == NULL || t->missing) {
        return sync_fail(error, SYNC_ERROR, "table %s is not tracked", table);
    }
    bool array = t->key_count > 1;
    int64_t parts = 0;
    if (sqlite3_value_type(key) == SQLITE_NULL) {
        return sync_fail(error, SYNC_ERROR, "sync_touch: a key of NULL names no row of table %s", table);
    }
    if (array && sqlite3_value_type(key) == SQLITE_TEXT) {
        int rc = sync_query_int(
            s, &parts, 0, error,
            "SELECT count(*) FROM json_each(iif(json_valid(%Q), %Q, '[]')) WHERE type <> 'null'",
            sqlite3_value_text(key), sqlite3_value_text(key));
        if (rc != SYNC_OK) {
            return rc;
        }
    }
    if (array && parts != t->key_count) {
        return sync_fail(error, SYNC_ERROR,
                         "sync_touch: table %s has a key of %u columns: give it as a JSON array of as many "
                         "values, none of them null",
                         table, t->key_count);
    }
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendall(sql, "INSERT INTO main.sync_journal(tid, op, at, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendf(sql, ") SELECT %u, iif(b.\"%w\" IS NULL, -2, -1), %lld", t->tid, t->key_names[0],
                        (long long)env->now_ms(env->context));
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, ", coalesce(b.\"%w\", p.k%d)", t->key_names[i], (int)i + 1);
    }
    sqlite3_str_appendall(sql, " FROM (SELECT ");
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (array) {
            sqlite3_str_appendf(sql, "%sjson_extract(?1, '$[%d]') AS k%d", i ? ", " : "", (int)i, (int)i + 1);
        } else {
            sqlite3_str_appendall(sql, "?1 AS k1");
        }
    }
    sqlite3_str_appendf(sql, ") AS p LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "p");
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, error, sqlite3_str_finish(sql));
    if (rc == SYNC_OK && sqlite3_bind_value(stmt, 1, key)) {
        rc = sync_fail_db(s, error, NULL);
    }
    rc = rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
    sqlite3_finalize(stmt);
    return rc;
}
