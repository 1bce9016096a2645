"""kill -9 of a process that serves rooms, under load: a short run; SYNC_KILLS asks for more kills, in as many runs. SYNC_SEED repeats a run's choices."""
import os
import time
import unittest

import kill
import kill_rooms

KILLS_PER_RUN = 36
KILLS = int(os.environ.get("SYNC_KILLS", KILLS_PER_RUN))


class KillRooms(unittest.TestCase):
    def test_rooms_killed_under_load(self):
        first = int(os.environ.get("SYNC_SEED", time.time_ns() % 10 ** 9))
        for seed in range(first, first + (KILLS + KILLS_PER_RUN - 1) // KILLS_PER_RUN):
            print(f"SYNC_SEED={seed}", flush=True)
            print(kill.run(seed, KILLS_PER_RUN, kill_rooms.Rooms), flush=True)


if __name__ == "__main__":
    unittest.main()
