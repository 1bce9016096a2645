"""A trigger that refused a row was dropped, or a table got rid of its CHECK. No merge had anything to say of the table from then on, and the row stayed held for ever."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest  # noqa: E402

REFUSES = "CREATE TRIGGER no_%s BEFORE %s ON t WHEN NEW.v = 2 BEGIN SELECT RAISE(%s); END;"


class Obstacles(SyncTest):
    def begin(self, raises):
        a, b = self.files(["a" + raises[:6], "b" + raises[:6]], "CREATE TABLE t(id TEXT PRIMARY KEY, v, w); CREATE TABLE other(id TEXT PRIMARY KEY);", "t", "other")
        a.script("INSERT INTO t VALUES('k', 1, 'a'); INSERT INTO t VALUES('l', 2, 'a')")
        b.script("".join(REFUSES % (what, what, raises) for what in ("INSERT", "UPDATE")))
        b.pull(a)
        a.sql("UPDATE t SET v = 2, w = 'b'")
        b.pull(a)
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", 1, "a")])
        self.assertEqual(len(b.held()), 2)
        return a, b

    def test_by_sync_fold(self):
        for raises in ("ABORT, 'no'", "FAIL, 'no'", "ROLLBACK, 'no'", "IGNORE"):
            with self.subTest(raises):
                a, b = self.begin(raises)
                b.script("DROP TRIGGER no_INSERT; DROP TRIGGER no_UPDATE")
                b.close()
                b.fold()
                self.assertEqual((b.rows("t"), b.held()), (a.rows("t"), []))

    def test_by_the_next_merge_of_anything(self):
        a, b = self.begin("ABORT, 'no'")
        b.script("DROP TRIGGER no_INSERT; DROP TRIGGER no_UPDATE")
        a.sql("INSERT INTO other VALUES('x')")
        b.pull(a)
        self.assertEqual((b.rows("t"), b.held()), (a.rows("t"), []))


if __name__ == "__main__":
    unittest.main()
