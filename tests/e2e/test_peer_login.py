"""Logins: a cookie for a password, what it lets in, and who is slowed down."""
import json
import signal
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
import users  # noqa: E402
from synctest import Case, plain  # noqa: E402

NOTES = "CREATE TABLE note(id TEXT PRIMARY KEY, body);"
PASSWORD = "a good password"


class Login(Case):
    def setUp(self):
        super().setUp()
        self.path("db").mkdir()
        plain(self.path("db/red.db"), NOTES)
        users.prepare(self)

    def config(self, **auth):
        whole = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "limits": {"idleSeconds": 0}, "metrics": True,
                 "auth": {**users.AUTH, **auth}}
        path = self.path("peer.json")
        path.write_text(json.dumps(whole), encoding="utf-8")
        return path

    def serve_rooms(self, **auth):
        peer = self.peer("serve", "--config", self.config(**auth))
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def login(self, peer, user="ann", password=PASSWORD, **options):
        return users.post(peer.port, user=user, password=password, **options)

    def upgrade(self, peer, cookie=None, room="red", **headers):
        """The status of an attempt with a cookie."""
        lines = {"Cookie": cookie, **{k.replace("_", "-"): v for k, v in headers.items()}}
        try:
            rawpeer.RawPeer(peer.port, "/" + room, headers=[f"{k}: {v}" for k, v in lines.items() if v is not None]).close()
            return 101
        except rawpeer.Refused as refused:
            return refused.status


