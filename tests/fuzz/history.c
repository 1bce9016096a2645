/* What two files go through. */
#include "history.h"

#include "fuzz.h"
#include "sql.h"

#include "sync_ext.h"

static const char schema[] =
    "CREATE TABLE note(id TEXT PRIMARY KEY, title, body TEXT NOT NULL DEFAULT '', n INTEGER CHECK(n < 100));"
    "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT UNIQUE, boss REFERENCES person);"
    "CREATE TABLE tag(note TEXT COLLATE NOCASE, tag BLOB, person INTEGER REFERENCES person ON DELETE CASCADE,"
    " weight REAL, PRIMARY KEY(note, tag)) WITHOUT ROWID;"
    "CREATE TABLE item(id INTEGER PRIMARY KEY, v);"
    "CREATE TABLE entry(person REFERENCES person, song, next, PRIMARY KEY(person, song),"
    " FOREIGN KEY(person, next) REFERENCES entry);"
    "CREATE TABLE cover(person INTEGER PRIMARY KEY REFERENCES person, art);";

static const char track[] = "SELECT sync_track('item', '{\"identity\": \"key\"}'); SELECT sync_track_all();";

/* Before tracking, and before they meet. */
static const char *const beginnings[HISTORY_FILES][2] = {
    {"INSERT INTO note VALUES('g', 'genesis', 'ours', 1), ('x', 'only ours', '', 2);"
     "INSERT INTO person VALUES(1, 'Ada', NULL), (2, 'Bob', 1); INSERT INTO item VALUES(1, 'one');"
     "INSERT INTO entry VALUES(1, 'Hey', NULL); INSERT INTO cover VALUES(1, 'blue');",
     "INSERT INTO note VALUES('a', 1, 'one', 1), ('b', 1.5, 'two', 2), ('c', x'00ff', 'three', NULL);"
     "INSERT INTO person VALUES(7, 'Eve', 1), (8, 'Mallory', 7), (9, 'Unique', NULL), (14, 'Mover', 7);"
     "INSERT INTO tag VALUES('A', x'01', 7, 0.5), ('a', x'02', 8, 1), ('known', 1, 1, 1); DELETE FROM tag"
     " WHERE note = 'known'; INSERT INTO item VALUES(2, 'two'), (4, 'vier');"
     "INSERT INTO entry VALUES(7, 'Hey', NULL), (7, 'Ho', 'Hey'), (1, 'gone', NULL);"
     "INSERT INTO cover VALUES(7, 'ours');"},
    {"INSERT INTO note VALUES('g', 'genesis', 'theirs', 3), ('y', 'only theirs', '', 4);"
     "INSERT INTO person VALUES(1, 'Ada', NULL), (2, 'Bert', 1), (3, 'Carol', 1); INSERT INTO item VALUES(1, "
     "'uno');"
     "INSERT INTO entry VALUES(1, 'Hey', NULL), (3, 'Yo', NULL); INSERT INTO cover VALUES(1, 'red');",
     "ALTER TABLE note ADD COLUMN extra;"
     "INSERT INTO note VALUES('a', 'text', 'uno', 10, 'extra'), ('e', NULL, hex(zeroblob(80)), 11, 1e300);"
     "INSERT INTO person VALUES(7, 'Trent', 1), (10, 'Unique', 7), (11, 'Wendy', 7);"
     "INSERT INTO tag VALUES('c', x'01', 7, 2.5); INSERT INTO item VALUES(2, 'dos');"
     "INSERT INTO entry VALUES(7, 'Hey', NULL), (7, 'Ho', 'Hey'); INSERT INTO cover VALUES(7, 'theirs');"},
};

#define FORGET "SELECT sync_fold(); SELECT sync_compact('{\"age\": 0}');"

/* Afterwards. What is NULL instead is an exchange: what the file has and the other lacks, all of it or the first part, or merely what it holds. */
typedef struct event {
    int file;
    const char *sql;
    enum { ALWAYS, FORGETTING, EARLY, FIRST_PART, HEARD } when;
} event;

