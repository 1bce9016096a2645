"""sync_track, sync_track_all, sync_untrack, sync_untrack_all: what they adopt, refuse, leave behind."""
import ctypes
import ctypes.util
import json
import os
import sqlite3
import unittest

from syncfile import EXTENSION, SyncTest, exchange

PEOPLE = "CREATE TABLE people(id TEXT PRIMARY KEY, name TEXT, age INT);"


class Track(SyncTest):
    def test_the_shell_finds_the_entry_point(self):
        file = self.file("a", PEOPLE)
        out = file.xshell("SELECT sync_track('people'); SELECT length(sync_site()), tbl FROM sync_status;")
        self.assertIn("16|people", out)

    def test_writes_of_the_stock_shell_are_captured(self):
        file = self.file("a", PEOPLE, "people")
        file.shell("INSERT INTO people VALUES('p1', 'Ada', 36), ('p2', 'Bob', 41); UPDATE people SET age = 37 WHERE id = 'p1';"
                   "DELETE FROM people WHERE id = 'p2';")
        changes = file.x("SELECT key, col, value FROM sync_changes WHERE op <> 'delete' AND col IS NOT NULL ORDER BY col")
        self.assertEqual(changes, [('["p1"]', "age", 37), ('["p1"]', "name", "Ada")])
        self.assertEqual(file.x("SELECT key FROM sync_changes WHERE op = 'delete'"), [('["p2"]',)])

    def test_tracking_twice_is_tracking_once(self):
        file = self.file("a", PEOPLE + "INSERT INTO people VALUES('p1', 'Ada', 36);", "people")
        before = file.raw("SELECT * FROM sqlite_schema"), file.version(), file.cells()
        file.track("people", "PEOPLE")
        self.assertEqual((file.raw("SELECT * FROM sqlite_schema"), file.version(), file.cells()), before)
        self.assertEqual(file.tracked(), ["people"])

    def test_tracking_touches_no_row(self):
        pages = []
        for rows in (1, 30000):
            file = self.file(f"n{rows}", PEOPLE + f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
                             "INSERT INTO people SELECT 'p' || i, 'name ' || i, i FROM n;")
            before = file.sql("PRAGMA page_count")[0][0]
            file.track("people")
            pages.append(file.sql("PRAGMA page_count")[0][0] - before)
            self.assertEqual(file.one("SELECT rows_with_clocks FROM sync_status"), 0)
        self.assertEqual(pages[0], pages[1])

    def test_names_in_any_case(self):
        file = self.file("a", PEOPLE, "PeoPle")
        self.assertEqual(file.tracked(), ["people"])
        file.sql("INSERT INTO people VALUES('p1', 'Ada', 36)")
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes WHERE tbl = 'people' AND col = 'name'"), 1)

    def test_rolled_back_with_the_transaction(self):
        file = self.file("a", PEOPLE)
        before = file.shell(".dump")
        file.x("BEGIN")
        file.track("people")
        file.x("INSERT INTO people VALUES('p1', 'Ada', 36)")
        file.x("ROLLBACK")
        self.assertEqual(file.shell(".dump"), before)
        file.track("people")
        file.sql("INSERT INTO people VALUES('p1', 'Ada', 36)")
        self.assertEqual(file.one("SELECT count(*) FROM sync_changes WHERE col = 'name'"), 1)

    def test_in_a_savepoint(self):
        file = self.file("a", PEOPLE)
        file.x("BEGIN")
        file.x("SAVEPOINT s")
        file.track("people")
        file.x("ROLLBACK TO s")
        file.track("people")
        file.x("COMMIT")
        self.assertEqual(file.tracked(), ["people"])

    def test_identity_by_default(self):
        file = self.file("a", PEOPLE + "CREATE TABLE n(id INTEGER PRIMARY KEY, v); CREATE TABLE c(a INT, b INT, PRIMARY KEY(a, b));"
                         "CREATE TABLE w(id INTEGER PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE i(id INT PRIMARY KEY);"
                         "CREATE TABLE d(id INTEGER PRIMARY KEY DESC, v);").track_all()
        identities = dict(file.x("SELECT tbl, identity FROM sync_status"))
        self.assertEqual(identities["n"], "row")
        for table in ("people", "c", "i", "w"):
            self.assertEqual(identities[table], "key", table)
        self.assertEqual(identities["d"], "key")   # not the rowid's alias: an old quirk of SQLite

    def test_identity_chosen(self):
        file = self.file("a", "CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "n", options='{"identity": "key"}')
        self.assertEqual(file.x("SELECT identity FROM sync_status"), [("key",)])
        self.refused(file, "SELECT sync_track('n', '{\"identity\": \"row\"}')", says=["n", "identity"])

    def test_bad_options_are_refused(self):
        file = self.file("a", PEOPLE)
        before = file.shell(".dump")
        for options in ('{"identity": "thing"}', '{"identity": 3}', "{", "[]", '"key"', '{"identety": "key"}'):
            with self.subTest(options):
                self.refused(file, "SELECT sync_track('people', ?)", options)
        self.refused(file, "SELECT sync_track('people', '{\"identity\": \"row\"}')", says=["people", "INTEGER PRIMARY KEY"])
        self.assertEqual(file.shell(".dump"), before)

    def test_wrong_arguments_are_refused(self):
        file = self.file("a", PEOPLE)
        for call in ("sync_track()", "sync_track(NULL)", "sync_track('people', '{}', 1)", "sync_track_all(1)", "sync_untrack()",
                     "sync_site(1)", "sync_version(1)", "sync_fold(1)", "sync_seen(1)", "sync_changeset(1, 2)", "sync_apply()",
                     "sync_apply(x'00', '{}', 3)", "sync_touch('people')", "sync_describe()"):
            with self.subTest(call):
                self.refused(file, f"SELECT {call}")


class Refused(SyncTest):
    def test_without_primary_key_with_advice(self):
        file = self.file("a", "CREATE TABLE notes(t TEXT);")
        message = self.refused(file, "SELECT sync_track('notes')", says=["notes", "primary key"])
        self.assertRegex(message, "(?i)create table|rebuild|add")
        self.assertEqual(file.sql("SELECT name FROM sqlite_schema"), [("notes",)])

    def test_not_ordinary_tables(self):
        file = self.file("a", PEOPLE + "CREATE VIEW v AS SELECT * FROM people; CREATE VIRTUAL TABLE f USING fts5(t);"
                         "CREATE VIRTUAL TABLE r USING rtree(id, a, b); CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT);")
        for name in ("v", "f", "f_data", "f_config", "f_content", "r", "r_node", "r_rowid", "sqlite_sequence", "sqlite_schema", "nothing", ""):
            with self.subTest(name):
                self.refused(file, "SELECT sync_track(?)", name, says=[name])
        file.track("people")
        for name in ("sync_meta", "sync_journal", "sync_table", "sync_conflict", "sync_row_1"):
            with self.subTest(name):
                self.refused(file, "SELECT sync_track(?)", name, says=[name])

    def test_other_schemas_by_name(self):
        file = self.file("a")
        file.x("ATTACH ? AS other", str(self.path("other.db")))
        file.x("CREATE TABLE other.t(id TEXT PRIMARY KEY)")
        file.x("CREATE TEMP TABLE u(id TEXT PRIMARY KEY)")
        self.refused(file, "SELECT sync_track('other.t')", says=["other"])
        self.refused(file, "SELECT sync_track('t')", says=["t", "main"])
        self.refused(file, "SELECT sync_track('temp.u')", says=["temp"])
        self.refused(file, "SELECT sync_track('u')", says=["u", "main"])

    def test_a_temporary_namesake_is_not_meant(self):
        file = self.file("a", PEOPLE)
        file.x("CREATE TEMP TABLE people(id TEXT PRIMARY KEY, other)")
        file.track("people")
        file.sql("INSERT INTO people VALUES('p1', 'Ada', 36)")
        file.x("INSERT INTO temp.people VALUES('p2', 'x')")
        self.assertEqual(file.x("SELECT DISTINCT key FROM sync_changes"), [('["p1"]',)])

    def test_a_foreign_key_of_too_many_columns(self):
        names = ", ".join(f"k{i}" for i in range(65))
        file = self.file("a", f"CREATE TABLE p(id TEXT PRIMARY KEY, {names}, UNIQUE({names}));"
                              f"CREATE TABLE c(id TEXT PRIMARY KEY, {names}, FOREIGN KEY({names}) REFERENCES p({names}));", "p")
        self.refused(file, "SELECT sync_track('c')", says=["table c", "foreign key"])
        file.sql("INSERT INTO p(id) VALUES('k')")
        self.assertEqual(file.x("SELECT tbl, tail FROM sync_status"), [("p", 1)])

    def test_functions_that_are_not_there_are_named(self):
        cases = {
            "chk": "CREATE TABLE chk(id TEXT PRIMARY KEY, v CHECK(known_there(v)));",
            "idx": "CREATE TABLE idx(id TEXT PRIMARY KEY, v); CREATE INDEX i1 ON idx(known_there(v));",
            "gen": "CREATE TABLE gen(id TEXT PRIMARY KEY, v, g AS (known_there(v)) STORED);",
            "trg": "CREATE TABLE trg(id TEXT PRIMARY KEY, v); CREATE TRIGGER t1 AFTER UPDATE ON trg BEGIN SELECT known_there(NEW.v); END;",
            "del": "CREATE TABLE del(id TEXT PRIMARY KEY, v); CREATE TRIGGER t2 AFTER DELETE ON del BEGIN SELECT known_there(OLD.v); END;",
            "col": "CREATE TABLE col(id TEXT PRIMARY KEY, v); CREATE INDEX i2 ON col(v COLLATE known_order);",
            "key": "CREATE TABLE key(id TEXT COLLATE known_order PRIMARY KEY, v);",
        }
        file = self.file("a")
        file.plain.create_function("known_there", 1, lambda v: 1, deterministic=True)
        file.plain.create_collation("known_order", lambda a, b: (a > b) - (a < b))
        for table, schema in cases.items():
            file.script(schema)
            with self.subTest(table):
                word = "known_order" if table in ("col", "key") else "known_there"
                self.refused(file, "SELECT sync_track(?)", table, says=[table, word])
        self.assertEqual(file.one("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sync%'"), 0)
        file.extended.create_function("known_there", 1, lambda v: 1, deterministic=True)
        file.extended.create_collation("known_order", lambda a, b: (a > b) - (a < b))
        file.track(*cases)
        self.assertEqual(file.tracked(), sorted(cases))

    def test_a_merge_where_a_function_is_missing_is_refused_by_name(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        b.plain.create_function("known_there", 1, lambda v: 1, deterministic=True)
        b.script("CREATE INDEX i ON t(known_there(v))")
        self.refused(b, "SELECT sync_apply(?)", a.cut_for(b), says=["table t", "known_there"])
        self.assertEqual(b.sql("SELECT * FROM t"), [])

    def test_metadata_of_the_future(self):
        file = self.file("a", PEOPLE + "INSERT INTO people VALUES('p1', 'Ada', 36);", "people")
        other = self.file("b", PEOPLE, "people")
        changeset = file.changeset()
        file.x("UPDATE sync_meta SET format = format + 1")
        file.close()
        before = file.shell(".dump")
        for call in ("sync_track('people')", "sync_track_all()", "sync_seen()", "sync_changeset()", "sync_fold()", "sync_untrack_all()"):
            with self.subTest(call):
                self.refused(file, f"SELECT {call}", says=["newer"])
        self.refused(file, "SELECT sync_apply(?)", changeset, says=["newer"])
        self.refused(file, "SELECT * FROM sync_changes", says=["newer"])
        self.assertEqual(file.shell(".dump"), before)
        self.assertEqual(other.apply(changeset), 1)

    def test_metadata_of_a_format_that_never_was(self):
        """It counted as the present one."""
        file = self.file("a", PEOPLE).track_all()
        for wrong in ("0", "-1", "'x'"):
            with self.subTest(wrong):
                file.x(f"UPDATE sync_meta SET format = {wrong}")
                file.close()
                for statement in ("SELECT sync_changeset()", "SELECT sync_fold()", "SELECT * FROM sync_changes"):
                    self.refused(file, statement, says=["format", "damaged"])

    def test_a_file_with_tables_called_like_ours(self):
        file = self.file("a", PEOPLE + "CREATE TABLE sync_meta(x);")
        self.refused(file, "SELECT sync_track('people')", says=["sync_meta"])
        self.assertEqual(file.sql("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sync%'"), [(1,)])


    def test_merges_write_to_the_main_database_only(self):
        a, b = self.files("ab", PEOPLE, "people")
        a.sql("INSERT INTO people VALUES('p1', 'Ada', 36)")
        b.x("ATTACH ? AS other", str(self.path("other.db")))
        b.x("CREATE TABLE other.people(id TEXT PRIMARY KEY, name, age)")
        b.x("CREATE TABLE other.sync_meta(nonsense)")
        b.x("CREATE TEMP TABLE people(id TEXT PRIMARY KEY, name, age)")
        b.x("CREATE TEMP TABLE sync_journal(nonsense)")
        b.x("CREATE TEMP TABLE sync_row_1(nonsense)")
        b.x("CREATE TEMP TABLE sync_site(nonsense)")
        b.x("CREATE TEMP TABLE sync_table(nonsense)")
        self.assertEqual(b.pull(a), 1)
        b.x("UPDATE main.people SET age = 37")
        self.assertEqual(a.pull(b), 1)
        self.assertEqual(a.sql("SELECT age FROM people"), [(37,)])
        self.assertEqual(b.x("SELECT count(*) FROM temp.people UNION ALL SELECT count(*) FROM other.people"), [(0,), (0,)])


class TrackAll(SyncTest):
    SCHEMA = (PEOPLE + "CREATE TABLE keyless(a, b); CREATE TABLE pair(a INT, b INT, PRIMARY KEY(a, b)) WITHOUT ROWID;"
              "CREATE TABLE num(id INTEGER PRIMARY KEY AUTOINCREMENT, v); CREATE VIEW v AS SELECT * FROM people;"
              "CREATE TABLE sync_my_own(id TEXT PRIMARY KEY); CREATE TABLE people_data(id TEXT PRIMARY KEY);"
              "CREATE VIRTUAL TABLE f USING fts5(t); CREATE VIRTUAL TABLE g USING fts4(t); CREATE VIRTUAL TABLE r USING rtree(id, a, b);")
    ORDINARY = ["num", "pair", "people", "people_data", "sync_my_own"]

    def test_all_ordinary_tables_with_a_key(self):
        file = self.file("a", self.SCHEMA).track_all()
        self.assertEqual(file.tracked(), self.ORDINARY)
        file.track_all()
        self.assertEqual(file.tracked(), self.ORDINARY)
        file.script("CREATE TABLE later(id TEXT PRIMARY KEY)")
        file.track_all()
        self.assertIn("later", file.tracked())

    def test_inner_tables_where_their_module_is_absent(self):
        file = self.file("a", self.SCHEMA)
        file.close()
        bare = BareConnection(file.path)
        try:
            with self.assertRaisesRegex(RuntimeError, "no such module"):
                bare.run("SELECT * FROM f")
            bare.run("SELECT sync_track_all()")
            with self.assertRaisesRegex(RuntimeError, "f_content"):
                bare.run("SELECT sync_track('f_content')")
        finally:
            bare.close()
        self.assertEqual(file.tracked(), self.ORDINARY)


class BareConnection:
    """SQLite's C interface: the extension loaded into a connection whose own modules were all dropped."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
        self.lib.sqlite3_errmsg.restype = ctypes.c_char_p
        self.db = ctypes.c_void_p()
        self.lib.sqlite3_open(str(path).encode(), ctypes.byref(self.db))
        self.lib.sqlite3_busy_timeout(self.db, 10000)
        kept = (ctypes.c_char_p * 3)(b"json_each", b"json_tree", None)
        self.lib.sqlite3_drop_modules(self.db, kept)
        self.lib.sqlite3_enable_load_extension(self.db, 1)
        if self.lib.sqlite3_load_extension(self.db, str(EXTENSION).encode(), None, None):
            raise RuntimeError(self.message())

    def message(self):
        return self.lib.sqlite3_errmsg(self.db).decode()

    def run(self, sql):
        if self.lib.sqlite3_exec(self.db, sql.encode(), None, None, None):
            raise RuntimeError(self.message())

    def close(self):
        self.lib.sqlite3_close(self.db)


class Untrack(SyncTest):
    SCHEMA = (PEOPLE + "INSERT INTO people VALUES('p1', 'Ada', 36), ('p2', 'Bob', 41);"
              "CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT UNIQUE); INSERT INTO auto(v) VALUES('x');"
              "CREATE TRIGGER mine AFTER INSERT ON people BEGIN UPDATE auto SET v = NEW.name; END;")

    def test_the_last_takes_the_witness_away(self):
        """FILE-sync; not before, and not where the caller may still take it all back."""
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY); CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        a.changeset()
        witness = a.path + "-sync"
        a.x("SELECT sync_untrack('t')")
        self.assertTrue(os.path.exists(witness))
        a.x("BEGIN")
        a.x("SELECT sync_untrack_all()")
        a.x("ROLLBACK")
        self.assertTrue(os.path.exists(witness))
        a.x("SELECT sync_untrack('u')")
        self.assertFalse(os.path.exists(witness))
        a.track("t")
        a.changeset()
        a.x("SELECT sync_untrack_all()")
        self.assertFalse(os.path.exists(witness))

    def test_the_last_leaves_the_file_as_it_was_found(self):
        for leave in ("SELECT sync_untrack_all()", "SELECT sync_untrack('people'); SELECT sync_untrack('auto')"):
            for wal in (False, True):
                with self.subTest(leave=leave, wal=wal):
                    name = f"a{len(self._files)}"
                    file = self.file(name, self.SCHEMA, wal=wal)
                    before = file.shell(".dump"), file.shell("PRAGMA journal_mode; PRAGMA user_version; PRAGMA application_id; PRAGMA encoding;")
                    file.track_all()
                    file.close()
                    self.assertTrue(os.path.exists(file.path))
                    file.xshell(leave + ";")
                    self.assertEqual(file.shell(".dump"), before[0])
                    self.assertEqual(file.shell("PRAGMA journal_mode; PRAGMA user_version; PRAGMA application_id; PRAGMA encoding;"), before[1])
                    self.assertEqual([n for n in os.listdir(self.dir) if n.startswith(name) and "sync" in n], [])

    def test_after_writes_and_merges_too(self):
        file = self.file("a", self.SCHEMA).track_all()
        other = self.file("b", self.SCHEMA.replace("'Ada'", "'Eve'")).track_all()
        file.sql("INSERT INTO people VALUES('p3', 'Cid', 20)")
        exchange(file, other)
        rows = file.dump()
        file.x("SELECT sync_untrack_all()")
        schema = file.sql("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY name")
        self.assertEqual(schema, [("auto",), ("mine",), ("people",)])
        self.assertEqual({t: file.rows(t) for t in rows}, rows)

    def test_one_of_two(self):
        file = self.file("a", self.SCHEMA).track_all()
        file.x("SELECT sync_untrack('auto')")
        self.assertEqual(file.tracked(), ["people"])
        file.sql("UPDATE auto SET v = 'y'")
        file.sql("UPDATE people SET age = 1 WHERE id = 'p1'")
        self.assertEqual(file.x("SELECT DISTINCT tbl FROM sync_changes WHERE op <> 'insert'"), [("people",)])
        self.assertEqual(file.sql("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'auto'"), [(0,)])

    def test_what_is_not_tracked(self):
        file = self.file("a", self.SCHEMA, "people")
        self.refused(file, "SELECT sync_untrack('auto')", says=["auto", "not tracked"])

    def test_tracked_again_it_is_a_new_genesis(self):
        a, b = self.files("ab", PEOPLE + "INSERT INTO people VALUES('p1', 'Ada', 36);", "people")
        a.x("SELECT sync_untrack_all()")
        a.sql("INSERT INTO people VALUES('p2', 'Bob', 41)")
        a.track("people")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id FROM people ORDER BY id"), [("p1",), ("p2",)])


class Rebuilt(SyncTest):
    def test_dropped_triggers_are_made_anew(self):
        a, b = self.files("ab", PEOPLE, "people")
        a.sql("INSERT INTO people VALUES('p1', 'Ada', 36)")
        self.level(a, b)
        for (name,) in a.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            a.sql(f'DROP TRIGGER "{name}"')
        a.fold()
        a.sql("INSERT INTO people VALUES('p2', 'Bob', 41)")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id FROM people ORDER BY id"), [("p1",), ("p2",)])

    def test_a_table_rebuilt_as_sqlite_advises(self):
        a, b = self.files("ab", PEOPLE, "people")
        a.sql("INSERT INTO people VALUES('p1', 'Ada', 36)")
        self.level(a, b)
        a.shell("BEGIN; CREATE TABLE people2(id TEXT PRIMARY KEY, name TEXT NOT NULL, age INT);"
                "INSERT INTO people2 SELECT * FROM people; DROP TABLE people; ALTER TABLE people2 RENAME TO people; COMMIT;")
        a.fold()
        a.shell("INSERT INTO people VALUES('p2', 'Bob', 41); UPDATE people SET age = 37 WHERE id = 'p1';")
        b.pull(a)
        self.assertEqual(b.sql("SELECT * FROM people ORDER BY id"), [("p1", "Ada", 37), ("p2", "Bob", 41)])

    def test_a_dropped_table_stalls_no_other(self):
        a, b = self.files("ab", PEOPLE + "CREATE TABLE other(id TEXT PRIMARY KEY, v);", "people", "other")
        a.sql("INSERT INTO other VALUES('o1', 1)")
        b.sql("INSERT INTO people VALUES('p1', 'Ada', 36)")
        b.sql("INSERT INTO other VALUES('o2', 2)")
        a.sql("DROP TABLE people")
        exchange(a, b)
        self.assertEqual(a.rows("other"), b.rows("other"))
        self.assertEqual(len(a.rows("other")), 2)
        note = a.one("SELECT note FROM sync_status WHERE tbl = 'people'")
        self.assertTrue(note, "sync_status says nothing of a table that is gone")

    def test_a_dropped_table_is_in_no_way_of_its_parents_and_children(self):
        """Merges, previews, held rows, put-back triggers and folds go on beside it; what comes for it is relayed to nobody from here, and lost to nobody."""
        schema = ("CREATE TABLE p(id TEXT PRIMARY KEY, x UNIQUE, g TEXT REFERENCES gone);"
                  "CREATE TABLE gone(id TEXT PRIMARY KEY, p TEXT REFERENCES p);"
                  "CREATE TABLE log(id TEXT PRIMARY KEY, n);"
                  "CREATE TRIGGER p_log AFTER INSERT ON p BEGIN INSERT OR REPLACE INTO log VALUES(NEW.id, 'trigger'); END;")
        tables = ("p", "gone", "log")
        a, b, c = self.files("abc", schema, *tables)
        a.script("INSERT INTO p VALUES('p1', 1, NULL); INSERT INTO gone VALUES('g', 'p1'); UPDATE p SET g = 'g'")
        self.level(a, b, c)
        b.script("DROP TABLE gone; INSERT INTO p VALUES('p2', 5, NULL); CREATE TABLE more(id TEXT PRIMARY KEY)")
        a.script("INSERT INTO p VALUES('p3', 5, NULL); INSERT INTO gone VALUES('h', 'p3'); DELETE FROM gone WHERE id = 'g'; UPDATE log SET n = 'a'")
        changes = a.cut_for(b)
        told = json.loads(b.one("SELECT sync_apply(?, '{\"dry_run\": true}')", changes))
        self.assertLessEqual({row["tbl"] for row in told}, {"p", "log"})
        b.apply(changes)
        self.assertEqual(len(b.sql("SELECT id FROM p WHERE x = 5")), 1)
        self.assertEqual(len(b.held()), 1)
        self.assertEqual(b.sql("SELECT n FROM log WHERE id = 'p3'"), a.sql("SELECT n FROM log WHERE id = 'p3'"))
        a.sql("UPDATE p SET x = 6 WHERE id = 'p3'")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id, x FROM p WHERE id <> 'p1' ORDER BY id"), [("p2", 5), ("p3", 6)])
        self.assertEqual(b.held(), [])
        with self.assertRaisesRegex(sqlite3.OperationalError, "gone"):
            b.x("SELECT sync_touch('gone', 'g')")
        b.sql("DELETE FROM p WHERE id = 'p1'")  # has no children here any more
        b.track("more")
        for file in (a, c):
            file.pull(b)
        self.level(a, c)
        self.assertEqual(c.rows("p"), b.rows("p"))
        self.assertEqual(c.sql("SELECT id FROM gone"), [("h",)])

    def test_rebuilt_with_another_key_it_is_refused_by_name(self):
        a, b = self.files("ab", PEOPLE, "people")
        a.shell("DROP TABLE people; CREATE TABLE people(nr INT PRIMARY KEY, name TEXT);")
        self.refused(a, "SELECT sync_track('people')", says=["people", "untrack"])
        a.x("SELECT sync_untrack('people')")
        a.track("people")
        self.refused(b, "SELECT sync_changeset(?)", a.seen(), says=["people", "key"])

    def test_differing_identity_is_refused_by_name(self):
        a = self.file("a", "CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "n", options='{"identity": "key"}')
        b = self.file("b", "CREATE TABLE n(id INTEGER PRIMARY KEY, v);", "n")
        a.sql("INSERT INTO n VALUES(1, 1)")
        self.refused(a, "SELECT sync_changeset(?)", b.seen(), says=["n", "identity"])
        self.refused(b, "SELECT sync_apply(?)", a.changeset(), says=["n", "identity"])


if __name__ == "__main__":
    unittest.main()
