"""libwebsockets takes the line behind a header whose name is only the beginning of one that it knows for a part of it: an Origin there was not seen, so a page was let in that is not
listed, and a token there was not seen either. It is not given headers that nobody reads."""
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, plain  # noqa: E402

BY_HALF = ("X", "X-Forwarded", "Auth", "Sec", "Sec-WebSocket", "Origi", "H")


class Headers(Case):
    def setUp(self):
        super().setUp()
        self.path("db").mkdir()
        plain(self.path("db/red.db"), "CREATE TABLE note(id TEXT PRIMARY KEY, body);")
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")
        self.bearer = f"Authorization: Bearer {tokens.hs256(tokens.claims('red'))}"
        auth = {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}, "origins": ["https://app.test"]}
        self.path("peer.json").write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", "auth": auth}), encoding="utf-8")
        peer = self.peer("serve", "--config", self.path("peer.json"))
        self.port = peer.wait_event("listening")["port"]

    def status(self, *headers):
        try:
            rawpeer.RawPeer(self.port, "/red", headers=headers).close()
            return 101
        except rawpeer.Refused as refused:
            return refused.status

    def test_an_origin_behind_one(self):
        for name in BY_HALF:
            with self.subTest(name):
                self.assertEqual(self.status(self.bearer, f"{name}: x", "Origin: https://evil.test"), 403)
                self.assertEqual(self.status(self.bearer, f"{name}: x", "Origin: https://app.test"), 101)

    def test_a_token_behind_one(self):
        for name in BY_HALF:
            with self.subTest(name):
                self.assertEqual(self.status(f"{name}: x", self.bearer), 101)

    def test_a_second_request_among_the_headers(self):
        self.assertEqual(self.status("POST /login HTTP/1.1", self.bearer), 101)

    def test_extensions_of_any_length(self):
        self.assertEqual(self.status(self.bearer, "Sec-WebSocket-Extensions: " + "x" * 500), 101)


if __name__ == "__main__":
    unittest.main()
