"""Who may only read gives nothing, who may only write gets nothing: by option, by the room's configuration, by token; and both ends know when they are done."""
import json
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, ask, eventually, patiently, plain  # noqa: E402

NOTES = "CREATE TABLE note(id TEXT PRIMARY KEY, body);"


class Rights(Case):
    def make(self, *names):
        paths = [self.path(name) for name in names]
        for path in paths:
            plain(path, NOTES)
            patiently(path, f"INSERT INTO note VALUES('{path.stem}', 'there before')")
        return paths

    def notes(self, db):
        return ask(db, "SELECT group_concat(id) FROM (SELECT id FROM note ORDER BY id)")

    def write(self, db, key):
        patiently(db, f"INSERT INTO note VALUES('{key}', 'x')")

    def wait(self, db, expected):
        eventually(lambda: self.notes(db) == expected, lambda: f"{expected} in {db}; there is {self.notes(db)}")

    def one_way(self, giver, taker):
        """What is written at one end comes to the other, and never the other way round."""
        self.wait(taker, "a,b" if taker.stem == "a" else "a,b")
        self.write(giver, "given")
        self.write(taker, "kept")
        self.wait(taker, "a,b,given,kept")
        time.sleep(0.3)
        self.assertEqual(self.notes(giver), f"{giver.stem},given")


class Options(Rights):
    def test_a_follower_that_only_receives(self):
        a, b = self.make("a.db", "b.db")
        self.sync(b, self.serve(a).url, "--receive-only")
        self.one_way(a, b)

    def test_a_follower_that_only_sends(self):
        a, b = self.make("a.db", "b.db")
        self.sync(b, self.serve(a).url, "--send-only")
        self.one_way(b, a)

    def test_a_server_that_only_receives(self):
        a, b = self.make("a.db", "b.db")
        self.sync(b, self.serve(a, "--receive-only").url)
        self.one_way(b, a)

    def test_a_server_that_only_sends(self):
        a, b = self.make("a.db", "b.db")
        self.sync(b, self.serve(a, "--send-only").url)
        self.one_way(a, b)

    def test_once(self):
        """It ends when that which may flow has, with the right exit code."""
        for server, client, expected in (([], ["--receive-only"], ("a", "a,b")), ([], ["--send-only"], ("a,b", "b")), (["--send-only"], [], ("a", "a,b")),
                                         (["--receive-only"], [], ("a,b", "b")), (["--send-only"], ["--receive-only"], ("a", "a,b"))):
            with self.subTest(server=server, client=client):
                for path in self.dir.glob("[ab].db*"):
                    path.unlink()
                a, b = self.make("a.db", "b.db")
                peer = self.serve(a, *server)
                for _ in range(2):  # also where there is nothing left to do
                    status, out, err = self.run_peer("sync", b, peer.url, "--once", *client)
                    self.assertEqual(status, 0, out + err)
                    self.assertEqual((self.notes(a), self.notes(b)), expected)
                peer.stop()

    def test_clones(self):
        a, = self.make("a.db")
        status, _, err = self.run_peer("clone", self.serve(a, "--send-only").url, self.path("copy.db"))
        self.assertEqual(status, 0, err)
        self.assertEqual(self.notes(self.path("copy.db")), "a")
        status, _, err = self.run_peer("clone", self.serve(a, "--receive-only").url, self.path("none.db"))
        self.assertEqual(status, 9, err)
        self.assertIn("nothing may be read from this room", err)
        self.assertFalse(self.path("none.db").exists())

    def test_nothing_left_to_do(self):
        a, b = self.make("a.db", "b.db")
        status, _, err = self.run_peer("sync", b, self.serve(a, "--send-only").url, "--once", "--send-only")
        self.assertEqual(status, 9)
        self.assertIn("neither side may send anything to the other", err)
        self.assertEqual(self.run_peer("sync", b, "ws://h/r", "--send-only", "--receive-only")[0], 2)
        self.assertEqual(self.run_peer("clone", "ws://h/r", b, "--send-only")[0], 2)

    def test_in_a_chain(self):
        """What the one in the middle only receives at one end it gives on at the other."""
        a, b, c = self.make("a.db", "b.db", "c.db")
        self.sync(b, self.serve(a).url, "--receive-only")
        self.wait(b, "a,b")
        self.sync(c, self.serve(b, "--send-only").url)
        self.wait(c, "a,b,c")
        self.write(a, "d")
        self.wait(c, "a,b,c,d")
        self.assertEqual(self.notes(b), "a,b,d")

    def test_tables_that_fit_nothing(self):
        """Where only one side may tell, it is still noticed that no table is tracked on both."""
        a, b = self.path("a.db"), self.path("b.db")
        plain(a, NOTES)
        plain(b, "CREATE TABLE other(id TEXT PRIMARY KEY);")
        for option in ("--receive-only", "--send-only"):
            status, _, err = self.run_peer("sync", b, self.serve(a).url, "--once", option)
            self.assertEqual((status, "no table is tracked on both sides" in err), (11, True), err)


