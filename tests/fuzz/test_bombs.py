"""What is small on the wire stays small in memory: hostile changesets of up to 1 MiB, through sync_apply, sync_describe and a peer, add at most 16 MiB
to the process (its peak, as the kernel counts it)."""
import sqlite3
import subprocess
import sys
import unittest
from pathlib import Path

LIB = Path(__file__).resolve().parents[1] / "lib"
sys.path.insert(0, str(LIB))
import rawchanges  # noqa: E402
import rawpeer  # noqa: E402
from rawchanges import EXISTS, FULL, ROW, SAME, TABLE, head, pack, table, vector, whole  # noqa: E402
from rawpeer import RawPeer, varint  # noqa: E402
from synctest import Case, connect, plain, shell  # noqa: E402

MIB = 1 << 20
BYTES_MAX = MIB
ADDED_MAX = 16 * MIB
PIECE = 200_000
NOTE = table("note", columns=("title",))
SITES = [i.to_bytes(16, "little") for i in range(1, 65537)]


def row(flags, key, *rest):
    return bytes([ROW | flags, 0x80 + len(key)]) + key + b"".join(rest)


def stamped(flags, key, *rest):
    return row(flags, key, varint(0), rawchanges.zigzag(5 << 16), *rest)


def columns_of(count, name="c"):
    return [f"{name}{i:x}" for i in range(count)]


def names():
    """As many as fit into a head, and more."""
    for tables, columns in ((2, 32000), (4096, 14), (4096, 200)):
        yield whole([table(f"t{t:x}", columns=columns_of(columns)) for t in range(tables)])


def matrices():
    for tables, sites in ((3, 65000), (4, 65000), (32, 65000), (4096, 64)):
        yield whole([table(f"t{t:x}") for t in range(tables)], sites=SITES[:sites])


def new_sites():
    """That would all be written down."""
    yield whole([NOTE], bytes([TABLE, 0]) + stamped(FULL, b"k", b"\x10"), 1, sites=SITES[:20000])


def new_columns():
    wide = table("note", columns=columns_of(32767))
    yield whole([wide], bytes([TABLE, 0]) + stamped(FULL, b"k", b"\x10" * 32767), 1)


def values():
    for size in (3 * MIB, 4 * MIB, 100 * MIB):
        for kind in (0x0a, 0x0b):
            value = bytes([kind]) + varint(size) + bytes(size)
            yield whole([NOTE], bytes([TABLE, 0]) + stamped(FULL, b"k", value), 1)


def lengths_that_lie():
    for size in (1 << 30, 1 << 62):
        yield whole([NOTE], bytes([TABLE, 0]) + stamped(FULL, b"k", b"\x0b" + varint(size), bytes(100)), 1)
        yield varint(size)
        yield head([NOTE])[:17] + varint(size)


def many_rows():
    again = row(FULL | SAME, b"k", b"\x00", b"\x10")
    yield whole([NOTE], bytes([TABLE, 0]) + stamped(FULL, b"k", b"\x10") + again * 100_000, 100_001)
    yield whole([NOTE], bytes([TABLE, 0]) + stamped(FULL, b"k", b"\x10") + again * 500_000, 500_001)


def references():
    item = stamped(EXISTS | 1, b"k")
    item = bytes([item[0]]) + bytes([rawchanges.REFERENCES]) + item[1:]
    yield whole([NOTE], bytes([TABLE, 0]) + item + varint(30000) + (varint(0) + b"\x02\x00") * 30000 + varint(0), 1)
    yield whole([NOTE], bytes([TABLE, 0]) + item + varint(1 << 40) + (varint(0) + b"\x02\x00") * 3_000_000, 1)


def closings():
    contents = head([NOTE], SITES[:65000]) + bytes([rawchanges.CLOSE]) + varint(0)
    yield contents + vector(65000, (1 << 64) - 1) + varint(0)
    yield contents + (varint(0) + varint(1 << 50)) * 65000


def windows():
    yield whole([NOTE], bytes([TABLE, 0]) + stamped(FULL, b"k", b"\x10"), 1)


BOMBS = (names, matrices, new_sites, new_columns, values, lengths_that_lie, many_rows, references, closings, windows)


def bombs(kind):
    """Changesets of 1 MiB, padded where they are shorter: more may come out of a longer one."""
    for contents in kind():
        blob = pack(contents, window_log=27 if kind is windows else 0)
        if len(blob) <= BYTES_MAX:
            yield blob + bytes(BYTES_MAX - len(blob))


def peak(pid="self"):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def forget_peak(pid="self"):
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return peak(pid)


def one_call(db, call, bomb):
    """In a process of its own: what a call adds to the peak, and what it says."""
    connection = connect(db)
    blob = Path(bomb).read_bytes()
    connection.execute("SELECT length(sync_seen())").fetchall()
    before = forget_peak()
    try:
        connection.execute(f"SELECT length({call}(?))", (blob,)).fetchall()
        said = "done"
    except sqlite3.Error as error:
        said = str(error)
    print(peak() - before, said)


class Bombs(Case):
    def setUp(self):
        super().setUp()
        self.db = self.path("a.db")
        plain(self.db, "CREATE TABLE note(id TEXT PRIMARY KEY, title);")
        shell(self.db, "SELECT sync_track('note');")

    def added(self, call, blob):
        bomb, copy = self.path("bomb"), self.path("copy.db")
        bomb.write_bytes(blob)
        copy.write_bytes(self.db.read_bytes())
        done = subprocess.run([sys.executable, __file__, "--call", copy, call, bomb], capture_output=True, text=True, check=True)
        added, said = done.stdout.split(" ", 1)
        return int(added), said.strip()

    def check(self, kind):
        for number, blob in enumerate(bombs(kind)):
            for call in ("sync_apply", "sync_describe"):
                added, said = self.added(call, blob)
                print(f"{kind.__name__} {number} {call}: {len(blob)} bytes, {added / MIB:.1f} MiB: {said}")
                with self.subTest(kind=kind.__name__, number=number, call=call, said=said):
                    self.assertLessEqual(added, ADDED_MAX)


    def test_a_peer(self):
        server = self.serve(self.db)
        pid = server.process.pid
        for kind in (names, matrices, values, windows):
            for blob in bombs(kind):
                before = forget_peak(pid)
                with RawPeer(server.port, f"/{server.room}") as peer:
                    peer.send(rawpeer.announce(server.room))
                    peer.expect(rawpeer.START)
                    for at in range(0, len(blob), PIECE):
                        more = at + PIECE < len(blob)
                        peer.send(rawpeer.changes(1, 0, rawpeer.LAST, blob[at:at + PIECE], flags=more))
                    peer.send(rawpeer.frame(rawpeer.START, payload=b"x"))  # ends the link when it is its turn
                    peer.until_closed()
                added = peak(pid) - before
                print(f"{kind.__name__} peer: {len(blob)} bytes, {added / MIB:.1f} MiB")
                with self.subTest(kind=kind.__name__):
                    self.assertLessEqual(added, ADDED_MAX)


for one in BOMBS:
    setattr(Bombs, f"test_{one.__name__}", lambda self, kind=one: self.check(kind))

if __name__ == "__main__":
    if sys.argv[1:2] == ["--call"]:
        one_call(*sys.argv[2:])
    else:
        unittest.main()
