"""The cases of RFC 6455 that are tried on a peer, whichever side of the connection it is: the same bytes, masked or not.

Numbers are those of the Autobahn test suite; what has a word in the place of a number is ours. Where that suite sends a text and waits for its echo, a
message of sync.v1 is sent, which has to be acknowledged, by its weight; its texts are sent, too, and have to be refused. The largest messages are those of
sync.v1, 256 KiB. A case names the outcomes (websocket.Talk.outcome) that the RFC, or docs/PROTOCOL.md where the RFC leaves the choice, allows. What
libwebsockets does otherwise is a table in docs/TESTING.md.
"""
import contextlib
import re
import struct
from itertools import chain
from pathlib import Path

import rawpeer
from websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, piece, weight_of

GOES_ON = {"goes on"}
FAILS = {"close 1002", "gone"}  # "fail the connection": the close may be left out
NO_TEXT = {"close 1003", "close 1007"}
TOO_LARGE = {"close 1009", "gone"}
KIB = 1024
LARGEST = 256 * KIB
BUFFER = 65536  # what libwebsockets hands on at a time


class Case:
    """`data`: what is sent, by a function of the side (websocket.Side): bytes, or a list of them, each of which has to bring a pong before the next is sent.
    `chop`: in writes of so many bytes. `ask`: what must be answered if all is well follows, and is so many `answers`. What has come by then: `pongs`, exactly;
    `some_of`, at least one of those; `weight`, acknowledged."""

    def __init__(self, name, data, allowed, *, ask=True, chop=None, answers=1, pongs=None, some_of=None, weight=None):
        self.name, self.data, self.allowed, self.ask, self.chop = name, data, allowed, ask, chop
        self.answers, self.pongs, self.some_of, self.weight = answers, pongs, some_of, weight

    def run(self, talk):
        """The outcome, and what else is wrong with it."""
        data = self.data(talk.side)
        *first, last = data if isinstance(data, list) else [data]
        with contextlib.suppress(ConnectionError, EOFError):  # it has ended the connection meanwhile
            for part in first:
                talk.send(part, self.chop)
                talk.wait_pong()
            talk.send(last + (talk.ask() if self.ask else b""), self.chop)
        got = talk.outcome(self.answers, self.weight or 0)
        return self._else(talk) or got if got == "goes on" else got

    def _else(self, talk):
        if self.pongs is not None and talk.pongs != self.pongs:
            return f"sends pongs to {len(talk.pongs)} of {len(self.pongs)}"
        if self.some_of is not None and not (talk.pongs and set(talk.pongs) <= set(self.some_of)):
            return f"sends pongs {talk.pongs}"
        if self.weight is not None and talk.weight != self.weight:
            return f"acknowledges {talk.weight} instead of {self.weight}"
        return None


def whole(name, size, chop=None, allowed=GOES_ON, **options):
    """A message of that many bytes, in one frame."""
    message = piece(size)
    return Case(name, lambda side: side(BINARY, message, **options), allowed, chop=chop, weight=weight_of(message) if allowed == GOES_ON else None)


def text(name, size, chop=None):
    return Case(name, lambda side: side(TEXT, b"*" * size), NO_TEXT, chop=chop)


def framing():
    sizes = (0, 125, 126, 127, 128, 65535, 65536)
    yield from (text(f"1.1.{i}", size) for i, size in enumerate(sizes, 1))
    yield text("1.1.8", 65536, chop=997)
    yield Case("1.2.1", lambda side: side(BINARY), {"close 1002"})  # nothing is no message of sync.v1
    yield from (whole(f"1.2.{i}", size) for i, size in enumerate(sizes[1:], 2))
    yield whole("1.2.8", 65536, chop=997)
    yield from (whole(f"1.2.chopped-{size}", size, chop=1) for size in (15, 126, 200, 1500))
    for form, size in ((16, 20), (16, 125), (64, 20), (64, 126), (64, 65535)):
        yield whole(f"1.2.long-form-{form}-{size}", size, form=form, allowed=FAILS)
    yield Case("1.2.top-bit", lambda side: side(BINARY, b"x", form=64, claimed=1 << 63), FAILS)
    yield Case("1.2.all-bits", lambda side: side(BINARY, b"x", form=64, claimed=(1 << 64) - 1), FAILS)


