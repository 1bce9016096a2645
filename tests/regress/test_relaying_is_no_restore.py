"""A file that tells of writes before it has folded them must not take the echo for the sign of a restored backup."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from synctest import SECONDS_MAX, Case, eventually, plain  # noqa: E402


def ask(db, sql):
    connection = sqlite3.connect(str(db), timeout=SECONDS_MAX)
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


class Relay(Case):
    def test_relayed_commits_leave_the_site_alone(self):
        a, b = self.path("a.db"), self.path("b.db")
        for path in (a, b):
            plain(path, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        server = self.serve(a)
        self.sync(b, server.url)
        plain(a, f".timeout {SECONDS_MAX}000\nINSERT INTO t VALUES('first', 0)")
        eventually(lambda: ask(b, "SELECT count(*) FROM t") == 1, "the first row")
        before = [ask(path, "SELECT count(*) FROM sync_site") for path in (a, b)]
        for i in range(5):
            plain(a, f".timeout {SECONDS_MAX}000\nINSERT INTO t VALUES('row-{i}', {i})")
            eventually(lambda: ask(b, "SELECT count(*) FROM t") == i + 2, f"row {i}")
        self.assertEqual(before, [ask(path, "SELECT count(*) FROM sync_site") for path in (a, b)])


if __name__ == "__main__":
    unittest.main()
