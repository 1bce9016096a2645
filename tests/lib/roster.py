"""What tests of GET /rooms and GET /ROOM/users ask by, and tokens to ask with."""
import json

import rawpeer
import tokens
from rooms import Rooms

JWT = {"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}}


def bearer(*arguments, **changed):
    return "Authorization: Bearer " + tokens.hs256(tokens.claims(*arguments, **changed))


class Roster(Rooms):
    """A test of who is where."""

    def setUp(self):
        super().setUp()
        self.path("secret").write_text(tokens.SECRET + "\n", encoding="utf-8")

    def get(self, peer, path, *headers, host="127.0.0.1"):
        """(status, headers, body) of one GET; the other side closes."""
        with rawpeer.connect(peer.port) as s:
            s.sendall("\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode())
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body.decode()

    def ask(self, peer, path, *headers):
        status, got, body = self.get(peer, path, *headers)
        self.assertEqual((status, got.get("content-type"), got.get("cache-control")), (200, "application/json", "no-store"), body)
        self.assertEqual(int(got["content-length"]), len(body.encode()))
        return json.loads(body)

    def rooms(self, peer, *headers):
        """{room: the rest}."""
        found = self.ask(peer, "/rooms", *headers)
        self.assertEqual(set(found), {"software", "since", "more", "rooms"})
        self.assertEqual([one["room"] for one in found["rooms"]], sorted(one["room"] for one in found["rooms"]))
        return {one.pop("room"): one for one in found["rooms"]}

    def users(self, peer, room, *headers):
        found = self.ask(peer, f"/{room}/users", *headers)
        self.assertEqual((set(found), found["room"], found["more"]), ({"room", "users", "more"}, room, False))
        return found["users"]

    def refused(self, status, says, peer, path, *headers, **more):
        got, _, body = self.get(peer, path, *headers, **more)
        self.assertEqual((got, says in body), (status, True), body)
