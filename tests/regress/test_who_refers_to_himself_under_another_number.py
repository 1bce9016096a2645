"""A row from before the births of rows were noted refers to itself, gets another number, and is held in a file that has the number from elsewhere: it refers
to itself there as well, and not to whoever has that number."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange  # noqa: E402

SCHEMA = "CREATE TABLE t(k INTEGER PRIMARY KEY, c UNIQUE, p INT REFERENCES t)"


class Himself(SyncTest):
    def test_all_say_the_same(self):
        a, b, c = self.files("abc", SCHEMA)
        a.track("t")
        b.sql("INSERT INTO t VALUES(3, 1, NULL)")
        b.track("t")
        c.track("t")
        had = b.changeset()
        b.sql("INSERT INTO t VALUES(1, 2, 4)")
        c.sql("INSERT INTO t VALUES(3, 'u', 3)")
        c.apply(had)
        c.sql("UPDATE t SET c = 2, p = NULL WHERE k = 4")
        c.pull(b)
        c.sql("INSERT INTO t VALUES(1, NULL, NULL)")
        b.sql("UPDATE t SET p = 1 WHERE k = 1")
        exchange(a, b, c)
        said = [sorted(file.x("SELECT key, stamp, hex(site), value FROM sync_changes WHERE col = 'p'"), key=str) for file in (a, b, c)]
        self.assertEqual(said[0], said[1])
        self.assertEqual(said[1], said[2])
        for file in (a, b, c):
            self.assertEqual(file.sql("SELECT count(*) FROM t WHERE p IS NOT NULL"), [(0,)])  # it is held
        a.sql("DELETE FROM t WHERE c = 2")
        exchange(a, b, c)
        for file in (a, b, c):
            self.assertEqual(file.sql("SELECT c, p = k FROM t WHERE p IS NOT NULL"), [(2, 1)])


if __name__ == "__main__":
    unittest.main()
