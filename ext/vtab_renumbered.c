#include "vtab_renumbered.h"

#include "base.h"
#include "clocks.h"
#include "json.h"
#include "schema.h"
#include "tables.h"
#include "vtab.h"

#include <string.h>

static const char declaration[] = "CREATE TABLE x(tbl TEXT, old INTEGER, new INTEGER, at INTEGER, why TEXT, "
                                  "who TEXT, born_at INTEGER, born_by TEXT)";

enum {
    COLUMN_TBL,
    COLUMN_OLD,
    COLUMN_NEW,
    COLUMN_AT,
    COLUMN_WHY,
    COLUMN_WHO,
    COLUMN_BORN_AT,
    COLUMN_BORN_BY
};

/* Who gave the row its number tells why. */
static const char by_author[] = "another row was given the old number earlier";
static const char by_another[] =
    "another row was given the old number earlier; both were kept by sync_resolve, or the "
    "row's own file had not been heard of for long";

typedef struct renumbered {
    const char *table;
    int64_t old, now;
    int64_t at, born_at;
    const char *who, *born_by;
    bool by_author;
} renumbered;

typedef struct renumbered_cursor {
    sqlite3_vtab_cursor base;
    sync_arena arena;
    renumbered *list;
    uint32_t count, cap, at;
} renumbered_cursor;

/* ---- reading ---- */

static const char *site_text(sync_db *s, renumbered_cursor *cursor, sync_stamp stamp)
{
    sync_buf buf = {0};
    char *kept = NULL;
    sync_hex(&buf, s->site_ids[stamp.site], SYNC_SITE_BYTES);
    sync_buf_put_u8(&buf, 0);
    if (!buf.oom) {
        kept = sync_schema_string(&cursor->arena, (const char *)buf.data);
    }
    sync_buf_free(&buf);
    return kept;
}

static int add(sync_db *s, renumbered_cursor *cursor, const char *table, int64_t old, int64_t now,
               const sync_row *row, sync_error *error)
{
    if (cursor->count == cursor->cap) {
        uint32_t cap = cursor->cap ? cursor->cap * 2 : 64;
        renumbered *wider = sync_realloc(cursor->list, cap * sizeof *wider);
        if (wider == NULL) {
            return sync_fail_nomem(error);
        }
        cursor->list = wider;
        cursor->cap = cap;
    }
    renumbered *one = &cursor->list[cursor->count];
    bool born = !sync_stamp_is_none(row->born);
    *one = (renumbered){.table = table,
                        .old = old,
                        .now = now,
                        .at = (int64_t)(row->stamp.hlc >> 16),
                        .born_at = (int64_t)(row->born.hlc >> 16),
                        .who = site_text(s, cursor, row->stamp),
                        .born_by = born ? site_text(s, cursor, row->born) : NULL,
                        .by_author = row->stamp.site == row->born.site};
    if (!one->who || (born && !one->born_by)) {
        return sync_fail_nomem(error);
    }
    cursor->count++;
    return SYNC_OK;
}

/* A clock that a statement gives, at `number`. */
static int unpack(sync_db *s, const sync_table *t, sqlite3_stmt *stmt, int column, sync_row *row,
                  sync_error *error)
{
    sync_value clock = sync_column_value(stmt, column);
    int rc = sync_clocks_unpack(s, t, &clock, row);
    return rc == SYNC_OK ? rc : sync_fail(error, rc, "sync_row_%u: a clock is damaged", t->tid);
}

