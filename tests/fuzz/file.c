/* Tracked files in memory. */
#include "file.h"

#include "chance.h"
#include "fuzz.h"

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

/* ---- the two files ---- */

static const char schema[] =
    "PRAGMA page_size = 1024;" /* more pages, and less to copy */
    "CREATE TABLE note(id TEXT PRIMARY KEY, title, body TEXT NOT NULL DEFAULT '', n INTEGER CHECK(n < 100));"
    "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT UNIQUE, boss REFERENCES person);"
    "CREATE TABLE tag(note TEXT COLLATE NOCASE, tag BLOB, person INTEGER REFERENCES person ON DELETE CASCADE,"
    " weight REAL, PRIMARY KEY(note, tag)) WITHOUT ROWID;";

static const char *const writes[FUZZ_FILES][3] = {
    {"INSERT INTO note VALUES('g', 'genesis', 'ours', 1), ('x', 'only ours', '', 2);"
     "INSERT INTO person VALUES(1, 'Ada', NULL), (2, 'Bob', 1);",
     "INSERT INTO note VALUES('a', 1, 'one', 1), ('b', 1.5, 'two', 2), ('c', x'00ff', 'three', NULL);"
     "INSERT INTO person VALUES(7, 'Eve', 1), (8, 'Mallory', 7), (9, 'Unique', NULL);"
     "INSERT INTO tag VALUES('A', x'01', 7, 0.5), ('a', x'02', 8, 1);",
     "UPDATE note SET title = 'later' WHERE id = 'a'; DELETE FROM note WHERE id = 'b'; UPDATE note SET id = "
     "'d' "
     "WHERE id = 'c';"
     "DELETE FROM tag WHERE person = 8; DELETE FROM person WHERE id = 8; UPDATE person SET id = 17 WHERE id "
     "= 9; INSERT INTO tag VALUES('B', "
     "5, "
     "1, NULL);"},
    {"INSERT INTO note VALUES('g', 'genesis', 'theirs', 3), ('y', 'only theirs', '', 4);"
     "INSERT INTO person VALUES(1, 'Ada', NULL), (3, 'Carol', 1);",
     "ALTER TABLE note ADD COLUMN extra;"
     "INSERT INTO note VALUES('a', 'text', 'uno', 10, 'extra'), ('e', NULL, hex(zeroblob(80)), 11, 1e300);"
     "INSERT INTO person VALUES(7, 'Trent', 1), (10, 'Unique', 7); INSERT INTO tag VALUES('c', x'01', 7, "
     "2.5);",
     "UPDATE note SET body = 'dos', n = -5 WHERE id = 'a'; DELETE FROM note WHERE id = 'e'; INSERT INTO "
     "note(id) VALUES('e');"
     "UPDATE person SET boss = 10 WHERE id = 7; DELETE FROM tag; INSERT INTO tag VALUES('C', 7, 10, 9);"
     "INSERT INTO person VALUES(12, 'Victor', NULL);"},
};

/* What `from` has and `to` has not. */
static void carry(sqlite3 *from, sqlite3 *to)
{
    sync_buf seen = {0}, changes = {0};
    fuzz_blob(to, "SELECT sync_seen()", NULL, &seen);
    fuzz_blob(from, "SELECT sync_changeset(?1)", &seen, &changes);
    if (changes.len > 0) {
        FUZZ_CHECK(fuzz_run(to, "SELECT sync_apply(?1)", changes.data, changes.len, NULL) == SQLITE_OK);
    }
    sync_buf_free(&seen);
    sync_buf_free(&changes);
}

void fuzz_files(void)
{
    sqlite3 *db[FUZZ_FILES];
    sync_env_set(&world);
    chance.now_ms = FUZZ_BEGINNING_MS;
    for (int f = 0; f < FUZZ_FILES; f++) {
        db[f] = connect_to_nothing();
        chance.dice = (uint64_t)f + 1;
        fuzz_extend(db[f]);
        fuzz_exec(db[f], schema);
        fuzz_exec(db[f], writes[f][0]);
        fuzz_exec(db[f], "SELECT sync_track_all();");
        chance.now_ms += 10;
        fuzz_exec(db[f], writes[f][1]);
    }
    carry(db[FUZZ_OURS], db[FUZZ_THEIRS]);
    carry(db[FUZZ_THEIRS], db[FUZZ_OURS]);
    for (int f = 0; f < FUZZ_FILES; f++) {
        chance.now_ms += 10;
        fuzz_exec(db[f], writes[f][2]);
        fuzz_exec(db[f], "SELECT sync_fold();");
        files[f].bytes = sqlite3_serialize(db[f], "main", &files[f].size, 0);
        FUZZ_CHECK(files[f].bytes != NULL);
        fuzz_close(db[f]);
    }
}
