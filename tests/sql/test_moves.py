"""Many rows that two files gave the same numbers: they move out of the way at once, with all that refers to them."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = """
CREATE TABLE list(id INTEGER PRIMARY KEY, token TEXT, above INT REFERENCES list);
CREATE TABLE track(id INTEGER PRIMARY KEY, token TEXT);
CREATE TABLE entry(list INT REFERENCES list ON DELETE CASCADE, track INT REFERENCES track, note TEXT, PRIMARY KEY(list, track));
CREATE TABLE cover(list INTEGER PRIMARY KEY REFERENCES list, note TEXT);
CREATE TABLE remark(id TEXT PRIMARY KEY, list INT, track INT, FOREIGN KEY(list, track) REFERENCES entry);
CREATE TABLE plain(id TEXT PRIMARY KEY, list INT REFERENCES list, UNIQUE(list, id));
"""
TABLES = ("list", "track", "entry", "cover", "remark", "plain")
QUERIES = {
    "entries": "SELECT l.token, t.token, e.note FROM entry AS e JOIN list AS l ON l.id = e.list JOIN track AS t ON t.id = e.track ORDER BY 1, 2",
    "covers": "SELECT l.token, c.note FROM cover AS c JOIN list AS l ON l.id = c.list ORDER BY 1",
    "remarks": "SELECT l.token, t.token, r.id FROM remark AS r JOIN list AS l ON l.id = r.list JOIN track AS t ON t.id = r.track ORDER BY 3",
    "plain": "SELECT l.token, p.id FROM plain AS p JOIN list AS l ON l.id = p.list ORDER BY 2",
    "above": "SELECT l.token, a.token FROM list AS l JOIN list AS a ON a.id = l.above ORDER BY 1",
}
COUNT = 12


class Moves(SyncTest):
    def begin(self, schema=SCHEMA, names="ab", enforced="on"):
        files = self.files(names, schema, *TABLES)
        for file in files:
            for connection in (file.plain, file.extended):
                connection.execute(f"PRAGMA foreign_keys = {enforced}")
        files[0].sql("INSERT INTO plain VALUES('known to all', NULL)")
        self.level(*files)  # from here on they read each other's journals
        return files

    def fill(self, file, name):
        for i in range(1, COUNT + 1):
            file.sql("INSERT INTO list(token, above) VALUES(?, ?)", f"{name}{i:02}", i - 1 or None)
            file.sql("INSERT INTO track(token) VALUES(?)", f"{name}{i:02}")
            file.sql("INSERT INTO entry VALUES(?, ?, ?)", i, i, f"{name}{i:02}")
            if i % 2:
                file.sql("INSERT INTO cover VALUES(?, ?)", i, f"{name}{i:02}")
            file.sql("INSERT INTO remark VALUES(?, ?, ?)", f"{name}{i:02}", i, i)
            file.sql("INSERT INTO plain VALUES(?, ?)", f"{name}{i:02}", i)
        tick()

    def names(self, name, numbers=None):
        return [f"{name}{i:02}" for i in numbers or range(1, COUNT + 1)]

    def assert_whole(self, files, names):
        tokens = [t for name in names for t in self.names(name)]
        for file in files:
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql(QUERIES["entries"]), [(t, t, t) for t in tokens])
            self.assertEqual(file.sql(QUERIES["covers"]), [(t, t) for name in names for t in self.names(name, range(1, COUNT + 1, 2))])
            self.assertEqual(file.sql(QUERIES["remarks"]), [(t, t, t) for t in tokens])
            self.assertEqual(file.sql(QUERIES["plain"]), [(t, t) for t in tokens])
            self.assertEqual(file.sql(QUERIES["above"]), [(f"{n}{i:02}", f"{n}{i - 1:02}") for n in names for i in range(2, COUNT + 1)])
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])
            self.assertEqual(file.sql("PRAGMA integrity_check"), [("ok",)])

    def both(self, **begin):
        a, b = self.begin(**begin)
        self.fill(a, "A")
        self.fill(b, "B")
        return a, b

    def test_all_that_refers_to_them_goes_along(self):
        for enforced in ("on", "off"):
            with self.subTest(enforced):
                a, b = self.both(enforced=enforced, names=[f"{n}{enforced}" for n in "ab"])
                b.pull(a)
                self.assert_whole([b], "AB")
                self.assertEqual(b.sql("SELECT min(id), max(id) FROM list WHERE token GLOB 'B*'"), [(COUNT + 1, 2 * COUNT)])
                self.assertEqual(b.sql("SELECT token FROM list WHERE id > ? ORDER BY id", COUNT), [(t,) for t in self.names("B")])
                self.level(a, b)
                self.assert_whole([a, b], "AB")

    def test_nothing_was_taken_out_for_it(self):
        """No row of the younger file came and went: its triggers on other tables saw nothing, and the number of changes is that of the moves and the arrivals."""
        a, b = self.both()
        b.script("CREATE TABLE log(x); CREATE TRIGGER seen AFTER DELETE ON track BEGIN INSERT INTO log VALUES(old.id); END;")
        b.pull(a)
        self.assert_whole([b], "AB")
        self.assertEqual(b.sql("SELECT count(*) FROM log"), [(COUNT,)])  # tracks have a trigger: one by one
        self.level(a, b)

    def test_rows_that_others_knew_already(self):
        a, b, c = self.begin(names="abc")
        self.fill(a, "A")
        self.fill(b, "B")
        c.pull(b)
        c.script("UPDATE entry SET note = note || '!' WHERE list = 3; DELETE FROM remark WHERE list = 5; DELETE FROM entry WHERE list = 5")
        b.pull(a)
        self.level(a, b, c)
        self.assertEqual(a.sql("SELECT l.token, e.note FROM entry AS e JOIN list AS l ON l.id = e.list WHERE e.note GLOB '*!'"), [("B03", "B03!")])
        self.assertEqual(a.sql("SELECT count(*) FROM entry"), [(2 * COUNT - 1,)])

    def test_a_constraint_refuses_the_new_numbers(self):
        a, b = self.both(schema=SCHEMA.replace("CREATE TABLE track(id INTEGER PRIMARY KEY,", f"CREATE TABLE track(id INTEGER PRIMARY KEY CHECK(id <= {COUNT}),"))
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT token FROM track ORDER BY 1"), [(t,) for t in self.names("A")])
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])
        self.assertEqual(b.x("SELECT count(*) FROM sync_conflict WHERE tbl = 'track' AND reason = 'check'"), [(COUNT,)])

    def test_autoincrement_hands_out_none_of_them_again(self):
        schema = SCHEMA.replace("CREATE TABLE track(id INTEGER PRIMARY KEY,", "CREATE TABLE track(id INTEGER PRIMARY KEY AUTOINCREMENT,")
        a, b = self.both(schema=schema)
        b.pull(a)
        b.sql("DELETE FROM remark")
        b.sql("DELETE FROM entry")
        b.sql("DELETE FROM track WHERE id > ?", COUNT)
        b.sql("INSERT INTO track(token) VALUES('next')")
        self.assertEqual(b.sql("SELECT id FROM track WHERE token = 'next'"), [(2 * COUNT + 1,)])
        self.level(a, b)

    def test_inside_a_transaction_that_is_rolled_back(self):
        a, b = self.both()
        before = b.dump()
        changes = a.changeset(b.seen())
        b.x("BEGIN")
        b.x("SELECT sync_apply(?)", changes)
        b.x("ROLLBACK")
        self.assertEqual(b.dump(), before)
        self.assertEqual(b.x("PRAGMA foreign_keys"), [(1,)])
        self.level(a, b)
        self.assert_whole([a, b], "AB")

    def test_its_own_triggers_are_on_again(self):
        a, b = self.both()
        b.pull(a)
        b.x("UPDATE list SET token = 'edited' WHERE token = 'B03'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM list WHERE token = 'edited'"), [(1,)])

    def test_moved_twice(self):
        files = self.begin(names="abc")
        for file, name in zip(files, "ABC"):
            self.fill(file, name)
        a, b, c = files
        b.pull(a)
        c.pull(a)
        self.level(*files)
        self.assert_whole(files, "ABC")


if __name__ == "__main__":
    unittest.main()
