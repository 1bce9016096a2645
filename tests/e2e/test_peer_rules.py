"""Rules for rows: what members see, what they may change, what leaves their files again, and what they hear of what was refused. Real processes, plain programs write."""
import contextlib
import json
import os
import sqlite3
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawchanges  # noqa: E402
import rawpeer  # noqa: E402
import snapshots  # noqa: E402
import synctest  # noqa: E402
from rawpeer import varint  # noqa: E402
from ruled import NOTES, OWN, Ruled, rows_of  # noqa: E402
from synctest import ask, eventually, plain  # noqa: E402

class Seeing(Ruled):
    def test_everybody_sees_what_is_his(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        self.put(root, "INSERT INTO note VALUES('1', 'ann', 'of ann'), ('2', 'bob', 'of bob'), ('3', 'all', 'of all')")
        ann, _ = self.member(peer, "ann")
        bob, _ = self.member(peer, "bob")
        self.sees(ann, "1=of ann", "3=of all")
        self.sees(bob, "2=of bob", "3=of all")
        self.put(root, "UPDATE note SET body = 'changed' WHERE id IN ('1', '2')", "INSERT INTO note VALUES('4', 'ann', 'more')")
        self.sees(ann, "1=changed", "3=of all", "4=more")
        self.sees(bob, "2=changed", "3=of all")
        self.put(root, "DELETE FROM note WHERE id = '1'")
        self.sees(ann, "3=of all", "4=more")

    def test_a_row_that_leaves_and_comes_back(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        ann, _ = self.member(peer, "ann")
        self.put(root, "INSERT INTO note VALUES('1', 'ann', 'one'), ('2', 'ann', 'two')")
        self.sees(ann, "1=one", "2=two")
        self.put(root, "UPDATE note SET owner = 'bob', body = 'secret' WHERE id = '1'")
        self.sees(ann, "2=two")
        self.sees(root, "1=secret", "2=two")
        self.put(root, "UPDATE note SET owner = 'ann', body = 'told' WHERE id = '1'")
        self.sees(ann, "1=told", "2=two")
        self.assertEqual(ask(self.file, "SELECT count(*) FROM note"), 2)

    def test_what_left_while_he_was_away(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        ann, follower = self.member(peer, "ann")
        self.put(root, "INSERT INTO note VALUES('1', 'ann', 'one'), ('2', 'ann', 'two'), ('3', 'ann', 'three')")
        self.sees(ann, "1=one", "2=two", "3=three")
        follower.stop()
        self.put(root, "UPDATE note SET owner = 'bob' WHERE id = '1'", "DELETE FROM note WHERE id = '2'", "INSERT INTO note VALUES('4', 'ann', 'four')")
        self.put(ann, "INSERT INTO note VALUES('5', 'ann', 'written while away')")
        self.member(peer, "ann")
        self.sees(ann, "3=three", "4=four", "5=written while away")
        self.sees(root, "1=one", "3=three", "4=four", "5=written while away")

    def test_what_he_changes_while_it_is_deleted(self):
        """What he has changed is not withdrawn before the server has it; it goes once that has come too late, also where the key is somebody else's now."""
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        ann, follower = self.member(peer, "ann")
        self.put(root, "INSERT INTO note VALUES('1', 'ann', 'one'), ('2', 'ann', 'two'), ('3', 'ann', 'three')")
        self.sees(ann, "1=one", "2=two", "3=three")
        follower.stop()
        self.put(root, "DELETE FROM note WHERE id IN ('1', '2')", "INSERT INTO note VALUES('2', 'bob', 'of bob')")
        self.sees(self.file, "2=of bob", "3=three")
        self.put(ann, "UPDATE note SET body = 'changed'")
        self.member(peer, "ann")
        self.sees(root, "2=of bob", "3=changed")
        self.sees(ann, "3=changed")
        self.put(root, "UPDATE note SET owner = 'ann' WHERE id = '2'")
        self.sees(ann, "2=of bob", "3=changed")

    def test_tables_that_no_rule_names(self):
        self.path("sql/default.sql").write_text(NOTES + "CREATE TABLE other(id TEXT PRIMARY KEY);", encoding="utf-8")
        peer = self.serve_ruled()
        self.schema = NOTES + "CREATE TABLE other(id TEXT PRIMARY KEY);"
        root, _ = self.admin(peer)
        self.put(root, "INSERT INTO other VALUES('x')", "INSERT INTO note VALUES('1', 'ann', 'one')")
        ann, _ = self.member(peer, "ann")
        self.sees(ann, "1=one")
        self.put(ann, "INSERT INTO other VALUES('mine')")
        self.put(ann, "INSERT INTO note VALUES('2', 'ann', 'two')")
        self.sees(root, "1=one", "2=two")
        self.assertEqual(ask(root, "SELECT group_concat(id) FROM other"), "x")
        self.assertEqual(ask(ann, "SELECT group_concat(id) FROM other"), "mine")


class Writing(Ruled):
    def conflicts(self, db):
        return ask(db, "SELECT group_concat(tbl || ' ' || key || ' ' || reason) FROM (SELECT * FROM sync_conflict ORDER BY id)")

    def test_what_may_not_be_written_stays_at_home(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        self.put(root, "INSERT INTO note VALUES('1', 'all', 'of all'), ('2', 'ann', 'of ann')")
        ann, follower = self.member(peer, "ann")
        self.sees(ann, "1=of all", "2=of ann")
        self.put(ann, "INSERT INTO note VALUES('3', 'bob', 'forged')", "UPDATE note SET body = 'defaced' WHERE id = '1'",
                 "UPDATE note SET owner = 'bob' WHERE id = '2'", "INSERT INTO note VALUES('4', 'ann', 'fine')")
        self.sees(root, "1=of all", "2=of ann", "4=fine")
        eventually(lambda: sorted((self.conflicts(ann) or "").split(",")) == ['note ["1"] rule', 'note ["2"] rule', 'note ["3"] rule'], lambda: self.conflicts(ann))
        self.assertEqual(self.rows(ann), "1=defaced,2=of ann,3=forged,4=fine")
        self.assertIn("do not allow it", ask(ann, "SELECT detail FROM sync_conflict WHERE key = '[\"3\"]'"))
        follower.stop()
        self.member(peer, "ann")
        self.put(root, "INSERT INTO note VALUES('5', 'ann', 'later')")
        self.sees(ann, "1=defaced", "2=of ann", "3=forged", "4=fine", "5=later")
        self.assertEqual(self.rows(root), "1=of all,2=of ann,4=fine,5=later")
        self.assertEqual(ask(self.file, "SELECT count(*) FROM sync_refused"), 0)

    def test_a_delete_of_what_is_not_his(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        self.put(root, "INSERT INTO note VALUES('1', 'all', 'of all'), ('2', 'ann', 'of ann')")
        ann, _ = self.member(peer, "ann")
        self.sees(ann, "1=of all", "2=of ann")
        self.put(ann, "DELETE FROM note")
        self.sees(root, "1=of all")
        eventually(lambda: self.conflicts(ann) == 'note ["1"] rule', lambda: self.conflicts(ann))

    def test_a_key_that_was_deleted_before_he_came(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        self.put(root, "INSERT INTO note VALUES('1', 'bob', 'old')")
        self.sees(self.file, "1=old")
        self.put(root, "DELETE FROM note")
        self.sees(self.file, "")
        ann, _ = self.member(peer, "ann")
        self.put(ann, "INSERT INTO note VALUES('1', 'ann', 'new')")
        self.sees(root, "1=new")
        self.put(root, "UPDATE note SET body = 'newer'")
        self.sees(ann, "1=newer")


class Numbered(Ruled):
    schema = ("CREATE TABLE list(id INTEGER PRIMARY KEY, owner TEXT, title TEXT);"
              "CREATE TABLE item(id INTEGER PRIMARY KEY, list INTEGER NOT NULL REFERENCES list ON DELETE CASCADE, body TEXT);")
    rules = [{"table": "list", "read": "owner = :user"}, {"table": "item", "read": "list IN (SELECT id FROM main.list WHERE owner = :user)"}]

    def items(self, db):
        return ask(db, "SELECT group_concat(title || ':' || body) FROM (SELECT title, body FROM item JOIN list ON list.id = item.list ORDER BY title, body)") or ""

    def has(self, db, *expected):
        eventually(lambda: self.items(db) == ",".join(expected), lambda: f"{expected} in {db.name}; there is {self.items(db)}")

    def test_rows_follow_what_they_refer_to(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        ann, _ = self.member(peer, "ann")
        bob, _ = self.member(peer, "bob")
        self.put(ann, "INSERT INTO list VALUES(1, 'ann', 'shop'); INSERT INTO item VALUES(1, 1, 'milk')")
        self.put(bob, "INSERT INTO list VALUES(1, 'bob', 'work'); INSERT INTO item VALUES(1, 1, 'mail')")
        self.has(root, "shop:milk", "work:mail")
        self.has(ann, "shop:milk")
        self.has(bob, "work:mail")
        self.put(root, "UPDATE list SET owner = 'bob' WHERE title = 'shop'")
        self.has(bob, "shop:milk", "work:mail")
        self.has(ann, "")
        self.put(root, "UPDATE list SET owner = 'ann'")
        self.has(ann, "shop:milk", "work:mail")
        self.has(bob, "")
        for db in (root, ann, bob, self.file):
            self.assertEqual(ask(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0)
            self.assertEqual(ask(db, "PRAGMA integrity_check"), "ok")
        self.assertEqual(ask(ann, "SELECT count(*) FROM sync_conflict"), 0)


class Constraints(Ruled):
    """What somebody may not see is in the way all the same, and nobody loses anything by what he is not told of."""
    schema = ("CREATE TABLE list(id INTEGER PRIMARY KEY, owner TEXT, title TEXT UNIQUE);"
              "CREATE TABLE item(id INTEGER PRIMARY KEY, list INTEGER REFERENCES list, owner TEXT, body TEXT);")
    rules = [{"table": "list", "read": "owner = :user"}, {"table": "item", "read": "owner = :user"}]

    def lists(self, db):
        return ask(db, "SELECT group_concat(owner || ':' || title) FROM (SELECT * FROM list ORDER BY owner, title)") or ""

    def test_others_are_not_pushed_aside(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        bob, _ = self.member(peer, "bob")
        self.put(bob, "INSERT INTO list(owner, title) VALUES('bob', 'shop')")
        self.sees(root, "bob:shop", sql="SELECT group_concat(owner || ':' || title) FROM list")
        ann, _ = self.member(peer, "ann")
        self.put(ann, "INSERT INTO list(owner, title) VALUES('ann', 'shop')", "INSERT INTO list(owner, title) VALUES('ann', 'work')")
        eventually(lambda: self.lists(root) == "ann:work,bob:shop", lambda: self.lists(root))
        eventually(lambda: ask(ann, "SELECT count(*) FROM sync_conflict WHERE reason = 'rule'") == 1, "it is told")
        self.assertEqual((self.lists(bob), self.lists(ann)), ("bob:shop", "ann:shop,ann:work"))

    def test_who_is_put_aside_keeps_his(self):
        peer = self.serve_ruled()
        root, away = self.admin(peer)
        ann, follower = self.member(peer, "ann")
        self.put(root, "INSERT INTO list(owner, title) VALUES('root', 'other')")
        self.sees(self.file, "root:other", sql="SELECT group_concat(owner || ':' || title) FROM list")
        away.stop()
        self.put(ann, "INSERT INTO list(owner, title) VALUES('ann', 'shop')")
        eventually(lambda: self.lists(self.file) == "ann:shop,root:other", lambda: self.lists(self.file))
        self.put(root, "INSERT INTO list(owner, title) VALUES('root', 'shop')")
        self.admin(peer)
        eventually(lambda: ask(self.file, "SELECT count(*) FROM sync_conflict WHERE held") == 1, "one of both is held")
        self.put(root, "INSERT INTO list(owner, title) VALUES('ann', 'more')")
        for _ in range(2):  # while he is there, and when he comes back
            eventually(lambda: self.lists(ann) == "ann:more,ann:shop", lambda: self.lists(ann))
            follower.stop()
            _, follower = self.member(peer, "ann")

    def test_children_of_others_keep_their_parent(self):
        peer = self.serve_ruled()
        root, _ = self.admin(peer)
        self.put(root, "INSERT INTO list VALUES(1, 'ann', 'shop'), (2, 'ann', 'work')", "INSERT INTO item VALUES(1, 1, 'bob', 'milk')")
        ann, _ = self.member(peer, "ann")
        eventually(lambda: self.lists(ann) == "ann:shop,ann:work", lambda: self.lists(ann))
        self.put(ann, "DELETE FROM list")
        eventually(lambda: self.lists(root) == "ann:shop", lambda: self.lists(root))
        self.assertEqual(ask(root, "SELECT count(*) FROM item"), 1)
        self.assertEqual(ask(self.file, "SELECT count(*) FROM sync_conflict WHERE held"), 0)


class New(Ruled):
    """Files that are not there yet: who sees all takes a snapshot, who is bound by rules gets what is his by deltas."""
    schema = NOTES + "CREATE VIEW ids AS SELECT id FROM note;"

    def setUp(self):
        super().setUp()
        self.server = self.serve_ruled()
        self.root, _ = self.admin(self.server)
        self.put(self.root, "INSERT INTO note VALUES('1', 'ann', 'of ann'), ('2', 'bob', 'hidden from ann'), ('3', 'all', 'of all'), ('4', 'bob', 'gone from bob')",
                 "DELETE FROM note WHERE id = '4'")
        self.sees(self.file, "1=of ann", "2=hidden from ann", "3=of all")

    def make(self, user, *arguments, **claims):
        """(file, events) of a new file of somebody; it ends when it has all."""
        db = self.path(f"new-{user}.db")
        whole = [db if a is None else a for a in arguments] + ["--token-file", self.token(user, **claims), "--json"]
        status, out, err = self.run_peer(*whole)
        self.assertEqual(status, 0, out + err)
        return db, [json.loads(line)["event"] for line in out.splitlines()]

    def goes_on(self, db, user):
        """What he writes arrives, and what others write that he may see; the rest never comes."""
        self.sync(db, self.url(self.server, "a"), "--token-file", self.token(user)).wait_event("connected")
        self.put(db, f"INSERT INTO note VALUES('5', '{user}', 'later')")
        self.sees(self.root, "1=of ann", "2=hidden from ann", "3=of all", "5=later")
        self.put(self.root, "INSERT INTO note VALUES('6', 'all', 'last')")
        self.sees(db, "1=of ann", "3=of all", "5=later", "6=last")
        self.not_in(db)

    def not_in(self, *files):
        for path in [path for db in files for path in (db, Path(f"{db}-wal"))]:
            self.assertNotIn(b"hidden from", path.read_bytes() if path.exists() else b"")

    def test_clone(self):
        db, events = self.make("ann", "clone", self.url(self.server, "a"), None)
        self.assertNotIn("snapshot", events)
        self.assertEqual(self.rows(db), "1=of ann,3=of all")
        self.assertEqual(ask(db, "SELECT group_concat(id) FROM ids"), "1,3")
        self.goes_on(db, "ann")

    def test_sync(self):
        db, events = self.make("ann", "sync", None, self.url(self.server, "a"), "--once")
        self.assertNotIn("snapshot", events)
        self.assertEqual(self.rows(db), "1=of ann,3=of all")
        self.goes_on(db, "ann")

    def test_who_sees_all(self):
        db, events = self.make("chief", "sync", None, self.url(self.server, "a"), "--once", rights=["read", "write", "admin"])
        self.assertIn("snapshot", events)
        self.assertEqual(self.rows(db), "1=of ann,2=hidden from ann,3=of all")
        self.put(db, "UPDATE note SET owner = 'bob' WHERE id = '1'")
        self.sync(db, self.url(self.server, "a"), "--token-file", self.token("chief", rights=["read", "write", "admin"])).wait_event("connected")
        self.put(db, "INSERT INTO note VALUES('9', 'all', 'of the chief')")
        ann, _ = self.member(self.server, "ann")
        self.sees(ann, "3=of all", "9=of the chief")

    def test_a_server_that_sees_what_a_member_sees(self):
        """Its room is made without a snapshot, and who takes one of it gets no more than it has."""
        for folder in ("b", "b/db", "b/sql"):
            self.path(folder).mkdir()
        self.path("b/sql/default.sql").write_text(self.schema, encoding="utf-8")
        config = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "schemaFolder": "sql", "create": True,
                  "links": [{"rooms": "a", "url": self.url(self.server, "*"), "tokenFile": str(self.token("ann")), "open": True}]}
        self.path("b/peer.json").write_text(json.dumps(config), encoding="utf-8")
        other = self.peer("serve", "--config", self.path("b/peer.json"))
        port = other.wait_event("listening")["port"]
        db = self.path("b/db/a.db")
        eventually(lambda: db.exists() and plain(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'note'") == "1" and self.rows(db) == "1=of ann,3=of all", "what ann may see")
        behind = self.path("behind.db")
        status, out, err = self.run_peer("sync", behind, f"{synctest.SCHEME}://127.0.0.1:{port}/a", "--once", "--json")
        self.assertEqual(status, 0, out + err)
        self.assertIn('"snapshot"', out)
        self.assertEqual(self.rows(behind), "1=of ann,3=of all")
        self.put(behind, "INSERT INTO note VALUES('7', 'ann', 'from behind')")
        self.assertEqual(self.run_peer("sync", behind, f"{synctest.SCHEME}://127.0.0.1:{port}/a", "--once")[0], 0)
        self.sees(self.root, "1=of ann", "2=hidden from ann", "3=of all", "7=from behind")
        self.put(self.root, "UPDATE note SET owner = 'bob' WHERE id = '1'")
        self.sees(db, "3=of all", "7=from behind")
        self.not_in(db, behind)


class Telling(Ruled):
    def test_who_was_cut_off_before_he_could_note_it(self):
        """He cannot write it down, since his file is locked, and is killed: he is told again when he comes back."""
        peer = self.serve_ruled()
        ann, follower = self.member(peer, "ann")
        self.put(ann, "INSERT INTO note VALUES('1', 'ann', 'fine')")
        self.sees(self.file, "1=fine")
        follower.wait_event("merged")  # it has come back, and nothing of his waits for the lock
        with contextlib.closing(sqlite3.connect(str(ann), timeout=synctest.SECONDS_MAX, isolation_level=None)) as other:
            other.execute("INSERT INTO note VALUES('2', 'bob', 'forged')")
            other.execute("BEGIN IMMEDIATE")
            eventually(lambda: ask(self.file, "SELECT count(*) FROM sqlite_schema WHERE name = 'sync_refused'") == 1
                       and ask(self.file, "SELECT count(*) FROM sync_refused") == 1, "it is refused")
            follower.kill()
            other.execute("COMMIT")
        self.assertEqual(ask(ann, "SELECT count(*) FROM sync_conflict"), 0)
        peer.stop()
        peer = self.serve_ruled()
        self.member(peer, "ann")
        eventually(lambda: ask(ann, "SELECT count(*) FROM sync_conflict WHERE reason = 'rule'") == 1, "he is told again")
        eventually(lambda: ask(self.file, "SELECT count(*) FROM sync_refused") == 0, "and has answered")
        self.assertEqual(self.rows(ann), "1=fine,2=forged")

    def test_not_with_a_primary(self):
        config = self.config(rooms=[{"name": "*", "rules": OWN}], primary="ws://127.0.0.1:1/*")
        status, _, err = self.run_peer("check-config", config)
        self.assertEqual((status, "/rooms/0/rules: rules for rows are for the primary's configuration" in err), (2, True), err)

    def test_rules_that_cannot_be_read(self):
        for rule, says in ((":who = owner", "there is only :user"), ("owner = ", "syntax error"), ("nobody = 1", "no such column: nobody")):
            self.rules = [{"table": "note", "read": rule}]
            peer = self.serve_ruled()
            db = self.path("x.db")
            if not db.exists():
                plain(db, self.schema)
            status, _, err = self.run_peer("sync", db, self.url(peer, "a"), "--once", "--token-file", self.token("ann"))
            self.assertNotEqual(status, 0)
            self.assertIn("the rule of table note", err + peer.stderr)
            self.assertIn(says, err + peer.stderr)
            peer.stop()


class Hostile(Ruled):
    """What a member says who is bound by rules, and does not keep to what a sync-peer says."""
    def setUp(self):
        super().setUp()
        self.server = self.serve_ruled()
        self.root, self.admins = self.admin(self.server)
        self.put(self.root, "INSERT INTO note VALUES('1', 'bob', 'of bob'), ('2', 'ann', 'of ann')")
        self.sees(self.file, "1=of bob", "2=of ann")
        self.now = int(time.time() * 1000) << 16
        self.site = os.urandom(16)

    def say(self, rows, count, sites=None, seen=0, form=1, extra=b"", last=True):
        """One delta of somebody who has ann's token; the connection."""
        sites = sites or [self.site]
        table = rawchanges.table("note", columns=("owner", "body"))
        contents = rawchanges.head([table], sites) + extra + rows
        contents += bytes([rawchanges.CLOSE]) + varint(count) + rawchanges.vector(len(sites), seen) + varint(1)
        peer = rawpeer.RawPeer(self.server.port, "/a", headers=["Authorization: Bearer " + self.token("ann").read_text(encoding="utf-8")])
        self.addCleanup(peer.close)
        peer.send(rawpeer.announce("a", site=sites[0]))
        peer.send(rawpeer.frame(rawpeer.CHANGES, varint(1) + varint(0) + varint(1) + varint(0), rawchanges.pack(contents, form=form)))
        return peer

    def row(self, key, flags, *values, cl=b""):
        return (bytes([rawchanges.TABLE, 0, rawchanges.ROW | flags]) + self.value(key) + varint(0) + rawchanges.zigzag(self.now) + cl
                + b"".join(self.value(v) for v in values))

    def value(self, text):
        return bytes([0x80 + len(text)]) + text.encode()

    def stays(self, *expected):
        """Nothing of it counts: what is written afterwards arrives, and the rest is as it was."""
        self.put(self.root, "INSERT INTO note VALUES('9', 'bob', 'later')")
        self.sees(self.file, *expected, "9=later")
        self.sees(self.root, *expected, "9=later")

    def test_he_ends_the_row_of_another(self):
        self.say(self.row("1", rawchanges.DEAD), 1).expect(rawpeer.ACK)
        self.stays("1=of bob", "2=of ann")
        self.assertEqual(ask(self.file, "SELECT count(*) FROM sync_refused"), 1)

    def test_he_takes_the_row_of_another(self):
        self.say(self.row("1", rawchanges.FULL, "ann", "mine"), 1).expect(rawpeer.ACK)
        self.stays("1=of bob", "2=of ann")

    def site_of(self, db):
        return rows_of(db, "SELECT s.site FROM sync_site s JOIN sync_meta m ON m.site = s.sid")[0][0]

    def test_he_ends_what_has_yet_to_begin(self):
        self.admins.stop()
        self.say(self.row("8", rawchanges.DEAD), 1).expect(rawpeer.ACK)
        self.put(self.root, "INSERT INTO note VALUES('8', 'bob', 'it began')")
        self.admin(self.server)
        self.stays("1=of bob", "2=of ann", "8=it began")

    def test_he_says_that_a_table_is_whole(self):
        """By which all that is not named would be gone, since he says to have seen it."""
        whole = varint(2 | 1) + rawchanges.vector(2, self.now) + rawchanges.vector(2, self.now + (1 << 30))
        self.say(b"", 0, sites=[self.site, self.site_of(self.root)], seen=self.now, form=2, extra=whole).expect(rawpeer.ACK)
        self.stays("1=of bob", "2=of ann")

    def test_he_says_that_others_have_told_everything(self):
        """Else the other would take himself for restored, and another id; or what he writes would be passed over."""
        root = self.site_of(self.root)
        self.say(b"", 0, sites=[self.site, root], seen=self.now + (240000 << 16)).expect(rawpeer.ACK)
        self.stays("1=of bob", "2=of ann")
        self.put(self.root, "DELETE FROM note WHERE id = '9'")
        self.stays("1=of bob", "2=of ann")
        self.assertEqual(self.site_of(self.root), root)

    def test_he_is_no_sender_of_selections(self):
        peer = self.say(b"", 0, form=3, extra=varint(1) + b"\x01" + varint(0))
        self.assertIn("a selection is not taken from who may not write everything", peer.expect(rawpeer.ERROR).decode("utf-8", "replace"))
        self.stays("1=of bob", "2=of ann")

    def test_he_says_that_this_file_has_made_it(self):
        own = self.site_of(self.file)
        table = rawchanges.table("note", columns=("owner", "body"))
        contents = rawchanges.whole([table], sites=[own])
        peer = rawpeer.RawPeer(self.server.port, "/a", headers=["Authorization: Bearer " + self.token("ann").read_text(encoding="utf-8")])
        self.addCleanup(peer.close)
        peer.send(rawpeer.announce("a", site=self.site))
        peer.send(rawpeer.frame(rawpeer.CHANGES, varint(1) + varint(0) + varint(1) + varint(0), rawchanges.pack(contents)))
        self.assertIn("says that this file has made it", peer.expect(rawpeer.ERROR).decode("utf-8", "replace"))

    def test_he_asks_for_a_snapshot(self):
        """Also by the id of one that others take: there is none for him, and he is not told that he may ask."""
        headers = ["Authorization: Bearer " + self.token("root", rights=["read", "write", "admin"]).read_text(encoding="utf-8")]
        with snapshots.ask(self.server.port, "a", headers=headers) as chief:
            taken = snapshots.take(chief)
        self.assertIn(b"of bob", b"".join(chunk.data() for chunk in taken))
        headers = ["Authorization: Bearer " + self.token("ann").read_text(encoding="utf-8")]
        for known in (snapshots.NONE, taken[0].id):
            with snapshots.ask(self.server.port, "a", snapshot=known, headers=headers) as peer:
                self.assertEqual(rawpeer.read_announce(peer.expect(rawpeer.ANNOUNCE))[1] & rawpeer.COPIES, 0)
                self.assertEqual(snapshots.take(peer), [])
                peer.send(rawpeer.frame(rawpeer.SCHEMA_REQUEST))
                self.assertIn(b"note", peer.expect(rawpeer.SCHEMA))

    def test_reports_are_in_no_snapshot(self):
        """They are for their author, and this room tells him."""
        self.say(self.row("1", rawchanges.DEAD), 1).expect(rawpeer.ACK)
        self.assertEqual(ask(self.file, "SELECT count(*) FROM sync_refused"), 1)
        headers = ["Authorization: Bearer " + self.token("root", rights=["read", "write", "admin"]).read_text(encoding="utf-8")]
        with snapshots.ask(self.server.port, "a", headers=headers) as chief:
            file, schema = snapshots.whole(snapshots.take(chief))
        self.assertNotIn(b"sync_refused", file + schema)
        new = self.path("new.db")
        status, out, err = self.run_peer("sync", new, self.url(self.server, "a"), "--once", "--json", "--token-file", self.token("root", rights=["read", "write", "admin"]))
        self.assertEqual(status, 0, out + err)
        self.assertIn('"snapshot"', out)
        self.assertEqual((self.rows(new), ask(new, "SELECT count(*) FROM sqlite_schema WHERE name = 'sync_refused'")), ("1=of bob,2=of ann", 0))

    def test_reports_that_are_none(self):
        """A follower gets one that is nonsense: the link ends, and nothing is listed."""
        self.say(self.row("1", rawchanges.DEAD), 1).expect(rawpeer.ACK)
        peer = rawpeer.RawPeer(self.server.port, "/a", headers=["Authorization: Bearer " + self.token("ann").read_text(encoding="utf-8")])
        self.addCleanup(peer.close)
        peer.send(rawpeer.announce("a", site=os.urandom(16)))
        for number in (0, 1, 1 << 62):  # what others were told stays told
            peer.send(rawpeer.frame(rawpeer.REJECT, varint(number) + varint(5) + rawpeer.text("")))
        peer.send(rawpeer.frame(rawpeer.PING, varint(7)))
        peer.expect(rawpeer.PONG)
        self.assertEqual(ask(self.file, "SELECT count(*) FROM sync_refused"), 1)


if __name__ == "__main__":
    unittest.main()
