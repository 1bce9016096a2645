"""sync_alter(): changes of schema that tracked tables go along with; and those that a program makes without it."""
import unittest

from syncfile import SyncTest, exchange, invariants, tick

SCHEMAS = {"text": "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);", "integer": "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);",
           "composite": "CREATE TABLE t(id INT, k TEXT COLLATE NOCASE DEFAULT 'K', a, b, PRIMARY KEY(id, k)) WITHOUT ROWID;"}
ORDERS = [(0, 1, 2), (2, 1, 0), (1, 2, 0)]


class AlterTest(SyncTest):
    def alter(self, file, sql):
        return file.one("SELECT sync_alter(?)", sql)

    def note(self, file, table="t"):
        return file.one("SELECT note FROM sync_status WHERE tbl = ?", table)

    def each(self):
        return SCHEMAS.items()

    def filled(self, names, schema, kind=""):
        """Files with a row from before the tracking and one of each file, level."""
        files = [self.file(name + kind, schema + "INSERT INTO t(id, a, b) VALUES(0, 'before', 'before');", "t") for name in names]
        for i, file in enumerate(files, 1):
            file.sql("INSERT INTO t(id, a, b) VALUES(?, ?, ?)", i, f"a{i}", f"b{i}")
        exchange(*files)
        return files

    def values(self, file, column, table="t"):
        return [value for (value,) in file.sql(f"SELECT {column} FROM {table} ORDER BY id")]

    def sound(self, *files, whole=True):
        for file in files:
            invariants.check(file.path, whole=whole)


