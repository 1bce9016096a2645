#include "vtab_changes.h"

#include "cells.h"
#include "json.h"
#include "tables.h"
#include "vtab.h"

#include <string.h>

static const char declaration[] =
    "CREATE TABLE x(version INTEGER, tbl TEXT, key TEXT, op TEXT, col TEXT, value, stamp TEXT, time INTEGER,"
    " site BLOB, cl INTEGER)";

enum {
    COLUMN_VERSION,
    COLUMN_TBL,
    COLUMN_KEY,
    COLUMN_OP,
    COLUMN_COL,
    COLUMN_VALUE,
    COLUMN_STAMP,
    COLUMN_TIME,
    COLUMN_SITE,
    COLUMN_CL
};

/* What a plan pushes down. Each of the first bits stands for one argument of the filter, in this order. */
enum {
    PLAN_VERSION_IS = 1,
    PLAN_ABOVE = 2, /* > and >= alike: SQLite looks at each row again */
    PLAN_BELOW = 4,
    PLAN_TABLE = 8,
    PLAN_ARGUMENTS = 4,
    PLAN_DESCENDING = 16
};

typedef struct changes_cursor {
    sqlite3_vtab_cursor base;
    sync_cells *cells; /* NULL: at the end */
} changes_cursor;

static int changes_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                           char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    return sync_vtab_connect(db, context, declaration, out);
}

/* The bit of the plan that a constraint can serve, or 0. */
static int constraint_bit(sqlite3_index_info *info, int i)
{
    const struct sqlite3_index_constraint *c = &info->aConstraint[i];
    if (!c->usable) {
        return 0;
    }
    if (c->iColumn == COLUMN_TBL && c->op == SQLITE_INDEX_CONSTRAINT_EQ) {
        const char *collation = sqlite3_vtab_collation(info, i); /* names are compared with case folded */
        bool covered = sqlite3_stricmp(collation, "BINARY") == 0 || sqlite3_stricmp(collation, "NOCASE") == 0;
        return covered ? PLAN_TABLE : 0;
    }
    if (c->iColumn != COLUMN_VERSION) {
        return 0;
    }
    switch (c->op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        return PLAN_VERSION_IS;
    case SQLITE_INDEX_CONSTRAINT_GT:
    case SQLITE_INDEX_CONSTRAINT_GE:
        return PLAN_ABOVE;
    case SQLITE_INDEX_CONSTRAINT_LT:
    case SQLITE_INDEX_CONSTRAINT_LE:
        return PLAN_BELOW;
    default:
        return 0;
    }
}

/* Guesses: opening costs as much as a thousand rows, a range is a hundredth of a file, a table a tenth. */
static void estimate(sqlite3_index_info *info, int plan)
{
    double rows = 1e6;
    rows = plan & PLAN_VERSION_IS ? 10 : plan & PLAN_ABOVE ? rows / 100 : plan & PLAN_BELOW ? rows / 2 : rows;
    double cost = 1000 + rows; /* entries of other tables are passed over, not spared */
    if (plan & PLAN_TABLE) {
        rows = rows > 10 ? rows / 10 : rows;
        cost = 1000 + rows * 2;
    }
    info->estimatedCost = cost;
    info->estimatedRows = (sqlite3_int64)rows;
}

static int changes_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    int plan = 0, argument = 0;
    int served[PLAN_ARGUMENTS] = {-1, -1, -1, -1};
    (void)vtab;
    for (int i = 0; i < info->nConstraint; i++) {
        int bit = constraint_bit(info, i);
        for (int a = 0; a < PLAN_ARGUMENTS; a++) {
            if (bit == 1 << a && served[a] < 0) {
                served[a] = i;
                plan |= bit;
            }
        }
    }
    for (int a = 0; a < PLAN_ARGUMENTS; a++) {
        if (served[a] >= 0) {
            info->aConstraintUsage[served[a]].argvIndex = ++argument;
        }
    }
    if (info->nOrderBy == 1 && info->aOrderBy[0].iColumn == COLUMN_VERSION) {
        info->orderByConsumed = 1;
        plan |= info->aOrderBy[0].desc ? PLAN_DESCENDING : 0;
    }
    info->idxNum = plan;
    estimate(info, plan);
    return SQLITE_OK;
}

static int changes_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    (void)vtab;
    return sync_vtab_open(sizeof(changes_cursor), out);
}

static void changes_end(changes_cursor *cursor)
{
    sync_cells_close(cursor->cells);
    cursor->cells = NULL;
}

static int changes_close(sqlite3_vtab_cursor *base)
{
    changes_end((changes_cursor *)base);
    return sync_vtab_close(base);
}

/* Narrows [lo, hi] by a bound on versions, or leaves it; what has no order among numbers is left to SQLite. False: nothing can match. */
static bool narrow(sync_cells_range *range, int plan, sqlite3_value *bound)
{
    int64_t least, most; /* integers that the bound lies between */
    switch (sqlite3_value_numeric_type(bound)) {
    case SQLITE_NULL:
        return false;
    case SQLITE_INTEGER:
        least = most = sqlite3_value_int64(bound);
        break;
    case SQLITE_FLOAT: {
        double r = sqlite3_value_double(bound);
        if (r >= 9223372036854774784.0 || r <= -9223372036854774784.0) {
            return true;
        }
        least = (int64_t)r - 1;
        most = (int64_t)r + 1;
        break;
    }
    default:
        return true;
    }
    if (plan & (PLAN_VERSION_IS | PLAN_ABOVE)) {
        range->lo = least > range->lo ? least : range->lo;
    }
    if (plan & (PLAN_VERSION_IS | PLAN_BELOW)) {
        range->hi = most < range->hi ? most : range->hi;
    }
    return true;
}