static const event events[] = {
    {HISTORY_OURS, NULL, ALWAYS},
    {HISTORY_THEIRS, NULL, ALWAYS},
    {HISTORY_THEIRS,
     "UPDATE note SET body = 'dos', n = -5 WHERE id = 'a'; DELETE FROM note WHERE id = 'e';"
     "INSERT INTO note(id) VALUES('e'), ('kept'); UPDATE person SET boss = 10 WHERE id = 11;"
     "DELETE FROM tag; INSERT INTO tag VALUES('C', 7, 10, 9); INSERT INTO person VALUES(12, 'Victor', NULL);"
     "UPDATE item SET v = 'drei' WHERE id = 2; INSERT INTO item VALUES(5, 5);"
     "INSERT INTO person VALUES(20, 'Zoe', 12); INSERT INTO entry VALUES(12, 'New', NULL), (12, 'Newer', "
     "'New');"
     "INSERT INTO cover VALUES(12, 'new'); SELECT sync_fold();",
     EARLY},
    {HISTORY_OURS,
     "DELETE FROM note WHERE id = 'b'; DELETE FROM tag WHERE person = 8; DELETE FROM person WHERE id = 8;"
     "DELETE FROM item WHERE id = 4; DELETE FROM entry WHERE song = 'gone'; SELECT sync_fold();",
     ALWAYS},
    {HISTORY_OURS, FORGET, FORGETTING},
    {HISTORY_THEIRS, NULL, HEARD}, /* forgetting, ours has forgotten theirs, too */
    {HISTORY_THEIRS, NULL, FIRST_PART},
    {HISTORY_OURS, NULL, FORGETTING},
    {HISTORY_THEIRS,
     "INSERT INTO note(id) VALUES('short'); DELETE FROM note WHERE id IN ('y', 'short');"
     "INSERT INTO person VALUES(31, 'Short', 1); DELETE FROM person WHERE id = 31;"
     "DELETE FROM entry WHERE song = 'Newer'; DELETE FROM item WHERE id = 5;",
     ALWAYS},
    {HISTORY_THEIRS, FORGET, FORGETTING},
    {HISTORY_THEIRS,
     "INSERT INTO note(id, title) VALUES('last', 'theirs'); DELETE FROM note WHERE id = 'c';"
     "INSERT INTO entry VALUES(1, 'Last', 'Hey'), (20, 'Zoe''s', NULL); UPDATE cover SET art = 'later';"
     "UPDATE person SET id = 21 WHERE name = 'Wendy'; SELECT sync_fold();",
     ALWAYS},
    {HISTORY_OURS,
     "UPDATE note SET title = 'later' WHERE id = 'a'; DELETE FROM note WHERE id = 'x';"
     "UPDATE note SET id = 'd' WHERE id = 'c'; UPDATE person SET id = 17 WHERE id = 14;"
     "INSERT INTO item VALUES(3, 3); DELETE FROM item WHERE id = 2; INSERT INTO tag VALUES('B', 5, 1, NULL);"
     "INSERT OR REPLACE INTO person VALUES(20, 'Bob', 1); INSERT INTO entry VALUES(17, 'Hey', NULL);"
     "DELETE FROM entry WHERE person = 7 AND song = 'Ho';",
     ALWAYS},
};
enum { EVENTS = sizeof events / sizeof events[0], STEP_MS = 10, PART_BYTES = 200, PART_ROWS = 4 };

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
                                       "person SELECT i, 'p' || i, 1",
                                       "tag SELECT 'k' || i, i, 1, 0.5",
                                       "item SELECT i, i",
                                       "entry SELECT i, 'song', NULL",
                                       "cover SELECT i, 'art'"};
    for (size_t i = 0; rows > 0 && i < sizeof into / sizeof into[0]; i++) {
        char *sql = sqlite3_mprintf("WITH n(i) AS (VALUES(%d) UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                                    " INSERT INTO %s FROM n",
                                    from, from + rows, into[i]);
        FUZZ_CHECK(sql != NULL);
        must(db, sql);
        sqlite3_free(sql);
    }
}

static void turn(const history *h)
{
    if (h->turn != NULL) {
        h->turn();
    }
}