def pings():
    binary, longest, ten = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125, [b"payload-%d" % i for i in range(10)]
    yield Case("2.1", lambda side: side(PING), GOES_ON, pongs=[b""])
    yield Case("2.2", lambda side: side(PING, b"Hello, world!"), GOES_ON, pongs=[b"Hello, world!"])
    yield Case("2.3", lambda side: side(PING, binary), GOES_ON, pongs=[binary])
    yield Case("2.4", lambda side: side(PING, longest), GOES_ON, pongs=[longest])
    yield Case("2.5", lambda side: side(PING, b"\xfe" * 126), FAILS)
    yield Case("2.6", lambda side: side(PING, longest), GOES_ON, chop=1, pongs=[longest])
    yield Case("2.7", lambda side: side(PONG), GOES_ON, pongs=[])
    yield Case("2.8", lambda side: side(PONG, b"unsolicited pong payload"), GOES_ON, pongs=[])
    yield Case("2.9", lambda side: side(PONG, b"unsolicited pong payload") + side(PING, b"ping payload"), GOES_ON, pongs=[b"ping payload"])
    yield Case("2.10", lambda side: b"".join(side(PING, one) for one in ten), GOES_ON, pongs=ten)
    yield Case("2.11", lambda side: b"".join(side(PING, one) for one in ten), GOES_ON, chop=1, some_of=ten)
    yield Case("2.one-by-one", lambda side: [side(PING, one) for one in ten], GOES_ON, pongs=ten)
    for opcode, name in ((PING, "ping"), (PONG, "pong"), (CLOSE, "close")):
        for size in (126, 127, 300, 65536):
            yield Case(f"2.{name}-of-{size}", lambda side, o=opcode, s=size: side(o, b"\x03\xe8" + b"x" * (s - 2)), FAILS)
        for form in (16, 64):
            yield Case(f"2.{name}-in-{form}-bits", lambda side, o=opcode, f=form: side(o, b"\x03\xe8", form=f), FAILS)


