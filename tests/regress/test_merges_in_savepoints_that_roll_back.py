"""A merge inside a savepoint of the caller's that rolls back has not happened: not in the tables, not in the metadata, not in what the
connection remembers. What it had merged comes again when it is asked for."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = ("CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, u UNIQUE);"
          "CREATE TABLE child(id TEXT PRIMARY KEY, n REFERENCES n);")
TABLES = ("t", "n", "child")
ENDS = ["ROLLBACK TO s; RELEASE s; ROLLBACK", "ROLLBACK TO s; RELEASE s; COMMIT", "ROLLBACK TO s; COMMIT", "RELEASE s; ROLLBACK"]


class RolledBackMerges(SyncTest):
    def prepare(self, label):
        """What a.db has for b.db brings a new site, holds rows, frees others, deletes, and waits for a column."""
        a, b, c = self.files([f"{label} {n}" for n in "abc"], SCHEMA, *TABLES)
        a.sql("INSERT INTO t VALUES('change', 0), ('go', 0)")
        exchange(a, b)
        c.sql("INSERT INTO t VALUES('of c', 1)")
        a.pull(c)
        a.script("ALTER TABLE t ADD COLUMN late; UPDATE t SET v = 1, late = 1 WHERE id = 'change'; DELETE FROM t WHERE id = 'go';")
        a.script("INSERT INTO n VALUES(1, 'a'), (2, 'same'); INSERT INTO child VALUES('c', 1);")
        tick()
        b.script("INSERT INTO n VALUES(1, 'b'), (3, 'same'); INSERT INTO child VALUES('d', 3);")
        return a, b, c

    def run_in(self, b, changes, end, before_it):
        for statement in ("BEGIN", *before_it, "SAVEPOINT s"):
            b.x(statement)
        b.apply(changes)
        b.apply(changes)
        b.x("SELECT count(*) FROM sync_changes")
        for statement in end.split("; "):
            b.x(statement)

    def test_nothing_is_left(self):
        for i, end in enumerate(ENDS):
            with self.subTest(end):
                a, b, c = self.prepare(str(i))
                b.fold()
                before, seen, cells, changes = b.shell(".dump"), b.seen(), b.cells(), a.cut_for(b)
                self.run_in(b, changes, end, [])
                self.assertEqual(b.shell(".dump"), before)
                self.assertEqual((b.seen(), b.cells(), b.held()), (seen, cells, []))
                self.assertEqual(a.cut_for(b), changes)
                self.assertGreater(b.apply(changes), 5)
                for file in (b, c):
                    file.sql("ALTER TABLE t ADD COLUMN late")
                self.level(a, b, c)

    def test_what_the_caller_wrote_before_stays(self):
        """After the rollback numbers of versions are given out a second time: what is written then must be told of."""
        for i, end in enumerate(ENDS[1:3]):
            with self.subTest(end):
                a, b, c = self.prepare(f"stays {i}")
                self.run_in(b, a.cut_for(b), end, ["INSERT INTO t VALUES('own', 1)", "UPDATE t SET v = 'own' WHERE id = 'change'"])
                b.x("INSERT INTO t VALUES('after', 2)")
                invariants.check(b.path)
                for file in (b, c):
                    file.sql("ALTER TABLE t ADD COLUMN late")
                self.level(a, b, c)
                self.assertEqual(c.sql("SELECT id, v, late FROM t ORDER BY id"),
                                 [("after", 2, None), ("change", "own", 1), ("of c", 1, None), ("own", 1, None)])

    def test_a_transaction_that_fails_to_commit(self):
        a, b, c = self.prepare("fails")
        b.x("PRAGMA foreign_keys = on")
        b.x("CREATE TABLE mine(x REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED)")
        b.fold()
        before, changes = b.shell(".dump"), a.cut_for(b)
        b.x("BEGIN")
        b.x("INSERT INTO mine VALUES('nobody')")
        b.apply(changes)
        self.refused(b, "COMMIT", says=["FOREIGN KEY"])
        b.x("ROLLBACK")
        self.assertEqual(b.shell(".dump"), before)
        for file in (b, c):
            file.sql("ALTER TABLE t ADD COLUMN late")
        self.level(a, b, c)


if __name__ == "__main__":
    unittest.main()
