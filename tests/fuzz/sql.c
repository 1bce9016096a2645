#include "sql.h"

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

void fuzz_blob(sqlite3 *db, const char *sql, const sync_buf *parameter, sync_buf *out)
{
    sqlite3_stmt *stmt = NULL;
    sync_buf_reset(out);
    FUZZ_CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    if (parameter != NULL) {
        sqlite3_bind_blob64(stmt, 1, parameter->data, parameter->len, SQLITE_STATIC);
    }
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(stmt, 0);
        sync_buf_put(out, bytes, (size_t)sqlite3_column_bytes(stmt, 0));
    }
    if (sqlite3_finalize(stmt) != SQLITE_OK || out->oom) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        abort();
    }
}

/* FNV-1a 64, one step. */
static uint64_t digest(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (size_t i = 0; at != NULL && i < bytes; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

uint64_t fuzz_digest(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    FUZZ_CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int c = sqlite3_column_count(stmt) - 1; c >= 0; c--) {
            int type = sqlite3_column_type(stmt, c);
            const void *bytes = sqlite3_column_blob(stmt, c);
            int count = sqlite3_column_bytes(stmt, c);
            hash = digest(digest(hash, &type, sizeof type), &count, sizeof count);
            hash = digest(hash, bytes, (size_t)count);
        }
    }
    FUZZ_CHECK(sqlite3_finalize(stmt) == SQLITE_OK);
    return hash;
}

void fuzz_read_row(sqlite3_stmt *stmt)
{
    static volatile uint8_t sum;
    for (int c = sqlite3_column_count(stmt) - 1; c >= 0; c--) {
        const uint8_t *bytes = sqlite3_column_blob(stmt, c);
        for (int i = sqlite3_column_bytes(stmt, c) - 1; bytes != NULL && i >= 0; i--) {
            sum = (uint8_t)(sum ^ bytes[i]);
        }
    }
}
