#include "vtab.h"

int sync_vtab_connect(sqlite3 *db, sync_db *s, const char *declaration, sqlite3_vtab **out)
{
    int rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    rc = rc == SQLITE_OK ? sqlite3_declare_vtab(db, declaration) : rc;
    sync_vtab *vtab = rc == SQLITE_OK ? sync_alloc(sizeof *vtab) : NULL;
    if (vtab == NULL) {
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    }
    *vtab = (sync_vtab){.s = s};
    *out = &vtab->base;
    return SQLITE_OK;
}

int sync_vtab_disconnect(sqlite3_vtab *vtab)
{
    sync_free(vtab);
    return SQLITE_OK;
}

int sync_vtab_open(size_t bytes, sqlite3_vtab_cursor **out)
{
    *out = sync_alloc(bytes);
    if (*out == NULL) {
        return SQLITE_NOMEM;
    }
    memset(*out, 0, bytes);
    return SQLITE_OK;
}

int sync_vtab_close(sqlite3_vtab_cursor *cursor)
{
    sync_free(cursor);
    return SQLITE_OK;
}

sync_db *sync_vtab_engine(sqlite3_vtab *vtab)
{
    return ((sync_vtab *)vtab)->s;
}
