"""A server with a primary: what its members write takes effect there first, and is refused clearly while that is away."""
import json
import random
import shutil
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawchanges  # noqa: E402
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from forwarding import AWAY, BACK, FORWARD, Forwarding, free_port  # noqa: E402
from rooms import NOTES  # noqa: E402
from synctest import dump, eventually, patiently, plain, shell  # noqa: E402


class Writing(Forwarding):
    def test_what_a_member_writes_is_in_both_files(self):
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db, _ = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        self.wait_keys(self.file("p"), "a")
        self.wait_keys(self.file("f"), "a")
        self.wait_count(follower, 1, "sync_peer_parts_forwarded_total")
        self.assertGreaterEqual(self.count(primary, "sync_peer_frames_received_total", type=FORWARD), 1)

    def test_it_is_acknowledged_when_the_primary_has_it(self):
        """--once ends when everything is acknowledged: not before the primary goes on."""
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        first, _ = self.join(follower, "notes", "first.db")
        self.write(first, "a")
        self.wait_keys(self.file("p"), "a")
        db = self.path("m.db")
        plain(db, NOTES + "INSERT INTO note VALUES('b', 'x');")
        before = self.count(follower, "sync_peer_frames_sent_total", type=FORWARD)
        primary.process.send_signal(signal.SIGSTOP)
        try:
            member = self.sync(db, self.url(follower, "notes"), "--once")
            self.wait_count(follower, before + 1, "sync_peer_frames_sent_total", type=FORWARD)
            self.assertIsNone(member.process.poll())
            self.assertEqual(self.keys(self.file("f")), "a")
            self.assertEqual(self.keys(self.file("p")), "a")
        finally:
            primary.process.send_signal(signal.SIGCONT)
        self.assertEqual(member.wait(), 0, member.stderr)
        self.assertEqual(self.keys(self.file("p")), "a,b")
        self.assertEqual(self.keys(self.file("f")), "a,b")
        self.wait_keys(first, "a", "b")

    def test_programs_write_to_the_files_themselves(self):
        """They know nothing of primaries: captured and streamed as ever, both ways."""
        primary = self.start("p")
        follower = self.follow("f", primary.port, more={"open": True})
        db, _ = self.join(follower, "notes", "m.db")
        for where in (self.file("f"), self.file("p")):
            self.wait_keys(where, "")
        for where in (self.file("f"), self.file("p"), db):
            self.write(where, where.parent.parent.name[0] + where.name[0])
        for where in (self.file("f"), self.file("p"), db):
            eventually(lambda where=where: (self.keys(where) or "").count(",") == 2, lambda where=where: f"three in {where}: {self.keys(where)}")

    def test_many_rows_in_many_parts(self):
        """More than a window, and rows larger than a message."""
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db = self.path("m.db")
        plain(db, NOTES + "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000)"
              "INSERT INTO note SELECT 'k' || i, hex(randomblob(300)) FROM c; INSERT INTO note VALUES('large', randomblob(2000000));")
        status, out, err = self.run_peer("sync", db, self.url(follower, "notes"), "--once")
        self.assertEqual(status, 0, out + err)
        self.assertEqual(dump(db), dump(self.file("p"), ["note"]))
        self.assertEqual(dump(db), dump(self.file("f"), ["note"]))
        self.assertGreater(self.count(follower, "sync_peer_parts_forwarded_total"), 20)

    def test_three_members_on_two_followers(self):
        """All write the same rows and their own, two programs beside them to the servers' files; in the end all hold the same."""
        primary = self.start("p")
        followers = [self.follow(name, primary.port) for name in ("f", "g")]
        files = [self.join(followers[i % 2], "notes", f"m{i}.db")[0] for i in range(3)]
        for where in ("f", "g", "p"):
            eventually(lambda where=where: self.keys(self.file(where)) == "", f"{where} is there")
        everywhere = files + [self.file(where) for where in ("f", "g", "p")]
        dice = random.Random(7)
        for step in range(20):
            for i, db in enumerate(everywhere):
                patiently(db, f"INSERT INTO note VALUES('{i}-{step}', 'x'); INSERT INTO note VALUES('c{dice.randrange(9)}', '{i}-{step}')"
                              " ON CONFLICT DO UPDATE SET body = excluded.body; " + (f"DELETE FROM note WHERE id = 'c{dice.randrange(9)}'" if step % 5 == 4 else ""))
        shared = {f"{i}-{step}" for i in range(6) for step in range(20)}

        def alike():
            dumps = [dump(db, ["note"]) for db in everywhere]
            return all(one == dumps[0] for one in dumps) and shared <= set(self.keys(everywhere[0]).split(","))
        eventually(alike, "all six hold the same")
        for db in files:
            self.assertEqual(shell(db, "SELECT count(*) FROM sync_conflict"), "0")

    def test_a_pattern_of_rooms(self):
        """Rooms that it does not fit are the server's own."""
        follower = self.follow("f", free_port(), more={"rooms": "far-*"})
        near, _ = self.join(follower, "near", "near.db")
        far, member = self.join(follower, "far-notes", "far.db")
        self.write(near, "a")
        self.wait_keys(self.file("f", "near"), "a")
        self.write(far, "a")
        self.wait_log(member, AWAY)


    def test_sighup(self):
        """A server gets a primary, and is its own again."""
        primary = self.start("p")
        follower = self.start("f")
        db, _ = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        self.wait_keys(self.file("f"), "a")
        config = self.path("f/peer.json")
        alone = json.loads(config.read_text(encoding="utf-8"))
        config.write_text(json.dumps({**alone, "primary": f"{synctest.SCHEME}://127.0.0.1:{primary.port}/*"}), encoding="utf-8")
        follower.process.send_signal(signal.SIGHUP)
        follower.wait_event("reloaded", code=0)
        self.write(db, "b")
        self.wait_keys(self.file("p"), "a", "b")
        self.wait_keys(self.file("f"), "a", "b")
        config.write_text(json.dumps(alone), encoding="utf-8")
        follower.process.send_signal(signal.SIGHUP)
        follower.wait_event("reloaded", code=0)
        self.write(db, "c")
        self.wait_keys(self.file("f"), "a", "b", "c")
        self.assertEqual(self.keys(self.file("p")), "a,b")

    def test_configurations(self):
        (self.path("x/db")).mkdir(parents=True)
        path = self.path("x/peer.json")
        for primary, status, says in (("wss://example.org/*", 0, ""), ({"url": "ws://h/notes", "rooms": "notes"}, 0, ""), ("http://h/*", 2, "/primary: "), ({"url": "ws://h"}, 2, "/primary/url: "),
                                      ({"rooms": "*"}, 2, "/primary"), (7, 2, "/primary: it is of type"), ({"url": "ws://h/*", "rights": ["read"]}, 2, "rights")):
            path.write_text(json.dumps({"dbFolder": "db", "primary": primary}), encoding="utf-8")
            got, out, err = self.run_peer("check-config", path)
            self.assertEqual(got, status, out + err)
            self.assertIn(says, err)


