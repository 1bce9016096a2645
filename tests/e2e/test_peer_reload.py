"""SIGHUP: the configuration, the keys and the certificate are read again; what is wrong changes nothing, and what nobody has changed is not disturbed."""
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import tokens  # noqa: E402
from rooms import Rooms  # noqa: E402
from synctest import ask, eventually  # noqa: E402
from tokens import claims, hs256  # noqa: E402

OTHER_SECRET = "another secret of at least 32 bytes, too"


class Reload(Rooms):
    def reload(self, peer, **settings):
        """What is said of it."""
        if settings:
            self.config(**settings)
        peer.process.send_signal(signal.SIGHUP)
        return peer.wait_event("reloaded")

    def notes(self, db):
        return ask(db, "SELECT group_concat(id) FROM (SELECT id FROM note ORDER BY id)")

    def test_what_is_wrong_changes_nothing(self):
        peer = self.serve_rooms()
        db, follower = self.join(peer, "red")
        for text, code, says in (("{", 2, "peer.json:1"), ('{"dbFolder": "db", "rums": []}', 2, "rums"), ('{"dbFolder": "gone"}', 3, "/dbFolder"),
                                 ('{"dbFolder": "db", "auth": {"jwt": {"algorithm": "HS256", "keyFile": "gone", "audience": "a"}}}', 3, "gone"), (None, 3, "peer.json")):
            with self.subTest(text=text):
                path = self.path("peer.json")
                path.unlink() if text is None else path.write_text(text, encoding="utf-8")
                said = self.reload(peer)
                self.assertEqual(said["code"], code)
                self.assertIn(says, said["text"])
                self.assertIn("the configuration stays as it was", said["text"])
        self.write(db, "after")
        self.wait_notes(self.path("db/red.db"), "after")
        self.join(peer, "blue")
        follower.stop()
        self.assertEqual([e for e in follower.all_events() if e["event"] == "disconnected" and "connect again" in e["reason"]], [])

    def test_only_rooms_that_changed_are_opened_anew(self):
        peer = self.serve_rooms()
        (red, red_peer), (blue, blue_peer) = self.join(peer, "red"), self.join(peer, "blue")
        said = self.reload(peer, rooms=[{"name": "red", "rights": ["read"]}])
        self.assertEqual(said["code"], 0)
        self.assertIn("rooms that are opened anew: 1", said["text"])
        red_peer.wait_event("disconnected")
        red_peer.wait_event("connected")
        self.write(red, "may not")
        self.write(blue, "may")
        self.wait_notes(self.path("db/blue.db"), "may")
        time.sleep(0.3)
        self.assertIsNone(self.notes(self.path("db/red.db")))
        self.reload(peer, rooms=[])
        self.wait_notes(self.path("db/red.db"), "may not")
        blue_peer.stop()
        self.assertEqual(len([e for e in blue_peer.all_events() if e["event"] == "connected"]), 1)

    def test_nothing_changed(self):
        peer = self.serve_rooms(rooms=[{"name": "red", "track": ["note"], "rights": ["read", "write"]}])
        _, follower = self.join(peer, "red")
        said = self.reload(peer)
        self.assertIn("rooms that are opened anew: 0", said["text"])
        follower.stop()
        self.assertEqual(len([e for e in follower.all_events() if e["event"] == "connected"]), 1)

    def test_rooms_that_go_and_come(self):
        peer = self.serve_rooms()
        db, follower = self.join(peer, "red")
        self.write(db, "one")
        self.wait_notes(self.path("db/red.db"), "one")
        self.reload(peer, rooms=[{"name": "red", "serve": False}])
        follower.wait_event("disconnected")
        eventually(lambda: "this room is not served any more" in follower.stderr, lambda: follower.stderr)
        self.assertEqual(self.notes(self.path("db/red.db")), "one")
        self.reload(peer, create=False, rooms=[{"name": "b*", "create": True}])
        self.join(peer, "blue")
        status, _, err = self.run_peer("clone", self.url(peer, "green"), self.path("green.db"))
        self.assertEqual(status, 9, err)

    def test_rooms_in_memory_that_are_new(self):
        peer = self.serve_rooms()
        self.reload(peer, rooms=[{"name": "m*", "memory": True}])
        db, _ = self.join(peer, "m1")
        self.write(db, "one")
        other, _ = self.join(peer, "m1", "other.db")
        self.wait_notes(other, "one")
        self.reload(peer, rooms=[{"name": "m*", "memory": True}, {"name": "x"}])
        self.write(other, "two")
        self.wait_notes(db, "one", "two")
        self.assertFalse(self.path("db/m1.db").exists())
        self.assertEqual(peer.stop(), 0)

    def auth(self, secret=tokens.SECRET):
        self.path("secret").write_text(secret + "\n", encoding="utf-8")
        return {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}}

    def follow(self, peer, secret=tokens.SECRET):
        self.path("token").write_text(hs256(claims(room="red"), secret=secret), encoding="utf-8")
        return self.join(peer, "red", options=("--token-file", self.path("token")))

    def test_another_key(self):
        """Who was let in by the one before has to show himself again, at once."""
        peer = self.serve_rooms(auth=self.auth())
        db, follower = self.follow(peer)
        self.assertIn("opened anew: 0", self.reload(peer, auth=self.auth())["text"])  # the same key
        said = self.reload(peer, auth=self.auth(OTHER_SECRET))
        self.assertIn("everybody has to show himself again", said["text"])
        follower.wait_event("disconnected")
        self.write(db, "not yet")
        time.sleep(0.5)
        self.assertIsNone(self.notes(self.path("db/red.db")))
        self.path("token").write_text(hs256(claims(room="red"), secret=OTHER_SECRET), encoding="utf-8")
        self.wait_notes(self.path("db/red.db"), "not yet")

    def test_what_stays_until_the_next_start_is_named(self):
        peer = self.serve_rooms()
        self.path("elsewhere").mkdir()
        said = self.reload(peer, dbFolder="elsewhere", listen="127.0.0.1:1", limits={"links": 300, "idleSeconds": 0}, metrics=True, log={"format": "json"})
        self.assertIn("until the next start stay as they were: listen, dbFolder, metrics, log, limits.links", said["text"])
        db, _ = self.join(peer, "red")
        self.write(db, "one")
        self.wait_notes(self.path("db/red.db"), "one")

    def test_fewer_links(self):
        peer = self.serve_rooms()
        self.join(peer, "red")
        self.reload(peer, limits={"links": 1, "idleSeconds": 0})
        status, _, err = self.run_peer("clone", self.url(peer, "red"), self.path("clone.db"))
        self.assertEqual(status, 9, err)
        self.reload(peer, limits={"links": 2, "idleSeconds": 0})
        status, _, err = self.run_peer("clone", self.url(peer, "red"), self.path("clone.db"))
        self.assertEqual(status, 0, err)

    def test_a_signal_to_stop_is_not_lost_behind_it(self):
        for _ in range(5):
            peer = self.serve_rooms()
            peer.process.send_signal(signal.SIGTERM)
            peer.process.send_signal(signal.SIGHUP)
            self.assertEqual(peer.wait(), 0)

    def test_again_and_again_while_everybody_writes(self):
        peer = self.serve_rooms()
        members = [self.join(peer, "red", f"m{i}.db")[0] for i in range(3)]
        keys = []
        for i in range(40):
            self.reload(peer, rooms=[{"name": "red", "keepJournalMode": i % 2 == 0}])
            keys.append(f"k{i:02}")
            self.write(members[i % 3], keys[-1])
        for db in (*members, self.path("db/red.db")):
            self.wait_notes(db, *keys)
        self.assertEqual(peer.stop(), 0)
        self.assert_sound(self.path("db/red.db"), *members)


if __name__ == "__main__":
    unittest.main()
