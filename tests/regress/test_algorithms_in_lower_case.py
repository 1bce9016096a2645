"""The name of a token's algorithm is compared letter by letter (RFC 7515, 4.1.1). libjwt takes "hs256" for HS256, so tokens were admitted whose algorithm has no such name."""
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, plain  # noqa: E402


class Algorithms(Case):
    def test_their_names(self):
        self.path("db").mkdir()
        plain(self.path("db/red.db"), "CREATE TABLE note(id TEXT PRIMARY KEY, body);")
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")
        auth = {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}}
        self.path("peer.json").write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", "auth": auth}), encoding="utf-8")
        port = self.peer("serve", "--config", self.path("peer.json")).wait_event("listening")["port"]
        for name, status in (("HS256", 101), ("hs256", 401), ("Hs256", 401), ("HS256 ", 401), ("HS384", 401)):
            with self.subTest(name):
                token = tokens.hs256(tokens.claims("red"), header={"alg": name, "typ": "JWT"})
                try:
                    rawpeer.RawPeer(port, "/red", headers=[f"Authorization: Bearer {token}"]).close()
                    answered = 101
                except rawpeer.Refused as refused:
                    answered = refused.status
                self.assertEqual(answered, status)


if __name__ == "__main__":
    unittest.main()
