"""A value whose column a file lacks waits in the clock of its row. When that row, shown there, lost its number to an older one, the value was read from
memory that was in use again: garbage was kept, and given on."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, tick  # noqa: E402

NARROW = "CREATE TABLE t(id INTEGER PRIMARY KEY, v)"
WIDE = "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w)"


class Waiting(SyncTest):
    def lost(self):
        """a.db, without the column, has shown the row of b.db, which had come under another number, before it meets the older one of c.db there."""
        a, b, c, d = [self.file(name, NARROW if name == "a" else WIDE, "t") for name in "abcd"]
        c.sql("INSERT INTO t VALUES(2, 'older', 'no matter')")
        c.fold()
        d.sql("INSERT INTO t VALUES(1, 'oldest', 'no matter')")
        d.fold()
        tick()
        b.sql("INSERT INTO t VALUES(1, 'younger', 'waits')")
        b.pull(d)
        a.pull(b)
        self.assertEqual(a.sql("SELECT * FROM t"), [(1, "oldest"), (2, "younger")])
        a.pull(c)
        self.assertEqual(a.sql("SELECT * FROM t"), [(1, "oldest"), (2, "older")])
        return a, b, c, d

    def test_it_is_there_when_the_column_comes(self):
        a, b, c, d = self.lost()
        a.sql("ALTER TABLE t ADD COLUMN w")
        self.level(a, b, c, d)
        self.assertEqual(a.sql("SELECT w FROM t WHERE v = 'younger'"), [("waits",)])

    def test_it_is_given_on(self):
        a, _, _, _ = self.lost()
        e = self.file("e", WIDE, "t")
        e.pull(a)
        self.assertEqual(sorted(e.x("SELECT value FROM sync_changes WHERE col = 'w'")), [("no matter",), ("no matter",), ("waits",)])


if __name__ == "__main__":
    unittest.main()
