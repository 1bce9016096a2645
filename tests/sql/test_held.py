"""Rows that a constraint refuses: held, listed, relayed, shown again; the same ones whatever the order of arrival."""
import itertools
import json
import unittest

from syncfile import SyncTest, exchange, tick

U = "CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT UNIQUE, v);"
F = "CREATE TABLE p(id TEXT PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p TEXT REFERENCES p, v); CREATE TABLE g(id TEXT PRIMARY KEY, c TEXT REFERENCES c);"


class Listed(SyncTest):
    def test_columns_of_sync_conflict(self):
        file = self.file("a", U, "u")
        names = [row[1] for row in file.x("PRAGMA table_xinfo(sync_conflict)")]
        self.assertEqual(names[:13], ["id", "tbl", "key", "reason", "detail", "held", "ours", "theirs", "our_stamp", "their_stamp",
                                      "our_site", "their_site", "at"])

    def test_both_contents_stamps_and_sites(self):
        a, b = self.files("ab", U, "u")
        a.sql("INSERT INTO u VALUES('k1', 'same', 'content of a')")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 'same', 'content of b')")
        self.level(a, b)
        for file in (a, b):
            row = dict(zip([d[0] for d in file.extended.execute("SELECT * FROM sync_conflict").description], file.x("SELECT * FROM sync_conflict")[0]))
            self.assertEqual((row["tbl"], row["key"], row["reason"], row["held"]), ("u", '["k1"]', "unique", 1))
            contents = [json.loads(text) for text in (row["ours"], row["theirs"]) if text]
            self.assertEqual({c["v"] for c in contents}, {"content of a", "content of b"})
            self.assertTrue(row["our_stamp"] and row["their_stamp"])
            self.assertEqual({str(s).lower() if not isinstance(s, bytes) else s.hex() for s in (row["our_site"], row["their_site"])}, {a.site().hex(), b.site().hex()})
            self.assertGreater(row["at"], 1_600_000_000_000)
            self.assertTrue(row["detail"])
            self.assertEqual(file.one("SELECT held FROM sync_status WHERE tbl = 'u'"), 1)


