"""Tests of a process that serves a folder of rooms: its folders, its configuration, members."""
import json
from pathlib import Path

import synctest
from synctest import Case, ask, eventually, patiently, plain

NOTES = "CREATE TABLE note(id TEXT PRIMARY KEY, body);"


class Rooms(Case):
    def setUp(self):
        super().setUp()
        for folder in ("db", "sql"):
            self.path(folder).mkdir()
        self.path("sql/default.sql").write_text(NOTES, encoding="utf-8")

    def config(self, **settings):
        path = self.path("peer.json")
        whole = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "schemaFolder": "sql", "create": True, "limits": {"idleSeconds": 0}}
        whole.update(settings)
        path.write_text(json.dumps(whole), encoding="utf-8")
        return path

    def serve_rooms(self, **settings):
        peer = self.peer("serve", "--config", self.config(**settings))
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def url(self, peer, room):
        return f"{synctest.SCHEME}://127.0.0.1:{peer.port}/{room}"

    def join(self, peer, room, name=None, options=()):
        """A new file that follows a room: (file, its peer)."""
        db = self.path(name or f"{room}-member.db")
        plain(db, NOTES)
        follower = self.sync(db, self.url(peer, room), *options)
        follower.wait_event("connected")
        return db, follower

    def write(self, db, key):
        patiently(db, f"INSERT INTO note VALUES('{key}', 'of {key}')")

    def wait_notes(self, db, *keys):
        eventually(lambda: Path(db).exists() and ask(db, "SELECT group_concat(id) FROM (SELECT id FROM note ORDER BY id)") == ",".join(sorted(keys)),
                   f"{keys} in {db}")
