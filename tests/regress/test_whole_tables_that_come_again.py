"""A table that comes whole a second time, after a lost acknowledgement or from another side, brings nothing: what is kept beyond it was told of
anew when it came first. Each time again, files that repeat themselves would keep all others busy."""
import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import rawchanges  # noqa: E402
from rawchanges import END, EXISTS, ROW, TABLE, vector, zigzag  # noqa: E402
from rawpeer import varint  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v)"


class Again(SyncTest):
    def state(self, file):
        return file.x("SELECT version, key, col, stamp, cl FROM sync_changes ORDER BY version, key, col")

    def whole(self):
        """a.db has forgotten a delete that b.db has not heard of; b.db has a row that a.db has not seen."""
        a, b, c = self.files("abc", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('1', 'one'), ('2', 'two')")
        exchange(a, b, c)
        a.sql("DELETE FROM t WHERE id = '1'")
        self.assertEqual(a.one("""SELECT sync_compact('{"age": 0}')"""), 1)
        b.sql("INSERT INTO t VALUES('3', 'written while away')")
        return a, b, c

    def test_the_same_bytes(self):
        a, b, _ = self.whole()
        blob = a.cut_for(b)
        first = self.state(b)
        b.apply(blob)
        told = self.state(b)
        self.assertNotEqual(first, told)
        self.assertEqual(b.apply(blob), 0)
        self.assertEqual(self.state(b), told)

    def test_the_same_floor_by_another_way(self):
        a, b, c = self.whole()
        early = c.seen()
        c.pull(a)
        b.pull(a)
        told = self.state(b)
        self.assertEqual(b.apply(c.changeset(early)), 0)
        self.assertEqual(self.state(b), told)
        exchange(a, b, c)

    def test_a_part_of_one_whose_maker_misses_a_cell(self):
        """It says that it has seen a cell which it has not: the row is told of anew, once, until that has reached it."""
        (b,) = self.files("b", SCHEMA, "t")
        b.sql("INSERT INTO t VALUES('1', 'one')")
        b.fold()
        (time, counter), = b.x("SELECT time, CAST(substr(stamp, -5) AS INT) FROM sync_changes WHERE col = 'v'")
        hlc = time << 16 | counter
        sites = [os.urandom(16), b.site()]
        row = bytes([TABLE, 0, ROW | EXISTS, 0x81]) + b"1" + varint(1) + zigzag(hlc) + varint(0)
        contents = (varint(2) + b"".join(sites) + varint(1) + rawchanges.table("t", columns=("v",)) + vector(2) + vector(1) + varint(0) + varint(5)
                    + varint(1) + vector(2, 1) + vector(2, hlc) + row + bytes([END]) + varint(1))
        blob = rawchanges.pack(contents, form=2)
        first = self.state(b)
        self.assertEqual(b.apply(blob), 1)
        told = self.state(b)
        self.assertNotEqual(first, told)
        self.assertEqual(b.apply(blob), 0)
        self.assertEqual(self.state(b), told)


if __name__ == "__main__":
    unittest.main()