class Unique(SyncTest):
    def test_the_highest_stamp_is_shown(self):
        a, b = self.files("ab", U, "u")
        a.shell("INSERT INTO u VALUES('k1', 'same', 'first');")
        tick()
        b.shell("INSERT INTO u VALUES('k2', 'same', 'second'); INSERT INTO u VALUES('k3', 'other', 'third');")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT id FROM u ORDER BY id"), [("k2",), ("k3",)])
            self.assertEqual(file.held(), [("u", '["k1"]', "unique")])

    def test_shown_again_when_the_obstacle_is_gone(self):
        for statement in ("DELETE FROM u WHERE id = 'k2'", "UPDATE u SET x = 'free' WHERE id = 'k2'", "UPDATE u SET x = NULL WHERE id = 'k2'",
                          "UPDATE u SET id = 'k9', x = 'y' WHERE id = 'k2'"):
            for where in (0, 1):
                with self.subTest(statement=statement, where=where):
                    n = len(self._files)
                    files = self.files((f"a{n}", f"b{n}"), U, "u")
                    files[0].sql("INSERT INTO u VALUES('k1', 'same', 'first')")
                    tick()
                    files[1].sql("INSERT INTO u VALUES('k2', 'same', 'second')")
                    self.level(*files)
                    files[where].sql(statement)
                    self.level(*files)
                    for file in files:
                        self.assertEqual(file.sql("SELECT v FROM u WHERE id = 'k1'"), [("first",)])
                        self.assertEqual(file.held(), [])

    def test_whatever_the_order_of_arrival(self):
        files = self.files("abcd", U, "u")
        for i, file in enumerate(files):
            file.sql("INSERT INTO u VALUES(?, 'same', ?)", f"k{i}", i)
            file.sql("INSERT INTO u VALUES(?, ?, ?)", f"own{i}", f"x{i % 2}", i)
            tick()
        empty = self.file("empty", U, "u").seen()
        sets = [file.changeset(empty) for file in files]
        results = set()
        for i, order in enumerate(itertools.permutations(sets)):
            file = self.file(f"order{i}", U, "u")
            for changeset in order:
                file.apply(changeset)
            results.add(repr((file.rows("u"), file.held())))
            file.close()
        self.assertEqual(len(results), 1, results)
        self.level(*files)
        self.assertEqual(results, {repr((files[0].rows("u"), files[0].held()))})
        self.assertEqual(files[0].sql("SELECT id FROM u WHERE x = 'same'"), [("k3",)])

    def test_an_update_into_a_clash(self):
        a, b = self.files("ab", U, "u")
        a.sql("INSERT INTO u VALUES('k1', 'x1', 1), ('k2', 'x2', 2)")
        self.level(a, b)
        a.sql("UPDATE u SET x = 'target' WHERE id = 'k1'")
        tick()
        b.sql("UPDATE u SET x = 'target' WHERE id = 'k2'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, x FROM u"), [("k2", "target")])
        self.assertEqual(a.held(), [("u", '["k1"]', "unique")])
        b.sql("UPDATE u SET x = 'elsewhere' WHERE id = 'k2'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id, x FROM u ORDER BY id"), [("k1", "target"), ("k2", "elsewhere")])

    def test_changes_of_a_held_row_are_merged_and_relayed(self):
        a, b, c = self.files("abc", U, "u")
        d = self.file("d", "CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT, v);", "u")     # without the index
        a.sql("INSERT INTO u VALUES('k1', 'same', 1)")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 'same', 2)")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id FROM u"), [("k2",)])
        a.sql("UPDATE u SET v = 'newer' WHERE id = 'k1'")
        b.pull(a)
        c.pull(b)
        self.assertEqual(c.sql("SELECT id FROM u"), [("k2",)])
        d.pull(c)
        self.assertEqual(d.sql("SELECT id, v FROM u ORDER BY id"), [("k1", "newer"), ("k2", 2)])
        d.sql("DELETE FROM u WHERE id = 'k1'")
        exchange(a, b, c, d)
        for file in (a, b, c):
            self.assertEqual(file.sql("SELECT id FROM u"), [("k2",)])
            self.assertEqual(file.held(), [])

    def test_a_local_row_takes_the_place_of_a_held_one(self):
        a, b = self.files("ab", U, "u")
        a.sql("INSERT INTO u VALUES('k1', 'same', 1)")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 'same', 2)")
        self.level(a, b)
        tick()
        a.sql("INSERT INTO u VALUES('k1', 'another', 3)")      # the application sees no k1
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id, x, v FROM u ORDER BY id"), [("k1", "another", 3), ("k2", "same", 2)])
        self.assertEqual((a.held(), b.held()), ([], []))

    def test_several_columns_partial_and_expressions(self):
        schema = "CREATE TABLE u(id TEXT PRIMARY KEY, x, y, z, UNIQUE(x, y)); CREATE UNIQUE INDEX e ON u(lower(z)) WHERE z <> '';"
        a, b = self.files("ab", schema, "u")
        a.sql("INSERT INTO u VALUES('k1', 1, 1, 'Zed'), ('k3', 5, NULL, ''), ('k5', 7, 8, '')")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 1, 2, 'zed'), ('k4', 5, NULL, ''), ('k6', 7, 8, '')")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM u ORDER BY id"), [("k2",), ("k3",), ("k4",), ("k6",)])
        self.assertEqual(a.held(), [("u", '["k1"]', "unique"), ("u", '["k5"]', "unique")])

    def test_one_row_blocked_by_two(self):
        schema = "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE, y UNIQUE);"
        a, b = self.files("ab", schema, "u")
        a.sql("INSERT INTO u VALUES('k1', 1, 1)")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 1, 20), ('k3', 30, 1)")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM u ORDER BY id"), [("k2",), ("k3",)])
        b.sql("DELETE FROM u WHERE id = 'k2'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM u ORDER BY id"), [("k3",)])
        b.sql("DELETE FROM u WHERE id = 'k3'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM u ORDER BY id"), [("k1",)])

    def test_children_of_a_held_row_are_held(self):
        schema = U + "CREATE TABLE c(id TEXT PRIMARY KEY, u TEXT REFERENCES u);"
        a, b = self.files("ab", schema, "u", "c")
        a.sql("INSERT INTO u VALUES('k1', 'same', 1)")
        a.sql("INSERT INTO c VALUES('c1', 'k1')")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 'same', 2)")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT * FROM c"), [])
            self.assertEqual([(t, k) for t, k, _ in file.held()], [("c", '["c1"]'), ("u", '["k1"]')])
        b.sql("DELETE FROM u WHERE id = 'k2'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM c"), [("c1", "k1")])

    def test_one_refused_row_stalls_no_batch(self):
        a, b = self.files("ab", U, "u")
        b.sql("INSERT INTO u VALUES('taken', 'same', 1)")
        tick()
        a.sql("INSERT INTO u VALUES('k1', 'same', 1)")
        for i in range(50):
            a.sql("INSERT INTO u VALUES(?, ?, 1)", f"r{i}", f"y{i}")
        b.sql("UPDATE u SET x = x || ''")
        tick()
        b.sql("UPDATE u SET x = 'SAME' WHERE id = 'taken'")
        b.sql("UPDATE u SET x = 'same' WHERE id = 'taken'")
        b.pull(a)
        self.assertEqual(b.sql("SELECT count(*) FROM u"), [(51,)])
        self.level(a, b)


