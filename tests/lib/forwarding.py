"""Tests of servers that follow a primary: each a process with a folder of its own."""
import json
import socket
from pathlib import Path

import exposition
import rawpeer
import synctest
import tokens
from rooms import NOTES, Rooms
from synctest import eventually, plain

AWAY = "takes no changes just now; they are kept here, and sent when it does"
BACK = "takes changes again"
FORWARD = "ApplyChangesOnPrimary"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Forwarding(Rooms):
    """One primary with its folder, followers with theirs, members with files."""

    def start(self, name, port=0, **settings):
        """A server with a folder of that name."""
        folder = self.path(name)
        for sub in ("db", "sql"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        if not list((folder / "sql").iterdir()):
            (folder / "sql" / "default.sql").write_text(NOTES, encoding="utf-8")
        whole = {**synctest.tls_config(), "listen": f"127.0.0.1:{port}", "dbFolder": "db", "schemaFolder": "sql", "create": True, "metrics": True}
        whole.update(settings)
        path = folder / "peer.json"
        path.write_text(json.dumps({key: value for key, value in whole.items() if value is not None}), encoding="utf-8")
        peer = self.peer("serve", "--config", path)
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def follow(self, name, primary_port, port=0, more=None, **settings):
        """A server that follows the one at that port."""
        url = f"{synctest.SCHEME}://127.0.0.1:{primary_port}/*"
        return self.start(name, port, primary={"url": url, **more} if more else url, **settings)

    def file(self, name, room="notes"):
        return self.path(name) / "db" / f"{room}.db"

    def keys(self, db):
        try:
            return plain(db, "SELECT group_concat(id) FROM (SELECT id FROM note ORDER BY id)") if Path(db).exists() else None
        except synctest.ShellError:
            return None  # the table is being made

    def wait_keys(self, db, *keys):
        eventually(lambda: self.keys(db) == ",".join(sorted(keys)), lambda: f"{keys} in {db}: {self.keys(db)}")

    def wait_log(self, peer, words, times=1):
        eventually(lambda: peer.stderr.count(words) >= times, lambda: f"{words} in the log of {peer.arguments}:\n{peer.stderr}")

    def count(self, peer, name, **labels):
        """One of its numbers now."""
        with rawpeer.connect(peer.port) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        return exposition.value(exposition.read(answer.partition(b"\r\n\r\n")[2].decode()), name, **labels)

    def wait_count(self, peer, least, name, **labels):
        eventually(lambda: self.count(peer, name, **labels) >= least, lambda: f"{name}{labels} at least {least}: {self.count(peer, name, **labels)}")

    def secret(self, *names):
        for name in names:
            self.path(name).mkdir(exist_ok=True)
            (self.path(name) / "secret").write_text(tokens.SECRET + "\n", encoding="utf-8")
        return {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}}

    def token(self, name, **claims):
        """A token for that server, in a file: its name."""
        self.path(name).mkdir(exist_ok=True)
        (self.path(name) / "token").write_text(tokens.hs256(tokens.claims(**claims)), encoding="utf-8")
        return "token"
