"""A row that came with a reference to another one, while a merge gave that one's number to it and a new number to the other: the reference was written with the
number that the other row had at that moment, and so referred to the row itself."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SELF = "CREATE TABLE t(id INTEGER PRIMARY KEY, v, p INT REFERENCES t);"
OTHER = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(k INTEGER PRIMARY KEY, p INT REFERENCES t);"


class Moved(SyncTest):
    def meet(self, schema, *tables):
        a, b, c = files = self.files("abc", schema, *tables)
        a.sql("INSERT INTO t(id, v) VALUES(3, 'older')")
        tick()
        b.sql("INSERT INTO t(id, v) VALUES(3, 'younger')")
        c.pull(a, b)
        tick()
        c.x("SELECT sync_resolve((SELECT id FROM sync_conflict WHERE reason = 'number'), 'keep both')")
        self.assertEqual(c.sql("SELECT id, v FROM t ORDER BY id"), [(3, "older"), (4, "younger")])
        tick()
        return files

    def test_in_the_table_itself(self):
        a, b, c = files = self.meet(SELF, "t")
        c.sql("UPDATE t SET p = 4 WHERE id = 3")
        exchange(b, c, a)
        for file in files:
            self.assertEqual(file.sql("SELECT id, v, p FROM t ORDER BY id"), [(3, "older", 4), (4, "younger", None)])

    def test_both_ways(self):
        a, b, c = files = self.meet(SELF, "t")
        c.script("UPDATE t SET p = 4 WHERE id = 3; UPDATE t SET p = 3 WHERE id = 4; INSERT INTO t VALUES(1, 'one', 4), (9, 'nine', 3)")
        exchange(b, c, a)
        for file in files:
            self.assertEqual(file.sql("SELECT id, v, p FROM t ORDER BY id"), [(1, "one", 4), (3, "older", 4), (4, "younger", 3), (9, "nine", 3)])

    def test_in_another_table(self):
        a, b, c = files = self.meet(OTHER, "t", "c")
        c.script("INSERT INTO c VALUES(1, 3), (2, 4)")
        exchange(b, c, a)
        for file in files:
            self.assertEqual(file.sql("SELECT k, v FROM c JOIN t ON id = p ORDER BY k"), [(1, "older"), (2, "younger")])


if __name__ == "__main__":
    unittest.main()
