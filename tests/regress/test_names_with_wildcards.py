"""In LIKE the underscore stands for any character: `sync_%` also found the application's own syncXlog, and took it for ours or away with ours."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from synctest import quote  # noqa: E402
from syncfile import SyncTest, exchange  # noqa: E402

TABLES = ["syncXjournal", "sync%", "synchronous", "sync", "syncrow_1", "sync-row_1", "SyncXrow_1", "100%", "a_b", "axb", "a%b", "sync__", "sync_mine", "sqliteX1", "_"]
EXTRA = """
CREATE INDEX syncXconflict_row ON axb(v);
CREATE VIEW syncXview AS SELECT * FROM axb;
CREATE TABLE seen(what);
CREATE TRIGGER syncX1_insert AFTER INSERT ON axb BEGIN INSERT INTO seen VALUES('axb ' || NEW.id); END;
CREATE TRIGGER sync_99_insert AFTER INSERT ON "100%" BEGIN INSERT INTO seen VALUES('100% ' || NEW.id); END;
"""


class Wildcards(SyncTest):
    def schema(self):
        return "".join(f"CREATE TABLE {quote(t)}(id TEXT PRIMARY KEY, v, {quote('v_')}, {quote('v%')}, {quote('vx')});" for t in TABLES) + EXTRA

    def test_tracked_beside_ours(self):
        a, b = self.files("ab", self.schema())
        objects = a.sql("SELECT type, name, sql FROM sqlite_schema ORDER BY name")
        for file in (a, b):
            for table in TABLES:
                file.track(table)
        for i, table in enumerate(TABLES):
            a.sql(f"INSERT INTO {quote(table)} VALUES('k', {i}, 'underscore', 'percent', 'x')")
        self.level(a, b)
        for table in TABLES:
            b.sql(f"UPDATE {quote(table)} SET {quote('v_')} = 'changed'")
            a.sql(f"UPDATE {quote(table)} SET {quote('v%')} = 'changed'")
        self.level(a, b)
        for i, table in enumerate(TABLES):
            self.assertEqual(b.sql(f"SELECT * FROM {quote(table)}"), [("k", i, "changed", "changed", "x")])
        self.assertEqual(sorted(b.sql("SELECT what FROM seen")), [("100% k",), ("axb k",)])
        for file in (a, b):
            file.x("SELECT sync_untrack('axb')")
            self.assertEqual(file.tracked(), sorted(set(TABLES) - {"axb"}))
        exchange(a, b)
        for file in (a, b):
            file.x("SELECT sync_untrack_all()")
            self.assertEqual(file.sql("SELECT type, name, sql FROM sqlite_schema ORDER BY name"), objects)

    def test_tracked_all_at_once(self):
        a, b = self.files("ab", self.schema())
        for file in (a, b):
            self.assertEqual(file.one("SELECT sync_track_all()"), len(TABLES))
            self.assertEqual(file.tracked(), sorted(TABLES))
            self.assertEqual(file.one("SELECT sync_track_all()"), 0)
        a.sql("INSERT INTO \"a_b\" VALUES('only in a_b', 1, 2, 3, 4)")
        self.level(a, b)
        self.assertEqual([b.sql(f"SELECT count(*) FROM {quote(t)}")[0][0] for t in ("a_b", "axb", "a%b")], [1, 0, 0])


if __name__ == "__main__":
    unittest.main()
