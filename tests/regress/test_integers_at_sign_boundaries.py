"""Integers at each boundary of a byte: one whose first bit was taken for its sign came out negative, or the other way round."""
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402

EDGES = sorted({sign * (2 ** bits) + step for bits in range(64) for sign in (1, -1) for step in (-1, 0, 1)
                if -2 ** 63 <= sign * (2 ** bits) + step < 2 ** 63})


class Signs(SyncTest):
    def assert_arrived(self, schema, column):
        a, b, c = self.files([f"{schema[16:22]} {n}" for n in "abc"], schema, "t")
        for n in EDGES:
            a.sql(f"INSERT INTO t({column}) VALUES(?)" if column == "id" else f"INSERT INTO t(id, {column}) VALUES('k' || ?1, ?1)", n)
        b.pull(a)
        c.pull(b)                              # once more through the clocks and the codec of another file
        self.assert_same(a, b, c)
        self.assertEqual([n for (n,) in c.sql(f"SELECT {column} FROM t ORDER BY {column}")], EDGES)
        self.assertEqual(c.sql(f"SELECT DISTINCT typeof({column}) FROM t"), [("integer",)])
        return a, b, c

    def test_as_values(self):
        a, b, c = self.assert_arrived("CREATE TABLE t(id TEXT PRIMARY KEY, v);", "v")
        told = {row["key"][0]: row for row in json.loads(a.one("SELECT sync_describe(sync_changeset())"))["rows"]}
        for n in EDGES:
            self.assertEqual(told[f"k{n}"]["cells"]["v"]["value"], n)

    def test_as_numbers_of_rows(self):
        a, b, c = self.assert_arrived("CREATE TABLE t(id INTEGER PRIMARY KEY, v);", "id")
        c.sql("UPDATE t SET v = 'edited'")
        c.sql("DELETE FROM t WHERE id IN (127, 128, -128, -129, 255, 256, 2147483647, 2147483648, -9223372036854775808)")
        self.level(a, b, c)
        self.assertEqual(a.sql("SELECT count(*), sum(v = 'edited') FROM t"), [(len(EDGES) - 9, len(EDGES) - 9)])

    def test_as_keys_of_any_type(self):
        a, b, c = self.assert_arrived("CREATE TABLE t(id PRIMARY KEY, v);", "id")
        c.sql("UPDATE t SET id = id - 1 WHERE id > -9223372036854775808 AND id - 1 NOT IN (SELECT id FROM t)")
        self.level(a, b, c)

    def test_as_values_that_wait_for_their_column(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY);", "t")
        a.x("INSERT INTO t SELECT 'k' || value, value FROM json_each(?)", json.dumps(EDGES))
        b.pull(a)
        b.sql("ALTER TABLE t ADD COLUMN v")
        b.fold()
        self.assertEqual([n for (n,) in b.sql("SELECT v FROM t ORDER BY v")], EDGES)


if __name__ == "__main__":
    unittest.main()
