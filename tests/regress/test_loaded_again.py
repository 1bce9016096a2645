"""Loading the extension on a connection that has it and has used it freed what the engine knew while virtual tables still pointed to it: memory was used
after it was freed. So was a second attempt where the first one had failed for want of memory."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from syncfile import SyncTest  # noqa: E402
from synctest import EXTENSION  # noqa: E402

SWEEP = Path(os.environ.get("SYNC_BUILD", Path(__file__).resolve().parents[2] / "build" / "release")).resolve() / "fault" / "sweep"
T = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"


class LoadedAgain(SyncTest):
    def load(self, file):
        file.extended.enable_load_extension(True)
        file.extended.load_extension(str(EXTENSION.with_suffix("")))
        file.extended.enable_load_extension(False)

    def test_between_uses(self):
        a, b = self.files("ab", T, "t")
        for i in range(5):
            a.sql("INSERT INTO t VALUES(?, 1)", f"a{i}")
            b.sql("INSERT INTO t VALUES(?, 1)", f"b{i}")
            self.assertEqual(a.x("SELECT tail FROM sync_status"), [(1,)])
            self.load(a)
            self.level(a, b)
            self.assertEqual(a.x("SELECT count(*) FROM sync_changes"), b.x("SELECT count(*) FROM sync_changes"))

    def test_while_a_query_runs_and_in_a_transaction(self):
        a = self.file("a", T, "t")
        a.sql("INSERT INTO t VALUES('k', 1), ('l', 2)")
        a.x("BEGIN")
        cursor = a.extended.execute("SELECT key FROM sync_changes")
        self.assertEqual(cursor.fetchone(), ('["k"]',))
        self.load(a)
        self.assertIn(('["l"]',), cursor.fetchall())
        a.x("COMMIT")
        self.assertEqual(a.fold(), 2)

    def test_after_it_failed(self):
        with tempfile.TemporaryDirectory() as scratch:
            ran = subprocess.run([SWEEP, "--places", "1", "load", "memory"], cwd=scratch, capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertRegex(ran.stdout, r"(?m): [1-9]\d* faults, [1-9]\d* states, 0 failures$")


if __name__ == "__main__":
    unittest.main()
