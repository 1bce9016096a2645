"""One process serves the files of a folder, each as a room: opened when somebody joins, made by a script where that is allowed, closed when nobody is left."""
import json
import os
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
from rooms import NOTES, Rooms  # noqa: E402
import synctest  # noqa: E402
from synctest import Case, ask, eventually, patiently, plain  # noqa: E402

class Serving(Rooms):
    def test_rooms_do_not_see_each_other(self):
        peer = self.serve_rooms()
        members = {room: [self.join(peer, room, f"{room}{i}.db")[0] for i in range(2)] for room in ("red", "blue", "a_b-3")}
        for room, (first, _) in members.items():
            self.write(first, room)
        for room, (first, second) in members.items():
            self.wait_notes(second, room)
            self.wait_notes(self.path(f"db/{room}.db"), room)
        self.assertEqual(peer.stop(), 0)
        self.assertEqual(sorted(p.name for p in self.path("db").glob("*.db*") if not p.name.endswith("-sync")), ["a_b-3.db", "blue.db", "red.db"])
        self.assert_sound(*self.path("db").glob("*.db"))

    def test_a_room_is_closed_and_opened_again(self):
        peer = self.serve_rooms()
        db, follower = self.join(peer, "red")
        self.write(db, "one")
        self.wait_notes(self.path("db/red.db"), "one")
        follower.stop()
        self.assertEqual(peer.wait_event("closed", room="red")["code"], 0)
        other, _ = self.join(peer, "red", "other.db")
        self.wait_notes(other, "one")
        self.assertEqual([e["event"] for e in peer.events if e.get("room") == "red" and e["event"] in ("opened", "closed")], ["opened", "closed"])
        peer.wait_event("opened", room="red")

    def test_many_join_and_leave_while_it_closes(self):
        """Who comes while the worker of a room ends finds it opened again."""
        peer = self.serve_rooms()
        for i in range(20):
            status, _, err = self.run_peer("clone", self.url(peer, "red"), self.path(f"clone{i}.db"))
            self.assertEqual(status, 0, err)
        self.assertEqual(peer.stop(), 0)

    def test_a_write_by_another_program_reaches_the_members(self):
        peer = self.serve_rooms()
        db, _ = self.join(peer, "red")
        patiently(self.path("db/red.db"), "INSERT INTO note VALUES('there', 1)")
        self.wait_notes(db, "there")

    def test_no_more_rooms_than_allowed_are_open(self):
        peer = self.serve_rooms(limits={"openRooms": 2, "idleSeconds": 3600})
        (_, red), _ = self.join(peer, "red"), self.join(peer, "blue")
        status, _, err = self.run_peer("clone", self.url(peer, "green"), self.path("green.db"))
        self.assertEqual(status, 9)
        self.assertIn("no more connections just now", err)
        red.stop()  # nobody is there any more: it makes room
        self.run_peer("clone", self.url(peer, "green"), self.path("green.db"))
        peer.wait_event("closed", room="red")
        self.assertTrue(self.path("green.db").exists())

    def test_no_more_links_from_one_address_than_allowed(self):
        peer = self.serve_rooms(limits={"linksPerAddress": 2, "idleSeconds": 0})
        (_, red), _ = self.join(peer, "red"), self.join(peer, "blue")
        status, _, err = self.run_peer("clone", self.url(peer, "green"), self.path("green.db"))
        self.assertEqual(status, 9)
        self.assertIn("it takes no more connections from here just now", err)
        red.stop()
        eventually(lambda: self.run_peer("clone", self.url(peer, "green"), self.path("green.db"))[0] == 0, "room for another one")

    def test_no_more_upgrades_in_a_minute_than_allowed(self):
        peer = self.serve_rooms(limits={"upgradesPerMinute": 3, "idleSeconds": 0})
        codes = [self.run_peer("clone", self.url(peer, "red"), self.path(f"c{i}.db"))[0] for i in range(5)]
        self.assertEqual(codes, [0, 0, 0, 9, 9])

    def test_who_comes_back_while_it_closes_does_not_open_one_more(self):
        """A room that makes way for another one, and that somebody joins before it is closed: it was opened again, whatever the limit."""
        peer = self.serve_rooms(limits={"openRooms": 1, "idleSeconds": 3600})
        with ThreadPoolExecutor(2) as pool:
            for _ in range(100):
                eventually(lambda: self.come(peer, "red", []), "the room is free again").close()
                fates = []
                for link in [one.result() for one in [pool.submit(self.come, peer, room, fates) for room in ("blue", "red")]]:
                    if link:
                        link.close()
                self.assertNotEqual(fates, ["greeted", "greeted"])
                if "too many rooms are open just now" in fates:
                    break
            else:
                self.fail("nobody came back in time")

    def come(self, peer, room, fates):
        """Joins, and notes what becomes of that; the link, where it is one."""
        try:
            link = rawpeer.RawPeer(peer.port, f"/{room}")
        except rawpeer.Refused:
            fates.append("refused")
            return None
        try:
            link.expect(rawpeer.ANNOUNCE)
            fates.append("greeted")
            return link
        except rawpeer.Closed as closed:
            fates.append(closed.reason)
            link.close()
            return None

    def test_no_more_links_than_allowed(self):
        peer = self.serve_rooms(limits={"links": 2})
        (_, first), _ = self.join(peer, "red", "one.db"), self.join(peer, "blue", "two.db")
        status, _, err = self.run_peer("clone", self.url(peer, "red"), self.path("three.db"))
        self.assertEqual((status, "no more connections just now" in err), (9, True), err)
        first.stop()
        eventually(lambda: self.run_peer("clone", self.url(peer, "red"), self.path("three.db"))[0] == 0, "there is room for another")

    def test_many_links(self):
        """They come and go in any order; what is written reaches those that are there."""
        peer = self.serve_rooms(limits={"links": 400})
        links = []
        for i in range(300):
            links.append(rawpeer.RawPeer(peer.port, f"/red{i % 3}"))
            links[-1].send(rawpeer.announce(f"red{i % 3}"))
        for link in links:
            link.expect(rawpeer.ANNOUNCE)
        for link in links[::2] + links[150::3]:
            link.close()
        db, _ = self.join(peer, "red0")
        self.write(db, "one")
        self.wait_notes(self.path("db/red0.db"), "one")
        for link in links:
            link.close()
        self.assertEqual(peer.stop(), 0)

    def test_several_addresses(self):
        peer = self.peer("serve", "--config", self.config(listen=["127.0.0.1:0", "127.0.0.2:0", "localhost:0"]))
        ports = [peer.wait_event("listening")["port"] for _ in range(3)]
        self.assertEqual(len(set(ports)), 3)
        peer.port = ports[2]
        db, _ = self.join(peer, "red")
        self.write(db, "one")
        self.wait_notes(self.path("db/red.db"), "one")
        self.assertEqual(peer.stop(), 0)

    def test_the_process_ends_with_rooms_open(self):
        peer = self.serve_rooms(limits={"idleSeconds": 3600})
        dbs = [self.join(peer, f"room{i}")[0] for i in range(5)]
        for i, db in enumerate(dbs):
            self.write(db, f"n{i}")
            self.wait_notes(self.path(f"db/room{i}.db"), f"n{i}")
        self.assertEqual(peer.stop(), 0)
        self.assert_sound(*self.path("db").glob("*.db"))
        self.assertEqual([p.name for p in self.path("db").glob("*-wal")], [])


