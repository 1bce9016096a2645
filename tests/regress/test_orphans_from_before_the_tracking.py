"""A row from before the tracking that referred to nobody was not listed as such. When its number was given out, its own file took it to mean that row, and all others
the row from before the tracking that they had under the number."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, tick  # noqa: E402

ITSELF = "CREATE TABLE t(id INTEGER PRIMARY KEY, v, p INT REFERENCES t);"
OTHER = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(k TEXT PRIMARY KEY, p REFERENCES t);"
DETAIL = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY REFERENCES t, v);"


class Genesis(SyncTest):
    def test_in_the_table_itself(self):
        a, b, c = self.files("abc", ITSELF)
        a.sql("INSERT INTO t VALUES(1, 'orphan', 3)")
        b.sql("INSERT INTO t VALUES(3, 'of b', NULL)")
        for file in (a, b, c):
            file.track("t")
        self.assertEqual(a.x("SELECT key, reason, detail, held FROM sync_conflict"), [("[1]", "foreign key", "t(p) refers to a row of t that is not there: written here", 0)])
        b.pull(a)
        self.assertEqual(b.sql("SELECT * FROM t WHERE id = 1"), [(1, "orphan", 3)])
        tick()
        a.sql("INSERT INTO t VALUES(3, 'of a', NULL)")
        self.level(a, b, c)
        for file in (a, b, c):
            self.assertEqual(file.sql("SELECT v FROM t WHERE id = (SELECT p FROM t WHERE v = 'orphan')"), [("of a",)])
            self.assertEqual(file.x("SELECT * FROM sync_conflict"), [])

    def test_whichever_table_is_tracked_first(self):
        for order in (("t", "c"), ("c", "t"), None):
            with self.subTest(order=order):
                name = order[0] if order else "all"
                a, b = self.files((name + "a", name + "b"), OTHER)
                a.script("INSERT INTO c VALUES('k', 3), ('null', NULL)")
                b.sql("INSERT INTO t VALUES(3, 'of b')")
                for file in (a, b):
                    file.track(*order) if order else file.track_all()
                self.assertEqual(a.x("SELECT key, reason, held FROM sync_conflict"), [('["k"]', "foreign key", 0)])
                b.pull(a)
                tick()
                a.sql("INSERT INTO t VALUES(3, 'of a')")
                self.level(a, b)
                for file in (a, b):
                    self.assertEqual(file.sql("SELECT v FROM c JOIN t ON id = p"), [("of a",)])

    def test_a_key(self):
        a, b = self.files("ab", DETAIL)
        a.sql("INSERT INTO c VALUES(3, 'detail')")
        for file in (a, b):
            file.track("t", "c")
        self.assertEqual(a.x("SELECT key, reason, held FROM sync_conflict"), [("[3]", "foreign key", 0)])
        b.pull(a)
        tick()
        b.sql("INSERT INTO t VALUES(3, 'of b')")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT t.v, c.v FROM c JOIN t USING (id)"), [("of b", "detail")])
            self.assertEqual(file.x("SELECT * FROM sync_conflict"), [])

    def test_in_copies(self):
        a = self.file("a", OTHER)
        a.sql("INSERT INTO c VALUES('k', 3)")
        b = self.copy(a, "b")
        a.track("t", "c")
        tick()
        b.track("t", "c")
        a.pull(b)
        b.pull(a)
        tick()
        a.sql("INSERT INTO t VALUES(3, 'of a')")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT v FROM c JOIN t ON id = p"), [("of a",)])
            self.assertEqual(file.x("SELECT * FROM sync_conflict"), [])


if __name__ == "__main__":
    unittest.main()