class Hostile(Rights):
    """A peer that does what it may not is told so, and changes nothing."""

    def meet(self, server):
        peer = rawpeer.RawPeer(server.port, "/" + server.room)
        self.addCleanup(peer.close)
        peer.send(rawpeer.announce(server.room))
        return peer

    def ends(self, peer, says):
        error = peer.expect(rawpeer.ERROR)
        self.assertIn(says, error.decode("utf-8", "replace"))

    def test_changes_from_who_may_only_read(self):
        a, = self.make("a.db")
        server = self.serve(a, "--send-only")
        peer = self.meet(server)
        peer.send(rawpeer.frame(rawpeer.CHANGES, rawpeer.varint(1) + rawpeer.varint(0) + rawpeer.varint(1) + rawpeer.varint(0), b"not even a changeset"))
        self.ends(peer, "nothing may be written to this room over this link")
        self.assertEqual(self.notes(a), "a")

    def test_a_piece_of_changes_from_who_may_only_read(self):
        """It is refused as it is: put together they would take more than a gigabyte."""
        a, = self.make("a.db")
        peer = self.meet(self.serve(a, "--send-only"))
        peer.send(rawpeer.changes(1, 0, rawpeer.PART, b"x" * 1000, flags=1))
        self.ends(peer, "nothing may be written to this room over this link")

    def test_questions_from_who_may_only_write(self):
        a, = self.make("a.db")
        server = self.serve(a, "--receive-only")
        peer = self.meet(server)
        peer.send(rawpeer.frame(rawpeer.START, payload=b""))
        self.ends(peer, "nothing may be read from this room over this link")

    def test_the_schema_from_who_may_only_write(self):
        a, = self.make("a.db")
        peer = self.meet(self.serve(a, "--receive-only"))
        peer.send(rawpeer.frame(rawpeer.SCHEMA_REQUEST))
        self.ends(peer, "nothing may be read from this room over this link")