class Health(Rooms):
    def ask(self, port, path, method="GET"):
        with rawpeer.connect(port) as s:
            s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = s.recv(4096)
        return int(answer.split()[1]) if answer else 0

    def test_health(self):
        """For whoever watches over the process: no room, and no token asked for."""
        peer = self.serve_rooms()
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/red", 426), ("/healthzz", 426)):
            self.assertEqual(self.ask(peer.port, path), status, path)
        self.assertEqual(list(self.path("db").iterdir()), [])

    def test_of_a_single_file(self):
        plain(self.path("one.db"), NOTES)
        server = self.serve(self.path("one.db"))
        self.assertEqual((self.ask(server.port, "/healthz"), self.ask(server.port, "/readyz")), (200, 200))


class Memory(Rooms):
    def scratch(self, peer):
        return [p for base in ("/dev/shm", os.environ.get("TMPDIR", "/tmp")) for p in Path(base).glob(f"sync-peer-{peer.process.pid}-*")]

    def test_a_room_in_memory(self):
        """Its members share it, also one that comes when it has been closed meanwhile; no file stays, and after a restart it is empty."""
        peer = self.serve_rooms(rooms=[{"name": "tmp-*", "memory": True}], create=False)
        (one, first), (two, second) = self.join(peer, "tmp-1", "one.db"), self.join(peer, "tmp-1", "two.db")
        self.write(one, "n")
        self.wait_notes(two, "n")
        first.stop(), second.stop()
        self.assertEqual(peer.wait_event("closed", room="tmp-1")["code"], 0)
        three, third = self.join(peer, "tmp-1", "three.db")
        self.wait_notes(three, "n")
        third.stop()
        self.assertEqual(list(self.path("db").iterdir()), [])
        self.assertEqual(len(self.scratch(peer)), 1)
        self.assertEqual(self.scratch(peer)[0].stat().st_mode & 0o777, 0o700)
        self.assertEqual(peer.stop(), 0)
        self.assertEqual(self.scratch(peer), [])
        again = self.serve_rooms(rooms=[{"name": "tmp-*", "memory": True}], create=False)
        self.run_peer("clone", self.url(again, "tmp-1"), self.path("empty.db"))
        self.assertEqual(ask(self.path("empty.db"), "SELECT count(*) FROM note"), 0)

    def test_what_a_killed_process_left(self):
        peer = self.serve_rooms(rooms=[{"name": "tmp", "memory": True}])
        self.join(peer, "tmp")
        left = self.scratch(peer)
        peer.kill()
        self.assertTrue(left[0].exists())
        self.serve_rooms(rooms=[{"name": "tmp", "memory": True}])
        self.assertFalse(left[0].exists())


