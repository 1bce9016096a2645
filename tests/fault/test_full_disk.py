"""A real file system that is full: a merge by SQL and a peer that follows say so, lose nothing, and go on when there is room."""
import os
import sqlite3
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from synctest import Case, connect, eventually, plain  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"
MANY = ("WITH c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < 5000)"
        " INSERT INTO t SELECT 'k' || i, hex(randomblob(100)) FROM c;")
FULL = 7  # the exit code


class FullDisk(Case):
    def small_disk(self):
        small = self.path("small")
        small.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(small)],
                                               capture_output=True, check=False).returncode != 0:
            self.skipTest("needs the right to mount a small file system")
        self.addCleanup(subprocess.run, ["umount", "-l", str(small)], check=False)
        return small

    def make_room(self, small):
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)

    def test_a_merge_by_sql(self):
        a, b = self.path("a.db"), self.small_disk() / "b.db"
        for db in (a, b):
            plain(db, SCHEMA)
            connection = connect(db)
            connection.execute("SELECT sync_track_all()")
            connection.close()
        plain(a, MANY)
        plain(b, "INSERT INTO t VALUES('mine', 1)")
        sender, receiver = connect(a), connect(b)
        changeset = sender.execute("SELECT sync_changeset()").fetchone()[0]
        with self.assertRaises(sqlite3.OperationalError) as caught:
            receiver.execute("SELECT sync_apply(?)", (changeset,))
        self.assertEqual(caught.exception.sqlite_errorcode & 0xff, sqlite3.SQLITE_FULL, caught.exception)
        self.assertIn("full", str(caught.exception))
        self.assertFalse(receiver.in_transaction)
        self.assertEqual("mine|1", plain(b, "SELECT * FROM t"))
        invariants.check(b)
        self.make_room(self.path("small"))
        self.assertEqual(receiver.execute("SELECT sync_apply(?)", (changeset,)).fetchone(), (5000,))
        sender.close()
        receiver.close()
        invariants.check(b)

    def test_a_peer_that_follows(self):
        a, b = self.path("a.db"), self.small_disk() / "b.db"
        for db in (a, b):
            plain(db, SCHEMA)
        server = self.serve(a)
        client = self.sync(b, server.url)
        client.wait_event("connected")
        plain(b, "INSERT INTO t VALUES('mine', 1)")
        eventually(lambda: plain(a, "SELECT count(*) FROM t") == "1", "a row of the small disk")
        plain(a, MANY)
        self.assertEqual(FULL, client.wait())
        self.assertEqual(1, sum("is full" in line for line in client.stderr.splitlines()), client.stderr)
        self.assert_sound(b)
        invariants.check(b, whole=False)  # some parts of the delta had room
        self.make_room(self.path("small"))
        self.sync(b, server.url)
        self.wait_same(a, b)


if __name__ == "__main__":
    unittest.main()
