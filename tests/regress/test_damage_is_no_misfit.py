"""A damaged file, or one whose metadata is, ended a peer with exit code 11, "a table does not fit": the engine's SQL functions hide from SQLite
that they met SQLITE_CORRUPT, and the peer took every SQLITE_ERROR for a table's fault."""
import random
import shutil
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from synctest import Case, plain, shell  # noqa: E402

PAGE = 4096
METADATA = {"UPDATE sync_meta SET format = 0": "format 0", "UPDATE sync_meta SET format = 'x'": "format 0", "DELETE FROM sync_meta": "no row",
            "UPDATE sync_meta SET seen = x'ffff'": "a vector is damaged", "UPDATE sync_meta SET site = 77": "site 77",
            "DELETE FROM sync_site": "sync_site", "DROP TABLE sync_site": "sync_site", "DROP TABLE sync_journal": "sync_journal"}


class Damage(Case):
    def setUp(self):
        super().setUp()
        self.good, self.bad = self.path("good.db"), self.path("bad.db")
        shell(self.good, f"PRAGMA page_size = {PAGE};"
                         "CREATE TABLE t(id TEXT PRIMARY KEY, a, b); CREATE TABLE n(id INTEGER PRIMARY KEY, a); SELECT sync_track_all();"
                         "WITH c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < 500)"
                         " INSERT INTO t SELECT 'k' || i, hex(zeroblob(30)), i FROM c; INSERT INTO n SELECT b, a FROM t; SELECT sync_fold();")

    def copy(self):
        for path in self.dir.glob("bad.db*"):
            path.unlink()
        shutil.copy(self.good, self.bad)

    def ends(self, says):
        """`sync` with nobody there: it ends by itself, also where the damage was not met."""
        status, _, err = self.run_peer("sync", self.bad, "ws://127.0.0.1:1/room", "--once", "--quiet")
        line = err.splitlines()[-1]
        if status != 8:
            self.assertEqual(4, status, err)
            self.assertIn("is damaged", line)
            self.assertIn(says, line)
        return status

    def test_pages(self):
        dice, met = random.Random(1), 0
        roots = [int(n) for n in plain(self.good, "SELECT DISTINCT rootpage FROM sqlite_schema WHERE rootpage > 0").split()]
        for page in [1, *roots]:
            with self.subTest(page=page):
                self.copy()
                with open(self.bad, "r+b") as file:
                    file.seek((page - 1) * PAGE + (100 if page == 1 else 0))  # behind SQLite's own header
                    file.write(dice.randbytes(PAGE - 100))
                met += self.ends("") == 4
        self.assertGreater(met, 2)

    def test_metadata(self):
        for statement, says in METADATA.items():
            with self.subTest(statement):
                self.copy()
                plain(self.bad, statement)
                self.assertEqual(4, self.ends(says))

    def test_a_table_that_does_not_fit_is_no_damage(self):
        shutil.copy(self.good, self.bad)
        plain(self.bad, "CREATE TABLE keyless(v)")
        status, _, err = self.run_peer("serve", self.bad, "--listen", "127.0.0.1:0", "--track", "keyless")
        self.assertEqual(11, status, err)


if __name__ == "__main__":
    unittest.main()
