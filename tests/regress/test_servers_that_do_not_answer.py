"""A server that takes the connection and never answers the upgrade: a peer waited for ever, --once and clone too, and said nothing. libwebsockets
gives such a connection up with another callback than one that fails, and nobody listened for it."""
import signal
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from stranger import Stranger  # noqa: E402
from synctest import Case, eventually, plain  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"


class Mute(Case):
    def make(self, *names):
        for name in names:
            plain(self.path(name), SCHEMA)
        return [self.path(name) for name in names]

    def stranger(self, answer):
        stranger = Stranger(answer)
        self.addCleanup(stranger.close)
        return stranger

    def ends(self, client, says):
        self.assertEqual(8, client.wait(), client.stderr)
        self.assertEqual(1, client.stderr.count(says), client.stderr)

    def test_no_answer(self):
        def drip(connection, _):
            for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" * 10:
                if over.wait(0.2):
                    return
                connection.sendall(bytes([byte]))
        mute = self.stranger(lambda connection, _: over.wait())
        dripping = self.stranger(drip)
        over = mute.over
        self.addCleanup(over.set)  # before the strangers are closed
        files = self.make("a.db", "b.db")
        clients = [self.peer("sync", db, stranger.url, "--once") for db, stranger in zip(files, (mute, dripping))]
        clients.append(self.peer("clone", mute.url, self.path("new.db")))
        for client in clients:
            self.ends(client, "no answer within 10 s")
        self.assertFalse(self.path("new.db").exists())

    def test_closed_without_an_answer(self):
        closing = self.stranger(lambda connection, _: None)
        a, b = self.make("a.db", "b.db")
        self.ends(self.peer("sync", a, closing.url, "--once"), "not reachable")
        client = self.sync(b, closing.url)
        eventually(lambda: closing.asked > 3, "it is tried again")
        self.assertEqual(1, client.stderr.count("not reachable"), client.stderr)

    def test_a_peer_that_stands_still(self):
        a, b = self.make("a.db", "b.db")
        plain(a, "INSERT INTO t VALUES('k', 1)")
        server = self.serve(a)
        server.process.send_signal(signal.SIGSTOP)
        client = self.sync(b, server.url)
        try:
            client.wait_event("notice", text=f"{server.url}: not reachable (no answer within 10 s); trying again")
        finally:
            server.process.send_signal(signal.SIGCONT)
        self.wait_same(a, b)


if __name__ == "__main__":
    unittest.main()
