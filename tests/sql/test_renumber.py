"""Rows of two files that were given one number: both are shown, the younger one under another number, and what refers to it follows."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SHOP = """
CREATE TABLE invoice(id INTEGER PRIMARY KEY, token TEXT);
CREATE TABLE line(id INTEGER PRIMARY KEY, invoice INTEGER NOT NULL REFERENCES invoice ON DELETE CASCADE, no INTEGER, token TEXT, UNIQUE(invoice, no));
CREATE INDEX line_invoice ON line(invoice);
"""
TABLES = ("invoice", "line")
UNDER = "SELECT i.token, group_concat(l.token, ' ') FROM invoice AS i LEFT JOIN (SELECT * FROM line ORDER BY no) AS l ON l.invoice = i.id GROUP BY i.id ORDER BY i.token"


class Shop(SyncTest):
    def begin(self, names="ab", schema=SHOP):
        return self.files(names, schema, *TABLES)

    def bill(self, file, token, lines):
        """An application takes max + 1, and remembers what it got."""
        file.sql("INSERT INTO invoice(token) VALUES(?)", token)
        number = file.sql("SELECT id FROM invoice WHERE token = ?", token)[0][0]
        for no in range(1, lines + 1):
            file.sql("INSERT INTO line(invoice, no, token) VALUES(?, ?, ?)", number, no, f"{token}{no}")
        tick()
        return number

    def both_bill(self, **begin):
        a, b = self.begin(**begin)
        self.assertEqual(self.bill(a, "A", 2), self.bill(b, "B", 3))
        return a, b

    def assert_bills(self, files, expected):
        for file in files:
            self.assertEqual(file.sql(UNDER), expected)
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])


class Invoices(Shop):
    def test_both_are_shown_each_line_under_the_invoice_it_meant(self):
        a, b = self.both_bill()
        self.level(a, b)
        self.assert_bills((a, b), [("A", "A1 A2"), ("B", "B1 B2 B3")])
        self.assertEqual(a.sql("SELECT id, token FROM invoice"), [(1, "A"), (2, "B")])

    def test_with_autoincrement(self):
        a, b = self.both_bill(schema=SHOP.replace("INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"))
        a.sql("INSERT INTO invoice VALUES(50, 'gone')")
        a.sql("DELETE FROM invoice WHERE id = 50")
        self.level(a, b)
        self.assert_bills((a, b), [("A", "A1 A2"), ("B", "B1 B2 B3")])

    def test_numbers_that_never_met_stay(self):
        a, b = self.begin()
        self.bill(a, "first", 1)
        self.level(a, b)
        for _ in range(3):
            self.bill(a, f"A{_}", 1)
        b.sql("INSERT INTO invoice VALUES(100, 'far')")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id, token FROM invoice"), [(1, "first"), (2, "A0"), (3, "A1"), (4, "A2"), (100, "far")])

    def test_edits_and_lines_of_a_third_file_that_knew_the_old_number(self):
        a, b, c = self.begin("abc")
        self.bill(a, "A", 1)
        self.bill(b, "B", 1)
        c.pull(b)
        number = c.sql("SELECT id FROM invoice WHERE token = 'B'")[0][0]
        c.sql("UPDATE invoice SET token = 'B!' WHERE id = ?", number)
        c.sql("INSERT INTO line(invoice, no, token) VALUES(?, 9, 'from c')", number)
        exchange(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM invoice"), [(2,)])
        self.level(a, b, c)
        self.assert_bills((a, b, c), [("A", "A1"), ("B!", "B1 from c")])

    def test_a_delete_of_a_third_file_hits_the_row_that_it_meant(self):
        a, b, c = self.begin("abc")
        self.bill(a, "A", 1)
        self.bill(b, "B", 2)
        c.pull(b)
        c.script("PRAGMA foreign_keys = on; DELETE FROM invoice")
        exchange(a, b)
        self.level(a, b, c)
        self.assert_bills((a, b, c), [("A", "A1")])

    def test_it_is_written_and_deleted_under_its_new_number(self):
        a, b = self.both_bill()
        self.level(a, b)
        a.sql("UPDATE invoice SET token = 'B later' WHERE token = 'B'")
        b.sql("UPDATE line SET token = 'B2 later' WHERE token = 'B2'")
        self.level(a, b)
        self.assert_bills((a, b), [("A", "A1 A2"), ("B later", "B1 B2 later B3")])
        a.script("PRAGMA foreign_keys = on; DELETE FROM invoice WHERE token = 'B later'")
        self.level(a, b)
        self.assert_bills((a, b), [("A", "A1 A2")])
        self.assertEqual(self.bill(a, "again", 1), 2)
        self.level(a, b)
        self.assert_bills((a, b), [("A", "A1 A2"), ("again", "again1")])

    def test_renumbered_at_the_same_time_into_the_same_number(self):
        """b and c both lose to a, and both take the next free one."""
        a, b, c = self.begin("abc")
        for file, token in ((a, "A"), (b, "B"), (c, "C")):
            self.bill(file, token, 2)
        b.pull(a)
        c.pull(a)
        self.assertEqual(b.sql("SELECT id FROM invoice WHERE token = 'B'"), c.sql("SELECT id FROM invoice WHERE token = 'C'"))
        self.level(a, b, c)
        self.assert_bills((a, b, c), [("A", "A1 A2"), ("B", "B1 B2"), ("C", "C1 C2")])

    def test_a_row_that_refers_to_itself(self):
        a, b = self.files("ab", "CREATE TABLE node(id INTEGER PRIMARY KEY, up INTEGER REFERENCES node, token);", "node")
        a.sql("INSERT INTO node VALUES(1, 1, 'A')")
        tick()
        b.sql("INSERT INTO node VALUES(1, 1, 'B'), (2, 1, 'below B')")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT n.token, u.token FROM node AS n JOIN node AS u ON u.id = n.up ORDER BY 1"), [("A", "A"), ("B", "B"), ("below B", "B")])

    def test_no_number_is_left(self):
        a, b = self.begin()
        a.sql("INSERT INTO invoice VALUES(9223372036854775807, 'A')")
        tick()
        b.sql("INSERT INTO invoice VALUES(9223372036854775807, 'B')")
        self.level(a, b)
        self.assertEqual(a.held(), [("invoice", "[9223372036854775807]", "number")])

    def test_negative_numbers(self):
        a, b = self.begin()
        a.sql("INSERT INTO invoice VALUES(-5, 'A')")
        tick()
        b.sql("INSERT INTO invoice VALUES(-5, 'B')")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM invoice"), [(-5, "A"), (1, "B")])

    def test_a_number_that_is_another_one_cannot_follow(self):
        schema = "CREATE TABLE list(id INTEGER PRIMARY KEY, token); CREATE TABLE detail(id INTEGER PRIMARY KEY REFERENCES list);"
        a, b = self.files("ab", schema, "list")
        for file in (a, b):
            file.x("SELECT sync_track('detail', '{\"identity\": \"row\"}')")
        a.sql("INSERT INTO list VALUES(1, 'A')")
        tick()
        b.script("INSERT INTO list VALUES(1, 'B'); INSERT INTO detail VALUES(1)")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT * FROM list"), [(1, "A")])
            self.assertEqual([(t, r) for t, _, r in file.held()], [("detail", "foreign key"), ("list", "number")])

    def test_triggers_of_the_application_see_rows_come_and_go(self):
        a, b = self.begin(schema=SHOP + """CREATE VIRTUAL TABLE found USING fts5(token);
            CREATE TRIGGER found_insert AFTER INSERT ON line BEGIN INSERT INTO found(rowid, token) VALUES(new.id, new.token); END;
            CREATE TRIGGER found_delete AFTER DELETE ON line BEGIN DELETE FROM found WHERE rowid = old.id; END;""")
        self.bill(a, "A", 2)
        self.bill(b, "B", 2)
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT l.token FROM found JOIN line AS l ON l.id = found.rowid WHERE found MATCH 'B2'"), [("B2",)])

    def test_a_dry_run_says_under_which_number(self):
        a, b = self.both_bill()
        seen = b.seen()
        said = b.x("SELECT sync_apply(?, '{\"dry_run\": true}')", a.changeset(seen))[0][0]
        self.assertIn('"op":"insert"', said)
        self.assertEqual(b.sql("SELECT id, token FROM invoice"), [(1, "B")])

    def test_inside_a_transaction_that_is_rolled_back(self):
        a, b = self.both_bill()
        changes = a.changeset(b.seen())
        before = b.dump()
        b.x("BEGIN")
        b.x("SELECT sync_apply(?)", changes)
        self.assertEqual(b.x("SELECT count(*) FROM invoice"), [(2,)])
        b.x("ROLLBACK")
        self.assertEqual(b.dump(), before)
        self.level(a, b)
        self.assert_bills((a, b), [("A", "A1 A2"), ("B", "B1 B2 B3")])


class Renumbered(Shop):
    """sync_renumbered says what changed, when, why and by whom."""

    def listed(self, file):
        return file.x("SELECT tbl, old, new, why LIKE 'another row was given the old number earlier%', who = born_by, lower(born_by) FROM sync_renumbered ORDER BY 1, 2, 3")

    def test_what_changed_when_and_why(self):
        a, b = self.both_bill()
        self.assertEqual(self.listed(a), [])
        before = b.x("SELECT CAST(1000 * unixepoch('now', 'subsec') AS INT)")[0][0] if sqlite3.sqlite_version_info >= (3, 42) else 0
        self.level(a, b)
        expected = [("invoice", 1, 2, 1, 1, b.site().hex()), ("line", 1, 4, 1, 1, b.site().hex()), ("line", 2, 5, 1, 1, b.site().hex())]
        for file in (a, b):
            self.assertEqual(self.listed(file), expected)
        self.assertEqual(b.x("SELECT count(*) FROM sync_renumbered WHERE at < ? OR at < born_at OR born_at IS NULL", before), [(0,)])
        self.assertEqual(b.x("SELECT i.token FROM sync_renumbered JOIN invoice AS i ON i.id = new WHERE tbl = 'invoice' AND old = 1"), [("B",)])

    def test_who_gave_it_is_told_apart(self):
        a, b, c = self.begin("abc")
        self.bill(a, "A", 0)
        self.bill(b, "B", 0)
        c.pull(a, b)
        c.x("SELECT sync_resolve(id, 'keep both') FROM sync_conflict")
        self.assertEqual(c.x("SELECT old, new, lower(who), lower(born_by), why LIKE '%sync_resolve%' FROM sync_renumbered"), [(1, 2, c.site().hex(), b.site().hex(), 1)])
        self.level(a, b, c)

    def test_a_row_that_is_gone_is_not_listed(self):
        a, b = self.both_bill()
        self.level(a, b)
        a.script("PRAGMA foreign_keys = on; DELETE FROM invoice WHERE id = 2")
        self.assertEqual(self.listed(a), [])
        self.level(a, b)
        self.assertEqual(self.listed(b), [])
        self.bill(b, "C", 0)     # another row has that number now
        self.level(a, b)
        self.assertEqual(self.listed(a), [])

    def test_in_a_file_that_is_not_tracked(self):
        self.assertEqual(self.file("plain", "CREATE TABLE t(id INTEGER PRIMARY KEY)").x("SELECT * FROM sync_renumbered"), [])


if __name__ == "__main__":
    unittest.main()
