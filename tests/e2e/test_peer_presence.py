"""Who is in a room, as each of the peers that serve it tells of all of them: in a line, in a ring, with one that dies, and what nobody may tell."""
import json
import os
import signal
import socket
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import limits  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from rawpeer import ANNOUNCE, COPIES, ERROR, PRESENCE, READS, TELLS, WRITES, RawPeer, member, presence  # noqa: E402
from rooms import NOTES  # noqa: E402
from roster import JWT, Roster, bearer  # noqa: E402
from stranger import Stranger, upgrades  # noqa: E402
from synctest import SECONDS_MAX, eventually, patiently, plain, waits  # noqa: E402

PEER_ROSTER_USERS_MAX = limits.value("PEER_ROSTER_USERS_MAX")
PEER_PRESENCE_PEERS_MAX = limits.value("PEER_PRESENCE_PEERS_MAX")
PEER_PRESENCE_EXPIRE_MS = limits.value("PEER_PRESENCE_EXPIRE_MS")
X, Y = b"x" * 16, b"y" * 16  # peers that are made up


FORWARDS = 8  # what others write


class Joined(RawPeer):
    """Somebody who is there until he closes: he has announced himself, and says something from time to time."""

    def __init__(self, port, **options):
        super().__init__(port, "/red", **options)
        self.site, _ = rawpeer.read_announce(self.expect(ANNOUNCE))
        self.send(rawpeer.announce("red"))
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.ping, daemon=True)
        self.thread.start()

    def ping(self):
        try:
            while not self.over.wait(5):
                self.send(rawpeer.frame(rawpeer.PING, rawpeer.varint(1)))
        except OSError:
            pass

    def close(self):
        self.over.set()
        self.thread.join()
        super().close()


class Presence(Roster):
    def config_of(self, name, *links, port=0, **settings):
        (self.path(name) / "db").mkdir(parents=True, exist_ok=True)
        path = self.path(name) / "peer.json"
        path.write_text(json.dumps({**synctest.tls_config(), "name": name, "listen": f"127.0.0.1:{port}", "dbFolder": "db", "schemaFolder": "../sql", "create": True, "links": list(links), **settings}), encoding="utf-8")
        return path

    def start(self, name, *links, **settings):
        """A server of that name with a folder of its own."""
        peer = self.peer("serve", "--config", self.config_of(name, *links, **settings))
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def to(self, port, **more):
        """A link of the room red, all the time."""
        return {"rooms": "red", "url": f"{synctest.SCHEME}://127.0.0.1:{getattr(port, 'port', port)}/red", "open": True, **more}

    def free_port(self):
        with socket.create_server(("127.0.0.1", 0)) as some:
            return some.getsockname()[1]

    def members(self, peer, *headers):
        """Who is in the room red, and at which peer, but for the links between peers."""
        return sorted((user["peer"], user["user"]) for user in self.users(peer, "red", *headers) if "relays" not in user)

    def sees(self, peers, expected, *headers, seconds=SECONDS_MAX):
        """Each of the peers comes to know just these."""
        for peer in peers:
            eventually(lambda peer=peer: self.members(peer, *headers) == sorted(expected), lambda peer=peer: f"{expected} at {peer.arguments}; there are {self.members(peer, *headers)}", seconds)

    def line(self):
        """Three servers, each linked to the one before."""
        a = self.start("a")
        b = self.start("b", self.to(a))
        return a, b, self.start("c", self.to(b))

    def raw(self, peer, rights=READS | WRITES | TELLS, site=None, **options):
        """A link that says what the test says; `.site` is the server's, `.rights` what it lets us do."""
        link = RawPeer(peer.port, "/red", **options)
        self.addCleanup(link.close)
        link.own = site or os.urandom(16)
        link.site, link.rights = rawpeer.read_announce(link.expect(ANNOUNCE))
        link.send(rawpeer.announce("red", site=link.own, rights=rights))
        return link

    def told(self, link, site, wanted=lambda found: True):
        """The next Presence of that peer that is wanted."""
        while True:
            found = rawpeer.read_presence(link.expect(PRESENCE))
            if found["site"] == site and wanted(found):
                return found


