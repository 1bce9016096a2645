/* Tracked files of several shapes. */
#include "shapes.h"

#include "chance.h"
#include "fuzz.h"
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
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], OURS = 0, THEIRS = 1, FILES = 2 };

static const char schema[] =
    "CREATE TABLE note(id TEXT PRIMARY KEY, title, body TEXT NOT NULL DEFAULT '', n INTEGER CHECK(n < 100));"
    "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT UNIQUE, boss REFERENCES person);"
    "CREATE TABLE tag(note TEXT COLLATE NOCASE, tag BLOB, person INTEGER REFERENCES person ON DELETE CASCADE,"
    " weight REAL, PRIMARY KEY(note, tag)) WITHOUT ROWID;"
    "CREATE TABLE item(id INTEGER PRIMARY KEY, v);";

static const char track[] = "SELECT sync_track('item', '{\"identity\": \"key\"}'); SELECT sync_track_all();";

/* Before tracking; before the exchange; after it. */
static const char *const writes[FILES][3] = {
    {"INSERT INTO note VALUES('g', 'genesis', 'ours', 1), ('x', 'only ours', '', 2);"
     "INSERT INTO person VALUES(1, 'Ada', NULL), (2, 'Bob', 1); INSERT INTO item VALUES(1, 'one');",
     "INSERT INTO note VALUES('a', 1, 'one', 1), ('b', 1.5, 'two', 2), ('c', x'00ff', 'three', NULL);"
     "INSERT INTO person VALUES(7, 'Eve', 1), (8, 'Mallory', 7), (9, 'Unique', NULL);"
     "INSERT INTO tag VALUES('A', x'01', 7, 0.5), ('a', x'02', 8, 1); INSERT INTO item VALUES(2, 'two');",
     "UPDATE note SET title = 'later' WHERE id = 'a'; DELETE FROM note WHERE id = 'b';"
     "UPDATE note SET id = 'd' WHERE id = 'c'; DELETE FROM person WHERE id = 8; INSERT INTO item VALUES(3, "
     "3);"
     "UPDATE person SET id = 17 WHERE id = 9; INSERT INTO tag VALUES('B', 5, 1, NULL);"
     "INSERT OR REPLACE INTO person VALUES(20, 'Bob', 1); DELETE FROM item WHERE id = 2;"},
    {"INSERT INTO note VALUES('g', 'genesis', 'theirs', 3), ('y', 'only theirs', '', 4);"
     "INSERT INTO person VALUES(1, 'Ada', NULL), (3, 'Carol', 1); INSERT INTO item VALUES(1, 'uno');",
     "ALTER TABLE note ADD COLUMN extra;"
     "INSERT INTO note VALUES('a', 'text', 'uno', 10, 'extra'), ('e', NULL, hex(zeroblob(80)), 11, 1e300);"
     "INSERT INTO person VALUES(7, 'Trent', 1), (10, 'Unique', 7); INSERT INTO tag VALUES('c', x'01', 7, "
     "2.5);"
     "INSERT INTO item VALUES(2, 'dos');",
     "UPDATE note SET body = 'dos', n = -5 WHERE id = 'a'; DELETE FROM note WHERE id = 'e';"
     "INSERT INTO note(id) VALUES('e'); UPDATE person SET boss = 10 WHERE id = 7; DELETE FROM tag;"
     "INSERT INTO tag VALUES('C', 7, 10, 9); INSERT INTO person VALUES(12, 'Victor', NULL);"
     "UPDATE item SET v = 'drei' WHERE id = 2; INSERT INTO person VALUES(20, 'Zoe', 12);"},
};

static void must(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, error);
        abort();
    }
}

static void more_rows(sqlite3 *db, int rows, int from)
{
    static const char *const into[] = {"note(id, title, body, n) SELECT 'k' || i, i, 'body', 5",
                                       "person SELECT i, 'p' || i, 1", "tag SELECT 'k' || i, i, 1, 0.5",
                                       "item SELECT i, i"};
    for (size_t i = 0; rows > 0 && i < sizeof into / sizeof into[0]; i++) {
        char *sql = sqlite3_mprintf("WITH n(i) AS (VALUES(%d) UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                                    " INSERT INTO %s FROM n",
                                    from, from + rows, into[i]);
        FUZZ_CHECK(sql != NULL);
        must(db, sql);
        sqlite3_free(sql);
    }
}

