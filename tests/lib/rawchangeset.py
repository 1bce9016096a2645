"""A changeset written byte by byte from docs/FORMAT.md, to say to the engine what no engine would say: any of its pieces can be forged,
the zstd frame around it and its checksum stay good.

Written from the document, not from the C sources, so that the two check each other.
"""
import os
import struct

from rawpeer import MASK, varint

P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
BLOCK_MAX = 1 << 17
HLC_PER_MS = 1 << 16


def zigzag(value):
    return varint((value << 1 ^ value >> 63) & MASK)


def name(text):
    return varint(len(text)) + text.encode()


def text(value):
    raw = value.encode()
    return bytes([0x80 + len(raw)]) + raw if len(raw) < 128 else b"\x0a" + varint(len(raw)) + raw


def _turn(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def _round(lane, word):
    return _turn((lane + word * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    at, h = 0, P5
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        for at in range(0, len(data) - 31, 32):
            lanes = [_round(lane, word) for lane, word in zip(lanes, struct.unpack_from("<4Q", data, at))]
        at += 32
        h = sum(_turn(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            h = ((h ^ _round(0, lane)) * P1 + P4) & MASK
    h = (h + len(data)) & MASK
    for at in range(at, len(data) - 7, 8):
        h = (_turn(h ^ _round(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
    at = len(data) - len(data) % 8
    if len(data) - at >= 4:
        h = (_turn(h ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = _turn(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


def frame(body):
    """SYNC, and one zstd frame of stored blocks with a window of 128 KiB and a checksum."""
    out = b"SYNC\x01" + struct.pack("<IBB", 0xFD2FB528, 0x04, 0x38)
    for at in range(0, max(1, len(body)), BLOCK_MAX):
        block = body[at:at + BLOCK_MAX]
        out += struct.pack("<I", len(block) << 3 | (at + BLOCK_MAX >= len(body)))[:3] + block
    return out + struct.pack("<I", xxh64(body) & 0xFFFFFFFF)


class Changeset:
    """One live row of t(id TEXT PRIMARY KEY, v) from a site of its own. `pieces` are its bytes by name, in order."""

    def __init__(self, key, value, at_ms, site=None, end=1, lives=None):
        hlc = at_ms * HLC_PER_MS
        self.pieces = {
            "site count": varint(1), "site": site or os.urandom(16), "table count": varint(1),
            "table name length": varint(1), "table name": b"t", "identity": b"\x00",
            "key count": varint(1), "key name": name("id"), "affinity": b"\x01", "collation": name(""),
            "column count": varint(1), "column name": name("v"),
            "base": varint(0), "base exceptions": varint(0), "start": varint(0), "start exceptions": varint(0),
            "part": varint(0), "delta": varint(0),
            "table item": b"\x01", "table of the rows": varint(0),
            "row": bytes([0x80 | 0x20 | (0x02 if lives else 0)]), "key": text(key), "row site": varint(0), "hlc": zigzag(hlc),
            "lives": varint(lives) if lives else b"", "value": text(value),
            "end item": b"\x02", "row count": varint(1), "seen": varint(hlc), "seen exceptions": varint(0), "end": varint(end)}

    def body(self, **forged):
        pieces = {**self.pieces, **{key.replace("_", " "): value for key, value in forged.items()}}
        assert len(pieces) == len(self.pieces)
        return b"".join(pieces.values())

    def blob(self, **forged):
        return frame(self.body(**forged))
