#include "vtab_status.h"

#include "schema.h"
#include "tables.h"
#include "vtab.h"

#include <string.h>

static const char declaration[] =
    "CREATE TABLE x(tbl TEXT, identity TEXT, options TEXT, rows_with_clocks INTEGER, journal_length INTEGER,"
    " tail INTEGER, genesis INTEGER, genesis_at TEXT, metadata_bytes INTEGER, bytes_by TEXT, held INTEGER,"
    " pending INTEGER, null_keys INTEGER, note TEXT)";

enum {
    COLUMN_TBL,
    COLUMN_IDENTITY,
    COLUMN_OPTIONS,
    COLUMN_ROWS,
    COLUMN_JOURNAL,
    COLUMN_TAIL,
    COLUMN_GENESIS,
    COLUMN_GENESIS_AT,
    COLUMN_BYTES,
    COLUMN_BYTES_BY,
    COLUMN_HELD,
    COLUMN_PENDING,
    COLUMN_NULL_KEYS,
    COLUMN_NOTE
};

/* What a column costs to know is spent only where it is asked for. */
#define ASKED(mask, column) (((mask) >> (column)) & 1)

typedef struct status_row {
    const char *name;
    const char *options;
    bool by_row;
    int64_t rows, journal, tail, genesis, bytes, held, pending, null_keys;
    char *genesis_at;
    char *note; /* NULL: none */
} status_row;

typedef struct status_cursor {
    sqlite3_vtab_cursor base;
    sync_arena arena;
    status_row *rows;
    uint32_t count, at;
    bool measured; /* bytes are from dbstat */
} status_cursor;

/* ---- what is known of one table ---- */

/* Entries of the table: marks of tracking name no row and are not counted. */
static const char counts_sql[] = "SELECT count(*), count(*) FILTER (WHERE seq > (SELECT folded FROM "
                                 "main.sync_meta)) FROM main.sync_journal"
                                 " WHERE tid & ?2 = ?1 AND NOT (op = 0 AND k1 IS NULL)";

/* Columns of other files whose values wait here. */
#define WAITING                                                                                              \
    "FROM main.sync_column AS c WHERE c.tid = ?1 AND ?2 AND c.cid >= 0 AND c.present = 0 AND NOT EXISTS"     \
    " (SELECT 1 FROM main.sync_table AS n JOIN pragma_table_xinfo(n.name, 'main') AS x WHERE n.tid = c.tid"  \
    " AND x.name = c.name COLLATE NOCASE)"

static const char waiting_sql[] = "SELECT c.name " WAITING " ORDER BY c.cid";

static const char table_sql[] =
    "SELECT null_keys, strftime('%Y-%m-%dT%H:%M:%fZ', (genesis_hlc >> 16) / 1000.0, 'unixepoch'),"
    " (SELECT count(*) FROM main.sync_conflict AS c WHERE c.tid = t.tid AND held), (SELECT count(*) " WAITING
    ") FROM main.sync_table AS t WHERE tid = ?1 AND ?2";

static int prepare_for(sync_db *s, const sync_table *t, const char *sql, sqlite3_stmt **stmt,
                       sync_error *error)
{
    int rc = sync_prepare(s, stmt, error, "%s", sql);
    if (rc == SYNC_OK &&
        (sqlite3_bind_int64(*stmt, 1, t->tid) || sqlite3_bind_int64(*stmt, 2, SYNC_TID_MASK))) {
        rc = sync_fail_db(s, error, NULL);
    }
    return rc == SYNC_OK ? sync_step(s, *stmt, error) : rc;
}

