"""Servers whose rooms are kept in step with those of others, by configuration."""
import json
import signal
import socket
import sqlite3
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
import tokens  # noqa: E402
from rooms import NOTES  # noqa: E402
from synctest import Case, ask, eventually, patiently, plain  # noqa: E402
from tokens import claims, hs256  # noqa: E402


class Mesh(Case):
    def folder(self, name):
        (self.path(name) / "db").mkdir(parents=True, exist_ok=True)
        (self.path(name) / "sql").mkdir(exist_ok=True)
        (self.path(name) / "sql" / "default.sql").write_text(NOTES, encoding="utf-8")
        return self.path(name)

    def config(self, name, links, **settings):
        path = self.folder(name) / "peer.json"
        whole = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "schemaFolder": "sql", "create": True, "limits": {"idleSeconds": 0},
                 "links": links, **settings}
        path.write_text(json.dumps(whole), encoding="utf-8")
        return path

    def start(self, name, *links, **settings):
        """A server with a folder of its own."""
        peer = self.peer("serve", "--config", self.config(name, list(links), **settings))
        peer.name, peer.port = name, peer.wait_event("listening")["port"]
        return peer

    def to(self, peer, rooms="*", room="*", **more):
        return {"rooms": rooms, "url": f"{synctest.SCHEME}://127.0.0.1:{peer.port}/{room}", **more}

    def file(self, peer, room):
        return self.path(peer.name) / "db" / f"{room}.db"

    def join(self, peer, room, name):
        db = self.path(name)
        plain(db, NOTES)
        self.sync(db, f"{synctest.SCHEME}://127.0.0.1:{peer.port}/{room}").wait_event("connected")
        return db

    def put(self, db, key):
        patiently(db, f"INSERT INTO note VALUES('{key}', '{key}')")

    def notes(self, db):
        return (ask(db, "SELECT group_concat(id) FROM (SELECT id FROM note ORDER BY id)") or "") if Path(db).exists() and ask(
            db, "SELECT count(*) FROM sqlite_schema WHERE name = 'note'") else None

    def wait(self, db, *keys):
        eventually(lambda: self.notes(db) == ",".join(sorted(keys)), lambda: f"{keys} in {db}; there is {self.notes(db)}")


