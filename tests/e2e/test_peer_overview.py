"""The commands rooms and status: what a peer says of its rooms, as a table and for programs, and every way in which it does not."""
import json
import re
import signal
import socket
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from rooms import NOTES, Rooms  # noqa: E402
from stranger import Stranger, says  # noqa: E402
from synctest import certificate, eventually, plain, without_tls  # noqa: E402

GOOD = {"software": "x", "since": 1, "more": False, "rooms": [{"room": "red", "open": True, "members": 0, "links": 0, "lagSeconds": 0.25, "partsOutstanding": 0}]}


class Overview(Rooms):
    def url(self, peer, room=""):  # of the peer itself, unless a room is named
        return super().url(peer, room)

    def does(self, *arguments):
        status, out, err = self.run_peer(*arguments)
        self.assertEqual((status, err), (0, ""), out)
        return out

    def events(self, *arguments):
        found = [json.loads(line) for line in self.does(*arguments, "--json").splitlines()]
        for event in found:
            self.assertEqual(synctest.EVENTS[event["event"]], event.keys() - {"event"})
        return found

    def fails(self, status, words, *arguments):
        """Said once, in one line, with the URL."""
        for more in ([], ["--json"]):
            got, out, err = self.run_peer(*arguments, *more)
            self.assertEqual((got, err), (status, f"sync-peer: {arguments[1]}: {words}\n"))
            self.assertEqual(out, "" if not more else out)
            if more:
                self.assertEqual(json.loads(out), {"event": "error", "code": status, "text": f"{arguments[1]}: {words}"})


class Tables(Overview):
    def test_rooms_and_status(self):
        peer = self.serve_rooms()
        plain(self.path("db/a-closed-one.db"), NOTES)
        with rawpeer.RawPeer(peer.port, "/red"), rawpeer.RawPeer(peer.port, "/red"):
            for url in (self.url(peer), self.url(peer).rstrip("/"), self.url(peer).replace("127.0.0.1", "localhost")):
                self.assertEqual(self.does("rooms", url), "ROOM          OPEN  MEMBERS  ELSEWHERE\na-closed-one  no          0          0\nred           yes         2          0\n")
            self.assertEqual(self.does("rooms", self.url(peer, "red")), "ROOM  OPEN  MEMBERS  ELSEWHERE\nred   yes         2          0\n")
            head, *table = self.does("status", self.url(peer)).splitlines()
            self.assertRegex(head, r"^sync-peer \d+\.\d+\.\d+, since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(table, ["ROOM          OPEN  MEMBERS  ELSEWHERE  LINKS       LAG s  PARTS",
                                     "a-closed-one  no          0          0      0       0.000      0",
                                     "red           yes         2          0      0       0.000      0"])
            room = {"event": "room", "elsewhere": 0, "links": 0, "lag": 0, "parts": 0}
            self.assertEqual(self.events("rooms", self.url(peer)), [{**room, "room": "a-closed-one", "open": 0, "members": 0}, {**room, "room": "red", "open": 1, "members": 2}])
            first, *others = self.events("status", self.url(peer, "red"))
            self.assertEqual((first["event"], others), ("peer", [{**room, "room": "red", "open": 1, "members": 2}]))
            self.assertAlmostEqual(first["since"], time.time(), delta=60)
        self.fails(9, "there is no room blue that may be read", "rooms", self.url(peer, "blue"))

    def test_a_thousand_rooms_and_one(self):
        for i in range(1001):
            self.path(f"db/{i}.db").touch()
        peer = self.serve_rooms()
        status, out, err = self.run_peer("rooms", self.url(peer))
        self.assertEqual((status, len(out.splitlines()), err), (0, 1001, f"sync-peer: {self.url(peer)}: there are more rooms than it lists\n"))
        self.assertEqual(self.run_peer("rooms", self.url(peer), "--quiet")[2], "")

    def test_lag_and_links(self):
        self.path("db2").mkdir()
        one = self.serve_rooms()
        two = self.serve_rooms(dbFolder="db2", links=[{"rooms": "red", "url": self.url(one, "red"), "open": True}])
        room = lambda: next(e for e in self.events("status", self.url(two)) if e["event"] == "room")  # noqa: E731
        eventually(lambda: room()["links"] == 1, room)
        tracked = self.path("tracked.db")
        self.assertEqual(self.run_peer("clone", self.url(two, "red"), tracked)[0], 0)
        with rawpeer.RawPeer(two.port, "/red") as link:
            link.expect(rawpeer.ANNOUNCE)
            link.send(rawpeer.announce("red"))
            link.send(rawpeer.frame(rawpeer.START, b"", bytes.fromhex(synctest.shell(tracked, "SELECT hex(sync_seen())"))))
            self.write(self.path("db2/red.db"), "one")
            eventually(lambda: room()["parts"] == 1 and room()["lag"] > 0, room)

    def test_watch(self):
        peer = self.serve_rooms()
        watcher = self.peer("status", self.url(peer), "--watch")
        watcher.wait_event("peer")
        with rawpeer.RawPeer(peer.port, "/red"):
            watcher.wait_event("room", room="red", members=1)
        peer.stop()
        watcher.wait_event("notice", text=f"{self.url(peer)}: not reachable (Unable to connect); trying again")
        watcher.process.send_signal(signal.SIGINT)
        self.assertEqual(watcher.wait(), 0)

    def test_watch_ends_where_it_is_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        self.fails(8, "not reachable (Unable to connect)", "status", f"ws://127.0.0.1:{port}", "--watch")


