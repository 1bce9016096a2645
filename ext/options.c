#include "options.h"

#include <string.h>

int sync_options_read(sync_db *s, sqlite3_value *options, const char *function, const char *const *names,
                      uint32_t count, char (*values)[SYNC_OPTION_BYTES], sync_error *error)
{
    uint32_t given = 0; /* a bit each */
    for (uint32_t i = 0; i < count; i++) {
        values[i][0] = 0;
    }
    if (options == NULL || sqlite3_value_type(options) == SQLITE_NULL) {
        return SYNC_OK;
    }
    sqlite3_stmt *stmt;
    sync_error reading = {0}; /* not by json_valid(): it calls invalid what it finds no memory for */
    int rc = sync_prepare(s, &stmt, error,
                          "SELECT key, value, o.\"is\" FROM (SELECT json_type(?1) = 'object' AS \"is\") AS o"
                          " LEFT JOIN json_each(iif(o.\"is\", ?1, '[]'))");
    if (rc == SYNC_OK && sqlite3_bind_value(stmt, 1, options)) {
        rc = sync_fail_db(s, error, NULL);
    }
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, &reading)) == SQLITE_ROW) {
        rc = SYNC_OK;
        const char *key = (const char *)sqlite3_column_text(stmt, 0);
        const char *text = (const char *)sqlite3_column_text(stmt, 1);
        uint32_t i = 0;
        while (key && i < count && strcmp(key, names[i]) != 0) {
            i++;
        }
        if (!sqlite3_column_int(stmt, 2)) {
            sync_fail(&reading, SYNC_ERROR, "not an object");
        } else if (key && i == count) {
            char known[SYNC_ERROR_BYTES] = "";
            for (uint32_t n = 0; n < count; n++) {
                size_t end = strlen(known);
                sqlite3_snprintf((int)(sizeof known - end), known + end, "%s\"%s\"", n ? ", " : "", names[n]);
            }
            rc = sync_fail(error, SYNC_ERROR, "%s: unknown option \"%s\"; known: %s", function, key, known);
        } else if (key && given >> i & 1) {
            rc = sync_fail(error, SYNC_ERROR, "%s: option \"%s\" is given twice", function, key);
        } else if (key) {
            given |= 1u << i;
            sqlite3_snprintf(SYNC_OPTION_BYTES, values[i], "%s", text == NULL ? "null" : *text ? text : "''");
        }
    }
    sqlite3_finalize(stmt);
    if (reading.code == SYNC_ERROR) {
        return sync_fail(error, SYNC_ERROR, "%s: options are a JSON object, such as {\"%s\": ...}", function,
                         names[0]);
    }
    if (reading.code != SYNC_OK) {
        return sync_fail(error, reading.code, "%s", reading.text);
    }
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}
