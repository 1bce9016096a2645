"""scripts/demo.sh: what it shows happens, the given file is only read, and nothing is left behind."""
import hashlib
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from synctest import CHINOOK, ROOT  # noqa: E402


class Demo(synctest.Case):
    def demo(self, *arguments):
        began = time.monotonic()
        done = subprocess.run([str(ROOT / "scripts" / "demo.sh"), *[str(a) for a in arguments]], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd=self.dir,
                              env=dict(os.environ, TMPDIR=str(self.path("tmp"))), timeout=synctest.SECONDS_MAX * 4)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        print(f"{time.monotonic() - began:.1f} s")
        self.assertEqual([], list(self.path("tmp").iterdir()))
        return done.stdout

    def setUp(self):
        super().setUp()
        self.path("tmp").mkdir()

    def test_with_its_own_database(self):
        said = self.demo()
        self.assertRegex(said, r"median [0-9.]+ ms")
        self.assertRegex(said, r"customer +1000 rows, equal")
        self.assertIn("n3|the body, edited in a|the author, edited in b", said)
        self.assertIn("400|Customer 400|Lyon|+33 1 400", said)
        self.assertNotIn("n2|", said[said.index("They meet again"):])

    def test_with_a_database_of_yours(self):
        yours = self.path("yours.db")
        if CHINOOK.exists():
            yours.write_bytes(CHINOOK.read_bytes())
        else:
            synctest.plain(yours, "CREATE TABLE \"Album\"(id INTEGER PRIMARY KEY, t); INSERT INTO \"Album\" VALUES(1, 2);")
        before = hashlib.sha256(yours.read_bytes()).digest()
        said = self.demo(yours)
        self.assertRegex(said, r"Album +[0-9]+ rows, equal")
        self.assertIn("n3|the body, edited in a|the author, edited in b", said)
        self.assertEqual(before, hashlib.sha256(yours.read_bytes()).digest())
        self.assertEqual({"tmp", "yours.db"}, {f.name for f in self.dir.iterdir()})

    def test_with_a_database_in_wal_mode(self):
        yours = self.path("yours.db")
        synctest.plain(yours, "PRAGMA journal_mode = wal; CREATE TABLE mine(id INTEGER PRIMARY KEY, t); INSERT INTO mine VALUES(1, 2)")
        writer = synctest.connect(yours, ext=False)  # with a log that is not in the file yet, then without
        writer.execute("INSERT INTO mine VALUES(2, 3)")
        self.leaves_alone(yours)
        # as a crash leaves it, or a copy of file and log
        for suffix in ("", "-wal"):
            self.path(f"crashed.db{suffix}").write_bytes(self.path(f"yours.db{suffix}").read_bytes())
        writer.close()
        self.leaves_alone(yours)
        self.leaves_alone(self.path("crashed.db"))

    def leaves_alone(self, yours):
        before = self.beside(yours)
        self.assertRegex(self.demo(yours), r"mine +2 rows, equal")
        self.assertEqual(before, self.beside(yours))

    def beside(self, yours):
        """All files of that database; but for the -shm, which locks are taken in, what is in them."""
        return {f.name: f.name.endswith("-shm") or f.read_bytes() for f in self.dir.glob(f"{yours.name}*")}


if __name__ == "__main__":
    unittest.main()
