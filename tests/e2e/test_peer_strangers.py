"""A server that is no peer, or another one than was asked for: what it is is said in one line, with exit code 9, or 10 where it speaks a later
version; by who follows it for good as well, since it would not come by waiting."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
from stranger import Stranger, frame, says, upgrades  # noqa: E402
from synctest import Case, plain  # noqa: E402


def sends(*frames):
    return upgrades("sync.v1", lambda connection: connection.sendall(b"".join(frames)))


class Closes(Case):
    """A websocket that is closed, and does not just end, is told of with its code and its words; on both sides."""

    def follow(self, payload, greets=True):
        """Follows a server that closes so: (its peer, the URL)."""
        def then(connection):
            connection.sendall(frame(2, rawpeer.announce("room")) if greets else b"")
            self.assertTrue(rawpeer.client_messages(connection))
            connection.sendall(frame(8, payload) if payload is not None else b"")
        stranger = Stranger(upgrades("sync.v1", then))
        self.addCleanup(stranger.close)
        plain(self.path("a.db"), "CREATE TABLE IF NOT EXISTS t(id TEXT PRIMARY KEY);")
        return self.sync(self.path("a.db"), stranger.url), stranger.url

    def test_what_the_follower_says(self):
        for payload, words in ((b"\x03\xe9going", "it closed the connection: going (1001)"), (b"\x03\xe8", "it closed the connection (1000)"), (b"", "it closed the connection, and did not say why"),
                               (b"\x0f\xaa" + b"x" * 123, f"it closed the connection: {'x' * 123} (4010)"), (b"\x03\xe8a\x1b[2J", "it closed the connection: a\x1b[2J (1000)")):
            for greets in (True, False):
                with self.subTest(payload=payload, greets=greets):
                    follower, url = self.follow(payload, greets)
                    if greets:
                        self.assertEqual(follower.wait_event("disconnected")["reason"], words)
                    follower.wait_event("notice", text=f"{url}: {words}; trying again")
                    follower.stop()
                    self.assertIn(f"sync-peer: {url}: {words}; trying again\n".replace("\x1b", "?"), follower.stderr)
                    self.assertNotIn("the connection was lost", follower.stderr)

    def test_a_connection_that_just_ends(self):
        follower, url = self.follow(None)
        self.assertEqual(follower.wait_event("disconnected")["reason"], "the connection was lost")
        follower.wait_event("notice", text=f"{url}: the connection was lost; trying again")

    def test_a_server_that_stops(self):
        for db in ("a.db", "b.db"):
            plain(self.path(db), "CREATE TABLE t(id TEXT PRIMARY KEY);")
        server = self.serve(self.path("a.db"))
        follower = self.sync(self.path("b.db"), server.url)
        follower.wait_event("connected")
        server.stop()
        self.assertEqual(follower.wait_event("disconnected")["reason"], "sync-peer is stopping")
        follower.wait_event("notice", text=f"{server.url}: sync-peer is stopping; trying again")
        self.assertNotIn("was lost", follower.stderr)

    def test_what_the_server_says(self):
        for db in ("a.db", "b.db"):
            plain(self.path(db), "CREATE TABLE t(id TEXT PRIMARY KEY);")
        server = self.serve(self.path("a.db"))
        self.assertEqual(self.run_peer("sync", self.path("b.db"), server.url, "--once")[0], 0)
        self.assertEqual(server.wait_event("disconnected")["reason"], "it closed the connection: both sides hold the same (1000)")


class Strangers(Case):
    def ends(self, answer, status, text):
        stranger = Stranger(answer)
        self.addCleanup(stranger.close)
        db = self.path("a.db")
        plain(db, "CREATE TABLE IF NOT EXISTS t(id TEXT PRIMARY KEY);")
        for arguments in (["sync", db, stranger.url], ["sync", db, stranger.url, "--once"], ["clone", stranger.url, self.path("new.db")]):
            with self.subTest(arguments[-1], says=text):
                asked = stranger.asked
                got, out, err = self.run_peer(*arguments, "--quiet")
                self.assertEqual((status, f"sync-peer: {stranger.url}: {text}\n"), (got, err), out)
                self.assertEqual(asked + 1, stranger.asked)
        self.assertFalse(self.path("new.db").exists())

    def test_subprotocols(self):
        self.ends(upgrades("sync.v2"), 10, "it speaks sync.v2, and this peer sync.v1")
        self.ends(upgrades("chat"), 9, "it speaks chat, not sync.v1; is it a sync-peer?")
        self.ends(upgrades(), 9, "it opens websockets, but does not speak sync.v1; is it a sync-peer?")
        self.ends(upgrades("x" * 300), 9, "it speaks a subprotocol of a very long name; is it a sync-peer?")

    def test_answers(self):
        self.ends(says(["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: sync.v1"]),
                  9, "its answer opens no websocket (HS: ACCEPT missing); is it a sync-peer?")
        self.ends(says(["HTTP/1.1 401 Unauthorized"]), 9, "it refused with HTTP status 401; does it want a token (--token-file)?")

    def test_messages(self):
        self.ends(sends(frame(1, b"hello")), 9, "it sent a text message; is it a sync-peer?")
        self.ends(sends(frame(2, bytes(300_000))), 9, "it sent a message above 256 KiB; is it a sync-peer?")

    def test_another_room(self):
        self.ends(sends(frame(2, rawpeer.announce("kitchen"))), 9, "this link is about room room, and it announced room kitchen")

    def test_a_later_protocol(self):
        stranger = Stranger(sends(frame(2, rawpeer.announce("room", protocol=7))))
        self.addCleanup(stranger.close)
        plain(self.path("a.db"), "CREATE TABLE t(id TEXT PRIMARY KEY);")
        self.assertEqual(10, self.run_peer("sync", self.path("a.db"), stranger.url)[0])

    def test_a_peer_that_turns_into_a_stranger_is_tried_again(self):
        """... since it was one: the room may come back."""
        turned = []

        def first_a_peer(connection):
            connection.sendall(frame(2, rawpeer.announce("room")) + frame(1, b"hello"))
            turned.append(connection)
        stranger = Stranger(upgrades("sync.v1", first_a_peer))
        self.addCleanup(stranger.close)
        plain(self.path("a.db"), "CREATE TABLE t(id TEXT PRIMARY KEY);")
        client = self.sync(self.path("a.db"), stranger.url)
        client.wait_event("notice", text=f"{stranger.url}: it sent a text message; trying again")
        client.wait_event("connected")
        self.assertIsNone(client.process.poll())


if __name__ == "__main__":
    unittest.main()
