"""Rows that refer to each other in a circle since two files wrote it apart, and of which two have one value of a UNIQUE index, can never be shown. One was given up, and the next was
tried as if it did not need it: rows were shown whose parents were held."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(id %s, u UNIQUE, p REFERENCES t%s);"


class Circles(SyncTest):
    def check(self, key, action, later, first):
        a, b = self.files([f"{name}{len(key)}{len(action)}{later}{first}" for name in "ab"], SCHEMA % (key, action), "t")
        a.sql("INSERT INTO t VALUES(4, 'v', NULL), (1, NULL, 4), (9, 'u', NULL), (7, NULL, NULL)")
        b.pull(a)
        writes = [lambda: a.sql("UPDATE t SET u = 2, p = 9 WHERE id = 4"), lambda: b.sql("UPDATE t SET u = 2, p = 1 WHERE id = 9")]
        for write in writes if later else reversed(writes):
            tick()
            write()
        if first:
            a.pull(b)
        exchange(a, b)
        self.assertEqual(a.sql("SELECT id FROM t"), [(7,)])
        self.assert_same(a, b)
        self.assertEqual(len(a.held()), 3)
        a.sql("UPDATE t SET u = NULL WHERE id = 7")
        b.x("SELECT sync_resolve(min(id), 'theirs') FROM sync_conflict WHERE held")
        exchange(a, b)
        self.assert_same(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])
        a.close(), b.close()

    def test_each(self):
        for key in ("INTEGER PRIMARY KEY", "INT PRIMARY KEY"):
            for action in ("", " ON DELETE CASCADE", " ON DELETE SET NULL"):
                for later in (False, True):
                    for first in (False, True):
                        with self.subTest(key=key, action=action, later=later, first=first):
                            self.check(key, action, later, first)


if __name__ == "__main__":
    unittest.main()
