#include "references.h"

#include "schema.h"

#include <string.h>

static bool same_names(char **a, uint32_t count, char **b, uint32_t b_count)
{
    bool same = count == b_count;
    for (uint32_t i = 0; same && i < count; i++) {
        same = sqlite3_stricmp(a[i], b[i]) == 0;
    }
    return same;
}

/* Column id of a name in a tracked table: an id, SYNC_REF_KEY + index, or UINT32_MAX. */
static uint32_t column_of(const sync_table *t, const char *name)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        if (sqlite3_stricmp(t->key_names[i], name) == 0) {
            return SYNC_REF_KEY + i;
        }
    }
    for (uint32_t i = 0; i < t->col_count; i++) {
        if (sqlite3_stricmp(t->cols[i].name, name) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* Fills one foreign key from the rows of one id of pragma_foreign_key_list. */
static int fill_foreign_key(sync_db *s, sqlite3_stmt *stmt, sync_table *child, sync_table *parent,
                            uint32_t at, sync_fk *fk, sync_error *error)
{
    if (at == 0) {
        *fk = (sync_fk){.child_tid = child->tid, .parent_tid = parent->tid};
        fk->from = sync_arena_alloc(&s->metadata, SYNC_KEY_COLUMNS_MAX * sizeof *fk->from);
        fk->to = sync_arena_alloc(&s->metadata, SYNC_KEY_COLUMNS_MAX * sizeof *fk->to);
    }
    const char *to = (const char *)sqlite3_column_text(stmt, 4);
    if (to == NULL && at < parent->key_count) {
        to = parent->key_names[at];
    }
    if (at >= SYNC_KEY_COLUMNS_MAX) {
        return sync_fail(error, SYNC_TOOBIG, "table %s: a foreign key of too many columns", child->name);
    }
    if (!fk->from || !fk->to) {
        return sync_fail_nomem(error);
    }
    fk->from[at] = sync_schema_string(&s->metadata, (const char *)sqlite3_column_text(stmt, 3));
    fk->to[at] = sync_schema_string(&s->metadata, to ? to : "");
    fk->count = at + 1;
    if (!fk->from[at] || !fk->to[at]) {
        return sync_fail_nomem(error);
    }
    fk->to_key = same_names(fk->to, fk->count, parent->key_names, parent->key_count);
    fk->from_col = column_of(child, fk->from[0]);
    fk->to_row =
        fk->to_key && parent->identity == SYNC_BY_ROW && parent->key_count == 1 && fk->from_col != UINT32_MAX;
    return SYNC_OK;
}

/* Room for one more at the end of s->fks. */
static int add_one(sync_db *s, uint32_t *room, sync_error *error)
{
    if (s->fk_count == *room) {
        uint32_t wider = *room ? *room * 2 : 16;
        sync_fk *grown = sync_arena_alloc(&s->metadata, wider * sizeof *grown);
        if (grown == NULL) {
            return sync_fail_nomem(error);
        }
        if (s->fk_count) {
            memcpy(grown, s->fks, s->fk_count * sizeof *grown);
        }
        s->fks = grown;
        *room = wider;
    }
    s->fks[s->fk_count++] = (sync_fk){0};
    return SYNC_OK;
}

/* A column refers to a table that is not tracked. */
static int note_outer(sync_db *s, sync_table *child, const char *from, const char *name, sync_error *error)
{
    if (child->identity != SYNC_BY_KEY || !from || !name || column_of(child, from) < SYNC_REF_KEY ||
        column_of(child, from) == UINT32_MAX) {
        return SYNC_OK;
    }
    sync_outer *outer = sync_arena_alloc(&s->metadata, sizeof *outer);
    char *kept = outer ? sync_schema_string(&s->metadata, name) : NULL;
    if (kept == NULL) {
        return sync_fail_nomem(error);
    }
    *outer = (sync_outer){.name = kept, .next = child->outer};
    child->outer = outer;
    return SYNC_OK;
}

static int table_foreign_keys(sync_db *s, sync_table *child, uint32_t *room, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc =
        sync_prepare(s, &stmt, error,
                     "SELECT id, seq, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(%Q, 'main')"
                     " ORDER BY id, seq",
                     child->name);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 2);
        uint32_t at = (uint32_t)sqlite3_column_int(stmt, 1);
        sync_table *parent = name ? sync_engine_table(s, name) : NULL;
        if (parent == NULL || parent->missing) {
            rc = note_outer(s, child, (const char *)sqlite3_column_text(stmt, 3), name, error);
            continue;
        }
        rc = at == 0 ? add_one(s, room, error) : SYNC_OK;
        rc = rc == SYNC_OK ? fill_foreign_key(s, stmt, child, parent, at, &s->fks[s->fk_count - 1], error)
                           : rc;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Tables at either end of any foreign key, and whether an untracked one refers to a tracked one. (Whoever has a foreign key has the
** word in his declaration: this spares a look at most tables.) */
static int mark_linked(sync_db *s, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(s, &stmt, error,
                          "SELECT DISTINCT m.name, f.\"table\" FROM main.sqlite_schema AS m,"
                          " pragma_foreign_key_list(m.name, 'main') AS f"
                          " WHERE m.type = 'table' AND instr(lower(m.sql), 'references')");
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        const char *parent_name = (const char *)sqlite3_column_text(stmt, 1);
        sync_table *child = name ? sync_engine_table(s, name) : NULL;
        sync_table *parent = parent_name ? sync_engine_table(s, parent_name) : NULL;
        if (child) {
            child->linked = true;
        }
        if (parent) {
            parent->linked = true;
            s->outer_children = s->outer_children || child == NULL;
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Which row a column means by its number: the foreign key that says so, or NULL. */
static const sync_fk *meaning_of(const sync_db *s, uint32_t tid, uint32_t col)
{
    for (uint32_t i = 0; i < s->fk_count; i++) {
        if (s->fks[i].to_row && s->fks[i].child_tid == tid && s->fks[i].from_col == col) {
            return &s->fks[i];
        }
    }
    return NULL;
}

bool sync_is_reference(const sync_db *s, const sync_table *t, uint32_t col)
{
    return meaning_of(s, t->tid, col) != NULL;
}

/* A column means one row. A second one that it refers to keeps its number, and so do rows whose own number is the reference. */
static void mark_rigid(sync_db *s)
{
    for (uint32_t i = 0; i < s->fk_count; i++) {
        sync_fk *fk = &s->fks[i];
        const sync_table *child = sync_engine_tid(s, fk->child_tid),
                         *parent = sync_engine_tid(s, fk->parent_tid);
        bool number = fk->from_col >= SYNC_REF_KEY && child->identity == SYNC_BY_ROW;
        fk->to_row = fk->to_row && meaning_of(s, fk->child_tid, fk->from_col) == fk;
        fk->rigid = fk->to_key && parent->identity == SYNC_BY_ROW && (number || !fk->to_row);
    }
}

/* The row table whose number column `to` of `parent` is, or refers to; 0: none. */
static uint32_t row_table_behind(const sync_db *s, const sync_table *parent, const char *to)
{
    uint32_t col = column_of(parent, to);
    if (parent->identity == SYNC_BY_ROW && parent->key_count == 1 && col == SYNC_REF_KEY) {
        return parent->tid;
    }
    const sync_fk *fk = meaning_of(s, parent->tid, col);
    return fk ? fk->parent_tid : 0;
}

/* Column `c` of foreign key `at` may mean a row by what the column means that it refers to. *added: it does. */
static int derive_one(sync_db *s, uint32_t at, uint32_t c, uint32_t *room, bool *added, sync_error *error)
{
    const sync_fk fk = s->fks[at];
    const sync_table *child = sync_engine_tid(s, fk.child_tid), *parent = sync_engine_tid(s, fk.parent_tid);
    uint32_t col = column_of(child, fk.from[c]), tid = row_table_behind(s, parent, fk.to[c]);
    const sync_table *means = tid ? sync_engine_tid(s, tid) : NULL;
    if (!means || col == UINT32_MAX || meaning_of(s, fk.child_tid, col) ||
        (means == child &&
         col == SYNC_REF_KEY)) { /* a number that refers to itself by way of a row of its own */
        return SYNC_OK;
    }
    int rc = add_one(s, room, error);
    if (rc == SYNC_OK) {
        sync_fk *more = &s->fks[s->fk_count - 1];
        *more = (sync_fk){.child_tid = fk.child_tid,
                          .parent_tid = tid,
                          .count = 1,
                          .to_key = true,
                          .to_row = true,
                          .derived = true,
                          .from = &s->fks[at].from[c],
                          .to = means->key_names,
                          .from_col = col};
        *added = true;
    }
    return rc;
}

/* A tag of a tag, a detail of a detail, a number beside others in a composite foreign key: column by column. */
static int derive(sync_db *s, uint32_t *room, sync_error *error)
{
    int rc = SYNC_OK;
    for (bool added = true; rc == SYNC_OK && added;) { /* no column gets a second meaning, so it ends */
        added = false;
        for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
            for (uint32_t c = 0; rc == SYNC_OK && !s->fks[i].to_row && c < s->fks[i].count; c++) {
                rc = derive_one(s, i, c, room, &added, error);
            }
        }
    }
    return rc;
}

/* What the option `references` declares that the schema does not. A column or table that is not there (any more, or yet) refers to nobody. */
static int read_soft(sync_db *s, sync_table *child, uint32_t *room, sync_error *error)
{
    sqlite3_stmt *stmt;
    if (strstr(child->options, "\"references\"") == NULL) {
        return SYNC_OK;
    }
    int rc = sync_prepare(
        s, &stmt, error, "SELECT key, value FROM json_each(%Q, '$.references') ORDER BY key", child->options);
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(stmt, 0);
        const char *table = (const char *)sqlite3_column_text(stmt, 1);
        const sync_table *parent = table ? sync_engine_table(s, table) : NULL;
        uint32_t col = column ? column_of(child, column) : UINT32_MAX;
        rc = SYNC_OK;
        if (!parent || parent->missing || parent->identity != SYNC_BY_ROW || col >= SYNC_REF_KEY ||
            meaning_of(s, child->tid, col)) {
            continue;
        }
        char **from = sync_arena_alloc(&s->metadata, sizeof *from);
        char *name = from ? sync_schema_string(&s->metadata, column) : NULL;
        rc = name ? add_one(s, room, error) : sync_fail_nomem(error);
        if (rc == SYNC_OK) {
            *from = name;
            s->fks[s->fk_count - 1] = (sync_fk){.child_tid = child->tid,
                                                .parent_tid = parent->tid,
                                                .count = 1,
                                                .to_key = true,
                                                .to_row = true,
                                                .soft = true,
                                                .from = from,
                                                .to = parent->key_names,
                                                .from_col = col};
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Tables whose key is made of references. */
static int mark_meant(sync_db *s, sync_error *error)
{
    for (uint32_t i = 0; i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        sync_table *t = sync_engine_tid(s, fk->child_tid);
        if (!fk->to_row || fk->from_col < SYNC_REF_KEY || t->identity != SYNC_BY_KEY) {
            continue;
        }
        if (!t->meant) {
            t->key_parents = sync_arena_alloc(&s->metadata, t->key_count * sizeof *t->key_parents);
            if (t->key_parents == NULL) {
                return sync_fail_nomem(error);
            }
            memset(t->key_parents, 0, t->key_count * sizeof *t->key_parents);
            t->meant = true;
        }
        t->key_parents[fk->from_col - SYNC_REF_KEY] = fk->parent_tid;
    }
    return SYNC_OK;
}

int sync_references_load(sync_db *s, sync_error *error)
{
    uint32_t room = 0;
    s->fk_count = 0;
    s->fks = NULL;
    s->outer_children = false;
    int rc = mark_linked(s, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        if (s->tables[i].linked && !s->tables[i].missing) {
            rc = table_foreign_keys(s, &s->tables[i], &room, error);
        }
    }
    if (rc == SYNC_OK) {
        mark_rigid(s);
        rc = derive(s, &room, error);
    }
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        rc = s->tables[i].missing ? SYNC_OK : read_soft(s, &s->tables[i], &room, error);
    }
    return rc == SYNC_OK ? mark_meant(s, error) : rc;
}
