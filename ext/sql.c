/* SQL helpers of the spine. */
#include "engine.h"

#include <string.h>

int sync_engine_of(sqlite3 *db, sync_db **s)
{
    sqlite3_stmt *stmt = NULL;
    *s = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT sync_engine(?1)", -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_pointer(stmt, 1, s, SYNC_ENGINE_POINTER, NULL) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int sync_fail_db(sync_db *s, sync_error *error, const char *what)
{
    int rc = sqlite3_extended_errcode(s->db);
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) {
        rc = SQLITE_ERROR;
    }
    if (what) {
        return sync_fail(error, rc, "%s: %s", what, sqlite3_errmsg(s->db));
    }
    return sync_fail(error, rc, "%s", sqlite3_errmsg(s->db));
}

int sync_fail_table(const sync_table *t, const sync_error *why, sync_error *error)
{
    return (why->code & 0xff) == SQLITE_ERROR
               ? sync_fail(error, why->code, "table %s cannot be used here: %s", t->name, why->text)
               : sync_fail(error, why->code, "%s", why->text);
}

int sync_host_code(int code)
{
    int primary = code & 0xff;
    bool ours =
        code >= SYNC_BEHIND && code <= SYNC_SCHEMA; /* SQLite's extended codes lie on both sides of them */
    return ours || primary == SQLITE_CORRUPT || primary == SQLITE_SCHEMA ? SQLITE_ERROR : code;
}

int sync_prepare_text(sync_db *s, sqlite3_stmt **stmt, sync_error *error, char *owned_sql)
{
    *stmt = NULL;
    if (owned_sql == NULL) {
        return sync_fail_nomem(error);
    }
    int rc = sqlite3_prepare_v3(s->db, owned_sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    sqlite3_free(owned_sql);
    if (rc != SQLITE_OK) {
        return sync_fail_db(s, error, NULL);
    }
    return SYNC_OK;
}

int sync_prepare(sync_db *s, sqlite3_stmt **stmt, sync_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *sql = sqlite3_vmprintf(format, args);
    va_end(args);
    return sync_prepare_text(s, stmt, error, sql);
}

/* ---- statements that come again and again ---- */

/* A PRAGMA may do its work while it is prepared; statements about the schema come once. */
static bool comes_again(const char *sql)
{
    static const char *const kinds[] = {"SELECT", "INSERT",    "UPDATE",  "DELETE",  "BEGIN",
                                        "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK"};
    bool again = false;
    for (size_t i = 0; !again && i < sizeof kinds / sizeof *kinds; i++) {
        again = strncmp(sql, kinds[i], strlen(kinds[i])) == 0;
    }
    return again;
}

static sync_kept *find_kept(sync_db *s, const char *sql, uint32_t hash)
{
    for (size_t i = 0; i < SYNC_KEPT_STATEMENTS; i++) {
        sync_kept *k = &s->kept_stmts[i];
        if (k->stmt && k->hash == hash && !k->lent && strcmp(sqlite3_sql(k->stmt), sql) == 0) {
            return k;
        }
    }
    return NULL;
}

/* Keeps a statement in place of the one that was used longest ago. */
static void keep(sync_db *s, sqlite3_stmt *stmt, uint32_t hash)
{
    sync_kept *oldest = NULL;
    for (size_t i = 0; i < SYNC_KEPT_STATEMENTS; i++) {
        sync_kept *k = &s->kept_stmts[i];
        if (!k->lent && (oldest == NULL || k->used < oldest->used)) {
            oldest = k;
        }
    }
    if (oldest) {
        sqlite3_finalize(oldest->stmt);
        *oldest = (sync_kept){.stmt = stmt, .hash = hash, .lent = true, .used = ++s->kept_uses};
    }
}

/* Borrows the first statement of a text; *rest is what follows it. */
static int borrow(sync_db *s, sqlite3_stmt **stmt, const char *sql, const char **rest, sync_error *error)
{
    uint32_t hash = sync_hash(sql, strlen(sql));
    sync_kept *k = find_kept(s, sql, hash);
    *rest = "";
    if (k) {
        k->lent = true;
        k->used = ++s->kept_uses;
        *stmt = k->stmt;
        return SYNC_OK;
    }
    *stmt = NULL;
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, rest) != SQLITE_OK) {
        return sync_fail_db(s, error, NULL);
    }
    if (s->kept && **rest == 0 && comes_again(sql)) {
        keep(s, *stmt, hash);
    }
    return SYNC_OK;
}

