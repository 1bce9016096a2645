/* Tracked files in memory. */
#include "file.h"

#include "chance.h"
#include "fuzz.h"
#include "history.h"

#include "env.h"
#include "sync_ext.h"

#include <string.h>

/* Far above what a function does on files as small as these, far below what a person would call hanging: some seconds. */
enum { STEPS_MAX = 20000, STEP_OPERATIONS = 10000 };

/* ---- a world of their own ---- */

static fuzz_chance chance;

static int no_identity(void *context, const char *path, uint64_t *device, uint64_t *inode)
{
    (void)context, (void)path, (void)device, (void)inode;
    return -1;
}

static int boot(void *context, char to[40])
{
    (void)context;
    to[0] = 0;
    return 0;
}

static int no_witness(void *context, const char *path, sync_witness *to)
{
    (void)context, (void)path, (void)to;
    return 0;
}

static int forget_witness(void *context, const char *path, const sync_witness *w, bool durable)
{
    (void)context, (void)path, (void)w, (void)durable;
    return 0;
}

static int nothing(void *context, const char *path)
{
    (void)context, (void)path;
    return 0;
}

static const sync_env world = {&chance,    fuzz_now_ms,    fuzz_random_bytes, no_identity, boot,
                               no_witness, forget_witness, nothing,           nothing};

/* ---- connections ---- */

static struct {
    unsigned char *bytes;
    sqlite3_int64 size;
} files[FUZZ_FILES];

static int steps;

static int step(void *context)
{
    (void)context;
    FUZZ_CHECK(++steps < STEPS_MAX);
    return 0;
}

static sqlite3 *connect_to_nothing(void)
{
    sqlite3 *db = NULL;
    FUZZ_CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
    sqlite3_progress_handler(db, STEP_OPERATIONS, step, NULL);
    return db;
}

void fuzz_extend(sqlite3 *db)
{
    FUZZ_CHECK(sqlite3_syncext_init(db, NULL, NULL) == SQLITE_OK);
}

void fuzz_reset_world(void)
{
    chance.now_ms = FUZZ_BEGINNING_MS + 1000;
    chance.dice = 99;
    steps = 0;
}

sqlite3 *fuzz_open(fuzz_file which)
{
    sqlite3 *db = connect_to_nothing();
    sqlite3_int64 size = files[which].size;
    unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)size);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, files[which].bytes, (size_t)size);
    FUZZ_CHECK(sqlite3_deserialize(db, "main", copy, size, size,
                                   SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) ==
               SQLITE_OK);
    fuzz_reset_world();
    return db;
}

bool fuzz_is_untouched(sqlite3 *db, fuzz_file which)
{
    sqlite3_int64 size = 0;
    const unsigned char *bytes = sqlite3_serialize(db, "main", &size, SQLITE_SERIALIZE_NOCOPY);
    return bytes != NULL && size == files[which].size && memcmp(bytes, files[which].bytes, (size_t)size) == 0;
}

void fuzz_close(sqlite3 *db)
{
    FUZZ_CHECK(sqlite3_get_autocommit(db) != 0);
    FUZZ_CHECK(sqlite3_close(db) == SQLITE_OK);
}

void fuzz_exec(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, error);
        abort();
    }
}

int fuzz_run(sqlite3 *db, const char *sql, const void *blob, size_t bytes, int64_t *number)
{
    sqlite3_stmt *stmt = NULL;
    bool first = true;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && blob != NULL) {
        rc = sqlite3_bind_blob64(stmt, 1, blob, bytes, SQLITE_STATIC);
    }
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (first && number != NULL && sqlite3_column_type(stmt, 0) == SQLITE_INTEGER) {
            *number = sqlite3_column_int64(stmt, 0);
        }
        fuzz_read_row(stmt);
        first = false;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- the files ---- */

static void keep(fuzz_file which, sqlite3 *db)
{
    files[which].bytes = sqlite3_serialize(db, "main", &files[which].size, 0);
    FUZZ_CHECK(files[which].bytes != NULL);
}

static void keep_early(sqlite3 *db)
{
    keep(FUZZ_EARLY, db);
}

void fuzz_files(void)
{
    history h = {.chance = &chance, .early = keep_early, .forgets = true};
    sync_env_set(&world);
    chance.now_ms = FUZZ_BEGINNING_MS;
    for (int f = 0; f < HISTORY_FILES; f++) {
        h.db[f] = connect_to_nothing();
        fuzz_extend(h.db[f]);
        fuzz_exec(h.db[f], "PRAGMA page_size = 1024;"); /* more pages, and less to copy */
    }
    history_run(&h);
    keep(FUZZ_OURS, h.db[HISTORY_OURS]);
    keep(FUZZ_THEIRS, h.db[HISTORY_THEIRS]);
    for (int f = 0; f < HISTORY_FILES; f++) {
        fuzz_close(h.db[f]);
    }
}

/* ---- our columns ---- */

enum { COLUMNS_MAX = 256 };

size_t fuzz_columns(const fuzz_column **to)
{
    static fuzz_column columns[COLUMNS_MAX];
    static size_t count;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = count == 0 ? fuzz_open(FUZZ_OURS) : NULL;
    if (db != NULL) {
        FUZZ_CHECK(
            sqlite3_prepare_v2(db,
                               "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c"
                               " WHERE m.type = 'table' AND m.name GLOB 'sync_*' ORDER BY m.name, c.cid",
                               -1, &stmt, NULL) == SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            FUZZ_CHECK(count < COLUMNS_MAX);
            columns[count++] = (fuzz_column){sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0)),
                                             sqlite3_mprintf("%s", sqlite3_column_text(stmt, 1))};
        }
        sqlite3_finalize(stmt);
        fuzz_close(db);
    }
    *to = columns;
    return count;
}
