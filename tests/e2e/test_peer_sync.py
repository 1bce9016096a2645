"""Files edited by the stock shell become equal over peers, in every topology, through crashes and restarts."""
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import sample  # noqa: E402
import synctest  # noqa: E402
from synctest import Case, dump, eventually  # noqa: E402

SCHEMA = """
CREATE TABLE note(id TEXT PRIMARY KEY, title TEXT, body TEXT, n INT);
CREATE TABLE tag(note TEXT, tag TEXT, PRIMARY KEY(note, tag)) WITHOUT ROWID;
"""


def plain(db, sql):
    """A program that knows nothing of us, but waits its turn as a program should."""
    return synctest.plain(db, f".timeout {synctest.SECONDS_MAX}000\n{sql}")


def rows(db, sql="SELECT count(*) FROM note"):
    connection = sqlite3.connect(str(db), timeout=synctest.SECONDS_MAX)
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


class Sync(Case):
    def make(self, *names):
        paths = [self.path(name) for name in names]
        for path in paths:
            plain(path, SCHEMA)
        return paths

    def once(self, db, url, status=0):
        got, out, err = self.run_peer("sync", db, url, "--once")
        self.assertEqual(status, got, out + err)
        return err

    def test_two_peers_with_nothing_to_do_sleep(self):
        """How often their threads wake by themselves is counted, not for how long they run: a slower machine wakes them less."""
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        follower = self.sync(b, server.url)
        plain(a, "INSERT INTO note(id) VALUES('n1')")
        self.wait_same(a, b)
        time.sleep(3)  # folding in a quiet moment, and what was said of it

        def wakings():
            counted = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)
            return sum(int(counted.search(status.read_text()).group(1)) for peer in (server, follower)
                       for status in Path(f"/proc/{peer.process.pid}/task").glob("*/status"))

        before = wakings()
        time.sleep(2)
        self.assertLess(wakings() - before, 40)

    def test_two_files_edited_offline_converge(self):
        a, b = self.make("a.db", "b.db")
        plain(a, "INSERT INTO note VALUES('same','one','text',1),('gone','x','y',2);")
        server = self.serve(a)
        self.once(b, server.url)
        self.assert_same(a, b)
        server.stop()
        # both sides go on alone, with the stock shell
        plain(a, "UPDATE note SET title='from a' WHERE id='same'; DELETE FROM note WHERE id='gone';"
                 "INSERT INTO note VALUES('a','A','',0); INSERT INTO tag VALUES('a','x');")
        plain(b, "UPDATE note SET body='from b' WHERE id='same'; INSERT INTO note VALUES('b','B','',0);"
                 "INSERT INTO tag VALUES('b','y');")
        server = self.serve(a)
        self.sync(b, server.url)
        self.wait_same(a, b)
        self.assertEqual("from a|from b", plain(a, "SELECT title, body FROM note WHERE id='same'"))
        self.assertEqual("a,b,same", plain(b, "SELECT group_concat(id) FROM (SELECT id FROM note ORDER BY id)"))
        self.assert_sound(a, b)

    def test_writes_without_the_extension_travel_both_ways(self):
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        self.sync(b, server.url).wait_event("connected")
        for i in range(20):
            plain(a, f"INSERT INTO note VALUES('a{i}','t','',{i});")
            plain(b, f"INSERT INTO note VALUES('b{i}','t','',{i});")
        plain(a, "UPDATE note SET title='u' WHERE n % 2; DELETE FROM note WHERE n % 5 = 0;")
        eventually(lambda: rows(a) == rows(b) >= 16 and dump(a) == dump(b), lambda: f"{dump(a)} {dump(b)}")
        self.assert_sound(a, b)

    def test_each_further_write_arrives_at_once(self):
        """It is heard of, and not found by looking every few seconds (PEER_SLOW_POLL_MS)."""
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        self.sync(b, server.url).wait_event("connected")
        took = []
        for i in range(20):
            here, there = (a, b) if i % 2 else (b, a)
            plain(here, f"INSERT INTO note(id) VALUES('{i}')")
            began = time.monotonic()
            eventually(lambda there=there, i=i: rows(there) == i + 1, "the write arrives")
            took.append(time.monotonic() - began)
            time.sleep(0.05)  # a write of its own, not one that comes along with the one before
        print(f"figure: {len(took)} writes, median {sorted(took)[len(took) // 2] * 1000:.0f} ms, the slowest {max(took) * 1000:.0f} ms", flush=True)
        self.assertLess(sum(took), 25)  # some 100 if each were only found

    def test_chain_of_three(self):
        a, b, c = self.make("a.db", "b.db", "c.db")
        plain(a, "INSERT INTO note VALUES('a','','',0);")
        plain(c, "INSERT INTO note VALUES('c','','',0);")
        first = self.serve(a)
        middle = self.serve(b, "--follow", first.url)
        self.sync(c, middle.url)
        self.wait_same(a, b, c)
        self.assertEqual(2, rows(b))
        plain(a, "UPDATE note SET title='from a' WHERE id='c';")
        plain(c, "UPDATE note SET title='from c' WHERE id='a';")
        eventually(lambda: rows(b, "SELECT count(*) FROM note WHERE title IS NOT ''") == 2, "both edits in the middle")
        self.wait_same(a, b, c)

    def test_one_that_follows_two(self):
        a, b, c = self.make("a.db", "b.db", "c.db")
        for db in (a, b, c):
            plain(db, f"INSERT INTO note VALUES('{db.name}','','',0);")
        first, last = self.serve(a), self.serve(c)
        middle = self.serve(b, "--follow", first.url, "--follow", last.url)
        self.wait_same(a, b, c)
        self.assertEqual(3, rows(b))
        plain(a, "UPDATE note SET title='from a' WHERE id='c.db';")
        plain(c, "DELETE FROM note WHERE id='b.db';")
        eventually(lambda: rows(a) == 2 and rows(c, "SELECT count(*) FROM note WHERE title = 'from a'") == 1, "both edits at the other end")
        first.stop()  # one of the two goes, the other one goes on
        plain(c, "INSERT INTO note VALUES('later','','',0);")
        eventually(lambda: rows(b, "SELECT count(*) FROM note WHERE id = 'later'") == 1, "a row over the link that is left")
        self.assertIsNone(middle.process.poll())
        self.assertEqual(2, rows(a))

    def test_ring_of_three(self):
        a, b, c = self.make("a.db", "b.db", "c.db")
        # the ring is closed by a port that is known before its owner listens
        first = self.serve(a)
        second = self.serve(b, "--follow", first.url)
        third = self.serve(c, "--follow", second.url)
        self.sync(a, third.url)  # a second process on a.db closes the ring
        for i, db in enumerate((a, b, c)):
            plain(db, f"INSERT INTO note VALUES('k{i}','','',{i}); INSERT INTO tag VALUES('k{i}','t');")
        eventually(lambda: min(rows(a), rows(b), rows(c)) == 3, "three rows everywhere")
        self.wait_same(a, b, c)
        # nothing goes round for ever: the files come to rest
        def still():
            before = [db.stat().st_mtime_ns for db in map(self._wal, (a, b, c))]
            threading.Event().wait(1.5)
            return before == [db.stat().st_mtime_ns for db in map(self._wal, (a, b, c))]
        eventually(still, "rest")

    def _wal(self, db):
        wal = Path(f"{db}-wal")
        return wal if wal.exists() else db

    def test_hub_with_many_links(self):
        names = [f"f{i}.db" for i in range(6)]
        hub, *others = self.make("hub.db", *names)
        server = self.serve(hub)
        for db in others:
            self.sync(db, server.url).wait_event("connected")
        for i, db in enumerate([hub, *others]):
            plain(db, f"INSERT INTO note VALUES('k{i}','','',{i});")
        eventually(lambda: all(rows(db) == 7 for db in [hub, *others]), "seven rows everywhere")
        self.assert_same(hub, *others)

    def test_killed_peers_resume(self):
        a, b = self.make("a.db", "b.db")
        plain(a, "WITH c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 30000)"
                 " INSERT INTO note SELECT 'k'||i, 'title '||i, hex(randomblob(40)), i FROM c;")
        server = self.serve(a)
        for _ in range(3):
            client = self.sync(b, server.url)
            client.wait_event("merged")
            client.kill()
            self.assert_sound(b)
        server.kill()
        plain(b, "INSERT INTO note VALUES('mine','','',0);")
        server = self.serve(a)
        self.sync(b, server.url)
        eventually(lambda: rows(a) == rows(b) == 30001, lambda: f"{rows(a)} and {rows(b)} rows", 60)
        self.assert_same(a, b)

    def test_restarted_server_is_found_again(self):
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        client = self.sync(b, server.url)
        client.wait_event("connected")
        server.stop()
        client.wait_event("disconnected")
        plain(b, "INSERT INTO note VALUES('while away','','',0);")
        again = self.peer("serve", a, "--listen", f"127.0.0.1:{server.port}")
        again.wait_event("listening")
        client.wait_event("connected")
        self.wait_same(a, b)
        self.assertEqual(1, rows(a))

    def test_client_waits_for_a_server_that_is_not_there_yet(self):
        a, b = self.make("a.db", "b.db")
        plain(b, "INSERT INTO note VALUES('b','','',0);")
        probe = self.serve(a)
        probe.stop()
        client = self.sync(b, probe.url)
        eventually(lambda: "not reachable" in client.stderr and "trying again" in client.stderr, "a line about it")
        server = self.peer("serve", a, "--listen", f"127.0.0.1:{probe.port}")
        server.wait_event("listening")
        self.wait_same(a, b)

    def test_once_both_ways(self):
        a, b = self.make("a.db", "b.db")
        plain(a, "INSERT INTO note VALUES('a','','',0);")
        plain(b, "INSERT INTO note VALUES('b','','',0);")
        server = self.serve(a)
        self.once(b, server.url)
        self.assertEqual(2, rows(a))
        self.assert_same(a, b)
        self.once(b, server.url)  # nothing to do is done, too
        plain(b, "DELETE FROM note WHERE id='a';")
        self.once(b, server.url)
        self.assertEqual(1, rows(a))

    def shown_on_a_terminal(self, *arguments):
        """What a sync-peer that ends by itself writes to stderr where that is a terminal."""
        leader, follower = pty.openpty()
        peer = subprocess.Popen([str(synctest.PEER), *synctest.with_tls(arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=follower, env=synctest.PEER_ENV)
        os.close(follower)
        text = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # nobody has it open any more
                break
            text += piece
        os.close(leader)
        self.assertEqual(0, peer.wait(synctest.SECONDS_MAX), text)
        return text.decode()

    def test_once_shows_on_a_terminal_how_far_it_is(self):
        for name, full, empty in (("receiving", "a.db", "b.db"), ("sending", "d.db", "c.db")):
            with self.subTest(name):
                a, b = self.make(*sorted((full, empty)))
                plain(self.path(full), "WITH c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 3000)"
                                       " INSERT INTO note(id, n) SELECT 'k'||i, i FROM c")
                server = self.serve(a)
                text = self.shown_on_a_terminal("sync", b, server.url, "--once")
                server.stop()
                percents = [int(p) for p in re.findall(r"(\d+) %", text)]
                self.assertEqual(percents, sorted(percents))
                self.assertLess(percents[0], 100, text)
                self.assertEqual(100, percents[-1], text)

    def test_once_with_several_urls(self):
        a, b, c = self.make("a.db", "b.db", "c.db")
        plain(a, "INSERT INTO note VALUES('a','','',0);")
        plain(c, "INSERT INTO note VALUES('c','','',0);")
        first, third = self.serve(a), self.serve(c)
        status, _, err = self.run_peer("sync", b, first.url, third.url, "--once")
        self.assertEqual(0, status, err)
        self.assertEqual(2, rows(b))

    def test_values_larger_than_a_message(self):
        a, b = self.make("a.db", "b.db")
        plain(a, "INSERT INTO note VALUES('big', hex(randomblob(3000000)), NULL, 1);"
                 "INSERT INTO note VALUES('small','','',0);")
        server = self.serve(a)
        self.once(b, server.url)
        self.assert_same(a, b)
        self.assertEqual(6000000, rows(b, "SELECT length(title) FROM note WHERE id='big'"))

    def test_backlogs_of_both_sides_cross(self):
        a, b = self.make("a.db", "b.db")
        for db, name in ((a, "a"), (b, "b")):
            plain(db, "WITH c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 10000)"
                      f" INSERT INTO note SELECT '{name}'||i, hex(randomblob(50)), '', i FROM c;")
        server = self.serve(a)
        self.once(b, server.url)
        self.assertEqual(20000, rows(a))
        self.assert_same(a, b)

    def test_a_table_tracked_later_is_fetched(self):
        a, b = self.make("a.db", "b.db")
        plain(a, "INSERT INTO note VALUES('n','','',0); INSERT INTO tag VALUES('n','t');")
        server = self.serve(a, "--track", "all")
        self.sync(b, server.url, "--track", "note").wait_event("connected")
        eventually(lambda: rows(b) == 1, "the tracked table arrives")
        self.assertEqual(0, rows(b, "SELECT count(*) FROM tag"))
        synctest.shell(b, "SELECT sync_track('tag');")
        eventually(lambda: rows(b, "SELECT count(*) FROM tag") == 1, "the table tracked later arrives")

    def test_a_table_made_later_is_tracked_by_track_all(self):
        a, b = self.make("a.db", "b.db")
        server = self.serve(a, "--track", "all")
        self.sync(b, server.url, "--track", "all").wait_event("connected")
        for db in (a, b):
            plain(db, "CREATE TABLE later(id TEXT PRIMARY KEY, v);")
        plain(a, "INSERT INTO later VALUES('k', 1);")
        eventually(lambda: rows(b, "SELECT count(*) FROM later") == 1, "the new table's row arrives")

    def test_nothing_is_echoed(self):
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        self.sync(b, server.url).wait_event("connected")
        writer = sqlite3.connect(a, isolation_level=None, timeout=synctest.SECONDS_MAX)
        for i in range(400):  # many deltas, one upon the other
            writer.execute("INSERT INTO note VALUES(?,'t','',?)", (f"k{i}", i))
        writer.close()
        eventually(lambda: rows(b) == 400, "all rows")
        server.stop()
        self.assertEqual([], [event for event in server.all_events() if event["event"] == "merged"])

    def test_rollback_journal_files(self):
        a, b = self.make("a.db", "b.db")
        server = self.serve(a, "--no-wal")
        self.sync(b, server.url).wait_event("connected")
        self.assertEqual("delete", plain(a, "PRAGMA journal_mode"))
        self.assertEqual("wal", plain(b, "PRAGMA journal_mode"))
        plain(a, "INSERT INTO note VALUES('a','','',0);")
        plain(b, "INSERT INTO note VALUES('b','','',0);")
        eventually(lambda: rows(a) == rows(b) == 2, "both rows on both sides")

    def test_two_peers_on_one_file(self):
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        clients = [self.sync(b, server.url) for _ in range(2)]
        for client in clients:
            client.wait_event("connected")
        plain(b, "INSERT INTO note VALUES('b','','',0);")
        plain(a, "INSERT INTO note VALUES('a','','',0);")
        eventually(lambda: rows(a) == rows(b) == 2, "both rows on both sides")

    def test_sigterm_ends_cleanly(self):
        a, b = self.make("a.db", "b.db")
        server = self.serve(a)
        client = self.sync(b, server.url)
        client.wait_event("connected")
        plain(a, "INSERT INTO note VALUES('a','','',0);")
        eventually(lambda: rows(b) == 1, "the row")
        self.assertEqual(0, client.stop())
        self.assertEqual(0, server.stop())
        for db in (a, b):
            self.assertFalse(Path(f"{db}-wal").exists(), "the last one to leave closes the file")
        self.assert_sound(a, b)

    def test_sigterm_in_the_middle_of_a_backlog(self):
        a, b = self.make("a.db", "b.db")
        plain(a, "WITH c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 50000)"
                 " INSERT INTO note SELECT 'k'||i, hex(randomblob(50)), '', i FROM c;")
        server = self.serve(a)
        client = self.sync(b, server.url)
        client.wait_event("merged")
        self.assertEqual(0, client.stop())
        self.assert_sound(b)
        self.once(b, server.url)
        self.assert_same(a, b)

    def test_real_input(self):
        a, b, c = self.path("a.db"), self.path("b.db"), self.path("c.db")
        for db in (a, b, c):
            sample.make(str(db))
            synctest.shell(db, "SELECT sync_track_all();")
        plain(a, "PRAGMA foreign_keys=ON;"
                 "INSERT INTO Customer(CustomerId, FirstName, LastName, Email) VALUES(9001,'A','B','a@b');"
                 "INSERT INTO Invoice(InvoiceId, CustomerId, InvoiceDate, Total) VALUES(9001,9001,'2024-01-01',3);"
                 "INSERT INTO InvoiceLine(InvoiceLineId, InvoiceId, TrackId, UnitPrice, Quantity)"
                 " VALUES(9001,9001,1,3,1);"
                 "UPDATE Track SET Name='renamed by a' WHERE TrackId=1;"
                 "DELETE FROM PlaylistTrack WHERE PlaylistId=1 AND TrackId<100;")
        plain(b, "PRAGMA foreign_keys=ON; UPDATE Track SET Composer='set by b' WHERE TrackId=1;"
                 "DELETE FROM PlaylistTrack WHERE PlaylistId=1 AND TrackId<50;"
                 "UPDATE Artist SET Name='by b' WHERE ArtistId=5;")
        plain(c, "UPDATE Artist SET Name='by c' WHERE ArtistId=6;")
        first = self.serve(a)
        middle = self.serve(b, "--follow", first.url)
        self.sync(c, middle.url)
        eventually(lambda: rows(c, "SELECT count(*) FROM Customer WHERE CustomerId=9001") == 1
                   and rows(a, "SELECT count(*) FROM Artist WHERE Name LIKE 'by _'") == 2, "edits cross the chain")
        self.wait_same(a, b, c)
        self.assert_sound(a, b, c)


if __name__ == "__main__":
    unittest.main()
