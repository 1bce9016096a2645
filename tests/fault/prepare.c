/* The files on which something fails: how they are made. */
#include "prepare.h"

#include "clone.h"
#include "fault.h"
#include "sync_ext.h"

#include <stdlib.h>
#include <string.h>

static const char schema[] =
    "CREATE TABLE person(id INTEGER PRIMARY KEY, name, email UNIQUE,"
    "  boss REFERENCES person DEFERRABLE INITIALLY DEFERRED);"
    "CREATE TABLE note(id TEXT COLLATE NOCASE PRIMARY KEY, title, body, n CHECK(n < 100));"
    "CREATE TABLE tag(note TEXT COLLATE NOCASE REFERENCES note ON DELETE CASCADE, tag TEXT, PRIMARY "
    "KEY(note, tag))"
    "  WITHOUT ROWID;"
    "CREATE TABLE log(what);"
    "CREATE TRIGGER note_log AFTER UPDATE ON note BEGIN INSERT INTO log VALUES(new.id); END;"
    "INSERT INTO person VALUES(1, 'genesis', 'g@x', NULL);"
    "INSERT INTO note VALUES('old', 'from before', '', 1), ('gone', '', '', 1);"
    "INSERT INTO tag VALUES('old', 'a'), ('gone', 'b');";

const char *const prepare_ours =
    "INSERT INTO person VALUES(2, 'Ada', 'ada@x', 1), (3, 'Eve', 'eve@x', 2);"
    "INSERT INTO note VALUES('n1', 'ours', 'ours', 1), ('n2', 'ours', 'ours', 2);"
    "INSERT INTO tag VALUES('n1', 'a'), ('n2', 'b');"
    "UPDATE note SET body = 'ours, later' WHERE id = 'n1'; UPDATE note SET id = 'N3' WHERE id = 'n2';"
    "DELETE FROM tag WHERE note = 'gone'; DELETE FROM note WHERE id = 'gone';"
    "INSERT OR REPLACE INTO person VALUES(4, 'again', 'eve@x', NULL);";

static const char theirs[] =
    "ALTER TABLE note ADD COLUMN extra;"
    "INSERT INTO person VALUES(2, 'Bob', 'bob@x', 1), (3, 'Ada', 'ada@x', 2), (5, 'Dan', 'dan@x', 3);"
    "INSERT INTO note(id, title, body, n, extra) VALUES('N1', 'theirs', 'theirs', 3, 'kept'), ('n9', '', '', "
    "9, 'kept');"
    "UPDATE note SET title = 'theirs' WHERE id = 'old'; INSERT INTO tag VALUES('gone', 'c'), ('n9', 'd');"
    "UPDATE person SET name = 'renamed' WHERE id = 1;";

static const char later[] =
    "UPDATE person SET email = 'free@x' WHERE id = 3; DELETE FROM person WHERE id = 5;"
    "DELETE FROM tag WHERE note = 'gone'; DELETE FROM note WHERE id = 'gone';"
    "INSERT INTO note(id, title, n, extra) VALUES('gone', 'again', 4, 'kept');"
    "DELETE FROM tag WHERE note = 'n9'; DELETE FROM note WHERE id = 'n9'; UPDATE note SET extra = 'newer' "
    "WHERE id = 'n1';";

/* ---- helpers ---- */

static bool in_utf16;

void prepare_encoding(bool utf16)
{
    in_utf16 = utf16;
}

static sqlite3 *open_new(const char *name, bool wal)
{
    sqlite3 *db = scenario_open(name, false);
    scenario_exec(db, in_utf16 ? "PRAGMA encoding = 'UTF-16le'" : "PRAGMA encoding = 'UTF-8'");
    scenario_exec(db, wal ? "PRAGMA journal_mode = wal" : "PRAGMA journal_mode = delete");
    return db;
}

void prepare_close(sqlite3 *db)
{
    if (sqlite3_close(db) != SQLITE_OK) {
        scenario_give_up("close", sqlite3_errmsg(db));
    }
}

static sqlite3 *make(const char *name, bool wal, const char *sql)
{
    sqlite3 *db = open_new(name, wal);
    scenario_exec(db, schema);
    scenario_exec(db, sql);
    return db;
}

gift prepare_ask(sqlite3 *db, const char *sql, const gift *with)
{
    sqlite3_stmt *stmt = NULL;
    gift g = {0};
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK ||
        (with && sqlite3_bind_blob(stmt, 1, with->data, with->bytes, SQLITE_STATIC) != SQLITE_OK) ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        scenario_give_up(sql, sqlite3_errmsg(db));
    }
    g.bytes = sqlite3_column_bytes(stmt, 0);
    g.data = malloc((size_t)g.bytes + 1);
    if (g.data == NULL) {
        scenario_give_up(sql, "no memory");
    }
    if (g.bytes) {
        memcpy(g.data, sqlite3_column_blob(stmt, 0), (size_t)g.bytes);
    }
    sqlite3_finalize(stmt);
    return g;
}

