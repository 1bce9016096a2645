"""A real file: two and three copies edited offline by the stock shell, in step again by SQL alone."""
import os
import unittest
from unittest import mock

from syncfile import SyncTest, tick

import sample

EDITS_A = """
PRAGMA foreign_keys = on;
BEGIN;
INSERT INTO Artist VALUES(1001, 'From A');
INSERT INTO Album(AlbumId, Title, ArtistId) VALUES(1001, 'First of A', 1001);
INSERT INTO Customer(CustomerId, FirstName, LastName, Email, SupportRepId) VALUES(1001, 'Ann', 'A.', 'ann@example.org', 3);
INSERT INTO Invoice(InvoiceId, CustomerId, InvoiceDate, Total) VALUES(1001, 1001, '2024-01-01', 1.98), (1002, 2, '2024-01-02', 0.99);
INSERT INTO InvoiceLine VALUES(10001, 1001, 1, 0.99, 1), (10002, 1001, 2, 0.99, 1), (10003, 1002, 3, 0.99, 1);
COMMIT;
UPDATE Customer SET Phone = 'A' WHERE CustomerId = 1;
UPDATE Customer SET City = 'City by A' WHERE CustomerId = 2;
UPDATE Track SET UnitPrice = UnitPrice + 1 WHERE TrackId BETWEEN 10 AND 30;
UPDATE Track SET Name = 'renamed by A' WHERE TrackId = 5;
DELETE FROM PlaylistTrack WHERE PlaylistId = 1 AND TrackId % 2 = 0;
INSERT INTO PlaylistTrack VALUES(10, 7), (10, 9);
DELETE FROM InvoiceLine WHERE InvoiceId = 5;
DELETE FROM Invoice WHERE InvoiceId = 5;
UPDATE Artist SET Name = 'to be deleted by B' WHERE ArtistId = 25;
UPDATE Employee SET ReportsTo = 1 WHERE EmployeeId = 8;
"""

EDITS_B = """
PRAGMA foreign_keys = on;
BEGIN;
INSERT INTO Artist VALUES(2001, 'From B');
INSERT INTO Album(AlbumId, Title, ArtistId) VALUES(2001, 'First of B', 2001), (2002, 'Second of B', 2);
INSERT INTO Customer(CustomerId, FirstName, LastName, Email, SupportRepId) VALUES(2001, 'Bob', 'B.', 'bob@example.org', 4);
INSERT INTO Invoice(InvoiceId, CustomerId, InvoiceDate, Total) VALUES(2001, 2001, '2024-01-01', 0.99);
INSERT INTO InvoiceLine VALUES(20001, 2001, 4, 0.99, 1);
COMMIT;
UPDATE Customer SET Phone = 'B' WHERE CustomerId = 1;
UPDATE Customer SET Company = 'Company by B' WHERE CustomerId = 2;
UPDATE Track SET Composer = 'B' WHERE TrackId BETWEEN 20 AND 40;
UPDATE Invoice SET Total = 77 WHERE InvoiceId = 5;
INSERT INTO InvoiceLine VALUES(20002, 5, 1, 0.99, 1);
DELETE FROM PlaylistTrack WHERE PlaylistId = 1 AND TrackId % 3 = 0;
INSERT OR IGNORE INTO PlaylistTrack VALUES(10, 9), (10, 11);
DELETE FROM PlaylistTrack WHERE TrackId IN (SELECT TrackId FROM Track JOIN Album USING(AlbumId) WHERE ArtistId = 25);
DELETE FROM InvoiceLine WHERE TrackId IN (SELECT TrackId FROM Track JOIN Album USING(AlbumId) WHERE ArtistId = 25);
DELETE FROM Track WHERE AlbumId IN (SELECT AlbumId FROM Album WHERE ArtistId = 25);
DELETE FROM Album WHERE ArtistId = 25;
DELETE FROM Artist WHERE ArtistId = 25;
"""


