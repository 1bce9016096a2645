"""A peer whose clock is more than five minutes ahead: its changes are refused, offered again, and merged when their time has come. Who asked for an end
(--once) is told whose clock is wrong, instead of waiting."""
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from synctest import Case, ask, eventually, patiently, plain  # noqa: E402

DRIFT_S = 300
HOUR_S = 3600


def written_ahead(db, seconds, row):
    """A row with a stamp of so many seconds from now: the file remembers that it has given out others up to there."""
    hlc = int((time.time() + seconds) * 1000) << 16
    patiently(db, f"BEGIN IMMEDIATE; UPDATE sync_meta SET hlc = {hlc}; INSERT INTO t VALUES('{row}', 1); COMMIT")


class Clocks(Case):
    def has(self, db, row):
        return ask(db, f"SELECT count(*) FROM t WHERE id = '{row}'") == 1

    def test_refused_and_offered_again(self):
        a, b, server, follower = self.linked_pair()
        # the peer is to read the file's clock, not to go on from what it has folded in memory
        eventually(lambda: ask(b, "SELECT folded >= (SELECT max(seq) FROM sync_journal) FROM sync_meta") == 1, "a real fold")
        written_ahead(b, DRIFT_S + 9, "early")  # so the first offer comes too early, and the next one, 10 s later, does not
        eventually(lambda: "are ahead of this machine's clock and wait: table t has a change stamped more than 5 minutes ahead" in server.stderr,
                   "the refusal")
        eventually(lambda: f"{server.url} refuses changes for now, they are ahead of its clock" in follower.stderr, "the refusal is heard")
        self.assertFalse(self.has(a, "early"))
        patiently(a, "INSERT INTO t VALUES('other way', 1)")  # which is open meanwhile
        eventually(lambda: self.has(b, "other way"), "a row from the other side")
        eventually(lambda: self.has(a, "early"), "the row, when its time has come")
        self.wait_same(a, b)
        self.assertIsNone(server.process.poll())

    def once(self, ahead, says):
        a, b = self.path("a.db"), self.path("b.db")
        for db in (a, b):
            plain(db, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        server = self.serve(a)
        self.assertEqual(0, self.run_peer("sync", b, server.url, "--once")[0])
        written_ahead(self.path(ahead), HOUR_S, "early")
        other = b if ahead == "a.db" else a
        status, _, err = self.run_peer("sync", b, server.url, "--once", "--quiet")
        self.assertEqual(1, status, err)
        self.assertEqual(1, len(err.splitlines()), err)
        self.assertIn(says, err)
        self.assertIn("table t has a change stamped more than 5 minutes ahead", err)
        self.assertFalse(self.has(other, "early"))

    def test_once_from_a_file_that_is_ahead(self):
        self.once("b.db", "it refuses changes from the future; set this machine's clock")

    def test_once_from_a_room_that_is_ahead(self):
        self.once("a.db", "it sends changes from the future; set its machine's clock, or this one's")


if __name__ == "__main__":
    unittest.main()
