"""Rows that a REPLACE pushes out through a UNIQUE index: their notes in the journal say nothing anew of what has been told."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, exchange, tick  # noqa: E402


class Displaced(SyncTest):
    def converge(self, *files):
        self.level(*files)
        for file in files:
            invariants.check(file.path)

    def test_a_note_left_by_or_ignore_does_not_date_a_later_delete_back(self):
        """The next write made a delete of the note at the note's own place, which is before the delete that had been told."""
        for key in ("TEXT", "INTEGER"):
            with self.subTest(key):
                schema = f"CREATE TABLE t(k {key} PRIMARY KEY, u UNIQUE);"
                a, b = self.files((key + "a", key + "b"), schema, "t")
                a.sql("INSERT INTO t VALUES(3, 1)")
                self.converge(a, b)
                a.sql("INSERT OR IGNORE INTO t VALUES(4, 1)")
                tick()
                a.sql("DELETE FROM t WHERE k = 3")
                b.pull(a)
                a.sql("INSERT INTO t VALUES(5, 2)")
                self.converge(a, b)
                self.assertEqual(b.sql("SELECT * FROM t"), a.sql("SELECT * FROM t"))

    def test_a_note_left_by_or_ignore_kills_no_later_row_of_the_key(self):
        a, b = self.files("ab", "CREATE TABLE t(k TEXT PRIMARY KEY, u UNIQUE);", "t")
        a.sql("INSERT INTO t VALUES('x', 1)")
        self.converge(a, b)
        a.script("INSERT OR IGNORE INTO t VALUES('y', 1); DELETE FROM t; INSERT INTO t VALUES('x', 2); INSERT INTO t VALUES('z', 3);")
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY k"), [("x", 2), ("z", 3)])

    def test_many_rows_displaced_by_one_statement(self):
        for key, recursive in (("TEXT", 0), ("TEXT", 1), ("INTEGER", 0), ("INTEGER", 1)):
            with self.subTest(key=key, recursive=recursive):
                schema = f"CREATE TABLE t(k {key} PRIMARY KEY, u UNIQUE, v UNIQUE);"
                a, b = self.files((f"{key}{recursive}a", f"{key}{recursive}b"), schema, "t")
                a.sql("INSERT INTO t VALUES(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)")
                self.converge(a, b)
                a.script(f"PRAGMA recursive_triggers = {recursive}; INSERT OR REPLACE INTO t VALUES(11, 1, 2), (12, 3, 4)")
                self.converge(a, b)
                self.assertEqual(sorted(int(k) for k, in b.sql("SELECT k FROM t")), [11, 12])

    def test_a_row_displaced_twice_over_leaves_nothing_in_the_journal(self):
        """With recursive triggers its delete is noted twice; nothing named the second entry."""
        a, b = self.files("ab", "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE);", "t")
        a.sql("INSERT INTO t VALUES(1, 1)")
        self.converge(a, b)
        a.script("PRAGMA recursive_triggers = on; INSERT OR REPLACE INTO t VALUES(2, 1)")
        a.fold()
        a.sql("INSERT INTO t VALUES(7, 7)")
        a.fold()
        invariants.check(a.path)
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY k"), [(2, 1), (7, 7)])


if __name__ == "__main__":
    unittest.main()
