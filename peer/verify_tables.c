/* The tables that two files track, matched. */
#include "verify_internal.h"

#include <string.h>

typedef struct column {
    char *name;
    char affinity;
    char *collation;
    int place; /* in the key, from 1 on; 0: not of it */
} column;

typedef struct table {
    char *name;
    char *identity;
    int64_t row_tid; /* where its identity is `row`: its number; else 0 */
    column *columns;
    size_t count;
    bool paired;
} table;

typedef struct tables {
    table *list;
    size_t count;
} tables;

static bool no_memory(peer_failure *f)
{
    return peer_fail(f, PEER_EXIT_ERROR, "out of memory");
}

/* The affinity that SQLite gives a column of this declared type (sqlite.org/datatype3.html, 3.1): rows of the same values differ where it does. */
static char affinity_of(const char *type)
{
    static const struct {
        const char *part;
        char affinity;
    } rules[] = {{"INT", 'i'},  {"CHAR", 't'}, {"CLOB", 't'}, {"TEXT", 't'},
                 {"BLOB", 'b'}, {"REAL", 'r'}, {"FLOA", 'r'}, {"DOUB", 'r'}};
    for (size_t i = 0; type != NULL && i < sizeof rules / sizeof *rules; i++) {
        if (strcasestr(type, rules[i].part) != NULL) {
            return rules[i].affinity;
        }
    }
    return type == NULL || *type == 0 ? 'b' : 'n';
}

static char *keep(sync_arena *arena, const char *text)
{
    size_t bytes = text != NULL ? strlen(text) + 1 : 0;
    char *copy = text != NULL ? sync_arena_alloc(arena, bytes) : NULL;
    return copy != NULL ? memcpy(copy, text, bytes) : NULL;
}

/* How many rows a query of one table has. */
static int64_t count_of(const peer_file *file, const char *sql, const char *name, peer_failure *f)
{
    sqlite3_stmt *stmt = peer_file_prepare(file, f, "SELECT count(*) FROM %s", sql);
    int64_t count = -1;
    if (stmt != NULL && (name == NULL || sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) == SQLITE_OK) &&
        peer_file_step(file, stmt, f) == SQLITE_ROW) {
        count = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return count;
}

static bool read_columns(const peer_file *file, sync_arena *arena, table *t, peer_failure *f)
{
    static const char from[] = "pragma_table_xinfo(?1, 'main') WHERE hidden = 0";
    int64_t count = count_of(file, from, t->name, f);
    sqlite3_stmt *stmt =
        count >= 0 ? peer_file_prepare(file, f, "SELECT name, type, pk FROM %s", from) : NULL;
    t->columns = count >= 0 ? sync_arena_alloc(arena, (size_t)(count + 1) * sizeof *t->columns) : NULL;
    bool good = stmt != NULL && t->columns != NULL &&
                sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC) == SQLITE_OK;
    int rc = good ? SQLITE_ROW : SQLITE_DONE;
    while (good && (int64_t)t->count < count && (rc = peer_file_step(file, stmt, f)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0), *collation = NULL;
        const char *type = (const char *)sqlite3_column_text(stmt, 1);
        column *c = &t->columns[t->count++];
        sqlite3_table_column_metadata(file->db, "main", t->name, name, NULL, &collation, NULL, NULL, NULL);
        *c = (column){keep(arena, name), affinity_of(type),
                      keep(arena, collation != NULL ? collation : "BINARY"), sqlite3_column_int(stmt, 2)};
        good = c->name != NULL && c->collation != NULL;
    }
    sqlite3_finalize(stmt);
    return (good && (rc == SQLITE_ROW || rc == SQLITE_DONE)) || no_memory(f); /* a failure before it stays */
}

/* All tables that the file tracks and still has. */
static bool read_tables(const peer_file *file, sync_arena *arena, tables *all, peer_failure *f)
{
    int64_t count = count_of(file, "sync_status", NULL, f);
    sqlite3_stmt *stmt =
        count >= 0
            ? peer_file_prepare(
                  file, f,
                  "SELECT s.tbl, s.identity, iif(s.identity = 'row', t.tid, 0)"
                  " FROM sync_status AS s LEFT JOIN main.sync_table AS t ON t.name = s.tbl ORDER BY tbl")
            : NULL;
    *all = (tables){.list = stmt != NULL ? sync_arena_alloc(arena, (size_t)(count + 1) * sizeof *all->list)
                                         : NULL};
    bool good = all->list != NULL;
    int rc = SQLITE_DONE;
    if (!good) {
        (void)no_memory(f); /* a failure before it stays */
    }
    while (good && (int64_t)all->count < count && (rc = peer_file_step(file, stmt, f)) == SQLITE_ROW) {
        table *t = &all->list[all->count];
        *t = (table){.name = keep(arena, (const char *)sqlite3_column_text(stmt, 0)),
                     .identity = keep(arena, (const char *)sqlite3_column_text(stmt, 1)),
                     .row_tid = sqlite3_column_int64(stmt, 2)};
        good = (t->name != NULL && t->identity != NULL) || no_memory(f);
        good = good && read_columns(file, arena, t, f);
        all->count += t->count > 0; /* else it was dropped: sync_status.note says so */
    }
    sqlite3_finalize(stmt);
    return good && (rc == SQLITE_ROW || rc == SQLITE_DONE);
}

/* ---- two declarations of one table */

static const column *find_column(const table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (sqlite3_stricmp(t->columns[i].name, name) == 0) {
            return &t->columns[i];
        }
    }
    return NULL;
}

