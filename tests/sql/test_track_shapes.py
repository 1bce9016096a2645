"""Tables of unusual shapes: what can be tracked of them is, what cannot is refused with the reason, and nothing is left behind."""
import unittest

from syncfile import SyncTest, exchange

LONG = "n" * 1025


class Shapes(SyncTest):
    def refuse(self, schema, *says, call="SELECT sync_track('t')"):
        file = self.open(f"r{len(self._files)}.db")
        file.script(schema)
        before = file.sql("SELECT * FROM sqlite_schema")
        self.refused(file, call, says=says)
        self.assertEqual(file.sql("SELECT * FROM sqlite_schema"), before)

    def test_names_that_are_too_long(self):
        self.refuse(f'CREATE TABLE "{LONG}"(id TEXT PRIMARY KEY)', "1024 bytes", call=f"SELECT sync_track('{LONG}')")
        self.refuse(f"CREATE TABLE t(id TEXT PRIMARY KEY, a, {LONG})", "t", "column name", "1024 bytes")
        self.refuse(f"CREATE TABLE t({LONG} TEXT PRIMARY KEY, a)", "t", "column name", "1024 bytes")

    def test_keys_of_too_many_columns(self):
        for count in (64, 65):
            names = ", ".join(f"k{i}" for i in range(count))
            schema = f"CREATE TABLE t({names}, v, PRIMARY KEY({names}))"
            if count > 64:
                self.refuse(schema, "t", "65 columns", "64")
            else:
                a, b = self.files("ab", schema, "t")
                a.sql(f"INSERT INTO t VALUES({', '.join(map(str, range(count)))}, 'v')")
                self.level(a, b)
                self.assertEqual(b.sql("SELECT k63, v FROM t"), [(63, "v")])

    def test_options_that_differ_from_those_it_has(self):
        file = self.file("a", "CREATE TABLE n(id INTEGER PRIMARY KEY); CREATE TABLE k(id TEXT PRIMARY KEY); CREATE TABLE o(id INTEGER PRIMARY KEY)")
        file.track("n", options='{"identity": "row", "genesis": "own"}').track("k").track("o", options='{"genesis": "shared"}')
        before = file.sql("SELECT * FROM sync_table")
        for table, options, says in (("n", '{"identity": "key"}', ['"row"', "untrack"]), ("n", '{"genesis": "shared"}', ['"own"', "untrack"]),
                                     ("o", '{"genesis": "own"}', ['"shared"', "untrack"]), ("k", '{"identity": "row"}', ["INTEGER PRIMARY KEY"]),
                                     ("k", '{"genesis": "own"}', ["identity"]), ("k", '{"identity": "key", "identity": "key"}', ["twice"]),
                                     ("k", '{"identity": ""}', ["identity"]), ("k", '{"identity": null}', ["identity"])):
            with self.subTest(table=table, options=options):
                self.refused(file, "SELECT sync_track(?, ?)", table, options, says=says)
        for table, options in (("n", '{"identity": "row", "genesis": "own"}'), ("n", "{}"), ("k", '{"identity": "key"}'), ("o", None)):
            file.x("SELECT sync_track(?, ?)", table, options)
        self.assertEqual(file.sql("SELECT * FROM sync_table"), before)
        file.x("SELECT sync_track('main.n')")
        self.assertEqual(file.sql("SELECT * FROM sync_table"), before)

    def test_our_own_tables(self):
        file = self.file("a", "CREATE TABLE n(id INTEGER PRIMARY KEY); CREATE TABLE k(id TEXT PRIMARY KEY)", "n", "k")
        for name in ("sync_meta", "SYNC_ROW_1", "sync_hidden_1", "sync_conflict", "sync_row_2"):
            self.refused(file, "SELECT sync_track(?)", name, says=[name])
        file.sql("CREATE TABLE sync_hidden_2(id TEXT PRIMARY KEY)")  # k has none, so this is somebody's
        file.track("sync_hidden_2")
        self.assertIn("sync_hidden_2", file.tracked())

    def test_many_foreign_keys(self):
        parents = 20
        schema = "".join(f"CREATE TABLE p{i}(id INTEGER PRIMARY KEY, v); " for i in range(parents))
        schema += "CREATE TABLE c(id TEXT PRIMARY KEY, " + ", ".join(f"r{i} REFERENCES p{i}" for i in range(parents)) + ")"
        tables = [f"p{i}" for i in range(parents)] + ["c"]
        a, b = self.files("ab", schema, *tables)
        for i in range(parents):
            a.sql(f"INSERT INTO p{i} VALUES(1, 'a{i}')")
            b.sql(f"INSERT INTO p{i} VALUES(1, 'b{i}')")
        ones = ", ".join("1" for _ in range(parents))
        a.sql(f"INSERT INTO c VALUES('a', {ones})")
        b.sql(f"INSERT INTO c VALUES('b', {ones})")
        exchange(a, b)
        self.level(a, b)
        self.assertEqual(a.held(), [])
        for i in range(parents):
            self.assertEqual(a.sql(f"SELECT c.id, v FROM c JOIN p{i} AS p ON p.id = c.r{i} ORDER BY 1"), [("a", f"a{i}"), ("b", f"b{i}")])

    def test_a_generated_column_that_refers(self):
        """Nothing is sent for it, but the row waits for the parent all the same."""
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, n, r INTEGER GENERATED ALWAYS AS (n / 10) STORED REFERENCES p);"
        a, b = self.files("ab", schema, "p", "c")
        a.sql("INSERT INTO p VALUES(1, 'one')")
        a.sql("INSERT INTO c(id, n) VALUES('x', 15)")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id, r FROM c"), [("x", 1)])
        a.sql("UPDATE c SET n = 19")
        self.level(a, b)

    def test_columns_without_a_type(self):
        """As their key's columns say, so its values are stored, whatever the other file calls them."""
        a = self.file("a", "CREATE TABLE t(k, l \"\", v, PRIMARY KEY(k, l)); CREATE TABLE s(k ANY PRIMARY KEY, v ANY) STRICT;", "t", "s")
        b = self.file("b", "CREATE TABLE t(k BLOB, l, v, PRIMARY KEY(k, l)); CREATE TABLE s(k ANY PRIMARY KEY, v ANY) STRICT;", "t", "s")
        for table in ("t", "s"):
            for number, key in enumerate((1, 1.0, "1", b"1", 2.5, "")):
                a.sql(f"INSERT OR IGNORE INTO {table} VALUES(?, {'?, ' if table == 't' else ''}?)", *((key, key) if table == "t" else (key,)), number)
        self.level(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM t"), a.sql("SELECT count(*) FROM t"))

    def test_the_cache_of_the_host_is_as_it_was(self):
        a, b = self.files("ab", "CREATE TABLE t(id INTEGER PRIMARY KEY, a);", "t")
        a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, hex(randomblob(60)) FROM n")
        changeset = a.changeset()
        for size in (77, -100, 100000, -100000):
            b.x(f"PRAGMA cache_size = {size}")
            b.apply(changeset)
            self.assertEqual(b.one("PRAGMA cache_size"), size)
        self.level(a, b)


if __name__ == "__main__":
    unittest.main()
