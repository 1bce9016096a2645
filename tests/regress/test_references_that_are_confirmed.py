"""sync_resolve 'ours' writes cells again as they are shown, so that they win. A reference was written by its number alone, which means a row from before the tracking: where another one had
the number, the choice was refused for a missing parent."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(k INTEGER PRIMARY KEY, p REFERENCES t);"


class Confirmed(SyncTest):
    def test_a_cell_that_was_refused(self):
        a, b = self.files("ab", SCHEMA, "t", "c")
        a.script("INSERT INTO t VALUES(1, 'one'), (2, 'two'); INSERT INTO c VALUES(7, 1)")
        b.pull(a)
        b.sql("CREATE TRIGGER no BEFORE UPDATE ON c WHEN NEW.p = 2 BEGIN SELECT RAISE(ABORT, 'no 2 here'); END")
        tick()
        a.sql("UPDATE c SET p = 2")
        b.pull(a)
        b.x("SELECT sync_resolve(id, 'ours') FROM sync_conflict")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT v FROM c JOIN t ON id = p"), [("one",)])
            self.assertEqual(file.x("SELECT * FROM sync_conflict"), [])

    def test_a_row_from_before_the_tracking(self):
        a, b = self.files("ab", SCHEMA)
        a.sql("INSERT INTO c VALUES(7, NULL)")
        b.script("INSERT INTO t VALUES(3, 'before'); INSERT INTO c VALUES(7, 3)")
        b.track("t", "c"), tick(), a.track("t", "c")
        exchange(a, b)
        a.script("DELETE FROM t; INSERT INTO t VALUES(3, 'since')")
        a.x("SELECT sync_resolve(id, 'theirs') FROM sync_conflict")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT v FROM c JOIN t ON id = p"), [("since",)])
            self.assertEqual(file.x("SELECT * FROM sync_conflict"), [])


if __name__ == "__main__":
    unittest.main()
