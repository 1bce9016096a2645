"""Each SQL function: arguments, results, errors, and what it may not do."""
import json
import sqlite3
import unittest

from syncfile import SyncTest, tick

NOTES = "CREATE TABLE notes(id TEXT PRIMARY KEY, title TEXT, body TEXT);"
FUNCTIONS = ("sync_track('notes')", "sync_track_all()", "sync_untrack('notes')", "sync_untrack_all()", "sync_site()", "sync_version()",
             "sync_fold()", "sync_seen()", "sync_changeset()", "sync_apply(x'00')", "sync_touch('notes', 'n1')", "sync_describe(x'00')")
TABLES = ("sync_changes", "sync_status")


class Site(SyncTest):
    def test_sixteen_bytes_of_its_own(self):
        a, b = self.files("ab", NOTES, "notes")
        self.assertEqual(len(a.site()), 16)
        self.assertNotEqual(a.site(), b.site())
        site = a.site()
        a.close()
        self.assertEqual(a.site(), site)

    def test_files_that_are_not_tracked(self):
        file = self.file("a", NOTES)
        before = file.shell(".dump")
        for call in ("sync_site()", "sync_changeset()", "sync_seen()", "sync_fold()"):
            self.refused(file, f"SELECT {call}", says=["sync_track"])
        self.assertEqual((file.version(), file.one("SELECT sync_untrack_all()")), (0, 0))
        self.assertEqual(file.x("SELECT * FROM sync_changes"), [])
        self.assertEqual(file.x("SELECT * FROM sync_status"), [])
        self.assertEqual(file.shell(".dump"), before)


