/* A file whose own sync_* tables somebody has written to. Input is a row of
**
**   u8 what | u8 where | u8 which | value (ext/value.h)
**
** what: 0-4 UPDATE one column of one row to the value, 5 DELETE the row, 6 INSERT a row that is NULL but for that column, 7 call a function.
** where: the column, of all columns of all tables of ours; or the function. which: the row. Afterwards the functions are called and the tables
** read. Whatever they find, it is an error or a result. */
#include "file.h"
#include "fuzz.h"

#include "value.h"

#include <string.h>

enum { ACTIONS = 8, DELETE = 5, INSERT = 6, CALL = 7 };

static const fuzz_column *columns;
static size_t column_count;
static sync_buf changeset, seen, theirs;

/* Reading first: what writes may well mend or refuse what the others would have met. */
static const char *const calls[] = {
    "SELECT * FROM sync_status",
    "SELECT * FROM sync_changes",
    "SELECT * FROM sync_changes WHERE version > 3 AND tbl = 'person'",
    "SELECT * FROM sync_conflict",
    "SELECT sync_site()",
    "SELECT sync_version()",
    "SELECT sync_seen()",
    "SELECT sync_changeset()",
    "SELECT sync_changeset(2)",
    "SELECT sync_fold()",
    "INSERT OR REPLACE INTO note(id, body) VALUES('a', 'new')",
    "UPDATE person SET boss = NULL WHERE id = 7",
    "DELETE FROM tag",
    "SELECT sync_fold()",
    "SELECT sync_touch('person', 7)",
    "SELECT * FROM sync_renumbered",
    "SELECT sync_resolve((SELECT min(id) FROM sync_conflict), 'ours')",
    "SELECT sync_resolve((SELECT max(id) FROM sync_conflict), 'keep both')",
    "SELECT sync_heard(?1)",
    "SELECT sync_compact('{\"age\": 0}')",
    "SELECT sync_seen()",
    /* what follows is only called by the input: it makes or drops whole tables, and takes long */
    "ALTER TABLE tag ADD COLUMN more",
    "SELECT sync_track('note')",
    "SELECT sync_changeset()",
    "SELECT sync_untrack('person')",
    "SELECT sync_untrack_all()",
    "SELECT sync_track_all()",
    "SELECT sync_resolve((SELECT min(id) FROM sync_conflict WHERE held), 'theirs')",
    "SELECT sync_compact()",
    "SELECT sync_alter('ALTER TABLE note ADD COLUMN more')",
    "SELECT sync_alter('ALTER TABLE note RENAME COLUMN title TO heading')",
    "SELECT sync_alter('ALTER TABLE note DROP COLUMN title')",
    "SELECT sync_alter('ALTER TABLE entry RENAME TO other; ALTER TABLE other RENAME TO entry')",
    "SELECT sync_alter('CREATE TABLE made(id INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO made SELECT * FROM "
    "item;"
    " DROP TABLE item; ALTER TABLE made RENAME TO item')",
    "SELECT sync_alter('CREATE TABLE made(person, art, PRIMARY KEY(person, art)); INSERT INTO made SELECT * "
    "FROM cover;"
    " DROP TABLE cover; ALTER TABLE made RENAME TO cover')",
    "SELECT sync_alter('DROP TABLE tag')",
};
enum { CALLS = sizeof calls / sizeof calls[0], USUAL_CALLS = 21, TELLING = 6, FOLDING = 9 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_files();
    column_count = fuzz_columns(&columns);
    sqlite3 *db = fuzz_open(FUZZ_OURS);
    fuzz_extend(db);
    fuzz_blob(db, "SELECT sync_seen()", NULL, &seen);
    fuzz_close(db);
    db = fuzz_open(FUZZ_THEIRS);
    fuzz_extend(db);
    fuzz_blob(db, "SELECT sync_seen()", NULL, &theirs);
    fuzz_blob(db, "SELECT sync_changeset(?1)", &seen, &changeset);
    fuzz_close(db);
    return 0;
}

static void bind(sqlite3_stmt *stmt, const sync_value *value)
{
    switch (value->type) {
    case SYNC_INTEGER:
        sqlite3_bind_int64(stmt, 1, value->i);
        break;
    case SYNC_REAL:
        sqlite3_bind_double(stmt, 1, value->r);
        break;
    case SYNC_TEXT:
        sqlite3_bind_text64(stmt, 1, value->data, value->bytes, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case SYNC_BLOB:
        sqlite3_bind_blob64(stmt, 1, value->data, value->bytes, SQLITE_STATIC);
        break;
    case SYNC_NULL:
        break;
    }
}

/* Constraints of our own tables may refuse it: then nothing has been tampered with. */
static void tamper(sqlite3 *db, unsigned what, const fuzz_column *c, unsigned which, const sync_value *value)
{
    sqlite3_stmt *stmt = NULL;
    char *sql = what == INSERT ? sqlite3_mprintf("INSERT INTO \"%w\"(\"%w\") VALUES(?1)", c->table, c->name)
                : what == DELETE
                    ? sqlite3_mprintf("DELETE FROM \"%w\" WHERE \"%w\" IS (SELECT \"%w\" FROM \"%w\" "
                                      "LIMIT 1 OFFSET %u)",
                                      c->table, c->name, c->name, c->table, which)
                    : sqlite3_mprintf("UPDATE OR IGNORE \"%w\" SET \"%w\" = ?1 WHERE \"%w\" IS (SELECT "
                                      "\"%w\" FROM \"%w\" LIMIT 1 OFFSET %u)",
                                      c->table, c->name, c->name, c->name, c->table, which);
    FUZZ_CHECK(sql != NULL);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        bind(stmt, value);
        sqlite3_step(stmt);
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
}

static void call(sqlite3 *db, size_t number)
{
    bool asks = strchr(calls[number], '?') != NULL;
    fuzz_run(db, calls[number], asks ? theirs.data : NULL, theirs.len, NULL);
    FUZZ_CHECK(sqlite3_get_autocommit(db) != 0);
}

static void follow(sqlite3 *db, const uint8_t *data, size_t bytes)
{
    sync_span span = sync_span_of(data, bytes);
    while (sync_span_left(&span) > 3) {
        unsigned what = sync_span_u8(&span) % ACTIONS;
        unsigned where = sync_span_u8(&span);
        unsigned which = sync_span_u8(&span);
        if (what == CALL) {
            call(db, where % CALLS);
            continue;
        }
        sync_value value = sync_value_get(&span);
        if (span.bad) {
            break;
        }
        tamper(db, what, &columns[where % column_count], which, &value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    sqlite3 *db = fuzz_open(FUZZ_OURS);
    if (bytes == 0) {
        fuzz_close(db);
        return 0;
    }
    bool before = (data[0] & 1) != 0; /* the extension knew the file before it was tampered with */
    if (before) {
        fuzz_extend(db);
        call(db, TELLING);
    }
    follow(db, data + 1, bytes - 1);
    if (!before) {
        fuzz_extend(db);
    }
    for (size_t i = 0; i < USUAL_CALLS; i++) {
        call(db, i);
        if (i == FOLDING) {
            fuzz_run(db, "SELECT sync_changeset(?1)", seen.data, seen.len, NULL);
            fuzz_run(db, "SELECT sync_apply(?1)", changeset.data, changeset.len, NULL);
        }
    }
    fuzz_close(db);
    return 0;
}