class WhichRooms(Rooms):
    def refused(self, peer, room, says):
        status, _, err = self.run_peer("clone", self.url(peer, room), self.path("refused.db"))
        self.assertEqual(status, 9, err)
        self.assertIn(says, err)
        self.assertFalse(self.path("refused.db").exists())

    def test_only_files_that_are_there(self):
        plain(self.path("db/there.db"), NOTES)
        peer = self.serve_rooms(create=False)
        self.refused(peer, "other", "there is no room other")
        self.join(peer, "there")
        self.assertFalse(self.path("db/other.db").exists())

    def test_the_first_entry_that_fits_counts(self):
        plain(self.path("db/team-secret.db"), NOTES)
        plain(self.path("db/else.db"), NOTES)
        peer = self.serve_rooms(create=False, rooms=[{"name": "team-secret", "serve": False}, {"name": "team-*", "create": True, "schema": "team.sql"},
                                                     {"name": "*e", "serve": False}])
        self.path("sql/team.sql").write_text("CREATE TABLE team(id TEXT PRIMARY KEY);", encoding="utf-8")
        self.refused(peer, "team-secret", "there is no room team-secret")
        self.refused(peer, "else", "there is no room else")
        self.refused(peer, "other", "there is no room other")
        status, _, err = self.run_peer("clone", self.url(peer, "team-1"), self.path("team.db"))
        self.assertEqual(status, 0, err)
        self.assertEqual(ask(self.path("team.db"), "SELECT count(*) FROM team"), 0)

    def test_a_room_has_a_script_of_its_own(self):
        self.path("sql/red.sql").write_text("-- tables of red\nCREATE TABLE colour(id TEXT PRIMARY KEY, shade);\nINSERT INTO colour VALUES('red', 'dark');\n"
                                            "CREATE TABLE memo(id TEXT PRIMARY KEY, colour);\nSELECT sync_track('colour');", encoding="utf-8")
        peer = self.serve_rooms()
        status, _, err = self.run_peer("clone", self.url(peer, "red"), self.path("red.db"))
        self.assertEqual(status, 0, err)
        self.assertEqual(ask(self.path("red.db"), "SELECT shade FROM colour"), "dark")
        self.assertEqual(ask(self.path("red.db"), "SELECT count(*) FROM sqlite_schema WHERE name = 'memo'"), 0)  # it tracks colour alone

    def test_tables_that_are_named(self):
        plain(self.path("db/named.db"), NOTES + 'CREATE TABLE "a,""b"(id TEXT PRIMARY KEY); CREATE TABLE third(id TEXT PRIMARY KEY);')
        self.serve_and_join("named", rooms=[{"name": "named", "track": ["note", 'a,"b']}])
        self.assertEqual(ask(self.path("db/named.db"), "SELECT group_concat(name, '|') FROM (SELECT name FROM sync_table ORDER BY 1)"), 'a,"b|note')

    def serve_and_join(self, room, **settings):
        peer = self.serve_rooms(**settings)
        self.join(peer, room)
        return peer

    def test_a_journal_mode_that_is_kept(self):
        plain(self.path("db/kept.db"), NOTES)
        self.serve_and_join("kept", rooms=[{"name": "kept", "keepJournalMode": True}])
        self.assertEqual(ask(self.path("db/kept.db"), "PRAGMA journal_mode"), "delete")


