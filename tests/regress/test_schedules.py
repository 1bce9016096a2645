"""Schedules that once lost a write, stalled, or left files different. Each names what went wrong."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from syncfile import SyncTest  # noqa: E402

SELF = "CREATE TABLE e(id TEXT PRIMARY KEY, prev TEXT REFERENCES e ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED);"


class Schedules(SyncTest):
    def converge(self, *files):
        self.level(*files)
        for file in files:
            invariants.check(file.path)

    def test_a_cascade_onto_the_moved_row_is_no_earlier_row(self):
        """The UPDATE that a cascade makes of the moved row itself is journaled before the move."""
        schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, v, p INT REFERENCES t ON UPDATE CASCADE);"
        a, b = self.files("ab", schema, "t")
        a.sql("INSERT INTO t VALUES(2, 'x', 2)")
        self.converge(a, b)
        a.script("PRAGMA foreign_keys = on; UPDATE t SET k = 1000 WHERE k = 2; INSERT INTO t VALUES(2, 'new', NULL);")
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT k, v, p FROM t ORDER BY k"), [(2, "new", None), (1000, "x", 1000)])

    def test_a_move_onto_a_taken_number_leaves_a_tombstone_of_its_own(self):
        a, b = self.files("ab", "CREATE TABLE t(k INTEGER PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES(3, 'three'), (4, 'four')")
        self.converge(a, b)
        a.sql("UPDATE OR REPLACE t SET k = 4 WHERE k = 3")
        a.fold()
        a.sql("UPDATE t SET v = 'later' WHERE k = 4")
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [(4, "later")])

    def test_replace_over_a_row_from_before_tracking_keeps_it(self):
        a, b = self.files("ab", "CREATE TABLE t(k INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1, 'g');", "t")
        self.converge(a, b)
        a.sql("INSERT OR REPLACE INTO t VALUES(1, 'new')")
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT v FROM t"), [("new",)])

    def test_a_delete_long_after_an_insert_that_was_told(self):
        """Mended at a chunk's end with the stamp of an entry that was told already, the delete was no news to anybody."""
        a, b = self.files("ab", "CREATE TABLE t(k TEXT PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES('x', 1)")
        b.pull(a)
        a.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) INSERT INTO t SELECT i, i FROM n")
        a.sql("DELETE FROM t WHERE k = 'x'")
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM t WHERE k = 'x'"), [(0,)])

    def test_what_is_pushed_out_may_be_the_parent_of_what_pushes(self):
        """The row was held as a child of the row it displaced, and then written as if it were there."""
        schema = "CREATE TABLE t(k BLOB PRIMARY KEY, u UNIQUE, p REFERENCES t ON DELETE SET NULL DEFERRABLE) WITHOUT ROWID;"
        a, b, c = self.files("abc", schema, "t")
        a.sql("INSERT INTO t(k, u) VALUES('', 'u')")
        self.converge(a, b, c)
        for file in (a, c):
            file.sql("UPDATE t SET k = 1 WHERE k = ''")
        a.sql("INSERT INTO t(k, u, p) VALUES('', 'v', 1)")
        a.sql("INSERT OR REPLACE INTO t(k, u, p) VALUES('a', 2, '')")
        c.sql("INSERT OR REPLACE INTO t(k, u, p) VALUES('a', 'v', 1)")
        self.converge(a, b, c)

    def test_a_chain_that_arrives_child_first(self):
        """Each held row tried its parents by savepoints: 200 rows took seconds, 2000 never ended."""
        a, b = self.files("ab", SELF, "e")
        rows = ", ".join(f"('{i}', NULL)" for i in range(2000))
        a.sql(f"INSERT INTO e VALUES {rows}")
        a.fold()
        for i in range(1999, 0, -1):
            a.x("UPDATE e SET prev = ? WHERE id = ?", str(i - 1), str(i))
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM e WHERE prev IS NOT NULL"), [(1999,)])

    def test_a_long_circle_is_shown(self):
        a, b = self.files("ab", SELF, "e")
        rows = ", ".join(f"('{i}', '{(i + 1) % 100}')" for i in range(100))
        a.script(f"PRAGMA foreign_keys = on; BEGIN; INSERT INTO e VALUES {rows}; COMMIT;")
        self.converge(a, b)
        self.assertEqual(b.held(), [])

    def test_a_circle_with_another_parent_missing_stays_held(self):
        """The second foreign key was not looked at any more once the circle was shown."""
        schema = ("CREATE TABLE q(id TEXT PRIMARY KEY); CREATE TABLE x(id TEXT PRIMARY KEY, y TEXT REFERENCES y, q TEXT REFERENCES q);"
                  "CREATE TABLE y(id TEXT PRIMARY KEY, x TEXT REFERENCES x);")
        a, b = self.files("ab", schema, "q", "x", "y")
        a.sql("INSERT INTO q VALUES('q')")
        self.converge(a, b)
        b.sql("DELETE FROM q")
        a.script("INSERT INTO x VALUES('x', 'y', 'q'); INSERT INTO y VALUES('y', 'x');")
        b.pull(a)
        self.assertEqual(b.sql("PRAGMA foreign_key_check"), [])
        self.assertEqual(b.sql("SELECT * FROM x"), [])
        self.converge(a, b)

    def test_a_deep_chain_is_held_when_its_root_goes(self):
        a, b = self.files("ab", SELF, "e")
        rows = ", ".join(f"('{i}', {'NULL' if i == 0 else repr(str(i - 1))})" for i in range(1500))
        a.sql(f"INSERT INTO e VALUES {rows}")
        self.converge(a, b)
        a.script("PRAGMA foreign_keys = off; DELETE FROM e WHERE id = '0';")
        b.pull(a)
        self.assertEqual(b.sql("SELECT count(*) FROM e"), [(0,)])
        self.assertEqual(len(b.held()), 1499)

    def test_reads_in_a_transaction_that_is_rolled_back(self):
        """What a read folded of uncommitted rows stood for others later."""
        a, b = self.files("ab", "CREATE TABLE t(k TEXT PRIMARY KEY, v);", "t")
        a.x("BEGIN")
        a.x("INSERT INTO t VALUES('x', 1)")
        a.x("SELECT count(*) FROM sync_changes")
        a.x("ROLLBACK")
        a.x("INSERT INTO t VALUES('y', 1)")
        self.converge(a, b)
        self.assertEqual(b.sql("SELECT k FROM t"), [("y",)])

    def test_values_wait_in_every_table(self):
        schema = "CREATE TABLE t(k TEXT PRIMARY KEY); CREATE TABLE u(k TEXT PRIMARY KEY);"
        a, b = self.files("ab", schema, "t", "u")
        a.script("ALTER TABLE t ADD COLUMN c; ALTER TABLE u ADD COLUMN c; INSERT INTO t VALUES('k', 1); INSERT INTO u VALUES('k', 2);")
        b.pull(a)
        b.script("ALTER TABLE t ADD COLUMN c; ALTER TABLE u ADD COLUMN c;")
        b.fold()
        self.assertEqual((b.sql("SELECT c FROM t"), b.sql("SELECT c FROM u")), ([(1,)], [(2,)]))

    def test_the_hosts_last_rowid_stays(self):
        a, b = self.files("ab", "CREATE TABLE t(k INTEGER PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES(77, 'x')")
        b.x("INSERT INTO t VALUES(5, 'y')")
        b.pull(a)
        self.assertEqual(b.x("SELECT last_insert_rowid()"), [(5,)])


if __name__ == "__main__":
    unittest.main()