/* ---- files ---- */

void prepare_untracked(gift *g, bool wal)
{
    (void)g;
    prepare_close(make("a.db", wal, ""));
}

/* A key of several columns is given as JSON. */
void prepare_pair(gift *g, bool wal)
{
    (void)g;
    sqlite3 *db = make("a.db", wal, "CREATE TABLE pair(a TEXT, b INTEGER, v, PRIMARY KEY(a, b))");
    scenario_exec(
        db, "INSERT INTO pair VALUES('p', 1, 'v'); SELECT sync_track('pair'); SELECT sync_touch('pair', "
            "'[\"p\", 1]')");
    prepare_close(db);
}

void prepare_expressions(gift *g, bool wal)
{
    (void)g;
    prepare_close(make("a.db", wal,
                       "CREATE TABLE e(id TEXT PRIMARY KEY, \"a \"\"b\", b);"
                       "CREATE UNIQUE INDEX e1 ON e(lower(\"a \"\"b\"), b DESC) WHERE b > 0;"
                       "CREATE UNIQUE INDEX e2 ON e(b + 1);"));
}

/* More columns than one journal entry has bits for. */
void prepare_wide(gift *g, bool wal)
{
    (void)g;
    sqlite3 *db = make("a.db", wal, "");
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendall(sql, "CREATE TABLE wide(k INTEGER PRIMARY KEY");
    for (int i = 0; i < 130; i++) {
        sqlite3_str_appendf(sql, ", c%d", i);
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    scenario_exec(db, text);
    sqlite3_free(text);
    prepare_close(db);
}

void prepare_tracked(gift *g, bool wal)
{
    (void)g;
    prepare_close(make("a.db", wal, "SELECT sync_track_all()"));
}

void prepare_written(gift *g, bool wal)
{
    (void)g;
    sqlite3 *db = make("a.db", wal, "SELECT sync_track_all()");
    scenario_exec(db, prepare_ours);
    prepare_close(db);
}

/* a.db has written since b.db was made, which says what it holds. */
void prepare_sender(gift *g, bool wal)
{
    sqlite3 *other = make("b.db", wal, "SELECT sync_track_all()");
    *g = prepare_ask(other, "SELECT sync_seen()", NULL);
    prepare_close(other);
    prepare_written(g, wal); /* needs no gift */
}

/* A copy of a file that has been told of: another id is due, and what it lacks of the other is asked. */
void prepare_copied(gift *g, bool wal)
{
    prepare_sender(g, wal);
    sqlite3 *db = scenario_open("a.db", false);
    scenario_exec(db,
                  "SELECT sync_fold(); SELECT sync_seen(); INSERT INTO note VALUES('n7', 'unfolded', '', 7)");
    prepare_close(db);
    fault_set_inode(2);
}

/* a.db has written and lacks what b.db has. */
void prepare_receiver(gift *g, bool wal)
{
    sqlite3 *other = make("b.db", wal, "SELECT sync_track_all()");
    scenario_exec(other, theirs);
    prepare_written(g, wal);
    *g = prepare_ask(other, "SELECT sync_changeset()", NULL);
    prepare_close(other);
}

/* a.db has merged that, and held some of it; now come the missing column and what removes the obstacles. */
void prepare_settling(gift *g, bool wal)
{
    prepare_receiver(g, wal);
    sqlite3 *db = scenario_open("a.db", false), *other = scenario_open("b.db", false);
    free(prepare_ask(db, "SELECT sync_apply(?1)", g).data);
    free(g->data);
    scenario_exec(other, later);
    scenario_exec(db, "ALTER TABLE note ADD COLUMN extra; INSERT INTO note(id, title, n, extra) VALUES('n8', "
                      "'tail', 8, 8)");
    gift seen = prepare_ask(db, "SELECT sync_seen()", NULL);
    *g = prepare_ask(other, "SELECT sync_changeset(?1)", &seen);
    free(seen.data);
    prepare_close(db);
    prepare_close(other);
}

/* Part of a key is such a number, so the row is not given another one by itself. */
static const char desk[] = "CREATE TABLE desk(person INTEGER REFERENCES person, nr, PRIMARY KEY(person, nr));"
                           "SELECT sync_track_all()";

void prepare_held(gift *g, bool wal)
{
    (void)g;
    sqlite3 *other = make("b.db", wal, desk);
    scenario_exec(other, theirs);
    sqlite3 *db = make("a.db", wal, desk);
    scenario_exec(db, prepare_ours);
    scenario_exec(db, "INSERT INTO person VALUES(8, 'Gus', 'same@x', NULL), (9, 'Hal', 'hal@x', 2);"
                      "INSERT INTO desk VALUES(2, 1)");
    scenario_exec(other,
                  "INSERT INTO person VALUES(7, 'Fay', 'same@x', NULL); INSERT INTO desk VALUES(2, 2)");
    gift whole = prepare_ask(other, "SELECT sync_changeset()", NULL);
    free(prepare_ask(db, "SELECT sync_apply(?1)", &whole).data);
    free(whole.data);
    scenario_exec(db, "UPDATE person SET email = 'free@x' WHERE id = 3");
    prepare_close(db);
    prepare_close(other);
}

void prepare_empty(gift *g, bool wal)
{
    sqlite3 *other = make("b.db", wal,
                          "DROP TRIGGER note_log; CREATE VIEW titles AS SELECT title FROM note;"
                          "CREATE TRIGGER note_n AFTER INSERT ON note WHEN new.n < 0"
                          "  BEGIN UPDATE note SET n = 0 WHERE id = new.id; END;"
                          "SELECT sync_track_all()");
    sync_buf out = {0};
    sync_error error = {0};
    if (sync_clone_dump(other, &out, &error) != SYNC_OK) {
        scenario_give_up("dump", error.text);
    }
    *g = (gift){malloc(out.len), (int)out.len};
    if (g->data == NULL) {
        scenario_give_up("dump", "no memory");
    }
    memcpy(g->data, out.data, out.len);
    sync_buf_free(&out);
    prepare_close(other);
    sqlite3 *db = scenario_open("a.db", true);
    scenario_exec(db, wal ? "PRAGMA journal_mode = wal" : "PRAGMA journal_mode = delete");
    prepare_close(db);
}

/* ---- two files that meet ---- */

/* What happens one after the other; NULL: nothing. */
typedef struct story {
    const char *schema, *ours_only, *theirs_only; /* of both, and what only one has beside it */
    const char *track;                            /* NULL: all */
    const char *before;                           /* written by b.db, and merged by a.db */
    const char *theirs, *ours;                    /* written apart */
    const char *after;  /* written by a.db, once it has merged that too; else the gift brings it */
    const char *answer; /* written by b.db, once it has merged what a.db has by then */
} story;

static void exec_some(sqlite3 *db, const char *sql)
{
    if (sql) {
        scenario_exec(db, sql);
    }
}

static void pull(sqlite3 *to, sqlite3 *from)
{
    gift changes = prepare_ask(from, "SELECT sync_changeset()", NULL);
    free(prepare_ask(to, "SELECT sync_apply(?1)", &changes).data);
    free(changes.data);
}

static void tell(const story *tale, gift *g, bool wal)
{
    sqlite3 *db = open_new("a.db", wal), *other = open_new("b.db", false);
    scenario_exec(db, tale->schema);
    exec_some(db, tale->ours_only);
    scenario_exec(other, tale->schema);
    exec_some(other, tale->theirs_only);
    scenario_exec(db, tale->track ? tale->track : "SELECT sync_track_all()");
    scenario_exec(other, tale->track ? tale->track : "SELECT sync_track_all()");
    if (tale->before) {
        scenario_exec(other, tale->before);
        pull(db, other);
        pull(other, db);
    }
    exec_some(other, tale->theirs);
    exec_some(db, tale->ours);
    if (tale->after) {
        pull(db, other);
        scenario_exec(db, tale->after);
    }
    if (tale->answer) {
        pull(other, db);
        scenario_exec(other, tale->answer);
    }
    *g = prepare_ask(other, "SELECT sync_changeset()", NULL);
    prepare_close(db);
    prepare_close(other);
}

#define STORY(name, ...)                                                                                     \
    void prepare_##name(gift *g, bool wal)                                                                   \
    {                                                                                                        \
        static const story tale = {__VA_ARGS__};                                                             \
        tell(&tale, g, wal);                                                                                 \
    }

STORY(triggers,
      .schema =
          "CREATE TABLE t(id TEXT PRIMARY KEY, v, w); CREATE TABLE side(id TEXT PRIMARY KEY, n);"
          "CREATE TRIGGER t_i AFTER INSERT ON t BEGIN INSERT OR REPLACE INTO side VALUES(new.id, new.v);"
          "  UPDATE t SET w = 'by a trigger' WHERE id = new.id; END;"
          "CREATE TRIGGER t_u AFTER UPDATE OF v ON t BEGIN UPDATE side SET n = n + 1; END;"
          "CREATE TRIGGER t_d AFTER DELETE ON t BEGIN DELETE FROM side WHERE id = old.id; END;"
          "CREATE TRIGGER t_n BEFORE INSERT ON t WHEN new.v = 13 BEGIN SELECT raise(ABORT, 'no'); END;",
      .before = "INSERT INTO t VALUES('a', 1, 'x'), ('b', 2, 'x'), ('c', 3, 'x')",
      .theirs = "ALTER TABLE t ADD COLUMN extra; UPDATE t SET v = 10, extra = 'e' WHERE id = 'a';"
                "DELETE FROM t WHERE id = 'b'; DROP TRIGGER t_n;"
                "INSERT INTO t(id, v, w, extra) VALUES('d', 4, 'y', 'e'), ('n', 13, '', '')",
      .ours = "UPDATE side SET n = 77 WHERE id = 'b'; INSERT INTO side VALUES('d', 'ours')")

STORY(long,
      .schema = "CREATE TABLE small(id TEXT PRIMARY KEY, v); CREATE TABLE bigger(id INTEGER PRIMARY KEY, v);",
      .ours_only = "CREATE TABLE big(id INTEGER PRIMARY KEY, v, w CHECK(w <> 30))",
      .theirs_only = "CREATE TABLE big(id INTEGER PRIMARY KEY, v, w)",
      .ours = "INSERT INTO big VALUES(7, 'ours', 0)",
      .theirs = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
                "  INSERT INTO big SELECT i, randomblob(5000), i FROM n;"
                "INSERT INTO small VALUES('s', 1); INSERT INTO bigger VALUES(1, 1), (2, 2)")

STORY(children,
      .schema = "CREATE TABLE p(k TEXT PRIMARY KEY, u UNIQUE);"
                "CREATE TABLE c(k INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE);"
                "CREATE TABLE d(c INTEGER REFERENCES c, e TEXT REFERENCES p, v, PRIMARY KEY(c, e));"
                "CREATE TABLE q(k INTEGER PRIMARY KEY, u REFERENCES p(u));",
      .before = "INSERT INTO p VALUES('x', 1), ('y', 2), ('z', 3); INSERT INTO c VALUES(1, 'x'), (2, 'y');"
                "INSERT INTO d VALUES(1, 'y', 0), (2, 'x', 0); INSERT INTO q VALUES(1, 1), (2, 2)",
      .theirs =
          "DELETE FROM d WHERE e = 'x' OR c = 1; DELETE FROM c WHERE p = 'x'; DELETE FROM q WHERE u = 1;"
          "DELETE FROM p WHERE k = 'x'; UPDATE q SET u = NULL WHERE u = 2; UPDATE p SET u = 9 WHERE k = 'y';"
          "INSERT INTO p VALUES('new', 5); INSERT INTO c VALUES(8, 'new')",
      .ours = "INSERT INTO c VALUES(5, 'x'), (6, 'x'); INSERT INTO d VALUES(5, 'y', 1), (6, 'z', 1);"
              "INSERT INTO q VALUES(5, 2), (6, 1); INSERT INTO p VALUES('also', 5); INSERT INTO c VALUES(7, "
              "'also')")

STORY(
    uncounted,
    .schema = "CREATE TABLE p(k TEXT PRIMARY KEY, v); CREATE TABLE u(k INTEGER PRIMARY KEY, p REFERENCES p);",
    .track = "SELECT sync_track('p')", .before = "INSERT INTO p VALUES('x', 1), ('y', 1)",
    .theirs = "DELETE FROM p WHERE k = 'x'", .ours = "INSERT INTO u VALUES(1, 'x')")

STORY(
    waiting,
    .schema =
        "CREATE TABLE t(id TEXT PRIMARY KEY, a, b); CREATE TABLE n(id INTEGER PRIMARY KEY, a, b UNIQUE);",
    .before = "INSERT INTO t VALUES('k', 1, 1), ('l', 2, 2); INSERT INTO n VALUES(1, 1, 1)",
    .theirs = "ALTER TABLE t RENAME COLUMN a TO z; ALTER TABLE n RENAME COLUMN a TO z; ALTER TABLE n ADD "
              "COLUMN extra;"
              "ALTER TABLE t ADD COLUMN more; UPDATE t SET z = 'theirs', more = 1;"
              "INSERT INTO n(id, z, b, extra) VALUES(2, 'theirs', 2, 'e'), (3, 'theirs', 'u', 'e')",
    .ours = "INSERT INTO n VALUES(2, 'ours', 3), (4, 'ours', 'u')",
    .after =
        "ALTER TABLE t RENAME COLUMN a TO z; ALTER TABLE n RENAME COLUMN a TO z; ALTER TABLE n ADD COLUMN "
        "extra;"
        "ALTER TABLE t ADD COLUMN more; UPDATE t SET z = 'later' WHERE id = 'l'; DELETE FROM n WHERE id = 4")

#define FAMILY                                                                                               \
    "CREATE TABLE p(k INTEGER PRIMARY KEY, a, b, UNIQUE(a, b));"                                             \
    "CREATE TABLE c(k TEXT PRIMARY KEY, p REFERENCES p); CREATE INDEX c_p ON c(p);"                          \
    "CREATE TABLE q(k INTEGER PRIMARY KEY REFERENCES p, v);"                                                 \
    "CREATE TABLE d(k TEXT PRIMARY KEY, a, b, FOREIGN KEY(a, b) REFERENCES p(a, b));"

STORY(
    orphans, .schema = FAMILY,
    .before = "INSERT INTO p VALUES(1, 1, 1), (2, 2, 2), (3, 3, 3); INSERT INTO c VALUES('c1', 1), ('c2', 2);"
              "INSERT INTO q VALUES(1, 1), (3, 3); INSERT INTO d VALUES('d1', 1, 1)",
    .ours = "PRAGMA foreign_keys = off; DELETE FROM p WHERE k = 1; SELECT sync_fold();"
            "INSERT INTO p VALUES(1, 'again', ''); DELETE FROM p WHERE k = 2; INSERT INTO c VALUES('c9', 9);"
            "UPDATE d SET b = 7; INSERT INTO q VALUES(9, 9)")

STORY(adopted, .schema = FAMILY, .theirs = "INSERT INTO p VALUES(9, 1, 7), (8, 1, 1)",
      .ours = "PRAGMA foreign_keys = off; INSERT INTO c VALUES('c9', 9), ('c8', 8); INSERT INTO d "
              "VALUES('d1', 1, 7);"
              "SELECT sync_fold()")

#define TAGS                                                                                                 \
    "CREATE TABLE l(k INTEGER PRIMARY KEY AUTOINCREMENT, v, up REFERENCES l);"                               \
    "CREATE TABLE t(k INTEGER PRIMARY KEY, v CHECK(k < 1000 OR v <> 'odd'));"                                \
    "CREATE TABLE e(l REFERENCES l, t REFERENCES t, v UNIQUE, PRIMARY KEY(l, t));"                           \
    "CREATE TABLE d(l INTEGER PRIMARY KEY REFERENCES l, v);"                                                 \
    "CREATE TABLE r(k TEXT PRIMARY KEY, l, t, FOREIGN KEY(l, t) REFERENCES e);"

STORY(tags, .schema = TAGS,
      .before = "INSERT INTO l VALUES(1, 'all', NULL); INSERT INTO t VALUES(1, 'all'); INSERT INTO e "
                "VALUES(1, 1, 'all');"
                "DELETE FROM e; INSERT INTO d VALUES(1, 'all')",
      .theirs =
          "INSERT INTO l VALUES(2, 'theirs', 1), (3, 'theirs', 2); INSERT INTO t VALUES(2, 'x'), (3, 'y');"
          "INSERT INTO e VALUES(2, 2, 'a'), (3, 3, 'b'), (1, 1, 'theirs'); INSERT INTO d VALUES(2, 'theirs');"
          "INSERT INTO r VALUES('theirs', 2, 2)",
      .ours = "INSERT INTO l VALUES(2, 'ours', 1), (3, 'ours', 2); INSERT INTO t VALUES(2, 'x'), (3, 'y');"
              "INSERT INTO e VALUES(2, 2, 'c'), (3, 3, 'b'), (1, 1, 'ours'), (2, 3, 'gone'); INSERT INTO d "
              "VALUES(2, "
              "'ours'), (3, 'ours'); INSERT INTO r VALUES('ours', 2, 2); SELECT sync_fold();"
              "DELETE FROM e WHERE v = 'gone'; DELETE FROM d WHERE l = 1")

STORY(contest,
      .schema =
          "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, p REFERENCES t DEFERRABLE INITIALLY DEFERRED);"
          "CREATE TABLE v(k TEXT PRIMARY KEY, u UNIQUE, p REFERENCES v);",
      .before = "INSERT INTO v VALUES('s1', 's1', NULL), ('s2', 's2', NULL), ('s3', 's3', NULL)",
      .theirs = "INSERT INTO t VALUES(1, NULL, NULL), (2, 'u', NULL), (3, NULL, NULL), (1000, NULL, 2);"
                "INSERT INTO v VALUES('a', 1, NULL), ('b', 2, 'a');"
                "UPDATE v SET u = 'tmp' WHERE k = 's1'; UPDATE v SET u = 's1' WHERE k = 's2';"
                "UPDATE v SET u = 's2' WHERE k = 's1'",
      .ours = "INSERT INTO t VALUES(1000, 'u', NULL), (2, 'w', 1000), (3, 'x', 2);"
              "INSERT INTO v VALUES('c', 2, NULL), ('d', 1, 'c'); UPDATE v SET u = 's9' WHERE k = 's3'")

STORY(lost,
      .schema = FAMILY "CREATE TABLE gone(k TEXT PRIMARY KEY); CREATE TABLE moved(k TEXT PRIMARY KEY);"
                       "CREATE TABLE rebuilt(k TEXT PRIMARY KEY); CREATE TABLE bare(k TEXT PRIMARY KEY, v);",
      .theirs = "ALTER TABLE bare ADD COLUMN extra; INSERT INTO bare VALUES('k', 1, 2); INSERT INTO p "
                "VALUES(1, 1, 1)",
      .ours = "INSERT INTO p VALUES(1, 2, 2)",
      .after = "DROP TABLE gone; ALTER TABLE moved RENAME TO elsewhere; DROP TABLE rebuilt;"
               "CREATE TABLE rebuilt(k TEXT, l TEXT, PRIMARY KEY(k, l)); DROP TABLE d; CREATE TABLE d(k TEXT "
               "PRIMARY KEY, a, b);"
               "INSERT INTO c VALUES(NULL, 1)")

STORY(many, .schema = "CREATE TABLE m(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);",
      .ours = "WITH i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 700)"
              "  INSERT INTO m SELECT i * 7919 % 1000, i FROM i;"
              "INSERT INTO n SELECT rowid, v FROM m; DELETE FROM m WHERE v < 50; UPDATE m SET id = 'moved' "
              "WHERE v = 60")

STORY(abrupt, .schema = "CREATE TABLE t(id TEXT PRIMARY KEY, v);",
      .ours_only = "CREATE TRIGGER t_no BEFORE INSERT ON t WHEN new.v = 13 BEGIN SELECT raise(ROLLBACK, 'no "
                   "thirteen'); END",
      .theirs = "INSERT INTO t VALUES('a', 1), ('b', 13), ('c', 3)",
      .ours = "INSERT INTO t VALUES('mine', 1)")

/* What people decide: the entries of sync_conflict that are settled are there. */

STORY(genesis, .schema = "CREATE TABLE g(id INTEGER PRIMARY KEY, a, b TEXT);",
      .ours_only = "INSERT INTO g VALUES(1, 'ours', 'o'), (2, x'00ff', NULL), (3, -9e999, 'o'),"
                   " (4, CAST(x'610062' AS TEXT), 'same')",
      .theirs_only = "INSERT INTO g VALUES(1, 'theirs', 't'), (2, 9e999, 't'), (3, 'theirs', 't'),"
                     " (4, x'', 'same')",
      .after = "UPDATE g SET b = 'meanwhile' WHERE id = 4")

STORY(keeping,
      .schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, name, boss REFERENCES p);"
                "CREATE TABLE c(p INTEGER REFERENCES p, tag TEXT, v, q REFERENCES p, r REFERENCES p,"
                "  PRIMARY KEY(p, tag));"
                "CREATE TABLE d(id INTEGER PRIMARY KEY REFERENCES p, v);"
                "CREATE TABLE n(id TEXT PRIMARY KEY, p REFERENCES p);",
      .before = "INSERT INTO p VALUES(5, 'both', NULL)",
      .theirs = "ALTER TABLE p ADD COLUMN extra; INSERT INTO p VALUES(1, 'Bob', 5, 'kept');"
                "INSERT INTO c VALUES(1, 'x', 'of Bob', 1, 5), (1, 'y', 'of Bob', NULL, NULL);"
                "INSERT INTO d VALUES(1, 'of Bob'); INSERT INTO n VALUES('n', 1)",
      .ours = "INSERT INTO p VALUES(1, 'Ada', 5); INSERT INTO c VALUES(1, 'a', 'of Ada', NULL, 1);"
              "INSERT INTO d VALUES(1, 'of Ada'); INSERT INTO n VALUES('m', 1)",
      .after = "UPDATE p SET name = 'all' WHERE id = 5")

