/* What stands against a row that is held, and who wrote it when: sync_conflict shows both. Looked up when all is settled, since it may have changed meanwhile. */
#include "base.h"
#include "clash.h"
#include "key.h"
#include "parents.h"

#include <string.h>

/* Looks a row up under one index on columns. *found: a row that is shown has the same, *key (in the arena). */
static int find_by_index(sync_merging *m, sync_table *t, const sync_unique *u, const sync_value *at,
                         const sync_row *row, sync_value *key, bool *found)
{
    sqlite3_stmt *stmt;
    sqlite3_str *sql = sqlite3_str_new(m->s->db);
    sqlite3_str_appendall(sql, "SELECT ");
    sync_str_keys(sql, t, "\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", t->name);
    for (uint32_t i = 0; i < u->count; i++) {
        sqlite3_str_appendf(sql, "%s\"%w\" = ?%d COLLATE \"%w\"", i ? " AND " : "", u->cols[i], (int)i + 1,
                            u->collations[i]);
    }
    char *text = sqlite3_str_finish(sql);
    *found = false;
    int rc = text ? sync_borrow(m->s, &stmt, m->error, "%s", text) : sync_fail_nomem(m->error);
    sqlite3_free(text);
    if (rc != SYNC_OK) {
        return rc;
    }
    bool bound = sqlite3_clear_bindings(stmt) == SQLITE_OK;
    for (uint32_t i = 0; i < u->count; i++) { /* what the row lacks is NULL, which equals nothing */
        for (uint32_t k = 0; k < t->key_count; k++) {
            bound = bound && (sqlite3_stricmp(t->key_names[k], u->cols[i]) != 0 ||
                              sync_bind_value(stmt, (int)i + 1, &at[k]) == SQLITE_OK);
        }
        for (uint32_t c = 0; c < row->count; c++) {
            const sync_cell *cell = &row->cells[c];
            bound = bound && (!cell->carried || sqlite3_stricmp(t->cols[cell->col].name, u->cols[i]) != 0 ||
                              sync_bind_value(stmt, (int)i + 1, &cell->value) == SQLITE_OK);
        }
    }
    rc = bound ? sync_step(m->s, stmt, m->error) : sync_fail_db(m->s, m->error, NULL);
    *found = rc == SQLITE_ROW;
    for (uint32_t i = 0; rc == SQLITE_ROW && i < t->key_count; i++) {
        sync_value v = sync_column_value(stmt, (int)i);
        rc = sync_arena_value(&m->arena, &v, &key[i]) ? rc : sync_fail_nomem(m->error);
    }
    rc = rc == SQLITE_ROW ? sync_reset_read(stmt, SYNC_OK, m->error) : rc;
    sync_return(m->s, stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Indexes of other kinds are not asked: somebody is found by trying to write. */
static int find_by_trial(sync_merging *m, sync_table *t, const sync_value *at, const sync_row *row,
                         sync_value *key, bool *found)
{
    sync_value **keys = NULL;
    uint32_t count = 0, n = 0;
    int rc = sync_clash_displaced(m, t, at, row, false, &keys, &count);
    while (n < count && sync_key_same(t, keys[n], at)) { /* who has its number is another matter */
        n++;
    }
    *found = rc == SYNC_OK && n < count;
    for (uint32_t i = 0; *found && i < t->key_count; i++) {
        key[i] = keys[n][i];
    }
    sync_free(keys);
    return rc;
}

/* The first of the shown rows that have a value of this one under a UNIQUE index. */
static int load_clashing(sync_merging *m, sync_table *t, const sync_listed *one, const sync_row *row,
                         const sync_slot *its, sync_row *against)
{
    sync_row whole = {0};
    sync_value key[SYNC_KEY_COLUMNS_MAX], room;
    const sync_value *at = sync_claimed(row, its, one->key, &room);
    bool exists = false, found = false, plain = true;
    sync_slot slot;
    int rc = sync_row_copy(&whole, row) == SYNC_OK ? SYNC_OK : sync_fail_nomem(m->error);
    rc = rc == SYNC_OK ? sync_parents_renumber(m, t, one->key, &whole) : rc;
    for (uint32_t u = 0; rc == SYNC_OK && !found && u < t->unique_count; u++) {
        bool asked = t->uniques[u].plain && t->uniques[u].count > 0;
        plain = plain && asked;
        rc = asked ? find_by_index(m, t, &t->uniques[u], at, &whole, key, &found) : SYNC_OK;
    }
    if (rc == SYNC_OK && !found && !plain) {
        rc = find_by_trial(m, t, at, &whole, key, &found);
    }
    if (rc == SYNC_OK && found) {
        rc = sync_find_shown(m, t, key, against, &slot);
        rc = rc == SYNC_OK ? sync_parents_load(m, t, key, against, NULL, &exists) : rc;
    }
    sync_row_free(&whole);
    return rc;
}

/* Who is shown under its number. */
static int load_occupant(sync_merging *m, sync_table *t, const sync_listed *one, const sync_row *row,
                         sync_row *against)
{
    sync_slot slot;
    sync_value room;
    bool exists = false;
    int rc = sync_occupant(m, t, one->key, row, against, &slot);
    if (rc == SYNC_OK && !slot.shown) {
        sync_row_reset(against);
    } else if (rc == SYNC_OK) {
        rc = sync_parents_load(m, t, sync_claimed(row, NULL, one->key, &room), against, NULL, &exists);
    }
    return rc;
}

/* The delete of the parent that a row lacks; nothing if that was never here. */
static int load_delete(sync_merging *m, const sync_missing *missing, sync_row *against)
{
    sync_slot slot;
    bool gone = false;
    int rc = sync_parents_gone(m, missing, &gone);
    if (rc == SYNC_OK && gone) {
        rc = sync_find(m, missing->parent, missing->key, missing->born, against, &slot);
    }
    if (rc == SYNC_OK && sync_row_alive(against)) {
        sync_row_reset(against);
    }
    return rc;
}

/* What the table shows in place of cells that wait. Their stamps are lost: the clock has those of what waits. */
static int load_shown(sync_merging *m, sync_table *t, const sync_value *at, const sync_row *row,
                      sync_row *against)
{
    bool exists = false;
    against->cl = row->cl;
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        if (cell->carried && t->cols[cell->col].present &&
            sync_row_set(against, cell->col, SYNC_STAMP_NONE) == NULL) {
            return sync_fail_nomem(m->error);
        }
    }
    return sync_base_load(m->s, t, at, against, NULL, &m->arena, &exists, m->error);
}

static int complete(sync_merging *m, sync_table *t, const sync_listed *one)
{
    sync_row row = {0}, against = {0};
    sync_slot slot = {0};
    sync_value room;
    sync_missing missing = {.from = 0};
    bool lacks = strcmp(one->reason, "foreign key") == 0;
    bool number = strcmp(one->reason, "number") == 0, unique = strcmp(one->reason, "unique") == 0;
    int rc = (number ? sync_find : sync_find_listed)(m, t, one->key, one->born, &row, &slot);
    if (rc != SYNC_OK || !slot.was_held) { /* it has been settled */
        sync_row_free(&row);
        return rc;
    }
    if (row.held && number) { /* before its parents are looked for, and whoever has its number is forgotten */
        rc = load_occupant(m, t, one, &row, &against);
    }
    if (rc == SYNC_OK && row.held && (number || unique || lacks)) {
        rc = sync_parents_missing(m, t, sync_claimed(&row, &slot, one->key, &room), &row, &slot, &missing);
    }
    if (rc == SYNC_OK && !lacks && missing.why[0]) { /* it competes for nothing, whatever it was listed for */
        lacks = true;
        sync_row_reset(&against);
        rc = sync_conflict_restate(m, t, one->key, &row, "foreign key", missing.why);
    }
    if (rc == SYNC_OK && !row.held) {
        rc = load_shown(m, t, sync_lies(&slot, one->key, &room), &row, &against);
    } else if (rc == SYNC_OK && lacks) {
        rc = load_delete(m, &missing, &against);
    } else if (rc == SYNC_OK && unique) {
        rc = load_clashing(m, t, one, &row, &slot, &against);
    }
    rc = rc == SYNC_OK ? sync_conflict_sides(m, one->id, t, &row, against.cl ? &against : NULL) : rc;
    sync_row_free(&row);
    sync_row_free(&against);
    return rc;
}

int sync_against_complete(sync_merging *m, sync_table *t, bool all)
{
    sync_listing listing = {.of = all ? SYNC_LISTED_LACKING : SYNC_LISTED_UNTOLD, .upto = INT64_MAX};
    const sync_listed *one;
    int rc = t->missing ? SQLITE_DONE : SYNC_OK;
    while (rc == SYNC_OK && (rc = sync_conflict_next(m, t, &listing, &one)) == SQLITE_ROW) {
        rc = complete(m, t, one);
    }
    sync_conflict_end(&listing);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}