class Line(Presence):
    def test_each_answers_for_all(self):
        a, b, c = self.line()
        links = {name: Joined(peer.port) for name, peer in (("a", a), ("b", b), ("c", c))}
        everybody = [(name, None) for name in links]
        self.sees((a, b, c), everybody)
        eventually(lambda: [self.rooms(peer)["red"]["members"] for peer in (a, b, c)] == [2, 2, 1], "the links of b and c are members, too")
        eventually(lambda: [self.rooms(peer)["red"]["elsewhere"] for peer in (a, b, c)] == [3, 3, 4], lambda: [self.rooms(peer) for peer in (a, b, c)])
        self.assertEqual(sorted(user["peer"] for user in self.users(c, "red") if user.get("relays") is True), ["a", "b"])
        links["a"].close()
        self.sees((a, b, c), everybody[1:])
        links["b"].close()
        links["c"].close()
        self.sees((a, b, c), [])

    def test_commands_show_them(self):
        a, b, c = self.line()
        with Joined(c.port):
            self.sees((a,), [("c", None)])
            url = f"{synctest.SCHEME}://127.0.0.1:{a.port}"
            eventually(lambda: self.rooms(a)["red"]["elsewhere"] == 2, lambda: self.rooms(a))
            self.assertRegex(self.run_peer("rooms", url)[1], r"(?m)^red +yes +1 +2$")
            self.assertRegex(self.run_peer("status", url)[1], r"(?m)^red +yes +1 +2 +0 ")
            event = next(e for e in map(json.loads, self.run_peer("status", url, "--json")[1].splitlines()) if e["event"] == "room")
            self.assertEqual((event["members"], event["elsewhere"]), (1, 2))

    def test_who_comes_later_sees_everybody(self):
        """A server that is started when all others are there; also a second time."""
        a = self.start("a")
        b = self.start("b", self.to(a))
        links = [Joined(a.port), Joined(b.port)]
        self.sees((a, b), [("a", None), ("b", None)])
        c = self.start("c", self.to(b))
        self.sees((c,), [("a", None), ("b", None)])
        c.stop()
        c = self.start("c", self.to(b))
        self.sees((c,), [("a", None), ("b", None)])
        for link in links:
            link.close()

    def test_who_stops_says_so(self):
        """While there are links to say it on; who does not hear it any more waits as for one that died."""
        a = self.start("a")
        link = self.raw(a)
        with Joined(a.port):
            there = self.told(link, link.site, lambda found: found["count"] == 2)
            self.assertEqual(a.stop(), 0)
            gone = self.told(link, link.site, lambda found: found["count"] == 0)
        self.assertGreater(gone["counter"], there["counter"])

    @waits
    def test_who_is_killed_expires(self):
        """And is in nobody's way until then: lists are what is known, nobody is asked for them."""
        a, b, c = self.line()
        for peer, name in ((b, "at-b.db"), (c, "at-c.db")):
            self.join(peer, "red", name)
        self.sees((a, b), [("b", None), ("c", None)])
        c.kill()
        self.assertEqual(self.members(a), [("b", None), ("c", None)])
        self.sees((a, b), [("b", None)], seconds=3 * PEER_PRESENCE_EXPIRE_MS / 1000)

    def test_who_was_killed_comes_back(self):
        """What it says then counts, and not what it had said."""
        a, b, c = self.line()
        with Joined(c.port), Joined(c.port):
            self.sees((a, b), [("c", None), ("c", None)])
            c.kill()
        c = self.start("c", self.to(b))
        with Joined(c.port):
            self.sees((a, b), [("c", None)])

    @waits
    def test_who_stays_is_told_of_again(self):
        """Before what was told expires; the numbers rise."""
        a = self.start("a")
        self.join(a, "red", "at-a.db")
        link = self.raw(a)
        first = self.told(link, link.site, lambda found: found["count"] == 2)
        link.send(rawpeer.frame(rawpeer.PING, rawpeer.varint(1)))
        again = self.told(link, link.site, lambda found: found["counter"] > first["counter"])
        self.assertEqual((again["members"], again["age"] < PEER_PRESENCE_EXPIRE_MS), (first["members"], True))

    def test_from_one_server_to_another_by_who_follows_both(self):
        a, b = self.start("a"), self.start("b")
        db = self.path("both.db")
        plain(db, NOTES)
        self.peer("sync", db, self.url(a, "red"), self.url(b, "red"))
        with Joined(a.port):
            self.sees((a, b), [("a", None)])

    def test_a_room_that_tracks_nothing(self):
        """It has no id to tell by; the links go on, and it tells when it has one."""
        a = self.start("a")
        b = self.start("b", self.to(a), rooms=[{"name": "red", "track": "none"}])
        with Joined(b.port), Joined(a.port):
            self.sees((b,), [("a", None), ("b", None)])
            synctest.shell(self.path("b/db/red.db"), "SELECT sync_track('note')")
            self.sees((a, b), [("a", None), ("b", None)])
        self.assertNotIn("Presence", a.stderr + b.stderr)

    def test_names(self):
        """By the configuration, also one that was read again; else by the file."""
        a = self.start("a")
        unnamed = self.config_of("b", self.to(a))
        settings = json.loads(unnamed.read_text(encoding="utf-8"))
        del settings["name"]
        unnamed.write_text(json.dumps(settings), encoding="utf-8")
        b = self.peer("serve", "--config", unnamed)
        b.port = b.wait_event("listening")["port"]
        with Joined(b.port) as link:
            name = link.site.hex()[:8]
            self.sees((a, b), [(name, None)])
            unnamed.write_text(json.dumps({**settings, "name": "North-1.example_x"}), encoding="utf-8")
            b.process.send_signal(signal.SIGHUP)
            b.wait_event("reloaded", code=0)
            self.sees((a, b), [("North-1.example_x", None)])

    def test_names_that_are_none(self):
        for name in ("", "-a", "a b", "a/b", "\u00e4", "n" * 65, 1):
            path = self.config_of("a")
            path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "name": name}), encoding="utf-8")
            status, _, err = self.run_peer("check-config", path)
            self.assertEqual((status, "/name" in err), (2, True), err)


