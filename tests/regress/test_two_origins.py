"""A request with two Origins, which no browser sends: they were read as one text, of which the end counted where the host's own pages are welcome."""
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, plain  # noqa: E402


class Origins(Case):
    def test_two_of_them(self):
        self.path("db").mkdir()
        plain(self.path("db/red.db"), "CREATE TABLE note(id TEXT PRIMARY KEY, body);")
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")
        bearer = f"Authorization: Bearer {tokens.hs256(tokens.claims('red'))}"
        for origins in ({}, {"origins": ["https://app.test"]}):
            auth = {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}, **origins}
            self.path("peer.json").write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", "auth": auth}), encoding="utf-8")
            peer = self.peer("serve", "--config", self.path("peer.json"))
            port = peer.wait_event("listening")["port"]
            good = "https://app.test" if origins else f"http://127.0.0.1:{port}"
            rawpeer.RawPeer(port, "/red", headers=[bearer, f"Origin: {good}"]).close()
            for first, second in (("https:", good), ("evil", good), (good, "https://evil.test"), (good, good)):
                for name in ("Origin", "Sec-WebSocket-Origin"):
                    with self.subTest(first=first, second=second, name=name), self.assertRaises(rawpeer.Refused) as refused:
                        rawpeer.RawPeer(port, "/red", headers=[f"{name}: {first}", f"Origin: {second}", bearer])
                    self.assertEqual(refused.exception.status, 403)
            peer.stop()


if __name__ == "__main__":
    unittest.main()