class Links(Mesh):
    def test_a_room_is_linked_while_somebody_is_in_it(self):
        hub = self.start("hub")
        leaf = self.start("leaf", self.to(hub))
        here = {room: self.join(leaf, room, f"{room}-leaf.db") for room in ("red", "blue")}
        there = {room: self.join(hub, room, f"{room}-hub.db") for room in ("red", "blue")}
        for room in here:
            self.put(here[room], f"{room}-1")
            self.put(there[room], f"{room}-2")
        for room in here:
            for db in (here[room], there[room], self.file(hub, room), self.file(leaf, room)):
                self.wait(db, f"{room}-1", f"{room}-2")
        self.assertEqual((leaf.stop(), hub.stop()), (0, 0))

    def test_rooms_that_are_kept_open(self):
        """Nobody is in them at either end but the link."""
        hub = self.start("hub")
        self.folder("leaf")
        plain(self.path("leaf/db/red.db"), NOTES)
        leaf = self.start("leaf", self.to(hub, open=True))
        self.put(self.file(leaf, "red"), "one")
        self.wait(self.file(hub, "red"), "one")
        self.put(self.file(hub, "red"), "two")
        self.wait(self.file(leaf, "red"), "one", "two")
        time.sleep(1)
        self.assertEqual([e for e in leaf.all_events() if e["event"] == "closed"], [])
        self.assertFalse(self.file(hub, "blue").exists())

    def test_one_that_is_named_is_made(self):
        hub = self.start("hub")
        leaf = self.start("leaf", self.to(hub, rooms="red", open=True))
        eventually(lambda: self.file(hub, "red").exists(), "the room at the other end")
        self.put(self.file(hub, "red"), "one")
        self.wait(self.file(leaf, "red"), "one")

    def test_under_another_name(self):
        hub = self.start("hub")
        leaf = self.start("leaf", self.to(hub, rooms="mine", room="theirs", open=True))
        eventually(lambda: self.file(hub, "theirs").exists() and self.notes(self.file(hub, "theirs")) is not None, "the room at the other end")
        self.put(self.file(hub, "theirs"), "one")
        self.wait(self.file(leaf, "mine"), "one")

    def test_one_way(self):
        hub = self.start("hub")
        leaf = self.start("leaf", self.to(hub, rooms="red", open=True, rights=["write"]))  # it may write here, and reads nothing of ours
        eventually(lambda: self.notes(self.file(leaf, "red")) is not None and self.notes(self.file(hub, "red")) is not None, "both files")
        self.put(self.file(leaf, "red"), "kept")
        self.put(self.file(hub, "red"), "given")
        self.wait(self.file(leaf, "red"), "given", "kept")
        time.sleep(0.5)
        self.wait(self.file(hub, "red"), "given")

    def test_members_who_may_only_read_what_another_server_writes(self):
        """What members may do here does not bind the link."""
        hub = self.start("hub")
        leaf = self.start("leaf", self.to(hub), rooms=[{"name": "*", "rights": ["read"]}])
        reader = self.join(leaf, "red", "reader.db")
        eventually(lambda: self.notes(self.file(hub, "red")) is not None, "the room at the other end")
        self.put(self.file(hub, "red"), "one")
        self.wait(reader, "one")
        self.put(reader, "not for others")
        time.sleep(0.5)
        self.wait(self.file(leaf, "red"), "one")

    def test_tokens(self):
        (self.folder("hub") / "secret").write_text(tokens.SECRET + "\n", encoding="utf-8")
        hub = self.start("hub", auth={"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}})
        (self.folder("leaf") / "token").write_text(hs256(claims("red")), encoding="utf-8")
        leaf = self.start("leaf", self.to(hub, rooms="*", tokenFile="token"))
        red = self.join(leaf, "red", "red.db")
        self.put(red, "one")
        self.wait(self.file(hub, "red"), "one")
        self.join(leaf, "blue", "blue.db")  # the token is for another room
        eventually(lambda: "/blue: it does not accept the token; trying again" in leaf.stderr, lambda: leaf.stderr)
        self.assertIsNone(leaf.process.poll())

    def test_a_server_that_comes_later(self):
        """The link waits for it; who is in the room does not notice."""
        hub = self.start("hub")
        port = hub.port
        hub.stop()
        leaf = self.start("leaf", self.to(hub))
        red = self.join(leaf, "red", "red.db")
        self.put(red, "one")
        self.wait(self.file(leaf, "red"), "one")
        again = self.peer("serve", "--config", self.config("hub", [], listen=f"127.0.0.1:{port}"))
        again.wait_event("listening")
        self.wait(self.file(hub, "red"), "one")

    def test_a_room_that_closes_takes_its_links_along(self):
        hub = self.start("hub")
        leaf = self.start("leaf", self.to(hub))
        for i in range(20):
            status, _, err = self.run_peer("clone", f"{synctest.SCHEME}://127.0.0.1:{leaf.port}/red", self.path(f"clone{i}.db"))
            self.assertEqual(status, 0, err)
        eventually(lambda: leaf.all_events()[-1]["event"] in ("closed", "disconnected"), "the room is closed")
        eventually(lambda: hub.all_events()[-1]["event"] == "closed", "it is closed at the other end too")
        self.assertEqual((leaf.stop(), hub.stop()), (0, 0))

    def test_a_kept_room_that_fails_is_opened_again(self):
        hub = self.start("hub")
        self.folder("leaf")
        plain(self.path("leaf/db/red.db"), NOTES)
        locker = sqlite3.connect(str(self.path("leaf/db/red.db")), isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        leaf = self.start("leaf", self.to(hub, open=True))
        leaf.wait_event("closed", room="red")
        locker.execute("ROLLBACK")
        locker.close()
        self.put(self.file(leaf, "red"), "one")
        self.wait(self.file(hub, "red"), "one")

    def test_own_links_take_no_place_of_members(self):
        hub = self.start("hub")
        leaf = self.start("leaf", self.to(hub), limits={"links": 1, "idleSeconds": 0})
        red = self.join(leaf, "red", "red.db")
        self.put(red, "one")
        self.wait(self.file(hub, "red"), "one")

    def test_rooms_that_close_while_their_links_are_being_made(self):
        """The other server answers late, or not at all, at the first of its addresses, or refuses."""
        silent = socket.create_server(("127.0.0.1", 0))
        silent.listen(64)
        self.addCleanup(silent.close)
        refused = socket.create_server(("127.0.0.1", 0))
        port = refused.getsockname()[1]
        refused.close()
        hub = self.start("hub")
        for url in (f"ws://127.0.0.1:{silent.getsockname()[1]}/*", f"ws://localhost:{port}/*", f"{synctest.SCHEME}://localhost:{hub.port}/*"):
            with self.subTest(url=url):
                leaf = self.start("leaf", {"rooms": "*", "url": url})
                for i in range(15):
                    status, _, err = self.run_peer("clone", f"{synctest.SCHEME}://127.0.0.1:{leaf.port}/r{i % 3}", self.path(f"{leaf.port}-{i}.db"))
                    self.assertEqual(status, 0, err)
                self.assertEqual(leaf.stop(), 0)

    def test_reloaded(self):
        hub = self.start("hub")
        leaf = self.start("leaf")
        red = self.join(leaf, "red", "red.db")
        self.put(red, "one")
        self.config("leaf", [self.to(hub, open=True)])
        leaf.process.send_signal(signal.SIGHUP)
        self.assertEqual(leaf.wait_event("reloaded")["code"], 0)
        self.wait(self.file(hub, "red"), "one")
        self.config("leaf", [])
        leaf.process.send_signal(signal.SIGHUP)
        leaf.wait_event("reloaded")
        hub.wait_event("disconnected")
        self.put(red, "two")
        self.wait(self.file(leaf, "red"), "one", "two")
        time.sleep(0.5)
        self.wait(self.file(hub, "red"), "one")

    def test_a_wrong_url_is_named(self):
        for url, why in (("http://127.0.0.1/*", "ws://"), ("ws://127.0.0.1/", "room"), ("ws://127.0.0.1/A*", "room")):
            with self.subTest(url=url):
                status, _, err = self.run_peer("check-config", self.config("hub", [{"rooms": "*"}, {"rooms": "*", "url": url}][1:]))
                self.assertEqual(status, 2, err)
                self.assertIn("/links/0/url", err)
                self.assertIn(why, err)


class Shapes(Mesh):
    """What is written anywhere comes everywhere, crosses no link twice, and then there is rest."""

    def merged(self, peers):
        """Rows that came over links between servers, and changed something."""
        return sum(e["rows"] for peer in peers for e in peer.all_events() if e["event"] == "merged")

    def run_shape(self, names, edges, writes=30):
        """`edges`: (who connects, to whom). Files are equal afterwards; each row changed each other file once."""
        peers = {}
        for name in names:
            links = [self.to(peers[b], open=True) for a, b in edges if a == name and b in peers]
            plain(self.folder(name) / "db" / "red.db", NOTES)
            peers[name] = self.start(name, *links)
        for a, b in edges:  # those that close a ring
            if names.index(b) > names.index(a):
                links = [self.to(peers[y], open=True) for x, y in edges if x == a]
                self.config(a, links)
                peers[a].process.send_signal(signal.SIGHUP)
                peers[a].wait_event("reloaded")
        keys = []
        for i in range(writes):
            name = names[i % len(names)]
            keys.append(f"{name}{i:03}")
            self.put(self.file(peers[name], "red"), keys[-1])
        for peer in peers.values():
            self.wait(self.file(peer, "red"), *keys)
        def rest():
            before = [self.file(p, "red").with_name("red.db-wal").stat().st_mtime_ns for p in peers.values()]
            time.sleep(1.5)
            return before == [self.file(p, "red").with_name("red.db-wal").stat().st_mtime_ns for p in peers.values()]
        eventually(rest, "rest")
        self.assertEqual(self.merged(peers.values()), writes * (len(names) - 1))
        for peer in peers.values():
            self.assertEqual(peer.stop(), 0)
        self.assert_sound(*[self.file(p, "red") for p in peers.values()])

    def test_ring(self):
        self.run_shape(["a", "b", "c"], [("b", "a"), ("c", "b"), ("a", "c")])

    def test_diamond(self):
        self.run_shape(["a", "b", "c", "d"], [("b", "a"), ("c", "a"), ("d", "b"), ("d", "c")])

    def test_everybody_with_everybody(self):
        names = ["a", "b", "c", "d"]
        self.run_shape(names, [(y, x) for i, x in enumerate(names) for y in names[i + 1:]])


if __name__ == "__main__":
    unittest.main()
