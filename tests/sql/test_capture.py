"""Whatever an application writes, the extension in sight or not, arrives in the other file: rows, and rows that went."""
import os
import sqlite3
import subprocess
import threading
import unittest

from syncfile import EXTENSION, SyncTest, connect

T = "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);"
U = "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE, y, z, UNIQUE(y, z));"
N = "CREATE TABLE n(id INTEGER PRIMARY KEY, x UNIQUE, v);"


class Statements(SyncTest):
    """After each script of the stock shell both files are equal, and the rows are what plain SQLite makes of it."""

    SCHEMA = T + U + N
    START = ("INSERT INTO t VALUES('k1', 1, 1), ('k2', 2, 2), ('k3', 3, 3);"
             "INSERT INTO u VALUES('u1', 'x1', 1, 1), ('u2', 'x2', 1, 2), ('u3', NULL, 2, 1);"
             "INSERT INTO n VALUES(1, 'a', 'one'), (2, 'b', 'two'), (3, NULL, 'three');")
    SCRIPTS = {
        "savepoints": "BEGIN; INSERT INTO t VALUES('s1', 1, 1); SAVEPOINT s; UPDATE t SET a = 9; DELETE FROM t WHERE id = 'k1'; ROLLBACK TO s;"
                      "UPDATE t SET b = 8 WHERE id = 'k2'; RELEASE s; COMMIT;",
        "rollback": "BEGIN; DELETE FROM t; INSERT INTO n VALUES(50, 'z', 'fifty'); ROLLBACK; UPDATE t SET a = 7 WHERE id = 'k3';",
        "replace by key": "INSERT OR REPLACE INTO t VALUES('k1', 'new', NULL), ('k9', 9, 9); REPLACE INTO n VALUES(1, 'a', 'uno');",
        "replace by a unique column": "INSERT OR REPLACE INTO u VALUES('u9', 'x1', 9, 9); REPLACE INTO n(id, x, v) VALUES(9, 'b', 'nine');",
        "replace displaces several rows": "INSERT OR REPLACE INTO u VALUES('u3', 'x1', 1, 2);",
        "replace with an automatic number": "INSERT OR REPLACE INTO n(x, v) VALUES('a', 'automatic'); REPLACE INTO n(x) VALUES('b'), ('c');",
        "update or replace": "UPDATE OR REPLACE u SET x = 'x1' WHERE id = 'u2'; UPDATE OR REPLACE n SET x = 'a' WHERE id = 2; UPDATE OR REPLACE t SET id = 'k1' WHERE id = 'k2';",
        "update or replace of the number": "UPDATE OR REPLACE n SET id = 1 WHERE id = 2;",
        "ignore": "INSERT OR IGNORE INTO u VALUES('u1', 'zz', 7, 7), ('u8', 'x1', 7, 7), ('u7', 'x7', 1, 1), ('u6', 'x6', 6, 6); UPDATE OR IGNORE u SET x = 'x1';",
        "fail and abort": "INSERT OR IGNORE INTO t VALUES('k1', 0, 0); UPDATE t SET a = 3 WHERE id = 'k1';",
        "upsert": "INSERT INTO t VALUES('k1', 5, 5), ('k7', 7, 7) ON CONFLICT(id) DO UPDATE SET a = excluded.a + a;"
                  "INSERT INTO u VALUES('u5', 'x1', 5, 5) ON CONFLICT(x) DO UPDATE SET id = 'u1b', y = 50; INSERT INTO t VALUES('k2', 0, 0) ON CONFLICT DO NOTHING;",
        "key changes": "UPDATE t SET id = 'moved' WHERE id = 'k1'; UPDATE t SET id = id || 'x', a = a + 1 WHERE id > 'l' OR id = 'k2'; UPDATE u SET id = 'v' || id;",
        "swapped keys": "UPDATE t SET id = 'tmp' WHERE id = 'k1'; UPDATE t SET id = 'k1' WHERE id = 'k2'; UPDATE t SET id = 'k2' WHERE id = 'tmp';",
        "number changes": "UPDATE n SET id = 100 WHERE id = 1; UPDATE n SET id = id + 1000; UPDATE n SET rowid = 5 WHERE id = 1100; UPDATE n SET oid = 6, v = 'six' WHERE _rowid_ = 1002;",
        "delete and insert again": "DELETE FROM t WHERE id = 'k1'; INSERT INTO t(id) VALUES('k1'); DELETE FROM n WHERE id = 2; INSERT INTO n(id, v) VALUES(2, 'again');",
        "insert and delete": "INSERT INTO t VALUES('brief', 1, 1); DELETE FROM t WHERE id = 'brief'; INSERT INTO n VALUES(77, 'brief', 1); DELETE FROM n WHERE id = 77;",
        "delete everything": "DELETE FROM t; DELETE FROM n; DELETE FROM u;",
        "update from, returning, cte": "WITH w(k, v) AS (VALUES('k1', 'w1'), ('k3', 'w3')) UPDATE t SET b = w.v FROM w WHERE w.k = t.id RETURNING b;"
                                       "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300) INSERT INTO t SELECT 'c' || i, i, NULL FROM c;",
        "the same row often": "".join(f"UPDATE t SET a = {i} WHERE id = 'k1';" for i in range(100)),
        "insert select from itself": "INSERT INTO t SELECT id || '-copy', a, b FROM t; DELETE FROM t WHERE a = 2;",
        "recursive triggers on": "PRAGMA recursive_triggers = on; INSERT OR REPLACE INTO u VALUES('u9', 'x1', 1, 2); REPLACE INTO n(x, v) VALUES('a', 'automatic');"
                                 "UPDATE OR REPLACE n SET x = 'b' WHERE x = 'a'; UPDATE OR REPLACE t SET id = 'k1' WHERE id = 'k3'; INSERT OR REPLACE INTO t VALUES('k2', 7, 7);",
        "same values": "UPDATE t SET a = a, b = b, id = id; INSERT OR REPLACE INTO t SELECT * FROM t WHERE id = 'k1';",
        "nested replace in one transaction": "BEGIN; REPLACE INTO u VALUES('u1', 'x2', 1, 2); REPLACE INTO u VALUES('u2', 'x2', 5, 5); SAVEPOINT s; REPLACE INTO u VALUES('u4', 'x2', 9, 9); ROLLBACK TO s; COMMIT;",
    }

    def run_scripts(self, genesis, options=None):
        for name, script in self.SCRIPTS.items():
            with self.subTest(name):
                number = len(self._files)
                schema = self.SCHEMA + (self.START if genesis else "")
                bare = self.file(f"bare{number}", self.SCHEMA + self.START)
                a = self.file(f"a{number}", schema, "t", "u", "n", options=options)
                b = self.file(f"b{number}", self.SCHEMA, "t", "u", "n", options=options)
                if not genesis:
                    a.shell(self.START)
                    self.level(a, b)
                bare.shell(script)
                a.shell(script)
                expected = {table: bare.rows(table) for table in "tun"}
                self.assertEqual({table: a.rows(table) for table in "tun"}, expected)
                virtual = a.cells()
                a.fold()
                self.assertEqual(a.cells(), virtual)
                self.level(a, b)
                self.assertEqual({table: b.rows(table) for table in "tun"}, expected)
                self.assertEqual((a.held(), b.held()), ([], []))
                for file in (a, b, bare):
                    file.close()

    def test_on_rows_that_travelled(self):
        self.run_scripts(genesis=False)

    def test_on_rows_that_were_there_before(self):
        self.run_scripts(genesis=True)

    def test_failed_statements(self):
        a, b = self.files("ab", self.SCHEMA, "t", "u", "n")
        a.shell(self.START)
        for conflict in ("", "OR ABORT", "OR FAIL", "OR ROLLBACK"):
            with self.assertRaises(sqlite3.IntegrityError):
                a.sql(f"INSERT {conflict} INTO t VALUES('f{conflict}', 1, 1), ('k1', 0, 0), ('g', 1, 1)")
            with self.assertRaises(sqlite3.IntegrityError):
                a.sql(f"UPDATE {conflict} u SET x = 'same'")
        self.assertIn(("fOR FAIL",), a.sql("SELECT id FROM t"))
        self.level(a, b)


