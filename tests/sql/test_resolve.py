"""sync_resolve: what a person decides is an ordinary write, which ends the conflict in all files."""
import json
import unittest

from resolving import CHOICES, ResolveTest
from syncfile import exchange, tick


class Unique(ResolveTest):
    SCHEMA = "CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT UNIQUE, v);"
    STRICT = "CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT NOT NULL UNIQUE, v);"

    def clash(self, schema, names="ab"):
        """k1 of the first file is held, k2 of the second is shown."""
        files = self.files([f"{n}{len(self._files)}" for n in names], schema, "u")
        files[0].sql("INSERT INTO u VALUES('k1', 'same', 'of a')")
        tick()
        files[1].sql("INSERT INTO u VALUES('k2', 'same', 'of b')")
        self.level(*files)
        tick()
        return files

    def test_each_choice_at_each_file(self):
        for names in ("ab", "abc"):
            for where in range(len(names)):
                for wanted in (0, 1):
                    with self.subTest(names=names, where=where, wanted=wanted):
                        files = self.clash(self.SCHEMA, names)
                        self.resolve(files[where], self.side(files[where], files[wanted]))
                        self.assertEqual(files[where].held(), [])
                        self.settled(*files)
                        same, null = ("k1", "k2") if wanted == 0 else ("k2", "k1")
                        self.assertEqual(files[-1].sql("SELECT id FROM u WHERE x = 'same' AND v = ?", f"of {'ab'[wanted]}"), [(same,)])
                        self.assertEqual(files[-1].sql("SELECT x, v FROM u WHERE id = ?", null), [(None, f"of {'ba'[wanted]}")])
                        for file in files:
                            file.close()

    def test_who_may_not_lose_the_value_is_deleted(self):
        for where in (0, 1):
            for wanted in (0, 1):
                with self.subTest(where=where, wanted=wanted):
                    files = self.clash(self.STRICT)
                    self.resolve(files[where], self.side(files[where], files[wanted]))
                    self.settled(*files)
                    self.assertEqual(files[0].sql("SELECT id, x, v FROM u"), [(f"k{wanted + 1}", "same", f"of {'ab'[wanted]}")])
                    for file in files:
                        file.close()

    def test_keep_both(self):
        for where in (0, 1, 2):
            files = self.clash(self.SCHEMA, "abc")
            self.resolve(files[where], "keep both")
            self.settled(*files)
            self.assertEqual(files[0].sql("SELECT * FROM u ORDER BY id"), [("k1", None, "of a"), ("k2", "same", "of b")])

    def test_both_cannot_be_kept_where_it_may_not_be_null(self):
        a, b = self.clash(self.STRICT)
        before = a.cells(), a.x("SELECT * FROM sync_conflict"), a.version()
        message = self.refused(a, "SELECT sync_resolve(id, 'keep both') FROM sync_conflict", says=["k1", "edit one of them first", "null"])
        self.assertIn(f"entry {self.entry(a)['id']} ", message)
        self.assertEqual((a.cells(), a.x("SELECT * FROM sync_conflict"), a.version()), before)


    def test_with_several_shown_rows_and_indexes(self):
        schema = "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE, y UNIQUE, z);"
        a, b = self.files("ab", schema, "u")
        a.sql("INSERT INTO u VALUES('k1', 1, 1, 'a')")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 1, 20, 'b'), ('k3', 30, 1, 'b')")
        self.level(a, b)
        self.resolve(a, self.side(a, a))
        self.settled(a, b)
        self.assertEqual(b.sql("SELECT * FROM u ORDER BY id"), [("k1", 1, 1, "a"), ("k2", None, 20, "b"), ("k3", 30, None, "b")])

    def test_the_last_column_that_may_be_null_goes(self):
        schema = "CREATE TABLE u(id TEXT PRIMARY KEY, tenant, x, kind NOT NULL, v, UNIQUE(tenant, x, kind), UNIQUE(tenant, v));"
        for choice in ("keep both", "ours"):
            a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], schema, "u")
            a.sql("INSERT INTO u VALUES('k1', 1, 'x', 'k', 'a')")
            tick()
            b.sql("INSERT INTO u VALUES('k2', 1, 'x', 'k', 'b')")
            self.level(a, b)
            self.resolve(b, choice)
            self.settled(a, b)
            self.assertEqual(a.sql("SELECT * FROM u ORDER BY id"), [("k1", 1, None, "k", "a"), ("k2", 1, "x", "k", "b")])

    def test_collations_partial_indexes_and_expressions(self):
        schema = ("CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT COLLATE NOCASE, y, z, w); CREATE UNIQUE INDEX i1 ON u(x) WHERE y > 0;"
                  "CREATE UNIQUE INDEX i2 ON u(lower(z), w); CREATE UNIQUE INDEX i3 ON u(y) WHERE w = 'other';")
        a, b = self.files("ab", schema, "u")
        a.sql("INSERT INTO u VALUES('k1', 'SAME', 1, 'Z', 5)")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 'same', 1, 'z', 5)")
        self.level(a, b)
        self.resolve(a, self.side(a, a))
        self.settled(a, b)
        self.assertEqual(a.sql("SELECT * FROM u ORDER BY id"), [("k1", "SAME", 1, "Z", 5), ("k2", None, 1, "z", None)])

    def test_an_index_on_nothing_but_an_expression(self):
        schema = "CREATE TABLE u(id TEXT PRIMARY KEY, x, g AS (x || ''), h AS (x)); CREATE UNIQUE INDEX i ON u(lower(x)); CREATE UNIQUE INDEX j ON u(g);"
        a, b = self.files("ab", schema, "u")
        a.sql("INSERT INTO u(id, x) VALUES('k1', 'X')")
        tick()
        b.sql("INSERT INTO u(id, x) VALUES('k2', 'X')")
        self.level(a, b)
        self.refused(a, "SELECT sync_resolve(id, 'keep both') FROM sync_conflict", says=["edit one of them first"])
        self.resolve(a, self.side(a, a))
        self.settled(a, b)
        self.assertEqual(a.sql("SELECT id, x FROM u"), [("k1", "X")])

    def test_null_that_a_check_forbids(self):
        schema = "CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE CHECK(x IS NOT NULL), v);"
        for wanted in (0, 1):
            files = self.files([f"{n}{len(self._files)}" for n in "ab"], schema, "u")
            files[0].sql("INSERT INTO u VALUES('k1', 'same', 1)")
            tick()
            files[1].sql("INSERT INTO u VALUES('k2', 'same', 2)")
            self.level(*files)
            self.refused(files[0], "SELECT sync_resolve(id, 'keep both') FROM sync_conflict", says=["CHECK"])
            self.resolve(files[0], self.side(files[0], files[wanted]))
            self.settled(*files)
            self.assertEqual(files[0].sql("SELECT id FROM u"), [(f"k{wanted + 1}",)])

    def test_among_three_rows_of_one_value(self):
        """The oldest is chosen: what two others wrote later stays out of its way."""
        files = self.files("abc", self.SCHEMA, "u")
        for i, file in enumerate(files):
            file.sql("INSERT INTO u VALUES(?, 'same', ?)", f"k{i}", i)
            tick()
        self.level(*files)
        for i in (0, 1):
            self.resolve(files[2], self.side(files[2], files[i], key=f'["k{i}"]'), key=f'["k{i}"]')
            self.level(*files)
            self.assertEqual(files[0].sql("SELECT id FROM u WHERE x = 'same'"), [(f"k{i}",)])
        self.settled(*files)
        self.assertEqual(files[0].sql("SELECT id, x FROM u ORDER BY id"), [("k0", None), ("k1", "same"), ("k2", None)])

    def test_children_follow_the_delete_of_the_loser(self):
        schema = self.STRICT + "CREATE TABLE c(id TEXT PRIMARY KEY, u TEXT REFERENCES u%s);"
        for action, left in ((" ON DELETE CASCADE", []), (" ON DELETE SET NULL", [("c1", None)])):
            a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], schema % action, "u", "c")
            a.sql("INSERT INTO u VALUES('k1', 'same', 1)")
            tick()
            b.sql("INSERT INTO u VALUES('k2', 'same', 1)")
            b.sql("INSERT INTO c VALUES('c1', 'k2')")
            self.level(a, b)
            self.resolve(b, self.side(b, a))
            self.settled(a, b)
            self.assertEqual(a.sql("SELECT * FROM c"), left)

    def test_a_loser_that_others_refer_to_is_not_deleted(self):
        for pragma in (0, 1):
            for inside in (False, True):
                for deferred in ("", " DEFERRABLE INITIALLY DEFERRED"):
                    schema = self.STRICT + f"CREATE TABLE c(id TEXT PRIMARY KEY, u TEXT REFERENCES u{deferred});"
                    a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], schema, "u", "c")
                    a.sql("INSERT INTO u VALUES('k1', 'same', 1)")
                    tick()
                    b.sql("INSERT INTO u VALUES('k2', 'same', 1)")
                    b.sql("INSERT INTO c VALUES('c1', 'k2')")
                    self.level(a, b)
                    b.x(f"PRAGMA foreign_keys = {pragma}")
                    before = b.dump(), b.cells()
                    if inside:
                        b.x("BEGIN")
                        b.x("UPDATE u SET v = v")
                    self.refused(b, "SELECT sync_resolve(id, ?) FROM sync_conflict", self.side(b, a), says=["entry", "refer" if deferred else "FOREIGN KEY"])
                    if inside:
                        b.x("COMMIT")
                    self.assertEqual(b.one("PRAGMA foreign_keys"), pragma)
                    self.assertEqual((b.dump(), b.cells()), before)
                    a.close(), b.close()


