"""The number under which a row refers to another says what it is known by. Where a program had written it without a parent it stayed in its table whatever happened to the numbers in
it: when a merge took its other parent away, or showed another row under a number before it was looked at, it meant other rows than it was told and listed as, or was not found where a
change of it arrived: two states of one row. What a number means changes only by a write, or the row is held with its parent."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = """CREATE TABLE list(id INTEGER PRIMARY KEY, name, slug UNIQUE); CREATE TABLE track(id INTEGER PRIMARY KEY, title);
            CREATE TABLE entry(list REFERENCES list, track REFERENCES track, note, PRIMARY KEY(list, track));
            CREATE TABLE loan(id TEXT PRIMARY KEY, list REFERENCES list, track REFERENCES track);"""
TABLES = ("list", "track", "entry", "loan")


class Orphans(SyncTest):
    def begin(self):
        files = self.files("abc", SCHEMA, *TABLES)
        files[0].sql("PRAGMA foreign_keys = off")
        return files

    def agree(self, *files):
        """An orphan is shown in its own file alone, but all know the same of it; the last file has heard of nothing so far."""
        exchange(*files[:-1])
        exchange(*files)
        for other in files[1:]:
            self.assertEqual(files[0].cells(), other.cells())

    def orphans_of_a_list(self, a, b):
        b.sql("INSERT INTO list VALUES(1, 'goes', 'x')")
        exchange(a, b)
        a.script("INSERT INTO entry VALUES(1, 4, 'one parent'); INSERT INTO loan VALUES('l', 1, 4)")
        exchange(a, b)
        tick()

    def test_the_other_parent_is_deleted_elsewhere(self):
        a, b, c = self.begin()
        self.orphans_of_a_list(a, b)
        b.sql("DELETE FROM list")
        self.agree(a, b, c)
        for file in (a, b, c):
            self.assertEqual(file.held(), [("entry", "[1,4]", "foreign key"), ("loan", '["l"]', "foreign key")])

    def test_and_its_number_goes_to_another_row(self):
        a, b, c = self.begin()
        self.orphans_of_a_list(a, b)
        b.script("DELETE FROM list; INSERT INTO list VALUES(1, 'another', 'y')")
        self.agree(a, b, c)
        for file in (a, b, c):
            self.assertEqual(file.held(), [("entry", "[1,4]", "foreign key"), ("loan", '["l"]', "foreign key")])

    def test_the_other_parent_waits_and_somebody_settles_the_row(self):
        a, b = (self.file(name, SCHEMA + "INSERT INTO list VALUES(2, 'from before', 'x');") for name in "ab")
        b.sql("DELETE FROM list")
        a.track(*TABLES)
        b.track(*TABLES)
        a.script("PRAGMA foreign_keys = off; INSERT INTO entry VALUES(2, 1000, 'one parent')")
        a.fold()
        tick()
        b.sql("INSERT INTO list VALUES(4, 'wins', 'x')")
        b.pull(a)
        b.x("SELECT sync_resolve(id, CASE WHEN theirs LIKE '%one parent%' THEN 'ours' ELSE 'theirs' END) FROM sync_conflict WHERE tbl = 'entry'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM entry"), [])

    def test_a_row_that_waited_for_the_number_is_shown(self):
        a, b, c = self.begin()
        a.script("INSERT INTO list VALUES(3, 'older', 'x'); INSERT INTO entry VALUES(3, 4, 'of the older'); INSERT INTO track VALUES(4, 't')")
        tick()
        b.sql("INSERT INTO list VALUES(3, 'waits', 'y')")
        a.pull(b)
        exchange(a, c)
        self.assertEqual(a.held(), [("list", "[3]", "number")])
        a.sql("DELETE FROM list")
        a.fold()
        self.assertEqual(a.sql("SELECT name FROM list"), [("waits",)])
        exchange(a, c)
        self.agree(a, c, b)
        for file in (a, b, c):
            self.assertEqual(file.sql("SELECT list, track, note FROM entry"), [(3, 4, "of the older")])
        self.assert_same(a, b, c)

    def test_the_row_that_it_is_like_comes_with_the_parent(self):
        a, b, c = self.begin()
        for end in ("", "UPDATE entry SET note = 'changed'", "DELETE FROM entry"):
            with self.subTest(end=end):
                number = {"": 1, "D": 2, "U": 3}[end[:1]]
                a.sql("INSERT INTO entry VALUES(?, 4, 'orphan')", number)
                exchange(a, b)
                tick()
                b.script("INSERT OR IGNORE INTO track VALUES(4, 't')")
                b.sql("INSERT INTO list VALUES(?, 'b', ?)", number, number)
                b.sql("INSERT INTO entry VALUES(?, 4, 'of b')", number)
                if end:
                    b.script(end)
                a.pull(b)
                self.agree(a, b, c)
                self.assert_same(a, b, c)

    def test_one_that_is_deleted_and_written_again(self):
        """It was a new row then, beside the tombstone of the same one."""
        a, b, c = self.begin()
        a.sql("INSERT INTO entry VALUES(3, 4, 'orphan')")
        exchange(a, b)
        tick()
        a.script("DELETE FROM entry; INSERT INTO entry VALUES(3, 4, 'again')")
        self.agree(a, b, c)
        a.script("DELETE FROM entry")
        self.agree(a, b, c)
        a.script("INSERT INTO entry VALUES(3, 4, 'once more')")
        self.agree(a, b, c)
        a.script("INSERT INTO list(id) VALUES(3); INSERT INTO track(id) VALUES(4)")
        self.level(a, b, c)
        self.assertEqual(c.sql("SELECT note FROM entry"), [("once more",)])

    def test_its_parent_is_written_anew_and_it_is_deleted(self):
        """All at once: the delete was told of what its number meant by then, not of the row that the program had deleted."""
        ends = ("DELETE FROM entry", "UPDATE entry SET list = 2", "UPDATE entry SET list = 2; UPDATE entry SET list = 1", "INSERT OR REPLACE INTO entry VALUES(1, 4, 'new')",
                "DELETE FROM entry; INSERT INTO entry VALUES(1, 4, 'new')")
        for parent in ("shown", "deleted", "never there"):
            for at, end in enumerate(ends):
                with self.subTest(end=end, parent=parent):
                    a, b = self.files((f"{at}a{parent}", f"{at}b{parent}"), SCHEMA, *TABLES)
                    a.script("PRAGMA foreign_keys = off; INSERT INTO list(id) VALUES(2); INSERT INTO track(id) VALUES(4)")
                    if parent != "never there":
                        a.sql("INSERT INTO list(id) VALUES(1)")
                    if parent == "deleted":
                        a.sql("DELETE FROM list WHERE id = 1")
                        a.fold()
                    a.sql("INSERT INTO entry VALUES(1, 4, 'note')")
                    exchange(a, b)
                    tick()
                    a.script(f"BEGIN; DELETE FROM list WHERE id = 1; INSERT INTO list(id, name) VALUES(1, 'new'); {end}; COMMIT")
                    self.level(a, b)

    def test_the_row_that_it_is_like_waits_for_the_parent(self):
        for end in ("", "DELETE FROM entry"):
            with self.subTest(end=end):
                a, b, c = self.files((end[:1] + "a", end[:1] + "b", end[:1] + "c"), SCHEMA, *TABLES)
                b.script("INSERT INTO track VALUES(4, 't'); INSERT INTO list VALUES(1, 'b', 'x'); INSERT INTO entry VALUES(1, 4, 'of b')")
                tick()
                a.sql("PRAGMA foreign_keys = off")
                a.script("INSERT INTO list VALUES(9, 'a', 'x'); INSERT INTO entry VALUES(1, 4, 'orphan')")
                exchange(a, b)
                b.script(end)
                exchange(a, b)
                self.assertEqual([row for row in a.held() if row[0] == "list"], [("list", "[1]", "unique")])
                a.sql("UPDATE list SET slug = 'y'")
                a.fold()
                self.agree(a, b, c)
                self.assert_same(a, b, c)
                self.assertEqual(c.sql("SELECT * FROM entry"), [(1, 4, "orphan")])


if __name__ == "__main__":
    unittest.main()
