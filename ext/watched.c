#include "watched.h"

#include <string.h>

void sync_watched_free(sync_watched *w)
{
    sync_free(w->reads);
    *w = (sync_watched){0};
}

static int add(sync_watched *w, uint32_t tid, sync_error *error)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->reads[i] == tid) {
            return SYNC_OK;
        }
    }
    uint32_t *more = sync_realloc(w->reads, (w->count + 1) * sizeof *more);
    if (more == NULL) {
        return sync_fail_nomem(error);
    }
    w->reads = more;
    w->reads[w->count++] = tid;
    return SYNC_OK;
}

/* One table whose pages the statement reads: by name. Clocks are written with their table. */
static int note_table(sync_db *s, sync_watched *w, const char *name, sync_error *error)
{
    const sync_table *t = sync_engine_table(s, name);
    if (t) {
        w->alone = w->alone && t->tid == w->tid;
        return add(w, t->tid, error);
    }
    w->elsewhere = w->elsewhere || sqlite3_strnicmp(name, "sync_row_", 9) != 0;
    return SYNC_OK;
}

/* A step of the program that opens something. */
static int note_step(sync_db *s, sync_watched *w, sqlite3_stmt *step, sync_error *error)
{
    const char *code = (const char *)sqlite3_column_text(step, 1);
    sqlite3_stmt *stmt = NULL;
    if (code == NULL || strcmp(code, "VOpen") == 0) {
        w->elsewhere = true;
        return SYNC_OK;
    }
    if (strcmp(code, "OpenRead") != 0) {
        return SYNC_OK;
    }
    if (sqlite3_column_int(step, 4) != 0) { /* not main: the clocks of a virtual fold */
        return SYNC_OK;
    }
    int rc = sync_borrow(s, &stmt, error, "SELECT tbl_name FROM main.sqlite_schema WHERE rootpage = ?1");
    rc = rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, sqlite3_column_int64(step, 3))
             ? sync_fail_db(s, error, NULL)
             : rc;
    rc = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
    if (rc == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        rc = name ? note_table(s, w, name, error) : sync_fail_nomem(error);
    } else if (rc == SQLITE_DONE) {
        w->elsewhere = true;
        rc = SYNC_OK;
    }
    sync_return(s, stmt);
    return rc;
}

int sync_watched_learn(sync_db *s, sync_watched *w, const char *choice, sync_error *error)
{
    sqlite3_stmt *step = NULL;
    const uint32_t tid = w->tid;
    if (w->schema_version == s->schema_version && w->schema_version != 0) {
        return SYNC_OK;
    }
    sync_watched_free(w);
    w->tid = tid;
    w->alone = true;
    int rc = add(w, tid, error);
    rc = rc == SYNC_OK ? sync_prepare(s, &step, error, "EXPLAIN %s", choice) : rc;
    while (rc == SYNC_OK && (rc = sync_step(s, step, error)) == SQLITE_ROW) {
        rc = note_step(s, w, step, error);
    }
    sqlite3_finalize(step);
    rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    w->alone = w->alone && !w->elsewhere;
    w->schema_version = rc == SYNC_OK ? s->schema_version : 0;
    return rc;
}

int sync_watched_quiet(sync_db *s, const sync_watched *w, bool *quiet, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    *quiet = false;
    if (w->elsewhere || w->upto == 0) {
        return SYNC_OK;
    }
    int rc = sync_borrow(s, &stmt, error, "SELECT DISTINCT tid & %d FROM main.sync_journal WHERE seq > ?1",
                         SYNC_TID_MASK);
    rc = rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, w->upto) ? sync_fail_db(s, error, NULL) : rc;
    *quiet = true;
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        for (uint32_t i = 0; i < w->count; i++) {
            *quiet = *quiet && w->reads[i] != (uint32_t)sqlite3_column_int64(stmt, 0);
        }
    }
    sync_return(s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}
