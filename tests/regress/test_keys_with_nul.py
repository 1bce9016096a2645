"""NOCASE looks no further than a NUL: two spellings that differ behind it were two rows to a merge, and one to SQLite."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY, v)"
COMPOSITE = "CREATE TABLE t(id TEXT COLLATE NOCASE, x TEXT, v, PRIMARY KEY(id, x))"


class KeysWithNul(SyncTest):
    def meet(self, *files):
        self.level(*files)
        for file in files:
            invariants.check(file.path)

    def test_one_row_spelled_in_two_ways(self):
        a, b = self.files("ab", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('k' || char(0) || 'one', 1)")
        b.sql("INSERT INTO t VALUES('K' || char(0) || 'Two', 2)")
        self.meet(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM t"), [(1,)])

    def test_spelled_anew_in_one_batch(self):
        a, b = self.files("ab", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('k' || char(0) || 'one', 1)")
        self.meet(a, b)
        a.sql("UPDATE t SET id = 'K' || char(0) || 'two'")
        a.sql("DELETE FROM t")
        a.sql("INSERT INTO t VALUES('k' || char(0) || '333', 3)")
        self.meet(a, b)
        self.assertEqual(b.sql("SELECT v FROM t"), [(3,)])

    def test_another_length_is_another_row(self):
        a, b = self.files("ab", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('k' || char(0) || 'one', 1)")
        b.sql("INSERT INTO t VALUES('k' || char(0) || 'three', 2)")
        self.meet(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM t"), [(2,)])

    def test_what_follows_is_not_taken_for_it(self):
        a, b = self.files("ab", COMPOSITE, "t")
        a.sql("INSERT INTO t VALUES('k' || char(0) || 'xx', 'a', 1), ('k' || char(0, 3, 1, 65), 'a', 2), ('k' || char(3, 1) || 'a', 'a', 3)")
        b.sql("INSERT INTO t VALUES('K' || char(0) || 'yy', 'a', 4)")
        self.meet(a, b)
        self.assertEqual(a.sql("SELECT v FROM t ORDER BY v"), b.sql("SELECT v FROM t ORDER BY v"))


if __name__ == "__main__":
    unittest.main()
