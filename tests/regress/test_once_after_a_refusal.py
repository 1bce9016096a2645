"""`--once` ended with 0 although it had refused a delta, which presumed more than the file held or came from the future: what the sender says behind each
delta, that there is nothing more, was taken for true of a delta that was refused."""
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
from stranger import Stranger, frame, upgrades  # noqa: E402
from synctest import Case, plain, shell  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"


class Refused(Case):
    def blob(self, db, expression):
        return bytes.fromhex(shell(db, f"SELECT hex({expression});"))

    def test_the_delta_is_waited_for(self):
        own, b = self.path("own.db"), self.path("b.db")
        for db in (own, b):
            shell(db, SCHEMA + "SELECT sync_track_all();")
        shell(own, "INSERT INTO t VALUES('first', 1); SELECT sync_fold();")
        held = self.blob(own, "sync_seen()")
        shell(own, "INSERT INTO t VALUES('second', 2); SELECT sync_fold();")
        behind = self.blob(own, f"sync_changeset(x'{held.hex()}')")
        whole, seen, site = (self.blob(own, f"{name}()") for name in ("sync_changeset", "sync_seen", "sync_site"))
        steps, over = [], threading.Event()

        def serve(connection):
            def send(*messages):
                connection.sendall(b"".join(frame(2, message) for message in messages))

            def hear(kind):
                while kind not in steps:
                    steps.extend(message[0] for message in rawpeer.client_messages(connection))
            send(rawpeer.announce("room", site), rawpeer.frame(rawpeer.START, payload=seen))
            hear(rawpeer.START)
            send(rawpeer.changes(1, 0, rawpeer.LAST, behind), rawpeer.changes(1, 1, rawpeer.CAUGHT_UP, seen))
            hear(rawpeer.REJECT)
            over.wait(1)  # for what should not happen
            send(rawpeer.changes(2, 0, rawpeer.LAST, whole), rawpeer.changes(2, 1, rawpeer.CAUGHT_UP, seen))
            over.wait()
        stranger = Stranger(upgrades("sync.v1", serve))
        self.addCleanup(stranger.close)
        self.addCleanup(over.set)
        client = self.peer("sync", b, stranger.url, "--once")
        self.assertEqual(0, client.wait(), client.stderr)
        self.assertEqual("first,second", plain(b, "SELECT group_concat(id) FROM t"))


if __name__ == "__main__":
    unittest.main()
