"""Text that is not valid UTF-8 became other text in a file in UTF-16, silently, and keys fell together."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

TABLE = "CREATE TABLE t(id TEXT PRIMARY KEY, v, w UNIQUE); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"
BAD = ("x'ff'", "x'61ff62'", "x'eda080'", "x'efbfbe'", "x'610000efbfbf'", "x'c080'")
GOOD = ("x'61'", "x''", "x'6100c3a4'", "x'f09f9880'", "x'efbfbd'", "x'ee8080'")


class Utf16(SyncTest):
    def pair(self, encoding="UTF-16le"):
        a = self.file("a" + encoding, TABLE, "t", "n")
        b = self.open("b" + encoding + ".db", wal=False)
        b.script(f"PRAGMA encoding = '{encoding}'; PRAGMA journal_mode = wal;" + TABLE)
        return a, b.track("t", "n")

    def test_values(self):
        for encoding in ("UTF-16le", "UTF-16be"):
            with self.subTest(encoding):
                a, b = self.pair(encoding)
                for i, value in enumerate(GOOD):
                    a.sql(f"INSERT INTO t VALUES('good {i}', CAST({value} AS TEXT), NULL)")
                b.pull(a)
                self.assert_same(a, b)
                for i, value in enumerate(BAD):
                    a.sql(f"INSERT INTO t VALUES('bad {i}', CAST({value} AS TEXT), {i}); ")
                    a.sql(f"INSERT INTO n VALUES({i}, CAST({value} AS TEXT))")
                a.sql("UPDATE t SET v = CAST(x'ff' AS TEXT) WHERE id = 'good 0'")
                a.sql("INSERT INTO t VALUES('later', 'good', NULL)")
                b.pull(a)
                self.assertEqual({row[2] for row in b.held()}, {"datatype"})
                self.assertEqual(len(b.held()), 2 * len(BAD) + 1)
                self.assertIn("UTF-16", b.one("SELECT detail FROM sync_conflict"))
                self.assertEqual(b.sql("SELECT count(*) FROM t"), [(len(GOOD) + 1,)])
                self.assertEqual(b.sql("SELECT v FROM t WHERE id = 'good 0'"), [("a",)])
                c = self.file("c" + encoding, TABLE, "t", "n")   # what is held is given on as it is
                c.pull(b)
                self.assertEqual(c.dump(), a.dump())
                a.script("UPDATE t SET v = 'mended'; UPDATE n SET v = 'mended'")
                b.pull(a)
                self.assertEqual((b.held(), b.dump()), ([], a.dump()))
                invariants.check(b.path)

    def test_keys(self):
        a, b = self.pair()
        a.sql("INSERT INTO t VALUES(CAST(x'ff' AS TEXT), 1, NULL), (CAST(x'fe' AS TEXT), 2, NULL)")
        self.refused(b, "SELECT sync_apply(?)", a.changeset(), says=["table t", "key", "UTF-16"])
        a.sql("UPDATE t SET id = 'k' || v")
        b.pull(a)
        self.assertEqual((b.dump(), b.pull(a)), (a.dump(), 0))
        invariants.check(b.path)


if __name__ == "__main__":
    unittest.main()
