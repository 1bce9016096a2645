"""Keys made of references: tags, lines under a number, one-to-one details. They follow the rows that they mean to other numbers, and are known by them."""
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from syncfile import SyncTest, exchange, tick  # noqa: E402

LISTS = """
CREATE TABLE list(id INTEGER PRIMARY KEY, token TEXT);
CREATE TABLE track(id INTEGER PRIMARY KEY, token TEXT);
CREATE TABLE entry(list INTEGER REFERENCES list ON DELETE CASCADE ON UPDATE CASCADE, track INTEGER REFERENCES track ON DELETE CASCADE, note TEXT, PRIMARY KEY(list, track));
CREATE TABLE cover(list INTEGER PRIMARY KEY REFERENCES list ON DELETE CASCADE ON UPDATE CASCADE, note TEXT);
"""
TABLES = ("list", "track", "entry", "cover")
TAGS = "SELECT l.token, t.token, e.note FROM entry AS e JOIN list AS l ON l.id = e.list JOIN track AS t ON t.id = e.track ORDER BY 1, 2"
COVERS = "SELECT l.token, c.note FROM cover AS c JOIN list AS l ON l.id = c.list ORDER BY 1"


class Keys(SyncTest):
    def begin(self, names="ab", schema=LISTS, tables=TABLES):
        files = self.files(names, schema, *tables)
        for file in files:
            file.sql("PRAGMA foreign_keys = on")
        return files

    def fill(self, file, token):
        """A list and a track of this file, both numbered 1, and what refers to them."""
        file.sql("INSERT INTO list(token) VALUES(?)", token)
        file.sql("INSERT INTO track(token) VALUES(?)", token)
        file.sql("INSERT INTO entry SELECT max(l.id), max(t.id), ? FROM list AS l, track AS t", "entry of " + token)
        file.sql("INSERT INTO cover SELECT max(id), ? FROM list", "cover of " + token)
        tick()

    def assert_shown(self, files, tokens):
        self.assert_same(*files)
        for file in files:
            self.assertEqual(file.sql(TAGS), [(t, t, "entry of " + t) for t in tokens])
            self.assertEqual(file.sql(COVERS), [(t, "cover of " + t) for t in tokens])
            self.assertEqual(file.held(), [])
            self.assertEqual(file.sql("PRAGMA foreign_key_check"), [])


