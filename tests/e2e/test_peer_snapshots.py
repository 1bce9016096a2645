"""Snapshots that are refused, and those who send or ask what no peer would."""
import json
import os
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
import rawpeer  # noqa: E402
import snapshots  # noqa: E402
import synctest  # noqa: E402
from newfiles import LINE, T, Bootstrap, many  # noqa: E402
from synctest import ask, eventually, plain, without_tls  # noqa: E402


class Refused(Bootstrap):
    """Where there is no snapshot, everything comes by deltas, or nothing at all."""

    def test_what_cannot_be(self):
        plain(self.a, T + many(10))
        server = self.serve(self.a)
        for left in ("-wal", "-journal"):
            self.path(f"c.db{left}").write_bytes(b"of another file")
            self.assertIn(f"c.db{left} is there, left by another file", self.new(server.url, status=3)[1])
            self.path(f"c.db{left}").unlink()
        self.c.symlink_to(self.path("elsewhere.db"))
        self.new(server.url, status=3)
        self.assertFalse(self.path("elsewhere.db").exists())
        self.c.unlink()
        got, _, err = self.run_peer("sync", self.path("no") / "c.db", server.url, "--once")
        self.assertEqual(3, got, err)
        self.assertEqual([], self.left())

    @without_tls(LINE)
    def test_a_server_that_does_not_know_the_message(self):
        plain(self.a, T + many(10))
        server = self.serve(self.a)

        def look(message):
            if message[0] == rawpeer.ANNOUNCE:
                body = message[:-8]
                return rawpeer.frame(rawpeer.ANNOUNCE, body[2:-1] + bytes([body[-1] & 3]))
            return message
        _, url = self.between(server, look)
        self.assert_snapshot(self.new(url)[0], taken=False)
        self.assert_same(self.a, self.c)

    def test_a_server_that_has_none(self):
        """Its copy cannot be made: the name for it is taken."""
        plain(self.a, T + many(10))
        server = self.serve(self.a)
        self.path("a.db-snapshot").mkdir()
        self.assert_snapshot(self.new(server.url)[0], taken=False)
        self.assertIn("no snapshot of", server.stderr)
        self.assert_same(self.a, self.c)

    def test_one_of_two_has_none(self):
        b = self.path("b.db")
        plain(self.a, T + many(10))
        plain(b, T + "INSERT INTO t VALUES('b', 1)")
        self.path("a.db-snapshot").mkdir()
        servers = self.serve(self.a), self.serve(b)
        for first, second in (servers, servers[::-1]):
            got, out, err = self.run_peer("sync", self.c, first.url, second.url, "--once")
            self.assertEqual(0, got, out + err)
            self.assertEqual(11, ask(self.c, "SELECT count(*) FROM t"))
            for name in self.left():
                self.path(name).unlink()

    def test_a_file_that_tracks_nothing(self):
        plain(self.a, T)
        server = self.serve(self.a, "--track", "none")
        self.assertIn("tracks no table", self.new(server.url, status=11)[1])
        self.assertEqual([], self.left())

    def test_rights(self):
        """Who may only read may take one; who may only write gets nothing."""
        plain(self.a, T + many(10))
        server = self.serve(self.a, "--send-only")
        self.assert_snapshot(self.new(server.url)[0])
        server.stop()
        for name in self.left():
            self.path(name).unlink()
        server = self.serve(self.a, "--receive-only")
        self.assertIn("nothing may be read", self.new(server.url, status=9)[1])
        self.assertEqual([], self.left())
        with snapshots.ask(server.port, server.room) as peer:
            closed, error = peer.until_closed()
            self.assertEqual(4010, closed.code)

    def test_asked_for_twice(self):
        plain(self.a, T + many(10))
        server = self.serve(self.a)
        with snapshots.ask(server.port, server.room) as peer:
            peer.send(snapshots.request())
            self.assertEqual(1002, peer.until_closed()[0].code)

    def test_what_nobody_asked_for(self):
        plain(self.a, T + many(10))
        server = self.serve(self.a)
        with rawpeer.RawPeer(server.port, f"/{server.room}") as peer:
            peer.send(rawpeer.announce(server.room, rights=7))
            peer.send(snapshots.chunk(b"s" * 16, 100, 90, 0, bytes(50)))
            self.assertEqual(1002, peer.until_closed()[0].code)

    def test_acks_of_what_was_never_sent(self):
        plain(self.a, T + many(10))
        server = self.serve(self.a)
        with snapshots.ask(server.port, server.room) as peer:
            peer.expect(rawpeer.SNAPSHOT)
            peer.send(rawpeer.ack(0, 0, 1 << 40))
            self.assertEqual(1002, peer.until_closed()[0].code)

    def test_who_does_not_read(self):
        """The window bounds what is under way for him."""
        plain(self.a, T + many(3000, 8000))
        server = self.serve(self.a)
        with snapshots.ask(server.port, server.room) as peer:
            got = 0
            while got < 700_000:
                got += len(peer.expect(rawpeer.SNAPSHOT))
            peer.send(rawpeer.frame(rawpeer.PING, rawpeer.varint(7)))
            while (message := peer.receive())[0] != rawpeer.PONG:
                got += len(message)
            self.assertLess(got, 1_100_000)