STORY(parentless,
      .schema = "CREATE TABLE p(k TEXT PRIMARY KEY, v); CREATE TABLE c(k TEXT PRIMARY KEY, p REFERENCES p, "
                "v);",
      .before = "INSERT INTO p VALUES('x', 1), ('y', 2), ('z', 3)", .theirs = "DELETE FROM p",
      .ours = "INSERT INTO c VALUES('c1', 'x', 1), ('c2', 'y', 2), ('c3', 'z', 3)",
      .after = "PRAGMA foreign_keys = off; INSERT INTO c VALUES('d1', 'nobody', 1), ('d2', 'nobody', 2);"
               "SELECT sync_fold()")

STORY(noted,
      .schema = "CREATE TABLE p(k TEXT PRIMARY KEY, v); CREATE TABLE c(k TEXT PRIMARY KEY, p REFERENCES p, "
                "v); CREATE TABLE r(id INTEGER PRIMARY KEY, p REFERENCES p);",
      .before = "INSERT INTO p VALUES('x', 1), ('y', 2); INSERT INTO c VALUES('c0', 'x', 0)",
      .theirs = "DELETE FROM c; DELETE FROM p WHERE k = 'x'; INSERT INTO p VALUES('came', 1)",
      .ours = "INSERT INTO c VALUES('c1', 'x', 1), ('c2', 'y', 2); INSERT INTO r VALUES(1, 'x');"
              "PRAGMA foreign_keys = off; INSERT INTO c VALUES('d1', 'nobody', 1), ('d2', 'came', 2);"
              "INSERT INTO r VALUES(2, 'nobody'), (3, 'came'); SELECT sync_fold()")

