/* Takes part in transactions, and lets go of statements. sqlite3_close() refuses while statements are open, and runs destructors of functions only after that. Virtual tables it disconnects
** first: so an empty eponymous one finalises what the engine keeps. */
#include "keeper.h"

#include "rollbacks.h"
#include "vtab.h"

static int keeper_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                          char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    sync_db *s = context;
    int rc = sync_vtab_connect(db, s, "CREATE TABLE x(unused)", out);
    s->kept = rc == SQLITE_OK;
    return rc;
}

static int keeper_disconnect(sqlite3_vtab *vtab)
{
    sync_db *s = sync_vtab_engine(vtab);
    sync_engine_forget(s);
    s->kept = false;
    return sync_vtab_disconnect(vtab);
}

static int keeper_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    info->estimatedCost = 1;
    return SQLITE_OK;
}

static int keeper_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    (void)vtab;
    return sync_vtab_open(sizeof(sqlite3_vtab_cursor), out);
}

static int keeper_filter(sqlite3_vtab_cursor *cursor, int number, const char *text, int argc,
                         sqlite3_value **argv)
{
    (void)cursor;
    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    return SQLITE_OK;
}

static int keeper_next(sqlite3_vtab_cursor *cursor)
{
    (void)cursor;
    return SQLITE_OK;
}

static int keeper_eof(sqlite3_vtab_cursor *cursor)
{
    (void)cursor;
    return 1;
}

static int keeper_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
    (void)cursor;
    (void)context;
    (void)column;
    return SQLITE_OK;
}

static int keeper_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
    (void)cursor;
    *rowid = 0;
    return SQLITE_OK;
}

/* ---- transactions ---- */

static int keeper_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid)
{
    (void)vtab;
    (void)argc;
    (void)argv;
    *rowid = 1; /* stores nothing: that it was called is all */
    return SQLITE_OK;
}

static int keeper_begin(sqlite3_vtab *vtab)
{
    sync_vtab_engine(vtab)->depth = -1;
    return SQLITE_OK;
}

static int refuse_spoiled(sqlite3_vtab *vtab)
{
    const sync_db *s = sync_vtab_engine(vtab);
    if (s->left != SYNC_LEFT_WRITING && s->left != SYNC_LEFT_INSIDE) {
        return SQLITE_OK;
    }
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf("%s", SYNC_SPOILED_TEXT);
    return SQLITE_ABORT;
}

static int keeper_sync(sqlite3_vtab *vtab)
{
    return refuse_spoiled(vtab);
}

static int keeper_commit(sqlite3_vtab *vtab)
{
    sync_db *s = sync_vtab_engine(vtab);
    sync_rollbacks_clear(s);
    s->unsettled = false;
    return SQLITE_OK;
}

static int keeper_rollback(sqlite3_vtab *vtab)
{
    sync_db *s = sync_vtab_engine(vtab);
    s->left = SYNC_LEFT_NOTHING;
    s->stale = s->stale || s->unsettled;
    return SQLITE_OK;
}

static int keeper_savepoint(sqlite3_vtab *vtab, int depth)
{
    sync_vtab_engine(vtab)->depth = depth;
    return refuse_spoiled(vtab);
}

static int keeper_release(sqlite3_vtab *vtab, int depth)
{
    sync_vtab_engine(vtab)->depth = depth - 1;
    return SQLITE_OK;
}

static int keeper_rollback_to(sqlite3_vtab *vtab, int depth)
{
    sync_db *s = sync_vtab_engine(vtab);
    if (s->left == SYNC_LEFT_INSIDE && depth <= s->left_depth) {
        s->left = SYNC_LEFT_NOTHING;
    }
    s->depth = depth;
    s->stale = s->stale || s->unsettled;
    return SQLITE_OK;
}

static const sqlite3_module keeper_module = {
    .iVersion = 2,
    .xConnect = keeper_connect,
    .xBestIndex = keeper_best_index,
    .xDisconnect = keeper_disconnect,
    .xOpen = keeper_open,
    .xClose = sync_vtab_close,
    .xFilter = keeper_filter,
    .xNext = keeper_next,
    .xEof = keeper_eof,
    .xColumn = keeper_column,
    .xRowid = keeper_rowid,
    .xUpdate = keeper_update,
    .xBegin = keeper_begin,
    .xSync = keeper_sync,
    .xCommit = keeper_commit,
    .xRollback = keeper_rollback,
    .xSavepoint = keeper_savepoint,
    .xRelease = keeper_release,
    .xRollbackTo = keeper_rollback_to,
};

int sync_keeper_register(sync_db *s)
{
    return sqlite3_create_module_v2(s->db, "sync_keeper", &keeper_module, s, NULL);
}

/* Never by a statement that is kept: it would keep the table connected, and so all the others. */
static int execute(sync_db *s, const char *sql, sync_error *error)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SYNC_OK : sync_fail_db(s, error, NULL);
}

int sync_keeper_watch(sync_db *s, sync_error *error)
{
    return s->kept ? SYNC_OK : execute(s, "SELECT * FROM sync_keeper", error);
}

int sync_keeper_join(sync_db *s, sync_error *error)
{
    return execute(s, "INSERT INTO sync_keeper(unused) VALUES(NULL)", error);
}

int sync_keeper_check(sync_db *s, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(s, &stmt, error, "PRAGMA main.journal_mode");
    if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(stmt, 0);
        rc = mode && sqlite3_stricmp(mode, "off") == 0
                 ? sync_fail(
                       error, SYNC_ERROR,
                       "journal_mode is off in this connection, and what is written may have to be taken "
                       "back: PRAGMA journal_mode = delete, or another one")
                 : SQLITE_DONE;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}
