"""A column reads a value back otherwise than it was sent: INTEGER 1 into a REAL column is 1.0 there. Taken for a change, it went back and
forth for ever."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

VALUES = "1, -1, 0, 9007199254740993, 9223372036854775807, 1.0, 1.5, -0.0, 1e300, '1', '1.0', ' 1', 'x', x'31', NULL".split(", ")
TYPES = ["", "REAL", "INT", "TEXT", "NUMERIC", "BLOB"]


class ReadBack(SyncTest):
    def write(self, file, column):
        for i, value in enumerate(VALUES):
            file.sql(f"INSERT INTO t(id, {column}) VALUES('{i}', {value}) ON CONFLICT DO UPDATE SET {column} = {value}")

    def at_rest(self, *files):
        """exchange() fails where it comes to no rest; after it nobody has anything, nor is a version given out for nothing."""
        exchange(*files)
        versions = [file.version() for file in files]
        for file in files:
            file.close()
        self.assertEqual(exchange(*files), 0)
        self.assertEqual(versions, [file.version() for file in files])

    def test_columns_of_other_types(self):
        """One column of each type here; there they are turned by one place. So each type meets another, and each value."""
        for shift in range(len(TYPES)):
            with self.subTest(shift):
                turned = TYPES[shift:] + TYPES[:shift]
                a, b, c = [self.file(f"{name}{shift}", "CREATE TABLE t(id TEXT PRIMARY KEY, %s);" % ", ".join(f"c{i} {t}" for i, t in enumerate(types)), "t")
                           for name, types in (("a", TYPES), ("b", turned), ("c", TYPES))]
                for i in range(len(TYPES)):
                    self.write(a, f"c{i}")
                self.at_rest(a, b, c)
                self.assert_same(a, c)
                if shift == 0:
                    self.assert_same(a, b)
                tick()
                b.sql("UPDATE t SET c0 = 'edited' WHERE id = '3'")
                self.at_rest(a, b, c)
                self.assertEqual(c.sql("SELECT c0 FROM t WHERE id = '3'"), [("edited",)])

    def test_one_in_a_real_column(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, r REAL);", "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        self.at_rest(a, b)
        self.assertEqual(b.sql("SELECT typeof(r), r FROM t"), [("real", 1.0)])
        b.sql("UPDATE t SET r = 1")
        self.assertIsNone(b.cut_for(a))        # as it was: no change at all
        b.sql("UPDATE t SET r = 2")
        self.at_rest(a, b)
        self.assertEqual(a.raw("SELECT r FROM t"), ["(2.0,)"])

    def test_as_a_part_of_the_key(self):
        schema = "CREATE TABLE t(id REAL, part NUMERIC, v, PRIMARY KEY(id, part));"
        a, b = self.files("ab", schema, "t")
        a.sql("INSERT INTO t VALUES(1, '2', 'a'), (1.5, '2.0', 'b'), ('x', 'y', 'c')")
        b.sql("INSERT INTO t VALUES(1.0, 2.0, 'of b')")
        self.at_rest(a, b)
        self.assertEqual(len(a.rows("t")), 3)
        self.assert_same(a, b)


if __name__ == "__main__":
    unittest.main()
