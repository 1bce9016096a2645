"""The virtual table sync_status: what it says of each tracked table, and what it costs."""
import sqlite3
import unittest

from syncfile import EXTENSION, SyncTest, tick

T = "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);"
ALL = "SELECT * FROM sync_status"
NAMES = ["tbl", "identity", "options", "rows_with_clocks", "journal_length", "tail", "genesis", "genesis_at", "metadata_bytes", "bytes_by", "held", "pending",
         "null_keys", "note"]


def rows(file, table):
    """A row of sync_status as a dictionary."""
    found = file.x(f"{ALL} WHERE tbl = ?", table)
    return dict(zip(NAMES, found[0])) if found else None


class Columns(SyncTest):
    def test_names_and_types(self):
        file = self.file("a", T, "t")
        self.assertEqual([row[1] for row in file.x("PRAGMA table_xinfo(sync_status)")], NAMES)
        self.assertEqual(set(rows(file, "t")), set(NAMES))

    def test_identity_and_options(self):
        file = self.file("a", T + "CREATE TABLE n(id INTEGER PRIMARY KEY); CREATE TABLE m(id INTEGER PRIMARY KEY);", "t", "n")
        file.track("m", options='{"identity": "key"}')
        self.assertEqual(file.x("SELECT tbl, identity, options FROM sync_status ORDER BY tbl"),
                         [("m", "key", '{"identity":"key"}'), ("n", "row", "{}"), ("t", "key", "{}")])

    def test_journal_and_tail(self):
        file = self.file("a", T + "CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "t", "n")
        counts = "SELECT tbl, journal_length, tail, rows_with_clocks FROM sync_status ORDER BY tbl"
        self.assertEqual(file.x(counts), [("n", 0, 0, 0), ("t", 0, 0, 0)])
        file.sql("INSERT INTO t VALUES('k1', 1, 2), ('k2', 1, 2), ('k3', 1, 2)")
        file.sql("UPDATE t SET a = 3")
        file.sql("INSERT INTO n VALUES(1, 1)")
        self.assertEqual(file.x(counts), [("n", 1, 1, 0), ("t", 6, 6, 0)])
        file.fold()
        self.assertEqual(file.x(counts), [("n", 1, 0, 1), ("t", 3, 0, 3)])
        file.sql("DELETE FROM t WHERE id = 'k1'")
        file.sql("DELETE FROM n")
        file.sql("INSERT INTO n VALUES(1, 2)")
        self.assertEqual(file.x(counts), [("n", 3, 2, 1), ("t", 4, 1, 3)])
        file.fold()
        self.assertEqual(file.x(counts), [("n", 2, 0, 2), ("t", 3, 0, 3)])     # the tombstone of a number is a clock of its own

    def test_columns_of_a_wide_table_count_once(self):
        file = self.file("a", "CREATE TABLE w(id TEXT PRIMARY KEY, %s);" % ", ".join(f"c{i}" for i in range(130)), "w")
        file.sql("INSERT INTO w(id) VALUES('k')")
        file.fold()
        file.sql("UPDATE w SET c0 = 1, c70 = 1, c129 = 1")
        self.assertEqual((rows(file, "w")["journal_length"], rows(file, "w")["tail"]), (4, 3))

    def test_genesis(self):
        file = self.file("a", T + "INSERT INTO t VALUES('g', 1, 2); CREATE TABLE u(id TEXT PRIMARY KEY);", "t")
        tick()
        before = file.one("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        tick()
        file.track("u")
        self.assertEqual(rows(file, "t")["genesis"], file.x("SELECT DISTINCT version FROM sync_changes WHERE key = '[\"g\"]'")[0][0])
        self.assertEqual(rows(file, "u")["genesis"], file.version())
        self.assertRegex(rows(file, "t")["genesis_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$")
        self.assertLess(rows(file, "t")["genesis_at"], before)
        self.assertLess(before, rows(file, "u")["genesis_at"])
        self.assertIn(rows(file, "t")["genesis_at"][:-1], file.one("SELECT stamp FROM sync_changes WHERE key = '[\"g\"]'"))

    def test_held(self):
        a, b = self.files("ab", "CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT UNIQUE);" + T, "u", "t")
        for i in range(3):
            a.sql("INSERT INTO u VALUES(?, ?)", f"a{i}", i)
            b.sql("INSERT INTO u VALUES(?, ?)", f"b{i}", i)
        self.level(a, b)
        self.assertEqual([rows(file, table)["held"] for file in (a, b) for table in "ut"], [3, 0, 3, 0])
        a.sql("UPDATE sync_conflict SET held = 0 WHERE id = (SELECT min(id) FROM sync_conflict)")     # a note of what lost
        self.assertEqual(rows(a, "u")["held"], 2)

    def test_pending(self):
        a, b = self.files("ab", T, "t")
        a.sql("ALTER TABLE t ADD COLUMN extra")
        a.sql("INSERT INTO t VALUES('k1', 1, 2, 3), ('k2', 1, 2, 3)")
        b.pull(a)
        self.assertEqual((rows(b, "t")["pending"], rows(b, "t")["note"]), (1, "other files have a column that is not here: extra"))
        self.assertEqual((rows(a, "t")["pending"], rows(a, "t")["note"]), (0, None))
        b.sql("ALTER TABLE t ADD COLUMN Extra")
        self.assertEqual(rows(b, "t")["pending"], 0)
        self.assertRegex(rows(b, "t")["note"], "^columns that the triggers do not know[^;]*$")
        b.fold()
        self.assertEqual((rows(b, "t")["pending"], rows(b, "t")["note"]), (0, None))

    def test_null_keys(self):
        file = self.file("a", T, "t")
        self.assertEqual((rows(file, "t")["null_keys"], rows(file, "t")["note"]), (0, None))
        file.sql("INSERT INTO t VALUES(NULL, 1, 2), (NULL, 3, 4), ('k', 1, 2)")
        file.fold()
        self.assertEqual(rows(file, "t")["null_keys"], 2)
        self.assertIn("NULL in the key", rows(file, "t")["note"])
        self.assertIn("2", rows(file, "t")["note"])


class Bytes(SyncTest):
    def fill(self, file, count=2000):
        file.sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?) INSERT INTO t SELECT 'key number ' || i, i, NULL FROM c", count)
        file.sql("INSERT INTO u VALUES('k')")
        file.fold()

    def test_by_pages(self):
        file = self.file("a", T + "CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        self.fill(file)
        t, u = rows(file, "t"), rows(file, "u")
        self.assertEqual(t["bytes_by"], "dbstat")
        pages = dict(file.sql("SELECT name, pgsize FROM dbstat('main', 1)"))
        self.assertGreater(t["metadata_bytes"], pages["sync_row_1"] + pages["sync_journal"] * 9 // 10)
        self.assertLessEqual(t["metadata_bytes"], pages["sync_row_1"] + pages["sync_journal"])
        self.assertLess(u["metadata_bytes"] * 10, t["metadata_bytes"])
        self.assertGreaterEqual(u["metadata_bytes"], pages["sync_row_2"])

    def test_by_contents_where_pages_cannot_be_counted(self):
        file = self.file("a", T + "CREATE TABLE u(id TEXT PRIMARY KEY); CREATE TABLE n(id INTEGER PRIMARY KEY);", "t", "u", "n")
        self.fill(file)
        file.sql("INSERT INTO n VALUES(1), (2)")
        file.sql("DELETE FROM n WHERE id = 1")
        file.fold()
        measured = rows(file, "t")["metadata_bytes"]

        def without(action, name, *_):
            return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_READ and name == "dbstat" else sqlite3.SQLITE_OK

        file.extended.set_authorizer(without)
        try:
            t, u, n = (rows(file, table) for table in "tun")
        finally:
            file.extended.set_authorizer(None)
        self.assertEqual({t["bytes_by"], u["bytes_by"], n["bytes_by"]}, {"estimate"})
        self.assertLess(measured / 2, t["metadata_bytes"])
        self.assertLess(t["metadata_bytes"], measured * 1.2)
        self.assertTrue(0 < u["metadata_bytes"] < n["metadata_bytes"] < 500, (u["metadata_bytes"], n["metadata_bytes"]))


class Notes(SyncTest):
    def test_nothing_to_say(self):
        file = self.file("a", T, "t")
        self.assertIsNone(rows(file, "t")["note"])

    def test_dropped(self):
        file = self.file("a", T + "CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        file.sql("DROP TABLE t")
        self.assertRegex(rows(file, "t")["note"], "missing.*dropped")
        self.assertIsNone(rows(file, "u")["note"])

    def test_rebuilt_with_another_key(self):
        file = self.file("a", T, "t")
        file.script("DROP TABLE t; CREATE TABLE t(nr INT PRIMARY KEY, a);")
        self.assertRegex(rows(file, "t")["note"], "missing.*another key")

    def test_triggers_gone(self):
        file = self.file("a", T, "t")
        file.script("DROP TABLE t;" + T)
        self.assertIn("triggers are gone, or do not fire first: sync_fold() makes them anew", rows(file, "t")["note"])
        file.fold()
        self.assertRegex(rows(file, "t")["note"], "^its triggers were gone until 20[^;]*verify --repair find them$")
        self.assertRegex(rows(file, "t")["options"], '"unseen":"20..-..-..T..:..:..Z"')

    def test_columns_the_triggers_do_not_know(self):
        file = self.file("a", T, "t")
        file.sql("ALTER TABLE t ADD COLUMN late")
        self.assertRegex(rows(file, "t")["note"], "columns.*sync_fold")
        file.fold()
        self.assertIsNone(rows(file, "t")["note"])

    def test_foreign_keys_without_an_index(self):
        file = self.file("a", "CREATE TABLE p(id TEXT PRIMARY KEY, x, y, UNIQUE(x, y)); CREATE TABLE i(id INTEGER PRIMARY KEY);"
                              "CREATE TABLE c(id INTEGER PRIMARY KEY REFERENCES i, p REFERENCES p, q REFERENCES p, r INT, s INT, FOREIGN KEY(r, s) REFERENCES p(x, y),"
                              " only_some REFERENCES p, FOREIGN KEY(s, r) REFERENCES p(x, y));".replace(" only_some REFERENCES p, FOREIGN", " FOREIGN")
                              + "CREATE INDEX c_p ON c(p, q); CREATE INDEX c_q ON c(q) WHERE q > 'x'; CREATE INDEX c_r ON c(r);", "p", "i", "c")
        self.assertEqual(rows(file, "c")["note"].count("foreign key without an index"), 3)
        self.assertIn("foreign key without an index: c(q)", rows(file, "c")["note"])
        self.assertIn("c(r, s)", rows(file, "c")["note"])
        self.assertNotIn("c(p)", rows(file, "c")["note"])
        self.assertNotIn("c(id)", rows(file, "c")["note"])
        file.script("CREATE INDEX good ON c(s, r, q); CREATE INDEX q ON c(q DESC);")
        self.assertIsNone(rows(file, "c")["note"])
        self.assertIsNone(rows(file, "p")["note"])

    def test_the_statement_that_gives_a_foreign_key_its_index(self):
        schema = ('CREATE TABLE "the ""p"""(id TEXT PRIMARY KEY, x, y, UNIQUE(x, y)); CREATE TABLE plain(id TEXT PRIMARY KEY);'
                  'CREATE TABLE "c, c"(id TEXT PRIMARY KEY, "a b" REFERENCES "the ""p""", r, s, u REFERENCES plain, FOREIGN KEY(r, s) REFERENCES "the ""p"""(x, y));')
        file = self.file("a", schema, 'the "p"', "c, c", "plain")
        file.sql('CREATE INDEX "c, c_u" ON plain(id)')      # the name is taken
        note = rows(file, "c, c")["note"]
        self.assertIn('foreign key without an index: c, c(a b): CREATE INDEX main."c, c_a b" ON "c, c"("a b")', note)
        self.assertIn('foreign key without an index: c, c(r, s): CREATE INDEX main."c, c_r_s" ON "c, c"("r", "s")', note)
        self.assertIn('CREATE INDEX main."c, c_u_2" ON "c, c"("u")', note)
        for said in note.split("; "):
            file.sql(said[said.index("CREATE INDEX"):])
        self.assertIsNone(rows(file, "c, c")["note"])

    def test_foreign_keys_to_tables_that_are_not_tracked_need_none(self):
        file = self.file("a", T + "CREATE TABLE p(id TEXT PRIMARY KEY); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p);", "c")
        self.assertIsNone(rows(file, "c")["note"])
        file.track("p")
        self.assertIn("CREATE INDEX", rows(file, "c")["note"])

    def test_an_index_whose_first_columns_are_others_does_not_count(self):
        file = self.file("a", "CREATE TABLE p(id TEXT PRIMARY KEY); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p, v); CREATE INDEX v_p ON c(v, p);", "p", "c")
        self.assertIn("foreign key without an index: c(p)", rows(file, "c")["note"])

    def test_several_at_once(self):
        file = self.file("a", T + "CREATE TABLE c(id TEXT PRIMARY KEY, t REFERENCES t);", "t", "c")
        file.sql("INSERT INTO c VALUES(NULL, NULL)")
        file.fold()
        file.sql("ALTER TABLE c ADD COLUMN late")
        self.assertEqual(len(rows(file, "c")["note"].split("; ")), 3)


class Reading(SyncTest):
    def test_it_never_writes(self):
        for wal in (True, False):
            file = self.file(f"f{wal}", T + "INSERT INTO t VALUES('g', 1, 2);", "t", wal=wal)
            file.sql("INSERT INTO t VALUES('k', 1, 2)")
            file.sql("ALTER TABLE t ADD COLUMN late")
            before = file.sql("PRAGMA data_version"), file.shell(".dump")
            self.assertEqual(len(file.x(ALL)), 1)
            self.assertEqual((file.sql("PRAGMA data_version"), file.shell(".dump")), before)
            self.assertEqual(rows(file, "t")["tail"], 1)

    def test_beside_a_writer_and_in_a_transaction(self):
        file = self.file("a", T, "t")
        file.sql("BEGIN IMMEDIATE")
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        self.assertEqual(rows(file, "t")["tail"], 0)
        file.sql("COMMIT")
        file.x("BEGIN")
        file.x("INSERT INTO t VALUES('own', 1, 2)")
        self.assertEqual(rows(file, "t")["tail"], 2)
        self.assertTrue(file.extended.in_transaction)
        file.x("ROLLBACK")
        self.assertEqual(rows(file, "t")["tail"], 1)
        cursor = file.extended.execute(ALL)
        cursor.fetchone()
        self.assertFalse(file.extended.in_transaction)
        file.x("CREATE TABLE made AS SELECT tbl, note FROM sync_status")
        self.assertEqual(file.x("SELECT * FROM made"), [("t", None)])

    def test_read_only_files_and_copies(self):
        file = self.file("a", T, "t", wal=False)
        file.sql("INSERT INTO t VALUES('k', 1, 2)")
        expected = file.x(ALL)
        copy = self.path("copy.db")
        copy.write_bytes(file.snapshot())
        for path in (file.path, copy):
            reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            self.addCleanup(reader.close)
            reader.enable_load_extension(True)
            reader.load_extension(str(EXTENSION.with_suffix("")))
            self.assertEqual(reader.execute(ALL).fetchall(), expected)
            reader.execute("PRAGMA query_only = on")
            self.assertEqual(reader.execute(ALL).fetchall(), expected)

    def test_files_that_are_not_tracked(self):
        file = self.file("a", T)
        before = file.shell(".dump")
        self.assertEqual(file.x(ALL), [])
        self.assertEqual(file.shell(".dump"), before)
        file.track("t")
        self.assertEqual(len(file.x(ALL)), 1)
        file.x("SELECT sync_untrack_all()")
        self.assertEqual(file.x(ALL), [])

    def test_metadata_of_the_future(self):
        file = self.file("a", T, "t")
        file.sql("UPDATE sync_meta SET format = format + 1")
        self.refused(file, ALL, says=["newer"])

    def test_only_what_is_asked_for_is_counted(self):
        file = self.file("a", T, "t")
        file.sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000) INSERT INTO t SELECT 'c' || i, i, NULL FROM c")
        file.fold()

        def steps(statement):
            count = 0

            def step():
                nonlocal count
                count += 1
                return 0

            file.x(statement)
            file.extended.set_progress_handler(step, 1)
            file.x(statement)
            file.extended.set_progress_handler(None, 1)
            return count

        self.assertLess(steps("SELECT tbl, identity, options, genesis, genesis_at, held, pending, null_keys, note FROM sync_status") * 20, steps(ALL))

    def test_joined_and_opened_twice(self):
        file = self.file("a", T + "CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        self.assertEqual(file.one("SELECT count(*) FROM sync_status AS x, sync_status AS y"), 4)
        self.assertEqual(file.x("SELECT s.tbl FROM sqlite_schema AS m JOIN sync_status AS s ON s.tbl = m.name WHERE m.type = 'table' ORDER BY 1"), [("t",), ("u",)])
        self.assertEqual(len(file.x("SELECT rowid FROM sync_status WHERE tbl = 't' OR genesis > 0 OR held = 0")), 2)

    def test_only_from_the_top_and_read_only(self):
        file = self.file("a", T, "t")
        file.sql("CREATE VIEW v AS SELECT * FROM sync_status")
        self.refused(file, "SELECT * FROM v", says=["unsafe use", "sync_status"])
        for statement in ("DELETE FROM sync_status", "INSERT INTO sync_status DEFAULT VALUES", "UPDATE sync_status SET held = 0"):
            self.refused(file, statement, says=["may not be modified"])
        self.refused(file, "CREATE VIRTUAL TABLE mine USING sync_status", says=["no such module"])


if __name__ == "__main__":
    unittest.main()
