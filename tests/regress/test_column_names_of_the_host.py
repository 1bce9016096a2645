"""PRAGMA full_column_names and short_column_names of a host name the columns of subqueries too: "no such column: j.seq" came of every call in a
connection that has set them."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange  # noqa: E402

SCHEMA = """
    CREATE TABLE k(id TEXT, n INTEGER, v, PRIMARY KEY(id, n));
    CREATE TABLE p(id INTEGER PRIMARY KEY, email TEXT UNIQUE, v);
    CREATE UNIQUE INDEX lower_email ON p(lower(email)) WHERE v IS NOT NULL;
    CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p, v);
    INSERT INTO k VALUES('a', 1, 'x'); INSERT INTO p VALUES(1, 'a', 1), (2, 'spare', 1); INSERT INTO c VALUES(1, 1, 'c');
"""


class Names(SyncTest):
    def strict(self, name):
        file = self.file(name, SCHEMA)
        for pragma in ("full_column_names = 1", "short_column_names = 0"):
            file.x(f"PRAGMA {pragma}")
            file.sql(f"PRAGMA {pragma}")
        return file

    def test_everything_works(self):
        a, b = self.strict("a"), self.strict("b")
        for file in (a, b):
            self.assertEqual(file.x("SELECT sync_track_all()"), [(3,)])
        exchange(a, b)
        for file, value in ((a, "one"), (b, "two")):
            file.sql("INSERT INTO p(email, v) VALUES(?, ?)", "new" + value, value)
            file.sql("INSERT INTO c(p, v) SELECT max(id), ? FROM p", value)
            file.sql("INSERT OR REPLACE INTO p(id, email, v) VALUES(9, 'Spare', ?)", value)
            file.sql("UPDATE k SET v = ?", value)
            file.sql("UPDATE k SET n = ? WHERE id = 'a'", 5)
            file.changeset()  # while nothing is folded yet
        for _ in range(4):
            exchange(a, b)
        self.assert_same(a, b)
        for file in (a, b):
            for read in ("sync_changes", "sync_status", "sync_conflict", "sync_renumbered"):
                file.x(f"SELECT * FROM {read}")
            file.x("SELECT sync_touch('k', '[\"a\", 5]'), sync_touch('p', 1), sync_fold()")
            file.x("SELECT sync_alter('ALTER TABLE k RENAME COLUMN v TO w; ALTER TABLE c RENAME TO d')")
        a.sql("UPDATE k SET w = 'three'")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT w FROM k"), [("three",)])
        self.assertEqual(b.sql("SELECT count(*) FROM d JOIN p ON p.id = d.p"), [(3,)])


if __name__ == "__main__":
    unittest.main()
