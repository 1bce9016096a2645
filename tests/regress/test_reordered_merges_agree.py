"""Deltas of three files reach each other in any order, some twice, some by way of another: one state comes of it."""
import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMA = ("CREATE TABLE t(id TEXT PRIMARY KEY, x, y, z); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"
          "CREATE TABLE u(id TEXT PRIMARY KEY, mail UNIQUE);")


class Reordered(SyncTest):
    def test_three_ways_in_every_order(self):
        files = a, b, c = self.files("abc", SCHEMA, "t", "n", "u")
        a.sql("INSERT INTO t VALUES('all', 0, 0, 0), ('gone', 0, 0, 0)")
        exchange(*files)
        reader = self.file("reader", SCHEMA, "t", "n", "u")
        reader.pull(a)
        base = reader.seen()
        for file, column in ((a, "x"), (b, "y"), (c, "z")):
            tick()
            file.sql(f"UPDATE t SET {column} = ?, x = ? WHERE id = 'all'", file.path[-4], file.path[-4])
            file.sql("INSERT INTO n VALUES(1, ?)", file.path[-4])
            file.sql("INSERT INTO u VALUES(?, 'one@example.org')", file.path[-4])
        b.sql("DELETE FROM t WHERE id = 'gone'")
        c.sql("UPDATE t SET y = 1 WHERE id = 'gone'")
        deltas = [file.changeset(base) for file in files]
        b.pull(a)                              # a second delta of b.db, which relays a.db's part and has seen it
        b.sql("UPDATE t SET z = 'b saw a' WHERE id = 'all'")
        deltas.append(b.changeset(base))
        results, orders = set(), list(itertools.permutations(deltas))
        for order in orders:
            reader.x("BEGIN")
            for delta in order + order[1:3]:   # and some of them a second time
                reader.apply(delta)
            results.add(repr((reader.x("SELECT * FROM t ORDER BY 1"), reader.x("SELECT * FROM n"), reader.x("SELECT * FROM u"),
                              reader.x("SELECT tbl, key, col, value, stamp, site, cl FROM sync_changes ORDER BY 1, 2, 3, 5, 6"), reader.held())))
            reader.x("ROLLBACK")
        print(f"figure: {len(orders)} orders, with repeats: {len(results)} state", flush=True)
        self.assertEqual(len(results), 1)
        exchange(*files)
        self.assert_same(*files)
        reader.pull(*files)
        self.assert_same(reader, *files)
        self.assertEqual(a.sql("SELECT * FROM t"), [("all", "c", "b", "b saw a")])
        self.assertEqual((sorted(v for _, v in a.sql("SELECT * FROM n")), a.sql("SELECT id FROM u")), (["a", "b", "c"], [("c",)]))


if __name__ == "__main__":
    unittest.main()
