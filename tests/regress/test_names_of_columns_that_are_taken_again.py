"""A program renames a column and adds one under the old name before we look: the name is the new column's from then on, and the file goes on as before."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange  # noqa: E402


class Names(SyncTest):
    def pair(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, a, b)")
        for file in (a, b):
            file.track("t")
        a.sql("INSERT INTO t VALUES('k', 'A', 'B')")
        exchange(a, b)
        return a, b

    def test_one(self):
        a, b = self.pair()
        a.sql("ALTER TABLE t RENAME COLUMN a TO aa")
        a.sql("ALTER TABLE t ADD COLUMN a")
        a.script("UPDATE t SET a = 'new' WHERE id = 'k'; INSERT INTO t(id, aa, a) VALUES('l', 1, 2)")
        self.assertEqual(a.x("SELECT sync_fold()"), [(2,)])
        self.assertEqual(a.sql("SELECT id, aa, a, b FROM t"), [("k", "A", "new", "B"), ("l", 1, 2, None)])
        for file, value in ((a, "of a"), (b, "of b")):
            file.sql("UPDATE t SET b = ? WHERE id = 'k'", value)
            exchange(a, b)
            self.assertEqual(b.sql("SELECT id, a, b FROM t"), [("k", "new", value), ("l", 2, None)])
            self.assertEqual(a.sql("SELECT aa, a, b FROM t WHERE id = 'k'"), [("A", "new", value)])

    def test_two_in_turn(self):
        a, b = self.pair()
        for sql in ("ALTER TABLE t RENAME COLUMN a TO x", "ALTER TABLE t RENAME COLUMN b TO a", "ALTER TABLE t ADD COLUMN b"):
            a.sql(sql)
        a.x("SELECT sync_fold()")
        self.assertEqual(a.sql("SELECT x, a, b FROM t"), [("A", "B", None)])
        a.sql("UPDATE t SET b = 'new'")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT b FROM t"), [("new",)])
        self.assertEqual(a.x("SELECT sync_untrack('t')"), [(1,)])


if __name__ == "__main__":
    unittest.main()
