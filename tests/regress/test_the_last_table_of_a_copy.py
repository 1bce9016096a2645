"""A copy that lets its last table go: it takes a new site id first, and what is done after that looked for the metadata that had just gone. The
call said that nothing was tracked, although it had done what it was asked to."""
import shutil
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import File, SyncTest  # noqa: E402


class LastTable(SyncTest):
    def copied(self, name):
        a = self.file(name, "CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('k', 1)", "t", wal=False)
        a.changeset()
        a.close()
        shutil.copy(a.path, a.path + "-copy")
        copy = File(a.path + "-copy", wal=False)
        self.addCleanup(copy.close)
        return copy

    def test_by_each_call(self):
        for i, (call, kept) in enumerate((("sync_untrack('t')", 1), ("sync_untrack_all()", 1), ("sync_alter('DROP TABLE t')", 0))):
            with self.subTest(call):
                copy = self.copied(f"f{i}")
                self.assertEqual(copy.x(f"SELECT {call}"), [(1,)])
                self.assertEqual(copy.sql("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sync%'"), [(0,)])
                self.assertEqual(copy.sql("SELECT count(*) FROM sqlite_schema WHERE name = 't'"), [(kept,)])
                self.assertFalse(Path(copy.path + "-sync").exists())


if __name__ == "__main__":
    unittest.main()
