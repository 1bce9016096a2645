"""A request with two Hosts is malformed (RFC 9112, 3.2). Where the configuration names no hosts, it was let in: what stands before the peer may have gone by the other one."""
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, plain  # noqa: E402


class Hosts(Case):
    def test_two_of_them(self):
        self.path("db").mkdir()
        plain(self.path("db/red.db"), "CREATE TABLE note(id TEXT PRIMARY KEY, body);")
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")
        bearer = f"Authorization: Bearer {tokens.hs256(tokens.claims('red'))}"
        for hosts in ({}, {"hosts": ["127.0.0.1", "sync.test"]}):
            with self.subTest(hosts):
                auth = {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}, **hosts}
                self.path("peer.json").write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", "auth": auth}), encoding="utf-8")
                peer = self.peer("serve", "--config", self.path("peer.json"))
                port = peer.wait_event("listening")["port"]
                rawpeer.RawPeer(port, "/red", headers=[bearer]).close()
                for other in ("sync.test", "127.0.0.1", "x"):
                    with self.assertRaises(rawpeer.Refused) as refused:
                        rawpeer.RawPeer(port, "/red", headers=[f"Host: {other}", bearer])
                    self.assertEqual(refused.exception.status, 403)
                peer.stop()


if __name__ == "__main__":
    unittest.main()
