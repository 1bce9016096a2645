"""GET /rooms and GET /ROOM/users: which rooms there are and who is in them, for who may know."""
import contextlib
import json
import os
import resource
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from rooms import NOTES  # noqa: E402
from roster import JWT, Roster, bearer  # noqa: E402
from synctest import eventually, plain  # noqa: E402

PEER_ROSTER_ROOMS_MAX = limits.value("PEER_ROSTER_ROOMS_MAX")
PEER_ROSTER_ENTRIES_MAX = limits.value("PEER_ROSTER_ENTRIES_MAX")
PEER_ROSTER_USERS_MAX = limits.value("PEER_ROSTER_USERS_MAX")


class Anybody(Roster):
    def test_rooms_and_members(self):
        peer = self.serve_rooms(limits={"idleSeconds": 3600})
        plain(self.path("db/closed.db"), NOTES)
        self.path("db/No-Room.db").touch()
        self.path("db/other.txt").touch()
        self.assertEqual(list(self.rooms(peer)), ["closed"])
        before = int(time.time())
        links = [rawpeer.RawPeer(peer.port, path) for path in ("/red", "/red", "/blue")]
        closed = {"open": False, "members": 0, "elsewhere": 0, "links": 0, "lagSeconds": 0, "partsOutstanding": 0}
        nobody = {**closed, "open": True}
        self.assertEqual(self.rooms(peer), {"blue": {**nobody, "members": 1}, "closed": closed, "red": {**nobody, "members": 2}})
        site = rawpeer.read_announce(links[0].expect(rawpeer.ANNOUNCE))[0].hex()[:8]
        for user in self.users(peer, "red"):
            self.assertEqual({**user, "since": 0}, {"user": None, "by": "anonymous", "since": 0, "peer": site})
            self.assertLessEqual(before, user["since"])
            self.assertLessEqual(user["since"], time.time())
        self.assertEqual([len(self.users(peer, room)) for room in ("red", "blue", "closed", "to-be-made")], [2, 1, 0, 0])
        for link in links:
            link.close()
        eventually(lambda: self.rooms(peer)["red"] == nobody, "they have left")
        self.assertEqual(self.users(peer, "red"), [])
        whole = self.ask(peer, "/rooms")
        self.assertEqual((whole["software"], whole["more"]), (" ".join(self.run_peer("--version")[1].split()), False))
        self.assertAlmostEqual(whole["since"], before, delta=60)
        self.assertFalse(self.path("db/to-be-made.db").exists())

    def test_of_a_single_file(self):
        plain(self.path("one.db"), NOTES)
        server = self.serve(self.path("one.db"))
        self.assertEqual(self.rooms(server)["one"]["members"], 0)
        with rawpeer.RawPeer(server.port, "/one"):
            self.assertEqual((self.rooms(server)["one"]["members"], len(self.users(server, "one"))), (1, 1))
        self.refused(403, "to read is not allowed", server, "/two/users")

    def test_a_file_that_gives_nothing(self):
        plain(self.path("one.db"), NOTES)
        server = self.serve(self.path("one.db"), "--receive-only")
        self.assertEqual(self.rooms(server), {})
        self.refused(403, "to read is not allowed in this room", server, "/one/users")

    def test_no_page(self):
        peer = self.serve_rooms()
        for path in ("/rooms", "/red/users"):
            self.refused(403, "web pages", peer, path, "Origin: http://127.0.0.1")

    def test_other_paths(self):
        """A room may be called rooms, or users."""
        peer = self.serve_rooms()
        for path in ("/rooms/", "/rooms/x", "/red/users/", "/red/users/x", "/red/user", "/a/b/users", "//users", "/RED/users", "/users"):
            self.assertEqual(self.get(peer, path)[0], 426, path)
        if not synctest.TLS:  # where libwebsockets alone reads the path
            for path in ("//red/users", "/rooms?x", "/red/../red/users", "/%72ed/users", "/./rooms"):
                self.assertEqual(self.get(peer, path)[0], 426, path)
        with rawpeer.RawPeer(peer.port, "/rooms"), rawpeer.RawPeer(peer.port, "/users"):
            self.assertEqual(list(self.rooms(peer)), ["rooms", "users"])
            self.assertEqual(len(self.users(peer, "users")), 1)
        with self.assertRaises(rawpeer.Refused):
            rawpeer.RawPeer(peer.port, "/red/users")

    def test_how_far_a_room_is_behind(self):
        peer = self.serve_rooms()
        plain(self.path("db/red.db"), NOTES + "INSERT INTO note VALUES('one', 1);")
        with rawpeer.RawPeer(peer.port, "/red") as link:
            link.expect(rawpeer.ANNOUNCE)
            link.send(rawpeer.announce("red"))
            tracked = self.path("tracked.db")
            self.assertEqual(self.run_peer("clone", self.url(peer, "red"), tracked)[0], 0)
            seen = bytes.fromhex(synctest.shell(tracked, "SELECT hex(sync_seen())"))
            link.send(rawpeer.frame(rawpeer.START, b"", seen))
            plain(self.path("db/red.db"), "INSERT INTO note VALUES('two', 2)")
            eventually(lambda: self.rooms(peer)["red"]["partsOutstanding"] == 1, lambda: self.rooms(peer))
            eventually(lambda: self.rooms(peer)["red"]["lagSeconds"] >= 0.1, lambda: self.rooms(peer))

    def test_links_to_other_servers(self):
        self.path("db2").mkdir()
        one = self.serve_rooms()
        two = self.serve_rooms(dbFolder="db2", links=[{"rooms": "red", "url": self.url(one, "red"), "open": True}])
        eventually(lambda: self.rooms(two).get("red", {}).get("links") == 1, lambda: self.rooms(two))
        self.assertEqual(self.rooms(two)["red"]["members"], 0)
        self.assertEqual((self.rooms(one)["red"]["members"], self.rooms(one)["red"]["links"]), (1, 0))


