"""A damaged file in which SQLite gives rows in another order than that of their keys, and some that were not asked for: what a site's number
says was written before the beginning of memory, and the journal was folded, and sent, for ever."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402

LEAF = 13  # the page of a table that has no other
STEPS_MAX = 1000  # of 10 000 operations each: a call that is in order takes not one


def rearrange(file, table, *order):
    """Puts the rows of a table that has as many into another order: as its page names them, nothing else is changed."""
    data = bytearray(file.snapshot())
    page = int.from_bytes(data[16:18], "big")
    root = file.sql("SELECT rootpage FROM sqlite_schema WHERE name = ?", table)[0][0]
    at = (root - 1) * page
    assert data[at] == LEAF and int.from_bytes(data[at + 3:at + 5], "big") == len(order), table
    rows = [bytes(data[at + 8 + 2 * i:at + 10 + 2 * i]) for i in range(len(order))]
    data[at + 8:at + 8 + 2 * len(order)] = b"".join(rows[i] for i in order)
    file.overwrite(data)


class OutOfOrder(SyncTest):
    def bounded(self, file):
        """Who takes more steps than there can be is interrupted."""
        steps = iter(range(STEPS_MAX))
        file.extended.set_progress_handler(lambda: next(steps, None) is None, 10000)

    def journal(self):
        """The newest two entries of the journal in the wrong order."""
        file = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        file.sql("INSERT INTO t VALUES('a', 1), ('b', 2), ('c', 3), ('d', 4)")
        return file

    def test_folding_ends(self):
        file = self.journal()
        rearrange(file, "sync_journal", 0, 1, 2, 4, 3)
        self.bounded(file)
        for call in ("sync_changeset()", "sync_fold()", "sync_seen()"):
            self.refused(file, f"SELECT {call}", says=["not in order"])

    def test_a_delta_ends(self):
        file = self.journal()
        file.fold()
        rearrange(file, "sync_journal", 0, 1, 3, 2)
        self.bounded(file)
        self.refused(file, "SELECT sync_changeset(1)", says=["not in order"])

    def test_a_site_below_all_numbers(self):
        for number in (-1000000, -2 ** 32 + 1, 0):
            with self.subTest(number):
                file = self.file(f"s{number}", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
                file.script(f"INSERT INTO sync_site(sid, site) VALUES({number}, zeroblob(16)), (2, x'00112233445566778899aabbccddee02'),"
                            "(3, x'00112233445566778899aabbccddee03')")
                rearrange(file, "sync_site", 1, 2, 0, 3)
                self.refused(file, "SELECT hex(sync_site())", says=["sync_site"])

    def test_tables(self):
        file = self.file("a", "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p);", "p", "c")
        rearrange(file, "sync_table", 1, 0)
        for call in ("sync_changeset()", "sync_fold()", "sync_apply(NULL)"):
            self.refused(file, f"SELECT {call}", says=["sync_table", "damaged"])

    def test_two_clocks_of_one_row(self):
        for more in (0, 2000):  # many entries are looked up in the order of their keys
            file = self.file(f"two{more}", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
            file.sql("INSERT INTO t VALUES('k', 1)")
            file.fold()
            file.script("CREATE TABLE x AS SELECT * FROM sync_row_1; INSERT INTO x SELECT * FROM sync_row_1; DROP TABLE sync_row_1;"
                        "ALTER TABLE x RENAME TO sync_row_1")
            file.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO t SELECT i, i FROM n", more + 1)
            file.sql("UPDATE t SET v = 2 WHERE id = 'k'")
            self.bounded(file)
            for call in ("sync_changeset()", "sync_fold()", "sync_seen()"):
                self.refused(file, f"SELECT {call}", says=["more than one row or clock"])

    def test_one_table_twice(self):
        file = self.file("a", "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p);", "p", "c")
        file.script("CREATE TABLE x AS SELECT * FROM sync_table; INSERT INTO x SELECT * FROM sync_table; DROP TABLE sync_table;"
                    "ALTER TABLE x RENAME TO sync_table; INSERT INTO c VALUES('c', 1)")
        for call in ("sync_changeset()", "sync_fold()", "sync_apply(NULL)"):
            self.refused(file, f"SELECT {call}", says=["sync_table", "damaged"])


if __name__ == "__main__":
    unittest.main()