class Away(Forwarding):
    def test_refused_clearly_and_sent_later(self):
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db, member = self.join(follower, "notes", "m.db")
        reader, _ = self.join(follower, "notes", "r.db")
        self.write(db, "a")
        self.wait_keys(reader, "a")
        primary.kill()
        self.wait_log(follower, "trying again")
        self.write(db, "b")
        self.wait_log(member, AWAY)
        refused = member.wait_event("refused")
        self.assertEqual(refused["link"], self.url(follower, "notes"))
        self.assertIn(f"the primary is away: {synctest.SCHEME}://127.0.0.1:{primary.port}/notes", refused["reason"])
        self.assertGreaterEqual(self.count(follower, "sync_peer_deltas_refused_total", reason="away"), 1)
        self.write(self.file("f"), "direct")  # reading goes on
        self.wait_keys(reader, "a", "direct")
        self.wait_keys(db, "a", "b", "direct")
        self.assertEqual(self.keys(self.file("f")), "a,direct")
        self.write(db, "c")
        primary = self.start("p", primary.port)
        for where in (self.file("p"), self.file("f"), reader):
            self.wait_keys(where, "a", "b", "c", "direct")
        self.wait_log(follower, BACK)
        self.wait_log(member, BACK)
        self.assertEqual(member.stderr.count(AWAY), 1, member.stderr)
        self.write(db, "d")
        self.wait_keys(self.file("p"), "a", "b", "c", "d", "direct")

    def test_who_only_reads_hears_nothing_of_it(self):
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        reader, member = self.join(follower, "notes", "r.db")
        self.wait_keys(self.file("f"), "")
        primary.kill()
        self.wait_log(follower, "trying again")
        for i in range(5):
            self.write(self.file("f"), f"k{i}")
            self.wait_keys(reader, *[f"k{j}" for j in range(i + 1)])
        self.assertNotIn(AWAY, member.stderr)
        primary = self.start("p", primary.port)
        self.wait_keys(self.file("p"), *[f"k{j}" for j in range(5)])
        self.write(reader, "own")
        self.wait_keys(self.file("p"), "own", *[f"k{j}" for j in range(5)])

    def test_a_primary_that_was_never_there(self):
        port = free_port()
        follower = self.follow("f", port)
        db, member = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        self.wait_log(member, AWAY)
        self.assertEqual(self.keys(self.file("f")), "")
        self.start("p", port)
        self.wait_keys(self.file("p"), "a")
        self.wait_keys(self.file("f"), "a")

    def test_once(self):
        follower = self.follow("f", free_port())
        db = self.path("m.db")
        plain(db, NOTES + "INSERT INTO note VALUES('a', 'x');")
        status, _, err = self.run_peer("sync", db, self.url(follower, "notes"), "--once")
        self.assertEqual(status, 8, err)
        self.assertIn("it takes no changes just now: the primary is away", err)
        self.assertEqual(self.keys(self.file("f")), "")

    @synctest.waits
    def test_a_primary_that_hangs(self):
        """It is known to be away when nothing has been heard for long; what waited for it is refused then, and sent when it is back."""
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db, member = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        self.wait_keys(self.file("f"), "a")
        primary.process.send_signal(signal.SIGSTOP)
        try:
            self.write(db, "b")
            eventually(lambda: AWAY in member.stderr, lambda: f"a refusal: {member.stderr}", 120)
            self.assertIn("nothing heard for 30 s", member.stderr)
        finally:
            primary.process.send_signal(signal.SIGCONT)
        eventually(lambda: self.keys(self.file("p")) == "a,b", "b there, too", 120)
        self.wait_keys(self.file("f"), "a", "b")


