#include "chunk.h"

#include "vtab.h"

#include <stdlib.h>
#include <string.h>

typedef struct chunk_cursor {
    sqlite3_vtab_cursor base;
    uint32_t at;
} chunk_cursor;

enum { COLUMN_SEQ, COLUMN_CLOCK, COLUMN_KEY };

static int chunk_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                         char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendall(sql, "CREATE TABLE x(seq, clock");
    for (int i = 1; i <= SYNC_KEY_COLUMNS_MAX; i++) {
        sqlite3_str_appendf(sql, ", k%d", i);
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sync_vtab_connect(db, context, text, out) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc;
}

static int chunk_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    info->estimatedCost = 1000;
    return SQLITE_OK;
}

static int chunk_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    (void)vtab;
    return sync_vtab_open(sizeof(chunk_cursor), out);
}

static const sync_chunk *chunk_of(sqlite3_vtab_cursor *cursor)
{
    return sync_vtab_engine(cursor->pVtab)->chunk;
}

static int chunk_filter(sqlite3_vtab_cursor *cursor, int number, const char *text, int argc,
                        sqlite3_value **argv)
{
    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    ((chunk_cursor *)cursor)->at = 0;
    return SQLITE_OK;
}

static int chunk_next(sqlite3_vtab_cursor *cursor)
{
    ((chunk_cursor *)cursor)->at++;
    return SQLITE_OK;
}

static int chunk_eof(sqlite3_vtab_cursor *cursor)
{
    const sync_chunk *chunk = chunk_of(cursor);
    return chunk == NULL || ((chunk_cursor *)cursor)->at >= chunk->count;
}

static void give_value(sqlite3_context *context, const sync_value *v)
{
    switch (v->type) {
    case SYNC_INTEGER:
        sqlite3_result_int64(context, v->i);
        break;
    case SYNC_REAL:
        sqlite3_result_double(context, v->r);
        break;
    case SYNC_TEXT:
        sqlite3_result_text64(context, v->bytes ? v->data : "", v->bytes, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case SYNC_BLOB:
        sqlite3_result_blob64(context, v->bytes ? v->data : "", v->bytes, SQLITE_STATIC);
        break;
    default:
        break;
    }
}

static int chunk_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
    const sync_chunk *chunk = chunk_of(cursor);
    const sync_chunk_row *row = &chunk->rows[((chunk_cursor *)cursor)->at];
    if (column == COLUMN_SEQ) {
        sqlite3_result_int64(context, row->seq);
    } else if (column == COLUMN_CLOCK) {
        sqlite3_result_blob64(context, chunk->clocks.data + row->clock, row->bytes, SQLITE_STATIC);
    } else if ((uint32_t)(column - COLUMN_KEY) < sync_vtab_engine(cursor->pVtab)->chunk_keys) {
        give_value(context, &row->key[column - COLUMN_KEY]);
    }
    return SQLITE_OK;
}

static int chunk_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
    *rowid = ((chunk_cursor *)cursor)->at;
    return SQLITE_OK;
}

static const sqlite3_module chunk_module = {
    .xConnect = chunk_connect,
    .xBestIndex = chunk_best_index,
    .xDisconnect = sync_vtab_disconnect,
    .xOpen = chunk_open,
    .xClose = sync_vtab_close,
    .xFilter = chunk_filter,
    .xNext = chunk_next,
    .xEof = chunk_eof,
    .xColumn = chunk_column,
    .xRowid = chunk_rowid,
};

int sync_chunk_register(sync_db *s)
{
    return sqlite3_create_module_v2(s->db, "sync_chunk", &chunk_module, s, NULL);
}

/* By the first key column, roughly as its b-tree has it: numbers, or the first bytes of texts and blobs. */
static uint64_t order_of(const sync_value *key)
{
    uint64_t order = 0;
    const uint8_t *bytes = key->data;
    if (key->type == SYNC_INTEGER) {
        return (uint64_t)key->i ^ 1ull << 63;
    }
    for (size_t i = 0; i < sizeof order && (key->type == SYNC_TEXT || key->type == SYNC_BLOB); i++) {
        order = order << 8 | (i < key->bytes ? bytes[i] : 0);
    }
    return order;
}

int sync_chunk_add(sync_chunk *chunk, const sync_value *key, int64_t seq, size_t bytes, sync_error *error)
{
    if (chunk->clocks.oom) {
        return sync_fail_nomem(error);
    }
    if (chunk->clocks.len > UINT32_MAX) {
        return sync_fail(error, SYNC_TOOBIG, "the clocks of one write are larger than 4 GiB");
    }
    if (chunk->count == chunk->cap) {
        uint32_t cap = chunk->cap ? chunk->cap * 2 : 256;
        sync_chunk_row *wider = sync_realloc(chunk->rows, cap * sizeof *wider);
        if (wider == NULL) {
            return sync_fail_nomem(error);
        }
        chunk->rows = wider;
        chunk->cap = cap;
    }
    chunk->rows[chunk->count++] =
        (sync_chunk_row){key, seq, order_of(key), (uint32_t)(chunk->clocks.len - bytes), (uint32_t)bytes};
    return SYNC_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const sync_chunk_row *x = a, *y = b;
    if (x->order != y->order) {
        return x->order < y->order ? -1 : 1;
    }
    const sync_value *k = x->key, *l = y->key;
    if (k->type != l->type || (k->type != SYNC_TEXT && k->type != SYNC_BLOB)) {
        return (int)k->type - (int)l->type;
    }
    size_t least = k->bytes < l->bytes ? k->bytes : l->bytes;
    int order = least ? memcmp(k->data, l->data, least) : 0;
    return order ? order : (k->bytes > l->bytes) - (k->bytes < l->bytes);
}

/* Neighbours in the order touch the same pages. */
static void sort_rows(sync_chunk *chunk)
{
    uint32_t i = 1;
    while (i < chunk->count && compare_rows(&chunk->rows[i - 1], &chunk->rows[i]) <= 0) {
        i++;
    }
    if (i < chunk->count) {
        qsort(chunk->rows, chunk->count, sizeof *chunk->rows, compare_rows);
    }
}

void sync_chunk_show(sync_db *s, const sync_table *t, sync_chunk *chunk)
{
    sort_rows(chunk);
    s->chunk = chunk;
    s->chunk_keys = t->key_count;
}

void sync_chunk_hide(sync_db *s, sync_chunk *chunk)
{
    s->chunk = NULL;
    chunk->count = 0;
    sync_buf_reset(&chunk->clocks);
}

static void build_bulk(const sync_db *s, const sync_table *t, sqlite3_str *sql)
{
    (void)s;
    sqlite3_str_appendf(sql, "INSERT OR FAIL INTO main.sync_row_%u(seq, clock, ", t->tid);
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendall(sql, ") SELECT seq, clock, ");
    sync_str_numbers(sql, t, "k%d", ", ");
    sqlite3_str_appendall(sql, " FROM sync_chunk");
}

int sync_chunk_write(sync_db *s, sync_table *t, sync_chunk *chunk, sync_error *error)
{
    if (chunk->count == 0) {
        return SYNC_OK;
    }
    sqlite3_stmt *stmt;
    int rc = sync_table_stmt(s, t, SYNC_STMT_CLOCK_BULK, build_bulk, &stmt, error);
    sync_chunk_show(s, t, chunk);
    rc = rc == SYNC_OK ? sync_run(s, stmt, error) : rc;
    sync_chunk_hide(s, chunk);
    return rc;
}

void sync_chunk_free(sync_chunk *chunk)
{
    sync_free(chunk->rows);
    sync_buf_free(&chunk->clocks);
}
