"""kill -9 under load: a short run; `scripts/soak.sh kill 1000` is the long one. The command that is printed
makes the same choices again; what the programs do meanwhile is up to the machine."""
import unittest

import kill
import replay

KILLS = 25


class Kill(unittest.TestCase):
    def test_programs_killed_under_load(self):
        print(kill.run(replay.seed(__file__), KILLS), flush=True)


if __name__ == "__main__":
    unittest.main()
