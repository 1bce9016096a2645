"""clone: a new file with the room's schema and rows, and an identity of its own."""
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from synctest import Case, eventually, plain, shell  # noqa: E402

SCHEMA = '''
PRAGMA user_version = 7;
PRAGMA application_id = 4711;
CREATE TABLE author(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL CHECK(length(name) > 0));
CREATE TABLE "odd ""name"""(a TEXT, b INT, c GENERATED ALWAYS AS (b * 2), PRIMARY KEY(a, b)) WITHOUT ROWID;
CREATE TABLE strictly(k TEXT PRIMARY KEY, v ANY) STRICT;
CREATE TABLE book(id TEXT PRIMARY KEY, author INT REFERENCES author(id), title TEXT COLLATE NOCASE UNIQUE, n INT DEFAULT 3);
CREATE INDEX book_title ON book(title, lower(title)) WHERE title IS NOT NULL;
CREATE VIEW titles AS SELECT title, name FROM book JOIN author ON author.id = book.author;
CREATE TABLE audit(id INTEGER PRIMARY KEY, what TEXT);
CREATE TRIGGER book_audit AFTER UPDATE ON book BEGIN INSERT INTO audit(what) VALUES(new.title); END;
CREATE TABLE keyless(v);
CREATE VIRTUAL TABLE found USING fts5(title);
CREATE TRIGGER book_found AFTER INSERT ON book BEGIN INSERT INTO found(title) VALUES(new.title); END;
CREATE VIEW keyless_view AS SELECT * FROM keyless;
INSERT INTO author VALUES(1, 'A'), (2, 'B');
INSERT INTO "odd ""name""" VALUES('x', 1), ('y', 2);
INSERT INTO strictly VALUES('k', x'00ff');
INSERT INTO book(id, author, title) VALUES('b1', 1, 'One'), ('b2', 2, 'Two');
INSERT INTO keyless VALUES(1);
'''