class Ring(Presence):
    def ring(self):
        port = self.free_port()
        a = self.start("a", self.to(port))
        b = self.start("b", self.to(a))
        return a, b, self.start("c", self.to(b), port=port)

    def test_each_answers_for_all(self):
        a, b, c = self.ring()
        links = [Joined(peer.port) for peer in (a, b, c)]
        self.sees((a, b, c), [("a", None), ("b", None), ("c", None)])
        links[0].close()
        self.sees((a, b, c), [("b", None), ("c", None)])
        b.stop()  # the others still have each other
        links.append(Joined(a.port))
        self.sees((a, c), [("a", None), ("c", None)], seconds=3 * PEER_PRESENCE_EXPIRE_MS / 1000)
        for link in links:
            link.close()

    def test_the_same_is_passed_on_once(self):
        """What is known is not passed on again, nor where it came from; the newest word of each peer counts, whichever way it comes."""
        a = self.start("a")
        one, two = self.raw(a), self.raw(a)
        one.send(presence(X, 5, [member("ann")]))
        self.assertEqual(self.told(two, X)["counter"], 5)
        for counter in (5, 4):
            two.send(presence(X, counter, [member("old")] * 3))
        two.send(presence(Y, 1, [member("bob", relays=True)]))
        two.send(presence(X, 6, [member("cid")]))
        found = []
        while not {6, 1} <= {one_of["counter"] for one_of in found}:
            found.append(rawpeer.read_presence(one.expect(PRESENCE)))
        self.assertEqual([f["counter"] for f in found if f["site"] == X], [6])
        self.assertEqual([(f["members"], f["name"]) for f in found if f["site"] == Y], [([("bob", 1, 1800000000, True)], "raw")])
        one.send(presence(X, 7, []))
        found = self.told(two, X)
        self.assertEqual((found["counter"], found["count"]), (7, 0))
        self.assertEqual(sorted(self.users(a, "red"), key=lambda user: user["user"] or "")[-1], {"user": "bob", "by": "token", "since": 1800000000, "peer": "raw", "relays": True})

    def test_who_comes_later_is_told_what_is_known(self):
        """At once, and not when it is told again."""
        a = self.start("a")
        one = self.raw(a)
        one.send(presence(X, 5, [member("ann")], age=1000))
        self.sees((a,), [("raw", "ann")])
        self.told(self.raw(a), X)  # from now on it is no news
        found = self.told(self.raw(a), X)
        self.assertEqual((found["counter"], found["members"]), (5, [("ann", 1, 1800000000, False)]))
        self.assertGreaterEqual(found["age"], 1000)

    @waits
    def test_it_ages_on_its_way(self):
        a = self.start("a")
        b = self.start("b", self.to(a))
        link = self.raw(b)
        link.send(presence(X, 1, [member("old")], age=PEER_PRESENCE_EXPIRE_MS))
        link.send(presence(X, 1, [member("ann")], age=PEER_PRESENCE_EXPIRE_MS - 8000))
        self.sees((a, b), [("raw", "ann")])
        self.sees((a, b), [])

    @waits
    def test_what_is_said_of_it_by_others(self):
        """It does not believe it. Others do, if the number is higher, until that expires: what it says itself counts again then."""
        a = self.start("a")
        b = self.start("b", self.to(a))
        with Joined(b.port) as ann:
            self.sees((a, b), [("b", None)])
            link = self.raw(a)
            link.send(presence(ann.site, 2 ** 63 - 1, [member("ghost")], age=PEER_PRESENCE_EXPIRE_MS - 8000))
            self.sees((a,), [("raw", "ghost")])
            self.assertEqual(self.members(b), [("b", None)])
            self.sees((a,), [("b", None)])