/* Each row that lies elsewhere has left an entry at its number at birth, which says where; it stays when the row dies. */
static int read_table(sync_db *s, renumbered_cursor *cursor, sync_table *t, sync_error *error)
{
    sqlite3_stmt *stubs = NULL, *clocks = NULL;
    sync_row stub = {0}, row = {0};
    const char *name = sync_schema_string(&cursor->arena, t->name);
    int rc = name ? sync_prepare(s, &stubs, error, "SELECT k1, clock FROM main.sync_hidden_%u WHERE seq = 0",
                                 t->tid)
                  : sync_fail_nomem(error);
    rc = rc == SYNC_OK ? sync_prepare(s, &clocks, error,
                                      "SELECT c.clock FROM main.sync_row_%u AS c JOIN main.\"%w\" AS b ON "
                                      "b.\"%w\" = c.k1 WHERE c.k1 = ?1",
                                      t->tid, t->name, t->key_names[0])
                       : rc;
    while (rc == SYNC_OK && (rc = sync_step(s, stubs, error)) == SQLITE_ROW) {
        int64_t old = sqlite3_column_int64(stubs, 0);
        rc = unpack(s, t, stubs, 1, &stub, error);
        if (rc == SYNC_OK && sqlite3_bind_int64(clocks, 1, stub.birth)) {
            rc = sync_fail_db(s, error, NULL);
        }
        int step = rc == SYNC_OK ? sync_step(s, clocks, error) : rc;
        rc = step == SQLITE_ROW ? unpack(s, t, clocks, 0, &row, error) : step == SQLITE_DONE ? SYNC_OK : step;
        bool its = step == SQLITE_ROW && rc == SYNC_OK && sync_stamp_equal(row.born, stub.born) &&
                   row.moved && row.birth == old;
        rc = its ? add(s, cursor, name, old, stub.birth, &row, error) : rc;
        sqlite3_reset(clocks);
    }
    sqlite3_finalize(stubs);
    sqlite3_finalize(clocks);
    sync_row_free(&stub);
    sync_row_free(&row);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int renumbered_filter(sqlite3_vtab_cursor *base, int index, const char *text, int argc,
                             sqlite3_value **argv)
{
    renumbered_cursor *cursor = (renumbered_cursor *)base;
    sync_db *s = sync_vtab_engine(base->pVtab);
    sync_error error = {0};
    sync_op op = {0};
    (void)index;
    (void)text;
    (void)argc;
    (void)argv;
    cursor->count = cursor->at = 0;
    sync_arena_reset(&cursor->arena);
    int rc = sync_op_begin(s, &op, SYNC_READ, &error);
    if (rc == SYNC_OK) {
        for (uint32_t i = 0; rc == SYNC_OK && s->has_meta && i < s->table_count; i++) {
            bool numbered = s->tables[i].identity == SYNC_BY_ROW && !s->tables[i].missing;
            rc = numbered ? read_table(s, cursor, &s->tables[i], &error) : SYNC_OK;
        }
        rc = sync_op_end(s, &op, rc, &error);
    }
    return rc == SYNC_OK ? SQLITE_OK : sync_tables_fail(base->pVtab, &error);
}

/* ---- the virtual table ---- */

static int renumbered_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                              sqlite3_vtab **out, char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    return sync_vtab_connect(db, context, declaration, out);
}

static int renumbered_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    info->estimatedCost = 1e4;
    info->estimatedRows = 100;
    return SQLITE_OK;
}

static int renumbered_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    (void)vtab;
    return sync_vtab_open(sizeof(renumbered_cursor), out);
}

static int renumbered_close(sqlite3_vtab_cursor *base)
{
    renumbered_cursor *cursor = (renumbered_cursor *)base;
    sync_free(cursor->list);
    sync_arena_free(&cursor->arena);
    return sync_vtab_close(base);
}

static int renumbered_next(sqlite3_vtab_cursor *base)
{
    ((renumbered_cursor *)base)->at++;
    return SQLITE_OK;
}

static int renumbered_eof(sqlite3_vtab_cursor *base)
{
    const renumbered_cursor *cursor = (renumbered_cursor *)base;
    return cursor->at >= cursor->count;
}

static int renumbered_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const renumbered_cursor *cursor = (renumbered_cursor *)base;
    const renumbered *one = &cursor->list[cursor->at];
    const char *texts[] = {[COLUMN_TBL] = one->table,
                           [COLUMN_WHY] = one->by_author ? by_author : by_another,
                           [COLUMN_WHO] = one->who,
                           [COLUMN_BORN_BY] = one->born_by};
    const int64_t numbers[] = {[COLUMN_OLD] = one->old,
                               [COLUMN_NEW] = one->now,
                               [COLUMN_AT] = one->at,
                               [COLUMN_BORN_AT] = one->born_at};
    if (column == COLUMN_BORN_AT && !one->born_by) {
        return SQLITE_OK; /* it was there before the tracking: NULL */
    }
    if (column == COLUMN_TBL || column == COLUMN_WHY || column == COLUMN_WHO || column == COLUMN_BORN_BY) {
        sqlite3_result_text(context, texts[column], -1, SQLITE_TRANSIENT);
    } else {
        sqlite3_result_int64(context, numbers[column]);
    }
    return SQLITE_OK;
}

static int renumbered_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = (sqlite3_int64)((renumbered_cursor *)base)->at + 1;
    return SQLITE_OK;
}

static const sqlite3_module renumbered_module = {
    .xConnect = renumbered_connect,
    .xBestIndex = renumbered_best_index,
    .xDisconnect = sync_vtab_disconnect,
    .xOpen = renumbered_open,
    .xClose = renumbered_close,
    .xFilter = renumbered_filter,
    .xNext = renumbered_next,
    .xEof = renumbered_eof,
    .xColumn = renumbered_column,
    .xRowid = renumbered_rowid,
};

int sync_vtab_renumbered_register(sync_db *s)
{
    return sqlite3_create_module_v2(s->db, "sync_renumbered", &renumbered_module, s, NULL);
}