class Founding(Forwarding):
    def test_a_room_is_made_on_the_primary(self):
        """From its own script, or by CreateDbOnPrimary with the tables of the follower."""
        for name, scripts in (("own", {}), ("none", {"schemaFolder": None})):
            with self.subTest(scripts=name):
                primary = self.start(f"p-{name}", **scripts)
                follower = self.follow(f"f-{name}", primary.port)
                db, _ = self.join(follower, "new-room", f"{name}.db")
                self.write(db, "a")
                self.wait_keys(self.file(f"p-{name}", "new-room"), "a")
                self.wait_keys(self.file(f"f-{name}", "new-room"), "a")
                asked = self.count(primary, "sync_peer_frames_received_total", type="CreateDbOnPrimary")
                self.assertEqual(asked, 0 if name == "own" else 1)

    def test_two_followers_found_the_same_room(self):
        primary = self.start("p", schemaFolder=None)
        files = [self.join(self.follow(name, primary.port), "notes", f"{name}.db")[0] for name in ("f", "g")]
        for i, db in enumerate(files):
            self.write(db, f"k{i}")
        for where in [*files, self.file("p")]:
            self.wait_keys(where, "k0", "k1")

    def refused(self, why, primary_settings, more=None):
        """A member's write is refused with that reason."""
        primary = self.start("p", **primary_settings)
        follower = self.follow("f", primary.port, more=more)
        db, member = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        eventually(lambda: AWAY in member.stderr, lambda: f"it says:\n{member.stderr}\nand the follower:\n{follower.stderr}")
        eventually(lambda: why in follower.stderr, lambda: f"{why}; the follower says:\n{follower.stderr}")
        if why not in member.stderr:  # he asked before that was known
            member.stop()
            member = self.sync(db, self.url(follower, "notes"))
        eventually(lambda: AWAY in member.stderr and why in member.stderr, lambda: f"{why}; it says:\n{member.stderr}\nand the follower:\n{follower.stderr}")
        self.assertEqual(self.keys(self.file("f")), "")
        return primary, follower, db

    def test_no_room_there(self):
        primary, _, db = self.refused("there is no room notes", {"create": False})
        plain(self.file("p"), NOTES)
        eventually(lambda: self.keys(self.file("p")) == "a", "a there, too", 120)  # pauses between tries have grown
        del primary, db

    def test_no_tables_there_and_none_may_be_made(self):
        self.path("p/db").mkdir(parents=True)
        plain(self.file("p"), "VACUUM")
        self.refused("room notes has no tables, and none are made here (create)", {"create": False, "schemaFolder": None})

    def test_tables_there_that_are_not_tracked(self):
        self.path("p/db").mkdir(parents=True)
        plain(self.file("p"), NOTES)
        self.refused("room notes has tables, of which none is tracked", {"schemaFolder": None, "rooms": [{"name": "*", "track": "none"}]})

    def test_a_token_that_only_reads(self):
        auth = self.secret("p")
        self.refused("it takes nothing from here: it may only be read with this token", {"auth": auth}, {"tokenFile": self.token("f", rights=["read"])})

    def test_a_token_that_is_not_good(self):
        auth = self.secret("p")
        self.refused("it does not accept the token", {"auth": auth}, {"tokenFile": self.token("f", aud="another")})

    def test_a_primary_that_has_one_itself(self):
        """What is forwarded is not forwarded once more, so that servers which name each other do not turn it in a circle."""
        self.refused("has a primary itself, which should be the one", {"primary": f"{synctest.SCHEME}://127.0.0.1:{free_port()}/*"})

    def test_a_table_with_another_key_there(self):
        self.path("p/sql").mkdir(parents=True)
        (self.path("p/sql") / "default.sql").write_text("CREATE TABLE note(id TEXT, body, PRIMARY KEY(id, body));", encoding="utf-8")
        self.path("f/db").mkdir(parents=True)
        plain(self.file("f"), NOTES)  # else it becomes what the primary's is
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db, member = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        self.assertEqual(member.wait(), 11, member.stderr)
        self.assertIn("the primary refuses it: ", member.stderr)
        self.assertIn("note", member.stderr)
        self.assertEqual(self.keys(self.file("f")), "")


