"""A cascade onto the row itself, or a trigger of the application's, may write to a new row before our trigger tells of it. Where the delete of an earlier row of that key
had been forgotten, the new one began as if it had been there before the tracking: in a life that others had seen the end of, and it reached nobody."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(k TEXT PRIMARY KEY, v, p REFERENCES t ON UPDATE CASCADE); CREATE TABLE log(id TEXT PRIMARY KEY);"
LOGGED = "CREATE TRIGGER logged AFTER UPDATE ON t BEGIN INSERT OR IGNORE INTO log VALUES(NEW.k); END;"
STAMPED = "CREATE TRIGGER stamped AFTER INSERT ON t BEGIN UPDATE t SET v = 'stamped' WHERE k = NEW.k; END;"


class WrittenBefore(SyncTest):
    def check(self, after, write, logged, real):
        a, b = self.files([f"{name}{len(after)}{len(write)}{logged}{real}" for name in "ab"], SCHEMA, "t", "log")
        a.sql("INSERT INTO t VALUES('c', 1, 'c'), ('x', 2, NULL)")
        a.sql("DELETE FROM t WHERE k = 'x'")
        exchange(a, b)
        self.assertEqual(b.one("SELECT sync_compact('{}')"), 1)
        b.sql("PRAGMA foreign_keys = on")
        b.script(after + (LOGGED if logged else ""))  # made after ours, they fire before them
        tick()
        b.sql(write)
        if real:
            b.fold()
        exchange(a, b)
        self.assert_same(a, b)
        self.assertEqual(len(a.sql("SELECT 1 FROM t WHERE k = 'x'")), 1)
        a.close(), b.close()

    def test_each(self):
        for after, write in (("", "UPDATE t SET k = 'x' WHERE k = 'c'"), (STAMPED, "INSERT INTO t VALUES('x', 3, NULL)"), (STAMPED, "INSERT OR REPLACE INTO t VALUES('x', 3, 'c')")):
            for logged in (False, True):
                for real in (False, True):
                    with self.subTest(write=write, logged=logged, real=real):
                        self.check(after, write, logged, real)


if __name__ == "__main__":
    unittest.main()
