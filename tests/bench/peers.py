"""What peers on loopback cost and how fast they are: latency, neighbours, write lock, backlog, new files, idleness, members, rooms.

The programs that write here never load the extension. Prints a table and, with --json, writes the figures.
"""
import argparse
import fcntl
import json
import os
import random
import shutil
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import synctest  # noqa: E402
from synctest import BUILD, Peer, plain  # noqa: E402

SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, c INT, d REAL)"
WAIT_S = 300  # for what must arrive; only a failure waits that long
LOOK_S = 0.0001  # between looks: who spins takes one of two processors from the peers


RUNNING = []  # peers that must not end by themselves


class Pair:
    """Two files, each with its peer: a.db is served, b.db was cloned from it and follows."""

    def __init__(self, directory, rows=0, follow=True, clone=True):
        self.dir = Path(tempfile.mkdtemp(prefix="pair-", dir=directory))
        self.a, self.b = self.dir / "a.db", self.dir / "b.db"
        plain(self.a, f"PRAGMA journal_mode = WAL; {SCHEMA};")
        insert(self.a, "seed", rows)
        self.follower = None
        self.serve()
        if clone:
            clone_s(self.dir, self.url, self.b)
        if follow:
            self.follow()

    def serve(self):
        self.server = Peer(self.dir, "serve", self.a, "--listen", "127.0.0.1:0", "--track", "all", "--room", "bench")
        self.url = f"ws://127.0.0.1:{self.server.wait_event('listening')['port']}/bench"
        RUNNING.append(self.server)

    def follow(self):
        self.follower = Peer(self.dir, "sync", self.b, self.url)
        RUNNING.append(self.follower)

    def close(self):
        RUNNING.clear()
        for peer in (self.follower, self.server):
            if peer:
                peer.stop()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if failure[0]:
            for peer in (self.follower, self.server):
                if peer:
                    peer.kill()
        else:
            self.close()


def connect(path, timeout=10.0):
    connection = sqlite3.connect(str(path), isolation_level=None, timeout=timeout)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def insert(path, prefix, rows, first=0):
    """That many rows in one transaction."""
    connection = connect(path)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO t VALUES(?, ?, ?, ?, ?)",
                           ((f"{prefix}-{i}", f"name of {i * 7919 % 100003}", f"place {i * 31 % 9973}", i, i / 8)
                            for i in range(first, first + rows)))
    connection.execute("COMMIT")
    connection.close()


def check_running():
    for peer in RUNNING:
        if peer.process.poll() is not None:
            raise RuntimeError(f"{peer.arguments} ended: {peer.stderr}")


def until(condition, what, interval=0.005):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        check_running()
        if time.monotonic() > deadline:
            raise RuntimeError(f"never: {what}")
        time.sleep(interval)


def arrived(path, key):
    connection = connect(path)
    found = []

    def look():
        found[:] = connection.execute("SELECT 1 FROM t WHERE id = ?", (key,)).fetchall()
        return bool(found)
    until(look, f"{key} in {path.name}")
    connection.close()


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


# ---- latency ----

def latencies_ms(source, target, prefix, count):
    """From COMMIT's return in one file to the row's being visible in the other."""
    writer, reader = connect(source), connect(target)
    version = "PRAGMA data_version"
    taken = []
    chance = random.Random(1)
    for i in range(count):
        key = f"{prefix}-{i}"
        before = reader.execute(version).fetchone()
        writer.execute("INSERT INTO t VALUES(?, 'a', 'b', 1, 2.5)", (key,))
        committed = time.perf_counter()
        while True:
            now = reader.execute(version).fetchone()
            if now != before:
                before = now
                if reader.execute("SELECT 1 FROM t WHERE id = ?", (key,)).fetchone():
                    break
            if time.perf_counter() - committed > 1:
                check_running()
            time.sleep(LOOK_S)
            if time.perf_counter() - committed > WAIT_S:
                raise RuntimeError(f"{key} never arrived")
        taken.append((time.perf_counter() - committed) * 1000)
        time.sleep(chance.uniform(0.002, 0.02))
    return taken


def measure_latency(out, options):
    with Pair(options.dir, rows=1000) as pair:
        arrived(pair.b, "seed-999")
        insert(pair.a, "first", 1)
        arrived(pair.b, "first-0")
        for name, source, target in (("served to following", pair.a, pair.b), ("following to served", pair.b, pair.a)):
            time.sleep(1.5)  # what was written to the target before does not count as a program that is writing
            taken = latencies_ms(source, target, name, options.commits)
            out.add(f"latency {name}, median, ms", statistics.median(taken), 2)
            out.add(f"latency {name}, 99th percentile, ms", percentile(taken, 99), 10)


# ---- neighbours ----

