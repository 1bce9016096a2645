"""New files that take a snapshot: what is in it, the tail behind it, breaks on both sides, rooms that wait for one."""
import fcntl
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import snapshots  # noqa: E402
import synctest  # noqa: E402
from forwarding import AWAY, BACK, Forwarding  # noqa: E402
from newfiles import LINE, T, Bootstrap, many  # noqa: E402
from rooms import NOTES, Rooms  # noqa: E402
from synctest import ask, eventually, patiently, plain, shell, without_tls  # noqa: E402


class Files(Bootstrap):
    """What a file becomes that is not there, or is empty."""

    def test_a_file_that_is_not_there(self):
        plain(self.a, T + many(1000))
        server = self.serve(self.a)
        events, err = self.new(server.url)
        self.assert_snapshot(events)
        self.assertIn(f"{self.c} is not there", err)
        self.assert_same(self.a, self.c)
        self.assert_sound(self.c)
        self.assertEqual(["c.db", "c.db-sync"], self.left())
        self.assertEqual(self.a.stat().st_mode, self.c.stat().st_mode)

    def test_a_file_without_a_byte(self):
        plain(self.a, T + many(10))
        server = self.serve(self.a)
        self.c.touch()
        self.assert_snapshot(self.new(server.url)[0])
        self.assert_same(self.a, self.c)

    def test_a_file_that_has_something_stays(self):
        plain(self.a, T + many(10))
        plain(self.c, T + "INSERT INTO t VALUES('own', 1);")
        server = self.serve(self.a)
        inode = self.c.stat().st_ino
        self.assert_snapshot(self.new(server.url)[0], taken=False)
        self.assertEqual(inode, self.c.stat().st_ino)
        self.assert_same(self.a, self.c)
        self.assertEqual(11, ask(self.c, "SELECT count(*) FROM t"))

    def test_a_file_of_its_own(self):
        plain(self.a, T + many(100))
        server = self.serve(self.a)
        self.new(server.url)
        sites = [shell(db, "SELECT hex(sync_site())") for db in (self.a, self.c)]
        self.assertNotEqual(*sites)
        self.assertEqual("0", plain(self.c, "SELECT sum(own) FROM sync_site"))
        # both go on, apart, and meet
        plain(self.a, "UPDATE t SET v = 'there' WHERE id = 'k1'; DELETE FROM t WHERE id = 'k2'; INSERT INTO t VALUES('a', 1);")
        plain(self.c, "UPDATE t SET v = 'here' WHERE id = 'k3'; DELETE FROM t WHERE id = 'k4'; INSERT INTO t VALUES('c', 1);")
        self.new(server.url)
        self.assert_same(self.a, self.c)
        self.assertEqual("there|here|100", plain(self.c, "SELECT (SELECT v FROM t WHERE id = 'k1'), (SELECT v FROM t WHERE id = 'k3'), count(*) FROM t"))
        self.assertEqual(sites, [shell(db, "SELECT hex(sync_site())") for db in (self.a, self.c)])

    def test_a_second_generation(self):
        """A snapshot of a file that was one itself, with rows of three files."""
        plain(self.a, T + many(50))
        first = self.serve(self.a)
        self.new(first.url)
        plain(self.c, "INSERT INTO t VALUES('c', 1)")
        d = self.path("d.db")
        self.assertEqual(0, self.run_peer("sync", d, self.serve(self.c).url, "--once")[0])
        plain(d, "INSERT INTO t VALUES('d', 1); DELETE FROM t WHERE id = 'k1'")
        for db in (d, self.c, d):
            self.assertEqual(0, self.run_peer("sync", db, first.url, "--once")[0])
        self.assert_same(self.a, self.c, d)
        self.assertEqual(51, ask(self.a, "SELECT count(*) FROM t"))

    def test_nothing_comes_again(self):
        """Rows that have clocks, since they were written while tracked: the delta behind the snapshot has only what was written since."""
        plain(self.a, T)
        server = self.serve(self.a)
        plain(self.a, many(5000))
        self.new(server.url)
        plain(self.a, "INSERT INTO t VALUES('later', 1)")
        events, _ = self.new(server.url)
        self.assertEqual([1], [event["rows"] for event in events if event["event"] == "merged"])
        self.assert_same(self.a, self.c)

    def test_what_is_not_tracked_stays_there(self):
        """Tables of users and the like, what was deleted, and what other files hold."""
        plain(self.a, T + many(100)
              + "CREATE TABLE users(name TEXT PRIMARY KEY, hash); INSERT INTO users VALUES('ann', 'secret-of-ann');"
                "CREATE TABLE keyless(v); INSERT INTO keyless VALUES('secret-without-key');"
                "INSERT INTO t VALUES('gone', 'secret-of-' || 'the-deleted');")
        shell(self.a, "SELECT sync_track('t')")
        plain(self.a, "PRAGMA secure_delete = OFF; DELETE FROM t WHERE id = 'gone'")
        self.assertIn(b"secret-of-the-deleted", self.a.read_bytes())
        server = self.serve(self.a)
        other = self.path("other.db")  # which the room comes to know
        self.assertEqual(0, self.run_peer("sync", other, server.url, "--once")[0])
        eventually(lambda: ask(self.a, "SELECT count(*) FROM sync_peer") > 0, "that the room knows another file")
        with snapshots.ask(server.port, server.room) as peer:
            file, schema = snapshots.whole(snapshots.take(peer))
        for what in (b"secret", b"users", b"keyless"):
            self.assertNotIn(what, file + schema)
        got = self.path("got.db")
        got.write_bytes(file)
        self.assertEqual("0|0|100", plain(got, "SELECT (SELECT count(*) FROM sync_peer), (SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', 'view')),"
                                               " count(*) FROM t"))

    def test_a_file_with_nothing_else_in_it(self):
        """Which is copied as a whole, and then has taken out of it what is not to travel."""
        plain(self.a, T + many(100) + "INSERT INTO t VALUES('gone', 'secret-of-' || 'the-deleted'); ANALYZE; CREATE VIEW v AS SELECT 'secret-view' FROM t;")
        shell(self.a, "SELECT sync_track('t')")
        plain(self.a, "PRAGMA secure_delete = OFF; DELETE FROM t WHERE id = 'gone'")
        server = self.serve(self.a)
        other = self.path("other.db")
        self.assertEqual(0, self.run_peer("sync", other, server.url, "--once")[0])
        eventually(lambda: ask(self.a, "SELECT count(*) FROM sync_peer") > 0, "that the room knows another file")
        site = plain(other, "SELECT hex(site) FROM sync_site WHERE sid = (SELECT site FROM sync_meta)")
        server.stop()
        server = self.serve(self.a)  # which has no copy yet
        with snapshots.ask(server.port, server.room) as peer:
            file, schema = snapshots.whole(snapshots.take(peer))
        self.assertNotIn(b"secret", file)
        self.assertIn(b"secret-view", schema)
        self.assertNotIn(b"sync_1_insert", file)
        self.assertNotIn(b"sqlite_stat1", file)
        got = self.path("got.db")
        got.write_bytes(file)
        self.assertEqual("0|100", plain(got, "SELECT (SELECT count(*) FROM sync_peer), count(*) FROM t"))
        self.assertIn(f"{site}", plain(self.a, "SELECT hex(site) FROM sync_peer"))

    def test_all_kinds_of_tables(self):
        plain(self.a, 'PRAGMA foreign_keys = ON; CREATE TABLE author(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL CHECK(length(name) > 0));'
                      'CREATE TABLE "odd ""name"""(a TEXT, b INT, c GENERATED ALWAYS AS (b * 2), d AS (b * 3) STORED, PRIMARY KEY(a, b)) WITHOUT ROWID;'
                      "CREATE TABLE strictly(k TEXT PRIMARY KEY, v ANY) STRICT;"
                      "CREATE TABLE book(id TEXT PRIMARY KEY, author INT REFERENCES author(id), title TEXT COLLATE NOCASE UNIQUE, n INT DEFAULT 3);"
                      "CREATE INDEX book_title ON book(title, lower(title)) WHERE title IS NOT NULL;"
                      "INSERT INTO author VALUES(1, 'A'), (7, 'B'); DELETE FROM author WHERE id = 7;"
                      "INSERT INTO \"odd \"\"name\"\"\"(a, b) VALUES('x', 1), ('y', 2);"
                      "INSERT INTO strictly VALUES('k', x'00ff'); INSERT INTO book(id, author, title) VALUES('b1', 1, 'One');")
        for extra in ("", "CREATE TABLE keyless(v)"):  # as a whole, and table by table
            plain(self.a, extra)
            server = self.serve(self.a)
            events, _ = self.new(server.url)
            self.assertNotIn("no snapshot", server.stderr)
            self.assert_snapshot(events)
            self.assert_same(self.a, self.c, tables=["author", 'odd "name"', "strictly", "book"])
            self.assert_sound(self.c)
            self.assertEqual("7", plain(self.c, "SELECT seq FROM sqlite_sequence WHERE name = 'author'"))
            server.stop()
            for name in self.left():
                self.path(name).unlink()

    def test_rows_that_are_held(self):
        """A row that is not shown there, since another one is in its way, is shown here once that is gone."""
        plain(self.a, "CREATE TABLE u(id TEXT PRIMARY KEY, v UNIQUE); INSERT INTO u VALUES('a', 1)")
        b = self.path("b.db")
        plain(b, "CREATE TABLE u(id TEXT PRIMARY KEY, v UNIQUE); INSERT INTO u VALUES('b', 1)")
        server = self.serve(self.a)
        self.assertEqual(0, self.run_peer("sync", b, server.url, "--once")[0])
        events, err = self.new(server.url)
        self.assert_snapshot(events)
        self.assertIn("1 row is held", err)
        self.assert_same(self.a, self.c, tables=["u"])
        plain(self.c, "DELETE FROM u")
        self.assertEqual(0, self.run_peer("sync", self.c, server.url, "--once")[0])
        self.assert_same(self.a, self.c, tables=["u"])
        self.assertEqual(1, ask(self.c, "SELECT count(*) FROM u"))

    def test_a_link_for_some_tables(self):
        """A copy would have the others, too."""
        plain(self.a, T + many(10) + "CREATE TABLE other(id TEXT PRIMARY KEY, v); INSERT INTO other VALUES('o', 'not exchanged')")
        server = self.serve(self.a)
        self.assert_snapshot(self.new(server.url, "--tables", "t")[0], taken=False)
        self.assertEqual("10|0", plain(self.c, "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM other)"))
        self.assertNotIn(b"not exchanged", self.c.read_bytes())

    def test_many_at_once_share_one_copy(self):
        plain(self.a, T + many(2000))
        server = self.serve(self.a)
        links = [snapshots.ask(server.port, server.room) for _ in range(5)]
        taken = [snapshots.take(link) for link in links]
        self.assertEqual(1, len({chunks[0].id for chunks in taken}))
        for link in links:
            link.close()
        self.assertEqual([], [name for name in self.left("a.db") if "snapshot" in name])


