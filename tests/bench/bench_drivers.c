/* One driver per extension. Those that hand out changes as rows and leave the rest to the application get what
** any application would do: the rows one after the other, length-prefixed, through zstd -3. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { ZSTD_LEVEL = 3 };

void *bytes_grow(bytes *b, size_t more)
{
    if (b->cap - b->size < more) {
        b->cap = b->cap * 2 + more;
        b->data = realloc(b->data, b->cap);
        if (b->data == NULL) {
            die("out of memory");
        }
    }
    b->size += more;
    return b->data + b->size - more;
}

void bytes_free(bytes *b)
{
    free(b->data);
    *b = (bytes){0};
}

void compress_like_everyone(const bytes *in, bytes *out)
{
    size_t bound = ZSTD_compressBound(in->size);
    out->size = 0;
    void *to = bytes_grow(out, bound);
    size_t size = ZSTD_compress(to, bound, in->data, in->size, ZSTD_LEVEL);
    if (ZSTD_isError(size)) {
        die("zstd: %s", ZSTD_getErrorName(size));
    }
    out->size = size;
}

static void decompress(const bytes *in, bytes *out)
{
    unsigned long long size = ZSTD_getFrameContentSize(in->data, in->size);
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
        die("zstd: not one frame");
    }
    size_t got = ZSTD_decompress(bytes_grow(out, (size_t)size), (size_t)size, in->data, in->size);
    if (ZSTD_isError(got)) {
        die("zstd: %s", ZSTD_getErrorName(got));
    }
}

/* ---- extensions that make a blob of all changes ---- */

static void take_blob(sqlite3 *db, sqlite3_stmt *stmt, bytes *out)
{
    if (sqlite3_step(stmt) != SQLITE_ROW || sqlite3_column_type(stmt, 0) != SQLITE_BLOB) {
        die("%s: %s", sqlite3_sql(stmt), sqlite3_errmsg(db));
    }
    size_t size = (size_t)sqlite3_column_bytes(stmt, 0);
    memcpy(bytes_grow(out, size), sqlite3_column_blob(stmt, 0), size);
}

static void blob_gather(sqlite3 *db, const char *select, bytes *out)
{
    sqlite3_stmt *stmt = db_prepare(db, select);
    take_blob(db, stmt, out);
    sqlite3_finalize(stmt);
}

static void blob_gather_since(sqlite3 *db, const char *select, sqlite3_int64 version, bytes *out)
{
    sqlite3_stmt *stmt = db_prepare(db, select);
    sqlite3_bind_int64(stmt, 1, version);
    take_blob(db, stmt, out);
    sqlite3_finalize(stmt);
}

static void blob_merge(sqlite3 *db, const char *select, const bytes *all)
{
    sqlite3_stmt *stmt = db_prepare(db, select);
    sqlite3_bind_blob64(stmt, 1, all->data, all->size, SQLITE_STATIC);
    db_step(db, stmt);
    sqlite3_finalize(stmt);
}

static void sync_gather(sqlite3 *db, bytes *out)
{
    blob_gather(db, "SELECT sync_changeset()", out);
}

static void sync_news(sqlite3 *from, sqlite3 *to, sqlite3_int64 version, bytes *out)
{
    (void)version; /* the receiver says what it holds */
    sqlite3_stmt *seen = db_prepare(to, "SELECT sync_seen()"),
                 *cut = db_prepare(from, "SELECT sync_changeset(?1)");
    if (sqlite3_step(seen) != SQLITE_ROW) {
        die("sync_seen: %s", sqlite3_errmsg(to));
    }
    sqlite3_bind_value(cut, 1, sqlite3_column_value(seen, 0));
    take_blob(from, cut, out);
    sqlite3_finalize(cut);
    sqlite3_finalize(seen);
}

static void sync_merge(sqlite3 *db, const bytes *all)
{
    blob_merge(db, "SELECT sync_apply(?1)", all);
}

