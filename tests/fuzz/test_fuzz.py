"""A bounded run of every fuzz target without libFuzzer: the seeds, what was ever found, and some thousands of mutations of both, always the
same ones. The long runs are scripts/soak.sh fuzz (docs/TESTING.md)."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = Path(os.environ.get("SYNC_BUILD", HERE.parents[1] / "build" / "dev")) / "fuzz"
RUNS = {"frame": 100000, "head": 20000, "clock": 20000, "protocol": 10000, "codec": 2000, "apply": 100, "clone": 30, "tamper": 60,
        "config": 1500, "keys": 10000, "token": 4000, "request": 2000, "url": 200000}


class Fuzz(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="sync-fuzz-")
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.seeds = Path(cls.scratch.name) / "seeds"
        subprocess.run([PROGRAMS / "fuzz_seeds", cls.seeds], check=True)

    def drive(self, target):
        inputs = [self.seeds / target] + [found for found in (HERE / "findings" / target,) if found.is_dir()]
        done = subprocess.run([PROGRAMS / f"fuzz_{target}", f"-runs={RUNS[target]}", *inputs], capture_output=True, text=True,
                              env={k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}, check=False)
        print(target, done.stdout, end="")
        self.assertEqual(done.returncode, 0, done.stderr[-6000:])
        self.assertGreater(int(done.stdout.split()[0]), RUNS[target])

    def test_every_target_is_run(self):
        self.assertEqual(set(RUNS), {path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c")})


for name in RUNS:
    setattr(Fuzz, f"test_{name}", lambda self, target=name: self.drive(target))

if __name__ == "__main__":
    unittest.main()