STORY(values,
      .schema = "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE, y, z, UNIQUE(y, z));"
                "CREATE TABLE s(id TEXT PRIMARY KEY, x NOT NULL UNIQUE);"
                "CREATE TABLE w(id INTEGER PRIMARY KEY, boss UNIQUE REFERENCES w, v);"
                "CREATE UNIQUE INDEX w_v ON w(lower(v)) WHERE v IS NOT NULL;",
      .before = "INSERT INTO w VALUES(5, NULL, NULL)",
      .theirs = "INSERT INTO u VALUES('b1', 1, 1, 1), ('b2', 2, 1, 2), ('b3', 3, 1, 3), ('b4', 4, 1, 4);"
                "INSERT INTO s VALUES('b1', 1), ('b2', 2); INSERT INTO w VALUES(1, NULL, 'V'), (2, 5, NULL)",
      .ours = "INSERT INTO u VALUES('a1', 1, 2, 1), ('a2', 9, 1, 2), ('a3', 3, 1, 3), ('a4', 4, 7, 4);"
              "INSERT INTO s VALUES('a1', 1), ('a2', 2); INSERT INTO w VALUES(7, NULL, 'v'), (8, 5, NULL)",
      .after = "UPDATE u SET y = 1 WHERE id = 'a4'")

STORY(unfit, .schema = "", .ours_only = "CREATE TABLE t(id TEXT PRIMARY KEY, v CHECK(v < 10), w)",
      .theirs_only = "CREATE TABLE t(id TEXT PRIMARY KEY, v, w)",
      .before = "INSERT INTO t VALUES('k', 1, ''), ('l', 1, '')",
      .theirs = "INSERT INTO t VALUES('n', 20, ''), ('o', 20, ''); UPDATE t SET v = 30, w = 'along'",
      .after = "UPDATE t SET w = 'a local write' WHERE id = 'k'")

