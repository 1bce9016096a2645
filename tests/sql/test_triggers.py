"""Triggers of the application: they fire on merges, may ask whether one is under way, and never make two files differ."""
import unittest

from syncfile import SyncTest, tick

FTS = """
CREATE TABLE docs(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
CREATE VIRTUAL TABLE docs_fts USING fts5(title, body, content='docs', content_rowid='id');
CREATE TRIGGER docs_ai AFTER INSERT ON docs BEGIN INSERT INTO docs_fts(rowid, title, body) VALUES(NEW.id, NEW.title, NEW.body); END;
CREATE TRIGGER docs_ad AFTER DELETE ON docs BEGIN INSERT INTO docs_fts(docs_fts, rowid, title, body) VALUES('delete', OLD.id, OLD.title, OLD.body); END;
CREATE TRIGGER docs_au AFTER UPDATE ON docs BEGIN
  INSERT INTO docs_fts(docs_fts, rowid, title, body) VALUES('delete', OLD.id, OLD.title, OLD.body);
  INSERT INTO docs_fts(rowid, title, body) VALUES(NEW.id, NEW.title, NEW.body); END;
"""


class FullText(SyncTest):
    def search(self, file, words):
        return [row[0] for row in file.sql("SELECT rowid FROM docs_fts WHERE docs_fts MATCH ? ORDER BY rowid", words)]

    def check(self, *files):
        self.level(*files)
        for file in files:
            file.sql("INSERT INTO docs_fts(docs_fts, rank) VALUES('integrity-check', 1)")

    def test_it_stays_searchable_on_both_sides(self):
        a, b = self.files("ab", FTS, "docs")
        a.shell("INSERT INTO docs VALUES(1, 'first', 'the quick fox'), (2, 'second', 'the lazy dog');")
        self.check(a, b)
        self.assertEqual(self.search(b, "fox"), [1])
        b.shell("UPDATE docs SET body = 'the quick hare' WHERE id = 1; DELETE FROM docs WHERE id = 2; INSERT INTO docs VALUES(3, 'third', 'a dog again');")
        tick()
        a.shell("UPDATE docs SET title = 'premier' WHERE id = 1;")
        self.check(a, b)
        for file in (a, b):
            self.assertEqual(self.search(file, "fox"), [])
            self.assertEqual(self.search(file, "hare"), [1])
            self.assertEqual(self.search(file, "premier"), [1])
            self.assertEqual(self.search(file, "dog"), [3])

    def test_held_rows_are_not_found(self):
        a, b = self.files("ab", FTS, "docs")
        a.sql("INSERT INTO docs VALUES(1, 'mine', 'apple')")
        tick()
        b.sql("INSERT INTO docs VALUES(1, 'yours', 'pear')")
        a.pull(b)
        self.assertEqual((self.search(a, "apple"), self.search(a, "pear")), ([1], []))
        self.check(a, b)
        for file in (a, b):
            self.assertEqual((self.search(file, "apple"), self.search(file, "pear")), ([1], [2]))
        a.sql("DELETE FROM docs WHERE id = 1")
        self.check(a, b)
        for file in (a, b):
            self.assertEqual((self.search(file, "apple"), self.search(file, "pear")), ([], [2]))


