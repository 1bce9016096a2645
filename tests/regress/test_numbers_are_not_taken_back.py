"""A program deletes the row of a number that a held row claims, and is given the number. The next fold decided anew who has it: the held row did, being older, and the
row that the program had just inserted was held in its place, for good, since its own file gives out new numbers only when something is merged."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE invoice(id INTEGER PRIMARY KEY, token, UNIQUE(token)); CREATE TABLE line(id TEXT PRIMARY KEY, invoice INT REFERENCES invoice);"
ROWS = "SELECT id, token FROM invoice ORDER BY id"


class Numbers(SyncTest):
    def begin(self):
        files = self.files("abc", SCHEMA, "invoice", "line")
        for file, token in zip(files[:2], "AB"):
            file.sql("INSERT INTO invoice(token) VALUES(?)", token)
            file.sql("INSERT INTO line VALUES(?, 1)", token)
            tick()
        files[2].pull(*files[:2])
        self.assertEqual(files[2].sql(ROWS), [(1, "A")])
        return files

    def insert(self, file):
        file.script("DELETE FROM line; DELETE FROM invoice; INSERT INTO invoice(token) VALUES('C'); INSERT INTO line VALUES('C', last_insert_rowid())")
        self.assertEqual(file.sql(ROWS), [(1, "C")])
        tick()

    def test_a_fold_leaves_it(self):
        a, b, c = self.begin()
        self.insert(c)
        c.fold()
        self.assertEqual(c.sql(ROWS), [(1, "C")])
        self.level(a, b, c)
        self.assertEqual(c.sql(ROWS), [(1, "C"), (2, "B")])
        self.assertEqual(a.sql("SELECT i.token, l.id FROM invoice AS i JOIN line AS l ON l.invoice = i.id ORDER BY 1"), [("B", "B"), ("C", "C")])

    def test_told_before_it_is_folded(self):
        a, b, c = self.begin()
        self.insert(c)
        a.pull(c)
        b.pull(c)
        self.level(a, b, c)
        self.assertEqual(a.sql(ROWS), [(1, "C"), (2, "B")])

    def test_moved_onto_it(self):
        a, b, c = self.begin()
        c.script("DELETE FROM line; DELETE FROM invoice; INSERT INTO invoice VALUES(9, 'C')")
        c.sql("UPDATE invoice SET id = 1")
        c.fold()
        self.assertEqual(c.sql(ROWS), [(1, "C")])
        self.level(a, b, c)
        self.assertEqual(b.sql(ROWS), [(1, "C"), (2, "B")])

    def test_a_number_that_is_claimed_from_elsewhere(self):
        """The held row was born under another number."""
        a, b, c = self.begin()
        d = self.file("d", SCHEMA, "invoice", "line")
        d.sql("INSERT INTO invoice VALUES(2, 'D')")
        tick()
        b.pull(a)                 # B takes 2
        c.pull(d)
        c.pull(b)                 # D has 2, and is younger than nobody there but B's write of 2
        self.assertEqual(dict(c.sql("SELECT token, id FROM invoice"))["A"], 1)
        held = c.x("SELECT key FROM sync_conflict WHERE held AND reason = 'number'")
        self.assertEqual(held, [("[2]",)])
        c.script("DELETE FROM line; DELETE FROM invoice WHERE id = 2; INSERT INTO invoice VALUES(2, 'C')")
        c.fold()
        self.assertEqual(dict(c.sql("SELECT token, id FROM invoice"))["C"], 2)
        self.level(a, b, c, d)
        self.assertEqual(dict(a.sql("SELECT token, id FROM invoice"))["C"], 2)
        self.assertEqual(a.held(), [])


class Silent(SyncTest):
    def test_a_row_whose_file_is_gone_gets_a_number_after_a_week(self):
        a, b, c, d = self.files("abcd", SCHEMA, "invoice", "line")
        a.sql("INSERT INTO invoice VALUES(1, 'A')")
        tick()
        b.script("INSERT INTO invoice VALUES(1, 'B'); INSERT INTO line VALUES('B', 1)")
        c.pull(a, b)
        d.pull(a, b)
        b.close()
        c.x("SELECT sync_apply(NULL)")
        self.assertEqual(c.sql(ROWS), [(1, "A")])
        for file in (c, d):
            file.x("UPDATE sync_conflict SET at = at - ?", 7 * 24 * 3600 * 1000 + 1000)
            file.x("SELECT sync_apply(NULL)")
            self.assertEqual(file.sql(ROWS), [(1, "A"), (2, "B")])
            tick()
        self.level(a, c, d)
        self.assertEqual(a.sql("SELECT token FROM invoice JOIN line ON line.invoice = invoice.id"), [("B",)])
        self.assertEqual(a.x("SELECT old, new, why LIKE '%not been heard of%' FROM sync_renumbered"), [(1, 2, 1)])


if __name__ == "__main__":
    unittest.main()
