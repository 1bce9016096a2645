"""Nonsense closes its own link with a reason, changes nothing, and disturbs nobody else."""
import contextlib
import os
import random
import socket
import ssl
import sqlite3
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import replay  # noqa: E402
import synctest  # noqa: E402
from rawpeer import RawPeer, Refused  # noqa: E402
from synctest import Case, dump, eventually, plain  # noqa: E402


class Hostile(Case):
    def setUp(self):
        super().setUp()
        self.a, self.b = self.path("a.db"), self.path("b.db")
        for db in (self.a, self.b):
            plain(db, "CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        plain(self.a, "INSERT INTO t VALUES('k', 'v');")
        self.server = self.serve(self.a)
        # a link that must not notice anything
        self.sync(self.b, self.server.url).wait_event("connected")
        self.wait_same(self.a, self.b)
        self.before = dump(self.a)

    def nonsense(self):
        """Dice of this test, for bytes that mean nothing."""
        test = self.id().split(".", 1)[1]
        return random.Random(f"{replay.seed(__file__, test)} {test}")

    def raw(self, **options):
        peer = RawPeer(self.server.port, f"/{self.server.room}", **options)
        self.addCleanup(peer.close)
        return peer

    def met(self):
        """A raw peer past AnnouncePresence; returns it and what the server says it holds."""
        peer = self.raw()
        peer.send(rawpeer.announce(self.server.room))
        peer.expect(rawpeer.ANNOUNCE)
        return peer, peer.expect(rawpeer.START)

    def closed(self, peer, code, says):
        closed, error = peer.until_closed()
        self.assertEqual(code, closed.code, closed.reason)
        self.assertIn(says, closed.reason)
        if error is not None:
            self.assertIn(says.encode(), error)
        self.undisturbed()

    def undisturbed(self):
        self.assertEqual(self.before, dump(self.a))
        plain(self.a, "INSERT INTO t VALUES('alive', 1);")
        self.wait_same(self.a, self.b)
        plain(self.b, "DELETE FROM t WHERE id='alive';")
        eventually(lambda: dump(self.a) == self.before, "the other link goes on")

    def changeset(self):
        """A good changeset of a file of our own, and that file's sync_seen()."""
        own = self.path("own.db")
        plain(own, "CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        synctest.shell(own, "SELECT sync_track('t'); INSERT INTO t VALUES('foreign', 1);")
        blob, seen = synctest.shell(own, "SELECT hex(sync_changeset()), hex(sync_seen());").split("|")
        return bytes.fromhex(blob), bytes.fromhex(seen)

    # ---- before the upgrade

    def refused(self, status, path=None, **options):
        with self.assertRaises(Refused) as caught:
            RawPeer(self.server.port, path or f"/{self.server.room}", **options)
        self.assertEqual(status, caught.exception.status)

    def test_an_origin_is_refused(self):
        for origin in ("http://127.0.0.1", "https://example.com", "null", ""):
            self.refused(403, headers=[f"Origin: {origin}"])
        self.undisturbed()

    def test_other_rooms_and_protocols_are_refused(self):
        self.refused(404, "/other")
        self.refused(404, "/")
        self.refused(404, "/a/b")
        self.refused(404, "/../a.db")
        self.refused(400, protocol="sync.v2")
        self.refused(400, protocol=None)
        self.undisturbed()

    def test_what_is_no_subprotocol_of_ours_is_not_opened(self):
        """Whatever the listening side has names for itself: such a websocket would be no link, with nothing that ends it."""
        for name in ("listen", "request", "http"):
            self.refused(0, protocol=f"{name}, sync.v1")
            self.refused(0, protocol=f"{name},sync.v1")
        RawPeer(self.server.port, "/" + self.server.room, protocol="unknown, sync.v1").close()
        self.undisturbed()

    @synctest.without_tls("libwebsockets reads it alone, and takes //a for /a")
    def test_a_path_is_the_room_as_it_is_written(self):
        """... and nothing that URLs would let stand for it."""
        for path in ("//a", "///a", "/a/", "/a//", "/./a", "/a/.", "/b/../a", "/../a", "/a?", "/a?x", "/a?x=1&y", "/a#x", "/%61", "/%2561", "/a%00",
                     "/%2Fa", "/A", "a", "http://127.0.0.1/a", "/" + "x/../" * 300 + "a"):
            with self.subTest(path):
                self.refused(404, path)
        self.undisturbed()

    def test_odd_first_lines_reach_nothing(self):
        good = b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" \
               b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sync.v1\r\n\r\n"
        for line in (b"GET  /a HTTP/1.1", b"GET\t/a HTTP/1.1", b"\r\nGET //a HTTP/1.1", b" GET //a HTTP/1.1", b"get //a HTTP/1.1", b"POST //a HTTP/1.1",
                     b"GET", b"GET ", b"", b"GET /" + b"x/../" * 600 + b"a HTTP/1.1", b"GET /a?x", b"HEAD /a HTTP/1.1", b"CONNECT /a HTTP/1.1"):
            with self.subTest(line[:40]), socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as raw:
                raw.sendall(line + b"\r\n" + good)
                self.assertNotIn(b" 101 ", self.all_of(raw))
        self.undisturbed()

    def test_first_lines_without_an_end(self):
        """... are not waited for."""
        waiting = [socket.create_connection(("127.0.0.1", self.server.port), timeout=30) for _ in range(2)]
        waiting[1].sendall(b"GET /a")
        for raw in waiting:
            with raw:
                self.assertEqual(b"", self.all_of(raw))
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as raw:
            raw.sendall(b"GET /a" * 1000)
            self.assertEqual(b"", self.all_of(raw))
        self.undisturbed()

    def test_a_second_request_is_judged_like_the_first(self):
        """... or not at all: the connection is closed after a refusal."""
        head = "Host: x\r\nUpgrade: websocket\r\nConnection: {}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n" \
               "Sec-WebSocket-Protocol: sync.v1\r\n\r\n"
        for first, connection in (("/other", "Upgrade"), ("/other", "keep-alive, Upgrade"), ("/a?x", "keep-alive, Upgrade")):
            with self.subTest(first), socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as raw:
                raw.sendall((f"GET {first} HTTP/1.1\r\n" + head.format(connection) + "GET //a HTTP/1.1\r\n" + head.format(connection)).encode())
                self.assertNotIn(b" 101 ", self.all_of(raw))

    def all_of(self, raw):
        """What comes up to the end of the connection."""
        data = b""
        try:
            while more := raw.recv(4096):
                data += more
        except ConnectionResetError:
            pass
        return data

    def test_a_request_in_pieces(self):
        with rawpeer.connect(self.server.port) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
                        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sync.v1\r\n\r\n":
                raw.sendall(bytes([byte]))
            self.assertIn(b" 101 ", raw.recv(4096).split(b"\r\n")[0])
        self.undisturbed()

    def test_plain_http_is_refused(self):
        with rawpeer.connect(self.server.port) as raw:
            raw.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b" 426 ", raw.recv(4096).split(b"\r\n")[0])
        with rawpeer.connect(self.server.port) as raw:
            raw.sendall(self.nonsense().randbytes(3000) + b"\r\n\r\n")
            self.all_of(raw)
        self.undisturbed()

    # ---- messages that are none

    def test_text(self):
        peer = self.raw()
        peer.send_ws(1, b"hello")
        self.closed(peer, 1003, "text")

    def test_nonsense(self):
        dice = self.nonsense()
        for message in (b"", b"x", dice.randbytes(10), dice.randbytes(1000), b"\0" * 100):
            peer = self.raw()
            peer.send(message)
            self.closed(peer, 1002, "message")

    def test_truncated(self):
        whole = rawpeer.announce(self.server.room)
        for cut in (1, 9, 10, len(whole) // 2, len(whole) - 1):
            peer = self.raw()
            peer.send(whole[:cut])
            self.closed(peer, 1002, "message")

    def test_flipped(self):
        whole = bytearray(rawpeer.announce(self.server.room))
        for at in (0, 1, 5, len(whole) - 20, len(whole) - 1):
            peer = self.raw()
            flipped = bytearray(whole)
            flipped[at] ^= 0x10
            peer.send(bytes(flipped))
            self.closed(peer, 1002, "damaged")

    def test_oversized(self):
        peer = self.raw()
        try:
            peer.send(rawpeer.frame(rawpeer.START, payload=bytes(rawpeer.FRAME_MAX)))
        except ConnectionError:
            pass
        self.closed(peer, 1009, "256 KiB")

    def test_oversized_in_fragments_without_end(self):
        peer = self.raw()
        try:
            peer.send_ws(2, bytes(100_000), fin=False)
            for _ in range(4):
                peer.send_ws(0, bytes(100_000), fin=False)
        except (ConnectionError, ssl.SSLError):
            pass
        self.closed(peer, 1009, "256 KiB")

    def test_unknown_types(self):
        for kind in (0, 16, 255):
            peer = self.raw()
            peer.send(rawpeer.frame(kind))
            self.closed(peer, 1002, "unknown type")

    # ---- messages that may not come now

    def test_before_the_announcement(self):
        for message in (rawpeer.frame(rawpeer.START), rawpeer.changes(1, 0, rawpeer.LAST, b"x"),
                        rawpeer.frame(rawpeer.SCHEMA_REQUEST), rawpeer.ack(0, 0, 0)):
            peer = self.raw()
            peer.send(message)
            self.closed(peer, 1002, "AnnouncePresence")

    def test_a_second_announcement(self):
        peer, _ = self.met()
        peer.send(rawpeer.announce(self.server.room))
        self.closed(peer, 1002, "AnnouncePresence")

    def test_a_protocol_from_the_future(self):
        peer = self.raw()
        peer.send(rawpeer.announce(self.server.room, protocol=2))
        self.closed(peer, 4002, "version 2")

    def test_another_room(self):
        peer = self.raw()
        peer.send(rawpeer.announce("other"))
        self.closed(peer, 4003, "room")

    def test_what_is_for_a_primary_before_the_announcement(self):
        for kind, name in ((rawpeer.CREATE_DB, "CreateDbOnPrimary"), (rawpeer.APPLY, "ApplyChangesOnPrimary")):
            peer = self.raw()
            peer.send(rawpeer.frame(kind, rawpeer.varint(1) + rawpeer.varint(0) * 3 if kind == rawpeer.APPLY else b"", b"anything"))
            self.closed(peer, 1002, name)

    def test_a_schema_nobody_asked_for(self):
        peer, _ = self.met()
        peer.send(rawpeer.frame(rawpeer.SCHEMA, payload=b"DROP TABLE t"))
        self.closed(peer, 1002, "asked")

    def test_a_piece_of_a_schema_nobody_asked_for(self):
        """It is not put together first."""
        peer, _ = self.met()
        peer.send(rawpeer.frame(rawpeer.SCHEMA, payload=b"x" * 1000, flags=1))
        self.closed(peer, 1002, "a Schema that nobody asked for")

    # ---- contents

    def test_holdings_that_are_none(self):
        dice = self.nonsense()
        for payload in (b"x", dice.randbytes(200), b"SEEN" + dice.randbytes(50)):
            peer, _ = self.met()
            peer.send(rawpeer.frame(rawpeer.START, payload=payload))
            self.closed(peer, 1002, "holds")

    def test_changesets_that_are_none(self):
        dice = self.nonsense()
        for payload in (b"x", dice.randbytes(500), b"SYNC\x01" + dice.randbytes(100)):
            peer, _ = self.met()
            peer.send(rawpeer.changes(1, 0, rawpeer.LAST, payload))
            self.closed(peer, 4006, "")

    def test_damaged_changesets(self):
        good, _ = self.changeset()
        for at in range(5, len(good), max(1, len(good) // 12)):
            peer, _ = self.met()
            bad = bytearray(good)
            bad[at] ^= 0x41
            peer.send(rawpeer.changes(1, 0, rawpeer.LAST, bytes(bad)))
            closed, _ = peer.until_closed()
            self.assertIn(closed.code, (4002, 4006), closed.reason)
        for cut in (0, 4, 5, len(good) // 2, len(good) - 1):
            peer, _ = self.met()
            peer.send(rawpeer.changes(1, 0, rawpeer.LAST, good[:cut]))
            closed, _ = peer.until_closed()
            self.assertEqual(4006, closed.code, closed.reason)
        self.undisturbed()

    def test_a_good_changeset_is_merged(self):
        """The others fail for what is wrong with them, not for something else."""
        good, seen = self.changeset()
        peer, _ = self.met()
        peer.send(rawpeer.frame(rawpeer.START, payload=seen))
        peer.send(rawpeer.changes(1, 0, rawpeer.LAST, good))
        eventually(lambda: plain(self.a, "SELECT count(*) FROM t WHERE id='foreign'") == "1", "the row")
        peer.expect(rawpeer.ACK)

    def test_what_is_not_merged_is_not_acknowledged(self):
        good, seen = self.changeset()
        peer, _ = self.met()
        peer.send(rawpeer.frame(rawpeer.START, payload=seen))
        peer.expect(rawpeer.CHANGES)
        holder = sqlite3.connect(self.a, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        peer.send(rawpeer.changes(1, 0, rawpeer.LAST, good))
        peer.send(rawpeer.frame(rawpeer.PING, rawpeer.varint(1)))
        peer.expect(rawpeer.PONG)
        peer.socket.settimeout(1)
        with self.assertRaises(TimeoutError):
            peer.expect(rawpeer.ACK)
        holder.execute("ROLLBACK")
        holder.close()
        peer.socket.settimeout(30)
        self.assertEqual(rawpeer.varint(1) + rawpeer.varint(1) + rawpeer.varint(len(good) + 256),
                         peer.expect(rawpeer.ACK))

    def test_pieces_of_different_messages(self):
        peer, _ = self.met()
        peer.send(rawpeer.changes(1, 0, rawpeer.LAST, b"abc", flags=1))
        peer.send(rawpeer.changes(1, 1, rawpeer.LAST, b"def"))
        self.closed(peer, 1002, "middle")
        peer, _ = self.met()
        peer.send(rawpeer.frame(rawpeer.START, payload=b"abc", flags=1))
        peer.send(rawpeer.frame(rawpeer.REJECT, rawpeer.varint(1) + rawpeer.varint(1) + rawpeer.text("no"), b"def"))
        self.closed(peer, 1002, "middle")

    def test_parts_out_of_order(self):
        for first in (rawpeer.changes(1, 1, rawpeer.PART, b"x"), rawpeer.changes(0, 0, rawpeer.PART, b"x"),
                      rawpeer.changes(5, 0, rawpeer.HOLDS, b"x")):
            peer, _ = self.met()
            peer.send(first)
            self.closed(peer, 1002, "order")

    def test_acks_for_nothing(self):
        _, seen = self.changeset()
        peer, _ = self.met()
        peer.send(rawpeer.frame(rawpeer.START, payload=seen))
        peer.send(rawpeer.ack(9, 1, 1 << 60))
        self.closed(peer, 1002, "Ack")

    def test_more_than_the_window(self):
        """Piece after piece of something that has no end: bounded, the link ends."""
        peer, _ = self.met()
        piece = rawpeer.frame(rawpeer.START, payload=bytes(200_000), flags=1)
        try:
            for _ in range(60):
                peer.send(piece)
        except (ConnectionError, ssl.SSLError):
            pass
        closed, _ = peer.until_closed()
        self.assertNotEqual(1000, closed.code)
        self.undisturbed()

    def test_a_reader_that_never_acknowledges(self):
        """The server sends as much as the window allows and then waits; everybody else goes on."""
        synctest.plain(self.a, "WITH c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 20000)"
                               " INSERT INTO t SELECT 'r'||i, hex(randomblob(100)) FROM c;")
        _, seen = self.changeset()
        peer, _ = self.met()
        peer.send(rawpeer.frame(rawpeer.START, payload=seen))
        got = 0
        peer.socket.settimeout(2)
        try:
            while True:
                got += len(peer.receive())
        except TimeoutError:
            pass
        self.assertLess(got, 2 << 20)
        self.assertGreater(got, 100_000)
        self.wait_same(self.a, self.b)

    def test_answers_that_nobody_reads(self):
        """They are not kept without end."""
        peer, _ = self.met()
        ping = rawpeer.frame(rawpeer.PING, rawpeer.varint(1))
        end = time.monotonic() + 30
        with self.assertRaises(OSError):
            while time.monotonic() < end:
                peer.socket.sendall((bytes([0x82, 0x80 | len(ping)]) + bytes(4) + ping) * 1000)
        with open(f"/proc/{self.server.process.pid}/status", encoding="utf-8") as status:
            most, = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        self.assertLess(most, 400_000 if synctest.SANITIZER else 150_000)
        self.undisturbed()

    def test_a_schema_is_given_once(self):
        peer, _ = self.met()
        for _ in range(2):
            peer.send(rawpeer.frame(rawpeer.SCHEMA_REQUEST))
        peer.expect(rawpeer.SCHEMA)
        self.closed(peer, 1002, "it asked for the schema again")

    def test_who_reads_nothing_is_let_go(self):
        """In half a minute, whatever it sends meanwhile: also one that is only waited for to take what it was told at the end."""
        for i in range(8):  # more of a schema than the system takes for who does not read
            plain(self.a, f"CREATE VIEW v{i} AS SELECT 1 AS c /* {'x' * 900_000} */;")
        self.before = dump(self.a)
        before = self.connections()
        alive, ended = (self.met()[0] for _ in range(2))
        for peer in (alive, ended):
            peer.send(rawpeer.frame(rawpeer.SCHEMA_REQUEST))
            peer.socket.recv(1)
        time.sleep(1)  # now all of it waits
        self.assertEqual(self.connections(), before + 2)
        ended.send_ws(1, b"text")
        def gone(by=time.monotonic() + 50):
            with contextlib.suppress(OSError):
                alive.send(rawpeer.frame(rawpeer.PING, rawpeer.varint(1)))
            time.sleep(1)
            return self.connections() == before or time.monotonic() > by
        eventually(gone, "they are gone", 100)
        self.assertEqual(self.connections(), before)
        self.undisturbed()

    def connections(self):
        with contextlib.suppress(FileNotFoundError):
            return sum(os.readlink(entry).startswith("socket:") for entry in Path(f"/proc/{self.server.process.pid}/fd").iterdir())
        return -1

    def test_a_client_meets_a_hostile_server(self):
        """The same care when we are the client: a server that talks nonsense is left, with a reason."""
        import base64
        import hashlib
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                connection, _ = listener.accept()
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                key = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")]
                accept = base64.b64encode(hashlib.sha1(key[0] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: sync.v1\r\n\r\n")
                message = rawpeer.announce("room", protocol=7)
                connection.sendall(bytes([0x82, len(message)]) + message)
                while connection.recv(4096):
                    pass
                connection.close()
            thread = threading.Thread(target=serve)
            thread.start()
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}/room"
            status, _, err = self.run_peer("sync", self.b, url, "--once")
            thread.join()
        self.assertEqual(10, status, err)
        self.assertIn("version 7", err)


if __name__ == "__main__":
    unittest.main()
