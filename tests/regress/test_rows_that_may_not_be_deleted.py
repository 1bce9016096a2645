"""A trigger refuses deletes. Merging takes rows out of their table to put them back under another number or below another parent, and holds those that
lose a UNIQUE value or their parent: nobody deletes them, so it is not for such a trigger to refuse."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

REFUSES = {
    "abort": "CREATE TRIGGER {0}_never BEFORE DELETE ON {0} BEGIN SELECT RAISE(ABORT, 'never'); END;",
    "rollback": "CREATE TRIGGER {0}_never BEFORE DELETE ON {0} BEGIN SELECT RAISE(ROLLBACK, 'never'); END;",
    "ignore": "CREATE TRIGGER {0}_never BEFORE DELETE ON {0} BEGIN SELECT RAISE(IGNORE); END;",
    "soft": "CREATE TRIGGER {0}_never BEFORE DELETE ON {0} BEGIN UPDATE {0} SET gone = 1 WHERE id = OLD.id; SELECT RAISE(IGNORE); END;",
}


class Refused(SyncTest):
    def each(self, schema, *tables):
        for kind, text in REFUSES.items():
            names = ["_".join([kind, *tables, end]) for end in "ab"]
            pair = self.files(names, schema + "".join(text.format(table) for table in tables))
            for file in pair:
                file.x("SELECT sync_track_all()")
            yield pair

    def test_a_detail_of_a_row_that_gets_another_number(self):
        schema = """CREATE TABLE customer(id INTEGER PRIMARY KEY, name);
                    CREATE TABLE card(id INTEGER PRIMARY KEY REFERENCES customer, token, gone DEFAULT 0);"""
        for a, b in self.each(schema, "card"):
            a.script("INSERT INTO customer VALUES(1, 'A'); INSERT INTO card(id, token) VALUES(1, 'of A')")
            b.script("INSERT INTO customer VALUES(1, 'B'); INSERT INTO card(id, token) VALUES(1, 'of B')")
            exchange(a, b)
            for file in (a, b):
                self.assertEqual(
                    file.sql("SELECT name, token, gone FROM customer LEFT JOIN card USING(id) ORDER BY name"), [("A", "of A", 0), ("B", "of B", 0)]
                )

    def test_a_row_that_gets_another_number_and_its_lines(self):
        schema = """CREATE TABLE invoice(id INTEGER PRIMARY KEY, who, gone DEFAULT 0);
                    CREATE TABLE line(id TEXT PRIMARY KEY, invoice REFERENCES invoice, gone DEFAULT 0);"""
        for tables in (["invoice"], ["line"], ["invoice", "line"]):
            for a, b in self.each(schema, *tables):
                a.script("INSERT INTO invoice(who) VALUES('A'); INSERT INTO line(id, invoice) VALUES('of A', 1)")
                b.script("INSERT INTO invoice(who) VALUES('B'); INSERT INTO line(id, invoice) VALUES('of B', 1)")
                exchange(a, b)
                for file in (a, b):
                    self.assertEqual(
                        file.sql("SELECT who, line.id, invoice.gone + line.gone FROM invoice LEFT JOIN line ON invoice = invoice.id ORDER BY who"),
                        [("A", "of A", 0), ("B", "of B", 0)],
                    )

    def test_a_row_that_loses_its_unique_value(self):
        for a, b in self.each("CREATE TABLE account(id TEXT PRIMARY KEY, mail UNIQUE, gone DEFAULT 0);", "account"):
            a.sql("INSERT INTO account(id, mail) VALUES('x', 'ada')")
            tick()
            b.sql("INSERT INTO account(id, mail) VALUES('y', 'ada')")
            exchange(a, b)
            for file in (a, b):
                self.assertEqual(file.sql("SELECT id, gone FROM account"), [("y", 0)])
                self.assertEqual(file.sql("SELECT key, held FROM sync_conflict"), [('["x"]', 1)])

    def test_a_row_that_loses_its_parent(self):
        schema = "CREATE TABLE p(id TEXT PRIMARY KEY); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p, gone DEFAULT 0);"
        for a, b in self.each(schema, "c"):
            a.sql("INSERT INTO p VALUES('p')")
            exchange(a, b)
            a.sql("DELETE FROM p")
            b.sql("INSERT INTO c(id, p) VALUES('c', 'p')")
            exchange(a, b)
            for file in (a, b):
                self.assertEqual(file.sql("SELECT id FROM c"), [])
                self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])
                self.assertEqual(file.sql("SELECT key, held FROM sync_conflict"), [('["c"]', 1)])
            b.sql("INSERT INTO p VALUES('p')")
            exchange(a, b)
            for file in (a, b):
                self.assertEqual(file.sql("SELECT id, gone FROM c"), [("c", 0)])

    def test_what_somebody_deletes_is_for_the_trigger_to_refuse(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        for file in (a, b):
            file.track("t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        exchange(a, b)
        b.script(REFUSES["abort"].format("t"))
        a.sql("DELETE FROM t")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id, v FROM t"), [("k", 1)])
        self.assertEqual(b.sql("SELECT reason, detail FROM sync_conflict"), [("trigger", "never")])
        entries = b.sql("SELECT max(seq) FROM sync_journal")
        b.sql("CREATE INDEX anything ON t(v)")
        b.x("SELECT sync_fold()")
        self.assertEqual(b.sql("SELECT max(seq) FROM sync_journal"), entries)  # nothing is told again as long as it is refused
        b.sql("DROP TRIGGER t_never")
        b.x("SELECT sync_fold()")
        self.assertEqual(b.sql("SELECT id, v FROM t"), [])
        self.assertEqual(b.sql("SELECT count(*) FROM sync_conflict"), [(0,)])

    def test_a_number_that_is_kept(self):
        a, b = self.files("ab", "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
        for file in (a, b):
            file.track("t")
        a.script("INSERT INTO t VALUES(1, 1), (2, 2)")
        exchange(a, b)
        b.script(REFUSES["abort"].format("t"))
        a.sql("DELETE FROM t WHERE id = 1")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id, v FROM t"), [(1, 1), (2, 2)])
        b.sql("DROP TRIGGER t_never")
        b.x("SELECT sync_fold()")
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT id, v FROM t"), [(2, 2)])


if __name__ == "__main__":
    unittest.main()
