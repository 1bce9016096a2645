"""Where there is no memory for the state of a row, or to begin showing what is held, nothing is read that is not there: the first was looked at all the same, the
second was copied to nowhere. Both came to light when conflicts were settled by hand."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SWEEP = Path(os.environ.get("SYNC_BUILD", Path(__file__).resolve().parents[2] / "build" / "release")) / "fault" / "sweep"


class HeldRowsFoundWithoutMemory(unittest.TestCase):
    def test_each_place_where_memory_may_be_missing(self):
        with tempfile.TemporaryDirectory() as scratch:
            ran = subprocess.run([SWEEP, "--places", "1", "resolve-unique", "memory", "once", "wal"], cwd=scratch, capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertRegex(ran.stdout, r"(?m): [1-9]\d* faults, [1-9]\d* states, 0 failures$")


if __name__ == "__main__":
    unittest.main()
