"""Foreign keys from and to tables that are not tracked, and merges in the caller's own transaction: SQLite counts violations there,
and what it had counted failed every merge, for ever."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, tick  # noqa: E402


class Untracked(SyncTest):
    def enforcing(self, file):
        file.x("PRAGMA foreign_keys = on")
        return file

    def test_a_parent_goes_that_an_untracked_row_needs(self):
        a, b = self.files("ab", "CREATE TABLE p(k TEXT PRIMARY KEY); CREATE TABLE c(k INTEGER PRIMARY KEY, p REFERENCES p);"
                                "CREATE TABLE d(k INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE);", "p")
        a.script("INSERT INTO p VALUES('x'), ('y'), ('z')")
        self.enforcing(b).pull(a)
        b.script("INSERT INTO c VALUES(1, 'x'); INSERT INTO d VALUES(1, 'x'), (2, 'y')")
        tick()
        a.script("DELETE FROM p WHERE k <> 'z'")
        b.pull(a)
        self.assertEqual(b.sql("SELECT k FROM p"), [("z",)])
        self.assertEqual(b.sql("SELECT * FROM c"), [(1, "x")])
        self.assertEqual(b.sql("SELECT k FROM d"), [(1,)])  # what can be left to SQLite is
        self.assertEqual(b.one("PRAGMA foreign_keys"), 1)

    def test_a_row_refers_to_an_untracked_one_that_is_not_there(self):
        a, b = self.files("ab", "CREATE TABLE o(k INTEGER PRIMARY KEY); CREATE TABLE p(k INTEGER PRIMARY KEY, o REFERENCES o);"
                                "CREATE TABLE u(k INTEGER PRIMARY KEY, p REFERENCES p);", "p")
        a.script("INSERT INTO o VALUES(1); INSERT INTO p VALUES(1, 1)")
        self.enforcing(b).pull(a)
        self.assertEqual(b.sql("SELECT * FROM p"), [(1, 1)])

    def test_a_moved_parent_of_an_untracked_row(self):
        a, b = self.files("ab", "CREATE TABLE p(k INTEGER PRIMARY KEY, p REFERENCES p ON UPDATE SET NULL);"
                                "CREATE TABLE c(k TEXT PRIMARY KEY, p REFERENCES p ON UPDATE CASCADE);", "p")
        a.script("INSERT INTO p VALUES(3, NULL), (4, NULL)")
        self.enforcing(b).pull(a)
        b.script("INSERT INTO c VALUES('a', 4)")
        tick()
        a.script("UPDATE OR REPLACE p SET k = 3 WHERE k = 4")
        b.pull(a)
        self.assertEqual(b.sql("SELECT * FROM p"), [(3, None)])
        self.assertEqual(b.sql("SELECT * FROM c"), [("a", 4)])

    def test_the_callers_transaction_can_be_committed(self):
        a, b = self.files("ab", "CREATE TABLE p(k TEXT PRIMARY KEY, u UNIQUE, p REFERENCES p DEFERRABLE INITIALLY DEFERRED);"
                                "CREATE TABLE c(k INTEGER PRIMARY KEY, p REFERENCES p DEFERRABLE INITIALLY DEFERRED);", "p")
        a.script("INSERT INTO p VALUES('x', 1, NULL)")
        self.enforcing(b).pull(a)
        b.script("INSERT INTO c VALUES(1, 'x')")
        tick()
        a.script("DELETE FROM p; INSERT INTO p VALUES('y', 1, 'z'), ('z', 2, 'y')")
        b.x("BEGIN")
        b.pull(a)
        b.x("COMMIT")
        self.assertEqual(b.sql("SELECT k FROM p ORDER BY k"), [("y",), ("z",)])
        self.assertEqual(b.sql("SELECT * FROM c"), [(1, "x")])

    def test_what_the_caller_violates_is_still_the_callers(self):
        a, b = self.files("ab", "CREATE TABLE p(k TEXT PRIMARY KEY); CREATE TABLE c(k TEXT PRIMARY KEY, p REFERENCES p DEFERRABLE INITIALLY DEFERRED);", "p", "c")
        a.script("INSERT INTO p VALUES('x')")
        cut = a.cut_for(b)
        self.enforcing(b).x("BEGIN")
        b.x("INSERT INTO c VALUES('a', 'x')")
        b.apply(cut)  # brings the parent
        b.x("COMMIT")
        self.assertEqual(b.sql("SELECT * FROM c"), [("a", "x")])


if __name__ == "__main__":
    unittest.main()