static const column *key_column(const table *t, size_t place)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->columns[i].place == (int)place) {
            return &t->columns[i];
        }
    }
    return NULL;
}

static bool same_column(const column *a, const column *b)
{
    return sqlite3_stricmp(a->name, b->name) == 0 && a->affinity == b->affinity &&
           sqlite3_stricmp(a->collation, b->collation) == 0;
}

static bool same_key(const table *a, const table *b, size_t *keys)
{
    const column *x, *y;
    *keys = 0;
    do {
        x = key_column(a, *keys + 1);
        y = key_column(b, *keys + 1);
        *keys += x != NULL && y != NULL;
    } while (x != NULL && y != NULL && same_column(x, y));
    return x == NULL && y == NULL && *keys > 0;
}

static void say(sqlite3_str *text, const char *format, const char *name, const char *where)
{
    sqlite3_str_appendall(text, sqlite3_str_length(text) > 0 ? "; " : "");
    sqlite3_str_appendf(text, format, name, where);
}

/* The columns that both have; what is different about the others is said. */
static void match_columns(const table *a, const table *b, const peer_file files[PEER_BOTH], peer_pair *p,
                          sqlite3_str *text)
{
    for (size_t i = 0; i < a->count; i++) {
        const column *x = &a->columns[i], *y = find_column(b, x->name);
        if (x->place > 0) {
            p->key[PEER_A][x->place - 1] = x->name;
        } else if (y == NULL) {
            say(text, "column %s is only in %s", x->name, files[PEER_A].name);
        } else if (x->affinity != y->affinity) {
            say(text, "column %s has another type in %s, and is not compared", x->name, files[PEER_B].name);
        } else {
            p->column[PEER_A][p->columns] = x->name;
            p->column[PEER_B][p->columns++] = y->name;
        }
    }
    for (size_t i = 0; i < b->count; i++) {
        const column *y = &b->columns[i];
        if (y->place > 0) {
            p->key[PEER_B][y->place - 1] = y->name;
        } else if (find_column(a, y->name) == NULL) {
            say(text, "column %s is only in %s", y->name, files[PEER_B].name);
        }
    }
}

static bool match(table *a, table *b, const peer_file files[PEER_BOTH], sync_arena *arena, peer_pair *p,
                  peer_failure *f)
{
    size_t most = (a->count > b->count ? a->count : b->count) + 1;
    sqlite3_str *text = sqlite3_str_new(NULL);
    *p = (peer_pair){.table = {a->name, b->name}, .row_tid = b->row_tid};
    for (int side = 0; side < PEER_BOTH; side++) {
        p->key[side] = sync_arena_alloc(arena, most * sizeof *p->key[side]);
        p->column[side] = sync_arena_alloc(arena, most * sizeof *p->column[side]);
        if (p->key[side] == NULL || p->column[side] == NULL) {
            sqlite3_free(sqlite3_str_finish(text));
            return no_memory(f);
        }
    }
    if (strcmp(a->identity, b->identity) != 0) {
        sqlite3_str_appendf(text, "its identity is %s in %s and %s in %s, so it is not compared", a->identity,
                            files[PEER_A].name, b->identity, files[PEER_B].name);
    } else if (!same_key(a, b, &p->keys)) {
        say(text, "its key in %s is not that in %s, so it is not compared", files[PEER_A].name,
            files[PEER_B].name);
    } else {
        p->comparable = true;
        match_columns(a, b, files, p, text);
    }
    bool any = sqlite3_str_length(text) > 0, good = sqlite3_str_errcode(text) == SQLITE_OK;
    char *differs = sqlite3_str_finish(text);
    p->differs = any ? keep(arena, differs) : NULL;
    sqlite3_free(differs);
    return (good && (!any || p->differs != NULL)) || no_memory(f);
}

static table *find_table(tables *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++) {
        if (sqlite3_stricmp(all->list[i].name, name) == 0) {
            return &all->list[i];
        }
    }
    return NULL;
}

bool peer_pairs_read(const peer_file files[PEER_BOTH], peer_pairs *pairs, peer_failure *f)
{
    tables of[PEER_BOTH];
    *pairs = (peer_pairs){.count = 0};
    for (int side = 0; side < PEER_BOTH; side++) {
        if (!read_tables(&files[side], &pairs->arena, &of[side], f)) {
            return false;
        }
    }
    pairs->list =
        sync_arena_alloc(&pairs->arena, (of[PEER_A].count + of[PEER_B].count + 1) * sizeof *pairs->list);
    if (pairs->list == NULL) {
        return no_memory(f);
    }
    for (size_t i = 0; i < of[PEER_A].count; i++) {
        table *a = &of[PEER_A].list[i], *b = find_table(&of[PEER_B], a->name);
        peer_pair *p = &pairs->list[pairs->count++];
        *p = (peer_pair){.table = {a->name, NULL}};
        if (b != NULL && !match(a, b, files, &pairs->arena, p, f)) {
            return false;
        }
        if (b != NULL) {
            b->paired = true;
        }
    }
    for (size_t i = 0; i < of[PEER_B].count; i++) {
        if (!of[PEER_B].list[i].paired) {
            pairs->list[pairs->count++] = (peer_pair){.table = {NULL, of[PEER_B].list[i].name}};
        }
    }
    return true;
}

void peer_pairs_free(peer_pairs *pairs)
{
    sync_arena_free(&pairs->arena);
    *pairs = (peer_pairs){.count = 0};
}
