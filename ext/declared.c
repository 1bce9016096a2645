#include "declared.h"

#include <string.h>

static bool declares(const sync_table *t)
{
    return strstr(t->options, "\"references\"") != NULL;
}

/* Columns are the keys of the option's object, tables its values. */
static const char follow_columns[] = "json_group_object(coalesce((SELECT after FROM renamed WHERE before ="
                                     " key COLLATE NOCASE), key), value)";
static const char follow_tables[] =
    "json_group_object(key, coalesce((SELECT after FROM renamed WHERE before ="
    " value COLLATE NOCASE), value))";

static int follow(sync_db *s, const sync_table *t, const char *names, const char *how, sync_error *error)
{
    return sync_exec(
        s, error,
        "WITH renamed(before, after) AS (VALUES %s) UPDATE main.sync_table SET options ="
        " json_set(options, '$.references', json((SELECT %s FROM json_each(options, '$.references'))))"
        " WHERE tid = %u",
        names, how, t->tid);
}

int sync_declared_follow(sync_db *s, uint32_t tid, const sync_renaming *renamed, uint32_t count,
                         sync_error *error)
{
    int rc = SYNC_OK;
    sqlite3_str *str = sqlite3_str_new(s->db);
    for (uint32_t i = 0; i < count; i++) {
        sqlite3_str_appendf(str, "%s(%Q, %Q)", i ? ", " : "", renamed[i].before, renamed[i].after);
    }
    char *names = sqlite3_str_finish(str);
    if (count > 0 && names == NULL) {
        return sync_fail_nomem(error);
    }
    for (uint32_t i = 0; rc == SYNC_OK && count > 0 && i < s->table_count; i++) {
        const sync_table *t = &s->tables[i];
        if (declares(t) && (tid == 0 || tid == t->tid)) {
            rc = follow(s, t, names, tid ? follow_columns : follow_tables, error);
        }
    }
    sqlite3_free(names);
    return rc;
}

int sync_declared_of(sync_db *s, const sync_table *t, char **json, sync_error *error)
{
    sqlite3_stmt *stmt;
    *json = NULL;
    if (!declares(t)) {
        return SYNC_OK;
    }
    int rc = sync_prepare(s, &stmt, error, "SELECT json_extract(%Q, '$.references')", t->options);
    rc = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
    if (rc == SQLITE_ROW) {
        *json = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
        rc = *json ? SYNC_OK : sync_fail_nomem(error);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}
