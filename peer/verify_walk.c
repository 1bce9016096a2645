/* The second reading of a table: the keys of blocks that differ, in the order of their JSON, in both files side by side. */
#include "verify_internal.h"

#include "json.h"
#include "peer_limits.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS, CLOCKS, HELD, STREAMS };
enum { STAMP_BYTES = 64, SITE_BYTES = 16 };

/* A statement whose first column is a key, as JSON in a blob, and ascends. */
typedef struct stream {
    sqlite3_stmt *stmt;
    const void *key; /* of the row in hand; NULL: at the end */
    size_t bytes;
} stream;

typedef struct cell {
    size_t place; /* of its column */
    int64_t cl;
    uint8_t site[SITE_BYTES];
    char stamp[STAMP_BYTES];
} cell;

typedef struct cells {
    cell *list;
    size_t count, room;
} cells;

typedef struct walk {
    const peer_file *files; /* two */
    const peer_pair *pair;
    const peer_sums *sums; /* two */
    stream streams[PEER_BOTH][STREAMS];
    cells cells[PEER_BOTH]; /* of the key in hand */
    sync_buf key;           /* that key */
    sync_buf scratch;       /* of the SQL functions */
    bool *marks;            /* two for each column, and for the row's existence */
} walk;

static bool no_memory(peer_failure *f)
{
    return peer_fail(f, PEER_EXIT_ERROR, "out of memory");
}

/* ---- SQL functions by which the statements choose and order keys */

static void give_wanted(sqlite3_context *context, const void *key, size_t bytes)
{
    const walk *w = sqlite3_user_data(context);
    size_t block = peer_block_of(key, bytes);
    if (memcmp(w->sums[PEER_A].block[block], w->sums[PEER_B].block[block], sizeof *w->sums->block) != 0) {
        sqlite3_result_blob64(context, key, bytes, SQLITE_TRANSIENT);
    }
}

/* peer_wanted(JSON): its bytes, if its block differs, else NULL. A blob, since text of a UTF-16 file sorts otherwise. */
static void wanted(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const void *key = sqlite3_value_text(values[0]);
    if (key != NULL) {
        give_wanted(context, key, (size_t)sqlite3_value_bytes(values[0]));
    }
}

static sync_value value_of(sqlite3_value *from)
{
    sync_value value = {.type = SYNC_NULL};
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        value.type = SYNC_INTEGER;
        value.i = sqlite3_value_int64(from);
        break;
    case SQLITE_FLOAT:
        value.type = SYNC_REAL;
        value.r = sqlite3_value_double(from);
        break;
    case SQLITE_TEXT:
        value.type = SYNC_TEXT;
        value.data = sqlite3_value_text(from);
        value.bytes = value.data != NULL ? (size_t)sqlite3_value_bytes(from) : 0;
        break;
    case SQLITE_BLOB:
        value.type = SYNC_BLOB;
        value.data = sqlite3_value_blob(from);
        value.bytes = value.data != NULL ? (size_t)sqlite3_value_bytes(from) : 0;
        break;
    default:
        break;
    }
    return value;
}

/* peer_wanted_key(k1, ...): the same of a key's values. */
static void wanted_key(sqlite3_context *context, int count, sqlite3_value **values)
{
    walk *w = sqlite3_user_data(context);
    sync_buf_reset(&w->scratch);
    for (int i = 0; i < count; i++) {
        sync_value value = value_of(values[i]);
        sync_buf_put_u8(&w->scratch, i > 0 ? ',' : '[');
        sync_json_value(&w->scratch, &value);
    }
    sync_buf_put_u8(&w->scratch, ']');
    if (w->scratch.oom) {
        sqlite3_result_error_nomem(context);
    } else {
        give_wanted(context, w->scratch.data, w->scratch.len);
    }
}

/* w NULL: takes them away. */
static bool register_functions(const peer_file *file, walk *w, peer_failure *f)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
    int rc =
        sqlite3_create_function(file->db, "peer_wanted", 1, flags, w, w != NULL ? wanted : NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_function(file->db, "peer_wanted_key", -1, flags, w, w != NULL ? wanted_key : NULL,
                                     NULL, NULL);
    }
    return rc == SQLITE_OK || peer_file_fail(file, f, "cannot be read", rc);
}

/* ---- the statements */

static sqlite3_stmt *prepare_rows(const walk *w, int side, peer_failure *f)
{
    const peer_pair *p = w->pair;
    sqlite3_str *sql = sqlite3_str_new(w->files[side].db);
    sqlite3_str_appendall(sql, "SELECT peer_wanted_key(");
    peer_put_columns(sql, p->key[side], p->keys, "\"%w\"", ", ");
    sqlite3_str_appendall(sql, "), ");
    peer_put_columns(sql, p->key[side], p->keys, "\"%w\"", ", ");
    sqlite3_str_appendall(sql, p->columns > 0 ? ", " : "");
    peer_put_columns(sql, p->column[side], p->columns, "\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", p->table[side]);
    peer_put_columns(sql, p->key[side], p->keys, "\"%w\" IS NOT NULL", " AND ");
    sqlite3_str_appendall(sql, " AND peer_wanted_key(");
    peer_put_columns(sql, p->key[side], p->keys, "\"%w\"", ", ");
    sqlite3_str_appendall(sql, ") IS NOT NULL ORDER BY 1");
    char *text = sqlite3_str_finish(sql);
    sqlite3_stmt *stmt = text != NULL ? peer_file_prepare(&w->files[side], f, "%s", text) : NULL;
    sqlite3_free(text);
    return stmt;
}

