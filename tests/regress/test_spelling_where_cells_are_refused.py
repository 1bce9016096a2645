"""A trigger refused the cells of a row that came with its key spelled otherwise. The cells waited, the spelling was lost: the file went on giving out the old one, as if it were the
new one's writer."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange, tick  # noqa: E402


class Spelling(SyncTest):
    def test_it_goes_on(self):
        for how in ("ABORT", "ROLLBACK"):
            with self.subTest(how=how):
                self.check(how)

    def check(self, how):
        a, b, c = self.files([name + how for name in "abc"], "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v);", "t")
        b.script("".join(f"CREATE TRIGGER no{what} BEFORE {what} ON t WHEN NEW.v = 2 BEGIN SELECT RAISE({how}, 'no'); END;" for what in ("INSERT", "UPDATE")))
        a.sql("INSERT INTO t VALUES('key', 1)")
        exchange(a, b, c)
        tick()
        a.script("UPDATE t SET k = 'KEY', v = 2")
        b.pull(a)
        self.assertEqual(b.sql("SELECT * FROM t"), [("KEY", 1)])
        c.pull(b)
        exchange(a, c)
        for file in (a, c):
            self.assertEqual(file.sql("SELECT * FROM t"), [("KEY", 2)])
        b.script("DROP TRIGGER noINSERT; DROP TRIGGER noUPDATE")
        b.fold()
        self.assertEqual(b.sql("SELECT * FROM t"), [("KEY", 2)])


if __name__ == "__main__":
    unittest.main()
