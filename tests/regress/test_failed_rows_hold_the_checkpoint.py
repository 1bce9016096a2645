"""A row that fails must not be passed over while the receiver's checkpoint goes on: it would never be asked for again."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"
ROWS = "INSERT INTO t VALUES('r1', 1), ('r2', 2), ('r3', 3), ('r4', 4), ('r5', 5)"


class FailedRows(SyncTest):
    def assert_nothing_came(self, file, seen, metadata):
        self.assertEqual(file.seen(), seen)
        self.assertEqual(file.shell(".dump"), metadata)

    def test_a_row_that_cannot_be_written_keeps_the_whole_delta_back(self):
        """An error that no constraint explains, in the middle of the rows."""
        a, b = self.files("ab", T, "t")
        broken = True

        def witness_of_writes(row):
            if broken and row == "r3":
                raise ValueError(row)
            return 0

        b.extended.create_function("look", 1, witness_of_writes)
        b.x("CREATE TEMP TRIGGER looks AFTER INSERT ON main.t BEGIN SELECT look(NEW.id); END")
        a.sql(ROWS)
        seen, before, changes = b.seen(), b.shell(".dump"), a.cut_for(b)
        with self.assertRaises(sqlite3.Error):
            b.apply(changes)
        self.assert_nothing_came(b, seen, before)
        self.assertEqual(a.cut_for(b), changes)
        broken = False
        self.assertEqual(b.pull(a), 5)
        self.assertIsNone(a.cut_for(b))
        self.level(a, b)

    def test_wherever_the_disk_is_full(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t SELECT value, randomblob(3000) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
        seen, before, changes = b.seen(), b.shell(".dump"), a.cut_for(b)
        pages, refused = b.one("PRAGMA page_count"), 0
        for more in range(40):
            b.x(f"PRAGMA max_page_count = {pages + more}")
            try:
                self.assertEqual(b.apply(changes), 9)
                break
            except sqlite3.Error:
                refused += 1
                self.assert_nothing_came(b, seen, before)
        self.assertGreater(refused, 5)
        b.x("PRAGMA max_page_count = 1000000")
        self.assertIsNone(a.cut_for(b))
        self.level(a, b)

    def test_a_refused_row_is_kept_when_the_checkpoint_goes_on(self):
        a = self.file("a", T, "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, v CHECK (v <> 3));", "t")
        a.sql(ROWS)
        self.assertEqual(b.pull(a), 5)
        self.assertIsNone(a.cut_for(b))
        self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), [("r1",), ("r2",), ("r4",), ("r5",)])
        self.assertEqual(b.held(), [("t", '["r3"]', "check")])
        c = self.file("c", T, "t")
        c.pull(b)                              # and it is given on, though b.db never showed it
        self.assertEqual(c.rows("t"), a.rows("t"))


if __name__ == "__main__":
    unittest.main()
