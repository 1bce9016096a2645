"""Websocket frames in plain Python, good ones and bad ones, for either side of a connection; what a peer answers, told in a word.

Written from RFC 6455. What the peer itself sends is checked as it is read: masks, reserved bits, lengths in their shortest form.
"""
import contextlib
import os
import socket
import ssl
import struct
import time
from pathlib import Path

import rawpeer

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
ANSWER_S = 30  # only a failure waits that long
CLOSED_S = 0.2  # for the end of a connection, before it is ended from here
TOKEN = 77


def masked(payload, mask):
    whole = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(payload), "big")


def frame(opcode, payload=b"", fin=True, rsv=0, mask=None, form=None, claimed=None):
    """`form`: 7, 16 or 64 bits of length, by default as few as will do; `claimed`: a length that is not the payload's."""
    size = len(payload) if claimed is None else claimed
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    marked = 0x80 if mask is not None else 0
    length = {7: lambda: bytes([marked | size]), 16: lambda: bytes([marked | 126]) + struct.pack(">H", size),
              64: lambda: bytes([marked | 127]) + struct.pack(">Q", size)}[form]()
    return bytes([(0x80 if fin else 0) | rsv << 4 | opcode]) + length + (mask or b"") + (masked(payload, mask) if mask else payload)


class Side:
    """Makes frames as the side that we play has to: a client masks them, a server does not."""

    def __init__(self, client):
        self.client = client

    def __call__(self, opcode, payload=b"", **options):
        options.setdefault("mask", os.urandom(4) if self.client else None)
        return frame(opcode, payload, **options)

    def wrongly(self, opcode, payload=b"", **options):
        """Masked the other way."""
        return frame(opcode, payload, mask=None if self.client else b"\x11" * 4, **options)

    def fragments(self, payload, size, opcode=BINARY):
        """A message in frames of that size."""
        pieces = [payload[i:i + size] for i in range(0, len(payload), size)]
        return [self(opcode if i == 0 else CONTINUATION, piece, fin=i == len(pieces) - 1) for i, piece in enumerate(pieces)]


def piece(size):
    """A message of sync.v1 of exactly so many bytes, which asks for nothing but to be acknowledged by its weight."""
    head = len(rawpeer.changes(1, 0, rawpeer.LAST, b"", flags=1))
    return rawpeer.changes(1, 0, rawpeer.LAST, os.urandom(size - head), flags=1)


def weight_of(message):
    return len(message) - len(rawpeer.changes(1, 0, rawpeer.LAST, b"", flags=1)) + 256


class Broken(AssertionError):
    """The peer itself sent what no websocket has."""


