"""The parts of one delta may be merged in one transaction: none of them may then be taken for a part out of order."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from synctest import SECONDS_MAX, Case, eventually, plain  # noqa: E402

ROWS = 6000  # several parts


def count(db):
    connection = sqlite3.connect(str(db), timeout=SECONDS_MAX)
    try:
        return connection.execute("SELECT count(*) FROM t").fetchone()[0]
    finally:
        connection.close()


class Batch(Case):
    def test_a_large_commit_arrives_without_a_refusal(self):
        a, b = self.path("a.db"), self.path("b.db")
        for path in (a, b):
            plain(path, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        server = self.serve(a)
        follower = self.sync(b, server.url)
        plain(b, f".timeout {SECONDS_MAX}000\nINSERT INTO t VALUES('first', 0)")
        eventually(lambda: count(a) == 1, "the first row")
        plain(b, f".timeout {SECONDS_MAX}000\nWITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
                 " INSERT INTO t SELECT 'row-' || i, i FROM n")
        eventually(lambda: count(a) == ROWS + 1, lambda: f"{ROWS} rows; there are {count(a)}\n{server.stderr}")
        self.assertNotIn("refused", server.stderr + follower.stderr)


if __name__ == "__main__":
    unittest.main()
