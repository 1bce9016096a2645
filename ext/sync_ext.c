/* Registration, and the C interface. */
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

#include "sync_ext.h"

#include "chunk.h"
#include "functions.h"
#include "keeper.h"
#include "site.h"
#include "stream.h"
#include "tables.h"

static void engine_closed(void *context)
{
    sync_site_close(context);
    sync_engine_free(context);
}

/* sync_engine(pointer): gives a caller of the C interface the engine of its connection. */
static void fn_engine(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    sync_db **to = sqlite3_value_pointer(argv[0], SYNC_ENGINE_POINTER);
    if (to) {
        *to = sqlite3_user_data(context);
    }
}

/* The engine that an earlier call has made on this connection, if one has: virtual tables and statements point to it. Asks the list of functions first:
** a call of one that is not there would be a line in the host's error log. */
static int find_earlier(sqlite3 *db, sync_db **s)
{
    sqlite3_stmt *stmt = NULL;
    bool any = false, listed = false;
    *s = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA function_list", -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        any = true;
        listed = listed || sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "sync_engine") == 0;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    if ((rc & 0xff) != SQLITE_NOMEM && (listed || !any)) { /* a build, or a host, may hide the list */
        rc = sync_engine_of(db, s);
    }
    return (rc & 0xff) == SQLITE_NOMEM ? rc : SQLITE_OK;
}

/* A new one: it belongs to the connection, is found by name, and is freed by engine_closed, also if this very call fails. */
static int make_engine(sqlite3 *db, sync_db **s)
{
    *s = sync_engine_new(db);
    return *s == NULL ? SQLITE_NOMEM
                      : sqlite3_create_function_v2(db, "sync_engine", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, *s,
                                                   fn_engine, NULL, NULL, engine_closed);
}

static int register_all(sync_db *s)
{
    int rc = sync_keeper_register(s);
    rc = rc == SQLITE_OK ? sync_chunk_register(s) : rc;
    rc = rc == SQLITE_OK ? sync_functions_register(s) : rc;
    return rc == SQLITE_OK ? sync_tables_register(s) : rc;
}

#ifdef _WIN32
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
    int sqlite3_syncext_init(sqlite3 *db, char **error, const struct sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api);
    (void)api;
    if (sqlite3_libversion_number() < 3040000) {
        if (error) {
            *error = sqlite3_mprintf("sync_ext needs SQLite 3.40 or newer; this is %s", sqlite3_libversion());
        }
        return SQLITE_ERROR;
    }
    sync_db *s = NULL;
    int rc = find_earlier(db, &s);
    rc = rc == SQLITE_OK && s == NULL ? make_engine(db, &s) : rc;
    if (rc == SQLITE_OK && !s->registered) {
        rc = register_all(s);
        s->registered = rc == SQLITE_OK;
    }
    if (rc != SQLITE_OK && error) {
        *error = sqlite3_mprintf("sync_ext: %s", sqlite3_errmsg(db));
    }
    return rc;
}