/* The next row of a stream. */
static bool go_on(const peer_file *file, stream *s, peer_failure *f)
{
    int rc = peer_file_step(file, s->stmt, f);
    s->key = rc == SQLITE_ROW ? sqlite3_column_blob(s->stmt, 0) : NULL;
    s->bytes = s->key != NULL ? (size_t)sqlite3_column_bytes(s->stmt, 0) : 0;
    return rc == SQLITE_DONE || (rc == SQLITE_ROW && (s->key != NULL || no_memory(f)));
}

static bool open_streams(walk *w, int side, peer_failure *f)
{
    const peer_file *file = &w->files[side];
    stream *s = w->streams[side];
    const char *table = w->pair->table[side];
    if (!register_functions(file, w, f)) {
        return false;
    }
    s[ROWS].stmt = prepare_rows(w, side, f);
    s[CLOCKS].stmt = peer_file_prepare(
        file, f,
        "SELECT peer_wanted(key), col, stamp, site, cl FROM sync_changes WHERE tbl = %Q AND op <> 'delete'"
        " AND peer_wanted(key) IS NOT NULL ORDER BY 1",
        table);
    s[HELD].stmt = peer_file_prepare(file, f,
                                     "SELECT peer_wanted(key) FROM main.sync_conflict WHERE tbl = %Q COLLATE "
                                     "NOCASE AND held AND peer_wanted(key) IS NOT NULL ORDER BY 1",
                                     table);
    for (int i = 0; i < STREAMS; i++) {
        if (s[i].stmt == NULL || !go_on(file, &s[i], f)) {
            return no_memory(f); /* where nothing has been said */
        }
    }
    return true;
}

static void close_streams(walk *w, int side)
{
    peer_failure ignored = {0};
    for (int i = 0; i < STREAMS; i++) {
        sqlite3_finalize(w->streams[side][i].stmt);
    }
    (void)register_functions(&w->files[side], NULL, &ignored);
}

/* ---- one key after the other */

