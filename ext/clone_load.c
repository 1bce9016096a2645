/* A schema that came from another file made in a new one. */
#include "sqlite.h"

#include "capture.h"
#include "clone_internal.h"
#include "operation.h"
#include "sql_text.h"

#include <string.h>

static const char *const kind_names[KINDS] = {"table", "index", "view", "trigger", "virtual table"};

/* What a CREATE statement needs; anything else makes it fail to compile. context: the engine. */
static int authorize(void *context, int action, const char *a, const char *b, const char *schema,
                     const char *trigger)
{
    (void)schema;
    (void)trigger;
    switch (action) {
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_VIEW:
    case SQLITE_REINDEX: /* filling an index */
    case SQLITE_READ:    /* columns in its expressions */
        return SQLITE_OK;
    case SQLITE_CREATE_TRIGGER: /* on a table of the application */
        return b != NULL && !sync_capture_owns_table(context, b) ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_INSERT: /* the schema's own table */
    case SQLITE_UPDATE:
        return a != NULL && (strcmp(a, "sqlite_master") == 0 || strcmp(a, "sqlite_schema") == 0)
                   ? SQLITE_OK
                   : SQLITE_DENY;
    case SQLITE_FUNCTION:
        return b != NULL && sqlite3_stricmp(b, "load_extension") != 0 ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

int sync_clone_corrupt(sync_loader *l)
{
    return sync_fail(l->error, SYNC_CORRUPT, "the schema that came cannot be read");
}

/* A text, zero-terminated in the arena. */
static int get_text(sync_loader *l, sync_span *span, sync_arena *arena, char **to)
{
    size_t bytes = 0;
    const uint8_t *data = sync_span_blob(span, SIZE_MAX, &bytes);
    if (span->bad || (bytes > 0 && memchr(data, 0, bytes) != NULL)) {
        span->bad = true;
        return sync_clone_corrupt(l);
    }
    *to = sync_arena_alloc(arena, bytes + 1);
    if (*to == NULL) {
        return sync_fail_nomem(l->error);
    }
    memcpy(*to, bytes > 0 ? data : (const uint8_t *)"", bytes);
    (*to)[bytes] = 0;
    return SYNC_OK;
}

int sync_clone_object(sync_loader *l, sync_span *span, sync_object *o)
{
    uint8_t kind = sync_span_u8(span);
    sync_arena_reset(&l->arena);
    o->kind = (object_kind)kind;
    int rc = span->bad || kind >= KINDS ? sync_clone_corrupt(l) : SYNC_OK;
    rc = rc == SYNC_OK ? get_text(l, span, &l->arena, &o->name) : rc;
    rc = rc == SYNC_OK ? get_text(l, span, &l->arena, &o->table) : rc;
    return rc == SYNC_OK ? get_text(l, span, &l->arena, &o->sql) : rc;
}

int sync_clone_exec(sync_loader *l, const char *sql)
{
    return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SYNC_OK
                                                                   : sync_clone_fail(l->db, l->error, sql);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n\f;")] == 0;
}

/* Runs one CREATE statement under the authorizer. A SQLite code; `*why` (sqlite3_malloc'd) says what is wrong. */
static int create(sync_loader *l, const sync_object *o, char **why)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = "";
    *why = NULL;
    sqlite3_set_authorizer(l->db, authorize, l->s);
    int rc = sqlite3_prepare_v2(l->db, o->sql, -1, &stmt, &tail);
    if (rc == SQLITE_OK && (stmt == NULL || !is_blank(tail))) {
        *why = sqlite3_mprintf("it is not one statement");
        rc = SQLITE_ERROR;
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc == SQLITE_ROW ? SQLITE_ERROR : rc;
    }
    if (rc != SQLITE_OK && *why == NULL) {
        *why = sqlite3_mprintf("%s", sqlite3_errmsg(l->db));
    }
    sqlite3_finalize(stmt);
    sqlite3_set_authorizer(l->db, NULL, NULL);
    return rc;
}

/* Compiles a statement without running it. */
static int compile(sqlite3 *db, char *owned_sql, char **why)
{
    sqlite3_stmt *stmt = NULL;
    int rc = owned_sql != NULL ? sqlite3_prepare_v2(db, owned_sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    if (rc != SQLITE_OK && *why == NULL) {
        *why = sqlite3_mprintf("%s", owned_sql != NULL ? sqlite3_errmsg(db) : "out of memory");
    }
    sqlite3_finalize(stmt);
    sqlite3_free(owned_sql);
    return rc;
}

/* An UPDATE of all columns that can be written: a trigger may be for any of them. */
static int update_of_all(sqlite3 *db, const char *table, char **update, char **why)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *sql = sqlite3_str_new(db);
    const char *between = "SET";
    sqlite3_str_appendf(sql, "UPDATE main.\"%w\" ", table);
    int rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0", -1,
                                &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        sqlite3_str_appendf(sql, "%s \"%w\" = NULL", between, sqlite3_column_text(stmt, 0));
        between = ",";
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE) {
        *why = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
    *update = sqlite3_str_finish(sql);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Compiles a statement that fires triggers of `table`. That a view has no trigger for it is not the fault of its others. */
static int compile_write(sqlite3 *db, const char *table, char *owned_sql, char **why)
{
    char *none = sqlite3_mprintf("cannot modify %s because it is a view", table);
    int rc = none != NULL ? compile(db, owned_sql, why) : SQLITE_NOMEM;
    if (none == NULL) {
        sqlite3_free(owned_sql);
    } else if (rc == SQLITE_ERROR && *why != NULL && strcmp(*why, none) == 0) {
        sqlite3_free(*why);
        *why = NULL;
        rc = SQLITE_OK;
    }
    sqlite3_free(none);
    return rc;
}

/* Does what was just created work here? Its body is only looked at when it is used. */
static int probe(sqlite3 *db, const sync_object *o, char **why)
{
    if (o->kind == KIND_VIEW) {
        return compile(db, sqlite3_mprintf("SELECT * FROM main.\"%w\"", o->name), why);
    }
    int rc = compile_write(db, o->table, sqlite3_mprintf("DELETE FROM main.\"%w\"", o->table), why);
    rc = rc == SQLITE_OK
             ? compile_write(db, o->table,
                             sqlite3_mprintf("INSERT INTO main.\"%w\" DEFAULT VALUES", o->table), why)
             : rc;
    char *update = NULL;
    rc = rc == SQLITE_OK ? update_of_all(db, o->table, &update, why) : rc;
    if (rc != SQLITE_OK) {
        sqlite3_free(update);
        return rc;
    }
    return compile_write(db, o->table, update, why);
}

/* SQLite failed for want of something: that says nothing of the object. */
static bool is_fault(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_RANGE: /* a value of ours that was refused */
        return true;
    default:
        return false;
    }
}

/* Makes one object. Views and triggers may be left out; tables and indexes may not. *made: it is there. last: say so of what is left out. */
static int load_object(sync_loader *l, const sync_object *o, bool last, bool *made)
{
    char *why = NULL;
    bool optional = o->kind == KIND_VIEW || o->kind == KIND_TRIGGER;
    int rc = sync_clone_exec(l, "SAVEPOINT sync_clone_object");
    if (rc != SYNC_OK) {
        return rc;
    }
    int result = create(l, o, &why);
    if (result == SQLITE_OK && optional) {
        result = probe(l->db, o, &why);
    }
    *made = result == SQLITE_OK;
    if (is_fault(result)) {
        rc = sync_fail(l->error, result, "%s", why != NULL ? why : "out of memory");
    } else if (!*made && optional) {
        rc = sync_clone_exec(l, "ROLLBACK TO sync_clone_object");
        if (last) {
            l->left_out(l->context, kind_names[o->kind], o->name, why != NULL ? why : "", o->sql);
        }
    } else if (!*made) {
        rc = sync_fail(l->error, SYNC_SCHEMA, "%s %s cannot be made here: %s", kind_names[o->kind], o->name,
                       why != NULL ? why : "");
    }
    sqlite3_free(why);
    return rc == SYNC_OK ? sync_clone_exec(l, "RELEASE sync_clone_object") : rc;
}

/* No table and no index: noted for later, or left out. `from`: where it was sent. */
int sync_clone_note(sync_loader *l, const sync_object *o, const sync_span *from)
{
    if (o->kind == KIND_VIRTUAL) { /* its module may do anything: a person decides */
        l->left_out(l->context, kind_names[o->kind], o->name, "clone makes no virtual tables", o->sql);
        return SYNC_OK;
    }
    sync_buf_put(&l->later, &from->at, sizeof from->at);
    return l->later.oom ? sync_fail_nomem(l->error) : SYNC_OK;
}

/* Makes the tables and their indexes; views and triggers wait until their tables are tracked, since they may ask what that makes. */
static int load_tables(sync_loader *l, sync_span *span)
{
    int rc = SYNC_OK;
    uint64_t count = sync_span_varint(span);
    for (uint64_t i = 0; i < count && rc == SYNC_OK; i++) {
        sync_object o = {0};
        bool made;
        sync_span from = *span;
        rc = sync_clone_object(l, span, &o);
        if (rc != SYNC_OK) {
            break;
        }
        rc = o.kind >= KIND_VIEW ? sync_clone_note(l, &o, &from) : load_object(l, &o, true, &made);
    }
    return rc;
}

/* One may need another that comes later: they are tried again as long as that brings something more, and not too often. */
int sync_clone_later(sync_loader *l, const sync_span *all, object_kind kind)
{
    size_t count = l->later.len / sizeof(const uint8_t *);
    bool last = false, done = false;
    int rc = SYNC_OK;
    for (int round = 1; rc == SYNC_OK && !done; round++) {
        bool more = false;
        for (size_t i = 0; rc == SYNC_OK && i < count; i++) {
            sync_span from = *all;
            sync_object o = {0};
            bool made = false;
            memcpy(&from.at, l->later.data + i * sizeof from.at, sizeof from.at);
            if (from.at == NULL || *from.at != kind) {
                continue;
            }
            rc = sync_clone_object(l, &from, &o);
            rc = rc == SYNC_OK ? load_object(l, &o, last, &made) : rc;
            if (made) {
                more = true;
                memset(l->later.data + i * sizeof from.at, 0, sizeof from.at);
            }
        }
        done = last; /* what was said to be left out then, is */
        last = !more || round == SYNC_CLONE_ROUNDS;
    }
    return rc;
}

/* ---- tracking ---- */

/* Reads what sync_track() was told: one option. *known: it is one. */
static int read_option(sync_loader *l, sqlite3_stmt *stmt, sync_wish *wish, bool *known)
{
    static const char *const said[] = {"identity=key", "identity=row", "genesis=shared", "genesis=own"};
    const char *one = (const char *)sqlite3_column_text(stmt, 0);
    const char *references = (const char *)sqlite3_column_text(stmt, 1);
    int i = 0;
    while (one && i < 4 && strcmp(one, said[i]) != 0) {
        i++;
    }
    *known = (one && i < 4) || references;
    if (one && i < 4) {
        *(i < 2 ? &wish->identity : &wish->own) = i & 1;
    } else if (references) {
        size_t bytes = strlen(references) + 1;
        char *copy = sync_arena_alloc(&l->wish_arena, bytes);
        if (copy == NULL) {
            return SQLITE_NOMEM;
        }
        memcpy(copy, references, bytes);
        wish->references = copy;
    }
    return one || references || sqlite3_column_type(stmt, 0) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
}

static int read_options(sync_loader *l, const char *options, sync_wish *wish)
{
    sqlite3_stmt *stmt = NULL;
    bool known = true, good = true;
    int rc = sqlite3_prepare_v2(
        l->db,
        "SELECT key || '=' || value, iif(key = 'references' AND type = 'object', value, NULL)"
        " FROM json_each(?1)",
        -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, options, -1, SQLITE_STATIC) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        rc = read_option(l, stmt, wish, &known);
        good = good && known;
    }
    rc = rc == SQLITE_DONE    ? SYNC_OK
         : rc == SQLITE_NOMEM ? sync_fail_nomem(l->error)
                              : sync_clone_fail(l->db, l->error, "options of a table");
    sqlite3_finalize(stmt);
    if (rc != SYNC_OK) {
        return (rc & 0xff) == SQLITE_ERROR ? l->error->code = SYNC_SCHEMA : rc;
    }
    return good ? SYNC_OK
                : sync_fail(l->error, SYNC_SCHEMA, "table %s: unknown options %s", wish->name, options);
}