def neighbour(path, begin, timeout, seconds):
    """Transactions of a program that reads, then writes: (done, failed)."""
    connection = connect(path, timeout)
    done = failed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection.execute(begin)
            connection.execute("SELECT count(*) FROM t WHERE id < 'a'").fetchone()
            connection.execute("INSERT INTO t VALUES(?, 'a', 'b', 1, 2.5)", (f"neighbour-{os.urandom(8).hex()}",))
            connection.execute("COMMIT")
            done += 1
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            failed += 1
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        time.sleep(0.0005)
    connection.close()
    return done, failed


class Trickle(threading.Thread):
    """Ten commits a second into a file."""

    def __init__(self, path, rows=1):
        super().__init__(daemon=True)
        self.path, self.rows, self.commits, self.ended = path, rows, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            insert(self.path, f"trickle-{os.urandom(8).hex()}", self.rows)
            self.commits += 1

    def stop(self):
        self.ended.set()
        self.join()


def measure_neighbours(out, options):
    with Pair(options.dir, rows=1000) as pair:
        arrived(pair.b, "seed-999")
        for name, begin, timeout, incoming, target in (
                ("outgoing relay", "BEGIN", 5, False, 0),
                ("incoming merges", "BEGIN", 5, True, 1),
                ("incoming merges, BEGIN IMMEDIATE", "BEGIN IMMEDIATE", 5, True, 0.1)):
            trickle = Trickle(pair.b) if incoming else None
            if trickle:
                trickle.start()
            done, failed = neighbour(pair.a, begin, timeout, options.seconds)
            if trickle:
                trickle.stop()
            out.add(f"neighbour fails under {name}, % of {done + failed}", 100 * failed / (done + failed), target)
            insert(pair.a, f"settled-{name}", 1)
            arrived(pair.b, f"settled-{name}-0")


# ---- write lock ----

