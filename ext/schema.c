#include "schema.h"

#include "catalog.h"
#include "index_sql.h"

#include <ctype.h>
#include <string.h>

char *sync_schema_string(sync_arena *arena, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    size_t bytes = strlen(text) + 1;
    char *copy = sync_arena_alloc(arena, bytes);
    if (copy) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

int sync_schema_text(sync_db *s, sqlite3_stmt *stmt, int column, char **to, const char *what,
                     sync_error *error)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        (void)sync_fail(error, SYNC_CORRUPT, "%s is damaged", what);
        return SYNC_CORRUPT;
    }
    *to = sync_schema_string(&s->metadata, (const char *)sqlite3_column_text(stmt, column));
    return *to ? SYNC_OK : sync_fail_nomem(error);
}

char sync_schema_affinity(const char *declared)
{
    if (declared == NULL || declared[0] == 0) {
        return 'b';
    }
    if (sqlite3_strlike("%int%", declared, 0) == 0) {
        return 'i';
    }
    static const char *const text[] = {"%char%", "%clob%", "%text%"};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        if (sqlite3_strlike(text[i], declared, 0) == 0) {
            return 't';
        }
    }
    if (sqlite3_strlike("%blob%", declared, 0) == 0) {
        return 'b';
    }
    static const char *const real[] = {"%real%", "%floa%", "%doub%"};
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        if (sqlite3_strlike(real[i], declared, 0) == 0) {
            return 'r';
        }
    }
    return 'n';
}

/* Kind of a table; out->exists false if there is none. */
static int read_kind(sync_db *s, sync_arena *arena, const char *name, sync_base_table *out, bool *strict,
                     sync_error *error)
{
    const sync_object *o = sync_catalog_find(s, SYNC_OBJECT_TABLE, name);
    if (o == NULL) {
        return SYNC_OK;
    }
    out->exists = true;
    out->ordinary = o->ordinary;
    out->inner = o->inner;
    out->without_rowid = o->without_rowid;
    out->clauses = o->clauses;
    *strict = o->strict;
    out->name = sync_schema_string(arena, o->name);
    return out->name ? SYNC_OK : sync_fail_nomem(error);
}

static char *piece(sync_arena *arena, sync_piece from)
{
    char *text = sync_arena_alloc(arena, from.bytes + 1);
    if (text) {
        memcpy(text, from.text, from.bytes);
        text[from.bytes] = 0;
    }
    return text;
}

/* What only the statement that made the index tells: its expressions, and the rows that it is about. */
static int read_index_sql(sync_db *s, sync_arena *arena, sync_unique *u, sync_error *error)
{
    sync_piece terms[SYNC_KEY_COLUMNS_MAX], where = {0};
    uint32_t count = 0;
    const sync_object *o = sync_catalog_find(s, SYNC_OBJECT_INDEX, u->name);
    const char *sql = o ? o->sql : NULL;
    int rc = SYNC_OK;
    if (sql && !(sync_index_sql(sql, terms, SYNC_KEY_COLUMNS_MAX, &count, &where) && count == u->count)) {
        u->count = 0;
    }
    for (uint32_t i = 0; rc == SYNC_OK && sql && i < u->count; i++) {
        u->terms[i] = u->cols[i] ? NULL : piece(arena, terms[i]);
        rc = u->cols[i] || u->terms[i] ? SYNC_OK : sync_fail_nomem(error);
    }
    if (rc == SYNC_OK && sql && u->count && where.bytes) {
        u->where = piece(arena, where);
        rc = u->where ? SYNC_OK : sync_fail_nomem(error);
    }
    return rc;
}

static bool is_stored(const sync_base_table *base, const char *column)
{
    bool stored = false;
    for (uint32_t i = 0; i < base->key_count; i++) {
        stored = stored || sqlite3_stricmp(base->key_names[i], column) == 0;
    }
    for (uint32_t i = 0; i < base->col_count; i++) {
        stored = stored || sqlite3_stricmp(base->cols[i].name, column) == 0;
    }
    return stored;
}

