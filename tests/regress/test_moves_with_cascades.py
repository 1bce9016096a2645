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

    def test_a_cascade_writes_in_its_own_table_as_well(self):
        """The note was not the last entry of its run then, and not found by the move, which came in a later run."""
        schema = """CREATE TABLE t(k INTEGER PRIMARY KEY, v, p INT REFERENCES t ON DELETE SET NULL);
                    CREATE TABLE child(k TEXT PRIMARY KEY, t REFERENCES t ON UPDATE CASCADE);"""
        for how in ("virtually", "folded"):
            with self.subTest(how=how):
                a, b = self.files((f"{how}a", f"{how}b"), schema, "t", "child")
                a.script("PRAGMA foreign_keys = on; INSERT INTO t VALUES(1, 'moves', NULL), (2, 'pushed out', NULL), (3, 'refers', 2); INSERT INTO child VALUES('c', 1)")
                self.level(a, b)
                a.script("BEGIN; UPDATE OR REPLACE t SET k = 2 WHERE k = 1; UPDATE t SET k = 5 WHERE k = 2; COMMIT")
                if how == "folded":
                    a.fold()
                b.pull(a)
                a.fold()
                self.level(a, b)
                self.assertEqual(sorted(a.x("SELECT key FROM sync_changes WHERE tbl = 't' AND op = 'delete'")), [("[1]",), ("[2]",), ("[2]",)])
                self.assertEqual(b.sql("SELECT * FROM t"), [(3, "refers", None), (5, "moves", None)])

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


class FromBefore(SyncTest):
    """A row from before the tracking has no clock: the note (-5) alone says that the number had a row. The move was folded apart from it, and its delete was lost."""

    def pair(self, name, schema, *tables):
        a, b = self.files((f"a {name}", f"b {name}"), schema, *tables)
        a.sql("PRAGMA foreign_keys = on")
        return a, b

    def moved(self, a, b, how):
        if how == "folded":
            a.fold()
            invariants.check(a.path)
        b.pull(a)
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT id, x FROM n"), [(2, "moves")])
            self.assertEqual(file.held(), [])

    def test_a_cascade_writes_in_between(self):
        shapes = ((1, "virtually"), (1, "folded"), (40, "virtually"), (40, "folded"), (21000, "in steps, before it is told"))
        for rows, how in shapes:
            with self.subTest(rows=rows, how=how):
                a, b = self.pair(f"{rows} {how}", "CREATE TABLE n(id INTEGER PRIMARY KEY, x); INSERT INTO n VALUES(1, 'moves'), (2, 'goes');"
                                 "CREATE TABLE t(id TEXT PRIMARY KEY, n REFERENCES n ON UPDATE CASCADE)", "n", "t")
                a.sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?) INSERT INTO t SELECT i, 1 FROM c", rows)
                self.level(a, b)
                a.sql("UPDATE OR REPLACE n SET id = 2 WHERE id = 1")
                self.moved(a, b, how)
                self.assertEqual(b.sql("SELECT DISTINCT n FROM t"), [(2,)])

    def test_a_trigger_writes_in_between(self):
        for when in ("BEFORE", "AFTER"):
            for recursive in (0, 1):
                for how in ("virtually", "folded"):
                    with self.subTest(when=when, recursive=recursive, how=how):
                        a, b = self.pair(f"{when} {recursive} {how}", "CREATE TABLE n(id INTEGER PRIMARY KEY, x); INSERT INTO n VALUES(1, 'moves'), (2, 'goes');"
                                         "CREATE TABLE log(id INTEGER PRIMARY KEY, what UNIQUE); INSERT INTO log VALUES(2, 0)", "n", "log")
                        a.script("".join(f"CREATE TRIGGER w{i} {when} UPDATE ON n BEGIN INSERT OR REPLACE INTO log(what) VALUES({i}); END;" for i in range(12)))
                        a.sql(f"PRAGMA recursive_triggers = {recursive}")
                        a.sql("UPDATE OR REPLACE n SET id = 2 WHERE id = 1")
                        self.moved(a, b, how)

    def test_notes_of_nothing_say_nothing_of_later_moves(self):
        """UPDATE OR IGNORE left a note on a number whose row went otherwise: the next row with that number replaces nobody."""
        a, b = self.pair("note", "CREATE TABLE n(id INTEGER PRIMARY KEY, x); INSERT INTO n VALUES(1, 'moves'), (9, 'highest'); CREATE TABLE t(id TEXT PRIMARY KEY)", "n", "t")
        c = self.file("c note", "CREATE TABLE n(id INTEGER PRIMARY KEY, x); INSERT INTO n VALUES(2, 'of c from before')", "n")
        a.script("""INSERT INTO n VALUES(12, 'new'); UPDATE n SET id = 2 WHERE id = 12; UPDATE OR IGNORE n SET id = 2 WHERE id = 1; INSERT INTO t VALUES('between');
                    DELETE FROM n WHERE id = 2; INSERT INTO t VALUES('again'); UPDATE n SET id = 2 WHERE id = 1""")
        b.pull(a)
        self.level(a, b)
        for _ in range(3):
            for x, y in ((a, c), (c, a)):
                x.pull(y)
        self.assertEqual(sorted(x for x, in a.sql("SELECT x FROM n")), ["highest", "moves", "of c from before"])
        self.assertEqual(a.rows("n"), c.rows("n"))

    def test_displaced_through_an_index(self):
        """More is written between the note and the trigger that looks at it than that trigger looks back."""
        for key in ("INTEGER PRIMARY KEY", "TEXT PRIMARY KEY"):
            for write in ("INSERT OR REPLACE INTO n VALUES(3, 'new', 'u2')", "UPDATE OR REPLACE n SET u = 'u2', x = 'new' WHERE id = 1"):
                for how in ("virtually", "folded"):
                    with self.subTest(key=key, write=write, how=how):
                        a, b = self.pair(f"{key[:4]} {write[:6]} {how}", f"CREATE TABLE n(id {key}, x, u UNIQUE); INSERT INTO n VALUES(1, 'one', 'u1'), (2, 'goes', 'u2');"
                                         "CREATE TABLE log(id INTEGER PRIMARY KEY, what)", "n", "log")
                        self.level(a, b)
                        a.script("".join(f"CREATE TRIGGER {e}{i} BEFORE {e} ON n BEGIN INSERT INTO log(what) VALUES({i}); END;" for i in range(12) for e in ("INSERT", "UPDATE")))
                        a.script(write)
                        rows = a.rows("n")
                        self.assertEqual(a.sql("SELECT count(*) FROM n WHERE x = 'goes'"), [(0,)])
                        if how == "folded":
                            a.fold()
                        b.pull(a)
                        self.level(a, b)
                        self.assertEqual(b.rows("n"), rows)


if __name__ == "__main__":
    unittest.main()
