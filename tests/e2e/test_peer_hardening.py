"""Files and names from strangers: `serve --config` opens nothing outside its folder, runs nothing without an end, and lets no room grow or fill beyond its bounds."""
import ctypes
import os
import random
import sqlite3
import struct
import subprocess
import sys
import time
import unittest
import unittest.mock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import rawpeer  # noqa: E402
import synctest  # noqa: E402
from synctest import ask, eventually, patiently, plain  # noqa: E402
from test_peer_rooms import NOTES, Rooms  # noqa: E402

WAL = "PRAGMA journal_mode=wal;"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


class Hardened(Rooms):
    def refused(self, peer, room, *says):
        """The room cannot be joined, one line says why, and another room can."""
        status, _, err = self.run_peer("clone", self.url(peer, room), self.path(f"{room}-refused.db"))
        self.assertNotEqual(status, 0, err)
        peer.wait_event("closed", room=room)
        lines = [line for line in peer.stderr.splitlines() if f"room {room}:" in line]
        self.assertTrue(lines, peer.stderr)
        for words in says:
            self.assertIn(words, lines[0])
        self.join(peer, "neighbour", f"neighbour-of-{room}.db")


class Beneath(Hardened):
    def victim(self):
        victim = self.path("victim")
        victim.write_text("not theirs", encoding="utf-8")
        return victim

    def test_a_room_that_is_a_link(self):
        plain(self.path("outside.db"), NOTES)
        self.path("db/red.db").symlink_to(self.path("outside.db"))
        self.path("db/blue.db").symlink_to("../outside.db")
        self.path("db/green.db").symlink_to("inside.db")
        self.path("db/gone.db").symlink_to(self.path("made.db"))
        plain(self.path("db/inside.db"), NOTES)
        before = self.path("outside.db").read_bytes()
        peer = self.serve_rooms()
        for room in ("red", "blue", "green", "gone"):
            with self.subTest(room):
                self.refused(peer, room, f"{room}.db is a symbolic link")
        self.assertEqual(self.path("outside.db").read_bytes(), before)
        self.assertFalse(self.path("made.db").exists())

    def links_beside(self, mode, suffix, create, **settings):
        """A link in place of a file that SQLite keeps beside a room's: it is named, and what it leads to is not touched."""
        plain(self.path("db/red.db"), mode + NOTES + "INSERT INTO note VALUES('k', 1);")
        victim = self.path("made") if create else self.victim()
        link = self.path("db/red.db" + suffix)
        link.symlink_to(victim)
        peer = self.serve_rooms(**settings)
        self.refused(peer, "red", f"red.db{suffix} is a symbolic link")
        self.assertTrue(link.is_symlink())
        if create:
            self.assertFalse(victim.exists())
        else:
            self.assertEqual(victim.read_text(encoding="utf-8"), "not theirs")

    def test_a_log_that_is_a_link(self):
        self.links_beside(WAL, "-wal", create=False)

    def test_a_log_that_would_be_made_elsewhere(self):
        self.links_beside(WAL, "-wal", create=True)

    def test_an_index_that_is_a_link(self):
        plain(self.path("db/red.db"), WAL + NOTES)
        self.path("db/red.db-shm").symlink_to(self.victim())
        peer = self.serve_rooms()
        self.refused(peer, "red", "red.db")
        self.assertEqual(self.path("victim").read_text(encoding="utf-8"), "not theirs")

    def test_a_journal_that_would_be_made_elsewhere(self):
        self.links_beside("", "-journal", create=True, rooms=[{"name": "red", "keepJournalMode": True}])

    def test_a_journal_that_is_a_link(self):
        self.links_beside("", "-journal", create=False, rooms=[{"name": "red", "keepJournalMode": True}])

    def test_a_journal_that_names_another_file(self):
        """SQLite believes a hot journal that names a super-journal, and deletes that one."""
        db, victim = self.path("db/red.db"), str(self.victim()).encode()
        plain(db, NOTES)
        page_bytes = 4096
        head = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 7, db.stat().st_size // page_bytes, 512, page_bytes)
        tail = struct.pack(">I", 0x40000000 // page_bytes + 1) + victim + struct.pack(">2I", len(victim), sum(victim)) + head[:8]
        self.path("db/red.db-journal").write_bytes(head.ljust(512, b"\0") + tail)
        peer = self.serve_rooms()
        self.refused(peer, "red", f"{victim.decode()} is not in the folder")
        self.assertEqual(self.path("victim").read_text(encoding="utf-8"), "not theirs")

    def test_what_is_no_ordinary_file(self):
        """A pipe would keep the worker waiting for ever."""
        os.mkfifo(self.path("db/pipe.db"))
        plain(self.path("db/red.db"), WAL + NOTES)
        os.mkfifo(self.path("db/red.db-wal"))
        peer = self.serve_rooms()
        self.refused(peer, "pipe", "pipe.db is no ordinary file")
        self.refused(peer, "red", "red.db-wal is no ordinary file")
        self.assertEqual(peer.stop(), 0)

    def test_a_script_that_is_a_link(self):
        self.path("outside.sql").write_text(NOTES, encoding="utf-8")
        self.path("sql/red.sql").symlink_to(self.path("outside.sql"))
        os.mkfifo(self.path("sql/blue.sql"))
        peer = self.serve_rooms()
        self.refused(peer, "red", "red.sql is a symbolic link")
        self.refused(peer, "blue", "blue.sql is no ordinary file")

    def test_folders_may_be_links(self):
        """Those are named in the configuration, which is the user's own."""
        self.path("real").mkdir()
        self.path("link").symlink_to("real")
        self.path("scripts").symlink_to("sql")
        peer = self.serve_rooms(dbFolder="link", schemaFolder="scripts")
        db, _ = self.join(peer, "red")
        self.write(db, "n")
        self.wait_notes(self.path("real/red.db"), "n")

    def test_a_file_of_the_command_line_may_be_a_link(self):
        db, link = self.path("own.db"), self.path("link.db")
        plain(db, NOTES)
        link.symlink_to(db)
        self.run_peer("clone", self.serve(link).url, self.path("clone.db"))
        self.assertEqual(ask(self.path("clone.db"), "SELECT count(*) FROM note"), 0)

    def test_a_kernel_without_openat2(self):
        """As one that answers it with EPERM: it is said once, and links are refused all the same."""
        self.path("db/red.db").symlink_to(self.path("outside.db"))
        plain(self.path("db/blue.db"), WAL + NOTES)
        self.path("db/blue.db-wal").symlink_to(self.victim())
        with unittest.mock.patch.object(synctest.subprocess, "Popen", without_openat2):
            peer = self.serve_rooms()
        self.refused(peer, "red", "red.db is a symbolic link")
        self.refused(peer, "blue", "blue.db-wal is a symbolic link")
        self.assertEqual(peer.stderr.count("openat2 cannot be used here (Operation not permitted)"), 1)
        self.assertEqual(self.path("victim").read_text(encoding="utf-8"), "not theirs")

    def test_a_folder_that_others_may_write(self):
        for mode, says in ((0o777, "can be written by everybody"), (0o770, "can be written by its group"), (0o755, None)):
            with self.subTest(oct(mode)):
                self.path("db").chmod(mode)
                peer = self.serve_rooms()
                self.assertEqual("can be written by" in peer.stderr, says is not None, peer.stderr)
                self.assertIn(f"{self.path('db')} {says}" if says else "serving", peer.stderr)
                peer.stop()


def without_openat2(*arguments, **options):
    """subprocess.Popen of a process whose kernel answers openat2 with EPERM."""
    def forbid():
        libc = ctypes.CDLL(None, use_errno=True)
        # load the number of the call; if it is openat2 (437 on every machine) return EPERM, else allow
        code = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 437, 0x06, 0, 0, 0x00050001, 0x06, 0, 0, 0x7FFF0000)
        buffer = ctypes.create_string_buffer(code)
        program = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
        if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.create_string_buffer(program), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    return REAL_POPEN(*arguments, preexec_fn=forbid, **options)


