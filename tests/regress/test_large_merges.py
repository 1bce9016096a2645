"""Large merges go another way for rows whose numbers are above all in use; they end as small ones do."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

LARGE = ("WITH RECURSIVE n(i) AS (SELECT {lo} UNION ALL SELECT i + 1 FROM n WHERE i < {hi})"
         " INSERT INTO t SELECT i, hex(randomblob(60)), i % 7 FROM n")
T = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT);"


class LargeMerges(SyncTest):
    def converge(self, *files):
        self.level(*files)
        for file in files:
            invariants.check(file.path)

    def fill(self, file, lo, hi):
        file.sql(LARGE.format(lo=lo, hi=hi))

    def test_into_an_empty_file_and_onwards(self):
        a, b = self.files("ab", T, "t")
        self.fill(a, 1, 6000)
        self.converge(a, b)
        b.sql("UPDATE t SET a = 'changed' WHERE id % 3 = 0")
        b.sql("DELETE FROM t WHERE id % 5 = 0")
        self.fill(b, 6001, 9000)
        self.converge(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM t WHERE a = 'changed'"), [(1600,)])

    def test_numbers_that_are_in_use(self):
        a, b = self.files("ab", T, "t")
        self.fill(a, 1, 5000)
        b.sql("INSERT INTO t VALUES(2500, 'mine', 1), (4000, 'gone', 1)")
        b.sql("DELETE FROM t WHERE id = 4000")
        self.converge(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM t"), b.sql("SELECT count(*) FROM t"))

    def test_clashes_in_the_middle(self):
        schema = T + "CREATE UNIQUE INDEX u ON t(a);"
        a, b = self.files("ab", schema, "t")
        b.sql("INSERT INTO t VALUES(1, 'same', 1)")
        self.fill(a, 2, 4000)
        a.sql("INSERT INTO t VALUES(4001, 'same', 1)")
        a.sql(LARGE.format(lo=4002, hi=6000))
        self.converge(a, b)
        self.assertEqual(len(b.held()), 1)

    def test_triggers_of_the_application_still_fire(self):
        a, b = self.files("ab", T + "CREATE TABLE seen(n INT);", "t")
        b.script("CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO seen VALUES(NEW.id); END;")
        self.fill(a, 1, 4000)
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM seen"), [(4000,)])

    def test_temporary_triggers_still_fire(self):
        a, b = self.files("ab", T, "t")
        b.x("CREATE TEMP TABLE seen(n INT)")
        b.x("CREATE TEMP TRIGGER tr AFTER INSERT ON main.t BEGIN INSERT INTO seen VALUES(NEW.id); END")
        self.fill(a, 1, 4000)
        b.pull(a)
        self.assertEqual(b.x("SELECT count(*) FROM seen"), [(4000,)])

    def test_rows_that_are_not_simply_new(self):
        """Moved ones, ones with a column that is not here, ones that a CHECK refuses, ones with parents: as in a small merge."""
        family = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p);"
        a = self.file("a", T + family, "t", "p", "c")
        strict = T.replace("b INT", "b INT CHECK(b <> 6)") + family
        b = self.file("b", strict, "t", "p", "c")
        self.fill(a, 1, 3000)
        a.script("UPDATE t SET id = id + 10000 WHERE id BETWEEN 100 AND 140; ALTER TABLE t ADD COLUMN extra; UPDATE t SET extra = id WHERE id % 50 = 0;"
                 "INSERT INTO p SELECT id, a FROM t WHERE id <= 300; INSERT INTO c SELECT id, id FROM p; DELETE FROM c WHERE id % 3 = 0;"
                 "DELETE FROM p WHERE id % 3 = 0")
        b.x("PRAGMA foreign_keys = on")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id, a, b FROM t ORDER BY id"), a.sql("SELECT id, a, b FROM t WHERE b <> 6 ORDER BY id"))
        self.assertEqual(len(b.held()), a.sql("SELECT count(*) FROM t WHERE b = 6")[0][0])
        self.assertEqual((b.rows("p"), b.rows("c")), (a.rows("p"), a.rows("c")))
        b.sql("ALTER TABLE t ADD COLUMN extra")
        b.fold()
        self.assertEqual(b.sql("SELECT id FROM t WHERE extra = id ORDER BY id"), a.sql("SELECT id FROM t WHERE extra = id AND b <> 6 ORDER BY id"))
        self.assertEqual(b.cells(), a.cells())
        invariants.check(b.path)

    def test_in_a_transaction_that_enforces_foreign_keys(self):
        """There the pragma cannot be switched off meanwhile: parents go the ordinary way, who refers to nobody need not."""
        family = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p);"
        a, b = self.files("ab", T + family, "t", "p", "c")
        self.fill(a, 1, 3000)
        a.script("INSERT INTO p SELECT id, a FROM t WHERE id <= 300; INSERT INTO c SELECT id, id FROM p")
        changeset = a.cut_for(b)
        b.x("PRAGMA foreign_keys = on")
        b.x("BEGIN")
        b.x("DELETE FROM t")
        b.apply(changeset)
        self.refused(b, "INSERT INTO t SELECT id, a, b FROM t WHERE id = 7", says=["UNIQUE"])
        b.x("COMMIT")
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM t JOIN c USING(id)"), [(300,)])

    def test_rows_that_a_file_cannot_show_as_they_are(self):
        """Each has a value for a column that is not here, and so goes the ordinary way."""
        a, b = self.files("ab", T, "t")
        a.sql("ALTER TABLE t ADD COLUMN extra")
        a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, hex(randomblob(60)), i, iif(i % 2, i, NULL) FROM n")
        b.pull(a)
        self.assertEqual(b.sql("SELECT count(*) FROM t"), [(3000,)])
        b.sql("ALTER TABLE t ADD COLUMN extra")
        b.fold()
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM t WHERE extra = id"), [(1500,)])

    def test_rows_that_were_given_another_number(self):
        a, b, c = self.files("abc", T, "t")
        self.fill(a, 1, 3000)
        c.sql("INSERT INTO t VALUES(2999, 'of c', 1), (3000, 'of c too', 1)")
        self.converge(a, c)
        self.assertEqual(a.sql("SELECT count(*) FROM t WHERE id > 3000"), [(2,)])
        b.pull(a)
        self.converge(a, b, c)

    def test_writers_are_tracked_again_afterwards(self):
        a, b = self.files("ab", T, "t")
        self.fill(a, 1, 4000)
        b.pull(a)
        b.x("INSERT INTO t VALUES(9000, 'by the connection that merged', 0)")
        b.x("UPDATE t SET b = 99 WHERE id = 17")
        self.converge(a, b)
        self.assertEqual(a.sql("SELECT b FROM t WHERE id = 17"), [(99,)])

    def test_many_tables_by_turns(self):
        schema = "".join(f"CREATE TABLE t{i}(id INTEGER PRIMARY KEY, a TEXT); " for i in range(6))
        a, b = self.files("ab", schema, *[f"t{i}" for i in range(6)])
        for n in range(1, 400):
            a.sql(f"INSERT INTO t{n % 6} VALUES({n}, hex(randomblob(300)))")
        self.converge(a, b)


if __name__ == "__main__":
    unittest.main()