class Collisions(Keys):
    def test_each_is_shown_under_the_row_that_it_meant(self):
        files = self.begin("abc")
        for file, token in zip(files, "ABC"):
            self.fill(file, token)
        self.level(*files)
        self.assert_shown(files, "ABC")

    def test_whoever_comes_first(self):
        for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
            files = self.begin([f"{n}{len(self._files)}" for n in "abc"])
            for file, token in zip(files, "ABC"):
                self.fill(file, token)
            third = files[order[2]]
            third.pull(files[order[0]])
            third.pull(files[order[1]])
            self.level(*files)
            self.assert_shown(files, "ABC")
            for file in files:
                file.close()

    def test_details_are_known_by_their_row_without_being_told(self):
        a, _ = self.begin()
        self.assertEqual(a.x("SELECT identity FROM sync_status WHERE tbl = 'cover'"), [("key",)])
        node = self.file("node", "CREATE TABLE node(id INTEGER PRIMARY KEY REFERENCES node)", "node")
        self.assertEqual(node.x("SELECT identity FROM sync_status"), [("row",)])

    def test_two_files_that_tag_a_row_that_both_know_have_one_tag(self):
        a, b = self.begin()
        self.fill(a, "A")
        self.level(a, b)
        a.sql("DELETE FROM entry")
        self.level(a, b)
        for file in (a, b):
            file.sql("INSERT INTO entry VALUES(1, 1, 'entry of A')")
            file.sql("UPDATE cover SET note = 'cover of A'")
            tick()
        self.level(a, b)
        self.assert_shown((a, b), "A")

    def test_edits_and_deletes_hit_the_row_that_was_meant(self):
        a, b, c = self.begin("abc")
        self.fill(a, "A")
        self.fill(b, "B")
        c.pull(b)
        c.sql("UPDATE entry SET note = 'edited'")
        c.sql("DELETE FROM cover")
        exchange(a, b)
        self.level(a, b, c)
        for file in (a, b, c):
            self.assertEqual(file.sql(TAGS), [("A", "A", "entry of A"), ("B", "B", "edited")])
            self.assertEqual(file.sql(COVERS), [("A", "cover of A")])

    def test_a_tag_that_is_put_on_again_under_another_number(self):
        a, b = self.begin()
        self.fill(a, "A")
        self.fill(b, "B")
        b.sql("DELETE FROM entry")
        self.level(a, b)
        a.sql("INSERT INTO entry SELECT l.id, t.id, 'entry of B' FROM list AS l, track AS t WHERE l.token = 'B' AND t.token = 'B'")
        self.level(a, b)
        self.assert_shown((a, b), "AB")
        self.assertEqual(a.x("SELECT DISTINCT cl FROM sync_changes WHERE tbl = 'entry' AND op = 'insert' ORDER BY 1"), [(1,), (3,)])

    def test_the_number_is_another_list_s_now(self):
        """The program deletes a list and makes another one of the same number: its tags are other tags."""
        a, b = self.begin()
        self.fill(a, "A")
        self.level(a, b)
        b.sql("UPDATE entry SET note = 'late'")
        tick()
        a.script("PRAGMA foreign_keys = on; BEGIN; DELETE FROM list; INSERT INTO list VALUES(1, 'new'); INSERT INTO entry VALUES(1, 1, 'new'); COMMIT")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql(TAGS), [("new", "A", "new")])
            self.assertEqual(file.sql(COVERS), [])

    def test_held_until_the_author_knows(self):
        a, b, c = self.begin("abc")
        self.fill(a, "A")
        self.fill(b, "B")
        c.pull(a, b)
        self.assertEqual(sorted(c.held()), [("cover", "[1]", "foreign key"), ("entry", "[1,1]", "foreign key"), ("list", "[1]", "number"), ("track", "[1]", "number")])
        self.assertEqual(c.sql(TAGS), [("A", "A", "entry of A")])
        said = c.x("SELECT sync_describe(sync_changeset())")[0][0]
        self.assertIn("entry of B", said)
        self.level(a, b, c)
        self.assert_shown((a, b, c), "AB")

    def test_a_dry_run_foretells_it(self):
        a, b = self.begin()
        self.fill(a, "A")
        self.level(a, b)
        a.script("PRAGMA foreign_keys = on; DELETE FROM list")
        said = b.x("SELECT sync_apply(?, '{\"dry_run\": true}')", a.changeset(b.seen()))[0][0]
        self.assertIn('{"tbl":"entry","key":[1,1],"op":"delete","old":{"note":"entry of A"}}', said)
        self.assertEqual(b.sql(TAGS), [("A", "A", "entry of A")])


