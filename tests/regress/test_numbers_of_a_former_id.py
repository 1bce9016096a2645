"""A file that took a new id before it met others (another table was let go or renamed) was not the author of its own new rows any more: where their numbers were taken, nobody gave them others."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE n(id INTEGER PRIMARY KEY, v); CREATE TABLE other(id TEXT PRIMARY KEY);"


class Former(SyncTest):
    def test_whatever_made_it_take_another(self):
        calls = {"untrack": "SELECT sync_untrack('other')", "rename": "SELECT sync_alter('ALTER TABLE other RENAME TO another')",
                 "drop": "SELECT sync_alter('DROP TABLE other')"}
        for name, call in calls.items():
            with self.subTest(name):
                a, b = self.files(["a" + name, "b" + name], SCHEMA, "n", "other")
                a.sql("INSERT INTO n VALUES(1, 'of a')")
                tick()
                b.sql("INSERT INTO n VALUES(1, 'of b')")
                b.fold()
                had = b.site()
                b.x(call)
                self.assertNotEqual(b.site(), had)
                a.pull(b)
                b.pull(a)
                a.pull(b)
                for file in (a, b):
                    self.assertEqual((file.rows("n"), file.held()), (["(1, 'of a')", "(2, 'of b')"], []))


if __name__ == "__main__":
    unittest.main()
