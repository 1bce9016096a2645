"""All of SQLite's values survive capture, changeset and merge bit for bit; every kind of table takes part."""
import json
import math
import struct
import unittest

from syncfile import SyncTest, exchange, quote, tick

NAN = struct.unpack(">d", bytes.fromhex("7ff8000000000001"))[0]
NUMBERS = [0, 1, -1, 111, 112, 127, 128, 255, 256, 32767, 32768, -32769, 2**31, 2**47, 2**53 + 1, 2**63 - 1, -2**63,
           0.0, -0.0, 1.0, -1.0, 0.1, 1e308, 5e-324, -5e-324, 9007199254740993.0, 2.0**63, -(2.0**63), math.inf, -math.inf, NAN, None]
STRINGS = ["", "a", "x" * 127, "x" * 128, "x" * 70000, "\0", "a\0b", "é", "日本語", "😀", "'quote\"", "1", "1.0", "\ufeffbom", "\ufffd"]
BLOBS = [b"", b"\0", b"a", bytes(range(256)), b"b" * 127, b"b" * 128, b"b" * 100000]
BROKEN = ["ff", "c328", "61c0", "eda080", "f8888080", "6100ff62"]      # hex of bytes that are not UTF-8


class Values(SyncTest):
    """Columns without affinity, so that nothing is converted."""

    SCHEMA = "CREATE TABLE v(id INTEGER PRIMARY KEY, x, y BLOB, r REAL, t TEXT, n NUMERIC, i INT);"

    def fill(self, file):
        values = NUMBERS + STRINGS + BLOBS
        for value in values:
            file.sql("INSERT INTO v(x, y, r, t, n, i) VALUES(?, ?, ?, ?, ?, ?)", *[value] * 6)
        for text in BROKEN:
            file.sql("INSERT INTO v(x, y, r, t, n, i) SELECT t, t, t, t, t, t FROM (SELECT CAST(unhex(?) AS TEXT) AS t)"
                     .replace("unhex(?)", f"x'{text}'"))
        return len(values) + len(BROKEN)

    def test_inserted(self):
        a, b = self.files("ab", self.SCHEMA, "v")
        count = self.fill(a)
        self.assertEqual(b.pull(a), count)
        self.assertEqual(a.rows("v"), b.rows("v"))
        self.level(a, b)
        for value in (-0.0, 2**53 + 1, "a\0b"):
            self.assertIn(repr((value,)), b.raw("SELECT x FROM v"))
        self.assertEqual(b.sql("SELECT count(*) FROM v WHERE x = 9e999"), [(1,)])

    def test_of_a_genesis(self):
        a, b = self.files("ab", self.SCHEMA)
        count = self.fill(a)
        a.track("v"), b.track("v")
        self.assertEqual(b.pull(a), count)
        self.level(a, b)
        self.assertEqual(len(b.rows("v")), count)

    def test_updated(self):
        a, b = self.files("ab", self.SCHEMA, "v")
        a.sql("INSERT INTO v(id, x) VALUES(1, 'start')")
        self.level(a, b)
        for value in NUMBERS + STRINGS + BLOBS:
            a.sql("UPDATE v SET x = 'between'")
            b.pull(a)
            a.sql("UPDATE v SET x = ?", value)
            self.assertEqual(b.pull(a), 1, repr(value)[:50])
            self.assertEqual(a.rows("v"), b.rows("v"))

    def test_changes_that_equality_does_not_see(self):
        steps = ["1", "1.0", "'1'", "x'31'", "'a'", "'A'", "x'61'", "'a '", "NULL", "0", "''", "x''", "9223372036854775807",
                 "9223372036854775807.0", "'e' || char(769)", "char(233)", "CAST(x'ff' AS TEXT)", "x'ff'", "'a' || char(0)", "'a'"]
        a, b = self.files("ab", "CREATE TABLE v(id TEXT PRIMARY KEY, x, n COLLATE NOCASE);", "v")
        a.sql("INSERT INTO v VALUES('k', 'start', 'start')")
        for step in steps:
            a.sql(f"UPDATE v SET x = {step}, n = {step}")
            self.assertEqual(b.pull(a), 1, step)
            self.assertEqual(a.rows("v"), b.rows("v"))

    def test_an_update_to_the_same_value_is_no_change(self):
        a, b = self.files("ab", self.SCHEMA, "v")
        self.fill(a)
        self.level(a, b)
        a.sql("UPDATE v SET x = x, y = y, r = r, t = t, n = n, i = i")
        self.assertIsNone(a.cut_for(b))

    def test_as_keys(self):
        schema = "CREATE TABLE k(k BLOB PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE t(t TEXT PRIMARY KEY, v); CREATE TABLE i(i INTEGER PRIMARY KEY, v);"
        a, b = self.files("ab", schema, "k", "t", "i")
        for value in (v for v in NUMBERS + STRINGS + BLOBS if v is not None and not (isinstance(v, float) and v != v)):
            a.sql("INSERT OR IGNORE INTO k VALUES(?, 'v')", value)
            if isinstance(value, (str, bytes)):
                a.sql("INSERT OR IGNORE INTO t VALUES(?, 'v')", value)
            elif isinstance(value, int):
                a.sql("INSERT INTO i VALUES(?, 'v')", value)
        for text in BROKEN:
            a.sql(f"INSERT INTO k VALUES(CAST(x'{text}' AS TEXT), 'v')")
            a.sql(f"INSERT INTO t VALUES(CAST(x'{text}' AS TEXT), 'v')")
        self.level(a, b)
        self.assertGreater(len(b.rows("k")), 50)
        for table in "kti":
            b.sql(f"UPDATE {table} SET v = 'w'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT DISTINCT v FROM k"), [("w",)])
        for table in "kti":
            a.sql(f"DELETE FROM {table}")
        self.level(a, b)
        self.assertEqual(b.rows("k"), [])
        self.assertEqual(b.rows("i"), [])

    def test_a_large_blob(self):
        size = 100_000_000
        a, b = self.files("ab", "CREATE TABLE v(id TEXT PRIMARY KEY, x BLOB);", "v")
        a.sql("INSERT INTO v VALUES('big', zeroblob(?))", size)
        a.sql("INSERT INTO v VALUES('random', randomblob(3000000))")
        self.assertEqual(b.pull(a), 2)
        self.assertEqual(b.sql("SELECT length(x), x = zeroblob(?) FROM v WHERE id = 'big'", size), [(size, 1)])
        self.assertEqual(a.sql("SELECT x FROM v WHERE id = 'random'"), b.sql("SELECT x FROM v WHERE id = 'random'"))

    def test_utf16(self):
        a = self.open("a.db")
        a.script("PRAGMA encoding = 'UTF-16le'; CREATE TABLE v(id TEXT PRIMARY KEY, x);")
        a.track("v")
        self.assertEqual(a.sql("PRAGMA encoding"), [("UTF-16le",)])
        b = self.file("b", "CREATE TABLE v(id TEXT PRIMARY KEY, x);", "v")
        for i, text in enumerate(STRINGS):
            a.sql("INSERT INTO v VALUES(?, ?)", f"{i} {text[:9]}", text)
        self.level(a, b)
        b.sql("UPDATE v SET x = x || '日本😀'")
        self.level(a, b)


