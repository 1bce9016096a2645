"""A cascade is journaled before the move that it comes from. Where that took the number of another row, the tags which it brought were taken for the ones that the other row had had,
and had just lost: these came back to life under what they had been, their tombstones were lost, and other files kept them."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, tick  # noqa: E402

SCHEMA = """CREATE TABLE list(id INTEGER PRIMARY KEY, name);
            CREATE TABLE entry(list REFERENCES list ON DELETE CASCADE ON UPDATE CASCADE, song, note, PRIMARY KEY(list, song));"""


class Tags(SyncTest):
    def moved(self, statements, rows):
        a, b, c = self.files("abc", SCHEMA, "list", "entry")
        a.script("PRAGMA foreign_keys = on; INSERT INTO list VALUES(2, 'moves'), (3, 'goes');"
                 "INSERT INTO entry VALUES(2, 'Hey', 'moves'), (3, 'Hey', 'goes'), (3, 'Help', 'goes')")
        self.level(a, b)
        tick()
        a.script(f"PRAGMA foreign_keys = on; {statements}")
        b.pull(a)
        c.pull(a)
        self.level(a, b, c)
        self.assertEqual(c.sql("SELECT list, song, note FROM entry"), rows)

    def test_onto_a_list_that_had_the_same(self):
        self.moved("UPDATE OR REPLACE list SET id = 3 WHERE id = 2", [(3, "Hey", "moves")])

    def test_and_on_from_there(self):
        self.moved("UPDATE OR REPLACE list SET id = id + 1", [(4, "Hey", "moves")])

    def test_onto_a_list_that_is_kept(self):
        self.moved("UPDATE OR IGNORE list SET id = 3 WHERE id = 2; DELETE FROM entry WHERE song = 'Hey'; INSERT INTO entry VALUES(3, 'Hey', 'again')",
                   [(3, "Help", "goes"), (3, "Hey", "again")])


if __name__ == "__main__":
    unittest.main()