class Journal(SyncTest):
    """What is written beside the application's write."""

    def tail(self, file):
        return file.sql("SELECT op, k1 FROM sync_journal WHERE seq > (SELECT folded FROM sync_meta) ORDER BY seq")

    def test_masks_are_exact(self):
        file = self.file("a", T, "t")
        file.sql("INSERT INTO t VALUES('k', 1, 1)")
        file.sql("UPDATE t SET a = 2")
        file.sql("UPDATE t SET b = 2")
        file.sql("UPDATE t SET a = 3, b = 3")
        file.sql("UPDATE t SET a = 3, b = 3")
        file.sql("DELETE FROM t")
        self.assertEqual(self.tail(file), [(-1, "k"), (1, "k"), (2, "k"), (3, "k"), (0, "k"), (-2, "k")])

    def test_ignored_rows_come_to_nothing(self):
        a, b = self.files("ab", N, "n")
        a.sql("INSERT INTO n VALUES(1, 'x', 'v')")
        self.level(a, b)
        a.sql("INSERT OR IGNORE INTO n VALUES(2, 'x', 'w')")
        a.sql("INSERT OR IGNORE INTO n VALUES(1, 'y', 'w')")
        self.assertIsNone(a.cut_for(b))
        a.fold()
        self.assertIsNone(a.cut_for(b))

    def test_triggers_hold_no_function_of_ours(self):
        file = self.file("a", T + U + N, "t", "u", "n")
        text = " ".join(sql for (sql,) in file.sql("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")).lower()
        for function in ("sync_site(", "sync_version(", "sync_fold(", "sync_apply(", "sync_touch(", "sync_seen("):
            self.assertNotIn(function, text)
        self.assertIn("sync_journal", text)

    def test_changes_and_rowids_of_the_application(self):
        file = self.file("a", "CREATE TABLE n(id INTEGER PRIMARY KEY, v UNIQUE);", "n")
        cursor = file.plain.execute("INSERT INTO n(v) VALUES('x'), ('y')")
        self.assertEqual((cursor.lastrowid, file.sql("SELECT changes()")), (2, [(2,)]))
        cursor = file.plain.execute("INSERT OR REPLACE INTO n(v) VALUES('x')")
        self.assertEqual((cursor.lastrowid, file.sql("SELECT changes()")), (3, [(1,)]))
        file.plain.execute("UPDATE n SET v = v || 'z'")
        self.assertEqual(file.sql("SELECT changes()"), [(2,)])


