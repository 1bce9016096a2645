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

/* The engine belongs to the connection: found by name, freed when the connection closes. */
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
    sync_db *s = sync_engine_new(db);
    if (s == NULL) {
        return SQLITE_NOMEM;
    }
    /* engine_closed runs with the connection, also if this very call fails */
    int rc = sqlite3_create_function_v2(db, "sync_engine", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, s, fn_engine,
                                        NULL, NULL, engine_closed);
    if (rc == SQLITE_OK) {
        rc = sync_keeper_register(s);
    }
    if (rc == SQLITE_OK) {
        rc = sync_chunk_register(s);
    }
    if (rc == SQLITE_OK) {
        rc = sync_functions_register(s);
    }
    if (rc == SQLITE_OK) {
        rc = sync_tables_register(s);
    }
    if (rc != SQLITE_OK && error) {
        *error = sqlite3_mprintf("sync_ext: %s", sqlite3_errmsg(db));
    }
    return rc;
}
