"""A server with a primary: what its members write takes effect there first, and is refused clearly while that is away."""
import json
import signal
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from rooms import NOTES, Rooms  # noqa: E402
from synctest import ask, dump, eventually, patiently, plain  # noqa: E402

AWAY = "takes no changes just now"
BACK = "takes changes again"


class Forwarding(Rooms):
    """One primary with its folder, followers with theirs, members with files."""

    def place(self, name, port=0, **settings):
        """A server's folder and configuration: the path of the latter."""
        folder = self.path(name)
        for sub in ("db", "sql"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / "sql" / "default.sql").write_text(NOTES, encoding="utf-8")
        whole = {**synctest.tls_config(), "listen": f"127.0.0.1:{port}", "dbFolder": "db", "schemaFolder": "sql", "create": True}
        whole.update(settings)
        path = folder / "peer.json"
        path.write_text(json.dumps({key: value for key, value in whole.items() if value is not None}), encoding="utf-8")
        return path

    def start(self, name, port=0, **settings):
        peer = self.peer("serve", "--config", self.place(name, port, **settings))
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def follow(self, name, primary, port=0, **settings):
        """A server that follows the primary."""
        return self.start(name, port, primary=f"{synctest.SCHEME}://127.0.0.1:{primary.port}/*", **settings)

    def file(self, name, room="notes"):
        return self.path(name) / "db" / f"{room}.db"

    def keys(self, db):
        return ask(db, "SELECT coalesce(group_concat(id), '') FROM (SELECT id FROM note ORDER BY id)") if Path(db).exists() else None

    def wait_keys(self, db, *keys):
        eventually(lambda: self.keys(db) == ",".join(sorted(keys)), lambda: f"{keys} in {db}: {self.keys(db)}")

    def wait_log(self, peer, words, times=1):
        eventually(lambda: peer.stderr.count(words) >= times, lambda: f"{words} in the log:\n{peer.stderr}")

    def member(self, server, name, room="notes", options=()):
        return self.join(server, room, name, options)


class Writing(Forwarding):
    def test_what_a_member_writes_is_in_both_files(self):
        primary = self.start("p")
        follower = self.follow("f", primary)
        db, _ = self.member(follower, "m.db")
        self.write(db, "a")
        self.wait_keys(self.file("p"), "a")
        self.wait_keys(self.file("f"), "a")


if __name__ == "__main__":
    unittest.main()
