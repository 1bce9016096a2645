"""Keys cut short, in a changeset whose checksums are good and in the metadata of a file: an error, and nothing of it takes effect. They were
read past their end, and a part of a key stood for the whole."""
import sqlite3
import time
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from rawchangeset import Changeset, frame, varint  # noqa: E402
from syncfile import SyncTest  # noqa: E402

PAIR = "CREATE TABLE pair(k TEXT, l, v, PRIMARY KEY(k, l)); CREATE TABLE u(id TEXT PRIMARY KEY, mail UNIQUE);"


class Keys(SyncTest):
    def now(self):
        return int(time.time() * 1000)

    def test_a_key_that_says_it_is_longer_than_it_is(self):
        file = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        good = Changeset("a key of some length", "value", self.now())
        before = file.shell(".dump")
        for key in (b"\xff", b"\x94" + b"short", b"\x0a", b"\x0a" + varint(1 << 20), b"\x0b" + varint(1 << 62), b"\x08\x01", b"\x09", b"\x0c", b""):
            with self.subTest(key):
                self.refused(file, "SELECT sync_apply(?)", good.blob(key=key))
                self.refused(file, "SELECT sync_describe(?)", good.blob(key=key))
        self.assertEqual(file.shell(".dump"), before)
        self.assertEqual(file.apply(good.blob()), 1)

    def test_a_changeset_that_ends_anywhere(self):
        """Every prefix of the contents, each in a frame of its own that is whole and bears the right checksum."""
        file = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        body = Changeset("a key of some length", "value", self.now()).body()
        before = file.shell(".dump")
        for length in range(len(body)):
            self.refused(file, "SELECT sync_apply(?)", frame(body[:length]))
        self.refused(file, "SELECT sync_apply(?)", frame(body + b"\0"))
        self.assertEqual(file.shell(".dump"), before)
        self.assertEqual(file.apply(frame(body)), 1)

    def test_a_key_with_a_part_too_few(self):
        file = self.file("a", PAIR, "pair")
        self.refused(file, "SELECT sync_apply(?)", Changeset("k", "v", self.now()).blob(table_name_length=varint(4), table_name=b"pair"), says=["key"])
        self.refused(file, "SELECT sync_touch('pair', '[\"k\"]')", says=["key"])
        self.assertEqual(file.sql("SELECT count(*) FROM pair"), [(0,)])

    def metadata_cut_short(self, table, column):
        """Each prefix of one blob of the metadata, then everything that reads it."""
        a, b = self.files((f"{table}{column} a", f"{table}{column} b"), PAIR, "pair", "u")
        a.script("INSERT INTO pair VALUES('key', 'of two parts', 1); INSERT INTO u VALUES('x', 'same');")
        b.script("INSERT INTO pair VALUES('key', 'of two parts', 2); INSERT INTO u VALUES('y', 'same');")
        self.level(a, b)
        row, whole = a.sql(f"SELECT rowid, {column} FROM {table}")[0] if table == "sync_conflict" else (None, a.sql(f"SELECT {column} FROM {table}")[0][0])
        where = "" if row is None else f" WHERE rowid = {row}"
        b.sql("UPDATE u SET mail = 'other' WHERE mail = 'same'")
        b.sql("UPDATE pair SET v = 3")
        errors = 0
        for length in range(len(whole)):
            a.sql(f"UPDATE {table} SET {column} = ?{where}", whole[:length])
            for statement, *values in (["SELECT count(*) FROM (SELECT * FROM sync_changes)"], ["SELECT sync_changeset()"],
                                       ["SELECT sync_touch('pair', '[\"key\", \"of two parts\"]')"], ["SELECT sync_fold()"],
                                       ["SELECT sync_apply(?)", b.changeset()]):
                a.x("BEGIN")
                try:
                    a.x(statement, *values)
                except sqlite3.Error as error:
                    self.assertNotIn("not an error", str(error))
                    errors += 1
                a.x("ROLLBACK")
        self.assertEqual(a.sql("PRAGMA integrity_check"), [("ok",)])
        a.sql(f"UPDATE {table} SET {column} = ?{where}", whole)
        self.level(a, b)
        return errors

    def test_in_the_metadata_of_a_file(self):
        for table, column in (("sync_row_1", "clock"), ("sync_conflict", "clock_key"), ("sync_conflict", "raw_key"), ("sync_meta", "seen"), ("sync_meta", "cursors")):
            with self.subTest(f"{table}.{column}"):
                errors = self.metadata_cut_short(table, column)
                if column != "clock_key":      # that one is only looked up
                    self.assertGreater(errors, 0)


if __name__ == "__main__":
    unittest.main()