class Talk:
    """An open websocket, past the greetings of sync.v1, with a peer at its other end. `side` makes our frames."""

    def __init__(self, connection, side, room, received=b"", greet=True):
        """`received`: what came behind the answer to the upgrade."""
        self.socket, self.side, self._in = connection, side, bytearray(received)
        self.pongs, self.weight, self.closes, self._kept = [], 0, [], []
        connection.settimeout(ANSWER_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if greet:
            connection.sendall(side(BINARY, rawpeer.announce(room)))
            waited = {rawpeer.ANNOUNCE, rawpeer.START}
            while waited:
                waited.discard(self._message()[0])

    def _take(self, count):
        while len(self._in) < count:
            try:
                data = self.socket.recv(65536)
            except ssl.SSLError:  # it ended that without the word that TLS has for it
                data = b""
            if not data:
                raise EOFError
            self._in += data
        head, self._in = bytes(self._in[:count]), self._in[count:]
        return head

    def read(self):
        """The next frame: (opcode, fin, payload). EOFError, or ConnectionError: there is none."""
        first, second = self._take(2)
        size, mask = second & 0x7F, second & 0x80
        if size >= 126:
            long = size == 127
            (size,) = struct.unpack(">Q" if long else ">H", self._take(8 if long else 2))
            if size < (65536 if long else 126):
                raise Broken(f"a length of {size} in more bytes than it needs")
        if bool(mask) == self.side.client or first & 0x70:
            raise Broken(f"a frame that begins with {first:#x} {second:#x}")
        key = self._take(4) if mask else None
        payload = self._take(size)
        opcode, fin = first & 15, bool(first & 0x80)
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG) or (opcode >= 8 and (not fin or size > 125)):
            raise Broken(f"opcode {opcode} with {size} bytes")
        return opcode, fin, masked(payload, key) if key else payload

    def wait_pong(self):
        """Until one more has come; messages that come before it are kept."""
        count = len(self.pongs)
        while len(self.pongs) == count:
            if (message := self._message(until_pong=True)) is not None:
                self._kept.append(message)

    def _message(self, until_pong=False):
        """The next message of sync.v1; what else comes is noted on the way. None: it waits for a pong, which came first."""
        if self._kept and not until_pong:
            return self._kept.pop(0)
        whole = b""
        while True:
            opcode, fin, payload = self.read()
            if opcode == CLOSE:
                self.closes.append(payload)
                self._answer_close(payload)
            elif opcode == PONG:
                self.pongs.append(payload)
                if until_pong and not whole:
                    return None
            elif opcode in (BINARY, CONTINUATION):
                whole += payload
                if fin:
                    return whole

    def _answer_close(self, payload):
        """... so that the peer need not wait for it; it may have gone already."""
        with contextlib.suppress(OSError):
            self.socket.sendall(self.side(CLOSE, payload[:2]))
        self.socket.settimeout(CLOSED_S)

    def send(self, data, chop=None):
        """In one write, or in many of `chop` bytes; until the peer has ended the connection."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for at in range(0, len(data), chop or len(data) or 1):
                self.socket.sendall(data[at:at + (chop or len(data))])

    def ask(self):
        """What the peer must answer if it is still well."""
        return self.side(BINARY, rawpeer.frame(rawpeer.PING, rawpeer.varint(TOKEN)))

    def outcome(self, answers=1, weight=0):
        """'goes on': it answers so many times what ask() asks, and has acknowledged as much. 'close N', 'close' (without a code): it sent that, and then ended the connection.
        'gone': it ended that without a word. What else it does is said as it is."""
        try:
            while True:
                body = self._message_or_end()
                if body[0] == rawpeer.ACK:
                    self.weight = _varints(body[2:-8])[2]
                if body[0] == rawpeer.PONG and self.closes:
                    return "answers behind its close"
                answers -= body[0] == rawpeer.PONG
                if answers <= 0 and self.weight >= weight:
                    return "goes on"
        except (EOFError, ConnectionError):
            pass
        except TimeoutError:
            return f"close {self._code()}, and stays" if self.closes else f"says nothing, with {self.weight} bytes acknowledged"
        return f"close {self._code()}".strip() if self.closes else "gone"

    def _message_or_end(self):
        """Who has closed, and does not see our answer to that for what was wrong, sees the end of the connection."""
        try:
            return self._message()
        except TimeoutError:
            if not self.closes:
                raise
        self.socket.settimeout(ANSWER_S)
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)  # of TLS, too, only this direction
        return self._message()

    def _code(self):
        if len(self.closes) > 1:
            return f"{len(self.closes)} times"
        payload = self.closes[0]
        if len(payload) == 1:
            return "with one byte"
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            return "with a reason that is no UTF-8"
        return str(struct.unpack(">H", payload[:2])[0]) if payload else ""


def _varints(data):
    values, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
    return values


def resident_kib(pid):
    """What a process has of memory now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def sockets_of(pid):
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += os.readlink(entry).startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def settled(read, most, seconds=ANSWER_S):
    """What read() says once it is no more than `most`, or says in the end."""
    end = time.monotonic() + seconds
    while (value := read()) > most and time.monotonic() < end:
        time.sleep(0.05)
    return value