class Number(ResolveTest):
    """The number of a row of `fixed`, which is known by its own, is such a number: so rows are not given other numbers by themselves."""
    FIXED = "CREATE TABLE fixed(id INTEGER PRIMARY KEY REFERENCES p);"
    SCHEMA = "CREATE TABLE p(id INTEGER PRIMARY KEY, name); CREATE TABLE c(p INTEGER REFERENCES p, tag TEXT, PRIMARY KEY(p, tag));"

    def fixed(self, names, schema):
        files = self.files(names, schema + self.FIXED, "p", "c")
        for file in files:
            file.x("SELECT sync_track('fixed', '{\"identity\": \"row\"}')")
        return files

    def clash(self, schema=None, names="ab"):
        files = self.fixed([f"{n}{len(self._files)}" for n in names], schema or self.SCHEMA)
        files[0].sql("INSERT INTO p VALUES(1, 'Ada')")
        tick()
        files[1].sql("INSERT INTO p VALUES(1, 'Bob')")
        return files

    def test_each_choice_at_each_file(self):
        for names in ("ab", "abc"):
            for where in range(len(names)):
                for wanted in (0, 1):
                    with self.subTest(names=names, where=where, wanted=wanted):
                        files = self.clash(names=names)
                        self.level(*files)
                        self.resolve(files[where], self.side(files[where], files[wanted]))
                        self.settled(*files)
                        self.assertEqual(files[0].sql("SELECT * FROM p"), [(1, ("Ada", "Bob")[wanted])])
                        for file in files:
                            file.close()

    def test_those_who_refer_to_it_by_their_key(self):
        schema = ("CREATE TABLE p(id INTEGER PRIMARY KEY, name); CREATE TABLE c(p INTEGER REFERENCES p, tag TEXT, v, q REFERENCES p, PRIMARY KEY(p, tag));"
                  "CREATE TABLE d(id INTEGER PRIMARY KEY REFERENCES p, v);")
        for where in (0, 1):
            with self.subTest(where):
                files = self.clash(schema)
                for file in files:
                    file.track("d")
                files[0].script("INSERT INTO c VALUES(1, 'a', 'of Ada', NULL); INSERT INTO d VALUES(1, 'of Ada')")
                files[1].script("INSERT INTO c VALUES(1, 'x', 'of Bob', 1), (1, 'y', 'of Bob', NULL); INSERT INTO d VALUES(1, 'of Bob')")
                self.level(*files)
                self.resolve(files[where], "keep both", tbl="p")
                self.settled(*files)
                self.assertEqual(files[0].sql("SELECT name, tag, v, q FROM p JOIN c ON c.p = p.id ORDER BY 1, 2"),
                                 [("Ada", "a", "of Ada", None), ("Bob", "x", "of Bob", 2), ("Bob", "y", "of Bob", None)])
                self.assertEqual(files[0].sql("SELECT name, v FROM p JOIN d USING(id) ORDER BY 1"), [("Ada", "of Ada"), ("Bob", "of Bob")])
                for file in files:
                    file.close()

    def test_numbers_that_are_held_are_not_given_out(self):
        files = self.clash()
        files[0].sql("INSERT INTO p VALUES(2, 'Cid')")
        tick()
        files[1].sql("INSERT INTO p VALUES(2, 'Dora'), (9, 'gone')")
        files[1].sql("DELETE FROM p WHERE id = 9")
        self.level(*files)
        for _ in range(2):
            files[0].x("SELECT sync_resolve(min(id), 'keep both') FROM sync_conflict")
        self.settled(*files)
        self.assertEqual(files[0].sql("SELECT * FROM p"), [(1, "Ada"), (2, "Cid"), (10, "Bob"), (11, "Dora")])

    def test_the_highest_number_has_no_successor(self):
        files = self.clash()
        files[0].sql("INSERT INTO p VALUES(9223372036854775807, 'last')")
        self.level(*files)
        self.refused(files[0], "SELECT sync_resolve(id, 'keep both') FROM sync_conflict", says=["no higher number"])

    def test_a_row_that_refers_to_another_one_that_is_held(self):
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, boss REFERENCES p); CREATE TABLE c(p REFERENCES p, n, PRIMARY KEY(p, n));"
        a, b = self.fixed("ab", schema)
        a.sql("INSERT INTO p VALUES(1, NULL), (2, NULL)")
        tick()
        b.sql("INSERT INTO p VALUES(1, NULL), (2, 1)")
        self.level(a, b)
        self.resolve(a, "keep both", key="[1]")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT * FROM p"), [(1, None), (2, None), (3, None)])
        self.resolve(b, "keep both", key="[2]")
        self.settled(a, b)
        self.assertEqual(a.sql("SELECT * FROM p"), [(1, None), (2, None), (3, None), (4, 3)])

    def test_another_one_may_be_older(self):
        a, b, c = self.clash(names="abc")
        tick()
        c.sql("INSERT INTO p VALUES(1, 'Cid')")
        self.level(a, b, c)
        cid = self.side(c, c, key="[1]", our_site=c.site().hex())
        self.refused(c, "SELECT sync_resolve(id, ?) FROM sync_conflict WHERE our_site = ?", cid, c.site().hex(), says=["number"])
        self.resolve(b, self.side(b, a, our_site=b.site().hex()), our_site=b.site().hex())
        self.level(a, b, c)
        self.resolve(a, self.side(a, c))
        self.settled(a, b, c)
        self.assertEqual(a.sql("SELECT * FROM p"), [(1, "Cid")])

    def test_values_of_columns_that_are_not_here_come_along(self):
        a, b = self.clash()
        b.sql("ALTER TABLE p ADD COLUMN extra")
        b.sql("UPDATE p SET extra = 'kept'")
        exchange(a, b)
        self.resolve(a, "keep both", reason="number")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM p"), [(1, "Ada", None), (2, "Bob", "kept")])
        a.sql("ALTER TABLE p ADD COLUMN extra")
        a.fold()
        self.settled(a, b)


