"""The virtual table sync_changes under every kind of statement, transaction and neighbour."""
import sqlite3
import unittest

from syncfile import EXTENSION, File, SyncTest, connect

T = "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);"
ALL = "SELECT * FROM sync_changes"


def steps(connection, statement, *values):
    """How many instructions SQLite executes for a statement, those of the engine's own statements with them."""
    count = 0

    def step():
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(step, 1)
    try:
        connection.execute(statement, values).fetchall()
    finally:
        connection.set_progress_handler(None, 1)
    return count


class Statements(SyncTest):
    """Cursors in every state of the connection."""

    def filled(self, count=5, **options):
        file = self.file("a", T + "INSERT INTO t VALUES('g', 1, 2); CREATE TABLE plain(x, y, z);", "t", **options)
        for i in range(count):
            file.sql("INSERT INTO t VALUES(?, ?, 2)", f"k{i}", i)
        return file

    def test_no_transaction_is_left_open_between_rows(self):
        file = self.filled()
        cursor = file.extended.execute(ALL)
        cursor.fetchone()
        self.assertFalse(file.extended.in_transaction)
        file.x("INSERT INTO plain VALUES(1, 2, 3)")
        self.assertEqual(file.sql("SELECT count(*) FROM plain"), [(1,)])     # committed at once
        file.x("BEGIN")
        file.x("INSERT INTO plain VALUES(1, 2, 3)")
        file.x("ROLLBACK")
        self.assertEqual(len(cursor.fetchall()), 17)
        self.assertFalse(file.extended.in_transaction)

    def test_what_others_write_meanwhile_is_not_seen(self):
        for fold in (False, True):
            with self.subTest(fold=fold):
                file = self.file(f"f{fold}", T, "t")
                file.sql("INSERT INTO t VALUES('k1', 1, 1), ('k2', 2, 2), ('k3', 3, 3)")
                if fold:
                    file.fold()
                expected = file.x(ALL)
                cursor = file.extended.execute(ALL)
                rows = [cursor.fetchone()]
                file.sql("UPDATE t SET a = 99")
                file.sql("DELETE FROM t WHERE id = 'k3'")
                file.sql("INSERT INTO t VALUES('k4', 4, 4)")
                other = self.open(f"f{fold}.db")
                other.fold()
                other.close()
                rows += cursor.fetchall()
                self.assertEqual(rows, expected)
                self.assertEqual(file.x("SELECT value FROM sync_changes WHERE col = 'a' ORDER BY version"), [(99,), (99,), (4,)])

    def test_stopped_early(self):
        file = self.filled(wal=False)
        self.assertEqual(len(file.x(ALL + " LIMIT 2")), 2)
        cursor = file.extended.execute(ALL)
        cursor.fetchone()
        cursor.close()
        file.sql("PRAGMA busy_timeout = 0")
        file.sql("BEGIN EXCLUSIVE")     # nothing is locked any more
        file.sql("INSERT INTO t VALUES('last', 1, 2)")
        file.sql("COMMIT")
        self.assertEqual(file.fold(), 6)
        self.assertEqual(file.x("SELECT count(*) FROM (SELECT 1 FROM sync_changes LIMIT 3)"), [(3,)])
        self.assertEqual(file.x("SELECT EXISTS (SELECT 1 FROM sync_changes WHERE col = 'a')"), [(1,)])

    def test_several_cursors(self):
        file = self.filled()
        cells = file.one("SELECT count(*) FROM sync_changes")
        self.assertEqual(cells, 18)
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes AS x, sync_changes AS y"), cells * cells)
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes AS x JOIN sync_changes AS y ON x.version = y.version AND x.col = y.col"), 12)
        self.assertEqual(file.one("SELECT count(*) FROM t JOIN sync_changes AS c ON c.key = json_array(t.id) AND c.col = 'a' AND c.value = t.a"), 6)
        one, two = file.extended.execute(ALL), file.extended.execute(ALL + " ORDER BY version DESC")
        first, second = [], []
        for _ in range(cells):
            first.append(one.fetchone())
            second.append(two.fetchone())
        self.assertEqual(sorted(first, key=repr), sorted(second, key=repr))
        self.assertIsNone(one.fetchone())
        self.assertIsNone(two.fetchone())

    def test_in_a_transaction_of_the_caller(self):
        for savepoint in (False, True):
            with self.subTest(savepoint=savepoint):
                file = self.file(f"f{savepoint}", T + "INSERT INTO t VALUES('g', 1, 2);", "t")
                file.sql("INSERT INTO t VALUES('k', 1, 2)")
                file.x("SAVEPOINT mine" if savepoint else "BEGIN")
                for count in (6, 9, 9):
                    self.assertEqual(len(file.x(ALL)), count)
                    self.assertEqual(file.one("SELECT count(*) FROM sync_changes AS x JOIN sync_changes AS y ON x.version = y.version AND x.col = y.col"), count // 3 * 2)
                    file.x("INSERT OR IGNORE INTO t VALUES('own', 1, 2)")
                file.x("SAVEPOINT inner")
                file.x("UPDATE t SET a = 'rolled back' WHERE id IN ('own', 'g')")
                self.assertEqual(len(file.x(ALL + " WHERE value = 'rolled back'")), 2)
                file.x("ROLLBACK TO inner")
                self.assertEqual(file.x(ALL + " WHERE value = 'rolled back'"), [])
                file.x("UPDATE t SET b = 'kept' WHERE id = 'k'")     # under the version that was rolled back
                self.assertEqual(file.x("SELECT key, col FROM sync_changes WHERE value = 'kept'"), [('["k"]', "b")])
                expected = file.x(ALL)
                file.x("RELEASE mine" if savepoint else "COMMIT")
                self.assertEqual(file.x(ALL), expected)
                file.fold()
                self.assertEqual(file.x(ALL), expected)

    def test_rolled_back(self):
        file = self.filled()
        expected = file.x(ALL)
        for _ in range(3):
            file.x("BEGIN")
            file.x("INSERT INTO t VALUES('gone', 1, 2)")
            self.assertEqual(file.one("SELECT count(*) FROM sync_changes WHERE key = '[\"gone\"]'"), 3)
            file.x("ROLLBACK")
            self.assertEqual(file.x(ALL), expected)

    def test_a_savepoint_is_not_taken_from_the_caller(self):
        file = self.filled()
        file.x("BEGIN")
        cursor = file.extended.execute(ALL)
        cursor.fetchone()
        file.x("SAVEPOINT mine")
        file.x("INSERT INTO plain VALUES(1, 2, 3)")
        self.assertEqual(len(cursor.fetchall()), 17)
        file.x("ROLLBACK TO mine")
        file.x("RELEASE mine")
        file.x("COMMIT")
        self.assertEqual(file.sql("SELECT count(*) FROM plain"), [(0,)])

    def test_inside_statements_that_write(self):
        file = self.filled()
        rows = file.x("SELECT version, key, value FROM sync_changes")
        for fold in (False, True):
            for statement in ("INSERT INTO plain SELECT version, key, value FROM sync_changes", "CREATE TABLE made AS SELECT version, key, value FROM sync_changes",
                              "INSERT INTO plain SELECT x.version, x.key, x.value FROM sync_changes AS x JOIN sync_changes AS y ON x.version = y.version AND x.col IS y.col"
                              " AND x.key = y.key"):
                file.x(statement)
                made = "made" if "made" in statement else "plain"
                self.assertEqual(file.x(f"SELECT * FROM {made} ORDER BY rowid"), rows, statement)
                file.x("DROP TABLE made" if made == "made" else "DELETE FROM plain")
            file.x("BEGIN")
            file.x("INSERT INTO plain SELECT version, key, value FROM sync_changes")
            file.x("INSERT INTO plain SELECT version, key, value FROM sync_changes")
            self.assertEqual(file.one("SELECT count(*) FROM plain"), 2 * len(rows))
            file.x("ROLLBACK")
            file.x("UPDATE plain SET x = (SELECT max(version) FROM sync_changes)")
            file.fold()
        file.x("INSERT INTO t SELECT 'copy ' || key, value, 0 FROM sync_changes WHERE col = 'a'")
        self.assertEqual(file.one("SELECT count(*) FROM t"), 12)
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes WHERE col = 'a'"), 12)

    def test_a_statement_that_fails_midway(self):
        file = self.filled()
        file.x("CREATE TABLE strict(x UNIQUE)")
        expected = file.x(ALL)
        for begin in ("", "BEGIN", "SAVEPOINT s"):
            if begin:
                file.x(begin)
                file.x("INSERT INTO t VALUES('x', 1, 2)")
            self.refused(file, "INSERT INTO strict SELECT col FROM sync_changes", says=["unique"])
            self.assertEqual(file.one("SELECT count(*) FROM sync_changes"), len(expected) + (3 if begin else 0))
            if begin:
                file.x("ROLLBACK")
            self.assertEqual(file.x(ALL), expected)

    def test_a_damaged_clock_is_said_and_ends_no_transaction(self):
        file = self.filled()
        file.fold()
        file.sql("UPDATE sync_row_1 SET clock = x'ff' WHERE k1 = 'k2'")
        file.x("BEGIN")
        file.x("INSERT INTO plain VALUES(1, 2, 3)")
        self.refused(file, ALL, says=["sync_row_1", "damaged"])
        cursor = file.extended.execute(ALL)
        cursor.fetchone()
        with self.assertRaises(sqlite3.Error):
            cursor.fetchall()
        file.x("COMMIT")
        self.assertEqual(file.sql("SELECT count(*) FROM plain"), [(1,)])
        self.assertEqual(file.sql("PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(len(file.x("SELECT * FROM sync_changes WHERE version = ?", file.version())), 3)

    def test_interrupted(self):
        file = self.filled()
        for at in range(1, steps(file.extended, ALL), 7):
            left = at

            def stop():
                nonlocal left
                left -= 1
                return left == 0

            file.extended.set_progress_handler(stop, 1)
            interrupted = False
            try:
                file.extended.execute(ALL).fetchall()
            except sqlite3.OperationalError:
                interrupted = True
            file.extended.set_progress_handler(None, 1)
            self.assertEqual(interrupted, left <= 0, at)
            self.assertFalse(file.extended.in_transaction)
        self.assertEqual(len(file.x(ALL)), 18)

    def test_the_schema_changes_under_a_cursor(self):
        file = self.filled()
        for statement in ("SELECT sync_fold()", "SELECT sync_track('more')", "CREATE TABLE another(x)", "SELECT sync_changeset()", "INSERT INTO more VALUES('k', 1)",
                          "SELECT sync_fold()"):
            file.sql("CREATE TABLE IF NOT EXISTS more(id TEXT PRIMARY KEY, v)")
            file.sql("UPDATE t SET a = a || '+'")
            expected = file.x(ALL)
            cursor = file.extended.execute(ALL)
            rows = [cursor.fetchone()]
            file.x(statement)
            rows += cursor.fetchall()
            self.assertEqual([row[:6] for row in rows], [row[:6] for row in expected], statement)

    def test_a_merge_under_a_cursor(self):
        file = self.filled()
        other = self.file("b", T, "t")
        other.sql("INSERT INTO t VALUES('k4', 'theirs', 'theirs'), ('new', 1, 1)")
        changeset = other.changeset()
        file.fold()
        cursor = file.extended.execute("SELECT key, site FROM sync_changes")
        rows = [cursor.fetchone()]
        file.apply(changeset)     # brings a site that the cursor has not heard of
        rows += cursor.fetchall()
        self.assertEqual({site for _, site in rows}, {file.site()})
        self.assertEqual({site for (site,) in file.x("SELECT site FROM sync_changes")}, {file.site(), other.site()})

    def test_untracking_under_a_cursor(self):
        file = self.filled()
        cursor = file.extended.execute(ALL)
        cursor.fetchone()
        self.refused(file, "SELECT sync_untrack_all()", says=["locked"])     # as DROP TABLE under any SELECT
        cursor.close()
        self.assertEqual(len(file.x(ALL)), 18)
        file.x("SELECT sync_untrack_all()")
        self.assertEqual(file.x(ALL), [])

    def test_a_table_made_anew_with_another_key(self):
        file = self.filled()
        self.assertEqual(len(file.x(ALL)), 18)
        other = self.open("a.db")
        other.x("SELECT sync_untrack_all()")
        other.script("DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, v);")
        other.track("t")
        other.sql("INSERT INTO t VALUES(5, 'five')")
        self.assertEqual(file.x("SELECT key, col, value FROM sync_changes"), [("[5]", None, None), ("[5]", "v", "five")])
        other.x("SELECT sync_untrack_all()")
        other.script("DROP TABLE t; CREATE TABLE t(x TEXT COLLATE NOCASE, y, v, PRIMARY KEY(x, y));")
        other.track("t")
        other.sql("INSERT INTO t VALUES('K', 1, 'v')")
        other.sql("UPDATE t SET v = 'w' WHERE x = 'k'")
        self.assertEqual(file.x("SELECT key, col, value FROM sync_changes"), [('["K",1]', None, None), ('["K",1]', "v", "w")])

    def test_the_connection_closes_under_a_cursor(self):
        file = self.filled()
        connection = connect(file.path)
        cursor = connection.execute(ALL)
        cursor.fetchone()
        connection.close()
        self.assertEqual(len(file.x(ALL)), 18)


class Reading(SyncTest):
    def test_it_never_writes(self):
        for wal in (True, False):
            file = self.file(f"f{wal}", T + "INSERT INTO t VALUES('g', 1, 2);", "t", wal=wal)
            file.sql("INSERT INTO t VALUES('k', 1, 2)")
            before = file.sql("PRAGMA data_version")
            for statement in (ALL, ALL + " LIMIT 1", ALL + " WHERE version > 1", ALL + " WHERE tbl = 't' ORDER BY version DESC"):
                self.assertTrue(file.x(statement))
                self.assertEqual(file.sql("PRAGMA data_version"), before)

    def read_only(self, path):
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self.addCleanup(connection.close)
        connection.enable_load_extension(True)
        connection.load_extension(str(EXTENSION.with_suffix("")))
        return connection

    def test_read_only_connections(self):
        file = self.file("a", T + "INSERT INTO t VALUES('g', 1, 2);", "t")
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        reader = self.read_only(file.path)
        self.assertEqual(reader.execute(ALL).fetchall(), file.x(ALL))
        reader.execute("BEGIN")
        self.assertEqual(reader.execute(ALL).fetchall(), file.x(ALL))

    def test_a_copy_that_cannot_be_written(self):
        file = self.file("a", T, "t", wal=False)
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        expected = file.x(ALL)
        copy = self.path("copy.db")
        copy.write_bytes(file.snapshot())
        self.assertEqual(self.read_only(copy).execute(ALL).fetchall(), expected)

    def test_a_copy_takes_its_own_site_first(self):
        file = self.file("a", T, "t")
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        copy = self.copy(file, "copy")
        self.assertEqual(copy.x("SELECT DISTINCT site <> ? FROM sync_changes", file.site()), [(1,)])

    def test_a_neighbour_that_writes_is_waited_for_only_where_it_must(self):
        file = self.file("a", T, "t")
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        file.x("PRAGMA busy_timeout = 0")
        file.sql("BEGIN IMMEDIATE")
        file.sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 25000) INSERT INTO t SELECT 'c' || i, i, NULL FROM c")
        self.assertEqual(len(file.x(ALL)), 3)
        file.sql("COMMIT")
        file.sql("BEGIN IMMEDIATE")     # the tail is long, and cannot be folded now
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes"), 3 * 25001)
        file.sql("COMMIT")
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes"), 3 * 25001)
        self.assertEqual(file.one("SELECT tail FROM sync_status"), 0)     # now it was

    def test_an_old_snapshot(self):
        file = self.file("a", T, "t")
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        file.x("BEGIN")
        expected = file.x(ALL)
        other = self.open("a.db")
        other.x("INSERT INTO t VALUES('later', 1, 2)")
        other.x("SELECT sync_fold()")
        other.x("SELECT length(sync_changeset())")     # the witness is ahead of the snapshot now
        self.assertEqual(file.x(ALL), expected)
        file.x("COMMIT")
        self.assertEqual(len(file.x(ALL)), 6)

    def test_a_column_that_came_by_a_plain_alter(self):
        file = self.file("a", T + "INSERT INTO t VALUES('g', 1, 2);", "t")
        file.sql("ALTER TABLE t ADD COLUMN late")
        file.sql("INSERT INTO t VALUES('k', 1, 2, 'written')")
        self.refused(self.open_read_only(file), ALL, says=["opened for writing"])
        self.assertEqual(file.x("SELECT key, value FROM sync_changes WHERE col = 'late'"), [('["k"]', "written")])

    def open_read_only(self, file):
        reader = File(file.path, wal=False)
        reader._extended = self.read_only(file.path)
        return reader

    def test_files_that_are_not_tracked(self):
        file = self.file("a", T)
        before = file.shell(".dump")
        self.assertEqual(file.x(ALL), [])
        self.assertEqual(file.x(ALL + " WHERE tbl = 't' AND version > 3 ORDER BY version DESC"), [])
        self.assertEqual(file.shell(".dump"), before)
        memory = sqlite3.connect(":memory:", isolation_level=None)
        memory.enable_load_extension(True)
        memory.load_extension(str(EXTENSION.with_suffix("")))
        self.assertEqual(memory.execute(ALL).fetchall(), [])
        memory.execute("CREATE TABLE m(id TEXT PRIMARY KEY, v)")
        memory.execute("SELECT sync_track('m')")
        memory.execute("INSERT INTO m VALUES('k', 1)")
        self.assertEqual(memory.execute("SELECT key, op, col, value, cl FROM sync_changes").fetchall(), [('["k"]', "insert", None, None, 1), ('["k"]', "insert", "v", 1, 1)])
        memory.close()

    def test_metadata_of_the_future(self):
        file = self.file("a", T, "t")
        file.sql("UPDATE sync_meta SET format = format + 1")
        self.refused(file, ALL, says=["newer"])

    def test_only_from_the_top(self):
        file = self.file("a", T, "t")
        file.sql("CREATE VIEW v AS SELECT * FROM sync_changes")
        file.sql("CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT count(*) FROM sync_changes; END")
        self.refused(file, "SELECT * FROM v", says=["unsafe use", "sync_changes"])
        self.refused(file, "INSERT INTO t VALUES('k', 1, 2)", says=["unsafe use", "sync_changes"])

    def test_it_is_read_only_and_eponymous(self):
        file = self.file("a", T, "t")
        for statement in ("DELETE FROM sync_changes", "INSERT INTO sync_changes DEFAULT VALUES", "UPDATE sync_changes SET tbl = 'x'"):
            self.refused(file, statement, says=["may not be modified"])
        self.refused(file, "CREATE VIRTUAL TABLE mine USING sync_changes", says=["no such module"])


if __name__ == "__main__":
    unittest.main()
