"""`sync-peer verify`: two files compared row by row and clock by clock, and what no clock tells of set right."""
import json
import os
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from synctest import Case, ask, connect, patiently, plain  # noqa: E402

T = "CREATE TABLE t(id TEXT PRIMARY KEY, v, w); "
N = "CREATE TABLE n(id INTEGER PRIMARY KEY, v); "
BEHIND = ".dbconfig enable_trigger off\n"  # what follows is not seen by the triggers


class Pair(Case):
    def setUp(self):
        super().setUp()
        self.a, self.b = self.path("a.db"), self.path("b.db")

    def make(self, a, b=None):
        """Both files, made by plain programs, with all their tables tracked."""
        for path, sql in ((self.a, a), (self.b, a if b is None else b)):
            plain(path, sql)
            self.call(path, "SELECT sync_track_all()")

    def call(self, path, sql, *values):
        db = connect(path)
        try:
            return db.execute(sql, values).fetchone()[0]
        finally:
            db.close()

    def meet(self):
        """Each gets what the other has, until there is no more."""
        given = True
        while given:
            given = False
            for source, target in ((self.a, self.b), (self.b, self.a)):
                changes = self.call(source, "SELECT sync_changeset(?)", self.call(target, "SELECT sync_seen()"))
                if changes is not None:
                    given = True
                    self.call(target, "SELECT sync_apply(?)", changes)

    def verify(self, status, *options, a=None, b=None):
        """The lines on stdout."""
        got, out, err = self.run_peer("verify", *options, a or self.a, b or self.b)
        self.assertEqual(status, got, out + err)
        self.said = err
        return out.replace(str(self.dir) + "/", "").splitlines()

    def events(self, status, *options):
        """The same as JSON; every one of them is in the manual page."""
        events = [json.loads(line) for line in self.verify(status, "--json", *options)]
        for event in events:
            self.assertEqual(synctest.EVENTS.get(event["event"]), event.keys() - {"event"}, event)
        return events

    def differences(self, status=14):
        """{(table, key): the event}"""
        return {(e["table"], json.dumps(e["key"])): e for e in self.events(status) if e["event"] == "difference"}