class NumberThatMayFollow(ResolveTest):
    """Such rows are given other numbers by their author; another file may decide before he hears of it."""
    SCHEMA = "CREATE TABLE p(id INTEGER PRIMARY KEY, name); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p, note);"

    def clash(self):
        """c has heard of both; neither a nor b has."""
        a, b, c = self.files([f"{n}{len(self._files)}" for n in "abc"], self.SCHEMA, "p", "c")
        a.script("INSERT INTO p VALUES(1, 'Ada'); INSERT INTO c VALUES('ca', 1, 'of Ada')")
        tick()
        b.script("INSERT INTO p VALUES(1, 'Bob'); INSERT INTO c VALUES('cb', 1, 'of Bob')")
        c.pull(a, b)
        tick()
        return a, b, c

    def test_keep_both(self):
        a, b, c = self.clash()
        entry = self.entry(c, tbl="p")
        self.assertEqual((json.loads(entry["ours"]), json.loads(entry["theirs"])), ({"name": "Ada"}, {"name": "Bob"}))
        self.resolve(c, "keep both", tbl="p")
        self.assertEqual(c.held(), [])
        self.settled(a, b, c)
        self.assertEqual(a.sql("SELECT p.id, name, c.id, note FROM p JOIN c ON c.p = p.id ORDER BY 1"),
                         [(1, "Ada", "ca", "of Ada"), (2, "Bob", "cb", "of Bob")])

    def test_the_one_that_is_held_has_the_number(self):
        a, b, c = self.clash()
        self.refused(c, "SELECT sync_resolve(id, 'theirs') FROM sync_conflict WHERE tbl = 'p'", says=["cannot be deleted", "FOREIGN KEY"])
        c.sql("DELETE FROM c")
        self.resolve(c, "theirs", tbl="p")
        self.settled(a, b, c)
        self.assertEqual(a.sql("SELECT p.id, name, note FROM p JOIN c ON c.p = p.id"), [(1, "Bob", "of Bob")])

    def test_the_one_that_is_shown_has_the_number(self):
        """Who refers to the other one is listed still, and settled by itself."""
        a, b, c = self.clash()
        self.resolve(c, "ours", tbl="p")
        self.assertEqual(c.held(), [("c", '["cb"]', "foreign key")])
        self.resolve(c, "keep both")
        self.settled(a, b, c)
        self.assertEqual(a.sql("SELECT id, p, note FROM c ORDER BY id"), [("ca", 1, "of Ada"), ("cb", None, "of Bob")])
        self.assertEqual(a.sql("SELECT * FROM p"), [(1, "Ada")])

    def test_the_author_has_heard_of_it_too(self):
        a, b, c = self.clash()
        b.pull(a)
        self.resolve(c, "keep both", tbl="p")
        self.settled(a, b, c)
        self.assertEqual(a.sql("SELECT name, note FROM p JOIN c ON c.p = p.id ORDER BY 1"), [("Ada", "of Ada"), ("Bob", "of Bob")])

    def test_a_row_that_was_given_another_number_and_lost_a_value(self):
        """What is known by one number and shown under another is settled all the same."""
        schema = "CREATE TABLE p(id INTEGER PRIMARY KEY, x UNIQUE, v)"
        for wanted in (0, 1):
            a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], schema, "p")
            a.sql("INSERT INTO p VALUES(1, 'a', 'of a')")
            tick()
            b.sql("INSERT INTO p VALUES(1, 'b', 'of b')")
            self.level(a, b)
            self.assertEqual(a.sql("SELECT id, v FROM p"), [(1, "of a"), (2, "of b")])
            tick()
            a.sql("UPDATE p SET x = 'same' WHERE id = 1")
            tick()
            b.sql("UPDATE p SET x = 'same' WHERE id = 2")
            self.level(a, b)
            self.resolve(a, self.side(a, (a, b)[wanted]))
            self.settled(a, b)
            self.assertEqual(a.sql("SELECT id, x FROM p ORDER BY id"), [(1, None if wanted else "same"), (2, "same" if wanted else None)])
            a.close(), b.close()