class Tail(Bootstrap):
    """What is written while the snapshot is made and travels, and behind it."""

    def test_written_meanwhile(self):
        plain(self.a, T + many(20000, 300))
        server = self.serve(self.a)
        over = threading.Event()
        count = [0]

        def write():
            while not over.wait(0.005):
                count[0] += 1
                patiently(self.a, f"INSERT INTO t VALUES('w{count[0]}', 0); UPDATE t SET v = {count[0]} WHERE id = 'k{count[0]}'; DELETE FROM t WHERE id = 'k{count[0] + 5000}'")
        writer = threading.Thread(target=write)
        writer.start()
        try:
            peer = self.sync(self.c, server.url)
            peer.wait_event("snapshot")
            before = count[0]
            eventually(lambda: count[0] > before + 5, "some more writes")
        finally:
            over.set()
            writer.join()
        self.wait_same(self.a, self.c)
        plain(self.c, "INSERT INTO t VALUES('from c', 1)")
        self.wait_same(self.a, self.c)
        self.assertEqual(20001 + count[0] - count[0], ask(self.c, "SELECT count(*) FROM t"))

    def test_two_servers(self):
        """One gives the snapshot, the other what it has beyond that."""
        b = self.path("b.db")
        plain(self.a, T + many(100))
        plain(b, T + "INSERT INTO t VALUES('b', 1)")
        servers = self.serve(self.a), self.serve(b)
        got, out, err = self.run_peer("sync", self.c, servers[0].url, servers[1].url, "--once")
        self.assertEqual(0, got, out + err)
        self.assertEqual(101, ask(self.c, "SELECT count(*) FROM t"))


