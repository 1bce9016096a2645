"""Mutual TLS: who shows a certificate that is trusted may join the rooms that are for its name, without a token."""
import json
import signal
import socket
import ssl
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tokens  # noqa: E402
from rooms import NOTES  # noqa: E402
from synctest import Case, ask, certificate, eventually, plain, without_tls  # noqa: E402
from tokens import claims, hs256  # noqa: E402


@without_tls("it is TLS that is tested")
class Certificates(Case):
    def setUp(self):
        super().setUp()
        self.path("db").mkdir()
        self.cert, self.key = certificate(self.dir, "server", "localhost", "127.0.0.1")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
        for room in ("red", "blue"):
            plain(self.path(f"db/{room}.db"), NOTES)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.dir)

    def member(self, name, days="2", authority="ca"):
        """A certificate of the authority's for a name: the options that show it."""
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", days)
        return "--client-cert-file", self.path(f"{name}.pem"), "--client-key-file", self.path(f"{name}.key")

    def config(self, members, **settings):
        auth = {"certificates": {"caFile": "ca.pem", "members": members}, **settings}
        whole = {"listen": "127.0.0.1:0", "dbFolder": "db", "limits": {"idleSeconds": 0}, "tls": {"certFile": "server.pem", "keyFile": "server.key"}, "auth": auth}
        self.path("peer.json").write_text(json.dumps(whole), encoding="utf-8")
        return self.path("peer.json")

    def serve_rooms(self, members, **settings):
        peer = self.peer("serve", "--config", self.config(members, **settings))
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def once(self, peer, room, *options, status=0, says=""):
        db = self.path(f"{room}-member.db")
        if not db.exists():
            plain(db, NOTES + f"INSERT INTO note VALUES('{room}', 1);")
        got, out, err = self.run_peer("sync", db, f"wss://localhost:{peer.port}/{room}", "--once", "--ca-file", self.cert, *options)
        self.assertEqual(got, status, out + err)
        self.assertIn(says, err)

    def test_names_and_rooms(self):
        peer = self.serve_rooms([{"name": "ann", "rooms": "red"}, {"name": "office-*", "rooms": "b*"}])
        ann, bob, office = self.member("ann"), self.member("bob"), self.member("office-3")
        self.once(peer, "red", *ann)
        self.assertEqual(ask(self.path("db/red.db"), "SELECT id FROM note"), "red")
        self.once(peer, "blue", *ann, status=9, says="401")
        self.once(peer, "blue", *office)
        self.once(peer, "red", *office, status=9)
        self.once(peer, "red", *bob, status=9)
        self.once(peer, "red", status=9)

    def test_rights(self):
        peer = self.serve_rooms([{"name": "ann", "rooms": "*", "rights": ["read"]}])
        plain(self.path("db/red.db"), "INSERT INTO note VALUES('there', 1)")
        self.once(peer, "red", *self.member("ann"))
        self.assertEqual(ask(self.path("red-member.db"), "SELECT group_concat(id) FROM (SELECT id FROM note ORDER BY id)"), "red,there")
        self.assertEqual(ask(self.path("db/red.db"), "SELECT group_concat(id) FROM note"), "there")

    def test_who_is_there(self):
        """GET /rooms and GET /ROOM/users, by certificate: see test_peer_roster.py."""
        peer = self.serve_rooms([{"name": "ann", "rooms": "red", "rights": ["read"]}, {"name": "bob", "rooms": "*", "rights": ["write"]}])
        self.member("ann"), self.member("bob")
        plain(self.path("red-member.db"), NOTES)
        follower = self.sync(self.path("red-member.db"), f"wss://localhost:{peer.port}/red", "--ca-file", self.cert, "--client-cert-file", self.path("ann.pem"), "--client-key-file", self.path("ann.key"))
        follower.wait_event("connected")
        for name, path, status, says in (("ann", "/rooms", 200, '"room":"red","open":true,"members":1'), ("ann", "/red/users", 200, '{"user":"ann","by":"certificate","since":'), ("ann", "/blue/users", 401, "the certificate is not for this room"),
                                         ("bob", "/rooms", 200, '"rooms":[]'), ("bob", "/red/users", 403, "to read is not allowed"), (None, "/rooms", 401, "a certificate is needed")):
            got, body = self.get(peer, path, name)
            self.assertEqual((got, says in body, "blue\",\"open" in body), (status, True, False), body)

    def get(self, peer, path, name):
        context = ssl.create_default_context(cafile=self.cert)
        if name:
            context.load_cert_chain(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        with context.wrap_socket(socket.create_connection(("127.0.0.1", peer.port), timeout=30), server_hostname="localhost") as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        return int(answer.split()[1]), answer.decode()

    def test_others_that_are_not_trusted(self):
        peer = self.serve_rooms([{"name": "*", "rooms": "*"}])
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "other.key", "-out", "other.pem", "-days", "2", "-subj", "/CN=ann")
        for shown in (self.member("eve", authority="other"), ("--client-cert-file", self.path("other.pem"), "--client-key-file", self.path("other.key")), self.member("old", days="-1")):
            got, _, err = self.run_peer("sync", self.path("red-member.db"), f"wss://localhost:{peer.port}/red", "--once", "--ca-file", self.cert, *shown)
            self.assertNotEqual(got, 0, err)
        self.assertIsNone(ask(self.path("db/red.db"), "SELECT max(id) FROM note"))
        self.once(peer, "red", *self.member("ann"))

    def test_a_token_in_its_place(self):
        self.path("secret").write_text(tokens.SECRET + "\n", encoding="utf-8")
        peer = self.serve_rooms([{"name": "ann", "rooms": "red"}], jwt={"algorithm": "HS256", "keyFile": "secret", "audience": "sync"})
        self.path("token").write_text(hs256(claims("blue")), encoding="utf-8")
        self.once(peer, "blue", "--token-file", self.path("token"))
        self.once(peer, "red", "--token-file", self.path("token"), *self.member("ann"), status=9)  # who shows a token is judged by that
        self.once(peer, "red", *self.member("ann"))
        self.once(peer, "red", status=9)

    def test_members_change(self):
        peer = self.serve_rooms([{"name": "ann", "rooms": "red"}])
        db = self.path("red-member.db")
        plain(db, NOTES)
        follower = self.sync(db, f"wss://localhost:{peer.port}/red", "--ca-file", self.cert, *self.member("ann"))
        follower.wait_event("connected")
        self.config([{"name": "bob", "rooms": "red"}])
        peer.process.send_signal(signal.SIGHUP)
        self.assertIn("everybody has to show himself again", peer.wait_event("reloaded")["text"])
        follower.wait_event("disconnected")
        self.once(peer, "red", *self.member("ann"), status=9)
        self.once(peer, "red", *self.member("bob"))

    def test_what_is_wrong_is_named(self):
        for change, says in (({"tls": None}, "/auth/certificates"), ({"auth": {}}, "/auth: it has neither"), ({"clientCertFile": "gone.pem", "clientKeyFile": "gone.key"}, "gone.pem"),
                             ({"auth": {"certificates": {"caFile": "gone.pem", "members": [{"name": "a", "rooms": "*"}]}}}, "gone.pem")):
            with self.subTest(change=change):
                path = self.config([{"name": "a", "rooms": "*"}])
                whole = {**json.loads(path.read_text(encoding="utf-8")), **change}
                path.write_text(json.dumps({k: v for k, v in whole.items() if v is not None}), encoding="utf-8")
                status, _, err = self.run_peer("serve", "--config", path)
                self.assertIn(status, (2, 3), err)
                self.assertIn(says, err)
        status, _, err = self.run_peer("sync", self.path("db/red.db"), "wss://localhost:1/red", "--client-cert-file", self.cert)
        self.assertEqual((status, "need each other" in err), (2, True), err)

    def test_a_link_of_a_configuration_shows_one(self):
        peer = self.serve_rooms([{"name": "branch", "rooms": "*"}])
        self.member("branch")
        folder = self.path("branch")
        (folder / "db").mkdir(parents=True)
        plain(folder / "db/red.db", NOTES + "INSERT INTO note VALUES('of the branch', 1);")
        (folder / "peer.json").write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", "caFile": str(self.cert), "clientCertFile": "../branch.pem", "clientKeyFile": "../branch.key",
                                                      "links": [{"rooms": "*", "url": f"wss://localhost:{peer.port}/*", "open": True}]}), encoding="utf-8")
        self.peer("serve", "--config", folder / "peer.json")
        eventually(lambda: ask(self.path("db/red.db"), "SELECT max(id) FROM note") == "of the branch", "the row")


if __name__ == "__main__":
    unittest.main()
