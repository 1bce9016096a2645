"""What stands against a row that is held for its number was taken for the row that was looked at last: its parent, of another table. Its columns were read as those of the
row's own table, beyond the end where it had more."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, tick  # noqa: E402

SCHEMA = """CREATE TABLE wide(id INTEGER PRIMARY KEY, a, b, c, d, e, f, g, h, i);
            CREATE TABLE slim(id INTEGER PRIMARY KEY, wide INT REFERENCES wide, token);"""


class Occupants(SyncTest):
    def test_both_sides_are_of_the_table(self):
        a, b, c = self.files("abc", SCHEMA, "wide", "slim")
        a.sql("INSERT INTO wide(id, a, i) VALUES(5, 'parent', 'last')")
        self.level(a, b, c)
        for file, token in ((a, "A"), (b, "B")):
            file.sql("INSERT INTO slim VALUES(1, 5, ?)", token)
            tick()
        c.pull(a, b)
        self.assertEqual(c.x("SELECT tbl, ours, theirs FROM sync_conflict"), [("slim", '{"wide":5,"token":"A"}', '{"wide":5,"token":"B"}')])


if __name__ == "__main__":
    unittest.main()
