"""Views that need each other in the wrong order are made by a clone one round after the other, in so many rounds. Those that were told to be left out then were made all the same, in rounds
beyond the bound, of which there was no end but the schema's."""
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
from synctest import Case, ask, plain  # noqa: E402


class Views(Case):
    def clone(self, count):
        """A chain of views, of which each is made before the one that it needs: (how many a clone has, those that it says are left out)."""
        a, b = self.path(f"a{count}.db"), self.path(f"b{count}.db")
        chain = "".join(f"CREATE VIEW v{i} AS SELECT * FROM v{i + 1};" for i in range(count - 1))
        plain(a, f"CREATE TABLE t(id TEXT PRIMARY KEY, v); {chain} CREATE VIEW v{count - 1} AS SELECT * FROM t;")
        peer = self.serve(a)
        status, _, err = self.run_peer("clone", peer.url, b)
        self.assertEqual(status, 0, err)
        peer.stop()
        return ask(b, "SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), re.findall(r"view (v\d+) is left out", err)

    def test_as_many_as_there_are_rounds(self):
        """In the round behind the last one what fits is made once more, and what does not is left out."""
        n = limits.value("SYNC_CLONE_ROUNDS") + 1
        self.assertEqual(self.clone(n), (n, []))
        self.assertEqual(self.clone(n + 1), (n, ["v0"]))
        self.assertEqual(self.clone(n + 5), (n, ["v0", "v1", "v2", "v3", "v4"]))


if __name__ == "__main__":
    unittest.main()
