"""SQLite's json_valid() says that a text is no JSON when it finds no memory to read it. Options and keys that are given as JSON were then called wrong, with
SQLITE_ERROR, where memory had run out: a host that frees some and tries again would not have done so."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SWEEP = Path(os.environ.get("SYNC_BUILD", Path(__file__).resolve().parents[2] / "build" / "release")) / "fault" / "sweep"


class JsonWithoutMemory(unittest.TestCase):
    def sweep(self, scenario):
        with tempfile.TemporaryDirectory() as scratch:
            ran = subprocess.run([SWEEP, scenario, "memory", "once", "wal"], cwd=scratch, capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertRegex(ran.stdout, r"(?m): [1-9]\d* faults, [1-9]\d* states, 0 failures$")

    def test_options(self):
        self.sweep("options")

    def test_keys_of_several_columns(self):
        self.sweep("touch-pair")


if __name__ == "__main__":
    unittest.main()
