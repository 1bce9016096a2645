/* Two rows and one value under a UNIQUE index: who is to have it has it; the other one loses it, and as little else as may be. */
#include "base.h"
#include "clash.h"
#include "key.h"
#include "verdict_internal.h"

#include <string.h>

/* A shown row that has a value of the held one. */
typedef struct rival {
    sync_value *key;
    bool *columns; /* by column id: what has to become NULL in either of them; none: no column can */
} rival;

typedef struct rivals {
    rival *list; /* in the arena */
    uint32_t count;
} rivals;

/* ---- what they have in common ---- */

/* A term of the index: the expression, or the column. */
static void put_terms(sqlite3_str *sql, const sync_unique *u)
{
    for (uint32_t i = 0; i < u->count; i++) {
        sqlite3_str_appendall(sql, i ? ", " : "");
        if (u->terms[i]) {
            sqlite3_str_appendf(sql, "(%s) AS e%u", u->terms[i], i);
        } else {
            sqlite3_str_appendf(sql, "\"%w\" AS e%u", u->cols[i], i);
        }
    }
}

/* Do the held row and the shown one of that key have the same under this index? Its text is that of the schema; where it names what is no column of ours, such as a
** generated one, the question cannot be asked. */
static int is_common(sync_verdict_state *v, const sync_unique *u, const sync_value *key, bool *common)
{
    const sync_table *t = v->t;
    sync_error unknown = {0};
    sqlite3_stmt *stmt;
    int parameter = (int)t->key_count;
    sqlite3_str *sql = sqlite3_str_new(v->s->db);
    *common = false;
    sqlite3_str_appendall(sql, "SELECT 1 FROM (SELECT ");
    put_terms(sql, u);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE (%s)", t->name, u->where ? u->where : "1");
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, " AND \"%w\" = ?%d", t->key_names[i], (int)i + 1);
    }
    sqlite3_str_appendall(sql, ") AS o, (SELECT ");
    put_terms(sql, u);
    sqlite3_str_appendall(sql, " FROM (SELECT ");
    for (uint32_t i = 0; i < t->key_count; i++) {
        sqlite3_str_appendf(sql, "%s?%d AS \"%w\"", i ? ", " : "", ++parameter, t->key_names[i]);
    }
    for (uint32_t i = 0; i < t->col_count; i++) {
        const sync_column *col = &t->cols[i];
        if (col->present && sync_row_find(&v->whole, i)) {
            sqlite3_str_appendf(sql, ", ?%d AS \"%w\"", ++parameter, col->name);
        } else if (col->present) {
            sqlite3_str_appendf(sql, ", (%s) AS \"%w\"", col->preset ? col->preset : "NULL", col->name);
        }
    }
    sqlite3_str_appendf(sql, ") WHERE (%s)) AS n WHERE 1", u->where ? u->where : "1");
    for (uint32_t i = 0; i < u->count; i++) {
        sqlite3_str_appendf(sql, " AND o.e%u = n.e%u COLLATE \"%w\"", i, i, u->collations[i]);
    }
    int rc = sync_prepare_text(v->s, &stmt, &unknown, sqlite3_str_finish(sql));
    if (rc != SYNC_OK) {
        return (rc & 0xff) == SQLITE_ERROR ? SYNC_OK : sync_fail(v->error, rc, "%s", unknown.text);
    }
    for (uint32_t i = 0; rc == SQLITE_OK && i < t->key_count; i++) {
        rc = sync_bind_value(stmt, (int)i + 1, &key[i]);
        rc = rc == SQLITE_OK ? sync_bind_value(stmt, (int)(t->key_count + i) + 1, &v->at[i]) : rc;
    }
    parameter = 2 * (int)t->key_count;
    for (uint32_t i = 0; rc == SQLITE_OK && i < t->col_count; i++) {
        const sync_cell *cell = t->cols[i].present ? sync_row_find(&v->whole, i) : NULL;
        rc = cell ? sync_bind_value(stmt, ++parameter, &cell->value) : rc;
    }
    rc = rc == SQLITE_OK ? sync_step(v->s, stmt, v->error) : sync_fail_db(v->s, v->error, NULL);
    sqlite3_finalize(stmt);
    *common = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Of each index that both are in with the same: the last of its columns that may be NULL, so that as much as may be stays. */
