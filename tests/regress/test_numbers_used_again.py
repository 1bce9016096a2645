"""A number that was in use, or free below the highest, when its table was tracked: what an insert there means does not depend on how
often the tail of the journal was told of before."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

SCHEMA = "CREATE TABLE t(k INTEGER PRIMARY KEY, v); CREATE TABLE other(k TEXT PRIMARY KEY);"


class Again(SyncTest):
    def check(self, name, between, first, second):
        a, b = self.files((name + "a", name + "b"), SCHEMA)
        a.sql("INSERT INTO t VALUES(9, 'makes 1 to 8 numbers of before')")
        b.sql("INSERT INTO t VALUES(3, 'of before, but not in a')")
        for file in (a, b):
            file.track("t", "other")
        b.sql("DELETE FROM t")
        a.script(first)
        if between == "telling":
            a.cut_for(b)
        elif between == "another table":
            a.sql("INSERT INTO other VALUES('x')")
        a.script(second)
        b.pull(a)
        a.fold()
        self.level(a, b)
        for file in (a, b):
            invariants.check(file.path)
        return a

    def test_a_row_of_another_birth_had_the_number(self):
        """The insert was told of as one over a row from before tracking, and folded as the birth of a new row: receivers kept the
        former, the sender the latter."""
        for name, last in (("deleted", "DELETE FROM t WHERE k = 3"), ("moved", "UPDATE t SET k = 21 WHERE k = 3")):
            for between in ("nothing", "telling", "another table"):
                with self.subTest(name, between=between):
                    a = self.check(name + between, between, f"INSERT INTO t VALUES(20, 'x'); UPDATE t SET k = 3 WHERE k = 20; {last}",
                                   "INSERT INTO t VALUES(3, 'y')")
                    self.assertEqual(a.sql("SELECT v FROM t WHERE k = 3"), [("y",)])

    def test_the_row_of_before_was_deleted(self):
        for between in ("nothing", "telling", "another table"):
            with self.subTest(between=between):
                self.check("before" + between, between, "DELETE FROM t", "INSERT INTO t VALUES(9, 'y')")

    def test_the_row_of_before_is_replaced(self):
        for between in ("nothing", "telling", "another table"):
            with self.subTest(between=between):
                a = self.check("replaced" + between, between, "INSERT INTO t VALUES(3, 'x'); DELETE FROM t WHERE k = 3",
                               "INSERT OR REPLACE INTO t VALUES(9, 'y')")
                self.assertEqual(a.x("SELECT count(*) FROM sync_changes WHERE key = '[9]' AND op = 'delete'"), [(0,)])


if __name__ == "__main__":
    unittest.main()
