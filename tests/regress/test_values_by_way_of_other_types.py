"""Two files that have a column as TEXT, and one between them that has it as INTEGER: '007' came out of it as '7', under the stamp of the write. The two
ends differed for ever, and nothing said so. What a column's type makes of a value is for its file to show; what is given on is what was written."""
import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest, exchange, tick  # noqa: E402

TYPES = ("", "REAL", "INT", "TEXT", "NUMERIC")
VALUES = ("'007'", "7", "7.0", "7.5", "-0.0", "9007199254740993", "'1e3'", "' 1 '", "'x'", "'9223372036854775808'", "0.1 + 0.2", "x'3037'", "NULL", "'1\u0660'")


class Relay(SyncTest):
    def files_of(self, name, ends, middle, key="TEXT", more=""):
        return [self.file(f"{name}{i}", f"CREATE TABLE t(id {key} PRIMARY KEY, v {declared}, w); {more}", "t") for i, declared in enumerate((ends, middle, ends))]

    def raw_rows(self, file):
        return file.sql("SELECT id, typeof(v), quote(v), w FROM t ORDER BY id")

    def test_every_value_by_way_of_every_type(self):
        for ends, middle in itertools.permutations(TYPES, 2):
            for key in ("TEXT", "INTEGER"):
                with self.subTest(ends=ends, middle=middle, key=key):
                    a, relay, c = self.files_of(f"{key}{ends}-{middle}", ends, middle, key)
                    for i, value in enumerate(VALUES):
                        a.sql(f"INSERT INTO t VALUES({i + 1}, {value}, 1)")
                    shown = self.raw_rows(a)
                    relay.pull(a)
                    seen = self.raw_rows(relay)
                    c.pull(relay)
                    self.assertEqual(self.raw_rows(c), shown)
                    tick()
                    relay.sql("UPDATE t SET w = 2")     # another cell: this one is as it was written
                    relay.sql("UPDATE t SET v = v")
                    exchange(a, relay, c)
                    self.assertEqual([row[:3] for row in self.raw_rows(a)], [row[:3] for row in shown])
                    self.assertEqual(self.raw_rows(a), self.raw_rows(c))
                    self.assertEqual([row[:3] for row in self.raw_rows(relay)], [row[:3] for row in seen])
                    self.assertEqual(relay.x("SELECT * FROM sync_conflict"), [])
                    for file in (a, relay, c):
                        invariants.check(file.path)

    def test_until_it_is_written_here(self):
        a, relay, c = self.files_of("w", "TEXT", "INTEGER")
        a.sql("INSERT INTO t VALUES('k', '007', 1), ('l', '008', 1), ('m', '009', 1)")
        relay.pull(a)
        self.assertEqual(relay.sql("SELECT v FROM t"), [(7,), (8,), (9,)])
        tick()
        relay.sql("UPDATE t SET v = 70 WHERE id = 'k'")
        relay.sql("REPLACE INTO t VALUES('l', 8, 2)")
        exchange(a, relay, c)
        for file in (a, c):
            self.assertEqual(file.sql("SELECT v FROM t"), [("70",), ("8",), ("009",)])
        tick()
        c.sql("UPDATE t SET v = '07' WHERE id = 'm'")   # shown as 7 there
        exchange(a, relay, c)
        self.assertEqual(a.sql("SELECT v FROM t WHERE id = 'm'"), [("07",)])
        self.assertEqual(relay.sql("SELECT v FROM t WHERE id = 'm'"), [(7,)])

    def test_when_the_column_goes(self):
        a, relay, c = self.files_of("g", "TEXT", "INTEGER")
        a.sql("INSERT INTO t VALUES('k', '007', 1)")
        relay.pull(a)
        relay.x("SELECT sync_alter('ALTER TABLE t DROP COLUMN v')")
        c.pull(relay)
        self.assertEqual(c.sql("SELECT v FROM t"), [("007",)])
        relay.sql('SELECT * FROM t')
        relay.sql("ALTER TABLE t ADD COLUMN v TEXT")
        relay.fold()
        self.assertEqual(relay.sql("SELECT v FROM t"), [("007",)])
        exchange(a, relay, c)
        self.assert_same(a, c)

    def test_beside_a_cell_that_is_refused(self):
        a, relay, c = self.files_of("r", "TEXT", "INTEGER")
        relay.sql("DROP TABLE t")
        relay = self.file("checked", "CREATE TABLE t(id TEXT PRIMARY KEY, v INTEGER, w CHECK (w > 0))", "t")
        a.sql("INSERT INTO t VALUES('k', '007', 1)")
        relay.pull(a)
        tick()
        a.sql("UPDATE t SET w = -1")
        relay.pull(a)
        self.assertEqual(relay.x("SELECT reason, held FROM sync_conflict"), [("check", 1)])
        c.pull(relay)
        self.assertEqual(c.sql("SELECT v, w FROM t"), [("007", -1)])
        tick()
        relay.sql("UPDATE t SET w = 5")
        exchange(a, relay, c)
        self.assertEqual(relay.x("SELECT * FROM sync_conflict"), [])
        for file in (a, c):
            self.assertEqual(file.sql("SELECT v, w FROM t"), [("007", 5)])
        invariants.check(relay.path)

    def test_with_a_trigger_that_writes_too(self):
        """What the table showed was taken for something that the trigger had done: the row was held."""
        note = "CREATE TABLE log(line); CREATE TRIGGER noted AFTER INSERT ON t BEGIN INSERT INTO log VALUES(NEW.v); UPDATE t SET w = 9 WHERE id = NEW.id; END;"
        a, relay, c = [self.file(f"t{i}", f"CREATE TABLE t(id TEXT PRIMARY KEY, v {declared}, w);" + more, "t")
                       for i, (declared, more) in enumerate((("TEXT", ""), ("INTEGER", note), ("TEXT", "")))]
        a.sql("INSERT INTO t VALUES('k', '007', 1)")
        relay.pull(a)
        self.assertEqual(relay.x("SELECT * FROM sync_conflict"), [])
        self.assertEqual(relay.sql("SELECT * FROM t"), [("k", 7, 1)])
        c.pull(relay)
        self.assertEqual(c.sql("SELECT * FROM t"), [("k", "007", 1)])

    def test_in_bulk(self):
        a, relay, c = self.files_of("b", "TEXT", "INTEGER", "INTEGER")
        a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, iif(i % 3, '00' || i, 'x' || hex(randomblob(40))), 1 FROM n")
        relay.pull(a)
        c.pull(relay)
        self.assert_same(a, c)
        invariants.check(relay.path)


if __name__ == "__main__":
    unittest.main()
