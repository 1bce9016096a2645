"""Connections that are opened and say nothing count for their address from the first moment on (linksPerAddress), as those do that have become links."""
import select
import socket
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import exposition  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
from rooms import NOTES, Rooms  # noqa: E402
from synctest import eventually, plain  # noqa: E402

LIMIT = 3


class Visits(Rooms):
    def serve_few(self, **limits):
        peer = self.serve_rooms(limits={"linksPerAddress": LIMIT, "idleSeconds": 0, **limits}, metrics={"listen": "127.0.0.1:0"})
        peer.scrape_port = peer.wait_event("metrics")["port"]
        return peer

    def open(self, peer, said=b"", source="127.0.0.1"):
        """A connection without a word, or with these, not even of TLS."""
        s = socket.create_connection(("127.0.0.1", peer.port), timeout=synctest.SECONDS_MAX, source_address=(source, 0))
        self.addCleanup(s.close)
        s.sendall(said)
        return s

    def is_closed(self, s, seconds=0.3):
        """Has the other side closed it, or does it within that time?"""
        if not select.select([s], [], [], seconds)[0]:
            return False
        try:
            return s.recv(1) == b""
        except ConnectionResetError:
            return True

    def turned_away(self, peer):
        with socket.create_connection(("127.0.0.1", peer.scrape_port), timeout=30) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        return exposition.value(exposition.read(answer.partition(b"\r\n\r\n")[2].decode()), "sync_peer_connections_turned_away_total")

    def test_as_many_as_allowed_and_one_more(self):
        peer = self.serve_few()
        silent = [self.open(peer) for _ in range(LIMIT)]
        time.sleep(0.2)
        self.assertEqual([self.is_closed(s, 0) for s in silent], [False] * LIMIT)
        self.assertEqual(self.turned_away(peer), 0)
        self.assertTrue(self.is_closed(self.open(peer), synctest.SECONDS_MAX))
        self.assertEqual(self.turned_away(peer), 1)
        self.assertEqual([self.is_closed(s, 0) for s in silent], [False] * LIMIT)
        self.assertFalse(self.is_closed(self.open(peer, source="127.0.0.2")))  # another address
        silent.pop().close()
        eventually(lambda: not self.is_closed(self.open(peer)), "room for another one")

    def test_half_a_request_counts_too(self):
        for said in (b"G", b"GET /red HTTP/1.1\r\nHost: x\r\n") if not synctest.TLS else (b"\x16\x03\x01",):
            peer = self.serve_few()
            held = [self.open(peer, said) for _ in range(LIMIT)]
            time.sleep(0.2)
            self.assertEqual([self.is_closed(s, 0) for s in held], [False] * LIMIT)
            self.assertTrue(self.is_closed(self.open(peer), synctest.SECONDS_MAX))
            for s in held:
                s.close()
            eventually(lambda: self.comes(peer), "they are forgotten")
            peer.stop()

    def status(self, peer):
        """Of an attempt to join; 0: no answer."""
        try:
            rawpeer.RawPeer(peer.port, "/red").close()
            return 101
        except rawpeer.Refused as refused:
            return refused.status
        except OSError:
            return 0

    def comes(self, peer):
        return self.status(peer) == 101

    def test_links_and_silent_ones_together(self):
        """With as many links as allowed one more is let in to be told so."""
        peer = self.serve_few()
        links = [rawpeer.RawPeer(peer.port, "/red") for _ in range(LIMIT - 1)]
        silent = self.open(peer)
        self.assertFalse(self.is_closed(silent))
        self.assertTrue(self.is_closed(self.open(peer), synctest.SECONDS_MAX))
        silent.close()
        eventually(lambda: self.comes(peer), "one more link")
        eventually(lambda: not self.is_closed(self.open(peer), 0.1), "it has left")
        for link in links:
            link.close()

    def test_one_too_many_is_told_so(self):
        peer = self.serve_few()
        links = [rawpeer.RawPeer(peer.port, "/red") for _ in range(LIMIT)]
        self.assertEqual(self.status(peer), 429)
        eventually(lambda: self.status(peer) == 429, "the one before has gone")
        silent = []
        eventually(lambda: silent.append(self.open(peer)) or not self.is_closed(silent[-1], 0.1), "one more")
        self.assertTrue(self.is_closed(self.open(peer), synctest.SECONDS_MAX))
        for link in links:
            link.close()

    def test_those_that_come_and_go_leave_nothing_behind(self):
        """Requests, refusals, links, nonsense and connections without a word, again and again: then as many fit as before."""
        peer = self.serve_few()
        for i in range(60):
            if i % 5 == 0:
                eventually(lambda: self.comes(peer), "a link")
            else:
                self.open(peer, (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /rooms HTTP/1.1\r\nHost: x\r\n\r\n", b"nonsense\r\n\r\n")[i % 5 - 1]).close()
        silent = []

        def fits():
            silent.append(self.open(peer))
            if self.is_closed(silent[-1], 0.2):
                silent.pop()
            return len(silent) == LIMIT
        eventually(fits, "they have all gone")
        self.assertTrue(self.is_closed(self.open(peer), synctest.SECONDS_MAX))
        self.assertEqual(peer.stop(), 0)

    def test_they_are_let_go_after_a_while(self):
        peer = self.serve_few()
        for _ in range(LIMIT):
            self.open(peer)
        self.assertTrue(self.is_closed(self.open(peer), synctest.SECONDS_MAX))
        eventually(lambda: not self.is_closed(self.open(peer), 0.1), "10 s without a word are enough")

    def test_without_a_limit(self):
        peer = self.serve_rooms()
        silent = [self.open(peer) for _ in range(100)]
        self.assertEqual([s for s in silent if self.is_closed(s, 0)], [])
        with rawpeer.RawPeer(peer.port, "/red"):
            pass
        plain(self.path("one.db"), NOTES)
        single = self.serve(self.path("one.db"))
        self.assertEqual([s for s in [self.open(single) for _ in range(20)] if self.is_closed(s, 0)], [])


if __name__ == "__main__":
    unittest.main()
