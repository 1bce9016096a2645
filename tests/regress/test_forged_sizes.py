"""Sizes and counts that promise more than there is, in changesets whose checksums are good: refused before memory is taken for them."""
import ctypes
import time
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from rawchangeset import Changeset, text, varint  # noqa: E402
from syncfile import SyncTest  # noqa: E402

SQLITE = ctypes.CDLL("libsqlite3.so.0")
SQLITE.sqlite3_memory_highwater.restype = SQLITE.sqlite3_memory_used.restype = ctypes.c_int64
MEMORY_MAX = 16 << 20
SIZES = [1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 62) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
COUNTED = ["site count", "table count", "table name length", "key count", "collation", "column count", "column name", "key name",
           "base exceptions", "start exceptions", "table of the rows", "row site", "row count", "seen exceptions"]


class Forged(SyncTest):
    def setUp(self):
        super().setUp()
        self.a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        self.good = Changeset("k", "value", int(time.time() * 1000))
        self.a.x("SELECT * FROM t")

    def assert_refused_cheaply(self, blob):
        SQLITE.sqlite3_memory_highwater(1)
        before = SQLITE.sqlite3_memory_used()
        for function in ("sync_apply", "sync_describe"):
            self.refused(self.a, f"SELECT {function}(?)", blob)
        self.assertLess(SQLITE.sqlite3_memory_highwater(1) - before, MEMORY_MAX)
        self.assertEqual(self.a.sql("SELECT count(*) FROM t"), [(0,)])

    def test_counts(self):
        for piece in COUNTED:
            for size in SIZES:
                with self.subTest(piece=piece, size=size):
                    self.assert_refused_cheaply(self.good.blob(**{piece.replace(" ", "_"): varint(size)}))
        self.assertEqual(self.a.apply(self.good.blob()), 1)

    def test_lengths_of_values(self):
        for piece in ("key", "value"):
            for size in SIZES:
                for tag in (b"\x0a", b"\x0b"):
                    with self.subTest(piece=piece, size=size, tag=tag):
                        self.assert_refused_cheaply(self.good.blob(**{piece: tag + varint(size) + b"x"}))

    def test_numbers_longer_than_they_may_be(self):
        for piece in ("site count", "row count", "end", "hlc", "lives"):
            for raw in (b"\x80\x00", b"\xff" * 10 + b"\x01", b"\xff" * 9 + b"\x02", b"\x80" * 400):
                with self.subTest(piece=piece, raw=raw):
                    forged = {piece.replace(" ", "_"): raw}
                    blob = self.good.blob(row=bytes([0x80 | 0x20 | 0x02]), **forged) if piece == "lives" else self.good.blob(**forged)
                    self.assert_refused_cheaply(blob)

    def test_what_the_frame_says_of_itself(self):
        """A size of contents, a window and a dictionary that nobody has."""
        blob = self.good.blob()
        for header in (b"\xc4\x38" + b"\xfe" * 8, b"\x84\x38" + b"\xff" * 4, b"\x04\xff", b"\x04\x78", b"\x07\x38" + b"\1\2\3\4", b"\xe4" + b"\x7f" * 8, b"\x0c\x38"):
            with self.subTest(header):
                self.assert_refused_cheaply(blob[:9] + header + blob[11:])

    def test_a_megabyte_that_means_a_terabyte(self):
        """A value that goes on in blocks of one repeated byte: 128 KiB for four bytes each."""
        head = self.good.blob(value=b"\x0b" + varint(1 << 40))
        runs = b"".join((BLOCK << 3 | 2).to_bytes(3, "little") + b"x" for BLOCK in [1 << 17] * 1000)
        self.assert_refused_cheaply(head[:11] + (int.from_bytes(head[11:14], "little") & ~1).to_bytes(3, "little") + head[14:-4] + runs)

    def test_one_that_is_as_long_as_it_says(self):
        """So that the tests above fail for their sizes, and for nothing else."""
        self.good.pieces["value"] = text("x" * 300_000)
        self.assertEqual(self.a.apply(self.good.blob()), 1)
        self.assertEqual(self.a.sql("SELECT length(v) FROM t"), [(300_000,)])


if __name__ == "__main__":
    unittest.main()
