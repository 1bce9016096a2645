"""A server that answers the upgrade with a redirect: the peer went to whatever host it named, and exchanged rows there. The URL that was given is
the one that is meant."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from stranger import Stranger, says  # noqa: E402
from synctest import Case, plain  # noqa: E402


class Redirects(Case):
    def setUp(self):
        super().setUp()
        self.a, self.b = self.path("a.db"), self.path("b.db")
        for db in (self.a, self.b):
            plain(db, f"CREATE TABLE t(id TEXT PRIMARY KEY); INSERT INTO t VALUES('{db.name}');")

    def sends(self, *lines):
        stranger = Stranger(says(lines))
        self.addCleanup(stranger.close)
        return stranger

    def test_redirects(self):
        server = self.serve(self.a)
        for status in (301, 302, 303, 307, 308):
            for target in (server.url, server.url.replace("ws:", "http:")):
                with self.subTest(status=status, target=target):
                    stranger = self.sends(f"HTTP/1.1 {status} Elsewhere", f"Location: {target}", "Content-Length: 0")
                    got, out, err = self.run_peer("sync", self.b, stranger.url)  # for good: it does not end otherwise
                    self.assertEqual(9, got, out + err)
                    self.assertIn(f"it redirects to {target}, which is not followed", err.splitlines()[-1])
                    self.assertEqual(1, stranger.asked)
        self.assertEqual("b.db", plain(self.b, "SELECT group_concat(id) FROM t"))
        server.stop()
        self.assertNotIn("connected", [event["event"] for event in server.all_events()])

    def test_a_clone(self):
        server = self.serve(self.a)
        stranger = self.sends("HTTP/1.1 302 Found", f"Location: {server.url}")
        got, _, err = self.run_peer("clone", stranger.url, self.path("new.db"))
        self.assertEqual(9, got, err)
        self.assertFalse(self.path("new.db").exists())

    def test_a_redirect_to_nowhere(self):
        stranger = self.sends("HTTP/1.1 302 Found", "Content-Length: 0")
        got, _, err = self.run_peer("sync", self.b, stranger.url)
        self.assertEqual(9, got, err)
        self.assertIn("HTTP status 302", err)


if __name__ == "__main__":
    unittest.main()