class Genesis(ResolveTest):
    SCHEMA = "CREATE TABLE n(id INTEGER PRIMARY KEY, a, b, c); INSERT INTO n VALUES(1, 'same', %s, 0);"

    def differing(self, first="'of a'", second="'of b'", names="ab"):
        files = []
        for n, value in zip(names, (first, second, second)):
            files.append(self.file(f"{n}{len(self._files)}", self.SCHEMA % value, "n"))
            tick()
        sets = [file.changeset() for file in files]     # before either has merged: what has lost travels no further
        for file in files:
            for changeset in sets:
                file.apply(changeset)
        self.level(*files)
        return files

    def test_each_choice_at_each_file(self):
        for where in (0, 1):
            for choice in CHOICES:
                with self.subTest(where=where, choice=choice):
                    files = self.differing()
                    self.assertEqual([file.x("SELECT count(*) FROM sync_conflict") for file in files], [[(1,)], [(1,)]])
                    entry = self.entry(files[where], reason="genesis")
                    chosen = {"ours": entry["ours"], "theirs": entry["theirs"], "keep both": '{"b":"of b"}'}[choice]
                    self.resolve(files[where], choice)
                    self.settled(*files)
                    self.assertEqual(files[0].sql("SELECT * FROM n"), [(1, "same", json.loads(chosen)["b"], 0)])
                    for file in files:
                        file.close()


    def test_values_that_json_cannot_hold(self):
        for value in ("x'00ff'", "x''", "9e999", "-9e999", "CAST(x'610062' AS TEXT)", "'\\u20ac\\ud83d\\ude00 \\ \"'", "NULL", "0.1", "1.0", "-9223372036854775808", "9007199254740993"):
            with self.subTest(value):
                a, b = self.differing(value, "'other'")
                before = self.file(f"x{len(self._files)}", self.SCHEMA % value).raw("SELECT * FROM n")
                self.resolve(a, "ours")
                self.settled(a, b)
                self.assertEqual(a.raw("SELECT * FROM n"), before)
                a.close(), b.close()

    def test_only_what_differs_is_written(self):
        a, b = self.differing()
        b.sql("UPDATE n SET a = 'edited meanwhile', c = 7")
        self.resolve(a, "ours")
        self.settled(a, b)
        self.assertEqual(a.sql("SELECT * FROM n"), [(1, "edited meanwhile", "of a", 7)])

    def test_a_row_that_is_gone(self):
        a, b = self.differing()
        a.sql("DELETE FROM n")
        for choice in CHOICES:
            self.refused(a, "SELECT sync_resolve(id, ?) FROM sync_conflict", choice, says=["the row is gone"])

    def test_a_content_that_is_refused(self):
        a, b = self.differing()
        a.sql("CREATE TRIGGER no BEFORE UPDATE ON n WHEN NEW.b = 'of a' BEGIN SELECT RAISE(ABORT, 'not that one'); END")
        self.refused(a, "SELECT sync_resolve(id, 'ours') FROM sync_conflict", says=["not that one"])
        self.assertEqual(a.x("SELECT count(*) FROM sync_conflict"), [(1,)])

    def test_three_files(self):
        a, b, c = self.differing(names="abc")
        self.resolve(a, "ours", our_site=a.site().hex(), their_site=b.site().hex())
        self.settled(a, b, c)
        self.assertEqual(c.sql("SELECT b FROM n"), [("of a",)])


