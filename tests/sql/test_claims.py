"""The claims ledger in docs/TESTING.md holds together: what it quotes stands in the README, what it names exists, and no promise that can be
told by its shape is without a line."""
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import claims  # noqa: E402


class Claims(unittest.TestCase):
    def setUp(self):
        self.claims = claims.read()
        self.readme = claims.flat(claims.README.read_text(encoding="utf-8"))

    def test_there_are_some(self):
        self.assertGreater(len(self.claims), 20)

    def test_quotes_stand_in_the_readme(self):
        for claim in self.claims:
            with self.subTest(claim.quote):
                self.assertTrue(claims.flat(claim.quote) in self.readme, "the README does not say that")

    def test_commands_exist(self):
        for claim in self.claims:
            with self.subTest(claim.command):
                self.assertIsNone(claims.missing(claim.command))

    def test_commands_that_do_not_exist_are_noticed(self):
        for wrong in ("tests/sql/test_nothing.py Claims.test_there_are_some", "tests/sql/test_claims.py Nobody.test_there_are_some",
                      "tests/sql/test_claims.py Claims.test_nothing", "tests/unit/test_merge.c test_nothing", "scripts/nothing.sh"):
            self.assertIsNotNone(claims.missing(wrong), wrong)

    def test_results_are_dated(self):
        for claim in self.claims:
            with self.subTest(claim.command):
                self.assertRegex(claim.date, r"^\d{4}-\d\d-\d\d$")
                self.assertRegex(claim.commit, r"^`[0-9a-f]{7,}`$")
                self.assertNotEqual(claim.result, "")
                self.assertNotEqual(claim.result, "FAILED")

    def test_commits_are_of_this_history(self):
        if not (claims.ROOT / ".git").exists():
            return                             # an unpacked archive has none
        for commit in {claim.commit.strip("`") for claim in self.claims}:
            done = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=claims.ROOT, check=False, capture_output=True)
            self.assertEqual(done.returncode, 0, commit)

    def test_no_promise_is_without_a_line(self):
        found = claims.promises()
        self.assertGreater(len(found), 5)
        for promise in found:
            with self.subTest(promise):
                self.assertTrue(any(claims.flat(claim.quote) in promise for claim in self.claims), "no line of the ledger quotes it")

    def test_figures_of_the_readme_were_measured(self):
        known = (claims.ROOT / "docs" / "BENCHMARKS.md").read_text(encoding="utf-8") + claims.LEDGER.read_text(encoding="utf-8")
        prose = re.sub(r"^```.*?^```", "", claims.README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for figure in claims.figures(prose):
            self.assertIn(figure, claims.flat(known))


if __name__ == "__main__":
    unittest.main()
