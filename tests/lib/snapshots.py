"""Snapshots of sync.v1 in plain Python: taken from a peer, given to one, and looked at on their way.

Written from docs/PROTOCOL.md, not from the C sources, so that the two check each other.
"""
import ctypes
import hashlib
import socket
import threading

import rawpeer
from rawpeer import text, varint
from stranger import Stranger, frame, upgrades

NONE = bytes(16)
ZSTD = ctypes.CDLL("libzstd.so.1")
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


class Chunk:
    """A Snapshot message, from its body behind type and flags."""

    def __init__(self, body):
        self.id, at = body[:16], 16
        self.size, at = read_varint(body, at)
        self.file, at = read_varint(body, at)
        self.offset, at = read_varint(body, at)
        self.bytes, at = read_varint(body, at)
        length, at = read_varint(body, at)
        self.hash, self.payload = body[at:at + length], body[at + length:]

    def data(self):
        if len(self.payload) == self.bytes:
            return self.payload
        out = ctypes.create_string_buffer(self.bytes)
        if ZSTD.ZSTD_decompress(out, self.bytes, self.payload, len(self.payload)) != self.bytes:
            raise AssertionError("a chunk that is no zstd frame of its length")
        return out.raw


def chunk(snapshot, size, file, offset, data, digest=b"", claimed=None):
    return rawpeer.frame(rawpeer.SNAPSHOT, snapshot + varint(size) + varint(file) + varint(offset)
                         + varint(len(data) if claimed is None else claimed) + text(digest), data)


def request(snapshot=NONE, offset=0):
    return rawpeer.frame(rawpeer.SNAPSHOT_REQUEST, snapshot + varint(offset))


def ask(port, room, snapshot=NONE, offset=0, headers=()):
    """A link to a peer on which a snapshot has been asked for, by a file that is not there yet."""
    peer = rawpeer.RawPeer(port, f"/{room}", headers=headers)
    peer.send(rawpeer.announce(room, site=NONE, rights=7))
    peer.send(request(snapshot, offset))
    return peer


def take(peer, upto=None):
    """The chunks that come, each acknowledged, until all are there or `upto` bytes are. [] if there is none."""
    chunks, weight = [], 0
    while not chunks or (not chunks[-1].hash and (upto is None or chunks[-1].offset + chunks[-1].bytes < upto)):
        got = Chunk(peer.expect(rawpeer.SNAPSHOT))
        if got.id == NONE:
            return []
        chunks.append(got)
        weight += len(got.payload) + 256
        peer.send(rawpeer.ack(0, 0, weight))
    return chunks


def whole(chunks):
    """The bytes of the file, and those of the schema behind it. What the last chunk says of them is checked."""
    data = b"".join(c.data() for c in chunks)
    if len(data) != chunks[-1].size or hashlib.sha256(data).digest() != chunks[-1].hash:
        raise AssertionError("a snapshot that is not what it says")
    return data[:chunks[-1].file], data[chunks[-1].file:]


def pieces(file, schema, snapshot=b"s" * 16, step=200_000):
    """The messages of a snapshot."""
    data = file + schema
    for at in range(0, len(data), step):
        last = at + step >= len(data)
        yield chunk(snapshot, len(data), len(file), at, data[at:at + step], hashlib.sha256(data).digest() if last else b"")


def giver(messages, rights=7):
    """A server that is no peer: who connects to its room is sent these messages once he asks for a snapshot."""
    def then(connection):
        connection.sendall(frame(2, rawpeer.announce("room", rights=rights)))
        try:
            while not any(m[0] == rawpeer.SNAPSHOT_REQUEST for m in rawpeer.client_messages(connection)):
                pass
            for message in messages:
                connection.sendall(frame(2, message))
            while connection.recv(65536):
                pass
        except (rawpeer.Closed, OSError):
            pass
    return Stranger(upgrades("sync.v1", then))


class Between:
    """A way to a port of loopback, `port`, on which messages to who connects can be looked at: `look(message)` gives what is passed on, or None: then the
    connection is cut. Where `held` is set nothing more passes on the connections that are there."""

    def __init__(self, target, look):
        self.target, self.look, self.held, self.made = target, look, threading.Event(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            self.made += 1
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._up, args=(near, far), daemon=True).start()
            threading.Thread(target=self._down, args=(near, far), daemon=True).start()

    @staticmethod
    def _end(*connections):
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _up(self, near, far):
        try:
            while data := near.recv(65536):
                far.sendall(data)
        except OSError:
            pass
        self._end(near, far)
        near.close()

    def _down(self, near, far):
        try:
            with far.makefile("rb") as lines:
                self._pass(near, lines)
        except OSError:
            pass
        self._end(near, far)
        far.close()

    def _pass(self, near, far):
        while (line := far.readline()) not in (b"\r\n", b""):
            near.sendall(line)
        near.sendall(b"\r\n")
        while len(head := far.read(2)) == 2:
            size, extra = head[1] & 0x7F, b""
            if size >= 126:
                extra = far.read(2 if size == 126 else 8)
                size = int.from_bytes(extra, "big")
            payload = far.read(size)
            if head[0] & 0x0F == 2:
                passed = self.look(payload)
                if passed is None:
                    return
                near.sendall(frame(2, passed))
            else:
                near.sendall(head + extra + payload)
            while self.held.is_set() and not self.over.wait(0.01):
                pass
