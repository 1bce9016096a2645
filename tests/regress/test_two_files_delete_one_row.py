"""Two files delete one row, not knowing of each other: it stays deleted, and there is nothing more to say of it."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMAS = {
    "text": "CREATE TABLE t(id TEXT PRIMARY KEY, v);",
    "number": "CREATE TABLE t(id INTEGER PRIMARY KEY, v);",
    "two columns": "CREATE TABLE t(id, part DEFAULT 1, v, PRIMARY KEY(id, part)) WITHOUT ROWID;",
    "only a key": "CREATE TABLE t(id INT PRIMARY KEY);",
}


class Deletes(SyncTest):
    def three(self, label):
        a, b, c = self.files([f"{label} {n}" for n in "abc"], SCHEMAS[label])
        a.sql("INSERT INTO t(id) VALUES(0), (3)")  # 0 from before the tracking, 1 and 2 after it
        for file in (a, b, c):
            file.track("t")
        a.sql("INSERT INTO t(id) VALUES(1), (2)")
        exchange(a, b, c)
        return a, b, c

    def test_once_is_as_twice(self):
        for label in SCHEMAS:
            with self.subTest(label):
                a, b, c = self.three(label)
                for file in (a, b):
                    file.sql("DELETE FROM t WHERE id < 3")
                    tick()
                self.level(a, b, c)
                self.assertEqual(c.sql("SELECT CAST(id AS INT) FROM t"), [(3,)])
                self.assertEqual(exchange(a, b, c), 0)
                self.assertEqual(len(c.x("SELECT DISTINCT key FROM sync_changes WHERE op = 'delete'")), 3)

    def test_one_of_them_inserts_it_again(self):
        for label in SCHEMAS:
            with self.subTest(label):
                a, b, c = self.three(label)
                a.sql("DELETE FROM t WHERE id = 1")
                a.sql("INSERT INTO t(id) VALUES(1)")
                tick()
                b.sql("DELETE FROM t WHERE id = 1")  # the former life: it never saw the new one
                self.level(a, b, c)
                self.assertEqual(c.sql("SELECT count(*) FROM t WHERE id = 1"), [(1,)])

    def test_one_deletes_and_one_changes_the_key(self):
        for label in SCHEMAS:
            with self.subTest(label):
                a, b, c = self.three(label)
                a.sql("DELETE FROM t WHERE id = 1")
                b.sql("UPDATE t SET id = 77 WHERE id = 1")
                self.level(a, b, c)
                self.assertEqual(c.sql("SELECT CAST(id AS INT) FROM t ORDER BY 1"), [(0,), (2,), (3,), (77,)])
                self.assertEqual(exchange(a, b, c), 0)


if __name__ == "__main__":
    unittest.main()