class Tables(SyncTest):
    """One life of a row in each kind of table, both ways."""

    def live(self, schema, table, insert, update, delete, options=None):
        a = self.file("a", schema, table, options=options)
        b = self.file("b", schema, table, options=options)
        for statement in insert:
            a.shell(statement + ";")
        self.level(a, b)
        self.assertTrue(b.rows(table))
        for statement in update:
            b.shell(statement + ";")
        self.level(a, b)
        for statement in delete:
            a.shell(statement + ";")
        self.level(a, b)
        return a, b

    def test_composite_keys(self):
        for suffix in ("", " WITHOUT ROWID"):
            with self.subTest(suffix):
                a, b = self.files((f"a{suffix}", f"b{suffix}"), f"CREATE TABLE t(b INT, v, a TEXT, PRIMARY KEY(a, b)){suffix};", "t")
                a.sql("INSERT INTO t VALUES(1, 'v', 'x'), (2, 'v', 'x'), (1, 'v', 'y')")
                self.level(a, b)
                b.sql("UPDATE t SET v = 'w' WHERE a = 'x' AND b = 2")
                a.sql("DELETE FROM t WHERE a = 'y'")
                self.level(a, b)
                self.assertEqual(a.sql("SELECT a, b, v FROM t ORDER BY a, b"), [("x", 1, "v"), ("x", 2, "w")])

    def test_many_key_columns(self):
        names = [f"k{i}" for i in range(1, 17)]
        a, b = self.files("ab", f"CREATE TABLE t({', '.join(names)}, v, PRIMARY KEY({', '.join(names)})); CREATE TABLE s(id TEXT PRIMARY KEY, v);", "s", "t")
        a.sql(f"INSERT INTO t VALUES({', '.join(str(i) for i in range(16))}, 'v')")
        a.sql("INSERT INTO s VALUES('x', 'y')")
        self.level(a, b)
        b.sql("UPDATE t SET v = 'w', k16 = 99")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT k1, k16, v FROM t"), [(0, 99, "w")])

    def test_strict(self):
        a, b = self.live("CREATE TABLE t(id TEXT PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;", "t",
                         ["INSERT INTO t VALUES('k1', 1, 1.0, '1', x'31', 1), ('k2', NULL, 2, '', x'', 1.0), ('k3', 3, 3, '3', x'33', '007')"],
                         ["UPDATE t SET a = 1.0 WHERE id = 'k1'", "UPDATE t SET a = 1 WHERE id = 'k2'"],
                         ["UPDATE t SET a = 7 WHERE id = 'k3'"])
        self.assertEqual(a.sql("SELECT id, a, typeof(a) FROM t ORDER BY id"), [("k1", 1.0, "real"), ("k2", 1, "integer"), ("k3", 7, "integer")])
        self.assertEqual(b.sql("SELECT typeof(a) FROM t ORDER BY id"), [("real",), ("integer",), ("integer",)])

    def test_strict_integer_key(self):
        self.live("CREATE TABLE t(id INTEGER PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;", "t", ["INSERT INTO t VALUES(5, 'x'), (-5, x'00')"],
                  ["UPDATE t SET v = 1"], ["DELETE FROM t WHERE id = 5"])

    def test_nocase_keys(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY COLLATE NOCASE, v);", "t")
        a.sql("INSERT INTO t VALUES('Straße', 1), ('abc', 1)")
        self.level(a, b)
        b.sql("UPDATE t SET v = 2 WHERE id = 'ABC'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, v FROM t WHERE id = 'abc'"), [("abc", 2)])
        tick()
        b.sql("UPDATE t SET id = 'ABC' WHERE id = 'abc'")      # a new spelling of the same key
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, v FROM t WHERE id = 'abc'"), [("ABC", 2)])
        b.sql("DELETE FROM t WHERE id = 'aBc'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM t"), [(1,)])

    def test_nocase_keys_spelled_differently_are_one_row(self):
        for suffix in ("", " WITHOUT ROWID"):
            with self.subTest(suffix):
                a, b = self.files((f"a{suffix}", f"b{suffix}"), f"CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY, v, w){suffix};", "t")
                a.sql("INSERT INTO t(id, v) VALUES('Key', 'a')")
                tick()
                b.sql("INSERT INTO t(id, v) VALUES('KEY', 'b')")
                self.level(a, b)
                self.assertEqual(a.sql("SELECT id, v FROM t"), [("KEY", "b")])

    def test_rtrim_keys(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT COLLATE RTRIM PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        tick()
        b.sql("INSERT INTO t VALUES('k  ', 2)")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM t"), [("k  ", 2)])

    def test_rtrim_keys_spelled_differently_are_one_row(self):
        """Many at once, so that the journal's entries of one key are found under all spellings; in a merge they find the row, its children and what is held."""
        schema = "CREATE TABLE t(id TEXT COLLATE RTRIM, n, v UNIQUE, w, PRIMARY KEY(id, n))%s; CREATE TABLE c(k TEXT PRIMARY KEY, id TEXT COLLATE RTRIM, n, FOREIGN KEY(id, n) REFERENCES t);"
        for suffix in ("", " WITHOUT ROWID"):
            with self.subTest(suffix):
                a, b, c = self.files((f"a{suffix}", f"b{suffix}", f"c{suffix}"), schema % suffix, "t", "c")
                a.script("BEGIN; INSERT INTO t VALUES('k', 1, 1, 'a'), ('k ', 2, 2, 'a'), (' k', 1, 3, 'a'), ('', 1, 4, 'a'), ('l', 1.0, 5, 'a');"
                         "UPDATE t SET w = 'b', id = 'k  ' WHERE id = 'k'; DELETE FROM t WHERE id = 'l   '; INSERT INTO t VALUES('l ', 1, 6, 'c');"
                         "INSERT INTO c VALUES('c1', 'k', 1), ('c2', '   ', 1); COMMIT")
                self.level(a, b, c)
                self.assertEqual(b.sql("SELECT id, n, v, w FROM t ORDER BY v"),
                                 [("k  ", 1, 1, "b"), ("k  ", 2, 2, "b"), (" k", 1, 3, "a"), ("", 1, 4, "a"), ("l ", 1, 6, "c")])
                tick()
                b.script("UPDATE t SET w = 'of b', id = 'k' WHERE id = 'k     '; DELETE FROM t WHERE id = 'l'; INSERT INTO t VALUES('new  ', 1, 7, '')")
                c.script("INSERT INTO t VALUES('new', 1.0, 8, 'older'); UPDATE t SET v = 20 WHERE id = 'k' AND n = 1")
                tick()
                a.sql("INSERT INTO t VALUES('takes', 1, 20, '')")
                self.level(a, b, c)
                for file in (a, b, c):
                    self.assertEqual(file.sql("SELECT count(*) FROM t WHERE id = 'new'"), [(1,)])
                    self.assertEqual(file.sql("SELECT id, n, v, w FROM t WHERE id IN ('k', 'l') ORDER BY n"), [("k", 2, 2, "of b")])
                    self.assertEqual([h[0] for h in file.held()], ["c", "t"])
                tick()
                a.sql("DELETE FROM t WHERE id = 'takes '")
                self.level(a, b, c)
                self.assertEqual(c.sql("SELECT id, n, v, w FROM t WHERE id = 'k ' AND n = 1"), [("k", 1, 20, "of b")])
                self.assertEqual(c.held(), [])

    def test_keys_under_a_collation_of_the_applications(self):
        """SQLite alone can compare them: whatever is found by such a key is asked of it, one entry at a time."""
        def dashes_do_not_count(x, y):
            x, y = x.replace("-", ""), y.replace("-", "")
            return (x > y) - (x < y)

        schema = ("CREATE TABLE t(id TEXT COLLATE dashless PRIMARY KEY, v UNIQUE, w); CREATE TABLE c(k TEXT PRIMARY KEY, id TEXT COLLATE dashless REFERENCES t);"
                  "CREATE TRIGGER t_c AFTER INSERT ON t WHEN NEW.w = 'adopts' BEGIN UPDATE c SET id = NEW.id WHERE k = 'c2'; END;")
        files = a, b, c = self.files("abc", "")
        for file in files:
            for connection in (file.plain, file.extended):
                connection.create_collation("dashless", dashes_do_not_count)
            file.script(schema)
            file.track("t", "c")
        a.script("BEGIN; INSERT INTO t VALUES('k', 1, 'a'), ('k-2', 2, 'a'), ('l', 3, 'a'); UPDATE t SET w = 'b', id = 'k-' WHERE id = '-k';"
                 "DELETE FROM t WHERE id = 'l-'; INSERT INTO t VALUES('-l', 4, 'c'); INSERT INTO c VALUES('c1', 'k'), ('c2', NULL); COMMIT")
        exchange(*files)
        self.assertEqual(c.sql("SELECT id, v, w FROM t ORDER BY v"), [("k-", 1, "b"), ("k-2", 2, "a"), ("-l", 4, "c")])
        tick()
        b.script("UPDATE t SET w = 'of b' WHERE id = 'k'; DELETE FROM t WHERE id = 'l'; INSERT INTO t VALUES('n-ew', 7, 'adopts')")
        c.script("INSERT INTO t VALUES('new-', 8, 'older'); UPDATE t SET v = 20 WHERE id = 'k'")
        tick()
        a.sql("INSERT INTO t VALUES('takes', 20, '')")
        exchange(*files)
        for file in files:
            self.assertEqual(file.sql("SELECT count(*) FROM t WHERE id = 'new'"), [(1,)])
            self.assertEqual([h[0] for h in file.held()], ["c", "t"])
            self.assertEqual((file.rows("t"), file.rows("c")), (a.rows("t"), a.rows("c")))
        tick()
        a.sql("DELETE FROM t WHERE id = '-takes'")
        exchange(*files)
        for file in files:
            self.assertEqual(file.sql("SELECT id, v, w FROM t WHERE id = 'k'"), [("k-", 20, "of b")])
            self.assertEqual(file.held(), [])
            self.assertEqual((file.rows("t"), file.rows("c")), (a.rows("t"), a.rows("c")))

    def test_key_that_compares_equal_and_differs(self):
        a, b = self.files("ab", "CREATE TABLE t(id PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES(1, 'integer')")
        self.level(a, b)
        tick()
        b.sql("UPDATE t SET id = 1.0")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT typeof(id) FROM t"), [("real",)])

    def test_generated_columns(self):
        a, b = self.live("CREATE TABLE t(id TEXT PRIMARY KEY, a INT, v AS (a * 2), s AS (a * 3) STORED, b INT);", "t",
                         ["INSERT INTO t(id, a, b) VALUES('k', 5, 6)"], ["UPDATE t SET a = 7"], [])
        self.assertEqual(b.sql("SELECT v, s, b FROM t"), [(14, 21, 6)])
        self.assertEqual(sorted(row[0] for row in a.x("SELECT DISTINCT col FROM sync_changes WHERE col IS NOT NULL")), ["a", "b"])

    def test_generated_columns_that_differ_between_files(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, a INT, g AS (a * 2));", "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, g AS (a * 100) STORED, a INT);", "t")
        a.sql("INSERT INTO t(id, a) VALUES('k', 5)")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT a, g FROM t"), [(5, 500)])

    def test_two_thousand_columns(self):
        names = [f"c{i}" for i in range(1999)]
        a, b = self.files("ab", f"CREATE TABLE wide(id TEXT PRIMARY KEY, {', '.join(names)});", "wide")
        a.sql(f"INSERT INTO wide VALUES('k', {', '.join(str(i) for i in range(1999))})")
        self.level(a, b)
        for changed in ((0,), (61, 62), (123, 124, 1998), (1997,), tuple(range(0, 1999, 31))):
            version = a.version()
            a.sql("UPDATE wide SET " + ", ".join(f"c{i} = 'new {version} {i}'" for i in changed))
            described = a.one("SELECT sync_describe(?)", a.cut_for(b))
            self.assertEqual(described.count(f"new {version} "), len(changed))
            self.assertNotIn('"c5"', described)
            self.assertEqual(b.pull(a), 1)
            self.assertEqual(a.rows("wide"), b.rows("wide"))
        b.sql("UPDATE wide SET id = 'k2', c100 = 'moved'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, c100, c1996 FROM wide"), [("k2", "moved", 1996)])
        a.sql("DELETE FROM wide")
        self.level(a, b)

    def test_exactly_at_the_edge_of_a_mask(self):
        for count in (61, 62, 63, 124, 125):
            with self.subTest(count):
                names = [f"c{i}" for i in range(count)]
                a, b = self.files((f"a{count}", f"b{count}"), f"CREATE TABLE w(id TEXT PRIMARY KEY, {', '.join(names)});", "w")
                a.sql("INSERT INTO w(id) VALUES('k')")
                self.level(a, b)
                for i in {0, 60, 61, 62, 123, 124, count - 1} & set(range(count)):
                    a.sql(f"UPDATE w SET c{i} = 'x{i}'")
                    self.assertEqual(b.pull(a), 1)
                    self.assertEqual(b.sql(f"SELECT c{i} FROM w"), [(f"x{i}",)])

    NAMES = ["order", 'quo"te', "apo'strophe", "a b", "semi;colon", "br[ack]et", "back`tick", "percent%w%s%d", "ключ", "表", "emoji😀",
             "NEW", "old", "seq", "tid", "op", "at", "k1", "key", "clock", "{name}", "{tid}", "x" * 300, "tab\tnew\nline", "select", "sync_", "1", "-- no",
             "/* no", "rowid2", "main", "temp"]

    def test_names_of_tables_and_columns(self):
        schema = ""
        for i, name in enumerate(self.NAMES):
            other = self.NAMES[(i + 1) % len(self.NAMES)]
            schema += f"CREATE TABLE {quote(name)}({quote(name)} TEXT PRIMARY KEY, {quote(other)} INT, \"third 'col\" UNIQUE);\n"
        a, b = self.files("ab", schema)
        a.track_all(), b.track(*self.NAMES)
        self.assertEqual(a.tracked(), sorted(self.NAMES))
        for name in self.NAMES:
            a.sql(f"INSERT INTO {quote(name)} VALUES('k', 1, 2)")
        self.level(a, b)
        for i, name in enumerate(self.NAMES):
            b.sql(f"UPDATE {quote(name)} SET {quote(self.NAMES[(i + 1) % len(self.NAMES)])} = 9")
        self.level(a, b)
        for name in self.NAMES:
            self.assertEqual(a.sql(f"SELECT * FROM {quote(name)}"), [("k", 9, 2)], name)
            self.assertEqual(a.one("SELECT count(*) FROM sync_changes WHERE tbl = ? AND col = 'third ''col'", name), 1, name)
            a.sql(f"INSERT OR REPLACE INTO {quote(name)} VALUES('k2', 1, 2)")
        self.level(a, b)
        b.x("SELECT sync_untrack_all()")
        self.assertEqual(b.sql("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"), [(0,)])

    def test_columns_in_another_order(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, a, b, c);", "t")
        b = self.file("b", "CREATE TABLE t(c, B, id TEXT PRIMARY KEY, a);", "T")
        a.sql("INSERT INTO t VALUES('k', 1, 2, 3)")
        exchange(a, b)
        b.sql("UPDATE t SET c = 4")
        exchange(a, b)
        self.assertEqual(a.sql("SELECT id, a, b, c FROM t"), [("k", 1, 2, 4)])
        self.assertEqual(b.sql("SELECT id, a, b, c FROM t"), [("k", 1, 2, 4)])

    def test_affinities_that_differ(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, v TEXT);", "t")
        a.sql("INSERT INTO t VALUES('k', 7)")
        self.assertEqual(b.pull(a), 1)
        self.assertEqual(b.sql("SELECT v FROM t"), [("7",)])
        self.assertIsNone(b.cut_for(a))        # a conversion is no write
        exchange(a, b)
        self.assertEqual(a.sql("SELECT v, typeof(v) FROM t"), [(7, "integer")])

    def test_autoincrement(self):
        a, b = self.files("ab", "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);", "t")
        a.sql("INSERT INTO t(v) VALUES('one'), ('two')")
        self.level(a, b)
        self.assertEqual(b.sql("INSERT INTO t(v) VALUES('three') RETURNING id"), [(3,)])
        a.sql("DELETE FROM t WHERE id = 2")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM t"), [(1, "one"), (3, "three")])
        self.assertEqual(a.sql("INSERT INTO t(v) VALUES('four') RETURNING id"), [(4,)])

    def test_not_null_without_default(self):
        a, b = self.live("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT NOT NULL, b INT NOT NULL, c NOT NULL DEFAULT 7) WITHOUT ROWID;", "t",
                         ["INSERT INTO t(id, a, b) VALUES('k', 'x', 1)"], ["UPDATE t SET a = 'y'"], ["UPDATE t SET b = 2"])
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", "y", 2, 7)])

    def test_keys_only(self):
        a, b = self.live("CREATE TABLE t(a INT, b INT, PRIMARY KEY(a, b)) WITHOUT ROWID;", "t",
                         ["INSERT INTO t VALUES(1, 1), (1, 2)"], ["DELETE FROM t WHERE b = 1"], ["INSERT INTO t VALUES(1, 1)"])
        self.assertEqual(b.sql("SELECT * FROM t"), [(1, 1), (1, 2)])

    def test_checks_and_uniques_that_hold(self):
        self.live("CREATE TABLE t(id TEXT PRIMARY KEY, a INT CHECK(a > 0), b TEXT UNIQUE, c TEXT, UNIQUE(a, c), CHECK(length(b) < 9));"
                  "CREATE UNIQUE INDEX u ON t(lower(c)) WHERE a > 5;", "t",
                  ["INSERT INTO t VALUES('k1', 1, 'x', 'c'), ('k2', 6, 'y', 'C')"], ["UPDATE t SET a = a + 1"], ["DELETE FROM t WHERE id = 'k1'"])

    def test_swapped_unique_values(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE);", "t")
        a.sql("INSERT INTO t VALUES('k1', 'x'), ('k2', 'y'), ('k3', 'z')")
        self.level(a, b)
        a.script("UPDATE t SET u = 'tmp' WHERE id = 'k1'; UPDATE t SET u = 'x' WHERE id = 'k2'; UPDATE t SET u = 'y' WHERE id = 'k3'; UPDATE t SET u = 'z' WHERE id = 'k1'")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id, u FROM t ORDER BY id"), [("k1", "z"), ("k2", "x"), ("k3", "y")])
        self.assertEqual(b.held(), [])

    def test_foreign_keys_in_any_order(self):
        schema = ("CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT REFERENCES parent(id) ON DELETE CASCADE);"
                  "CREATE TABLE parent(id TEXT PRIMARY KEY, up TEXT REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED);")
        for on in (0, 1):
            with self.subTest(foreign_keys=on):
                a, b = self.files((f"a{on}", f"b{on}"), schema, "child", "parent")
                b.x(f"PRAGMA foreign_keys = {on}")
                a.script("PRAGMA foreign_keys = on; BEGIN; INSERT INTO parent VALUES('p1', 'p2'), ('p2', 'p1'); INSERT INTO child VALUES('c1', 'p1'), ('c2', 'p2'); COMMIT")
                self.assertEqual(b.pull(a), 4)
                self.level(a, b)
                a.sql("UPDATE parent SET up = NULL")
                a.sql("DELETE FROM parent WHERE id = 'p1'")
                self.level(a, b)
                self.assertEqual(b.sql("SELECT id FROM child"), [("c2",)])
                self.assertEqual(b.held(), [])

    def test_rows_with_a_null_in_the_key_stay_and_are_reported(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE p(a, b, v, PRIMARY KEY(a, b));", "t", "p")
        a.sql("INSERT INTO t VALUES(NULL, 'local'), ('k', 'travels')")
        a.sql("INSERT INTO p VALUES(1, NULL, 'local'), (1, 2, 'travels')")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", "travels")])
        self.assertEqual(b.sql("SELECT * FROM p"), [(1, 2, "travels")])
        self.assertEqual(len(a.rows("t")), 2)
        a.fold()
        for table in "tp":
            self.assertRegex(a.one("SELECT note FROM sync_status WHERE tbl = ?", table) or "", "(?i)null")
        a.sql("UPDATE t SET id = 'now' WHERE id IS NULL")
        a.sql("UPDATE p SET b = 3 WHERE b IS NULL")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [("k", "travels"), ("now", "local")])
        self.assertEqual(b.sql("SELECT * FROM p ORDER BY b"), [(1, 2, "travels"), (1, 3, "local")])
        a.sql("UPDATE t SET id = NULL WHERE id = 'k'")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT id FROM t"), [("now",)])

    def test_null_keys_of_a_genesis_stay_too(self):
        schema = "CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES(NULL, 'local'), ('k', 'travels');"
        a, b = self.file("a", schema, "t"), self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", "travels")])


