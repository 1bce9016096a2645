"""How sync_resolve is called, and what sync_conflict shows to those who have to choose."""
import json
import unittest

from resolving import ResolveTest
from syncfile import tick

U = "CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT UNIQUE, v);"


class Calls(ResolveTest):
    SCHEMA = U

    def clash(self):
        a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], self.SCHEMA, "u")
        a.sql("INSERT INTO u VALUES('k1', 'same', 'of a')")
        tick()
        b.sql("INSERT INTO u VALUES('k2', 'same', 'of b')")
        self.level(a, b)
        return a, b

    def test_wrong_arguments(self):
        a, _ = self.clash()
        known = self.entry(a)["id"]
        self.refused(a, "SELECT sync_resolve(?, 'ours')", known + 1, says=[f"no entry {known + 1}"])
        for choice in ("mine", "OURS", "", None, 1):
            self.refused(a, "SELECT sync_resolve(?, ?)", known, choice, says=["'ours', 'theirs' or 'keep both'", str("NULL" if choice is None else choice)])
        for wrong in (None, "1", 1.5):
            self.refused(a, "SELECT sync_resolve(?, 'ours')", wrong, says=["the id of an entry"])
        plain = self.file("plain", "CREATE TABLE t(id TEXT PRIMARY KEY)")
        self.refused(plain, "SELECT sync_resolve(1, 'ours')", says=["tracked"])

    def test_an_entry_that_has_been_settled(self):
        a, b = self.clash()
        known = self.entry(a)["id"]
        a.sql("DELETE FROM u")
        self.refused(a, "SELECT sync_resolve(?, 'ours')", known, says=[f"no entry {known} ", "settled meanwhile"])
        self.level(a, b)
        b.sql("INSERT INTO u VALUES('k3', 'another', 1)")
        a.sql("INSERT INTO u VALUES('k4', 'another', 1)")
        self.level(a, b)
        self.assertGreater(self.entry(a)["id"], known)     # another one has another number
        self.refused(a, "SELECT sync_resolve(?, 'ours')", known, says=["settled meanwhile"])

    def test_a_table_that_is_not_tracked_any_more(self):
        a, _ = self.clash()
        a.sql("DROP TABLE u")
        self.refused(a, "SELECT sync_resolve(id, 'ours') FROM sync_conflict", says=["not tracked any more"])

    def test_a_note_that_says_what_could_not_be_done(self):
        a, _ = self.clash()
        a.sql("UPDATE sync_conflict SET held = 0, reason = 'trigger', clock_key = x'00'")
        self.refused(a, "SELECT sync_resolve(id, 'ours') FROM sync_conflict", says=["entry"])

    def test_inside_a_transaction(self):
        a, b = self.clash()
        before = a.dump(), a.cells(), a.x("SELECT * FROM sync_conflict")
        a.x("BEGIN")
        a.x("INSERT INTO u VALUES('mine', 'x', 1)")
        self.refused(a, "SELECT sync_resolve(0, 'ours')", says=["no entry 0"])
        self.resolve(a, "keep both")
        self.assertEqual(len(a.x("SELECT * FROM u")), 3)
        a.x("ROLLBACK")
        self.assertEqual((a.dump(), a.cells(), a.x("SELECT * FROM sync_conflict")), before)
        a.x("BEGIN")
        a.x("PRAGMA foreign_keys = on")
        self.resolve(a, "keep both")
        a.x("COMMIT")
        self.settled(a, b)

    def test_files_in_utf16(self):
        for wanted in (0, 1):
            a, b = self.files([f"{n}{len(self._files)}" for n in "ab"], "PRAGMA encoding = 'UTF-16le'; CREATE TABLE u(id TEXT PRIMARY KEY, x TEXT UNIQUE, v);"
                              "CREATE TABLE n(id INTEGER PRIMARY KEY, v)")
            for i, file in enumerate((a, b)):
                file.sql("INSERT INTO n VALUES(1, ?)", f"\u20ac{i}")
                file.track("u", "n")
                file.sql("INSERT INTO u VALUES(?, '\u20ac', ?)", f"k{i}", i)
                tick()
            a.pull(b)
            tick()
            self.resolve(a, "ours", reason="genesis")
            self.resolve(a, self.side(a, (a, b)[wanted]))
            self.settled(a, b)
            self.assertEqual(b.sql("SELECT v FROM u WHERE x = '\u20ac'"), [(wanted,)])
            self.assertEqual(b.sql("SELECT v FROM n"), [("\u20ac0",)])

    def test_only_from_the_top(self):
        a, _ = self.clash()
        a.sql("CREATE VIEW v AS SELECT sync_resolve(1, 'ours')")
        self.refused(a, "SELECT * FROM v", says=["unsafe use of sync_resolve"])
        self.refused(a, "INSERT INTO u SELECT sync_resolve(id, 'keep both'), 1, 1 FROM sync_conflict", says=["writes"])

    def test_triggers_see_an_ordinary_write(self):
        a, b = self.clash()
        for file in (a, b):
            file.script("CREATE TABLE log(id INTEGER PRIMARY KEY, said); CREATE TRIGGER lost AFTER UPDATE ON u WHEN NEW.x IS NULL BEGIN"
                        " INSERT INTO log(said) SELECT NEW.id || ' ' || count(*) FROM sync_applying; END")
            file.x("SELECT sync_track('log', '{\"identity\": \"key\"}')")
        self.resolve(a, self.side(a, a))
        self.assertEqual(a.sql("SELECT said FROM log"), [("k2 0",)])
        self.level(a, b)
        self.assertEqual(b.sql("SELECT said FROM log"), [("k2 0",)])

    def test_a_later_write_wins_over_it(self):
        a, b = self.clash()
        tick()
        self.resolve(a, "keep both")
        tick()
        b.sql("UPDATE u SET v = 'later' WHERE id = 'k2'")
        self.settled(a, b)
        self.assertEqual(a.sql("SELECT * FROM u ORDER BY id"), [("k1", None, "of a"), ("k2", "same", "later")])

    def test_settled_in_two_files_at_once(self):
        for first, second in ((0, 1), (1, 0), (0, 0)):
            a, b = self.clash()
            files = (a, b)
            self.resolve(a, self.side(a, files[first]))
            tick()
            self.resolve(b, self.side(b, files[second]))
            self.settled(a, b)