int sync_borrow(sync_db *s, sqlite3_stmt **stmt, sync_error *error, const char *format, ...)
{
    const char *rest;
    va_list args;
    va_start(args, format);
    char *sql = sqlite3_vmprintf(format, args);
    va_end(args);
    *stmt = NULL;
    int rc = sql ? borrow(s, stmt, sql, &rest, error) : sync_fail_nomem(error);
    sqlite3_free(sql);
    return rc;
}

void sync_return(sync_db *s, sqlite3_stmt *stmt)
{
    for (size_t i = 0; stmt && i < SYNC_KEPT_STATEMENTS; i++) {
        if (s->kept_stmts[i].stmt == stmt) {
            s->kept_stmts[i].lent = false;
            sqlite3_reset(stmt);
            sqlite3_clear_bindings(stmt);
            return;
        }
    }
    sqlite3_finalize(stmt);
}

void sync_finalize_kept(sync_db *s)
{
    for (size_t i = 0; i < SYNC_KEPT_STATEMENTS; i++) {
        if (!s->kept_stmts[i].lent) {
            sqlite3_finalize(s->kept_stmts[i].stmt);
        }
        s->kept_stmts[i] = (sync_kept){.stmt = NULL};
    }
}

int sync_exec(sync_db *s, sync_error *error, const char *format, ...)
{
    int rc = SYNC_OK;
    va_list args;
    va_start(args, format);
    char *sql = sqlite3_vmprintf(format, args);
    va_end(args);
    if (sql == NULL) {
        return sync_fail_nomem(error);
    }
    for (const char *at = sql; rc == SYNC_OK && *at;) {
        sqlite3_stmt *stmt;
        s->undone += strncmp(at, "ROLLBACK", strlen("ROLLBACK")) == 0;
        rc = borrow(s, &stmt, at, &at, error);
        while (rc == SYNC_OK && stmt && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
            rc = SYNC_OK;
        }
        sync_return(s, stmt);
        rc = rc == SQLITE_DONE ? SYNC_OK : rc;
    }
    sqlite3_free(sql);
    return rc;
}

int sync_step(sync_db *s, sqlite3_stmt *stmt, sync_error *error)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return rc;
    }
    return sync_fail_db(s, error, NULL);
}

int sync_run(sync_db *s, sqlite3_stmt *stmt, sync_error *error)
{
    int rc = sqlite3_step(stmt);
    int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? SYNC_OK : sync_fail_db(s, error, NULL);
    sqlite3_reset(stmt);
    return result;
}

/* First column of the first row of a borrowed statement, which is given back. */
static int first_int(sync_db *s, sqlite3_stmt *stmt, int64_t *out, sync_error *error)
{
    int rc = sync_step(s, stmt, error);
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
        *out = sqlite3_column_int64(stmt, 0);
    }
    sync_return(s, stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

int sync_query_int(sync_db *s, int64_t *out, int64_t otherwise, sync_error *error, const char *format, ...)
{
    const char *rest;
    sqlite3_stmt *stmt = NULL;
    va_list args;
    va_start(args, format);
    char *sql = sqlite3_vmprintf(format, args);
    va_end(args);
    *out = otherwise;
    int rc = sql ? borrow(s, &stmt, sql, &rest, error) : sync_fail_nomem(error);
    sqlite3_free(sql);
    return rc == SYNC_OK ? first_int(s, stmt, out, error) : rc;
}

int sync_query_bound(sync_db *s, int64_t *out, int64_t otherwise, int64_t bound, sync_error *error,
                     const char *sql)
{
    const char *rest;
    sqlite3_stmt *stmt = NULL;
    *out = otherwise;
    int rc = borrow(s, &stmt, sql, &rest, error);
    if (rc == SYNC_OK && sqlite3_bind_int64(stmt, 1, bound) != SQLITE_OK) {
        rc = sync_fail_nomem(error);
        sync_return(s, stmt);
    }
    return rc == SYNC_OK ? first_int(s, stmt, out, error) : rc;
}

int sync_column_text(sqlite3_stmt *stmt, int column, const char **text, sync_error *error)
{
    bool null = sqlite3_column_type(stmt, column) == SQLITE_NULL;
    *text = (const char *)sqlite3_column_text(stmt, column);
    return *text || null ? SYNC_OK : sync_fail_nomem(error);
}

int sync_reset_read(sqlite3_stmt *stmt, int rc, sync_error *error)
{
    int read = sqlite3_reset(stmt);
    return rc == SYNC_OK && (read & 0xff) == SQLITE_NOMEM ? sync_fail_nomem(error) : rc;
}

sync_value sync_column_value(sqlite3_stmt *stmt, int column)
{
    sync_value v = {.type = SYNC_NULL};
    sqlite3_value *from =
        sqlite3_column_value(stmt, column); /* once: each sqlite3_column call takes the mutex */
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        v.type = SYNC_INTEGER;
        v.i = sqlite3_value_int64(from);
        break;
    case SQLITE_FLOAT:
        v.type = SYNC_REAL;
        v.r = sqlite3_value_double(from);
        break;
    case SQLITE_TEXT:
        v.type = SYNC_TEXT;
        v.data = sqlite3_value_text(from);
        v.bytes = v.data ? (size_t)sqlite3_value_bytes(from) : 0;
        break;
    case SQLITE_BLOB:
        v.type = SYNC_BLOB;
        v.data = sqlite3_value_blob(from);
        v.bytes = (size_t)sqlite3_value_bytes(from);
        break;
    default:
        break;
    }
    return v;
}

