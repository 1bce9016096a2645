"""Two files give a table whole, each in several parts, and a third one merges these as they come. What one names is not what the other names: rows
of the one that the other's parts did not name were taken for gone, in all files."""
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from rawchangeset import HLC_PER_MS, Changeset, frame, text, zigzag  # noqa: E402
from rawpeer import varint  # noqa: E402
from syncfile import SyncTest  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v)"


class Maker:
    """A file that has forgotten a delete, as its changesets show it."""

    def __init__(self, site, at_ms):
        self.site, self.hlc = bytes([site]) * 16, at_ms * HLC_PER_MS

    def part(self, delta, number, keys, last):
        pieces = {**Changeset("", "", 0, self.site).pieces, "part": varint(number), "delta": varint(delta)}
        head = b"".join(list(pieces.values())[:list(pieces).index("table item")])
        whole = varint(1) + (varint(self.hlc) + varint(0)) * 2  # what is forgotten, what is held
        rows, before = b"\x01" + varint(0), 0
        for key in keys:
            rows += b"\xa0" + text(key) + varint(0) + zigzag(self.hlc - before) + text("v")
            before = self.hlc
        end = b"\x02" + varint(len(keys)) + varint(self.hlc) + varint(0) + varint(1) if last else b"\x00" + varint(len(keys))
        blob = frame(head + whole + rows + end)
        return blob[:4] + b"\x02" + blob[5:]


class Beside(SyncTest):
    def setUp(self):
        super().setUp()
        self.c = self.file("c", SCHEMA, "t")
        now = int(time.time() * 1000)
        self.x, self.y = Maker(1, now - 2000), Maker(2, now - 1000)

    def expect(self, *ids):
        self.assertEqual([row[0] for row in self.c.sql("SELECT id FROM t ORDER BY id")], list(ids))

    def test_parts_of_two_files(self):
        self.c.apply(self.x.part(7, 0, ["x1"], False))
        self.c.apply(self.y.part(8, 0, ["y1"], False))
        self.c.apply(self.x.part(7, 1, ["x2"], True))
        self.expect("x1", "x2", "y1")
        self.c.apply(self.y.part(8, 1, ["y2"], True))
        self.expect("x1", "x2", "y1", "y2")

    def test_another_file_in_one_part(self):
        self.c.apply(self.x.part(7, 0, ["x1"], False))
        self.c.apply(self.y.part(0, 0, ["y1"], True))
        self.c.apply(self.x.part(7, 1, ["x2"], True))
        self.expect("x1", "x2", "y1")

    def test_the_same_file_in_one_part(self):
        self.c.apply(self.x.part(7, 0, ["x1"], False))
        self.c.apply(self.x.part(0, 0, ["x1", "x2"], True))
        self.c.apply(self.x.part(7, 1, ["x2"], True))
        self.expect("x1", "x2")

    def test_what_did_not_come_to_its_end_names_nothing(self):
        names = "SELECT count(*) FROM temp.sync_named_1"
        self.c.apply(self.x.part(7, 0, ["x1"], False))
        self.c.apply(self.x.part(9, 0, ["x2"], False))
        self.c.apply(self.y.part(8, 0, ["y1"], False))
        self.assertEqual(self.c.x(names), [(2,)], "those of the first delta, which x.db has given up, are gone")
        self.c.apply(self.x.part(9, 1, ["x3"], True))
        self.expect("x2", "x3", "y1")
        self.c.apply(self.y.part(8, 1, ["y2"], True))
        self.expect("x2", "x3", "y1", "y2")
        self.assertEqual(self.c.x(names), [(0,)])

    def test_a_table_of_another_key_under_the_same_number(self):
        """Names are kept in TEMP, which outlives the metadata of the file."""
        other = "CREATE TABLE t(id TEXT, k TEXT, v, PRIMARY KEY(id, k))"
        a = self.file("a", other + "; INSERT INTO t VALUES('1', '1', 1)", "t")
        a.sql("DELETE FROM t")
        self.assertEqual(a.one("""SELECT sync_compact('{"age": 0}')"""), 1)
        self.c.x("SELECT sync_untrack_all()")
        self.c.script("DROP TABLE t; " + other)
        self.c.track("t")
        self.c.pull(a)
        self.assertEqual(self.c.x("SELECT count(*) FROM temp.sync_named_1"), [(0,)])
        self.c.x("SELECT sync_untrack_all()")
        self.c.script("DROP TABLE t; " + SCHEMA)
        self.c.track("t")
        self.c.apply(self.x.part(0, 0, ["x1"], True))
        self.expect("x1")


if __name__ == "__main__":
    unittest.main()