class DropColumn(AlterTest):
    def test_what_is_dropped_here_goes_on_elsewhere(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            self.assertEqual(self.alter(a, "ALTER TABLE t DROP COLUMN b"), 1)
            self.sound(a)
            self.assertEqual(a.columns("t")[-1], "a")
            self.assertIsNone(a.cut_for(b))
            tick()
            a.sql("UPDATE t SET a = 'from a' WHERE id = 1")
            b.sql("UPDATE t SET b = 'from b' WHERE id = 2")
            a.sql("INSERT INTO t(id, a) VALUES(9, 'new')")
            exchange(a, b)
            self.assertEqual(self.values(b, "b"), ["before", "b1", "from b", None])
            self.assertEqual(self.values(b, "a"), ["before", "from a", "a2", "new"])
            self.assertEqual(self.values(a, "a"), ["before", "from a", "a2", "new"])
            self.assertIn("b", self.note(a))
            self.alter(b, "ALTER TABLE t DROP COLUMN b")
            self.level(a, b)

    def test_a_third_file_gets_what_it_has_a_column_for(self):
        """The file between has dropped it: the values of others, its own, and those from before the tracking."""
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            self.alter(b, "ALTER TABLE t DROP COLUMN b;")
            tick()
            a.sql("UPDATE t SET b = 'later' WHERE id = 2")
            b.pull(a)
            c = self.file("c" + kind, schema, "t")
            c.pull(b)
            self.assertEqual(self.values(c, "b"), ["before", "b1", "later"])
            self.sound(a, b, c)

    def test_a_column_of_the_name_has_the_values_again(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            self.alter(a, "ALTER TABLE t DROP b")
            self.assertNotIn("b", a.columns("t"))
            a.sql("ALTER TABLE t ADD COLUMN b")
            self.level(a, b)
            self.assertEqual(self.values(a, "b"), ["before", "b1", "b2"])
            self.alter(a, "ALTER TABLE t DROP COLUMN b; ALTER TABLE t ADD COLUMN b")
            self.level(a, b)
            self.assertEqual(self.values(a, "b"), ["before", "b1", "b2"])

    def test_every_order_of_migration(self):
        for i, order in enumerate(ORDERS):
            for kind, schema in self.each():
                files = self.filled(["a", "b", "c"], schema, f"{kind}{i}")
                for at in order:
                    self.alter(files[at], "ALTER TABLE t DROP COLUMN b; ALTER TABLE t ADD COLUMN c DEFAULT 'c'")
                    tick()
                    files[at].sql("UPDATE t SET c = ? WHERE id = ?", f"c of {at}", at + 1)
                    files[at].sql("UPDATE t SET a = ? WHERE id = 0", f"a of {at}")
                    exchange(*files)
                self.assert_same(*files)
                self.assertEqual(self.values(files[0], "c"), ["c", "c of 0", "c of 1", "c of 2"])
                self.assertEqual(self.values(files[0], "a")[0], f"a of {order[-1]}")

    def test_wide_tables(self):
        columns = [f"c{i}" for i in range(130)]
        a, b = self.files("ab", f"CREATE TABLE t(id TEXT PRIMARY KEY, {', '.join(columns)});", "t")
        a.sql("INSERT INTO t(id, c3, c70, c129) VALUES('k', 3, 70, 129)")
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(self.alter(file, "".join(f"ALTER TABLE t DROP COLUMN {c};" for c in ("c3", "c69", "c129"))), 1)
        a.sql("UPDATE t SET c70 = 71, c128 = 1")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT c70, c128 FROM t"), [(71, 1)])

    def test_cells_that_were_refused(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, a, b);", "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, a, b CHECK(b > 0));", "t")
        a.sql("INSERT INTO t VALUES('k', 1, 1)")
        b.pull(a)
        a.sql("UPDATE t SET b = -1")
        b.pull(a)
        self.assertEqual(b.one("SELECT count(*) FROM sync_conflict"), 1)
        self.alter(b, "ALTER TABLE t DROP COLUMN b")
        self.assertEqual(b.one("SELECT count(*) FROM sync_conflict"), 0)
        self.sound(b)
        self.alter(a, "ALTER TABLE t DROP COLUMN b")
        self.level(a, b)

    def test_generated_columns_are_nobodys(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, a, g AS (a + 1));", "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        self.alter(a, "ALTER TABLE t DROP COLUMN g")
        self.sound(a)


class Rename(AlterTest):
    def test_columns(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            self.assertEqual(self.alter(a, "ALTER TABLE t RENAME COLUMN a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b"), 1)
            self.alter(b, "ALTER TABLE t RENAME COLUMN a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b")
            tick()
            a.sql("UPDATE t SET b = 'was a' WHERE id = 1")
            self.level(a, b)
            self.assertEqual(self.values(b, "b"), ["before", "was a", "a2"])
            self.assertEqual(self.values(b, "a"), ["before", "b1", "b2"])

    def test_columns_of_the_key(self):
        for by_program in (False, True):
            for kind, schema in self.each():
                kind += str(by_program)
                a, b = self.filled("ab", schema, kind)
                tick()
                b.sql("UPDATE t SET a = 'before it' WHERE id = 1")
                rename = "ALTER TABLE t RENAME COLUMN id TO number"
                if by_program:
                    a.sql(rename)
                    self.assertIn("sync_fold()", self.note(a))
                else:
                    self.assertEqual(self.alter(a, rename), 1)
                a.sql("UPDATE t SET a = 'after it' WHERE number = 2")
                a.fold()
                self.sound(a)
                self.refused(a, "SELECT sync_changeset(?)", b.seen(), says=["table t", "key"])
                self.alter(b, rename)
                self.level(a, b)
                self.assertEqual(b.sql("SELECT a FROM t ORDER BY number"), [("before",), ("before it",), ("after it",)])

    def test_tables(self):
        for by_program in (False, True):
            for kind, schema in self.each():
                a, b, c = self.filled("abc", schema, kind + str(by_program))
                if by_program:
                    a.sql("ALTER TABLE t RENAME TO u")
                    self.assertEqual(self.note(a), "renamed to u: sync_fold() follows it")
                    a.sql("UPDATE u SET a = 'as t still' WHERE id = 0")
                    a.fold()
                else:
                    self.assertEqual(self.alter(a, "ALTER TABLE t RENAME TO u"), 1)
                    a.sql("UPDATE u SET a = 'as t still' WHERE id = 0")
                self.assertEqual(a.tracked(), ["u"])
                self.assertRegex(self.note(a, "u"), "^renamed here, from t: ")
                tick()
                b.sql("UPDATE t SET b = 'from b' WHERE id = 1")
                exchange(a, b, c)
                self.assertEqual(self.values(a, "b", "u"), ["before", "b1", "b2", "b3"])
                self.assertEqual(self.values(c, "b"), ["before", "from b", "b2", "b3"])
                self.sound(a, whole=False)
                for file in (c, b):
                    self.alter(file, "ALTER TABLE t RENAME TO u")
                    exchange(a, b, c)
                self.assert_same(a, b, c)
                self.assertEqual(self.values(a, "a", "u"), ["as t still", "a1", "a2", "a3"])
                self.assertEqual(self.values(a, "b", "u"), ["before", "from b", "b2", "b3"])
                self.assertIsNone(self.note(a, "u"))
                self.assertEqual(exchange(a, b, c), 0)

    def test_everything_of_a_table_at_once_by_a_program(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            for file in (a, b):
                file.script("ALTER TABLE t RENAME COLUMN id TO number; ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME COLUMN a TO z;"
                            " ALTER TABLE u ADD COLUMN late DEFAULT 1; UPDATE u SET z = 'z' WHERE number = 1")
            a.sql("UPDATE u SET late = 2 WHERE number = 2")
            self.level(a, b)
            self.assertEqual(b.sql("SELECT z, late FROM u ORDER BY number"), [("before", 1), ("z", 1), ("a2", 2)])

    def test_another_table_had_the_name(self):
        """What a file that was renamed to it holds of others says nothing of that table."""
        schema = "CREATE TABLE t(id TEXT PRIMARY KEY, a); CREATE TABLE u(id TEXT PRIMARY KEY, a);"
        a, b = self.files("ab", schema, "t")
        b.track("u")
        b.sql("INSERT INTO u VALUES('of u', 1)")
        b.sql("INSERT INTO t VALUES('of t', 1)")
        exchange(a, b)
        self.alter(a, "DROP TABLE u; ALTER TABLE t RENAME TO u")
        a.pull(b)
        self.assertEqual(sorted(a.sql("SELECT id FROM u")), [("of t",), ("of u",)])

    def test_and_a_new_one_of_the_former_name(self):
        a, b = self.filled("ab", SCHEMAS["text"])
        self.alter(a, "ALTER TABLE t RENAME TO u; " + SCHEMAS["text"])
        self.assertEqual(a.tracked(), ["u"])
        a.track("t")
        a.sql("UPDATE u SET a = 'u'")
        exchange(a, b)
        self.assertEqual(self.values(a, "a"), ["before", "a1", "a2"])  # its own former rows too
        self.assertEqual(self.values(b, "a"), ["before", "a1", "a2"])

    def test_back_again(self):
        a, b = self.filled("ab", SCHEMAS["integer"])
        self.alter(a, "ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t")
        self.assertEqual(a.one("SELECT options FROM sync_status"), "{}")
        tick()
        a.sql("UPDATE t SET a = 'again' WHERE id = 2")
        self.level(a, b)

    def test_the_place_of_one_that_was_dropped(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY); CREATE TABLE u(id TEXT PRIMARY KEY);", "t", "u")
        a.script("DROP TABLE u; ALTER TABLE t RENAME TO u")
        a.fold()
        self.assertEqual(self.note(a), "missing: renamed to u, where another table was tracked; sync_untrack('u') lets that go")
        a.x("SELECT sync_untrack('u')")
        a.fold()
        self.assertEqual(a.tracked(), ["u"])
        self.sound(a)


class Rebuild(AlterTest):
    def rebuild(self, kind, columns, select, extra=""):
        head = SCHEMAS[kind][:SCHEMAS[kind].index(" a,")].replace("TABLE t", "TABLE n")
        tail = SCHEMAS[kind][SCHEMAS[kind].index(" b") + 2:]
        keys = "id, k" if kind == "composite" else "id"
        return (f"{head} {columns}{tail} INSERT INTO n SELECT {keys}, {select} FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; {extra}")

    def test_nothing_changed_is_nothing_said(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            version = a.version()
            self.assertEqual(self.alter(a, self.rebuild(kind, "a NOT NULL, b CHECK(b <> '')", "a, b", "CREATE INDEX i ON t(a);")), 1)
            self.assertEqual(a.version(), version)
            self.assertIsNone(a.cut_for(b))
            tick()
            a.sql("UPDATE t SET a = 'after' WHERE id = 1")
            b.sql("UPDATE t SET b = 'too' WHERE id = 1")
            self.level(a, b)

    def test_what_changed_is_written(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            tick()
            self.alter(a, self.rebuild(kind, "b, a, c", "b, iif(id = 1, 'rebuilt', a), iif(id = 2, 'new', NULL)"))
            self.sound(a)
            self.assertEqual(sorted({(key, col, value) for key, col, value in a.x("SELECT key, col, value FROM sync_changes WHERE version >"
                             " (SELECT max(version) FROM sync_changes) - 2 AND col IN ('a', 'c') AND value IN ('rebuilt', 'new')")}, key=str)[0][1:], ("a", "rebuilt"))
            tick()
            b.sql("UPDATE t SET b = 'from b' WHERE id = 1")
            b.script("ALTER TABLE t ADD COLUMN c")
            self.level(a, b)
            self.assertEqual(b.sql("SELECT a, b, c FROM t ORDER BY id"),
                             [("before", "before", None), ("rebuilt", "from b", None), ("a2", "b2", "new")])

    def test_rows_that_are_gone_and_that_came(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            self.alter(a, self.rebuild(kind, "a, b", "a, b").replace("FROM t;", "FROM t WHERE id > 1; INSERT INTO n(id, a) VALUES(7, 'came');"))
            self.level(a, b)
            self.assertEqual(self.values(b, "a"), ["a2", "came"])

    def test_columns_that_are_gone_keep_their_values(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            self.alter(a, self.rebuild(kind, "a", "a"))
            self.sound(a)
            self.assertIsNone(a.cut_for(b))
            c = self.file("c" + kind, schema, "t")
            c.pull(a)
            self.assertEqual(self.values(c, "b"), ["before", "b1", "b2"])
            self.alter(b, "ALTER TABLE t DROP COLUMN b")
            self.level(a, b)

    def test_types_that_change_values(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, n TEXT);", "t")
        a.sql("INSERT INTO t VALUES('x', '1'), ('y', 'word')")
        exchange(a, b)
        before = a.version()
        self.alter(a, "CREATE TABLE n(id TEXT PRIMARY KEY, n INTEGER); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t")
        self.assertEqual(a.version(), before + 1)
        b.pull(a)
        self.assertEqual(b.sql("SELECT typeof(n) FROM t ORDER BY id"), [("text",), ("text",)])
        self.sound(a, b)

    def test_keys_spelled_anew(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY, n);", "t")
        a.sql("INSERT INTO t VALUES('Ada', 1), ('bob', 2)")
        exchange(a, b)
        tick()
        self.alter(a, "CREATE TABLE n(id TEXT COLLATE NOCASE PRIMARY KEY, n); INSERT INTO n SELECT upper(id), n FROM t; DROP TABLE t;"
                      " ALTER TABLE n RENAME TO t")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), [("ADA",), ("BOB",)])

    def test_in_the_other_order(self):
        """The old table is renamed first; and by way of a copy."""
        ways = ["ALTER TABLE t RENAME TO old; {make} INSERT INTO t SELECT * FROM old; DROP TABLE old",
                "CREATE TABLE copy AS SELECT * FROM t; DROP TABLE t; {make} INSERT INTO t SELECT * FROM copy; DROP TABLE copy"]
        for i, way in enumerate(ways):
            for kind, schema in self.each():
                a, b = self.filled("ab", schema, f"{kind}{i}")
                version = a.version()
                self.assertEqual(self.alter(a, way.format(make=schema)), 1)
                self.assertEqual((a.version(), a.tracked()), (version, ["t"]))
                tick()
                a.sql("UPDATE t SET a = 'after' WHERE id = 1")
                self.level(a, b)

    def test_every_order_of_migration(self):
        for i, order in enumerate(ORDERS):
            files = self.filled(["a", "b", "c"], SCHEMAS["integer"], f"rebuilt {i}")
            for at in order:
                self.alter(files[at], self.rebuild("integer", "a, c DEFAULT 'c'", "a, coalesce(b, 'c')"))
                tick()
                files[at].sql("UPDATE t SET a = ? WHERE id = ?", f"a of {at}", at + 1)
                files[at].sql("INSERT INTO t(a) VALUES(?)", f"new of {at}")
                exchange(*files)
            self.assert_same(*files)
            self.assertEqual(self.values(files[0], "a")[1:4], ["a of 0", "a of 1", "a of 2"])

    def test_children_stay(self):
        """SQLite would delete the children with the table, were foreign keys enforced; and count them as violations."""
        schema = "CREATE TABLE t(id TEXT PRIMARY KEY, a); CREATE TABLE child(id TEXT PRIMARY KEY, t REFERENCES t ON DELETE CASCADE);"
        rebuild = "CREATE TABLE n(id TEXT PRIMARY KEY, a, c); INSERT INTO n(id, a) SELECT id, a FROM t {}; DROP TABLE t; ALTER TABLE n RENAME TO t"
        for tables in (("t", "child"), ("t",)):
            for begin in (False, True):
                a = self.file(f"a{tables}{begin}", schema + "INSERT INTO t VALUES('p', 1); INSERT INTO child VALUES('c', 'p');", *tables)
                a.x("PRAGMA foreign_keys = on")
                if begin:
                    a.extended.execute("BEGIN")
                self.alter(a, rebuild.format(""))
                self.refused(a, "SELECT sync_alter(?)", rebuild.format("WHERE 0"), says=["refer"])
                if begin:
                    a.extended.execute("COMMIT")
                self.assertEqual(a.sql("SELECT * FROM child"), [("c", "p")])
                self.assertEqual(a.one("PRAGMA foreign_keys"), 1)
                self.refused(a, "INSERT INTO child VALUES('d', 'nobody')", says=["foreign key"])
                self.sound(a)

    def test_another_key(self):
        schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, code TEXT NOT NULL, a);"
        anew = "CREATE TABLE n(code TEXT PRIMARY KEY, a); INSERT INTO n SELECT code, a FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t"
        a, b = self.files("ab", schema, "t")
        a.sql("INSERT INTO t VALUES(1, 'x', 1), (2, 'y', 2)")
        exchange(a, b)
        self.assertEqual(self.alter(a, anew), 1)
        self.assertEqual(a.x("SELECT tbl, identity, rows_with_clocks, note FROM sync_status"), [("t", "key", 0, None)])
        self.refused(a, "SELECT sync_changeset(?)", b.seen(), says=["table t"])
        self.alter(b, anew)
        tick()
        b.sql("UPDATE t SET a = 3 WHERE code = 'y'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM t ORDER BY code"), [("x", 1), ("y", 3)])

    def test_another_key_keeps_what_it_was_tracked_as(self):
        a = self.file("a", "CREATE TABLE t(id INTEGER PRIMARY KEY, a);", "t", options='{"identity": "key"}')
        self.alter(a, "CREATE TABLE n(no INTEGER PRIMARY KEY, a); DROP TABLE t; ALTER TABLE n RENAME TO t")
        self.assertEqual(a.x("SELECT tbl, identity FROM sync_status"), [("t", "key")])

    def test_no_key_is_refused(self):
        a = self.filled("a", SCHEMAS["text"])[0]
        self.refused(a, "SELECT sync_alter('CREATE TABLE n AS SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t')", says=["no primary key"])
        self.assertEqual(self.values(a, "a"), ["before", "a1"])
        self.sound(a)


class DropTable(AlterTest):
    def test_other_files_keep_theirs(self):
        a, b = self.filled("ab", SCHEMAS["text"] + "CREATE TABLE u(id TEXT PRIMARY KEY);")
        a.track("u")
        self.assertEqual(self.alter(a, "DROP TABLE t"), 1)
        self.assertEqual(a.tracked(), ["u"])
        exchange(a, b)
        self.assertEqual(len(self.values(b, "a")), 3)
        self.sound(a, b)
        a.script(SCHEMAS["text"])
        a.track("t")
        exchange(a, b)
        self.assertEqual(self.values(a, "a"), ["before", "a1", "a2"])

    def test_the_last_takes_everything_along(self):
        a = self.filled("a", SCHEMAS["text"])[0]
        self.alter(a, "DROP TABLE t")
        self.assertEqual(a.sql("SELECT count(*) FROM sqlite_schema"), [(0,)])

    def test_a_table_that_was_rebuilt_by_a_program(self):
        a = self.filled("a", SCHEMAS["text"])[0]
        a.script("DROP TABLE t; CREATE TABLE t(x PRIMARY KEY)")
        self.assertEqual(self.note(a), "missing: rebuilt with another key; sync_untrack('t'), then sync_track('t') adopts it anew")
        self.assertEqual(self.alter(a, "DROP TABLE t"), 1)
        self.assertEqual(a.sql("SELECT count(*) FROM sqlite_schema"), [(0,)])


class Others(AlterTest):
    def test_indexes_triggers_views_and_what_is_not_tracked(self):
        a, b = self.filled("ab", SCHEMAS["text"])
        self.assertEqual(self.alter(a, "CREATE VIEW v AS SELECT a FROM t; CREATE INDEX i ON t(a); DROP INDEX i; CREATE TABLE other(x, y);"
                                       " CREATE TRIGGER own AFTER INSERT ON other BEGIN UPDATE t SET a = NEW.x WHERE id = 1; END;"
                                       " INSERT INTO other VALUES('by a trigger', 1); ALTER TABLE other DROP COLUMN y; DROP TRIGGER own;"
                                       " DROP VIEW v; -- the end"), 0)
        self.level(a, b)
        self.assertEqual(self.values(b, "a")[1], "by a trigger")

    def test_a_unique_index_is_learnt_at_once(self):
        a, b = self.filled("ab", SCHEMAS["text"])
        self.assertEqual(self.alter(a, "CREATE UNIQUE INDEX u ON t(a)"), 1)
        a.sql("INSERT OR REPLACE INTO t VALUES(9, 'a1', '')")
        exchange(a, b)
        self.assertEqual(self.values(b, "a"), ["before", "a2", "a1"])
        self.alter(a, "DROP INDEX u")
        self.level(a, b)

    def test_a_file_that_tracks_nothing(self):
        a = self.file("a", "CREATE TABLE t(x, y);")
        self.assertEqual(self.alter(a, "ALTER TABLE t DROP COLUMN y"), 0)
        self.assertEqual(a.columns("t"), ["x"])
        for nothing in ("", " ; -- nothing", ";;"):
            self.assertEqual(self.alter(a, nothing), 0)

    def test_within_a_transaction(self):
        a, b = self.filled("ab", SCHEMAS["text"])
        a.extended.execute("BEGIN")
        a.x("INSERT INTO t VALUES(5, 'in it', 'in it')")
        self.alter(a, "ALTER TABLE t DROP COLUMN b; ALTER TABLE t RENAME a TO z")
        a.x("UPDATE t SET z = 'after' WHERE id = 5")
        a.extended.execute("ROLLBACK")
        self.assertEqual(a.columns("t"), ["id", "a", "b"])
        self.level(a, b)
        a.extended.execute("BEGIN")
        a.x("INSERT INTO t VALUES(5, 'in it', 'in it')")
        self.alter(a, "ALTER TABLE t DROP COLUMN b; ALTER TABLE t RENAME a TO z")
        a.x("UPDATE t SET z = 'after' WHERE id = 5")
        a.extended.execute("COMMIT")
        self.alter(b, "ALTER TABLE t DROP COLUMN b; ALTER TABLE t RENAME a TO z")
        self.level(a, b)
        self.assertEqual(self.values(b, "z")[-1], "after")

    def test_fails_as_a_whole(self):
        a, b = self.filled("ab", SCHEMAS["text"] + "CREATE TABLE u(id TEXT PRIMARY KEY);")
        a.track("u")
        before = a.snapshot()
        statements = ["ALTER TABLE t DROP COLUMN b", "ALTER TABLE u RENAME TO w", "CREATE TABLE n(id TEXT PRIMARY KEY, a)",
                      "INSERT INTO n SELECT id, a FROM t", "DROP TABLE t", "ALTER TABLE n RENAME TO t"]
        for at in range(len(statements) + 1):
            for wrong, says in (("ALTER TABLE nobody DROP COLUMN x", "nobody"), ("ALTER TABLE", "syntax error" if at < 6 else "incomplete"),
                                ("CREATE TABLE w(x PRIMARY KEY, y UNIQUE); INSERT INTO w VALUES(1, 1), (2, 1)", "already" if at > 1 else "unique")):
                sql = "; ".join(statements[:at] + [wrong] + statements[at:])
                message = self.refused(a, "SELECT sync_alter(?)", sql, says=[f"statement {at + 1 + (says == 'unique')} (", wrong.split(";")[says == "unique"].strip()[:50], says])
                self.assertTrue(message.startswith("sync_alter: "), message)
        self.assertEqual(a.columns("t"), ["id", "a", "b"])
        self.assertEqual(a.tracked(), ["t", "u"])
        self.sound(a)
        self.assertEqual(a.snapshot(), before)
        tick()
        a.sql("UPDATE t SET b = 'still tracked' WHERE id = 1")
        b.track("u")
        self.level(a, b)

    def test_what_does_not_belong_there(self):
        a = self.filled("a", SCHEMAS["text"] + "CREATE TABLE other(x);")[0]
        a.x("ATTACH ? AS aux", str(self.path("aux.db")))
        a.x("CREATE TABLE aux.only_there(x, y)")
        a.x("CREATE TEMP TABLE hidden(x, y)")
        a.x("CREATE TABLE main.hidden(x, y)")
        for sql, says in (("BEGIN", "only alter table"), ("COMMIT", "only alter table"), ("SAVEPOINT s", "only"), ("PRAGMA user_version = 3", "only"),
                          ("VACUUM", "only"), ("ATTACH 'x' AS y", "only"), ("DETACH aux", "only"), ("SELECT 1", "only"), ("UPDATE t SET a = 1", "only"),
                          ("DELETE FROM t", "only"), ("WITH x(y) AS (SELECT 1) INSERT INTO t SELECT y, y, y FROM x", "only"), ("EXPLAIN DROP TABLE t", "only"),
                          ("REINDEX", "only"), ("CREATE VIRTUAL TABLE f USING fts5(x)", "only"), ("INSERT INTO t VALUES(7, 7, 7)", "t is not a table that"),
                          ("INSERT INTO other VALUES(7)", "other is not a table that"), ("CREATE TABLE IF NOT EXISTS other(x); INSERT INTO other VALUES(1)", "other"),
                          ("CREATE TABLE n(x); DROP TABLE n; ALTER TABLE other RENAME TO n; INSERT INTO n VALUES(1)", "n is not"),
                          ("DROP TABLE sync_meta", "sync_meta belongs to sync_ext"), ("ALTER TABLE main.[sync_table] ADD COLUMN x", "sync_table belongs"),
                          ("CREATE INDEX i ON sync_journal(tid)", "sync_journal belongs"), ("DROP TABLE \"sync_row_1\"", "sync_row_1 belongs"),
                          ("CREATE TRIGGER x AFTER INSERT ON `sync_journal` BEGIN SELECT 1; END", "sync_journal belongs"),
                          ("DROP TRIGGER sync_1_insert", "sync_1_insert belongs"), ("DROP INDEX sync_conflict_row", "belongs"),
                          ("DROP TABLE aux.only_there", "only the database main"), ("ALTER TABLE only_there DROP COLUMN y", "only the database main"),
                          ("CREATE TEMP TABLE x(y)", "only the database main"), ("DROP TABLE temp.hidden", "only the database main"),
                          ("ALTER TABLE hidden DROP COLUMN y", "temp.hidden"), ("CREATE TABLE n(x); INSERT INTO n VALUES(?)", "parameter")):
            with self.subTest(sql):
                self.refused(a, "SELECT sync_alter(?)", sql, says=["statement", says])
        self.assertEqual(self.alter(a, "ALTER TABLE main.hidden DROP COLUMN y"), 0)
        self.refused(a, "SELECT sync_alter(NULL)", says=["as text"])
        self.refused(a, "SELECT sync_alter(x'00')", says=["as text"])
        self.assertEqual(self.values(a, "a"), ["before", "a1"])
        self.sound(a)

    def test_not_from_views_and_not_within_a_write(self):
        a = self.filled("a", SCHEMAS["text"])[0]
        a.sql("CREATE VIEW v AS SELECT sync_alter('DROP TABLE t')")
        self.refused(a, "SELECT * FROM v", says=["unsafe use"])
        a.sql("DROP VIEW v")
        self.refused(a, "CREATE TABLE x AS SELECT sync_alter('DROP TABLE t')", says=["plain SELECT"])
        self.refused(a, "SELECT sync_alter('CREATE TABLE x AS SELECT sync_untrack(''t'')')", says=["plain SELECT", "statement 1"])
        self.sound(a)

    def test_a_parent_that_a_transaction_still_owes(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, p REFERENCES t DEFERRABLE INITIALLY DEFERRED, x);", "t")
        a.x("PRAGMA foreign_keys = on")
        a.extended.execute("BEGIN")
        a.x("INSERT INTO t VALUES('c', 'p', 1)")
        self.refused(a, "SELECT sync_alter('ALTER TABLE t DROP COLUMN x')", says=["parents"])
        a.extended.execute("ROLLBACK")


class Programs(AlterTest):
    """What a program does to a tracked table, and what becomes of it or is said."""

    def test_triggers_that_were_dropped(self):
        a, b = self.filled("ab", SCHEMAS["text"])
        a.script("DROP TRIGGER sync_1_insert; DROP TRIGGER sync_1_update")
        self.assertIn("sync_fold() makes them anew", self.note(a))
        a.fold()
        self.assertIn("its triggers were gone until", self.note(a))
        a.x("SELECT sync_touch('t', 1)")
        self.assertIsNone(self.note(a))
        tick()
        a.sql("UPDATE t SET a = 'seen' WHERE id = 1")
        self.level(a, b)

    def test_a_rebuild_that_keeps_the_key(self):
        for kind, schema in self.each():
            a, b = self.filled("ab", schema, kind)
            a.script("BEGIN; " + schema.replace("TABLE t", "TABLE n").replace(" b", " b, c DEFAULT 'c'")
                     + " INSERT INTO n SELECT *, 'c' FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; COMMIT")
            tick()
            a.sql("UPDATE t SET a = 'unseen' WHERE id = 1")
            a.fold()
            a.sql("UPDATE t SET a = 'seen', c = 1 WHERE id = 2")
            exchange(a, b)
            self.assertEqual(self.values(b, "a"), ["before", "a1", "seen"])
            b.sql("ALTER TABLE t ADD COLUMN c DEFAULT 'c'")
            exchange(a, b)
            self.assertEqual(b.sql("SELECT c FROM t ORDER BY id"), [("c",), ("c",), (1,)])
            self.sound(a, b)

    def test_a_rebuild_without_a_key_and_a_view_in_its_place(self):
        for label, sql, says in (("n", "CREATE TABLE t(id, a, b)", "missing: rebuilt without a primary key; give it one, or sync_untrack('t')"),
                                 ("v", "CREATE VIEW t AS SELECT 1 AS id", "missing: a view has its name; sync_untrack('t') lets it go")):
            a = self.filled("a", SCHEMAS["text"], label)[0]
            a.script("DROP TABLE t; " + sql)
            self.assertEqual(self.note(a), says)
            a.fold()
            self.assertEqual(self.note(a), says)

    def test_a_table_that_was_dropped(self):
        a, b = self.filled("ab", SCHEMAS["text"])
        a.sql("DROP TABLE t")
        self.assertEqual(self.note(a), "missing: dropped; sync_untrack('t') lets it go")
        exchange(a, b)
        self.assertEqual(len(self.values(b, "a")), 3)

    def test_indexes(self):
        a, b = self.filled("ab", SCHEMAS["text"])
        a.script("CREATE UNIQUE INDEX u ON t(a); CREATE INDEX i ON t(b)")
        a.fold()
        a.sql("INSERT OR REPLACE INTO t VALUES(9, 'a1', '')")
        a.script("DROP INDEX u")
        a.fold()
        tick()
        a.sql("UPDATE t SET b = 'after' WHERE id = 2")
        self.level(a, b)
        self.assertEqual(self.values(b, "b"), ["before", "after", ""])


if __name__ == "__main__":
    unittest.main()
