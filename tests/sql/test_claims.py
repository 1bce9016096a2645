"""The claims ledger in docs/TESTING.md holds together: what it quotes stands in the README, what it names exists, and no sentence that
promises anything is without a line."""
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
                self.assertIn(claim.result, ("passed", "skipped"))

    def test_commits_are_of_this_history(self):
        if not (claims.ROOT / ".git").exists():
            return                             # an unpacked archive has none
        for commit in {claim.commit.strip("`") for claim in self.claims}:
            done = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=claims.ROOT, check=False, capture_output=True)
            self.assertEqual(done.returncode, 0, commit)

    def test_no_promise_is_without_a_line(self):
        found = claims.promises()
        self.assertGreater(len(found), 50)
        quotes = [claim.quote for claim in self.claims]
        for promise in found:
            with self.subTest(promise):
                self.assertTrue(claims.covered(promise, quotes), "no line of the ledger quotes it")

    def test_what_promises_nothing_is_in_the_readme(self):
        for sentence in claims.NO_PROMISES:
            self.assertIn(sentence, self.readme)

    def test_a_promise_without_a_line_is_noticed(self):
        promise = next(p for p in claims.promises() if "`sync-peer verify A B`" in p)
        quotes = [claim.quote for claim in self.claims]
        self.assertTrue(claims.covered(promise, quotes))
        self.assertFalse(claims.covered(promise, [quote for quote in quotes if "verify" not in quote]))

    def test_figures_of_the_readme_were_measured(self):
        known = (claims.ROOT / "docs" / "BENCHMARKS.md").read_text(encoding="utf-8")
        prose = re.sub(r"^```.*?^```", "", claims.README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for figure in claims.figures(prose):
            self.assertIn(figure, claims.flat(known))


if __name__ == "__main__":
    unittest.main()
