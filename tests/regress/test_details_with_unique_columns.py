"""A row whose key refers to its parent came before it, and has UNIQUE columns: when its parent was there, it was tried under what it is known by instead of its number, which
no INTEGER PRIMARY KEY takes: "datatype mismatch", and it stayed held."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMAS = {
    "detail": "CREATE TABLE p(k INTEGER PRIMARY KEY, v); CREATE TABLE d(k INTEGER PRIMARY KEY REFERENCES p DEFERRABLE INITIALLY DEFERRED, l, u UNIQUE, w);",
    "tag": "CREATE TABLE p(k INTEGER PRIMARY KEY, v); CREATE TABLE d(k INT REFERENCES p DEFERRABLE INITIALLY DEFERRED, l INT, u UNIQUE, w, PRIMARY KEY(k, l));",
}


class Details(SyncTest):
    def test_they_come_before_their_parents(self):
        for name, schema in SCHEMAS.items():
            with self.subTest(name):
                a, b = self.files(["a" + name, "b" + name], schema, "p", "d")
                a.script("BEGIN; INSERT INTO d VALUES(4, 1, 'u4', 'of a'); INSERT INTO p VALUES(4, 'a'); COMMIT")
                tick()
                b.script("BEGIN; INSERT INTO d VALUES(4, 1, 'v4', 'of b'), (5, 1, 'u4', 'takes u4'); INSERT INTO p VALUES(4, 'b'), (5, 'c'); COMMIT")
                exchange(a, b)
                for file in (a, b):
                    self.assertEqual(file.sql("SELECT p.v, d.w FROM d JOIN p USING (k) ORDER BY 2"), [("b", "of b"), ("c", "takes u4")])
                    self.assertEqual([(tbl, reason) for tbl, _, reason in file.held()], [("d", "unique")])
                tick()
                a.sql("UPDATE d SET u = 'free' WHERE w = 'takes u4'")
                exchange(a, b)
                for file in (a, b):
                    self.assertEqual(file.sql("SELECT p.v, d.w FROM d JOIN p USING (k) ORDER BY 2"), [("a", "of a"), ("b", "of b"), ("c", "takes u4")])


if __name__ == "__main__":
    unittest.main()
