"""Tables and triggers of the application that are called like ours: sync_untrack dropped a table called sync_hidden_1, sync_track a trigger called
sync_1_update. Ours are known by metadata, not by name; what is in the way is refused by name."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402


class Names(SyncTest):
    def schema(self, file):
        return file.sql("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")

    def test_untracking_drops_ours_only(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE sync_hidden_1(id TEXT PRIMARY KEY, mine);"
                           "INSERT INTO sync_hidden_1 VALUES('k', 'precious')")
        before = self.schema(a)
        a.track("t")
        self.assertEqual(a.x("SELECT sync_track('sync_hidden_1')"), [(1,)])
        self.assertEqual(a.tracked(), ["sync_hidden_1", "t"])
        a.x("SELECT sync_untrack('t')")
        self.assertEqual(a.sql("SELECT mine FROM sync_hidden_1"), [("precious",)])
        a.x("SELECT sync_untrack_all()")
        self.assertEqual(self.schema(a), before)

    def test_what_is_in_the_way_is_named(self):
        for name, what in (("sync_row_1", "CREATE TABLE sync_row_1(x)"), ("SYNC_HIDDEN_1", "CREATE TABLE SYNC_HIDDEN_1(id INTEGER PRIMARY KEY)"),
                           ("sync_row_1", "CREATE VIEW sync_row_1 AS SELECT 1"), ("sync_hidden_1", "CREATE INDEX sync_hidden_1 ON t(v)"),
                           ("sync_1_update", "CREATE TRIGGER sync_1_update AFTER UPDATE ON t BEGIN SELECT 1; END"),
                           ("Sync_1_key_before", "CREATE TRIGGER Sync_1_key_before AFTER DELETE ON u BEGIN SELECT 1; END"),
                           ("sync_site", "CREATE TABLE sync_site(x)")):
            for call in ("sync_track('t')", "sync_track_all()"):
                with self.subTest(what, call=call):
                    a = self.file(what[:35].replace("*", "") + call[:12], "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE u(x);" + what)
                    before = self.schema(a)
                    self.refused(a, f"SELECT {call}", says=(name, "rename"))
                    self.assertEqual(self.schema(a), before)

    def test_of_the_next_table(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY); CREATE TABLE u(id TEXT PRIMARY KEY); CREATE TABLE sync_row_2(x)", "t")
        self.refused(a, "SELECT sync_track('u')", says=("table u", "sync_row_2", "rename"))
        a.sql("ALTER TABLE sync_row_2 RENAME TO mine")
        a.track("u")

    def test_another_genesis_is_refused(self):
        a = self.file("a", "CREATE TABLE i(id INTEGER PRIMARY KEY, v); CREATE TABLE j(id INTEGER PRIMARY KEY, v)")
        a.track("i").track("j", options='{"genesis": "own"}')
        self.refused(a, """SELECT sync_track('i', '{"genesis": "own"}')""", says=("table i", "shared", "untrack"))
        self.refused(a, """SELECT sync_track('j', '{"genesis": "shared"}')""", says=("table j", "own", "untrack"))
        for table, options in (("i", '{"genesis": "shared"}'), ("j", '{"genesis": "own"}'), ("i", "{}"), ("j", "{}")):
            self.assertEqual(a.x("SELECT sync_track(?, ?)", table, options), [(0,)])


if __name__ == "__main__":
    unittest.main()
