"""INSERT OR IGNORE leaves a note (-5) of the row that it did not push out. Where that note was the newest entry of the journal when a merge came, and the merge
took the noted row away, the trigger of the next row that the merge wrote took the noted one for displaced and journaled its delete: the merge failed, and every
merge after it."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402

TABLE = "CREATE TABLE t(id TEXT PRIMARY KEY, u INTEGER UNIQUE, w INTEGER UNIQUE, v);"


class NotesLeftBeforeMerges(SyncTest):
    def test_the_noted_row_is_held_and_then_deleted(self):
        a, b = self.files("ab", TABLE, "t")
        a.sql("INSERT INTO t VALUES('noted', 1, NULL, 'a')")
        b.pull(a)
        a.sql("INSERT OR IGNORE INTO t VALUES('other', 1, NULL, 'a')")
        self.assertEqual(a.sql("SELECT op FROM sync_journal ORDER BY seq DESC LIMIT 1"), [(-5,)])
        b.script("UPDATE t SET u = 3; INSERT INTO t VALUES('winner', 1, NULL, 'b'); DELETE FROM t WHERE id = 'noted';"
                 "INSERT INTO t VALUES('new', 2, NULL, 'b')")
        a.pull(b)
        self.assertEqual(a.sql("SELECT id FROM t ORDER BY id"), [("new",), ("winner",)])
        self.level(a, b)


if __name__ == "__main__":
    unittest.main()
