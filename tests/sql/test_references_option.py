"""The option `references`: columns that refer to rows although the schema does not say so follow them to other numbers."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE invoice(id INTEGER PRIMARY KEY, token); CREATE TABLE memo(id TEXT PRIMARY KEY, invoice INT, text);"
OPTION = '{"references": {"invoice": "invoice"}}'
MEMOS = "SELECT i.token, m.text FROM memo AS m LEFT JOIN invoice AS i ON i.id = m.invoice ORDER BY 2"


class References(SyncTest):
    def begin(self, names="ab", option=OPTION, schema=SCHEMA):
        files = self.files(names, schema, "invoice")
        for file in files:
            file.track("memo", options=option)
        return files

    def fill(self, file, token, count=1):
        for _ in range(count):
            file.sql("INSERT INTO invoice(token) VALUES(?)", token)
            file.sql("INSERT INTO memo SELECT ? || max(id), max(id), ? FROM invoice", token, "of " + token)
        tick()

    def test_they_follow(self):
        for count in (1, 5):  # one by one, and many at once
            files = self.begin([f"{n}{count}" for n in "abc"])
            for file, token in zip(files, "ABC"):
                self.fill(file, token, count)
            self.level(*files)
            for file in files:
                self.assertEqual(file.sql(MEMOS), [(t, "of " + t) for t in "ABC" for _ in range(count)])
                self.assertEqual(file.held(), [])

    def test_not_without_it(self):
        a, b = self.begin(option=None)
        self.fill(a, "A")
        self.fill(b, "B")
        self.level(a, b)
        self.assertEqual(a.sql(MEMOS), [("A", "of A"), ("A", "of B")])

    def test_a_row_waits_until_the_one_that_it_refers_to_is_shown(self):
        a, b, c = self.begin("abc")
        self.fill(a, "A")
        self.fill(b, "B")
        c.pull(a, b)
        self.assertEqual(sorted(c.held()), [("invoice", "[1]", "number"), ("memo", '["B1"]', "foreign key")])
        self.level(a, b, c)
        self.assertEqual(c.sql(MEMOS), [("A", "of A"), ("B", "of B")])

    def test_nothing_is_enforced(self):
        """A reference to nobody, and one to a row that is deleted, are shown as they are in all files."""
        a, b = self.begin()
        a.sql("INSERT INTO memo VALUES('zero', 0, 'nobody'), ('far', 99, 'nobody')")
        self.fill(a, "A")
        self.level(a, b)
        a.sql("DELETE FROM invoice")
        self.level(a, b)
        b.sql("INSERT INTO memo VALUES('late', 1, 'x')")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT id, invoice FROM memo ORDER BY 1"), [("A1", 1), ("far", 99), ("late", 1), ("zero", 0)])
            self.assertEqual(file.x("SELECT count(*) FROM sync_conflict"), [(0,)])

    def test_it_is_kept_and_cloned(self):
        a, = self.begin("a")
        self.assertEqual(a.x("SELECT options FROM sync_status WHERE tbl = 'memo'"), [('{"references":{"invoice":"invoice"}}',)])
        b = self.file("b", SCHEMA, "invoice")
        b.track("memo", options=a.x("SELECT options FROM sync_status WHERE tbl = 'memo'")[0][0])
        self.assertEqual(b.x("SELECT options FROM sync_status WHERE tbl = 'memo'"), [('{"references":{"invoice":"invoice"}}',)])

    def test_what_is_no_such_option(self):
        file = self.file("f", SCHEMA)
        for wrong in ('{"references": "invoice"}', '{"references": {"invoice": 1}}', '{"references": {"genesis": "own"}}', '{"references": null}'):
            self.refused(file, "SELECT sync_track('memo', ?)", wrong, says=["references is an object"])
        self.refused(file, "SELECT sync_track('memo', ?)", '{"refers": 1}', says=['"identity", "genesis", "references"'])

    def test_beside_other_options(self):
        file = self.file("f", "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, p)", "p")
        file.track("c", options='{"references": {"p": "p"}, "genesis": "own"}')
        self.assertEqual(file.x("SELECT options FROM sync_status WHERE tbl = 'c'"), [('{"genesis":"own","references":{"p":"p"}}',)])

    def declared(self, file):
        return file.x("SELECT options ->> 'references' FROM sync_status WHERE options ->> 'references' IS NOT NULL")

    def renamed(self, script, expected, by_alter=True):
        """The two files after a change of schema that concerns the names of the option: which goes along, and still follows."""
        a, b = self.begin([f"{n}{len(script)}{by_alter}" for n in "ab"])
        for file in (a, b):
            if by_alter:
                file.x("SELECT sync_alter(?)", script)
            else:
                file.script(script)
                file.fold()
            self.assertEqual(self.declared(file), [(expected,)])
        return a, b

    def follow(self, files, invoice, memo, column):
        for file, token in zip(files, "AB"):
            file.sql(f"INSERT INTO {invoice}(token) VALUES(?)", token)
            file.sql(f"INSERT INTO {memo}(id, {column}, text) SELECT ?, max(id), ? FROM {invoice}", token, "of " + token)
            tick()
        self.level(*files)
        for file in files:
            self.assertEqual(file.sql(f"SELECT i.token, m.text FROM {memo} AS m JOIN {invoice} AS i ON i.id = m.{column} ORDER BY 2"),
                             [("A", "of A"), ("B", "of B")])

    def test_names_that_change(self):
        for by_alter in (True, False):
            self.follow(self.renamed("ALTER TABLE memo RENAME COLUMN invoice TO bill", '{"bill":"invoice"}', by_alter), "invoice", "memo", "bill")
            self.follow(self.renamed("ALTER TABLE invoice RENAME TO bill", '{"invoice":"bill"}', by_alter), "bill", "memo", "invoice")
            self.follow(self.renamed("ALTER TABLE memo RENAME TO note", '{"invoice":"invoice"}', by_alter), "invoice", "note", "invoice")

    def test_columns_that_exchange_their_names(self):
        swap = "ALTER TABLE memo RENAME COLUMN invoice TO x; ALTER TABLE memo RENAME COLUMN text TO invoice; ALTER TABLE memo RENAME COLUMN x TO text"
        for by_alter in (True, False):
            self.renamed(swap, '{"text":"invoice"}', by_alter)

    def test_tables_that_exchange_their_names(self):
        a, = self.begin("a")
        a.script("CREATE TABLE other(id INTEGER PRIMARY KEY)")
        a.track("other")
        a.x("SELECT sync_alter('ALTER TABLE invoice RENAME TO x; ALTER TABLE other RENAME TO invoice; ALTER TABLE x RENAME TO other')")
        self.assertEqual(self.declared(a), [('{"invoice":"other"}',)])

    def test_a_table_with_another_key(self):
        self.follow(self.renamed("CREATE TABLE m(id TEXT, part INT DEFAULT 1, invoice INT, text, PRIMARY KEY(id, part)); DROP TABLE memo; ALTER TABLE m RENAME TO memo",
                                 '{"invoice":"invoice"}'), "invoice", "memo", "invoice")


if __name__ == "__main__":
    unittest.main()
