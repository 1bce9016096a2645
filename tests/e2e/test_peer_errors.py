"""What can go wrong is said in one line that begins with `sync-peer:`, with the exit code that --help lists, and loses nothing."""
import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from failing import Failing  # noqa: E402
from synctest import eventually, plain  # noqa: E402

NOBODY = 65534


class Errors(Failing):
    def test_usage(self):
        url = "ws://127.0.0.1:1/room"
        for arguments in ([], ["dance"], ["serve"], ["serve", "a.db", "b.db"], ["sync", "a.db"], ["clone", url],
                          ["serve", "a.db", "--nonsense"], ["serve", "a.db", "--room", "No Good"],
                          ["serve", "a.db", "--listen", "127.0.0.1:99999"], ["serve", "a.db", "--once"],
                          ["sync", "a.db", url, "--listen", "127.0.0.1:0"], ["serve", "a.db", "--room"],
                          ["clone", url, "a.db", "--track", "all"]):
            with self.subTest(arguments):
                self.one_line(2, *arguments, says="--help")

    def test_usage_names_the_option(self):
        for arguments, says in ((["serve", "a.db", "--nonsense"], "--nonsense is no option"),
                                (["serve", "--nonsense=1", "a.db"], "--nonsense=1 is no option"),
                                (["serve", "a.db", "-xq"], "-x is no option"),
                                (["serve", "a.db", "-qx"], "-x is no option"),
                                (["serve", "a.db", "--json", "-x"], "-x is no option"),
                                (["serve", "a.db", "--x", "-q"], "--x is no option"),
                                (["sync", "a.db", "ws://127.0.0.1:1/room", "--once=1"], "--once takes no value"),
                                (["--help=1"], "--help takes no value"),
                                (["serve", "a.db", "--quiet=yes"], "--quiet takes no value"),
                                (["sync", "a.db", "ws://127.0.0.1:1/room", "--on"], "--on is no option"),
                                (["serve", "a.db", "--no"], "--no is no option"),
                                (["serve", "a.db", "--roo", "x"], "--roo is no option"),
                                (["serve", "a.db", "--roo=x"], "--roo=x is no option"),
                                (["serve", "a.db", "--foll"], "--foll is no option"),
                                (["--he"], "--he is no option"),
                                (["serve", "a.db", "--follow"], "--follow lacks its value"),
                                (["serve", "a.db", "--listen", "7430"], "--listen 7430 is not HOST[:PORT]")):
            with self.subTest(arguments):
                self.one_line(2, *arguments, says=says)

    def test_wrong_usage_is_an_event(self):
        for arguments in (["--json"], ["dance", "--json"], ["serve", "--json"], ["serve", "a.db", "--nonsense", "--json"],
                          ["sync", "a.db", "http://x/y", "--json", "--quiet"]):
            with self.subTest(arguments):
                status, out, err = self.run_peer(*arguments)
                event = json.loads(out)
                self.assertEqual((2, "error", 2, f"sync-peer: {event['text']}\n"), (status, event["event"], event["code"], err))
        self.assertEqual("", self.run_peer("dance")[1])

    def test_values_that_look_like_options(self):
        server = self.serve(self.make("a.db"), "--room=on-ce")
        self.assertEqual("on-ce", server.room)

    def test_malformed_urls(self):
        for url in ("http://127.0.0.1/room", "127.0.0.1:7420/room", "ws://127.0.0.1:7420", "ws://127.0.0.1:7420/",
                    "ws://127.0.0.1:port/room", "ws:///room", "ws://127.0.0.1/Room", "ws://127.0.0.1/a/b",
                    "wsss://127.0.0.1/room", "ws://[::1/room", "ws://me@127.0.0.1/room", "ws://127.0.0.1:0/room"):
            with self.subTest(url):
                self.one_line(2, "sync", self.path("a.db"), url, says=url)

    def test_help_and_version(self):
        status, out, err = self.run_peer("--help")
        self.assertEqual((0, ""), (status, err))
        for word in ("serve", "sync", "clone", "--once", "--follow", "Exit codes", "7420"):
            self.assertIn(word, out)
        status, out, err = self.run_peer("--version")
        self.assertEqual((0, ""), (status, err))
        self.assertRegex(out, r"^sync-peer \d+\.\d+\.\d+\n$")

    def test_missing_file(self):
        missing = self.path("missing.db")
        self.one_line(3, "serve", missing, "--listen", "127.0.0.1:0", says="missing.db")
        self.assertFalse(missing.exists())
        # who follows a room may get it from there
        self.fails(8, "sync", missing, "ws://127.0.0.1:1/room", "--once", says="not reachable")
        self.one_line(3, "sync", self.path("nowhere") / "missing.db", "ws://127.0.0.1:1/room", says="missing.db cannot be made: No such file")
        self.assertEqual([], list(self.dir.iterdir()))

    def test_not_a_database(self):
        db = self.path("letter.db")
        db.write_text("Dear Sir or Madam, " * 100, encoding="utf-8")
        self.one_line(4, "serve", db, "--listen", "127.0.0.1:0", says="not a SQLite database")
        self.one_line(4, "serve", self.dir, "--room", "r", "--listen", "127.0.0.1:0", says="is a directory, not a SQLite database")
        self.one_line(4, "sync", self.dir, "ws://127.0.0.1:1/room", says="is a directory, not a SQLite database")
        self.assertTrue(db.read_text(encoding="utf-8").startswith("Dear Sir"))

    def test_a_clone_into_no_directory(self):
        server = self.serve(self.make("a.db"))
        self.one_line(3, "clone", server.url, self.path("nowhere") / "b.db", says="No such file or directory")

    def test_read_only_file(self):
        db = self.make("a.db")
        before = db.read_bytes()
        db.chmod(0o444)
        user = NOBODY if os.geteuid() == 0 else None
        for directory in (self.dir.parent, *Path(synctest.PEER).resolve().parents):
            if user and not directory.stat().st_mode & 0o001:
                if directory != self.dir.parent:
                    self.skipTest(f"another user cannot reach the peer below {directory}")
                directory.chmod(0o711)
        self.dir.chmod(0o777)
        self.one_line(5, "serve", db, "--listen", "127.0.0.1:0", says="cannot be written", user=user)
        db.chmod(0o666)
        self.dir.chmod(0o555)  # SQLite needs its journals beside the file
        self.one_line(5, "serve", db, "--listen", "127.0.0.1:0", says="cannot be written", user=user)
        self.dir.chmod(0o755)
        self.assertEqual(before, db.read_bytes())

    def test_busy_file(self):
        db = self.make("a.db")
        holder = sqlite3.connect(db, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            self.one_line(6, "serve", db, "--listen", "127.0.0.1:0", says="locked by another program")
        finally:
            holder.close()

    def test_a_lock_delays_a_merge_and_loses_nothing(self):
        a, b = self.make("a.db"), self.path("b.db")
        plain(b, "CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        server = self.serve(a)
        self.sync(b, server.url)
        self.wait_same(a, b)
        holder = sqlite3.connect(b, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        plain(a, "INSERT INTO t VALUES('later', 1);")
        threading.Event().wait(0.5)
        self.assertEqual("0", plain(b, "SELECT count(*) FROM t WHERE id='later'"))
        holder.execute("ROLLBACK")
        holder.close()
        self.wait_same(a, b)

    def test_sigterm_does_not_wait_for_a_lock(self):
        a, b = self.make("a.db"), self.path("b.db")
        plain(b, "CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        server = self.serve(a)
        client = self.sync(b, server.url)
        self.wait_same(a, b)
        holder = sqlite3.connect(b, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            plain(a, "INSERT INTO t VALUES('later', 1);")
            threading.Event().wait(0.2)
            self.assertEqual(0, client.stop())
        finally:
            holder.close()

    def test_once_stopped_before_it_is_done(self):
        a, b = self.make("a.db"), self.path("b.db")
        plain(b, "CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        server = self.serve(a)
        self.assertEqual(0, self.run_peer("sync", b, server.url, "--once")[0])
        plain(a, "INSERT INTO t VALUES('later', 1);")
        client = self.peer("sync", b, server.url, "--once")
        client.wait_event("ready")
        holder = sqlite3.connect(b, isolation_level=None, timeout=synctest.SECONDS_MAX)
        holder.execute("BEGIN IMMEDIATE")
        if holder.execute("SELECT count(*) FROM t WHERE id = 'later'").fetchone() == (0,):
            self.assertEqual(13, client.stop())
            self.assertIn("stopped before", client.stderr)
        holder.close()
        self.assertEqual(0, self.run_peer("sync", b, server.url, "--once")[0])
        self.assert_same(a, b)

    def test_clone_stopped_before_it_is_done(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}/room"
            for arguments in (["clone", url, self.path("new.db")], ["sync", self.make("a.db"), url, "--once"]):
                with self.subTest(arguments[0]):
                    client = self.peer(*arguments)
                    with silent.accept()[0]:  # it has come so far as to ask
                        self.assertEqual(13, client.stop())
                    self.assertEqual(1, client.stderr.count("stopped before"), client.stderr)
            self.assertFalse(self.path("new.db").exists())
            client = self.peer("sync", self.path("a.db"), url)
            with silent.accept()[0]:
                self.assertEqual(0, client.stop(), client.stderr)  # it was to go on until now

    def test_refused_connection(self):
        db = self.make("a.db")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        lines = self.fails(8, "sync", db, f"ws://127.0.0.1:{port}/room", "--once", says="not reachable")
        self.assertEqual(1, sum("not reachable" in line for line in lines))
        self.fails(8, "clone", f"ws://127.0.0.1:{port}/room", self.path("new.db"), says="not reachable")
        self.assertFalse(self.path("new.db").exists())

    def test_unknown_host(self):
        self.fails(8, "sync", self.make("a.db"), "ws://no-such-host.invalid/room", "--once", says="no-such-host")

    def test_localhost_is_tried_at_all_its_addresses(self):
        a, b = self.make("a.db"), self.make("b.db")
        server = self.serve(a)
        status, _, err = self.run_peer("sync", b, f"{synctest.SCHEME}://localhost:{server.port}/{server.room}", "--once")
        self.assertEqual(0, status, err)

    def test_address_taken(self):
        a, b = self.make("a.db"), self.make("b.db")
        server = self.serve(a)
        self.one_line(8, "serve", b, "--listen", f"127.0.0.1:{server.port}", says=str(server.port))

    def test_not_a_peer(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def answer():
                connection, _ = listener.accept()
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                connection.close()
            thread = threading.Thread(target=answer)
            thread.start()
            self.fails(9, "sync", self.make("a.db"), f"ws://127.0.0.1:{listener.getsockname()[1]}/room", "--once",
                       says="is it a sync-peer?")
            thread.join()

    def test_unknown_room(self):
        a, b = self.make("a.db"), self.make("b.db")
        server = self.serve(a)
        url = server.url.replace("/a", "/other")
        self.fails(9, "sync", b, url, "--once", says="no room other")
        self.fails(9, "sync", b, url, says="no room other")  # it would not come by waiting

    def test_the_same_file_at_both_ends(self):
        a = self.make("a.db")
        server = self.serve(a)
        self.fails(9, "sync", a, server.url, "--once", says="same file")

    def test_the_same_file_with_another_id_than_at_first(self):
        a, c, saved = self.path("a.db"), self.path("c.db"), self.path("saved.db")
        plain(a, "CREATE TABLE n(v)")
        server = self.serve(a)
        plain(a, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        synctest.shell(a, "SELECT sync_track('t')")
        self.fails(9, "sync", a, server.url, says="same file")  # it had none when it began to be served
        plain(c, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        plain(a, f".backup {saved}")
        plain(a, "INSERT INTO t VALUES('told', 1)")
        self.assertEqual(0, self.run_peer("sync", c, server.url, "--once")[0])
        plain(a, f".timeout 30000\n.restore {saved}")
        self.fails(9, "sync", a, server.url, says="same file")

    def test_following_itself(self):
        a, b = self.make("a.db"), self.make("b.db")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            url = f"{synctest.SCHEME}://127.0.0.1:{port}/a"
        server = self.peer("serve", a, "--listen", f"127.0.0.1:{port}", "--follow", url)
        server.wait_event("error", code=9, text=f"{url}: both ends of the link are the same file; serving goes on without it")
        self.assertEqual(0, self.run_peer("sync", b, url, "--once")[0])
        self.assertEqual(0, server.stop())

    def test_following_itself_before_it_tracks_anything(self):
        a = self.path("a.db")
        plain(a, "CREATE TABLE n(v)")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            url = f"{synctest.SCHEME}://127.0.0.1:{port}/a"
        server = self.peer("serve", a, "--listen", f"127.0.0.1:{port}", "--follow", url)
        server.wait_event("connected", link=url)
        plain(a, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        synctest.shell(a, "SELECT sync_track('t')")
        server.wait_event("error", code=9, text=f"{url}: both ends of the link are the same file; serving goes on without it")

    def test_table_that_does_not_fit(self):
        a, b = self.make("a.db"), self.path("b.db")
        plain(b, "CREATE TABLE t(id TEXT, part TEXT, v, PRIMARY KEY(id, part));")
        plain(a, "CREATE TABLE fits(id TEXT PRIMARY KEY); INSERT INTO fits VALUES('x');")
        plain(b, "CREATE TABLE fits(id TEXT PRIMARY KEY);")
        server = self.serve(a, "--track", "all")
        lines = self.fails(11, "sync", b, server.url, "--once", says="not fit")
        self.assertEqual(1, sum(f"table t is not exchanged with {server.url}: its key is (id, part) here and (id) there" in line
                                for line in lines), lines)
        self.assertEqual(1, server.stderr.count(": its key is (id) here and (id, part) there\n"), server.stderr)
        self.assertEqual("0", plain(b, "SELECT count(*) FROM t"))
        self.assertEqual("1", plain(b, "SELECT count(*) FROM fits"), "the other table is exchanged")

    def test_what_does_not_fit_is_said_for_both_sides(self):
        a, b = self.path("a.db"), self.path("b.db")
        for (here, there), says in {
                ("id TEXT PRIMARY KEY", "id PRIMARY KEY"): "its key column id has affinity BLOB here and TEXT there",
                ("id TEXT PRIMARY KEY", "id NUMERIC PRIMARY KEY"): "its key column id has affinity NUMERIC here and TEXT there",
                ("id TEXT PRIMARY KEY", "id TEXT COLLATE NOCASE PRIMARY KEY"): "its key column id has collation NOCASE here and BINARY there",
                ("id TEXT PRIMARY KEY", "id INTEGER PRIMARY KEY"): 'its identity is "row" here and "key" there'}.items():
            with self.subTest(says):
                for db, key in ((a, here), (b, there)):
                    for path in self.dir.glob(f"{db.name}*"):
                        path.unlink()
                    plain(db, f"CREATE TABLE t({key}, v)")
                server = self.serve(a)
                lines = self.fails(11, "sync", b, server.url, "--once", says="not fit")
                self.assertIn(f"sync-peer: table t is not exchanged with {server.url}: {says}", lines)
                server.stop()

    def test_names_that_differ_in_case_fit(self):
        a, b = self.make("a.db"), self.path("b.db")
        plain(b, "CREATE TABLE T(ID TEXT PRIMARY KEY, v); INSERT INTO t VALUES('of b', 1)")
        server = self.serve(a)
        status, _, err = self.run_peer("sync", b, server.url, "--once", "--quiet")
        self.assertEqual((0, ""), (status, err))
        self.assertNotIn("not exchanged", server.stderr)
        for db in (a, b):
            self.assertEqual("2", plain(db, "SELECT count(*) FROM t"))
            plain(db, f"INSERT INTO t VALUES('more of {db.name}', 1)")
        client = self.sync(b, server.url)
        eventually(lambda: {plain(db, "SELECT count(*) FROM t") for db in (a, b)} == {"4"}, "both have all rows")
        self.assertNotIn("not exchanged", client.stderr)

    def test_table_that_cannot_be_tracked(self):
        db = self.path("a.db")
        plain(db, "CREATE TABLE keyless(v);")
        self.one_line(11, "serve", db, "--listen", "127.0.0.1:0", "--track", "keyless", says="keyless")
        self.one_line(11, "serve", db, "--listen", "127.0.0.1:0", "--track", "nothing", says="nothing")

    def test_a_file_without_a_table_that_has_a_key(self):
        server, empty = self.serve(self.make("a.db")), self.path("empty.db")
        plain(empty, "CREATE TABLE n(v)")
        self.assertEqual(1, len(self.fails(11, "sync", empty, server.url, says="has no table with a primary key")))
        self.assertFalse(Path(f"{empty}-wal").exists())  # found out before the file is changed
        self.fails(11, "sync", empty, server.url, "--track", "none", says="tracks no table")
        nothing = self.path("nothing.db")  # one without a byte is taken for none
        nothing.touch()
        self.assertEqual(0, self.run_peer("sync", nothing, server.url, "--once")[0])

    def test_tables_without_a_key_are_named_once(self):
        db = self.make("a.db")
        plain(db, "CREATE TABLE n1(v); CREATE TABLE n2(v); CREATE VIEW w AS SELECT 1; CREATE VIRTUAL TABLE f USING fts5(x)")
        server = self.serve(db)
        self.assertEqual(1, server.stderr.count("without a primary key, so not tracked: n1, n2\n"), server.stderr)
        server.stop()
        self.assertNotIn("n1", self.serve(db).stderr)

    def test_track_names_in_quotes(self):
        db = self.make("a.db")
        names = ["tab,лица", 'say "x"', '"', "all", "plain"]
        for name in names:
            plain(db, f"CREATE TABLE {synctest.quote(name)}(id TEXT PRIMARY KEY)")
        listed = ",".join(synctest.quote(name) for name in names[:4]) + ",plain"
        self.serve(db, "--track", listed).stop()
        self.assertEqual(sorted(names), plain(db, "SELECT name FROM sync_table ORDER BY name").splitlines())
        for wrong in ('"t', '"t"x', 't,"', '"a"",t', "", ",", "plain,", ",plain", '""', 'plain,""', '"",plain'):
            with self.subTest(wrong):
                self.one_line(2, "serve", db, "--track", wrong, says="a name is empty, or a quote has no end")
        self.one_line(11, "serve", db, "--listen", "127.0.0.1:0", "--track", "a,b", says="no such table in the main database: a")

    def test_a_served_file_without_a_table_that_has_a_key(self):
        empty, b = self.path("empty.db"), self.make("b.db")
        plain(empty, "CREATE TABLE n(v)")
        server = self.serve(empty)
        self.fails(11, "sync", b, server.url, "--once", says="no table is tracked on both sides")
        self.assertIsNone(server.process.poll())
        self.assertIn("has no table with a primary key", server.stderr)

    def test_tables_that_only_one_side_tracks(self):
        a, b = self.make("a.db"), self.make("b.db")
        plain(a, "CREATE TABLE l(id TEXT PRIMARY KEY)")
        plain(b, "CREATE TABLE r1(id TEXT PRIMARY KEY); CREATE TABLE r2(id TEXT PRIMARY KEY)")
        server = self.serve(a)
        status, _, err = self.run_peer("sync", b, server.url, "--once", "--quiet")
        self.assertEqual((0, ""), (status, err))
        status, _, err = self.run_peer("sync", b, server.url, "--once")
        self.assertEqual(0, status)
        self.assertRegex(err, rf"^sync-peer: not exchanged with {server.url}: "
                              r"tracked only here: (r1, r2|r2, r1); tracked only there: l\n$")
        self.assertEqual(1, server.stderr.count("tracked only here: l; tracked only there: r"), server.stderr)

    def test_no_table_in_common(self):
        a, b = self.make("a.db"), self.path("b.db")
        plain(b, "CREATE TABLE other(id TEXT PRIMARY KEY)")
        server = self.serve(a)
        self.run_peer("sync", b, server.url, "--once")
        self.fails(11, "sync", b, server.url, "--once", says="no table is tracked on both sides")
        self.one_line(11, "sync", b, server.url, "--once", "--quiet", says="no table is tracked on both sides")
        plain(b, "CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        self.assertEqual(0, self.run_peer("sync", b, server.url, "--once", "--track", "t")[0])

    def test_metadata_from_the_future(self):
        db = self.make("a.db")
        self.serve(db).stop()
        plain(db, "UPDATE sync_meta SET format = 99;")
        self.one_line(10, "serve", db, "--listen", "127.0.0.1:0", says="newer")
        plain(db, "PRAGMA journal_mode=DELETE;")
        before = db.read_bytes()
        self.one_line(10, "sync", db, "ws://127.0.0.1:1/room", says="newer")
        self.assertEqual(before, db.read_bytes())
        self.assertFalse(Path(f"{db}-wal").exists())

    def replaced(self, change, says):
        a, b = self.make("a.db"), self.path("b.db")
        plain(b, "CREATE TABLE t(id TEXT PRIMARY KEY, v);")
        server = self.serve(a)
        client = self.sync(b, server.url)
        self.wait_same(a, b)
        other = self.path("other.db")
        plain(other, "CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('another file', 1);")
        change(b, other)
        self.assertEqual(12, client.wait())
        self.assertEqual(1, sum(says in line for line in client.stderr.splitlines()), client.stderr)
        plain(a, "INSERT INTO t VALUES('goes nowhere', 1);")
        self.assert_sound(a)
        server.stop()  # it would take a's journals along, of another file of that name too
        return b

    def test_replaced_file(self):
        b = self.replaced(lambda b, other: os.replace(other, b), "replaced")
        self.assert_sound(b)
        self.assertEqual("another file", plain(b, "SELECT group_concat(id) FROM t"))

    def test_deleted_file(self):
        b = self.replaced(lambda b, other: b.unlink(), "deleted")
        self.assertFalse(b.exists())
        self.assertFalse(Path(f"{b}-wal").exists())

    def test_moved_file(self):
        moved = self.path("moved.db")
        self.replaced(lambda b, other: os.rename(b, moved), "moved")
        self.assert_sound(moved)
        self.assertEqual("1", plain(moved, "SELECT count(*) FROM t"))

    def test_deleted_journals(self):
        for suffixes in (("-wal", "-shm"), ("-shm",)):
            with self.subTest(suffixes):
                self.path("b.db").unlink(missing_ok=True)
                self.path("other.db").unlink(missing_ok=True)
                self.path("a.db").unlink(missing_ok=True)

                def change(b, other):
                    for suffix in suffixes:
                        Path(f"{b}{suffix}").unlink()
                b = self.replaced(change, "was deleted or replaced while it was in use")
                plain(b, "INSERT INTO t VALUES('after', 1);")
                self.assert_sound(b)
                self.assertEqual("1", plain(b, "SELECT count(*) FROM t WHERE id = 'after'"))

    def test_a_row_written_beside_a_deleted_wal_stays(self):
        a, b = self.make("a.db"), self.make("b.db")
        server = self.serve(a)
        client = self.sync(b, server.url)
        self.wait_same(a, b)
        client.process.send_signal(signal.SIGSTOP)  # so that it cannot have noticed when the row is written
        Path(f"{b}-wal").unlink()
        Path(f"{b}-shm").unlink()
        plain(b, "CREATE TABLE mine(v); INSERT INTO mine VALUES(1);")
        client.process.send_signal(signal.SIGCONT)
        self.assertEqual(12, client.wait())
        self.assertEqual("1", plain(b, "SELECT v FROM mine"))
        self.assert_sound(b)

    def test_replaced_with_its_journals(self):
        def change(b, other):
            plain(other, "PRAGMA journal_mode=WAL;")
            keeper = sqlite3.connect(other, isolation_level=None)
            keeper.execute("INSERT INTO t VALUES('only in the wal', 2)")
            self.addCleanup(keeper.close)
            for suffix in ("-wal", "-shm"):
                os.replace(f"{other}{suffix}", f"{b}{suffix}")
            os.replace(other, b)
        b = self.replaced(change, "replaced")
        self.assertTrue(Path(f"{b}-wal").exists(), "the other file's WAL is not ours to remove")
        self.assertEqual("another file,only in the wal", plain(b, "SELECT group_concat(id) FROM t"))

    def test_quiet_and_json(self):
        a = self.make("a.db")
        status, out, err = self.run_peer("sync", a, "ws://127.0.0.1:1/room", "--once", "--json", "--quiet")
        self.assertEqual(8, status)
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(8, [e for e in events if e["event"] == "error"][0]["code"])
        self.assertEqual(1, len(err.strip().splitlines()))

    def test_json_escapes(self):
        odd = self.path('o"d\\\n.db')
        shutil.copy(self.make("a.db"), odd)
        server = self.serve(odd, "--room", "odd")
        self.assertEqual("odd", server.room)
        self.assertNotIn("not-json", [event["event"] for event in server.events])

    def test_a_name_that_is_no_text(self):
        odd = self.path(os.fsdecode(b"\xc3\xbc\xff\xc3.db"))
        os.rename(self.make("a.db"), odd)
        server = self.serve(odd, "--room", "odd")
        texts = [event["text"] for event in server.events if event["event"] == "notice"]
        self.assertTrue(any("/\u00fc\ufffd\ufffd.db is now in WAL mode" in text for text in texts), texts)

    def test_no_room_name_in_the_file(self):
        for name in ("\u00fc.db", "__.db", "..."):
            with self.subTest(name):
                self.one_line(2, "serve", self.path(name), says="give one with --room")

    def test_room_name_from_the_file(self):
        server = self.serve(self.make("My Data.2024.SQLITE"))
        self.assertEqual("my-data-2024", server.room)
        eventually(lambda: "/my-data-2024" in server.stderr, "its URL in a notice")


if __name__ == "__main__":
    unittest.main()
