/* Two files had a row before they were tracked, with different content: the row becomes what was chosen, and is written anew, which ends the
** matter in all files. */
#include "base.h"
#include "json.h"
#include "parents.h"
#include "verdict_internal.h"

#include <math.h>
#include <string.h>

typedef struct genesis {
    sync_row
        content; /* what the row is to become, of the columns in which the two contents differ; values in the arena */
    bool *differs; /* by column id */
} genesis;

/* A value that JSON cannot hold is written as an object of one member: its kind, and its digits. */
static int read_tagged(sync_verdict_state *v, sqlite3_stmt *stmt, int column, sync_value *value)
{
    const char *blob = NULL, *text = NULL, *real = NULL;
    int rc = sync_column_text(stmt, column, &blob, v->error);
    rc = rc == SYNC_OK ? sync_column_text(stmt, column + 1, &text, v->error) : rc;
    rc = rc == SYNC_OK ? sync_column_text(stmt, column + 2, &real, v->error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    sync_buf bytes = {0};
    bool good = blob || text || real;
    if (real) {
        *value = (sync_value){.type = strcmp(real, "nan") == 0 ? SYNC_NULL : SYNC_REAL};
        value->r = strcmp(real, "-inf") == 0 ? -HUGE_VAL : HUGE_VAL;
    } else if (good) {
        good = sync_unhex(&bytes, blob ? blob : text);
        sync_value borrowed = {.type = blob ? SYNC_BLOB : SYNC_TEXT, .bytes = bytes.len, .data = bytes.data};
        bytes.oom = bytes.oom || (good && !sync_arena_value(&v->arena, &borrowed, value));
    }
    rc = bytes.oom ? sync_fail_nomem(v->error)
         : good    ? SYNC_OK
                   : sync_fail(v->error, SYNC_CORRUPT, "sync_conflict: an entry of table %s is damaged",
                               v->t->name);
    sync_buf_free(&bytes);
    return rc;
}

/* The chosen content, of columns in which the two differ. */
static int read_content(sync_verdict_state *v, genesis *g)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(v->s, &stmt, v->error,
                          "SELECT c.key, c.type = 'object', c.value, iif(c.type = 'object', "
                          "json_extract(c.value, '$.\"$blob\"'), NULL),"
                          " iif(c.type = 'object', json_extract(c.value, '$.\"$text\"'), NULL),"
                          " iif(c.type = 'object', json_extract(c.value, '$.\"$real\"'), NULL)"
                          " FROM json_each(?1) AS c JOIN json_each(?2) AS o ON o.key = c.key"
                          " WHERE o.type <> c.type OR o.value IS NOT c.value");
    const sync_value *chosen = v->choice == SYNC_CHOOSE_THEIRS ? &v->theirs : &v->ours;
    if (rc == SYNC_OK && (sync_bind_value(stmt, 1, chosen) ||
                          sync_bind_value(stmt, 2, chosen == &v->ours ? &v->theirs : &v->ours))) {
        rc = sync_fail_db(v->s, v->error, NULL);
    }
    while (rc == SYNC_OK && (rc = sync_step(v->s, stmt, v->error)) == SQLITE_ROW) {
        const char *name = NULL;
        uint32_t col = 0;
        rc = sync_column_text(stmt, 0, &name, v->error);
        if (rc != SYNC_OK) {
            break;
        }
        while (name && col < v->t->col_count &&
               !(v->t->cols[col].present && sqlite3_stricmp(v->t->cols[col].name, name) == 0)) {
            col++;
        }
        if (name == NULL || col == v->t->col_count) { /* it is not in the table any more */
            continue;
        }
        sync_cell *cell = sync_row_set(&g->content, col, SYNC_STAMP_NONE);
        if (cell == NULL) {
            rc = sync_fail_nomem(v->error);
            break;
        }
        cell->carried = g->differs[col] = true;
        if (sqlite3_column_int(stmt, 1)) {
            rc = read_tagged(v, stmt, 3, &cell->value);
        } else {
            sync_value value = sync_column_value(stmt, 2);
            rc = sync_arena_value(&v->arena, &value, &cell->value) ? SYNC_OK : sync_fail_nomem(v->error);
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int look(sync_verdict_state *v, sync_merging *m)
{
    sync_row row = {0};
    sync_slot slot;
    int rc = sync_find(m, v->t, v->key, v->born, &row, &slot);
    if (rc == SYNC_OK && !slot.shown) {
        rc = sync_verdict_refused(v, v->t, v->key, "there is nothing to settle",
                                  "the row is gone; delete the entry when you have read it");
    }
    sync_row_free(&row);
    return rc == SYNC_OK ? read_content(v, v->found) : rc;
}

static int write(sync_verdict_state *v)
{
    const genesis *g = v->found;
    int rc = v->choice == SYNC_KEEP_BOTH || g->content.count == 0
                 ? SYNC_OK
                 : sync_base_update(v->s, v->t, v->at, &g->content, false, false, v->error);
    return sync_base_refused(rc)
               ? sync_verdict_refused(v, v->t, v->key, "that content cannot be written", sync_base_said(v->s))
               : rc;
}

/* The row is written anew: its existence, and the cells in question as they are. */
static int confirm(sync_verdict_state *v, sync_merging *m)
{
    const genesis *g = v->found;
    sync_row change = {0};
    bool exists = false;
    sync_stamp stamp = sync_merging_stamp(m);
    int rc = SYNC_OK;
    for (uint32_t c = 0; rc == SYNC_OK && c < v->t->col_count; c++) {
        bool named = g->differs[c];
        rc = !named || sync_row_set(&change, c, stamp) ? SYNC_OK : sync_fail_nomem(v->error);
    }
    change.stamp = stamp;
    rc = rc == SYNC_OK ? sync_parents_load(m, v->t, v->at, &change, NULL, &exists) : rc;
    rc = rc == SYNC_OK ? sync_verdict_put(m, v->t, v->key, v->born, &change) : rc;
    sync_row_free(&change);
    return rc == SYNC_OK ? sync_conflict_unlist(m, v->t, v->key, &(sync_row){.born = v->born}, "genesis")
                         : rc;
}

int sync_verdict_genesis(sync_verdict_state *v)
{
    genesis g = {.differs = sync_arena_alloc(&v->arena, v->t->col_count + 1)};
    if (g.differs == NULL) {
        return sync_fail_nomem(v->error);
    }
    memset(g.differs, 0, v->t->col_count + 1);
    v->found = &g;
    int rc = sync_verdict_look(v, look);
    rc = rc == SYNC_OK ? sync_verdict_write(v, write) : rc;
    rc = rc == SYNC_OK ? sync_verdict_merge(v, confirm) : rc;
    v->found = NULL;
    sync_row_free(&g.content);
    return rc;
}
