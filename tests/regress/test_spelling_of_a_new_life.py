"""A key that comes back spelled otherwise, and is held: who gets the row from there gets the new spelling."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, tick  # noqa: E402


class Spelling(SyncTest):
    def test_a_held_row_is_relayed_as_it_was_inserted_last(self):
        """Its clock kept the key of the life before."""
        for key, old, new in (("TEXT COLLATE NOCASE PRIMARY KEY", "'a'", "'A'"), ("BLOB PRIMARY KEY", "1", "1.0")):
            with self.subTest(key):
                a, b, c = self.files((key[:4] + "a", key[:4] + "b", key[:4] + "c"), f"CREATE TABLE t(k {key}, u UNIQUE);", "t")
                b.sql(f"INSERT INTO t VALUES({old}, NULL)")
                self.level(a, b)
                b.sql("DELETE FROM t")
                self.level(a, b)
                b.sql(f"INSERT INTO t VALUES({new}, 1)")
                tick()
                a.sql("INSERT INTO t VALUES('z', 1)")
                a.pull(b)
                self.assertEqual(len(a.held()), 1)
                c.pull(a)
                a.sql("DELETE FROM t")
                self.level(a, b, c)
                for file in (a, b, c):
                    self.assertEqual(file.raw("SELECT k FROM t"), b.raw(f"SELECT {new}"))
                    invariants.check(file.path)


if __name__ == "__main__":
    unittest.main()
