"""A file that is sent whole is read in as few passes as may be; none of its rows may be passed over for that."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
from syncfile import SyncTest  # noqa: E402

SCHEMAS = {
    "text": "CREATE TABLE t(id TEXT PRIMARY KEY, v, w DEFAULT 'w');",
    "nocase": "CREATE TABLE t(id TEXT PRIMARY KEY COLLATE NOCASE, v, w DEFAULT 'w');",
    "without rowid": "CREATE TABLE t(id INT, v, w DEFAULT 'w', PRIMARY KEY(id)) WITHOUT ROWID;",
    "integer": "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w DEFAULT 'w');",
}


def fill(a):
    """Rows from before the tracking and after it, with and without a clock, whole and in parts, alive and dead."""
    a.sql("INSERT INTO t(id, v) VALUES(1, 'old'), (2, 'old, updated'), (3, 'old, deleted'), (4, 'old'), (5, 'old')")
    a.track("t")
    a.sql("UPDATE t SET v = 'updated' WHERE id = 2")
    a.sql("DELETE FROM t WHERE id = 3")
    a.sql("INSERT INTO t VALUES(6, 'new', 1), (7, 'new, updated', 2), (8, 'new, deleted', 3), (9, 'new', x'00')")
    a.sql("UPDATE t SET w = 2.5 WHERE id = 7")
    a.sql("DELETE FROM t WHERE id = 8")


class Whole(SyncTest):
    def test_every_row_is_sent(self):
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b = self.file(f"a {label}", schema), self.file(f"b {label}", schema, "t")
                fill(a)
                a.fold()
                b.apply(a.changeset())
                self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), a.sql("SELECT * FROM t ORDER BY id"))
                a.sql("INSERT INTO t(id) VALUES(3)")
                a.fold()
                b.apply(a.changeset())
                self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), a.sql("SELECT * FROM t ORDER BY id"))

    def test_rows_that_went_unseen_hide_no_others(self):
        """As many rows gone behind the triggers' back as there are rows without a clock: their numbers must not make up for each other."""
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b = self.file(f"a {label}", schema), self.file(f"b {label}", schema, "t")
                fill(a)
                a.fold()
                a.shell(".dbconfig enable_trigger off\nDELETE FROM t WHERE id IN (6, 7, 9)")  # 1, 4 and 5 have no clock
                b.apply(a.changeset())
                self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), a.sql("SELECT id FROM t ORDER BY id"))

    def test_a_column_that_came_later(self):
        for label, schema in SCHEMAS.items():
            with self.subTest(label):
                a, b = self.file(f"a {label}", schema), self.file(f"b {label}", schema)
                fill(a)
                a.fold()
                for file in (a, b):
                    file.sql("ALTER TABLE t ADD COLUMN late DEFAULT 'd'")
                b.track("t")
                a.sql("UPDATE t SET late = 'written' WHERE id IN (1, 6)")
                a.sql("INSERT INTO t VALUES(10, 'v', 'w', 'late')")
                a.fold()
                b.apply(a.changeset())
                self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), a.sql("SELECT * FROM t ORDER BY id"))


if __name__ == "__main__":
    unittest.main()
