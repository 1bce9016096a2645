"""What is known of a row is written in the same savepoint as the row: a merge that fails leaves neither without the other."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, u UNIQUE);"


class Savepoints(SyncTest):
    def prepare(self):
        """b.db is about to get updates, deletes, a number that is contested and a UNIQUE value that is; one row makes the merge fail."""
        a, b = self.files("ab", SCHEMA, "t", "n")
        a.sql("INSERT INTO t VALUES('keep', 0), ('change', 0), ('go', 0)")
        self.level(a, b)
        b.sql("INSERT INTO n VALUES(1, 'b'), (2, 'same')")
        a.sql("INSERT INTO n VALUES(1, 'a'), (3, 'same')")
        a.script("UPDATE t SET v = 1 WHERE id = 'change'; DELETE FROM t WHERE id = 'go'; INSERT INTO t VALUES('z last', 9);")
        b.extended.create_function("fail", 0, lambda: 1 / 0)
        b.x("CREATE TEMP TRIGGER fails AFTER INSERT ON main.t WHEN NEW.id = 'z last' BEGIN SELECT fail(); END")
        return a, b, a.cut_for(b)

    def test_a_merge_that_fails_leaves_the_file_as_it_was(self):
        a, b, changes = self.prepare()
        b.fold()
        before = b.shell(".dump")
        with self.assertRaises(sqlite3.Error):
            b.apply(changes)
        self.assertEqual(b.shell(".dump"), before)
        invariants.check(b.path)
        b.x("DROP TRIGGER fails")
        b.apply(changes)
        self.level(a, b)

    def test_in_a_transaction_that_is_committed_nevertheless(self):
        a, b, changes = self.prepare()
        b.x("BEGIN")
        b.x("INSERT INTO t VALUES('own', 1)")
        with self.assertRaises(sqlite3.Error):
            b.apply(changes)
        b.x("UPDATE t SET v = 2 WHERE id = 'keep'")
        b.x("COMMIT")
        invariants.check(b.path)
        self.assertEqual(b.sql("SELECT id, v FROM t ORDER BY id"), [("change", 0), ("go", 0), ("keep", 2), ("own", 1)])
        b.x("DROP TRIGGER fails")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, v FROM t ORDER BY id"), [("change", 1), ("keep", 2), ("own", 1), ("z last", 9)])

    def test_a_fold_that_fails_leaves_the_file_as_it_was(self):
        a, b = self.files("ab", SCHEMA, "t", "n")
        a.sql("INSERT INTO t SELECT value, randomblob(20) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
        a.sql("INSERT INTO t SELECT 'more ' || a.id || b.id || c.id, 0 FROM t AS a, t AS b, t AS c")
        before = a.shell(".dump")
        a.x("PRAGMA max_page_count = %d" % (a.one("PRAGMA page_count") + 2))
        with self.assertRaises(sqlite3.Error):
            a.fold()
        self.assertEqual(a.shell(".dump"), before)
        a.x("PRAGMA max_page_count = 1000000")
        self.level(a, b)


if __name__ == "__main__":
    unittest.main()
