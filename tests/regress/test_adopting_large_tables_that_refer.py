"""Adopting a table takes the same at any size, also where it refers to another one: the look for rows without their parents went through all of it."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest  # noqa: E402

SCHEMA = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p, q INT REFERENCES c, v);"
FILL = ("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) INSERT INTO p SELECT i, 'x' FROM n;"
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) INSERT INTO c SELECT i, i, i, 'x' FROM n;")


class Adopting(SyncTest):
    def steps(self, rows):
        """Of SQLite's machine, in thousands."""
        file = self.file(f"of {rows}", SCHEMA)
        file.script(FILL.format(rows))
        count = 0

        def counted():
            nonlocal count
            count += 1

        file.extended.set_progress_handler(counted, 1000)
        file.extended.execute("SELECT sync_track_all()").fetchall()
        file.extended.set_progress_handler(None, 0)
        return count

    def test_steps(self):
        small, large = self.steps(2_000), self.steps(40_000)
        self.assertLess(large, small + small // 10 + 2)


if __name__ == "__main__":
    unittest.main()
