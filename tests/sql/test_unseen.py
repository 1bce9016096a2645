"""What the journal does not tell, or tells otherwise than it is: the table is the truth, and files come to be equal all the same."""
import json
import unittest

from syncfile import SyncTest, exchange, tick


class Unseen(SyncTest):
    def behind(self, file, statement):
        """By a program that has switched triggers off."""
        file.close()
        file.shell(f".dbconfig enable_trigger off\n{statement};")

    def test_a_row_that_came_back_unseen_and_was_changed(self):
        for identity in ("key", "row"):
            a, b = self.files([f"{identity}{n}" for n in "ab"], "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w);", "t", options=f'{{"identity":"{identity}"}}')
            a.sql("INSERT INTO t VALUES(1, 'first', 1), (2, 'other', 1)")
            self.level(a, b)
            a.sql("DELETE FROM t WHERE id = 1")
            self.level(a, b)
            self.behind(a, "INSERT INTO t VALUES(1, 'unseen', 2)")
            a.sql("UPDATE t SET w = 3 WHERE id = 1")
            exchange(a, b)
            if identity == "row":  # nothing says that it is not from before the tracking
                self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [(1, None, 3), (2, "other", 1)])
                a.x("SELECT sync_touch('t', 1)")
            self.level(a, b)
            self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [(1, "unseen", 3), (2, "other", 1)])

    def test_a_row_that_came_unseen_after_a_column_was_dropped(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v, gone, w);", "t")
        a.sql("INSERT INTO t VALUES('k', 1, 'kept', 1)")
        self.level(a, b)
        a.x("SELECT sync_alter('ALTER TABLE t DROP COLUMN gone')")
        self.behind(a, "INSERT INTO t VALUES('unseen', 1, 1)")
        a.sql("UPDATE t SET w = 2 WHERE id = 'unseen'")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [("k", 1, "kept", 1), ("unseen", None, None, 2)])
        a.x("SELECT sync_touch('t', 'unseen')")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [("k", 1, "kept", 1), ("unseen", 1, None, 2)])
        self.behind(a, "DELETE FROM t WHERE id = 'k'")
        a.sql("UPDATE t SET w = 3 WHERE id = 'unseen'")
        a.x("SELECT sync_touch('t', 'k')")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT id, w FROM t"), [("unseen", 3)])

    def test_bits_of_columns_that_are_not_there(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        a.fold()
        a.sql("INSERT INTO sync_journal(tid, op, at, k1) SELECT tid, (1 << 40) + 2, at, 'k' FROM sync_journal ORDER BY seq DESC LIMIT 1")
        a.fold()
        self.level(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", 1)])

    def test_more_notes_of_moves_that_were_not_made_than_are_kept(self):
        a, b = self.files("ab", "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        a.sql("WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO t SELECT i, i FROM n")
        self.level(a, b)
        a.script("UPDATE OR IGNORE t SET id = id + 1 WHERE id < 150; INSERT INTO u VALUES('k'); UPDATE OR REPLACE t SET id = 7 WHERE id = 8;"
                 "UPDATE OR IGNORE t SET id = id + 1 WHERE id BETWEEN 20 AND 120; INSERT INTO u VALUES('l')")
        b.pull(a)
        a.fold()
        self.level(a, b)
        self.assertEqual(b.sql("SELECT v FROM t WHERE id = 7"), [(8,)])
        self.assertEqual(b.sql("SELECT count(*) FROM t"), [(199,)])

    def test_a_row_with_another_number_is_deleted_in_two_files(self):
        a, b, c = self.files("abc", "CREATE TABLE t(id INTEGER PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES(1, 'a')")
        tick()
        b.sql("INSERT INTO t VALUES(1, 'b')")
        self.level(a, b, c)
        number = b.sql("SELECT id FROM t WHERE v = 'b'")[0][0]
        for file in (a, b, c):
            file.sql("UPDATE t SET v = 'b, edited' WHERE id = ?", number)
            tick()
        a.sql("DELETE FROM t WHERE id = ?", number)
        tick()
        b.sql("DELETE FROM t WHERE id = ?", number)
        exchange(a, c)
        exchange(b, c)
        self.level(a, b, c)
        c.sql("INSERT INTO t VALUES(?, 'new')", number)
        self.level(a, b, c)
        self.assertEqual(a.sql("SELECT * FROM t"), [(1, "a"), (number, "new")])

    def test_who_has_the_value_and_who_has_the_number(self):
        """Listed against a row that lost its value under an index on an expression is who has the value, not who has its number."""
        a, b = self.files("ab", "CREATE TABLE t(id INTEGER PRIMARY KEY, x); CREATE UNIQUE INDEX i ON t(lower(x));", "t")
        a.sql("INSERT INTO t VALUES(1, 'Same')")
        tick()
        b.sql("INSERT INTO t VALUES(1, 'other'), (2, 'same')")
        exchange(a, b)
        self.assertEqual(a.held(), [("t", "[1]", "unique")])
        for file in (a, b):
            ours, theirs = file.x("SELECT ours, theirs FROM sync_conflict")[0]
            self.assertEqual({json.loads(ours)["x"], json.loads(theirs)["x"]}, {"Same", "same"})
        a.sql("DELETE FROM t WHERE id = 2")
        self.level(a, b)
        self.assertEqual(a.held(), [])
        self.assertEqual(a.sql("SELECT x FROM t ORDER BY x"), [("Same",), ("other",)])

    def test_held_rows_of_a_table_that_went(self):
        schema = "CREATE TABLE t(id TEXT PRIMARY KEY, x UNIQUE); CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE);"
        a, b = self.files("ab", schema, "t", "u")
        a.sql("INSERT INTO t VALUES('k1', 1)"), a.sql("INSERT INTO u VALUES('k1', 1)")
        tick()
        b.sql("INSERT INTO t VALUES('k2', 1)"), b.sql("INSERT INTO u VALUES('k2', 1)")
        exchange(a, b)
        a.sql("DROP TABLE t")
        b.sql("UPDATE u SET x = 2 WHERE id = 'k2'")
        a.apply(b.cut_for(a))
        self.assertEqual(a.sql("SELECT * FROM u ORDER BY id"), [("k1", 1), ("k2", 2)])
        self.refused(a, "SELECT sync_resolve(id, 'ours') FROM sync_conflict WHERE tbl = 't'", says=["not tracked any more"])

    def test_what_a_dry_run_says_of_columns_that_are_not_here(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, a, b, c);", "t")
        a.sql("INSERT INTO t VALUES('k', 1, 1, 1), ('l', 1, 1, 1), ('m', 1, 1, 1)")
        self.level(a, b)
        b.x("SELECT sync_alter('ALTER TABLE t DROP COLUMN b')")
        a.script("UPDATE t SET b = 2 WHERE id = 'k'; UPDATE t SET a = 2, b = 2, c = 2 WHERE id = 'l'; DELETE FROM t WHERE id = 'm';"
                 "INSERT INTO t VALUES('n', NULL, 3, NULL)")
        changeset = a.cut_for(b)
        told = json.loads(b.one("SELECT sync_apply(?, '{\"dry_run\": true}')", changeset))
        text = json.dumps(told)
        self.assertNotIn('"b"', text)
        before = b.rows("t")
        self.assertEqual(before, b.rows("t"))
        b.apply(changeset)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY id"), [("k", 1, 1), ("l", 2, 2), ("n", None, None)])
        self.assertIn('"l"', text)
        self.assertIn('"m"', text)
        self.assertIn('"n"', text)

    def test_tables_that_are_ours_alone_are_empty(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        a.fold()
        self.assertEqual(a.x("SELECT * FROM sync_chunk"), [])
        self.assertEqual(a.x("SELECT rowid, * FROM sync_keeper"), [])
        self.refused(a, "INSERT INTO sync_chunk(seq) VALUES(1)", says=["may not be modified"])


if __name__ == "__main__":
    unittest.main()
