#!/usr/bin/python3
"""usage: kill.py SEED [KILLS]

Three files that peers and an applier keep in step, programs that write to them, and kill -9 of one of all these, again and again. At the end
every write that somebody was told is committed is in all files, and at no time does a file claim to hold what it does not.
"""
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import invariants  # noqa: E402
from plan import SCHEMA, Plan, Writer  # noqa: E402
from synctest import EXTENSION, HOST_ENV, PEER, PEER_ENV, _SANITIZER_REPORT, connect, dump, eventually, plain  # noqa: E402
from victim import PAUSE_S, TIMEOUT_S, now_ms, patiently  # noqa: E402

VICTIM = Path(__file__).with_name("victim.py")
BETWEEN_KILLS_S = 0.25
KILLS_PER_LOOK = 7
ADOPTED_ROWS = 800
REST_S = 180  # only a failure waits that long


class Failed(Exception):
    """What did not hold."""


class Process:
    """A program that is started again each time it was killed."""

    def __init__(self, directory, name):
        self.directory, self.name, self.life, self.process = directory, name, 0, None

    def start(self):
        self.life += 1
        self.errors = self.directory / f"{self.name}.{self.life}.err"
        with open(self.errors, "wb") as err:
            self.process = self.spawn(err)

    def alive(self):
        """Whether it lives; an end that nobody brought about is a failure."""
        status = self.process.poll()
        if status is None:
            return True
        said = self.errors.read_text(encoding="utf-8", errors="replace")
        raise Failed(f"{self.name} ended by itself with status {status}:\n{said}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        said = self.errors.read_text(encoding="utf-8", errors="replace")
        if _SANITIZER_REPORT.search(said):
            raise Failed(f"{self.name}:\n{said}")


class PeerProcess(Process):
    def __init__(self, directory, name, *arguments):
        super().__init__(directory, name)
        self.arguments = arguments

    def spawn(self, err):
        return subprocess.Popen([str(PEER), *map(str, self.arguments), "--quiet"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=err, env=PEER_ENV)

    def alive(self):
        if self.process.poll() == 8 and "--listen" in self.arguments:  # somebody else was given the port meanwhile
            self.start()
            return False
        return super().alive()


class Script(Process):
    """A role of victim.py."""

    def __init__(self, directory, name, *arguments):
        super().__init__(directory, name)
        self.arguments = arguments

    def spawn(self, err):
        return subprocess.Popen([sys.executable, str(VICTIM), *map(str, self.arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=err, env=HOST_ENV)


class WriterProcess(Script):
    """Each life writes under another name, so that the rows of the one before stay as it left them."""

    def __init__(self, directory, name, db):
        super().__init__(directory, name)
        self.db, self.lives = db, []

    def begin(self):
        self.lives.append(Writer(f"{self.name}-{self.life}"))
        return self.lives[-1]

    def spawn(self, err):
        life = self.begin()
        self.arguments = ("write", self.db, life.name, self.directory / f"{life.name}.journal")
        return super().spawn(err)

    def kill(self):
        super().kill()
        life = self.lives[-1]
        life.died = now_ms()
        journal = self.directory / f"{life.name}.journal"
        for line in journal.read_text(encoding="ascii").splitlines() if journal.exists() else []:
            life.line(line)


class ShellWriter(WriterProcess):
    """The stock shell, which is handed one transaction after the other and says when each is committed."""

    def spawn(self, err):
        process = subprocess.Popen(["sqlite3", "-batch", "-bail", "-init", "/dev/null", "-cmd", f".timeout {TIMEOUT_S * 1000}", str(self.db)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True)
        self.feeder = threading.Thread(target=self.feed, args=(process, self.begin()), daemon=True)
        self.feeder.start()
        return process

    @staticmethod
    def feed(process, life):
        plan = Plan(life.name)
        try:
            while True:
                statements = plan.next()
                life.line(f"b {plan.count} {now_ms()}")
                process.stdin.write("BEGIN IMMEDIATE;\n" + ";\n".join(statements) + f";\nCOMMIT;\nSELECT 'done';\n")
                process.stdin.flush()
                if process.stdout.readline() != "done\n":
                    return
                life.line(f"a {plan.count} {now_ms()}")
                time.sleep(PAUSE_S)
        except BrokenPipeError:
            return  # it was killed: the transaction was not acknowledged

    def kill(self):
        Process.kill(self)
        self.feeder.join()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.lives[-1].died = now_ms()


class Adopter(Script):
    """Has a file of its own, whose rows all bear the same number after each transaction."""

    def __init__(self, directory, name):
        self.db = directory / "adopted.db"
        plain(self.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w UNIQUE); CREATE TABLE c(id TEXT PRIMARY KEY, t REFERENCES t);"
              f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ADOPTED_ROWS})"
              " INSERT INTO t SELECT i, 0, i FROM n; INSERT INTO c SELECT 'c' || id, id FROM t;")
        super().__init__(directory, name, "adopt", EXTENSION.with_suffix(""), self.db)

    def kill(self):
        super().kill()
        found = plain(self.db, "SELECT count(*), count(DISTINCT v), (SELECT count(*) FROM c) FROM t")
        if found != f"{ADOPTED_ROWS}|1|{ADOPTED_ROWS}":
            raise Failed(f"the adopted file has rows {found}")
        invariants.check(self.db)


# ---- what files say of themselves ----


class Claims:
    """In one snapshot of a file: up to when it claims to hold each site's writes, and all that it holds. Tables with identity `key`."""

    def __init__(self, db):
        connection = connect(db)
        try:
            eventually(lambda: self._read(connection), f"a snapshot of {db}", REST_S)
        finally:
            connection.close()

    def _read(self, connection):
        try:
            connection.execute("BEGIN")
            tables = dict(connection.execute("SELECT tid, name FROM sync_table WHERE identity = 'key'").fetchall())
            sites = dict(connection.execute("SELECT sid, site FROM sync_site").fetchall())
            seen = invariants.vectors(connection.execute("SELECT seen FROM sync_meta").fetchone()[0])
            self.seen = {(name, sites[sid]): hlc for tid, name in tables.items()
                         for sid, hlc in enumerate(seen.get(tid, [])) if sid in sites}
            self.rows = {}
            for table, key, column, stamp, site, cl in connection.execute(
                    "SELECT tbl, key, col, stamp, site, cl FROM sync_changes"):
                if table in tables.values():
                    row = self.rows.setdefault((table, key), [0, {}])
                    row[0] = cl
                    row[1][column] = (stamp, site)
            return True
        except sqlite3.OperationalError as error:
            if not any(text in str(error) for text in ("locked", "end the transaction first", "no table of this file")):
                raise
            connection.execute("ROLLBACK")
            patiently(connection, "SELECT sync_seen()")  # writes what must be written before the file can be read
            return False
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def hlc_of(stamp):
    """The number behind a stamp's text."""
    moment, counter = stamp.removeprefix("(genesis) ").split("Z/")
    seconds, ms = moment.split(".")
    whole = int(time.mktime(time.strptime(seconds + " UTC", "%Y-%m-%dT%H:%M:%S %Z"))) - time.timezone
    return (whole * 1000 + int(ms)) << 16 | int(counter)


def check_claims(files):
    """No file claims to hold a write that another has and it has not."""
    claims = {db: Claims(db) for db in files}
    for here, mine in claims.items():
        for there, theirs in claims.items():
            for (table, key), (cl, cells) in theirs.rows.items() if here != there else ():
                my_cl, my_cells = mine.rows.get((table, key), (0, {}))
                for column, (stamp, site) in cells.items():
                    covered = my_cl > cl or (my_cl == cl and my_cells.get(column, ("", b"")) >= (stamp, site))
                    if not covered and hlc_of(stamp) <= mine.seen.get((table, site), 0):
                        raise Failed(f"{here.name} claims to hold {table} {key} {column} of {stamp} by {site.hex()}, as {there.name} does;"
                                     f" it has cl {my_cl}, {my_cells}, and {there.name} cl {cl}")


# ---- the run ----


class Run:
    def __init__(self, seed, directory):
        self.seed, self.directory = seed, directory
        self.dice = random.Random(seed)
        self.files = [directory / f"{name}.db" for name in "abc"]
        a, b, c = self.files
        for db in self.files:
            plain(db, SCHEMA)
        connect(a).execute("SELECT sync_track_all()").connection.close()
        serve_a = PeerProcess(directory, "peer-a", "serve", a, "--listen", "127.0.0.1:0")
        port_a, port_b = self.free_port(), self.free_port()
        serve_a.arguments = ("serve", a, "--listen", f"127.0.0.1:{port_a}")
        url_a, url_b = f"ws://127.0.0.1:{port_a}/a", f"ws://127.0.0.1:{port_b}/b"
        self.peers = [serve_a,
                      PeerProcess(directory, "peer-b", "serve", b, "--listen", f"127.0.0.1:{port_b}", "--follow", url_a),
                      PeerProcess(directory, "peer-c", "sync", c, url_b, "--no-wal")]  # its file keeps its rollback journal
        self.writers = [WriterProcess(directory, f"w{seed}-a", a), WriterProcess(directory, f"w{seed}-b", b),
                        WriterProcess(directory, f"w{seed}-c", c), ShellWriter(directory, f"w{seed}-shell", self.dice.choice(self.files))]
        self.others = [Script(directory, "carrier", "carry", EXTENSION.with_suffix(""), a, c), Adopter(directory, "adopter")]
        self.victims = [*self.peers, *self.writers, *self.others]

    @staticmethod
    def free_port():
        import socket
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    @staticmethod
    def tracked(db):
        return int(plain(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'num'")) > 0

    def kill_some(self, kills):
        for peer in self.peers:
            peer.start()
        eventually(lambda: all(map(self.tracked, self.files)), "all files tracked", REST_S)  # rows from before it are one row where numbers agree
        for victim in [*self.writers, *self.others]:
            victim.start()
        for kill in range(kills):
            time.sleep(self.dice.random() * 2 * BETWEEN_KILLS_S)
            for victim in self.victims:
                victim.alive()
            chosen = self.dice.choice(self.victims)
            chosen.kill()
            chosen.start()
            if kill % KILLS_PER_LOOK == KILLS_PER_LOOK - 1:
                check_claims(self.files)

    def come_to_rest(self):
        """No more writes; what is still on its way arrives."""
        for victim in [*self.writers, *self.others]:
            victim.kill()
        eventually(self.equal, lambda: "equal files: " + self.difference(), REST_S)
        for peer in self.peers:
            peer.alive()
        check_claims(self.files)
        for peer in self.peers:
            peer.kill()
        for db in self.files:
            dump(db)  # a journal that a peer has left is rolled back: whoever only reads cannot

    def equal(self):
        for peer in self.peers:
            peer.alive()
        try:
            first, held = dump(self.files[0]), self.tags_held(self.files[0])
            return all(dump(db) == first and self.tags_held(db) == held for db in self.files[1:])
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return False  # a merge at work

    def difference(self):
        dumps = [dump(db) for db in self.files]
        return "\n".join(f"{table} of {db.name}: {sorted(set(one[table]) - set(dumps[0][table]))[:5]} more,"
                         f" {sorted(set(dumps[0][table]) - set(one[table]))[:5]} less than {self.files[0].name}"
                         for db, one in zip(self.files[1:], dumps[1:]) for table in one if one[table] != dumps[0][table])

    @staticmethod
    def tags_held(db):
        """Tags that are put aside, and those of the rows that are in their way."""
        connection = sqlite3.connect(db, timeout=TIMEOUT_S)
        try:
            return {json.loads(side)["tag"] for sides in connection.execute(
                "SELECT ours, theirs FROM sync_conflict WHERE held AND tbl = 'num'") for side in sides if side}
        finally:
            connection.close()

    @staticmethod
    def tags(db):
        """Of each row of `num` that lives, shown or not."""
        connection = connect(db)
        try:
            return [tag for (tag,) in connection.execute("SELECT value FROM sync_changes WHERE tbl = 'num' AND col = 'tag'")]
        finally:
            connection.close()

    def check(self):
        for db in self.files:
            invariants.check(db)
        self.check_clocks()
        self.check_ledger()

    def check_clocks(self):
        """The files agree about every cell, and need no further exchange."""
        cells = []
        for db in self.files:
            connection = connect(db)
            cells.append(set(connection.execute("SELECT tbl, key, op, col, value, stamp, site, cl FROM sync_changes").fetchall()))
            connection.close()
        for db, one in zip(self.files[1:], cells[1:]):
            if one != cells[0]:
                raise Failed(f"clocks of {db.name} and {self.files[0].name} differ: {list(one ^ cells[0])[:6]}")

    def check_ledger(self):
        db = sqlite3.connect(self.files[0])
        own = {row[0]: row[1:] for row in db.execute("SELECT id, v, w FROM own")}
        part = {row[0]: row[1:] for row in db.execute("SELECT id, own, v FROM part")}
        shown = {tag for (tag,) in db.execute("SELECT tag FROM num")}
        hot = {(row, column): value for row, *values in db.execute("SELECT id, a, b FROM hot") for column, value in zip("ab", values)}
        db.close()
        tags = self.tags(self.files[0])
        if len(set(tags)) != len(tags):
            raise Failed(f"rows are there twice: {sorted(t for t in set(tags) if tags.count(t) > 1)[:5]}")
        if not shown <= set(tags) <= shown | self.tags_held(self.files[0]):
            raise Failed(f"rows are merged, but neither shown nor held: {sorted(set(tags) - shown - self.tags_held(self.files[0]))[:5]}")
        lives = [life for writer in self.writers for life in writer.lives]
        for life in lives:
            def mine(rows, start=life.name + "."):
                return {key: value for key, value in rows.items() if key.startswith(start)}
            found = (mine(own), mine(part), {tag for tag in tags if tag.startswith(life.name + ".")})
            may_be = [(plan.own, plan.part, plan.tags) for plan in life.states()]
            if found not in may_be:
                raise Failed(f"{life.name} was told of {len(life.acked)} transactions and began {len(life.began)}; what is there is neither:\n"
                             + "\n".join(self.first_difference(found, state) for state in may_be))
        self.check_hot(hot, lives)

    @staticmethod
    def first_difference(found, state):
        lacks = [sorted(k for k in expected if not isinstance(there, dict) and k not in there or isinstance(there, dict) and there.get(k) != expected[k])[:3]
                 for there, expected in zip(found, state)]
        more = [sorted(k for k in there if k not in expected)[:3] for there, expected in zip(found, state)]
        return f"  lacks (own, part, num) {lacks}, has more {more}"

    @staticmethod
    def check_hot(hot, lives):
        """What a common cell says was written by somebody, and by nobody before another write of it began: one clock serves all here."""
        writes = {}
        for life in lives:
            for cell, value, began, ended in life.writes_of_hot():
                writes.setdefault(cell, {})[value] = (began, ended or life.died, ended is not None)
        for cell, value in hot.items():
            if value is None and not any(acked for _, _, acked in writes.get(cell, {}).values()):
                continue
            if value not in writes.get(cell, {}):
                raise Failed(f"hot {cell} is {value}, which nobody wrote")
            ended = writes[cell][value][1]
            later = [v for v, (began, _, acked) in writes[cell].items() if acked and began > ended]
            if later:
                raise Failed(f"hot {cell} is {value}, although {later[0]} was written later")
        for cell, of_cell in writes.items():
            if cell not in hot and any(acked for _, _, acked in of_cell.values()):
                raise Failed(f"hot {cell} is not there")

    def counts(self):
        lives = [life for writer in self.writers for life in writer.lives]
        return sum(len(life.acked) for life in lives), sum(victim.life for victim in self.victims)

    def end(self):
        for victim in self.victims:
            if victim.process and victim.process.poll() is None:
                victim.process.kill()
                victim.process.wait()


def run(seed, kills):
    """One run in a directory of its own, which is left where it is when something did not hold. The line that says what it did."""
    directory = Path(tempfile.mkdtemp(prefix="sync-kill-"))
    began = time.monotonic()
    run_ = Run(seed, directory)
    try:
        run_.kill_some(kills)
        run_.come_to_rest()
        run_.check()
    except (Failed, AssertionError, invariants.Broken) as problem:
        raise Failed(f"seed {seed}, files in {directory}: {problem}") from problem
    finally:
        run_.end()
    subprocess.run(["rm", "-r", str(directory)], check=True)
    return f"seed {seed}: {kills} kills, {run_.counts()[0]} transactions acknowledged, 0 failures; {time.monotonic() - began:.1f} s"


if __name__ == "__main__":
    try:
        print(run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 25), flush=True)
    except Failed as problem:
        print(problem, flush=True)
        sys.exit(1)