/* What `from` has and `to` has not. */
static void carry(sqlite3 *from, sqlite3 *to)
{
    sqlite3_stmt *stmt = NULL;
    sync_buf seen = {0}, changes = {0};
    fuzz_blob(to, "SELECT sync_seen()", NULL, &seen);
    fuzz_blob(from, "SELECT sync_changeset(?1)", &seen, &changes);
    FUZZ_CHECK(sqlite3_prepare_v2(to, "SELECT sync_apply(?1)", -1, &stmt, NULL) == SQLITE_OK);
    sqlite3_bind_blob64(stmt, 1, changes.data, changes.len, SQLITE_STATIC);
    FUZZ_CHECK(sqlite3_step(stmt) == SQLITE_ROW && sqlite3_finalize(stmt) == SQLITE_OK);
    sync_buf_free(&seen);
    sync_buf_free(&changes);
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    FUZZ_CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    FUZZ_CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    int64_t found = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return found;
}

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

static void begin(const shape *s, int which, const char *path, sqlite3 **db)
{
    chance.dice = (uint64_t)which + 1;
    (void)unlink(path);
    FUZZ_CHECK(shapes_open(path, db) == SQLITE_OK);
    char *sql = sqlite3_mprintf("PRAGMA page_size = %d; PRAGMA auto_vacuum = %d; PRAGMA journal_mode = %s;",
                                s->page_bytes, s->vacuum, s->wal ? "WAL" : "DELETE");
    FUZZ_CHECK(sql != NULL);
    must(*db, sql);
    sqlite3_free(sql);
    must(*db, schema);
    must(*db, writes[which][0]);
    must(*db, track);
    chance.now_ms += 10;
    must(*db, writes[which][1]);
    more_rows(*db, s->rows, 1000 + 100 * which);
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

static void make(shape *s, char paths[FILES][64])
{
    sqlite3 *db[FILES];
    chance.now_ms = FUZZ_BEGINNING_MS;
    witnessed = false;
    for (int f = 0; f < FILES; f++) {
        begin(s, f, paths[f], &db[f]);
        witnessed = false; /* there is one file, as identity() has it */
    }
    carry(db[OURS], db[THEIRS]);
    witnessed = false;
    carry(db[THEIRS], db[OURS]);
    for (int f = 0; f < FILES; f++) {
        chance.now_ms += 10;
        must(db[f], writes[f][2]);
        more_rows(db[f], s->rows, 5000 + 100 * f);
        if (f == THEIRS || !s->tail) {
            witnessed = false;
            must(db[f], "SELECT sync_fold()");
        }
    }
    witnessed = false;
    fuzz_blob(db[OURS], "SELECT sync_seen()", NULL, &s->seen);
    witnessed = false;
    fuzz_blob(db[THEIRS], "SELECT sync_changeset(?1)", &s->seen, &s->delta);
    fuzz_blob(db[THEIRS], "SELECT sync_changeset()", NULL, &s->full);
    fuzz_blob(db[THEIRS], "SELECT sync_seen()", NULL, &s->seen);
    FUZZ_CHECK(number(db[OURS], "SELECT count(*) FROM sync_conflict WHERE held") > 0);
    FUZZ_CHECK(number(db[OURS], "SELECT sum(pending) FROM sync_status") > 0);
    FUZZ_CHECK((number(db[OURS], "SELECT sum(tail) FROM sync_status") > 0) == s->tail);
    for (int f = 0; f < FILES; f++) {
        FUZZ_CHECK(sqlite3_close(db[f]) == SQLITE_OK);
    }
    s->bytes = read_whole(paths[OURS], &s->size);
    s->other = read_whole(paths[THEIRS], &s->other_size);
    s->page_count = (uint32_t)(s->size / (size_t)s->page_bytes);
    FUZZ_CHECK(s->page_count <= SHAPE_PAGES_MAX);
    FUZZ_CHECK(sqlite3_open(paths[OURS], &db[OURS]) == SQLITE_OK);
    find_owners(s, db[OURS]);
    FUZZ_CHECK(sqlite3_close(db[OURS]) == SQLITE_OK);
    for (int f = 0; f < FILES; f++) {
        (void)unlink(paths[f]);
    }
}

void shapes_make(const char *directory, int only)
{
    char paths[FILES][64];
    install_vfs();
    sync_env_set(&world);
    for (int f = 0; f < FILES; f++) {
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
