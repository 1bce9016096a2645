"""A follower's connections break at any moment, again and again: what is to be sent never stays stuck, whatever was on its way. Long, with
SYNC_RECONNECTS=100000: scripts/soak.sh."""
import os
import random
import socket
import struct
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import invariants  # noqa: E402
import replay  # noqa: E402
import rawpeer  # noqa: E402
from flaky import Flaky  # noqa: E402
from rawpeer import Closed, RawPeer, Refused  # noqa: E402
from synctest import SECONDS_MAX, Case, connect, dump, eventually, plain, shell  # noqa: E402

RECONNECTS = int(os.environ.get("SYNC_RECONNECTS", "100"))  # of the follower
LONG = 10_000  # so many are a run on a machine of its own, where it is measured
QUIET_S_MAX = 5  # how long after the last write and the last break nothing is left to send, there
STRANGERS = 4  # clients that come and go at the same time, and are not counted
PATIENCE = 1   # seconds that one waits for the next message
REST = 0.2     # and at most before it comes again
READERS = 8    # PEER_READERS_MAX; beside them one that cuts parts for all, and the writer: each has the file and its log open, and there is one -shm
WAYS = 16      # URLs of the follower: each is tried again ever more rarely, as long as it breaks,
TRIES = 5      # so that after so many of each another process goes on with its file
SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v, w); CREATE TABLE n(id INTEGER PRIMARY KEY, v); PRAGMA journal_mode = wal;"


class Strangers:
    """Clients that ask for everything and go away at any point of it, by a close, by a reset, or in the middle of a message."""

    def __init__(self, server, seen, seed):
        self.server, self.seen, self.made, self.over = server, seen, 0, False
        self.threads = [threading.Thread(target=self._run, args=(random.Random(seed + i),)) for i in range(STRANGERS)]
        for thread in self.threads:
            thread.start()

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()

    def _run(self, dice):
        while not self.over:
            time.sleep(dice.random() * REST)
            try:
                with RawPeer(self.server.port, f"/{self.server.room}", timeout=PATIENCE) as peer:
                    self.made += 1
                    self._talk(peer, dice)
                    if dice.random() < 0.5:
                        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except (Closed, Refused, OSError):
                pass

    def _talk(self, peer, dice):
        steps = dice.randrange(8)
        if steps > 0:
            peer.send(rawpeer.announce(self.server.room))
        if steps > 1:
            peer.expect(rawpeer.START)
        if steps > 2:
            peer.send(rawpeer.frame(rawpeer.START, payload=self.seen))
        weight = 0
        for part in range(1, steps - 2):
            body = peer.expect(rawpeer.CHANGES)
            weight += len(body)
            if dice.random() < 0.7:
                peer.send(rawpeer.ack(1, part, weight // 2))
        if dice.random() < 0.2:
            peer.socket.sendall(b"\x82\xfe\x10\x00\0\0\0\0" + dice.randbytes(dice.randrange(100)))


class Breaks(Case):
    def write(self, db, name, dice):
        """One more transaction of an application: mostly small, at times larger than a connection lives."""
        db.execute("BEGIN IMMEDIATE")
        rows = 400 if dice.random() < 0.02 else 3
        db.executemany("INSERT INTO t VALUES(?, ?, NULL) ON CONFLICT DO UPDATE SET v = excluded.v, w = w + 1",
                       [(f"{dice.choice((name, 'both'))} {dice.randrange(2000)}", dice.random()) for _ in range(rows)])
        db.execute("DELETE FROM t WHERE id = ?", (f"both {dice.randrange(2000)}",))
        db.execute("INSERT OR IGNORE INTO n VALUES(?, ?)", (dice.randrange(3000), name))
        if dice.random() < 0.01:
            db.execute("UPDATE t SET w = ? WHERE id LIKE 'both 1%'", (dice.randbytes(1000),))
        db.execute("COMMIT")

    def open_files(self, peer, what):
        """Sockets, or files of a database: those grow up to what the pool of readers holds, whenever as many are asked for at once."""
        folder = Path(f"/proc/{peer.process.pid}/fd")
        return sum(os.readlink(entry).startswith(what) for entry in folder.iterdir() if entry.is_symlink())

    def test_nothing_stays_stuck(self):
        seed = replay.seed(__file__, SYNC_RECONNECTS=RECONNECTS)
        dice = random.Random(seed)
        a, b, empty = self.path("a.db"), self.path("b.db"), self.path("empty.db")
        for path in (a, b, empty):
            plain(path, SCHEMA)
        seen = bytes.fromhex(shell(empty, "SELECT sync_track_all(); SELECT hex(sync_seen());").splitlines()[-1])
        server = self.serve(a)
        flaky = Flaky(server.port, seed, WAYS)
        self.addCleanup(flaky.close)
        urls = [f"ws://127.0.0.1:{port}/{server.room}" for port in flaky.ports]
        follower, until = self.sync(b, *urls), TRIES * WAYS
        writers = [(connect(path, ext=False), name, dice) for path, name in ((a, "a"), (b, "b"))]
        self.write(*writers[0])
        self.wait_same(a, b)
        before = self.open_files(server, "socket:")
        strangers = Strangers(server, seen, seed)
        self.addCleanup(strangers.end)
        while flaky.cuts < RECONNECTS:
            self.write(*dice.choice(writers))
            time.sleep(dice.random() * 0.05)
            self.assertIsNone(follower.process.poll(), follower.stderr)
            self.assertIsNone(server.process.poll(), server.stderr)
            if flaky.cuts >= until:
                follower.kill() if dice.random() < 0.5 else follower.stop()
                follower, until = self.sync(b, *urls), flaky.cuts + TRIES * WAYS
        strangers.end()
        flaky.calm, quiet = True, time.monotonic()
        eventually(lambda: flaky.first_calm, "a connection that holds", 2 * SECONDS_MAX)
        self.wait_same(a, b)
        took = time.monotonic() - quiet
        print(f"figure: {flaky.cuts} connections of the follower cut, beside {strangers.made} of strangers; equal {took:.2f} s after it was quiet", flush=True)
        if RECONNECTS >= LONG:
            self.assertLess(took, QUIET_S_MAX)
        eventually(lambda: self.open_files(server, "socket:") <= before + WAYS, "as many sockets as before")
        self.assertLessEqual(self.open_files(server, str(a)), 2 * (READERS + 2) + 1)
        for i in range(3):                     # and it goes on
            plain(a, f"INSERT INTO t VALUES('after {i}', 0, 0)")
            plain(b, f"DELETE FROM t WHERE id = 'both {i}'; INSERT INTO t VALUES('after of b {i}', 0, 0)")
            self.wait_same(a, b)
        self.assertGreater(len(dump(a)["t"]), 6)
        for db, _, _ in writers:
            db.close()
        follower.stop(), server.stop()
        for path in (a, b):
            invariants.check(path)


if __name__ == "__main__":
    unittest.main()
