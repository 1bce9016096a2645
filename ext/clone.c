/* The schema of a file's tracked tables as bytes. */
#include "sqlite.h"

#include "clone_internal.h"

#include <string.h>

const char *const sync_clone_encodings[SYNC_CLONE_ENCODINGS] = {"UTF-8", "UTF-16le", "UTF-16be"};

int sync_clone_fail(sqlite3 *db, sync_error *error, const char *what)
{
    return sync_fail(error, sqlite3_extended_errcode(db), "%s: %s", what, sqlite3_errmsg(db));
}

static int dump_number(sqlite3 *db, sync_buf *out, const char *pragma, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, pragma, -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        sync_buf_put_zigzag(out, sqlite3_column_int64(stmt, 0));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? SYNC_OK : sync_clone_fail(db, error, pragma);
}

static int dump_encoding(sqlite3 *db, sync_buf *out, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    uint8_t number = 0;
    int rc = sqlite3_prepare_v2(db, "PRAGMA main.encoding", -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        for (uint8_t i = 0; name != NULL && i < SYNC_CLONE_ENCODINGS; i++) {
            number = strcmp(name, sync_clone_encodings[i]) == 0 ? i : number;
        }
        rc = name != NULL ? SQLITE_OK : SQLITE_NOMEM;
    }
    sync_buf_put_u8(out, number);
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? SYNC_OK : sync_clone_fail(db, error, "encoding");
}

static void put_text(sync_buf *out, sqlite3_stmt *stmt, int column)
{
    const void *text = sqlite3_column_text(stmt, column); /* NULL without memory: the next step says so */
    sync_buf_put_blob(out, text, text ? (size_t)sqlite3_column_bytes(stmt, column) : 0);
}

/* Appends a varint count and the rows of `sql`: with `kinds` the first column as a byte, all others as blobs. */
static int dump_rows(sqlite3 *db, sync_buf *out, const char *sql, bool kinds, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    sync_buf rows = {0};
    uint64_t count = 0;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (kinds) {
            sync_buf_put_u8(&rows, (uint8_t)sqlite3_column_int(stmt, 0));
        }
        for (int i = kinds; i < sqlite3_column_count(stmt); i++) {
            put_text(&rows, stmt, i);
        }
        count++;
        rc = SQLITE_OK;
    }
    rc = rc == SQLITE_DONE ? SYNC_OK : sync_clone_fail(db, error, "the schema cannot be read");
    sqlite3_finalize(stmt);
    sync_buf_put_varint(out, count);
    sync_buf_put(out, rows.data, rows.len);
    out->oom = out->oom || rows.oom;
    sync_buf_free(&rows);
    return rc;
}

static const char objects_sql[] =
    "SELECT k, name, tbl_name, sql FROM (SELECT rowid AS r, name, tbl_name, sql, CASE type WHEN 'table' THEN"
    " iif(sql LIKE 'CREATE VIRTUAL %', 4, 0) WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END AS k"
    " FROM main.sqlite_schema WHERE sql IS NOT NULL) AS o"
    " WHERE k IN (2, 4)"
    " OR (k IN (0, 1) AND EXISTS (SELECT 1 FROM main.sync_table AS t WHERE t.name = o.tbl_name))"
    " OR (k = 3 AND EXISTS (SELECT 1 FROM main.sync_table AS t WHERE t.name = o.tbl_name"
    "     AND o.name NOT GLOB 'sync_' || t.tid || '_*'))"
    " OR (k = 3 AND o.tbl_name COLLATE NOCASE IN (SELECT name FROM main.sqlite_schema WHERE type = 'view'))"
    " ORDER BY k = 4 DESC, k, r";

static const char tracked_sql[] = "SELECT s.name, json_remove(t.options, '$.formerly', '$.unseen') FROM "
                                  "main.sync_table AS t, main.sqlite_schema AS s"
                                  " WHERE s.type = 'table' AND s.name = t.name COLLATE NOCASE ORDER BY t.tid";

static const char numbers_sql[] = "SELECT q.name, q.seq FROM main.sqlite_sequence AS q, main.sync_table AS t"
                                  " WHERE q.name = t.name AND typeof(q.seq) = 'integer' ORDER BY t.tid";

/* SYNC_OK, or why there is nothing to dump. */
static int require_tracked(sqlite3 *db, sync_error *error)
{
    int rc = sqlite3_table_column_metadata(db, "main", "sync_table", NULL, NULL, NULL, NULL, NULL, NULL);
    if (rc == SQLITE_ERROR) { /* no such table */
        return sync_fail(error, SYNC_SCHEMA, "this file tracks no table, so there is nothing to clone");
    }
    return rc == SQLITE_OK ? SYNC_OK : sync_clone_fail(db, error, "the schema cannot be read");
}

/* The highest number that each AUTOINCREMENT table ever gave out. */
static int dump_numbers(sqlite3 *db, sync_buf *out, sync_error *error)
{
    int rc = sqlite3_table_column_metadata(db, "main", "sqlite_sequence", NULL, NULL, NULL, NULL, NULL, NULL);
    if (rc == SQLITE_ERROR) { /* no such table */
        sync_buf_put_varint(out, 0);
        return SYNC_OK;
    }
    return rc == SQLITE_OK ? dump_rows(db, out, numbers_sql, false, error)
                           : sync_clone_fail(db, error, "the schema cannot be read");
}

int sync_clone_dump(sqlite3 *db, sync_buf *out, sync_error *error)
{
    size_t before = out->len;
    int rc = require_tracked(db, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    if (sqlite3_exec(db, "SAVEPOINT sync_clone", NULL, NULL, NULL) != SQLITE_OK) {
        return sync_clone_fail(db, error, "the schema cannot be read");
    }
    sync_buf_put_u8(out, SYNC_CLONE_VERSION);
    rc = dump_encoding(db, out, error);
    rc = rc == SYNC_OK ? dump_number(db, out, "PRAGMA main.user_version", error) : rc;
    rc = rc == SYNC_OK ? dump_number(db, out, "PRAGMA main.application_id", error) : rc;
    rc = rc == SYNC_OK ? dump_rows(db, out, objects_sql, true, error) : rc;
    rc = rc == SYNC_OK ? dump_rows(db, out, tracked_sql, false, error) : rc;
    rc = rc == SYNC_OK ? dump_numbers(db, out, error) : rc;
    sqlite3_exec(db, "RELEASE sync_clone", NULL, NULL, NULL);
    rc = rc == SYNC_OK && out->oom ? sync_fail(error, SYNC_NOMEM, "out of memory") : rc;
    if (rc != SYNC_OK) {
        out->len = before;
    }
    return rc;
}