static int read_counts(sync_db *s, const sync_table *t, status_row *row, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = prepare_for(s, t, counts_sql, &stmt, error);
    if (rc == SQLITE_ROW) {
        row->journal = sqlite3_column_int64(stmt, 0);
        row->tail = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int read_table(sync_db *s, status_cursor *cursor, const sync_table *t, status_row *row,
                      sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = prepare_for(s, t, table_sql, &stmt, error);
    if (rc == SQLITE_ROW) {
        const char *at;
        rc = sync_column_text(stmt, 1, &at, error);
        size_t bytes = at ? strlen(at) + 1 : 0;
        row->null_keys = sqlite3_column_int64(stmt, 0);
        row->held = sqlite3_column_int64(stmt, 2);
        row->pending = sqlite3_column_int64(stmt, 3);
        row->genesis_at = at ? sync_arena_alloc(&cursor->arena, bytes) : NULL;
        if (row->genesis_at) {
            memcpy(row->genesis_at, at, bytes);
        } else if (at) {
            rc = sync_fail_nomem(error);
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int read_rows(sync_db *s, const sync_table *t, status_row *row, sync_error *error)
{
    int64_t hidden = 0;
    int rc = sync_query_int(s, &row->rows, 0, error, "SELECT count(*) FROM main.sync_row_%u", t->tid);
    if (rc == SYNC_OK && t->identity == SYNC_BY_ROW) {
        rc = sync_query_int(s, &hidden, 0, error, "SELECT count(*) FROM main.sync_hidden_%u WHERE seq > 0",
                            t->tid);
    }
    row->rows += hidden;
    return rc;
}

/* ---- bytes: of the clocks, and the table's share of the journal ---- */

/* By pages, where SQLite can count them. */
static int measure(sync_db *s, const sync_table *t, status_row *row, sync_error *error)
{
    int64_t clocks = 0, journal = 0;
    int rc = sync_query_int(
        s, &clocks, 0, error,
        "SELECT sum(pgsize) FROM dbstat('main', 1) WHERE name IN ('sync_row_%u', 'sync_hidden_%u')", t->tid,
        t->tid);
    if (rc == SYNC_OK) {
        rc =
            sync_query_int(s, &journal, 0, error,
                           "SELECT (SELECT pgsize FROM dbstat('main', 1) WHERE name = 'sync_journal') *"
                           " count(*) FILTER (WHERE tid & %d = %u) / max(count(*), 1) FROM main.sync_journal",
                           SYNC_TID_MASK, t->tid);
    }
    row->bytes = clocks + journal;
    return rc;
}

/* By what is in the rows: pages and their slack are left out. */
static int estimate(sync_db *s, const sync_table *t, status_row *row, sync_error *error)
{
    static const char *const places[] = {"row", "hidden"};
    int rc = SYNC_OK;
    row->bytes = 0;
    int clocks = t->identity == SYNC_BY_ROW ? 2 : 1;
    for (int i = 0; rc == SYNC_OK && i <= clocks; i++) {
        bool journal = i == clocks;
        int64_t bytes = 0;
        sqlite3_stmt *stmt;
        sqlite3_str *sql = sqlite3_str_new(s->db);
        /* beside keys and clock: the record's header, numbers and the cell's own length */
        sqlite3_str_appendf(sql, "SELECT sum(16 + %s + ", journal ? "8" : "length(clock)");
        sync_str_numbers(sql, t, "coalesce(length(CAST(k%d AS BLOB)), 0)", " + ");
        if (journal) {
            sqlite3_str_appendf(sql, ") FROM main.sync_journal WHERE tid & %d = %u", SYNC_TID_MASK, t->tid);
        } else {
            sqlite3_str_appendf(sql, ") FROM main.sync_%s_%u", places[i], t->tid);
        }
        rc = sync_prepare_text(s, &stmt, error, sqlite3_str_finish(sql));
        if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
            bytes = sqlite3_column_int64(stmt, 0);
            rc = SYNC_OK;
        }
        sqlite3_finalize(stmt);
        row->bytes += bytes;
    }
    return rc;
}

/* A build of SQLite may lack dbstat, and a host may forbid it; anything else is an error. */
static int can_measure(sync_db *s, bool *can, sync_error *error)
{
    sync_error why = {0};
    sqlite3_stmt *stmt = NULL;
    int rc = sync_prepare(s, &stmt, &why, "SELECT pgsize FROM dbstat('main', 1)");
    sqlite3_finalize(stmt);
    *can = rc == SYNC_OK;
    return *can || (rc & 0xff) == SQLITE_ERROR || (rc & 0xff) == SQLITE_AUTH
               ? SYNC_OK
               : sync_fail(error, rc, "%s", why.text);
}

/* ---- notes ---- */

static void note(sqlite3_str *notes, const char *format, ...)
{
    va_list args;
    sqlite3_str_appendall(notes, sqlite3_str_length(notes) ? "; " : "");
    va_start(args, format);
    sqlite3_str_vappendf(notes, format, args);
    va_end(args);
}

/* Is there an index whose first columns are those of the foreign key? */
static int is_indexed(sync_db *s, const sync_table *t, const sync_fk *fk, bool *indexed, sync_error *error)
{
    int64_t found = 0;
    if (fk->count == 1 && t->rowid_alias && sqlite3_stricmp(fk->from[0], t->key_names[0]) == 0) {
        *indexed = true;
        return SYNC_OK;
    }
    sqlite3_str *sql = sqlite3_str_new(s->db);
    sqlite3_str_appendf(
        sql,
        "SELECT EXISTS (SELECT 1 FROM pragma_index_list(%Q, 'main') AS l WHERE NOT partial AND %u ="
        " (SELECT count(*) FROM pragma_index_info(l.name, 'main') WHERE seqno < %u AND"
        " name COLLATE NOCASE IN (",
        t->name, fk->count, fk->count);
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendf(sql, "%s%Q", i ? ", " : "", fk->from[i]);
    }
    sqlite3_str_appendall(sql, ")))");
    sqlite3_stmt *stmt;
    int rc = sync_prepare_text(s, &stmt, error, sqlite3_str_finish(sql));
    if (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        found = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    *indexed = found != 0;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Appends the columns of the foreign key. */
static void put_from(sqlite3_str *str, const sync_fk *fk, const char *format, const char *between)
{
    for (uint32_t i = 0; i < fk->count; i++) {
        sqlite3_str_appendall(str, i ? between : "");
        sqlite3_str_appendf(str, format, fk->from[i]);
    }
}

/* The statement that gives it an index, under a name that is free. */
static int put_create_index(sync_db *s, const sync_table *t, const sync_fk *fk, sqlite3_str *notes,
                            sync_error *error)
{
    int64_t taken = 1;
    int rc = SYNC_OK;
    for (int number = 1; rc == SYNC_OK && taken; number++) {
        sqlite3_str *str = sqlite3_str_new(s->db);
        sqlite3_str_appendf(str, "%s_", t->name);
        put_from(str, fk, "%s", "_");
        if (number > 1) {
            sqlite3_str_appendf(str, "_%d", number);
        }
        char *name = sqlite3_str_finish(str);
        rc = name ? sync_query_int(
                        s, &taken, 0, error,
                        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = %Q COLLATE NOCASE)",
                        name)
                  : sync_fail_nomem(error);
        if (rc == SYNC_OK && !taken) {
            sqlite3_str_appendf(notes, ": CREATE INDEX main.\"%w\" ON \"%w\"(", name, t->name);
            put_from(notes, fk, "\"%w\"", ", ");
            sqlite3_str_appendall(notes, ")");
        }
        sqlite3_free(name);
    }
    return rc;
}

static int note_foreign_keys(sync_db *s, const sync_table *t, sqlite3_str *notes, sync_error *error)
{
    int rc = SYNC_OK;
    for (uint32_t i = 0; rc == SYNC_OK && i < s->fk_count; i++) {
        const sync_fk *fk = &s->fks[i];
        bool indexed = true;
        if (fk->child_tid == t->tid) {
            rc = is_indexed(s, t, fk, &indexed, error);
        }
        if (rc == SYNC_OK && !indexed) {
            note(notes, "foreign key without an index: %s(", t->name);
            put_from(notes, fk, "%s", ", ");
            sqlite3_str_appendall(notes, ")");
            rc = put_create_index(s, t, fk, notes, error);
        }
    }
    return rc;
}

static int note_waiting(sync_db *s, const sync_table *t, sqlite3_str *notes, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = prepare_for(s, t, waiting_sql, &stmt, error);
    for (; rc == SQLITE_ROW; rc = sync_step(s, stmt, error)) {
        note(notes, "other files have a column that is not here: %s", sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

/* Its triggers hang on another table now. */
static void note_renamed(const sync_db *s, const sync_table *t, bool another, const char *now,
                         sqlite3_str *notes)
{
    const sync_table *taken = NULL;
    for (uint32_t i = 0; i < s->table_count; i++) {
        taken = sqlite3_stricmp(s->tables[i].name, now) == 0 ? &s->tables[i] : taken;
    }
    if (another) {
        note(notes,
             "missing: renamed to %s, and another table has its name now; sync_untrack(%Q), then "
             "sync_track(%Q) or"
             " sync_track(%Q)",
             now, t->name, now, t->name);
    } else if (taken) {
        note(notes, "missing: renamed to %s, where another table was tracked; sync_untrack(%Q) lets that go",
             now, taken->name);
    } else {
        note(notes, "missing: renamed to %s; sync_untrack(%Q), then sync_track(%Q)", now, t->name, now);
    }
}

static int note_missing(sync_db *s, const sync_table *t, sqlite3_str *notes, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    const char *type = NULL, *now = NULL;
    int rc = sync_prepare(
        s, &stmt, error,
        "SELECT (SELECT type FROM main.sqlite_schema WHERE type IN ('table', 'view') AND name = %Q COLLATE "
        "NOCASE),"
        " (SELECT tbl_name FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB 'sync_%u_[biudk]*')",
        t->name, t->tid);
    rc = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
    if (rc == SQLITE_ROW) {
        rc = sync_column_text(stmt, 0, &type, error);
        rc = rc == SYNC_OK ? sync_column_text(stmt, 1, &now, error) : rc;
    }
    if (rc == SYNC_OK) {
        if (t->moved_to && sqlite3_stricmp(t->moved_to, t->name) == 0) {
            note(notes, "columns of its key were renamed: sync_fold() follows them");
        } else if (t->moved_to) {
            note(notes, "renamed to %s: sync_fold() follows it", t->moved_to);
        } else if (now && (type == NULL || sqlite3_stricmp(now, t->name) != 0)) {
            note_renamed(s, t, type != NULL, now, notes);
        } else if (type && strcmp(type, "view") == 0) {
            note(notes, "missing: a view has its name; sync_untrack(%Q) lets it go", t->name);
        } else if (type && t->key_count == 0) {
            note(notes, "missing: rebuilt without a primary key; give it one, or sync_untrack(%Q)", t->name);
        } else if (type) {
            note(notes,
                 "missing: rebuilt with another key; sync_untrack(%Q), then sync_track(%Q) adopts it anew",
                 t->name, t->name);
        } else {
            note(notes, "missing: dropped; sync_untrack(%Q) lets it go", t->name);
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* A table that was renamed, and that no other file has given anything of since. */
static int note_formerly(sync_db *s, const sync_table *t, sqlite3_str *notes, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    sync_matrix cursors = {0};
    bool exchanged = false;
    if (strstr(t->options, "\"formerly\"") == NULL) {
        return SYNC_OK;
    }
    int rc = sync_engine_cursors(s, &cursors, error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->sites.count; i++) {
        exchanged = exchanged || sync_matrix_at(&cursors, (uint32_t)(t - s->tables), i) > 0;
    }
    sync_matrix_free(&cursors);
    if (rc != SYNC_OK || exchanged) {
        return rc;
    }
    rc = sync_prepare(s, &stmt, error, "SELECT %Q ->> 'formerly'", t->options);
    rc = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
    if (rc == SQLITE_ROW) {
        const char *was;
        rc = sync_column_text(stmt, 0, &was, error);
        if (was) {
            note(notes, "renamed here, from %s: no other file has given changes of it under this name yet",
                 was);
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* Nobody knows what a program wrote while there were no triggers. */
static int note_unseen(sync_db *s, const sync_table *t, sqlite3_str *notes, sync_error *error)
{
    sqlite3_stmt *stmt = NULL;
    if (strstr(t->options, "\"unseen\"") == NULL) {
        return SYNC_OK;
    }
    int rc = sync_prepare(s, &stmt, error, "SELECT %Q ->> 'unseen'", t->options);
    rc = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
    if (rc == SQLITE_ROW) {
        const char *until;
        rc = sync_column_text(stmt, 0, &until, error);
        if (until) {
            note(
                notes,
                "its triggers were gone until %s (rebuilt, or dropped), and what was written meanwhile is not"
                " recorded: sync_touch(%Q, key) each such row, or let sync-peer verify --repair find them",
                until, t->name);
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
}

static int read_note(sync_db *s, status_cursor *cursor, const sync_table *t, status_row *row,
                     sync_error *error)
{
    int rc = SYNC_OK;
    sqlite3_str *notes = sqlite3_str_new(s->db);
    if (t->missing) {
        rc = note_missing(s, t, notes, error);
    } else {
        if (t->untriggered) {
            note(notes, "triggers are gone, or do not fire first: sync_fold() makes them anew");
        }
        if (t->late) {
            note(notes, "columns that the triggers do not know, or that are gone: sync_fold() sees to them");
        }
        rc = note_formerly(s, t, notes, error);
        rc = rc == SYNC_OK ? note_unseen(s, t, notes, error) : rc;
        rc = rc == SYNC_OK ? note_waiting(s, t, notes, error) : rc;
        rc = rc == SYNC_OK ? note_foreign_keys(s, t, notes, error) : rc;
    }
    if (row->null_keys) {
        note(notes, "rows with a NULL in the key stay in this file (%lld written)", row->null_keys);
    }
    int bytes = sqlite3_str_length(notes);
    bool memory = sqlite3_str_errcode(notes) == SQLITE_OK;
    char *text = sqlite3_str_finish(notes);
    if (memory && bytes && (row->note = sync_arena_alloc(&cursor->arena, (size_t)bytes + 1)) != NULL) {
        memcpy(row->note, text, (size_t)bytes + 1);
    }
    memory = memory && (bytes == 0 || row->note);
    sqlite3_free(text);
    return rc == SYNC_OK && !memory ? sync_fail_nomem(error) : rc;
}

/* ---- all tables ---- */

static int read_status(sync_db *s, status_cursor *cursor, const sync_table *t, status_row *row, int asked,
                       sync_error *error)
{
    char *name = sync_schema_string(&cursor->arena, t->name);
    char *options = sync_schema_string(&cursor->arena, t->options);
    if (!name || !options) {
        return sync_fail_nomem(error);
    }
    *row = (status_row){
        .name = name, .options = options, .by_row = t->identity == SYNC_BY_ROW, .genesis = t->genesis_seq};
    int rc = read_table(s, cursor, t, row, error);
    if (rc == SYNC_OK && ASKED(asked, COLUMN_ROWS)) {
        rc = read_rows(s, t, row, error);
    }
    if (rc == SYNC_OK && (ASKED(asked, COLUMN_JOURNAL) || ASKED(asked, COLUMN_TAIL))) {
        rc = read_counts(s, t, row, error);
    }
    if (rc == SYNC_OK && (ASKED(asked, COLUMN_BYTES) || ASKED(asked, COLUMN_BYTES_BY))) {
        rc = can_measure(s, &cursor->measured, error);
        if (rc == SYNC_OK) {
            rc = cursor->measured ? measure(s, t, row, error) : estimate(s, t, row, error);
        }
    }
    return rc == SYNC_OK && ASKED(asked, COLUMN_NOTE) ? read_note(s, cursor, t, row, error) : rc;
}

static int status_filter(sqlite3_vtab_cursor *base, int asked, const char *text, int argc,
                         sqlite3_value **argv)
{
    status_cursor *cursor = (status_cursor *)base;
    sync_db *s = sync_vtab_engine(base->pVtab);
    sync_error error = {0};
    sync_op op = {0};
    (void)text;
    (void)argc;
    (void)argv;
    cursor->count = cursor->at = 0;
    sync_arena_reset(&cursor->arena);
    int rc = sync_op_begin(s, &op, SYNC_READ, &error);
    if (rc == SYNC_OK) {
        uint32_t count = s->has_meta ? s->table_count : 0;
        cursor->rows = sync_arena_alloc(&cursor->arena, (count + 1) * sizeof *cursor->rows);
        rc = cursor->rows ? SYNC_OK : sync_fail_nomem(&error);
        for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
            rc = read_status(s, cursor, &s->tables[i], &cursor->rows[i], asked, &error);
        }
        cursor->count = rc == SYNC_OK ? count : 0;
        rc = sync_op_end(s, &op, rc, &error);
    }
    return rc == SYNC_OK ? SQLITE_OK : sync_tables_fail(base->pVtab, &error);
}

/* ---- the virtual table ---- */

static int status_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                          char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    return sync_vtab_connect(db, context, declaration, out);
}

static int status_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    (void)vtab;
    info->idxNum = (int)(info->colUsed & 0x7fffffff);
    info->estimatedCost = 1e5;
    info->estimatedRows = 20;
    return SQLITE_OK;
}

static int status_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    (void)vtab;
    return sync_vtab_open(sizeof(status_cursor), out);
}

static int status_close(sqlite3_vtab_cursor *base)
{
    sync_arena_free(&((status_cursor *)base)->arena);
    return sync_vtab_close(base);
}

static int status_next(sqlite3_vtab_cursor *base)
{
    ((status_cursor *)base)->at++;
    return SQLITE_OK;
}

static int status_eof(sqlite3_vtab_cursor *base)
{
    const status_cursor *cursor = (status_cursor *)base;
    return cursor->at >= cursor->count;
}

static int status_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const status_cursor *cursor = (status_cursor *)base;
    const status_row *row = &cursor->rows[cursor->at];
    const char *texts[] = {[COLUMN_TBL] = row->name,
                           [COLUMN_IDENTITY] = row->by_row ? "row" : "key",
                           [COLUMN_OPTIONS] = row->options,
                           [COLUMN_GENESIS_AT] = row->genesis_at,
                           [COLUMN_BYTES_BY] = cursor->measured ? "dbstat" : "estimate",
                           [COLUMN_NOTE] = row->note};
    const int64_t numbers[] = {
        [COLUMN_ROWS] = row->rows,       [COLUMN_JOURNAL] = row->journal,    [COLUMN_TAIL] = row->tail,
        [COLUMN_GENESIS] = row->genesis, [COLUMN_BYTES] = row->bytes,        [COLUMN_HELD] = row->held,
        [COLUMN_PENDING] = row->pending, [COLUMN_NULL_KEYS] = row->null_keys};
    switch (column) {
    case COLUMN_TBL:
    case COLUMN_IDENTITY:
    case COLUMN_OPTIONS:
    case COLUMN_GENESIS_AT:
    case COLUMN_BYTES_BY:
    case COLUMN_NOTE:
        sqlite3_result_text(context, texts[column], -1, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_result_int64(context, numbers[column]);
        break;
    }
    return SQLITE_OK;
}

static int status_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = (sqlite3_int64)((status_cursor *)base)->at + 1;
    return SQLITE_OK;
}

static const sqlite3_module status_module = {
    .xConnect = status_connect,
    .xBestIndex = status_best_index,
    .xDisconnect = sync_vtab_disconnect,
    .xOpen = status_open,
    .xClose = status_close,
    .xFilter = status_filter,
    .xNext = status_next,
    .xEof = status_eof,
    .xColumn = status_column,
    .xRowid = status_rowid,
};

int sync_vtab_status_register(sync_db *s)
{
    return sqlite3_create_module_v2(s->db, "sync_status", &status_module, s, NULL);
}
