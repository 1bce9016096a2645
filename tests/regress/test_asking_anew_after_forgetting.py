"""A file that has forgotten deletes asks for a table anew (a column was lost, the table has another name). What it holds of others starts again from
nothing, and still: its rows and those of the others come to agree, and there is an end to it."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange  # noqa: E402

REBUILT = "BEGIN; CREATE TABLE made(id {} PRIMARY KEY); INSERT INTO made SELECT id FROM t; DROP TABLE t; ALTER TABLE made RENAME TO t; COMMIT"


class Anew(SyncTest):
    def both(self):
        """Files a and b of each kind of table, with rows 1 and 2."""
        for kind in ("TEXT", "INTEGER"):
            a, b = self.files([kind + " a", kind + " b"], f"CREATE TABLE t(id {kind} PRIMARY KEY, v)", "t")
            a.sql("INSERT INTO t VALUES(1, 'one'), (2, 'two')")
            exchange(a, b)
            yield kind, a, b

    def forget(self, file):
        self.assertEqual(file.one("""SELECT sync_compact('{"age": 0}')"""), 1)

    def values(self, file, table="t"):
        return [int(row[0]) for row in file.sql(f"SELECT id FROM {table} ORDER BY id")]

    def test_others_ask_before_it_has_what_it_asks_for(self):
        """It has seen the row that it does not have, though it does not hold anything of others just now."""
        for kind, a, b in self.both():
            b.sql("DELETE FROM t WHERE id = 1")
            self.forget(b)
            b.script(REBUILT.format(kind))
            b.fold()
            a.pull(b)
            self.assertEqual(self.values(a), [2])
            exchange(a, b)
            self.assertEqual(self.values(b), [2])

    def test_what_nobody_can_say_to_hold(self):
        """Of an id that the file gave up, whose last rows no other file has heard of: others never come up to its floor there."""
        for kind, a, b in self.both():
            a.sql("INSERT INTO t VALUES(3, 'three')")
            a.sql("DELETE FROM t WHERE id = 1")
            a.fold()
            c = self.copy(a, kind + " c")
            self.forget(c)
            c.script(REBUILT.format(kind))
            c.fold()
            exchange(b, c)
            self.assertEqual([self.values(b), self.values(c)], [[2, 3], [2, 3]])
            self.assertIsNone(c.cut_for(b))
            self.assertIsNone(b.cut_for(c))
            b.sql("INSERT INTO t VALUES(4, 'four')")
            exchange(b, c)
            self.assertEqual(self.values(c), [2, 3, 4])

    def test_a_file_that_hears_of_it_from_another(self):
        """The mark travels along: d.db, which has the row still, gets the table whole from b.db, which never forgot anything itself."""
        for kind, a, b in self.both():
            d = self.file(kind + " d", f"CREATE TABLE t(id {kind} PRIMARY KEY, v)", "t")
            d.pull(a)
            a.sql("DELETE FROM t WHERE id = 1")
            a.fold()
            c = self.copy(a, kind + " c")
            self.forget(c)
            c.script(REBUILT.format(kind))
            c.fold()
            b.pull(c)
            d.pull(b)
            self.assertEqual([self.values(b), self.values(d)], [[2], [2]])
            exchange(b, c, d)
            self.assertEqual([self.values(f) for f in (b, c, d)], [[2]] * 3)

    def test_a_table_renamed_everywhere(self):
        """What was forgotten under the old name says nothing under the new one, of rows that the file wrote itself neither."""
        for _, a, b in self.both():
            a.sql("DELETE FROM t WHERE id = 1")
            self.forget(a)
            for file in (a, b):
                file.sql("ALTER TABLE t RENAME TO u")
                file.fold()
            b.sql("UPDATE u SET v = 'edited' WHERE id = 2")
            exchange(a, b)
            self.assertEqual([self.values(a, "u"), self.values(b, "u")], [[1, 2], [1, 2]])
            self.assertEqual(a.sql("SELECT v FROM u ORDER BY id"), [("one",), ("edited",)])


if __name__ == "__main__":
    unittest.main()
