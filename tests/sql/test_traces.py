"""The counterexamples that the rules of the merge were made from, each re-enacted with real files.

Two of them need what SQL does not offer (a delta merged in parts and cut off between them; counters) and are played elsewhere.
"""
import unittest

from syncfile import SyncTest, exchange, tick

TEXT = "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);"
NUMBER = "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);"


class Traces(SyncTest):
    def test_a_delta_names_the_vector_it_was_cut_against(self):
        s, r, q = self.files("srq", TEXT, "t")
        s.sql("INSERT INTO t(id, a) VALUES('1', 1)")
        r.pull(s)
        s.sql("INSERT INTO t(id, a) VALUES('2', 2)")
        for_r = s.cut_for(r)
        self.refused(q, "SELECT sync_apply(?)", for_r, says=["sync_seen"])     # it never had row 1
        self.level(s, r, q)
        self.assertEqual(len(q.rows("t")), 2)

    def test_a_delta_names_the_journal_position_it_was_read_from(self):
        s, r, q = self.files("srq", TEXT, "t")
        s.sql("INSERT INTO t(id, a) VALUES('1', 1)")
        r.pull(s)
        version = s.version()
        s.sql("INSERT INTO t(id, a) VALUES('2', 2)")
        self.refused(q, "SELECT sync_apply(?)", s.changeset(version), says=["sync_seen"])
        self.assertEqual(r.apply(s.changeset(version)), 1)
        self.level(s, r, q)

    def test_cursors_are_per_table(self):
        schema = TEXT + "CREATE TABLE u(id TEXT PRIMARY KEY, a);"
        s, r = self.file("s", schema, "u", "t"), self.file("r", schema, "u")
        s.sql("INSERT INTO t(id, a) VALUES('1', 1)")
        s.sql("INSERT INTO u(id, a) VALUES('1', 1)")
        r.pull(s)                              # past both entries
        r.track("t")
        self.level(s, r)
        self.assertEqual(r.sql("SELECT a FROM t"), [(1,)])

    def test_unset_cells_lose_to_any_stamp(self):
        a, b = self.files("ab", TEXT, "t")
        b.sql("ALTER TABLE t ADD COLUMN c")
        b.sql("INSERT INTO t VALUES('1', 'b', NULL, 'x')")
        b.fold()
        tick()
        a.sql("INSERT INTO t VALUES('1', 'a', NULL)")      # later, and without a column c
        a.pull(b)
        b.pull(a)
        a.sql("ALTER TABLE t ADD COLUMN c")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a, c FROM t"), [("a", "x")])

    def test_existence_is_a_cell(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY);", "t")
        a.sql("INSERT INTO t VALUES('1')")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("1",)])

    def test_a_key_that_the_tail_names_gets_a_tombstone(self):
        a = self.file("a", TEXT + "INSERT INTO t VALUES('1', 1, NULL);", "t")
        b = self.file("b", TEXT, "t")
        b.pull(a)
        self.assertEqual(len(b.rows("t")), 1)
        a.sql("INSERT OR REPLACE INTO t VALUES('1', 2, NULL)")
        a.sql("DELETE FROM t")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [])

    def test_incarnations_are_ordered_by_birth_first(self):
        a, b = self.files("ab", NUMBER, "t")
        a.sql("INSERT INTO t VALUES(1, 'A', NULL)")
        a.fold()
        tick()
        b.sql("INSERT INTO t VALUES(1, 'B', NULL)")
        tick()
        a.sql("DELETE FROM t")                 # its own row, having never seen B's
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a FROM t"), [("B",)])

    def test_geneses_of_their_own_are_not_mixed(self):
        a, b = self.files("ab", NUMBER)
        a.sql("INSERT INTO t VALUES(1, 'A', 'A')")
        b.sql("INSERT INTO t VALUES(1, 'B', 'B')")
        for file in (a, b):
            file.track("t", options='{"genesis": "own"}')
        a.sql("UPDATE t SET a = 'A2'")
        self.level(a, b)
        self.assertNotEqual(a.sql("SELECT a, b FROM t"), [("A2", "B")])

    def test_a_genesis_is_below_every_write(self):
        a, b = self.files("ab", TEXT + "INSERT INTO t VALUES('1', 'old', NULL);")
        a.track("t")
        a.sql("UPDATE t SET a = 'edited'")
        a.fold()
        tick()
        b.track("t")                           # a stale copy, adopted later
        self.level(a, b)
        self.assertEqual(a.sql("SELECT a FROM t"), [("edited",)])

    def test_columns_that_the_triggers_do_not_know(self):
        a, b = self.files("ab", TEXT, "t")
        a.sql("INSERT INTO t VALUES('1', 1, NULL)")
        self.level(a, b)
        for file in (a, b):
            file.shell("ALTER TABLE t ADD COLUMN c;")
        a.shell("UPDATE t SET c = 'x';")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT c FROM t"), [("x",)])

    def test_a_pending_cell_dies_with_its_incarnation(self):
        a, b, c = self.files("abc", TEXT, "t")
        b.sql("ALTER TABLE t ADD COLUMN c")
        b.sql("INSERT INTO t VALUES('1', 1, NULL, 'old life')")
        exchange(a, b, c)
        c.sql("DELETE FROM t")
        c.fold()
        c.sql("INSERT INTO t VALUES('1', 2, NULL)")
        exchange(a, b, c)
        a.sql("ALTER TABLE t ADD COLUMN c")
        c.sql("ALTER TABLE t ADD COLUMN c")
        self.level(a, b, c)
        self.assertEqual(a.sql("SELECT a, c FROM t"), [(2, None)])

    def test_a_file_behind_its_witness_was_restored(self):
        s, r = self.files("sr", TEXT, "t")
        s.fold()
        backup = s.snapshot()
        s.sql("INSERT INTO t VALUES('1', 1, NULL)")
        r.pull(s)
        s.overwrite(backup)                    # over the same inode
        s.sql("INSERT INTO t VALUES('2', 2, NULL)")
        s.fold()
        self.level(s, r)
        self.assertEqual(s.sql("SELECT id FROM t ORDER BY id"), [("1",), ("2",)])

    def test_a_clash_is_decided_by_stamps(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, a, u UNIQUE);", "t")
        a.sql("INSERT INTO t VALUES('1', NULL, 'x')")
        tick()
        b.sql("INSERT INTO t VALUES('2', NULL, 'x')")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM t"), [("2",)])


if __name__ == "__main__":
    unittest.main()
