"""A file that is copied with everything beside it, while a peer runs, does not write under the same name as its original: two that did
took each other's changes for their own, and skipped them."""
import shutil
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sql"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from synctest import Case, connect, eventually, plain  # noqa: E402


class Copies(Case):
    def sites(self, *paths):
        return {connect(path).execute("SELECT sync_site()").fetchone()[0] for path in paths}

    def test_under_running_peers(self):
        hub, a, copy = self.path("hub.db"), self.path("a.db"), self.path("copied/a.db")
        for path in (hub, a):
            plain(path, "CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v)")
        server = self.serve(hub)
        self.sync(a, server.url)
        plain(a, "INSERT INTO t VALUES('k', 0); INSERT INTO n VALUES(1, 'common')")
        self.wait_same(hub, a)
        plain(a, "INSERT INTO t VALUES('just before', 0)")
        copy.parent.mkdir()
        # as `cp a.db* copied/` between two transactions, which no writer's lock prevents
        reader = connect(a, ext=False)
        reader.execute("BEGIN IMMEDIATE")
        for path in sorted(self.dir.glob("a.db*")):
            if not path.name.endswith("-shm"):
                shutil.copy(path, copy.parent / path.name)
        reader.execute("ROLLBACK")
        reader.close()
        other = self.sync(copy, server.url)
        for i in range(5):                     # the same keys and numbers, in both, by turns
            plain(a, f"INSERT INTO t VALUES('of a {i}', {i}); UPDATE t SET v = 'a {i}' WHERE id = 'k'; INSERT INTO n(v) VALUES('a {i}')")
            plain(copy, f"INSERT INTO t VALUES('of the copy {i}', {i}); UPDATE t SET v = 'copy {i}' WHERE id = 'k'; INSERT INTO n(v) VALUES('copy {i}')")
        eventually(lambda: plain(hub, "SELECT count(*) FROM t") == "12", "all rows at the hub")
        self.wait_same(hub, a, copy)
        self.assertEqual(len(self.sites(hub, a, copy)), 3)
        kept = connect(hub).execute("SELECT v FROM n UNION SELECT ours ->> 'v' FROM sync_conflict WHERE tbl = 'n' AND held"
                                    " UNION SELECT theirs ->> 'v' FROM sync_conflict WHERE tbl = 'n' AND held").fetchall()
        self.assertLessEqual({f"{who} {i}" for who in ("a", "copy") for i in range(5)} | {"common"}, {v for (v,) in kept})
        other.stop()
        for path in (hub, a, copy):
            invariants.check(path)


if __name__ == "__main__":
    unittest.main()