class Breaks(Bootstrap):
    """Of the line, and of the processes at both ends."""

    def big(self):
        plain(self.a, T + many(3000, 8000))  # hexadecimal digits of noise, so that it stays large
        return self.serve(self.a)

    def holding(self, server, upto):
        """A way that lets so many bytes of a snapshot through and then stands still; what has passed, in chunks."""
        passed, once = [], [True]

        def look(message):
            if message[0] == rawpeer.SNAPSHOT:
                passed.append(snapshots.Chunk(message[2:-8]))
                if passed[-1].offset >= upto and once:
                    once.pop()
                    way.held.set()
            return message
        way, url = self.between(server, look)
        return way, url, passed

    @without_tls(LINE)
    def test_the_line_breaks(self):
        server = self.big()
        passed = []

        def look(message):
            if message[0] == rawpeer.SNAPSHOT:
                passed.append(snapshots.Chunk(message[2:-8]))
                return None if len(passed) in (6, 15) else message
            return message
        way, url = self.between(server, look)
        events, err = self.new(url)
        self.assertEqual(3, way.made)
        self.assertEqual(1, len({c.id for c in passed}))
        # each time what had come was gone on with, and nothing of it came twice
        again = [later.offset for earlier, later in zip(passed, passed[1:]) if later.offset <= earlier.offset]
        self.assertTrue(all(offset > 0 for offset in again), again)
        self.assertIn("going on with a snapshot", err)
        self.assert_snapshot(events)
        self.assert_same(self.a, self.c)
        self.assertEqual(["c.db", "c.db-sync"], self.left())

    @without_tls(LINE)
    def test_who_takes_it_is_killed(self):
        server = self.big()
        way, url, passed = self.holding(server, 4_000_000)
        peer = self.sync(self.c, url)
        eventually(lambda: way.held.is_set() and self.path("c.db-incoming").exists() and self.path("c.db-incoming").stat().st_size >= 4_000_000, "a part of it")
        peer.kill()
        self.assertFalse(self.c.exists())
        self.assertEqual(["c.db-incoming"], self.left())
        way.held.clear()
        seen = len(passed)
        events, err = self.new(url)
        self.assertIn("going on with a snapshot of which", err)
        self.assertLess(0, passed[seen].offset)
        self.assertEqual(1, len({c.id for c in passed}))
        self.assert_snapshot(events)
        self.assert_same(self.a, self.c)
        self.assertEqual(["c.db", "c.db-sync"], self.left())

    @without_tls(LINE)
    def test_a_writing_that_was_broken_off(self):
        """What is there has no mark behind it, or another snapshot's: it begins anew."""
        server = self.big()
        for left in (b"half a chunk" * 100000, b"x" * 1000 + b"snapshot" + b"i" * 16):
            self.path("c.db-incoming").write_bytes(left)
            self.assert_snapshot(self.new(server.url)[0])
            self.assert_same(self.a, self.c)
            for name in self.left():
                self.path(name).unlink()

    @without_tls(LINE)
    def test_what_was_there_is_damaged(self):
        """Found out at the end: then all of it comes again."""
        server = self.big()
        way, url, _ = self.holding(server, 4_000_000)
        peer = self.sync(self.c, url)
        part = self.path("c.db-incoming")
        eventually(lambda: way.held.is_set() and part.exists() and part.stat().st_size >= 4_000_000, "a part of it")
        peer.kill()
        way.held.clear()
        with part.open("r+b") as file:
            file.seek(1_000_000)
            file.write(b"damage")
        events, err = self.new(url)
        self.assertIn("SHA-256", err)
        self.assert_snapshot(events)
        self.assert_same(self.a, self.c)

    @without_tls(LINE)
    def test_who_gives_it_is_killed(self):
        server = self.big()
        way, url, passed = self.holding(server, 4_000_000)
        peer = self.sync(self.c, url)
        eventually(way.held.is_set, "a part of it")
        server.kill()
        self.assertEqual([], [name for name in self.left("a.db") if "snapshot" in name])
        way.held.clear()
        peer.wait_event("disconnected")
        self.path("a.db-snapshot").write_bytes(b"left of the making")
        again = self.serve(self.a, "--room", server.room)
        self.assertFalse(self.path("a.db-snapshot").exists())
        way.target = again.port
        peer.wait_event("snapshot")
        self.assertEqual(2, len({c.id for c in passed}))  # the other one is gone
        self.wait_same(self.a, self.c)
        peer.stop()
        self.assertEqual(["c.db", "c.db-sync"], self.left())

    def test_a_link_that_goes_on_where_it_was(self):
        server = self.big()
        with snapshots.ask(server.port, server.room) as peer:
            first = snapshots.take(peer, 3_000_000)
        at = first[-1].offset + first[-1].bytes
        with snapshots.ask(server.port, server.room, first[0].id, at) as peer:
            rest = snapshots.take(peer)
        self.assertEqual((first[0].id, at), (rest[0].id, rest[0].offset))
        snapshots.whole(first + rest)
        for offset, begins in ((first[0].size, first[0].size), (first[0].size + 1, 0), (2 ** 63, 0)):
            with snapshots.ask(server.port, server.room, first[0].id, offset) as peer:
                self.assertEqual(begins, snapshots.take(peer, 1)[0].offset)
        with snapshots.ask(server.port, server.room, b"other" + bytes(11), 500) as peer:
            self.assertEqual(0, snapshots.take(peer, 1)[0].offset)

    def test_two_processes_make_the_same_file(self):
        server = self.big()
        self.path("c.db-incoming").touch()
        with self.path("c.db-incoming").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            _, err = self.new(server.url, status=1)
        self.assertIn("another process is making it", err)

    def test_stopped_while_it_waits(self):
        peer = self.peer("sync", self.c, f"{synctest.SCHEME}://127.0.0.1:1/room")
        peer.wait_event("ready")
        self.assertEqual(0, peer.stop())
        self.assertEqual([], self.left())


