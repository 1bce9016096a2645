"""Texts of a file in UTF-16 are converted when they are read, for which memory can be missing. Then a table was taken for one that is not ordinary, a column's
list was read that was not there, a value was taken for empty: the host crashed, or the error was lost."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SWEEP = Path(os.environ.get("SYNC_BUILD", Path(__file__).resolve().parents[2] / "build" / "release")).resolve() / "fault" / "sweep"


class TextsWithoutMemory(unittest.TestCase):
    def sweep(self, scenario):
        with tempfile.TemporaryDirectory() as scratch:
            ran = subprocess.run([SWEEP, "--places", "1", scenario, "memory", "once", "wal"], cwd=scratch, capture_output=True, text=True,
                                 check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertRegex(ran.stdout, r"(?m): [1-9]\d* faults, [1-9]\d* states, 0 failures$")

    def test_of_the_schema(self):
        self.sweep("track-16")
        self.sweep("status-16")

    def test_of_a_clone(self):
        self.sweep("dump-16")

    def test_of_rows(self):
        self.sweep("apply-16")


if __name__ == "__main__":
    unittest.main()
