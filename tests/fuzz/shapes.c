/* Tracked files of several shapes. */
#include "shapes.h"

#include "chance.h"
#include "fuzz.h"
#include "history.h"
#include "sql.h"

#include "env.h"
#include "sync_ext.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a world of their own ---- */

static const int64_t unix_epoch_julian_ms = INT64_C(210866760000000);
static fuzz_chance chance;
static sync_witness witness;
static bool witnessed;

/* One file, as it were, whatever is written over it: damage of what sync_meta says of it makes it a copy. */
static int identity(void *context, const char *path, uint64_t *device, uint64_t *inode)
{
    (void)context, (void)path;
    *device = 1;
    *inode = 2;
    return 0;
}

static int boot(void *context, char to[40])
{
    (void)context;
    to[0] = 0;
    return 0;
}

static int read_witness(void *context, const char *path, sync_witness *to)
{
    (void)context, (void)path;
    *to = witness;
    return witnessed ? 1 : 0;
}

static int write_witness(void *context, const char *path, const sync_witness *w, bool durable)
{
    (void)context, (void)path, (void)durable;
    witness = *w;
    witnessed = true;
    return 0;
}

static int remove_witness(void *context, const char *path)
{
    (void)context, (void)path;
    witnessed = false;
    return 0;
}

static int sync_file(void *context, const char *path)
{
    (void)context, (void)path;
    return 0;
}

static const sync_env world = {&chance,      fuzz_now_ms,   fuzz_random_bytes, identity, boot,
                               read_witness, write_witness, remove_witness,    sync_file};

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *to)
{
    (void)vfs;
    *to = chance.now_ms + unix_epoch_julian_ms;
    return SQLITE_OK;
}

static int vfs_day(sqlite3_vfs *vfs, double *to)
{
    (void)vfs;
    *to = (double)(chance.now_ms + unix_epoch_julian_ms) / 86400000.0;
    return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *vfs, int bytes, char *to)
{
    (void)vfs;
    memset(to, 7, (size_t)bytes);
    return bytes;
}

/* SQLite's own file system, but for the clock that the triggers ask. */
static void install_vfs(void)
{
    static sqlite3_vfs vfs;
    const sqlite3_vfs *real = sqlite3_vfs_find("unix");
    FUZZ_CHECK(real != NULL);
    vfs = *real;
    vfs.zName = "mutate";
    vfs.xCurrentTime = vfs_day;
    vfs.xCurrentTimeInt64 = vfs_time;
    vfs.xRandomness = vfs_random;
    FUZZ_CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

void shapes_reset_world(uint64_t seed)
{
    chance.now_ms = FUZZ_BEGINNING_MS + 1000;
    chance.dice = seed;
    witnessed = false;
    (void)sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(seed % INT32_MAX) + 1, (sqlite3 *)NULL);
}

int shapes_open(const char *path, sqlite3 **db)
{
    int rc = sqlite3_open(path, db);
    return rc == SQLITE_OK ? sqlite3_syncext_init(*db, NULL, NULL) : rc;
}

/* ---- the files ---- */

static shape shapes[] = {
    {.name = "folded, pages of 512", .page_bytes = 512},
    {.name = "a tail, pages of 512", .page_bytes = 512, .tail = true},
    {.name = "a tail, pages of 1024, WAL", .page_bytes = 1024, .wal = true, .tail = true},
    {.name = "a tail, pages of 4096", .page_bytes = 4096, .tail = true},
    {.name = "folded, pages of 2048, auto_vacuum", .page_bytes = 2048, .vacuum = true},
    {.name = "many rows, a tail, pages of 512", .page_bytes = 512, .tail = true, .rows = 50},
    {.name = "many rows, folded, pages of 1024, WAL", .page_bytes = 1024, .wal = true, .rows = 50},
    {.name = "forgotten deletes, folded, pages of 512", .page_bytes = 512, .forgets = true},
    {.name = "forgotten deletes, a tail, pages of 1024", .page_bytes = 1024, .tail = true, .forgets = true},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Whose the pages are, as far as SQLite can tell: only with dbstat also of those that are no roots. */
static void find_owners(shape *s, sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    int ours = 0;
    if (sqlite3_prepare_v2(db, "SELECT pageno, name FROM dbstat", -1, &stmt, NULL) != SQLITE_OK) {
        FUZZ_CHECK(sqlite3_prepare_v2(db,
                                      "SELECT rootpage, name FROM sqlite_schema UNION ALL"
                                      " SELECT 1, 'sqlite_schema'",
                                      -1, &stmt, NULL) == SQLITE_OK);
    }
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        sqlite3_int64 page = sqlite3_column_int64(stmt, 0);
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        if (page >= 1 && page <= (sqlite3_int64)s->page_count && name != NULL) {
            page_owner owner =
                strcmp(name, "sqlite_schema") == 0 ? PAGE_OF_SCHEMA
                : strncmp(name, "sync_", 5) == 0 || strncmp(name, "sqlite_autoindex_sync_", 22) == 0
                    ? PAGE_OF_OURS
                    : PAGE_OF_ROWS;
            s->owner[page] = (uint8_t)owner;
            ours += owner == PAGE_OF_OURS;
        }
    }
    FUZZ_CHECK(sqlite3_finalize(stmt) == SQLITE_OK && ours > 5);
}

