"""Tests that roll dice: seed() says which, and the one command that rolls them again."""
import os
import random
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def seed(file, test="", default=None, **settings):
    """SYNC_SEED, or `default`, or one of its own. Printed with how `file`, or only `test` of it, is run again; `settings` are what else it was told."""
    number = int(os.environ.get("SYNC_SEED", random.SystemRandom().randrange(10 ** 9) if default is None else default))
    told = {name: value for name, value in os.environ.items() if name.startswith("SYNC_")}
    told.update(settings, SYNC_SEED=number)
    words = [f"{name}={shlex.quote(str(value))}" for name, value in sorted(told.items())]
    print("again, from the root of the project:", *words, "/usr/bin/python3", Path(file).resolve().relative_to(ROOT), *test.split(), flush=True)
    return number
