"""Keys and tokens are written in base64url (RFC 7515). What reads it took plain base64, spaces around it, and '=' in the middle of it too: one key and one claim could be written in many ways, of
which other readers of tokens know one."""
import base64
import hashlib
import hmac
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, plain  # noqa: E402


class Base64url(Case):
    def setUp(self):
        super().setUp()
        self.path("db").mkdir()
        plain(self.path("db/red.db"), "CREATE TABLE note(id TEXT PRIMARY KEY, body);")

    def config(self, algorithm, key_file):
        auth = {"jwt": {"algorithm": algorithm, "keyFile": key_file, "audience": "sync"}}
        path = self.path("peer.json")
        path.write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", "auth": auth}), encoding="utf-8")
        return path

    def check_key(self, jwk):
        self.path("keys.json").write_text(json.dumps({"keys": [jwk]}), encoding="utf-8")
        status, _, err = self.run_peer("check-config", self.config("ES256", "keys.json"))
        return status, err

    def test_keys(self):
        jwk = {}
        while not set("-_") & set(jwk.get("x", "")):
            jwk = tokens.KeyPair(self.dir, "ES256").jwk()
        self.assertEqual(self.check_key(jwk)[0], 0)
        for x in (jwk["x"].replace("-", "+").replace("_", "/"), " " * 4 + jwk["x"], jwk["x"] + "=", jwk["x"][:-1] + "\u00e9"):
            with self.subTest(x):
                status, err = self.check_key({**jwk, "x": x})
                self.assertEqual(status, 3, err)
                self.assertIn("key 0 is malformed", err)

    def test_claims(self):
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")
        port = self.peer("serve", "--config", self.config("HS256", "secret")).wait_event("listening")["port"]
        payload = tokens.claims("red", note="~~~???>>>")
        raw = base64.b64encode(json.dumps(payload).encode()).decode().rstrip("=")
        self.assertTrue(set("+/") & set(raw), "what tells the two alphabets apart must be in it")

        def status(signed):
            signature = tokens.b64(hmac.new(tokens.SECRET.encode(), signed.encode(), hashlib.sha256).digest())
            try:
                rawpeer.RawPeer(port, "/red", headers=[f"Authorization: Bearer {signed}.{signature}"]).close()
            except rawpeer.Refused as refused:
                return refused.status
            return 101

        head = tokens.b64(b'{"alg":"HS256"}')
        self.assertEqual(status(f"{head}.{tokens.b64(json.dumps(payload).encode())}"), 101)
        self.assertEqual(status(f"{head}.{raw}"), 401)


if __name__ == "__main__":
    unittest.main()
