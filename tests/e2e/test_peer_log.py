"""What a serving process says on standard error, as a configuration wants it: lines for programs, which nobody else can write."""
import datetime
import json
import re
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import rawpeer  # noqa: E402
import synctest  # noqa: E402
import tokens  # noqa: E402
from synctest import Case, patiently, plain  # noqa: E402

NOTES = "CREATE TABLE note(id TEXT PRIMARY KEY, body);"
FORGED = "level=error event=error code=1 text=forged"
HOSTILE = ["\n" + FORGED, "\r" + FORGED, "\r\nsync-peer: forged", '"\n{"level":"error","event":"error","text":"forged"}', "\x1b[2J\x1b[1;1Hforged", "\u2028" + FORGED,
           "\u2029" + FORGED, "\x85" + FORGED, "\x0b\x0c" + FORGED, '" ' + FORGED + ' x="', "\\", '\\"', b"\xff\xfe\n" + FORGED.encode(), b"\xc0\x8a" + FORGED.encode(), "\x7f", "a\0b"]


def read_logfmt(line):
    """{key: value}; fails where the line is anything else."""
    members, at = {}, 0
    pair = re.compile(r'([a-z]+)=("(?:[^"\\\x00-\x1f\x7f]|\\.)*"|[A-Za-z0-9._:/@+-]+)(?: |$)')
    while at < len(line):
        found = pair.match(line, at)
        if not found or found.group(1) in members:
            raise AssertionError(f"no logfmt at {at}: {line!r}")
        value = found.group(2)
        members[found.group(1)] = json.loads(value) if value.startswith('"') else value
        at = found.end()
    return members


READERS = {"logfmt": read_logfmt, "json": json.loads}


class Log(Case):
    def setUp(self):
        super().setUp()
        for folder in ("db", "sql"):
            self.path(folder).mkdir()
        self.path("sql/default.sql").write_text(NOTES, encoding="utf-8")
        self.path("secret").write_text(tokens.SECRET + "\n", encoding="utf-8")

    def config(self, **settings):
        whole = {**synctest.tls_config(), "listen": "127.0.0.1:0", "dbFolder": "db", "schemaFolder": "sql", "create": True, "limits": {"idleSeconds": 0}, **settings}
        self.path("peer.json").write_text(json.dumps(whole), encoding="utf-8")
        return self.path("peer.json")

    def serve_rooms(self, *arguments, **settings):
        peer = self.peer("serve", "--config", self.config(**settings), *arguments)
        peer.port = peer.wait_event("listening")["port"]
        return peer

    def lines(self, peer, form):
        """What a process that has ended said, read strictly: split as those do who take every line end for one."""
        text = peer._err.read_bytes().decode("utf-8")  # pylint: disable=protected-access
        self.assertEqual(text.splitlines(), text.split("\n")[:-1])
        return [READERS[form](line) for line in text.splitlines()]

    def knock(self, peer, room="red", announced="other", headers=()):
        """A link that ends since it announces another room, which is said."""
        with rawpeer.RawPeer(peer.port, f"/{room}", headers=headers) as link:
            link.expect(rawpeer.ANNOUNCE)
            link.send(rawpeer.announce(announced))
            self.assertRaises(rawpeer.Closed, link.expect, rawpeer.CHANGES)


class Lines(Log):
    def test_each_format(self):
        for form in READERS:
            peer = self.serve_rooms(log={"format": form})
            self.knock(peer)
            before = datetime.datetime.now(datetime.timezone.utc)
            self.assertEqual(peer.stop(), 0)
            lines = self.lines(peer, form)
            self.assertEqual([(line["level"], line["event"]) for line in lines], [("notice", "notice")] * len(lines))
            self.assertIn("127.0.0.1: this link is about room red, and it announced room other", [line["text"] for line in lines])
            for line in lines:
                said = datetime.datetime.strptime(line["time"], "%Y-%m-%dT%H:%M:%S.%f%z")
                self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertLess(abs((before - said).total_seconds()), 60)

    def test_events(self):
        """With the members that the manual page gives them, beside --json or without."""
        for form in READERS:
            peer = self.serve_rooms(log={"format": form, "level": "event"})
            db = self.path(f"{form}.db")
            plain(db, NOTES)
            follower = self.sync(db, f"{synctest.SCHEME}://127.0.0.1:{peer.port}/{form}")
            patiently(db, "INSERT INTO note VALUES('one', 'nobody-elses-business')")
            peer.wait_event("merged")
            follower.stop()
            peer.wait_event("closed")
            self.assertEqual(peer.stop(), 0)
            lines = self.lines(peer, form)
            self.assertLessEqual({"listening", "opened", "connected", "merged", "disconnected", "closed", "notice"}, {line["event"] for line in lines})
            for line in lines:
                self.assertEqual(line.keys() - {"time", "level", "event"}, synctest.EVENTS[line["event"]], line)
                self.assertEqual(line["level"], "notice" if line["event"] == "notice" else "event")
            self.assertEqual([str(line["rows"]) for line in lines if line["event"] == "merged"], ["1"])
            self.assertNotIn("nobody-elses-business", peer.stderr)

    def test_errors_alone(self):
        for arguments, level in (((), "error"), (("--quiet",), "event")):
            peer = self.serve_rooms(*arguments, log={"format": "json", "level": level})
            self.knock(peer)
            self.assertEqual(peer.stop(), 0)
            self.assertEqual(self.lines(peer, "json"), [])
            self.assertTrue([e for e in peer.all_events() if e["event"] == "notice"])

    def test_an_error(self):
        status, _, err = self.run_peer("serve", "--config", self.config(listen="nowhere.invalid:1", log={"format": "logfmt"}))
        members = read_logfmt(err.rstrip("\n"))
        self.assertEqual((status, members["level"], members["event"], members["code"]), (8, "error", "error", "8"))
        self.assertIn("cannot listen on nowhere.invalid:1", members["text"])

    def test_text(self):
        """As it is without a word about it; with events, where they are wanted."""
        for settings in ({}, {"log": {}}, {"log": {"format": "text", "level": "event"}}):
            peer = self.serve_rooms(**settings)
            self.knock(peer)
            self.assertEqual(peer.stop(), 0)
            lines = peer.stderr.splitlines()
            self.assertEqual([line for line in lines if not line.startswith("sync-peer: ")], [])
            self.assertIn("sync-peer: 127.0.0.1: this link is about room red, and it announced room other", lines)
            self.assertEqual("sync-peer: closed room=red code=0" in lines, settings.get("log", {}).get("level") == "event", lines)

    def test_what_it_may_be(self):
        for wrong, says in (({"format": "xml"}, '/log/format: "xml" is none of "text", "logfmt", "json"'), ({"level": "debug"}, '/log/level: "debug" is none of'),
                            ({"file": "x"}, '/log: "file" is no key here; known are format, level'), ("json", "/log: it is of type string")):
            status, _, err = self.run_peer("check-config", self.config(log=wrong))
            self.assertEqual((status, says in err), (2, True), err)