/* Terms of a UNIQUE index. */
static int read_unique(sync_db *s, sync_arena *arena, const sync_base_table *base, sync_unique *u,
                       sync_error *error)
{
    sqlite3_stmt *stmt;
    u->cols = sync_arena_alloc(arena, SYNC_KEY_COLUMNS_MAX * sizeof *u->cols);
    u->terms = sync_arena_alloc(arena, SYNC_KEY_COLUMNS_MAX * sizeof *u->terms);
    u->collations = sync_arena_alloc(arena, SYNC_KEY_COLUMNS_MAX * sizeof *u->collations);
    int rc = u->cols && u->terms && u->collations
                 ? sync_prepare(s, &stmt, error,
                                "SELECT name, coll FROM pragma_index_xinfo(%Q, 'main') WHERE key", u->name)
                 : sync_fail_nomem(error);
    if (rc != SYNC_OK) {
        return rc;
    }
    while ((rc = sync_step(s, stmt, error)) == SQLITE_ROW && u->count < SYNC_KEY_COLUMNS_MAX) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        u->cols[u->count] = sync_schema_string(arena, name);
        u->terms[u->count] = NULL;
        u->collations[u->count] = sync_schema_string(arena, (const char *)sqlite3_column_text(stmt, 1));
        if ((name && u->cols[u->count] == NULL) || u->collations[u->count] == NULL) {
            rc = sync_fail_nomem(error);
            break;
        }
        u->plain = u->plain && name;
        u->computed = u->computed || name == NULL || !is_stored(base, name);
        u->count++;
    }
    sqlite3_finalize(stmt);
    if (rc == SQLITE_ROW) { /* more terms than any schema in use has */
        u->count = 0;
        u->plain = false;
        u->computed = true;
        return SYNC_OK;
    }
    return rc == SQLITE_DONE ? read_index_sql(s, arena, u, error) : rc;
}