class WithTokens(Roster):
    def serve_three(self, **settings):
        for room in ("red", "blue", "drop"):
            plain(self.path(f"db/{room}.db"), NOTES)
        return self.serve_rooms(**{"auth": JWT, "create": False, "rooms": [{"name": "drop", "rights": ["write"]}, {"name": "shut", "serve": False}], **settings})

    def test_only_what_he_may_read(self):
        peer = self.serve_three()
        plain(self.path("db/shut.db"), NOTES)
        for rooms, rights, listed in (("red", "read", ["red"]), ("*", "read", ["blue", "red"]), (["red", "blue"], ["read", "write"], ["blue", "red"]), ("red", "write", []), ("none", "read", []),
                                      ("*", "admin", ["blue", "drop", "red"]), ("b*", ["write", "admin"], ["blue"])):
            self.assertEqual(list(self.rooms(peer, bearer(rooms, rights=rights))), listed, (rooms, rights))
        self.users(peer, "red", bearer("red", rights="read"))
        self.refused(401, "the token is not for this room", peer, "/red/users", bearer("blue"))
        self.refused(401, "the token is not for this room", peer, "/gone/users", bearer("blue"))
        self.refused(403, "to read is not allowed in this room", peer, "/red/users", bearer("red", rights="write"))
        self.refused(403, "to read is not allowed in this room", peer, "/drop/users", bearer("*"))
        self.refused(404, "there is no such room here", peer, "/gone/users", bearer("*"))
        self.refused(404, "there is no such room here", peer, "/shut/users", bearer("*"))

    def test_who_is_refused(self):
        peer = self.serve_three(auth={**JWT, "hosts": ["sync.test"], "origins": ["https://app.test"]})
        for path in ("/rooms", "/red/users"):
            for headers, says in (((), "a token is needed"), ((bearer("red", exp=1),), "has expired"), ((bearer("red", aud="x"),), "another audience"), ((bearer("red", rights=[]),), "no rights"),
                                  (("Authorization: Bearer x.y.z",), "signature"), ((bearer("red") + "x",), "signature")):
                self.refused(401, says, peer, path, *headers, host="sync.test")
            self.refused(403, "this host is not served here", peer, path, bearer("red"))
            self.refused(403, "connections from this page", peer, path, bearer("red"), "Origin: https://evil.test", host="sync.test")
            self.assertEqual(self.get(peer, path, bearer("red"), "Origin: https://app.test", host="sync.test")[0], 200)

    def test_identities_and_addresses(self):
        """Addresses for who has the right admin, and for nobody else."""
        peer = self.serve_three()
        names = ("ann", 'b"o\\b\n', "\u00e4" * 31)
        links = [rawpeer.RawPeer(peer.port, "/red", headers=[bearer("red", sub=name)]) for name in names]
        users = self.users(peer, "red", bearer("red"))
        self.assertEqual({(user["user"], user["by"]) for user in users}, {(name, "token") for name in names})
        self.assertEqual({tuple(sorted(user)) for user in users}, {("by", "peer", "since", "user")})
        for rights in ("admin", ["read", "admin"]):
            self.assertEqual({user["address"] for user in self.users(peer, "red", bearer("red", rights=rights))}, {"127.0.0.1"})
        for link in links:
            link.close()
        eventually(lambda: self.users(peer, "red", bearer("red")) == [], "they have left")

    def test_nothing_secret_is_said(self):
        peer = self.serve_three()
        token = bearer("red")
        with rawpeer.RawPeer(peer.port, "/red", headers=[token]):
            bodies = self.get(peer, "/rooms", token)[2] + self.get(peer, "/red/users", token)[2]
        self.get(peer, "/rooms", token + "x")
        peer.stop()
        for secret in (token.split()[-1], token.split(".")[-1], tokens.SECRET):
            self.assertNotIn(secret, bodies + peer.stderr + json.dumps(peer.all_events()))
        self.assertNotIn(str(self.dir), bodies)


