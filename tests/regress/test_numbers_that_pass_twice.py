"""A number passed to another row and on, all at once: a move of all numbers, a row that is written and deleted again. What refers to it had been told as meaning the row from before, and
was known by the last of those that came and went: one row in two states, of which others kept the one for ever."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = """CREATE TABLE list(id INTEGER PRIMARY KEY, name);
            CREATE TABLE cover(list INTEGER PRIMARY KEY REFERENCES list, art);
            CREATE TABLE entry(list REFERENCES list, song, PRIMARY KEY(list, song));
            CREATE TABLE loan(id TEXT PRIMARY KEY, list REFERENCES list);"""
TABLES = ("list", "cover", "entry", "loan")
CHILDREN = "INSERT INTO cover VALUES({0}, 'blue'); INSERT INTO entry VALUES({0}, 'Hey'); INSERT INTO loan VALUES('l', {0});"
CAME_AND_WENT = "DELETE FROM list WHERE id = {0}; INSERT INTO list VALUES({0}, 'passes'); DELETE FROM list WHERE id = {0};"
PASSES = {"moves": "INSERT INTO list VALUES({0} - 1, 'moves'); UPDATE OR REPLACE list SET id = id + 1 WHERE id IN ({0} - 1, {0}); UPDATE list SET id = id + 7 WHERE id = {0};",
          "comes and goes": CAME_AND_WENT,
          "somebody stays": CAME_AND_WENT + "INSERT INTO list VALUES({0}, 'stays');"}


class Passing(SyncTest):
    def agree(self, *files):
        """The last file has heard of nothing so far; orphans are shown in their own file alone."""
        exchange(*files[:-1])
        exchange(*files)
        for other in files[1:]:
            self.assertEqual(files[0].cells(), other.cells())
            self.assertEqual(other.held(), files[-1].held())

    def agree_to_the_end(self, *files):
        """What is told of a row again shows by what it is known."""
        self.agree(*files)
        for end in ("UPDATE cover SET art = 'green'", "DELETE FROM cover; DELETE FROM entry; DELETE FROM loan"):
            tick()
            files[0].script(end)
            self.agree(*files)

    def each_way(self, check):
        for passes, script in PASSES.items():
            for told in ("merged", "read"):
                with self.subTest(passes=passes, told=told):
                    a, b, c = self.files([f"{name}{passes}{told}" for name in "abc"], SCHEMA, *TABLES)
                    a.script("PRAGMA foreign_keys = off")
                    check(a, b, c, (lambda: exchange(a, b)) if told == "merged" else (lambda: b.pull(a)), script)

    def test_what_refers_to_it_was_told(self):
        def check(a, b, c, tell, script):
            a.script("INSERT INTO list VALUES(2, 'first');" + CHILDREN.format(2))
            tell()
            tick()
            a.script(script.format(2))
            self.agree_to_the_end(a, b, c)

        self.each_way(check)

    def test_a_row_that_was_born_under_another_number(self):
        def check(a, b, c, tell, script):
            b.script("INSERT INTO list VALUES(1, 'older')")
            tick()
            a.script("INSERT INTO list VALUES(1, 'pushed')")
            exchange(a, b)
            number = a.sql("SELECT id FROM list WHERE name = 'pushed'")[0][0]
            self.assertNotEqual(number, 1)
            a.script("DELETE FROM list WHERE name = 'older';" + CHILDREN.format(number))
            tell()
            tick()
            a.script(script.format(number))
            self.agree_to_the_end(a, b, c)

        self.each_way(check)

    def test_nobody_had_it_before(self):
        def check(a, b, c, tell, script):
            a.script(CHILDREN.format(2))
            tell()
            tick()
            a.script("INSERT INTO list VALUES(2, 'first');" + script.format(2))
            self.agree_to_the_end(a, b, c)

        self.each_way(check)

    def test_what_refers_to_it_is_written_or_deleted_too(self):
        ends = ("DELETE FROM cover; DELETE FROM entry; DELETE FROM loan", "INSERT OR REPLACE INTO cover VALUES(2, 'red'); INSERT OR REPLACE INTO entry VALUES(2, 'Hey')",
                "DELETE FROM cover; DELETE FROM entry; INSERT INTO cover VALUES(2, 'red'); INSERT INTO entry VALUES(2, 'Hey')")
        for at, end in enumerate(ends):
            for passes, script in PASSES.items():
                for told in ("merged", "read", "read, and folded here"):
                    with self.subTest(end=end, passes=passes, told=told):
                        a, b, c = self.files([f"{name}{at}{passes}{told}" for name in "abc"], SCHEMA, *TABLES)
                        a.script("PRAGMA foreign_keys = off; INSERT INTO list VALUES(2, 'first');" + CHILDREN.format(2))
                        exchange(a, b) if told == "merged" else b.pull(a)
                        tick()
                        a.script(script.format(2) + end)
                        if told != "read":
                            a.fold()
                        self.agree_to_the_end(a, b, c)

    def test_told_of_before_and_after_and_deleted_then(self):
        """Each of two files has heard of another row."""
        for passes, script in PASSES.items():
            for first in ("INSERT INTO list VALUES(2, 'first');", ""):
                with self.subTest(passes=passes, first=first):
                    a, b, c, d = self.files([f"{name}{passes}{len(first)}" for name in "abcd"], SCHEMA, *TABLES)
                    a.script("PRAGMA foreign_keys = off;" + first + CHILDREN.format(2))
                    b.pull(a)
                    tick()
                    a.script(script.format(2) if first else "INSERT INTO list VALUES(2, 'first')")
                    c.pull(a)
                    tick()
                    a.script("DELETE FROM cover; DELETE FROM entry")
                    self.agree_to_the_end(a, b, c, d)


if __name__ == "__main__":
    unittest.main()
