"""A room with rules for rows, its members, and one who may see and write everything."""
import contextlib
import sqlite3

import synctest
import tokens
from rooms import Rooms
from synctest import ask, eventually, patiently, plain

NOTES = "CREATE TABLE note(id TEXT PRIMARY KEY, owner TEXT, body TEXT);"
OWN = [{"table": "note", "read": "owner = :user OR owner = 'all'", "write": "owner = :user"}]


def rows_of(db, sql):
    with contextlib.closing(sqlite3.connect(str(db), timeout=synctest.SECONDS_MAX)) as connection:
        return connection.execute(sql).fetchall()


class Ruled(Rooms):
    schema = NOTES
    rules = OWN

    def setUp(self):
        super().setUp()
        self.path("sql/default.sql").write_text(self.schema, encoding="utf-8")
        self.path("secret").write_text(tokens.SECRET, encoding="utf-8")

    def serve_ruled(self, **settings):
        peer = self.serve_rooms(rooms=[{"name": "*", "rules": self.rules}],
                                auth={"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}}, **settings)
        self.file = self.path("db/a.db")
        return peer

    def token(self, user, **claims):
        path = self.path(f"{user}.token")
        path.write_text(tokens.hs256(tokens.claims("a", sub=user, **claims)), encoding="utf-8")
        return path

    def member(self, peer, user, name=None, **claims):
        """(file, its process) of somebody in room a."""
        db = self.path(f"{name or user}.db")
        if not db.exists():
            plain(db, self.schema)
        follower = self.sync(db, self.url(peer, "a"), "--token-file", self.token(user, **claims))
        follower.wait_event("connected")
        return db, follower

    def admin(self, peer):
        return self.member(peer, "root", rights=["read", "write", "admin"])

    def rows(self, db, sql="SELECT group_concat(id || '=' || ifnull(body, '')) FROM (SELECT * FROM note ORDER BY id)"):
        return ask(db, sql) or ""

    def sees(self, db, *expected, sql=None):
        want = ",".join(expected)
        eventually(lambda: (self.rows(db, sql) if sql else self.rows(db)) == want,
                   lambda: f"{want} in {db.name}; there is {self.rows(db, sql) if sql else self.rows(db)}")

    def put(self, db, *statements):
        for statement in statements:
            patiently(db, statement)
