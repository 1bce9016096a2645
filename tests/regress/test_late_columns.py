"""Columns that come while files exchange: values that were lost, or shown in a row that they do not belong to."""
import sys
import unittest
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, tick  # noqa: E402


class LateColumns(SyncTest):
    def test_a_column_learned_by_the_merge_that_brings_a_new_site(self):
        """The merge told its own connection twice over that it had read the columns: what was written to the new one did not travel."""
        a, b = self.files("ab", "CREATE TABLE t(k TEXT PRIMARY KEY, c); CREATE TABLE u(k TEXT PRIMARY KEY);", "t", "u")
        b.sql("INSERT INTO u VALUES('x')")
        changes = b.changeset(a.seen())
        a.sql("ALTER TABLE t ADD COLUMN late DEFAULT 7")
        a.apply(changes)
        a.sql("INSERT INTO t VALUES('k', 1, 'written')")
        b.sql("ALTER TABLE t ADD COLUMN late DEFAULT 7")
        b.pull(a)
        self.assertEqual(b.sql("SELECT late FROM t"), [("written",)])

    def test_a_row_that_takes_a_number_leaves_nothing_of_the_row_before_it(self):
        """The older row has no cell in a column that its own file lacked: the younger row's value must not stay there."""
        a, b = self.files("ab", "CREATE TABLE t(k INTEGER PRIMARY KEY, c);", "t")
        a.sql("INSERT INTO t VALUES(1, 'older')")
        tick()
        b.sql("ALTER TABLE t ADD COLUMN late")
        b.sql("INSERT INTO t VALUES(1, 'younger', 'its own')")
        b.pull(a)
        self.assertEqual(b.sql("SELECT * FROM t"), [(1, "older", None), (2, "younger", "its own")])
        a.sql("ALTER TABLE t ADD COLUMN late")
        self.level(a, b)


if __name__ == "__main__":
    unittest.main()