/* Changes of the schema, by a program and by sync_alter. */

STORY(
    dropping, .schema = FAMILY,
    .before = "INSERT INTO p VALUES(1, 1, 1), (2, 2, 2), (7, 7, 7); INSERT INTO c VALUES('c1', 1), ('c2', 2)",
    .theirs = "INSERT INTO p VALUES(3, 3, 3); INSERT INTO c VALUES('c3', 3), ('c7', 7); INSERT INTO q "
              "VALUES(3, 1)",
    .ours = "INSERT INTO p VALUES(3, 4, 4); INSERT INTO c VALUES('c4', 3); DELETE FROM p WHERE k = 7;"
            "UPDATE c SET p = 2 WHERE k = 'c1'",
    .after = "INSERT INTO c VALUES('late', 2)")

STORY(
    renamed, .schema = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);",
    .before = "INSERT INTO t VALUES('k', 1)",
    .theirs = "UPDATE t SET v = 2; INSERT INTO n VALUES(1, 'theirs')",
    .after =
        "ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME COLUMN id TO key;"
        "INSERT INTO u VALUES('l', 3); ALTER TABLE n RENAME COLUMN id TO nr; INSERT INTO n VALUES(2, 'ours')")

/* A program added a column, and made a table anew without one of its columns, so that the triggers went. */
STORY(columns, .schema = FAMILY,
      .before = "INSERT INTO p VALUES(1, 1, 1), (2, 2, 2); INSERT INTO c VALUES('c1', 1); INSERT INTO q "
                "VALUES(1, 7), (2, 7)",
      .ours = "UPDATE q SET v = 8 WHERE k = 2; ALTER TABLE c ADD COLUMN w DEFAULT 5; INSERT INTO c "
              "VALUES('c2', 2, 6), ('c3', 2, 5);"
              "CREATE TABLE f(k INTEGER PRIMARY KEY REFERENCES p, x DEFAULT 2); INSERT INTO f SELECT k, k + "
              "1 FROM q;"
              "DROP TABLE q; ALTER TABLE f RENAME TO q; INSERT INTO c VALUES('c4', 1, 5)")