class Chains(Keys):
    SCHEMA = LISTS + """
        CREATE TABLE remark(list INT, track INT, no INT, text, PRIMARY KEY(list, track, no), FOREIGN KEY(list, track) REFERENCES entry ON DELETE CASCADE ON UPDATE CASCADE);
        CREATE TABLE print(id INTEGER PRIMARY KEY, cover INT REFERENCES cover, text);
        CREATE TABLE kind(id INTEGER PRIMARY KEY, name, UNIQUE(id, name));
        CREATE TABLE thing(id TEXT PRIMARY KEY, kind INT, name, FOREIGN KEY(kind, name) REFERENCES kind(id, name));
    """
    TABLES = TABLES + ("remark", "print", "kind", "thing")

    def test_column_by_column(self):
        """A remark on a tag, a print of a cover, a number beside a name: none refers to the number's own table alone."""
        files = self.begin("ab", self.SCHEMA, self.TABLES)
        for file, token in zip(files, "AB"):
            self.fill(file, token)
            file.sql("INSERT INTO remark VALUES(1, 1, 1, ?)", "remark of " + token)
            file.sql("INSERT INTO print(cover, text) VALUES(1, ?)", "print of " + token)
            file.sql("INSERT INTO kind(name) VALUES(?)", token)
            file.sql("INSERT INTO thing VALUES(?, 1, ?)", "thing of " + token, token)
            tick()
        self.level(*files)
        self.assert_shown(files, "AB")
        for file in files:
            self.assertEqual(file.sql("SELECT l.token, r.text FROM remark AS r JOIN list AS l ON l.id = r.list JOIN track AS t ON t.id = r.track AND t.token = l.token ORDER BY 1"),
                             [("A", "remark of A"), ("B", "remark of B")])
            self.assertEqual(file.sql("SELECT l.token, p.text FROM print AS p JOIN list AS l ON l.id = p.cover ORDER BY 1"), [("A", "print of A"), ("B", "print of B")])
            self.assertEqual(file.sql("SELECT k.name, t.id FROM thing AS t JOIN kind AS k ON k.id = t.kind ORDER BY 1"), [("A", "thing of A"), ("B", "thing of B")])

    def test_details_that_are_contested(self):
        """They came before the row that they mean, and may be in each other's way."""
        schema = """CREATE TABLE list(id INTEGER PRIMARY KEY, token);
                    CREATE TABLE cover(list INTEGER PRIMARY KEY, art UNIQUE, like INT REFERENCES cover, FOREIGN KEY(list) REFERENCES list DEFERRABLE INITIALLY DEFERRED);"""
        files = self.begin("abc", schema, ("list", "cover"))
        for file, token in zip(files, "ABC"):
            file.script(f"BEGIN; INSERT INTO cover VALUES(1, 'same', 1), (2, '{token}', 1); INSERT INTO list VALUES(1, '{token}1'), (2, '{token}2'); COMMIT")
            tick()
        self.level(*files)
        for file in files:
            self.assertEqual(file.sql("SELECT token, art FROM cover JOIN list ON list = id ORDER BY 1"), [("C1", "same"), ("C2", "C")])
        files[2].sql("UPDATE cover SET art = 'other' WHERE art = 'same'")
        self.level(*files)
        for file in files:
            self.assertEqual(file.sql("SELECT token, art FROM cover JOIN list ON list = id ORDER BY 1"), [("B1", "same"), ("B2", "B"), ("C1", "other"), ("C2", "C")])

    def test_tables_that_refer_to_each_other(self):
        schema = """CREATE TABLE list(id INTEGER PRIMARY KEY, token, best INT, FOREIGN KEY(id, best) REFERENCES entry DEFERRABLE INITIALLY DEFERRED);
                    CREATE TABLE entry(list INT REFERENCES list DEFERRABLE INITIALLY DEFERRED, no INT, note, PRIMARY KEY(list, no));"""
        files = self.begin("ab", schema, ("list", "entry"))
        for file, token in zip(files, "AB"):
            file.script(f"BEGIN; INSERT INTO list VALUES(1, '{token}', 1); INSERT INTO entry VALUES(1, 1, '{token}'), (1, 2, '{token}'); COMMIT")
            tick()
        self.level(*files)
        self.assert_same(*files)
        for file in files:
            self.assertEqual(file.sql("SELECT token, note, no = best FROM list JOIN entry ON entry.list = list.id ORDER BY 1, no"), [("A", "A", 1), ("A", "A", 0), ("B", "B", 1), ("B", "B", 0)])


