"""Who is shown and who is held, where files once disagreed. Each names what went wrong."""
import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, tick  # noqa: E402

NUMBERED = "CREATE TABLE t(k INTEGER PRIMARY KEY, c, p INT REFERENCES t DEFERRABLE INITIALLY DEFERRED);"


class Holding(SyncTest):
    def converge(self, *files):
        self.level(*files)
        for other in files[1:]:
            self.assertEqual(files[0].held(), other.held())
        for file in files:
            invariants.check(file.path)

    def test_a_row_pushed_out_of_its_number_knows_its_parent(self):
        """What its foreign key meant was forgotten when another row took the number: it never came back."""
        a, b, c = self.files("abc", NUMBERED, "t")
        a.sql("INSERT INTO t VALUES(1, 'zero', NULL)")
        tick()
        b.sql("INSERT INTO t VALUES(3, 'one', NULL)")
        tick()
        c.pull(b)
        c.script("UPDATE t SET k = 1 WHERE k = 3; INSERT INTO t VALUES(2, 'two', NULL); UPDATE t SET p = 2 WHERE k = 1;")
        tick()
        a.pull(c)
        self.assertEqual(a.held(), [("t", "[1]", "number")])
        c.pull(a)
        self.assertEqual(c.sql("SELECT * FROM t"), [(1, "zero", None), (2, "two", None), (3, "one", 2)])
        c.sql("DELETE FROM t WHERE k = 1")
        self.converge(a, b, c)
        self.assertEqual(c.sql("SELECT * FROM t"), [(2, "two", None), (3, "one", 2)])

    def test_a_row_pushed_out_by_a_unique_value_knows_its_parent(self):
        schema = "CREATE TABLE p(k INTEGER PRIMARY KEY); CREATE TABLE t(k TEXT PRIMARY KEY, u UNIQUE, p INT REFERENCES p);"
        a, b = self.files("ab", schema, "p", "t")
        a.script("INSERT INTO p VALUES(1); INSERT INTO t VALUES('a', 1, 1);")
        tick()
        b.sql("INSERT INTO t VALUES('b', 1, NULL)")
        a.pull(b)
        self.assertEqual(a.held(), [("t", '["a"]', "unique")])
        a.sql("DELETE FROM t")
        self.converge(a, b)
        self.assertEqual(a.sql("SELECT * FROM t"), [("a", 1, 1)])

    def test_rows_of_a_circle_of_numbers_come_back(self):
        """Each was asked what it refers to when the other was gone already."""
        schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, c, p INT REFERENCES t DEFERRABLE INITIALLY DEFERRED);"
        a, b, c = self.files("abc", schema, "t")
        a.script("INSERT INTO t VALUES(1, 'a1', NULL);")
        tick()
        b.script("BEGIN; INSERT INTO t VALUES(1, 'b1', 2), (2, 'b2', 1); COMMIT;")
        c.pull(a)
        c.pull(b)
        self.assertEqual(len(c.held()), 2)   # their author may give them other numbers, and has not heard of it
        c.sql("DELETE FROM t WHERE k = 1")
        self.converge(c, b, a)
        self.assertEqual(c.sql("SELECT * FROM t"), [(1, "b1", 2), (2, "b2", 1)])

    def test_a_held_key_is_spelled_as_it_was_written_last(self):
        """The row was merged under a new spelling and held in one go: its journal entry kept the old one."""
        schema = "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, u UNIQUE);"
        a, b, c = self.files("abc", schema, "t")
        b.sql("INSERT INTO t VALUES('A', 'u')")
        tick()
        a.pull(b)
        c.pull(b)
        c.sql("INSERT OR REPLACE INTO t VALUES('a', 'v')")
        tick()
        a.sql("INSERT INTO t VALUES('b', 'v')")
        a.pull(c)
        self.assertEqual(a.held(), [("t", '["a"]', "unique")])
        self.assertEqual(set(a.x("SELECT key FROM sync_changes")), {('["a"]',), ('["b"]',)})
        self.converge(a, b, c)

    def test_a_circle_under_another_spelling(self):
        schema = "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, p TEXT REFERENCES t DEFERRABLE INITIALLY DEFERRED);"
        a, b = self.files("ab", schema, "t")
        a.script("PRAGMA foreign_keys = on; BEGIN; INSERT INTO t VALUES('x', 'Y'), ('y', 'X'); COMMIT;")
        self.converge(a, b)
        self.assertEqual(b.held(), [])

    def test_orphans_of_the_writer_are_listed(self):
        schema = ("CREATE TABLE p(id INTEGER PRIMARY KEY, a, b, UNIQUE(a, b)); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p); CREATE INDEX c_p ON c(p);"
                  "CREATE TABLE d(id TEXT PRIMARY KEY, a, b, FOREIGN KEY(a, b) REFERENCES p(a, b));")
        a, b = self.files("ab", schema, "p", "c", "d")
        a.script("INSERT INTO p VALUES(1, 1, 1), (2, 2, 2); INSERT INTO c VALUES('c1', 1), ('c2', 2), ('c3', NULL); INSERT INTO d VALUES('d1', 1, 1), ('d2', 1, NULL);")
        self.converge(a, b)
        listed = "SELECT tbl, key, held FROM sync_conflict WHERE reason = 'foreign key' ORDER BY tbl, key"
        self.assertEqual(a.x(listed), [])
        a.script("PRAGMA foreign_keys = off; DELETE FROM p WHERE id = 2; INSERT INTO c VALUES('c4', 9); UPDATE d SET b = 3;")
        a.fold()
        orphans = [("c", '["c2"]', 0), ("c", '["c4"]', 0), ("d", '["d1"]', 0), ("d", '["d2"]', 0)]
        self.assertEqual(a.x(listed), orphans)
        b.pull(a)
        self.assertEqual(b.x(listed), [(tbl, key, 1) for tbl, key, _ in orphans])
        self.assertEqual(a.x("SELECT ours FROM sync_conflict WHERE key = '[\"c4\"]'"), [('{"p":9}',)])
        a.script("INSERT INTO p VALUES(9, 1, 3); DELETE FROM c WHERE id = 'c2'")
        a.fold()
        self.assertEqual(a.x(listed), [])
        self.level(a, b)

    def test_an_orphan_gets_its_parent_by_a_merge(self):
        schema = "CREATE TABLE p(id TEXT PRIMARY KEY); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p);"
        a, b = self.files("ab", schema, "p", "c")
        a.sql("PRAGMA foreign_keys = off")
        a.sql("INSERT INTO c VALUES('c1', 'p1')")
        a.fold()
        self.assertEqual(a.x("SELECT key, held FROM sync_conflict"), [('["c1"]', 0)])
        b.sql("INSERT INTO p VALUES('p1')")
        self.level(a, b)
        self.assertEqual(a.x("SELECT key, held FROM sync_conflict"), [])

    def test_children_follow_a_number_that_their_program_gave_away(self):
        """A parent deleted and inserted again with foreign keys off: the children stayed with it in that file, and were held for ever in all others."""
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p);"
        for number, told in enumerate(("not at all", "read", "folded")):
            a, b = self.files((f"a{number}", f"b{number}"), schema, "p", "c")
            a.script("INSERT INTO p VALUES(1, 'x'); INSERT INTO c VALUES('c1', 1);")
            self.converge(a, b)
            a.script("PRAGMA foreign_keys = off; DELETE FROM p;")
            if told != "not at all":
                b.pull(a)
                self.assertEqual(b.held(), [("c", '["c1"]', "foreign key")])
            if told == "folded":
                a.fold()
            a.sql("INSERT INTO p VALUES(1, 'y')")
            self.converge(a, b)
            self.assertEqual(b.sql("SELECT * FROM c"), [("c1", 1)])

    def test_copies_that_meet_write_only_what_differs(self):
        """Two copies tracked apart: every row was written again, with the values that it had."""
        schema = "CREATE TABLE t(k TEXT PRIMARY KEY, v, w); CREATE TABLE log(k); INSERT INTO t VALUES('same', 1, NULL), ('other', 1, 2);"
        a = self.open("a.db")
        a.script(schema)
        b = self.copy(a, "b")
        a.sql("UPDATE t SET v = 'a' WHERE k = 'other'")
        b.sql("UPDATE t SET v = 'b' WHERE k = 'other'")
        for file in (a, b):
            file.script("CREATE TRIGGER noted AFTER UPDATE ON t BEGIN INSERT INTO log VALUES(NEW.k); END;")
            tick()
            file.track("t")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM t ORDER BY k"), [("other", "b", 2), ("same", 1, None)])
        self.assertEqual(a.sql("SELECT k FROM log") + b.sql("SELECT k FROM log"), [("other",)])

    def test_a_row_that_refers_to_itself_is_held_under_a_new_spelling(self):
        """It was held as its own child first, under the old spelling; the entry of that stayed in the journal."""
        schema = "CREATE TABLE q(k TEXT PRIMARY KEY); CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, p TEXT REFERENCES t, q REFERENCES q);"
        a, b = self.files("ab", schema, "q", "t")
        a.sql("INSERT INTO t VALUES('a', 'a', NULL)")
        b.sql("INSERT INTO q VALUES('q')")
        self.converge(a, b)
        a.sql("DELETE FROM q")
        b.sql("INSERT OR REPLACE INTO t VALUES('A', 'a', 'q')")
        a.pull(b)
        invariants.check(a.path)
        self.converge(a, b)
        self.assertEqual(a.held(), [("t", '["A"]', "foreign key")])

    def test_a_held_key_keeps_its_spelling(self):
        """A change of a cell from a file that knew an older spelling of the key was listed under that, and shown so later."""
        schema = "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, u UNIQUE, v);"
        a, b, c = self.files("abc", schema, "t")
        a.sql("INSERT INTO t VALUES('a', 1, 0)")
        self.converge(a, b, c)
        b.sql("INSERT OR REPLACE INTO t VALUES('A', 2, 0)")
        tick()
        c.sql("INSERT INTO t VALUES('c', 2, 0)")
        c.pull(b)
        self.assertEqual(c.held(), [("t", '["A"]', "unique")])
        a.sql("UPDATE t SET v = 5")
        c.pull(a)
        self.assertEqual(c.held(), [("t", '["A"]', "unique")])
        c.sql("DELETE FROM t WHERE k = 'c'")
        self.converge(a, b, c)
        self.assertEqual(c.sql("SELECT * FROM t"), [("A", 2, 5)])

    def contest(self, schema, *rows):
        """Each row is written by a file of its own, oldest first; they meet in every order. What all show in the end."""
        outcomes = set()
        self.contests = getattr(self, "contests", 0) + 1
        for turn, order in enumerate(itertools.permutations(range(len(rows)))):
            files = [self.file(f"{self.contests}-{turn}-{i}", schema, "t") for i in range(len(rows))]
            for file, row in zip(files, rows):
                file.sql(f"INSERT INTO t VALUES({', '.join('?' * len(row))})", *row)
                tick()
            hub = self.file(f"{self.contests}-{turn}-hub", schema, "t")
            for i in order:
                hub.pull(files[i])
            self.converge(hub, *files)
            outcomes.add(tuple(hub.sql("SELECT * FROM t ORDER BY k")))
        self.assertEqual(len(outcomes), 1)
        return list(outcomes.pop())

    def test_numbers_and_unique_values_in_one_table(self):
        """The older claim of a number pushed out the row that had the value; then nothing pushed out the older claim, or another row did."""
        schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, v UNIQUE);"
        self.assertEqual(self.contest(schema, (2, 1, None), (5, 1, None), (2, 1, None)), [(2, 1, None)])
        # The value goes to the newest, whose number is the oldest's: it gets another one.
        self.assertEqual(self.contest(schema, (1, "a", None), (2, "x", None), (1, "x", None)), [(1, "a", None), (3, "x", None)])
        # The number's older claim lost its value to 3: the younger one is shown.
        self.assertEqual(self.contest(schema, (1, "a", None), (1, "b", None), (3, "a", None)), [(1, "b", None), (3, "a", None)])
        # Every row is in the way of two others: the values leave 2 and 4, of which the number leaves 2; 4 gets another one.
        self.assertEqual(self.contest(schema, (1, "a", 1), (2, "b", 1), (1, "b", 2), (2, "a", 2)), [(2, "b", 1), (3, "a", 2)])


if __name__ == "__main__":
    unittest.main()
