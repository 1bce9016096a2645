"""A file that tells of writes before it has folded them must not take the echo for the sign of a restored backup."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from synctest import Case, ask, patiently  # noqa: E402


class Relay(Case):
    def test_relayed_commits_leave_the_site_alone(self):
        a, b, _, _ = self.linked_pair()
        patiently(a, "INSERT INTO t VALUES('second', 0)")  # now each has met the other's site
        self.wait_rows(b, 2)
        before = [ask(path, "SELECT count(*) FROM sync_site") for path in (a, b)]
        for i in range(5):
            patiently(a, f"INSERT INTO t VALUES('row-{i}', {i})")
            self.wait_rows(b, i + 3)
        self.assertEqual(before, [ask(path, "SELECT count(*) FROM sync_site") for path in (a, b)])


if __name__ == "__main__":
    unittest.main()