class Changes(SyncTest):
    """The table sync_changes."""

    SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);"

    def test_its_columns(self):
        file = self.file("a", self.SCHEMA, "t")
        names = [row[1] for row in file.x("PRAGMA table_xinfo(sync_changes)")]
        self.assertEqual(names, ["version", "tbl", "key", "op", "col", "value", "stamp", "time", "site", "cl"])

    def test_newest_state_of_each_cell(self):
        file = self.file("a", self.SCHEMA, "t")
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        tick()
        file.sql("UPDATE t SET a = 10")
        file.sql("UPDATE t SET a = 11")
        rows = file.x("SELECT op, col, value, cl FROM sync_changes WHERE col IS NOT NULL ORDER BY col")
        self.assertEqual(rows, [("update", "a", 11, 1), ("insert", "b", 2, 1)])
        stamps = dict(file.x("SELECT col, stamp FROM sync_changes WHERE col IS NOT NULL"))
        self.assertGreater(stamps["a"], stamps["b"])
        file.sql("DELETE FROM t")
        self.assertEqual(file.x("SELECT tbl, key, op, col, value, cl FROM sync_changes"), [("t", '["k"]', "delete", None, None, 2)])
        file.sql("INSERT INTO t VALUES('k', 3, 4)")
        self.assertEqual(file.x("SELECT DISTINCT op, cl FROM sync_changes"), [("insert", 3)])

    def test_above_a_version(self):
        file = self.file("a", self.SCHEMA, "t")
        file.sql("INSERT INTO t VALUES('k1', 1, 2), ('k2', 1, 2)")
        version = file.version()
        self.assertEqual(file.x("SELECT * FROM sync_changes WHERE version > ?", version), [])
        file.sql("UPDATE t SET a = 5 WHERE id = 'k2'")
        rows = file.x("SELECT key, col, value, version FROM sync_changes WHERE version > ?", version)
        self.assertIn(('["k2"]', "a", 5, version + 1), rows)
        self.assertNotIn('["k1"]', [row[0] for row in rows])
        self.assertEqual(file.one("SELECT max(version) FROM sync_changes"), file.version())

    def test_pushed_down(self):
        file = self.file("a", self.SCHEMA + "CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        file.sql("INSERT INTO t VALUES('k1', 1, 2)")
        file.sql("INSERT INTO u VALUES('k1')")
        plans = {}
        for where in ("1", "version > 3", "tbl = 't'", "version > 3 AND tbl = 't'"):
            plans[where] = file.x(f"EXPLAIN QUERY PLAN SELECT * FROM sync_changes WHERE {where}")[0][3]
        self.assertEqual(len(set(plans.values())), 4, plans)
        self.assertEqual(file.x("SELECT DISTINCT tbl FROM sync_changes WHERE tbl = 'u'"), [("u",)])
        self.assertEqual(file.x("SELECT DISTINCT tbl FROM sync_changes WHERE tbl = 'none'"), [])
        self.assertEqual(file.x("SELECT * FROM sync_changes WHERE tbl = NULL"), [])
        self.assertEqual(file.x("SELECT * FROM sync_changes WHERE version > NULL"), [])
        everything = file.x("SELECT * FROM sync_changes")
        for version in (-1, 0, 1, 1.5, 2, 3, 99, 2**63 - 1, -1.5):
            expected = [row for row in everything if row[0] > version]
            self.assertEqual(file.x("SELECT * FROM sync_changes WHERE version > ?", version), expected, version)

    def test_genesis_rows_bear_the_version_of_their_tracking(self):
        file = self.file("a", self.SCHEMA + "INSERT INTO t VALUES('g1', 1, 2), ('g2', 1, 2); CREATE TABLE u(id TEXT PRIMARY KEY, v); INSERT INTO u VALUES('x', 1);", "t")
        version = file.version()
        self.assertEqual(file.x("SELECT DISTINCT tbl, version FROM sync_changes"), [("t", version)])
        file.sql("UPDATE t SET a = 9 WHERE id = 'g1'")
        file.track("u")
        tracked = file.version()
        self.assertGreater(tracked, version)
        self.assertEqual(file.x("SELECT DISTINCT version FROM sync_changes WHERE tbl = 'u'"), [(tracked,)])
        self.assertEqual(file.x("SELECT DISTINCT version FROM sync_changes WHERE key = '[\"g2\"]'"), [(version,)])
        cells = dict(((key, col), value) for key, col, value in file.x("SELECT key, col, value FROM sync_changes WHERE tbl = 't' AND col IS NOT NULL"))
        self.assertEqual(cells, {('["g1"]', "a"): 9, ('["g1"]', "b"): 2, ('["g2"]', "a"): 1, ('["g2"]', "b"): 2})

    def test_keys_as_json(self):
        file = self.file("a", "CREATE TABLE t(a, b, PRIMARY KEY(a, b)); CREATE TABLE i(id INTEGER PRIMARY KEY);", "t", "i")
        for value in (2**63 - 1, -2**63, "text \" \\ \n \x01", 1.5, "日本"):
            file.sql("INSERT INTO t VALUES(?, 0)", value)
            self.assertIn([value, 0], [json.loads(key) for (key,) in file.x("SELECT key FROM sync_changes WHERE tbl = 't'")])
        file.sql("DELETE FROM t")
        file.fold()
        for value, expected in (("x'00ff'", {"$blob": "00ff"}), ("x''", {"$blob": ""}), ("CAST(x'61ff' AS TEXT)", {"$text": "61ff"}),
                                ("CAST(x'610062' AS TEXT)", {"$text": "610062"})):
            file.sql(f"INSERT INTO t VALUES({value}, 7)")
            keys = file.x("SELECT key FROM sync_changes WHERE tbl = 't' AND op = 'insert' AND key LIKE '%7]'")
            found = json.loads(keys[0][0].lower())
            self.assertEqual(found, [expected, 7])
            file.x("SELECT sync_touch('t', ?)", keys[0][0])
            file.sql("DELETE FROM t")
        file.sql("INSERT INTO i VALUES(42)")
        self.assertEqual(file.x("SELECT DISTINCT key FROM sync_changes WHERE tbl = 'i'"), [("[42]",)])

    def test_times_sites_and_stamps(self):
        a, b = self.files("ab", self.SCHEMA, "t")
        start = a.one("SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INT)")
        a.sql("INSERT INTO t VALUES('k', 1, 2)")
        b.pull(a)
        row = a.x("SELECT stamp, time, site FROM sync_changes WHERE col = 'a'")[0]
        self.assertEqual(b.x("SELECT stamp, time, site FROM sync_changes WHERE col = 'a'")[0], row)
        self.assertEqual(row[2] if isinstance(row[2], bytes) else bytes.fromhex(row[2]), a.site())
        time = row[1] if isinstance(row[1], int) else a.one("SELECT CAST((julianday(?) - 2440587.5) * 86400000 + 0.5 AS INT)", row[1])
        self.assertLess(abs(time - start), 60_000)

    def test_it_is_read_only(self):
        file = self.file("a", self.SCHEMA, "t")
        for table in ("sync_changes", "sync_status"):
            for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES", f"UPDATE {table} SET tbl = 'x'"):
                self.refused(file, statement)

    def test_joined_and_sorted(self):
        file = self.file("a", self.SCHEMA, "t")
        file.sql("INSERT INTO t VALUES('k1', 1, 2), ('k2', 3, 4)")
        rows = file.x("SELECT c.key, t.b FROM t JOIN sync_changes AS c ON c.key = json_array(t.id) WHERE c.col = 'a' ORDER BY c.version DESC")
        self.assertEqual(rows, [('["k2"]', 4), ('["k1"]', 2)])
        self.assertEqual(file.x("SELECT count(*) FROM sync_changes AS x JOIN sync_changes AS y USING (tbl, key, col)")[0][0],
                         file.one("SELECT count(*) FROM sync_changes WHERE col IS NOT NULL"))
        versions = [v for (v,) in file.x("SELECT version FROM sync_changes")]
        self.assertEqual(versions, sorted(versions))


if __name__ == "__main__":
    unittest.main()
