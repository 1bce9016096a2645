"""The commands of sync-peer that work on a file, or make something for one: token, log, compact, snapshot."""
import base64
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, ask, connect, eventually, plain  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v); "
N = "CREATE TABLE n(id INTEGER PRIMARY KEY, v); "


class Files(Case):
    def setUp(self):
        super().setUp()
        self.db = self.path("a.db")

    def make(self, sql, path=None):
        plain(path or self.db, sql)
        self.call(path or self.db, "SELECT sync_track_all()")

    def call(self, path, sql, *values):
        db = connect(path)
        try:
            return db.execute(sql, values).fetchone()[0]
        finally:
            db.close()

    def does(self, *arguments):
        """stdout of a command that ends well, and says nothing but on stdout and in notices."""
        status, out, err = self.run_peer(*arguments)
        self.assertEqual(status, 0, out + err)
        self.said = err
        return out

    def fails(self, status, *arguments, says):
        got, out, err = self.run_peer(*arguments)
        self.assertEqual((status, "", 1), (got, out, err.count("\n")), out + err)
        self.assertIn(says, err)


class Token(Files):
    def setUp(self):
        super().setUp()
        self.path("db").mkdir()
        for room in ("red", "red-2", "blue"):
            plain(self.path(f"db/{room}.db"), T + "INSERT INTO t VALUES('theirs', 1)")
        self.path("secret").write_text(tokens.SECRET + "\n", encoding="utf-8")
        self.numbers = itertools.count()

    def serve_rooms(self, algorithm="HS256", key="secret"):
        jwt = {"algorithm": algorithm, "keyFile": key, "audience": "sync", "leewaySeconds": 0}
        whole = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "auth": {"jwt": jwt}}
        self.path("peer.json").write_text(json.dumps(whole), encoding="utf-8")
        peer = self.peer("serve", "--config", self.path("peer.json"))
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def mint(self, *options, key="secret", room="red", rights="read,write"):
        out = self.does("token", "--key-file", self.path(key), "--audience", "sync", "--room", room, "--rights", rights, *options)
        self.assertRegex(out, r"^[\w-]+\.[\w-]+\.[\w-]+\n$")
        self.assertEqual(self.said, "")
        return out

    def claims(self, token):
        part = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    def joins(self, peer, token, room="red"):
        """The exit status of a new file that asks to be let into a room."""
        self.path("token").write_text(token, encoding="utf-8")
        mine = self.path(f"mine{next(self.numbers)}.db")
        plain(mine, T + f"INSERT INTO t VALUES('{mine.stem}', 1)")
        status, _, err = self.run_peer("sync", mine, f"{synctest.SCHEME}://127.0.0.1:{peer.port}/{room}", "--once", "--token-file", self.path("token"))
        self.assertIn(status, (0, 9), err)
        return status

    def test_a_secret(self):
        peer = self.serve_rooms()
        self.assertEqual(self.joins(peer, self.mint()), 0)
        self.assertEqual(ask(self.path("db/red.db"), "SELECT count(*) FROM t"), 2)
        self.assertEqual(self.joins(peer, self.mint(), room="blue"), 9)
        self.assertEqual(self.joins(peer, self.mint(room="red*"), room="red-2"), 0)
        self.path("other").write_text("another secret, which is long enough too", encoding="utf-8")
        self.assertEqual(self.joins(peer, self.mint(key="other")), 9)

    def test_a_private_key(self):
        for kind in ("RS256", "ES256"):
            with self.subTest(kind):
                pair = tokens.KeyPair(self.dir, kind, kind)
                peer = self.serve_rooms(kind, pair.public.name)
                self.assertEqual(self.joins(peer, self.mint(key=pair.private.name)), 0)
                self.assertEqual(peer.stop(), 0)

    def test_rights(self):
        peer = self.serve_rooms()
        self.assertEqual(self.claims(self.mint(rights="read,admin"))["rights"], ["read", "admin"])
        before = ask(self.path("db/red.db"), "SELECT count(*) FROM t")
        self.joins(peer, self.mint(rights="read"))
        self.assertEqual(before, ask(self.path("db/red.db"), "SELECT count(*) FROM t"))

    def test_what_it_says(self):
        now = int(time.time())
        claims = self.claims(self.mint())
        self.assertEqual({name: claims[name] for name in ("sub", "aud", "room", "rights")}, {"sub": "sync-peer", "aud": "sync", "room": "red", "rights": ["read", "write"]})
        self.assertTrue(now - 1 <= claims["nbf"] == claims["iat"] <= now + 5)
        self.assertEqual(claims["exp"] - claims["nbf"], 3600)
        claims = self.claims(self.mint("--sub", 'Zo\u00eb "Z"', "--seconds=60"))
        self.assertEqual((claims["sub"], claims["exp"] - claims["nbf"]), ('Zo\u00eb "Z"', 60))

    def test_it_expires(self):
        peer = self.serve_rooms()
        token = self.mint("--seconds", "1")
        eventually(lambda: time.time() > self.claims(token)["exp"], "its end")
        self.assertEqual(self.joins(peer, token), 9)

    def test_wrong(self):
        self.path("short").write_text("short", encoding="utf-8")
        public = tokens.KeyPair(self.dir, "ES256").public.name
        subprocess.run(["openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", str(self.path("p384"))], check=True, capture_output=True)
        good = {"--key-file": self.path("secret"), "--audience": "sync", "--room": "red", "--rights": "read"}
        for changed, says in (({"--key-file": None}, "token needs --key-file"), ({"--audience": None}, "token needs --audience"), ({"--room": None}, "token needs --room"),
                              ({"--rights": None}, "token needs --rights"), ({"--key-file": self.path("none")}, "none: No such file"),
                              ({"--key-file": self.path("short")}, "short: the secret is shorter than 32 bytes"), ({"--key-file": self.path(public)}, "is no private key (PEM) without a passphrase"),
                              ({"--key-file": self.path("p384")}, "p384: the key is not of the curve P-256"), ({"--audience": ""}, "--audience is empty"),
                              ({"--room": "Red"}, "--room Red is no room name"), ({"--room": ""}, "is no room name"), ({"--rights": "all"}, "--rights all is not read, write, admin or peer"),
                              ({"--rights": "read,"}, "is not read, write, admin or peer"), ({"--rights": ""}, "is not read, write, admin or peer"), ({"--sub": ""}, "--sub is empty, or longer than 63 bytes"),
                              ({"--sub": "x" * 64}, "--sub is empty, or longer"), ({"--sub": b"\xff"}, "--audience or --sub is not UTF-8"), ({"--seconds": "0"}, "--seconds 0 is not between 1 and 315360000"),
                              ({"--seconds": "315360001"}, "is not between"), ({"--seconds": "99999999999999999999"}, "is no number"), ({"--audience": "x" * 3000}, "the token is longer than the 3072 bytes"),
                              ({"--json": "1"}, "--json is no option of token")):
            with self.subTest(changed):
                words = [w for name, value in {**good, **changed}.items() if value is not None for w in (name, value)]
                done = subprocess.run([str(synctest.PEER), "token", *words], capture_output=True, env=synctest.PEER_ENV, check=False)
                self.assertEqual((2, b"", 1), (done.returncode, done.stdout, done.stderr.count(b"\n")), done.stderr)
                self.assertIn(says, done.stderr.decode("utf-8", "replace"))
        self.fails(2, "token", self.path("secret"), says="token needs no FILE")