static int choose_columns(sync_verdict_state *v, rival *r)
{
    const sync_table *t = v->t;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < t->unique_count; i++) {
        const sync_unique *u = &t->uniques[i];
        bool common = false;
        uint32_t col = UINT32_MAX;
        rc = u->count ? is_common(v, u, r->key, &common) : SYNC_OK;
        for (uint32_t n = u->count; rc == SYNC_OK && common && col == UINT32_MAX && n-- > 0;) {
            rc = u->terms[n] ? SYNC_OK : sync_verdict_nullable(v, t, u->cols[n], &col);
        }
        if (col != UINT32_MAX) {
            r->columns[col] = true;
        }
    }
    return rc;
}

static int find_rivals(sync_verdict_state *v, sync_merging *m)
{
    rivals *c = v->found;
    sync_value **keys = NULL;
    uint32_t count = 0;
    int rc = sync_clash_displaced(m, v->t, v->at, &v->whole, false, &keys, &count);
    c->list = sync_arena_alloc(&v->arena, (count + 1) * sizeof *c->list);
    rc = rc == SYNC_OK && c->list == NULL ? sync_fail_nomem(v->error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        rival *r = &c->list[c->count];
        if (sync_key_same(v->t, keys[i], v->at)) { /* who has its number is another matter */
            continue;
        }
        r->key = sync_arena_alloc(&v->arena, v->t->key_count * sizeof *r->key);
        r->columns = sync_arena_alloc(&v->arena, v->t->col_count + 1);
        for (uint32_t k = 0; r->key && k < v->t->key_count; k++) {
            r->key = sync_arena_value(&v->arena, &keys[i][k], &r->key[k]) ? r->key : NULL;
        }
        if (r->key == NULL || r->columns == NULL) {
            rc = sync_fail_nomem(v->error);
            break;
        }
        memset(r->columns, 0, v->t->col_count + 1);
        c->count++;
        rc = choose_columns(v, r);
    }
    sync_free(keys);
    return rc;
}

/* ---- the held row is to have it ---- */

/* Takes the value from a shown row, by setting it NULL where that may be, else by deleting the row. */
static int release(sync_verdict_state *v, const rival *r)
{
    sync_row nulls = {0};
    v->columns = r->columns;
    int rc = sync_exec(v->s, v->error, "SAVEPOINT sync_release");
    rc = rc == SYNC_OK ? sync_verdict_nulls(v, SYNC_STAMP_NONE, &nulls) : rc;
    int done = nulls.count ? SYNC_OK : SQLITE_CONSTRAINT;
    if (rc == SYNC_OK && nulls.count) {
        done = sync_base_update(v->s, v->t, r->key, &nulls, false, false, v->error);
        rc = sync_base_refused(done) ? SYNC_OK : done;
    }
    if (rc == SYNC_OK && done != SYNC_OK) {
        rc = sync_exec(v->s, v->error, "ROLLBACK TO sync_release");
        rc = rc == SYNC_OK ? sync_base_delete(v->s, v->t, r->key, v->error) : rc;
        if (sync_base_refused(rc)) {
            rc = sync_verdict_refused(v, v->t, r->key, "it has the value, and cannot be deleted",
                                      sync_base_said(v->s));
        }
    }
    rc = rc == SYNC_OK ? sync_exec(v->s, v->error, "RELEASE sync_release") : rc;
    sync_row_free(&nulls);
    return rc;
}

static int release_all(sync_verdict_state *v)
{
    const rivals *found = v->found;
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < found->count; i++) {
        rc = release(v, &found->list[i]);
    }
    return rc;
}

