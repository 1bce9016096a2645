"""ON CONFLICT clauses of a table hold for the writes of a merge too, unless these say otherwise: ROLLBACK took the whole transaction away and the
merge went on in autocommit, which ruined the metadata; IGNORE left files different with nothing listed; REPLACE deleted; FAIL failed."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, tick  # noqa: E402

CLAUSES = ("ROLLBACK", "ABORT", "FAIL", "IGNORE", "REPLACE")


class Clauses(SyncTest):
    def each(self, schema, tables="t"):
        for clause in CLAUSES:
            with self.subTest(clause):
                plain = self.files([clause + n + "plain" for n in "ab"], schema % "", *tables.split())
                yield plain, self.files([clause + n for n in "ab"], schema % ("ON CONFLICT " + clause), *tables.split())

    def same_as_without(self, plain, files, script):
        for pair in (plain, files):
            script(*pair)
            self.level(*pair)
        for without, with_it in zip(plain, files):
            self.assertEqual(with_it.dump(), without.dump())
            self.assertEqual(with_it.held(), without.held())

    def test_unique_values_that_are_inserted(self):
        def script(a, b):
            a.sql("INSERT INTO t VALUES('a1', 'ada', 1), ('a2', 'bob', 1)")
            tick()
            b.sql("INSERT INTO t VALUES('b1', 'ada', 2), ('b2', 'eve', 2)")
        for plain, files in self.each("CREATE TABLE t(id TEXT PRIMARY KEY, email TEXT UNIQUE %s, n)"):
            self.same_as_without(plain, files, script)
            self.assertEqual(len(files[0].held()), 1)

    def test_unique_values_that_are_updated(self):
        def script(a, b):
            a.sql("INSERT INTO t VALUES('x', 'ada', 1), ('y', 'bob', 1)")
            self.level(a, b)
            a.sql("UPDATE t SET email = 'eve' WHERE id = 'x'")
            tick()
            b.sql("UPDATE t SET email = 'eve' WHERE id = 'y'")
        for plain, files in self.each("CREATE TABLE t(id TEXT PRIMARY KEY, email TEXT UNIQUE %s, n)"):
            self.same_as_without(plain, files, script)
            self.assertEqual(len(files[0].held()), 1)

    def test_they_are_shown_again(self):
        for plain, files in self.each("CREATE TABLE t(id TEXT PRIMARY KEY, email TEXT UNIQUE %s, n)"):
            a, b = files
            a.sql("INSERT INTO t VALUES('a1', 'ada', 1)")
            b.sql("INSERT INTO t VALUES('b1', 'ada', 2)")
            self.level(a, b)
            a.sql("UPDATE t SET email = email || id")
            self.level(a, b)
            self.assertEqual((a.held(), b.sql("SELECT count(*) FROM t")), ([], [(2,)]))

    def test_numbers(self):
        def script(a, b):
            a.sql("INSERT INTO t VALUES(1, 'ada'), (2, 'bob')")
            tick()
            b.sql("INSERT INTO t VALUES(1, 'bob'), (3, 'ada')")
        for plain, files in self.each("CREATE TABLE t(id INTEGER PRIMARY KEY %s, name UNIQUE)"):
            self.same_as_without(plain, files, script)

    def test_key_and_index_together(self):
        def script(a, b):
            a.sql("INSERT INTO t VALUES(1, 1, 'ada'), (2, 2, 'bob')")
            tick()
            b.sql("INSERT INTO t VALUES(1, 2, 'ada'), (1, 1, 'eve')")
        for plain, files in self.each("CREATE TABLE t(k, l, name, PRIMARY KEY(k, l) %s, UNIQUE(k, name) ON CONFLICT ROLLBACK)"):
            self.same_as_without(plain, files, script)

    def test_nulls(self):
        """One file has the constraint, the other does not: there the row is held, with a default and without."""
        for column in ("n INT NOT NULL %s", "n INT NOT NULL %s DEFAULT 7"):
            for clause in CLAUSES:
                with self.subTest(column=column, clause=clause):
                    name = clause + str(len(column))
                    a = self.file("a" + name, "CREATE TABLE t(id TEXT PRIMARY KEY, n INT)", "t")
                    b = self.file("b" + name, "CREATE TABLE t(id TEXT PRIMARY KEY, %s)" % (column % ("ON CONFLICT " + clause)), "t")
                    a.sql("INSERT INTO t VALUES('stays', 1), ('null', NULL)")
                    b.pull(a)
                    self.assertEqual((b.sql("SELECT id, n FROM t"), b.held()), ([("stays", 1)], [("t", '["null"]', "not null")]))
                    a.sql("UPDATE t SET n = NULL")
                    b.pull(a)
                    self.assertEqual((b.sql("SELECT id, n FROM t"), len(b.held())), ([("stays", 1)], 2))
                    a.sql("UPDATE t SET n = 3")
                    self.level(a, b)
                    self.assertEqual((b.sql("SELECT id, n FROM t ORDER BY id"), b.held()), ([("null", 3), ("stays", 3)], []))

    def test_what_triggers_say_of_conflicts_holds(self):
        """SQLite puts what the outer statement says in the place of what statements in triggers say: INSERT OR IGNORE there failed, and the row was held."""
        schema = """CREATE TABLE t(id TEXT PRIMARY KEY, v INT NOT NULL %s DEFAULT 5, w UNIQUE %s); CREATE TABLE words(w UNIQUE ON CONFLICT ABORT, last);
            CREATE TRIGGER t_i AFTER INSERT ON t BEGIN INSERT OR IGNORE INTO words VALUES(NEW.w, 'inserted'); INSERT OR REPLACE INTO words VALUES('last', NEW.id); END;
            CREATE TRIGGER t_u BEFORE UPDATE ON t BEGIN INSERT OR REPLACE INTO words VALUES('last', NEW.id); INSERT OR IGNORE INTO words VALUES('last', 'never'); END"""

        def script(a, b):
            b.script("INSERT INTO words VALUES('known', 'before'), ('last', 'none')")
            a.script("INSERT INTO t VALUES('k', 1, 'known'), ('l', 2, 'new')")
            self.level(a, b)
            a.script("UPDATE t SET v = 3 WHERE id = 'k'")
            tick()
            b.script("INSERT INTO t VALUES('m', 4, 'newer')")
            tick()
            a.script("INSERT INTO t VALUES('n', 5, 'newer'), ('o', 5, 'other')")
        for clause in CLAUSES:
            with self.subTest(clause):
                plain = self.files([clause + n + "plain" for n in "ab"], schema % ("", ""), "t")
                files = self.files([clause + n for n in "ab"], schema % (("ON CONFLICT " + clause,) * 2), "t")
                self.same_as_without(plain, files, script)
                self.assertEqual([key for _, key, _ in files[1].held()], ['["m"]'])
                self.assertEqual(files[1].sql("SELECT * FROM words ORDER BY w"), plain[1].sql("SELECT * FROM words ORDER BY w"))
                self.assertEqual(files[1].sql("SELECT last FROM words WHERE w = 'known'"), [("before",)])

    def test_inside_a_transaction_of_the_caller(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, email UNIQUE ON CONFLICT ROLLBACK); CREATE TABLE mine(x)", "t")
        a.sql("INSERT INTO t VALUES('a', 'ada')")
        b.sql("INSERT INTO t VALUES('b', 'ada')")
        changes = a.changeset()
        b.extended.execute("BEGIN")
        b.x("INSERT INTO mine VALUES('kept')")
        b.apply(changes)
        b.extended.execute("COMMIT")
        self.assertEqual(b.sql("SELECT x FROM mine"), [("kept",)])
        self.level(a, b)
        invariants.check(b.path)


if __name__ == "__main__":
    unittest.main()
