"""sync_resolve on tables of other shapes: keys of several columns, indexes over them, columns that one side lacks, references that are contested; and on
entries that somebody has written to."""
import json
import unittest

from resolving import ResolveTest
from syncfile import exchange, tick


class Shapes(ResolveTest):
    def named(self, names, schema, *tables):
        return self.files([f"{n}{len(self._files)}" for n in names], schema, *tables)

    def shut(self, *files):
        for file in files:
            file.close()

    def test_an_index_over_a_part_of_the_key(self):
        """The key cannot become NULL, so the other column of the index does; where there is none, the row goes."""
        schema = "CREATE TABLE u(a TEXT, b INTEGER, x, v, PRIMARY KEY(a, b), UNIQUE(x, b));"
        for choice, left in (("ours", [("k1", 1, "same", "of a"), ("k2", 1, None, "of b")]),
                             ("keep both", [("k1", 1, None, "of a"), ("k2", 1, "same", "of b")])):
            for where in (0, 1):
                files = self.named("ab", schema, "u")
                files[0].sql("INSERT INTO u VALUES('k1', 1, 'same', 'of a'), ('other', 2, 'same', '')")
                tick()
                files[1].sql("INSERT INTO u VALUES('k2', 1, 'same', 'of b')")
                self.level(*files)
                self.resolve(files[where], choice if choice == "keep both" else self.side(files[where], files[0]))
                self.settled(*files)
                self.assertEqual(files[1].sql("SELECT * FROM u WHERE a <> 'other' ORDER BY a"), left)
                self.shut(*files)

    def test_an_index_over_nothing_but_the_key(self):
        schema = "CREATE TABLE u(a TEXT, b INTEGER, v, PRIMARY KEY(a, b)); CREATE UNIQUE INDEX i ON u(b);"
        a, b = self.named("ab", schema, "u")
        a.sql("INSERT INTO u VALUES('k1', 1, 'of a')")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 1, 'of b')")
        self.level(a, b)
        self.refused(a, "SELECT sync_resolve(id, 'keep both') FROM sync_conflict", says=["edit one of them first"])
        self.resolve(b, self.side(b, a))
        self.settled(a, b)
        self.assertEqual(b.sql("SELECT * FROM u"), [("k1", 1, "of a")])

    def test_a_column_that_the_held_row_lacks(self):
        """It has the default of this file, which is the same under the index; what is not the same is no reason to lose anything."""
        for default, both in ("'d'", [("k1", "same", None), ("k2", "same", "d")]), ("NULL", None):
            a = self.file(f"a{len(self._files)}", "CREATE TABLE u(id TEXT PRIMARY KEY, x);", "u")
            b = self.file(f"b{len(self._files)}", f"CREATE TABLE u(id TEXT PRIMARY KEY, x, e DEFAULT {default});"
                          "CREATE UNIQUE INDEX i ON u(x, e); CREATE UNIQUE INDEX j ON u(x) WHERE e IS NULL;", "u")
            a.sql("INSERT INTO u VALUES('k1', 'same')")
            tick()
            b.sql("INSERT INTO u(id, x) VALUES('k2', 'same')")
            exchange(a, b)
            self.assertEqual(b.held(), [("u", '["k1"]', "unique")])
            self.resolve(b, "keep both")
            self.assertEqual(b.held(), [])
            self.assertEqual(b.sql("SELECT * FROM u ORDER BY id"), both or [("k1", None, None), ("k2", "same", None)])
            exchange(a, b)
            self.assertEqual(a.sql("SELECT id, x FROM u ORDER BY id"), b.sql("SELECT id, x FROM u ORDER BY id"))
            self.shut(a, b)

    def test_a_reference_among_three_rows(self):
        """Who is chosen writes its value anew, and means the same row with it; the others lose it."""
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, n); CREATE TABLE u(id TEXT PRIMARY KEY, p UNIQUE REFERENCES p, q REFERENCES p);"
        for index in ("", "CREATE UNIQUE INDEX j ON u(abs(p));"):
            files = self.named("abc", schema + index, "p", "u")
            files[0].sql("INSERT INTO p VALUES(1, 'one'), (2, 'two')")
            self.level(*files)
            for i, file in enumerate(files):
                tick()
                file.sql("INSERT INTO u VALUES(?, 1, 2)", f"k{i}")
            self.level(*files)
            for i in (0, 1):
                self.resolve(files[2], self.side(files[2], files[i], key=f'["k{i}"]'), key=f'["k{i}"]')
                self.level(*files)
                self.assertEqual(files[0].sql("SELECT id FROM u WHERE p = 1"), [(f"k{i}",)])
            if not index:
                self.settled(*files)
                self.assertEqual(files[0].sql("SELECT * FROM u ORDER BY id"), [("k0", None, 2), ("k1", 1, 2), ("k2", None, 2)])
            self.shut(*files)

    def test_a_reference_of_several_columns(self):
        """The last one that may be NULL becomes NULL."""
        schema = "CREATE TABLE p(a, b, PRIMARY KEY(a, b)); CREATE TABLE c(id TEXT PRIMARY KEY, a%s, b%s, v, FOREIGN KEY(a, b) REFERENCES p);"
        for nulls, left in ((("", ""), ("c", 1, None, "v")), (("", " NOT NULL"), ("c", None, 2, "v"))):
            a, b = self.named("ab", schema % nulls, "p", "c")
            a.sql("INSERT INTO p VALUES(1, 2)")
            self.level(a, b)
            a.sql("DELETE FROM p")
            b.sql("INSERT INTO c VALUES('c', 1, 2, 'v')")
            self.level(a, b)
            self.resolve(a, "keep both")
            self.settled(a, b)
            self.assertEqual(b.sql("SELECT * FROM c"), [left])
            self.shut(a, b)

    def test_a_reference_that_is_the_key(self):
        schema = "CREATE TABLE p(id TEXT PRIMARY KEY); CREATE TABLE c(p TEXT PRIMARY KEY NOT NULL REFERENCES p, v);"
        a, b = self.named("ab", schema, "p", "c")
        a.sql("INSERT INTO p VALUES('k')")
        self.level(a, b)
        a.sql("DELETE FROM p")
        b.sql("INSERT INTO c VALUES('k', 'v')")
        self.level(a, b)
        self.refused(a, "SELECT sync_resolve(id, 'keep both') FROM sync_conflict", says=["may not be NULL", '["k"]'])
        self.resolve(b, self.side(b, a))
        self.settled(a, b)
        self.assertEqual(b.sql("SELECT * FROM c"), [])

    def test_values_that_wait_for_their_column_are_no_part_of_the_entry(self):
        lax = self.file("lax", "CREATE TABLE t(id TEXT PRIMARY KEY, v, extra);", "t")
        strict = self.file("strict", "CREATE TABLE t(id TEXT PRIMARY KEY, v CHECK(v < 10), w);", "t")
        lax.sql("INSERT INTO t VALUES('k', 1, 'waits')")
        exchange(lax, strict)
        strict.sql("UPDATE t SET w = 'ours'")
        tick()
        lax.sql("UPDATE t SET v = 20")
        tick()
        lax.sql("UPDATE t SET extra = 'waits still'")
        exchange(lax, strict)
        entry = self.entry(strict)
        self.assertEqual((json.loads(entry["theirs"]), json.loads(entry["ours"])), ({"v": 20}, {"v": 1}))
        self.resolve(strict, "ours")
        self.assertEqual(strict.held(), [])
        exchange(lax, strict)
        strict.sql("ALTER TABLE t ADD COLUMN extra")
        strict.fold()
        self.assertEqual(strict.sql("SELECT id, v, w, extra FROM t"), [("k", 1, "ours", "waits still")])
        self.assertEqual(lax.sql("SELECT id, v, extra FROM t"), [("k", 1, "waits still")])


