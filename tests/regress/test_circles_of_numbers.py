"""Rows that refer to each other in a circle and lost their numbers to older ones: each was listed for the parent that it lacked, none for its number, so no file gave them other
numbers, and they stayed held for ever."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402


class Circles(SyncTest):
    def meet(self, schema, script, query, tables):
        a, b = files = self.files("ab", schema, *tables)
        for file in files:
            file.script("BEGIN; " + script.replace("?", file.path[-4]) + "; COMMIT")
            tick()
        exchange(a, b)
        for file in files:
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])
            self.assertEqual(file.sql(query), [("a", "a"), ("b", "b")])

    def test_persons_and_houses(self):
        self.meet("CREATE TABLE person(id INTEGER PRIMARY KEY, home INT NOT NULL REFERENCES house DEFERRABLE INITIALLY DEFERRED, w);"
                  "CREATE TABLE house(id INTEGER PRIMARY KEY, owner INT NOT NULL REFERENCES person DEFERRABLE INITIALLY DEFERRED, w);",
                  "INSERT INTO person VALUES(1, 1, '?'); INSERT INTO house VALUES(1, 1, '?')",
                  "SELECT p.w, h.w FROM person AS p JOIN house AS h ON h.id = p.home AND h.owner = p.id ORDER BY 1", ("person", "house"))

    def test_couples(self):
        self.meet("CREATE TABLE person(id INTEGER PRIMARY KEY, spouse INT REFERENCES person DEFERRABLE INITIALLY DEFERRED, w);",
                  "INSERT INTO person VALUES(1, 2, '?'), (2, 1, '?')",
                  "SELECT a.w, b.w FROM person AS a JOIN person AS b ON b.id = a.spouse AND a.id = b.spouse AND a.id < b.id ORDER BY 1", ("person",))

    def test_one_that_refers_to_itself(self):
        self.meet("CREATE TABLE person(id INTEGER PRIMARY KEY, self INT REFERENCES person, w);", "INSERT INTO person VALUES(1, 1, '?')",
                  "SELECT w, w FROM person WHERE self = id ORDER BY 1", ("person",))


if __name__ == "__main__":
    unittest.main()
