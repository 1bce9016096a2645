"""RFC 6455, case by case, with the peer at either end of the connection; what libwebsockets does otherwise is listed in docs/TESTING.md, and only that.

Somebody else in the room notices nothing of it, and nothing of it stays behind in the process."""
import contextlib
import re
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import conformance  # noqa: E402
import synctest  # noqa: E402
from rawpeer import RawPeer  # noqa: E402
from stranger import Stranger, upgrades  # noqa: E402
from synctest import ask, Case, eventually, plain, without_tls  # noqa: E402
from websocket import Side, Talk, resident_kib, settled, sockets_of  # noqa: E402

TOGETHER = 6  # connections at a time
FOLLOWED_MAX = 60  # PEER_FOLLOW_MAX, less some
GROWN_KIB = 16 * 1024  # more than the messages that are under way at a time
RESIDENT_KIB_MAX = 64 * 1024  # 60 links with a message each
DEFLATE = "permessage-deflate; client_no_context_takeover; client_max_window_bits"


def room_of(case):
    return re.sub("[^a-z0-9]", "-", case.name)


class Conformance(Case):
    def setUp(self):
        super().setUp()
        self.exceptions = conformance.Exceptions()
        self.a, self.b = self.path("a.db"), self.path("b.db")
        for db in (self.a, self.b):
            plain(db, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        self.server = self.serve(self.a)

    def judge(self, role, outcomes):
        """`outcomes`: (case, what came of it)."""
        wrong = [self.exceptions.wrong(role, case.name, case.allowed, got) for case, got in outcomes]
        self.assertEqual([], list(filter(None, wrong)))
        self.assertTrue(outcomes)

    def undisturbed(self, peer):
        """The two files are in step, also with what is written now, in both directions."""
        synctest.patiently(self.a, "INSERT INTO t VALUES('alive', 1)")
        self.wait_same(self.a, self.b)
        synctest.patiently(self.b, "DELETE FROM t")
        eventually(lambda: ask(self.a, "SELECT count(*) FROM t") == 0, "the other link goes on")
        self.assertIsNone(peer.process.poll())


class Serving(Conformance):
    """The peer is the server."""

    def setUp(self):
        super().setUp()
        self.follower = self.sync(self.b, self.server.url)
        self.follower.wait_event("connected")

    def try_one(self, case, headers=()):
        with RawPeer(self.server.port, "/a", headers=headers) as raw:
            return case, case.run(Talk(raw.socket, Side(client=True), "a", raw.received))

    def try_all(self, section):
        with ThreadPoolExecutor(TOGETHER) as pool:
            return list(pool.map(self.try_one, conformance.SECTIONS[section]()))

    def check(self, section):
        self.undisturbed(self.server)
        sockets = sockets_of(self.server.process.pid)
        self.judge("server", self.try_all(section))
        self.undisturbed(self.server)
        self.assertLessEqual(settled(lambda: sockets_of(self.server.process.pid), sockets), sockets)

    @unittest.skipIf(synctest.SANITIZER, "the sanitizer keeps what is freed")
    def test_memory_is_given_back(self):
        pid = self.server.process.pid
        self.try_all("limits")  # so that what it needs once is there
        memory = resident_kib(pid)
        self.try_all("limits")
        self.assertLess(settled(lambda: resident_kib(pid), memory + GROWN_KIB - 1), memory + GROWN_KIB)

    def test_compression_is_not_taken_up(self):
        """Autobahn's 12 and 13: whoever offers it is answered as if he had not, and may not use it."""
        compressed = next(case for case in conformance.reserved() if case.name == "3.compressed")
        plain_case = next(case for case in conformance.framing() if case.name == "1.2.8")
        for offer in (DEFLATE, "permessage-deflate", "x-webkit-deflate-frame", f"{DEFLATE}, permessage-deflate", "x" * 200):
            with self.subTest(offer=offer[:60]):
                headers = [f"Sec-WebSocket-Extensions: {offer}"]
                with RawPeer(self.server.port, "/a", headers=headers) as raw:
                    self.assertNotIn(b"sec-websocket-extensions", raw.head.lower())
                self.judge("server", [self.try_one(compressed, headers), self.try_one(plain_case, headers)])


class Following(Conformance):
    """The peer is the client: it follows as many servers of ours as there are cases, and a real one."""

    def run_all(self, cases, url):
        """Each case is tried by the first connection to its room. [(case, what came of it)], and the peer."""
        by_room, outcomes, lock = {room_of(case).encode(): case for case in cases}, {}, threading.Lock()

        def answer(connection, head):
            room = head.split(b" ")[1][1:]
            with lock:
                first = room not in outcomes and room in by_room
                outcomes.setdefault(room, "nothing came of it")
            if first:
                upgrades("sync.v1", lambda opened: outcomes.update({room: self.try_one(by_room[room], opened, room)}))(connection, head)
            else:
                stranger.over.wait()  # nothing more is said: it is not to be asked again and again
        stranger = Stranger(answer)
        self.addCleanup(stranger.close)
        urls = [f"ws://127.0.0.1:{stranger.port}/{room.decode()}" for room in by_room]
        follower = self.peer("sync", self.b, url, *urls)
        eventually(lambda: len(outcomes) == len(by_room) and "nothing came of it" not in outcomes.values(), lambda: f"outcomes of all cases: {outcomes}", seconds=120)
        return [(by_room[room], got) for room, got in outcomes.items()], follower

    @staticmethod
    def try_one(case, connection, room):
        with contextlib.suppress(OSError):
            return case.run(Talk(connection, Side(client=False), room.decode()))
        return "does not greet"

    def check(self, section):
        cases = list(conformance.SECTIONS[section]())
        for at in range(0, len(cases), FOLLOWED_MAX):
            outcomes, follower = self.run_all(cases[at:at + FOLLOWED_MAX], self.server.url)
            self.judge("client", outcomes)
            self.undisturbed(follower)
            if not synctest.SANITIZER:
                self.assertLess(resident_kib(follower.process.pid), RESIDENT_KIB_MAX)
            follower.stop()

    def answered_with(self, *lines):
        """What the follower says of a server that answers so; and what it had asked."""
        heads = []
        stranger = Stranger(lambda connection, head: (heads.append(head), upgrades("sync.v1", more=lines)(connection, head)))
        self.addCleanup(stranger.close)
        status, _, err = self.run_peer("sync", self.b, stranger.url, "--once", "--quiet")
        return status, err, heads[0]

    @without_tls("frames are the same beneath it")
    def test_compression_is_not_offered(self):
        """... and a server that takes up what was not offered opens no websocket."""
        for extension in (DEFLATE, "permessage-deflate", "unheard-of"):
            with self.subTest(extension):
                status, err, head = self.answered_with(f"Sec-WebSocket-Extensions: {extension}")
                self.assertNotIn(b"sec-websocket-extensions", head.lower())
                self.assertEqual(status, 9, err)


def add_tests(case):
    for section in conformance.SECTIONS:
        setattr(case, f"test_{section}", lambda self, s=section: self.check(s))


add_tests(Serving)
if not synctest.TLS:  # frames are the same beneath it
    add_tests(Following)


class Table(unittest.TestCase):
    def test_each_exception_is_one_of_a_case(self):
        names = [case.name for case in conformance.cases()]
        self.assertEqual(len(names), len(set(names)))
        for pattern, role, does in conformance.Exceptions().rows:
            self.assertTrue(any(map(pattern.fullmatch, names)), f"{pattern.pattern}, {role}: {does}")


if __name__ == "__main__":
    unittest.main()
