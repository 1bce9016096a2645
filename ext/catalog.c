#include "catalog.h"

#include <stdlib.h>
#include <string.h>

typedef struct sync_catalog {
    uint32_t open; /* calls that have it open */
    uint32_t count, cap;
    uint32_t sorted; /* of the objects, those that can be found */
    sync_object *objects;
    sync_arena arena;
} sync_catalog;

static int compare_names(bool trigger, const char *name, const sync_object *o)
{
    int kinds = (int)trigger - (o->kind == SYNC_OBJECT_TRIGGER);
    return kinds ? kinds : sqlite3_stricmp(name, o->name);
}

static int compare_objects(const void *a, const void *b)
{
    const sync_object *x = a;
    return compare_names(x->kind == SYNC_OBJECT_TRIGGER, x->name, b);
}

static sync_object *find(const sync_catalog *c, sync_object_kind kind, const char *name)
{
    uint32_t lo = 0, hi = c->sorted;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int order = compare_names(kind == SYNC_OBJECT_TRIGGER, name, &c->objects[mid]);
        if (order == 0) {
            return c->objects[mid].kind == kind ? &c->objects[mid] : NULL;
        }
        lo = order > 0 ? mid + 1 : lo;
        hi = order > 0 ? hi : mid;
    }
    return NULL;
}

static void sort(sync_catalog *c)
{
    if (c->count > 1) {
        qsort(c->objects, c->count, sizeof *c->objects, compare_objects);
    }
    c->sorted = c->count;
}

/* A copy of a column's text, which may be NULL. */
static int copy_text(sync_catalog *c, sqlite3_stmt *stmt, int column, const char **to, sync_error *error)
{
    const char *text;
    int rc = sync_column_text(stmt, column, &text, error);
    if (rc != SYNC_OK || text == NULL) {
        *to = NULL;
        return rc;
    }
    size_t bytes = strlen(text) + 1;
    char *copy = sync_arena_alloc(&c->arena, bytes);
    if (copy == NULL) {
        return sync_fail_nomem(error);
    }
    memcpy(copy, text, bytes);
    *to = copy;
    return SYNC_OK;
}

/* Room for one more, zeroed; NULL when out of memory. */
static sync_object *add(sync_catalog *c)
{
    if (c->count == c->cap) {
        uint32_t cap = c->cap ? c->cap * 2 : 64;
        sync_object *wider = sync_realloc(c->objects, cap * sizeof *wider);
        if (wider == NULL) {
            return NULL;
        }
        c->objects = wider;
        c->cap = cap;
    }
    sync_object *o = &c->objects[c->count++];
    memset(o, 0, sizeof *o);
    return o;
}

static int read_tables(sync_db *s, sync_catalog *c, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_borrow(s, &stmt, error,
                         "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'");
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *type;
        sync_object *o = add(c);
        rc = o ? copy_text(c, stmt, 0, &o->name, error) : sync_fail_nomem(error);
        rc = rc == SYNC_OK ? sync_column_text(stmt, 1, &type, error) : rc;
        if (rc == SYNC_OK && (o->name == NULL || type == NULL)) {
            c->count--; /* of a damaged schema */
        } else if (rc == SYNC_OK) {
            o->kind = SYNC_OBJECT_TABLE;
            o->ordinary = strcmp(type, "table") == 0;
            o->without_rowid = sqlite3_column_int(stmt, 2) != 0;
            o->strict = sqlite3_column_int(stmt, 3) != 0;
        }
    }
    sync_return(s, stmt);
    if (rc == SQLITE_DONE) {
        sort(c);
    }
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int read_schema_row(sync_catalog *c, sqlite3_stmt *stmt, sync_error *error)
{
    const char *type, *name;
    int rc = sync_column_text(stmt, 0, &type, error);
    rc = rc == SYNC_OK ? sync_column_text(stmt, 1, &name, error) : rc;
    if (rc != SYNC_OK || type == NULL || name == NULL) {
        return rc;
    }
    if (strcmp(type, "table") == 0) {
        sync_object *t = find(c, SYNC_OBJECT_TABLE, name);
        if (t) {
            t->clauses = sqlite3_column_int(stmt, 4) != 0;
            t->is_virtual = sqlite3_column_int(stmt, 5) != 0;
        }
    } else if (strcmp(type, "index") == 0 || strcmp(type, "trigger") == 0) {
        sync_object *o = add(c);
        rc = o ? copy_text(c, stmt, 1, &o->name, error) : sync_fail_nomem(error);
        rc = rc == SYNC_OK ? copy_text(c, stmt, 2, &o->table, error) : rc;
        rc = rc == SYNC_OK ? copy_text(c, stmt, 3, &o->sql, error) : rc;
        if (rc == SYNC_OK && o->table == NULL) {
            c->count--;
        } else if (rc == SYNC_OK) {
            o->kind = type[0] == 'i' ? SYNC_OBJECT_INDEX : SYNC_OBJECT_TRIGGER;
            o->place = sqlite3_column_int64(stmt, 6);
        }
    }
    return rc;
}