class Cookies(Login):
    def test_one_for_a_password(self):
        peer = self.serve_rooms()
        for kind in ("application/x-www-form-urlencoded", "application/json", "Application/JSON; charset=utf-8"):
            options = {"body": json.dumps({"user": "ann", "password": PASSWORD})} if "JSON" in kind else {}
            answer = self.login(peer, kind=kind, **options)
            self.assertEqual((answer.status, answer.body), (204, ""), answer.text)
            attributes = answer.fields["set-cookie"].split("; ")[1:]
            self.assertEqual(set(attributes), {"Max-Age=43200", "Path=/", "HttpOnly", "SameSite=Strict"} | ({"Secure"} if synctest.TLS else set()))
            self.assertEqual((answer.cookie.split("=")[0], answer.fields["cache-control"]), (users.name(), "no-store"))
            self.assertEqual(self.upgrade(peer, answer.cookie), 101)
            self.assertEqual(self.upgrade(peer, "theme=dark; " + answer.cookie + "; x=y"), 101)
        self.assertEqual(self.upgrade(peer), 401)

    def test_logout(self):
        peer = self.serve_rooms()
        answer = users.post(peer.port, "/logout", body="")
        self.assertEqual((answer.status, answer.cookie, users.max_age(answer)), (204, users.name() + "=", 0))
        self.assertEqual(users.post(peer.port, "/logout", body="", Origin="https://evil.test").status, 403)

    def test_rooms_and_rights_of_the_user(self):
        for room in ("blue", "blue-2"):
            plain(self.path(f"db/{room}.db"), NOTES)
        users.add(self.path("users.db"), "bob", "x", room="blue* , green", rights="read")
        peer = self.serve_rooms()
        cookie = self.login(peer, "bob", "x").cookie
        for room, status in (("blue", 101), ("blue-2", 101), ("red", 401), ("green", 404)):
            self.assertEqual(self.upgrade(peer, cookie, room), status, room)
        with rawpeer.RawPeer(peer.port, "/blue", headers=["Cookie: " + cookie]) as link:
            body = link.expect(rawpeer.ANNOUNCE)
            self.assertEqual(body[-1], 1 | 4)  # may only read, also a snapshot
        users.add(self.path("users.db"), "eve", "x", rights="none")
        self.assertEqual(self.upgrade(peer, self.login(peer, "eve", "x").cookie), 401)

    def test_those_that_are_not_good(self):
        """Made elsewhere, with what makes good ones; each wrong in one way."""
        peer = self.serve_rooms(jwt={"algorithm": "HS256", "keyFile": "cookie.secret", "audience": "sync"})
        now = int(time.time())
        good = users.cookie()
        for cookie, status in ((good, 101), (good[:-2], 401), (good[:-2] + "AA", 401), (good.replace("=e", "=f", 1), 401), (users.cookie(secret=tokens.SECRET), 401), (users.cookie(exp=now - 1), 401),
                               (users.cookie(nbf=now + 60), 401), (users.cookie(aud="sync"), 401), (users.cookie(exp=None), 401), (users.cookie(room="blue"), 401), (good + "; " + good, 401),
                               (users.name() + "=", 401), ("x" + good, 401), ("sync2=" + good.split("=")[1], 401), (good + "x" * 4000, 0), (users.name() + "=" + tokens.hs256(tokens.claims("red"), users.SECRET), 401)):
            got = self.upgrade(peer, cookie)
            self.assertIn(got, (status, 401) if status == 0 else (status,), cookie)
        token = tokens.hs256(tokens.claims("red"), users.SECRET)
        self.assertEqual(self.upgrade(peer, Authorization="Bearer " + good.split("=", 1)[1]), 401)  # a cookie is no token
        self.assertEqual(self.upgrade(peer, "x=y", Authorization="Bearer " + token), 101)
        self.assertEqual(self.upgrade(peer, users.cookie(exp=1), Authorization="Bearer " + token), 101)  # the token goes first
        self.assertEqual(self.upgrade(peer, good, Authorization="Bearer x"), 401)

    def test_other_pages(self):
        peer = self.serve_rooms(origins=["https://app.test"])
        cookie = users.cookie()
        for origin, status in ((None, 101), ("https://app.test", 101), ("https://evil.test", 403), ("null", 403)):
            self.assertEqual(self.upgrade(peer, cookie, Origin=origin), status, origin)
            self.assertEqual(self.login(peer, Origin=origin).status, 204 if status == 101 else 403, origin)
        peer = self.serve_rooms(hosts=["sync.test"])
        self.assertEqual((self.login(peer).status, self.login(peer, Host="sync.test").status), (403, 204))

    def test_it_expires_under_a_live_link(self):
        peer = self.serve_rooms(cookie={"keyFile": "cookie.secret", "seconds": 2})
        answer = self.login(peer)
        self.assertEqual(users.max_age(answer), 2)
        with rawpeer.RawPeer(peer.port, "/red", headers=["Cookie: " + answer.cookie]) as link:
            link.send(rawpeer.announce("red"))
            _, error = link.until_closed()
            self.assertEqual(error[0], 10)
        self.assertEqual(self.upgrade(peer, answer.cookie), 401)

    def test_another_key_ends_them(self):
        peer = self.serve_rooms()
        cookie = self.login(peer).cookie
        self.path("cookie.secret").write_text("another secret, which is long enough too\n", encoding="utf-8")
        with rawpeer.RawPeer(peer.port, "/red", headers=["Cookie: " + cookie]) as link:
            peer.process.send_signal(signal.SIGHUP)
            self.assertIn("everybody has to show himself again", peer.wait_event("reloaded")["text"])
            link.until_closed()
        self.assertEqual(self.upgrade(peer, cookie), 401)
        self.assertEqual(self.upgrade(peer, self.login(peer).cookie), 101)

    def test_behind_a_proxy(self):
        peer = self.serve_rooms(cookie={"keyFile": "cookie.secret", "secure": True})
        answer = self.login(peer)
        self.assertTrue(answer.cookie.startswith("__Host-sync=") and "; Secure" in answer.fields["set-cookie"], answer.text)
        self.assertEqual(self.upgrade(peer, answer.cookie), 101)