class Bounds(Bootstrap):
    @without_tls("the other side is not a peer, and speaks no TLS")
    def test_sizes(self):
        n, spare = limits.value("PEER_SNAPSHOT_BYTES_MAX"), limits.value("PEER_SNAPSHOT_SPARE_BYTES")
        for size, says in ((n, "MiB left, which a snapshot needs"), (n + 1, "a snapshot of a size that cannot be")):
            _, err = self.new(self.giver([snapshots.chunk(b"s" * 16, size, size, 0, bytes(1000))]), status=None)
            self.assertIn(says, err)
        # what the disk has left changes all the time, by less than this
        disk, some = os.statvfs(self.dir), 512 << 20
        left = disk.f_bavail * disk.f_frsize
        for size, enough in ((left - spare - some, True), (left - spare + some, False)):
            peer = self.sync(self.c, self.giver([snapshots.chunk(b"s" * 16, size, size, 0, bytes(1000))]))
            part = self.path("c.db-incoming")
            if enough:
                eventually(lambda: part.exists() and part.stat().st_size > 1000, "a chunk that is kept")
                self.assertEqual(0, peer.stop())
                part.unlink()
            else:
                self.assertEqual(7, peer.wait())
                self.assertFalse(part.exists())

    def test_copies(self):
        """Of as many rooms as may have one; then of one more, which gets everything by deltas."""
        n = limits.value("PEER_SNAPSHOTS_MAX")
        for folder in ("db", "sql"):
            self.path(folder).mkdir()
        for i in range(n + 1):
            plain(self.path(f"db/r{i}.db"), T + many(10))
        config = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "limits": {"idleSeconds": 3600}}
        self.path("peer.json").write_text(json.dumps(config), encoding="utf-8")
        peer = self.peer("serve", "--config", self.path("peer.json"))
        port, links = peer.wait_event("listening")["port"], []
        try:
            for i in range(n + 1):
                links.append(snapshots.ask(port, f"r{i}"))
                self.assertEqual(i < n, bool(snapshots.take(links[-1])), i)
        finally:
            for link in links:
                link.close()
        got, out, err = self.run_peer("sync", self.c, f"{synctest.SCHEME}://127.0.0.1:{port}/r{n}", "--once")
        self.assertEqual(0, got, out + err)
        self.assertEqual(10, ask(self.c, "SELECT count(*) FROM t"))


