"""Tables of nothing but a key: there is no cell to send, so that a row is there has to travel by itself."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange  # noqa: E402

SCHEMAS = {
    "number": "CREATE TABLE t(id INTEGER PRIMARY KEY);",
    "counted": "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT);",
    "text": "CREATE TABLE t(id TEXT PRIMARY KEY);",
    "strict": "CREATE TABLE t(id INT PRIMARY KEY) STRICT, WITHOUT ROWID;",
    "pair": "CREATE TABLE t(id INT, other TEXT DEFAULT 'o', PRIMARY KEY(id, other)) WITHOUT ROWID;",
    "generated": "CREATE TABLE t(id INT PRIMARY KEY, twice AS (id * 2));",
}


class KeysOnly(SyncTest):
    def ids(self, file):
        return [n for (n,) in file.sql("SELECT CAST(id AS INT) FROM t ORDER BY 1")]

    def test_rows_come_and_go(self):
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b, c = self.files([f"{label} {n}" for n in "abc"], schema)
                a.sql("INSERT INTO t(id) VALUES(1), (2)")
                for file in (a, b, c):
                    file.track("t")
                a.sql("INSERT INTO t(id) VALUES(3), (4), (5)")
                self.assertEqual(b.pull(a), 5)
                c.pull(b)
                self.assertEqual(self.ids(c), [1, 2, 3, 4, 5])
                c.sql("DELETE FROM t WHERE id IN (1, 3)")
                b.sql("UPDATE t SET id = 50 WHERE id = 5")
                a.sql("INSERT OR REPLACE INTO t(id) VALUES(4)")
                self.level(a, b, c)
                self.assertEqual(self.ids(a), [2, 4, 50])
                b.sql("INSERT INTO t(id) VALUES(3)")  # once more
                a.sql("INSERT INTO t(id) VALUES(6)"), b.sql("INSERT INTO t(id) VALUES(6)"), c.sql("INSERT INTO t(id) VALUES(6)")
                self.level(a, b, c)
                self.assertEqual(self.ids(c)[:5], [2, 3, 4, 6, 50])
                self.assertEqual(len(self.ids(c)), 7 if label in ("number", "counted") else 5)  # three inserts of one number are three rows
                self.assertEqual(exchange(a, b, c), 0)

    def test_a_column_comes_later(self):
        for label in ("number", "text", "pair"):
            with self.subTest(label):
                a, b = self.files([f"{label} later {n}" for n in "ab"], SCHEMAS[label], "t")
                a.sql("INSERT INTO t(id) VALUES(1)")
                exchange(a, b)
                a.sql("ALTER TABLE t ADD COLUMN v")
                a.sql("UPDATE t SET v = 'late'")
                exchange(a, b)
                b.sql("ALTER TABLE t ADD COLUMN v")
                self.level(a, b)
                self.assertEqual(b.sql("SELECT v FROM t"), [("late",)])


if __name__ == "__main__":
    unittest.main()
