"""A row whose key is made of two references was written without either parent. When one of them came, the row meant that one as soon as somebody looked, while it was still told and
listed as meaning nobody: other files had it twice, and sync_resolve did not find it. It is written anew, and listed as what it is now, with each parent that comes."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = """CREATE TABLE list(id INTEGER PRIMARY KEY, name); CREATE TABLE track(id INTEGER PRIMARY KEY, title);
            CREATE TABLE entry(list REFERENCES list, track REFERENCES track, note, PRIMARY KEY(list, track));"""
LISTED = "SELECT tbl, key, reason, held, ours FROM sync_conflict"


class OneOfTwo(SyncTest):
    def begin(self):
        a, b, self.late = self.files("abc", SCHEMA, "list", "track", "entry")
        a.sql("PRAGMA foreign_keys = off")
        a.sql("INSERT INTO entry VALUES(1, 4, 'early')")
        a.fold()
        tick()
        exchange(a, b)
        return a, b

    def check(self, a, b):
        c = self.late  # knows of nothing yet
        exchange(a, b)
        c.pull(a)
        c.pull(b)
        self.assertEqual(a.cells(), b.cells())
        self.assertEqual(a.cells(), c.cells())
        self.assertEqual(a.x(LISTED), [("entry", "[1,4]", "foreign key", 0, '{"note":"early"}')])
        for file in (b, c):
            self.assertEqual(file.held(), [("entry", "[1,4]", "foreign key")])
        a.sql("INSERT INTO track VALUES(4, 'the other')")
        self.level(a, b, c)
        self.assertEqual(b.sql("SELECT * FROM entry"), [(1, 4, "early")])
        for file in (a, b, c):
            self.assertEqual(file.x(LISTED), [])

    def test_written_here(self):
        a, b = self.begin()
        a.sql("INSERT INTO list VALUES(1, 'late')")
        self.check(a, b)

    def test_merged(self):
        a, b = self.begin()
        b.sql("INSERT INTO list VALUES(1, 'late')")
        self.check(a, b)

    def test_settled_by_hand(self):
        a, b = self.begin()
        b.sql("INSERT INTO list VALUES(1, 'late')")
        a.pull(b)
        self.assertEqual(a.x("SELECT sync_resolve(id, 'theirs') FROM sync_conflict"), [(1,)])
        exchange(a, b)
        self.assert_same(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM entry"), [(0,)])
        for file in (a, b):
            self.assertEqual(file.x(LISTED), [])


if __name__ == "__main__":
    unittest.main()
