"""A row came to a file that did not track its parent, and which of two rows of that number it meant was forgotten there. When the parent was tracked, the row belonged to whoever
had the number in this file and to the other one in all others, at one stamp; and files that got it from this one were never told."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(k TEXT PRIMARY KEY, p INT REFERENCES t, v);"
CHAIN = SCHEMA + "CREATE TABLE d(id INTEGER PRIMARY KEY REFERENCES t, v); CREATE TABLE e(k TEXT PRIMARY KEY, p INT REFERENCES d);"
JOIN = "SELECT t.v, c.v FROM c JOIN t ON t.id = c.p"


class Late(SyncTest):
    def start(self, schema=SCHEMA):
        """b has a row of the number that a's child refers to, and does not track its table."""
        a, b = self.files("ab", schema, "c")
        a.track("t")
        b.sql("INSERT INTO t VALUES(1, 'of b')")
        a.script("INSERT INTO t VALUES(1, 'of a'); INSERT INTO c VALUES('k', 1, 'line')")
        b.pull(a)
        self.assertEqual(b.sql(JOIN), [("of b", "line")])  # whoever has that number, as long as it is not tracked
        tick()
        return a, b

    def test_the_parent_is_tracked(self):
        a, b = self.start()
        b.track("t")
        self.assertEqual(b.sql(JOIN), [])
        self.assertEqual(b.x("SELECT tbl, key, reason, held FROM sync_conflict"), [("c", '["k"]', "foreign key", 1)])
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql(JOIN), [("of a", "line")])
            self.assertEqual(file.sql("SELECT v FROM t ORDER BY id"), [("of b",), ("of a",)])
            self.assertEqual(file.x("SELECT * FROM sync_conflict"), [])

    def test_it_is_edited_meanwhile(self):
        a, b = self.start()
        b.sql("UPDATE c SET v = 'edited'")
        b.fold()
        b.track("t")
        self.level(a, b)
        self.assertEqual(a.sql(JOIN), [("of a", "edited")])

    def test_the_reference_is_written_meanwhile(self):
        for fold in (True, False):
            with self.subTest(fold=fold):
                a, b = self.start() if fold else self.again()
                b.sql("INSERT INTO t VALUES(2, 'second of b')")
                b.sql("UPDATE c SET p = 2")
                b.sql("UPDATE c SET p = 1")
                if fold:
                    b.fold()
                b.track("t")
                self.assertEqual(b.sql(JOIN), [("of b", "line")])
                self.level(a, b)
                self.assertEqual(a.sql(JOIN), [("of b", "line")])

    def again(self):
        self.dir = self.path("again")
        self.dir.mkdir()
        return self.start()

    def test_it_is_given_on(self):
        a, b = self.start()
        d = self.file("d", SCHEMA, "t", "c")
        d.sql("INSERT INTO t VALUES(1, 'of d')")
        d.pull(b)
        self.assertEqual(d.held(), [("c", '["k"]', "foreign key")])
        self.level(a, d)
        for file in (a, d):
            self.assertEqual(file.sql(JOIN), [("of a", "line")])

    def test_by_way_of_another_table(self):
        """What a column refers to was tracked, but not the table that says so."""
        a, b, d = self.files("abd", CHAIN, "t", "e")
        a.track("d"), d.track("d")
        a.script("INSERT INTO t VALUES(1, 'of a'); INSERT INTO d VALUES(1, 'detail'); INSERT INTO e VALUES('k', 1)")
        tick()
        b.sql("INSERT INTO t VALUES(1, 'of b')")
        d.sql("INSERT INTO t VALUES(1, 'of d')")
        b.pull(a)
        a.pull(b)
        b.track("d")
        self.level(a, b, d)
        for file in (a, b, d):
            self.assertEqual(file.sql("SELECT t.v, d.v FROM e JOIN d ON d.id = p JOIN t ON t.id = d.id"), [("of a", "detail")])

    def test_large(self):
        """Many rows come by the fast lane."""
        schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES t);"
        a, b = self.files("ab", schema, "c")
        a.track("t")
        b.sql("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, 'of b' FROM n")
        a.sql("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, 'of a' FROM n")
        a.sql("INSERT INTO c SELECT id, id FROM t")
        b.pull(a)
        tick()
        b.track("t")
        self.assertEqual(b.one("SELECT count(*) FROM sync_conflict WHERE held"), 3000)
        self.level(a, b)
        self.assertEqual(b.sql("SELECT count(*), count(DISTINCT t.id) FROM c JOIN t ON t.id = p WHERE v = 'of a'"), [(3000, 3000)])


if __name__ == "__main__":
    unittest.main()