class Orphans(Keys):
    """A program with foreign keys off leaves tags behind, or puts them where no list is."""

    def begin(self, *args, **kw):
        files = super().begin(*args, **kw)
        for file in files:
            file.sql("PRAGMA foreign_keys = off")
        return files

    def test_a_tag_that_is_left_behind_is_the_next_list_s(self):
        a, b = self.begin()
        self.fill(a, "A")
        self.level(a, b)
        a.sql("DELETE FROM list")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM entry"), [])
        a.sql("INSERT INTO list VALUES(1, 'new')")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql(TAGS), [("new", "A", "entry of A")])
            self.assertEqual(file.sql(COVERS), [("new", "cover of A")])
            self.assertEqual(file.held(), [])

    def test_both_numbers_pass_on_at_once(self):
        a, b = self.begin()
        self.fill(a, "A")
        self.level(a, b)
        a.script("DELETE FROM list; DELETE FROM track; INSERT INTO list VALUES(1, 'new'); INSERT INTO track VALUES(1, 'new')")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql(TAGS), [("new", "new", "entry of A")])
            self.assertEqual(file.held(), [])

    def test_a_tag_before_its_list(self):
        a, b = self.begin()
        a.script("INSERT INTO track VALUES(1, 'A'); INSERT INTO entry VALUES(7, 1, 'early')")
        exchange(a, b)
        self.assertEqual(b.held(), [("entry", "[7,1]", "foreign key")])
        a.sql("INSERT INTO list VALUES(7, 'A')")
        self.level(a, b)
        for file in (a, b):
            self.assertEqual(file.sql(TAGS), [("A", "A", "early")])
            self.assertEqual(file.held(), [])


class Late(Keys):
    def test_a_table_waits_until_those_are_tracked_that_its_key_refers_to(self):
        a, b = self.files("ab", LISTS)
        a.track(*TABLES)
        b.track("entry", "cover", "track")
        self.fill(a, "A")
        exchange(a, b)
        b.apply(a.changeset())
        self.assertEqual(b.sql("SELECT * FROM entry"), [])
        self.assertEqual(b.sql("SELECT token FROM track"), [("A",)])
        b.track("list")
        self.level(a, b)
        self.assert_shown((a, b), "A")


class Settled(Keys):
    def test_a_person_keeps_both(self):
        a, b, c = self.begin("abc")
        self.fill(a, "A")
        self.fill(b, "B")
        c.pull(a, b)
        for table in ("list", "track"):
            c.x("SELECT sync_resolve(id, 'keep both') FROM sync_conflict WHERE tbl = ?", table)
        self.assert_same_content(c)
        self.level(a, b, c)
        self.assert_shown((a, b, c), "AB")

    def assert_same_content(self, file):
        self.assertEqual(file.sql(TAGS), [(t, t, "entry of " + t) for t in "AB"])
        self.assertEqual(file.held(), [])

    def test_a_person_drops_one(self):
        a, b, c = self.begin("abc")
        self.fill(a, "A")
        self.fill(b, "B")
        c.pull(a, b)
        c.x("SELECT sync_resolve(id, iif(our_site = ?, 'theirs', 'ours')) FROM sync_conflict WHERE tbl = 'entry'", b.site().hex().upper())
        self.level(a, b, c)
        self.assertEqual(a.sql(TAGS), [("A", "A", "entry of A")])

    def test_a_refused_key_is_told_by_its_numbers(self):
        schema = LISTS + "CREATE UNIQUE INDEX notes ON entry(note);"
        a, b = self.begin("ab", schema)
        a.script("INSERT INTO list VALUES(1, 'A'); INSERT INTO track VALUES(1, 'A'), (2, 'B')")
        self.level(a, b)
        a.sql("INSERT INTO entry VALUES(1, 1, 'same')")
        tick()
        b.sql("INSERT INTO entry VALUES(1, 2, 'same')")
        self.level(a, b)
        self.assertEqual(a.held(), [("entry", "[1,1]", "unique")])
        a.x("SELECT sync_resolve(id, 'keep both') FROM sync_conflict")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT count(*) FROM entry"), [(2,)])


if __name__ == "__main__":
    unittest.main()
