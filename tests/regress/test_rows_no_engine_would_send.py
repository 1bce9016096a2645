"""Rows that are well formed, and that no engine would send: each is refused as a whole, with the reason, and nothing of it takes effect; or it is what it says."""
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import rawchanges  # noqa: E402
from rawchanges import BORN, EXISTS, FULL, MORE, MOVED, REFERENCES, ROW, TABLE, zigzag  # noqa: E402
from rawpeer import varint  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

SCHEMA = ("CREATE TABLE k(id TEXT PRIMARY KEY, a, b); CREATE TABLE n(id INTEGER PRIMARY KEY, a, b); CREATE TABLE two(id TEXT, i TEXT, a, PRIMARY KEY(id, i));"
          "CREATE TABLE c(id INTEGER PRIMARY KEY, n REFERENCES n);")
NOW = int(time.time() * 1000) << 16
LATE = NOW + (3600 * 1000 << 16)  # an hour ahead
NULL = b"\0"


def short(text):
    return bytes([0x80 + len(text)]) + text.encode()


def integer(i):
    return bytes([0x10 + i])


def stamp(hlc, near, site=0, written=1):
    return varint((site << 1 | written) + 1) + zigzag(hlc - near)


class Rows(SyncTest):
    def setUp(self):
        super().setUp()
        self.db = self.file("a", SCHEMA, "k", "n", "two", "c")
        self.db.script("INSERT INTO k VALUES('mine', 1, 1); INSERT INTO n VALUES(1, 1, 1)")
        self.db.fold()

    def changeset(self, table, row):
        return rawchanges.pack(rawchanges.whole([table], bytes([TABLE, 0]) + row, 1))

    def refuse(self, table, row, *says):
        before = self.db.dump(), self.db.cells(), self.db.version()
        self.refused(self.db, "SELECT sync_apply(?)", self.changeset(table, row), says=says)
        self.assertEqual((self.db.dump(), self.db.cells(), self.db.version()), before)

    def test_keys_that_are_null(self):
        k = rawchanges.table("k", columns=("a", "b"))
        two = rawchanges.table("two", keys=("id", "i"), columns=("a",))
        self.refuse(k, bytes([ROW | EXISTS]) + NULL + varint(0) + zigzag(NOW) + varint(0), "a key of table k is NULL")
        for keys in (short("x") + NULL, NULL + short("x")):
            self.refuse(two, bytes([ROW | EXISTS]) + keys + varint(0) + zigzag(NOW) + varint(0), "damaged")

    def test_a_number_for_a_key_that_is_none(self):
        n = rawchanges.table("n", columns=("a", "b"), by_row=True, affinity=2)
        row = bytes([ROW | EXISTS | MORE, MOVED]) + short("x") + varint(0) + zigzag(NOW) + zigzag(7) + stamp(NOW, NOW) + varint(0)
        self.refuse(n, row, "damaged")

    def test_stamps_that_are_ahead(self):
        """Wherever in the row such a stamp is: the row's, a cell's, the birth, the claim to a number, the birth of who is referred to."""
        k = rawchanges.table("k", columns=("a", "b"))
        n = rawchanges.table("n", columns=("a", "b"), by_row=True, affinity=2)
        c = rawchanges.table("c", columns=("n",), by_row=True, affinity=2)
        number = integer(7)
        cases = {
            "row": (k, bytes([ROW | EXISTS]) + short("x") + varint(0) + zigzag(LATE) + varint(0)),
            "full row": (k, bytes([ROW | FULL]) + short("x") + varint(0) + zigzag(LATE) + number + number),
            "first cell": (k, bytes([ROW | EXISTS]) + short("x") + varint(0) + zigzag(NOW) + varint(2) + varint(1) + stamp(LATE, NOW) + number + varint(0) + number),
            "last cell": (k, bytes([ROW | EXISTS]) + short("x") + varint(0) + zigzag(NOW) + varint(2) + varint(0) + number + varint(1) + stamp(LATE, NOW) + number),
            "birth": (n, bytes([ROW | EXISTS | MORE, BORN]) + number + varint(0) + zigzag(NOW) + stamp(LATE, NOW) + varint(0)),
            "reference": (c, bytes([ROW | EXISTS | MORE, REFERENCES]) + number + varint(0) + zigzag(NOW) + varint(1) + varint(0) + zigzag(1) + stamp(LATE, NOW)
                          + varint(1) + varint(0) + integer(1)),
        }
        for name, (table, row) in cases.items():
            with self.subTest(name):
                self.refuse(table, row, "ahead", "clock")

    def test_a_column_that_comes_under_both_its_names(self):
        """After a rename some files know both: the later write counts, wherever it stands in the row."""
        self.db.x("SELECT sync_alter('ALTER TABLE k RENAME COLUMN a TO z')")
        self.db.x("SELECT sync_alter('ALTER TABLE k RENAME COLUMN z TO y')")
        for number, (first, second) in enumerate(((NOW - 5, NOW - 9), (NOW - 9, NOW - 5))):
            k = rawchanges.table("k", columns=("a", "y", "b"))
            row = (bytes([ROW | EXISTS]) + short(f"r{number}") + varint(0) + zigzag(NOW) + varint(3)
                   + varint(1) + stamp(first, NOW) + integer(1) + varint(1) + stamp(second, NOW) + integer(2) + varint(0) + integer(3))
            self.assertEqual(self.db.apply(self.changeset(k, row)), 1)
            self.assertEqual(self.db.sql("SELECT y, b FROM k WHERE id = ?", f"r{number}"), [(1 if first > second else 2, 3)])

    def test_tables_that_are_not_here(self):
        other = self.file("b", SCHEMA, "k", "n", "two", "c")
        self.db.script("DROP TABLE two; DROP TABLE n")
        other.script("INSERT INTO two VALUES('x', 1, 1); INSERT INTO k VALUES('x', 1, 1); INSERT INTO n VALUES(5, 5, 5); INSERT INTO c VALUES(1, 5)")
        self.db.apply(other.changeset())
        self.assertEqual(self.db.sql("SELECT id FROM k ORDER BY id"), [("mine",), ("x",)])
        self.db.script("CREATE TABLE two(id TEXT, i TEXT, a, PRIMARY KEY(id, i)); CREATE TABLE n(id INTEGER PRIMARY KEY, a, b)")
        self.db.fold()
        exchange(self.db, other)
        self.assertEqual(self.db.sql("SELECT id FROM two"), [("x",)])


if __name__ == "__main__":
    unittest.main()