/* sqlite-sync builds its SQL with concat(), which SQLite has since 3.44. */
static void concat(sqlite3_context *context, int count, sqlite3_value **values)
{
    sqlite3_str *text = sqlite3_str_new(sqlite3_context_db_handle(context));
    for (int i = 0; i < count; i++) {
        const char *part = (const char *)sqlite3_value_text(values[i]);
        sqlite3_str_appendall(text, part ? part : "");
    }
    sqlite3_result_text(context, sqlite3_str_finish(text), -1, sqlite3_free);
}

static void cloudsync_setup(sqlite3 *db)
{
    if (sqlite3_libversion_number() < 3044000 &&
        sqlite3_create_function(db, "concat", -1, SQLITE_UTF8, NULL, concat, NULL, NULL) != SQLITE_OK) {
        die("concat: %s", sqlite3_errmsg(db));
    }
}

#define CLOUDSYNC_PAYLOAD                                                                                    \
    "SELECT cloudsync_payload_encode(tbl, pk, col_name, col_value, col_version, db_version, site_id, cl, "   \
    "seq)"                                                                                                   \
    " FROM cloudsync_changes"

static void cloudsync_gather(sqlite3 *db, bytes *out)
{
    blob_gather(db, CLOUDSYNC_PAYLOAD, out);
}

static void cloudsync_news(sqlite3 *from, sqlite3 *to, sqlite3_int64 version, bytes *out)
{
    (void)to;
    blob_gather_since(from, CLOUDSYNC_PAYLOAD " WHERE db_version > ?1 AND site_id = cloudsync_siteid()",
                      version, out);
}

static void cloudsync_merge(sqlite3 *db, const bytes *all)
{
    db_run(db, "BEGIN");
    blob_merge(db, "SELECT cloudsync_payload_decode(?1)", all);
    db_run(db, "COMMIT");
}

/* ---- extensions with a table of changes ---- */

static void put_value(bytes *out, sqlite3_stmt *stmt, int column)
{
    int type = sqlite3_column_type(stmt, column);
    *(unsigned char *)bytes_grow(out, 1) = (unsigned char)type;
    if (type == SQLITE_INTEGER) {
        sqlite3_int64 v = sqlite3_column_int64(stmt, column);
        memcpy(bytes_grow(out, sizeof v), &v, sizeof v);
    } else if (type == SQLITE_FLOAT) {
        double v = sqlite3_column_double(stmt, column);
        memcpy(bytes_grow(out, sizeof v), &v, sizeof v);
    } else if (type != SQLITE_NULL) {
        const void *v = sqlite3_column_blob(stmt, column);
        unsigned size = (unsigned)sqlite3_column_bytes(stmt, column);
        memcpy(bytes_grow(out, sizeof size), &size, sizeof size);
        if (size) {
            memcpy(bytes_grow(out, size), v, size);
        }
    }
}

static const unsigned char *bind_value(sqlite3_stmt *stmt, int index, const unsigned char *at)
{
    int type = *at++;
    sqlite3_int64 i;
    double d;
    unsigned size;
    switch (type) {
    case SQLITE_INTEGER:
        memcpy(&i, at, sizeof i);
        sqlite3_bind_int64(stmt, index, i);
        return at + sizeof i;
    case SQLITE_FLOAT:
        memcpy(&d, at, sizeof d);
        sqlite3_bind_double(stmt, index, d);
        return at + sizeof d;
    case SQLITE_NULL:
        sqlite3_bind_null(stmt, index);
        return at;
    default:
        memcpy(&size, at, sizeof size);
        at += sizeof size;
        if (type == SQLITE_TEXT) {
            sqlite3_bind_text(stmt, index, (const char *)at, (int)size, SQLITE_STATIC);
        } else {
            sqlite3_bind_blob(stmt, index, at, (int)size, SQLITE_STATIC);
        }
        return at + size;
    }
}