static int compare_keys(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static bool is_at(const walk *w, const stream *s)
{
    return s->key != NULL && compare_keys(s->key, s->bytes, w->key.data, w->key.len) == 0;
}

/* Takes the least key of all streams in hand: *more false when all are at their end. */
static bool take_key(walk *w, bool *more, peer_failure *f)
{
    const stream *least = NULL;
    for (int i = 0; i < PEER_BOTH * STREAMS; i++) {
        const stream *s = &w->streams[i / STREAMS][i % STREAMS];
        if (s->key != NULL &&
            (least == NULL || compare_keys(s->key, s->bytes, least->key, least->bytes) < 0)) {
            least = s;
        }
    }
    *more = least != NULL;
    sync_buf_reset(&w->key);
    if (least != NULL) {
        sync_buf_put(&w->key, least->key, least->bytes);
    }
    return !w->key.oom || no_memory(f);
}

static bool keep_cell(cells *c, sqlite3_stmt *stmt, size_t place, peer_failure *f)
{
    if (c->count == c->room) {
        size_t room = c->room > 0 ? c->room * 2 : 64;
        cell *list = sync_realloc(c->list, room * sizeof *list);
        if (list == NULL) {
            return no_memory(f);
        }
        c->list = list;
        c->room = room;
    }
    const char *stamp = (const char *)sqlite3_column_text(stmt, 2);
    const void *site = sqlite3_column_blob(stmt, 3);
    if (stamp == NULL || site == NULL || sqlite3_column_bytes(stmt, 3) != SITE_BYTES) {
        return no_memory(f);
    }
    cell *to = &c->list[c->count++];
    memset(to, 0, sizeof *to); /* cells are compared as bytes */
    to->place = place;
    to->cl = sqlite3_column_int64(stmt, 4);
    memcpy(to->site, site, SITE_BYTES);
    memcpy(to->stamp, stamp, strnlen(stamp, STAMP_BYTES - 1));
    return true;
}

/* All cells of the key in hand. Several rows may have it: one that is shown, and others that are held and claim the same number. */
static bool take_cells(walk *w, int side, peer_failure *f)
{
    stream *s = &w->streams[side][CLOCKS];
    w->cells[side].count = 0;
    for (size_t hint = 0; is_at(w, s);) {
        const char *column = (const char *)sqlite3_column_text(s->stmt, 1);
        size_t place = peer_column_place(w->pair, side, column, hint);
        hint = place + 1;
        if ((place <= w->pair->columns && !keep_cell(&w->cells[side], s->stmt, place, f)) ||
            !go_on(&w->files[side], s, f)) {
            return false;
        }
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const cell *x = a, *y = b;
    return x->place != y->place ? (x->place > y->place ? 1 : -1) : memcmp(x, y, sizeof *x);
}

/* Marks the columns in whose cells the two lists differ; true: there are none. */
static bool compare_cells(cells both[PEER_BOTH], bool *differs)
{
    bool agree = true;
    size_t at[PEER_BOTH] = {0, 0};
    for (int side = 0; side < PEER_BOTH; side++) {
        if (both[side].count > 1) {
            qsort(both[side].list, both[side].count, sizeof(cell), by_place);
        }
    }
    while (at[PEER_A] < both[PEER_A].count || at[PEER_B] < both[PEER_B].count) {
        const cell *a = at[PEER_A] < both[PEER_A].count ? &both[PEER_A].list[at[PEER_A]] : NULL,
                   *b = at[PEER_B] < both[PEER_B].count ? &both[PEER_B].list[at[PEER_B]] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : by_place(a, b);
        at[PEER_A] += order <= 0;
        at[PEER_B] += order >= 0;
        if (order != 0) {
            differs[(order < 0 ? a : b)->place] = true;
            agree = false;
        }
    }
    return agree;
}

/* Marks the columns in which the rows in hand differ. */
static bool compare_rows(const walk *w, bool *differs, bool *same, peer_failure *f)
{
    *same = true;
    for (size_t i = 0; i < w->pair->columns; i++) {
        sync_value values[PEER_BOTH];
        for (int side = 0; side < PEER_BOTH; side++) {
            if (!peer_column_value(w->streams[side][ROWS].stmt, (int)(1 + w->pair->keys + i),
                                   &values[side])) {
                return no_memory(f);
            }
        }
        differs[i] = !sync_value_same(&values[PEER_A], &values[PEER_B]);
        *same = *same && !differs[i];
    }
    return true;
}

/* The key in hand, in both files; every stream goes past it. */
static bool look(walk *w, peer_difference_found *found, void *context, peer_failure *f)
{
    bool *value_differs = w->marks, *clock_differs = w->marks + w->pair->columns + 1, same = true;
    memset(w->marks, 0, 2 * (w->pair->columns + 1) * sizeof *w->marks);
    peer_difference d = {.pair = w->pair,
                         .key = (const char *)w->key.data,
                         .key_bytes = w->key.len,
                         .value_differs = value_differs,
                         .clock_differs = clock_differs};
    for (int side = 0; side < PEER_BOTH; side++) {
        stream *s = w->streams[side];
        d.row[side] = is_at(w, &s[ROWS]) ? s[ROWS].stmt : NULL;
        if (!take_cells(w, side, f)) {
            return false;
        }
        while (is_at(w, &s[HELD])) {
            d.held[side] = true;
            if (!go_on(&w->files[side], &s[HELD], f)) {
                return false;
            }
        }
    }
    d.clocks_agree = compare_cells(w->cells, clock_differs);
    if (d.row[PEER_A] != NULL && d.row[PEER_B] != NULL && !compare_rows(w, value_differs, &same, f)) {
        return false;
    }
    d.kind = d.row[PEER_A] != NULL && d.row[PEER_B] == NULL   ? PEER_ONLY_A
             : d.row[PEER_A] == NULL && d.row[PEER_B] != NULL ? PEER_ONLY_B
             : !same                                          ? PEER_VALUES
             : !d.clocks_agree                                ? PEER_CLOCKS
                                                              : PEER_KINDS;
    bool good = d.kind == PEER_KINDS || found(context, &d, f);
    for (int side = 0; good && side < PEER_BOTH; side++) {
        good = d.row[side] == NULL || go_on(&w->files[side], &w->streams[side][ROWS], f);
    }
    return good;
}

bool peer_walk(const peer_file files[PEER_BOTH], const peer_pair *pair, const peer_sums sums[PEER_BOTH],
               peer_difference_found *found, void *context, peer_failure *f)
{
    walk w = {.files = files, .pair = pair, .sums = sums};
    if (memcmp(sums[PEER_A].block, sums[PEER_B].block, PEER_VERIFY_BLOCKS * sizeof *sums->block) == 0) {
        return true;
    }
    w.marks = sync_alloc(2 * (pair->columns + 1) * sizeof *w.marks);
    bool good = w.marks != NULL || no_memory(f), more = true;
    good = good && open_streams(&w, PEER_A, f) && open_streams(&w, PEER_B, f);
    while (good && more) {
        good = take_key(&w, &more, f) && (!more || look(&w, found, context, f));
    }
    for (int side = 0; side < PEER_BOTH; side++) {
        close_streams(&w, side);
        sync_free(w.cells[side].list);
    }
    sync_buf_free(&w.key);
    sync_buf_free(&w.scratch);
    sync_free(w.marks);
    return good;
}
