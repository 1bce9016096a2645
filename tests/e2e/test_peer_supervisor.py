"""Who starts a peer and watches over it, as systemd does: sockets that are handed over, and what is told of start, reload and end."""
import fcntl
import os
import select
import signal
import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from rooms import NOTES, Rooms  # noqa: E402
from synctest import SECONDS_MAX, plain  # noqa: E402

# As systemd does it: the sockets from 3 on, and whose they are. usage: bash -c HAND_OVER - LISTEN_FDS "FD..." PROGRAM ARGUMENT...
HAND_OVER = 'export LISTEN_FDS=$1 LISTEN_PID=$$; to=3; for fd in $2; do eval "exec $to<&$fd"; to=$((to + 1)); done; shift 2; exec "$@"'
FIRST_FD = 100  # out of the way of 3 and those behind it


class Supervised(Rooms):
    def setUp(self):
        super().setUp()
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.ear.close)
        self.ear.bind(str(self.path("notify")))
        self.heard = []

    def start(self, *arguments, listening=(), count=None):
        """A peer that tells us how it is, and gets these sockets."""
        fds = [fcntl.fcntl(one, fcntl.F_DUPFD, FIRST_FD) for one in listening]
        for fd in fds:
            self.addCleanup(os.close, fd)
        options = {"before": ("bash", "-c", HAND_OVER, "-", count or str(len(fds)), " ".join(map(str, fds))), "pass_fds": fds} if fds else {}
        return self.peer(*arguments, env={"NOTIFY_SOCKET": str(self.path("notify"))}, **options)

    def told(self):
        """The next that is told, as {name: value}."""
        self.assertTrue(select.select([self.ear], [], [], SECONDS_MAX)[0], f"nothing is told behind {self.heard}")
        self.heard.append(dict(line.split("=", 1) for line in self.ear.recv(4096).decode().split("\n")))
        return self.heard[-1]

    def socket(self, family=socket.AF_INET, address=("127.0.0.1", 0), listening=True):
        one = socket.socket(family)
        self.addCleanup(one.close)
        one.bind(address)
        if listening:
            one.listen()
        return one


class Told(Supervised):
    def test_of_a_folder(self):
        peer = self.start("serve", "--config", self.config())
        told = self.told()
        self.assertEqual(("1", f"serving the rooms of {self.dir}/db"), (told["READY"], told["STATUS"]))
        peer.port = peer.wait_event("listening")["port"]
        self.join(peer, "red")
        self.assertEqual(0, peer.stop())
        self.assertEqual("1", self.told()["STOPPING"])

    def test_of_a_file_when_it_is_open(self):
        """Another program keeps it locked: before it is open nobody may rely on it."""
        db = self.path("a.db")
        plain(db, NOTES)
        lock = synctest.connect(db, ext=False)
        self.addCleanup(lock.close)
        lock.execute("BEGIN EXCLUSIVE")
        self.start("serve", db, "--listen", "127.0.0.1:0")
        self.assertFalse(select.select([self.ear], [], [], 0.5)[0])
        lock.execute("ROLLBACK")
        self.assertEqual({"READY": "1", "STATUS": f"serving {db} as room a"}, self.told())

    def test_of_one_that_only_follows(self):
        server = self.serve(self.made("a.db"))
        db = self.made("b.db")
        self.start("sync", db, server.url)
        self.assertEqual({"READY": "1", "STATUS": f"keeping {db} in step"}, self.told())

    def made(self, name):
        plain(self.path(name), NOTES)
        return self.path(name)

    def test_a_name_tells_nothing_of_its_own(self):
        db = self.made("a\nSTOPPING=1\n.db")
        self.start("serve", db, "--listen", "127.0.0.1:0", "--room", "a")
        self.assertEqual({"READY": "1", "STATUS": f"serving {self.dir}/a?STOPPING=1?.db as room a"}, self.told())

    def test_reading_again(self):
        peer = self.start("serve", "--config", self.config())
        self.told()
        for settings, says in (({"create": False}, "was read again"), ({"create": 7}, "the configuration stays as it was")):
            self.config(**settings)
            peer.process.send_signal(signal.SIGHUP)
            began, over = self.told(), self.told()
            self.assertEqual("1", began["RELOADING"])
            self.assertGreater(int(began["MONOTONIC_USEC"]), 0)
            self.assertEqual("1", over["READY"])
            self.assertIn(says, over["STATUS"])

    def test_nothing_is_ready_where_the_start_fails(self):
        peer = self.start("serve", self.path("gone.db"), "--listen", "127.0.0.1:0")
        self.assertEqual(3, peer.wait())
        while select.select([self.ear], [], [], 0)[0]:
            self.assertNotIn("READY", self.told())

    def test_nobody_listens_there(self):
        self.ear.close()
        peer = self.start("serve", self.made("a.db"), "--listen", "127.0.0.1:0")
        peer.wait_event("listening")
        self.assertEqual(0, peer.stop())
        self.assertIn("cannot be told how things are (NOTIFY_SOCKET)", peer.stderr)