class Bounds(Roster):
    def test_many_files(self):
        """What is open comes first, and no more than a thousand."""
        for i in range(PEER_ROSTER_ROOMS_MAX + 1):
            self.path(f"db/r{i}.db").touch()
        peer = self.serve_rooms()
        with rawpeer.RawPeer(peer.port, "/zz-new"):
            found = self.ask(peer, "/rooms")
            self.assertEqual((len(found["rooms"]), found["more"], found["rooms"][-1]["room"]), (PEER_ROSTER_ROOMS_MAX, True, "zz-new"))
            for i in range(2):
                self.path(f"db/r{i}.db").unlink()
            found = self.ask(peer, "/rooms")
            self.assertEqual((len(found["rooms"]), found["more"]), (PEER_ROSTER_ROOMS_MAX, False))

    def test_many_entries(self):
        """Of the folder so many are looked at, whatever they are."""
        peer = self.serve_rooms()
        there = len(os.listdir(self.path("db"))) + 2  # itself and the one above
        for i in range(PEER_ROSTER_ENTRIES_MAX + 1 - there):
            self.path(f"db/{i}.txt").touch()
        self.assertTrue(self.ask(peer, "/rooms")["more"])
        self.path("db/0.txt").unlink()
        self.assertFalse(self.ask(peer, "/rooms")["more"])

    def test_many_users(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 4096:
            self.skipTest("a process may not have 4096 files open")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        peer = self.serve_rooms(limits={"links": 1100, "linksPerAddress": 1100, "upgradesPerMinute": 3000})
        with contextlib.ExitStack() as held:
            for _ in range(PEER_ROSTER_USERS_MAX):
                held.enter_context(rawpeer.RawPeer(peer.port, "/red"))
            for count in (PEER_ROSTER_USERS_MAX, PEER_ROSTER_USERS_MAX + 1):
                found = self.ask(peer, "/red/users")
                self.assertEqual((len(found["users"]), found["more"]), (PEER_ROSTER_USERS_MAX, count > PEER_ROSTER_USERS_MAX))
                held.enter_context(rawpeer.RawPeer(peer.port, "/red"))

    def test_how_often_one_address_may_ask(self):
        peer = self.serve_rooms(limits={"upgradesPerMinute": 3})
        with rawpeer.RawPeer(peer.port, "/red"):
            self.assertEqual([self.get(peer, path)[0] for path in ("/rooms", "/red/users", "/rooms", "/red/users")], [200, 200, 429, 429])

    def test_an_address_with_all_its_links_may_still_ask(self):
        """One at a time: one more is turned away for as long as the peer has not seen the end of the one before."""
        peer = self.serve_rooms(limits={"linksPerAddress": 1, "idleSeconds": 0})
        with rawpeer.RawPeer(peer.port, "/red"):
            self.assertEqual(self.get(peer, "/rooms")[0], 200)

    def test_who_asks_and_does_not_read(self):
        peer = self.serve_rooms()
        for i in range(1000):
            self.path(f"db/{i}-".ljust(66, "x") + ".db").touch()
        held = [rawpeer.connect(peer.port) for _ in range(40)]
        for s in held:
            s.sendall(b"GET /rooms HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(self.get(peer, "/healthz")[0], 200)
        self.join(peer, "red")
        for s in held:
            s.close()
        eventually(lambda: self.get(peer, "/rooms")[0] == 200, "it answers again")
        self.assertEqual(peer.stop(), 0)


if __name__ == "__main__":
    unittest.main()