static int read_tracked(sync_loader *l, sync_span *span)
{
    int rc = SYNC_OK;
    uint64_t count = sync_span_varint(span);
    if (span->bad) {
        return sync_clone_corrupt(l);
    }
    if (count > SYNC_TABLES_MAX) {
        return sync_fail(l->error, SYNC_TOOBIG, "more than %d tracked tables", SYNC_TABLES_MAX);
    }
    l->wishes = sync_arena_alloc(&l->wish_arena, (size_t)(count + 1) * sizeof *l->wishes);
    if (l->wishes == NULL) {
        return sync_fail_nomem(l->error);
    }
    for (uint64_t i = 0; i < count && rc == SYNC_OK; i++) {
        char *name = NULL, *options = NULL;
        rc = get_text(l, span, &l->wish_arena, &name);
        rc = rc == SYNC_OK ? get_text(l, span, &l->wish_arena, &options) : rc;
        l->wishes[i] = (sync_wish){.name = name, .identity = -1, .own = -1};
        rc = rc == SYNC_OK ? read_options(l, options, &l->wishes[i]) : rc;
        l->wish_count += rc == SYNC_OK;
    }
    return rc;
}

/* The highest numbers that AUTOINCREMENT tables gave out, so that none is given out again here: that of a row which was deleted meant that one. */
static int load_numbers(sync_loader *l, sync_span *span)
{
    sqlite3_stmt *stmt = NULL;
    uint64_t count = l->version >= SYNC_CLONE_WITH_NUMBERS ? sync_span_varint(span) : 0;
    int rc = SYNC_OK;
    for (uint64_t i = 0; i < count && rc == SYNC_OK; i++) {
        char *name = NULL, *number = NULL;
        sync_arena_reset(&l->arena);
        rc = get_text(l, span, &l->arena, &name);
        rc = rc == SYNC_OK ? get_text(l, span, &l->arena, &number) : rc;
        if (rc == SYNC_OK && stmt == NULL &&
            sqlite3_prepare_v2(l->db,
                               "INSERT INTO main.sqlite_sequence(name, seq) SELECT name, CAST(?2 AS INTEGER)"
                               " FROM main.sync_table WHERE name = ?1",
                               -1, &stmt, NULL) != SQLITE_OK) {
            rc = sqlite3_errcode(l->db) == SQLITE_ERROR ? SYNC_OK /* no table here has AUTOINCREMENT */
                                                        : sync_clone_fail(l->db, l->error, "sqlite_sequence");
        }
        if (rc == SYNC_OK && stmt) {
            bool good = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) == SQLITE_OK &&
                        sqlite3_bind_text(stmt, 2, number, -1, SQLITE_STATIC) == SQLITE_OK &&
                        sqlite3_step(stmt) == SQLITE_DONE;
            rc = good ? SYNC_OK : sync_clone_fail(l->db, l->error, "sqlite_sequence");
            sqlite3_reset(stmt);
        }
    }
    sqlite3_finalize(stmt);
    return rc == SYNC_OK && (span->bad || sync_span_left(span) > 0) ? sync_clone_corrupt(l) : rc;
}