class HandedOver(Supervised):
    def test_in_place_of_what_is_said(self):
        """... and who came before the file was open is served, too."""
        ours = self.socket()
        db = self.path("a.db")
        plain(db, NOTES)
        early = socket.create_connection(ours.getsockname())
        self.addCleanup(early.close)
        peer = self.start("serve", db, "--listen", "203.0.113.1:1", listening=[ours])
        event = peer.wait_event("listening")
        self.assertEqual(ours.getsockname(), (event["host"], event["port"]))
        peer.port = event["port"]
        self.assertIn("LISTEN_FDS: 1", peer.stderr)
        if not synctest.TLS:
            early.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"200", early.recv(100))
        other, _ = self.join(peer, "a", "b.db")
        self.write(other, "one")
        self.wait_notes(db, "one")
        self.assertEqual(0, peer.stop())
        socket.create_connection(ours.getsockname()).close()  # it listens still: who comes now waits for the next start

    def test_two_for_a_folder(self):
        """Metrics stay where they are to be."""
        ours = [self.socket(socket.AF_INET6, ("::1", 0)), self.socket()]
        peer = self.start("serve", "--config", self.config(listen="203.0.113.1:1", metrics={"listen": "127.0.0.1:0"}), listening=ours)
        for one in ours:
            event = peer.wait_event("listening")
            host, port = one.getsockname()[:2]
            self.assertEqual((host, port), (event["host"], event["port"]))
            self.assertIn(f"://[{host}]:{port}/" if ":" in host else f"://{host}:{port}/", event["url"])
        self.assertNotIn(peer.wait_event("metrics")["port"], [one.getsockname()[1] for one in ours])

    def test_what_cannot_be_listened_on(self):
        config = self.config()
        good = self.socket()
        for wrong, count, says in (([good, self.socket(listening=False)], None, "socket 4 cannot be used: it is no TCP socket that listens"),
                                   ([self.socket(socket.AF_UNIX, str(self.path("unix")))], None, "it is no TCP socket that listens"),
                                   ([good] * 9, None, "9 sockets are more than the 8"), ([good], "x", "LISTEN_FDS cannot be understood")):
            with self.subTest(says=says):
                peer = self.start("serve", "--config", config, listening=wrong, count=count)
                self.assertEqual(8, peer.wait())
                self.assertIn(says, peer.stderr)

    def test_sockets_of_another_process_are_none_of_ours(self):
        db = self.path("a.db")
        plain(db, NOTES)
        peer = self.peer("serve", db, "--listen", "127.0.0.1:0", env={"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())})
        peer.wait_event("listening")
        self.assertNotIn("LISTEN_FDS", peer.stderr)


if __name__ == "__main__":
    unittest.main()