static int read_schema(sync_db *s, sync_catalog *c, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc =
        sync_borrow(s, &stmt, error,
                    "SELECT type, name, tbl_name,"
                    " iif(type = 'index' OR (type = 'trigger' AND name GLOB 'sync_[0-9]*_[bu]*'), sql, NULL),"
                    " type = 'table' AND instr(lower(sql), 'conflict'),"
                    " type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%%', rowid FROM main.sqlite_schema");
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = read_schema_row(c, stmt, error);
    }
    sync_return(s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Marks the inner tables of FTS and R-tree, also where their module is not loaded and SQLite takes them for ordinary ones. */
static int mark_inner(sync_catalog *c, sync_error *error)
{
    static const char *const suffixes[] = {"_data",   "_idx",  "_content", "_docsize", "_config", "_segments",
                                           "_segdir", "_stat", "_node",    "_rowid",   "_parent"};
    for (uint32_t i = 0; i < c->count; i++) {
        for (size_t n = 0; c->objects[i].is_virtual && n < sizeof suffixes / sizeof *suffixes; n++) {
            char *name = sqlite3_mprintf("%s%s", c->objects[i].name, suffixes[n]);
            sync_object *inner = name ? find(c, SYNC_OBJECT_TABLE, name) : NULL;
            if (inner) {
                inner->inner = true;
            }
            if (name == NULL) {
                return sync_fail_nomem(error);
            }
            sqlite3_free(name);
        }
    }
    return SYNC_OK;
}

/* Hangs each trigger on its table. */
static void link_triggers(sync_catalog *c)
{
    for (uint32_t i = c->count; i-- > 0;) {
        sync_object *o = &c->objects[i];
        sync_object *t = o->kind == SYNC_OBJECT_TRIGGER ? find(c, SYNC_OBJECT_TABLE, o->table) : NULL;
        if (t) {
            o->next = t->next;
            t->next = o;
        }
    }
}

static void empty(sync_catalog *c)
{
    sync_free(c->objects);
    sync_arena_free(&c->arena);
    memset(c, 0, sizeof *c);
}

int sync_catalog_open(sync_db *s, sync_error *error)
{
    if (s->catalog == NULL) {
        s->catalog = sync_alloc(sizeof *s->catalog);
        if (s->catalog == NULL) {
            return sync_fail_nomem(error);
        }
        memset(s->catalog, 0, sizeof *s->catalog);
    }
    sync_catalog *c = s->catalog;
    if (c->open++ > 0) {
        return SYNC_OK;
    }
    int rc = read_tables(s, c, error);
    rc = rc == SYNC_OK ? read_schema(s, c, error) : rc;
    if (rc == SYNC_OK) {
        sort(c);
        link_triggers(c);
        rc = mark_inner(c, error);
    }
    if (rc != SYNC_OK) {
        empty(c);
    }
    return rc;
}

void sync_catalog_close(sync_db *s)
{
    if (--s->catalog->open == 0) {
        empty(s->catalog);
    }
}

const sync_object *sync_catalog_find(const sync_db *s, sync_object_kind kind, const char *name)
{
    return find(s->catalog, kind, name);
}

const sync_object *sync_catalog_all(const sync_db *s, uint32_t *count)
{
    *count = s->catalog->count;
    return s->catalog->objects;
}