class TamperedWith(ResolveTest):
    """The list is an ordinary table, which anybody may write to."""

    def genesis(self):
        a = self.file(f"a{len(self._files)}", "CREATE TABLE n(id INTEGER PRIMARY KEY, v, w); INSERT INTO n VALUES(1, 'of a', 'of a');", "n")
        tick()
        b = self.file(f"b{len(self._files)}", "CREATE TABLE n(id INTEGER PRIMARY KEY, v, w); INSERT INTO n VALUES(1, 'of b', 'of b');", "n")
        exchange(a, b)
        self.assertEqual(self.entry(a)["reason"], "genesis")
        return a, b

    def test_contents_that_are_none(self):
        for content in ('{"v":{}}', '{"v":{"$blob":"zz"}}', '{"v":{"$text":"7"}}', '{"v":{"$other":1}}', "not json"):
            with self.subTest(content):
                a, b = self.genesis()
                a.sql("UPDATE sync_conflict SET ours = ?", content)
                before = a.dump(), a.cells()
                self.refused(a, "SELECT sync_resolve(id, 'ours') FROM sync_conflict", says=["damaged"] if content[0] == "{" else ["json"])
                self.assertEqual((a.dump(), a.cells()), before)
                a.close(), b.close()

    def test_a_number_that_is_none_is_null(self):
        a, b = self.genesis()
        a.sql("""UPDATE sync_conflict SET ours = '{"v":{"$real":"nan"},"w":{"$real":"-inf"}}', theirs = '{"v":"x","w":"x"}'""")
        self.resolve(a, "ours")
        self.settled(a, b)
        self.assertEqual(b.sql("SELECT v, w FROM n"), [(None, float("-inf"))])

    def test_columns_that_are_not_there_any_more(self):
        for left in ("w", None):
            a, b = self.genesis()
            entry = self.entry(a)
            chosen = next(side for side in ("ours", "theirs") if json.loads(entry[side])["w"] == "of a")
            a.x("SELECT sync_alter('ALTER TABLE n DROP COLUMN v')")
            if left is None:
                a.x("SELECT sync_alter('ALTER TABLE n RENAME COLUMN w TO renamed')")
            self.resolve(a, chosen)
            self.assertEqual(a.x("SELECT count(*) FROM sync_conflict"), [(0,)])
            self.assertEqual(a.sql("SELECT * FROM n"), [(1, "of a" if left else "of b")])
            exchange(a, b)
            a.close(), b.close()

    def test_keys_that_are_none(self):
        schema = "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE); CREATE TABLE r(id INTEGER PRIMARY KEY, x UNIQUE)"
        for table, key in (("u", "'k1'"), ("r", "1")):
            for change in ("raw_key = 7", "raw_key = NULL", "raw_key = x'ff'", "raw_key = x''", "clock_key = 'text'", "clock_key = NULL", "reason = NULL", "clock_key = x'00'"):
                with self.subTest(table=table, change=change):
                    a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], schema, "u", "r")
                    a.sql(f"INSERT INTO {table} VALUES({key}, 'same')")
                    tick()
                    b.sql(f"INSERT INTO {table} VALUES({key.replace('1', '2')}, 'same')")
                    self.level(a, b)
                    before = a.rows(table), b.dump()
                    a.sql("PRAGMA ignore_check_constraints = on")
                    try:
                        a.sql(f"UPDATE sync_conflict SET {change}")
                    except Exception as e:
                        self.assertIn("NOT NULL", str(e))
                        continue
                    try:
                        a.x("SELECT sync_resolve(id, 'keep both') FROM sync_conflict")
                    except Exception as e:
                        self.assertRegex(str(e), "damaged|no entry|cannot be settled|both cannot be kept")
                        self.assertEqual((a.rows(table), b.dump()), before)
                    a.close(), b.close()


if __name__ == "__main__":
    unittest.main()
