"""A row came to be shown under another number, and there was no memory for deleting its clock from where it lay: what was written next went well, and its
result took the place of the error. SQLite had rolled the transaction back by then, so the rest of the merge was committed statement by statement."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SWEEP = Path(os.environ.get("SYNC_BUILD", Path(__file__).resolve().parents[2] / "build" / "release")) / "fault" / "sweep"


class ErrorsAreNotWrittenOver(unittest.TestCase):
    def test_each_place_where_memory_may_be_missing(self):
        with tempfile.TemporaryDirectory() as scratch:
            ran = subprocess.run([SWEEP, "--places", "1", "merge", "memory", "once", "wal"], cwd=scratch, capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertRegex(ran.stdout, r"(?m): [1-9]\d* faults, [1-9]\d* states, 0 failures$")


if __name__ == "__main__":
    unittest.main()
