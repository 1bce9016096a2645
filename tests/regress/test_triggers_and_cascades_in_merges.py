"""Cascades and triggers of the application fire in a merge as in any write. What they change in tracked tables came, or will come, as a
change of its own; recorded a second time it went round for ever, and files differed."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest, exchange, tick  # noqa: E402

CASCADES = """
CREATE TABLE parent(id INTEGER PRIMARY KEY, name, touched DEFAULT 0);
CREATE TABLE cascades(id TEXT PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE nulls(id TEXT PRIMARY KEY, parent REFERENCES parent ON DELETE SET NULL ON UPDATE SET NULL);
CREATE TABLE defaults(id TEXT PRIMARY KEY, parent DEFAULT 1 REFERENCES parent ON DELETE SET DEFAULT ON UPDATE CASCADE);
CREATE INDEX c ON cascades(parent); CREATE INDEX n ON nulls(parent); CREATE INDEX d ON defaults(parent);
"""
TRIGGERS = CASCADES + """
CREATE TABLE log(id TEXT PRIMARY KEY, what);
CREATE TABLE total(id TEXT PRIMARY KEY, n);
CREATE TABLE untracked(what);
CREATE TRIGGER counts AFTER INSERT ON cascades BEGIN
    INSERT INTO total VALUES('all', 1) ON CONFLICT DO UPDATE SET n = n + 1;
    UPDATE parent SET touched = touched + 1 WHERE id = NEW.parent;
    INSERT INTO untracked VALUES(NEW.id); END;
CREATE TRIGGER uncounts AFTER DELETE ON cascades BEGIN UPDATE total SET n = n - 1; DELETE FROM log WHERE id = OLD.id; END;
CREATE TRIGGER logs AFTER UPDATE ON parent BEGIN INSERT OR REPLACE INTO log VALUES('parent ' || NEW.id, NEW.name); END;
"""
TABLES = ["parent", "cascades", "nulls", "defaults"]


class DuringMerges(SyncTest):
    def fill(self, a):
        a.script("INSERT INTO parent(id, name) VALUES(1, 'stays'), (2, 'goes'), (3, 'moves');"
                 + "".join(f"INSERT INTO {t}(id, parent) VALUES('{t} 2', 2), ('{t} 3', 3), ('{t} 1', 1);" for t in TABLES[1:]))

    def meet(self, label, schema, tables, recursive, foreign_keys):
        a, b, c = files = self.files([f"{label} {n}" for n in "abc"], schema, *tables)
        for file in files:
            for connection in (file.plain, file.extended):
                connection.execute(f"PRAGMA recursive_triggers = {recursive}")
            file.plain.execute("PRAGMA foreign_keys = 1")
            file.extended.execute(f"PRAGMA foreign_keys = {foreign_keys}")  # of the connection that merges
        self.fill(a)
        exchange(*files)
        self.assert_same(*files)
        a.script("DELETE FROM parent WHERE id = 2; UPDATE parent SET id = 30 WHERE id = 3;")
        tick()
        b.script("UPDATE parent SET name = 'edited'; INSERT INTO cascades VALUES('of b', 2), ('also of b', 1); UPDATE nulls SET parent = 1 WHERE id = 'nulls 2';")
        c.script("DELETE FROM cascades WHERE parent = 1; INSERT OR REPLACE INTO parent(id, name) VALUES(1, 'replaced');")
        exchange(*files)                       # fails where it comes to no rest
        self.assert_same(*files)
        self.assertEqual(exchange(*files), 0)
        return a

    def test_with_every_setting(self):
        for recursive in (0, 1):
            for foreign_keys in (1, 0):
                for name, schema, tables in (("cascades", CASCADES, TABLES), ("triggers", TRIGGERS, TABLES + ["log", "total"])):
                    label = f"{name} {recursive} {foreign_keys}"
                    with self.subTest(label):
                        self.meet(label, schema, tables, recursive, foreign_keys)

    def test_what_they_do_elsewhere_stays(self):
        """In tables that are not tracked, and only there: twice over would be wrong too."""
        a, b = self.files("ab", TRIGGERS, *TABLES, "log", "total")
        self.fill(a)
        exchange(a, b)
        self.assertEqual(sorted(b.sql("SELECT what FROM untracked")), sorted(a.sql("SELECT what FROM untracked")))
        self.assertEqual(b.sql("SELECT n FROM total"), [(3,)])

    def test_what_they_replace_comes_back(self):
        """INSERT OR REPLACE over a row that was there, which without recursive_triggers nobody sees go: taken for new, it was deleted."""
        schema = ("CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE log(id TEXT PRIMARY KEY, what, more); CREATE TABLE deep(id INTEGER PRIMARY KEY, what);"
                  "CREATE TRIGGER logs AFTER UPDATE ON t BEGIN INSERT OR REPLACE INTO log(id, what) VALUES(NEW.id, NEW.v); END;"
                  "CREATE TRIGGER again AFTER UPDATE ON log BEGIN INSERT OR REPLACE INTO deep VALUES(1, NEW.what), (2, NEW.what); END;")
        a, b = self.files("ab", schema + "INSERT INTO log VALUES('from before', 'old', 'kept'); INSERT INTO deep VALUES(1, 'from before');", "t", "log", "deep")
        a.sql("INSERT INTO t VALUES('k', 0), ('from before', 0)")
        exchange(a, b)
        for i in range(3):
            a.sql("UPDATE t SET v = ?", i)
            if i == 1:                         # the log is written by b.db meanwhile
                b.sql("UPDATE log SET more = 'of b'")
            self.level(a, b)
            self.assertEqual(b.sql("SELECT count(*) FROM log"), [(2,)])
        self.assertEqual(b.sql("SELECT count(*) FROM deep"), [(2,)])


if __name__ == "__main__":
    unittest.main()