class ForeignKey(ResolveTest):
    SCHEMA = "CREATE TABLE p(id TEXT PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p TEXT%s REFERENCES p, v);"

    def orphaned(self, null="", names="ab"):
        files = self.files([f"{n}{len(self._files)}" for n in names], self.SCHEMA % null, "p", "c")
        files[0].sql("INSERT INTO p VALUES('p1', 1)")
        self.level(*files)
        files[0].sql("DELETE FROM p")
        files[1].sql("INSERT INTO c VALUES('c1', 'p1', 'child')")
        self.level(*files)
        return files

    def test_the_delete_wins(self):
        for where in (0, 1, 2):
            files = self.orphaned(names="abc")
            self.resolve(files[where], self.side(files[where], files[0]))
            self.settled(*files)
            self.assertEqual(files[0].sql("SELECT * FROM c"), [])

    def test_the_child_cannot_win_without_its_parent(self):
        for where in (0, 1, 2):
            files = self.orphaned(names="abc")
            choice = self.side(files[where], files[1])
            self.refused(files[where], "SELECT sync_resolve(id, ?) FROM sync_conflict", choice, says=["c1", "cannot be settled so: foreign key: "])
            self.assertEqual(files[where].held(), [("c", '["c1"]', "foreign key")])

    def test_keep_both_without_the_reference(self):
        for where in (0, 1, 2):
            files = self.orphaned(names="abc")
            self.resolve(files[where], "keep both")
            self.settled(*files)
            self.assertEqual(files[0].sql("SELECT * FROM c"), [("c1", None, "child")])

    def test_a_reference_that_may_not_be_null(self):
        files = self.orphaned(" NOT NULL")
        self.refused(files[0], "SELECT sync_resolve(id, 'keep both') FROM sync_conflict", says=["may not be NULL", "p"])

    def test_a_row_written_without_its_parent(self):
        for choice in ("theirs", "keep both"):
            a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], self.SCHEMA % "", "p", "c")
            a.sql("INSERT INTO c VALUES('c1', 'nobody', 1)")
            exchange(a, b)
            self.assertEqual(self.entry(a)["held"], 0)
            self.refused(a, "SELECT sync_resolve(id, 'ours') FROM sync_conflict", says=["c1"])
            self.resolve(a, choice)
            self.settled(a, b)
            self.assertEqual(a.sql("SELECT * FROM c"), [] if choice == "theirs" else [("c1", None, 1)])


