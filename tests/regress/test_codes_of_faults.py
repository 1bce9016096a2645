"""A function that fails because SQLite does gives SQLite's own code, so that a host can tell a fault from a misuse. Extended codes above 1000,
which most I/O errors are, came as plain SQLITE_ERROR."""
import os
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402

TABLE = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"
READONLY_DBMOVED = 1032


class CodesOfFaults(SyncTest):
    def code(self, file, statement, *values):
        with self.assertRaises(sqlite3.Error) as caught:
            file.x(statement, *values)
        return caught.exception.sqlite_errorcode

    def test_a_file_that_was_moved_away(self):
        file = self.file("a", TABLE, "t", wal=False)
        file.sql("INSERT INTO t VALUES('k', 1)")
        file.x("SELECT count(*) FROM t")
        os.rename(file.path, file.path + ".moved")
        for statement in ("SELECT sync_fold()", "SELECT sync_touch('t', '[\"k\"]')", "SELECT sync_untrack('t')"):
            with self.subTest(statement):
                self.assertEqual(self.code(file, statement), READONLY_DBMOVED)

    def test_a_file_that_is_locked(self):
        file = self.file("a", TABLE, "t")
        file.x("PRAGMA busy_timeout = 0")
        file.sql("BEGIN IMMEDIATE")
        self.assertEqual(self.code(file, "SELECT sync_fold()"), sqlite3.SQLITE_BUSY)

    def test_what_is_no_fault_of_sqlite(self):
        a, b = self.files("ab", TABLE, "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        version = a.version()
        a.sql("INSERT INTO t VALUES('l', 1)")
        behind = a.changeset(version)
        self.assertEqual(self.code(b, "SELECT sync_apply(?)", behind), sqlite3.SQLITE_ERROR)
        self.assertEqual(self.code(b, "SELECT sync_apply(?)", behind[:-1] + b"?"), sqlite3.SQLITE_ERROR)
        self.assertEqual(self.code(b, "SELECT sync_track('nothing')"), sqlite3.SQLITE_ERROR)


if __name__ == "__main__":
    unittest.main()