class Clone(Case):
    inserts = False  # rows of a snapshot are not inserted, so that no trigger is asked

    def setUp(self):
        super().setUp()
        self.a, self.c = self.path("a.db"), self.path("c.db")

    def clone(self, url, status=0):
        got, out, err = self.run_peer("clone", url, self.c)
        self.assertEqual(status, got, out + err)
        return err

    def schema(self, db, names):
        return plain(db, "SELECT type, name, sql FROM sqlite_schema WHERE name IN (%s) ORDER BY name"
                     % ",".join(f"'{name}'" for name in names))

    def test_schema_and_rows(self):
        plain(self.a, SCHEMA)
        server = self.serve(self.a)
        err = self.clone(server.url)
        tables = ["author", 'odd "name"', "strictly", "book", "audit"]
        self.assert_same(self.a, self.c, tables=tables)
        same = [*(t.replace("'", "''") for t in tables), "book_title", "titles", "book_audit"]
        self.assertEqual(self.schema(self.a, same), self.schema(self.c, same))
        self.assertEqual("7|4711", plain(self.c, "SELECT user_version, application_id FROM pragma_user_version,"
                                                 " pragma_application_id"))
        self.assertEqual("A|One\nB|Two", plain(self.c, "SELECT name, title FROM titles ORDER BY 1"))
        self.assert_sound(self.c)
        # what is no tracked table stays, and what needs it is left out, with a line about each
        self.assertEqual("0", plain(self.c, "SELECT count(*) FROM sqlite_schema WHERE name IN"
                                            " ('keyless','found','book_found','keyless_view')"))
        for name in ("book_found", "keyless_view", "virtual table found"):
            self.assertEqual(1, sum(name in line for line in err.splitlines()), err)

    def test_what_was_left_out_can_be_run(self):
        plain(self.a, "CREATE TABLE n(id INTEGER PRIMARY KEY, v); INSERT INTO n VALUES(1, 'needle');"
                      "CREATE VIRTUAL TABLE ft USING fts5(v, content='n', content_rowid='id');"
                      "CREATE TRIGGER n_ai AFTER INSERT ON n BEGIN INSERT INTO ft(rowid, v) VALUES(new.id, new.v); END;")
        server = self.serve(self.a)
        err = self.clone(server.url)
        script = self.path("c.db.left-out.sql")
        self.assertIn(f"{script} has the statements", err)
        self.assertNotIn("ft", plain(self.c, "SELECT name FROM sqlite_schema"))
        plain(self.c, script.read_text(encoding="utf-8") + "INSERT INTO ft(ft) VALUES('rebuild');")
        plain(self.a, "INSERT INTO n VALUES(2, 'needle in hay')")
        self.assertEqual(0, self.run_peer("sync", self.c, server.url, "--once")[0])
        self.assertEqual("1\n2", plain(self.c, "SELECT rowid FROM ft WHERE ft MATCH 'needle' ORDER BY 1"))
        self.c.unlink()
        script.write_text("mine", encoding="utf-8")  # another time: a file that is there stays
        self.assertIn("File exists", self.clone(server.url))
        self.assertEqual("mine", script.read_text(encoding="utf-8"))

    def test_rows_that_triggers_make_come_first(self):
        """The clone fired the trigger for each order, whose audit was there already: it had none of the orders, and ended with 0."""
        plain(self.a, "CREATE TABLE audit(order_id TEXT PRIMARY KEY, note); CREATE TABLE orders(id TEXT PRIMARY KEY, amount);"
                      "CREATE TRIGGER ai AFTER INSERT ON orders BEGIN INSERT INTO audit VALUES(NEW.id, 'created'); END;"
                      "INSERT INTO orders VALUES('o1', 5), ('o2', 6)")
        server = self.serve(self.a)
        err = self.clone(server.url)
        self.assertNotIn("held", err)
        self.assert_same(self.a, self.c, tables=["orders", "audit"])
        self.assertEqual("2|2", plain(self.c, "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM audit)"))

    def test_rows_that_are_held_are_told_of(self):
        plain(self.a, "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TRIGGER ti BEFORE INSERT ON t WHEN NEW.v = 13 BEGIN SELECT RAISE(ABORT, 'never 13'); END;"
                      "INSERT INTO t VALUES('a', 1), ('b', 2), ('c', 3); UPDATE t SET v = 13 WHERE id = 'b'")
        server = self.serve(self.a)
        err = self.clone(server.url)
        self.assertEqual(self.inserts, f"{self.c}: 1 row is held" in err)
        self.assertEqual(self.inserts, "held" in err)
        plain(self.a, "INSERT INTO t VALUES('d', 4), ('e', 5); UPDATE t SET v = 13 WHERE id > 'c'")
        held = 2 + self.inserts
        for options, says in ((["--quiet"], ""), ([], f"{self.c}: {held} rows are held")):
            got, out, err = self.run_peer("sync", self.c, server.url, "--once", "--json", *options)
            self.assertEqual(0, got, out + err)
            self.assertEqual([held], [event["held"] for event in map(json.loads, out.splitlines()) if event["event"] == "done"])
            self.assertIn(says, err)
            self.assertEqual(bool(says), "held" in err)
        plain(self.a, "UPDATE t SET v = 14")
        got, out, err = self.run_peer("sync", self.c, server.url, "--once", "--json")
        self.assertEqual([0], [event["held"] for event in map(json.loads, out.splitlines()) if event["event"] == "done"])
        self.assertNotIn("held and", err)

    def test_a_trigger_for_some_columns_that_cannot_work_is_left_out(self):
        """It was kept if it was not for the first column, and failed every write of its own, merges too."""
        plain(self.a, "CREATE TABLE n(id INTEGER PRIMARY KEY, v, w); CREATE TABLE here(id INTEGER PRIMARY KEY);"
                      "CREATE VIRTUAL TABLE ft USING fts5(v);"
                      "CREATE TRIGGER gone AFTER UPDATE OF w ON n BEGIN UPDATE ft SET v = NEW.w WHERE rowid = NEW.id; END;"
                      "CREATE TRIGGER kept AFTER UPDATE OF w ON n BEGIN INSERT OR IGNORE INTO here VALUES(NEW.id); END;"
                      "INSERT INTO n VALUES(1, 'v', 'w')")
        server = self.serve(self.a)
        self.clone(server.url)
        self.assertEqual("kept", plain(self.c, "SELECT name FROM sqlite_schema WHERE name IN ('gone', 'kept')"))
        plain(self.c, "UPDATE n SET w = 'x'")
        self.assertEqual(0, self.run_peer("sync", self.c, server.url, "--once")[0])
        self.assertEqual("x", plain(self.a, "SELECT w FROM n"))

    def test_instead_of_triggers_of_views(self):
        plain(self.a, "CREATE TABLE n(id TEXT PRIMARY KEY, v); CREATE VIEW all_n AS SELECT * FROM n; CREATE VIEW no_n AS SELECT * FROM n;"
                      "CREATE VIRTUAL TABLE ft USING fts5(v);"
                      "CREATE TRIGGER kept INSTEAD OF INSERT ON all_n BEGIN INSERT INTO n VALUES(NEW.id, NEW.v); END;"
                      "CREATE TRIGGER broken INSTEAD OF UPDATE ON all_n BEGIN UPDATE ft SET v = NEW.v; END;"
                      "CREATE TRIGGER broken_too INSTEAD OF DELETE ON all_n BEGIN DELETE FROM no_n WHERE id = OLD.id; END")
        server = self.serve(self.a)
        err = self.clone(server.url)
        self.assertEqual("kept", plain(self.c, "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'all_n'"))
        self.assertIn("trigger broken_too is left out: cannot modify no_n because it is a view", err)
        plain(self.c, "INSERT INTO all_n VALUES('k', 1)")
        self.assertEqual("k|1", plain(self.c, "SELECT * FROM n"))

    def test_an_identity_of_its_own(self):
        plain(self.a, SCHEMA)
        server = self.serve(self.a)
        self.clone(server.url)
        self.assertNotEqual(shell(self.a, "SELECT hex(sync_site())"), shell(self.c, "SELECT hex(sync_site())"))
        # both go on, and meet again
        self.sync(self.c, server.url).wait_event("connected")
        plain(self.c, "INSERT INTO book(id, author, title) VALUES('b3', 1, 'Three'); UPDATE book SET n=4 WHERE id='b1';")
        plain(self.a, "UPDATE book SET title='Uno' WHERE id='b1';")
        eventually(lambda: plain(self.c, "SELECT title, n FROM book WHERE id='b1'") == "Uno|4", "both edits")
        self.wait_same(self.a, self.c, tables=["book", "author"])

    def test_row_identity_travels(self):
        plain(self.a, "CREATE TABLE k(id INTEGER PRIMARY KEY, v);")
        shell(self.a, "SELECT sync_track('k', '{\"identity\":\"key\"}'); INSERT INTO k VALUES(1, 2);")
        self.clone(self.serve(self.a).url)
        self.assertEqual("key", plain(self.c, "SELECT identity FROM sync_table WHERE name='k'"))
        self.assert_same(self.a, self.c)

    def test_many_rows(self):
        plain(self.a, "CREATE TABLE t(id TEXT PRIMARY KEY, v);"
                      "WITH c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 20000)"
                      " INSERT INTO t SELECT 'k'||i, hex(randomblob(60)) FROM c;")
        self.clone(self.serve(self.a).url)
        self.assert_same(self.a, self.c)

    def test_a_utf16_file(self):
        plain(self.a, "PRAGMA encoding='UTF-16be'; CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('ä','ö');")
        self.clone(self.serve(self.a).url)
        self.assertEqual("UTF-16be", plain(self.c, "PRAGMA encoding"))
        self.assert_same(self.a, self.c)

    def test_a_file_that_is_there_is_not_touched(self):
        plain(self.a, SCHEMA)
        self.c.write_bytes(b"mine")
        err = self.clone(self.serve(self.a).url, status=3)
        self.assertIn("exists already", err)
        self.assertIn(f"sync-peer sync {self.c} {synctest.SCHEME}://", err)
        self.assertEqual(b"mine", self.c.read_bytes())

    def test_nothing_is_left_of_a_clone_that_fails(self):
        plain(self.a, "CREATE TABLE t(id TEXT PRIMARY KEY, v CHECK(v <> 'x'));")
        server = self.serve(self.a)
        # a schema that this side cannot make: a function that only the other program had
        plain(self.a, "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = replace(sql, 'v <> ''x''', 'nowhere(v)')"
                      " WHERE name='t';")
        err = self.clone(server.url, status=11)
        self.assertIn("nowhere", err)
        self.assertEqual([], [p.name for p in self.dir.iterdir() if p.name.startswith("c.db")])

    def test_ddl_of_another_kind_does_not_run(self):
        """In a schema that is sent. (Where the server copies its file it runs none either.)"""
        plain(self.a, "CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        self.path("a.db-snapshot").mkdir(exist_ok=True)
        server = self.serve(self.a)
        for evil in ("CREATE TABLE t AS SELECT 1 AS id, load_extension('x')", "CREATE VIRTUAL TABLE t USING fts5(x)",
                     "ATTACH 'evil.db' AS e", "CREATE TABLE t(id TEXT PRIMARY KEY); ATTACH 'evil.db' AS e",
                     "CREATE TEMP TABLE t(id TEXT PRIMARY KEY)", "PRAGMA user_version = 1", "SELECT 1"):
            with self.subTest(evil):
                plain(self.a, "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = '%s' WHERE name='t';"
                      % evil.replace("'", "''"))
                self.clone(server.url, status=11)
                self.assertFalse(self.c.exists())
                self.assertFalse(self.path("evil.db").exists())

    def test_nothing_is_tracked_there(self):
        plain(self.a, SCHEMA)
        server = self.serve(self.a, "--track", "none")
        err = self.clone(server.url, status=11)
        self.assertIn("tracks no table", err)
        self.assertFalse(self.c.exists())


class ByDeltas(Clone):
    """The same where the server has no snapshot: the name that it is made under is taken."""
    inserts = True

    def setUp(self):
        super().setUp()
        self.path("a.db-snapshot").mkdir()


if __name__ == "__main__":
    unittest.main()