static void carry(const history *h, int file, bool first_part)
{
    sqlite3 *from = h->db[file], *to = h->db[HISTORY_FILES - 1 - file];
    sync_buf result = {0}, seen = {0}, changes = {0};
    sync_stream *stream = NULL;
    const void *part = NULL;
    size_t bytes = 0;
    int last = 0;
    char *error = NULL;
    turn(h);
    fuzz_blob(to, "SELECT sync_seen()", NULL, &seen);
    turn(h);
    if (first_part) {
        FUZZ_CHECK(sync_stream_open(from, seen.data, seen.len, PART_BYTES, PART_ROWS, &stream, &error) ==
                   SQLITE_OK);
        FUZZ_CHECK(sync_stream_next(stream, &part, &bytes, &last, &error) == SQLITE_ROW && last == 0);
        sync_buf_put(&changes, part, bytes);
        sync_stream_close(stream);
    } else {
        fuzz_blob(from, "SELECT sync_changeset(?1)", &seen, &changes);
    }
    turn(h);
    FUZZ_CHECK(!changes.oom);
    fuzz_blob(to, "SELECT sync_apply(?1)", &changes, &result);
    sync_buf_free(&result);
    sync_buf_free(&seen);
    sync_buf_free(&changes);
}

static void hear(const history *h, int file)
{
    sync_buf result = {0}, seen = {0};
    turn(h);
    fuzz_blob(h->db[file], "SELECT sync_seen()", NULL, &seen);
    turn(h);
    fuzz_blob(h->db[HISTORY_FILES - 1 - file], "SELECT sync_heard(?1)", &seen, &result);
    sync_buf_free(&result);
    sync_buf_free(&seen);
}

static void begin(const history *h, int file)
{
    sqlite3 *db = h->db[file];
    turn(h);
    h->chance->dice = (uint64_t)file + 1;
    must(db, schema);
    must(db, beginnings[file][0]);
    must(db, track);
    h->chance->now_ms += STEP_MS;
    must(db, beginnings[file][1]);
    more_rows(db, h->rows, 1000 + 100 * file);
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

/* Ours came to what history.h says of it. */
static void check(const history *h)
{
    sqlite3 *db = h->db[HISTORY_OURS];
    turn(h);
    FUZZ_CHECK(number(db, "SELECT count(*) FROM sync_conflict WHERE held") > 0);
    FUZZ_CHECK(number(db, "SELECT sum(pending) FROM sync_status") > 0);
    FUZZ_CHECK(number(db, "SELECT count(*) FROM sync_renumbered") > 0);
    FUZZ_CHECK((number(db, "SELECT sum(tail) FROM sync_status") > 0) == h->tail);
    FUZZ_CHECK(number(db, "SELECT met IS NOT NULL FROM sync_meta") == 1);
    FUZZ_CHECK((number(db, "SELECT floor IS NOT NULL FROM sync_meta") == 1) == h->forgets);
    FUZZ_CHECK((number(db, "SELECT sum(lives) FROM sync_table") > 0) == h->forgets);
    FUZZ_CHECK(number(db, "SELECT count(*) FROM sync_peer") > 0);
}

void history_run(history *h)
{
    for (int f = 0; f < HISTORY_FILES; f++) {
        begin(h, f);
    }
    for (int i = 0; i < EVENTS; i++) {
        const event *e = &events[i];
        sqlite3 *db = h->db[e->file];
        if (e->when == FORGETTING && !h->forgets) {
            continue;
        }
        h->chance->now_ms += STEP_MS;
        turn(h);
        if (e->when == HEARD) {
            hear(h, e->file);
        } else if (e->sql == NULL) {
            carry(h, e->file, e->when == FIRST_PART);
        } else {
            must(db, e->sql);
        }
        if (e->when == EARLY && h->early != NULL) {
            h->early(db);
        }
    }
    for (int f = 0; f < HISTORY_FILES; f++) {
        turn(h);
        more_rows(h->db[f], h->rows, 5000 + 100 * f);
        if (f == HISTORY_THEIRS || !h->tail) {
            must(h->db[f], "SELECT sync_fold()");
        }
    }
    check(h);
}