static void rows_gather(sqlite3 *db, const char *select, sqlite3_int64 version, bytes *out)
{
    bytes rows = {0};
    sqlite3_stmt *stmt = db_prepare(db, select);
    sqlite3_bind_int64(stmt, 1, version);
    int rc, columns = sqlite3_column_count(stmt);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int c = 0; c < columns; c++) {
            put_value(&rows, stmt, c);
        }
    }
    if (rc != SQLITE_DONE) {
        die("%s: %s", select, sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
    compress_like_everyone(&rows, out);
    bytes_free(&rows);
}

static void rows_merge(sqlite3 *db, const char *insert, const bytes *all)
{
    bytes rows = {0};
    decompress(all, &rows);
    db_run(db, "BEGIN");
    sqlite3_stmt *stmt = db_prepare(db, insert);
    int columns = sqlite3_bind_parameter_count(stmt);
    for (const unsigned char *at = rows.data; at < rows.data + rows.size;) {
        for (int c = 1; c <= columns; c++) {
            at = bind_value(stmt, c, at);
        }
        db_step(db, stmt);
    }
    sqlite3_finalize(stmt);
    db_run(db, "COMMIT");
    bytes_free(&rows);
}

#define CRSQLITE_COLUMNS "\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq"

static void crsqlite_gather(sqlite3 *db, bytes *out)
{
    rows_gather(db, "SELECT " CRSQLITE_COLUMNS " FROM crsql_changes WHERE db_version > ?1", 0, out);
}

static void crsqlite_news(sqlite3 *from, sqlite3 *to, sqlite3_int64 version, bytes *out)
{
    (void)to;
    rows_gather(from,
                "SELECT " CRSQLITE_COLUMNS
                " FROM crsql_changes WHERE db_version > ?1 AND site_id = crsql_site_id()",
                version, out);
}

static void crsqlite_merge(sqlite3 *db, const bytes *all)
{
    rows_merge(db, "INSERT INTO crsql_changes(" CRSQLITE_COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", all);
}

static const driver drivers[] = {
    {.name = "sync_ext",
     .entry = "sqlite3_syncext_init",
     .adopt = "SELECT sync_track('t')",
     .forget = "SELECT sync_untrack('t')",
     .fold = "SELECT sync_fold()",
     .gather = sync_gather,
     .merge = sync_merge,
     .version = "SELECT sync_version()",
     .news = sync_news},
    {.name = "crsqlite",
     .entry = "sqlite3_crsqlite_init",
     .writer_loads = true,
     .adopt = "SELECT crsql_as_crr('t')",
     .finish = "SELECT crsql_finalize()",
     .gather = crsqlite_gather,
     .merge = crsqlite_merge,
     .version = "SELECT crsql_db_version()",
     .news = crsqlite_news},
    {.name = "sqlite-sync",
     .entry = "sqlite3_cloudsync_init",
     .writer_loads = true,
     .setup = cloudsync_setup,
     .adopt = "SELECT cloudsync_init('t', 'cls', 1)",
     .finish = "SELECT cloudsync_terminate()",
     .gather = cloudsync_gather,
     .merge = cloudsync_merge,
     .version = "SELECT cloudsync_db_version()",
     .news = cloudsync_news},
};

/* Milliseconds, as the extension's own triggers ask for them: the order of writes in files that were apart needs the time of each. */
#define NOW_MS "julianday() * 86400000 - 210866759999999.5 | 0"

const driver bare_triggers = {
    .name = "bare triggers",
    .adopt = "CREATE TABLE journal(seq INTEGER PRIMARY KEY, tid, op, at, k1);"
             "CREATE TRIGGER t_insert AFTER INSERT ON t BEGIN"
             " INSERT INTO journal(tid, op, at, k1) VALUES(1, -1, " NOW_MS ", NEW.id); END;"
             "CREATE TRIGGER t_update AFTER UPDATE ON t BEGIN"
             " INSERT INTO journal(tid, op, at, k1) VALUES(1, 0, " NOW_MS ", NEW.id); END;"
             "CREATE TRIGGER t_delete AFTER DELETE ON t BEGIN"
             " INSERT INTO journal(tid, op, at, k1) VALUES(1, -2, " NOW_MS ", OLD.id); END"};

const driver *driver_find(const char *name)
{
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        if (strcmp(drivers[i].name, name) == 0) {
            return &drivers[i];
        }
    }
    return NULL;
}

void driver_names(FILE *out)
{
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        fprintf(out, " %s", drivers[i].name);
    }
}
