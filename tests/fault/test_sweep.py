"""A sample of the faults that `sweep` provokes (docs/TESTING.md): each operation, while an allocation or a call to the file system fails. Prints its
seed and the command that repeats it; SYNC_FAULTS="KIND [once|ever [wal|delete]]:STRIDE, ..." takes other samples. `scripts/soak.sh faults` provokes all of them."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
import replay  # noqa: E402

SWEEP = Path(os.environ.get("SYNC_BUILD", Path(__file__).resolve().parents[2] / "build" / "release")) / "fault" / "sweep"
STRIDES = {"memory": 1499, "io": 29, "short": 29, "full": 29, "busy": 29, "outside": 7, "bind": 29}
if "SYNC_FAULTS" in os.environ:
    STRIDES = {kind: int(stride) for kind, stride in (one.split(":") for one in os.environ["SYNC_FAULTS"].split(", "))}
AT_ONCE = 2
# A sanitized sweep brings its sanitizers along; little of what it frees is kept.
ENV = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
ENV["ASAN_OPTIONS"] = "quarantine_size_mb=4:malloc_context_size=5:exitcode=99"


class Sweep(unittest.TestCase):
    def test_a_sample(self):
        seed = str(replay.seed(__file__))
        with tempfile.TemporaryDirectory() as scratch:
            def run(kind):
                return subprocess.run([SWEEP, "--seed", seed, "--stride", str(STRIDES[kind]), "--keep", scratch, "all", *kind.split()],
                                      cwd=scratch, capture_output=True, text=True, check=False, env=ENV)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                ran = dict(zip(STRIDES, pool.map(run, STRIDES)))
            for kind, one in ran.items():
                print(one.stdout, one.stderr, sep="", end="", flush=True)
                self.assertEqual(one.returncode, 0, f"{kind}: {one.stdout}{one.stderr}")
                self.assertRegex(one.stdout, re.compile(r": [1-9]\d* faults, [1-9]\d* states, 0 failures$", re.MULTILINE))
            states = sorted(Path(scratch).glob("*.db"))
            self.assertGreater(len(states), 20)
            for state in states:
                invariants.check(state, foreign_keys=False)  # one program writes with foreign keys off


if __name__ == "__main__":
    unittest.main()