class Cascades(SyncTest):
    SCHEMA = ("CREATE TABLE p(id TEXT PRIMARY KEY, v);"
              "CREATE TABLE cascade(id TEXT PRIMARY KEY, p TEXT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE, v);"
              "CREATE TABLE nulls(id TEXT PRIMARY KEY, p TEXT REFERENCES p ON DELETE SET NULL ON UPDATE SET NULL);"
              "CREATE TABLE defaults(id TEXT PRIMARY KEY, p TEXT DEFAULT 'p0' REFERENCES p ON DELETE SET DEFAULT ON UPDATE SET DEFAULT);"
              "CREATE TABLE deep(id TEXT PRIMARY KEY, c TEXT REFERENCES cascade ON DELETE CASCADE ON UPDATE CASCADE);")
    TABLES = ("p", "cascade", "nulls", "defaults", "deep")
    START = ("INSERT INTO p VALUES('p0', 0), ('p1', 1), ('p2', 2);"
             "INSERT INTO cascade VALUES('c1', 'p1', 1), ('c2', 'p2', 2); INSERT INTO nulls VALUES('n1', 'p1'), ('n2', 'p2');"
             "INSERT INTO defaults VALUES('d1', 'p1'), ('d2', 'p2'); INSERT INTO deep VALUES('e1', 'c1'), ('e2', 'c2');")

    def test_what_a_cascade_changes_is_captured(self):
        for script in ("DELETE FROM p WHERE id = 'p1'", "UPDATE p SET id = 'p9' WHERE id = 'p1'", "UPDATE cascade SET id = 'c9' WHERE id = 'c1'",
                       "PRAGMA recursive_triggers = on; REPLACE INTO p VALUES('p1', 9)", "REPLACE INTO p VALUES('p1', 9)", "DELETE FROM p WHERE id > 'p0'"):
            for receiver in (0, 1):
                with self.subTest(script=script, receiver=receiver):
                    number = len(self._files)
                    a, b = self.files((f"a{number}", f"b{number}"), self.SCHEMA, *self.TABLES)
                    b.x(f"PRAGMA foreign_keys = {receiver}")
                    a.shell("PRAGMA foreign_keys = on;" + self.START)
                    self.level(a, b)
                    a.shell(f"PRAGMA foreign_keys = on; {script};")
                    rows = {t: a.rows(t) for t in self.TABLES}
                    b.pull(a)
                    self.assertEqual({t: a.rows(t) for t in self.TABLES}, rows)
                    self.level(a, b)
                    self.assertEqual({t: b.rows(t) for t in self.TABLES}, rows)
                    a.close(), b.close()

    def test_numbers(self):
        schema = ("CREATE TABLE p(id INTEGER PRIMARY KEY, v); CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE);"
                  "CREATE TABLE pc(p INT REFERENCES p ON DELETE CASCADE, c INT REFERENCES c ON DELETE CASCADE, PRIMARY KEY(p, c)) WITHOUT ROWID;")
        a, b = self.files("ab", schema, "p", "c", "pc")
        a.shell("PRAGMA foreign_keys = on; INSERT INTO p VALUES(1, 1), (2, 2); INSERT INTO c VALUES(1, 1), (2, 1), (3, 2); INSERT INTO pc VALUES(1, 1), (2, 3);")
        self.level(a, b)
        b.shell("PRAGMA foreign_keys = on; DELETE FROM p WHERE id = 1;")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM c"), [(3,)])
        self.assertEqual(a.sql("SELECT * FROM pc"), [(2, 3)])