class Version(SyncTest):
    def test_each_write_moves_it(self):
        file = self.file("a", NOTES, "notes")
        last = file.version()
        for statement in ("INSERT INTO notes VALUES('n1', 'a', 'b')", "UPDATE notes SET title = 'c'", "DELETE FROM notes"):
            file.shell(statement + ";")
            self.assertEqual(file.version(), last + 1, statement)
            last = file.version()
        file.fold()
        self.assertEqual(file.version(), last)
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        self.assertGreater(file.version(), last)

    def test_it_never_goes_back(self):
        file = self.file("a", NOTES, "notes")
        last = file.version()
        for i in range(20):
            file.sql("INSERT OR REPLACE INTO notes VALUES('n1', ?, 'b')", str(i))
            if i % 3 == 0:
                file.sql("DELETE FROM notes")
            if i % 4 == 0:
                file.fold()
            self.assertGreater(file.version(), last)
            last = file.version()

    def test_a_merge_moves_it(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        before = b.version()
        b.pull(a)
        self.assertGreater(b.version(), before)


class Fold(SyncTest):
    def test_it_counts_what_it_folds(self):
        file = self.file("a", NOTES, "notes")
        self.assertEqual(file.fold(), 0)
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b'), ('n2', 'a', 'b')")
        file.sql("UPDATE notes SET title = 'c' WHERE id = 'n1'")
        self.assertEqual(file.fold(), 3)
        self.assertEqual(file.fold(), 0)
        self.assertEqual(file.one("SELECT rows_with_clocks FROM sync_status"), 2)

    def test_virtual_and_real_give_one_state(self):
        file = self.file("a", NOTES + "INSERT INTO notes VALUES('g1', 'x', 'y'), ('g2', 'x', 'y');", "notes")
        other = self.file("b", NOTES, "notes")
        for i in range(30):
            file.sql("INSERT OR REPLACE INTO notes VALUES(?, 'a', 'b')", f"n{i % 7}")
            file.sql("UPDATE notes SET body = ? WHERE id = ?", str(i), f"n{i % 5}")
            file.sql("DELETE FROM notes WHERE id = ?", f"n{i % 3}")
        file.sql("UPDATE notes SET title = 'z' WHERE id = 'g1'")
        file.sql("DELETE FROM notes WHERE id = 'g2'")
        def described():                    # rows come in the order of the journal or of their keys
            whole = json.loads(file.one("SELECT sync_describe(?)", file.cut_for(other)))
            whole["rows"].sort(key=lambda row: (row["table"], row["key"]))
            return whole
        virtual, told = file.cells(), described()
        self.assertGreater(file.fold(), 0)
        self.assertEqual(file.cells(), virtual)
        self.assertEqual(described(), told)

    def test_superseded_entries_go(self):
        file = self.file("a", NOTES, "notes")
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        for i in range(200):
            file.sql("UPDATE notes SET title = ?", str(i))
        version = file.version()
        file.fold()
        self.assertLessEqual(file.sql("SELECT count(*) FROM sync_journal")[0][0], 2)
        self.assertEqual(file.version(), version)


class Changeset(SyncTest):
    def test_nothing_is_null(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        self.assertIsNone(a.changeset(a.version()))
        b.pull(a)
        self.assertIsNone(a.cut_for(b))
        self.assertIsNone(b.cut_for(a))
        self.assertIsNone(a.cut_for(a))

    def test_everything(self):
        a, b = self.files("ab", NOTES + "INSERT INTO notes VALUES('g', 'old', 'old');", "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        b.sql("DELETE FROM notes")
        c = self.file("c", NOTES, "notes")
        self.assertEqual(c.apply(a.changeset()), 2)
        self.assertEqual(a.rows("notes"), c.rows("notes"))

    def test_above_a_version(self):
        a, b, c = self.files("abc", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        b.pull(a)
        version = a.version()
        a.sql("INSERT INTO notes VALUES('n2', 'a', 'b')")
        changeset = a.changeset(version)
        message = self.refused(c, "SELECT sync_apply(?)", changeset, says=["sync_seen"])
        self.assertEqual(c.sql("SELECT * FROM notes"), [], message)
        self.assertEqual(b.apply(changeset), 1)
        self.level(a, b)

    def test_exactly_what_the_other_lacks(self):
        a, b, c = self.files("abc", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b'), ('n2', 'a', 'b'), ('n3', 'a', 'b')")
        self.level(a, b)
        a.sql("UPDATE notes SET title = 'only this' WHERE id = 'n2'")
        changeset = a.cut_for(b)
        described = a.one("SELECT sync_describe(?)", changeset)
        json.loads(described)
        self.assertIn("only this", described)
        self.assertIn("n2", described)
        self.assertNotIn("n1", described)
        self.assertNotIn('"b"', described)     # the body travelled before
        self.refused(c, "SELECT sync_apply(?)", changeset, says=["sync_seen"])
        self.assertEqual(b.apply(changeset), 1)
        self.assertIsNone(a.cut_for(b))

    def test_not_from_a_transaction_that_has_written(self):
        file = self.file("a", NOTES, "notes")
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        file.x("BEGIN")
        self.assertIsNotNone(file.changeset())
        file.x("UPDATE notes SET title = 'may roll back'")
        self.refused(file, "SELECT sync_changeset()", says=["transaction"])
        self.refused(file, "SELECT sync_changeset(?)", 0, says=["transaction"])
        file.x("ROLLBACK")
        self.assertIsNotNone(file.changeset())
        file.x("SAVEPOINT s")
        file.x("UPDATE notes SET title = 'may roll back'")
        self.refused(file, "SELECT sync_changeset()", says=["transaction"])
        file.x("ROLLBACK TO s")
        file.x("RELEASE s")
        self.assertIsNotNone(file.changeset())

    def test_what_was_cut_is_a_snapshot(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        a.x("BEGIN")
        a.x("SELECT * FROM notes")
        a.sql("INSERT INTO notes VALUES('n2', 'a', 'b')")     # another connection, after the snapshot
        changeset = a.cut_for(b)
        a.x("COMMIT")
        self.assertEqual(b.apply(changeset), 1)
        self.assertEqual(b.sql("SELECT id FROM notes"), [("n1",)])
        self.level(a, b)

    def test_wrong_arguments(self):
        file = self.file("a", NOTES, "notes")
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        for wrong in (b"", b"SEEN", b"nonsense", file.changeset(), "text", -1):
            with self.subTest(wrong):
                self.refused(file, "SELECT sync_changeset(?)", wrong)

    def test_a_damaged_seen_blob(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        seen = b.seen()
        for i in range(len(seen)):
            self.refused(a, "SELECT sync_changeset(?)", seen[:i])
            self.refused(a, "SELECT sync_changeset(?)", seen[:i] + bytes([seen[i] ^ 0x41]) + seen[i + 1:])
        self.assertIsNotNone(a.changeset(seen))


class Apply(SyncTest):
    def test_it_counts_the_rows_it_changes_and_repeats_do_nothing(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b'), ('n2', 'a', 'b'), ('n3', 'a', 'b')")
        changeset = a.changeset()
        self.assertEqual(b.apply(changeset), 3)
        state = b.cells(), b.version()
        self.assertEqual(b.apply(changeset), 0)
        self.assertEqual((b.cells(), b.version()), state)
        a.sql("UPDATE notes SET title = 'z' WHERE id = 'n1'")
        a.sql("DELETE FROM notes WHERE id = 'n2'")
        self.assertEqual(b.pull(a), 2)
        self.assertEqual(a.apply(a.changeset()), 0)

    def dry(self, file, changeset):
        return json.loads(file.one("SELECT sync_apply(?, '{\"dry_run\": true}')", changeset))

    def test_dry_run_says_and_changes_nothing(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b'), ('n2', 'a', 'b')")
        changeset = a.changeset()
        before = b.shell(".dump")
        self.assertEqual(self.dry(b, changeset),
                         [{"tbl": "notes", "key": [n], "op": "insert", "new": {"title": "a", "body": "b"}} for n in ("n1", "n2")])
        self.assertEqual(b.shell(".dump"), before)
        self.assertEqual(b.apply(changeset), 2)
        self.assertEqual(self.dry(b, changeset), [])
        self.assertEqual(b.one("SELECT sync_apply(?, '{\"dry_run\": false}')", changeset), 0)
        self.refused(b, "SELECT sync_apply(?, '{\"dry_ran\": true}')", changeset, says=["dry_ran"])
        self.refused(b, "SELECT sync_apply(?, '{')", changeset)

    def test_dry_run_of_nothing(self):
        a, = self.files("a", "CREATE TABLE t(id TEXT PRIMARY KEY);", "t")
        for nothing in (None, b""):
            self.assertEqual(a.one("SELECT sync_apply(?, '{\"dry_run\": true}')", nothing), "[]")
            self.assertEqual(a.one("SELECT sync_apply(?, '{\"dry_run\": false}')", nothing), 0)
            with self.assertRaisesRegex(sqlite3.Error, 'unknown option "dry"'):
                a.one("SELECT sync_apply(?, '{\"dry\": true}')", nothing)

    def test_dry_run_tells_old_from_new(self):
        schema = NOTES + "CREATE TABLE mail(id TEXT PRIMARY KEY COLLATE NOCASE, at UNIQUE, flag);"
        a, b = self.files("ab", schema, "notes", "mail")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b'), ('n2', 'a', 'b')")
        a.sql("INSERT INTO mail VALUES('m1', 'x', 1)")
        b.pull(a)
        tick()
        a.sql("UPDATE notes SET title = x'00ff' WHERE id = 'n1'")
        a.sql("DELETE FROM notes WHERE id = 'n2'")
        a.sql("INSERT OR REPLACE INTO mail VALUES('M1', 'x', 2)")
        tick()
        b.sql("INSERT INTO mail VALUES('m2', 'y', 1)")
        tick()
        a.sql("INSERT INTO mail VALUES('m3', 'y', 1.5)")
        changeset = a.changeset(b.seen())
        before = b.shell(".dump")
        said = self.dry(b, changeset)
        self.assertEqual(b.shell(".dump"), before)
        self.assertEqual([i for i in said if i["tbl"] == "notes"],
                         [{"tbl": "notes", "key": ["n1"], "op": "update", "old": {"title": "a"}, "new": {"title": {"$blob": "00ff"}}},
                          {"tbl": "notes", "key": ["n2"], "op": "delete", "old": {"title": "a", "body": "b"}}])
        mail = {(i["key"][0], i["op"]): i for i in said if i["tbl"] == "mail"}
        self.assertEqual(sorted(mail), [("M1", "update"), ("m2", "delete"), ("m2", "hold"), ("m3", "insert")])
        self.assertEqual((mail["M1", "update"]["old"], mail["M1", "update"]["new"]), ({"id": "m1", "flag": 1}, {"id": "M1", "flag": 2}))
        self.assertEqual(mail["m3", "insert"]["new"], {"at": "y", "flag": 1.5})
        held = mail["m2", "hold"]
        self.assertEqual((held["reason"], held["ours"], held["theirs"]), ("unique", {"at": "y", "flag": 1}, {"at": "y", "flag": 1.5}))
        shown = b.cells()
        b.apply(changeset)
        self.assertNotEqual(b.cells(), shown)
        self.assertEqual(b.x("SELECT id FROM mail ORDER BY id"), [("M1",), ("m3",)])

    def test_dry_run_in_the_callers_transaction(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        changeset = a.changeset()
        b.x("BEGIN")
        b.x("INSERT INTO notes VALUES('mine', 'a', 'b')")
        self.assertEqual([i["key"] for i in self.dry(b, changeset)], [["n1"]])
        b.x("COMMIT")
        self.assertEqual(b.x("SELECT id FROM notes"), [("mine",)])

    def test_dry_run_that_does_not_fit(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', ?, '')", "x" * 6000)
        changeset = a.changeset()
        b.sql("INSERT INTO notes VALUES('n1', ?, '')", "y" * 6000)
        self.assertEqual(len(self.dry(b, changeset)), 0)  # b wrote later
        tick()
        a.sql("UPDATE notes SET title = title || 'z'")
        changeset = a.changeset()
        before = b.extended.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10000)
        try:
            self.refused(b, "SELECT sync_apply(?, '{\"dry_run\": true}')", changeset, says=["SQLITE_LIMIT_LENGTH"])
        finally:
            b.extended.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
        self.assertEqual(b.one("SELECT substr(title, 1, 1) FROM notes"), "y")
        self.assertEqual(b.apply(changeset), 1)

    def test_in_the_callers_transaction(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        changeset = a.changeset()
        b.x("BEGIN")
        b.x("INSERT INTO notes VALUES('own', 'a', 'b')")
        self.assertEqual(b.apply(changeset), 1)
        self.assertEqual(b.sql("SELECT count(*) FROM notes"), [(0,)])
        b.x("ROLLBACK")
        self.assertEqual(b.x("SELECT * FROM notes"), [])
        b.x("BEGIN")
        b.x("INSERT INTO notes VALUES('own', 'a', 'b')")
        b.x("SAVEPOINT s")
        self.assertEqual(b.apply(changeset), 1)
        b.x("ROLLBACK TO s")
        self.assertEqual(b.apply(changeset), 1)
        b.x("COMMIT")
        self.level(a, b)
        self.assertEqual(len(a.rows("notes")), 2)

    def test_all_or_nothing(self):
        schema = NOTES + "CREATE TABLE tags(tag TEXT PRIMARY KEY);"
        a = self.file("a", schema, "notes", "tags")
        b = self.file("b", schema, "notes", "tags", wal=False)
        a.sql("INSERT INTO tags VALUES('one')")
        a.sql("INSERT INTO notes SELECT value, value, hex(randomblob(200)) FROM json_each(json_array('n1', 'n2', 'n3', 'n4'))")
        changeset = a.changeset()
        before = b.shell(".dump")
        for i in range(0, len(changeset), max(1, len(changeset) // 150)):
            with self.subTest(i):
                if i:  # nothing at all is nothing to merge
                    self.refused(b, "SELECT sync_apply(?)", changeset[:i])
                self.refused(b, "SELECT sync_apply(?)", changeset[:i] + bytes([changeset[i] ^ 0x10]) + changeset[i + 1:])
        self.refused(b, "SELECT sync_apply(?)", changeset + b"x")
        self.assertEqual(b.shell(".dump"), before)
        self.assertEqual(b.apply(changeset), 5)

    def test_a_failure_midway_leaves_nothing_and_the_callers_transaction_alive(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b'), ('n2', 'a', 'b')")
        changeset = a.changeset()
        b.x("BEGIN")
        b.x("INSERT INTO notes VALUES('own', 'a', 'b')")
        self.refused(b, "SELECT sync_apply(?)", changeset[:-3])
        self.assertEqual(b.x("SELECT id FROM notes"), [("own",)])
        b.x("COMMIT")
        self.assertEqual(b.pull(a), 2)
        self.assertEqual(b.sql("SELECT count(*) FROM notes"), [(3,)])

    def test_a_full_disk(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('small', 'a', 'b'), ('big', 'a', randomblob(900000))")
        changeset = a.cut_for(b)
        pages = b.one("PRAGMA page_count")
        b.x(f"PRAGMA max_page_count = {pages + 20}")
        self.refused(b, "SELECT sync_apply(?)", changeset, says=["full"])
        self.assertEqual(b.sql("SELECT * FROM notes"), [])
        self.assertEqual(b.sql("PRAGMA integrity_check"), [("ok",)])
        b.x("PRAGMA max_page_count = 1000000")
        self.assertEqual(b.apply(changeset), 2)
        self.level(a, b)

    def test_settings_of_the_connection(self):
        for pragma in ("reverse_unordered_selects = on", "trusted_schema = off", "cell_size_check = on", "ignore_check_constraints = on", "automatic_index = off",
                       "legacy_alter_table = on", "short_column_names = off", "full_column_names = on", "case_sensitive_like = on", "temp_store = memory",
                       "locking_mode = exclusive", "secure_delete = on", "count_changes = on", "empty_result_callbacks = on"):
            with self.subTest(pragma):
                n = len(self._files)
                a, b = self.files((f"a{n}", f"b{n}"), NOTES + "INSERT INTO notes VALUES('g', 'a', 'b');", "notes")
                b.close()
                b.x(f"PRAGMA {pragma}")
                a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
                a.sql("UPDATE notes SET title = 'c' WHERE id = 'g'")
                self.assertEqual(b.pull(a), 2)
                b.x("UPDATE notes SET body = 'd'")
                self.assertEqual(a.pull(b), 2)
                self.assertEqual(a.sql("SELECT * FROM notes ORDER BY id"), [("g", "c", "d"), ("n1", "a", "d")])
                a.close(), b.close()

    def test_what_is_no_changeset(self):
        file = self.file("a", NOTES, "notes")
        for wrong in (b"SYNC", b"SYNC\x01", b"nonsense", file.seen(), "text", 7, 1.5, bytes(1000)):
            with self.subTest(wrong):
                self.refused(file, "SELECT sync_apply(?)", wrong)

    def test_a_format_of_the_future(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        changeset = bytearray(a.changeset())
        self.assertEqual(changeset[:4], b"SYNC")
        changeset[4] = 4
        self.refused(b, "SELECT sync_apply(?)", bytes(changeset), says=["newer"])

    def test_tables_that_are_not_tracked_here_are_passed_over(self):
        a = self.file("a", NOTES + "CREATE TABLE tags(tag TEXT PRIMARY KEY);", "notes", "tags")
        b = self.file("b", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        a.sql("INSERT INTO tags VALUES('one')")
        self.assertEqual(b.apply(a.changeset()), 1)
        self.assertIsNone(a.cut_for(b))

    def test_a_file_that_tracks_nothing(self):
        a = self.file("a", NOTES + "INSERT INTO notes VALUES('n1', 'a', 'b');", "notes")
        b = self.file("b", NOTES)
        self.refused(b, "SELECT sync_apply(?)", a.changeset(), says=["track"])

    def test_by_the_stock_shell(self):
        a, b = self.files("ab", NOTES, "notes")
        a.shell("INSERT INTO notes VALUES('n1', 'a', 'b');")
        directory = str(self.dir)
        b.xshell(f"SELECT writefile('{directory}/seen', sync_seen());")
        a.xshell(f"SELECT writefile('{directory}/changes', sync_changeset(readfile('{directory}/seen')));")
        self.assertEqual(b.xshell(f"SELECT sync_apply(readfile('{directory}/changes'));"), "1")
        self.assertEqual(b.shell("SELECT * FROM notes;"), "n1|a|b")


class Touch(SyncTest):
    def test_a_row_changed_behind_the_triggers_back(self):
        schema = NOTES + "CREATE TABLE pair(a INT, b TEXT, v, PRIMARY KEY(a, b)); CREATE TABLE num(id INTEGER PRIMARY KEY, v);"
        a, b = self.files("ab", schema, "notes", "pair", "num")
        a.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        a.sql("INSERT INTO pair VALUES(1, 'x', 0)")
        a.sql("INSERT INTO num VALUES(7, 0)")
        self.level(a, b)
        triggers = a.sql("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        for name, _ in triggers:
            a.sql(f'DROP TRIGGER "{name}"')
        a.sql("UPDATE notes SET title = 'behind'")
        a.sql("UPDATE pair SET v = 5")
        a.sql("UPDATE num SET v = 6")
        for _, sql in triggers:
            a.sql(sql)
        self.assertIsNone(a.cut_for(b))
        a.x("SELECT sync_touch('notes', 'n1')")
        a.x("SELECT sync_touch('pair', json_array(1, 'x'))")
        a.x("SELECT sync_touch('num', 7)")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT title FROM notes"), [("behind",)])
        self.assertEqual(b.sql("SELECT v FROM pair"), [(5,)])
        self.assertEqual(b.sql("SELECT v FROM num"), [(6,)])

    def test_a_row_that_went_or_came_behind_the_triggers_back(self):
        a, b = self.files("ab", NOTES, "notes")
        a.sql("INSERT INTO notes VALUES('gone', 'a', 'b')")
        self.level(a, b)
        triggers = a.sql("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        for name, _ in triggers:
            a.sql(f'DROP TRIGGER "{name}"')
        a.sql("DELETE FROM notes")
        a.sql("INSERT INTO notes VALUES('new', 'a', 'b')")
        for _, sql in triggers:
            a.sql(sql)
        a.x("SELECT sync_touch('notes', 'gone')")
        a.x("SELECT sync_touch('notes', 'new')")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id FROM notes"), [("new",)])

    def test_keys_of_several_columns(self):
        a, b = self.files("ab", "CREATE TABLE pair(a BLOB, b, v, PRIMARY KEY(a, b));", "pair")
        a.sql("INSERT INTO pair VALUES(x'00ff', 1, 0)")
        self.level(a, b)
        tick()
        b.sql("UPDATE pair SET v = 'b'")
        tick()
        a.x("SELECT sync_touch('pair', key) FROM (SELECT key FROM sync_changes LIMIT 1)")      # as sync_changes spells it
        self.level(a, b)
        self.assertEqual(b.sql("SELECT v FROM pair"), [(0,)])

    def test_bytes_that_json_cannot_spell(self):
        """{"$blob": ...} and {"$text": ...}, in hexadecimal of either case, as sync_changes and sync_conflict spell them."""
        file = self.file("a", "CREATE TABLE pair(a, b, v, PRIMARY KEY(a, b));", "pair")
        file.sql("INSERT INTO pair VALUES(x'00fFa9', CAST(x'FF41' AS TEXT), 0)")
        version = file.version()
        file.x("""SELECT sync_touch('pair', '[{"$blob": "00FfA9"}, {"$text": "fF41"}]')""")
        self.assertEqual(file.x("SELECT DISTINCT key FROM sync_changes WHERE version > ?", version), [('[{"$blob":"00ffa9"},{"$text":"ff41"}]',)])
        for wrong in ("{}", "[]", "null", *('{"$blob": "%s"}' % digits for digits in ("0g", "g0", "0G", "/0", ":0", "`0", "@0"))):
            self.refused(file, "SELECT sync_touch('pair', ?)", f"[{wrong}, 1]", says=["pair", "2 columns"])

    def test_refusals(self):
        file = self.file("a", NOTES + "CREATE TABLE other(id TEXT PRIMARY KEY); CREATE TABLE pair(a, b, PRIMARY KEY(a, b));", "notes", "pair")
        self.refused(file, "SELECT sync_touch('other', 'x')", says=["other"])
        self.refused(file, "SELECT sync_touch('notes', NULL)")
        for key in ("[]", '["a"]', '["a", "b", "c"]', "{", '["a", null]', 7, None):
            with self.subTest(key):
                self.refused(file, "SELECT sync_touch('pair', ?)", key)


class Describe(SyncTest):
    def test_json_for_people(self):
        a = self.file("a", NOTES + "CREATE TABLE \"odd 'name\"(k BLOB PRIMARY KEY, v);", "notes", "odd 'name")
        a.sql("INSERT INTO notes VALUES('n1', 'Title', 'Body')")
        a.sql("INSERT INTO notes VALUES('n2', 'x', 'y')")
        a.sql("DELETE FROM notes WHERE id = 'n2'")
        a.sql("INSERT INTO \"odd 'name\" VALUES(x'00ff', x'cafe')")
        text = a.one("SELECT sync_describe(?)", a.changeset())
        json.loads(text)
        for word in ("notes", "odd 'name", "Title", "title", "Body", "n1", "n2", a.site().hex()):
            self.assertIn(word, text)
        for word in ("cafe", "00ff"):
            self.assertIn(word, text.lower())

    def test_damaged_bytes(self):
        a = self.file("a", NOTES + "INSERT INTO notes VALUES('n1', 'Title', 'Body');", "notes")
        for wrong in (b"", b"SYNC", a.changeset()[:-1], a.seen()[:-1], "text"):
            with self.subTest(wrong):
                self.refused(a, "SELECT sync_describe(?)", wrong)

    def test_holdings_of_several_files(self):
        a, b, c = self.files("abc", NOTES, "notes")
        for file in (a, b, c):
            file.sql("INSERT INTO notes VALUES(?, '', '')", file.path)
        self.level(a, b, c)
        told = json.loads(a.one("SELECT sync_describe(sync_changeset())"))
        self.assertEqual(set(told["closing"]["holds"]["notes"]), {file.site().hex() for file in (a, b, c)})

    def test_more_than_a_person_reads(self):
        file = self.file("a", "CREATE TABLE t(id INTEGER PRIMARY KEY, v);", "t")
        file.sql("INSERT INTO t SELECT value, printf('%.*c', 4000000, 'x') FROM json_each('[1, 2]')")
        self.assertEqual(len(json.loads(file.one("SELECT sync_describe(sync_changeset())"))["rows"]), 2)
        file.sql("INSERT INTO t SELECT 3, printf('%.*c', 4000000, 'x')")
        self.refused(file, "SELECT sync_describe(sync_changeset())", says=["longer than 10 MiB"])


class Everywhere(SyncTest):
    def test_not_from_views_and_triggers(self):
        file = self.file("a", NOTES, "notes")
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        for i, call in enumerate(FUNCTIONS):
            with self.subTest(call):
                file.x(f"CREATE VIEW v{i} AS SELECT {call} AS x")
                self.refused(file, f"SELECT * FROM v{i}", says=["unsafe use"])
        for table in TABLES:
            with self.subTest(table):
                file.x(f"CREATE VIEW v_{table} AS SELECT * FROM {table}")
                self.refused(file, f"SELECT * FROM v_{table}", says=["unsafe use"])
        file.x("CREATE TRIGGER trap AFTER INSERT ON notes BEGIN SELECT sync_untrack_all(); END")
        self.refused(file, "INSERT INTO notes VALUES('n2', 'a', 'b')", says=["unsafe use"])
        self.assertEqual(file.tracked(), ["notes"])

    def test_functions_that_write_say_where_they_work(self):
        file = self.file("a", NOTES + "CREATE TABLE plain(x); CREATE TABLE new(id TEXT PRIMARY KEY);", "notes")
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        other = self.file("b", NOTES, "notes")
        changeset = other.sql("INSERT INTO notes VALUES('n2', 'a', 'b')") or other.changeset()
        for call, values in (("sync_fold()", ()), ("sync_apply(?)", (changeset,)), ("sync_track('new')", ()), ("sync_track_all()", ()),
                             ("sync_untrack('notes')", ()), ("sync_untrack_all()", ())):
            with self.subTest(call):
                self.refused(file, f"INSERT INTO plain SELECT {call}", *values, says=["SELECT"])
        self.assertEqual(file.sql("SELECT count(*) FROM plain"), [(0,)])
        self.assertEqual(file.tracked(), ["notes"])
        self.assertEqual(file.sql("SELECT id FROM notes"), [("n1",)])

    def test_reading_functions_inside_queries(self):
        file = self.file("a", NOTES + "CREATE TABLE plain(x);", "notes")
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        self.assertEqual(file.x("SELECT count(*) FROM notes WHERE sync_version() > 0"), [(1,)])
        file.x("INSERT INTO plain SELECT sync_site()")
        self.assertEqual(file.x("SELECT x FROM plain"), [(file.site(),)])

    def test_a_connection_that_may_only_query(self):
        """PRAGMA query_only forbids writing, and reading writes nothing: it works, sees what is not folded, and leaves the pragma as it is."""
        file, other = self.files("ab", NOTES, "notes")
        file.sql("INSERT INTO notes VALUES('n1', 'a', 'b')")
        file.x("PRAGMA query_only = on")
        other.apply(file.changeset())
        self.assertEqual(other.rows("notes"), file.rows("notes"))
        self.assertEqual(file.x("SELECT key FROM sync_changes WHERE col = 'title'"), [('["n1"]',)])
        self.assertEqual(file.one("PRAGMA query_only"), 1)
        self.refused(file, "SELECT sync_fold()", says=["readonly"])
        self.assertEqual(file.x("SELECT tail FROM sync_status"), [(1,)])

    def test_an_in_memory_database_is_a_file_too(self):
        memory = self.open(":memory:")
        memory.path = ":memory:"
        memory.close()
        memory.x(NOTES)
        memory.track("notes")
        memory.x("INSERT INTO notes VALUES('n1', 'a', 'b')")
        file = self.file("b", NOTES, "notes")
        self.assertEqual(file.pull(memory), 1)
        file.sql("UPDATE notes SET title = 'back'")
        self.assertEqual(memory.pull(file), 1)
        self.assertEqual(memory.x("SELECT title FROM notes"), [("back",)])


class Status(SyncTest):
    def test_what_it_says(self):
        file = self.file("a", NOTES + "INSERT INTO notes VALUES('g', 'a', 'b'); CREATE TABLE num(id INTEGER PRIMARY KEY);", "notes", "num")
        columns = [row[1] for row in file.x("PRAGMA table_xinfo(sync_status)")]
        for name in ("tbl", "identity", "options", "rows_with_clocks", "journal_length", "genesis", "metadata_bytes", "held", "note"):
            self.assertIn(name, columns)
        empty = file.x("SELECT metadata_bytes FROM sync_status WHERE tbl = 'notes'")[0][0]
        for i in range(500):
            file.sql("INSERT INTO notes VALUES(?, 'a', 'b')", f"n{i}")
        file.fold()
        rows, journal, size = file.x("SELECT rows_with_clocks, journal_length, metadata_bytes FROM sync_status WHERE tbl = 'notes'")[0]
        self.assertEqual((rows, journal), (500, 500))
        self.assertGreater(size, empty)
        self.assertEqual(file.one("SELECT rows_with_clocks FROM sync_status WHERE tbl = 'num'"), 0)
        self.assertEqual(dict(file.x("SELECT tbl, identity FROM sync_status")), {"notes": "key", "num": "row"})


if __name__ == "__main__":
    unittest.main()
