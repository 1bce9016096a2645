"""A plain program rebuilds a tracked table, or drops our triggers: what it writes until the next fold is not seen. That is said for as long as nobody has seen to it."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))

from syncfile import SyncTest, exchange  # noqa: E402

REBUILD = """BEGIN; CREATE TABLE n(id TEXT PRIMARY KEY, v NOT NULL); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; COMMIT;"""


class Unseen(SyncTest):
    def pair(self):
        a, b = self.files("ab", "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        for file in (a, b):
            file.track("t")
        a.script("INSERT INTO t VALUES('k', 1), ('l', 1), ('m', 1)")
        exchange(a, b)
        return a, b

    def note(self, file):
        return file.one("SELECT note FROM sync_status") or ""

    def check(self, a, b):
        a.script("UPDATE t SET v = 2 WHERE id = 'k'; DELETE FROM t WHERE id = 'l'; INSERT INTO t VALUES('n', 2)")
        self.assertIn("sync_fold", self.note(a))
        a.x("SELECT sync_fold()")
        exchange(a, b)
        self.assertEqual(b.sql("SELECT * FROM t ORDER BY 1"), [("k", 1), ("l", 1), ("m", 1)])
        for says in ("its triggers were gone until 20", "is not recorded", "sync_touch('t', key)", "verify --repair"):
            self.assertIn(says, self.note(a))
        self.assertEqual(self.note(b), "")
        for key in "kln":
            a.x("SELECT sync_touch('t', ?)", key)
        self.assertEqual(self.note(a), "")
        exchange(a, b)
        for file in (a, b):
            self.assertEqual(file.sql("SELECT * FROM t ORDER BY 1"), [("k", 2), ("m", 1), ("n", 2)])

    def test_a_table_rebuilt(self):
        a, b = self.pair()
        a.script(REBUILD)
        self.check(a, b)

    def test_a_table_made_anew(self):
        a, b = self.pair()
        a.script("DROP TABLE t; CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('k', 1), ('l', 1), ('m', 1)")
        self.check(a, b)

    def test_one_trigger_dropped(self):
        a, _ = self.pair()
        a.sql("DROP TRIGGER sync_1_update")
        a.x("SELECT sync_fold()")
        self.assertIn("its triggers were gone until 20", self.note(a))

    def test_what_misses_nothing(self):
        a, b = self.pair()
        a.x("SELECT sync_alter(?)", REBUILD.replace("BEGIN; ", "").replace("COMMIT;", ""))
        b.script("CREATE TRIGGER mine AFTER INSERT ON t BEGIN SELECT 1; END; CREATE UNIQUE INDEX u ON t(v, id); ALTER TABLE t ADD COLUMN w")
        for file in (a, b):
            file.x("SELECT sync_fold()")
            self.assertNotIn("triggers were gone", self.note(file))


if __name__ == "__main__":
    unittest.main()