static int track(sync_loader *l)
{
    sync_operation o = {0};
    uint32_t adopted = 0;
    int rc = sync_operation_write(l->s, &o, NULL, l->error);
    if (rc == SYNC_OK) {
        rc = sync_capture_track(l->s, l->wishes, l->wish_count, &adopted, l->error);
        rc = sync_operation_end(l->s, &o, rc, l->error);
    }
    return rc == SQLITE_ERROR ? l->error->code = SYNC_SCHEMA : rc;
}

int sync_clone_read_head(sync_loader *l, sync_span *span, sync_clone_head *h)
{
    uint8_t version = l->version = sync_span_u8(span);
    h->encoding = sync_span_u8(span);
    h->user_version = sync_span_zigzag(span);
    h->application_id = sync_span_zigzag(span);
    if (!span->bad && version > SYNC_CLONE_VERSION) {
        return sync_fail(l->error, SYNC_FORMAT, "the schema that came is of a newer version (%d)", version);
    }
    return span->bad || version < 1 || h->encoding >= SYNC_CLONE_ENCODINGS ? sync_clone_corrupt(l) : SYNC_OK;
}

/* The encoding must be set before anything else is in the file. */
static int load_head(sync_loader *l, sync_span *span)
{
    char sql[160];
    sync_clone_head h = {0};
    int rc = sync_clone_read_head(l, span, &h);
    sqlite3_snprintf(sizeof sql, sql,
                     "PRAGMA main.encoding='%s'; BEGIN IMMEDIATE; PRAGMA main.user_version=%d;"
                     " PRAGMA main.application_id=%d",
                     sync_clone_encodings[h.encoding < SYNC_CLONE_ENCODINGS ? h.encoding : 0],
                     (int)h.user_version, (int)h.application_id);
    return rc == SYNC_OK ? sync_clone_exec(l, sql) : rc;
}

