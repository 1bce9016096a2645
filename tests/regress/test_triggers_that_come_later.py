"""SQLite fires the newest trigger first. One of the application's that was made after the tracking, and that ends the statement with the row in place (a conflict under OR FAIL, RAISE(IGNORE)
after the row was written), left nothing for ours to run: the row was never told of."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

TRIGGERS = {
    "fail": "CREATE TRIGGER later AFTER INSERT ON t BEGIN INSERT INTO taken VALUES(1); END",
    "ignore": "CREATE TRIGGER later AFTER INSERT ON t BEGIN SELECT RAISE(IGNORE); END",
}


class Later(SyncTest):
    def test_ours_run_first(self):
        for name, trigger in TRIGGERS.items():
            for known in ("fold", "pull"):
                with self.subTest(trigger=name, known=known):
                    a, b = self.files(["a" + name + known, "b" + name + known], "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE taken(x UNIQUE); INSERT INTO taken VALUES(1)", "t")
                    a.sql("INSERT INTO t VALUES('before', 1)")
                    exchange(a, b)
                    a.sql(trigger)
                    a.fold() if known == "fold" else a.pull(b)
                    a.fold()
                    tick()
                    try:
                        a.sql("INSERT OR FAIL INTO t VALUES('k', 1)")
                    except sqlite3.IntegrityError:
                        self.assertEqual(name, "fail")
                    self.assertEqual(a.sql("SELECT count(*) FROM t"), [(2,)])
                    exchange(a, b)
                    self.assertEqual(b.rows("t"), a.rows("t"))
                    self.assertEqual(a.x("SELECT count(*) FROM sync_changes WHERE key = '[\"k\"]' AND op = 'insert' AND stamp NOT LIKE '(genesis)%'"), [(2,)])
                    triggers = a.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid")
                    a.fold()
                    self.assertEqual(a.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid"), triggers)


if __name__ == "__main__":
    unittest.main()
