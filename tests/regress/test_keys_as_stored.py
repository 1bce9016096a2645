"""Keys that reach the journal otherwise than their columns store them, and tables whose keys are not the same in two files."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

TYPES = ("TEXT", "INT", "NUMERIC", "REAL", "BLOB", "", "DATETIME")
VALUES = (7, -1, 0, 2**53 + 1, -(2**63), 2**63 - 1, 7.0, 7.5, -0.0, 1e300, 9.0e18, 2.0**63, -(2.0**63), 1e-5, "7", " 7 ", "7.0", "7.50",
          "1e3", "0x10", "+5", "-", "", "7x", "x", "9223372036854775807", "9223372036854775808", "9007199254740993", "1e400", "2024-01-01",
          "7\0", b"7", b"")


class KeysAsStored(SyncTest):
    def test_a_touched_key_of_another_type(self):
        """The journal took it as it was given: the clock, which has it as the column does, was missed, and no fold ever succeeded again."""
        file = self.file("a")
        file.sql("CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        file.track("t")
        file.sql("INSERT INTO t VALUES('7', 1)")
        file.sql("DELETE FROM t")
        file.fold()
        file.x("SELECT sync_touch('t', 7)")
        self.assertEqual(file.sql("SELECT typeof(k1) FROM sync_journal WHERE k1 IS NOT NULL ORDER BY seq DESC LIMIT 1"), [("text",)])
        file.fold()
        file.sql("INSERT INTO t VALUES('7', 2)")
        file.fold()
        invariants.check(file.path)

    def test_a_touched_key_is_stored_as_the_column_would(self):
        for number, declared in enumerate(TYPES):
            file = self.file(f"f{number}")
            file.script(f"CREATE TABLE t(id {declared} PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE copy(id {declared});")
            file.track("t")
            for value in VALUES:
                file.sql("DELETE FROM copy")
                file.sql("INSERT INTO copy VALUES(?)", value)
                file.x("SELECT sync_touch('t', ?)", value)
                with self.subTest(declared=declared, value=value):
                    self.assertEqual(file.raw("SELECT k1 FROM sync_journal ORDER BY seq DESC LIMIT 1"), file.raw("SELECT id FROM copy"))
            file.fold()
            invariants.check(file.path)

    def test_keys_of_several_columns_in_the_journal_itself(self):
        """Whoever writes there writes what he likes: each part is stored as its column would."""
        for reader in (False, True):
            file = self.file(f"j{reader}", "CREATE TABLE t(a TEXT, b INTEGER, c NUMERIC, v, PRIMARY KEY(a, b, c));", "t")
            other = self.file(f"o{reader}", "CREATE TABLE t(a TEXT, b INTEGER, c NUMERIC, v, PRIMARY KEY(a, b, c));", "t")
            file.sql("INSERT INTO t VALUES('7', 8, 9.5, 'v')")
            tid = file.sql("SELECT tid FROM sync_table")[0][0]
            file.sql(f"INSERT INTO sync_journal(tid, op, at, k1, k2, k3) SELECT {tid}, -1, at, 7, '8', '9.5' FROM sync_journal ORDER BY seq DESC LIMIT 1")
            if reader:
                other.apply(file.changeset())
            file.fold()
            self.level(file, other)
            self.assertEqual(other.sql("SELECT * FROM t"), [("7", 8, 9.5, "v")])

    def test_keys_with_several_nulls(self):
        """They name no row, as ever, and are counted once for each row."""
        file, other = self.files("ab", "CREATE TABLE t(a TEXT, b INTEGER, v, PRIMARY KEY(a, b));", "t")
        file.sql("INSERT INTO t VALUES(NULL, NULL, 1), (NULL, 2, 2), ('x', NULL, 3), ('x', 1, 4)")
        file.fold()
        other.pull(file)
        self.assertEqual(other.sql("SELECT * FROM t"), [("x", 1, 4)])
        self.assertIn("3", file.one("SELECT note FROM sync_status"))

    def test_keys_of_all_kinds_in_a_long_tail(self):
        """What is folded many at a time is looked up in the order of its keys: short ones, empty ones, and those that begin alike."""
        a, b = self.files("ab", "CREATE TABLE t(id PRIMARY KEY, v) WITHOUT ROWID;", "t")
        keys = ["", b"", "\0", b"\0", "\0\0", b"\0\0\0", "a", b"a", 0, 0.5, -1, 2 ** 62, -2 ** 63, 1e300, -0.25]
        keys += [f"k{i * 7919 % 1000:08}" for i in range(300)] + [f"k0000000{i}".encode() for i in range(9)] + [i / 4 for i in range(1, 300, 2)]
        a.plain.executemany("INSERT INTO t VALUES(?, 1)", [(key,) for key in keys])
        a.fold()
        a.plain.executemany("UPDATE t SET v = 2 WHERE id = ?", [(key,) for key in keys[::2]])
        a.plain.executemany("DELETE FROM t WHERE id = ?", [(key,) for key in keys[::3]])
        a.fold()
        self.level(a, b)
        self.assertEqual(len(b.sql("SELECT * FROM t")), len(set(map(repr, keys))) - len(keys[::3]))

    def test_an_integer_key_is_an_integer(self):
        """Any other bricked the file too."""
        for identity in ('{"identity": "row"}', '{"identity": "key"}'):
            file = self.file("i" + identity[14])
            file.sql("CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
            file.track("t", options=identity)
            for wrong in ("x", 1.5, b"7"):
                self.refused(file, "SELECT sync_touch('t', ?)", wrong, says=["sync_touch", "t", "integer"])
            for right in ("7", 8.0, 9):
                file.x("SELECT sync_touch('t', ?)", right)
            self.assertEqual(file.sql("SELECT k1 FROM sync_journal WHERE k1 IS NOT NULL ORDER BY seq DESC LIMIT 3"), [(9,), (8,), (7,)])
            file.fold()
            invariants.check(file.path)

    def test_a_file_with_such_a_key_in_its_journal_is_folded(self):
        """As an earlier sync_touch, or somebody's hand, left it."""
        for schema, wrong, options in (("t(id TEXT PRIMARY KEY, v)", 7, "{}"), ("t(id INT PRIMARY KEY, v)", "7", "{}"),
                                       ("t(id REAL PRIMARY KEY, v)", "7", "{}"), ("t(id INTEGER PRIMARY KEY, v)", "x", '{"identity": "key"}'),
                                       ("t(id INTEGER PRIMARY KEY, v)", "x", '{"identity": "row"}'),
                                       ("t(id INTEGER PRIMARY KEY, v)", "7", '{"identity": "row"}')):
            for reader in (False, True):  # a reader folds virtually first
                with self.subTest(schema=schema, wrong=wrong, options=options, reader=reader):
                    file, other = self.file("x"), self.file("y")
                    for one in (file, other):
                        one.sql("CREATE TABLE " + schema)
                        one.track("t", options=options)
                    file.sql("INSERT INTO t VALUES(7, 1), (8, 1)")
                    other.pull(file)
                    file.sql("DELETE FROM t WHERE id = 7")
                    file.fold()
                    file.sql("INSERT INTO sync_journal(tid, op, at, k1) SELECT tid, -2, 0, ? FROM sync_table", wrong)
                    file.sql("UPDATE t SET v = 2")
                    if reader:
                        other.pull(file)
                    file.fold()
                    other.pull(file)
                    self.assertEqual(other.sql("SELECT v FROM t"), [(2,)])
                    invariants.check(file.path)
                    self.assert_same(file, other)
                    for one in (file, other):
                        one.close()
                        for path in Path(one.path).parent.glob(Path(one.path).name + "*"):
                            path.unlink()