class Rights(Presence):
    def setUp(self):
        super().setUp()
        self.auth = {**JWT, "jwt": {**JWT["jwt"], "keyFile": "../secret"}}

    def token(self, name, **changed):
        self.path(name).write_text(tokens.hs256(tokens.claims("red", **changed)), encoding="utf-8")
        return str(self.path(name))

    def test_identities(self):
        """Addresses stay where they are, also for who has the right admin."""
        a = self.start("a", auth=self.auth)
        b = self.start("b", self.to(a, tokenFile=self.token("for-b", sub="b-itself", rights=["read", "write", "peer"])), auth=self.auth)
        names = ("ann", 'b"o\\b\n', "\u00e4" * 31)
        links = [Joined(b.port, headers=[bearer("red", sub=name)]) for name in names] + [Joined(a.port, headers=[bearer("red", sub="dan")])]
        self.sees((a, b), [*(("b", name) for name in names), ("a", "dan")], bearer("red"))
        at_a = self.users(a, "red", bearer("red", rights=["read", "admin"]))
        self.assertEqual({(user["user"], user["peer"]) for user in at_a if "address" in user}, {("dan", "a"), ("b-itself", "a")})
        self.assertEqual({user["user"] for user in at_a if "relays" in user}, {"b-itself"})
        self.assertEqual({user["by"] for user in at_a}, {"token"})
        for link in links:
            link.close()
        self.sees((a, b), [], bearer("red"))

    def test_without_the_right(self):
        """A server that may only read and write hears of the others, and tells nothing."""
        a = self.start("a", auth=self.auth)
        b = self.start("b", self.to(a, tokenFile=self.token("for-b")), auth=self.auth)
        links = [Joined(peer.port, headers=[bearer("red", sub=name)]) for name, peer in (("ann", a), ("bob", b))]
        self.sees((b,), [("a", "ann"), ("b", "bob")], bearer("red"))
        self.sees((a,), [("a", "ann")], bearer("red"))
        for link in links:
            link.close()
        self.sees((a, b), [], bearer("red"))

    def test_nobody_forges(self):
        a = self.start("a", auth=self.auth, rooms=[{"name": "drop", "rights": ["read"]}])
        good = self.raw(a, headers=[bearer("red", rights=["read", "write", "peer"])])
        self.assertEqual(good.rights & ~FORWARDS & ~COPIES, READS | WRITES | TELLS)
        good.send(presence(X, 5, [member("ann")]))
        self.sees((a,), [("raw", "ann")], bearer("red"))
        for rights, allowed in ((["read", "write"], READS | WRITES), ("write", WRITES), ("read", READS), (["read", "peer"], READS), (["read", "write", "admin"], READS | WRITES)):
            link = self.raw(a, headers=[bearer("red", sub="eve", rights=rights)])
            self.assertEqual(link.rights & ~FORWARDS & ~COPIES, allowed)
            link.send(presence(X, 6, [member("forged")]))
            closed, error = link.until_closed()
            self.assertEqual((closed.code, error[0], b"takes the rights write and peer" in error), (4010, 10, True), rights)
        self.assertEqual(self.members(a, bearer("red")), [("raw", "ann")])
        with self.assertRaises(rawpeer.Refused) as refused:
            RawPeer(a.port, "/red", headers=[bearer("red", rights="peer")])
        self.assertEqual(refused.exception.status, 403)
        self.refused(403, "to read is not allowed", a, "/red/users", bearer("red", rights=["write", "peer"]))

    def test_who_may_not_read_is_not_told(self):
        a = self.start("a", auth=self.auth)
        held = Joined(a.port, headers=[bearer("red", sub="ann")])
        link = self.raw(a, headers=[bearer("red", rights=["write", "peer"])])
        link.send(rawpeer.frame(rawpeer.PING, rawpeer.varint(7)))
        link.send(presence(X, 1, [member("bob")]))
        self.sees((a,), [("a", "ann"), ("raw", "bob")], bearer("red"))
        held.close()
        link.socket.settimeout(2)  # longer than what has changed waits to be told
        with self.assertRaises(TimeoutError):
            link.expect(PRESENCE)

    def test_a_server_that_tells_who_does_not_want_to_know(self):
        """Who keeps one file in step with one server lists nobody: it is offered nothing, and takes nothing."""
        heard = []

        def talk(connection):
            head = rawpeer.announce("room", rights=READS | WRITES | TELLS)
            connection.sendall(bytes([0x82, len(head)]) + head)
            forged = presence(X, 1, [member("forged")])
            connection.sendall(bytes([0x82, len(forged)]) + forged)
            try:
                while True:
                    heard.extend(rawpeer.client_messages(connection))
            except rawpeer.Closed:
                pass
        stranger = Stranger(upgrades("sync.v1", talk))
        self.addCleanup(stranger.close)
        db = self.path("one.db")
        plain(db, NOTES)
        self.sync(db, stranger.url)
        eventually(lambda: any(message[0] == ERROR for message in list(heard)), lambda: heard)
        messages = {message[0]: message[2:-8] for message in heard}
        self.assertEqual(rawpeer.read_announce(messages[ANNOUNCE])[1], READS | WRITES | COPIES)
        self.assertEqual(messages[ERROR][0], 10)

    def test_a_link_with_the_right_to_read_alone(self):
        """What a server says that may not write here does not count here, and it hears of us."""
        a = self.start("a")
        b = self.start("b", self.to(a, rights=["read"]))
        with Joined(a.port), Joined(b.port):
            self.sees((a,), [("a", None), ("a", None), ("b", None)])  # the link itself, which is told of nobody
            self.sees((b,), [("b", None)])

    def test_certificates_may_have_it(self):
        for rights, status in ((["read", "write", "peer"], 0), (["admin"], 2)):
            member_of = {"name": "b", "rooms": "*", "rights": rights}
            cert, key = synctest.loopback()
            path = self.config_of("a", tls={"certFile": str(cert), "keyFile": str(key)}, auth={"certificates": {"caFile": str(cert), "members": [member_of]}})
            self.assertEqual(self.run_peer("check-config", path)[0], status)