@without_tls("the other side is not a peer, and speaks no TLS")
class Hostile(Bootstrap):
    """Servers that send what no peer would: nothing is left of it, and it is said what was wrong."""

    def snapshot(self, *changes):
        """(file, schema) of a real one, and SQL that the file was changed with."""
        if not self.a.exists():
            plain(self.a, T + many(2000) + "CREATE TABLE keyless(v);")
        server = self.serve(self.a)
        with snapshots.ask(server.port, server.room) as peer:
            file, schema = snapshots.whole(snapshots.take(peer))
        server.stop()
        got = self.path("evil.db")
        got.write_bytes(file)
        for change in changes:
            connection = sqlite3.connect(got, isolation_level=None)
            connection.executescript(change)
            connection.close()
        return got.read_bytes(), schema

    def refused(self, messages, says, status=1):
        _, err = self.new(self.giver(messages), status=status)
        self.assertIn(says, err)
        self.assertEqual([], self.left())

    def test_what_is_good(self):
        """So that what follows is refused for what is changed in it."""
        file, schema = self.snapshot()
        peer = self.peer("sync", self.c, self.giver(list(snapshots.pieces(file, schema))))
        peer.wait_event("snapshot")
        self.assertEqual(2000, ask(self.c, "SELECT count(*) FROM t"))

    def test_a_chunk_that_is_damaged(self):
        file, schema = self.snapshot()
        messages = list(snapshots.pieces(file, schema))
        body = bytearray(messages[1][2:-8])
        body[1000] ^= 1
        messages[1] = rawpeer.frame(rawpeer.SNAPSHOT, bytes(body))
        self.refused(messages, "the snapshot that it sent is damaged (its SHA-256 does not match)")

    def test_files_that_are_none(self):
        schema = self.snapshot()[1]
        self.refused(list(snapshots.pieces(b"no database " * 500, schema)), "sent as a snapshot is none")
        untracked = self.path("untracked.db")
        plain(untracked, T)
        self.refused(list(snapshots.pieces(untracked.read_bytes(), schema)), "it tracks no table")

    def test_pages_that_are_damaged(self):
        file, schema = self.snapshot()
        middle = len(file) // 4096 // 2 * 4096
        self.refused(list(snapshots.pieces(file[:middle] + bytes(4096) + file[middle + 4096:], schema)), "quick_check")
        self.refused(list(snapshots.pieces(file[:middle], schema)), "sent as a snapshot is none")

    def test_more_than_a_snapshot_has(self):
        for change, says in (("CREATE TRIGGER evil AFTER INSERT ON t BEGIN DELETE FROM t; END", "trigger evil"),
                             ("CREATE TRIGGER sync_1_insert AFTER INSERT ON t BEGIN SELECT 1; END", "trigger sync_1_insert"),
                             ("CREATE VIEW evil AS SELECT 1", "view evil"), ("CREATE TABLE evil(x)", "table evil"),
                             ("CREATE VIRTUAL TABLE evil USING fts5(x)", "table evil"),
                             ("CREATE TABLE sync_row_99(x)", "table sync_row_99")):
            with self.subTest(change):
                self.refused(list(snapshots.pieces(*self.snapshot(change))), says)

    def test_metadata_that_say_nothing(self):
        for change in ("UPDATE sync_meta SET site = 99", "DELETE FROM sync_site", "UPDATE sync_meta SET seen = x'ff', cursors = x'ff'",
                       "INSERT INTO sync_journal(tid, op, k1) VALUES(1, -2, 'k1')"):
            with self.subTest(change):
                url = self.giver(list(snapshots.pieces(*self.snapshot(change))))
                got, out, err = self.run_peer("sync", self.c, url, "--once")
                self.assertNotEqual(0, got, out + err)
                self.assertEqual([], self.left(), err)

    def test_metadata_of_another_version(self):
        """It is whole, but not for this program: the schema is asked for, and everything comes by deltas."""
        peer = self.peer("sync", self.c, self.giver(list(snapshots.pieces(*self.snapshot("UPDATE sync_meta SET format = 1")))))
        peer.wait_event("notice")
        eventually(lambda: "everything comes by deltas" in peer.stderr, lambda: peer.stderr)

    def test_sizes(self):
        """Before any memory or disk is taken for them."""
        s, data = b"s" * 16, bytes(1000)
        for what, message in (("huge", snapshots.chunk(s, 1 << 60, 1 << 59, 0, data)),
                              ("a schema of 16 MiB and a byte", snapshots.chunk(s, (16 << 20) + 4097, 4096, 0, data)),
                              ("less than its file", snapshots.chunk(s, 4096, 4097, 0, data)),
                              ("no file", snapshots.chunk(s, 4096, 0, 0, data)),
                              ("beyond the end", snapshots.chunk(s, 500, 400, 0, data)),
                              ("without a hash at the end", snapshots.chunk(s, 1000, 900, 0, data)),
                              ("with a hash before the end", snapshots.chunk(s, 2000, 1900, 0, data, b"h" * 32)),
                              ("an offset", snapshots.chunk(s, 5000, 4900, 1000, data)),
                              ("no bytes", snapshots.chunk(s, 5000, 4900, 0, b"")),
                              ("more than a message may unpack to", snapshots.chunk(s, 1 << 30, 1 << 30, 0, data, claimed=1 << 29)),
                              ("no zstd", snapshots.chunk(s, 1 << 20, 1 << 20, 0, data, claimed=2000)),
                              ("a hash of another length", snapshots.chunk(s, 1000, 900, 0, data, b"h" * 31))):
            with self.subTest(what):
                _, err = self.new(self.giver([message]), status=1)
                self.assertRegex(err, "snapshot|Snapshot")
                self.assertEqual([], self.left())

    def test_larger_than_the_disk(self):
        message = snapshots.chunk(b"s" * 16, 1 << 47, 1 << 47, 0, bytes(1000))
        self.refused([message], "MiB left, which a snapshot needs", status=7)

    def test_chunks_of_two(self):
        file, schema = self.snapshot()
        one, two = list(snapshots.pieces(file, schema)), list(snapshots.pieces(file, schema, b"t" * 16))
        self.refused(one[:1] + two[1:], "chunks of two snapshots")


if __name__ == "__main__":
    unittest.main()
