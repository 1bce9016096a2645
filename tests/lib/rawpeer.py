"""A websocket client and sync.v1's frames in plain Python, to say to a peer what no peer would say.

Written from docs/PROTOCOL.md, not from the C sources, so that the two check each other.
"""
import base64
import os
import socket
import ssl
import struct

MASK = (1 << 64) - 1
(ANNOUNCE, START, CHANGES, REJECT, ACK, PING, PONG, ERROR, SCHEMA_REQUEST, SCHEMA, CREATE_DB, APPLY, SNAPSHOT_REQUEST,
 SNAPSHOT, PRESENCE) = range(1, 16)
READS, WRITES, COPIES, TELLS = 1, 2, 4, 32  # rights of an announcement
PART, LAST, HOLLOW, HOLDS, CAUGHT_UP = range(5)
FRAME_MAX = 256 * 1024


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    raw = value.encode() if isinstance(value, str) else value
    return varint(len(raw)) + raw


def check(data):
    h = 0x9E3779B97F4A7C15 ^ len(data)
    whole = len(data) // 8 * 8
    words = [word for (word,) in struct.iter_unpack("<Q", data[:whole])]
    words.append(int.from_bytes(data[whole:], "little"))
    for word in words:
        h = (h ^ word) * 0xFF51AFD7ED558CCD & MASK
        h ^= h >> 32
    return h


def frame(kind, fields=b"", payload=b"", flags=0):
    body = bytes([kind, flags]) + fields + payload
    return body + check(body).to_bytes(8, "big")


def announce(room, site=None, protocol=1, software="raw", rights=3):
    return frame(ANNOUNCE, varint(protocol) + (site or os.urandom(16)) + text(room) + text(software) + varint(rights))


def changes(stream, part, kind, payload=b"", flags=0):
    return frame(CHANGES, varint(stream) + varint(part) + varint(kind) + varint(0), payload, flags)


def ack(stream, parts, weight):
    return frame(ACK, varint(stream) + varint(parts) + varint(weight))


def member(user="", by=None, since=1800000000, relays=False):
    """One of the members in the payload of Presence; who has a name has it by a token, unless it is said."""
    return varint((by if by is not None else 1 if user else 0) | 4 * relays) + varint(since) + text(user)


def presence(site, counter, members=(), count=None, name="raw", age=0, flags=0):
    return frame(PRESENCE, site + varint(counter) + varint(age) + varint(len(members) if count is None else count) + text(name), b"".join(members), flags)


def read_varint(data):
    """(value, what is left)."""
    value = shift = at = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, data[at:]


def read_text(data):
    size, rest = read_varint(data)
    return rest[:size].decode(), rest[size:]


def read_announce(body):
    """(site, rights)."""
    _, rest = read_varint(body)
    site, rest = rest[:16], rest[16:]
    _, rest = read_text(rest)
    _, rest = read_text(rest)
    return site, read_varint(rest)[0]


def read_presence(body):
    """site, counter, age, count, name, members: (user, by, since, relays) each."""
    found, rest = {"site": body[:16], "members": []}, body[16:]
    for number in ("counter", "age", "count"):
        found[number], rest = read_varint(rest)
    found["name"], rest = read_text(rest)
    while rest:
        kind, rest = read_varint(rest)
        since, rest = read_varint(rest)
        user, rest = read_text(rest)
        found["members"].append((user, kind & 3, since, bool(kind & 4)))
    return found


class Refused(Exception):
    """The upgrade was answered with another status than 101."""

    def __init__(self, status):
        super().__init__(f"HTTP status {status}")
        self.status = status


class Closed(Exception):
    """The other side closed: `code` and `reason` of the websocket close, or code None."""

    def __init__(self, code, reason):
        super().__init__(f"closed with {code}: {reason}")
        self.code = code
        self.reason = reason


def connect(port, timeout=30):
    """A connection to a peer on this machine, over TLS where that is what is tested; the certificate does not matter here."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    if not os.environ.get("SYNC_TLS"):
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


class RawPeer:
    """One websocket; `head` is the answer that opened it."""

    def __init__(self, port, path, protocol="sync.v1", headers=(), timeout=30):
        self.socket = connect(port, timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers]
        if protocol:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._in = bytearray()
        try:
            self.head = self._until(b"\r\n\r\n")
        except Refused:
            self.socket.close()
            raise
        status = int(self.head.split(b" ", 2)[1])
        if status != 101:
            self.socket.close()
            raise Refused(status)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    @property
    def received(self):
        """What has come and was not asked for yet."""
        return bytes(self._in)

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(None, "")
        self._in += data

    def _until(self, end):
        while end not in self._in:
            try:
                self._more()
            except (Closed, ConnectionError):
                raise Refused(0) from None
        at = self._in.index(end) + len(end)
        head, self._in = bytes(self._in[:at]), self._in[at:]
        return head

    def _take(self, count):
        while len(self._in) < count:
            self._more()
        head, self._in = bytes(self._in[:count]), self._in[count:]
        return head

    def send_ws(self, opcode, payload, fin=True):
        """One websocket frame, masked as a client's must be."""
        head = bytearray([opcode | (0x80 if fin else 0)])
        if len(payload) < 126:
            head.append(0x80 | len(payload))
        elif len(payload) < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", len(payload))
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", len(payload))
        self.socket.sendall(bytes(head) + bytes(4) + payload)  # a mask of zeros is a mask

    def send(self, message):
        self.send_ws(2, message)

    def receive(self):
        """The next message's bytes; raises Closed."""
        whole = b""
        while True:
            first, second = self._take(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._take(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._take(8))
            payload = self._take(size)
            opcode = first & 0x0F
            if opcode == 8:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
                raise Closed(code, payload[2:].decode("utf-8", "replace"))
            if opcode == 9:
                self.send_ws(10, payload)
                continue
            if opcode == 10:
                continue
            whole += payload
            if first & 0x80:
                return whole

    def expect(self, kind):
        """The next message of that kind, its body behind type and flags; others are passed over. Raises Closed."""
        while True:
            message = self.receive()
            body = message[:-8]
            if int.from_bytes(message[-8:], "big") != check(body):
                raise AssertionError("a message whose check is wrong")
            if body[0] == kind:
                return body[2:]

    def until_closed(self):
        """Reads up to the close and returns it, and the text of the Error message before it (or None)."""
        error = None
        while True:
            try:
                body = self.receive()[:-8]
            except Closed as closed:
                return closed, error
            except ConnectionError:
                return Closed(None, "reset"), error
            if body[0] == ERROR:
                error = body[2:]


def client_messages(connection):
    """Of a server: the messages that the next read from a client brings, unmasked. Small ones only, which come whole on loopback."""
    data, found = connection.recv(65536), []
    if not data:
        raise Closed(None, "")
    while len(data) >= 6:
        size, at = data[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        mask, payload = data[at:at + 4], data[at + 4:at + 4 + size]
        if data[0] & 0x0F == 2:
            found.append(bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))
        data = data[at + 4 + size:]
    return found