class ForeignKey(SyncTest):
    def test_a_child_the_delete_did_not_know(self):
        a, b = self.files("ab", F, "p", "c", "g")
        a.sql("INSERT INTO p VALUES('p1', 1)")
        self.level(a, b)
        a.shell("PRAGMA foreign_keys = on; DELETE FROM p;")
        b.shell("PRAGMA foreign_keys = on; INSERT INTO c VALUES('c1', 'p1', 'child'); INSERT INTO g VALUES('g1', 'c1');")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual((file.sql("SELECT * FROM p"), file.sql("SELECT * FROM c"), file.sql("SELECT * FROM g")), ([], [], []))
            self.assertEqual([(t, k) for t, k, _ in file.held()], [("c", '["c1"]'), ("g", '["g1"]')])
            self.assertEqual(file.held()[0][2], "foreign key")
        a.sql("INSERT INTO p VALUES('p1', 'again')")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT p.v, c.v, g.id FROM p JOIN c ON c.p = p.id JOIN g ON g.c = c.id"), [("again", "child", "g1")])
            self.assertEqual(file.held(), [])

    def test_whatever_the_actions_and_the_pragma_say(self):
        for action in ("NO ACTION", "RESTRICT", "SET NULL", "SET DEFAULT", "CASCADE"):
            for pragma in (0, 1):
                with self.subTest(action=action, pragma=pragma):
                    n = len(self._files)
                    schema = (f"CREATE TABLE p(id TEXT PRIMARY KEY, v);"
                              f"CREATE TABLE c(id TEXT PRIMARY KEY, p TEXT DEFAULT 'p0' REFERENCES p ON DELETE {action} ON UPDATE {action}, v);")
                    a, b = self.files((f"a{n}", f"b{n}"), schema, "p", "c")
                    for file in (a, b):
                        file.x(f"PRAGMA foreign_keys = {pragma}")
                    a.sql("INSERT INTO p VALUES('p0', 0), ('p1', 1)")
                    self.level(a, b)
                    a.shell("PRAGMA foreign_keys = on; DELETE FROM p WHERE id = 'p1';")
                    b.shell("PRAGMA foreign_keys = on; INSERT INTO c VALUES('c1', 'p1', 1), ('c2', 'p0', 1);")
                    self.level(a, b)
                    self.assertEqual(a.sql("SELECT id, p FROM c"), [("c2", "p0")])
                    self.assertEqual(a.held(), [("c", '["c1"]', "foreign key")])
                    a.close(), b.close()

    def test_the_callers_commit_does_not_fail(self):
        for deferred in ("", " DEFERRABLE INITIALLY DEFERRED"):
            with self.subTest(deferred):
                n = len(self._files)
                schema = f"CREATE TABLE p(id TEXT PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p TEXT REFERENCES p{deferred}, v);"
                a, b = self.files((f"a{n}", f"b{n}"), schema, "p", "c")
                a.sql("INSERT INTO p VALUES('p1', 1), ('p2', 1)")
                self.level(a, b)
                a.sql("DELETE FROM p WHERE id = 'p1'")
                a.sql("INSERT INTO c VALUES('c2', 'p2', 1)")
                changeset = a.cut_for(b)
                b.x("PRAGMA foreign_keys = on")
                b.x("BEGIN")
                b.x("INSERT INTO c VALUES('c1', 'p1', 'own')")
                b.apply(changeset)
                b.x("COMMIT")
                self.assertEqual(b.held(), [("c", '["c1"]', "foreign key")])
                self.level(a, b)
                self.assertEqual(a.sql("SELECT id FROM c"), [("c2",)])

    def test_a_held_child_is_freed_by_its_own_change(self):
        a, b = self.files("ab", F, "p", "c", "g")
        a.sql("INSERT INTO p VALUES('p1', 1), ('p2', 2)")
        c = self.file("c", F, "p", "c", "g")
        self.level(a, b, c)
        a.sql("DELETE FROM p WHERE id = 'p1'")
        b.sql("INSERT INTO c VALUES('c1', 'p1', 1)")
        a.pull(b)
        self.assertEqual(a.held(), [("c", '["c1"]', "foreign key")])
        tick()
        b.sql("UPDATE c SET p = 'p2'")
        self.level(a, b, c)
        self.assertEqual(a.sql("SELECT p FROM c"), [("p2",)])
        self.assertEqual(a.held(), [])

    def test_an_orphan_of_the_writer_itself_stays(self):
        a, b = self.files("ab", F, "p", "c", "g")
        a.sql("PRAGMA foreign_keys = off")
        a.sql("INSERT INTO c VALUES('c1', 'nobody', 1)")
        a.sql("INSERT INTO p VALUES('p1', 1)")
        exchange(a, b)
        self.assertEqual(a.sql("SELECT id FROM c"), [("c1",)])
        self.assertEqual(b.sql("SELECT id FROM c"), [])
        self.assertEqual(b.held(), [("c", '["c1"]', "foreign key")])
        self.assertEqual(b.sql("PRAGMA foreign_key_check"), [])
        b.sql("INSERT INTO p VALUES('nobody', 'now somebody')")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id FROM c"), [("c1",)])

    def test_keys_that_are_not_the_primary_key(self):
        schema = "CREATE TABLE p(id TEXT PRIMARY KEY, a, b, UNIQUE(a, b)); CREATE TABLE c(id TEXT PRIMARY KEY, x, y, FOREIGN KEY(x, y) REFERENCES p(a, b));"
        a, b = self.files("ab", schema, "p", "c")
        a.sql("INSERT INTO p VALUES('p1', 1, 2), ('p2', 3, 4)")
        self.level(a, b)
        a.sql("UPDATE p SET a = 9 WHERE id = 'p1'")
        a.sql("DELETE FROM p WHERE id = 'p2'")
        b.sql("INSERT INTO c VALUES('c1', 1, 2), ('c2', 3, 4), ('c3', 3, NULL)")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM c"), [("c3",)])
        self.assertEqual([k for _, k, _ in b.held()], ['["c1"]', '["c2"]'])
        a.sql("UPDATE p SET a = 1")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM c ORDER BY id"), [("c1",), ("c3",)])

    def test_references_in_circles(self):
        schema = "CREATE TABLE t(id TEXT PRIMARY KEY, up TEXT REFERENCES t DEFERRABLE INITIALLY DEFERRED, v);"
        a, b = self.files("ab", schema, "t")
        a.script("BEGIN; INSERT INTO t VALUES('1', '2', 0), ('2', '3', 0), ('3', '1', 0), ('self', 'self', 0); COMMIT")
        self.level(a, b)
        self.assertEqual(len(b.rows("t")), 4)
        a.shell("PRAGMA foreign_keys = on; UPDATE t SET up = NULL WHERE id = '2'; DELETE FROM t WHERE id = '3' AND 0; UPDATE t SET up = NULL WHERE id = '1'; DELETE FROM t WHERE id = '2';")
        tick()
        b.sql("UPDATE t SET v = 5")
        self.level(a, b)
        a.sql("DELETE FROM t WHERE id = 'self'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT count(*) FROM t"), b.sql("SELECT count(*) FROM t"))

    def test_whatever_the_order_of_arrival(self):
        files = self.files("abc", F, "p", "c", "g")
        a, b, c = files
        a.sql("INSERT INTO p VALUES('p1', 1), ('p2', 1)")
        self.level(*files)
        a.sql("DELETE FROM p WHERE id = 'p1'")
        b.sql("INSERT INTO c VALUES('c1', 'p1', 1), ('c2', 'p2', 1)")
        b.sql("INSERT INTO g VALUES('g1', 'c1'), ('g2', 'c2')")
        c.sql("DELETE FROM p WHERE id = 'p2'")
        empty = self.file("empty", F, "p", "c", "g").seen()
        sets = [file.changeset(empty) for file in files]
        results = set()
        for i, order in enumerate(itertools.permutations(sets)):
            file = self.file(f"order{i}", F, "p", "c", "g")
            for changeset in order:
                file.apply(changeset)
            results.add(repr((file.dump(), [h[:2] for h in file.held()])))
            file.close()
        self.assertEqual(len(results), 1, results)
        self.level(*files)
        self.assertEqual(results, {repr((a.dump(), [h[:2] for h in a.held()]))})
        self.assertEqual([k for _, k, _ in a.held()], ['["c1"]', '["c2"]', '["g1"]', '["g2"]'])


