"""RAISE(IGNORE) in a trigger before the row is written, where one journal entry was written all the same: our note that a row might be displaced through
a UNIQUE index, or the entry of a row in another tracked table. The merge took that entry for the row's own, and the row went lost in that file."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, tick  # noqa: E402

TABLES = "CREATE TABLE t(id TEXT PRIMARY KEY, v, u UNIQUE); CREATE TABLE other(id TEXT PRIMARY KEY)"
PASSES = "CREATE TRIGGER no BEFORE {} ON t WHEN {}.v = 'bad' BEGIN {}SELECT RAISE(IGNORE); END"


class PassedOver(SyncTest):
    def pair(self, event, row, first=""):
        a, b = self.files(["a" + event, "b" + event], TABLES, "t", "other")
        b.sql(PASSES.format(event, row, first))
        return a, b

    def settled(self, a, b):
        """Nothing is asked for again: what the trigger passed over is listed, or shown by another way."""
        invariants.check(b.path)
        self.assertEqual(b.x("SELECT count(*) FROM sync_changes"), a.x("SELECT count(*) FROM sync_changes"))
        b.sql("DROP TRIGGER no")
        b.x("SELECT sync_apply(NULL)")
        self.level(a, b)

    def test_an_insert_whose_value_another_row_keeps(self):
        a, b = self.pair("INSERT", "NEW")
        a.sql("INSERT INTO t VALUES('k', 'bad', 1)")
        tick()
        b.sql("INSERT INTO t VALUES('l', 'good', 1)")
        b.pull(a)
        self.assertEqual(b.held(), [("t", '["k"]', "unique")])
        a.pull(b)
        self.settled(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("l", "good", 1)])
        b.sql("UPDATE t SET u = 2")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [("k", "bad", 1), ("l", "good", 2)])

    def test_an_update_that_may_displace_another_row(self):
        a, b = self.pair("UPDATE", "NEW")
        a.sql("INSERT INTO t VALUES('k', 'good', 1), ('l', 'good', 2)")
        b.pull(a)
        a.sql("UPDATE t SET v = 'bad', u = 3 WHERE id = 'k'")
        tick()
        b.sql("UPDATE t SET u = 3 WHERE id = 'l'")
        b.pull(a)
        a.pull(b)
        self.assertEqual([entry[:2] for entry in b.held()], [("t", '["k"]')])
        self.settled(a, b)
        b.sql("UPDATE t SET u = 4 WHERE id = 'l'")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [("k", "bad", 3), ("l", "good", 4)])

    def test_a_trigger_that_writes_another_row_first(self):
        for event, row, change, left in (("INSERT", "NEW", "INSERT INTO t VALUES('k', 'bad', 2)", [("k", "bad", 2), ("l", "good", 1)]),
                                         ("UPDATE", "NEW", "UPDATE t SET v = 'bad', u = 2", [("l", "bad", 2)]),
                                         ("DELETE", "OLD", "DELETE FROM t", [])):
            with self.subTest(event):
                a, b = self.pair(event, row, "INSERT INTO other VALUES('made'); ")
                a.sql("INSERT INTO t VALUES('l', 'good', 1)")
                b.pull(a)
                if event == "DELETE":
                    a.sql("UPDATE t SET v = 'bad'")
                    b.pull(a)
                a.sql(change)
                b.pull(a)
                self.assertEqual(b.rows("other"), [])
                self.settled(a, b)
                self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), left)


if __name__ == "__main__":
    unittest.main()
