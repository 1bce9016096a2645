"""A file that has forgotten a delete says that it has seen the row: under an id that it gave up meanwhile, under the table's name before a detour, and
whatever else is told of the key since. So the row is not revived by those who still have it."""
import os
import struct
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import rawchanges  # noqa: E402
from rawchanges import BORN, CLOSE, EXISTS, MORE, ROW, TABLE, vector, zigzag  # noqa: E402
from rawpeer import varint  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY, v)"
BOOT_AT, CHECK_AT = 48, 88  # docs/FORMAT.md, "Witness"


def another_boot(file):
    """The witness of a file as the machine finds it when it has started again after a crash."""
    path = Path(file.path + "-sync")
    said = path.read_bytes()[:BOOT_AT] + b"another boot".ljust(CHECK_AT - BOOT_AT, b"\0")
    check = 0xCBF29CE484222325
    for byte in said:
        check = (check ^ byte) * 0x100000001B3 & (1 << 64) - 1
    path.write_bytes(said + struct.pack(">Q", check))


class Seen(SyncTest):
    def forget(self, file):
        return file.one("""SELECT sync_compact('{"age": 0}')""")

    def ids(self, *files):
        return [[row[0] for row in file.sql("SELECT id FROM t ORDER BY id")] for file in files]

    def test_what_left_before_the_file_took_another_id(self):
        """The rows were told of before they were folded: the fold gives them the stamps under which others have them, of the former id."""
        a, b = self.files("ab", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('1', 'one'), ('2', 'two')")
        b.pull(a)
        had = a.site()
        another_boot(a)
        a.fold()
        self.assertNotEqual(a.site(), had)
        a.sql("DELETE FROM t WHERE id = '1'")
        self.assertEqual(self.forget(a), 1)
        exchange(a, b)
        self.assertEqual(self.ids(a, b), [["2"], ["2"]])

    def test_a_table_that_has_its_name_again(self):
        a, b = self.files("ab", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('1', 'one'), ('2', 'two')")
        exchange(a, b)
        had = b.site()
        b.sql("DELETE FROM t WHERE id = '1'")
        self.assertEqual(self.forget(b), 1)
        b.x("SELECT sync_alter('ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t')")
        self.assertEqual(b.site(), had)
        exchange(a, b)
        self.assertEqual(self.ids(a, b), [["2"], ["2"]])

    def test_a_table_that_lost_a_column(self):
        """Rebuilt by a program that knows nothing of us: the others are asked for the whole table again."""
        a, b = self.files("ab", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('1', 'one'), ('2', 'two')")
        exchange(a, b)
        b.sql("DELETE FROM t WHERE id = '1'")
        self.assertEqual(self.forget(b), 1)
        b.script("BEGIN; CREATE TABLE made(id TEXT PRIMARY KEY); INSERT INTO made SELECT id FROM t; DROP TABLE t; ALTER TABLE made RENAME TO t; COMMIT")
        b.pull(a)
        self.assertEqual(self.ids(b), [["2"]])
        exchange(a, b)
        self.assertEqual(self.ids(a, b), [["2"], ["2"]])
        b.sql("ALTER TABLE t ADD COLUMN v")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT v FROM t"), [("two",)])

    def test_a_table_under_another_name_takes_all_that_others_have_there(self):
        """What was forgotten under the old name says nothing of rows that were always under the new one."""
        a, b = self.files("ab", SCHEMA + "; CREATE TABLE u(id TEXT PRIMARY KEY, v)", "t", "u")
        b.sql("INSERT INTO u VALUES('9', 'always here')")
        b.sql("INSERT INTO t VALUES('1', 'one')")
        b.sql("DELETE FROM t")
        a.pull(b)
        self.assertEqual(self.forget(a), 1)
        a.x("SELECT sync_alter('DROP TABLE u; ALTER TABLE t RENAME TO u')")
        a.pull(b)
        self.assertEqual(a.sql("SELECT v FROM u"), [("always here",)])
        exchange(a, b)
        self.assertEqual(b.sql("SELECT v FROM u"), [("always here",)])

    def test_the_end_of_a_longer_life(self):
        """a.db ends the second life of a row and forgets that. What it says of the first one, to a file that knew no other, is not the last word."""
        a, b, c = self.files("abc", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('1', 'first life')")
        exchange(a, b)
        a.sql("DELETE FROM t")
        a.sql("INSERT INTO t VALUES('1', 'second life')")
        c.pull(a)
        a.sql("DELETE FROM t")
        self.assertEqual(self.forget(a), 1)
        b.pull(a)
        self.assertEqual(self.ids(b), [[]])
        c.pull(b)
        self.assertEqual(self.ids(c), [[]])
        exchange(a, b, c)
        self.assertEqual(self.ids(a, b, c), [[], [], []])

    def test_a_longer_life_than_one_that_is_known(self):
        """a.db has ended the second life and forgotten that; then it learns of the end of the first one elsewhere, and of a second one, from a file that saw
        no more. c.db has the end that a.db forgot, and says so only to who asks: what a.db takes up is told anew, known key or not."""
        a, b, c, d = self.files("abcd", SCHEMA, "t")
        a.sql("INSERT INTO t VALUES('1', 'first life')")
        a.sql("DELETE FROM t")
        b.pull(a)
        b.sql("INSERT INTO t VALUES('1', 'second life there')")
        a.sql("INSERT INTO t VALUES('1', 'second life here')")
        a.sql("DELETE FROM t")
        c.pull(a)
        self.assertEqual(self.forget(a), 1)
        d.sql("INSERT INTO t VALUES('1', 'first life there')")
        d.sql("DELETE FROM t")
        a.pull(d)
        a.pull(b)
        exchange(a, b, c, d)
        self.assertEqual(self.ids(a, b, c, d), [[], [], [], []])

    def test_a_shorter_life_that_was_told_anew(self):
        """d.db tells of the first life anew, since it had forgotten deletes when that came, and a.db answers that it ended. The second life, which a.db
        has seen and ended as well, is longer than that answer."""
        a, c, d = self.files("acd", SCHEMA, "t")
        d.script("INSERT INTO t VALUES('2', 'two'); DELETE FROM t")
        self.assertEqual(self.forget(d), 1)
        a.sql("INSERT INTO t VALUES('1', 'first life')")
        d.pull(a)
        a.sql("DELETE FROM t")
        a.sql("INSERT INTO t VALUES('1', 'second life')")
        c.pull(a)
        a.sql("DELETE FROM t")
        self.assertEqual(self.forget(a), 1)
        a.pull(d)
        a.pull(c)
        self.assertEqual(self.ids(a), [[]])
        exchange(a, c, d)
        self.assertEqual(self.ids(a, c, d), [[], [], []])

    def test_where_a_row_stood_before_it_was_told_of_anew(self):
        """Its sender does not hold what that stamp is of: until somebody says so, the row's end is not forgotten."""
        (a,) = self.files("a", SCHEMA, "t")
        hlc = int(time.time() * 1000) - 5000 << 16
        row = (bytes([TABLE, 0, ROW | EXISTS | MORE, BORN, 0x81]) + b"1" + varint(0) + zigzag(hlc) + varint((1 << 1 | 1) + 1) + zigzag(-1) + varint(0))
        matrix = varint(hlc) + varint(0) + varint(0) + varint(0)  # nothing of the second site
        contents = (varint(2) + os.urandom(32) + varint(1) + rawchanges.table("t", columns=("v",)) + vector(2) + vector(1) + bytes([0, 0, 0])
                    + vector(2) + vector(2) + row + bytes([CLOSE]) + varint(1) + matrix + varint(1))
        blob = rawchanges.pack(contents, form=2)
        a.apply(blob)
        self.assertEqual(self.ids(a), [["1"]])
        a.sql("DELETE FROM t")
        self.assertEqual(self.forget(a), 0)
        a.apply(blob)
        self.assertEqual(self.ids(a), [[]])


if __name__ == "__main__":
    unittest.main()
