"""After a table was renamed nobody may hold all that the site of its tracking wrote under that name: the file itself took a new id, or that file is gone. Rows from before the
tracking were then sent again with every exchange, and `--once` had no end."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('old', 1)"


class AtRest(SyncTest):
    def at_rest(self, *files):
        exchange(*files)
        for receiver in files:
            for sender in files:
                if sender is not receiver:
                    self.assertIsNone(sender.cut_for(receiver))
        for file in files[1:]:
            self.assertEqual(file.dump(), files[0].dump())

    def test_renamed_and_back(self):
        a, b, c = self.files("abc", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('only a', 2)")
        for name, before in (("u", "t"), ("t", "u"), ("u", "t"), ("t", "u")):
            a.x("SELECT sync_alter(?)", f"ALTER TABLE {before} RENAME TO {name}")
        self.at_rest(a, b, c)

    def test_renamed_everywhere_when_the_first_is_gone(self):
        first = self.file("first", SCHEMA, "t")
        a, b, c = (self.copy(first, name) for name in "abc")
        for file in (a, b, c):
            file.sql("INSERT INTO t VALUES(?, 2)", file.path[-4])
            tick()
        exchange(a, b, c)
        for file in (a, b, c):
            file.x("SELECT sync_alter('ALTER TABLE t RENAME TO u')")
        self.at_rest(a, b, c)


if __name__ == "__main__":
    unittest.main()