class LockWatch(threading.Thread):
    """How long the write lock of a file in WAL mode is held, seen with F_GETLK, which takes nothing.
    The watcher is a process of its own: it must not share the interpreter's lock with what it watches."""

    WRITE_LOCK_BYTE = 120  # of the -shm file (SQLite's file format, "WAL locks")

    @staticmethod
    def watch(path):
        """Runs in the child: prints the holder and the time in ms of each hold until stdin ends."""
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, LockWatch.WRITE_LOCK_BYTE, 1, 0)
        free, since, holder = struct.pack("h", fcntl.F_UNLCK), None, b""
        with open(path, "rb+", buffering=0) as shm:
            descriptor, ask, clock = shm.fileno(), fcntl.fcntl, time.perf_counter
            while not ended.is_set():
                answer = ask(descriptor, fcntl.F_GETLK, question)
                pid = b"" if answer[:2] == free else answer[24:28]
                if pid != holder:
                    now = clock()
                    if holder:
                        print(struct.unpack("i", holder)[0], (now - since) * 1000, flush=True)
                    since, holder = now, pid
                time.sleep(LOOK_S)

    def __init__(self, path):
        super().__init__(daemon=True)
        self.process = subprocess.Popen([sys.executable, __file__, "--watch-lock", f"{path}-shm"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holds = []
        self.start()

    def run(self):
        for line in self.process.stdout:
            pid, held_ms = line.split()
            self.holds.append((int(pid), float(held_ms)))

    def stop(self, peer):
        """The holds by that peer, in ms."""
        self.process.stdin.close()
        self.process.wait()
        self.join()
        return [held_ms for pid, held_ms in self.holds if pid == peer.process.pid]


def measure_lock(out, options):
    with Pair(options.dir, rows=1000) as pair:
        arrived(pair.b, "seed-999")
        for name, rows in (("one row", 1), ("100 rows", 100)):
            watch, trickle = LockWatch(pair.a), Trickle(pair.b, rows)
            trickle.start()
            time.sleep(options.seconds)
            trickle.stop()
            insert(pair.b, f"settled-{rows}", 1)
            arrived(pair.a, f"settled-{rows}-0")
            holds = watch.stop(pair.server)
            out.add(f"write lock, merges of {name}, 99th percentile of {len(holds)}, ms", percentile(holds, 99), 5)
        watch, before, started = LockWatch(pair.a), cpu_ms(pair.server.process.pid), time.monotonic()
        insert(pair.b, "bulk", 20000)
        arrived(pair.a, "bulk-19999")
        took, cpu = time.monotonic() - started, cpu_ms(pair.server.process.pid) - before
        time.sleep(0.5)
        holds = watch.stop(pair.server)
        out.add(f"write lock, 20000 rows of one commit, 99th percentile of {len(holds)}, ms", percentile(holds, 99), 5)
        out.add("write lock, 20000 rows of one commit, median, ms", statistics.median(holds), None)
        out.add("write lock, 20000 rows of one commit, longest, ms", max(holds), None)
        out.add("the same, s until they are there", took, None)
        out.add("the same, processor time of the peer that merges, ms a hold", cpu / len(holds), None)


# ---- memory ----

def peak_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM")


def measure_backlog(out, options):
    with Pair(options.dir, rows=1, follow=False) as pair:
        insert(pair.a, "backlog", options.backlog)
        started = time.monotonic()
        pair.follow()
        arrived(pair.b, f"backlog-{options.backlog - 1}")
        counts = [0]

        def complete():
            connection = connect(pair.b)
            counts[0] = connection.execute("SELECT count(*) FROM t").fetchone()[0]
            connection.close()
            return counts[0] == options.backlog + 1
        until(complete, "all rows", 0.5)
        out.add(f"backlog of {options.backlog} rows, s", time.monotonic() - started, None)
        out.add("backlog, peak memory of the sender, MiB", peak_mib(pair.server.process.pid), 64)
        out.add("backlog, peak memory of the receiver, MiB", peak_mib(pair.follower.process.pid), 64)


# ---- new files ----

def vacuum_s(source, target):
    connection = connect(source)
    started = time.monotonic()
    connection.execute("VACUUM INTO ?", (str(target),))
    took = time.monotonic() - started
    connection.close()
    target.unlink()
    return took


def clone_s(directory, url, target):
    """A whole process, from its start to its end, when the file holds what the room does."""
    started = time.monotonic()
    peer = Peer(directory, "clone", url, target)
    status, took = peer.wait(WAIT_S), time.monotonic() - started
    if status != 0 or not any(event["event"] == "snapshot" for event in peer.all_events()):
        raise RuntimeError(f"no clone by a snapshot: {peer.stderr}")
    return took


def count_rows(path):
    connection = connect(path)
    count = connection.execute("SELECT count(*) FROM t").fetchone()[0]
    connection.close()
    return count


def measure_clone(out, options):
    """Each clone beside a VACUUM INTO of the same file just before it, and each from a new server, which has no copy yet. Rows from before the tracking have no
    clocks; those that were written since have."""
    for kind, first in (("", 0), (" that were written while tracked", 1)):
        with Pair(options.dir, rows=1 if first else options.backlog, follow=False, clone=False) as pair:
            if first:
                insert(pair.a, "seed", options.backlog, 1)
            times, plain_times, grown = [], [], []
            for _ in range(5):
                pair.server.stop()
                RUNNING.remove(pair.server)
                pair.serve()
                target, before = pair.dir / "c.db", peak_mib(pair.server.process.pid)
                plain_times.append(vacuum_s(pair.a, pair.dir / "plain.db"))
                times.append(clone_s(pair.dir, pair.url, target))
                grown.append(peak_mib(pair.server.process.pid) - before)
                if count_rows(target) != options.backlog + bool(first):
                    raise RuntimeError("the clone lacks rows")
                for suffix in ("", "-sync", "-wal", "-shm"):
                    Path(f"{target}{suffix}").unlink(missing_ok=True)
            ratios = [clone / plain for clone, plain in zip(times, plain_times)]
            out.add(f"clone of {options.backlog} rows{kind}, median of five, s", statistics.median(times), None)
            out.add("VACUUM INTO of that file, s", statistics.median(plain_times), None)
            out.add("clone as a multiple of that", statistics.median(ratios), 2)
            out.add("clone, growth of the server's peak memory, MiB", max(grown), 32)


# ---- idleness ----

def cpu_ms(pid):
    """All threads, in the scheduler's nanoseconds: the ticks of /proc/PID/stat are too coarse."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e6


def measure_idle(out, options):
    with Pair(options.dir, rows=1000) as pair:
        arrived(pair.b, "seed-999")
        insert(pair.a, "last", 1)
        arrived(pair.b, "last-0")
        time.sleep(3)
        pids = (pair.server.process.pid, pair.follower.process.pid)
        before = [cpu_ms(pid) for pid in pids]
        time.sleep(10)
        for name, pid, at_start in zip(("served", "following"), pids, before):
            out.add(f"idle for 10 s, CPU of the {name} peer, ms", cpu_ms(pid) - at_start, 10)


# ---- load ----

ROOM_SCHEMA = "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT)"
LOAD_LIMITS = {"links": 20000, "linksPerAddress": 20000, "upgradesPerMinute": 100000, "openRooms": 512}


class Server:
    """A peer with rooms, and what members of these have that have seen nothing yet."""

    def __init__(self, directory):
        self.dir = Path(tempfile.mkdtemp(prefix="load-", dir=directory))
        self.rooms, schemas, self.seen = self.dir / "rooms", self.dir / "schemas", self.dir / "seen"
        self.rooms.mkdir(mode=0o700)
        schemas.mkdir()
        (schemas / "default.sql").write_text(ROOM_SCHEMA + ";", encoding="utf-8")
        copy = synctest.connect(self.dir / "copy.db")
        copy.execute(ROOM_SCHEMA)
        copy.execute("SELECT sync_track('t')")
        self.seen.write_bytes(copy.execute("SELECT sync_seen()").fetchone()[0])
        copy.close()
        config = self.dir / "peer.json"
        config.write_text(json.dumps({"listen": ["127.0.0.1:0"], "dbFolder": str(self.rooms), "schemaFolder": str(schemas),
                                      "create": True, "limits": LOAD_LIMITS}), encoding="utf-8")
        self.peer = Peer(self.dir, "serve", "--config", config)
        self.port = self.peer.wait_event("listening")["port"]

    def load(self, *arguments):
        """What tests/load says, with the processor time that the peer took meanwhile."""
        before = cpu_ms(self.peer.process.pid)
        done = subprocess.run([BUILD / "bench" / "load", *map(str, arguments)], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout) | {"peer_seconds": (cpu_ms(self.peer.process.pid) - before) / 1000}

    def __enter__(self):
        RUNNING.append(self.peer)
        return self

    def __exit__(self, *failure):
        RUNNING.clear()
        self.peer.stop()
        shutil.rmtree(self.dir)


def measure_fanout(out, options):
    """A commit at a time, each seen by all members before the next; the load takes its share of the two processors."""
    with Server(options.dir) as server:
        file = server.rooms / "bench.db"
        plain(file, f"PRAGMA journal_mode = WAL; {ROOM_SCHEMA};")
        got = server.load("fanout", server.port, "bench", file, server.seen, options.members, options.seconds)
        out.add(f"one-row changes to {options.members} members, messages a second", got["arrived"] / got["seconds"],
                100000, at_least=True)
        out.add("the same, processor time of the peer a message, us", got["peer_seconds"] / got["arrived"] * 1e6, None)
        out.add("the same, commit to visible, 99th percentile, ms", got["p99_ms"], None)


def measure_rooms(out, options):
    with Server(options.dir) as server:
        got = server.load("paced", server.port, "room", server.rooms, server.seen, options.rooms, options.rate, options.seconds)
        what = f"{options.rooms} rooms, {options.rate:g} changes a second each"
        out.add(f"{what}: committed a second", got["commits"] / got["seconds"], None)
        out.add("the same, commit to visible, median, ms", got["p50_ms"], None)
        out.add("the same, 99th percentile, ms", got["p99_ms"], 50)
        out.add("the same, processor time of the peer, share of one", got["peer_seconds"] / got["seconds"], None)


# ---- report ----

class Report:
    def __init__(self):
        self.figures = []

    def add(self, name, value, target, at_least=False):
        verdict = ""
        if target is not None:
            over = (target / value if value else 2) if at_least else value / target if target else 1 + value
            verdict = "pass" if over <= 1 else "within 10 %" if over <= 1.1 else "MISS"
        self.figures.append({"figure": name, "value": round(value, 4), "target": target, "verdict": verdict})
        shown = "" if target is None else f"{target:g}"
        print(f"{name:<76} {value:>10.2f} {shown:>8}  {verdict}", flush=True)


MEASURES = {"latency": measure_latency, "neighbours": measure_neighbours, "lock": measure_lock,
            "backlog": measure_backlog, "clone": measure_clone, "idle": measure_idle, "fanout": measure_fanout, "rooms": measure_rooms}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=MEASURES, help="may be repeated (default: all)")
    parser.add_argument("--commits", type=int, default=500, help="for latency, each way")
    parser.add_argument("--seconds", type=float, default=10, help="per neighbour, lock and load measurement")
    parser.add_argument("--members", type=int, default=1000, help="of the room that one writes to")
    parser.add_argument("--rooms", type=int, default=200, help="that are written to at the same time")
    parser.add_argument("--rate", type=float, default=50, help="rows a second for each of these")
    parser.add_argument("--backlog", type=int, default=1000000, help="rows")
    parser.add_argument("--dir", help="where the files go (default: a temporary directory)")
    parser.add_argument("--json", help="also write the figures here")
    parser.add_argument("--watch-lock", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch_lock:
        LockWatch.watch(options.watch_lock)
        return
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as directory:
        options.dir = directory
        out = Report()
        print(f"{'peers on loopback':<76} {'':>10} {'target':>8}")
        for name in options.only or MEASURES:
            MEASURES[name](out, options)
    if options.json:
        Path(options.json).write_text(json.dumps({"peers": out.figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
