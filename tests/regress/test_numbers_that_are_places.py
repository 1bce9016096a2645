"""Numbers in the metadata of a file that stand for places in memory: the number of the file's own site was checked when the metadata was loaded,
and not when it alone was read again; columns that all had negative numbers counted four thousand million. What is damaged there, or NULL where
no NULL may be, was taken for want of memory."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402


class Places(SyncTest):
    def tracked(self, name):
        file = self.file(name, "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        file.sql("INSERT INTO t VALUES('a', 1)")
        file.x("SELECT sync_seen()")  # the connection knows the metadata
        return file

    def test_an_own_site_that_changes_under_a_connection(self):
        for number in (0, 1000, 1000000, 2 ** 31, 2 ** 32 - 1):
            with self.subTest(number):
                file = self.tracked(f"s{number}")
                file.sql("UPDATE sync_meta SET site = ?", number)
                for call in ("hex(sync_site())", "sync_fold()", "sync_changeset()"):
                    self.refused(file, f"SELECT {call}", says=["sync_meta", "site"])
                file.sql("UPDATE sync_meta SET site = 1")
                self.assertIsNotNone(file.changeset())

    def test_columns_below_all_numbers(self):
        for number in (-2, -3, -2 ** 31, -2 ** 63):
            with self.subTest(number):
                file = self.tracked(f"c{number}")
                file.script(f"UPDATE sync_column SET cid = {number}; UPDATE sync_meta SET generation = generation + 1")
                self.refused(file, "SELECT sync_changeset()", says=["sync_column"])

    def test_a_former_name_of_no_column(self):
        file = self.tracked("f")
        file.script(f"UPDATE sync_column SET present = {-2 ** 63}; UPDATE sync_meta SET generation = generation + 1")
        file.x("SELECT sync_changeset()")  # the column is taken for one that is not known here

    def test_nothing_where_there_is_a_name(self):
        for table, column in (("sync_column", "name"), ("sync_table", "name"), ("sync_table", "options"), ("sync_table", "key")):
            with self.subTest(table=table, column=column):
                file = self.tracked(f"n-{table}-{column}")
                file.script(f"""PRAGMA writable_schema = 1;
                    UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = '{table}';
                    PRAGMA writable_schema = RESET;
                    UPDATE {table} SET {column} = NULL; UPDATE sync_meta SET generation = generation + 1;""")
                for call in ("sync_changeset()", "sync_fold()", "sync_touch('t', 'a')"):
                    message = self.refused(file, f"SELECT {call}", says=["damaged"])
                    self.assertNotIn("memory", message)


    def test_a_new_column_of_a_table_beyond_all_numbers(self):
        """Cut to 32 bits it was a table that there is, and its column one that there is not."""
        file = self.tracked("l")
        for number, column in ((2 ** 32, 30000), (2 ** 33, 2 ** 31), (-2 ** 32, 2 ** 32 + 7), (2 ** 32, -1)):
            file.sql("INSERT INTO sync_column SELECT tid + ?1, ?2, 'ghost' || ?2, 2 FROM sync_table", number, column)
        file.script("ALTER TABLE t ADD COLUMN late; INSERT INTO t VALUES('b', 1, 2)")
        file.fold()
        self.assertEqual(file.x("SELECT col, value FROM sync_changes WHERE key = '[\"b\"]' ORDER BY col"), [(None, None), ("late", 2), ("v", 1)])

    def test_the_highest_numbers_there_are(self):
        most = 2 ** 63 - 1
        for change, call in ((f"INSERT INTO sync_hidden_1(k1, j, seq, clock) SELECT k1, {most}, seq, clock FROM sync_row_1;"
                              "DELETE FROM n; INSERT INTO n VALUES(1, 2)", "sync_fold()"),
                             (f"UPDATE sync_meta SET folded = {-2 ** 63}", "sync_fold()"),
                             (f"UPDATE sync_journal SET seq = {most} WHERE seq = (SELECT max(seq) FROM sync_journal);"
                              f"UPDATE sync_row_1 SET seq = {most}; UPDATE sync_meta SET folded = {most}", "sync_apply(?)")):
            with self.subTest(change):
                self.number = getattr(self, "number", 0) + 1
                other, file = self.files((f"o{self.number}", f"h{self.number}"), "CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "n")
                other.sql("INSERT INTO n VALUES(1, 3), (2, 4)")
                file.sql("INSERT INTO n VALUES(1, 1)")
                file.fold()
                changes = [other.cut_for(file)] if "?" in call else []
                file.script(change)
                self.refused(file, f"SELECT {call}", *changes, says=["sync_"])


if __name__ == "__main__":
    unittest.main()
