"""Bounds of the peer at n and at n + 1: of the configuration, of the command line, and of what comes over a connection."""
import json
import sys
import time
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, plain  # noqa: E402

NOTES = "CREATE TABLE note(id TEXT PRIMARY KEY, body);"


class Bounds(Case):
    def setUp(self):
        super().setUp()
        self.path("db").mkdir()
        self.links = []

    def config(self, **settings):
        path = self.path("peer.json")
        path.write_text(json.dumps({**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", **settings}), encoding="utf-8")
        return path

    def is_good(self, **settings):
        status, _, err = self.run_peer("check-config", self.config(**settings))
        self.assertIn(status, (0, 2), err)
        return status == 0

    def test_each_configured_limit(self):
        """The least and the largest number that the schema allows, and the next ones; whatever limit there is."""
        names = limits.configured()
        self.assertGreaterEqual(len(names), 10)
        for name, rule in names.items():
            *outer, short = name.split(".")
            for number, good in ((rule["minimum"], True), (rule["minimum"] - 1, False), (rule["maximum"], True), (rule["maximum"] + 1, False)):
                with self.subTest(name, number=number):
                    settings = {"rooms": [{"name": "red", "limits": {short: number}}]} if outer == ["rooms", "limits"] else {"limits": {short: number}}
                    self.assertEqual(self.is_good(**settings), good)

    def test_addresses(self):
        n = limits.value("PEER_LISTEN_MAX")
        self.assertTrue(self.is_good(listen=["127.0.0.1:0"] * n))
        status, _, err = self.run_peer("check-config", self.config(listen=["127.0.0.1:0"] * (n + 1)))
        self.assertEqual(status, 2, err)
        self.assertIn(f"more than the {n} addresses", err)

    def test_urls(self):
        n = limits.value("PEER_FOLLOW_MAX")
        for count, says in ((n, "none.db"), (n + 1, f"more than {n} URLs")):
            status, _, err = self.run_peer("sync", self.path("nowhere") / "none.db", *[f"ws://127.0.0.1:1/r{i}" for i in range(count)])
            self.assertEqual(status, 3 if count == n else 2, err)
            self.assertIn(says, err)

    def test_how_long_a_token_is_good(self):
        n = limits.value("PEER_TOKEN_SECONDS_MAX")
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")
        for seconds, expected in ((n, 0), (n + 1, 2)):
            status, _, err = self.run_peer("token", "--key-file", self.path("secret"), "--audience", "sync", "--sub", "ann", "--room", "red", "--rights", "read", "--seconds", seconds)
            self.assertEqual(status, expected, err)

    def status(self, port, path="/red", headers=()):
        try:
            rawpeer.RawPeer(port, path, headers=headers).close()
        except rawpeer.Refused as refused:
            return refused.status
        return 101

    def test_tokens(self):
        n = limits.value("PEER_TOKEN_BYTES_MAX")
        plain(self.path("db/red.db"), NOTES)
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")
        peer = self.peer("serve", "--config", self.config(auth={"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}}))
        port = peer.wait_event("listening")["port"]

        def of_size(size):
            """Not every length can be had by the claims alone."""
            for more in range(4):
                header = {"alg": "HS256", "kid": "k" * more}
                short = len(tokens.hs256(tokens.claims("red", pad=""), header=header))
                for pad in range((size - short) * 3 // 4 - 3, (size - short) * 3 // 4 + 4):
                    made = tokens.hs256(tokens.claims("red", pad="x" * pad), header=header)
                    if len(made) == size:
                        return made
            raise AssertionError(f"no token has {size} bytes")

        for size, status in ((n, 101), (n + 1, 401)):
            self.assertEqual(self.status(port, headers=[f"Authorization: Bearer {of_size(size)}"]), status)

    def test_scripts(self):
        n = limits.value("PEER_SCRIPT_BYTES_MAX")
        self.path("sql").mkdir()
        for name, size in (("fits", n), ("large", n + 1)):
            self.path(f"sql/{name}.sql").write_text(NOTES + "-" * (size - len(NOTES)), encoding="utf-8")
        peer = self.peer("serve", "--config", self.config(create=True, schemaFolder="sql"))
        url = f"{synctest.SCHEME}://127.0.0.1:{peer.wait_event('listening')['port']}"
        status, _, err = self.run_peer("clone", f"{url}/fits", self.path("fits.db"))
        self.assertEqual(status, 0, err)
        status, _, err = self.run_peer("clone", f"{url}/large", self.path("large.db"))
        self.assertNotEqual(status, 0)
        synctest.eventually(lambda: f"large.sql is larger than {n >> 10} KiB" in peer.stderr, lambda: peer.stderr)

    def test_idle_seconds(self):
        """A room that nobody uses stays as long as idleSeconds says, and is closed then."""
        plain(self.path("db/red.db"), NOTES)
        peer = self.peer("serve", "--config", self.config(limits={"idleSeconds": 1}))
        port = peer.wait_event("listening")["port"]
        rawpeer.RawPeer(port, "/red").close()
        left = time.monotonic()
        peer.wait_event("closed", room="red")
        self.assertGreater(time.monotonic() - left, 0.9)

    def test_links_in_metrics(self):
        """One by one, as long as they are few; one more, and none of them is told of."""
        n = limits.value("PEER_METRICS_LINKS_MAX")
        plain(self.path("db/red.db"), NOTES)
        peer = self.peer("serve", "--config", self.config(metrics={"listen": "127.0.0.1:0"}))
        port, metrics = peer.wait_event("listening")["port"], peer.wait_event("metrics")["port"]

        def told():
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=30) as answer:
                return sum(line.startswith("sync_peer_connection_lag_seconds{") for line in answer.read().decode().splitlines())

        for count, expected in ((n, n), (n + 1, 0)):
            while len(self.links) < count:
                self.links.append(rawpeer.RawPeer(port, "/red"))
            synctest.eventually(lambda expected=expected: told() == expected, lambda: f"{told()} of {count}")
        for link in self.links:
            link.close()

    def test_differences_that_are_listed(self):
        n = limits.value("PEER_VERIFY_SHOWN")
        for count, more in ((n, False), (n + 1, True)):
            one, two = self.path(f"one{count}.db"), self.path(f"two{count}.db")
            for db in (one, two):
                plain(db, NOTES)
                synctest.shell(db, "SELECT sync_track_all()")
            plain(one, f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO note SELECT i, i FROM n")
            status, out, err = self.run_peer("verify", one, two)
            self.assertEqual(status, 14, err)
            self.assertEqual("... and 1 more" in out, more, out)

    def shows(self, size, *options):
        """Does verify show a value of so many bytes?"""
        one, two = self.path("shown.db"), self.path("other.db")
        for db in (one, two):
            db.unlink(missing_ok=True)
            plain(db, NOTES)
            synctest.shell(db, "SELECT sync_track_all()")
        for db, letter in ((one, "x"), (two, "y")):
            plain(db, f"INSERT INTO note VALUES('k', '{letter * size}')")
        status, out, err = self.run_peer("verify", one, two, *options)
        self.assertEqual(status, 14, err)
        self.assertEqual("x" * size in out, f'{{"$text_bytes":{size}}}' not in out, out)
        return "x" * size in out

    def test_values_that_are_shown(self):
        n = limits.value("PEER_VERIFY_VALUE_BYTES")
        self.assertEqual([self.shows(size) for size in (n, n + 1)], [True, False])

    def test_values_that_are_shown_as_json(self):
        n = limits.value("PEER_VERIFY_VALUE_BYTES_JSON")
        self.assertEqual([self.shows(size, "--json") for size in (n, n + 1)], [True, False])

    @synctest.without_tls("libwebsockets reads the first line by itself")
    def test_first_lines(self):
        """The line with its end: one more byte, and it is no request."""
        n = limits.value("PEER_REQUEST_BYTES_MAX")
        port = self.peer("serve", "--config", self.config(create=True)).wait_event("listening")["port"]
        for size, answered in ((n, True), (n + 1, False)):
            line = b"GET /" + b"x" * (size - len(b"GET / HTTP/1.1\r\n")) + b" HTTP/1.1\r\n"
            self.assertEqual(len(line), size)
            with rawpeer.connect(port) as s:
                s.sendall(line + b"Host: x\r\n\r\n")
                try:
                    answer = s.recv(4096)
                except ConnectionResetError:
                    answer = b""
            self.assertEqual(answer.startswith(b"HTTP/"), answered, (size, answer))


if __name__ == "__main__":
    unittest.main()