/* Somebody has written to the journal: keys that are not as their columns store them. */
STORY(
    misfit,
    .schema = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE w(a TEXT, b INTEGER, PRIMARY KEY(a, b));",
    .ours =
        "INSERT INTO t VALUES('7', 1); INSERT INTO w VALUES('7', 8);"
        "INSERT INTO sync_journal(tid, op, at, k1) SELECT tid, -1, 1, 7 FROM sync_table WHERE name = 't';"
        "INSERT INTO sync_journal(tid, op, at, k1, k2) SELECT tid, -1, 1, 7, '8' FROM sync_table WHERE name "
        "= 'w'")

/* Rows that get another number in the file that gave them theirs, and those that refer to them. */
STORY(numbers,
      .schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, v, boss REFERENCES p, u UNIQUE);"
                "CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p);",
      .theirs = "INSERT INTO p VALUES(1, 'b', NULL, 1), (2, 'b', 1, 2), (3, 'b', 2, 3), (4, 'b', 4, 4);"
                "INSERT INTO c VALUES(1, 1), (2, 2), (3, 3)",
      .ours = "INSERT INTO p VALUES(1, 'a', 1, 11), (2, 'a', 1, 12), (3, 'a', NULL, 13), (4, 'a', 1, 3);"
              "INSERT INTO c VALUES(1, 2), (2, 1)",
      .after = "UPDATE p SET v = 'later'; UPDATE c SET p = 1 WHERE id = 2; SELECT sync_fold()",
      .answer = "UPDATE p SET v = 'renumbered' WHERE v = 'b' AND u > 1; DELETE FROM c WHERE p IN (SELECT id "
                "FROM p WHERE u = 4)")

