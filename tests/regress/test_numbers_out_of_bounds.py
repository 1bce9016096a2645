"""A number that counts columns is checked wherever it comes from: a changeset that says what a column refers to that is not there, a row
clock that names such a column, sync_column entries that are no numbers. Each was used as an index."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawchanges  # noqa: E402
from rawchanges import EXISTS, MORE, REFERENCES, ROW, TABLE  # noqa: E402
from rawpeer import text, varint  # noqa: E402
from synctest import Case, connect, plain, shell  # noqa: E402

READERS = ("SELECT count(*) FROM sync_changes", "SELECT length(sync_changeset())", "SELECT length(sync_seen())",
           "SELECT sync_fold()", "SELECT sync_touch('note', 'n1')", "SELECT count(*) FROM sync_status")


class OutOfBounds(Case):
    def setUp(self):
        super().setUp()
        self.db = self.path("a.db")
        plain(self.db, "CREATE TABLE note(id TEXT PRIMARY KEY, title, body, c, d, e, f);")
        shell(self.db, "SELECT sync_track('note'); INSERT INTO note(id) VALUES('n1'); SELECT sync_fold();"
                       "UPDATE note SET title = 'c';")

    def changeset(self, reference):
        row = (bytes([TABLE, 0, ROW | EXISTS | MORE, REFERENCES]) + bytes([0x82]) + b"n1" + varint(0)
               + rawchanges.zigzag(5) + varint(1) + varint(reference) + varint(0) + varint(0) + varint(0))
        note = rawchanges.table("note", columns=("title", "body"))
        return rawchanges.pack(rawchanges.whole([note], row, 1))

    def test_a_journal_entry_with_the_highest_number_there_is(self):
        """sync_changes began again behind it, from the least number, and never ended."""
        shell(self.db, "SELECT sync_fold(); INSERT INTO sync_journal SELECT 9223372036854775807, tid, -1, at, k1 FROM sync_journal LIMIT 1")
        for order in ("", " ORDER BY version DESC", " WHERE version >= 9223372036854775807", " WHERE tbl = 'note'"):
            with self.subTest(order):
                self.assertEqual(shell(self.db, f"SELECT count(*) < 10 FROM (SELECT * FROM sync_changes{order})"), "1")

    def test_references_of_columns_that_are_not_there(self):
        connection = connect(self.db)
        for reference in (2 << 1, 30000 << 1, 1 << 1 | 1, 63 << 1 | 1):
            for call in ("SELECT sync_apply(?)", "SELECT sync_describe(?)"):
                with self.assertRaisesRegex(sqlite3.Error, "malformed"):
                    connection.execute(call, (self.changeset(reference),)).fetchall()
        for reference in (0, 1 << 1, 0 << 1 | 1):
            connection.execute("SELECT sync_describe(?)", (self.changeset(reference),)).fetchall()
        connection.close()

    def damaged(self, tampering):
        """What each reader says of a file that was tampered with."""
        plain(self.db, tampering)
        said = []
        for reader in READERS:
            status, out, err = shell(self.db, reader + ";", check=False)
            said.append(err if status else out)
        return said

    def test_sites_and_columns_that_are_none(self):
        for tampering, says in (("UPDATE sync_site SET site = x'0011'", "sync_site"), ("UPDATE sync_site SET site = NULL", "sync_site"),
                                ("INSERT INTO sync_site(sid, site) VALUES(-3, zeroblob(16))", None), ("INSERT INTO sync_site(sid, site) VALUES(70000, zeroblob(16))", "site"),
                                ("INSERT INTO sync_column(tid, cid, name, present) VALUES(1, 40000, 'x', 0)", "sync_column"),
                                ("INSERT INTO sync_column(tid, cid, name, present) VALUES(1, -1, 'x', 0)", "sync_column")):
            with self.subTest(tampering):
                try:
                    said = self.damaged("PRAGMA ignore_check_constraints = on;" + tampering)
                except Exception as e:  # the table itself refuses it
                    self.assertIn("NOT NULL", str(e))
                    continue
                for one in said:
                    self.assertTrue(says is None or says in one, one)
                self.tearDown()
                self.setUp()

    def test_more_columns_of_the_tracking_than_there_are(self):
        for covers in (7, 32767, 32768, -1, 4294967295):
            with self.subTest(covers=covers):
                for said in self.damaged(f"UPDATE sync_table SET genesis_covers = {covers}"):
                    self.assertIn("the entry of table note is damaged", said)

    def test_clocks_that_name_columns_that_are_not_there(self):
        for clock in ("20020001f001", "0002ff7f", "00020a"):
            with self.subTest(clock=clock):
                self.assertIn("damaged", " ".join(self.damaged(f"UPDATE sync_row_1 SET clock = x'{clock}';")))

    def test_clocks_that_are_no_blobs(self):
        for clock in ("5", "1e300", "'text'"):
            with self.subTest(clock=clock):
                self.assertIn("damaged", " ".join(self.damaged(f"UPDATE sync_row_1 SET clock = {clock};")))

    def test_columns_that_are_no_numbers(self):
        for cid in ("'x'", "x'31'", "1.5", "-1"):
            with self.subTest(cid=cid):
                self.assertIn("has no number", " ".join(self.damaged(f"UPDATE sync_column SET cid = {cid} WHERE cid = 0;")))
                plain(self.db, f"UPDATE sync_column SET cid = 0 WHERE cid = {cid};")


if __name__ == "__main__":
    unittest.main()