class Served(Rooms):
    """Rooms that follow others, whose file is not there."""

    def upstream(self, *statements):
        a = self.path("red.db")
        plain(a, NOTES + "".join(statements))
        return a, self.serve(a)

    def test_a_room_of_a_configuration(self):
        a, server = self.upstream("INSERT INTO note VALUES('n1', 'one'), ('n2', 'two')")
        peer = self.serve_rooms(links=[{"rooms": "red", "url": f"{synctest.SCHEME}://127.0.0.1:{server.port}/*", "open": True}])
        peer.wait_event("snapshot")
        peer.wait_event("opened", room="red")
        db = self.path("db/red.db")
        self.wait_notes(db, "n1", "n2")
        member, _ = self.join(peer, "red")
        self.write(member, "m")
        self.wait_notes(a, "m", "n1", "n2")

    def test_members_come_while_it_waits(self):
        """Nobody is let in before the file is there, and then everybody is."""
        self.path("red.db")
        peer = self.serve_rooms(links=[{"rooms": "red", "url": f"{synctest.SCHEME}://127.0.0.1:1/*"}])
        db = self.path("red-member.db")
        plain(db, NOTES + "INSERT INTO note VALUES('early', 1)")
        follower = self.sync(db, self.url(peer, "red"))
        follower.wait_event("connected")
        self.wait_notes(self.path("db/red.db"), "early")  # made without, when nobody came who has it

    def test_more_than_it_may_have(self):
        _, server = self.upstream("INSERT INTO note SELECT value, hex(randomblob(2000)) FROM generate_series(1, 2000)")
        peer = self.serve_rooms(limits={"idleSeconds": 0, "maxBytes": 1 << 20},
                                links=[{"rooms": "red", "url": f"{synctest.SCHEME}://127.0.0.1:{server.port}/*", "open": True}])
        eventually(lambda: "maxBytes of limits allows" in peer.stderr, lambda: peer.stderr)
        self.assertEqual([], [p.name for p in self.path("db").iterdir() if p.name.startswith("red")])

    def test_a_served_file(self):
        a, server = self.upstream("INSERT INTO note VALUES('n1', 'one')")
        b = self.path("b.db")
        peer = self.serve(b, "--follow", server.url)
        self.wait_notes(b, "n1")
        c = self.path("c.db")
        self.sync(c, peer.url)
        self.wait_notes(c, "n1")
        self.write(c, "c")
        self.wait_notes(a, "c", "n1")