class Sample(SyncTest):
    def copies(self, names, addition=""):
        """Copies of the sample, each adopted on its own."""
        files = []
        for name in names:
            sample.make(str(self.path(name + ".db")))
            file = self.open(name + ".db")
            file.script(addition)
            files.append(file.track_all())
        return files

    def shell_pull(self, to, sender):
        """What a person would type."""
        seen, changes = self.path("seen"), self.path("changes")
        if os.path.exists(changes):
            os.remove(changes)
        to.xshell(f"SELECT writefile('{seen}', sync_seen());")
        sender.xshell(f"SELECT writefile('{changes}', c) FROM (SELECT sync_changeset(readfile('{seen}')) AS c) WHERE c IS NOT NULL;")
        if os.path.exists(changes):
            return int(to.xshell(f"SELECT sync_apply(readfile('{changes}'));"))
        return 0

    def test_all_tables_are_adopted_and_unchanged(self):
        sample.make(str(self.path("a.db")))
        a = self.open("a.db", wal=False)
        before = a.shell(".dump")
        size = os.path.getsize(a.path)
        a.track_all()
        self.assertEqual(a.tracked(), sample.TABLES)
        self.assertLess(os.path.getsize(a.path) - size, 400_000)
        identities = dict(a.x("SELECT tbl, identity FROM sync_status"))
        self.assertEqual({t for t, i in identities.items() if i == "key"}, {"PlaylistTrack"})
        a.x("SELECT sync_untrack_all()")
        self.assertEqual(a.shell(".dump"), before)

    def test_two_copies_by_the_shell(self):
        a, b = self.copies("ab")
        a.shell(EDITS_A)
        tick()
        b.shell(EDITS_B)
        for _ in range(2):
            self.shell_pull(a, b)
            self.shell_pull(b, a)
        self.check(a, b)
        self.assertEqual((self.shell_pull(a, b), self.shell_pull(b, a)), (0, 0))
        self.assertIsNone(a.cut_for(b))

    def check(self, *files):
        self.level(*files)
        for file in files:
            self.assertEqual(file.sql("SELECT Phone FROM Customer WHERE CustomerId = 1"), [("B",)])
            self.assertEqual(file.sql("SELECT City, Company FROM Customer WHERE CustomerId = 2"), [("City by A", "Company by B")])
            self.assertEqual(file.sql("SELECT count(*) FROM Track WHERE Composer = 'B' AND UnitPrice > 1.5"), [(11,)])
            self.assertEqual(file.sql("SELECT count(*) FROM Invoice JOIN InvoiceLine USING(InvoiceId) WHERE CustomerId IN (1001, 2001)"), [(3,)])
            self.assertEqual(file.sql("SELECT count(*) FROM Invoice WHERE InvoiceId = 5"), [(0,)])
            self.assertEqual(file.sql("SELECT count(*) FROM Artist WHERE ArtistId = 25"), [(0,)])
            self.assertEqual(file.sql("SELECT count(*) FROM PlaylistTrack WHERE PlaylistId = 1 AND (TrackId % 2 = 0 OR TrackId % 3 = 0)"), [(0,)])
            self.assertEqual(file.sql("SELECT count(*) FROM PlaylistTrack WHERE PlaylistId = 10 AND TrackId IN (7, 9, 11)"), [(3,)])
            self.assertEqual([h[:2] for h in file.held()], [("InvoiceLine", "[20002]")])      # its invoice is deleted

    def test_a_chain_of_three(self):
        a, b, c = self.copies("abc")
        a.shell(EDITS_A)
        tick()
        c.shell(EDITS_B)
        for _ in range(3):
            b.pull(a), c.pull(b), b.pull(c), a.pull(b)
        self.assert_same(a, b, c)
        self.check(a, b, c)

    def test_one_of_them_starts_empty(self):
        a = self.copies("a")[0]
        schema = "".join(sql + ";\n" for (sql,) in a.sql("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sync%' ORDER BY type DESC"))
        empty = self.file("empty", schema).track_all()
        a.shell(EDITS_A)
        self.assertGreater(empty.pull(a), 2000)
        self.level(a, empty)

    def test_numbers_handed_out_on_both_sides(self):
        a, b = self.copies("ab")
        for file, name in ((a, "A"), (b, "B")):
            file.shell(f"""PRAGMA foreign_keys = on; BEGIN;
                INSERT INTO Customer(FirstName, LastName, Email) VALUES('{name}', '{name}', '{name}@example.org');
                INSERT INTO Invoice(CustomerId, InvoiceDate, Total) VALUES(last_insert_rowid(), '2024', 1);
                INSERT INTO InvoiceLine(InvoiceId, TrackId, UnitPrice, Quantity) SELECT last_insert_rowid(), 1, 1, 1;
                INSERT INTO InvoiceLine(InvoiceId, TrackId, UnitPrice, Quantity) SELECT max(InvoiceId), 2, 1, 1 FROM Invoice; COMMIT;""")
            tick()
        self.level(a, b)
        for file in (a, b):
            shown = file.sql("SELECT DISTINCT FirstName FROM Customer JOIN Invoice USING(CustomerId) JOIN InvoiceLine USING(InvoiceId) WHERE length(FirstName) = 1")
            self.assertEqual(sorted(shown), [("A",), ("B",)])
            self.assertEqual(file.sql("SELECT FirstName, group_concat(TrackId) FROM (SELECT FirstName, TrackId FROM Customer JOIN Invoice USING(CustomerId)"
                                      " JOIN InvoiceLine USING(InvoiceId) WHERE length(FirstName) = 1 ORDER BY TrackId) GROUP BY FirstName"),
                             [("A", "1,2"), ("B", "1,2")])
            self.assertEqual(file.held(), [])

    def test_a_full_text_index_stays_searchable(self):
        a, b = self.copies("ab", sample.FULL_TEXT)
        self.assertEqual(a.tracked(), sample.TABLES)
        a.shell(EDITS_A + "INSERT INTO Track(TrackId, Name, MediaTypeId, Milliseconds, UnitPrice) VALUES(10001, 'zyzzyva from A', 1, 1, 1);")
        tick()
        b.shell(EDITS_B + "UPDATE Track SET Name = 'quokka from B' WHERE TrackId = 6;")
        self.level(a, b)
        for file in (a, b):
            for word, row in (("zyzzyva", 10001), ("quokka", 6), ("renamed", 5)):
                self.assertEqual(file.sql("SELECT rowid FROM TrackText WHERE TrackText MATCH ?", word), [(row,)])
            file.sql("INSERT INTO TrackText(TrackText, rank) VALUES('integrity-check', 1)")

    def test_a_unique_index(self):
        a, b = self.copies("ab", sample.UNIQUE_EMAIL)
        a.shell("INSERT INTO Customer(CustomerId, FirstName, LastName, Email) VALUES(3001, 'A', 'A', 'same@example.org');"
                "INSERT INTO Invoice(InvoiceId, CustomerId, InvoiceDate, Total) VALUES(3001, 3001, '2024', 1);")
        tick()
        b.shell("INSERT INTO Customer(CustomerId, FirstName, LastName, Email) VALUES(3002, 'B', 'B', 'same@example.org');")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT FirstName FROM Customer WHERE Email = 'same@example.org'"), [("B",)])
            self.assertEqual([h[:2] for h in file.held()], [("Customer", "[3001]"), ("Invoice", "[3001]")])
        b.shell("UPDATE Customer SET Email = 'other@example.org' WHERE CustomerId = 3002;")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM Customer JOIN Invoice USING(CustomerId) WHERE CustomerId = 3001"), [(1,)])
        self.assertEqual(a.held(), [])


class OwnSample(Sample):
    """The same with the database of our own, which stands in where the real one is not there."""

    def setUp(self):
        super().setUp()
        absent = mock.patch.object(sample, "CHINOOK", self.path("nothing here"))
        absent.start()
        self.addCleanup(absent.stop)


if __name__ == "__main__":
    unittest.main()
