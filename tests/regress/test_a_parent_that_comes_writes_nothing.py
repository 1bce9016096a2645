"""A row without its parent means whoever comes to be shown under that number. That was stamped as a write of its file, at that moment, and so overrode what others had
written of the reference before, or of the whole row, where its key refers."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, tick  # noqa: E402

OTHER = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(k TEXT PRIMARY KEY, p REFERENCES t);"
DETAIL = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY REFERENCES t, v);"


class Parents(SyncTest):
    def test_a_reference_from_before_the_tracking(self):
        a, b = self.files("ab", OTHER)
        a.sql("INSERT INTO c VALUES('k', 3)")
        for file in (a, b):
            file.track("t", "c")
        b.script("INSERT INTO t VALUES(3, 'three'), (7, 'seven'); INSERT INTO c VALUES('k', 7);")
        tick()
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT v FROM c JOIN t ON id = p"), [("seven",)])
            self.assertEqual(file.x("SELECT * FROM sync_conflict"), [])

    def test_a_reference_that_nobody_wrote_meanwhile(self):
        a, b = self.files("ab", OTHER)
        a.sql("INSERT INTO c VALUES('k', 3)")
        for file in (a, b):
            file.track("t", "c")
        b.sql("INSERT INTO t VALUES(3, 'three')")
        tick()
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT v FROM c JOIN t ON id = p"), [("three",)])

    def test_a_key(self):
        a, b = self.files("ab", DETAIL, "t", "c")
        a.sql("INSERT INTO c VALUES(3, 'of a')")
        b.pull(a)
        tick()
        b.script("INSERT INTO t VALUES(3, 'parent'); INSERT INTO c VALUES(3, 'of b');")
        tick()
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT t.v, c.v FROM c JOIN t USING (id)"), [("parent", "of b")])
            self.assertEqual(file.x("SELECT * FROM sync_conflict"), [])


if __name__ == "__main__":
    unittest.main()