static int load(sync_loader *l, sync_span *span)
{
    sync_span all = *span;
    int rc = load_head(l, span);
    rc = rc == SYNC_OK ? load_tables(l, span) : rc;
    rc = rc == SYNC_OK ? read_tracked(l, span) : rc;
    rc = rc == SYNC_OK ? track(l) : rc;
    rc = rc == SYNC_OK ? load_numbers(l, span) : rc;
    rc = rc == SYNC_OK ? sync_clone_later(l, &all, KIND_VIEW) : rc;
    rc = rc == SYNC_OK ? sync_clone_later(l, &all, KIND_TRIGGER) : rc;
    return rc == SYNC_OK ? sync_clone_exec(l, "COMMIT") : rc;
}

/* Does the work on `db`, which has sync_ext, or says that it has not. */
int sync_clone_run(sqlite3 *db, int (*work)(sync_loader *l, sync_span *span), sync_span span, sync_loader *l)
{
    int rc = sync_engine_of(db, &l->s);
    rc = l->s                 ? work(l, &span)
         : rc == SQLITE_NOMEM ? sync_fail_nomem(l->error)
                              : sync_fail(l->error, SYNC_MISUSE, "sync_ext is not loaded");
    if (rc != SYNC_OK && sqlite3_get_autocommit(db) == 0) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    sync_arena_free(&l->arena);
    sync_arena_free(&l->wish_arena);
    sync_buf_free(&l->later);
    return rc;
}

int sync_clone_load(sqlite3 *db, const void *schema, size_t bytes, sync_clone_left_out *left_out,
                    void *context, sync_error *error)
{
    sync_loader l = {.db = db, .left_out = left_out, .context = context, .error = error};
    return sync_clone_run(db, load, sync_span_of(schema, bytes), &l);
}