class Followed(Forwarding):
    """Rooms with a primary whose file is not there, and members of them."""

    def test_a_new_file_is_the_primarys(self):
        """And a member's is the follower's; both go on from there."""
        primary = self.start("p")
        plain(self.file("p"), NOTES + "INSERT INTO note VALUES('a', 'x'), ('b', 'y');")
        follower = self.follow("f", primary.port)
        db = self.path("m.db")
        member = self.sync(db, self.url(follower, "notes"))
        for process in (follower, member):
            process.wait_event("snapshot")
        self.wait_keys(db, "a", "b")
        self.write(db, "c")
        for where in (self.file("p"), self.file("f")):
            self.wait_keys(where, "a", "b", "c")
        self.write(self.file("p"), "d")
        self.wait_keys(db, "a", "b", "c", "d")
        self.assertGreaterEqual(self.count(follower, "sync_peer_parts_forwarded_total"), 1)
        self.assertEqual(self.count(primary, "sync_peer_frames_received_total", type="CreateDbOnPrimary"), 0)
        self.assertNotIn(AWAY, member.stderr)

    def test_a_new_member_while_the_primary_is_away(self):
        """His snapshot has what the primary does not know yet; what he writes is good for both when it is back."""
        primary = self.start("p")
        follower = self.follow("f", primary.port)
        self.join(follower, "notes", "other.db")
        self.wait_keys(self.file("f"), "")
        self.write(self.file("p"), "a")
        self.wait_keys(self.file("f"), "a")
        primary.kill()
        self.wait_log(follower, "trying again")
        self.write(self.file("f"), "direct")
        db = self.path("m.db")
        member = self.sync(db, self.url(follower, "notes"))
        member.wait_event("snapshot")
        self.wait_keys(db, "a", "direct")
        self.write(db, "b")
        self.wait_log(member, AWAY)
        self.start("p", primary.port)
        for where in (self.file("p"), self.file("f"), db):
            self.wait_keys(where, "a", "b", "direct")
        self.wait_log(member, BACK)
        self.write(db, "c")
        self.wait_keys(self.file("p"), "a", "b", "c", "direct")


if __name__ == "__main__":
    unittest.main()