class Trouble(Rooms):
    def test_a_script_that_fails(self):
        """It is named with its line, nothing is left, and the other rooms go on."""
        self.path("sql/bad.sql").write_text("CREATE TABLE good(id TEXT PRIMARY KEY);\n\nCREATE TABLE worse(id TEXT PRIMARY KEY,,);\n", encoding="utf-8")
        peer = self.serve_rooms()
        status, _, err = self.run_peer("clone", self.url(peer, "bad"), self.path("bad.db"))
        self.assertNotEqual(status, 0)
        self.assertIn("the room cannot be used just now", err)
        eventually(lambda: "bad.sql:3: near \",\"" in peer.stderr, lambda: peer.stderr)
        self.assertEqual(list(self.path("db").iterdir()), [])
        self.join(peer, "red")
        self.path("sql/bad.sql").write_text("CREATE TABLE good(id TEXT PRIMARY KEY);", encoding="utf-8")
        status, _, err = self.run_peer("clone", self.url(peer, "bad"), self.path("bad.db"))
        self.assertEqual(status, 0, err)

    def test_what_a_killed_process_left(self):
        self.path("db/red.db.new").write_text("half a file", encoding="utf-8")
        self.join(self.serve_rooms(), "red")
        self.assertFalse(self.path("db/red.db.new").exists())

    def test_a_file_that_is_none(self):
        self.path("db/text.db").write_text("no database, but long enough to be read as one " * 20, encoding="utf-8")
        peer = self.serve_rooms()
        status, _, _ = self.run_peer("clone", self.url(peer, "text"), self.path("text.db"))
        self.assertNotEqual(status, 0)
        eventually(lambda: "room text:" in peer.stderr, lambda: peer.stderr)
        self.join(peer, "red")

    def test_a_room_whose_file_is_replaced(self):
        """It is closed with a line; the others go on, and who comes back finds the new file. Also where another program keeps the old one open."""
        for neighbour in (False, True):
            room = f"red{int(neighbour)}"
            file = self.path(f"db/{room}.db")
            peer = self.serve_rooms(limits={"idleSeconds": 3600})
            (red, _), (blue, _) = self.join(peer, room), self.join(peer, "blue", f"blue{room}.db")
            self.write(red, "one")
            self.wait_notes(file, "one")
            other = synctest.connect(file, ext=False) if neighbour else None
            if other:
                self.addCleanup(other.close)
                other.execute("SELECT * FROM note").fetchall()
            plain(self.path("new.db"), NOTES + "INSERT INTO note VALUES('two', 2)")
            os.replace(self.path("new.db"), file)
            self.assertEqual(peer.wait_event("closed", room=room)["code"], 12)
            self.write(red, "three")
            self.write(blue, room)
            eventually(lambda room=room: ask(self.path("db/blue.db"), f"SELECT count(*) FROM note WHERE id = '{room}'"), "the other room goes on")
            self.wait_notes(red, "one", "two", "three")
            self.wait_notes(file, "one", "two", "three")
            self.assertIn(f"room {room}:", peer.stderr)
            peer.stop()

    def test_a_script_that_is_too_large_or_none(self):
        self.path("sql/large.sql").write_text("-- " + "x" * (1 << 20), encoding="utf-8")
        self.path("sql/nul.sql").write_bytes(b"CREATE TABLE t(id TEXT PRIMARY KEY);\0")
        peer = self.serve_rooms()
        for room, says in (("large", "larger than 1024 KiB"), ("nul", "NUL byte")):
            self.run_peer("clone", self.url(peer, room), self.path("x.db"))
            eventually(lambda says=says: says in peer.stderr, lambda: peer.stderr)

    def test_names_that_are_none_touch_no_file(self):
        plain(self.path("outside.db"), NOTES)
        peer = self.serve_rooms(create=False)
        for path in ("/../outside", "/%2e%2e%2foutside", "/RED", "/red.db", "//red", "/", "/" + "a" * 65, "/red/../red", "/-red", "/r%65d"):
            with self.subTest(path):
                self.assertEqual(self.upgrade(peer.port, path), 404)
        self.assertEqual(list(self.path("db").iterdir()), [])

    def upgrade(self, port, path):
        with rawpeer.connect(port, synctest.SECONDS_MAX) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sync.v1\r\n\r\n".encode())
            return int(s.recv(64).split()[1])


