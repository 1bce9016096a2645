"""While somebody reads in an old snapshot, the write-ahead log only grows. So nobody of ours stays in one, and what an application's long
reader has made grow shrinks again: a checkpoint that such a reader cut short counted as made, and the next one waited for a thousand more pages. Longer, with SYNC_STALL=1, which waits for a link that never answers: scripts/soak.sh."""
import os
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
from rawpeer import RawPeer  # noqa: E402
from synctest import Case, connect, eventually, plain, shell  # noqa: E402

SCHEMA = "PRAGMA journal_mode = wal; CREATE TABLE t(id TEXT PRIMARY KEY, v);"
MANY = "WITH c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < {}) INSERT OR REPLACE INTO t SELECT 'row ' || i, hex(randomblob(100)) FROM c"
BUSY_AT = 0  # of the three numbers that a checkpoint answers


class Readers(Case):
    def setUp(self):
        super().setUp()
        self.a, self.b = self.path("a.db"), self.path("b.db")
        for path in (self.a, self.b):
            plain(path, SCHEMA)

    def open(self, path, ext=True):
        db = connect(path, ext)
        self.addCleanup(db.close)
        return db

    def log_bytes(self, path):
        return os.path.getsize(f"{path}-wal")

    def log_run(self, path):
        """The salts in the log's header: others each time that it begins at its front again."""
        with open(f"{path}-wal", "rb") as log:
            return log.read(24)[16:]

    def is_free(self, db):
        """Can the whole log be emptied: is nobody in a snapshot?"""
        db.execute("PRAGMA busy_timeout = 0")
        return db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[BUSY_AT] == 0

    def test_the_extension_stays_in_no_snapshot(self):
        app, ours = self.open(self.a, ext=False), self.open(self.a)
        ours.execute("SELECT sync_track('t')").fetchall()
        app.execute(MANY.format(200))
        for statement in ("SELECT sync_changeset()", "SELECT sync_seen()", "SELECT sync_fold()", "SELECT * FROM sync_status", "SELECT count(*) FROM sync_changes",
                          "SELECT sync_touch('t', 'row 1')", "SELECT sync_apply(sync_changeset())", "SELECT sync_apply(x'00')"):
            with self.subTest(statement):
                app.execute("UPDATE t SET v = 'x' WHERE id = 'row 1'")
                try:
                    ours.execute(statement).fetchall()
                except Exception as error:     # a damaged changeset leaves none open either
                    self.assertIn("changeset", str(error))
                self.assertTrue(self.is_free(app))
        looking = ours.execute("SELECT * FROM sync_changes")
        looking.fetchone()                     # and left there
        looking.close()
        self.assertTrue(self.is_free(app))

    def test_linked_peers_stay_in_no_snapshot(self):
        server = self.serve(self.a)
        self.sync(self.b, server.url)
        app_a, app_b = self.open(self.a, ext=False), self.open(self.b, ext=False)
        for i in range(3):
            app_a.execute(MANY.format(3000))
            app_b.execute("UPDATE t SET v = 'b' WHERE id = 'row 7'")
            self.wait_same(self.a, self.b)
            for app in (app_a, app_b):
                eventually(lambda: self.is_free(app), "a log that can be emptied, with the link up")
        for path in (self.a, self.b):
            self.assertEqual(self.log_bytes(path), 0)

    def test_it_shrinks_when_the_long_reader_has_gone(self):
        server = self.serve(self.a)
        self.sync(self.b, server.url)
        app = self.open(self.a, ext=False)
        app.execute("INSERT INTO t VALUES('first', 0)")
        self.wait_same(self.a, self.b)
        reader, writer = self.open(self.b, ext=False), self.open(self.b, ext=False)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchone()
        for _ in range(4):
            app.execute(MANY.format(4000))     # merged into b.db behind the reader's back
            self.wait_same(self.a, self.b)
        grown, run = self.log_bytes(self.b), self.log_run(self.b)
        self.assertGreater(grown, 1 << 20)
        self.assertFalse(self.is_free(writer))
        reader.execute("COMMIT")

        def begins_anew():
            time.sleep(1.2)                    # a moment in which nobody writes: the peer uses it
            app.execute("UPDATE t SET v = v || 'x' WHERE id = 'first'")
            self.wait_same(self.a, self.b)
            return self.log_run(self.b) != run
        eventually(begins_anew, "the room in the log is used again")
        self.assertLessEqual(self.log_bytes(self.b), grown + (1 << 20))
        eventually(lambda: self.is_free(writer), "a log that can be emptied")

    if os.environ.get("SYNC_STALL"):           # takes a minute

        def test_a_link_that_never_answers_lets_go(self):
            seen = bytes.fromhex(shell(self.b, "SELECT sync_track_all(); SELECT hex(sync_seen());").splitlines()[-1])
            plain(self.a, MANY.format(30000))
            server = self.serve(self.a)
            app = self.open(self.a, ext=False)
            with RawPeer(server.port, f"/{server.room}", timeout=200) as peer:
                peer.send(rawpeer.announce(server.room))
                peer.expect(rawpeer.START)
                peer.send(rawpeer.frame(rawpeer.START, payload=seen))
                peer.expect(rawpeer.CHANGES)       # never acknowledged: the rest waits in its snapshot
                app.execute("UPDATE t SET v = 'x' WHERE id = 'row 1'")
                self.assertFalse(self.is_free(app))
                eventually(lambda: self.is_free(app), "a snapshot that is let go", 150)


if __name__ == "__main__":
    unittest.main()