class Log(Files):
    def log(self, *options):
        return [json.loads(line) for line in self.does("log", self.db, *options).splitlines()]

    def brief(self, *options):
        return [(e["version"], e["table"], e["key"], e["op"], e["column"], e["value"]) for e in self.log(*options)]

    def test_what_it_prints(self):
        self.make(T + N)
        plain(self.db, "INSERT INTO t VALUES('k', x'00ff'), ('l', 1.5); INSERT INTO n VALUES(7, NULL); UPDATE t SET v = 'new' WHERE id = 'k'; DELETE FROM t WHERE id = 'l'")
        self.assertEqual(self.brief(), [(4, "n", [7], "insert", None, None), (4, "n", [7], "insert", "v", None), (5, "t", ["k"], "insert", None, None), (5, "t", ["k"], "update", "v", "new"),
                                        (6, "t", ["l"], "delete", None, None)])
        event = self.log()[3]
        self.assertEqual((event["site"], event["cl"]), (self.call(self.db, "SELECT lower(hex(sync_site()))"), 1))
        self.assertRegex(event["stamp"], r"^\d{4}-\d\d-\d\dT[\d:.]+Z/\d{5}$")

    def test_filters(self):
        self.make(T + N + "INSERT INTO t VALUES('k', 1)")
        plain(self.db, "INSERT INTO n VALUES(7, x'00ff'); INSERT INTO t VALUES('l', 2)")
        self.assertEqual({e["table"] for e in self.log("--table", "N")}, {"n"})
        self.assertEqual({e["version"] for e in self.log("--since", "2")}, {3})
        self.assertEqual(self.log("--since", "3"), [])
        self.assertEqual(self.brief("--table", "n", "--since=1")[1], (2, "n", [7], "insert", "v", {"$blob": "00ff"}))

    def test_nothing_is_written(self):
        self.make(T)
        plain(self.db, "INSERT INTO t VALUES('k', 1)")
        before = self.db.read_bytes()
        self.assertEqual(len(self.log()), 2)
        self.assertEqual(before, self.db.read_bytes())

    def follow(self, *options):
        """A process that follows, and what it has printed so far, line by line."""
        process = subprocess.Popen([str(synctest.PEER), "log", str(self.db), "--follow", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=synctest.PEER_ENV)
        lines = []

        def read():
            for line in iter(process.stdout.readline, b""):
                lines.append(json.loads(line))
        reader = threading.Thread(target=read)
        reader.start()

        def end():
            process.kill()
            process.wait()
            reader.join()
            process.stdout.close()
            process.stderr.close()
        self.addCleanup(end)
        return process, lines

    def test_as_it_happens(self):
        for mode in ("delete", "wal"):
            with self.subTest(mode):
                self.db = self.path(f"{mode}.db")
                self.make(f"PRAGMA journal_mode = {mode}; " + T + N + "INSERT INTO t VALUES('k', 1)")
                process, lines = self.follow("--table", "t")
                eventually(lambda n=lines: len(n) == 2, "what was there")
                for i in range(1, 9):
                    synctest.patiently(self.db, f"INSERT INTO n(v) VALUES(1); INSERT INTO t VALUES({i}, {i})")
                    eventually(lambda i=i, n=lines: len(n) == 2 + 2 * i, lambda n=lines: n, seconds=4)  # the slow poll would take longer
                synctest.patiently(self.db, "UPDATE t SET v = 'last' WHERE id = 'k'")
                eventually(lambda n=lines: n[-1]["value"] == "last", "the update")
                self.assertEqual([e["version"] for e in lines], sorted(e["version"] for e in lines))
                process.send_signal(signal.SIGTERM)
                self.assertEqual((process.wait(synctest.SECONDS_MAX), process.stderr.read()), (0, b""))

    def test_a_great_deal_at_once(self):
        """More than is folded in memory, written while it looks on."""
        self.make("PRAGMA journal_mode = WAL; " + T)
        process, lines = self.follow("--since", "1")
        plain(self.db, "WITH i(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM i WHERE n < 25000) INSERT INTO t SELECT n, n FROM i")
        eventually(lambda: len(lines) == 50000, lambda: (len(lines), process.poll()))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(synctest.SECONDS_MAX), 0)

    def test_a_file_that_is_replaced(self):
        self.make(T + "INSERT INTO t VALUES('k', 1)")
        process, lines = self.follow()
        eventually(lambda: len(lines) == 2, "what was there")
        os.rename(self.db, self.path("moved.db"))
        self.assertEqual(process.wait(synctest.SECONDS_MAX), 12)
        self.assertIn(b"a.db was replaced, moved or deleted while it was in use", process.stderr.read())

    def test_tracked_anew(self):
        self.make(T)
        plain(self.db, "INSERT INTO t VALUES('k', 1), ('l', 2), ('m', 3)")
        _, lines = self.follow()
        eventually(lambda: len(lines) == 6, "what was there")
        for sql in ("SELECT sync_untrack_all()", "SELECT sync_track_all()"):
            self.call(self.db, sql)
        eventually(lambda: len(lines) == 12, lambda: lines)
        self.assertEqual({e["version"] for e in lines[6:]}, {1})

    def test_a_reader_that_goes_away(self):
        self.make(T + "WITH i(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM i WHERE n < 9000) INSERT INTO t SELECT n, n FROM i")
        process = subprocess.Popen([str(synctest.PEER), "log", str(self.db), "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=synctest.PEER_ENV)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(synctest.SECONDS_MAX), 1)
        self.assertIn(b"standard output cannot be written: Broken pipe", process.stderr.read())
        process.stderr.close()

    def test_wrong(self):
        self.make(T)
        plain(self.path("untracked.db"), T)
        for status, words, says in ((2, [], "log needs one FILE"), (2, [self.db, self.db], "log needs one FILE"), (2, [self.db, "--since", "-3"], "--since -3 is no number"),
                                    (2, [self.db, "--json"], "--json is no option of log"), (2, [self.db, "--table"], "--table lacks its value"), (3, [self.path("none.db")], "No such file"),
                                    (4, [self.dir], "is a directory"), (11, [self.path("untracked.db")], "tracks no table"), (11, [self.db, "--table", "x"], "tracks no table x")):
            with self.subTest(words):
                self.fails(status, "log", *words, says=says)


class Compact(Files):
    def test_what_it_did(self):
        self.make(T)
        plain(self.db, "INSERT INTO t VALUES('k', 1), ('l', 2); DELETE FROM t WHERE id = 'k'")
        self.assertEqual(self.does("compact", self.db), f"{self.db}: 0 deletes forgotten, 1 kept\n")
        self.assertEqual(self.does("compact", self.db, "--age", "1000"), f"{self.db}: 0 deletes forgotten, 1 kept\n")
        event = json.loads(self.does("compact", self.db, "--age", "0", "--json"))
        self.assertEqual(event, {"event": "compacted", "file": str(self.db), "forgotten": 1, "kept": 0})
        self.assertEqual(synctest.EVENTS["compacted"], event.keys() - {"event"})
        self.assertEqual(plain(self.db, "SELECT * FROM t"), "l|2")

    def test_wrong(self):
        self.make(T)
        plain(self.path("untracked.db"), T)
        for status, words, says in ((2, [], "compact needs one FILE"), (2, [self.db, "--age", "old"], "--age old is no number"), (3, [self.path("none.db")], "No such file"),
                                    (11, [self.path("untracked.db")], "tracks no table")):
            with self.subTest(words):
                self.fails(status, "compact", *words, says=says)
        db = connect(self.db, ext=False)
        db.execute("BEGIN IMMEDIATE")
        self.fails(6, "compact", self.db, says="is locked by another program; end its transaction and try again")
        db.close()


class Snapshot(Files):
    def setUp(self):
        super().setUp()
        self.copy = self.path("copy.db")

    def beside(self):
        """Everything in the folder that was made for the copy."""
        return sorted(p.name for p in self.dir.iterdir() if p.name.startswith("copy"))

    def test_a_copy(self):
        self.make("PRAGMA journal_mode = WAL; " + T + N + "INSERT INTO t VALUES('k', 1); INSERT INTO n(v) VALUES('one')")
        plain(self.db, "INSERT INTO t VALUES('l', 2); DELETE FROM t WHERE id = 'k'")
        self.db.chmod(0o640)
        self.assertEqual(self.does("snapshot", self.db, self.copy), "")
        self.assertIn("copy.db is ", self.said)
        self.assertIn("at version 3; it takes an id of its own when it is first used", self.said)
        self.assertEqual((self.beside(), self.copy.stat().st_mode & 0o777), (["copy.db"], 0o640))
        self.assert_same(self.db, self.copy, tables=["t", "n"])
        self.assert_sound(self.copy)
        self.assertNotEqual(self.call(self.db, "SELECT sync_site()"), self.call(self.copy, "SELECT sync_site()"))
        self.does("verify", self.db, self.copy)

    def test_a_file_that_may_only_be_read(self):
        """By somebody who may write nothing but the folder of the copy."""
        self.make(T + "INSERT INTO t VALUES('k', 1)")
        self.db.chmod(0o444)
        self.dir.chmod(0o777)
        for folder in Path(synctest.PEER).resolve().parents:
            if not folder.stat().st_mode & 0o001:
                self.skipTest(f"another user cannot reach the peer below {folder}")
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for words in (["snapshot", self.db, self.copy], ["log", self.db], ["verify", self.db, self.copy]):
            done = subprocess.run([str(synctest.PEER), *map(str, words)], capture_output=True, env=synctest.PEER_ENV, check=False, **user)
            if words[0] == "verify":  # the copy is to take an id of its own first
                self.assertEqual(done.returncode, 5, done.stderr)
            else:
                self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.copy.stat().st_mode & 0o777, 0o444)

    def test_json(self):
        self.make(T)
        events = [json.loads(line) for line in self.does("snapshot", "--json", self.db, self.copy).splitlines()]
        self.assertEqual(events[0], {"event": "copied", "file": str(self.db), "copy": str(self.copy), "version": 1})
        for event in events:
            self.assertEqual(synctest.EVENTS[event["event"]], event.keys() - {"event"})

    def test_it_goes_on_with_the_original(self):
        """What was not folded bears one stamp in both: rows of integer keys are not there twice."""
        self.make(T + N)
        plain(self.db, "INSERT INTO n(v) VALUES('one'), ('two')")
        self.does("snapshot", self.db, self.copy)
        plain(self.copy, "INSERT INTO n(v) VALUES('in the copy')")
        plain(self.db, "INSERT INTO n(v) VALUES('in the file')")
        server = self.serve(self.db)
        self.sync(self.copy, server.url)
        eventually(lambda: self.run_peer("verify", self.db, self.copy)[0] == 0, lambda: self.run_peer("verify", self.db, self.copy))
        for path in (self.db, self.copy):
            self.assertEqual(ask(path, "SELECT group_concat(v, ',') FROM (SELECT v FROM n ORDER BY v)"), "in the copy,in the file,one,two")

    def test_while_it_is_written(self):
        """One moment of the file, whole, with nothing left to be folded."""
        self.make("PRAGMA journal_mode = WAL; " + N + "CREATE TABLE sum(id TEXT PRIMARY KEY, v); INSERT INTO sum VALUES('n', 0);"
                  "WITH i(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM i WHERE n < 20000) INSERT INTO n SELECT NULL, hex(zeroblob(100)) FROM i")
        stop = threading.Event()

        def write():
            db = connect(self.db, ext=False)
            while not stop.is_set():
                db.execute("BEGIN IMMEDIATE")
                db.execute("INSERT INTO n(v) VALUES('new')")
                db.execute("UPDATE sum SET v = v + 1")
                db.execute("COMMIT")
                time.sleep(0.0005)
            db.close()
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for i in range(5):
                copy = self.path(f"copy{i}.db")
                self.does("snapshot", self.db, copy)
                self.assertEqual(ask(copy, "SELECT v = (SELECT count(*) FROM n) - 20000 FROM sum"), 1)
                self.assertEqual(ask(copy, "SELECT folded = (SELECT max(seq) FROM sync_journal) FROM sync_meta"), 1)
                self.assert_sound(copy)
        finally:
            stop.set()
            writer.join()

    def test_nothing_is_overwritten(self):
        self.make(T)
        for name in ("copy.db", "copy.db-wal", "copy.db-journal"):
            with self.subTest(name):
                self.path(name).write_text("mine", encoding="utf-8")
                self.fails(3, "snapshot", self.db, self.copy, says=name)
                self.assertEqual((self.beside(), self.path(name).read_text(encoding="utf-8")), ([name], "mine"))
                self.path(name).unlink()
        self.copy.symlink_to(self.path("nowhere"))
        self.fails(3, "snapshot", self.db, self.copy, says="copy.db exists already; snapshot makes a new file")
        self.fails(3, "snapshot", self.db, self.db, says="a.db exists already")
        self.fails(3, "snapshot", self.db, self.path("none/copy.db"), says="none/copy.db cannot be made: No such file or directory")

    def test_nothing_is_left_where_there_is_no_room(self):
        self.make(T + "WITH i(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM i WHERE n < 5000) INSERT INTO t SELECT n, hex(zeroblob(100)) FROM i")
        self.call(self.db, "SELECT sync_fold()")
        done = subprocess.run([str(synctest.PEER), "snapshot", str(self.db), str(self.copy)], capture_output=True, env=synctest.PEER_ENV, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)))
        self.assertEqual((done.returncode, self.beside()), (7, []), done.stderr)
        self.assertIn(b"copy.db, or a file beside it, may not grow any more", done.stderr)

    def test_nothing_is_left_when_it_is_stopped(self):
        self.make(T + "WITH i(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM i WHERE n < 100000) INSERT INTO t SELECT n, hex(zeroblob(600)) FROM i")
        process = subprocess.Popen([str(synctest.PEER), "snapshot", str(self.db), str(self.copy)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=synctest.PEER_ENV)
        eventually(lambda: any(p.stat().st_size > 1 << 20 for p in self.dir.glob("copy.db.*")) or process.poll() is not None, "it is on its way")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=synctest.SECONDS_MAX)
        self.assertEqual((process.returncode, self.beside()), (13, []), err)
        self.assertIn(b"stopped before it was done", err)

    def test_damaged(self):
        self.make(T + "".join(f"INSERT INTO t VALUES({i}, hex(zeroblob(500))); " for i in range(200)))
        content = bytearray(self.db.read_bytes())
        content[8192:-8192] = os.urandom(len(content) - 16384)
        self.db.write_bytes(content)
        self.fails(4, "snapshot", self.db, self.copy, says="a.db is damaged")
        self.assertEqual(self.beside(), [])

    def test_wrong(self):
        plain(self.path("untracked.db"), T)
        for status, words, says in ((2, [self.db], "snapshot needs a FILE and the name of a NEW one"), (3, [self.path("none.db"), self.copy], "No such file"),
                                    (11, [self.path("untracked.db"), self.copy], "tracks no table"), (2, [self.db, self.copy, "--age", "3"], "--age is no option of snapshot")):
            with self.subTest(words):
                self.fails(status, "snapshot", *words, says=says)
        self.assertEqual(self.beside(), [])


class Help(Files):
    def test_every_command_is_told_of(self):
        manual = (synctest.ROOT / "docs" / "man" / "sync-peer.1").read_text(encoding="ascii").replace("\\-", "-")
        for words in (["--help"], ["verify", "--help"], ["token", "-h"]):
            out = self.does(*words)
            for word in ("verify A B", "log FILE", "compact FILE", "snapshot FILE NEW", "token --key-file", "14 verify: the files differ", "serve FILE"):
                self.assertIn(word, out)
        for word in ("verify", "log", "compact", "snapshot", "token"):
            self.assertIn(f".B sync-peer {word}", manual)
        self.assertRegex(self.does("verify", "--version"), r"^sync-peer \d")


if __name__ == "__main__":
    unittest.main()