class Listed(ResolveTest):
    """sync_conflict shows for each: what, why, both contents, who, when."""

    def sides(self, entry):
        return ({entry["our_site"]: entry["ours"], entry["their_site"]: entry["theirs"]}, {entry["our_site"]: entry["our_stamp"], entry["their_site"]: entry["their_stamp"]})

    def test_a_shown_row_that_a_later_one_pushed_out(self):
        """Both contents are there in either file, whichever row was there first."""
        for order in ((0, 1), (1, 0)):
            files = self.files([f"{n}{len(self._files)}" for n in "ab"], U, "u")
            for i in order:
                files[i].sql("INSERT INTO u VALUES(?, 'same', ?)", f"k{i}", f"of {i}")
                tick()
            self.level(*files)
            for file in files:
                contents, stamps = self.sides(self.entry(file))
                self.assertEqual({site: json.loads(text)["v"] for site, text in contents.items()}, {f.site().hex(): f"of {i}" for i, f in enumerate(files)})
                self.assertTrue(all(stamps.values()))

    def test_who_deleted_the_parent_and_when(self):
        files = self.files("abc", "CREATE TABLE p(id TEXT PRIMARY KEY, v); CREATE TABLE c(id TEXT PRIMARY KEY, p TEXT REFERENCES p, v);", "p", "c")
        files[0].sql("INSERT INTO p VALUES('p1', 1)")
        self.level(*files)
        files[0].sql("DELETE FROM p")
        files[1].sql("INSERT INTO c VALUES('c1', 'p1', 'child')")
        self.level(*files)
        for file in files:
            entry = self.entry(file)
            contents, stamps = self.sides(entry)
            self.assertEqual(contents[files[0].site().hex()], None)
            self.assertEqual(json.loads(contents[files[1].site().hex()]), {"p": "p1", "v": "child"})
            stamp = file.x("SELECT stamp FROM sync_changes WHERE tbl = 'p' AND op = 'delete'")[0][0]
            self.assertEqual(stamps[files[0].site().hex()], stamp)

    def test_the_row_that_is_shown_by_now(self):
        """Another one may have come to be shown since it was put aside, or the same may have been edited."""
        for schema in ("CREATE TABLE u(id TEXT PRIMARY KEY, x UNIQUE, v)", "CREATE TABLE u(id INTEGER PRIMARY KEY, x, v); CREATE TABLE k(id INTEGER PRIMARY KEY REFERENCES u)"):
            files = self.files([f"{n}{len(self._files)}" for n in "abc"], schema, "u")
            by_number = "INTEGER" in schema
            for file in files if by_number else ():
                file.x("SELECT sync_track('k', '{\"identity\": \"row\"}')")
            for i, file in enumerate(files):
                file.sql("INSERT INTO u VALUES(?, ?, ?)", 1 if by_number else f"k{i}", i if by_number else "same", f"of {i}")
                tick()
            middle, shown = files[1], files[0 if by_number else 2]
            other = files[2 if by_number else 0]
            middle.pull(other, shown)     # what was shown first, then pushed out
            self.level(*files)
            middle.sql("UPDATE u SET v = 'edited'")
            self.level(*files)
            for file in files:
                self.assertEqual(file.x("SELECT count(*) FROM sync_conflict WHERE (ours LIKE '%edited%') + (theirs LIKE '%edited%') = 1"), [(2,)])

    def test_a_reason_that_has_become_another(self):
        schema = "CREATE TABLE p(id TEXT PRIMARY KEY); CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p, x UNIQUE);"
        a, b = self.files("ab", schema, "p", "c")
        a.sql("INSERT INTO p VALUES('p1')")
        self.level(a, b)
        a.sql("DELETE FROM p")
        b.sql("INSERT INTO c VALUES('c1', 'p1', 'same')")
        self.level(a, b)
        tick()
        a.sql("INSERT INTO c VALUES('c2', NULL, 'same')")
        a.sql("INSERT INTO p VALUES('p1')")
        self.level(a, b)
        for file in (a, b):
            entry = self.entry(file)
            self.assertEqual(entry["reason"], "unique")
            contents, _ = self.sides(entry)
            self.assertEqual({site: json.loads(text)["p"] for site, text in contents.items()}, {a.site().hex(): None, b.site().hex(): "p1"})


if __name__ == "__main__":
    unittest.main()