/* A column of another type, which makes other values of what comes. */
STORY(types, .schema = "CREATE TABLE log(line);",
      .ours_only =
          "CREATE TABLE t(id TEXT PRIMARY KEY, v INTEGER, w); CREATE TRIGGER g AFTER INSERT ON t BEGIN "
          "UPDATE t SET w = 'trigger' WHERE id = NEW.id; INSERT INTO log VALUES(NEW.v); END",
      .theirs_only = "CREATE TABLE t(id TEXT PRIMARY KEY, v TEXT, w)",
      .before = "INSERT INTO t VALUES('k', '007', 1), ('l', '1e3', 1), ('m', '5 apples', 1)",
      .theirs = "INSERT INTO t VALUES('n', ' 7 ', 1), ('o', 'x', 1); UPDATE t SET v = '08' WHERE id = 'l'",
      .ours = "UPDATE t SET w = 2; REPLACE INTO t VALUES('k', 7, 3)")

/* The gift: parts of one changeset, each behind its length. */
void prepare_parts(gift *g, bool wal)
{
    prepare_receiver(g, wal);
    free(g->data);
    *g = (gift){0};
    sqlite3 *other = scenario_open("b.db", false);
    sync_stream *stream = NULL;
    char *error = NULL;
    const void *part;
    size_t bytes = 0;
    int last = 0, rc = sync_stream_open(other, NULL, 0, 200, 3, &stream, &error);
    while (rc == SQLITE_OK && (rc = sync_stream_next(stream, &part, &bytes, &last, &error)) == SQLITE_ROW) {
        uint32_t length = (uint32_t)bytes;
        uint8_t *longer = realloc(g->data, (size_t)g->bytes + sizeof length + bytes);
        if (longer == NULL) {
            scenario_give_up("parts", "no memory");
        }
        memcpy(longer + g->bytes, &length, sizeof length);
        memcpy(longer + g->bytes + sizeof length, part, bytes);
        g->data = longer;
        g->bytes += (int)(sizeof length + bytes);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE) {
        scenario_give_up("parts", error ? error : "");
    }
    sync_stream_close(stream);
    prepare_close(other);
}
