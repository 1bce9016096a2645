"""A table that was renamed while another one was made under its name: the other one was taken for it, clocks and all, and the renamed one not tracked."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange  # noqa: E402

MADE = "CREATE TABLE t(id TEXT PRIMARY KEY, a);"


class Namesakes(SyncTest):
    def setUp(self):
        super().setUp()
        self.a, self.b = self.files("ab", MADE, "t")
        self.a.sql("INSERT INTO t VALUES('k', 1)")
        exchange(self.a, self.b)

    def note(self):
        return self.a.one("SELECT note FROM sync_status WHERE tbl = 't'")

    def test_nobody_is_guessed(self):
        a, b = self.a, self.b
        a.script("ALTER TABLE t RENAME TO kept; " + MADE)
        a.fold()
        self.assertEqual(self.note(), "missing: renamed to kept, and another table has its name now; sync_untrack('t'), then sync_track('kept') or"
                                      " sync_track('t')")
        a.sql("INSERT INTO t VALUES('other', 1)")
        b.sql("UPDATE t SET a = 2")
        exchange(a, b)
        self.assertEqual((a.sql("SELECT * FROM kept"), a.sql("SELECT * FROM t")), ([("k", 1)], [("other", 1)]))
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", 2)])
        for advice in ("sync_untrack('t')", "sync_track('kept')", "sync_track('t')"):
            self.assertEqual(a.one("SELECT " + advice), 1)
        exchange(a, b)
        self.assertEqual(sorted(a.sql("SELECT * FROM t")), [("k", 2), ("other", 1)])
        self.assertEqual(a.sql("SELECT * FROM kept"), [("k", 1)])

    def test_a_rebuild_in_several_transactions(self):
        a, b = self.a, self.b
        for step in ("ALTER TABLE t RENAME TO old; " + MADE, "INSERT INTO t SELECT * FROM old", "DROP TABLE old"):
            a.script(step)
            a.fold()
        self.assertIn("its triggers were gone until", self.note())
        self.assertIsNone(a.cut_for(b))
        a.sql("UPDATE t SET a = 3")
        self.level(a, b)


if __name__ == "__main__":
    unittest.main()
