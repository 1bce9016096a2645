"""A bounded run of damaged database files, the same ones every time: an error or a result. The long runs are scripts/soak.sh mutate
(docs/TESTING.md)."""
import os
import subprocess
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
MUTATE = Path(os.environ.get("SYNC_BUILD", HERE.parents[1] / "build" / "dev")) / "fuzz" / "mutate"
FILES = 300
ENV = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
ENV["ASAN_OPTIONS"] = "max_malloc_fill_size=0:quarantine_size_mb=4:malloc_context_size=5"


class Mutate(unittest.TestCase):
    def run_it(self, *arguments):
        return subprocess.run([MUTATE, *map(str, arguments)], capture_output=True, text=True, check=False,
                              env=ENV)

    def test_some_hundred_files(self):
        done = self.run_it("--seeds", 1, FILES)
        print(done.stdout, end="")
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-6000:])
        self.assertIn(f" {FILES} files, 0 findings;", done.stdout)

    def test_a_file_repeats_itself(self):
        first, second = self.run_it(8, "--trace"), self.run_it(8, "--trace")
        self.assertEqual(first.returncode, 0, first.stdout)
        self.assertEqual(first.stdout, second.stdout)
        self.assertGreater(first.stdout.count("\n"), 8)


if __name__ == "__main__":
    unittest.main()
