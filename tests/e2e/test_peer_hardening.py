"""Files and names from strangers: `serve --config` keeps them whole, and itself."""
import sqlite3
import struct
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import synctest  # noqa: E402
from synctest import ask, eventually, patiently  # noqa: E402
from test_peer_rooms import Rooms  # noqa: E402


class Log(Rooms):
    """SQLite's WAL-reset bug."""

    AFFECTED = sqlite3.sqlite_version_info < (3, 51, 3) and not (3, 50, 7) <= sqlite3.sqlite_version_info < (3, 51) and not (3, 44, 6) <= sqlite3.sqlite_version_info < (3, 45)

    def test_it_is_said_at_the_start(self):
        peer = self.serve_rooms()
        self.assertEqual(f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug" in peer.stderr, self.AFFECTED, peer.stderr)

    @unittest.skipUnless(AFFECTED, "this SQLite has it fixed")
    def test_no_checkpoint_beside_a_writer(self):
        """While another program has the write lock nothing is moved into the file; afterwards it is."""
        file = self.path("db/red.db")
        peer = self.serve_rooms()
        db, _ = self.join(peer, "red")
        reader, writer = synctest.connect(file, ext=False), synctest.connect(file, ext=False)
        self.addCleanup(reader.close), self.addCleanup(writer.close)
        self.write(db, "first")
        self.wait_notes(file, "first")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM note").fetchall()  # keeps the log from being moved as a whole
        patiently(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO note SELECT i, hex(randomblob(1000)) FROM n")
        eventually(lambda: ask(file, "SELECT count(*) FROM note") == 3001, "all rows")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("BEGIN IMMEDIATE")
        reader.execute("COMMIT")
        frames, before = self.log(file)
        self.assertGreater(frames, before + 1000)
        time.sleep(6)  # more than the distance between two attempts
        self.assertEqual(self.log(file), (frames, before))
        writer.execute("ROLLBACK")
        eventually(lambda: self.log(file)[1] >= frames, lambda: f"moved: {self.log(file)} of {frames}")

    def log(self, file):
        """How many frames the log has, and how many of them are in the file: from its index. Read by another process: closing it in this one would give up our locks."""
        index = subprocess.run(["cat", f"{file}-shm"], check=True, capture_output=True).stdout
        return struct.unpack_from("=I", index, 16)[0], struct.unpack_from("=I", index, 96)[0]


if __name__ == "__main__":
    unittest.main()