class Hostile(Presence):
    def test_messages_that_are_malformed(self):
        a = self.start("a")
        for wrong, says in ((presence(bytes(16), 1), "no peer"), (presence(X, 2 ** 63), "too large"), (presence(X, 1, [member("a")], count=0), "more members than it counts"), (presence(X, 1, name=""), "name"),
                            (presence(X, 1, name="a\nb"), "name"), (presence(X, 1, [b"\3\0\1a"]), "malformed"), (presence(X, 1, [member("a")[:-1]]), "malformed"), (presence(X, 1, [member("a")], flags=1), "pieces"),
                            (presence(X, 1, [member("a")] * (limits.value("PEER_PRESENCE_MEMBERS_MAX") + 1)), "too many")):
            link = self.raw(a)
            link.send(wrong)
            closed, error = link.until_closed()
            self.assertEqual((closed.code, error[0], says in error.decode("latin-1")), (1002, 1, True), error)
        self.assertEqual(self.members(a), [])

    def test_before_the_announcement(self):
        a = self.start("a")
        link = RawPeer(a.port, "/red")
        self.addCleanup(link.close)
        link.send(presence(X, 1))
        closed, error = link.until_closed()
        self.assertEqual((closed.code, error[0]), (1002, 1))

    def test_more_peers_than_are_kept(self):
        """The others stay, and it is said once."""
        a = self.start("a")
        link = self.raw(a)
        for i in range(PEER_PRESENCE_PEERS_MAX + 1):
            link.send(presence(bytes([i + 1] * 16), 1, [member(f"u{i}")]))
        link.send(presence(bytes([1] * 16), 2, [member("again")]))
        self.sees((a,), [("raw", "again"), *(("raw", f"u{i}") for i in range(1, PEER_PRESENCE_PEERS_MAX))])
        link.send(presence(Y, 1, [member("y")]))
        link.send(presence(bytes([2] * 16), 2, []))
        self.sees((a,), [("raw", "again"), *(("raw", f"u{i}") for i in range(2, PEER_PRESENCE_PEERS_MAX))])
        self.assertEqual(a.stderr.count(f"members of no more than {PEER_PRESENCE_PEERS_MAX} peers are kept"), 1)

    def test_more_members_than_are_listed(self):
        """The list has as many as it has of one peer; those that are only counted are more."""
        a = self.start("a")
        link = self.raw(a)  # one that is listed
        some = [member("u")] * (PEER_ROSTER_USERS_MAX - 2)
        for counter, here, count, more in ((1, some, PEER_ROSTER_USERS_MAX - 2, False), (2, some, PEER_ROSTER_USERS_MAX - 1, True), (3, [*some, member("v")], PEER_ROSTER_USERS_MAX - 1, False),
                                           (4, [*some, member("v"), member("w")], PEER_ROSTER_USERS_MAX, True)):
            link.send(presence(X, counter, here, count=count))
            eventually(lambda more=more, here=here: (self.ask(a, "/red/users")["more"], len(self.ask(a, "/red/users")["users"])) == (more, min(len(here) + 1, PEER_ROSTER_USERS_MAX)), (counter, more))
        link.send(presence(X, 5, [member("ann")], count=2 ** 32 - 1))
        link.send(presence(Y, 1, [member("bob")]))
        eventually(lambda: {user["user"] for user in self.ask(a, "/red/users")["users"]} == {None, "ann", "bob"}, lambda: self.ask(a, "/red/users"))
        self.assertEqual(self.rooms(a)["red"]["elsewhere"], 2 ** 32)

    def test_rows_travel_beside_it(self):
        """Who tells without a pause holds nobody up."""
        a = self.start("a")
        b = self.start("b", self.to(a))
        link = self.raw(b)
        eventually(lambda: self.path("a/db/red.db").exists() and self.path("b/db/red.db").exists(), "both files")
        for counter in range(1, 2001):
            link.send(presence(X, counter, [member("ann")] * 20))
        patiently(self.path("b/db/red.db"), "INSERT INTO note VALUES('one', 1)")
        self.wait_notes(self.path("a/db/red.db"), "one")
        self.sees((a,), [("raw", "ann")] * 20)


if __name__ == "__main__":
    unittest.main()