/* The range that the arguments ask for; SQLITE_DONE if nothing can match. */
static int range_of(sync_cells_range *range, int plan, sqlite3_value **argv)
{
    *range = (sync_cells_range){.lo = INT64_MIN, .hi = INT64_MAX, .descending = plan & PLAN_DESCENDING};
    int at = 0;
    for (int bit = 1; bit < PLAN_TABLE; bit *= 2) {
        if (plan & bit && !narrow(range, bit, argv[at++])) {
            return SQLITE_DONE;
        }
    }
    if (plan & PLAN_TABLE) {
        if (sqlite3_value_type(argv[at]) == SQLITE_NULL) {
            return SQLITE_DONE;
        }
        range->table = (const char *)sqlite3_value_text(argv[at]);
        return range->table ? SQLITE_OK : SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

static int changes_next(sqlite3_vtab_cursor *base)
{
    changes_cursor *cursor = (changes_cursor *)base;
    sync_error error = {0};
    int rc = sync_cells_next(cursor->cells, &error);
    if (rc == SYNC_ROW) {
        return SQLITE_OK;
    }
    changes_end(cursor);
    return rc == SYNC_DONE ? SQLITE_OK : sync_tables_fail(base->pVtab, &error);
}

static int changes_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                          sqlite3_value **argv)
{
    changes_cursor *cursor = (changes_cursor *)base;
    sync_db *s = sync_vtab_engine(base->pVtab);
    sync_cells_range range;
    sync_operation o = {0};
    sync_error error = {0};
    (void)text;
    (void)argc;
    changes_end(cursor);
    int rc = range_of(&range, plan, argv);
    if (rc != SQLITE_OK) {
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    rc = sync_tables_look(s, &o, &error);
    if (rc == SYNC_OK) {
        rc = s->has_meta ? sync_cells_open(s, &range, &cursor->cells, &error) : SYNC_OK;
        rc = sync_operation_end(s, &o, rc, &error);
    }
    if (rc != SYNC_OK) {
        changes_end(cursor);
        return sync_tables_fail(base->pVtab, &error);
    }
    return cursor->cells ? changes_next(base) : SQLITE_OK;
}

static int changes_eof(sqlite3_vtab_cursor *base)
{
    return ((changes_cursor *)base)->cells == NULL;
}

static int give_key(sqlite3_context *context, sync_cells *cells)
{
    size_t bytes;
    const char *key = sync_cells_key(cells, &bytes);
    if (key == NULL) {
        return SQLITE_NOMEM;
    }
    sqlite3_result_text64(context, key, bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
    return SQLITE_OK;
}

static int give_stamp(sqlite3_context *context, sync_stamp stamp)
{
    sync_buf buf = {0};
    sync_stamp_text(&buf, stamp);
    if (buf.len && !buf.oom) {
        sqlite3_result_text64(context, (const char *)buf.data, buf.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    bool oom = buf.oom;
    sync_buf_free(&buf);
    return oom ? SQLITE_NOMEM : SQLITE_OK;
}

static int changes_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    sync_cells *cells = ((changes_cursor *)base)->cells;
    sync_cells_cell now = sync_cells_now(cells);
    switch (column) {
    case COLUMN_VERSION:
        sqlite3_result_int64(context, now.version);
        break;
    case COLUMN_TBL:
        sqlite3_result_text(context, now.table, -1, SQLITE_TRANSIENT);
        break;
    case COLUMN_KEY:
        return give_key(context, cells);
    case COLUMN_OP:
        sqlite3_result_text(context,
                            now.deleted    ? "delete"
                            : now.inserted ? "insert"
                                           : "update",
                            -1, SQLITE_STATIC);
        break;
    case COLUMN_COL:
        sqlite3_result_text(context, now.column, -1, SQLITE_TRANSIENT);
        break;
    case COLUMN_VALUE:
        sync_cells_value(cells, context);
        break;
    case COLUMN_STAMP:
        return give_stamp(context, now.stamp);
    case COLUMN_TIME:
        sqlite3_result_int64(context, (int64_t)(now.stamp.hlc >> 16));
        break;
    case COLUMN_SITE:
        sqlite3_result_blob(context, sync_cells_site(cells), SYNC_SITE_BYTES, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_result_int64(context, (int64_t)now.cl);
        break;
    }
    return SQLITE_OK;
}

static int changes_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = sync_cells_now(((changes_cursor *)base)->cells).id;
    return SQLITE_OK;
}

static const sqlite3_module changes_module = {
    .xConnect = changes_connect,
    .xBestIndex = changes_best_index,
    .xDisconnect = sync_vtab_disconnect,
    .xOpen = changes_open,
    .xClose = changes_close,
    .xFilter = changes_filter,
    .xNext = changes_next,
    .xEof = changes_eof,
    .xColumn = changes_column,
    .xRowid = changes_rowid,
};

int sync_vtab_changes_register(sync_db *s)
{
    return sqlite3_create_module_v2(s->db, "sync_changes", &changes_module, s, NULL);
}
