"""What a connection had loaded inside a transaction that was rolled back, it went on believing: the number told of its version was raised by one, and so was
that of the next change, by whomever. A table's note that values wait for a column went with no number at all, and the column came up empty."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import File, SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(k TEXT PRIMARY KEY, v);"


class RolledBack(SyncTest):
    def test_values_that_wait_for_a_column(self):
        a, b = self.files("ab", SCHEMA, "t")
        b.sql("INSERT INTO t VALUES('gone', 1)")
        exchange(a, b)
        a.sql("ALTER TABLE t ADD COLUMN late")
        b.sql("DELETE FROM t")
        a.sql("UPDATE t SET late = 'told'")
        b.pull(a)  # the name is known there from now on, and no value waits
        a.sql("INSERT INTO t VALUES('here', 2, 'waits')")
        b.x("BEGIN")
        b.pull(a)
        b.x("ROLLBACK")
        b.pull(a)
        b.sql("ALTER TABLE t ADD COLUMN late")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT k, late FROM t ORDER BY 1"), [("here", "waits")])
        self.assert_same(a, b)

    def test_sites(self):
        a, b, c = self.files("abc", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('a', 1)")
        c.sql("INSERT INTO t VALUES('c', 1)")
        other = File(b.path)
        self.addCleanup(other.close)
        b.x("BEGIN")
        b.pull(a)
        b.x("ROLLBACK")
        other.pull(c)
        b.pull(a)
        self.assertEqual(dict(b.x("SELECT json_extract(key, '$[0]'), site FROM sync_changes WHERE op = 'insert' AND col = 'v'")),
                         {"a": a.site(), "c": c.site()})
        exchange(a, b, c)
        self.assert_same(a, b, c)

    def test_columns(self):
        for end in ("ROLLBACK", "ROLLBACK TO s; RELEASE s; COMMIT"):
            with self.subTest(end=end):
                a, b = self.files([f"{name}{len(end)}" for name in "ab"], SCHEMA, "t")
                for statement in ("BEGIN", "SAVEPOINT s", "ALTER TABLE t RENAME COLUMN v TO w", "SELECT sync_version()", *end.split("; ")):
                    a.x(statement)
                a.sql("ALTER TABLE t ADD COLUMN y")
                a.sql("INSERT INTO t VALUES('k', 1, 2)")
                tick()
                b.sql("ALTER TABLE t ADD COLUMN y")
                exchange(a, b)
                self.assertEqual(b.sql("SELECT k, v, y FROM t"), [("k", 1, 2)])
                self.assertEqual(a.sql("SELECT name FROM sync_column ORDER BY cid"), [("v",), ("y",)])
                self.assert_same(a, b)


if __name__ == "__main__":
    unittest.main()