/* Other rows that are held may have a claim to it too, and have written it later. */
static int claim(sync_verdict_state *v, sync_merging *m)
{
    sync_row change = {0};
    bool listed = false;
    int rc = sync_verdict_listed(v, &listed, NULL);
    sync_stamp stamp = sync_merging_stamp(m);
    for (uint32_t i = 0; rc == SYNC_OK && listed && i < v->row.count; i++) {
        const sync_cell *cell = &v->row.cells[i];
        bool indexed = false;
        for (uint32_t u = 0; u < v->t->unique_count; u++) {
            const sync_unique *index = &v->t->uniques[u];
            indexed = indexed || index->computed;
            for (uint32_t n = 0; n < index->count; n++) {
                indexed = indexed || (index->cols[n] &&
                                      sqlite3_stricmp(index->cols[n], v->t->cols[cell->col].name) == 0);
            }
        }
        sync_cell *written = indexed ? sync_row_set(&change, cell->col, stamp) : NULL;
        rc = indexed && written == NULL ? sync_fail_nomem(v->error) : SYNC_OK;
        if (written) {
            written->carried = true;
            written->value = cell->value;
        }
    }
    for (uint32_t i = 0; rc == SYNC_OK && listed && i < v->row.ref_count; i++) {
        sync_ref ref = v->row.refs[i]; /* what a written cell means stays */
        bool written = ref.col < SYNC_REF_KEY && sync_row_find(&change, ref.col);
        rc = !written || sync_row_add_ref(&change, ref) == SYNC_OK ? SYNC_OK : sync_fail_nomem(v->error);
    }
    rc = rc == SYNC_OK && change.count ? sync_verdict_put(m, v->t, v->key, v->born, &change) : rc;
    sync_row_free(&change);
    return rc;
}

/* ---- the held row is to lose it ---- */

static int lose(sync_verdict_state *v, sync_merging *m)
{
    sync_row change = {0};
    bool listed = true, any = false;
    char why[SYNC_ERROR_BYTES];
    int64_t newest = m->newest;
    sqlite3_snprintf(sizeof why, why, "the columns of the index may not be NULL, or cannot be told");
    for (uint32_t i = 0; i < v->t->col_count; i++) {
        any = any || v->columns[i];
    }
    int rc = sync_exec(v->s, v->error, "SAVEPOINT sync_lose");
    if (rc == SYNC_OK && any) {
        rc = sync_verdict_nulls(v, sync_merging_stamp(m), &change);
        rc = rc == SYNC_OK ? sync_verdict_put(m, v->t, v->key, v->born, &change) : rc;
        m->touched[v->t - v->s->tables] = true;
        rc = rc == SYNC_OK ? sync_settle(m) : rc;
        rc = rc == SYNC_OK ? sync_verdict_listed(v, &listed, why) : rc;
    }
    if (rc == SYNC_OK && listed) {
        rc = sync_exec(v->s, v->error, "ROLLBACK TO sync_lose");
        m->newest = newest;
        if (rc == SYNC_OK && v->choice == SYNC_KEEP_BOTH) {
            rc = sync_verdict_refused(v, v->t, v->key,
                                      "both cannot be kept as they are, so edit one of them first", why);
        }
        rc = rc == SYNC_OK ? sync_verdict_drop(m, v->t, v->key, v->born) : rc;
    }
    rc = rc == SYNC_OK ? sync_exec(v->s, v->error, "RELEASE sync_lose") : rc;
    sync_row_free(&change);
    return rc;
}

int sync_verdict_unique(sync_verdict_state *v)
{
    rivals found = {0};
    v->found = &found;
    int rc = sync_verdict_look(v, find_rivals);
    if (rc == SYNC_OK && v->wanted) {
        rc = sync_verdict_write(v, release_all);
        rc = rc == SYNC_OK ? sync_verdict_merge(v, claim) : rc;
    } else if (rc == SYNC_OK) {
        v->columns = sync_arena_alloc(&v->arena, v->t->col_count + 1);
        if (v->columns) {
            memset(v->columns, 0, v->t->col_count + 1);
        }
        for (uint32_t i = 0; v->columns && i < found.count; i++) {
            for (uint32_t n = 0; n < v->t->col_count; n++) {
                v->columns[n] = v->columns[n] || found.list[i].columns[n];
            }
        }
        rc = v->columns ? sync_verdict_merge(v, lose) : sync_fail_nomem(v->error);
    }
    v->found = NULL;
    return rc;
}
