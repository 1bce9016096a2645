"""What a receiver with nothing gets begins with rows that are not shown: for each of them the statement read the whole table, so with n of both it took n times n steps."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest  # noqa: E402


class Steps(SyncTest):
    def steps(self, rows):
        file = self.file(f"f{rows}", "CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "t")
        file.sql("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO t SELECT i, i FROM n", 2 * rows)
        file.sql("DELETE FROM t WHERE id % 2")
        file.fold()
        count = 0

        def tell():
            nonlocal count
            count += 1
        file.extended.set_progress_handler(tell, 1000)
        file.changeset()
        file.extended.set_progress_handler(None, 0)
        return count

    def test_twice_the_rows_take_twice_the_steps(self):
        few, many = self.steps(2000), self.steps(8000)
        self.assertLess(many, 8 * few + 8)


if __name__ == "__main__":
    unittest.main()