REAL_POPEN = subprocess.Popen


class Triggers(Hardened):
    """What a file's own triggers may do when a merge fires them."""

    def room(self, name, sql):
        plain(self.path(f"db/{name}.db"), NOTES + "CREATE TABLE seen(what);" + sql)

    def test_one_without_an_end(self):
        self.room("red", f"CREATE TRIGGER forever AFTER INSERT ON note BEGIN INSERT INTO seen {ENDLESS}; END;")
        peer = self.serve_rooms(limits={"statementSeconds": 1, "idleSeconds": 0})
        db, follower = self.join(peer, "red")
        other, _ = self.join(peer, "blue")
        self.write(db, "n")
        self.write(other, "m")
        self.wait_notes(self.path("db/blue.db"), "m")
        self.assertEqual(peer.wait_event("closed", room="red")["code"], 1)
        self.assertIn("a statement took more than 1 s of processor time and was ended", peer.stderr)
        follower.stop()
        self.assertEqual(ask(self.path("db/red.db"), "SELECT count(*) FROM note"), 0)
        self.assertEqual(ask(db, "SELECT count(*) FROM note"), 1)
        self.assert_sound(self.path("db/red.db"))
        self.assertEqual(peer.stop(), 0)

    def test_one_without_an_end_that_fills_an_index(self):
        """Each of its rows runs statements of the virtual table, which begin and end."""
        self.room("red", f"CREATE VIRTUAL TABLE ft USING fts5(x); CREATE TRIGGER forever AFTER INSERT ON note BEGIN INSERT INTO ft {ENDLESS.replace('max(i)', 'i')}; END;")
        peer = self.serve_rooms(limits={"statementSeconds": 1, "idleSeconds": 0})
        db, _ = self.join(peer, "red")
        self.write(db, "n")
        self.assertEqual(peer.wait_event("closed", room="red")["code"], 1)
        self.assertIn("was ended", peer.stderr)

    def test_many_rows_take_their_time(self):
        """A merge that takes far longer than one statement may: nothing is ended."""
        self.room("red", "CREATE TRIGGER slow AFTER INSERT ON note BEGIN INSERT INTO seen"
                         " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT max(i) FROM n; END;")
        peer = self.serve_rooms(limits={"statementSeconds": 1})
        db, _ = self.join(peer, "red")
        patiently(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO note SELECT 'n' || i, i FROM n")
        eventually(lambda: ask(self.path("db/red.db"), "SELECT count(*) FROM note") == 100, lambda: peer.stderr)
        self.assertNotIn("was ended", peer.stderr)

    def forbidden(self, sql, says, before=""):
        """A trigger that was there before the file was first served, and one that comes later."""
        bad = f"CREATE TRIGGER bad AFTER INSERT ON note BEGIN INSERT INTO seen {sql}; END;"
        self.room("early", f"{before}; {bad}")
        self.room("late", before)
        peer = self.serve_rooms()
        early = self.path("early-member.db")
        plain(early, NOTES)
        self.sync(early, self.url(peer, "early"))
        late, _ = self.join(peer, "late")
        patiently(self.path("db/late.db"), bad)
        for db in (early, late):
            self.write(db, "n")
        for room, begins in (("early", "room early:"), ("late", "127.0.0.1:")):  # the room, and the link that brings the row
            eventually(lambda begins=begins: any(says in line and begins in line for line in peer.stderr.splitlines()), lambda begins=begins: f"{begins} {says}: {peer.stderr}")
            self.assertEqual(ask(self.path(f"db/{room}.db"), "SELECT count(*) FROM seen"), 0)
        db, _ = self.join(peer, "neighbour")
        self.write(db, "m")
        self.wait_notes(self.path("db/neighbour.db"), "m")

    def test_one_that_loads_an_extension(self):
        self.forbidden(f"SELECT load_extension('{synctest.EXTENSION}')", "not authorized to use function: load_extension")

    def test_one_that_asks_about_the_process(self):
        self.forbidden("SELECT file FROM pragma_database_list", "unsafe use of virtual table")

    def test_the_same_in_a_file_with_an_index(self):
        self.forbidden("SELECT file FROM pragma_database_list", "pragma_database_list.file is prohibited", "CREATE VIRTUAL TABLE ft USING fts5(x)")

    def test_functions_in_a_file_with_an_index(self):
        self.forbidden("SELECT fts3_tokenizer('simple')", "not authorized to use function: fts3_tokenizer", "CREATE VIRTUAL TABLE ft USING fts5(x)")

    def test_a_trigger_that_attaches(self):
        """SQLite makes none; one that is written into the schema makes the file unreadable, and is not run."""
        self.room("red", "PRAGMA writable_schema=on; INSERT INTO sqlite_schema VALUES('trigger', 'bad', 'note', 0,"
                         " 'CREATE TRIGGER bad AFTER INSERT ON note BEGIN ATTACH ''x'' AS x; END');")
        peer = self.serve_rooms()
        self.refused(peer, "red", "red.db")
        self.assertFalse(self.path("x").exists())

    def test_indexes_that_triggers_keep(self):
        """They go on, in files of strangers too, whether SQLite takes them for safe or not."""
        self.room("red", """
            CREATE VIRTUAL TABLE five USING fts5(body, content='note', content_rowid='rowid');
            CREATE VIRTUAL TABLE four USING fts4(body);
            CREATE VIRTUAL TABLE place USING rtree(id, low, high);
            CREATE TRIGGER added AFTER INSERT ON note BEGIN
                INSERT INTO five(rowid, body) VALUES(new.rowid, new.body); INSERT INTO four(docid, body) VALUES(new.rowid, new.body);
                INSERT INTO place VALUES(new.rowid, length(new.body), length(new.body));
                INSERT INTO seen SELECT highlight(five, 0, '[', ']') FROM five WHERE five MATCH 'of'; END;
            CREATE TRIGGER gone AFTER DELETE ON note BEGIN
                INSERT INTO five(five, rowid, body) VALUES('delete', old.rowid, old.body); DELETE FROM four WHERE docid = old.rowid; DELETE FROM place WHERE id = old.rowid; END;""")
        peer = self.serve_rooms()
        db, _ = self.join(peer, "red")
        self.write(db, "n"), self.write(db, "m")
        file = self.path("db/red.db")
        self.wait_notes(file, "m", "n")
        patiently(db, "DELETE FROM note WHERE id = 'm'")
        self.wait_notes(file, "n")
        for question in ("SELECT count(*) FROM five WHERE five MATCH 'of'", "SELECT count(*) FROM four WHERE four MATCH 'of'", "SELECT count(*) FROM place"):
            self.assertEqual(ask(file, question), 1, question)
        self.assertIn("[of] n", ask(file, "SELECT group_concat(what) FROM seen"))
        self.assertNotIn("unsafe", peer.stderr)

    def test_an_index_that_comes_later(self):
        peer = self.serve_rooms()
        db, _ = self.join(peer, "red")
        self.write(db, "n")
        file = self.path("db/red.db")
        self.wait_notes(file, "n")
        patiently(file, "CREATE VIRTUAL TABLE ft USING fts5(body); CREATE TRIGGER added AFTER INSERT ON note BEGIN INSERT INTO ft VALUES(new.body); END;")
        self.write(db, "m")
        self.wait_notes(file, "m", "n")
        self.assertEqual(ask(file, "SELECT count(*) FROM ft"), 1)
        self.assertNotIn("unsafe", peer.stderr)  # at once, not when the room is next opened


class Damage(Hardened):
    def test_a_file_with_pages_that_are_none(self):
        """It is found when the file is first opened, not in the middle of a merge."""
        db = self.path("db/red.db")
        plain(db, NOTES + "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO note SELECT i, hex(randomblob(20)) FROM n")
        with db.open("r+b") as file:
            file.seek(db.stat().st_size // 4096 // 2 * 4096)
            file.write(random.Random(1).randbytes(4096))
        self.refused(self.serve_rooms(), "red", "red.db is damaged, and not served: PRAGMA quick_check says")

    def test_rows_that_a_check_forbids_are_no_damage(self):
        plain(self.path("db/red.db"), "CREATE TABLE note(id TEXT PRIMARY KEY, body CHECK(body > 0)); PRAGMA ignore_check_constraints=on; INSERT INTO note VALUES('k', -1);")
        peer = self.serve_rooms()
        self.wait_notes(self.join(peer, "red")[0], "k")


class Log(Hardened):
    """SQLite's WAL-reset bug."""

    AFFECTED = sqlite3.sqlite_version_info < (3, 51, 3) and not (3, 50, 7) <= sqlite3.sqlite_version_info < (3, 51) and not (3, 44, 6) <= sqlite3.sqlite_version_info < (3, 45)

    def test_it_is_said_at_the_start(self):
        peer = self.serve_rooms()
        self.assertEqual(f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug" in peer.stderr, self.AFFECTED, peer.stderr)

    @unittest.skipUnless(AFFECTED, "this SQLite has it fixed")
    def test_no_checkpoint_beside_a_writer(self):
        """While another program has the write lock nothing is moved into the file; afterwards it is."""
        file = self.path("db/red.db")
        peer = self.serve_rooms()
        db, _ = self.join(peer, "red")
        reader, writer = synctest.connect(file, ext=False), synctest.connect(file, ext=False)
        self.addCleanup(reader.close), self.addCleanup(writer.close)
        self.write(db, "first")
        self.wait_notes(file, "first")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM note").fetchall()  # keeps the log from being moved as a whole
        patiently(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO note SELECT i, hex(randomblob(1000)) FROM n")
        eventually(lambda: ask(file, "SELECT count(*) FROM note") == 3001, "all rows")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("BEGIN IMMEDIATE")
        reader.execute("COMMIT")
        frames, before = self.log(file)
        self.assertGreater(frames, before + 1000)
        time.sleep(6)  # more than the distance between two attempts
        self.assertEqual(self.log(file), (frames, before))
        writer.execute("ROLLBACK")
        eventually(lambda: self.log(file)[1] >= frames, lambda: f"moved: {self.log(file)} of {frames}")

    def log(self, file):
        """How many frames the log has, and how many of them are in the file: from its index. Read by another process: closing it in this one would give up our locks."""
        index = subprocess.run(["cat", f"{file}-shm"], check=True, capture_output=True).stdout
        return struct.unpack_from("=I", index, 16)[0], struct.unpack_from("=I", index, 96)[0]


class Quotas(Hardened):
    def test_a_room_that_may_not_grow(self):
        """It says so, with its name and the bound, goes on with all else, and has the rest when it may."""
        limits = {"maxBytes": 1 << 20, "idleSeconds": 0}
        peer = self.serve_rooms(limits=limits, rooms=[{"name": "large", "limits": {"maxBytes": 64 << 20}}])
        (red, follower), (large, _) = self.join(peer, "red"), self.join(peer, "large")
        other, _ = self.join(peer, "red", "other.db")
        self.write(red, "before")
        self.wait_notes(other, "before")
        for db in (red, large):
            patiently(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO note SELECT i, hex(randomblob(500)) FROM n")
        says = "room red may not grow beyond 1048576 bytes (maxBytes of limits)"
        eventually(lambda: says in peer.stderr and says in follower.stderr, lambda: f"{peer.stderr}\n{follower.stderr}")
        eventually(lambda: ask(self.path("db/large.db"), "SELECT count(*) FROM note") == 3000, "the other room goes on")
        self.assertLessEqual(self.path("db/red.db").stat().st_size, 1 << 20)
        self.assertNotIn("disk", peer.stderr)
        patiently(other, "UPDATE note SET body = 'short' WHERE id = 'before'")  # what fits is merged
        eventually(lambda: ask(self.path("db/red.db"), "SELECT body FROM note WHERE id = 'before'") == "short", "it is not closed")
        self.assertEqual(ask(red, "SELECT count(*) FROM note"), 3001)
        follower.stop(), peer.stop()
        self.assert_sound(self.path("db/red.db"))
        again = self.serve_rooms()
        self.sync(red, self.url(again, "red"))
        eventually(lambda: ask(self.path("db/red.db"), "SELECT count(*) FROM note") == 3001, lambda: again.stderr)

    def test_a_file_that_is_larger_already(self):
        """It is served as it is, and does not grow."""
        file = self.path("db/red.db")
        plain(file, NOTES + "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO note SELECT i, hex(randomblob(500)) FROM n")
        synctest.shell(file, "SELECT sync_track_all()")
        size = file.stat().st_size
        self.assertGreater(size, 1 << 20)
        peer = self.serve_rooms(limits={"maxBytes": 1 << 20})
        db, _ = self.join(peer, "red")
        eventually(lambda: ask(db, "SELECT count(*) FROM note") == 3000, lambda: peer.stderr)
        patiently(db, "INSERT INTO note SELECT 'm' || id, body FROM note")
        eventually(lambda: "room red may not grow beyond 1048576 bytes" in peer.stderr, lambda: peer.stderr)
        peer.stop()
        self.assertLessEqual(file.stat().st_size, size)

    def test_the_last_member_and_one_more(self):
        peer = self.serve_rooms(limits={"maxMembers": 2}, rooms=[{"name": "wide", "limits": {"maxMembers": 3}}])
        for room, most in (("red", 2), ("wide", 3)):
            links = [rawpeer.RawPeer(peer.port, f"/{room}") for _ in range(most)]
            for link in links:
                self.addCleanup(link.close)
            with self.assertRaises(rawpeer.Refused) as caught:
                rawpeer.RawPeer(peer.port, f"/{room}")
            self.assertEqual(caught.exception.status, 503)
            status, _, err = self.run_peer("clone", self.url(peer, room), self.path("late.db"))
            self.assertEqual(status, 9, err)
            links[0].close()
            eventually(lambda room=room: self.comes(peer, room), "a place that is free again")

    def test_the_refusal_names_the_limit(self):
        peer = self.serve_rooms(limits={"maxMembers": 1})
        self.join(peer, "red")
        with rawpeer.connect(peer.port, synctest.SECONDS_MAX) as s:
            s.sendall(b"GET /red HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                      b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sync.v1\r\n\r\n")
            answer = b""
            while more := s.recv(4096):
                answer += more
        self.assertIn(b" 503 ", answer)
        self.assertIn(b"room red takes no more than 1 members (maxMembers of limits)", answer)

    def comes(self, peer, room):
        try:
            rawpeer.RawPeer(peer.port, f"/{room}").close()
        except rawpeer.Refused:
            return False
        return True


if __name__ == "__main__":
    unittest.main()