class Configuration(Rooms):
    """Whatever is wrong is named with its place."""

    def check(self, text):
        path = self.path("c.json")
        path.write_text(text, encoding="utf-8")
        return self.run_peer("check-config", path)

    def wrong(self, text, *says, status=2):
        for command in (["check-config"], ["serve", "--config"]):
            path = self.path("c.json")
            path.write_text(text, encoding="utf-8")
            got, _, err = self.run_peer(*command, path)
            self.assertEqual(got, status, err)
            for words in says:
                self.assertIn(words, err)
            self.assertEqual(err.count("\n"), 1, err)

    def test_keys_and_types(self):
        self.wrong("{}", 'c.json: /: "dbFolder" is missing')
        self.wrong("[]", "c.json: /: it is of type array, and must be object")
        self.wrong('{"dbFolder": 3}', "/dbFolder: it is of type integer, and must be string")
        self.wrong('{"dbFolder": "db", "dbfolder": "db"}', '"dbfolder" is no key here; known are listen, name, dbFolder,')
        self.wrong('{"dbFolder": "db", "limits": {"rooms": 1}}', '/limits: "rooms" is no key here; known are openRooms, links,')
        self.wrong('{"dbFolder": "db", "limits": {"openRooms": 0}}', "/limits/openRooms: 0 is below 1")
        self.wrong('{"dbFolder": "db", "limits": {"openRooms": 513}}', "/limits/openRooms: 513 is above 512")
        self.wrong('{"dbFolder": "db", "limits": {"openRooms": 1.5}}', "/limits/openRooms: it is of type number, and must be integer")
        self.wrong('{"dbFolder": ""}', "/dbFolder: it is empty")
        self.wrong('{"dbFolder": "db", "rooms": [{"name": "a"}, {"name": "A"}]}', '/rooms/1/name: "A" does not match')
        self.wrong('{"dbFolder": "db", "rooms": [{"name": "' + "a" * 65 + '"}]}', "/rooms/0/name: it is longer than 64 bytes")
        self.wrong('{"dbFolder": "db", "rooms": [{}]}', '/rooms/0: "name" is missing')
        self.wrong('{"dbFolder": "db", "rooms": [{"name": "a", "track": "some"}]}', '/rooms/0/track: "some" is none of "all", "none"')
        self.wrong('{"dbFolder": "db", "rooms": [{"name": "a", "track": []}]}', "/rooms/0/track: it has fewer than 1 elements")
        self.wrong('{"dbFolder": "db", "rooms": [{"name": "a", "track": true}]}', "must be string or array")
        self.wrong('{"dbFolder": "db", "rooms": [{"name": "a", "schema": "../x.sql"}]}', "/rooms/0/schema")
        self.wrong('{"dbFolder": "d\\u0000b"}', "c.json:1:")

    def test_files_and_folders(self):
        self.wrong('{"dbFolder": "nowhere"}', "/dbFolder:", "nowhere: No such file", status=3)
        self.wrong('{"dbFolder": "peer.txt"}', "peer.txt: No such file", status=3)
        self.path("peer.txt").write_text("", encoding="utf-8")
        self.wrong('{"dbFolder": "peer.txt"}', "peer.txt: Not a directory", status=3)
        self.wrong('{"dbFolder": "db", "schemaFolder": "nowhere"}', "/schemaFolder:", status=3)
        self.assertEqual(self.run_peer("check-config", self.path("none.json"))[0], 3)

    def test_no_json(self):
        self.wrong('{"dbFolder": "db"', "c.json:1:")
        self.wrong('{"dbFolder": "db", "dbFolder": "db"}', "c.json:1:", "duplicate object key")
        self.wrong("", "c.json:1:")

    def test_where_to_listen(self):
        self.wrong('{"dbFolder": "db", "listen": "99"}', "/listen: 99 is not HOST[:PORT]")
        self.wrong('{"dbFolder": "db", "listen": ["localhost:1", "99"]}', "/listen/1: 99 is not HOST[:PORT]")
        self.wrong(json.dumps({"dbFolder": "db", "listen": ["localhost:0"] * 9}), "/listen/8: localhost:0 is more than the 8 addresses")
        self.wrong('{"dbFolder": "db", "listen": []}', "/listen: it has fewer than 1 elements")
        self.wrong('{"dbFolder": "db", "listen": "localhost:99999"}', "/listen: localhost:99999 is not HOST[:PORT]")
        status, out, _ = self.run_peer("serve", "--config", self.config(listen="nowhere.invalid:1"))
        self.assertEqual((status, out), (8, ""))

    def test_a_good_one(self):
        status, out, err = self.check('{"dbFolder": "db", "rooms": [{"name": "x*", "track": ["a", "b"]}]}')
        self.assertEqual((status, out), (0, ""))
        self.assertIn("c.json is good", err)

    def test_what_stands_beside_it(self):
        for arguments in (["x.db"], ["--room", "r"], ["--follow", "ws://h/r"], ["--track", "all"], ["--no-wal"]):
            with self.subTest(arguments):
                status, _, err = self.run_peer("serve", "--config", self.config(), *arguments)
                self.assertEqual(status, 2)
                self.assertIn("--config takes the place of", err)
        self.assertEqual(self.run_peer("sync", "--config", self.config())[0], 2)
        self.assertEqual(self.run_peer("check-config")[0], 2)
        self.assertEqual(self.run_peer("serve", "--schema", "x.db")[0], 2)

    def test_the_schema_that_is_printed(self):
        """It is the one that is published, and knows every key."""
        status, out, _ = self.run_peer("check-config", "--schema")
        self.assertEqual(status, 0)
        published = Path(__file__).resolve().parents[2] / "peer" / "config.schema.json"
        self.assertEqual(out, published.read_text(encoding="utf-8"))
        self.assertEqual(json.loads(out)["required"], ["dbFolder"])

    def test_the_document_is_made_from_it(self):
        root = Path(__file__).resolve().parents[2]
        made = subprocess.run([sys.executable, str(root / "scripts" / "config_doc.py")], check=True, capture_output=True, text=True).stdout
        self.assertEqual(made, (root / "docs" / "CONFIG.md").read_text(encoding="utf-8"))

    def test_relative_to_its_file(self):
        config = self.config()
        peer = self.peer("serve", "--config", os.path.relpath(config))
        peer.wait_event("listening")


if __name__ == "__main__":
    unittest.main()