class SomeTables(Rights):
    """Links that exchange some tables only."""
    BOTH = NOTES + "CREATE TABLE other(id TEXT PRIMARY KEY, body);CREATE TABLE \"odd, name\"(id TEXT PRIMARY KEY);"

    def make_both(self, *names):
        for path in (paths := [self.path(name) for name in names]):
            plain(path, self.BOTH)
            for table in ("note", "other"):
                patiently(path, f"INSERT INTO {table} VALUES('{path.stem}', 'there before')")
            patiently(path, f"INSERT INTO \"odd, name\" VALUES('{path.stem}')")
        return paths

    def ids(self, db, table):
        return ask(db, f"SELECT group_concat(id) FROM (SELECT id FROM \"{table}\" ORDER BY id)")

    def exchanged(self, a, b, some, others):
        for table in some:
            eventually(lambda t=table: (self.ids(a, t), self.ids(b, t)) == ("a,b", "a,b"), lambda t=table: (t, self.ids(a, t), self.ids(b, t)))
        for table in others:
            self.assertEqual((self.ids(a, table), self.ids(b, table)), ("a", "b"), table)

    def test_by_option(self):
        a, b = self.make_both("a.db", "b.db")
        server = self.serve(a)
        self.assertEqual(self.run_peer("sync", b, server.url, "--once", "--tables", 'NOTE,"odd, name"')[0], 0)
        self.exchanged(a, b, ("note", "odd, name"), ("other",))
        self.assertEqual(self.run_peer("sync", b, server.url, "--once")[0], 0)  # nothing was said to be seen
        self.exchanged(a, b, ("note", "odd, name", "other"), ())

    def test_what_is_written_later(self):
        a, b = self.make_both("a.db", "b.db")
        self.sync(b, self.serve(a).url, "--tables", "other")
        self.exchanged(a, b, ("other",), ("note", "odd, name"))
        for db in (a, b):
            for table in ("note", "other"):
                patiently(db, f"INSERT INTO {table} VALUES('later {db.stem}', 'x')")
        eventually(lambda: self.ids(a, "other") == self.ids(b, "other") == "a,b,later a,later b", lambda: (self.ids(a, "other"), self.ids(b, "other")))
        self.assertEqual((self.ids(a, "note"), self.ids(b, "note")), ("a,later a", "b,later b"))

    def test_by_configuration(self):
        a, b = self.make_both("a.db", "b.db")
        server = self.serve(a)
        self.path("db").mkdir()
        b.rename(self.path("db/a.db"))
        self.path("peer.json").write_text(json.dumps({"listen": "127.0.0.1:0", "dbFolder": "db", **synctest.tls_config(),
                                                      "links": [{"rooms": "*", "url": server.url, "open": True, "tables": ["other"]}]}), encoding="utf-8")
        self.peer("serve", "--config", self.path("peer.json")).wait_event("listening")
        self.exchanged(a, self.path("db/a.db"), ("other",), ("note", "odd, name"))

    def test_lists_that_are_none(self):
        a, = self.make_both("a.db")
        for arguments, says in ((("sync", a, "ws://127.0.0.1:1/a", "--tables", "a,,b"), "a name is empty"), (("serve", a, "--tables", "a"), "--tables is for the URLs"),
                                (("clone", "ws://127.0.0.1:1/a", self.path("c.db"), "--tables", "a"), "--tables belongs to serve and sync")):
            status, _, err = self.run_peer(*arguments)
            self.assertEqual((status, says in err), (2, True), err)


class Configured(Rights):
    def serve_rooms(self, rights=None, auth=False):
        self.path("db").mkdir(exist_ok=True)
        plain(self.path("db/a.db"), NOTES)
        patiently(self.path("db/a.db"), "INSERT INTO note VALUES('a', 'x')")
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")
        whole = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db"}
        if rights:
            whole["rooms"] = [{"name": "a", "rights": rights}]
        if auth:
            whole["auth"] = {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}}
        self.path("peer.json").write_text(json.dumps(whole), encoding="utf-8")
        peer = self.peer("serve", "--config", self.path("peer.json"))
        return f"{synctest.SCHEME}://127.0.0.1:{peer.wait_event('listening')['port']}/a", self.path("db/a.db")

    def test_a_room_that_may_only_be_read(self):
        url, a = self.serve_rooms(["read"])
        b, = self.make("b.db")
        self.sync(b, url)
        self.one_way(a, b)

    def test_a_room_that_may_only_be_written(self):
        url, a = self.serve_rooms(["write"])
        b, = self.make("b.db")
        self.sync(b, url)
        self.one_way(b, a)

    def test_tokens(self):
        url, a = self.serve_rooms(auth=True)
        for name, rights, expected in (("b", "read", "a,b"), ("c", ["write"], "c"), ("d", ["read", "write"], "a,c,d")):
            self.path("token").write_text(tokens.hs256(tokens.claims("a", rights=rights)), encoding="utf-8")
            db, = self.make(f"{name}.db")
            status, _, err = self.run_peer("sync", db, url, "--once", "--token-file", self.path("token"))
            self.assertEqual(status, 0, err)
            self.assertEqual(self.notes(db), expected)
        self.assertEqual(self.notes(a), "a,c,d")

    def test_a_token_gives_no_more_than_the_room(self):
        url, a = self.serve_rooms(["read"], auth=True)
        b, = self.make("b.db")
        self.path("token").write_text(tokens.hs256(tokens.claims("a")), encoding="utf-8")
        self.assertEqual(self.run_peer("sync", b, url, "--once", "--token-file", self.path("token"))[0], 0)
        self.assertEqual((self.notes(a), self.notes(b)), ("a", "a,b"))
        self.path("token").write_text(tokens.hs256(tokens.claims("a", rights="write")), encoding="utf-8")
        status, _, err = self.run_peer("sync", b, url, "--once", "--token-file", self.path("token"))
        self.assertEqual((status, "neither side may send" in err), (9, True), err)


if __name__ == "__main__":
    unittest.main()
