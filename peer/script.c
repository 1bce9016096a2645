#include "script.h"

#include "beneath.h"
#include "message.h"
#include "peer_limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *peer_script_read(const char *path, peer_failure *f)
{
    FILE *from = peer_beneath_read(path, f);
    char *text = NULL;
    if (from == NULL) {
        return NULL;
    }
    text = peer_new(PEER_SCRIPT_BYTES_MAX + 1);
    size_t bytes = fread(text, 1, PEER_SCRIPT_BYTES_MAX + 1, from);
    if (ferror(from) != 0) {
        peer_fail(f, PEER_EXIT_ERROR, "%s: %s", path, strerror(errno));
    } else if (bytes > PEER_SCRIPT_BYTES_MAX) {
        peer_fail(f, PEER_EXIT_ERROR, "%s is larger than %u KiB", path, PEER_SCRIPT_BYTES_MAX >> 10);
    } else if (memchr(text, 0, bytes) != NULL) {
        peer_fail(f, PEER_EXIT_ERROR, "%s has a NUL byte in it: it is no SQL", path);
    } else {
        text[bytes] = 0;
        (void)fclose(from); /* it was only read */
        return text;
    }
    (void)fclose(from);
    free(text);
    return NULL;
}

static int line_of(const char *script, const char *at)
{
    int line = 1;
    for (; script < at; script++) {
        line += *script == '\n';
    }
    return line;
}

bool peer_script_run(sqlite3 *db, const char *path, const char *script, peer_failure *f)
{
    const char *at = script;
    int rc = SQLITE_OK, offset = 0;
    while (rc == SQLITE_OK && *at != 0) {
        sqlite3_stmt *stmt = NULL;
        const char *next = at;
        rc = sqlite3_prepare_v2(db, at, -1, &stmt, &next);
        offset = rc == SQLITE_OK ? 0 : sqlite3_error_offset(db);
        while (rc == SQLITE_OK && stmt != NULL && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            rc = SQLITE_OK;
        }
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        if (rc != SQLITE_OK) {
            at += strspn(at, " \t\r\n") + (size_t)(offset > 0 ? offset : 0);
            peer_fail(f, PEER_EXIT_SCHEMA, "%s:%d: %s", path, line_of(script, at), sqlite3_errmsg(db));
        }
        sqlite3_finalize(stmt);
        at = next;
    }
    return rc == SQLITE_OK;
}

static int is_stopping(void *context)
{
    const atomic_bool *stopping = context;
    return atomic_load(stopping);
}

void peer_script_confine(sqlite3 *db, atomic_bool *stopping)
{
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_progress_handler(db, PEER_SCRIPT_STEPS, is_stopping, stopping);
}

const char *peer_script_path(const peer_options *o)
{
    if (o->schema == NULL || o->schema_common == NULL || access(o->schema, F_OK) == 0) {
        return o->schema;
    }
    return access(o->schema_common, F_OK) == 0 ? o->schema_common : NULL;
}
