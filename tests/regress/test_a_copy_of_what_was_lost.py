"""A file was folded and copied, and then an older copy of itself was put in its place. Nobody had been told anything of what was folded, so it kept its id, and claimed to
hold all that it had ever stamped: what the first copy had of that it never got."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, tick  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"


class Lost(SyncTest):
    def lose(self, rows, fold):
        a = self.file("a", T, "t", "n")
        fold(a)
        older = a.snapshot()
        for row in range(rows):
            a.script(f"INSERT INTO t VALUES('lost {row}', 1); INSERT INTO n(v) VALUES('lost {row}');")
            fold(a)
        copy = self.copy(a, "copy")
        a.overwrite(older)
        tick()
        return a, copy

    def test_the_copy_gives_it_back(self):
        a, copy = self.lose(1, lambda file: file.fold())
        a.sql("INSERT INTO t VALUES('new', 2)")
        self.level(a, copy)
        self.assertEqual(a.sql("SELECT id FROM t ORDER BY id"), [("lost 0",), ("new",)])
        self.assertEqual(a.sql("SELECT v FROM n"), [("lost 0",)])

    def test_many_folds(self):
        a, copy = self.lose(3, lambda file: file.fold())
        copy.site()
        a.sql("INSERT INTO n(v) VALUES('new')")
        a.fold()
        self.level(a, copy)
        self.assertEqual(a.sql("SELECT v FROM n ORDER BY v"), [("lost 0",), ("lost 1",), ("lost 2",), ("new",)])

    def test_folded_by_a_merge(self):
        other = self.file("other", T, "t", "n")
        other.sql("INSERT INTO t VALUES('other', 3)")
        changeset = other.changeset()
        a, copy = self.lose(1, lambda file: file.apply(changeset))
        a.sql("INSERT INTO t VALUES('new', 2)")
        self.level(a, copy)
        self.assertEqual(a.sql("SELECT id FROM t ORDER BY id"), [("lost 0",), ("new",), ("other",)])


if __name__ == "__main__":
    unittest.main()
