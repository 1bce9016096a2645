"""Schemas that differ: nothing is lost, columns that are not here yet wait and travel on."""
import unittest

from syncfile import SyncTest, exchange, tick

T = "CREATE TABLE t(id TEXT PRIMARY KEY, a);"
N = "CREATE TABLE n(id INTEGER PRIMARY KEY, a);"


class Pending(SyncTest):
    def test_values_wait_for_their_column(self):
        for schema, table in ((T, "t"), (N, "n")):
            with self.subTest(table):
                a, b = self.files((f"a{table}", f"b{table}"), schema, table)
                a.shell(f"ALTER TABLE {table} ADD COLUMN c;")
                a.shell(f"INSERT INTO {table} VALUES(1, 'a', 'c1'), (2, 'a', x'00ff'), (3, 'a', NULL), (4, 'a', -0.5);")
                exchange(a, b)
                self.assertEqual(b.sql(f"SELECT a FROM {table}"), [("a",)] * 4)
                tick()
                b.sql(f"UPDATE {table} SET a = 'b' WHERE id = 2")
                exchange(a, b)
                b.shell(f"ALTER TABLE {table} ADD COLUMN c;")
                self.level(a, b)
                self.assertEqual(b.sql(f"SELECT a, c FROM {table} ORDER BY id"), [("a", "c1"), ("b", b"\x00\xff"), ("a", None), ("a", -0.5)])

    def test_they_are_given_on_to_others(self):
        a, b, c = self.files("abc", T, "t")
        for file in (a, c):
            file.sql("ALTER TABLE t ADD COLUMN c")
        a.sql("INSERT INTO t VALUES('k', 1, 'through b')")
        b.pull(a)
        c.pull(b)
        self.assertEqual(c.sql("SELECT * FROM t"), [("k", 1, "through b")])
        tick()
        c.sql("UPDATE t SET c = 'back'")
        b.pull(c)
        a.pull(b)
        self.assertEqual(a.sql("SELECT c FROM t"), [("back",)])

    def test_the_last_write_wins_there_too(self):
        a, b, c = self.files("abc", T, "t")
        for file in (a, c):
            file.sql("ALTER TABLE t ADD COLUMN c")
        a.sql("INSERT INTO t VALUES('k', 1, 'first')")
        exchange(a, b, c)
        c.sql("UPDATE t SET c = 'second'")
        tick()
        a.sql("UPDATE t SET c = 'third'")
        b.pull(a)
        b.pull(c)
        b.sql("ALTER TABLE t ADD COLUMN c")
        self.level(a, b, c)
        self.assertEqual(b.sql("SELECT c FROM t"), [("third",)])

    def test_written_here_before_it_was_merged(self):
        a, b = self.files("ab", T, "t")
        a.sql("ALTER TABLE t ADD COLUMN c")
        a.sql("INSERT INTO t VALUES('k', 1, 'from a')")
        b.pull(a)
        tick()
        b.shell("ALTER TABLE t ADD COLUMN c; UPDATE t SET c = 'from b';")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT c FROM t"), [("from b",)])

    def test_a_default_is_no_write(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        self.level(a, b)
        a.sql("ALTER TABLE t ADD COLUMN c DEFAULT 'default'")
        b.sql("ALTER TABLE t ADD COLUMN c DEFAULT 'default'")
        b.sql("UPDATE t SET c = 'written'")
        tick()
        a.sql("UPDATE t SET a = 2")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a, c FROM t"), [(2, "written")])

    def test_renamed_columns_differ(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);", "t")
        a.sql("INSERT INTO t VALUES('k', 1, 2)")
        self.level(a, b)
        a.sql("ALTER TABLE t RENAME COLUMN b TO c")
        a.sql("UPDATE t SET c = 3, a = 4")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT a FROM t"), [(4,)])
        b.sql("ALTER TABLE t RENAME COLUMN b TO c")
        a.sql("UPDATE t SET c = 5")
        exchange(a, b)
        self.assertEqual(a.sql("SELECT a, c FROM t"), [(4, 5)])
        self.assertEqual(b.sql("SELECT a, c FROM t"), [(4, 5)])

    def test_a_table_with_fewer_columns_from_the_start(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, a, b, c); INSERT INTO t VALUES('g', 1, 2, 3);", "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, b, d DEFAULT 'd');", "t")
        a.sql("INSERT INTO t VALUES('k', 1, 2, 3)")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [("g", 2, "d"), ("k", 2, "d")])
        b.script("ALTER TABLE t ADD COLUMN a; ALTER TABLE t ADD COLUMN c;")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT id, a, b, c FROM t ORDER BY id"), [("g", 1, 2, 3), ("k", 1, 2, 3)])

    def test_deleted_rows_take_their_pending_values_along(self):
        a, b = self.files("ab", T, "t")
        a.sql("ALTER TABLE t ADD COLUMN c")
        a.sql("INSERT INTO t VALUES('k', 1, 'c')")
        exchange(a, b)
        b.sql("DELETE FROM t")
        b.sql("INSERT INTO t VALUES('k', 2)")
        exchange(a, b)
        self.assertEqual(a.sql("SELECT a, c FROM t"), [(2, None)])
        b.sql("ALTER TABLE t ADD COLUMN c")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT c FROM t"), [(None,)])

    def test_many_columns_come_one_by_one(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        for i in range(70):                    # past the edge of a mask
            a.sql(f"ALTER TABLE t ADD COLUMN c{i}")
            a.sql(f"UPDATE t SET c{i} = {i}")
            if i % 9 == 0:
                b.pull(a)
        self.assertIsNotNone(a.cut_for(b))
        b.pull(a)
        for i in range(70):
            b.sql(f"ALTER TABLE t ADD COLUMN c{i}")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", 1, *range(70))])
        b.sql("UPDATE t SET c68 = 'x', c69 = 'y', c3 = 'z'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT c3, c68, c69 FROM t"), [("z", "x", "y")])

    def test_schema_changes_never_cause_changes(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        self.level(a, b)
        a.script("CREATE INDEX i ON t(a); ALTER TABLE t ADD COLUMN c; CREATE VIEW v AS SELECT * FROM t; CREATE TABLE other(x);")
        self.assertIsNone(a.cut_for(b))
        a.fold()
        self.assertIsNone(a.cut_for(b))


if __name__ == "__main__":
    unittest.main()