class Refusals(Overview):
    def test_tokens(self):
        self.path("secret").write_text(tokens.SECRET + "\n", encoding="utf-8")
        plain(self.path("db/red.db"), NOTES)
        peer = self.serve_rooms(auth={"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}, "hosts": ["127.0.0.1"]})
        token = lambda **changed: self.path("token").write_text(tokens.hs256(tokens.claims("red", **changed)) + "\n", encoding="utf-8")  # noqa: E731
        with_token = ("--token-file", self.path("token"))
        token()
        self.assertIn("red", self.does("rooms", self.url(peer), *with_token))
        self.fails(9, "it refused with HTTP status 401; does it want a token (--token-file)?", "rooms", self.url(peer))
        self.fails(9, "it does not admit this connection", "rooms", self.url(peer).replace("127.0.0.1", "localhost"), *with_token)
        token(exp=1)
        self.fails(9, "it does not accept the token", "status", self.url(peer), *with_token)
        self.fails(9, "it does not accept the token", "status", self.url(peer), "--watch", *with_token)
        self.fails(3, f"the token cannot be read from {self.path('gone')}: No such file or directory", "rooms", self.url(peer), "--token-file", self.path("gone"))
        token(pad="x" * 3000)
        self.fails(3, f"the token cannot be read from {self.path('token')}: it is too large for one", "rooms", self.url(peer), *with_token)

    def test_too_often(self):
        peer = self.serve_rooms(limits={"upgradesPerMinute": 1})
        self.does("rooms", self.url(peer))
        self.fails(9, "it takes no more connections from here just now", "rooms", self.url(peer))

    @without_tls("it is TLS that is tested")
    def test_tls(self):
        cert, key = certificate(self.dir, "here", "127.0.0.1")
        other, _ = certificate(self.dir, "other", "127.0.0.1")
        plain(self.path("one.db"), NOTES)
        server = self.peer("serve", self.path("one.db"), "--listen", "127.0.0.1:0", "--cert-file", cert, "--key-file", key)
        port = server.wait_event("listening")["port"]
        url = f"wss://127.0.0.1:{port}"
        self.assertIn("one", self.does("rooms", url, "--ca-file", cert))
        for trusted in ((), ("--ca-file", other)):
            got, out, err = self.run_peer("rooms", url, *trusted)
            self.assertEqual((got, out, err.startswith(f"sync-peer: {url}: its certificate is not trusted: ")), (9, "", True), err)
        got, _, err = self.run_peer("rooms", url.replace("127.0.0.1", "localhost"), "--ca-file", cert)
        self.assertEqual((got, "its certificate is not trusted" in err), (9, True), err)
        self.fails(9, "its certificate has another key than was asked for (--pin)", "rooms", url, "--ca-file", cert, "--pin", "0" * 64)
        got, _, err = self.run_peer("rooms", f"ws://127.0.0.1:{port}")
        self.assertEqual((got, "does it speak TLS (wss://)?" in err), (8, True), err)
        plainly = self.serve_rooms()
        self.fails(8, "no TLS connection comes about; does it speak TLS, or plain ws://?", "rooms", f"wss://127.0.0.1:{plainly.port}")
        got, _, err = self.run_peer("rooms", url, "--ca-file", self.path("gone"))
        self.assertEqual((got, f"{self.path('gone')}: No such file" in err), (2, True), err)

    def test_usage(self):
        for arguments, words in ((("rooms",), "rooms needs the URL of one peer"), (("status", "ws://a", "ws://b"), "status needs the URL of one peer"), (("rooms", "http://a"), "does not begin with ws://"),
                                 (("rooms", "ws://a/B"), "no room name"), (("rooms", "wss://a", "--pin", "7"), "--pin 7 is not 64"), (("rooms", "ws://a", "--watch"), "--watch is no option of rooms"),
                                 (("rooms", "ws://a", "--client-cert-file", "x"), "need each other"), (("rooms", "ws://a", "--ca-file", "x"), "are for wss:// URLs"), (("rooms", "ws://:1"), "malformed")):
            got, out, err = self.run_peer(*arguments)
            self.assertEqual((got, out, words in err), (2, "", True), err)


@without_tls("these servers have none")
class Strangers(Overview):
    def answers(self, answer, status, words):
        stranger = Stranger(answer)
        self.addCleanup(stranger.close)
        self.fails(status, words, "rooms", stranger.url.rsplit("/", 1)[0])

    def body(self, text, more=()):
        raw = text if isinstance(text, bytes) else text.encode()
        return lambda connection, head: connection.sendall("\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(raw)}", *more, "", ""]).encode() + raw)

    def test_other_answers(self):
        self.answers(says(["HTTP/1.1 426 Upgrade Required", "Content-Length: 0"]), 9, "it has no /rooms (HTTP status 426); is it a sync-peer, and not an older one?")
        self.answers(says(["HTTP/1.1 500 Broken", "Content-Length: 0"]), 9, "it answers with HTTP status 500; is it a sync-peer?")
        self.answers(says(["HTTP/1.1 302 Found", "Location: http://127.0.0.1:1/rooms", "Content-Length: 0"]), 9, "it answers with HTTP status 302; is it a sync-peer?")

    def test_lists_that_are_none(self):
        room = GOOD["rooms"][0]
        for wrong in ("", "{}", "[]", "x", json.dumps({**GOOD, "more": 0}), json.dumps({**GOOD, "rooms": {}}), json.dumps({**GOOD, "software": None}), json.dumps(GOOD)[:-1], json.dumps(GOOD) + "x",
                      b"\xff", "[" * 5000, *(json.dumps({**GOOD, "rooms": [{**room, name: value}]}) for name, value in
                                             (("room", "\u001b[2J"), ("room", "../x"), ("open", 1), ("members", -1), ("elsewhere", -1), ("links", "1"), ("lagSeconds", -1), ("lagSeconds", 1e300), ("partsOutstanding", 1.5), ("members", None)))):
            with self.subTest(wrong=wrong[:80]):
                self.answers(self.body(wrong), 9, "its answer is no list of rooms; is it a sync-peer?")

    def test_what_is_shown_of_it(self):
        stranger = Stranger(self.body(json.dumps({**GOOD, "software": "a\u001b[2J\u00e9\n"})))
        self.addCleanup(stranger.close)
        out = self.does("status", stranger.url.rsplit("/", 1)[0])
        self.assertTrue(out.startswith("a?[2J???, since 1970-01-01T00:00:01Z\n"), out)
        self.assertRegex(out, re.compile(r"^red +yes +0 +0 +0 +0\.250 +0$", re.MULTILINE))

    def test_answers_without_an_end(self):
        n = limits.value("PEER_ANSWER_BYTES_MAX")
        self.answers(self.body(" " * n), 9, "its answer is no list of rooms; is it a sync-peer?")
        self.answers(self.body(" " * (n + 1)), 9, "its answer is too long; is it a sync-peer?")
        self.answers(lambda connection, head: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b" " * 2_000_000), 9, "its answer is too long; is it a sync-peer?")
        self.answers(lambda connection, head: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), 8, "the connection ended before its answer did")

    def test_a_signal_while_it_does_not_answer(self):
        stranger = Stranger(lambda connection, head: stranger.over.wait(synctest.SECONDS_MAX))
        self.addCleanup(stranger.close)
        asks = self.peer("rooms", stranger.url.rsplit("/", 1)[0])
        eventually(lambda: stranger.asked, "it asks")
        self.assertEqual(asks.stop(), 13)


if __name__ == "__main__":
    unittest.main()