/* Name of the index behind the primary key, or NULL (rowid alias); and the other UNIQUE indexes. */
static int read_indexes(sync_db *s, sync_arena *arena, sync_base_table *out, char **key_index,
                        sync_error *error)
{
    sqlite3_stmt *stmt;
    int64_t count = 0;
    *key_index = NULL;
    int rc = sync_query_int(s, &count, 0, error,
                            "SELECT count(*) FROM pragma_index_list(%Q, 'main') WHERE \"unique\"", out->name);
    if (rc != SYNC_OK) {
        return rc;
    }
    out->uniques = sync_arena_alloc(arena, (size_t)(count + 1) * sizeof *out->uniques);
    rc = out->uniques ? sync_prepare(s, &stmt, error,
                                     "SELECT name, origin, partial FROM pragma_index_list(%Q, 'main') WHERE "
                                     "\"unique\" ORDER BY name",
                                     out->name)
                      : sync_fail_nomem(error);
    if (rc != SYNC_OK) {
        return rc;
    }
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *origin = (const char *)sqlite3_column_text(stmt, 1);
        char *name = sync_schema_string(arena, (const char *)sqlite3_column_text(stmt, 0));
        if (name == NULL || origin == NULL) {
            rc = sync_fail_nomem(error);
        } else if (strcmp(origin, "pk") == 0) {
            *key_index = name;
            rc = SYNC_OK;
        } else if (out->unique_count < (uint32_t)count) {
            sync_unique *u = &out->uniques[out->unique_count++];
            *u = (sync_unique){.name = name, .plain = sqlite3_column_int(stmt, 2) == 0};
            rc = read_unique(s, arena, out, u, error);
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* A name after DEFAULT is a text, quoted or not, but for the words that are values; in an expression it would be a column. NULL: no memory. */
static char *preset_expression(sync_arena *arena, const char *preset)
{
    static const char *const words[] = {"NULL",         "TRUE",         "FALSE",
                                        "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"};
    size_t bytes = strlen(preset), named = 0;
    char quote = preset[0];
    if (quote == '[') {
        quote = ']';
    }
    bool quoted = bytes > 1 && strchr("\"`]", quote) && preset[bytes - 1] == quote;
    while (named < bytes &&
           (isalnum((unsigned char)preset[named]) || strchr("_$", preset[named]) || (preset[named] & 0x80))) {
        named++;
    }
    bool name = named == bytes && !isdigit((unsigned char)preset[0]);
    for (size_t i = 0; name && i < sizeof words / sizeof *words; i++) {
        name = sqlite3_stricmp(preset, words[i]) != 0;
    }
    char *text = quoted || name ? sync_arena_alloc(arena, 2 * bytes + 3) : NULL;
    if (text == NULL) {
        return quoted || name ? NULL : sync_schema_string(arena, preset);
    }
    size_t at = 0;
    text[at++] = '\'';
    for (size_t i = quoted; i < bytes - quoted; i++) {
        text[at++] = preset[i];
        if (preset[i] == '\'') {
            text[at++] = '\'';
        } else if (quoted && preset[i] == quote && i + 1 < bytes - 1) {
            i++; /* it stands there twice */
        }
    }
    text[at++] = '\'';
    text[at] = 0;
    return text;
}

static int read_columns(sync_db *s, sync_arena *arena, bool strict, sync_base_table *out, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(
        s, &stmt, error,
        "SELECT name, type, pk, hidden, dflt_value, \"notnull\" FROM pragma_table_xinfo(%Q, 'main')",
        out->name);
    if (rc != SYNC_OK) {
        return rc;
    }
    uint32_t room = 0;
    while ((rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        room++;
        out->key_count += sqlite3_column_int(stmt, 2) > 0;
    }
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE && out->key_count > SYNC_KEY_COLUMNS_MAX) {
        rc = sync_fail(error, SYNC_TOOBIG, "table %s: a primary key of %u columns; the limit is %d",
                       out->name, out->key_count, SYNC_KEY_COLUMNS_MAX);
    }
    out->cols = sync_arena_alloc(arena, (room + 1) * sizeof *out->cols);
    out->key_names = sync_arena_alloc(arena, (out->key_count + 1) * sizeof *out->key_names);
    out->key_collations = sync_arena_alloc(arena, (out->key_count + 1) * sizeof *out->key_collations);
    out->key_affinity = sync_arena_alloc(arena, out->key_count + 1);
    if (!out->cols || !out->key_names || !out->key_collations || !out->key_affinity) {
        sqlite3_finalize(stmt);
        return sync_fail_nomem(error);
    }
    while (rc == SQLITE_DONE && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SQLITE_DONE;
        const char *type = (const char *)sqlite3_column_text(stmt, 1);
        char *name = sync_schema_string(arena, (const char *)sqlite3_column_text(stmt, 0));
        const char *declared = (const char *)sqlite3_column_text(stmt, 4);
        char *preset = declared ? preset_expression(arena, declared) : NULL;
        int pk = sqlite3_column_int(stmt, 2), hidden = sqlite3_column_int(stmt, 3);
        char affinity = sync_schema_affinity(type);
        if (strict && type && sqlite3_stricmp(type, "ANY") == 0) {
            affinity = 'b';
        }
        if (name == NULL || (preset == NULL && sqlite3_column_type(stmt, 4) != SQLITE_NULL)) {
            rc = sync_fail_nomem(error);
        } else if (pk > 0) {
            out->key_names[pk - 1] = name;
            out->key_collations[pk - 1] = "BINARY";
            out->key_affinity[pk - 1] = affinity;
            out->rowid_alias = out->key_count == 1 && type && sqlite3_stricmp(type, "INTEGER") == 0;
        } else if (hidden == 0) {
            out->cols[out->col_count++] =
                (sync_base_column){name, affinity, preset, sqlite3_column_int(stmt, 5) != 0};
        }
        if (rc == SQLITE_DONE && pk > 0 && hidden > 1) {
            rc = sync_fail(error, SYNC_ERROR, "table %s: its key column %s is generated", out->name, name);
        }
    }
    out->key_affinity[out->key_count] = 0;
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int read_key_collations(sync_db *s, sync_arena *arena, const char *index, sync_base_table *out,
                               sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(s, &stmt, error, "SELECT name, coll FROM pragma_index_xinfo(%Q, 'main') WHERE key",
                          index);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        for (uint32_t i = 0; name && i < out->key_count; i++) {
            if (sqlite3_stricmp(name, out->key_names[i]) == 0) {
                out->key_collations[i] =
                    sync_schema_string(arena, (const char *)sqlite3_column_text(stmt, 1));
                if (out->key_collations[i] == NULL) {
                    rc = sync_fail_nomem(error);
                }
            }
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int read_table(sync_db *s, sync_arena *arena, const char *name, sync_base_table *out,
                      sync_error *error)
{
    bool strict = false;
    char *key_index = NULL;
    int rc = read_kind(s, arena, name, out, &strict, error);
    if (rc != SYNC_OK || !out->exists || !out->ordinary) {
        return rc;
    }
    rc = read_columns(s, arena, strict, out, error);
    if (rc == SYNC_OK) {
        rc = read_indexes(s, arena, out, &key_index, error);
    }
    if (rc == SYNC_OK && (key_index || out->without_rowid)) {
        out->rowid_alias = false;
    }
    if (rc == SYNC_OK && key_index) {
        rc = read_key_collations(s, arena, key_index, out, error);
    }
    return rc;
}

int sync_schema_read(sync_db *s, sync_arena *arena, const char *name, sync_base_table *out, sync_error *error)
{
    memset(out, 0, sizeof *out);
    int rc = sync_catalog_open(s, error);
    if (rc == SYNC_OK) {
        rc = read_table(s, arena, name, out, error);
        sync_catalog_close(s);
    }
    return rc;
}

void sync_schema_describe(const sync_base_table *base, sync_table *t)
{
    t->name = base->name;
    t->key_count = base->key_count;
    t->key_names = base->key_names;
    t->key_collations = base->key_collations;
    t->key_affinity = base->key_affinity;
    t->rowid_alias = base->rowid_alias;
    t->unique_count = base->unique_count;
    t->uniques = base->uniques;
    t->clauses = base->clauses;
    for (uint32_t i = 0; i < base->unique_count; i++) {
        t->hints = t->hints || base->uniques[i].count > 0;
    }
}

void sync_schema_column(const sync_base_column *from, sync_column *to)
{
    to->present = true;
    to->affinity = from->affinity;
    to->preset = from->preset;
    to->filled = from->filled;
}

/* ---- renamed columns ---- */

/* The next column that the trigger compares, unquoted into the arena; NULL at the end (or without memory: *oom). */
static char *next_compared(const char **at, sync_arena *arena, bool *oom)
{
    static const char before[] = "CASE WHEN OLD.\"";
    const char *from = strstr(*at, before);
    if (from == NULL) {
        return NULL;
    }
    from += strlen(before);
    char *name = sync_schema_string(arena, from), *to = name;
    *oom = name == NULL;
    for (*at = from; name && **at && (**at != '"' || (*at)[1] == '"'); (*at)++) {
        *at += **at == '"';
        *to++ = **at;
    }
    if (name) {
        *to = 0;
    }
    return name;
}

static bool has_column(const sync_base_table *base, const char *name)
{
    for (uint32_t b = 0; b < base->col_count; b++) {
        if (sqlite3_stricmp(base->cols[b].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A name that values waited under is the new name of a column: from now on it stands for the old one. */
static void take_over_name(sync_table *t, uint32_t cid, const bool *known)
{
    for (uint32_t i = 0; i < t->col_count; i++) {
        sync_column *c = &t->cols[i];
        if (!known[i] && c->former == NULL && sqlite3_stricmp(c->name, t->cols[cid].name) == 0) {
            c->former = c->name;
            c->name = t->cols[cid].former;
            c->absorb = c->same == 0;
            c->same = cid + 1;
        }
    }
}

static int compare_names(sync_db *s, sync_table *t, const sync_base_table *base, const bool *known,
                         const char *trigger, sync_error *error)
{
    char **names = sync_arena_alloc(&s->metadata, (t->col_count + 1) * sizeof *names);
    bool oom = names == NULL, sane = true;
    char *name = NULL;
    uint32_t next = 0;
    while (!oom && sane && (name = next_compared(&trigger, &s->metadata, &oom)) != NULL) {
        while (next < t->col_count && !known[next]) {
            next++;
        }
        sane = next < t->col_count && has_column(base, name);
        if (sane) {
            names[next++] = name;
        }
    }
    while (next < t->col_count && !known[next]) {
        next++;
    }
    if (oom || !sane || next < t->col_count) {
        return oom ? sync_fail_nomem(error)
                   : SYNC_OK; /* not what we wrote: names are all there is to go by */
    }
    for (uint32_t i = 0; i < t->col_count; i++) {
        if (known[i] && sqlite3_stricmp(t->cols[i].name, names[i]) != 0) {
            t->cols[i].former = t->cols[i].name;
            t->cols[i].name = names[i];
            t->late = true;
        }
    }
    for (uint32_t i = 0; i < t->col_count; i++) {
        if (known[i] && t->cols[i].former) {
            take_over_name(t, i, known);
        }
    }
    return SYNC_OK;
}

int sync_schema_renames(sync_db *s, sync_table *t, const sync_base_table *base, const bool *known,
                        sync_error *error)
{
    char name[32];
    sqlite3_snprintf(sizeof name, name, "sync_%u_update", t->tid);
    const sync_object *o = sync_catalog_find(s, SYNC_OBJECT_TRIGGER, name);
    if (o == NULL || o->sql == NULL || sqlite3_stricmp(o->table, t->name) != 0) {
        return SYNC_OK;
    }
    return compare_names(s, t, base, known, o->sql, error);
}

int sync_schema_detail(sync_db *s, const sync_base_table *base, bool *detail, sync_error *error)
{
    int64_t found = 0;
    int rc = sync_query_int(
        s, &found, 0, error,
        "SELECT EXISTS (SELECT 1 FROM pragma_foreign_key_list(%Q, 'main') AS f WHERE \"from\" = %Q COLLATE "
        "NOCASE AND \"table\" <> %Q COLLATE NOCASE AND NOT EXISTS (SELECT 1 FROM "
        "pragma_foreign_key_list(%Q, 'main') AS g WHERE g.id = f.id AND g.seq > 0))",
        base->name, base->key_names[0], base->name, base->name);
    *detail = found != 0;
    return rc;
}
