"""A failed UPDATE OR FAIL leaves the note of a row that it might have displaced. Where it spelled the key otherwise than the row does, the triggers of a
merge took that row, which the merge itself had deleted, for displaced, and wrote an entry more than the merge expected."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402


class Notes(SyncTest):
    def test_of_a_row_that_the_merge_deletes(self):
        for key in ("k TEXT COLLATE NOCASE PRIMARY KEY", "k TEXT COLLATE RTRIM PRIMARY KEY"):
            with self.subTest(key):
                other = "A" if "NOCASE" in key else "a "
                a, b = self.files([n + other for n in "xy"], f"CREATE TABLE t({key}, v UNIQUE)", "t")
                a.sql("INSERT INTO t VALUES('a', 1), ('b', 'v')")
                self.level(a, b)
                a.sql("UPDATE t SET k = 'c' WHERE k = 'a'")
                with self.assertRaises(sqlite3.IntegrityError):
                    b.sql("UPDATE OR FAIL t SET k = ? WHERE k = 'b'", other)
                b.pull(a)
                self.level(a, b)


if __name__ == "__main__":
    unittest.main()
