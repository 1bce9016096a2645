"""sync_alter() on tables whose rows are shown under another number than that at birth, and on columns that refer to such rows."""
import unittest

from syncfile import SyncTest, exchange, invariants, tick

SCHEMA = """
CREATE TABLE p(id INTEGER PRIMARY KEY, a, b);
CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p, w);
"""
TABLES = ("p", "c")
REBUILD = ("CREATE TABLE fresh(id INTEGER PRIMARY KEY, {columns}); INSERT INTO fresh SELECT id, {values} FROM {table};"
           " DROP TABLE {table}; ALTER TABLE fresh RENAME TO {table}")
WAYS = {  # name -> what one file does to p first, and the column that its b is called then
    "drop": ("ALTER TABLE p DROP COLUMN b", None),
    "rename": ("ALTER TABLE p RENAME COLUMN b TO z", "z"),
    "rebuilt with less": (REBUILD.format(table="p", columns="a", values="a"), None),
    "rebuilt": (REBUILD.format(table="p", columns="b, a, c DEFAULT 'c'", values="b, a, 'c'"), "b"),
}


class Numbers(SyncTest):
    def alter(self, file, sql):
        return file.one("SELECT sync_alter(?)", sql)

    def met(self, kind=""):
        """Both files gave out number 1; B's row is shown under another one, and so is what refers to it. A third one knows nothing yet."""
        a, b, d = (self.file(name + kind, SCHEMA, *TABLES) for name in "abd")
        a.script("INSERT INTO p VALUES(1, 'A', 'Ab'); INSERT INTO c VALUES(1, 1, 'of A')")
        tick()
        b.script("INSERT INTO p VALUES(1, 'B', 'Bb'), (2, 'gone', 'gone'); INSERT INTO c VALUES(1, 1, 'of B')")
        exchange(a, b)
        b.sql("DELETE FROM p WHERE a = 'gone'")
        tick()
        exchange(a, b)
        self.assertNotEqual(b.sql("SELECT id FROM p WHERE a = 'B'"), [(1,)])
        self.assertTrue(b.sql("SELECT count(*) FROM sync_hidden_1 WHERE seq = 0")[0][0])
        return a, b, d

    def sound(self, *files):
        for file in files:
            invariants.check(file.path)
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])

    def under(self, file):
        return file.sql("SELECT p.a, c.w FROM c JOIN p ON p.id = c.p ORDER BY 1, 2")

    def test_a_column_of_renumbered_rows_goes_or_is_renamed(self):
        for at in (0, 1):
            for way, (statements, name) in WAYS.items():
                with self.subTest(way, at=at):
                    a, b, d = files = self.met(f"{way.replace(' ', '')}{at}")
                    stubs = files[at].sql("SELECT * FROM sync_hidden_1 WHERE seq = 0")
                    self.assertEqual(self.alter(files[at], statements), 1)
                    self.assertEqual(files[at].sql("SELECT * FROM sync_hidden_1 WHERE seq = 0"), stubs)
                    self.sound(a, b)
                    exchange(a, b)
                    self.sound(a, b)
                    tick()
                    files[at].sql("UPDATE p SET a = 'B!' WHERE a = 'B'")
                    files[1 - at].sql("UPDATE p SET b = 'Bb!' WHERE b = 'Bb'")
                    d.pull(files[at])
                    exchange(a, b, d)
                    self.sound(*files)
                    self.assertEqual(files[1 - at].sql("SELECT a, b FROM p ORDER BY a"), [("A", "Ab"), ("B!", "Bb!")])
                    self.assertEqual(files[at].sql("SELECT a FROM p ORDER BY a"), [("A",), ("B!",)])
                    self.assertEqual(d.sql("SELECT a FROM p ORDER BY a"), [("A",), ("B!",)])
                    for file in files:
                        self.assertEqual(self.under(file), [("A", "of A"), ("B!", "of B")])
                        self.assertEqual(file.sql("SELECT id FROM p ORDER BY a"), a.sql("SELECT id FROM p ORDER BY a"))
                    if name is None:
                        files[at].sql("ALTER TABLE p ADD COLUMN b")
                    for file in (files[1 - at], d) if name else ():
                        self.alter(file, statements)
                    exchange(*files)
                    self.level(*files)
                    self.sound(*files)
                    self.assertEqual(a.sql(f"SELECT a, {name or 'b'} FROM p ORDER BY a"), [("A", "Ab"), ("B!", "Bb!")])

    def test_rows_that_a_rebuild_changes_or_leaves_out(self):
        rebuild = "CREATE TABLE fresh(id INTEGER PRIMARY KEY, a, b); INSERT INTO fresh {}; DROP TABLE p; ALTER TABLE fresh RENAME TO p"
        a, b, d = self.met()
        self.alter(b, rebuild.format("SELECT id, a || '!', b FROM p"))
        self.level(a, b)
        self.sound(a, b)
        self.assertEqual(a.sql("SELECT a FROM p ORDER BY a"), [("A!",), ("B!",)])
        a.sql("DELETE FROM c WHERE w = 'of B'")
        self.alter(a, rebuild.format("SELECT id, a, b FROM p WHERE a <> 'B!'"))
        d.pull(a)
        self.level(a, b, d)
        self.sound(a, b, d)
        self.assertEqual(b.sql("SELECT a FROM p"), [("A!",)])

    def test_what_a_dropped_reference_means(self):
        """A third file gets the row from the one that dropped the column: it shows it, under the parent that was meant."""
        ways = {"drop": "ALTER TABLE c DROP COLUMN p", "rebuild": REBUILD.format(table="c", columns="w", values="w")}
        for at in (0, 1):
            for way, statements in ways.items():
                with self.subTest(way, at=at):
                    a, b, d = files = self.met(f"{way}{at}")
                    self.assertEqual(self.alter(files[at], statements), 1)
                    self.sound(a, b)
                    d.pull(files[at])
                    self.sound(d)
                    self.assertEqual(self.under(d), [("A", "of A"), ("B", "of B")])
                    exchange(*files)
                    self.sound(*files)
                    self.assertEqual(self.under(d), self.under(files[1 - at]))
                    files[at].sql("ALTER TABLE c ADD COLUMN p INTEGER REFERENCES p")
                    self.level(*files)
                    self.sound(*files)
                    self.assertEqual(self.under(files[at]), [("A", "of A"), ("B", "of B")])

    def test_what_a_reference_means_in_a_column_that_was_never_here(self):
        a, b, d = self.met()
        between = self.file("between", SCHEMA.replace("p INTEGER REFERENCES p, ", ""), *TABLES)
        between.pull(b)
        self.sound(between)
        d.pull(between)
        self.sound(d)
        self.assertEqual(self.under(d), [("A", "of A"), ("B", "of B")])
        between.sql("ALTER TABLE c ADD COLUMN p INTEGER REFERENCES p")
        self.level(a, b, between, d)
        self.sound(between)

    def test_a_new_key_leaves_own_rows_own(self):
        """Rows from before the tracking of two files that gave out the same number: they are no more one row than before."""
        files = [self.file(name, f"CREATE TABLE p(id INTEGER PRIMARY KEY, a); INSERT INTO p(a) VALUES('{name}')") for name in "ab"]
        for file in files:
            file.x("SELECT sync_track('p', '{\"genesis\": \"own\"}')")
            self.alter(file, "CREATE TABLE fresh(no INTEGER PRIMARY KEY, a); INSERT INTO fresh SELECT id, a FROM p; DROP TABLE p;"
                       " ALTER TABLE fresh RENAME TO p")
            self.assertEqual(file.one("SELECT options FROM sync_status"), '{"genesis":"own"}')
        self.level(*files)
        for file in files:
            invariants.check(file.path)
            self.assertEqual(file.sql("SELECT a FROM p"), [("a",)])
            self.assertEqual(file.held(), [("p", "[1]", "number")])
        self.assertEqual(self.alter(files[0], "CREATE TABLE fresh(k TEXT PRIMARY KEY, a); INSERT INTO fresh SELECT no, a FROM p; DROP TABLE p;"
                                    " ALTER TABLE fresh RENAME TO p"), 1)
        self.assertEqual(files[0].one("SELECT options FROM sync_status"), "{}")
        invariants.check(files[0].path)


if __name__ == "__main__":
    unittest.main()
