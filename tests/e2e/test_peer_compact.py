"""Peers and deletes that are forgotten: a file that was away recovers by itself, and what followers hold is noted."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from synctest import Case, eventually, shell  # noqa: E402

SCHEMA = """
CREATE TABLE note(id TEXT PRIMARY KEY, title TEXT, body TEXT);
CREATE TABLE log(id INTEGER PRIMARY KEY, line TEXT);
"""


def plain(db, sql):
    return synctest.plain(db, f".timeout {synctest.SECONDS_MAX}000\n{sql}")


def extended(db, sql):
    return shell(db, f".timeout {synctest.SECONDS_MAX}000\n{sql}")


class Compaction(Case):
    def make(self, *names):
        paths = [self.path(name) for name in names]
        for path in paths:
            plain(path, SCHEMA)
        return paths

    def once(self, db, url):
        got, out, err = self.run_peer("sync", db, url, "--once")
        self.assertEqual(0, got, out + err)

    def fill(self, db, rows):
        plain(db, f"WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
                  " INSERT INTO note SELECT 'n' || i, 't', hex(randomblob(20)) FROM n;"
                  f"WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO log SELECT i, 'l' FROM n")

    def test_a_follower_that_was_away(self):
        """In parts, while the other side runs and goes on."""
        a, b, c = self.make("a.db", "b.db", "c.db")
        server = self.serve(a)
        self.once(b, server.url)
        self.fill(a, 1000)
        self.once(b, server.url)
        self.sync(c, server.url)
        self.wait_same(a, b, c)
        plain(a, "DELETE FROM note WHERE id LIKE '%5'; DELETE FROM log WHERE id % 7 = 0")
        self.wait_same(a, c)
        self.assertGreater(int(extended(a, "SELECT sync_compact('{\"age\": 0}')")), 200)
        plain(b, "UPDATE note SET title = 'from b' WHERE id LIKE '%6' OR id = 'n5'; INSERT INTO note VALUES('own', 'b', ''); INSERT INTO log(line) VALUES('own')")
        self.sync(b, server.url)
        self.wait_same(a, b, c)
        self.assertEqual("100|1", plain(a, "SELECT count(*) FILTER (WHERE title = 'from b'), count(*) FILTER (WHERE id = 'own') FROM note"))
        self.assertEqual("0|0|1", plain(b, "SELECT (SELECT count(*) FROM note WHERE id LIKE '%5'), count(*) FILTER (WHERE id % 7 = 0 AND line = 'l'),"
                                           " count(*) FILTER (WHERE line = 'own') FROM log"))
        plain(b, "INSERT INTO note VALUES('later', 'b', '')")
        self.wait_same(a, b, c)
        self.assert_sound(a, b, c)

    def test_once_is_enough(self):
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        self.once(b, server.url)
        self.fill(b, 50)
        self.once(b, server.url)
        plain(a, "DELETE FROM note")
        plain(b, "DELETE FROM log; INSERT INTO note VALUES('own', '', '')")
        for db in (a, b):
            extended(db, "SELECT sync_compact('{\"age\": 0}')")
        self.once(b, server.url)
        self.assert_same(a, b)
        self.assertEqual("1|0", plain(a, "SELECT (SELECT count(*) FROM note), (SELECT count(*) FROM log)"))

    def test_what_followers_hold_is_noted(self):
        """A follower that only takes: its file makes no deltas that could tell."""
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        self.sync(b, server.url)
        self.fill(a, 10)
        self.wait_same(a, b)
        plain(a, "DELETE FROM note")
        deleted = plain(a, "SELECT max(at) FROM sync_journal")
        self.wait_same(a, b)
        eventually(lambda: plain(a, f"SELECT count(*) FROM sync_peer WHERE at > {deleted}") == "1", "it is noted in a quiet moment")
        self.assertEqual("10", extended(a, "SELECT sync_compact()"))
        plain(a, "INSERT INTO note VALUES('n1', 'again', '')")
        self.wait_same(a, b)
        self.assert_sound(a, b)

    def test_a_clone_of_what_is_left(self):
        (a,) = self.make("a.db")
        self.serve(a).stop()
        self.fill(a, 20)
        plain(a, "DELETE FROM note WHERE id <> 'n7'; DELETE FROM log WHERE id > 3")
        extended(a, "SELECT sync_compact('{\"age\": 0}')")
        server = self.serve(a)
        b = self.path("b.db")
        got, out, err = self.run_peer("clone", server.url, b)
        self.assertEqual(0, got, out + err)
        self.assert_same(a, b)


if __name__ == "__main__":
    unittest.main(verbosity=1)
