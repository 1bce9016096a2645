"""A program whose locale writes 1,5 got that into its JSON, which then was none."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import synctest  # noqa: E402

LOCALE = "xx_XX"
SOURCE = 'comment_char %\nescape_char /\nLC_NUMERIC\ndecimal_point ","\nthousands_sep "."\ngrouping 3\nEND LC_NUMERIC\n'
PROGRAM = """
import locale, sqlite3, sys
locale.setlocale(locale.LC_NUMERIC, sys.argv[2])
assert locale.localeconv()["decimal_point"] == ","
db = sqlite3.connect(":memory:", isolation_level=None)
db.enable_load_extension(True)
db.load_extension(sys.argv[1])
db.executescript("CREATE TABLE t(id TEXT PRIMARY KEY, v)")
db.execute("SELECT sync_track('t')")
db.execute("INSERT INTO t VALUES('a', 1.5), ('b', 2.0), ('c', -1.25e-300)")
print(db.execute("SELECT sync_describe(sync_changeset())").fetchone()[0])
"""


class DecimalCommas(unittest.TestCase):
    def test_describe(self):
        with tempfile.TemporaryDirectory() as directory:
            source = Path(directory, "source")
            source.write_text(SOURCE)
            made = subprocess.run(["localedef", "-c", "-i", str(source), str(Path(directory, LOCALE))], capture_output=True, text=True)
            if not Path(directory, LOCALE, "LC_NUMERIC").exists():
                self.skipTest("localedef makes no locale here: " + made.stderr.strip()[-200:])
            done = subprocess.run(["/usr/bin/python3", "-c", PROGRAM, str(synctest.EXTENSION), LOCALE], capture_output=True, text=True,
                                  env={**os.environ, "LOCPATH": directory})
        self.assertEqual(done.returncode, 0, done.stderr)
        text = json.dumps(json.loads(done.stdout))
        for number in ("1.5", "2.0", "-1.25e-300"):
            self.assertIn(number, text)


if __name__ == "__main__":
    unittest.main()