class Derived(SyncTest):
    """A trigger that keeps another tracked table; what it does during a merge is put back, the merged rows come by themselves."""

    SCHEMA = ("CREATE TABLE t(id TEXT PRIMARY KEY, v INT); CREATE TABLE log(id TEXT PRIMARY KEY, n INT); CREATE TABLE local(n INT);"
              "CREATE TRIGGER l1 AFTER INSERT ON t BEGIN INSERT INTO log VALUES(hex(randomblob(8)), NEW.v); INSERT INTO local VALUES(1); END;"
              "CREATE TRIGGER l2 AFTER UPDATE ON t BEGIN UPDATE log SET n = n + 1; INSERT INTO local VALUES(2); END;"
              "CREATE TRIGGER l3 AFTER DELETE ON t BEGIN DELETE FROM log WHERE n = OLD.v; INSERT INTO local VALUES(3); END;")

    def test_inserts_updates_and_deletes_are_put_back(self):
        a, b, c = self.files("abc", self.SCHEMA, "t", "log")
        a.sql("INSERT INTO t VALUES('k1', 1), ('k2', 2), ('k3', 3)")
        self.level(a, b, c)
        self.assertEqual(b.sql("SELECT count(*) FROM log"), [(3,)])
        b.sql("UPDATE t SET v = 9 WHERE id = 'k1'")
        log = b.rows("log")
        self.level(a, b, c)
        self.assertEqual(a.rows("log"), log)
        c.sql("DELETE FROM t WHERE id = 'k3'")
        log = c.rows("log")
        self.level(a, b, c)
        self.assertEqual(a.rows("log"), log)

    def test_they_fire_as_they_should(self):
        a, b = self.files("ab", self.SCHEMA, "t", "log")
        a.sql("INSERT INTO t VALUES('k1', 1), ('k2', 2)")
        a.fold()
        self.level(a, b)
        self.assertEqual(b.sql("SELECT n FROM local"), [(1,), (1,)])
        a.sql("UPDATE t SET v = 5 WHERE id = 'k1'")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT n FROM local"), [(1,), (1,), (2,)])
        a.sql("DELETE FROM t WHERE id = 'k2'")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT n FROM local"), [(1,), (1,), (2,), (3,)])

    def test_update_of_fires_for_the_changed_columns_only(self):
        schema = ("CREATE TABLE t(id TEXT PRIMARY KEY, a, b); CREATE TABLE seen(what);"
                  "CREATE TRIGGER ta AFTER UPDATE OF a ON t BEGIN INSERT INTO seen VALUES('a'); END; CREATE TRIGGER tb AFTER UPDATE OF b ON t BEGIN INSERT INTO seen VALUES('b'); END;")
        a, b = self.files("ab", schema, "t")
        a.sql("INSERT INTO t VALUES('k', 1, 1)")
        self.level(a, b)
        a.sql("UPDATE t SET a = 2")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT what FROM seen"), [("a",)])

    def test_triggers_that_ask_whether_a_merge_is_under_way(self):
        schema = ("CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE audit(id INTEGER PRIMARY KEY, what TEXT, merged INT);")
        trigger = ("CREATE TRIGGER au AFTER INSERT ON t WHEN NOT EXISTS (SELECT 1 FROM sync_applying) BEGIN INSERT INTO audit(what) VALUES(NEW.id); END;"
                   "CREATE TRIGGER am AFTER INSERT ON t WHEN EXISTS (SELECT 1 FROM sync_applying) BEGIN INSERT INTO audit(what, merged) VALUES(NEW.id, 1); END;")
        a, b = self.files("ab", schema, "t")
        b.script(trigger)
        a.sql("INSERT INTO t VALUES('from a', 1)")
        b.sql("INSERT INTO t VALUES('from b', 1)")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT what, merged FROM audit ORDER BY id"), [("from b", None), ("from a", 1)])
        self.assertEqual(b.sql("SELECT * FROM sync_applying"), [])
        b.sql("INSERT INTO t VALUES('again b', 1)")
        self.assertEqual(b.sql("SELECT what, merged FROM audit ORDER BY id")[-1], ("again b", None))

    def test_a_trigger_that_changes_the_merged_row_itself(self):
        schema = ("CREATE TABLE t(id TEXT PRIMARY KEY, v, stamp);"
                  "CREATE TRIGGER s1 AFTER UPDATE OF v ON t BEGIN UPDATE t SET stamp = hex(randomblob(4)) WHERE id = NEW.id; END;"
                  "CREATE TRIGGER s2 AFTER INSERT ON t BEGIN UPDATE t SET stamp = hex(randomblob(4)) WHERE id = NEW.id; END;")
        a, b = self.files("ab", schema, "t")
        a.sql("INSERT INTO t(id, v) VALUES('k', 1)")
        stamp = a.sql("SELECT stamp FROM t")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT stamp FROM t"), stamp)
        b.sql("UPDATE t SET v = 2")
        stamp = b.sql("SELECT stamp FROM t")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT stamp FROM t"), stamp)

    def test_a_trigger_that_deletes_or_moves_the_merged_row(self):
        schema = ("CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        a, b = self.files("ab", schema, "t")
        b.script("CREATE TRIGGER d AFTER INSERT ON t WHEN NEW.v = 'vanish' BEGIN DELETE FROM t WHERE id = NEW.id; END;"
                 "CREATE TRIGGER m AFTER INSERT ON t WHEN NEW.v = 'move' BEGIN UPDATE t SET id = 'moved' WHERE id = NEW.id; END;"
                 "CREATE TRIGGER x AFTER INSERT ON t WHEN NEW.v = 'extra' BEGIN INSERT INTO t VALUES('extra row', 0); END;")
        a.sql("INSERT INTO t VALUES('k1', 'vanish'), ('k2', 'move'), ('k3', 'extra')")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT id FROM t ORDER BY id"), [("k1",), ("k2",), ("k3",)])
        self.assertIsNone(b.cut_for(a))

    def test_what_triggers_write_for_the_application_travels(self):
        a, b = self.files("ab", self.SCHEMA, "t", "log")
        a.shell("INSERT INTO t VALUES('k1', 1); UPDATE t SET v = 7;")
        rows = a.rows("log")
        self.assertEqual(len(rows), 1)
        self.level(a, b)
        self.assertEqual(b.rows("log"), rows)

    def test_an_instead_of_trigger_on_a_view(self):
        schema = ("CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE VIEW w AS SELECT * FROM t;"
                  "CREATE TRIGGER w1 INSTEAD OF INSERT ON w BEGIN INSERT INTO t VALUES(NEW.id, upper(NEW.v)); END;")
        a, b = self.files("ab", schema, "t")
        a.shell("INSERT INTO w VALUES('k', 'through the view');")
        self.level(a, b)
        self.assertEqual(b.sql("SELECT v FROM w"), [("THROUGH THE VIEW",)])

    def test_with_recursive_triggers(self):
        a, b = self.files("ab", self.SCHEMA, "t", "log")
        b.x("PRAGMA recursive_triggers = on")
        a.sql("INSERT INTO t VALUES('k1', 1), ('k2', 2)")
        a.sql("UPDATE t SET v = v + 1")
        self.level(a, b)
        b.x("DELETE FROM t WHERE id = 'k1'")
        self.level(a, b)
        self.assertEqual(a.sql("SELECT id FROM t"), [("k2",)])


if __name__ == "__main__":
    unittest.main()
