"""A new row that cannot be shown, and that changes nothing for others, was decided anew with all that is held. It is not any more; so its entry must be whole without that, and what does
change something for others must still be decided."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = ("CREATE TABLE invoice(id INTEGER PRIMARY KEY, customer);"
          "CREATE TABLE line(id INTEGER PRIMARY KEY, invoice INT NOT NULL REFERENCES invoice, what, price REAL);"
          "CREATE INDEX line_invoice ON line(invoice);")
LISTED = ("SELECT tbl, key, reason, ours, theirs, our_stamp IS NOT NULL, their_stamp IS NOT NULL, our_site IS NOT NULL, their_site IS NOT NULL "
          "FROM sync_conflict ORDER BY tbl, key")


class Idle(SyncTest):
    def shop(self, file, customer, count=1):
        for i in range(1, count + 1):
            file.script(f"INSERT INTO invoice VALUES({i}, '{customer}'); INSERT INTO line VALUES({2 * i}, {i}, 'ink', 0.1), ({2 * i + 1}, {i}, 'pen', 1e300)")
        tick()

    def test_both_sides_of_a_number_and_one_of_a_line(self):
        a, b = self.files("ab", SCHEMA, "invoice", "line")
        self.shop(a, "of a")
        self.shop(b, "of b")
        a.pull(b)
        self.assertEqual(a.x(LISTED), [
            ("invoice", "[1]", "number", '{"customer":"of a"}', '{"customer":"of b"}', 1, 1, 1, 1),
            ("line", "[2]", "foreign key", None, '{"invoice":1,"what":"ink","price":0.1}', 0, 1, 0, 1),
            ("line", "[3]", "foreign key", None, '{"invoice":1,"what":"pen","price":1e+300}', 0, 1, 0, 1)])
        self.assertEqual(a.sql("SELECT customer FROM invoice"), [("of a",)])
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("SELECT customer, count(*) FROM invoice JOIN line ON invoice = invoice.id GROUP BY 1"), [("of a", 2), ("of b", 2)])

    def test_a_parent_that_was_deleted_is_told(self):
        a, b = self.files("ab", SCHEMA, "invoice", "line")
        b.script("INSERT INTO invoice VALUES(1, 'of b')")
        exchange(a, b)
        tick()
        a.script("DELETE FROM invoice")
        b.script("INSERT INTO line VALUES(2, 1, 'ink', 0.1)")
        a.pull(b)
        self.assertEqual(a.x(LISTED), [("line", "[2]", "foreign key", None, '{"invoice":1,"what":"ink","price":0.1}', 1, 1, 1, 1)])

    def test_an_older_row_that_comes_later_has_the_number(self):
        a, b, c = self.files("abc", SCHEMA, "invoice", "line")
        self.shop(a, "of a")
        self.shop(b, "of b")
        c.pull(b)
        c.pull(a)
        self.assertEqual(c.sql("SELECT customer FROM invoice"), [("of a",)])
        self.assertEqual(c.x("SELECT key, theirs FROM sync_conflict WHERE tbl = 'invoice'"), [("[1]", '{"customer":"of b"}')])

    def test_both_sides_after_the_other_one_has_changed(self):
        a, b = self.files("ab", SCHEMA, "invoice", "line")
        self.shop(a, "of a")
        self.shop(b, "of b")
        a.pull(b)
        a.script("UPDATE invoice SET customer = 'of a, later'")
        a.x("SELECT sync_fold()")
        self.assertEqual(a.x("SELECT ours, theirs FROM sync_conflict WHERE tbl = 'invoice'"), [('{"customer":"of a, later"}', '{"customer":"of b"}')])

    def test_a_parent_that_comes_after_its_line_in_another_part(self):
        a, b = self.files("ab", SCHEMA, "invoice", "line")
        self.shop(a, "of a", 3)
        a.script("DELETE FROM line; DELETE FROM invoice WHERE id > 1")
        self.shop(b, "of b", 40)
        a.pull(b)
        self.assertEqual(a.x("SELECT tbl, count(*) FROM sync_conflict GROUP BY 1"), [("invoice", 1), ("line", 2)])
        self.assertEqual(a.one("SELECT count(*) FROM line"), 78)
        exchange(a, b)
        self.assertEqual(a.held(), [])
        self.assertEqual(a.one("SELECT count(*) FROM line"), 80)
        self.assertEqual(a.sql("PRAGMA foreign_key_check"), [])


class Decided(SyncTest):
    """Rows that are held where they come, and yet belong in the table."""

    def test_a_younger_claim_with_the_value_that_was_written_later(self):
        a, b = self.files("ab", "CREATE TABLE member(id INTEGER PRIMARY KEY, email UNIQUE, who);", "member")
        for file, who in ((a, "a"), (b, "b")):
            file.script(f"INSERT INTO member VALUES(1, 'ada@example.org', '{who}')")
            tick()
        a.pull(b)
        self.assertEqual(a.sql("SELECT id, who FROM member"), [(1, "b")])
        self.assertEqual(a.x("SELECT reason, ours FROM sync_conflict"), [("unique", '{"email":"ada@example.org","who":"a"}')])

    def test_who_is_shown_in_one_go_with_the_row_that_it_refers_to(self):
        schema = "CREATE TABLE person(id INTEGER PRIMARY KEY, boss INT REFERENCES person, who);"
        a, b, c = self.files("abc", schema, "person")
        for file, who in ((a, "a"), (b, "b")):
            file.script(f"INSERT INTO person VALUES(1, NULL, '{who}'), (2, 1, '{who}'), (3, 1, '{who}'), (4, 3, '{who}')")
            tick()
        c.pull(b)
        c.pull(a)
        self.assertEqual(c.sql("SELECT id, boss, who FROM person"), [(1, None, "a"), (2, 1, "a"), (3, 1, "a"), (4, 3, "a")])

    def test_who_refers_to_rows_that_have_moved_meanwhile(self):
        schema = "CREATE TABLE person(id INTEGER PRIMARY KEY, boss INT REFERENCES person, who);"
        a, b = self.files("ab", schema, "person")
        for file, who in ((a, "a"), (b, "b")):
            file.script(f"INSERT INTO person VALUES(1, NULL, '{who}'), (2, 1, '{who}'), (3, 1, '{who}'), (4, 3, '{who}')")
            tick()
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("SELECT p.who, count(*) FROM person AS p JOIN person AS b ON b.id = p.boss AND b.who = p.who GROUP BY 1"), [("a", 3), ("b", 3)])

    def test_a_parent_that_comes_after_its_line(self):
        a, b = self.files("ab", SCHEMA, "line", "invoice")
        b.script("INSERT INTO invoice VALUES(7, 'of b'); INSERT INTO line VALUES(1, 7, 'ink', 0.1)")
        a.pull(b)
        self.assertEqual(a.sql("SELECT customer, what FROM line JOIN invoice ON invoice.id = invoice"), [("of b", "ink")])

    def test_who_refer_to_each_other(self):
        schema = "CREATE TABLE person(id INTEGER PRIMARY KEY, spouse INT REFERENCES person DEFERRABLE INITIALLY DEFERRED, who);"
        a, b = self.files("ab", schema, "person")
        b.script("BEGIN; INSERT INTO person VALUES(1, 2, 'x'), (2, 1, 'y'); COMMIT")
        a.pull(b)
        self.assertEqual(a.sql("SELECT * FROM person"), [(1, 2, "x"), (2, 1, "y")])
        self.assertEqual(a.held(), [])


class Moves(SyncTest):
    """Numbers that nobody can refuse are given without a savepoint."""

    def both(self, schema, lines):
        a, b = self.files("ab", schema, "invoice", "line")
        for file, name in ((a, "of a"), (b, "of b")):
            file.script("INSERT INTO invoice VALUES(1, '{0}'), (2, '{0}'), (3, '{0}'); INSERT INTO line VALUES {1}".format(name, lines))
            tick()
        return a, b

    def check(self, a, b, count):
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("SELECT customer, count(*) FROM invoice JOIN line ON invoice = invoice.id GROUP BY 1"), [("of a", count), ("of b", count)])

    def test_a_child_may_refuse_them(self):
        schema = SCHEMA.replace("REFERENCES invoice", "REFERENCES invoice CHECK(invoice < 100)")
        self.check(*self.both(schema, "(1, 1, '', 0), (2, 2, '', 0), (3, 3, '', 0)"), 3)

    def test_what_is_made_of_them_is_unique(self):
        schema = SCHEMA.replace("price REAL", "price REAL, half INT AS (invoice / 2) UNIQUE")
        a, b = self.both(schema, "(1, 1, '', 0), (2, 2, '', 0)")
        exchange(a, b)
        self.assertEqual(a.dump(), b.dump())
        self.assertEqual(a.sql("PRAGMA integrity_check"), [("ok",)])

    def test_an_orphan_refers_to_the_next_number(self):
        schema = SCHEMA.replace("NOT NULL REFERENCES invoice", "NOT NULL UNIQUE REFERENCES invoice")
        a, b = self.both(schema, "(1, 1, '', 0), (2, 2, '', 0), (9, 4, 'orphan', 0)")
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("PRAGMA integrity_check"), [("ok",)])
            self.assertEqual(file.one("SELECT count(*) FROM invoice"), 6)


if __name__ == "__main__":
    unittest.main()
