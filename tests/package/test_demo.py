"""scripts/demo.sh: what it shows happens, the given file is only read, and nothing is left behind."""
import hashlib
import os
import subprocess
import time

import synctest
from synctest import CHINOOK, ROOT


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
