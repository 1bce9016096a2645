"""What a clone left out, or did anew. A view that uses one created later was left out though that one was made. So were triggers that ask sync_applying,
as the documents recommend, since it was not there yet; and with such a trigger no table of a file that tracks nothing could be tracked. A number that an
AUTOINCREMENT table had given to a row that was deleted since was given out again by the clone. A table that had been renamed could not be cloned at all."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402
from synctest import plain, shell  # noqa: E402

ASKING = "CREATE TRIGGER asks AFTER INSERT ON t WHEN NOT EXISTS (SELECT 1 FROM sync_applying) BEGIN UPDATE t SET v = 'local' WHERE id = NEW.id; END;"


class Clone(SyncTest):
    def clone(self, schema):
        a, c = self.path("a.db"), self.path("c.db")
        shell(a, schema)
        status, out, err = self.run_peer("clone", self.serve(a).url, c)
        self.assertEqual(status, 0, out + err)
        return a, c, err

    def test_views_in_any_order(self):
        _, c, err = self.clone("CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('k', 1); CREATE VIEW a AS SELECT * FROM b;"
                               "CREATE VIEW b AS SELECT * FROM c WHERE v; CREATE VIEW c AS SELECT * FROM t; CREATE VIEW lost AS SELECT * FROM nowhere;"
                               "CREATE TRIGGER first INSTEAD OF INSERT ON a BEGIN INSERT INTO b VALUES(NEW.id, NEW.v); END;"
                               "CREATE TRIGGER second INSTEAD OF INSERT ON b BEGIN INSERT INTO t VALUES(NEW.id, NEW.v); END")
        self.assertEqual(plain(c, "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'view' OR sql LIKE '%INSTEAD%' ORDER BY 1)"),
                         "a,b,c,first,second")
        self.assertEqual(plain(c, "INSERT INTO a VALUES('l', 2); SELECT * FROM a"), "k|1\nl|2")
        self.assertEqual(err.count("left out"), 1 + err.count("left-out.sql"), err)

    def test_triggers_that_tell_merges_from_local_writes(self):
        a, c, err = self.clone("CREATE TABLE t(id TEXT PRIMARY KEY, v); SELECT sync_track('t');" + ASKING + "INSERT INTO t VALUES('k', 1)")
        self.assertNotIn("left out", err)
        self.assertEqual(plain(c, "INSERT INTO t VALUES('l', 1); SELECT v FROM t"), "local\nlocal")
        self.assertEqual(plain(c, "SELECT sql FROM sqlite_schema WHERE name = 'asks'"), plain(a, "SELECT sql FROM sqlite_schema WHERE name = 'asks'"))

    def test_tracked_in_a_file_that_tracks_nothing(self):
        for call in ("sync_track_all()", "sync_track('t')"):
            with self.subTest(call):
                a = self.file(call[:12], "CREATE TABLE t(id TEXT PRIMARY KEY, v);" + ASKING)
                for _ in range(2):
                    self.assertEqual(a.x(f"SELECT {call}"), [(1,)])
                    a.sql("SELECT * FROM t")  # SQLite notices a changed schema when a statement runs, not where a trigger names a table
                    a.sql("INSERT OR REPLACE INTO t VALUES('k', 1)")
                    self.assertEqual(a.sql("SELECT v FROM t"), [("local",)])
                    self.assertEqual(a.x("SELECT sync_untrack_all()"), [(1,)])
                    self.assertEqual(a.sql("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sync%'"), [(0,)])

    def test_a_table_that_cannot_be_written_leaves_nothing(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TRIGGER bad AFTER INSERT ON t BEGIN SELECT nobody_knows(1); END")
        self.refused(a, "SELECT sync_track_all()", says=("table t", "nobody_knows"))
        self.assertEqual(a.sql("SELECT name FROM sqlite_schema WHERE name LIKE 'sync%'"), [])

    def test_numbers_that_were_given_out(self):
        _, c, _ = self.clone("CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, v); CREATE TABLE other(id INTEGER PRIMARY KEY AUTOINCREMENT);"
                             "INSERT INTO n(v) VALUES('stays'), ('goes'), ('goes'); DELETE FROM n WHERE v = 'goes'; SELECT sync_track('n')")
        self.assertEqual(plain(c, "INSERT INTO n(v) VALUES('new'); SELECT * FROM n"), "1|stays\n4|new")

    def test_a_table_that_was_renamed(self):
        _, c, _ = self.clone("CREATE TABLE t(id TEXT PRIMARY KEY, v); SELECT sync_track('t', '{\"identity\": \"key\"}'); INSERT INTO t VALUES('k', 1);"
                             "ALTER TABLE t RENAME TO u; SELECT sync_fold()")
        self.assertEqual(plain(c, "SELECT * FROM u; SELECT name, options FROM sync_table"), 'k|1\nu|{"identity":"key"}')

    def test_references_that_only_the_options_name(self):
        _, c, _ = self.clone("CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY, p);"
                             "SELECT sync_track('p'), sync_track('c', '{\"identity\": \"row\", \"references\": {\"p\": \"p\"}}')")
        self.assertEqual(plain(c, "SELECT options FROM sync_table WHERE name = 'c'"), '{"identity":"row","references":{"p":"p"}}')


if __name__ == "__main__":
    unittest.main()
