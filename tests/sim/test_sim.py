"""Short runs of the simulation: a thousand seeds, each a history of its own (docs/TESTING.md). SYNC_SEED is the first of them (1), SYNC_SEEDS how many."""
import os
import re
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SIM = Path(os.environ.get("SYNC_BUILD", Path(__file__).resolve().parents[2] / "build" / "release")) / "sim" / "sim"
FIRST = int(os.environ.get("SYNC_SEED", "1"))
SEEDS = int(os.environ.get("SYNC_SEEDS", "1000"))
AT_ONCE = 2
# A sanitized simulation brings its sanitizers along; little of what it frees is kept, since each run is a copy of the process.
ENV = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
ENV["ASAN_OPTIONS"] = "quarantine_size_mb=4:malloc_context_size=5:exitcode=99"


def run(*arguments):
    return subprocess.run([SIM, *map(str, arguments)], capture_output=True, text=True, check=False, env=ENV)


class Simulation(unittest.TestCase):
    def test_a_thousand_histories(self):
        part = SEEDS // AT_ONCE
        with ThreadPoolExecutor(AT_ONCE) as pool:
            ran = list(pool.map(lambda i: run("--seeds", FIRST + i * part, FIRST + (i + 1) * part - 1), range(AT_ONCE)))
        for one in ran:
            print(one.stdout, one.stderr, sep="", end="", flush=True)
        for one in ran:
            self.assertEqual(one.returncode, 0, one.stdout + one.stderr)
            self.assertIn(f" {part} runs, 0 failures;", one.stdout)
        if SEEDS >= 1000:  # in few of them
            self.assertTrue(any("up to 16 files" in one.stdout for one in ran))
        self.assertTrue(all(int(re.search(r"(\d+) clones", one.stdout)[1]) > 0 for one in ran))
        print(f"figure: {SEEDS} runs, 0 failures", flush=True)

    def test_a_run_repeats_itself(self):
        first, second = run(8, "--trace"), run(8, "--trace")
        self.assertEqual(first.returncode, 0, first.stdout)
        self.assertEqual(first.stdout, second.stdout)
        self.assertGreater(first.stdout.count("COMMIT: 0"), 5)

    def test_a_step_that_is_left_out_leaves_the_others_as_they_were(self):
        whole, part = run(8, "--trace").stdout, run(8, "--trace", "--only", "none").stdout
        setup = [line for line in whole.splitlines() if line.startswith("   0  ")]
        self.assertTrue(set(part.splitlines()) & set(setup))
        self.assertLess(len(part), len(whole))


if __name__ == "__main__":
    unittest.main()