class Refused(ResolveTest):
    """CHECK, NOT NULL, RAISE, types: only this file's schema stands in the way."""
    CASES = {
        "check": ("INT CHECK(v > 0)", "", -1),
        "not null": ("INT NOT NULL", "", None),
        "trigger": ("INT", "CREATE TRIGGER no1 BEFORE INSERT ON t WHEN NEW.v = 13 BEGIN SELECT RAISE(ABORT, 'no thirteen'); END;"
                           "CREATE TRIGGER no2 BEFORE UPDATE ON t WHEN NEW.v = 13 BEGIN SELECT RAISE(FAIL, 'no thirteen'); END;", 13),
        "datatype": ("INT", "STRICT", "text"),
    }

    def strict_and_lax(self, reason):
        column, more, bad = self.CASES[reason]
        n = len(self._files)
        lax = self.file(f"lax{n}", "CREATE TABLE t(id TEXT PRIMARY KEY, v INT, w ANY)", "t")
        strict = self.file(f"strict{n}", f"CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v {column}, w ANY) {more if more == 'STRICT' else ''}; {more if more != 'STRICT' else ''}", "t")
        return lax, strict, bad

    def test_a_row_that_is_not_shown(self):
        for reason in self.CASES:
            with self.subTest(reason):
                lax, strict, bad = self.strict_and_lax(reason)
                lax.sql("INSERT INTO t VALUES('bad', ?, 'w')", bad)
                exchange(lax, strict)
                entry = self.entry(strict, reason=reason)
                self.assertEqual((entry["ours"], json.loads(entry["theirs"])["v"]), (None, bad))
                for choice in ("theirs", "keep both"):
                    self.refused(strict, "SELECT sync_resolve(id, ?) FROM sync_conflict", choice, says=["bad", entry["detail"]])
                self.resolve(strict, "ours")
                self.settled(lax, strict)
                self.assertEqual(lax.sql("SELECT * FROM t"), [])

    def test_cells_that_are_not_shown(self):
        for reason in self.CASES:
            with self.subTest(reason):
                lax, strict, bad = self.strict_and_lax(reason)
                lax.sql("INSERT INTO t VALUES('k', 1, 'w')")
                exchange(lax, strict)
                lax.sql("UPDATE t SET v = ?, w = 'along' WHERE id = 'k'", bad)
                exchange(lax, strict)
                strict.sql("UPDATE t SET w = 'a local write'")
                exchange(lax, strict)
                entry = self.entry(strict, reason=reason)
                self.assertEqual((json.loads(entry["theirs"])["v"], json.loads(entry["ours"])["v"]), (bad, 1))
                self.assertEqual((entry["their_site"], entry["our_site"]), (lax.site().hex(), None))
                self.refused(strict, "SELECT sync_resolve(id, 'theirs') FROM sync_conflict", says=["k", entry["detail"]])
                self.refused(strict, "SELECT sync_resolve(id, 'keep both') FROM sync_conflict", says=["a cell has one value"])
                self.resolve(strict, "ours")
                self.settled(lax, strict)
                self.assertEqual(lax.sql("SELECT v, w FROM t"), [(1, "a local write")])

    def test_what_may_be_now_is_shown(self):
        lax, strict, bad = self.strict_and_lax("trigger")
        lax.sql("INSERT INTO t VALUES('bad', ?, 'w')", bad)
        exchange(lax, strict)
        strict.script("DROP TRIGGER no1; DROP TRIGGER no2")
        self.resolve(strict, "theirs")
        self.settled(lax, strict)
        self.assertEqual(strict.sql("SELECT * FROM t"), [("bad", 13, "w")])


if __name__ == "__main__":
    unittest.main()