class Crashes(Forwarding):
    def killed(self, freeze, reached):
        """A follower is killed between the primary and the Ack; the member's file is sent again."""
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db = self.path("m.db")
        plain(db, NOTES + "INSERT INTO note VALUES('a', 'x');")
        self.assertEqual(self.run_peer("sync", db, self.url(follower, "notes"), "--once")[0], 0)  # so that nothing is under way
        member = self.sync(db, self.url(follower, "notes"))
        member.wait_event("connected")
        before = self.count(follower, "sync_peer_frames_sent_total", type=FORWARD)
        thaw = freeze(primary)
        try:
            self.write(db, "b")
            self.wait_count(follower, before + 1, "sync_peer_frames_sent_total", type=FORWARD)
            reached()
            self.assertEqual(self.keys(self.file("f")), "a")
            follower.kill()
        finally:
            thaw()
        self.assertEqual(self.keys(self.file("f")), "a")
        self.follow("f", primary.port, follower.port)
        for where in (self.file("p"), self.file("f"), db):
            self.wait_keys(where, "a", "b")
        self.write(db, "c")
        for where in (self.file("p"), self.file("f"), db):
            self.wait_keys(where, "a", "b", "c")
        self.assertEqual(shell(db, "SELECT count(*) FROM sync_conflict"), "0")
        self.assertNotIn("Error", member.stderr)

    def test_a_follower_is_killed_before_the_primary_has_it(self):
        def freeze(primary):
            primary.process.send_signal(signal.SIGSTOP)
            return lambda: primary.process.send_signal(signal.SIGCONT)
        self.killed(freeze, lambda: None)

    def test_a_follower_is_killed_when_the_primary_has_it(self):
        """Its own file is locked by another program, so that it cannot merge."""
        def freeze(_primary):
            other = synctest.connect(self.file("f"), ext=False)
            self.addCleanup(other.close)
            other.execute("BEGIN IMMEDIATE")
            return lambda: other.execute("ROLLBACK")
        self.killed(freeze, lambda: self.wait_keys(self.file("p"), "a", "b"))

    def test_killed_again_and_again(self):
        """Either server, at any moment: nothing is lost, nothing is there twice."""
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db, _ = self.join(follower, "notes", "m.db")
        dice = random.Random(11)
        keys = []
        for turn in range(8):
            for i in range(12):
                keys.append(f"k{turn}-{i}")
                self.write(db, keys[-1])
                time.sleep(dice.random() / 50)
            if turn % 2 == 0:
                follower.kill()
                follower = self.follow("f", primary.port, follower.port)
            else:
                primary.kill()
                primary = self.start("p", primary.port)
        for where in (self.file("p"), self.file("f"), db):
            self.wait_keys(where, *keys)

    def test_another_file_in_place_of_the_primarys(self):
        """Whatever it holds: it gets the rest, and goes on deciding."""
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db, _ = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        self.wait_keys(self.file("f"), "a")
        primary.stop()
        copies = self.path("copies")
        shutil.copytree(self.path("p/db"), copies)
        primary = self.start("p", primary.port)
        self.write(db, "b")
        self.wait_keys(self.file("p"), "a", "b")
        for replace in ("backup", "new"):
            primary.stop()
            shutil.rmtree(self.path("p/db"))
            if replace == "backup":
                shutil.copytree(copies, self.path("p/db"))
            primary = self.start("p", primary.port)
            self.write(db, replace)
            held = ["a", "b", "backup"] + (["new"] if replace == "new" else [])
            self.wait_keys(self.file("p"), *held)
            self.wait_keys(self.file("f"), *held)

    def test_a_server_gets_a_primary(self):
        """It has met its members before: what it has read of their files the primary has not."""
        follower = self.start("f")
        db, _ = self.join(follower, "notes", "m.db")
        for i in range(5):
            self.write(db, f"k{i}")
            self.wait_keys(self.file("f"), *[f"k{j}" for j in range(i + 1)])
        follower.stop()
        primary = self.start("p")
        self.follow("f", primary.port, follower.port)
        self.write(db, "then")
        self.wait_keys(self.file("p"), "then", *[f"k{j}" for j in range(5)])
        self.wait_keys(self.file("f"), "then", *[f"k{j}" for j in range(5)])


