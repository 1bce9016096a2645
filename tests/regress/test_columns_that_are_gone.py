"""A column that a rebuilt table has no more is no column of it: it was taken for one, and what was written to its successor did not travel."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

import invariants  # noqa: E402
from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMAS = {"text": "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);", "integer": "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);"}
REBUILD = """BEGIN; CREATE TABLE n(id %s PRIMARY KEY, a); INSERT INTO n SELECT id, a FROM t; DROP TABLE t;
    ALTER TABLE n RENAME TO t; COMMIT"""


class Gone(SyncTest):
    def filled(self, kind):
        a = self.file("a" + kind, SCHEMAS[kind] + "INSERT INTO t VALUES(1, 'g', 'g');", "t")
        b = self.file("b" + kind, SCHEMAS[kind], "t")
        a.sql("INSERT INTO t VALUES(2, 'a', 'a')")
        b.sql("INSERT INTO t VALUES(3, 'b', 'b')")
        exchange(a, b)
        return a, b

    def rebuild(self, file, kind):
        file.script(REBUILD % kind.upper())

    def test_a_new_column_of_its_name(self):
        for kind in SCHEMAS:
            with self.subTest(kind):
                a, b = self.filled(kind)
                self.rebuild(a, kind)
                a.fold()
                self.assertEqual(a.sql("SELECT name, present FROM sync_column"), [("a", 1), ("b", 0)])
                invariants.check(a.path, whole=False)
                a.sql("ALTER TABLE t ADD COLUMN b")
                a.fold()
                tick()
                a.sql("UPDATE t SET b = 'new' WHERE id = 2")
                exchange(a, b)
                self.assertEqual(b.sql("SELECT b FROM t ORDER BY id"), [("g",), ("new",), ("b",)])
                self.assertEqual(a.sql("SELECT b FROM t WHERE id > 1 ORDER BY id"), [("new",), ("b",)])  # what a.db itself had written before is lost there

    def test_columns_that_are_renamed_later(self):
        for kind in SCHEMAS:
            with self.subTest(kind):
                a, b = self.filled(kind)
                self.rebuild(a, kind)
                a.fold()
                a.sql("ALTER TABLE t RENAME COLUMN a TO z")
                tick()
                b.sql("UPDATE t SET a = 'from b' WHERE id = 2")
                exchange(a, b)
                self.assertEqual(a.sql("SELECT z FROM t ORDER BY id"), [("g",), ("from b",), ("b",)])

    def test_values_of_others_are_asked_for_again(self):
        """They went with the column, but a third file may have nobody else to get them from."""
        for kind in SCHEMAS:
            with self.subTest(kind):
                a, b = self.filled(kind)
                c = self.file("c" + kind, SCHEMAS[kind], "t")
                self.rebuild(a, kind)
                exchange(a, b)
                self.assertEqual(exchange(a, b), 0)
                c.pull(a)
                self.assertEqual(c.sql("SELECT * FROM t WHERE id = 3"), b.sql("SELECT * FROM t WHERE id = 3"))
                invariants.check(a.path)


if __name__ == "__main__":
    unittest.main()
