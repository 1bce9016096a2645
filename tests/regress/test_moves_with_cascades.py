"""A row that takes another's number while a cascade writes in between: the tombstone of who had it is named by an entry of its own."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, tick  # noqa: E402

SCHEMA = """
CREATE TABLE t(k INTEGER PRIMARY KEY, v);
CREATE TABLE child(k TEXT PRIMARY KEY, t REFERENCES t ON UPDATE %s);
"""


class Moves(SyncTest):
    def moved(self, action, told):
        a, b = self.files((f"{action}{told}a", f"{action}{told}b"), SCHEMA % action, "t", "child")
        b.sql("INSERT INTO t VALUES(4, 'older')")
        tick()
        a.script("PRAGMA foreign_keys = on; INSERT INTO t VALUES(4, 'pushed out'), (1000, 'moves'); INSERT INTO child VALUES('c', 1000)")
        if told:
            a.fold()
            a.cut_for(b)
        a.script("UPDATE OR REPLACE t SET k = 4 WHERE k = 1000")
        return a, b

    def test_its_tombstone_stays_when_the_number_goes_to_somebody_else(self):
        """Both were named by one entry of the journal, which went with the row, and with it the tombstone for all who ask later."""
        for action in ("SET NULL", "CASCADE"):
            for told in (False, True):
                with self.subTest(action=action, told=told):
                    a, b = self.moved(action, told)
                    b.pull(a)
                    a.fold()
                    invariants.check(a.path)
                    a.pull(b)
                    invariants.check(a.path)
                    self.level(a, b)
                    self.assertEqual(a.sql("SELECT k, v FROM t"), [(4, "older"), (5, "moves")])
                    self.assertEqual([row for row in a.x("SELECT key, op FROM sync_changes WHERE tbl = 't' AND op = 'delete'")
                                      if row[0] == "[4]"], [("[4]", "delete")])

    def test_a_note_that_nothing_came_of_goes(self):
        """An UPDATE OR IGNORE leaves its note at the end of a run of entries, before those of another table."""
        a, b = self.files("ab", SCHEMA % "CASCADE", "t", "child")
        a.script("""
            INSERT INTO t VALUES(1, 'x'), (2, 'y');
            UPDATE OR IGNORE t SET k = 2 WHERE k = 1;
            INSERT INTO child VALUES('c', 1);
            INSERT INTO child VALUES('d', 2);
        """)
        b.pull(a)
        a.fold()
        invariants.check(a.path)
        self.level(a, b)


class OntoParent(SyncTest):
    def test_a_row_that_pushes_out_its_own_parent(self):
        """ON DELETE CASCADE takes the moving row away too, and SQLite fires no trigger after the UPDATE: nobody was told of the parent."""
        for key in ("TEXT PRIMARY KEY", "TEXT COLLATE NOCASE PRIMARY KEY", "INTEGER PRIMARY KEY"):
            for told in (False, True):
                with self.subTest(key=key, told=told):
                    schema = f"CREATE TABLE t(k {key}, p {key.split()[0]} REFERENCES t ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED)"
                    a, b = self.files((f"{key[:12]}{told}a", f"{key[:12]}{told}b"), schema, "t")
                    a.sql("INSERT INTO t VALUES(1, NULL), (2, 1), (3, NULL)")
                    if told:
                        self.level(a, b)
                    a.script("PRAGMA foreign_keys = on; UPDATE OR REPLACE t SET k = 1 WHERE k = 2")
                    self.assertEqual([str(k) for k, in a.sql("SELECT k FROM t")], ["3"])
                    b.pull(a)
                    self.level(a, b)
                    for file in (a, b):
                        invariants.check(file.path)
                        self.assertEqual([str(k) for k, in file.sql("SELECT k FROM t")], ["3"])


if __name__ == "__main__":
    unittest.main()
