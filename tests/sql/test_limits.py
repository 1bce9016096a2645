"""Bounds of the engine at n and at n + 1, through SQL."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
from syncfile import SyncTest  # noqa: E402

SCHEMA = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p);"
ORPHANS = "PRAGMA foreign_keys = off; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO c SELECT 'c' || i, i FROM n"


class Limits(SyncTest):
    def listed(self, name, count, late):
        """How many of so many rows without parents are listed: written before the tracking, or after it."""
        file = self.file(name, SCHEMA)
        if late:
            file.script(ORPHANS.format(count))
        file.track("p").track("c")
        if not late:
            file.script(ORPHANS.format(count))
        file.fold()
        return file.sql("SELECT count(*) FROM sync_conflict WHERE reason = 'foreign key'")[0][0]

    def test_orphans_that_are_listed(self):
        n = limits.value("SYNC_ORPHANS_NOTED_MAX")
        self.assertEqual([self.listed(f"a{count}", count, False) for count in (n - 1, n, n + 1)], [n - 1, n, n])

    def test_rows_that_adopting_looks_through(self):
        n = limits.value("SYNC_ADOPTED_ROWS_MAX")
        self.assertEqual([self.listed(f"b{count}", count, True) for count in (n - 1, n, n + 1)], [n - 1, n, n])

    def test_columns_of_a_mask(self):
        """Each column of tables whose columns just fill a mask, and of those with one more."""
        n = limits.value("SYNC_MASK_COLUMNS")
        for count in (n, n + 1, 2 * n, 2 * n + 1):
            with self.subTest(count):
                names = [f"c{i}" for i in range(count)]
                a, b = self.files((f"x{count}", f"y{count}"), f"CREATE TABLE w(id TEXT PRIMARY KEY, {', '.join(names)});", "w")
                a.sql("INSERT INTO w(id) VALUES('k')")
                self.level(a, b)
                for i in {0, n - 1, n, count - 1} & set(range(count)):
                    a.sql(f"UPDATE w SET c{i} = 'x{i}'")
                    self.assertEqual(b.pull(a), 1)
                    self.assertEqual(b.sql(f"SELECT c{i} FROM w"), [(f"x{i}",)])


if __name__ == "__main__":
    unittest.main()
