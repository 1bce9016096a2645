"""What the Python tests share: the build under test, the stock shell, canonical dumps, and peers as processes.

SYNC_BUILD names the build directory (default: build/release). For a sanitized build the hosts of the extension,
the stock shell and this interpreter, run with the sanitizer's library preloaded; importing this module sees to it.
"""
import atexit
import json
import os
import queue
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SYNC_BUILD", ROOT / "build" / "release")).resolve()
EXTENSION = BUILD / "sync_ext.so"
PEER = BUILD / "sync-peer"
CHINOOK = ROOT.parent / "shared" / "data" / "chinook.sqlite"
TLS = bool(os.environ.get("SYNC_TLS"))  # peers talk over TLS
SCHEME = "wss" if TLS else "ws"
SECONDS_MAX = 30  # how long to wait for what must happen; only a failure waits that long

# What the manual page says of events: kind -> members.
EVENTS = {kind: set(members.split()) for kind, members in
          re.findall(r"^\.TP\n\\fB([a-z]+)\\fR ([a-z ]+)$",
                     (ROOT / "docs" / "man" / "sync-peer.1").read_text(encoding="ascii").split(".SH EVENTS")[1].split(".SH SIGNALS")[0], re.MULTILINE)}

_SANITIZER_REPORT = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:")


def _sanitizer():
    """'asan', 'tsan' or '' as the build says."""
    try:
        cache = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^SYNC_SANITIZE:\w+=(.*)$", cache, re.MULTILINE)
    if not found or not found.group(1):
        return ""
    return "tsan" if "thread" in found.group(1) else "asan"


SANITIZER = _sanitizer()


def _host_env():
    env = dict(os.environ)
    if SANITIZER:
        library = subprocess.run(["cc", f"-print-file-name=lib{SANITIZER}.so"], check=True, capture_output=True,
                                 text=True).stdout.strip()
        env["LD_PRELOAD"] = library
        env["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99"  # the hosts leak what they please at exit
    return env


HOST_ENV = _host_env()
# A peer is sanitized by itself, and its leaks are ours.
PEER_ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:exitcode=99")
PEER_ENV.pop("LD_PRELOAD", None)

if SANITIZER and os.environ.get("LD_PRELOAD") != HOST_ENV["LD_PRELOAD"]:
    sys.stdout.flush()
    os.execve(sys.executable, sys.orig_argv, HOST_ENV)


def certificate(folder, name, *names):
    """A certificate that signs itself, for these names and addresses: (FOLDER/NAME.pem, FOLDER/NAME.key)."""
    cert, key = Path(folder) / f"{name}.pem", Path(folder) / f"{name}.key"
    san = ",".join(("IP:" if re.fullmatch(r"[\d.]+|.*:.*", one) else "DNS:") + one for one in names)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2",
                    "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={san}"], check=True, capture_output=True)
    return cert, key


_loopback = None


