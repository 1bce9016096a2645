"""sync_resolve took away a row of another file that had been refused its number, where a row from before the tracking has it. The tombstone said that this file had deleted
who had the number, so INSERT OR REPLACE over the row from before made a new one of it, and the other files went on showing both."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from resolving import ResolveTest  # noqa: E402
from syncfile import exchange, tick  # noqa: E402

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, v);"


class Refused(ResolveTest):
    def test_replaced_afterwards(self):
        for real in (False, True):
            with self.subTest(real=real):
                a, b, c = files = self.files([f"{name}{real}" for name in "abc"], SCHEMA)
                for file in (a, b):
                    file.sql("INSERT INTO t VALUES(1, 'before')")
                for file in files:
                    file.track("t")
                tick()
                c.sql("INSERT INTO t VALUES(1, 'of c')")
                a.pull(c)
                self.resolve(a, "ours", reason="number")
                a.sql("INSERT OR REPLACE INTO t VALUES(1, 'replaced')")
                if real:
                    a.fold()
                exchange(a, b, c)
                self.assertEqual([file.sql("SELECT * FROM t") for file in files], [[(1, "replaced")]] * 3)
                self.settled(*files)
                for file in files:
                    file.close()


if __name__ == "__main__":
    unittest.main()