int sync_bind_value(sqlite3_stmt *stmt, int index, const sync_value *value)
{
    switch (value->type) {
    case SYNC_INTEGER:
        return sqlite3_bind_int64(stmt, index, value->i);
    case SYNC_REAL:
        return sqlite3_bind_double(stmt, index, value->r);
    case SYNC_TEXT:
        return sqlite3_bind_text64(stmt, index, value->bytes ? value->data : "", value->bytes, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case SYNC_BLOB:
        return value->bytes ? sqlite3_bind_blob64(stmt, index, value->data, value->bytes, SQLITE_STATIC)
                            : sqlite3_bind_zeroblob(stmt, index, 0);
    default:
        return sqlite3_bind_null(stmt, index);
    }
}

int sync_table_stmt(sync_db *s, sync_table *t, sync_stmt_slot slot, sync_build *build, sqlite3_stmt **stmt,
                    sync_error *error)
{
    *stmt = t->stmts[slot];
    if (*stmt) {
        return SYNC_OK;
    }
    sqlite3_str *sql = sqlite3_str_new(s->db);
    build(s, t, sql);
    if (sqlite3_str_errcode(sql) != SQLITE_OK) {
        sqlite3_free(sqlite3_str_finish(sql));
        return sync_fail_nomem(error);
    }
    sync_error why = {0};
    int rc = sync_prepare_text(s, &t->stmts[slot], &why, sqlite3_str_finish(sql));
    *stmt = t->stmts[slot];
    return rc == SYNC_OK ? SYNC_OK : sync_fail_table(t, &why, error);
}

void sync_str_keys(sqlite3_str *str, const sync_table *t, const char *format, const char *between)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendall(str, i ? between : "");
        sqlite3_str_appendf(str, format, t->key_names[i]);
    }
}

void sync_str_numbers(sqlite3_str *str, const sync_table *t, const char *format, const char *between)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendall(str, i ? between : "");
        sqlite3_str_appendf(str, format, (int)i + 1);
    }
}

void sync_str_match(sqlite3_str *str, const sync_table *t, const char *a, const char *b)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(str, "%s%s.k%d = %s.k%d", i ? " AND " : "", a, (int)i + 1, b, (int)i + 1);
    }
}

void sync_str_match_base(sqlite3_str *str, const sync_table *t, const char *base, const char *b)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(str, "%s%s.\"%w\" = %s.k%d", i ? " AND " : "", base, t->key_names[i], b,
                            (int)i + 1);
    }
}

int sync_engine_cache_widen(sync_db *s, int64_t *before, sync_error *error)
{
    int64_t now = 0, page = 0;
    *before = 0;
    int rc = sync_query_int(s, &now, 0, error, "PRAGMA main.cache_size");
    rc = rc == SYNC_OK ? sync_query_int(s, &page, 4096, error, "PRAGMA main.page_size") : rc;
    int64_t kib = now < 0 ? -now : now * page / 1024;
    if (rc == SYNC_OK && kib < SYNC_CACHE_KIB) {
        *before = now;
        rc = sync_exec(s, error, "PRAGMA main.cache_size = %d", -SYNC_CACHE_KIB);
    }
    return rc;
}

int sync_engine_cache_restore(sync_db *s, int64_t before, sync_error *error)
{
    return before ? sync_exec(s, error, "PRAGMA main.cache_size = %lld", (long long)before) : SYNC_OK;
}