class Requests(Login):
    def test_what_is_no_login(self):
        peer = self.serve_rooms()
        form = "user=ann&password=a+good+password"
        for status, options in ((204, {"body": form}), (204, {"body": form + "&remember=yes"}), (204, {"body": "user=%61nn&password=a%20good%20pass%77ord"}),
                                (400, {"body": "user=ann"}), (400, {"body": "user=&password=x"}), (400, {"body": form + "&user=bob"}), (400, {"body": "user=ann&password=%0"}), (400, {"body": "user=ann&password=%zz"}),
                                (400, {"body": "user=ann%00&password=x"}), (400, {"body": "user=" + "a" * 64 + "&password=x"}), (400, {"body": "user=ann&password=" + "a" * 256}), (400, {"body": "nonsense"}),
                                (400, {"body": "[]", "kind": "application/json"}), (400, {"body": '{"user":"ann","password":7}', "kind": "application/json"}), (400, {"body": '{"user":"ann"', "kind": "application/json"}),
                                (400, {"body": '{"user":"a","user":"b","password":"x"}', "kind": "application/json"}), (400, {"body": '{"user":"ann\\u0000","password":"x"}', "kind": "application/json"}),
                                (413, {"body": ""}), (413, {"body": form + "&x=" + "y" * 2048}), (415, {"body": form, "kind": "text/plain"}), (415, {"body": form, "kind": None}),
                                (411, {"body": form, "Content_Length": None}), (411, {"body": form, "Content_Length": "x"}), (411, {"body": form, "Content_Length": "-1"})):
            self.assertEqual(users.post(peer.port, **options).status, status, options)
        self.assertEqual(users.post(peer.port, "/login", body="", Host=None).status, 403)
        for path in ("/login?user=ann", "/logins", "/red", "//login", "/Login"):
            self.assertIn(users.post(peer.port, path, body=form).status, ((204,) if path == "//login" else (400, 404)) if synctest.TLS else (0,), path)  # over TLS libwebsockets reads the path

    def test_one_that_comes_in_pieces(self):
        peer = self.serve_rooms()
        with rawpeer.connect(peer.port, synctest.SECONDS_MAX) as s:
            for piece in (b"POST /log", b"in HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n", b"Content-Length: 33\r\n\r\nuser=", b"ann&password=a+good", b"+password"):
                s.sendall(piece)
                time.sleep(0.1)
            self.assertIn(b" 204 ", s.recv(4096))

    def test_a_body_that_trickles(self):
        peer = self.serve_rooms()
        with rawpeer.connect(peer.port, synctest.SECONDS_MAX) as s:
            began = time.monotonic()
            s.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n")
            with self.assertRaises(OSError):
                while time.monotonic() - began < 25:
                    s.sendall(b" ")
                    time.sleep(0.5)
            self.assertLess(time.monotonic() - began, 20)

    def test_who_goes_before_the_answer(self):
        peer = self.serve_rooms()
        for _ in range(10):
            with rawpeer.connect(peer.port, synctest.SECONDS_MAX) as s:
                s.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 33\r\n\r\nuser=ann&password=a+good+password")
        synctest.eventually(lambda: self.login(peer).status == 204, "a login")
        self.assertEqual(peer.stop(), 0)

    def test_nobody_can_log_in_without_users(self):
        self.path("secret").write_text(tokens.SECRET + "\n", encoding="utf-8")
        path = self.config()
        whole = json.loads(path.read_text(encoding="utf-8"))
        whole["auth"] = {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}}
        path.write_text(json.dumps(whole), encoding="utf-8")
        peer = self.peer("serve", "--config", path)
        peer.port = peer.wait_event("listening")["port"]
        self.assertEqual((self.login(peer).status, users.post(peer.port, "/logout", body="").status), (404, 404))
        self.assertEqual(self.upgrade(peer, users.cookie()), 401)

    def test_what_is_wrong_with_a_configuration(self):
        for auth, says in (({"cookie": None}, 'there is no "cookie"'), ({"users": {"file": "gone.db"}}, "gone.db: No such file"), ({"cookie": {"keyFile": "gone"}}, "/auth/cookie/keyFile: "),
                           ({"users": {"file": "users.db", "table": 'a"b'}}, "/auth/users/table")):
            path = self.config(**auth)
            whole = json.loads(path.read_text(encoding="utf-8"))
            whole["auth"] = {k: v for k, v in whole["auth"].items() if v is not None}
            path.write_text(json.dumps(whole), encoding="utf-8")
            status, _, err = self.run_peer("check-config", path)
            self.assertEqual((status in (2, 3), says in err), (True, True), err)