def loopback():
    """A certificate for loopback, made once: (certificate, key)."""
    global _loopback
    if _loopback is None:
        folder = tempfile.mkdtemp(prefix="sync-tls-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _loopback = certificate(folder, "loopback", "localhost", "127.0.0.1", "::1")
        for path, mode in ((folder, 0o755), (_loopback[0], 0o644), (_loopback[1], 0o644)):
            os.chmod(path, mode)  # some tests run peers as somebody else
    return _loopback


def with_tls(arguments):
    """A command line, with what it needs beside these arguments so that its links use TLS, if that is what is tested."""
    words = [str(a) for a in arguments]
    if not TLS or "--ca-file" in words or "--cert-file" in words:
        return words
    cert, key = loopback()
    served = ["--cert-file", str(cert), "--key-file", str(key)] if words[:1] == ["serve"] and "--config" not in words else []
    trusted = ["--ca-file", str(cert)] if any(w.startswith("wss://") for w in words) else []
    return words[:1] + served + trusted + words[1:]


def waits(test):
    """For tests that do little but wait, many seconds: one of the suites that run their file is enough."""
    return unittest.skipIf(TLS or SANITIZER, "it waits, and does so in the suite e2e")(test)


def without_tls(reason):
    """For tests that make no sense over TLS."""
    return unittest.skipIf(TLS, reason)


def tls_config():
    """The same for a configuration."""
    return {"tls": dict(zip(("certFile", "keyFile"), map(str, loopback()))), "caFile": str(loopback()[0])} if TLS else {}


class ShellError(Exception):
    """The stock shell ended with an error; str() is its stderr."""


def shell(db, sql, ext=True, check=True, args=()):
    """Runs SQL (and dot commands) in the stock sqlite3 shell until the first error; returns its stdout without
    the last newline. With check=False returns (status, stdout, stderr) instead of raising ShellError."""
    command = ["sqlite3", "-batch", "-bail", "-init", "/dev/null", "-cmd", f".timeout {SECONDS_MAX * 1000}", *args]
    if ext:
        command += ["-cmd", f".load {EXTENSION}"]
    done = subprocess.run([*command, str(db)], input=sql.encode("utf-8", "surrogateescape"), capture_output=True,
                          env=HOST_ENV if ext else None, check=False)
    out = done.stdout.decode("utf-8", "surrogateescape")
    err = done.stderr.decode("utf-8", "surrogateescape")
    out = out[:-1] if out.endswith("\n") else out
    if done.returncode < 0 or _SANITIZER_REPORT.search(err):
        raise AssertionError(f"the shell crashed (status {done.returncode}) on:\n{sql[:2000]}\n{err}")
    if not check:
        return done.returncode, out, err.strip()
    if done.returncode != 0 or err:
        raise ShellError(err.strip() or f"status {done.returncode}")
    return out


def plain(db, sql, **options):
    """shell() without the extension: a program that knows nothing of us."""
    return shell(db, sql, ext=False, **options)


def connect(db, ext=True):
    """A connection of Python's own sqlite3 in autocommit mode, with the extension unless ext=False."""
    connection = sqlite3.connect(str(db), isolation_level=None, timeout=SECONDS_MAX)
    if ext:
        connection.enable_load_extension(True)
        connection.load_extension(str(EXTENSION.with_suffix("")))
        connection.enable_load_extension(False)
    return connection


class _Text(bytes):
    """TEXT as its bytes, told apart from BLOB by its class."""


def canonical(value):
    """A value such that equal means the same SQLite type and the same bits."""
    if value is None:
        return ("null",)
    if isinstance(value, float):
        return ("real", value.hex())
    if isinstance(value, int):
        return ("integer", value)
    return ("text" if isinstance(value, (_Text, str)) else "blob", bytes(value))


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def tables_of(db):
    """The ordinary tables of a file, without SQLite's and our own."""
    connection = sqlite3.connect(str(db), timeout=SECONDS_MAX)
    try:
        return [name for (name,) in connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'sync\\_%' ESCAPE '\\' ORDER BY name")]
    finally:
        connection.close()


def dump(db, tables=None):
    """{table: sorted rows}, read without the extension, every value canonical()."""
    result = {}
    for table in tables_of(db) if tables is None else tables:
        connection = sqlite3.connect(str(db), timeout=SECONDS_MAX)
        connection.text_factory = _Text
        try:
            cursor = connection.execute(f"SELECT * FROM {quote(table)}")
            columns = [column[0] for column in cursor.description]
            order = sorted(range(len(columns)), key=lambda i: columns[i])
            result[table] = sorted(tuple(canonical(row[i]) for i in order) for row in cursor)
        finally:
            connection.close()
    return result


def ask(db, sql):
    """One value, however long others keep the file locked."""
    connection = sqlite3.connect(str(db), timeout=SECONDS_MAX)
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


def patiently(db, sql):
    """plain() beside a peer: it waits for the lock."""
    return plain(db, f".timeout {SECONDS_MAX}000\n{sql}")


def eventually(condition, what, seconds=SECONDS_MAX):
    """Waits until condition() is true and returns its value; fails with `what` when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what() if callable(what) else what}")
        time.sleep(0.01)


class Peer:
    """One sync-peer process with --json; its stdout is read as one JSON object per line."""

    def __init__(self, directory, *arguments, before=(), env=None, pass_fds=()):
        """`before` is a command that runs the one behind it; `env` is added to the environment."""
        self.arguments = with_tls(arguments)
        self.events = []
        self.killed = False
        self.undocumented = []
        self._new = queue.Queue()
        with tempfile.NamedTemporaryFile(prefix="peer-", suffix=".err", dir=directory, delete=False) as err:
            self._err = Path(err.name)
            self.process = subprocess.Popen([*before, str(PEER), *self.arguments, "--json"], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=err, env=dict(PEER_ENV, **(env or {})), pass_fds=pass_fds)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.process.stdout as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    event = {"event": "not-json", "line": line.decode("utf-8", "replace")}
                if EVENTS.get(event["event"]) != event.keys() - {"event"}:
                    self.undocumented.append(event)
                self._new.put(event)
        self._new.put(None)

    @property
    def stderr(self):
        return self._err.read_text(encoding="utf-8", errors="replace")

    def wait_event(self, event, seconds=SECONDS_MAX, **fields):
        """The first event of that name (and those fields) that was not returned before."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = self._new.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                found = None
            if found is None:
                raise AssertionError(f"no event {event} {fields} from {self.arguments}; "
                                     f"status {self.process.poll()}, events {self.events}, stderr:\n{self.stderr}")
            self.events.append(found)
            if found.get("event") == event and all(found.get(k) == v for k, v in fields.items()):
                return found

    def all_events(self):
        """Every event of a process that has ended."""
        while not self._new.empty():
            event = self._new.get()
            if event is not None:
                self.events.append(event)
        return self.events

    def wait(self, seconds=SECONDS_MAX):
        """The exit status of a process that ends by itself."""
        try:
            status = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.arguments} does not end; stderr:\n{self.stderr}") from None
        self._reader.join(timeout=seconds)
        self._check(status)
        return status

    def stop(self, seconds=SECONDS_MAX):
        """SIGTERM, then the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """SIGKILL: a crash, as far as the file is concerned."""
        if self.process.poll() is None:
            self.killed = True
            self.process.kill()
        self.process.wait()
        self._reader.join(timeout=SECONDS_MAX)

    def _check(self, status):
        stderr = self.stderr
        if status < 0 or status == 99 or _SANITIZER_REPORT.search(stderr):
            raise AssertionError(f"{self.arguments} crashed with status {status}:\n{stderr}")
        if self.undocumented:
            raise AssertionError(f"{self.arguments} printed events that the manual page does not list: {self.undocumented}")


class Case(unittest.TestCase):
    """A test with a directory of its own; peers it starts end with it, and must not crash."""

    maxDiff = 4000

    def setUp(self):
        super().setUp()
        self.dir = Path(tempfile.mkdtemp(prefix="sync-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, name):
        return self.dir / name

    def peer(self, *arguments, **options):
        peer = Peer(self.dir, *arguments, **options)
        self.addCleanup(self._end, peer)
        return peer

    def _end(self, peer):
        try:
            if peer.process.poll() is None:
                peer.stop()
            elif not peer.killed:
                peer.wait()
        finally:
            peer.kill()

    def serve(self, db, *arguments):
        """`sync-peer serve` on a free port of loopback; `.url` is set once it listens."""
        peer = self.peer("serve", db, "--listen", "127.0.0.1:0", *arguments)
        event = peer.wait_event("listening")
        peer.port = event["port"]
        peer.room = event["room"]
        peer.url = f"{SCHEME}://127.0.0.1:{event['port']}/{event['room']}"
        return peer

    def sync(self, db, url, *arguments):
        """`sync-peer sync`, both ways, until it is stopped."""
        return self.peer("sync", db, url, *arguments)

    def linked_pair(self, pragma=""):
        """a.db, b.db with one row in t(id TEXT PRIMARY KEY, v), written in b.db, and their peers: (a, b, who serves a, who follows from b)."""
        a, b = self.path("a.db"), self.path("b.db")
        for path in (a, b):
            plain(path, f"{pragma}; CREATE TABLE t(id TEXT PRIMARY KEY, v)")
        server = self.serve(a)
        follower = self.sync(b, server.url)
        patiently(b, "INSERT INTO t VALUES('first', 0)")
        self.wait_rows(a, 1)
        return a, b, server, follower

    def wait_rows(self, db, count):
        """Waits until t has that many rows."""
        eventually(lambda: ask(db, "SELECT count(*) FROM t") == count,
                   lambda: f"{count} rows in {db}; there are {ask(db, 'SELECT count(*) FROM t')}")

    def run_peer(self, *arguments):
        """Runs a sync-peer that ends by itself: (status, stdout, stderr)."""
        done = subprocess.run([str(PEER), *with_tls(arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=PEER_ENV, timeout=SECONDS_MAX * 2, check=False)
        if done.returncode < 0 or done.returncode == 99 or _SANITIZER_REPORT.search(done.stderr):
            raise AssertionError(f"{arguments} crashed with status {done.returncode}:\n{done.stderr}")
        return done.returncode, done.stdout, done.stderr

    def assert_same(self, *dbs, tables=None):
        """The files hold the same rows, bit for bit."""
        first = dump(dbs[0], tables)
        for other in dbs[1:]:
            self.assertEqual(first, dump(other, tables), f"{dbs[0]} against {other}")

    def wait_same(self, *dbs, tables=None):
        """Waits until the files hold the same rows."""
        def same():
            first = dump(dbs[0], tables)
            return all(first == dump(other, tables) for other in dbs[1:])
        eventually(same, lambda: "equal files: " + repr([dump(db, tables) for db in dbs])[:4000])

    def assert_sound(self, *dbs):
        """integrity_check and foreign_key_check find nothing."""
        for db in dbs:
            connection = sqlite3.connect(str(db), timeout=SECONDS_MAX)
            try:
                self.assertEqual([("ok",)], connection.execute("PRAGMA integrity_check").fetchall(), str(db))
                self.assertEqual([], connection.execute("PRAGMA foreign_key_check").fetchall(), str(db))
            finally:
                connection.close()
