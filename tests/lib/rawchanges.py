"""Changesets byte by byte, to say to the engine what no engine would say. Written from docs/FORMAT.md, not from the C sources."""
import ctypes
import ctypes.util
import os

from rawpeer import text, varint

END, TABLE, CLOSE, ROW = 0x00, 0x01, 0x02, 0x80
DEAD, FULL, EXISTS, GENESIS, SAME, CL, MORE = 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01
BORN, MOVED, REFERENCES = 0x01, 0x02, 0x04
_LEVEL, _WINDOW_LOG, _CHECKSUM = 100, 101, 201  # ZSTD_cParameter

_zstd = ctypes.CDLL(ctypes.util.find_library("zstd"))
_zstd.ZSTD_createCCtx.restype = ctypes.c_void_p
_zstd.ZSTD_freeCCtx.argtypes = [ctypes.c_void_p]
_zstd.ZSTD_CCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
_zstd.ZSTD_compressBound.restype = _zstd.ZSTD_compress2.restype = ctypes.c_size_t
_zstd.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
_zstd.ZSTD_compress2.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


def zigzag(value):
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def pack(contents, level=1, window_log=0, form=1):
    """Contents as a changeset of that format: compressed, with its checksum."""
    context = _zstd.ZSTD_createCCtx()
    _zstd.ZSTD_CCtx_setParameter(context, _LEVEL, level)
    _zstd.ZSTD_CCtx_setParameter(context, _CHECKSUM, 1)
    if window_log:
        _zstd.ZSTD_CCtx_setParameter(context, _WINDOW_LOG, window_log)
    room = _zstd.ZSTD_compressBound(len(contents))
    frame = ctypes.create_string_buffer(room)
    size = _zstd.ZSTD_compress2(context, frame, room, contents, len(contents))
    _zstd.ZSTD_freeCCtx(context)
    if size > room:
        raise AssertionError("zstd refuses to compress")
    return b"SYNC" + bytes([form]) + frame.raw[:size]


def table(name, keys=("id",), columns=(), by_row=False, affinity=1):
    """A table's part of a head."""
    return (text(name) + bytes([by_row]) + varint(len(keys)) + b"".join(text(k) for k in keys)
            + (bytes([affinity]) + text("")) * len(keys) + varint(len(columns)) + b"".join(text(c) for c in columns))


def vector(sites, value=0):
    """A matrix with one value in all its cells."""
    return (varint(value) + varint(0)) * sites


def head(tables, sites=None):
    """A head for somebody who holds nothing."""
    sites = sites or [os.urandom(16)]
    matrices = vector(len(sites)) + vector(1) if tables else b""
    return varint(len(sites)) + b"".join(sites) + varint(len(tables)) + b"".join(tables) + matrices + b"\0\0"


def whole(tables, rows=b"", count=0, sites=None):
    """Contents of a changeset in one part; rows: items as they stand there."""
    sites = sites or [os.urandom(16)]
    seen = vector(len(sites)) if tables else b""
    return head(tables, sites) + rows + bytes([CLOSE]) + varint(count) + seen + varint(0)
