"""A table that was let go and tracked again: the file still claimed to hold all that it had ever written to it, and was not given it back."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(id %s PRIMARY KEY, a); CREATE TABLE u(id TEXT PRIMARY KEY);"


class TrackedAgain(SyncTest):
    def test_its_own_rows_come_back(self):
        for kind in ("TEXT", "INTEGER"):
            with self.subTest(kind):
                a, b, c = self.files((f"{name}{kind}" for name in "abc"), SCHEMA % kind, "t", "u")
                a.sql("INSERT INTO t VALUES(1, 'written in a')")
                b.sql("INSERT INTO t VALUES(2, 'written in b')")
                exchange(a, b, c)
                site = a.site()
                a.x("SELECT sync_untrack('t')")
                a.script(f"DROP TABLE t; CREATE TABLE t(id {kind} PRIMARY KEY, a);")
                a.track("t")
                self.assertNotEqual(a.site(), site)
                tick()
                a.sql("INSERT INTO u VALUES('under the new id')")
                self.level(a, b, c)
                self.assertEqual(len(a.sql("SELECT * FROM t")), 2)

    def test_the_id_is_kept_by_what_is_undone(self):
        a = self.file("a", SCHEMA % "TEXT", "t", "u")
        site = a.site()
        a.extended.execute("BEGIN")
        a.x("SELECT sync_untrack('t')")
        a.extended.execute("ROLLBACK")
        self.assertEqual(a.site(), site)
        self.refused(a, "SELECT sync_untrack('nothing')")
        self.assertEqual(a.site(), site)


if __name__ == "__main__":
    unittest.main()