class Guessing(Login):
    def test_wrong_ones(self):
        peer = self.serve_rooms()
        first, second = self.login(peer, password="wrong"), self.login(peer, user="nobody")
        self.assertEqual((first.status, first.body), (401, second.body))
        self.assertNotIn("set-cookie", first.fields)
        self.assertEqual(self.login(peer).status, 204)

    def test_a_user_who_is_not_there_takes_as_long(self):
        plain(self.path("users.db"), f"UPDATE peer_user SET password = '{users.crypt(PASSWORD, '$y$j9T$' + 'saltsaltsalt')}'")
        peer = self.serve_rooms()
        def seconds(user):
            began = time.monotonic()
            self.assertEqual(self.login(peer, user, "wrong").status, 401)
            return time.monotonic() - began
        there, not_there = min(seconds("ann") for _ in range(2)), min(seconds("nobody") for _ in range(2))
        self.assertTrue(0.3 < there / not_there < 3, (there, not_there))
        self.assertGreater(not_there, 0.005)

    def test_they_are_slowed(self):
        """After five; also the right one, and also as another user from the same address."""
        peer = self.serve_rooms()
        for _ in range(5):
            self.assertEqual(self.login(peer, password="wrong").status, 401)
        answer = self.login(peer)
        self.assertEqual((answer.status, answer.fields["retry-after"]), (429, "1"))
        self.assertEqual(self.login(peer, "bob").status, 429)
        time.sleep(1.1)
        self.assertEqual(self.login(peer, password="wrong").status, 401)
        answer = self.login(peer, password="wrong")
        self.assertEqual((answer.status, answer.fields["retry-after"]), (429, "2"))

    def test_who_knows_it_is_not_slowed(self):
        peer = self.serve_rooms()
        for _ in range(12):
            self.assertEqual(self.login(peer).status, 204)

    def test_nothing_secret_is_told(self):
        peer = self.serve_rooms()
        wrong, good = self.login(peer, password="a wrong guess"), self.login(peer)
        plain(self.path("users.db"), "DROP TABLE peer_user")
        broken = self.login(peer)
        self.assertEqual((wrong.status, good.status, broken.status), (401, 204, 503))
        with rawpeer.connect(peer.port, synctest.SECONDS_MAX) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            metrics = b""
            while more := s.recv(65536):
                metrics += more
        for result in ("wrong", "good", "broken"):
            self.assertIn(f'sync_peer_logins_total{{result="{result}"}} 1'.encode(), metrics)
        self.assertEqual(peer.stop(), 0)
        told = peer.stderr + json.dumps(peer.all_events()) + metrics.decode() + wrong.text + broken.text
        self.assertIn("127.0.0.1: a login failed", told)
        self.assertIn("no such table: peer_user", told)
        for secret in ("wrong guess", PASSWORD, good.cookie[-20:], users.SECRET, "ann"):
            self.assertNotIn(secret, told)

    def test_names_are_compared_byte_by_byte(self):
        plain(self.path("users.db"), f"DROP TABLE peer_user; CREATE TABLE peer_user(name COLLATE NOCASE, password, room, rights); INSERT INTO peer_user VALUES('ann', '{users.crypt(PASSWORD)}', '*', 'read'), (7, '{users.crypt(PASSWORD)}', '*', 'read')")
        peer = self.serve_rooms()
        self.assertEqual([self.login(peer, user).status for user in ("ann", "Ann", "7", "")], [204, 401, 401, 400])

    def test_hashes_that_are_none(self):
        for stored in ("'a good password'", "''", "'$y$'", "'*'", "x'00'", "NULL", f"'{users.crypt(PASSWORD, '$6$saltsalt')}'", "'$y$" + "x" * 200 + "'"):
            plain(self.path("users.db"), f"DROP TABLE peer_user; CREATE TABLE peer_user(name, password, room, rights); INSERT INTO peer_user VALUES('ann', {stored}, '*', 'read')")
            peer = self.serve_rooms()
            for password in (PASSWORD, "x", "*", "*0"):
                self.assertIn(self.login(peer, password=password).status, (401, 503), stored)
            peer.stop()

    def test_links_go_on_meanwhile(self):
        """Comparing is slow, and nothing else waits for it."""
        plain(self.path("users.db"), f"UPDATE peer_user SET password = '{users.crypt(PASSWORD, '$y$jBT$' + 'saltsaltsalt')}'")
        peer = self.serve_rooms()
        with rawpeer.connect(peer.port, synctest.SECONDS_MAX) as s:
            s.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 33\r\n\r\nuser=ann&password=a+good+password")
            with rawpeer.connect(peer.port, synctest.SECONDS_MAX) as other:
                other.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertIn(b" 200 ", other.recv(4096))
            s.setblocking(False)
            with self.assertRaises((BlockingIOError, OSError)):
                s.recv(1)
            s.settimeout(synctest.SECONDS_MAX)
            self.assertIn(b" 204 ", s.recv(4096))