class Compare(Pair):
    def test_equal_files(self):
        self.make(T + N + "INSERT INTO t VALUES('k', 1, NULL), ('l', x'00ff', 'text'); INSERT INTO n(v) VALUES('one')")
        self.meet()
        self.assertEqual(self.verify(0), ["n: 1 row in a.db, 1 in b.db: equal", "t: 2 rows in a.db, 2 in b.db: equal"])
        self.assertEqual(self.said, "")

    def test_what_has_not_been_exchanged(self):
        self.make(T + "INSERT INTO t VALUES('k', 1, 2)")
        self.meet()
        plain(self.a, "INSERT INTO t VALUES('mine', 1, 2); UPDATE t SET v = 'new' WHERE id = 'k'")
        plain(self.b, "INSERT INTO t VALUES('other', 1, 2)")
        self.assertEqual(self.verify(14), ['t ["k"]: v is "new" and 1', 't ["mine"]: only in a.db', 't ["other"]: only in b.db',
                                           "t: 2 rows in a.db, 2 in b.db: 1 only in a.db, 1 only in b.db, 1 with other values"])
        self.meet()
        self.verify(0)

    def test_nothing_is_written(self):
        """What is not folded counts, and is not folded by it."""
        self.make(T + "INSERT INTO t VALUES('k', 1, 2)")
        self.meet()
        plain(self.a, "UPDATE t SET v = 'new'")
        before = [plain(path, "SELECT folded, count, hlc FROM sync_meta") for path in (self.a, self.b)]
        self.assertEqual(ask(self.a, "SELECT folded < (SELECT max(seq) FROM sync_journal) FROM sync_meta"), 1)
        self.assertEqual(self.differences()["t", '["k"]']["clocks"], ["v"])
        self.assertEqual(before, [plain(path, "SELECT folded, count, hlc FROM sync_meta") for path in (self.a, self.b)])

    def test_types_and_bytes(self):
        """1 is not 1.0, and text is its bytes."""
        pairs = {"real": ("1", "1.0"), "text": ("1", "'1'"), "blob": ("'a'", "x'61'"), "case": ("'a'", "'A'"), "null": ("NULL", "0"), "nothing": ("NULL", "x''"),
                 "zero": ("CAST(x'610062' AS TEXT)", "'a'"), "accent": ("char(233)", "'e' || char(769)"), "sign": ("0.0", "-0.0"), "same": ("1e300", "1e300"),
                 "long": ("hex(zeroblob(9000))", "hex(zeroblob(9000)) || ' '")}
        self.make(T + "".join(f"INSERT INTO t VALUES('{key}', {a}, 0); " for key, (a, _) in pairs.items()))
        self.meet()
        for key, (_, b) in pairs.items():
            plain(self.b, BEHIND + f"UPDATE t SET v = {b} WHERE id = '{key}'")
        found = self.differences()
        self.assertEqual({json.loads(key)[0] for _, key in found}, pairs.keys() - {"same"})
        self.assertEqual(found["t", '["real"]']["columns"], [{"column": "v", "a": 1, "b": 1.0}])
        self.assertEqual(found["t", '["blob"]']["columns"], [{"column": "v", "a": "a", "b": {"$blob": "61"}}])
        self.assertEqual(found["t", '["long"]']["columns"][0]["b"], {"$text_bytes": 18001})
        self.assertIn('t ["real"]: v is 1 and 1.0, and no clock tells of it', self.verify(14))

    def test_clocks_alone(self):
        self.make(T + "INSERT INTO t VALUES('k', 1, 2)")
        self.meet()
        for path in (self.a, self.b):
            plain(path, "UPDATE t SET v = 'the same'")
        self.assertEqual(self.verify(14), ['t ["k"]: the clocks differ (v)', "t: 1 row in a.db, 1 in b.db: 1 with other clocks"])
        self.assertEqual(self.differences()["t", '["k"]'], {"event": "difference", "table": "t", "key": ["k"], "shown": "both", "held": "neither", "columns": [], "clocks": ["v"]})
        self.meet()
        self.verify(0)

    def test_tables_that_do_not_fit(self):
        self.make("CREATE TABLE mine(id TEXT PRIMARY KEY); CREATE TABLE k(a TEXT, b TEXT, PRIMARY KEY(a, b)); CREATE TABLE c(id TEXT PRIMARY KEY, x, y INTEGER, z, w);"
                  "CREATE TABLE s(id TEXT PRIMARY KEY); CREATE TABLE o(id TEXT PRIMARY KEY COLLATE NOCASE);"
                  "INSERT INTO c VALUES('k', 1, 2, 3, 4)",
                  "CREATE TABLE yours(id TEXT PRIMARY KEY); CREATE TABLE k(a TEXT, b TEXT, PRIMARY KEY(b, a)); CREATE TABLE C(Z, ID TEXT PRIMARY KEY, y TEXT, v, w);"
                  "CREATE TABLE s(id INT PRIMARY KEY); CREATE TABLE o(id TEXT PRIMARY KEY);"
                  "INSERT INTO c VALUES(3, 'k', 2, 0, 5)")
        lines = self.verify(14)
        for line in ("mine: tracked only in a.db", "yours: tracked only in b.db", "k: its key in a.db is not that in b.db, so it is not compared",
                     "s: its key in a.db is not that in b.db, so it is not compared", "o: its key in a.db is not that in b.db, so it is not compared",
                     "c: column x is only in a.db; column y has another type in b.db, and is not compared; column v is only in b.db"):
            self.assertIn(line, lines)
        self.assertEqual([line for line in lines if line.startswith("c [")], ['c ["k"]: w is 4 and 5'])
        self.assertEqual({e["table"]: e["text"] for e in self.events(14) if e["event"] == "table"}["mine"], "tracked only in a.db")
        self.assertEqual({e["table"] for e in self.events(14) if e["event"] == "compared"}, {"c"})

    def test_another_identity(self):
        for path, identity in ((self.a, "row"), (self.b, "key")):
            plain(path, N)
            self.call(path, "SELECT sync_track('n', ?)", json.dumps({"identity": identity}))
        self.assertEqual(self.verify(14), ["n: its identity is row in a.db and key in b.db, so it is not compared"])

    def test_what_is_listed_is_bounded(self):
        self.make(T, T + "WITH i(n) AS (VALUES(100) UNION ALL SELECT n + 1 FROM i WHERE n < 149) INSERT INTO t SELECT n, 0, 0 FROM i")
        lines = self.verify(14)
        self.assertEqual(lines[0], 't ["100"]: only in b.db')
        self.assertEqual(lines[-2:], ["t: ... and 30 more", "t: 0 rows in a.db, 50 in b.db: 50 only in b.db"])
        self.assertEqual(len(lines), 22)
        self.assertEqual(self.verify(14, "--limit", "0"), ["t: ... and 50 more", lines[-1]])
        self.assertEqual(len(self.verify(14, "--limit=50")), 51)
        self.assertEqual(self.events(14, "--limit", "0"), [{"event": "compared", "table": "t", "rows": {"a": 0, "b": 50}, "only": {"a": 0, "b": 50}, "values": 0, "clocks": 0}])

    def test_numbers_that_were_given_out_twice(self):
        self.make(N)
        plain(self.a, "INSERT INTO n(v) VALUES('a')")
        plain(self.b, "INSERT INTO n(v) VALUES('b')")
        self.assertEqual(self.verify(14)[0], 'n [1]: v is "a" and "b"')
        self.meet()
        self.verify(0)
        plain(self.b, BEHIND + "UPDATE n SET v = 'behind' WHERE id = 2")
        self.assertEqual(list(self.differences()), [("n", "[2]")])

    def test_keys(self):
        """Of several columns and all types, with quotes in names."""
        self.make('CREATE TABLE "it""s"("a""b" BLOB, b REAL, c, "d d", PRIMARY KEY("a""b", b, c)) WITHOUT ROWID; INSERT INTO "it""s" VALUES(x\'00ff\', 1, \'x\', 5)')
        self.meet()
        self.verify(0)
        plain(self.b, BEHIND + 'UPDATE "it""s" SET "d d" = 6')
        self.assertEqual(self.verify(14)[0], 'it"s [{"$blob":"00ff"},1.0,"x"]: d d is 5 and 6, and no clock tells of it')

    def test_rows_without_a_key_stay_in_their_file(self):
        self.make(T)
        plain(self.a, "INSERT INTO t VALUES(NULL, 1, 2), ('k', 1, 2)")
        self.meet()
        self.assertEqual(self.verify(0), ["t: 1 row in a.db, 1 in b.db: equal"])

    def test_deletes_that_one_file_has_forgotten(self):
        self.make(T + "INSERT INTO t VALUES('k', 1, 2), ('l', 1, 2)")
        plain(self.a, "DELETE FROM t WHERE id = 'k'")
        self.meet()
        self.assertEqual(self.call(self.a, "SELECT sync_compact('{\"age\": 0}')"), 1)
        self.verify(0)

    def test_files_in_utf_16(self):
        for a, b in (("UTF-16le", "UTF-16le"), ("UTF-16be", "UTF-8")):
            with self.subTest(a=a, b=b):
                for path in self.dir.glob("*.db*"):
                    path.unlink()
                rows = T + "INSERT INTO t VALUES('k', 'v', 2), ('z' || char(8364), 'w', 2), (char(256), 1, 2), ('a', 3, 4)"
                self.make(f"PRAGMA encoding = '{a}'; " + rows, f"PRAGMA encoding = '{b}'; " + rows)
                self.meet()
                self.verify(0)
                plain(self.b, BEHIND + "UPDATE t SET v = v || char(8364)")
                self.assertEqual([json.loads(key)[0] for _, key in self.differences()], ["a", "k", "z\u20ac", "\u0100"])

    def test_a_row_that_one_file_holds(self):
        """A constraint that only one of them has."""
        self.make(T, "CREATE TABLE t(id TEXT PRIMARY KEY, v UNIQUE, w)")
        plain(self.a, "INSERT INTO t VALUES('k', 1, 2), ('l', 1, 2)")
        self.meet()
        found = self.differences()
        self.assertEqual(len(found), 1)
        event = next(iter(found.values()))
        self.assertEqual((event["shown"], event["held"], event["clocks"]), ("a", "b", []))
        before = ask(self.a, "SELECT max(seq) FROM sync_journal")
        self.assertIn("; held in b.db", self.verify(14, "--repair")[0])
        self.assertEqual(before, ask(self.a, "SELECT max(seq) FROM sync_journal"))

    def test_a_copy_has_an_id_of_its_own(self):
        self.make(T + "INSERT INTO t VALUES('k', 1, 2)")
        plain(self.a, f"VACUUM INTO '{self.path('c.db')}'")
        self.verify(0, b=self.path("c.db"))
        self.assertNotEqual(self.call(self.a, "SELECT sync_site()"), self.call(self.path("c.db"), "SELECT sync_site()"))

    def test_one_moment_of_a_file_that_is_written(self):
        """Rows of two tables are always written together: none is ever seen without the other."""
        self.make("PRAGMA journal_mode = WAL; " + T + N + "INSERT INTO t VALUES('x', 0, 0); INSERT INTO n VALUES(1, 0)")
        self.meet()
        stop = threading.Event()

        def write():
            db = connect(self.a, ext=False)
            n = 0
            while not stop.is_set():
                n += 1
                db.execute("BEGIN")
                db.execute("UPDATE t SET v = ?", (n,))
                db.execute("UPDATE n SET v = ?", (n,))
                db.execute("COMMIT")
            db.close()
        writer = threading.Thread(target=write)
        writer.start()
        try:
            synctest.eventually(lambda: ask(self.a, "SELECT v > 0 FROM t"), "a first write")
            for _ in range(10):
                found = self.differences()
                self.assertEqual(found["t", '["x"]']["columns"][0]["a"], found["n", "[1]"]["columns"][0]["a"])
        finally:
            stop.set()
            writer.join()

    def test_a_journal_mode_stays(self):
        self.make(T)
        self.verify(0)
        self.assertEqual(plain(self.a, "PRAGMA journal_mode"), "delete")

    def test_memory(self):
        """It is flat: far less than the files, also where every row differs."""
        self.make(T + "WITH i(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM i WHERE n < 20000) INSERT INTO t SELECT n, hex(zeroblob(1600)), 0 FROM i")
        plain(self.b, BEHIND + "UPDATE t SET w = 1")
        process = subprocess.Popen([str(synctest.PEER), "verify", str(self.a), str(self.b)], stdout=subprocess.DEVNULL, env=synctest.PEER_ENV)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 14)
        self.assertGreater(self.a.stat().st_size, 60 << 20)
        if not synctest.SANITIZER:
            self.assertLess(usage.ru_maxrss, 40 << 10)