static void begin(const shape *s, const char *path, sqlite3 **db)
{
    (void)unlink(path);
    FUZZ_CHECK(shapes_open(path, db) == SQLITE_OK);
    char *sql = sqlite3_mprintf("PRAGMA page_size = %d; PRAGMA auto_vacuum = %d; PRAGMA journal_mode = %s;",
                                s->page_bytes, s->vacuum, s->wal ? "WAL" : "DELETE");
    FUZZ_CHECK(sql != NULL && sqlite3_exec(*db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_free(sql);
}

/* Closed first, so that the log of a WAL goes into the file. */
static uint8_t *read_whole(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    FUZZ_CHECK(size > 0 && fseek(file, 0, SEEK_SET) == 0);
    *bytes = (size_t)size;
    uint8_t *to = malloc(*bytes);
    FUZZ_CHECK(to != NULL && fread(to, 1, *bytes, file) == *bytes);
    FUZZ_CHECK(fclose(file) == 0);
    return to;
}

/* There is one file, as identity() has it. */
static void forget_witness(void)
{
    witnessed = false;
}

static void make(shape *s, char paths[HISTORY_FILES][64])
{
    history h = {
        .chance = &chance, .turn = forget_witness, .forgets = s->forgets, .tail = s->tail, .rows = s->rows};
    sqlite3 *db = NULL;
    chance.now_ms = FUZZ_BEGINNING_MS;
    for (int f = 0; f < HISTORY_FILES; f++) {
        forget_witness();
        begin(s, paths[f], &h.db[f]);
    }
    history_run(&h);
    forget_witness();
    fuzz_blob(h.db[HISTORY_OURS], "SELECT sync_seen()", NULL, &s->seen);
    forget_witness();
    fuzz_blob(h.db[HISTORY_THEIRS], "SELECT sync_changeset(?1)", &s->seen, &s->delta);
    fuzz_blob(h.db[HISTORY_THEIRS], "SELECT sync_changeset()", NULL, &s->full);
    fuzz_blob(h.db[HISTORY_THEIRS], "SELECT sync_seen()", NULL, &s->seen);
    for (int f = 0; f < HISTORY_FILES; f++) {
        FUZZ_CHECK(sqlite3_close(h.db[f]) == SQLITE_OK);
    }
    s->bytes = read_whole(paths[HISTORY_OURS], &s->size);
    s->other = read_whole(paths[HISTORY_THEIRS], &s->other_size);
    s->page_count = (uint32_t)(s->size / (size_t)s->page_bytes);
    FUZZ_CHECK(s->page_count <= SHAPE_PAGES_MAX);
    FUZZ_CHECK(sqlite3_open(paths[HISTORY_OURS], &db) == SQLITE_OK);
    find_owners(s, db);
    FUZZ_CHECK(sqlite3_close(db) == SQLITE_OK);
    for (int f = 0; f < HISTORY_FILES; f++) {
        (void)unlink(paths[f]);
    }
}

void shapes_make(const char *directory, int only)
{
    char paths[HISTORY_FILES][64];
    install_vfs();
    sync_env_set(&world);
    for (int f = 0; f < HISTORY_FILES; f++) {
        FUZZ_CHECK(snprintf(paths[f], sizeof paths[f], "%s/made-%d.db", directory, f) < (int)sizeof paths[f]);
    }
    for (int i = 0; i < SHAPES; i++) {
        if (only < 0 || i == only) {
            make(&shapes[i], paths);
        }
    }
}

size_t shapes_count(void)
{
    return SHAPES;
}

const shape *shapes_at(size_t i)
{
    return &shapes[i];
}
