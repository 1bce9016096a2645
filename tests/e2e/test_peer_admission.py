"""Who is let in, before the upgrade: every combination of token, Host, Origin and room; tokens of each algorithm; expiry under a live link."""
import itertools
import json
import re
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
import users  # noqa: E402
from synctest import Case, ask, eventually, patiently, plain  # noqa: E402
from tokens import claims, hs256  # noqa: E402

NOTES = "CREATE TABLE note(id TEXT PRIMARY KEY, body);"


class Admission(Case):
    def setUp(self):
        super().setUp()
        self.path("db").mkdir()
        plain(self.path("db/red.db"), NOTES)
        plain(self.path("db/red-2.db"), NOTES)
        self.path("secret").write_text(tokens.SECRET + "\n", encoding="utf-8")

    def config(self, jwt=None, **auth):
        whole = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "limits": {"idleSeconds": 0},
                 "auth": {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync", **(jwt or {})}, **auth}}
        path = self.path("peer.json")
        path.write_text(json.dumps(whole), encoding="utf-8")
        return path

    def serve_rooms(self, jwt=None, **auth):
        peer = self.peer("serve", "--config", self.config(jwt, **auth))
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def upgrade(self, port, path="/red", token=None, protocol="sync.v1", **headers):
        """The status of an attempt."""
        lines = {"Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                 "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": protocol, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if token is not None:
            lines["Authorization"] = "Bearer " + token
        text = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None) + "\r\n"
        with rawpeer.connect(port, synctest.SECONDS_MAX) as s:
            s.sendall(text.encode())
            answer = s.recv(4096)
        return int(answer.split()[1]) if answer else 0

    def follow(self, peer, room, token):
        """A new file that follows a room with a token: (file, its peer)."""
        self.path("token").write_text(token, encoding="utf-8")
        db = self.path(f"{room}-member.db")
        plain(db, NOTES)
        return db, self.sync(db, f"{synctest.SCHEME}://127.0.0.1:{peer.port}/{room}", "--token-file", self.path("token"))


class Matrix(Admission):
    def test_every_combination(self):
        """What may go on is reckoned here by itself; nothing else reaches the upgrade."""
        peer = self.serve_rooms(hosts=["sync.test", "127.0.0.1"], origins=["https://app.test"])
        now = int(time.time())
        good = hs256(claims("red"))
        head, payload, signature = good.split(".")
        cases = {  # token -> (Authorization, is it good for room red)
            "good": ("Bearer " + good, True), "in lower case": ("bearer " + good, True),
            "for several rooms": ("Bearer " + hs256(claims(["blue", "r*d"])), True),
            "for several audiences": ("Bearer " + hs256(claims("red", aud=["x", "sync"])), True),
            "none": (None, False), "empty": ("Bearer ", False), "another scheme": ("Basic " + good, False), "bare": (good, False),
            "expired": ("Bearer " + hs256(claims("red", exp=now - 6)), False), "not yet": ("Bearer " + hs256(claims("red", nbf=now + 60)), False),
            "another audience": ("Bearer " + hs256(claims("red", aud="other")), False),
            "another secret": ("Bearer " + hs256(claims("red"), "another secret, which is long enough too"), False),
            "no signature": ("Bearer " + head + "." + payload + ".", False),
            "none as algorithm": ("Bearer " + tokens.unsigned({"alg": "none"}, claims("red")) + ".", False),
            "another algorithm": ("Bearer " + hs256(claims("red"), header={"alg": "HS512"}), False),
            "with what must be understood": ("Bearer " + hs256(claims("red"), header={"alg": "HS256", "crit": ["b64"], "b64": False}), False),
            "a NUL behind it": ("Bearer " + good + "\0.x", False), "two in one": ("Bearer " + good + ",Bearer " + good, False),
            "changed": ("Bearer " + head + "." + tokens.b64(json.dumps(claims("*")).encode()) + "." + signature, False),
            "nonsense": ("Bearer x.y.z", False), "no text": ("Bearer \x01\x02", False), "long": ("Bearer " + "x" * 2500, False),
            "an array": ("Bearer " + hs256([1, 2]), False),
            **{f"without {name}": ("Bearer " + hs256(claims("red", **{name: None})), False) for name in ("exp", "nbf", "aud", "sub", "room", "rights")},
            "exp as text": ("Bearer " + hs256(claims("red", exp=str(now + 60))), False),
        }
        hosts = {"named": ("sync.test", True), "address": ("127.0.0.1", True), "in capitals": ("SYNC.TEST", True), "other": ("evil.test", False), "none": (None, False), "with a NUL": ("sync.test\0.evil.test", False)}
        origins = {"none": (None, True), "listed": ("https://app.test", True), "other": ("https://evil.test", False), "of the host": ("http://sync.test", False),
                   "null": ("null", False), "empty": ("", False), "with a NUL": ("https://app.test\0.evil.test", False)}
        rooms = {"/red": ("red", 101), "/gone": ("gone", 404), "/red?token=" + good: (None, 400)}
        tried = 0
        for (token, host, origin, path) in itertools.product(cases, hosts, origins, rooms):
            header, fits = cases[token]
            room, there = rooms[path]
            valid = fits and room == "red"
            expected = there if room is None else 403 if not (hosts[host][1] and origins[origin][1]) else 401 if not valid else there
            status = self.upgrade(peer.port, path, Host=hosts[host][0], Origin=origins[origin][0], Authorization=header)
            if host == "none":
                self.assertNotEqual(status, 101, (token, host, origin, path))
            else:
                self.assertEqual(status, expected, (token, host, origin, path))
            tried += 1
        self.assertGreaterEqual(tried, 500)
        self.assertEqual(peer.stop(), 0)
        self.assertNotIn(signature, peer.stderr)
        self.assertFalse(any(signature in json.dumps(event) for event in peer.all_events()))

    def test_every_combination_with_cookies(self):
        """Beside tokens, which go before them."""
        users.prepare(self)
        peer = self.serve_rooms(hosts=["127.0.0.1"], origins=["https://app.test"], **users.AUTH)
        good, now = users.cookie(), int(time.time())
        shown = users.post(peer.port, user="ann", password="a good password", Host="127.0.0.1").cookie
        cookies = {  # -> (Cookie, is it good for room red)
            "none": (None, False), "empty": ("", False), "from a login": (shown, True), "good": (good, True), "among others": ("a=b; " + good + "; c", True), "changed": (good[:-3] + "AAA", False),
            "twice": (good + "; " + good, False), "expired": (users.cookie(exp=now - 1), False), "of another secret": (users.cookie(secret=tokens.SECRET), False), "a token": (users.name() + "=" + hs256(claims("red"), users.SECRET), False),
            "for another room": (users.cookie(room="blue"), False), "with a NUL": (good + "\0; x", False), "unsigned": (users.name() + "=" + tokens.unsigned({"alg": "none"}, claims("red")) + ".", False),
            "of another name": ("my" + good, False)}
        bearers = {"none": (None, None), "good": ("Bearer " + hs256(claims("red")), True), "bad": ("Bearer x.y.z", False), "a cookie": ("Bearer " + good.split("=", 1)[1], False), "another scheme": ("Basic eA==", None)}
        hosts = {"named": ("127.0.0.1", True), "other": ("evil.test", False)}
        origins = {"none": (None, True), "listed": ("https://app.test", True), "other": ("https://evil.test", False), "of the host": ("http://127.0.0.1", False)}
        for (cookie, bearer, host, origin, path) in itertools.product(cookies, bearers, hosts, origins, ("/red", "/gone")):
            header, fits = cookies[cookie]
            field, valid = bearers[bearer]
            valid = (fits if valid is None else valid) and path == "/red"
            expected = 403 if not (hosts[host][1] and origins[origin][1]) else 101 if valid else 401
            self.assertEqual(self.upgrade(peer.port, path, Host=hosts[host][0], Origin=origins[origin][0], Authorization=field, Cookie=header), expected, (cookie, bearer, host, origin, path))
        self.assertEqual(peer.stop(), 0)
        for secret in (good, shown):
            self.assertNotIn(secret[-20:], peer.stderr + json.dumps(peer.all_events()))

    def test_pages_of_the_host_itself(self):
        """Where no origins are listed."""
        peer = self.serve_rooms()
        token = hs256(claims("red"))
        host = f"127.0.0.1:{peer.port}"
        for origin, status in ((f"http://{host}", 101), (f"https://{host}", 101), ("http://127.0.0.1", 403), ("http://evil.test", 403), (host, 403)):
            self.assertEqual(self.upgrade(peer.port, token=token, Host=host, Origin=origin), status, origin)
        self.assertEqual(self.upgrade(peer.port, token=token, Host="anything"), 101)
        self.assertEqual(self.upgrade(peer.port, Origin=f"http://{host}", Host=host), 401)  # an Origin alone is not enough

    def test_rights(self):
        peer = self.serve_rooms()
        for rights, status in ((["read", "write"], 101), (["read", "write", "admin"], 101), ("read", 101), (["write"], 101), ("admin", 403), ([], 401), ("none", 401), (7, 401)):
            self.assertEqual(self.upgrade(peer.port, token=hs256(claims("red", rights=rights))), status, rights)

    def test_rooms(self):
        peer = self.serve_rooms()
        for room, fits in (("red", True), ("*", True), ("r*", True), ("*d", True), ("re", False), ("redder", False), ("r*x", False), ("red*", True), ("r**d", True), ("", False),
                           (["x", "y"], False), ([], False), ([7, "red"], True), ({"red": 1}, False)):
            self.assertEqual(self.upgrade(peer.port, token=hs256(claims(room))), 101 if fits else 401, room)
        self.assertEqual(self.upgrade(peer.port, "/red-2", token=hs256(claims("red-*"))), 101)

    def test_time_at_its_bounds(self):
        peer = self.serve_rooms({"leewaySeconds": 60})
        now = int(time.time())
        for changed, good in (({"exp": now - 30}, True), ({"exp": now - 61}, False), ({"nbf": now + 30}, True), ({"nbf": now + 90}, False), ({"exp": 1 << 62}, True)):
            self.assertEqual(self.upgrade(peer.port, token=hs256(claims("red", **changed))), 101 if good else 401, changed)

    def test_an_issuer(self):
        peer = self.serve_rooms({"issuer": "us"})
        for issuer, status in (("us", 101), ("them", 401), (None, 401)):
            self.assertEqual(self.upgrade(peer.port, token=hs256(claims("red", iss=issuer))), status, issuer)

    def test_sizes(self):
        peer = self.serve_rooms()
        def token(size):
            whole = claims("red", pad="")
            whole["pad"] = "x" * ((size - len(hs256(whole))) * 3 // 4)
            made = hs256(whole)
            return made
        self.assertEqual(self.upgrade(peer.port, token=token(3000)), 101)
        self.assertEqual(self.upgrade(peer.port, token=token(3200)), 401)
        for user, status in (("u" * 63, 101), ("u" * 64, 401), ("", 401), (7, 401)):
            self.assertEqual(self.upgrade(peer.port, token=hs256(claims("red", sub=user))), status, user)


class Subprotocols(Admission):
    """Where a browser can put a token: it sets no headers."""

    def answer(self, port, *lines, path="/red"):
        """All of the answer's head, to a request with these lines beside the usual ones."""
        text = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
               "Sec-WebSocket-Version: 13\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n"
        with rawpeer.connect(port, synctest.SECONDS_MAX) as s:
            s.sendall(text.encode())
            return s.recv(4096).decode()

    def status(self, *arguments, **options):
        return int((self.answer(*arguments, **options) or "no 0").split()[1])

    @synctest.without_tls("libwebsockets reads the request")
    def test_a_token_among_them(self):
        peer = self.serve_rooms()
        good, other = hs256(claims("red")), hs256(claims("blue"))
        head, field = "Sec-WebSocket-Protocol: ", "Authorization: Bearer "
        for lines, status in (((head + "sync.v1, bearer." + good,), 101), ((head + "bearer." + good + ",sync.v1",), 101), ((head.lower() + " sync.v1 ,\t Bearer." + good + " ",), 101),
                              ((head + "sync.v1", head + "bearer." + good), 101), ((head + "bearer." + good, head + "sync.v1"), 101), ((head + "x, bearer." + good + ", sync.v1, y",), 101),
                              ((head + "sync.v1, bearer." + other,), 401), ((head + "sync.v1, bearer.",), 401), ((head + "sync.v1, bearer",), 401), ((head + "sync.v1, " + good[:60],), 401),
                              ((head + f"sync.v1, bearer.{good}, bearer.{good}",), 401), ((head + "sync.v1, bearer." + good, head + "bearer." + good), 401),
                              ((head + "sync.v1, bearer." + other, field + good), 101), ((field + other, head + "sync.v1, bearer." + good), 401), ((field, head + "sync.v1, bearer." + good), 401),
                              ((head + "bearer." + good,), 400), ((head + "sync.v2, bearer." + good,), 400), ((head + "sync.v1, bearer." + good, "Origin: http://evil.test"), 403)):
            self.assertEqual(self.status(peer.port, *lines), status, lines)
        self.assertEqual(self.status(peer.port, head + "sync.v1, bearer." + hs256(claims("red", pad="x" * 1900))), 101)
        self.assertEqual(self.status(peer.port, head + "sync.v1, bearer." + hs256(claims("red", pad="x" * 2400))), 401)

    @synctest.without_tls("libwebsockets reads the request")
    def test_it_is_never_told(self):
        peer = self.serve_rooms()
        good = hs256(claims("red"))
        answer = self.answer(peer.port, "Sec-WebSocket-Protocol: sync.v1, bearer." + good)
        self.assertEqual(re.findall("(?i)sec-websocket-protocol: *(.*)\r", answer), ["sync.v1"])
        refused = self.answer(peer.port, "Sec-WebSocket-Protocol: sync.v1, bearer.x" + good)
        self.assertEqual(peer.stop(), 0)
        for text in (answer, refused, peer.stderr, json.dumps(peer.all_events())):
            self.assertNotIn(good[-20:], text)

    def test_as_many_as_what_reads_them_takes(self):
        peer, n = self.serve_rooms(), limits.value("PEER_PROTOCOLS_BYTES_MAX")
        field = "Authorization: Bearer " + hs256(claims("red"))
        for size, status in ((n, "101"), (n + 1, "400")):
            answer = self.answer(peer.port, field, "Sec-WebSocket-Protocol: " + "sync.v1,".ljust(size, "x"))
            self.assertEqual((answer.split()[1], "longer than 126 bytes" in answer), (status, status == "400"), answer)

    def test_a_token_in_the_url(self):
        """Is refused, whether it is good or not, and whatever else is shown."""
        peer = self.serve_rooms()
        good = hs256(claims("red"))
        for query in ("token=" + good, "access_token=x", "a=b&Token=" + good, "jwt", "x=" + good, "bearer=&y"):
            answer = self.answer(peer.port, "Sec-WebSocket-Protocol: sync.v1", "Authorization: Bearer " + good, path="/red?" + query)
            self.assertEqual((answer.split()[1], "a token in a URL is not read" in answer), ("400", True), answer)
        for query in ("a=b", "tokens=1"):
            self.assertEqual(self.status(peer.port, "Sec-WebSocket-Protocol: sync.v1", "Authorization: Bearer " + good, path="/red?" + query), 101 if synctest.TLS else 404, query)
        self.assertEqual(peer.stop(), 0)
        self.assertNotIn(good[-20:], peer.stderr + json.dumps(peer.all_events()))


class Keys(Admission):
    def test_public_keys(self):
        for kind in ("RS256", "ES256"):
            with self.subTest(kind):
                pair, other = tokens.KeyPair(self.dir, kind, kind), tokens.KeyPair(self.dir, kind, kind + "other")
                peer = self.serve_rooms({"algorithm": kind, "keyFile": pair.public.name})
                self.assertEqual(self.upgrade(peer.port, token=pair.sign(claims("red"))), 101)
                self.assertEqual(self.upgrade(peer.port, token=other.sign(claims("red"))), 401)
                self.assertEqual(self.upgrade(peer.port, token=hs256(claims("red"))), 401)
                # the public key taken for a secret, which everybody has
                self.assertEqual(self.upgrade(peer.port, token=hs256(claims("red"), pair.public.read_bytes())), 401)
                self.assertEqual(self.upgrade(peer.port, token=hs256(claims("red"), pair.public.read_bytes(), {"alg": kind})), 401)
                peer.stop()

    def test_several_keys(self):
        for kind in ("RS256", "ES256"):
            with self.subTest(kind):
                first, second, third = (tokens.KeyPair(self.dir, kind, f"{kind}{i}") for i in range(3))
                wrong = tokens.KeyPair(self.dir, "ES256" if kind == "RS256" else "RS256", "wrong" + kind)
                self.path("keys.json").write_text(json.dumps({"keys": [wrong.jwk(kid="w"), first.jwk(kid="1", use="sig", alg=kind), second.jwk(kid="2"), third.jwk(kid="3", use="enc")]}), encoding="utf-8")
                peer = self.serve_rooms({"algorithm": kind, "keyFile": "keys.json"})
                for pair, header, status in ((first, {"kid": "1"}, 101), (second, {"kid": "2"}, 101), (second, {}, 101), (second, {"kid": "1"}, 401), (third, {"kid": "3"}, 401), (first, {"kid": "9"}, 401)):
                    self.assertEqual(self.upgrade(peer.port, token=pair.sign(claims("red"), {"alg": kind, **header})), status, header)
                peer.stop()

    def wrong(self, jwt, *says):
        status, _, err = self.run_peer("check-config", self.config(jwt))
        self.assertIn(status, (2, 3))
        for words in says:
            self.assertIn(words, err)
        self.assertNotIn(tokens.SECRET, err)

    def test_keys_that_are_none(self):
        pair = tokens.KeyPair(self.dir, "RS256")
        curve = tokens.KeyPair(self.dir, "ES256", "curve")
        self.path("short").write_text("x" * 31 + "\n", encoding="utf-8")
        self.path("large").write_text("x" * 70000, encoding="utf-8")
        self.path("empty.json").write_text('{"keys": []}', encoding="utf-8")
        self.path("bad.json").write_text('{"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]}', encoding="utf-8")
        self.path("off.json").write_text(json.dumps({"keys": [dict(curve.jwk(), x=tokens.b64(b"\1" * 32))]}), encoding="utf-8")
        self.wrong({"keyFile": "none"}, "/auth/jwt/keyFile:", "none: No such file")
        self.wrong({"keyFile": "short"}, "the secret is shorter than 32 bytes")
        self.wrong({"keyFile": "large"}, "larger than 64 KiB")
        self.wrong({"algorithm": "RS256"}, "is neither a public key (PEM) nor JWKS")
        self.wrong({"algorithm": "RS256", "keyFile": "curve.pem"}, "is no RSA key")
        self.wrong({"algorithm": "ES256", "keyFile": pair.public.name}, "is no elliptic-curve key")
        self.wrong({"algorithm": "RS256", "keyFile": "empty.json"}, "has no RSA key for signatures")
        self.wrong({"algorithm": "RS256", "keyFile": "bad.json"}, "key 0 is malformed")
        self.wrong({"algorithm": "ES256", "keyFile": "off.json"}, "key 0 is malformed")
        self.wrong({"algorithm": "HS384"}, '/auth/jwt/algorithm: "HS384" is none of "HS256", "RS256", "ES256"')
        self.wrong({"audience": ""}, "/auth/jwt/audience: it is empty")


class Links(Admission):
    def test_a_follower_with_a_token(self):
        peer = self.serve_rooms()
        db, follower = self.follow(peer, "red", hs256(claims("red")))
        follower.wait_event("connected")
        patiently(db, "INSERT INTO note VALUES('n1', 'x')")
        eventually(lambda: ask(self.path("db/red.db"), "SELECT count(*) FROM note"), "the row is there")

    def test_without_or_with_a_bad_one(self):
        peer = self.serve_rooms()
        url, db = f"{synctest.SCHEME}://127.0.0.1:{peer.port}/red", self.path("x.db")
        status, _, err = self.run_peer("clone", url, db)
        self.assertEqual((status, "does it want a token (--token-file)?" in err), (9, True), err)
        self.path("token").write_text(hs256(claims("blue")), encoding="utf-8")
        status, _, err = self.run_peer("clone", url, db, "--token-file", self.path("token"))
        self.assertEqual((status, "it does not accept the token" in err), (9, True), err)
        for text, says in (("", "it is empty"), ("x" * 4000, "too large")):
            self.path("token").write_text(text, encoding="utf-8")
            status, _, err = self.run_peer("clone", url, db, "--token-file", self.path("token"))
            self.assertEqual((status, says in err), (3, True), err)
        status, _, err = self.run_peer("clone", url, db, "--token-file", self.path("nothing"))
        self.assertEqual((status, "nothing: No such file" in err), (3, True), err)

    def test_it_expires_under_a_live_link_and_is_renewed(self):
        peer = self.serve_rooms({"leewaySeconds": 0})
        db, follower = self.follow(peer, "red", hs256(claims("red", exp=int(time.time()) + 2)))
        follower.wait_event("connected")
        gone = follower.wait_event("disconnected")
        self.assertIn("the token or the certificate has expired", gone["reason"])
        patiently(db, "INSERT INTO note VALUES('late', 'x')")
        time.sleep(0.5)
        self.assertEqual(ask(self.path("db/red.db"), "SELECT count(*) FROM note"), 0)
        self.path("token").write_text(hs256(claims("red")), encoding="utf-8")
        follower.wait_event("connected")
        eventually(lambda: ask(self.path("db/red.db"), "SELECT count(*) FROM note"), "the row is there")
        self.assertFalse(re.search(r"eyJ", peer.stderr + follower.stderr))


if __name__ == "__main__":
    unittest.main()