class Repair(Pair):
    def behind(self):
        self.make(T + N + "INSERT INTO t VALUES('changed', 1, 2), ('gone', 1, 2), ('stays', 1, 2); INSERT INTO n(v) VALUES('changed'), ('gone'), ('stays')")
        plain(self.a, "INSERT INTO t VALUES('lost', x'00ff', 1.0); UPDATE n SET v = 'lost' WHERE id = 3")
        self.meet()
        plain(self.b, BEHIND + "UPDATE t SET v = 'behind' WHERE id = 'changed'; DELETE FROM t WHERE id IN ('gone', 'lost'); INSERT INTO t VALUES('came', 1, 2);"
                               "UPDATE n SET v = 'behind' WHERE id = 1; DELETE FROM n WHERE id IN (2, 3); INSERT INTO n VALUES(77, 'came');")
        self.meet()

    def test_the_first_file_is_right(self):
        self.behind()
        before, version = synctest.dump(self.a, ["t", "n"]), plain(self.b, "SELECT max(seq) FROM sync_journal")
        lines = self.verify(14, "--repair")
        self.assertEqual([line for line in lines if "touched in" in line],
                         ["n [1]: touched in a.db", "n [2]: touched in a.db", "n [3]: touched in a.db, put back into b.db", "n [77]: touched in a.db", 't ["came"]: touched in a.db',
                          't ["changed"]: touched in a.db', 't ["gone"]: touched in a.db, put back into b.db', 't ["lost"]: touched in a.db, put back into b.db'])
        self.assertIn("8 rows touched in ", self.said)
        self.assertIn("3 rows put back into ", self.said)
        self.assertEqual(version, plain(self.b, "SELECT max(seq) FROM sync_journal"))
        self.meet()
        self.verify(0)
        for path in (self.a, self.b):
            self.assertEqual(before, synctest.dump(path, ["t", "n"]))
            self.assert_sound(path)

    def test_the_other_way_round(self):
        self.behind()
        right = synctest.dump(self.b, ["t", "n"])
        self.verify(14, "--repair", a=self.b, b=self.a)
        self.meet()
        self.verify(0)
        self.assertEqual(right, synctest.dump(self.a, ["t", "n"]))

    def test_by_a_peer(self):
        self.behind()
        self.verify(14, "--repair")
        server = self.serve(self.a)
        status, _, err = self.run_peer("sync", self.b, server.url, "--once")
        self.assertEqual(status, 0, err)
        self.verify(0)

    def test_what_an_exchange_would_settle_is_left(self):
        self.behind()
        plain(self.b, "INSERT INTO t VALUES('new', 1, 2)")
        touched = [event["key"] for event in self.events(14, "--repair") if event["event"] == "repaired"]
        self.assertEqual(touched, [[1], ["changed"]])  # where both files have the same clocks
        self.assertIn("7 rows were left alone: the files have changes for each other", self.said)
        self.meet()
        self.assertIn(("t", '["came"]'), self.differences())
        self.assertNotIn(("t", '["new"]'), self.differences())
        self.verify(14, "--repair")
        self.meet()
        self.verify(0)
        self.assertEqual(ask(self.a, "SELECT count(*) FROM t WHERE id = 'new'"), 1)

    def test_keys_of_several_columns(self):
        self.make("CREATE TABLE k(a BLOB, b TEXT, v, PRIMARY KEY(a, b)); INSERT INTO k VALUES(x'00', 'x', 1), (x'01', '[\"', 1)")
        self.meet()
        plain(self.b, BEHIND + "UPDATE k SET v = 2")
        self.verify(14, "--repair")
        self.meet()
        self.verify(0)
        self.assertEqual(ask(self.b, "SELECT sum(v) FROM k"), 2)

    def test_a_constraint_in_the_way(self):
        """Of a row that has to go first."""
        self.make("CREATE TABLE t(id TEXT PRIMARY KEY, v UNIQUE); INSERT INTO t VALUES('x', 0)")
        plain(self.a, "INSERT INTO t VALUES('k', 1)")
        self.meet()
        plain(self.b, BEHIND + "UPDATE t SET id = 'other' WHERE id = 'k'")
        self.assertEqual(self.verify(14, "--repair")[-2:], ['t ["k"]: touched in a.db', 't ["other"]: touched in a.db'])
        self.assertIn("1 rows were not put back into ", self.said)
        self.assertNotIn("1 rows put back", self.said)
        self.meet()
        self.assertEqual(self.verify(14, "--repair")[-1], 't ["k"]: touched in a.db, put back into b.db')
        self.meet()
        self.verify(0)
        self.assertEqual(plain(self.b, "SELECT * FROM t ORDER BY id"), "k|1\nx|0")

    def test_no_trigger_fires_where_a_row_is_put_back(self):
        self.make(T + "CREATE TABLE fired(id INTEGER PRIMARY KEY); CREATE TRIGGER mine AFTER INSERT ON t BEGIN INSERT INTO fired VALUES(NULL); END;")
        plain(self.a, "INSERT INTO t VALUES('k', 1, 2)")
        self.meet()
        fired = ask(self.b, "SELECT count(*) FROM fired")
        plain(self.b, BEHIND + "DELETE FROM t")
        self.verify(14, "--repair")
        self.assertEqual((ask(self.b, "SELECT count(*) FROM t"), ask(self.b, "SELECT count(*) FROM fired")), (1, fired))

    def test_a_file_that_is_written_meanwhile(self):
        """What a program deletes in the meantime does not come back."""
        self.behind()
        db = connect(self.b, ext=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM t WHERE id = 'stays'")
        process = subprocess.Popen([str(synctest.PEER), "verify", "--repair", str(self.a), str(self.b)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=synctest.PEER_ENV)
        while not process.stdout.readline().startswith(b"t: "):
            self.assertIsNone(process.poll())
        db.execute("COMMIT")
        db.close()
        _, err = process.communicate(timeout=synctest.SECONDS_MAX)
        self.assertEqual(process.returncode, 6, err)
        self.assertIn(b"b.db was written to meanwhile; try again", err)
        self.assertEqual(ask(self.b, "SELECT count(*) FROM t WHERE id IN ('gone', 'lost', 'stays')"), 0)

    def test_nothing_to_do(self):
        self.make(T + "INSERT INTO t VALUES('k', 1, 2)")
        self.meet()
        before = ask(self.a, "SELECT max(seq) FROM sync_journal")
        self.verify(0, "--repair")
        self.assertEqual((self.said, ask(self.a, "SELECT max(seq) FROM sync_journal")), ("", before))

    def test_clocks_alone_are_no_reason(self):
        self.make(T + "INSERT INTO t VALUES('k', 1, 2)")
        self.meet()
        for path in (self.a, self.b):
            plain(path, "UPDATE t SET v = 'the same'")
        self.assertFalse(any("touched" in line for line in self.verify(14, "--repair")))


class Room(Pair):
    """A file beside a room that some peer serves."""
    def setUp(self):
        super().setUp()
        self.make(T + "INSERT INTO t VALUES('k', 1, 2)")
        self.meet()
        self.temporary = self.path("temporary")
        self.temporary.mkdir()
        before = os.environ.get("TMPDIR")
        self.addCleanup(lambda: os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before))
        os.environ["TMPDIR"] = str(self.temporary)

    def tearDown(self):
        self.assertEqual(list(self.temporary.iterdir()), [])
        super().tearDown()

    def test_a_room(self):
        server = self.serve(self.b)
        self.assertEqual(self.verify(0, b=server.url), [f"t: 1 row in a.db, 1 in {server.url}: equal"])
        patiently(self.b, "UPDATE t SET v = 'other' WHERE id = 'k'")
        patiently(self.b, "INSERT INTO t VALUES('l', 3, 4)")
        self.assertEqual(self.verify(14, b=server.url), ['t ["k"]: v is 1 and "other"', f't ["l"]: only in {server.url}',
                                                         f"t: 1 row in a.db, 2 in {server.url}: 1 only in {server.url}, 1 with other values"])

    def test_what_is_wrong(self):
        server = self.serve(self.b)
        for arguments, status, says in (([self.a, f"{synctest.SCHEME}://127.0.0.1:1/b"], 8, "it could not be cloned"), ([self.a, server.url + "x"], 9, "it could not be cloned"),
                                        ([self.path("gone.db"), server.url], 3, "gone.db"), ([server.url, self.a], 2, "a URL as B, not as A"),
                                        ([self.a, server.url, "--repair"], 2, "--repair needs two files")):
            got, _, err = self.run_peer("verify", *arguments)
            self.assertEqual((got, says in err), (status, True), err)


class Errors(Pair):
    def fails(self, status, *arguments, says):
        got, out, err = self.run_peer(*arguments)
        self.assertEqual((status, 1), (got, err.count("\n")), out + err)
        self.assertIn(says, err)

    def test_words(self):
        self.make(T)
        a, b = self.a, self.b
        for arguments, says in ((["verify"], "verify needs two files, A and B, or a file and a URL"), (["verify", a], "verify needs two files"), (["verify", a, b, a], "verify needs two files"),
                                (["verify", a, b, "--follow"], "--follow is no option of verify"), (["verify", a, b, "--rep"], "--rep is no option of verify"),
                                (["verify", a, b, "--repair=1"], "--repair takes no value"), (["verify", a, b, "--limit"], "--limit lacks its value"),
                                (["verify", a, b, "--limit", "few"], "--limit few is no number"), (["verify", a, b, "--limit=-1"], "--limit -1 is no number"),
                                (["verify", a, a], "are the same file")):
            with self.subTest(arguments):
                self.fails(2, *arguments, says=says)

    def test_files(self):
        self.make(T + "".join(f"INSERT INTO t VALUES({i}, hex(zeroblob(500)), 1); " for i in range(200)))
        letter, untracked, damaged = self.path("letter"), self.path("untracked.db"), self.path("damaged.db")
        letter.write_text("Dear Sir or Madam, " * 100, encoding="utf-8")
        plain(untracked, T)
        content = bytearray(self.b.read_bytes())
        content[8192:-8192] = os.urandom(len(content) - 16384)
        damaged.write_bytes(content)
        for status, path, says in ((3, self.path("none.db"), "none.db cannot be opened: No such file"), (4, self.dir, "is a directory, not a SQLite database"),
                                   (4, letter, "is not a SQLite database"), (11, untracked, "untracked.db tracks no table; SELECT sync_track_all() adopts"),
                                   (4, damaged, "damaged.db is damaged")):
            with self.subTest(path):
                self.fails(status, "verify", self.a, path, says=says)
                self.fails(status, "verify", path, self.a, says=says)
        self.assertFalse(self.path("none.db").exists())
        self.assertEqual(plain(untracked, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sync%'"), "0")

    def test_a_file_that_is_locked(self):
        self.make(T + "INSERT INTO t VALUES('k', 1, 2)")
        self.meet()
        plain(self.b, BEHIND + "UPDATE t SET v = 2")
        db = connect(self.a, ext=False)
        db.execute("BEGIN IMMEDIATE")
        self.verify(14)  # reading waits for nobody
        self.fails(6, "verify", "--repair", "--quiet", self.a, self.b, says="is locked by another program")
        db.execute("COMMIT")
        db.close()


if __name__ == "__main__":
    unittest.main()