class Hostile(Forwarding):
    def apply(self, payload, stream=1, part=0, kind=rawpeer.LAST, flags=0):
        return rawpeer.frame(rawpeer.APPLY, b"".join(map(rawpeer.varint, (stream, part, kind, 0))), payload, flags)

    def meet(self, server, token=None):
        headers = [f"Authorization: Bearer {token}"] if token else []
        peer = rawpeer.RawPeer(server.port, "/notes", headers=headers)
        self.addCleanup(peer.close)
        peer.send(rawpeer.announce("notes"))
        return peer

    def ends(self, peer, code, says):
        closed, error = peer.until_closed()
        self.assertEqual(closed.code, code, closed)
        self.assertIn(says, error.decode("utf-8", "replace"))

    def test_a_member_without_the_right(self):
        primary = self.start("p", auth=self.secret("p"))
        for message in (self.apply(b"anything"), rawpeer.frame(rawpeer.CREATE_DB, payload=b"anything")):
            peer = self.meet(primary, tokens.hs256(tokens.claims(rights=["read"])))
            peer.send(message)
            self.ends(peer, 4010, "nothing may be written to this room over this link")
        self.assertEqual(self.keys(self.file("p")), "")

    def test_a_server_that_is_no_primary_for_it(self):
        follower = self.follow("f", free_port())
        for message in (self.apply(b"anything"), self.apply(b"half", flags=1), rawpeer.frame(rawpeer.CREATE_DB, payload=b"anything")):
            peer = self.meet(follower)
            peer.send(message)
            self.ends(peer, 4007, "this side is no primary for who sends it")

    def test_words_that_are_not_forwarded(self):
        peer = self.meet(self.start("p"))
        peer.send(self.apply(b"", kind=rawpeer.HOLDS))
        self.ends(peer, 1002, "ApplyChangesOnPrimary of an unknown kind")

    def test_a_primary_refuses_what_is_wrong_and_goes_on(self):
        """The link to a follower is that of all its members: it stays."""
        primary = self.start("p")
        peer = self.meet(primary)
        peer.send(rawpeer.frame(rawpeer.START))
        for stream, payload in enumerate((b"nonsense", b"", rawchanges.pack(b"\xff" * 40)), 1):
            peer.send(self.apply(payload, stream))
            body = peer.expect(rawpeer.REJECT)
            self.assertEqual(body[0], stream)
            self.assertEqual(body[1], 16 + 6)
        peer.send(rawpeer.frame(rawpeer.PING, rawpeer.varint(9)))
        self.assertEqual(peer.expect(rawpeer.PONG), rawpeer.varint(9))

    def test_a_later_part_without_the_first(self):
        """Parts that are not in order raise nothing."""
        source = self.path("source.db")
        plain(source, NOTES + "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 250) INSERT INTO note SELECT 'k' || i, 'x' FROM c;")
        other = self.serve(source)
        reader = rawpeer.RawPeer(other.port, "/" + other.room)
        self.addCleanup(reader.close)
        reader.send(rawpeer.announce(other.room))
        primary = self.start("p")
        peer = self.meet(primary)
        seen = peer.expect(rawpeer.START)
        peer.send(rawpeer.frame(rawpeer.START))
        reader.send(rawpeer.frame(rawpeer.START, payload=seen))
        parts = [reader.expect(rawpeer.CHANGES) for _ in range(2)]
        self.assertEqual((parts[0][1], parts[1][1]), (0, 1))

        def payload(body):
            at = 0
            for _ in range(4):
                while body[at] >= 0x80:
                    at += 1
                at += 1
            return body[at:]
        peer.send(self.apply(payload(parts[1]), 1, 1, parts[1][2]))
        body = peer.expect(rawpeer.REJECT)
        self.assertEqual((body[0], body[1]), (1, 1))
        self.assertIn(b"without the parts before it", body)
        self.assertEqual(self.keys(self.file("p")), "")

    def test_ddl_of_another_kind_is_not_made_on_a_primary(self):
        """By a follower whose schema says what it should not."""
        primary = self.start("p", schemaFolder=None)
        for evil in ("CREATE TABLE note AS SELECT 1 AS id, load_extension('x')", "ATTACH 'evil.db' AS e", "CREATE TABLE note(id TEXT PRIMARY KEY); ATTACH 'evil.db' AS e", "SELECT 1"):
            schema = self.schema_of(evil)
            peer = self.meet(primary)
            peer.send(rawpeer.frame(rawpeer.CREATE_DB, payload=schema))
            self.ends(peer, 4005, "its tables cannot be made")
        peer = self.meet(primary)
        peer.send(rawpeer.frame(rawpeer.CREATE_DB, payload=b"\2nonsense"))
        self.ends(peer, 4005, "cannot be read")
        self.assertEqual(plain(self.file("p"), "SELECT count(*) FROM sqlite_schema"), "0")
        self.assertEqual(list(self.dir.rglob("evil.db")), [])

    def schema_of(self, sql):
        """A schema of one table, which that statement is to make (clone.h)."""
        def blob(text):
            raw = text.encode()
            return rawpeer.varint(len(raw)) + raw
        return (bytes([2, 0, 0, 0]) + rawpeer.varint(1) + b"\0" + blob("note") + blob("note") + blob(sql)
                + rawpeer.varint(1) + blob("note") + blob("{}") + rawpeer.varint(0))

    def test_tables_that_are_good_are_made(self):
        """So it is the statements above that are refused."""
        primary = self.start("p", schemaFolder=None)
        peer = self.meet(primary)
        peer.send(rawpeer.frame(rawpeer.CREATE_DB, payload=self.schema_of(NOTES.rstrip(";"))))
        self.wait_keys(self.file("p"), "")
        peer.send(rawpeer.frame(rawpeer.CREATE_DB, payload=self.schema_of("CREATE TABLE note(other TEXT PRIMARY KEY)")))  # there are some: nothing happens
        peer.send(rawpeer.frame(rawpeer.PING, rawpeer.varint(9)))
        self.assertEqual(peer.expect(rawpeer.PONG), rawpeer.varint(9))
        self.wait_keys(self.file("p"), "")

    def test_a_member_that_sends_nonsense(self):
        """He is told as if he had sent it to the primary himself; the others go on."""
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db, member = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        self.wait_keys(self.file("p"), "a")
        for payload in (b"nonsense", rawchanges.pack(b"\xff" * 40)):
            peer = self.meet(follower)
            peer.send(rawpeer.changes(1, 0, rawpeer.LAST, payload))
            self.ends(peer, 4006, "the primary refuses it: ")
        self.write(db, "b")
        self.wait_keys(self.file("p"), "a", "b")
        self.assertEqual(len([e for e in follower.all_events() if e["event"] == "disconnected" and e["link"].startswith(synctest.SCHEME)]), 0)
        self.assertNotIn(AWAY, member.stderr)

    def test_a_member_goes_in_the_middle_of_a_part(self):
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        db, _ = self.join(follower, "notes", "m.db")
        self.write(db, "a")
        self.wait_keys(self.file("p"), "a")
        for _ in range(3):
            peer = self.meet(follower)
            peer.expect(rawpeer.START)
            peer.send(rawpeer.changes(1, 0, rawpeer.PART, b"x" * 200000, flags=1))
            peer.close()
        self.write(db, "b")
        self.wait_keys(self.file("p"), "a", "b")

    def test_a_refusal_of_what_was_not_forwarded(self):
        server = self.start("p")
        self.join(server, "notes", "m.db")
        peer = self.meet(server)
        peer.send(rawpeer.frame(rawpeer.START))
        peer.send(rawpeer.frame(rawpeer.REJECT, rawpeer.varint(1) + rawpeer.varint(22) + rawpeer.text("x")))
        self.ends(peer, 1002, "it refuses what was not forwarded to it")


if __name__ == "__main__":
    unittest.main()
