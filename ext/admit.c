/* Everything that makes a table impossible to adopt, said by name. */
#include "capture.h"

#include "catalog.h"

#include <string.h>

int sync_capture_check_names(sync_db *s, const char *what, const char *names, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(
        s, &stmt, error,
        "SELECT type, name FROM main.sqlite_schema WHERE name COLLATE NOCASE IN (%s) ORDER BY 2 LIMIT 1",
        names);
    if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *type = (const char *)sqlite3_column_text(stmt, 0),
                   *name = (const char *)sqlite3_column_text(stmt, 1);
        rc = sync_fail(
            error, SYNC_ERROR,
            "%s cannot be tracked: this file has a%s %s called %s, as our metadata would be: rename it", what,
            type && type[0] == 'i' ? "n" : "", type ? type : "", name ? name : "");
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_capture_check_own_names(sync_db *s, const char *name, uint32_t tid, bool by_row, sync_error *error)
{
    static const char *const own[] = {"sync_row_%u",           "sync_hidden_%u", "sync_%u_insert",
                                      "sync_%u_delete",        "sync_%u_update", "sync_%u_before_insert",
                                      "sync_%u_before_update", "sync_%u_key",    "sync_%u_key_before"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        char text[40];
        sqlite3_snprintf(sizeof text, text, own[i], tid);
        bool free = sync_catalog_find(s, SYNC_OBJECT_TABLE, text) == NULL &&
                    sync_catalog_find(s, SYNC_OBJECT_INDEX, text) == NULL &&
                    sync_catalog_find(s, SYNC_OBJECT_TRIGGER, text) == NULL;
        if (free || (i == 1 && !by_row)) {
            continue;
        }
        char *what = sqlite3_mprintf("table %s", name), *list = sqlite3_mprintf("%Q", text);
        int rc = what && list ? sync_capture_check_names(s, what, list, error) : sync_fail_nomem(error);
        sqlite3_free(what);
        sqlite3_free(list);
        return rc;
    }
    return SYNC_OK;
}

/* A key may compare otherwise than its column does: "k = ?" would then find other rows than the key tells apart. */
static int check_collations(sync_db *s, const sync_base_table *base, sync_error *error)
{
    for (uint32_t i = 0; i < base->key_count; i++) {
        const char *column = NULL;
        if (base->rowid_alias) {
            continue;
        }
        if (sqlite3_table_column_metadata(s->db, "main", base->name, base->key_names[i], NULL, &column, NULL,
                                          NULL, NULL) != SQLITE_OK) {
            return sync_fail_db(s, error, NULL);
        }
        if (column != NULL && sqlite3_stricmp(column, base->key_collations[i]) != 0) {
            return sync_fail(error, SYNC_ERROR,
                             "table %s: column %s compares as %s, but in the primary key as %s: rebuild the "
                             "table with one collation for both",
                             base->name, base->key_names[i], column, base->key_collations[i]);
        }
    }
    return SYNC_OK;
}

int sync_capture_check(sync_db *s, const char *name, const sync_base_table *base, int identity,
                       sync_error *error)
{
    if (!base->exists) {
        return sync_fail(error, SYNC_ERROR, "no such table in the main database: %s", name);
    }
    if (sync_capture_owns_table(s, base->name) || sqlite3_strnicmp(base->name, "sqlite_", 7) == 0) {
        return sync_fail(error, SYNC_ERROR, "%s is an internal table and cannot be tracked", base->name);
    }
    if (!base->ordinary || base->inner) {
        return sync_fail(error, SYNC_ERROR,
                         "%s is not an ordinary table (a view, a virtual table or part of one): track the "
                         "tables behind it",
                         base->name);
    }
    if (base->key_count == 0) {
        return sync_fail(
            error, SYNC_ERROR,
            "table %s has no primary key, so its rows cannot be told apart: rebuild it with one, for example"
            " CREATE TABLE new(id INTEGER PRIMARY KEY, ...); INSERT INTO new SELECT rowid, * FROM \"%s\";"
            " DROP TABLE \"%s\"; ALTER TABLE new RENAME TO \"%s\"",
            base->name, base->name, base->name, base->name);
    }
    if (strlen(base->name) > SYNC_NAME_BYTES_MAX) {
        return sync_fail(error, SYNC_TOOBIG, "a table name of more than %d bytes", SYNC_NAME_BYTES_MAX);
    }
    for (uint32_t i = 0; i < base->key_count + base->col_count; i++) {
        const char *column = i < base->key_count ? base->key_names[i] : base->cols[i - base->key_count].name;
        if (strlen(column) > SYNC_NAME_BYTES_MAX) {
            return sync_fail(error, SYNC_TOOBIG, "table %s: a column name of more than %d bytes", base->name,
                             SYNC_NAME_BYTES_MAX);
        }
    }
    if (identity == SYNC_BY_ROW && !base->rowid_alias) {
        return sync_fail(error, SYNC_ERROR, "table %s: identity \"row\" needs an INTEGER PRIMARY KEY",
                         base->name);
    }
    return check_collations(s, base, error);
}

int sync_capture_writable(sync_db *s, const sync_base_table *base, sync_error *error)
{
    static const char *const probes[] = {"DELETE FROM main.\"%w\"", "INSERT INTO main.\"%w\" DEFAULT VALUES",
                                         "SELECT * FROM main.\"%w\""};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        sqlite3_stmt *stmt;
        sync_error why = {0};
        int rc = sync_prepare(s, &stmt, &why, probes[i], base->name);
        sqlite3_finalize(stmt);
        if (rc != SYNC_OK) {
            return sync_fail(error, rc, "table %s cannot be written here: %s", base->name, why.text);
        }
    }
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET ", base->name);
    for (uint32_t i = 0; i < base->key_count + base->col_count; i++) {
        const char *name = i < base->key_count ? base->key_names[i] : base->cols[i - base->key_count].name;
        sqlite3_str_appendf(sql, "%s\"%w\" = NULL", i ? ", " : "", name);
    }
    sqlite3_stmt *stmt;
    sync_error why = {0};
    int rc = sync_prepare_text(s, &stmt, &why, sqlite3_str_finish(sql));
    sqlite3_finalize(stmt);
    return rc == SYNC_OK ? SYNC_OK
                         : sync_fail(error, rc, "table %s cannot be written here: %s", base->name, why.text);
}