class Others(SyncTest):
    """CHECK, NOT NULL, RAISE: what cannot be applied waits, the row stays as it was until it can."""

    def strict_and_lax(self, constraint, trigger=""):
        number = len(self._files)
        lax = self.file(f"lax{number}", "CREATE TABLE t(id TEXT PRIMARY KEY, v INT, w);", "t")
        strict = self.file(f"strict{number}", f"CREATE TABLE t(id TEXT PRIMARY KEY, v INT {constraint}, w); {trigger}", "t")
        far = self.file(f"far{number}", "CREATE TABLE t(id TEXT PRIMARY KEY, v INT, w);", "t")
        return lax, strict, far

    CASES = {
        "check": ("CHECK(v > 0)", "", -1),
        "not null": ("NOT NULL", "", None),
        "trigger": ("", "CREATE TRIGGER no1 BEFORE INSERT ON t WHEN NEW.v = 13 BEGIN SELECT RAISE(ABORT, 'no thirteen'); END;"
                        "CREATE TRIGGER no2 BEFORE UPDATE ON t WHEN NEW.v = 13 BEGIN SELECT RAISE(FAIL, 'no thirteen'); END;", 13),
    }

    def test_a_new_row(self):
        for reason, (constraint, trigger, bad) in self.CASES.items():
            with self.subTest(reason):
                lax, strict, far = self.strict_and_lax(constraint, trigger)
                lax.sql("INSERT INTO t VALUES('bad', ?, 'w'), ('good', 1, 'w')", bad)
                strict.pull(lax)
                self.assertEqual(strict.sql("SELECT id FROM t"), [("good",)])
                self.assertEqual(strict.held(), [("t", '["bad"]', reason)])
                self.assertIsNone(strict.cut_for(lax))
                far.pull(strict)                               # relayed although it is not shown
                self.assertEqual(far.rows("t"), lax.rows("t"))
                tick()
                far.sql("UPDATE t SET v = 5 WHERE id = 'bad'")
                exchange(lax, strict, far)
                self.assertEqual(strict.sql("SELECT v, w FROM t WHERE id = 'bad'"), [(5, "w")])
                self.assertEqual(strict.held(), [])
                self.assertEqual(strict.cells(), lax.cells())

    def test_a_cell_of_a_row_that_is_there(self):
        for reason, (constraint, trigger, bad) in self.CASES.items():
            with self.subTest(reason):
                lax, strict, far = self.strict_and_lax(constraint, trigger)
                lax.sql("INSERT INTO t VALUES('k', 1, 'w')")
                exchange(lax, strict, far)
                lax.sql("UPDATE t SET v = ?, w = 'along' WHERE id = 'k'", bad)
                strict.pull(lax)
                self.assertEqual(strict.sql("SELECT v FROM t"), [(1,)])
                self.assertEqual([h[:2] for h in strict.held()], [("t", '["k"]')])
                self.assertIsNone(strict.cut_for(lax))
                far.pull(strict)
                self.assertEqual(far.rows("t"), lax.rows("t"))
                strict.sql("UPDATE t SET w = 'a local write'")
                exchange(lax, strict, far)
                self.assertEqual(lax.sql("SELECT v, w FROM t"), [(bad, "a local write")])
                tick()
                lax.sql("UPDATE t SET v = 8")
                exchange(lax, strict, far)
                self.assertEqual(strict.sql("SELECT v, w FROM t"), [(8, "a local write")])
                self.assertEqual(strict.held(), [])
                self.assertEqual(strict.cells(), lax.cells())

    def test_a_local_write_over_a_refused_cell_wins(self):
        lax, strict, far = self.strict_and_lax("CHECK(v > 0)")
        lax.sql("INSERT INTO t VALUES('k', 1, 'w')")
        exchange(lax, strict)
        lax.sql("UPDATE t SET v = -1")
        strict.pull(lax)
        tick()
        strict.sql("UPDATE t SET v = 3")
        exchange(lax, strict)
        self.assertEqual(lax.sql("SELECT v FROM t"), [(3,)])
        self.assertEqual(strict.held(), [])

    def test_a_column_the_sender_lacks_without_default(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v);", "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, v, must NOT NULL);", "t")
        a.sql("INSERT INTO t VALUES('k', 1)")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [])
        self.assertEqual(b.held(), [("t", '["k"]', "not null")])
        a.sql("ALTER TABLE t ADD COLUMN must")
        a.sql("UPDATE t SET must = 'now'")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("k", 1, "now")])
        self.assertEqual(b.held(), [])

    def test_a_constraint_that_is_relaxed(self):
        lax, strict, _ = self.strict_and_lax("", self.CASES["trigger"][1])
        lax.sql("INSERT INTO t VALUES('k', 13, 'w')")
        exchange(lax, strict)
        self.assertEqual(strict.sql("SELECT * FROM t"), [])
        strict.script("DROP TRIGGER no1; DROP TRIGGER no2")
        lax.sql("INSERT INTO t VALUES('other', 1, 'w')")
        exchange(lax, strict)
        lax.sql("UPDATE t SET w = 'touched' WHERE id = 'k'")
        exchange(lax, strict)
        self.assertEqual(strict.sql("SELECT id, v FROM t ORDER BY id"), [("k", 13), ("other", 1)])
        self.assertEqual(strict.held(), [])

    def test_a_refused_row_takes_no_unique_value_from_others(self):
        """Also where it is the newer one: who is shown is tried with all constraints of this file."""
        a = self.file("a", "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE, v); CREATE TABLE n(id INTEGER PRIMARY KEY, x UNIQUE, v);", "u", "n")
        b = self.file("b", "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE, v CHECK(v > 0));"
                           "CREATE TABLE n(id INTEGER PRIMARY KEY, x UNIQUE, v NOT NULL);", "u", "n")
        b.script("INSERT INTO u VALUES('kb', 'same', 1); INSERT INTO n VALUES(5, 'same', 1)")
        tick()
        a.script("INSERT INTO u VALUES('ka', 'same', -1); INSERT INTO n VALUES(6, 'same', NULL)")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id FROM u"), [("kb",)])
        self.assertEqual(b.sql("SELECT id FROM n"), [(5,)])
        self.assertEqual(sorted(b.held()), [("n", "[6]", "not null"), ("u", '["ka"]', "check")])
        self.assertEqual(b.x("SELECT count(*) FROM sync_conflict WHERE detail LIKE '%constraint failed%'"), [(2,)])
        tick()
        a.script("UPDATE u SET v = 2; UPDATE n SET v = 2")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id FROM u"), [("ka",)])
        self.assertEqual(sorted(b.held()), [("n", "[5]", "unique"), ("u", '["kb"]', "unique")])

    def test_who_relies_on_a_refused_row_waits_with_it(self):
        """A trigger is asked only when it is too late: the row had won, and rows that refer to it, and those that refer to these."""
        tree = "CREATE TABLE t(id TEXT PRIMARY KEY, x UNIQUE, p TEXT REFERENCES t, v);"
        a = self.file("a", tree, "t")
        b = self.file("b", tree + "CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.v = 13 BEGIN SELECT RAISE(ABORT, 'no thirteen'); END;", "t")
        a.script("INSERT INTO t VALUES('p', 1, NULL, 13), ('q', 2, NULL, 0), ('c', 3, 'p', 0), ('d', 4, 'c', 0), ('e', 5, 'q', 0)")
        b.pull(a)
        self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), [("e",), ("q",)])
        self.assertEqual(sorted(b.held()), [("t", '["c"]', "foreign key"), ("t", '["d"]', "foreign key"), ("t", '["p"]', "trigger")])
        b.sql("DROP TRIGGER no")
        tick()
        a.sql("UPDATE t SET v = 14 WHERE id = 'p'")
        b.pull(a)
        self.assertEqual(b.rows("t"), a.rows("t"))
        self.assertEqual(b.held(), [])

    def test_strict_types(self):
        a = self.file("a", "CREATE TABLE t(id TEXT PRIMARY KEY, v ANY) STRICT;", "t")
        b = self.file("b", "CREATE TABLE t(id TEXT PRIMARY KEY, v INT) STRICT;", "t")
        a.sql("INSERT INTO t VALUES('good', 5), ('bad', 'text')")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t"), [("good", 5)])
        self.assertEqual([h[:2] for h in b.held()], [("t", '["bad"]')])

    def test_a_delete_that_a_trigger_refuses(self):
        lax, strict, _ = self.strict_and_lax("", "CREATE TRIGGER keep BEFORE DELETE ON t WHEN OLD.w = 'keep' BEGIN SELECT RAISE(ABORT, 'kept'); END;")
        lax.sql("INSERT INTO t VALUES('k', 1, 'keep'), ('l', 1, 'go')")
        exchange(lax, strict)
        lax.sql("DELETE FROM t")
        exchange(lax, strict)
        self.assertEqual(strict.sql("SELECT id FROM t"), [("k",)])
        self.assertEqual(strict.x("SELECT tbl, key, reason FROM sync_conflict"), [("t", '["k"]', "trigger")])
        self.assertEqual(lax.sql("SELECT id FROM t"), [])


if __name__ == "__main__":
    unittest.main()
