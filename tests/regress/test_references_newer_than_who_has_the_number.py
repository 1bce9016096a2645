"""A number passed from a row that was deleted to a new one, and what referred to the number was journaled as written at the next fold, since it meant the new one from then on.
So was what had been written after the new row, or with it, and meant it anyway: another file's later write to the same reference then lost to no write at all."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

TREE = "CREATE TABLE p(id INTEGER PRIMARY KEY, boss REFERENCES p, n);"
SHOP = "CREATE TABLE p(id INTEGER PRIMARY KEY, n); CREATE TABLE c(%s, p REFERENCES p, n);"


class NewerReferences(SyncTest):
    def test_to_itself(self):
        a, b = self.files("ab", TREE, "p")
        a.sql("INSERT INTO p VALUES(2, NULL, 'first')")
        a.sql("DELETE FROM p")
        a.sql("INSERT INTO p VALUES(2, 2, 'second')")
        b.pull(a)
        tick()
        b.sql("INSERT INTO p VALUES(3, NULL, 'third')")
        b.sql("UPDATE p SET boss = 3 WHERE id = 2")
        exchange(a, b)
        self.assertEqual(a.sql("SELECT id, boss FROM p"), [(2, 3), (3, None)])
        self.assert_same(a, b)

    def test_of_another_table(self):
        for key in ("id INTEGER PRIMARY KEY", "id TEXT PRIMARY KEY", "id INTEGER PRIMARY KEY REFERENCES p"):
            for before in (False, True):
                with self.subTest(key=key, before=before):
                    a, b = self.files([f"{name}{len(key)}{before}" for name in "ab"], SHOP % key)
                    for file in (a, b):
                        file.track_all()
                    a.sql("INSERT INTO p VALUES(1, 'other'), (2, 'first')")
                    exchange(a, b)
                    if before:
                        a.sql("INSERT INTO c VALUES(1, 2, 'child')")  # meant the first, and means the second from then on
                    a.sql("DELETE FROM p WHERE id = 2")
                    a.sql("INSERT INTO p VALUES(2, 'second')")
                    if not before:
                        a.sql("INSERT INTO c VALUES(1, 2, 'child')")
                    a.fold()
                    told = a.x("SELECT stamp FROM sync_changes WHERE tbl = 'c' AND col = 'p'"), a.x("SELECT stamp FROM sync_changes WHERE tbl = 'c' AND col = 'n'")
                    self.assertEqual(told[0] != told[1], before)
                    exchange(a, b)
                    self.assertEqual(b.sql("SELECT p.n FROM c JOIN p ON p.id = c.p"), [("second",)])
                    self.assert_same(a, b)


if __name__ == "__main__":
    unittest.main()