def reserved():
    def between(rsv):
        return lambda side: side(BINARY, piece(50)) + side(BINARY, piece(50), rsv=rsv) + side(PING)
    yield Case("3.1", lambda side: side(BINARY, piece(50), rsv=1), FAILS)
    yield Case("3.2", between(2), FAILS)
    yield Case("3.3", between(3), FAILS, chop=50)
    yield Case("3.4", between(4), FAILS, chop=1)
    yield Case("3.5", lambda side: side(BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", rsv=5), FAILS)
    yield Case("3.6", lambda side: side(PING, b"Hello, world!", rsv=6), FAILS)
    yield Case("3.7", lambda side: side(CLOSE, rsv=7), FAILS)
    for opcode, name in ((TEXT, "text"), (BINARY, "compressed"), (PING, "ping"), (PONG, "pong"), (CLOSE, "close")):
        yield Case(f"3.{name}", lambda side, o=opcode: side(o, b"\x03\xe8", rsv=4), FAILS)
    yield Case("3.continuation", lambda side: side(BINARY, piece(50)[:20], fin=False) + side(CONTINUATION, b"x", rsv=2), FAILS)


def opcodes():
    for section, first in ((1, 3), (2, 11)):
        yield Case(f"4.{section}.1", lambda side, o=first: side(o), FAILS)
        yield Case(f"4.{section}.2", lambda side, o=first + 1: side(o, b"reserved opcode payload"), FAILS)
        yield Case(f"4.{section}.3", lambda side, o=first + 2: side(BINARY, piece(50)) + side(o) + side(PING), FAILS)
        yield Case(f"4.{section}.4", lambda side, o=first + 3: side(BINARY, piece(50)) + side(o, b"payload") + side(PING), FAILS)
        yield Case(f"4.{section}.5", lambda side, o=first + 4: side(BINARY, piece(50)) + side(o, b"payload") + side(PING), FAILS, chop=1)


def fragmentation():
    message = piece(60)
    arrives = dict(allowed=GOES_ON, weight=weight_of(message))

    def split(*between, cut=30, opcode=CONTINUATION):
        return lambda side: side(BINARY, message[:cut], fin=False) + b"".join(make(side) for make in between) + side(opcode, message[cut:])

    def ping(side):
        return side(PING, b"ping payload")
    for number, opcode in ((1, PING), (2, PONG)):
        yield Case(f"5.{number}", lambda side, o=opcode: side(o, b"fragment1", fin=False) + side(CONTINUATION, b"fragment2"), FAILS)
    yield Case("5.close-in-two", lambda side: side(CLOSE, b"\x03\xe8", fin=False) + side(CONTINUATION, b"b"), FAILS)
    for number, between, pongs in ((3, (), []), (6, (ping,), [b"ping payload"])):
        for chop in (None, 36, 1):
            yield Case(f"5.{number}", split(*between), chop=chop, pongs=pongs, **arrives)
            number += 1
    for number, fin in ((9, True), (12, False)):
        for chop in (None, 36, 1):
            yield Case(f"5.{number}", lambda side, f=fin: side(CONTINUATION, b"non-continuation payload", fin=f) + side(BINARY, message), FAILS, chop=chop)
            number += 1
    yield Case("5.15", lambda side: split()(side) + side(CONTINUATION, b"fragment3", fin=False) + side(BINARY, message), FAILS)
    for number, fin in ((16, False), (17, True)):
        yield Case(f"5.{number}", lambda side, f=fin: (side(CONTINUATION, b"fragment1", fin=f) + side(BINARY, b"fragment2", fin=False) +
                                                       side(CONTINUATION, b"fragment3")) * 2, FAILS)
    yield Case("5.18", split(opcode=BINARY), FAILS)
    five, both = [message[i:i + 12] for i in range(0, 60, 12)], [b"pongme 1!", b"pongme 2!"]

    def two_pings(side):
        parts = [side(BINARY if i == 0 else CONTINUATION, part, fin=i == 4) for i, part in enumerate(five)]
        return [parts[0] + parts[1] + side(PING, both[0]), parts[2] + parts[3] + side(PING, both[1]), parts[4]]
    yield Case("5.19", two_pings, pongs=both, **arrives)
    yield Case("5.20", lambda side: b"".join(two_pings(side)), pongs=both, **arrives)
    yield Case("5.pong-between", split(lambda side: side(PONG, b"q")), pongs=[], **arrives)
    yield Case("5.empty-first", split(cut=0), **arrives)
    yield Case("5.empty-last", split(cut=60), **arrives)
    yield Case("5.empty-between", split(lambda side: side(CONTINUATION, fin=False)), **arrives)
    yield Case("5.single-bytes", lambda side: b"".join(side.fragments(message, 1)), **arrives)
    for opcode, name in ((BINARY, "binary"), (TEXT, "text")):
        for fin in (True, False):
            yield Case(f"5.{name}-{'whole' if fin else 'begun'}-within", split(lambda side, o=opcode, f=fin: side(o, b"new", fin=f)), FAILS)


BAD_UTF8 = {"lone": b"\x80", "cut": b"\xce\xba\xe1\xbd", "overlong": b"\xc0\xaf", "surrogate": b"\xed\xa0\x80", "beyond": b"\xf4\x90\x80\x80", "byte-ff": b"a\xffb"}
KOSME = "κόσμε".encode()


def utf8():
    """Of texts: that none of them is taken, and that the first frame of one is enough."""
    good, bad = "Hello-µ@ßöäüàá-UTF-8!!".encode(), KOSME + b"\xed\xa0\x80edited"
    for number, parts in {"1.1": [b""], "1.2": [b"", b"", b""], "1.3": [b"", b"middle", b""], "2.1": [good], "2.2": [good[:7], good[7:]],
                          "2.3": [bytes([byte]) for byte in good], "2.4": [bytes([byte]) for byte in KOSME], "3.1": [bad],
                          "3.2": [bytes([byte]) for byte in bad]}.items():
        yield Case(f"6.{number}", lambda side, p=parts: b"".join(side(TEXT if i == 0 else CONTINUATION, one, fin=i == len(p) - 1) for i, one in enumerate(p)), NO_TEXT)
    for number, chop in ((1, None), (2, None), (3, 1), (4, 1)):  # the end of it never comes
        yield Case(f"6.4.{number}", lambda side, n=number: side(TEXT, KOSME, fin=False) + side(CONTINUATION, b"\xf4\x90\x80\x80"[n % 2:], fin=False), NO_TEXT,
                   ask=False, chop=chop)
    for name, words in {"greek": KOSME, "four-bytes": "𝄞".encode(), "nul": b"\0", "mark": "\ufeff".encode(), **BAD_UTF8}.items():
        yield Case(f"6.text-{name}", lambda side, w=words: side(TEXT, w), NO_TEXT)


def closing():
    message = piece(50)

    def code(number, reason=b""):
        return lambda side: side(CLOSE, struct.pack(">H", number) + reason)
    done = code(1000)
    yield Case("7.1.1", lambda side: side(BINARY, message) + done(side), {"close 1000"})
    yield Case("7.1.2", lambda side: done(side) + done(side), {"close 1000"}, ask=False)
    yield Case("7.1.3", lambda side: done(side) + side(PING, b"p"), {"close 1000"})
    yield Case("7.1.4", lambda side: done(side) + side(BINARY, message), {"close 1000"})
    yield Case("7.1.5", lambda side: side(BINARY, message[:20], fin=False) + done(side) + side(CONTINUATION, message[20:]), {"close 1000"})
    yield Case("7.1.6", lambda side: side(BINARY, piece(LARGEST)) + side(BINARY, message) + done(side), {"close 1000"})
    yield Case("7.1.text-behind", lambda side: done(side) + side(TEXT, b"p"), {"close 1000"})
    yield Case("7.1.both-sides", lambda side: side(BINARY, b"no message") + done(side), {"close 1002", "close 1000"}, ask=False)
    yield Case("7.1.chopped", code(1000, b"bye"), {"close 1000"}, chop=1)
    yield Case("7.3.1", lambda side: side(CLOSE), {"close", "close 1000"})
    yield Case("7.3.2", lambda side: side(CLOSE, b"a"), FAILS)
    yield Case("7.3.3", done, {"close 1000"})
    yield Case("7.3.4", code(1000, b"Hello World!"), {"close 1000"})
    yield Case("7.3.5", code(1000, b"*" * 123), {"close 1000"})
    yield Case("7.3.6", code(1000, b"*" * 124), FAILS)
    yield Case("7.5.1", code(1000, KOSME + b"\xed\xa0\x80edited"), {"close 1007"})
    for name, words in {"greek": KOSME, "four-bytes": "𝄞".encode(), "nul": b"\0", "nul-within": b"a\0b\0"}.items():
        yield Case(f"7.5.good-{name}", code(1000, words), {"close 1000"})
    for name, words in {**BAD_UTF8, "nul-before": b"\0\xff", "nul-behind": b"\xce\0"}.items():
        yield Case(f"7.5.bad-{name}", code(1000, words), {"close 1007"})
    for i, number in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
        yield Case(f"7.7.{i}", code(number), {f"close {number}", "close 1000"})
    for number in (1012, 1013, 1014):  # which came after the RFC
        yield Case(f"7.7.code-{number}", code(number), {f"close {number}", "close 1000"})
    for i, number in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield Case(f"7.9.{i}", code(number), FAILS)
    for number in (1, 1015):
        yield Case(f"7.9.code-{number}", code(number), FAILS)
    for i, number in enumerate((5000, 65535), 1):  # of which the RFC says nothing
        yield Case(f"7.13.{i}", code(number), FAILS | {f"close {number}", "close 1000"})


def masks():
    """That suite has none of these. A mask of equal bytes: that libwebsockets counts on from what it has sent itself makes no difference."""
    yield Case("8.wrong-message", lambda side: side.wrongly(BINARY, piece(50)), FAILS)
    yield Case("8.wrong-second", lambda side: side(BINARY, piece(50)) + side.wrongly(BINARY, piece(50)), FAILS)
    yield Case("8.wrong-long", lambda side: side.wrongly(BINARY, piece(70000)), FAILS)
    yield Case("8.wrong-ping", lambda side: side.wrongly(PING, b"p"), FAILS)
    yield Case("8.wrong-pong", lambda side: side.wrongly(PONG), FAILS)
    yield Case("8.wrong-close", lambda side: side.wrongly(CLOSE, b"\x03\xe8"), FAILS)
    yield Case("8.empty-in-16-bits", lambda side: side.wrongly(BINARY, form=16) + side(BINARY, bytes(LARGEST + 2 * BUFFER)), FAILS)
    for mask in (bytes(4), b"\xff\xff\xff\xff", b"\0\0\0\1", b"\1\0\0\0"):
        message = piece(203)
        yield Case(f"8.mask-{mask.hex()}", lambda side, k=mask, m=message: side(BINARY, m, **({"mask": k} if side.client else {})), GOES_ON, weight=weight_of(message))


def limits():
    sizes = [size * KIB for size in (64, 256, 1024, 4096, 8192, 16384)]
    yield from (text(f"9.1.{i}", size) for i, size in enumerate(sizes, 1))
    yield from (whole(f"9.2.{i}", size, allowed=GOES_ON if size <= LARGEST else TOO_LARGE) for i, size in enumerate(sizes, 1))
    yield whole("9.2.one-more", LARGEST + 1, allowed=TOO_LARGE)
    yield Case("9.3.1", lambda side: b"".join(side.fragments(b"*" * LARGEST, 64, TEXT)), NO_TEXT)
    message = piece(LARGEST)
    for i in range(1, 10):  # of 64 bytes to 4 MiB
        size = 64 * 4 ** (i - 1) if i < 8 else (1 if i == 8 else 4) * KIB * KIB
        yield Case(f"9.4.{i}", lambda side, s=size: b"".join(side.fragments(message, s)), GOES_ON, weight=weight_of(message))
    yield Case("9.4.one-more", lambda side: b"".join(side.fragments(bytes(LARGEST + 1), 65536)), TOO_LARGE)
    yield Case("9.4.never-ends", lambda side: b"".join(side.fragments(bytes(600_000), 50_000)[:-1]), TOO_LARGE, ask=False)
    yield Case("9.4.claimed", lambda side: side(BINARY, bytes(LARGEST + 2 * BUFFER), form=64, claimed=1 << 62), TOO_LARGE, ask=False)
    yield text("9.5.1", LARGEST, chop=64)
    yield from (whole(f"9.6.{i}", LARGEST, chop=64 << (i - 1)) for i in range(1, 7))
    yield Case("9.7.1", lambda side: side(TEXT) * 1000, NO_TEXT)
    yield Case("9.8.1", lambda side: b"".join(side(BINARY, rawpeer.frame(rawpeer.PING, rawpeer.varint(i))) for i in range(1000)), GOES_ON, answers=1001)
    for i, size, count in ((2, 16, 1000), (3, 64, 1000), (4, 256, 1000), (5, 1024, 800), (6, 4096, 240)):  # as many as may be unacknowledged
        one = piece(size)
        yield Case(f"9.8.{i}", lambda side, m=one, n=count: b"".join(side(BINARY, m) for _ in range(n)), GOES_ON, weight=count * weight_of(one))
    small = piece(65536)
    yield Case("10.1.1", lambda side: b"".join(side.fragments(small, 1300)), GOES_ON, weight=weight_of(small))


SECTIONS = {"framing": framing, "pings": pings, "reserved": reserved, "opcodes": opcodes, "fragmentation": fragmentation, "utf8": utf8, "closing": closing,
            "masks": masks, "limits": limits}


def cases():
    return chain.from_iterable(make() for make in SECTIONS.values())


class Exceptions:
    """The table of docs/TESTING.md: a case by its name (or several, by a name with `*`), the role of the peer, what it does instead."""

    def __init__(self):
        text_ = (Path(__file__).resolve().parents[2] / "docs" / "TESTING.md").read_text(encoding="utf-8")
        part = text_.split("### What libwebsockets does otherwise")[1].split("\n#")[0]
        self.rows = [(re.compile(re.escape(name).replace(r"\*", ".*")), role, does)
                     for name, role, does in re.findall(r"^\| `([^`]+)` \| (server|client|both) \| ([^|]+) \|", part, re.MULTILINE)]
        if not self.rows:
            raise AssertionError("docs/TESTING.md has no table of exceptions")

    def find(self, role, name):
        """What is said to happen instead; None: nothing."""
        return next((does for pattern, of, does in self.rows if pattern.fullmatch(name) and of in (role, "both")), None)

    def wrong(self, role, name, allowed, got):
        """Why that outcome is wrong; None: it is not."""
        does = self.find(role, name)
        if does is None:
            return None if got in allowed else f"{name}: {got}, and not {' or '.join(sorted(allowed))}"
        if got in allowed:
            return f"{name}: {got}, as it should be; docs/TESTING.md says that it does otherwise ({does})"
        return None if got == does else f"{name}: {got}; docs/TESTING.md says {does}"