class Accounts(Login):
    """`sync-peer user`, which makes the table that a login reads."""

    def user(self, *words, password=None, status=0, says=""):
        done = subprocess.run([synctest.PEER, "user", *map(str, words)], input=password, capture_output=True, text=True, check=False, cwd=self.dir, env=synctest.PEER_ENV, timeout=synctest.SECONDS_MAX)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(says, done.stderr)
        return done.stdout

    def test_from_the_beginning_to_the_end(self):
        file = self.path("users.db")
        file.unlink()
        self.user("add", file, "--sub", "eve", "--room", "red,b*", "--rights", "read", password="the first one\n")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        peer = self.serve_rooms()
        self.assertEqual([self.login(peer, "eve", p).status for p in ("the first one", "the first one\n")], [204, 401])
        self.assertEqual(json.loads(self.user("list", file)), {"name": "eve", "room": "red,b*", "rights": "read"})
        self.user("set", file, "--sub", "eve", password="another")
        self.user("set", file, "--sub", "eve", "--rights", "read,write")
        self.assertEqual([self.login(peer, "eve", p).status for p in ("the first one", "another")], [401, 204])
        self.assertEqual(json.loads(self.user("list", file))["rights"], "read,write")
        self.assertNotIn("another", file.read_bytes().decode("latin-1"))
        self.user("add", file, "--sub", "eve", "--room", "red", "--rights", "read", password="x\n", status=1, says="there is a user eve already")
        self.user("remove", file, "--sub", "eve")
        self.assertEqual((self.login(peer, "eve", "another").status, self.user("list", file)), (401, ""))
        self.user("remove", file, "--sub", "eve", status=3, says="there is no user eve")
        self.user("set", file, "--sub", "eve", password="x", status=3, says="there is no user eve")

    def test_another_table(self):
        self.user("add", "users.db", "--sub", "ann", "--room", "*", "--rights", "read", "--table", 'my "users', password="x")
        self.assertEqual(self.user("list", "users.db", "--table", 'my "users').count("ann"), 1)

    def test_what_is_wrong_is_named(self):
        add = ("add", "users.db", "--sub", "bob", "--room", "red", "--rights", "read")
        for words, options in ((("add", "users.db"), {"says": "needs --sub"}), (add[:4], {"says": "--room and --rights"}), (("drop", "users.db"), {"says": "is none of add, set"}), (("list",), {"says": "needs what to do"}),
                               (("list", "users.db", "--room", "x"), {"says": "not for user list"}), ((*add[:5], "RED", *add[6:]), {"says": "--room RED"}), ((*add[:7], "rule"), {"says": "--rights rule"}),
                               (("remove", "users.db", "--sub", "u" * 64), {"says": "--sub is empty"}), (add, {"password": "", "says": "is no password"}), (add, {"password": "x" * 256, "says": "is no password"}),
                               (add, {"password": "a\0b", "says": "is no password"}), (("list", "gone.db"), {"status": 3, "says": "gone.db: No such file"}), (("add", "gone/users.db", *add[2:]), {"status": 5, "says": "No such file"}),
                               (("list", "peer.json"), {"status": 4, "says": "not a database"})):
            self.config()
            self.user(*words, **{"status": 2, "password": "", **options})