class Connections(SyncTest):
    def test_several_processes_at_once(self):
        a, b = self.files("ab", T + N, "t", "n")
        writers = []
        for w in range(4):
            script = ".timeout 60000\n" + "".join(
                f"INSERT INTO t VALUES('w{w}-{i}', {i}, {w}); INSERT INTO n(v) VALUES('w{w}-{i}'); UPDATE t SET a = a + 1000 WHERE id = 'w{w}-{i // 2}';"
                f"INSERT OR REPLACE INTO t VALUES('shared', {i}, {w});" for i in range(60))
            process = subprocess.Popen(["sqlite3", "-batch", "-bail", "-init", os.devnull, a.path], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            writers.append((process, threading.Thread(target=process.stdin.write, args=(script,))))
            writers[-1][1].start()
        for process, thread in writers:
            thread.join()
            process.stdin.close()
        while any(process.poll() is None for process, _ in writers):
            b.pull(a)
        for process, _ in writers:
            self.assertEqual((process.wait(), process.stderr.read()), (0, ""))
            process.stderr.close()
        self.level(a, b)
        self.assertEqual(b.sql("SELECT count(*), sum(a >= 1000) FROM t"), [(241, 120)])
        self.assertEqual(b.sql("SELECT count(*), count(DISTINCT v) FROM n"), [(240, 240)])

    def test_several_connections_with_the_extension(self):
        a, b = self.files("ab", T, "t")
        second = connect(a.path)
        self.addCleanup(second.close)
        for i in range(20):
            a.x("INSERT INTO t VALUES(?, 1, 1)", f"a{i}")
            second.execute("INSERT INTO t VALUES(?, 2, 2)", (f"s{i}",))
            (a.x if i % 2 else lambda s: second.execute(s).fetchall())("SELECT sync_fold()")
            changes = [connection.execute("SELECT key, col, stamp FROM sync_changes ORDER BY 1, 2").fetchall() for connection in (a.extended, second)]
            self.assertEqual(*changes)
        self.level(a, b)
        self.assertEqual(len(b.rows("t")), 40)

    def test_a_merge_beside_a_writer_waits_its_turn(self):
        a, b = self.files("ab", T, "t")
        a.sql("INSERT INTO t VALUES('k', 1, 1)")
        changeset = a.cut_for(b)
        b.extended.execute("PRAGMA busy_timeout = 0")
        b.sql("BEGIN IMMEDIATE")
        b.sql("INSERT INTO t VALUES('own', 1, 1)")
        self.refused(b, "SELECT sync_apply(?)", changeset, says=["locked"])
        b.sql("COMMIT")
        self.assertEqual(b.apply(changeset), 1)
        self.level(a, b)

    def test_tracking_seen_by_an_open_connection(self):
        a = self.file("a", T)
        second = connect(a.path)
        self.addCleanup(second.close)
        self.assertEqual(second.execute("SELECT count(*) FROM sync_status").fetchone(), (0,))
        a.track("t")
        a.sql("INSERT INTO t VALUES('k', 1, 1)")
        self.assertEqual(second.execute("SELECT count(*) FROM sync_changes WHERE col = 'a'").fetchone(), (1,))
        a.x("SELECT sync_untrack_all()")
        self.assertEqual(second.execute("SELECT count(*) FROM sync_changes").fetchone(), (0,))


class Reading(SyncTest):
    READS = ("SELECT * FROM sync_changes", "SELECT * FROM sync_status", "SELECT sync_changeset()", "SELECT sync_changeset(0)", "SELECT sync_seen()",
             "SELECT sync_version()", "SELECT sync_site()")

    def test_reading_never_writes(self):
        for wal in (True, False):
            with self.subTest(wal=wal):
                file = self.file(f"a{wal}", T + "INSERT INTO t VALUES('g', 1, 1);", "t", wal=wal)
                file.sql("INSERT INTO t VALUES('k', 1, 1)")
                before = file.sql("PRAGMA data_version"), file.shell(".dump")
                for statement in self.READS:
                    self.assertTrue(file.x(statement), statement)
                    self.assertEqual((file.sql("PRAGMA data_version"), file.shell(".dump")), before, statement)

    def test_a_neighbours_transaction_is_not_in_the_way(self):
        file = self.file("a", T, "t")
        for i in range(5):
            file.sql("BEGIN")
            file.sql("SELECT * FROM t")
            for statement in self.READS:
                file.x(statement)
            file.sql("INSERT INTO t VALUES(?, 1, 1)", f"k{i}")     # fails at once if anybody has committed in between
            for statement in self.READS:
                file.x(statement)
            file.sql("COMMIT")
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes WHERE col = 'a'"), 5)

    def test_read_only_connections(self):
        a, b = self.files("ab", T + "INSERT INTO t VALUES('g', 1, 1);", "t")
        a.sql("INSERT INTO t VALUES('k', 1, 1)")
        a.sql("UPDATE t SET a = 2 WHERE id = 'g'")
        reader = connect(a.path)
        reader.close()
        reader = sqlite3.connect(f"file:{a.path}?mode=ro", uri=True, isolation_level=None)
        reader.enable_load_extension(True)
        reader.load_extension(str(EXTENSION.with_suffix("")))
        self.addCleanup(reader.close)
        for statement in self.READS:
            self.assertTrue(reader.execute(statement).fetchall(), statement)
        changeset = reader.execute("SELECT sync_changeset(?)", (b.seen(),)).fetchone()[0]
        self.assertEqual(b.apply(changeset), 2)
        self.level(a, b)
        for call in ("sync_fold()", "sync_track_all()", "sync_untrack_all()", "sync_apply(sync_changeset())"):
            with self.subTest(call), self.assertRaisesRegex(sqlite3.Error, "(?i)read-?only"):
                a.sql("INSERT OR REPLACE INTO t VALUES('tail', 1, 1)")
                reader.execute(f"SELECT {call}").fetchall()

    def test_a_long_tail_is_read_too(self):
        a, b = self.files("ab", T, "t")
        a.sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 30000) INSERT INTO t SELECT 'c' || i, i, NULL FROM c")
        a.sql("UPDATE t SET b = 1 WHERE a % 2")
        self.assertEqual(b.pull(a), 30000)
        self.assertEqual(a.rows("t"), b.rows("t"))


if __name__ == "__main__":
    unittest.main()
