"""A file is lost in the middle of a delta. What it gave of it stays ahead of what anybody says to hold, in all files that it reaches. Of tables with
identity row nothing was forgotten in any of them from then on."""
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from rawchangeset import HLC_PER_MS, Changeset, frame, zigzag  # noqa: E402
from rawpeer import varint  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, v)"


class Unfinished(SyncTest):
    def part(self, number, hlc, last):
        """Row `number` of a site, born at `hlc`, as one part of a delta of two."""
        pieces = {**Changeset("", "v", 0, b"x" * 16).pieces, "identity": b"\x01", "affinity": b"\x02", "part": varint(int(last)),
                  "delta": varint(7), "key": bytes([0x10 + number]), "hlc": zigzag(hlc), "seen": varint(hlc + 1)}
        if not last:
            for name in ("seen", "seen exceptions", "end"):
                pieces[name] = b""
            pieces["end item"] = b"\x00"
        return frame(b"".join(pieces.values()))

    def forget(self, file):
        return file.one("""SELECT sync_compact('{"age": 0}')""")

    def test_other_rows_are_forgotten_and_this_one_is_not(self):
        a, b = self.files("ab", SCHEMA, "t")
        hlc = (int(time.time() * 1000) - 1000) * HLC_PER_MS
        a.sql("INSERT INTO t VALUES(5, 'five'), (6, 'six')")
        a.apply(self.part(1, hlc, False))
        exchange(a, b)
        a.sql("DELETE FROM t WHERE id IN (1, 5)")
        exchange(a, b)
        self.assertEqual([self.forget(a), self.forget(b)], [1, 1])
        late = self.file("late", SCHEMA, "t")
        late.apply(self.part(1, hlc, False))
        late.apply(self.part(2, hlc + 1, True))
        exchange(a, b, late)
        for file in (a, b, late):
            self.assertEqual(file.sql("SELECT id FROM t ORDER BY id"), [(2,), (6,)])
        self.assertEqual([self.forget(a), self.forget(b)], [1, 1], "now all of it has come")


if __name__ == "__main__":
    unittest.main()
