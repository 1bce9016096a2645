#include "touch.h"

#include "json.h"
#include "key.h"

#include <string.h>

/* Bytes that a JSON key spells in hexadecimal: {"$blob": ...} or {"$text": ...}. */
static int bind_hex(sqlite3_stmt *to, int index, const char *hex, bool text)
{
    sync_buf buf = {0};
    int rc = SQLITE_MISMATCH;
    if (sync_unhex(&buf, hex) && !buf.oom) { /* what is empty has no memory, and is no NULL */
        const char *data = buf.len ? (const char *)buf.data : "";
        rc = text ? sqlite3_bind_text64(to, index, data, buf.len, SQLITE_TRANSIENT, SQLITE_UTF8)
                  : sqlite3_bind_blob64(to, index, data, buf.len, SQLITE_TRANSIENT);
    }
    rc = buf.oom ? SQLITE_NOMEM : rc;
    sync_buf_free(&buf);
    return rc;
}

/* Binds the parts of a JSON array from parameter 1 on: the array must have as many as the key, none of them null. */
static int bind_array(sync_db *s, const sync_table *t, sqlite3_stmt *to, sqlite3_value *key,
                      sync_error *error)
{
    sqlite3_stmt *parts;
    uint32_t count = 0;
    bool good = true;
    sync_error reading = {0}; /* not by json_valid(): it calls invalid what it finds no memory for */
    int rc =
        sync_prepare(s, &parts, error,
                     "SELECT type, value, iif(type = 'object', json_extract(value, '$.\"$blob\"'), NULL),"
                     " iif(type = 'object', json_extract(value, '$.\"$text\"'), NULL)"
                     " FROM json_each(iif(json_type(?1) = 'array', ?1, '[]'))");
    if (rc == SYNC_OK && sqlite3_bind_value(parts, 1, key)) {
        rc = sync_fail_db(s, error, NULL);
    }
    while (rc == SYNC_OK && (rc = sync_step(s, parts, &reading)) == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(parts, 0);
        const char *blob = (const char *)sqlite3_column_text(parts, 2),
                   *text = (const char *)sqlite3_column_text(parts, 3);
        int bound = SQLITE_MISMATCH;
        if (++count > t->key_count || type == NULL) {
            good = false;
        } else if (blob || text) {
            bound = bind_hex(to, (int)count, blob ? blob : text, blob == NULL);
        } else if (strcmp(type, "null") != 0 && strcmp(type, "object") != 0 && strcmp(type, "array") != 0) {
            bound = sqlite3_bind_value(to, (int)count, sqlite3_column_value(parts, 1));
        }
        good = good && bound == SQLITE_OK;
        rc = bound == SQLITE_OK || bound == SQLITE_MISMATCH ? SYNC_OK
             : bound == SQLITE_NOMEM                        ? sync_fail_nomem(&reading)
                                                            : sync_fail_db(s, &reading, NULL);
    }
    sqlite3_finalize(parts);
    rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    if (reading.code != SYNC_OK && reading.code != SYNC_ERROR) {
        return sync_fail(error, reading.code, "%s", reading.text);
    }
    if (reading.code == SYNC_ERROR || (rc == SYNC_OK && (!good || count != t->key_count))) {
        rc = sync_fail(
            error, SYNC_ERROR,
            "sync_touch: table %s has a key of %u columns: give it as a JSON array of as many values, none of"
            " them null",
            t->name, t->key_count);
    }
    return rc;
}

/* Somebody sees to what was written while the triggers were gone. */
static int forget_unseen(sync_db *s, const sync_table *t, sync_error *error)
{
    if (strstr(t->options, "\"unseen\"") == NULL) {
        return SYNC_OK;
    }
    int rc = sync_exec(s, error,
                       "UPDATE main.sync_table SET options = json_remove(options, '$.unseen') WHERE tid = %u",
                       t->tid);
    return rc == SYNC_OK ? sync_engine_changed(s, false, error) : rc;
}

int sync_touch(sync_db *s, const char *table, sqlite3_value *key, sync_error *error)
{
    const sync_env *env = sync_env_get();
    const sync_table *t = s->has_meta ? sync_engine_table(s, table) : NULL;
    if (t == NULL) {
        return sync_fail(error, SYNC_ERROR, "table %s is not tracked", table);
    }
    if (t->missing) {
        return sync_fail(error, SYNC_ERROR,
                         "table %s was dropped, renamed or rebuilt with another key: see sync_status.note",
                         table);
    }
    if (sqlite3_value_type(key) == SQLITE_NULL) {
        return sync_fail(error, SYNC_ERROR, "sync_touch: a key of NULL names no row of table %s", table);
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
    for (uint32_t i = 0; i < t->key_count; i++) { /* as the trigger would have found it in the table */
        char given[16];
        sqlite3_snprintf(sizeof given, given, "?%d", (int)i + 1);
        sqlite3_str_appendall(sql, i ? ", " : "");
        sync_str_key_stored(sql, t, i, given);
        sqlite3_str_appendf(sql, " AS k%d", (int)i + 1);
    }
    sqlite3_str_appendf(sql, ") AS p LEFT JOIN main.\"%w\" AS b ON ", t->name);
    sync_str_match_base(sql, t, "b", "p");
    sqlite3_str_appendall(sql, " WHERE p.k1 IS NOT NULL");
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, error, sqlite3_str_finish(sql));
    if (rc == SYNC_OK && t->key_count > 1) {
        rc = bind_array(s, t, stmt, key, error);
    } else if (rc == SYNC_OK && sqlite3_bind_value(stmt, 1, key)) {
        rc = sync_fail_db(s, error, NULL);
    }
    rc = rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
    sqlite3_finalize(stmt);
    if (rc == SYNC_OK && sqlite3_changes(s->db) == 0) {
        rc = sync_fail(error, SYNC_ERROR, "sync_touch: a key of table %s is an integer", t->name);
    }
    return rc == SYNC_OK ? forget_unseen(s, t, error) : rc;
}
