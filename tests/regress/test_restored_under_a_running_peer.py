"""A file that an older state of its own is put into under a running peer: what it lost comes back at once, whichever side it is on, without any
other write. And one that tracks nothing afterwards: that is said, once."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
from rawpeer import RawPeer  # noqa: E402
from synctest import Case, ask, eventually, patiently, plain, shell  # noqa: E402


class Restored(Case):
    def settle(self, *dbs, rows):
        for db in dbs:
            self.wait_rows(db, rows)

    def restore(self, db, saved):
        plain(db, f".timeout 30000\n.restore {saved}")

    def loses_and_gets_back(self, loser, other):
        plain(loser, f".backup {self.path('saved.db')}")
        patiently(loser, "INSERT INTO t VALUES('own', 1)")
        patiently(other, "INSERT INTO t VALUES('of the other', 2); UPDATE t SET v = 3 WHERE id = 'first'")
        self.settle(loser, other, rows=3)
        self.wait_same(loser, other)
        self.restore(loser, self.path("saved.db"))
        self.settle(loser, rows=3)
        self.wait_same(loser, other)
        patiently(loser, "INSERT INTO t VALUES('later', 4)")
        self.settle(other, rows=4)
        self.wait_same(loser, other)

    def test_who_follows(self):
        a, b, _, _ = self.linked_pair()
        self.loses_and_gets_back(b, a)

    def test_who_serves(self):
        a, b, _, _ = self.linked_pair()
        self.loses_and_gets_back(a, b)

    def test_in_rollback_mode(self):
        a, b = self.path("a.db"), self.path("b.db")
        for path in (a, b):
            plain(path, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        server = self.serve(a, "--no-wal")
        self.sync(b, server.url, "--no-wal")
        patiently(b, "INSERT INTO t VALUES('first', 0)")
        self.wait_rows(a, 1)
        self.loses_and_gets_back(b, a)

    def test_in_the_middle(self):
        """Of a chain: it gets back what came from either end, and gives on what the others wrote meanwhile."""
        a, b, server, _ = self.linked_pair()
        c = self.path("c.db")
        plain(c, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        self.sync(c, server.url)
        self.wait_rows(c, 1)
        self.loses_and_gets_back(a, c)
        self.wait_same(a, b, c)

    def untracks(self, how):
        """how(file) under the serving peer, then under the following one."""
        a, b, server, follower = self.linked_pair()
        how(a)
        server.wait_event("notice", text=f"{a.resolve()} tracks no table any more: nothing is exchanged until it does")
        follower.wait_event("notice", text=f"not exchanged with {server.url}: tracked only here: t")
        self.assertIsNone(server.process.poll())
        how(b)
        text = f"{b.resolve()} tracks no table any more, so there is nothing to keep in step"
        follower.wait_event("error", code=11, text=text)
        self.assertEqual(11, follower.wait())
        self.assertEqual(1, follower.stderr.count(text), follower.stderr)
        self.assertEqual(1, server.stderr.count("tracks no table any more"), server.stderr)
        return a, server

    def test_nothing_is_tracked_afterwards(self):
        untracked = self.path("untracked.db")
        plain(untracked, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        self.untracks(lambda db: self.restore(db, untracked))

    def test_all_is_untracked(self):
        a, server = self.untracks(lambda db: shell(db, "SELECT sync_untrack_all()"))
        shell(a, "SELECT sync_track('t')")
        patiently(a, "INSERT INTO t VALUES('tracked again', 1)")
        c = self.path("c.db")
        plain(c, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        self.assertEqual(0, self.run_peer("sync", c, server.url, "--once")[0])
        self.assert_same(a, c)

    def test_it_is_emptied(self):
        a = self.path("a.db")
        plain(a, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        for options in ([], ["--no-wal"]):
            with self.subTest(options):
                plain(a, "PRAGMA journal_mode = delete; CREATE TABLE IF NOT EXISTS t(id TEXT PRIMARY KEY, v)")
                server = self.serve(a, *options)
                a.write_bytes(b"")
                text = f"{a.resolve()} was emptied while it was in use"
                server.wait_event("error", code=12, text=text)
                self.assertEqual(12, server.wait())
                self.assertEqual(1, server.stderr.count(text), server.stderr)
                self.assertEqual(b"", a.read_bytes(), "nothing was written into it")

    def test_the_new_id_is_announced(self):
        """... on links that are made afterwards."""
        a, b, server, _ = self.linked_pair()
        saved = self.path("saved.db")
        plain(a, f".backup {saved}")
        patiently(a, "INSERT INTO t VALUES('own', 1)")
        self.wait_rows(b, 2)
        before = self.site(a)
        self.assertEqual(before, self.announced(server))
        self.restore(a, saved)
        eventually(lambda: self.site(a) != before, "a new id")
        eventually(lambda: self.site(a) == self.announced(server), "it is announced")

    def announced(self, server):
        with RawPeer(server.port, f"/{server.room}") as peer:
            return peer.expect(rawpeer.ANNOUNCE)[1:17]

    def site(self, db):
        return ask(db, "SELECT sync_site.site FROM sync_meta JOIN sync_site ON sid = sync_meta.site")


if __name__ == "__main__":
    unittest.main()
