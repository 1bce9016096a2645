"""A relay hands on who wrote a cell, and when. One that put itself in the author's place sent changes back to where they came from, and
made them later than they were."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, tick  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v, w); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"


class Relays(SyncTest):
    def setUp(self):
        super().setUp()
        self.a, self.b, self.c, self.d = self.files("abcd", T, "t", "n")
        self.a.sql("INSERT INTO t VALUES('k', 'a', 'a')")
        self.a.sql("INSERT INTO n VALUES(7, 'a')")

    def relay(self):
        self.b.pull(self.a)
        self.c.pull(self.b)
        self.d.pull(self.c)

    def test_author_and_time_arrive_with_every_cell(self):
        self.relay()
        whole = "SELECT tbl, key, col, value, stamp, site FROM sync_changes ORDER BY 1, 2, 3"
        self.assertEqual(self.d.x(whole), self.a.x(whole))
        self.assertEqual(self.d.x("SELECT DISTINCT site FROM sync_changes"), [(self.a.site(),)])

    def test_nothing_goes_back_to_the_author_by_any_way(self):
        self.relay()
        for relay in (self.b, self.c, self.d):
            self.assertIsNone(relay.cut_for(self.a))
        for relay in (self.a, self.b, self.c):
            self.assertIsNone(relay.cut_for(self.d))

    def test_relaying_makes_nothing_later(self):
        """Written in b.db after a.db's row, unknown to each other; a.db's comes to d.db long after."""
        tick()
        self.d.sql("INSERT INTO t VALUES('k', 'd', NULL)")
        self.d.fold()
        tick()
        self.relay()
        self.assertEqual(self.d.sql("SELECT v FROM t"), [("d",)])
        self.level(self.a, self.b, self.c, self.d)

    def test_a_relay_that_edits_signs_only_its_own_cell(self):
        self.b.pull(self.a)
        self.b.sql("UPDATE t SET w = 'b'")
        self.c.pull(self.b)
        by = dict(self.c.x("SELECT col, site FROM sync_changes WHERE tbl = 't' AND col IS NOT NULL"))
        self.assertEqual(by, {"v": self.a.site(), "w": self.b.site()})


if __name__ == "__main__":
    unittest.main()
