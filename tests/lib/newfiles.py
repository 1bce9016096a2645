"""Tests of files that are not there yet, and of what they are made from."""
import json

import snapshots
from synctest import Case

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v);"
LINE = "what is on its way is looked at, which TLS is there to prevent"


def many(count, size=60):
    return (f"WITH c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < {count})"
            f" INSERT INTO t SELECT 'k' || i, hex(randomblob({size // 2})) FROM c;")


class Bootstrap(Case):
    def setUp(self):
        super().setUp()
        self.a, self.c = self.path("a.db"), self.path("c.db")

    def left(self, name="c.db"):
        return sorted(p.name for p in self.dir.iterdir() if p.name.startswith(name))

    def new(self, url, *options, status=0):
        """`sync --once` of a file that is not there: (events, stderr)."""
        got, out, err = self.run_peer("sync", self.c, url, "--once", "--json", *options)
        if status is None:
            self.assertNotEqual(0, got, out + err)
        else:
            self.assertEqual(status, got, out + err)
        return [json.loads(line) for line in out.splitlines()], err

    def assert_snapshot(self, events, taken=True):
        self.assertEqual(taken, any(event["event"] == "snapshot" for event in events), events)

    def between(self, server, look):
        way = snapshots.Between(server.port, look)
        self.addCleanup(way.close)
        return way, f"ws://127.0.0.1:{way.port}/{server.room}"

    def giver(self, messages, **options):
        server = snapshots.giver(messages, **options)
        self.addCleanup(server.close)
        return server.url