class Hostile(Log):
    def test_nobody_forges_a_line(self):
        """Names of rooms and reasons that others send, with line ends, quotes, commands for terminals and bytes that are no text."""
        for form in (*READERS, "text"):
            peer = self.serve_rooms(log={"format": form, "level": "event"})
            for i, text in enumerate(HOSTILE):
                self.knock(peer, f"red{i}", text)  # fewer, all in all, than are left out
            for i, text in enumerate(HOSTILE[:3]):
                with rawpeer.RawPeer(peer.port, f"/blue{i}") as link:
                    link.expect(rawpeer.ANNOUNCE)
                    link.send(rawpeer.announce(f"blue{i}"))
                    link.expect(rawpeer.START)
                    link.send(rawpeer.frame(rawpeer.ERROR, rawpeer.varint(8) + rawpeer.text(text)))
                    self.assertRaises(rawpeer.Closed, link.expect, rawpeer.ERROR)
            self.assertEqual(peer.stop(), 0)
            if form == "text":
                lines = peer._err.read_bytes().split(b"\n")[:-1]  # pylint: disable=protected-access
                self.assertEqual([line for line in lines if not line.startswith(b"sync-peer: ") or any(c < 32 or c == 127 for c in line)], [])
                continue
            lines = self.lines(peer, form)
            self.assertEqual([line for line in lines if line["level"] == "error" or line["event"] == "error" or line.get("text") == "forged"], [])
            told = [line["text"] for line in lines if "it announced room" in line.get("text", "")]
            self.assertEqual(len(told), len(HOSTILE))
            for said, sent in zip(told, HOSTILE):
                if isinstance(sent, str) and "\0" not in sent:
                    self.assertTrue(said.endswith("announced room " + sent), (said, sent))
            self.assertEqual(len([line for line in lines if line["event"] == "disconnected"]), 3)

    def test_no_token(self):
        """Neither one that is good nor one that is not, in all that is said of them."""
        peer = self.serve_rooms(log={"format": "json", "level": "event"}, auth={"jwt": {"algorithm": "HS256", "keyFile": "secret", "audience": "sync"}})
        good, bad = tokens.hs256(tokens.claims("red")), tokens.hs256(tokens.claims("red", exp=1))
        self.knock(peer, headers=["Authorization: Bearer " + good])
        self.assertRaises(rawpeer.Refused, self.knock, peer, headers=["Authorization: Bearer " + bad])
        short = tokens.hs256(tokens.claims("red", exp=int(time.time()) - 3))  # within the leeway: it expires under the link
        with rawpeer.RawPeer(peer.port, "/red", headers=["Authorization: Bearer " + short]) as link:
            link.expect(rawpeer.ANNOUNCE)
            link.send(rawpeer.announce("red"))
            link.expect(rawpeer.ERROR)
        self.assertEqual(peer.stop(), 0)
        self.assertGreater(len(self.lines(peer, "json")), 3)
        for secret in {*good.split("."), *bad.split("."), *short.split("."), tokens.SECRET}:
            self.assertNotIn(secret, peer.stderr)


class Rate(Log):
    def test_the_same_again_and_again(self):
        """Twenty times in a minute, whatever is in it; the rest is counted. Other notices are said meanwhile, and --json leaves nothing out."""
        peer = self.serve_rooms(log={"format": "json"})
        for i in range(50):
            self.knock(peer, f"red{i % 7}", f"other{i}")
        self.assertEqual(peer.stop(), 0)
        lines = self.lines(peer, "json")
        self.assertEqual(len([line for line in lines if line["event"] == "notice" and "it announced room" in line["text"]]), 20)
        last = lines[-1]
        self.assertEqual((last["level"], last["event"], last["count"]), ("notice", "omitted", 30))
        self.assertRegex(last["text"], "^30 more notices like this were left out: 127.0.0.1: .* announced room other49$")
        self.assertEqual(len([e for e in peer.all_events() if "it announced room" in e.get("text", "")]), 50)

    def test_not_unless_asked_for(self):
        peer = self.serve_rooms()
        for i in range(30):
            self.knock(peer, f"red{i % 7}")
        self.assertEqual(peer.stop(), 0)
        self.assertEqual(peer.stderr.count("it announced room"), 30)


if __name__ == "__main__":
    unittest.main()