class KeysThatDiffer(SyncTest):
    def test_tables_whose_keys_compare_otherwise_are_refused(self):
        """What was two rows here was one row there, and the other was lost without a word."""
        for number, (mine, theirs) in enumerate((("id TEXT PRIMARY KEY", "id TEXT COLLATE NOCASE PRIMARY KEY"),
                                                 ("id TEXT COLLATE RTRIM PRIMARY KEY", "id TEXT COLLATE NOCASE PRIMARY KEY"),
                                                 ("id PRIMARY KEY", "id TEXT PRIMARY KEY"), ("id INT PRIMARY KEY", "id TEXT PRIMARY KEY"),
                                                 ("id REAL PRIMARY KEY", "id INT PRIMARY KEY"), ("id BLOB PRIMARY KEY", "id INT PRIMARY KEY"),
                                                 ("n INT, id TEXT, PRIMARY KEY(n, id)", "n INT, id TEXT COLLATE NOCASE, PRIMARY KEY(n, id)"))):
            a, b = self.file(f"a{number}", f"CREATE TABLE t({mine}, v)" if "n INT" not in mine else f"CREATE TABLE t(v, {mine})", "t"), \
                self.file(f"b{number}", f"CREATE TABLE t({theirs}, v)" if "n INT" not in theirs else f"CREATE TABLE t(v, {theirs})", "t")
            a.sql("INSERT INTO t(id, v) VALUES('a', 1)" if "n INT" not in mine else "INSERT INTO t VALUES(1, 7, 'a')")
            with self.subTest(mine=mine, theirs=theirs):
                words = ["table t", "column id", "collation" if "COLLATE" in theirs else "affinity"]
                self.refused(a, "SELECT sync_changeset(?)", b.seen(), says=words)
                self.refused(b, "SELECT sync_apply(?)", a.changeset(), says=words)
                self.assertEqual(b.sql("SELECT count(*) FROM t"), [(0,)])

    def test_tables_whose_keys_store_alike_are_exchanged(self):
        for number, (mine, theirs) in enumerate((("t(id INT PRIMARY KEY, v)", "t(id NUMERIC PRIMARY KEY, v) WITHOUT ROWID"),
                                                 ("t(id TEXT COLLATE nocase PRIMARY KEY, v)", "t(id VARCHAR(9) COLLATE NOCASE NOT NULL, v, PRIMARY KEY(id DESC))"),
                                                 ("t(id INT PRIMARY KEY, v) STRICT", "t(id INTEGER PRIMARY KEY DESC, v)"),
                                                 ("t(id ANY PRIMARY KEY, v ANY) STRICT", "t(id BLOB PRIMARY KEY, v)"),
                                                 ("t(id TEXT COLLATE BINARY PRIMARY KEY, v)", "t(id CLOB PRIMARY KEY DESC, v)"))):
            with self.subTest(mine=mine, theirs=theirs):
                mine = mine.replace("v) STRICT", "v ANY) STRICT") if "ANY)" not in mine else mine
                a, b = (self.file(f"{name}{number}", "CREATE TABLE " + schema, "t") for name, schema in (("c", mine), ("d", theirs)))
                a.sql("INSERT INTO t VALUES(7, 1)")
                self.level(a, b)
                b.sql("UPDATE t SET v = 2")
                self.level(a, b)
                self.assertEqual(a.sql("SELECT v FROM t"), [(2,)])

    def test_a_table_rebuilt_with_a_key_that_compares_otherwise(self):
        """Its clocks compared as before: two rows shared one, or no fold succeeded again."""
        for number, (before, after, clash) in enumerate((("TEXT COLLATE NOCASE PRIMARY KEY", "TEXT PRIMARY KEY", "A"), ("TEXT PRIMARY KEY", "INT PRIMARY KEY", 7),
                                                         ("TEXT PRIMARY KEY", "PRIMARY KEY", 7), ("INTEGER PRIMARY KEY", "INT PRIMARY KEY", "x"))):
            with self.subTest(before=before, after=after):
                file = self.file(f"r{number}", f"CREATE TABLE t(id {before}, v)", "t")
                file.sql("INSERT INTO t VALUES('7', 1)")
                if "NOCASE" in before:
                    file.sql("INSERT INTO t VALUES('a', 1)")
                file.fold()
                file.script(f"BEGIN; CREATE TABLE new(id {after}, v); INSERT INTO new SELECT * FROM t; DROP TABLE t; ALTER TABLE new RENAME TO t; COMMIT")
                file.fold()
                self.assertRegex(file.one("SELECT note FROM sync_status"), "missing: rebuilt with another key.*sync_untrack.*sync_track")
                file.sql("INSERT OR IGNORE INTO t VALUES(?, 2)", clash)
                file.x("SELECT sync_untrack('t')")
                file.track("t")
                file.sql("UPDATE t SET v = v + 1")
                file.fold()
                self.assertIsNone(file.one("SELECT note FROM sync_status"))
                invariants.check(file.path)

    def test_a_key_that_compares_otherwise_than_its_column(self):
        """Two rows of the key were one by the column's collation: no fold succeeded."""
        for suffix in ("", " WITHOUT ROWID"):
            file = self.file("c" + suffix[:5].strip(), f"CREATE TABLE t(k TEXT COLLATE NOCASE, v, PRIMARY KEY(k COLLATE BINARY)){suffix}")
            self.refused(file, "SELECT sync_track('t')", says=("table t", "column k", "NOCASE", "BINARY"))
            file.script("DROP TABLE t; CREATE TABLE t(k TEXT COLLATE NOCASE, v, PRIMARY KEY(k))" + suffix)
            file.track("t")


if __name__ == "__main__":
    unittest.main()
