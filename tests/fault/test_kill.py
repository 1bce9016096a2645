"""kill -9 under load: a short run; `scripts/soak.sh kill 1000` is the long one. SYNC_SEED repeats a run's choices."""
import os
import time
import unittest

import kill

KILLS = 25


class Kill(unittest.TestCase):
    def test_programs_killed_under_load(self):
        seed = int(os.environ.get("SYNC_SEED", time.time_ns() % 10 ** 9))
        print(f"SYNC_SEED={seed}", flush=True)
        print(kill.run(seed, KILLS), flush=True)


if __name__ == "__main__":
    unittest.main()
