"""A row that is deleted, inserted again, deleted again, here and there: whatever arrives first, the newest life or death wins whole."""
import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

SCHEMAS = {"text": "CREATE TABLE t(id TEXT PRIMARY KEY, v, w);", "number": "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w);"}


class Lives(SyncTest):
    def outcomes(self, reader, deltas):
        """What a reader shows and knows after the deltas in every order, each order rolled back."""
        found = set()
        for order in itertools.permutations(deltas):
            reader.x("BEGIN")
            for delta in order:
                reader.apply(delta)
            found.add(repr((reader.x("SELECT * FROM t"), reader.x("SELECT key, op, col, value, stamp, site, cl FROM sync_changes ORDER BY 1, 2, 3, 5, 6"))))
            reader.x("ROLLBACK")
        return found

    def test_of_one_file(self):
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, reader = self.files((f"{label} a", f"{label} reader"), schema, "t")
                base, deltas = reader.seen(), []
                for statement in ("INSERT INTO t VALUES(1, 'first', 'x')", "DELETE FROM t", "INSERT INTO t(id, v) VALUES(1, 'second')",
                                  "DELETE FROM t", "INSERT INTO t(id, w) VALUES(1, 'third')"):
                    a.sql(statement)
                    deltas.append(a.changeset(base))
                self.assertEqual(len(self.outcomes(reader, deltas)), 1)
                reader.pull(a)
                self.assertEqual(reader.sql("SELECT v, w FROM t"), [(None, "third")])
                self.assert_same(a, reader)

    def test_of_three_files(self):
        """Deletes and inserts that did not know of each other, between those that did."""
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b, c, reader = self.files([f"{label} {n}" for n in ("a", "b", "c", "reader")], schema, "t")
                base = reader.seen()
                a.sql("INSERT INTO t VALUES(1, 'first', 'x')")
                exchange(a, b, c)
                deltas = []
                for file, statement in ((a, "DELETE FROM t"), (b, "UPDATE t SET v = 'edited'"), (c, "DELETE FROM t; INSERT INTO t VALUES(1, 'second', 'c')"),
                                        (a, "INSERT INTO t VALUES(1, 'second', 'a')")):
                    file.script(statement)
                    deltas.append(file.changeset(base))
                    tick()
                b.pull(c)
                b.sql("DELETE FROM t")
                deltas.append(b.changeset(base))
                self.assertEqual(len(self.outcomes(reader, deltas)), 1)
                self.level(a, b, c)
                reader.pull(a)
                self.assert_same(a, reader)
                # b.db deleted the second life as it knew it: by its key, or as the row of c.db alone
                self.assertEqual(a.sql("SELECT v, w FROM t"), [] if label == "text" else [("second", "a")])


if __name__ == "__main__":
    unittest.main()
