"""A row that came and went, with a row of another table in between: the journal's runs were judged one by one, each reading call took the row for
one that had vanished behind the triggers' back, and wrote; where it could not write it failed."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

KEYS = {"text": "id TEXT PRIMARY KEY", "integer": "id INTEGER PRIMARY KEY"}
COME_AND_GO = "INSERT INTO t VALUES(1, 'a'), (2, 'b'); INSERT INTO u VALUES('x'); DELETE FROM t WHERE id = 2; INSERT INTO u VALUES('y'); "
GO_AND_COME = "DELETE FROM t WHERE id = 9; INSERT INTO u VALUES('z'); INSERT INTO t VALUES(9, 'again')"


class ReadingBesideOtherTables(SyncTest):
    def tell(self, key, statements):
        schema = f"CREATE TABLE t({key}, v); CREATE TABLE u(id TEXT PRIMARY KEY)"
        a, b = self.file("a" + key[3:7], schema + "; INSERT INTO t VALUES(9, 'genesis')"), self.file("b" + key[3:7], schema)
        a.track_all()
        b.track_all()
        a.script(statements)
        before = a.sql("SELECT folded FROM sync_meta"), a.sql("SELECT seq, tid, op FROM sync_journal")
        changes = a.changeset(b.seen())
        after = a.sql("SELECT folded FROM sync_meta"), a.sql("SELECT seq, tid, op FROM sync_journal")
        self.assertEqual(after, before)
        b.apply(changes)
        for table in "tu":
            self.assertEqual(b.sql(f"SELECT * FROM {table} ORDER BY 1"), a.sql(f"SELECT * FROM {table} ORDER BY 1"))
        a.x("SELECT sync_fold()")
        self.assertEqual(b.apply(a.changeset(b.seen())), 0)
        invariants.check(a.path)
        invariants.check(b.path)

    def test_telling_writes_nothing(self):
        for name, key in KEYS.items():
            with self.subTest(name):
                self.tell(key, COME_AND_GO)

    def test_a_row_from_before_tracking_that_went_and_came(self):
        self.tell(KEYS["text"], GO_AND_COME)


if __name__ == "__main__":
    unittest.main()