class Bounds(Login):
    """Each at n and at n + 1."""

    def test_bodies(self):
        peer, n = self.serve_rooms(), limits.value("PEER_LOGIN_BODY_BYTES_MAX")
        form = "user=ann&password=a+good+password&x="
        for size, status in ((n, 204), (n + 1, 413)):
            self.assertEqual(users.post(peer.port, body=form.ljust(size, "y")).status, status, size)

    def test_passwords(self):
        peer, n = self.serve_rooms(), limits.value("PEER_PASSWORD_BYTES_MAX")
        users.add(self.path("users.db"), "ann", "p" * n)
        self.assertEqual([self.login(peer, password="p" * size).status for size in (n, n + 1)], [204, 400])

    def test_rooms_and_rights(self):
        peer = self.serve_rooms()
        n = limits.value("PEER_USER_ROOMS_BYTES_MAX")
        m = limits.value("PEER_USER_RIGHTS_BYTES_MAX")
        rooms = {size: (",".join(["r" * 63] * 20)[:size - 4] + ",red") for size in (n, n + 1)}
        rights = {m: "read,read,read,write,write,write", m + 1: "read,read,write,write,write,write"}
        for room, right, status in ((n, m, 0), (n + 1, m, 2), (n, m + 1, 2)):
            self.assertEqual((len(rooms[room]), len(rights[right])), (room, right))
            done = subprocess.run([synctest.PEER, "user", "set", "users.db", "--sub", "ann", "--room", rooms[room], "--rights", rights[right]], capture_output=True, text=True, check=False, cwd=self.dir,
                                  env=synctest.PEER_ENV, timeout=synctest.SECONDS_MAX)
            self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(self.upgrade(peer, self.login(peer).cookie), 101)
        for column, text in (("room", rooms[n + 1]), ("rights", rights[m + 1])):  # written by another program
            plain(self.path("users.db"), f"UPDATE peer_user SET {column} = '{text}'")
            self.assertEqual(self.login(peer).status, 503)
            plain(self.path("users.db"), f"UPDATE peer_user SET {column} = substr({column}, 2)")

    def test_logins_at_a_time(self):
        plain(self.path("users.db"), f"UPDATE peer_user SET password = '{users.crypt(PASSWORD, '$y$jCT$' + 'saltsaltsalt')}'")
        peer, n = self.serve_rooms(), limits.value("PEER_LOGINS_MAX")
        with ThreadPoolExecutor(n + 1) as pool:
            said = sorted(answer.status for answer in pool.map(lambda _: self.login(peer), range(n + 1)))
        self.assertEqual(said, [204] * n + [503])

    def test_failures_that_cost_nothing(self):
        peer, n = self.serve_rooms(), limits.value("PEER_LOGIN_FREE")
        self.assertEqual([self.login(peer, password="wrong").status for _ in range(n + 1)], [401] * n + [429])


if __name__ == "__main__":
    unittest.main()
