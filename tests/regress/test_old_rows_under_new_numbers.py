"""A row from before the tracking lost its number to one that a program inserted while it was held, and came under another. What refers to it said so by
the old number alone: it was shown with the row that has that number now in one file, and not at all in the others."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = ("CREATE TABLE person(id INTEGER PRIMARY KEY, email UNIQUE, boss REFERENCES person); CREATE TABLE phone(number TEXT PRIMARY KEY, person REFERENCES person, note);"
          "CREATE TABLE desk(person INTEGER PRIMARY KEY REFERENCES person, room);"
          "INSERT INTO person VALUES(1, 'ada', NULL), (2, 'bob', 1); INSERT INTO phone VALUES('111', 1, ''), ('222', 2, ''); INSERT INTO desk VALUES(1, 'A')")
WEEK_MS = 8 * 24 * 3600 * 1000


class Old(SyncTest):
    def rows(self, file):
        return (file.sql("SELECT p.email, b.email FROM person AS p LEFT JOIN person AS b ON b.id = p.boss ORDER BY p.email"),
                file.sql("SELECT number, email, note FROM phone LEFT JOIN person ON id = person ORDER BY number"),
                file.sql("SELECT email, room FROM desk LEFT JOIN person ON id = person"))

    def moved(self):
        """1 is ada no more: she was held, a program inserted 1 anew, and after a week she was shown again, as 6."""
        a, b, c = files = self.files("abc", SCHEMA, "person", "phone", "desk")
        exchange(*files)
        a.sql("UPDATE person SET email = 'zoe' WHERE id = 1")
        tick()
        b.sql("INSERT INTO person VALUES(5, 'zoe', NULL)")
        exchange(*files)
        self.assertEqual(a.sql("SELECT id FROM person"), [(5,)])
        a.sql("INSERT INTO person VALUES(1, 'new', NULL)")
        a.fold()
        exchange(*files)
        a.sql("UPDATE person SET email = 'other' WHERE id = 5")
        a.sql("UPDATE sync_conflict SET at = at - ?", WEEK_MS)
        a.apply(None)
        self.assertEqual(a.sql("SELECT id FROM person WHERE email = 'zoe'"), [(6,)])
        return files

    def check(self, files, note=""):
        for file in files:
            self.assertEqual(self.rows(file), (
                [("bob", "zoe"), ("new", None), ("other", None), ("zoe", None)], [("111", "zoe", note), ("222", "bob", "")], [("zoe", "A")]))
            self.assertEqual(file.sql("SELECT * FROM pragma_foreign_key_check"), [])
            self.assertEqual(file.sql("SELECT * FROM sync_conflict"), [])

    def test_what_refers_to_them_follows(self):
        files = self.moved()
        exchange(*files)
        self.check(files)
        self.assertEqual(files[0].cells(), files[1].cells())

    def test_what_is_written_later_says_whom_it_means(self):
        a, b, c = files = self.moved()
        exchange(*files)
        b.sql("UPDATE phone SET note = 'new', person = 1 WHERE number = '111'")
        b.fold()
        b.sql("UPDATE phone SET note = 'again', person = 6 WHERE number = '111'")
        exchange(b, c, a)
        self.check(files, "again")

    def test_a_file_that_comes_later(self):
        files = self.moved()
        late = self.file("d", SCHEMA[:SCHEMA.index("INSERT")], "person", "phone", "desk")
        late.pull(files[0])
        self.check([files[0], late])

    def test_a_column_that_is_dropped_meanwhile(self):
        files = self.moved()
        a, late = files[0], self.file("d", SCHEMA[:SCHEMA.index("INSERT")], "person", "phone", "desk")
        self.assertEqual(a.one("SELECT sync_alter('ALTER TABLE phone DROP COLUMN person')"), 1)
        late.pull(a)
        self.check([late])
        exchange(*files)
        self.check(files[1:])
        self.assertEqual(len(a.sql("SELECT * FROM phone")), 2)
        a.sql("ALTER TABLE phone ADD COLUMN person REFERENCES person")
        exchange(*files)
        self.check(files)


if __name__ == "__main__":
    unittest.main()
