"""What a serving process tells of itself: /metrics, to whom and how, and that its numbers are right."""
import json
import socket
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import exposition  # noqa: E402
import limits  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, ask, eventually, patiently, plain, shell  # noqa: E402

NOTES = "CREATE TABLE note(id TEXT PRIMARY KEY, body);"
SECRET_BODY = "a-row-that-nobody-but-members-may-read"


class Metrics(Case):
    def setUp(self):
        super().setUp()
        for folder in ("db", "sql"):
            self.path(folder).mkdir()
        self.path("sql/default.sql").write_text(NOTES, encoding="utf-8")
        self.path("secret").write_text(tokens.SECRET + "\n", encoding="utf-8")

    def serve_rooms(self, **settings):
        config = self.path("peer.json")
        whole = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "schemaFolder": "sql", "create": True, "limits": {"idleSeconds": 0}, **settings}
        config.write_text(json.dumps(whole), encoding="utf-8")
        peer = self.peer("serve", "--config", config)
        peer.port = peer.wait_event("listening")["port"]
        if isinstance(settings.get("metrics"), dict) and settings["metrics"]:
            peer.scrape_port = peer.wait_event("metrics")["port"]
        return peer

    def join(self, peer, room, name=None, *arguments):
        db = self.path(name or f"{room}-member.db")
        plain(db, NOTES)
        follower = self.sync(db, f"{synctest.SCHEME}://127.0.0.1:{peer.port}/{room}", *arguments)
        follower.wait_event("connected")
        return db, follower

    def get(self, connection, path, *headers, host="127.0.0.1"):
        """(status, headers, body) of one GET; the other side closes."""
        with connection as s:
            s.sendall("\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode())
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body.decode()

    def scrape(self, peer):
        """What is counted, read strictly."""
        port = getattr(peer, "scrape_port", None)
        connection = socket.create_connection(("127.0.0.1", port), timeout=30) if port else rawpeer.connect(peer.port)
        status, headers, body = self.get(connection, "/metrics")
        self.assertEqual(status, 200, body)
        self.assertEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(int(headers["content-length"]), len(body.encode()))
        return exposition.read(body)

    def wait_value(self, peer, expected, name, **labels):
        seen = []

        def there():
            seen.append(exposition.value(self.scrape(peer), name, **labels))
            return seen[-1] == expected
        eventually(there, lambda: f"{name}{labels} is {seen[-1]}, not {expected}")


class Where(Metrics):
    def test_off_unless_asked_for(self):
        for settings in ({}, {"metrics": False}):
            peer = self.serve_rooms(**settings)
            self.assertEqual(self.get(rawpeer.connect(peer.port), "/metrics")[0], 426)
            peer.stop()

    def test_of_a_single_file(self):
        plain(self.path("one.db"), NOTES)
        self.assertEqual(self.get(rawpeer.connect(self.serve(self.path("one.db")).port), "/metrics")[0], 426)

    def test_beside_the_rooms(self):
        for settings in (True, {}):
            peer = self.serve_rooms(metrics=settings)
            self.assertEqual(exposition.value(self.scrape(peer), "sync_peer_connections"), 0)
            self.assertEqual(self.get(rawpeer.connect(peer.port), "/healthz")[0], 200)
            self.assertEqual(self.get(rawpeer.connect(peer.port), "/metrics?x")[0], 426 if not synctest.TLS else 200)
            self.assertEqual(peer.stop(), 0)

    def test_a_listener_of_its_own(self):
        peer = self.serve_rooms(metrics={"listen": "127.0.0.1:0"})
        self.scrape(peer)
        for host in ("127.0.0.1", "metrics", "default", f"127.0.0.1:{peer.scrape_port}"):
            self.assertEqual(self.get(rawpeer.connect(peer.port), "/metrics", host=host)[0], 426, host)
            self.assertEqual(self.get(socket.create_connection(("127.0.0.1", peer.scrape_port), timeout=30), "/metrics", host=host)[0], 200, host)
        plainly = lambda path, *headers: self.get(socket.create_connection(("127.0.0.1", peer.scrape_port), timeout=30), path, *headers)[0]  # noqa: E731
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/red", 404), ("/", 404), ("/metrics/", 404), ("//metrics", 404), ("/../metrics", 404)):
            self.assertEqual(plainly(path), status, path)
        for path in ("/red", "/metrics"):
            for protocol in ("sync.v1", "listen", "request", "http"):
                with self.assertRaises((rawpeer.Refused, OSError)):
                    self.upgrade(peer.scrape_port, path, protocol)
        self.assertEqual(list(self.path("db").iterdir()), [])
        self.scrape(peer)
        self.join(peer, "red")
        self.assertEqual(peer.stop(), 0)

    def upgrade(self, port, path, protocol):
        """Without TLS, also where links use it."""
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            s.sendall((f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())
            answer = s.recv(4096)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise rawpeer.Refused(int(answer.split()[1]) if answer else 0)

    def test_what_is_no_address(self):
        for where in ("localhost", "99", "127.0.0.1:", "127.0.0.1:99999"):
            self.path("c.json").write_text(json.dumps({"dbFolder": "db", "metrics": {"listen": where}}), encoding="utf-8")
            status, _, err = self.run_peer("check-config", self.path("c.json"))
            self.assertEqual((status, f"/metrics/listen: {where} is not HOST:PORT" in err), (2, True), err)
        for wrong, says in (({"port": 1}, '/metrics: "port" is no key here; known are listen'), ("yes", "/metrics: it is of type string"), ({"listen": 1}, "/metrics/listen")):
            self.path("c.json").write_text(json.dumps({"dbFolder": "db", "metrics": wrong}), encoding="utf-8")
            status, _, err = self.run_peer("check-config", self.path("c.json"))
            self.assertEqual((status, says in err), (2, True), err)

    def test_an_address_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            config = self.path("peer.json")
            config.write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", "metrics": {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}}), encoding="utf-8")
            status, out, err = self.run_peer("serve", "--config", config)
        self.assertEqual((status, out), (8, ""))
        self.assertIn("cannot listen on 127.0.0.1", err)


class Numbers(Metrics):
    def test_rows(self):
        """So many written on one side of a room: so many merged here, and sent to the other."""
        peer = self.serve_rooms(metrics=True)
        one, _ = self.join(peer, "red", "one.db")
        two, _ = self.join(peer, "red", "two.db")
        patiently(one, "INSERT INTO note SELECT 'n' || value, value FROM generate_series(1, 120)")
        eventually(lambda: ask(two, "SELECT count(*) FROM note") == 120, "all of them there")
        self.wait_value(peer, 120, "sync_peer_rows_merged_total")
        self.wait_value(peer, 120, "sync_peer_room_rows_merged_total", room="red")
        self.wait_value(peer, 120, "sync_peer_rows_sent_total")
        patiently(self.path("db/red.db"), "INSERT INTO note VALUES('here', 1)")
        self.wait_value(peer, 122, "sync_peer_rows_sent_total")
        now = self.scrape(peer)
        self.assertGreaterEqual(exposition.value(now, "sync_peer_merge_seconds_count"), 1)
        self.assertGreater(exposition.value(now, "sync_peer_merge_seconds_sum"), 0)
        self.assertGreater(exposition.value(now, "sync_peer_room_wal_bytes", room="red"), 0)
        self.assertEqual(exposition.value(now, "sync_peer_room_connections", room="red"), 2)
        self.assertGreaterEqual(exposition.value(now, "sync_peer_frames_received_total", type="AnnouncePresence"), 2)
        self.assertGreaterEqual(exposition.value(now, "sync_peer_frames_sent_total", type="Changes"), 2)
        self.assertEqual(exposition.value(now, "sync_peer_frames_received_total", type="other"), 0)
        self.wait_value(peer, 0, "sync_peer_room_parts_outstanding", room="red")
        self.wait_value(peer, 0, "sync_peer_room_lag_seconds", room="red")
        folded = lambda: exposition.value(self.scrape(peer), "sync_peer_fold_seconds_count")  # noqa: E731
        eventually(lambda: folded() >= 2, folded)

    def test_counters_never_fall(self):
        """Not while rooms come and go, whose counts outlive them."""
        peer = self.serve_rooms(metrics={"listen": "127.0.0.1:0"})
        before, rows = {}, 0
        for i in range(6):
            room = f"room{i % 2}"
            db, follower = self.join(peer, room, f"m{i}.db")
            patiently(db, f"INSERT INTO note VALUES('k{i}', 1)")
            rows += 1
            self.wait_value(peer, rows, "sync_peer_rows_merged_total")
            follower.stop()
            peer.wait_event("closed", room=room)
            now = self.scrape(peer)
            self.assertIsNone(exposition.value(now, "sync_peer_room_connections", room=room))
            counters = exposition.counters(now)
            for key, number in before.items():
                self.assertGreaterEqual(counters.get(key, -1), number, key)
            before = counters
        self.assertEqual(exposition.value(now, "sync_peer_connections_accepted_total"), 6)
        self.assertEqual((exposition.value(now, "sync_peer_connections"), exposition.value(now, "sync_peer_rooms_open")), (0, 0))

    def test_refused(self):
        peer = self.serve_rooms(metrics=True, create=False, limits={"links": 1}, auth={"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}})
        plain(self.path("db/red.db"), NOTES)
        bearer = lambda *claims, **more: "Authorization: Bearer " + tokens.hs256(tokens.claims(*claims, **more))  # noqa: E731
        expected = {}

        def refused(status, reason, path, *headers, **more):
            with self.assertRaises(rawpeer.Refused) as caught:
                rawpeer.RawPeer(peer.port, path, headers=headers, **more)
            self.assertEqual(caught.exception.status, status, reason)
            expected[(str(status), reason)] = expected.get((str(status), reason), 0) + 1
        refused(400, "subprotocol", "/red", protocol="other")
        refused(404, "path", "/RED" if not synctest.TLS else "/R")
        refused(401, "token", "/red")
        refused(401, "token", "/red", bearer("red", exp=1))
        refused(403, "forbidden", "/red", bearer("red"), "Origin: https://elsewhere.test")
        refused(404, "room", "/blue", bearer("blue"))
        with rawpeer.RawPeer(peer.port, "/red", headers=[bearer("red")]) as link:
            link.expect(rawpeer.ANNOUNCE)
            refused(503, "full", "/red", bearer("red"))
            self.get(rawpeer.connect(peer.port), "/red")
            expected[("426", "no_upgrade")] = 1
            now = self.scrape(peer)
            self.assertEqual((exposition.value(now, "sync_peer_connections"), exposition.value(now, "sync_peer_connections_accepted_total")), (1, 1))
        for (_, labels), number in now["sync_peer_upgrades_refused_total"].samples.items():
            labels = dict(labels)
            self.assertEqual(number, expected.get((labels["status"], labels["reason"]), 0), labels)

    def test_who_is_behind(self):
        """A member that takes what it is sent and says nothing is behind, for as long as that lasts."""
        peer = self.serve_rooms(metrics=True)
        db, follower = self.join(peer, "red")
        patiently(db, f"INSERT INTO note VALUES('one', '{SECRET_BODY}')")
        eventually(lambda: Path(self.path("db/red.db")).exists() and ask(self.path("db/red.db"), "SELECT count(*) FROM note") == 1, "it is there")
        follower.stop()
        seen = shell(db, "SELECT hex(sync_seen())")
        with rawpeer.RawPeer(peer.port, "/red") as link:
            link.expect(rawpeer.ANNOUNCE)
            link.send(rawpeer.announce("red"))
            link.send(rawpeer.frame(rawpeer.START, b"", bytes.fromhex(seen)))
            patiently(self.path("db/red.db"), "INSERT INTO note VALUES('two', 2)")
            self.wait_value(peer, 1, "sync_peer_room_parts_outstanding", room="red")
            time.sleep(0.2)
            now = self.scrape(peer)
            labels = dict(next(iter(now["sync_peer_connection_lag_seconds"].samples))[1])
            self.assertEqual((labels["room"], labels["address"]), ("red", "127.0.0.1"))
            self.assertGreaterEqual(exposition.value(now, "sync_peer_connection_lag_seconds", **labels), 0.1)
            self.assertGreaterEqual(exposition.value(now, "sync_peer_room_lag_seconds", room="red"), 0.1)
            self.assertEqual(exposition.value(now, "sync_peer_connection_parts_outstanding", **labels), 1)
            link.send(rawpeer.frame(rawpeer.REJECT, rawpeer.varint(1) + rawpeer.varint(2) + rawpeer.text("too early"), bytes.fromhex(seen)))
            self.wait_value(peer, 1, "sync_peer_deltas_refused_by_others_total", reason="early")
            self.wait_value(peer, 0, "sync_peer_room_parts_outstanding", room="red")
            self.assertGreaterEqual(exposition.value(self.scrape(peer), "sync_peer_room_lag_seconds", room="red"), 0.1)  # it still lacks that

    def test_a_delta_that_presumes_more(self):
        """Of a file that thinks the room holds what it does not."""
        peer = self.serve_rooms(metrics=True)
        a, b = self.path("a.db"), self.path("b.db")
        for db in (a, b):
            shell(db, NOTES + "SELECT sync_track_all()")
        shell(a, "INSERT INTO note VALUES('one', 1)")
        shell(b, f"SELECT sync_apply(x'{shell(a, 'SELECT hex(sync_changeset())')}')")
        shell(a, "INSERT INTO note VALUES('two', 2)")
        changeset = bytes.fromhex(shell(a, f"SELECT hex(sync_changeset(x'{shell(b, 'SELECT hex(sync_seen())')}'))"))
        with rawpeer.RawPeer(peer.port, "/red") as link:
            link.expect(rawpeer.ANNOUNCE)
            link.send(rawpeer.announce("red"))
            link.expect(rawpeer.START)
            link.send(rawpeer.changes(1, 0, rawpeer.LAST, changeset))
            self.wait_value(peer, 1, "sync_peer_deltas_refused_total", reason="behind")
        self.assertEqual(exposition.value(self.scrape(peer), "sync_peer_rows_merged_total"), 0)

    def test_what_is_no_message(self):
        peer = self.serve_rooms(metrics=True)
        for message in (b"", b"\0", b"\xff"):
            with rawpeer.RawPeer(peer.port, "/red") as link:
                link.expect(rawpeer.ANNOUNCE)
                link.send(message)
                self.assertRaises(rawpeer.Closed, link.expect, rawpeer.CHANGES)
        self.wait_value(peer, 3, "sync_peer_frames_received_total", type="other")
        self.wait_value(peer, 2, "sync_peer_received_bytes_total")

    def test_many_links(self):
        """One by one only as long as they are few; rooms in any case."""
        peer = self.serve_rooms(metrics=True)
        links = []
        for i in range(101):
            links.append(rawpeer.RawPeer(peer.port, f"/red{i % 3}"))
            if i == 99:
                self.assertEqual(len(self.scrape(peer)["sync_peer_connection_lag_seconds"].samples), 100)
        now = self.scrape(peer)
        self.assertNotIn("sync_peer_connection_lag_seconds", now)
        self.assertEqual(exposition.value(now, "sync_peer_room_connections", room="red0"), 34)
        for link in links:
            link.close()
        self.wait_value(peer, 0, "sync_peer_connections")

    def test_about_the_process(self):
        before = time.time()
        now = self.scrape(self.serve_rooms(metrics=True))
        self.assertAlmostEqual(exposition.value(now, "process_start_time_seconds"), before, delta=60)
        (_, labels), number = next(iter(now["sync_peer_build_info"].samples.items()))
        self.assertEqual((number, set(dict(labels)), dict(labels)["version"]), (1, {"version", "protocol", "libwebsockets"}, self.run_peer("--version")[1].split()[1]))

    def test_nothing_secret(self):
        """No token, key or row."""
        peer = self.serve_rooms(metrics=True, auth={"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}})
        token = tokens.hs256(tokens.claims("red", sub="who-it-is"))
        self.path("token").write_text(token, encoding="utf-8")
        db, _ = self.join(peer, "red", None, "--token-file", self.path("token"))
        patiently(db, f"INSERT INTO note VALUES('one', '{SECRET_BODY}')")
        self.wait_value(peer, 1, "sync_peer_rows_merged_total")
        body = self.get(rawpeer.connect(peer.port), "/metrics", "Authorization: Bearer " + token)[2]
        for secret in (token, *token.split("."), tokens.SECRET, SECRET_BODY, "who-it-is", "note", str(self.dir)):
            self.assertNotIn(secret, body)


class Hostile(Metrics):
    def test_who_asks_and_does_not_read(self):
        """A few answers are held at once, not more; meanwhile the rooms go on, and afterwards it answers again."""
        peer = self.serve_rooms(metrics={"listen": "127.0.0.1:0"}, limits={"openRooms": 100})
        links = [rawpeer.RawPeer(peer.port, "/" + f"{i}-".ljust(64, "x")) for i in range(90)]
        n = limits.value("PEER_SCRAPES_MAX")  # the answer that is asked for below is the one at n + 1
        held = [self.ask_and_wait(peer.scrape_port) for _ in range(n)]
        eventually(lambda: self.get(socket.create_connection(("127.0.0.1", peer.scrape_port), timeout=30), "/metrics")[0] == 503, "as many are held as may be")
        self.assertEqual(self.get(socket.create_connection(("127.0.0.1", peer.scrape_port), timeout=30), "/healthz")[0], 200)
        self.join(peer, "red")
        for s in held:
            s.close()
        eventually(lambda: self.get(socket.create_connection(("127.0.0.1", peer.scrape_port), timeout=30), "/metrics")[0] == 200, "it answers again")
        for link in links:
            link.close()
        self.assertEqual(peer.stop(), 0)

    def ask_and_wait(self, port):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.connect(("127.0.0.1", port))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        return s


if __name__ == "__main__":
    unittest.main()
