"""The parts of one delta may be merged in one transaction: none of them may then be taken for a part out of order."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from synctest import Case, patiently  # noqa: E402

ROWS = 6000  # several parts


class Batch(Case):
    def test_a_large_commit_arrives_without_a_refusal(self):
        a, b, server, follower = self.linked_pair()
        patiently(b, f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) INSERT INTO t SELECT 'row-' || i, i FROM n")
        self.wait_rows(a, ROWS + 1)
        self.assertNotIn("refused", server.stderr + follower.stderr)


if __name__ == "__main__":
    unittest.main()
