"""What a file can do by itself. Where a local write had made room for a held row and nothing came in, it stayed hidden until sync_fold(); a changeset
of this file was refused by it; an entry of sync_conflict that was deleted by hand hid its row for ever; journal_mode = off was blamed on triggers."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, tick  # noqa: E402

TABLE = "CREATE TABLE t(id TEXT PRIMARY KEY, v UNIQUE);"


class Alone(SyncTest):
    def held_pair(self):
        a, b = self.files("ab", TABLE, "t")
        a.sql("INSERT INTO t VALUES('a', 'same')")
        tick()
        b.sql("INSERT INTO t VALUES('b', 'same')")
        self.level(a, b)
        self.assertEqual(a.held(), [("t", '["a"]', "unique")])
        return a, b

    def test_merging_nothing_shows_what_may_be_shown(self):
        for nothing in (None, b""):
            with self.subTest(nothing=nothing):
                self.doCleanups()
                self.setUp()
                a, b = self.held_pair()
                a.sql("UPDATE t SET v = 'other' WHERE id = 'b'")
                self.assertEqual(a.one("SELECT sync_apply(?, '{\"dry_run\": true}')", nothing), "[]")
                self.assertEqual(a.apply(nothing), 0)
                self.assertEqual((a.sql("SELECT id FROM t ORDER BY id"), a.held()), ([("a",), ("b",)], []))
        untracked = self.file("untracked", TABLE)
        self.assertEqual(untracked.apply(None), 0)
        self.refused(untracked, "SELECT sync_apply(NULL, '{\"x\": 1}')", says=["unknown option"])

    def test_a_changeset_of_its_own(self):
        a = self.file("a", TABLE, "t")
        a.sql("INSERT INTO t VALUES('a', 1)")
        version = a.version()
        a.sql("INSERT INTO t VALUES('b', 2)")
        self.assertEqual(a.apply(a.changeset(version)), 0)
        self.assertEqual(a.apply(a.changeset()), 0)
        invariants.check(a.path)

    def test_one_of_its_future(self):
        """A restored file does not hold all of its own."""
        a = self.file("a", TABLE, "t")
        a.sql("INSERT INTO t VALUES('a', 1)")
        before = a.snapshot()
        a.sql("INSERT INTO t VALUES('b', 2)")
        version = a.version()
        a.sql("INSERT INTO t VALUES('c', 3)")
        changes = a.changeset(version)
        a.overwrite(before)
        self.refused(a, "SELECT sync_apply(?)", changes, says=["does not have"])

    def test_entries_of_held_rows_stay(self):
        a, b = self.held_pair()
        for statement in ("DELETE FROM sync_conflict", "DELETE FROM sync_conflict WHERE held"):
            with self.assertRaises(sqlite3.IntegrityError) as caught:
                a.sql(statement)
            self.assertIn("goes away by itself", str(caught.exception))
        self.assertEqual(a.held(), [("t", '["a"]', "unique")])
        a.sql("UPDATE sync_conflict SET held = 0, reason = 'note'")   # what is a note may go
        a.sql("DELETE FROM sync_conflict")
        a.x("SELECT sync_untrack_all()")

    def test_untracking_takes_them_along(self):
        a, b = self.held_pair()
        a.script("CREATE TABLE u(id TEXT PRIMARY KEY)")
        a.track("u")
        a.x("SELECT sync_untrack('t')")
        self.assertEqual(a.sql("SELECT * FROM sync_conflict"), [])
        invariants.check(a.path)

    def test_no_journal(self):
        a, b = self.files("ab", TABLE, "t")
        b.close()
        b.sql("PRAGMA journal_mode = delete")
        a.sql("INSERT INTO t VALUES('a', 1)")
        changes = a.changeset()
        b.extended.execute("PRAGMA journal_mode = off")
        for call in ("sync_apply(?)", "sync_apply(NULL) WHERE ? NOTNULL", "sync_fold() WHERE ? NOTNULL"):
            self.refused(b, "SELECT " + call, changes, says=["journal_mode"])
        b.extended.execute("PRAGMA journal_mode = memory")
        self.assertEqual(b.apply(changes), 1)

    def test_newer_formats_say_whose(self):
        a = self.file("a", TABLE, "t")
        a.sql("INSERT INTO t VALUES('a', 1)")
        changes, seen = bytearray(a.changeset()), bytearray(a.seen())
        changes[4], seen[4] = 4, 2
        self.refused(a, "SELECT sync_apply(?)", bytes(changes), says=["changeset", "format 4", "newer sync_ext"])
        self.refused(a, "SELECT sync_changeset(?)", bytes(seen), says=["sync_seen blob", "format 2", "newer sync_ext"])


if __name__ == "__main__":
    unittest.main()
