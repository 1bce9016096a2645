"""UNIQUE indexes of every kind: what a REPLACE pushes out through one is written down, and finding it takes no scan."""
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, exchange, tick  # noqa: E402

# What follows "CREATE UNIQUE INDEX i ON": all of them find 'Ada' and 'ADA' of two live rows the same.
INDEXES = [
    "t(lower(email))",
    "t(email COLLATE nocase)",
    "t(\"email\" COLLATE nocase DESC) WHERE live",
    "t(lower(email) DESC) WHERE live = 1 AND email <> ')' -- they (all",
    "t /* a ( */ ( -- comment, )\n lower(trim([email], ', (')) /* , */ ASC , coalesce(live, \"weird\"\"name\") ) WHERE (live)",
    "t(lowered)",
    "t(live, lower(`email`)||'x' COLLATE nocase)",
]


def schema(key, index=""):
    return (f"CREATE TABLE t(id {key} PRIMARY KEY, email TEXT, live INT DEFAULT 1, \"weird\"\"name\" INT,"
            f" lowered AS (lower(email)));" + (f"CREATE UNIQUE INDEX i ON {index}" if index else ""))


class UniqueIndexes(SyncTest):
    def converge(self, *files):
        self.level(*files)
        for file in files:
            invariants.check(file.path)

    def displace(self, a, b):
        """A row goes by REPLACE, then the one that pushed it out: nothing may be left, anywhere."""
        a.sql("INSERT INTO t(id, email) VALUES(1, 'Ada')")
        self.converge(a, b)
        tick()
        a.sql("INSERT OR REPLACE INTO t(id, email) VALUES(2, 'ADA')")
        self.assertEqual(a.sql("SELECT id FROM t"), a.sql("SELECT id FROM t WHERE id = 2"))
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM sync_conflict"), [(0,)])
        a.sql("INSERT INTO t(id, email) VALUES(3, 'Bob')")
        tick()
        a.sql("UPDATE OR REPLACE t SET email = 'BOB' WHERE id = 2")
        self.converge(a, b)
        a.sql("DELETE FROM t")
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [])

    def test_replace_through_any_index(self):
        for number, index in enumerate(INDEXES):
            for key in ("TEXT", "INTEGER"):
                with self.subTest(index=index, key=key):
                    a, b = self.files((f"{key}{number}a", f"{key}{number}b"), schema(key, index), "t")
                    self.displace(a, b)

    def test_an_index_that_came_later(self):
        """One index was there, so that the triggers were not fewer than they should be."""
        for key in ("TEXT", "INTEGER"):
            with self.subTest(key):
                a, b = self.files((f"{key}a", f"{key}b"), schema(key, 't("weird""name")'), "t")
                for file in (a, b):
                    file.sql("CREATE UNIQUE INDEX j ON t(lower(email))")
                self.converge(a, b)
                self.displace(a, b)

    def test_an_index_made_anew_on_something_else(self):
        a, b = self.files("ab", schema("TEXT", "t(email)"), "t")
        for file in (a, b):
            file.script("DROP INDEX i; CREATE UNIQUE INDEX i ON t(lower(email))")
        self.converge(a, b)
        self.displace(a, b)

    def test_triggers_that_say_what_they_should_stay_as_they_are(self):
        for number, index in enumerate(INDEXES):
            with self.subTest(index):
                file, = self.files((f"stay{number}",), schema("TEXT", index), "t")
                before = file.sql("PRAGMA schema_version")
                file.close()
                file.fold()
                file.changeset()
                self.assertEqual(file.sql("PRAGMA schema_version"), before)

    def test_rows_outside_a_partial_index_are_not_noted(self):
        a, = self.files("a", schema("TEXT", "t(email) WHERE live"), "t")
        for i in range(20):
            a.sql("INSERT INTO t(id, email, live) VALUES(?, 'Ada', 0)", f"old{i}")
        a.sql("INSERT INTO t(id, email) VALUES('first', 'Ada')")
        a.fold()
        a.sql("INSERT OR REPLACE INTO t(id, email) VALUES('second', 'Ada')")
        self.assertEqual(a.sql("SELECT k1 FROM sync_journal WHERE op = -5"), [("first",)])

    def test_the_index_finds_what_could_be_displaced(self):
        """It was a scan of the table for each row written, where the index was a partial one."""
        for number, index in enumerate(INDEXES):
            with self.subTest(index):
                file, = self.files((f"plan{number}",), schema("TEXT", index), "t")
                for event in ("insert", "update"):
                    (text,), = file.sql("SELECT sql FROM sqlite_schema WHERE name = 'sync_1_before_' || ?", event)
                    query = re.search(r"SELECT .*?;\n", text.split("BEGIN", 1)[1], re.DOTALL).group()
                    query = re.sub(r'(NEW|OLD)\."\w+("")?\w*"', "'x'", query)
                    plan = [row[3] for row in file.sql("EXPLAIN QUERY PLAN " + query)]
                    self.assertTrue(any(step.startswith("SEARCH t USING INDEX i ") for step in plan), plan)

    def test_of_rows_that_clash_the_one_written_last_is_shown_also_where_the_column_is_computed(self):
        for number, index in enumerate(("t(lowered)", "t(lower(email))")):
            with self.subTest(index):
                a, b, c = self.files((f"clash{number}a", f"clash{number}b", f"clash{number}c"), schema("TEXT", index), "t")
                a.sql("INSERT INTO t(id, email) VALUES('z', 'nobody')")
                tick()
                b.sql("INSERT INTO t(id, email) VALUES('a', 'Ada')")
                tick()
                a.sql("UPDATE t SET email = 'ADA'")
                exchange(a, b)
                self.converge(a, b, c)
                for file in (a, b, c):
                    self.assertEqual(file.sql("SELECT id FROM t"), [("z",)])

    def test_a_row_that_a_trigger_keeps_in_its_place(self):
        """It is the older one, and held all the same, there as elsewhere, until the way is free."""
        a, b = self.files("ab", "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE, v);", "u")
        b.script("CREATE TRIGGER stays BEFORE DELETE ON u WHEN OLD.id = 'k1' BEGIN SELECT RAISE(ABORT, 'k1 stays'); END")
        b.sql("INSERT INTO u VALUES('k1', 1, 'of b')")
        tick()
        a.sql("INSERT INTO u VALUES('k2', 1, 'of a, later'), ('k3', 2, '')")
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT id FROM u ORDER BY id"), [("k2",), ("k3",)])
            self.assertEqual(file.held(), [("u", '["k1"]', "unique")])
        b.sql("UPDATE u SET x = 3 WHERE id = 'k2'")
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("SELECT id, x FROM u ORDER BY id"), [("k1", 1), ("k2", 3), ("k3", 2)])


if __name__ == "__main__":
    unittest.main()
