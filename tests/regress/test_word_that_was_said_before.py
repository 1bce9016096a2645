"""`sync --once` ended although the other side had more to give: it had said that it had nothing more, then merged what it was sent (which changed rows of its own), and said
that; the one who waited took the first word, which it dealt with after the second, for an answer to both."""
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import rawpeer  # noqa: E402
from stranger import Stranger, frame, upgrades  # noqa: E402
from syncfile import File, SyncTest, tick  # noqa: E402
from synctest import Peer, without_tls  # noqa: E402

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
WEIGHT = 256  # of a Changes frame beside its payload


class Other:
    """The side that is followed, whose messages come in the order that makes the difference."""

    def __init__(self, path):
        self.path, self.received, self.still_there = path, [], None

    def get(self, connection, kind):
        """The fields and the payload of the next message of that kind: behind type and flags, without the check."""
        while True:
            for i, message in enumerate(self.received):
                if message[0] == kind:
                    self.received = self.received[i + 1:]
                    return message[2:-8]
            self.received += rawpeer.client_messages(connection)

    def send(self, connection, *messages):
        connection.sendall(b"".join(frame(2, message) for message in messages))

    def talk(self, connection):
        file = File(self.path)  # connections belong to their thread
        self.get(connection, rawpeer.ANNOUNCE)
        self.send(connection, rawpeer.announce("room", file.site()), rawpeer.frame(rawpeer.START, payload=file.seen()))
        theirs = self.get(connection, rawpeer.START)
        first, held = file.changeset(theirs), file.seen()
        delta = self.get(connection, rawpeer.CHANGES)[4:]  # stream, part, kind and left are one byte each here
        file.apply(delta)
        self.send(connection, rawpeer.changes(1, 0, rawpeer.LAST, first), rawpeer.changes(1, 1, rawpeer.CAUGHT_UP, held), rawpeer.ack(1, 1, WEIGHT + len(delta)))
        self.get(connection, rawpeer.ACK)
        time.sleep(1)  # it is our turn
        connection.settimeout(0.1)
        try:
            self.still_there = connection.recv(65536)[:1] != b"\x88"
        except TimeoutError:
            self.still_there = True
        connection.settimeout(None)
        self.send(connection, rawpeer.changes(2, 0, rawpeer.LAST, file.changeset(theirs)), rawpeer.changes(2, 1, rawpeer.CAUGHT_UP, file.seen()))
        file.close()
        while connection.recv(65536):
            pass


@without_tls("the other side speaks without it")
class SaidBefore(SyncTest):
    def test_once(self):
        a, b = self.files("ab", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES(1, 'older')")
        tick()
        b.sql("INSERT INTO t VALUES(1, 'newer')")  # gets another number as soon as this file hears of the older one
        a.close(), b.close()
        other = Other(b.path)
        server = Stranger(upgrades("sync.v1", other.talk))
        peer = Peer(self.dir, "sync", a.path, server.url, "--once")
        try:
            self.assertEqual(peer.wait(), 0)
        finally:
            server.close()
        self.assertTrue(other.still_there)
        self.assertEqual(a.sql("SELECT * FROM t"), [(1, "older"), (2, "newer")])


if __name__ == "__main__":
    unittest.main()
